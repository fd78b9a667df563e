#include "unit.h"

#include <stdlib.h>

#include "codec/base64.h"
#include "codec/catalog.h"
#include "codec/json.h"
#include "codec/query.h"
#include "codec/xml.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- base64 ---- */

static void base64_both_ways(void **state)
{
    (void)state;
    char data[3000];
    for (size_t at = 0; at < sizeof(data); at++) {
        data[at] = (char)(at * 7 + at / 256);
    }
    for (size_t len = 0; len < sizeof(data); len += len < 20 ? 1 : 97) {
        WX_AUTO_BUF text;
        WX_AUTO_BUF back;
        wx_buf_init(&text, NULL, 8000);
        wx_buf_init(&back, NULL, 8000);
        assert_true(wx_base64_encode(&text, data, len));
        assert_int_equal(text.len, (len + 2) / 3 * 4);
        assert_true(wx_base64_decode(&back, text.data, text.len));
        assert_int_equal(back.len, len);
        assert_memory_equal(back.data, data, len);
    }
}

static void base64_is_strict(void **state)
{
    (void)state;
    const char *const bad[] = {"A",      "AA",       "AAA",        "A===",    "====", "AA=A",
                               "=AAA",   "AAAA====", "AAA\n",      "\nAAA",   "AA A", "AA-_",
                               "AAAA\n", "AAA=AAAA", "\xC3\xA9zz", "AAAAA==="};
    WX_AUTO_BUF out;
    wx_buf_init(&out, NULL, 100);
    for (size_t at = 0; at < COUNT(bad); at++) {
        assert_false(wx_base64_decode(&out, bad[at], strlen(bad[at])));
        assert_false(out.failed);
    }
    assert_false(wx_base64_decode(&out, "AA\0A", 4));
    assert_int_equal(out.len, 0);
    /* Unused bits may be anything. */
    assert_true(wx_base64_decode(&out, "QR==", 4));
    assert_string_equal(wx_buf_str(&out), "A");
    wx_buf_free(&out);
    wx_buf_init(&out, NULL, 2);
    assert_false(wx_base64_decode(&out, "AAAA", 4));
    assert_true(out.failed);
}

/* At the seams of the pieces that it is read in, too. */
static void base64_is_strict_everywhere(void **state)
{
    (void)state;
    char text[2052];
    WX_AUTO_BUF out;
    wx_buf_init(&out, NULL, 4000);
    for (size_t at = 0; at < sizeof(text); at++) {
        for (const char *bad = " \n\r\t-=.\x80"; *bad; bad++) {
            memset(text, 'A', sizeof(text));
            text[at] = *bad;
            const bool padding = *bad == '=' && at == sizeof(text) - 1;
            assert_int_equal(wx_base64_decode(&out, text, sizeof(text)), padding);
            wx_buf_clear(&out);
        }
    }
}

/* ---- XML ---- */

static wx_xml_result parse_once(const wxtp_allocator *allocator, const char *text, size_t len, wx_xml *xml)
{
    WX_AUTO_XML_READER reader = {.salt = 0};
    return wx_xml_parse(&reader, allocator, text, len, xml);
}

/* With a parser of its own, and with one that has read other texts before: it makes no difference. */
static wx_xml_result parse_xml(const char *text, size_t len, wx_xml *xml)
{
    static const char *const before[] = {"<xml><A>1</A><B>2</B></xml>", "<xml><A>1</A><B",
                                         "<!DOCTYPE a><a/>"};
    const wx_xml_result result = parse_once(NULL, text, len, xml);
    for (size_t at = 0; at < COUNT(before); at++) {
        WX_AUTO_XML_READER reader = {.salt = 0};
        WX_AUTO_XML first;
        WX_AUTO_XML second;
        (void)wx_xml_parse(&reader, NULL, before[at], strlen(before[at]), &first);
        assert_int_equal(wx_xml_parse(&reader, NULL, text, len, &second), result);
        assert_int_equal(second.count, xml->count);
        for (size_t field = 0; field < second.count; field++) {
            assert_string_equal(second.fields[field].name, xml->fields[field].name);
            assert_string_equal(second.fields[field].value, xml->fields[field].value);
        }
    }
    return result;
}

static wx_xml_result parse(const char *text, wx_xml *xml)
{
    return parse_xml(text, strlen(text), xml);
}

static void xml_fields(void **state)
{
    (void)state;
    WX_AUTO_XML xml;
    assert_int_equal(parse("\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xml a=\"b\">\n stray "
                           "<A><![CDATA[x]]><![CDATA[ <y>]]></A><B>1&amp;2&#x4e;</B><C/><A>second</A>"
                           "<D><E>in</E><F>side</F></D><G>取消</G></xml>\n",
                           &xml),
                     WX_XML_OK);
    assert_int_equal(xml.count, 6);
    assert_string_equal(wx_xml_get(&xml, "A"), "x <y>");
    assert_string_equal(wx_xml_get(&xml, "B"), "1&2N");
    assert_string_equal(wx_xml_get(&xml, "C"), "");
    assert_string_equal(wx_xml_get(&xml, "D"), "inside");
    assert_string_equal(wx_xml_get(&xml, "G"), "取消");
    assert_null(wx_xml_get(&xml, "E"));
    assert_null(wx_xml_get(&xml, "xml"));
    wx_xml_free(&xml);
    wx_xml_free(&xml);
    assert_int_equal(parse("<xml/>", &xml), WX_XML_OK);
    assert_int_equal(xml.count, 0);
}

static void i8_xml_dtds_are_refused(void **state)
{
    (void)state;
    const char *const bad[] = {
        "<!DOCTYPE xml><xml><A>1</A></xml>",
        "<!DOCTYPE xml SYSTEM \"http://127.0.0.1:1/x.dtd\"><xml/>",
        "<!DOCTYPE xml [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><xml><A>&e;</A></xml>",
        "<!DOCTYPE xml [<!ENTITY % p SYSTEM \"http://127.0.0.1:1/\"> %p;]><xml/>",
        ("<!DOCTYPE l [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">"
         "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]><l><A>&c;</A></l>"),
        "<?xml version=\"1.0\"?>\n<!DOCTYPE a [<!ATTLIST a b CDATA \"c\">]><a/>",
    };
    for (size_t at = 0; at < COUNT(bad); at++) {
        wx_xml xml;
        assert_int_equal(parse(bad[at], &xml), WX_XML_DTD);
        assert_null(xml.fields);
        assert_int_equal(xml.count, 0);
    }
}

static void xml_malformed(void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               " ",
                               "x",
                               "<xml>",
                               "<xml></xml",
                               "<xml><A></B></xml>",
                               "<xml/><xml/>",
                               "<xml/>x",
                               "<xml>&undefined;</xml>",
                               "<xml><A>\xFF</A></xml>",
                               "<xml><A>\xC0\x80</A></xml>",
                               "<xml><A>\xED\xA0\x80</A></xml>",
                               "<xml><A>&#0;</A></xml>",
                               "<xml><A>\x01</A></xml>",
                               "<xml><A a='1' a='2'/></xml>",
                               "\xFE\xFF<xml/>"};
    wx_xml xml;
    for (size_t at = 0; at < COUNT(bad); at++) {
        assert_int_equal(parse(bad[at], &xml), WX_XML_MALFORMED);
    }
    assert_int_equal(parse_xml("<xml><A>a\0b</A></xml>", 21, &xml), WX_XML_MALFORMED);
    assert_int_equal(parse_xml(NULL, 0, &xml), WX_XML_MALFORMED);
    /* The declared encoding does not count: Latin-1 text is refused. */
    assert_int_equal(parse("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><xml><A>\xE9</A></xml>", &xml),
                     WX_XML_MALFORMED);
}

static wx_xml_result xml_of(size_t fields, size_t text_len, size_t depth)
{
    WX_AUTO_BUF text;
    wx_buf_init(&text, NULL, 4 << 20);
    assert_true(wx_buf_text(&text, "<xml>"));
    for (size_t at = 0; at < fields; at++) {
        assert_true(wx_buf_text(&text, "<A>"));
        for (size_t byte = 0; byte < text_len; byte++) {
            (void)wx_buf_text(&text, "x");
        }
        assert_true(wx_buf_text(&text, "</A>"));
    }
    for (size_t at = 1; at < depth; at++) {
        assert_true(wx_buf_text(&text, "<d>"));
    }
    for (size_t at = 1; at < depth; at++) {
        assert_true(wx_buf_text(&text, "</d>"));
    }
    assert_true(wx_buf_text(&text, "</xml>"));
    WX_AUTO_XML xml;
    return parse_xml(text.data, text.len, &xml);
}

static void i11_xml_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(xml_of(128, 1, 1), WX_XML_OK);
    assert_int_equal(xml_of(129, 1, 1), WX_XML_TOO_LARGE);
    assert_int_equal(xml_of(1, 65535, 1), WX_XML_OK);
    assert_int_equal(xml_of(1, 65536, 1), WX_XML_TOO_LARGE);
    assert_int_equal(xml_of(2, 40000, 1), WX_XML_TOO_LARGE);
    assert_int_equal(xml_of(1, 3 << 20, 1), WX_XML_TOO_LARGE);
    assert_int_equal(xml_of(0, 0, 8), WX_XML_OK);
    assert_int_equal(xml_of(0, 0, 9), WX_XML_TOO_LARGE);
    assert_int_equal(xml_of(0, 0, 5000), WX_XML_TOO_LARGE);
}

static void xml_out_of_memory(void **state)
{
    (void)state;
    const char *text = "<xml><A>1</A><B><![CDATA[ticket]]></B><C>3</C></xml>";
    for (size_t n = 1;; n++) {
        counting memory;
        counting_init(&memory);
        memory.fail_at = n;
        wx_xml xml;
        wx_xml_result result = parse_once(&memory.allocator, text, strlen(text), &xml);
        wx_xml_free(&xml);
        assert_int_equal(memory.live, 0);
        assert_int_equal(memory.not_zeroed, 0);
        if (result == WX_XML_OK) {
            assert_true(n > 5);
            break;
        }
        assert_int_equal(result, WX_XML_NOMEM);
    }
}

/* ---- JSON ---- */

static bool json_ok(const char *text, size_t len)
{
    WX_AUTO_JSON *value = wx_json_parse(text, len);
    return value != NULL;
}

static void json_good(void **state)
{
    (void)state;
    const char *const good[] = {"{}",
                                "[]",
                                " {\"a\":1} \r\n\t",
                                "\"x\"",
                                "1",
                                "-1.5e3",
                                "true",
                                "12 ",
                                "[1,[2,{\"a\":null}]]",
                                "{\"a\":\"\\ud83d\\ude00\"}",
                                "{\"a\":\"\xF0\x9F\x98\x80\"}",
                                "{\"a\":\"\\\\u0000\"}"};
    for (size_t at = 0; at < COUNT(good); at++) {
        if (!json_ok(good[at], strlen(good[at]))) {
            fail_msg("refused: %s", good[at]);
        }
    }
    /* The text need not end with NUL. */
    const char digits[] = {'1', '2', '3', '4'};
    WX_AUTO_JSON *value = wx_json_parse(digits, 3);
    assert_int_equal(json_object_get_int64(value), 123);
}

static void json_bad(void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               " ",
                               "{",
                               "}",
                               "{}x",
                               "{}{}",
                               "{} []",
                               "[1,]",
                               "{\"a\":1,}",
                               "{a:1}",
                               "{'a':1}",
                               "/* c */{}",
                               "{}//",
                               "{\"a\":}",
                               "\"x",
                               "nul",
                               "tru",
                               "01",
                               "1.",
                               "-",
                               "NaN",
                               "Infinity",
                               "-Infinity",
                               "[NaN]",
                               "\xFF",
                               "\"\xC0\x80\"",
                               "\"\xED\xA0\x80\"",
                               "{\"a\":\"\\u0000\"}",
                               "{\"err\\u0000code\":1}",
                               "<html></html>",
                               "\xEF\xBB\xBF{}",
                               "\"\\x\"",
                               "\"\\u12\"",
                               "True",
                               "NULL",
                               "[1 2]",
                               "1 2"};
    for (size_t at = 0; at < COUNT(bad); at++) {
        if (json_ok(bad[at], strlen(bad[at]))) {
            fail_msg("accepted: %s", bad[at]);
        }
    }
    assert_false(json_ok("{}\0", 3));
    assert_false(json_ok("{\"a\0\":1}", 8));
    assert_false(json_ok(NULL, 0));
}

static void i11_json_depth(void **state)
{
    (void)state;
    char text[200];
    for (size_t depth = 1; depth < 100; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(json_ok(text, depth * 2), depth <= 32);
    }
}

static void json_members(void **state)
{
    (void)state;
    const char *text =
        "{\"s\":\"x\",\"n\":7200,\"sn\":\"7200\",\"d\":7200.0,\"h\":1.5,\"big\":9223372036854775807,"
        "\"huge\":9223372036854775808,\"vast\":99999999999999999999999,\"low\":-99999999999999999999999,"
        "\"e\":1e300,\"b\":true,\"z\":null,\"neg\":-1,\"ssp\":\" 1\",\"o\":{\"i\":1},\"sur\":\"\\ud800\"}";
    WX_AUTO_JSON *object = wx_json_parse(text, strlen(text));
    assert_non_null(object);
    assert_string_equal(wx_json_str(object, "s"), "x");
    assert_null(wx_json_str(object, "n"));
    assert_null(wx_json_str(object, "none"));
    assert_null(wx_json_str(NULL, "s"));
    assert_null(wx_json_get(wx_json_get(object, "n"), "s"));
    assert_int_equal(wx_json_int(wx_json_get(object, "o"), "i", -9), 1);
    assert_int_equal(wx_json_int(object, "n", -9), 7200);
    assert_int_equal(wx_json_int(object, "sn", -9), 7200);
    assert_int_equal(wx_json_int(object, "d", -9), 7200);
    assert_int_equal(wx_json_int(object, "neg", -9), -1);
    assert_int_equal(wx_json_int(object, "big", -9), INT64_MAX);
    const char *const unfit[] = {"s", "h", "huge", "vast", "low", "e", "b", "z", "ssp", "o", "none"};
    for (size_t at = 0; at < COUNT(unfit); at++) {
        if (wx_json_int(object, unfit[at], -9) != -9) {
            fail_msg("%s is read as a number", unfit[at]);
        }
    }
    /* Half a surrogate pair cannot be text: it is replaced, so that one odd nickname does not spoil an
     * answer. */
    assert_string_equal(wx_json_str(object, "sur"), "\xEF\xBF\xBD");
}

static void json_quote(void **state)
{
    (void)state;
    WX_AUTO_BUF out;
    wx_buf_init(&out, NULL, 100);
    assert_true(wx_json_quote(&out, "a\"b\\c/\n\x1f\x7f取✓😀"));
    assert_string_equal(wx_buf_str(&out), "\"a\\\"b\\\\c/\\u000a\\u001f\x7f取✓😀\"");
    wx_buf_clear(&out);
    assert_true(wx_json_quote(&out, NULL));
    assert_string_equal(wx_buf_str(&out), "\"\"");
    wx_buf_free(&out);
    for (size_t max = 0; max < 9; max++) {
        wx_buf_init(&out, NULL, max);
        assert_int_equal(wx_json_quote(&out, "a\nb"), false);
        wx_buf_free(&out);
    }
    wx_buf_init(&out, NULL, 10);
    assert_true(wx_json_quote(&out, "a\nb"));
    /* Everything that is quoted reads back. */
    for (int c = 1; c < 128; c++) {
        const char text[] = {(char)c, 'x', (char)c, '\0'};
        WX_AUTO_BUF quoted;
        wx_buf_init(&quoted, NULL, 100);
        assert_true(wx_json_quote(&quoted, text));
        WX_AUTO_JSON *value = wx_json_parse(quoted.data, quoted.len);
        assert_string_equal(json_object_get_string(value), text);
    }
}

/* ---- Query ---- */

static void query_values(void **state)
{
    (void)state;
    WX_AUTO_BUF value;
    wx_buf_init(&value, NULL, 20);
    const char *query =
        "?signature=a%2Bb+c&empty=&flag&x=1&x=2&bad=%4&bad2=%zz&nul=%00&cut=%&utf=%e5%8F%96&long="
        "0123456789012345678901&last=z=w";
    const char *const good[][2] = {{"signature", "a+b c"}, {"empty", ""},  {"flag", ""}, {"x", "1"},
                                   {"utf", "取"},          {"last", "z=w"}};
    for (size_t at = 0; at < COUNT(good); at++) {
        assert_true(wx_query_get(query, good[at][0], &value));
        assert_string_equal(wx_buf_str(&value), good[at][1]);
    }
    const char *const bad[] = {"bad", "bad2", "nul", "cut", "none", "sig", "long", "signatures", ""};
    for (size_t at = 0; at < COUNT(bad); at++) {
        assert_false(wx_query_get(query, bad[at], &value));
        assert_int_equal(value.len, 0);
    }
    assert_false(wx_query_get(NULL, "x", &value));
    assert_false(wx_query_get("", "x", &value));
    assert_false(wx_query_get("&&=&", "x", &value));
    assert_true(wx_query_get("&&x=1", "x", &value));
}

/* ---- Catalog ---- */

static void catalog(void **state)
{
    (void)state;
    size_t count = 0;
    const wx_api *apis = wx_catalog_builtin(&count);
    assert_int_equal(count, 3);
    assert_string_equal(apis[0].name, "batchUnblacklist");
    assert_string_equal(apis[0].path, "/cgi-bin/tags/members/batchunblacklist");
    assert_string_equal(apis[0].done_word, "unblacklisted");
    assert_string_equal(apis[1].name, "batchBlacklist");
    assert_string_equal(apis[2].name, "getBlacklist");
    assert_true(apis[0].cloud && !apis[1].cloud && apis[2].cloud);
    assert_true(apis[0].list_max == 20 && apis[1].list_max == 20 && apis[2].list_max == 0);
    for (size_t at = 0; at < count; at++) {
        assert_int_equal(apis[at].permission_sets[0], 2);
        assert_int_equal(apis[at].permission_sets[1], 100);
        assert_int_equal(apis[at].permission_sets[2], 0);
        assert_true(apis[at].official_accounts_only && apis[at].certified_only && apis[at].repeat_safe);
    }
    for (int call = 0; call < WX_PLATFORM_CALLS; call++) {
        const wx_platform_api *api = wx_catalog_platform((wx_platform_call)call);
        assert_non_null(api->name);
        assert_true(strncmp(api->path, "/cgi-bin/", 9) == 0);
        bool open =
            call == WX_API_COMPONENT_TOKEN || call == WX_API_START_PUSH_TICKET || call == WX_API_STABLE_TOKEN;
        assert_int_equal(api->token_parameter == NULL, open);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_both_ways),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(base64_is_strict_everywhere),
        cmocka_unit_test(xml_fields),
        cmocka_unit_test(i8_xml_dtds_are_refused),
        cmocka_unit_test(xml_malformed),
        cmocka_unit_test(i11_xml_is_bounded),
        cmocka_unit_test(xml_out_of_memory),
        cmocka_unit_test(json_good),
        cmocka_unit_test(json_bad),
        cmocka_unit_test(i11_json_depth),
        cmocka_unit_test(json_members),
        cmocka_unit_test(json_quote),
        cmocka_unit_test(query_values),
        cmocka_unit_test(catalog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
