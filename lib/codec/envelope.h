/* WXBizMsgCrypt: the sealed envelope of pushes and replies (protocol: AES-256-CBC, 32-byte padding, SHA-1).
 */
#ifndef WX_CODEC_ENVELOPE_H
#define WX_CODEC_ENVELOPE_H

#include "base/buf.h"
#include "codec/crypto.h"

#define WX_AES_KEY_LEN 32
#define WX_ENCODING_AES_KEY_LEN 43

/* Which check a push failed. */
typedef enum wx_envelope_fault {
    WX_ENVELOPE_OK = 0,
    WX_ENVELOPE_SIGNATURE,
    WX_ENVELOPE_BASE64,
    WX_ENVELOPE_DECRYPT, /* length no multiple of 16 */
    WX_ENVELOPE_PADDING,
    WX_ENVELOPE_LENGTH,
    WX_ENVELOPE_APPID,
    WX_ENVELOPE_NOMEM,
    WX_ENVELOPE_FAILED, /* OpenSSL could not: it says nothing of the push */
} wx_envelope_fault;

/* 43 characters, the last one canonical or not. */
bool wx_encoding_aes_key_decode(const char *text, size_t len, unsigned char key[WX_AES_KEY_LEN]);

/* SHA-1 in hex of the sorted concatenation; `extra` NULL leaves it out. false: wx_openssl_fail tells why. */
bool wx_push_signature(const wx_crypto *crypto, const char *token, const char *timestamp, const char *nonce,
                       const char *extra, size_t extra_len, char hex[41]);
/* In constant time for what is compared. WX_ENVELOPE_OK, _SIGNATURE, _NOMEM, _FAILED. */
wx_envelope_fault wx_push_signature_check(const wx_crypto *crypto, const char *token, const char *timestamp,
                                          const char *nonce, const char *extra, size_t extra_len,
                                          const char *given);

/* Decrypts; `plain` gets the message alone. The signature is checked by the caller first. */
wx_envelope_fault wx_envelope_open(const wx_crypto *crypto, const unsigned char key[WX_AES_KEY_LEN],
                                   const char *appid, const char *base64, size_t base64_len, wx_buf *plain);
/* Whether a text that does not open was sealed with this key all the same: parts of a message are seen in it.
 */
bool wx_envelope_key_fits(const wx_crypto *crypto, const unsigned char key[WX_AES_KEY_LEN], const char *appid,
                          const char *base64, size_t base64_len, const wxtp_allocator *allocator);
/* `random16` NULL: fresh random bytes. `base64` gets the Encrypt text. WX_ENVELOPE_OK, _LENGTH (too long for
 * OpenSSL or for `base64`), _NOMEM, _FAILED. */
wx_envelope_fault wx_envelope_seal(const wx_crypto *crypto, const unsigned char key[WX_AES_KEY_LEN],
                                   const char *appid, const char *message, size_t len,
                                   const unsigned char *random16, wx_buf *base64);

#endif
