/* Completions on their way to the host, and what was submitted and has not completed. */
#ifndef WX_API_QUEUE_H
#define WX_API_QUEUE_H

#include <wxtp/submit.h>

#include "domain/core.h"

struct wxtp_completion {
    wxtp_completion *next;
    wxtp_completion_kind kind;
    uint64_t id;
    void *user;
    wxtp_completion_callback *callback;
    wxtp_job_progress *progress;
    wxtp_status status;
    wxtp_error *error;
    char *answer;
    wxtp_job *job;
    wxtp_token_facts token;
    char event[32], tenant[WX_APPID_MAX], text[256];
};

/* Something accepted, that can be told to end. */
typedef struct wx_pending {
    struct wx_pending *next, *back;
    uint64_t id;
    atomic_bool cancelled;
} wx_pending;

typedef struct wx_queue wx_queue;

wx_queue *wx_queue_new(wx_core *core, size_t most); /* NULL when out of memory, or of descriptors */
void wx_queue_free(wx_queue *queue);                /* with what nobody has taken */
void wx_queue_abandon(wx_queue *queue);             /* in a forked child */

wxtp_completion *wx_completion_new(wx_queue *queue, wxtp_completion_kind kind);
/* Counts a submission, and gives it its number. WXTP_ERR_FULL; WXTP_ERR_INTERRUPTED after a stop. */
wxtp_status wx_queue_accept(wx_queue *queue, wx_pending *pending, wx_err *err);
/* It will not complete: it could not be started. */
void wx_queue_withdraw(wx_queue *queue, wx_pending *pending);
/* Puts its completion in the queue; `pending` NULL for an event. */
void wx_queue_complete(wx_queue *queue, wx_pending *pending, wxtp_completion *completion);
bool wx_queue_cancel(wx_queue *queue, uint64_t id);
/* After a stop it waits for what is pending alone. */
wxtp_completion *wx_queue_take(wx_queue *queue, int64_t wait_ms);
/* Tells those who wait in wx_queue_take at once; by itself each sees a stop soon. */
void wx_queue_stopped(wx_queue *queue);
int wx_queue_fd(wx_queue *queue);
/* Events are queued from now on. */
void wx_queue_listen(wx_queue *queue);
/* As wx_core.tell. */
void wx_queue_tell(void *queue, const char *event, const char *tenant, const char *text);

#endif
