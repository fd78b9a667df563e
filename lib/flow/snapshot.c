/*
 * The openids of the job and those of the list meet in the store's sift, as digests that only this database's
 * key can make: neither is held in memory, and what lies on disk meanwhile names nobody.
 */
#include "flow/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "base/point.h"
#include "domain/vault.h"
#include "flow/listing.h"

enum { KEY_LEN = 16, BATCHES_AT_ONCE = 256, FIELD_MAX = 32 };

static const char kind[] = "snapshot";

typedef struct comparing {
    wx_op *op;
    const char *job_id;
    void *sift;
    wx_part_visit *each;
    void *user;
    wx_compared *found;
    int64_t part; /* that `marks` is of */
    char *marks;
    wxtp_status status;
    wx_err *err;
} comparing;

/* ---- Batches ---- */

wxtp_status wx_kept_batch_read(wx_core *core, wxtp_tx *tx, const char *job_id, int64_t number,
                               wx_kept_batch *batch, wx_err *err)
{
    wxtp_batch_row row;
    batch->count = 0;
    const wxtp_status status = wx_ops(core)->batch_get(tx, job_id, number, &row);
    if (status == WXTP_ERR_NOT_FOUND) {
        return status;
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, tx, status, "read a batch", err);
    }
    bool whole = wx_copy(batch->openids, sizeof(batch->openids), row.openids) &&
                 wx_copy(batch->marks, sizeof(batch->marks), row.marks) && batch->marks[0];
    for (char *at = batch->openids; at && whole; batch->count++) {
        char *end = strchr(at, '\n');
        if (batch->count == WXTP_BATCH_MAX) {
            whole = false;
            break;
        }
        if (end) {
            *end++ = '\0';
        }
        batch->openid[batch->count] = at;
        at = end;
    }
    if (!whole || batch->count != strlen(batch->marks)) {
        return wx_fail(err, WXTP_ERR_STORE, "batch %lld of job %s is damaged", (long long)number, job_id);
    }
    return WXTP_OK;
}

/* ---- Both sides into the sift ---- */

static wxtp_status add_key(comparing *c, const char *openid, int64_t place, wx_err *err)
{
    wx_core *core = c->op->core;
    unsigned char digest[32];
    wxtp_status status = wx_vault_digest(core, kind, openid, strlen(openid), digest, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->sift_add(c->sift, digest, KEY_LEN, place);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, NULL, status, "compare openids", err);
}

/* As many batches as one read transaction should see. */
static wxtp_status add_some(comparing *c, bool *more, wx_err *err)
{
    wx_kept_batch batch;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, c->op->core, WXTP_TX_READ, err);
    for (int at = 0; at < BATCHES_AT_ONCE && status == WXTP_OK; at++) {
        status = wx_kept_batch_read(c->op->core, scope.tx, c->job_id, c->found->batches, &batch, err);
        for (size_t i = 0; status == WXTP_OK && i < batch.count; i++) {
            status = add_key(c, batch.openid[i], c->found->batches * WXTP_BATCH_MAX + (int64_t)i, err);
        }
        c->found->batches += status == WXTP_OK;
    }
    *more = status == WXTP_OK;
    return status == WXTP_ERR_NOT_FOUND ? WXTP_OK : status;
}

static wxtp_status add_job(comparing *c, wx_err *err)
{
    bool more = true;
    wxtp_status status = WXTP_OK;
    while (more && status == WXTP_OK) {
        status = wx_stopping(c->op->core)
                     ? wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked, while openids were compared")
                     : add_some(c, &more, err);
    }
    return status;
}

static bool see_listed(void *user, const char *openid)
{
    comparing *c = user;
    if (openid[0]) {
        c->status = add_key(c, openid, -1, c->err);
    }
    return c->status == WXTP_OK;
}

static wxtp_status add_list(comparing *c, const char *appid, const wx_api *api, wx_err *err)
{
    const wx_listing listing = {.appid = appid, .api = api, .each = see_listed, .user = c};
    const char *before = c->op->job_id;
    c->op->job_id = c->job_id;
    const wxtp_status status = wx_listing_read(c->op, &listing, &c->found->total, err);
    c->op->job_id = before;
    return status == WXTP_OK ? c->status : status;
}

/* ---- What both have ---- */

static void end_part(comparing *c)
{
    c->status = c->each(c->user, c->part, c->marks, c->err);
    memset(c->marks, WX_NOT_LISTED, WX_PART_MARKS);
    c->part++;
}

static bool see_place(void *user, int64_t place)
{
    comparing *c = user;
    while (c->status == WXTP_OK && place / WX_PART_MARKS > c->part) {
        end_part(c);
    }
    if (c->status == WXTP_OK) {
        c->marks[place % WX_PART_MARKS] = WX_LISTED;
        c->found->listed++;
    }
    return c->status == WXTP_OK;
}

static wxtp_status visit_parts(comparing *c, wx_err *err)
{
    wx_core *core = c->op->core;
    WX_AUTO_FREE char *marks = wx_alloc(&core->allocator, WX_PART_MARKS + 1);
    if (!marks) {
        return wx_fail_nomem(err);
    }
    memset(marks, WX_NOT_LISTED, WX_PART_MARKS);
    c->marks = marks;
    const wxtp_status status = wx_ops(core)->sift_finish(c->sift, see_place, c);
    if (status != WXTP_OK) {
        return wx_store_fail(core, NULL, status, "compare openids", err);
    }
    while (c->status == WXTP_OK && c->part * WX_PART_BATCHES < c->found->batches) {
        end_part(c);
    }
    return c->status;
}

wxtp_status wx_snapshot_compare(wx_op *op, const char *job_id, const char *appid, const wx_api *api,
                                wx_part_visit *each, void *user, wx_compared *compared, wx_err *err)
{
    comparing c = {.op = op, .job_id = job_id, .each = each, .user = user, .found = compared, .err = err};
    *compared = (wx_compared){0};
    wxtp_status status = wx_ops(op->core)->sift_begin(op->core->store, &c.sift);
    if (status != WXTP_OK) {
        return wx_store_fail(op->core, NULL, status, "compare openids", err);
    }
    status = add_job(&c, err);
    if (status == WXTP_OK && compared->batches > 0) {
        status = add_list(&c, appid, api, err);
    }
    if (status == WXTP_OK) {
        status = visit_parts(&c, err);
    }
    wx_ops(op->core)->sift_free(c.sift);
    return status;
}

/* ---- What was before ---- */

static void field_of(int64_t part, char field[FIELD_MAX])
{
    (void)snprintf(field, FIELD_MAX, "part:%lld", (long long)part);
}

typedef struct keeper {
    wx_core *core;
    const wxtp_job_row *job;
} keeper;

static wxtp_status keep_part(void *user, int64_t part, const char *marks, wx_err *err)
{
    const keeper *k = user;
    wx_core *core = k->core;
    char field[FIELD_MAX];
    wxtp_blob blob;
    WX_AUTO_BUF sealed;
    WX_AUTO_SCOPE scope = {0};
    field_of(part, field);
    wxtp_status status =
        wx_vault_seal(core, kind, k->job->platform, k->job->id, field, marks, &sealed, &blob, err);
    if (status == WXTP_OK) {
        status = wx_scope_begin(&scope, core, WXTP_TX_WRITE, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->snapshot_part_put(scope.tx, k->job->id, part, blob);
    status = status == WXTP_OK ? wx_scope_commit(&scope, err)
                               : wx_store_fail(core, scope.tx, status, "keep a snapshot", err);
    WX_POINT("snapshot.part_kept");
    return status;
}

wxtp_status wx_snapshot_take(wx_op *op, const wxtp_job_row *job, const wx_api *api, wx_err *err)
{
    wx_core *core = op->core;
    keeper k = {.core = core, .job = job};
    wx_compared found;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_snapshot_compare(op, job->id, job->appid, api, keep_part, &k, &found, err);
    if (status == WXTP_OK) {
        status = wx_scope_begin(&scope, core, WXTP_TX_WRITE, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    const wxtp_snapshot_row row = {.job_id = job->id,
                                   .taken_ms = wx_wall_ms(core),
                                   .batches = found.batches,
                                   .listed = found.listed,
                                   .total = found.total};
    status = wx_ops(core)->snapshot_put(scope.tx, &row);
    status = status == WXTP_OK ? wx_scope_commit(&scope, err)
                               : wx_store_fail(core, scope.tx, status, "keep a snapshot", err);
    WX_POINT("snapshot.kept");
    return status;
}

wxtp_status wx_snapshot_find(wx_core *core, wxtp_tx *tx, const char *job_id, wxtp_snapshot_row *row,
                             char undo_id[64], wx_err *err)
{
    const wxtp_status status = wx_ops(core)->snapshot_get(tx, job_id, row);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, tx, status, "read a snapshot", err);
    }
    wx_copy(undo_id, 64, status == WXTP_OK ? row->undo_id : "");
    return status;
}

wxtp_status wx_snapshot_part(wx_core *core, const wxtp_job_row *job, int64_t part, char **marks, wx_err *err)
{
    char field[FIELD_MAX];
    wxtp_blob blob = {0};
    WX_AUTO_SCOPE scope = {0};
    *marks = NULL;
    field_of(part, field);
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->snapshot_part_get(scope.tx, job->id, part, &blob);
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "read a snapshot", err);
    }
    status = wx_vault_open(core, kind, job->platform, job->id, field, blob, marks, err);
    if (status == WXTP_OK && (!*marks || strlen(*marks) != WX_PART_MARKS)) {
        wx_free(WX_TAKE(*marks));
        status = wx_fail(err, WXTP_ERR_STORE, "the snapshot of job %s is damaged", job->id);
    }
    return status;
}
