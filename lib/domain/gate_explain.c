#include "domain/gate_explain.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "codec/errcode.h"
#include "domain/storage.h"
#include "domain/ticket.h"
#include "domain/token.h"

typedef struct explaining {
    wx_op *op;
    const char *appid;
    const wx_api *api;
    wx_tenant *tenant; /* NULL: unknown */
    wx_gate_facts facts;
    wx_explanation *to;
    wx_err token_trouble; /* status WXTP_OK: none */
} explaining;

static const char *info_name(void)
{
    return wx_catalog_platform(WX_API_GET_AUTHORIZER_INFO)->name;
}

static void put_time(char *text, size_t size, const char *before, int64_t wall_ms)
{
    const time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    char time[32] = "?";
    if (gmtime_r(&seconds, &utc)) {
        (void)strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%SZ", &utc);
    }
    (void)snprintf(text, size, "%s%s", before, time);
}

/* ---- What taught it ---- */

static void taught(wx_condition *condition, const char *source, int64_t read_ms)
{
    wx_copy(condition->source, sizeof(condition->source), source);
    condition->read_ms = read_ms;
}

/* By the profile, or for accounts without one by the operator who declared it. */
static void taught_by_profile(wx_condition *condition, const wxtp_tenant_row *row, bool declared)
{
    if (!wx_tenant_without_profile(row)) {
        taught(condition, row->profile_ms > 0 ? info_name() : "", row->profile_ms);
    } else if (declared) {
        taught(condition, WX_SOURCE_OPERATOR, 0);
    }
}

static wxtp_status find_maker(explaining *self, const char *call, int64_t generation, bool exchange,
                              wx_condition *condition, wx_err *err)
{
    wx_core *core = self->op->core;
    const wxtp_maker_filter filter = {.platform = self->tenant->row.platform,
                                      .appid = self->tenant->row.appid,
                                      .before_id = INT64_MAX,
                                      .generation = generation,
                                      .call = call};
    wxtp_audit_row row = {0};
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->audit_maker(scope.tx, &filter, &row);
    if (status == WXTP_OK) {
        taught(condition, exchange ? row.source : row.call, row.time_ms);
    }
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND
               ? WXTP_OK
               : wx_store_fail(core, scope.tx, status, "read the audit record", err);
}

/* ---- The conditions ---- */

typedef wxtp_status teller(explaining *self, wx_condition *condition, wx_err *err);

static wxtp_status tell_known(explaining *self, wx_condition *condition, wx_err *err)
{
    static const char *const words[] = {[WXTP_CREDENTIAL_AUTHORIZER] = "authorizer of ",
                                        [WXTP_CREDENTIAL_OWN] = "own account",
                                        [WXTP_CREDENTIAL_CLOUD] = "account of WeChat cloud hosting"};
    if (!self->tenant) {
        wx_copy(condition->value, sizeof(condition->value), "no such tenant");
        return WXTP_OK;
    }
    const wxtp_tenant_row *row = &self->tenant->row;
    (void)snprintf(condition->value, sizeof(condition->value), "%s%s", words[row->credential], row->platform);
    if (row->credential != WXTP_CREDENTIAL_AUTHORIZER) {
        taught(condition, WX_SOURCE_OPERATOR, row->created_ms);
        return WXTP_OK;
    }
    const wxtp_status status =
        find_maker(self, wx_catalog_platform(WX_API_QUERY_AUTH)->name, 0, true, condition, err);
    condition->read_ms = row->created_ms;
    return status;
}

static wxtp_status tell_authorized(explaining *self, wx_condition *condition, wx_err *err)
{
    static const char *const words[] = {[WXTP_TENANT_AUTHORIZING] = "authorizing",
                                        [WXTP_TENANT_AUTHORIZED] = "authorized",
                                        [WXTP_TENANT_UNAUTHORIZED] = "unauthorized",
                                        [WXTP_TENANT_REAUTHORIZATION_REQUIRED] = "reauthorization_required"};
    const wxtp_tenant_row *row = &self->tenant->row;
    (void)err;
    wx_copy(condition->value, sizeof(condition->value), words[row->status]);
    taught(condition, row->status_source, row->status_ms);
    return WXTP_OK;
}

static const char *account_status_word(int status)
{
    switch (status) {
    case 0:
        return "not told";
    case 1:
        return "normal";
    case 14:
        return "deregistered";
    case 16:
        return "banned";
    case 18:
        return "warned";
    case 19:
        return "frozen";
    default:
        return "other";
    }
}

static bool restricted(const wx_gate_facts *facts)
{
    return facts->refused_until_ms > facts->now_ms &&
           wx_errcode_find(facts->refused_errcode)->class_ == WX_ERRCODE_RESTRICTED;
}

static void taught_by_refusal(explaining *self, wx_condition *condition)
{
    char source[WX_SOURCE_MAX];
    (void)snprintf(source, sizeof(source), "errcode %lld of %s", (long long)self->facts.refused_errcode,
                   self->api->name);
    taught(condition, source, self->facts.refused_since_ms);
}

static wxtp_status tell_active(explaining *self, wx_condition *condition, wx_err *err)
{
    const wxtp_tenant_row *row = &self->tenant->row;
    (void)err;
    if (restricted(&self->facts)) {
        put_time(condition->value, sizeof(condition->value), "restricted; probed again from ",
                 self->facts.refused_until_ms);
        taught_by_refusal(self, condition);
        return WXTP_OK;
    }
    (void)snprintf(condition->value, sizeof(condition->value), "%s (account_status %d)",
                   account_status_word(row->account_status), row->account_status);
    taught_by_profile(condition, row, false);
    return WXTP_OK;
}

static wxtp_status tell_type(explaining *self, wx_condition *condition, wx_err *err)
{
    static const char *const words[] = {[WXTP_ACCOUNT_UNKNOWN] = "unknown",
                                        [WXTP_ACCOUNT_SERVICE] = "service_account",
                                        [WXTP_ACCOUNT_SUBSCRIPTION] = "subscription_account",
                                        [WXTP_ACCOUNT_MINI_PROGRAM] = "mini_program",
                                        [WXTP_ACCOUNT_OTHER] = "neither official account nor mini program"};
    const wxtp_tenant_row *row = &self->tenant->row;
    (void)err;
    wx_copy(condition->value, sizeof(condition->value), words[row->account]);
    taught_by_profile(condition, row, row->account != WXTP_ACCOUNT_UNKNOWN);
    return WXTP_OK;
}

static wxtp_status tell_sets(explaining *self, wx_condition *condition, wx_err *err)
{
    const wxtp_tenant_row *row = &self->tenant->row;
    const int *wanted = self->api->permission_sets;
    (void)err;
    if (wx_tenant_without_profile(row) || wanted[0] == 0) {
        wx_copy(condition->value, sizeof(condition->value), "none needed");
        return WXTP_OK;
    }
    char needed[64] = "";
    size_t len = 0;
    for (int i = 0; i < WX_API_SETS_MAX && wanted[i] != 0 && len < sizeof(needed) - 16; i++) {
        len += (size_t)snprintf(needed + len, sizeof(needed) - len, "%s%d", i ? " or " : "", wanted[i]);
    }
    (void)snprintf(condition->value, sizeof(condition->value), "granted: %.100s; needed: %s",
                   row->permission_sets[0] ? row->permission_sets : "none", needed);
    taught_by_profile(condition, row, false);
    if (row->profile_ms == 0) { /* the exchange names them too */
        taught(condition, row->status_source, row->status_ms);
    }
    return WXTP_OK;
}

static wxtp_status tell_certified(explaining *self, wx_condition *condition, wx_err *err)
{
    static const char *const words[] = {"unknown", "no", "yes"};
    const wxtp_tenant_row *row = &self->tenant->row;
    const char *basis = wx_tenant_basis(row);
    const wxtp_tristate certified = wx_tenant_certified(row);
    (void)err;
    if (strcmp(basis, "profile") == 0 && row->profile_ms > 0) {
        (void)snprintf(condition->value, sizeof(condition->value), "%s (verify_type %d)",
                       words[certified + 1], row->verify_type);
    } else {
        (void)snprintf(condition->value, sizeof(condition->value), "%s (%s)", words[certified + 1], basis);
    }
    if (strcmp(basis, "observed") == 0) {
        taught(condition, self->api->name, row->used_ms);
    } else if (strcmp(basis, "operator") == 0 || row->declared_certified != -1) {
        taught(condition, WX_SOURCE_OPERATOR, 0);
    } else {
        taught_by_profile(condition, row, false);
    }
    return WXTP_OK;
}

static wxtp_status tell_not_refused(explaining *self, wx_condition *condition, wx_err *err)
{
    (void)err;
    if (self->facts.refused_until_ms == 0) {
        wx_copy(condition->value, sizeof(condition->value), "no refusal holds");
        return WXTP_OK;
    }
    put_time(condition->value, sizeof(condition->value), "refused; probed again from ",
             self->facts.refused_until_ms);
    taught_by_refusal(self, condition);
    return WXTP_OK;
}

static wxtp_status tell_quota(explaining *self, wx_condition *condition, wx_err *err)
{
    (void)err;
    if (self->facts.quota_until_ms <= self->facts.now_ms) {
        wx_copy(condition->value, sizeof(condition->value), "not known to be used up");
        return WXTP_OK;
    }
    put_time(condition->value, sizeof(condition->value), "used up, until ", self->facts.quota_until_ms);
    taught(condition, self->api->name, self->facts.quota_since_ms);
    return WXTP_OK;
}

static wxtp_status tell_supported(explaining *self, wx_condition *condition, wx_err *err)
{
    const bool cloud = self->tenant->row.credential == WXTP_CREDENTIAL_CLOUD;
    (void)err;
    wx_copy(condition->value, sizeof(condition->value),
            !cloud             ? "with an access token"
            : self->api->cloud ? "as a cloud call"
                               : "not as a cloud call");
    taught(condition, "catalog", 0);
    return WXTP_OK;
}

static const struct {
    const char *name;
    teller *tell;
} tellers[WX_GATE_CONDITIONS] = {
    [WX_TENANT_KNOWN] = {"tenant_known", tell_known},      [WX_AUTHORIZED] = {"authorized", tell_authorized},
    [WX_ACCOUNT_ACTIVE] = {"account_active", tell_active}, [WX_ACCOUNT_TYPE] = {"account_type", tell_type},
    [WX_PERMISSION_SET] = {"permission_set", tell_sets},   [WX_CERTIFIED] = {"certified", tell_certified},
    [WX_NOT_REFUSED] = {"not_refused", tell_not_refused},  [WX_QUOTA] = {"quota", tell_quota},
    [WX_SUPPORTED] = {"supported", tell_supported},
};

/* ---- The token, which the gate knows nothing of ---- */

static const char *state_word(int state)
{
    static const char *const words[] = {[WXTP_TOKEN_NONE] = "none",
                                        [WXTP_TOKEN_FRESH] = "fresh",
                                        [WXTP_TOKEN_DUE] = "due",
                                        [WXTP_TOKEN_EXPIRED] = "expired"};
    return words[state];
}

/* Whether a new one could be asked for, as far as the store tells. */
static void foresee_token(explaining *self)
{
    wx_core *core = self->op->core;
    wx_token_view view;
    WX_AUTO_FREE char *ticket = NULL;
    const wxtp_tenant_row *row = &self->tenant->row;
    wx_err *err = &self->token_trouble;
    if (row->credential != WXTP_CREDENTIAL_AUTHORIZER ||
        wx_token_look(core, row->platform, row->appid, &view, err) != WXTP_OK ||
        view.state == WXTP_TOKEN_FRESH || view.state == WXTP_TOKEN_DUE ||
        wx_token_look(core, row->platform, "", &view, err) != WXTP_OK || view.state == WXTP_TOKEN_FRESH ||
        view.state == WXTP_TOKEN_DUE) {
        return;
    }
    (void)wx_ticket_get(core, &ticket, err);
}

static wxtp_status tell_token(explaining *self, wx_condition *condition, wx_err *err)
{
    wx_core *core = self->op->core;
    wx_token_view view;
    condition->name = "token";
    if (!self->tenant) {
        condition->holds = -1;
        return WXTP_OK;
    }
    const wxtp_tenant_row *row = &self->tenant->row;
    condition->holds = self->token_trouble.status == WXTP_OK;
    if (!condition->holds) {
        wx_copy(condition->value, sizeof(condition->value), self->token_trouble.message);
    }
    if (row->credential == WXTP_CREDENTIAL_CLOUD) {
        if (condition->holds) {
            wx_copy(condition->value, sizeof(condition->value),
                    row->token_file[0] ? "from its file" : "none needed");
        }
        taught(condition, WX_SOURCE_OPERATOR, 0);
        return WXTP_OK;
    }
    const wxtp_status status = wx_token_look(core, row->platform, row->appid, &view, err);
    if (status != WXTP_OK) {
        return status;
    }
    if (condition->holds && view.state == WXTP_TOKEN_NONE) {
        wx_copy(condition->value, sizeof(condition->value), "none yet: the call asks for one");
    } else if (condition->holds) {
        (void)snprintf(condition->value, sizeof(condition->value), "%s (version %lld)",
                       state_word(view.state), (long long)view.generation);
    }
    return view.generation > 0 ? find_maker(self, NULL, view.generation, false, condition, err) : WXTP_OK;
}

/* ---- The verdict ---- */

static bool is_unknown(wxtp_status status, const wx_err *err)
{
    return status == WXTP_ERR_REFUSED && strcmp(err->kind, "unknown_tenant") == 0;
}

/* What the gate says now; a reason is written where there is one. */
static wxtp_status judge(explaining *self, wx_err *err)
{
    char hint[WX_HINT_MAX] = "";
    wx_tenant_free(WX_TAKE(self->tenant));
    wxtp_status status = wx_tenant_find(self->op->core, self->appid, &self->tenant, err);
    if (status != WXTP_OK && !is_unknown(status, err)) {
        return status;
    }
    wx_err_clear(err);
    self->facts = (wx_gate_facts){.tenant = self->tenant, .api = self->api};
    status = wx_gate_read(self->op->core, &self->facts, err);
    if (status == WXTP_OK) {
        const char *reason = wx_gate_judge(&self->facts, hint);
        wx_copy(self->to->reason, sizeof(self->to->reason), reason);
        wx_copy(self->to->hint, sizeof(self->to->hint), reason ? hint : "");
    }
    return status;
}

/* A refusal of the gate is what is wanted here; anything else ends a call before its verdict. */
static wxtp_status go_through(explaining *self, wx_err *err)
{
    WX_AUTO_TENANT *tenant = NULL;
    const wxtp_status status = wx_gate_pass(self->op, self->appid, self->api, &tenant, err);
    return status == WXTP_ERR_REFUSED || status == WXTP_ERR_REAUTHORIZE ? WXTP_OK : status;
}

/* Whether it is a verdict on the account or the platform, not only bad luck. */
static bool is_verdict(wxtp_status status)
{
    switch (status) {
    case WXTP_ERR_CREDENTIALS:
    case WXTP_ERR_TICKET:
    case WXTP_ERR_CONFIGURATION:
    case WXTP_ERR_REAUTHORIZE:
    case WXTP_ERR_REFUSED:
    case WXTP_ERR_QUOTA:
        return true;
    default:
        return false;
    }
}

static wxtp_status fetch_token(explaining *self, wx_err *err)
{
    WX_AUTO_TOKEN token = {0};
    const wxtp_status status = wx_token_get(self->op, self->tenant, &token, &self->token_trouble);
    if (status == WXTP_OK) {
        wx_err_clear(&self->token_trouble);
        return WXTP_OK;
    }
    if (!is_verdict(status)) {
        *err = self->token_trouble;
        return status;
    }
    return judge(self, err); /* the tenant may have been found unauthorized meanwhile */
}

static wxtp_status reach_verdict(explaining *self, bool ask, wx_err *err)
{
    wxtp_status status = ask ? go_through(self, err) : WXTP_OK;
    if (status == WXTP_OK) {
        status = judge(self, err);
    }
    if (status != WXTP_OK || self->to->reason[0]) {
        return status;
    }
    if (ask) {
        status = fetch_token(self, err);
    } else {
        foresee_token(self);
    }
    if (status == WXTP_OK && !self->to->reason[0] && self->token_trouble.status != WXTP_OK) {
        wx_copy(self->to->reason, sizeof(self->to->reason), self->token_trouble.kind);
        wx_copy(self->to->hint, sizeof(self->to->hint), self->token_trouble.hint);
    }
    return status;
}

wxtp_status wx_gate_explain(wx_op *op, const char *appid, const wx_api *api, bool ask,
                            wx_explanation *explanation, wx_err *err)
{
    explaining self = {.op = op, .appid = appid, .api = api, .to = explanation};
    *explanation = (wx_explanation){.reason = ""};
    wxtp_status status = reach_verdict(&self, ask, err);
    for (int i = 0; status == WXTP_OK && i < WX_GATE_CONDITIONS; i++) {
        wx_condition *condition = &explanation->conditions[i];
        const bool judged = self.tenant || i == WX_TENANT_KNOWN;
        condition->name = tellers[i].name;
        condition->holds = judged ? wx_gate_holds(&self.facts, (wx_gate_condition)i) : -1;
        status = judged ? tellers[i].tell(&self, condition, err) : WXTP_OK;
    }
    if (status == WXTP_OK) {
        status = tell_token(&self, &explanation->conditions[WX_GATE_CONDITIONS], err);
    }
    wx_tenant_free(self.tenant);
    return status;
}
