/* Jobs: every openid accounted for, in every state, through every pause. */
#include "fixture.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counting.h"
#include "domain/slots.h"
#include "engine/inner.h"
#include "flow/job_inner.h"

#define APPID "wx00000000000000a1"
#define CALL "batchUnblacklist"
#define PATH "/cgi-bin/tags/members/batchunblacklist"
#define OK "{\"errcode\":0,\"errmsg\":\"ok\"}"
#define BAD "{\"errcode\":40003,\"errmsg\":\"invalid openid rid: 1-2-3\"}"
#define REFUSED "{\"errcode\":41030,\"errmsg\":\"refused\"}"

/* ---- The stage ---- */

static int setup(void **state)
{
    return fixture_setup_merchant(state, APPID);
}

typedef struct list {
    const char *const *openids; /* or made up: */
    const char *pattern;
    size_t count, at;
    char text[80];
    bool fails;
} list;

static int read_list(void *user, const char **openid, size_t *len)
{
    list *l = user;
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

static wxtp_status try_create(fixture *fx, const char *appid, const char *call, list *l, char id[64])
{
    wx_err err;
    const wx_job_order order = {.appid = appid, .call = call, .reader = read_list, .user = l};
    return wx_job_create(fx->op, &order, id, &err);
}

static void create(fixture *fx, list *l, bool force, char id[64])
{
    wx_err err;
    const wx_job_order order = {.appid = APPID, .call = CALL, .reader = read_list, .user = l, .force = force};
    if (wx_job_create(fx->op, &order, id, &err) != WXTP_OK)
        fail_msg("create: %s", err.message);
}

static void create_many(fixture *fx, const char *pattern, size_t count, char id[64])
{
    list l = {.pattern = pattern, .count = count};
    create(fx, &l, false, id);
    assert_true(id[0] == 'j');
}

static wxtp_job *load(fixture *fx, const char *id)
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

/* The counters, against each other and against every batch and exception, in one committed state. */
static void verify(wx_core *core, const char *id)
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

static wxtp_status run_node(fixture_node *node, const char *id, wxtp_job_run_mode mode, wx_err *err)
{
    wxtp_job *job = NULL;
    const wxtp_status status = wx_job_run(&node->op, id, mode, NULL, NULL, &job, err);
    wx_job_free(job);
    return status;
}

static wxtp_status run(fixture *fx, const char *id, wxtp_job_run_mode mode)
{
    wx_err err;
    wx_err_clear(&err);
    const wxtp_status status = run_node(&fx->node, id, mode, &err);
    verify(fx->core, id);
    return status;
}

static void expect(fixture *fx, const char *id, wxtp_job_state state, int64_t done, int64_t invalid,
                   int64_t failed, int64_t pending)
{
    wxtp_job *job = load(fx, id);
    assert_int_equal(job->row.state, state);
    assert_int_equal(job->row.succeeded, done);
    assert_int_equal(job->row.invalid, invalid);
    assert_int_equal(job->row.failed, failed);
    assert_int_equal(job->row.pending, pending);
    wx_job_free(job);
}

/* WeChat as the tests need it: an openid with BAD in it is invalid, one with REF is refused for good. */
static void wechat(void *user, const fake_request *request, fake_reply *reply)
{
    (void)user;
    reply->body = strstr(request->body, "REF") ? REFUSED : strstr(request->body, "BAD") ? BAD : OK;
}

static void play(fixture *fx)
{
    fake_http_forget_rules(&fx->http);
    fake_http_handle(&fx->http, PATH, NULL, -1, wechat, NULL);
}

/* ---- Making ---- */

static void a_list_is_counted_and_nothing_is_called(void **state)
{
    static const char *const openids[] = {"o1", "o2", "o1", "not an openid", "", "o3", "not an openid", "o1"};
    fixture *fx = *state;
    list l = {.openids = openids, .count = 8};
    char id[64];
    create(fx, &l, false, id);
    wxtp_job *job = load(fx, id);
    assert_int_equal(job->row.requested, 5);
    assert_int_equal(job->row.duplicates, 3);
    assert_int_equal(job->row.invalid, 2);
    assert_int_equal(job->row.pending, 3);
    assert_int_equal(job->row.state, WXTP_JOB_PAUSED);
    assert_int_equal(job->row.paused_by, WXTP_PAUSED_BY_INTERRUPTED);
    assert_string_equal(job->done_word, "unblacklisted");
    wx_job_free(job);
    verify(fx->core, id);
    assert_int_equal(fake_http_count(&fx->http, PATH), 0);
    play(fx);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 3, 2, 0, 0);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
    assert_string_equal(fake_http_request(&fx->http, PATH, 0)->body,
                        "{\"openid_list\":[\"o1\",\"o2\",\"o3\"]}");
}

static bool count_job(void *user, const wxtp_job_row *row)
{
    (void)row;
    ++*(int *)user;
    return true;
}

static int jobs_stored(fixture *fx)
{
    int count = 0;
    wx_err err;
    WX_AUTO_SCOPE scope = {0};
    wxtp_job_filter filter = {.platform = FIXTURE_COMPONENT, .state = -1, .limit = 100};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->job_list(scope.tx, &filter, count_job, &count), WXTP_OK);
    return count;
}

static void what_cannot_be_a_job_leaves_none(void **state)
{
    fixture *fx = *state;
    char id[64];
    list empty = {.pattern = "x", .count = 0};
    create(fx, &empty, false, id);
    assert_string_equal(id, "");
    list broken = {.pattern = "x", .count = 50, .fails = true};
    assert_int_equal(try_create(fx, APPID, CALL, &broken, id), WXTP_ERR_IO);
    assert_string_equal(id, "");
    assert_int_equal(try_create(fx, APPID, "noSuchCall", &empty, id), WXTP_ERR_NOT_FOUND);
    assert_int_equal(try_create(fx, APPID, "getBlacklist", &empty, id), WXTP_ERR_INVALID);
    list good = {.pattern = "x", .count = 5};
    assert_int_equal(try_create(fx, "wx0000000000nobody", CALL, &good, id), WXTP_ERR_REFUSED);
    assert_int_equal(good.at, 0);
    assert_int_equal(jobs_stored(fx), 0);
}

static void a_list_of_only_invalid_ones_is_done_at_once(void **state)
{
    static const char *const openids[] = {"a b", "c d"};
    fixture *fx = *state;
    list l = {.openids = openids, .count = 2};
    char id[64];
    create(fx, &l, false, id);
    expect(fx, id, WXTP_JOB_DONE, 0, 2, 0, 0);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void see_invalid(void *user, const char *text)
{
    (void)user;
    assert_string_equal(text, "a b");
}

static void a_forecast_counts_and_leaves_nothing(void **state)
{
    static const char *const openids[] = {"o1", "a b", "o1", "o2"};
    fixture *fx = *state;
    wx_err err;
    wxtp_job_forecast forecast = {.struct_size = sizeof forecast};
    list l = {.openids = openids, .count = 4};
    assert_int_equal(wx_job_forecast(fx->op, APPID, CALL, read_list, &l, see_invalid, &forecast, &err),
                     WXTP_OK);
    assert_true(forecast.allowed);
    assert_int_equal(forecast.requested, 3);
    assert_int_equal(forecast.duplicates, 1);
    assert_int_equal(forecast.invalid, 1);
    assert_int_equal(forecast.pending, 2);
    assert_int_equal(forecast.calls, 1);
    list many = {.pattern = "x", .count = 41};
    assert_int_equal(wx_job_forecast(fx->op, "wxnobody", CALL, read_list, &many, NULL, &forecast, &err),
                     WXTP_OK);
    assert_false(forecast.allowed);
    assert_string_equal(forecast.reason, "unknown_tenant");
    assert_int_equal(forecast.calls, 3);
    assert_int_equal(jobs_stored(fx), 0);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

/* ---- Searching ---- */

static size_t calls_for(fixture *fx, const bool *bad, const bool *refused, int64_t bads, int64_t refusals)
{
    static char texts[20][16];
    const char *openids[20];
    char id[64];
    for (int i = 0; i < 20; i++) {
        snprintf(texts[i], sizeof texts[i], "o%s%d", refused[i] ? "REF" : bad[i] ? "BAD" : "x", i);
        openids[i] = texts[i];
    }
    list l = {.openids = openids, .count = 20};
    create(fx, &l, false, id);
    fake_http_forget_requests(&fx->http);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, refusals ? WXTP_JOB_PARTIAL : WXTP_JOB_DONE, 20 - bads - refusals, bads, refusals, 0);
    wxtp_job *job = load(fx, id);
    const size_t calls = fake_http_count(&fx->http, PATH);
    assert_int_equal(job->row.calls, calls);
    wx_job_free(job);
    return calls;
}

static void I7_a_poisoned_batch_keeps_its_budget_of_calls(void **state)
{
    fixture *fx = *state;
    const bool none[20] = {false};
    play(fx);
    for (int i = 0; i < 20; i++) {
        bool bad[20] = {false};
        bad[i] = true;
        assert_true(calls_for(fx, bad, none, 1, 0) <= 8);
        bad[(i + 7) % 20] = true;
        assert_true(calls_for(fx, bad, none, 2, 0) <= 15);
    }
    uint32_t seed = 7;
    for (int round = 0; round < 40; round++) {
        bool bad[20], refused[20];
        int64_t bads = 0, refusals = 0;
        for (int i = 0; i < 20; i++) {
            seed = seed * 1664525 + 1013904223;
            refused[i] = seed >> 28 == 1;
            bad[i] = !refused[i] && (seed >> 20) % 40 < (uint32_t)round;
            bads += bad[i];
            refusals += refused[i];
        }
        assert_true(calls_for(fx, bad, refused, bads, refusals) <= 31);
    }
}

static void I7_only_who_was_refused_alone_is_invalid(void **state)
{
    fixture *fx = *state;
    const bool none[20] = {false};
    bool bad[20] = {false};
    bad[3] = bad[17] = true;
    play(fx);
    calls_for(fx, bad, none, 2, 0);
    int alone = 0;
    for (size_t n = 0; n < fake_http_count(&fx->http, PATH); n++) {
        const char *body = fake_http_request(&fx->http, PATH, n)->body;
        alone += strstr(body, "BAD") && !strchr(body, ',');
    }
    assert_int_equal(alone, 2);
}

static void a_smaller_list_of_the_catalog_is_kept(void **state)
{
    fixture *fx = *state;
    static wx_api rows[1];
    rows[0] = *wx_api_find(fx->core, CALL);
    rows[0].list_max = 6;
    fx->core->catalog = rows;
    fx->core->catalog_count = 1;
    char id[64];
    play(fx);
    create_many(fx, "x", 20, id);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 20, 0, 0, 0);
    assert_int_equal(fake_http_count(&fx->http, PATH), 4);
}

/* ---- Pauses ---- */

static void I7_what_is_not_about_openids_pauses_and_fails_none(void **state)
{
    static const struct {
        const char *answer; /* NULL: the network fails */
        wxtp_paused_by by;
        wxtp_status status;
        int64_t patience;
    } rows[] = {
        {"{\"errcode\":45011,\"errmsg\":\"too often\"}", WXTP_PAUSED_BY_RATE, WXTP_ERR_RATE, 0},
        {NULL, WXTP_PAUSED_BY_NETWORK, WXTP_ERR_UNAVAILABLE, 60000},
        {"{\"errcode\":-1,\"errmsg\":\"busy\"}", WXTP_PAUSED_BY_NETWORK, WXTP_ERR_UNAVAILABLE, 60000},
        {"{\"errcode\":40001,\"errmsg\":\"token\"}", WXTP_PAUSED_BY_CREDENTIALS, WXTP_ERR_CREDENTIALS, 60000},
        {"{\"errcode\":40164,\"errmsg\":\"ip\"}", WXTP_PAUSED_BY_CREDENTIALS, WXTP_ERR_CONFIGURATION, 60000},
        {"{\"errcode\":45009,\"errmsg\":\"quota\"}", WXTP_PAUSED_BY_QUOTA, WXTP_ERR_QUOTA, 60000},
    };
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char id[64];
        create_many(fx, "x", 50, id);
        play(fx);
        fake_http_on(&fx->http, "api_authorizer_token", NULL, -1,
                     "{\"authorizer_access_token\":\"access-new\",\"expires_in\":7200}");
        if (rows[i].answer)
            fake_http_on(&fx->http, PATH, "x00030", -1, rows[i].answer);
        else
            fake_http_fail(&fx->http, PATH, "x00030", -1, WXTP_HTTP_UNKNOWN, 0);
        fixture_patience(&fx->node, rows[i].patience);
        assert_int_equal(run(fx, id, WXTP_JOB_RUN), rows[i].status);
        expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 30);
        wxtp_job *job = load(fx, id);
        wx_err why;
        assert_int_equal(job->row.paused_by, rows[i].by);
        assert_int_equal(wx_job_pause_err(&job->row, &why), rows[i].status);
        assert_non_null(strstr(why.hint, "job resume j"));
        assert_string_equal(why.tenant, APPID);
        wx_job_free(job);
        play(fx);
        fixture_patience(&fx->node, 60000);
        fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-again", "refresh-1");
        assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
        expect(fx, id, WXTP_JOB_DONE, 50, 0, 0, 0);
    }
}

static void I6_the_gate_pauses_a_job_in_the_middle(void **state)
{
    fixture *fx = *state;
    char id[64];
    create_many(fx, "x", 50, id);
    play(fx);
    fake_http_on(&fx->http, PATH, "x00030", 1, "{\"errcode\":48001,\"errmsg\":\"api unauthorized\"}");
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_REFUSED);
    expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 30);
    wxtp_job *job = load(fx, id);
    assert_int_equal(job->row.paused_by, WXTP_PAUSED_BY_GATE);
    assert_string_equal(job->row.error_kind, "refused_by_wechat");
    assert_int_equal(job->row.error_errcode, 48001);
    wx_job_free(job);
    fake_clock_advance(&fx->clock, 11 * 60000);
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-2", "refresh-2");
    fixture_patience(&fx->node, 60000);
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 50, 0, 0, 0);
}

static void a_quota_that_is_remembered_gets_one_probe(void **state)
{
    fixture *fx = *state;
    char id[64];
    fixture_concurrency(fx->core, 4);
    create_many(fx, "x", 200, id);
    fake_http_on(&fx->http, PATH, NULL, -1, "{\"errcode\":45009,\"errmsg\":\"quota\"}");
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_QUOTA);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_ERR_QUOTA);
    assert_int_equal(fake_http_count(&fx->http, PATH), 2);
    play(fx);
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 200, 0, 0, 0);
}

static void a_suspect_list_waits_for_a_decision(void **state)
{
    fixture *fx = *state;
    char id[64];
    play(fx);
    create_many(fx, "BAD", 300, id);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_SUSPECT_LIST);
    expect(fx, id, WXTP_JOB_PAUSED, 0, 200, 0, 100);
    const size_t calls = fake_http_count(&fx->http, PATH);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_SUSPECT_LIST);
    assert_int_equal(fake_http_count(&fx->http, PATH), calls);
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 0, 300, 0, 0);
    list l = {.pattern = "BAD", .count = 300};
    create(fx, &l, true, id);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 0, 300, 0, 0);
}

static void two_hundred_bad_ones_and_no_more_are_done(void **state)
{
    fixture *fx = *state;
    char id[64];
    play(fx);
    create_many(fx, "BAD", 200, id);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 0, 200, 0, 0);
    create_many(fx, "BAD", 201, id); /* one more, and there is something to decide */
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_SUSPECT_LIST);
    expect(fx, id, WXTP_JOB_PAUSED, 0, 200, 0, 1);
}

static void ten_batches_of_an_unknown_errcode_wait_for_a_decision(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    create_many(fx, "x", 300, id);
    fake_http_on(&fx->http, PATH, NULL, -1, "{\"errcode\":987654,\"errmsg\":\"news\"}");
    assert_int_equal(run_node(&fx->node, id, WXTP_JOB_RUN, &err), WXTP_ERR_WECHAT);
    assert_int_equal(err.advice, WXTP_ADVICE_DECIDE);
    assert_int_equal(err.errcode, 987654);
    assert_non_null(strstr(err.hint, "10 batches in a row"));
    assert_int_equal(fake_http_count(&fx->http, PATH), 10);
    expect(fx, id, WXTP_JOB_PAUSED, 0, 0, 200, 100);
    verify(fx->core, id);
    play(fx);
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    expect(fx, id, WXTP_JOB_PARTIAL, 100, 0, 200, 0);
    assert_int_equal(run_node(&fx->node, id, WXTP_JOB_RETRY_FAILED, &err), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 300, 0, 0, 0);
    assert_int_equal(run_node(&fx->node, id, WXTP_JOB_RETRY_FAILED, &err), WXTP_OK);
}

static void a_known_answer_ends_a_streak_of_unknown_ones(void **state)
{
    fixture *fx = *state;
    char id[64];
    play(fx);
    create_many(fx, "x", 300, id);
    fake_http_on(&fx->http, PATH, NULL, 9, "{\"errcode\":987654,\"errmsg\":\"news\"}");
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_PARTIAL, 120, 0, 180, 0);
}

static bool not_any_more(void *user, const wxtp_job *job)
{
    (void)job;
    return --*(int *)user > 0;
}

static void slow(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    (void)request;
    fake_clock_advance(&fx->clock, 250);
    reply->body = OK;
}

static void progress_may_stop_a_job(void **state)
{
    fixture *fx = *state;
    char id[64];
    int more = 2;
    wx_err err;
    wxtp_job *job = NULL;
    create_many(fx, "x", 100, id);
    fake_http_handle(&fx->http, PATH, NULL, -1, slow, fx);
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RUN, not_any_more, &more, &job, &err),
                     WXTP_ERR_INTERRUPTED);
    assert_int_equal(job->row.state, WXTP_JOB_PAUSED);
    assert_int_equal(job->row.paused_by, WXTP_PAUSED_BY_INTERRUPTED);
    assert_int_equal(job->row.succeeded, 40);
    assert_int_equal(job->row.elapsed_ms, 500);
    wx_job_free(job);
    verify(fx->core, id);
}

static void stop_now(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    (void)request;
    atomic_store(&fx->core->stopping, true);
    reply->body = OK;
}

static void a_stop_finishes_what_is_in_flight(void **state)
{
    fixture *fx = *state;
    char id[64];
    create_many(fx, "x", 100, id);
    fake_http_handle(&fx->http, PATH, NULL, 1, stop_now, fx);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_INTERRUPTED);
    expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 80);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
    atomic_store(&fx->core->stopping, false);
    play(fx);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, PATH), 5);
}

/* ---- Several processes ---- */

typedef struct other {
    fixture *fx;
    fixture_node node;
    const char *id;
    int64_t advance_ms;
    int64_t calls;      /* made when it comes */
    const char *answer; /* of the call meanwhile */
} other;

static void cancel_from_outside(void *user, const fake_request *request, fake_reply *reply)
{
    other *o = user;
    wxtp_job *job = NULL;
    wx_err err;
    (void)request;
    assert_int_equal(wx_job_cancel(&o->node.op, o->id, &job, &err), WXTP_OK);
    assert_int_equal(job->row.state, WXTP_JOB_CANCELLED);
    wx_job_free(job);
    reply->body = OK;
}

static void I7_a_cancel_from_another_process_is_seen_and_what_was_in_flight_counts(void **state)
{
    fixture *fx = *state;
    char id[64];
    create_many(fx, "x", 100, id);
    other o = {.fx = fx, .id = id};
    fixture_open_node(fx, &o.node);
    play(fx);
    fake_http_handle(&fx->http, PATH, "x00030", 1, cancel_from_outside, &o);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_CANCELLED);
    expect(fx, id, WXTP_JOB_CANCELLED, 40, 0, 0, 60);
    assert_int_equal(fake_http_count(&fx->http, PATH), 2);
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_ERR_STATE);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_CANCELLED);
    fixture_close_node(&o.node);
}

static void use_up_quota(void *user, const fake_request *request, fake_reply *reply)
{
    other *o = user;
    wx_err err;
    WX_AUTO_SCOPE scope = {0};
    const int64_t now = fake_clock_wall(&o->fx->clock);
    const wxtp_hold_row hold = {.platform = FIXTURE_COMPONENT,
                                .appid = APPID,
                                .call = CALL,
                                .kind = WXTP_HOLD_QUOTA,
                                .errcode = 45009,
                                .since_ms = now,
                                .until_ms = now + 3600000,
                                .interval_ms = 3600000};
    assert_int_equal(wx_scope_begin(&scope, &o->node.core, WXTP_TX_WRITE, &err), WXTP_OK);
    assert_int_equal(wx_ops(&o->node.core)->hold_put(scope.tx, &hold), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    (void)request;
    reply->body = "{\"errcode\":45011,\"errmsg\":\"too often\"}";
}

static void a_probe_is_made_by_the_first_call_alone(void **state)
{
    fixture *fx = *state;
    char id[64];
    create_many(fx, "x", 60, id);
    other o = {.fx = fx, .id = id};
    fixture_open_node(fx, &o.node);
    fixture_patience(&fx->node, 120000);
    play(fx);
    fake_http_handle(&fx->http, PATH, "x00020", 1, use_up_quota, &o);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_QUOTA);
    assert_int_equal(fake_http_count(&fx->http, PATH), 2);
    expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 40);
    fixture_close_node(&o.node);
}

static void cancel_and_find_a_bad_one(void *user, const fake_request *request, fake_reply *reply)
{
    cancel_from_outside(user, request, reply);
    reply->body = BAD;
}

static void I7_a_cancel_ends_a_search(void **state)
{
    fixture *fx = *state;
    char id[64];
    create_many(fx, "x", 20, id);
    other o = {.fx = fx, .id = id};
    fixture_open_node(fx, &o.node);
    fake_http_handle(&fx->http, PATH, NULL, -1, cancel_and_find_a_bad_one, &o);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_CANCELLED);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
    expect(fx, id, WXTP_JOB_CANCELLED, 0, 0, 0, 20);
    fixture_close_node(&o.node);
}

static void cancel_and_refuse(void *user, const fake_request *request, fake_reply *reply)
{
    cancel_from_outside(user, request, reply);
    reply->body = "{\"errcode\":45011,\"errmsg\":\"too often\"}";
}

static void a_cancel_ends_a_wait(void **state)
{
    fixture *fx = *state;
    char id[64];
    create_many(fx, "x", 100, id);
    other o = {.fx = fx, .id = id};
    fixture_open_node(fx, &o.node);
    fake_http_handle(&fx->http, PATH, NULL, -1, cancel_and_refuse, &o);
    const int64_t began = fake_clock_wall(&fx->clock);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_CANCELLED);
    assert_true(fake_clock_wall(&fx->clock) - began < 2000);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
    fixture_close_node(&o.node);
}

static void take_over(void *user, const fake_request *request, fake_reply *reply)
{
    other *o = user;
    wx_err err;
    fake_clock_advance(&o->fx->clock, o->advance_ms);
    assert_int_equal(run_node(&o->node, o->id, WXTP_JOB_RUN, &err), WXTP_OK);
    wechat(NULL, request, reply);
}

static void I7_a_runner_that_lost_its_job_changes_nothing(void **state)
{
    fixture *fx = *state;
    char id[64];
    create_many(fx, "x", 100, id);
    other o = {.fx = fx, .id = id, .advance_ms = 20000};
    fixture_open_node(fx, &o.node);
    play(fx);
    fake_http_handle(&fx->http, PATH, "x00030", 1, take_over, &o);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 100, 0, 0, 0);
    /* 1, then one in flight at the loss, then the other's 4. */
    assert_int_equal(fake_http_count(&fx->http, PATH), 6);
    wxtp_job *job = load(fx, id);
    assert_int_equal(job->row.calls, 6);
    wx_job_free(job);
    fixture_close_node(&o.node);
}

/* What a damaged disk may show. */
static void I7_a_job_that_does_not_add_up_is_neither_run_nor_written(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    create_many(fx, "x", 45, id);
    play(fx);
    WX_AUTO_JOB *job = load(fx, id);
    static const int64_t damages[][3] = {
        {45, 0, 0}, {45, 46, -1}, {INT64_MIN, INT64_MAX, 1}, {INT64_MAX, INT64_MAX, INT64_MAX}, {0, 0, 45}};
    for (size_t at = 0; at < sizeof damages / sizeof damages[0]; at++) {
        wxtp_job_row row = job->row;
        row.requested = damages[at][0];
        row.pending = damages[at][1];
        row.succeeded = damages[at][2];
        WX_AUTO_SCOPE scope = {0};
        assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_WRITE, &err), WXTP_OK);
        assert_int_equal(wx_job_write(fx->core, scope.tx, &row, &err), WXTP_ERR_STORE);
        assert_int_equal(wx_ops(fx->core)->job_put(scope.tx, &row), WXTP_OK);
        assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
        assert_int_equal(run_node(&fx->node, id, WXTP_JOB_RESUME, &err), WXTP_ERR_STORE);
        assert_non_null(strstr(err.message, id));
        assert_non_null(strstr(err.hint, "db check"));
    }
    assert_int_equal(fake_http_count(&fx->http, PATH), 0);
}

/* Marks that are gone would count a batch twice. */
static void I7_a_batch_is_not_counted_twice_when_its_marks_are_lost(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    create_many(fx, "x", 45, id);
    play(fx);
    fake_http_on(&fx->http, PATH, "x00020", -1, "{\"errcode\":45009,\"errmsg\":\"quota\"}");
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_QUOTA);
    expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 25);
    WX_AUTO_SCOPE scope = {0};
    wxtp_batch_row batch;
    char openids[WXTP_BATCH_MAX * 66];
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_WRITE, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->batch_get(scope.tx, id, 0, &batch), WXTP_OK);
    snprintf(openids, sizeof openids, "%s", batch.openids);
    batch = (wxtp_batch_row){id, 0, openids, "....................", false};
    assert_int_equal(wx_ops(fx->core)->batch_put(scope.tx, &batch), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    play(fx);
    assert_int_equal(run_node(&fx->node, id, WXTP_JOB_RESUME, &err), WXTP_ERR_STORE);
    wxtp_job *job = load(fx, id);
    assert_int_equal(job->row.requested,
                     job->row.succeeded + job->row.invalid + job->row.failed + job->row.pending);
    assert_true(job->row.pending >= 0);
    wx_job_free(job);
}

static void sleep_long(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    fake_clock_advance(&fx->clock, 60000);
    wechat(NULL, request, reply);
}

static void a_lease_that_ran_out_and_nobody_took_is_taken_again(void **state)
{
    fixture *fx = *state;
    char id[64];
    create_many(fx, "x", 100, id);
    play(fx);
    fake_http_handle(&fx->http, PATH, "x00030", 1, sleep_long, fx);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, PATH), 5);
}

/* A store that takes no writes from when the first heartbeat is due; well again when it was asked too often.
 */
typedef struct ailing {
    wxtp_store_ops ops;
    const wxtp_store_ops *inner;
    fixture *fx;
    int64_t from_boot_ms;
    int asked;
} ailing;

enum { HEARTBEAT_MS = 6000, ASKED_MAX = 200 };

static ailing *the_ailing;

static wxtp_status begin_reading_only(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx)
{
    const bool ill =
        mode != WXTP_TX_READ && atomic_load(&the_ailing->fx->clock.boot_ms) >= the_ailing->from_boot_ms;
    if (ill && the_ailing->asked < ASKED_MAX) {
        the_ailing->asked++;
        *tx = NULL;
        return WXTP_ERR_STORE;
    }
    return the_ailing->inner->begin(store, mode, tx);
}

static void a_runner_whose_store_fails_still_waits_for_its_call(void **state)
{
    fixture *fx = *state;
    char id[64];
    create_many(fx, "x", 100, id);
    play(fx);
    fake_http_on(&fx->http, PATH, NULL, 1, "{\"errcode\":45011,\"errmsg\":\"too often\"}");
    ailing self = {.ops = *fx->core->store->ops,
                   .inner = fx->core->store->ops,
                   .fx = fx,
                   .from_boot_ms = atomic_load(&fx->clock.boot_ms) + HEARTBEAT_MS};
    the_ailing = &self;
    fixture_patience(&fx->node, 120000);
    self.ops.begin = begin_reading_only;
    fx->core->store->ops = &self.ops;
    wx_err err;
    wx_err_clear(&err);
    const wxtp_status status = run_node(&fx->node, id, WXTP_JOB_RUN, &err);
    fx->core->store->ops = self.inner;
    assert_int_equal(status, WXTP_ERR_STORE);
    assert_in_range(self.asked, 1, ASKED_MAX / 2); /* with each beat, not as fast as it can */
    fixture_patience(&fx->node, 60000);
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 100, 0, 0, 0);
}

/* Makes the node the runner of the job. */
static void be_runner(fixture_node *node, const char *id, wxtp_lease *lease, char name[WX_JOB_LEASE_NAME_MAX])
{
    wx_err err;
    wxtp_job *job = NULL;
    WX_AUTO_SCOPE scope = {0};
    wx_job_lease_name(name, id);
    *lease = (wxtp_lease){.name = name};
    assert_int_equal(wx_scope_begin(&scope, &node->core, WXTP_TX_WRITE, &err), WXTP_OK);
    assert_int_equal(wx_ops(&node->core)->lease_take(scope.tx, lease, 3600000), WXTP_OK);
    assert_int_equal(wx_job_read(&node->core, scope.tx, id, &job, &err), WXTP_OK);
    wx_job_unpause(&job->row);
    assert_int_equal(wx_job_write(&node->core, scope.tx, &job->row, &err), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    wx_job_free(job);
}

static void I7_a_dead_runners_claims_are_free_at_once(void **state)
{
    fixture *fx = *state;
    char id[64], name[WX_JOB_LEASE_NAME_MAX];
    wxtp_lease lease;
    fixture_node dead;
    create_many(fx, "x", 100, id);
    fixture_open_node(fx, &dead);
    be_runner(&dead, id, &lease, name);
    fixture_close_node(&dead);
    play(fx);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 100, 0, 0, 0);
    assert_int_equal(fake_http_count(&fx->http, PATH), 5);
}

typedef struct watched {
    fixture_node *runner;
    wxtp_lease *lease;
    const char *id;
    int looks;
    bool pauses;
} watched;

static bool look_on(void *user, const wxtp_job *job)
{
    watched *w = user;
    wx_err err;
    wxtp_job *mine = NULL;
    if (++w->looks != 3)
        return true;
    assert_int_equal(job->row.state, WXTP_JOB_RUNNING);
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, &w->runner->core, WXTP_TX_WRITE, &err), WXTP_OK);
    if (w->pauses) {
        wx_err why = {.kind = "quota", .message = "used up", .errcode = 45009};
        assert_int_equal(wx_job_read(&w->runner->core, scope.tx, w->id, &mine, &err), WXTP_OK);
        wx_job_pause(&mine->row, WXTP_PAUSED_BY_QUOTA, &why);
        assert_int_equal(wx_job_write(&w->runner->core, scope.tx, &mine->row, &err), WXTP_OK);
        wx_job_free(mine);
    }
    assert_int_equal(wx_ops(&w->runner->core)->lease_release(scope.tx, w->lease), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    return true;
}

static void follow_one(fixture *fx, bool pauses, wxtp_status expected, size_t calls)
{
    char id[64], name[WX_JOB_LEASE_NAME_MAX];
    wxtp_lease lease;
    fixture_node runner;
    wx_err err;
    wxtp_job *job = NULL;
    create_many(fx, "x", 100, id);
    fixture_open_node(fx, &runner);
    be_runner(&runner, id, &lease, name);
    watched w = {.runner = &runner, .lease = &lease, .id = id, .pauses = pauses};
    play(fx);
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RESUME, look_on, &w, &job, &err), expected);
    assert_true(w.looks >= 3);
    assert_int_equal(fake_http_count(&fx->http, PATH), calls);
    wx_job_free(job);
    verify(fx->core, id);
    fixture_close_node(&runner);
}

static void a_follower_takes_over_when_the_runner_is_gone(void **state)
{
    follow_one(*state, false, WXTP_OK, 5);
}

static void a_follower_tells_what_the_runner_came_to(void **state)
{
    follow_one(*state, true, WXTP_ERR_QUOTA, 0);
}

/* ---- What an answer means ---- */

typedef struct noted {
    int count;
    wxtp_verdict verdict;
    int64_t errcode;
    const char *errmsg;
} noted;

static bool note_exception(void *user, const wxtp_exception_row *row)
{
    noted *n = user;
    n->count++;
    assert_int_equal(row->verdict, n->verdict);
    assert_int_equal(row->errcode, n->errcode);
    assert_non_null(strstr(row->errmsg, n->errmsg));
    assert_true(strncmp(row->openid, "ox", 2) == 0);
    return true;
}

static void assert_noted(fixture *fx, const char *id, noted expected, int count)
{
    wx_err err;
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->exception_list(scope.tx, id, -1, 0, 1000, note_exception, &expected),
                     WXTP_OK);
    assert_int_equal(expected.count, count);
}

typedef struct warnings {
    int count;
    char last[256];
} warnings;

static void keep_warning(void *user, wxtp_log_level level, const char *line)
{
    warnings *w = user;
    if (level == WXTP_LOG_WARNING) {
        w->count++;
        wx_copy(w->last, sizeof(w->last), line);
    }
}

static void I7_each_answer_has_its_meaning_for_the_openids(void **state)
{
    static const struct {
        int errcode;
        int64_t invalid, failed;
        size_t calls;
        bool warns;
    } cases[] = {
        {40003, 20, 0, 29, false}, {49003, 20, 0, 29, false}, /* one of them is bad: searched */
        {41030, 0, 20, 29, false}, {43004, 0, 20, 29, false}, /* one of them is refused: searched */
        {40032, 0, 20, 29, true},                             /* too many: searched, and somebody told */
        {40097, 0, 20, 1, false},  {47001, 0, 20, 1, false},  /* our own fault, whoever they are */
        {987654, 0, 20, 1, false},                            /* nobody knows */
    };
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char id[64], answer[80];
        warnings heard = {.count = 0};
        fx->core->log = (wxtp_log){
            .struct_size = sizeof(wxtp_log), .user = &heard, .level = WXTP_LOG_DEBUG, .write = keep_warning};
        (void)snprintf(answer, sizeof(answer), "{\"errcode\":%d,\"errmsg\":\"no, %d\"}", cases[i].errcode,
                       cases[i].errcode);
        fake_http_forget_rules(&fx->http);
        fake_http_forget_requests(&fx->http);
        fake_http_on(&fx->http, PATH, NULL, -1, answer);
        create_many(fx, "x", 20, id);
        assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
        fx->core->log = (wxtp_log){.struct_size = sizeof(wxtp_log)};
        expect(fx, id, cases[i].failed ? WXTP_JOB_PARTIAL : WXTP_JOB_DONE, 0, cases[i].invalid,
               cases[i].failed, 0);
        assert_int_equal(fake_http_count(&fx->http, PATH), cases[i].calls);
        assert_noted(fx, id,
                     (noted){.verdict = cases[i].failed ? WXTP_VERDICT_FAILED : WXTP_VERDICT_INVALID,
                             .errcode = cases[i].errcode,
                             .errmsg = "no, "},
                     20);
        assert_int_equal(heard.count > 0, cases[i].warns);
        assert_int_equal(strstr(heard.last, id) != NULL, cases[i].warns);
        WX_AUTO_JOB *job = load(fx, id);
        assert_int_equal(job->row.asked, 20);
        assert_int_equal(job->row.calls, (int64_t)cases[i].calls);
        assert_int_equal(job->row.unknown_streak, cases[i].errcode == 987654);
    }
}

typedef struct pictures {
    fixture *fx;
    int64_t began_ms;
    int count;
} pictures;

/* A quarter of a second a call; each refused token is a call, and a refresh, more. */
static bool look_at_picture(void *user, const wxtp_job *job)
{
    pictures *p = user;
    const wxtp_job_row *row = &job->row;
    p->count++;
    assert_true(row->elapsed_ms >= row->calls * 250);
    assert_true(row->elapsed_ms <= fake_clock_wall(&p->fx->clock) - p->began_ms);
    assert_int_equal(row->succeeded, (row->calls - row->token_refreshes) * 20);
    assert_int_equal(row->pending, row->requested - row->succeeded);
    assert_int_equal(row->asked, row->succeeded);
    assert_int_equal(row->state, row->pending > 0 ? WXTP_JOB_RUNNING : WXTP_JOB_DONE);
    return true;
}

static void refuse_token(void *user, const fake_request *request, fake_reply *reply)
{
    slow(user, request, reply);
    reply->body = "{\"errcode\":40001,\"errmsg\":\"token\"}";
}

static void give_token(void *user, const fake_request *request, fake_reply *reply)
{
    static char body[100];
    (void)request;
    snprintf(body, sizeof body, "{\"authorizer_access_token\":\"access-%d\",\"expires_in\":7200}",
             ++*(int *)user);
    reply->body = body;
}

static void refreshes_and_time_are_counted_as_they_pass(void **state)
{
    fixture *fx = *state;
    char id[64];
    int tokens = 1;
    wx_err err;
    wxtp_job *job = NULL;
    pictures p = {.fx = fx, .began_ms = fake_clock_wall(&fx->clock)};
    create_many(fx, "x", 200, id);
    fake_http_handle(&fx->http, PATH, NULL, -1, slow, fx);
    fake_http_handle(&fx->http, PATH, "x00020", 1, refuse_token, fx);
    fake_http_handle(&fx->http, PATH, "x00100", 1, refuse_token, fx);
    fake_http_handle(&fx->http, PATH, "x00140", 1, refuse_token, fx);
    fake_http_handle(&fx->http, "api_authorizer_token", NULL, -1, give_token, &tokens);
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RUN, look_at_picture, &p, &job, &err), WXTP_OK);
    assert_true(p.count > 5);
    assert_int_equal(job->row.token_refreshes, 3);
    assert_int_equal(job->row.calls, 13);
    wx_job_free(job);
    verify(fx->core, id);
}

static bool look_at_verdicts(void *user, const wxtp_job *job)
{
    const wxtp_job_row *row = &job->row;
    ++*(int *)user;
    assert_int_equal(row->requested, row->succeeded + row->invalid + row->failed + row->pending);
    assert_int_equal(row->asked, row->requested - row->pending);
    return true;
}

static void slow_wechat(void *user, const fake_request *request, fake_reply *reply)
{
    slow(user, request, reply);
    wechat(NULL, request, reply);
}

static void each_picture_adds_up(void **state)
{
    static const char *const openids[] = {"ox1", "oBAD2", "ox3", "oREF4", "ox5", "oBAD6", "oREF7"};
    fixture *fx = *state;
    char id[64];
    int looks = 0;
    wx_err err;
    wxtp_job *job = NULL;
    list l = {.openids = openids, .count = 7};
    create(fx, &l, false, id);
    fake_http_handle(&fx->http, PATH, NULL, -1, slow_wechat, fx);
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RUN, look_at_verdicts, &looks, &job, &err), WXTP_OK);
    assert_true(looks > 5);
    wx_job_free(job);
    expect(fx, id, WXTP_JOB_PARTIAL, 3, 2, 2, 0);
}

static void give_token_and_stop(void *user, const fake_request *request, fake_reply *reply)
{
    stop_now(user, request, reply);
    reply->body = "{\"authorizer_access_token\":\"access-last\",\"expires_in\":7200}";
}

/* Also one that no call came of. */
static void I12_a_refresh_before_a_stop_is_counted(void **state)
{
    fixture *fx = *state;
    char id[64];
    const int64_t before = atomic_load(&fx->op->refreshes);
    create_many(fx, "x", 60, id);
    play(fx);
    fake_http_on(&fx->http, PATH, "x00000", 1, "{\"errcode\":40001,\"errmsg\":\"token\"}");
    fake_http_on(&fx->http, PATH, "x00020", 1, "{\"errcode\":40001,\"errmsg\":\"token\"}");
    fake_http_handle(&fx->http, "api_authorizer_token", NULL, -1, give_token_and_stop, fx);
    fake_http_on(&fx->http, "api_authorizer_token", NULL, 1,
                 "{\"authorizer_access_token\":\"access-new\",\"expires_in\":7200}");
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_INTERRUPTED);
    atomic_store(&fx->core->stopping, false);
    expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 40);
    WX_AUTO_JOB *job = load(fx, id);
    assert_int_equal(job->row.calls, 3);
    assert_int_equal(job->row.token_refreshes, 2);
    assert_int_equal(atomic_load(&fx->op->refreshes) - before, 2);
}

/* What is found out after the refusal belongs to its reason. */
static void a_pause_says_which_address_wechat_saw(void **state)
{
    fixture *fx = *state;
    char id[64];
    create_many(fx, "x", 60, id);
    fake_http_on(&fx->http, PATH, NULL, -1, "{\"errcode\":40164,\"errmsg\":\"invalid ip 192.0.2.7\"}");
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_CONFIGURATION);
    WX_AUTO_JOB *job = load(fx, id);
    assert_non_null(strstr(job->row.error_hint, "192.0.2.7"));
}

/* No call is begun behind it. */
static void a_used_up_quota_ends_all_workers_at_once(void **state)
{
    fixture *fx = *state;
    char id[64];
    fixture_concurrency(fx->core, 4);
    create_many(fx, "x", 400, id);
    play(fx);
    fake_http_on(&fx->http, PATH, "x00040", -1, "{\"errcode\":45009,\"errmsg\":\"quota\"}");
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_QUOTA);
    assert_true(fake_http_count(&fx->http, PATH) <= 3 + 3); /* with those that were in flight */
}

/* Who is in a wait when another ends the run tells that it was ended: that is no reason. */
static void the_first_reason_to_end_stands(void **state)
{
    fixture *fx = *state;
    char id[64];
    fixture_concurrency(fx->core, 2);
    fixture_patience(&fx->node, 120000);
    create_many(fx, "x", 100, id);
    play(fx);
    fake_http_on(&fx->http, PATH, "x00020", -1, "{\"errcode\":45011,\"errmsg\":\"too often\"}");
    fake_http_on(&fx->http, PATH, "x00040", -1, "{\"errcode\":45009,\"errmsg\":\"quota\"}");
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_QUOTA);
    expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 80);
    WX_AUTO_JOB *job = load(fx, id);
    assert_int_equal(job->row.paused_by, WXTP_PAUSED_BY_QUOTA);
    assert_int_equal(job->row.calls, 3);
}

/* Our own faults are no streak of unknown ones, but a list of which nobody was found is suspect. */
static void our_own_faults_make_a_list_suspect(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    create_many(fx, "x", 240, id);
    fake_http_on(&fx->http, PATH, NULL, -1, "{\"errcode\":47001,\"errmsg\":\"data format\"}");
    assert_int_equal(run_node(&fx->node, id, WXTP_JOB_RUN, &err), WXTP_ERR_SUSPECT_LIST);
    assert_non_null(strstr(err.message, "first 200 openids"));
    assert_non_null(strstr(err.hint, APPID));
    expect(fx, id, WXTP_JOB_PAUSED, 0, 0, 200, 40);
    verify(fx->core, id);
}

/* One success among the first two hundred, and it is the right list. */
static void one_success_makes_a_list_unsuspected(void **state)
{
    fixture *fx = *state;
    char id[64];
    static char texts[300][16];
    static const char *openids[300];
    for (int i = 0; i < 300; i++) {
        snprintf(texts[i], sizeof texts[i], "o%s%d", i == 150 ? "x" : "BAD", i);
        openids[i] = texts[i];
    }
    list l = {.openids = openids, .count = 300};
    create(fx, &l, false, id);
    play(fx);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 1, 299, 0, 0);
}

/* What is in flight while the list comes in doubt waits for the decision too. */
static void I7_what_is_refused_in_doubt_waits_for_the_decision(void **state)
{
    static const struct {
        const char *answer;
        wxtp_status status;
        int64_t decided;
    } cases[] = {
        {"{\"errcode\":987654,\"errmsg\":\"news\"}", WXTP_ERR_WECHAT, 200},
        {"{\"errcode\":47001,\"errmsg\":\"data format\"}", WXTP_ERR_SUSPECT_LIST, 200},
    };
    fixture *fx = *state;
    fixture_concurrency(fx->core, 8);
    for (size_t i = 0; i < 2; i++) {
        char id[64];
        fake_http_forget_rules(&fx->http);
        fake_http_forget_requests(&fx->http);
        fake_http_on(&fx->http, PATH, NULL, -1, cases[i].answer);
        create_many(fx, "x", 600, id);
        assert_int_equal(run(fx, id, WXTP_JOB_RUN), cases[i].status);
        expect(fx, id, WXTP_JOB_PAUSED, 0, 0, cases[i].decided, 600 - cases[i].decided);
        WX_AUTO_JOB *job = load(fx, id);
        assert_true(job->row.calls > 10 && job->row.calls <= 18); /* those in flight were made, and count */
        assert_int_equal(job->row.calls, fake_http_count(&fx->http, PATH));
        play(fx);
        assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
        expect(fx, id, WXTP_JOB_PARTIAL, 600 - cases[i].decided, 0, cases[i].decided, 0);
    }
}

/* Also of a list that is not suspect, as some were found. */
static void I7_unknown_answers_in_flight_wait_for_the_decision(void **state)
{
    fixture *fx = *state;
    char id[64];
    fixture_concurrency(fx->core, 8);
    create_many(fx, "x", 600, id);
    fake_http_on(&fx->http, PATH, NULL, -1, "{\"errcode\":987654,\"errmsg\":\"news\"}");
    fake_http_on(&fx->http, PATH, "x00000", 1, OK);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_ERR_WECHAT);
    expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 200, 380);
}

static void count_openids(void *user, const fake_request *request, fake_reply *reply)
{
    size_t *most = user;
    size_t count = 0;
    for (const char *at = request->body; (at = strstr(at, "\"o")) != NULL; at++) {
        count++;
    }
    count--; /* the field's name */
    *most = count > *most ? count : *most;
    wechat(NULL, request, reply);
}

/* Also while the search has chosen some of them only. */
static void a_smaller_list_is_kept_in_a_search(void **state)
{
    fixture *fx = *state;
    static wx_api rows[1];
    rows[0] = *wx_api_find(fx->core, CALL);
    fx->core->catalog = rows;
    fx->core->catalog_count = 1;
    for (int list_max = 1; list_max <= 20; list_max += 6) {
        static char texts[20][16];
        static const char *openids[20];
        char id[64];
        size_t most = 0;
        for (int i = 0; i < 20; i++) {
            snprintf(texts[i], sizeof texts[i], "o%s%d", i % 7 == 2 ? "BAD" : "x", i);
            openids[i] = texts[i];
        }
        list l = {.openids = openids, .count = 20};
        rows[0].list_max = list_max;
        fake_http_forget_rules(&fx->http);
        fake_http_handle(&fx->http, PATH, NULL, -1, count_openids, &most);
        create(fx, &l, false, id);
        assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
        expect(fx, id, WXTP_JOB_DONE, 17, 3, 0, 0);
        assert_int_equal(most, list_max);
    }
}

/* ---- A store that fails, or is damaged ---- */

/* Operations that fail at their n-th use, once; for one thread. */
static struct {
    const wxtp_store_ops *real;
    wxtp_store_ops ops;
    int left;                      /* uses until it fails */
    void (*meanwhile)(void *user); /* what happens at a begin instead of its failing */
    void *user;
    fake_http *http;
    size_t sent; /* to WeChat when it failed */
    wxtp_batch_row damaged;
} faulty;

static bool fails_now(void)
{
    if (--faulty.left != 0) {
        return false;
    }
    faulty.sent = fake_http_count(faulty.http, PATH);
    return true;
}

static wxtp_status faulty_batch_list(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                                     bool (*each)(void *, const wxtp_batch_row *), void *user)
{
    return fails_now() ? WXTP_ERR_STORE : faulty.real->batch_list(tx, job_id, from, limit, each, user);
}

static wxtp_status faulty_batch_mark(wxtp_tx *tx, const char *job_id, int64_t number, const char *marks,
                                     bool finished)
{
    return fails_now() ? WXTP_ERR_STORE : faulty.real->batch_mark(tx, job_id, number, marks, finished);
}

static wxtp_status faulty_batch_get(wxtp_tx *tx, const char *job_id, int64_t number, wxtp_batch_row *row)
{
    return fails_now() ? WXTP_ERR_STORE : faulty.real->batch_get(tx, job_id, number, row);
}

static wxtp_status faulty_exception_add(wxtp_tx *tx, const wxtp_exception_row *row)
{
    return fails_now() ? WXTP_ERR_STORE : faulty.real->exception_add(tx, row);
}

static wxtp_status faulty_job_get(wxtp_tx *tx, const char *id, wxtp_job_row *row)
{
    return fails_now() ? WXTP_ERR_STORE : faulty.real->job_get(tx, id, row);
}

static wxtp_status faulty_job_put(wxtp_tx *tx, const wxtp_job_row *row)
{
    return fails_now() ? WXTP_ERR_STORE : faulty.real->job_put(tx, row);
}

static wxtp_status faulty_lease_check(wxtp_tx *tx, const wxtp_lease *lease)
{
    return fails_now() ? WXTP_ERR_STORE : faulty.real->lease_check(tx, lease);
}

static wxtp_status faulty_lease_renew(wxtp_tx *tx, wxtp_lease *lease, int64_t duration_ms)
{
    return fails_now() ? WXTP_ERR_STORE : faulty.real->lease_renew(tx, lease, duration_ms);
}

static wxtp_status faulty_commit(wxtp_tx *tx)
{
    if (fails_now()) {
        faulty.real->rollback(tx);
        return WXTP_ERR_STORE;
    }
    return faulty.real->commit(tx);
}

static wxtp_status faulty_begin(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx)
{
    if (fails_now()) {
        if (!faulty.meanwhile) {
            return WXTP_ERR_STORE;
        }
        faulty.meanwhile(faulty.user);
    }
    return faulty.real->begin(store, mode, tx);
}

static void begin_faults(fixture *fx, int left)
{
    faulty.real = fx->core->store->ops;
    faulty.ops = *faulty.real;
    faulty.left = left;
    faulty.meanwhile = NULL;
    faulty.http = &fx->http;
    fx->core->store->ops = &faulty.ops;
}

static void end_faults(fixture *fx)
{
    fx->core->store->ops = faulty.real;
}

/* A lease that runs out while WeChat answers: who comes back looks at what was done meanwhile. */
static void sleep_and_be_busy(void *user, const fake_request *request, fake_reply *reply)
{
    sleep_long(user, request, reply);
    reply->body = "{\"errcode\":45011,\"errmsg\":\"too often\"}";
}

static void I7_a_store_that_fails_once_loses_no_openid(void **state)
{
    static const struct {
        const char *what; /* what one of the messages says; NULL: it may come at any step */
        wxtp_store_ops ops;
    } cases[] = {
        {"read batches", {.batch_list = faulty_batch_list}},
        {"write a batch", {.batch_mark = faulty_batch_mark}},
        {"read a batch", {.batch_get = faulty_batch_get}},
        {"store a refused openid", {.exception_add = faulty_exception_add}},
        {"job", {.job_get = faulty_job_get}},
        {"job", {.job_put = faulty_job_put}},
        {"the lease", {.lease_check = faulty_lease_check}},
        {"the lease", {.lease_renew = faulty_lease_renew}},
        {NULL, {.commit = faulty_commit}},
        {NULL, {.begin = faulty_begin}},
    };
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool said = cases[i].what == NULL;
        wxtp_status status = WXTP_ERR_STORE;
        /* The many looks while it waits are alike. */
        for (int n = 1; status != WXTP_OK; n += 1 + n / 10) {
            static const char *const openids[] = {"ox1", "oREF2", "ox3"};
            char id[64];
            wx_err err;
            list l = {.openids = openids, .count = 3};
            create(fx, &l, false, id);
            play(fx);
            fake_http_handle(&fx->http, PATH, "ox1", 1, sleep_and_be_busy, fx);
            fixture_patience(&fx->node, 600000);
            fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-again", "refresh-1");
            begin_faults(fx, n);
#define BREAK(name) faulty.ops.name = cases[i].ops.name ? cases[i].ops.name : faulty.ops.name
            BREAK(batch_list);
            BREAK(batch_mark);
            BREAK(batch_get);
            BREAK(exception_add);
            BREAK(job_get);
            BREAK(job_put);
            BREAK(lease_check);
            BREAK(lease_renew);
            BREAK(commit);
            BREAK(begin);
#undef BREAK
            wx_err_clear(&err);
            status = run_node(&fx->node, id, WXTP_JOB_RUN, &err);
            const bool failed = faulty.left <= 0;
            end_faults(fx);
            if (status != WXTP_OK) {
                assert_int_equal(status, WXTP_ERR_STORE);
                assert_true(failed);
                said = said || strstr(err.message, cases[i].what) != NULL;
                verify(fx->core, id);
                fixture_patience(&fx->node, 600000);
                assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
            } else if (failed) {
                status = WXTP_ERR_STORE; /* it did no harm: go on */
            }
            expect(fx, id, WXTP_JOB_PARTIAL, 2, 0, 1, 0);
            verify(fx->core, id);
            assert_true(n < 2000);
        }
        if (!said) {
            fail_msg("nothing said: %s", cases[i].what);
        }
    }
}

/* The fifth batch is read when the fourth is done. */
static void I7_a_store_that_fails_between_two_batches_ends_the_run(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    create_many(fx, "x", 100, id);
    play(fx);
    begin_faults(fx, 2);
    faulty.ops.batch_list = faulty_batch_list;
    const wxtp_status status = run_node(&fx->node, id, WXTP_JOB_RUN, &err);
    end_faults(fx);
    assert_int_equal(status, WXTP_ERR_STORE);
    assert_int_equal(fake_http_count(&fx->http, PATH), 4);
    verify(fx->core, id);
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 100, 0, 0, 0);
}

/* The lease may have been renewed with it. */
static void I7_nothing_is_sent_of_what_was_not_taken_for_good(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    create_many(fx, "x", 60, id);
    play(fx);
    begin_faults(fx, 2); /* the first is the job's */
    faulty.ops.commit = faulty_commit;
    const wxtp_status status = run_node(&fx->node, id, WXTP_JOB_RUN, &err);
    end_faults(fx);
    assert_int_equal(status, WXTP_ERR_STORE);
    assert_int_equal(fake_http_count(&fx->http, PATH), 0);
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 60, 0, 0, 0);
}

static size_t asked_for, readings; /* the limit of the first reading; how many there were */

static wxtp_status watched_batch_list(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                                      bool (*each)(void *, const wxtp_batch_row *), void *user)
{
    asked_for = asked_for ? asked_for : limit;
    readings++;
    return faulty.real->batch_list(tx, job_id, from, limit, each, user);
}

/* As many as there are callers, within bounds, and no more than there are. */
static void I11_batches_are_read_ahead_within_bounds(void **state)
{
    static const struct {
        int concurrency;
        size_t openids, limit;
    } cases[] = {{1, 60, 3}, {1, 61, 4}, {1, 200, 4}, {5, 200, 5}, {31, 800, 31}, {40, 800, 32}, {40, 1, 1}};
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char id[64];
        fixture_concurrency(fx->core, cases[i].concurrency);
        create_many(fx, "x", cases[i].openids, id);
        play(fx);
        asked_for = readings = 0;
        begin_faults(fx, 0);
        faulty.ops.batch_list = watched_batch_list;
        assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
        end_faults(fx);
        assert_int_equal(asked_for, cases[i].limit);
        const size_t batches = (cases[i].openids + 19) / 20;
        if (cases[i].concurrency == 1) {
            assert_int_equal(readings, (batches + asked_for - 1) / asked_for);
        }
    }
}

/* Nothing of a batch is left where a shorter one comes after it. */
static void openids_of_any_length_are_sent_whole(void **state)
{
    fixture *fx = *state;
    static char texts[41][64];
    static const char *openids[41];
    char id[64];
    for (int i = 0; i < 41; i++) {
        snprintf(texts[i], sizeof texts[i], "o%.*s%d", i == 40 ? 3 : i % 40,
                 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", i);
        openids[i] = texts[i];
    }
    list l = {.openids = openids, .count = 41};
    create(fx, &l, false, id);
    play(fx);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, PATH), 3);
    assert_string_equal(fake_http_request(&fx->http, PATH, 2)->body, "{\"openid_list\":[\"oabc40\"]}");
    for (int i = 0; i < 40; i++) {
        char quoted[80];
        snprintf(quoted, sizeof quoted, "\"%s\"", texts[i]);
        assert_non_null(strstr(fake_http_request(&fx->http, PATH, (size_t)(i / 20))->body, quoted));
    }
}

static wxtp_status damaged_batch_list(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                                      bool (*each)(void *, const wxtp_batch_row *), void *user)
{
    (void)tx;
    (void)job_id;
    (void)from;
    (void)limit;
    (void)each(user, &faulty.damaged);
    return WXTP_OK;
}

static void I7_a_damaged_batch_is_not_sent(void **state)
{
    static char many[WXTP_BATCH_MAX * WX_OPENID_MAX + 100];
    memset(many, 'o', sizeof(many) - 1);
    static const char twenty_one[] = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq\nr\ns\nt\nu";
    const struct {
        const char *openids, *marks;
    } cases[] = {
        {"oa\nob", "."},                       /* fewer marks */
        {"oa\nob", "..."},                     /* more */
        {"oa", ""},                            /* none */
        {"", ""},                              /* nothing at all */
        {twenty_one, "...................."},  /* 21 openids */
        {twenty_one, "....................."}, /* and as many marks */
        {many, "."},                           /* longer than any batch is */
    };
    fixture *fx = *state;
    char id[64];
    create_many(fx, "x", 45, id);
    play(fx);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char expected[128];
        wx_err err;
        begin_faults(fx, 0);
        faulty.ops.batch_list = damaged_batch_list;
        faulty.damaged =
            (wxtp_batch_row){.job_id = id, .number = 7, .openids = cases[i].openids, .marks = cases[i].marks};
        assert_int_equal(run_node(&fx->node, id, WXTP_JOB_RESUME, &err), WXTP_ERR_STORE);
        end_faults(fx);
        (void)snprintf(expected, sizeof(expected), "batch 7 of job %s is damaged", id);
        assert_non_null(strstr(err.message, expected));
        assert_int_equal(fake_http_count(&fx->http, PATH), 0);
        verify(fx->core, id);
    }
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 45, 0, 0, 0);
}

/* The first reading is the store's, and of one batch; what comes next is damaged. */
static wxtp_status later_damaged_batch_list(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                                            bool (*each)(void *, const wxtp_batch_row *), void *user)
{
    (void)limit;
    return from == 0 ? faulty.real->batch_list(tx, job_id, from, 1, each, user)
                     : damaged_batch_list(tx, job_id, from, 1, each, user);
}

/* What was asked before stands, and is not asked again; of the whole batch nothing is left in its place. */
static void I7_a_damaged_batch_costs_no_answer_of_the_one_before(void **state)
{
    static char many[WXTP_BATCH_MAX * WX_OPENID_MAX + 100], last[WXTP_BATCH_MAX * WX_OPENID_MAX + 100];
    memset(many, 'o', sizeof(many) - 1);
    memset(last, 'o', sizeof(last) - 1);
    for (size_t i = 0; i < WXTP_BATCH_MAX - 1; i++) {
        last[2 * i + 1] = '\n';
    }
    const struct {
        const char *openids, *marks;
    } cases[] = {
        {many, "."},                    /* an openid without end */
        {last, "...................."}, /* the last of twenty */
        {"oa\nob", "."},
    };
    fixture *fx = *state;
    play(fx);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char id[64];
        wx_err err;
        create_many(fx, "x", 45, id);
        begin_faults(fx, 0);
        faulty.ops.batch_list = later_damaged_batch_list;
        faulty.damaged =
            (wxtp_batch_row){.job_id = id, .number = 1, .openids = cases[i].openids, .marks = cases[i].marks};
        for (int again = 0; again < 2; again++) {
            assert_int_equal(run_node(&fx->node, id, again ? WXTP_JOB_RESUME : WXTP_JOB_RUN, &err),
                             WXTP_ERR_STORE);
            assert_non_null(strstr(err.message, "batch 1 of job"));
            assert_non_null(strstr(err.message, "is damaged"));
            assert_int_equal(fake_http_count(&fx->http, PATH), 1);
            faulty.ops.batch_list = damaged_batch_list;
        }
        end_faults(fx);
        verify(fx->core, id);
        expect(fx, id, WXTP_JOB_RUNNING, 20, 0, 0, 25); /* without a runner */
        assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
        expect(fx, id, WXTP_JOB_DONE, 45, 0, 0, 0);
        assert_int_equal(fake_http_count(&fx->http, PATH), 3);
        fake_http_forget_requests(&fx->http);
        play(fx);
    }
}

static void I11_a_job_without_memory_loses_no_openid(void **state)
{
    static counting memory;
    fixture *fx = *state;
    const wxtp_allocator plenty = fx->core->allocator;
    wxtp_status status = WXTP_ERR_NOMEM;
    for (size_t n = 1; status != WXTP_OK; n++) {
        static const char *const openids[] = {"ox1", "oBAD2", "ox3"};
        char id[64];
        wx_err err;
        list l = {.openids = openids, .count = 3};
        create(fx, &l, false, id);
        play(fx);
        counting_init(&memory);
        memory.fail_at = n;
        fx->core->allocator = memory.allocator;
        wx_err_clear(&err);
        status = run_node(&fx->node, id, WXTP_JOB_RUN, &err);
        fx->core->allocator = plenty;
        verify(fx->core, id);
        if (status != WXTP_OK) {
            assert_int_equal(status, WXTP_ERR_NOMEM);
            assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
        }
        expect(fx, id, WXTP_JOB_DONE, 2, 1, 0, 0);
        assert_true(n < 2000);
    }
}

/* ---- What others do between two steps ---- */

typedef struct between {
    fixture *fx;
    fixture_node *other;
    const char *id;
    wxtp_lease *lease;
    char *name;
    bool done;
} between;

static void stop(void *user)
{
    between *b = user;
    b->done = true;
    atomic_store(&b->fx->core->stopping, true);
}

static void cancel(void *user)
{
    between *b = user;
    wxtp_job *job = NULL;
    wx_err err;
    b->done = wx_job_cancel(&b->other->op, b->id, &job, &err) == WXTP_OK;
    wx_job_free(job);
}

/* One after another: none is left for later. */
static void assert_batches_in_order(fixture *fx)
{
    int before = 0;
    for (size_t n = 0; n < fake_http_count(&fx->http, PATH); n++) {
        const char *first = strstr(fake_http_request(&fx->http, PATH, n)->body, "\"ox");
        assert_non_null(first);
        const int batch = atoi(first + 3) / 20;
        assert_true(batch >= before);
        before = batch;
    }
}

static void a_search_ends_before_the_next_batch_begins(void **state)
{
    fixture *fx = *state;
    static char texts[60][16];
    static const char *openids[60];
    char id[64];
    for (int i = 0; i < 60; i++) {
        snprintf(texts[i], sizeof texts[i], "ox%05d%s", i, i % 20 == 19 ? "BAD" : "");
        openids[i] = texts[i];
    }
    list l = {.openids = openids, .count = 60};
    create(fx, &l, false, id);
    play(fx);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 57, 3, 0, 0);
    assert_batches_in_order(fx);
}

/* Something happens before the n-th transaction of a run, whichever it is, while the second call has to be
 * made again. */
static void at_each_begin(fixture *fx, void (*what)(void *), wxtp_status expected, wxtp_job_state end)
{
    fixture_node beside;
    between b = {.fx = fx, .other = &beside, .done = true};
    fixture_open_node(fx, &beside);
    for (int n = 1; b.done; n++) {
        char id[64];
        wx_err err;
        create_many(fx, "x", 60, id);
        b.id = id;
        b.done = false;
        play(fx);
        fake_http_on(&fx->http, PATH, "x00020", 1, "{\"errcode\":-1,\"errmsg\":\"busy\"}");
        fake_http_forget_requests(&fx->http);
        fixture_patience(&fx->node, 600000);
        fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-again", "refresh-1");
        begin_faults(fx, n);
        faulty.ops.begin = faulty_begin;
        faulty.meanwhile = what;
        faulty.user = &b;
        wx_err_clear(&err);
        const wxtp_status status = run_node(&fx->node, id, WXTP_JOB_RUN, &err);
        end_faults(fx);
        atomic_store(&fx->core->stopping, false);
        verify(fx->core, id);
        WX_AUTO_JOB *job = load(fx, id);
        const int64_t calls = (int64_t)fake_http_count(&fx->http, PATH);
        assert_int_equal(job->row.calls, calls);
        assert_batches_in_order(fx);
        /* Each was counted, and none was made twice but for the one that was to be. */
        assert_int_equal(job->row.succeeded, (calls - (calls > 1)) * 20);
        if (status == WXTP_OK) {
            assert_int_equal(job->row.state, WXTP_JOB_DONE);
            assert_int_equal(calls, 4);
        } else {
            assert_int_equal(status, expected);
            assert_int_equal(job->row.state, end);
        }
        assert_true(n < 200);
    }
    fixture_close_node(&beside);
}

static void I12_a_stop_at_any_moment_makes_no_further_call(void **state)
{
    at_each_begin(*state, stop, WXTP_ERR_INTERRUPTED, WXTP_JOB_PAUSED);
}

static void I7_a_cancel_at_any_moment_is_kept(void **state)
{
    at_each_begin(*state, cancel, WXTP_ERR_CANCELLED, WXTP_JOB_CANCELLED);
}

static void oversleep(void *user)
{
    between *b = user;
    b->done = true;
    fake_clock_advance(&b->fx->clock, 20000);
}

static void a_lease_that_runs_out_at_any_moment_is_taken_again(void **state)
{
    at_each_begin(*state, oversleep, WXTP_OK, WXTP_JOB_DONE);
}

static void stop_late(void *user)
{
    between *b = user;
    fake_clock_advance(&b->fx->clock, 250);
    stop(user);
}

static bool nothing_done_yet(void *user, const wxtp_job *job)
{
    ++*(int *)user;
    assert_int_equal(job->row.pending, 60);
    assert_int_equal(job->row.calls, 0);
    return true;
}

static void a_run_that_is_stopped_before_its_first_call_shows_what_there_is(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    wxtp_job *job = NULL;
    int looks = 0;
    create_many(fx, "x", 60, id);
    play(fx);
    between b = {.fx = fx, .id = id};
    begin_faults(fx, 2); /* the first is the taking's */
    faulty.ops.begin = faulty_begin;
    faulty.meanwhile = stop_late;
    faulty.user = &b;
    const wxtp_status status = wx_job_run(fx->op, id, WXTP_JOB_RUN, nothing_done_yet, &looks, &job, &err);
    end_faults(fx);
    atomic_store(&fx->core->stopping, false);
    wx_job_free(job);
    assert_int_equal(status, WXTP_ERR_INTERRUPTED);
    assert_true(looks > 1);
    assert_int_equal(fake_http_count(&fx->http, PATH), 0);
    expect(fx, id, WXTP_JOB_PAUSED, 0, 0, 0, 60);
}

/* The caller's own look at a picture takes longer than the lease lasts, while a call waits for its next try:
 * lease, job and batch are looked at before it is sent, and the store fails at one of these steps. */
typedef struct dawdler {
    fixture *fx;
    int fails_at;
    bool done;
} dawdler;

static bool dawdle(void *user, const wxtp_job *job)
{
    dawdler *d = user;
    (void)job;
    if (!d->done && fake_http_count(&d->fx->http, PATH) == 1) {
        d->done = true;
        fake_clock_advance(&d->fx->clock, 20000);
        faulty.left = d->fails_at;
    }
    return true;
}

static void I7_nothing_is_sent_where_lease_job_and_batch_cannot_be_looked_at(void **state)
{
    static const wxtp_store_ops cases[] = {
        {.begin = faulty_begin}, {.job_get = faulty_job_get}, {.batch_get = faulty_batch_get}};
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        wxtp_status status = WXTP_ERR_STORE;
        for (int n = 1; status != WXTP_OK; n++) {
            char id[64];
            wx_err err;
            wxtp_job *job = NULL;
            dawdler d = {.fx = fx, .fails_at = n};
            create_many(fx, "x", 20, id);
            play(fx);
            fake_http_forget_requests(&fx->http);
            fake_http_on(&fx->http, PATH, NULL, 1, "{\"errcode\":45011,\"errmsg\":\"too often\"}");
            fixture_patience(&fx->node, 600000);
            fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-again", "refresh-1");
            begin_faults(fx, 0);
            faulty.ops.begin = cases[i].begin ? cases[i].begin : faulty.ops.begin;
            faulty.ops.job_get = cases[i].job_get ? cases[i].job_get : faulty.ops.job_get;
            faulty.ops.batch_get = cases[i].batch_get ? cases[i].batch_get : faulty.ops.batch_get;
            status = wx_job_run(fx->op, id, WXTP_JOB_RUN, dawdle, &d, &job, &err);
            const bool failed = faulty.left <= 0;
            end_faults(fx);
            wx_job_free(job);
            assert_true(d.done);
            verify(fx->core, id);
            if (failed && n <= 3) {
                assert_int_equal(faulty.sent, 1);
                assert_int_equal(status, WXTP_ERR_STORE);
                assert_int_equal(fake_http_count(&fx->http, PATH), 1);
            }
            assert_true(n > 1 || failed);
            assert_true(n < 300);
        }
    }
}

static wxtp_status slow_commit(wxtp_tx *tx)
{
    fake_clock_advance(faulty.user, 250);
    return faulty.real->commit(tx);
}

static bool is_over_with_nothing_pending(void *user, const wxtp_job *job)
{
    *(int *)user += job->row.pending == 0;
    assert_int_equal(job->row.state, job->row.pending > 0 ? WXTP_JOB_RUNNING : WXTP_JOB_DONE);
    return true;
}

static void the_last_picture_of_a_run_says_that_it_is_over(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    wxtp_job *job = NULL;
    int over = 0;
    create_many(fx, "x", 60, id);
    play(fx);
    begin_faults(fx, 0);
    faulty.ops.commit = slow_commit;
    faulty.user = &fx->clock;
    const wxtp_status status =
        wx_job_run(fx->op, id, WXTP_JOB_RUN, is_over_with_nothing_pending, &over, &job, &err);
    end_faults(fx);
    wx_job_free(job);
    assert_int_equal(status, WXTP_OK);
    assert_int_equal(over, 2); /* while its last worker ends, and behind it */
}

static struct {
    int reads, writes, batches;
} counts;

static wxtp_status counted_begin(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx)
{
    *(mode == WXTP_TX_READ ? &counts.reads : &counts.writes) += 1;
    return faulty.real->begin(store, mode, tx);
}

static wxtp_status counted_batch_get(wxtp_tx *tx, const char *job_id, int64_t number, wxtp_batch_row *row)
{
    counts.batches++;
    return faulty.real->batch_get(tx, job_id, number, row);
}

static void count_a_run(fixture *fx, size_t openids)
{
    char id[64];
    create_many(fx, "x", openids, id);
    counts.reads = counts.writes = counts.batches = 0;
    begin_faults(fx, 0);
    faulty.ops.begin = counted_begin;
    faulty.ops.batch_get = counted_batch_get;
    wx_err err;
    assert_int_equal(run_node(&fx->node, id, WXTP_JOB_RUN, &err), WXTP_OK);
    end_faults(fx);
}

/* What was just committed is not read again before the next call, nor a batch that nobody else came to. */
static void I11_a_batch_costs_one_write_transaction_and_hardly_a_read(void **state)
{
    fixture *fx = *state;
    play(fx);
    count_a_run(fx, 20);
    const int writes = counts.writes;
    assert_int_equal(counts.batches, 0);
    count_a_run(fx, 200);
    assert_int_equal(counts.writes, writes + 9); /* one a batch */
    assert_int_equal(counts.batches, 0);
    assert_in_range(counts.reads, 0, 10);
    fixture_concurrency(fx->core, 3);
    count_a_run(fx, 100);
    assert_int_equal(counts.writes, writes + 4 + 2); /* and one a worker; none to see that no batch is left */
}

/* A batch of the list is bad as a whole; whoever finds no batch left ends alone. */
static void a_search_goes_on_while_others_find_no_batch(void **state)
{
    enum { BATCHES = 3, COUNT = BATCHES * WXTP_BATCH_MAX };
    fixture *fx = *state;
    fixture_concurrency(fx->core, 2);
    play(fx);
    for (size_t bad = 0; bad < BATCHES; bad++) {
        static char texts[COUNT][16];
        const char *openids[COUNT];
        char id[64];
        for (size_t at = 0; at < COUNT; at++) {
            snprintf(texts[at], sizeof texts[at], "o%s%zu", at / WXTP_BATCH_MAX == bad ? "BAD" : "good", at);
            openids[at] = texts[at];
        }
        list l = {.openids = openids, .count = COUNT};
        create(fx, &l, false, id);
        assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
        expect(fx, id, WXTP_JOB_DONE, COUNT - WXTP_BATCH_MAX, WXTP_BATCH_MAX, 0, 0);
    }
}

static void a_run_that_is_stopped_before_it_begins_calls_nothing(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    create_many(fx, "x", 60, id);
    play(fx);
    atomic_store(&fx->core->stopping, true);
    assert_int_equal(run_node(&fx->node, id, WXTP_JOB_RUN, &err), WXTP_ERR_INTERRUPTED);
    atomic_store(&fx->core->stopping, false);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
    expect(fx, id, WXTP_JOB_PAUSED, 0, 0, 0, 60);
}

static void steal(void *user)
{
    between *b = user;
    fake_clock_advance(&b->fx->clock, 20000);
    be_runner(b->other, b->id, b->lease, b->name);
    b->done = true;
}

/* The lease ran out between its taking and the first batch, and another took it: it is followed. */
static void I7_a_job_that_is_lost_before_its_first_batch_is_followed(void **state)
{
    fixture *fx = *state;
    fixture_node beside;
    char id[64], name[WX_JOB_LEASE_NAME_MAX];
    wxtp_lease lease;
    wx_err err;
    wxtp_job *job = NULL;
    fixture_open_node(fx, &beside);
    create_many(fx, "x", 60, id);
    play(fx);
    between b = {.fx = fx, .other = &beside, .id = id, .lease = &lease, .name = name};
    watched w = {.runner = &beside, .lease = &lease, .id = id, .pauses = true};
    begin_faults(fx, 2); /* the first is the taking's */
    faulty.ops.begin = faulty_begin;
    faulty.meanwhile = steal;
    faulty.user = &b;
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RUN, look_on, &w, &job, &err), WXTP_ERR_QUOTA);
    end_faults(fx);
    wx_job_free(job);
    assert_true(b.done);
    assert_int_equal(fake_http_count(&fx->http, PATH), 0);
    fixture_close_node(&beside);
}

/* A wait of up to a minute, in the middle of which somebody cancels: nothing is sent after it. */
static void I7_a_cancel_in_a_long_wait_sends_nothing_more(void **state)
{
    static const int moments[] = {12, 20, 40};
    fixture *fx = *state;
    fixture_node beside;
    fixture_open_node(fx, &beside);
    for (size_t i = 0; i < 3; i++) {
        char id[64];
        wx_err err;
        create_many(fx, "x", 60, id);
        between b = {.fx = fx, .other = &beside, .id = id};
        play(fx);
        fake_http_forget_requests(&fx->http);
        fake_http_on(&fx->http, PATH, NULL, 1, "{\"errcode\":45011,\"errmsg\":\"too often\"}");
        fixture_patience(&fx->node, 600000);
        fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-again", "refresh-1");
        begin_faults(fx, moments[i]);
        faulty.ops.begin = faulty_begin;
        faulty.meanwhile = cancel;
        faulty.user = &b;
        const wxtp_status status = run_node(&fx->node, id, WXTP_JOB_RUN, &err);
        end_faults(fx);
        assert_true(b.done);
        assert_int_equal(status, WXTP_ERR_CANCELLED);
        assert_int_equal(fake_http_count(&fx->http, PATH), 1);
        expect(fx, id, WXTP_JOB_CANCELLED, 0, 0, 0, 60);
    }
    fixture_close_node(&beside);
}

static bool not_again(void *user, const wxtp_job *job)
{
    return job->row.calls <= *(int64_t *)user;
}

/* Takes the job over while we wait for an answer, does the batch that we have, and stops. */
static void do_one_batch(void *user, const fake_request *request, fake_reply *reply)
{
    other *o = user;
    wx_err err;
    wxtp_job *job = NULL;
    (void)request;
    fake_clock_advance(&o->fx->clock, 20000);
    (void)wx_job_run(&o->node.op, o->id, WXTP_JOB_RUN, not_again, &o->calls, &job, &err);
    wx_job_free(job);
    reply->body = "{\"errcode\":45011,\"errmsg\":\"too often\"}";
}

/* Before the try again the batch is looked at: another has done it, so that it is not sent once more. */
static void overtake(fixture *fx, const char *pattern, int64_t done, int64_t invalid)
{
    char id[64], first[16];
    snprintf(first, sizeof first, "%s00000", pattern);
    create_many(fx, pattern, 60, id);
    other o = {.fx = fx, .id = id};
    fixture_open_node(fx, &o.node);
    fake_http_handle(&fx->http, PATH, NULL, -1, slow_wechat, fx); /* so that progress is told */
    fake_http_handle(&fx->http, PATH, first, 1, do_one_batch, &o);
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_ERR_INTERRUPTED);
    assert_int_equal(run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    int whole = 0;
    for (size_t n = 0; n < fake_http_count(&fx->http, PATH); n++) {
        const char *body = fake_http_request(&fx->http, PATH, n)->body;
        whole += strstr(body, first) && strstr(body, "00019");
    }
    assert_int_equal(whole, 2); /* ours that was refused, and the other's */
    expect(fx, id, WXTP_JOB_DONE, done, invalid, 0, 0);
    fixture_close_node(&o.node);
}

static void I7_what_another_has_done_meanwhile_is_not_sent_again(void **state)
{
    overtake(*state, "x", 60, 0);
}

static void I7_what_another_has_begun_meanwhile_is_not_sent_again(void **state)
{
    overtake(*state, "BAD", 0, 60);
}

static void do_one_batch_and_die(void *user, const fake_request *request, fake_reply *reply)
{
    other *o = user;
    wx_err err;
    wxtp_job *job = NULL;
    WX_AUTO_SCOPE scope = {0};
    do_one_batch(user, request, reply);
    assert_int_equal(wx_scope_begin(&scope, &o->node.core, WXTP_TX_WRITE, &err), WXTP_OK);
    assert_int_equal(wx_job_read(&o->node.core, scope.tx, o->id, &job, &err), WXTP_OK);
    wx_job_unpause(&job->row);
    assert_int_equal(wx_job_write(&o->node.core, scope.tx, &job->row, &err), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    wx_job_free(job);
    reply->body = o->answer;
}

/* A runner that came in between has done the second batch and died: whatever our answer is, we go on. */
static void I7_what_another_has_done_meanwhile_is_no_end(void **state)
{
    static const char *const answers[] = {OK, "{\"errcode\":45011,\"errmsg\":\"too often\"}"};
    fixture *fx = *state;
    for (size_t i = 0; i < 2; i++) {
        char id[64];
        create_many(fx, "x", 200, id);
        other o = {.fx = fx, .id = id, .calls = 1, .answer = answers[i]};
        fixture_open_node(fx, &o.node);
        fixture_patience(&fx->node, 120000);
        fake_http_forget_requests(&fx->http);
        fake_http_handle(&fx->http, PATH, NULL, -1, slow_wechat, fx);
        fake_http_handle(&fx->http, PATH, "x00020", 1, do_one_batch_and_die, &o);
        assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
        assert_int_equal(fake_http_count(&fx->http, PATH), 11);
        expect(fx, id, WXTP_JOB_DONE, 200, 0, 0, 0);
        fixture_close_node(&o.node);
    }
}

static void answer_after_the_loss(void *user, const fake_request *request, fake_reply *reply)
{
    steal(user);
    wechat(NULL, request, reply);
}

/* The other may be sending the same batch, and counts it. */
static void I7_an_answer_after_the_loss_of_the_job_counts_as_a_call_alone(void **state)
{
    fixture *fx = *state;
    fixture_node beside;
    char id[64], name[WX_JOB_LEASE_NAME_MAX];
    wxtp_lease lease;
    wx_err err;
    wxtp_job *job = NULL;
    fixture_open_node(fx, &beside);
    create_many(fx, "x", 60, id);
    between b = {.fx = fx, .other = &beside, .id = id, .lease = &lease, .name = name};
    watched w = {.runner = &beside, .lease = &lease, .id = id, .pauses = true};
    fake_http_handle(&fx->http, PATH, NULL, 1, answer_after_the_loss, &b);
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RUN, look_on, &w, &job, &err), WXTP_ERR_QUOTA);
    assert_true(b.done);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
    assert_int_equal(job->row.succeeded, 0);
    assert_int_equal(job->row.pending, 60);
    wx_job_free(job);
    verify(fx->core, id);
    fixture_close_node(&beside);
}

/* ---- Many ---- */

static void I7_many_workers_account_for_every_openid(void **state)
{
    fixture *fx = *state;
    char id[64];
    static char texts[2000][16];
    static const char *openids[2000];
    int64_t bads = 0;
    fixture_concurrency(fx->core, 8);
    for (int i = 0; i < 2000; i++) {
        const bool bad = i % 37 == 0;
        bads += bad;
        snprintf(texts[i], sizeof texts[i], "o%s%d", bad ? "BAD" : "x", i);
        openids[i] = texts[i];
    }
    list l = {.openids = openids, .count = 2000};
    create(fx, &l, false, id);
    play(fx);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 2000 - bads, bads, 0, 0);
    wxtp_job *job = load(fx, id);
    assert_int_equal(job->row.calls, fake_http_count(&fx->http, PATH));
    wx_job_free(job);
}

/* Five other tenants come, stay for a while, and go. */
typedef struct visitors {
    fixture *fx;
    int comes, goes, looks; /* before which call */
    int calls;
    size_t tasks_before, tasks_meanwhile, tasks_after;
    wx_slot slots[5];
} visitors;

static void come_and_go(void *user, const fake_request *request, fake_reply *reply)
{
    static const char *const others[] = {"a", "b", "c", "d", "e"};
    visitors *v = user;
    wx_core *core = v->fx->core;
    const bool come = ++v->calls == v->comes;
    const bool go = v->calls == v->goes;
    for (size_t at = 0; (come || go) && at < 5; at++) {
        wx_err err;
        if (come) {
            assert_int_equal(wx_slot_take(core, others[at], NULL, NULL, &v->slots[at], &err), WXTP_OK);
        } else {
            wx_slot_give(core, &v->slots[at]);
        }
    }
    v->tasks_before = v->calls == v->comes - 1 ? core->engine->alive : v->tasks_before;
    v->tasks_meanwhile = v->calls == v->goes - 1 ? core->engine->alive : v->tasks_meanwhile;
    v->tasks_after = v->calls == v->looks ? core->engine->alive : v->tasks_after;
    fake_clock_advance(&v->fx->clock, 12);
    wechat(user, request, reply);
}

static void I10_a_job_keeps_fewer_workers_while_others_want_places(void **state)
{
    fixture *fx = *state;
    char id[64];
    visitors v = {.fx = fx, .comes = 20, .goes = 60, .looks = 295};
    fixture_concurrency(fx->core, 8);
    create_many(fx, "", 6000, id);
    fake_http_forget_rules(&fx->http);
    fake_http_handle(&fx->http, PATH, NULL, -1, come_and_go, &v);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 6000, 0, 0, 0);
    assert_int_equal(v.calls, 300);
    assert_int_equal(v.tasks_before, 8);
    assert_int_equal(v.tasks_meanwhile, 2);
    assert_int_equal(v.tasks_after, 8);
}

/* Also where those who leave have a search to end. */
static void I10_who_leaves_ends_the_search_in_hand(void **state)
{
    fixture *fx = *state;
    static char texts[2000][16];
    static const char *openids[2000];
    char id[64];
    visitors v = {.fx = fx, .comes = 30, .goes = 200, .looks = 500};
    for (int i = 0; i < 2000; i++) {
        snprintf(texts[i], sizeof texts[i], "o%s%d", i % 20 == 7 ? "BAD" : "x", i);
        openids[i] = texts[i];
    }
    list l = {.openids = openids, .count = 2000};
    fixture_concurrency(fx->core, 8);
    create(fx, &l, false, id);
    fake_http_forget_rules(&fx->http);
    fake_http_handle(&fx->http, PATH, NULL, -1, come_and_go, &v);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    expect(fx, id, WXTP_JOB_DONE, 1900, 100, 0, 0);
    assert_int_equal(v.tasks_before, 8);
    assert_int_equal(v.tasks_meanwhile, 2);
    assert_int_equal(v.tasks_after, 8);
}

typedef struct chaos {
    fixture *fx;
    const char *id;
    _Atomic uint32_t seed;
    atomic_int calls;
    bool verify;
} chaos;

/* Anything but an unknown errcode, at random; the counters are looked at while calls are in flight. */
static void misbehave(void *user, const fake_request *request, fake_reply *reply)
{
    chaos *c = user;
    const uint32_t dice = atomic_fetch_add(&c->seed, 2654435761u) * 2246822519u >> 16;
    atomic_fetch_add(&c->calls, 1);
    if (c->verify)
        verify(c->fx->core, c->id);
    wechat(NULL, request, reply);
    switch (dice % 24) {
    case 0:
        reply->body = "{\"errcode\":-1,\"errmsg\":\"busy\"}";
        break;
    case 1:
        reply->outcome = WXTP_HTTP_UNKNOWN;
        break;
    case 2:
        reply->outcome = WXTP_HTTP_NOT_SENT;
        break;
    case 3:
        reply->status = 502;
        break;
    case 4:
        reply->body = "<html>";
        break;
    case 5:
        reply->body = "{\"errcode\":45011,\"errmsg\":\"too often\"}";
        break;
    case 6:
        reply->body =
            dice % 7 ? "{\"errcode\":45009,\"errmsg\":\"quota\"}" : "{\"errcode\":40164,\"errmsg\":\"ip\"}";
        break;
    default:
        break;
    }
}

static void survive(fixture *fx, int concurrency)
{
    char id[64];
    static char texts[2000][16];
    static const char *openids[2000];
    int64_t bads = 0, refusals = 0;
    fixture_concurrency(fx->core, concurrency);
    for (int i = 0; i < 2000; i++) {
        const bool bad = i % 53 == 0, refused = i % 97 == 1;
        bads += bad;
        refusals += refused && !bad;
        snprintf(texts[i], sizeof texts[i], "o%s%d", bad ? "BAD" : refused ? "REF" : "x", i);
        openids[i] = texts[i];
    }
    list l = {.openids = openids, .count = 2000};
    create(fx, &l, false, id);
    chaos c = {.fx = fx, .id = id, .verify = concurrency == 1};
    atomic_init(&c.seed, 12345);
    atomic_init(&c.calls, 0);
    fake_http_handle(&fx->http, PATH, NULL, -1, misbehave, &c);
    wxtp_status status = WXTP_ERR_QUOTA;
    for (int runs = 0; runs < 400 && status != WXTP_OK; runs++) {
        fixture_patience(&fx->node, 60000);
        fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-again", "refresh-1");
        status = run(fx, id, WXTP_JOB_RESUME);
    }
    assert_int_equal(status, WXTP_OK);
    expect(fx, id, WXTP_JOB_PARTIAL, 2000 - bads - refusals, bads, refusals, 0);
    wxtp_job *job = load(fx, id);
    assert_int_equal(job->row.calls, atomic_load(&c.calls));
    wx_job_free(job);
}

static void I7_the_equation_holds_through_every_fault(void **state)
{
    survive(*state, 1);
}

static void I7_the_equation_holds_with_many_workers_through_every_fault(void **state)
{
    survive(*state, 8);
}

/* A process that dies at its n-th commit, before or after it; WeChat outlives it in shared memory. */
typedef struct world {
    atomic_int calls[64]; /* that carried the batch, by its first openid's number / 20 */
    atomic_int commits, dies_at;
    bool before;
    const wxtp_store_ops *ops;
} world;

static world *the_world;

static wxtp_status dying_commit(wxtp_tx *tx)
{
    world *w = the_world;
    const bool now = atomic_fetch_add(&w->commits, 1) + 1 == atomic_load(&w->dies_at);
    if (now && w->before)
        raise(SIGKILL);
    const wxtp_status status = w->ops->commit(tx);
    if (now)
        raise(SIGKILL);
    return status;
}

static void count_batch(void *user, const fake_request *request, fake_reply *reply)
{
    world *w = user;
    const char *first = strstr(request->body, "ox");
    assert_non_null(first);
    atomic_fetch_add(&w->calls[atoi(first + 2) / 20], 1);
    wechat(NULL, request, reply);
}

/* The child uses nothing of the parent's handles but the path. Returns whether it was killed. */
static bool run_and_die(fixture *fx, const char *id)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fixture_node node;
        wx_err err;
        wxtp_job *job = NULL;
        fixture_open_node(fx, &node);
        wxtp_store_ops ops = *node.core.store->ops;
        the_world->ops = node.core.store->ops;
        ops.commit = dying_commit;
        node.core.store->ops = &ops;
        (void)wx_job_run(&node.op, id, WXTP_JOB_RUN, NULL, NULL, &job, &err);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void I7_after_a_kill_at_any_commit_at_most_what_was_in_flight_is_repeated(void **state)
{
    fixture *fx = *state;
    the_world = mmap(NULL, sizeof *the_world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(the_world != MAP_FAILED);
    fake_http_handle(&fx->http, PATH, NULL, -1, count_batch, the_world);
    for (int at = 1; at <= 16; at++) {
        for (int before = 0; before <= 1; before++) {
            char id[64];
            memset(the_world, 0, sizeof *the_world);
            the_world->before = before;
            atomic_store(&the_world->dies_at, at);
            create_many(fx, "x", 100, id);
            if (run_and_die(fx, id))
                verify(fx->core, id);
            assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_OK);
            expect(fx, id, WXTP_JOB_DONE, 100, 0, 0, 0);
            int repeated = 0;
            for (int batch = 0; batch < 5; batch++) {
                assert_true(atomic_load(&the_world->calls[batch]) >= 1);
                repeated += atomic_load(&the_world->calls[batch]) - 1;
            }
            assert_true(repeated <= 1);
        }
    }
    munmap(the_world, sizeof *the_world);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_list_is_counted_and_nothing_is_called),
        TEST(what_cannot_be_a_job_leaves_none),
        TEST(a_list_of_only_invalid_ones_is_done_at_once),
        TEST(a_forecast_counts_and_leaves_nothing),
        TEST(I7_a_poisoned_batch_keeps_its_budget_of_calls),
        TEST(I7_only_who_was_refused_alone_is_invalid),
        TEST(a_smaller_list_of_the_catalog_is_kept),
        TEST(I7_what_is_not_about_openids_pauses_and_fails_none),
        TEST(I6_the_gate_pauses_a_job_in_the_middle),
        TEST(a_quota_that_is_remembered_gets_one_probe),
        TEST(a_suspect_list_waits_for_a_decision),
        TEST(two_hundred_bad_ones_and_no_more_are_done),
        TEST(ten_batches_of_an_unknown_errcode_wait_for_a_decision),
        TEST(a_known_answer_ends_a_streak_of_unknown_ones),
        TEST(progress_may_stop_a_job),
        TEST(a_stop_finishes_what_is_in_flight),
        TEST(I7_a_cancel_from_another_process_is_seen_and_what_was_in_flight_counts),
        TEST(a_cancel_ends_a_wait),
        TEST(I7_a_runner_that_lost_its_job_changes_nothing),
        TEST(a_lease_that_ran_out_and_nobody_took_is_taken_again),
        TEST(a_runner_whose_store_fails_still_waits_for_its_call),
        TEST(I7_a_job_that_does_not_add_up_is_neither_run_nor_written),
        TEST(I7_a_batch_is_not_counted_twice_when_its_marks_are_lost),
        TEST(I7_a_dead_runners_claims_are_free_at_once),
        TEST(a_follower_takes_over_when_the_runner_is_gone),
        TEST(a_follower_tells_what_the_runner_came_to),
        TEST(I7_each_answer_has_its_meaning_for_the_openids),
        TEST(refreshes_and_time_are_counted_as_they_pass),
        TEST(our_own_faults_make_a_list_suspect),
        TEST(one_success_makes_a_list_unsuspected),
        TEST(I7_what_is_refused_in_doubt_waits_for_the_decision),
        TEST(I7_unknown_answers_in_flight_wait_for_the_decision),
        TEST(a_smaller_list_is_kept_in_a_search),
        TEST(I7_a_store_that_fails_once_loses_no_openid),
        TEST(I11_batches_are_read_ahead_within_bounds),
        TEST(openids_of_any_length_are_sent_whole),
        TEST(I7_a_damaged_batch_is_not_sent),
        TEST(I7_a_damaged_batch_costs_no_answer_of_the_one_before),
        TEST(I11_a_job_without_memory_loses_no_openid),
        TEST(I12_a_stop_at_any_moment_makes_no_further_call),
        TEST(I7_a_cancel_at_any_moment_is_kept),
        TEST(I7_a_cancel_in_a_long_wait_sends_nothing_more),
        TEST(a_lease_that_runs_out_at_any_moment_is_taken_again),
        TEST(I7_an_answer_after_the_loss_of_the_job_counts_as_a_call_alone),
        TEST(I7_what_another_has_begun_meanwhile_is_not_sent_again),
        TEST(a_run_that_is_stopped_before_it_begins_calls_nothing),
        TEST(I7_a_job_that_is_lost_before_its_first_batch_is_followed),
        TEST(I7_what_another_has_done_meanwhile_is_not_sent_again),
        TEST(I7_after_a_kill_at_any_commit_at_most_what_was_in_flight_is_repeated),
        TEST(a_search_ends_before_the_next_batch_begins),
        TEST(each_picture_adds_up),
        TEST(I12_a_refresh_before_a_stop_is_counted),
        TEST(the_first_reason_to_end_stands),
        TEST(a_probe_is_made_by_the_first_call_alone),
        TEST(a_run_that_is_stopped_before_its_first_call_shows_what_there_is),
        TEST(I7_nothing_is_sent_where_lease_job_and_batch_cannot_be_looked_at),
        TEST(I11_a_batch_costs_one_write_transaction_and_hardly_a_read),
        TEST(I7_what_another_has_done_meanwhile_is_no_end),
        TEST(a_search_goes_on_while_others_find_no_batch),
        TEST(I7_a_cancel_ends_a_search),
        TEST(I7_a_store_that_fails_between_two_batches_ends_the_run),
        TEST(a_pause_says_which_address_wechat_saw),
        TEST(a_used_up_quota_ends_all_workers_at_once),
        TEST(I7_nothing_is_sent_of_what_was_not_taken_for_good),
        TEST(I7_many_workers_account_for_every_openid),
        TEST(I10_a_job_keeps_fewer_workers_while_others_want_places),
        TEST(I10_who_leaves_ends_the_search_in_hand),
        TEST(the_last_picture_of_a_run_says_that_it_is_over),
        TEST(I7_the_equation_holds_through_every_fault),
        TEST(I7_the_equation_holds_with_many_workers_through_every_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
