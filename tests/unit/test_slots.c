/* Who may have a call in flight. */
#include "unit.h"

#include <stdio.h>

#include "domain/slots.h"
#include "engine/engine.h"
#include "fixture.h"

enum { PLACES = 20, SHARE = 2 };

/* A task that takes a place, notes whose turn it was, and gives the place back when it is told to. */
typedef struct guest {
    fixture *fx;
    const char *appid;
    char *log;
    bool inside, leave, waited;
    wxtp_status status;
} guest;

static void visit(void *user)
{
    guest *g = user;
    wx_err err;
    g->status = wx_slot_take(g->fx->core, g->appid, NULL, NULL, &g->waited, &err);
    if (g->status != WXTP_OK) {
        return;
    }
    g->inside = true;
    strcat(g->log, g->appid);
    while (!g->leave) {
        wx_rest(g->fx->core->engine, 10);
    }
    g->inside = false;
    wx_slot_give(g->fx->core, g->appid);
}

static void come(fixture *fx, guest *g, const char *appid, char *log)
{
    *g = (guest){.fx = fx, .appid = appid, .log = log};
    assert_int_equal(wx_spawn(fx->core->engine, visit, g), WXTP_OK);
}

static void some_turns(fixture *fx)
{
    for (int at = 0; at < 100; at++) {
        wx_engine_turn(fx->core->engine, 50);
    }
}

static int inside(const guest *guests, size_t count)
{
    int total = 0;
    for (size_t at = 0; at < count; at++) {
        total += guests[at].inside;
    }
    return total;
}

static void no_more_are_in_flight_than_there_are_places(void **state)
{
    fixture *fx = *state;
    guest guests[10];
    char log[64] = "";
    fixture_concurrency(fx->core, 4);
    for (size_t at = 0; at < 10; at++) {
        come(fx, &guests[at], at % 2 ? "a" : "b", log);
    }
    some_turns(fx);
    assert_int_equal(inside(guests, 10), 4);
    for (size_t at = 0; at < 10; at++) {
        guests[at].leave = true;
    }
    some_turns(fx);
    assert_int_equal(inside(guests, 10), 0);
    assert_int_equal(strlen(log), 10);
}

/* One tenant has all places and a long queue; others come. Each place that gets free is theirs, as long as
 * the first has more than its share. */
static void I10_who_comes_late_is_not_behind_a_long_queue(void **state)
{
    fixture *fx = *state;
    guest greedy[PLACES + 30], others[5];
    char log[128] = "";
    static const char *const names[] = {"1", "2", "3", "4", "5"};
    fixture_concurrency(fx->core, PLACES);
    for (size_t at = 0; at < PLACES + 30; at++) {
        come(fx, &greedy[at], "g", log);
    }
    some_turns(fx);
    assert_int_equal(inside(greedy, PLACES + 30), PLACES);
    for (size_t at = 0; at < 5; at++) {
        come(fx, &others[at], names[at], log);
    }
    some_turns(fx);
    assert_int_equal(inside(others, 5), 0);
    log[0] = '\0';
    for (size_t at = 0; at < 5; at++) {
        greedy[at].leave = true;
    }
    some_turns(fx);
    assert_int_equal(strlen(log), 5);
    assert_null(strchr(log, 'g'));
    assert_int_equal(inside(others, 5), 5);
    for (size_t at = 0; at < PLACES + 30; at++) {
        greedy[at].leave = true;
    }
    for (size_t at = 0; at < 5; at++) {
        others[at].leave = true;
    }
    some_turns(fx);
    assert_int_equal(inside(greedy, PLACES + 30), 0);
}

/* Two tenants with long queues have even shares. */
static void I10_long_queues_take_turns(void **state)
{
    fixture *fx = *state;
    guest a[30], b[30];
    char log[128] = "";
    fixture_concurrency(fx->core, PLACES);
    for (size_t at = 0; at < 30; at++) {
        come(fx, &a[at], "a", log);
    }
    some_turns(fx);
    for (size_t at = 0; at < 30; at++) {
        come(fx, &b[at], "b", log);
    }
    for (size_t at = 0; at < 10; at++) {
        a[at].leave = true;
        some_turns(fx);
    }
    /* An even share of three: one is left for who comes next. */
    assert_int_equal(inside(b, 30), 7);
    assert_in_range(inside(a, 30), 7, 10);
    for (size_t at = 0; at < 30; at++) {
        a[at].leave = b[at].leave = true;
    }
    some_turns(fx);
    assert_int_equal(inside(a, 30) + inside(b, 30), 0);
}

/* Who is alone again has all places again. */
static void who_stays_alone_gets_all_places_back(void **state)
{
    fixture *fx = *state;
    guest a[PLACES], b;
    char log[128] = "";
    fixture_concurrency(fx->core, PLACES);
    come(fx, &b, "b", log);
    some_turns(fx);
    for (size_t at = 0; at < PLACES; at++) {
        come(fx, &a[at], "a", log);
    }
    some_turns(fx);
    assert_int_equal(inside(a, PLACES), 7);
    b.leave = true;
    for (int at = 0; at < 10; at++) {
        some_turns(fx);
    }
    assert_int_equal(inside(a, PLACES), PLACES);
    for (size_t at = 0; at < PLACES; at++) {
        a[at].leave = true;
    }
    some_turns(fx);
    assert_int_equal(inside(a, PLACES), 0);
}

/* A job keeps no more workers than that: with many jobs at once they would fill the memory, and wait so long
 * for each other that the gate is asked again before each call. */
static void more_callers_than_places_are_of_no_use(void **state)
{
    fixture *fx = *state;
    guest guests[40];
    char names[40][4], log[256] = "";
    fixture_concurrency(fx->core, PLACES);
    assert_int_equal(wx_slot_callers(fx->core), PLACES);
    for (int at = 0; at < 40; at++) {
        (void)snprintf(names[at], sizeof(names[at]), "%d", at);
        come(fx, &guests[at], names[at], log);
        some_turns(fx);
        assert_int_equal(wx_slot_callers(fx->core), at == 0 ? PLACES : (PLACES + at + 1) / (at + 2));
    }
    for (size_t at = 0; at < 40; at++) {
        guests[at].leave = true;
    }
    some_turns(fx);
    assert_int_equal(inside(guests, 40), 0);
    fake_clock_advance(&fx->clock, 1100);
    assert_int_equal(wx_slot_callers(fx->core), PLACES);
}

static void I12_a_stop_ends_the_wait(void **state)
{
    fixture *fx = *state;
    guest first, second;
    char log[8] = "";
    fixture_concurrency(fx->core, 1);
    come(fx, &first, "a", log);
    come(fx, &second, "b", log);
    some_turns(fx);
    assert_true(first.inside);
    atomic_store(&fx->core->stopping, true);
    some_turns(fx);
    assert_int_equal(second.status, WXTP_ERR_INTERRUPTED);
    first.leave = true;
    some_turns(fx);
    assert_false(first.inside);
    assert_string_equal(log, "a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_more_are_in_flight_than_there_are_places),
        TEST(I10_who_comes_late_is_not_behind_a_long_queue),
        TEST(I10_long_queues_take_turns),
        TEST(who_stays_alone_gets_all_places_back),
        TEST(more_callers_than_places_are_of_no_use),
        TEST(I12_a_stop_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
