/* Secrets at rest: AES-256-GCM under a data key, the row's identity as associated data. */
#ifndef WX_CODEC_SEAL_H
#define WX_CODEC_SEAL_H

#include "base/buf.h"
#include "base/err.h"

#define WX_KEY_LEN 32

/* Who a sealed value belongs to: a value moved to another row does not open. */
typedef struct wx_seal_place {
    const char *kind;     /* "token" */
    const char *platform; /* component appid or "" */
    const char *row;      /* key within the kind */
    const char *field;    /* "access" */
} wx_seal_place;

typedef enum wx_seal_result { WX_SEAL_OK = 0, WX_SEAL_NOMEM, WX_SEAL_DAMAGED, WX_SEAL_FAILED } wx_seal_result;

/* Whether OpenSSL, which has just failed, failed for want of memory: its own errors do not always tell, so
 * errno does, which is set to 0 before. */
bool wx_openssl_nomem(void);
/* WXTP_ERR_NOMEM, or WXTP_ERR_INTERNAL: "OpenSSL could not `what`". */
wxtp_status wx_openssl_fail(const char *what, wx_err *err);

/* Sealed: format byte, 12-byte nonce, ciphertext, 16-byte tag. */
wx_seal_result wx_seal(const unsigned char key[WX_KEY_LEN], const wx_seal_place *place, const void *plain,
                       size_t len, wx_buf *sealed);
/* WX_SEAL_DAMAGED: wrong key, wrong place or altered. */
wx_seal_result wx_unseal(const unsigned char key[WX_KEY_LEN], const wx_seal_place *place, const void *sealed,
                         size_t len, wx_buf *plain);
bool wx_random(void *bytes, size_t len);
/* SHA-256. */
bool wx_digest(const void *data, size_t len, unsigned char digest[32]);

#endif
