#include "domain/tenant.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- Copying ---- */

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void put_text(const char **text, char **at)
{
    size_t size = strlen(or_empty(*text)) + 1;
    memcpy(*at, or_empty(*text), size);
    *text = *at;
    *at += size;
}

static size_t storage_size(const wxtp_tenant_row *row)
{
    const char *texts[] = {row->platform,       row->appid,     row->permission_sets, row->nick_name,
                           row->principal_name, row->user_name, row->token_file,      row->status_source};
    size_t size = row->appsecret.len;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size += strlen(or_empty(texts[i])) + 1;
    }
    return size;
}

static void move_texts(wxtp_tenant_row *row, char *at)
{
    put_text(&row->platform, &at);
    put_text(&row->appid, &at);
    put_text(&row->permission_sets, &at);
    put_text(&row->nick_name, &at);
    put_text(&row->principal_name, &at);
    put_text(&row->user_name, &at);
    put_text(&row->token_file, &at);
    put_text(&row->status_source, &at);
    if (row->appsecret.len > 0) {
        memcpy(at, row->appsecret.data, row->appsecret.len);
        row->appsecret.data = at;
    }
}

/* "1,2,15": the store's own text, so anything odd in it is skipped. */
static size_t parse_sets(const char *text, int *sets, size_t max)
{
    size_t count = 0;
    while (*text && count < max) {
        char *end = NULL;
        long id = strtol(text, &end, 10);
        if (end == text) {
            text++;
            continue;
        }
        if (id > 0 && id < INT32_MAX) {
            sets[count++] = (int)id;
        }
        text = end;
    }
    return count;
}

wxtp_status wx_tenant_copy(wx_core *core, const wxtp_tenant_row *row, wx_tenant **tenant, wx_err *err)
{
    wx_tenant *copy = wx_alloc(&core->allocator, sizeof *copy);
    if (!copy) {
        return wx_fail_nomem(err);
    }
    copy->row = *row;
    copy->storage = wx_alloc(&core->allocator, storage_size(row));
    copy->sets = wx_alloc_array(&core->allocator, WX_PERMISSION_SETS_MAX, sizeof *copy->sets);
    if (!copy->storage || !copy->sets) {
        wx_tenant_free(copy);
        return wx_fail_nomem(err);
    }
    move_texts(&copy->row, copy->storage);
    copy->set_count = parse_sets(copy->row.permission_sets, copy->sets, WX_PERMISSION_SETS_MAX);
    *tenant = copy;
    return WXTP_OK;
}

void wx_tenant_free(wx_tenant *tenant)
{
    if (tenant) {
        wx_free(tenant->storage);
        wx_free(tenant->sets);
        wx_free(tenant);
    }
}

void wx_tenant_free_at(wx_tenant **tenant)
{
    wx_tenant_free(*tenant);
}

/* ---- Finding ---- */

wxtp_status wx_tenant_load(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid,
                           wx_tenant **tenant, wx_err *err)
{
    wxtp_tenant_row row = {0};
    wxtp_status status = wx_ops(core)->tenant_get(tx, platform, appid, &row);
    if (status == WXTP_ERR_NOT_FOUND) {
        return status;
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, tx, status, "read the tenant", err);
    }
    return wx_tenant_copy(core, &row, tenant, err);
}

static wxtp_status load_living(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid,
                               wx_tenant **tenant, wx_err *err)
{
    wxtp_status status = wx_tenant_load(core, tx, platform, appid, tenant, err);
    if (status == WXTP_OK && *tenant && (*tenant)->row.removed) {
        wx_tenant_free(*tenant);
        *tenant = NULL;
        return WXTP_ERR_NOT_FOUND;
    }
    return status;
}

static wxtp_status fail_unknown(const char *appid, wx_err *err)
{
    wx_fail(err, WXTP_ERR_REFUSED, "%.63s is not a tenant here", appid);
    wx_err_kind(err, "unknown_tenant");
    wx_err_hint(
        err,
        "Have the merchant authorize the platform, add the account, or run `wxtp-admin tenant sync %.63s` "
        "if it has authorized before.",
        appid);
    wx_err_tenant(err, appid);
    return err->status;
}

wxtp_status wx_tenant_find(wx_core *core, const char *appid, wx_tenant **tenant, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    WX_AUTO_TENANT *authorizer = NULL;
    WX_AUTO_TENANT *alone = NULL;
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = load_living(core, scope.tx, "", appid, &alone, err);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return status;
    }
    if (core->settings.component[0]) {
        status = load_living(core, scope.tx, core->settings.component, appid, &authorizer, err);
        if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
            return status;
        }
    }
    if (alone && authorizer && core->settings.component_named) {
        *tenant = WX_TAKE(authorizer);
        return WXTP_OK;
    }
    if (alone && authorizer) {
        wx_fail(err, WXTP_ERR_AMBIGUOUS, "%.63s is a tenant of %.63s and an account of its own", appid,
                core->settings.component);
        wx_err_hint(err,
                    "Name the platform (--component %s) to mean its tenant; to use the other, remove that "
                    "tenant so.",
                    core->settings.component);
        wx_err_tenant(err, appid);
        return err->status;
    }
    if (!alone && !authorizer) {
        return core->settings.component_ambiguous ? wx_need_component(core, err) : fail_unknown(appid, err);
    }
    *tenant = alone ? WX_TAKE(alone) : WX_TAKE(authorizer);
    return WXTP_OK;
}

wxtp_status wx_tenant_find_own(wx_core *core, const char *appid, wx_tenant **tenant, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status == WXTP_OK) {
        status = load_living(core, scope.tx, "", appid, tenant, err);
    }
    return status == WXTP_ERR_NOT_FOUND ? fail_unknown(appid, err) : status;
}

wxtp_status wx_need_view(wx_core *core, const char *appid, wx_err *err)
{
    if (core->settings.component[0] || !core->settings.component_ambiguous) {
        return WXTP_OK;
    }
    if (appid) {
        WX_AUTO_TENANT *alone = NULL;
        WX_AUTO_SCOPE scope = {0};
        wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
        if (status == WXTP_OK) {
            status = wx_tenant_load(core, scope.tx, "", appid, &alone, err);
        }
        if (status != WXTP_ERR_NOT_FOUND) {
            return status;
        }
    }
    return wx_need_component(core, err);
}

/* ---- Reading ---- */

wxtp_tenant_row wx_tenant_row_new(const char *platform, const char *appid, int64_t now_ms)
{
    return (wxtp_tenant_row){
        .platform = platform,
        .appid = appid,
        .credential = WXTP_CREDENTIAL_AUTHORIZER,
        .status = WXTP_TENANT_AUTHORIZING,
        .account = WXTP_ACCOUNT_UNKNOWN,
        .service_type = -1,
        .verify_type = -1,
        .permission_sets = "",
        .nick_name = "",
        .principal_name = "",
        .user_name = "",
        .token_file = "",
        .certified = -1,
        .override_certified = -1,
        .declared_certified = -1,
        .observed_certified = -1,
        .created_ms = now_ms,
        .updated_ms = now_ms,
    };
}

bool wx_tenant_without_profile(const wxtp_tenant_row *row)
{
    return row->credential == WXTP_CREDENTIAL_OWN ||
           (row->credential == WXTP_CREDENTIAL_CLOUD && !row->token_of_platform);
}

/* WeChat itself, or qualified with the name still to come. Weibo does not count. */
static bool verify_type_certified(int verify_type)
{
    return verify_type == 0 || verify_type == 3 || verify_type == 4 || verify_type == 5;
}

wxtp_tristate wx_tenant_certified(const wxtp_tenant_row *row)
{
    if (row->override_certified != -1) {
        return row->override_certified;
    }
    if (!wx_tenant_without_profile(row)) {
        return row->profile_ms > 0 ? verify_type_certified(row->verify_type) : -1;
    }
    return row->observed_certified != -1 ? row->observed_certified : row->declared_certified;
}

const char *wx_tenant_basis(const wxtp_tenant_row *row)
{
    if (row->override_certified != -1) {
        return "operator";
    }
    if (!wx_tenant_without_profile(row)) {
        return "profile";
    }
    return row->observed_certified != -1 ? "observed" : "declared";
}

bool wx_tenant_has_set(const wx_tenant *tenant, int set)
{
    for (size_t i = 0; i < tenant->set_count; i++) {
        if (tenant->sets[i] == set) {
            return true;
        }
    }
    return false;
}

/* ---- Changing ---- */

/* An account that authorizes anew is authorizing for a while: what it showed before tells it from a new one.
 */
static bool was_authorized(const wxtp_tenant_row *row)
{
    return row->profile_ms > 0 || row->permission_sets[0] != '\0';
}

static void tell_status(wx_scope *scope, const wxtp_tenant_row *before, const wxtp_tenant_row *now)
{
    if (before->status == now->status || before->removed || now->removed) {
        return;
    }
    if (now->status == WXTP_TENANT_UNAUTHORIZED) {
        wx_scope_tell(scope, "tenant_unauthorized", now->appid, "the merchant took its authorization back");
    } else if (now->status == WXTP_TENANT_REAUTHORIZATION_REQUIRED) {
        wx_scope_tell(
            scope, "reauthorization_required", now->appid,
            "the refresh token is dead and could not be recovered; the merchant must authorize again");
    } else if (now->status == WXTP_TENANT_AUTHORIZED &&
               (before->status != WXTP_TENANT_AUTHORIZING || was_authorized(before))) {
        wx_scope_tell(scope, "tenant_back", now->appid, "the merchant's authorization is good again");
    }
}

wxtp_status wx_tenant_put(wx_scope *scope, const wxtp_tenant_row *before, wxtp_tenant_row *row, wx_err *err)
{
    wx_core *core = scope->core;
    row->certified = wx_tenant_certified(row);
    row->updated_ms = wx_wall_ms(core);
    const wxtp_status status = wx_ops(core)->tenant_put(scope->tx, row);
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope->tx, status, "store the tenant", err);
    }
    if (before) {
        tell_status(scope, before, row);
    }
    return WXTP_OK;
}

wxtp_status wx_tenant_change(wx_scope *scope, const char *platform, const char *appid,
                             bool (*change)(void *user, wxtp_tenant_row *row), void *user, wx_err *err)
{
    assert(change);
    WX_AUTO_TENANT *tenant = NULL;
    wxtp_status status = wx_tenant_load(scope->core, scope->tx, platform, appid, &tenant, err);
    if (status != WXTP_OK || !tenant) {
        return status;
    }
    wxtp_tenant_row row = tenant->row;
    return change(user, &row) ? wx_tenant_put(scope, &tenant->row, &row, err) : WXTP_OK;
}
