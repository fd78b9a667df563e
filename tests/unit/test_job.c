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
    int calls;
    size_t tasks_before, tasks_meanwhile, tasks_after;
    wx_slot slots[5];
} visitors;

static void come_and_go(void *user, const fake_request *request, fake_reply *reply)
{
    static const char *const others[] = {"a", "b", "c", "d", "e"};
    visitors *v = user;
    wx_core *core = v->fx->core;
    const bool come = ++v->calls == 20;
    const bool go = v->calls == 60;
    for (size_t at = 0; (come || go) && at < 5; at++) {
        wx_err err;
        if (come) {
            assert_int_equal(wx_slot_take(core, others[at], NULL, NULL, &v->slots[at], &err), WXTP_OK);
        } else {
            wx_slot_give(core, &v->slots[at]);
        }
    }
    v->tasks_before = v->calls == 19 ? core->engine->alive : v->tasks_before;
    v->tasks_meanwhile = v->calls == 59 ? core->engine->alive : v->tasks_meanwhile;
    v->tasks_after = v->calls == 295 ? core->engine->alive : v->tasks_after;
    fake_clock_advance(&v->fx->clock, 12);
    wechat(user, request, reply);
}

static void I10_a_job_keeps_fewer_workers_while_others_want_places(void **state)
{
    fixture *fx = *state;
    char id[64];
    visitors v = {.fx = fx};
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
        TEST(I7_a_job_that_does_not_add_up_is_neither_run_nor_written),
        TEST(I7_a_batch_is_not_counted_twice_when_its_marks_are_lost),
        TEST(I7_a_dead_runners_claims_are_free_at_once),
        TEST(a_follower_takes_over_when_the_runner_is_gone),
        TEST(a_follower_tells_what_the_runner_came_to),
        TEST(I7_after_a_kill_at_any_commit_at_most_what_was_in_flight_is_repeated),
        TEST(I7_many_workers_account_for_every_openid),
        TEST(I10_a_job_keeps_fewer_workers_while_others_want_places),
        TEST(I7_the_equation_holds_through_every_fault),
        TEST(I7_the_equation_holds_with_many_workers_through_every_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
