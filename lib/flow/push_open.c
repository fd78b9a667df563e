#include "flow/push_open.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "codec/query.h"

enum { QUERY_VALUE_MAX = 256 };

static wxtp_status unauthentic(wx_err *err, const char *what, const char *hint)
{
    wx_fail(err, WXTP_ERR_SIGNATURE, "the push is not authentic: %s", what);
    wx_err_hint(err, "%s", hint);
    return err->status;
}

static const char hint_token[] = "Compare the Token (message verification token) here with the one on the "
                                 "platform's page: wxtp-admin platform set "
                                 "--token-file F.";
static const char hint_key[] =
    "Compare the EncodingAESKey here with the one on the platform's page: wxtp-admin platform set "
    "--aes-key-file F.";
static const char hint_appid[] =
    "It was sealed for another platform: compare the component appid, and the URL that the other "
    "platform is set to push to.";
static const char hint_sender[] =
    "The key is the right one, but the text was changed on its way, or it was not WeChat that sealed it.";
static const char hint_body[] = "Hand over the query string and the body exactly as they came over HTTP.";

void wx_push_passed(wx_push_trace *trace, wx_push_check check, const char *format, ...)
{
    va_list list;
    if (trace) {
        va_start(list, format);
        (void)vsnprintf(trace->details[check], sizeof(trace->details[check]), format, list);
        va_end(list);
        trace->passed[check] = true;
    }
}

/* ---- The query ---- */

typedef struct asked {
    wx_buf timestamp, nonce, signature;
} asked;

static void asked_free(asked *self)
{
    wx_buf_free(&self->timestamp);
    wx_buf_free(&self->nonce);
    wx_buf_free(&self->signature);
}

static wxtp_status read_query(wx_core *core, const char *query, asked *self, wx_push_trace *trace,
                              wx_err *err)
{
    WX_AUTO_BUF type;
    wx_buf_init(&self->timestamp, &core->allocator, QUERY_VALUE_MAX);
    wx_buf_init(&self->nonce, &core->allocator, QUERY_VALUE_MAX);
    wx_buf_init(&self->signature, &core->allocator, QUERY_VALUE_MAX);
    wx_buf_init(&type, &core->allocator, QUERY_VALUE_MAX);
    const bool typed = wx_query_get(query, "encrypt_type", &type);
    if (type.nomem) {
        return wx_fail_nomem(err);
    }
    if (typed && strcmp(wx_buf_str(&type), "aes") != 0) {
        return unauthentic(err, "encrypt_type is not aes", "Set the platform to the safe (encrypted) mode.");
    }
    if (!wx_query_get(query, "timestamp", &self->timestamp) || !wx_query_get(query, "nonce", &self->nonce) ||
        !wx_query_get(query, "msg_signature", &self->signature)) {
        return self->timestamp.nomem || self->nonce.nomem || self->signature.nomem
                   ? wx_fail_nomem(err)
                   : unauthentic(err, "the query lacks timestamp, nonce or msg_signature", hint_body);
    }
    wx_push_passed(trace, WX_CHECK_QUERY, "timestamp, nonce and msg_signature are there");
    return WXTP_OK;
}

/* ---- XML ---- */

static wxtp_status parse(wx_core *core, wx_xml_reader *reader, const char *text, size_t len,
                         const char *where, wx_xml *xml, wx_err *err)
{
    static const char *const faults[] = {[WX_XML_MALFORMED] = "is no well-formed XML",
                                         [WX_XML_DTD] = "has a document type or entities, which are refused",
                                         [WX_XML_TOO_LARGE] = "is too large"};
    const wx_xml_result result = wx_xml_parse(reader, &core->allocator, text, len, xml);
    if (result == WX_XML_OK) {
        return WXTP_OK;
    }
    if (result == WX_XML_NOMEM) {
        return wx_fail_nomem(err);
    }
    wx_fail(err, WXTP_ERR_SIGNATURE, "the push is not authentic: the %s %s", where, faults[result]);
    wx_err_hint(err, "%s", hint_body);
    return err->status;
}

/* ---- The envelope ---- */

/* Of what failed here, and says nothing of the push. */
static bool broken(wx_envelope_fault fault)
{
    return fault == WX_ENVELOPE_NOMEM || fault == WX_ENVELOPE_FAILED;
}

static wxtp_status broken_down(wx_envelope_fault fault, wx_err *err)
{
    return fault == WX_ENVELOPE_NOMEM ? wx_fail_nomem(err)
                                      : wx_fail(err, WXTP_ERR_INTERNAL, "OpenSSL could not check the push");
}

static wxtp_status fault_of(wx_envelope_fault fault, bool key_fits, wx_err *err)
{
    if (broken(fault)) {
        return broken_down(fault, err);
    }
    if (fault == WX_ENVELOPE_BASE64) {
        return unauthentic(err, "Encrypt is no base64", hint_body);
    }
    if (fault == WX_ENVELOPE_DECRYPT) {
        return unauthentic(err, "Encrypt is no whole number of blocks of 16 bytes", hint_body);
    }
    if (fault == WX_ENVELOPE_APPID) {
        return unauthentic(err, "the appid inside is not the component's", hint_appid);
    }
    if (!key_fits) {
        return unauthentic(err, "it is no message after decryption: sealed with another EncodingAESKey",
                           hint_key);
    }
    return unauthentic(err,
                       fault == WX_ENVELOPE_PADDING ? "the padding is wrong after decryption"
                                                    : "the message length is wrong after decryption",
                       hint_sender);
}

static wx_envelope_fault signed_with(const wx_crypto *crypto, const char *token, const asked *query,
                                     const char *sealed)
{
    return wx_push_signature_check(crypto, token, wx_buf_str(&query->timestamp), wx_buf_str(&query->nonce),
                                   sealed, strlen(sealed), wx_buf_str(&query->signature));
}

static wxtp_status unsigned_text(const wx_component *component, const char *given, wx_err *err)
{
    enum { HEX_LEN = 40 };
    if (strlen(given) != HEX_LEN || strspn(given, "0123456789abcdef") != HEX_LEN) {
        return unauthentic(err, "msg_signature is wrong: it has not 40 hexadecimal digits in lower case",
                           hint_body);
    }
    return unauthentic(
        err,
        component->previous_push_token
            ? "msg_signature is wrong: made with neither the current nor the previous Token, or of "
              "another text"
            : "msg_signature is wrong: made with another Token than the one here, or of another text",
        hint_token);
}

static wxtp_status check_signature(const wx_crypto *crypto, const wx_component *component, const asked *query,
                                   const char *sealed, wx_push_trace *trace, wx_err *err)
{
    if (!component->push_token) {
        wx_fail(err, WXTP_ERR_CONFIGURATION, "the platform has no Token to verify pushes with");
        wx_err_hint(err, "%s", hint_token);
        return err->status;
    }
    const char *which = "current";
    wx_envelope_fault fault = signed_with(crypto, component->push_token, query, sealed);
    if (fault == WX_ENVELOPE_SIGNATURE) {
        which = "previous";
        fault = signed_with(crypto, component->previous_push_token, query, sealed);
    }
    if (broken(fault)) {
        return broken_down(fault, err);
    }
    if (fault != WX_ENVELOPE_OK) {
        return unsigned_text(component, wx_buf_str(&query->signature), err);
    }
    wx_push_passed(trace, WX_CHECK_SIGNATURE, "made with the %s Token", which);
    return WXTP_OK;
}

/* How a key fared. */
typedef struct attempt {
    wx_envelope_fault fault;
    bool fits;    /* it is the key that the push was sealed with */
    bool telling; /* it fits, or could not be tried */
    bool previous;
} attempt;

static attempt try_key(const wx_crypto *crypto, const wx_component *component,
                       const unsigned char key[WX_AES_KEY_LEN], const char *sealed, size_t len, wx_buf *plain)
{
    attempt self = {.fault = wx_envelope_open(crypto, key, component->appid, sealed, len, plain)};
    self.fits = self.fault == WX_ENVELOPE_OK || self.fault == WX_ENVELOPE_APPID ||
                wx_envelope_key_fits(crypto, key, component->appid, sealed, len, plain->allocator);
    self.telling = self.fits || broken(self.fault);
    return self;
}

static void trace_attempt(wx_push_trace *trace, const attempt *self, size_t len)
{
    const wx_envelope_fault fault = self->fault;
    if (broken(fault) || fault == WX_ENVELOPE_BASE64 || fault == WX_ENVELOPE_DECRYPT) {
        return;
    }
    wx_push_passed(trace, WX_CHECK_BASE64, "%zu characters", len);
    if (!self->fits) {
        return;
    }
    wx_push_passed(trace, WX_CHECK_KEY, "sealed with the %s EncodingAESKey",
                   self->previous ? "previous" : "current");
    if (fault != WX_ENVELOPE_PADDING) {
        wx_push_passed(trace, WX_CHECK_PADDING, "1 to 32 equal bytes");
        if (fault != WX_ENVELOPE_LENGTH) {
            wx_push_passed(trace, WX_CHECK_LENGTH, "within the text");
        }
    }
}

/* With the current key, then the previous one. Of two that do not open it, the one that tells more is told.
 */
static wxtp_status decrypt(const wx_crypto *crypto, const wx_component *component, const char *sealed,
                           wxtp_push *push, wx_buf *plain, wx_push_trace *trace, wx_err *err)
{
    const char *const keys[] = {component->aes_key, component->previous_aes_key};
    const size_t len = strlen(sealed);
    attempt told = {0};
    bool any = false;
    const size_t count = sizeof(keys) / sizeof(keys[0]);
    for (size_t i = 0; i < count && (!any || told.fault != WX_ENVELOPE_OK); i++) {
        unsigned char key[WX_AES_KEY_LEN];
        if (!keys[i] || !wx_encoding_aes_key_decode(keys[i], strlen(keys[i]), key)) {
            continue;
        }
        attempt now = try_key(crypto, component, key, sealed, len, plain);
        OPENSSL_cleanse(key, sizeof(key));
        now.previous = keys[i] == component->previous_aes_key;
        if (!any || now.fault == WX_ENVELOPE_OK || (now.telling && !told.telling)) {
            told = now;
        }
        any = true;
    }
    if (!any) {
        wx_fail(err, WXTP_ERR_CONFIGURATION, "the platform has no EncodingAESKey to open pushes with");
        wx_err_hint(err, "%s", hint_key);
        return err->status;
    }
    push->previous_key = told.previous;
    trace_attempt(trace, &told, len);
    return told.fault == WX_ENVELOPE_OK ? WXTP_OK : fault_of(told.fault, told.fits, err);
}

/* ---- What is inside ---- */

static wxtp_status identify(const wx_crypto *crypto, wxtp_push *push, const wx_buf *plain, wx_err *err)
{
    static const char digits[] = "0123456789abcdef";
    if (!wx_digest(crypto, plain->data, plain->len, push->digest)) {
        return wx_openssl_fail("digest", err);
    }
    for (size_t i = 0; i < sizeof(push->digest); i++) {
        push->id[2 * i] = digits[push->digest[i] >> 4];
        push->id[2 * i + 1] = digits[push->digest[i] & 15];
    }
    return WXTP_OK;
}

static wxtp_status read_fields(wx_core *core, wxtp_push *push, wx_err *err)
{
    const char *info_type = wx_xml_get(&push->fields, "InfoType");
    const char *msg_type = wx_xml_get(&push->fields, "MsgType");
    const char *appid = wx_xml_get(&push->fields, "AppId");
    const char *authorizer = wx_xml_get(&push->fields, "AuthorizerAppid");
    const char *created = wx_xml_get(&push->fields, "CreateTime");
    if (info_type && appid && strcmp(appid, push->component) != 0) {
        return unauthentic(err, "the AppId of the event is not the component's", hint_appid);
    }
    push->kind = info_type ? WX_PUSH_EVENT : WX_PUSH_MESSAGE;
    push->event = wx_strdup(&core->allocator, info_type ? info_type : msg_type ? msg_type : "");
    if (!push->event) {
        return wx_fail_nomem(err);
    }
    if (authorizer && wx_appid_ok(authorizer)) {
        wx_copy(push->authorizer, sizeof(push->authorizer), authorizer);
    }
    int64_t seconds = 0;
    if (created && wx_text_int64(created, strlen(created), &seconds) && seconds > 0) {
        push->create_time_s = seconds;
    }
    snprintf(push->source, sizeof(push->source), "push %.40s %s", push->event, push->id);
    return WXTP_OK;
}

/* The appid within the envelope was compared when it was opened. */
static wxtp_status check_outer_appid(const wx_component *component, const char *appid, wx_push_trace *trace,
                                     wx_err *err)
{
    if (appid && strcmp(appid, component->appid) != 0) {
        return unauthentic(err, "the AppId of the body is not the component's", hint_appid);
    }
    wx_push_passed(trace, WX_CHECK_APPID, "%s", component->appid);
    return WXTP_OK;
}

static wxtp_status open_sealed(wx_core *core, wx_xml_reader *reader, const wx_component *component,
                               const asked *query, const char *sealed, const char *appid, wxtp_push *push,
                               wx_push_trace *trace, wx_err *err)
{
    WX_AUTO_BUF plain;
    wx_buf_init(&plain, &core->allocator, WX_PUSH_MAX);
    wxtp_status status = check_signature(&core->crypto, component, query, sealed, trace, err);
    if (status == WXTP_OK) {
        status = decrypt(&core->crypto, component, sealed, push, &plain, trace, err);
    }
    if (status == WXTP_OK) {
        status = check_outer_appid(component, appid, trace, err);
    }
    if (status == WXTP_OK) {
        status = parse(core, reader, wx_buf_str(&plain), plain.len, "decrypted message", &push->fields, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    wx_push_passed(trace, WX_CHECK_INNER_XML, "%zu bytes, %zu fields", plain.len, push->fields.count);
    status = identify(&core->crypto, push, &plain, err);
    if (status == WXTP_OK) {
        status = read_fields(core, push, err);
    }
    if (status == WXTP_OK) {
        wx_push_passed(trace, WX_CHECK_EVENT_APPID, "%s of kind %.60s",
                       push->kind == WX_PUSH_EVENT ? "an event" : "a message",
                       push->event[0] ? push->event : "unknown");
    }
    return status;
}

wxtp_status wx_push_open(wx_core *core, const wx_component *component, const char *query, const void *body,
                         size_t len, wxtp_push *push, wx_push_trace *trace, wx_err *err)
{
    __attribute__((cleanup(asked_free))) asked values = {0};
    WX_AUTO_XML outer = {0};
    WX_AUTO_XML_READER reader = {.salt = core->xml_salt};
    wx_copy(push->component, sizeof(push->component), component->appid);
    wxtp_status status = read_query(core, query, &values, trace, err);
    if (status != WXTP_OK) {
        return status;
    }
    if (len == 0 || len > WX_PUSH_MAX) {
        return unauthentic(err, len == 0 ? "the body is empty" : "the body is larger than 1 MiB", hint_body);
    }
    wx_push_passed(trace, WX_CHECK_BODY_SIZE, "%zu bytes of at most %d", len, WX_PUSH_MAX);
    status = parse(core, &reader, body, len, "body", &outer, err);
    if (status != WXTP_OK) {
        return status;
    }
    const char *sealed = wx_xml_get(&outer, "Encrypt");
    if (!sealed || !*sealed) {
        return unauthentic(err, "the body has no Encrypt", hint_body);
    }
    wx_push_passed(trace, WX_CHECK_XML, "well-formed, with Encrypt");
    return open_sealed(core, &reader, component, &values, sealed, wx_xml_get(&outer, "AppId"), push, trace,
                       err);
}
