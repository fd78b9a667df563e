/* What a run of jobs would take. */
#ifndef WX_FLOW_JOB_PLAN_H
#define WX_FLOW_JOB_PLAN_H

#include <wxtp/plan.h>

#include "flow/job.h"

/* As wxtp_plan_list. */
wxtp_status wx_plan_list(wx_op *op, const wx_job_order *list, bool offline, wxtp_job_forecast *forecast,
                         wxtp_plan_part *part, wx_err *err);
/* As wxtp_plan_sum. */
wxtp_status wx_plan_sum(wx_core *core, const char *call, const wxtp_plan_part *parts, size_t count,
                        wxtp_plan *plan, wx_err *err);
/* As wxtp_plan_fits. */
bool wx_plan_fits(const wxtp_plan *plan, const wxtp_plan_part *part);

#endif
