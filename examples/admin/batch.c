#include "batch.h"
#include "batch_file.h"
#include "dry_run.h"
#include "job_run.h"
#include "plan.h"
#include "pool.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct batch {
    ad_app *app;
    const char *call;
    ad_batch_file file;
    ad_task *tasks; /* one a tenant */
    ad_failure worst;
    pthread_mutex_t lock;
} batch;

/* How many distinct openids a refused tenant has. */
static int64_t count_distinct(batch *b, const ad_batch_tenant *tenant, ad_batch_reader *reader)
{
    wxtp_job_forecast counts = {.struct_size = sizeof counts};
    wxtp_error *error = NULL;

    ad_batch_reader_init(reader, &b->file, tenant);
    wxtp_status status = wxtp_job_forecast_list(b->app->platform, tenant->appid, b->call, ad_batch_read,
                                                reader, NULL, &counts, &error);
    wxtp_error_free(error);
    return status == WXTP_OK || counts.requested > 0 ? counts.requested : tenant->lines;
}

static void refuse(batch *b, size_t index, const ad_failure *why)
{
    ad_task *task = &b->tasks[index];

    task->exit_code = why->exit_code;
    task->refusal = malloc(sizeof *task->refusal);
    pthread_mutex_lock(&b->lock);
    if (task->refusal)
        *task->refusal = *why;
    else
        ad_fail_nomem(&b->worst);
    ad_failure_keep_worst(&b->worst, why);
    pthread_mutex_unlock(&b->lock);
}

static void create_job(void *user, size_t index)
{
    batch *b = user;
    const ad_batch_tenant *tenant = &b->file.tenants[index];
    ad_task *task = &b->tasks[index];
    const wxtp_job_options options = ad_job_options(b->app);
    wxtp_error *error = NULL;
    ad_failure failure;
    ad_batch_reader *reader = malloc(sizeof *reader);

    task->appid = tenant->appid;
    task->mode = WXTP_JOB_RUN;
    task->requested = tenant->lines;
    if (!reader) {
        ad_fail_nomem(&failure);
        refuse(b, index, &failure);
        return;
    }
    ad_batch_reader_init(reader, &b->file, tenant);
    wxtp_status status = wxtp_job_create(b->app->platform, tenant->appid, b->call, ad_batch_read, reader,
                                         &options, task->job_id, &error);
    if (status != WXTP_OK) {
        task->job_id[0] = '\0';
        ad_fail_take(&failure, status, &error);
        if (!failure.tenant[0])
            ad_copy(failure.tenant, sizeof failure.tenant, tenant->appid);
        task->requested = count_distinct(b, tenant, reader);
        refuse(b, index, &failure);
    }
    free(reader);
}

static int run_jobs(batch *b, ad_rejects *rejects)
{
    ad_app *app = b->app;
    int code;

    /* All are stored before the first runs: what a signal leaves undone can be resumed. */
    ad_pool_run(app, b->file.count, create_job, b);
    ad_tasks_run(app, b->tasks, b->file.count, &b->worst);
    code = ad_tasks_print(app, b->tasks, b->file.count, false);
    for (size_t i = 0; rejects->to && i < b->file.count && code == AD_EXIT_OK; i++) {
        wxtp_job *job = NULL;
        wxtp_error *error = NULL;
        if (!b->tasks[i].job_id[0])
            continue;
        wxtp_status status = wxtp_job_get(app->platform, b->tasks[i].job_id, &job, &error);
        code = status == WXTP_OK ? ad_rejects_job(rejects, app, job, b->tasks[i].appid, &app->failure)
                                 : ad_fail_take(&app->failure, status, &error);
        wxtp_job_free(job);
    }
    return code;
}

static int forecast_jobs(batch *b, ad_rejects *rejects)
{
    ad_app *app = b->app;
    ad_batch_reader *reader = malloc(sizeof *reader);
    ad_json json;
    int code = AD_EXIT_OK;

    if (!reader)
        return ad_fail_nomem(&app->failure);
    ad_json_init(&json, app->out);
    if (app->json) {
        ad_json_object(&json, NULL);
        ad_json_array(&json, "jobs");
    }
    for (size_t i = 0; i < b->file.count && code == AD_EXIT_OK; i++) {
        ad_forecast forecast;
        ad_batch_reader_init(reader, &b->file, &b->file.tenants[i]);
        code = ad_forecast_make(&forecast, app, b->file.tenants[i].appid, b->call, ad_batch_read, reader);
        if (code != AD_EXIT_OK)
            break;
        if (app->json)
            ad_forecast_json(&forecast, &json);
        else
            fprintf(app->out, "%s: %lld openids, %lld invalid, %lld calls%s%s\n", b->file.tenants[i].appid,
                    (long long)forecast.counts.requested, (long long)forecast.counts.invalid,
                    (long long)forecast.counts.calls, forecast.counts.allowed ? "" : ", refused: ",
                    forecast.counts.allowed ? "" : forecast.counts.reason);
        ad_forecast_rejects(&forecast, rejects, b->file.tenants[i].appid);
        ad_failure_keep_worst(&b->worst, &forecast.failure);
        ad_forecast_free(&forecast);
    }
    if (app->json) {
        ad_json_end_array(&json);
        ad_json_end_object(&json);
        ad_json_line_end(&json);
    }
    free(reader);
    return code;
}

/* An appid of which it is not clear whose tenant it is: a usage error, before anything is done. */
static int need_clear(const batch *b)
{
    ad_app *app = b->app;

    if (ad_text(app, OPT_COMPONENT)) /* then it is clear */
        return AD_EXIT_OK;
    for (size_t i = 0; i < b->file.count && !ad_signal_seen(); i++) {
        wxtp_tenant *tenant = NULL;
        wxtp_error *error = NULL;
        wxtp_status status = wxtp_tenant_get(app->platform, b->file.tenants[i].appid, &tenant, &error);
        wxtp_tenant_free(tenant);
        if (status == WXTP_ERR_AMBIGUOUS)
            return ad_fail_take(&app->failure, status, &error);
        wxtp_error_free(error);
    }
    return ad_signal_seen() ? ad_fail_interrupted(&app->failure) : AD_EXIT_OK;
}

static int work(batch *b)
{
    ad_app *app = b->app;
    ad_rejects rejects;
    int code = need_clear(b);

    if (code == AD_EXIT_OK && ad_given(app, OPT_PLAN))
        return ad_plan_batch(app, b->call, &b->file);
    if (code == AD_EXIT_OK)
        code = ad_rejects_open(&rejects, app);
    if (code != AD_EXIT_OK)
        return code;
    if (b->file.count == 0 && !app->json)
        code = ad_job_print_nothing(app, NULL, b->call);
    else
        code = ad_given(app, OPT_DRY_RUN) ? forecast_jobs(b, &rejects) : run_jobs(b, &rejects);
    if (code == AD_EXIT_OK && b->worst.exit_code != AD_EXIT_OK) {
        app->failure = b->worst;
        code = b->worst.exit_code;
    }
    return ad_rejects_close(&rejects, app, code);
}

int ad_batch(ad_app *app, const char *call, const char *path)
{
    batch b = {.app = app, .call = call};
    int code = ad_batch_file_load(&b.file, path, &app->failure);

    pthread_mutex_init(&b.lock, NULL);
    if (code == AD_EXIT_OK) {
        b.tasks = calloc(b.file.count + 1, sizeof *b.tasks);
        code = b.tasks ? work(&b) : ad_fail_nomem(&app->failure);
    }
    for (size_t i = 0; b.tasks && i < b.file.count; i++)
        free(b.tasks[i].refusal);
    free(b.tasks);
    ad_batch_file_free(&b.file);
    pthread_mutex_destroy(&b.lock);
    return code;
}
