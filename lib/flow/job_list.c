/* The list of jobs, as they are to be told. */
#include <string.h>

#include "flow/job_inner.h"

enum { JOBS_AT_ONCE = 64, ID_MAX = 64 };

typedef struct visit {
    wx_core *core;
    bool (*each)(void *user, const wxtp_job *job);
    void *user;
    int state;   /* -1: any */
    size_t left; /* may still be shown */
    char after_id[ID_MAX];
    wxtp_job *jobs[JOBS_AT_ONCE];
    size_t count;
    wx_err *err;
} visit;

static bool keep_job(void *user, const wxtp_job_row *row)
{
    visit *v = user;
    if (wx_job_copy(v->core, row, &v->jobs[v->count], v->err) != WXTP_OK) {
        return false;
    }
    v->count++;
    return v->count < JOBS_AT_ONCE;
}

/* A list that is still being read, or only counted, is no job yet. */
static bool is_wanted(const visit *v, const wxtp_job_row *row)
{
    return v->state == -1 ? row->state != WXTP_JOB_BUILDING : (int)row->state == v->state;
}

/* False when the visit is over. */
static bool show_page(visit *v, wxtp_tx *tx, wxtp_status *status)
{
    for (size_t at = 0; at < v->count; at++) {
        wxtp_job *job = v->jobs[at];
        *status = wx_job_as_told(v->core, tx, 0, job, v->err);
        if (*status != WXTP_OK) {
            return false;
        }
        (void)wx_copy(v->after_id, sizeof(v->after_id), job->row.id);
        if (!is_wanted(v, &job->row)) {
            continue;
        }
        v->left--;
        if (!v->each(v->user, job) || v->left == 0) {
            return false;
        }
    }
    return v->count == JOBS_AT_ONCE;
}

static void clear_page(visit *v)
{
    while (v->count > 0) {
        wx_job_free(v->jobs[--v->count]);
    }
}

/* Copies of a page at a time: whether somebody runs a job cannot be asked inside the store's list. */
static wxtp_status list_jobs(wx_core *core, wxtp_job_filter *filter, visit *v, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    bool more = true;
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    while (status == WXTP_OK && more) {
        status = wx_ops(core)->job_list(scope.tx, filter, keep_job, v);
        if (status == WXTP_ERR_NOT_FOUND) {
            return wx_fail(err, status, "there is no job %s to go on after",
                           filter->after_id ? filter->after_id : "");
        }
        if (status != WXTP_OK) {
            status = wx_store_fail(core, scope.tx, status, "list the jobs", err);
        } else {
            status = err->status; /* of the copies */
        }
        more = status == WXTP_OK && show_page(v, scope.tx, &status);
        filter->after_id = v->after_id;
        clear_page(v);
    }
    return status;
}

wxtp_status wx_job_list(wx_core *core, const char *appid, int state, const char *after_id, size_t limit,
                        bool (*each)(void *user, const wxtp_job *job), void *user, wx_err *err)
{
    /* Which of the unfinished ones are running and which paused, their leases tell. */
    const bool told = state == WXTP_JOB_RUNNING || state == WXTP_JOB_PAUSED;
    wxtp_job_filter filter = {.platform = core->settings.component,
                              .appid = appid,
                              .state = told ? -1 : state,
                              .unfinished_only = told,
                              .after_id = after_id,
                              .limit = JOBS_AT_ONCE};
    visit v = {.core = core, .each = each, .user = user, .state = state, .left = limit, .err = err};
    return list_jobs(core, &filter, &v, err);
}
