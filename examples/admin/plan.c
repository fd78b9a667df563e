#include "plan.h"
#include "output.h"
#include "pool.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 5, MINUTE_MS = 60000 };

/* What is to be told of a tenant beside its numbers. */
typedef struct row {
    const char *appid;
    int64_t duplicates, invalid;
    char *reason, *hint; /* where the gate refuses it */
} row;

typedef struct planning {
    ad_app *app;
    const char *call;
    const ad_batch_file *file; /* NULL: one list */
    wxtp_plan_part *parts;
    row *rows;
    size_t count;
    wxtp_plan plan;
    pthread_mutex_t lock;
    ad_failure failure; /* why there is no plan */
} planning;

static bool keep(row *kept, const wxtp_job_forecast *forecast, bool allowed)
{
    kept->duplicates = forecast->duplicates;
    kept->invalid = forecast->invalid;
    if (allowed)
        return true;
    kept->reason = strdup(forecast->reason);
    kept->hint = strdup(forecast->hint);
    return kept->reason && kept->hint;
}

static void fail(planning *p, const ad_failure *failure)
{
    pthread_mutex_lock(&p->lock);
    ad_failure_keep_worst(&p->failure, failure);
    pthread_mutex_unlock(&p->lock);
}

static void plan_one(planning *p, size_t index, const char *appid, wxtp_openid_reader *reader, void *user)
{
    wxtp_job_forecast forecast = {.struct_size = sizeof forecast};
    wxtp_plan_part *part = &p->parts[index];
    wxtp_error *error = NULL;
    ad_failure failure;

    part->struct_size = sizeof *part;
    p->rows[index].appid = appid;
    wxtp_status status = wxtp_plan_list(p->app->platform, appid, p->call, reader, user,
                                        ad_given(p->app, OPT_OFFLINE), &forecast, part, &error);
    if (status != WXTP_OK)
        ad_fail_take(&failure, status, &error);
    else if (!keep(&p->rows[index], &forecast, part->allowed))
        ad_fail_nomem(&failure);
    else
        return;
    if (!failure.tenant[0])
        ad_copy(failure.tenant, sizeof failure.tenant, appid);
    fail(p, &failure);
}

static void plan_tenant(void *user, size_t index)
{
    planning *p = user;
    ad_batch_reader *reader = malloc(sizeof *reader);
    ad_failure failure;

    if (!reader) {
        ad_fail_nomem(&failure);
        fail(p, &failure);
        return;
    }
    ad_batch_reader_init(reader, p->file, &p->file->tenants[index]);
    plan_one(p, index, p->file->tenants[index].appid, ad_batch_read, reader);
    free(reader);
}

/* ---- What comes of it ---- */

static int64_t minutes(const wxtp_plan *plan)
{
    return (plan->finish_ms - plan->begins_ms + MINUTE_MS - 1) / MINUTE_MS;
}

static const char *pace_word(wxtp_pace pace)
{
    static const char *const words[] = {
        [WXTP_PACE_RATE] = "rate", [WXTP_PACE_MEASURED] = "measured", [WXTP_PACE_ASSUMED] = "assumed"};

    return words[pace];
}

/* The exit code of the plan, and the tenant that it comes from. */
static int judge(planning *p)
{
    ad_failure *failure = &p->app->failure;
    int code = AD_EXIT_OK;
    size_t first = 0;

    for (size_t i = 0; i < p->count && code != AD_EXIT_LIMIT; i++) {
        bool allowed = p->parts[i].allowed;
        if (!wxtp_plan_fits(&p->plan, &p->parts[i]) && (allowed || code == AD_EXIT_OK)) {
            code = allowed ? AD_EXIT_LIMIT : AD_EXIT_REFUSED;
            first = i;
        }
    }
    if (code == AD_EXIT_LIMIT)
        ad_fail(failure, code, "quota",
                "plan fewer a day, begin after midnight in Beijing, or have the quota cleared",
                "it does not fit: %lld calls, of %lld a day %lld are left today",
                (long long)p->parts[first].calls, (long long)p->parts[first].quota_limit,
                (long long)p->parts[first].quota_left);
    else if (code == AD_EXIT_REFUSED)
        ad_fail(failure, code, p->rows[first].reason, p->rows[first].hint,
                "the gate refuses %lld of %lld tenants: %s", (long long)p->plan.refused,
                (long long)p->plan.tenants, p->rows[first].reason);
    if (code != AD_EXIT_OK)
        ad_copy(failure->tenant, sizeof failure->tenant, p->rows[first].appid);
    return code;
}

static void put_count(ad_json *json, const char *key, int64_t count)
{
    if (count < 0)
        ad_json_null(json, key);
    else
        ad_json_int(json, key, count);
}

static void part_json(const planning *p, size_t i, ad_json *json)
{
    const wxtp_plan_part *part = &p->parts[i];

    ad_json_object(json, NULL);
    ad_json_string(json, "tenant", p->rows[i].appid);
    ad_json_bool(json, "allowed", part->allowed);
    if (!part->allowed) {
        ad_json_string(json, "reason", p->rows[i].reason);
        ad_json_string(json, "hint", p->rows[i].hint);
    }
    ad_json_int(json, "requested", part->requested);
    ad_json_int(json, "duplicates", p->rows[i].duplicates);
    ad_json_int(json, "invalid", p->rows[i].invalid);
    ad_json_int(json, "pending", part->pending);
    ad_json_int(json, "calls", part->calls);
    put_count(json, "quota", part->quota_limit);
    put_count(json, "quota_left", part->quota_left);
    ad_json_bool(json, "fits", wxtp_plan_fits(&p->plan, part));
    ad_json_end_object(json);
}

static void print_json(const planning *p)
{
    const wxtp_plan *plan = &p->plan;
    ad_json json;

    ad_json_init(&json, p->app->out);
    ad_json_object(&json, NULL);
    ad_json_bool(&json, "plan", true);
    ad_json_string(&json, "call", p->call);
    ad_json_bool(&json, "fits", plan->not_fitting == 0 && plan->refused == 0);
    ad_json_int(&json, "requested", plan->requested);
    ad_json_int(&json, "pending", plan->pending);
    ad_json_int(&json, "calls", plan->calls);
    ad_json_int(&json, "refused", plan->refused);
    ad_json_int(&json, "not_fitting", plan->not_fitting);
    ad_json_int(&json, "tokens_due", plan->tokens_due);
    ad_json_string(&json, "pace", pace_word(plan->pace));
    ad_json_int(&json, "call_ms", plan->call_ms);
    ad_json_int(&json, "minutes", minutes(plan));
    ad_json_time(&json, "begins_at", plan->begins_ms);
    ad_json_time(&json, "finishes_at", plan->finish_ms);
    ad_json_bool(&json, "before_midnight", plan->before_midnight);
    ad_json_array(&json, "tenants");
    for (size_t i = 0; i < p->count && ad_output_ok(p->app); i++)
        part_json(p, i, &json);
    ad_json_end_array(&json);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}

static void print_pace(const planning *p)
{
    char text[96];
    const wxtp_plan *plan = &p->plan;

    if (plan->pace == WXTP_PACE_RATE)
        snprintf(text, sizeof text, "%lld calls a second and tenant",
                 (long long)ad_number(p->app, OPT_RATE, 0));
    else
        snprintf(text, sizeof text, "%lld calls at once, %lld ms each (%s)",
                 (long long)ad_number(p->app, OPT_CONCURRENCY, 16), (long long)plan->call_ms,
                 plan->pace == WXTP_PACE_MEASURED ? "as the last ones took" : "assumed: none was made yet");
    ad_field(p->app, "pace", text);
}

static void print_quota(const planning *p)
{
    char text[64];
    const wxtp_plan_part *part = &p->parts[0];

    if (part->quota_left < 0)
        snprintf(text, sizeof text, "not known");
    else if (part->quota_limit < 0)
        snprintf(text, sizeof text, "%lld calls", (long long)part->quota_left);
    else
        snprintf(text, sizeof text, "%lld of %lld calls", (long long)part->quota_left,
                 (long long)part->quota_limit);
    ad_field(p->app, "quota left", text);
}

static int print_tenants(const planning *p)
{
    static const char *const headings[COLUMNS] = {"TENANT", "OPENIDS", "CALLS", "QUOTA LEFT", "FITS"};
    ad_list list;

    ad_list_init(&list, p->app, "tenants", headings, COLUMNS);
    for (size_t i = 0; i < p->count && ad_output_ok(p->app); i++) {
        const wxtp_plan_part *part = &p->parts[i];
        char openids[24], calls[24], left[24] = "-";
        snprintf(openids, sizeof openids, "%lld", (long long)part->requested);
        snprintf(calls, sizeof calls, "%lld", (long long)part->calls);
        if (part->quota_left >= 0)
            snprintf(left, sizeof left, "%lld", (long long)part->quota_left);
        const char *fits = !part->allowed ? p->rows[i].reason : wxtp_plan_fits(&p->plan, part) ? "yes" : "no";
        const char *cells[COLUMNS] = {p->rows[i].appid, openids, calls, left, fits};
        ad_list_row(&list, cells);
    }
    int code = ad_list_end(&list, NULL);
    ad_list_free(&list);
    return code;
}

static int print_text(const planning *p)
{
    ad_app *app = p->app;
    const wxtp_plan *plan = &p->plan;

    ad_field(app, "fits", plan->not_fitting == 0 && plan->refused == 0 ? "yes" : "no");
    if (p->file) {
        ad_field_int(app, "tenants", plan->tenants);
        ad_field_int(app, "refused", plan->refused);
    } else if (!p->parts[0].allowed) {
        ad_field(app, "refused", p->rows[0].reason);
        ad_field(app, "what to do", p->rows[0].hint);
    }
    ad_field_int(app, "openids", plan->requested);
    ad_field_int(app, "calls", plan->calls);
    print_pace(p);
    ad_field_int(app, "minutes", minutes(plan));
    ad_field_time(app, "finishes at", plan->finish_ms);
    ad_field(app, "before midnight", plan->before_midnight ? "yes, in Beijing" : "no, in Beijing");
    ad_field_int(app, "tokens due", plan->tokens_due);
    if (!p->file) {
        print_quota(p);
        return AD_EXIT_OK;
    }
    fputc('\n', app->out);
    return print_tenants(p);
}

static int sum_and_print(planning *p)
{
    wxtp_error *error = NULL;

    p->plan.struct_size = sizeof p->plan;
    wxtp_status status = wxtp_plan_sum(p->app->platform, p->call, p->parts, p->count, &p->plan, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&p->app->failure, status, &error);
    if (p->app->json) {
        print_json(p);
        return judge(p);
    }
    int code = print_text(p);
    return code == AD_EXIT_OK ? judge(p) : code;
}

static int begin(planning *p)
{
    pthread_mutex_init(&p->lock, NULL);
    p->parts = calloc(p->count + 1, sizeof *p->parts);
    p->rows = calloc(p->count + 1, sizeof *p->rows);
    return p->parts && p->rows ? AD_EXIT_OK : ad_fail_nomem(&p->app->failure);
}

static int end(planning *p, int code)
{
    if (code == AD_EXIT_OK && p->failure.exit_code != AD_EXIT_OK) {
        p->app->failure = p->failure;
        code = p->failure.exit_code;
    }
    if (code == AD_EXIT_OK && ad_signal_seen())
        code = ad_fail_interrupted(&p->app->failure);
    if (code == AD_EXIT_OK)
        code = sum_and_print(p);
    for (size_t i = 0; p->rows && i < p->count; i++) {
        free(p->rows[i].reason);
        free(p->rows[i].hint);
    }
    free(p->rows);
    free(p->parts);
    pthread_mutex_destroy(&p->lock);
    return code;
}

int ad_plan_list(ad_app *app, const char *call, ad_openids *openids)
{
    planning p = {.app = app, .call = call, .count = 1};
    int code = begin(&p);

    if (code == AD_EXIT_OK)
        plan_one(&p, 0, app->line.args[0], ad_openids_read, openids);
    if (code == AD_EXIT_OK && openids->failed)
        code = ad_lines_fail(&openids->lines, &app->failure);
    return end(&p, code);
}

int ad_plan_batch(ad_app *app, const char *call, const ad_batch_file *file)
{
    planning p = {.app = app, .call = call, .file = file, .count = file->count};
    int code = begin(&p);

    if (code == AD_EXIT_OK)
        ad_pool_run(app, p.count, plan_tenant, &p);
    return end(&p, code);
}
