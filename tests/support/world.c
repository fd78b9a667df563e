#include "world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/handle.h"
#include "domain/storage.h"
#include "domain/ticket.h"
#include "temporary.h"

int world_setup(void **state)
{
    world *w = calloc(1, sizeof(*w));
    if (!w) {
        return -1;
    }
    if (!temporary_folder(w->folder, sizeof(w->folder))) {
        free(w);
        return -1;
    }
    (void)snprintf(w->database, sizeof(w->database), "%s/wxtp.db", w->folder);
    (void)snprintf(w->key, sizeof(w->key), "%s/wxtp.db.key", w->folder);
    fake_clock_init(&w->clock);
    fake_http_init(&w->http);
    w->http.clock = &w->clock;
    *state = w;
    return 0;
}

wxtp_config *world_config(world *w)
{
    wxtp_config *config = NULL;
    wxtp_clock clock;
    wxtp_http http;
    fake_clock_port(&w->clock, &clock);
    fake_http_port(&w->http, &http);
    assert_int_equal(wxtp_config_new(NULL, &config), WXTP_OK);
    assert_int_equal(wxtp_config_set_clock(config, &clock), WXTP_OK);
    assert_int_equal(wxtp_config_set_http(config, &http), WXTP_OK);
    assert_int_equal(wxtp_config_set(config, "own_threads", "false", NULL), WXTP_OK);
    return config;
}

wxtp_store *world_store(world *w, const char *database)
{
    wxtp_clock clock;
    wxtp_store *store = NULL;
    char message[256] = "";
    fake_clock_port(&w->clock, &clock);
    const wxtp_sqlite_options options = {
        .struct_size = sizeof(options), .path = database, .create = true, .migrate = true, .clock = &clock};
    if (wxtp_sqlite_open(&options, &store, NULL, message, sizeof(message)) != WXTP_OK) {
        fail_msg("%s", message);
    }
    return store;
}

wxtp_status world_open(world *w, const char *database, const char *key, wxtp_platform **platform,
                       wxtp_error **error)
{
    wxtp_config *config = world_config(w);
    wxtp_store *store = world_store(w, database);
    assert_int_equal(wxtp_config_set_store(config, store), WXTP_OK);
    assert_int_equal(wxtp_config_set(config, "master_key_file", key, NULL), WXTP_OK);
    wxtp_status status = wxtp_platform_open(config, platform, error);
    if (status != WXTP_OK) {
        store->ops->close(store);
    }
    wxtp_config_free(config);
    return status;
}

void world_close(world *w)
{
    assert_int_equal(wxtp_platform_close(w->platform, 1000), WXTP_OK);
    w->platform = NULL;
}

void world_reopen(world *w)
{
    wxtp_error *error = NULL;
    world_close(w);
    if (world_open(w, w->database, w->key, &w->platform, &error) != WXTP_OK) {
        fail_msg("%s", wxtp_error_message(error));
    }
}

int world_setup_platform(void **state)
{
    if (world_setup(state) != 0) {
        return -1;
    }
    world *w = *state;
    wx_err err = {0};
    bool applied = false;
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_set(w->platform, WORLD_COMPONENT, WORLD_APPSECRET, WORLD_PUSH_TOKEN,
                                       WORLD_AES_KEY, NULL),
                     WXTP_OK);
    WX_AUTO_SCOPE scope = {0};
    wx_core *core = wx_platform_core(w->platform);
    assert_int_equal(wx_scope_begin(&scope, core, WXTP_TX_SYNC, &err), WXTP_OK);
    assert_int_equal(wx_ticket_put(core, scope.tx, "ticket@@@0", FAKE_EPOCH_MS / 1000, &applied, &err),
                     WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    fake_http_on(&w->http, "api_component_token", NULL, -1,
                 "{\"component_access_token\":\"component-token-0123456789\",\"expires_in\":7200}");
    return 0;
}

int world_teardown(void **state)
{
    world *w = *state;
    wxtp_status closed = wxtp_platform_close(w->platform, 1000);
    fake_http_free(&w->http);
    DIR *folder = opendir(w->folder);
    for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
        if (entry->d_name[0] != '.') {
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    if (folder) {
        (void)closedir(folder);
    }
    (void)rmdir(w->folder);
    free(w);
    return closed == WXTP_OK ? 0 : -1;
}
