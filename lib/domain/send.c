#include "domain/send.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "domain/record.h"
#include "domain/storage.h"
#include "domain/token.h"

enum { ANSWER_MAX = 8 * 1024 * 1024, URL_MAX = 16 * 1024, SECRETS_MAX = 8, MINUTE_MS = 60000 };

static bool build_url(wx_core *core, const wx_request *request, wx_buf *url)
{
    wx_buf_text(url, request->base != NULL ? request->base : core->settings.api_base);
    wx_buf_text(url, request->path);
    if (request->token_parameter != NULL && request->token != NULL) {
        wx_buf_text(url, strchr(request->path, '?') != NULL ? "&" : "?");
        wx_buf_text(url, request->token_parameter);
        wx_buf_text(url, "=");
        wx_buf_percent(url, request->token);
    }
    return !url->failed;
}

static void hide_secrets(const wx_request *request, wx_answer *answer, wx_err *err)
{
    const char *secrets[SECRETS_MAX];
    int count = 0;
    assert(request->secret_count < SECRETS_MAX);
    if (request->token != NULL) {
        secrets[count++] = request->token;
    }
    for (int i = 0; i < request->secret_count; i++) {
        if (request->secrets[i] != NULL) {
            secrets[count++] = request->secrets[i];
        }
    }
    wx_err_redact(err, secrets, count);
    wx_redact(answer->errmsg, secrets, count);
}

/* WeChat's own words without the rid, which has a place of its own. */
static void set_refusal(const char *name, const wx_answer *answer, wx_err *err)
{
    const wx_errcode *row = wx_errcode_find(answer->errcode);
    const char *rid = strstr(answer->errmsg, " rid: ");
    const int len = rid != NULL ? (int)(rid - answer->errmsg) : (int)strlen(answer->errmsg);
    wx_fail(err, wx_errcode_status(row->class_), "%s: WeChat answered %.*s (%s)", name, len, answer->errmsg,
            row->meaning);
    if (row->hint != NULL && row->hint[0] != '\0') {
        wx_err_hint(err, "%s", row->hint);
    }
    err->errcode = answer->errcode;
    wx_copy(err->rid, sizeof(err->rid), answer->rid);
}

static wx_sent judge(const wx_request *request, const wxtp_http_answer *http, wx_answer *answer, wx_err *err)
{
    if (http->outcome != WXTP_HTTP_ANSWERED) {
        wx_fail(err, WXTP_ERR_UNAVAILABLE, "%s: %s", request->name,
                http->detail[0] != '\0' ? http->detail : "no answer from WeChat");
        err->unknown_outcome = http->outcome == WXTP_HTTP_UNKNOWN;
        return http->outcome == WXTP_HTTP_UNKNOWN ? WX_SENT_UNKNOWN : WX_SENT_NOTHING;
    }
    wx_answer_read(answer, http->status, http->body, http->body_len, request->wants);
    if (!answer->sensible) {
        wx_fail(err, WXTP_ERR_UNAVAILABLE, "%s: the answer (HTTP %ld, %zu bytes) is not one of WeChat's",
                request->name, http->status, http->body_len);
        err->unknown_outcome = true;
        return WX_SENT_UNKNOWN;
    }
    if (answer->errcode == 0) {
        return WX_SENT_OK;
    }
    set_refusal(request->name, answer, err);
    if (wx_errcode_find(answer->errcode)->class_ == WX_ERRCODE_BUSY) {
        err->unknown_outcome = true;
        return WX_SENT_UNKNOWN;
    }
    return WX_SENT_REFUSED;
}

wx_sent wx_send(wx_core *core, const wx_request *request, wx_answer *answer, int64_t *sent_wall_ms,
                int64_t *duration_ms, wx_err *err)
{
    WX_AUTO_BUF url;
    wxtp_http_answer http = {0};
    wx_buf_init(&url, &core->allocator, URL_MAX);
    *answer = (wx_answer){0};
    if (!build_url(core, request, &url)) {
        wx_fail_nomem(err);
        return WX_SENT_NOTHING;
    }
    const wxtp_http_request http_request = {
        .method = "POST",
        .url = wx_buf_str(&url),
        .body = request->body,
        .body_len = request->body_len,
        .timeout_ms = core->settings.timeout_ms,
        .max_answer_bytes = ANSWER_MAX,
        .may_send = request->may_send,
        .may_send_user = request->may_send_user,
    };
    const int64_t wall = wx_wall_ms(core);
    const int64_t began = wx_boot_ms(core);
    core->http.perform(core->http.user, &http_request, &http);
    const wx_sent sent = judge(request, &http, answer, err);
    core->http.release(core->http.user, &http);
    const int64_t took = wx_boot_ms(core) - began;
    if (sent != WX_SENT_OK) {
        hide_secrets(request, answer, err);
    }
    if (sent_wall_ms != NULL) {
        *sent_wall_ms = wall;
    }
    if (duration_ms != NULL) {
        *duration_ms = took;
    }
    wx_log(&core->log, WXTP_LOG_DEBUG, "%s: %s in %lld ms", request->name,
           sent == WX_SENT_OK ? "ok" : err->message, (long long)took);
    return sent;
}

/* ---- Calls of the platform itself ---- */

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
    if (status != WXTP_OK || hold.until_ms <= wx_wall_ms(core)) {
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
    const wxtp_hold_row hold = {.platform = core->settings.component,
                                .appid = "",
                                .call = name,
                                .kind = WXTP_HOLD_QUOTA,
                                .errcode = errcode,
                                .since_ms = now,
                                .until_ms = wx_beijing_midnight_ms(now)};
    if (wx_scope_begin(&scope, core, WXTP_TX_WRITE, &err) == WXTP_OK &&
        wx_ops(core)->hold_put(scope.tx, &hold) == WXTP_OK) {
        wx_scope_commit(&scope, &err);
    }
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

wx_sent wx_send_platform(wx_op *op, wx_platform_call call, const char *body, const char *wants,
                         const char *const *secrets, int secret_count, bool repeat_safe, wx_answer *answer,
                         wx_err *err)
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
        wx_answer_free(answer);
        const wx_sent sent = wx_send(core, &request, answer, NULL, NULL, err);
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
        if (!try_again(op, sent, answer, repeat_safe, tries, err)) {
            return sent;
        }
    }
}
