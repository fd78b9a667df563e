/* What the workers of a job share: its lease, its end, its picture. */
#include "flow/job_runner.h"

#include "domain/slots.h"

enum { TELL_MS = 200, BEAT_MS = 1000 };

bool wx_runner_end(wx_runner *runner, const wx_err *why)
{
    pthread_mutex_lock(&runner->lock);
    const bool first = !runner->ending;
    if (first) {
        runner->ending = true;
        runner->outcome = *why;
    }
    pthread_mutex_unlock(&runner->lock);
    if (first) { /* who says so at each of its turns would wake itself, and never wait */
        wx_bell_ring(&runner->changed);
    }
    return first;
}

bool wx_runner_ending(wx_runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    const bool ending = runner->ending;
    pthread_mutex_unlock(&runner->lock);
    return ending;
}

static bool renewal_due(const wx_runner *runner, int64_t now)
{
    return now - runner->renewed_boot_ms >= runner->lease_ms / 3;
}

/* With the lock held, so that no worker sees a fence that has been replaced. */
static wxtp_status keep_lease(wx_runner *runner, wxtp_tx *tx, bool *held)
{
    const wxtp_store_ops *ops = wx_ops(runner->core);
    const int64_t now = wx_boot_ms(runner->core);
    wxtp_lease lease = runner->lease;
    wxtp_status status = ops->lease_check(tx, &lease);
    if (status == WXTP_OK && !renewal_due(runner, now)) {
        *held = true;
        return WXTP_OK;
    }
    if (status == WXTP_OK) {
        status = ops->lease_renew(tx, &lease, runner->lease_ms);
    } else if (status == WXTP_ERR_CONFLICT) {
        status = ops->lease_take(tx, &lease, runner->lease_ms);
    }
    *held = status == WXTP_OK;
    if (*held) {
        runner->lease = lease;
        runner->lease.name = runner->lease_name;
        runner->renewed_boot_ms = now;
    }
    return status == WXTP_ERR_STATE || status == WXTP_ERR_CONFLICT ? WXTP_OK : status;
}

wxtp_status wx_runner_hold(wx_runner *runner, wxtp_tx *tx, bool *held, wx_err *err)
{
    *held = false;
    pthread_mutex_lock(&runner->lock);
    const wxtp_status status = keep_lease(runner, tx, held);
    if (status == WXTP_OK && !*held) {
        runner->lost = runner->ending = true;
    }
    pthread_mutex_unlock(&runner->lock);
    return status == WXTP_OK ? WXTP_OK
                             : wx_store_fail(runner->core, tx, status, "keep the lease of a job", err);
}

wxtp_status wx_runner_heartbeat(wx_runner *runner, wx_err *err)
{
    pthread_mutex_lock(&runner->lock);
    const bool due = renewal_due(runner, wx_boot_ms(runner->core));
    pthread_mutex_unlock(&runner->lock);
    if (!due) {
        return WXTP_OK;
    }
    bool held = false;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, runner->core, WXTP_TX_WRITE, err);
    if (status == WXTP_OK) {
        status = wx_runner_hold(runner, scope.tx, &held, err);
    }
    return status == WXTP_OK && held ? wx_scope_commit(&scope, err) : status;
}

/* ---- The book ---- */

static void put_away(wx_runner *runner)
{
    wx_job_free(WX_TAKE(runner->book.job));
}

/* `tx` NULL: all of it has failed. */
static wxtp_status write_book(void *user, wxtp_tx *tx)
{
    wx_runner *runner = user;
    wx_err err = {.status = WXTP_OK};
    const wxtp_status status = tx ? wx_job_write(runner->core, tx, &runner->book.job->row, &err) : WXTP_OK;
    put_away(runner);
    return status;
}

wxtp_status wx_runner_open(wx_runner *runner, wxtp_tx *tx, wxtp_job **job, bool *held, wx_err *err)
{
    wx_book *book = &runner->book;
    if (!book->job) {
        wxtp_status status = wx_job_read(runner->core, tx, runner->view->row.id, &book->job, err);
        if (status == WXTP_OK) {
            status = wx_runner_hold(runner, tx, &book->held, err);
        }
        if (status != WXTP_OK) {
            put_away(runner);
            return status;
        }
        book->word = (wx_last_word){.say = write_book, .user = runner};
        book->alone = !wx_engine_before_commit(runner->core->engine, &book->word);
    }
    *job = book->job;
    *held = book->held;
    return WXTP_OK;
}

wxtp_status wx_runner_close(wx_runner *runner, wxtp_tx *tx, wxtp_status status, wx_err *err)
{
    wx_book *book = &runner->book;
    if (!book->job || !book->alone) {
        return status;
    }
    if (status == WXTP_OK) {
        status = wx_job_write(runner->core, tx, &book->job->row, err);
    }
    put_away(runner);
    return status;
}

bool wx_runner_go_on(const wx_runner *runner, const wxtp_job *job, wx_err *err)
{
    if (!runner->progress || runner->progress(runner->progress_user, job)) {
        return true;
    }
    wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked");
    return false;
}

void wx_runner_tell(wx_runner *runner, bool at_once)
{
    const int64_t now = wx_boot_ms(runner->core);
    wx_err why;
    if (!runner->progress || (!at_once && now - runner->told_boot_ms < TELL_MS)) {
        return;
    }
    runner->told_boot_ms = now;
    pthread_mutex_lock(&runner->lock);
    const wxtp_job picture = *runner->view; /* its strings do not change during a run */
    pthread_mutex_unlock(&runner->lock);
    if (!wx_runner_go_on(runner, &picture, &why)) {
        wx_runner_end(runner, &why);
    }
}

/* ---- Workers ---- */

static void work(void *user)
{
    wx_runner *runner = user;
    pthread_mutex_lock(&runner->lock);
    const bool first = !runner->begun;
    runner->begun = true;
    pthread_mutex_unlock(&runner->lock);
    const bool left = runner->work(runner, first);
    pthread_mutex_lock(&runner->lock);
    runner->alive--;
    runner->leaving -= left;
    /* The last look at the runner: once nobody is alive it may be gone. */
    wx_bell_ring(&runner->changed);
    pthread_mutex_unlock(&runner->lock);
}

/* With the lock held. */
static int workers_wanted(const wx_runner *runner)
{
    const int64_t batches = (runner->view->row.pending + WXTP_BATCH_MAX - 1) / WXTP_BATCH_MAX;
    const int callers = wx_slot_callers(runner->core);
    return batches < callers ? (int)batches : callers;
}

bool wx_runner_leave(wx_runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    const int staying = runner->alive - runner->leaving;
    const bool leave = staying > 1 && staying > wx_slot_callers(runner->core);
    runner->leaving += leave;
    pthread_mutex_unlock(&runner->lock);
    return leave;
}

/* The first call of a run is made alone: where quota or credentials are in doubt, one is enough to see. */
static bool start_workers(wx_runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    const bool none = runner->ending || runner->drained;
    const int most = none ? 0 : runner->opened ? workers_wanted(runner) : 1;
    while (runner->alive < most && wx_spawn(runner->core->engine, work, runner) == WXTP_OK) {
        runner->alive++;
    }
    const bool alive = runner->alive > 0;
    pthread_mutex_unlock(&runner->lock);
    return alive;
}

void wx_runner_run(wx_runner *runner)
{
    wx_err err = {.status = WXTP_OK};
    runner->alive = runner->leaving = 0;
    runner->begun = runner->opened = runner->drained = false;
    if (!start_workers(runner)) {
        wx_fail_nomem(&err);
        wx_runner_end(runner, &err);
    }
    while (start_workers(runner)) {
        (void)wx_bell_wait(&runner->changed, runner->progress ? TELL_MS : BEAT_MS);
        if (wx_runner_heartbeat(runner, &err) != WXTP_OK) {
            wx_runner_end(runner, &err);
        }
        wx_runner_tell(runner, false);
    }
}
