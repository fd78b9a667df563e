/* Taking a job back: job diff, job undo. */
#include "ask.h"
#include "commands.h"
#include "database.h"
#include "dry_run.h"
#include "job_run.h"
#include "spool.h"
#include <string.h>

/* The job, and its platform chosen. */
static int find_job(ad_app *app, wxtp_job **job)
{
    wxtp_error *error = NULL;
    int code = ad_choose_by_job(app, app->line.args[0]);

    *job = NULL;
    if (code != AD_EXIT_OK)
        return code;
    wxtp_status status = wxtp_job_get(app->platform, app->line.args[0], job, &error);
    return status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(&app->failure, status, &error);
}

/* ---- diff ---- */

/* How many there are is known at the end and stands at the beginning: JSON is kept in a file meanwhile. */
typedef struct comparison {
    ad_app *app;
    FILE *to;
    ad_json json;
} comparison;

static void put_before(ad_json *json, wxtp_tristate before)
{
    if (before < 0)
        ad_json_null(json, "before");
    else
        ad_json_bool(json, "before", before == 1);
}

static bool on_openid(void *user, const char *openid, wxtp_tristate before, bool now)
{
    comparison *c = user;

    if (!c->app->json) {
        fputc(before == 1 && !now ? '-' : before == 0 && now ? '+' : ' ', c->to);
        fputc(' ', c->to);
        ad_put_text(c->to, openid);
        fputc('\n', c->to);
        return ad_output_ok(c->app);
    }
    ad_json_object(&c->json, NULL);
    ad_json_string(&c->json, "openid", openid);
    put_before(&c->json, before);
    ad_json_bool(&c->json, "now", now);
    ad_json_end_object(&c->json);
    if (c->app->lines)
        ad_json_line_end(&c->json);
    return ad_output_ok(c->app) && !ferror(c->to);
}

static void put_count(ad_json *json, const char *key, int64_t count)
{
    if (count < 0)
        ad_json_null(json, key);
    else
        ad_json_int(json, key, count);
}

static int print_document(const comparison *c, const wxtp_job *job, const wxtp_job_diff *diff)
{
    FILE *out = c->app->out;
    ad_json json;

    if (!ad_spool_ok(c->to))
        return ad_spool_fail(&c->app->failure);
    ad_json_init(&json, out);
    ad_json_object(&json, NULL);
    ad_json_string(&json, "tenant", wxtp_job_tenant(job));
    ad_json_string(&json, "job", wxtp_job_id(job));
    ad_json_string(&json, "call", wxtp_job_call(job));
    ad_json_time(&json, "snapshot_at", diff->snapshot_ms);
    ad_json_string_or_null(&json, "undone_by", diff->undo_id);
    ad_json_int(&json, "requested", wxtp_job_requested(job));
    put_count(&json, "before", diff->before);
    ad_json_int(&json, "now", diff->now);
    put_count(&json, "removed", diff->removed);
    put_count(&json, "added", diff->added);
    ad_json_array(&json, "openids");
    ad_spool_copy(c->to, out);
    ad_json_end_array(&json);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
    return AD_EXIT_OK;
}

static void print_fields(ad_app *app, const wxtp_job *job, const wxtp_job_diff *diff)
{
    ad_field(app, "job", wxtp_job_id(job));
    ad_field(app, "tenant", wxtp_job_tenant(job));
    if (diff->snapshot_ms)
        ad_field_time(app, "snapshot", diff->snapshot_ms);
    else
        ad_field(app, "snapshot", "none: who was on the blacklist before is not known");
    if (*diff->undo_id)
        ad_field(app, "undone by", diff->undo_id);
    ad_field_int(app, "requested", wxtp_job_requested(job));
    if (diff->snapshot_ms) {
        ad_field_int(app, "before", diff->before);
        ad_field_int(app, "removed (-)", diff->removed);
        ad_field_int(app, "added (+)", diff->added);
    }
    ad_field_int(app, "now", diff->now);
}

static int compare(comparison *c, const wxtp_job *job)
{
    ad_app *app = c->app;
    wxtp_job_diff diff = {.struct_size = sizeof diff};
    wxtp_error *error = NULL;

    ad_json_init(&c->json, c->to);
    wxtp_status status = wxtp_job_compare(app->platform, wxtp_job_id(job), on_openid, c, &diff, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (app->json && !app->lines)
        return print_document(c, job, &diff);
    if (!app->json)
        print_fields(app, job, &diff);
    return AD_EXIT_OK;
}

int ad_job_diff(ad_app *app)
{
    comparison c = {.app = app, .to = app->out};
    wxtp_job *job = NULL;
    int code = find_job(app, &job);

    if (code == AD_EXIT_OK && app->json && !app->lines) {
        c.to = ad_spool();
        if (!c.to)
            code = ad_spool_fail(&app->failure);
    }
    if (code == AD_EXIT_OK)
        code = compare(&c, job);
    if (c.to && c.to != app->out)
        fclose(c.to);
    wxtp_job_free(job);
    return code;
}

/* ---- undo ---- */

int ad_check_job_undo(ad_app *app)
{
    return ad_given(app, OPT_DRY_RUN) ? AD_EXIT_OK : ad_ask_check(app);
}

static int dry_run(ad_app *app, const wxtp_job *job)
{
    ad_forecast forecast;
    int code = ad_forecast_undo(&forecast, app, job);

    if (code != AD_EXIT_OK)
        return code;
    code = ad_forecast_print(app, &forecast);
    ad_forecast_free(&forecast);
    return code;
}

/* With the number of those it is about. */
static int ask(ad_app *app, const wxtp_job *job)
{
    ad_forecast forecast;
    char question[160];

    if (ad_given(app, OPT_YES))
        return AD_EXIT_OK;
    int code = ad_forecast_undo(&forecast, app, job);
    if (code != AD_EXIT_OK)
        return code;
    snprintf(question, sizeof question, "Put %lld openids back on the blacklist of %.63s?",
             (long long)forecast.counts.pending, forecast.appid);
    ad_forecast_free(&forecast);
    return ad_ask(app, question, "nothing was put back");
}

static int run(ad_app *app, const wxtp_job *job)
{
    ad_rejects rejects = {0};
    char undo_id[64];
    wxtp_error *error = NULL;
    wxtp_status status = wxtp_job_undo(app->platform, wxtp_job_id(job), undo_id, &error);

    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (!undo_id[0])
        return ad_job_print_nothing(app, wxtp_job_tenant(job), "batchBlacklist");
    return ad_job_run_and_print(app, undo_id, WXTP_JOB_RUN, &rejects);
}

int ad_job_undo(ad_app *app)
{
    wxtp_job *job = NULL;
    int code = find_job(app, &job);

    if (code == AD_EXIT_OK && ad_given(app, OPT_DRY_RUN)) {
        code = dry_run(app, job);
    } else if (code == AD_EXIT_OK) {
        code = ask(app, job);
        if (code == AD_EXIT_OK)
            code = run(app, job);
    }
    wxtp_job_free(job);
    return code;
}
