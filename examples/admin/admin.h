/* What every command gets. */
#ifndef AD_ADMIN_H
#define AD_ADMIN_H

#include "clock_text.h"
#include "failure.h"
#include "json.h"
#include "options.h"
#include "secrets.h"
#include "signals.h"
#include <wxtp/wxtp.h>

struct ad_app {
    ad_line line;
    ad_failure failure; /* told at the end, when all else is written */

    FILE *out;        /* standard output */
    int out_error;    /* errno of the first write that failed; 0: none */
    bool json, lines; /* --json; --json=lines */
    bool color;       /* of standard output */
    unsigned umask;   /* as it was at the start */

    ad_secret appsecret, push_token, aes_key; /* from the environment */

    char *db_path, *key_path;
    int64_t busy_ms; /* how long another process that writes is waited for; 0: as long as the store does */
    char *api_base, *cloud_base;
    const char *proxy;
    wxtp_platform *platform;
    struct ad_progress *progress; /* what is drawn at the moment; NULL: nothing */
};

static inline const char *ad_text(const ad_app *app, ad_option_id id)
{
    return app->line.text[id];
}

static inline bool ad_given(const ad_app *app, ad_option_id id)
{
    return app->line.given[id];
}

static inline int64_t ad_number(const ad_app *app, ad_option_id id, int64_t otherwise)
{
    return app->line.given[id] ? app->line.number[id] : otherwise;
}

#endif
