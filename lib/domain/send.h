/* One HTTP call to WeChat and its answer. Knows nothing of tenants; tries once. */
#ifndef WX_DOMAIN_SEND_H
#define WX_DOMAIN_SEND_H

#include "codec/answer.h"
#include "codec/errcode.h"
#include "domain/core.h"

typedef struct wx_request {
    const char *name; /* for messages: "api_authorizer_token" */
    const char *base; /* NULL: the API base */
    const char *path;
    const char *token_parameter; /* NULL: no token */
    const char *token;
    const char *body;
    size_t body_len;
    const char *wants;  /* see wx_answer_read */
    int64_t timeout_ms; /* 0: the settings' */
    bool (*may_send)(void *user);
    void *may_send_user;
    const char *secrets[6]; /* besides the token: what must not show up in messages */
    int secret_count;
} wx_request;

typedef enum wx_sent {
    WX_SENT_OK,      /* WeChat did it */
    WX_SENT_REFUSED, /* WeChat answered an errcode other than -1: it did not do it */
    WX_SENT_NOTHING, /* nothing left this machine */
    WX_SENT_UNKNOWN, /* it may have been done: time-out, cut, -1, 5xx, no JSON */
} wx_sent;

/* Where it goes, token and all. False when out of memory. */
bool wx_send_url(const wx_core *core, const wx_request *request, wx_buf *url);
/* `err` is set unless WX_SENT_OK: status by errcode class, errcode, rid, message without secrets. `answer` is
 * to be freed in every case. `duration_ms` (may be NULL) and `sent_wall_ms` (may be NULL): when it left. */
wx_sent wx_send(wx_core *core, const wx_request *request, wx_answer *answer, int64_t *sent_wall_ms,
                int64_t *duration_ms, wx_err *err);

#endif
