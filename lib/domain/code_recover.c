/* Finding out whose authorization code it was when the answer of its exchange was lost. */
#include <string.h>

#include "domain/code_work.h"
#include "domain/storage.h"
#include "domain/token.h"

enum { CANDIDATES_MAX = 32, EARLIER_MS = 15 * 60 * 1000 };

static wxtp_status nothing_found(wx_err *err)
{
    wx_fail(err, WXTP_ERR_CREDENTIALS,
            "the answer to the exchange of the authorization code was lost, and WeChat does not show whose "
            "it was");
    wx_err_hint(
        err,
        "Run `wxtp-admin tenant sync --all`; if the merchant is not there then, have it authorize again.");
    return err->status;
}

/* What adopting would do, without doing it: whether this account's refresh token is news to us. */
static wxtp_status is_news(wx_core *core, const char *appid, const wx_account_before *before,
                           const char *refresh, bool *news, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    const wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_WRITE, err);
    return status == WXTP_OK ? wx_token_adopt_refresh(core, scope.tx, core->settings.component, appid,
                                                      before->generation, refresh, news, err)
                             : status;
}

/* `info` shows a refresh token: the exchange, or a later one, took place. One transaction stores that and
 * ends the code. */
static wxtp_status take_over(wx_code_work *work, const char *appid, const wx_account_before *before,
                             const wx_info *info, wx_err *err)
{
    wx_core *core = work->op->core;
    wx_account_change change = {0};
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        wx_copy(work->appid, sizeof(work->appid), appid);
        status = wx_code_store(work, scope.tx, WXTP_CODE_DONE, err);
    }
    if (status == WXTP_OK) {
        status = wx_account_enter(&scope, appid, before, info, true, &change, err);
    }
    if (status == WXTP_OK) {
        status = wx_scope_commit(&scope, err);
    }
    if (status != WXTP_OK) {
        work->state = WXTP_CODE_SENT;
        return status;
    }
    if (change.token_changed && before->generation > 0) {
        /* A new authorization has killed the access token that we hold. */
        wx_err ignored = {0};
        wx_token_refused(core, core->settings.component, appid, before->generation, &ignored);
    }
    return WXTP_OK;
}

static wxtp_status ask_known(wx_code_work *work, wx_err *err)
{
    wx_account_before before = {0};
    WX_AUTO_INFO info = {0};
    wxtp_status status = wx_account_look(work->op->core, work->appid, &before, err);
    if (status == WXTP_OK) {
        status = wx_info_read(work->op, work->appid, &info, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    return info.authorized && info.refresh_token ? take_over(work, work->appid, &before, &info, err)
                                                 : nothing_found(err);
}

/* ---- The list, where nobody named the appid ---- */

typedef struct search {
    wx_code_work *work;
    char appids[CANDIDATES_MAX][WX_APPID_MAX];
    size_t count;
    bool too_many;
    wxtp_status status;
    wx_err *err;
} search;

static bool stored(search *self, const char *appid)
{
    wx_account_before before = {0};
    self->status = wx_account_look(self->work->op->core, appid, &before, self->err);
    return before.found;
}

static bool consider(void *user, const char *appid, const char *refresh_token, int64_t auth_time_s,
                     int64_t total)
{
    search *self = user;
    (void)refresh_token;
    (void)total;
    const bool recent = auth_time_s > 0 && auth_time_s * 1000 >= self->work->received_ms - EARLIER_MS;
    if (!recent && (stored(self, appid) || self->status != WXTP_OK)) {
        return self->status == WXTP_OK;
    }
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->appids[i], appid) == 0) {
            return true;
        }
    }
    if (self->count == CANDIDATES_MAX) {
        self->too_many = true;
        return false;
    }
    wx_copy(self->appids[self->count++], WX_APPID_MAX, appid);
    return true;
}

/* Whether WeChat shows a refresh token of this account that we do not hold. */
static wxtp_status check_candidate(search *self, const char *appid, bool *fits)
{
    wx_account_before before = {0};
    WX_AUTO_INFO info = {0};
    *fits = false;
    wxtp_status status = wx_account_look(self->work->op->core, appid, &before, self->err);
    if (status == WXTP_OK) {
        status = wx_info_read(self->work->op, appid, &info, self->err);
    }
    if (status != WXTP_OK || !info.authorized || !info.refresh_token) {
        return status;
    }
    return is_news(self->work->op->core, appid, &before, info.refresh_token, fits, self->err);
}

static wxtp_status search_list(search *self)
{
    wxtp_status status = wx_list_each(self->work->op, consider, self, self->err);
    if (status != WXTP_OK || self->status != WXTP_OK) {
        return status != WXTP_OK ? status : self->status;
    }
    const char *only = NULL;
    for (size_t i = 0; i < self->count && !self->too_many; i++) {
        bool fits = false;
        status = check_candidate(self, self->appids[i], &fits);
        if (status != WXTP_OK) {
            return status;
        }
        if (fits && only) {
            return nothing_found(self->err);
        }
        only = fits ? self->appids[i] : only;
    }
    if (!only || self->too_many) {
        return nothing_found(self->err);
    }
    wx_copy(self->work->appid, sizeof(self->work->appid), only);
    return ask_known(self->work, self->err);
}

wxtp_status wx_code_recover(wx_code_work *work, wx_err *err)
{
    if (work->appid[0]) {
        return ask_known(work, err);
    }
    search *self = wx_alloc(&work->op->core->allocator, sizeof(*self));
    if (!self) {
        return wx_fail_nomem(err);
    }
    *self = (search){.work = work, .err = err};
    const wxtp_status status = search_list(self);
    wx_free(self);
    return status;
}
