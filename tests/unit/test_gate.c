/* The gate (I6): no blind call, the reasons in their order, facts that age, refusals that are kept. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "domain/account.h"
#include "domain/gate.h"
#include "domain/token.h"

#define APPID "wxa0000000000000a1"
#define INFO_PATH "api_get_authorizer_info"
#define QUOTA_PATH "openapi/quota/get"
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)

/* certified service account with set 2 */
static const char info_yes[] = "{\"authorizer_info\":{\"nick_name\":\"Shop\",\"service_type_info\":{\"id\":2}"
                               ",\"verify_type_info\":{\"id\":0},"
                               "\"account_status\":1},\"authorization_info\":{\"authorizer_appid\":\"" APPID
                               "\",\"authorizer_refresh_token\":\"refresh-token-1\",\"func_info\":[{"
                               "\"funcscope_category\":{\"id\":2}}]}}";
static const char info_uncertified[] =
    "{\"authorizer_info\":{\"nick_name\":\"Shop\",\"service_type_info\":{\"id\":2},\"verify_type_info\":{"
    "\"id\":-1},"
    "\"account_status\":1},\"authorization_info\":{\"authorizer_appid\":\"" APPID
    "\",\"authorizer_refresh_token\":\"refresh-token-1\",\"func_info\":[{\"funcscope_category\":{\"id\":2}}]}"
    "}";
static const char info_gone[] =
    "{\"errcode\":61003,\"errmsg\":\"component is not authorized by this account rid: 1-2-3\"}";

static const wx_api *api_named(fixture *fx, const char *name)
{
    for (size_t i = 0; i < fx->core->catalog_count; i++) {
        if (strcmp(fx->core->catalog[i].name, name) == 0) {
            return &fx->core->catalog[i];
        }
    }
    fail();
    return NULL;
}

static const wx_api *unblacklist(fixture *fx)
{
    return api_named(fx, "batchUnblacklist");
}

/* ---- The pure judgement ---- */

enum { OF_AUTHORIZER, OF_OWN, OF_CLOUD, OF_CLOUD_OF_PLATFORM };

static const struct {
    const char *text;
    bool grants;
} set_lists[] = {{"", false},      {"1", false},     {"2", true},          {"100", true},
                 {"1,2,15", true}, {"20,22", false}, {"12,21,200", false}, {"1,100", true}};

static const struct {
    int id;
    bool certified;
} verify_types[] = {{-1, false}, {0, true}, {1, false}, {2, false}, {3, true},
                    {4, true},   {5, true}, {6, false}, {99, false}};

static const struct {
    int id;
    bool active;
} account_statuses[] = {{0, true}, {1, true}, {14, false}, {16, false}, {18, true}, {19, false}};

/* What the words of the contract say, written down once more and in another way than the gate has it. */
static const char *expected(int credential, wxtp_account account, bool certified, bool granted,
                            wxtp_tenant_status status, bool is_active, bool cloud_call)
{
    const bool profile = credential == OF_AUTHORIZER || credential == OF_CLOUD_OF_PLATFORM;
    if (account == WXTP_ACCOUNT_MINI_PROGRAM || account == WXTP_ACCOUNT_OTHER)
        return "wrong_account_type";
    switch (status) {
    case WXTP_TENANT_AUTHORIZING:
    case WXTP_TENANT_UNAUTHORIZED:
        return "unauthorized";
    case WXTP_TENANT_REAUTHORIZATION_REQUIRED:
        return "reauthorization_required";
    default:
        break;
    }
    if (!is_active)
        return "account_not_active";
    if (profile && account == WXTP_ACCOUNT_UNKNOWN)
        return "wrong_account_type";
    if (profile && !granted)
        return "permission_set_missing";
    if (profile && !certified)
        return "not_certified";
    if (!cloud_call && (credential == OF_CLOUD || credential == OF_CLOUD_OF_PLATFORM))
        return "not_supported";
    return NULL;
}

static wxtp_tenant_row row_of(int credential)
{
    wxtp_tenant_row row =
        wx_tenant_row_new(credential == OF_AUTHORIZER ? FIXTURE_COMPONENT : "", APPID, FAKE_EPOCH_MS);
    row.credential = credential == OF_AUTHORIZER ? WXTP_CREDENTIAL_AUTHORIZER
                     : credential == OF_OWN      ? WXTP_CREDENTIAL_OWN
                                                 : WXTP_CREDENTIAL_CLOUD;
    row.token_of_platform = credential == OF_CLOUD_OF_PLATFORM;
    row.status = WXTP_TENANT_AUTHORIZED;
    row.profile_ms = FAKE_EPOCH_MS;
    return row;
}

static bool all_hold(const wx_gate_facts *facts)
{
    bool hold = true;
    for (int i = 0; i < WX_GATE_CONDITIONS; i++) {
        hold = wx_gate_holds(facts, (wx_gate_condition)i) && hold;
    }
    return hold;
}

static const char *judge(fixture *fx, const wxtp_tenant_row *row, const wx_api *api, char hint[WX_HINT_MAX])
{
    WX_AUTO_TENANT *tenant = NULL;
    wx_err err = {0};
    assert_int_equal(wx_tenant_copy(fx->core, row, &tenant, &err), WXTP_OK);
    const wx_gate_facts facts = {.tenant = tenant, .api = api, .now_ms = FAKE_EPOCH_MS};
    const char *reason = wx_gate_judge(&facts, hint);
    assert_int_equal(all_hold(&facts), reason == NULL);
    return reason;
}

static void I6_the_whole_table_of_kinds_is_judged_by_the_contract(void **state)
{
    fixture *fx = *state;
    size_t judged = 0;
    for (int credential = OF_AUTHORIZER; credential <= OF_CLOUD_OF_PLATFORM; credential++) {
        wxtp_tenant_row row = row_of(credential);
        for (int account = WXTP_ACCOUNT_UNKNOWN; account <= WXTP_ACCOUNT_OTHER; account++)
            for (size_t v = 0; v < sizeof verify_types / sizeof *verify_types; v++)
                for (size_t s = 0; s < sizeof set_lists / sizeof *set_lists; s++)
                    for (int status = WXTP_TENANT_AUTHORIZING; status <= WXTP_TENANT_REAUTHORIZATION_REQUIRED;
                         status++)
                        for (size_t a = 0; a < sizeof account_statuses / sizeof *account_statuses; a++)
                            for (size_t c = 0; c < fx->core->catalog_count; c++) {
                                char hint[WX_HINT_MAX];
                                row.account = (wxtp_account)account;
                                row.verify_type = verify_types[v].id;
                                row.permission_sets = set_lists[s].text;
                                row.status = (wxtp_tenant_status)status;
                                row.account_status = account_statuses[a].id;
                                const wx_api *api = &fx->core->catalog[c];
                                const char *wanted =
                                    expected(credential, row.account, verify_types[v].certified,
                                             set_lists[s].grants, row.status, account_statuses[a].active,
                                             strcmp(api->name, "batchBlacklist") != 0);
                                const char *got = judge(fx, &row, api, hint);
                                if ((wanted == NULL) != (got == NULL) ||
                                    (wanted && strcmp(wanted, got) != 0)) {
                                    fail_msg("credential %d account %d verify %d sets '%s' status %d/%d: %s, "
                                             "not %s",
                                             credential, account, row.verify_type, row.permission_sets,
                                             status, row.account_status, got ? got : "yes",
                                             wanted ? wanted : "yes");
                                }
                                assert_int_equal(hint[0] == '\0', got == NULL);
                                judged++;
                            }
    }
    assert_int_equal(judged, 4 * 5 * 9 * 8 * 4 * 6 * 3);
}

static void I6_an_operators_word_overrules_the_profile(void **state)
{
    fixture *fx = *state;
    char hint[WX_HINT_MAX];
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.verify_type = -1;
    row.override_certified = 1;
    assert_null(judge(fx, &row, unblacklist(fx), hint));
    row.verify_type = 0;
    row.override_certified = 0;
    assert_string_equal(judge(fx, &row, unblacklist(fx), hint), "not_certified");
    assert_string_equal(wx_tenant_basis(&row), "operator");
}

static void I6_without_a_profile_the_declared_then_the_observed_counts(void **state)
{
    fixture *fx = *state;
    char hint[WX_HINT_MAX];
    wxtp_tenant_row row = row_of(OF_OWN);
    row.profile_ms = 0;
    assert_int_equal(wx_tenant_certified(&row), -1);
    assert_null(judge(fx, &row, unblacklist(fx), hint));
    row.declared_certified = 0;
    assert_string_equal(judge(fx, &row, unblacklist(fx), hint), "not_certified");
    row.observed_certified = 1;
    assert_null(judge(fx, &row, unblacklist(fx), hint));
    assert_string_equal(wx_tenant_basis(&row), "observed");
    row.observed_certified = 0;
    row.declared_certified = 1;
    assert_string_equal(judge(fx, &row, unblacklist(fx), hint), "not_certified");
    row.override_certified = 1;
    assert_null(judge(fx, &row, unblacklist(fx), hint));
}

static void I6_an_unknown_tenant_is_told_first(void **state)
{
    fixture *fx = *state;
    char hint[WX_HINT_MAX];
    const wx_gate_facts facts = {.api = unblacklist(fx), .now_ms = FAKE_EPOCH_MS};
    assert_string_equal(wx_gate_judge(&facts, hint), "unknown_tenant");
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.removed = true;
    row.account = WXTP_ACCOUNT_MINI_PROGRAM;
    assert_string_equal(judge(fx, &row, unblacklist(fx), hint), "unknown_tenant");
}

static void I6_holds_are_told_after_the_facts(void **state)
{
    fixture *fx = *state;
    char hint[WX_HINT_MAX];
    WX_AUTO_TENANT *tenant = NULL;
    wx_err err = {0};
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    assert_int_equal(wx_tenant_copy(fx->core, &row, &tenant, &err), WXTP_OK);
    wx_gate_facts facts = {.tenant = tenant,
                           .api = unblacklist(fx),
                           .now_ms = 1000,
                           .refused_until_ms = 1001,
                           .quota_until_ms = 1001};
    assert_string_equal(wx_gate_judge(&facts, hint), "refused_by_wechat");
    facts.refused_until_ms = 1000; /* over: it may be probed */
    assert_string_equal(wx_gate_judge(&facts, hint), "quota_exhausted");
    facts.quota_until_ms = 1000;
    assert_null(wx_gate_judge(&facts, hint));
    tenant->row.verify_type = 1;
    facts.refused_until_ms = 2000;
    assert_string_equal(wx_gate_judge(&facts, hint), "not_certified");
}

static void I6_hints_name_the_remedy(void **state)
{
    fixture *fx = *state;
    char hint[WX_HINT_MAX];
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.permission_sets = "1";
    judge(fx, &row, unblacklist(fx), hint);
    assert_non_null(strstr(hint, "permission set 2 or 100"));
    assert_non_null(strstr(hint, "adds or removes a set"));
    assert_non_null(strstr(hint, "tenant sync " APPID "`"));
    row.permission_sets = "2";
    row.verify_type = -1;
    judge(fx, &row, unblacklist(fx), hint);
    assert_non_null(strstr(hint, "tenant set " APPID " --certified yes"));
    row.status = WXTP_TENANT_REAUTHORIZATION_REQUIRED;
    judge(fx, &row, unblacklist(fx), hint);
    assert_non_null(strstr(hint, "tenant reconnect " APPID));
}

static void I6_any_one_of_the_sets_of_an_api_will_do(void **state)
{
    fixture *fx = *state;
    static const struct {
        int sets[WX_API_SETS_MAX];
        const char *granted;
        bool passes;
    } cases[] = {
        {{0}, "", true},
        {{5}, "2", false},
        {{5}, "5", true},
        {{1}, "2", false},
        {{1}, "1", true},
        {{1, 2, 3, 4, 5, 6, 7, 8}, "8", true},
        /* What stands behind the last set in memory is none: here flags that are all 1. */
        {{1, 2, 3, 4, 5, 6, 7, 8}, "16843009", false},
    };
    char hint[WX_HINT_MAX];
    wx_api api = *unblacklist(fx);
    api.official_accounts_only = api.certified_only = api.cloud = api.repeat_safe = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wxtp_tenant_row row = fixture_service_account(fx, APPID);
        row.permission_sets = cases[i].granted;
        memcpy(api.permission_sets, cases[i].sets, sizeof api.permission_sets);
        const char *reason = judge(fx, &row, &api, hint);
        if (cases[i].passes) {
            assert_null(reason);
        } else {
            assert_string_equal(reason, "permission_set_missing");
        }
    }
    assert_non_null(strstr(hint, " 1 or 2 or 3 or 4 or 5 or 6 or 7 or 8:"));
}

static void I6_a_hint_names_as_many_sets_as_fit(void **state)
{
    fixture *fx = *state;
    char hint[WX_HINT_MAX];
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.permission_sets = "";
    wx_api api = *unblacklist(fx);
    const int full[WX_API_SETS_MAX] = {1000000000, 1000000001, 1000000002, 100000, 7};
    memcpy(api.permission_sets, full, sizeof full);
    assert_string_equal(judge(fx, &row, &api, hint), "permission_set_missing");
    assert_non_null(strstr(hint, " 1000000000 or 1000000001 or 1000000002 or 100000:"));
    api.permission_sets[3] = 10000; /* a character less: one more is named */
    assert_string_equal(judge(fx, &row, &api, hint), "permission_set_missing");
    assert_non_null(strstr(hint, " 1000000000 or 1000000001 or 1000000002 or 10000 or 7:"));
}

static void I11_a_hint_that_does_not_fit_is_cut(void **state)
{
    fixture *fx = *state;
    struct {
        char hint[WX_HINT_MAX];
        char behind[WX_HINT_MAX];
    } room;
    char appid[400] = "";
    wxtp_tenant_row row = fixture_service_account(fx, appid);
    row.status = WXTP_TENANT_UNAUTHORIZED;
    for (size_t len = 0; len < sizeof appid - 1; len++) {
        memset(appid, 'a', len);
        memset(&room, '#', sizeof room);
        assert_string_equal(judge(fx, &row, unblacklist(fx), room.hint), "unauthorized");
        const size_t whole =
            strlen("Have the merchant authorize the platform again (wxtp-admin tenant reconnect ); "
                   "if it has, run `wxtp-admin tenant sync `.") +
            2 * len;
        assert_int_equal(strnlen(room.hint, sizeof room.hint), whole < WX_HINT_MAX ? whole : WX_HINT_MAX - 1);
        for (size_t at = 0; at < sizeof room.behind; at++) {
            assert_int_equal(room.behind[at], '#');
        }
    }
}

static void I6_an_authorizer_of_unread_profile_is_not_certified(void **state)
{
    fixture *fx = *state;
    char hint[WX_HINT_MAX];
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.profile_ms = 0;
    assert_string_equal(judge(fx, &row, unblacklist(fx), hint), "not_certified");
}

/* One that ends later than its interval allows was written by a clock that has been set back since. */
static void I13_a_hold_stands_for_its_interval_at_most(void **state)
{
    (void)state;
    wxtp_hold_row hold = {.until_ms = 1000};
    assert_true(wx_hold_stands(&hold, 999));
    assert_true(wx_hold_stands(&hold, 0));
    assert_false(wx_hold_stands(&hold, 1000));
    hold.interval_ms = 100;
    assert_true(wx_hold_stands(&hold, 900));
    assert_false(wx_hold_stands(&hold, 899));
    hold.interval_ms = 1;
    assert_false(wx_hold_stands(&hold, 900));
    assert_true(wx_hold_stands(&hold, 999));
}

static const char *look(fixture *fx)
{
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    wx_err err = {0};
    const char *reason = NULL;
    char hint[WX_HINT_MAX];
    assert_int_equal(wx_gate_look(fx->core, tenant, unblacklist(fx), &reason, hint, &err), WXTP_OK);
    return reason;
}

static void put_hold(fixture *fx, const char *call, wxtp_hold_kind kind, int64_t errcode, int64_t lasts_ms)
{
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    const wxtp_hold_row hold = {.platform = FIXTURE_COMPONENT,
                                .appid = APPID,
                                .call = call,
                                .kind = kind,
                                .errcode = errcode,
                                .since_ms = fake_clock_wall(&fx->clock),
                                .until_ms = fake_clock_wall(&fx->clock) + lasts_ms,
                                .interval_ms = lasts_ms};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_WRITE, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->hold_put(scope.tx, &hold), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
}

/* Of the holds of one call and of all calls the one counts that ends last; where they end together, the
 * call's own. */
static void I6_a_hold_of_every_call_counts_too(void **state)
{
    fixture *fx = *state;
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    fixture_put_tenant(fx, &row);
    assert_null(look(fx));
    put_hold(fx, "", WXTP_HOLD_QUOTA, 45009, HOUR_MS);
    assert_string_equal(look(fx), "quota_exhausted");
    put_hold(fx, "", WXTP_HOLD_REFUSED, 50002, MINUTE_MS);
    assert_string_equal(look(fx), "account_not_active");
    put_hold(fx, "batchUnblacklist", WXTP_HOLD_REFUSED, 48001, MINUTE_MS);
    assert_string_equal(look(fx), "refused_by_wechat");
    put_hold(fx, "", WXTP_HOLD_REFUSED, 50002, MINUTE_MS + 1);
    assert_string_equal(look(fx), "account_not_active");
    fake_clock_advance(&fx->clock, MINUTE_MS + 1);
    assert_string_equal(look(fx), "quota_exhausted");
}

/* Each with its own end and its own beginning, as they are told to who asks why. */
static void I6_what_holds_and_since_when_is_read(void **state)
{
    fixture *fx = *state;
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    fixture_put_tenant(fx, &row);
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    wx_gate_facts facts = {.tenant = tenant, .api = unblacklist(fx)};
    wx_err err = {0};
    const int64_t refused_ms = fake_clock_wall(&fx->clock);
    put_hold(fx, "batchUnblacklist", WXTP_HOLD_REFUSED, 48001, HOUR_MS);
    fake_clock_advance(&fx->clock, MINUTE_MS);
    const int64_t quota_ms = fake_clock_wall(&fx->clock);
    put_hold(fx, "batchUnblacklist", WXTP_HOLD_QUOTA, 45009, 2 * HOUR_MS);
    fake_clock_advance(&fx->clock, MINUTE_MS);
    assert_int_equal(wx_gate_read(fx->core, &facts, &err), WXTP_OK);
    assert_int_equal(facts.now_ms, quota_ms + MINUTE_MS);
    assert_int_equal(facts.refused_since_ms, refused_ms);
    assert_int_equal(facts.refused_until_ms, refused_ms + HOUR_MS);
    assert_int_equal(facts.refused_errcode, 48001);
    assert_int_equal(facts.quota_since_ms, quota_ms);
    assert_int_equal(facts.quota_until_ms, quota_ms + 2 * HOUR_MS);
}

static wxtp_hold_kind failing_kind;

static wxtp_status hold_get_fails(wxtp_tx *tx, const char *platform, const char *appid, const char *call,
                                  wxtp_hold_kind kind, wxtp_hold_row *row)
{
    (void)tx, (void)platform, (void)appid, (void)call, (void)row;
    return kind == failing_kind ? WXTP_ERR_STORE : WXTP_ERR_NOT_FOUND;
}

static wxtp_status begin_fails(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx)
{
    (void)store, (void)mode;
    *tx = NULL;
    return WXTP_ERR_STORE;
}

static void I6_no_yes_while_the_store_fails(void **state)
{
    fixture *fx = *state;
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    fixture_put_tenant(fx, &row);
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    const struct wxtp_store_ops *sound = fx->core->store->ops;
    struct wxtp_store_ops failing = *sound;
    failing.hold_get = hold_get_fails;
    fx->core->store->ops = &failing;
    for (int kind = WXTP_HOLD_QUOTA; kind <= WXTP_HOLD_REFUSED; kind++) {
        wx_err err = {0};
        const char *reason = NULL;
        char hint[WX_HINT_MAX];
        failing_kind = (wxtp_hold_kind)kind;
        assert_int_equal(wx_gate_look(fx->core, tenant, unblacklist(fx), &reason, hint, &err),
                         WXTP_ERR_STORE);
        assert_non_null(strstr(err.message, "read the refusals kept"));
    }
    failing = *sound;
    failing.begin = begin_fails;
    wx_err err = {0};
    const char *reason = NULL;
    char hint[WX_HINT_MAX];
    assert_int_equal(wx_gate_look(fx->core, tenant, unblacklist(fx), &reason, hint, &err), WXTP_ERR_STORE);
    assert_non_null(strstr(err.message, "begin a transaction"));
    fx->core->store->ops = sound;
    assert_int_equal(wx_gate_look(fx->core, NULL, unblacklist(fx), &reason, hint, &err), WXTP_OK);
    assert_string_equal(reason, "unknown_tenant");
}

static void I6_an_api_for_every_account_asks_for_no_kind_and_no_certificate(void **state)
{
    fixture *fx = *state;
    char hint[WX_HINT_MAX];
    wx_api api = *unblacklist(fx);
    api.official_accounts_only = api.certified_only = false;
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.verify_type = -1;
    for (int account = WXTP_ACCOUNT_UNKNOWN; account <= WXTP_ACCOUNT_OTHER; account++) {
        row.account = (wxtp_account)account;
        assert_null(judge(fx, &row, &api, hint));
    }
    api.certified_only = true;
    assert_string_equal(judge(fx, &row, &api, hint), "not_certified");
}

/* ---- Before a call ---- */

static wxtp_status pass(fixture *fx, wx_err *err)
{
    WX_AUTO_TENANT *tenant = NULL;
    *err = (wx_err){0};
    fixture_patience(&fx->node, 60000);
    return wx_gate_pass(fx->op, APPID, unblacklist(fx), &tenant, err);
}

static void assert_passes(fixture *fx)
{
    wx_err err;
    const wxtp_status status = pass(fx, &err);
    if (status != WXTP_OK) {
        fail_msg("%s: %s", err.kind, err.message);
    }
}

static void assert_refused(fixture *fx, wxtp_status wanted, const char *kind)
{
    wx_err err;
    assert_int_equal(pass(fx, &err), wanted);
    assert_string_equal(err.kind, kind);
    assert_string_equal(err.tenant, APPID);
    assert_true(err.hint[0] != '\0');
}

static void put(fixture *fx, int verify_type, wxtp_tenant_status status)
{
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.verify_type = verify_type;
    row.status = status;
    row.certified = wx_tenant_certified(&row);
    fixture_put_tenant(fx, &row);
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-token-1", "refresh-token-1");
}

static void I6_an_unknown_appid_asks_nothing(void **state)
{
    fixture *fx = *state;
    assert_refused(fx, WXTP_ERR_REFUSED, "unknown_tenant");
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void I6_a_fresh_word_is_given_without_asking(void **state)
{
    fixture *fx = *state;
    put(fx, -1, WXTP_TENANT_AUTHORIZED);
    assert_refused(fx, WXTP_ERR_REFUSED, "not_certified");
    put(fx, 0, WXTP_TENANT_UNAUTHORIZED);
    assert_refused(fx, WXTP_ERR_REFUSED, "unauthorized");
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    assert_passes(fx);
    fake_clock_advance(&fx->clock, 9 * MINUTE_MS);
    assert_passes(fx);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void I6_stale_no_is_read_again(void **state)
{
    fixture *fx = *state;
    put(fx, -1, WXTP_TENANT_AUTHORIZED);
    fake_clock_advance(&fx->clock, 10 * MINUTE_MS);
    assert_refused(fx, WXTP_ERR_REFUSED, "not_certified");
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 0);
    fake_clock_advance(&fx->clock, 1);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_uncertified);
    assert_refused(fx, WXTP_ERR_REFUSED, "not_certified");
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 1);
    assert_refused(fx, WXTP_ERR_REFUSED, "not_certified"); /* fresh again */
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 1);
    fake_clock_advance(&fx->clock, 11 * MINUTE_MS);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_yes);
    assert_passes(fx);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 2);
}

static void I6_stale_unauthorized_is_asked_about(void **state)
{
    fixture *fx = *state;
    put(fx, 0, WXTP_TENANT_UNAUTHORIZED);
    fake_clock_advance(&fx->clock, 11 * MINUTE_MS);
    fake_http_on(&fx->http, INFO_PATH, NULL, 1, info_gone);
    assert_refused(fx, WXTP_ERR_REFUSED, "unauthorized");
    fake_clock_advance(&fx->clock, 11 * MINUTE_MS);
    fake_http_on(&fx->http, INFO_PATH, NULL, 1, info_yes);
    assert_passes(fx);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 2);
}

static void I5_a_person_has_a_dead_authorization_looked_at_at_once(void **state)
{
    fixture *fx = *state;
    put(fx, 0, WXTP_TENANT_REAUTHORIZATION_REQUIRED);
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-token-0", "refresh-token-0");
    fake_http_fail(&fx->http, INFO_PATH, NULL, 1, WXTP_HTTP_UNKNOWN, 0); /* no answer: what is known stands */
    fx->op->person = true;
    assert_refused(fx, WXTP_ERR_REAUTHORIZE, "reauthorization_required");
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 1);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_yes);
    fx->op->person = false;
    assert_refused(fx, WXTP_ERR_REAUTHORIZE, "reauthorization_required");
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 1);
    fx->op->person = true;
    assert_passes(fx);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 2);
}

static void I5_reauthorization_stays_where_info_shows_the_dead_token(void **state)
{
    fixture *fx = *state;
    put(fx, 0, WXTP_TENANT_REAUTHORIZATION_REQUIRED);
    assert_refused(fx, WXTP_ERR_REAUTHORIZE, "reauthorization_required");
    fake_clock_advance(&fx->clock, 11 * MINUTE_MS);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_yes);
    assert_refused(fx, WXTP_ERR_REAUTHORIZE, "reauthorization_required");
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 1);
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-token-0", "refresh-token-0");
    fake_clock_advance(&fx->clock, 11 * MINUTE_MS);
    assert_passes(fx); /* now info shows another one */
}

static void I6_yes_of_a_day_is_read_again_and_stands_if_that_fails(void **state)
{
    fixture *fx = *state;
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    fake_clock_advance(&fx->clock, 24 * HOUR_MS);
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
    assert_passes(fx);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 0);
    fake_clock_advance(&fx->clock, 1000);
    fake_http_fail(&fx->http, INFO_PATH, NULL, -1, WXTP_HTTP_UNKNOWN, 0);
    assert_passes(fx);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 1); /* one try that waits for nothing */
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_uncertified);
    assert_refused(fx, WXTP_ERR_REFUSED, "not_certified");
}

static void I6_yes_of_three_days_is_read_before_the_call(void **state)
{
    fixture *fx = *state;
    wx_err err;
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    fake_clock_advance(&fx->clock, 72 * HOUR_MS + 1000);
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
    fake_http_fail(&fx->http, INFO_PATH, NULL, -1, WXTP_HTTP_UNKNOWN, 0);
    assert_int_equal(pass(fx, &err), WXTP_ERR_UNAVAILABLE);
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_yes);
    assert_passes(fx);
}

static void I6_a_profile_never_read_is_read_before_the_first_call(void **state)
{
    fixture *fx = *state;
    wx_err err;
    wxtp_tenant_row row = wx_tenant_row_new(FIXTURE_COMPONENT, APPID, FAKE_EPOCH_MS);
    row.status = WXTP_TENANT_AUTHORIZED;
    row.status_ms = FAKE_EPOCH_MS;
    row.permission_sets = "2";
    fixture_put_tenant(fx, &row);
    fake_http_fail(&fx->http, INFO_PATH, NULL, -1, WXTP_HTTP_UNKNOWN, 0);
    assert_int_equal(pass(fx, &err), WXTP_ERR_UNAVAILABLE);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_yes);
    assert_passes(fx);
}

static void I6_what_another_process_wrote_counts_at_once(void **state)
{
    fixture *fx = *state;
    fixture_node other;
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    assert_passes(fx);
    fixture_open_node(fx, &other);
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.override_certified = 0;
    wx_err err = {0};
    wxtp_tx *tx = NULL;
    assert_int_equal(wx_begin(&other.core, WXTP_TX_SYNC, &tx, &err), WXTP_OK);
    assert_int_equal(wx_ops(&other.core)->tenant_put(tx, &row), WXTP_OK);
    assert_int_equal(wx_end(&other.core, &tx, WXTP_OK, &err), WXTP_OK);
    fixture_close_node(&other);
    assert_refused(fx, WXTP_ERR_REFUSED, "not_certified");
}

static void I13_a_profile_from_the_future_is_read_again(void **state)
{
    fixture *fx = *state;
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    fake_clock_step_wall(&fx->clock, -48 * HOUR_MS);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_yes);
    assert_passes(fx);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 1);
}

/* ---- Refused after a yes ---- */

static wx_tenant *load(fixture *fx, const char *platform)
{
    return fixture_tenant(fx, platform, APPID);
}

static void refuse_by_wechat(fixture *fx, const char *platform, int64_t errcode, wx_err *err)
{
    WX_AUTO_TENANT *tenant = load(fx, platform);
    *err = (wx_err){0};
    wx_fail(err, WXTP_ERR_REFUSED, "batchUnblacklist: WeChat answered");
    err->errcode = errcode;
    wx_copy(err->rid, sizeof err->rid, "rid-1");
    fixture_patience(&fx->node, 60000);
    wx_gate_correct(fx->op, tenant, unblacklist(fx), err);
    assert_int_equal(err->errcode, errcode);
    assert_string_equal(err->rid, "rid-1");
    assert_string_equal(err->tenant, APPID);
}

static void I6_a_refusal_corrects_the_tenant(void **state)
{
    fixture *fx = *state;
    wx_err err;
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    fake_http_on(&fx->http, INFO_PATH, NULL, 1, info_uncertified);
    fixture_listen(fx);
    refuse_by_wechat(fx, FIXTURE_COMPONENT, 48001, &err);
    assert_int_equal(err.status, WXTP_ERR_REFUSED);
    assert_string_equal(err.kind, "not_certified");
    assert_string_equal(fx->told, "");
    fake_http_on(&fx->http, INFO_PATH, NULL, 1, info_gone);
    refuse_by_wechat(fx, FIXTURE_COMPONENT, 61003, &err);
    assert_string_equal(err.kind, "unauthorized");
    assert_string_equal(fx->told, "tenant_unauthorized " APPID "\n");
    assert_refused(fx, WXTP_ERR_REFUSED, "unauthorized");
}

static void I6_a_refusal_against_the_profile_is_kept_probed_and_doubled(void **state)
{
    fixture *fx = *state;
    wx_err err;
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_yes);
    int64_t hold = 10 * MINUTE_MS;
    for (int i = 0; i < 9; i++) {
        refuse_by_wechat(fx, FIXTURE_COMPONENT, 48001, &err);
        assert_string_equal(err.kind, "refused_by_wechat");
        refuse_by_wechat(fx, FIXTURE_COMPONENT, 48001, &err); /* in flight together: counts once */
        assert_refused(fx, WXTP_ERR_REFUSED, "refused_by_wechat");
        fake_clock_advance(&fx->clock, hold - 1);
        fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
        assert_refused(fx, WXTP_ERR_REFUSED, "refused_by_wechat");
        fake_clock_advance(&fx->clock, 1);
        assert_passes(fx);
        hold = hold * 2 < 24 * HOUR_MS ? hold * 2 : 24 * HOUR_MS;
    }
}

static void I6_a_kept_refusal_ends_with_a_change_of_profile(void **state)
{
    fixture *fx = *state;
    wx_err err;
    put(fx, 3, WXTP_TENANT_AUTHORIZED);
    fake_http_fail(&fx->http, INFO_PATH, NULL, -1, WXTP_HTTP_NOT_SENT, 0);
    refuse_by_wechat(fx, FIXTURE_COMPONENT, 48001, &err);
    assert_refused(fx, WXTP_ERR_REFUSED, "refused_by_wechat");
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_yes); /* verify_type 0, set 2 alone */
    bool authorized = false;
    assert_int_equal(wx_account_refresh(fx->op, APPID, false, &authorized, NULL, NULL, &err), WXTP_OK);
    assert_passes(fx);
}

static void I6_a_success_ends_a_kept_refusal_and_a_quota(void **state)
{
    fixture *fx = *state;
    wx_err err = {0};
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_yes);
    fake_http_on(&fx->http, QUOTA_PATH, NULL, -1,
                 "{\"errcode\":0,\"quota\":{\"daily_limit\":10,\"used\":10,\"remain\":0}}");
    refuse_by_wechat(fx, FIXTURE_COMPONENT, 48001, &err);
    WX_AUTO_TENANT *tenant = load(fx, FIXTURE_COMPONENT);
    assert_int_equal(wx_gate_quota(fx->op, tenant, unblacklist(fx), 45009, &err), WXTP_OK);
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_WRITE, &err), WXTP_OK);
    assert_int_equal(wx_gate_confirm(&scope, tenant, unblacklist(fx), &err), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    assert_passes(fx);
}

static void I6_a_restricted_account_is_not_active(void **state)
{
    fixture *fx = *state;
    wx_err err;
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_yes);
    refuse_by_wechat(fx, FIXTURE_COMPONENT, 50002, &err);
    assert_string_equal(err.kind, "account_not_active");
    assert_non_null(strstr(err.hint, "tenant sync " APPID));
    assert_refused(fx, WXTP_ERR_REFUSED, "account_not_active"); /* as kept */
}

static void put_own(fixture *fx, wxtp_tristate declared)
{
    wxtp_tenant_row row = row_of(OF_OWN);
    row.profile_ms = 0;
    row.declared_certified = declared;
    row.certified = declared;
    fixture_put_tenant(fx, &row);
}

static void I6_an_undeclared_own_account_learns_from_the_first_answer(void **state)
{
    fixture *fx = *state;
    wx_err err;
    put_own(fx, -1);
    assert_passes(fx);
    refuse_by_wechat(fx, "", 48001, &err);
    assert_string_equal(err.kind, "not_certified");
    WX_AUTO_TENANT *tenant = load(fx, "");
    assert_int_equal(tenant->row.observed_certified, 0);
    assert_refused(fx, WXTP_ERR_REFUSED, "not_certified");
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void I6_a_declared_own_account_keeps_its_word(void **state)
{
    fixture *fx = *state;
    wx_err err;
    put_own(fx, 1);
    refuse_by_wechat(fx, "", 48001, &err);
    assert_string_equal(err.kind, "refused_by_wechat");
    WX_AUTO_TENANT *tenant = load(fx, "");
    assert_int_equal(tenant->row.observed_certified, -1);
}

static void I6_a_success_proves_an_undeclared_account_able(void **state)
{
    fixture *fx = *state;
    wx_err err = {0};
    put_own(fx, -1);
    WX_AUTO_TENANT *tenant = load(fx, "");
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_WRITE, &err), WXTP_OK);
    assert_int_equal(wx_gate_confirm(&scope, tenant, unblacklist(fx), &err), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    WX_AUTO_TENANT *after = load(fx, "");
    assert_int_equal(after->row.observed_certified, 1);
    assert_int_equal(after->row.certified, 1);
    assert_int_equal(after->row.used_ms, fake_clock_wall(&fx->clock));
}

/* ---- Quota ---- */

static void I10_a_quota_holds_until_midnight_in_beijing(void **state)
{
    fixture *fx = *state;
    wx_err err = {0};
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    fake_http_on(&fx->http, QUOTA_PATH, "batchunblacklist", -1,
                 "{\"errcode\":0,\"quota\":{\"daily_limit\":10,\"used\":10,\"remain\":0}}");
    WX_AUTO_TENANT *tenant = load(fx, FIXTURE_COMPONENT);
    assert_int_equal(wx_gate_quota(fx->op, tenant, unblacklist(fx), 45009, &err), WXTP_OK);
    assert_int_equal(wx_gate_quota(fx->op, tenant, unblacklist(fx), 45009, &err), WXTP_OK);
    assert_int_equal(fake_http_count(&fx->http, QUOTA_PATH), 1); /* once a hold */
    assert_refused(fx, WXTP_ERR_QUOTA, "quota_exhausted");
    fx->op->person = true;
    assert_passes(fx); /* a person gets a probe */
    fx->op->person = false;
    fake_clock_advance(&fx->clock, 16 * HOUR_MS - 1); /* the epoch is 08:00 in Beijing */
    assert_refused(fx, WXTP_ERR_QUOTA, "quota_exhausted");
    fake_clock_advance(&fx->clock, 1);
    assert_passes(fx);
}

static void I10_a_quota_that_was_cleared_holds_a_minute(void **state)
{
    fixture *fx = *state;
    wx_err err = {0};
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    fake_http_on(&fx->http, QUOTA_PATH, NULL, -1,
                 "{\"errcode\":0,\"quota\":{\"daily_limit\":10,\"used\":1,\"remain\":9}}");
    WX_AUTO_TENANT *tenant = load(fx, FIXTURE_COMPONENT);
    assert_int_equal(wx_gate_quota(fx->op, tenant, unblacklist(fx), 45009, &err), WXTP_OK);
    assert_refused(fx, WXTP_ERR_QUOTA, "quota_exhausted");
    fake_clock_advance(&fx->clock, MINUTE_MS);
    assert_passes(fx);
}

static void I13_what_was_kept_while_the_clock_was_ahead_is_void(void **state)
{
    fixture *fx = *state;
    wx_err err = {0};
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_yes);
    fake_http_on(&fx->http, QUOTA_PATH, NULL, -1,
                 "{\"errcode\":0,\"quota\":{\"daily_limit\":10,\"used\":10,\"remain\":0}}");
    for (int round = 0; round < 2; round++) { /* the second finds what the first has left */
        fake_clock_step_wall(&fx->clock, 5 * HOUR_MS);
        fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
        refuse_by_wechat(fx, FIXTURE_COMPONENT, 48001, &err);
        assert_refused(fx, WXTP_ERR_REFUSED, "refused_by_wechat");
        fake_clock_step_wall(&fx->clock, -5 * HOUR_MS);
        fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
        assert_passes(fx);
        refuse_by_wechat(fx, FIXTURE_COMPONENT, 48001, &err);
        assert_refused(fx, WXTP_ERR_REFUSED, "refused_by_wechat");
        fake_clock_advance(&fx->clock, 24 * HOUR_MS);
        fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
        assert_passes(fx);
    }
    WX_AUTO_TENANT *tenant = load(fx, FIXTURE_COMPONENT);
    fake_clock_step_wall(&fx->clock, 5 * HOUR_MS);
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
    wx_err_clear(&err);
    assert_int_equal(wx_gate_quota(fx->op, tenant, unblacklist(fx), 45009, &err), WXTP_OK);
    assert_refused(fx, WXTP_ERR_QUOTA, "quota_exhausted");
    fake_clock_step_wall(&fx->clock, -5 * HOUR_MS);
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
    assert_passes(fx);
}

/* ---- Finding ---- */

static void an_appid_that_stands_for_two_is_ambiguous(void **state)
{
    fixture *fx = *state;
    wx_err err;
    put(fx, 0, WXTP_TENANT_AUTHORIZED);
    put_own(fx, -1);
    assert_int_equal(pass(fx, &err), WXTP_ERR_AMBIGUOUS);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup_platform, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(I6_the_whole_table_of_kinds_is_judged_by_the_contract),
        T(I6_an_operators_word_overrules_the_profile),
        T(I6_without_a_profile_the_declared_then_the_observed_counts),
        T(I6_an_unknown_tenant_is_told_first),
        T(I6_holds_are_told_after_the_facts),
        T(I6_hints_name_the_remedy),
        T(I6_any_one_of_the_sets_of_an_api_will_do),
        T(I6_a_hint_names_as_many_sets_as_fit),
        T(I11_a_hint_that_does_not_fit_is_cut),
        T(I6_an_authorizer_of_unread_profile_is_not_certified),
        T(I13_a_hold_stands_for_its_interval_at_most),
        T(I6_a_hold_of_every_call_counts_too),
        T(I6_what_holds_and_since_when_is_read),
        T(I6_no_yes_while_the_store_fails),
        T(I6_an_api_for_every_account_asks_for_no_kind_and_no_certificate),
        T(I6_an_unknown_appid_asks_nothing),
        T(I6_a_fresh_word_is_given_without_asking),
        T(I6_stale_no_is_read_again),
        T(I6_stale_unauthorized_is_asked_about),
        T(I5_a_person_has_a_dead_authorization_looked_at_at_once),
        T(I5_reauthorization_stays_where_info_shows_the_dead_token),
        T(I6_yes_of_a_day_is_read_again_and_stands_if_that_fails),
        T(I6_yes_of_three_days_is_read_before_the_call),
        T(I6_a_profile_never_read_is_read_before_the_first_call),
        T(I6_what_another_process_wrote_counts_at_once),
        T(I13_a_profile_from_the_future_is_read_again),
        T(I6_a_refusal_corrects_the_tenant),
        T(I6_a_refusal_against_the_profile_is_kept_probed_and_doubled),
        T(I6_a_kept_refusal_ends_with_a_change_of_profile),
        T(I6_a_success_ends_a_kept_refusal_and_a_quota),
        T(I6_a_restricted_account_is_not_active),
        T(I6_an_undeclared_own_account_learns_from_the_first_answer),
        T(I6_a_declared_own_account_keeps_its_word),
        T(I6_a_success_proves_an_undeclared_account_able),
        T(I10_a_quota_holds_until_midnight_in_beijing),
        T(I10_a_quota_that_was_cleared_holds_a_minute),
        T(an_appid_that_stands_for_two_is_ambiguous),
        T(I13_what_was_kept_while_the_clock_was_ahead_is_void),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
