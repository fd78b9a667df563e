/* The loop: tasks that may go on, timers, and the wait for answers. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "engine/inner.h"
#include "port/quiet.h"

enum {
    TASKS_MAX = 1 << 16,
    IDLE_MAX = 256,
    SLICE_MS = 50, /* where the clock may be another than the one that a wait goes by */
    LONG_SLICE_MS = 1000,
};

/* ---- Timers: a heap by time ---- */

static void put_timer(wx_engine *engine, size_t at, wx_task *task)
{
    engine->timers[at] = task;
    task->timer_at = at + 1;
}

static void sift_up(wx_engine *engine, size_t at)
{
    wx_task *task = engine->timers[at];
    while (at > 0 && engine->timers[(at - 1) / 2]->wake_boot_ms > task->wake_boot_ms) {
        put_timer(engine, at, engine->timers[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put_timer(engine, at, task);
}

static void sift_down(wx_engine *engine, size_t at)
{
    wx_task *task = engine->timers[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= engine->timer_count) {
            break;
        }
        if (child + 1 < engine->timer_count &&
            engine->timers[child + 1]->wake_boot_ms < engine->timers[child]->wake_boot_ms) {
            child++;
        }
        if (engine->timers[child]->wake_boot_ms >= task->wake_boot_ms) {
            break;
        }
        put_timer(engine, at, engine->timers[child]);
        at = child;
    }
    put_timer(engine, at, task);
}

/* There is room: as many places as tasks were made with the lock held. */
static void add_timer(wx_engine *engine, wx_task *task)
{
    assert(engine->timer_count < engine->timer_capacity);
    put_timer(engine, engine->timer_count++, task);
    sift_up(engine, task->timer_at - 1);
}

static void remove_timer(wx_engine *engine, wx_task *task)
{
    if (task->timer_at == 0) {
        return;
    }
    const size_t at = task->timer_at - 1;
    wx_task *last = engine->timers[--engine->timer_count];
    task->timer_at = 0;
    if (last != task) {
        put_timer(engine, at, last);
        sift_up(engine, at);
        sift_down(engine, last->timer_at - 1);
    }
}

/* ---- Tasks ---- */

static int64_t now_ms(const wx_engine *engine)
{
    return engine->clock.boot_ms(engine->clock.user);
}

static void begin_task(void *user)
{
    wx_task *task = user;
    task->main(task->user);
}

static wx_task *make_task(wx_engine *engine)
{
    wx_task *task = wx_alloc(engine->allocator, sizeof(*task));
    if (task) {
        task->fiber = wx_fiber_new(begin_task, task);
        if (!task->fiber) {
            wx_free(WX_TAKE(task));
        }
    }
    return task;
}

static void free_task(wx_task *task)
{
    wx_fiber_free(task->fiber);
    wx_free(task);
}

/* With the lock held: a timer's place for one task more, so that waiting never fails. The heap is the
 * driver's, who moves to the larger one. */
static bool reserve_timer(wx_engine *engine)
{
    const size_t capacity = engine->more_capacity;
    if (engine->alive < capacity) {
        return true;
    }
    const size_t more = capacity < 64 ? 64 : capacity * 2;
    wx_task **larger = wx_alloc_array(engine->allocator, more, sizeof(wx_task *));
    if (!larger) {
        return false;
    }
    wx_free(engine->more_timers);
    engine->more_timers = larger;
    engine->more_capacity = more;
    return true;
}

/* With the lock held, by the driver. */
static void move_timers(wx_engine *engine)
{
    if (!engine->more_timers) {
        return;
    }
    if (engine->timer_count > 0) {
        memcpy(engine->more_timers, engine->timers, engine->timer_count * sizeof(wx_task *));
    }
    wx_free(engine->timers);
    engine->timers = WX_TAKE(engine->more_timers);
    engine->timer_capacity = engine->more_capacity;
}

/* With the lock held. */
static wx_task *new_task(wx_engine *engine)
{
    if (engine->alive >= TASKS_MAX || !reserve_timer(engine) || !wx_engine_start(engine)) {
        return NULL;
    }
    wx_task *task = wx_list_take(&engine->idle);
    if (task) {
        engine->idle_count--;
        wx_fiber_again(task->fiber, begin_task, task);
        return task;
    }
    return make_task(engine);
}

wxtp_status wx_spawn(wx_engine *engine, wx_task_main *main, void *user)
{
    (void)pthread_mutex_lock(&engine->lock);
    wx_task *task = new_task(engine);
    if (task) {
        task->main = main;
        task->user = user;
        engine->alive++;
        wx_task_ready(engine, task);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    return task ? WXTP_OK : WXTP_ERR_NOMEM;
}

void wx_task_sleep(wx_engine *engine, wx_task *task, int64_t ms)
{
    assert(!task->tx && engine->current == task);
    if (ms >= 0) {
        const int64_t now = now_ms(engine);
        task->wake_boot_ms = ms > INT64_MAX - now ? INT64_MAX : now + ms;
        add_timer(engine, task);
    }
    wx_fiber_suspend(task->fiber);
}

void wx_task_yield(wx_engine *engine, wx_task *task)
{
    wx_list_add(&engine->ready, task);
    wx_fiber_suspend(task->fiber);
}

static void retire(wx_engine *engine, wx_task *task)
{
    (void)pthread_mutex_lock(&engine->lock);
    engine->alive--;
    (void)pthread_cond_broadcast(&engine->freed);
    const bool keep = engine->idle_count < IDLE_MAX;
    if (keep) {
        wx_list_add(&engine->idle, task);
        engine->idle_count++;
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (!keep) {
        free_task(task);
    }
}

static void run_task(wx_engine *engine, wx_task *task)
{
    remove_timer(engine, task);
    task->errand = WX_ERRAND_NONE;
    wx_task *before = engine->current; /* where a task drives another engine's turn, and this one's again */
    engine->current = task;
    wx_fiber_resume(task->fiber);
    engine->current = before;
    if (wx_fiber_ended(task->fiber)) {
        retire(engine, task);
    } else if (task->errand == WX_ERRAND_STORE) {
        wx_list_add(task->mode == WXTP_TX_READ ? &engine->to_read : &engine->to_write, task);
    }
}

/* ---- A turn ---- */

static void start_orders(wx_engine *engine, wx_order *order)
{
    while (order) {
        wx_order *next = order->next; /* once done it may be gone */
        if (engine->http->start(engine->http->user, order->request, order->answer, order->done, order)) {
            order->done(order);
        }
        order = next;
    }
}

/* One that was rung meanwhile is on its way already. */
static void wake_timer(wx_engine *engine, wx_task *task)
{
    remove_timer(engine, task);
    (void)pthread_mutex_lock(&engine->lock);
    const bool woken = task->asleep;
    task->asleep = false;
    if (woken && task->bell) {
        task->bell->sleeper = NULL;
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (woken) {
        wx_list_add(&engine->ready, task);
    }
}

static bool wake_one_that_rests(wx_engine *engine)
{
    for (size_t at = 0; at < engine->timer_count; at++) {
        if (engine->timers[at]->resting) {
            wake_timer(engine, engine->timers[at]);
            return true;
        }
    }
    return false;
}

static void wake_due(wx_engine *engine)
{
    if (!engine->stop_seen && atomic_load(&engine->stopping)) {
        engine->stop_seen = true;
        while (wake_one_that_rests(engine)) {
        }
    }
    if (engine->timer_count > 0) {
        const int64_t now = now_ms(engine);
        while (engine->timer_count > 0 && engine->timers[0]->wake_boot_ms <= now) {
            wake_timer(engine, engine->timers[0]);
        }
    }
}

/* Slices: a stop is seen soon, and a clock of the host's own may not be the one that the wait goes by.
 * Without threads of our own such a clock moves by the wait itself. */
static int64_t slice_ms(const wx_engine *engine)
{
    if (engine->own_threads && engine->system_clock && engine->timer_count == 0) {
        return LONG_SLICE_MS;
    }
    return engine->own_threads || engine->system_clock ? SLICE_MS : INT64_MAX;
}

static int64_t wait_for(const wx_engine *engine, int64_t wait_ms)
{
    if (engine->ready.first) {
        return 0;
    }
    const int64_t slice = slice_ms(engine);
    wait_ms = wait_ms < slice ? wait_ms : slice;
    if (engine->timer_count > 0) {
        const int64_t left = engine->timers[0]->wake_boot_ms - now_ms(engine);
        wait_ms = left < 0 ? 0 : left < wait_ms ? left : wait_ms;
    }
    return wait_ms;
}

static void turn(wx_engine *engine, int64_t wait_ms)
{
    (void)pthread_mutex_lock(&engine->lock);
    move_timers(engine);
    wx_list_move(&engine->ready, &engine->inbox);
    wx_order *orders = WX_TAKE(engine->orders);
    engine->nudged = false;
    (void)pthread_mutex_unlock(&engine->lock);
    start_orders(engine, orders);
    wake_due(engine);
    wx_task_list now = engine->ready;
    if (now.first) {
        wx_list_init(&engine->ready);
        for (wx_task *task; (task = wx_list_take(&now)) != NULL;) {
            run_task(engine, task);
        }
        wx_clerk_give(&engine->writer, &engine->to_write);
        wx_clerk_give(&engine->reader, &engine->to_read);
    }
    wait_ms = wait_for(engine, wait_ms);
    (void)pthread_mutex_lock(&engine->lock);
    if (engine->inbox.first || engine->orders || engine->nudged || engine->ending) {
        wait_ms = 0;
    }
    engine->asleep = wait_ms > 0;
    (void)pthread_mutex_unlock(&engine->lock);
    engine->http->poll(engine->http->user, wait_ms);
    (void)pthread_mutex_lock(&engine->lock);
    engine->asleep = false;
    (void)pthread_mutex_unlock(&engine->lock);
}

/* ---- Who drives ---- */

static void *drive(void *user)
{
    wx_engine *engine = user;
    atomic_store(&engine->driver, pthread_self());
    for (;;) {
        (void)pthread_mutex_lock(&engine->lock);
        const bool over = engine->ending;
        (void)pthread_mutex_unlock(&engine->lock);
        if (over) {
            return NULL;
        }
        turn(engine, INT64_MAX);
    }
}

bool wx_engine_start(wx_engine *engine)
{
    if (engine->own_threads && !engine->started) {
        engine->started = wx_thread_start(&engine->thread, drive, engine);
        return engine->started;
    }
    return true;
}

/* With the lock held, which it gives back meanwhile. */
static void take_a_turn(wx_engine *engine, int64_t wait_ms)
{
    const pthread_t before = atomic_load(&engine->driver); /* ourselves, in a turn within a turn */
    atomic_store(&engine->driver, pthread_self());
    (void)pthread_mutex_unlock(&engine->lock);
    wx_quiet quiet;
    wx_quiet_begin(&quiet);
    turn(engine, wait_ms);
    wx_quiet_end(&quiet);
    (void)pthread_mutex_lock(&engine->lock);
    atomic_store(&engine->driver, before);
    (void)pthread_cond_broadcast(&engine->freed);
}

void wx_engine_help(wx_engine *engine, int64_t wait_ms, pthread_cond_t *cond)
{
    const pthread_t driver = atomic_load(&engine->driver);
    if (engine->own_threads) {
        const bool sliced = !engine->system_clock && (wait_ms < 0 || wait_ms > SLICE_MS);
        wx_cond_wait_ms(cond, &engine->lock, sliced ? SLICE_MS : wait_ms);
    } else if (driver == 0 || driver == pthread_self()) {
        take_a_turn(engine, wait_ms < 0 ? LONG_SLICE_MS : wait_ms);
    } else {
        wx_cond_wait_ms(&engine->freed, &engine->lock, SLICE_MS / 10);
    }
}

void wx_engine_turn(wx_engine *engine, int64_t wait_ms)
{
    (void)pthread_mutex_lock(&engine->lock);
    if (!engine->own_threads) {
        wx_engine_help(engine, wait_ms, &engine->freed);
    }
    (void)pthread_mutex_unlock(&engine->lock);
}

void wx_engine_nudge(wx_engine *engine)
{
    (void)pthread_mutex_lock(&engine->lock);
    wx_nudge(engine);
    (void)pthread_mutex_unlock(&engine->lock);
}

void wx_engine_stop(wx_engine *engine)
{
    atomic_store(&engine->stopping, true);
}

void wx_rest(wx_engine *engine, int64_t ms)
{
    wx_task *self = wx_self(engine);
    if (self && !self->tx) {
        if (!atomic_load(&engine->stopping)) {
            self->resting = self->asleep = true;
            wx_task_sleep(engine, self, ms);
            self->resting = false;
        }
        return;
    }
    const int64_t end = now_ms(engine) + ms;
    for (int64_t left = ms; left > 0 && !atomic_load(&engine->stopping); left = end - now_ms(engine)) {
        engine->clock.sleep_ms(engine->clock.user, left < SLICE_MS ? left : SLICE_MS);
    }
}

/* ---- Beginning and end ---- */

wx_engine *wx_engine_new(const wx_engine_options *options)
{
    wx_engine *engine = wx_alloc(options->allocator, sizeof(*engine));
    if (!engine) {
        return NULL;
    }
    if (options->allocator) {
        engine->own_allocator = *options->allocator;
        engine->allocator = &engine->own_allocator;
    }
    engine->clock = *options->clock;
    engine->http = options->http;
    engine->store = options->store;
    engine->own_threads = options->own_threads;
    engine->system_clock = options->clock->boot_ms == wxtp_clock_system()->boot_ms;
    atomic_init(&engine->stopping, false);
    atomic_init(&engine->driver, 0);
    wx_list_init(&engine->inbox);
    wx_list_init(&engine->idle);
    wx_list_init(&engine->ready);
    wx_list_init(&engine->to_write);
    wx_list_init(&engine->to_read);
    (void)pthread_mutex_init(&engine->lock, NULL);
    const bool freed = wx_cond_init(&engine->freed);
    const bool writer = freed && wx_clerk_init(&engine->writer, engine, false);
    if (writer && wx_clerk_init(&engine->reader, engine, true)) {
        return engine;
    }
    if (writer) {
        wx_clerk_destroy(&engine->writer);
    }
    if (freed) {
        (void)pthread_cond_destroy(&engine->freed);
    }
    (void)pthread_mutex_destroy(&engine->lock);
    wx_free(engine);
    return NULL;
}

static void free_parts(wx_engine *engine)
{
    for (wx_task *task; (task = wx_list_take(&engine->idle)) != NULL;) {
        free_task(task);
    }
    wx_free(engine->timers);
    wx_free(engine->more_timers);
    wx_free(engine);
}

void wx_engine_free(wx_engine *engine)
{
    if (!engine) {
        return;
    }
    (void)pthread_mutex_lock(&engine->lock);
    assert(!engine->orders);
    while (engine->alive > 0) { /* they are on their last steps */
        wx_engine_help(engine, -1, &engine->freed);
    }
    engine->ending = true;
    wx_engine_wake(engine);
    (void)pthread_mutex_unlock(&engine->lock);
    if (engine->started) {
        (void)pthread_join(engine->thread, NULL);
    }
    wx_clerk_stop(&engine->writer);
    wx_clerk_stop(&engine->reader);
    wx_clerk_destroy(&engine->writer);
    wx_clerk_destroy(&engine->reader);
    (void)pthread_cond_destroy(&engine->freed);
    (void)pthread_mutex_destroy(&engine->lock);
    free_parts(engine);
}

/* Tasks that were under way are left behind: what their stacks hold is held by nobody here. */
void wx_engine_abandon(wx_engine *engine)
{
    if (engine && engine->alive == 0) {
        free_parts(engine);
    }
}
