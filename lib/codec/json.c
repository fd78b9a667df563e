#include "codec/json.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { DEPTH_MAX = 32, INPUT_MAX = 64 << 20, PROBE_LEAST = 4096, PROBE_TIMES = 8 };

/* What it read last, tokens too, is still in its buffer. */
static void tokener_free_at(struct json_tokener **tokener)
{
    if (*tokener) {
        struct printbuf *buffer = (*tokener)->pb;
        OPENSSL_cleanse(buffer->buf, (size_t)buffer->size);
        json_tokener_free(*tokener);
    }
}

/* Whether what stands outside strings may be JSON; json-c would also take 'x', NaN, Infinity and "1." */
static bool bare_ok(const char *text, size_t len)
{
    switch (text[0]) {
    case '\'':
    case 'N':
    case 'I':
        return false;
    case '.':
        return len > 1 && text[1] >= '0' && text[1] <= '9';
    default:
        return true;
    }
}

/*
 * Refuses what json-c lets pass. NUL, raw or as an escape: it would cut a member's name there, so that one
 * name could pass for another.
 */
static bool scan_ok(const char *text, size_t len)
{
    bool in_string = false;
    bool escaped = false;
    for (size_t at = 0; at < len; at++) {
        if (text[at] == '\0' || (escaped && len - at >= 5 && memcmp(text + at, "u0000", 5) == 0)) {
            return false;
        }
        if (!in_string && !bare_ok(text + at, len - at)) {
            return false;
        }
        in_string = in_string != (text[at] == '"' && !escaped);
        escaped = in_string && text[at] == '\\' && !escaped;
    }
    return true;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * json-c (to 0.16) does not look whether it got the memory for a member's name, and cuts a string for which
 * it got none. So that it gets what it needs, about that much is asked for and given back first; and what has
 * been parsed while memory was short, which errno tells, is not believed.
 */
static bool memory_for(size_t len)
{
    void *volatile probe =
        calloc(1, PROBE_LEAST + PROBE_TIMES * len); /* others may have left secrets there */
    const bool got = probe != NULL;
    free(probe);
    return got;
}

struct json_object *wx_json_parse(const char *text, size_t len)
{
    errno = 0;
    if (!text || len > INPUT_MAX || !scan_ok(text, len) || !wx_utf8_ok(text, len)) {
        return NULL;
    }
    __attribute__((cleanup(tokener_free_at))) struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    if (!tokener || !memory_for(len)) {
        errno = ENOMEM;
        return NULL;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    WX_AUTO_JSON *value = json_tokener_parse_ex(tokener, text, (int)len);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t end = error == json_tokener_success ? json_tokener_get_parse_end(tokener) : len;
    if (error == json_tokener_continue) {
        /* A number may go on until something ends it. */
        value = json_tokener_parse_ex(tokener, "\n", 1);
        error = json_tokener_get_error(tokener);
    }
    if (error != json_tokener_success || errno == ENOMEM) {
        return NULL;
    }
    for (; end < len; end++) {
        if (!blank(text[end])) {
            return NULL;
        }
    }
    struct json_object *whole = value;
    value = NULL;
    return whole;
}

/* json-c zeroes nothing. No deeper than the parser lets anything be. */
static void cleanse(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_string:
        OPENSSL_cleanse((char *)json_object_get_string(value), (size_t)json_object_get_string_len(value));
        break;
    case json_type_array:
        for (size_t at = 0; at < json_object_array_length(value); at++) {
            cleanse(json_object_array_get_idx(value, at));
        }
        break;
    case json_type_object: {
        json_object_object_foreach(value, name, member)
        {
            (void)name;
            cleanse(member);
        }
        break;
    }
    default:
        break;
    }
}

void wx_json_put_at(struct json_object **value)
{
    cleanse(*value);
    (void)json_object_put(*value);
    *value = NULL;
}

struct json_object *wx_json_get(struct json_object *object, const char *name)
{
    struct json_object *member = NULL;
    if (!object || !json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, name, &member)) {
        return NULL;
    }
    return member;
}

const char *wx_json_str(struct json_object *object, const char *name)
{
    struct json_object *member = wx_json_get(object, name);
    return json_object_is_type(member, json_type_string) ? json_object_get_string(member) : NULL;
}

/* 2^63 as a double is exact. */
static const double int64_limit = 9223372036854775808.0;

int64_t wx_json_int(struct json_object *object, const char *name, int64_t fallback)
{
    struct json_object *member = wx_json_get(object, name);
    int64_t number = 0;
    switch (json_object_get_type(member)) {
    case json_type_int:
        number = json_object_get_int64(member);
        /* json-c gives the nearest end of the range for what lies beyond it. */
        return (number == INT64_MAX && json_object_get_uint64(member) > INT64_MAX) || number == INT64_MIN
                   ? fallback
                   : number;
    case json_type_double: {
        double real = json_object_get_double(member);
        return real > -int64_limit && real < int64_limit && trunc(real) == real ? (int64_t)real : fallback;
    }
    case json_type_string:
        return wx_text_int64(json_object_get_string(member), (size_t)json_object_get_string_len(member),
                             &number)
                   ? number
                   : fallback;
    default:
        return fallback;
    }
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Whether any of eight bytes is zero, by their highest bits. */
static uint64_t zero_bytes(uint64_t eight)
{
    return (eight - EACH_BYTE(1)) & ~eight & EACH_BYTE(0x80);
}

static bool escapes(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* Most texts need no escape and are copied whole: looked at eight bytes at a time, as jobs write many. */
static bool plain(const char *text, size_t len)
{
    uint64_t found = 0;
    for (; len >= sizeof(found); text += sizeof(found), len -= sizeof(found)) {
        uint64_t eight = 0;
        memcpy(&eight, text, sizeof(eight));
        const uint64_t control = (eight - EACH_BYTE(0x20)) & ~eight & EACH_BYTE(0x80);
        found |= control | zero_bytes(eight ^ EACH_BYTE('"')) | zero_bytes(eight ^ EACH_BYTE('\\'));
    }
    for (; len > 0; text++, len--) {
        found |= escapes((unsigned char)*text);
    }
    return found == 0;
}

bool wx_json_quote(wx_buf *out, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    const char *from = text ? text : "";
    const size_t len = strlen(from);
    bool ok = wx_buf_reserve(out, len + 2) && wx_buf_add(out, "\"", 1);
    if (ok && plain(from, len)) {
        return wx_buf_add(out, from, len) && wx_buf_add(out, "\"", 1);
    }
    for (const char *at = from; ok && *from; from = at) {
        while (!escapes((unsigned char)*at)) {
            at++;
        }
        ok = wx_buf_add(out, from, (size_t)(at - from));
        if (!ok || !*at) {
            continue;
        }
        unsigned char c = (unsigned char)*at++;
        const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        const char pair[2] = {'\\', (char)c};
        ok = c < 0x20 ? wx_buf_add(out, escape, sizeof(escape)) : wx_buf_add(out, pair, sizeof(pair));
    }
    return ok && wx_buf_text(out, "\"");
}
