/* What the workers of a job share: its lease, its end, its picture; and their threads. */
#include "flow/job_runner.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

enum {
    TELL_MS = 200,
    UPKEEP_MS = 1000,
    WORKERS_MAX = 1024,
    STACK_BYTES = 512 * 1024,
};

bool wx_runner_end(wx_runner *runner, const wx_err *why)
{
    pthread_mutex_lock(&runner->lock);
    const bool first = !runner->ending;
    if (first) {
        runner->ending = true;
        runner->outcome = *why;
        pthread_cond_broadcast(&runner->changed);
    }
    pthread_mutex_unlock(&runner->lock);
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
        pthread_cond_broadcast(&runner->changed);
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

void wx_runner_upkeep(wx_runner *runner)
{
    wx_core *core = runner->core;
    const int64_t now = wx_boot_ms(core);
    if (now - runner->upkept_boot_ms < UPKEEP_MS) {
        return;
    }
    runner->upkept_boot_ms = now;
    const wxtp_status status = wx_ops(core)->maintain(core->store);
    if (status != WXTP_OK && status != WXTP_ERR_STORE_BUSY) {
        wx_log(&core->log, WXTP_LOG_WARNING, "housekeeping of the store failed: %s",
               wxtp_status_name(status));
    }
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

static void *work(wx_runner *runner, bool first)
{
    runner->work(runner, first, false);
    pthread_mutex_lock(&runner->lock);
    runner->alive--;
    pthread_cond_broadcast(&runner->changed);
    pthread_mutex_unlock(&runner->lock);
    return NULL;
}

static void *work_first_in_thread(void *runner)
{
    return work(runner, true);
}

static void *work_in_thread(void *runner)
{
    return work(runner, false);
}

/* Starts threads that no signal reaches; returns how many there are. */
static int start_threads(wx_runner *runner, pthread_t *threads, int wanted)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    int started = 0;
    if (pthread_attr_init(&attributes) != 0) {
        return 0;
    }
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < wanted) {
        pthread_mutex_lock(&runner->lock);
        runner->alive++;
        pthread_mutex_unlock(&runner->lock);
        void *(*run)(void *) = started == 0 ? work_first_in_thread : work_in_thread;
        if (pthread_create(&threads[started], &attributes, run, runner) != 0) {
            pthread_mutex_lock(&runner->lock);
            runner->alive--;
            pthread_mutex_unlock(&runner->lock);
            break;
        }
        started++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return started;
}

/* False when no worker is left. */
static bool wait_a_moment(wx_runner *runner)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (int64_t)TELL_MS * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&runner->lock);
    int waited = 0;
    while (runner->alive > 0 && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&runner->changed, &runner->lock, &until);
    }
    const bool alive = runner->alive > 0;
    pthread_mutex_unlock(&runner->lock);
    return alive;
}

static int workers_wanted(const wx_runner *runner)
{
    const int64_t batches = (runner->view->row.pending + WXTP_BATCH_MAX - 1) / WXTP_BATCH_MAX;
    int wanted = runner->core->settings.concurrency;
    if (wanted > WORKERS_MAX) {
        wanted = WORKERS_MAX;
    }
    return batches < wanted ? (int)batches : wanted;
}

/* The calling thread keeps the lease and tells progress; alone, it works itself. */
void wx_runner_run(wx_runner *runner)
{
    const int wanted = workers_wanted(runner);
    WX_AUTO_FREE pthread_t *threads = NULL;
    int started = 0;
    if (wanted > 1) {
        threads = wx_alloc_array(&runner->core->allocator, (size_t)wanted, sizeof(*threads));
        started = threads ? start_threads(runner, threads, wanted) : 0;
    }
    if (started == 0) {
        runner->work(runner, true, true);
    }
    while (started > 0 && wait_a_moment(runner)) {
        wx_err err = {.status = WXTP_OK};
        if (wx_runner_heartbeat(runner, &err) != WXTP_OK) {
            wx_runner_end(runner, &err);
        }
        wx_runner_upkeep(runner);
        wx_runner_tell(runner, false);
    }
    for (int at = 0; at < started; at++) {
        (void)pthread_join(threads[at], NULL);
    }
}
