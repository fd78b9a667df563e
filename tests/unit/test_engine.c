/* Tasks, bells, rest, and transactions that are committed together. */
#include "unit.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <wxtp/store_sqlite.h>

#include "engine/engine.h"
#include "fixture.h"

/* An engine on the fixture's store. */
static wx_engine *engine_over(fixture *fx, const wxtp_http *http, bool own_threads)
{
    wx_engine *engine = wx_engine_new(&(wx_engine_options){.allocator = &fx->core->allocator,
                                                           .clock = wxtp_clock_system(),
                                                           .http = http,
                                                           .store = fx->core->store,
                                                           .own_threads = own_threads});
    assert_non_null(engine);
    return engine;
}

static wx_engine *threaded(fixture *fx)
{
    return engine_over(fx, &fx->core->http, true);
}

typedef struct meeting {
    wx_engine *engine;
    wx_bell bell, done;
    int step;
    bool rung;
} meeting;

static void wait_and_tell(void *user)
{
    meeting *m = user;
    m->rung = wx_bell_wait(&m->bell, 60000);
    m->step++;
    wx_bell_ring(&m->done);
}

static void a_bell_wakes_who_waits_and_is_remembered(void **state)
{
    fixture *fx = *state;
    meeting m = {.engine = threaded(fx)};
    assert_int_equal(wx_bell_init(&m.bell, m.engine), WXTP_OK);
    assert_int_equal(wx_bell_init(&m.done, m.engine), WXTP_OK);
    assert_false(wx_bell_wait(&m.bell, 1));
    wx_bell_ring(&m.bell); /* nobody waits yet */
    wx_bell_ring(&m.bell);
    assert_true(wx_bell_wait(&m.bell, 0));
    assert_false(wx_bell_wait(&m.bell, 0));
    assert_int_equal(wx_spawn(m.engine, wait_and_tell, &m), WXTP_OK);
    wx_bell_ring(&m.bell);
    assert_true(wx_bell_wait(&m.done, 60000));
    assert_true(m.rung);
    assert_int_equal(m.step, 1);
    wx_engine_free(m.engine);
    wx_bell_destroy(&m.bell);
    wx_bell_destroy(&m.done);
}

typedef struct sleeper {
    fixture *fx;
    wx_engine *engine;
    int64_t ms;
    char name;
    char *log;
} sleeper;

static void sleep_and_log(void *user)
{
    sleeper *s = user;
    wx_rest(s->engine, s->ms);
    const size_t len = strlen(s->log);
    s->log[len] = s->name;
    s->log[len + 1] = '\0';
}

/* Hundreds of timers, in an order that is not theirs. */
static void timers_ring_in_order(void **state)
{
    enum { COUNT = 200 };
    fixture *fx = *state;
    sleeper sleepers[COUNT];
    char log[COUNT + 1] = "";
    for (int at = 0; at < COUNT; at++) {
        const int place = at * 77 % COUNT;
        sleepers[at] = (sleeper){.fx = fx,
                                 .engine = fx->core->engine,
                                 .ms = 100 + place,
                                 .name = (char)('0' + place / 4),
                                 .log = log};
        assert_int_equal(wx_spawn(fx->core->engine, sleep_and_log, &sleepers[at]), WXTP_OK);
    }
    while (strlen(log) < COUNT) {
        wx_engine_turn(fx->core->engine, 1000);
    }
    for (int at = 1; at < COUNT; at++) {
        assert_true(log[at - 1] <= log[at]);
    }
}

static void I12_a_stop_wakes_who_rests(void **state)
{
    fixture *fx = *state;
    wx_engine *engine = threaded(fx);
    sleeper sleepers[10];
    char log[16] = "";
    for (int at = 0; at < 10; at++) {
        sleepers[at] = (sleeper){.fx = fx, .engine = engine, .ms = 3600000, .name = 'x', .log = log};
        assert_int_equal(wx_spawn(engine, sleep_and_log, &sleepers[at]), WXTP_OK);
    }
    wx_engine_stop(engine);
    wx_engine_free(engine); /* waits for them */
    assert_int_equal(strlen(log), 10);
}

/* ---- Committed together ---- */

typedef struct writing {
    wx_engine *engine;
    fixture *fx;
    char name[8];
    bool joint, gives_up;
    wxtp_status status;
    char trouble[128];
} writing;

static void write_one(void *user)
{
    writing *w = user;
    wxtp_tx *tx = NULL;
    w->status = wx_engine_begin(w->engine, WXTP_TX_WRITE, w->joint, &tx, w->trouble, sizeof(w->trouble));
    if (w->status != WXTP_OK) {
        return;
    }
    w->status = wx_ops(w->fx->core)->meta_put(tx, w->name, (wxtp_blob){"1", 1});
    if (w->gives_up || w->status != WXTP_OK) {
        wx_engine_rollback(w->engine, tx);
        w->status = WXTP_ERR_CONFLICT;
        return;
    }
    w->status = wx_engine_commit(w->engine, tx, w->trouble, sizeof(w->trouble));
}

static bool is_stored(fixture *fx, const char *name)
{
    wxtp_blob value;
    wxtp_tx *tx = NULL;
    assert_int_equal(wx_ops(fx->core)->begin(fx->core->store, WXTP_TX_READ, &tx), WXTP_OK);
    const wxtp_status status = wx_ops(fx->core)->meta_get(tx, name, &value);
    wx_ops(fx->core)->rollback(tx);
    return status == WXTP_OK;
}

/* Parts of one transaction or of several, as it comes: who gives up undoes its own part alone. */
static void give_some_up(fixture *fx, bool own_threads)
{
    enum { COUNT = 300 };
    wx_engine *engine = engine_over(fx, &fx->core->http, own_threads);
    static writing writings[COUNT];
    for (int at = 0; at < COUNT; at++) {
        writings[at] = (writing){.engine = engine, .fx = fx, .gives_up = at % 3 == 0};
        (void)snprintf(writings[at].name, sizeof(writings[at].name), "w%d%d", own_threads, at);
        assert_int_equal(wx_spawn(engine, write_one, &writings[at]), WXTP_OK);
    }
    wx_engine_free(engine);
    for (int at = 0; at < COUNT; at++) {
        assert_int_equal(writings[at].status, at % 3 == 0 ? WXTP_ERR_CONFLICT : WXTP_OK);
        assert_int_equal(is_stored(fx, writings[at].name), at % 3 != 0);
    }
}

static void a_part_that_is_given_up_is_undone_alone(void **state)
{
    give_some_up(*state, true);
    give_some_up(*state, false);
}

/* Joint parts fail together, and what was told to have succeeded stands. */
static void join(fixture *fx, bool own_threads)
{
    enum { COUNT = 300 };
    wx_engine *engine = engine_over(fx, &fx->core->http, own_threads);
    static writing writings[COUNT];
    for (int at = 0; at < COUNT; at++) {
        writings[at] = (writing){.engine = engine, .fx = fx, .joint = true, .gives_up = at == 150};
        (void)snprintf(writings[at].name, sizeof(writings[at].name), "j%d%d", own_threads, at);
        assert_int_equal(wx_spawn(engine, write_one, &writings[at]), WXTP_OK);
    }
    wx_engine_free(engine);
    assert_int_equal(writings[150].status, WXTP_ERR_CONFLICT);
    for (int at = 0; at < COUNT; at++) {
        assert_int_equal(is_stored(fx, writings[at].name), writings[at].status == WXTP_OK);
    }
}

static void joint_parts_stand_or_fall_together(void **state)
{
    join(*state, true);
    join(*state, false);
}

/* ---- A slow disk ---- */

typedef struct slow_disk {
    wxtp_store_ops ops;
    const wxtp_store_ops *inner;
    sem_t entered, go;
    atomic_int commits;
} slow_disk;

static slow_disk disk; /* a commit is given the transaction alone */

static wxtp_status commit_slowly(wxtp_tx *tx)
{
    if (atomic_fetch_add(&disk.commits, 1) == 0) {
        (void)sem_post(&disk.entered);
        (void)sem_wait(&disk.go);
    }
    return disk.inner->commit(tx);
}

/* While a commit does not come back, others wake, and those who write wait; then at most half of them are
 * committed together, so that the loop has the others' next steps to do meanwhile. */
static void a_slow_disk_does_not_stop_the_loop(void **state)
{
    enum { COUNT = 40 };
    fixture *fx = *state;
    static writing writings[COUNT + 1];
    meeting m = {.engine = threaded(fx)};
    assert_int_equal(wx_bell_init(&m.bell, m.engine), WXTP_OK);
    assert_int_equal(wx_bell_init(&m.done, m.engine), WXTP_OK);
    disk = (slow_disk){.ops = *fx->core->store->ops, .inner = fx->core->store->ops};
    disk.ops.commit = commit_slowly;
    assert_int_equal(sem_init(&disk.entered, 0, 0), 0);
    assert_int_equal(sem_init(&disk.go, 0, 0), 0);
    fx->core->store->ops = &disk.ops;
    for (int at = 0; at <= COUNT; at++) {
        writings[at] = (writing){.engine = m.engine, .fx = fx};
        (void)snprintf(writings[at].name, sizeof(writings[at].name), "s%d", at);
        assert_int_equal(wx_spawn(m.engine, write_one, &writings[at]), WXTP_OK);
        while (at == 0 && sem_wait(&disk.entered) != 0) {
        }
    }
    for (int round = 1; round <= 3; round++) {
        assert_int_equal(wx_spawn(m.engine, wait_and_tell, &m), WXTP_OK);
        wx_bell_ring(&m.bell);
        assert_true(wx_bell_wait(&m.done, 60000));
        assert_int_equal(m.step, round);
    }
    assert_int_equal(atomic_load(&disk.commits), 1);
    (void)sem_post(&disk.go);
    wx_engine_free(m.engine);
    fx->core->store->ops = disk.inner;
    for (int at = 0; at <= COUNT; at++) {
        assert_int_equal(writings[at].status, WXTP_OK);
        assert_true(is_stored(fx, writings[at].name));
    }
    assert_in_range(atomic_load(&disk.commits), 3, COUNT / 2);
    wx_bell_destroy(&m.bell);
    wx_bell_destroy(&m.done);
    (void)sem_destroy(&disk.entered);
    (void)sem_destroy(&disk.go);
}

/* Without threads of its own, whoever drives commits what one turn has brought. */
static void a_turn_is_committed_at_once(void **state)
{
    enum { COUNT = 40 };
    fixture *fx = *state;
    static writing writings[COUNT];
    disk = (slow_disk){.ops = *fx->core->store->ops, .inner = fx->core->store->ops};
    disk.ops.commit = commit_slowly;
    atomic_init(&disk.commits, 1); /* the first has been */
    fx->core->store->ops = &disk.ops;
    wx_engine *engine = engine_over(fx, &fx->core->http, false);
    for (int at = 0; at < COUNT; at++) {
        writings[at] = (writing){.engine = engine, .fx = fx};
        (void)snprintf(writings[at].name, sizeof(writings[at].name), "t%d", at);
        assert_int_equal(wx_spawn(engine, write_one, &writings[at]), WXTP_OK);
    }
    wx_engine_free(engine);
    fx->core->store->ops = disk.inner;
    assert_int_equal(atomic_load(&disk.commits), 1 + 1);
    for (int at = 0; at < COUNT; at++) {
        assert_int_equal(writings[at].status, WXTP_OK);
        assert_true(is_stored(fx, writings[at].name));
    }
}

/* ---- A loop that sleeps ---- */

/* An HTTP port without calls, whose wait nothing ends but a wake. */
typedef struct bed {
    wxtp_http port;
    wxtp_store_ops ops;
    const wxtp_store_ops *inner;
    pthread_mutex_t lock;
    pthread_cond_t turned;
    bool sleeps, woken;
    int overslept;
} bed;

static bed the_bed; /* a commit is given the transaction alone */

/* With the lock held: whether `flag` has come to be `value`, within 10 s. */
static bool await(const bool *flag, bool value)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 10;
    while (*flag != value) {
        if (pthread_cond_timedwait(&the_bed.turned, &the_bed.lock, &end) != 0) {
            return *flag == value;
        }
    }
    return true;
}

static void turn_over(bool *flag, bool value)
{
    *flag = value;
    (void)pthread_cond_broadcast(&the_bed.turned);
}

static void sleep_until_woken(void *user, int64_t wait_ms)
{
    (void)user;
    if (wait_ms > 0) {
        (void)pthread_mutex_lock(&the_bed.lock);
        turn_over(&the_bed.sleeps, !the_bed.woken);
        the_bed.overslept += !await(&the_bed.woken, true);
        the_bed.sleeps = the_bed.woken = false;
        (void)pthread_mutex_unlock(&the_bed.lock);
    }
}

static void wake_up(void *user)
{
    (void)user;
    (void)pthread_mutex_lock(&the_bed.lock);
    the_bed.sleeps = false;
    turn_over(&the_bed.woken, true);
    (void)pthread_mutex_unlock(&the_bed.lock);
}

static void wait_until_it_sleeps(void)
{
    (void)pthread_mutex_lock(&the_bed.lock);
    assert_true(await(&the_bed.sleeps, true));
    (void)pthread_mutex_unlock(&the_bed.lock);
}

static wxtp_status commit_when_it_sleeps(wxtp_tx *tx)
{
    wait_until_it_sleeps();
    return the_bed.inner->commit(tx);
}

/* A task that begins, a bell, a commit and the end: each comes to a loop that sleeps, and wakes it. */
static void a_loop_that_sleeps_is_woken_by_what_there_is_to_do(void **state)
{
    enum { COUNT = 20 };
    fixture *fx = *state;
    static writing writings[COUNT];
    the_bed = (bed){.port = fx->core->http, .ops = *fx->core->store->ops, .inner = fx->core->store->ops};
    the_bed.port.poll = sleep_until_woken;
    the_bed.port.wake = wake_up;
    the_bed.ops.commit = commit_when_it_sleeps;
    assert_int_equal(pthread_mutex_init(&the_bed.lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&the_bed.turned, NULL), 0);
    fx->core->store->ops = &the_bed.ops;
    wx_engine *engine = engine_over(fx, &the_bed.port, true);
    meeting m = {.engine = engine};
    assert_int_equal(wx_bell_init(&m.bell, engine), WXTP_OK);
    assert_int_equal(wx_bell_init(&m.done, engine), WXTP_OK);
    for (int at = 0; at < COUNT; at++) {
        writings[at] = (writing){.engine = engine, .fx = fx};
        (void)snprintf(writings[at].name, sizeof(writings[at].name), "b%d", at);
        assert_int_equal(wx_spawn(engine, wait_and_tell, &m), WXTP_OK);
        wait_until_it_sleeps();
        wx_bell_ring(&m.bell);
        assert_true(wx_bell_wait(&m.done, 60000));
        wait_until_it_sleeps();
        assert_int_equal(wx_spawn(engine, write_one, &writings[at]), WXTP_OK);
    }
    wait_until_it_sleeps();
    wx_engine_free(engine);
    fx->core->store->ops = the_bed.inner;
    assert_int_equal(the_bed.overslept, 0);
    for (int at = 0; at < COUNT; at++) {
        assert_int_equal(writings[at].status, WXTP_OK);
    }
    wx_bell_destroy(&m.bell);
    wx_bell_destroy(&m.done);
    (void)pthread_cond_destroy(&the_bed.turned);
    (void)pthread_mutex_destroy(&the_bed.lock);
}

/* ---- Read together ---- */

typedef struct reading {
    writing written;
    int number;
    bool found;
} reading;

static void write_and_read(void *user)
{
    reading *r = user;
    writing *w = &r->written;
    for (int times = 0; times < 20 && r->found; times++) {
        wxtp_blob value;
        wxtp_tx *tx = NULL;
        (void)snprintf(w->name, sizeof(w->name), "%d.%d", r->number, times);
        write_one(w);
        r->found = w->status == WXTP_OK && wx_engine_begin(w->engine, WXTP_TX_READ, false, &tx, w->trouble,
                                                           sizeof(w->trouble)) == WXTP_OK;
        if (r->found) {
            /* Long enough for others to commit meanwhile, and to come here. */
            for (int again = 0; again < 100 && r->found; again++) {
                r->found = wx_ops(w->fx->core)->meta_get(tx, w->name, &value) == WXTP_OK;
            }
            wx_engine_rollback(w->engine, tx);
        }
    }
}

/* Whoever shares a read transaction sees at least what was committed before it asked. */
static void write_and_read_many(fixture *fx, bool own_threads)
{
    enum { COUNT = 60 };
    wx_engine *engine = engine_over(fx, &fx->core->http, own_threads);
    static reading readings[COUNT];
    for (int at = 0; at < COUNT; at++) {
        readings[at] = (reading){.written = {.engine = engine, .fx = fx}, .number = at, .found = true};
        assert_int_equal(wx_spawn(engine, write_and_read, &readings[at]), WXTP_OK);
    }
    wx_engine_free(engine);
    for (int at = 0; at < COUNT; at++) {
        assert_true(readings[at].found);
    }
}

static void who_has_written_reads_it(void **state)
{
    write_and_read_many(*state, true);
    write_and_read_many(*state, false);
}

/* ---- Last words ---- */

typedef struct counting_word {
    wx_last_word word;
    wx_engine *engine;
    fixture *fx;
    bool registered;
    int parts, said, parts_seen;
} counting_word;

static wxtp_status count_said(void *user, wxtp_tx *tx)
{
    counting_word *c = user;
    assert_non_null(tx);
    c->said++;
    c->parts_seen += c->parts;
    c->parts = 0;
    c->registered = false;
    return wx_ops(c->fx->core)->meta_put(tx, "said", (wxtp_blob){"1", 1});
}

static void add_part(void *user)
{
    counting_word *c = user;
    wxtp_tx *tx = NULL;
    char trouble[64];
    assert_int_equal(wx_engine_begin(c->engine, WXTP_TX_WRITE, true, &tx, trouble, sizeof(trouble)), WXTP_OK);
    c->parts++;
    if (!c->registered) {
        c->word = (wx_last_word){.say = count_said, .user = c};
        c->registered = wx_engine_before_commit(c->engine, &c->word);
        assert_true(c->registered);
    }
    assert_int_equal(wx_engine_commit(c->engine, tx, trouble, sizeof(trouble)), WXTP_OK);
}

static void a_last_word_is_said_once_for_all_that_is_committed(void **state)
{
    fixture *fx = *state;
    counting_word c = {.engine = threaded(fx), .fx = fx};
    for (int at = 0; at < 100; at++) {
        assert_int_equal(wx_spawn(c.engine, add_part, &c), WXTP_OK);
    }
    wx_engine_free(c.engine);
    assert_int_equal(c.parts_seen, 100);
    assert_in_range(c.said, 1, 100);
    assert_true(is_stored(fx, "said"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bell_wakes_who_waits_and_is_remembered),
        TEST(timers_ring_in_order),
        TEST(I12_a_stop_wakes_who_rests),
        TEST(a_part_that_is_given_up_is_undone_alone),
        TEST(joint_parts_stand_or_fall_together),
        TEST(a_slow_disk_does_not_stop_the_loop),
        TEST(a_turn_is_committed_at_once),
        TEST(a_loop_that_sleeps_is_woken_by_what_there_is_to_do),
        TEST(who_has_written_reads_it),
        TEST(a_last_word_is_said_once_for_all_that_is_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
