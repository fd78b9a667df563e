/* The settings: one table, from which parsing, range checks and the public list come. */
#ifndef WX_API_SETTINGS_H
#define WX_API_SETTINGS_H

#include "domain/core.h"

typedef enum wx_setting_id {
    WX_SET_COMPONENT = 0,
    WX_SET_API_BASE,
    WX_SET_CLOUD_BASE,
    WX_SET_CA_FILE,
    WX_SET_PROXY,
    WX_SET_MASTER_KEY_FILE,
    WX_SET_CONCURRENCY,
    WX_SET_RATE,
    WX_SET_TIMEOUT_MS,
    WX_SET_MAX_WAIT_MS,
    WX_SET_MAX_TRIES,
    WX_SET_OWN_FORCE_REFRESH,
    WX_SET_AUDIT_DAYS,
    WX_SET_PUSHES_DAYS,
    WX_SET_JOBS_DAYS,
    WX_SET_USER_AGENT,
    WX_SET_OWN_THREADS,
    WX_SET_SUBMISSIONS_MAX,
    WX_SET_RENEWAL_RATE,
    WX_SETTINGS
} wx_setting_id;

typedef struct wx_setting {
    const char *name;
    const char *type;     /* "integer", "boolean", "appid", "url", "path", "text" */
    const char *range;    /* for people */
    const char *fallback; /* the default as text; "" : none */
    bool secret;          /* may hold a password: its value is never shown */
    const char *meaning;
    bool (*ok)(const struct wx_setting *setting, const char *text);
    int64_t least, most; /* of integers */
} wx_setting;

const wx_setting *wx_setting_at(wx_setting_id id);
/* WX_SETTINGS for an unknown name. */
wx_setting_id wx_setting_find(const char *name);
/* WXTP_OK, or WXTP_ERR_INVALID with what would be right. */
wxtp_status wx_setting_check(wx_setting_id id, const char *text, wx_err *err);

/* Fills `settings` from texts that were checked; NULL stands for the default. */
void wx_settings_read(const char *const values[WX_SETTINGS], wx_settings *settings);
/* The text that counts, NULL where there is none. */
const char *wx_setting_text(const char *const values[WX_SETTINGS], wx_setting_id id);

#endif
