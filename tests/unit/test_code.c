/* Authorization codes: stored first, exchanged once, recovered when the answer was lost (I2, I5, I8). */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/code.h"
#include "domain/code_work.h"
#include "domain/token.h"

#define APPID "wxa0000000000000a1"
#define OTHER "wxa0000000000000b2"
#define CODE "queryauthcode@@@1"
#define AUTH_PATH "api_query_auth"
#define INFO_PATH "api_get_authorizer_info"
#define LIST_PATH "api_get_authorizer_list"

static const char granted[] =
    "{\"authorization_info\":{\"authorizer_appid\":\"" APPID
    "\",\"authorizer_access_token\":\"access-token-1\",\"expires_in\":7200,"
    "\"authorizer_refresh_token\":\"refresh-token-1\",\"func_info\":[{\"funcscope_category\":{"
    "\"id\":2}},{\"funcscope_category\":{\"id\":1}}]}}";
static const char granted_without_rights[] = "{\"authorization_info\":{\"authorizer_appid\":\"" APPID
                                             "\",\"func_info\":[{\"funcscope_category\":{\"id\":17}}]}}";
static const char info[] = "{\"authorizer_info\":{\"nick_name\":\"Shop\",\"service_type_info\":{\"id\":2},"
                           "\"verify_type_info\":{\"id\":0}},"
                           "\"authorization_info\":{\"authorizer_refresh_token\":\"refresh-token-1\",\"func_"
                           "info\":[{\"funcscope_category\":{"
                           "\"id\":2}}]}}";
static const char info_not_exchanged[] =
    "{\"authorizer_info\":{\"service_type_info\":{\"id\":2}},\"authorization_info\":{\"func_info\":[]}}";
static const char bad[] = "{\"errcode\":61010,\"errmsg\":\"code is expired rid: 1-2-3\"}";
static const char gone[] = "{\"errcode\":61003,\"errmsg\":\"not authorized\"}";

static void store_code(fixture *fx, const char *code, const char *appid)
{
    wx_err err = {0};
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_SYNC, &err), WXTP_OK);
    assert_int_equal(wx_code_put(fx->core, scope.tx, code, appid, FAKE_EPOCH_MS / 1000,
                                 fake_clock_wall(&fx->clock) + 3600000, "push authorized 1", &err),
                     WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
}

static wxtp_code_state state_of(fixture *fx, const char *code)
{
    wx_err err = {0};
    wxtp_code_state state = WXTP_CODE_PENDING;
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), WXTP_OK);
    assert_int_equal(wx_code_state_get(fx->core, scope.tx, code, &state, &err), WXTP_OK);
    return state;
}

static wxtp_status exchange(fixture *fx, const char *code, char appid[WX_APPID_MAX], wx_err *err)
{
    *err = (wx_err){0};
    fixture_patience(&fx->node, 60000);
    return wx_code_exchange(fx->op, code, appid, err);
}

static void assert_exchanged(fixture *fx, const char *code)
{
    char appid[WX_APPID_MAX];
    wx_err err;
    if (exchange(fx, code, appid, &err) != WXTP_OK) {
        fail_msg("%s: %s", err.kind, err.message);
    }
    assert_string_equal(appid, APPID);
    assert_int_equal(state_of(fx, code), WXTP_CODE_DONE);
    WX_AUTO_FREE char *refresh = fixture_refresh_token(fx, FIXTURE_COMPONENT, APPID);
    assert_string_equal(refresh, "refresh-token-1");
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_int_equal(tenant->row.status, WXTP_TENANT_AUTHORIZED);
    assert_false(tenant->row.removed);
}

typedef struct seen_code {
    size_t count;
    bool holds_code;
} seen_code;

static bool look_at_code(void *user, const wxtp_code_row *row)
{
    seen_code *self = user;
    self->count++;
    for (size_t i = 0; row->code.len >= sizeof CODE && i + sizeof CODE - 1 <= row->code.len; i++) {
        self->holds_code |= memcmp((const char *)row->code.data + i, CODE, sizeof CODE - 1) == 0;
    }
    return true;
}

static size_t open_codes_of(fixture *fx, const char *appid)
{
    wx_err err = {0};
    seen_code seen = {0};
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->code_open(scope.tx, FIXTURE_COMPONENT, appid, look_at_code, &seen),
                     WXTP_OK);
    assert_false(seen.holds_code);
    return seen.count;
}

static void I8_a_code_is_exchanged_once_however_often_it_comes(void **state)
{
    fixture *fx = *state;
    fake_http_on(&fx->http, AUTH_PATH, CODE, 1, granted);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    store_code(fx, CODE, APPID);
    store_code(fx, CODE, APPID);
    assert_int_equal(open_codes_of(fx, APPID), 1);
    assert_exchanged(fx, CODE);
    store_code(fx, CODE, APPID);
    assert_exchanged(fx, CODE);
    assert_int_equal(fake_http_count(&fx->http, AUTH_PATH), 1);
    assert_int_equal(open_codes_of(fx, NULL), 0);
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_int_equal(tenant->row.certified, 1);
    assert_int_equal(tenant->row.event_time_s, FAKE_EPOCH_MS / 1000);
    assert_string_equal(tenant->row.nick_name, "Shop");
    WX_AUTO_FREE char *access = fixture_access_token(fx, FIXTURE_COMPONENT, APPID);
    assert_string_equal(access, "access-token-1");
}

static void a_code_that_an_operator_brings_needs_no_push(void **state)
{
    fixture *fx = *state;
    fake_http_on(&fx->http, AUTH_PATH, CODE, 1, granted);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
    const fake_request *request = fake_http_request(&fx->http, AUTH_PATH, 0);
    assert_string_equal(request->body, "{\"component_appid\":\"" FIXTURE_COMPONENT
                                       "\",\"authorization_code\":\"" CODE "\"}");
}

static void a_push_names_the_owner_of_an_operators_code(void **state)
{
    fixture *fx = *state;
    store_code(fx, CODE, "");
    assert_int_equal(open_codes_of(fx, APPID), 0);
    store_code(fx, CODE, APPID);
    assert_int_equal(open_codes_of(fx, APPID), 1);
    store_code(fx, CODE, OTHER);
    assert_int_equal(open_codes_of(fx, APPID), 1);
}

static void a_profile_that_cannot_be_read_undoes_nothing(void **state)
{
    fixture *fx = *state;
    fake_http_on(&fx->http, AUTH_PATH, CODE, 1, granted);
    fake_http_fail(&fx->http, INFO_PATH, NULL, -1, WXTP_HTTP_UNKNOWN, 0);
    assert_exchanged(fx, CODE);
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_int_equal(tenant->row.profile_ms, 0);
    assert_string_equal(tenant->row.permission_sets, "1,2");
}

static void an_account_without_api_rights_is_stored_without_a_token(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    fake_http_on(&fx->http, AUTH_PATH, CODE, 1, granted_without_rights);
    fake_http_fail(&fx->http, INFO_PATH, NULL, -1, WXTP_HTTP_NOT_SENT, 0);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_OK);
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_int_equal(tenant->row.status, WXTP_TENANT_AUTHORIZED);
    assert_string_equal(tenant->row.permission_sets, "17");
    assert_null(fixture_access_token(fx, FIXTURE_COMPONENT, APPID));
}

/* ---- The intent ---- */

static void look_at_intent(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    (void)request;
    fixture_node other;
    fixture_open_node(fx, &other);
    fixture seen = *fx;
    seen.core = &other.core;
    assert_int_equal(state_of(&seen, CODE), WXTP_CODE_SENT);
    fixture_close_node(&other);
    reply->body = granted;
}

static void I2_the_intent_is_stored_before_the_exchange_leaves(void **state)
{
    fixture *fx = *state;
    fake_http_handle(&fx->http, AUTH_PATH, NULL, 1, look_at_intent, fx);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
}

static void another_exchanges_meanwhile(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    char appid[WX_APPID_MAX];
    wx_err err = {0};
    fixture_node other;
    (void)request;
    fixture_open_node(fx, &other);
    fixture_patience(&other, 500);
    assert_int_equal(wx_code_exchange(&other.op, CODE, appid, &err), WXTP_ERR_UNAVAILABLE);
    fixture_close_node(&other);
    reply->body = granted;
}

static void I1_only_one_process_exchanges_a_code(void **state)
{
    fixture *fx = *state;
    fake_http_handle(&fx->http, AUTH_PATH, NULL, 1, another_exchanges_meanwhile, fx);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
    assert_int_equal(fake_http_count(&fx->http, AUTH_PATH), 1);
}

/* While the component token is waited for, the lease runs out, and another exchanges the code. */
static void another_takes_over(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    char appid[WX_APPID_MAX];
    wx_err err = {0};
    fixture_node other;
    (void)request;
    fake_clock_advance(&fx->clock, 60000);
    fixture_put_token(fx, FIXTURE_COMPONENT, "", "component-access-token-2", NULL);
    fixture_open_node(fx, &other);
    assert_int_equal(wx_code_exchange(&other.op, CODE, appid, &err), WXTP_OK);
    fixture_close_node(&other);
    reply->body = "{\"errcode\":45011,\"errmsg\":\"too often\"}";
}

static void I1_a_code_whose_lease_ran_out_is_looked_at_again(void **state)
{
    fixture *fx = *state;
    fake_clock_advance(&fx->clock, 7190000); /* the component token is due */
    store_code(fx, CODE, APPID);
    fake_http_handle(&fx->http, "api_component_token", NULL, 1, another_takes_over, fx);
    fake_http_on(&fx->http, AUTH_PATH, NULL, -1, granted);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
    assert_int_equal(fake_http_count(&fx->http, AUTH_PATH), 1);
}

static void a_refusal_that_is_not_about_the_code_leaves_it_pending(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    fake_http_on(&fx->http, AUTH_PATH, NULL, 1,
                 "{\"errcode\":61004,\"errmsg\":\"ip 1.2.3.4 not in white list\"}");
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_CONFIGURATION);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_PENDING);
    fake_http_fail(&fx->http, AUTH_PATH, NULL, -1, WXTP_HTTP_NOT_SENT, 0);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_UNAVAILABLE);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_PENDING);
    fake_http_on(&fx->http, AUTH_PATH, NULL, 1, granted);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
}

static void a_failure_names_whose_code_it_is(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    fake_http_fail(&fx->http, AUTH_PATH, NULL, -1, WXTP_HTTP_NOT_SENT, 0);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_UNAVAILABLE);
    assert_string_equal(err.tenant, ""); /* nobody has said whose it is */
    store_code(fx, "queryauthcode@@@2", APPID);
    assert_int_equal(exchange(fx, "queryauthcode@@@2", appid, &err), WXTP_ERR_UNAVAILABLE);
    assert_string_equal(err.tenant, APPID);
}

/* ---- Bad codes ---- */

static void I5_a_code_called_bad_at_once_is_bad(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    fake_http_on(&fx->http, AUTH_PATH, NULL, -1, bad);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_CREDENTIALS);
    assert_string_equal(err.kind, "credentials");
    assert_int_equal(err.errcode, 61010);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_BAD);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_CREDENTIALS);
    assert_int_equal(fake_http_count(&fx->http, AUTH_PATH), 1);
    assert_int_equal(fake_http_count(&fx->http, LIST_PATH), 0);
}

static void a_tenant_that_waited_for_a_bad_code_is_asked_about(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    wxtp_tenant_row row = wx_tenant_row_new(FIXTURE_COMPONENT, APPID, FAKE_EPOCH_MS);
    fixture_put_tenant(fx, &row);
    store_code(fx, CODE, APPID);
    fake_http_on(&fx->http, AUTH_PATH, NULL, -1, bad);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, gone);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_CREDENTIALS);
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_int_equal(tenant->row.status, WXTP_TENANT_UNAUTHORIZED);
}

static void I5_a_code_that_another_spent_for_us_is_found_by_info(void **state)
{
    fixture *fx = *state;
    store_code(fx, CODE, APPID);
    fake_http_on(&fx->http, AUTH_PATH, NULL, -1, bad);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
}

/* ---- Lost answers ---- */

static void I5_a_lost_answer_is_asked_for_again_at_once(void **state)
{
    fixture *fx = *state;
    fake_http_on(&fx->http, AUTH_PATH, NULL, 1, granted);
    fake_http_fail(&fx->http, AUTH_PATH, NULL, 2, WXTP_HTTP_UNKNOWN, 0);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
    assert_int_equal(fake_http_count(&fx->http, AUTH_PATH), 3);
}

static void I5_a_code_spent_by_a_lost_answer_is_found_by_info(void **state)
{
    fixture *fx = *state;
    store_code(fx, CODE, APPID);
    fake_http_on(&fx->http, AUTH_PATH, NULL, -1, bad);
    fake_http_fail(&fx->http, AUTH_PATH, NULL, 1, WXTP_HTTP_UNKNOWN, 0);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
    WX_AUTO_FREE char *access = fixture_access_token(fx, FIXTURE_COMPONENT, APPID);
    assert_string_equal(access, "");
}

static void I5_an_intent_of_a_dead_process_is_found_by_info(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    store_code(fx, CODE, APPID);
    fake_http_fail(&fx->http, AUTH_PATH, NULL, -1, WXTP_HTTP_UNKNOWN, 0);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_UNAVAILABLE);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_SENT);
    fake_http_on(&fx->http, AUTH_PATH, NULL, -1, bad);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
}

static void I5_info_that_shows_no_refresh_token_leaves_the_code_bad(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    store_code(fx, CODE, APPID);
    fake_http_on(&fx->http, AUTH_PATH, NULL, -1, bad);
    fake_http_fail(&fx->http, AUTH_PATH, NULL, 1, WXTP_HTTP_UNKNOWN, 0);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info_not_exchanged);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_CREDENTIALS);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_BAD);
}

static void I5_a_code_stays_open_while_info_cannot_be_asked(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    store_code(fx, CODE, APPID);
    fake_http_on(&fx->http, AUTH_PATH, NULL, -1, bad);
    fake_http_fail(&fx->http, AUTH_PATH, NULL, 1, WXTP_HTTP_UNKNOWN, 0);
    fake_http_fail(&fx->http, INFO_PATH, NULL, -1, WXTP_HTTP_UNKNOWN, 0);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_UNAVAILABLE);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_SENT);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
}

static void lose_the_answer_of_an_unknown(fixture *fx, const char *list)
{
    fake_http_on(&fx->http, AUTH_PATH, NULL, -1, bad);
    fake_http_fail(&fx->http, AUTH_PATH, NULL, 1, WXTP_HTTP_UNKNOWN, 0);
    fake_http_on(&fx->http, LIST_PATH, NULL, -1, list);
}

static void I5_an_unknown_owner_is_found_by_the_list(void **state)
{
    fixture *fx = *state;
    wxtp_tenant_row row = fixture_service_account(fx, OTHER);
    fixture_put_tenant(fx, &row);
    lose_the_answer_of_an_unknown(fx, "{\"total_count\":2,\"list\":[{\"authorizer_appid\":\"" OTHER
                                      "\",\"auth_time\":1500000000},{\"authorizer_appid\":\"" APPID
                                      "\",\"auth_time\":1767225590}]}");
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH),
                     3); /* candidate, take over, profile; OTHER is not asked */
}

static void I5_one_whose_token_we_hold_is_not_it(void **state)
{
    fixture *fx = *state;
    wxtp_tenant_row row = fixture_service_account(fx, OTHER);
    fixture_put_tenant(fx, &row);
    fixture_put_token(fx, FIXTURE_COMPONENT, OTHER, "access-token-o", "refresh-token-o");
    lose_the_answer_of_an_unknown(fx, "{\"total_count\":2,\"list\":[{\"authorizer_appid\":\"" OTHER
                                      "\",\"auth_time\":1767225595},{\"authorizer_appid\":\"" APPID
                                      "\",\"auth_time\":1767225590}]}");
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    fake_http_on(
        &fx->http, INFO_PATH, OTHER, -1,
        "{\"authorizer_info\":{},\"authorization_info\":{\"authorizer_refresh_token\":\"refresh-token-o\"}}");
    assert_exchanged(fx, CODE);
}

static void I5_two_that_could_be_it_are_left_to_a_sync(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    lose_the_answer_of_an_unknown(fx, "{\"total_count\":2,\"list\":[{\"authorizer_appid\":\"" OTHER
                                      "\",\"auth_time\":1767225595},{\"authorizer_appid\":\"" APPID
                                      "\",\"auth_time\":1767225590}]}");
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_CREDENTIALS);
    assert_non_null(strstr(err.hint, "tenant sync --all"));
    assert_int_equal(err.errcode, 61010);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_SENT);
    fake_clock_advance(&fx->clock, 3600001); /* not for ever */
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_CREDENTIALS);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_BAD);
}

static void an_expired_code_is_not_sent(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    store_code(fx, CODE, "");
    fake_clock_advance(&fx->clock, 3600000);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_CREDENTIALS);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_BAD);
    assert_int_equal(fake_http_count(&fx->http, AUTH_PATH), 0);
}

static void cut(void *user, const fake_request *request, fake_reply *reply)
{
    (void)request;
    fake_clock_advance(&((fixture *)user)->clock, 5000); /* the code's life ends meanwhile */
    reply->outcome = WXTP_HTTP_UNKNOWN;
}

static void I5_a_code_that_expired_after_it_was_sent_is_only_asked_about(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    fake_http_fail(&fx->http, INFO_PATH, NULL, 1, WXTP_HTTP_NOT_SENT, 0);
    fake_http_handle(&fx->http, AUTH_PATH, NULL, -1, cut, fx);
    store_code(fx, CODE, APPID);
    fake_clock_advance(&fx->clock, 3600 * 1000 - 3000);
    fixture_patience(&fx->node, 60000);
    assert_int_equal(wx_code_exchange(fx->op, CODE, appid, &err), WXTP_ERR_UNAVAILABLE);
    assert_int_equal(fake_http_count(&fx->http, AUTH_PATH), 1);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_SENT);
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
    assert_int_equal(fake_http_count(&fx->http, AUTH_PATH), 1);
}

static void I5_the_owner_of_an_expired_code_is_asked_about(void **state)
{
    fixture *fx = *state;
    store_code(fx, CODE, APPID);
    fake_clock_advance(&fx->clock, 3600000);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_exchanged(fx, CODE);
    assert_int_equal(fake_http_count(&fx->http, AUTH_PATH), 0);
}

/* ---- All open ones ---- */

static void every_open_code_is_exchanged_and_the_last_error_kept(void **state)
{
    fixture *fx = *state;
    wx_err err = {0};
    store_code(fx, CODE, APPID);
    store_code(fx, "queryauthcode@@@2", OTHER);
    fake_http_on(&fx->http, AUTH_PATH, CODE, 1, granted);
    fake_http_on(&fx->http, AUTH_PATH, "queryauthcode@@@2", 1, bad);
    fake_http_on(&fx->http, INFO_PATH, OTHER, -1, gone);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, info);
    assert_int_equal(wx_code_exchange_open(fx->op, NULL, &err), WXTP_ERR_CREDENTIALS);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_DONE);
    assert_int_equal(state_of(fx, "queryauthcode@@@2"), WXTP_CODE_BAD);
    assert_int_equal(wx_code_exchange_open(fx->op, NULL, &err), WXTP_OK);
}

static void I8_a_younger_unauthorized_is_not_undone_by_an_old_code(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.status = WXTP_TENANT_UNAUTHORIZED;
    row.event_time_s = FAKE_EPOCH_MS / 1000 + 10;
    fixture_put_tenant(fx, &row);
    store_code(fx, CODE, APPID);
    fake_http_on(&fx->http, AUTH_PATH, CODE, 1, granted);
    fake_http_on(&fx->http, INFO_PATH, APPID, -1, gone);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_OK);
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_int_equal(tenant->row.status, WXTP_TENANT_UNAUTHORIZED);
}

static void I12_a_stop_leaves_the_code_for_later(void **state)
{
    fixture *fx = *state;
    char appid[WX_APPID_MAX];
    wx_err err;
    atomic_store(&fx->core->stopping, true);
    assert_int_equal(exchange(fx, CODE, appid, &err), WXTP_ERR_INTERRUPTED);
    atomic_store(&fx->core->stopping, false);
    assert_int_equal(state_of(fx, CODE), WXTP_CODE_PENDING);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup_platform, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(I8_a_code_is_exchanged_once_however_often_it_comes),
        T(a_code_that_an_operator_brings_needs_no_push),
        T(a_push_names_the_owner_of_an_operators_code),
        T(a_profile_that_cannot_be_read_undoes_nothing),
        T(an_account_without_api_rights_is_stored_without_a_token),
        T(I2_the_intent_is_stored_before_the_exchange_leaves),
        T(I1_only_one_process_exchanges_a_code),
        T(I1_a_code_whose_lease_ran_out_is_looked_at_again),
        T(a_refusal_that_is_not_about_the_code_leaves_it_pending),
        T(a_failure_names_whose_code_it_is),
        T(I5_a_code_called_bad_at_once_is_bad),
        T(a_tenant_that_waited_for_a_bad_code_is_asked_about),
        T(I5_a_code_that_another_spent_for_us_is_found_by_info),
        T(I5_a_lost_answer_is_asked_for_again_at_once),
        T(I5_a_code_spent_by_a_lost_answer_is_found_by_info),
        T(I5_an_intent_of_a_dead_process_is_found_by_info),
        T(I5_info_that_shows_no_refresh_token_leaves_the_code_bad),
        T(I5_a_code_stays_open_while_info_cannot_be_asked),
        T(I5_an_unknown_owner_is_found_by_the_list),
        T(I5_one_whose_token_we_hold_is_not_it),
        T(I5_two_that_could_be_it_are_left_to_a_sync),
        T(an_expired_code_is_not_sent),
        T(I5_a_code_that_expired_after_it_was_sent_is_only_asked_about),
        T(I5_the_owner_of_an_expired_code_is_asked_about),
        T(every_open_code_is_exchanged_and_the_last_error_kept),
        T(I8_a_younger_unauthorized_is_not_undone_by_an_old_code),
        T(I12_a_stop_leaves_the_code_for_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
