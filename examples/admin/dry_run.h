/* --dry-run: what a list would become. */
#ifndef AD_DRY_RUN_H
#define AD_DRY_RUN_H

#include "job_run.h"
#include "openid_file.h"

typedef struct ad_forecast {
    const char *appid, *call;
    wxtp_job_forecast counts;
    FILE *invalid;      /* one a line */
    ad_failure failure; /* why the exit code would not be 0 */
} ad_forecast;

/* Returns an exit code where there is no forecast; `app` is told why. */
int ad_forecast_make(ad_forecast *forecast, ad_app *app, const char *appid, const char *call,
                     wxtp_openid_reader *reader, void *user);
/* Of the job that would undo this one. */
int ad_forecast_undo(ad_forecast *forecast, ad_app *app, const wxtp_job *job);
/* On standard output; returns the exit code, and tells `app` why. */
int ad_forecast_print(ad_app *app, const ad_forecast *forecast);
void ad_forecast_json(const ad_forecast *forecast, ad_json *json);
/* `appid` NULL: not named in the lines. */
void ad_forecast_rejects(const ad_forecast *forecast, ad_rejects *rejects, const char *appid);
void ad_forecast_free(ad_forecast *forecast);

int ad_dry_run(ad_app *app, const char *appid, const char *call, ad_openids *openids, ad_rejects *rejects);

#endif
