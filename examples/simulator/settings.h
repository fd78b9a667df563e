/* What is doubtful or adjustable about WeChat's behaviour, in one table. */
#ifndef SIM_SETTINGS_H
#define SIM_SETTINGS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SETTING_TEXT_SIZE = 128 };

struct settings {
    bool rotate_refresh_tokens;
    bool refresh_answer_has_refresh_token;
    bool list_has_refresh_tokens;
    bool info_has_refresh_tokens;
    bool info_has_names;
    bool errcode_in_success;
    bool keepalive;
    bool journal_bodies;
    int64_t list_page_max;
    int64_t getblacklist_page;
    int64_t token_life_s;
    int64_t component_token_life_s;
    int64_t grace_s;
    int64_t refresh_grace_s;
    int64_t code_life_s;
    int64_t pre_auth_code_life_s;
    int64_t ticket_life_s;
    int64_t ticket_interval_s;
    int64_t token_length;
    int64_t daily_quota;
    int64_t per_minute_limit;
    int64_t latency_ms;
    int64_t wrong_token_errcode;
    int64_t missing_set_errcode;
    int64_t bad_openid_errcode;
    int64_t used_code_errcode;
    char getblacklist_end[SETTING_TEXT_SIZE];
    char content_type[SETTING_TEXT_SIZE];
    char errmsg_end[SETTING_TEXT_SIZE];
};

void settings_default(struct settings *settings);

/* All or nothing; on failure *why says what is wrong. */
bool settings_merge(struct settings *settings, struct json_object *changes, char *why, size_t why_size);

struct json_object *settings_show(const struct settings *settings);

#endif
