#include "codec/envelope.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "codec/base64.h"
#include "codec/crypto.h"

enum { CIPHER_BLOCK = 16, PADDING_BLOCK = 32, RANDOM_LEN = 16, LENGTH_LEN = 4, SHA1_LEN = 20 };
/* Of a message, and of the text that it is sealed in: OpenSSL counts in int. */
enum { LONGEST = INT_MAX / 2 };

static void md_free_at(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

static void cipher_free_at(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX_free(*ctx);
}

/* Of OpenSSL, which has just failed. */
static wx_envelope_fault failure(void)
{
    return wx_openssl_nomem() ? WX_ENVELOPE_NOMEM : WX_ENVELOPE_FAILED;
}

bool wx_encoding_aes_key_decode(const char *text, size_t len, unsigned char key[WX_AES_KEY_LEN])
{
    if (!text || len != WX_ENCODING_AES_KEY_LEN) {
        return false;
    }
    for (size_t at = 0; at < len; at++) {
        if (!wx_base64_character(text[at])) {
            return false;
        }
    }
    unsigned char padded[WX_ENCODING_AES_KEY_LEN + 1];
    memcpy(padded, text, len);
    padded[len] = '=';
    unsigned char bytes[WX_AES_KEY_LEN + 1];
    const bool ok = EVP_DecodeBlock(bytes, padded, (int)sizeof(padded)) == (int)sizeof(bytes);
    if (ok) {
        memcpy(key, bytes, WX_AES_KEY_LEN);
    }
    OPENSSL_cleanse(padded, sizeof(padded));
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return ok;
}

typedef struct part {
    const char *text;
    size_t len;
} part;

static bool comes_before(const part *a, const part *b)
{
    size_t shorter = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->text, b->text, shorter);
    return order < 0 || (order == 0 && a->len < b->len);
}

bool wx_push_signature(const wx_crypto *crypto, const char *token, const char *timestamp, const char *nonce,
                       const char *extra, size_t extra_len, char hex[41])
{
    static const char digits[] = "0123456789abcdef";
    errno = 0;
    if (!token || !timestamp || !nonce) {
        return false;
    }
    part parts[4] = {{token, strlen(token)}, {timestamp, strlen(timestamp)}, {nonce, strlen(nonce)}};
    size_t count = 3;
    if (extra) {
        parts[count++] = (part){extra, extra_len};
    }
    for (size_t at = 1; at < count; at++) {
        part moved = parts[at];
        size_t to = at;
        for (; to > 0 && comes_before(&moved, &parts[to - 1]); to--) {
            parts[to] = parts[to - 1];
        }
        parts[to] = moved;
    }
    __attribute__((cleanup(md_free_at))) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, crypto->sha1, NULL) == 1;
    for (size_t at = 0; ok && at < count; at++) {
        ok = EVP_DigestUpdate(ctx, parts[at].text, parts[at].len) == 1;
    }
    unsigned char digest[SHA1_LEN];
    ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    for (size_t at = 0; ok && at < SHA1_LEN; at++) {
        hex[2 * at] = digits[digest[at] >> 4];
        hex[2 * at + 1] = digits[digest[at] & 15];
    }
    hex[ok ? 40 : 0] = '\0';
    return ok;
}

wx_envelope_fault wx_push_signature_check(const wx_crypto *crypto, const char *token, const char *timestamp,
                                          const char *nonce, const char *extra, size_t extra_len,
                                          const char *given)
{
    char hex[41];
    if (!token || !given || strlen(given) != sizeof(hex) - 1) {
        return WX_ENVELOPE_SIGNATURE;
    }
    if (!wx_push_signature(crypto, token, timestamp, nonce, extra, extra_len, hex)) {
        return failure();
    }
    bool same = CRYPTO_memcmp(hex, given, sizeof(hex) - 1) == 0;
    OPENSSL_cleanse(hex, sizeof(hex));
    return same ? WX_ENVELOPE_OK : WX_ENVELOPE_SIGNATURE;
}

/* En- or decrypts `buf` in place; its length is a multiple of the cipher's block. */
static wx_envelope_fault cipher(const wx_crypto *crypto, const unsigned char key[WX_AES_KEY_LEN], wx_buf *buf,
                                bool encrypt)
{
    assert(buf->len > 0 && buf->len <= INT_MAX && buf->len % CIPHER_BLOCK == 0);
    errno = 0;
    unsigned char *bytes = (unsigned char *)buf->data;
    int written = 0;
    __attribute__((cleanup(cipher_free_at))) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const bool ok = ctx && EVP_CipherInit_ex(ctx, crypto->aes_256_cbc, NULL, key, key, encrypt) == 1 &&
                    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                    EVP_CipherUpdate(ctx, bytes, &written, bytes, (int)buf->len) == 1 &&
                    EVP_CipherFinal_ex(ctx, bytes + written, &written) == 1;
    return ok ? WX_ENVELOPE_OK : failure();
}

/* Length without padding; 0 where the padding is wrong. */
static size_t unpadded(const unsigned char *bytes, size_t len)
{
    size_t padding = bytes[len - 1];
    if (padding < 1 || padding > PADDING_BLOCK || padding >= len) {
        return 0;
    }
    for (size_t at = len - padding; at < len; at++) {
        if (bytes[at] != padding) {
            return 0;
        }
    }
    return len - padding;
}

static uint32_t network_order(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
}

/* Decodes and decrypts into `bytes`, padding and all. */
static wx_envelope_fault decrypt(const wx_crypto *crypto, const unsigned char key[WX_AES_KEY_LEN],
                                 const char *base64, size_t base64_len, wx_buf *bytes)
{
    if (base64_len > LONGEST) {
        return WX_ENVELOPE_LENGTH;
    }
    if (!base64 || !wx_base64_decode(bytes, base64, base64_len)) {
        return bytes->failed ? WX_ENVELOPE_NOMEM : WX_ENVELOPE_BASE64;
    }
    if (bytes->len == 0 || bytes->len % CIPHER_BLOCK != 0) {
        return WX_ENVELOPE_DECRYPT;
    }
    return cipher(crypto, key, bytes, false);
}

wx_envelope_fault wx_envelope_open(const wx_crypto *crypto, const unsigned char key[WX_AES_KEY_LEN],
                                   const char *appid, const char *base64, size_t base64_len, wx_buf *plain)
{
    assert(crypto && key && appid && plain);
    WX_AUTO_BUF sealed;
    wx_buf_init(&sealed, plain->allocator, base64_len);
    const wx_envelope_fault fault = decrypt(crypto, key, base64, base64_len, &sealed);
    if (fault != WX_ENVELOPE_OK) {
        return fault;
    }
    const unsigned char *bytes = (const unsigned char *)sealed.data;
    size_t len = unpadded(bytes, sealed.len);
    if (len == 0) {
        return WX_ENVELOPE_PADDING;
    }
    if (len < RANDOM_LEN + LENGTH_LEN) {
        return WX_ENVELOPE_LENGTH;
    }
    const size_t before = RANDOM_LEN + LENGTH_LEN;
    size_t message_len = network_order(bytes + RANDOM_LEN);
    if (message_len > len - before || message_len > plain->max - plain->len) {
        return WX_ENVELOPE_LENGTH;
    }
    size_t appid_len = len - before - message_len;
    if (appid_len != strlen(appid) || memcmp(bytes + before + message_len, appid, appid_len) != 0) {
        return WX_ENVELOPE_APPID;
    }
    return wx_buf_add(plain, bytes + before, message_len) ? WX_ENVELOPE_OK : WX_ENVELOPE_NOMEM;
}

bool wx_envelope_key_fits(const wx_crypto *crypto, const unsigned char key[WX_AES_KEY_LEN], const char *appid,
                          const char *base64, size_t base64_len, const wxtp_allocator *allocator)
{
    static const char begin[] = "<xml";
    const size_t before = RANDOM_LEN + LENGTH_LEN;
    WX_AUTO_BUF bytes;
    wx_buf_init(&bytes, allocator, base64_len);
    if (decrypt(crypto, key, base64, base64_len, &bytes) != WX_ENVELOPE_OK) {
        return false;
    }
    return (bytes.len >= before + strlen(begin) && memcmp(bytes.data + before, begin, strlen(begin)) == 0) ||
           (*appid && memmem(bytes.data, bytes.len, appid, strlen(appid)));
}

/* Of a buffer that did not take what was added. */
static wx_envelope_fault unfit(const wx_buf *buf)
{
    return buf->nomem ? WX_ENVELOPE_NOMEM : WX_ENVELOPE_LENGTH;
}

wx_envelope_fault wx_envelope_seal(const wx_crypto *crypto, const unsigned char key[WX_AES_KEY_LEN],
                                   const char *appid, const char *message, size_t len,
                                   const unsigned char *random16, wx_buf *base64)
{
    assert(crypto && key && appid && base64);
    unsigned char fresh[RANDOM_LEN];
    if (len > LONGEST) {
        return WX_ENVELOPE_LENGTH;
    }
    if (!random16 && !wx_random(fresh, sizeof(fresh))) {
        return failure();
    }
    const unsigned char length[LENGTH_LEN] = {(unsigned char)(len >> 24 & 255),
                                              (unsigned char)(len >> 16 & 255),
                                              (unsigned char)(len >> 8 & 255), (unsigned char)(len & 255)};
    WX_AUTO_BUF sealed;
    wx_buf_init(&sealed, base64->allocator, base64->max); /* shorter than its base64 */
    (void)wx_buf_add(&sealed, random16 ? random16 : fresh, RANDOM_LEN);
    (void)wx_buf_add(&sealed, length, sizeof(length));
    (void)wx_buf_add(&sealed, message, len);
    (void)wx_buf_text(&sealed, appid);
    unsigned char padding[PADDING_BLOCK];
    size_t missing = PADDING_BLOCK - sealed.len % PADDING_BLOCK;
    memset(padding, (int)missing, sizeof(padding));
    if (!wx_buf_add(&sealed, padding, missing)) {
        return unfit(&sealed);
    }
    const wx_envelope_fault fault = cipher(crypto, key, &sealed, true);
    if (fault != WX_ENVELOPE_OK) {
        return fault;
    }
    return wx_base64_encode(base64, sealed.data, sealed.len) ? WX_ENVELOPE_OK : unfit(base64);
}
