/* Running jobs, and telling what became of them. */
#ifndef AD_JOB_RUN_H
#define AD_JOB_RUN_H

#include "output.h"

const char *ad_job_state_word(const wxtp_job *job);
const char *ad_paused_by_word(const wxtp_job *job); /* "" where it is not paused */
/* What a call's success is called where there is no job to ask. */
const char *ad_done_word(const char *call);

/* The job's object on standard output, as JSON with every invalid and failed openid, or as lines. */
int ad_job_print(ad_app *app, const wxtp_job *job);

/* An empty list is no mistake: there is nothing to do. `appid` is for JSON. */
int ad_job_print_nothing(ad_app *app, const char *appid, const char *call);

/* As the command line has them. */
wxtp_job_options ad_job_options(const ad_app *app);

/* The exit code of a run that ended so, and why; frees `*error`. `job` may be NULL. */
int ad_job_judge(const wxtp_job *job, wxtp_status status, wxtp_error **error, ad_failure *failure);

/* Where --rejects writes to. Opened before the run, so that no call is spent for a result that has no place.
 */
typedef struct ad_rejects {
    FILE *to; /* NULL: nowhere */
    const char *path;
    bool made; /* by us */
    bool used;
} ad_rejects;
int ad_rejects_open(ad_rejects *rejects, ad_app *app);
void ad_rejects_put(ad_rejects *rejects, const char *appid, const char *openid, bool invalid,
                    int64_t errcode);
/* Of one job; `appid` NULL: not named in the lines. */
int ad_rejects_job(ad_rejects *rejects, ad_app *app, const wxtp_job *job, const char *appid,
                   ad_failure *failure);
/* There is a result: the file stays, though it be empty. */
void ad_rejects_keep(ad_rejects *rejects);
/* Ends it; a file that we made and did not use goes away. Returns `code`, or that of an error in writing. */
int ad_rejects_close(ad_rejects *rejects, ad_app *app, int code);

/* One job among several that run at once. */
typedef struct ad_task {
    char *appid;
    char job_id[64]; /* "": none */
    wxtp_job_run_mode mode;
    int64_t requested;
    int exit_code;
    ad_failure *refusal; /* why there is no job */
} ad_task;
/* Runs those that have an id; `worst` is kept under a lock. */
void ad_tasks_run(ad_app *app, ad_task *tasks, size_t count, ad_failure *worst);
/* {"jobs":[...]} or a table. `next`: whether "next" belongs into it. */
int ad_tasks_print(ad_app *app, const ad_task *tasks, size_t count, bool next);

/* Runs one job with a progress bar, prints it and judges it. */
int ad_job_run_and_print(ad_app *app, const char *job_id, wxtp_job_run_mode mode, ad_rejects *rejects);

/* A table of jobs. */
enum { AD_JOB_COLUMNS = 9 };
extern const char *const ad_job_headings[AD_JOB_COLUMNS];
/* One row of a list of jobs, in the list's form. Returns an exit code. */
int ad_list_job(ad_list *list, const wxtp_job *job);

#endif
