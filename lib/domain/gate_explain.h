/* The gate, dry: the verdict with every condition, and what taught each. */
#ifndef WX_DOMAIN_GATE_EXPLAIN_H
#define WX_DOMAIN_GATE_EXPLAIN_H

#include "domain/gate.h"

enum { WX_CONDITIONS = WX_GATE_CONDITIONS + 1 /* the token */ };

typedef struct wx_condition {
    const char *name;
    wxtp_tristate holds; /* -1: cannot be said, since the tenant is unknown */
    char value[192];
    char source[WX_SOURCE_MAX]; /* the push or answer that taught it; "" where that is not known */
    int64_t read_ms;            /* 0 where that is not known */
} wx_condition;

typedef struct wx_explanation {
    char reason[WX_KIND_MAX]; /* "" when allowed; of the gate, or the kind of the token's trouble */
    char hint[512];
    wx_condition conditions[WX_CONDITIONS];
} wx_explanation;

/*
 * `ask`: goes the way of a call up to the request itself, so that the answer is what the call would meet: a
 * code that waits is exchanged, facts that are too old are read again, a token that is due is renewed. Else
 * from the store alone. WXTP_OK whatever the verdict; others where none can be given, as the call would fail
 * then.
 */
wxtp_status wx_gate_explain(wx_op *op, const char *appid, const wx_api *api, bool ask,
                            wx_explanation *explanation, wx_err *err);

#endif
