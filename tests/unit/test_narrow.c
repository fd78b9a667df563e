#include "unit.h"

#include <stdlib.h>

#include "codec/narrow.h"

enum { BATCH = 20 };

/* Works through one batch as WeChat would answer it; returns the calls made. */
static unsigned search(size_t count, uint32_t bad)
{
    char marks[BATCH];
    bool chosen[BATCH];
    bool refused_alone[BATCH] = {false};
    unsigned done[BATCH] = {0};
    unsigned calls = 0;
    memset(marks, WX_MARK_UNTESTED, count);
    while (wx_narrow_pending(marks, count) > 0) {
        size_t size = wx_narrow_next(marks, count, chosen);
        size_t seen = 0;
        bool poisoned = false;
        for (size_t at = 0; at < count; at++) {
            seen += chosen[at];
            poisoned = poisoned || (chosen[at] && (bad >> at & 1));
        }
        if (size == 0 || size != seen || ++calls > 100) {
            fail_msg("the search does not go on");
        }
        for (size_t at = 0; at < count; at++) {
            if (chosen[at] && !poisoned) {
                done[at]++;
            }
            refused_alone[at] = refused_alone[at] || (chosen[at] && poisoned && size == 1);
        }
        wx_narrow_apply(marks, count, chosen, poisoned ? WX_NARROW_BAD : WX_NARROW_DONE);
    }
    for (size_t at = 0; at < count; at++) {
        bool is_bad = bad >> at & 1;
        if (marks[at] != (is_bad ? WX_MARK_INVALID : WX_MARK_DONE) || refused_alone[at] != is_bad ||
            done[at] != !is_bad) {
            fail_msg("openid %zu of %zu, bad set %x: mark %c, alone %d, done %u", at, count, bad, marks[at],
                     refused_alone[at], done[at]);
        }
    }
    return calls;
}

/* Builds that watch each step are too slow for all 2^21 sets: there, all with up to three bad ones and a
 * sample. */
#ifdef __OPTIMIZE__
enum { SAMPLE = 1 };
#else
enum { SAMPLE = 61 };
#endif

/* Every set of bad ones in a batch of every size up to 20. */
static void i7_bounds_for_every_mix(void **state)
{
    (void)state;
    static const unsigned bounds[] = {1, 8, 15};
    unsigned worst[BATCH + 1] = {0};
    for (size_t count = 1; count <= BATCH; count++) {
        for (uint32_t bad = 0; bad < (uint32_t)1 << count; bad++) {
            int how_many = __builtin_popcount(bad);
            if (how_many > 3 && bad % SAMPLE != 0) {
                continue;
            }
            unsigned calls = search(count, bad);
            if (calls > (how_many < 3 ? bounds[how_many] : 31)) {
                fail_msg("%u calls for %zu openids, bad set %x", calls, count, bad);
            }
            if (calls > worst[how_many]) {
                worst[how_many] = calls;
            }
        }
    }
    for (int how_many = 0; how_many <= BATCH; how_many++) {
        print_message("%d bad: at most %u calls\n", how_many, worst[how_many]);
    }
}

static void refused_for_another_reason(void **state)
{
    (void)state;
    char marks[4] = {'?', '?', '?', '.'};
    bool chosen[4];
    assert_int_equal(wx_narrow_next(marks, 4, chosen), 1);
    wx_narrow_apply(marks, 4, chosen, WX_NARROW_FAILED);
    assert_memory_equal(marks, "!...", 4);
    assert_int_equal(wx_narrow_next(marks, 4, chosen), 3);
    wx_narrow_apply(marks, 4, chosen, WX_NARROW_FAILED);
    assert_memory_equal(marks, "!!!!", 4);
    assert_int_equal(wx_narrow_next(marks, 4, chosen), 0);
    assert_int_equal(wx_narrow_pending(marks, 4), 0);
    assert_int_equal(wx_narrow_next(marks, 0, chosen), 0);
}

/* The example of docs/ARCHITECTURE.md, step by step. */
static void i7_a_search_goes_as_documented(void **state)
{
    (void)state;
    static const struct {
        const char *called;
        wx_narrow_outcome outcome;
        const char *marks;
    } steps[] = {
        {"####################", WX_NARROW_BAD, "????????????????????"},
        {"##########          ", WX_NARROW_DONE, "++++++++++??????????"},
        {"          #####     ", WX_NARROW_BAD, "++++++++++?????....."},
        {"          ##        ", WX_NARROW_DONE, "++++++++++++???....."},
        {"            #       ", WX_NARROW_DONE, "+++++++++++++??....."},
        {"             #      ", WX_NARROW_BAD, "+++++++++++++x......"},
        {"              ######", WX_NARROW_DONE, "+++++++++++++x++++++"},
    };
    char marks[BATCH];
    bool chosen[BATCH];
    memset(marks, WX_MARK_UNTESTED, BATCH);
    for (size_t step = 0; step < sizeof(steps) / sizeof(steps[0]); step++) {
        (void)wx_narrow_next(marks, BATCH, chosen);
        for (size_t at = 0; at < BATCH; at++) {
            assert_int_equal(chosen[at], steps[step].called[at] == '#');
        }
        wx_narrow_apply(marks, BATCH, chosen, steps[step].outcome);
        assert_memory_equal(marks, steps[step].marks, BATCH);
    }
}

/* From two bad ones on suspects go singly, and a single refusal explains no other. */
static void i7_from_two_bad_ones_on_suspicion_stays(void **state)
{
    (void)state;
    bool chosen[5];
    char two[5] = {'x', 'x', '?', '?', '.'};
    assert_int_equal(wx_narrow_next(two, 5, chosen), 1);
    wx_narrow_apply(two, 5, chosen, WX_NARROW_BAD);
    assert_memory_equal(two, "xxx?.", 5);
    char one[5] = {'x', '?', '?', '?', '.'};
    assert_int_equal(wx_narrow_next(one, 5, chosen), 1);
    wx_narrow_apply(one, 5, chosen, WX_NARROW_BAD);
    assert_memory_equal(one, "xx...", 5);
    /* Whichever was called, also the last. */
    char last[5] = {'?', '?', '?', '?', '?'};
    const bool only_last[5] = {[4] = true};
    wx_narrow_apply(last, 5, only_last, WX_NARROW_BAD);
    assert_memory_equal(last, "....x", 5);
}

/* Any mix of outcomes ends with nothing pending, from any marks. */
static void any_outcomes_end(void **state)
{
    (void)state;
    static const char all[] = {'.', '?', '+', 'x', '!'};
    unsigned seed = 20260101;
    for (int round = 0; round < 20000; round++) {
        char marks[BATCH];
        bool chosen[BATCH];
        for (size_t at = 0; at < BATCH; at++) {
            marks[at] = all[rand_r(&seed) % 5];
        }
        int calls = 0;
        while (wx_narrow_next(marks, BATCH, chosen) > 0) {
            assert_true(++calls < 100);
            /* An honest answer never refuses openids that a call has accepted, but may be anything else. */
            wx_narrow_apply(marks, BATCH, chosen, (wx_narrow_outcome)(rand_r(&seed) % 3));
        }
        assert_int_equal(wx_narrow_pending(marks, BATCH), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(i7_a_search_goes_as_documented),
        cmocka_unit_test(i7_from_two_bad_ones_on_suspicion_stays),
        cmocka_unit_test(i7_bounds_for_every_mix),
        cmocka_unit_test(refused_for_another_reason),
        cmocka_unit_test(any_outcomes_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
