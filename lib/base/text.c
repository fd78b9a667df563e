#include "base/text.h"

#include <assert.h>
#include <string.h>

bool wx_text_int64(const char *text, size_t len, int64_t *value)
{
    assert(value);
    if (!text || len == 0) {
        return false;
    }
    bool negative = text[0] == '-';
    size_t at = negative ? 1 : 0;
    if (at == len) {
        return false;
    }
    /* Counted down, because the negative range is the larger one. */
    int64_t total = 0;
    for (; at < len; at++) {
        if (text[at] < '0' || text[at] > '9') {
            return false;
        }
        int digit = text[at] - '0';
        if (total < INT64_MIN / 10 || total * 10 < INT64_MIN + digit) {
            return false;
        }
        total = total * 10 - digit;
    }
    if (!negative && total == INT64_MIN) {
        return false;
    }
    *value = negative ? total : -total;
    return true;
}

static bool id_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool id_ok(const char *text, size_t len, size_t max)
{
    if (!text || len == 0 || len > max) {
        return false;
    }
    for (size_t at = 0; at < len; at++) {
        if (!id_character(text[at])) {
            return false;
        }
    }
    return true;
}

bool wx_appid_ok(const char *appid)
{
    return appid && id_ok(appid, strnlen(appid, 64), 63);
}

bool wx_openid_ok(const char *openid, size_t len)
{
    return id_ok(openid, len, 64);
}

/* Length of the UTF-8 sequence at `text`, 0 where there is none. */
static size_t utf8_sequence(const unsigned char *text, size_t len)
{
    unsigned char first = text[0];
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    }
    size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (size > len) {
        return 0;
    }
    /* The second byte rules out overlong forms, surrogates and what lies beyond U+10FFFF. */
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (text[1] < low || text[1] > high) {
        return 0;
    }
    for (size_t at = 2; at < size; at++) {
        if ((text[at] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return size;
}

bool wx_utf8_ok(const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t at = 0; at < len;) {
        size_t size = utf8_sequence(bytes + at, len - at);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

/* Whether what is left is the beginning of a sequence and no more. */
static bool cut_character(const unsigned char *bytes, size_t len)
{
    for (size_t at = 1; at < len; at++) {
        if ((bytes[at] & 0xC0) != 0x80) {
            return false;
        }
    }
    return len < 4 && bytes[0] >= 0xC2 && bytes[0] <= 0xF4;
}

/* A whole sequence that moves the cursor, breaks lines or turns text round. */
static bool unprintable(const unsigned char *c, size_t size)
{
    switch (size) {
    case 1:
        return c[0] < 0x20 || c[0] == 0x7F;
    case 2:
        return (c[0] == 0xC2 && c[1] < 0xA0) || (c[0] == 0xD8 && c[1] == 0x9C); /* to U+009F; U+061C */
    case 3:
        if (c[0] != 0xE2) {
            return false;
        }
        /* U+200E, U+200F, U+2028 to U+202E; U+2066 to U+2069 */
        return c[1] == 0x80 ? c[2] == 0x8E || c[2] == 0x8F || (c[2] >= 0xA8 && c[2] <= 0xAE)
                            : c[1] == 0x81 && c[2] >= 0xA6 && c[2] <= 0xA9;
    default:
        return false;
    }
}

void wx_text_one_line(char *text)
{
    unsigned char *bytes = (unsigned char *)text;
    size_t len = strlen(text);
    size_t at = 0;
    while (at < len) {
        size_t size = utf8_sequence(bytes + at, len - at);
        if (size == 0) {
            if (cut_character(bytes + at, len - at)) {
                text[at] = '\0';
                return;
            }
            bytes[at++] = '?';
            continue;
        }
        if (unprintable(bytes + at, size)) {
            memset(bytes + at, ' ', size);
        }
        at += size;
    }
}

uint64_t wx_hash(const char *text)
{
    uint64_t hash = 14695981039346656037U;
    for (const char *at = text ? text : ""; *at; at++) {
        hash = (hash ^ (unsigned char)*at) * 1099511628211U;
    }
    return hash;
}

enum { DAY_MS = 86400000, BEIJING_MS = 8 * 3600000 };

int64_t wx_beijing_day(int64_t wall_ms)
{
    int64_t day = wall_ms / DAY_MS;
    int64_t rest = wall_ms % DAY_MS;
    if (rest < 0) {
        rest += DAY_MS;
        day--;
    }
    return rest + BEIJING_MS >= DAY_MS ? day + 1 : day;
}

int64_t wx_beijing_midnight_ms(int64_t wall_ms)
{
    int64_t next = wx_beijing_day(wall_ms) + 1;
    return next > INT64_MAX / DAY_MS ? INT64_MAX : next * DAY_MS - BEIJING_MS;
}
