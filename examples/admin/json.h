/* Writes JSON as it goes, so that a long list is never held. */
#ifndef AD_JSON_H
#define AD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { AD_JSON_DEPTH = 8 };

typedef struct ad_json {
    FILE *to;
    unsigned depth;
    bool more[AD_JSON_DEPTH]; /* whether this level has a member already */
} ad_json;

void ad_json_init(ad_json *json, FILE *to);
/* `key` is NULL inside a list and at the top. */
void ad_json_object(ad_json *json, const char *key);
void ad_json_array(ad_json *json, const char *key);
void ad_json_end_object(ad_json *json);
void ad_json_end_array(ad_json *json);
void ad_json_string(ad_json *json, const char *key, const char *value);
void ad_json_string_or_null(ad_json *json, const char *key, const char *value); /* empty: null */
void ad_json_int(ad_json *json, const char *key, int64_t value);
void ad_json_bool(ad_json *json, const char *key, bool value);
void ad_json_null(ad_json *json, const char *key);
void ad_json_time(ad_json *json, const char *key, int64_t wall_ms); /* RFC 3339 UTC; null for 0 */
void ad_json_line_end(ad_json *json);

/* One JSON string, quoted; what is not UTF-8 becomes U+FFFD. */
void ad_json_quote(FILE *to, const char *text);

#endif
