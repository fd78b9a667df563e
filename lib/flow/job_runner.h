/* The runner of a job: one a job, over all processes; its workers, tasks of the engine, share it. */
#ifndef WX_FLOW_JOB_RUNNER_H
#define WX_FLOW_JOB_RUNNER_H

#include "flow/job_inner.h"

typedef struct wx_runner wx_runner;

/* Returns whether it left as `wx_runner_leave` said. */
typedef bool wx_runner_worker(wx_runner *runner, bool first);

/* The job's row while a transaction is under way: read once for all that is committed together, and written
 * once. Write transactions come one after another, so it needs no lock. */
typedef struct wx_book {
    wxtp_job *job;     /* NULL: not open */
    bool held;         /* the lease is ours */
    bool alone;        /* nothing else is committed with it */
    wx_last_word word; /* that writes it */
} wx_book;

/* Batches that were read ahead. */
typedef struct wx_shelved {
    int64_t number;
    char marks[WXTP_BATCH_MAX + 1];
    char openids[WXTP_BATCH_MAX * WX_OPENID_MAX];
} wx_shelved;

typedef struct wx_shelf {
    int64_t from;  /* batches below it are taken, or done */
    int64_t fence; /* of the lease under which they were read */
    wx_shelved *places;
    size_t size, count, next;
} wx_shelf;

struct wx_runner {
    wx_runner_worker *work;
    wx_core *core;
    wx_op *op;
    const wx_api *api;
    wxtp_job_progress *progress; /* NULL: nobody wants to know */
    void *progress_user;
    char lease_name[WX_JOB_LEASE_NAME_MAX];
    int64_t lease_ms;
    int64_t began_boot_ms;
    int64_t told_boot_ms; /* of who runs it alone */
    wx_book book;         /* of the transaction under way */
    wx_shelf shelf;       /* as the book */
    wx_bell changed;      /* rung when a worker ends, the door opens, or the run ends */

    pthread_mutex_t lock; /* what follows */
    wxtp_lease lease;
    int64_t renewed_boot_ms;
    wxtp_job *view;          /* the newest committed picture */
    bool begun;              /* the first worker has */
    bool opened;             /* the first call is decided: the others may start */
    bool ending;             /* no new call */
    bool lost;               /* another runner has the job */
    wx_err outcome;          /* why it is ending */
    int64_t loose_refreshes; /* made, and not yet counted in the job */
    bool drained;            /* no batch is left to take */
    int alive;               /* workers */
    int leaving;             /* of them, those that are to end with the batch in hand */
};

/* Has workers at work until none is left; who calls it keeps the lease and tells progress. */
void wx_runner_run(wx_runner *runner);

/* Whether the worker that asks is one too many, now that other tenants want places too: then it ends with the
 * batch that it has in hand. Others are started when the crowd is gone. */
bool wx_runner_leave(wx_runner *runner);

/* Ends the run; the first reason given counts. Returns whether this was it. */
bool wx_runner_end(wx_runner *runner, const wx_err *why);
bool wx_runner_ending(wx_runner *runner);
/* Keeps the lease within a write transaction: renews it when a third of it is over, takes it anew when it ran
 * out and nobody else has it. `held` tells; when another has it, the run ends. */
wxtp_status wx_runner_hold(wx_runner *runner, wxtp_tx *tx, bool *held, wx_err *err);
/* The same in a transaction of its own, when it is due. */
wxtp_status wx_runner_heartbeat(wx_runner *runner, wx_err *err);
/* Opens the book in a write transaction: the row as it is stored, and what others committed together have
 * entered. WXTP_ERR_NOT_FOUND when the job is gone. */
wxtp_status wx_runner_open(wx_runner *runner, wxtp_tx *tx, wxtp_job **job, bool *held, wx_err *err);
/* When all is entered; `status` is how that went, and comes back unless the writing fails. */
wxtp_status wx_runner_close(wx_runner *runner, wxtp_tx *tx, wxtp_status status, wx_err *err);
/* Shows the newest picture to the caller, about five times a second; ends the run when the caller says so. */
void wx_runner_tell(wx_runner *runner, bool at_once);
/* Asks the caller, as wxtp_job_progress; `err` is set when the answer is no. */
bool wx_runner_go_on(const wx_runner *runner, const wxtp_job *job, wx_err *err);

#endif
