#include "codec/query.h"

#include <assert.h>
#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* How many characters stand for themselves. */
static size_t plain_len(const char *text, size_t len)
{
    size_t plain = 0;
    while (plain < len && text[plain] != '+' && text[plain] != '%') {
        plain++;
    }
    return plain;
}

static bool decode(const char *text, size_t len, wx_buf *value)
{
    bool ok = wx_buf_add(value, NULL, 0);
    for (size_t at = 0; ok && at < len;) {
        const size_t plain = plain_len(text + at, len - at);
        if (plain > 0) {
            ok = wx_buf_add(value, text + at, plain);
            at += plain;
        } else if (text[at] == '+') {
            ok = wx_buf_add(value, " ", 1);
            at++;
        } else {
            const int high = len - at > 2 ? hex_value(text[at + 1]) : -1;
            const int low = len - at > 2 ? hex_value(text[at + 2]) : -1;
            /* An encoded NUL would cut the value short. */
            if (high < 0 || low < 0 || high + low == 0) {
                return false;
            }
            const char c = (char)(unsigned char)(high * 16 + low);
            ok = wx_buf_add(value, &c, 1);
            at += 3;
        }
    }
    return ok;
}

bool wx_query_get(const char *query, const char *name, wx_buf *value)
{
    assert(name && value);
    wx_buf_clear(value);
    const size_t name_len = strlen(name);
    const char *at = query ? query : "";
    at += *at == '?';
    while (*at) {
        const char *end = strchrnul(at, '&');
        if (strncmp(at, name, name_len) == 0 && (at + name_len == end || at[name_len] == '=')) {
            const char *from = at + name_len + (at + name_len < end);
            bool ok = decode(from, (size_t)(end - from), value);
            if (!ok) {
                const bool nomem = value->nomem;
                wx_buf_clear(value);
                value->nomem = nomem;
            }
            return ok;
        }
        at = end + (*end == '&');
    }
    return false;
}
