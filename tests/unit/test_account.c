/* What WeChat says about an account, and what that changes (I3, I5, I6). */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/account.h"
#include "domain/token.h"

#define APPID "wxa0000000000000a1"
#define INFO_PATH "api_get_authorizer_info"
#define LIST_PATH "api_get_authorizer_list"

static const char gone[] = "{\"errcode\":61003,\"errmsg\":\"not authorized rid: 1-2-3\"}";

static wxtp_status read_info(fixture *fx, const char *answer, wx_info *info, wx_err *err)
{
    fake_http_on(&fx->http, INFO_PATH, NULL, 1, answer);
    fixture_patience(&fx->node, 0);
    return wx_info_read(fx->op, APPID, info, err);
}

static void refresh(fixture *fx, const char *answer, bool may_create, bool *authorized, bool *added,
                    bool *repaired)
{
    wx_err err = {0};
    *authorized = *added = *repaired = false;
    fake_http_on(&fx->http, INFO_PATH, NULL, 1, answer);
    const wxtp_status status =
        wx_account_refresh(fx->op, APPID, may_create, authorized, added, repaired, &err);
    if (status != WXTP_OK) {
        fail_msg("%s", err.message);
    }
}

static void the_request_names_both_appids_and_the_token(void **state)
{
    fixture *fx = *state;
    WX_AUTO_INFO info = {0};
    wx_err err = {0};
    assert_int_equal(read_info(fx, "{\"authorizer_info\":{}}", &info, &err), WXTP_OK);
    const fake_request *request = fake_http_request(&fx->http, INFO_PATH, 0);
    assert_string_equal(request->method, "POST");
    assert_non_null(strstr(request->url, "component_access_token=" FIXTURE_COMPONENT_TOKEN));
    assert_string_equal(request->body,
                        "{\"component_appid\":\"" FIXTURE_COMPONENT "\",\"authorizer_appid\":\"" APPID "\"}");
}

static void kinds_are_told_from_the_answer(void **state)
{
    static const struct {
        const char *members;
        wxtp_account account;
    } cases[] = {
        {"\"service_type_info\":{\"id\":0}", WXTP_ACCOUNT_SUBSCRIPTION},
        {"\"service_type_info\":{\"id\":1,\"name\":\"x\"}", WXTP_ACCOUNT_SUBSCRIPTION},
        {"\"service_type_info\":{\"id\":2}", WXTP_ACCOUNT_SERVICE},
        {"\"service_type_info\":{\"id\":\"2\"}", WXTP_ACCOUNT_SERVICE},
        {"\"service_type_info\":2", WXTP_ACCOUNT_SERVICE},
        {"\"service_type_info\":{\"id\":2},\"MiniProgramInfo\":{}", WXTP_ACCOUNT_MINI_PROGRAM},
        {"\"service_type_info\":{\"id\":2},\"MiniProgramInfo\":null", WXTP_ACCOUNT_SERVICE},
        {"\"service_type_info\":{\"id\":2},\"channels_info\":{\"a\":1}", WXTP_ACCOUNT_OTHER},
        {"\"service_type_info\":{\"id\":2},\"store_info\":{}", WXTP_ACCOUNT_OTHER},
        {"\"talent_info\":{}", WXTP_ACCOUNT_OTHER},
        {"\"supplier_info\":{}", WXTP_ACCOUNT_OTHER},
        {"\"service_type_info\":{\"id\":12}", WXTP_ACCOUNT_UNKNOWN},
        {"\"nick_name\":\"x\"", WXTP_ACCOUNT_UNKNOWN},
    };
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char answer[512];
        WX_AUTO_INFO info = {0};
        wx_err err = {0};
        snprintf(answer, sizeof answer, "{\"authorizer_info\":{%s}}", cases[i].members);
        assert_int_equal(read_info(fx, answer, &info, &err), WXTP_OK);
        if (info.account != cases[i].account) {
            fail_msg("%s: %d", cases[i].members, info.account);
        }
    }
}

static void sets_are_ascending_and_each_once(void **state)
{
    static const struct {
        const char *func_info, *sets;
    } cases[] = {
        {"[{\"funcscope_category\":{\"id\":15}},{\"funcscope_category\":{\"id\":1}},{\"funcscope_category\":{"
         "\"id\":2},"
         "\"confirm_info\":{\"need_confirm\":0}},{\"funcscope_category\":{\"id\":2}}]",
         "1,2,15"},
        {"[{\"funcscope_category\":{\"id\":\"100\"}},{},null,{\"funcscope_category\":null},{\"funcscope_"
         "category\":{\"id\":-3}}]",
         "100"},
        {"[]", ""},
        {"null", NULL},
        {"{}", NULL},
    };
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char answer[512];
        WX_AUTO_INFO info = {0};
        wx_err err = {0};
        snprintf(answer, sizeof answer, "{\"authorizer_info\":{},\"authorization_info\":{\"func_info\":%s}}",
                 cases[i].func_info);
        assert_int_equal(read_info(fx, answer, &info, &err), WXTP_OK);
        if (cases[i].sets) {
            assert_string_equal(info.permission_sets, cases[i].sets);
        } else {
            assert_null(info.permission_sets);
        }
    }
}

static void not_authorized_is_an_answer_and_other_refusals_are_errors(void **state)
{
    fixture *fx = *state;
    WX_AUTO_INFO info = {0};
    wx_err err = {0};
    assert_int_equal(read_info(fx, gone, &info, &err), WXTP_OK);
    assert_false(info.authorized);
    assert_int_equal(read_info(fx, "{\"errcode\":50005,\"errmsg\":\"x\"}", &info, &err), WXTP_OK);
    assert_false(info.authorized);
    assert_int_equal(
        read_info(fx, "{\"errcode\":61004,\"errmsg\":\"ip 1.2.3.4 not in white list\"}", &info, &err),
        WXTP_ERR_CONFIGURATION);
    assert_int_equal(read_info(fx, "<html>busy</html>", &info, &err), WXTP_ERR_UNAVAILABLE);
}

static void I6_silence_makes_no_certified_account_uncertified(void **state)
{
    fixture *fx = *state;
    bool authorized, added, repaired;
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.user_name = "gh_1";
    fixture_put_tenant(fx, &row);
    fake_clock_advance(&fx->clock, 5000);
    refresh(fx,
            "{\"authorizer_info\":{\"nick_name\":\"\u5e97\"},\"authorization_info\":{\"func_info\":null}}",
            false, &authorized, &added, &repaired);
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_true(authorized);
    assert_int_equal(tenant->row.certified, 1);
    assert_int_equal(tenant->row.account, WXTP_ACCOUNT_SERVICE);
    assert_int_equal(tenant->row.account_status, 1);
    assert_string_equal(tenant->row.permission_sets, "1,2,15");
    assert_string_equal(tenant->row.user_name, "gh_1");
    assert_string_equal(tenant->row.nick_name, "\u5e97");
    assert_int_equal(tenant->row.profile_ms, fake_clock_wall(&fx->clock));
}

#define INFO_WITH(refresh_token)                                                                             \
    "{\"authorizer_info\":{\"service_type_info\":{\"id\":2},\"verify_type_info\":{\"id\":0}},"               \
    "\"authorization_info\":{"                                                                               \
    "\"authorizer_refresh_token\":\"" refresh_token                                                          \
    "\",\"func_info\":[{\"funcscope_category\":{\"id\":2}}]}}"
#define INFO_WITHOUT                                                                                         \
    "{\"authorizer_info\":{\"service_type_info\":{\"id\":2},\"verify_type_info\":{\"id\":0}},"               \
    "\"authorization_info\":{"                                                                               \
    "\"func_info\":[{\"funcscope_category\":{\"id\":2}}]}}"

static void put(fixture *fx, wxtp_tenant_status status, bool removed)
{
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.status = status;
    row.removed = removed;
    row.event_time_s = 100;
    fixture_put_tenant(fx, &row);
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-token-1", "refresh-token-1");
}

static wxtp_tenant_status status_of(fixture *fx)
{
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    return tenant->row.status;
}

static void I5_a_tenant_not_stored_is_made_only_when_asked_for(void **state)
{
    fixture *fx = *state;
    bool authorized, added, repaired;
    refresh(fx, INFO_WITH("refresh-token-9"), false, &authorized, &added, &repaired);
    assert_true(authorized);
    assert_false(added);
    refresh(fx, gone, true, &authorized, &added, &repaired);
    assert_false(authorized);
    assert_false(added);
    WX_AUTO_TENANT *tenant = NULL;
    wx_err err = {0};
    assert_int_equal(wx_tenant_find(fx->core, APPID, &tenant, &err), WXTP_ERR_REFUSED);
    refresh(fx, INFO_WITH("refresh-token-9"), true, &authorized, &added, &repaired);
    assert_true(added);
    assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZED);
    WX_AUTO_FREE char *stored = fixture_refresh_token(fx, FIXTURE_COMPONENT, APPID);
    assert_string_equal(stored, "refresh-token-9");
}

static void I5_no_refresh_token_anywhere_needs_a_new_authorization(void **state)
{
    fixture *fx = *state;
    bool authorized, added, repaired;
    refresh(fx, INFO_WITHOUT, true, &authorized, &added, &repaired);
    assert_int_equal(status_of(fx), WXTP_TENANT_REAUTHORIZATION_REQUIRED);
}

static void I5_a_refresh_token_that_info_shows_becomes_the_current_one(void **state)
{
    fixture *fx = *state;
    bool authorized, added, repaired;
    put(fx, WXTP_TENANT_AUTHORIZED, false);
    refresh(fx, INFO_WITH("refresh-token-1"), false, &authorized, &added, &repaired);
    assert_false(repaired);
    refresh(fx, INFO_WITH("refresh-token-2"), false, &authorized, &added, &repaired);
    assert_true(repaired);
    WX_AUTO_FREE char *stored = fixture_refresh_token(fx, FIXTURE_COMPONENT, APPID);
    assert_string_equal(stored, "refresh-token-2");
    WX_AUTO_FREE char *access = fixture_access_token(fx, FIXTURE_COMPONENT, APPID);
    assert_string_equal(access, "access-token-1");
}

static void I5_statuses_come_back_with_a_living_token_alone(void **state)
{
    fixture *fx = *state;
    bool authorized, added, repaired;
    put(fx, WXTP_TENANT_UNAUTHORIZED, false);
    refresh(fx, INFO_WITH("refresh-token-1"), false, &authorized, &added, &repaired);
    assert_true(repaired);
    assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZED);
    put(fx, WXTP_TENANT_REAUTHORIZATION_REQUIRED, false);
    refresh(fx, INFO_WITH("refresh-token-1"), false, &authorized, &added, &repaired);
    assert_false(repaired);
    assert_int_equal(status_of(fx), WXTP_TENANT_REAUTHORIZATION_REQUIRED);
    refresh(fx, INFO_WITH("refresh-token-2"), false, &authorized, &added, &repaired);
    assert_true(repaired);
    assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZED);
    refresh(fx, gone, false, &authorized, &added, &repaired);
    assert_false(authorized);
    assert_int_equal(status_of(fx), WXTP_TENANT_UNAUTHORIZED);
}

static void a_removed_tenant_comes_back_only_when_asked_for(void **state)
{
    fixture *fx = *state;
    bool authorized, added, repaired;
    put(fx, WXTP_TENANT_AUTHORIZED, true);
    refresh(fx, INFO_WITH("refresh-token-2"), false, &authorized, &added, &repaired);
    WX_AUTO_TENANT *before = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_true(before->row.removed);
    WX_AUTO_FREE char *stored = fixture_refresh_token(fx, FIXTURE_COMPONENT, APPID);
    assert_string_equal(stored, "refresh-token-1");
    refresh(fx, INFO_WITH("refresh-token-2"), true, &authorized, &added, &repaired);
    assert_true(added);
    WX_AUTO_TENANT *after = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_false(after->row.removed);
}

/* While info is under way a push comes in, and tells what is newer. */
typedef struct meanwhile {
    fixture *fx;
    wxtp_tenant_status status;
    const char *answer;
    bool install;
} meanwhile;

static void push_comes_in(void *user, const fake_request *request, fake_reply *reply)
{
    const meanwhile *self = user;
    (void)request;
    fake_clock_advance(&self->fx->clock, 100);
    wxtp_tenant_row row = fixture_service_account(self->fx, APPID);
    row.status = self->status;
    row.event_time_s = 200;
    fixture_put_tenant(self->fx, &row);
    if (self->install) {
        fixture_put_token(self->fx, FIXTURE_COMPONENT, APPID, "access-token-new", "refresh-token-new");
    }
    fake_clock_advance(&self->fx->clock, 100);
    reply->body = self->answer;
}

static void refresh_meanwhile(fixture *fx, wxtp_tenant_status pushed, const char *answer, bool install)
{
    bool authorized = false;
    wx_err err = {0};
    meanwhile self = {.fx = fx, .status = pushed, .answer = answer, .install = install};
    fake_http_handle(&fx->http, INFO_PATH, NULL, 1, push_comes_in, &self);
    assert_int_equal(wx_account_refresh(fx->op, APPID, false, &authorized, NULL, NULL, &err), WXTP_OK);
}

static void I8_an_older_word_of_info_changes_no_status(void **state)
{
    fixture *fx = *state;
    put(fx, WXTP_TENANT_UNAUTHORIZED, false);
    refresh_meanwhile(fx, WXTP_TENANT_AUTHORIZED, gone, true);
    assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZED);
    put(fx, WXTP_TENANT_AUTHORIZED, false);
    refresh_meanwhile(fx, WXTP_TENANT_UNAUTHORIZED, INFO_WITH("refresh-token-1"), false);
    assert_int_equal(status_of(fx), WXTP_TENANT_UNAUTHORIZED);
}

static void I3_an_older_refresh_token_does_not_replace_a_new_authorizations(void **state)
{
    fixture *fx = *state;
    put(fx, WXTP_TENANT_AUTHORIZED, false);
    refresh_meanwhile(fx, WXTP_TENANT_AUTHORIZED, INFO_WITH("refresh-token-old"), true);
    WX_AUTO_FREE char *stored = fixture_refresh_token(fx, FIXTURE_COMPONENT, APPID);
    assert_string_equal(stored, "refresh-token-new");
}

static void a_cloud_account_of_the_platform_has_a_profile(void **state)
{
    fixture *fx = *state;
    bool authorized, added, repaired;
    wxtp_tenant_row row = wx_tenant_row_new("", APPID, FAKE_EPOCH_MS);
    row.credential = WXTP_CREDENTIAL_CLOUD;
    row.token_of_platform = true;
    row.token_file = "cloudbase_access_token";
    row.status = WXTP_TENANT_AUTHORIZED;
    fixture_put_tenant(fx, &row);
    refresh(fx, INFO_WITH("refresh-token-1"), true, &authorized, &added, &repaired);
    WX_AUTO_TENANT *tenant = NULL;
    wx_err err = {0};
    assert_int_equal(wx_tenant_find(fx->core, APPID, &tenant, &err), WXTP_OK); /* not made a second one */
    assert_string_equal(tenant->row.platform, "");
    assert_int_equal(tenant->row.certified, 1);
    assert_string_equal(tenant->row.token_file, "cloudbase_access_token");
    refresh(fx, gone, true, &authorized, &added, &repaired);
    WX_AUTO_TENANT *after = fixture_tenant(fx, "", APPID);
    assert_int_equal(after->row.status, WXTP_TENANT_UNAUTHORIZED);
}

/* ---- The list ---- */

typedef struct listed {
    size_t rows, with_token;
    char last[WX_APPID_MAX];
    size_t stop_at;
} listed;

static bool see(void *user, const char *appid, const char *refresh_token, int64_t auth_time_s, int64_t total)
{
    listed *self = user;
    self->rows++;
    self->with_token += refresh_token ? 1 : 0;
    wx_copy(self->last, sizeof self->last, appid);
    assert_true(auth_time_s > 0);
    assert_true(total > 0);
    return self->rows != self->stop_at;
}

/* Answers pages of at most `user` rows from a list of 45. */
static void serve_page(void *user, const fake_request *request, fake_reply *reply)
{
    const size_t page = *(const size_t *)user;
    char *text = malloc(16384);
    size_t len = 0;
    long offset = 0;
    const char *at = strstr(request->body, "\"offset\":");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"offset\":%ld", &offset), 1);
    len += (size_t)sprintf(text + len, "{\"total_count\":45,\"list\":[");
    for (size_t i = 0; i < page && (size_t)offset + i < 45; i++) {
        len += (size_t)sprintf(text + len, "%s{\"authorizer_appid\":\"wx%03zu\",%s\"auth_time\":\"17\"}",
                               i ? "," : "", (size_t)offset + i, i % 2 ? "" : "\"refresh_token\":\"r\",");
    }
    sprintf(text + len, "]}");
    reply->body = text;
    reply->free_body = true;
}

static void I5_the_list_is_read_whatever_the_size_of_a_page(void **state)
{
    fixture *fx = *state;
    static const size_t sizes[] = {1, 7, 30, 45, 500};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t page = sizes[i];
        listed seen = {0};
        wx_err err = {0};
        fake_http_handle(&fx->http, LIST_PATH, NULL, -1, serve_page, &page);
        assert_int_equal(wx_list_each(fx->op, see, &seen, &err), WXTP_OK);
        assert_true(seen.rows >= 45);
        assert_string_equal(seen.last, "wx044");
        assert_true(seen.with_token > 0 && seen.with_token <= seen.rows);
        fake_http_forget_rules(&fx->http);
    }
    const fake_request *request = fake_http_request(&fx->http, LIST_PATH, 0);
    assert_string_equal(request->body,
                        "{\"component_appid\":\"" FIXTURE_COMPONENT "\",\"offset\":0,\"count\":500}");
}

static void the_list_stops_when_told_and_at_an_empty_page(void **state)
{
    fixture *fx = *state;
    size_t page = 10;
    wx_err err = {0};
    listed seen = {.stop_at = 3};
    fake_http_handle(&fx->http, LIST_PATH, NULL, -1, serve_page, &page);
    assert_int_equal(wx_list_each(fx->op, see, &seen, &err), WXTP_OK);
    assert_int_equal(seen.rows, 3);
    seen = (listed){0};
    fake_http_on(&fx->http, LIST_PATH, NULL, -1, "{\"total_count\":45,\"list\":[]}");
    assert_int_equal(wx_list_each(fx->op, see, &seen, &err), WXTP_OK);
    assert_int_equal(seen.rows, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup_platform, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_request_names_both_appids_and_the_token),
        T(kinds_are_told_from_the_answer),
        T(sets_are_ascending_and_each_once),
        T(not_authorized_is_an_answer_and_other_refusals_are_errors),
        T(I6_silence_makes_no_certified_account_uncertified),
        T(I5_a_tenant_not_stored_is_made_only_when_asked_for),
        T(I5_no_refresh_token_anywhere_needs_a_new_authorization),
        T(I5_a_refresh_token_that_info_shows_becomes_the_current_one),
        T(I5_statuses_come_back_with_a_living_token_alone),
        T(a_removed_tenant_comes_back_only_when_asked_for),
        T(I8_an_older_word_of_info_changes_no_status),
        T(I3_an_older_refresh_token_does_not_replace_a_new_authorizations),
        T(a_cloud_account_of_the_platform_has_a_profile),
        T(I5_the_list_is_read_whatever_the_size_of_a_page),
        T(the_list_stops_when_told_and_at_an_empty_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
