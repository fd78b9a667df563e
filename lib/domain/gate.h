/* The gate: is a call allowed? One pure function, and the two ways of asking it. */
#ifndef WX_DOMAIN_GATE_H
#define WX_DOMAIN_GATE_H

#include "domain/tenant.h"

enum { WX_HINT_MAX = 256 };

typedef struct wx_gate_facts {
    const wx_tenant *tenant; /* NULL: unknown */
    const wx_api *api;
    int64_t now_ms;
    int64_t refused_until_ms; /* of a kept refusal by WeChat; 0 none; may be probed from then on */
    int64_t refused_since_ms;
    int64_t refused_errcode; /* what WeChat said then */
    int64_t quota_until_ms;  /* 0 none */
    int64_t quota_since_ms;
} wx_gate_facts;

/* What must hold, in the order in which it is told. */
typedef enum wx_gate_condition {
    WX_TENANT_KNOWN = 0, /* none of the others means anything without it */
    WX_AUTHORIZED,
    WX_ACCOUNT_ACTIVE,
    WX_ACCOUNT_TYPE,
    WX_PERMISSION_SET,
    WX_CERTIFIED,
    WX_NOT_REFUSED,
    WX_QUOTA,
    WX_SUPPORTED,
    WX_GATE_CONDITIONS
} wx_gate_condition;

/* Of a known tenant, or WX_TENANT_KNOWN. The call is allowed when all hold. */
bool wx_gate_holds(const wx_gate_facts *facts, wx_gate_condition which);

/* NULL when allowed, else the reason (static) in the order that cli.md gives; `hint` receives the remedy. */
const char *wx_gate_judge(const wx_gate_facts *facts, char hint[WX_HINT_MAX]);

/* What a refusal by WeChat is called from now on, where the facts say yes. */
const char *wx_gate_refused(const wx_tenant *tenant, const wx_api *api, int64_t errcode,
                            char hint[WX_HINT_MAX]);

/* Whether a refusal that was kept holds. One that reaches further than it ever could was kept while the clock
 * was ahead. */
bool wx_hold_stands(const wxtp_hold_row *hold, int64_t now_ms);

/* `facts` has tenant and call, and gets the rest from the store. */
wxtp_status wx_gate_read(wx_core *core, wx_gate_facts *facts, wx_err *err);
/* From the store alone; `reason` is NULL when allowed. */
wxtp_status wx_gate_look(wx_core *core, const wx_tenant *tenant_or_null, const wx_api *api,
                         const char **reason, char hint[WX_HINT_MAX], wx_err *err);
/*
 * Before a call: exchanges an open code, reads a profile again that a stale "no" (10 minutes) or an old "yes"
 * (24 h gently, 72 h strictly) stands on, and answers WXTP_OK or WXTP_ERR_REFUSED with kind = reason
 * (WXTP_ERR_REAUTHORIZE for reauthorization_required, WXTP_ERR_QUOTA for quota_exhausted). `tenant` is loaded
 * here; freed by the caller. With op->person a remembered quota does not refuse.
 */
wxtp_status wx_gate_pass(wx_op *op, const char *appid, const wx_api *api, wx_tenant **tenant, wx_err *err);

/* What WeChat refused after the gate's yes (errcode class NO_RIGHT, RESTRICTED, UNAUTHORIZED): reads the
 * profile again, corrects the tenant, keeps the refusal when the profile still says yes. `err` holds the
 * refusal and is rewritten to the reason that now stands. */
void wx_gate_correct(wx_op *op, const wx_tenant *tenant, const wx_api *api, wx_err *err);
/* After a success: ends a kept refusal, notes that an undeclared own or cloud account proved able. */
wxtp_status wx_gate_confirm(wx_scope *scope, const wx_tenant *tenant, const wx_api *api, wx_err *err);
/* Remembers a 45009 of a tenant (or of the platform with appid ""): until openapi/quota/get or Beijing
 * midnight says. */
wxtp_status wx_gate_quota(wx_op *op, const wx_tenant *tenant, const wx_api *api, int64_t errcode,
                          wx_err *err);

#endif
