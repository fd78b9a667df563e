#include "domain/token_component.h"

#include "domain/ask.h"
#include "domain/component.h"
#include "domain/ticket.h"

static wxtp_status good_ticket(wx_op *op, char **ticket, wx_err *err)
{
    const wxtp_status status = wx_ticket_get(op->core, ticket, err);
    if (status == WXTP_ERR_TICKET) {
        wx_ticket_ask(op);
    }
    return status;
}

static wx_sent ask(wx_renewal *renewal, wx_question *question, wx_unsaved *got, wx_err *err)
{
    wx_op *op = renewal->op;
    WX_AUTO_COMPONENT component = {0};
    WX_AUTO_FREE char *ticket = NULL;
    WX_AUTO_BUF body;
    wx_buf_init(&body, &op->core->allocator, WX_ASK_BODY_MAX);
    wxtp_status status = wx_component_load(op->core, &component, err);
    if (status == WXTP_OK && component.appsecret == NULL) {
        status = wx_fail(err, WXTP_ERR_CONFIGURATION, "the platform has no appsecret");
    }
    if (status != WXTP_OK || good_ticket(op, &ticket, err) != WXTP_OK) {
        return WX_SENT_NOTHING;
    }
    wx_ask_member(&body, "component_appid", component.appid);
    wx_ask_member(&body, "component_appsecret", component.appsecret);
    wx_ask_member(&body, "component_verify_ticket", ticket);
    const wx_asked asked = {.call = WX_API_COMPONENT_TOKEN,
                            .access_name = "component_access_token",
                            .body = &body,
                            .secrets = {component.appsecret, ticket}};
    return wx_ask_send(renewal, question, &asked, got, err);
}

static wx_next refused(wx_renewal *renewal, const wx_question *question, wx_errcode_class class_, wx_err *err)
{
    (void)question;
    (void)err;
    if (class_ == WX_ERRCODE_TICKET) {
        wx_ticket_ask(renewal->op);
    }
    return WX_NEXT_FAILED;
}

static const wx_token_source source = {.kind = WX_TOKEN_COMPONENT, .ask = ask, .refused = refused};

wxtp_status wx_token_component(wx_op *op, wx_token *token, wx_err *err)
{
    *token = (wx_token){0};
    const wxtp_status status = wx_need_component(op->core, err);
    return status == WXTP_OK
               ? wx_stored_token_get(op, &source, NULL, op->core->settings.component, "", token, err)
               : status;
}
