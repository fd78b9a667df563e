/* Jobs: made from a list, run in batches, every openid accounted for. */
#ifndef WX_FLOW_JOB_H
#define WX_FLOW_JOB_H

#include <wxtp/job.h>

#include "flow/dispatch.h"

struct wxtp_job {
    wxtp_job_row row; /* strings point into `storage` */
    char *storage;
    const char *done_word; /* static, or the catalog's */
};

typedef struct wx_job_order {
    const char *appid, *call;
    wxtp_openid_reader *reader;
    void *user;
    bool force;
    bool snapshot; /* reads first which of the openids are on the list that the call changes */
    /* Written in the transaction that makes it a job. NULL: nothing more. */
    wxtp_status (*launched)(void *user, wxtp_tx *tx, const wxtp_job_row *job, wx_err *err);
} wx_job_order;

wxtp_status wx_job_create(wx_op *op, const wx_job_order *order, char job_id[64], wx_err *err);
wxtp_status wx_job_forecast(wx_op *op, const char *appid, const char *call, wxtp_openid_reader *reader,
                            void *user, void (*each_invalid)(void *user, const char *text),
                            wxtp_job_forecast *forecast, wx_err *err);
wxtp_status wx_job_run(wx_op *op, const char *job_id, wxtp_job_run_mode mode, wxtp_job_progress *progress,
                       void *user, wxtp_job **job, wx_err *err);
wxtp_status wx_job_cancel(wx_op *op, const char *job_id, wxtp_job **job, wx_err *err);
wxtp_status wx_job_load(wx_core *core, const char *job_id, wxtp_job **job, wx_err *err);
/* As it is to be told: one that wants to run and that nobody runs is paused, for its runner died. A lease of
 * the fence `ended` counts as given back; 0: none. */
wxtp_status wx_job_look(wx_core *core, const char *job_id, int64_t ended, wxtp_job **job, wx_err *err);
/* Visits jobs of this handle's component and of none, newest first, as wx_job_look tells them; arguments as
 * in wxtp_job_list. */
wxtp_status wx_job_list(wx_core *core, const char *appid, int state, const char *after_id, size_t limit,
                        bool (*each)(void *user, const wxtp_job *job), void *user, wx_err *err);
void wx_job_free(wxtp_job *job);

#endif
