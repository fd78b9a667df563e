#include <wxtp/job.h>

#include <assert.h>
#include <string.h>

#include "api/handle.h"
#include "api/job.h"
#include "api/options.h"
#include "domain/tenant.h"
#include "flow/job_inner.h"

enum { JOBS_MAX = 10000, PAGE = 256, ID_MAX = 64 };

wxtp_status wx_need_openids(const char *appid, const char *const *openids, size_t count, wx_err *err)
{
    if (!appid || (!openids && count > 0)) {
        return wx_fail(err, WXTP_ERR_INVALID, "an appid and a list are needed");
    }
    for (size_t at = 0; at < count; at++) {
        if (!openids[at]) {
            return wx_fail(err, WXTP_ERR_INVALID, "openid %zu is NULL", at);
        }
    }
    return WXTP_OK;
}

wxtp_status wx_need_mode(wxtp_job_run_mode mode, wx_err *err)
{
    if (mode != WXTP_JOB_RUN && mode != WXTP_JOB_RESUME && mode != WXTP_JOB_RETRY_FAILED) {
        return wx_fail(err, WXTP_ERR_INVALID, "%d is no way to run a job", (int)mode);
    }
    return WXTP_OK;
}

static wxtp_status need_list(const char *appid, const char *call, wxtp_openid_reader *reader, wx_err *err)
{
    if (!appid || !call || !reader) {
        return wx_fail(err, WXTP_ERR_INVALID, "an appid, a call and a list are needed");
    }
    return WXTP_OK;
}

wxtp_status wx_need_job_id(const char *job_id, wx_err *err)
{
    if (!job_id) {
        return wx_fail(err, WXTP_ERR_INVALID, "a job's id is needed");
    }
    if (job_id[0] == '\0' || strlen(job_id) >= ID_MAX) {
        return wx_fail(err, WXTP_ERR_NOT_FOUND, "there is no job of that id");
    }
    return WXTP_OK;
}

wxtp_status wx_need_its_component(wx_core *core, const char *job_id, wx_err *err)
{
    WX_AUTO_JOB *job = NULL;
    if (core->settings.component[0] || !core->settings.component_ambiguous) {
        return WXTP_OK;
    }
    const wxtp_status status = wx_job_load(core, job_id, &job, err);
    return status == WXTP_OK && job->row.platform[0] ? wx_need_component(core, err) : status;
}

/* ---- Making ---- */

wxtp_status wxtp_job_create(wxtp_platform *platform, const char *appid, const char *call,
                            wxtp_openid_reader *reader, void *user, const wxtp_job_options *options,
                            char job_id[64], wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    wxtp_job_options chosen;
    if (job_id) {
        job_id[0] = '\0';
    }
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = need_list(appid, call, reader, &err);
    if (status == WXTP_OK && !job_id) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "a place for the job's id is needed");
    }
    if (status == WXTP_OK) {
        status = wx_options_read(&chosen, sizeof(chosen), options, "the job's", &err);
    }
    if (status == WXTP_OK) {
        const wx_job_order order = {.appid = appid,
                                    .call = call,
                                    .reader = reader,
                                    .user = user,
                                    .force = chosen.force,
                                    .snapshot = chosen.snapshot};
        status = wx_job_create(&door.op, &order, job_id, &err);
    }
    return wx_leave(&door, status, &err, error);
}

wxtp_status wxtp_job_forecast_list(wxtp_platform *platform, const char *appid, const char *call,
                                   wxtp_openid_reader *reader, void *user,
                                   void (*each_invalid)(void *user, const char *text),
                                   wxtp_job_forecast *forecast, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = need_list(appid, call, reader, &err);
    if (status == WXTP_OK && (!forecast || forecast->struct_size < sizeof(*forecast))) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "struct_size of the forecast is too small");
    }
    if (status == WXTP_OK) {
        status = wx_job_forecast(&door.op, appid, call, reader, user, each_invalid, forecast, &err);
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- Running ---- */

wxtp_status wxtp_job_run(wxtp_platform *platform, const char *job_id, wxtp_job_run_mode mode,
                         wxtp_job_progress *progress, void *user, wxtp_job **job, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    wxtp_job *found = NULL;
    if (job) {
        *job = NULL;
    }
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = wx_need_job_id(job_id, &err);
    if (status == WXTP_OK) {
        status = wx_need_mode(mode, &err);
    }
    if (status == WXTP_OK) {
        status = wx_need_its_component(door.op.core, job_id, &err);
    }
    if (status == WXTP_OK) {
        status = wx_job_run(&door.op, job_id, mode, progress, user, &found, &err);
    }
    if (job) {
        *job = WX_TAKE(found);
    }
    wx_job_free(found);
    return wx_leave(&door, status, &err, error);
}

wxtp_status wxtp_job_cancel(wxtp_platform *platform, const char *job_id, wxtp_job **job, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    wxtp_job *found = NULL;
    if (job) {
        *job = NULL;
    }
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = wx_need_job_id(job_id, &err);
    if (status == WXTP_OK) {
        status = wx_job_cancel(&door.op, job_id, &found, &err);
    }
    if (job) {
        *job = WX_TAKE(found);
    }
    wx_job_free(found);
    return wx_leave(&door, status, &err, error);
}

/* ---- Looking ---- */

wxtp_status wxtp_job_get(wxtp_platform *platform, const char *job_id, wxtp_job **job, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = wx_need_job_id(job_id, &err);
    if (!job) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "a place for the job is needed");
    }
    if (status == WXTP_OK) {
        status = wx_job_look(door.op.core, job_id, 0, job, &err);
    }
    return wx_leave(&door, status, &err, error);
}

wxtp_status wxtp_job_list(wxtp_platform *platform, const char *appid, int state, const char *after_id,
                          size_t limit, bool (*each)(void *user, const wxtp_job *job), void *user,
                          wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wx_core *core = door.op.core;
    wxtp_status status = WXTP_OK;
    if (!each || limit == 0 || limit > JOBS_MAX || state < -1 || state > WXTP_JOB_CANCELLED) {
        status = wx_fail(&err, WXTP_ERR_INVALID,
                         "jobs: a visitor, a state and a limit from 1 to %d are needed", JOBS_MAX);
    } else {
        status = wx_need_view(core, appid, &err);
    }
    if (status == WXTP_OK) {
        status = wx_job_list(core, appid, state, after_id, limit, each, user, &err);
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- Invalid and failed openids ---- */

typedef struct exception {
    int64_t id, errcode;
    char openid[256], errmsg[256];
} exception;

typedef struct exceptions {
    exception *rows;
    size_t count;
} exceptions;

static bool keep_exception(void *user, const wxtp_exception_row *row)
{
    exceptions *page = user;
    exception *kept = &page->rows[page->count++];
    kept->id = row->id;
    kept->errcode = row->errcode;
    wx_copy(kept->openid, sizeof(kept->openid), row->openid);
    wx_copy(kept->errmsg, sizeof(kept->errmsg), row->errmsg);
    return page->count < PAGE;
}

static wxtp_status read_exceptions(wx_core *core, const char *job_id, wxtp_verdict verdict, int64_t after_id,
                                   exceptions *page, wx_err *err)
{
    WX_AUTO_JOB *job = NULL;
    WX_AUTO_SCOPE scope = {0};
    page->count = 0;
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status == WXTP_OK) {
        status = wx_job_read(core, scope.tx, job_id, &job, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    status =
        wx_ops(core)->exception_list(scope.tx, job_id, (int)verdict, after_id, PAGE, keep_exception, page);
    return status == WXTP_OK ? WXTP_OK
                             : wx_store_fail(core, scope.tx, status, "read the refused openids", err);
}

/* Page by page, so that a slow visitor holds no transaction. */
static wxtp_status each_exception(wx_core *core, const char *job_id, wxtp_verdict verdict,
                                  bool (*each)(void *user, const char *openid, int64_t errcode,
                                               const char *errmsg),
                                  void *user, wx_err *err)
{
    WX_AUTO_FREE exception *rows = wx_alloc_array(&core->allocator, PAGE, sizeof(*rows));
    exceptions page = {.rows = rows};
    int64_t after_id = 0;
    if (!rows) {
        return wx_fail_nomem(err);
    }
    do {
        const wxtp_status status = read_exceptions(core, job_id, verdict, after_id, &page, err);
        if (status != WXTP_OK) {
            return status;
        }
        for (size_t at = 0; at < page.count; at++) {
            after_id = rows[at].id;
            if (!each(user, rows[at].openid, rows[at].errcode, rows[at].errmsg)) {
                return WXTP_OK;
            }
        }
    } while (page.count == PAGE);
    return WXTP_OK;
}

wxtp_status wxtp_job_exceptions(wxtp_platform *platform, const char *job_id, wxtp_verdict verdict,
                                bool (*each)(void *user, const char *openid, int64_t errcode,
                                             const char *errmsg),
                                void *user, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = wx_need_job_id(job_id, &err);
    if (!each) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "a visitor is needed");
    }
    if (status == WXTP_OK) {
        status = each_exception(door.op.core, job_id, verdict, each, user, &err);
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- Getters ---- */

static const char *text_of(const char *text)
{
    return text ? text : "";
}

const char *wxtp_job_id(const wxtp_job *job)
{
    return text_of(job ? job->row.id : NULL);
}

const char *wxtp_job_platform(const wxtp_job *job)
{
    return text_of(job ? job->row.platform : NULL);
}

const char *wxtp_job_tenant(const wxtp_job *job)
{
    return text_of(job ? job->row.appid : NULL);
}

const char *wxtp_job_call(const wxtp_job *job)
{
    return text_of(job ? job->row.call : NULL);
}

const char *wxtp_job_done_word(const wxtp_job *job)
{
    return text_of(job ? job->done_word : NULL);
}

wxtp_job_state wxtp_job_state_of(const wxtp_job *job)
{
    return job ? job->row.state : WXTP_JOB_BUILDING;
}

wxtp_paused_by wxtp_job_paused_by(const wxtp_job *job)
{
    return job ? job->row.paused_by : WXTP_PAUSED_BY_NONE;
}

int64_t wxtp_job_requested(const wxtp_job *job)
{
    return job ? job->row.requested : 0;
}

int64_t wxtp_job_duplicates(const wxtp_job *job)
{
    return job ? job->row.duplicates : 0;
}

int64_t wxtp_job_succeeded(const wxtp_job *job)
{
    return job ? job->row.succeeded : 0;
}

int64_t wxtp_job_invalid(const wxtp_job *job)
{
    return job ? job->row.invalid : 0;
}

int64_t wxtp_job_failed(const wxtp_job *job)
{
    return job ? job->row.failed : 0;
}

int64_t wxtp_job_pending(const wxtp_job *job)
{
    return job ? job->row.pending : 0;
}

int64_t wxtp_job_calls(const wxtp_job *job)
{
    return job ? job->row.calls : 0;
}

int64_t wxtp_job_token_refreshes(const wxtp_job *job)
{
    return job ? job->row.token_refreshes : 0;
}

int64_t wxtp_job_created_ms(const wxtp_job *job)
{
    return job ? job->row.created_ms : 0;
}

int64_t wxtp_job_elapsed_ms(const wxtp_job *job)
{
    return job ? job->row.elapsed_ms : 0;
}

wxtp_error *wxtp_job_pause_error(const wxtp_job *job)
{
    wx_err err = {.status = WXTP_OK};
    wxtp_error *error = NULL;
    if (job && wx_job_pause_err(&job->row, &err) != WXTP_OK) {
        (void)wx_err_give(&error, NULL, &err);
    }
    return error;
}

void wxtp_job_free(wxtp_job *job)
{
    wx_job_free(job);
}

/* ---- The main job in one call ---- */

typedef struct memory_list {
    const char *const *openids;
    size_t count, at;
} memory_list;

static int read_memory(void *user, const char **openid, size_t *len)
{
    memory_list *list = user;
    if (list->at == list->count) {
        return 0;
    }
    *openid = list->openids[list->at++];
    *len = strlen(*openid);
    return 1;
}

static void fill_counts(wxtp_unblacklist_counts *counts, const wxtp_job *job)
{
    wx_copy(counts->job_id, sizeof(counts->job_id), job->row.id);
    counts->requested = job->row.requested;
    counts->duplicates = job->row.duplicates;
    counts->unblacklisted = job->row.succeeded;
    counts->invalid = job->row.invalid;
    counts->failed = job->row.failed;
    counts->pending = job->row.pending;
    counts->calls = job->row.calls;
}

static wxtp_status unblacklist(wx_op *op, const char *appid, memory_list *list,
                               wxtp_unblacklist_counts *counts, wx_err *err)
{
    char job_id[ID_MAX];
    WX_AUTO_JOB *job = NULL;
    wxtp_status status = wx_need_openids(appid, list->openids, list->count, err);
    if (status != WXTP_OK) {
        return status;
    }
    if (counts && counts->struct_size < sizeof(*counts)) {
        return wx_fail(err, WXTP_ERR_INVALID, "struct_size of the counts is too small");
    }
    const wx_job_order order = {
        .appid = appid, .call = "batchUnblacklist", .reader = read_memory, .user = list};
    status = wx_job_create(op, &order, job_id, err);
    if (status == WXTP_OK && job_id[0]) {
        status = wx_job_run(op, job_id, WXTP_JOB_RUN, NULL, NULL, &job, err);
    }
    if (job && counts) {
        fill_counts(counts, job);
    }
    return status;
}

wxtp_status wxtp_unblacklist(wxtp_platform *platform, const char *appid, const char *const *openids,
                             size_t count, wxtp_unblacklist_counts *counts, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    memory_list list = {.openids = openids, .count = count};
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    const wxtp_status status = unblacklist(&door.op, appid, &list, counts, &err);
    return wx_leave(&door, status, &err, error);
}
