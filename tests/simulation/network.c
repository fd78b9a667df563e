/* The HTTP port of a node: requests that take their time, come in another order, late, or never. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const path_names[] = {"component_token", "refresh", "query_auth", "info", "list",
                                         "unblacklist",     "quota",   "other"};

static const char *const fault_names[] = {"",           " no-connection", " request-lost", " answer-lost",
                                          " cut",       " late-request",  " late-answer",  " busy",
                                          " busy-done", " 502",           " html",         " truncated",
                                          " 45011",     " 40001",         " 48001"};

static sim_path path_of(const char *url)
{
    static const struct {
        const char *part;
        sim_path path;
    } paths[] = {
        {"/component/api_component_token", SIM_PATH_COMPONENT_TOKEN},
        {"/component/api_authorizer_token", SIM_PATH_REFRESH},
        {"/component/api_query_auth", SIM_PATH_QUERY_AUTH},
        {"/component/api_get_authorizer_info", SIM_PATH_INFO},
        {"/component/api_get_authorizer_list", SIM_PATH_LIST},
        {"/members/batchunblacklist", SIM_PATH_UNBLACKLIST},
        {"/openapi/quota/get", SIM_PATH_QUOTA},
    };
    for (size_t at = 0; at < sizeof(paths) / sizeof(paths[0]); at++) {
        if (strstr(url, paths[at].part)) {
            return paths[at].path;
        }
    }
    return SIM_PATH_OTHER;
}

/* ---- Faults ---- */

static bool fits(const sim_flight *flight, sim_fault fault)
{
    const bool business = flight->path == SIM_PATH_UNBLACKLIST;
    switch (fault) {
    case SIM_FAULT_TOKEN:
        return flight->path != SIM_PATH_COMPONENT_TOKEN && flight->path != SIM_PATH_QUOTA;
    case SIM_FAULT_NO_RIGHT:
        return business;
    default:
        return true;
    }
}

static sim_fault pick_fault(sim *world, const sim_flight *flight)
{
    if (world->healing || !sim_chance(world, world->profile.fault_percent)) {
        return SIM_FAULT_NONE;
    }
    const sim_fault fault = (sim_fault)(1 + sim_below(world, SIM_FAULTS - 1));
    return fits(flight, fault) ? fault : SIM_FAULT_ANSWER_LOST;
}

static int64_t some_time(sim *world)
{
    return sim_chance(world, 80) ? 5 + sim_below(world, 100) : 100 + sim_below(world, 3000);
}

static void plan(sim *world, sim_flight *flight, int64_t timeout_ms)
{
    const int64_t now = sim_boot(world);
    flight->fault = pick_fault(world, flight);
    flight->deadline = now + timeout_ms;
    flight->connect_at = now + 1 + sim_below(world, 30);
    flight->arrive_at = flight->connect_at + some_time(world);
    flight->cut_at = SIM_NEVER;
    const int64_t back = some_time(world);
    flight->answer_at = flight->arrive_at + back;
    switch (flight->fault) {
    case SIM_FAULT_NO_CONNECTION:
        flight->arrive_at = flight->answer_at = SIM_NEVER;
        break;
    case SIM_FAULT_REQUEST_LOST:
        flight->arrive_at = flight->answer_at = SIM_NEVER;
        flight->cut_at = sim_chance(world, 50) ? flight->connect_at + back : SIM_NEVER;
        break;
    case SIM_FAULT_ANSWER_LOST:
        flight->answer_at = SIM_NEVER;
        break;
    case SIM_FAULT_ANSWER_CUT:
        flight->cut_at = flight->answer_at;
        flight->answer_at = SIM_NEVER;
        break;
    case SIM_FAULT_LATE_REQUEST:
        flight->arrive_at = now + timeout_ms - 2000 + sim_below(world, 40000);
        flight->answer_at = flight->arrive_at + back;
        break;
    case SIM_FAULT_LATE_ANSWER:
        flight->answer_at = now + timeout_ms - 2000 + sim_below(world, 20000);
        break;
    default:
        break;
    }
}

/* ---- Ends ---- */

static void set_answer(sim *world, sim_flight *flight, wxtp_http_outcome outcome, const char *detail)
{
    wxtp_http_answer *answer = flight->answer;
    *answer = (wxtp_http_answer){.outcome = outcome, .status = flight->status};
    (void)snprintf(answer->detail, sizeof(answer->detail), "%s", detail);
    if (outcome == WXTP_HTTP_ANSWERED) {
        answer->body = strdup(flight->reply);
        if (!answer->body) {
            abort();
        }
        answer->body_len = strlen(answer->body);
    }
    flight->over = true;
    flight->over_at = sim_boot(world);
    flight->outcome = outcome;
    flight->answer = NULL;
    flight->request = NULL;
    sim_note(world, "n%d #%d %s: %s %d", flight->node->number, flight->number, path_names[flight->path],
             outcome == WXTP_HTTP_ANSWERED ? "answered" : detail,
             outcome == WXTP_HTTP_ANSWERED ? flight->errcode : 0);
}

static void finish(sim *world, sim_flight *flight, wxtp_http_outcome outcome, const char *detail)
{
    set_answer(world, flight, outcome, detail);
    flight->node->nudged = true;
    flight->done(flight->done_user);
}

/* ---- The port ---- */

static char *copy(const void *bytes, size_t len)
{
    char *text = malloc(len + 1);
    if (!text) {
        abort();
    }
    memcpy(text, bytes, len);
    text[len] = '\0';
    return text;
}

static void read_url(sim *world, sim_flight *flight)
{
    const char *token = strstr(flight->url, "access_token=");
    flight->path = path_of(flight->url);
    if (token) {
        token += strlen("access_token=");
        (void)snprintf(flight->token, sizeof(flight->token), "%.*s", (int)strcspn(token, "&"), token);
    }
    flight->key = flight->account = -1;
    for (size_t at = 0; at < world->account_count; at++) {
        if (strstr(flight->body, world->accounts[at].appid)) {
            flight->account = (int)at;
        }
        if (flight->path == SIM_PATH_UNBLACKLIST &&
            sim_token_find(&world->accounts[at].access, flight->token)) {
            flight->account = (int)at;
        }
    }
    if (flight->path == SIM_PATH_REFRESH) {
        flight->key = flight->account;
    } else if (flight->path == SIM_PATH_COMPONENT_TOKEN) {
        flight->key = SIM_ACCOUNTS;
    }
}

static void add_flight(sim *world, sim_flight *flight)
{
    if (world->last_flight) {
        world->last_flight->next = flight;
    } else {
        world->flights = flight;
    }
    world->last_flight = flight;
    if (!world->open_from) {
        world->open_from = flight;
    }
    flight->number = ++world->flight_count;
}

static bool start(void *user, const wxtp_http_request *request, wxtp_http_answer *answer,
                  void (*done)(void *done_user), void *done_user)
{
    sim_node *node = user;
    sim *world = node->world;
    sim_flight *flight = calloc(1, sizeof(*flight));
    if (!flight) {
        abort();
    }
    *flight = (sim_flight){.node = node,
                           .life = node->life,
                           .task = wx_self(node->core.engine),
                           .run = world->runs,
                           .request = request,
                           .answer = answer,
                           .done = done,
                           .done_user = done_user};
    flight->url = copy(request->url, strlen(request->url));
    flight->body = copy(request->body ? request->body : "", request->body ? request->body_len : 0);
    read_url(world, flight);
    add_flight(world, flight);
    plan(world, flight, request->timeout_ms);
    sim_note(world, "n%d #%d %s a%d %s%s", node->number, flight->number, path_names[flight->path],
             flight->account, flight->token, fault_names[flight->fault]);
    sim_watch_look(world);
    sim_check_starting(world, flight);
    if (flight->fault == SIM_FAULT_NO_CONNECTION && sim_chance(world, 30)) {
        set_answer(world, flight, WXTP_HTTP_NOT_SENT, "refused at once");
        return true;
    }
    return false;
}

static bool of_this(const sim_flight *flight, const sim_node *node)
{
    return !flight->over && flight->node == node && flight->life == node->life;
}

/* The connection stands; the sender may think better of it. */
static void leave(sim *world, sim_flight *flight)
{
    const wxtp_http_request *request = flight->request;
    if (flight->fault == SIM_FAULT_NO_CONNECTION || sim_boot(world) >= flight->deadline) {
        finish(world, flight, WXTP_HTTP_NOT_SENT, "no connection");
    } else if (request->may_send && !request->may_send(request->may_send_user)) {
        finish(world, flight, WXTP_HTTP_NOT_SENT, "thought better of it");
    } else {
        flight->left = true;
        sim_watch_look(world);
        sim_check_leaving(world, flight);
    }
}

static bool answered(const sim_flight *flight, int64_t now)
{
    return flight->arrived && flight->answer_at <= now;
}

/* What has arrived is read also when the time is over: the process may have slept. */
static void go_on(sim *world, sim_flight *flight)
{
    const int64_t now = sim_boot(world);
    if (!flight->left) {
        if (flight->connect_at <= now) {
            leave(world, flight);
        }
        return;
    }
    if (answered(flight, now)) {
        finish(world, flight, WXTP_HTTP_ANSWERED, "");
    } else if (flight->cut_at <= now) {
        finish(world, flight, WXTP_HTTP_UNKNOWN, "cut");
    } else if (flight->deadline <= now) {
        finish(world, flight, WXTP_HTTP_UNKNOWN, "timed out");
    }
}

static void poll_node(void *user, int64_t wait_ms)
{
    sim_node *node = user;
    sim *world = node->world;
    const int64_t now = sim_boot(world);
    node->wake_at = wait_ms > SIM_NEVER - now ? SIM_NEVER : now + wait_ms;
    for (sim_flight *flight = world->open_from; flight && !node->dying; flight = flight->next) {
        if (of_this(flight, node)) {
            go_on(world, flight);
        }
    }
}

static void wake(void *user)
{
    sim_node *node = user;
    node->nudged = true;
}

static void release(void *user, wxtp_http_answer *answer)
{
    (void)user;
    free(answer->body);
    answer->body = NULL;
}

void sim_network_port(sim_node *node, wxtp_http *port)
{
    *port = (wxtp_http){.struct_size = sizeof(*port),
                        .user = node,
                        .start = start,
                        .poll = poll_node,
                        .wake = wake,
                        .release = release};
}

/* ---- The other end ---- */

static bool sender_gone(const sim_flight *flight)
{
    return flight->life != flight->node->life || !flight->node->alive;
}

/* Nothing can come of it any more. */
static bool closed(const sim_flight *flight)
{
    const bool silent = !flight->left || flight->arrived || flight->arrive_at == SIM_NEVER;
    return silent && (flight->over || sender_gone(flight));
}

void sim_network_arrivals(sim *world)
{
    const int64_t now = sim_boot(world);
    for (;;) {
        sim_flight *first = NULL;
        for (sim_flight *flight = world->open_from; flight; flight = flight->next) {
            if (flight->left && !flight->arrived && flight->arrive_at <= now &&
                (!first || flight->arrive_at < first->arrive_at)) {
                first = flight;
            }
        }
        if (!first) {
            break;
        }
        first->arrived = true;
        sim_wechat_serve(world, first);
    }
    while (world->open_from && closed(world->open_from)) {
        world->open_from = world->open_from->next;
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When its sender has something to do with it. */
static int64_t sender_at(const sim_flight *flight)
{
    if (!flight->left) {
        return flight->connect_at;
    }
    const int64_t answer = flight->arrived ? flight->answer_at : SIM_NEVER;
    return earlier(answer, earlier(flight->cut_at, flight->deadline));
}

int64_t sim_network_next(const sim *world)
{
    int64_t next = SIM_NEVER;
    for (const sim_flight *flight = world->open_from; flight; flight = flight->next) {
        if (flight->left && !flight->arrived) {
            next = earlier(next, flight->arrive_at);
        }
        if (!flight->over && !sender_gone(flight)) {
            const int64_t at = sender_at(flight);
            next = earlier(next, at > flight->node->paused_until ? at : flight->node->paused_until);
        }
    }
    return next;
}

bool sim_network_deliverable(const sim *world, const sim_node *node)
{
    const int64_t now = atomic_load(&world->clock.boot_ms);
    for (const sim_flight *flight = world->open_from; flight; flight = flight->next) {
        if (of_this(flight, node) && sender_at(flight) <= now) {
            return true;
        }
    }
    return false;
}

bool sim_network_idle(const sim *world)
{
    for (const sim_flight *flight = world->open_from; flight; flight = flight->next) {
        if (!closed(flight)) {
            return false;
        }
    }
    return true;
}

void sim_network_free(sim *world)
{
    for (sim_flight *flight = world->flights; flight;) {
        sim_flight *next = flight->next;
        free(flight->url);
        free(flight->body);
        free(flight->reply);
        free(flight);
        flight = next;
    }
    world->flights = world->last_flight = world->open_from = NULL;
}
