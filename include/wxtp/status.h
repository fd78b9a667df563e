/**
 * @file status.h
 * Every status that a libwxtp function returns. Zero is success; failures are negative and classed by
 * hundreds, so that `status <= -400 && status > -500` reads "credentials".
 */
#ifndef WXTP_STATUS_H
#define WXTP_STATUS_H

#include <wxtp/export.h>

WXTP_BEGIN_DECLS

typedef enum wxtp_status {
    WXTP_OK = 0,

    /* The call itself. */
    WXTP_ERR_INVALID = -101,   /**< An argument is out of range or malformed. */
    WXTP_ERR_NOT_FOUND = -102, /**< The thing named does not exist. */
    WXTP_ERR_AMBIGUOUS = -103, /**< The name stands for more than one thing. */
    WXTP_ERR_STATE = -104,     /**< Not possible in the state that the thing is in. */
    WXTP_ERR_TOO_LARGE = -105, /**< Over a ceiling. */
    WXTP_ERR_FORKED = -106,    /**< The handle was opened before `fork` and is of no use in the child. */
    WXTP_ERR_EXISTS = -107,    /**< It is there already. */
    WXTP_ERR_FULL = -108,      /**< As many wait as are allowed; take what has completed, then try again. */

    /* This machine. */
    WXTP_ERR_NOMEM = -201,       /**< Out of memory. */
    WXTP_ERR_STORE = -202,       /**< The store failed (disk full, I/O error, damaged). */
    WXTP_ERR_STORE_NEWER = -203, /**< The store was written by a newer version. */
    WXTP_ERR_STORE_BUSY = -204,  /**< The store stayed locked for longer than the busy time-out. */
    WXTP_ERR_KEY = -205,         /**< The master key is missing, wrong, or its file is not private. */
    WXTP_ERR_CONFLICT = -206,    /**< A compare-and-swap lost, or the fence is stale. */
    WXTP_ERR_INTERNAL = -207,    /**< A defect of libwxtp. */
    WXTP_ERR_IO = -208,          /**< A file could not be read or written. */

    /* The gate. */
    WXTP_ERR_REFUSED = -301, /**< The gate said no; ::wxtp_error_kind names the reason. */

    /* Credentials. */
    WXTP_ERR_CREDENTIALS = -401, /**< A token was refused twice, or an authorization code is bad. */
    WXTP_ERR_TICKET = -402,      /**< No component_verify_ticket, or it has expired. */
    WXTP_ERR_SIGNATURE = -403,   /**< A push is not authentic. */
    WXTP_ERR_CONFIGURATION =
        -404, /**< WeChat refuses the appid, the appsecret or our address; or no platform is set up. */
    WXTP_ERR_REAUTHORIZE = -405, /**< The refresh token is dead; the merchant must authorize again. */

    /* Limits. */
    WXTP_ERR_QUOTA = -501, /**< The daily quota is used up (45009). */
    WXTP_ERR_RATE = -502,  /**< Too many calls a minute (45011). */

    /* The network. */
    WXTP_ERR_UNAVAILABLE = -601, /**< WeChat cannot be reached, is busy, or does not answer sensibly. */

    /* WeChat. */
    WXTP_ERR_WECHAT = -701, /**< Any other errcode; ::wxtp_error_errcode has it. */

    /* Stopped. */
    WXTP_ERR_INTERRUPTED = -801,  /**< ::wxtp_platform_stop was called. */
    WXTP_ERR_SUSPECT_LIST = -802, /**< The first 200 openids of a job were all refused. */
    WXTP_ERR_CANCELLED = -803,    /**< The job or the submission was cancelled. */
    WXTP_ERR_DEADLINE = -804,     /**< The submission's deadline has passed. */
} wxtp_status;

/**
 * Names a status, as in `"WXTP_ERR_QUOTA"`.
 *
 * @param status any value.
 * @return a static string, never NULL; `"WXTP_ERR_UNKNOWN"` for a value that is no status.
 * Threading: any thread. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_status_name(wxtp_status status);

WXTP_END_DECLS
#endif
