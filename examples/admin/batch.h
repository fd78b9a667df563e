/* --batch: many tenants in one run, one job a tenant. */
#ifndef AD_BATCH_H
#define AD_BATCH_H

#include "admin.h"

int ad_batch(ad_app *app, const char *call, const char *path);

#endif
