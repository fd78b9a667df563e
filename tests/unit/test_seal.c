#include "unit.h"

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
        assert_int_equal(wx_seal(key, &place, text, sizes[at], &sealed), WX_SEAL_OK);
        assert_int_equal(sealed.len, sizes[at] + 29);
        assert_int_equal(sealed.data[0], 1);
        assert_int_equal(wx_unseal(key, &place, sealed.data, sealed.len, &plain), WX_SEAL_OK);
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
    assert_int_equal(wx_seal(key, &place, "secret-token", 12, &sealed), WX_SEAL_OK);
    for (size_t at = 0; at < sealed.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            sealed.data[at] = (char)(sealed.data[at] ^ (1 << bit));
            assert_int_equal(wx_unseal(key, &place, sealed.data, sealed.len, &plain), WX_SEAL_DAMAGED);
            sealed.data[at] = (char)(sealed.data[at] ^ (1 << bit));
        }
        assert_int_equal(wx_unseal(key, &place, sealed.data, at, &plain), WX_SEAL_DAMAGED);
    }
    assert_true(wx_buf_add(&sealed, "x", 1));
    assert_int_equal(wx_unseal(key, &place, sealed.data, sealed.len, &plain), WX_SEAL_DAMAGED);
    assert_int_equal(wx_unseal(key, &place, NULL, 0, &plain), WX_SEAL_DAMAGED);
    /* What was there before is kept, and nothing unauthentic is shown. */
    assert_string_equal(wx_buf_str(&plain), "kept");
    unsigned char wrong[WX_KEY_LEN] = {1, 2, 3, 5};
    assert_int_equal(wx_unseal(wrong, &place, sealed.data, sealed.len - 1, &plain), WX_SEAL_DAMAGED);
    assert_int_equal(wx_unseal(key, &place, sealed.data, sealed.len - 1, &plain), WX_SEAL_OK);
    assert_string_equal(wx_buf_str(&plain), "keptsecret-token");
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
    assert_int_equal(wx_seal(key, &place, "secret", 6, &sealed), WX_SEAL_OK);
    for (size_t at = 0; at < sizeof(others) / sizeof(others[0]); at++) {
        assert_int_equal(wx_unseal(key, &others[at], sealed.data, sealed.len, &plain), WX_SEAL_DAMAGED);
    }
    assert_int_equal(plain.len, 0);
}

static void out_of_room(void **state)
{
    (void)state;
    WX_AUTO_BUF sealed;
    wx_buf_init(&sealed, NULL, 34);
    assert_int_equal(wx_seal(key, &place, "secret", 6, &sealed), WX_SEAL_NOMEM);
    assert_int_equal(sealed.len, 0);
    wx_buf_free(&sealed);
    wx_buf_init(&sealed, NULL, 35);
    assert_int_equal(wx_seal(key, &place, "secret", 6, &sealed), WX_SEAL_OK);
    for (size_t n = 1;; n++) {
        counting memory;
        counting_init(&memory);
        memory.fail_at = n;
        WX_AUTO_BUF a;
        WX_AUTO_BUF b;
        wx_buf_init(&a, &memory.allocator, 4096);
        wx_buf_init(&b, &memory.allocator, 4096);
        char text[100] = {0};
        wx_seal_result result = wx_seal(key, &place, text, sizeof(text), &a);
        if (result == WX_SEAL_OK) {
            result = wx_unseal(key, &place, a.data, a.len, &b);
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

static void randoms_and_digest(void **state)
{
    (void)state;
    unsigned char a[16] = {0};
    unsigned char b[16] = {0};
    assert_true(wx_random(a, sizeof(a)) && wx_random(b, sizeof(b)));
    assert_memory_not_equal(a, b, sizeof(a));
    unsigned char digest[32];
    assert_true(wx_digest("abc", 3, digest));
    assert_memory_equal(digest, "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23", 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(i9_any_altered_byte_is_noticed),
        cmocka_unit_test(i9_a_moved_value_does_not_open),
        cmocka_unit_test(out_of_room),
        cmocka_unit_test(randoms_and_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
