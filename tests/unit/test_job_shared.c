/* A job between processes: cancelled, lost, followed, and stopped or taken at any moment. */
#include "job_stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failing_store.h"

/* ---- Cancelled, or its quota used up ---- */

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
    reply->body = STAGE_OK;
}

static void I7_a_cancel_from_another_process_is_seen_and_what_was_in_flight_counts(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_create_many(fx, "x", 100, id);
    other o = {.fx = fx, .id = id};
    fixture_open_node(fx, &o.node);
    stage_play(fx);
    fake_http_handle(&fx->http, STAGE_PATH, "x00030", 1, cancel_from_outside, &o);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_CANCELLED);
    stage_expect(fx, id, WXTP_JOB_CANCELLED, 40, 0, 0, 60);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 2);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_ERR_STATE);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_CANCELLED);
    fixture_close_node(&o.node);
}

static void use_up_quota(void *user, const fake_request *request, fake_reply *reply)
{
    other *o = user;
    wx_err err;
    WX_AUTO_SCOPE scope = {0};
    const int64_t now = fake_clock_wall(&o->fx->clock);
    const wxtp_hold_row hold = {.platform = FIXTURE_COMPONENT,
                                .appid = STAGE_APPID,
                                .call = STAGE_CALL,
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
    stage_create_many(fx, "x", 60, id);
    other o = {.fx = fx, .id = id};
    fixture_open_node(fx, &o.node);
    fixture_patience(&fx->node, 120000);
    stage_play(fx);
    fake_http_handle(&fx->http, STAGE_PATH, "x00020", 1, use_up_quota, &o);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_QUOTA);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 2);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 40);
    fixture_close_node(&o.node);
}

static void cancel_and_find_a_bad_one(void *user, const fake_request *request, fake_reply *reply)
{
    cancel_from_outside(user, request, reply);
    reply->body = STAGE_BAD;
}

static void I7_a_cancel_ends_a_search(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_create_many(fx, "x", 20, id);
    other o = {.fx = fx, .id = id};
    fixture_open_node(fx, &o.node);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, cancel_and_find_a_bad_one, &o);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_CANCELLED);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 1);
    stage_expect(fx, id, WXTP_JOB_CANCELLED, 0, 0, 0, 20);
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
    stage_create_many(fx, "x", 100, id);
    other o = {.fx = fx, .id = id};
    fixture_open_node(fx, &o.node);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, cancel_and_refuse, &o);
    const int64_t began = fake_clock_wall(&fx->clock);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_CANCELLED);
    assert_true(fake_clock_wall(&fx->clock) - began < 2000);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 1);
    fixture_close_node(&o.node);
}

/* ---- Lost ---- */

static void take_over(void *user, const fake_request *request, fake_reply *reply)
{
    other *o = user;
    wx_err err;
    fake_clock_advance(&o->fx->clock, o->advance_ms);
    assert_int_equal(stage_run_on(&o->node, o->id, WXTP_JOB_RUN, &err), WXTP_OK);
    stage_wechat(NULL, request, reply);
}

static void I7_a_runner_that_lost_its_job_changes_nothing(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_create_many(fx, "x", 100, id);
    other o = {.fx = fx, .id = id, .advance_ms = 20000};
    fixture_open_node(fx, &o.node);
    stage_play(fx);
    fake_http_handle(&fx->http, STAGE_PATH, "x00030", 1, take_over, &o);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 100, 0, 0, 0);
    /* 1, then one in flight at the loss, then the other's 4. */
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 6);
    wxtp_job *job = stage_load(fx, id);
    assert_int_equal(job->row.calls, 6);
    wx_job_free(job);
    fixture_close_node(&o.node);
}

static void a_lease_that_ran_out_and_nobody_took_is_taken_again(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_create_many(fx, "x", 100, id);
    stage_play(fx);
    fake_http_handle(&fx->http, STAGE_PATH, "x00030", 1, stage_wechat_late, fx);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 5);
}

/* ---- Followed ---- */

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
    stage_create_many(fx, "x", 100, id);
    fixture_open_node(fx, &dead);
    be_runner(&dead, id, &lease, name);
    fixture_close_node(&dead);
    stage_play(fx);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 100, 0, 0, 0);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 5);
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
    stage_create_many(fx, "x", 100, id);
    fixture_open_node(fx, &runner);
    be_runner(&runner, id, &lease, name);
    watched w = {.runner = &runner, .lease = &lease, .id = id, .pauses = pauses};
    stage_play(fx);
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RESUME, look_on, &w, &job, &err), expected);
    assert_true(w.looks >= 3);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), calls);
    wx_job_free(job);
    stage_verify(fx->core, id);
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

/* ---- At any moment ---- */

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
    for (size_t n = 0; n < fake_http_count(&fx->http, STAGE_PATH); n++) {
        const char *first = strstr(fake_http_request(&fx->http, STAGE_PATH, n)->body, "\"ox");
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
    stage_list l = {.openids = openids, .count = 60};
    stage_create(fx, &l, false, id);
    stage_play(fx);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 57, 3, 0, 0);
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
        stage_create_many(fx, "x", 60, id);
        b.id = id;
        b.done = false;
        stage_play(fx);
        fake_http_on(&fx->http, STAGE_PATH, "x00020", 1, "{\"errcode\":-1,\"errmsg\":\"busy\"}");
        fake_http_forget_requests(&fx->http);
        fixture_patience(&fx->node, 600000);
        fixture_put_token(fx, FIXTURE_COMPONENT, STAGE_APPID, "access-again", "refresh-1");
        failing_install(fx, n);
        failing.ops.begin = failing_begin_tx;
        failing.meanwhile = what;
        failing.user = &b;
        wx_err_clear(&err);
        const wxtp_status status = stage_run_on(&fx->node, id, WXTP_JOB_RUN, &err);
        failing_remove(fx);
        atomic_store(&fx->core->stopping, false);
        stage_verify(fx->core, id);
        WX_AUTO_JOB *job = stage_load(fx, id);
        const int64_t calls = (int64_t)fake_http_count(&fx->http, STAGE_PATH);
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
    stage_create_many(fx, "x", 60, id);
    stage_play(fx);
    between b = {.fx = fx, .id = id};
    failing_install(fx, 2); /* the first is the taking's */
    failing.ops.begin = failing_begin_tx;
    failing.meanwhile = stop_late;
    failing.user = &b;
    const wxtp_status status = wx_job_run(fx->op, id, WXTP_JOB_RUN, nothing_done_yet, &looks, &job, &err);
    failing_remove(fx);
    atomic_store(&fx->core->stopping, false);
    wx_job_free(job);
    assert_int_equal(status, WXTP_ERR_INTERRUPTED);
    assert_true(looks > 1);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 0);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 0, 0, 0, 60);
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
    stage_create_many(fx, "x", 60, id);
    stage_play(fx);
    between b = {.fx = fx, .other = &beside, .id = id, .lease = &lease, .name = name};
    watched w = {.runner = &beside, .lease = &lease, .id = id, .pauses = true};
    failing_install(fx, 2); /* the first is the taking's */
    failing.ops.begin = failing_begin_tx;
    failing.meanwhile = steal;
    failing.user = &b;
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RUN, look_on, &w, &job, &err), WXTP_ERR_QUOTA);
    failing_remove(fx);
    wx_job_free(job);
    assert_true(b.done);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 0);
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
        stage_create_many(fx, "x", 60, id);
        between b = {.fx = fx, .other = &beside, .id = id};
        stage_play(fx);
        fake_http_forget_requests(&fx->http);
        fake_http_on(&fx->http, STAGE_PATH, NULL, 1, "{\"errcode\":45011,\"errmsg\":\"too often\"}");
        fixture_patience(&fx->node, 600000);
        fixture_put_token(fx, FIXTURE_COMPONENT, STAGE_APPID, "access-again", "refresh-1");
        failing_install(fx, moments[i]);
        failing.ops.begin = failing_begin_tx;
        failing.meanwhile = cancel;
        failing.user = &b;
        const wxtp_status status = stage_run_on(&fx->node, id, WXTP_JOB_RUN, &err);
        failing_remove(fx);
        assert_true(b.done);
        assert_int_equal(status, WXTP_ERR_CANCELLED);
        assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 1);
        stage_expect(fx, id, WXTP_JOB_CANCELLED, 0, 0, 0, 60);
    }
    fixture_close_node(&beside);
}

/* ---- A batch that another has done ---- */

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
    stage_create_many(fx, pattern, 60, id);
    other o = {.fx = fx, .id = id};
    fixture_open_node(fx, &o.node);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, stage_wechat_slow, fx); /* so that progress is told */
    fake_http_handle(&fx->http, STAGE_PATH, first, 1, do_one_batch, &o);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_ERR_INTERRUPTED);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    int whole = 0;
    for (size_t n = 0; n < fake_http_count(&fx->http, STAGE_PATH); n++) {
        const char *body = fake_http_request(&fx->http, STAGE_PATH, n)->body;
        whole += strstr(body, first) && strstr(body, "00019");
    }
    assert_int_equal(whole, 2); /* ours that was refused, and the other's */
    stage_expect(fx, id, WXTP_JOB_DONE, done, invalid, 0, 0);
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
    static const char *const answers[] = {STAGE_OK, "{\"errcode\":45011,\"errmsg\":\"too often\"}"};
    fixture *fx = *state;
    for (size_t i = 0; i < 2; i++) {
        char id[64];
        stage_create_many(fx, "x", 200, id);
        other o = {.fx = fx, .id = id, .calls = 1, .answer = answers[i]};
        fixture_open_node(fx, &o.node);
        fixture_patience(&fx->node, 120000);
        fake_http_forget_requests(&fx->http);
        fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, stage_wechat_slow, fx);
        fake_http_handle(&fx->http, STAGE_PATH, "x00020", 1, do_one_batch_and_die, &o);
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
        assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 11);
        stage_expect(fx, id, WXTP_JOB_DONE, 200, 0, 0, 0);
        fixture_close_node(&o.node);
    }
}

static void answer_after_the_loss(void *user, const fake_request *request, fake_reply *reply)
{
    steal(user);
    stage_wechat(NULL, request, reply);
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
    stage_create_many(fx, "x", 60, id);
    between b = {.fx = fx, .other = &beside, .id = id, .lease = &lease, .name = name};
    watched w = {.runner = &beside, .lease = &lease, .id = id, .pauses = true};
    fake_http_handle(&fx->http, STAGE_PATH, NULL, 1, answer_after_the_loss, &b);
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RUN, look_on, &w, &job, &err), WXTP_ERR_QUOTA);
    assert_true(b.done);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 1);
    assert_int_equal(job->row.succeeded, 0);
    assert_int_equal(job->row.pending, 60);
    wx_job_free(job);
    stage_verify(fx->core, id);
    fixture_close_node(&beside);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(I7_a_cancel_from_another_process_is_seen_and_what_was_in_flight_counts),
        TEST(a_probe_is_made_by_the_first_call_alone),
        TEST(I7_a_cancel_ends_a_search),
        TEST(a_cancel_ends_a_wait),
        TEST(I7_a_runner_that_lost_its_job_changes_nothing),
        TEST(a_lease_that_ran_out_and_nobody_took_is_taken_again),
        TEST(I7_a_dead_runners_claims_are_free_at_once),
        TEST(a_follower_takes_over_when_the_runner_is_gone),
        TEST(a_follower_tells_what_the_runner_came_to),
        TEST(a_search_ends_before_the_next_batch_begins),
        TEST(I12_a_stop_at_any_moment_makes_no_further_call),
        TEST(I7_a_cancel_at_any_moment_is_kept),
        TEST(a_lease_that_runs_out_at_any_moment_is_taken_again),
        TEST(a_run_that_is_stopped_before_its_first_call_shows_what_there_is),
        TEST(I7_a_job_that_is_lost_before_its_first_batch_is_followed),
        TEST(I7_a_cancel_in_a_long_wait_sends_nothing_more),
        TEST(I7_what_another_has_done_meanwhile_is_not_sent_again),
        TEST(I7_what_another_has_begun_meanwhile_is_not_sent_again),
        TEST(I7_what_another_has_done_meanwhile_is_no_end),
        TEST(I7_an_answer_after_the_loss_of_the_job_counts_as_a_call_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
