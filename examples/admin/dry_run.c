#include "dry_run.h"
#include "spool.h"
#include <stdlib.h>
#include <string.h>

/* Both callbacks of a forecast get the same pointer. */
typedef struct source {
    wxtp_openid_reader *reader;
    void *user;
    FILE *invalid;
} source;

static int read_next(void *user, const char **openid, size_t *len)
{
    source *from = user;

    return from->reader(from->user, openid, len);
}

static void keep_invalid(void *user, const char *text)
{
    source *from = user;

    fwrite(text, 1, strlen(text) + 1, from->invalid); /* ended by NUL: it may hold a newline */
}

/* Calls `each` for every invalid one. */
static void each_invalid(const ad_forecast *forecast, void (*each)(void *user, const char *text), void *user)
{
    char *line = NULL;
    size_t room = 0;

    rewind(forecast->invalid);
    while (getdelim(&line, &room, '\0', forecast->invalid) > 0)
        each(user, line);
    free(line);
}

static void judge(ad_forecast *forecast)
{
    const wxtp_job_forecast *counts = &forecast->counts;

    if (!counts->allowed)
        ad_fail(&forecast->failure, ad_exit_of_reason(counts->reason), counts->reason, counts->hint,
                "the call %s would be refused: %s", forecast->call, counts->reason);
    else if (counts->invalid > 0)
        ad_fail(&forecast->failure, AD_EXIT_PARTIAL, "partial", "leave away what is no openid",
                "%lld of %lld openids are invalid", (long long)counts->invalid, (long long)counts->requested);
    if (forecast->failure.exit_code != AD_EXIT_OK)
        ad_copy(forecast->failure.tenant, sizeof forecast->failure.tenant, forecast->appid);
}

static int begin(ad_forecast *forecast, ad_app *app, const char *appid, const char *call)
{
    memset(forecast, 0, sizeof *forecast);
    forecast->appid = appid;
    forecast->call = call;
    forecast->counts.struct_size = sizeof forecast->counts;
    forecast->invalid = ad_spool();
    return forecast->invalid ? AD_EXIT_OK : ad_spool_fail(&app->failure);
}

static int end(ad_forecast *forecast, ad_app *app, wxtp_status status, wxtp_error **error)
{
    if (status == WXTP_ERR_REFUSED && *error) {
        forecast->counts.allowed = false;
        ad_copy(forecast->counts.reason, sizeof forecast->counts.reason, wxtp_error_kind(*error));
        ad_copy(forecast->counts.hint, sizeof forecast->counts.hint, wxtp_error_hint(*error));
        wxtp_error_free(*error);
    } else if (status != WXTP_OK) {
        ad_forecast_free(forecast);
        return ad_fail_take(&app->failure, status, error);
    }
    if (!ad_spool_ok(forecast->invalid)) {
        ad_forecast_free(forecast);
        return ad_spool_fail(&app->failure);
    }
    judge(forecast);
    return AD_EXIT_OK;
}

int ad_forecast_make(ad_forecast *forecast, ad_app *app, const char *appid, const char *call,
                     wxtp_openid_reader *reader, void *user)
{
    wxtp_error *error = NULL;
    int code = begin(forecast, app, appid, call);

    if (code != AD_EXIT_OK)
        return code;
    source from = {reader, user, forecast->invalid};
    wxtp_status status = wxtp_job_forecast_list(app->platform, appid, call, read_next, &from, keep_invalid,
                                                &forecast->counts, &error);
    return end(forecast, app, status, &error);
}

int ad_forecast_undo(ad_forecast *forecast, ad_app *app, const wxtp_job *job)
{
    wxtp_error *error = NULL;
    int code = begin(forecast, app, wxtp_job_tenant(job), "batchBlacklist");

    if (code != AD_EXIT_OK)
        return code;
    wxtp_status status = wxtp_job_undo_forecast(app->platform, wxtp_job_id(job), &forecast->counts, &error);
    return end(forecast, app, status, &error);
}

static void put_string(void *user, const char *text)
{
    ad_json_string(user, NULL, text);
}

void ad_forecast_json(const ad_forecast *forecast, ad_json *json)
{
    const wxtp_job_forecast *counts = &forecast->counts;

    ad_json_object(json, NULL);
    ad_json_string(json, "tenant", forecast->appid);
    ad_json_string(json, "call", forecast->call);
    ad_json_bool(json, "dry_run", true);
    ad_json_bool(json, "allowed", counts->allowed);
    if (!counts->allowed) {
        ad_json_string(json, "reason", counts->reason);
        ad_json_string(json, "hint", counts->hint);
    }
    ad_json_int(json, "requested", counts->requested);
    ad_json_int(json, "duplicates", counts->duplicates);
    ad_json_int(json, ad_done_word(forecast->call), 0);
    ad_json_array(json, "invalid");
    each_invalid(forecast, put_string, json);
    ad_json_end_array(json);
    ad_json_array(json, "failed");
    ad_json_end_array(json);
    ad_json_int(json, "pending", counts->pending);
    ad_json_int(json, "calls", counts->calls);
    ad_json_int(json, "token_refreshes", 0);
    ad_json_end_object(json);
}

typedef struct reject_user {
    ad_rejects *rejects;
    const char *appid;
} reject_user;

static void put_reject(void *user, const char *text)
{
    reject_user *r = user;

    ad_rejects_put(r->rejects, r->appid, text, true, 0);
}

void ad_forecast_rejects(const ad_forecast *forecast, ad_rejects *rejects, const char *appid)
{
    reject_user user = {rejects, appid};

    ad_rejects_keep(rejects);
    each_invalid(forecast, put_reject, &user);
}

void ad_forecast_free(ad_forecast *forecast)
{
    if (forecast->invalid)
        fclose(forecast->invalid);
    forecast->invalid = NULL;
}

int ad_forecast_print(ad_app *app, const ad_forecast *forecast)
{
    const wxtp_job_forecast *counts = &forecast->counts;
    ad_json json;

    if (forecast->failure.exit_code != AD_EXIT_OK)
        app->failure = forecast->failure;
    if (app->json) {
        ad_json_init(&json, app->out);
        ad_forecast_json(forecast, &json);
        ad_json_line_end(&json);
        return forecast->failure.exit_code;
    }
    ad_field(app, "tenant", forecast->appid);
    ad_field(app, "call", forecast->call);
    ad_field(app, "allowed", counts->allowed ? "yes" : "no");
    if (!counts->allowed) {
        ad_field(app, "reason", counts->reason);
        ad_field(app, "what to do", counts->hint);
    }
    ad_field_int(app, "requested", counts->requested);
    ad_field_int(app, "duplicates", counts->duplicates);
    ad_field_int(app, "invalid", counts->invalid);
    ad_field_int(app, "pending", counts->pending);
    ad_field_int(app, "calls needed", counts->calls);
    return forecast->failure.exit_code;
}

int ad_dry_run(ad_app *app, const char *appid, const char *call, ad_openids *openids, ad_rejects *rejects)
{
    ad_forecast forecast;
    int code = ad_forecast_make(&forecast, app, appid, call, ad_openids_read, openids);

    if (openids->failed) {
        if (code == AD_EXIT_OK)
            ad_forecast_free(&forecast);
        return ad_lines_fail(&openids->lines, &app->failure);
    }
    if (code != AD_EXIT_OK)
        return code;
    code = ad_forecast_print(app, &forecast);
    ad_forecast_rejects(&forecast, rejects, NULL);
    ad_forecast_free(&forecast);
    return code;
}
