/* The outside of a push (I8): the order of its checks, the remedy that each names, and the bounds of what is
 * read. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/envelope.h"
#include "codec/seal.h"
#include "flow/push_open.h"

#define COMPONENT "wxc0000000000000c1"
#define TOKEN "push-token-for-tests"
#define OLD_TOKEN "the-previous-push-token"
#define KEY "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
#define OLD_KEY "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefg"
#define EVENT "<xml><AppId>" COMPONENT "</AppId><InfoType>unauthorized</InfoType></xml>"

static wx_component component_of(char *token, char *previous_token, char *key, char *previous_key)
{
    return (wx_component){.appid = COMPONENT,
                          .push_token = token,
                          .previous_push_token = previous_token,
                          .aes_key = key,
                          .previous_aes_key = previous_key};
}

static void push_done(wxtp_push *push)
{
    wx_free(push->event);
    wx_xml_free(&push->fields);
}

/* Signs `encrypt` with TOKEN and opens it. */
static wxtp_status open_signed(const wxtp_allocator *allocator, const wx_component *component,
                               const char *encrypt, wxtp_push *push, wx_err *err)
{
    wx_core core = {0};
    core.allocator = *allocator;
    char query[256];
    char signature[41];
    assert_true(wx_push_signature(TOKEN, "1767225600", "nonce1", encrypt, strlen(encrypt), signature));
    snprintf(query, sizeof query, "timestamp=1767225600&nonce=nonce1&msg_signature=%s", signature);
    WX_AUTO_BUF body;
    wx_buf_init(&body, NULL, 1 << 16);
    assert_true(wx_buf_printf(&body, "<xml><Encrypt>%s</Encrypt></xml>", encrypt));
    *push = (wxtp_push){0};
    *err = (wx_err){0};
    return wx_push_open(&core, component, query, body.data, body.len, push, NULL, err);
}

static void seal_with(const char *key_text, const char *appid, const char *xml, wx_buf *encrypt)
{
    unsigned char key[WX_AES_KEY_LEN];
    assert_true(wx_encoding_aes_key_decode(key_text, strlen(key_text), key));
    wx_buf_init(encrypt, NULL, 1 << 16);
    assert_true(
        wx_envelope_seal(key, appid, xml, strlen(xml), (const unsigned char *)"0123456789abcdef", encrypt));
}

static wxtp_status open_xml(const wxtp_allocator *allocator, const wx_component *component, const char *xml,
                            wxtp_push *push, wx_err *err)
{
    WX_AUTO_BUF encrypt;
    seal_with(KEY, COMPONENT, xml, &encrypt);
    return open_signed(allocator, component, wx_buf_str(&encrypt), push, err);
}

static void assert_says(const wx_err *err, wxtp_status status, const char *message, const char *hint)
{
    assert_int_equal(err->status, status);
    if (!strstr(err->message, message) || !strstr(err->hint, hint)) {
        fail_msg("'%s' ('%s') does not say '%s' ('%s')", err->message, err->hint, message, hint);
    }
}

static void I8_without_token_or_key_nothing_is_taken(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    wxtp_push push;
    wx_err err;
    const wx_component no_token = component_of(NULL, OLD_TOKEN, KEY, NULL);
    assert_int_equal(open_xml(&memory.allocator, &no_token, EVENT, &push, &err), WXTP_ERR_CONFIGURATION);
    assert_says(&err, WXTP_ERR_CONFIGURATION, "has no Token", "--token-file");
    const wx_component no_key = component_of(TOKEN, NULL, NULL, NULL);
    assert_int_equal(open_xml(&memory.allocator, &no_key, EVENT, &push, &err), WXTP_ERR_CONFIGURATION);
    assert_says(&err, WXTP_ERR_CONFIGURATION, "has no EncodingAESKey", "--aes-key-file");
    const wx_component bad_key = component_of(TOKEN, NULL, "short", NULL);
    assert_int_equal(open_xml(&memory.allocator, &bad_key, EVENT, &push, &err), WXTP_ERR_CONFIGURATION);
    const wx_component only_old_key = component_of(TOKEN, NULL, "short", KEY);
    assert_int_equal(open_xml(&memory.allocator, &only_old_key, EVENT, &push, &err), WXTP_OK);
    assert_true(push.previous_key);
    push_done(&push);
}

static void I8_each_fault_of_the_envelope_names_its_remedy(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    wxtp_push push;
    wx_err err;
    const wx_component component = component_of(TOKEN, NULL, KEY, NULL);
    assert_int_equal(open_signed(&memory.allocator, &component, "no base64!", &push, &err),
                     WXTP_ERR_SIGNATURE);
    assert_says(&err, WXTP_ERR_SIGNATURE, "Encrypt is no base64", "exactly as they came");
    assert_int_equal(open_signed(&memory.allocator, &component, "AAAA", &push, &err), WXTP_ERR_SIGNATURE);
    assert_says(&err, WXTP_ERR_SIGNATURE, "no whole number of blocks", "exactly as they came");
    assert_int_equal(open_signed(&memory.allocator, &component, "", &push, &err), WXTP_ERR_SIGNATURE);
    assert_says(&err, WXTP_ERR_SIGNATURE, "the body has no Encrypt", "exactly as they came");
    assert_int_equal(open_xml(&memory.allocator, &component, "<xml>", &push, &err), WXTP_ERR_SIGNATURE);
    assert_says(&err, WXTP_ERR_SIGNATURE, "the decrypted message is no well-formed XML",
                "exactly as they came");
    push_done(&push);
    assert_int_equal(memory.live, 0);
}

/* Of two keys' faults, the one that says most: another appid was decrypted well. */
static void I8_another_appid_is_told_whichever_key_opened_it(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    wxtp_push push;
    wx_err err;
    const char *const keys[] = {KEY, OLD_KEY};
    const wx_component component = component_of(TOKEN, NULL, KEY, OLD_KEY);
    for (int at = 0; at < 2; at++) {
        WX_AUTO_BUF encrypt;
        seal_with(keys[at], "wxffffffffffffffff", EVENT, &encrypt);
        assert_int_equal(open_signed(&memory.allocator, &component, wx_buf_str(&encrypt), &push, &err),
                         WXTP_ERR_SIGNATURE);
        assert_says(&err, WXTP_ERR_SIGNATURE, "the appid inside", "another platform");
    }
}

static void I8_a_value_of_the_query_has_at_most_256_bytes(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    wx_core core = {0};
    core.allocator = memory.allocator;
    const wx_component component = component_of(TOKEN, NULL, KEY, NULL);
    WX_AUTO_BUF encrypt;
    seal_with(KEY, COMPONENT, EVENT, &encrypt);
    char body[1024];
    snprintf(body, sizeof body, "<xml><Encrypt>%s</Encrypt></xml>", wx_buf_str(&encrypt));
    for (int len = 255; len <= 257; len++) {
        char nonce[258] = "";
        char signature[41];
        char query[512];
        memset(nonce, 'n', (size_t)len);
        assert_true(wx_push_signature(TOKEN, "1", nonce, encrypt.data, encrypt.len, signature));
        snprintf(query, sizeof query, "timestamp=1&nonce=%s&msg_signature=%s", nonce, signature);
        wxtp_push push = {0};
        wx_err err = {0};
        const wxtp_status status =
            wx_push_open(&core, &component, query, body, strlen(body), &push, NULL, &err);
        assert_int_equal(status, len <= 256 ? WXTP_OK : WXTP_ERR_SIGNATURE);
        push_done(&push);
    }
    static const char *const lacking[] = {"nonce=1&msg_signature=2", "timestamp=1&msg_signature=2",
                                          "timestamp=1&nonce=2"};
    for (size_t at = 0; at < sizeof lacking / sizeof *lacking; at++) {
        wxtp_push push = {0};
        wx_err err = {0};
        assert_int_equal(wx_push_open(&core, &component, lacking[at], body, strlen(body), &push, NULL, &err),
                         WXTP_ERR_SIGNATURE);
        assert_says(&err, WXTP_ERR_SIGNATURE, "lacks timestamp, nonce or msg_signature",
                    "exactly as they came");
    }
    assert_int_equal(memory.live, 0);
}

static void I11_a_body_has_at_most_1_mib(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    wx_core core = {0};
    core.allocator = memory.allocator;
    const wx_component component = component_of(TOKEN, NULL, KEY, NULL);
    WX_AUTO_BUF encrypt;
    seal_with(KEY, COMPONENT, EVENT, &encrypt);
    char signature[41];
    char query[128];
    assert_true(wx_push_signature(TOKEN, "1", "2", encrypt.data, encrypt.len, signature));
    snprintf(query, sizeof query, "timestamp=1&nonce=2&msg_signature=%s", signature);
    WX_AUTO_BUF body;
    wx_buf_init(&body, NULL, WX_PUSH_MAX + 1);
    assert_true(wx_buf_printf(&body, "<xml><Encrypt>%s</Encrypt></xml>", wx_buf_str(&encrypt)));
    while (body.len <= WX_PUSH_MAX) {
        assert_true(wx_buf_text(&body, " "));
    }
    wxtp_push push = {0};
    wx_err err = {0};
    assert_int_equal(wx_push_open(&core, &component, query, body.data, WX_PUSH_MAX, &push, NULL, &err),
                     WXTP_OK);
    push_done(&push);
    push = (wxtp_push){0};
    assert_int_equal(wx_push_open(&core, &component, query, body.data, WX_PUSH_MAX + 1, &push, NULL, &err),
                     WXTP_ERR_SIGNATURE);
    assert_says(&err, WXTP_ERR_SIGNATURE, "larger than 1 MiB", "exactly as they came");
}

static void what_a_push_says_of_itself_is_read(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    static const struct {
        const char *inner;
        const char *event, *authorizer;
        wx_push_kind kind;
        int64_t time_s;
    } rows[] = {
        {"<InfoType>t</InfoType><AppId>" COMPONENT "</AppId>", "t", "", WX_PUSH_EVENT, 0},
        {"<InfoType>t</InfoType><CreateTime>1</CreateTime>", "t", "", WX_PUSH_EVENT, 1},
        {"<InfoType>t</InfoType><CreateTime>-5</CreateTime>", "t", "", WX_PUSH_EVENT, 0},
        {"<InfoType>t</InfoType><CreateTime>0</CreateTime>", "t", "", WX_PUSH_EVENT, 0},
        {"<InfoType>t</InfoType><CreateTime>now</CreateTime>", "t", "", WX_PUSH_EVENT, 0},
        {"<InfoType>t</InfoType><AuthorizerAppid>wxa1</AuthorizerAppid>", "t", "wxa1", WX_PUSH_EVENT, 0},
        {"<InfoType>t</InfoType><AuthorizerAppid>no/appid</AuthorizerAppid>", "t", "", WX_PUSH_EVENT, 0},
        {"<MsgType>text</MsgType><AppId>other</AppId>", "text", "", WX_PUSH_MESSAGE, 0},
        {"<Other>x</Other>", "", "", WX_PUSH_MESSAGE, 0},
    };
    const wx_component component = component_of(TOKEN, NULL, KEY, NULL);
    for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
        char xml[512];
        wxtp_push push;
        wx_err err;
        snprintf(xml, sizeof xml, "<xml>%s</xml>", rows[at].inner);
        assert_int_equal(open_xml(&memory.allocator, &component, xml, &push, &err), WXTP_OK);
        assert_string_equal(push.component, COMPONENT);
        assert_string_equal(push.event, rows[at].event);
        assert_string_equal(push.authorizer, rows[at].authorizer);
        assert_int_equal(push.kind, rows[at].kind);
        assert_int_equal(push.create_time_s, rows[at].time_s);
        unsigned char digest[32];
        assert_true(wx_digest(xml, strlen(xml), digest));
        assert_memory_equal(push.digest, digest, sizeof digest);
        for (size_t i = 0; i < sizeof digest; i++) {
            char hex[3];
            snprintf(hex, sizeof hex, "%02x", (unsigned)digest[i]);
            assert_memory_equal(push.id + 2 * i, hex, 2);
        }
        assert_int_equal(push.id[64], '\0');
        push_done(&push);
    }
}

/* Whichever allocation fails, it is said, and nothing leaks. */
static void I11_out_of_memory_is_no_forgery(void **state)
{
    (void)state;
    WX_AUTO_BUF encrypt;
    seal_with(OLD_KEY, COMPONENT, EVENT, &encrypt);
    const wx_component component = component_of(TOKEN, NULL, KEY, OLD_KEY);
    for (size_t n = 1;; n++) {
        counting memory;
        counting_init(&memory);
        memory.fail_at = n;
        wxtp_push push;
        wx_err err;
        const wxtp_status status =
            open_signed(&memory.allocator, &component, wx_buf_str(&encrypt), &push, &err);
        push_done(&push);
        assert_int_equal(memory.live, 0);
        if (status == WXTP_OK) {
            assert_true(n > 5);
            break;
        }
        if (status != WXTP_ERR_NOMEM) {
            fail_msg("allocation %zu: %s", n, err.message);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(I8_without_token_or_key_nothing_is_taken),
        cmocka_unit_test(I8_each_fault_of_the_envelope_names_its_remedy),
        cmocka_unit_test(I8_another_appid_is_told_whichever_key_opened_it),
        cmocka_unit_test(I8_a_value_of_the_query_has_at_most_256_bytes),
        cmocka_unit_test(I11_a_body_has_at_most_1_mib),
        cmocka_unit_test(what_a_push_says_of_itself_is_read),
        cmocka_unit_test(I11_out_of_memory_is_no_forgery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
