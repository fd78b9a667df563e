#include "domain/code.h"

#include <assert.h>
#include <string.h>

#include "base/point.h"
#include "base/text.h"
#include "domain/code_work.h"
#include "domain/record.h"
#include "domain/storage.h"
#include "domain/token.h"
#include "domain/vault.h"

enum {
    BODY_MAX = 4096,
    SECRET_MAX = 4096,
    LIFE_DEFAULT_S = 7200,
    OPEN_MAX = 256, /* codes of one pass */
    POLL_MS = 200,  /* while another process exchanges it */
    COMMIT_TRIES = 5,
    LEASE_CALLS = 3, /* the component token may be renewed in between */
    LEASE_MARGIN_MS = 5000,
};

void wx_granted_free(wx_granted *granted)
{
    wx_free(granted->access);
    wx_free(granted->refresh);
    wx_free(granted->permission_sets);
    *granted = (wx_granted){0};
}

/* ---- The lease ---- */

static wxtp_status bad_code(const char *appid, wx_err *err)
{
    wx_fail_after(err, WXTP_ERR_CREDENTIALS, "WeChat calls the authorization code wrong, used up or expired");
    wx_err_hint(
        err,
        "Have the merchant open a new authorization link (wxtp-admin %s%s); a code serves once and for a "
        "limited time.",
        appid[0] ? "tenant reconnect " : "authorize-url", appid);
    wx_err_tenant(err, appid);
    return err->status;
}

static bool is_open(const wx_code_work *work)
{
    return work->state != WXTP_CODE_DONE && work->state != WXTP_CODE_BAD;
}

static bool has_expired(const wx_code_work *work)
{
    return work->expires_ms <= wx_wall_ms(work->op->core);
}

static int64_t lease_ms(const wx_core *core)
{
    return LEASE_CALLS * core->settings.timeout_ms + LEASE_MARGIN_MS;
}

/*
 * One transaction: takes the lease, reads the code again under it, and writes the intent. WXTP_ERR_STATE
 * without filling `err` while another works on it.
 */
static wxtp_status take_and_intend(wx_code_work *work, wx_err *err)
{
    wx_core *core = work->op->core;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_code_read(work, scope.tx, err);
    if (status == WXTP_ERR_NOT_FOUND) {
        work->received_ms = wx_wall_ms(core);
        work->expires_ms = work->received_ms + WX_CODE_LIFE_MS;
        status = WXTP_OK;
    }
    if (status != WXTP_OK || !is_open(work)) {
        return status;
    }
    status = wx_ops(core)->lease_take(scope.tx, &work->lease, lease_ms(core));
    if (status == WXTP_ERR_STATE) {
        return status;
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "take the lease of the authorization code", err);
    }
    /* An intent that was open before: that exchange may have been carried out. */
    work->outcome_unknown = work->state == WXTP_CODE_SENT;
    work->expired = has_expired(work);
    status = wx_code_store(work, scope.tx, work->expired ? work->state : WXTP_CODE_SENT, err);
    status = status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
    WX_POINT("code.intent_written");
    return status;
}

/* Gives the lease back; a state that is still open is moved to `state`. Trouble here is mended by the lease's
 * end. */
static void give_back(wx_code_work *work, wxtp_code_state state)
{
    wx_core *core = work->op->core;
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, &err);
    if (status == WXTP_OK && state != work->state) {
        status = wx_ops(core)->lease_check(scope.tx, &work->lease);
        status = status == WXTP_OK ? wx_code_store(work, scope.tx, state, &err) : status;
    }
    if (status == WXTP_OK) {
        status = wx_ops(core)->lease_release(scope.tx, &work->lease);
    }
    if (status == WXTP_OK) {
        status = wx_scope_commit(&scope, &err);
    }
    if (status != WXTP_OK) {
        wx_log(&core->log, WXTP_LOG_WARNING, "the lease of an authorization code runs on: %s", err.message);
    }
}

/* The call leaves only while the lease outlives it. */
static bool lease_outlives_call(void *user)
{
    const wx_code_work *work = user;
    return wx_boot_ms(work->op->core) + wx_call_time_ms(work->op) <= work->lease.until_boot_ms;
}

/* Another may have it by now: what is stored is looked at again. */
static wxtp_status lose_lease(wx_code_work *work, wx_err *err)
{
    work->lost = true;
    return wx_fail(err, WXTP_ERR_UNAVAILABLE, "another process may be exchanging this authorization code");
}

static wxtp_status renew_lease(wx_code_work *work, wx_err *err)
{
    wx_core *core = work->op->core;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_WRITE, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->lease_renew(scope.tx, &work->lease, lease_ms(core));
    if (status == WXTP_ERR_CONFLICT) {
        return lose_lease(work, err);
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "keep the lease of the authorization code", err);
    }
    return wx_scope_commit(&scope, err);
}

/* ---- The exchange ---- */

static bool copy_secret(wx_core *core, struct json_object *object, const char *name, char **copy)
{
    const char *text = wx_json_str(object, name);
    if (!text || !*text || strlen(text) > SECRET_MAX) {
        return true;
    }
    *copy = wx_strdup(&core->allocator, text);
    return *copy != NULL;
}

static wx_sent read_granted(wx_core *core, const wx_answer *answer, wx_granted *granted, wx_err *err)
{
    struct json_object *info = wx_json_get(answer->json, "authorization_info");
    const char *appid = wx_json_str(info, "authorizer_appid");
    if (!appid || !wx_appid_ok(appid)) {
        wx_fail(err, WXTP_ERR_UNAVAILABLE, "api_query_auth: the answer names no authorizer");
        return WX_SENT_UNKNOWN;
    }
    wx_copy(granted->appid, sizeof(granted->appid), appid);
    granted->expires_in_s = wx_json_int(info, "expires_in", LIFE_DEFAULT_S);
    if (!copy_secret(core, info, "authorizer_access_token", &granted->access) ||
        !copy_secret(core, info, "authorizer_refresh_token", &granted->refresh) ||
        wx_info_sets(core, wx_json_get(info, "func_info"), &granted->permission_sets, err) != WXTP_OK) {
        wx_fail_nomem(err);
        return WX_SENT_UNKNOWN;
    }
    return WX_SENT_OK;
}

static wx_sent query_auth(wx_code_work *work, wx_granted *granted, wx_err *err)
{
    wx_core *core = work->op->core;
    WX_AUTO_BUF body;
    WX_AUTO_ANSWER answer = {0};
    wx_buf_init(&body, &core->allocator, BODY_MAX);
    if (!wx_buf_text(&body, "{\"component_appid\":") || !wx_json_quote(&body, core->settings.component) ||
        !wx_buf_text(&body, ",\"authorization_code\":") || !wx_json_quote(&body, work->code) ||
        !wx_buf_text(&body, "}")) {
        wx_fail_nomem(err);
        return WX_SENT_NOTHING;
    }
    granted->sent_ms = wx_wall_ms(core);
    const char *const secrets[] = {work->code};
    const wx_about about = {.appid = work->appid,
                            .success_is_told = true,
                            .may_send = lease_outlives_call,
                            .may_send_user = work};
    const wx_sent sent = wx_send_platform(work->op, WX_API_QUERY_AUTH, about, wx_buf_str(&body),
                                          "authorization_info", secrets, 1, false, &answer, err);
    return sent == WX_SENT_OK ? read_granted(core, &answer, granted, err) : sent;
}

typedef struct granting {
    const wx_code_work *work;
    const wx_granted *granted;
    int64_t now_ms;
} granting;

static bool enter_granted(void *user, wxtp_tenant_row *row)
{
    const granting *self = user;
    const int64_t create_time_s = self->work->create_time_s;
    row->removed = false;
    if (self->granted->permission_sets) {
        row->permission_sets = self->granted->permission_sets;
    }
    /* News that is younger than this code says otherwise: info, which is asked next, has the last word. */
    if (row->status == WXTP_TENANT_UNAUTHORIZED && create_time_s > 0 && row->event_time_s > create_time_s) {
        return true;
    }
    row->status = WXTP_TENANT_AUTHORIZED;
    row->status_ms = self->now_ms;
    row->status_source = wx_catalog_platform(WX_API_QUERY_AUTH)->name;
    if (row->event_time_s < create_time_s) {
        row->event_time_s = create_time_s;
    }
    return true;
}

static wxtp_status put_tenant(wx_code_work *work, wx_scope *scope, const wx_granted *granted, wx_err *err)
{
    wx_core *core = work->op->core;
    const char *component = core->settings.component;
    granting self = {.work = work, .granted = granted, .now_ms = wx_wall_ms(core)};
    wxtp_status status = wx_tenant_change(scope, component, granted->appid, enter_granted, &self, err);
    if (status == WXTP_ERR_NOT_FOUND) {
        wxtp_tenant_row row = wx_tenant_row_new(component, granted->appid, self.now_ms);
        enter_granted(&self, &row);
        status = wx_tenant_put(scope, NULL, &row, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->hold_delete(scope->tx, component, granted->appid, NULL, WXTP_HOLD_REFUSED);
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND
               ? WXTP_OK
               : wx_store_fail(core, scope->tx, status, "end the kept refusals", err);
}

static wxtp_status note_made(wx_code_work *work, wxtp_tx *tx, const char *appid, wx_err *err)
{
    wx_core *core = work->op->core;
    wxtp_token_row token = {0};
    const wxtp_status status =
        wx_ops(core)->token_get(tx, &(wxtp_token_key){core->settings.component, appid}, &token);
    work->made_generation = token.generation;
    return status == WXTP_OK ? status : wx_store_fail(core, tx, status, "read the token", err);
}

/* The pair, the tenant and the code's end: one transaction, synced before anyone gets the token. */
static wxtp_status install(wx_code_work *work, const wx_granted *granted, wx_err *err)
{
    wx_core *core = work->op->core;
    const char *component = core->settings.component;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK && granted->access) {
        status = wx_token_install(core, scope.tx, component, granted->appid, granted->access,
                                  granted->refresh, granted->sent_ms, granted->expires_in_s, err);
    }
    if (status == WXTP_OK && granted->access) {
        status = note_made(work, scope.tx, granted->appid, err);
    }
    if (status == WXTP_OK) {
        status = put_tenant(work, &scope, granted, err);
    }
    if (status == WXTP_OK) {
        status = wx_code_store(work, scope.tx, WXTP_CODE_DONE, err);
    }
    WX_POINT("code.storing");
    status = status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
    WX_POINT("code.stored");
    return status;
}

/* What WeChat has given is not let go for a disk that is full or a database that is locked for a while. */
static wxtp_status install_patiently(wx_code_work *work, const wx_granted *granted, wx_err *err)
{
    for (int tries = 1;; tries++) {
        const wxtp_status status = install(work, granted, err);
        if (status == WXTP_OK) {
            return status;
        }
        wx_err stopped = {0};
        if (tries == COMMIT_TRIES ||
            !wx_wait_patiently(work->op, wx_backoff_ms(work->op->core, tries), &stopped)) {
            /* The code is spent: what it brought is asked for again, not the code exchanged. */
            work->state = WXTP_CODE_SENT;
            work->outcome_unknown = true;
            return err->status;
        }
    }
}

static wxtp_status end_bad(wx_code_work *work, wx_err *err)
{
    wx_core *core = work->op->core;
    WX_AUTO_SCOPE scope = {0};
    wx_err trouble = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, &trouble);
    if (status == WXTP_OK) {
        status = wx_code_store(work, scope.tx, WXTP_CODE_BAD, &trouble);
    }
    if (status == WXTP_OK) {
        status = wx_scope_commit(&scope, &trouble);
    }
    if (status != WXTP_OK) {
        *err = trouble;
        return status;
    }
    bad_code(work->appid, err);
    if (work->appid[0]) {
        /* It may have waited as `authorizing` for this code: what it is now, info knows. */
        wx_err ignored = {0};
        wx_account_refresh(work->op, work->appid, false, NULL, NULL, NULL, &ignored);
    }
    return err->status;
}

/* WeChat calls it bad: with an exchange open whose answer was lost, that one may have spent it. */
static wxtp_status called_bad(wx_code_work *work, bool ask, wx_err *err)
{
    if (!ask) {
        return end_bad(work, err);
    }
    const wx_err refusal = *err;
    const bool named = work->appid[0] != '\0';
    const wxtp_status status = wx_code_recover(work, err);
    if (status != WXTP_ERR_CREDENTIALS) {
        return status;
    }
    err->errcode = refusal.errcode;
    wx_copy(err->rid, sizeof(err->rid), refusal.rid);
    if (named) {
        return end_bad(work, err);
    }
    /* Nobody knows yet whose it was: the list may show it later, but not for ever. */
    const wx_err lost = *err;
    if (has_expired(work)) {
        work->appid[0] = '\0';
        end_bad(work, err);
    }
    *err = lost;
    return status;
}

/* It is not sent any more. Whether an earlier exchange took place, info may still tell. */
static wxtp_status expired(wx_code_work *work, wx_err *err)
{
    wx_fail(err, WXTP_ERR_CREDENTIALS, "the authorization code has expired");
    return called_bad(work, work->outcome_unknown || work->appid[0] != '\0', err);
}

/* Under the lease, the intent written. */
static wxtp_status exchange(wx_code_work *work, wx_err *err)
{
    wx_core *core = work->op->core;
    for (int tries = 1;; tries++) {
        WX_AUTO_GRANTED granted = {0};
        const int64_t began = wx_boot_ms(core);
        const wx_sent sent = query_auth(work, &granted, err);
        WX_POINT("code.answered");
        if (sent == WX_SENT_OK) {
            wx_copy(work->appid, sizeof(work->appid), granted.appid);
            const wxtp_status status = install_patiently(work, &granted, err);
            const wx_record what = {.platform = core->settings.component,
                                    .appid = granted.appid,
                                    .call = wx_catalog_platform(WX_API_QUERY_AUTH)->name,
                                    .made_generation = status == WXTP_OK ? work->made_generation : 0,
                                    .source = work->source[0] ? work->source : WX_SOURCE_OPERATOR};
            wx_record_about(work->op, &what, began, NULL);
            return status;
        }
        if (sent == WX_SENT_REFUSED) {
            /* Where it is known whose code it is, info tells more than WeChat's word on the code: another may
             * have spent it for us. */
            const bool ask = work->outcome_unknown || work->appid[0] != '\0';
            return wx_errcode_find(err->errcode)->class_ == WX_ERRCODE_CODE_BAD ? called_bad(work, ask, err)
                                                                                : err->status;
        }
        if (sent == WX_SENT_NOTHING) {
            return lease_outlives_call(work) ? err->status : lose_lease(work, err);
        }
        work->outcome_unknown = true;
        /* Asked again at once: a lost answer is mended best while WeChat still remembers. */
        wx_err kept = *err;
        if (tries >= core->settings.max_tries ||
            !wx_wait_patiently(work->op, wx_backoff_ms(core, tries), err)) {
            *err = err->status == WXTP_ERR_INTERRUPTED ? *err : kept;
            return err->status;
        }
        const wxtp_status status = renew_lease(work, err);
        if (status != WXTP_OK) {
            return status;
        }
        if (has_expired(work)) {
            return expired(work, err);
        }
    }
}

static wxtp_status under_lease(wx_code_work *work, wx_err *err)
{
    wxtp_status status;
    if (work->expired) {
        status = expired(work, err);
    } else {
        status = exchange(work, err);
    }
    if (work->lost) {
        return status;
    }
    const bool sent = work->outcome_unknown;
    give_back(work, !is_open(work) ? work->state : sent ? WXTP_CODE_SENT : WXTP_CODE_PENDING);
    return status;
}

/* Until the lease is ours, or someone has done it. */
static wxtp_status take_patiently(wx_code_work *work, wx_err *err)
{
    wxtp_status status;
    while ((status = take_and_intend(work, err)) == WXTP_ERR_STATE) {
        wx_fail(err, WXTP_ERR_UNAVAILABLE, "another process is exchanging this authorization code");
        if (!wx_wait_patiently(work->op, POLL_MS, err)) {
            return err->status;
        }
    }
    return status;
}

static wxtp_status read_profile(wx_code_work *work)
{
    wx_err err = {0};
    if (wx_account_refresh(work->op, work->appid, false, NULL, NULL, NULL, &err) != WXTP_OK) {
        wx_log(&work->op->core->log, WXTP_LOG_WARNING, "%s is stored, but its profile could not be read: %s",
               work->appid, err.message);
    }
    return WXTP_OK;
}

wxtp_status wx_code_exchange(wx_op *op, const char *code, char appid[WX_APPID_MAX], wx_err *err)
{
    wx_core *core = op->core;
    wx_code_work work;
    bool mine = false;
    appid[0] = '\0';
    wxtp_status status = wx_code_work_init(&work, op, code, err);
    if (status != WXTP_OK) {
        return status;
    }
    do {
        work.lost = false;
        status = take_patiently(&work, err);
        mine = status == WXTP_OK && is_open(&work);
        status = mine ? under_lease(&work, err) : status;
    } while (work.lost);
    if (status == WXTP_OK && work.state == WXTP_CODE_BAD) {
        wx_err_clear(err);
        return bad_code(work.appid, err);
    }
    if (status != WXTP_OK && mine) {
        wx_log(&core->log, WXTP_LOG_WARNING, "an authorization code was not exchanged: %s", err->message);
    }
    if (status != WXTP_OK) {
        if (!err->tenant[0]) {
            wx_err_tenant(err, work.appid);
        }
        return status;
    }
    if (mine) {
        read_profile(&work);
        WX_POINT("code.profile_read");
    }
    wx_copy(appid, WX_APPID_MAX, work.appid);
    return WXTP_OK;
}

/* ---- All that are open ---- */

typedef struct open_codes {
    wx_core *core;
    char *codes[OPEN_MAX];
    size_t count;
    wxtp_status status;
    wx_err *err;
} open_codes;

static bool collect(void *user, const wxtp_code_row *row)
{
    open_codes *self = user;
    char hex[WX_CODE_HEX];
    if (row->digest.len != 32) {
        return true;
    }
    wx_code_hex(row->digest.data, row->digest.len, hex);
    char *code = NULL;
    const wxtp_status status = wx_vault_open(self->core, "code", self->core->settings.component, hex, "code",
                                             row->code, &code, self->err);
    if (status != WXTP_OK) {
        self->status = status;
        return status != WXTP_ERR_NOMEM;
    }
    if (code) {
        self->codes[self->count++] = code;
    }
    return self->count < OPEN_MAX;
}

wxtp_status wx_code_exchange_open(wx_op *op, const char *appid, wx_err *err)
{
    wx_core *core = op->core;
    if (wx_need_component(core, err) != WXTP_OK) {
        return err->status;
    }
    open_codes *open = wx_alloc(&core->allocator, sizeof(*open));
    if (!open) {
        return wx_fail_nomem(err);
    }
    *open = (open_codes){.core = core, .err = err};
    wxtp_tx *tx = NULL;
    wxtp_status status = wx_begin(core, WXTP_TX_READ, &tx, err);
    if (status == WXTP_OK) {
        status = wx_ops(core)->code_open(tx, core->settings.component, appid, collect, open);
        if (status != WXTP_OK) {
            wx_store_fail(core, tx, status, "look for codes", err);
        }
        status = wx_end(core, &tx, status == WXTP_OK ? open->status : status, err);
    }
    for (size_t i = 0; i < open->count; i++) {
        char whose[WX_APPID_MAX];
        if (!wx_stopping(core)) {
            const wxtp_status one = wx_code_exchange(op, open->codes[i], whose, err);
            status = one == WXTP_OK ? status : one;
        }
        wx_free(open->codes[i]);
    }
    wx_free(open);
    return status;
}
