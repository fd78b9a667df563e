/* What the files of the engine share. */
#ifndef WX_ENGINE_INNER_H
#define WX_ENGINE_INNER_H

#include <stdatomic.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/fiber.h"

enum { WX_TROUBLE_MAX = 256 };

/* Where a task goes when it has suspended itself. */
typedef enum wx_errand {
    WX_ERRAND_NONE, /* it waits for a bell or a time */
    WX_ERRAND_STORE,
} wx_errand;

struct wx_task {
    wx_task *next; /* in one of the lists */
    wx_fiber *fiber;
    wx_task_main *main;
    void *user;
    wx_errand errand;

    /* In the heap of timers. */
    int64_t wake_boot_ms;
    size_t timer_at; /* plus one; 0: not in it */
    bool resting;    /* a stop wakes it */
    bool asleep;     /* who wakes it, once, makes it ready; with the engine's lock held */
    wx_bell *bell;   /* that it waits for; NULL: it rests */

    /* At a clerk's. */
    wxtp_tx_mode mode;
    bool joint, wants_commit;
    bool aside;  /* at a clerk's outside a transaction */
    wxtp_tx *tx; /* of the group; not NULL while it is in it */
    wxtp_status status;
    char trouble[WX_TROUBLE_MAX];
};

typedef struct wx_task_list {
    wx_task *first, **end;
} wx_task_list;

/* An HTTP call that a thread of the host waits for. */
typedef struct wx_order {
    struct wx_order *next;
    const wxtp_http_request *request;
    wxtp_http_answer *answer;
    void (*done)(void *order);
    wx_bell bell;
} wx_order;

typedef struct wx_clerk {
    wx_engine *engine;
    bool reads;
    _Atomic(pthread_t) id; /* 0: it has not begun */
    pthread_t thread;
    pthread_mutex_t lock; /* what follows */
    pthread_cond_t work;
    wx_task_list queue;
    bool started, ending;

    /* The clerk's own. */
    wx_task *current;
    wx_last_word *last_words;
    bool unsynced;
    int64_t maintained_boot_ms;
} wx_clerk;

struct wx_engine {
    const wxtp_allocator *allocator;
    wxtp_allocator own_allocator;
    wxtp_clock clock;
    const wxtp_http *http; /* the owner's */
    wxtp_store *store;
    bool own_threads;
    bool system_clock;
    atomic_bool stopping;

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t freed; /* the driver's seat, or a task has ended */
    wx_task_list inbox;   /* tasks that may go on */
    wx_order *orders;
    size_t alive;
    wx_task **more_timers; /* a larger heap, for the driver to move to */
    size_t more_capacity;
    wx_task_list idle; /* ended; their stacks serve again */
    size_t idle_count;
    bool asleep; /* the loop waits, or is about to */
    bool nudged; /* a thread that drives may have what it waits for: no more waiting in this turn */
    bool started, ending;

    _Atomic(pthread_t) driver; /* 0: nobody */

    /* The driver's own. */
    wx_task *current;
    wx_task_list ready;
    wx_task_list to_write, to_read; /* go to the clerks when the turn is over */
    wx_task **timers;
    size_t timer_count, timer_capacity;
    bool stop_seen;

    pthread_t thread;
    wx_clerk writer, reader;
};

/* task.c */
void wx_list_init(wx_task_list *list);
void wx_list_add(wx_task_list *list, wx_task *task);
wx_task *wx_list_take(wx_task_list *list);               /* NULL: empty */
void wx_list_move(wx_task_list *to, wx_task_list *from); /* all of it */
/* With the lock held: ends the wait of the loop. */
void wx_engine_wake(wx_engine *engine);
/* With the lock held: where threads of the host drive, ends their wait in this turn. */
void wx_nudge(wx_engine *engine);
/* With the lock held: it may go on. */
void wx_task_ready(wx_engine *engine, wx_task *task);

/* loop.c */
/* Suspends the calling task until it is ready again, or for `ms` (-1: for ever). */
void wx_task_sleep(wx_engine *engine, wx_task *task, int64_t ms);
/* Lets the calling task's fellows go first. */
void wx_task_yield(wx_engine *engine, wx_task *task);
/* With the lock held, by a thread of the host that waits for `cond`: waits, or drives the engine. */
void wx_engine_help(wx_engine *engine, int64_t wait_ms, pthread_cond_t *cond);
/* With the lock held: the loop thread runs, where there is to be one. */
bool wx_engine_start(wx_engine *engine);

/* clerk.c */
bool wx_clerk_init(wx_clerk *clerk, wx_engine *engine, bool reads);
void wx_clerk_stop(wx_clerk *clerk); /* its queue is empty */
void wx_clerk_destroy(wx_clerk *clerk);
/* The tasks have suspended themselves to go there. */
void wx_clerk_give(wx_clerk *clerk, wx_task_list *tasks);

/* thread.c */
bool wx_cond_init(pthread_cond_t *cond); /* on monotonic time */
/* With the lock held; -1: for ever. */
void wx_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms);
bool wx_thread_start(pthread_t *thread, void *(*run)(void *), void *user); /* no signal reaches it */

#endif
