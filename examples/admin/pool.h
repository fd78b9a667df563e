/* Several threads work through a numbered list. */
#ifndef AD_POOL_H
#define AD_POOL_H

#include "admin.h"

/* Calls `work` once for each number below `count`, in `--concurrency` threads at most. Returns when all are
 * done. */
void ad_pool_run(ad_app *app, size_t count, void (*work)(void *user, size_t index), void *user);

#endif
