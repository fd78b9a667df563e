/* Opening and closing a platform, its key, and what stands between its calls. */
#include "world.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/handle.h"

/* ---- Bytes of files ---- */

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes = calloc(1, 1 << 20);
    assert_non_null(bytes);
    *len = 0;
    if (file) {
        *len = fread(bytes, 1, 1 << 20, file);
        (void)fclose(file);
    }
    return bytes;
}

typedef struct picture {
    char *bytes[3];
    size_t len[3];
    bool key;
} picture;

static void file_name(const world *w, int which, char name[128])
{
    static const char *const ends[] = {"", "-wal", ".key"};
    (void)snprintf(name, 128, "%s%s", w->database, ends[which]);
}

static picture take_picture(const world *w)
{
    picture p = {.key = access(w->key, F_OK) == 0};
    for (int at = 0; at < 3; at++) {
        char name[128];
        file_name(w, at, name);
        p.bytes[at] = read_file(name, &p.len[at]);
    }
    return p;
}

static void assert_untouched(const world *w, picture *before)
{
    picture now = take_picture(w);
    assert_int_equal(now.key, before->key);
    for (int at = 0; at < 3; at++) {
        assert_int_equal(now.len[at], before->len[at]);
        assert_memory_equal(now.bytes[at], before->bytes[at], now.len[at]);
        free(now.bytes[at]);
        free(before->bytes[at]);
    }
}

/* ---- Opening ---- */

static void a_new_store_gets_a_private_key_and_opens_again(void **state)
{
    world *w = *state;
    struct stat facts;
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    assert_int_equal(stat(w->key, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_string_equal(wxtp_platform_component(w->platform), "");
    world_reopen(w);
}

static void a_new_store_uses_a_key_that_is_there(void **state)
{
    world *w = *state;
    char other[128];
    (void)snprintf(other, sizeof(other), "%s/other.db", w->folder);
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    picture before = take_picture(w);
    wxtp_platform *second = NULL;
    assert_int_equal(world_open(w, other, w->key, &second, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_close(second, 1000), WXTP_OK);
    assert_untouched(w, &before);
}

/* Opening must fail with WXTP_ERR_KEY and change no byte of database, WAL and key. */
static void assert_key_refused(world *w, const char *key)
{
    wxtp_error *error = NULL;
    wxtp_platform *platform = NULL;
    wxtp_config *config = world_config(w);
    wxtp_store *store = world_store(w, w->database);
    assert_int_equal(wxtp_config_set_store(config, store), WXTP_OK);
    assert_int_equal(wxtp_config_set(config, "master_key_file", key, NULL), WXTP_OK);
    picture before = take_picture(w);
    assert_int_equal(wxtp_platform_open(config, &platform, &error), WXTP_ERR_KEY);
    assert_untouched(w, &before);
    assert_null(platform);
    assert_string_equal(wxtp_error_kind(error), "key");
    assert_true(strlen(wxtp_error_hint(error)) > 0);
    wxtp_error_free(error);
    wxtp_config_free(config);
    store->ops->close(store);
}

static void I9_a_missing_key_touches_nothing(void **state)
{
    world *w = *state;
    char away[128];
    (void)snprintf(away, sizeof(away), "%s.away", w->key);
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    world_close(w);
    assert_int_equal(rename(w->key, away), 0);
    assert_key_refused(w, w->key);
    assert_int_not_equal(access(w->key, F_OK), 0);
    assert_key_refused(w, NULL);
    assert_int_equal(rename(away, w->key), 0);
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
}

static void I9_a_wrong_key_touches_nothing(void **state)
{
    world *w = *state;
    char other[128];
    char other_key[128];
    wxtp_platform *second = NULL;
    (void)snprintf(other, sizeof(other), "%s/other.db", w->folder);
    (void)snprintf(other_key, sizeof(other_key), "%s/other.key", w->folder);
    assert_int_equal(world_open(w, other, other_key, &second, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_close(second, 1000), WXTP_OK);
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    world_close(w);
    assert_key_refused(w, other_key);
}

static void I9_a_key_that_others_can_read_is_refused(void **state)
{
    world *w = *state;
    char linked[128];
    (void)snprintf(linked, sizeof(linked), "%s/linked.key", w->folder);
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    world_close(w);
    assert_int_equal(chmod(w->key, 0640), 0);
    assert_key_refused(w, w->key);
    assert_int_equal(chmod(w->key, 0600), 0);
    assert_int_equal(symlink(w->key, linked), 0);
    assert_key_refused(w, linked);
}

static void a_key_of_the_host_needs_no_file(void **state)
{
    world *w = *state;
    unsigned char key[32] = {1, 2, 3};
    for (int round = 0; round < 2; round++) {
        wxtp_config *config = world_config(w);
        assert_int_equal(wxtp_config_set_store(config, world_store(w, w->database)), WXTP_OK);
        assert_int_equal(wxtp_config_set_master_key(config, key), WXTP_OK);
        assert_int_equal(wxtp_platform_open(config, &w->platform, NULL), WXTP_OK);
        wxtp_config_free(config);
        world_close(w);
    }
    assert_int_not_equal(access(w->key, F_OK), 0);
}

static void a_failed_open_leaves_the_store_to_the_caller(void **state)
{
    world *w = *state;
    wxtp_config *config = world_config(w);
    wxtp_platform *platform = NULL;
    wxtp_error *error = NULL;
    assert_int_equal(wxtp_platform_open(config, &platform, &error), WXTP_ERR_INVALID);
    wxtp_error_free(error);
    wxtp_store *store = world_store(w, w->database);
    assert_int_equal(wxtp_config_set_store(config, store), WXTP_OK);
    assert_int_equal(wxtp_platform_open(config, &platform, NULL), WXTP_ERR_KEY);
    /* Still of use: it opens once the key is named. */
    assert_int_equal(wxtp_config_set(config, "master_key_file", w->key, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_open(config, &w->platform, NULL), WXTP_OK);
    wxtp_config_free(config);
}

static void set_up(wxtp_platform *platform, const char *component)
{
    assert_int_equal(
        wxtp_platform_set(platform, component, WORLD_APPSECRET, WORLD_PUSH_TOKEN, WORLD_AES_KEY, NULL),
        WXTP_OK);
}

static void the_only_component_is_chosen_and_several_are_ambiguous(void **state)
{
    world *w = *state;
    wxtp_platform_facts facts = {.struct_size = sizeof(facts)};
    wxtp_error *error = NULL;
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_info(w->platform, &facts, &error), WXTP_ERR_CONFIGURATION);
    assert_string_equal(wxtp_error_kind(error), "configuration");
    wxtp_error_free(error);
    set_up(w->platform, "wxc1");
    assert_string_equal(wxtp_platform_component(w->platform), "wxc1");
    set_up(w->platform, "wxc2");
    assert_string_equal(wxtp_platform_component(w->platform), "wxc1");
    world_reopen(w);
    assert_string_equal(wxtp_platform_component(w->platform), "");
    assert_int_equal(wxtp_platform_info(w->platform, &facts, NULL), WXTP_ERR_AMBIGUOUS);
    assert_int_equal(wxtp_platform_choose(w->platform, "wxc3", NULL), WXTP_ERR_NOT_FOUND);
    assert_int_equal(wxtp_platform_choose(w->platform, NULL, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_platform_choose(w->platform, "wxc2", NULL), WXTP_OK);
    assert_string_equal(wxtp_platform_component(w->platform), "wxc2");
    assert_int_equal(wxtp_platform_info(w->platform, &facts, NULL), WXTP_OK);
    assert_string_equal(facts.component_appid, "wxc2");
    assert_int_equal(wxtp_platform_choose(w->platform, "wxc2", NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_choose(w->platform, "wxc1", NULL), WXTP_ERR_STATE);
}

/* Symptom: Two platforms in one program: each gets the other's token. */
static void I12_two_platforms_live_in_one_process(void **state)
{
    world *w = *state;
    char other[128];
    char other_key[128];
    wxtp_platform *second = NULL;
    wxtp_platform_facts facts = {.struct_size = sizeof(facts)};
    (void)snprintf(other, sizeof(other), "%s/other.db", w->folder);
    (void)snprintf(other_key, sizeof(other_key), "%s/other.key", w->folder);
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    assert_int_equal(world_open(w, other, other_key, &second, NULL), WXTP_OK);
    set_up(w->platform, "wxc1");
    set_up(second, "wxc2");
    assert_int_equal(
        wxtp_tenant_add_own(second, "wxown", "appsecret-of-wxown", WXTP_ACCOUNT_SERVICE, 1, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_info(w->platform, &facts, NULL), WXTP_OK);
    assert_string_equal(facts.component_appid, "wxc1");
    assert_int_equal(facts.tenants[WXTP_TENANT_AUTHORIZED], 0);
    /* The end of one is not the other's. */
    wxtp_platform_stop(w->platform);
    assert_int_equal(wxtp_platform_info(second, &facts, NULL), WXTP_OK);
    assert_string_equal(facts.component_appid, "wxc2");
    assert_int_equal(facts.tenants[WXTP_TENANT_AUTHORIZED], 1);
    world_close(w);
    assert_int_equal(wxtp_platform_info(second, &facts, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_close(second, 1000), WXTP_OK);
}

static void I12_two_handles_share_one_store(void **state)
{
    world *w = *state;
    wxtp_platform *second = NULL;
    wxtp_tenant *tenant = NULL;
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    assert_int_equal(world_open(w, w->database, w->key, &second, NULL), WXTP_OK);
    assert_int_equal(
        wxtp_tenant_add_own(second, "wxown", "appsecret-of-wxown", WXTP_ACCOUNT_SERVICE, 1, NULL), WXTP_OK);
    assert_int_equal(wxtp_tenant_get(w->platform, "wxown", &tenant, NULL), WXTP_OK);
    assert_int_equal(wxtp_tenant_credential(tenant), WXTP_CREDENTIAL_OWN);
    wxtp_tenant_free(tenant);
    assert_int_equal(wxtp_platform_close(second, 1000), WXTP_OK);
}

static void one_store_handle_serves_one_platform(void **state)
{
    world *w = *state;
    wxtp_platform *second = NULL;
    wxtp_error *error = NULL;
    wxtp_config *config = world_config(w);
    assert_int_equal(wxtp_config_set_store(config, world_store(w, w->database)), WXTP_OK);
    assert_int_equal(wxtp_config_set(config, "master_key_file", w->key, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_open(config, &w->platform, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_open(config, &second, &error), WXTP_ERR_STATE);
    assert_null(second);
    assert_non_null(strstr(wxtp_error_message(error), "store"));
    assert_non_null(strstr(wxtp_error_hint(error), "wxtp_sqlite_open"));
    wxtp_error_free(error);
    set_up(w->platform, "wxc1");
    world_close(w);
    /* The same configuration with a store of its own. */
    assert_int_equal(wxtp_config_set_store(config, world_store(w, w->database)), WXTP_OK);
    assert_int_equal(wxtp_platform_open(config, &w->platform, NULL), WXTP_OK);
    wxtp_config_free(config);
}

/* ---- After fork ---- */

static bool never(void *user, const char *name)
{
    (void)user;
    (void)name;
    return false;
}

/* The status of the first call that answers otherwise, 0 when none does. */
static int calls_of_a_child(wxtp_platform *platform)
{
    wxtp_platform_facts facts = {.struct_size = sizeof(facts)};
    wxtp_tenant *tenant = NULL;
    wxtp_push *push = NULL;
    char *token = NULL;
    int64_t number = 0;
    wxtp_error *error = NULL;
    const wxtp_status answers[] = {
        wxtp_platform_info(platform, &facts, &error),
        wxtp_platform_set(platform, "wxc9", "secret-of-wxc9", "token", WORLD_AES_KEY, NULL),
        wxtp_platform_each(platform, never, NULL, NULL),
        wxtp_tenant_get(platform, "wxown", &tenant, NULL),
        wxtp_tenant_add_own(platform, "wxown2", "secret-of-wxown2", WXTP_ACCOUNT_SERVICE, 1, NULL),
        wxtp_tenant_remove(platform, "wxown", false, NULL),
        wxtp_token_get(platform, "wxown", &token, &number, NULL),
        wxtp_push_receive(platform, "", "", 0, &push, NULL),
        wxtp_platform_prune(platform, &number, NULL),
        wxtp_call(platform, "wxown", "getBlacklist", "{}", 2, NULL, NULL),
    };
    int wrong = wxtp_error_status(error) == WXTP_ERR_FORKED ? 0 : 100;
    wxtp_error_free(error);
    for (size_t at = 0; at < sizeof(answers) / sizeof(answers[0]); at++) {
        if (answers[at] != WXTP_ERR_FORKED) {
            wrong = (int)at + 1;
        }
    }
    return wxtp_platform_close(platform, 1000) == WXTP_OK ? wrong : 101;
}

static void I12_after_fork_every_call_but_close_answers_FORKED(void **state)
{
    world *w = *state;
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    assert_int_equal(
        wxtp_tenant_add_own(w->platform, "wxown", "appsecret-of-wxown", WXTP_ACCOUNT_SERVICE, 1, NULL),
        WXTP_OK);
    picture before = take_picture(w);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(calls_of_a_child(w->platform));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_untouched(w, &before);
    /* The parent goes on, its locks still held. */
    wxtp_tenant *tenant = NULL;
    assert_int_equal(wxtp_tenant_get(w->platform, "wxown", &tenant, NULL), WXTP_OK);
    wxtp_tenant_free(tenant);
    assert_int_equal(wxtp_tenant_remove(w->platform, "wxown", false, NULL), WXTP_OK);
}

/* ---- Closing and stopping ---- */

/* An HTTP port whose answer waits until it is let go. */
typedef struct held_up {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool inside, let_go;
    wxtp_platform *platform;
    wxtp_status status;
    wxtp_error *error;
} held_up;

static void answer_when_let_go(void *user, const fake_request *request, fake_reply *reply)
{
    held_up *h = user;
    (void)request;
    (void)reply;
    (void)pthread_mutex_lock(&h->lock);
    h->inside = true;
    (void)pthread_cond_broadcast(&h->changed);
    while (!h->let_go) {
        (void)pthread_cond_wait(&h->changed, &h->lock);
    }
    (void)pthread_mutex_unlock(&h->lock);
}

static void ignore_check(void *user, const char *name, wxtp_check_status status, const char *kind,
                         const char *detail, const char *hint)
{
    (void)kind;
    (void)user;
    (void)name;
    (void)status;
    (void)detail;
    (void)hint;
}

static void *diagnose(void *user)
{
    held_up *h = user;
    h->status = wxtp_platform_diagnose(h->platform, ignore_check, NULL, &h->error);
    return NULL;
}

/* Returns when the other thread's call is inside the HTTP port. */
static pthread_t hold_up(world *w, held_up *h)
{
    pthread_t thread;
    h->platform = w->platform;
    fake_http_handle(&w->http, "/", NULL, -1, answer_when_let_go, h);
    assert_int_equal(pthread_create(&thread, NULL, diagnose, h), 0);
    (void)pthread_mutex_lock(&h->lock);
    while (!h->inside) {
        (void)pthread_cond_wait(&h->changed, &h->lock);
    }
    (void)pthread_mutex_unlock(&h->lock);
    return thread;
}

static void let_go(held_up *h)
{
    (void)pthread_mutex_lock(&h->lock);
    h->let_go = true;
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
}

#define HELD_UP                                                                                              \
    {                                                                                                        \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                               \
    }

static void close_gives_up_at_its_deadline_and_may_be_called_again(void **state)
{
    world *w = *state;
    held_up h = HELD_UP;
    wxtp_platform_facts facts = {.struct_size = sizeof(facts)};
    wxtp_error *error = NULL;
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    pthread_t thread = hold_up(w, &h);
    assert_int_equal(wxtp_platform_close(w->platform, 0), WXTP_ERR_STATE);
    assert_int_equal(wxtp_platform_close(w->platform, 20), WXTP_ERR_STATE);
    assert_int_equal(wxtp_platform_info(w->platform, &facts, &error), WXTP_ERR_STATE);
    wxtp_error_free(error);
    let_go(&h);
    /* Waits for the call that is on its way out. */
    assert_int_equal(wxtp_platform_close(w->platform, 60000), WXTP_OK);
    w->platform = NULL;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(h.status, WXTP_OK);
}

static void close_of_nothing_is_fine(void **state)
{
    (void)state;
    assert_int_equal(wxtp_platform_close(NULL, 0), WXTP_OK);
    wxtp_platform_stop(NULL);
    assert_string_equal(wxtp_platform_component(NULL), "");
    wxtp_error *error = NULL;
    assert_int_equal(wxtp_platform_prune(NULL, NULL, &error), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_error_status(error), WXTP_ERR_INVALID);
    wxtp_error_free(error);
}

static void a_stop_ends_what_needs_WeChat_and_leaves_the_store_readable(void **state)
{
    world *w = *state;
    char *url = NULL;
    wxtp_error *error = NULL;
    wxtp_platform_facts facts = {.struct_size = sizeof(facts)};
    fake_http_on(&w->http, "api_create_preauthcode", NULL, -1,
                 "{\"pre_auth_code\":\"code@@@1\",\"expires_in\":1800}");
    wxtp_platform_stop(w->platform);
    assert_int_equal(
        wxtp_authorize_url(w->platform, "https://a.example/", false, 1, NULL, &url, NULL, &error),
        WXTP_ERR_INTERRUPTED);
    assert_null(url);
    assert_string_equal(wxtp_error_kind(error), "interrupted");
    wxtp_error_free(error);
    assert_int_equal(fake_http_count(&w->http, NULL), 0);
    assert_int_equal(wxtp_platform_info(w->platform, &facts, NULL), WXTP_OK);
}

static void a_component_is_chosen_while_another_call_is_inside(void **state)
{
    world *w = *state;
    held_up h = HELD_UP;
    wxtp_platform_facts facts = {.struct_size = sizeof(facts)};
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    pthread_t thread = hold_up(w, &h);
    set_up(w->platform, "wxc1");
    assert_string_equal(wxtp_platform_component(w->platform), "wxc1");
    assert_int_equal(wxtp_platform_info(w->platform, &facts, NULL), WXTP_OK);
    let_go(&h);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(h.status, WXTP_OK);
}

/* ---- Memory ---- */

static wxtp_status open_with(world *w, counting *memory, wxtp_platform **platform)
{
    wxtp_config *config = NULL;
    wxtp_clock clock;
    wxtp_http http;
    fake_clock_port(&w->clock, &clock);
    fake_http_port(&w->http, &http);
    wxtp_status status = wxtp_config_new(&memory->allocator, &config);
    if (status != WXTP_OK) {
        return status;
    }
    wxtp_store *store = world_store(w, w->database);
    (void)wxtp_config_set_clock(config, &clock);
    (void)wxtp_config_set_http(config, &http);
    (void)wxtp_config_set_store(config, store);
    status = wxtp_config_set(config, "master_key_file", w->key, NULL);
    if (status == WXTP_OK) {
        status = wxtp_platform_open(config, platform, NULL);
    }
    if (status != WXTP_OK) {
        store->ops->close(store);
    }
    wxtp_config_free(config);
    return status;
}

static void I11_running_out_of_memory_while_opening_is_an_error(void **state)
{
    world *w = *state;
    wxtp_status status = WXTP_ERR_NOMEM;
    for (size_t fail_at = 1; status != WXTP_OK && fail_at < 1000; fail_at++) {
        counting memory;
        wxtp_platform *platform = NULL;
        counting_init(&memory);
        memory.fail_at = fail_at;
        status = open_with(w, &memory, &platform);
        if (status != WXTP_OK && status != WXTP_ERR_NOMEM) {
            fail_msg("allocation %zu: %s", fail_at, wxtp_status_name(status));
        }
        assert_int_equal(wxtp_platform_close(platform, 1000), WXTP_OK);
        assert_int_equal(memory.live, 0);
        assert_int_equal(memory.not_zeroed, 0);
    }
    assert_int_equal(status, WXTP_OK);
}

#define WITH(test, setup) cmocka_unit_test_setup_teardown(test, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(a_new_store_gets_a_private_key_and_opens_again, world_setup),
        WITH(a_new_store_uses_a_key_that_is_there, world_setup),
        WITH(I9_a_missing_key_touches_nothing, world_setup),
        WITH(I9_a_wrong_key_touches_nothing, world_setup),
        WITH(I9_a_key_that_others_can_read_is_refused, world_setup),
        WITH(a_key_of_the_host_needs_no_file, world_setup),
        WITH(a_failed_open_leaves_the_store_to_the_caller, world_setup),
        WITH(the_only_component_is_chosen_and_several_are_ambiguous, world_setup),
        WITH(I12_two_platforms_live_in_one_process, world_setup),
        WITH(I12_two_handles_share_one_store, world_setup),
        WITH(one_store_handle_serves_one_platform, world_setup),
        WITH(I12_after_fork_every_call_but_close_answers_FORKED, world_setup),
        WITH(close_gives_up_at_its_deadline_and_may_be_called_again, world_setup),
        cmocka_unit_test(close_of_nothing_is_fine),
        WITH(a_stop_ends_what_needs_WeChat_and_leaves_the_store_readable, world_setup_platform),
        WITH(a_component_is_chosen_while_another_call_is_inside, world_setup),
        WITH(I11_running_out_of_memory_while_opening_is_an_error, world_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
