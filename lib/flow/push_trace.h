/* Which checks a push has passed, with what was seen; for who asks why one is refused. */
#ifndef WX_FLOW_PUSH_TRACE_H
#define WX_FLOW_PUSH_TRACE_H

#include <stdbool.h>
#include <wxtp/export.h>

/* In the order in which they are made. */
typedef enum wx_push_check {
    WX_CHECK_QUERY = 0,
    WX_CHECK_BODY_SIZE,
    WX_CHECK_XML,
    WX_CHECK_SIGNATURE,
    WX_CHECK_BASE64,
    WX_CHECK_KEY,
    WX_CHECK_PADDING,
    WX_CHECK_LENGTH,
    WX_CHECK_APPID,
    WX_CHECK_INNER_XML,
    WX_CHECK_EVENT_APPID,
    WX_PUSH_CHECKS
} wx_push_check;

/* The first that was not passed is the one that failed. */
typedef struct wx_push_trace {
    bool passed[WX_PUSH_CHECKS];
    char details[WX_PUSH_CHECKS][160];
} wx_push_trace;

/* `trace` NULL: nobody asks. The detail holds no secret. */
void wx_push_passed(wx_push_trace *trace, wx_push_check check, const char *format, ...) WXTP_PRINTF(3, 4);

#endif
