/* One business call: each class of errcode, its tries, what is recorded, and what never leaves. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain/pacer.h"
#include "domain/record.h"
#include "flow/dispatch.h"

#define APPID "wx00000000000000a1"
#define PATH "/cgi-bin/tags/members/batchunblacklist"
#define REFRESH "api_authorizer_token"
#define OK "{\"errcode\":0,\"errmsg\":\"ok\"}"

typedef struct tries {
    int calls, finals;
    int64_t last_errcode;
    wxtp_status last_status;
    wxtp_status refuse; /* what may_try answers */
} tries;

static int setup(void **state)
{
    return fixture_setup_merchant(state, APPID);
}

static wxtp_status on_record(void *user, wxtp_tx *tx, const wx_err *error, bool final, wx_err *err)
{
    (void)tx;
    (void)err;
    tries *t = user;
    t->calls++;
    t->finals += final;
    t->last_errcode = error ? error->errcode : 0;
    t->last_status = error ? error->status : WXTP_OK;
    return WXTP_OK;
}

static wxtp_status on_may_try(void *user, wx_err *err)
{
    tries *t = user;
    return t->refuse ? wx_fail(err, t->refuse, "no") : WXTP_OK;
}

static wxtp_status call_with(fixture *fx, const wx_api *api, tries *t, wx_err *err)
{
    static const char body[] = "{\"openid_list\":[\"o1\",\"o2\"]}";
    wx_call call = {.appid = APPID,
                    .api = api,
                    .body = body,
                    .body_len = sizeof body - 1,
                    .openids = 2,
                    .may_try = on_may_try,
                    .record = on_record,
                    .user = t};
    WX_AUTO_ANSWER answer = {0};
    return wx_dispatch(fx->op, &call, &answer, err);
}

static wxtp_status call(fixture *fx, tries *t, wx_err *err)
{
    return call_with(fx, wx_api_find(fx->core, "batchUnblacklist"), t, err);
}

typedef struct audit {
    int count;
    int64_t errcodes[32], openids, generation;
    char errmsg[256];
} audit;

static bool see_audit(void *user, const wxtp_audit_row *row)
{
    audit *a = user;
    if (strcmp(row->call, "batchUnblacklist") != 0 || a->count == 32)
        return true;
    a->errcodes[a->count++] = row->errcode;
    a->openids = row->openids;
    a->generation = row->token_generation;
    snprintf(a->errmsg, sizeof a->errmsg, "%s", row->errmsg);
    return true;
}

static audit read_audit(fixture *fx)
{
    audit a = {0};
    wx_err err;
    WX_AUTO_SCOPE scope = {0};
    wxtp_audit_filter filter = {.platform = FIXTURE_COMPONENT, .limit = 100};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->audit_list(scope.tx, &filter, see_audit, &a), WXTP_OK);
    return a;
}

static void answer(fixture *fx, int times, int64_t errcode)
{
    char body[128];
    snprintf(body, sizeof body, "{\"errcode\":%lld,\"errmsg\":\"as told rid: 5f0c-11-22\"}",
             (long long)errcode);
    fake_http_on(&fx->http, PATH, NULL, times, body);
}

static void a_success_is_recorded_with_its_openids(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    fake_http_on(&fx->http, PATH, NULL, -1, OK);
    assert_int_equal(call(fx, &t, &err), WXTP_OK);
    assert_int_equal(t.calls, 1);
    assert_int_equal(t.finals, 1);
    audit a = read_audit(fx);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.errcodes[0], 0);
    assert_int_equal(a.openids, 2);
    assert_int_equal(a.generation, 1);
    assert_non_null(strstr(fake_http_request(&fx->http, PATH, 0)->url, "access_token=access-1"));
}

static void each_errcode_ends_in_its_status_after_its_tries(void **state)
{
    static const struct {
        int64_t errcode;
        wxtp_status status;
        size_t tries;
        const char *kind;
    } rows[] = {
        {40003, WXTP_ERR_WECHAT, 1, "wechat"},
        {49003, WXTP_ERR_WECHAT, 1, "wechat"},
        {40032, WXTP_ERR_WECHAT, 1, "wechat"},
        {41030, WXTP_ERR_WECHAT, 1, "wechat"},
        {47001, WXTP_ERR_WECHAT, 1, "wechat"},
        {987654, WXTP_ERR_WECHAT, 1, "wechat"},
        {40164, WXTP_ERR_CONFIGURATION, 1, "configuration"},
        {61004, WXTP_ERR_CONFIGURATION, 1, "configuration"},
        {61005, WXTP_ERR_TICKET, 1, "ticket"},
        {-1, WXTP_ERR_UNAVAILABLE, 5, "unavailable"},
        {45009, WXTP_ERR_QUOTA, 1, "quota"},
    };
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tries t = {0};
        wx_err err;
        fake_http_forget_rules(&fx->http);
        fake_http_forget_requests(&fx->http);
        fixture_patience(&fx->node, 60000);
        answer(fx, -1, rows[i].errcode);
        assert_int_equal(call(fx, &t, &err), rows[i].status);
        assert_string_equal(err.kind, rows[i].kind);
        assert_int_equal(err.errcode, rows[i].errcode);
        assert_string_equal(err.rid, "5f0c-11-22");
        assert_string_equal(err.tenant, APPID);
        assert_int_equal(fake_http_count(&fx->http, PATH), rows[i].tries);
        assert_int_equal(t.calls, rows[i].tries);
        assert_int_equal(t.finals, 1);
    }
}

static void a_refused_token_is_renewed_and_the_call_made_once_more(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    fake_http_on(&fx->http, PATH, NULL, -1, OK);
    answer(fx, 1, 40001);
    fake_http_on(&fx->http, REFRESH, NULL, -1,
                 "{\"authorizer_access_token\":\"access-2\",\"expires_in\":7200,"
                 "\"authorizer_refresh_token\":\"refresh-1\"}");
    assert_int_equal(call(fx, &t, &err), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, REFRESH), 1);
    assert_int_equal(fake_http_count(&fx->http, PATH), 2);
    assert_non_null(strstr(fake_http_request(&fx->http, PATH, 1)->url, "access-2"));
    assert_int_equal(t.calls, 2);
    assert_int_equal(t.finals, 1);
    assert_int_equal(atomic_load(&fx->op->refreshes), 1);
    audit a = read_audit(fx);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.errcodes[0], 40001);
    assert_int_equal(a.errcodes[1], 0);
}

static void renew_slowly(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    (void)request;
    fake_clock_advance(&fx->clock, 900);
    reply->body = "{\"authorizer_access_token\":\"access-2\",\"expires_in\":7200}";
}

/* The gate is asked again when the token took its time, and finds the new token a second time. */
static void a_renewal_that_takes_its_time_is_tried_with_too(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    answer(fx, -1, 0);
    answer(fx, 1, 40001);
    fake_http_handle(&fx->http, REFRESH, NULL, 1, renew_slowly, fx);
    if (call(fx, &t, &err) != WXTP_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(fake_http_count(&fx->http, PATH), 2);
    assert_non_null(strstr(fake_http_request(&fx->http, PATH, 1)->url, "access-2"));
}

/* Symptom: 48001 api unauthorized, and the quota of refreshes is used up. */
static void a_token_refused_twice_ends_the_call(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    answer(fx, -1, 42001);
    fake_http_on(&fx->http, REFRESH, NULL, -1,
                 "{\"authorizer_access_token\":\"access-2\",\"expires_in\":7200,"
                 "\"authorizer_refresh_token\":\"refresh-1\"}");
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_CREDENTIALS);
    assert_non_null(strstr(err.message, "refused twice"));
    assert_int_equal(err.errcode, 42001);
    assert_int_equal(fake_http_count(&fx->http, PATH), 2);
    assert_null(strstr(err.message, "access-"));
}

static void what_may_not_be_repeated_is_sent_once_when_its_outcome_is_unknown(void **state)
{
    fixture *fx = *state;
    wx_api api = *wx_api_find(fx->core, "batchUnblacklist");
    tries t = {0};
    wx_err err;
    api.repeat_safe = false;
    fake_http_fail(&fx->http, PATH, NULL, -1, WXTP_HTTP_UNKNOWN, 0);
    assert_int_equal(call_with(fx, &api, &t, &err), WXTP_ERR_UNAVAILABLE);
    assert_true(err.unknown_outcome);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
    audit a = read_audit(fx);
    assert_int_equal(a.errcodes[0], -1);
    assert_true(a.errmsg[0] != '\0');
}

static void what_was_not_sent_may_always_be_sent_again(void **state)
{
    fixture *fx = *state;
    wx_api api = *wx_api_find(fx->core, "batchUnblacklist");
    tries t = {0};
    wx_err err;
    api.repeat_safe = false;
    fake_http_on(&fx->http, PATH, NULL, -1, OK);
    fake_http_fail(&fx->http, PATH, NULL, 2, WXTP_HTTP_NOT_SENT, 0);
    assert_int_equal(call_with(fx, &api, &t, &err), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, PATH), 3);
}

static void without_patience_there_is_one_try(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    fixture_patience(&fx->node, 0);
    fake_http_fail(&fx->http, PATH, NULL, -1, WXTP_HTTP_ANSWERED, 502);
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_UNAVAILABLE);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
    assert_int_equal(t.finals, 1);
}

static void a_minute_limit_is_waited_out_and_slows_the_tenant(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    fake_clock_advance(&fx->clock, 20000);
    fake_http_on(&fx->http, PATH, NULL, -1, OK);
    answer(fx, 1, 45011);
    assert_int_equal(call(fx, &t, &err), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, PATH), 2);
    const int64_t waited = fake_clock_wall(&fx->clock) - FAKE_EPOCH_MS - 20000;
    assert_in_range(waited, 40000, 42001);
    assert_int_not_equal(wx_pacer_take(fx->core, FIXTURE_COMPONENT, APPID), 0);
    assert_int_equal(wx_pacer_take(fx->core, FIXTURE_COMPONENT, "wx00000000000000a2"), 0);
}

/* A server that hangs: the time-out passes, and no answer comes. */
static void hang(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    (void)request;
    fake_clock_advance(&fx->clock, fx->core->settings.timeout_ms);
    reply->outcome = WXTP_HTTP_UNKNOWN;
}

static void a_try_that_hangs_is_waited_for_too(void **state)
{
    fixture *fx = *state;
    const int64_t timeout = fx->core->settings.timeout_ms;
    const struct {
        int64_t patience, tries;
    } rows[] = {{0, 1}, {timeout, 1}, {timeout + 1000, 2}, {2 * timeout + 1000, 3}, {100 * timeout, 5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tries t = {0};
        wx_err err;
        fake_http_forget_rules(&fx->http);
        fake_http_forget_requests(&fx->http);
        fixture_patience(&fx->node, rows[i].patience);
        fake_http_handle(&fx->http, PATH, NULL, -1, hang, fx);
        assert_int_equal(call(fx, &t, &err), WXTP_ERR_UNAVAILABLE);
        assert_int_equal(fake_http_count(&fx->http, PATH), rows[i].tries);
    }
}

static void what_overlaps_is_waited_for_once(void **state)
{
    fixture *fx = *state;
    wx_patience *patience = fx->op->patience;
    wx_err err = {0};
    const int64_t began = wx_boot_ms(fx->core);
    fixture_patience(&fx->node, 60000);
    fake_clock_advance(&fx->clock, 3000);
    wx_patience_spend(fx->op, began);
    assert_int_equal(patience->left_ms, 57000);
    wx_patience_spend(fx->op, began + 1000); /* another worker's, at the same time */
    assert_int_equal(patience->left_ms, 57000);
    assert_true(wx_wait_patiently(fx->op, 1000, &err));
    assert_int_equal(patience->left_ms, 56000);
    fake_clock_advance(&fx->clock, 2000);
    wx_patience_spend(fx->op, began + 2500); /* over the wait, and 2 s more */
    assert_int_equal(patience->left_ms, 54000);
    fake_clock_advance(&fx->clock, 5000); /* nobody waits */
    wx_patience_spend(fx->op, wx_boot_ms(fx->core) - 1000);
    assert_int_equal(patience->left_ms, 53000);
}

static void a_minute_limit_without_patience_is_an_error(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    fixture_patience(&fx->node, 1000);
    answer(fx, -1, 45011);
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_RATE);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
    assert_true(err.retry_after_ms > 0);
}

static void the_rate_holds_per_tenant(void **state)
{
    fixture *fx = *state;
    fx->core->settings.rate_per_second = 5;
    fake_http_on(&fx->http, PATH, NULL, -1, OK);
    const int64_t began = fake_clock_wall(&fx->clock);
    for (int i = 0; i < 11; i++) {
        tries t = {0};
        wx_err err;
        assert_int_equal(call(fx, &t, &err), WXTP_OK);
    }
    assert_int_equal(fake_clock_wall(&fx->clock) - began, 2000);
}

static void a_stop_lets_no_call_leave(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    fake_http_on(&fx->http, PATH, NULL, -1, OK);
    atomic_store(&fx->core->stopping, true);
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_INTERRUPTED);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
    assert_int_equal(t.calls, 0);
}

static void stop_in_flight(void *user, const fake_request *request, fake_reply *reply)
{
    (void)request;
    fixture *fx = user;
    atomic_store(&fx->core->stopping, true);
    reply->body = "{\"errcode\":-1,\"errmsg\":\"system error\"}";
}

static void a_call_in_flight_is_recorded_and_not_repeated_after_a_stop(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    fake_http_handle(&fx->http, PATH, NULL, -1, stop_in_flight, fx);
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_INTERRUPTED);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
    assert_int_equal(read_audit(fx).count, 1);
}

static void the_caller_may_forbid_each_try(void **state)
{
    fixture *fx = *state;
    tries t = {.refuse = WXTP_ERR_CANCELLED};
    wx_err err;
    fake_http_on(&fx->http, PATH, NULL, -1, OK);
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_CANCELLED);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void I6_no_call_leaves_without_the_gates_yes(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.certified = 0;
    row.verify_type = -1;
    fixture_put_tenant(fx, &row);
    fake_http_on(&fx->http, PATH, NULL, -1, OK);
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_REFUSED);
    assert_string_equal(err.kind, "not_certified");
    assert_int_equal(fake_http_count(&fx->http, PATH), 0);
}

static void I6_a_refusal_after_a_yes_is_looked_into(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    answer(fx, -1, 48001);
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_REFUSED);
    assert_int_equal(err.errcode, 48001);
    assert_true(fake_http_count(&fx->http, "api_get_authorizer_info") >= 1);
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_REFUSED);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
}

static void I10_a_quota_is_remembered_and_a_person_gets_one_probe(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    answer(fx, 1, 45009);
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_QUOTA);
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_QUOTA);
    assert_int_equal(fake_http_count(&fx->http, PATH), 1);
    fx->op->person = true;
    answer(fx, 1, 40003);
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_WECHAT);
    fx->op->person = false;
    fake_http_on(&fx->http, PATH, NULL, -1, OK);
    assert_int_equal(call(fx, &t, &err), WXTP_OK);
}

static void an_address_that_wechat_saw_is_named(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    fake_http_on(&fx->http, PATH, NULL, 1,
                 "{\"errcode\":40164,\"errmsg\":\"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in "
                 "whitelist\"}");
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_CONFIGURATION);
    assert_non_null(strstr(err.hint, "203.0.113.7"));
    fake_http_on(&fx->http, PATH, NULL, 1,
                 "{\"errcode\":61004,\"errmsg\":\"access clientip is not registered requestIP: 2001:db8::9 "
                 "rid: 5-6\"}");
    assert_int_equal(call(fx, &t, &err), WXTP_ERR_CONFIGURATION);
    assert_non_null(strstr(err.hint, "2001:db8::9"));
}

/* None of this request's own: a stored token of another. */
static void I9_a_secret_that_wechat_quotes_is_redacted(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    static const char secret[] = "55_Zm9yIHRlc3RzIG9ubHk-and_long_enough==@wx1";
    for (int dots = 0; dots <= 245; dots += 35) { /* also cut in its midst */
        char before[256] = "";
        char body[512];
        memset(before, '.', (size_t)dots + 1);
        snprintf(body, sizeof body, "{\"errcode\":987654,\"errmsg\":\"%s %s rid: 5f0c-11-22\"}", before,
                 secret);
        fake_http_on(&fx->http, PATH, NULL, 1, body);
        assert_int_not_equal(call(fx, &t, &err), WXTP_OK);
        assert_null(strstr(err.message, "55_"));
        assert_non_null(strstr(err.message, ". **"));
        assert_string_equal(err.rid, "5f0c-11-22");
        const audit a = read_audit(fx);
        assert_null(strstr(a.errmsg, "55_"));
        assert_non_null(strstr(a.errmsg, ". **"));
    }
}

static void a_cloud_call_goes_to_the_cloud_base_without_a_token(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    static const char body[] = "{\"openid_list\":[\"o1\"]}";
    wxtp_tenant_row row = wx_tenant_row_new("", "wx00000000000000c9", fake_clock_wall(&fx->clock));
    row.credential = WXTP_CREDENTIAL_CLOUD;
    row.status = WXTP_TENANT_AUTHORIZED;
    row.account = WXTP_ACCOUNT_SERVICE;
    row.certified = row.declared_certified = 1;
    fixture_put_tenant(fx, &row);
    fake_http_on(&fx->http, PATH, NULL, -1, OK);
    wx_call cloud = {.appid = "wx00000000000000c9",
                     .api = wx_api_find(fx->core, "batchUnblacklist"),
                     .body = body,
                     .body_len = sizeof body - 1,
                     .record = on_record,
                     .user = &t};
    WX_AUTO_ANSWER got = {0};
    assert_int_equal(wx_dispatch(fx->op, &cloud, &got, &err), WXTP_OK);
    assert_string_equal(fake_http_request(&fx->http, PATH, 0)->url, "http://api.weixin.qq.com" PATH);
}

static void a_token_file_that_stays_the_same_ends_the_call_with_what_wechat_said(void **state)
{
    fixture *fx = *state;
    tries t = {0};
    wx_err err;
    char path[128];
    snprintf(path, sizeof path, "%s/cloudbase", fx->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("cloudbase-token", file);
    fclose(file);
    wxtp_tenant_row row = wx_tenant_row_new("", "wx00000000000000c9", fake_clock_wall(&fx->clock));
    row.credential = WXTP_CREDENTIAL_CLOUD;
    row.status = WXTP_TENANT_AUTHORIZED;
    row.account = WXTP_ACCOUNT_SERVICE;
    row.certified = row.declared_certified = 1;
    row.token_file = path;
    fixture_put_tenant(fx, &row);
    answer(fx, -1, 40001);
    wx_call cloud = {.appid = "wx00000000000000c9",
                     .api = wx_api_find(fx->core, "batchUnblacklist"),
                     .body = "{}",
                     .body_len = 2,
                     .record = on_record,
                     .user = &t};
    WX_AUTO_ANSWER got = {0};
    assert_int_equal(wx_dispatch(fx->op, &cloud, &got, &err), WXTP_ERR_CREDENTIALS);
    assert_non_null(strstr(err.message, "gives no other"));
    assert_int_equal(err.errcode, 40001);
    assert_string_equal(err.rid, "5f0c-11-22");
    assert_string_equal(err.tenant, "wx00000000000000c9");
    assert_int_equal(t.calls, 1);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_success_is_recorded_with_its_openids),
        TEST(each_errcode_ends_in_its_status_after_its_tries),
        TEST(a_refused_token_is_renewed_and_the_call_made_once_more),
        TEST(a_renewal_that_takes_its_time_is_tried_with_too),
        TEST(a_token_refused_twice_ends_the_call),
        TEST(what_may_not_be_repeated_is_sent_once_when_its_outcome_is_unknown),
        TEST(what_was_not_sent_may_always_be_sent_again),
        TEST(without_patience_there_is_one_try),
        TEST(a_minute_limit_is_waited_out_and_slows_the_tenant),
        TEST(a_try_that_hangs_is_waited_for_too),
        TEST(what_overlaps_is_waited_for_once),
        TEST(a_minute_limit_without_patience_is_an_error),
        TEST(the_rate_holds_per_tenant),
        TEST(a_stop_lets_no_call_leave),
        TEST(a_call_in_flight_is_recorded_and_not_repeated_after_a_stop),
        TEST(the_caller_may_forbid_each_try),
        TEST(I6_no_call_leaves_without_the_gates_yes),
        TEST(I6_a_refusal_after_a_yes_is_looked_into),
        TEST(I10_a_quota_is_remembered_and_a_person_gets_one_probe),
        TEST(an_address_that_wechat_saw_is_named),
        TEST(I9_a_secret_that_wechat_quotes_is_redacted),
        TEST(a_cloud_call_goes_to_the_cloud_base_without_a_token),
        TEST(a_token_file_that_stays_the_same_ends_the_call_with_what_wechat_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
