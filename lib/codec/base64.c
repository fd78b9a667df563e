#include "codec/base64.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

/* Multiples of 3 and of 4, so that padding stands at the very end alone. */
enum { PLAIN_CHUNK = 768, TEXT_CHUNK = 1024 };

bool wx_base64_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

bool wx_base64_encode(wx_buf *out, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    unsigned char text[TEXT_CHUNK + 1];
    bool ok = wx_buf_add(out, NULL, 0);
    for (size_t at = 0; ok && at < len;) {
        size_t part = len - at < PLAIN_CHUNK ? len - at : PLAIN_CHUNK;
        int written = EVP_EncodeBlock(text, bytes + at, (int)part);
        assert(written >= 0 && written <= TEXT_CHUNK);
        ok = wx_buf_add(out, text, (size_t)written);
        at += part;
    }
    OPENSSL_cleanse(text, sizeof(text));
    return ok;
}

static size_t padding_of(const char *text, size_t len)
{
    size_t padding = 0;
    while (padding < 2 && padding < len && text[len - padding - 1] == '=') {
        padding++;
    }
    return padding;
}

/* OpenSSL passes over white space at both ends, which makes the result shorter, and takes padding anywhere.
 */
bool wx_base64_decode(wx_buf *out, const char *text, size_t len)
{
    const size_t padding = padding_of(text, len);
    if (len % 4 != 0 || (len > 0 && memchr(text, '=', len - padding)) || !wx_buf_add(out, NULL, 0)) {
        return false;
    }
    unsigned char bytes[PLAIN_CHUNK];
    bool ok = true;
    for (size_t at = 0; ok && at < len;) {
        const size_t part = len - at < TEXT_CHUNK ? len - at : TEXT_CHUNK;
        const size_t whole = part / 4 * 3;
        const int written = EVP_DecodeBlock(bytes, (const unsigned char *)text + at, (int)part);
        at += part;
        ok = written >= 0 && (size_t)written == whole &&
             wx_buf_add(out, bytes, at == len ? whole - padding : whole);
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return ok;
}
