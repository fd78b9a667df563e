#include "domain/recovery.h"

#include <string.h>

#include "domain/account.h"
#include "domain/storage.h"
#include "domain/vault.h"

struct wx_recovery {
    char *tried[WX_SPARES_MAX + 4];
    size_t tried_count;
    char *spares[WX_SPARES_MAX];
    size_t spare_count, next_spare;
    bool repeated, spares_read, info_asked, list_asked, info_had_token;
    wx_err refusal; /* WeChat's last */
    bool nomem;     /* a token could not be tried for want of memory: that none is left proves nothing */
};

void wx_recovery_forget(wx_renewal *renewal)
{
    wx_recovery *recovery = WX_TAKE(renewal->recovery);
    if (recovery == NULL) {
        return;
    }
    for (size_t i = 0; i < recovery->tried_count; i++) {
        wx_free(recovery->tried[i]);
    }
    for (size_t i = 0; i < recovery->spare_count; i++) {
        wx_free(recovery->spares[i]);
    }
    wx_free(recovery);
}

static bool was_tried(const wx_recovery *recovery, const char *refresh_token)
{
    for (size_t i = 0; i < recovery->tried_count; i++) {
        if (strcmp(recovery->tried[i], refresh_token) == 0) {
            return true;
        }
    }
    return false;
}

/* Remembers a token as tried, and gives the remembered copy. NULL when there is no room or memory. */
static const char *try_it(wx_renewal *renewal, wx_recovery *recovery, const char *refresh_token)
{
    if (recovery->tried_count == sizeof(recovery->tried) / sizeof(recovery->tried[0])) {
        return NULL;
    }
    char *copy = wx_strdup(&renewal->op->core->allocator, refresh_token);
    recovery->nomem = recovery->nomem || copy == NULL;
    if (copy != NULL) {
        recovery->tried[recovery->tried_count++] = copy;
    }
    return copy;
}

/* ---- Spares ---- */

typedef struct spare_reading {
    wx_renewal *renewal;
    wx_recovery *recovery;
    wxtp_status status;
    wx_err *err;
} spare_reading;

static bool read_spare(void *user, const wxtp_spare_row *row)
{
    spare_reading *reading = user;
    wx_recovery *recovery = reading->recovery;
    const wx_renewal *renewal = reading->renewal;
    char *text = NULL;
    if (recovery->spare_count == WX_SPARES_MAX) {
        return false;
    }
    /* A spare that does not open is passed over: others may help. */
    reading->status = wx_vault_open(renewal->op->core, "spare", renewal->platform, renewal->appid, "refresh",
                                    row->refresh, &text, reading->err);
    if (reading->status == WXTP_OK && text != NULL) {
        recovery->spares[recovery->spare_count++] = text;
    }
    return reading->status != WXTP_ERR_NOMEM;
}

static wxtp_status read_spares(wx_renewal *renewal, wx_recovery *recovery, wx_err *err)
{
    wx_core *core = renewal->op->core;
    const wxtp_token_key key = {.platform = renewal->platform, .appid = renewal->appid};
    spare_reading reading = {.renewal = renewal, .recovery = recovery, .err = err};
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->spare_list(scope.tx, &key, read_spare, &reading);
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "read the spare refresh tokens", err);
    }
    recovery->spares_read = true;
    return reading.status == WXTP_ERR_NOMEM ? WXTP_ERR_NOMEM : WXTP_OK;
}

static const char *next_spare(wx_renewal *renewal, wx_recovery *recovery)
{
    while (recovery->next_spare < recovery->spare_count) {
        const char *spare = recovery->spares[recovery->next_spare++];
        if (!was_tried(recovery, spare)) {
            return try_it(renewal, recovery, spare);
        }
    }
    return NULL;
}

/* ---- What WeChat says ---- */

/* Makes a token that WeChat shows the current one, ours a spare. */
static wxtp_status adopt(wx_renewal *renewal, const char *refresh_token, wx_err *err)
{
    wx_core *core = renewal->op->core;
    bool changed = false;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_token_adopt_refresh(core, scope.tx, renewal->platform, renewal->appid,
                                        renewal->held.generation, refresh_token, &changed, err);
    }
    if (status == WXTP_OK && changed) {
        status = wx_scope_commit(&scope, err);
        if (renewal->held.generation == 0) {
            renewal->held.generation = 1; /* the row that adopting made */
            renewal->held.exists = true;
        }
    }
    return status;
}

typedef struct status_change {
    const wx_core *core;
    wxtp_tenant_status to;
} status_change;

static bool change_status(void *user, wxtp_tenant_row *row)
{
    const status_change *change = user;
    if (row->status == change->to) {
        return false;
    }
    row->status = change->to;
    row->status_ms = wx_wall_ms(change->core);
    row->status_source =
        wx_catalog_platform(change->to == WXTP_TENANT_UNAUTHORIZED ? WX_API_GET_AUTHORIZER_INFO
                                                                   : WX_API_AUTHORIZER_TOKEN)
            ->name;
    return true;
}

/* A stale fence changes no status, nor does who asked on a generation that has moved: what it learnt is old.
 * WXTP_ERR_CONFLICT then. */
static wxtp_status mark(wx_renewal *renewal, wxtp_tenant_status to, wx_err *err)
{
    wx_core *core = renewal->op->core;
    status_change change = {.core = core, .to = to};
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->lease_check(scope.tx, &renewal->lease);
    if (status == WXTP_OK) {
        status = wx_held_check(core, scope.tx, &renewal->held, err);
    }
    if (status == WXTP_OK) {
        status = wx_tenant_change(&scope, renewal->platform, renewal->appid, change_status, &change, err);
    }
    if (status == WXTP_OK) {
        status = wx_scope_commit(&scope, err);
    }
    return status == WXTP_ERR_NOT_FOUND ? WXTP_OK : status;
}

typedef struct list_search {
    wx_core *core;
    const char *appid;
    char *refresh_token;
    bool nomem;
} list_search;

static bool find_in_list(void *user, const char *appid, const char *refresh_token, int64_t auth_time_s,
                         int64_t total)
{
    list_search *search = user;
    (void)auth_time_s;
    (void)total;
    if (strcmp(appid, search->appid) != 0) {
        return true;
    }
    search->refresh_token = wx_strdup(&search->core->allocator, refresh_token);
    search->nomem = refresh_token != NULL && search->refresh_token == NULL;
    return false;
}

static wxtp_status ask_info(wx_renewal *renewal, wx_recovery *recovery, const char **next, wx_err *err)
{
    WX_AUTO_INFO info = {0};
    recovery->info_asked = true;
    wxtp_status status = wx_info_read(renewal->op, renewal->appid, &info, err);
    if (status != WXTP_OK) {
        return status;
    }
    if (!info.authorized) {
        status = mark(renewal, WXTP_TENANT_UNAUTHORIZED, err);
        if (status != WXTP_OK) {
            return status;
        }
        wx_fail_after(err, WXTP_ERR_REFUSED, "%s has taken its authorization back", renewal->appid);
        wx_err_kind(err, "unauthorized");
        wx_err_tenant(err, renewal->appid);
        wx_err_hint(err, "have the merchant authorize again: wxtp-admin tenant reconnect %s", renewal->appid);
        return err->status;
    }
    recovery->info_had_token = info.refresh_token != NULL;
    if (info.refresh_token != NULL && !was_tried(recovery, info.refresh_token)) {
        status = adopt(renewal, info.refresh_token, err);
        *next = status == WXTP_OK ? try_it(renewal, recovery, info.refresh_token) : NULL;
    }
    return status;
}

static wxtp_status ask_list(wx_renewal *renewal, wx_recovery *recovery, const char **next, wx_err *err)
{
    list_search search = {.core = renewal->op->core, .appid = renewal->appid};
    recovery->list_asked = true;
    wxtp_status status = wx_list_each(renewal->op, find_in_list, &search, err);
    WX_AUTO_FREE char *found = search.refresh_token;
    recovery->nomem = recovery->nomem || search.nomem;
    if (status == WXTP_OK && found != NULL && !was_tried(recovery, found)) {
        status = adopt(renewal, found, err);
        *next = status == WXTP_OK ? try_it(renewal, recovery, found) : NULL;
    }
    return status;
}

static void keep_refusal(const wx_recovery *recovery, wx_err *err)
{
    err->errcode = recovery->refusal.errcode;
    wx_copy(err->rid, sizeof(err->rid), recovery->refusal.rid);
}

/* A refusal of the account that info does not confirm says nothing of the refresh token. */
static wxtp_status contradicted(const wx_renewal *renewal, wx_err *err)
{
    wx_fail(err, WXTP_ERR_UNAVAILABLE,
            "WeChat renews no token of %s as it is not authorized, and shows its authorization all the same",
            renewal->appid);
    wx_err_hint(err, "Try again in a while; if it stays so, ask WeChat's support, with the rid.");
    wx_err_tenant(err, renewal->appid);
    keep_refusal(renewal->recovery, err);
    return err->status;
}

static wxtp_status dead_for_good(wx_renewal *renewal, wx_err *err)
{
    const wxtp_status status = mark(renewal, WXTP_TENANT_REAUTHORIZATION_REQUIRED, err);
    if (status != WXTP_OK) {
        return status;
    }
    /* Nothing is unknown any more: WeChat has refused every refresh token there is. */
    renewal->outcome_unknown = false;
    wx_fail(err, WXTP_ERR_REAUTHORIZE, "the refresh token of %s is dead, and WeChat shows no other",
            renewal->appid);
    wx_err_hint(
        err,
        "have the merchant authorize again (wxtp-admin tenant reconnect %s), adding or removing a permission "
        "set, else WeChat sends no event",
        renewal->appid);
    wx_err_tenant(err, renewal->appid);
    keep_refusal(renewal->recovery, err);
    return err->status;
}

/* The refresh token that was refused counts as tried. */
static wxtp_status begin(wx_renewal *renewal, wx_err *err)
{
    renewal->recovery = wx_alloc(&renewal->op->core->allocator, sizeof(*renewal->recovery));
    if (renewal->recovery == NULL || (renewal->held.refresh != NULL &&
                                      try_it(renewal, renewal->recovery, renewal->held.refresh) == NULL)) {
        return wx_fail_nomem(err);
    }
    return WXTP_OK;
}

wxtp_status wx_recovery_next(wx_renewal *renewal, wx_question *question, wx_err *err)
{
    const char *next = NULL;
    wxtp_status status = renewal->recovery == NULL ? begin(renewal, err) : WXTP_OK;
    if (status != WXTP_OK) {
        return status;
    }
    wx_recovery *recovery = renewal->recovery;
    if (question->refresh_token != NULL) {
        recovery->refusal = *err;
    }
    if (renewal->outcome_unknown && !recovery->repeated && !renewal->account_refused &&
        question->refresh_token != NULL) {
        recovery->repeated = true;
        return WXTP_OK;
    }
    if (!renewal->account_refused) {
        if (!recovery->spares_read) {
            status = read_spares(renewal, recovery, err);
        }
        next = status == WXTP_OK ? next_spare(renewal, recovery) : NULL;
    }
    if (status == WXTP_OK && next == NULL && !recovery->info_asked) {
        status = ask_info(renewal, recovery, &next, err);
    }
    if (status == WXTP_OK && next == NULL && renewal->account_refused && recovery->info_had_token) {
        status = contradicted(renewal, err);
    }
    if (status == WXTP_OK && next == NULL && !recovery->list_asked) {
        status = ask_list(renewal, recovery, &next, err);
    }
    if (status == WXTP_OK && next == NULL && recovery->nomem) {
        status = wx_fail_nomem(err);
    }
    if (status == WXTP_OK && next == NULL) {
        status = dead_for_good(renewal, err);
    }
    question->refresh_token = next;
    return status;
}
