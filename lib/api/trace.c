/* From a request id to how it came about. */
#include <string.h>
#include <wxtp/audit.h>

#include "api/handle.h"
#include "base/text.h"
#include "domain/storage.h"
#include "domain/tenant.h"

typedef void step_visitor(void *user, wxtp_trace_step step, const wxtp_audit_row *row,
                          const wxtp_push_row *push);

typedef struct trace {
    wx_core *core;
    wxtp_tx *tx;
    step_visitor *each;
    void *user;
    wx_err *err;
    /* Of the call. */
    int64_t id, generation;
    char platform[WX_APPID_MAX], appid[WX_APPID_MAX];
    unsigned char push[32]; /* that brought the code */
} trace;

static wxtp_status read_failed(trace *t, wxtp_status status)
{
    return wx_store_fail(t->core, t->tx, status, "read the audit record", t->err);
}

static wxtp_status tell_call(trace *t, const char *rid)
{
    wxtp_audit_row row = {0};
    const wxtp_status status = wx_ops(t->core)->audit_by_rid(t->tx, t->core->settings.component, rid, &row);
    if (status == WXTP_ERR_NOT_FOUND) {
        wx_fail(t->err, status, "no call with the request id %.63s is on record", rid);
        wx_err_hint(t->err,
                    "Calls are kept for the setting audit_days; see wxtp-admin audit for those there are, "
                    "and that the database is the right one.");
        return status;
    }
    if (status != WXTP_OK) {
        return read_failed(t, status);
    }
    t->id = row.id;
    t->generation = row.token_generation;
    wx_copy(t->platform, sizeof(t->platform), row.platform);
    wx_copy(t->appid, sizeof(t->appid), row.appid);
    t->each(t->user, WXTP_TRACE_CALL, &row, NULL);
    return WXTP_OK;
}

/* WXTP_ERR_NOT_FOUND where it is not on record. */
static wxtp_status tell_maker(trace *t, wxtp_trace_step step, int64_t generation, const char *call,
                              char source[WX_SOURCE_MAX])
{
    const wxtp_maker_filter filter = {.platform = t->platform,
                                      .appid = t->appid,
                                      .before_id = t->id,
                                      .generation = generation,
                                      .call = call};
    wxtp_audit_row row = {0};
    const wxtp_status status = wx_ops(t->core)->audit_maker(t->tx, &filter, &row);
    if (status == WXTP_OK) {
        wx_copy(source, WX_SOURCE_MAX, row.source);
        t->each(t->user, step, &row, NULL);
    }
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND ? status : read_failed(t, status);
}

/* "push EVENT ID" */
static bool push_of(const char *source, unsigned char digest[32])
{
    const char *hex = strrchr(source, ' ');
    if (strncmp(source, "push ", 5) != 0 || !hex || strlen(hex + 1) != 64) {
        return false;
    }
    for (size_t i = 0; i < 64; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = strchr(digits, hex[1 + i]);
        if (!digit) {
            return false;
        }
        digest[i / 2] = (unsigned char)(digest[i / 2] << 4 | (digit - digits));
    }
    return true;
}

static wxtp_status tell_push(trace *t, const char *source)
{
    wxtp_push_row row = {0};
    if (!push_of(source, t->push)) {
        return WXTP_OK;
    }
    const wxtp_status status =
        wx_ops(t->core)->push_get(t->tx, t->platform, (wxtp_blob){t->push, sizeof(t->push)}, &row);
    if (status == WXTP_OK) {
        t->each(t->user, WXTP_TRACE_PUSH, NULL, &row);
    }
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND ? WXTP_OK : read_failed(t, status);
}

static wxtp_status tell(trace *t, const char *rid)
{
    char source[WX_SOURCE_MAX] = "";
    wxtp_status status = tell_call(t, rid);
    if (status == WXTP_OK && t->generation > 0) {
        status = tell_maker(t, WXTP_TRACE_TOKEN, t->generation, NULL, source);
    }
    if (status != WXTP_OK && t->id == 0) {
        return status;
    }
    if (status == WXTP_OK || status == WXTP_ERR_NOT_FOUND) {
        source[0] = '\0';
        status = tell_maker(t, WXTP_TRACE_EXCHANGE, 0, wx_catalog_platform(WX_API_QUERY_AUTH)->name, source);
    }
    if (status == WXTP_OK) {
        status = tell_push(t, source);
    }
    return status == WXTP_ERR_NOT_FOUND ? WXTP_OK : status;
}

static wxtp_status trace_it(wx_core *core, const char *rid, step_visitor *each, void *user, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    trace t = {.core = core, .each = each, .user = user, .err = err};
    if (!rid || !rid[0] || !each) {
        return wx_fail(err, WXTP_ERR_INVALID, "no request id or no visitor was given");
    }
    wxtp_status status = wx_need_view(core, NULL, err);
    if (status == WXTP_OK) {
        status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    }
    t.tx = scope.tx;
    return status == WXTP_OK ? tell(&t, rid) : status;
}

wxtp_status wxtp_audit_trace(wxtp_platform *platform, const char *rid, step_visitor *each, void *user,
                             wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    const wxtp_status status = trace_it(door.op.core, rid, each, user, &err);
    return wx_leave(&door, status, &err, error);
}
