#include "unit.h"

#include "codec/answer.h"
#include "codec/errcode.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void every_documented_errcode(void **state)
{
    (void)state;
    static const struct {
        int64_t errcode;
        wx_errcode_class class_;
        wxtp_status status;
    } rows[] = {
        {-1, WX_ERRCODE_BUSY, WXTP_ERR_UNAVAILABLE},
        {0, WX_ERRCODE_OK, WXTP_OK},
        {40001, WX_ERRCODE_TOKEN, WXTP_ERR_CREDENTIALS},
        {40014, WX_ERRCODE_TOKEN, WXTP_ERR_CREDENTIALS},
        {42001, WX_ERRCODE_TOKEN, WXTP_ERR_CREDENTIALS},
        {41001, WX_ERRCODE_TOKEN, WXTP_ERR_CREDENTIALS},
        {61023, WX_ERRCODE_REFRESH_TOKEN_DEAD, WXTP_ERR_REAUTHORIZE},
        {61009, WX_ERRCODE_CODE_BAD, WXTP_ERR_CREDENTIALS},
        {61010, WX_ERRCODE_CODE_BAD, WXTP_ERR_CREDENTIALS},
        {40003, WX_ERRCODE_BAD_OPENID, WXTP_ERR_WECHAT},
        {49003, WX_ERRCODE_BAD_OPENID, WXTP_ERR_WECHAT},
        {40032, WX_ERRCODE_TOO_MANY, WXTP_ERR_WECHAT},
        {40013, WX_ERRCODE_CONFIGURATION, WXTP_ERR_CONFIGURATION},
        {40125, WX_ERRCODE_CONFIGURATION, WXTP_ERR_CONFIGURATION},
        {41002, WX_ERRCODE_CONFIGURATION, WXTP_ERR_CONFIGURATION},
        {41004, WX_ERRCODE_CONFIGURATION, WXTP_ERR_CONFIGURATION},
        {41018, WX_ERRCODE_CONFIGURATION, WXTP_ERR_CONFIGURATION},
        {45035, WX_ERRCODE_CONFIGURATION, WXTP_ERR_CONFIGURATION},
        {61011, WX_ERRCODE_CONFIGURATION, WXTP_ERR_CONFIGURATION},
        {61024, WX_ERRCODE_CONFIGURATION, WXTP_ERR_CONFIGURATION},
        {61000, WX_ERRCODE_CONFIGURATION, WXTP_ERR_CONFIGURATION},
        {40164, WX_ERRCODE_CONFIGURATION, WXTP_ERR_CONFIGURATION},
        {61004, WX_ERRCODE_CONFIGURATION, WXTP_ERR_CONFIGURATION},
        {43002, WX_ERRCODE_OUR_BUG, WXTP_ERR_WECHAT},
        {44002, WX_ERRCODE_OUR_BUG, WXTP_ERR_WECHAT},
        {47001, WX_ERRCODE_OUR_BUG, WXTP_ERR_WECHAT},
        {40097, WX_ERRCODE_OUR_BUG, WXTP_ERR_WECHAT},
        {45009, WX_ERRCODE_QUOTA, WXTP_ERR_QUOTA},
        {45011, WX_ERRCODE_RATE, WXTP_ERR_RATE},
        {48001, WX_ERRCODE_NO_RIGHT, WXTP_ERR_REFUSED},
        {61007, WX_ERRCODE_NO_RIGHT, WXTP_ERR_REFUSED},
        {48004, WX_ERRCODE_NO_RIGHT, WXTP_ERR_REFUSED},
        {50002, WX_ERRCODE_RESTRICTED, WXTP_ERR_REFUSED},
        {50005, WX_ERRCODE_UNAUTHORIZED, WXTP_ERR_REFUSED},
        {61003, WX_ERRCODE_UNAUTHORIZED, WXTP_ERR_REFUSED},
        {61005, WX_ERRCODE_TICKET, WXTP_ERR_TICKET},
        {61006, WX_ERRCODE_TICKET, WXTP_ERR_TICKET},
        {41030, WX_ERRCODE_OPENID_REFUSED, WXTP_ERR_WECHAT},
        {43004, WX_ERRCODE_OPENID_REFUSED, WXTP_ERR_WECHAT},
        {43005, WX_ERRCODE_OPENID_REFUSED, WXTP_ERR_WECHAT},
        {43019, WX_ERRCODE_OPENID_REFUSED, WXTP_ERR_WECHAT},
        {46004, WX_ERRCODE_OPENID_REFUSED, WXTP_ERR_WECHAT},
        {99999, WX_ERRCODE_UNKNOWN, WXTP_ERR_WECHAT},
        {INT64_MIN, WX_ERRCODE_UNKNOWN, WXTP_ERR_WECHAT},
    };
    for (size_t at = 0; at < COUNT(rows); at++) {
        const wx_errcode *row = wx_errcode_find(rows[at].errcode);
        assert_int_equal(row->class_, rows[at].class_);
        assert_int_equal(row->errcode, row->class_ == WX_ERRCODE_UNKNOWN ? 0 : rows[at].errcode);
        assert_int_equal(wx_errcode_status(row->class_), rows[at].status);
        assert_true(strlen(row->meaning) > 0);
        assert_true(row->class_ == WX_ERRCODE_OK || strlen(row->hint) > 0);
    }
    assert_int_equal(wx_errcode_status((wx_errcode_class)99), WXTP_ERR_WECHAT);
    int count = 0;
    const wx_errcode *all = wx_errcode_all(&count);
    assert_int_equal(count, COUNT(rows) - 2); /* but for the two unknown ones */
    for (int at = 0; at < count; at++) {
        assert_ptr_equal(wx_errcode_find(all[at].errcode), &all[at]);
        assert_int_not_equal(all[at].class_, WX_ERRCODE_UNKNOWN);
    }
}

static void sensible_answers(void **state)
{
    (void)state;
    static const struct {
        const char *body, *wants;
        int64_t errcode;
        bool has_errcode;
        const char *rid;
    } rows[] = {
        {"{\"errcode\":0,\"errmsg\":\"ok\"}", NULL, 0, true, ""},
        {"{\"errcode\":\"0\"}", NULL, 0, true, ""},
        {"\xEF\xBB\xBF{\"errcode\":0}\n", NULL, 0, true, ""},
        {"{\"access_token\":\"t\",\"expires_in\":7200}", "access_token", 0, false, ""},
        {"{\"errcode\":0,\"access_token\":\"t\"}", "access_token", 0, true, ""},
        {"{\"authorization_info\":{}}", "authorization_info", 0, false, ""},
        {"{\"errcode\":40001,\"errmsg\":\"invalid credential rid: 5f0c1234-5a6b7c8d-0f1e2d3c\"}",
         "access_token", 40001, true, "5f0c1234-5a6b7c8d-0f1e2d3c"},
        {"{\"errcode\":\"40003\",\"errmsg\":\"x\",\"rid\":\"abc-1\"}", NULL, 40003, true, "abc-1"},
        {"{\"errcode\":-1,\"errmsg\":\"system error\"}", NULL, -1, true, ""},
        {"{\"errcode\":40013,\"errmsg\":\"hint: [abc]\"}", NULL, 40013, true, ""},
        {"{\"errcode\":40013,\"errmsg\":\"grid: abc\"}", NULL, 40013, true, ""},
        {"{\"errcode\":40013,\"errmsg\":\"rid:\"}", NULL, 40013, true, ""},
        {"{\"errcode\":40013,\"errmsg\":\"rid: "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
         NULL, 40013, true, ""},
        {"{\"errcode\":45009,\"errmsg\":7}", NULL, 45009, true, ""},
    };
    for (size_t at = 0; at < COUNT(rows); at++) {
        WX_AUTO_ANSWER answer;
        wx_answer_read(&answer, 200, rows[at].body, strlen(rows[at].body), rows[at].wants);
        if (!answer.sensible || answer.errcode != rows[at].errcode ||
            answer.has_errcode != rows[at].has_errcode || strcmp(answer.rid, rows[at].rid) != 0 ||
            !answer.json) {
            fail_msg("misread: %s", rows[at].body);
        }
        wx_answer wrong_status;
        wx_answer_read(&wrong_status, 502, rows[at].body, strlen(rows[at].body), rows[at].wants);
        assert_false(wrong_status.sensible);
        assert_null(wrong_status.json);
        wx_answer_free(&wrong_status);
        /* Cut anywhere it makes no sense. */
        size_t whole = strlen(rows[at].body) - (rows[at].body[strlen(rows[at].body) - 1] == '\n');
        for (size_t len = 0; len < whole; len++) {
            WX_AUTO_ANSWER cut;
            wx_answer_read(&cut, 200, rows[at].body, len, rows[at].wants);
            assert_false(cut.sensible);
        }
    }
}

static void answers_without_sense(void **state)
{
    (void)state;
    const char *const bodies[] = {
        "",
        " ",
        "<html><body>502 Bad Gateway</body></html>",
        "[]",
        "[{\"errcode\":0}]",
        "0",
        "\"ok\"",
        "null",
        "{}",
        "{\"errcode\":null}",
        "{\"errcode\":true}",
        "{\"errcode\":{}}",
        "{\"errcode\":\"\"}",
        "{\"errcode\":\"x\"}",
        "{\"errcode\":1.5}",
        "{\"errcode\":99999999999999999999}",
        "{\"errmsg\":\"ok\"}",
        "{\"errcode\":0}{\"errcode\":0}",
    };
    for (size_t at = 0; at < COUNT(bodies); at++) {
        WX_AUTO_ANSWER answer;
        wx_answer_read(&answer, 200, bodies[at], strlen(bodies[at]), NULL);
        if (answer.sensible || answer.json) {
            fail_msg("makes sense: %s", bodies[at]);
        }
    }
    const char *const lacking[] = {"{\"errcode\":0}", "{\"errcode\":0,\"errmsg\":\"ok\"}",
                                   "{\"access_token\":null}", "{\"access_token\":\"\"}",
                                   "{\"expires_in\":7200}"};
    for (size_t at = 0; at < COUNT(lacking); at++) {
        WX_AUTO_ANSWER answer;
        wx_answer_read(&answer, 200, lacking[at], strlen(lacking[at]), "access_token");
        assert_false(answer.sensible);
    }
    WX_AUTO_ANSWER none;
    wx_answer_read(&none, 200, NULL, 0, NULL);
    assert_false(none.sensible);
    const long statuses[] = {0, 100, 199, 300, 302, 404, 500};
    for (size_t at = 0; at < COUNT(statuses); at++) {
        WX_AUTO_ANSWER answer;
        wx_answer_read(&answer, statuses[at], "{\"errcode\":0}", 13, NULL);
        assert_false(answer.sensible);
    }
}

static void errmsg_is_one_line_and_cut(void **state)
{
    (void)state;
    char body[2000] = "{\"errcode\":40003,\"errmsg\":\"a\\nb\\u001b";
    for (int at = 0; at < 200; at++) {
        strcat(body, "取");
    }
    strcat(body, " rid: 0-1-2\"}");
    WX_AUTO_ANSWER answer;
    wx_answer_read(&answer, 200, body, strlen(body), NULL);
    assert_true(answer.sensible);
    assert_memory_equal(answer.errmsg, "a b 取", 7);
    assert_int_equal(strlen(answer.errmsg), 4 + 83 * 3);
    assert_true(answer.errmsg_cut);
    /* The rid stands behind what was cut. */
    assert_string_equal(answer.rid, "0-1-2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_documented_errcode),
        cmocka_unit_test(sensible_answers),
        cmocka_unit_test(answers_without_sense),
        cmocka_unit_test(errmsg_is_one_line_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
