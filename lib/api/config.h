/* What a configuration holds. */
#ifndef WX_API_CONFIG_H
#define WX_API_CONFIG_H

#include <wxtp/config.h>

#include "api/settings.h"

struct wxtp_config {
    wxtp_allocator allocator;
    char *values[WX_SETTINGS]; /* NULL: the default */
    wxtp_clock clock;          /* struct_size 0: not injected; likewise below */
    wxtp_http http;
    wxtp_log log;
    wxtp_store *store;
    unsigned char master_key[WX_KEY_LEN];
    bool has_master_key;
    wx_api *apis; /* the host's rows; each string is owned */
    size_t api_count;
};

#endif
