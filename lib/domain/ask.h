/* The three questions that bring a token: one request each, tried once. */
#ifndef WX_DOMAIN_ASK_H
#define WX_DOMAIN_ASK_H

#include "domain/flights.h"
#include "domain/held.h"
#include "domain/send.h"

typedef struct wx_question {
    wx_token_kind kind;
    const char *appid;         /* "" for the component */
    const char *refresh_token; /* authorizers */
    const wx_tenant *tenant;   /* own accounts: whose appsecret */
    bool force;                /* own accounts: force_refresh */
    bool (*may_send)(void *user);
    void *may_send_user;
    int64_t component_generation; /* out: of the component token that the question was asked with */
    int64_t deadline_boot_ms;     /* out, set before `may_send` is asked: when the call ends at the latest */
} wx_question;

/* `got` receives the answer; freed by the caller with wx_unsaved_free. `answer_errcode`: 0 or WeChat's. */
wx_sent wx_ask(wx_op *op, wx_question *question, wx_unsaved *got, int64_t *answer_errcode, wx_err *err);

#endif
