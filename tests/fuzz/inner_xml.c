/* The decrypted message of a push: sealed with the true key, received, applied to a store, and finished. */
#include "algorithms.h"
#include "stage.h"

#include <stdio.h>

#include "codec/envelope.h"

enum { BODY_ROOM = 2 << 20 };

static const unsigned char random_bytes[16] = "0123456789abcde";

static void finish(world *w, wxtp_push *push)
{
    static const char *const names[] = {"AppId", "InfoType", "CreateTime", "AuthorizationCode", "Encrypt"};
    wxtp_exchange exchange = WXTP_EXCHANGE_NONE;
    fuzz_require(strlen(wxtp_push_id(push)) == 64);
    fuzz_require(wxtp_push_reply(push) != NULL && wxtp_push_event(push) != NULL);
    fuzz_require(wxtp_push_applied(push) == (wxtp_push_why(push)[0] == '\0'));
    for (size_t at = 0; at < sizeof(names) / sizeof(names[0]); at++) {
        (void)wxtp_push_field(push, names[at]);
    }
    fuzz_require(wxtp_push_field(push, "AuthorizationCode") == NULL); /* I9 */
    fuzz_require(wxtp_push_finish(w->platform, push, 0, &exchange, NULL) == WXTP_OK);
}

static void receive(world *w, const fuzz_bytes *xml, bool again)
{
    WX_AUTO_BUF base64;
    WX_AUTO_BUF body;
    unsigned char key[WX_AES_KEY_LEN];
    char hex[41];
    char query[128];
    wxtp_push *push = NULL;
    wx_buf_init(&base64, NULL, BODY_ROOM);
    wx_buf_init(&body, NULL, BODY_ROOM);
    fuzz_require(wx_encoding_aes_key_decode(WORLD_AES_KEY, strlen(WORLD_AES_KEY), key));
    fuzz_require(wx_envelope_seal(algorithms(), key, WORLD_COMPONENT, (const char *)xml->data, xml->size,
                                  random_bytes, &base64) == WX_ENVELOPE_OK);
    fuzz_require(
        wx_push_signature(algorithms(), WORLD_PUSH_TOKEN, "1", "n", wx_buf_str(&base64), base64.len, hex));
    (void)snprintf(query, sizeof(query), "timestamp=1&nonce=n&msg_signature=%s", hex);
    fuzz_require(wx_buf_printf(&body, "<xml><Encrypt>%s</Encrypt></xml>", wx_buf_str(&base64)));
    const wxtp_status status =
        wxtp_push_receive(w->platform, query, wx_buf_str(&body), body.len, &push, NULL);
    fuzz_require((status == WXTP_OK) == (push != NULL));
    if (push) {
        /* I8: the same push changes nothing again. */
        fuzz_require(!again || !wxtp_push_applied(push));
        finish(w, push);
    } else {
        fuzz_require(status == WXTP_ERR_SIGNATURE);
    }
    wxtp_push_free(push);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const fuzz_bytes xml = {data, size};
    if (size > BODY_ROOM / 4) {
        return 0;
    }
    world *w = stage_reset();
    fuzz_require(stage_open(w));
    receive(w, &xml, false);
    receive(w, &xml, true);
    stage_close(w);
    return 0;
}
