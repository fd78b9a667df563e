/**
 * @file audit.h
 * The record of every call made about a tenant, and of every overrule.
 */
#ifndef WXTP_AUDIT_H
#define WXTP_AUDIT_H

#include <wxtp/platform.h>

WXTP_BEGIN_DECLS

/**
 * Visits rows of the audit, oldest first: the last `limit` of those since `since_ms`.
 *
 * @param appid NULL: of all tenants. @param since_ms wall time in ms since 1970; 0: all. @param limit 1
 * to 10,000.
 * @param each returns false to stop; `row` is borrowed for the visit. @param user handed to it.
 * @return WXTP_OK; WXTP_ERR_INVALID; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_audit_list(wxtp_platform *platform, const char *appid, int64_t since_ms,
                                     size_t limit, bool (*each)(void *user, const wxtp_audit_row *row),
                                     void *user, wxtp_error **error);

/** Which rows of the audit. Zero it and set `struct_size` to `sizeof(wxtp_audit_choice)`. */
typedef struct wxtp_audit_choice {
    size_t struct_size;
    const char *appid; /**< NULL: of all tenants */
    int64_t since_ms;  /**< wall time in ms since 1970; 0: all */
    bool by_errcode;
    int64_t errcode; /**< with `by_errcode`: only of this one; -1 where no answer came */
} wxtp_audit_choice;
/**
 * As ::wxtp_audit_list, with a choice.
 *
 * @param choice borrowed for the call. @param limit 1 to 10,000: the last so many.
 * @param each returns false to stop; `row` is borrowed for the visit. @param user handed to it.
 * @return WXTP_OK; WXTP_ERR_INVALID; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_audit_select(wxtp_platform *platform, const wxtp_audit_choice *choice, size_t limit,
                                       bool (*each)(void *user, const wxtp_audit_row *row), void *user,
                                       wxtp_error **error);
/**
 * Visits the rows behind an id, oldest first, whichever process writes them, and waits for the first of them.
 * Called again and again with the same `position` it shows each row once, and misses none.
 *
 * @param choice borrowed for the call.
 * @param position the id to go on behind; moved to the last row that was looked at. The ids of
 * ::wxtp_audit_select may be put here; 0: from the beginning.
 * @param wait_ms how long to wait where there is none yet; the store is looked at five times a second.
 * @param each returns false to stop; `row` is borrowed for the visit, in which the platform may be used.
 * @param user handed to it.
 * @return WXTP_OK, also where none came; WXTP_ERR_INTERRUPTED after ::wxtp_platform_stop; WXTP_ERR_INVALID;
 * the store's. Blocking: store, and as long as `wait_ms`. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_audit_follow(wxtp_platform *platform, const wxtp_audit_choice *choice,
                                       int64_t *position, int64_t wait_ms,
                                       bool (*each)(void *user, const wxtp_audit_row *row), void *user,
                                       wxtp_error **error);

/** What ::wxtp_audit_trace tells, in this order. */
typedef enum wxtp_trace_step {
    WXTP_TRACE_CALL = 0,     /**< the call that WeChat gave the request id to: `row` */
    WXTP_TRACE_TOKEN = 1,    /**< the call that made the token it was made with: `row` */
    WXTP_TRACE_EXCHANGE = 2, /**< the exchange of the code that the merchant's authorization brought: `row` */
    WXTP_TRACE_PUSH = 3,     /**< the push that brought that code: `push` */
} wxtp_trace_step;
/**
 * From a request id to how it came about: the call, the token's maker, the authorization, its push. Steps
 * that are not in the record (any more) are left out; what brought the code is the exchange's `source` in any
 * case.
 *
 * @param rid as in WeChat's errmsg.
 * @param each `row` or `push` is NULL, see the step; both are borrowed for the visit. @param user handed to
 * it.
 * @return WXTP_OK; WXTP_ERR_NOT_FOUND where no call with this request id is on record; WXTP_ERR_INVALID; the
 * store's. Blocking: store. Since: 0.1.0. Source: the rid at the end of WeChat's errmsg.
 */
WXTP_API wxtp_status wxtp_audit_trace(wxtp_platform *platform, const char *rid,
                                      void (*each)(void *user, wxtp_trace_step step,
                                                   const wxtp_audit_row *row, const wxtp_push_row *push),
                                      void *user, wxtp_error **error);

WXTP_END_DECLS
#endif
