/* Who may have a call in flight: so many at once over all tenants, by turns among those who wait. One
 * tenant's slow answers or long list do not keep the others out. */
#ifndef WX_DOMAIN_SLOTS_H
#define WX_DOMAIN_SLOTS_H

#include "domain/core.h"

wx_slots *wx_slots_new(const wxtp_allocator *allocator, int places); /* NULL when out of memory */
void wx_slots_free(wx_slots *slots);

/* A place that is taken. */
typedef struct wx_slot {
    const char *appid;
    int64_t since_boot_ms;
} wx_slot;

/* Waits for a place. `go_on` (may be NULL) is asked now and then meanwhile. WXTP_OK: `slot` is to be given
 * back, and `appid` stays until then. WXTP_ERR_INTERRUPTED when stopping, WXTP_ERR_NOMEM, or what `go_on`
 * says. */
wxtp_status wx_slot_take(wx_core *core, const char *appid, wxtp_status (*go_on)(void *user, wx_err *err),
                         void *user, wx_slot *slot, wx_err *err);
/* How many callers of one tenant have use for places: more would only wait for each other's, as long as
 * others want some too. */
int wx_slot_callers(wx_core *core);
void wx_slot_give(wx_core *core, const wx_slot *slot);

#endif
