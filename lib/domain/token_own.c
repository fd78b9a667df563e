#include "domain/token_own.h"

#include <string.h>

#include "base/text.h"
#include "domain/ask.h"
#include "domain/record.h"
#include "domain/storage.h"
#include "domain/vault.h"

enum { FORCED_A_DAY = 5, FORCED_APART_MS = 30000 };

static wx_sent ask(wx_renewal *renewal, wx_question *question, wx_unsaved *got, wx_err *err)
{
    wx_core *core = renewal->op->core;
    WX_AUTO_FREE char *appsecret = NULL;
    WX_AUTO_BUF body;
    wx_buf_init(&body, &core->allocator, WX_ASK_BODY_MAX);
    if (wx_vault_open(core, "tenant", "", renewal->appid, "appsecret", renewal->tenant->row.appsecret,
                      &appsecret, err) != WXTP_OK) {
        return WX_SENT_NOTHING;
    }
    if (appsecret == NULL) {
        wx_fail(err, WXTP_ERR_CONFIGURATION, "the account %s has no appsecret", renewal->appid);
        return WX_SENT_NOTHING;
    }
    wx_ask_member(&body, "grant_type", "client_credential");
    wx_ask_member(&body, "appid", renewal->appid);
    wx_ask_member(&body, "secret", appsecret);
    if (question->force) {
        wx_buf_text(&body, ",\"force_refresh\":true");
    }
    const wx_asked asked = {
        .call = WX_API_STABLE_TOKEN, .access_name = "access_token", .body = &body, .secrets = {appsecret}};
    return wx_ask_send(renewal, question, &asked, got, err);
}

/* stable_token answers the same text within its life, also the one that WeChat has just refused. */
static bool refused_text_again(const wx_renewal *renewal, const wx_question *question, const wx_unsaved *got)
{
    const wx_held *held = &renewal->held;
    return !question->force && held->access != NULL && held->refused_generation >= held->generation &&
           strcmp(got->access, held->access) == 0;
}

/* Own accounts: the unforced answer was the refused text again. */
static wxtp_status force_it(wx_renewal *renewal, wx_question *question, wx_err *err)
{
    wx_core *core = renewal->op->core;
    wx_held *held = &renewal->held;
    const int64_t now = wx_wall_ms(core);
    const int64_t today = wx_beijing_day(now);
    const int64_t count = held->forced_day == today ? held->forced_count : 0;
    WX_AUTO_SCOPE scope = {0};
    question->force = true;
    const bool just_now = held->forced_ms <= now && now - held->forced_ms < FORCED_APART_MS;
    if (!core->settings.own_force_refresh || count >= FORCED_A_DAY || just_now) {
        wx_fail(err, WXTP_ERR_CREDENTIALS,
                "WeChat refuses the token that stable_token answers, and a forced refresh is not "
                "allowed now");
        wx_err_hint(err,
                    "see whether another program refreshes this account's token; forced refreshes are "
                    "limited to %d a day, "
                    "30 s apart",
                    FORCED_A_DAY);
        return err->status;
    }
    held->forced_day = today;
    held->forced_count = count + 1;
    held->forced_ms = now;
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_held_put(core, scope.tx, held, held->generation, &renewal->lease, err);
    }
    const wx_record record = {.platform = renewal->platform,
                              .appid = renewal->appid,
                              .call = "stable_token.force_refresh",
                              .job_id = renewal->op->job_id,
                              .token_generation = held->generation};
    if (status == WXTP_OK) {
        status = wx_record_add(core, scope.tx, &record, err);
    }
    return status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
}

static const wx_token_source source = {
    .kind = WX_TOKEN_OWN, .ask = ask, .useless = refused_text_again, .other = force_it};

const wx_token_source *wx_token_own_source(void)
{
    return &source;
}
