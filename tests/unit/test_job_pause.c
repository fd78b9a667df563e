/* What pauses a job, and what it takes to go on. */
#include "job_stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

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
        stage_create_many(fx, "x", 50, id);
        stage_play(fx);
        fake_http_on(&fx->http, "api_authorizer_token", NULL, -1,
                     "{\"authorizer_access_token\":\"access-new\",\"expires_in\":7200}");
        if (rows[i].answer)
            fake_http_on(&fx->http, STAGE_PATH, "x00030", -1, rows[i].answer);
        else
            fake_http_fail(&fx->http, STAGE_PATH, "x00030", -1, WXTP_HTTP_UNKNOWN, 0);
        fixture_patience(&fx->node, rows[i].patience);
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), rows[i].status);
        stage_expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 30);
        wxtp_job *job = stage_load(fx, id);
        wx_err why;
        assert_int_equal(job->row.paused_by, rows[i].by);
        assert_int_equal(wx_job_pause_err(&job->row, &why), rows[i].status);
        assert_non_null(strstr(why.hint, "job resume j"));
        assert_string_equal(why.tenant, STAGE_APPID);
        wx_job_free(job);
        stage_play(fx);
        fixture_patience(&fx->node, 60000);
        fixture_put_token(fx, FIXTURE_COMPONENT, STAGE_APPID, "access-again", "refresh-1");
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
        stage_expect(fx, id, WXTP_JOB_DONE, 50, 0, 0, 0);
    }
}

static void I6_the_gate_pauses_a_job_in_the_middle(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_create_many(fx, "x", 50, id);
    stage_play(fx);
    fake_http_on(&fx->http, STAGE_PATH, "x00030", 1, "{\"errcode\":48001,\"errmsg\":\"api unauthorized\"}");
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_REFUSED);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 30);
    wxtp_job *job = stage_load(fx, id);
    assert_int_equal(job->row.paused_by, WXTP_PAUSED_BY_GATE);
    assert_string_equal(job->row.error_kind, "refused_by_wechat");
    assert_int_equal(job->row.error_errcode, 48001);
    wx_job_free(job);
    fake_clock_advance(&fx->clock, 11 * 60000);
    fixture_put_token(fx, FIXTURE_COMPONENT, STAGE_APPID, "access-2", "refresh-2");
    fixture_patience(&fx->node, 60000);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 50, 0, 0, 0);
}

static void a_quota_that_is_remembered_gets_one_probe(void **state)
{
    fixture *fx = *state;
    char id[64];
    fixture_concurrency(fx->core, 4);
    stage_create_many(fx, "x", 200, id);
    fake_http_on(&fx->http, STAGE_PATH, NULL, -1, "{\"errcode\":45009,\"errmsg\":\"quota\"}");
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_QUOTA);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 1);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_ERR_QUOTA);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 2);
    stage_play(fx);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 200, 0, 0, 0);
}

static void a_suspect_list_waits_for_a_decision(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_play(fx);
    stage_create_many(fx, "BAD", 300, id);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_SUSPECT_LIST);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 0, 200, 0, 100);
    const size_t calls = fake_http_count(&fx->http, STAGE_PATH);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_SUSPECT_LIST);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), calls);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 0, 300, 0, 0);
    stage_list l = {.pattern = "BAD", .count = 300};
    stage_create(fx, &l, true, id);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 0, 300, 0, 0);
}

static void two_hundred_bad_ones_and_no_more_are_done(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_play(fx);
    stage_create_many(fx, "BAD", 200, id);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 0, 200, 0, 0);
    stage_create_many(fx, "BAD", 201, id); /* one more, and there is something to decide */
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_SUSPECT_LIST);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 0, 200, 0, 1);
}

static void ten_batches_of_an_unknown_errcode_wait_for_a_decision(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    stage_create_many(fx, "x", 300, id);
    fake_http_on(&fx->http, STAGE_PATH, NULL, -1, "{\"errcode\":987654,\"errmsg\":\"news\"}");
    assert_int_equal(stage_run_on(&fx->node, id, WXTP_JOB_RUN, &err), WXTP_ERR_WECHAT);
    assert_int_equal(err.advice, WXTP_ADVICE_DECIDE);
    assert_int_equal(err.errcode, 987654);
    assert_non_null(strstr(err.hint, "10 batches in a row"));
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 10);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 0, 0, 200, 100);
    stage_verify(fx->core, id);
    stage_play(fx);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_PARTIAL, 100, 0, 200, 0);
    assert_int_equal(stage_run_on(&fx->node, id, WXTP_JOB_RETRY_FAILED, &err), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 300, 0, 0, 0);
    assert_int_equal(stage_run_on(&fx->node, id, WXTP_JOB_RETRY_FAILED, &err), WXTP_OK);
}

static void a_known_answer_ends_a_streak_of_unknown_ones(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_play(fx);
    stage_create_many(fx, "x", 300, id);
    fake_http_on(&fx->http, STAGE_PATH, NULL, 9, "{\"errcode\":987654,\"errmsg\":\"news\"}");
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_PARTIAL, 120, 0, 180, 0);
}

static bool not_any_more(void *user, const wxtp_job *job)
{
    (void)job;
    return --*(int *)user > 0;
}

static void progress_may_stop_a_job(void **state)
{
    fixture *fx = *state;
    char id[64];
    int more = 2;
    wx_err err;
    wxtp_job *job = NULL;
    stage_create_many(fx, "x", 100, id);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, stage_wechat_slow, fx);
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RUN, not_any_more, &more, &job, &err),
                     WXTP_ERR_INTERRUPTED);
    assert_int_equal(job->row.state, WXTP_JOB_PAUSED);
    assert_int_equal(job->row.paused_by, WXTP_PAUSED_BY_INTERRUPTED);
    assert_int_equal(job->row.succeeded, 40);
    assert_int_equal(job->row.elapsed_ms, 500);
    wx_job_free(job);
    stage_verify(fx->core, id);
}

static void stop_now(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    (void)request;
    atomic_store(&fx->core->stopping, true);
    reply->body = STAGE_OK;
}

static void a_stop_finishes_what_is_in_flight(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_create_many(fx, "x", 100, id);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, 1, stop_now, fx);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_INTERRUPTED);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 80);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 1);
    atomic_store(&fx->core->stopping, false);
    stage_play(fx);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 5);
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
    stage_create_many(fx, "x", 60, id);
    stage_play(fx);
    fake_http_on(&fx->http, STAGE_PATH, "x00000", 1, "{\"errcode\":40001,\"errmsg\":\"token\"}");
    fake_http_on(&fx->http, STAGE_PATH, "x00020", 1, "{\"errcode\":40001,\"errmsg\":\"token\"}");
    fake_http_handle(&fx->http, "api_authorizer_token", NULL, -1, give_token_and_stop, fx);
    fake_http_on(&fx->http, "api_authorizer_token", NULL, 1,
                 "{\"authorizer_access_token\":\"access-new\",\"expires_in\":7200}");
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_INTERRUPTED);
    atomic_store(&fx->core->stopping, false);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 40);
    WX_AUTO_JOB *job = stage_load(fx, id);
    assert_int_equal(job->row.calls, 3);
    assert_int_equal(job->row.token_refreshes, 2);
    assert_int_equal(atomic_load(&fx->op->refreshes) - before, 2);
}

/* What is found out after the refusal belongs to its reason. */
static void a_pause_says_which_address_wechat_saw(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_create_many(fx, "x", 60, id);
    fake_http_on(&fx->http, STAGE_PATH, NULL, -1, "{\"errcode\":40164,\"errmsg\":\"invalid ip 192.0.2.7\"}");
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_CONFIGURATION);
    WX_AUTO_JOB *job = stage_load(fx, id);
    assert_non_null(strstr(job->row.error_hint, "192.0.2.7"));
}

/* No call is begun behind it. */
static void a_used_up_quota_ends_all_workers_at_once(void **state)
{
    fixture *fx = *state;
    char id[64];
    fixture_concurrency(fx->core, 4);
    stage_create_many(fx, "x", 400, id);
    stage_play(fx);
    fake_http_on(&fx->http, STAGE_PATH, "x00040", -1, "{\"errcode\":45009,\"errmsg\":\"quota\"}");
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_QUOTA);
    assert_true(fake_http_count(&fx->http, STAGE_PATH) <= 3 + 3); /* with those that were in flight */
}

/* Who is in a wait when another ends the run tells that it was ended: that is no reason. */
static void the_first_reason_to_end_stands(void **state)
{
    fixture *fx = *state;
    char id[64];
    fixture_concurrency(fx->core, 2);
    fixture_patience(&fx->node, 120000);
    stage_create_many(fx, "x", 100, id);
    stage_play(fx);
    fake_http_on(&fx->http, STAGE_PATH, "x00020", -1, "{\"errcode\":45011,\"errmsg\":\"too often\"}");
    fake_http_on(&fx->http, STAGE_PATH, "x00040", -1, "{\"errcode\":45009,\"errmsg\":\"quota\"}");
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_QUOTA);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 80);
    WX_AUTO_JOB *job = stage_load(fx, id);
    assert_int_equal(job->row.paused_by, WXTP_PAUSED_BY_QUOTA);
    assert_int_equal(job->row.calls, 3);
}

/* Our own faults are no streak of unknown ones, but a list of which nobody was found is suspect. */
static void our_own_faults_make_a_list_suspect(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    stage_create_many(fx, "x", 240, id);
    fake_http_on(&fx->http, STAGE_PATH, NULL, -1, "{\"errcode\":47001,\"errmsg\":\"data format\"}");
    assert_int_equal(stage_run_on(&fx->node, id, WXTP_JOB_RUN, &err), WXTP_ERR_SUSPECT_LIST);
    assert_non_null(strstr(err.message, "first 200 openids"));
    assert_non_null(strstr(err.hint, STAGE_APPID));
    stage_expect(fx, id, WXTP_JOB_PAUSED, 0, 0, 200, 40);
    stage_verify(fx->core, id);
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
    stage_list l = {.openids = openids, .count = 300};
    stage_create(fx, &l, false, id);
    stage_play(fx);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 1, 299, 0, 0);
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
    fixture_concurrency(fx->core, 16);
    for (size_t i = 0; i < 2; i++) {
        char id[64];
        fake_http_forget_rules(&fx->http);
        fake_http_forget_requests(&fx->http);
        fake_http_on(&fx->http, STAGE_PATH, NULL, -1, cases[i].answer);
        stage_create_many(fx, "x", 600, id);
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), cases[i].status);
        stage_expect(fx, id, WXTP_JOB_PAUSED, 0, 0, cases[i].decided, 600 - cases[i].decided);
        WX_AUTO_JOB *job = stage_load(fx, id);
        assert_true(job->row.calls > 10 && job->row.calls <= 17); /* those in flight were made, and count */
        assert_int_equal(job->row.calls, fake_http_count(&fx->http, STAGE_PATH));
        stage_play(fx);
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
        stage_expect(fx, id, WXTP_JOB_PARTIAL, 600 - cases[i].decided, 0, cases[i].decided, 0);
    }
}

/* Also of a list that is not suspect, as some were found. */
static void I7_unknown_answers_in_flight_wait_for_the_decision(void **state)
{
    fixture *fx = *state;
    char id[64];
    fixture_concurrency(fx->core, 8);
    stage_create_many(fx, "x", 600, id);
    fake_http_on(&fx->http, STAGE_PATH, NULL, -1, "{\"errcode\":987654,\"errmsg\":\"news\"}");
    fake_http_on(&fx->http, STAGE_PATH, "x00000", 1, STAGE_OK);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_WECHAT);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 200, 380);
}

static void a_run_that_is_stopped_before_it_begins_calls_nothing(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    stage_create_many(fx, "x", 60, id);
    stage_play(fx);
    atomic_store(&fx->core->stopping, true);
    assert_int_equal(stage_run_on(&fx->node, id, WXTP_JOB_RUN, &err), WXTP_ERR_INTERRUPTED);
    atomic_store(&fx->core->stopping, false);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 0, 0, 0, 60);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(I7_what_is_not_about_openids_pauses_and_fails_none),
        TEST(I6_the_gate_pauses_a_job_in_the_middle),
        TEST(a_quota_that_is_remembered_gets_one_probe),
        TEST(a_suspect_list_waits_for_a_decision),
        TEST(two_hundred_bad_ones_and_no_more_are_done),
        TEST(ten_batches_of_an_unknown_errcode_wait_for_a_decision),
        TEST(a_known_answer_ends_a_streak_of_unknown_ones),
        TEST(progress_may_stop_a_job),
        TEST(a_stop_finishes_what_is_in_flight),
        TEST(I12_a_refresh_before_a_stop_is_counted),
        TEST(a_pause_says_which_address_wechat_saw),
        TEST(a_used_up_quota_ends_all_workers_at_once),
        TEST(the_first_reason_to_end_stands),
        TEST(our_own_faults_make_a_list_suspect),
        TEST(one_success_makes_a_list_unsuspected),
        TEST(I7_what_is_refused_in_doubt_waits_for_the_decision),
        TEST(I7_unknown_answers_in_flight_wait_for_the_decision),
        TEST(a_run_that_is_stopped_before_it_begins_calls_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
