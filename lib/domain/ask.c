#include "domain/ask.h"

#include <string.h>

enum { TOKEN_MAX = 4096, LIFE_DEFAULT_S = 7200 };

void wx_ask_member(wx_buf *body, const char *name, const char *value)
{
    wx_buf_text(body, body->len == 0 ? "{" : ",");
    wx_json_quote(body, name);
    wx_buf_text(body, ":");
    wx_json_quote(body, value);
}

/* An answer that lacks what it must have, or has it at an absurd length, is none. */
static wx_sent take_answer(wx_core *core, const wx_question *question, const wx_answer *answer,
                           const char *access_name, wx_unsaved *got, wx_err *err)
{
    const char *access = wx_json_str(answer->json, access_name);
    const char *refresh = wx_json_str(answer->json, "authorizer_refresh_token");
    if (access == NULL || access[0] == '\0' || strlen(access) > TOKEN_MAX ||
        (refresh != NULL && strlen(refresh) > TOKEN_MAX)) {
        wx_fail(err, WXTP_ERR_UNAVAILABLE, "WeChat's answer holds no token of a sensible length");
        return WX_SENT_UNKNOWN;
    }
    got->access = wx_strdup(&core->allocator, access);
    got->expires_in_s = wx_json_int(answer->json, "expires_in", LIFE_DEFAULT_S);
    if (refresh != NULL && refresh[0] != '\0') {
        got->refresh = wx_strdup(&core->allocator, refresh);
    }
    got->asked_with = wx_strdup(&core->allocator, question->refresh_token);
    if (got->access == NULL || (refresh != NULL && refresh[0] != '\0' && got->refresh == NULL) ||
        (question->refresh_token != NULL && got->asked_with == NULL)) {
        wx_unsaved_free(got);
        wx_fail_nomem(err);
        return WX_SENT_UNKNOWN;
    }
    return WX_SENT_OK;
}

wx_sent wx_ask_send(wx_renewal *renewal, wx_question *question, const wx_asked *asked, wx_unsaved *got,
                    wx_err *err)
{
    wx_core *core = renewal->op->core;
    const wx_platform_api *api = wx_catalog_platform(asked->call);
    WX_AUTO_ANSWER answer = {0};
    *got = (wx_unsaved){0};
    if (!wx_buf_text(asked->body, "}")) {
        wx_fail_nomem(err);
        return WX_SENT_NOTHING;
    }
    const wx_request request = {
        .name = api->name,
        .path = api->path,
        .token_parameter = api->token_parameter,
        .token = asked->component_token != NULL ? asked->component_token->text : NULL,
        .body = wx_buf_str(asked->body),
        .body_len = asked->body->len,
        .wants = asked->access_name,
        .timeout_ms = wx_call_time_ms(renewal->op),
        .may_send = question->may_send,
        .may_send_user = question->may_send_user,
        .secrets = {asked->secrets[0], asked->secrets[1], asked->secrets[2]},
        .secret_count = 3,
    };
    question->component_generation = asked->component_token != NULL ? asked->component_token->generation : 0;
    const int64_t began = wx_boot_ms(core);
    question->deadline_boot_ms = began + request.timeout_ms;
    const wx_sent sent = wx_send(core, &request, &answer, &got->sent_wall_ms, NULL, err);
    if (sent == WX_SENT_NOTHING || sent == WX_SENT_UNKNOWN) {
        wx_patience_spend(renewal->op, began);
    }
    if (sent != WX_SENT_OK) {
        wx_err_tenant(err, renewal->appid);
        return sent;
    }
    return take_answer(core, question, &answer, asked->access_name, got, err);
}
