/* The public handle, and the door that every public call goes through. */
#ifndef WX_API_HANDLE_H
#define WX_API_HANDLE_H

#include <wxtp/platform.h>

#include "domain/core.h"

struct wxtp_platform {
    wx_core core;
    /* The same with a component, once wxtp_platform_set has chosen one: calls that are inside go on with
     * theirs. */
    wx_core later;
    bool has_later;
    struct wx_queue *queue;        /* completions */
    struct wx_http_curl *own_http; /* NULL when the host brought its own */
    wx_api *catalog;               /* owned copy, strings in catalog_text */
    char *catalog_text;
    pthread_mutex_t lock;
    pthread_cond_t left;
    int inside;           /* calls that are inside */
    bool closing, closed; /* it was asked for; it goes on to its end */
    bool raw_key;         /* the host gave the master key itself */
    atomic_int_fast64_t maintained_boot_ms;
    char master_key_file[4096];
};

/* A public call under way: `wx_door door; if (wx_enter(&door, platform, &err)) …; … return wx_leave(&door,
 * …)`. */
typedef struct wx_door {
    wxtp_platform *platform;
    wx_patience patience;
    wx_op op;
} wx_door;

/* WXTP_ERR_INVALID for NULL, WXTP_ERR_FORKED in a child, WXTP_ERR_STATE while closing; then there is nothing
 * to leave. */
wxtp_status wx_enter(wx_door *door, wxtp_platform *platform, wx_err *err);
/* The same, also while closing: for what brings that to its end. */
wxtp_status wx_enter_late(wx_door *door, wxtp_platform *platform, wx_err *err);
/* Leaves, and gives `err` to the caller when `status` is not WXTP_OK. Returns `status`. */
wxtp_status wx_leave(wx_door *door, wxtp_status status, const wx_err *err, wxtp_error **error);
/* The same where no error is given to anybody, and without the store's housekeeping: never waits. */
void wx_leave_quietly(wx_door *door);
/* To a place that lasts longer. */
void wx_door_move(wx_door *to, wx_door *from);
/* For calls that could not be entered. */
wxtp_status wx_turned_away(wxtp_platform *platform, const wx_err *err, wxtp_error **error);

/* What calls work with from now on. Taken under the lock by wx_enter; else for what never changes. */
wx_core *wx_platform_core(wxtp_platform *platform);
/* Makes `component` the chosen one for calls that enter later, where none was chosen; `named`: by the host,
 * though there be several. Returns whether it is the chosen one now. */
bool wx_platform_choose(wxtp_platform *platform, const char *component, bool named);
/* A copy to try another key with; its data key is the caller's to zero. */
void wx_core_copy(wx_core *copy, const wx_core *core);

/* The master key that a path names, made where there is none. */
wxtp_status wx_master_key_make(const char *path, unsigned char key[WX_KEY_LEN], wx_err *err);

#endif
