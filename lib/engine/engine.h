/*
 * One loop a platform: tasks that wait for answers, for each other and for the store without holding a
 * thread. A task is a function on a fiber; while it waits, the loop runs others.
 *
 * The same waits serve threads of the host: there they block. With `own_threads` a loop thread drives the
 * engine and two clerks do the store's work; without, whoever waits drives it, one thread at a time, and
 * everything is done in an order that does not depend on chance.
 */
#ifndef WX_ENGINE_ENGINE_H
#define WX_ENGINE_ENGINE_H

#include <pthread.h>
#include <wxtp/allocator.h>
#include <wxtp/clock.h>
#include <wxtp/http.h>
#include <wxtp/store.h>

typedef struct wx_engine wx_engine;
typedef struct wx_task wx_task;
typedef void wx_task_main(void *user);

typedef struct wx_engine_options {
    const wxtp_allocator *allocator;
    const wxtp_clock *clock;
    const wxtp_http *http; /* borrowed */
    wxtp_store *store;
    bool own_threads;
} wx_engine_options;

wx_engine *wx_engine_new(const wx_engine_options *options); /* NULL when out of memory */
/* No task waits for anything any more, and nobody waits for one. NULL does nothing. */
void wx_engine_free(wx_engine *engine);
/* In a child, after fork: its threads are not here, and what they held is left behind. */
void wx_engine_abandon(wx_engine *engine);

/* Starts a task; from any thread. WXTP_ERR_NOMEM also where there are too many. */
wxtp_status wx_spawn(wx_engine *engine, wx_task_main *main, void *user);
/* The task that the calling code runs in; NULL: a thread of the host. */
wx_task *wx_self(const wx_engine *engine);
/* Wakes whoever rests, now and later. Any thread, and signal handlers. */
void wx_engine_stop(wx_engine *engine);
/* Without threads of its own: one turn, that waits for something to happen at most so long. */
void wx_engine_turn(wx_engine *engine, int64_t wait_ms);
/* Ends the wait of such a turn that is under way. */
void wx_engine_nudge(wx_engine *engine);

/* Sleeps; a stop ends it early. */
void wx_rest(wx_engine *engine, int64_t ms);
/* One HTTP call; see wxtp_http. */
void wx_perform(wx_engine *engine, const wxtp_http_request *request, wxtp_http_answer *answer);

/* ---- Bells: one waits, others ring ---- */

typedef struct wx_bell {
    wx_engine *engine;
    wx_task *sleeper; /* the task that waits */
    bool rung;        /* and not heard yet */
    pthread_cond_t heard;
} wx_bell;

wxtp_status wx_bell_init(wx_bell *bell, wx_engine *engine); /* WXTP_ERR_NOMEM */
void wx_bell_destroy(wx_bell *bell);
void wx_bell_ring(wx_bell *bell); /* any thread; rings before the wait are remembered as one */
/* False: it did not ring for `ms`; -1: waits for ever. */
bool wx_bell_wait(wx_bell *bell, int64_t ms);

/* ---- The store's turn ---- */

/* Begins a transaction where it stops no loop: a task goes on at a clerk's, in one transaction with others
 * that come meanwhile. `joint`: a failure may be theirs too, which saves a savepoint. `trouble` receives the
 * words. */
wxtp_status wx_engine_begin(wx_engine *engine, wxtp_tx_mode mode, bool joint, wxtp_tx **tx, char *trouble,
                            size_t size);
/* Ends it; WXTP_OK from a commit means that it stands. */
wxtp_status wx_engine_commit(wx_engine *engine, wxtp_tx *tx, char *trouble, size_t size);
void wx_engine_rollback(wx_engine *engine, wxtp_tx *tx);

/* Goes on in a clerk's thread, for work of the store outside a transaction; true: wx_engine_back is to
 * follow. */
bool wx_engine_aside(wx_engine *engine);
void wx_engine_back(wx_engine *engine);

/* Something to be done once for all that is committed together. */
typedef struct wx_last_word {
    wxtp_status (*say)(void *user, wxtp_tx *tx);
    void *user;
    struct wx_last_word *next;
} wx_last_word;
/* Has `word` said before the commit of what the calling task is part of. False: it is alone, say it yourself.
 */
bool wx_engine_before_commit(wx_engine *engine, wx_last_word *word);

#endif
