/* The way of a push: verify, open, parse, apply. */
#ifndef WX_FLOW_INBOUND_H
#define WX_FLOW_INBOUND_H

#include <wxtp/push.h>

#include "domain/core.h"

wxtp_status wx_inbound_receive(wx_op *op, const char *query, const void *body, size_t len, wxtp_push **push,
                               wx_err *err);
wxtp_status wx_inbound_finish(wx_op *op, wxtp_push *push, int64_t wait_ms, wxtp_exchange *exchange,
                              wx_err *err);

#endif
