#include "unit.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "algorithms.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/envelope.h"
#include "codec/json.h"

static struct json_object *load_vectors(void)
{
    WX_AUTO_BUF text;
    wx_buf_init(&text, NULL, 1 << 20);
    FILE *file = fopen(WXTP_TEST_DATA "/crypto-vectors.json", "r");
    assert_non_null(file);
    char part[4096];
    size_t got = 0;
    while ((got = fread(part, 1, sizeof(part), file)) > 0) {
        assert_true(wx_buf_add(&text, part, got));
    }
    (void)fclose(file);
    struct json_object *all = wx_json_parse(text.data, text.len);
    assert_non_null(all);
    assert_true(json_object_array_length(all) >= 9);
    return all;
}

static void key_of(struct json_object *vector, unsigned char key[WX_AES_KEY_LEN])
{
    const char *text = wx_json_str(vector, "encoding_aes_key");
    assert_true(wx_encoding_aes_key_decode(text, strlen(text), key));
}

static void vectors_both_ways(void **state)
{
    (void)state;
    WX_AUTO_JSON *all = load_vectors();
    for (size_t at = 0; at < json_object_array_length(all); at++) {
        struct json_object *vector = json_object_array_get_idx(all, at);
        const char *encrypt = wx_json_str(vector, "encrypt");
        const char *plain = wx_json_str(vector, "plaintext");
        const char *appid = wx_json_str(vector, "appid");
        const char *random = wx_json_str(vector, "random");
        print_message("%s\n", wx_json_str(vector, "name"));
        unsigned char key[WX_AES_KEY_LEN];
        key_of(vector, key);
        assert_int_equal(wx_push_signature_check(algorithms(), wx_json_str(vector, "token"),
                                                 wx_json_str(vector, "timestamp"),
                                                 wx_json_str(vector, "nonce"), encrypt, strlen(encrypt),
                                                 wx_json_str(vector, "msg_signature")),
                         WX_ENVELOPE_OK);
        counting memory;
        counting_init(&memory);
        WX_AUTO_BUF buf;
        wx_buf_init(&buf, &memory.allocator, 1 << 16);
        assert_int_equal(wx_envelope_open(algorithms(), key, appid, encrypt, strlen(encrypt), &buf),
                         WX_ENVELOPE_OK);
        assert_string_equal(wx_buf_str(&buf), plain);
        wx_buf_clear(&buf);
        assert_int_equal(strlen(random), 16);
        assert_int_equal(wx_envelope_seal(algorithms(), key, appid, plain, strlen(plain),
                                          (const unsigned char *)random, &buf),
                         WX_ENVELOPE_OK);
        assert_string_equal(wx_buf_str(&buf), encrypt);
        /* Fresh random bytes: another text that opens to the same. */
        wx_buf_clear(&buf);
        assert_int_equal(wx_envelope_seal(algorithms(), key, appid, plain, strlen(plain), NULL, &buf),
                         WX_ENVELOPE_OK);
        assert_string_not_equal(wx_buf_str(&buf), encrypt);
        WX_AUTO_BUF again;
        wx_buf_init(&again, &memory.allocator, 1 << 16);
        assert_int_equal(wx_envelope_open(algorithms(), key, appid, buf.data, buf.len, &again),
                         WX_ENVELOPE_OK);
        assert_string_equal(wx_buf_str(&again), plain);
        /* Another appid, and a plain buffer too small. */
        assert_int_equal(wx_envelope_open(algorithms(), key, "wxother", buf.data, buf.len, &again),
                         WX_ENVELOPE_APPID);
        assert_int_equal(wx_envelope_open(algorithms(), key, "", buf.data, buf.len, &again),
                         WX_ENVELOPE_APPID);
        WX_AUTO_BUF small;
        wx_buf_init(&small, &memory.allocator, strlen(plain) - 1);
        assert_int_equal(wx_envelope_open(algorithms(), key, appid, buf.data, buf.len, &small),
                         WX_ENVELOPE_LENGTH);
        assert_int_equal(small.len, 0);
        wx_buf_free(&small);
        wx_buf_free(&again);
        wx_buf_free(&buf);
        assert_int_equal(memory.live, 0);
        assert_int_equal(memory.not_zeroed, 0);
    }
}

static void key_forms(void **state)
{
    (void)state;
    unsigned char key[32];
    unsigned char other[32];
    /* 'A' ends in unused bits 00; B, C, D differ in them alone. */
    char text[] = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aA";
    assert_true(wx_encoding_aes_key_decode(text, 43, key));
    for (char last = 'B'; last <= 'D'; last++) {
        text[42] = last;
        assert_true(wx_encoding_aes_key_decode(text, 43, other));
        assert_memory_equal(key, other, 32);
    }
    assert_false(wx_encoding_aes_key_decode(text, 42, key));
    assert_false(wx_encoding_aes_key_decode("kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR=", 44, key));
    assert_false(wx_encoding_aes_key_decode(NULL, 43, key));
    const char bad[] = {'=', ' ', '\n', '-', '_', '\0', '\x80'};
    for (size_t kind = 0; kind < sizeof(bad); kind++) {
        for (size_t at = 0; at < 43; at++) {
            char broken[44] = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR";
            broken[at] = bad[kind];
            assert_false(wx_encoding_aes_key_decode(broken, 43, key));
        }
    }
}

static void signatures(void **state)
{
    (void)state;
    char hex[41];
    assert_true(wx_push_signature(algorithms(), "t", "1", "2", "e", 1, hex));
    assert_int_equal(wx_push_signature_check(algorithms(), "t", "1", "2", "e", 1, hex), WX_ENVELOPE_OK);
    for (size_t at = 0; at < 40; at++) {
        char broken[41];
        memcpy(broken, hex, sizeof(broken));
        broken[at] = broken[at] == '0' ? '1' : '0';
        assert_int_equal(wx_push_signature_check(algorithms(), "t", "1", "2", "e", 1, broken),
                         WX_ENVELOPE_SIGNATURE);
    }
    assert_int_equal(wx_push_signature_check(algorithms(), "t", "1", "2", "f", 1, hex),
                     WX_ENVELOPE_SIGNATURE);
    assert_int_equal(wx_push_signature_check(algorithms(), "u", "1", "2", "e", 1, hex),
                     WX_ENVELOPE_SIGNATURE);
    assert_int_equal(wx_push_signature_check(algorithms(), "t", "1", "2", NULL, 0, hex),
                     WX_ENVELOPE_SIGNATURE);
    assert_int_equal(wx_push_signature_check(algorithms(), "t", "1", "2", "e", 1, NULL),
                     WX_ENVELOPE_SIGNATURE);
    assert_int_equal(wx_push_signature_check(algorithms(), "t", "1", "2", "e", 1, ""), WX_ENVELOPE_SIGNATURE);
    hex[39] = '\0';
    assert_int_equal(wx_push_signature_check(algorithms(), "t", "1", "2", "e", 1, hex),
                     WX_ENVELOPE_SIGNATURE);
    assert_int_equal(wx_push_signature_check(algorithms(), NULL, "1", "2", "e", 1, hex),
                     WX_ENVELOPE_SIGNATURE);
    /* sha1("12t") */
    assert_true(wx_push_signature(algorithms(), "t", "2", "1", NULL, 0, hex));
    assert_string_equal(hex, "725669708c14d5b08cc886e941be604363f42cf5");
}

static void assert_signed(const char *token, const char *timestamp, const char *nonce, const char *extra,
                          const char *joined)
{
    unsigned char digest[20];
    char wanted[41];
    char hex[41];
    assert_int_equal(EVP_Digest(joined, strlen(joined), digest, NULL, EVP_sha1(), NULL), 1);
    for (size_t at = 0; at < sizeof(digest); at++) {
        snprintf(wanted + 2 * at, 3, "%02x", (unsigned)digest[at]);
    }
    assert_true(wx_push_signature(algorithms(), token, timestamp, nonce, extra, strlen(extra), hex));
    assert_string_equal(hex, wanted);
}

/* As strcmp orders: byte by byte, what another begins with before it, none before all. */
static void i8_signed_parts_are_joined_in_the_order_of_their_bytes(void **state)
{
    (void)state;
    assert_signed("ab", "a", "b", "aba", "aababab");
    assert_signed("a", "ab", "abc", "abca", "aababcabca");
    assert_signed("abca", "abc", "ab", "a", "aababcabca");
    assert_signed("", "b", "", "a", "ab");
    assert_signed("b", "", "a", "", "ab");
    assert_signed("d", "c", "b", "a", "abcd");
    assert_signed("x", "x", "xy", "x", "xxxxy");
    assert_signed("z", "Z", "9", "~", "9Zz~");
    char hex[41] = "untouched";
    assert_false(wx_push_signature(algorithms(), NULL, "1", "2", "e", 1, hex));
    assert_false(wx_push_signature(algorithms(), "t", NULL, "2", "e", 1, hex));
    assert_false(wx_push_signature(algorithms(), "t", "1", NULL, "e", 1, hex));
    assert_string_equal(hex, "untouched");
}

/* Encrypts bytes as they are, for envelopes that no honest sealer makes. */
static void encrypt_raw(const unsigned char *key, const unsigned char *bytes, size_t len, wx_buf *base64)
{
    unsigned char out[512];
    int written = 0;
    int rest = 0;
    assert_true(len <= sizeof(out));
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, key), 1);
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &written, bytes, (int)len), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, out + written, &rest), 1);
    EVP_CIPHER_CTX_free(ctx);
    wx_buf_clear(base64);
    assert_true(wx_base64_encode(base64, out, len));
}

static wx_envelope_fault open_raw_for(const char *appid, const unsigned char *bytes, size_t len)
{
    static const unsigned char key[32] = {1, 2, 3};
    WX_AUTO_BUF base64;
    WX_AUTO_BUF plain;
    wx_buf_init(&base64, NULL, 4096);
    wx_buf_init(&plain, NULL, 4096);
    encrypt_raw(key, bytes, len, &base64);
    wx_envelope_fault fault = wx_envelope_open(algorithms(), key, appid, base64.data, base64.len, &plain);
    assert_true(fault == WX_ENVELOPE_OK || plain.len == 0);
    return fault;
}

static wx_envelope_fault open_raw(const unsigned char *bytes, size_t len)
{
    return open_raw_for("wx1", bytes, len);
}

static void malformed_envelopes(void **state)
{
    (void)state;
    unsigned char bytes[64] = {0};
    /* 16 random, length 2, "hi", "wx1", 7 of padding to 32. */
    memcpy(bytes + 16, "\0\0\0\2hiwx1", 9);
    memset(bytes + 25, 7, 7);
    assert_int_equal(open_raw(bytes, 32), WX_ENVELOPE_OK);
    for (int padding = 0; padding < 256; padding++) {
        unsigned char broken[32];
        memcpy(broken, bytes, 32);
        broken[31] = (unsigned char)padding;
        assert_int_equal(open_raw(broken, 32), padding == 7   ? WX_ENVELOPE_OK
                                               : padding == 1 ? WX_ENVELOPE_APPID
                                                              : WX_ENVELOPE_PADDING);
    }
    unsigned char broken[64];
    memcpy(broken, bytes, 32);
    broken[25] = 6;
    assert_int_equal(open_raw(broken, 32), WX_ENVELOPE_PADDING);
    for (int at = 16; at < 19; at++) {
        memcpy(broken, bytes, 32);
        broken[at] = 0x80;
        assert_int_equal(open_raw(broken, 32), WX_ENVELOPE_LENGTH);
    }
    memcpy(broken, bytes, 32);
    broken[19] = 6;
    assert_int_equal(open_raw(broken, 32), WX_ENVELOPE_LENGTH);
    broken[19] = 5;
    assert_int_equal(open_raw(broken, 32), WX_ENVELOPE_APPID);
    broken[19] = 1;
    assert_int_equal(open_raw(broken, 32), WX_ENVELOPE_APPID);
    /* Too short for random bytes and length. */
    memset(broken, 13, 32);
    assert_int_equal(open_raw(broken, 32), WX_ENVELOPE_LENGTH);
    memset(broken, 16, 16);
    assert_int_equal(open_raw(broken, 16), WX_ENVELOPE_PADDING);
    memset(broken, 32, 32);
    assert_int_equal(open_raw(broken, 32), WX_ENVELOPE_PADDING);
}

/* The shortest there is, and one byte less; the longest padding, and one byte more. */
static void i8_bounds_of_length_and_padding(void **state)
{
    (void)state;
    unsigned char bytes[64] = {0};
    memset(bytes + 20, 12, 12);
    assert_int_equal(open_raw_for("", bytes, 32), WX_ENVELOPE_OK);
    assert_int_equal(open_raw_for("x", bytes, 32), WX_ENVELOPE_APPID);
    memset(bytes + 19, 13, 13);
    assert_int_equal(open_raw_for("", bytes, 32), WX_ENVELOPE_LENGTH);
    memset(bytes, 0, sizeof(bytes));
    memset(bytes + 32, 32, 32);
    bytes[19] = 12;
    assert_int_equal(open_raw_for("", bytes, 64), WX_ENVELOPE_OK);
    bytes[19] = 11;
    memset(bytes + 31, 33, 33);
    assert_int_equal(open_raw_for("", bytes, 64), WX_ENVELOPE_PADDING);
    /* One byte of padding alone. */
    memset(bytes, 0, 32);
    bytes[19] = 11;
    bytes[31] = 1;
    assert_int_equal(open_raw_for("", bytes, 32), WX_ENVELOPE_OK);
    bytes[31] = 0;
    assert_int_equal(open_raw_for("", bytes, 32), WX_ENVELOPE_PADDING);
}

/* Each byte of the length counts; what stands in the buffer stays; and its room is the message's to the byte.
 */
static void long_messages_both_ways(void **state)
{
    (void)state;
    static const unsigned char key[32] = {5};
    static const size_t lengths[] = {1, 0x102, 0x10203, 0x1010305};
    for (size_t at = 0; at < sizeof(lengths) / sizeof(lengths[0]); at++) {
        const size_t len = lengths[at];
        char *message = malloc(len + 1);
        assert_non_null(message);
        for (size_t i = 0; i < len; i++) {
            message[i] = (char)('a' + i % 23);
        }
        WX_AUTO_BUF sealed;
        WX_AUTO_BUF plain;
        WX_AUTO_BUF small;
        wx_buf_init(&sealed, NULL, 2 * len + 4096);
        wx_buf_init(&plain, NULL, len + 4);
        wx_buf_init(&small, NULL, len + 3); /* a byte too few */
        assert_true(wx_buf_text(&plain, "kept") && wx_buf_text(&small, "kept"));
        assert_int_equal(wx_envelope_seal(algorithms(), key, "wx1", message, len, NULL, &sealed),
                         WX_ENVELOPE_OK);
        assert_int_equal(wx_envelope_open(algorithms(), key, "wx1", sealed.data, sealed.len, &plain),
                         WX_ENVELOPE_OK);
        assert_int_equal(plain.len, len + 4);
        assert_memory_equal(plain.data, "kept", 4);
        assert_true(memcmp(plain.data + 4, message, len) == 0);
        assert_int_equal(wx_envelope_open(algorithms(), key, "wx1", sealed.data, sealed.len, &small),
                         WX_ENVELOPE_LENGTH);
        assert_string_equal(wx_buf_str(&small), "kept");
        assert_false(small.failed);
        free(message);
    }
}

/* What is too long is refused before it is read, and before memory is asked for. */
static void lengths_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const unsigned char key[32] = {5};
    const size_t longest = INT_MAX / 2;
    counting memory;
    counting_init(&memory);
    memory.fail_at = 1;
    WX_AUTO_BUF buf;
    wx_buf_init(&buf, &memory.allocator, (size_t)INT_MAX * 2);
    assert_int_equal(wx_envelope_seal(algorithms(), key, "wx1", "x", longest + 1, NULL, &buf),
                     WX_ENVELOPE_LENGTH);
    assert_int_equal(memory.calls, 0);
    assert_int_equal(wx_envelope_seal(algorithms(), key, "wx1", "x", longest, NULL, &buf), WX_ENVELOPE_NOMEM);
    assert_int_equal(wx_envelope_open(algorithms(), key, "wx1", "", longest + 1, &buf), WX_ENVELOPE_LENGTH);
    char *zeros = mmap(NULL, longest, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(zeros, MAP_FAILED);
    assert_int_equal(wx_envelope_open(algorithms(), key, "wx1", zeros, longest, &buf), WX_ENVELOPE_BASE64);
    assert_int_equal(munmap(zeros, longest), 0);
    /* 16 random, 4 of length, 100, "wx1", 5 of padding: 128, in base64 172. */
    char message[100];
    memset(message, 'm', sizeof(message));
    const size_t rooms[] = {64, 127, 128, 171, 172};
    for (size_t at = 0; at < sizeof(rooms) / sizeof(rooms[0]); at++) {
        WX_AUTO_BUF small;
        wx_buf_init(&small, NULL, rooms[at]);
        assert_int_equal(wx_envelope_seal(algorithms(), key, "wx1", message, sizeof(message), NULL, &small),
                         rooms[at] < 172 ? WX_ENVELOPE_LENGTH : WX_ENVELOPE_OK);
    }
}

static bool fits(const unsigned char *key, const char *appid, const unsigned char *bytes, size_t len)
{
    static const unsigned char right[32] = {1, 2, 3};
    counting memory;
    counting_init(&memory);
    WX_AUTO_BUF base64;
    wx_buf_init(&base64, NULL, 4096);
    encrypt_raw(right, bytes, len, &base64);
    const bool answer =
        wx_envelope_key_fits(algorithms(), key, appid, base64.data, base64.len, &memory.allocator);
    assert_int_equal(memory.live, 0);
    assert_int_equal(memory.not_zeroed, 0);
    assert_true(memory.calls > 0);
    return answer;
}

/* Nothing else of these texts is right: neither padding nor length. */
static void a_key_fits_where_a_part_of_a_message_is_seen(void **state)
{
    (void)state;
    static const unsigned char right[32] = {1, 2, 3};
    static const unsigned char wrong[32] = {1, 2, 4};
    unsigned char bytes[64];
    memset(bytes, 255, sizeof(bytes));
    assert_false(fits(right, "wx1", bytes, 64));
    assert_false(fits(right, "", bytes, 64));
    memcpy(bytes + 20, "<xml", 4);
    assert_true(fits(right, "wx1", bytes, 64));
    assert_true(fits(right, "", bytes, 32));
    assert_false(fits(wrong, "wx1", bytes, 64));
    assert_false(fits(wrong, "", bytes, 32));
    assert_false(fits(right, "wx1", bytes, 16));
    memset(bytes, 255, sizeof(bytes));
    memcpy(bytes + 12, "<xml", 4); /* not where a message begins */
    assert_false(fits(right, "wx1", bytes, 64));
    memset(bytes, 255, sizeof(bytes));
    memcpy(bytes + 61, "wx1", 3);
    assert_true(fits(right, "wx1", bytes, 64));
    assert_false(fits(right, "wx2", bytes, 64));
    assert_false(fits(right, "", bytes, 64));
    assert_false(fits(wrong, "wx1", bytes, 64));
    assert_false(wx_envelope_key_fits(algorithms(), right, "wx1", "no base64", 9, NULL));
}

static void malformed_texts(void **state)
{
    (void)state;
    WX_AUTO_JSON *all = load_vectors();
    for (size_t at = 0; at < json_object_array_length(all); at++) {
        struct json_object *vector = json_object_array_get_idx(all, at);
        unsigned char key[WX_AES_KEY_LEN];
        key_of(vector, key);
        const char *appid = wx_json_str(vector, "appid");
        WX_AUTO_FREE char *text = wx_strdup(NULL, wx_json_str(vector, "encrypt"));
        size_t len = strlen(text);
        WX_AUTO_BUF plain;
        wx_buf_init(&plain, NULL, 1 << 16);
        assert_int_equal(wx_envelope_open(algorithms(), key, appid, text, len - 1, &plain),
                         WX_ENVELOPE_BASE64);
        assert_int_equal(wx_envelope_open(algorithms(), key, appid, text, 0, &plain), WX_ENVELOPE_DECRYPT);
        assert_int_equal(wx_envelope_open(algorithms(), key, appid, NULL, 0, &plain), WX_ENVELOPE_BASE64);
        /* 24 bytes are no whole blocks. */
        assert_int_equal(wx_envelope_open(algorithms(), key, appid, text, 32, &plain), WX_ENVELOPE_DECRYPT);
        const char bad[] = {' ', '\n', '=', '-', '\0'};
        for (size_t kind = 0; kind < sizeof(bad); kind++) {
            char kept = text[len / 2];
            text[len / 2] = bad[kind];
            assert_int_equal(wx_envelope_open(algorithms(), key, appid, text, len, &plain),
                             WX_ENVELOPE_BASE64);
            text[len / 2] = kept;
        }
        key[0] ^= 1;
        assert_int_not_equal(wx_envelope_open(algorithms(), key, appid, text, len, &plain), WX_ENVELOPE_OK);
        assert_int_equal(plain.len, 0);
    }
}

static void out_of_memory(void **state)
{
    (void)state;
    const unsigned char key[32] = {9};
    for (size_t n = 1;; n++) {
        counting memory;
        counting_init(&memory);
        memory.fail_at = n;
        WX_AUTO_BUF sealed;
        WX_AUTO_BUF plain;
        wx_buf_init(&sealed, &memory.allocator, 4096);
        wx_buf_init(&plain, &memory.allocator, 4096);
        wx_envelope_fault fault = wx_envelope_seal(algorithms(), key, "wx1", "hello", 5, NULL, &sealed);
        if (fault == WX_ENVELOPE_OK) {
            fault = wx_envelope_open(algorithms(), key, "wx1", sealed.data, sealed.len, &plain);
            assert_int_equal(plain.len, fault == WX_ENVELOPE_OK ? 5 : 0);
        }
        wx_buf_free(&sealed);
        wx_buf_free(&plain);
        assert_int_equal(memory.live, 0);
        assert_int_equal(memory.not_zeroed, 0);
        if (fault == WX_ENVELOPE_OK) {
            assert_true(n > 3);
            break;
        }
        assert_int_equal(fault, WX_ENVELOPE_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_both_ways),
        cmocka_unit_test(key_forms),
        cmocka_unit_test(signatures),
        cmocka_unit_test(malformed_envelopes),
        cmocka_unit_test(malformed_texts),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(i8_signed_parts_are_joined_in_the_order_of_their_bytes),
        cmocka_unit_test(i8_bounds_of_length_and_padding),
        cmocka_unit_test(long_messages_both_ways),
        cmocka_unit_test(lengths_that_do_not_fit_are_refused),
        cmocka_unit_test(a_key_fits_where_a_part_of_a_message_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
