/* A job as it is stored: read, written, cancelled, and why it is paused. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "flow/job_inner.h"

enum { STRINGS = 8 };

/* The strings of a row, in one place so that none is forgotten. */
static void strings_of(wxtp_job_row *row, const char **strings[STRINGS])
{
    const char **all[STRINGS] = {&row->id,         &row->platform,      &row->appid,      &row->call,
                                 &row->error_kind, &row->error_message, &row->error_hint, &row->error_rid};
    memcpy(strings, all, sizeof(all));
}

const char *wx_job_done_word(const wx_core *core, const char *call)
{
    const wx_api *api = wx_api_find(core, call);
    return api && api->done_word && api->done_word[0] ? api->done_word : "succeeded";
}

wxtp_status wx_job_copy(wx_core *core, const wxtp_job_row *row, wxtp_job **job, wx_err *err)
{
    const char **strings[STRINGS];
    size_t size = 0;
    *job = NULL;
    wxtp_job *made = wx_alloc(&core->allocator, sizeof(*made));
    if (!made) {
        return wx_fail_nomem(err);
    }
    made->row = *row;
    strings_of(&made->row, strings);
    for (size_t at = 0; at < STRINGS; at++) {
        size += (*strings[at] ? strlen(*strings[at]) : 0) + 1;
    }
    made->storage = wx_alloc(&core->allocator, size);
    if (!made->storage) {
        wx_free(made);
        return wx_fail_nomem(err);
    }
    char *end = made->storage;
    for (size_t at = 0; at < STRINGS; at++) {
        const size_t len = *strings[at] ? strlen(*strings[at]) : 0;
        if (len > 0) {
            memcpy(end, *strings[at], len);
        }
        end[len] = '\0';
        *strings[at] = end;
        end += len + 1;
    }
    made->done_word = wx_job_done_word(core, made->row.call);
    *job = made;
    return WXTP_OK;
}

void wx_job_free(wxtp_job *job)
{
    if (job) {
        wx_free(job->storage);
        wx_free(job);
    }
}

void wx_job_free_at(wxtp_job **job)
{
    wx_job_free(*job);
}

static wxtp_status no_such_job(const char *job_id, wx_err *err)
{
    return wx_fail(err, WXTP_ERR_NOT_FOUND, "there is no job %s", job_id);
}

static wxtp_status of_another(const wxtp_job_row *row, wx_err *err)
{
    wx_fail(err, WXTP_ERR_NOT_FOUND, "job %s is one of platform %s", row->id, row->platform);
    wx_err_hint(err, "name that platform: --component %s", row->platform);
    return WXTP_ERR_NOT_FOUND;
}

/* I7, of what is read and of what is written. */
static bool adds_up(const wxtp_job_row *row)
{
    const int64_t parts[] = {row->succeeded, row->invalid, row->failed, row->pending};
    int64_t sum = 0;
    for (size_t at = 0; at < sizeof(parts) / sizeof(parts[0]); at++) {
        if (parts[at] < 0 || __builtin_add_overflow(sum, parts[at], &sum)) {
            return false;
        }
    }
    return sum == row->requested;
}

wxtp_status wx_job_read(wx_core *core, wxtp_tx *tx, const char *job_id, wxtp_job **job, wx_err *err)
{
    wxtp_job_row row;
    *job = NULL;
    const wxtp_status status = wx_ops(core)->job_get(tx, job_id, &row);
    if (status == WXTP_ERR_NOT_FOUND) {
        return no_such_job(job_id, err);
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, tx, status, "read the job", err);
    }
    if (row.platform && row.platform[0] && core->settings.component[0] &&
        strcmp(row.platform, core->settings.component) != 0) {
        return of_another(&row, err);
    }
    if (!adds_up(&row)) {
        return wx_row_damaged("the job", job_id, err);
    }
    return wx_job_copy(core, &row, job, err);
}

wxtp_status wx_job_write(wx_core *core, wxtp_tx *tx, wxtp_job_row *row, wx_err *err)
{
    if (!adds_up(row)) {
        return wx_row_damaged("the job", row->id, err);
    }
    row->updated_ms = wx_wall_ms(core);
    const wxtp_status status = wx_ops(core)->job_put(tx, row);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, tx, status, "write the job", err);
}

wxtp_status wx_job_load(wx_core *core, const char *job_id, wxtp_job **job, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    *job = NULL;
    const wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    return status == WXTP_OK ? wx_job_read(core, scope.tx, job_id, job, err) : status;
}

wxtp_status wx_job_as_told(wx_core *core, wxtp_tx *tx, int64_t ended, wxtp_job *job, wx_err *err)
{
    char name[WX_JOB_LEASE_NAME_MAX];
    wxtp_job_row *row = &job->row;
    if (row->state != WXTP_JOB_RUNNING || row->pending == 0) {
        return WXTP_OK;
    }
    wx_job_lease_name(name, row->id);
    wxtp_lease lease = {.name = name};
    const wxtp_status status = wx_ops(core)->lease_holder(tx, &lease);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, tx, status, "read the lease of a job", err);
    }
    if (status == WXTP_ERR_NOT_FOUND || lease.fence == ended) {
        row->state = WXTP_JOB_PAUSED;
        row->paused_by = WXTP_PAUSED_BY_INTERRUPTED;
        row->error_message = "the process that ran the job has ended";
    }
    return WXTP_OK;
}

wxtp_status wx_job_look(wx_core *core, const char *job_id, int64_t ended, wxtp_job **job, wx_err *err)
{
    WX_AUTO_JOB *found = NULL;
    WX_AUTO_SCOPE scope = {0};
    *job = NULL;
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status == WXTP_OK) {
        status = wx_job_read(core, scope.tx, job_id, &found, err);
    }
    if (status == WXTP_OK) {
        status = wx_job_as_told(core, scope.tx, ended, found, err);
    }
    if (status == WXTP_OK) {
        *job = WX_TAKE(found);
    }
    return status;
}

void wx_job_lease_name(char name[WX_JOB_LEASE_NAME_MAX], const char *job_id)
{
    (void)snprintf(name, WX_JOB_LEASE_NAME_MAX, "job:%s", job_id);
}

/* ---- States ---- */

bool wx_job_finished(const wxtp_job_row *row)
{
    return row->state == WXTP_JOB_DONE || row->state == WXTP_JOB_PARTIAL || row->state == WXTP_JOB_CANCELLED;
}

void wx_job_settle(wxtp_job_row *row, int64_t now_ms)
{
    if ((row->state == WXTP_JOB_RUNNING || row->state == WXTP_JOB_PAUSED) && row->pending == 0) {
        wx_job_unpause(row);
        row->state = row->failed > 0 ? WXTP_JOB_PARTIAL : WXTP_JOB_DONE;
        row->finished_ms = now_ms;
    }
}

void wx_job_pause(wxtp_job_row *row, wxtp_paused_by by, const wx_err *why)
{
    assert(row->pending > 0);
    row->state = WXTP_JOB_PAUSED;
    row->paused_by = by;
    row->error_kind = why->kind;
    row->error_message = why->message;
    row->error_hint = why->hint;
    row->error_rid = why->rid;
    row->error_errcode = why->errcode;
}

void wx_job_unpause(wxtp_job_row *row)
{
    row->state = WXTP_JOB_RUNNING;
    row->paused_by = WXTP_PAUSED_BY_NONE;
    row->error_kind = row->error_message = row->error_hint = row->error_rid = "";
    row->error_errcode = 0;
    row->finished_ms = 0;
}

static wxtp_status credentials_status(const char *kind)
{
    static const wxtp_status all[] = {WXTP_ERR_TICKET, WXTP_ERR_CONFIGURATION, WXTP_ERR_REAUTHORIZE};
    for (size_t at = 0; at < sizeof(all) / sizeof(all[0]); at++) {
        if (strcmp(kind, wx_status_kind(all[at])) == 0) {
            return all[at];
        }
    }
    return WXTP_ERR_CREDENTIALS;
}

static wxtp_status pause_status(const wxtp_job_row *row)
{
    switch (row->paused_by) {
    case WXTP_PAUSED_BY_QUOTA:
        return WXTP_ERR_QUOTA;
    case WXTP_PAUSED_BY_RATE:
        return WXTP_ERR_RATE;
    case WXTP_PAUSED_BY_NETWORK:
        return WXTP_ERR_UNAVAILABLE;
    case WXTP_PAUSED_BY_CREDENTIALS:
        return credentials_status(row->error_kind);
    case WXTP_PAUSED_BY_GATE:
        return WXTP_ERR_REFUSED;
    case WXTP_PAUSED_BY_SUSPECT_LIST:
        return WXTP_ERR_SUSPECT_LIST;
    case WXTP_PAUSED_BY_UNKNOWN_ERRCODE:
        return WXTP_ERR_WECHAT;
    case WXTP_PAUSED_BY_RESTORED:
        return WXTP_ERR_STATE;
    case WXTP_PAUSED_BY_NONE:
    case WXTP_PAUSED_BY_INTERRUPTED:
        break;
    }
    return WXTP_ERR_INTERRUPTED;
}

static void say_how_to_resume(const wxtp_job_row *row, const char *hint, wx_err *err)
{
    const bool full_stop = hint[0] && strchr(".!?", hint[strlen(hint) - 1]);
    const char *join = hint[0] == '\0' ? "" : full_stop ? " " : "; ";
    wx_err_hint(err, "%s%s%s: wxtp-admin job resume %s", hint, join, full_stop || !hint[0] ? "Then" : "then",
                row->id);
}

static wxtp_status restored_err(const wxtp_job_row *row, wx_err *err)
{
    wx_fail(err, WXTP_ERR_STATE, "job %s comes from a backup that was restored", row->id);
    err->advice = WXTP_ADVICE_DECIDE;
    wx_err_kind(err, wx_status_kind(WXTP_ERR_INTERRUPTED));
    say_how_to_resume(row, "What was done after the backup would be done again; decide whether it may.", err);
    return WXTP_ERR_STATE;
}

wxtp_status wx_job_pause_err(const wxtp_job_row *row, wx_err *err)
{
    if (row->state != WXTP_JOB_PAUSED) {
        return WXTP_OK;
    }
    if (row->paused_by == WXTP_PAUSED_BY_RESTORED) {
        restored_err(row, err);
    } else {
        const wxtp_status status = pause_status(row);
        wx_fail(err, status, "%s", row->error_message[0] ? row->error_message : "the job is paused");
        char hint[sizeof(err->hint)];
        wx_copy(hint, sizeof(hint), row->error_hint[0] ? row->error_hint : err->hint);
        if (status == WXTP_ERR_INTERRUPTED) {
            wx_copy(hint, sizeof(hint), "Resume the job to go on where it stopped.");
        }
        if (row->error_kind[0]) {
            wx_err_kind(err, row->error_kind);
        }
        err->errcode = row->error_errcode;
        wx_copy(err->rid, sizeof(err->rid), row->error_rid);
        if (row->paused_by == WXTP_PAUSED_BY_UNKNOWN_ERRCODE) {
            err->advice = WXTP_ADVICE_DECIDE;
        }
        say_how_to_resume(row, hint, err);
    }
    wx_err_tenant(err, row->appid);
    return err->status;
}

/* ---- Cancelling ---- */

/* At once, whoever runs it: the runner sees it at its next step, and what is in flight is still counted.
 * Synced: what was cancelled does not come back. */
wxtp_status wx_job_cancel(wx_op *op, const char *job_id, wxtp_job **job, wx_err *err)
{
    wx_core *core = op->core;
    WX_AUTO_JOB *found = NULL;
    WX_AUTO_SCOPE scope = {0};
    *job = NULL;
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_job_read(core, scope.tx, job_id, &found, err);
    }
    if (status == WXTP_OK && !wx_job_finished(&found->row)) {
        wx_job_unpause(&found->row);
        found->row.state = WXTP_JOB_CANCELLED;
        found->row.cancel_requested = true;
        found->row.finished_ms = wx_wall_ms(core);
        status = wx_job_write(core, scope.tx, &found->row, err);
        if (status == WXTP_OK) {
            status = wx_scope_commit(&scope, err);
        }
    }
    if (status == WXTP_OK) {
        *job = WX_TAKE(found);
    }
    return status;
}
