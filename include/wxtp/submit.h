/**
 * @file submit.h
 * Work that is handed over and completes later: calls, jobs and tokens, thousands at a time, without a thread
 * for each. Each accepted submission completes exactly once, later, in a queue whose descriptor a loop of the
 * host's (epoll, libuv, GLib) can wait for. Events of the platform come in the same queue.
 *
 *     wxtp_submit(platform, appid, "batchUnblacklist", body, len, NULL, &id, &error);
 *     ...
 *     while ((completion = wxtp_completion_take(platform, 0)) != NULL) {
 *         ...
 *         wxtp_completion_free(completion);
 *     }
 *
 * With the setting own_threads=false nothing goes on by itself: call ::wxtp_platform_run_once, or take
 * completions with a time to wait.
 *
 * To shut down so that each completion is seen and each callback called, let those who submit end, then:
 *
 *     wxtp_platform_stop(platform);
 *     while (wxtp_completions_run(platform, 60000) > 0) {
 *     }
 *     wxtp_platform_close(platform, 60000);
 *
 * After the stop nothing is accepted and what is under way ends soon. Taking waits for that alone, so it does
 * not wait any more once all is taken. ::wxtp_platform_close without it frees what nobody has taken.
 */
#ifndef WXTP_SUBMIT_H
#define WXTP_SUBMIT_H

#include <wxtp/job.h>
#include <wxtp/token.h>

WXTP_BEGIN_DECLS

/** What has come about. Owned by who took it, until ::wxtp_completion_free. */
typedef struct wxtp_completion wxtp_completion;

typedef enum wxtp_completion_kind {
    WXTP_COMPLETION_CALL = 0,  /**< of ::wxtp_submit */
    WXTP_COMPLETION_JOB = 1,   /**< of ::wxtp_job_submit and ::wxtp_unblacklist_submit */
    WXTP_COMPLETION_TOKEN = 2, /**< of ::wxtp_token_submit */
    WXTP_COMPLETION_EVENT = 3, /**< of no submission: see ::wxtp_completion_event */
} wxtp_completion_kind;

/** Called by ::wxtp_completions_run, in the thread that calls that. May submit, and take nothing. */
typedef void wxtp_completion_callback(void *user, const wxtp_completion *completion);

/** Zero it and set `struct_size` to `sizeof(wxtp_submit_options)`. */
typedef struct wxtp_submit_options {
    size_t struct_size;
    void *user;                         /**< given back with the completion */
    wxtp_completion_callback *callback; /**< for ::wxtp_completions_run; may be NULL */
    int64_t deadline_ms;                /**< from now on; no call is begun later; 0: none; negative: it has
                                           passed, as the end of a time that has run out */
    wxtp_job_progress *progress;        /**< of a job; called with `user` in the platform's loop, which waits
                                           meanwhile: be quick, use no platform; may be NULL */
} wxtp_submit_options;

/*
 * What holds for all that submit:
 * - They do not block, but for a moment's lock. Threading: any thread.
 * - WXTP_OK: accepted, and `*id` names it. It completes exactly once, never before the function has returned.
 * - WXTP_ERR_FULL: as many wait as the setting submissions_max allows, the completions not yet taken
 *   included. Take completions, then submit again.
 * - WXTP_ERR_INTERRUPTED after ::wxtp_platform_stop. Otherwise as for all functions, see platform.h.
 * - What the work itself comes to is the completion's status: that of the blocking function, or
 *   - WXTP_ERR_DEADLINE of a call or a token whose deadline has passed before it could be begun. A call in
 *     flight is finished; a renewal is cut: WXTP_ERR_UNAVAILABLE. After an answer that leaves no time to try
 *     again, the status is that answer's.
 *   - WXTP_ERR_CANCELLED of a call or a token that ::wxtp_cancel kept from being begun or tried again.
 *   - WXTP_ERR_INTERRUPTED of a job in both cases: it is paused, and what is pending can be resumed. Calls in
 *     flight are finished and counted.
 */

/**
 * Submits one call of the catalog, as ::wxtp_call.
 *
 * @param appid, call, body copied. @param len bytes of the body. @param options may be NULL.
 * @param id receives the submission's number; may be NULL.
 * @return see above; WXTP_ERR_NOT_FOUND for an unknown call; WXTP_ERR_INVALID for a body that the call does
 * not take; WXTP_ERR_TOO_LARGE for one over 1 MiB. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_submit(wxtp_platform *platform, const char *appid, const char *call,
                                 const char *body, size_t len, const wxtp_submit_options *options,
                                 uint64_t *id, wxtp_error **error);
/**
 * Submits the running of a job, as ::wxtp_job_run.
 *
 * @param job_id copied. @param options may be NULL. @param id as above.
 * @return see above; WXTP_ERR_NOT_FOUND for what cannot be the id of a job. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_job_submit(wxtp_platform *platform, const char *job_id, wxtp_job_run_mode mode,
                                     const wxtp_submit_options *options, uint64_t *id, wxtp_error **error);
/**
 * Submits a list of openids: a durable job is made of it, and run. For lists that fit into memory; longer
 * ones are made by ::wxtp_job_create, and submitted by ::wxtp_job_submit.
 *
 * @param openids `count` texts, none of them NULL, copied. @param options may be NULL. @param id as above.
 * @return see above. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_unblacklist_submit(wxtp_platform *platform, const char *appid,
                                             const char *const *openids, size_t count,
                                             const wxtp_submit_options *options, uint64_t *id,
                                             wxtp_error **error);
/**
 * Submits the renewal of a token, as ::wxtp_token_refresh. Renewals begin at the rate of the setting
 * renewal_rate, over all tenants.
 *
 * @param appid copied. @param generation as ::wxtp_token_info told it. @param options may be NULL.
 * @param id as above.
 * @return see above. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_token_submit(wxtp_platform *platform, const char *appid, int64_t generation,
                                       const wxtp_submit_options *options, uint64_t *id, wxtp_error **error);
/**
 * Asks a submission to end soon: no call of it begins any more; what is in flight is finished and recorded; a
 * job is paused (interrupted) and can be resumed. It completes all the same.
 *
 * @return WXTP_OK; WXTP_ERR_NOT_FOUND when it has completed already, or never was.
 * Threading: any thread. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_cancel(wxtp_platform *platform, uint64_t id);

/* ---- Completions ---- */

/**
 * A descriptor that is readable as long as a completion waits. The library's own: only to be waited for,
 * until ::wxtp_platform_close returns WXTP_OK. From the first call of this or of ::wxtp_completion_take on,
 * events are queued too.
 *
 * @return the descriptor; -1 where there is none to be had. Threading: any thread. Blocking: no. Since:
 * 0.1.0.
 */
WXTP_API int wxtp_completion_fd(wxtp_platform *platform);
/**
 * Takes the oldest completion. Works also after a ::wxtp_platform_close that answered WXTP_ERR_STATE.
 *
 * @param wait_ms how long to wait for one; 0: not at all. After ::wxtp_platform_stop, no longer than until
 * the last submission has completed; who waits already sees the stop within 50 ms, a close at once.
 * @return NULL where there is none. Freed by ::wxtp_completion_free, also after ::wxtp_platform_close.
 * Threading: any thread. Blocking: at most `wait_ms`. Since: 0.1.0.
 */
WXTP_API wxtp_completion *wxtp_completion_take(wxtp_platform *platform, int64_t wait_ms);
/**
 * Takes all completions that are there, and calls the callback of each that has one. A close waits for it to
 * return.
 *
 * @param wait_ms how long to wait for the first, as ::wxtp_completion_take does.
 * @return how many there were. Threading: any thread; the callbacks run in it. Blocking: at most `wait_ms`,
 * and as the callbacks do. Since: 0.1.0.
 */
WXTP_API size_t wxtp_completions_run(wxtp_platform *platform, int64_t wait_ms);
/** Frees a completion. NULL does nothing. Threading: any thread. Blocking: no. Since: 0.1.0. */
WXTP_API void wxtp_completion_free(wxtp_completion *completion);

/* Getters. What they give is borrowed from the completion. Blocking: no. */
/** @return what it is the completion of; WXTP_COMPLETION_EVENT for NULL. Since: 0.1.0. */
WXTP_API wxtp_completion_kind wxtp_completion_kind_of(const wxtp_completion *completion);
/** @return the submission's number; 0 for an event. Since: 0.1.0. */
WXTP_API uint64_t wxtp_completion_id(const wxtp_completion *completion);
/** @return `user` of the submission's options. Since: 0.1.0. */
WXTP_API void *wxtp_completion_user(const wxtp_completion *completion);
/** @return what the work came to, see above; WXTP_ERR_INVALID for NULL. Since: 0.1.0. */
WXTP_API wxtp_status wxtp_completion_status(const wxtp_completion *completion);
/** @return why, where the status is not WXTP_OK; else NULL. Since: 0.1.0. */
WXTP_API const wxtp_error *wxtp_completion_error(const wxtp_completion *completion);
/** @return the error, which is the caller's from now on: freed by ::wxtp_error_free. NULL where there is
 * none. Since: 0.1.0. */
WXTP_API wxtp_error *wxtp_completion_take_error(wxtp_completion *completion);
/** @return the job, which is the caller's from now on: freed by ::wxtp_job_free. NULL where there is none.
 * Since: 0.1.0. */
WXTP_API wxtp_job *wxtp_completion_take_job(wxtp_completion *completion);
/** @return WeChat's whole JSON answer to a call; NULL where there is none. Since: 0.1.0. */
WXTP_API const char *wxtp_completion_answer(const wxtp_completion *completion);
/** @return the job as it stands; NULL where there is none. Since: 0.1.0. */
WXTP_API const wxtp_job *wxtp_completion_job(const wxtp_completion *completion);
/** @return the token's state; NULL where it is not of a token. Since: 0.1.0. */
WXTP_API const wxtp_token_facts *wxtp_completion_token(const wxtp_completion *completion);
/**
 * The name of an event. What this handle has learnt, however it came to (a push, a refusal, a renewal, a
 * sync), is told after it is stored, once for each change; what another process has learnt is not told here.
 *
 * - `tenant_unauthorized`: the merchant took its authorization back.
 * - `reauthorization_required`: the refresh token is dead; the merchant must authorize again.
 * - `tenant_back`: authorized again after one of these, its code exchanged.
 * - `job_paused`: a job waits, for a person or for better times.
 * - `foreign_refresher`: another program refreshes this account's tokens.
 * - `ticket_late`: no ticket has come for 30 minutes. Only seen where the ticket is needed, that is when the
 *   component's token is renewed, which may be up to two hours later; ::wxtp_platform_info tells the ticket's
 *   age at any time.
 * - `store_failing`: something could not be committed.
 * - `events_lost`: too many waited.
 *
 * @return the name; "" where it is no event. Since: 0.1.0.
 */
WXTP_API const char *wxtp_completion_event(const wxtp_completion *completion);
/** @return the appid that it is about, of a job its tenant's; "" where there is none. Since: 0.1.0. */
WXTP_API const char *wxtp_completion_tenant(const wxtp_completion *completion);
/** @return an event in words, for people; "" where there are none. Since: 0.1.0. */
WXTP_API const char *wxtp_completion_text(const wxtp_completion *completion);

/**
 * With the setting own_threads=false: does what there is to do, and waits for something to happen at most so
 * long. Else it does nothing: the platform's own thread does. Works also after a ::wxtp_platform_close that
 * answered WXTP_ERR_STATE.
 *
 * The completions' descriptor tells of what has completed, not that WeChat has answered: a host that waits in
 * an epoll of its own calls this at least every 50 ms while something is under way.
 *
 * @param wait_ms at most. With the system's clock it returns after 50 ms even where nothing happens, so that
 * a stop is seen; with another clock not before.
 * @return WXTP_OK. Threading: one thread at a time drives, others wait.
 * Blocking: at most about `wait_ms`, and on the store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_run_once(wxtp_platform *platform, int64_t wait_ms);

WXTP_END_DECLS
#endif
