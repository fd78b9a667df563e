#include <wxtp/plan.h>

#include "api/handle.h"
#include "flow/job_plan.h"

wxtp_status wxtp_plan_list(wxtp_platform *platform, const char *appid, const char *call,
                           wxtp_openid_reader *reader, void *user, bool offline, wxtp_job_forecast *forecast,
                           wxtp_plan_part *part, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    const wx_job_order list = {.appid = appid, .call = call, .reader = reader, .user = user};
    wxtp_status status = WXTP_OK;
    if (!appid || !call || !reader) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "an appid, a call and a list are needed");
    } else if (!forecast || forecast->struct_size < sizeof(*forecast) || !part ||
               part->struct_size < sizeof(*part)) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "struct_size of the forecast or the part is too small");
    } else {
        status = wx_plan_list(&door.op, &list, offline, forecast, part, &err);
    }
    return wx_leave(&door, status, &err, error);
}

static wxtp_status need_parts(const char *call, const wxtp_plan_part *parts, size_t count, wx_err *err)
{
    if (!call || (!parts && count > 0)) {
        return wx_fail(err, WXTP_ERR_INVALID, "a call and parts are needed");
    }
    for (size_t at = 0; at < count; at++) {
        if (parts[at].struct_size < sizeof(parts[at])) {
            return wx_fail(err, WXTP_ERR_INVALID, "struct_size of part %zu is too small", at);
        }
    }
    return WXTP_OK;
}

wxtp_status wxtp_plan_sum(wxtp_platform *platform, const char *call, const wxtp_plan_part *parts,
                          size_t count, wxtp_plan *plan, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = need_parts(call, parts, count, &err);
    if (status == WXTP_OK && (!plan || plan->struct_size < sizeof(*plan))) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "struct_size of the plan is too small");
    }
    if (status == WXTP_OK) {
        status = wx_plan_sum(door.op.core, call, parts, count, plan, &err);
    }
    return wx_leave(&door, status, &err, error);
}

bool wxtp_plan_fits(const wxtp_plan *plan, const wxtp_plan_part *part)
{
    return plan && part && wx_plan_fits(plan, part);
}
