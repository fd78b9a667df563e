/* The public handle, and the door that every public call goes through. */
#ifndef WX_API_HANDLE_H
#define WX_API_HANDLE_H

#include <wxtp/platform.h>

#include "domain/core.h"

struct wxtp_platform {
    wx_core core;
    struct wx_http_curl *own_http; /* NULL when the host brought its own */
    wx_api *catalog;               /* owned copy, strings in catalog_text */
    char *catalog_text;
    pthread_mutex_t lock;
    pthread_cond_t left;
    int inside; /* calls that are inside */
    bool closing;
    char master_key_file[4096];
};

/* A public call under way: `wx_door door; if (wx_enter(&door, platform, &err)) …; … return wx_leave(&door, …)`. */
typedef struct wx_door {
    wxtp_platform *platform;
    wx_patience patience;
    wx_op op;
} wx_door;

/* WXTP_ERR_INVALID for NULL, WXTP_ERR_FORKED in a child, WXTP_ERR_STATE while closing; then there is nothing to leave. */
wxtp_status wx_enter(wx_door *door, wxtp_platform *platform, wx_err *err);
/* Leaves, and gives `err` to the caller when `status` is not WXTP_OK. Returns `status`. */
wxtp_status wx_leave(wx_door *door, wxtp_status status, const wx_err *err, wxtp_error **error);
/* For calls that could not be entered. */
wxtp_status wx_turned_away(wxtp_platform *platform, const wx_err *err, wxtp_error **error);

#endif
