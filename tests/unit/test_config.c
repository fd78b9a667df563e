/* Settings, ports and rows of the catalog. */
#include "unit.h"

#include <stdio.h>
#include <wxtp/config.h>

#include "api/config.h"

static wxtp_config *fresh_config(void)
{
    wxtp_config *config = NULL;
    assert_int_equal(wxtp_config_new(NULL, &config), WXTP_OK);
    return config;
}

static wx_settings settings_of(const wxtp_config *config)
{
    wx_settings settings;
    wx_settings_read((const char *const *)config->values, &settings);
    return settings;
}

typedef struct listed {
    size_t count;
    bool component, user_agent;
} listed;

static void see_setting(void *user, const char *name, const char *type, const char *range,
                        const char *default_value, const char *meaning)
{
    listed *seen = user;
    wxtp_config *config = fresh_config();
    seen->count++;
    seen->component |= strcmp(name, "component") == 0;
    seen->user_agent |= strcmp(name, "user_agent") == 0;
    assert_true(strlen(type) > 0 && strlen(range) > 0 && strlen(meaning) > 0);
    /* A default is a value like any other. */
    assert_int_equal(wxtp_config_set(config, name, default_value, NULL), WXTP_OK);
    wxtp_config_free(config);
}

static void the_table_lists_every_setting_with_a_valid_default(void **state)
{
    (void)state;
    listed seen = {0};
    wxtp_config_each(see_setting, &seen);
    assert_int_equal(seen.count, WX_SETTINGS);
    assert_true(seen.component && seen.user_agent);
}

static void defaults_are_those_documented(void **state)
{
    (void)state;
    wxtp_config *config = fresh_config();
    wx_settings settings = settings_of(config);
    assert_string_equal(settings.component, "");
    assert_string_equal(settings.api_base, "https://api.weixin.qq.com");
    assert_string_equal(settings.cloud_base, "http://api.weixin.qq.com");
    assert_int_equal(settings.concurrency, 16);
    assert_int_equal(settings.rate_per_second, 0);
    assert_int_equal(settings.timeout_ms, 10000);
    assert_int_equal(settings.max_wait_ms, 60000);
    assert_int_equal(settings.max_tries, 5);
    assert_true(settings.own_force_refresh);
    assert_int_equal(settings.audit_days, 400);
    assert_int_equal(settings.pushes_days, 30);
    assert_int_equal(settings.jobs_days, 90);
    wxtp_config_free(config);
}

static void values_out_of_range_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"concurrency", "0"},    {"concurrency", "1025"}, {"concurrency", "4x"},
        {"concurrency", ""},     {"concurrency", " 4"},   {"rate", "-1"},
        {"rate", "10001"},       {"timeout_ms", "99"},    {"timeout_ms", "99999999999999999999"},
        {"max_wait_ms", "-1"},   {"max_tries", "21"},     {"own_force_refresh", "maybe"},
        {"component", "wx 1"},   {"user_agent", ""},      {"user_agent", "a\nb"},
        {"audit_days", "36501"}, {"proxy", "a b"},        {"proxy", "ftp://x"},
        {"api_base", ""},
    };
    for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
        wxtp_config *config = fresh_config();
        wxtp_error *error = NULL;
        assert_int_equal(wxtp_config_set(config, cases[at][0], cases[at][1], &error), WXTP_ERR_INVALID);
        assert_string_equal(wxtp_error_kind(error), "usage");
        assert_non_null(strstr(wxtp_error_message(error), cases[at][0]));
        assert_int_equal(settings_of(config).concurrency, 16);
        wxtp_error_free(error);
        wxtp_config_free(config);
    }
}

static void plain_http_is_for_loopback_hosts_alone(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool ok;
    } cases[] = {
        {"http://127.0.0.1:8080", true},
        {"http://127.9.8.7", true},
        {"http://localhost:1/", true},
        {"http://[::1]:8080", true},
        {"https://sh.api.weixin.qq.com", true},
        {"https://proxy.example:8443/weixin/", true},
        {"http://api.weixin.qq.com", false},
        {"http://127.0.0.1.example.com", false},
        {"http://127.1", false},
        {"http://localhost@example.com", false},
        {"http://localhost.example.com", false},
        {"http://128.0.0.1", false},
        {"https://user:password@example.com", false},
        {"https://example.com/?a=b", false},
        {"https://example.com:0", false},
        {"https://example.com:99999", false},
        {"https://", false},
        {"https:///path", false},
        {"ftp://localhost", false},
        {"http://[::1", false},
        {"http://[::1]x", false},
    };
    for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
        wxtp_config *config = fresh_config();
        wxtp_status status = wxtp_config_set(config, "api_base", cases[at].url, NULL);
        if (status != (cases[at].ok ? WXTP_OK : WXTP_ERR_INVALID)) {
            fail_msg("%s: %s", cases[at].url, wxtp_status_name(status));
        }
        wxtp_config_free(config);
    }
}

static void the_cloud_base_follows_a_loopback_api_base(void **state)
{
    (void)state;
    wxtp_config *config = fresh_config();
    assert_int_equal(wxtp_config_set(config, "api_base", "http://127.0.0.1:9/", NULL), WXTP_OK);
    assert_string_equal(settings_of(config).api_base, "http://127.0.0.1:9");
    assert_string_equal(settings_of(config).cloud_base, "http://127.0.0.1:9");
    assert_int_equal(wxtp_config_set(config, "api_base", "https://hk.api.weixin.qq.com", NULL), WXTP_OK);
    assert_string_equal(settings_of(config).cloud_base, "http://api.weixin.qq.com");
    assert_int_equal(wxtp_config_set(config, "cloud_base", "http://cloud.example", NULL), WXTP_OK);
    assert_string_equal(settings_of(config).cloud_base, "http://cloud.example");
    wxtp_config_free(config);
}

static void NULL_goes_back_to_the_default(void **state)
{
    (void)state;
    wxtp_config *config = fresh_config();
    assert_int_equal(wxtp_config_set(config, "max_tries", "7", NULL), WXTP_OK);
    assert_int_equal(settings_of(config).max_tries, 7);
    assert_int_equal(wxtp_config_set(config, "max_tries", NULL, NULL), WXTP_OK);
    assert_int_equal(settings_of(config).max_tries, 5);
    wxtp_config_free(config);
}

static void an_unknown_setting_is_not_found(void **state)
{
    (void)state;
    wxtp_config *config = fresh_config();
    wxtp_error *error = NULL;
    assert_int_equal(wxtp_config_set(config, "colour", "red", &error), WXTP_ERR_NOT_FOUND);
    assert_string_equal(wxtp_error_kind(error), "not_found");
    wxtp_error_free(error);
    assert_int_equal(wxtp_config_set(NULL, "rate", "1", NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_config_set(config, NULL, "1", NULL), WXTP_ERR_INVALID);
    wxtp_config_free(config);
}

static void I9_a_refused_proxy_is_not_shown(void **state)
{
    (void)state;
    wxtp_config *config = fresh_config();
    wxtp_error *error = NULL;
    assert_int_equal(wxtp_config_set(config, "proxy", "http://user:hunter22@pro xy", &error),
                     WXTP_ERR_INVALID);
    assert_null(strstr(wxtp_error_message(error), "hunter22"));
    assert_null(strstr(wxtp_error_hint(error), "hunter22"));
    wxtp_error_free(error);
    wxtp_config_free(config);
}

static void ports_of_too_small_a_size_are_refused(void **state)
{
    (void)state;
    wxtp_config *config = fresh_config();
    wxtp_clock clock = *wxtp_clock_system();
    assert_int_equal(wxtp_config_set_clock(config, &clock), WXTP_OK);
    clock.struct_size--;
    assert_int_equal(wxtp_config_set_clock(config, &clock), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_config_set_clock(config, NULL), WXTP_OK);
    assert_int_equal(wxtp_config_set_http(config, &(wxtp_http){.struct_size = sizeof(wxtp_http)}),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_config_set_log(config, &(wxtp_log){.struct_size = sizeof(wxtp_log)}),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_config_set_store(config, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_config_set_master_key(config, NULL), WXTP_ERR_INVALID);
    wxtp_config_free(config);
    const wxtp_allocator allocator = {.struct_size = 1};
    assert_int_equal(wxtp_config_new(&allocator, &config), WXTP_ERR_INVALID);
    assert_null(config);
}

static wxtp_api_row good_row(void)
{
    static const int sets[] = {2, 100, 0};
    return (wxtp_api_row){
        .struct_size = sizeof(wxtp_api_row),
        .name = "getFollowers",
        .path = "/cgi-bin/user/get",
        .permission_sets = sets,
        .official_accounts_only = true,
        .list_max = 20,
        .list_field = "openid_list",
    };
}

static void a_host_adds_rows_to_the_catalog(void **state)
{
    (void)state;
    wxtp_config *config = fresh_config();
    wxtp_api_row row = good_row();
    assert_int_equal(wxtp_config_add_api(config, &row, NULL), WXTP_OK);
    assert_int_equal(wxtp_config_add_api(config, &row, NULL), WXTP_ERR_EXISTS);
    row.name = "batchUnblacklist";
    assert_int_equal(wxtp_config_add_api(config, &row, NULL), WXTP_ERR_EXISTS);
    assert_int_equal(config->api_count, 1);
    assert_string_equal(config->apis[0].token_parameter, "access_token");
    assert_int_equal(config->apis[0].permission_sets[1], 100);
    assert_int_equal(config->apis[0].permission_sets[2], 0);
    wxtp_config_free(config);
}

static void malformed_rows_are_refused(void **state)
{
    (void)state;
    wxtp_config *config = fresh_config();
    wxtp_api_row rows[8];
    for (size_t at = 0; at < 8; at++) {
        rows[at] = good_row();
    }
    rows[0].name = "a b";
    rows[1].path = "cgi-bin";
    rows[2].path = "/a?access_token=x";
    rows[3].list_max = 21;
    rows[4].list_field = NULL;
    rows[5].permission_sets = (const int[]){1, 2, 3, 4, 5, 6, 7, 8, 0};
    rows[6].struct_size = 8;
    rows[7].token_parameter = "a&b";
    for (size_t at = 0; at < 8; at++) {
        wxtp_error *error = NULL;
        assert_int_equal(wxtp_config_add_api(config, &rows[at], &error), WXTP_ERR_INVALID);
        assert_int_equal(wxtp_error_advice(error), WXTP_ADVICE_FIX_CALL);
        wxtp_error_free(error);
    }
    assert_int_equal(config->api_count, 0);
    wxtp_config_free(config);
}

static wxtp_status build(wxtp_config **config, const wxtp_allocator *allocator)
{
    wxtp_status status = wxtp_config_new(allocator, config);
    wxtp_api_row row = good_row();
    if (status == WXTP_OK) {
        status = wxtp_config_set(*config, "proxy", "http://user:password@proxy:1", NULL);
    }
    return status == WXTP_OK ? wxtp_config_add_api(*config, &row, NULL) : status;
}

static void I11_running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    wxtp_status status = WXTP_ERR_NOMEM;
    size_t fail_at = 1;
    for (; status != WXTP_OK && fail_at < 100; fail_at++) {
        counting memory;
        wxtp_config *config = NULL;
        counting_init(&memory);
        memory.fail_at = fail_at;
        status = build(&config, &memory.allocator);
        assert_true(status == WXTP_OK || status == WXTP_ERR_NOMEM);
        wxtp_config_free(config);
        assert_int_equal(memory.live, 0);
        assert_int_equal(memory.not_zeroed, 0);
    }
    assert_int_equal(status, WXTP_OK);
    assert_true(fail_at > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_lists_every_setting_with_a_valid_default),
        cmocka_unit_test(defaults_are_those_documented),
        cmocka_unit_test(values_out_of_range_are_refused_and_change_nothing),
        cmocka_unit_test(plain_http_is_for_loopback_hosts_alone),
        cmocka_unit_test(the_cloud_base_follows_a_loopback_api_base),
        cmocka_unit_test(NULL_goes_back_to_the_default),
        cmocka_unit_test(an_unknown_setting_is_not_found),
        cmocka_unit_test(I9_a_refused_proxy_is_not_shown),
        cmocka_unit_test(ports_of_too_small_a_size_are_refused),
        cmocka_unit_test(a_host_adds_rows_to_the_catalog),
        cmocka_unit_test(malformed_rows_are_refused),
        cmocka_unit_test(I11_running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
