#include "api/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "flow/job.h"

enum { EVENTS_MAX = 1024, LOOK_MS = 1000 };

struct wx_queue {
    const wxtp_allocator *allocator;
    wx_engine *engine;
    int fd;
    pthread_mutex_t lock; /* what follows */
    wxtp_completion *first, **last;
    wx_pending *pending;
    size_t count, most; /* submissions that have not completed, or whose completion was not taken */
    size_t events;
    uint64_t lost; /* events, for want of room or memory */
    uint64_t next_id;
    bool listening;
    wx_bell *taker; /* of one that waits; others look now and then */
};

wx_queue *wx_queue_new(wx_core *core, size_t most)
{
    wx_queue *queue = wx_alloc(&core->allocator, sizeof(*queue));
    if (!queue) {
        errno = ENOMEM;
        return NULL;
    }
    queue->allocator = &core->allocator;
    queue->engine = core->engine;
    queue->most = most;
    queue->last = &queue->first;
    queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->fd < 0) {
        const int why = errno;
        wx_free(queue);
        errno = why;
        return NULL;
    }
    pthread_mutex_init(&queue->lock, NULL);
    return queue;
}

void wx_queue_abandon(wx_queue *queue)
{
    if (queue) {
        (void)close(queue->fd);
        while (queue->first) {
            wxtp_completion *completion = queue->first;
            queue->first = completion->next;
            wxtp_completion_free(completion);
        }
        wx_free(queue);
    }
}

void wx_queue_free(wx_queue *queue)
{
    if (queue) {
        assert(!queue->pending);
        pthread_mutex_destroy(&queue->lock);
        wx_queue_abandon(queue);
    }
}

wxtp_completion *wx_completion_new(wx_queue *queue, wxtp_completion_kind kind)
{
    wxtp_completion *made = wx_alloc(queue->allocator, sizeof(*made));
    if (made) {
        made->kind = kind;
        made->token.struct_size = sizeof(made->token);
    }
    return made;
}

wxtp_status wx_queue_accept(wx_queue *queue, wx_pending *pending, wx_err *err)
{
    wxtp_status status = WXTP_OK;
    pthread_mutex_lock(&queue->lock);
    if (queue->count >= queue->most) {
        status = wx_fail(err, WXTP_ERR_FULL, "%zu submissions wait already", queue->count);
    } else {
        queue->count++;
        pending->id = ++queue->next_id;
        atomic_init(&pending->cancelled, false);
        pending->next = queue->pending;
        pending->back = NULL;
        if (pending->next) {
            pending->next->back = pending;
        }
        queue->pending = pending;
    }
    pthread_mutex_unlock(&queue->lock);
    return status;
}

/* With the lock held. */
static void unlink_pending(wx_queue *queue, wx_pending *pending)
{
    *(pending->back ? &pending->back->next : &queue->pending) = pending->next;
    if (pending->next) {
        pending->next->back = pending->back;
    }
}

void wx_queue_withdraw(wx_queue *queue, wx_pending *pending)
{
    pthread_mutex_lock(&queue->lock);
    unlink_pending(queue, pending);
    queue->count--;
    pthread_mutex_unlock(&queue->lock);
}

/* With the lock held. */
static void append(wx_queue *queue, wxtp_completion *completion)
{
    const bool was_empty = !queue->first;
    completion->next = NULL;
    *queue->last = completion;
    queue->last = &completion->next;
    if (was_empty) {
        const uint64_t one = 1;
        (void)!write(queue->fd, &one, sizeof(one));
    }
    if (queue->taker) {
        wx_bell_ring(queue->taker);
    }
}

void wx_queue_complete(wx_queue *queue, wx_pending *pending, wxtp_completion *completion)
{
    pthread_mutex_lock(&queue->lock);
    unlink_pending(queue, pending);
    append(queue, completion);
    pthread_mutex_unlock(&queue->lock);
}

bool wx_queue_cancel(wx_queue *queue, uint64_t id)
{
    pthread_mutex_lock(&queue->lock);
    wx_pending *found = queue->pending;
    while (found && found->id != id) {
        found = found->next;
    }
    if (found) {
        atomic_store(&found->cancelled, true);
    }
    pthread_mutex_unlock(&queue->lock);
    return found != NULL;
}

/* With the lock held. */
static wxtp_completion *take_first(wx_queue *queue)
{
    wxtp_completion *taken = queue->first;
    if (!taken) {
        return NULL;
    }
    queue->first = taken->next;
    if (!queue->first) {
        uint64_t gone = 0;
        queue->last = &queue->first;
        (void)!read(queue->fd, &gone, sizeof(gone));
    }
    if (taken->kind == WXTP_COMPLETION_EVENT) {
        queue->events--;
    } else {
        queue->count--;
    }
    return taken;
}

/* With the lock held. False: another waits already. */
static bool be_taker(wx_queue *queue, wx_bell *bell)
{
    if (queue->taker) {
        return false;
    }
    queue->taker = bell;
    return true;
}

/* With the lock held, which it gives back meanwhile. */
static bool wait_for_one(wx_queue *queue, int64_t wait_ms)
{
    wx_bell bell;
    if (wx_bell_init(&bell, queue->engine) != WXTP_OK) {
        return false;
    }
    const bool mine = be_taker(queue, &bell);
    pthread_mutex_unlock(&queue->lock);
    const bool rung = wx_bell_wait(&bell, mine || wait_ms < LOOK_MS ? wait_ms : LOOK_MS);
    pthread_mutex_lock(&queue->lock);
    if (mine) {
        queue->taker = NULL;
    }
    wx_bell_destroy(&bell);
    return rung;
}

wxtp_completion *wx_queue_take(wx_queue *queue, int64_t wait_ms)
{
    pthread_mutex_lock(&queue->lock);
    wxtp_completion *taken = take_first(queue);
    if (!taken && wait_ms > 0) {
        (void)wait_for_one(queue, wait_ms);
        taken = take_first(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    return taken;
}

int wx_queue_fd(wx_queue *queue)
{
    return queue->fd;
}

/* ---- Events ---- */

void wx_queue_listen(wx_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->listening = true;
    pthread_mutex_unlock(&queue->lock);
}

/* With the lock held. */
static bool add_event(wx_queue *queue, const char *event, const char *tenant, const char *text)
{
    wxtp_completion *made =
        queue->events < EVENTS_MAX ? wx_completion_new(queue, WXTP_COMPLETION_EVENT) : NULL;
    if (made) {
        (void)wx_copy(made->event, sizeof(made->event), event);
        (void)wx_copy(made->tenant, sizeof(made->tenant), tenant);
        (void)wx_copy(made->text, sizeof(made->text), text);
        queue->events++;
        append(queue, made);
    }
    return made != NULL;
}

void wx_queue_tell(void *user, const char *event, const char *tenant, const char *text)
{
    wx_queue *queue = user;
    pthread_mutex_lock(&queue->lock);
    if (queue->listening) {
        char lost[64];
        (void)snprintf(lost, sizeof(lost), "%llu events were lost", (unsigned long long)queue->lost);
        if (queue->lost > 0 && add_event(queue, "events_lost", "", lost)) {
            queue->lost = 0;
        }
        if (!add_event(queue, event, tenant, text)) {
            queue->lost++;
        }
    }
    pthread_mutex_unlock(&queue->lock);
}

/* ---- One completion ---- */

void wxtp_completion_free(wxtp_completion *completion)
{
    if (completion) {
        wxtp_error_free(completion->error);
        wx_free(completion->answer);
        wx_job_free(completion->job);
        wx_free(completion);
    }
}

wxtp_completion_kind wxtp_completion_kind_of(const wxtp_completion *completion)
{
    return completion->kind;
}

uint64_t wxtp_completion_id(const wxtp_completion *completion)
{
    return completion->id;
}

void *wxtp_completion_user(const wxtp_completion *completion)
{
    return completion->user;
}

wxtp_status wxtp_completion_status(const wxtp_completion *completion)
{
    return completion->status;
}

const wxtp_error *wxtp_completion_error(const wxtp_completion *completion)
{
    return completion->error;
}

wxtp_error *wxtp_completion_take_error(wxtp_completion *completion)
{
    return WX_TAKE(completion->error);
}

wxtp_job *wxtp_completion_take_job(wxtp_completion *completion)
{
    return WX_TAKE(completion->job);
}

const char *wxtp_completion_answer(const wxtp_completion *completion)
{
    return completion->answer;
}

const wxtp_job *wxtp_completion_job(const wxtp_completion *completion)
{
    return completion->job;
}

const wxtp_token_facts *wxtp_completion_token(const wxtp_completion *completion)
{
    return completion->kind == WXTP_COMPLETION_TOKEN ? &completion->token : NULL;
}

const char *wxtp_completion_event(const wxtp_completion *completion)
{
    return completion->event;
}

const char *wxtp_completion_tenant(const wxtp_completion *completion)
{
    return completion->tenant;
}

const char *wxtp_completion_text(const wxtp_completion *completion)
{
    return completion->text;
}
