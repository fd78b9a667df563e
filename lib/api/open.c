/* Opening and closing a platform. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "api/config.h"
#include "api/handle.h"
#include "api/queue.h"
#include "domain/component.h"
#include "domain/flights.h"
#include "domain/pacer.h"
#include "domain/slots.h"
#include "domain/standing.h"
#include "domain/storage.h"
#include "domain/vault.h"
#include "port/http_curl.h"
#include "port/keyfile.h"

/* ---- The catalog ---- */

static size_t text_bytes(const wx_api *api)
{
    return strlen(api->name) + strlen(api->path) + strlen(api->token_parameter) +
           (api->list_field ? strlen(api->list_field) : 0) + 4;
}

static const char *put_text(char **to, const char *text)
{
    if (!text) {
        return NULL;
    }
    size_t bytes = strlen(text) + 1;
    char *here = *to;
    memcpy(here, text, bytes);
    *to += bytes;
    return here;
}

/* The built-in rows stay where they are, the host's are copied with their strings. */
static bool copy_catalog(wxtp_platform *platform, const wxtp_config *config)
{
    const wxtp_allocator *allocator = &platform->core.allocator;
    size_t builtin_count = 0;
    const wx_api *builtin = wx_catalog_builtin(&builtin_count);
    size_t count = builtin_count + config->api_count;
    size_t bytes = 1;
    for (size_t at = 0; at < config->api_count; at++) {
        bytes += text_bytes(&config->apis[at]);
    }
    platform->catalog = wx_alloc_array(allocator, count, sizeof(*platform->catalog));
    platform->catalog_text = wx_alloc(allocator, bytes);
    if (!platform->catalog || !platform->catalog_text) {
        return false;
    }
    memcpy(platform->catalog, builtin, builtin_count * sizeof(*builtin));
    char *to = platform->catalog_text;
    for (size_t at = 0; at < config->api_count; at++) {
        wx_api *api = &platform->catalog[builtin_count + at];
        *api = config->apis[at];
        api->name = put_text(&to, api->name);
        api->path = put_text(&to, api->path);
        api->token_parameter = put_text(&to, api->token_parameter);
        api->list_field = put_text(&to, api->list_field);
    }
    platform->core.catalog = platform->catalog;
    platform->core.catalog_count = count;
    return true;
}

/* ---- The master key ---- */

/* One that is there may be of a process that died before it had synced it: no store is sealed under it
 * before. */
static wxtp_status take_key(const char *path, unsigned char key[WX_KEY_LEN], wx_err *err)
{
    const wxtp_status status = wx_keyfile_read(path, key, err);
    return status == WXTP_OK ? wx_keyfile_sync(path, err) : status;
}

wxtp_status wx_master_key_make(const char *path, unsigned char key[WX_KEY_LEN], wx_err *err)
{
    struct stat there;
    if (lstat(path, &there) == 0) {
        return take_key(path, key, err);
    }
    wxtp_status status = wx_keyfile_create(path, key, err);
    /* Another process was faster: then that one counts. */
    return status == WXTP_ERR_EXISTS ? take_key(path, key, err) : status;
}

/* Whatever fails here has changed nothing in the store, and makes no key for a store that has one. */
static wxtp_status get_master_key(wxtp_platform *platform, const wxtp_config *config,
                                  unsigned char key[WX_KEY_LEN], wx_err *err)
{
    if (config->has_master_key) {
        memcpy(key, config->master_key, WX_KEY_LEN);
        return WXTP_OK;
    }
    const char *path = platform->master_key_file;
    if (path[0] == '\0') {
        (void)wx_fail(err, WXTP_ERR_KEY, "no master key was given");
        wx_err_hint(err, "Set master_key_file to the path of the key file, or give the key itself.");
        return WXTP_ERR_KEY;
    }
    bool exists = false;
    wxtp_status status = wx_vault_exists(&platform->core, &exists, err);
    if (status != WXTP_OK) {
        return status;
    }
    if (!exists) {
        return wx_master_key_make(path, key, err);
    }
    struct stat there;
    if (lstat(path, &there) != 0) {
        (void)wx_fail(err, WXTP_ERR_KEY, "the master key file %s of this store cannot be found", path);
        wx_err_hint(
            err, "Bring the key file back from its backup; nothing else opens what is sealed in the store.");
        return WXTP_ERR_KEY;
    }
    return wx_keyfile_read(path, key, err);
}

static wxtp_status unlock(wxtp_platform *platform, const wxtp_config *config, wx_err *err)
{
    unsigned char *key = wx_alloc(&platform->core.allocator, WX_KEY_LEN);
    if (!key) {
        return wx_fail_nomem(err);
    }
    wxtp_status status = get_master_key(platform, config, key, err);
    if (status == WXTP_OK) {
        status = wx_vault_unlock(&platform->core, key, err);
    }
    wx_free(key); /* zeroes it */
    return status;
}

/* ---- What the store says ---- */

static const char instance_name[] = "instance";

static wxtp_status look_for_instance(wx_core *core, wxtp_tx *tx, bool *found, wx_err *err)
{
    wxtp_blob value = {0};
    wxtp_status status = wx_ops(core)->meta_get(tx, instance_name, &value);
    *found = status == WXTP_OK && value.len > 0;
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, tx, status, "read the instance", err);
    }
    return WXTP_OK;
}

/* A store that has no name of its own yet is given one. */
static wxtp_status name_instance(wx_core *core, wx_err *err)
{
    bool found = false;
    {
        WX_AUTO_SCOPE scope = {0};
        if (wx_scope_begin(&scope, core, WXTP_TX_READ, err) != WXTP_OK ||
            look_for_instance(core, scope.tx, &found, err) != WXTP_OK) {
            return err->status;
        }
    }
    if (found) {
        return WXTP_OK;
    }
    unsigned char bytes[16];
    char text[2 * sizeof(bytes) + 1];
    if (!wx_random(bytes, sizeof(bytes))) {
        return wx_openssl_fail("give random bytes", err);
    }
    for (size_t at = 0; at < sizeof(bytes); at++) {
        (void)snprintf(text + 2 * at, 3, "%02x", bytes[at]);
    }
    WX_AUTO_SCOPE scope = {0};
    if (wx_scope_begin(&scope, core, WXTP_TX_SYNC, err) != WXTP_OK ||
        look_for_instance(core, scope.tx, &found, err) != WXTP_OK) {
        return err->status;
    }
    if (found) {
        return WXTP_OK;
    }
    wxtp_status status = wx_ops(core)->meta_put(scope.tx, instance_name, (wxtp_blob){text, sizeof(text) - 1});
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "name the instance", err);
    }
    return wx_scope_commit(&scope, err);
}

typedef struct only {
    char component[WX_APPID_MAX];
    int count;
} only;

static bool see_component(void *user, const wxtp_platform_row *row)
{
    only *seen = user;
    seen->count++;
    (void)wx_copy(seen->component, sizeof(seen->component), row->component_appid);
    return seen->count < 2;
}

static wxtp_status choose_component(wx_core *core, wx_err *err)
{
    if (core->settings.component[0] != '\0') {
        core->settings.component_named = true;
        return WXTP_OK;
    }
    WX_AUTO_SCOPE scope = {0};
    if (wx_scope_begin(&scope, core, WXTP_TX_READ, err) != WXTP_OK) {
        return err->status;
    }
    only seen = {0};
    wxtp_status status = wx_ops(core)->platform_list(scope.tx, see_component, &seen);
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "list the platforms", err);
    }
    core->settings.component_ambiguous = seen.count > 1;
    if (seen.count == 1) {
        (void)wx_copy(core->settings.component, sizeof(core->settings.component), seen.component);
    }
    return WXTP_OK;
}

/* What dead handles have left. That it cannot be written now is no reason not to look. */
static void sweep(wx_core *core)
{
    const wxtp_status status = wx_ops(core)->sweep(core->store);
    if (status != WXTP_OK) {
        wx_log(&core->log, WXTP_LOG_WARNING, "what an earlier process left was not swept: %s",
               wxtp_status_name(status));
    }
}

/* ---- Putting it together ---- */

static bool open_http(wxtp_platform *platform, const wxtp_config *config)
{
    wx_core *core = &platform->core;
    if (config->http.struct_size != 0) {
        core->http = config->http;
        return true;
    }
    const char *const *values = (const char *const *)config->values;
    const wx_http_curl_options options = {
        .ca_file = wx_setting_text(values, WX_SET_CA_FILE),
        .proxy = wx_setting_text(values, WX_SET_PROXY),
        .user_agent = wx_setting_text(values, WX_SET_USER_AGENT),
        .connections = (size_t)core->settings.concurrency,
    };
    platform->own_http = wx_http_curl_new(&core->allocator, &core->clock, &options);
    if (!platform->own_http) {
        return false;
    }
    wx_http_curl_port(platform->own_http, &core->http);
    return true;
}

static bool init_lock(wxtp_platform *platform)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0) {
        return false;
    }
    bool made = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&platform->left, &monotonic) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    if (!made) {
        return false;
    }
    if (pthread_mutex_init(&platform->lock, NULL) != 0) {
        (void)pthread_cond_destroy(&platform->left);
        return false;
    }
    return true;
}

static wxtp_status no_descriptor(int why, wx_err *err)
{
    char reason[128];
    if (why == ENOMEM) {
        return wx_fail_nomem(err);
    }
    wx_fail(err, WXTP_ERR_IO, "no descriptor for the network can be had: %s",
            strerror_r(why, reason, sizeof(reason)));
    wx_err_hint(err, "Raise the limit: of open files with ulimit -n, of those that are waited for with "
                     "sysctl fs.epoll.max_user_watches.");
    return err->status;
}

/* What needs memory and no store. */
static wxtp_status furnish(wxtp_platform *platform, const wxtp_config *config, wx_err *err)
{
    wx_core *core = &platform->core;
    const char *const *values = (const char *const *)config->values;
    core->allocator = config->allocator;
    core->clock = config->clock.struct_size != 0 ? config->clock : *wxtp_clock_system();
    core->log = config->log;
    core->store = config->store;
    wx_settings_read(values, &core->settings);
    (void)wx_copy(platform->master_key_file, sizeof(platform->master_key_file),
                  wx_setting_text(values, WX_SET_MASTER_KEY_FILE));
    platform->raw_key = config->has_master_key;
    core->flights = wx_flights_new(&core->allocator);
    core->pacer = wx_pacer_new(&core->allocator);
    core->standings = wx_standings_new(&core->allocator);
    core->opened = wx_opened_new(&core->allocator);
    core->slots = wx_slots_new(&core->allocator, core->settings.concurrency);
    if (!core->flights || !core->pacer || !core->standings || !core->opened || !core->slots ||
        !copy_catalog(platform, config)) {
        return wx_fail_nomem(err);
    }
    if (!wx_crypto_init(&core->crypto)) {
        return wx_fail_nomem(err);
    }
    if (!wx_random(&core->xml_salt, sizeof(core->xml_salt))) {
        return wx_openssl_fail("give random bytes", err);
    }
    if (!open_http(platform, config)) {
        return no_descriptor(errno, err);
    }
    const wx_engine_options options = {
        .allocator = &core->allocator,
        .clock = &core->clock,
        .http = &core->http,
        .store = core->store,
        .own_threads = core->settings.own_threads,
    };
    core->engine = wx_engine_new(&options);
    if (!core->engine) {
        return wx_fail_nomem(err);
    }
    platform->queue = wx_queue_new(core, core->settings.submissions_max);
    if (!platform->queue) {
        return no_descriptor(errno, err);
    }
    core->tell = wx_queue_tell;
    core->tell_user = platform->queue;
    return WXTP_OK;
}

/* All but the store and the lock. */
static void strip(wxtp_platform *platform)
{
    wx_engine_free(platform->core.engine);
    wx_queue_free(platform->queue);
    if (platform->own_http) {
        wx_http_curl_free(platform->own_http);
    }
    if (platform->core.flights) {
        wx_flights_free(platform->core.flights);
    }
    if (platform->core.pacer) {
        wx_pacer_free(platform->core.pacer);
    }
    wx_standings_free(platform->core.standings);
    wx_opened_free(platform->core.opened);
    wx_slots_free(platform->core.slots);
    wx_crypto_free(&platform->core.crypto);
    wx_free(platform->catalog);
    wx_free(platform->catalog_text);
}

static wxtp_status open_on_store(const wxtp_config *config, wxtp_platform **platform, wx_err *err)
{
    wxtp_platform *fresh = wx_alloc(&config->allocator, sizeof(*fresh));
    if (!fresh || !init_lock(fresh)) {
        wx_free(fresh);
        return wx_fail_nomem(err);
    }
    atomic_init(&fresh->core.stopping, false);
    atomic_init(&fresh->core.ticket_asked_boot_ms, 0);
    atomic_init(&fresh->later.stopping, false);
    atomic_init(&fresh->later.ticket_asked_boot_ms, 0);
    wxtp_status status = furnish(fresh, config, err);
    if (status == WXTP_OK) {
        status = unlock(fresh, config, err);
    }
    if (status == WXTP_OK) {
        status = name_instance(&fresh->core, err);
    }
    if (status == WXTP_OK) {
        status = choose_component(&fresh->core, err);
    }
    if (status != WXTP_OK) {
        strip(fresh);
        (void)pthread_mutex_destroy(&fresh->lock);
        (void)pthread_cond_destroy(&fresh->left);
        wx_free(fresh);
        return status;
    }
    sweep(&fresh->core);
    atomic_init(&fresh->maintained_boot_ms, wx_boot_ms(&fresh->core));
    *platform = fresh;
    return WXTP_OK;
}

/* A store is closed with its platform, so it serves one. */
static wxtp_status open_platform(const wxtp_config *config, wxtp_platform **platform, wx_err *err)
{
    wxtp_store *store = config->store;
    if (!store) {
        (void)wx_fail(err, WXTP_ERR_INVALID, "the configuration names no store");
        wx_err_hint(err, "Open a store and give it to wxtp_config_set_store.");
        return WXTP_ERR_INVALID;
    }
    if (store->ops->forked(store)) {
        return wx_fail(err, WXTP_ERR_FORKED, "the store was opened before fork");
    }
    if (__atomic_test_and_set(&store->taken, __ATOMIC_ACQUIRE)) {
        (void)wx_fail(err, WXTP_ERR_STATE, "another platform has the store that the configuration names");
        wx_err_hint(err, "Open a store for each platform: wxtp_sqlite_open opens a file as often as asked.");
        return WXTP_ERR_STATE;
    }
    const wxtp_status status = open_on_store(config, platform, err);
    if (status != WXTP_OK) {
        __atomic_clear(&store->taken, __ATOMIC_RELEASE);
    }
    return status;
}

wxtp_status wxtp_platform_open(const wxtp_config *config, wxtp_platform **platform, wxtp_error **error)
{
    wx_err err = {0};
    if (platform) {
        *platform = NULL;
    }
    if (!config || !platform) {
        (void)wx_fail(&err, WXTP_ERR_INVALID, "no configuration or no place for the platform was given");
        return wx_err_give(error, NULL, &err);
    }
    if (open_platform(config, platform, &err) != WXTP_OK) {
        return wx_err_give(error, &config->allocator, &err);
    }
    return WXTP_OK;
}

/* ---- Closing ---- */

enum { TURN_MS = 50 }; /* a call of another thread may leave meanwhile */

/*
 * In a child, after fork: no file and no connection is touched, as the parent goes on using them. With calls
 * inside at the fork, locks are held by threads that are not here, and what these use is left behind.
 */
static void abandon(wxtp_platform *platform)
{
    wxtp_store *store = platform->core.store;
    store->ops->abandon(store);
    wx_engine_abandon(WX_TAKE(platform->core.engine));
    wx_queue_abandon(WX_TAKE(platform->queue));
    if (platform->inside > 0) {
        platform->own_http = NULL;
        platform->core.flights = NULL;
        platform->core.pacer = NULL;
        platform->core.standings = NULL;
        platform->core.opened = NULL;
        platform->core.slots = NULL;
    }
    strip(platform);
    wx_free(platform);
}

static struct timespec monotonic_in(int64_t ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    const int64_t most = INT64_C(1000) * 86400 * 36500;
    int64_t wait = ms < 0 ? 0 : ms > most ? most : ms;
    int64_t nanoseconds = at.tv_nsec + wait % 1000 * 1000000;
    at.tv_sec += (time_t)(wait / 1000 + nanoseconds / 1000000000);
    at.tv_nsec = (long)(nanoseconds % 1000000000);
    return at;
}

static int64_t ms_until(const struct timespec *then)
{
    const struct timespec now = monotonic_in(0);
    return (int64_t)(then->tv_sec - now.tv_sec) * 1000 + (then->tv_nsec - now.tv_nsec) / 1000000;
}

/* With the lock held. Where nobody else drives the engine, it does. */
static bool all_leave(wxtp_platform *platform, int64_t deadline_ms)
{
    const struct timespec deadline = monotonic_in(deadline_ms);
    const bool drives = !platform->core.settings.own_threads;
    bool late = false;
    while (platform->inside > 0 && !late) {
        if (drives) {
            const int64_t left = ms_until(&deadline);
            (void)pthread_mutex_unlock(&platform->lock);
            wx_engine_turn(platform->core.engine, left < 0 ? 0 : left < TURN_MS ? left : TURN_MS);
            (void)pthread_mutex_lock(&platform->lock);
            late = left <= 0;
        } else {
            late = pthread_cond_timedwait(&platform->left, &platform->lock, &deadline) == ETIMEDOUT;
        }
    }
    return platform->inside == 0;
}

wxtp_status wxtp_platform_close(wxtp_platform *platform, int64_t deadline_ms)
{
    if (!platform) {
        return WXTP_OK;
    }
    wxtp_store *store = platform->core.store;
    if (store->ops->forked(store)) {
        abandon(platform);
        return WXTP_OK;
    }
    wxtp_platform_stop(platform);
    (void)pthread_mutex_lock(&platform->lock);
    platform->closing = true;
    (void)pthread_mutex_unlock(&platform->lock);
    wx_queue_stopped(platform->queue);
    (void)pthread_mutex_lock(&platform->lock);
    const bool closed = platform->closed = all_leave(platform, deadline_ms);
    (void)pthread_mutex_unlock(&platform->lock);
    if (!closed) {
        return WXTP_ERR_STATE;
    }
    strip(platform);
    store->ops->close(store);
    (void)pthread_mutex_destroy(&platform->lock);
    (void)pthread_cond_destroy(&platform->left);
    wx_free(platform); /* zeroes the data key */
    return WXTP_OK;
}
