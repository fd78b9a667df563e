/* A random course of events, and the loop that lets them happen. */
#include "sim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TURNS_MAX = 400000,
    ACTIONS_MAX = 64,
    ROUNDS = 10,
    REVIVE_MS = 20000,
    AGAIN_MS = 30000,
};

typedef enum what { DO_OP, DO_PAUSE, DO_JUMP, DO_REVOKE, DO_AUTHORIZE, DO_LAPSE, DO_BOOT } what;

typedef struct action {
    int64_t at;
    what what;
    sim_op op;
    int node, account;
    int64_t ms;
    bool may_crash;
} action;

typedef struct script {
    action actions[ACTIONS_MAX];
    size_t count, next;
} script;

/* ---- Nodes ---- */

static sim_node *some_node(sim *world)
{
    sim_node *fit[SIM_NODES];
    int count = 0;
    for (int at = 0; at < SIM_NODES; at++) {
        if (world->nodes[at].alive) {
            fit[count++] = &world->nodes[at];
        }
    }
    return count > 0 ? fit[sim_below(world, count)] : NULL;
}

static void crash(sim *world, sim_node *node)
{
    sim_node_crash(node);
    node->revive_at = sim_boot(world) + (sim_chance(world, 40) ? 0 : sim_below(world, REVIVE_MS));
}

static void revive(sim *world)
{
    for (int at = 0; at < SIM_NODES; at++) {
        sim_node *node = &world->nodes[at];
        if (node->life > 0 && !node->alive && (world->healing || node->revive_at <= sim_boot(world)) &&
            !sim_node_open(world, node)) {
            sim_fail(world, "the store cannot be opened again");
        }
    }
}

static bool needs_turn(const sim *world, const sim_node *node)
{
    const int64_t now = atomic_load(&world->clock.boot_ms);
    return node->alive && node->paused_until <= now &&
           (node->nudged || node->wake_at <= now || sim_network_deliverable(world, node));
}

static void turn(sim *world, sim_node *node)
{
    node->nudged = false;
    node->wake_at = SIM_NEVER;
    world->turns++;
    sim_node_turn(node);
    if (node->dying) {
        crash(world, node);
    }
    sim_watch_look(world);
}

/* ---- Actions ---- */

static void pause_node(sim *world, sim_node *node, int64_t ms)
{
    if (node->alive) {
        sim_note(world, "n%d stops for %lld ms", node->number, (long long)ms);
        node->paused_until = node->stalled_at = sim_boot(world) + ms;
    }
}

static void jump(sim *world, int64_t ms)
{
    sim_note(world, "the machine sleeps for %lld ms", (long long)ms);
    fake_clock_advance(&world->clock, ms);
    for (int at = 0; at < SIM_NODES; at++) {
        world->nodes[at].stalled_at = sim_boot(world);
    }
}

static void boot(sim *world)
{
    sim_note(world, "the machine boots");
    for (int at = 0; at < SIM_NODES; at++) {
        if (world->nodes[at].alive) {
            crash(world, &world->nodes[at]);
        }
    }
    world->clock.boot_id[5]++;
}

static void start_op(sim *world, const action *a)
{
    sim_node *node = &world->nodes[a->node];
    if (!node->alive) {
        node = some_node(world);
    }
    if (!node) {
        return;
    }
    sim_op op = a->op;
    if (op.list && op.list->making) {
        op.list = NULL;
        op.kind = SIM_OP_TOKEN;
    }
    if (op.kind == SIM_OP_JOB) {
        world->runs++;
    }
    if (op.list && !op.list->job_id[0]) {
        op.list->making = true; /* another that comes before it has begun makes no second job of the list */
    }
    if (!sim_op_start(world, node, &op) && op.list) {
        op.list->making = false;
    }
    if (a->may_crash && node->crash_in == 0) {
        node->crash_in = 1 + sim_below(world, sim_chance(world, 50) ? 150 : 1500);
    }
}

static void act(sim *world, const action *a)
{
    switch (a->what) {
    case DO_OP:
        start_op(world, a);
        break;
    case DO_PAUSE:
        pause_node(world, &world->nodes[a->node], a->ms);
        break;
    case DO_JUMP:
        jump(world, a->ms);
        break;
    case DO_REVOKE:
        sim_merchant_revokes(world, a->account);
        break;
    case DO_AUTHORIZE:
        sim_merchant_authorizes(world, a->account);
        break;
    case DO_LAPSE:
        sim_note(world, "account %d is not certified any more", a->account);
        world->accounts[a->account].certified = false;
        break;
    case DO_BOOT:
        boot(world);
        break;
    }
}

/* ---- Pushes ---- */

static bool to_be_brought(const sim_push *push)
{
    return !push->under_way && (!push->taken || push->copies > 0);
}

static void bring_pushes(sim *world)
{
    const int64_t now = sim_boot(world);
    for (size_t at = 0; at < world->push_count; at++) {
        sim_push *push = &world->pushes[at];
        sim_node *node = push->at <= now && to_be_brought(push) ? some_node(world) : NULL;
        if (!node) {
            continue;
        }
        push->copies -= push->taken;
        push->under_way = true;
        push->at = now + AGAIN_MS;
        (void)sim_op_start(world, node,
                           &(sim_op){.kind = SIM_OP_PUSH, .account = push->account, .push = push});
    }
}

static void push_ticket(sim *world)
{
    if (world->push_count < SIM_PUSHES_MAX) {
        world->pushes[world->push_count++] = (sim_push){.event = "component_verify_ticket",
                                                        .account = -1,
                                                        .create_time_s = sim_wall(world) / 1000,
                                                        .at = sim_boot(world)};
        world->ticket_at = sim_boot(world);
    }
}

/* ---- The loop ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool any_alive(const sim *world)
{
    bool any = false;
    for (int at = 0; at < SIM_NODES; at++) {
        any = any || world->nodes[at].alive;
    }
    return any;
}

static int64_t next_event(const sim *world, const script *s)
{
    int64_t next = sim_network_next(world);
    if (s && s->next < s->count) {
        next = earlier(next, s->actions[s->next].at);
    }
    for (size_t at = 0; at < world->push_count && any_alive(world); at++) {
        if (to_be_brought(&world->pushes[at])) {
            next = earlier(next, world->pushes[at].at);
        }
    }
    for (int at = 0; at < SIM_NODES; at++) {
        const sim_node *node = &world->nodes[at];
        if (!node->alive && node->life > 0) {
            next = earlier(next, node->revive_at);
        } else if (node->alive && (node->busy > 0 || node->nudged)) {
            const int64_t at_once = node->nudged ? 0 : node->wake_at;
            next = earlier(next, at_once > node->paused_until ? at_once : node->paused_until);
        }
    }
    return next;
}

static bool over(const sim *world, const script *s)
{
    if ((s && s->next < s->count) || !sim_network_idle(world)) {
        return false;
    }
    for (size_t at = 0; at < world->push_count; at++) {
        if (world->pushes[at].under_way || to_be_brought(&world->pushes[at])) {
            return false;
        }
    }
    for (int at = 0; at < SIM_NODES; at++) {
        const sim_node *node = &world->nodes[at];
        if (node->life > 0 && (!node->alive || node->busy > 0 || node->nudged)) {
            return false;
        }
    }
    return true;
}

/* What is due now. True: something was. */
static bool happen(sim *world, script *s)
{
    bool any = false;
    revive(world);
    while (s && s->next < s->count && s->actions[s->next].at <= sim_boot(world)) {
        act(world, &s->actions[s->next++]);
        any = true;
    }
    bring_pushes(world);
    sim_network_arrivals(world);
    const int first = (int)sim_below(world, SIM_NODES);
    for (int at = 0; at < SIM_NODES; at++) {
        sim_node *node = &world->nodes[(first + at) % SIM_NODES];
        if (needs_turn(world, node)) {
            turn(world, node);
            any = true;
        }
    }
    return any;
}

static void run(sim *world, script *s)
{
    const int64_t turns_end = world->turns + TURNS_MAX;
    while (!world->failed && !over(world, s)) {
        if (happen(world, s)) {
            if (world->turns > turns_end) {
                sim_fail(world, "it does not end");
            }
            continue;
        }
        const int64_t next = next_event(world, s);
        const int64_t now = sim_boot(world);
        if (next == SIM_NEVER && !over(world, s)) {
            sim_fail(world, "something waits, and nothing will happen");
        } else if (next != SIM_NEVER && next > now) {
            fake_clock_advance(&world->clock, next - now);
        }
    }
}

/* ---- Making it up ---- */

static void choose_profile(sim *world)
{
    static const int faults[] = {0, 5, 15, 35};
    sim_profile *profile = &world->profile;
    profile->two_nodes = sim_chance(world, 70);
    profile->quiet = sim_chance(world, 15);
    if (!profile->quiet) {
        profile->fault_percent = faults[sim_below(world, 4)];
        profile->crashes = sim_chance(world, 50);
        profile->pauses = sim_chance(world, 40);
        profile->jumps = sim_chance(world, 25);
        profile->merchants = sim_chance(world, 35);
    }
}

static void make_lists(sim *world)
{
    static const int bad_percents[] = {0, 3, 10, 30, 100};
    for (size_t account = 0; account < world->account_count; account++) {
        for (int at = 0; at < SIM_LISTS; at++) {
            if (at > 0 && !sim_chance(world, 40)) {
                continue;
            }
            sim_list *list = &world->lists[world->list_count++];
            *list = (sim_list){.account = (int)account, .from = at * SIM_LIST_MAX};
            list->count = 1 + (int)sim_below(world, sim_chance(world, 70) ? 25 : SIM_LIST_MAX);
            const int bad = bad_percents[sim_below(world, 5)];
            for (int index = list->from; index < list->from + list->count; index++) {
                world->accounts[account].listed[index] = true;
                world->accounts[account].bad[index] = sim_chance(world, bad);
            }
        }
    }
}

static int64_t some_gap(sim *world)
{
    const int64_t dice = sim_below(world, 100);
    if (dice < 35) {
        return sim_below(world, 60);
    }
    if (dice < 65) {
        return sim_below(world, 5000);
    }
    return dice < 80 ? sim_below(world, SIM_MINUTE) : 100 * SIM_MINUTE + sim_below(world, 22 * SIM_MINUTE);
}

static void make_op(sim *world, action *a)
{
    const int64_t dice = sim_below(world, 100);
    a->what = DO_OP;
    a->node = world->profile.two_nodes ? (int)sim_below(world, SIM_NODES) : 0;
    a->account = (int)sim_below(world, (int64_t)world->account_count);
    a->op = (sim_op){.kind = SIM_OP_TOKEN, .account = a->account};
    a->may_crash = world->profile.crashes && sim_chance(world, 40);
    if (dice < 55) {
        a->op.kind = SIM_OP_JOB;
        a->op.list = &world->lists[sim_below(world, (int64_t)world->list_count)];
        a->op.account = a->op.list->account;
        a->op.resume = sim_chance(world, 50);
    } else if (dice < 63) {
        a->op.kind = SIM_OP_PROFILE;
    } else if (dice < 67) {
        a->op.kind = SIM_OP_CODES;
    }
}

static void make_trouble(sim *world, action *a)
{
    static const what kinds[] = {DO_REVOKE, DO_AUTHORIZE, DO_AUTHORIZE, DO_LAPSE};
    const sim_profile *profile = &world->profile;
    a->node = (int)sim_below(world, SIM_NODES);
    a->account = (int)sim_below(world, (int64_t)world->account_count);
    if (profile->merchants && sim_chance(world, 40)) {
        a->what = kinds[sim_below(world, 4)];
    } else if (profile->pauses && sim_chance(world, 60)) {
        a->what = DO_PAUSE;
        a->ms = sim_below(world, sim_chance(world, 50) ? 12000 : 60000);
    } else if (profile->jumps && sim_chance(world, 60)) {
        a->what = DO_JUMP;
        a->ms = sim_below(world, sim_chance(world, 70) ? 30000 : 2 * SIM_HOUR);
    } else if (profile->crashes && sim_chance(world, 15)) {
        a->what = DO_BOOT;
    } else {
        make_op(world, a);
    }
}

static void make_script(sim *world, script *s)
{
    const int count = 3 + (int)sim_below(world, 8);
    int64_t at = sim_boot(world);
    for (int n = 0; n < count; n++) {
        action *a = &s->actions[s->count++];
        at += some_gap(world);
        if (!world->profile.quiet && sim_chance(world, 30)) {
            make_trouble(world, a);
        } else {
            make_op(world, a);
        }
        a->at = at;
    }
}

/* ---- The course of a seed ---- */

static bool copy_template(const sim *world)
{
    char path[192];
    char bytes[1 << 16];
    (void)snprintf(path, sizeof(path), "%s.template", world->database);
    const int from = open(path, O_RDONLY | O_CLOEXEC);
    static const char *const beside[] = {"-wal", "-shm", ".lock"};
    for (size_t at = 0; at < sizeof(beside) / sizeof(beside[0]); at++) {
        (void)snprintf(path, sizeof(path), "%s%s", world->database, beside[at]);
        (void)unlink(path);
    }
    (void)unlink(world->database);
    const int to = open(world->database, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = from >= 0 && to >= 0;
    for (ssize_t got = 1; good && got > 0;) {
        got = read(from, bytes, sizeof(bytes));
        good = got >= 0 && write(to, bytes, (size_t)got) == got;
    }
    (void)close(from);
    (void)close(to);
    return good;
}

static bool set_up(sim *world)
{
    fake_clock_init(&world->clock);
    world->began_boot_ms = sim_boot(world);
    choose_profile(world);
    world->account_count = 1 + (size_t)sim_below(world, SIM_ACCOUNTS);
    sim_wechat_init(world);
    make_lists(world);
    bool good = copy_template(world);
    for (int at = 0; good && at < (world->profile.two_nodes ? SIM_NODES : 1); at++) {
        world->nodes[at].number = at;
        good = sim_node_open(world, &world->nodes[at]);
    }
    for (size_t at = 0; at < world->account_count; at++) {
        world->accounts[at].authorized = world->accounts[at].exchanged = true;
        world->accounts[at].auth_time_s = FAKE_EPOCH_MS / 1000 - 86400;
    }
    return good && sim_store_fill(world) && sim_watch_open(world);
}

static void wait_and_freshen(sim *world, int64_t ms)
{
    fake_clock_advance(&world->clock, ms);
    push_ticket(world);
    run(world, NULL);
}

static void ask_about_all(sim *world)
{
    (void)sim_op_start(world, some_node(world), &(sim_op){.kind = SIM_OP_CODES});
    run(world, NULL);
    for (size_t at = 0; at < world->account_count; at++) {
        (void)sim_op_start(world, some_node(world), &(sim_op){.kind = SIM_OP_TOKEN, .account = (int)at});
    }
    run(world, NULL);
    for (size_t at = 0; at < world->account_count; at++) {
        (void)sim_op_start(world, some_node(world), &(sim_op){.kind = SIM_OP_PROFILE, .account = (int)at});
    }
    run(world, NULL);
}

/* From now on nothing goes wrong. */
static void heal(sim *world)
{
    world->healing = true;
    for (int at = 0; at < SIM_NODES; at++) {
        world->nodes[at].paused_until = 0;
        world->nodes[at].crash_in = 0;
    }
    for (size_t at = 0; at < world->account_count; at++) {
        world->accounts[at].quota_left = 1000000;
        world->accounts[at].certified = true;
    }
    run(world, NULL);
    wait_and_freshen(world, 61 * SIM_MINUTE);
    ask_about_all(world);
    sim_watch_look(world);
}

static void authorize_again(sim *world)
{
    for (size_t at = 0; at < world->account_count; at++) {
        if (world->watch.tenants_seen[at].status != WXTP_TENANT_AUTHORIZED) {
            sim_merchant_authorizes(world, (int)at);
        }
    }
    wait_and_freshen(world, 1000);
}

/* Resumes what is unfinished, also jobs that nobody remembers. How many there were. */
static int resume_all(sim *world)
{
    sqlite3_stmt *statement = NULL;
    char ids[SIM_ACCOUNTS * SIM_LISTS * 4][64];
    size_t count = 0;
    (void)sqlite3_prepare_v2(world->watch.db, "SELECT id FROM jobs WHERE state IN (1,2) ORDER BY n", -1,
                             &statement, NULL);
    while (count < sizeof(ids) / sizeof(ids[0]) && sqlite3_step(statement) == SQLITE_ROW) {
        (void)snprintf(ids[count++], sizeof(ids[0]), "%s", (const char *)sqlite3_column_text(statement, 0));
    }
    (void)sqlite3_finalize(statement);
    for (size_t at = 0; at < count; at++) {
        world->runs++;
        (void)sim_op_start(world, some_node(world),
                           &(sim_op){.kind = SIM_OP_JOB, .job_id = ids[at], .resume = true});
        if (sim_chance(world, 50)) {
            run(world, NULL);
        }
    }
    run(world, NULL);
    return (int)count;
}

static void close_all(sim *world)
{
    for (int at = 0; at < SIM_NODES; at++) {
        sim_node *node = &world->nodes[at];
        if (!node->alive) {
            continue;
        }
        if (world->failed) {
            sim_node_crash(node); /* what waits would wait for ever */
        } else {
            sim_node_close(node);
        }
    }
    if (world->watch.db) {
        sim_watch_close(world);
    }
    for (sim_op *op = world->ops; op;) {
        sim_op *next = op->next;
        free(op);
        op = next;
    }
    sim_network_free(world);
}

void sim_run(sim *world)
{
    script s = {.count = 0};
    if (!set_up(world)) {
        sim_fail(world, "the world could not be set up");
        return;
    }
    make_script(world, &s);
    sim_watch_look(world);
    run(world, &s);
    if (!world->failed) {
        heal(world);
    }
    int64_t wait = 11 * SIM_MINUTE;
    for (int round = 0; round < ROUNDS && !world->failed; round++) {
        sim_check_status(world);
        authorize_again(world);
        if (world->failed || resume_all(world) == 0) {
            break;
        }
        wait_and_freshen(world, wait);
        wait = wait < 12 * SIM_HOUR ? 2 * wait : 24 * SIM_HOUR;
    }
    if (!world->failed) {
        sim_check_end(world);
    }
    close_all(world);
}
