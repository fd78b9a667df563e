/* Taking a job back: who of it was on the list before, who is now, and putting those back that it took off.
 */
#ifndef WX_FLOW_JOB_UNDO_H
#define WX_FLOW_JOB_UNDO_H

#include "flow/job.h"

typedef bool wx_compared_visit(void *user, const char *openid, wxtp_tristate before, bool now);

/* Visits the openids of the job that are on the list now or were on it before, in the job's order. */
wxtp_status wx_job_compare(wx_op *op, const char *job_id, wx_compared_visit *each, void *user,
                           wxtp_job_diff *diff, wx_err *err);
/* Makes the job that undoes it, or gives the one that was made before; "" where nothing is to be put back. */
wxtp_status wx_job_undo(wx_op *op, const char *job_id, char undo_id[64], wx_err *err);
/* Counts what that job would be. */
wxtp_status wx_job_undo_forecast(wx_op *op, const char *job_id, wxtp_job_forecast *forecast, wx_err *err);

#endif
