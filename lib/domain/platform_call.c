#include "domain/platform_call.h"

#include <string.h>

#include "base/text.h"
#include "domain/gate.h"
#include "domain/record.h"
#include "domain/storage.h"
#include "domain/token_component.h"

enum { MINUTE_MS = 60000 };

static wxtp_status quota_remembered(wx_op *op, const char *name, wx_err *err)
{
    wx_core *core = op->core;
    WX_AUTO_SCOPE scope = {0};
    wxtp_hold_row hold;
    if (op->person) {
        return WXTP_OK;
    }
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->hold_get(scope.tx, core->settings.component, "", name, WXTP_HOLD_QUOTA, &hold);
    if (status != WXTP_OK || !wx_hold_stands(&hold, wx_wall_ms(core))) {
        return WXTP_OK;
    }
    wx_fail(err, WXTP_ERR_QUOTA, "%s: the platform's daily quota is used up", name);
    err->errcode = hold.errcode;
    err->retry_after_ms = hold.until_ms - wx_wall_ms(core);
    return err->status;
}

static void remember_quota(wx_core *core, const char *name, int64_t errcode)
{
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    const int64_t now = wx_wall_ms(core);
    const int64_t until = wx_beijing_midnight_ms(now);
    const wxtp_hold_row hold = {.platform = core->settings.component,
                                .appid = "",
                                .call = name,
                                .kind = WXTP_HOLD_QUOTA,
                                .errcode = errcode,
                                .since_ms = now,
                                .until_ms = until,
                                .interval_ms = until - now};
    if (wx_scope_begin(&scope, core, WXTP_TX_WRITE, &err) == WXTP_OK &&
        wx_ops(core)->hold_put(scope.tx, &hold) == WXTP_OK) {
        wx_scope_commit(&scope, &err);
    }
}

static bool withdrawn(const wx_about *about)
{
    return about->may_send && !about->may_send(about->may_send_user);
}

/* Whether the call is worth another try now; waits before it says yes. */
static bool try_again(wx_op *op, wx_sent sent, const wx_answer *answer, bool repeat_safe, int tries,
                      wx_err *err)
{
    wx_core *core = op->core;
    if (tries >= core->settings.max_tries) {
        return false;
    }
    if (sent == WX_SENT_NOTHING || (sent == WX_SENT_UNKNOWN && repeat_safe)) {
        return wx_wait_patiently(op, wx_backoff_ms(core, tries), err);
    }
    if (sent == WX_SENT_REFUSED && wx_errcode_find(answer->errcode)->class_ == WX_ERRCODE_RATE) {
        return wx_wait_patiently(op, MINUTE_MS - wx_wall_ms(core) % MINUTE_MS + 1, err);
    }
    return false;
}

wx_sent wx_send_platform(wx_op *op, wx_platform_call call, wx_about about, const char *body,
                         const char *wants, const char *const *secrets, int secret_count, bool repeat_safe,
                         wx_answer *answer, wx_err *err)
{
    wx_core *core = op->core;
    const wx_platform_api *api = wx_catalog_platform(call);
    bool renewed = false;
    *answer = (wx_answer){0};
    if (wx_need_component(core, err) != WXTP_OK || quota_remembered(op, api->name, err) != WXTP_OK) {
        return WX_SENT_NOTHING;
    }
    for (int tries = 1;; tries++) {
        WX_AUTO_TOKEN token = {0};
        wx_request request = {.name = api->name,
                              .path = api->path,
                              .token_parameter = api->token_parameter,
                              .body = body,
                              .body_len = strlen(body),
                              .wants = wants,
                              .may_send = about.may_send,
                              .may_send_user = about.may_send_user,
                              .secret_count = secret_count};
        for (int i = 0; i < secret_count; i++) {
            request.secrets[i] = secrets[i];
        }
        if (wx_stopping(core)) {
            wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked");
            return WX_SENT_NOTHING;
        }
        if (api->token_parameter != NULL) {
            if (wx_token_component(op, &token, err) != WXTP_OK) {
                return WX_SENT_NOTHING;
            }
            request.token = token.text;
        }
        if (withdrawn(&about)) {
            wx_fail(err, WXTP_ERR_UNAVAILABLE, "%s: too late to be sent", api->name);
            return WX_SENT_NOTHING;
        }
        request.timeout_ms = wx_call_time_ms(op);
        wx_answer_free(answer);
        const int64_t began = wx_boot_ms(core);
        const wx_sent sent = wx_send(core, &request, answer, NULL, NULL, err);
        if (sent == WX_SENT_NOTHING || sent == WX_SENT_UNKNOWN) {
            wx_patience_spend(op, began);
        }
        if (sent != WX_SENT_NOTHING && !(sent == WX_SENT_OK && about.success_is_told)) {
            const wx_record what = {
                .platform = core->settings.component, .appid = about.appid, .call = api->name};
            wx_record_about(op, &what, began, sent == WX_SENT_OK ? NULL : err);
        }
        const wx_errcode_class class_ =
            sent == WX_SENT_REFUSED ? wx_errcode_find(answer->errcode)->class_ : WX_ERRCODE_OK;
        if (class_ == WX_ERRCODE_QUOTA) {
            remember_quota(core, api->name, answer->errcode);
        }
        if (class_ == WX_ERRCODE_TOKEN && !renewed && token.text != NULL) {
            wx_err ignored = {0};
            renewed = true;
            if (wx_token_refused(core, core->settings.component, "", token.generation, &ignored) == WXTP_OK) {
                continue;
            }
        }
        if ((sent == WX_SENT_NOTHING && withdrawn(&about)) ||
            !try_again(op, sent, answer, repeat_safe, tries, err)) {
            return sent;
        }
    }
}
