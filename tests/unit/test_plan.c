/* Plans: how long a run takes, and whether each day's quota suffices. */
#include "fixture.h"

#include "domain/record.h"
#include "flow/job_plan.h"

#define CALL "batchUnblacklist"

enum { HOUR_MS = 3600000, SIXTEEN_HOURS_S = 16 * 3600 }; /* the fake clock begins at 08:00 in Beijing */

static wxtp_plan_part part_of(int64_t calls)
{
    return (wxtp_plan_part){.struct_size = sizeof(wxtp_plan_part),
                            .allowed = true,
                            .requested = calls * 20,
                            .pending = calls * 20,
                            .calls = calls,
                            .quota_limit = -1,
                            .quota_left = -1,
                            .token_due_ms = FAKE_EPOCH_MS + HOUR_MS};
}

static wxtp_plan sum(fixture *fx, const wxtp_plan_part *parts, size_t count)
{
    wx_err err;
    wxtp_plan plan = {.struct_size = sizeof(plan)};
    assert_int_equal(wx_plan_sum(fx->core, CALL, parts, count, &plan, &err), WXTP_OK);
    return plan;
}

static void made(fixture *fx, const char *call, int64_t duration_ms)
{
    const wx_record record = {.platform = FIXTURE_COMPONENT,
                              .appid = "wxa",
                              .call = call,
                              .job_id = "",
                              .duration_ms = duration_ms,
                              .errmsg = "ok",
                              .rid = ""};
    wx_record_alone(fx->core, &record);
}

static void the_slower_of_rate_and_places_tells_the_time(void **state)
{
    fixture *fx = *state;
    const wxtp_plan_part parts[] = {part_of(160), part_of(320)};
    fx->core->settings.concurrency = 16;
    fx->core->settings.rate_per_second = 0;
    wxtp_plan plan = sum(fx, parts, 2);
    assert_int_equal(plan.pace, WXTP_PACE_ASSUMED);
    assert_int_equal(plan.finish_ms - plan.begins_ms, 480 * 200 / 16);
    made(fx, CALL, 30);
    made(fx, CALL, 50);
    made(fx, "getBlacklist", 9000);
    plan = sum(fx, parts, 2);
    assert_int_equal(plan.pace, WXTP_PACE_MEASURED);
    assert_int_equal(plan.call_ms, 40);
    assert_int_equal(plan.finish_ms - plan.begins_ms, 480 * 40 / 16);
    fx->core->settings.rate_per_second = 10; /* a tenant */
    plan = sum(fx, parts, 2);
    assert_int_equal(plan.pace, WXTP_PACE_RATE);
    assert_int_equal(plan.finish_ms - plan.begins_ms, 32000);
    fx->core->settings.rate_per_second = 10000;
    assert_int_equal(sum(fx, parts, 2).pace, WXTP_PACE_MEASURED);
    assert_int_equal(sum(fx, parts, 0).calls, 0);
}

static void what_the_gate_refuses_makes_no_calls(void **state)
{
    fixture *fx = *state;
    wxtp_plan_part parts[] = {part_of(160), part_of(320)};
    parts[1].allowed = false;
    const wxtp_plan plan = sum(fx, parts, 2);
    assert_int_equal(plan.refused, 1);
    assert_int_equal(plan.calls, 160);
    assert_int_equal(plan.requested, 480 * 20);
    assert_int_equal(plan.not_fitting, 0);
    assert_false(wxtp_plan_fits(&plan, &parts[1]));
}

static void each_day_has_its_quota(void **state)
{
    fixture *fx = *state;
    fx->core->settings.rate_per_second = 1;
    wxtp_plan_part part = part_of(SIXTEEN_HOURS_S - 1);
    part.quota_limit = part.quota_left = SIXTEEN_HOURS_S - 1;
    wxtp_plan plan = sum(fx, &part, 1);
    assert_true(plan.before_midnight);
    assert_int_equal(plan.not_fitting, 0);
    part.quota_left--;
    assert_int_equal(sum(fx, &part, 1).not_fitting, 1);

    part = part_of(SIXTEEN_HOURS_S + 1000);
    part.quota_limit = part.quota_left = SIXTEEN_HOURS_S + 1; /* less than all its calls */
    plan = sum(fx, &part, 1);
    assert_false(plan.before_midnight);
    assert_int_equal(plan.not_fitting, 0);
    part.quota_left = SIXTEEN_HOURS_S - 10;
    assert_int_equal(sum(fx, &part, 1).not_fitting, 1);
    part.quota_left = SIXTEEN_HOURS_S + 1;
    part.quota_limit = 900;
    assert_int_equal(sum(fx, &part, 1).not_fitting, 1);

    part = part_of(SIXTEEN_HOURS_S + 3 * 86400);
    part.quota_limit = 86402;
    assert_int_equal(sum(fx, &part, 1).not_fitting, 0);
    part.quota_limit = 86399;
    assert_int_equal(sum(fx, &part, 1).not_fitting, 1);
}

static void renewals_on_the_way_are_counted(void **state)
{
    fixture *fx = *state;
    fx->core->settings.rate_per_second = 1;
    wxtp_plan_part parts[] = {part_of(3599), part_of(3600), part_of(3600)};
    parts[2].token_due_ms = -1;
    assert_int_equal(sum(fx, parts, 1).tokens_due, 0);
    assert_int_equal(sum(fx, parts, 3).tokens_due, 2); /* both until the end of the longer */
    parts[0] = part_of(3600 + 6600);
    assert_int_equal(sum(fx, parts, 1).tokens_due, 2);
    parts[0] = part_of(1);
    parts[0].token_due_ms = 0; /* has none */
    assert_int_equal(sum(fx, parts, 1).tokens_due, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup_platform, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_slower_of_rate_and_places_tells_the_time),
        TEST(what_the_gate_refuses_makes_no_calls),
        TEST(each_day_has_its_quota),
        TEST(renewals_on_the_way_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
