#include "settings.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

enum setting_type { SETTING_FLAG, SETTING_INTEGER, SETTING_TEXT };

struct setting {
    const char *key;
    enum setting_type type;
    size_t offset;
    int64_t normal, least, most; /* of a flag only normal */
    const char *text, *choices;  /* choices NULL: any text */
};

#define FLAG(name, normal)                                                                                   \
    {                                                                                                        \
#name, SETTING_FLAG, offsetof(struct settings, name), normal, 0, 0, NULL, NULL                       \
    }
#define INTEGER(name, normal, least, most)                                                                   \
    {                                                                                                        \
#name, SETTING_INTEGER, offsetof(struct settings, name), normal, least, most, NULL, NULL             \
    }
#define TEXT(name, normal, choices)                                                                          \
    {                                                                                                        \
#name, SETTING_TEXT, offsetof(struct settings, name), 0, 0, 0, normal, choices                       \
    }

static const struct setting TABLE[] = {
    FLAG(rotate_refresh_tokens, false),
    FLAG(refresh_answer_has_refresh_token, true),
    FLAG(list_has_refresh_tokens, true),
    FLAG(info_has_refresh_tokens, true),
    FLAG(info_has_names, true),
    FLAG(errcode_in_success, false),
    FLAG(keepalive, true),
    FLAG(journal_bodies, true),
    INTEGER(list_page_max, 500, 1, 500),
    INTEGER(getblacklist_page, 1000, 1, 10000),
    INTEGER(token_life_s, 7200, 1, 10000000),
    INTEGER(component_token_life_s, 7200, 1, 10000000),
    INTEGER(grace_s, 300, 0, 100000),
    INTEGER(refresh_grace_s, 300, 0, 100000),
    INTEGER(code_life_s, 3600, 1, 1000000),
    INTEGER(pre_auth_code_life_s, 1800, 1, 1000000),
    INTEGER(ticket_life_s, 43200, 1, 10000000),
    INTEGER(ticket_interval_s, 600, 0, 10000000),
    INTEGER(token_length, 136, 32, 4096),
    INTEGER(daily_quota, 10000000, 0, 1000000000),
    INTEGER(per_minute_limit, 0, 0, 1000000000),
    INTEGER(latency_ms, 0, 0, 600000),
    INTEGER(wrong_token_errcode, 40001, 1, 99999999),
    INTEGER(missing_set_errcode, 61007, 1, 99999999),
    INTEGER(bad_openid_errcode, 40003, 1, 99999999),
    INTEGER(used_code_errcode, 61009, 1, 99999999),
    TEXT(getblacklist_end, "count0", "count0 no_data next_empty"),
    TEXT(content_type, "application/json; encoding=utf-8", NULL),
    TEXT(errmsg_end, "rid", "rid hint none"),
};

enum { SETTINGS = sizeof TABLE / sizeof TABLE[0] };

static void *place(struct settings *settings, const struct setting *row)
{
    return (char *)settings + row->offset;
}

static void store_number(struct settings *settings, const struct setting *row, int64_t value)
{
    if (row->type == SETTING_FLAG)
        *(bool *)place(settings, row) = value != 0;
    else
        *(int64_t *)place(settings, row) = value;
}

void settings_default(struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    for (size_t i = 0; i < SETTINGS; i++) {
        if (TABLE[i].type == SETTING_TEXT)
            snprintf(place(settings, &TABLE[i]), SETTING_TEXT_SIZE, "%s", TABLE[i].text);
        else
            store_number(settings, &TABLE[i], TABLE[i].normal);
    }
}

static bool merge_one(struct settings *settings, const struct setting *row, struct json_object *value)
{
    const char *text = json_plain_text(value);
    switch (row->type) {
    case SETTING_FLAG:
        if (!json_object_is_type(value, json_type_boolean))
            return false;
        store_number(settings, row, json_object_get_boolean(value));
        return true;
    case SETTING_INTEGER:
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < row->least ||
            json_object_get_int64(value) > row->most)
            return false;
        store_number(settings, row, json_object_get_int64(value));
        return true;
    case SETTING_TEXT:
        if (!text || strlen(text) >= SETTING_TEXT_SIZE || (row->choices && !words_have(row->choices, text)))
            return false;
        snprintf(place(settings, row), SETTING_TEXT_SIZE, "%s", text);
        return true;
    }
    return false;
}

bool settings_merge(struct settings *settings, struct json_object *changes, char *why, size_t why_size)
{
    struct settings merged = *settings;
    json_object_object_foreach(changes, key, value)
    {
        const struct setting *row = NULL;
        for (size_t i = 0; i < SETTINGS; i++)
            if (strcmp(TABLE[i].key, key) == 0)
                row = &TABLE[i];
        if (!row || !merge_one(&merged, row, value)) {
            snprintf(why, why_size, "%s: %s", row ? "value not accepted for setting" : "unknown setting",
                     key);
            return false;
        }
    }
    *settings = merged;
    return true;
}

struct json_object *settings_show(const struct settings *settings)
{
    struct json_object *shown = json_object_new_object();
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *at = (const char *)settings + TABLE[i].offset;
        if (TABLE[i].type == SETTING_FLAG)
            json_put_flag(shown, TABLE[i].key, *(const bool *)(const void *)at);
        else if (TABLE[i].type == SETTING_INTEGER)
            json_put_integer(shown, TABLE[i].key, *(const int64_t *)(const void *)at);
        else
            json_put_text(shown, TABLE[i].key, at);
    }
    return shown;
}
