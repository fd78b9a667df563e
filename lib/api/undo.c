/* Taking a job back. */
#include <wxtp/job.h>

#include "api/handle.h"
#include "api/job.h"
#include "flow/job_undo.h"

static wxtp_status need_job(wx_core *core, const char *job_id, wx_err *err)
{
    const wxtp_status status = wx_need_job_id(job_id, err);
    return status == WXTP_OK ? wx_need_its_component(core, job_id, err) : status;
}

wxtp_status wxtp_job_compare(wxtp_platform *platform, const char *job_id,
                             bool (*each)(void *user, const char *openid, wxtp_tristate before, bool now),
                             void *user, wxtp_job_diff *diff, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = need_job(door.op.core, job_id, &err);
    if (status == WXTP_OK && (!diff || diff->struct_size < sizeof(*diff))) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "struct_size of the comparison is too small");
    }
    if (status == WXTP_OK) {
        status = wx_job_compare(&door.op, job_id, each, user, diff, &err);
    }
    return wx_leave(&door, status, &err, error);
}

wxtp_status wxtp_job_undo(wxtp_platform *platform, const char *job_id, char undo_id[64], wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (undo_id) {
        undo_id[0] = '\0';
    }
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = need_job(door.op.core, job_id, &err);
    if (status == WXTP_OK && !undo_id) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "a place for the id of the undo is needed");
    }
    if (status == WXTP_OK) {
        status = wx_job_undo(&door.op, job_id, undo_id, &err);
    }
    return wx_leave(&door, status, &err, error);
}

wxtp_status wxtp_job_undo_forecast(wxtp_platform *platform, const char *job_id, wxtp_job_forecast *forecast,
                                   wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = need_job(door.op.core, job_id, &err);
    if (status == WXTP_OK && (!forecast || forecast->struct_size < sizeof(*forecast))) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "struct_size of the forecast is too small");
    }
    if (status == WXTP_OK) {
        status = wx_job_undo_forecast(&door.op, job_id, forecast, &err);
    }
    return wx_leave(&door, status, &err, error);
}
