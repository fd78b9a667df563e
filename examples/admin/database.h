/* Where the database is, and how store and platform are opened on it. */
#ifndef AD_DATABASE_H
#define AD_DATABASE_H

#include "admin.h"

/* `app->db_path` and `app->key_path`, by option, variable or default. */
int ad_database_path(ad_app *app);
/* Finds database, key and addresses from options and variables. Touches no file. */
int ad_database_resolve(ad_app *app);
/* Makes the folder of the database, and its parents, 0700 each. */
int ad_database_folder(ad_app *app);
bool ad_database_there(const ad_app *app);

typedef enum ad_open_mode {
    AD_OPEN_CREATE,  /* make it, or bring it up to date */
    AD_OPEN_MIGRATE, /* it must be there; bring it up to date */
    AD_OPEN_AS_IS,   /* it must be there, up to date */
} ad_open_mode;

/* Opens `app->platform`. */
int ad_database_open(ad_app *app, ad_open_mode mode);
void ad_database_close(ad_app *app);
/* Fails unless the third-party platform that a command asks for is there. */
int ad_need_component(ad_app *app, ad_component_need need);
/* Chooses the platform of a job where none is named. */
int ad_choose_by_job(ad_app *app, const char *job_id);

#endif
