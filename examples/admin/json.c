#include "json.h"
#include "clock_text.h"
#include <string.h>

void ad_json_init(ad_json *json, FILE *to)
{
    memset(json, 0, sizeof *json);
    json->to = to;
}

/* Length of the UTF-8 character at `s`, 0 where there is none. Overlong forms and surrogates are none. */
static size_t character(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        return (s[1] & 0xC0) == 0x80 ? 2 : 0;
    if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        if ((s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80)
            return 0;
        if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F))
            return 0;
        return 3;
    }
    if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        if ((s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80 || (s[3] & 0xC0) != 0x80)
            return 0;
        if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
            return 0;
        return 4;
    }
    return 0;
}

void ad_json_quote(FILE *to, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    fputc('"', to);
    while (*s) {
        size_t length = character(s);
        if (length == 0) {
            fputs("\xEF\xBF\xBD", to);
            s++;
        } else if (*s == '"' || *s == '\\') {
            fprintf(to, "\\%c", *s++);
        } else if (*s == '\n') {
            fputs("\\n", to);
            s++;
        } else if (*s < 0x20 || *s == 0x7F) {
            fprintf(to, "\\u%04x", *s++);
        } else {
            fwrite(s, 1, length, to);
            s += length;
        }
    }
    fputc('"', to);
}

static void member(ad_json *json, const char *key)
{
    if (json->more[json->depth])
        fputc(',', json->to);
    json->more[json->depth] = true;
    if (key) {
        ad_json_quote(json->to, key);
        fputc(':', json->to);
    }
}

static void open_level(ad_json *json, const char *key, char bracket)
{
    member(json, key);
    fputc(bracket, json->to);
    if (json->depth + 1 < AD_JSON_DEPTH)
        json->depth++;
    json->more[json->depth] = false;
}

static void close_level(ad_json *json, char bracket)
{
    fputc(bracket, json->to);
    if (json->depth > 0)
        json->depth--;
}

void ad_json_object(ad_json *json, const char *key)
{
    open_level(json, key, '{');
}

void ad_json_array(ad_json *json, const char *key)
{
    open_level(json, key, '[');
}

void ad_json_end_object(ad_json *json)
{
    close_level(json, '}');
}

void ad_json_end_array(ad_json *json)
{
    close_level(json, ']');
}

void ad_json_string(ad_json *json, const char *key, const char *value)
{
    member(json, key);
    ad_json_quote(json->to, value);
}

void ad_json_string_or_null(ad_json *json, const char *key, const char *value)
{
    if (value && *value)
        ad_json_string(json, key, value);
    else
        ad_json_null(json, key);
}

void ad_json_int(ad_json *json, const char *key, int64_t value)
{
    member(json, key);
    fprintf(json->to, "%lld", (long long)value);
}

void ad_json_bool(ad_json *json, const char *key, bool value)
{
    member(json, key);
    fputs(value ? "true" : "false", json->to);
}

void ad_json_null(ad_json *json, const char *key)
{
    member(json, key);
    fputs("null", json->to);
}

void ad_json_time(ad_json *json, const char *key, int64_t wall_ms)
{
    char text[AD_TIME_SIZE];

    ad_time_utc(wall_ms, text);
    ad_json_string_or_null(json, key, text);
}

/* Ends the document; the next one may follow. */
void ad_json_line_end(ad_json *json)
{
    fputc('\n', json->to);
    json->depth = 0;
    json->more[0] = false;
}
