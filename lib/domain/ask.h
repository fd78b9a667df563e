/* What the requests for tokens have in common. */
#ifndef WX_DOMAIN_ASK_H
#define WX_DOMAIN_ASK_H

#include "domain/refresh.h"

enum { WX_ASK_BODY_MAX = 64 * 1024 };

/* Appends `"name":"value"` to a JSON object under way; the first member opens it. */
void wx_ask_member(wx_buf *body, const char *name, const char *value);

typedef struct wx_asked {
    wx_platform_call call;
    const char *access_name;         /* of the answer's member: "access_token" */
    const wx_token *component_token; /* NULL where the call takes none */
    wx_buf *body;                    /* without the closing brace */
    const char *secrets[3];
} wx_asked;

/* Sends it and takes the answer; an answer without a token of a sensible length is none. */
wx_sent wx_ask_send(wx_renewal *renewal, wx_question *question, const wx_asked *asked, wx_unsaved *got,
                    wx_err *err);

#endif
