/* What WeChat answered, judged by its body alone. */
#ifndef WX_CODEC_ANSWER_H
#define WX_CODEC_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/json.h"

typedef struct wx_answer {
    bool sensible;   /* a JSON object came with a 2xx status */
    bool nomem;      /* there was no memory to read it */
    int64_t errcode; /* 0 also where an answer that is whole carries none */
    bool has_errcode;
    char errmsg[256]; /* control characters replaced; secrets are redacted by the sender */
    bool errmsg_cut;  /* WeChat's is longer */
    char rid[WX_RID_MAX];
    struct json_object *json; /* NULL unless sensible */
} wx_answer;

/* `wants`: a member that a success without errcode must have ("access_token"), NULL: errcode 0 is demanded,
 * "": any object will do. */
void wx_answer_read(wx_answer *answer, long http_status, const char *body, size_t len, const char *wants);
void wx_answer_free(wx_answer *answer);
#define WX_AUTO_ANSWER __attribute__((cleanup(wx_answer_free))) wx_answer

#endif
