/* --plan: what a run would take. */
#ifndef AD_PLAN_H
#define AD_PLAN_H

#include "admin.h"
#include "batch_file.h"
#include "openid_file.h"

int ad_plan_list(ad_app *app, const char *call, ad_openids *openids);
int ad_plan_batch(ad_app *app, const char *call, const ad_batch_file *file);

#endif
