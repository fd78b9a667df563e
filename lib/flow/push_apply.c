#include "flow/push_apply.h"

#include <string.h>

#include "base/text.h"
#include "domain/code.h"
#include "domain/storage.h"
#include "domain/ticket.h"
#include "domain/token.h"

enum {
    CODE_LIFE_MS = 3600 * 1000,
    ASK_MS = 3000, /* WeChat waits five seconds for the answer */
};

/* Below it, a time is a number of seconds from now: 2001. */
#define UNIX_TIMES_FROM INT64_C(1000000000)

static wxtp_status ignored(wxtp_push *push, const char *why)
{
    push->applied = false;
    wx_copy(push->why, sizeof(push->why), why);
    return WXTP_OK;
}

static wxtp_status ignored_as_older(wxtp_push *push)
{
    push->older = true;
    return ignored(push, "older than what is stored");
}

/* ---- Rows ---- */

/* `before` NULL: it is new. */
static wxtp_status put_row(wx_scope *scope, const wx_tenant *before, wxtp_tenant_row *row, wx_err *err)
{
    wx_core *core = scope->core;
    wxtp_status status = wx_tenant_put(scope, before ? &before->row : NULL, row, err);
    if (status != WXTP_OK) {
        return status;
    }
    /* A change of authorization ends what WeChat refused before it. */
    status = wx_ops(core)->hold_delete(scope->tx, row->platform, row->appid, NULL, WXTP_HOLD_REFUSED);
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND
               ? WXTP_OK
               : wx_store_fail(core, scope->tx, status, "end the kept refusals", err);
}

typedef struct cloud_change {
    const wxtp_push *push;
    wxtp_tenant_status to;
    int64_t now_ms;
    bool found; /* a cloud account that uses the platform's token: its authorization is this platform's affair
                 */
} cloud_change;

static bool change_cloud(void *user, wxtp_tenant_row *row)
{
    cloud_change *self = user;
    self->found = !row->removed && !wx_tenant_without_profile(row);
    if (!self->found || self->push->create_time_s < row->event_time_s) {
        return false;
    }
    row->status = self->to;
    row->status_ms = self->now_ms;
    row->status_source = self->push->source;
    row->event_time_s = self->push->create_time_s;
    return true;
}

static wxtp_status tell_cloud(wx_scope *scope, const wxtp_push *push, wxtp_tenant_status to, bool *found,
                              wx_err *err)
{
    cloud_change self = {.push = push, .to = to, .now_ms = wx_wall_ms(scope->core)};
    const wxtp_status status = wx_tenant_change(scope, "", push->authorizer, change_cloud, &self, err);
    *found = self.found;
    return status == WXTP_ERR_NOT_FOUND ? WXTP_OK : status;
}

/* ---- authorized, updateauthorized ---- */

static const char *code_of(const wxtp_push *push)
{
    const char *code = wx_xml_get(&push->fields, "AuthorizationCode");
    return code && *code ? code : NULL;
}

static int64_t code_expires_ms(const wx_core *core, const wxtp_push *push)
{
    const char *text = wx_xml_get(&push->fields, "AuthorizationCodeExpiredTime");
    const int64_t now = wx_wall_ms(core);
    int64_t seconds = 0;
    if (!text || !wx_text_int64(text, strlen(text), &seconds) || seconds <= 0 || seconds > INT64_MAX / 2000) {
        return now + CODE_LIFE_MS;
    }
    return seconds < UNIX_TIMES_FROM ? now + seconds * 1000 : seconds * 1000;
}

static wxtp_status keep_code(wx_core *core, wxtp_tx *tx, wxtp_push *push, const char *code, bool *spent,
                             wx_err *err)
{
    wxtp_code_state state = WXTP_CODE_PENDING;
    wxtp_status status = wx_code_state_get(core, tx, code, &state, err);
    if (status == WXTP_OK) {
        *spent = state == WXTP_CODE_DONE || state == WXTP_CODE_BAD;
    } else if (status != WXTP_ERR_NOT_FOUND) {
        return status;
    }
    status = wx_code_put(core, tx, code, push->authorizer, push->create_time_s, code_expires_ms(core, push),
                         push->source, err);
    if (status != WXTP_OK) {
        return status;
    }
    wx_free(WX_TAKE(push->code));
    push->code = wx_strdup(&core->allocator, code);
    return push->code ? WXTP_OK : wx_fail_nomem(err);
}

/* A row that is authorized stays so while its new code waits; every other begins anew, also one that was
 * removed. */
static bool enter_authorization(const wxtp_push *push, bool waits, int64_t now_ms, wxtp_tenant_row *row)
{
    if (row->removed && !waits) {
        return false;
    }
    if (waits && (row->removed || row->status != WXTP_TENANT_AUTHORIZED)) {
        row->status = WXTP_TENANT_AUTHORIZING;
    }
    row->removed = false;
    row->status_ms = now_ms;
    row->status_source = push->source;
    row->event_time_s = push->create_time_s > row->event_time_s ? push->create_time_s : row->event_time_s;
    return true;
}

static wxtp_status apply_authorized(wx_scope *scope, wxtp_push *push, wx_err *err)
{
    wx_core *core = scope->core;
    wxtp_tx *tx = scope->tx;
    const char *component = core->settings.component;
    const char *code = code_of(push);
    WX_AUTO_TENANT *tenant = NULL;
    bool spent = false;
    bool cloud = false;
    if (!push->authorizer[0] && !code) {
        return ignored(push, "it names neither an authorizer nor a code");
    }
    wxtp_status status = wx_tenant_load(core, tx, component, push->authorizer, &tenant, err);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return status;
    }
    if (tenant && push->create_time_s > 0 && push->create_time_s < tenant->row.event_time_s) {
        return ignored_as_older(push);
    }
    push->applied = true;
    status = code ? keep_code(core, tx, push, code, &spent, err) : WXTP_OK;
    if (status != WXTP_OK || !push->authorizer[0]) {
        return status;
    }
    status = tell_cloud(scope, push, WXTP_TENANT_AUTHORIZED, &cloud, err);
    if (status != WXTP_OK || (cloud && !tenant)) {
        return status; /* two rows of one appid would be ambiguous */
    }
    const int64_t now = wx_wall_ms(core);
    const bool waits = code && !spent;
    wxtp_tenant_row row = tenant ? tenant->row : wx_tenant_row_new(component, push->authorizer, now);
    if (!tenant && !waits) {
        return ignored(push, "it brings no code to exchange");
    }
    return enter_authorization(push, waits, now, &row)
               ? put_row(scope, tenant, &row, err)
               : ignored(push, "its code was exchanged before the removal");
}

/* ---- unauthorized ---- */

/* Whether WeChat's time leaves open which of two events was first. */
static bool in_doubt(const wxtp_push *push, const wxtp_tenant_row *row)
{
    return row->status != WXTP_TENANT_UNAUTHORIZED &&
           (push->create_time_s == 0 || push->create_time_s == row->event_time_s);
}

static wxtp_status by_info(wx_scope *scope, wxtp_push *push, const wx_push_doubt *doubt, wx_err *err)
{
    wx_core *core = scope->core;
    if (!doubt->answered) {
        return ignored(push,
                       "its order is not told, and WeChat could not be asked; the next call will show it");
    }
    wx_account_change change = {0};
    wxtp_status status =
        wx_account_enter(scope, push->authorizer, &doubt->before, &doubt->info, false, &change, err);
    if (status != WXTP_OK || change.authorized) {
        return status == WXTP_OK ? ignored(push, "WeChat says that the account is authorized") : status;
    }
    push->applied = true;
    return wx_token_forget(core, scope->tx, core->settings.component, push->authorizer, err);
}

static wxtp_status apply_unauthorized(wx_scope *scope, wxtp_push *push, const wx_push_doubt *doubt,
                                      wx_err *err)
{
    wx_core *core = scope->core;
    wxtp_tx *tx = scope->tx;
    WX_AUTO_TENANT *tenant = NULL;
    bool cloud = false;
    if (!push->authorizer[0]) {
        return ignored(push, "it names no authorizer");
    }
    wxtp_status status = wx_tenant_load(core, tx, core->settings.component, push->authorizer, &tenant, err);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return status;
    }
    push->applied = true;
    if (!tenant) {
        return tell_cloud(scope, push, WXTP_TENANT_UNAUTHORIZED, &cloud, err);
    }
    wxtp_tenant_row row = tenant->row;
    if (push->create_time_s > 0 && push->create_time_s < row.event_time_s) {
        return ignored_as_older(push);
    }
    if (in_doubt(push, &row)) {
        return by_info(scope, push, doubt, err);
    }
    row.status = WXTP_TENANT_UNAUTHORIZED;
    row.status_ms = wx_wall_ms(core);
    row.status_source = push->source;
    row.event_time_s = push->create_time_s > row.event_time_s ? push->create_time_s : row.event_time_s;
    status = put_row(scope, tenant, &row, err);
    if (status == WXTP_OK) {
        status = wx_token_forget(core, tx, core->settings.component, push->authorizer, err);
    }
    return status == WXTP_OK ? tell_cloud(scope, push, WXTP_TENANT_UNAUTHORIZED, &cloud, err) : status;
}

/* ---- The ticket ---- */

static wxtp_status apply_ticket(wx_scope *scope, wxtp_push *push, const wx_push_doubt *doubt, wx_err *err)
{
    const char *ticket = wx_xml_get(&push->fields, "ComponentVerifyTicket");
    (void)doubt;
    if (!ticket || !*ticket) {
        return ignored(push, "it brings no ticket");
    }
    const wxtp_status status =
        wx_ticket_put(scope->core, scope->tx, ticket, push->create_time_s, &push->applied, err);
    return status == WXTP_OK && !push->applied ? ignored_as_older(push) : status;
}

/* ---- Which is which ---- */

static wxtp_status apply_authorization(wx_scope *scope, wxtp_push *push, const wx_push_doubt *doubt,
                                       wx_err *err)
{
    (void)doubt;
    return apply_authorized(scope, push, err);
}

static const struct {
    const char *event;
    wxtp_status (*apply)(wx_scope *scope, wxtp_push *push, const wx_push_doubt *doubt, wx_err *err);
} events[] = {
    {"component_verify_ticket", apply_ticket},
    {"authorized", apply_authorization},
    {"updateauthorized", apply_authorization},
    {"unauthorized", apply_unauthorized},
};

wxtp_status wx_push_apply(wx_scope *scope, wxtp_push *push, const wx_push_doubt *doubt, wx_err *err)
{
    wx_core *core = scope->core;
    for (size_t i = 0; push->kind == WX_PUSH_EVENT && i < sizeof(events) / sizeof(events[0]); i++) {
        if (strcmp(push->event, events[i].event) == 0) {
            return events[i].apply(scope, push, doubt, err);
        }
    }
    push->applied = true; /* the host's affair */
    if (push->code) {
        /* The release test's, which nobody needs to know the owner of. */
        return wx_code_put(core, scope->tx, push->code, "", push->create_time_s,
                           wx_wall_ms(core) + CODE_LIFE_MS, push->source, err);
    }
    return WXTP_OK;
}

wxtp_status wx_push_recall_code(wx_core *core, wxtp_tx *tx, wxtp_push *push, wx_err *err)
{
    wxtp_code_state state = WXTP_CODE_PENDING;
    const char *code = push->kind == WX_PUSH_EVENT ? code_of(push) : NULL;
    if (!code) {
        return WXTP_OK;
    }
    const wxtp_status status = wx_code_state_get(core, tx, code, &state, err);
    if (status != WXTP_OK) {
        return status == WXTP_ERR_NOT_FOUND ? WXTP_OK : status;
    }
    push->code = wx_strdup(&core->allocator, code);
    return push->code ? WXTP_OK : wx_fail_nomem(err);
}

/* ---- Doubt ---- */

void wx_push_doubt_free(wx_push_doubt *doubt)
{
    wx_info_free(&doubt->info);
}

static wxtp_status needs_asking(wx_core *core, const wxtp_push *push, bool *needs, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_tenant_row row = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->tenant_get(scope.tx, core->settings.component, push->authorizer, &row);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, scope.tx, status, "read the tenant", err);
    }
    *needs = status == WXTP_OK && in_doubt(push, &row);
    return WXTP_OK;
}

wxtp_status wx_push_ask(wx_op *op, const wxtp_push *push, wx_push_doubt *doubt, wx_err *err)
{
    wx_core *core = op->core;
    if (push->kind != WX_PUSH_EVENT || strcmp(push->event, "unauthorized") != 0 || !push->authorizer[0]) {
        return WXTP_OK;
    }
    wxtp_status status = needs_asking(core, push, &doubt->asked, err);
    if (status != WXTP_OK || !doubt->asked) {
        return status;
    }
    status = wx_account_look(core, push->authorizer, &doubt->before, err);
    if (status != WXTP_OK) {
        return status;
    }
    /* WeChat waits five seconds for the answer to its push: one try. */
    wx_patience none;
    wx_patience_init(&none, 0);
    wx_op quick = {
        .core = core, .patience = &none, .job_id = op->job_id, .deadline_boot_ms = wx_boot_ms(core) + ASK_MS};
    wx_err trouble = {0};
    doubt->answered = wx_info_read(&quick, push->authorizer, &doubt->info, &trouble) == WXTP_OK;
    wx_patience_destroy(&none);
    if (!doubt->answered) {
        wx_log(&core->log, WXTP_LOG_WARNING, "%s: an event's order could not be asked for: %s",
               push->authorizer, trouble.message);
    }
    return WXTP_OK;
}
