/* Passive replies, and the release test of WeChat's network that wants them. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "flow/push_open.h"

enum { REPLY_MAX = 256 * 1024, NONCE_BYTES = 8 };

static bool sealing_key(const wx_component *component, const wxtp_push *push,
                        unsigned char key[WX_AES_KEY_LEN])
{
    const char *text = push->previous_key ? component->previous_aes_key : component->aes_key;
    return text && wx_encoding_aes_key_decode(text, strlen(text), key);
}

static bool make_nonce(char nonce[2 * NONCE_BYTES + 1])
{
    unsigned char bytes[NONCE_BYTES];
    if (!wx_random(bytes, sizeof(bytes))) {
        return false;
    }
    for (size_t i = 0; i < NONCE_BYTES; i++) {
        snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
    }
    return true;
}

static wxtp_status unsealed(wx_envelope_fault fault, wx_err *err)
{
    if (fault == WX_ENVELOPE_NOMEM) {
        return wx_fail_nomem(err);
    }
    return wx_fail(err, WXTP_ERR_INTERNAL, "%s",
                   fault == WX_ENVELOPE_LENGTH ? "the reply is too long" : "OpenSSL could not seal a reply");
}

wxtp_status wx_push_seal(wx_core *core, const wx_component *component, const wxtp_push *push,
                         const char *message, char **reply, wx_err *err)
{
    unsigned char key[WX_AES_KEY_LEN];
    char timestamp[24];
    char nonce[2 * NONCE_BYTES + 1];
    char signature[41];
    WX_AUTO_BUF sealed;
    WX_AUTO_BUF text;
    wx_buf_init(&sealed, &core->allocator, REPLY_MAX);
    wx_buf_init(&text, &core->allocator, REPLY_MAX + 1024);
    snprintf(timestamp, sizeof(timestamp), "%lld", (long long)(wx_wall_ms(core) / 1000));
    if (!sealing_key(component, push, key)) {
        return wx_fail(err, WXTP_ERR_CONFIGURATION,
                       "the platform has no EncodingAESKey to seal a reply with");
    }
    const wx_envelope_fault fault =
        wx_envelope_seal(&core->crypto, key, component->appid, message, strlen(message), NULL, &sealed);
    OPENSSL_cleanse(key, sizeof(key));
    if (fault != WX_ENVELOPE_OK) {
        return unsealed(fault, err);
    }
    if (!make_nonce(nonce) || !wx_push_signature(&core->crypto, component->push_token, timestamp, nonce,
                                                 sealed.data, sealed.len, signature)) {
        return wx_openssl_fail("sign a reply", err);
    }
    wx_buf_printf(&text,
                  "<xml><Encrypt><![CDATA[%s]]></Encrypt><MsgSignature><![CDATA[%s]]></MsgSignature>"
                  "<TimeStamp>%s</TimeStamp><Nonce><![CDATA[%s]]></Nonce></xml>",
                  wx_buf_str(&sealed), signature, timestamp, nonce);
    *reply = wx_buf_take(&text);
    return *reply ? WXTP_OK : wx_fail_nomem(err);
}

/* ---- The release test ---- */

static const char *const test_accounts[] = {"gh_3c884a361561", "gh_8dad206e9538"};
static const char test_text[] = "TESTCOMPONENT_MSG_TYPE_TEXT";
static const char test_code[] = "QUERY_AUTH_CODE:";

static bool is_test_account(const char *user_name)
{
    for (size_t i = 0; i < sizeof(test_accounts) / sizeof(test_accounts[0]); i++) {
        if (strcmp(user_name, test_accounts[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A section that cannot be ended by what it holds. */
static bool put_cdata(wx_buf *buf, const char *text)
{
    bool ok = wx_buf_text(buf, "<![CDATA[");
    for (const char *end; ok && (end = strstr(text, "]]>")) != NULL; text = end + 2) {
        ok = wx_buf_add(buf, text, (size_t)(end - text) + 2) && wx_buf_text(buf, "]]><![CDATA[");
    }
    return ok && wx_buf_text(buf, text) && wx_buf_text(buf, "]]>");
}

static bool put_element(wx_buf *buf, const char *name, const char *text)
{
    return wx_buf_printf(buf, "<%s>", name) && put_cdata(buf, text) && wx_buf_printf(buf, "</%s>", name);
}

static wxtp_status reply_text(wx_core *core, const wx_component *component, wxtp_push *push,
                              const char *content, const char *suffix, wx_err *err)
{
    WX_AUTO_BUF message;
    WX_AUTO_BUF said;
    wx_buf_init(&message, &core->allocator, REPLY_MAX / 2);
    wx_buf_init(&said, &core->allocator, REPLY_MAX / 4);
    const char *from = wx_xml_get(&push->fields, "FromUserName");
    const char *to = wx_xml_get(&push->fields, "ToUserName");
    const bool ok =
        wx_buf_text(&said, content) && wx_buf_text(&said, suffix) && wx_buf_text(&message, "<xml>") &&
        put_element(&message, "ToUserName", from ? from : "") &&
        put_element(&message, "FromUserName", to ? to : "") &&
        wx_buf_printf(&message, "<CreateTime>%lld</CreateTime>", (long long)(wx_wall_ms(core) / 1000)) &&
        put_element(&message, "MsgType", "text") && put_element(&message, "Content", wx_buf_str(&said)) &&
        wx_buf_text(&message, "</xml>");
    if (!ok) {
        return wx_fail_nomem(err);
    }
    wx_free(WX_TAKE(push->reply));
    return wx_push_seal(core, component, push, wx_buf_str(&message), &push->reply, err);
}

static wxtp_status take_code(wx_core *core, wxtp_push *push, const char *code, wx_err *err)
{
    const char *from = wx_xml_get(&push->fields, "FromUserName");
    wx_free(WX_TAKE(push->reply));
    push->reply = wx_strdup(&core->allocator, "");
    push->code = wx_strdup(&core->allocator, code);
    push->test_user = wx_strdup(&core->allocator, from ? from : "");
    return push->reply && push->code && push->test_user ? WXTP_OK : wx_fail_nomem(err);
}

wxtp_status wx_push_release_test(wx_core *core, const wx_component *component, wxtp_push *push, wx_err *err)
{
    const char *to = wx_xml_get(&push->fields, "ToUserName");
    const char *content = wx_xml_get(&push->fields, "Content");
    const char *event = wx_xml_get(&push->fields, "Event");
    if (push->kind != WX_PUSH_MESSAGE || !to || !is_test_account(to)) {
        return WXTP_OK;
    }
    if (strcmp(push->event, "event") == 0 && event) {
        return reply_text(core, component, push, event, "from_callback", err);
    }
    if (strcmp(push->event, "text") != 0 || !content) {
        return WXTP_OK;
    }
    if (strcmp(content, test_text) == 0) {
        return reply_text(core, component, push, test_text, "_callback", err);
    }
    const size_t prefix = strlen(test_code);
    return strncmp(content, test_code, prefix) == 0 && content[prefix]
               ? take_code(core, push, content + prefix, err)
               : WXTP_OK;
}
