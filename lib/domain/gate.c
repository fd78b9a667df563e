#include "domain/gate.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "codec/errcode.h"
#include "domain/storage.h"

/* What WeChat calls an account that cannot be called: deregistered, banned, frozen. A warned one (18) can. */
enum { STATUS_DEREGISTERED = 14, STATUS_BANNED = 16, STATUS_FROZEN = 19 };

static bool active(int account_status)
{
    return account_status != STATUS_DEREGISTERED && account_status != STATUS_BANNED &&
           account_status != STATUS_FROZEN;
}

static bool official(wxtp_account account)
{
    return account == WXTP_ACCOUNT_SERVICE || account == WXTP_ACCOUNT_SUBSCRIPTION;
}

/* ---- The conditions, in the order in which they are told ---- */

typedef bool condition(const wx_gate_facts *facts);

static bool is_unknown(const wx_gate_facts *facts)
{
    return !facts->tenant || facts->tenant->row.removed;
}

/* Known to be no official account: whatever else it lacks, nothing will make it one. */
static bool is_other_kind(const wx_gate_facts *facts)
{
    const wxtp_account account = facts->tenant->row.account;
    return facts->api->official_accounts_only && account != WXTP_ACCOUNT_UNKNOWN && !official(account);
}

static bool is_unauthorized(const wx_gate_facts *facts)
{
    const wxtp_tenant_status status = facts->tenant->row.status;
    return status == WXTP_TENANT_UNAUTHORIZED || status == WXTP_TENANT_AUTHORIZING;
}

static bool needs_authorization(const wx_gate_facts *facts)
{
    return facts->tenant->row.status == WXTP_TENANT_REAUTHORIZATION_REQUIRED;
}

static bool is_inactive(const wx_gate_facts *facts)
{
    return !active(facts->tenant->row.account_status);
}

/* What the operator did not declare of an account without a profile counts as right. */
static bool is_unknown_kind(const wx_gate_facts *facts)
{
    const wxtp_tenant_row *row = &facts->tenant->row;
    return facts->api->official_accounts_only && row->account == WXTP_ACCOUNT_UNKNOWN &&
           !wx_tenant_without_profile(row);
}

static bool lacks_set(const wx_gate_facts *facts)
{
    const int *sets = facts->api->permission_sets;
    if (sets[0] == 0 || wx_tenant_without_profile(&facts->tenant->row)) {
        return false;
    }
    for (int i = 0; i < WX_API_SETS_MAX && sets[i] != 0; i++) {
        if (wx_tenant_has_set(facts->tenant, sets[i])) {
            return false;
        }
    }
    return true;
}

static bool is_uncertified(const wx_gate_facts *facts)
{
    const wxtp_tenant_row *row = &facts->tenant->row;
    const wxtp_tristate certified = wx_tenant_certified(row);
    return facts->api->certified_only &&
           (certified == 0 || (certified == -1 && !wx_tenant_without_profile(row)));
}

static bool is_refused(const wx_gate_facts *facts)
{
    return facts->refused_until_ms > facts->now_ms;
}

/* WeChat said so in answer to a call; no profile tells it. */
static bool is_restricted(const wx_gate_facts *facts)
{
    return is_refused(facts) && wx_errcode_find(facts->refused_errcode)->class_ == WX_ERRCODE_RESTRICTED;
}

static bool is_out_of_quota(const wx_gate_facts *facts)
{
    return facts->quota_until_ms > facts->now_ms;
}

static bool is_unsupported(const wx_gate_facts *facts)
{
    return facts->tenant->row.credential == WXTP_CREDENTIAL_CLOUD && !facts->api->cloud;
}

static const char reauthorization_required[] = "reauthorization_required";
static const char unauthorized[] = "unauthorized";
static const char wrong_account_type[] = "wrong_account_type";
static const char permission_set_missing[] = "permission_set_missing";
static const char quota_exhausted[] = "quota_exhausted";
static const char refused_by_wechat[] = "refused_by_wechat";
static const char account_not_active[] = "account_not_active";
static const char not_certified[] = "not_certified";

static const struct {
    wx_gate_condition of;
    condition *fails;
    const char *reason;
    const char *hint;       /* a %s is the appid */
    const char *hint_alone; /* for accounts of which no profile is read, where it is another */
} conditions[] = {
    {WX_TENANT_KNOWN, is_unknown, "unknown_tenant",
     "Have the merchant authorize the platform, add the account, or run `wxtp-admin tenant sync` with its "
     "appid if it has "
     "authorized before.",
     NULL},
    {WX_ACCOUNT_TYPE, is_other_kind, wrong_account_type,
     "Only official accounts (service or subscription) can make this call; use the appid of the merchant's "
     "official "
     "account.",
     NULL},
    {WX_AUTHORIZED, is_unauthorized, unauthorized,
     "Have the merchant authorize the platform again (wxtp-admin tenant reconnect %s); if it has, run "
     "`wxtp-admin tenant sync %s`.",
     NULL},
    {WX_AUTHORIZED, needs_authorization, reauthorization_required,
     "Have the merchant authorize again (wxtp-admin tenant reconnect %s), adding or removing a permission "
     "set, else WeChat sends no event.",
     NULL},
    {WX_ACCOUNT_ACTIVE, is_inactive, account_not_active,
     "WeChat has banned, frozen or deregistered the account: the merchant appeals on its page; then run "
     "`wxtp-admin tenant "
     "sync %s`.",
     NULL},
    {WX_ACCOUNT_ACTIVE, is_restricted, account_not_active,
     "WeChat restricts the account: see the notices on its page; when that has ended, run `wxtp-admin tenant "
     "sync %s`.",
     "WeChat restricts the account: see the notices on its page; when that has ended, `wxtp-admin tenant set "
     "%s --certified yes` has it tried at once."},
    {WX_ACCOUNT_TYPE, is_unknown_kind, wrong_account_type,
     "WeChat has not said that it is an official account: run `wxtp-admin tenant sync %s` to read its "
     "profile.",
     NULL},
    {WX_PERMISSION_SET, lacks_set, permission_set_missing, NULL, NULL},
    {WX_CERTIFIED, is_uncertified, not_certified,
     "The merchant certifies the account on its page at mp.weixin.qq.com; then `wxtp-admin tenant sync %s`, "
     "or if WeChat's "
     "profile lags, `tenant set %s --certified yes`.",
     "Certify the account on its page at mp.weixin.qq.com, then say so: `wxtp-admin tenant set %s "
     "--certified "
     "yes`."},
    {WX_NOT_REFUSED, is_refused, refused_by_wechat,
     "WeChat refused this call though the profile allows it; it is probed again later. See `wxtp-admin audit "
     "--tenant %s`, "
     "then `tenant sync %s`.",
     "WeChat refused this call; it is probed again later. See `wxtp-admin audit --tenant %s`; when it is "
     "mended, `tenant set %s --certified yes` has it tried at once."},
    {WX_QUOTA, is_out_of_quota, quota_exhausted,
     "The account's daily quota is used up: resume after midnight in Beijing, or have it cleared; resuming "
     "by hand sends one "
     "call to see.",
     NULL},
    {WX_SUPPORTED, is_unsupported, "not_supported",
     "WeChat offers no cloud call for this one: add the account as an authorizer or with its own appsecret.",
     NULL},
};

static void hint_sets(const wx_gate_facts *facts, char hint[WX_HINT_MAX])
{
    char numbers[64] = "";
    size_t len = 0;
    const int *sets = facts->api->permission_sets;
    for (int i = 0; i < WX_API_SETS_MAX && sets[i] != 0 && len < sizeof(numbers) - 16; i++) {
        len += (size_t)snprintf(numbers + len, sizeof(numbers) - len, "%s%d", i ? " or " : "", sets[i]);
    }
    snprintf(
        hint, WX_HINT_MAX,
        "Grant permission set %s: the merchant authorizes again (wxtp-admin tenant reconnect %s) and adds "
        "or removes a set, else WeChat sends no event; then `wxtp-admin tenant sync %s`.",
        numbers, facts->tenant->row.appid, facts->tenant->row.appid);
}

/* Puts the appid in the places of %s; a hint that does not fit is cut. */
static void write_hint(const char *pattern, const char *appid, char hint[WX_HINT_MAX])
{
    size_t used = 0;
    while (*pattern && used < WX_HINT_MAX - 1) {
        if (strncmp(pattern, "%s", 2) == 0) {
            wx_copy(hint + used, WX_HINT_MAX - used, appid);
            used += strlen(hint + used);
            pattern += 2;
        } else {
            hint[used++] = *pattern++;
        }
    }
    hint[used] = '\0';
}

const char *wx_gate_judge(const wx_gate_facts *facts, char hint[WX_HINT_MAX])
{
    assert(facts->api);
    hint[0] = '\0';
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        if (!conditions[i].fails(facts)) {
            continue;
        }
        if (conditions[i].hint_alone && wx_tenant_without_profile(&facts->tenant->row)) {
            write_hint(conditions[i].hint_alone, facts->tenant->row.appid, hint);
        } else if (conditions[i].hint) {
            write_hint(conditions[i].hint, facts->tenant ? facts->tenant->row.appid : "", hint);
        } else {
            hint_sets(facts, hint);
        }
        return conditions[i].reason;
    }
    return NULL;
}

bool wx_gate_holds(const wx_gate_facts *facts, wx_gate_condition which)
{
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        if (conditions[i].of == which && conditions[i].fails(facts)) {
            return false;
        }
    }
    return true;
}

const char *wx_gate_refused(const wx_tenant *tenant, const wx_api *api, int64_t errcode,
                            char hint[WX_HINT_MAX])
{
    const wx_gate_facts facts = {
        .tenant = tenant, .api = api, .refused_until_ms = INT64_MAX, .refused_errcode = errcode};
    return wx_gate_judge(&facts, hint);
}

/* ---- From the store ---- */

bool wx_hold_stands(const wxtp_hold_row *hold, int64_t now_ms)
{
    return hold->until_ms > now_ms &&
           (hold->interval_ms == 0 || hold->until_ms - now_ms <= hold->interval_ms);
}

/* Of this call, or of every call: the one that holds longer. */
static wxtp_status latest_hold(wx_core *core, wxtp_tx *tx, const wx_gate_facts *facts, wxtp_hold_kind kind,
                               wxtp_hold_row *latest, wx_err *err)
{
    const char *const calls[] = {facts->api->name, ""};
    const wxtp_tenant_row *row = &facts->tenant->row;
    *latest = (wxtp_hold_row){.until_ms = 0};
    for (size_t i = 0; i < 2; i++) {
        wxtp_hold_row hold = {0};
        const wxtp_status status =
            wx_ops(core)->hold_get(tx, row->platform, row->appid, calls[i], kind, &hold);
        if (status == WXTP_ERR_NOT_FOUND) {
            continue;
        }
        if (status != WXTP_OK) {
            return wx_store_fail(core, tx, status, "read the refusals kept", err);
        }
        if (wx_hold_stands(&hold, facts->now_ms) && hold.until_ms > latest->until_ms) {
            *latest = hold;
        }
    }
    return WXTP_OK;
}

wxtp_status wx_gate_read(wx_core *core, wx_gate_facts *facts, wx_err *err)
{
    wxtp_hold_row refused;
    wxtp_hold_row quota;
    WX_AUTO_SCOPE scope = {0};
    facts->now_ms = wx_wall_ms(core);
    if (!facts->tenant) {
        return WXTP_OK;
    }
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status == WXTP_OK) {
        status = latest_hold(core, scope.tx, facts, WXTP_HOLD_REFUSED, &refused, err);
    }
    if (status == WXTP_OK) {
        facts->refused_until_ms = refused.until_ms;
        facts->refused_since_ms = refused.since_ms;
        facts->refused_errcode = refused.errcode;
        status = latest_hold(core, scope.tx, facts, WXTP_HOLD_QUOTA, &quota, err);
    }
    if (status == WXTP_OK) {
        facts->quota_until_ms = quota.until_ms;
        facts->quota_since_ms = quota.since_ms;
    }
    return status;
}

wxtp_status wx_gate_look(wx_core *core, const wx_tenant *tenant_or_null, const wx_api *api,
                         const char **reason, char hint[WX_HINT_MAX], wx_err *err)
{
    wx_gate_facts facts = {.tenant = tenant_or_null, .api = api};
    const wxtp_status status = wx_gate_read(core, &facts, err);
    *reason = status == WXTP_OK ? wx_gate_judge(&facts, hint) : NULL;
    return status;
}
