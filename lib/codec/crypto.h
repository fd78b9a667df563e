/* What is used of OpenSSL everywhere: its algorithms, looked up once, its failures, random bytes, a digest.
 */
#ifndef WX_CODEC_CRYPTO_H
#define WX_CODEC_CRYPTO_H

#include <openssl/evp.h>

#include "base/err.h"

/* To look an algorithm up by its name takes a lock and longer than to use it. One that OpenSSL's
 * configuration does not allow is NULL, and what needs it fails. For any thread. */
typedef struct wx_crypto {
    EVP_CIPHER *aes_256_gcm, *aes_256_cbc;
    EVP_MD *sha1, *sha256;
} wx_crypto;

/* false: no memory. wx_crypto_free is due either way. */
bool wx_crypto_init(wx_crypto *crypto);
void wx_crypto_free(wx_crypto *crypto);

/* Whether OpenSSL, which has just failed, failed for want of memory: its own errors do not always tell, so
 * errno does, which is set to 0 before. */
bool wx_openssl_nomem(void);
/* WXTP_ERR_NOMEM, or WXTP_ERR_INTERNAL: "OpenSSL could not `what`". */
wxtp_status wx_openssl_fail(const char *what, wx_err *err);

bool wx_random(void *bytes, size_t len);
/* SHA-256. */
bool wx_digest(const wx_crypto *crypto, const void *data, size_t len, unsigned char digest[32]);

#endif
