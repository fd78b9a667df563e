/* Tasks: who the calling one is, lists of them, and making one ready. */
#include "engine/inner.h"

wx_task *wx_self(const wx_engine *engine)
{
    /* Each sees its own name there, or another's, whenever it looks. */
    const pthread_t me = pthread_self();
    if (atomic_load_explicit(&engine->driver, memory_order_relaxed) == me) {
        return engine->current;
    }
    if (atomic_load_explicit(&engine->writer.id, memory_order_relaxed) == me) {
        return engine->writer.current;
    }
    return atomic_load_explicit(&engine->reader.id, memory_order_relaxed) == me ? engine->reader.current
                                                                                : NULL;
}

void wx_engine_wake(wx_engine *engine)
{
    if (engine->asleep) {
        engine->asleep = false;
        engine->http->wake(engine->http->user);
    }
}

void wx_nudge(wx_engine *engine)
{
    if (!engine->own_threads) {
        (void)pthread_cond_broadcast(&engine->freed);
        engine->nudged = true;
        wx_engine_wake(engine);
    }
}

void wx_task_ready(wx_engine *engine, wx_task *task)
{
    wx_list_add(&engine->inbox, task);
    wx_engine_wake(engine);
}

/* ---- Lists ---- */

void wx_list_init(wx_task_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

void wx_list_add(wx_task_list *list, wx_task *task)
{
    task->next = NULL;
    *list->end = task;
    list->end = &task->next;
}

wx_task *wx_list_take(wx_task_list *list)
{
    wx_task *task = list->first;
    if (task) {
        list->first = task->next;
        if (!list->first) {
            list->end = &list->first;
        }
    }
    return task;
}

void wx_list_move(wx_task_list *to, wx_task_list *from)
{
    if (from->first) {
        *to->end = from->first;
        to->end = from->end;
        wx_list_init(from);
    }
}
