/* What WeChat's answers teach the gate: refusals after a yes, successes, quotas. */
#include <string.h>

#include "base/text.h"
#include "domain/account.h"
#include "domain/gate.h"
#include "domain/send.h"
#include "domain/storage.h"
#include "domain/token.h"

#define MINUTE_MS INT64_C(60000)
#define FIRST_HOLD_MS (INT64_C(10) * MINUTE_MS)
#define LONGEST_HOLD_MS (INT64_C(24) * 60 * MINUTE_MS)
#define USED_APART_MS (INT64_C(10) * MINUTE_MS)

enum { ERRCODE_NO_RIGHT = 48001, BODY_MAX = 1024 };

static wxtp_status get_hold(wx_core *core, wxtp_tx *tx, const wxtp_tenant_row *row, const char *call,
                            wxtp_hold_kind kind, wxtp_hold_row *hold, wx_err *err)
{
    const wxtp_status status = wx_ops(core)->hold_get(tx, row->platform, row->appid, call, kind, hold);
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND
               ? status
               : wx_store_fail(core, tx, status, "read the refusals kept", err);
}

/* ---- Refused after a yes ---- */

/* Ten minutes, then twice as long with each probe that is refused. Calls that were in flight together count
 * once. */
static wxtp_status keep_refusal(wx_core *core, const wx_tenant *tenant, const wx_api *api, int64_t errcode,
                                wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_hold_row hold = {0};
    const int64_t now = wx_wall_ms(core);
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_WRITE, err);
    if (status == WXTP_OK) {
        status = get_hold(core, scope.tx, &tenant->row, api->name, WXTP_HOLD_REFUSED, &hold, err);
    }
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return status;
    }
    const bool known = status == WXTP_OK;
    if (known && wx_hold_stands(&hold, now)) {
        return WXTP_OK;
    }
    const int64_t twice = hold.interval_ms * 2;
    const int64_t interval = !known ? FIRST_HOLD_MS : twice < LONGEST_HOLD_MS ? twice : LONGEST_HOLD_MS;
    const wxtp_hold_row next = {.platform = tenant->row.platform,
                                .appid = tenant->row.appid,
                                .call = api->name,
                                .kind = WXTP_HOLD_REFUSED,
                                .errcode = errcode,
                                .since_ms = known ? hold.since_ms : now,
                                .until_ms = now + interval,
                                .interval_ms = interval};
    status = wx_ops(core)->hold_put(scope.tx, &next);
    return status == WXTP_OK ? wx_scope_commit(&scope, err)
                             : wx_store_fail(core, scope.tx, status, "keep the refusal", err);
}

static bool observe_no(void *user, wxtp_tenant_row *row)
{
    (void)user;
    row->observed_certified = 0;
    return true;
}

/* An account without a profile that the operator did not declare: WeChat's first answer decides. */
static wxtp_status observe(wx_core *core, const wx_tenant *tenant, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_tenant_change(&scope, tenant->row.platform, tenant->row.appid, observe_no, NULL, err);
    }
    return status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
}

/* The reason that now stands; NULL when the facts still say yes. Only "not authorized" and its like come with
 * `hint`. */
static wxtp_status look_again(wx_core *core, const wx_tenant *tenant, const wx_api *api, const char **reason,
                              char hint[WX_HINT_MAX], wx_err *err)
{
    WX_AUTO_TENANT *fresh = NULL;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status == WXTP_OK) {
        status = wx_tenant_load(core, scope.tx, tenant->row.platform, tenant->row.appid, &fresh, err);
    }
    wx_scope_end(&scope);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return status;
    }
    return wx_gate_look(core, fresh, api, reason, hint, err);
}

static void rewrite(const wx_tenant *tenant, const wx_api *api, const char *reason, const char *hint,
                    wx_err *err)
{
    const bool dead = strcmp(reason, "reauthorization_required") == 0;
    wx_fail_after(err, dead ? WXTP_ERR_REAUTHORIZE : WXTP_ERR_REFUSED, "%s", err->message);
    wx_err_kind(err, reason);
    wx_err_hint(err, "%s", hint);
    wx_err_tenant(err, tenant->row.appid);
    (void)api;
}

static wxtp_status learn(wx_op *op, const wx_tenant *tenant, int64_t errcode, wx_err *err)
{
    if (!wx_tenant_without_profile(&tenant->row)) {
        return wx_account_refresh(op, tenant->row.appid, false, NULL, NULL, NULL, err);
    }
    const bool undeclared = tenant->row.declared_certified == -1 && tenant->row.override_certified == -1;
    return errcode == ERRCODE_NO_RIGHT && undeclared ? observe(op->core, tenant, err) : WXTP_OK;
}

void wx_gate_correct(wx_op *op, const wx_tenant *tenant, const wx_api *api, wx_err *err)
{
    wx_core *core = op->core;
    wx_err trouble = {0};
    const char *reason = NULL;
    char hint[WX_HINT_MAX] = "";
    if (learn(op, tenant, err->errcode, &trouble) != WXTP_OK) {
        wx_log(&core->log, WXTP_LOG_WARNING, "%s was refused, and its profile could not be read: %s",
               tenant->row.appid, trouble.message);
    }
    if (look_again(core, tenant, api, &reason, hint, &trouble) != WXTP_OK) {
        wx_log(&core->log, WXTP_LOG_WARNING, "%s was refused: %s", tenant->row.appid, trouble.message);
    }
    if (reason && strcmp(reason, "refused_by_wechat") != 0 && strcmp(reason, "quota_exhausted") != 0) {
        rewrite(tenant, api, reason, hint, err);
        return;
    }
    if (keep_refusal(core, tenant, api, err->errcode, &trouble) != WXTP_OK) {
        wx_log(&core->log, WXTP_LOG_WARNING, "a refusal could not be kept: %s", trouble.message);
    }
    reason = wx_gate_refused(tenant, api, err->errcode, hint);
    rewrite(tenant, api, reason ? reason : "refused_by_wechat", hint, err);
}

/* ---- Done ---- */

static wxtp_status end_hold(wx_core *core, wxtp_tx *tx, const wx_tenant *tenant, const char *call,
                            wxtp_hold_kind kind, wx_err *err)
{
    wxtp_hold_row hold = {0};
    wxtp_status status = get_hold(core, tx, &tenant->row, call, kind, &hold, err);
    if (status == WXTP_ERR_NOT_FOUND) {
        return WXTP_OK;
    }
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->hold_delete(tx, tenant->row.platform, tenant->row.appid, call, kind);
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND
               ? WXTP_OK
               : wx_store_fail(core, tx, status, "end a kept refusal", err);
}

typedef struct success {
    bool able;
    int64_t now_ms;
} success;

static bool enter_success(void *user, wxtp_tenant_row *row)
{
    const success *self = user;
    row->used_ms = self->now_ms;
    if (self->able) {
        row->observed_certified = 1;
    }
    return true;
}

wxtp_status wx_gate_confirm(wx_scope *scope, const wx_tenant *tenant, const wx_api *api, wx_err *err)
{
    wx_core *core = scope->core;
    const wxtp_tenant_row *row = &tenant->row;
    wxtp_status status = end_hold(core, scope->tx, tenant, api->name, WXTP_HOLD_REFUSED, err);
    if (status == WXTP_OK) {
        status = end_hold(core, scope->tx, tenant, api->name, WXTP_HOLD_QUOTA, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    success self = {.now_ms = wx_wall_ms(core)};
    self.able = api->certified_only && wx_tenant_without_profile(row) && row->declared_certified == -1 &&
                row->observed_certified != 1;
    const bool used_lately = row->used_ms <= self.now_ms && self.now_ms - row->used_ms < USED_APART_MS;
    if (!self.able && used_lately) {
        return WXTP_OK;
    }
    status = wx_tenant_change(scope, row->platform, row->appid, enter_success, &self, err);
    return status == WXTP_ERR_NOT_FOUND ? WXTP_OK : status;
}

/* ---- Quota ---- */

/* Whether openapi/quota/get says that something is left after all: somebody may have cleared it. */
static bool something_left(wx_op *op, const wx_tenant *tenant, const wx_api *api)
{
    wx_core *core = op->core;
    const wx_platform_api *quota = wx_catalog_platform(WX_API_QUOTA_GET);
    WX_AUTO_TOKEN token = {0};
    WX_AUTO_ANSWER answer = {0};
    WX_AUTO_BUF body;
    wx_err err = {0};
    wx_buf_init(&body, &core->allocator, BODY_MAX);
    if (tenant->row.credential == WXTP_CREDENTIAL_CLOUD ||
        wx_token_get(op, tenant, &token, &err) != WXTP_OK || !token.text ||
        !wx_buf_text(&body, "{\"cgi_path\":") || !wx_json_quote(&body, api->path) ||
        !wx_buf_text(&body, "}")) {
        return false;
    }
    const wx_request request = {.name = quota->name,
                                .path = quota->path,
                                .token_parameter = quota->token_parameter,
                                .token = token.text,
                                .body = wx_buf_str(&body),
                                .body_len = body.len,
                                .wants = "quota"};
    return wx_send(core, &request, &answer, NULL, NULL, &err) == WX_SENT_OK &&
           wx_json_int(wx_json_get(answer.json, "quota"), "remain", 0) > 0;
}

wxtp_status wx_gate_quota(wx_op *op, const wx_tenant *tenant, const wx_api *api, int64_t errcode, wx_err *err)
{
    wx_core *core = op->core;
    const wxtp_tenant_row platform = {.platform = core->settings.component, .appid = ""};
    const wxtp_tenant_row *row = tenant ? &tenant->row : &platform;
    wxtp_hold_row hold = {0};
    WX_AUTO_SCOPE look = {0};
    wxtp_status status = wx_scope_begin(&look, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = get_hold(core, look.tx, row, api->name, WXTP_HOLD_QUOTA, &hold, err);
    wx_scope_end(&look);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return status;
    }
    const int64_t now = wx_wall_ms(core);
    /* Asked once for each refusal that is new to us: a hold in force was asked about already. */
    const bool left = !wx_hold_stands(&hold, now) && tenant && something_left(op, tenant, api);
    const int64_t until = left ? now + MINUTE_MS : wx_beijing_midnight_ms(now);
    hold = (wxtp_hold_row){.platform = row->platform,
                           .appid = row->appid,
                           .call = api->name,
                           .kind = WXTP_HOLD_QUOTA,
                           .errcode = errcode,
                           .since_ms = now,
                           .until_ms = until,
                           .interval_ms = until - now};
    WX_AUTO_SCOPE scope = {0};
    status = wx_scope_begin(&scope, core, WXTP_TX_WRITE, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->hold_put(scope.tx, &hold);
    return status == WXTP_OK ? wx_scope_commit(&scope, err)
                             : wx_store_fail(core, scope.tx, status, "keep the quota refusal", err);
}
