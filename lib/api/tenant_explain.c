/* Why a call is allowed or not. */
#include <string.h>
#include <wxtp/tenant.h>

#include "api/handle.h"
#include "domain/gate_explain.h"
#include "flow/dispatch.h"

static wxtp_status find_api(wx_core *core, const char *call, const wx_api **api, wx_err *err)
{
    *api = wx_api_find(core, call);
    if (*api) {
        return WXTP_OK;
    }
    wx_fail(err, WXTP_ERR_NOT_FOUND, "the catalog has no call \"%.63s\"", call);
    WX_AUTO_BUF names;
    wx_buf_init(&names, &core->allocator, sizeof(err->hint) - 64);
    for (size_t at = 0; at < core->catalog_count; at++) {
        (void)wx_buf_printf(&names, "%s%s", at ? ", " : "", core->catalog[at].name);
    }
    wx_err_hint(err, "It has these: %s.", wx_buf_str(&names));
    return err->status;
}

static wxtp_status explain(wx_op *op, const char *appid, const char *call, bool ask,
                           wx_explanation *explanation, wx_err *err)
{
    const wx_api *api = NULL;
    wxtp_status status = find_api(op->core, call, &api, err);
    op->person = true;
    if (status == WXTP_OK) {
        status = wx_gate_explain(op, appid, api, ask, explanation, err);
    }
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND && !err->tenant[0]) {
        wx_err_tenant(err, appid);
    }
    return status;
}

wxtp_status wxtp_tenant_explain(wxtp_platform *platform, const char *appid, const char *call, bool ask,
                                wxtp_verdict_on_call *verdict,
                                void (*each)(void *user, const wxtp_condition *condition), void *user,
                                wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    wx_explanation told;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status;
    if (!appid || !call || !verdict || verdict->struct_size < sizeof(*verdict)) {
        status = wx_fail(&err, WXTP_ERR_INVALID,
                         "no appid, call or verdict was given, or the verdict's struct_size is too small");
    } else {
        status = explain(&door.op, appid, call, ask, &told, &err);
    }
    if (status == WXTP_OK) {
        *verdict = (wxtp_verdict_on_call){.struct_size = verdict->struct_size, .allowed = !told.reason[0]};
        (void)wx_copy(verdict->reason, sizeof(verdict->reason), told.reason);
        (void)wx_copy(verdict->hint, sizeof(verdict->hint), told.hint);
        for (size_t at = 0; each && at < WX_CONDITIONS; at++) {
            const wx_condition *condition = &told.conditions[at];
            each(user, &(wxtp_condition){.name = condition->name,
                                         .holds = condition->holds,
                                         .value = condition->value,
                                         .source = condition->source,
                                         .read_ms = condition->read_ms});
        }
    }
    return wx_leave(&door, status, &err, error);
}
