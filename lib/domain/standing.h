/* What let the last call of a tenant through, its token included, remembered for less than a second: whoever
 * makes many calls does not ask the store before each. What other processes write counts within a second. */
#ifndef WX_DOMAIN_STANDING_H
#define WX_DOMAIN_STANDING_H

#include "domain/held.h"

typedef struct wx_standing {
    struct wx_standing *next;
    int uses; /* with the lock held */
    wx_tenant *tenant;
    wx_token token;
    const wx_api *api;
    int64_t until_boot_ms;
    atomic_bool confirmed; /* the store knows of a success under it */
} wx_standing;

wx_standings *wx_standings_new(const wxtp_allocator *allocator); /* NULL when out of memory */
void wx_standings_free(wx_standings *standings);

/* NULL: none that is good now. Given back by wx_standing_release. */
wx_standing *wx_standing_find(wx_core *core, const char *appid, const wx_api *api);
/* Takes over what `tenant` and `token` hold. `keep`: others may find it. NULL when out of memory. */
wx_standing *wx_standing_new(wx_core *core, wx_tenant **tenant, wx_token *token, const wx_api *api,
                             bool keep);
void wx_standing_release(wx_core *core, wx_standing *standing);
/* An answer or a change says that it no longer holds. */
void wx_standing_drop(wx_core *core, const char *appid);

#endif
