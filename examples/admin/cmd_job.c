/* Lists of openids to work through: unblacklist, blacklist, job. */
#include "batch.h"
#include "commands.h"
#include "database.h"
#include "dry_run.h"
#include "job_run.h"
#include "openid_file.h"
#include "output.h"
#include "plan.h"
#include "spool.h"
#include <stdlib.h>
#include <string.h>

static int create_and_run(ad_app *app, const char *appid, const char *call, ad_openids *openids,
                          ad_rejects *rejects)
{
    const wxtp_job_options options = ad_job_options(app);
    wxtp_error *error = NULL;
    char job_id[64] = "";

    wxtp_status status =
        wxtp_job_create(app->platform, appid, call, ad_openids_read, openids, &options, job_id, &error);
    if (openids->failed) {
        wxtp_error_free(error);
        return ad_lines_fail(&openids->lines, &app->failure);
    }
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (!job_id[0])
        return ad_job_print_nothing(app, appid, call);
    return ad_job_run_and_print(app, job_id, WXTP_JOB_RUN, rejects);
}

static int work_through(ad_app *app, const char *call, ad_openids *openids)
{
    const char *appid = app->line.args[0];
    ad_rejects rejects;
    int any, code;

    code = ad_rejects_open(&rejects, app);
    if (code != AD_EXIT_OK)
        return code;
    any = ad_openids_any(openids);
    if (any < 0)
        code = ad_lines_fail(&openids->lines, &app->failure);
    else if (ad_given(app, OPT_DRY_RUN))
        code = ad_dry_run(app, appid, call, openids, &rejects);
    else if (any == 0)
        code = ad_job_print_nothing(app, appid, call);
    else
        code = create_and_run(app, appid, call, openids, &rejects);
    return ad_rejects_close(&rejects, app, code);
}

static int list_command(ad_app *app, const char *call)
{
    const char *file = ad_text(app, OPT_FILE);
    int count = app->line.arg_count - 1;
    ad_openids *openids = malloc(sizeof *openids);
    if (!openids)
        return ad_fail_nomem(&app->failure);
    int code = ad_openids_open(openids, app->line.args + 1, count, file, &app->failure);
    if (code == AD_EXIT_OK) {
        code = ad_given(app, OPT_PLAN) ? ad_plan_list(app, call, openids) : work_through(app, call, openids);
        ad_openids_close(openids);
    }
    free(openids);
    return code;
}

int ad_check_openids(ad_app *app)
{
    if (app->line.arg_count == 0)
        return ad_fail_usage(&app->failure, "wxtp-admin unblacklist APPID OPENID...", "no APPID is given");
    if (app->line.arg_count == 1 && !ad_given(app, OPT_FILE))
        return ad_fail_usage(&app->failure, "name them, or give --file FILE (- is standard input)",
                             "no openid and no file is given");
    return AD_EXIT_OK;
}

static int check_plan(ad_app *app)
{
    bool plan = ad_given(app, OPT_PLAN);

    if (!plan && ad_given(app, OPT_OFFLINE))
        return ad_fail_usage(&app->failure, "give --plan too, or leave it away",
                             "--offline goes with --plan alone");
    if (plan && (ad_given(app, OPT_DRY_RUN) || ad_given(app, OPT_REJECTS)))
        return ad_fail_usage(&app->failure, "choose one of them",
                             "--plan goes with no --dry-run or --rejects");
    return AD_EXIT_OK;
}

int ad_check_unblacklist(ad_app *app)
{
    int code = check_plan(app);

    if (code != AD_EXIT_OK)
        return code;
    if (!ad_given(app, OPT_BATCH))
        return ad_check_openids(app);
    if (app->line.arg_count > 0 || ad_given(app, OPT_FILE))
        return ad_fail_usage(&app->failure, "name tenants and openids in the file alone",
                             "--batch goes with no APPID, OPENID or --file");
    return AD_EXIT_OK;
}

int ad_unblacklist(ad_app *app)
{
    if (!ad_given(app, OPT_BATCH))
        return list_command(app, "batchUnblacklist");
    return ad_batch(app, "batchUnblacklist", ad_text(app, OPT_BATCH));
}

int ad_blacklist_add(ad_app *app)
{
    return list_command(app, "batchBlacklist");
}

/* How many there are is known at the end and stands at the beginning: JSON is kept in a file meanwhile. */
typedef struct listing {
    ad_app *app;
    FILE *kept;
    ad_json json;
} listing;

static bool on_openid(void *user, const char *openid)
{
    listing *l = user;

    if (l->app->json) {
        ad_json_string(&l->json, NULL, openid);
        return !ferror(l->kept);
    }
    ad_put_text(l->app->out, openid);
    fputc('\n', l->app->out);
    return ad_output_ok(l->app);
}

static int print_listing(const listing *l, int64_t total)
{
    FILE *out = l->app->out;

    if (!ad_spool_ok(l->kept))
        return ad_spool_fail(&l->app->failure);
    fputs("{\"tenant\":", out);
    ad_json_quote(out, l->app->line.args[0]);
    fprintf(out, ",\"total\":%lld,\"openids\":[", (long long)total);
    ad_spool_copy(l->kept, out);
    fputs("]}\n", out);
    return AD_EXIT_OK;
}

int ad_blacklist_list(ad_app *app)
{
    listing l = {.app = app};
    wxtp_error *error = NULL;
    int64_t total = 0;
    int code;

    l.kept = ad_spool();
    if (!l.kept)
        return ad_spool_fail(&app->failure);
    ad_json_init(&l.json, l.kept);
    wxtp_status status = wxtp_blacklist_each(app->platform, app->line.args[0], on_openid, &l, &total, &error);
    if (status != WXTP_OK)
        code = ad_fail_take(&app->failure, status, &error);
    else
        code = app->json ? print_listing(&l, total) : AD_EXIT_OK;
    fclose(l.kept);
    return code;
}

/* Ids are listed first and the jobs read one by one: a list callback may not ask the store. */
typedef struct ids {
    ad_task *rows;
    size_t count, room, seen;
    char last[64]; /* seen */
    bool resumable_only, no_memory;
} ids;

static bool resumable(const wxtp_job *job)
{
    wxtp_paused_by by = wxtp_job_paused_by(job);

    if (wxtp_job_state_of(job) == WXTP_JOB_RUNNING)
        return true; /* its runner may have died; a living one is followed */
    return wxtp_job_state_of(job) == WXTP_JOB_PAUSED && by != WXTP_PAUSED_BY_SUSPECT_LIST &&
           by != WXTP_PAUSED_BY_RESTORED;
}

static bool add_id(void *user, const wxtp_job *job)
{
    ids *all = user;

    all->seen++;
    ad_copy(all->last, sizeof all->last, wxtp_job_id(job));
    if (all->resumable_only && !resumable(job))
        return true;
    if (all->count == all->room) {
        size_t room = all->room ? all->room * 2 : 64;
        ad_task *rows = realloc(all->rows, room * sizeof *rows);
        if (!rows) {
            all->no_memory = true;
            return false;
        }
        all->rows = rows;
        all->room = room;
    }
    ad_task *task = &all->rows[all->count++];
    memset(task, 0, sizeof *task);
    ad_copy(task->job_id, sizeof task->job_id, wxtp_job_id(job));
    task->mode = WXTP_JOB_RESUME;
    task->requested = wxtp_job_requested(job);
    return true;
}

static int state_of_word(const char *word)
{
    static const struct {
        const char *word;
        wxtp_job_state state;
    } words[] = {{"running", WXTP_JOB_RUNNING},
                 {"paused", WXTP_JOB_PAUSED},
                 {"done", WXTP_JOB_DONE},
                 {"partial", WXTP_JOB_PARTIAL},
                 {"cancelled", WXTP_JOB_CANCELLED}};

    for (size_t i = 0; word && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, word) == 0)
            return (int)words[i].state;
    }
    return -1;
}

static int print_jobs(ad_app *app, const ids *all, size_t limit)
{
    ad_list list;
    int code = AD_EXIT_OK;

    ad_list_init(&list, app, "jobs", ad_job_headings, AD_JOB_COLUMNS);
    for (size_t i = 0; i < all->count && i < limit && code == AD_EXIT_OK && ad_output_ok(app); i++) {
        wxtp_job *job = NULL;
        wxtp_error *error = NULL;
        wxtp_status status = wxtp_job_get(app->platform, all->rows[i].job_id, &job, &error);
        if (status == WXTP_ERR_NOT_FOUND) { /* pruned in between */
            wxtp_error_free(error);
            continue;
        }
        code = status == WXTP_OK ? ad_list_job(&list, job) : ad_fail_take(&app->failure, status, &error);
        wxtp_job_free(job);
    }
    int ended = ad_list_end(&list, all->count > limit ? all->rows[limit - 1].job_id : NULL);
    ad_list_free(&list);
    return code != AD_EXIT_OK ? code : ended;
}

/* Lists at most `wanted` jobs, in several pages of the library. */
static int list_ids(ad_app *app, ids *all, int state, const char *after, size_t wanted)
{
    enum { PAGE = 5000 };
    size_t before, ask;
    char cursor[sizeof all->last];

    do {
        wxtp_error *error = NULL;
        before = all->seen;
        ask = wanted < PAGE ? wanted : PAGE;
        wxtp_status status =
            wxtp_job_list(app->platform, ad_text(app, OPT_TENANT), state, after, ask, add_id, all, &error);
        if (status != WXTP_OK)
            return ad_fail_take(&app->failure, status, &error);
        if (all->no_memory)
            return ad_fail_nomem(&app->failure);
        wanted -= all->seen - before;
        memcpy(cursor, all->last, sizeof cursor);
        after = cursor;
    } while (all->seen - before == ask && wanted > 0);
    return AD_EXIT_OK;
}

int ad_job_list(ad_app *app)
{
    ids all = {0};
    size_t limit = (size_t)ad_number(app, OPT_LIMIT, 100);
    int code =
        list_ids(app, &all, state_of_word(ad_text(app, OPT_STATE)), ad_text(app, OPT_AFTER), limit + 1);

    if (code == AD_EXIT_OK)
        code = print_jobs(app, &all, limit);
    free(all.rows);
    return code;
}

int ad_job_show(ad_app *app)
{
    wxtp_job *job = NULL;
    wxtp_error *error = NULL;
    wxtp_status status = wxtp_job_get(app->platform, app->line.args[0], &job, &error);
    int code = status == WXTP_OK ? ad_job_print(app, job) : ad_fail_take(&app->failure, status, &error);

    wxtp_job_free(job);
    return code;
}

int ad_job_cancel(ad_app *app)
{
    wxtp_job *job = NULL;
    wxtp_error *error = NULL;
    wxtp_status status = wxtp_job_cancel(app->platform, app->line.args[0], &job, &error);
    int code = status == WXTP_OK ? ad_job_print(app, job) : ad_fail_take(&app->failure, status, &error);

    wxtp_job_free(job);
    return code;
}

static int collect_resumable(ad_app *app, ids *all)
{
    all->resumable_only = true;
    int code = list_ids(app, all, WXTP_JOB_PAUSED, NULL, SIZE_MAX);
    return code == AD_EXIT_OK ? list_ids(app, all, WXTP_JOB_RUNNING, NULL, SIZE_MAX) : code;
}

static int resume_all(ad_app *app)
{
    ids all = {0};
    ad_failure worst = {0};
    int code = collect_resumable(app, &all);

    if (code == AD_EXIT_OK) {
        ad_tasks_run(app, all.rows, all.count, &worst);
        code = ad_tasks_print(app, all.rows, all.count, true);
    }
    if (code == AD_EXIT_OK && worst.exit_code != AD_EXIT_OK) {
        app->failure = worst;
        code = worst.exit_code;
    }
    free(all.rows);
    return code;
}

int ad_check_job_resume(ad_app *app)
{
    bool all = ad_given(app, OPT_ALL);

    if (all && (ad_given(app, OPT_FAILED) || app->line.arg_count > 0 || ad_given(app, OPT_REJECTS)))
        return ad_fail_usage(&app->failure, "wxtp-admin job resume --all",
                             "--all goes with no ID, --failed or --rejects");
    if (!all && app->line.arg_count == 0)
        return ad_fail_usage(&app->failure, "wxtp-admin job list shows the ids", "name a job, or give --all");
    return AD_EXIT_OK;
}

int ad_job_resume(ad_app *app)
{
    bool failed = ad_given(app, OPT_FAILED);
    ad_rejects rejects;

    if (ad_given(app, OPT_ALL))
        return resume_all(app);
    int code = ad_choose_by_job(app, app->line.args[0]);
    if (code == AD_EXIT_OK)
        code = ad_rejects_open(&rejects, app);
    if (code != AD_EXIT_OK)
        return code;
    code = ad_job_run_and_print(app, app->line.args[0], failed ? WXTP_JOB_RETRY_FAILED : WXTP_JOB_RESUME,
                                &rejects);
    return ad_rejects_close(&rejects, app, code);
}
