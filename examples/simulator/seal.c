#include "seal.h"
#include "memory.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAD_BLOCK = 32, KEY_TEXT = 43, HEAD = SEAL_RANDOM + 4 };

static const char *const FORGERIES[] = {
    "nothing", "signature", "token", "appid",  "padding", "pad_zero", "pad_over", "length",   "negative",
    "block",   "flip",      "key",   "base64", "empty",   "envelope", "doctype",  "unsigned",
};

bool forgery_read(const char *name, enum forgery *forgery)
{
    for (size_t i = 0; i < sizeof FORGERIES / sizeof FORGERIES[0]; i++) {
        if (strcmp(FORGERIES[i], name) == 0) {
            *forgery = (enum forgery)i;
            return true;
        }
    }
    return false;
}

const char *forgery_names(void)
{
    return "nothing signature token appid padding pad_zero pad_over length negative block flip key base64 "
           "empty envelope doctype unsigned";
}

bool aes_key_decode(const char *text, unsigned char key[32])
{
    char padded[KEY_TEXT + 2];
    unsigned char bytes[33];
    if (!text || strlen(text) != KEY_TEXT || strchr(text, '='))
        return false;
    snprintf(padded, sizeof padded, "%s=", text);
    if (EVP_DecodeBlock(bytes, (const unsigned char *)padded, KEY_TEXT + 1) != 33)
        return false;
    memcpy(key, bytes, 32);
    return true;
}

static bool aes(bool sealing, const unsigned char key[32], const unsigned char *in, size_t size,
                unsigned char *out)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written = 0;
    int rest = 0;
    bool done = context && EVP_CipherInit_ex(context, EVP_aes_256_cbc(), NULL, key, key, sealing) == 1 &&
                EVP_CIPHER_CTX_set_padding(context, 0) == 1 &&
                EVP_CipherUpdate(context, out, &written, in, (int)size) == 1 &&
                EVP_CipherFinal_ex(context, out + written, &rest) == 1;
    EVP_CIPHER_CTX_free(context);
    return done;
}

static void put_length(unsigned char *at, size_t length)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(length >> (24 - 8 * i) & 0xff);
}

/* The padded plaintext, with whatever the forgery puts wrong inside. */
static unsigned char *plaintext(const struct seal *seal, size_t *size)
{
    const char *appid = seal->forgery == FORGE_APPID ? "wxffffffffffffffff" : seal->appid;
    size_t appid_size = strlen(appid);
    size_t bare = HEAD + seal->size + appid_size;
    size_t padding = PAD_BLOCK - bare % PAD_BLOCK;
    unsigned char *plain = sim_alloc(bare + padding);
    if (seal->random)
        memcpy(plain, seal->random, SEAL_RANDOM);
    else if (RAND_bytes(plain, SEAL_RANDOM) != 1)
        abort();
    size_t length = seal->size;
    if (seal->forgery == FORGE_LENGTH)
        length = bare + PAD_BLOCK;
    if (seal->forgery == FORGE_NEGATIVE)
        length = UINT32_MAX;
    put_length(plain + SEAL_RANDOM, length);
    memcpy(plain + HEAD, seal->message, seal->size);
    memcpy(plain + HEAD + seal->size, appid, appid_size);
    memset(plain + bare, (int)padding, padding);
    *size = bare + padding;
    if (seal->forgery == FORGE_PADDING) {
        /* A lone padding byte has none beside it to differ from, so it is made to claim two. */
        plain[*size - (padding > 1 ? 2 : 1)] = (unsigned char)(padding > 1 ? padding ^ 0x40 : 2);
    }
    if (seal->forgery == FORGE_PAD_ZERO)
        plain[*size - 1] = 0;
    if (seal->forgery == FORGE_PAD_OVER)
        plain[*size - 1] = PAD_BLOCK + 1;
    return plain;
}

char *seal_message(const struct seal *seal)
{
    unsigned char key[32];
    if (!aes_key_decode(seal->aes_key, key))
        return NULL;
    if (seal->forgery == FORGE_EMPTY)
        return sim_copy("");
    if (seal->forgery == FORGE_KEY)
        key[0] ^= 1;
    size_t size = 0;
    unsigned char *plain = plaintext(seal, &size);
    unsigned char *sealed = sim_alloc(size);
    char *encrypt = sim_alloc(size / 3 * 4 + 8);
    if (!aes(true, key, plain, size, sealed))
        abort();
    if (seal->forgery == FORGE_BLOCK)
        size -= 16;
    if (seal->forgery == FORGE_FLIP)
        sealed[size > 32 ? 20 : 0] ^= 1;
    EVP_EncodeBlock((unsigned char *)encrypt, sealed, (int)size);
    if (seal->forgery == FORGE_BASE64)
        memcpy(encrypt, "!*!*", 4);
    free(plain);
    free(sealed);
    return encrypt;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

void seal_sign(const char *token, const char *timestamp, const char *nonce, const char *encrypt,
               char signature[SIGNATURE_SIZE])
{
    const char *parts[4] = {token, timestamp, nonce, encrypt};
    size_t count = encrypt ? 4 : 3;
    unsigned char digest[EVP_MAX_MD_SIZE];
    qsort(parts, count, sizeof parts[0], by_text);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, EVP_sha1(), NULL) != 1)
        abort();
    for (size_t i = 0; i < count; i++)
        if (EVP_DigestUpdate(context, parts[i], strlen(parts[i])) != 1)
            abort();
    if (EVP_DigestFinal_ex(context, digest, NULL) != 1)
        abort();
    EVP_MD_CTX_free(context);
    for (size_t i = 0; i < 20; i++)
        snprintf(signature + 2 * i, 3, "%02x", digest[i]);
}

/* The message within the plaintext, or NULL. */
static char *unwrap(const unsigned char *plain, size_t size, const char *appid, const char **why)
{
    size_t padding = plain[size - 1];
    *why = "padding";
    if (padding < 1 || padding > PAD_BLOCK || padding > size)
        return NULL;
    for (size_t i = size - padding; i < size; i++)
        if (plain[i] != padding)
            return NULL;
    size_t bare = size - padding;
    *why = "length";
    if (bare < HEAD)
        return NULL;
    size_t length = 0;
    for (size_t i = SEAL_RANDOM; i < HEAD; i++)
        length = length << 8 | plain[i];
    if (length > bare - HEAD)
        return NULL;
    *why = "appid";
    if (bare - HEAD - length != strlen(appid) || memcmp(plain + HEAD + length, appid, strlen(appid)) != 0)
        return NULL;
    return sim_copy_n((const char *)plain + HEAD, length);
}

char *seal_open(const char *aes_key, const char *appid, const char *encrypt, const char **why)
{
    unsigned char key[32];
    size_t text = strlen(encrypt);
    *why = "base64";
    if (!aes_key_decode(aes_key, key) || text == 0 || text % 4 != 0 || text > 1 << 24)
        return NULL;
    unsigned char *sealed = sim_alloc(text);
    unsigned char *plain = sim_alloc(text);
    char *message = NULL;
    int decoded = EVP_DecodeBlock(sealed, (const unsigned char *)encrypt, (int)text);
    size_t size = decoded > 0 ? (size_t)decoded : 0;
    for (size_t i = text; size && i > text - 2 && encrypt[i - 1] == '='; i--)
        size--;
    /* WeChat pads to 32, so an answer padded to 16 is refused here too. */
    if (size && size % PAD_BLOCK != 0)
        *why = "padded to other than 32";
    else if (size && aes(false, key, sealed, size, plain))
        message = unwrap(plain, size, appid, why);
    free(sealed);
    free(plain);
    return message;
}
