#include <wxtp/audit.h>

#include "api/handle.h"
#include "domain/storage.h"
#include "domain/tenant.h"

enum { ROWS_MAX = 10000 };

static wxtp_status list(wx_core *core, const wxtp_audit_filter *filter,
                        bool (*each)(void *user, const wxtp_audit_row *row), void *user, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->audit_list(scope.tx, filter, each, user);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, scope.tx, status, "read the audit record", err);
}

wxtp_status wxtp_audit_list(wxtp_platform *platform, const char *appid, int64_t since_ms, size_t limit,
                            bool (*each)(void *user, const wxtp_audit_row *row), void *user,
                            wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wx_core *core = door.op.core;
    const wxtp_audit_filter filter = {
        .platform = core->settings.component, .appid = appid, .since_ms = since_ms, .limit = limit};
    wxtp_status status = WXTP_OK;
    if (!each || limit == 0 || limit > ROWS_MAX) {
        status =
            wx_fail(&err, WXTP_ERR_INVALID, "audit: a visitor and a limit from 1 to %d are needed", ROWS_MAX);
    } else {
        status = wx_need_view(core, appid, &err);
    }
    if (status == WXTP_OK) {
        status = list(core, &filter, each, user, &err);
    }
    return wx_leave(&door, status, &err, error);
}
