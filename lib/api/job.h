/* What every public call about one job asks first. */
#ifndef WX_API_JOB_H
#define WX_API_JOB_H

#include <wxtp/job.h>

#include "domain/core.h"

wxtp_status wx_need_job_id(const char *job_id, wx_err *err);
wxtp_status wx_need_mode(wxtp_job_run_mode mode, wx_err *err);
wxtp_status wx_need_openids(const char *appid, const char *const *openids, size_t count, wx_err *err);
/* With several components and none chosen, a job can be seen by its id, but nothing be called for it. */
wxtp_status wx_need_its_component(wx_core *core, const char *job_id, wx_err *err);

#endif
