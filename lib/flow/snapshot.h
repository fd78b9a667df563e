/* Which of a job's openids are on the list that its call changes: now, and before it ran. */
#ifndef WX_FLOW_SNAPSHOT_H
#define WX_FLOW_SNAPSHOT_H

#include "flow/job_inner.h"

enum { WX_PART_BATCHES = 1024, WX_PART_MARKS = WX_PART_BATCHES * WXTP_BATCH_MAX };

/* A mark an openid, WXTP_BATCH_MAX a batch whether it is full or not. */
enum { WX_LISTED = '+', WX_NOT_LISTED = '.' };

/* The batches of a job from part * WX_PART_BATCHES on; `marks` is theirs, ended by NUL. */
typedef wxtp_status wx_part_visit(void *user, int64_t part, const char *marks, wx_err *err);

typedef struct wx_compared {
    int64_t batches; /* of the job */
    int64_t listed;  /* of its openids */
    int64_t total;   /* the whole list, by WeChat's count */
} wx_compared;

/* Reads the whole list from WeChat and visits all parts of the job, in order. Memory does not grow with
 * either; `api` is the call that reads the list. */
wxtp_status wx_snapshot_compare(wx_op *op, const char *job_id, const char *appid, const wx_api *api,
                                wx_part_visit *each, void *user, wx_compared *compared, wx_err *err);

/* Reads the list and keeps what it says of the job's openids. The job is being built: what is left of a
 * failure goes with it. */
wxtp_status wx_snapshot_take(wx_op *op, const wxtp_job_row *job, const wx_api *api, wx_err *err);

/* WXTP_ERR_NOT_FOUND where none was taken. `row->undo_id` is copied to `undo_id`. */
wxtp_status wx_snapshot_find(wx_core *core, wxtp_tx *tx, const char *job_id, wxtp_snapshot_row *row,
                             char undo_id[64], wx_err *err);
/* The marks of a part, of WX_PART_MARKS characters; freed by wx_free. */
wxtp_status wx_snapshot_part(wx_core *core, const wxtp_job_row *job, int64_t part, char **marks, wx_err *err);

/* Tells of each job of the component (and of none, unless they were `shared_seen`) whose snapshot does not
 * open. */
wxtp_status wx_snapshots_check(wx_core *core, const char *component, bool shared_seen,
                               void (*problem)(void *user, const char *text), void *user, wx_err *err);

/* A batch of a job, copied. WXTP_ERR_NOT_FOUND past the last one. */
typedef struct wx_kept_batch {
    char openids[WXTP_BATCH_MAX * WX_OPENID_MAX];
    char marks[WXTP_BATCH_MAX + 1];
    const char *openid[WXTP_BATCH_MAX]; /* into `openids` */
    size_t count;
} wx_kept_batch;
wxtp_status wx_kept_batch_read(wx_core *core, wxtp_tx *tx, const char *job_id, int64_t number,
                               wx_kept_batch *batch, wx_err *err);

#endif
