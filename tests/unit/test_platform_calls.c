/* The platform's own calls: set-up, authorization links, state, upkeep and diagnosis. */
#include "world.h"

#include <stdio.h>
#include <unistd.h>

#include "api/handle.h"
#include "domain/component.h"
#include "domain/storage.h"
#include "domain/tenant.h"
#include "domain/ticket.h"

#define OTHER_AES_KEY "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefg"

/* ---- Set-up ---- */

static void assert_same(const char *text, const char *expected)
{
    if (expected) {
        assert_string_equal(text, expected);
    } else {
        assert_null(text);
    }
}

static void assert_secrets(world *w, const char *appsecret, const char *token, const char *previous_token,
                           const char *key, const char *previous_key)
{
    WX_AUTO_COMPONENT component = {0};
    wx_err err = {0};
    assert_int_equal(wx_component_load(wx_platform_core(w->platform), &component, &err), WXTP_OK);
    assert_same(component.appsecret, appsecret);
    assert_same(component.push_token, token);
    assert_same(component.previous_push_token, previous_token);
    assert_same(component.aes_key, key);
    assert_same(component.previous_aes_key, previous_key);
}

static void an_update_names_only_what_changes_and_keeps_the_previous(void **state)
{
    world *w = *state;
    wxtp_platform *p = w->platform;
    assert_secrets(w, WORLD_APPSECRET, WORLD_PUSH_TOKEN, NULL, WORLD_AES_KEY, NULL);
    assert_int_equal(wxtp_platform_set(p, WORLD_COMPONENT, NULL, "token-2", NULL, NULL), WXTP_OK);
    assert_secrets(w, WORLD_APPSECRET, "token-2", WORLD_PUSH_TOKEN, WORLD_AES_KEY, NULL);
    /* The same again is no change: what came before it is not forgotten. */
    assert_int_equal(wxtp_platform_set(p, WORLD_COMPONENT, "secret-2", "token-2", OTHER_AES_KEY, NULL),
                     WXTP_OK);
    assert_secrets(w, "secret-2", "token-2", WORLD_PUSH_TOKEN, OTHER_AES_KEY, WORLD_AES_KEY);
    world_reopen(w);
    assert_secrets(w, "secret-2", "token-2", WORLD_PUSH_TOKEN, OTHER_AES_KEY, WORLD_AES_KEY);
}

static void I9_malformed_secrets_are_refused_and_not_shown(void **state)
{
    world *w = *state;
    static const char *const cases[][4] = {
        {"wx 1", "secret-0123456789", "token", WORLD_AES_KEY},
        {"wxc2", "secret 0123456789", "token", WORLD_AES_KEY},
        {"wxc2", "secret-0123456789", "", WORLD_AES_KEY},
        {"wxc2", "secret-0123456789", "token", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEF"},
        {"wxc2", "secret-0123456789", "token", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEF!"},
        {"wxc2", "secret-0123456789", NULL, WORLD_AES_KEY}, /* a new one needs all three */
        {NULL, "secret-0123456789", "token", WORLD_AES_KEY},
    };
    for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
        wxtp_error *error = NULL;
        assert_int_equal(
            wxtp_platform_set(w->platform, cases[at][0], cases[at][1], cases[at][2], cases[at][3], &error),
            WXTP_ERR_INVALID);
        assert_null(strstr(wxtp_error_message(error), "0123456789"));
        wxtp_error_free(error);
    }
    assert_secrets(w, WORLD_APPSECRET, WORLD_PUSH_TOKEN, NULL, WORLD_AES_KEY, NULL);
}

static bool count_names(void *user, const char *component)
{
    wxtp_platform_facts facts = {.struct_size = sizeof(facts)};
    world *w = user;
    /* A visit may call the library. */
    assert_int_equal(wxtp_platform_info(w->platform, &facts, NULL), WXTP_OK);
    assert_string_equal(component, WORLD_COMPONENT);
    return true;
}

static void each_visits_outside_any_transaction(void **state)
{
    world *w = *state;
    assert_int_equal(wxtp_platform_each(w->platform, count_names, w, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_each(w->platform, NULL, NULL, NULL), WXTP_ERR_INVALID);
}

static void info_tells_ticket_token_and_tenants(void **state)
{
    world *w = *state;
    wxtp_platform_facts facts = {.struct_size = sizeof(facts)};
    assert_int_equal(
        wxtp_tenant_add_own(w->platform, "wxown", "appsecret-of-wxown", WXTP_ACCOUNT_SERVICE, 1, NULL),
        WXTP_OK);
    fake_clock_advance(&w->clock, 60000);
    assert_int_equal(wxtp_platform_info(w->platform, &facts, NULL), WXTP_OK);
    assert_string_equal(facts.component_appid, WORLD_COMPONENT);
    assert_true(facts.has_ticket);
    assert_int_equal(facts.ticket_age_ms, 60000);
    assert_int_equal(facts.token_state, WXTP_TOKEN_NONE);
    assert_int_equal(facts.tenants[WXTP_TENANT_AUTHORIZED], 1);
    facts.struct_size = 8;
    assert_int_equal(wxtp_platform_info(w->platform, &facts, NULL), WXTP_ERR_INVALID);
}

/* ---- Authorization links ---- */

static void assert_link(world *w, bool mobile, int auth_type, const char *biz_appid, const char *expected)
{
    char *url = NULL;
    int64_t life = 0;
    wxtp_error *error = NULL;
    if (wxtp_authorize_url(w->platform, "https://a.example/back?x=1&y=\xe4\xb8\xad", mobile, auth_type,
                           biz_appid, &url, &life, &error) != WXTP_OK) {
        fail_msg("%s", wxtp_error_message(error));
    }
    assert_string_equal(url, expected);
    assert_int_equal(life, 1800);
    wxtp_free(url);
}

static void links_are_those_of_the_documentation(void **state)
{
    world *w = *state;
    fake_http_on(&w->http, "api_create_preauthcode", WORLD_COMPONENT, -1,
                 "{\"pre_auth_code\":\"preauthcode@@@a+b\",\"expires_in\":1800}");
    assert_link(w, false, 3, NULL,
                "https://mp.weixin.qq.com/cgi-bin/componentloginpage?component_appid=" WORLD_COMPONENT
                "&pre_auth_code=preauthcode%40%40%40a%2Bb"
                "&redirect_uri=https%3A%2F%2Fa.example%2Fback%3Fx%3D1%26y%3D%E4%B8%AD&auth_type=3");
    assert_link(w, true, 0, "wxbiz",
                "https://open.weixin.qq.com/wxaopen/safe/bindcomponent?action=bindcomponent&no_scan=1"
                "&component_appid=" WORLD_COMPONENT "&pre_auth_code=preauthcode%40%40%40a%2Bb"
                "&redirect_uri=https%3A%2F%2Fa.example%2Fback%3Fx%3D1%26y%3D%E4%B8%AD&biz_appid=wxbiz#wechat_"
                "redirect");
    assert_int_equal(fake_http_count(&w->http, "api_component_token"), 1);
}

static void impossible_links_ask_WeChat_nothing(void **state)
{
    world *w = *state;
    static const struct {
        const char *redirect_uri;
        int auth_type;
        const char *biz_appid;
    } cases[] = {
        {"a.example/back", 1, NULL},
        {"ftp://a.example", 1, NULL},
        {"https://", 1, NULL},
        {"https://a.example/ b", 1, NULL},
        {NULL, 1, NULL},
        {"https://a.example", 7, NULL},
        {"https://a.example", -1, NULL},
        {"https://a.example", 1, "wxbiz"},
        {"https://a.example", 0, "wx biz"},
        {"https://a.example/\n", 1, NULL},
        {"https:///back", 1, NULL},
        {"https://a\xff.example", 1, NULL},
    };
    for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
        char *url = NULL;
        assert_int_equal(wxtp_authorize_url(w->platform, cases[at].redirect_uri, false, cases[at].auth_type,
                                            cases[at].biz_appid, &url, NULL, NULL),
                         WXTP_ERR_INVALID);
        assert_null(url);
    }
    assert_int_equal(fake_http_count(&w->http, NULL), 0);
}

/* ---- Upkeep ---- */

static void rekey_seals_under_the_new_key_alone(void **state)
{
    world *w = *state;
    char fresh[128];
    wxtp_platform *other = NULL;
    (void)snprintf(fresh, sizeof(fresh), "%s/new.key", w->folder);
    assert_int_equal(wxtp_platform_rekey(w->platform, fresh, NULL), WXTP_OK);
    assert_int_equal(access(fresh, R_OK), 0);
    /* This handle goes on; the next needs the new key. */
    assert_secrets(w, WORLD_APPSECRET, WORLD_PUSH_TOKEN, NULL, WORLD_AES_KEY, NULL);
    assert_int_equal(world_open(w, w->database, w->key, &other, NULL), WXTP_ERR_KEY);
    assert_int_equal(world_open(w, w->database, fresh, &other, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_close(other, 1000), WXTP_OK);
    assert_int_equal(wxtp_platform_rekey(w->platform, "", NULL), WXTP_ERR_INVALID);
}

static void a_backup_is_written_once_and_opens(void **state)
{
    world *w = *state;
    char path[128];
    wxtp_platform *other = NULL;
    wxtp_error *error = NULL;
    (void)snprintf(path, sizeof(path), "%s/backup.db", w->folder);
    assert_int_equal(wxtp_platform_backup(w->platform, path, NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_backup(w->platform, path, &error), WXTP_ERR_EXISTS);
    wxtp_error_free(error);
    assert_int_equal(world_open(w, path, w->key, &other, NULL), WXTP_OK);
    assert_string_equal(wxtp_platform_component(other), WORLD_COMPONENT);
    assert_int_equal(wxtp_platform_close(other, 1000), WXTP_OK);
}

static void note_problem(void *user, const char *text)
{
    wx_buf *all = user;
    assert_true(wx_buf_text(all, text) && wx_buf_text(all, "\n"));
}

static void I9_check_finds_a_secret_moved_to_another_row(void **state)
{
    world *w = *state;
    WX_AUTO_BUF problems;
    wx_err err = {0};
    wx_core *core = wx_platform_core(w->platform);
    wx_buf_init(&problems, NULL, 65536);
    assert_int_equal(
        wxtp_tenant_add_own(w->platform, "wxone", "appsecret-of-wxone", WXTP_ACCOUNT_SERVICE, 1, NULL),
        WXTP_OK);
    assert_int_equal(
        wxtp_tenant_add_own(w->platform, "wxtwo", "appsecret-of-wxtwo", WXTP_ACCOUNT_SERVICE, 1, NULL),
        WXTP_OK);
    assert_int_equal(wxtp_platform_check_store(w->platform, note_problem, &problems, NULL), WXTP_OK);
    assert_string_equal(wx_buf_str(&problems), "");
    {
        WX_AUTO_SCOPE scope = {0};
        WX_AUTO_TENANT *one = NULL;
        assert_int_equal(wx_scope_begin(&scope, core, WXTP_TX_SYNC, &err), WXTP_OK);
        assert_int_equal(wx_tenant_load(core, scope.tx, "", "wxone", &one, &err), WXTP_OK);
        wxtp_tenant_row row = one->row;
        row.appid = "wxtwo";
        assert_int_equal(wx_ops(core)->tenant_put(scope.tx, &row), WXTP_OK);
        assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    }
    assert_int_equal(wxtp_platform_check_store(w->platform, note_problem, &problems, NULL), WXTP_OK);
    assert_non_null(strstr(wx_buf_str(&problems), "appsecret of wxtwo"));
    assert_null(strstr(wx_buf_str(&problems), "wxone"));
}

static bool count_audit(void *user, const wxtp_audit_row *row)
{
    (void)row;
    ++*(int *)user;
    return true;
}

static void I11_prune_deletes_what_is_past_its_time(void **state)
{
    world *w = *state;
    int64_t deleted = -1;
    int rows = 0;
    const int64_t day_ms = 86400 * 1000;
    assert_int_equal(
        wxtp_tenant_add_own(w->platform, "wxown", "appsecret-of-wxown", WXTP_ACCOUNT_SERVICE, 1, NULL),
        WXTP_OK);
    assert_int_equal(wxtp_tenant_set_certified(w->platform, "wxown", 0, NULL), WXTP_OK);
    fake_clock_advance(&w->clock, 399 * day_ms);
    assert_int_equal(wxtp_platform_prune(w->platform, &deleted, NULL), WXTP_OK);
    assert_int_equal(deleted, 0);
    fake_clock_advance(&w->clock, 2 * day_ms);
    assert_int_equal(wxtp_platform_prune(w->platform, &deleted, NULL), WXTP_OK);
    assert_int_equal(deleted, 1);
    assert_int_equal(wxtp_audit_list(w->platform, "wxown", 0, 10, count_audit, &rows, NULL), WXTP_OK);
    assert_int_equal(rows, 0);
}

/* ---- Diagnosis ---- */

typedef struct checks {
    char text[8192];
} checks;

static void note_check(void *user, const char *name, wxtp_check_status status, const char *kind,
                       const char *detail, const char *hint)
{
    checks *all = user;
    size_t len = strlen(all->text);
    assert_true(status == WXTP_CHECK_OK || (strlen(hint) > 0 && strlen(kind) > 0));
    (void)snprintf(all->text + len, sizeof(all->text) - len, "%s=%d %s\n", name, (int)status, detail);
}

static checks diagnose(world *w)
{
    checks all = {0};
    assert_int_equal(wxtp_platform_diagnose(w->platform, note_check, &all, NULL), WXTP_OK);
    return all;
}

static void assert_said(const checks *all, const char *part)
{
    if (!strstr(all->text, part)) {
        fail_msg("\"%s\" is not in:\n%s", part, all->text);
    }
}

static void a_sound_platform_passes_every_check(void **state)
{
    world *w = *state;
    fake_http_on(&w->http, "api_create_preauthcode", NULL, -1,
                 "{\"pre_auth_code\":\"x\",\"expires_in\":1800}");
    checks all = diagnose(w);
    static const char *const names[] = {"database", "sqlite", "key",     "platform", "ticket",
                                        "clock",    "api",    "tenants", "jobs",     "component_token"};
    for (size_t at = 0; at < sizeof(names) / sizeof(names[0]); at++) {
        char part[64];
        (void)snprintf(part, sizeof(part), "%s=0", names[at]);
        assert_said(&all, part);
    }
    assert_null(strstr(all.text, WORLD_APPSECRET));
}

/* Symptom: 61005 component ticket is expired, every day until a restart. */
static void a_late_ticket_warns_and_an_expired_one_fails(void **state)
{
    world *w = *state;
    fake_http_on(&w->http, "api_create_preauthcode", NULL, -1,
                 "{\"pre_auth_code\":\"x\",\"expires_in\":1800}");
    fake_clock_advance(&w->clock, 31 * 60 * 1000);
    checks all = diagnose(w);
    assert_said(&all, "ticket=1");
    fake_clock_advance(&w->clock, INT64_C(12) * 3600 * 1000);
    all = diagnose(w);
    assert_said(&all, "ticket=2");
}

/* Symptom: 40164 invalid ip, not in whitelist, but my address is listed. */
static void the_address_that_WeChat_saw_is_named(void **state)
{
    world *w = *state;
    fake_http_on(&w->http, "api_create_preauthcode", NULL, -1,
                 "{\"errcode\":40164,\"errmsg\":\"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in "
                 "whitelist rid: "
                 "63f0-1\"}");
    checks all = diagnose(w);
    assert_said(&all, "api=2 WeChat saw this machine as 203.0.113.7,");
    assert_said(&all, "40164");
}

static void without_a_platform_any_answer_tells_that_the_api_is_reached(void **state)
{
    world *w = *state;
    assert_int_equal(world_open(w, w->database, w->key, &w->platform, NULL), WXTP_OK);
    checks all = diagnose(w);
    assert_said(&all, "platform=1");
    assert_said(&all, "api=2 https://api.weixin.qq.com cannot be reached");
    fake_http_fail(&w->http, "https://api.weixin.qq.com/", NULL, -1, WXTP_HTTP_ANSWERED, 404);
    all = diagnose(w);
    assert_said(&all, "api=0 https://api.weixin.qq.com answers (HTTP 404)");
    assert_null(strstr(all.text, "\nticket="));
}

static void a_key_file_that_does_not_fit_any_more_fails(void **state)
{
    world *w = *state;
    char fresh[128];
    (void)snprintf(fresh, sizeof(fresh), "%s/new.key", w->folder);
    assert_int_equal(wxtp_platform_rekey(w->platform, fresh, NULL), WXTP_OK);
    checks all = diagnose(w);
    assert_said(&all, "key=2");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, world_setup_platform, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(an_update_names_only_what_changes_and_keeps_the_previous),
        WITH(I9_malformed_secrets_are_refused_and_not_shown),
        WITH(each_visits_outside_any_transaction),
        WITH(info_tells_ticket_token_and_tenants),
        WITH(links_are_those_of_the_documentation),
        WITH(impossible_links_ask_WeChat_nothing),
        WITH(rekey_seals_under_the_new_key_alone),
        WITH(a_backup_is_written_once_and_opens),
        WITH(I9_check_finds_a_secret_moved_to_another_row),
        WITH(I11_prune_deletes_what_is_past_its_time),
        WITH(a_sound_platform_passes_every_check),
        WITH(a_late_ticket_warns_and_an_expired_one_fails),
        WITH(the_address_that_WeChat_saw_is_named),
        cmocka_unit_test_setup_teardown(without_a_platform_any_answer_tells_that_the_api_is_reached,
                                        world_setup, world_teardown),
        WITH(a_key_file_that_does_not_fit_any_more_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
