/* Calls of the platform itself. */
#ifndef WX_DOMAIN_PLATFORM_CALL_H
#define WX_DOMAIN_PLATFORM_CALL_H

#include "domain/send.h"

/* Makes one, with the component token where its row has a token parameter: a refused
 * component token is renewed and the call made once more; busy answers are tried again with the operation's
 * patience when `repeat_safe`. The component's own quota (45009) is remembered. Each try is recorded
 * where it is about a tenant (`about`, "": none). */
wx_sent wx_send_platform(wx_op *op, wx_platform_call call, const char *about, const char *body,
                         const char *wants, const char *const *secrets, int secret_count, bool repeat_safe,
                         wx_answer *answer, wx_err *err);

#endif
