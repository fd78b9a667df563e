/* Each call of OpenSSL's fails in its turn: nothing is opened, sealed or believed, and who is told of it
 * reads neither of a forgery nor of damage. The linker puts the functions below before OpenSSL's. */
#include "unit.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "algorithms.h"
#include "codec/envelope.h"
#include "codec/seal.h"
#include "fake_clock.h"
#include "flow/push_open.h"

/* ---- What fails ---- */

static struct {
    size_t calls;     /* of all, or of `only` */
    size_t fail_at;   /* from 1; 0: none */
    const char *only; /* this function; NULL: all but the decoding of base64, whose failure says no base64 */
    bool nomem;
    const char *struck; /* the function that has failed */
} plan;

static bool fails(const char *function)
{
    if (plan.only ? strcmp(plan.only, function) != 0 : strcmp(function, "EVP_DecodeBlock") == 0) {
        return false;
    }
    if (++plan.calls != plan.fail_at) {
        return false;
    }
    plan.struck = function;
    if (plan.nomem) {
        errno = ENOMEM;
    }
    return true;
}

#define STANDS_BEFORE(type, name, parameters, arguments)                                                     \
    type real_##name parameters __asm__("__real_" #name);                                                    \
    type wrap_##name parameters __asm__("__wrap_" #name);                                                    \
    type wrap_##name parameters                                                                              \
    {                                                                                                        \
        return fails(#name) ? 0 : real_##name arguments;                                                     \
    }

/* Algorithms that were looked up and not given back. */
static int held;

#define IS_LOOKED_UP(type, name)                                                                             \
    type *real_##name(OSSL_LIB_CTX *, const char *, const char *) __asm__("__real_" #name);                  \
    type *wrap_##name(OSSL_LIB_CTX *, const char *, const char *) __asm__("__wrap_" #name);                  \
    type *wrap_##name(OSSL_LIB_CTX *lib, const char *algorithm, const char *properties)                      \
    {                                                                                                        \
        type *found = fails(#name) ? NULL : real_##name(lib, algorithm, properties);                         \
        held += found != NULL;                                                                               \
        return found;                                                                                        \
    }

#define IS_GIVEN_BACK(type, name)                                                                            \
    void real_##name(type *) __asm__("__real_" #name);                                                       \
    void wrap_##name(type *) __asm__("__wrap_" #name);                                                       \
    void wrap_##name(type *algorithm)                                                                        \
    {                                                                                                        \
        held -= algorithm != NULL;                                                                           \
        real_##name(algorithm);                                                                              \
    }

IS_LOOKED_UP(EVP_CIPHER, EVP_CIPHER_fetch)
IS_LOOKED_UP(EVP_MD, EVP_MD_fetch)
IS_GIVEN_BACK(EVP_CIPHER, EVP_CIPHER_free)
IS_GIVEN_BACK(EVP_MD, EVP_MD_free)
STANDS_BEFORE(int, RAND_bytes_ex, (OSSL_LIB_CTX * lib, unsigned char *to, size_t len, unsigned strength),
              (lib, to, len, strength))
STANDS_BEFORE(int, EVP_DecodeBlock, (unsigned char *to, const unsigned char *from, int len), (to, from, len))
STANDS_BEFORE(int, EVP_Digest,
              (const void *data, size_t len, unsigned char *to, unsigned *written, const EVP_MD *md,
               ENGINE *engine),
              (data, len, to, written, md, engine))
STANDS_BEFORE(EVP_MD_CTX *, EVP_MD_CTX_new, (void), ())
STANDS_BEFORE(int, EVP_DigestInit_ex, (EVP_MD_CTX * ctx, const EVP_MD *md, ENGINE *engine), (ctx, md, engine))
STANDS_BEFORE(int, EVP_DigestUpdate, (EVP_MD_CTX * ctx, const void *data, size_t len), (ctx, data, len))
STANDS_BEFORE(int, EVP_DigestFinal_ex, (EVP_MD_CTX * ctx, unsigned char *to, unsigned *written),
              (ctx, to, written))
STANDS_BEFORE(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), ())
STANDS_BEFORE(int, EVP_EncryptInit_ex,
              (EVP_CIPHER_CTX * ctx, const EVP_CIPHER *cipher, ENGINE *engine, const unsigned char *key,
               const unsigned char *iv),
              (ctx, cipher, engine, key, iv))
STANDS_BEFORE(int, EVP_DecryptInit_ex,
              (EVP_CIPHER_CTX * ctx, const EVP_CIPHER *cipher, ENGINE *engine, const unsigned char *key,
               const unsigned char *iv),
              (ctx, cipher, engine, key, iv))
STANDS_BEFORE(int, EVP_CipherInit_ex,
              (EVP_CIPHER_CTX * ctx, const EVP_CIPHER *cipher, ENGINE *engine, const unsigned char *key,
               const unsigned char *iv, int encrypt),
              (ctx, cipher, engine, key, iv, encrypt))
STANDS_BEFORE(int, EVP_CIPHER_CTX_set_padding, (EVP_CIPHER_CTX * ctx, int padding), (ctx, padding))
STANDS_BEFORE(int, EVP_CIPHER_CTX_ctrl, (EVP_CIPHER_CTX * ctx, int type, int number, void *data),
              (ctx, type, number, data))
STANDS_BEFORE(int, EVP_CipherUpdate,
              (EVP_CIPHER_CTX * ctx, unsigned char *to, int *written, const unsigned char *from, int len),
              (ctx, to, written, from, len))
STANDS_BEFORE(int, EVP_CipherFinal_ex, (EVP_CIPHER_CTX * ctx, unsigned char *to, int *written),
              (ctx, to, written))

/* How often a block that is these bytes and no more was zeroed. */
static struct {
    const void *bytes;
    size_t len, times;
} zeroed;

void real_cleanse(void *bytes, size_t len) __asm__("__real_OPENSSL_cleanse");
void wrap_cleanse(void *bytes, size_t len) __asm__("__wrap_OPENSSL_cleanse");
void wrap_cleanse(void *bytes, size_t len)
{
    zeroed.times += zeroed.bytes && len == zeroed.len && memcmp(bytes, zeroed.bytes, len) == 0;
    real_cleanse(bytes, len);
}

/* ---- What is done meanwhile ---- */

#define COMPONENT "wxc0000000000000c1"
#define TOKEN "push-token-for-tests"
#define KEY "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
#define OTHER_KEY "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefg"
#define EVENT "<xml><AppId>" COMPONENT "</AppId><InfoType>unauthorized</InfoType></xml>"

static char token[] = TOKEN;
static char right_key[] = KEY;
static char other_key[] = OTHER_KEY;
static const wx_seal_place place = {"token", "wxc", "", "access"};
static const unsigned char data_key[WX_KEY_LEN] = {1, 2, 3};

/* Made before anything fails. */
static struct {
    unsigned char aes_key[WX_AES_KEY_LEN];
    wx_buf at_rest;  /* "secret" */
    wx_buf envelope; /* EVENT */
    char signature[41];
    char query[256];
    wx_buf body;
} made;

static int make(void **state)
{
    (void)state;
    wx_buf_init(&made.at_rest, NULL, 256);
    wx_buf_init(&made.envelope, NULL, 4096);
    wx_buf_init(&made.body, NULL, 8192);
    assert_true(wx_encoding_aes_key_decode(KEY, strlen(KEY), made.aes_key));
    assert_int_equal(wx_seal(algorithms(), data_key, &place, "secret", 6, &made.at_rest), WX_SEAL_OK);
    assert_int_equal(
        wx_envelope_seal(algorithms(), made.aes_key, COMPONENT, EVENT, strlen(EVENT), NULL, &made.envelope),
        WX_ENVELOPE_OK);
    assert_true(wx_push_signature(algorithms(), TOKEN, "1", "2", made.envelope.data, made.envelope.len,
                                  made.signature));
    snprintf(made.query, sizeof(made.query), "timestamp=1&nonce=2&msg_signature=%s", made.signature);
    assert_true(wx_buf_printf(&made.body, "<xml><Encrypt>%s</Encrypt></xml>", made.envelope.data));
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    wx_buf_free(&made.at_rest);
    wx_buf_free(&made.envelope);
    wx_buf_free(&made.body);
    return 0;
}

static wxtp_status of_seal(wx_seal_result result)
{
    return result == WX_SEAL_OK ? WXTP_OK : result == WX_SEAL_NOMEM ? WXTP_ERR_NOMEM : WXTP_ERR_INTERNAL;
}

static wxtp_status of_envelope(wx_envelope_fault fault)
{
    assert_true(fault == WX_ENVELOPE_OK || fault == WX_ENVELOPE_NOMEM || fault == WX_ENVELOPE_FAILED);
    return fault == WX_ENVELOPE_OK      ? WXTP_OK
           : fault == WX_ENVELOPE_NOMEM ? WXTP_ERR_NOMEM
                                        : WXTP_ERR_INTERNAL;
}

static wxtp_status seal(wx_core *core)
{
    WX_AUTO_BUF buf;
    wx_buf_init(&buf, &core->allocator, 256);
    assert_true(wx_buf_text(&buf, "kept"));
    const wx_seal_result result = wx_seal(&core->crypto, data_key, &place, "secret", 6, &buf);
    assert_int_not_equal(result, WX_SEAL_DAMAGED);
    assert_true(result == WX_SEAL_OK || buf.len == 4);
    return of_seal(result);
}

static wxtp_status unseal(wx_core *core)
{
    WX_AUTO_BUF buf;
    wx_buf_init(&buf, &core->allocator, 256);
    assert_true(wx_buf_text(&buf, "kept"));
    const wx_seal_result result =
        wx_unseal(&core->crypto, data_key, &place, made.at_rest.data, made.at_rest.len, &buf);
    assert_int_equal(buf.len, result == WX_SEAL_OK ? 10 : 4);
    /* The last step of all is the word on authenticity, and takes no memory. */
    if (plan.struck && strcmp(plan.struck, "EVP_CipherFinal_ex") == 0) {
        assert_int_equal(result, WX_SEAL_DAMAGED);
        return plan.nomem ? WXTP_ERR_NOMEM : WXTP_ERR_INTERNAL;
    }
    assert_int_not_equal(result, WX_SEAL_DAMAGED);
    return of_seal(result);
}

static wxtp_status draw(wx_core *core)
{
    (void)core;
    unsigned char bytes[16];
    wx_err err = {0};
    return wx_random(bytes, sizeof(bytes)) ? WXTP_OK : wx_openssl_fail("give random bytes", &err);
}

static wxtp_status digest(wx_core *core)
{
    unsigned char bytes[32];
    wx_err err = {0};
    return wx_digest(&core->crypto, "abc", 3, bytes) ? WXTP_OK : wx_openssl_fail("digest", &err);
}

static wxtp_status sign(wx_core *core)
{
    char hex[41] = "untouched";
    wx_err err = {0};
    if (wx_push_signature(&core->crypto, TOKEN, "1", "2", made.envelope.data, made.envelope.len, hex)) {
        assert_string_equal(hex, made.signature);
        return WXTP_OK;
    }
    assert_string_equal(hex, "");
    return wx_openssl_fail("sign", &err);
}

static wxtp_status check_signature(wx_core *core)
{
    return of_envelope(wx_push_signature_check(&core->crypto, TOKEN, "1", "2", made.envelope.data,
                                               made.envelope.len, made.signature));
}

static wxtp_status open_envelope(wx_core *core)
{
    WX_AUTO_BUF plain;
    wx_buf_init(&plain, &core->allocator, 4096);
    const wx_envelope_fault fault = wx_envelope_open(&core->crypto, made.aes_key, COMPONENT,
                                                     made.envelope.data, made.envelope.len, &plain);
    assert_int_equal(plain.len, fault == WX_ENVELOPE_OK ? strlen(EVENT) : 0);
    return of_envelope(fault);
}

static wxtp_status seal_envelope(wx_core *core)
{
    WX_AUTO_BUF base64;
    wx_buf_init(&base64, &core->allocator, 4096);
    const wx_envelope_fault fault =
        wx_envelope_seal(&core->crypto, made.aes_key, COMPONENT, EVENT, strlen(EVENT), NULL, &base64);
    assert_true(fault == WX_ENVELOPE_OK || base64.len == 0);
    return of_envelope(fault);
}

static wxtp_status open_push(wx_core *core, char *key, char *previous_key, bool *by_previous, wx_err *err)
{
    const wx_component component = {
        .appid = COMPONENT, .push_token = token, .aes_key = key, .previous_aes_key = previous_key};
    wxtp_push push = {0};
    wx_push_trace trace = {0};
    const wxtp_status status =
        wx_push_open(core, &component, made.query, made.body.data, made.body.len, &push, &trace, err);
    *by_previous = push.previous_key;
    wx_free(push.event);
    wx_xml_free(&push.fields);
    /* Who asks sees no check passed that was not made. */
    assert_true(status == WXTP_OK || !trace.passed[WX_CHECK_EVENT_APPID]);
    if (status != WXTP_OK && plan.struck && strcmp(plan.struck, "EVP_CipherInit_ex") == 0) {
        assert_true(trace.passed[WX_CHECK_SIGNATURE]);
        assert_false(trace.passed[WX_CHECK_BASE64]);
    }
    return status;
}

static wxtp_status receive(wx_core *core)
{
    wx_err err = {0};
    bool by_previous = false;
    const wxtp_status status = open_push(core, right_key, NULL, &by_previous, &err);
    assert_null(strstr(err.message, "authentic"));
    assert_true(status != WXTP_ERR_INTERNAL || strstr(err.message, "OpenSSL"));
    return status;
}

static wxtp_status reply(wx_core *core)
{
    const wx_component component = {.appid = COMPONENT, .push_token = token, .aes_key = right_key};
    const wxtp_push push = {0};
    char *text = NULL;
    wx_err err = {0};
    const wxtp_status status = wx_push_seal(core, &component, &push, "<xml/>", &text, &err);
    assert_int_equal(status == WXTP_OK, text != NULL);
    assert_true(status != WXTP_ERR_INTERNAL || strstr(err.message, "OpenSSL"));
    wx_free(text);
    return status;
}

/* ---- The tests ---- */

enum { GCM = 1, CBC = 2, SHA1 = 4, SHA256 = 8 };

static const struct {
    const char *name;
    wxtp_status (*run)(wx_core *core);
    size_t calls;   /* of OpenSSL's that can fail */
    unsigned needs; /* of algorithms, in the order in which they are looked up */
} works[] = {
    {"seal", seal, 15, GCM}, /* 9 updates bind the place */
    {"unseal", unseal, 14, GCM},
    {"random", draw, 1, 0},
    {"digest", digest, 1, SHA256},
    {"sign", sign, 7, SHA1},
    {"check a signature", check_signature, 7, SHA1},
    {"open", open_envelope, 5, CBC},
    {"seal an envelope", seal_envelope, 6, CBC},
    {"receive", receive, 13, CBC | SHA1 | SHA256},
    {"reply", reply, 14, CBC | SHA1},
};

static wxtp_status run(size_t at, size_t fail_at, bool nomem, size_t *calls)
{
    fake_clock clock;
    counting memory;
    wx_core core = {.crypto = *algorithms()};
    fake_clock_init(&clock);
    counting_init(&memory);
    core.allocator = memory.allocator;
    fake_clock_port(&clock, &core.clock);
    memset(&plan, 0, sizeof(plan));
    plan.fail_at = fail_at;
    plan.nomem = nomem;
    errno = ENOMEM; /* of something before, that has nothing to do with it */
    const wxtp_status status = works[at].run(&core);
    *calls = plan.calls;
    memset(&plan, 0, sizeof(plan));
    assert_int_equal(memory.live, 0);
    assert_int_equal(memory.not_zeroed, 0);
    return status;
}

static void I11_whatever_fails_in_openssl_is_told_for_what_it_is(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof(works) / sizeof(works[0]); at++) {
        size_t calls = 0;
        print_message("%s\n", works[at].name);
        assert_int_equal(run(at, 0, false, &calls), WXTP_OK);
        assert_int_equal(calls, works[at].calls);
        for (size_t n = 1; n <= works[at].calls; n++) {
            assert_int_equal(run(at, n, false, &calls), WXTP_ERR_INTERNAL);
            assert_int_equal(run(at, n, true, &calls), WXTP_ERR_NOMEM);
        }
    }
}

/* As where a policy of the system's leaves one out. */
static void I11_an_algorithm_that_there_is_not_fails_what_needs_it(void **state)
{
    (void)state;
    for (size_t missing = 0; missing < 4; missing++) {
        for (int nomem = 0; nomem <= 1; nomem++) {
            counting memory;
            wx_core core = {0};
            fake_clock clock;
            const int before = held;
            fake_clock_init(&clock);
            fake_clock_port(&clock, &core.clock);
            counting_init(&memory);
            core.allocator = memory.allocator;
            memset(&plan, 0, sizeof(plan));
            plan.fail_at = missing + 1;
            plan.nomem = nomem != 0;
            errno = ENOMEM;
            assert_int_equal(wx_crypto_init(&core.crypto), !nomem);
            assert_int_equal(plan.calls, 4);
            assert_int_equal(held, before + 3);
            memset(&plan, 0, sizeof(plan));
            for (size_t at = 0; at < sizeof(works) / sizeof(works[0]); at++) {
                const bool needed = (works[at].needs & 1U << missing) != 0;
                assert_int_equal(works[at].run(&core), needed ? WXTP_ERR_INTERNAL : WXTP_OK);
            }
            wx_crypto_free(&core.crypto);
            assert_int_equal(held, before);
            assert_int_equal(memory.live, 0);
        }
    }
}

static wxtp_status open_while(const char *function, size_t fail_at, char *key, char *previous_key,
                              bool *by_previous, wx_err *err)
{
    counting memory;
    wx_core core = {.crypto = *algorithms()};
    counting_init(&memory);
    core.allocator = memory.allocator;
    memset(&plan, 0, sizeof(plan));
    plan.only = function;
    plan.fail_at = fail_at;
    plan.nomem = true;
    *err = (wx_err){0};
    const wxtp_status status = open_push(&core, key, previous_key, by_previous, err);
    memset(&plan, 0, sizeof(plan));
    assert_int_equal(memory.live, 0);
    return status;
}

/* A key that could not be tried is no wrong one; the other may open it all the same. */
static void I8_a_key_that_could_not_be_tried_refuses_nothing(void **state)
{
    (void)state;
    static const char init[] = "EVP_CipherInit_ex";
    char last[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    wx_err err;
    bool by_previous = false;
    assert_int_equal(open_while(init, 1, other_key, right_key, &by_previous, &err), WXTP_OK);
    assert_true(by_previous);
    assert_int_equal(open_while(init, 1, right_key, other_key, &by_previous, &err), WXTP_ERR_NOMEM);
    assert_int_equal(open_while(init, 1, last, other_key, &by_previous, &err), WXTP_ERR_NOMEM);
    /* The first key is tried, and looked at whether it fits; the second is the third time. */
    assert_int_equal(open_while(init, 3, other_key, right_key, &by_previous, &err), WXTP_ERR_NOMEM);
    assert_true(by_previous);
    assert_int_equal(open_while(init, 9, other_key, last, &by_previous, &err), WXTP_ERR_SIGNATURE);
    assert_int_equal(open_while(init, 9, right_key, other_key, &by_previous, &err), WXTP_OK);
    assert_false(by_previous);
}

static void a_key_that_cannot_be_decoded_is_none(void **state)
{
    (void)state;
    unsigned char key[WX_AES_KEY_LEN] = "untouched";
    memset(&plan, 0, sizeof(plan));
    plan.only = "EVP_DecodeBlock";
    plan.fail_at = 1;
    assert_false(wx_encoding_aes_key_decode(KEY, strlen(KEY), key));
    memset(&plan, 0, sizeof(plan));
    assert_string_equal((char *)key, "untouched");
}

static void expect_zeroed(const void *bytes, size_t len)
{
    memset(&zeroed, 0, sizeof(zeroed));
    zeroed.bytes = bytes;
    zeroed.len = len;
}

static void I9_keys_do_not_stay_on_the_stack(void **state)
{
    (void)state;
    unsigned char key[WX_AES_KEY_LEN + 1];
    wx_err err;
    bool by_previous = false;
    expect_zeroed(KEY "=", strlen(KEY) + 1);
    assert_true(wx_encoding_aes_key_decode(KEY, strlen(KEY), key));
    assert_int_equal(zeroed.times, 1);
    /* As decoded: 32 bytes, and one of the bits that the text has left. */
    unsigned char decoded[WX_AES_KEY_LEN + 3];
    assert_int_equal(EVP_DecodeBlock(decoded, (const unsigned char *)KEY "=", (int)strlen(KEY) + 1),
                     WX_AES_KEY_LEN + 1);
    expect_zeroed(decoded, WX_AES_KEY_LEN + 1);
    assert_true(wx_encoding_aes_key_decode(KEY, strlen(KEY), key));
    assert_int_equal(zeroed.times, 1);
    /* Of a push: the key that opened it; the signature that it should have. */
    expect_zeroed(made.aes_key, sizeof(made.aes_key));
    assert_int_equal(open_while(NULL, 0, right_key, NULL, &by_previous, &err), WXTP_OK);
    assert_int_equal(zeroed.times, 1);
    expect_zeroed(made.signature, sizeof(made.signature));
    assert_int_equal(open_while(NULL, 0, right_key, NULL, &by_previous, &err), WXTP_OK);
    assert_int_equal(zeroed.times, 1);
    expect_zeroed(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(I11_whatever_fails_in_openssl_is_told_for_what_it_is),
        cmocka_unit_test(I11_an_algorithm_that_there_is_not_fails_what_needs_it),
        cmocka_unit_test(I8_a_key_that_could_not_be_tried_refuses_nothing),
        cmocka_unit_test(a_key_that_cannot_be_decoded_is_none),
        cmocka_unit_test(I9_keys_do_not_stay_on_the_stack),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
