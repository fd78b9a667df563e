/* Secrets at rest: AES-256-GCM under a data key, the row's identity as associated data. */
#ifndef WX_CODEC_SEAL_H
#define WX_CODEC_SEAL_H

#include "base/buf.h"
#include "codec/crypto.h"

#define WX_KEY_LEN 32

/* Who a sealed value belongs to: a value moved to another row does not open. */
typedef struct wx_seal_place {
    const char *kind;     /* "token" */
    const char *platform; /* component appid or "" */
    const char *row;      /* key within the kind */
    const char *field;    /* "access" */
} wx_seal_place;

typedef enum wx_seal_result { WX_SEAL_OK = 0, WX_SEAL_NOMEM, WX_SEAL_DAMAGED, WX_SEAL_FAILED } wx_seal_result;

/* Sealed: format byte, 12-byte nonce, ciphertext, 16-byte tag. */
wx_seal_result wx_seal(const wx_crypto *crypto, const unsigned char key[WX_KEY_LEN],
                       const wx_seal_place *place, const void *plain, size_t len, wx_buf *sealed);
/* WX_SEAL_DAMAGED: wrong key, wrong place or altered. */
wx_seal_result wx_unseal(const wx_crypto *crypto, const unsigned char key[WX_KEY_LEN],
                         const wx_seal_place *place, const void *sealed, size_t len, wx_buf *plain);

#endif
