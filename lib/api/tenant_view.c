/* Looking at tenants: nothing here asks WeChat or changes anything. */
#include <string.h>
#include <wxtp/tenant.h>

#include "api/handle.h"
#include "base/text.h"
#include "domain/gate.h"
#include "domain/storage.h"
#include "domain/token.h"
#include "flow/dispatch.h"

enum { LIST_MAX = 10000, PAGE = 64 };

/* Sorts after every platform, so that paging goes on behind the last tenant of an appid. */
static const char last_platform[] = "~";

static void enter_view(wx_tenant *tenant, const wx_token_view *view)
{
    tenant->token_state = view->state;
    tenant->token_version = view->generation;
    tenant->token_expires_ms = view->expires_ms;
}

wxtp_status wxtp_tenant_get(wxtp_platform *platform, const char *appid, wxtp_tenant **tenant,
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
    WX_AUTO_TENANT *found = NULL;
    wx_token_view view = {0};
    wxtp_status status =
        appid && tenant ? wx_tenant_find(door.op.core, appid, &found, &err)
                        : wx_fail(&err, WXTP_ERR_INVALID, "no appid or no place for the tenant was given");
    if (status == WXTP_OK) {
        status = wx_token_look(door.op.core, found->row.platform, found->row.appid, &view, &err);
    }
    if (status == WXTP_OK) {
        enter_view(found, &view);
        *tenant = WX_TAKE(found);
    }
    return wx_leave(&door, status, &err, error);
}

wxtp_status wxtp_tenant_get_own(wxtp_platform *platform, const char *appid, wxtp_tenant **tenant,
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
    WX_AUTO_TENANT *found = NULL;
    wx_token_view view = {0};
    wxtp_status status =
        appid && tenant ? wx_tenant_find_own(door.op.core, appid, &found, &err)
                        : wx_fail(&err, WXTP_ERR_INVALID, "no appid or no place for the tenant was given");
    if (status == WXTP_OK) {
        status = wx_token_look(door.op.core, "", found->row.appid, &view, &err);
    }
    if (status == WXTP_OK) {
        enter_view(found, &view);
        *tenant = WX_TAKE(found);
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- The list ---- */

/* Copies of a page, so that no transaction is open while the host looks at them. */
typedef struct page {
    wx_core *core;
    wx_tenant *tenants[PAGE];
    size_t count;
    wxtp_status status;
    wx_err *err;
} page;

static bool see_tenant(void *user, const wxtp_tenant_row *row)
{
    page *p = user;
    p->status = wx_tenant_copy(p->core, row, &p->tenants[p->count], p->err);
    p->count += p->status == WXTP_OK ? 1 : 0;
    return p->status == WXTP_OK && p->count < PAGE;
}

static void page_clear(page *p)
{
    while (p->count > 0) {
        wx_tenant_free(p->tenants[--p->count]);
    }
}

static wxtp_status page_tokens(page *p, wxtp_tx *tx)
{
    for (size_t at = 0; at < p->count; at++) {
        wx_tenant *tenant = p->tenants[at];
        const wxtp_token_key key = {tenant->row.platform, tenant->row.appid};
        wxtp_token_row row = {0};
        wx_token_view view = {0};
        wxtp_status status = wx_ops(p->core)->token_get(tx, &key, &row);
        if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
            return wx_store_fail(p->core, tx, status, "read a token", p->err);
        }
        status = wx_token_view_get(p->core, status == WXTP_OK ? &row : NULL, &view);
        if (status != WXTP_OK) {
            return wx_fail(p->err, status, "could not judge a token's state");
        }
        enter_view(tenant, &view);
    }
    return WXTP_OK;
}

static wxtp_status page_load(page *p, const wxtp_tenant_filter *filter)
{
    WX_AUTO_SCOPE scope = {0};
    p->status = WXTP_OK;
    if (wx_scope_begin(&scope, p->core, WXTP_TX_READ, p->err) != WXTP_OK) {
        return p->err->status;
    }
    wxtp_status status = wx_ops(p->core)->tenant_list(scope.tx, filter, see_tenant, p);
    if (status != WXTP_OK) {
        return wx_store_fail(p->core, scope.tx, status, "list the tenants", p->err);
    }
    return p->status == WXTP_OK ? page_tokens(p, scope.tx) : p->status;
}

typedef struct visit {
    bool (*each)(void *user, const wxtp_tenant *tenant);
    void *user;
    size_t left;
    char appid[WX_APPID_MAX], platform[WX_APPID_MAX]; /* of the last one visited */
} visit;

/*
 * False when the visit is over. Who goes on behind an appid would miss its second tenant (one of the
 * platform, one own or cloud): so both are visited though the limit is reached in between.
 */
static bool visit_page(visit *v, const page *p)
{
    for (size_t at = 0; at < p->count; at++) {
        const wx_tenant *tenant = p->tenants[at];
        bool second = strcmp(v->appid, tenant->row.appid) == 0;
        if (v->left == 0 && !second) {
            return false;
        }
        (void)wx_copy(v->appid, sizeof(v->appid), tenant->row.appid);
        (void)wx_copy(v->platform, sizeof(v->platform), tenant->row.platform);
        v->left -= v->left > 0 ? 1 : 0;
        if (!v->each(v->user, tenant)) {
            return false;
        }
    }
    return p->count == PAGE;
}

static wxtp_status list(wx_core *core, int status, int certified, visit *v, wx_err *err)
{
    page p = {.core = core, .err = err};
    wxtp_tenant_filter filter = {
        .platform = core->settings.component,
        .status = status,
        .certified = certified,
        .credential = -1,
        .limit = PAGE,
    };
    bool more = true;
    while (more) {
        filter.after_appid = v->appid[0] != '\0' ? v->appid : NULL;
        filter.after_platform = v->platform;
        wxtp_status done = page_load(&p, &filter);
        if (done != WXTP_OK) {
            page_clear(&p);
            return done;
        }
        more = visit_page(v, &p);
        page_clear(&p);
    }
    return WXTP_OK;
}

wxtp_status wxtp_tenant_list(wxtp_platform *platform, int status, int certified, const char *after_appid,
                             size_t limit, bool (*each)(void *user, const wxtp_tenant *tenant), void *user,
                             wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    visit v = {.each = each, .user = user, .left = limit};
    wx_core *core = door.op.core;
    wxtp_status done = WXTP_OK;
    if (!each || limit > LIST_MAX || status < -1 || status > WXTP_TENANT_REAUTHORIZATION_REQUIRED ||
        certified < -1 || certified > 1 ||
        (after_appid && after_appid[0] != '\0' && !wx_appid_ok(after_appid))) {
        done =
            wx_fail(&err, WXTP_ERR_INVALID, "a filter of the list is out of range, or no visitor was given");
    } else {
        done = wx_need_view(core, NULL, &err);
    }
    if (done == WXTP_OK && limit > 0) {
        (void)wx_copy(v.appid, sizeof(v.appid), after_appid);
        (void)wx_copy(v.platform, sizeof(v.platform), last_platform);
        done = list(core, status, certified, &v, &err);
    }
    return wx_leave(&door, done, &err, error);
}

/* ---- The gate, dry ---- */

static wxtp_status check(wx_core *core, const char *appid, const char *call, wxtp_verdict_on_call *verdict,
                         wx_err *err)
{
    const wx_api *api = wx_api_find(core, call);
    if (!api) {
        return wx_fail(err, WXTP_ERR_NOT_FOUND, "the catalog has no call \"%.63s\"", call);
    }
    WX_AUTO_TENANT *tenant = NULL;
    wxtp_status status = wx_tenant_find(core, appid, &tenant, err);
    if (status != WXTP_OK && (status != WXTP_ERR_REFUSED || strcmp(err->kind, "unknown_tenant") != 0)) {
        return status;
    }
    const char *reason = NULL;
    char hint[WX_HINT_MAX] = "";
    wx_err_clear(err);
    status = wx_gate_look(core, tenant, api, &reason, hint, err);
    if (status == WXTP_OK) {
        verdict->allowed = !reason;
        (void)wx_copy(verdict->reason, sizeof(verdict->reason), reason);
        (void)wx_copy(verdict->hint, sizeof(verdict->hint), reason ? hint : "");
    }
    return status;
}

wxtp_status wxtp_tenant_check(wxtp_platform *platform, const char *appid, const char *call,
                              wxtp_verdict_on_call *verdict, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = WXTP_OK;
    if (!appid || !call || !verdict || verdict->struct_size < sizeof(*verdict)) {
        status = wx_fail(&err, WXTP_ERR_INVALID,
                         "no appid, call or verdict was given, or the verdict's struct_size is too small");
    } else {
        *verdict = (wxtp_verdict_on_call){.struct_size = verdict->struct_size};
        status = check(door.op.core, appid, call, verdict, &err);
    }
    return wx_leave(&door, status, &err, error);
}

void wxtp_catalog_each(wxtp_platform *platform, bool (*each)(void *user, const char *call), void *user)
{
    if (!platform || !each) {
        return;
    }
    for (size_t at = 0; at < platform->core.catalog_count; at++) {
        if (!each(user, platform->core.catalog[at].name)) {
            return;
        }
    }
}

/* ---- Getters ---- */

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

const char *wxtp_tenant_platform(const wxtp_tenant *tenant)
{
    return or_empty(tenant ? tenant->row.platform : NULL);
}

const char *wxtp_tenant_appid(const wxtp_tenant *tenant)
{
    return or_empty(tenant ? tenant->row.appid : NULL);
}

const char *wxtp_tenant_nick_name(const wxtp_tenant *tenant)
{
    return or_empty(tenant ? tenant->row.nick_name : NULL);
}

const char *wxtp_tenant_principal_name(const wxtp_tenant *tenant)
{
    return or_empty(tenant ? tenant->row.principal_name : NULL);
}

const char *wxtp_tenant_user_name(const wxtp_tenant *tenant)
{
    return or_empty(tenant ? tenant->row.user_name : NULL);
}

wxtp_account wxtp_tenant_account(const wxtp_tenant *tenant)
{
    return tenant ? tenant->row.account : WXTP_ACCOUNT_UNKNOWN;
}

int wxtp_tenant_service_type(const wxtp_tenant *tenant)
{
    return tenant ? tenant->row.service_type : -1;
}

int wxtp_tenant_verify_type(const wxtp_tenant *tenant)
{
    return tenant ? tenant->row.verify_type : -1;
}

bool wxtp_tenant_has_profile(const wxtp_tenant *tenant)
{
    return tenant && tenant->row.profile_ms > 0;
}

wxtp_tristate wxtp_tenant_certified(const wxtp_tenant *tenant)
{
    return tenant ? tenant->row.certified : -1;
}

const char *wxtp_tenant_basis(const wxtp_tenant *tenant)
{
    return tenant ? wx_tenant_basis(&tenant->row) : "";
}

const int *wxtp_tenant_permission_sets(const wxtp_tenant *tenant, size_t *count)
{
    if (count) {
        *count = tenant ? tenant->set_count : 0;
    }
    return tenant ? tenant->sets : NULL;
}

wxtp_tenant_status wxtp_tenant_status_of(const wxtp_tenant *tenant)
{
    return tenant ? tenant->row.status : WXTP_TENANT_UNAUTHORIZED;
}

wxtp_credential wxtp_tenant_credential(const wxtp_tenant *tenant)
{
    return tenant ? tenant->row.credential : WXTP_CREDENTIAL_AUTHORIZER;
}

wxtp_token_state wxtp_tenant_token_state(const wxtp_tenant *tenant)
{
    return tenant ? (wxtp_token_state)tenant->token_state : WXTP_TOKEN_NONE;
}

int64_t wxtp_tenant_token_version(const wxtp_tenant *tenant)
{
    return tenant ? tenant->token_version : 0;
}

int64_t wxtp_tenant_token_expires_ms(const wxtp_tenant *tenant)
{
    return tenant ? tenant->token_expires_ms : 0;
}

int64_t wxtp_tenant_account_status(const wxtp_tenant *tenant)
{
    return tenant ? tenant->row.account_status : 0;
}

int64_t wxtp_tenant_profile_ms(const wxtp_tenant *tenant)
{
    return tenant ? tenant->row.profile_ms : 0;
}

void wxtp_tenant_free(wxtp_tenant *tenant)
{
    wx_tenant_free(tenant);
}
