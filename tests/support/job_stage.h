/* A merchant, jobs over its openids, and a WeChat that judges them by their names. */
#ifndef TEST_JOB_STAGE_H
#define TEST_JOB_STAGE_H

#include "fixture.h"
#include "flow/job_inner.h"

#define STAGE_APPID "wx00000000000000a1"
#define STAGE_CALL "batchUnblacklist"
#define STAGE_PATH "/cgi-bin/tags/members/batchunblacklist"
#define STAGE_OK "{\"errcode\":0,\"errmsg\":\"ok\"}"
#define STAGE_BAD "{\"errcode\":40003,\"errmsg\":\"invalid openid rid: 1-2-3\"}"
#define STAGE_REFUSED "{\"errcode\":41030,\"errmsg\":\"refused\"}"

/* For cmocka_unit_test_setup_teardown, with fixture_teardown. */
int stage_setup(void **state);

/* ---- Jobs ---- */

typedef struct stage_list {
    const char *const *openids; /* or made up: */
    const char *pattern;        /* "oPATTERN00000" and so on */
    size_t count, at;
    char text[80];
    bool fails; /* behind the last */
} stage_list;

/* A job's reader; `user` is a stage_list. */
int stage_read(void *user, const char **openid, size_t *len);
void stage_create(fixture *fx, stage_list *l, bool force, char id[64]);
void stage_create_many(fixture *fx, const char *pattern, size_t count, char id[64]);
/* Freed by wx_job_free. */
wxtp_job *stage_load(fixture *fx, const char *id);
/* The counters, against each other and against every batch and exception, in one committed state. */
void stage_verify(wx_core *core, const char *id);
wxtp_status stage_run_on(fixture_node *node, const char *id, wxtp_job_run_mode mode, wx_err *err);
/* Runs it, and verifies it. */
wxtp_status stage_run(fixture *fx, const char *id, wxtp_job_run_mode mode);
void stage_expect(fixture *fx, const char *id, wxtp_job_state state, int64_t done, int64_t invalid,
                  int64_t failed, int64_t pending);

/* ---- WeChat ---- */

/* For fake_http_handle: an openid with BAD in it is invalid, one with REF is refused for good. */
void stage_wechat(void *user, const fake_request *request, fake_reply *reply);
/* After 250 ms, and after a minute; `user` is the fixture. */
void stage_wechat_slow(void *user, const fake_request *request, fake_reply *reply);
void stage_wechat_late(void *user, const fake_request *request, fake_reply *reply);
/* Answers by stage_wechat, and by no other rule. */
void stage_play(fixture *fx);

#endif
