/* Stopping and closing while something is under way, and what is left to take then. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/handle.h"
#include "world.h"

#define APPID "wxa0000000000000e1"
#define PATH "/cgi-bin/tags/members/batchunblacklist"
#define BODY "{\"openid_list\":[\"o1\"]}"

enum { LONG_MS = 60000, SOON_MS = 10000 };

static void furnish(world *w)
{
    assert_int_equal(wxtp_tenant_add_own(w->platform, APPID, "0123456789abcdef0123456789abcdef",
                                         WXTP_ACCOUNT_SERVICE, 1, NULL),
                     WXTP_OK);
    fake_http_on(&w->http, "/cgi-bin/stable_token", NULL, -1,
                 "{\"access_token\":\"own-token-0123456789\",\"expires_in\":7200}");
    fake_http_on(&w->http, PATH, NULL, -1, "{\"errcode\":0,\"errmsg\":\"ok\"}");
}

static void open_faked(world *w, const char *own_threads)
{
    wxtp_config *config = world_config(w);
    assert_int_equal(wxtp_config_set_store(config, world_store(w, w->database)), WXTP_OK);
    assert_int_equal(wxtp_config_set(config, "master_key_file", w->key, NULL), WXTP_OK);
    assert_int_equal(wxtp_config_set(config, "own_threads", own_threads, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_open(config, &w->platform, NULL), WXTP_OK);
    wxtp_config_free(config);
    furnish(w);
}

/* With the library's own clock and network, so that waits take their time. */
static void open_real(world *w, const char *own_threads)
{
    wxtp_config *config = NULL;
    wxtp_store *store = NULL;
    const wxtp_sqlite_options options = {
        .struct_size = sizeof(options), .path = w->database, .create = true, .migrate = true};
    assert_int_equal(wxtp_sqlite_open(&options, &store, NULL, NULL, 0), WXTP_OK);
    assert_int_equal(wxtp_config_new(NULL, &config), WXTP_OK);
    assert_int_equal(wxtp_config_set_store(config, store), WXTP_OK);
    assert_int_equal(wxtp_config_set(config, "master_key_file", w->key, NULL), WXTP_OK);
    assert_int_equal(wxtp_config_set(config, "own_threads", own_threads, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_open(config, &w->platform, NULL), WXTP_OK);
    wxtp_config_free(config);
}

static uint64_t submit(world *w, wxtp_completion_callback *callback, void *user)
{
    const wxtp_submit_options options = {.struct_size = sizeof(options), .user = user, .callback = callback};
    uint64_t id = 0;
    assert_int_equal(
        wxtp_submit(w->platform, APPID, "batchUnblacklist", BODY, strlen(BODY), &options, &id, NULL),
        WXTP_OK);
    return id;
}

static void count_one(void *user, const wxtp_completion *completion)
{
    (void)completion;
    ++*(int *)user;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int inside(wxtp_platform *platform)
{
    (void)pthread_mutex_lock(&platform->lock);
    const int count = platform->inside;
    (void)pthread_mutex_unlock(&platform->lock);
    return count;
}

/* ---- Without threads ---- */

static void submit_one_of_each(world *w)
{
    static const char *const openids[] = {"o1", "o2"};
    (void)submit(w, NULL, NULL);
    assert_int_equal(wxtp_unblacklist_submit(w->platform, APPID, openids, 2, NULL, NULL, NULL), WXTP_OK);
    assert_int_equal(wxtp_token_submit(w->platform, APPID, 1, NULL, NULL, NULL), WXTP_OK);
}

static void a_close_drives_to_its_end_what_is_under_way(void **state)
{
    world *w = *state;
    for (int turns = 0; turns < 12; turns++) {
        open_faked(w, "false");
        submit_one_of_each(w);
        for (int turn = 0; turn < turns; turn++) {
            assert_int_equal(wxtp_platform_run_once(w->platform, 0), WXTP_OK);
        }
        if (turns % 2 == 1) {
            wxtp_platform_stop(w->platform);
        }
        assert_int_equal(wxtp_platform_close(w->platform, SOON_MS), WXTP_OK);
        w->platform = NULL;
    }
}

static void a_close_drives_on_what_waits_for_a_busy_WeChat(void **state)
{
    world *w = *state;
    open_faked(w, "false");
    fake_http_on(&w->http, PATH, NULL, -1, "{\"errcode\":-1,\"errmsg\":\"system busy\"}");
    const uint64_t id = submit(w, NULL, NULL);
    (void)submit(w, NULL, NULL);
    while (fake_http_count(&w->http, PATH) == 0) {
        assert_int_equal(wxtp_platform_run_once(w->platform, 0), WXTP_OK);
    }
    assert_int_equal(wxtp_cancel(w->platform, id), WXTP_OK);
    assert_int_equal(wxtp_platform_close(w->platform, SOON_MS), WXTP_OK);
    w->platform = NULL;
    assert_in_range(fake_http_count(&w->http, PATH), 1, 2);
}

static void closing_again_and_again_without_a_time_comes_to_an_end(void **state)
{
    world *w = *state;
    open_faked(w, "false");
    submit_one_of_each(w);
    int tries = 1;
    while (wxtp_platform_close(w->platform, 0) != WXTP_OK) {
        tries++;
        assert_in_range(tries, 2, 1000);
    }
    w->platform = NULL;
    assert_in_range(tries, 2, 1000);
}

/* ---- After a close at its deadline ---- */

/* A call of another thread that is held up at WeChat. */
typedef struct held_up {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool there, let_go;
    wxtp_platform *platform;
    pthread_t thread;
} held_up;

#define HELD_UP                                                                                              \
    {                                                                                                        \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                               \
    }

static void answer_when_let_go(void *user, const fake_request *request, fake_reply *reply)
{
    held_up *h = user;
    (void)request;
    reply->status = 200;
    reply->outcome = WXTP_HTTP_ANSWERED;
    reply->body = "{\"errcode\":0,\"errmsg\":\"ok\"}";
    (void)pthread_mutex_lock(&h->lock);
    h->there = true;
    (void)pthread_cond_broadcast(&h->changed);
    while (!h->let_go) {
        (void)pthread_cond_wait(&h->changed, &h->lock);
    }
    (void)pthread_mutex_unlock(&h->lock);
}

static void *call(void *user)
{
    held_up *h = user;
    (void)wxtp_call(h->platform, APPID, "batchUnblacklist", BODY, strlen(BODY), NULL, NULL);
    return NULL;
}

static void hold_up(world *w, held_up *h)
{
    h->platform = w->platform;
    fake_http_handle(&w->http, PATH, NULL, 1, answer_when_let_go, h);
    assert_int_equal(pthread_create(&h->thread, NULL, call, h), 0);
    (void)pthread_mutex_lock(&h->lock);
    while (!h->there) {
        (void)pthread_cond_wait(&h->changed, &h->lock);
    }
    (void)pthread_mutex_unlock(&h->lock);
}

static void let_go(held_up *h)
{
    (void)pthread_mutex_lock(&h->lock);
    h->let_go = true;
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
    assert_int_equal(pthread_join(h->thread, NULL), 0);
}

static void what_completes_is_taken_after_it(world *w, const char *own_threads)
{
    held_up h = HELD_UP;
    int called = 0;
    open_faked(w, own_threads);
    const int fd = wxtp_completion_fd(w->platform);
    hold_up(w, &h);
    const uint64_t id = submit(w, NULL, NULL);
    (void)submit(w, count_one, &called);
    assert_int_equal(wxtp_platform_close(w->platform, 20), WXTP_ERR_STATE);
    assert_int_equal(wxtp_platform_run_once(w->platform, 0), WXTP_OK);
    assert_int_equal(wxtp_completion_fd(w->platform), fd);
    assert_int_equal(
        wxtp_submit(w->platform, APPID, "batchUnblacklist", BODY, strlen(BODY), NULL, NULL, NULL),
        WXTP_ERR_STATE);
    let_go(&h);
    wxtp_completion *taken = wxtp_completion_take(w->platform, LONG_MS);
    assert_non_null(taken);
    assert_int_equal(wxtp_completion_id(taken), id);
    assert_int_equal(wxtp_completion_status(taken), WXTP_ERR_INTERRUPTED);
    wxtp_completion_free(taken);
    assert_int_equal(wxtp_completions_run(w->platform, LONG_MS), 1);
    assert_int_equal(called, 1);
    assert_null(wxtp_completion_take(w->platform, LONG_MS));
    assert_int_equal(wxtp_platform_close(w->platform, SOON_MS), WXTP_OK);
    w->platform = NULL;
}

static void what_completes_after_a_close_at_its_deadline_is_taken(void **state)
{
    what_completes_is_taken_after_it(*state, "true");
}

static void the_same_without_threads(void **state)
{
    what_completes_is_taken_after_it(*state, "false");
}

static void a_close_frees_what_nobody_took_and_calls_nobody(void **state)
{
    world *w = *state;
    int called = 0;
    open_faked(w, "true");
    (void)submit(w, count_one, &called);
    (void)submit(w, count_one, &called);
    assert_int_equal(wxtp_platform_close(w->platform, SOON_MS), WXTP_OK);
    w->platform = NULL;
    assert_int_equal(called, 0);
}

/* ---- After a stop ---- */

static void each_completes(world *w, const char *own_threads)
{
    enum { COUNT = 20 };
    int called = 0;
    open_faked(w, own_threads);
    for (int at = 0; at < COUNT; at++) {
        (void)submit(w, count_one, &called);
    }
    wxtp_platform_stop(w->platform);
    assert_int_equal(
        wxtp_submit(w->platform, APPID, "batchUnblacklist", BODY, strlen(BODY), NULL, NULL, NULL),
        WXTP_ERR_INTERRUPTED);
    while (wxtp_completions_run(w->platform, LONG_MS) > 0) {
    }
    assert_int_equal(called, COUNT);
    assert_int_equal(wxtp_platform_close(w->platform, SOON_MS), WXTP_OK);
    w->platform = NULL;
}

static void after_a_stop_each_is_taken_then_nothing_is_waited_for(void **state)
{
    each_completes(*state, "true");
}

static void and_without_threads(void **state)
{
    world *w = *state;
    const int64_t began = fake_clock_wall(&w->clock);
    each_completes(w, "false");
    assert_in_range(fake_clock_wall(&w->clock) - began, 0, LONG_MS - 1);
}

/* ---- Who waits for completions ---- */

enum { TAKERS = 3 };

static void *take(void *user)
{
    return wxtp_completion_take(user, LONG_MS);
}

static void *run_completions(void *user)
{
    return wxtp_completions_run(user, INT64_MAX) == 0 ? NULL : user;
}

static void let_wait(world *w, pthread_t threads[TAKERS])
{
    for (int at = 0; at < TAKERS; at++) {
        assert_int_equal(pthread_create(&threads[at], NULL, at == 0 ? run_completions : take, w->platform),
                         0);
    }
    while (inside(w->platform) < TAKERS) {
        (void)sched_yield();
    }
}

static void join(pthread_t threads[TAKERS])
{
    for (int at = 0; at < TAKERS; at++) {
        void *taken = threads;
        assert_int_equal(pthread_join(threads[at], &taken), 0);
        assert_null(taken);
    }
}

static void are_woken_by_a_stop(world *w, const char *own_threads)
{
    pthread_t threads[TAKERS];
    open_real(w, own_threads);
    let_wait(w, threads);
    const int64_t began = now_ms();
    wxtp_platform_stop(w->platform);
    join(threads);
    assert_in_range(now_ms() - began, 0, SOON_MS);
    assert_int_equal(wxtp_platform_close(w->platform, SOON_MS), WXTP_OK);
    w->platform = NULL;
}

static void who_waits_for_completions_is_woken_by_a_stop(void **state)
{
    are_woken_by_a_stop(*state, "true");
}

static void who_waits_and_drives_is_woken_by_a_stop(void **state)
{
    are_woken_by_a_stop(*state, "false");
}

static void hold_up_no_close(world *w, const char *own_threads)
{
    pthread_t threads[TAKERS];
    open_real(w, own_threads);
    let_wait(w, threads);
    const int64_t began = now_ms();
    assert_int_equal(wxtp_platform_close(w->platform, LONG_MS), WXTP_OK);
    assert_in_range(now_ms() - began, 0, SOON_MS);
    w->platform = NULL;
    join(threads);
}

static void who_waits_for_completions_holds_up_no_close(void **state)
{
    hold_up_no_close(*state, "true");
}

static void who_waits_and_drives_holds_up_no_close(void **state)
{
    hold_up_no_close(*state, "false");
}

/* ---- After fork ---- */

static wxtp_store *store_of(const world *w)
{
    return w->platform->core.store;
}

static void *add_tenant(void *user)
{
    world *w = user;
    (void)wxtp_tenant_add_own(w->platform, APPID, "0123456789abcdef0123456789abcdef", WXTP_ACCOUNT_SERVICE, 1,
                              NULL);
    return NULL;
}

/* As the kernel tells: 'S' where it waits. */
static char state_of(pid_t thread)
{
    char text[256] = "";
    (void)snprintf(text, sizeof(text), "/proc/self/task/%d/stat", (int)thread);
    FILE *file = fopen(text, "re");
    assert_non_null(file);
    const char *line = fgets(text, sizeof(text), file);
    (void)fclose(file);
    const char *name_end = line ? strrchr(line, ')') : NULL;
    return name_end ? name_end[2] : '?';
}

typedef struct waiting {
    world *w;
    atomic_int thread;
} waiting;

static void *wait_for_the_store(void *user)
{
    waiting *self = user;
    atomic_store(&self->thread, gettid());
    return add_tenant(self->w);
}

/* What a child comes to that calls `run`, which ends soon or not at all. */
static int in_child(int (*run)(wxtp_platform *platform), wxtp_platform *platform)
{
    int status = 0;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(SOON_MS / 1000);
        _exit(run(platform));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int close_there(wxtp_platform *platform)
{
    return wxtp_platform_close(platform, LONG_MS) == WXTP_OK ? 0 : 1;
}

static void I12_a_child_closes_though_a_thread_waited_for_the_store(void **state)
{
    world *w = *state;
    wxtp_tx *tx = NULL;
    pthread_t thread;
    waiting other = {.w = w};
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    assert_int_equal(store_of(w)->ops->begin(store_of(w), WXTP_TX_WRITE, &tx), WXTP_OK);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_the_store, &other), 0);
    while (inside(w->platform) == 0 || state_of(atomic_load(&other.thread)) != 'S') {
        (void)sched_yield();
    }
    assert_int_equal(in_child(close_there, w->platform), 0);
    store_of(w)->ops->rollback(tx);
    assert_int_equal(pthread_join(thread, NULL), 0);
    wxtp_tenant *tenant = NULL;
    assert_int_equal(wxtp_tenant_get(w->platform, APPID, &tenant, NULL), WXTP_OK);
    wxtp_tenant_free(tenant);
}

static int use_there(wxtp_platform *platform)
{
    wxtp_tenant *tenant = NULL;
    wxtp_platform_stop(platform);
    if (wxtp_completion_take(platform, LONG_MS) || wxtp_completion_fd(platform) != -1) {
        return 2;
    }
    if (wxtp_platform_component(platform)[0] != '\0' ||
        wxtp_tenant_get(platform, APPID, &tenant, NULL) != WXTP_ERR_FORKED ||
        wxtp_platform_run_once(platform, LONG_MS) != WXTP_ERR_FORKED) {
        return 3;
    }
    return close_there(platform);
}

static void I12_a_child_takes_no_lock_that_a_thread_held(void **state)
{
    world *w = *state;
    (void)pthread_mutex_lock(&w->platform->lock);
    const int status = in_child(use_there, w->platform);
    (void)pthread_mutex_unlock(&w->platform->lock);
    assert_int_equal(status, 0);
    assert_string_equal(wxtp_platform_component(w->platform), WORLD_COMPONENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_close_drives_to_its_end_what_is_under_way),
        TEST(a_close_drives_on_what_waits_for_a_busy_WeChat),
        TEST(closing_again_and_again_without_a_time_comes_to_an_end),
        TEST(what_completes_after_a_close_at_its_deadline_is_taken),
        TEST(the_same_without_threads),
        TEST(a_close_frees_what_nobody_took_and_calls_nobody),
        TEST(after_a_stop_each_is_taken_then_nothing_is_waited_for),
        TEST(and_without_threads),
        TEST(who_waits_for_completions_is_woken_by_a_stop),
        TEST(who_waits_and_drives_is_woken_by_a_stop),
        TEST(who_waits_for_completions_holds_up_no_close),
        TEST(who_waits_and_drives_holds_up_no_close),
        TEST(I12_a_child_closes_though_a_thread_waited_for_the_store),
        cmocka_unit_test_setup_teardown(I12_a_child_takes_no_lock_that_a_thread_held, world_setup_platform,
                                        world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
