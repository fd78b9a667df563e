/* What a worker does: batches, calls, what their answers mean for each openid. */
#ifndef WX_FLOW_JOB_WORK_H
#define WX_FLOW_JOB_WORK_H

#include "flow/job_runner.h"

/* Works through batches until none is left, the runner is ending, or it is one worker too many. */
bool wx_job_work(wx_runner *runner, bool first);

#endif
