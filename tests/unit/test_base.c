#include "unit.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    for (size_t size = 1; size < 100; size++) {
        unsigned char *bytes = wx_alloc(&memory.allocator, size);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
        for (size_t at = 0; at < size; at++) {
            assert_int_equal(bytes[at], 0);
        }
        memset(bytes, 'S', size);
        bytes = wx_resize(&memory.allocator, bytes, size * 2);
        assert_int_equal(bytes[size - 1], 'S');
        assert_int_equal(bytes[size], 0);
        bytes = wx_resize(&memory.allocator, bytes, 1);
        assert_int_equal(bytes[0], 'S');
        wxtp_free(bytes);
    }
    assert_int_equal(memory.live, 0);
    assert_int_equal(memory.not_zeroed, 0);
}

static void memory_refuses_overflow(void **state)
{
    (void)state;
    assert_null(wx_alloc(NULL, 0));
    assert_null(wx_alloc(NULL, SIZE_MAX));
    assert_null(wx_alloc(NULL, SIZE_MAX - 8));
    assert_null(wx_alloc_array(NULL, SIZE_MAX / 2, 3));
    assert_null(wx_alloc_array(NULL, SIZE_MAX / 16 + 2, 16));
    assert_null(wx_alloc_array(NULL, 5, 0));
    assert_null(wx_strndup(NULL, "x", SIZE_MAX));
    assert_null(wx_strdup(NULL, NULL));
    wx_free(NULL);
    wxtp_free(NULL);
}

static void memory_survives_its_allocator_struct(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    wxtp_allocator *copy = malloc(sizeof(*copy));
    assert_non_null(copy);
    *copy = memory.allocator;
    char *text = wx_strdup(copy, "outlives");
    free(copy);
    wx_free(text);
    assert_int_equal(memory.live, 0);
}

static void resize_keeps_the_old_on_failure(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    char *text = wx_strdup(&memory.allocator, "kept");
    memory.fail_at = 2;
    assert_null(wx_resize(&memory.allocator, text, 4096));
    assert_string_equal(text, "kept");
    wx_free(text);
    assert_int_equal(memory.live, 0);
}

static void take_and_auto(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    char *out = NULL;
    {
        WX_AUTO_FREE char *freed = wx_strdup(&memory.allocator, "a");
        WX_AUTO_FREE char *taken = wx_strdup(&memory.allocator, "b");
        assert_non_null(freed);
        out = WX_TAKE(taken);
    }
    assert_int_equal(memory.live, 1);
    assert_string_equal(out, "b");
    wx_free(out);
    char small[4];
    assert_true(wx_copy(small, sizeof(small), "abc"));
    assert_false(wx_copy(small, sizeof(small), "abcd"));
    assert_string_equal(small, "abc");
    assert_true(wx_copy(small, sizeof(small), NULL));
    assert_string_equal(small, "");
}

static void buf_ceiling(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    WX_AUTO_BUF buf;
    for (size_t max = 0; max < 300; max++) {
        wx_buf_init(&buf, &memory.allocator, max);
        assert_string_equal(wx_buf_str(&buf), "");
        for (size_t at = 0; at < max; at++) {
            assert_true(wx_buf_add(&buf, "x", 1));
        }
        assert_int_equal(strlen(wx_buf_str(&buf)), max);
        assert_true(wx_buf_add(&buf, NULL, 0));
        assert_false(wx_buf_add(&buf, "y", 1));
        assert_true(buf.failed);
        assert_false(wx_buf_text(&buf, ""));
        assert_int_equal(buf.len, max);
        assert_null(wx_buf_take(&buf));
        wx_buf_clear(&buf);
        assert_int_equal(wx_buf_printf(&buf, "%s", "z"), max > 0);
        wx_buf_free(&buf);
    }
    wx_buf_init(&buf, &memory.allocator, 5);
    assert_true(wx_buf_printf(&buf, "%s%d", "ab", 123));
    assert_false(wx_buf_printf(&buf, "%s", "c"));
    wx_buf_free(&buf);
    wx_buf_init(&buf, &memory.allocator, 5);
    assert_false(wx_buf_add(&buf, "x", SIZE_MAX));
    wx_buf_free(&buf);
    assert_int_equal(memory.live, 0);
    assert_int_equal(memory.not_zeroed, 0);
}

static void buf_take_and_percent(void **state)
{
    (void)state;
    WX_AUTO_BUF buf;
    wx_buf_init(&buf, NULL, 100);
    assert_true(wx_buf_percent(&buf, "aZ9-._~ &=/?\xE5\x8F\x96"));
    char *text = wx_buf_take(&buf);
    assert_string_equal(text, "aZ9-._~%20%26%3D%2F%3F%E5%8F%96");
    wx_free(text);
    text = wx_buf_take(&buf);
    assert_string_equal(text, "");
    wx_free(text);
}

static void buf_out_of_memory(void **state)
{
    (void)state;
    for (size_t n = 1; n < 8; n++) {
        counting memory;
        counting_init(&memory);
        memory.fail_at = n;
        WX_AUTO_BUF buf;
        wx_buf_init(&buf, &memory.allocator, 4000);
        for (int at = 0; at < 100; at++) {
            (void)wx_buf_printf(&buf, "%s", "0123456789");
        }
        assert_int_equal(buf.failed, n <= 5);
        wx_buf_free(&buf);
        assert_int_equal(memory.live, 0);
        assert_int_equal(memory.not_zeroed, 0);
    }
}

static const wxtp_status statuses[] = {
    WXTP_ERR_INVALID,       WXTP_ERR_NOT_FOUND,   WXTP_ERR_AMBIGUOUS,   WXTP_ERR_STATE,
    WXTP_ERR_TOO_LARGE,     WXTP_ERR_FORKED,      WXTP_ERR_EXISTS,      WXTP_ERR_FULL,
    WXTP_ERR_NOMEM,         WXTP_ERR_STORE,       WXTP_ERR_STORE_NEWER, WXTP_ERR_STORE_BUSY,
    WXTP_ERR_KEY,           WXTP_ERR_CONFLICT,    WXTP_ERR_INTERNAL,    WXTP_ERR_IO,
    WXTP_ERR_REFUSED,       WXTP_ERR_CREDENTIALS, WXTP_ERR_TICKET,      WXTP_ERR_SIGNATURE,
    WXTP_ERR_CONFIGURATION, WXTP_ERR_REAUTHORIZE, WXTP_ERR_QUOTA,       WXTP_ERR_RATE,
    WXTP_ERR_UNAVAILABLE,   WXTP_ERR_WECHAT,      WXTP_ERR_INTERRUPTED, WXTP_ERR_SUSPECT_LIST,
    WXTP_ERR_CANCELLED,     WXTP_ERR_DEADLINE,
};

static void every_status_has_words(void **state)
{
    (void)state;
    assert_string_equal(wxtp_status_name(WXTP_OK), "WXTP_OK");
    assert_string_equal(wxtp_status_name((wxtp_status)-999), "WXTP_ERR_UNKNOWN");
    assert_string_equal(wx_status_kind(WXTP_OK), "");
    for (size_t at = 0; at < sizeof(statuses) / sizeof(statuses[0]); at++) {
        wx_err err;
        assert_int_equal(wx_fail(&err, statuses[at], "%s", "m"), statuses[at]);
        assert_true(strncmp(wxtp_status_name(statuses[at]), "WXTP_ERR_", 9) == 0);
        assert_string_not_equal(wxtp_status_name(statuses[at]), "WXTP_ERR_UNKNOWN");
        assert_true(strlen(err.kind) > 0 && strlen(err.hint) > 0);
        assert_string_equal(err.kind, wx_status_kind(statuses[at]));
    }
    assert_string_equal(wx_status_kind(WXTP_ERR_TICKET), "ticket");
    assert_string_equal(wx_status_kind(WXTP_ERR_INVALID), "usage");
}

static void errors_are_given(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    wx_err err;
    (void)wx_fail(&err, WXTP_ERR_QUOTA, "used\nup by %s", "wx1");
    wx_err_tenant(&err, "wx1");
    wx_err_kind(&err, "quota_exhausted");
    wx_err_hint(&err, "wait for %d h", 3);
    err.errcode = 45009;
    err.retry_after_ms = 7;
    wxtp_error *error = NULL;
    assert_int_equal(wx_err_give(&error, &memory.allocator, &err), WXTP_ERR_QUOTA);
    assert_int_equal(wxtp_error_status(error), WXTP_ERR_QUOTA);
    assert_string_equal(wxtp_error_message(error), "used up by wx1");
    assert_string_equal(wxtp_error_hint(error), "wait for 3 h");
    assert_string_equal(wxtp_error_kind(error), "quota_exhausted");
    assert_string_equal(wxtp_error_tenant(error), "wx1");
    assert_string_equal(wxtp_error_rid(error), "");
    assert_int_equal(wxtp_error_errcode(error), 45009);
    assert_int_equal(wxtp_error_advice(error), WXTP_ADVICE_RETRY);
    assert_int_equal(wxtp_error_retry_after_ms(error), 7);
    wxtp_error_free(error);
    assert_int_equal(memory.live, 0);
    assert_int_equal(memory.not_zeroed, 0);

    memory.fail_at = 1;
    assert_int_equal(wx_err_give(&error, &memory.allocator, &err), WXTP_ERR_QUOTA);
    assert_int_equal(wxtp_error_status(error), WXTP_ERR_NOMEM);
    assert_string_equal(wxtp_error_kind(error), "internal");
    wxtp_error_free(error);
    wxtp_error_free(error);
    assert_int_equal(wx_err_give(NULL, NULL, &err), WXTP_ERR_QUOTA);
    error = NULL;
    wx_err_clear(&err);
    assert_int_equal(wx_err_give(&error, NULL, &err), WXTP_OK);
    assert_null(error);
    assert_int_equal(wxtp_error_status(NULL), WXTP_OK);
    assert_string_equal(wxtp_error_message(NULL), "");
    wxtp_error_free(NULL);
}

static void messages_may_quote_themselves(void **state)
{
    (void)state;
    wx_err err;
    (void)wx_fail(&err, WXTP_ERR_STORE, "inner");
    (void)wx_fail(&err, WXTP_ERR_TICKET, "outer: %s (%s)", err.message, err.kind);
    assert_string_equal(err.message, "outer: inner (store)");
}

static void redacted(const char *text, const char *wanted)
{
    const char *const secrets[] = {"SECRET-1", NULL, "short", "SECRET-1-LONGER", "1-LONGER-tail", ""};
    char copy[256];
    assert_true(wx_copy(copy, sizeof(copy), text));
    wx_redact(copy, secrets, 6);
    assert_string_equal(copy, wanted);
}

/* Symptom: access_token= and the appsecret stand in the log. */
static void i9_secrets_are_redacted(void **state)
{
    (void)state;
    redacted("", "");
    redacted("nothing here", "nothing here");
    redacted("a SECRET-1 b", "a *** b");
    redacted("SECRET-1", "***");
    redacted("xSECRET-1-LONGERy", "x***y");
    redacted("SECRET-1-LONGER-tail!", "***!");
    redacted("SECRET-1SECRET-1", "***");
    redacted("a short b", "a short b");
    redacted("cut at the end: SECRET", "cut at the end: ***");
    redacted("cut at the end: SECRE", "cut at the end: SECRE");
    wx_redact(NULL, NULL, 0);
    wx_err err;
    (void)wx_fail(&err, WXTP_ERR_WECHAT, "token=%s", "ABCDEFG");
    wx_err_hint(&err, "use ABCDEFG");
    const char *const secrets[] = {"ABCDEFG"};
    wx_err_redact(&err, secrets, 1);
    assert_string_equal(err.message, "token=***");
    assert_string_equal(err.hint, "use ***");
}

static void runs_redacted(const char *text, bool cut, const char *wanted)
{
    char copy[256];
    assert_true(wx_copy(copy, sizeof(copy), text));
    wx_redact_runs(copy, cut);
    assert_string_equal(copy, wanted);
}

#define RUN_31 "abcdefghij_KLMNOPQRS-0123456789"
#define RUN_32 RUN_31 "@"

static void I9_what_may_be_a_credential_is_redacted(void **state)
{
    (void)state;
    runs_redacted("", false, "");
    runs_redacted("invalid credential", false, "invalid credential");
    runs_redacted("not allowed: " RUN_32, false, "not allowed: ***");
    runs_redacted(RUN_32 "=+" RUN_32 "!", false, "***!");
    runs_redacted("[" RUN_32 "][" RUN_32 "]", false, "[***][***]");
    runs_redacted(RUN_31, false, RUN_31);
    runs_redacted("wx0123456789abcdef o6_bmjrPTlm6_2sgVt7hMZOPfL2M ip 2001:db8::1", false,
                  "wx0123456789abcdef o6_bmjrPTlm6_2sgVt7hMZOPfL2M ip 2001:db8::1");
    runs_redacted("x rid: 5f0c1234-5a6b7c8d-0f1e2d3c", false, "x rid: 5f0c1234-5a6b7c8d-0f1e2d3c");
    /* How long it was before the cut nobody knows. */
    runs_redacted("token ABCDEFGH", true, "token ***");
    runs_redacted("token AB", true, "token **");
    runs_redacted("token: ", true, "token: ");
}

static void what_follows_from_an_answer_keeps_its_errcode(void **state)
{
    (void)state;
    wx_err err = {0};
    (void)wx_fail(&err, WXTP_ERR_WECHAT, "refused");
    wx_err_tenant(&err, "wx1");
    err.errcode = 61003;
    (void)wx_copy(err.rid, sizeof(err.rid), "1-2-3");
    err.retry_after_ms = 7;
    assert_int_equal(wx_fail_after(&err, WXTP_ERR_REFUSED, "so: %s", err.message), WXTP_ERR_REFUSED);
    assert_string_equal(err.message, "so: refused");
    assert_string_equal(err.kind, "refused_by_wechat");
    assert_string_equal(err.tenant, "wx1");
    assert_string_equal(err.rid, "1-2-3");
    assert_int_equal(err.errcode, 61003);
    assert_int_equal(err.retry_after_ms, 0);
    wx_err_settle(&err);
    assert_int_equal(err.status, WXTP_OK);
    assert_string_equal(err.message, "");
    assert_string_equal(err.rid, "1-2-3");
    assert_int_equal(err.errcode, 61003);
}

static void log_write(void *user, wxtp_log_level level, const char *line)
{
    (void)level;
    (void)wx_copy(user, 2048, line);
}

static void log_lines(void **state)
{
    (void)state;
    char line[2048] = "";
    wxtp_log log = {sizeof(log), line, WXTP_LOG_INFO, log_write};
    wx_log(&log, WXTP_LOG_DEBUG, "%s", "no");
    assert_string_equal(line, "");
    wx_log(&log, WXTP_LOG_INFO, "a\nb\x1b[0m\xC2\x9B%d", 1);
    assert_string_equal(line, "a b [0m  1");
    char longer[3000];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    wx_log(&log, WXTP_LOG_ERROR, "%s", longer);
    assert_int_equal(strlen(line), 1023);
    wx_log(NULL, WXTP_LOG_ERROR, "x");
    log.write = NULL;
    wx_log(&log, WXTP_LOG_ERROR, "x");
}

static void numbers(void **state)
{
    (void)state;
    int64_t value = 5;
    assert_true(wx_text_int64("9223372036854775807", 19, &value) && value == INT64_MAX);
    assert_true(wx_text_int64("-9223372036854775808", 20, &value) && value == INT64_MIN);
    assert_true(wx_text_int64("-0", 2, &value) && value == 0);
    assert_true(wx_text_int64("00012x", 5, &value) && value == 12);
    value = 5;
    const char *const bad[] = {"",
                               "-",
                               "+1",
                               " 1",
                               "1 ",
                               "1.0",
                               "0x1",
                               "9223372036854775808",
                               "-9223372036854775809",
                               "99999999999999999999"};
    for (size_t at = 0; at < sizeof(bad) / sizeof(bad[0]); at++) {
        assert_false(wx_text_int64(bad[at], strlen(bad[at]), &value));
    }
    assert_false(wx_text_int64(NULL, 0, &value));
    assert_int_equal(value, 5);
}

static void ids(void **state)
{
    (void)state;
    char long_id[66];
    memset(long_id, 'o', 65);
    long_id[65] = '\0';
    assert_true(wx_openid_ok(long_id, 64));
    assert_false(wx_openid_ok(long_id, 65));
    assert_true(wx_openid_ok("-o_Az9", 6));
    assert_false(wx_openid_ok("", 0));
    assert_false(wx_openid_ok("o\0x", 3));
    assert_false(wx_openid_ok("o x", 3));
    assert_false(wx_openid_ok("o\xE5", 2));
    assert_true(wx_appid_ok("wx0123456789abcdef"));
    assert_true(wx_appid_ok(long_id + 2));
    assert_false(wx_appid_ok(long_id + 1));
    assert_false(wx_appid_ok(""));
    assert_false(wx_appid_ok(NULL));
    assert_false(wx_appid_ok("wx/.."));
}

static void utf8(void **state)
{
    (void)state;
    const char *const good[] = {"",
                                "a",
                                "\xC2\x80",
                                "\xDF\xBF",
                                "\xE0\xA0\x80",
                                "\xED\x9F\xBF",
                                "\xEE\x80\x80",
                                "\xF0\x90\x80\x80",
                                "\xF4\x8F\xBF\xBF",
                                "\xEF\xBF\xBF"};
    const char *const bad[] = {"\x80",
                               "\xC0\x80",
                               "\xC1\xBF",
                               "\xC2",
                               "\xE0\x9F\xBF",
                               "\xED\xA0\x80",
                               "\xED\xBF\xBF",
                               "\xF0\x8F\xBF\xBF",
                               "\xF4\x90\x80\x80",
                               "\xF5\x80\x80\x80",
                               "\xFF",
                               "\xE5\x8F",
                               "\xF0\x9F\x98",
                               "\xE5\x8Fx",
                               "\xF0\x9F\x98x",
                               "\xC2x"};
    for (size_t at = 0; at < sizeof(good) / sizeof(good[0]); at++) {
        assert_true(wx_utf8_ok(good[at], strlen(good[at])));
    }
    for (size_t at = 0; at < sizeof(bad) / sizeof(bad[0]); at++) {
        assert_false(wx_utf8_ok(bad[at], strlen(bad[at])));
    }
    char cut[] = "ab\xE5\x8F";
    wx_text_one_line(cut);
    assert_string_equal(cut, "ab");
    char stray[] = "a\x80z\xFFz";
    wx_text_one_line(stray);
    assert_string_equal(stray, "a?z?z");
    char turned[] = "a\xE2\x80\xAE"
                    "b\xE2\x80\xA8"
                    "c\xE2\x81\xA9"
                    "d\xD8\x9C"
                    "e\xE2\x80\x8F\n\xE2\x80\x9C店";
    wx_text_one_line(turned);
    assert_string_equal(turned, "a   b   c   d  e    \xE2\x80\x9C店");
}

static void beijing(void **state)
{
    (void)state;
    const int64_t day = 86400000;
    const int64_t hour = 3600000;
    assert_int_equal(wx_beijing_day(0), 0);
    assert_int_equal(wx_beijing_midnight_ms(0), 16 * hour);
    assert_int_equal(wx_beijing_midnight_ms(16 * hour - 1), 16 * hour);
    assert_int_equal(wx_beijing_midnight_ms(16 * hour), 16 * hour + day);
    assert_int_equal(wx_beijing_day(16 * hour), 1);
    assert_int_equal(wx_beijing_day(-8 * hour), 0);
    assert_int_equal(wx_beijing_day(-8 * hour - 1), -1);
    /* 2026-01-01T00:00:00+08:00 */
    assert_int_equal(wx_beijing_midnight_ms(1767196799999), 1767196800000);
    assert_true(wx_beijing_midnight_ms(INT64_MAX) > 0);
    assert_true(wx_beijing_midnight_ms(INT64_MIN) < 0);
    assert_int_equal(wx_hash(""), 14695981039346656037U);
    assert_int_equal(wx_hash("a"), 0xaf63dc4c8601ec8cU);
    assert_int_equal(wx_hash(NULL), wx_hash(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(memory_refuses_overflow),
        cmocka_unit_test(memory_survives_its_allocator_struct),
        cmocka_unit_test(resize_keeps_the_old_on_failure),
        cmocka_unit_test(take_and_auto),
        cmocka_unit_test(buf_ceiling),
        cmocka_unit_test(buf_take_and_percent),
        cmocka_unit_test(buf_out_of_memory),
        cmocka_unit_test(every_status_has_words),
        cmocka_unit_test(errors_are_given),
        cmocka_unit_test(messages_may_quote_themselves),
        cmocka_unit_test(i9_secrets_are_redacted),
        cmocka_unit_test(I9_what_may_be_a_credential_is_redacted),
        cmocka_unit_test(what_follows_from_an_answer_keeps_its_errcode),
        cmocka_unit_test(log_lines),
        cmocka_unit_test(numbers),
        cmocka_unit_test(ids),
        cmocka_unit_test(utf8),
        cmocka_unit_test(beijing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
