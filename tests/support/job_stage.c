#include "job_stage.h"

#include <stdio.h>
#include <string.h>

int stage_setup(void **state)
{
    return fixture_setup_merchant(state, STAGE_APPID);
}

int stage_read(void *user, const char **openid, size_t *len)
{
    stage_list *l = user;
    if (l->at == l->count)
        return l->fails ? -1 : 0;
    if (l->pattern)
        snprintf(l->text, sizeof l->text, "o%s%05zu", l->pattern, l->at);
    else
        snprintf(l->text, sizeof l->text, "%s", l->openids[l->at]);
    l->at++;
    *openid = l->text;
    *len = strlen(l->text);
    return 1;
}

void stage_create(fixture *fx, stage_list *l, bool force, char id[64])
{
    wx_err err;
    const wx_job_order order = {
        .appid = STAGE_APPID, .call = STAGE_CALL, .reader = stage_read, .user = l, .force = force};
    if (wx_job_create(fx->op, &order, id, &err) != WXTP_OK)
        fail_msg("create: %s", err.message);
}

void stage_create_many(fixture *fx, const char *pattern, size_t count, char id[64])
{
    stage_list l = {.pattern = pattern, .count = count};
    stage_create(fx, &l, false, id);
    assert_true(id[0] == 'j');
}

wxtp_job *stage_load(fixture *fx, const char *id)
{
    wxtp_job *job = NULL;
    wx_err err;
    assert_int_equal(wx_job_load(fx->core, id, &job, &err), WXTP_OK);
    return job;
}

typedef struct counted {
    int64_t invalid, failed;
} counted;

static bool count_exception(void *user, const wxtp_exception_row *row)
{
    counted *c = user;
    *(row->verdict == WXTP_VERDICT_INVALID ? &c->invalid : &c->failed) += 1;
    return true;
}

void stage_verify(wx_core *core, const char *id)
{
    wx_err err;
    wxtp_job *job = NULL;
    wxtp_batch_row batch;
    counted c = {0};
    int64_t pending = 0, done = 0;
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, core, WXTP_TX_READ, &err), WXTP_OK);
    assert_int_equal(wx_job_read(core, scope.tx, id, &job, &err), WXTP_OK);
    for (int64_t n = 0; wx_ops(core)->batch_get(scope.tx, id, n, &batch) == WXTP_OK; n++) {
        int64_t here = 0;
        for (const char *m = batch.marks; *m; m++) {
            here += *m == '.' || *m == '?';
            done += *m == '+';
        }
        assert_int_equal(batch.finished, here == 0);
        pending += here;
    }
    assert_int_equal(wx_ops(core)->exception_list(scope.tx, id, -1, 0, 1000000, count_exception, &c),
                     WXTP_OK);
    const wxtp_job_row *row = &job->row;
    assert_int_equal(row->requested, row->succeeded + row->invalid + row->failed + row->pending);
    assert_int_equal(row->pending, pending);
    assert_int_equal(row->succeeded, done);
    assert_int_equal(row->invalid, c.invalid);
    assert_int_equal(row->failed, c.failed);
    wx_job_free(job);
}

wxtp_status stage_run_on(fixture_node *node, const char *id, wxtp_job_run_mode mode, wx_err *err)
{
    wxtp_job *job = NULL;
    const wxtp_status status = wx_job_run(&node->op, id, mode, NULL, NULL, &job, err);
    wx_job_free(job);
    return status;
}

wxtp_status stage_run(fixture *fx, const char *id, wxtp_job_run_mode mode)
{
    wx_err err;
    wx_err_clear(&err);
    const wxtp_status status = stage_run_on(&fx->node, id, mode, &err);
    stage_verify(fx->core, id);
    return status;
}

void stage_expect(fixture *fx, const char *id, wxtp_job_state state, int64_t done, int64_t invalid,
                  int64_t failed, int64_t pending)
{
    wxtp_job *job = stage_load(fx, id);
    assert_int_equal(job->row.state, state);
    assert_int_equal(job->row.succeeded, done);
    assert_int_equal(job->row.invalid, invalid);
    assert_int_equal(job->row.failed, failed);
    assert_int_equal(job->row.pending, pending);
    wx_job_free(job);
}

void stage_wechat(void *user, const fake_request *request, fake_reply *reply)
{
    (void)user;
    reply->body = strstr(request->body, "REF")   ? STAGE_REFUSED
                  : strstr(request->body, "BAD") ? STAGE_BAD
                                                 : STAGE_OK;
}

void stage_play(fixture *fx)
{
    fake_http_forget_rules(&fx->http);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, stage_wechat, NULL);
}

void stage_wechat_slow(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    fake_clock_advance(&fx->clock, 250);
    stage_wechat(NULL, request, reply);
}

void stage_wechat_late(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    fake_clock_advance(&fx->clock, 60000);
    stage_wechat(NULL, request, reply);
}
