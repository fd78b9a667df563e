/* The gate, dry: it says what a call would meet, with every condition and what taught it (I6). */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "domain/gate_explain.h"
#include "domain/token.h"
#include "flow/dispatch.h"

#define APPID "wxa0000000000000a1"
#define INFO_PATH "api_get_authorizer_info"
#define TOKEN_PATH "api_authorizer_token"
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)

#define INFO(verify, token)                                                                                  \
    "{\"authorizer_info\":{\"nick_name\":\"Shop\",\"service_type_info\":{\"id\":2},\"verify_type_info\":"    \
    "{\"id\":" verify "},\"account_status\":1},\"authorization_info\":{\"authorizer_appid\":\"" APPID        \
    "\",\"authorizer_refresh_token\":\"" token "\",\"func_info\":[{\"funcscope_category\":{\"id\":2}}]}}"

static const wx_api *unblacklist(fixture *fx)
{
    return wx_api_find(fx->core, "batchUnblacklist");
}

/* ---- What WeChat says, and what is stored ---- */

typedef struct circumstance {
    int verify_type;
    const char *sets;
    wxtp_account account;
    wxtp_tenant_status status;
    int64_t age_ms; /* of all that is known */
    const char *info;
    const char *refresh; /* NULL: the token is fresh */
    bool quota;
} circumstance;

/* NULL among these: WeChat cannot be reached. */
static const char *const infos[] = {INFO("0", "refresh-token-1"), INFO("-1", "refresh-token-1"),
                                    "{\"errcode\":61003,\"errmsg\":\"component is not authorized\"}", NULL};
static const char renewed[] = "{\"authorizer_access_token\":\"access-token-2\",\"expires_in\":7200,"
                              "\"authorizer_refresh_token\":\"refresh-token-1\"}";
static const char *const refreshes[] = {
    NULL, renewed, "{\"errcode\":61023,\"errmsg\":\"refresh_token is invalid\"}",
    "{\"errcode\":61004,\"errmsg\":\"access clientip is not registered\"}"};

static void put_token(fixture *fx, bool fresh)
{
    wx_token_view view;
    wx_err err = {0};
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-token-1", "refresh-token-1");
    assert_int_equal(wx_token_look(fx->core, FIXTURE_COMPONENT, APPID, &view, &err), WXTP_OK);
    if (!fresh) {
        assert_int_equal(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, view.generation, &err),
                         WXTP_OK);
    }
}

static void put_quota(fixture *fx, bool used_up)
{
    const int64_t now = fake_clock_wall(&fx->clock);
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    const wxtp_hold_row hold = {.platform = FIXTURE_COMPONENT,
                                .appid = APPID,
                                .call = "batchUnblacklist",
                                .kind = WXTP_HOLD_QUOTA,
                                .errcode = 45009,
                                .since_ms = now,
                                .until_ms = used_up ? now + HOUR_MS : now};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_WRITE, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->hold_put(scope.tx, &hold), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
}

static void arrange(fixture *fx, const circumstance *at)
{
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.verify_type = at->verify_type;
    row.permission_sets = at->sets;
    row.account = at->account;
    row.status = at->status;
    row.profile_ms = row.status_ms = fake_clock_wall(&fx->clock) - at->age_ms;
    fixture_put_tenant(fx, &row);
    put_token(fx, at->refresh == NULL);
    put_quota(fx, at->quota);
    fake_http_forget_rules(&fx->http);
    if (at->info) {
        fake_http_on(&fx->http, INFO_PATH, NULL, -1, at->info);
    }
    if (at->refresh) {
        fake_http_on(&fx->http, TOKEN_PATH, NULL, -1, at->refresh);
    }
    fake_http_on(&fx->http, "api_get_authorizer_list", NULL, -1, "{\"total_count\":0,\"list\":[]}");
    fixture_patience(&fx->node, 2000);
    fx->op->person = true;
}

/* Up to where the request would leave. */
static wxtp_status go_in(fixture *fx, wx_err *err)
{
    WX_AUTO_TENANT *tenant = NULL;
    WX_AUTO_TOKEN token = {0};
    *err = (wx_err){0};
    const wxtp_status status = wx_gate_pass(fx->op, APPID, unblacklist(fx), &tenant, err);
    return status == WXTP_OK ? wx_token_get(fx->op, tenant, &token, err) : status;
}

static int failing(const wx_explanation *told)
{
    int count = 0;
    for (int i = 0; i < WX_CONDITIONS; i++) {
        assert_non_null(told->conditions[i].name);
        assert_in_range(told->conditions[i].holds + 1, 0, 2);
        count += told->conditions[i].holds == 0;
    }
    return count;
}

static void compare(fixture *fx, const circumstance *at)
{
    wx_err real;
    wx_err err = {0};
    wx_explanation told;
    arrange(fx, at);
    const wxtp_status status = go_in(fx, &real);
    arrange(fx, at);
    const wxtp_status said = wx_gate_explain(fx->op, APPID, unblacklist(fx), true, &told, &err);
    if (status == WXTP_OK && at->quota) {
        /* A person's call is let through once, to see; the memory is told all the same. */
        assert_int_equal(said, WXTP_OK);
        assert_string_equal(told.reason, "quota_exhausted");
    } else if (status == WXTP_OK) {
        assert_int_equal(said, WXTP_OK);
        assert_string_equal(told.reason, "");
        assert_int_equal(failing(&told), 0);
    } else if (status == WXTP_ERR_UNAVAILABLE) {
        assert_int_equal(said, status);
    } else if (said != WXTP_OK || strcmp(told.reason, real.kind) != 0) {
        if (!(at->quota && strcmp(told.reason, "quota_exhausted") == 0)) {
            fail_msg("the call: %s (%s), explained: %s, %s", real.kind, real.message, told.reason,
                     err.message);
        }
    } else {
        assert_true(failing(&told) > 0);
        assert_true(told.hint[0] != '\0');
    }
}

static void I6_the_explanation_says_what_the_call_meets(void **state)
{
    fixture *fx = *state;
    static const int64_t ages[] = {MINUTE_MS, 11 * MINUTE_MS, 25 * HOUR_MS, 73 * HOUR_MS};
    static const int verify_types[] = {0, -1};
    for (int verify = 0; verify < 2; verify++) {
        for (int status = WXTP_TENANT_AUTHORIZED; status <= WXTP_TENANT_REAUTHORIZATION_REQUIRED; status++) {
            for (int age = 0; age < 4; age++) {
                for (int info = 0; info < 4; info++) {
                    for (int refresh = 0; refresh < 4; refresh++) {
                        compare(fx, &(circumstance){verify_types[verify], "2", WXTP_ACCOUNT_SERVICE,
                                                    (wxtp_tenant_status)status, ages[age], infos[info],
                                                    refreshes[refresh], false});
                    }
                }
            }
        }
    }
    for (int age = 0; age < 4; age++) {
        compare(fx, &(circumstance){0, "1", WXTP_ACCOUNT_SERVICE, WXTP_TENANT_AUTHORIZED, ages[age], infos[0],
                                    NULL, false});
        compare(fx, &(circumstance){0, "2", WXTP_ACCOUNT_MINI_PROGRAM, WXTP_TENANT_AUTHORIZED, ages[age],
                                    infos[0], NULL, false});
        compare(fx, &(circumstance){0, "2", WXTP_ACCOUNT_SERVICE, WXTP_TENANT_AUTHORIZED, ages[age], infos[0],
                                    NULL, true});
        compare(fx, &(circumstance){-1, "2", WXTP_ACCOUNT_SERVICE, WXTP_TENANT_AUTHORIZED, ages[age],
                                    infos[1], renewed, true});
    }
    assert_int_equal(fake_http_count(&fx->http, "/cgi-bin/tags/"), 0); /* never a business call */
}

/* ---- The conditions ---- */

static const wx_condition *named(const wx_explanation *told, const char *name)
{
    for (int i = 0; i < WX_CONDITIONS; i++) {
        if (strcmp(told->conditions[i].name, name) == 0) {
            return &told->conditions[i];
        }
    }
    fail_msg("there is no condition %s", name);
    return NULL;
}

static wx_explanation stored(fixture *fx)
{
    wx_explanation told;
    wx_err err = {0};
    assert_int_equal(wx_gate_explain(fx->op, APPID, unblacklist(fx), false, &told, &err), WXTP_OK);
    return told;
}

static void I6_an_unknown_tenant_is_all_that_can_be_said(void **state)
{
    fixture *fx = *state;
    const wx_explanation told = stored(fx);
    assert_string_equal(told.reason, "unknown_tenant");
    assert_int_equal(named(&told, "tenant_known")->holds, 0);
    for (int i = 1; i < WX_CONDITIONS; i++) {
        assert_int_equal(told.conditions[i].holds, -1);
    }
}

static void every_condition_that_fails_is_told(void **state)
{
    fixture *fx = *state;
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.status_source = "push authorized 1";
    row.permission_sets = "1,15";
    row.verify_type = -1;
    row.account_status = 16;
    fixture_put_tenant(fx, &row);
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-token-1", "refresh-token-1");
    put_quota(fx, true);
    const wx_explanation told = stored(fx);
    assert_string_equal(told.reason, "account_not_active");
    assert_int_equal(failing(&told), 4);
    assert_int_equal(named(&told, "authorized")->holds, 1);
    assert_string_equal(named(&told, "authorized")->source, "push authorized 1");
    assert_int_equal(named(&told, "authorized")->read_ms, row.status_ms);
    assert_int_equal(named(&told, "account_active")->holds, 0);
    assert_string_equal(named(&told, "account_active")->value, "banned (account_status 16)");
    assert_int_equal(named(&told, "permission_set")->holds, 0);
    assert_string_equal(named(&told, "permission_set")->value, "granted: 1,15; needed: 2 or 100");
    assert_int_equal(named(&told, "certified")->holds, 0);
    assert_string_equal(named(&told, "certified")->source, "api_get_authorizer_info");
    assert_int_equal(named(&told, "certified")->read_ms, row.profile_ms);
    assert_int_equal(named(&told, "quota")->holds, 0);
    assert_int_equal(named(&told, "quota")->read_ms, fake_clock_wall(&fx->clock));
    assert_int_equal(named(&told, "token")->holds, 1);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void the_operators_word_is_told_as_his(void **state)
{
    fixture *fx = *state;
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.verify_type = -1;
    row.override_certified = 1;
    fixture_put_tenant(fx, &row);
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-token-1", "refresh-token-1");
    const wx_explanation told = stored(fx);
    assert_string_equal(told.reason, "");
    assert_string_equal(named(&told, "certified")->value, "yes (operator)");
    assert_string_equal(named(&told, "certified")->source, "operator");
}

static void without_a_ticket_a_token_that_is_over_stands_in_the_way(void **state)
{
    fixture *fx = *state;
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    fixture_put_tenant(fx, &row);
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-token-1", "refresh-token-1");
    fake_clock_advance(&fx->clock, 13 * HOUR_MS);
    const wx_explanation told = stored(fx);
    assert_string_equal(told.reason, "ticket");
    assert_int_equal(named(&told, "token")->holds, 0);
    assert_non_null(strstr(named(&told, "token")->value, "12 hours"));
    assert_int_equal(failing(&told), 1);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
    wx_explanation asked;
    wx_err err = {0};
    assert_int_equal(wx_gate_explain(fx->op, APPID, unblacklist(fx), true, &asked, &err), WXTP_OK);
    assert_string_equal(asked.reason, "ticket");
}

static void an_account_of_its_own_needs_no_profile(void **state)
{
    fixture *fx = *state;
    wxtp_tenant_row row = wx_tenant_row_new("", APPID, fake_clock_wall(&fx->clock));
    row.credential = WXTP_CREDENTIAL_CLOUD;
    row.status = WXTP_TENANT_AUTHORIZED;
    row.account = WXTP_ACCOUNT_SERVICE;
    row.declared_certified = 0;
    fixture_put_tenant(fx, &row);
    wx_explanation told = stored(fx);
    assert_string_equal(told.reason, "not_certified");
    assert_string_equal(named(&told, "certified")->source, "operator");
    assert_string_equal(named(&told, "permission_set")->value, "none needed");
    assert_string_equal(named(&told, "token")->value, "none needed");
    wx_err err = {0};
    assert_int_equal(
        wx_gate_explain(fx->op, APPID, wx_api_find(fx->core, "batchBlacklist"), false, &told, &err), WXTP_OK);
    assert_int_equal(named(&told, "supported")->holds, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup_platform, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(I6_the_explanation_says_what_the_call_meets),
        T(I6_an_unknown_tenant_is_all_that_can_be_said),
        T(every_condition_that_fails_is_told),
        T(the_operators_word_is_told_as_his),
        T(without_a_ticket_a_token_that_is_over_stands_in_the_way),
        T(an_account_of_its_own_needs_no_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
