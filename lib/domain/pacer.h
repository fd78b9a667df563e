/* The pace of business calls: a rate per tenant, slower for a while after a 45011. */
#ifndef WX_DOMAIN_PACER_H
#define WX_DOMAIN_PACER_H

#include "domain/core.h"

wx_pacer *wx_pacer_new(const wxtp_allocator *allocator); /* NULL when out of memory */
void wx_pacer_free(wx_pacer *pacer);

/* Takes the tenant's next turn: 0 when it has come, else the milliseconds to wait before asking again. */
int64_t wx_pacer_take(wx_core *core, const char *platform, const char *appid);
/* Waits for the turn of the next renewal of a token, over all tenants. */
wxtp_status wx_pacer_renewal(wx_op *op, wx_err *err);
/* After a 45011: fewer calls a minute than this tenant made in this one, for ten minutes. */
void wx_pacer_slow(wx_core *core, const char *platform, const char *appid);

#endif
