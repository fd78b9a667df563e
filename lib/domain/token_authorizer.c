#include "domain/token_authorizer.h"

#include "domain/ask.h"
#include "domain/recovery.h"
#include "domain/token_component.h"

/* Component first, then authorizer. */
static wxtp_status component_at_hand(wx_op *op, wx_err *err)
{
    WX_AUTO_TOKEN component = {0};
    return wx_token_component(op, &component, err);
}

static wx_sent ask(wx_renewal *renewal, wx_question *question, wx_unsaved *got, wx_err *err)
{
    wx_op *op = renewal->op;
    WX_AUTO_TOKEN component = {0};
    WX_AUTO_BUF body;
    wx_buf_init(&body, &op->core->allocator, WX_ASK_BODY_MAX);
    if (wx_token_component(op, &component, err) != WXTP_OK) {
        return WX_SENT_NOTHING;
    }
    wx_ask_member(&body, "component_appid", op->core->settings.component);
    wx_ask_member(&body, "authorizer_appid", renewal->appid);
    wx_ask_member(&body, "authorizer_refresh_token", question->refresh_token);
    const wx_asked asked = {.call = WX_API_AUTHORIZER_TOKEN,
                            .access_name = "authorizer_access_token",
                            .component_token = &component,
                            .body = &body,
                            .secrets = {question->refresh_token}};
    return wx_ask_send(renewal, question, &asked, got, err);
}

/* Once: the lease is given back while the component's token is renewed. */
static wx_next component_refused(wx_renewal *renewal, const wx_question *question, wx_err *err)
{
    wx_core *core = renewal->op->core;
    const bool again = renewal->component_refused;
    renewal->component_refused = true;
    if (wx_token_refused(core, core->settings.component, "", question->component_generation, err) !=
        WXTP_OK) {
        return WX_NEXT_FAILED;
    }
    if (!again) {
        return WX_NEXT_FROM_THE_TOP;
    }
    wx_fail_after(err, WXTP_ERR_CREDENTIALS,
                  "WeChat refuses the component's access token, one just renewed too");
    wx_err_hint(err, "See that no other program renews the component's token; then try again.");
    wx_err_tenant(err, renewal->appid);
    return WX_NEXT_FAILED;
}

static wx_next refused(wx_renewal *renewal, const wx_question *question, wx_errcode_class class_, wx_err *err)
{
    switch (class_) {
    case WX_ERRCODE_UNAUTHORIZED:
        renewal->account_refused = true;
        return WX_NEXT_OTHER;
    case WX_ERRCODE_REFRESH_TOKEN_DEAD:
        return WX_NEXT_OTHER;
    case WX_ERRCODE_TOKEN:
        return component_refused(renewal, question, err);
    default:
        return WX_NEXT_FAILED;
    }
}

static const wx_token_source source = {.kind = WX_TOKEN_AUTHORIZER,
                                       .needs_refresh_token = true,
                                       .prepare = component_at_hand,
                                       .ask = ask,
                                       .refused = refused,
                                       .other = wx_recovery_next,
                                       .forget = wx_recovery_forget};

const wx_token_source *wx_token_authorizer_source(void)
{
    return &source;
}
