/* The public calls about tenants and their tokens. */
#include "world.h"

#include <stdio.h>

#include "api/handle.h"
#include "domain/storage.h"
#include "domain/tenant.h"
#include "domain/token.h"

static void put_authorizer(world *w, const char *appid)
{
    wx_err err = {0};
    wx_core *core = wx_platform_core(w->platform);
    int64_t now = fake_clock_wall(&w->clock);
    wxtp_tenant_row row = wx_tenant_row_new(WORLD_COMPONENT, appid, now);
    row.status = WXTP_TENANT_AUTHORIZED;
    row.account = WXTP_ACCOUNT_SERVICE;
    row.service_type = 2;
    row.verify_type = 0;
    row.account_status = 1;
    row.permission_sets = "1,2,15";
    row.nick_name = "Shop";
    row.profile_ms = row.status_ms = now;
    row.certified = wx_tenant_certified(&row);
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, core, WXTP_TX_SYNC, &err), WXTP_OK);
    assert_int_equal(wx_ops(core)->tenant_put(scope.tx, &row), WXTP_OK);
    assert_int_equal(wx_token_install(core, scope.tx, WORLD_COMPONENT, appid, "access-0123456789",
                                      "refresh-0123456789", now, 7200, &err),
                     WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
}

static wxtp_tenant *get(world *w, const char *appid)
{
    wxtp_tenant *tenant = NULL;
    wxtp_error *error = NULL;
    if (wxtp_tenant_get(w->platform, appid, &tenant, &error) != WXTP_OK) {
        fail_msg("%s: %s", appid, wxtp_error_message(error));
    }
    return tenant;
}

static void a_tenant_tells_profile_and_token(void **state)
{
    world *w = *state;
    size_t count = 0;
    put_authorizer(w, "wxshop");
    wxtp_tenant *tenant = get(w, "wxshop");
    assert_string_equal(wxtp_tenant_platform(tenant), WORLD_COMPONENT);
    assert_string_equal(wxtp_tenant_appid(tenant), "wxshop");
    assert_string_equal(wxtp_tenant_nick_name(tenant), "Shop");
    assert_int_equal(wxtp_tenant_account(tenant), WXTP_ACCOUNT_SERVICE);
    assert_int_equal(wxtp_tenant_certified(tenant), 1);
    assert_string_equal(wxtp_tenant_basis(tenant), "profile");
    assert_int_equal(wxtp_tenant_permission_sets(tenant, &count)[2], 15);
    assert_int_equal(count, 3);
    assert_int_equal(wxtp_tenant_token_state(tenant), WXTP_TOKEN_FRESH);
    assert_int_equal(wxtp_tenant_token_version(tenant), 1);
    assert_int_equal(wxtp_tenant_token_expires_ms(tenant), FAKE_EPOCH_MS + 7200 * 1000);
    wxtp_tenant_free(tenant);
    wxtp_tenant_free(NULL);
    assert_string_equal(wxtp_tenant_appid(NULL), "");
}

static void an_unknown_appid_is_refused_and_a_verdict(void **state)
{
    world *w = *state;
    wxtp_tenant *tenant = NULL;
    wxtp_error *error = NULL;
    wxtp_verdict_on_call verdict = {.struct_size = sizeof(verdict)};
    assert_int_equal(wxtp_tenant_get(w->platform, "wxnobody", &tenant, &error), WXTP_ERR_REFUSED);
    assert_string_equal(wxtp_error_kind(error), "unknown_tenant");
    assert_string_equal(wxtp_error_tenant(error), "wxnobody");
    wxtp_error_free(error);
    assert_int_equal(wxtp_tenant_check(w->platform, "wxnobody", "batchUnblacklist", &verdict, NULL), WXTP_OK);
    assert_false(verdict.allowed);
    assert_string_equal(verdict.reason, "unknown_tenant");
    assert_int_equal(wxtp_tenant_check(w->platform, "wxnobody", "noSuchCall", &verdict, NULL),
                     WXTP_ERR_NOT_FOUND);
}

static void I6_a_verdict_asks_WeChat_nothing(void **state)
{
    world *w = *state;
    wxtp_verdict_on_call verdict = {.struct_size = sizeof(verdict)};
    put_authorizer(w, "wxshop");
    assert_int_equal(wxtp_tenant_check(w->platform, "wxshop", "batchUnblacklist", &verdict, NULL), WXTP_OK);
    assert_true(verdict.allowed);
    assert_string_equal(verdict.reason, "");
    assert_int_equal(wxtp_tenant_set_certified(w->platform, "wxshop", 0, NULL), WXTP_OK);
    assert_int_equal(wxtp_tenant_check(w->platform, "wxshop", "batchUnblacklist", &verdict, NULL), WXTP_OK);
    assert_string_equal(verdict.reason, "not_certified");
    assert_true(strlen(verdict.hint) > 0);
    assert_int_equal(fake_http_count(&w->http, NULL), 0);
}

static bool note_audit(void *user, const wxtp_audit_row *row)
{
    char *text = user;
    size_t len = strlen(text);
    (void)snprintf(text + len, 512 - len, "%s:%s;", row->call, row->errmsg);
    return true;
}

static void overrules_are_audited_and_auto_believes_WeChat_again(void **state)
{
    world *w = *state;
    char text[512] = "";
    put_authorizer(w, "wxshop");
    assert_int_equal(wxtp_tenant_set_certified(w->platform, "wxshop", 0, NULL), WXTP_OK);
    wxtp_tenant *tenant = get(w, "wxshop");
    assert_int_equal(wxtp_tenant_certified(tenant), 0);
    assert_string_equal(wxtp_tenant_basis(tenant), "operator");
    wxtp_tenant_free(tenant);
    assert_int_equal(wxtp_tenant_set_certified(w->platform, "wxshop", -1, NULL), WXTP_OK);
    tenant = get(w, "wxshop");
    assert_int_equal(wxtp_tenant_certified(tenant), 1);
    assert_string_equal(wxtp_tenant_basis(tenant), "profile");
    wxtp_tenant_free(tenant);
    assert_int_equal(wxtp_tenant_set_certified(w->platform, "wxshop", 2, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_audit_list(w->platform, "wxshop", 0, 10, note_audit, text, NULL), WXTP_OK);
    assert_string_equal(text, "tenant.set:certified no;tenant.set:certified auto;");
}

/* ---- The list ---- */

typedef struct seen {
    world *w;
    size_t count, most;
    char last[64];
} seen;

static bool see(void *user, const wxtp_tenant *tenant)
{
    seen *all = user;
    /* In order, each once; the library may be called from the visit. */
    assert_true(strcmp(all->last, wxtp_tenant_appid(tenant)) < 0);
    (void)snprintf(all->last, sizeof(all->last), "%s", wxtp_tenant_appid(tenant));
    wxtp_tenant *again = get(all->w, all->last);
    assert_int_equal(wxtp_tenant_token_version(again), wxtp_tenant_token_version(tenant));
    wxtp_tenant_free(again);
    all->count++;
    return all->count < all->most;
}

static size_t list(world *w, int certified, const char *after, size_t limit, size_t most)
{
    seen all = {.w = w, .most = most};
    assert_int_equal(wxtp_tenant_list(w->platform, -1, certified, after, limit, see, &all, NULL), WXTP_OK);
    return all.count;
}

static void the_list_is_paged_by_appid(void **state)
{
    world *w = *state;
    char appid[32];
    for (int at = 0; at < 150; at++) {
        (void)snprintf(appid, sizeof(appid), "wxshop%03d", at);
        put_authorizer(w, appid);
    }
    assert_int_equal(wxtp_tenant_set_certified(w->platform, "wxshop149", 0, NULL), WXTP_OK);
    assert_int_equal(list(w, -1, NULL, 10000, 10000), 150);
    assert_int_equal(list(w, -1, NULL, 100, 10000), 100);
    assert_int_equal(list(w, -1, "wxshop099", 100, 10000), 50);
    assert_int_equal(list(w, 0, NULL, 100, 10000), 1);
    assert_int_equal(list(w, -1, NULL, 100, 7), 7);
    assert_int_equal(list(w, -1, NULL, 0, 10000), 0);
    assert_int_equal(wxtp_tenant_list(w->platform, -1, -1, NULL, 10001, see, NULL, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_tenant_list(w->platform, 9, -1, NULL, 1, see, NULL, NULL), WXTP_ERR_INVALID);
}

static bool count_one(void *user, const wxtp_tenant *tenant)
{
    assert_string_equal(wxtp_tenant_appid(tenant), "wxboth");
    ++*(int *)user;
    return true;
}

static void an_appid_of_two_tenants_is_ambiguous_and_listed_twice(void **state)
{
    world *w = *state;
    int count = 0;
    wxtp_tenant *tenant = NULL;
    put_authorizer(w, "wxboth");
    assert_int_equal(
        wxtp_tenant_add_own(w->platform, "wxboth", "appsecret-of-wxboth", WXTP_ACCOUNT_SERVICE, 1, NULL),
        WXTP_OK);
    assert_int_equal(wxtp_tenant_get(w->platform, "wxboth", &tenant, NULL), WXTP_ERR_AMBIGUOUS);
    assert_int_equal(wxtp_tenant_get_own(w->platform, "wxnobody", &tenant, NULL), WXTP_ERR_REFUSED);
    assert_int_equal(wxtp_tenant_get_own(w->platform, "wxboth", &tenant, NULL), WXTP_OK);
    assert_int_equal(wxtp_tenant_credential(tenant), WXTP_CREDENTIAL_OWN);
    wxtp_tenant_free(tenant);
    /* Also where a page ends between the two, as the next begins behind the appid. */
    assert_int_equal(wxtp_tenant_list(w->platform, -1, -1, NULL, 1, count_one, &count, NULL), WXTP_OK);
    assert_int_equal(count, 2);
}

/* ---- Own and cloud ones ---- */

static void an_update_of_an_own_account_keeps_what_it_does_not_name(void **state)
{
    world *w = *state;
    wxtp_platform *p = w->platform;
    assert_int_equal(wxtp_tenant_add_own(p, "wxown", NULL, WXTP_ACCOUNT_SERVICE, 1, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_tenant_add_own(p, "wxown", "appsecret-of-wxown", WXTP_ACCOUNT_SERVICE, 1, NULL),
                     WXTP_OK);
    assert_int_equal(wxtp_tenant_add_own(p, "wxown", NULL, WXTP_ACCOUNT_UNKNOWN, -1, NULL), WXTP_OK);
    wxtp_tenant *tenant = get(w, "wxown");
    assert_string_equal(wxtp_tenant_platform(tenant), "");
    assert_int_equal(wxtp_tenant_credential(tenant), WXTP_CREDENTIAL_OWN);
    assert_int_equal(wxtp_tenant_account(tenant), WXTP_ACCOUNT_SERVICE);
    assert_int_equal(wxtp_tenant_certified(tenant), 1);
    assert_string_equal(wxtp_tenant_basis(tenant), "declared");
    assert_int_equal(wxtp_tenant_status_of(tenant), WXTP_TENANT_AUTHORIZED);
    wxtp_tenant_free(tenant);
    assert_int_equal(wxtp_tenant_add_cloud(p, "wxown", NULL, false, WXTP_ACCOUNT_UNKNOWN, -1, NULL),
                     WXTP_ERR_EXISTS);
    assert_int_equal(wxtp_tenant_add_own(p, "wx own", "appsecret", WXTP_ACCOUNT_SERVICE, 1, NULL),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_tenant_add_own(p, "wxown2", "appsecret", WXTP_ACCOUNT_MINI_PROGRAM, 1, NULL),
                     WXTP_ERR_INVALID);
}

static void I9_an_own_appsecret_is_sealed_at_rest(void **state)
{
    world *w = *state;
    static const char secret[] = "appsecret-that-must-not-be-found";
    assert_int_equal(wxtp_tenant_add_own(w->platform, "wxown", secret, WXTP_ACCOUNT_SERVICE, 1, NULL),
                     WXTP_OK);
    wxtp_tenant *tenant = get(w, "wxown");
    assert_true(tenant->row.appsecret.len > sizeof(secret));
    assert_null(memmem(tenant->row.appsecret.data, tenant->row.appsecret.len, secret, sizeof(secret) - 1));
    wxtp_tenant_free(tenant);
}

static void a_cloud_account_has_an_empty_token(void **state)
{
    world *w = *state;
    char *token = NULL;
    int64_t generation = -1;
    wxtp_token_facts facts = {.struct_size = sizeof(facts)};
    assert_int_equal(
        wxtp_tenant_add_cloud(w->platform, "wxcloud", NULL, false, WXTP_ACCOUNT_SERVICE, 1, NULL), WXTP_OK);
    assert_int_equal(wxtp_tenant_add_cloud(w->platform, "wxcloud", NULL, true, WXTP_ACCOUNT_SERVICE, 1, NULL),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_token_get(w->platform, "wxcloud", &token, &generation, NULL), WXTP_OK);
    assert_string_equal(token, "");
    wxtp_free(token);
    assert_int_equal(wxtp_token_refresh(w->platform, "wxcloud", 0, &facts, NULL), WXTP_OK);
    assert_false(facts.refreshed);
    assert_int_equal(fake_http_count(&w->http, NULL), 0);
}

static void a_cloud_account_of_the_platform_has_its_profile(void **state)
{
    world *w = *state;
    fake_http_on(&w->http, "api_get_authorizer_info", "wxcloud", -1,
                 "{\"authorizer_info\":{\"nick_name\":\"Cloud\",\"service_type_info\":{\"id\":2},"
                 "\"verify_type_info\":{\"id\":0},\"user_name\":\"gh_1\",\"principal_name\":\"P\"},"
                 "\"authorization_info\":{\"authorizer_appid\":\"wxcloud\","
                 "\"func_info\":[{\"funcscope_category\":{\"id\":2}}]}}");
    assert_int_equal(
        wxtp_tenant_add_cloud(w->platform, "wxcloud", "/run/token", true, WXTP_ACCOUNT_UNKNOWN, -1, NULL),
        WXTP_OK);
    wxtp_tenant *tenant = get(w, "wxcloud");
    assert_string_equal(wxtp_tenant_nick_name(tenant), "Cloud");
    assert_true(wxtp_tenant_has_profile(tenant));
    assert_int_equal(wxtp_tenant_certified(tenant), 1);
    assert_int_equal(wxtp_tenant_credential(tenant), WXTP_CREDENTIAL_CLOUD);
    wxtp_tenant_free(tenant);
    fake_http_on(&w->http, "api_get_authorizer_info", "wxother", -1,
                 "{\"errcode\":61003,\"errmsg\":\"not authorized\"}");
    wxtp_error *error = NULL;
    assert_int_equal(
        wxtp_tenant_add_cloud(w->platform, "wxother", "/run/token", true, WXTP_ACCOUNT_UNKNOWN, -1, &error),
        WXTP_ERR_REFUSED);
    assert_string_equal(wxtp_error_kind(error), "unauthorized");
    wxtp_error_free(error);
}

/* ---- Removal ---- */

static void removal_forgets_secrets_and_an_own_account_may_come_back(void **state)
{
    world *w = *state;
    char text[512] = "";
    char *token = NULL;
    wxtp_error *error = NULL;
    wx_token_view view = {0};
    wx_err err = {0};
    put_authorizer(w, "wxshop");
    assert_int_equal(wxtp_tenant_remove(w->platform, "wxshop", false, NULL), WXTP_OK);
    assert_int_equal(wxtp_token_get(w->platform, "wxshop", &token, NULL, &error), WXTP_ERR_REFUSED);
    assert_string_equal(wxtp_error_kind(error), "unknown_tenant");
    wxtp_error_free(error);
    assert_int_equal(wx_token_look(wx_platform_core(w->platform), WORLD_COMPONENT, "wxshop", &view, &err),
                     WXTP_OK);
    assert_false(view.has_access || view.has_refresh);
    assert_int_equal(wxtp_tenant_remove(w->platform, "wxshop", false, NULL), WXTP_ERR_REFUSED);
    assert_int_equal(wxtp_audit_list(w->platform, "wxshop", 0, 10, note_audit, text, NULL), WXTP_OK);
    assert_string_equal(text, "tenant.remove:removed;");
    assert_int_equal(
        wxtp_tenant_add_own(w->platform, "wxown", "appsecret-of-wxown", WXTP_ACCOUNT_SERVICE, 0, NULL),
        WXTP_OK);
    assert_int_equal(wxtp_tenant_remove(w->platform, "wxown", false, NULL), WXTP_OK);
    assert_int_equal(wxtp_tenant_add_own(w->platform, "wxown", NULL, WXTP_ACCOUNT_SERVICE, 1, NULL),
                     WXTP_ERR_INVALID);
    assert_int_equal(
        wxtp_tenant_add_own(w->platform, "wxown", "appsecret-of-wxown", WXTP_ACCOUNT_UNKNOWN, -1, NULL),
        WXTP_OK);
    wxtp_tenant *tenant = get(w, "wxown");
    assert_int_equal(wxtp_tenant_certified(tenant), -1);
    wxtp_tenant_free(tenant);
}

static int read_one(void *user, const char **openid, size_t *len)
{
    int *left = user;
    *openid = "o000000000000000000000000001";
    *len = 28;
    return (*left)-- > 0 ? 1 : 0;
}

static void removal_waits_for_jobs_or_cancels_them(void **state)
{
    world *w = *state;
    char job_id[64] = "";
    int left = 1;
    wxtp_job *job = NULL;
    wxtp_error *error = NULL;
    put_authorizer(w, "wxshop");
    assert_int_equal(
        wxtp_job_create(w->platform, "wxshop", "batchUnblacklist", read_one, &left, NULL, job_id, NULL),
        WXTP_OK);
    assert_int_equal(wxtp_tenant_remove(w->platform, "wxshop", false, &error), WXTP_ERR_STATE);
    assert_non_null(strstr(wxtp_error_message(error), job_id));
    wxtp_error_free(error);
    wxtp_tenant_free(get(w, "wxshop"));
    assert_int_equal(wxtp_tenant_remove(w->platform, "wxshop", true, NULL), WXTP_OK);
    assert_int_equal(wxtp_job_get(w->platform, job_id, &job, NULL), WXTP_OK);
    assert_int_equal(wxtp_job_state_of(job), WXTP_JOB_CANCELLED);
    wxtp_job_free(job);
}

/* ---- Tokens ---- */

static bool note_due(void *user, const char *appid)
{
    char *text = user;
    (void)snprintf(text + strlen(text), 256 - strlen(text), "%s;", appid);
    return true;
}

static void tokens_are_given_told_and_listed_when_due(void **state)
{
    world *w = *state;
    char *token = NULL;
    int64_t generation = 0;
    char due[256] = "";
    wxtp_token_facts facts = {.struct_size = sizeof(facts)};
    put_authorizer(w, "wxshop");
    put_authorizer(w, "wxgone");
    assert_int_equal(wxtp_token_get(w->platform, "wxshop", &token, &generation, NULL), WXTP_OK);
    assert_string_equal(token, "access-0123456789");
    assert_int_equal(generation, 1);
    wxtp_free(token);
    assert_int_equal(wxtp_token_info(w->platform, "wxshop", &facts, NULL), WXTP_OK);
    assert_int_equal(facts.state, WXTP_TOKEN_FRESH);
    assert_int_equal(wxtp_token_each_due(w->platform, 10, note_due, due, NULL), WXTP_OK);
    assert_string_equal(due, "");
    assert_int_equal(wxtp_tenant_remove(w->platform, "wxgone", false, NULL), WXTP_OK);
    fake_clock_advance(&w->clock, 7100 * 1000);
    assert_int_equal(wxtp_token_each_due(w->platform, 10, note_due, due, NULL), WXTP_OK);
    assert_string_equal(due, "wxshop;");
    assert_int_equal(wxtp_token_info(w->platform, "wxshop", &facts, NULL), WXTP_OK);
    assert_int_equal(facts.state, WXTP_TOKEN_DUE);
    assert_int_equal(wxtp_token_each_due(w->platform, 0, note_due, due, NULL), WXTP_ERR_INVALID);
}

static void I3_a_refusal_of_an_old_generation_changes_nothing(void **state)
{
    world *w = *state;
    wxtp_token_facts facts = {.struct_size = sizeof(facts)};
    put_authorizer(w, "wxshop");
    fake_http_on(&w->http, "api_authorizer_token", NULL, -1,
                 "{\"authorizer_access_token\":\"access-2-0123456789\",\"expires_in\":7200,"
                 "\"authorizer_refresh_token\":\"refresh-0123456789\"}");
    assert_int_equal(wxtp_token_refresh(w->platform, "wxshop", 1, &facts, NULL), WXTP_OK);
    assert_true(facts.refreshed);
    assert_int_equal(facts.version, 2);
    assert_int_equal(wxtp_token_refused(w->platform, "wxshop", 1, NULL), WXTP_OK);
    assert_int_equal(wxtp_token_info(w->platform, "wxshop", &facts, NULL), WXTP_OK);
    assert_int_equal(facts.state, WXTP_TOKEN_FRESH);
    assert_int_equal(fake_http_count(&w->http, "api_authorizer_token"), 1);
}

static bool count_calls(void *user, const char *call)
{
    *(int *)user += strcmp(call, "batchUnblacklist") == 0 || strcmp(call, "getBlacklist") == 0;
    return true;
}

static void the_catalog_is_visited(void **state)
{
    world *w = *state;
    int count = 0;
    wxtp_catalog_each(w->platform, count_calls, &count);
    assert_int_equal(count, 2);
    wxtp_catalog_each(NULL, count_calls, &count);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, world_setup_platform, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(a_tenant_tells_profile_and_token),
        WITH(an_unknown_appid_is_refused_and_a_verdict),
        WITH(I6_a_verdict_asks_WeChat_nothing),
        WITH(overrules_are_audited_and_auto_believes_WeChat_again),
        WITH(the_list_is_paged_by_appid),
        WITH(an_appid_of_two_tenants_is_ambiguous_and_listed_twice),
        WITH(an_update_of_an_own_account_keeps_what_it_does_not_name),
        WITH(I9_an_own_appsecret_is_sealed_at_rest),
        WITH(a_cloud_account_has_an_empty_token),
        WITH(a_cloud_account_of_the_platform_has_its_profile),
        WITH(removal_forgets_secrets_and_an_own_account_may_come_back),
        WITH(removal_waits_for_jobs_or_cancels_them),
        WITH(tokens_are_given_told_and_listed_when_due),
        WITH(I3_a_refusal_of_an_old_generation_changes_nothing),
        WITH(the_catalog_is_visited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
