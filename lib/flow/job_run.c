/* Running a job: taking it, its workers, its end; or following the runner that has it. */
#include <string.h>

#include "base/point.h"
#include "flow/job_work.h"

enum {
    FOLLOW_MS = 200,
    LEASE_SPARE_MS = 5000,
};

/* ---- Taking a job ---- */

typedef struct run {
    wx_runner runner;
    const char *job_id;
    wxtp_job_run_mode mode;
    bool followed; /* we watched another runner at work: what it came to is our answer */
    bool retried;
} run;

typedef enum taken { TAKEN_OVER, TAKEN_BY_US, TAKEN_BY_ANOTHER } taken;

static bool needs_decision(wxtp_paused_by by)
{
    return by == WXTP_PAUSED_BY_SUSPECT_LIST || by == WXTP_PAUSED_BY_UNKNOWN_ERRCODE ||
           by == WXTP_PAUSED_BY_RESTORED;
}

/* Whether there is anything to run; the status says why not. */
static wxtp_status to_be_run(const run *r, const wxtp_job_row *row, bool *yes, wx_err *err)
{
    *yes = false;
    switch (row->state) {
    case WXTP_JOB_BUILDING:
        return wx_fail(err, WXTP_ERR_STATE, "the list of job %s is still being read", row->id);
    case WXTP_JOB_CANCELLED:
        if (r->mode == WXTP_JOB_RUN || r->followed) {
            return wx_fail(err, WXTP_ERR_CANCELLED, "job %s was cancelled", row->id);
        }
        wx_fail(err, WXTP_ERR_STATE, "job %s was cancelled and cannot be resumed", row->id);
        wx_err_hint(err, "Make a new job of the openids that are still to be done.");
        return err->status;
    case WXTP_JOB_DONE:
    case WXTP_JOB_PARTIAL:
        *yes = r->mode == WXTP_JOB_RETRY_FAILED && !r->retried && row->failed > 0;
        return WXTP_OK;
    case WXTP_JOB_PAUSED:
        if (r->followed || (r->mode == WXTP_JOB_RUN && needs_decision(row->paused_by))) {
            return wx_job_pause_err(row, err);
        }
        break;
    case WXTP_JOB_RUNNING:
        break;
    }
    *yes = true;
    return WXTP_OK;
}

static wxtp_status retry_failed(run *r, wxtp_tx *tx, wxtp_job_row *row, wx_err *err)
{
    int64_t count = 0;
    if (r->mode != WXTP_JOB_RETRY_FAILED || r->retried) {
        return WXTP_OK;
    }
    const wxtp_status status = wx_ops(r->runner.core)->exception_retry(tx, row->id, &count);
    if (status != WXTP_OK) {
        return wx_store_fail(r->runner.core, tx, status, "take up the failed openids again", err);
    }
    row->failed -= count;
    row->pending += count;
    row->asked -= count < row->asked ? count : row->asked;
    return WXTP_OK;
}

static wxtp_status begin_run(run *r, wxtp_tx *tx, wxtp_job_row *row, wx_err *err)
{
    const wxtp_status status = retry_failed(r, tx, row, err);
    if (status != WXTP_OK) {
        return status;
    }
    /* Whoever resumes it has seen that nothing succeeded so far. */
    if (row->state == WXTP_JOB_PAUSED &&
        (row->paused_by == WXTP_PAUSED_BY_SUSPECT_LIST || row->paused_by == WXTP_PAUSED_BY_UNKNOWN_ERRCODE)) {
        row->forced = true;
    }
    row->unknown_streak = 0;
    row->elapsed_ms = 0;
    wx_job_unpause(row);
    wx_job_settle(row, wx_wall_ms(r->runner.core));
    return wx_job_write(r->runner.core, tx, row, err);
}

static wxtp_status take_in(run *r, wxtp_tx *tx, wxtp_job *job, taken *whose, wx_err *err)
{
    wx_runner *runner = &r->runner;
    bool yes = false;
    wxtp_status status = to_be_run(r, &job->row, &yes, err);
    if (status != WXTP_OK || !yes) {
        return status;
    }
    wxtp_lease lease = {.name = runner->lease_name};
    status = wx_ops(runner->core)->lease_take(tx, &lease, runner->lease_ms);
    if (status == WXTP_ERR_STATE) {
        *whose = TAKEN_BY_ANOTHER;
        return WXTP_OK;
    }
    if (status != WXTP_OK) {
        return wx_store_fail(runner->core, tx, status, "take the lease of a job", err);
    }
    status = begin_run(r, tx, &job->row, err);
    if (status == WXTP_OK && job->row.pending == 0) {
        status = wx_ops(runner->core)->lease_release(tx, &lease);
        return status == WXTP_OK ? WXTP_OK
                                 : wx_store_fail(runner->core, tx, status, "give a lease back", err);
    }
    if (status == WXTP_OK) {
        runner->lease = lease;
        runner->lease.name = runner->lease_name;
        runner->renewed_boot_ms = wx_boot_ms(runner->core);
        *whose = TAKEN_BY_US;
    }
    return status;
}

static wxtp_status take(run *r, taken *whose, wx_err *err)
{
    wx_core *core = r->runner.core;
    WX_AUTO_JOB *job = NULL;
    WX_AUTO_SCOPE scope = {0};
    *whose = TAKEN_OVER;
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_WRITE, err);
    if (status == WXTP_OK) {
        status = wx_job_read(core, scope.tx, r->job_id, &job, err);
    }
    if (status == WXTP_OK) {
        status = take_in(r, scope.tx, job, whose, err);
    }
    if (status == WXTP_OK && *whose != TAKEN_BY_ANOTHER) {
        status = wx_scope_commit(&scope, err);
        WX_POINT("job.taken");
        r->retried = true;
    }
    if (status == WXTP_OK && *whose == TAKEN_BY_US) {
        r->runner.view = WX_TAKE(job);
    }
    return status;
}

/* ---- Following ---- */

/* One look; `over` when the job is finished or nobody runs it. */
static wxtp_status look_at(run *r, bool *over, wx_err *err)
{
    wx_core *core = r->runner.core;
    wxtp_lease lease = {.name = r->runner.lease_name};
    WX_AUTO_JOB *job = NULL;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status == WXTP_OK) {
        status = wx_job_read(core, scope.tx, r->job_id, &job, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->lease_holder(scope.tx, &lease);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, scope.tx, status, "read the lease of a job", err);
    }
    wx_scope_end(&scope);
    *over = status == WXTP_ERR_NOT_FOUND || wx_job_finished(&job->row);
    r->followed = r->followed || job->row.state == WXTP_JOB_RUNNING;
    return wx_runner_go_on(&r->runner, job, err) ? WXTP_OK : err->status;
}

static wxtp_status follow(run *r, wx_err *err)
{
    bool over = false;
    for (;;) {
        wxtp_status status = look_at(r, &over, err);
        if (status == WXTP_OK && !over) {
            status = wx_pause(r->runner.core, FOLLOW_MS, err);
        }
        if (status != WXTP_OK || over) {
            return status;
        }
    }
}

/* ---- The end ---- */

static wxtp_paused_by paused_by(wxtp_status status)
{
    switch (status) {
    case WXTP_ERR_QUOTA:
        return WXTP_PAUSED_BY_QUOTA;
    case WXTP_ERR_RATE:
        return WXTP_PAUSED_BY_RATE;
    case WXTP_ERR_UNAVAILABLE:
        return WXTP_PAUSED_BY_NETWORK;
    case WXTP_ERR_CREDENTIALS:
    case WXTP_ERR_TICKET:
    case WXTP_ERR_CONFIGURATION:
    case WXTP_ERR_REAUTHORIZE:
        return WXTP_PAUSED_BY_CREDENTIALS;
    case WXTP_ERR_REFUSED:
    case WXTP_ERR_AMBIGUOUS:
        return WXTP_PAUSED_BY_GATE;
    case WXTP_ERR_INTERRUPTED:
        return WXTP_PAUSED_BY_INTERRUPTED;
    case WXTP_ERR_SUSPECT_LIST:
        return WXTP_PAUSED_BY_SUSPECT_LIST;
    case WXTP_ERR_WECHAT:
        return WXTP_PAUSED_BY_UNKNOWN_ERRCODE;
    default:
        return WXTP_PAUSED_BY_NONE; /* trouble of this machine: the job stays as it is */
    }
}

/* What the run came to: pauses the job where something is pending, and gives the lease back. */
static wxtp_status finish_in(wx_runner *runner, wx_scope *scope, wxtp_job_row *row, wx_err *err)
{
    wxtp_tx *tx = scope->tx;
    const wxtp_paused_by by = paused_by(runner->outcome.status);
    if (row->state == WXTP_JOB_RUNNING && row->pending > 0 && by != WXTP_PAUSED_BY_NONE) {
        wx_job_pause(row, by, &runner->outcome);
        wx_scope_tell(scope, "job_paused", row->appid, runner->outcome.message);
    }
    row->token_refreshes += runner->loose_refreshes;
    row->elapsed_ms = wx_boot_ms(runner->core) - runner->began_boot_ms;
    wxtp_status status = wx_job_write(runner->core, tx, row, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(runner->core)->lease_release(tx, &runner->lease);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(runner->core, tx, status, "give a lease back", err);
}

static wxtp_status status_of_end(const wx_runner *runner, const wxtp_job_row *row, wx_err *err)
{
    if (row->state == WXTP_JOB_DONE || row->state == WXTP_JOB_PARTIAL) {
        return WXTP_OK;
    }
    if (row->state == WXTP_JOB_CANCELLED) {
        return wx_fail(err, WXTP_ERR_CANCELLED, "job %s was cancelled", row->id);
    }
    if (row->state == WXTP_JOB_PAUSED) {
        wx_job_pause_err(row, err);
        if (runner->outcome.status == err->status) {
            err->retry_after_ms = runner->outcome.retry_after_ms;
        }
        return err->status;
    }
    if (runner->outcome.status == WXTP_OK) {
        return wx_fail(err, WXTP_ERR_INTERNAL, "openids of job %s are pending, but no batch has them",
                       row->id);
    }
    *err = runner->outcome;
    return err->status;
}

static wxtp_status finish(run *r, wx_err *err)
{
    wx_runner *runner = &r->runner;
    WX_AUTO_JOB *job = NULL;
    WX_AUTO_SCOPE scope = {0};
    bool held = false;
    wxtp_status status = wx_scope_begin(&scope, runner->core, WXTP_TX_WRITE, err);
    if (status == WXTP_OK) {
        status = wx_job_read(runner->core, scope.tx, r->job_id, &job, err);
    }
    if (status == WXTP_OK) {
        status = wx_runner_hold(runner, scope.tx, &held, err);
    }
    if (status == WXTP_OK && held) {
        status = finish_in(runner, &scope, &job->row, err);
    }
    if (status == WXTP_OK && held) {
        WX_POINT("job.ending");
        status = wx_scope_commit(&scope, err);
        WX_POINT("job.ended");
    }
    if (status == WXTP_OK && held) {
        return status_of_end(runner, &job->row, err);
    }
    if (status != WXTP_OK && runner->outcome.status != WXTP_OK && paused_by(runner->outcome.status) == 0) {
        *err = runner->outcome; /* the first trouble tells more */
        return err->status;
    }
    return status;
}

/* ---- A run ---- */

static void empty_shelf(wx_runner *runner)
{
    wx_free(runner->shelf.places);
    runner->shelf = (wx_shelf){.from = 0};
}

static void reset(wx_runner *runner)
{
    wx_job_free(WX_TAKE(runner->view));
    empty_shelf(runner);
    runner->opened = runner->ending = runner->lost = false;
    wx_err_clear(&runner->outcome);
    runner->loose_refreshes = 0;
}

static wxtp_status init(run *r, wx_op *op, wx_err *err)
{
    wx_runner *runner = &r->runner;
    runner->core = op->core;
    runner->op = op;
    runner->lease_ms = op->core->settings.timeout_ms + LEASE_SPARE_MS;
    runner->began_boot_ms = runner->told_boot_ms = wx_boot_ms(op->core);
    wx_job_lease_name(runner->lease_name, r->job_id);
    if (wx_bell_init(&runner->changed, op->core->engine) != WXTP_OK) {
        return wx_fail_nomem(err);
    }
    (void)pthread_mutex_init(&runner->lock, NULL);
    return WXTP_OK;
}

/* Another round where a runner that came in between has left a batch behind, as long as that gets on. */
static void run_rounds(wx_runner *runner)
{
    int64_t calls = -1;
    while (!runner->ending && runner->view->row.pending > 0 && runner->view->row.calls > calls) {
        calls = runner->view->row.calls;
        empty_shelf(runner);
        runner->work = wx_job_work;
        wx_runner_run(runner);
    }
}

static wxtp_status run_taken(run *r, wx_err *err)
{
    wx_runner *runner = &r->runner;
    runner->api = wx_api_find(runner->core, runner->view->row.call);
    if (!runner->api || runner->api->list_max <= 0) {
        wx_err why;
        wx_fail(&why, WXTP_ERR_NOT_FOUND, "the call %s of job %s is not in the catalog",
                runner->view->row.call, r->job_id);
        wx_runner_end(runner, &why);
    } else {
        run_rounds(runner);
    }
    return finish(r, err);
}

static wxtp_status go(run *r, wx_err *err)
{
    for (;;) {
        taken whose = TAKEN_OVER;
        reset(&r->runner);
        wxtp_status status = take(r, &whose, err);
        if (status != WXTP_OK || whose == TAKEN_OVER) {
            return status;
        }
        status = whose == TAKEN_BY_US ? run_taken(r, err) : follow(r, err);
        /* Who lost the job to another runner follows it; who saw a runner end looks what is left to do. */
        if (status != WXTP_OK || (whose == TAKEN_BY_US && !r->runner.lost)) {
            return status;
        }
    }
}

wxtp_status wx_job_run(wx_op *op, const char *job_id, wxtp_job_run_mode mode, wxtp_job_progress *progress,
                       void *user, wxtp_job **job, wx_err *err)
{
    run r = {.job_id = job_id, .mode = mode};
    wx_err aside = {.status = WXTP_OK};
    *job = NULL;
    r.runner.progress = progress;
    r.runner.progress_user = user;
    wxtp_status status = init(&r, op, err);
    if (status != WXTP_OK) {
        return status;
    }
    op->person = true;
    op->job_id = job_id;
    status = go(&r, err);
    op->job_id = "";
    wx_job_free(r.runner.view);
    empty_shelf(&r.runner);
    (void)pthread_mutex_destroy(&r.runner.lock);
    wx_bell_destroy(&r.runner.changed);
    const wxtp_status loaded = wx_job_look(op->core, job_id, r.runner.lease.fence, job, &aside);
    if (status == WXTP_OK && loaded != WXTP_OK) {
        *err = aside;
        return loaded;
    }
    if (*job) {
        if (status != WXTP_OK && err->tenant[0] == '\0') {
            wx_err_tenant(err, (*job)->row.appid);
        }
        if (progress) {
            (void)progress(user, *job);
        }
    }
    return status;
}
