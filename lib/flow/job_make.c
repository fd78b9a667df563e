/* A job is made from a list, or only counted. */
#include <assert.h>
#include <string.h>

#include "base/point.h"
#include "base/text.h"
#include "flow/snapshot.h"

enum { ID_TIME_CHARS = 10, ID_RANDOM_CHARS = 8, LOOK_EVERY = 1024, INVALID_PAGE = 1000 };

/* Sorts by time as text, and is hard to guess: 50 bits of time, 40 of chance. */
static bool make_id(const wx_core *core, char id[64])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    unsigned char chance[ID_RANDOM_CHARS];
    if (!wx_random(chance, sizeof(chance))) {
        return false;
    }
    uint64_t time = (uint64_t)wx_wall_ms(core);
    id[0] = 'j';
    for (int at = ID_TIME_CHARS; at > 0; at--, time >>= 5) {
        id[at] = digits[time & 31];
    }
    for (int at = 0; at < ID_RANDOM_CHARS; at++) {
        id[1 + ID_TIME_CHARS + at] = digits[chance[at] & 31];
    }
    id[1 + ID_TIME_CHARS + ID_RANDOM_CHARS] = '\0';
    return true;
}

static wxtp_status find_api(const wx_core *core, const char *call, const wx_api **api, wx_err *err)
{
    *api = wx_api_find(core, call);
    if (!*api) {
        return wx_fail(err, WXTP_ERR_NOT_FOUND, "there is no call %s in the catalog", call ? call : "");
    }
    if ((*api)->list_max <= 0) {
        return wx_fail(err, WXTP_ERR_INVALID, "%s takes no list of openids, so it cannot be a job", call);
    }
    return WXTP_OK;
}

/* A list on its way into the store. */
typedef struct making {
    wx_core *core;
    char id[64];
    void *builder;
    int64_t distinct, invalid, duplicates;
} making;

static wxtp_status put_new(making *m, const char *platform, const char *appid, const char *call, bool force,
                           wx_err *err)
{
    wx_core *core = m->core;
    if (!make_id(core, m->id)) {
        return wx_fail(err, WXTP_ERR_INTERNAL, "no random bytes for the id of a job");
    }
    wxtp_job_row row = {.id = m->id,
                        .platform = platform,
                        .appid = appid,
                        .call = call,
                        .state = WXTP_JOB_BUILDING,
                        .forced = force,
                        .created_ms = wx_wall_ms(core)};
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_WRITE, err);
    if (status == WXTP_OK) {
        status = wx_job_write(core, scope.tx, &row, err);
    }
    return status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
}

static wxtp_status add_all(making *m, wxtp_openid_reader *reader, void *user, wx_err *err)
{
    const wxtp_store_ops *ops = wx_ops(m->core);
    for (uint64_t line = 0;; line++) {
        const char *openid = NULL;
        size_t len = 0;
        /* A short list is kept whole: its run ends at once, and can be resumed. */
        if (line > 0 && line % LOOK_EVERY == 0 && wx_stopping(m->core)) {
            return wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked, while the list was read");
        }
        const int got = reader(user, &openid, &len);
        if (got == 0) {
            return WXTP_OK;
        }
        if (got < 0) {
            return wx_fail(err, WXTP_ERR_IO, "the list of openids could not be read");
        }
        if (!openid) {
            return wx_fail(err, WXTP_ERR_INVALID, "the list's reader gave NULL for an openid");
        }
        const wxtp_status status = wx_openid_ok(openid, len)
                                       ? ops->build_add(m->builder, openid, len)
                                       : ops->build_add_invalid(m->builder, openid, len);
        if (status != WXTP_OK) {
            return wx_store_fail(m->core, NULL, status, "store the list of openids", err);
        }
    }
}

static wxtp_status build_here(making *m, wxtp_openid_reader *reader, void *user, wx_err *err)
{
    const wxtp_store_ops *ops = wx_ops(m->core);
    wxtp_status status = ops->build_begin(m->core->store, m->id, &m->builder);
    if (status != WXTP_OK) {
        return wx_store_fail(m->core, NULL, status, "begin to store the list of openids", err);
    }
    status = add_all(m, reader, user, err);
    if (status == WXTP_OK) {
        status = ops->build_finish(m->builder, &m->distinct, &m->invalid, &m->duplicates);
        if (status != WXTP_OK) {
            wx_store_fail(m->core, NULL, status, "store the list of openids", err);
        }
    }
    ops->build_free(m->builder);
    m->builder = NULL;
    return status;
}

/* A long list takes its while. */
static wxtp_status build(making *m, wxtp_openid_reader *reader, void *user, wx_err *err)
{
    wx_engine *engine = m->core->engine;
    const bool aside = wx_engine_aside(engine);
    const wxtp_status status = build_here(m, reader, user, err);
    if (aside) {
        wx_engine_back(engine);
    }
    return status;
}

/* Trouble is only logged: what stays behind is swept when the store is opened next. */
static void forget(const making *m)
{
    wx_err err = {.status = WXTP_OK};
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, m->core, WXTP_TX_WRITE, &err);
    if (status == WXTP_OK) {
        status = wx_ops(m->core)->job_delete(scope.tx, m->id);
    }
    if (status == WXTP_OK) {
        status = wx_scope_commit(&scope, &err);
    }
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        wx_log(&m->core->log, WXTP_LOG_WARNING, "job %s is unfinished and could not be deleted: %s", m->id,
               err.message);
    }
}

static wxtp_status take_snapshot(wx_op *op, const making *m, const wx_tenant *tenant, const wx_api *list,
                                 wx_err *err)
{
    const wxtp_job_row job = {.id = m->id, .platform = tenant->row.platform, .appid = tenant->row.appid};
    return m->distinct + m->invalid > 0 ? wx_snapshot_take(op, &job, list, err) : WXTP_OK;
}

/* From now on it is a job. Until a runner takes it, it is honestly called interrupted. */
static wxtp_status launch(making *m, const wx_job_order *order, wx_err *err)
{
    static const wx_err not_run = {.kind = "interrupted", .message = "the job has not been run yet"};
    WX_AUTO_JOB *job = NULL;
    WX_AUTO_SCOPE scope = {0};
    /* Synced, and with it what was built: the host is told that the job is stored. */
    wxtp_status status = wx_scope_begin(&scope, m->core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_job_read(m->core, scope.tx, m->id, &job, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    wxtp_job_row *row = &job->row;
    if (row->state != WXTP_JOB_BUILDING) {
        return wx_fail(err, WXTP_ERR_CANCELLED, "job %s was cancelled while its list was read", m->id);
    }
    row->requested = m->distinct + m->invalid;
    row->duplicates = m->duplicates;
    row->invalid = m->invalid;
    row->pending = m->distinct;
    wx_job_unpause(row);
    wx_job_settle(row, wx_wall_ms(m->core));
    if (row->pending > 0) {
        wx_job_pause(row, WXTP_PAUSED_BY_INTERRUPTED, &not_run);
    }
    status = wx_job_write(m->core, scope.tx, row, err);
    if (status == WXTP_OK && order->launched) {
        status = order->launched(order->user, scope.tx, row, err);
    }
    status = status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
    WX_POINT("job.launched");
    return status;
}

/* One try that waits for nothing: while WeChat cannot be asked the list is kept, and the run asks, patiently.
 * A no is a no, and makes no job. */
static wxtp_status pass_gate(const wx_op *op, const char *appid, const wx_api *api, wx_tenant **tenant,
                             wx_err *err)
{
    wx_patience none;
    wx_patience_init(&none, 0);
    wx_op gentle = {.core = op->core,
                    .patience = &none,
                    .job_id = op->job_id,
                    .person = true, /* the run will probe a quota that is remembered as used up */
                    .deadline_boot_ms = op->deadline_boot_ms};
    const wxtp_status status = wx_gate_pass(&gentle, appid, api, tenant, err);
    wx_patience_destroy(&none);
    const bool unasked = status == WXTP_ERR_UNAVAILABLE || status == WXTP_ERR_RATE ||
                         status == WXTP_ERR_QUOTA || status == WXTP_ERR_INTERRUPTED;
    return unasked && *tenant ? WXTP_OK : status;
}

wxtp_status wx_job_create(wx_op *op, const wx_job_order *order, char job_id[64], wx_err *err)
{
    making m = {.core = op->core};
    WX_AUTO_TENANT *tenant = NULL;
    const wx_api *api = NULL, *list = NULL;
    job_id[0] = '\0';
    wxtp_status status = find_api(op->core, order->call, &api, err);
    if (status != WXTP_OK) {
        return status;
    }
    list = order->snapshot ? wx_api_listing(op->core, api) : NULL;
    if (order->snapshot && !list) {
        return wx_fail(err, WXTP_ERR_INVALID,
                       "%s changes no list that can be read: no snapshot of it can be taken", api->name);
    }
    op->person = true; /* who reads the snapshot too */
    status = pass_gate(op, order->appid, api, &tenant, err);
    if (status == WXTP_OK) {
        status = put_new(&m, tenant->row.platform, tenant->row.appid, api->name, order->force, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    WX_POINT("job.building");
    status = build(&m, order->reader, order->user, err);
    WX_POINT("job.built");
    if (status == WXTP_OK && list) {
        status = take_snapshot(op, &m, tenant, list, err);
    }
    if (status != WXTP_OK || m.distinct + m.invalid == 0) {
        forget(&m);
        return status;
    }
    status = launch(&m, order, err);
    if (status == WXTP_OK) {
        wx_copy(job_id, 64, m.id);
    } else {
        forget(&m);
    }
    return status;
}

/* ---- The forecast ---- */

typedef struct invalid_page {
    void (*each)(void *user, const char *text);
    void *user;
    int64_t last_id;
    size_t count;
} invalid_page;

static bool show_invalid(void *user, const wxtp_exception_row *row)
{
    invalid_page *page = user;
    page->each(page->user, row->openid);
    page->last_id = row->id;
    page->count++;
    return true;
}

static wxtp_status show_all_invalid(const making *m, void (*each)(void *user, const char *text), void *user,
                                    wx_err *err)
{
    invalid_page page = {.each = each, .user = user};
    do {
        WX_AUTO_SCOPE scope = {0};
        wxtp_status status = wx_scope_begin(&scope, m->core, WXTP_TX_READ, err);
        if (status != WXTP_OK) {
            return status;
        }
        page.count = 0;
        status = wx_ops(m->core)->exception_list(scope.tx, m->id, WXTP_VERDICT_INVALID, page.last_id,
                                                 INVALID_PAGE, show_invalid, &page);
        if (status != WXTP_OK) {
            return wx_store_fail(m->core, scope.tx, status, "read the invalid openids", err);
        }
    } while (page.count == INVALID_PAGE);
    return WXTP_OK;
}

static wxtp_status ask_gate(wx_core *core, const char *appid, const wx_api *api, wx_tenant **tenant,
                            wxtp_job_forecast *forecast, wx_err *err)
{
    const char *reason = NULL;
    char hint[WX_HINT_MAX] = "";
    wxtp_status status = wx_tenant_find(core, appid, tenant, err);
    if (status != WXTP_OK && status != WXTP_ERR_REFUSED) {
        return status;
    }
    status = wx_gate_look(core, *tenant, api, &reason, hint, err);
    if (status == WXTP_OK) {
        forecast->allowed = reason == NULL;
        wx_copy(forecast->reason, sizeof(forecast->reason), reason);
        wx_copy(forecast->hint, sizeof(forecast->hint), reason ? hint : "");
    }
    return status;
}

/* Counting needs the store's builder, which sorts on disk: the job that it builds is never launched. */
wxtp_status wx_job_forecast(wx_op *op, const char *appid, const char *call, wxtp_openid_reader *reader,
                            void *user, void (*each_invalid)(void *user, const char *text),
                            wxtp_job_forecast *forecast, wx_err *err)
{
    making m = {.core = op->core};
    WX_AUTO_TENANT *tenant = NULL;
    const wx_api *api = NULL;
    wxtp_status status = find_api(op->core, call, &api, err);
    if (status == WXTP_OK) {
        status = ask_gate(op->core, appid, api, &tenant, forecast, err);
    }
    if (status == WXTP_OK) {
        status = put_new(&m, tenant ? tenant->row.platform : "", appid, api->name, false, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    status = build(&m, reader, user, err);
    if (status == WXTP_OK && each_invalid) {
        status = show_all_invalid(&m, each_invalid, user, err);
    }
    forget(&m);
    if (status != WXTP_OK) {
        return status;
    }
    const int64_t most = api->list_max < WXTP_BATCH_MAX ? api->list_max : WXTP_BATCH_MAX;
    forecast->requested = m.distinct + m.invalid;
    forecast->duplicates = m.duplicates;
    forecast->invalid = m.invalid;
    forecast->pending = m.distinct;
    forecast->calls = (m.distinct + most - 1) / most;
    return WXTP_OK;
}
