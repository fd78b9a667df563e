/**
 * @file error.h
 * The error object: what went wrong, and what to do about it. A function that takes `wxtp_error **error` sets
 * it on failure to an object that the caller frees, and leaves it alone on success. `error` may be NULL.
 */
#ifndef WXTP_ERROR_H
#define WXTP_ERROR_H

#include <stdint.h>
#include <wxtp/status.h>

WXTP_BEGIN_DECLS

typedef struct wxtp_error wxtp_error;

/** What the host can do. */
typedef enum wxtp_advice {
    WXTP_ADVICE_NONE = 0,
    WXTP_ADVICE_RETRY = 1,             /**< Later, unchanged; see ::wxtp_error_retry_after_ms. */
    WXTP_ADVICE_REAUTHORIZE = 2,       /**< The merchant must authorize the platform again. */
    WXTP_ADVICE_FIX_CALL = 3,          /**< The arguments are wrong. */
    WXTP_ADVICE_FIX_CONFIGURATION = 4, /**< The platform's set-up is wrong, here or on WeChat's page. */
    WXTP_ADVICE_DECIDE = 5,            /**< A person must decide. */
} wxtp_advice;

/**
 * @return the status; WXTP_OK for NULL.
 * Threading: any thread that has the error. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_error_status(const wxtp_error *error);
/**
 * @return a word for scripts: the gate's reason where there is one (`not_certified` …), else `usage`,
 * `internal`, `store`, `key`, `credentials`, `ticket`, `signature`, `quota`, `rate`, `unavailable`,
 * `configuration`, `wechat`, `not_found`, `interrupted`, `suspect_list`, `partial`; never NULL. Borrowed.
 * Threading: any thread. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_error_kind(const wxtp_error *error);
/**
 * @return what went wrong, one line without a secret; never NULL. Borrowed from the error.
 * Threading: any thread that has the error. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_error_message(const wxtp_error *error);
/**
 * @return what to do, one line; never NULL, may be empty. Borrowed from the error.
 * Threading: any thread that has the error. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_error_hint(const wxtp_error *error);
/**
 * @return what the host can do; WXTP_ADVICE_NONE for NULL.
 * Threading: any thread that has the error. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_advice wxtp_error_advice(const wxtp_error *error);
/**
 * @return WeChat's errcode, 0 where it answered none, and for NULL.
 * Threading: any thread that has the error. Blocking: no. Since: 0.1.0.
 * Source: the errcode member of WeChat's answers.
 */
WXTP_API int64_t wxtp_error_errcode(const wxtp_error *error);
/**
 * @return WeChat's request id, "" where there is none; its support asks for it. Borrowed from the error.
 * Threading: any thread that has the error. Blocking: no. Since: 0.1.0.
 * Source: the rid at the end of WeChat's errmsg.
 */
WXTP_API const char *wxtp_error_rid(const wxtp_error *error);
/**
 * @return the appid that the error is about, "" where it is about none. Borrowed from the error.
 * Threading: any thread that has the error. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_error_tenant(const wxtp_error *error);
/**
 * @return milliseconds to wait before trying again, 0 where nothing says.
 * Threading: any thread that has the error. Blocking: no. Since: 0.1.0.
 */
WXTP_API int64_t wxtp_error_retry_after_ms(const wxtp_error *error);
/**
 * Frees `error` and zeroes it; NULL does nothing.
 * Threading: any thread, when no other uses it. Blocking: no. Since: 0.1.0.
 */
WXTP_API void wxtp_error_free(wxtp_error *error);

WXTP_END_DECLS
#endif
