/*
 * A clerk does the store's work in a thread of its own, so that a slow disk stops no loop. Tasks come to it
 * with their transaction, and what comes together is one transaction of the store, committed once. A task
 * whose part fails is undone alone, by a savepoint. An engine without threads has its driver do the same.
 */
#include <assert.h>
#include <string.h>

#include "engine/inner.h"

enum {
    TOGETHER_MIN = 8, /* tasks in one transaction */
    TOGETHER_MAX = 256,
    MAINTAIN_MS = 1000,
};

typedef struct group {
    wx_clerk *clerk;
    wxtp_tx *tx;
    wxtp_tx_mode mode;
    wx_task_list done; /* wait for the commit */
    size_t count, most;
    bool spoiled; /* one that had no savepoint failed */
} group;

static const wxtp_store_ops *ops_of(const wx_clerk *clerk)
{
    return clerk->engine->store->ops;
}

static int64_t now_ms(const wx_engine *engine)
{
    return engine->clock.boot_ms(engine->clock.user);
}

/* The loop is woken when the lock is free, or it would only wait for that. */
static void back_to_loop(wx_engine *engine, wx_task_list *tasks)
{
    if (!tasks->first) {
        return;
    }
    (void)pthread_mutex_lock(&engine->lock);
    wx_list_move(&engine->inbox, tasks);
    const bool asleep = engine->asleep;
    engine->asleep = false;
    (void)pthread_mutex_unlock(&engine->lock);
    if (asleep) {
        engine->http->wake(engine->http->user);
    }
}

static void give_back(wx_clerk *clerk, wx_task *task)
{
    wx_task_list one;
    wx_list_init(&one);
    task->tx = NULL;
    wx_list_add(&one, task);
    back_to_loop(clerk->engine, &one);
}

static void give_all_back(wx_clerk *clerk, wx_task_list *tasks, wxtp_status status, const char *trouble)
{
    for (wx_task *task = tasks->first; task; task = task->next) {
        task->tx = NULL;
        task->status = status;
        (void)wx_copy(task->trouble, sizeof(task->trouble), trouble);
    }
    back_to_loop(clerk->engine, tasks);
}

/* ---- One part ---- */

/* Here the task is the one that runs: the clerk's own, or, where the driver is the clerk, the driver's. */
static void resume(wx_clerk *clerk, wx_task *task)
{
    wx_task **current = clerk->engine->own_threads ? &clerk->current : &clerk->engine->current;
    wx_task *before = *current;
    *current = task;
    wx_fiber_resume(task->fiber);
    *current = before;
}

/* A part without a savepoint cannot be undone alone, nor can one whose undoing fails. */
static void undo(group *g, const wx_task *task)
{
    if (g->mode != WXTP_TX_READ) {
        g->spoiled = g->spoiled || task->joint || ops_of(g->clerk)->rollback_to(g->tx) != WXTP_OK;
    }
}

/* Work outside a transaction: when it is done, the task suspends itself once more. */
static void let_work(wx_clerk *clerk, wx_task *task)
{
    resume(clerk, task);
    give_back(clerk, task);
}

static void serve(group *g, wx_task *task)
{
    wx_clerk *clerk = g->clerk;
    const bool guarded = g->mode != WXTP_TX_READ && !task->joint;
    task->status = guarded ? ops_of(clerk)->savepoint(g->tx) : WXTP_OK;
    if (task->status != WXTP_OK) {
        ops_of(clerk)->message(clerk->engine->store, g->tx, task->trouble, sizeof(task->trouble));
        give_back(clerk, task);
        return;
    }
    task->tx = g->tx;
    resume(clerk, task);
    assert(!wx_fiber_ended(task->fiber));
    if (!task->wants_commit) {
        undo(g, task);
        give_back(clerk, task);
    } else if (g->mode == WXTP_TX_READ) {
        give_back(clerk, task);
    } else {
        if (guarded) {
            (void)ops_of(clerk)->release(g->tx);
        }
        wx_list_add(&g->done, task);
    }
}

/* ---- What is done together ---- */

static bool any_sync(const wx_task_list *tasks)
{
    for (const wx_task *task = tasks->first; task; task = task->next) {
        if (task->mode == WXTP_TX_SYNC) {
            return true;
        }
    }
    return false;
}

/* The next that may join; one that needs a sync does not join those that need none. Nor does one join a read
 * that has begun: what it has just committed is not to be seen there. */
static wx_task *next_in(group *g, wx_task_list *tasks)
{
    wx_clerk *clerk = g->clerk;
    wx_task *task = wx_list_take(tasks);
    if (task || g->count >= g->most || g->spoiled || g->mode == WXTP_TX_READ) {
        return task;
    }
    (void)pthread_mutex_lock(&clerk->lock);
    if (clerk->queue.first && clerk->queue.first->mode <= g->mode) {
        task = wx_list_take(&clerk->queue);
    }
    (void)pthread_mutex_unlock(&clerk->lock);
    return task;
}

static wxtp_status say_last_words(group *g)
{
    wxtp_status status = g->spoiled ? WXTP_ERR_STORE : WXTP_OK;
    for (wx_last_word *word; (word = g->clerk->last_words) != NULL;) {
        g->clerk->last_words = word->next;
        const wxtp_status said = word->say(word->user, status == WXTP_OK ? g->tx : NULL);
        status = status == WXTP_OK ? said : status;
    }
    return status;
}

static void finish(group *g)
{
    wx_clerk *clerk = g->clerk;
    char trouble[WX_TROUBLE_MAX] = "";
    wxtp_status status = say_last_words(g);
    if (status != WXTP_OK) {
        ops_of(clerk)->message(clerk->engine->store, g->tx, trouble, sizeof(trouble));
        ops_of(clerk)->rollback(g->tx);
    } else if (g->mode == WXTP_TX_READ) {
        ops_of(clerk)->rollback(g->tx);
    } else {
        status = ops_of(clerk)->commit(g->tx);
        if (status != WXTP_OK) {
            ops_of(clerk)->message(clerk->engine->store, NULL, trouble, sizeof(trouble));
        } else {
            clerk->unsynced = g->mode == WXTP_TX_WRITE;
        }
    }
    give_all_back(clerk, &g->done, status, trouble);
}

static void serve_together(wx_clerk *clerk, wx_task_list *tasks, size_t most)
{
    group g = {.clerk = clerk, .most = most};
    wx_task_list aside;
    wx_list_init(&g.done);
    wx_list_init(&aside);
    g.mode = clerk->reads ? WXTP_TX_READ : any_sync(tasks) ? WXTP_TX_SYNC : WXTP_TX_WRITE;
    const wxtp_status status = ops_of(clerk)->begin(clerk->engine->store, g.mode, &g.tx);
    if (status != WXTP_OK) {
        char trouble[WX_TROUBLE_MAX] = "";
        ops_of(clerk)->message(clerk->engine->store, NULL, trouble, sizeof(trouble));
        give_all_back(clerk, tasks, status, trouble);
        return;
    }
    for (wx_task *task; (task = next_in(&g, tasks)) != NULL; g.count++) {
        if (task->aside) {
            wx_list_add(&aside, task);
        } else {
            serve(&g, task);
        }
    }
    finish(&g);
    for (wx_task *task; (task = wx_list_take(&aside)) != NULL;) {
        let_work(clerk, task);
    }
}

/* ---- The thread ---- */

static void maintain(wx_clerk *clerk)
{
    const int64_t now = now_ms(clerk->engine);
    if (clerk->unsynced && now - clerk->maintained_boot_ms >= MAINTAIN_MS) {
        clerk->maintained_boot_ms = now;
        clerk->unsynced = ops_of(clerk)->maintain(clerk->engine->store) != WXTP_OK;
    }
}

/* Half of the tasks that there are, so that the loop has the other half to work on meanwhile. */
static size_t together(wx_engine *engine)
{
    (void)pthread_mutex_lock(&engine->lock);
    const size_t half = engine->alive / 2;
    (void)pthread_mutex_unlock(&engine->lock);
    return half < TOGETHER_MIN ? TOGETHER_MIN : half < TOGETHER_MAX ? half : TOGETHER_MAX;
}

static void *work(void *user)
{
    wx_clerk *clerk = user;
    atomic_store(&clerk->id, pthread_self());
    bool over = false;
    while (!over) {
        wx_task_list tasks;
        wx_list_init(&tasks);
        const size_t most = together(clerk->engine);
        (void)pthread_mutex_lock(&clerk->lock);
        if (!clerk->queue.first && !clerk->ending) {
            wx_cond_wait_ms(&clerk->work, &clerk->lock, clerk->unsynced ? MAINTAIN_MS : -1);
        }
        for (size_t at = 0; at < most && clerk->queue.first; at++) {
            wx_list_add(&tasks, wx_list_take(&clerk->queue));
        }
        over = clerk->ending && !clerk->queue.first;
        (void)pthread_mutex_unlock(&clerk->lock);
        if (tasks.first) {
            serve_together(clerk, &tasks, most);
        }
        maintain(clerk);
    }
    return NULL;
}

bool wx_clerk_init(wx_clerk *clerk, wx_engine *engine, bool reads)
{
    clerk->engine = engine;
    clerk->reads = reads;
    atomic_init(&clerk->id, 0);
    wx_list_init(&clerk->queue);
    return pthread_mutex_init(&clerk->lock, NULL) == 0 && wx_cond_init(&clerk->work);
}

void wx_clerk_destroy(wx_clerk *clerk)
{
    (void)pthread_cond_destroy(&clerk->work);
    (void)pthread_mutex_destroy(&clerk->lock);
}

void wx_clerk_stop(wx_clerk *clerk)
{
    (void)pthread_mutex_lock(&clerk->lock);
    clerk->ending = true;
    const bool started = clerk->started;
    (void)pthread_cond_signal(&clerk->work);
    (void)pthread_mutex_unlock(&clerk->lock);
    if (started) {
        (void)pthread_join(clerk->thread, NULL);
    }
}

/* Without threads of our own whoever drives is the clerk too. */
static void serve_here(wx_clerk *clerk, wx_task_list *tasks)
{
    wx_task_list now;
    wx_list_init(&now);
    wx_list_move(&now, tasks);
    serve_together(clerk, &now, TOGETHER_MAX);
}

void wx_clerk_give(wx_clerk *clerk, wx_task_list *tasks)
{
    if (!tasks->first) {
        return;
    }
    if (!clerk->engine->own_threads) {
        serve_here(clerk, tasks);
        return;
    }
    (void)pthread_mutex_lock(&clerk->lock);
    if (!clerk->started) {
        clerk->started = wx_thread_start(&clerk->thread, work, clerk);
    }
    const bool started = clerk->started;
    if (started) {
        wx_list_move(&clerk->queue, tasks);
    }
    (void)pthread_mutex_unlock(&clerk->lock);
    if (started) {
        (void)pthread_cond_signal(&clerk->work); /* who wakes finds the lock free */
    } else {
        give_all_back(clerk, tasks, WXTP_ERR_NOMEM, "no thread could be started");
    }
}

/* ---- What a task does ---- */

static void tell(wx_engine *engine, wxtp_status status, char *trouble, size_t size)
{
    if (status != WXTP_OK) {
        engine->store->ops->message(engine->store, NULL, trouble, size);
    }
}

wxtp_status wx_engine_begin(wx_engine *engine, wxtp_tx_mode mode, bool joint, wxtp_tx **tx, char *trouble,
                            size_t size)
{
    wx_task *self = wx_self(engine);
    *tx = NULL;
    if (!self || self->tx || self->aside) {
        const wxtp_status status = engine->store->ops->begin(engine->store, mode, tx);
        tell(engine, status, trouble, size);
        return status;
    }
    self->mode = mode;
    self->joint = joint;
    self->wants_commit = false;
    self->errand = WX_ERRAND_STORE;
    wx_fiber_suspend(self->fiber);
    *tx = self->tx;
    if (!self->tx) {
        (void)wx_copy(trouble, size, self->trouble);
    }
    return self->tx ? WXTP_OK : self->status;
}

/* The task goes back to the loop. */
static wxtp_status leave(wx_task *self, bool commit)
{
    self->wants_commit = commit;
    self->status = WXTP_OK;
    wx_fiber_suspend(self->fiber);
    return self->status;
}

wxtp_status wx_engine_commit(wx_engine *engine, wxtp_tx *tx, char *trouble, size_t size)
{
    wx_task *self = wx_self(engine);
    if (!self || self->tx != tx) {
        const wxtp_status status = engine->store->ops->commit(tx);
        tell(engine, status, trouble, size);
        return status;
    }
    const wxtp_status status = leave(self, true);
    if (status != WXTP_OK) {
        (void)wx_copy(trouble, size, self->trouble);
    }
    return status;
}

void wx_engine_rollback(wx_engine *engine, wxtp_tx *tx)
{
    wx_task *self = wx_self(engine);
    if (!self || self->tx != tx) {
        engine->store->ops->rollback(tx);
    } else {
        (void)leave(self, false);
    }
}

bool wx_engine_aside(wx_engine *engine)
{
    wx_task *self = engine->own_threads ? wx_self(engine) : NULL;
    if (!self || self->tx || self->aside) {
        return false;
    }
    self->aside = true;
    self->mode = WXTP_TX_READ; /* to the clerk that writes nothing */
    self->errand = WX_ERRAND_STORE;
    wx_fiber_suspend(self->fiber);
    return true;
}

void wx_engine_back(wx_engine *engine)
{
    wx_task *self = wx_self(engine);
    self->aside = false;
    wx_fiber_suspend(self->fiber);
}

bool wx_engine_before_commit(wx_engine *engine, wx_last_word *word)
{
    wx_task *self = wx_self(engine);
    if (!self || !self->tx) {
        return false;
    }
    wx_clerk *clerk = &engine->writer;
    word->next = clerk->last_words;
    clerk->last_words = word;
    return true;
}
