/* The audit record of calls and overrules. */
#ifndef WX_DOMAIN_RECORD_H
#define WX_DOMAIN_RECORD_H

#include "domain/core.h"

typedef struct wx_record {
    const char *platform, *appid, *call, *job_id;
    int64_t openids, duration_ms, token_generation;
    int64_t made_generation; /* of the token that the answer made; 0 none */
    const char *source;      /* what brought it about, where that is not the job */
    int64_t errcode;
    const char *errmsg, *rid;
} wx_record;

wxtp_status wx_record_add(wx_core *core, wxtp_tx *tx, const wx_record *record, wx_err *err);
/* In a transaction of its own; trouble is logged, as the call has been made. */
void wx_record_alone(wx_core *core, const wx_record *record);
/* A call of the platform's own that was about a tenant ("": about none, nothing is recorded): `what` has
 * platform, appid, call, generations and source. `error` NULL: it succeeded. */
void wx_record_about(const wx_op *op, const wx_record *what, int64_t began_boot_ms, const wx_err *error);

#endif
