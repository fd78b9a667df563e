/* The outside of a push: which envelope it is, whether it is authentic, and what is in it. */
#ifndef WX_FLOW_PUSH_OPEN_H
#define WX_FLOW_PUSH_OPEN_H

#include "domain/component.h"
#include "flow/push_state.h"
#include "flow/push_trace.h"

enum { WX_PUSH_MAX = 1 << 20 };

/* Verifies, decrypts and parses; fills id, kind, event, component, authorizer, create time and fields.
 * Changes nothing. `trace` may be NULL. */
wxtp_status wx_push_open(wx_core *core, const wx_component *component, const char *query, const void *body,
                         size_t len, wxtp_push *push, wx_push_trace *trace, wx_err *err);
/* Seals a passive reply with the key that the push was sealed with. */
wxtp_status wx_push_seal(wx_core *core, const wx_component *component, const wxtp_push *push,
                         const char *message, char **reply, wx_err *err);
/* The release test of WeChat's network: what it wants as a passive reply, and whom CODE_from_api goes to. */
wxtp_status wx_push_release_test(wx_core *core, const wx_component *component, wxtp_push *push, wx_err *err);

#endif
