#include "codec/answer.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static bool rid_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

static void read_rid(wx_answer *answer, const char *text)
{
    size_t len = 0;
    while (rid_character(text[len])) {
        len++;
    }
    if (len > 0 && len < sizeof(answer->rid)) {
        memcpy(answer->rid, text, len);
        answer->rid[len] = '\0';
    }
}

/* A member of its own, or the end of errmsg: "… rid: 5f0c-…". */
static void find_rid(wx_answer *answer, struct json_object *object, const char *errmsg)
{
    const char *own = wx_json_str(object, "rid");
    const char *mark = errmsg ? strstr(errmsg, "rid:") : NULL;
    if (own) {
        read_rid(answer, own);
    } else if (mark && (mark == errmsg || !rid_character(mark[-1]))) {
        mark += strlen("rid:");
        read_rid(answer, mark + strspn(mark, " "));
    }
}

static bool has_member(struct json_object *object, const char *name)
{
    struct json_object *member = wx_json_get(object, name);
    return member &&
           !(json_object_is_type(member, json_type_string) && json_object_get_string_len(member) == 0);
}

void wx_answer_read(wx_answer *answer, long http_status, const char *body, size_t len, const char *wants)
{
    assert(answer);
    *answer = (wx_answer){.sensible = false};
    if (!body || http_status < 200 || http_status > 299) {
        return;
    }
    if (len >= 3 && memcmp(body, "\xEF\xBB\xBF", 3) == 0) {
        body += 3;
        len -= 3;
    }
    WX_AUTO_JSON *object = wx_json_parse(body, len);
    if (!object) {
        answer->nomem = errno == ENOMEM;
        return;
    }
    if (!json_object_is_type(object, json_type_object)) {
        return;
    }
    if (json_object_object_get_ex(object, "errcode", NULL)) {
        int64_t errcode = wx_json_int(object, "errcode", INT64_MIN);
        if (errcode == INT64_MIN) {
            return;
        }
        answer->has_errcode = true;
        answer->errcode = errcode;
    }
    const char *errmsg = wx_json_str(object, "errmsg");
    answer->errmsg_cut = !wx_copy(answer->errmsg, sizeof(answer->errmsg), errmsg);
    wx_text_one_line(answer->errmsg);
    find_rid(answer, object, errmsg);
    /* Absent is not success: an answer must carry what was asked for, or say 0 itself. */
    bool whole = wants ? wants[0] == '\0' || has_member(object, wants) : answer->has_errcode;
    answer->sensible = answer->errcode != 0 || whole;
    if (answer->sensible) {
        answer->json = object;
        object = NULL;
    }
}

void wx_answer_free(wx_answer *answer)
{
    wx_json_put_at(&answer->json);
    OPENSSL_cleanse(answer, sizeof(*answer));
}
