/* Submissions and their completions, through the public API. */
#include "unit.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "world.h"

#define APPID "wxa0000000000000e1"
#define PATH "/cgi-bin/tags/members/batchunblacklist"
#define BODY "{\"openid_list\":[\"o1\",\"o2\"]}"

enum { MANY = 1000, THREADS = 16 };

/* An own account and WeChat's answers for it. */
static void furnish(world *w, wxtp_platform *platform)
{
    assert_int_equal(wxtp_tenant_add_own(platform, APPID, "0123456789abcdef0123456789abcdef",
                                         WXTP_ACCOUNT_SERVICE, 1, NULL),
                     WXTP_OK);
    fake_http_on(&w->http, "/cgi-bin/stable_token", NULL, -1,
                 "{\"access_token\":\"own-token-0123456789\",\"expires_in\":7200}");
    fake_http_on(&w->http, PATH, NULL, -1, "{\"errcode\":0,\"errmsg\":\"ok\"}");
}

static void open_with(world *w, const char *own_threads, const char *name, const char *value)
{
    wxtp_config *config = world_config(w);
    assert_int_equal(wxtp_config_set_store(config, world_store(w, w->database)), WXTP_OK);
    assert_int_equal(wxtp_config_set(config, "master_key_file", w->key, NULL), WXTP_OK);
    assert_int_equal(wxtp_config_set(config, "own_threads", own_threads, NULL), WXTP_OK);
    if (name) {
        assert_int_equal(wxtp_config_set(config, name, value, NULL), WXTP_OK);
    }
    assert_int_equal(wxtp_platform_open(config, &w->platform, NULL), WXTP_OK);
    wxtp_config_free(config);
    furnish(w, w->platform);
}

static uint64_t submit(world *w, void *user, wxtp_completion_callback *callback, int64_t deadline_ms)
{
    const wxtp_submit_options options = {
        .struct_size = sizeof(options), .user = user, .callback = callback, .deadline_ms = deadline_ms};
    uint64_t id = 0;
    assert_int_equal(
        wxtp_submit(w->platform, APPID, "batchUnblacklist", BODY, strlen(BODY), &options, &id, NULL),
        WXTP_OK);
    assert_true(id > 0);
    return id;
}

/* The next one that is of a submission. */
static wxtp_completion *next_of_work(world *w)
{
    for (;;) {
        wxtp_completion *taken = wxtp_completion_take(w->platform, 60000);
        assert_non_null(taken);
        if (wxtp_completion_kind_of(taken) != WXTP_COMPLETION_EVENT) {
            return taken;
        }
        wxtp_completion_free(taken);
    }
}

static bool readable(int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    return poll(&waiting, 1, 0) == 1;
}

static void a_call_completes_later_and_once(void **state)
{
    world *w = *state;
    open_with(w, "false", NULL, NULL);
    const int fd = wxtp_completion_fd(w->platform);
    int mine = 0;
    const uint64_t id = submit(w, &mine, NULL, 0);
    assert_false(readable(fd));
    assert_null(wxtp_completion_take(w->platform, 0));
    while (!readable(fd)) {
        assert_int_equal(wxtp_platform_run_once(w->platform, 10), WXTP_OK);
    }
    wxtp_completion *taken = wxtp_completion_take(w->platform, 0);
    assert_non_null(taken);
    assert_int_equal(wxtp_completion_kind_of(taken), WXTP_COMPLETION_CALL);
    assert_int_equal(wxtp_completion_id(taken), id);
    assert_ptr_equal(wxtp_completion_user(taken), &mine);
    assert_int_equal(wxtp_completion_status(taken), WXTP_OK);
    assert_null(wxtp_completion_error(taken));
    assert_string_equal(wxtp_completion_answer(taken), "{\"errcode\":0,\"errmsg\":\"ok\"}");
    assert_string_equal(wxtp_completion_tenant(taken), APPID);
    wxtp_completion_free(taken);
    assert_false(readable(fd));
    assert_null(wxtp_completion_take(w->platform, 0));
    assert_int_equal(wxtp_cancel(w->platform, id), WXTP_ERR_NOT_FOUND);
    assert_int_equal(fake_http_count(&w->http, PATH), 1);
}

static void what_cannot_be_a_call_is_not_accepted(void **state)
{
    world *w = *state;
    open_with(w, "false", NULL, NULL);
    wxtp_error *error = NULL;
    assert_int_equal(wxtp_submit(w->platform, APPID, "noSuchCall", BODY, strlen(BODY), NULL, NULL, &error),
                     WXTP_ERR_NOT_FOUND);
    wxtp_error_free(error);
    assert_int_equal(wxtp_submit(w->platform, APPID, "batchUnblacklist", "{}", 2, NULL, NULL, NULL),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_submit(NULL, APPID, "batchUnblacklist", BODY, strlen(BODY), NULL, NULL, NULL),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_job_submit(w->platform, "", WXTP_JOB_RUN, NULL, NULL, NULL), WXTP_ERR_NOT_FOUND);
    assert_int_equal(wxtp_unblacklist_submit(w->platform, NULL, NULL, 0, NULL, NULL, NULL), WXTP_ERR_INVALID);
    assert_null(wxtp_completion_take(w->platform, 10));
}

static void count_one(void *user, const wxtp_completion *completion)
{
    assert_int_equal(wxtp_completion_status(completion), WXTP_OK);
    ++*(int *)user;
}

static void callbacks_run_with_those_who_run_completions(void **state)
{
    world *w = *state;
    open_with(w, "false", NULL, NULL);
    int called = 0;
    for (int at = 0; at < 5; at++) {
        submit(w, &called, count_one, 0);
    }
    size_t count = 0;
    while (count < 5) {
        assert_int_equal(called, count);
        count += wxtp_completions_run(w->platform, 1000);
    }
    assert_int_equal(called, 5);
}

static void a_full_queue_is_a_status_and_no_wait(void **state)
{
    world *w = *state;
    open_with(w, "false", "submissions_max", "3");
    for (int at = 0; at < 3; at++) {
        submit(w, NULL, NULL, 0);
    }
    wxtp_error *error = NULL;
    assert_int_equal(
        wxtp_submit(w->platform, APPID, "batchUnblacklist", BODY, strlen(BODY), NULL, NULL, &error),
        WXTP_ERR_FULL);
    assert_non_null(strstr(wxtp_error_message(error), "3 submissions"));
    wxtp_error_free(error);
    wxtp_completion_free(next_of_work(w));
    submit(w, NULL, NULL, 0);
    for (int at = 0; at < 3; at++) {
        wxtp_completion_free(next_of_work(w));
    }
}

/* ---- Cancelled, or too late ---- */

static void a_submission_that_waits_can_be_cancelled(void **state)
{
    world *w = *state;
    open_with(w, "false", NULL, NULL);
    fake_http_on(&w->http, PATH, NULL, -1, "{\"errcode\":-1,\"errmsg\":\"system busy\"}");
    const uint64_t id = submit(w, NULL, NULL, 0);
    while (fake_http_count(&w->http, PATH) == 0) {
        assert_int_equal(wxtp_platform_run_once(w->platform, 1), WXTP_OK);
    }
    assert_int_equal(wxtp_cancel(w->platform, id), WXTP_OK);
    wxtp_completion *taken = next_of_work(w);
    assert_int_equal(wxtp_completion_id(taken), id);
    assert_int_equal(wxtp_completion_status(taken), WXTP_ERR_CANCELLED);
    assert_non_null(wxtp_completion_error(taken));
    wxtp_completion_free(taken);
    assert_int_equal(fake_http_count(&w->http, PATH), 1);
}

static void no_call_begins_after_the_deadline(void **state)
{
    world *w = *state;
    open_with(w, "false", NULL, NULL);
    submit(w, NULL, NULL, 1000);
    fake_clock_advance(&w->clock, 1000);
    wxtp_completion *taken = next_of_work(w);
    assert_int_equal(wxtp_completion_status(taken), WXTP_ERR_DEADLINE);
    assert_int_equal(wxtp_error_advice(wxtp_completion_error(taken)), WXTP_ADVICE_NONE);
    assert_non_null(strstr(wxtp_error_message(wxtp_completion_error(taken)), "deadline"));
    wxtp_completion_free(taken);
    assert_int_equal(fake_http_count(&w->http, PATH), 0);
}

/* The end of a time that has run out lies in the past, and the largest number is as good as none. */
static void a_deadline_may_have_passed_or_be_far_away(void **state)
{
    static const int64_t past[] = {-1, -3600000, INT64_MIN};
    static const int64_t far[] = {INT64_MAX, INT64_MAX - 1};
    static const char *const openids[] = {"o1"};
    world *w = *state;
    open_with(w, "false", NULL, NULL);
    for (size_t at = 0; at < sizeof(past) / sizeof(past[0]); at++) {
        submit(w, NULL, NULL, past[at]);
        wxtp_completion *taken = next_of_work(w);
        assert_int_equal(wxtp_completion_status(taken), WXTP_ERR_DEADLINE);
        wxtp_completion_free(taken);
    }
    const wxtp_submit_options over = {.struct_size = sizeof(over), .deadline_ms = -1};
    assert_int_equal(wxtp_token_submit(w->platform, APPID, 0, &over, NULL, NULL), WXTP_OK);
    wxtp_completion *token = next_of_work(w);
    assert_int_equal(wxtp_completion_status(token), WXTP_ERR_DEADLINE);
    wxtp_completion_free(token);
    assert_int_equal(wxtp_unblacklist_submit(w->platform, APPID, openids, 1, &over, NULL, NULL), WXTP_OK);
    wxtp_completion *list = next_of_work(w);
    assert_int_equal(wxtp_completion_status(list), WXTP_ERR_INTERRUPTED);
    assert_int_equal(wxtp_job_pending(wxtp_completion_job(list)), 1);
    wxtp_completion_free(list);
    assert_int_equal(fake_http_count(&w->http, NULL), 0);
    for (size_t at = 0; at < sizeof(far) / sizeof(far[0]); at++) {
        submit(w, NULL, NULL, far[at]);
        wxtp_completion *taken = next_of_work(w);
        assert_int_equal(wxtp_completion_status(taken), WXTP_OK);
        wxtp_completion_free(taken);
    }
}

/* ---- Jobs and tokens ---- */

static void a_list_becomes_a_job_and_is_run(void **state)
{
    static const char *const openids[] = {"o1", "o2", "o2", "not an openid"};
    world *w = *state;
    open_with(w, "false", NULL, NULL);
    assert_int_equal(wxtp_unblacklist_submit(w->platform, APPID, openids, 4, NULL, NULL, NULL), WXTP_OK);
    wxtp_completion *taken = next_of_work(w);
    assert_int_equal(wxtp_completion_kind_of(taken), WXTP_COMPLETION_JOB);
    assert_int_equal(wxtp_completion_status(taken), WXTP_OK);
    const wxtp_job *job = wxtp_completion_job(taken);
    assert_non_null(job);
    assert_int_equal(wxtp_job_state_of(job), WXTP_JOB_DONE);
    assert_int_equal(wxtp_job_requested(job), 3);
    assert_int_equal(wxtp_job_succeeded(job), 2);
    assert_int_equal(wxtp_job_duplicates(job), 1);
    assert_int_equal(wxtp_job_submit(w->platform, wxtp_job_id(job), WXTP_JOB_RESUME, NULL, NULL, NULL),
                     WXTP_OK);
    wxtp_completion_free(taken);
    taken = next_of_work(w);
    assert_int_equal(wxtp_completion_status(taken), WXTP_OK);
    assert_string_equal(wxtp_completion_tenant(taken), APPID);
    assert_int_equal(wxtp_job_state_of(wxtp_completion_job(taken)), WXTP_JOB_DONE);
    wxtp_completion_free(taken);
}

static void a_paused_job_is_an_event_too(void **state)
{
    static const char *const openids[] = {"o1"};
    world *w = *state;
    open_with(w, "false", NULL, NULL);
    (void)wxtp_completion_fd(w->platform); /* from now on events are wanted */
    fake_http_on(&w->http, PATH, NULL, -1,
                 "{\"errcode\":45009,\"errmsg\":\"reach max api daily quota limit\"}");
    assert_int_equal(wxtp_unblacklist_submit(w->platform, APPID, openids, 1, NULL, NULL, NULL), WXTP_OK);
    wxtp_completion *event = wxtp_completion_take(w->platform, 60000);
    assert_int_equal(wxtp_completion_kind_of(event), WXTP_COMPLETION_EVENT);
    assert_string_equal(wxtp_completion_event(event), "job_paused");
    assert_string_equal(wxtp_completion_tenant(event), APPID);
    assert_non_null(strstr(wxtp_completion_text(event), "batchUnblacklist"));
    assert_int_equal(wxtp_completion_id(event), 0);
    wxtp_completion_free(event);
    wxtp_completion *taken = next_of_work(w);
    assert_int_equal(wxtp_completion_status(taken), WXTP_ERR_QUOTA);
    assert_int_equal(wxtp_job_state_of(wxtp_completion_job(taken)), WXTP_JOB_PAUSED);
    wxtp_completion_free(taken);
}

/* Ten at two a second: the last begins four and a half seconds after the first. */
static void renewals_begin_at_the_set_rate(void **state)
{
    world *w = *state;
    open_with(w, "false", "renewal_rate", "2");
    const int64_t began = fake_clock_wall(&w->clock);
    for (int at = 0; at < 10; at++) {
        assert_int_equal(wxtp_token_submit(w->platform, APPID, 0, NULL, NULL, NULL), WXTP_OK);
    }
    for (int at = 0; at < 10; at++) {
        wxtp_completion *taken = next_of_work(w);
        assert_int_equal(wxtp_completion_kind_of(taken), WXTP_COMPLETION_TOKEN);
        assert_int_equal(wxtp_completion_status(taken), WXTP_OK);
        assert_int_equal(wxtp_completion_token(taken)->version, 1);
        wxtp_completion_free(taken);
    }
    const int64_t took = fake_clock_wall(&w->clock) - began;
    assert_in_range(took, 4500, 5500);
    assert_int_equal(fake_http_count(&w->http, "/cgi-bin/stable_token"), 1);
}

/* ---- Many, from many threads ---- */

static void *submit_many(void *user)
{
    world *w = user;
    for (int at = 0; at < MANY / THREADS; at++) {
        submit(w, NULL, NULL, 0);
    }
    return NULL;
}

static void I11_a_thousand_from_sixteen_threads_complete_once(void **state)
{
    world *w = *state;
    pthread_t threads[THREADS];
    bool seen[MANY + 1] = {false};
    const int wanted = MANY / THREADS * THREADS;
    open_with(w, "true", NULL, NULL);
    for (int at = 0; at < THREADS; at++) {
        assert_int_equal(pthread_create(&threads[at], NULL, submit_many, w), 0);
    }
    for (int at = 0; at < wanted; at++) {
        wxtp_completion *taken = next_of_work(w);
        const uint64_t id = wxtp_completion_id(taken);
        assert_in_range(id, 1, wanted);
        assert_false(seen[id]);
        seen[id] = true;
        assert_int_equal(wxtp_completion_status(taken), WXTP_OK);
        wxtp_completion_free(taken);
    }
    for (int at = 0; at < THREADS; at++) {
        assert_int_equal(pthread_join(threads[at], NULL), 0);
    }
    assert_null(wxtp_completion_take(w->platform, 0));
    assert_int_equal(fake_http_count(&w->http, PATH), wanted);
}

static int entries_of(const char *path)
{
    int count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder)) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

static void a_close_in_the_midst_of_work_leaves_nothing(void **state)
{
    world *w = *state;
    const int threads = entries_of("/proc/self/task");
    const int descriptors = entries_of("/proc/self/fd");
    open_with(w, "true", NULL, NULL);
    for (int at = 0; at < 200; at++) {
        submit(w, NULL, NULL, 0);
    }
    wxtp_completion *kept = next_of_work(w);
    assert_int_equal(wxtp_platform_close(w->platform, 60000), WXTP_OK);
    w->platform = NULL;
    assert_int_equal(wxtp_completion_kind_of(kept), WXTP_COMPLETION_CALL); /* outlives the platform */
    wxtp_completion_free(kept);
    assert_int_equal(entries_of("/proc/self/task"), threads);
    assert_int_equal(entries_of("/proc/self/fd"), descriptors);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_completes_later_and_once),
        TEST(what_cannot_be_a_call_is_not_accepted),
        TEST(callbacks_run_with_those_who_run_completions),
        TEST(a_full_queue_is_a_status_and_no_wait),
        TEST(a_submission_that_waits_can_be_cancelled),
        TEST(no_call_begins_after_the_deadline),
        TEST(a_deadline_may_have_passed_or_be_far_away),
        TEST(a_list_becomes_a_job_and_is_run),
        TEST(a_paused_job_is_an_event_too),
        TEST(renewals_begin_at_the_set_rate),
        TEST(I11_a_thousand_from_sixteen_threads_complete_once),
        TEST(a_close_in_the_midst_of_work_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
