/* Changing tenants: the operator's word, removal, and reading them back from WeChat. */
#include <string.h>
#include <wxtp/tenant.h>

#include "api/handle.h"
#include "domain/record.h"
#include "domain/storage.h"
#include "domain/sync.h"
#include "domain/tenant.h"
#include "domain/token.h"
#include "flow/job.h"

static wxtp_status drop_hold(wx_core *core, wxtp_tx *tx, const wx_tenant *tenant, wxtp_hold_kind kind,
                             wx_err *err)
{
    wxtp_status status = wx_ops(core)->hold_delete(tx, tenant->row.platform, tenant->row.appid, NULL, kind);
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND
               ? WXTP_OK
               : wx_store_fail(core, tx, status, "end a kept refusal", err);
}

static wxtp_status audit(wx_core *core, wxtp_tx *tx, const wx_tenant *tenant, const char *call,
                         const char *what, wx_err *err)
{
    const wx_record record = {
        .platform = tenant->row.platform,
        .appid = tenant->row.appid,
        .call = call,
        .job_id = "",
        .errmsg = what,
        .rid = "",
    };
    return wx_record_add(core, tx, &record, err);
}

static wxtp_status change_failed(wxtp_status status, const char *appid, wx_err *err)
{
    return status == WXTP_ERR_NOT_FOUND ? wx_fail(err, WXTP_ERR_CONFLICT, "%s has just been removed", appid)
                                        : status;
}

/* ---- The operator's word ---- */

static bool overrule(void *user, wxtp_tenant_row *row)
{
    row->override_certified = *(const wxtp_tristate *)user;
    return true;
}

static wxtp_status set_certified(wx_core *core, const char *appid, wxtp_tristate certified, wx_err *err)
{
    static const char *const words[] = {"certified auto", "certified no", "certified yes"};
    WX_AUTO_TENANT *tenant = NULL;
    if (!appid || certified < -1 || certified > 1) {
        return wx_fail(err, WXTP_ERR_INVALID, "no appid was given, or certified is not -1, 0 or 1");
    }
    wxtp_status status = wx_tenant_find(core, appid, &tenant, err);
    if (status != WXTP_OK) {
        return status;
    }
    WX_AUTO_SCOPE scope = {0};
    status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = change_failed(
            wx_tenant_change(&scope, tenant->row.platform, appid, overrule, &certified, err), appid, err);
    }
    if (status == WXTP_OK) {
        status = drop_hold(core, scope.tx, tenant, WXTP_HOLD_REFUSED, err);
    }
    if (status == WXTP_OK) {
        status = audit(core, scope.tx, tenant, "tenant.set", words[certified + 1], err);
    }
    return status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
}

wxtp_status wxtp_tenant_set_certified(wxtp_platform *platform, const char *appid, wxtp_tristate certified,
                                      wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = set_certified(door.op.core, appid, certified, &err);
    return wx_leave(&door, status, &err, error);
}

/* ---- Removal ---- */

enum { JOBS_AT_ONCE = 32, JOBS_MAX = 1000000, CODES_AT_ONCE = 32, DIGEST_LEN = 32, ROUNDS = 100 };

typedef struct unfinished {
    const wx_tenant *tenant;
    char ids[JOBS_AT_ONCE][64];
    size_t count;
} unfinished;

static bool see_job(void *user, const wxtp_job_row *row)
{
    unfinished *jobs = user;
    if (!row->cancel_requested && strcmp(row->platform, jobs->tenant->row.platform) == 0) {
        (void)wx_copy(jobs->ids[jobs->count++], sizeof(jobs->ids[0]), row->id);
    }
    return jobs->count < JOBS_AT_ONCE;
}

/* Jobs that nobody has cancelled yet. */
static wxtp_status find_jobs(wx_core *core, wxtp_tx *tx, unfinished *jobs, wx_err *err)
{
    const wxtp_job_filter filter = {
        .platform = jobs->tenant->row.platform,
        .appid = jobs->tenant->row.appid,
        .state = -1,
        .unfinished_only = true,
        .limit = JOBS_MAX,
    };
    jobs->count = 0;
    wxtp_status status = wx_ops(core)->job_list(tx, &filter, see_job, jobs);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, tx, status, "list the tenant's jobs", err);
}

static wxtp_status has_jobs(const unfinished *jobs, wx_err *err)
{
    (void)wx_fail(err, WXTP_ERR_STATE, "%s has unfinished jobs, as %s", jobs->tenant->row.appid,
                  jobs->ids[0]);
    wx_err_tenant(err, jobs->tenant->row.appid);
    wx_err_hint(err, "Let them end or cancel them; or remove the tenant by force, which cancels them.");
    return err->status;
}

typedef struct open_codes {
    unsigned char digests[CODES_AT_ONCE][DIGEST_LEN];
    size_t count;
} open_codes;

static bool see_code(void *user, const wxtp_code_row *row)
{
    open_codes *codes = user;
    if (row->digest.len == DIGEST_LEN) {
        memcpy(codes->digests[codes->count++], row->digest.data, DIGEST_LEN);
    }
    return codes->count < CODES_AT_ONCE;
}

/* Codes that have not been exchanged would bring the tenant back. */
static wxtp_status spoil_codes(wx_core *core, wxtp_tx *tx, const wx_tenant *tenant, wx_err *err)
{
    const wxtp_store_ops *ops = wx_ops(core);
    open_codes codes = {0};
    wxtp_status status = WXTP_OK;
    for (int round = 0; round < ROUNDS && status == WXTP_OK; round++) {
        codes.count = 0;
        status = ops->code_open(tx, tenant->row.platform, tenant->row.appid, see_code, &codes);
        for (size_t at = 0; at < codes.count && status == WXTP_OK; at++) {
            wxtp_code_row row = {0};
            status =
                ops->code_get(tx, tenant->row.platform, (wxtp_blob){codes.digests[at], DIGEST_LEN}, &row);
            if (status == WXTP_OK) {
                const wxtp_code_row spoilt = {
                    .platform = tenant->row.platform,
                    .digest = {codes.digests[at], DIGEST_LEN},
                    .appid = tenant->row.appid,
                    .state = WXTP_CODE_BAD,
                    .create_time_s = row.create_time_s,
                    .received_ms = row.received_ms,
                    .expires_ms = row.expires_ms,
                };
                status = ops->code_put(tx, &spoilt);
            }
        }
        if (codes.count < CODES_AT_ONCE) {
            break;
        }
    }
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, tx, status, "forget the tenant's codes", err);
}

/* What stays says only that this appid was forgotten, and which news of it are old. */
static bool forget_row(void *user, wxtp_tenant_row *row)
{
    const wx_core *core = user;
    wxtp_tenant_row bare = wx_tenant_row_new(row->platform, row->appid, wx_wall_ms(core));
    bare.credential = row->credential;
    bare.status = WXTP_TENANT_UNAUTHORIZED;
    bare.event_time_s = row->event_time_s;
    bare.created_ms = row->created_ms;
    bare.removed = true;
    *row = bare;
    return true;
}

static wxtp_status forget(wx_scope *scope, const wx_tenant *tenant, wx_err *err)
{
    wx_core *core = scope->core;
    wxtp_tx *tx = scope->tx;
    const char *platform = tenant->row.platform;
    const char *appid = tenant->row.appid;
    wxtp_status status =
        change_failed(wx_tenant_change(scope, platform, appid, forget_row, core, err), appid, err);
    if (status == WXTP_OK) {
        status = wx_token_forget(core, tx, platform, appid, err);
    }
    if (status == WXTP_OK) {
        status = spoil_codes(core, tx, tenant, err);
    }
    if (status == WXTP_OK) {
        status = drop_hold(core, tx, tenant, WXTP_HOLD_REFUSED, err);
    }
    if (status == WXTP_OK) {
        status = drop_hold(core, tx, tenant, WXTP_HOLD_QUOTA, err);
    }
    return status == WXTP_OK ? audit(core, tx, tenant, "tenant.remove", "removed", err) : status;
}

/* Forgets the tenant unless it has jobs that must be cancelled first; `jobs` then names some. */
static wxtp_status try_forget(wx_core *core, unfinished *jobs, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = find_jobs(core, scope.tx, jobs, err);
    }
    if (status == WXTP_OK && jobs->count > 0) {
        return has_jobs(jobs, err);
    }
    if (status == WXTP_OK) {
        status = forget(&scope, jobs->tenant, err);
    }
    return status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
}

static wxtp_status cancel(wx_op *op, const unfinished *jobs, wx_err *err)
{
    wxtp_status status = WXTP_OK;
    for (size_t at = 0; at < jobs->count && status == WXTP_OK; at++) {
        wxtp_job *job = NULL;
        status = wx_job_cancel(op, jobs->ids[at], &job, err);
        wx_job_free(job);
    }
    return status;
}

static wxtp_status remove_tenant(wx_op *op, const char *appid, bool cancel_jobs, wx_err *err)
{
    WX_AUTO_TENANT *tenant = NULL;
    wxtp_status status = appid ? wx_tenant_find(op->core, appid, &tenant, err)
                               : wx_fail(err, WXTP_ERR_INVALID, "no appid was given");
    if (status != WXTP_OK) {
        return status;
    }
    unfinished jobs = {.tenant = tenant};
    for (int round = 0; round < ROUNDS; round++) {
        status = try_forget(op->core, &jobs, err);
        if (status != WXTP_ERR_STATE || !cancel_jobs || jobs.count == 0) {
            return status;
        }
        status = cancel(op, &jobs, err);
        if (status != WXTP_OK) {
            return status;
        }
    }
    return has_jobs(&jobs, err);
}

wxtp_status wxtp_tenant_remove(wxtp_platform *platform, const char *appid, bool cancel_jobs,
                               wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = remove_tenant(&door.op, appid, cancel_jobs, &err);
    return wx_leave(&door, status, &err, error);
}

/* ---- Reading them back ---- */

wxtp_status wxtp_tenant_sync(wxtp_platform *platform, const char *const *appids, size_t count,
                             wxtp_sync_failure *failed, wxtp_sync_progress *progress, void *user,
                             wxtp_sync_result *result, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wx_sync_counts counts = {0};
    wxtp_status status = WXTP_OK;
    if (result && result->struct_size < sizeof(*result)) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "the result's struct_size is too small");
    } else if (!appids && count > 0) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "no appids were given, but a number of them");
    } else {
        door.op.person = true;
        status = wx_sync(&door.op, appids, count, failed, progress, user, &counts, &err);
        if (result) {
            result->synced = counts.synced;
            result->added = counts.added;
            result->repaired = counts.repaired;
            result->unauthorized = counts.unauthorized;
        }
    }
    return wx_leave(&door, status, &err, error);
}
