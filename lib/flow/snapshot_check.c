/* Does every snapshot open? */
#include <stdio.h>
#include <string.h>

#include "flow/snapshot.h"

enum { JOBS_AT_ONCE = 64, ID_MAX = 64, PROBLEM_MAX = 160 };

typedef struct check {
    wx_core *core;
    void (*problem)(void *user, const char *text);
    void *user;
    wx_err *err;
    struct {
        char id[ID_MAX], platform[WX_APPID_MAX];
    } jobs[JOBS_AT_ONCE];
    size_t count;
} check;

static bool see_job(void *user, const wxtp_job_row *row)
{
    check *c = user;
    (void)wx_copy(c->jobs[c->count].id, ID_MAX, row->id);
    (void)wx_copy(c->jobs[c->count].platform, WX_APPID_MAX, row->platform);
    return ++c->count < JOBS_AT_ONCE;
}

static wxtp_status list_jobs(check *c, const wxtp_job_filter *filter)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, c->core, WXTP_TX_READ, c->err);
    if (status != WXTP_OK) {
        return status;
    }
    c->count = 0;
    status = wx_ops(c->core)->job_list(scope.tx, filter, see_job, c);
    if (status == WXTP_ERR_NOT_FOUND) { /* the last one of the page before was pruned meanwhile */
        return WXTP_OK;
    }
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(c->core, scope.tx, status, "list the jobs", c->err);
}

static wxtp_status covered(check *c, const char *id, int64_t *batches)
{
    wxtp_snapshot_row row;
    char unused[ID_MAX];
    WX_AUTO_SCOPE scope = {0};
    *batches = 0;
    wxtp_status status = wx_scope_begin(&scope, c->core, WXTP_TX_READ, c->err);
    if (status == WXTP_OK) {
        status = wx_snapshot_find(c->core, scope.tx, id, &row, unused, c->err);
    }
    if (status == WXTP_OK) {
        *batches = row.batches;
    }
    return status == WXTP_ERR_NOT_FOUND ? WXTP_OK : status;
}

static wxtp_status check_job(check *c, const char *id, const char *platform)
{
    const wxtp_job_row job = {.id = id, .platform = platform};
    int64_t batches = 0;
    wxtp_status status = covered(c, id, &batches);
    for (int64_t part = 0; status == WXTP_OK && part * WX_PART_BATCHES < batches; part++) {
        WX_AUTO_FREE char *marks = NULL;
        char text[PROBLEM_MAX];
        status = wx_stopping(c->core) ? wx_fail(c->err, WXTP_ERR_INTERRUPTED, "stopped as asked")
                                      : wx_snapshot_part(c->core, &job, part, &marks, c->err);
        if (status == WXTP_ERR_KEY || status == WXTP_ERR_NOT_FOUND) {
            (void)snprintf(text, sizeof(text), "the snapshot of job %s does not open", id);
            c->problem(c->user, text);
            return WXTP_OK;
        }
    }
    return status;
}

wxtp_status wx_snapshots_check(wx_core *core, const char *component, bool shared_seen,
                               void (*problem)(void *user, const char *text), void *user, wx_err *err)
{
    check c = {.core = core, .problem = problem, .user = user, .err = err};
    char after[ID_MAX];
    wxtp_job_filter filter = {.platform = component, .state = -1, .limit = JOBS_AT_ONCE};
    wxtp_status status = WXTP_OK;
    do {
        status = list_jobs(&c, &filter);
        for (size_t at = 0; status == WXTP_OK && at < c.count; at++) {
            if (c.jobs[at].platform[0] || !shared_seen) {
                status = check_job(&c, c.jobs[at].id, c.jobs[at].platform);
            }
        }
        if (status == WXTP_OK && c.count > 0) {
            (void)wx_copy(after, sizeof(after), c.jobs[c.count - 1].id);
            filter.after_id = after;
        }
    } while (status == WXTP_OK && c.count == JOBS_AT_ONCE);
    return status;
}
