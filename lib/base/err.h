/* The error in the making: on the stack while it travels, copied to the heap where it leaves the library. */
#ifndef WX_BASE_ERR_H
#define WX_BASE_ERR_H

#include <stdbool.h>
#include <stdint.h>
#include <wxtp/allocator.h>
#include <wxtp/error.h>

#define WX_KIND_MAX 40
#define WX_RID_MAX 64
#define WX_APPID_MAX 64  /* with its NUL; an appid is 18 characters today */
#define WX_OPENID_MAX 65 /* with its NUL */

typedef struct wxtp_error {
    wxtp_status status;
    wxtp_advice advice;
    int64_t errcode;
    int64_t retry_after_ms;
    bool unknown_outcome; /* the request may have been carried out */
    char kind[WX_KIND_MAX];
    char rid[WX_RID_MAX];
    char tenant[WX_APPID_MAX];
    char message[512];
    char hint[512];
    bool is_static; /* the one that needs no memory */
} wx_err;

/* Sets `err` (never NULL) afresh with the status's usual kind, advice and hint, and returns the status. */
wxtp_status wx_fail(wx_err *err, wxtp_status status, const char *format, ...) WXTP_PRINTF(3, 4);
/* The same for what follows from an answer of WeChat's: errcode, rid and tenant of `err` stay. */
wxtp_status wx_fail_after(wx_err *err, wxtp_status status, const char *format, ...) WXTP_PRINTF(3, 4);
wxtp_status wx_fail_nomem(wx_err *err);
#ifdef __clang_analyzer__
/* Tells the analyzer what every caller relies on: that a failure is no success. */
static inline wxtp_status wx_no_success(wxtp_status status)
{
    if (status == WXTP_OK) {
        __builtin_unreachable();
    }
    return status;
}
#define wx_fail(...) wx_no_success(wx_fail(__VA_ARGS__))
#define wx_fail_after(...) wx_no_success(wx_fail_after(__VA_ARGS__))
#define wx_fail_nomem(err) wx_no_success(wx_fail_nomem(err))
#endif
void wx_err_clear(wx_err *err);
/* No failure any more, but errcode and rid stay, for the caller that makes one of it (wx_fail_after). */
void wx_err_settle(wx_err *err);
void wx_err_hint(wx_err *err, const char *format, ...) WXTP_PRINTF(2, 3);
void wx_err_kind(wx_err *err, const char *kind);
void wx_err_tenant(wx_err *err, const char *appid);
/* The usual kind of a status: WXTP_ERR_TICKET -> "ticket". */
const char *wx_status_kind(wxtp_status status);
/* Copies `err` to `*out` (may be NULL); falls back to a static object when out of memory. Returns
 * err->status. */
wxtp_status wx_err_give(wxtp_error **out, const wxtp_allocator *allocator, const wx_err *err);
/* Replaces each occurrence of each secret of at least 6 bytes in message and hint by "***". */
void wx_err_redact(wx_err *err, const char *const *secrets, int count);
/* The same for any text; in place. */
void wx_redact(char *text, const char *const *secrets, int count);
/* Whatever may be a credential: each run of 32 or more letters, digits and _-@=+ becomes "***"; in place.
 * `cut`: the text went on, so that a run at its end may have been longer, and goes too. */
void wx_redact_runs(char *text, bool cut);

#endif
