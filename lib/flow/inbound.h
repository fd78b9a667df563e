/* The way of a push: verify, open, parse, apply. */
#ifndef WX_FLOW_INBOUND_H
#define WX_FLOW_INBOUND_H

#include <wxtp/push.h>

#include "domain/core.h"
#include "flow/push_trace.h"

wxtp_status wx_inbound_receive(wx_op *op, const char *query, const void *body, size_t len, wxtp_push **push,
                               wx_err *err);
/* Which checks a push passes, and whether it would change anything. */
typedef struct wx_push_explanation {
    wx_push_trace trace;
    bool authentic;
    wx_err refusal; /* of the first check that it does not pass */
    bool applied, seen_before, older;
    int64_t create_time_s;
    char why[160]; /* "" where it would be applied */
} wx_push_explanation;

/* As wx_inbound_receive, but nothing is stored. WXTP_OK whatever the push. */
wxtp_status wx_inbound_explain(wx_op *op, const char *query, const void *body, size_t len,
                               wx_push_explanation *told, wx_err *err);
wxtp_status wx_inbound_finish(wx_op *op, wxtp_push *push, int64_t wait_ms, wxtp_exchange *exchange,
                              wx_err *err);

#endif
