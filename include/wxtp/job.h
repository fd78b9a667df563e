/**
 * @file job.h
 * Durable work on lists of openids: batchUnblacklist and every other call of the catalog that takes a list.
 * requested = succeeded + invalid + failed + pending, at any moment, after any crash.
 */
#ifndef WXTP_JOB_H
#define WXTP_JOB_H

#include <wxtp/platform.h>

WXTP_BEGIN_DECLS

typedef struct wxtp_job wxtp_job; /**< A picture of a job at one moment. */

/**
 * Gives the next openid. `*openid` is borrowed until the next call, and never NULL; blanks around are the
 * caller's to drop.
 * @return 1 with an openid, 0 at the end, -1 when reading failed.
 */
typedef int wxtp_openid_reader(void *user, const char **openid, size_t *len);

/** Zero it and set `struct_size` to `sizeof(wxtp_job_options)`. */
typedef struct wxtp_job_options {
    size_t struct_size;
    bool force;    /**< go on though the first 200 openids are all refused */
    bool snapshot; /**< read first which of the openids are on the list, so that the job can be undone */
} wxtp_job_options;

/**
 * Stores a job. The gate is asked first; nothing is stored when it says no. Where WeChat cannot be asked for
 * it, the list is stored all the same, and the job's run asks. The list may have any length and
 * is not held in memory; what cannot be an openid is `invalid` at once, repeated ones are counted as
 * duplicates. An empty list makes no job: WXTP_OK with an empty `job_id`.
 *
 * With options->snapshot the list that the call changes (getBlacklist, all its pages) is read first, and it
 * is kept, sealed, which of the job's openids were on it: one mark an openid, whatever the length of that
 * list. When it cannot be read, no job is made. It is deleted with the job.
 *
 * @param call a name of the catalog with a list, as in "batchUnblacklist". @param options NULL: none.
 * @param job_id receives the id (64 bytes).
 * @return WXTP_OK; WXTP_ERR_REFUSED; WXTP_ERR_IO when `reader` failed; WXTP_ERR_INVALID where it gave NULL,
 * for options without a struct_size, and for a snapshot where the call changes no list that can be read; with
 * a snapshot as ::wxtp_blacklist_each; others. Blocking: store, and network where the profile is stale or a
 * snapshot is taken. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_job_create(wxtp_platform *platform, const char *appid, const char *call,
                                     wxtp_openid_reader *reader, void *user, const wxtp_job_options *options,
                                     char job_id[64], wxtp_error **error);

/** What a list would become, no job stored, no call made. */
typedef struct wxtp_job_forecast {
    size_t struct_size;
    int64_t requested, duplicates, invalid, pending, calls;
    bool allowed;
    char reason[40], hint[256];
} wxtp_job_forecast;
/**
 * Counts a list as ::wxtp_job_create would, makes no call and stores no job.
 *
 * @param reader gives the openids. @param user handed to it and to `each_invalid`.
 * @param each_invalid told each text that cannot be an openid; may be NULL.
 * @param forecast set its struct_size first; `calls` is the least number needed.
 * @return WXTP_OK whatever the gate says; WXTP_ERR_NOT_FOUND for an unknown call; WXTP_ERR_IO when
 * `reader` failed; the store's.
 * Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_job_forecast_list(wxtp_platform *platform, const char *appid, const char *call,
                                            wxtp_openid_reader *reader, void *user,
                                            void (*each_invalid)(void *user, const char *text),
                                            wxtp_job_forecast *forecast, wxtp_error **error);

/** Told as a job goes on, from the thread that runs or follows it; returns false to pause it (interrupted).
 */
typedef bool wxtp_job_progress(void *user, const wxtp_job *job);

/** How a job is run. */
typedef enum wxtp_job_run_mode {
    WXTP_JOB_RUN = 0, /**< one just created or interrupted */
    WXTP_JOB_RESUME =
        1, /**< a person's word: also goes on after a pause for a decision, and probes a quota */
    WXTP_JOB_RETRY_FAILED = 2, /**< failed openids are pending again first */
} wxtp_job_run_mode;
/**
 * Runs a job to its end or to a pause, or follows the living runner that has it. A finished one is given as
 * it is.
 *
 * @param job receives its state; freed by ::wxtp_job_free; given also where the status is not WXTP_OK but the
 * job exists.
 * @return WXTP_OK for done or partial; else why it is paused (WXTP_ERR_QUOTA, WXTP_ERR_RATE,
 * WXTP_ERR_UNAVAILABLE, WXTP_ERR_CREDENTIALS, WXTP_ERR_REAUTHORIZE, WXTP_ERR_TICKET, WXTP_ERR_CONFIGURATION,
 * WXTP_ERR_REFUSED, WXTP_ERR_INTERRUPTED, WXTP_ERR_SUSPECT_LIST, WXTP_ERR_WECHAT), WXTP_ERR_CANCELLED,
 * WXTP_ERR_STATE to resume a cancelled one, WXTP_ERR_NOT_FOUND, the store's. Blocking: network. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_job_run(wxtp_platform *platform, const char *job_id, wxtp_job_run_mode mode,
                                  wxtp_job_progress *progress, void *user, wxtp_job **job,
                                  wxtp_error **error);
/**
 * Cancels a job: no new call starts, from any process within a second. A finished one stays as it is.
 *
 * @param job receives its state; freed by ::wxtp_job_free; may be NULL.
 * @return WXTP_OK; WXTP_ERR_NOT_FOUND; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_job_cancel(wxtp_platform *platform, const char *job_id, wxtp_job **job,
                                     wxtp_error **error);
/**
 * Looks a job up.
 *
 * @param job receives a picture of it; freed by ::wxtp_job_free.
 * @return WXTP_OK; WXTP_ERR_NOT_FOUND; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_job_get(wxtp_platform *platform, const char *job_id, wxtp_job **job,
                                  wxtp_error **error);
/**
 * Visits jobs, newest first.
 *
 * @param appid NULL: of all tenants. @param state a wxtp_job_state, or -1 for any.
 * @param after_id go on after this one; NULL: from the newest. @param limit 1 to 10,000.
 * @param each returns false to stop; `job` is borrowed for the visit. @param user handed to it.
 * @return WXTP_OK; WXTP_ERR_INVALID; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_job_list(wxtp_platform *platform, const char *appid, int state,
                                   const char *after_id, size_t limit,
                                   bool (*each)(void *user, const wxtp_job *job), void *user,
                                   wxtp_error **error);
/**
 * Visits invalid or failed openids of a job.
 *
 * @param each returns false to stop; strings are borrowed for the visit; `errcode` 0: refused locally.
 * @param user handed to it.
 * @return WXTP_OK; WXTP_ERR_NOT_FOUND; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_job_exceptions(wxtp_platform *platform, const char *job_id, wxtp_verdict verdict,
                                         bool (*each)(void *user, const char *openid, int64_t errcode,
                                                      const char *errmsg),
                                         void *user, wxtp_error **error);

/* ---- Taking a job back ---- */

/** How the openids of a job stand on the list that its call changes. */
typedef struct wxtp_job_diff {
    size_t struct_size;
    int64_t snapshot_ms; /**< when the snapshot was taken; 0: there is none */
    int64_t total;       /**< members of the whole list now, by WeChat's own count */
    int64_t before;   /**< openids of the job that were on it; -1 without a snapshot, as are the next two */
    int64_t removed;  /**< that were, and are not now */
    int64_t added;    /**< that were not, and are now */
    int64_t now;      /**< that are on it now */
    char undo_id[64]; /**< the job that undoes it; "" where none was made */
} wxtp_job_diff;
/**
 * Reads the list that the job's call changes (all its pages), and visits the openids of the job that are on
 * it now, or were on it before, in the job's order.
 *
 * @param each returns false to stop; `openid` is borrowed for the visit; `before` is -1 where the job has no
 * snapshot. NULL: only counted. @param user handed to it.
 * @param diff set its struct_size first; not complete when `each` has stopped.
 * @return WXTP_OK; WXTP_ERR_NOT_FOUND; WXTP_ERR_STATE where the job is still being built or its call changes
 * no list that can be read; WXTP_ERR_INVALID; the store's; as ::wxtp_blacklist_each. Memory does not grow
 * with the job or the list. Blocking: store, and network for each page. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_job_compare(wxtp_platform *platform, const char *job_id,
                                      bool (*each)(void *user, const char *openid, wxtp_tristate before,
                                                   bool now),
                                      void *user, wxtp_job_diff *diff, wxtp_error **error);
/**
 * Makes the job that undoes another: it puts those back that the snapshot shows on the list, but for those
 * that WeChat found invalid, which the first job cannot have taken off. To be run by ::wxtp_job_run like any
 * other. One that was made before is given again, unless it was cancelled. The record names both jobs.
 *
 * @param job_id of a job that is over. @param undo_id receives the id (64 bytes); "" where nothing is to be
 * put back.
 * @return WXTP_OK; WXTP_ERR_NOT_FOUND; WXTP_ERR_STATE where the job has no snapshot, is not over, or its call
 * cannot be undone; as ::wxtp_job_create. Blocking: store, and network where the profile is stale. Since:
 * 0.1.0. Source: batchBlacklist of developers.weixin.qq.com: to put somebody on the list twice does no harm.
 */
WXTP_API wxtp_status wxtp_job_undo(wxtp_platform *platform, const char *job_id, char undo_id[64],
                                   wxtp_error **error);
/**
 * Counts what ::wxtp_job_undo would make, makes no call and no job.
 *
 * @param forecast set its struct_size first.
 * @return as ::wxtp_job_undo and ::wxtp_job_forecast_list. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_job_undo_forecast(wxtp_platform *platform, const char *job_id,
                                            wxtp_job_forecast *forecast, wxtp_error **error);

/* Getters. Strings are borrowed from the job and never NULL. One thread at a time may use a job. */
/** @return the job's id. Borrowed. Blocking: no. Since: 0.1.0. */
WXTP_API const char *wxtp_job_id(const wxtp_job *job);
/** @return the appid of the tenant's platform, "" for own and cloud. Borrowed. Blocking: no. Since: 0.1.0. */
WXTP_API const char *wxtp_job_platform(const wxtp_job *job);
/** @return the tenant's appid. Borrowed. Blocking: no. Since: 0.1.0. */
WXTP_API const char *wxtp_job_tenant(const wxtp_job *job);
/** @return the catalog's name of the call. Borrowed. Blocking: no. Since: 0.1.0. */
WXTP_API const char *wxtp_job_call(const wxtp_job *job);
/**
 * @return the word for what succeeded, as in "unblacklisted". Borrowed. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_job_done_word(const wxtp_job *job);
/** @return its state when the picture was taken; WXTP_JOB_BUILDING for NULL. Blocking: no. Since: 0.1.0. */
WXTP_API wxtp_job_state wxtp_job_state_of(const wxtp_job *job);
/** @return why it is paused; WXTP_PAUSED_BY_NONE where it is not. Blocking: no. Since: 0.1.0. */
WXTP_API wxtp_paused_by wxtp_job_paused_by(const wxtp_job *job);
/**
 * @return distinct openids of the list: succeeded + invalid + failed + pending. Blocking: no. Since:
 * 0.1.0.
 */
WXTP_API int64_t wxtp_job_requested(const wxtp_job *job);
/** @return lines beyond the first of each openid. Blocking: no. Since: 0.1.0. */
WXTP_API int64_t wxtp_job_duplicates(const wxtp_job *job);
/** @return openids that WeChat did. Blocking: no. Since: 0.1.0. */
WXTP_API int64_t wxtp_job_succeeded(const wxtp_job *job);
/**
 * @return openids that cannot be one, or that WeChat refused alone as not one of this account. Blocking:
 * no. Since: 0.1.0.
 */
WXTP_API int64_t wxtp_job_invalid(const wxtp_job *job);
/** @return openids refused for good by another errcode. Blocking: no. Since: 0.1.0. */
WXTP_API int64_t wxtp_job_failed(const wxtp_job *job);
/** @return openids still to be done. Blocking: no. Since: 0.1.0. */
WXTP_API int64_t wxtp_job_pending(const wxtp_job *job);
/** @return business calls made, every try, over all runs. Blocking: no. Since: 0.1.0. */
WXTP_API int64_t wxtp_job_calls(const wxtp_job *job);
/** @return refreshes of the tenant's own token made for it. Blocking: no. Since: 0.1.0. */
WXTP_API int64_t wxtp_job_token_refreshes(const wxtp_job *job);
/** @return when it was made, wall time in ms since 1970. Blocking: no. Since: 0.1.0. */
WXTP_API int64_t wxtp_job_created_ms(const wxtp_job *job);
/** @return milliseconds of the last run. Blocking: no. Since: 0.1.0. */
WXTP_API int64_t wxtp_job_elapsed_ms(const wxtp_job *job);
/**
 * Makes an error object of why a paused job is paused.
 *
 * @return it, freed by ::wxtp_error_free; NULL where the job is not paused. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_error *wxtp_job_pause_error(const wxtp_job *job);
/** Frees a job; NULL does nothing. Blocking: no. Since: 0.1.0. */
WXTP_API void wxtp_job_free(wxtp_job *job);

/** What became of a list that fits in memory. */
typedef struct wxtp_unblacklist_counts {
    size_t struct_size;
    char job_id[64];
    int64_t requested, duplicates, unblacklisted, invalid, failed, pending, calls;
} wxtp_unblacklist_counts;
/**
 * The main job in one call: creates a job that takes `openids` off the merchant's blacklist, runs it, and
 * counts.
 *
 * @param appid the tenant. @param openids strings ended by NUL, none of them NULL, borrowed for the call.
 * @param count of them; 0: no job.
 * @param counts filled whenever a job exists; set its struct_size first; may be NULL.
 * @return as ::wxtp_job_create and ::wxtp_job_run. Blocking: network. Since: 0.1.0.
 * Source: batchUnblacklist of developers.weixin.qq.com: 20 openids a call, permission set 2 or 100,
 * certified official accounts.
 */
WXTP_API wxtp_status wxtp_unblacklist(wxtp_platform *platform, const char *appid, const char *const *openids,
                                      size_t count, wxtp_unblacklist_counts *counts, wxtp_error **error);

WXTP_END_DECLS
#endif
