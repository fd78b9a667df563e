#include "api/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "flow/job.h"

enum {
    EVENTS_MAX = 1024,
    LOOK_MS = 50, /* a stop, which may come from a signal handler, is seen so soon */
};

/* One that waits for a completion. */
typedef struct taker {
    struct taker *next;
    wx_bell bell;
} taker;

struct wx_queue {
    const wx_core *core;
    int fd;
    pthread_mutex_t lock; /* what follows */
    wxtp_completion *first, **last;
    wx_pending *pending;
    size_t count, most; /* submissions that have not completed, or whose completion was not taken */
    size_t events;
    uint64_t lost; /* events, for want of room or memory */
    uint64_t next_id;
    bool listening;
    taker *takers; /* that nobody has called */
};

wx_queue *wx_queue_new(wx_core *core, size_t most)
{
    wx_queue *queue = wx_alloc(&core->allocator, sizeof(*queue));
    if (!queue) {
        errno = ENOMEM;
        return NULL;
    }
    queue->core = core;
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
    wxtp_completion *made = wx_alloc(&queue->core->allocator, sizeof(*made));
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
    if (wx_stopping(queue->core)) {
        status = wx_fail(err, WXTP_ERR_INTERRUPTED, "the platform was stopped");
    } else if (queue->count >= queue->most) {
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
static bool call_taker(wx_queue *queue)
{
    taker *first = queue->takers;
    if (first) {
        queue->takers = first->next;
        wx_bell_ring(&first->bell);
    }
    return first != NULL;
}

/* With the lock held: nothing will complete any more, as nothing is accepted after a stop. */
static bool drained(const wx_queue *queue)
{
    return !queue->pending && wx_stopping(queue->core);
}

/* With the lock held. */
static void dismiss_takers(wx_queue *queue)
{
    while (drained(queue) && call_taker(queue)) {
    }
}

void wx_queue_stopped(wx_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    dismiss_takers(queue);
    pthread_mutex_unlock(&queue->lock);
}

/* With the lock held. */
static void unlink_pending(wx_queue *queue, wx_pending *pending)
{
    *(pending->back ? &pending->back->next : &queue->pending) = pending->next;
    if (pending->next) {
        pending->next->back = pending->back;
    }
    dismiss_takers(queue);
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
    (void)call_taker(queue);
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

/* With the lock held. */
static void link_taker(wx_queue *queue, taker *fresh)
{
    fresh->next = queue->takers;
    queue->takers = fresh;
}

/* With the lock held. */
static void unlink_taker(wx_queue *queue, const taker *gone)
{
    for (taker **at = &queue->takers; *at; at = &(*at)->next) {
        if (*at == gone) {
            *at = gone->next;
            return;
        }
    }
}

/* With the lock held, which it gives back meanwhile. False: out of memory. */
static bool wait_for_one(wx_queue *queue, int64_t wait_ms)
{
    taker self = {.next = NULL};
    if (wx_bell_init(&self.bell, queue->core->engine) != WXTP_OK) {
        return false;
    }
    link_taker(queue, &self);
    pthread_mutex_unlock(&queue->lock);
    (void)wx_bell_wait(&self.bell, wait_ms < LOOK_MS ? wait_ms : LOOK_MS);
    pthread_mutex_lock(&queue->lock);
    unlink_taker(queue, &self);
    wx_bell_destroy(&self.bell);
    return true;
}

wxtp_completion *wx_queue_take(wx_queue *queue, int64_t wait_ms)
{
    pthread_mutex_lock(&queue->lock);
    wxtp_completion *taken = take_first(queue);
    if (!taken && wait_ms > 0) {
        const int64_t now = wx_boot_ms(queue->core);
        const int64_t end = wait_ms > INT64_MAX - now ? INT64_MAX : now + wait_ms;
        int64_t left = wait_ms;
        while (!taken && left > 0 && !drained(queue) && wait_for_one(queue, left)) {
            taken = take_first(queue);
            left = end - wx_boot_ms(queue->core);
        }
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
    return completion ? completion->kind : WXTP_COMPLETION_EVENT;
}

uint64_t wxtp_completion_id(const wxtp_completion *completion)
{
    return completion ? completion->id : 0;
}

void *wxtp_completion_user(const wxtp_completion *completion)
{
    return completion ? completion->user : NULL;
}

wxtp_status wxtp_completion_status(const wxtp_completion *completion)
{
    return completion ? completion->status : WXTP_ERR_INVALID;
}

const wxtp_error *wxtp_completion_error(const wxtp_completion *completion)
{
    return completion ? completion->error : NULL;
}

wxtp_error *wxtp_completion_take_error(wxtp_completion *completion)
{
    return completion ? WX_TAKE(completion->error) : NULL;
}

wxtp_job *wxtp_completion_take_job(wxtp_completion *completion)
{
    return completion ? WX_TAKE(completion->job) : NULL;
}

const char *wxtp_completion_answer(const wxtp_completion *completion)
{
    return completion ? completion->answer : NULL;
}

const wxtp_job *wxtp_completion_job(const wxtp_completion *completion)
{
    return completion ? completion->job : NULL;
}

const wxtp_token_facts *wxtp_completion_token(const wxtp_completion *completion)
{
    return completion && completion->kind == WXTP_COMPLETION_TOKEN ? &completion->token : NULL;
}

const char *wxtp_completion_event(const wxtp_completion *completion)
{
    return completion ? completion->event : "";
}

const char *wxtp_completion_tenant(const wxtp_completion *completion)
{
    return completion ? completion->tenant : "";
}

const char *wxtp_completion_text(const wxtp_completion *completion)
{
    return completion ? completion->text : "";
}
