#include "fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wxtp/store_sqlite.h>

#include "domain/component.h"
#include "domain/flights.h"
#include "domain/pacer.h"
#include "domain/slots.h"
#include "domain/standing.h"
#include "domain/ticket.h"
#include "domain/token.h"
#include "domain/vault.h"
#include "temporary.h"

static void must(wxtp_status status, const wx_err *err, const char *what)
{
    if (status != WXTP_OK)
        fail_msg("%s: %s (%s)", what, wxtp_status_name(status), err ? err->message : "");
}

static void *fixture_allocate(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void fixture_release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

void fixture_open_node(fixture *fx, fixture_node *node)
{
    char message[256] = "";
    memset(node, 0, sizeof *node);
    wx_core *core = &node->core;
    fake_clock_port(&fx->clock, &core->clock);
    fake_http_port(&fx->http, &core->http);
    core->allocator = (wxtp_allocator){
        .struct_size = sizeof core->allocator, .allocate = fixture_allocate, .release = fixture_release};
    core->log = (wxtp_log){.struct_size = sizeof core->log};
    wxtp_sqlite_options options = {.struct_size = sizeof options,
                                   .path = fx->path,
                                   .create = true,
                                   .migrate = true,
                                   .clock = &core->clock};
    must(wxtp_sqlite_open(&options, &core->store, NULL, message, sizeof message), NULL, message);
    wx_copy(core->settings.component, sizeof core->settings.component, FIXTURE_COMPONENT);
    wx_copy(core->settings.api_base, sizeof core->settings.api_base, "https://api.weixin.qq.com");
    wx_copy(core->settings.cloud_base, sizeof core->settings.cloud_base, "http://api.weixin.qq.com");
    core->settings.concurrency = 1;
    core->settings.timeout_ms = 10000;
    core->settings.max_wait_ms = 60000;
    core->settings.max_tries = 5;
    core->settings.own_force_refresh = true;
    core->settings.audit_days = core->settings.pushes_days = core->settings.jobs_days = 90;
    core->catalog = wx_catalog_builtin(&core->catalog_count);
    memset(core->data_key, 7, sizeof core->data_key);
    atomic_init(&core->stopping, false);
    core->engine = wx_engine_new(&(wx_engine_options){
        .allocator = &core->allocator, .clock = &core->clock, .http = &core->http, .store = core->store});
    assert_non_null(core->engine);
    core->flights = wx_flights_new(&core->allocator);
    core->pacer = wx_pacer_new(&core->allocator);
    core->standings = wx_standings_new(&core->allocator);
    assert_non_null(core->standings);
    core->opened = wx_opened_new(&core->allocator);
    assert_non_null(core->opened);
    core->slots = wx_slots_new(&core->allocator, core->settings.concurrency);
    assert_non_null(core->slots);
    assert_non_null(core->flights);
    assert_non_null(core->pacer);
    assert_true(wx_crypto_init(&core->crypto));
    wx_patience_init(&node->patience, core->settings.max_wait_ms);
    node->op.core = core;
    node->op.patience = &node->patience;
    node->op.job_id = "";
    atomic_init(&node->op.refreshes, 0);
}

void fixture_close_node(fixture_node *node)
{
    wx_engine_free(node->core.engine);
    node->core.store->ops->close(node->core.store);
    wx_flights_free(node->core.flights);
    wx_pacer_free(node->core.pacer);
    wx_standings_free(node->core.standings);
    wx_opened_free(node->core.opened);
    wx_slots_free(node->core.slots);
    wx_crypto_free(&node->core.crypto);
    wx_patience_destroy(&node->patience);
}

void fixture_concurrency(wx_core *core, int calls)
{
    core->settings.concurrency = calls;
    wx_slots_free(core->slots);
    core->slots = wx_slots_new(&core->allocator, calls);
    assert_non_null(core->slots);
}

void fixture_patience(fixture_node *node, int64_t ms)
{
    wx_patience_destroy(&node->patience);
    wx_patience_init(&node->patience, ms);
}

static void write_down(void *user, const char *event, const char *tenant, const char *text)
{
    fixture *fx = user;
    const size_t len = strlen(fx->told);
    assert_true(text[0] != '\0');
    (void)snprintf(fx->told + len, sizeof(fx->told) - len, "%s %s\n", event, tenant);
}

void fixture_listen(fixture *fx)
{
    fx->core->tell = write_down;
    fx->core->tell_user = fx;
    fx->told[0] = '\0';
}

int fixture_setup(void **state)
{
    fixture *fx = calloc(1, sizeof *fx);
    if (!fx)
        return -1;
    if (!temporary_folder(fx->folder, sizeof fx->folder))
        return -1;
    snprintf(fx->path, sizeof fx->path, "%s/wxtp.db", fx->folder);
    fake_clock_init(&fx->clock);
    fake_http_init(&fx->http);
    fx->http.clock = &fx->clock;
    fixture_open_node(fx, &fx->node);
    fx->core = &fx->node.core;
    fx->op = &fx->node.op;
    *state = fx;
    return 0;
}

int fixture_setup_platform(void **state)
{
    if (fixture_setup(state))
        return -1;
    fixture *fx = *state;
    fixture_put_platform(fx, FIXTURE_PUSH_TOKEN, FIXTURE_AES_KEY, NULL, NULL);
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
    WX_AUTO_SCOPE scope = {0};
    wx_err err;
    bool applied = false;
    must(wx_scope_begin(&scope, fx->core, WXTP_TX_SYNC, &err), &err, "begin");
    must(wx_ticket_put(fx->core, scope.tx, "ticket@@@0", FAKE_EPOCH_MS / 1000, &applied, &err), &err,
         "ticket");
    must(wx_scope_commit(&scope, &err), &err, "commit");
    return 0;
}

int fixture_setup_merchant(void **state, const char *appid)
{
    if (fixture_setup_platform(state))
        return -1;
    fixture *fx = *state;
    wxtp_tenant_row row = fixture_service_account(fx, appid);
    fixture_put_tenant(fx, &row);
    fixture_put_token(fx, FIXTURE_COMPONENT, appid, "access-1", "refresh-1");
    return 0;
}

int fixture_teardown(void **state)
{
    fixture *fx = *state;
    fixture_close_node(&fx->node);
    fake_http_free(&fx->http);
    DIR *folder = opendir(fx->folder);
    if (folder) {
        for (struct dirent *entry; (entry = readdir(folder));) {
            if (entry->d_name[0] != '.')
                unlinkat(dirfd(folder), entry->d_name, 0);
        }
        closedir(folder);
    }
    rmdir(fx->folder);
    free(fx);
    return 0;
}

static void seal_field(wx_core *core, const char *field, const char *text, wx_buf *sealed, wxtp_blob *blob)
{
    wx_err err;
    must(wx_vault_seal(core, "platform", FIXTURE_COMPONENT, "", field, text, sealed, blob, &err), &err,
         "seal");
}

void fixture_put_platform(fixture *fx, const char *push_token, const char *aes_key,
                          const char *previous_push_token, const char *previous_aes_key)
{
    WX_AUTO_BUF secret = {0};
    WX_AUTO_BUF token = {0};
    WX_AUTO_BUF key = {0};
    WX_AUTO_BUF old_token = {0};
    WX_AUTO_BUF old_key = {0};
    wxtp_platform_row row = {.component_appid = FIXTURE_COMPONENT, .updated_ms = fake_clock_wall(&fx->clock)};
    seal_field(fx->core, "appsecret", FIXTURE_APPSECRET, &secret, &row.appsecret);
    seal_field(fx->core, "push_token", push_token, &token, &row.push_token);
    seal_field(fx->core, "aes_key", aes_key, &key, &row.aes_key);
    seal_field(fx->core, "previous_push_token", previous_push_token, &old_token, &row.previous_push_token);
    seal_field(fx->core, "previous_aes_key", previous_aes_key, &old_key, &row.previous_aes_key);
    WX_AUTO_SCOPE scope = {0};
    wx_err err;
    must(wx_scope_begin(&scope, fx->core, WXTP_TX_SYNC, &err), &err, "begin");
    must(wx_ops(fx->core)->platform_put(scope.tx, &row), NULL, "platform_put");
    must(wx_scope_commit(&scope, &err), &err, "commit");
}

void fixture_put_tenant(fixture *fx, const wxtp_tenant_row *row)
{
    WX_AUTO_SCOPE scope = {0};
    wx_err err;
    must(wx_scope_begin(&scope, fx->core, WXTP_TX_SYNC, &err), &err, "begin");
    must(wx_ops(fx->core)->tenant_put(scope.tx, row), NULL, "tenant_put");
    must(wx_scope_commit(&scope, &err), &err, "commit");
}

wxtp_tenant_row fixture_service_account(fixture *fx, const char *appid)
{
    int64_t now = fake_clock_wall(&fx->clock);
    wxtp_tenant_row row = wx_tenant_row_new(FIXTURE_COMPONENT, appid, now);
    row.status = WXTP_TENANT_AUTHORIZED;
    row.account = WXTP_ACCOUNT_SERVICE;
    row.service_type = 2;
    row.verify_type = 0;
    row.account_status = 1;
    row.permission_sets = "1,2,15";
    row.nick_name = "Shop";
    row.certified = 1;
    row.profile_ms = row.status_ms = now;
    return row;
}

wx_tenant *fixture_tenant(fixture *fx, const char *platform, const char *appid)
{
    WX_AUTO_SCOPE scope = {0};
    wx_err err;
    wx_err_clear(&err);
    wx_tenant *tenant = NULL;
    must(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), &err, "begin");
    must(wx_tenant_load(fx->core, scope.tx, platform, appid, &tenant, &err), &err, appid);
    return tenant;
}

void fixture_put_token(fixture *fx, const char *platform, const char *appid, const char *access,
                       const char *refresh)
{
    WX_AUTO_SCOPE scope = {0};
    wx_err err;
    must(wx_scope_begin(&scope, fx->core, WXTP_TX_SYNC, &err), &err, "begin");
    must(wx_token_install(fx->core, scope.tx, platform, appid, access, refresh, fake_clock_wall(&fx->clock),
                          7200, &err),
         &err, "install");
    must(wx_scope_commit(&scope, &err), &err, "commit");
}

static char *stored_text(fixture *fx, const char *platform, const char *appid, bool refresh)
{
    WX_AUTO_SCOPE scope = {0};
    wx_err err;
    wxtp_token_row row = {0};
    char *text = NULL;
    must(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), &err, "begin");
    wxtp_status status = wx_ops(fx->core)->token_get(scope.tx, &(wxtp_token_key){platform, appid}, &row);
    if (status == WXTP_ERR_NOT_FOUND)
        return NULL;
    must(status, NULL, "token_get");
    must(wx_vault_open(fx->core, "token", platform, appid, refresh ? "refresh" : "access",
                       refresh ? row.refresh : row.access, &text, &err),
         &err, "open a token");
    return text ? text : wx_strdup(NULL, "");
}

char *fixture_access_token(fixture *fx, const char *platform, const char *appid)
{
    return stored_text(fx, platform, appid, false);
}

char *fixture_refresh_token(fixture *fx, const char *platform, const char *appid)
{
    return stored_text(fx, platform, appid, true);
}
