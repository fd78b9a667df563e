#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <sys/mman.h>

#include "algorithms.h"
#include "codec/seal.h"

static const unsigned char key[WX_KEY_LEN] = {1, 2, 3, 4};
static const wx_seal_place place = {"token", "wxc", "wxa", "access"};

static void round_trip(void **state)
{
    (void)state;
    counting memory;
    counting_init(&memory);
    char text[5000];
    memset(text, 's', sizeof(text));
    const size_t sizes[] = {0, 1, 15, 16, 17, 4096, 5000};
    for (size_t at = 0; at < sizeof(sizes) / sizeof(sizes[0]); at++) {
        WX_AUTO_BUF sealed;
        WX_AUTO_BUF plain;
        wx_buf_init(&sealed, &memory.allocator, 8192);
        wx_buf_init(&plain, &memory.allocator, 8192);
        assert_int_equal(wx_seal(algorithms(), key, &place, text, sizes[at], &sealed), WX_SEAL_OK);
        assert_int_equal(sealed.len, sizes[at] + 29);
        assert_int_equal(sealed.data[0], 1);
        assert_int_equal(wx_unseal(algorithms(), key, &place, sealed.data, sealed.len, &plain), WX_SEAL_OK);
        assert_int_equal(plain.len, sizes[at]);
        assert_memory_equal(plain.data, text, sizes[at]);
        wx_buf_free(&sealed);
        wx_buf_free(&plain);
    }
    assert_int_equal(memory.live, 0);
    assert_int_equal(memory.not_zeroed, 0);
}

static void i9_any_altered_byte_is_noticed(void **state)
{
    (void)state;
    WX_AUTO_BUF sealed;
    WX_AUTO_BUF plain;
    wx_buf_init(&sealed, NULL, 256);
    wx_buf_init(&plain, NULL, 256);
    assert_true(wx_buf_text(&plain, "kept"));
    assert_int_equal(wx_seal(algorithms(), key, &place, "secret-token", 12, &sealed), WX_SEAL_OK);
    for (size_t at = 0; at < sealed.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            sealed.data[at] = (char)(sealed.data[at] ^ (1 << bit));
            assert_int_equal(wx_unseal(algorithms(), key, &place, sealed.data, sealed.len, &plain),
                             WX_SEAL_DAMAGED);
            sealed.data[at] = (char)(sealed.data[at] ^ (1 << bit));
        }
        assert_int_equal(wx_unseal(algorithms(), key, &place, sealed.data, at, &plain), WX_SEAL_DAMAGED);
    }
    assert_true(wx_buf_add(&sealed, "x", 1));
    assert_int_equal(wx_unseal(algorithms(), key, &place, sealed.data, sealed.len, &plain), WX_SEAL_DAMAGED);
    assert_int_equal(wx_unseal(algorithms(), key, &place, NULL, 0, &plain), WX_SEAL_DAMAGED);
    /* What was there before is kept, and nothing unauthentic is shown. */
    assert_string_equal(wx_buf_str(&plain), "kept");
    unsigned char wrong[WX_KEY_LEN] = {1, 2, 3, 5};
    assert_int_equal(wx_unseal(algorithms(), wrong, &place, sealed.data, sealed.len - 1, &plain),
                     WX_SEAL_DAMAGED);
    assert_int_equal(wx_unseal(algorithms(), key, &place, sealed.data, sealed.len - 1, &plain), WX_SEAL_OK);
    assert_string_equal(wx_buf_str(&plain), "keptsecret-token");
}

/* Seals as the format is written down: 1, nonce, what AES-256-GCM makes of it, tag; bound to 1 and each name
 * behind its length in two bytes. */
static void seal_by_hand(const unsigned char *bound, size_t bound_len, const char *text, size_t len,
                         wx_buf *sealed)
{
    unsigned char bytes[64] = {1, 'n', 'o', 'n', 'c', 'e', '-', 'o', 'f', '-', '1', '2', '.'};
    int written = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, bytes + 1), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &written, bound, (int)bound_len), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, bytes + 13, &written, (const unsigned char *)text, (int)len), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, bytes + 13 + len, &written), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, bytes + 13 + len), 1);
    EVP_CIPHER_CTX_free(ctx);
    wx_buf_clear(sealed);
    assert_true(wx_buf_add(sealed, bytes, 29 + len));
}

static void i9_what_was_sealed_by_the_written_format_opens(void **state)
{
    (void)state;
    char row[0x181 + 1];
    memset(row, 'r', sizeof(row) - 1);
    row[sizeof(row) - 1] = '\0';
    const wx_seal_place far = {"k", "", row, "access"};
    unsigned char bound[512] = {1, 0, 1, 'k', 0, 0, 1, 0x81};
    memcpy(bound + 8, row, sizeof(row) - 1);
    memcpy(bound + 8 + sizeof(row) - 1, "\0\6access", 8);
    const char *const texts[] = {"", "s", "secret"};
    WX_AUTO_BUF sealed;
    WX_AUTO_BUF plain;
    wx_buf_init(&sealed, NULL, 256);
    wx_buf_init(&plain, NULL, 256);
    for (size_t at = 0; at < sizeof(texts) / sizeof(texts[0]); at++) {
        const size_t len = strlen(texts[at]);
        seal_by_hand(bound, 8 + sizeof(row) - 1 + 8, texts[at], len, &sealed);
        wx_buf_clear(&plain);
        assert_int_equal(wx_unseal(algorithms(), key, &far, sealed.data, sealed.len, &plain), WX_SEAL_OK);
        assert_int_equal(plain.len, len);
        assert_string_equal(wx_buf_str(&plain), texts[at]);
    }
}

static void i9_a_name_too_long_to_bind_seals_nothing(void **state)
{
    (void)state;
    static char name[UINT16_MAX + 2];
    memset(name, 'n', UINT16_MAX + 1);
    const wx_seal_place longest = {"token", name + 1, "wxa", "access"};
    const wx_seal_place longer = {"token", name, "wxa", "access"};
    WX_AUTO_BUF sealed;
    WX_AUTO_BUF plain;
    wx_buf_init(&sealed, NULL, 256);
    wx_buf_init(&plain, NULL, 256);
    errno = ENOMEM; /* of something before: no want of memory here */
    assert_int_equal(wx_seal(algorithms(), key, &longer, "secret", 6, &sealed), WX_SEAL_FAILED);
    assert_int_equal(sealed.len, 0);
    assert_int_equal(wx_seal(algorithms(), key, &longest, "secret", 6, &sealed), WX_SEAL_OK);
    errno = ENOMEM;
    assert_int_equal(wx_unseal(algorithms(), key, &longer, sealed.data, sealed.len, &plain), WX_SEAL_FAILED);
    assert_int_equal(plain.len, 0);
    assert_int_equal(wx_unseal(algorithms(), key, &longest, sealed.data, sealed.len, &plain), WX_SEAL_OK);
}

/* No byte of these lengths is read: what does not fit is refused before. */
static void lengths_beyond_the_ciphers_are_refused(void **state)
{
    (void)state;
    WX_AUTO_BUF buf;
    wx_buf_init(&buf, NULL, 64);
    const size_t most = INT_MAX - 29;
    assert_int_equal(wx_seal(algorithms(), key, &place, "secret", most + 1, &buf), WX_SEAL_FAILED);
    assert_int_equal(buf.len, 0);
    assert_int_equal(wx_seal(algorithms(), key, &place, "secret", most, &buf), WX_SEAL_NOMEM);
    assert_int_equal(buf.len, 0);
    assert_int_equal(wx_unseal(algorithms(), key, &place, "\1", (size_t)INT_MAX + 1, &buf), WX_SEAL_DAMAGED);
    /* The longest that may be one: its text does not fit in, its ends are looked at. */
    unsigned char *longest =
        mmap(NULL, INT_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(longest, MAP_FAILED);
    longest[0] = 1;
    assert_int_equal(wx_unseal(algorithms(), key, &place, longest, INT_MAX, &buf), WX_SEAL_NOMEM);
    assert_int_equal(munmap(longest, INT_MAX), 0);
}

/* What stands in a buffer before stays, and no byte beyond it is touched. */
static void sealing_appends(void **state)
{
    (void)state;
    char before[200];
    memset(before, 'b', sizeof(before));
    WX_AUTO_BUF sealed;
    WX_AUTO_BUF plain;
    wx_buf_init(&sealed, NULL, 256);
    wx_buf_init(&plain, NULL, 256);
    assert_true(wx_buf_add(&sealed, before, sizeof(before)) && wx_buf_add(&plain, before, sizeof(before)));
    assert_int_equal(wx_seal(algorithms(), key, &place, "secret", 6, &sealed), WX_SEAL_OK);
    assert_int_equal(sealed.len, sizeof(before) + 35);
    assert_memory_equal(sealed.data, before, sizeof(before));
    sealed.data[sealed.len - 1] ^= 1;
    assert_int_equal(wx_unseal(algorithms(), key, &place, sealed.data + sizeof(before), 35, &plain),
                     WX_SEAL_DAMAGED);
    assert_int_equal(plain.len, sizeof(before));
    sealed.data[sealed.len - 1] ^= 1;
    assert_int_equal(wx_unseal(algorithms(), key, &place, sealed.data + sizeof(before), 35, &plain),
                     WX_SEAL_OK);
    assert_int_equal(plain.len, sizeof(before) + 6);
    assert_memory_equal(plain.data, before, sizeof(before));
    assert_memory_equal(plain.data + sizeof(before), "secret", 6);
}

static void i9_a_moved_value_does_not_open(void **state)
{
    (void)state;
    const wx_seal_place others[] = {
        {"spare", "wxc", "wxa", "access"}, {"token", "wxd", "wxa", "access"},
        {"token", "wxc", "wxb", "access"}, {"token", "wxc", "wxa", "refresh"},
        {"token", "wxcw", "xa", "access"}, {"token", "wx", "cwxa", "access"},
        {"tokenwxc", "", "wxa", "access"}, {"token", "wxc", "wxaaccess", ""},
        {"token", "wxa", "wxc", "access"}, {NULL, NULL, NULL, NULL},
    };
    WX_AUTO_BUF sealed;
    WX_AUTO_BUF plain;
    wx_buf_init(&sealed, NULL, 256);
    wx_buf_init(&plain, NULL, 256);
    assert_int_equal(wx_seal(algorithms(), key, &place, "secret", 6, &sealed), WX_SEAL_OK);
    for (size_t at = 0; at < sizeof(others) / sizeof(others[0]); at++) {
        assert_int_equal(wx_unseal(algorithms(), key, &others[at], sealed.data, sealed.len, &plain),
                         WX_SEAL_DAMAGED);
    }
    assert_int_equal(plain.len, 0);
}

static void out_of_room(void **state)
{
    (void)state;
    WX_AUTO_BUF sealed;
    wx_buf_init(&sealed, NULL, 34);
    assert_int_equal(wx_seal(algorithms(), key, &place, "secret", 6, &sealed), WX_SEAL_NOMEM);
    assert_int_equal(sealed.len, 0);
    wx_buf_free(&sealed);
    wx_buf_init(&sealed, NULL, 15); /* not even the text */
    assert_int_equal(wx_seal(algorithms(), key, &place, "secret", 6, &sealed), WX_SEAL_NOMEM);
    assert_int_equal(sealed.len, 0);
    wx_buf_free(&sealed);
    wx_buf_init(&sealed, NULL, 35);
    assert_int_equal(wx_seal(algorithms(), key, &place, "secret", 6, &sealed), WX_SEAL_OK);
    for (size_t n = 1;; n++) {
        counting memory;
        counting_init(&memory);
        memory.fail_at = n;
        WX_AUTO_BUF a;
        WX_AUTO_BUF b;
        wx_buf_init(&a, &memory.allocator, 4096);
        wx_buf_init(&b, &memory.allocator, 4096);
        char text[100] = {0};
        wx_seal_result result = wx_seal(algorithms(), key, &place, text, sizeof(text), &a);
        if (result == WX_SEAL_OK) {
            result = wx_unseal(algorithms(), key, &place, a.data, a.len, &b);
            assert_int_equal(b.len, result == WX_SEAL_OK ? sizeof(text) : 0);
        }
        wx_buf_free(&a);
        wx_buf_free(&b);
        assert_int_equal(memory.live, 0);
        assert_int_equal(memory.not_zeroed, 0);
        if (result == WX_SEAL_OK) {
            break;
        }
        assert_int_equal(result, WX_SEAL_NOMEM);
    }
}

static void want_of_memory_is_told_from_other_failures(void **state)
{
    (void)state;
    wx_err err = {0};
    errno = ENOMEM;
    assert_int_equal(wx_openssl_fail("digest", &err), WXTP_ERR_NOMEM);
    errno = 0;
    assert_int_equal(wx_openssl_fail("digest", &err), WXTP_ERR_INTERNAL);
    assert_int_equal(err.status, WXTP_ERR_INTERNAL);
}

static void randoms_and_digest(void **state)
{
    (void)state;
    unsigned char a[16] = {0};
    unsigned char b[16] = {0};
    assert_true(wx_random(a, sizeof(a)) && wx_random(b, sizeof(b)));
    assert_memory_not_equal(a, b, sizeof(a));
    unsigned char digest[32];
    assert_true(wx_digest(algorithms(), "abc", 3, digest));
    assert_memory_equal(digest, "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23", 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(i9_any_altered_byte_is_noticed),
        cmocka_unit_test(i9_what_was_sealed_by_the_written_format_opens),
        cmocka_unit_test(i9_a_name_too_long_to_bind_seals_nothing),
        cmocka_unit_test(lengths_beyond_the_ciphers_are_refused),
        cmocka_unit_test(sealing_appends),
        cmocka_unit_test(i9_a_moved_value_does_not_open),
        cmocka_unit_test(out_of_room),
        cmocka_unit_test(want_of_memory_is_told_from_other_failures),
        cmocka_unit_test(randoms_and_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
