#include "flow/job_undo.h"

#include <stdio.h>
#include <string.h>

#include "base/point.h"
#include "codec/narrow.h"
#include "domain/record.h"
#include "flow/snapshot.h"

enum { ID_MAX = 64 };

/* ---- Who is on the list, and was ---- */

typedef struct comparison {
    wx_core *core;
    const wxtp_job_row *job;
    int64_t covered; /* batches of the snapshot; 0: there is none */
    bool known;      /* there is a snapshot */
    wx_compared_visit *each;
    void *user;
    wxtp_job_diff *diff;
    bool over;
} comparison;

static void see_one(comparison *c, const char *openid, wxtp_tristate before, bool now)
{
    c->diff->before += before == 1;
    c->diff->now += now;
    c->diff->removed += before == 1 && !now;
    c->diff->added += before == 0 && now;
    if (!c->over && (before == 1 || now) && c->each) {
        c->over = !c->each(c->user, openid, before, now);
    }
}

/* A slow visitor holds no transaction. */
static wxtp_status see_batch(comparison *c, int64_t number, const char *before, const char *now, wx_err *err)
{
    wx_kept_batch batch;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, c->core, WXTP_TX_READ, err);
    if (status == WXTP_OK) {
        status = wx_kept_batch_read(c->core, scope.tx, c->job->id, number, &batch, err);
    }
    wx_scope_end(&scope);
    if (status != WXTP_OK) {
        return status == WXTP_ERR_NOT_FOUND
                   ? wx_fail(err, status, "job %s was deleted in the meantime", c->job->id)
                   : status;
    }
    for (size_t at = 0; at < batch.count; at++) {
        const wxtp_tristate was = !c->known ? -1 : before && before[at] == WX_LISTED;
        see_one(c, batch.openid[at], was, now[at] == WX_LISTED);
    }
    return WXTP_OK;
}

static bool any_listed(const char *marks)
{
    return marks && memchr(marks, WX_LISTED, WXTP_BATCH_MAX);
}

static wxtp_status see_part(void *user, int64_t part, const char *now, wx_err *err)
{
    comparison *c = user;
    WX_AUTO_FREE char *before = NULL;
    const int64_t first = part * WX_PART_BATCHES;
    wxtp_status status = WXTP_OK;
    if (first < c->covered) {
        status = wx_snapshot_part(c->core, c->job, part, &before, err);
    }
    for (int64_t at = 0; at < WX_PART_BATCHES && status == WXTP_OK && !c->over; at++) {
        const char *then = before && first + at < c->covered ? before + at * WXTP_BATCH_MAX : NULL;
        if (any_listed(then) || any_listed(now + at * WXTP_BATCH_MAX)) {
            status = see_batch(c, first + at, then, now + at * WXTP_BATCH_MAX, err);
        }
    }
    return status;
}

static wxtp_status load(wx_core *core, const char *job_id, wxtp_job **job, wxtp_snapshot_row *snapshot,
                        bool *known, char undo_id[ID_MAX], wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status == WXTP_OK) {
        status = wx_job_read(core, scope.tx, job_id, job, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_snapshot_find(core, scope.tx, job_id, snapshot, undo_id, err);
    *known = status == WXTP_OK;
    return status == WXTP_ERR_NOT_FOUND ? WXTP_OK : status;
}

static wxtp_status find_list(const wx_core *core, const wxtp_job_row *job, const wx_api **list, wx_err *err)
{
    *list = wx_api_listing(core, wx_api_find(core, job->call));
    if (*list) {
        return WXTP_OK;
    }
    wx_fail(err, WXTP_ERR_STATE, "%s, the call of job %s, changes no list that can be read", job->call,
            job->id);
    wx_err_hint(err, "Only jobs whose call has such a list can be compared.");
    return err->status;
}

static wxtp_status no_longer_built(const wxtp_job_row *job, wx_err *err)
{
    return job->state == WXTP_JOB_BUILDING
               ? wx_fail(err, WXTP_ERR_STATE, "the list of job %s is still being read", job->id)
               : WXTP_OK;
}

wxtp_status wx_job_compare(wx_op *op, const char *job_id, wx_compared_visit *each, void *user,
                           wxtp_job_diff *diff, wx_err *err)
{
    WX_AUTO_JOB *job = NULL;
    wxtp_snapshot_row snapshot = {0};
    const wx_api *list = NULL;
    wx_compared found;
    comparison c = {.core = op->core, .each = each, .user = user, .diff = diff};
    wxtp_status status = load(op->core, job_id, &job, &snapshot, &c.known, diff->undo_id, err);
    if (status == WXTP_OK) {
        status = no_longer_built(&job->row, err);
    }
    if (status == WXTP_OK) {
        status = find_list(op->core, &job->row, &list, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    c.job = &job->row;
    c.covered = c.known ? snapshot.batches : 0;
    diff->snapshot_ms = c.known ? snapshot.taken_ms : 0;
    diff->before = diff->now = diff->removed = diff->added = 0;
    op->person = true;
    status = wx_snapshot_compare(op, job_id, job->row.appid, list, see_part, &c, &found, err);
    diff->total = found.total;
    if (!c.known) {
        diff->before = diff->removed = diff->added = -1;
    }
    return status;
}

/* ---- Putting back ---- */

typedef struct undoing {
    wx_core *core;
    wxtp_job *job;
    const char *call; /* that puts back */
    char undo_id[ID_MAX];
    /* The list of those to be put back, as it is read. */
    int64_t batches, number; /* the next one */
    char *marks;             /* of the part that it is in */
    wx_kept_batch batch;
    const char *listed; /* its marks in the snapshot */
    size_t at;          /* in the batch in hand */
    wx_err err;
} undoing;

static void undoing_end(undoing **u)
{
    if (*u) {
        wx_job_free((*u)->job);
        wx_free((*u)->marks);
        wx_free(*u);
    }
}
#define WX_AUTO_UNDOING __attribute__((cleanup(undoing_end))) undoing

static wxtp_status load_batch(undoing *u)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, u->core, WXTP_TX_READ, &u->err);
    if (status == WXTP_OK) {
        status = wx_kept_batch_read(u->core, scope.tx, u->job->row.id, u->number, &u->batch, &u->err);
    }
    if (status == WXTP_ERR_NOT_FOUND) {
        wx_fail(&u->err, status, "job %s was deleted in the meantime", u->job->row.id);
    }
    return status;
}

/* The next batch with one that was listed; batches without are not even read. */
static wxtp_status next_batch(undoing *u)
{
    wxtp_status status = WXTP_OK;
    u->batch.count = u->at = 0;
    for (; status == WXTP_OK && u->batch.count == 0 && u->number < u->batches; u->number++) {
        const int64_t at = u->number % WX_PART_BATCHES;
        if (at == 0) {
            wx_free(WX_TAKE(u->marks));
            status = wx_snapshot_part(u->core, &u->job->row, u->number / WX_PART_BATCHES, &u->marks, &u->err);
        }
        if (status == WXTP_OK && any_listed(u->marks + at * WXTP_BATCH_MAX)) {
            u->listed = u->marks + at * WXTP_BATCH_MAX;
            status = load_batch(u);
        }
    }
    return status;
}

/* Those that were listed, but for those that WeChat would not take off: these are on the list still. One
 * whose call had no answer may be off it, so what is pending in a cancelled job counts too. */
static int read_undo(void *user, const char **openid, size_t *len)
{
    undoing *u = user;
    for (;;) {
        while (u->at < u->batch.count) {
            const size_t at = u->at++;
            if (u->listed[at] == WX_LISTED && u->batch.marks[at] != WX_MARK_INVALID) {
                *openid = u->batch.openid[at];
                *len = strlen(*openid);
                return 1;
            }
        }
        if (next_batch(u) != WXTP_OK) {
            return -1;
        }
        if (u->batch.count == 0) {
            return 0;
        }
    }
}

/* In the transaction that makes it a job: with both ids into the record, and found again by the first one. */
static wxtp_status record_undo(void *user, wxtp_tx *tx, const wxtp_job_row *undo, wx_err *err)
{
    undoing *u = user;
    wx_core *core = u->core;
    char text[128], unused[ID_MAX];
    wxtp_snapshot_row row;
    wxtp_status status = wx_snapshot_find(core, tx, u->job->row.id, &row, unused, err);
    if (status == WXTP_OK) {
        row.undo_id = undo->id;
        status = wx_ops(core)->snapshot_put(tx, &row);
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, tx, status, "note what undoes the job", err);
    }
    (void)snprintf(text, sizeof(text), "undoes job %.63s", u->job->row.id);
    const wx_record record = {.platform = undo->platform,
                              .appid = undo->appid,
                              .call = "job.undo",
                              .job_id = undo->id,
                              .openids = undo->requested,
                              .errmsg = text,
                              .rid = ""};
    status = wx_record_add(core, tx, &record, err);
    WX_POINT("undo.noted");
    return status;
}

static wxtp_status still_at_work(const undoing *u, wx_err *err)
{
    wx_fail(err, WXTP_ERR_STATE, "job %s is not over, so it cannot be undone", u->job->row.id);
    wx_err_hint(err, "Let it end, or cancel it first: wxtp-admin job cancel %s", u->job->row.id);
    return err->status;
}

/* A cancelled job may still have a call in flight, whose answer its runner waits for. */
static wxtp_status need_over(const undoing *u, wx_err *err)
{
    char name[WX_JOB_LEASE_NAME_MAX];
    WX_AUTO_SCOPE scope = {0};
    if (!wx_job_finished(&u->job->row)) {
        return still_at_work(u, err);
    }
    wx_job_lease_name(name, u->job->row.id);
    wxtp_lease lease = {.name = name};
    wxtp_status status = wx_scope_begin(&scope, u->core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(u->core)->lease_holder(scope.tx, &lease);
    if (status == WXTP_ERR_NOT_FOUND) {
        return WXTP_OK;
    }
    return status == WXTP_OK ? still_at_work(u, err)
                             : wx_store_fail(u->core, scope.tx, status, "read the lease of a job", err);
}

static wxtp_status need_snapshot(const undoing *u, bool known, wx_err *err)
{
    if (known) {
        return WXTP_OK;
    }
    wx_fail(err, WXTP_ERR_STATE, "job %s has no snapshot: who was on the list before is not known",
            u->job->row.id);
    wx_err_hint(err, "A job can be undone that was made with --snapshot.");
    return err->status;
}

static wxtp_status need_call(undoing *u, wx_err *err)
{
    const wx_api *api = wx_api_find(u->core, u->job->row.call);
    u->call = api ? api->undone_by : NULL;
    return u->call ? WXTP_OK
                   : wx_fail(err, WXTP_ERR_STATE, "%s, the call of job %s, cannot be undone",
                             u->job->row.call, u->job->row.id);
}

static wxtp_status begin(wx_core *core, const char *job_id, undoing **out, wx_err *err)
{
    bool known = false;
    wxtp_snapshot_row snapshot = {0};
    WX_AUTO_UNDOING *u = wx_alloc(&core->allocator, sizeof(*u));
    if (!u) {
        return wx_fail_nomem(err);
    }
    u->core = core;
    wxtp_status status = load(core, job_id, &u->job, &snapshot, &known, u->undo_id, err);
    if (status == WXTP_OK) {
        status = need_call(u, err);
    }
    if (status == WXTP_OK) {
        status = need_snapshot(u, known, err);
    }
    if (status == WXTP_OK) {
        status = need_over(u, err);
    }
    if (status != WXTP_OK) {
        if (u->job) {
            wx_err_tenant(err, u->job->row.appid);
        }
        return status;
    }
    u->batches = snapshot.batches;
    *out = WX_TAKE(u);
    return WXTP_OK;
}

/* The job that was made to undo it, unless that was cancelled, or is forgotten by now. */
static wxtp_status made_before(const undoing *u, bool *made, wx_err *err)
{
    WX_AUTO_JOB *job = NULL;
    *made = false;
    if (!u->undo_id[0]) {
        return WXTP_OK;
    }
    const wxtp_status status = wx_job_load(u->core, u->undo_id, &job, err);
    *made = status == WXTP_OK && job->row.state != WXTP_JOB_CANCELLED;
    return status == WXTP_ERR_NOT_FOUND ? WXTP_OK : status;
}

wxtp_status wx_job_undo(wx_op *op, const char *job_id, char undo_id[64], wx_err *err)
{
    WX_AUTO_UNDOING *u = NULL;
    bool made = false;
    undo_id[0] = '\0';
    wxtp_status status = begin(op->core, job_id, &u, err);
    if (status == WXTP_OK) {
        status = made_before(u, &made, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    if (made) {
        wx_copy(undo_id, ID_MAX, u->undo_id);
        return WXTP_OK;
    }
    const wx_job_order order = {
        .appid = u->job->row.appid, .call = u->call, .reader = read_undo, .user = u, .launched = record_undo};
    status = wx_job_create(op, &order, undo_id, err);
    if (status == WXTP_ERR_IO && u->err.status != WXTP_OK) {
        *err = u->err;
    }
    return status == WXTP_OK ? WXTP_OK : err->status;
}

wxtp_status wx_job_undo_forecast(wx_op *op, const char *job_id, wxtp_job_forecast *forecast, wx_err *err)
{
    WX_AUTO_UNDOING *u = NULL;
    wxtp_status status = begin(op->core, job_id, &u, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_job_forecast(op, u->job->row.appid, u->call, read_undo, u, NULL, forecast, err);
    if (status == WXTP_ERR_IO && u->err.status != WXTP_OK) {
        *err = u->err;
    }
    return status == WXTP_OK ? WXTP_OK : err->status;
}
