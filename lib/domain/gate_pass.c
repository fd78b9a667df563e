/* The gate before a call: facts that are too old are read again first. */
#include <stdio.h>
#include <string.h>

#include "domain/account.h"
#include "domain/code.h"
#include "domain/gate.h"
#include "domain/storage.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define NO_OLD_MS (10 * MINUTE_MS)
#define YES_OLD_MS (24 * HOUR_MS)
#define YES_VERY_OLD_MS (72 * HOUR_MS)

typedef struct verdict {
    const char *reason; /* NULL: allowed */
    char hint[WX_HINT_MAX];
} verdict;

static const char reauthorization_required[] = "reauthorization_required";

/* How much the facts are to be believed. */
typedef enum reading {
    READ_NOT,    /* they stand */
    READ_GENTLY, /* they are read again, and stand if that fails */
    READ_FIRST,  /* nothing is said on them alone */
} reading;

/* A time in the future is a clock's doing: such facts count as old, not as ever new. */
static int64_t age_ms(int64_t now_ms, int64_t at_ms)
{
    if (at_ms > now_ms + NO_OLD_MS) {
        return YES_OLD_MS + 1;
    }
    return at_ms > now_ms ? 0 : now_ms - at_ms;
}

static bool is_about_status(const char *reason)
{
    return strcmp(reason, "unauthorized") == 0 || strcmp(reason, reauthorization_required) == 0;
}

/* Whether reading the profile could change it. */
static bool is_about_facts(const char *reason)
{
    return strcmp(reason, "refused_by_wechat") != 0 && strcmp(reason, "quota_exhausted") != 0 &&
           strcmp(reason, "not_supported") != 0;
}

/* A person who asks has a dead authorization looked at in any case: it may have been mended since. */
static reading how_to_read(const wx_tenant *tenant, const verdict *said, bool person, int64_t now_ms)
{
    const wxtp_tenant_row *row = &tenant->row;
    if (wx_tenant_without_profile(row)) {
        return READ_NOT;
    }
    if (said->reason && is_about_status(said->reason)) {
        if (age_ms(now_ms, row->status_ms) > NO_OLD_MS) {
            return READ_FIRST;
        }
        return person && strcmp(said->reason, reauthorization_required) == 0 ? READ_GENTLY : READ_NOT;
    }
    if (row->profile_ms == 0) {
        return READ_FIRST;
    }
    const int64_t age = age_ms(now_ms, row->profile_ms);
    if (said->reason) {
        return is_about_facts(said->reason) && age > NO_OLD_MS ? READ_FIRST : READ_NOT;
    }
    if (age > YES_VERY_OLD_MS) {
        return READ_FIRST;
    }
    return age > YES_OLD_MS ? READ_GENTLY : READ_NOT;
}

/* One try that waits for nothing: what is known serves while WeChat is away. */
static wxtp_status read_gently(wx_op *op, const char *appid, wx_err *err)
{
    wx_patience none;
    wx_patience_init(&none, 0);
    wx_op gentle = {.core = op->core, .patience = &none, .job_id = op->job_id};
    const wxtp_status status = wx_account_refresh(&gentle, appid, false, NULL, NULL, NULL, err);
    wx_patience_destroy(&none);
    if (status == WXTP_OK) {
        return status;
    }
    wx_log(&op->core->log, WXTP_LOG_WARNING, "the profile of %s could not be read again: %s", appid,
           err->message);
    return status == WXTP_ERR_INTERRUPTED ? status : WXTP_OK;
}

static bool see_code(void *user, const wxtp_code_row *row)
{
    (void)row;
    *(bool *)user = true;
    return false;
}

/* A code that waits means that the merchant has authorized anew: the tokens at hand may be dead. */
static wxtp_status exchange_waiting(wx_op *op, const char *appid, bool *exchanged, wx_err *err)
{
    wx_core *core = op->core;
    bool waiting = false;
    *exchanged = false;
    if (!core->settings.component[0]) {
        return WXTP_OK;
    }
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->code_open(scope.tx, core->settings.component, appid, see_code, &waiting);
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "look for codes", err);
    }
    wx_scope_end(&scope);
    if (waiting) {
        *exchanged = true;
        status = wx_code_exchange_open(op, appid, err);
    }
    return status;
}

static wxtp_status look(wx_core *core, const char *appid, const wx_api *api, wx_tenant **tenant,
                        verdict *said, wx_err *err)
{
    wx_tenant_free(WX_TAKE(*tenant));
    const wxtp_status status = wx_tenant_find(core, appid, tenant, err);
    return status == WXTP_OK ? wx_gate_look(core, *tenant, api, &said->reason, said->hint, err) : status;
}

static wxtp_status refuse(const char *appid, const wx_api *api, const verdict *said, wx_err *err)
{
    wxtp_status status = WXTP_ERR_REFUSED;
    if (strcmp(said->reason, reauthorization_required) == 0) {
        status = WXTP_ERR_REAUTHORIZE;
    } else if (strcmp(said->reason, "quota_exhausted") == 0) {
        status = WXTP_ERR_QUOTA;
    }
    wx_fail(err, status, "%s is not allowed for %.63s: %s", api->name, appid, said->reason);
    wx_err_kind(err, said->reason);
    wx_err_hint(err, "%s", said->hint);
    wx_err_tenant(err, appid);
    return status;
}

static bool lets_through(const wx_op *op, const verdict *said)
{
    return !said->reason || (op->person && strcmp(said->reason, "quota_exhausted") == 0);
}

wxtp_status wx_gate_pass(wx_op *op, const char *appid, const wx_api *api, wx_tenant **tenant, wx_err *err)
{
    wx_core *core = op->core;
    verdict said = {0};
    bool exchanged = false;
    wx_err code_err = {0};
    *tenant = NULL;
    wxtp_status status = look(core, appid, api, tenant, &said, err);
    if (status == WXTP_OK && (*tenant)->row.platform[0]) {
        const wxtp_status code_status = exchange_waiting(op, appid, &exchanged, &code_err);
        status = exchanged ? look(core, appid, api, tenant, &said, err) : status;
        if (code_status != WXTP_OK && status == WXTP_OK && (*tenant)->row.status == WXTP_TENANT_AUTHORIZING) {
            /* WeChat could not be asked: that it is not authorized yet is not its word. */
            *err = code_err;
            return code_status;
        }
    }
    if (status != WXTP_OK) {
        return status;
    }
    const reading way = how_to_read(*tenant, &said, op->person, wx_wall_ms(core));
    if (way != READ_NOT) {
        status = way == READ_GENTLY ? read_gently(op, appid, err)
                                    : wx_account_refresh(op, appid, false, NULL, NULL, NULL, err);
        if (status == WXTP_OK) {
            status = look(core, appid, api, tenant, &said, err);
        }
        if (status != WXTP_OK) {
            wx_err_tenant(err, appid);
            return status;
        }
    }
    return lets_through(op, &said) ? WXTP_OK : refuse(appid, api, &said, err);
}
