/* Jobs: lists made, searched, and counted by what WeChat answers. */
#include "job_stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static wxtp_status try_create(fixture *fx, const char *appid, const char *call, stage_list *l, char id[64])
{
    wx_err err;
    const wx_job_order order = {.appid = appid, .call = call, .reader = stage_read, .user = l};
    return wx_job_create(fx->op, &order, id, &err);
}

static void a_list_is_counted_and_nothing_is_called(void **state)
{
    static const char *const openids[] = {"o1", "o2", "o1", "not an openid", "", "o3", "not an openid", "o1"};
    fixture *fx = *state;
    stage_list l = {.openids = openids, .count = 8};
    char id[64];
    stage_create(fx, &l, false, id);
    wxtp_job *job = stage_load(fx, id);
    assert_int_equal(job->row.requested, 5);
    assert_int_equal(job->row.duplicates, 3);
    assert_int_equal(job->row.invalid, 2);
    assert_int_equal(job->row.pending, 3);
    assert_int_equal(job->row.state, WXTP_JOB_PAUSED);
    assert_int_equal(job->row.paused_by, WXTP_PAUSED_BY_INTERRUPTED);
    assert_string_equal(job->done_word, "unblacklisted");
    wx_job_free(job);
    stage_verify(fx->core, id);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 0);
    stage_play(fx);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 3, 2, 0, 0);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 1);
    assert_string_equal(fake_http_request(&fx->http, STAGE_PATH, 0)->body,
                        "{\"openid_list\":[\"o1\",\"o2\",\"o3\"]}");
}

static bool count_job(void *user, const wxtp_job_row *row)
{
    (void)row;
    ++*(int *)user;
    return true;
}

static int jobs_stored(fixture *fx)
{
    int count = 0;
    wx_err err;
    WX_AUTO_SCOPE scope = {0};
    wxtp_job_filter filter = {.platform = FIXTURE_COMPONENT, .state = -1, .limit = 100};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->job_list(scope.tx, &filter, count_job, &count), WXTP_OK);
    return count;
}

static void what_cannot_be_a_job_leaves_none(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_list empty = {.pattern = "x", .count = 0};
    stage_create(fx, &empty, false, id);
    assert_string_equal(id, "");
    stage_list broken = {.pattern = "x", .count = 50, .fails = true};
    assert_int_equal(try_create(fx, STAGE_APPID, STAGE_CALL, &broken, id), WXTP_ERR_IO);
    assert_string_equal(id, "");
    assert_int_equal(try_create(fx, STAGE_APPID, "noSuchCall", &empty, id), WXTP_ERR_NOT_FOUND);
    assert_int_equal(try_create(fx, STAGE_APPID, "getBlacklist", &empty, id), WXTP_ERR_INVALID);
    stage_list good = {.pattern = "x", .count = 5};
    assert_int_equal(try_create(fx, "wx0000000000nobody", STAGE_CALL, &good, id), WXTP_ERR_REFUSED);
    assert_int_equal(good.at, 0);
    assert_int_equal(jobs_stored(fx), 0);
}

/* A profile was never read, and WeChat is away: what was handed over is kept. */
static void a_list_is_kept_while_the_gate_cannot_be_asked(void **state)
{
    static const struct {
        const char *answer;
        wxtp_status status;
    } cases[] = {
        {"{\"errcode\":-1,\"errmsg\":\"busy\"}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":45011,\"errmsg\":\"too often\"}", WXTP_ERR_RATE},
        {"{\"errcode\":45009,\"errmsg\":\"quota\"}", WXTP_ERR_QUOTA},
    };
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char id[64];
        wxtp_tenant_row row = fixture_service_account(fx, STAGE_APPID);
        row.profile_ms = 0;
        fixture_put_tenant(fx, &row);
        stage_play(fx);
        fake_http_on(&fx->http, "api_get_authorizer_info", NULL, -1, cases[i].answer);
        fake_http_forget_requests(&fx->http);
        stage_create_many(fx, "x", 45, id);
        assert_int_equal(fake_http_count(&fx->http, "api_get_authorizer_info"), 1); /* it waits for nothing */
        stage_expect(fx, id, WXTP_JOB_PAUSED, 0, 0, 0, 45);
        fixture_patience(&fx->node, 1000);
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), cases[i].status);
        stage_expect(fx, id, WXTP_JOB_PAUSED, 0, 0, 0, 45);
        assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 0);
        row = fixture_service_account(fx, STAGE_APPID);
        fixture_put_tenant(fx, &row);
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
        stage_expect(fx, id, WXTP_JOB_DONE, 45, 0, 0, 0);
    }
}

static void I12_a_short_list_is_kept_where_a_stop_comes_first(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_play(fx);
    atomic_store(&fx->core->stopping, true);
    stage_create_many(fx, "x", 45, id);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_INTERRUPTED);
    atomic_store(&fx->core->stopping, false);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 45, 0, 0, 0);
}

static void a_list_of_only_invalid_ones_is_done_at_once(void **state)
{
    static const char *const openids[] = {"a b", "c d"};
    fixture *fx = *state;
    stage_list l = {.openids = openids, .count = 2};
    char id[64];
    stage_create(fx, &l, false, id);
    stage_expect(fx, id, WXTP_JOB_DONE, 0, 2, 0, 0);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void see_invalid(void *user, const char *text)
{
    (void)user;
    assert_string_equal(text, "a b");
}

static void a_forecast_counts_and_leaves_nothing(void **state)
{
    static const char *const openids[] = {"o1", "a b", "o1", "o2"};
    fixture *fx = *state;
    wx_err err;
    wxtp_job_forecast forecast = {.struct_size = sizeof forecast};
    stage_list l = {.openids = openids, .count = 4};
    assert_int_equal(
        wx_job_forecast(fx->op, STAGE_APPID, STAGE_CALL, stage_read, &l, see_invalid, &forecast, &err),
        WXTP_OK);
    assert_true(forecast.allowed);
    assert_int_equal(forecast.requested, 3);
    assert_int_equal(forecast.duplicates, 1);
    assert_int_equal(forecast.invalid, 1);
    assert_int_equal(forecast.pending, 2);
    assert_int_equal(forecast.calls, 1);
    stage_list many = {.pattern = "x", .count = 41};
    assert_int_equal(
        wx_job_forecast(fx->op, "wxnobody", STAGE_CALL, stage_read, &many, NULL, &forecast, &err), WXTP_OK);
    assert_false(forecast.allowed);
    assert_string_equal(forecast.reason, "unknown_tenant");
    assert_int_equal(forecast.calls, 3);
    assert_int_equal(jobs_stored(fx), 0);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static size_t calls_for(fixture *fx, const bool *bad, const bool *refused, int64_t bads, int64_t refusals)
{
    static char texts[20][16];
    const char *openids[20];
    char id[64];
    for (int i = 0; i < 20; i++) {
        snprintf(texts[i], sizeof texts[i], "o%s%d", refused[i] ? "REF" : bad[i] ? "BAD" : "x", i);
        openids[i] = texts[i];
    }
    stage_list l = {.openids = openids, .count = 20};
    stage_create(fx, &l, false, id);
    fake_http_forget_requests(&fx->http);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, refusals ? WXTP_JOB_PARTIAL : WXTP_JOB_DONE, 20 - bads - refusals, bads, refusals,
                 0);
    wxtp_job *job = stage_load(fx, id);
    const size_t calls = fake_http_count(&fx->http, STAGE_PATH);
    assert_int_equal(job->row.calls, calls);
    wx_job_free(job);
    return calls;
}

static void I7_a_poisoned_batch_keeps_its_budget_of_calls(void **state)
{
    fixture *fx = *state;
    const bool none[20] = {false};
    stage_play(fx);
    for (int i = 0; i < 20; i++) {
        bool bad[20] = {false};
        bad[i] = true;
        assert_true(calls_for(fx, bad, none, 1, 0) <= 8);
        bad[(i + 7) % 20] = true;
        assert_true(calls_for(fx, bad, none, 2, 0) <= 15);
    }
    uint32_t seed = 7;
    for (int round = 0; round < 40; round++) {
        bool bad[20], refused[20];
        int64_t bads = 0, refusals = 0;
        for (int i = 0; i < 20; i++) {
            seed = seed * 1664525 + 1013904223;
            refused[i] = seed >> 28 == 1;
            bad[i] = !refused[i] && (seed >> 20) % 40 < (uint32_t)round;
            bads += bad[i];
            refusals += refused[i];
        }
        assert_true(calls_for(fx, bad, refused, bads, refusals) <= 31);
    }
}

static void I7_only_who_was_refused_alone_is_invalid(void **state)
{
    fixture *fx = *state;
    const bool none[20] = {false};
    bool bad[20] = {false};
    bad[3] = bad[17] = true;
    stage_play(fx);
    calls_for(fx, bad, none, 2, 0);
    int alone = 0;
    for (size_t n = 0; n < fake_http_count(&fx->http, STAGE_PATH); n++) {
        const char *body = fake_http_request(&fx->http, STAGE_PATH, n)->body;
        alone += strstr(body, "BAD") && !strchr(body, ',');
    }
    assert_int_equal(alone, 2);
}

static void a_smaller_list_of_the_catalog_is_kept(void **state)
{
    fixture *fx = *state;
    static wx_api rows[1];
    rows[0] = *wx_api_find(fx->core, STAGE_CALL);
    rows[0].list_max = 6;
    fx->core->catalog = rows;
    fx->core->catalog_count = 1;
    char id[64];
    stage_play(fx);
    stage_create_many(fx, "x", 20, id);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 20, 0, 0, 0);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 4);
}

typedef struct noted {
    int count;
    wxtp_verdict verdict;
    int64_t errcode;
    const char *errmsg;
} noted;

static bool note_exception(void *user, const wxtp_exception_row *row)
{
    noted *n = user;
    n->count++;
    assert_int_equal(row->verdict, n->verdict);
    assert_int_equal(row->errcode, n->errcode);
    assert_non_null(strstr(row->errmsg, n->errmsg));
    assert_true(strncmp(row->openid, "ox", 2) == 0);
    return true;
}

static void assert_noted(fixture *fx, const char *id, noted expected, int count)
{
    wx_err err;
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->exception_list(scope.tx, id, -1, 0, 1000, note_exception, &expected),
                     WXTP_OK);
    assert_int_equal(expected.count, count);
}

typedef struct warnings {
    int count;
    char last[256];
} warnings;

static void keep_warning(void *user, wxtp_log_level level, const char *line)
{
    warnings *w = user;
    if (level == WXTP_LOG_WARNING) {
        w->count++;
        wx_copy(w->last, sizeof(w->last), line);
    }
}

static void I7_each_answer_has_its_meaning_for_the_openids(void **state)
{
    static const struct {
        int errcode;
        int64_t invalid, failed;
        size_t calls;
        bool warns;
    } cases[] = {
        {40003, 20, 0, 29, false}, {49003, 20, 0, 29, false}, /* one of them is bad: searched */
        {41030, 0, 20, 29, false}, {43004, 0, 20, 29, false}, /* one of them is refused: searched */
        {40032, 0, 20, 29, true},                             /* too many: searched, and somebody told */
        {40097, 0, 20, 1, false},  {47001, 0, 20, 1, false},  /* our own fault, whoever they are */
        {987654, 0, 20, 1, false},                            /* nobody knows */
    };
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char id[64], answer[80];
        warnings heard = {.count = 0};
        fx->core->log = (wxtp_log){
            .struct_size = sizeof(wxtp_log), .user = &heard, .level = WXTP_LOG_DEBUG, .write = keep_warning};
        (void)snprintf(answer, sizeof(answer), "{\"errcode\":%d,\"errmsg\":\"no, %d\"}", cases[i].errcode,
                       cases[i].errcode);
        fake_http_forget_rules(&fx->http);
        fake_http_forget_requests(&fx->http);
        fake_http_on(&fx->http, STAGE_PATH, NULL, -1, answer);
        stage_create_many(fx, "x", 20, id);
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
        fx->core->log = (wxtp_log){.struct_size = sizeof(wxtp_log)};
        stage_expect(fx, id, cases[i].failed ? WXTP_JOB_PARTIAL : WXTP_JOB_DONE, 0, cases[i].invalid,
                     cases[i].failed, 0);
        assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), cases[i].calls);
        assert_noted(fx, id,
                     (noted){.verdict = cases[i].failed ? WXTP_VERDICT_FAILED : WXTP_VERDICT_INVALID,
                             .errcode = cases[i].errcode,
                             .errmsg = "no, "},
                     20);
        assert_int_equal(heard.count > 0, cases[i].warns);
        assert_int_equal(strstr(heard.last, id) != NULL, cases[i].warns);
        WX_AUTO_JOB *job = stage_load(fx, id);
        assert_int_equal(job->row.asked, 20);
        assert_int_equal(job->row.calls, (int64_t)cases[i].calls);
        assert_int_equal(job->row.unknown_streak, cases[i].errcode == 987654);
    }
}

static void count_openids(void *user, const fake_request *request, fake_reply *reply)
{
    size_t *most = user;
    size_t count = 0;
    for (const char *at = request->body; (at = strstr(at, "\"o")) != NULL; at++) {
        count++;
    }
    count--; /* the field's name */
    *most = count > *most ? count : *most;
    stage_wechat(NULL, request, reply);
}

/* Also while the search has chosen some of them only. */
static void a_smaller_list_is_kept_in_a_search(void **state)
{
    fixture *fx = *state;
    static wx_api rows[1];
    rows[0] = *wx_api_find(fx->core, STAGE_CALL);
    fx->core->catalog = rows;
    fx->core->catalog_count = 1;
    for (int list_max = 1; list_max <= 20; list_max += 6) {
        static char texts[20][16];
        static const char *openids[20];
        char id[64];
        size_t most = 0;
        for (int i = 0; i < 20; i++) {
            snprintf(texts[i], sizeof texts[i], "o%s%d", i % 7 == 2 ? "BAD" : "x", i);
            openids[i] = texts[i];
        }
        stage_list l = {.openids = openids, .count = 20};
        rows[0].list_max = list_max;
        fake_http_forget_rules(&fx->http);
        fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, count_openids, &most);
        stage_create(fx, &l, false, id);
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
        stage_expect(fx, id, WXTP_JOB_DONE, 17, 3, 0, 0);
        assert_int_equal(most, list_max);
    }
}

/* Nothing of a batch is left where a shorter one comes after it. */
static void openids_of_any_length_are_sent_whole(void **state)
{
    fixture *fx = *state;
    static char texts[41][64];
    static const char *openids[41];
    char id[64];
    for (int i = 0; i < 41; i++) {
        snprintf(texts[i], sizeof texts[i], "o%.*s%d", i == 40 ? 3 : i % 40,
                 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", i);
        openids[i] = texts[i];
    }
    stage_list l = {.openids = openids, .count = 41};
    stage_create(fx, &l, false, id);
    stage_play(fx);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 3);
    assert_string_equal(fake_http_request(&fx->http, STAGE_PATH, 2)->body, "{\"openid_list\":[\"oabc40\"]}");
    for (int i = 0; i < 40; i++) {
        char quoted[80];
        snprintf(quoted, sizeof quoted, "\"%s\"", texts[i]);
        assert_non_null(strstr(fake_http_request(&fx->http, STAGE_PATH, (size_t)(i / 20))->body, quoted));
    }
}

/* A batch of the list is bad as a whole; whoever finds no batch left ends alone. */
static void a_search_goes_on_while_others_find_no_batch(void **state)
{
    enum { BATCHES = 3, COUNT = BATCHES * WXTP_BATCH_MAX };
    fixture *fx = *state;
    fixture_concurrency(fx->core, 2);
    stage_play(fx);
    for (size_t bad = 0; bad < BATCHES; bad++) {
        static char texts[COUNT][16];
        const char *openids[COUNT];
        char id[64];
        for (size_t at = 0; at < COUNT; at++) {
            snprintf(texts[at], sizeof texts[at], "o%s%zu", at / WXTP_BATCH_MAX == bad ? "BAD" : "good", at);
            openids[at] = texts[at];
        }
        stage_list l = {.openids = openids, .count = COUNT};
        stage_create(fx, &l, false, id);
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
        stage_expect(fx, id, WXTP_JOB_DONE, COUNT - WXTP_BATCH_MAX, WXTP_BATCH_MAX, 0, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_is_counted_and_nothing_is_called),
        TEST(what_cannot_be_a_job_leaves_none),
        TEST(a_list_is_kept_while_the_gate_cannot_be_asked),
        TEST(I12_a_short_list_is_kept_where_a_stop_comes_first),
        TEST(a_list_of_only_invalid_ones_is_done_at_once),
        TEST(a_forecast_counts_and_leaves_nothing),
        TEST(I7_a_poisoned_batch_keeps_its_budget_of_calls),
        TEST(I7_only_who_was_refused_alone_is_invalid),
        TEST(a_smaller_list_of_the_catalog_is_kept),
        TEST(I7_each_answer_has_its_meaning_for_the_openids),
        TEST(a_smaller_list_is_kept_in_a_search),
        TEST(openids_of_any_length_are_sent_whole),
        TEST(a_search_goes_on_while_others_find_no_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
