#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

enum { LINE_MAX_BYTES = 1024 };

void wx_log(const wxtp_log *log, wxtp_log_level level, const char *format, ...)
{
    if (!log || !log->write || level == WXTP_LOG_NONE || level > log->level) {
        return;
    }
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (len < 0) {
        return;
    }
    wx_text_one_line(line);
    log->write(log->user, level, line);
}
