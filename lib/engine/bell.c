/* Bells, and the HTTP calls that ring them. */
#include <assert.h>

#include "engine/inner.h"

wxtp_status wx_bell_init(wx_bell *bell, wx_engine *engine)
{
    *bell = (wx_bell){.engine = engine};
    return wx_cond_init(&bell->heard) ? WXTP_OK : WXTP_ERR_NOMEM;
}

void wx_bell_destroy(wx_bell *bell)
{
    assert(!bell->sleeper);
    (void)pthread_cond_destroy(&bell->heard);
}

void wx_bell_ring(wx_bell *bell)
{
    wx_engine *engine = bell->engine;
    (void)pthread_mutex_lock(&engine->lock);
    bell->rung = true;
    wx_task *sleeper = WX_TAKE(bell->sleeper);
    if (sleeper) {
        sleeper->asleep = false;
        wx_task_ready(engine, sleeper);
    } else {
        (void)pthread_cond_signal(&bell->heard);
        wx_nudge(engine);
    }
    (void)pthread_mutex_unlock(&engine->lock);
}

/* With the lock held. */
static void wait_as_task(wx_bell *bell, wx_task *self, int64_t ms)
{
    wx_engine *engine = bell->engine;
    bell->sleeper = self;
    self->bell = bell;
    self->asleep = true;
    (void)pthread_mutex_unlock(&engine->lock);
    wx_task_sleep(engine, self, ms);
    (void)pthread_mutex_lock(&engine->lock);
    self->bell = NULL;
}

static void wait_as_thread(wx_bell *bell, int64_t ms)
{
    wx_engine *engine = bell->engine;
    const wxtp_clock *clock = &engine->clock;
    const int64_t end = ms < 0 ? INT64_MAX : clock->boot_ms(clock->user) + ms;
    while (!bell->rung) {
        const int64_t left = ms < 0 ? -1 : end - clock->boot_ms(clock->user);
        if (ms >= 0 && left <= 0) {
            return;
        }
        wx_engine_help(engine, left, &bell->heard);
    }
}

bool wx_bell_wait(wx_bell *bell, int64_t ms)
{
    wx_engine *engine = bell->engine;
    wx_task *self = wx_self(engine);
    (void)pthread_mutex_lock(&engine->lock);
    if (!bell->rung && self) {
        wait_as_task(bell, self, ms);
    } else if (!bell->rung) {
        wait_as_thread(bell, ms);
    }
    const bool rung = bell->rung;
    bell->rung = false;
    (void)pthread_mutex_unlock(&engine->lock);
    return rung;
}

/* ---- HTTP ---- */

static void on_answered(void *user)
{
    wx_bell_ring(user);
}

static void perform_as_task(wx_engine *engine, wx_task *self, const wxtp_http_request *request,
                            wxtp_http_answer *answer)
{
    /* A task's bell needs no condition. */
    wx_bell bell = {.engine = engine};
    if (engine->http->start(engine->http->user, request, answer, on_answered, &bell)) {
        wx_task_yield(engine, self); /* others are not held up by one whose requests end at once */
    } else {
        (void)wx_bell_wait(&bell, -1);
    }
}

static void on_ordered(void *user)
{
    wx_order *order = user;
    wx_bell_ring(&order->bell);
}

static bool hand_over(wx_engine *engine, wx_order *order)
{
    (void)pthread_mutex_lock(&engine->lock);
    const bool taken = wx_engine_start(engine);
    if (taken) {
        order->next = engine->orders;
        engine->orders = order;
        wx_engine_wake(engine);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    return taken;
}

static void perform_as_thread(wx_engine *engine, const wxtp_http_request *request, wxtp_http_answer *answer)
{
    wx_order order = {.request = request, .answer = answer, .done = on_ordered};
    *answer = (wxtp_http_answer){.outcome = WXTP_HTTP_NOT_SENT};
    if (wx_bell_init(&order.bell, engine) != WXTP_OK) {
        (void)wx_copy(answer->detail, sizeof(answer->detail), "out of memory");
        return;
    }
    if (hand_over(engine, &order)) {
        (void)wx_bell_wait(&order.bell, -1);
    } else {
        (void)wx_copy(answer->detail, sizeof(answer->detail), "no thread could be started");
    }
    wx_bell_destroy(&order.bell);
}

void wx_perform(wx_engine *engine, const wxtp_http_request *request, wxtp_http_answer *answer)
{
    wx_task *self = wx_self(engine);
    if (self) {
        perform_as_task(engine, self, request, answer);
    } else {
        perform_as_thread(engine, request, answer);
    }
}
