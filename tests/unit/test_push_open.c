/* The outside of a push (I8): the order of its checks, the remedy that each names, and the bounds of what is
 * read. */
#include "unit.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "algorithms.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/envelope.h"
#include "codec/seal.h"
#include "fake_clock.h"
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

static wxtp_status open_with(const wxtp_allocator *allocator, const wx_component *component,
                             const char *signature, const char *encrypt, wxtp_push *push,
                             wx_push_trace *trace, wx_err *err)
{
    wx_core core = {.crypto = *algorithms()};
    core.allocator = *allocator;
    char query[256];
    snprintf(query, sizeof query, "timestamp=1767225600&nonce=nonce1&encrypt_type=aes&msg_signature=%s",
             signature);
    WX_AUTO_BUF body;
    wx_buf_init(&body, NULL, 1 << 16);
    assert_true(wx_buf_printf(&body, "<xml><Encrypt>%s</Encrypt></xml>", encrypt));
    *push = (wxtp_push){0};
    *err = (wx_err){0};
    return wx_push_open(&core, component, query, body.data, body.len, push, trace, err);
}

/* Signs `encrypt` with TOKEN and opens it. */
static wxtp_status open_traced(const wxtp_allocator *allocator, const wx_component *component,
                               const char *encrypt, wxtp_push *push, wx_push_trace *trace, wx_err *err)
{
    char signature[41];
    assert_true(
        wx_push_signature(algorithms(), TOKEN, "1767225600", "nonce1", encrypt, strlen(encrypt), signature));
    return open_with(allocator, component, signature, encrypt, push, trace, err);
}

static wxtp_status open_signed(const wxtp_allocator *allocator, const wx_component *component,
                               const char *encrypt, wxtp_push *push, wx_err *err)
{
    return open_traced(allocator, component, encrypt, push, NULL, err);
}

static void seal_with(const char *key_text, const char *appid, const char *xml, wx_buf *encrypt)
{
    unsigned char key[WX_AES_KEY_LEN];
    assert_true(wx_encoding_aes_key_decode(key_text, strlen(key_text), key));
    wx_buf_init(encrypt, NULL, 1 << 16);
    assert_int_equal(wx_envelope_seal(algorithms(), key, appid, xml, strlen(xml),
                                      (const unsigned char *)"0123456789abcdef", encrypt),
                     WX_ENVELOPE_OK);
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

/* Where the checks end: each before it has been passed, none behind it. */
static void assert_stopped_at(const wx_push_trace *trace, wx_push_check check)
{
    for (int at = 0; at < WX_PUSH_CHECKS; at++) {
        assert_int_equal(trace->passed[at], at < (int)check);
    }
}

/* What it was sealed for is told whichever key opened it, and whatever it says. */
static void I8_another_appid_is_told_whichever_key_opened_it(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    static const struct {
        const char *key, *text, *which;
    } rows[] = {{KEY, EVENT, "the current"},
                {OLD_KEY, EVENT, "the previous"},
                {KEY, "no XML", "the current"},
                {OLD_KEY, "no XML", "the previous"}};
    const wx_component component = component_of(TOKEN, NULL, KEY, OLD_KEY);
    for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
        WX_AUTO_BUF encrypt;
        wxtp_push push;
        wx_push_trace trace = {0};
        wx_err err;
        seal_with(rows[at].key, "wxffffffffffffffff", rows[at].text, &encrypt);
        assert_int_equal(
            open_traced(&memory.allocator, &component, wx_buf_str(&encrypt), &push, &trace, &err),
            WXTP_ERR_SIGNATURE);
        assert_says(&err, WXTP_ERR_SIGNATURE, "the appid inside", "another platform");
        assert_stopped_at(&trace, WX_CHECK_APPID);
        assert_non_null(strstr(trace.details[WX_CHECK_KEY], rows[at].which));
    }
}

/* 64 bytes as they are: no honest sealer makes these. */
static void encrypt_raw(const char *key_text, const unsigned char bytes[64], wx_buf *base64)
{
    unsigned char key[WX_AES_KEY_LEN];
    unsigned char out[64];
    int written = 0;
    assert_true(wx_encoding_aes_key_decode(key_text, strlen(key_text), key));
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, key), 1);
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &written, bytes, sizeof out), 1);
    assert_int_equal(written, sizeof out);
    EVP_CIPHER_CTX_free(ctx);
    wx_buf_init(base64, NULL, 256);
    assert_true(wx_base64_encode(base64, out, sizeof out));
}

/* Of two keys' faults, the one that says most: that of the key which fits, be it the first or the second. */
static void I8_the_fault_of_the_key_that_fits_is_told(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    unsigned char bad_padding[64] = {0};
    unsigned char bad_length[64] = {0};
    unsigned char nothing[64] = {0};
    memcpy(bad_padding + 20, "<xml>", 5);
    memcpy(bad_length + 16, "\1\0\0\0<xml>", 9);
    bad_length[63] = 1;
    const struct {
        const unsigned char *bytes;
        const char *key, *says, *hint;
        wx_push_check stopped_at;
    } rows[] = {
        {bad_padding, KEY, "the padding is wrong", "The key is the right one", WX_CHECK_PADDING},
        {bad_padding, OLD_KEY, "the padding is wrong", "The key is the right one", WX_CHECK_PADDING},
        {bad_length, KEY, "the message length is wrong", "The key is the right one", WX_CHECK_LENGTH},
        {bad_length, OLD_KEY, "the message length is wrong", "The key is the right one", WX_CHECK_LENGTH},
        {nothing, KEY, "sealed with another EncodingAESKey", "--aes-key-file", WX_CHECK_KEY},
    };
    const wx_component component = component_of(TOKEN, NULL, KEY, OLD_KEY);
    for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
        WX_AUTO_BUF encrypt;
        wxtp_push push;
        wx_push_trace trace = {0};
        wx_err err;
        encrypt_raw(rows[at].key, rows[at].bytes, &encrypt);
        assert_int_equal(
            open_traced(&memory.allocator, &component, wx_buf_str(&encrypt), &push, &trace, &err),
            WXTP_ERR_SIGNATURE);
        assert_says(&err, WXTP_ERR_SIGNATURE, rows[at].says, rows[at].hint);
        assert_stopped_at(&trace, rows[at].stopped_at);
        assert_int_equal(push.previous_key, strcmp(rows[at].key, OLD_KEY) == 0);
    }
}

static void I8_a_wrong_signature_names_what_is_wrong_with_it(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    static const char digits[] = "has not 40 hexadecimal digits";
    static const struct {
        const char *signature, *says, *hint;
        char *previous_token;
    } rows[] = {
        {"0123456789abcdef0123456789abcdef0123456", digits, "exactly as they came", NULL},
        {"0123456789abcdef0123456789abcdef012345678", digits, "exactly as they came", NULL},
        {"0123456789ABCDEF0123456789abcdef01234567", digits, "exactly as they came", NULL},
        {"0123456789abcdef0123456789abcdef01234567", "another Token than the one here", "--token-file", NULL},
        {"0123456789abcdef0123456789abcdef01234567", "neither the current nor the previous", "--token-file",
         OLD_TOKEN},
    };
    WX_AUTO_BUF encrypt;
    seal_with(KEY, COMPONENT, EVENT, &encrypt);
    for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
        wxtp_push push;
        wx_push_trace trace = {0};
        wx_err err;
        const wx_component component = component_of(TOKEN, rows[at].previous_token, KEY, NULL);
        assert_int_equal(open_with(&memory.allocator, &component, rows[at].signature, wx_buf_str(&encrypt),
                                   &push, &trace, &err),
                         WXTP_ERR_SIGNATURE);
        assert_says(&err, WXTP_ERR_SIGNATURE, rows[at].says, rows[at].hint);
        assert_stopped_at(&trace, WX_CHECK_SIGNATURE);
    }
}

static void I8_a_value_of_the_query_has_at_most_256_bytes(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    wx_core core = {.crypto = *algorithms()};
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
        assert_true(wx_push_signature(algorithms(), TOKEN, "1", nonce, encrypt.data, encrypt.len, signature));
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
    wx_core core = {.crypto = *algorithms()};
    core.allocator = memory.allocator;
    const wx_component component = component_of(TOKEN, NULL, KEY, NULL);
    WX_AUTO_BUF encrypt;
    seal_with(KEY, COMPONENT, EVENT, &encrypt);
    char signature[41];
    char query[128];
    assert_true(wx_push_signature(algorithms(), TOKEN, "1", "2", encrypt.data, encrypt.len, signature));
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

#define LONG_EVENT "a_kind_of_event_with_a_name_of_50_characters_or_so"

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
        {"<InfoType>" LONG_EVENT "</InfoType>", LONG_EVENT, "", WX_PUSH_EVENT, 0},
    };
    const wx_component component = component_of(TOKEN, NULL, KEY, NULL);
    for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
        char xml[512];
        char source[128];
        char told[128];
        wxtp_push push;
        wx_push_trace trace = {0};
        wx_err err;
        WX_AUTO_BUF encrypt;
        snprintf(xml, sizeof xml, "<xml>%s</xml>", rows[at].inner);
        seal_with(KEY, COMPONENT, xml, &encrypt);
        assert_int_equal(
            open_traced(&memory.allocator, &component, wx_buf_str(&encrypt), &push, &trace, &err), WXTP_OK);
        assert_stopped_at(&trace, WX_PUSH_CHECKS);
        snprintf(told, sizeof told, "%s of kind %s",
                 rows[at].kind == WX_PUSH_EVENT ? "an event" : "a message",
                 *rows[at].event ? rows[at].event : "unknown");
        assert_string_equal(trace.details[WX_CHECK_EVENT_APPID], told);
        snprintf(source, sizeof source, "push %.40s %s", push.event, push.id);
        assert_string_equal(push.source, source);
        assert_string_equal(push.component, COMPONENT);
        assert_string_equal(push.event, rows[at].event);
        assert_string_equal(push.authorizer, rows[at].authorizer);
        assert_int_equal(push.kind, rows[at].kind);
        assert_int_equal(push.create_time_s, rows[at].time_s);
        unsigned char digest[32];
        assert_true(wx_digest(algorithms(), xml, strlen(xml), digest));
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

static wxtp_status seal_reply(counting *memory, char *key, const char *message, wx_err *err)
{
    fake_clock clock;
    wx_core core = {.crypto = *algorithms()};
    const wx_component component = component_of(TOKEN, NULL, key, NULL);
    const wxtp_push push = {0};
    char *reply = NULL;
    fake_clock_init(&clock);
    fake_clock_port(&clock, &core.clock);
    core.allocator = memory->allocator;
    *err = (wx_err){0};
    errno = 0; /* an allocator need not say ENOMEM */
    const wxtp_status status = wx_push_seal(&core, &component, &push, message, &reply, err);
    assert_int_equal(status == WXTP_OK, reply != NULL);
    wx_free(reply);
    assert_int_equal(memory->live, 0);
    assert_int_equal(memory->not_zeroed, 0);
    return status;
}

static void I11_a_reply_that_cannot_be_sealed_says_why(void **state)
{
    (void)state;
    wx_err err;
    counting memory;
    counting_init(&memory);
    assert_int_equal(seal_reply(&memory, NULL, "<xml/>", &err), WXTP_ERR_CONFIGURATION);
    assert_says(&err, WXTP_ERR_CONFIGURATION, "has no EncodingAESKey", "");
    static char large[300 * 1024];
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(seal_reply(&memory, KEY, large, &err), WXTP_ERR_INTERNAL);
    assert_says(&err, WXTP_ERR_INTERNAL, "the reply is too long", "");
    for (size_t n = 1;; n++) {
        counting_init(&memory);
        memory.fail_at = n;
        const wxtp_status status = seal_reply(&memory, KEY, "<xml/>", &err);
        if (status == WXTP_OK) {
            assert_true(n > 3);
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
        cmocka_unit_test(I8_the_fault_of_the_key_that_fits_is_told),
        cmocka_unit_test(I8_a_wrong_signature_names_what_is_wrong_with_it),
        cmocka_unit_test(I8_a_value_of_the_query_has_at_most_256_bytes),
        cmocka_unit_test(I11_a_body_has_at_most_1_mib),
        cmocka_unit_test(what_a_push_says_of_itself_is_read),
        cmocka_unit_test(I11_out_of_memory_is_no_forgery),
        cmocka_unit_test(I11_a_reply_that_cannot_be_sealed_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
