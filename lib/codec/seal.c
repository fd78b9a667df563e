#include "codec/seal.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <string.h>

enum { FORMAT = 1, NONCE_LEN = 12, TAG_LEN = 16, FRAME = 1 + NONCE_LEN + TAG_LEN };

static wx_seal_result failure(void)
{
    return wx_openssl_nomem() ? WX_SEAL_NOMEM : WX_SEAL_FAILED;
}

static void cipher_free_at(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX_free(*ctx);
}

#define AUTO_CIPHER __attribute__((cleanup(cipher_free_at))) EVP_CIPHER_CTX

/* The format number, then each name behind its length, so that no two places read the same. */
static bool bind_place(EVP_CIPHER_CTX *ctx, const wx_seal_place *place)
{
    const unsigned char format = FORMAT;
    int written = 0;
    bool ok = EVP_CipherUpdate(ctx, NULL, &written, &format, 1) == 1;
    const char *const names[] = {place->kind, place->platform, place->row, place->field};
    for (size_t at = 0; ok && at < sizeof(names) / sizeof(names[0]); at++) {
        const char *name = names[at] ? names[at] : "";
        size_t len = strlen(name);
        if (len > UINT16_MAX) {
            return false;
        }
        const unsigned char prefix[2] = {(unsigned char)(len >> 8), (unsigned char)(len & 255)};
        ok = EVP_CipherUpdate(ctx, NULL, &written, prefix, sizeof(prefix)) == 1 &&
             EVP_CipherUpdate(ctx, NULL, &written, (const unsigned char *)name, (int)len) == 1;
    }
    return ok;
}

/* Takes back what was appended behind `len`. */
static void drop_behind(wx_buf *buf, size_t len)
{
    if (buf->data) {
        OPENSSL_cleanse(buf->data + len, buf->len - len);
        buf->len = len;
    }
}

wx_seal_result wx_seal(const wx_crypto *crypto, const unsigned char key[WX_KEY_LEN],
                       const wx_seal_place *place, const void *plain, size_t len, wx_buf *sealed)
{
    assert(crypto && key && place && sealed);
    unsigned char head[1 + NONCE_LEN] = {FORMAT};
    if (len > INT_MAX - FRAME) {
        return WX_SEAL_FAILED;
    }
    if (!wx_random(head + 1, NONCE_LEN)) {
        return failure();
    }
    size_t start = sealed->len;
    if (!wx_buf_add(sealed, head, sizeof(head)) || !wx_buf_add(sealed, plain, len)) {
        drop_behind(sealed, start);
        return WX_SEAL_NOMEM;
    }
    unsigned char tag[TAG_LEN];
    unsigned char *bytes = (unsigned char *)sealed->data + start + sizeof(head);
    int written = 0;
    AUTO_CIPHER *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx && EVP_EncryptInit_ex(ctx, crypto->aes_256_gcm, NULL, key, head + 1) == 1 &&
              bind_place(ctx, place) && EVP_CipherUpdate(ctx, bytes, &written, bytes, (int)len) == 1 &&
              EVP_CipherFinal_ex(ctx, bytes + len, &written) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag) == 1;
    bool added = ok && wx_buf_add(sealed, tag, sizeof(tag));
    if (!added) {
        drop_behind(sealed, start);
    }
    return added ? WX_SEAL_OK : ok ? WX_SEAL_NOMEM : failure();
}

wx_seal_result wx_unseal(const wx_crypto *crypto, const unsigned char key[WX_KEY_LEN],
                         const wx_seal_place *place, const void *sealed, size_t len, wx_buf *plain)
{
    assert(crypto && key && place && plain);
    const unsigned char *bytes = sealed;
    errno = 0;
    if (!bytes || len < FRAME || len > INT_MAX || bytes[0] != FORMAT) {
        return WX_SEAL_DAMAGED;
    }
    size_t plain_len = len - FRAME;
    unsigned char tag[TAG_LEN];
    memcpy(tag, bytes + len - TAG_LEN, sizeof(tag));
    size_t start = plain->len;
    if (!wx_buf_add(plain, bytes + 1 + NONCE_LEN, plain_len)) {
        return WX_SEAL_NOMEM;
    }
    unsigned char *target = (unsigned char *)plain->data + start;
    int written = 0;
    AUTO_CIPHER *ctx = EVP_CIPHER_CTX_new();
    bool ready = ctx && EVP_DecryptInit_ex(ctx, crypto->aes_256_gcm, NULL, key, bytes + 1) == 1 &&
                 bind_place(ctx, place) &&
                 EVP_CipherUpdate(ctx, target, &written, target, (int)plain_len) == 1 &&
                 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1;
    bool authentic = ready && EVP_CipherFinal_ex(ctx, target + plain_len, &written) == 1;
    if (!authentic) {
        drop_behind(plain, start);
    }
    return authentic ? WX_SEAL_OK : ready ? WX_SEAL_DAMAGED : failure();
}
