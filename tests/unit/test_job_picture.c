/* What a caller is shown of a job that runs. */
#include "job_stage.h"

#include <stdio.h>

#include "failing_store.h"

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
    stage_wechat_slow(user, request, reply);
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
    stage_create_many(fx, "x", 200, id);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, stage_wechat_slow, fx);
    fake_http_handle(&fx->http, STAGE_PATH, "x00020", 1, refuse_token, fx);
    fake_http_handle(&fx->http, STAGE_PATH, "x00100", 1, refuse_token, fx);
    fake_http_handle(&fx->http, STAGE_PATH, "x00140", 1, refuse_token, fx);
    fake_http_handle(&fx->http, "api_authorizer_token", NULL, -1, give_token, &tokens);
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RUN, look_at_picture, &p, &job, &err), WXTP_OK);
    assert_true(p.count > 5);
    assert_int_equal(job->row.token_refreshes, 3);
    assert_int_equal(job->row.calls, 13);
    wx_job_free(job);
    stage_verify(fx->core, id);
}

static bool look_at_verdicts(void *user, const wxtp_job *job)
{
    const wxtp_job_row *row = &job->row;
    ++*(int *)user;
    assert_int_equal(row->requested, row->succeeded + row->invalid + row->failed + row->pending);
    assert_int_equal(row->asked, row->requested - row->pending);
    return true;
}

static void each_picture_adds_up(void **state)
{
    static const char *const openids[] = {"ox1", "oBAD2", "ox3", "oREF4", "ox5", "oBAD6", "oREF7"};
    fixture *fx = *state;
    char id[64];
    int looks = 0;
    wx_err err;
    wxtp_job *job = NULL;
    stage_list l = {.openids = openids, .count = 7};
    stage_create(fx, &l, false, id);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, stage_wechat_slow, fx);
    assert_int_equal(wx_job_run(fx->op, id, WXTP_JOB_RUN, look_at_verdicts, &looks, &job, &err), WXTP_OK);
    assert_true(looks > 5);
    wx_job_free(job);
    stage_expect(fx, id, WXTP_JOB_PARTIAL, 3, 2, 2, 0);
}

static wxtp_status slow_commit(wxtp_tx *tx)
{
    fake_clock_advance(failing.user, 250);
    return failing.real->commit(tx);
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
    stage_create_many(fx, "x", 60, id);
    stage_play(fx);
    failing_install(fx, 0);
    failing.ops.commit = slow_commit;
    failing.user = &fx->clock;
    const wxtp_status status =
        wx_job_run(fx->op, id, WXTP_JOB_RUN, is_over_with_nothing_pending, &over, &job, &err);
    failing_remove(fx);
    wx_job_free(job);
    assert_int_equal(status, WXTP_OK);
    assert_int_equal(over, 2); /* while its last worker ends, and behind it */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refreshes_and_time_are_counted_as_they_pass),
        TEST(each_picture_adds_up),
        TEST(the_last_picture_of_a_run_says_that_it_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
