#include "job_run.h"
#include "last_words.h"
#include "progress.h"
#include <stdlib.h>
#include <string.h>

wxtp_job_options ad_job_options(const ad_app *app)
{
    return (wxtp_job_options){.struct_size = sizeof(wxtp_job_options),
                              .force = ad_given(app, OPT_FORCE),
                              .snapshot = ad_given(app, OPT_SNAPSHOT)};
}

/* Why a paused job is paused, as an exit code. */
static int exit_of_pause(wxtp_paused_by by, const char *kind)
{
    switch (by) {
    case WXTP_PAUSED_BY_QUOTA:
    case WXTP_PAUSED_BY_RATE:
        return AD_EXIT_LIMIT;
    case WXTP_PAUSED_BY_NETWORK:
        return AD_EXIT_NETWORK;
    case WXTP_PAUSED_BY_CREDENTIALS:
        return AD_EXIT_CREDENTIALS;
    case WXTP_PAUSED_BY_GATE:
        return ad_exit_of_reason(kind);
    case WXTP_PAUSED_BY_SUSPECT_LIST:
    case WXTP_PAUSED_BY_UNKNOWN_ERRCODE:
    case WXTP_PAUSED_BY_RESTORED:
        return AD_EXIT_DECIDE;
    case WXTP_PAUSED_BY_INTERRUPTED:
    case WXTP_PAUSED_BY_NONE:
        break;
    }
    return ad_signal_exit_code();
}

/* Where the job does not remember more than the word. */
static void fail_by_word(wxtp_paused_by by, ad_failure *failure)
{
    static const struct {
        const char *kind, *message;
    } words[] = {
        [WXTP_PAUSED_BY_NONE] = {"interrupted", "the job is paused"},
        [WXTP_PAUSED_BY_QUOTA] = {"quota", "the daily quota is used up"},
        [WXTP_PAUSED_BY_RATE] = {"rate", "too many calls a minute"},
        [WXTP_PAUSED_BY_NETWORK] = {"unavailable", "WeChat cannot be reached"},
        [WXTP_PAUSED_BY_CREDENTIALS] = {"credentials", "a token was refused"},
        [WXTP_PAUSED_BY_GATE] = {"refused_by_wechat", "the call is not allowed any more"},
        [WXTP_PAUSED_BY_INTERRUPTED] = {"interrupted", "the job was interrupted"},
        [WXTP_PAUSED_BY_SUSPECT_LIST] = {"suspect_list", "the first openids were all refused"},
        [WXTP_PAUSED_BY_UNKNOWN_ERRCODE] = {"wechat",
                                            "WeChat goes on answering an errcode that nobody knows"},
        [WXTP_PAUSED_BY_RESTORED] = {"interrupted", "the job comes from a restored database"},
    };
    size_t row = (size_t)by < sizeof words / sizeof words[0] ? (size_t)by : 0;

    ad_fail(failure, AD_EXIT_INTERNAL, words[row].kind, NULL, "%s", words[row].message);
}

static int judge_paused(const wxtp_job *job, wxtp_error **error, ad_failure *failure)
{
    wxtp_paused_by by = wxtp_job_paused_by(job);
    char hint[sizeof failure->hint], own[sizeof failure->hint - 128];

    if (!*error)
        *error = wxtp_job_pause_error(job);
    if (*error)
        ad_fail_take(failure, wxtp_error_status(*error), error);
    else
        fail_by_word(by, failure);
    failure->exit_code = exit_of_pause(by, failure->kind);
    if (!strstr(failure->hint, wxtp_job_id(job))) {
        ad_copy(own, sizeof own, failure->hint);
        size_t length = strlen(own);
        if (length > 0 && own[length - 1] == '.')
            own[length - 1] = '\0';
        snprintf(hint, sizeof hint, "%s%swxtp-admin job resume %.63s", own, *own ? "; then: " : "",
                 wxtp_job_id(job));
        ad_copy(failure->hint, sizeof failure->hint, hint);
    }
    return failure->exit_code;
}

static bool is_of_this_machine(wxtp_status status)
{
    return status <= -100 && status > -300;
}

static int judge(const wxtp_job *job, wxtp_status status, wxtp_error **error, ad_failure *failure)
{
    if (!job || is_of_this_machine(status))
        return status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(failure, status, error);
    int64_t rejected = wxtp_job_invalid(job) + wxtp_job_failed(job);
    switch (wxtp_job_state_of(job)) {
    case WXTP_JOB_DONE:
    case WXTP_JOB_PARTIAL:
        if (rejected == 0)
            return AD_EXIT_OK;
        return ad_fail(failure, AD_EXIT_PARTIAL, "partial",
                       wxtp_job_failed(job) > 0
                           ? "see the failed ones; wxtp-admin job resume --failed tries them again"
                           : "see the invalid ones: they are no openids of this account",
                       "%lld of %lld openids are invalid or failed", (long long)rejected,
                       (long long)wxtp_job_requested(job));
    case WXTP_JOB_CANCELLED:
        return ad_fail(failure, AD_EXIT_PARTIAL, "partial", "make a new job for what is still pending",
                       "the job was cancelled with %lld openids pending", (long long)wxtp_job_pending(job));
    case WXTP_JOB_PAUSED:
        return judge_paused(job, error, failure);
    case WXTP_JOB_BUILDING:
    case WXTP_JOB_RUNNING:
        break;
    }
    return status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(failure, status, error);
}

int ad_job_judge(const wxtp_job *job, wxtp_status status, wxtp_error **error, ad_failure *failure)
{
    memset(failure, 0, sizeof *failure);
    int code = judge(job, status, error, failure);
    if (code != AD_EXIT_OK && job && !failure->tenant[0])
        ad_copy(failure->tenant, sizeof failure->tenant, wxtp_job_tenant(job));
    wxtp_error_free(*error);
    *error = NULL;
    return code;
}

static bool on_progress(void *user, const wxtp_job *job)
{
    int64_t bad = wxtp_job_invalid(job) + wxtp_job_failed(job);

    ad_progress_show(user, wxtp_job_requested(job) - wxtp_job_pending(job), wxtp_job_requested(job), bad);
    return true;
}

int ad_job_run_and_print(ad_app *app, const char *job_id, wxtp_job_run_mode mode, ad_rejects *rejects)
{
    ad_progress progress;
    ad_last_words last;
    wxtp_job *job = NULL;
    wxtp_error *error = NULL;
    ad_failure judged;

    ad_progress_begin(&progress, app, "openids");
    ad_last_words_begin(&last, app, job_id);
    wxtp_status status = wxtp_job_run(app->platform, job_id, mode, on_progress, &progress, &job, &error);
    ad_last_words_end(&last);
    ad_progress_end(&progress);
    int code = ad_job_judge(job, status, &error, &judged);
    /* A wrong use has no result; whatever happened to a run has one. */
    if (job && status != WXTP_ERR_STATE && status != WXTP_ERR_INVALID) {
        int printed = ad_job_print(app, job);
        if (printed == AD_EXIT_OK)
            printed = ad_rejects_job(rejects, app, job, NULL, &app->failure);
        if (printed != AD_EXIT_OK)
            code = printed;
        else
            app->failure = judged;
    } else {
        app->failure = judged;
    }
    wxtp_job_free(job);
    return code;
}

/* ---- Many jobs at once ---- */

typedef struct part {
    ad_progress *progress;
    ad_task *task;
    int64_t done, total, bad; /* told so far */
} part;

static bool on_part(void *user, const wxtp_job *job)
{
    part *p = user;
    int64_t done = wxtp_job_requested(job) - wxtp_job_pending(job), total = wxtp_job_requested(job);
    int64_t bad = wxtp_job_invalid(job) + wxtp_job_failed(job);

    ad_progress_add(p->progress, done - p->done, total - p->total, bad - p->bad);
    p->done = done;
    p->total = total;
    p->bad = bad;
    return true;
}

static void end_part(part *p, const wxtp_job *job, wxtp_status status, wxtp_error **error, ad_failure *worst)
{
    ad_failure failure;

    if (job)
        on_part(p, job);
    p->task->exit_code = ad_job_judge(job, status, error, &failure);
    ad_failure_keep_worst(worst, &failure);
    free(p);
}

/* One that could not be submitted: what it came to is what it was. */
static void not_begun(ad_app *app, part *p, wxtp_status status, wxtp_error **error, ad_failure *worst)
{
    wxtp_job *job = NULL;
    wxtp_error *aside = NULL;

    (void)wxtp_job_get(app->platform, p->task->job_id, &job, &aside);
    wxtp_error_free(aside);
    end_part(p, job, status, error, worst);
    wxtp_job_free(job);
}

/* Whether it is under way now. */
static bool begin_part(ad_app *app, ad_progress *progress, ad_task *task, ad_failure *worst)
{
    wxtp_error *error = NULL;
    part *p = malloc(sizeof *p);

    if (!p) {
        task->exit_code = ad_fail_nomem(worst);
        return false;
    }
    *p = (part){progress, task, 0, task->requested, 0};
    const wxtp_submit_options options = {.struct_size = sizeof options, .user = p, .progress = on_part};
    wxtp_status status = wxtp_job_submit(app->platform, task->job_id, task->mode, &options, NULL, &error);
    if (status != WXTP_OK)
        not_begun(app, p, status, &error, worst);
    return status == WXTP_OK;
}

/* Returns whether one of those under way has ended. */
static bool end_one(ad_app *app, ad_failure *worst)
{
    wxtp_completion *completion = wxtp_completion_take(app->platform, 1000);
    bool ended = completion && wxtp_completion_kind_of(completion) == WXTP_COMPLETION_JOB;

    if (ended) {
        wxtp_error *error = wxtp_completion_take_error(completion);
        end_part(wxtp_completion_user(completion), wxtp_completion_job(completion),
                 wxtp_completion_status(completion), &error, worst);
    }
    wxtp_completion_free(completion);
    return ended;
}

void ad_tasks_run(ad_app *app, ad_task *tasks, size_t count, ad_failure *worst)
{
    ad_progress progress;
    int64_t total = 0;
    size_t under_way = 0, at_once = (size_t)ad_number(app, OPT_CONCURRENCY, 16);

    for (size_t i = 0; i < count; i++)
        total += tasks[i].requested;
    ad_progress_begin(&progress, app, "openids");
    ad_progress_add(&progress, 0, total, 0);
    for (size_t i = 0; i < count || under_way > 0;) {
        if (i < count && under_way < at_once) {
            if (tasks[i].job_id[0] && begin_part(app, &progress, &tasks[i], worst))
                under_way++;
            i++;
        } else if (end_one(app, worst)) {
            under_way--;
        }
    }
    ad_progress_end(&progress);
}
