#include "codec/crypto.h"

#include <errno.h>
#include <openssl/rand.h>

bool wx_crypto_init(wx_crypto *crypto)
{
    errno = 0;
    *crypto = (wx_crypto){.aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL),
                          .aes_256_cbc = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL),
                          .sha1 = EVP_MD_fetch(NULL, "SHA1", NULL),
                          .sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)};
    const bool whole = crypto->aes_256_gcm && crypto->aes_256_cbc && crypto->sha1 && crypto->sha256;
    return whole || !wx_openssl_nomem();
}

void wx_crypto_free(wx_crypto *crypto)
{
    EVP_CIPHER_free(crypto->aes_256_gcm);
    EVP_CIPHER_free(crypto->aes_256_cbc);
    EVP_MD_free(crypto->sha1);
    EVP_MD_free(crypto->sha256);
}

bool wx_openssl_nomem(void)
{
    return errno == ENOMEM;
}

wxtp_status wx_openssl_fail(const char *what, wx_err *err)
{
    return wx_openssl_nomem() ? wx_fail_nomem(err)
                              : wx_fail(err, WXTP_ERR_INTERNAL, "OpenSSL could not %s", what);
}

bool wx_random(void *bytes, size_t len)
{
    errno = 0;
    return RAND_bytes_ex(NULL, bytes, len, 0) == 1;
}

bool wx_digest(const wx_crypto *crypto, const void *data, size_t len, unsigned char digest[32])
{
    errno = 0;
    return EVP_Digest(data, len, digest, NULL, crypto->sha256, NULL) == 1;
}
