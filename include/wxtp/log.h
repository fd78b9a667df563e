/**
 * @file log.h
 * The log port. No line ever holds a secret: those of a request are replaced by "***" in what is told of it,
 * and in WeChat's errmsg whatever may be one (32 or more letters, digits and _-@=+).
 */
#ifndef WXTP_LOG_H
#define WXTP_LOG_H

#include <stddef.h>
#include <wxtp/export.h>

WXTP_BEGIN_DECLS

typedef enum wxtp_log_level {
    WXTP_LOG_NONE = 0,
    WXTP_LOG_ERROR = 1,
    WXTP_LOG_WARNING = 2,
    WXTP_LOG_INFO = 3,
    WXTP_LOG_DEBUG = 4,
} wxtp_log_level;

/** Set `struct_size` to `sizeof(wxtp_log)`. `write` is called from any thread and must not call libwxtp. */
typedef struct wxtp_log {
    size_t struct_size;
    void *user;
    wxtp_log_level level; /**< Lines above it are not even formatted. */
    void (*write)(void *user, wxtp_log_level level, const char *line);
} wxtp_log;

WXTP_END_DECLS
#endif
