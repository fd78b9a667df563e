/* The envelope of a push. The first line says how to read the rest:
 *   raw QUERY   the body as it came over HTTP
 *   sealed      the plain bytes (random, length, message, appid, padding), encrypted and signed here with the
 * true key, so that what stands behind the signature is reached
 */
#include "algorithms.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "codec/base64.h"
#include "codec/envelope.h"
#include "domain/component.h"
#include "flow/push_open.h"

#define APPID "wxc0000000000000c1"
#define PUSH_TOKEN "push-token-for-tests"
#define AES_KEY "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"

enum { TEXT_ROOM = 2 << 20 };

static void *allocate(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static wxtp_status open_push(const char *query, const void *body, size_t len)
{
    wx_core core = {
        .allocator = {.struct_size = sizeof(core.allocator), .allocate = allocate, .release = release},
        .crypto = *algorithms()};
    char token[] = PUSH_TOKEN;
    char key[] = AES_KEY;
    wx_component component = {.appid = APPID, .push_token = token, .aes_key = key};
    wxtp_push *push = wx_alloc(&core.allocator, sizeof(*push));
    wx_err err = {0};
    fuzz_require(push != NULL);
    const wxtp_status status = wx_push_open(&core, &component, query, body, len, push, NULL, &err);
    if (status == WXTP_OK) {
        fuzz_require(push->event && strlen(push->id) == 64);
        fuzz_require(push->create_time_s >= 0);
    } else {
        fuzz_require(status == WXTP_ERR_SIGNATURE && err.message[0] && err.hint[0]);
    }
    wx_push_free(push);
    return status;
}

static bool encrypt(const fuzz_bytes *plain, wx_buf *base64)
{
    unsigned char key[WX_AES_KEY_LEN];
    unsigned char *sealed = malloc(plain->size + 1);
    int written = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    fuzz_require(sealed && ctx && wx_encoding_aes_key_decode(AES_KEY, strlen(AES_KEY), key));
    const bool ok = EVP_EncryptInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, key) == 1 &&
                    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                    EVP_EncryptUpdate(ctx, sealed, &written, plain->data, (int)plain->size) == 1 &&
                    wx_base64_encode(base64, sealed, (size_t)written);
    EVP_CIPHER_CTX_free(ctx);
    free(sealed);
    return ok;
}

static void open_sealed(const fuzz_bytes *plain)
{
    WX_AUTO_BUF base64;
    WX_AUTO_BUF body;
    WX_AUTO_BUF query;
    char hex[41];
    wx_buf_init(&base64, NULL, TEXT_ROOM);
    wx_buf_init(&body, NULL, TEXT_ROOM);
    wx_buf_init(&query, NULL, TEXT_ROOM);
    if (plain->size == 0 || plain->size > TEXT_ROOM / 4 || !encrypt(plain, &base64)) {
        return;
    }
    fuzz_require(wx_push_signature(algorithms(), PUSH_TOKEN, "1", "n", wx_buf_str(&base64), base64.len, hex));
    (void)wx_buf_printf(&query, "timestamp=1&nonce=n&msg_signature=%s", hex);
    (void)wx_buf_printf(&body, "<xml><AppId>" APPID "</AppId><Encrypt>%s</Encrypt></xml>",
                        wx_buf_str(&base64));
    const wxtp_status status = open_push(wx_buf_str(&query), wx_buf_str(&body), body.len);
    /* Nothing opens whose end is not the appid and a padding. */
    if (status == WXTP_OK) {
        const size_t padding = plain->data[plain->size - 1];
        const size_t appid = strlen(APPID);
        fuzz_require(padding >= 1 && padding <= 32 && padding + appid < plain->size);
        fuzz_require(memcmp(plain->data + plain->size - padding - appid, APPID, appid) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes rest = {data, size};
    const fuzz_bytes line = fuzz_take_line(&rest);
    char *head = fuzz_text(line.data, line.size);
    if (strcmp(head, "sealed") == 0) {
        /* Whole blocks only, as the cipher wants them; the rest is told by its length. */
        rest.size -= rest.size % 16;
        open_sealed(&rest);
    } else if (strncmp(head, "raw ", 4) == 0) {
        (void)open_push(head + 4, rest.data, rest.size);
    }
    free(head);
    return 0;
}
