#include "domain/send.h"

#include <assert.h>
#include <string.h>

enum { ANSWER_MAX = 8 * 1024 * 1024, URL_MAX = 16 * 1024, URL_USUAL = 384, SECRETS_MAX = 8 };

bool wx_send_url(const wx_core *core, const wx_request *request, wx_buf *url)
{
    wx_buf_reserve(url, URL_USUAL);
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

typedef struct sent_secrets {
    const char *texts[SECRETS_MAX];
    int count;
} sent_secrets;

static sent_secrets secrets_of(const wx_request *request)
{
    sent_secrets secrets = {.count = 0};
    assert(request->secret_count < SECRETS_MAX);
    if (request->token != NULL) {
        secrets.texts[secrets.count++] = request->token;
    }
    for (int i = 0; i < request->secret_count; i++) {
        if (request->secrets[i] != NULL) {
            secrets.texts[secrets.count++] = request->secrets[i];
        }
    }
    return secrets;
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
    /* Before the words are put into others: a secret that was cut is only known at the end of a text. */
    const sent_secrets secrets = secrets_of(request);
    wx_redact(answer->errmsg, secrets.texts, secrets.count);
    /* WeChat may quote one that this request has not sent. */
    wx_redact_runs(answer->errmsg, answer->errmsg_cut);
    if (answer->nomem) {
        wx_fail_nomem(err);
        err->unknown_outcome = true;
        return WX_SENT_UNKNOWN;
    }
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
    if (!wx_send_url(core, request, &url)) {
        wx_fail_nomem(err);
        return WX_SENT_NOTHING;
    }
    const wxtp_http_request http_request = {
        .method = "POST",
        .url = wx_buf_str(&url),
        .body = request->body,
        .body_len = request->body_len,
        .timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : core->settings.timeout_ms,
        .max_answer_bytes = ANSWER_MAX,
        .may_send = request->may_send,
        .may_send_user = request->may_send_user,
    };
    const int64_t wall = wx_wall_ms(core);
    const int64_t began = wx_boot_ms(core);
    wx_perform(core->engine, &http_request, &http);
    const wx_sent sent = judge(request, &http, answer, err);
    core->http.release(core->http.user, &http);
    const int64_t took = wx_boot_ms(core) - began;
    if (sent != WX_SENT_OK) {
        const sent_secrets secrets = secrets_of(request);
        wx_err_redact(err, secrets.texts, secrets.count);
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
