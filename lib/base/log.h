/* Writing to the log port. */
#ifndef WX_BASE_LOG_H
#define WX_BASE_LOG_H

#include <wxtp/log.h>

/* Formats only when the port wants the level. Control characters become spaces. */
void wx_log(const wxtp_log *log, wxtp_log_level level, const char *format, ...) WXTP_PRINTF(3, 4);

#endif
