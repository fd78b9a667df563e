/* Adding tenants: by an authorization code, own ones, and those of WeChat cloud hosting. */
#include <string.h>
#include <wxtp/tenant.h>

#include "api/handle.h"
#include "base/point.h"
#include "base/text.h"
#include "domain/account.h"
#include "domain/code.h"
#include "domain/storage.h"
#include "domain/token.h"
#include "domain/vault.h"

enum { CODE_MAX = 1024, APPSECRET_MAX = 256, PATH_BYTES = 4096, CODE_LIFE_MS = 3600 * 1000 };

static bool printable(const char *text, size_t most)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at++) {
        if (text[at] <= ' ' || text[at] > '~') {
            return false;
        }
    }
    return len >= 1 && len <= most;
}

/* ---- By an authorization code ---- */

/* Synced before the exchange leaves, as a push's code is. */
static wxtp_status store_code(wx_core *core, const char *code, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_code_put(core, scope.tx, code, "", 0, wx_wall_ms(core) + CODE_LIFE_MS, "", err);
    }
    return status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
}

static wxtp_status load_authorizer(wx_core *core, const char *appid, wxtp_tenant **tenant, wx_err *err)
{
    WX_AUTO_TENANT *found = NULL;
    wx_token_view view = {0};
    wxtp_status status = WXTP_OK;
    {
        WX_AUTO_SCOPE scope = {0};
        status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
        if (status == WXTP_OK) {
            status = wx_tenant_load(core, scope.tx, core->settings.component, appid, &found, err);
        }
    }
    if (status == WXTP_ERR_NOT_FOUND) {
        return wx_fail(err, WXTP_ERR_INTERNAL, "%s was authorized and is not stored", appid);
    }
    if (status == WXTP_OK) {
        status = wx_token_look(core, core->settings.component, appid, &view, err);
    }
    if (status == WXTP_OK) {
        found->token_state = view.state;
        found->token_version = view.generation;
        found->token_expires_ms = view.expires_ms;
        *tenant = WX_TAKE(found);
    }
    return status;
}

static wxtp_status add_by_code(wx_op *op, const char *code, wxtp_tenant **tenant, wx_err *err)
{
    char appid[WX_APPID_MAX] = "";
    const int64_t began_ms = wx_wall_ms(op->core);
    if (!code || !printable(code, CODE_MAX)) {
        return wx_fail(err, WXTP_ERR_INVALID, "the authorization code is not 1 to %d printable characters",
                       CODE_MAX);
    }
    wxtp_status status = wx_need_component(op->core, err);
    if (status == WXTP_OK) {
        status = store_code(op->core, code, err);
    }
    if (status == WXTP_OK) {
        status = wx_code_exchange(op, code, appid, err);
    }
    if (status == WXTP_OK) {
        status = load_authorizer(op->core, appid, tenant, err);
    }
    if (status == WXTP_OK && wx_stopping(op->core) && (*tenant)->row.profile_ms < began_ms) {
        status = wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked, before the profile of %.63s was read",
                         appid);
        wx_err_hint(err, "it is stored; read its profile: wxtp-admin tenant sync %.63s", appid);
        wx_err_tenant(err, appid);
    }
    return status;
}

wxtp_status wxtp_tenant_add(wxtp_platform *platform, const char *authorization_code, wxtp_tenant **tenant,
                            wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (tenant) {
        *tenant = NULL;
    }
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    door.op.person = true;
    WX_AUTO_TENANT *added = NULL;
    wxtp_status status = add_by_code(&door.op, authorization_code, &added, &err);
    if (tenant) {
        *tenant = WX_TAKE(added);
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- Own and cloud ones ---- */

typedef struct declared {
    const char *appid;
    wxtp_credential credential;
    wxtp_account account;
    wxtp_tristate certified;
    const char *appsecret;  /* own; NULL keeps the stored one */
    const char *token_file; /* cloud; "": none */
    bool of_platform;
    const wx_info *info; /* of_platform: what WeChat says */
} declared;

static wxtp_status check_declared(const declared *what, wx_err *err)
{
    if (!what->appid || !wx_appid_ok(what->appid)) {
        return wx_fail(err, WXTP_ERR_INVALID, "the appid is not 1 to 63 of A-Za-z0-9_-");
    }
    if (what->account != WXTP_ACCOUNT_UNKNOWN && what->account != WXTP_ACCOUNT_SERVICE &&
        what->account != WXTP_ACCOUNT_SUBSCRIPTION) {
        return wx_fail(err, WXTP_ERR_INVALID, "the account is neither a service nor a subscription account");
    }
    if (what->certified < -1 || what->certified > 1) {
        return wx_fail(err, WXTP_ERR_INVALID, "certified is not -1, 0 or 1");
    }
    if (what->appsecret && !printable(what->appsecret, APPSECRET_MAX)) {
        return wx_fail(err, WXTP_ERR_INVALID,
                       "the appsecret is not 1 to 256 printable characters without blanks");
    }
    if (strlen(what->token_file) >= PATH_BYTES) {
        return wx_fail(err, WXTP_ERR_INVALID, "the path of the token file is too long");
    }
    if (what->of_platform && what->token_file[0] == '\0') {
        return wx_fail(err, WXTP_ERR_INVALID, "a platform's token for this account needs the token file");
    }
    return WXTP_OK;
}

/* What was declared before stays where nothing is declared now. */
static void enter_declared(const declared *what, wxtp_tenant_row *row, int64_t now_ms)
{
    row->credential = what->credential;
    row->status = WXTP_TENANT_AUTHORIZED;
    row->status_ms = now_ms;
    row->status_source = WX_SOURCE_OPERATOR;
    if (what->account != WXTP_ACCOUNT_UNKNOWN) {
        row->account = what->account;
    }
    if (what->certified != -1) {
        row->declared_certified = what->certified;
        row->observed_certified = -1; /* what WeChat answered before this word may be out of date */
    }
    if (what->credential == WXTP_CREDENTIAL_CLOUD) {
        row->token_file = what->token_file;
        row->token_of_platform = what->of_platform;
    }
    if (what->info) {
        wx_info_enter(what->info, row);
    }
}

static wxtp_status other_kind(const declared *what, wx_err *err)
{
    (void)wx_fail(err, WXTP_ERR_EXISTS, "%s is stored as a%s account already", what->appid,
                  what->credential == WXTP_CREDENTIAL_OWN ? " cloud" : "n own");
    wx_err_tenant(err, what->appid);
    wx_err_hint(err, "Remove the tenant first.");
    return err->status;
}

/* A refusal that WeChat gave before counts no more, as the account has been declared anew. */
static wxtp_status put_declared(wx_scope *scope, const declared *what, const wx_tenant *stored,
                                wxtp_tenant_row *row, wx_err *err)
{
    wx_core *core = scope->core;
    WX_AUTO_BUF sealed = {0};
    if (what->appsecret) {
        wxtp_status status = wx_vault_seal(core, "tenant", "", what->appid, "appsecret", what->appsecret,
                                           &sealed, &row->appsecret, err);
        if (status != WXTP_OK) {
            return status;
        }
    }
    wxtp_status status = wx_tenant_put(scope, stored ? &stored->row : NULL, row, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->hold_delete(scope->tx, "", what->appid, NULL, WXTP_HOLD_REFUSED);
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND
               ? WXTP_OK
               : wx_store_fail(core, scope->tx, status, "end the kept refusals", err);
}

static wxtp_status add_declared(wx_core *core, const declared *what, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    WX_AUTO_TENANT *stored = NULL;
    int64_t now_ms = wx_wall_ms(core);
    wxtp_tenant_row row = wx_tenant_row_new("", what->appid, now_ms);
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_tenant_load(core, scope.tx, "", what->appid, &stored, err);
    }
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return status;
    }
    if (stored && !stored->row.removed) {
        if (stored->row.credential != what->credential) {
            return other_kind(what, err);
        }
        row = stored->row;
    }
    if (what->credential == WXTP_CREDENTIAL_OWN && !what->appsecret && row.appsecret.len == 0) {
        return wx_fail(err, WXTP_ERR_INVALID, "a new account needs its appsecret");
    }
    enter_declared(what, &row, now_ms);
    status = put_declared(&scope, what, stored, &row, err);
    WX_POINT("tenant.declaring");
    status = status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
    WX_POINT("tenant.declared");
    return status;
}

wxtp_status wxtp_tenant_add_own(wxtp_platform *platform, const char *appid, const char *appsecret,
                                wxtp_account account, wxtp_tristate certified, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    const declared what = {
        .appid = appid,
        .credential = WXTP_CREDENTIAL_OWN,
        .account = account,
        .certified = certified,
        .appsecret = appsecret,
        .token_file = "",
    };
    wxtp_status status = check_declared(&what, &err);
    if (status == WXTP_OK) {
        status = add_declared(door.op.core, &what, &err);
    }
    return wx_leave(&door, status, &err, error);
}

/* Of the platform: the gate judges by the profile, so there must be one. */
static wxtp_status add_of_platform(wx_op *op, declared *what, wx_err *err)
{
    WX_AUTO_INFO info = {0};
    wxtp_status status = wx_need_component(op->core, err);
    if (status == WXTP_OK) {
        status = wx_info_read(op, what->appid, &info, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    if (!info.authorized) {
        (void)wx_fail(err, WXTP_ERR_REFUSED, "%s has not authorized the platform", what->appid);
        wx_err_kind(err, "unauthorized");
        wx_err_tenant(err, what->appid);
        wx_err_hint(err, "Have the merchant authorize the platform by an authorization link.");
        return err->status;
    }
    what->info = &info;
    status = add_declared(op->core, what, err);
    what->info = NULL;
    return status;
}

wxtp_status wxtp_tenant_add_cloud(wxtp_platform *platform, const char *appid, const char *token_file,
                                  bool of_platform, wxtp_account account, wxtp_tristate certified,
                                  wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    declared what = {
        .appid = appid,
        .credential = WXTP_CREDENTIAL_CLOUD,
        .account = account,
        .certified = certified,
        .token_file = token_file ? token_file : "",
        .of_platform = of_platform,
    };
    door.op.person = true;
    wxtp_status status = check_declared(&what, &err);
    if (status == WXTP_OK) {
        status =
            of_platform ? add_of_platform(&door.op, &what, &err) : add_declared(door.op.core, &what, &err);
    }
    return wx_leave(&door, status, &err, error);
}
