/* Many workers, many faults, a kill at any commit: every openid is accounted for. */
#include "job_stage.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domain/slots.h"
#include "engine/inner.h"

static void I7_many_workers_account_for_every_openid(void **state)
{
    fixture *fx = *state;
    char id[64];
    static char texts[2000][16];
    static const char *openids[2000];
    int64_t bads = 0;
    fixture_concurrency(fx->core, 8);
    for (int i = 0; i < 2000; i++) {
        const bool bad = i % 37 == 0;
        bads += bad;
        snprintf(texts[i], sizeof texts[i], "o%s%d", bad ? "BAD" : "x", i);
        openids[i] = texts[i];
    }
    stage_list l = {.openids = openids, .count = 2000};
    stage_create(fx, &l, false, id);
    stage_play(fx);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 2000 - bads, bads, 0, 0);
    wxtp_job *job = stage_load(fx, id);
    assert_int_equal(job->row.calls, fake_http_count(&fx->http, STAGE_PATH));
    wx_job_free(job);
}

/* Five other tenants come, stay for a while, and go. */
typedef struct visitors {
    fixture *fx;
    int comes, goes, looks; /* before which call */
    int calls;
    size_t tasks_before, tasks_meanwhile, tasks_after;
    wx_slot slots[5];
} visitors;

static void come_and_go(void *user, const fake_request *request, fake_reply *reply)
{
    static const char *const others[] = {"a", "b", "c", "d", "e"};
    visitors *v = user;
    wx_core *core = v->fx->core;
    const bool come = ++v->calls == v->comes;
    const bool go = v->calls == v->goes;
    for (size_t at = 0; (come || go) && at < 5; at++) {
        wx_err err;
        if (come) {
            assert_int_equal(wx_slot_take(core, others[at], NULL, NULL, &v->slots[at], &err), WXTP_OK);
        } else {
            wx_slot_give(core, &v->slots[at]);
        }
    }
    v->tasks_before = v->calls == v->comes - 1 ? core->engine->alive : v->tasks_before;
    v->tasks_meanwhile = v->calls == v->goes - 1 ? core->engine->alive : v->tasks_meanwhile;
    v->tasks_after = v->calls == v->looks ? core->engine->alive : v->tasks_after;
    fake_clock_advance(&v->fx->clock, 12);
    stage_wechat(user, request, reply);
}

static void I10_a_job_keeps_fewer_workers_while_others_want_places(void **state)
{
    fixture *fx = *state;
    char id[64];
    visitors v = {.fx = fx, .comes = 20, .goes = 60, .looks = 295};
    fixture_concurrency(fx->core, 8);
    stage_create_many(fx, "", 6000, id);
    fake_http_forget_rules(&fx->http);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, come_and_go, &v);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 6000, 0, 0, 0);
    assert_int_equal(v.calls, 300);
    assert_int_equal(v.tasks_before, 8);
    assert_int_equal(v.tasks_meanwhile, 2);
    assert_int_equal(v.tasks_after, 8);
}

/* Also where those who leave have a search to end. */
static void I10_who_leaves_ends_the_search_in_hand(void **state)
{
    fixture *fx = *state;
    static char texts[2000][16];
    static const char *openids[2000];
    char id[64];
    visitors v = {.fx = fx, .comes = 30, .goes = 200, .looks = 500};
    for (int i = 0; i < 2000; i++) {
        snprintf(texts[i], sizeof texts[i], "o%s%d", i % 20 == 7 ? "BAD" : "x", i);
        openids[i] = texts[i];
    }
    stage_list l = {.openids = openids, .count = 2000};
    fixture_concurrency(fx->core, 8);
    stage_create(fx, &l, false, id);
    fake_http_forget_rules(&fx->http);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, come_and_go, &v);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 1900, 100, 0, 0);
    assert_int_equal(v.tasks_before, 8);
    assert_int_equal(v.tasks_meanwhile, 2);
    assert_int_equal(v.tasks_after, 8);
}

typedef struct chaos {
    fixture *fx;
    const char *id;
    _Atomic uint32_t seed;
    atomic_int calls;
    bool verify;
} chaos;

/* Anything but an unknown errcode, at random; the counters are looked at while calls are in flight. */
static void misbehave(void *user, const fake_request *request, fake_reply *reply)
{
    chaos *c = user;
    const uint32_t dice = atomic_fetch_add(&c->seed, 2654435761u) * 2246822519u >> 16;
    atomic_fetch_add(&c->calls, 1);
    if (c->verify)
        stage_verify(c->fx->core, c->id);
    stage_wechat(NULL, request, reply);
    switch (dice % 24) {
    case 0:
        reply->body = "{\"errcode\":-1,\"errmsg\":\"busy\"}";
        break;
    case 1:
        reply->outcome = WXTP_HTTP_UNKNOWN;
        break;
    case 2:
        reply->outcome = WXTP_HTTP_NOT_SENT;
        break;
    case 3:
        reply->status = 502;
        break;
    case 4:
        reply->body = "<html>";
        break;
    case 5:
        reply->body = "{\"errcode\":45011,\"errmsg\":\"too often\"}";
        break;
    case 6:
        reply->body =
            dice % 7 ? "{\"errcode\":45009,\"errmsg\":\"quota\"}" : "{\"errcode\":40164,\"errmsg\":\"ip\"}";
        break;
    default:
        break;
    }
}

static void survive(fixture *fx, int concurrency)
{
    char id[64];
    static char texts[2000][16];
    static const char *openids[2000];
    int64_t bads = 0, refusals = 0;
    fixture_concurrency(fx->core, concurrency);
    for (int i = 0; i < 2000; i++) {
        const bool bad = i % 53 == 0, refused = i % 97 == 1;
        bads += bad;
        refusals += refused && !bad;
        snprintf(texts[i], sizeof texts[i], "o%s%d", bad ? "BAD" : refused ? "REF" : "x", i);
        openids[i] = texts[i];
    }
    stage_list l = {.openids = openids, .count = 2000};
    stage_create(fx, &l, false, id);
    chaos c = {.fx = fx, .id = id, .verify = concurrency == 1};
    atomic_init(&c.seed, 12345);
    atomic_init(&c.calls, 0);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, misbehave, &c);
    wxtp_status status = WXTP_ERR_QUOTA;
    for (int runs = 0; runs < 400 && status != WXTP_OK; runs++) {
        fixture_patience(&fx->node, 60000);
        fixture_put_token(fx, FIXTURE_COMPONENT, STAGE_APPID, "access-again", "refresh-1");
        status = stage_run(fx, id, WXTP_JOB_RESUME);
    }
    assert_int_equal(status, WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_PARTIAL, 2000 - bads - refusals, bads, refusals, 0);
    wxtp_job *job = stage_load(fx, id);
    assert_int_equal(job->row.calls, atomic_load(&c.calls));
    wx_job_free(job);
}

static void I7_the_equation_holds_through_every_fault(void **state)
{
    survive(*state, 1);
}

static void I7_the_equation_holds_with_many_workers_through_every_fault(void **state)
{
    survive(*state, 8);
}

/* A process that dies at its n-th commit, before or after it; WeChat outlives it in shared memory. */
typedef struct world {
    atomic_int calls[64]; /* that carried the batch, by its first openid's number / 20 */
    atomic_int commits, dies_at;
    bool before;
    const wxtp_store_ops *ops;
} world;

static world *the_world;

static wxtp_status dying_commit(wxtp_tx *tx)
{
    world *w = the_world;
    const bool now = atomic_fetch_add(&w->commits, 1) + 1 == atomic_load(&w->dies_at);
    if (now && w->before)
        raise(SIGKILL);
    const wxtp_status status = w->ops->commit(tx);
    if (now)
        raise(SIGKILL);
    return status;
}

static void count_batch(void *user, const fake_request *request, fake_reply *reply)
{
    world *w = user;
    const char *first = strstr(request->body, "ox");
    assert_non_null(first);
    atomic_fetch_add(&w->calls[atoi(first + 2) / 20], 1);
    stage_wechat(NULL, request, reply);
}

/* The child uses nothing of the parent's handles but the path. Returns whether it was killed. */
static bool run_and_die(fixture *fx, const char *id)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fixture_node node;
        wx_err err;
        wxtp_job *job = NULL;
        fixture_open_node(fx, &node);
        wxtp_store_ops ops = *node.core.store->ops;
        the_world->ops = node.core.store->ops;
        ops.commit = dying_commit;
        node.core.store->ops = &ops;
        (void)wx_job_run(&node.op, id, WXTP_JOB_RUN, NULL, NULL, &job, &err);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void I7_after_a_kill_at_any_commit_at_most_what_was_in_flight_is_repeated(void **state)
{
    fixture *fx = *state;
    the_world = mmap(NULL, sizeof *the_world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(the_world != MAP_FAILED);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, count_batch, the_world);
    for (int at = 1; at <= 16; at++) {
        for (int before = 0; before <= 1; before++) {
            char id[64];
            memset(the_world, 0, sizeof *the_world);
            the_world->before = before;
            atomic_store(&the_world->dies_at, at);
            stage_create_many(fx, "x", 100, id);
            if (run_and_die(fx, id))
                stage_verify(fx->core, id);
            assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
            stage_expect(fx, id, WXTP_JOB_DONE, 100, 0, 0, 0);
            int repeated = 0;
            for (int batch = 0; batch < 5; batch++) {
                assert_true(atomic_load(&the_world->calls[batch]) >= 1);
                repeated += atomic_load(&the_world->calls[batch]) - 1;
            }
            assert_true(repeated <= 1);
        }
    }
    munmap(the_world, sizeof *the_world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(I7_many_workers_account_for_every_openid),
        TEST(I10_a_job_keeps_fewer_workers_while_others_want_places),
        TEST(I10_who_leaves_ends_the_search_in_hand),
        TEST(I7_the_equation_holds_through_every_fault),
        TEST(I7_the_equation_holds_with_many_workers_through_every_fault),
        TEST(I7_after_a_kill_at_any_commit_at_most_what_was_in_flight_is_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
