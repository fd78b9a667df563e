#include "control.h"
#include "json.h"
#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { WAIT_MOST_MS = 600000, SHOWN_NORMALLY = 100000 };

struct control_route {
    const char *path, *method;
    void (*carry_out)(struct control *control);
};

bool control_refuse(struct control *control, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(control->why, sizeof control->why, format, list);
    va_end(list);
    return false;
}

static bool only(struct control *control, const char *keys)
{
    return json_only(control->order, keys, control->why, sizeof control->why);
}

static const char *argument(const struct control *control, const char *name)
{
    const char *value = request_argument(control->request, name);
    return value && value[0] ? value : NULL;
}

static uint64_t number_argument(const struct control *control, const char *name, uint64_t otherwise)
{
    const char *value = argument(control, name);
    return value ? strtoull(value, NULL, 10) : otherwise;
}

struct component *control_component(struct control *control)
{
    const char *appid = json_text(control->order, "component_appid");
    struct component *component =
        appid ? component_find(&control->simulator->world, appid) : control->simulator->world.components;
    if (!component)
        control_refuse(control, "no such component");
    return component;
}

static void release(struct simulator *simulator, uint64_t id, bool all, int64_t *count)
{
    struct held *held = NULL;
    DL_FOREACH(simulator->held, held)
    {
        if (!held->released && (all || held->id == id)) {
            held->released = true;
            ++*count;
        }
    }
    pthread_cond_broadcast(&simulator->released);
}

static void control_reset(struct control *control)
{
    struct simulator *simulator = control->simulator;
    int64_t count = 0;
    release(simulator, 0, true, &count);
    faults_clear(&simulator->faults);
    journal_clear(&simulator->journal);
    world_close(&simulator->world);
    world_open(&simulator->world);
}

static void control_time(struct control *control)
{
    int64_t seconds = 0;
    struct world *world = &control->simulator->world;
    if (!only(control, "advance_s"))
        return;
    if (!json_integer(control->order, "advance_s", &seconds) || seconds < 0 || seconds > 4000000000) {
        control_refuse(control, "advance_s: seconds");
        return;
    }
    world->offset_ms += seconds * 1000;
    json_put_integer(control->answer, "now_ms", world_now_ms(world));
}

static void control_settings(struct control *control)
{
    struct settings *settings = &control->simulator->world.settings;
    if (strcmp(control->request->method, "GET") != 0 &&
        !settings_merge(settings, control->order, control->why, sizeof control->why))
        return;
    json_object_put(control->answer);
    control->answer = settings_show(settings);
}

static void control_faults(struct control *control)
{
    struct faults *faults = &control->simulator->faults;
    if (strcmp(control->request->method, "GET") == 0) {
        json_put(control->answer, "faults", faults_show(faults));
    } else if (strcmp(control->request->method, "DELETE") == 0) {
        uint64_t id = number_argument(control, "id", 0);
        if (!id)
            faults_clear(faults);
        else if (!faults_remove(faults, id))
            control_refuse(control, "no such fault");
    } else {
        uint64_t id = faults_add(faults, control->order, control->why, sizeof control->why);
        json_put_integer(control->answer, "id", (int64_t)id);
    }
}

static void control_held(struct control *control)
{
    struct json_object *list = json_object_new_array();
    const struct held *held = NULL;
    DL_FOREACH(control->simulator->held, held)
    {
        struct json_object *one = json_object_new_object();
        json_put_integer(one, "id", (int64_t)held->id);
        json_put_text(one, "path", held->path);
        json_put_text(one, "appid", held->appid);
        json_object_array_add(list, one);
    }
    json_put(control->answer, "held", list);
}

static void control_release(struct control *control)
{
    int64_t id = 0;
    int64_t count = 0;
    bool all = json_flag(control->order, "all", false);
    if (!only(control, "id all"))
        return;
    if (!all && !json_integer(control->order, "id", &id)) {
        control_refuse(control, "id, or all:true");
        return;
    }
    release(control->simulator, (uint64_t)id, all, &count);
    if (!all && !count)
        control_refuse(control, "no such held answer");
    json_put_integer(control->answer, "released", count);
}

static void control_journal(struct control *control)
{
    struct journal *journal = &control->simulator->journal;
    if (strcmp(control->request->method, "DELETE") == 0) {
        journal_clear(journal);
        return;
    }
    json_object_put(control->answer);
    control->answer =
        journal_show(journal, argument(control, "path"), argument(control, "appid"),
                     number_argument(control, "since", 0), number_argument(control, "limit", SHOWN_NORMALLY));
}

static int64_t held_now(const struct simulator *simulator, const char *path, const char *appid)
{
    int64_t count = 0;
    const struct held *held = NULL;
    DL_FOREACH(simulator->held, held)
    {
        if (!held->released && (!path || path_matches(path, held->path)) &&
            (!appid || strcmp(appid, held->appid) == 0))
            count++;
    }
    return count;
}

/* Until the journal has `count` matching calls and `held` of the answers are held back. */
static void control_wait(struct control *control)
{
    struct simulator *simulator = control->simulator;
    struct json_object *order = control->order;
    const char *path = json_text(order, "path");
    const char *appid = json_text(order, "appid");
    int64_t count = json_integer_or(order, "count", 0);
    int64_t held = json_integer_or(order, "held", 0);
    int64_t timeout = json_integer_or(order, "timeout_ms", 10000);
    int64_t since = json_integer_or(order, "since", 0);
    if (!only(control, "path appid count held since timeout_ms"))
        return;
    if (timeout < 0 || timeout > WAIT_MOST_MS) {
        control_refuse(control, "timeout_ms: at most %d", WAIT_MOST_MS);
        return;
    }
    uint64_t seen = since > 0 ? (uint64_t)since : 0;
    int64_t deadline = monotonic_ms() + timeout;
    int64_t calls = 0;
    bool reached = false;
    simulator->watchers++;
    for (;;) {
        if (seen + 1 < simulator->journal.first)
            seen = simulator->journal.first - 1;
        for (; seen + 1 < simulator->journal.next; seen++)
            calls += journal_matches(journal_entry(&simulator->journal, seen + 1), path, appid);
        reached = calls >= count && (!held || held_now(simulator, path, appid) >= held);
        if (reached || !simulator_wait(simulator, &simulator->changed, deadline))
            break;
    }
    simulator->watchers--;
    json_put_flag(control->answer, "reached", reached);
    json_put_integer(control->answer, "count", calls);
    json_put_integer(control->answer, "held", held_now(simulator, path, appid));
    if (!reached) {
        control->status = 408;
        control_refuse(control, "timed out: %lld calls, %lld held", (long long)calls,
                       (long long)held_now(simulator, path, appid));
    }
}

static const struct control_route ROUTES[] = {
    {"/sim/reset", "POST", control_reset},
    {"/sim/time", "POST", control_time},
    {"/sim/component", "POST", control_set_component},
    {"/sim/merchant", "POST", control_set_merchant},
    {"/sim/merchant", "GET", control_show_merchant},
    {"/sim/state", "GET", control_show_state},
    {"/sim/cloud", "POST", control_set_cloud},
    {"/sim/authorize", "POST", control_authorize},
    {"/sim/unauthorize", "POST", control_unauthorize},
    {"/sim/ticket", "POST", control_ticket},
    {"/sim/push", "POST", control_push},
    {"/sim/faults", "POST", control_faults},
    {"/sim/faults", "GET", control_faults},
    {"/sim/faults", "DELETE", control_faults},
    {"/sim/held", "GET", control_held},
    {"/sim/release", "POST", control_release},
    {"/sim/journal", "GET", control_journal},
    {"/sim/journal", "DELETE", control_journal},
    {"/sim/wait", "POST", control_wait},
    {"/sim/settings", "POST", control_settings},
    {"/sim/settings", "GET", control_settings},
    {"/sim/release-test", "POST", control_release_test},
};

static const struct control_route *control_find(const struct request *request)
{
    for (size_t i = 0; i < sizeof ROUTES / sizeof ROUTES[0]; i++)
        if (strcmp(ROUTES[i].path, request->path) == 0 && strcmp(ROUTES[i].method, request->method) == 0)
            return &ROUTES[i];
    return NULL;
}

static void deliver(struct control *control)
{
    struct delivery delivery = {0};
    if (control->deliver_to && !control->why[0]) {
        push_deliver(control->simulator, control->deliver_to, &control->push, &delivery);
        json_put(control->answer, "delivery", delivery_show(&delivery));
    }
    delivery_free(&delivery);
    push_free(&control->push);
    free(control->deliver_to);
}

static void obey(struct control *control)
{
    const struct control_route *route = control_find(control->request);
    const char *body = control->request->size ? control->request->body : "{}";
    control->order = json_parse_object(body, strlen(body));
    if (!route) {
        control->status = 404;
        control_refuse(control, "no such control: %s %s", control->request->method, control->request->path);
    } else if (!control->order) {
        control_refuse(control, "the body is not one JSON object");
    } else {
        pthread_mutex_lock(&control->simulator->lock);
        route->carry_out(control);
        pthread_mutex_unlock(&control->simulator->lock);
        deliver(control);
    }
    json_object_put(control->order);
}

void control_answer(struct simulator *simulator, const struct request *request, struct answer *answer)
{
    struct control control = {
        .simulator = simulator, .request = request, .answer = json_object_new_object(), .status = 400};
    obey(&control);
    if (control.why[0]) {
        answer->status = control.status;
        json_put_text(control.answer, "error", control.why);
    }
    answer->body = json_print(control.answer);
    answer->size = strlen(answer->body);
    json_object_put(control.answer);
}
