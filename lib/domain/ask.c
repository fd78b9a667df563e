#include "domain/ask.h"

#include <string.h>

#include "domain/component.h"
#include "domain/ticket.h"
#include "domain/vault.h"

enum { BODY_MAX = 64 * 1024, TOKEN_MAX = 4096, LIFE_DEFAULT_S = 7200 };

static void add_member(wx_buf *body, const char *name, const char *value)
{
    wx_buf_text(body, body->len == 0 ? "{" : ",");
    wx_json_quote(body, name);
    wx_buf_text(body, ":");
    wx_json_quote(body, value);
}

static wxtp_status component_body(wx_op *op, wx_component *component, char **ticket, wx_buf *body,
                                  wx_err *err)
{
    wxtp_status status = wx_component_load(op->core, component, err);
    if (status == WXTP_OK) {
        status = wx_ticket_get(op->core, ticket, err);
        if (status == WXTP_ERR_TICKET) {
            const wx_err kept = *err;
            wx_ticket_ask(op);
            *err = kept;
        }
    }
    if (status == WXTP_OK && component->appsecret == NULL) {
        status = wx_fail(err, WXTP_ERR_CONFIGURATION, "the platform has no appsecret");
    }
    if (status != WXTP_OK) {
        return status;
    }
    add_member(body, "component_appid", component->appid);
    add_member(body, "component_appsecret", component->appsecret);
    add_member(body, "component_verify_ticket", *ticket);
    return WXTP_OK;
}

static wxtp_status authorizer_body(wx_op *op, const wx_question *question, wx_token *component_token,
                                   wx_buf *body, wx_err *err)
{
    const wxtp_status status = wx_token_component(op, component_token, err);
    if (status != WXTP_OK) {
        return status;
    }
    add_member(body, "component_appid", op->core->settings.component);
    add_member(body, "authorizer_appid", question->appid);
    add_member(body, "authorizer_refresh_token", question->refresh_token);
    return WXTP_OK;
}

static wxtp_status own_body(wx_op *op, const wx_question *question, char **appsecret, wx_buf *body,
                            wx_err *err)
{
    const wxtp_status status = wx_vault_open(op->core, "tenant", "", question->appid, "appsecret",
                                             question->tenant->row.appsecret, appsecret, err);
    if (status != WXTP_OK) {
        return status;
    }
    if (*appsecret == NULL) {
        return wx_fail(err, WXTP_ERR_CONFIGURATION, "the account %s has no appsecret", question->appid);
    }
    add_member(body, "grant_type", "client_credential");
    add_member(body, "appid", question->appid);
    add_member(body, "secret", *appsecret);
    if (question->force) {
        wx_buf_text(body, ",\"force_refresh\":true");
    }
    return WXTP_OK;
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

wx_sent wx_ask(wx_op *op, wx_question *question, wx_unsaved *got, int64_t *answer_errcode, wx_err *err)
{
    wx_core *core = op->core;
    static const wx_platform_call calls[] = {WX_API_COMPONENT_TOKEN, WX_API_AUTHORIZER_TOKEN,
                                             WX_API_STABLE_TOKEN};
    static const char *const access_names[] = {"component_access_token", "authorizer_access_token",
                                               "access_token"};
    const wx_platform_api *api = wx_catalog_platform(calls[question->kind]);
    WX_AUTO_COMPONENT component = {0};
    WX_AUTO_TOKEN component_token = {0};
    WX_AUTO_FREE char *secret = NULL;
    WX_AUTO_ANSWER answer = {0};
    WX_AUTO_BUF body;
    wxtp_status status;
    wx_buf_init(&body, &core->allocator, BODY_MAX);
    *answer_errcode = 0;
    *got = (wx_unsaved){0};
    if (question->kind == WX_TOKEN_COMPONENT) {
        status = component_body(op, &component, &secret, &body, err);
    } else if (question->kind == WX_TOKEN_AUTHORIZER) {
        status = authorizer_body(op, question, &component_token, &body, err);
    } else {
        status = own_body(op, question, &secret, &body, err);
    }
    wx_buf_text(&body, "}");
    if (status == WXTP_OK && body.failed) {
        status = wx_fail_nomem(err);
    }
    if (status != WXTP_OK) {
        return WX_SENT_NOTHING;
    }
    question->component_generation = component_token.generation;
    const wx_request request = {
        .name = api->name,
        .path = api->path,
        .token_parameter = api->token_parameter,
        .token = component_token.text,
        .body = wx_buf_str(&body),
        .body_len = body.len,
        .wants = access_names[question->kind],
        .may_send = question->may_send,
        .may_send_user = question->may_send_user,
        .secrets = {component.appsecret, secret, question->refresh_token},
        .secret_count = 3,
    };
    question->deadline_boot_ms = wx_boot_ms(core) + core->settings.timeout_ms;
    const wx_sent sent = wx_send(core, &request, &answer, &got->sent_wall_ms, NULL, err);
    *answer_errcode = answer.errcode;
    if (sent != WX_SENT_OK) {
        wx_err_tenant(err, question->appid);
        return sent;
    }
    return take_answer(core, question, &answer, access_names[question->kind], got, err);
}
