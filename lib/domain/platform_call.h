/* Calls of the platform itself. */
#ifndef WX_DOMAIN_PLATFORM_CALL_H
#define WX_DOMAIN_PLATFORM_CALL_H

#include "domain/send.h"

/* Whom a call is about, and who has a say in it. */
typedef struct wx_about {
    const char *appid;            /* "": nobody */
    bool success_is_told;         /* the caller records a success, since it knows what came of it */
    bool (*may_send)(void *user); /* asked last: before it came to that, a token may have been waited for */
    void *may_send_user;
} wx_about;

/* Makes one, with the component token where its row has a token parameter: a refused
 * component token is renewed and the call made once more; busy answers are tried again with the operation's
 * patience when `repeat_safe`. What `may_send` says no to is WX_SENT_NOTHING at once. The component's own
 * quota (45009) is remembered. Each try is recorded where it is about a tenant. */
wx_sent wx_send_platform(wx_op *op, wx_platform_call call, wx_about about, const char *body,
                         const char *wants, const char *const *secrets, int secret_count, bool repeat_safe,
                         wx_answer *answer, wx_err *err);

#endif
