/* A worker: claims a batch, searches it for bad openids, and records every answer in one transaction. */
#include <assert.h>
#include <string.h>

#include "base/point.h"
#include "codec/narrow.h"
#include "domain/slots.h"
#include "flow/job_work.h"

enum {
    BODY_MAX = 64 * 1024,
    BODY_USUAL = 768,
    SHELF_MIN = 4,
    SHELF_MAX = 32,
    LOOK_MS = 500, /* what another process wrote is seen within a second */
    SUSPECT_FROM = 200,
    UNKNOWN_IN_A_ROW = 10,
};

typedef struct batch {
    int64_t number;
    int64_t fence; /* of the runner that took it */
    size_t count;
    char text[WXTP_BATCH_MAX * WX_OPENID_MAX];
    const char *openids[WXTP_BATCH_MAX];
    char marks[WXTP_BATCH_MAX + 1];
} batch;

typedef struct worker {
    wx_runner *runner;
    wx_op op;
    bool first;
    bool leaves;  /* with the batch in hand */
    bool drained; /* no batch is left to take */
    int64_t refreshes_counted;
    int64_t looked_boot_ms;
    wxtp_job_row numbers; /* of the job after the last record; its strings are void */

    batch batches[2];
    batch *now;    /* in hand */
    batch *coming; /* taken together with the record of the last call; NULL: none */
    bool chosen[WXTP_BATCH_MAX];
    size_t chosen_count;

    /* The call under way. */
    const wx_answer *answer;
    bool decided;   /* its outcome is entered in the batch */
    bool overtaken; /* another has worked on the batch: it was not sent */
    bool ends;      /* it was this worker that ended the run */
} worker;

/* What an answer means for the openids that were sent. */
typedef enum fate {
    FATE_DONE,
    FATE_SEARCH,         /* one of them is bad */
    FATE_SEARCH_REFUSED, /* one of them is refused for good */
    FATE_FAILED,
    FATE_UNKNOWN, /* failed, by an errcode that nobody knows */
    FATE_BACK,    /* it says nothing about them */
} fate;

static fate fate_of(const wx_err *error)
{
    if (!error) {
        return FATE_DONE;
    }
    if (error->status != WXTP_ERR_WECHAT) {
        return FATE_BACK;
    }
    switch (wx_errcode_find(error->errcode)->class_) {
    case WX_ERRCODE_BAD_OPENID:
        return FATE_SEARCH;
    case WX_ERRCODE_TOO_MANY:
    case WX_ERRCODE_OPENID_REFUSED:
        return FATE_SEARCH_REFUSED;
    case WX_ERRCODE_OUR_BUG:
        return FATE_FAILED;
    default:
        return FATE_UNKNOWN;
    }
}

/* ---- The batch ---- */

static bool read_batch(batch *b, const wx_shelved *from)
{
    b->number = from->number;
    wx_copy(b->text, sizeof(b->text), from->openids);
    wx_copy(b->marks, sizeof(b->marks), from->marks);
    b->count = 0;
    for (char *at = b->text; at; b->count++) {
        char *end = strchr(at, '\n');
        if (b->count == WXTP_BATCH_MAX) {
            return false;
        }
        if (end) {
            *end++ = '\0';
        }
        b->openids[b->count] = at;
        at = end;
    }
    return b->count == strlen(b->marks);
}

/* The search counts those refused for good as it does bad ones, or its budget would not hold. */
static void as_searched(const worker *w, char marks[WXTP_BATCH_MAX])
{
    for (size_t at = 0; at < w->now->count; at++) {
        marks[at] = w->now->marks[at];
        if (marks[at] == WX_MARK_FAILED) {
            marks[at] = WX_MARK_INVALID;
        }
    }
}

static void choose(worker *w)
{
    char marks[WXTP_BATCH_MAX];
    const int list_max = w->runner->api->list_max;
    as_searched(w, marks);
    w->chosen_count = wx_narrow_next(marks, w->now->count, w->chosen);
    for (size_t at = w->now->count; w->chosen_count > (size_t)list_max;) {
        at--;
        w->chosen_count -= w->chosen[at];
        w->chosen[at] = false;
    }
}

static bool write_body(const worker *w, wx_buf *body)
{
    const char *before = "";
    wx_buf_reserve(body, BODY_USUAL);
    wx_buf_text(body, "{");
    wx_json_quote(body, w->runner->api->list_field);
    wx_buf_text(body, ":[");
    for (size_t at = 0; at < w->now->count; at++) {
        if (w->chosen[at]) {
            wx_buf_text(body, before);
            wx_json_quote(body, w->now->openids[at]);
            before = ",";
        }
    }
    return wx_buf_text(body, "]}");
}

static void enter(worker *w, fate what)
{
    char marks[WXTP_BATCH_MAX];
    wx_narrow_outcome outcome = WX_NARROW_FAILED;
    as_searched(w, marks);
    if (what == FATE_DONE) {
        outcome = WX_NARROW_DONE;
    } else if (what == FATE_SEARCH || what == FATE_SEARCH_REFUSED) {
        outcome = WX_NARROW_BAD;
    }
    wx_narrow_apply(marks, w->now->count, w->chosen, outcome);
    for (size_t at = 0; at < w->now->count; at++) {
        const bool refused = w->chosen[at] && marks[at] == WX_MARK_INVALID && what == FATE_SEARCH_REFUSED;
        if (refused || w->now->marks[at] == WX_MARK_FAILED) {
            marks[at] = WX_MARK_FAILED;
        }
    }
    memcpy(w->now->marks, marks, w->now->count);
}

/* ---- Counting ---- */

static void count_call(worker *w, wxtp_job_row *row)
{
    const int64_t refreshes = atomic_load(&w->op.refreshes);
    row->token_refreshes += refreshes - w->refreshes_counted;
    w->refreshes_counted = refreshes;
    row->elapsed_ms = wx_boot_ms(w->runner->core) - w->runner->began_boot_ms;
}

static wxtp_status note(worker *w, wxtp_tx *tx, wxtp_job_row *row, size_t at, const wx_err *error,
                        wx_err *err)
{
    wx_core *core = w->runner->core;
    const wxtp_exception_row exception = {
        .job_id = row->id,
        .openid = w->now->openids[at],
        .verdict = w->now->marks[at] == WX_MARK_INVALID ? WXTP_VERDICT_INVALID : WXTP_VERDICT_FAILED,
        .errcode = error->errcode,
        .errmsg = w->answer->errmsg,
    };
    const wxtp_status status = wx_ops(core)->exception_add(tx, &exception);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, tx, status, "store a refused openid", err);
}

/* Counts what the last answer decided; openids that still have to be searched stay pending. */
static wxtp_status count_decided(worker *w, wxtp_tx *tx, wxtp_job_row *row, const wx_err *error, wx_err *err)
{
    for (size_t at = 0; at < w->now->count; at++) {
        if (!w->chosen[at] || wx_narrow_pending(&w->now->marks[at], 1) > 0) {
            continue;
        }
        int64_t *counter = w->now->marks[at] == WX_MARK_DONE      ? &row->succeeded
                           : w->now->marks[at] == WX_MARK_INVALID ? &row->invalid
                                                                  : &row->failed;
        ++*counter;
        row->pending--;
        row->asked++;
        const wxtp_status status =
            w->now->marks[at] == WX_MARK_DONE ? WXTP_OK : note(w, tx, row, at, error, err);
        if (status != WXTP_OK) {
            return status;
        }
    }
    return WXTP_OK;
}

static wxtp_status put_batch(worker *w, wxtp_tx *tx, const char *job_id, wx_err *err)
{
    wx_core *core = w->runner->core;
    const bool finished = wx_narrow_pending(w->now->marks, w->now->count) == 0;
    const wxtp_status status = wx_ops(core)->batch_mark(tx, job_id, w->now->number, w->now->marks, finished);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, tx, status, "write a batch", err);
}

static int64_t fence_of(wx_runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    const int64_t fence = runner->lease.fence;
    pthread_mutex_unlock(&runner->lock);
    return fence;
}

/* Whether the batch is still ours: after a time without the lease an answer counts if nobody has touched the
 * batch meanwhile. */
static wxtp_status still_ours(worker *w, wxtp_tx *tx, const char *job_id, bool held, bool *ours, wx_err *err)
{
    wx_runner *runner = w->runner;
    wxtp_batch_row row;
    const int64_t fence = fence_of(runner);
    *ours = held && fence == w->now->fence;
    if (*ours || !held) {
        return WXTP_OK;
    }
    const wxtp_status status = wx_ops(runner->core)->batch_get(tx, job_id, w->now->number, &row);
    if (status != WXTP_OK) {
        return wx_store_fail(runner->core, tx, status, "read a batch", err);
    }
    *ours = !row.finished && strcmp(row.marks, w->now->marks) == 0;
    if (*ours) {
        w->now->fence = fence;
    }
    return WXTP_OK;
}

static bool strange(const wxtp_job_row *row)
{
    return row->unknown_streak >= UNKNOWN_IN_A_ROW;
}

static bool suspect(const wxtp_job_row *row)
{
    return !row->forced && row->asked >= SUSPECT_FROM && row->succeeded == 0;
}

/* What was in flight when the list came in doubt and is refused too waits for the decision: a short job would
 * else be over before there is anything to decide. */
static bool awaits_decision(const wxtp_job_row *row, fate what)
{
    return (what == FATE_UNKNOWN && strange(row)) || (what != FATE_DONE && what != FATE_BACK && suspect(row));
}

/* What the counters say about going on. */
static void judge_list(worker *w, const wxtp_job_row *row, const wx_err *error)
{
    wx_err why;
    if (row->pending == 0) {
        return;
    }
    if (strange(row)) {
        why = *error;
        wx_err_hint(
            &why,
            "%d batches in a row were refused with an errcode that nobody knows; look it up, and decide.",
            UNKNOWN_IN_A_ROW);
        wx_runner_end(w->runner, &why);
    } else if (suspect(row)) {
        wx_fail(&why, WXTP_ERR_SUSPECT_LIST,
                "the first %lld openids that WeChat was asked about are all refused", (long long)row->asked);
        wx_err_hint(&why, "Do these openids belong to %s? If they do, go on by resuming the job.",
                    row->appid);
        wx_runner_end(w->runner, &why);
    }
}

static void end_cancelled(worker *w, const char *job_id)
{
    wx_err why;
    wx_fail(&why, WXTP_ERR_CANCELLED, "job %s was cancelled", job_id);
    wx_runner_end(w->runner, &why);
}

static wxtp_status decide(worker *w, wxtp_tx *tx, wxtp_job_row *row, fate what, const wx_err *error,
                          wx_err *err)
{
    enter(w, what);
    w->decided = true;
    wxtp_status status = count_decided(w, tx, row, error, err);
    if (status == WXTP_OK) {
        status = put_batch(w, tx, row->id, err);
    }
    row->unknown_streak = what == FATE_UNKNOWN ? row->unknown_streak + 1 : 0;
    wx_job_settle(row, wx_wall_ms(w->runner->core));
    return status;
}

/* ---- Taking a batch ---- */

static bool shelve(void *user, const wxtp_batch_row *row)
{
    wx_shelf *shelf = user;
    wx_shelved *place = &shelf->places[shelf->count];
    const bool whole = wx_copy(place->openids, sizeof(place->openids), row->openids) &&
                       wx_copy(place->marks, sizeof(place->marks), row->marks);
    place->number = row->number;
    if (!whole) {
        place->marks[0] = '\0'; /* found to be damaged when it is taken */
    }
    return ++shelf->count < shelf->size;
}

static wxtp_status fill_shelf(wx_runner *runner, wxtp_tx *tx, const wxtp_job_row *job, wx_err *err)
{
    wx_shelf *shelf = &runner->shelf;
    if (!shelf->places) {
        const size_t callers = (size_t)wx_slot_callers(runner->core); /* many jobs at once read less ahead */
        const size_t most = callers < SHELF_MIN ? SHELF_MIN : callers < SHELF_MAX ? callers : SHELF_MAX;
        const size_t batches = (size_t)(job->pending + WXTP_BATCH_MAX - 1) / WXTP_BATCH_MAX;
        shelf->size = batches < most ? batches : most;
        shelf->places = wx_alloc_array(&runner->core->allocator, shelf->size, sizeof(*shelf->places));
        if (!shelf->places) {
            return wx_fail_nomem(err);
        }
    }
    shelf->count = shelf->next = 0;
    const wxtp_status status =
        wx_ops(runner->core)->batch_list(tx, job->id, shelf->from, shelf->size, shelve, shelf);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(runner->core, tx, status, "read batches", err);
}

/* The answer in hand is recorded all the same: its batch would else be sent again at every resume. */
static void end_damaged(wx_runner *runner, const char *job_id, int64_t number)
{
    wx_err why;
    wx_fail(&why, WXTP_ERR_STORE, "batch %lld of job %s is damaged", (long long)number, job_id);
    wx_runner_end(runner, &why);
}

/* The next that no worker of this run has taken; `*taken` stays NULL where there is none, or no more may
 * begin. */
static wxtp_status take_next(worker *w, wxtp_tx *tx, const wxtp_job_row *job, batch **taken, wx_err *err)
{
    wx_runner *runner = w->runner;
    wx_shelf *shelf = &runner->shelf;
    batch *into = w->now == &w->batches[0] ? &w->batches[1] : &w->batches[0];
    if (job->state != WXTP_JOB_RUNNING || wx_runner_ending(runner) || wx_stopping(runner->core)) {
        return WXTP_OK;
    }
    const int64_t fence = fence_of(runner);
    if (shelf->next == shelf->count || shelf->fence != fence) {
        const wxtp_status status = fill_shelf(runner, tx, job, err);
        if (status != WXTP_OK) {
            return status;
        }
        shelf->fence = fence;
    }
    if (shelf->next == shelf->count) {
        w->drained = true;
        return WXTP_OK;
    }
    assert(shelf->places);
    const wx_shelved *place = &shelf->places[shelf->next++];
    if (!read_batch(into, place)) {
        end_damaged(runner, job->id, place->number);
        return WXTP_OK;
    }
    into->fence = fence;
    shelf->from = into->number + 1;
    *taken = into;
    return WXTP_OK;
}

/* ---- The record of a try ---- */

static wxtp_status enter_try(worker *w, wxtp_tx *tx, wxtp_job_row *row, bool held, const wx_err *error,
                             bool final, wx_err *err)
{
    const fate what = final ? fate_of(error) : FATE_BACK;
    bool ours = false;
    wxtp_status status = still_ours(w, tx, row->id, held, &ours, err);
    if (status != WXTP_OK) {
        return status;
    }
    row->calls++;
    count_call(w, row);
    const bool doubted = ours && awaits_decision(row, what);
    if (what != FATE_BACK && ours && !doubted) {
        status = decide(w, tx, row, what, error, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    if (row->state == WXTP_JOB_CANCELLED) {
        end_cancelled(w, row->id);
    } else if (final && what == FATE_BACK) {
        w->ends = wx_runner_end(w->runner, error);
    } else if (w->decided || doubted) {
        judge_list(w, row, error);
    }
    if (held && w->decided && !w->leaves && wx_narrow_pending(w->now->marks, w->now->count) == 0) {
        status = take_next(w, tx, row, &w->coming, err);
    }
    w->numbers = *row;
    w->looked_boot_ms = wx_boot_ms(w->runner->core);
    return status;
}

static wxtp_status record(void *user, wxtp_tx *tx, const wx_err *error, bool final, wx_err *err)
{
    worker *w = user;
    wxtp_job *job = NULL;
    bool held = false;
    wxtp_status status = wx_runner_open(w->runner, tx, &job, &held, err);
    if (status == WXTP_OK) {
        status = enter_try(w, tx, &job->row, held, error, final, err);
        WX_POINT("job.recording");
    }
    return wx_runner_close(w->runner, tx, status, err);
}

/* ---- Going on ---- */

/* Looks at the job in the store now and then: another process may have cancelled it. */
static wxtp_status look(worker *w, wx_err *err)
{
    wx_runner *runner = w->runner;
    const int64_t now = wx_boot_ms(runner->core);
    WX_AUTO_JOB *job = NULL;
    if (now - w->looked_boot_ms < LOOK_MS) {
        return WXTP_OK;
    }
    wxtp_status status = wx_runner_heartbeat(runner, err);
    if (status == WXTP_OK) {
        status = wx_job_load(runner->core, w->op.job_id, &job, err);
    }
    if (status == WXTP_OK && job->row.state == WXTP_JOB_CANCELLED) {
        end_cancelled(w, w->op.job_id);
    }
    w->looked_boot_ms = now;
    return status;
}

/* After a time without the lease, what another may have done meanwhile is not sent once more. */
static wxtp_status look_at_batch(worker *w, wx_err *err)
{
    bool ours = false;
    WX_AUTO_SCOPE scope = {0};
    if (fence_of(w->runner) == w->now->fence) {
        return WXTP_OK;
    }
    wxtp_status status = wx_scope_begin(&scope, w->runner->core, WXTP_TX_READ, err);
    if (status == WXTP_OK) {
        status = still_ours(w, scope.tx, w->op.job_id, true, &ours, err);
    }
    if (status == WXTP_OK && !ours) {
        w->overtaken = true;
        return wx_fail(err, WXTP_ERR_STATE, "another process has worked on this batch");
    }
    return status;
}

static wxtp_status may_try(void *user, wx_err *err)
{
    worker *w = user;
    wxtp_status status = look(w, err);
    if (status == WXTP_OK) {
        status = look_at_batch(w, err);
    }
    if (status == WXTP_OK && wx_runner_ending(w->runner)) {
        return wx_fail(err, WXTP_ERR_INTERRUPTED, "the job is ending");
    }
    if (status == WXTP_OK && wx_too_late(w->runner->op)) {
        return wx_fail(err, WXTP_ERR_INTERRUPTED, "the deadline has passed");
    }
    return status;
}

/* The other workers may begin. */
static void open_door(worker *w)
{
    wx_runner *runner = w->runner;
    if (w->first) {
        pthread_mutex_lock(&runner->lock);
        runner->opened = true;
        pthread_mutex_unlock(&runner->lock);
        wx_bell_ring(&runner->changed);
        w->first = false;
    }
}

/* Shows the caller what was just committed, unless a later picture is there already. */
static void publish(worker *w)
{
    wx_runner *runner = w->runner;
    pthread_mutex_lock(&runner->lock);
    wxtp_job_row *view = &runner->view->row;
    if (w->numbers.calls > view->calls) {
        view->state = w->numbers.state;
        view->succeeded = w->numbers.succeeded;
        view->invalid = w->numbers.invalid;
        view->failed = w->numbers.failed;
        view->pending = w->numbers.pending;
        view->asked = w->numbers.asked;
        view->calls = w->numbers.calls;
        view->token_refreshes = w->numbers.token_refreshes;
        view->elapsed_ms = w->numbers.elapsed_ms;
    }
    pthread_mutex_unlock(&runner->lock);
}

static wxtp_status take_first_in(worker *w, wxtp_tx *tx, batch **taken, wx_err *err)
{
    wxtp_job *job = NULL;
    bool held = false;
    wxtp_status status = wx_runner_open(w->runner, tx, &job, &held, err);
    if (status == WXTP_OK && held) {
        if (job->row.state == WXTP_JOB_CANCELLED) {
            end_cancelled(w, job->row.id);
        }
        status = take_next(w, tx, &job->row, taken, err);
    }
    return wx_runner_close(w->runner, tx, status, err);
}

/* Taken in the transaction that sees that the lease is ours and the job still runs. */
static wxtp_status take_first(worker *w, wx_err *err)
{
    wx_core *core = w->runner->core;
    batch *taken = NULL;
    WX_AUTO_SCOPE scope = {0};
    if (wx_stopping(core)) {
        return wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked");
    }
    wxtp_status status = wx_scope_begin_joint(&scope, core, WXTP_TX_WRITE, err);
    if (status == WXTP_OK) {
        status = take_first_in(w, scope.tx, &taken, err);
    }
    w->looked_boot_ms = wx_boot_ms(core);
    if (status == WXTP_OK) {
        status = wx_scope_commit(&scope, err);
        WX_POINT("job.batch_taken");
    }
    w->now = status == WXTP_OK ? taken : NULL;
    if (status == WXTP_OK && !taken && wx_stopping(core)) {
        return wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked, before a batch was taken");
    }
    return status;
}

static wxtp_status call_chosen(worker *w, wx_err *err)
{
    wx_runner *runner = w->runner;
    WX_AUTO_ANSWER answer = {.sensible = false};
    WX_AUTO_BUF body;
    wx_buf_init(&body, &runner->core->allocator, BODY_MAX);
    if (!write_body(w, &body)) {
        return wx_fail_nomem(err);
    }
    const wx_call call = {
        .appid = runner->view->row.appid,
        .api = runner->api,
        .body = wx_buf_str(&body),
        .body_len = body.len,
        .openids = (int64_t)w->chosen_count,
        .may_try = may_try,
        .record = record,
        .user = w,
    };
    w->answer = &answer;
    w->decided = w->overtaken = false;
    w->leaves = w->leaves || wx_runner_leave(runner);
    wxtp_status status = wx_dispatch(&w->op, &call, &answer, err);
    w->answer = NULL;
    WX_POINT("job.recorded");
    publish(w);
    if (w->decided) {
        w->op.person = false;
        if (wx_errcode_find(err->errcode)->class_ == WX_ERRCODE_TOO_MANY) {
            wx_log(&runner->core->log, WXTP_LOG_WARNING, "%s: %s", w->op.job_id, err->message);
        }
        status = status == WXTP_ERR_WECHAT ? WXTP_OK : status;
    } else if (w->overtaken) {
        status = WXTP_OK;
    }
    /* After a failure it stays shut: the run ends, and no other worker's failure is the first. */
    if (status == WXTP_OK) {
        open_door(w);
    }
    return status;
}

/* Batches that are left unfinished need nothing: their marks are stored. */
static wxtp_status work_batch(worker *w, wx_err *err)
{
    wxtp_status status = WXTP_OK;
    do {
        choose(w);
        assert(w->chosen_count > 0);
        status = call_chosen(w, err);
    } while (status == WXTP_OK && w->decided && !wx_runner_ending(w->runner) &&
             wx_narrow_pending(w->now->marks, w->now->count) > 0);
    return status;
}

/* The reason first given stands, but for what came of it when it was looked into. */
static void end_with(worker *w, const wx_err *err)
{
    wx_runner *runner = w->runner;
    if (!wx_runner_end(runner, err) && w->ends) {
        pthread_mutex_lock(&runner->lock);
        runner->outcome = *err;
        pthread_mutex_unlock(&runner->lock);
    }
}

bool wx_job_work(wx_runner *runner, bool first)
{
    wx_err err = {.status = WXTP_OK};
    worker w = {.runner = runner, .first = first};
    w.op.core = runner->core;
    w.op.patience = runner->op->patience;
    w.op.job_id = runner->view->row.id;
    w.op.person = first; /* the one that probes a quota */
    atomic_init(&w.op.refreshes, 0);
    wxtp_status status = WXTP_OK;
    do {
        status = w.coming ? WXTP_OK : take_first(&w, &err);
        if (w.coming) {
            w.now = WX_TAKE(w.coming);
        }
        if (status == WXTP_OK && w.now) {
            status = work_batch(&w, &err);
        }
    } while (status == WXTP_OK && w.now && !w.leaves && !w.drained && !wx_runner_ending(runner));
    if (status != WXTP_OK) {
        end_with(&w, &err);
    }
    const int64_t refreshes = atomic_load(&w.op.refreshes);
    atomic_fetch_add(&runner->op->refreshes, refreshes);
    pthread_mutex_lock(&runner->lock);
    runner->loose_refreshes += refreshes - w.refreshes_counted;
    runner->drained = runner->drained || w.drained || (status == WXTP_OK && !w.now);
    pthread_mutex_unlock(&runner->lock);
    return w.leaves;
}
