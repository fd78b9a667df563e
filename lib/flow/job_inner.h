/* What the files of a job share. */
#ifndef WX_FLOW_JOB_INNER_H
#define WX_FLOW_JOB_INNER_H

#include "domain/storage.h"
#include "flow/job.h"

/* Copies a row; freed by wx_job_free. */
wxtp_status wx_job_copy(wx_core *core, const wxtp_job_row *row, wxtp_job **job, wx_err *err);
void wx_job_free_at(wxtp_job **job);
#define WX_AUTO_JOB __attribute__((cleanup(wx_job_free_at))) wxtp_job
/* The word for what succeeded in a call of the catalog. */
const char *wx_job_done_word(const wx_core *core, const char *call);

/* A job of this handle's component, or of no component, within a transaction; with no component chosen, any.
 * WXTP_ERR_NOT_FOUND. */
wxtp_status wx_job_read(wx_core *core, wxtp_tx *tx, const char *job_id, wxtp_job **job, wx_err *err);
/* What wx_job_look makes of a job that was read in the same transaction. */
wxtp_status wx_job_as_told(wx_core *core, wxtp_tx *tx, int64_t ended, wxtp_job *job, wx_err *err);
/* Puts a row back, whose openids must all be accounted for. */
wxtp_status wx_job_write(wx_core *core, wxtp_tx *tx, wxtp_job_row *row, wx_err *err);

bool wx_job_finished(const wxtp_job_row *row); /* done, partial or cancelled */
/* Makes an unfinished job in which nothing is pending done or partial. */
void wx_job_settle(wxtp_job_row *row, int64_t now_ms);
/* Pauses a row for the reason in `why`, whose strings it borrows. */
void wx_job_pause(wxtp_job_row *row, wxtp_paused_by by, const wx_err *why);
/* Ends a pause. */
void wx_job_unpause(wxtp_job_row *row);
/* Why a job is paused, as an error; WXTP_OK where it is not. */
wxtp_status wx_job_pause_err(const wxtp_job_row *row, wx_err *err);

enum { WX_JOB_LEASE_NAME_MAX = 80 };
void wx_job_lease_name(char name[WX_JOB_LEASE_NAME_MAX], const char *job_id);

#endif
