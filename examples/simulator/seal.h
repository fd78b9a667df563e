/* WeChat's message envelope (AES-256-CBC, SHA-1 signature), sealed and opened independently of the library.
 */
#ifndef SIM_SEAL_H
#define SIM_SEAL_H

#include <stdbool.h>
#include <stddef.h>

enum { SEAL_RANDOM = 16, SIGNATURE_SIZE = 41 };

/* What a forged push has wrong; everything else about it is right. */
enum forgery {
    FORGE_NOTHING,
    FORGE_SIGNATURE, /* msg_signature of another text */
    FORGE_TOKEN,     /* signed with another Token */
    FORGE_APPID,     /* sealed for another appid */
    FORGE_PADDING,   /* a padding byte differs */
    FORGE_PAD_ZERO,  /* padding length 0 */
    FORGE_PAD_OVER,  /* padding length 33 */
    FORGE_LENGTH,    /* the inner length points past the end */
    FORGE_NEGATIVE,  /* the inner length is 0xffffffff */
    FORGE_BLOCK,     /* the last 16 bytes are missing */
    FORGE_FLIP,      /* one bit of the first block differs */
    FORGE_KEY,       /* sealed with another key */
    FORGE_BASE64,    /* Encrypt is no base64 */
    FORGE_EMPTY,     /* Encrypt is empty */
    FORGE_ENVELOPE,  /* the outer XML ends early */
    FORGE_DOCTYPE,   /* the outer XML has a DTD with an entity */
    FORGE_UNSIGNED,  /* no msg_signature at all */
};

struct seal {
    const char *token, *aes_key, *appid, *timestamp, *nonce;
    const char *message;
    size_t size;
    const unsigned char *random; /* SEAL_RANDOM bytes, or NULL to draw them */
    enum forgery forgery;
};

bool forgery_read(const char *name, enum forgery *forgery);
const char *forgery_names(void);

/* EncodingAESKey to 32 bytes; bits of the last character that do not count are let pass. */
bool aes_key_decode(const char *text, unsigned char key[32]);

/* The text of Encrypt, owned by the caller; NULL when the key is none. */
char *seal_message(const struct seal *seal);

/* SHA-1 over the sorted parts; encrypt NULL leaves it out. */
void seal_sign(const char *token, const char *timestamp, const char *nonce, const char *encrypt,
               char signature[SIGNATURE_SIZE]);

/* Opens what a platform answered; NULL and *why when anything about it is wrong. */
char *seal_open(const char *aes_key, const char *appid, const char *encrypt, const char **why);

#endif
