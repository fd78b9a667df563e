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
    bool inside, leave;
    wx_slot slot;
    wxtp_status status;
} guest;

static void visit(void *user)
{
    guest *g = user;
    wx_err err;
    g->status = wx_slot_take(g->fx->core, g->appid, NULL, NULL, &g->slot, &err);
    if (g->status != WXTP_OK) {
        return;
    }
    g->inside = true;
    strcat(g->log, g->appid);
    while (!g->leave) {
        wx_rest(g->fx->core->engine, 10);
    }
    g->inside = false;
    wx_slot_give(g->fx->core, &g->slot);
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

static void turns_until(fixture *fx, const guest *g, bool inside)
{
    for (int at = 0; at < 100 && g->inside != inside; at++) {
        wx_engine_turn(fx->core->engine, 50);
    }
    assert_int_equal(g->inside, inside);
}

static void visit_often(fixture *fx, const char *appid, int visits, int64_t answer_ms)
{
    char log[128] = "";
    for (int at = 0; at < visits; at++) {
        guest g;
        come(fx, &g, appid, log);
        turns_until(fx, &g, true);
        fake_clock_advance(&fx->clock, answer_ms);
        g.leave = true;
        turns_until(fx, &g, false);
        wx_engine_turn(fx->core->engine, 0); /* to its end */
    }
}

/* Who is alone again has all places again, as long as answers come quickly. */
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
    for (size_t at = 0; at < PLACES; at++) {
        a[at].leave = true;
    }
    some_turns(fx);
    assert_int_equal(inside(a, PLACES), 0);
    fake_clock_advance(&fx->clock, 1100);
    visit_often(fx, "a", 50, 5);
    for (size_t at = 0; at < PLACES; at++) {
        come(fx, &a[at], "a", log);
    }
    some_turns(fx);
    assert_int_equal(inside(a, PLACES), PLACES);
    for (size_t at = 0; at < PLACES; at++) {
        a[at].leave = true;
    }
    some_turns(fx);
    assert_int_equal(inside(a, PLACES), 0);
}

/* A tenant comes with a long queue, and each of its answers takes so long. */
static int places_alone(fixture *fx, int64_t answer_ms, guest *guests, size_t count)
{
    char log[256] = "";
    for (size_t at = 0; at < count; at++) {
        come(fx, &guests[at], "a", log);
    }
    some_turns(fx);
    for (size_t at = 0; at < count / 2; at++) {
        fake_clock_advance(&fx->clock, answer_ms);
        guests[at].leave = true;
        some_turns(fx);
    }
    const int places = inside(guests, count);
    for (size_t at = 0; at < count; at++) {
        guests[at].leave = true;
    }
    some_turns(fx);
    assert_int_equal(inside(guests, count), 0);
    return places;
}

/* Who comes next finds places free, although the only one there would have use for all of them. */
static void I10_slow_answers_leave_places_to_who_comes_next(void **state)
{
    fixture *fx = *state;
    guest guests[4 * PLACES];
    fixture_concurrency(fx->core, PLACES);
    visit_often(fx, "b", 1, 5);
    fake_clock_advance(&fx->clock, 1100);
    assert_int_equal(wx_slot_callers(fx->core), PLACES);
    assert_int_equal(places_alone(fx, 500, guests, 4 * PLACES), PLACES / 4);
    visit_often(fx, "a", 50, 5);
    assert_int_equal(wx_slot_callers(fx->core), PLACES);
}

/* The first call of a job is made alone, and tells. */
static void I10_one_slow_answer_is_enough_to_leave_places(void **state)
{
    fixture *fx = *state;
    guest guests[PLACES];
    char log[64] = "";
    fixture_concurrency(fx->core, PLACES);
    visit_often(fx, "b", 50, 5);
    fake_clock_advance(&fx->clock, 1100);
    visit_often(fx, "a", 1, 500);
    for (size_t at = 0; at < PLACES; at++) {
        come(fx, &guests[at], "a", log);
    }
    wx_engine_turn(fx->core->engine, 0);
    assert_int_equal(inside(guests, PLACES), PLACES * 100 / 252);
    for (size_t at = 0; at < PLACES; at++) {
        guests[at].leave = true;
    }
    some_turns(fx);
    assert_int_equal(inside(guests, PLACES), 0);
}

/* Before the first slow answer is there: one that does not come is slow. */
static void I10_answers_that_do_not_come_leave_places_too(void **state)
{
    fixture *fx = *state;
    guest guests[PLACES / 2], more[PLACES / 2];
    char log[64] = "";
    fixture_concurrency(fx->core, PLACES);
    visit_often(fx, "b", 1, 5);
    fake_clock_advance(&fx->clock, 1100);
    for (size_t at = 0; at < PLACES / 2; at++) {
        come(fx, &guests[at], "a", log);
    }
    some_turns(fx);
    assert_int_equal(inside(guests, PLACES / 2), PLACES / 2);
    fake_clock_advance(&fx->clock, 300);
    for (size_t at = 0; at < PLACES / 2; at++) {
        come(fx, &more[at], "a", log);
    }
    some_turns(fx);
    assert_int_equal(inside(more, PLACES / 2), 0);
    for (size_t at = 0; at < PLACES / 2; at++) {
        guests[at].leave = more[at].leave = true;
    }
    some_turns(fx);
    assert_int_equal(inside(more, PLACES / 2), 0);
    assert_int_equal(strlen(log), PLACES);
}

/* A program that acts for one tenant has nobody to leave places to. */
static void who_was_never_with_others_has_all_places_however_slow(void **state)
{
    fixture *fx = *state;
    guest guests[4 * PLACES];
    fixture_concurrency(fx->core, PLACES);
    assert_int_equal(places_alone(fx, 500, guests, 4 * PLACES), PLACES);
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
    visit_often(fx, "0", 50, 5);
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
        TEST(I10_slow_answers_leave_places_to_who_comes_next),
        TEST(I10_one_slow_answer_is_enough_to_leave_places),
        TEST(I10_answers_that_do_not_come_leave_places_too),
        TEST(who_was_never_with_others_has_all_places_however_slow),
        TEST(more_callers_than_places_are_of_no_use),
        TEST(I12_a_stop_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
