/* Reading back authorizers, refresh tokens and profiles from WeChat. */
#ifndef WX_DOMAIN_SYNC_H
#define WX_DOMAIN_SYNC_H

#include "domain/core.h"

typedef struct wx_sync_counts {
    int64_t synced, added, repaired, unauthorized, failed;
} wx_sync_counts;

/* Told for each tenant that could not be synced; one call at a time. */
typedef void wx_sync_failure(void *user, const char *appid, const wx_err *error);
/* Told as work goes on, one call at a time; false stops. */
typedef bool wx_sync_progress(void *user, int64_t done, int64_t total);

/*
 * `appids` NULL: all that the list shows and all that are stored; absence from the list proves nothing, info
 * decides. Removed tenants come back only when they are named. WXTP_OK also where some failed; else why it
 * could not go on.
 */
wxtp_status wx_sync(wx_op *op, const char *const *appids, size_t count, wx_sync_failure *failed,
                    wx_sync_progress *progress, void *user, wx_sync_counts *counts, wx_err *err);

#endif
