#include <wxtp/submit.h>

#include <string.h>

#include "api/call.h"
#include "api/handle.h"
#include "api/job.h"
#include "api/options.h"
#include "api/queue.h"
#include "api/token.h"
#include "base/text.h"
#include "domain/pacer.h"
#include "flow/job.h"

/* Something submitted, from its acceptance to its completion. */
typedef struct submission {
    wx_pending pending;
    wx_door door;
    wxtp_completion *completion;
    wxtp_status (*run)(struct submission *self, wx_err *err);
    char appid[WX_APPID_MAX], job_id[64], call[64];
    char *text; /* of a call: its body; of a list: the openids, a NUL after each */
    size_t len;
    size_t at; /* of the list, how far it was read */
    wxtp_job_run_mode mode;
    int64_t generation;
} submission;

static void submission_free(submission *self)
{
    if (self) {
        wxtp_completion_free(self->completion);
        wx_free(self->text);
        wx_free(self);
    }
}

/* ---- What each kind does ---- */

static wxtp_status go_on(void *user, wx_err *err)
{
    const submission *self = user;
    if (atomic_load(&self->pending.cancelled)) {
        return wx_fail(err, WXTP_ERR_CANCELLED, "cancelled as asked");
    }
    if (wx_too_late(&self->door.op)) {
        return wx_fail(err, WXTP_ERR_DEADLINE, "the submission's deadline has passed");
    }
    return WXTP_OK;
}

static wxtp_status run_call(submission *self, wx_err *err)
{
    const wx_call_order order = {.appid = self->appid,
                                 .name = self->call,
                                 .body = self->text,
                                 .len = self->len,
                                 .may_try = go_on,
                                 .user = self};
    return wx_call_make(&self->door.op, &order, &self->completion->answer, err);
}

static bool see_progress(void *user, const wxtp_job *job)
{
    const submission *self = user;
    const wxtp_completion *completion = self->completion;
    wx_err ignored;
    const bool more = !completion->progress || completion->progress(completion->user, job);
    return more && go_on(user, &ignored) == WXTP_OK;
}

static wxtp_status run_job(submission *self, wx_err *err)
{
    wxtp_completion *completion = self->completion;
    const wxtp_status status =
        wx_job_run(&self->door.op, self->job_id, self->mode, see_progress, self, &completion->job, err);
    if (completion->job) {
        (void)wx_copy(completion->tenant, sizeof(completion->tenant), completion->job->row.appid);
    }
    return status;
}

static int next_openid(void *user, const char **openid, size_t *len)
{
    submission *self = user;
    if (self->at >= self->len) {
        return 0;
    }
    *openid = self->text + self->at;
    *len = strlen(*openid);
    self->at += *len + 1;
    return 1;
}

static wxtp_status run_list(submission *self, wx_err *err)
{
    const wx_job_order order = {
        .appid = self->appid, .call = "batchUnblacklist", .reader = next_openid, .user = self};
    const wxtp_status status = wx_job_create(&self->door.op, &order, self->job_id, err);
    return status == WXTP_OK && self->job_id[0] ? run_job(self, err) : status;
}

static wxtp_status run_token(submission *self, wx_err *err)
{
    wxtp_status status = go_on(self, err);
    if (status == WXTP_OK) {
        status = wx_pacer_renewal(&self->door.op, err);
    }
    if (status == WXTP_OK) {
        status = go_on(self, err);
    }
    if (status == WXTP_OK) {
        status = wx_token_refresh_facts(&self->door.op, self->appid, self->generation,
                                        &self->completion->token, err);
    }
    return status;
}

/* ---- On its way ---- */

static void run(void *user)
{
    submission *self = user;
    wx_queue *queue = self->door.platform->queue;
    wxtp_completion *completion = self->completion;
    wx_err err = {.status = WXTP_OK};
    completion->status = self->run(self, &err);
    self->completion = NULL;
    if (completion->status != WXTP_OK) {
        (void)wx_err_give(&completion->error, &self->door.op.core->allocator, &err);
    }
    /* Complete before the door is left: who closes the platform finds all completions in the queue. */
    wx_queue_complete(queue, &self->pending, completion);
    wx_leave_quietly(&self->door);
    submission_free(self);
}

/* 0: none. What lies in the past is one that has passed. */
static int64_t deadline_in(const wx_core *core, int64_t ms)
{
    const int64_t now = wx_boot_ms(core);
    const int64_t end = ms < INT64_MAX - now ? now + ms : INT64_MAX;
    return ms == 0 ? 0 : end > 0 ? end : 1;
}

static wxtp_status take_options(submission *self, const wxtp_submit_options *options, wx_err *err)
{
    wxtp_submit_options known;
    const wxtp_status status = wx_options_read(&known, sizeof(known), options, "the submission's", err);
    if (status == WXTP_OK) {
        self->completion->user = known.user;
        self->completion->callback = known.callback;
        self->completion->progress = known.progress;
        self->door.op.deadline_boot_ms = deadline_in(self->door.op.core, known.deadline_ms);
    }
    return status;
}

/* Takes `self` over, which has entered the door. */
static wxtp_status accept_it(submission *self, wxtp_completion_kind kind, const wxtp_submit_options *options,
                             uint64_t *id, wx_err *err)
{
    wx_queue *queue = self->door.platform->queue;
    self->completion = wx_completion_new(queue, kind);
    if (!self->completion) {
        return wx_fail_nomem(err);
    }
    wxtp_status status = take_options(self, options, err);
    if (status != WXTP_OK) {
        return status;
    }
    (void)wx_copy(self->completion->tenant, sizeof(self->completion->tenant), self->appid);
    status = wx_queue_accept(queue, &self->pending, err);
    if (status != WXTP_OK) {
        return status;
    }
    const uint64_t number = self->completion->id = self->pending.id;
    if (wx_spawn(self->door.op.core->engine, run, self) != WXTP_OK) {
        wx_queue_withdraw(queue, &self->pending);
        return wx_fail_nomem(err);
    }
    if (id) {
        *id = number;
    }
    return WXTP_OK;
}

/* NULL with `err` set; else it has entered. */
static submission *begin(wxtp_platform *platform, const char *appid, wx_err *err)
{
    wx_door door;
    if (wx_enter(&door, platform, err) != WXTP_OK) {
        return NULL;
    }
    submission *self = wx_alloc(&door.op.core->allocator, sizeof(*self));
    if (!self || !wx_copy(self->appid, sizeof(self->appid), appid)) {
        if (self) {
            (void)wx_fail(err, WXTP_ERR_INVALID, "no appid: %.63s", appid);
        } else {
            (void)wx_fail_nomem(err);
        }
        wx_free(self);
        wx_leave_quietly(&door);
        return NULL;
    }
    wx_door_move(&self->door, &door);
    return self;
}

static wxtp_status give_up(submission *self, wxtp_status status, const wx_err *err, wxtp_error **error)
{
    wxtp_platform *platform = self->door.platform;
    (void)wx_err_give(error, &platform->core.allocator, err);
    wx_leave_quietly(&self->door);
    submission_free(self);
    return status;
}

wxtp_status wxtp_submit(wxtp_platform *platform, const char *appid, const char *call, const char *body,
                        size_t len, const wxtp_submit_options *options, uint64_t *id, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    submission *self = begin(platform, appid ? appid : "", &err);
    if (!self) {
        return wx_turned_away(platform, &err, error);
    }
    self->run = run_call;
    const wx_call_order order = {.appid = appid, .name = call, .body = body, .len = len};
    wxtp_status status = wx_call_check(self->door.op.core, &order, &err);
    if (status == WXTP_OK) {
        (void)wx_copy(self->call, sizeof(self->call), call);
        self->text = wx_strndup(&self->door.op.core->allocator, body, len);
        self->len = len;
        status = self->text ? accept_it(self, WXTP_COMPLETION_CALL, options, id, &err) : wx_fail_nomem(&err);
    }
    return status == WXTP_OK ? WXTP_OK : give_up(self, status, &err, error);
}

wxtp_status wxtp_job_submit(wxtp_platform *platform, const char *job_id, wxtp_job_run_mode mode,
                            const wxtp_submit_options *options, uint64_t *id, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    submission *self = begin(platform, "", &err);
    if (!self) {
        return wx_turned_away(platform, &err, error);
    }
    self->run = run_job;
    self->mode = mode;
    wxtp_status status = wx_need_job_id(job_id, &err);
    if (status == WXTP_OK) {
        status = wx_need_mode(mode, &err);
    }
    if (status == WXTP_OK) {
        (void)wx_copy(self->job_id, sizeof(self->job_id), job_id);
        status = accept_it(self, WXTP_COMPLETION_JOB, options, id, &err);
    }
    return status == WXTP_OK ? WXTP_OK : give_up(self, status, &err, error);
}

static wxtp_status copy_list(submission *self, const char *const *openids, size_t count, wx_err *err)
{
    size_t size = 0;
    for (size_t at = 0; at < count; at++) {
        size += strlen(openids[at]) + 1;
    }
    self->text = wx_alloc(&self->door.op.core->allocator, size > 0 ? size : 1);
    if (!self->text) {
        return wx_fail_nomem(err);
    }
    for (size_t at = 0; at < count; at++) {
        const size_t len = strlen(openids[at]) + 1;
        memcpy(self->text + self->len, openids[at], len);
        self->len += len;
    }
    return WXTP_OK;
}

wxtp_status wxtp_unblacklist_submit(wxtp_platform *platform, const char *appid, const char *const *openids,
                                    size_t count, const wxtp_submit_options *options, uint64_t *id,
                                    wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    submission *self = begin(platform, appid ? appid : "", &err);
    if (!self) {
        return wx_turned_away(platform, &err, error);
    }
    self->run = run_list;
    wxtp_status status = wx_need_openids(appid, openids, count, &err);
    if (status == WXTP_OK) {
        status = copy_list(self, openids, count, &err);
    }
    if (status == WXTP_OK) {
        status = accept_it(self, WXTP_COMPLETION_JOB, options, id, &err);
    }
    return status == WXTP_OK ? WXTP_OK : give_up(self, status, &err, error);
}

wxtp_status wxtp_token_submit(wxtp_platform *platform, const char *appid, int64_t generation,
                              const wxtp_submit_options *options, uint64_t *id, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    submission *self = begin(platform, appid ? appid : "", &err);
    if (!self) {
        return wx_turned_away(platform, &err, error);
    }
    self->run = run_token;
    self->generation = generation;
    self->door.op.person = true;
    wxtp_status status = appid ? accept_it(self, WXTP_COMPLETION_TOKEN, options, id, &err)
                               : wx_fail(&err, WXTP_ERR_INVALID, "an appid is needed");
    return status == WXTP_OK ? WXTP_OK : give_up(self, status, &err, error);
}

wxtp_status wxtp_cancel(wxtp_platform *platform, uint64_t id)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return err.status;
    }
    const bool found = wx_queue_cancel(platform->queue, id);
    wx_leave_quietly(&door);
    return found ? WXTP_OK : WXTP_ERR_NOT_FOUND;
}

/* ---- Taking ---- */

int wxtp_completion_fd(wxtp_platform *platform)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter_late(&door, platform, &err) != WXTP_OK) {
        return -1;
    }
    wx_queue_listen(platform->queue);
    const int fd = wx_queue_fd(platform->queue);
    wx_leave_quietly(&door);
    return fd;
}

wxtp_completion *wxtp_completion_take(wxtp_platform *platform, int64_t wait_ms)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter_late(&door, platform, &err) != WXTP_OK) {
        return NULL;
    }
    wx_queue_listen(platform->queue);
    wxtp_completion *taken = wx_queue_take(platform->queue, wait_ms);
    wx_leave_quietly(&door);
    return taken;
}

size_t wxtp_completions_run(wxtp_platform *platform, int64_t wait_ms)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    size_t count = 0;
    if (wx_enter_late(&door, platform, &err) != WXTP_OK) {
        return 0;
    }
    wx_queue_listen(platform->queue);
    for (wxtp_completion *taken;
         (taken = wx_queue_take(platform->queue, count == 0 ? wait_ms : 0)) != NULL;) {
        if (taken->callback) {
            taken->callback(taken->user, taken);
        }
        wxtp_completion_free(taken);
        count++;
    }
    wx_leave_quietly(&door);
    return count;
}

wxtp_status wxtp_platform_run_once(wxtp_platform *platform, int64_t wait_ms)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter_late(&door, platform, &err) != WXTP_OK) {
        return err.status;
    }
    wx_engine_turn(door.op.core->engine, wait_ms);
    wx_leave_quietly(&door);
    return WXTP_OK;
}
