/* How jobs look on standard output. */
#include "job_run.h"
#include "output.h"
#include <string.h>

enum { SHOWN_MAX = 20 };

const char *const ad_job_headings[AD_JOB_COLUMNS] = {"JOB",  "TENANT",  "CALL",   "STATE",  "REQUESTED",
                                                     "DONE", "INVALID", "FAILED", "PENDING"};

const char *ad_job_state_word(const wxtp_job *job)
{
    switch (wxtp_job_state_of(job)) {
    case WXTP_JOB_BUILDING:
    case WXTP_JOB_RUNNING:
        return "running";
    case WXTP_JOB_PAUSED:
        return "paused";
    case WXTP_JOB_DONE:
        return "done";
    case WXTP_JOB_PARTIAL:
        return "partial";
    case WXTP_JOB_CANCELLED:
        return "cancelled";
    }
    return "running";
}

const char *ad_paused_by_word(const wxtp_job *job)
{
    static const char *const words[] = {
        [WXTP_PAUSED_BY_NONE] = "",
        [WXTP_PAUSED_BY_QUOTA] = "quota",
        [WXTP_PAUSED_BY_RATE] = "rate",
        [WXTP_PAUSED_BY_NETWORK] = "network",
        [WXTP_PAUSED_BY_CREDENTIALS] = "credentials",
        [WXTP_PAUSED_BY_GATE] = "gate",
        [WXTP_PAUSED_BY_INTERRUPTED] = "interrupted",
        [WXTP_PAUSED_BY_SUSPECT_LIST] = "suspect_list",
        [WXTP_PAUSED_BY_UNKNOWN_ERRCODE] = "unknown_errcode",
        [WXTP_PAUSED_BY_RESTORED] = "restored",
    };
    size_t by = (size_t)wxtp_job_paused_by(job);

    if (wxtp_job_state_of(job) != WXTP_JOB_PAUSED || by >= sizeof words / sizeof words[0])
        return "";
    return words[by];
}

const char *ad_done_word(const char *call)
{
    return strcmp(call, "batchBlacklist") == 0 ? "blacklisted" : "unblacklisted";
}

/* Writes as many as the picture of the job counts: a job that runs on adds others behind them. */
typedef struct exceptions {
    ad_app *app;
    ad_json *json;
    int64_t left, all;
    bool failed_ones;
} exceptions;

static bool write_exception(void *user, const char *openid, int64_t errcode, const char *errmsg)
{
    exceptions *e = user;

    if (e->left-- <= 0 || !ad_output_ok(e->app))
        return false;
    if (!e->failed_ones) {
        ad_json_string(e->json, NULL, openid);
        return true;
    }
    ad_json_object(e->json, NULL);
    ad_json_string(e->json, "openid", openid);
    ad_json_int(e->json, "errcode", errcode);
    ad_json_string(e->json, "errmsg", errmsg);
    ad_json_end_object(e->json);
    return true;
}

static int write_exceptions(ad_app *app, ad_json *json, const char *key, const wxtp_job *job,
                            bool failed_ones)
{
    exceptions e = {app, json, failed_ones ? wxtp_job_failed(job) : wxtp_job_invalid(job), 0, failed_ones};
    wxtp_error *error = NULL;
    wxtp_status status = WXTP_OK;

    ad_json_array(json, key);
    if (e.left > 0)
        status = wxtp_job_exceptions(app->platform, wxtp_job_id(job),
                                     failed_ones ? WXTP_VERDICT_FAILED : WXTP_VERDICT_INVALID,
                                     write_exception, &e, &error);
    ad_json_end_array(json);
    return status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(&app->failure, status, &error);
}

static void table_row(ad_list *list, const wxtp_job *job)
{
    char state[48], numbers[5][24];
    const int64_t values[5] = {wxtp_job_requested(job), wxtp_job_succeeded(job), wxtp_job_invalid(job),
                               wxtp_job_failed(job), wxtp_job_pending(job)};
    const char *by = ad_paused_by_word(job);

    snprintf(state, sizeof state, "%s%s%s%s", ad_job_state_word(job), *by ? " (" : "", by, *by ? ")" : "");
    for (size_t i = 0; i < 5; i++)
        snprintf(numbers[i], sizeof numbers[i], "%lld", (long long)values[i]);
    const char *cells[AD_JOB_COLUMNS] = {
        wxtp_job_id(job), wxtp_job_tenant(job), wxtp_job_call(job), state,     numbers[0],
        numbers[1],       numbers[2],           numbers[3],         numbers[4]};
    ad_list_row(list, cells);
}

static int write_members(ad_app *app, ad_json *json, const wxtp_job *job)
{
    const char *by = ad_paused_by_word(job);

    ad_json_string(json, "tenant", wxtp_job_tenant(job));
    ad_json_string(json, "job", wxtp_job_id(job));
    ad_json_string(json, "call", wxtp_job_call(job));
    ad_json_string(json, "state", ad_job_state_word(job));
    if (*by)
        ad_json_string(json, "paused_by", by);
    ad_json_int(json, "requested", wxtp_job_requested(job));
    ad_json_int(json, "duplicates", wxtp_job_duplicates(job));
    ad_json_int(json, wxtp_job_done_word(job), wxtp_job_succeeded(job));
    int code = write_exceptions(app, json, "invalid", job, false);
    int other = write_exceptions(app, json, "failed", job, true);
    ad_json_int(json, "pending", wxtp_job_pending(job));
    ad_json_int(json, "calls", wxtp_job_calls(job));
    ad_json_int(json, "token_refreshes", wxtp_job_token_refreshes(job));
    ad_json_time(json, "created_at", wxtp_job_created_ms(job));
    ad_json_int(json, "elapsed_ms", wxtp_job_elapsed_ms(job));
    return code != AD_EXIT_OK ? code : other;
}

static int write_job(ad_app *app, ad_json *json, const wxtp_job *job)
{
    ad_json_object(json, NULL);
    int code = write_members(app, json, job);
    ad_json_end_object(json);
    return code;
}

int ad_list_job(ad_list *list, const wxtp_job *job)
{
    if (!ad_list_json(list)) {
        table_row(list, job);
        return AD_EXIT_OK;
    }
    int code = write_members(list->app, ad_list_row_begin(list), job);
    ad_list_row_end(list);
    return code;
}

static bool print_exception(void *user, const char *openid, int64_t errcode, const char *errmsg)
{
    exceptions *e = user;
    char text[512];

    if (e->left-- <= 0)
        return false;
    if (e->all++ >= SHOWN_MAX)
        return false;
    if (e->failed_ones)
        snprintf(text, sizeof text, "%s (errcode %lld, %.200s)", openid, (long long)errcode, errmsg);
    else
        snprintf(text, sizeof text, "%s", openid);
    ad_field(e->app, e->failed_ones ? "  failed" : "  invalid", text);
    return true;
}

static int print_exceptions(ad_app *app, const wxtp_job *job, bool failed_ones)
{
    exceptions e = {app, NULL, failed_ones ? wxtp_job_failed(job) : wxtp_job_invalid(job), 0, failed_ones};
    int64_t count = e.left;
    wxtp_error *error = NULL;

    if (count == 0)
        return AD_EXIT_OK;
    wxtp_status status = wxtp_job_exceptions(app->platform, wxtp_job_id(job),
                                             failed_ones ? WXTP_VERDICT_FAILED : WXTP_VERDICT_INVALID,
                                             print_exception, &e, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (count > SHOWN_MAX)
        fprintf(app->out, "  and %lld more: --json or --rejects gives them all\n",
                (long long)(count - SHOWN_MAX));
    return AD_EXIT_OK;
}

static void print_pause(ad_app *app, const wxtp_job *job)
{
    wxtp_error *why = wxtp_job_pause_error(job);

    ad_field(app, "paused by", ad_paused_by_word(job));
    if (why && *wxtp_error_message(why))
        ad_field(app, "because", wxtp_error_message(why));
    if (why && *wxtp_error_hint(why))
        ad_field(app, "what to do", wxtp_error_hint(why));
    wxtp_error_free(why);
}

int ad_job_print(ad_app *app, const wxtp_job *job)
{
    if (app->json) {
        ad_json json;
        ad_json_init(&json, app->out);
        int code = write_job(app, &json, job);
        ad_json_line_end(&json);
        return code;
    }
    ad_field(app, "job", wxtp_job_id(job));
    ad_field(app, "tenant", wxtp_job_tenant(job));
    ad_field(app, "call", wxtp_job_call(job));
    ad_field(app, "state", ad_job_state_word(job));
    if (wxtp_job_state_of(job) == WXTP_JOB_PAUSED)
        print_pause(app, job);
    ad_field_int(app, "requested", wxtp_job_requested(job));
    ad_field_int(app, "duplicates", wxtp_job_duplicates(job));
    ad_field_int(app, wxtp_job_done_word(job), wxtp_job_succeeded(job));
    ad_field_int(app, "invalid", wxtp_job_invalid(job));
    int code = print_exceptions(app, job, false);
    ad_field_int(app, "failed", wxtp_job_failed(job));
    int other = print_exceptions(app, job, true);
    ad_field_int(app, "pending", wxtp_job_pending(job));
    ad_field_int(app, "calls", wxtp_job_calls(job));
    ad_field_int(app, "token refreshes", wxtp_job_token_refreshes(job));
    ad_field_time(app, "created", wxtp_job_created_ms(job));
    ad_field_int(app, "elapsed ms", wxtp_job_elapsed_ms(job));
    return code != AD_EXIT_OK ? code : other;
}

int ad_job_print_nothing(ad_app *app, const char *appid, const char *call)
{
    ad_json json;

    if (!app->json) {
        fprintf(app->out, "the list is empty: nothing to do\n");
        return AD_EXIT_OK;
    }
    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    ad_json_string(&json, "tenant", appid);
    ad_json_string(&json, "call", call);
    ad_json_string(&json, "state", "done");
    ad_json_int(&json, "requested", 0);
    ad_json_int(&json, "duplicates", 0);
    ad_json_int(&json, ad_done_word(call), 0);
    ad_json_array(&json, "invalid");
    ad_json_end_array(&json);
    ad_json_array(&json, "failed");
    ad_json_end_array(&json);
    ad_json_int(&json, "pending", 0);
    ad_json_int(&json, "calls", 0);
    ad_json_int(&json, "token_refreshes", 0);
    ad_json_time(&json, "created_at", ad_now_ms());
    ad_json_int(&json, "elapsed_ms", 0);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
    return AD_EXIT_OK;
}

static void refused_json(ad_json *json, const ad_task *task)
{
    ad_json_object(json, NULL);
    ad_json_string(json, "tenant", task->appid);
    ad_json_string(json, "state", "refused");
    ad_json_int(json, "requested", task->requested);
    ad_json_int(json, "pending", task->requested);
    ad_failure_json(json, "error", task->refusal);
    ad_json_end_object(json);
}

static void refused_row(ad_list *list, const ad_task *task)
{
    char state[64], number[24];

    snprintf(state, sizeof state, "refused (%s)", task->refusal->kind);
    snprintf(number, sizeof number, "%lld", (long long)task->requested);
    const char *cells[AD_JOB_COLUMNS] = {"-", task->appid, "-", state, number, "0", "0", "0", number};
    ad_list_row(list, cells);
}

/* One job, read again: it is told as it is stored. */
static int print_task(ad_list *list, const ad_task *task)
{
    ad_app *app = list->app;
    wxtp_job *job = NULL;
    wxtp_error *error = NULL;
    int code = AD_EXIT_OK;

    wxtp_status status = wxtp_job_get(app->platform, task->job_id, &job, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (app->json)
        code = write_job(app, &list->json, job);
    else
        table_row(list, job);
    wxtp_job_free(job);
    return code;
}

int ad_tasks_print(ad_app *app, const ad_task *tasks, size_t count, bool next)
{
    ad_list list;
    int code = AD_EXIT_OK;

    ad_list_init(&list, app, "jobs", ad_job_headings, AD_JOB_COLUMNS);
    if (app->json) {
        ad_json_object(&list.json, NULL);
        ad_json_array(&list.json, "jobs");
    }
    for (size_t i = 0; i < count && ad_output_ok(app); i++) {
        int one = AD_EXIT_OK;
        if (tasks[i].job_id[0])
            one = print_task(&list, &tasks[i]);
        else if (tasks[i].refusal && app->json)
            refused_json(&list.json, &tasks[i]);
        else if (tasks[i].refusal)
            refused_row(&list, &tasks[i]);
        code = code != AD_EXIT_OK ? code : one;
    }
    if (app->json) {
        ad_json_end_array(&list.json);
        if (next)
            ad_json_null(&list.json, "next");
        ad_json_end_object(&list.json);
        ad_json_line_end(&list.json);
    } else {
        int ended = ad_list_end(&list, NULL);
        code = code != AD_EXIT_OK ? code : ended;
    }
    ad_list_free(&list);
    return code;
}
