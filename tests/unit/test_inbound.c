/* Pushes (I8): authentic or refused, counted once, in WeChat's order; codes stored before the answer. */
#include "algorithms.h"
#include "failing_store.h"
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/envelope.h"
#include "codec/json.h"
#include "codec/xml.h"
#include "domain/ticket.h"
#include "domain/token.h"
#include "domain/vault.h"
#include "flow/inbound.h"
#include "flow/push_state.h"

#define APPID "wxa0000000000000a1"
#define OLD_TOKEN "the-previous-push-token"
#define OLD_KEY "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefg"
#define INFO_PATH "api_get_authorizer_info"
#define AUTH_PATH "api_query_auth"

static const char info_authorized[] =
    "{\"authorizer_info\":{\"service_type_info\":{\"id\":2},\"verify_type_info\":{\"id\":0}},\"authorization_"
    "info\":{"
    "\"authorizer_refresh_token\":\"refresh-token-1\",\"func_info\":[{\"funcscope_category\":{\"id\":2}}]}}";
static const char info_gone[] = "{\"errcode\":61003,\"errmsg\":\"not authorized\"}";

/* ---- Sealing as WeChat does ---- */

typedef struct sealed {
    const char *token, *key, *appid, *outer_appid;
    char query[256], body[16384];
} sealed;

static sealed wechat(void)
{
    return (sealed){.token = FIXTURE_PUSH_TOKEN,
                    .key = FIXTURE_AES_KEY,
                    .appid = FIXTURE_COMPONENT,
                    .outer_appid = FIXTURE_COMPONENT};
}

static void seal(sealed *self, const char *xml)
{
    unsigned char key[WX_AES_KEY_LEN];
    char signature[41];
    WX_AUTO_BUF text;
    wx_buf_init(&text, NULL, 1 << 20);
    assert_true(wx_encoding_aes_key_decode(self->key, strlen(self->key), key));
    assert_int_equal(wx_envelope_seal(algorithms(), key, self->appid, xml, strlen(xml), NULL, &text),
                     WX_ENVELOPE_OK);
    assert_true(
        wx_push_signature(algorithms(), self->token, "1767225600", "nonce1", text.data, text.len, signature));
    snprintf(self->query, sizeof self->query,
             "signature=x&timestamp=1767225600&nonce=nonce1&encrypt_type=aes&msg_signature=%s", signature);
    snprintf(self->body, sizeof self->body,
             "<xml><AppId><![CDATA[%s]]></AppId><Encrypt><![CDATA[%s]]></Encrypt></xml>", self->outer_appid,
             wx_buf_str(&text));
}

static wxtp_status receive_sealed(fixture *fx, const sealed *self, wxtp_push **push, wx_err *err)
{
    *push = NULL;
    *err = (wx_err){0};
    return wx_inbound_receive(fx->op, self->query, self->body, strlen(self->body), push, err);
}

static wxtp_push *receive(fixture *fx, const char *xml)
{
    sealed self = wechat();
    wxtp_push *push = NULL;
    wx_err err;
    seal(&self, xml);
    if (receive_sealed(fx, &self, &push, &err) != WXTP_OK) {
        fail_msg("%s", err.message);
    }
    assert_non_null(push->reply);
    return push;
}

/* Receives, and tells whether it counted. */
static bool counts(fixture *fx, const char *xml)
{
    wxtp_push *push = receive(fx, xml);
    const bool applied = push->applied;
    assert_int_equal(applied, push->why[0] == '\0');
    assert_string_equal(push->reply, "success");
    wx_push_free(push);
    return applied;
}

static char *event_xml(char *xml, const char *type, long time, const char *more)
{
    char created[64] = "";
    if (time > 0) {
        snprintf(created, sizeof created, "<CreateTime>%ld</CreateTime>", time);
    }
    snprintf(xml, 2048,
             "<xml><AppId><![CDATA[" FIXTURE_COMPONENT
             "]]></AppId>%s<InfoType><![CDATA[%s]]></InfoType>%s</xml>",
             created, type, more);
    return xml;
}

#define WHO "<AuthorizerAppid><![CDATA[" APPID "]]></AuthorizerAppid>"
#define WITH_CODE(code)                                                                                      \
    WHO "<AuthorizationCode><![CDATA[" code                                                                  \
        "]]></AuthorizationCode><AuthorizationCodeExpiredTime>1767229200"                                    \
        "</AuthorizationCodeExpiredTime>"

static bool event(fixture *fx, const char *type, long time, const char *more)
{
    char xml[2048];
    return counts(fx, event_xml(xml, type, time, more));
}

static void put(fixture *fx, wxtp_tenant_status status, int64_t event_time_s)
{
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.status = status;
    row.event_time_s = event_time_s;
    fixture_put_tenant(fx, &row);
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-token-1", "refresh-token-1");
}

static wxtp_tenant_status status_of(fixture *fx)
{
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    return tenant->row.status;
}

/* ---- Authentic or not ---- */

static wx_push_explanation explain(fixture *fx, const sealed *self)
{
    wx_push_explanation told;
    wx_err err = {0};
    if (wx_inbound_explain(fx->op, self->query, self->body, strlen(self->body), &told, &err) != WXTP_OK) {
        fail_msg("%s", err.message);
    }
    return told;
}

/* The first check that it does not pass is `check`, and it is told in the words of the refusal. */
static void assert_explained(fixture *fx, const sealed *self, wx_push_check check, const char *refusal)
{
    const wx_push_explanation told = explain(fx, self);
    assert_false(told.authentic);
    assert_string_equal(told.refusal.message, refusal);
    assert_true(told.refusal.hint[0] != '\0');
    for (int i = 0; i < WX_PUSH_CHECKS; i++) {
        if (told.trace.passed[i] != (i < (int)check)) {
            fail_msg("%s: check %d is %s", refusal, i, told.trace.passed[i] ? "passed" : "not passed");
        }
        assert_int_equal(told.trace.passed[i], told.trace.details[i][0] != '\0');
    }
}

static void assert_forged(fixture *fx, const sealed *self, wx_push_check check, const char *word,
                          const char *hint)
{
    wxtp_push *push = NULL;
    wx_err err;
    if (receive_sealed(fx, self, &push, &err) == WXTP_OK) {
        fail_msg("taken: %s", word);
    }
    assert_int_equal(err.status, WXTP_ERR_SIGNATURE);
    assert_null(push);
    if (!strstr(err.message, word)) {
        fail_msg("'%s' does not say '%s'", err.message, word);
    }
    if (hint && !strstr(err.hint, hint)) {
        fail_msg("'%s' does not say '%s'", err.hint, hint);
    }
    assert_explained(fx, self, check, err.message);
}

/* Symptom: signature always wrong; amount to pad is incorrect. */
static void I8_what_is_not_authentic_is_refused_by_name(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    event_xml(xml, "component_verify_ticket", 1767225700,
              "<ComponentVerifyTicket>ticket@@@1</ComponentVerifyTicket>");
    sealed self = wechat();
    self.token = "another-token";
    seal(&self, xml);
    assert_forged(fx, &self, WX_CHECK_SIGNATURE, "msg_signature", "--token-file");
    self = wechat();
    self.key = OLD_KEY;
    seal(&self, xml);
    assert_forged(fx, &self, WX_CHECK_KEY, "after decryption", "--aes-key-file");
    self = wechat();
    self.appid = "wxffffffffffffffff";
    seal(&self, xml);
    assert_forged(fx, &self, WX_CHECK_APPID, "appid inside", "another platform");
    self = wechat();
    self.outer_appid = "wxffffffffffffffff";
    seal(&self, xml);
    assert_forged(fx, &self, WX_CHECK_APPID, "AppId of the body", "another platform");
    self = wechat();
    seal(&self, "<xml><AppId>wxffffffffffffffff</AppId><InfoType>component_verify_ticket</InfoType></xml>");
    assert_forged(fx, &self, WX_CHECK_EVENT_APPID, "AppId of the event", "another platform");
    self = wechat();
    seal(&self, "<xml><InfoType>");
    assert_forged(fx, &self, WX_CHECK_INNER_XML, "decrypted message", NULL);
    self = wechat();
    seal(&self, "<!DOCTYPE a [<!ENTITY b \"c\">]><xml><InfoType>&b;</InfoType></xml>");
    assert_forged(fx, &self, WX_CHECK_INNER_XML, "document type", NULL);
    WX_AUTO_FREE char *ticket = NULL;
    wx_err err = {0};
    assert_int_equal(wx_ticket_get(fx->core, &ticket, &err), WXTP_OK);
    assert_string_equal(ticket, "ticket@@@0");
}

static void I8_what_is_malformed_outside_is_refused(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    sealed self = wechat();
    seal(&self, event_xml(xml, "unauthorized", 1767225700, WHO));
    sealed broken = self;
    memcpy(strstr(broken.query, "nonce="), "nonsex", 6);
    assert_forged(fx, &broken, WX_CHECK_QUERY, "lacks", NULL);
    broken = self;
    memcpy(strstr(broken.query, "=aes"), "=raw", 4);
    assert_forged(fx, &broken, WX_CHECK_QUERY, "encrypt_type", NULL);
    broken = self;
    broken.body[0] = '\0';
    assert_forged(fx, &broken, WX_CHECK_BODY_SIZE, "empty", NULL);
    broken = self;
    snprintf(broken.body, sizeof broken.body, "<xml><ToUserName>gh_1</ToUserName></xml>");
    assert_forged(fx, &broken, WX_CHECK_XML, "no Encrypt", NULL);
    broken = self;
    snprintf(broken.body, sizeof broken.body, "<!DOCTYPE xml><xml><Encrypt>x</Encrypt></xml>");
    assert_forged(fx, &broken, WX_CHECK_XML, "document type", NULL);
    broken = self;
    char *at = strstr(broken.body, "<Encrypt>") + 40; /* one character of the sealed text */
    *at = *at == 'A' ? 'B' : 'A';
    assert_forged(fx, &broken, WX_CHECK_SIGNATURE, "msg_signature", NULL);
    char *large = calloc(1, (1 << 20) + 2);
    wxtp_push *push = NULL;
    wx_err err = {0};
    assert_int_equal(wx_inbound_receive(fx->op, self.query, large, (1 << 20) + 1, &push, &err),
                     WXTP_ERR_SIGNATURE);
    free(large);
}

/* Wrong inside the envelope though signature and key are right: what comes of it is as chance has it, but not
 * the check that finds it. */
static void I8_the_check_that_a_changed_text_fails_is_told(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    event_xml(xml, "unauthorized", 1767225700, WHO);
    for (int kind = 0; kind < 4; kind++) {
        static const wx_push_check checks[] = {WX_CHECK_BASE64, WX_CHECK_BASE64, WX_CHECK_PADDING,
                                               WX_CHECK_LENGTH};
        static const char *const words[] = {"no base64", "blocks of 16 bytes", "padding", "length"};
        sealed self = wechat();
        unsigned char key[WX_AES_KEY_LEN];
        char signature[41];
        WX_AUTO_BUF text;
        WX_AUTO_BUF bytes;
        wx_buf_init(&text, NULL, 1 << 20);
        wx_buf_init(&bytes, NULL, 1 << 20);
        seal(&self, xml);
        assert_true(wx_encoding_aes_key_decode(self.key, strlen(self.key), key));
        assert_int_equal(wx_envelope_seal(algorithms(), key, self.appid, xml, strlen(xml), NULL, &text),
                         WX_ENVELOPE_OK);
        if (kind == 0) {
            memcpy(text.data, "!*!*", 4);
        } else {
            assert_true(wx_base64_decode(&bytes, text.data, text.len));
            if (kind == 1) {
                bytes.len -= 3;
            } else if (kind == 2) {
                bytes.len -= 16; /* ends within the appid or the message */
            } else {
                bytes.data[20] = (char)(bytes.data[20] ^ 1); /* the block that has the length */
            }
            wx_buf_clear(&text);
            assert_true(wx_base64_encode(&text, bytes.data, bytes.len));
        }
        assert_true(wx_push_signature(algorithms(), self.token, "1767225600", "nonce1", text.data, text.len,
                                      signature));
        snprintf(self.query, sizeof self.query, "timestamp=1767225600&nonce=nonce1&msg_signature=%s",
                 signature);
        snprintf(self.body, sizeof self.body, "<xml><Encrypt><![CDATA[%s]]></Encrypt></xml>",
                 wx_buf_str(&text));
        assert_forged(fx, &self, checks[kind], words[kind], NULL);
    }
}

static void I8_explaining_takes_nothing(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    sealed self = wechat();
    put(fx, WXTP_TENANT_AUTHORIZED, 1767225600);
    seal(&self, event_xml(xml, "unauthorized", 1767225700, WHO));
    for (int i = 0; i < 2; i++) {
        const wx_push_explanation told = explain(fx, &self);
        assert_true(told.authentic);
        assert_true(told.applied);
        assert_false(told.seen_before || told.older);
        assert_int_equal(told.create_time_s, 1767225700);
        assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZED);
    }
    assert_true(counts(fx, xml)); /* it is not remembered */
    assert_int_equal(status_of(fx), WXTP_TENANT_UNAUTHORIZED);
    wx_push_explanation told = explain(fx, &self);
    assert_true(told.authentic && told.seen_before);
    assert_false(told.applied || told.older);
    seal(&self, event_xml(xml, "unauthorized", 1767225650, WHO));
    told = explain(fx, &self);
    assert_true(told.authentic && told.older);
    assert_false(told.applied || told.seen_before);
    assert_string_equal(told.why, "older than what is stored");
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void I8_the_key_and_token_that_served_are_told(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    fixture_put_platform(fx, FIXTURE_PUSH_TOKEN, FIXTURE_AES_KEY, OLD_TOKEN, OLD_KEY);
    sealed self = wechat();
    seal(&self, event_xml(xml, "unauthorized", 1767225700, WHO));
    wx_push_explanation told = explain(fx, &self);
    assert_non_null(strstr(told.trace.details[WX_CHECK_SIGNATURE], "current"));
    assert_non_null(strstr(told.trace.details[WX_CHECK_KEY], "current"));
    self.token = OLD_TOKEN;
    self.key = OLD_KEY;
    seal(&self, xml);
    told = explain(fx, &self);
    assert_non_null(strstr(told.trace.details[WX_CHECK_SIGNATURE], "previous"));
    assert_non_null(strstr(told.trace.details[WX_CHECK_KEY], "previous"));
}

static void I9_an_explanation_holds_no_secret(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    sealed self = wechat();
    static const char *const secrets[] = {FIXTURE_PUSH_TOKEN, FIXTURE_AES_KEY, "ticket@@@",
                                          "queryauthcode@@@"};
    static const char *const events[][2] = {
        {"component_verify_ticket", "<ComponentVerifyTicket>ticket@@@7</ComponentVerifyTicket>"},
        {"authorized", WITH_CODE("queryauthcode@@@7")}};
    for (int i = 0; i < 4; i++) {
        self.key = i < 2 ? FIXTURE_AES_KEY : OLD_KEY;
        seal(&self, event_xml(xml, events[i % 2][0], 1767225700, events[i % 2][1]));
        const wx_push_explanation told = explain(fx, &self);
        for (size_t s = 0; s < sizeof secrets / sizeof secrets[0]; s++) {
            for (int at = 0; at < WX_PUSH_CHECKS; at++) {
                assert_null(strstr(told.trace.details[at], secrets[s]));
            }
            assert_null(strstr(told.refusal.message, secrets[s]));
            assert_null(strstr(told.refusal.hint, secrets[s]));
        }
    }
}

static void I8_late_pushes_under_the_previous_token_and_key_are_taken(void **state)
{
    fixture *fx = *state;
    static const char *const tokens[] = {FIXTURE_PUSH_TOKEN, OLD_TOKEN};
    static const char *const keys[] = {FIXTURE_AES_KEY, OLD_KEY};
    fixture_put_platform(fx, FIXTURE_PUSH_TOKEN, FIXTURE_AES_KEY, OLD_TOKEN, OLD_KEY);
    for (int i = 0; i < 4; i++) {
        char xml[2048];
        char more[128];
        wxtp_push *push = NULL;
        wx_err err;
        sealed self = wechat();
        self.token = tokens[i % 2];
        self.key = keys[i / 2];
        snprintf(more, sizeof more, "<ComponentVerifyTicket>ticket@@@%d</ComponentVerifyTicket>", i);
        seal(&self, event_xml(xml, "component_verify_ticket", 1767225700 + i, more));
        assert_int_equal(receive_sealed(fx, &self, &push, &err), WXTP_OK);
        assert_true(push->applied);
        assert_int_equal(push->previous_key, i / 2);
        wx_push_free(push);
    }
}

/* Vectors of other SDKs: real envelopes, other appids, so a platform is set up for each. */
static void vectors_of_other_sdks_are_opened(void **state)
{
    fixture *fx = *state;
    struct json_object *vectors = json_object_from_file(WXTP_TEST_DATA "/crypto-vectors.json");
    assert_non_null(vectors);
    size_t opened = 0;
    for (size_t i = 0; i < json_object_array_length(vectors); i++) {
        struct json_object *vector = json_object_array_get_idx(vectors, i);
        const char *plain = wx_json_str(vector, "plaintext");
        if (!plain || plain[0] != '<') {
            continue;
        }
        char query[256];
        char body[16384];
        wx_buf buf[3];
        wxtp_platform_row row = {.component_appid = wx_json_str(vector, "appid")};
        const char *const texts[] = {"a secret", wx_json_str(vector, "token"),
                                     wx_json_str(vector, "encoding_aes_key")};
        const char *const fields[] = {"appsecret", "push_token", "aes_key"};
        wxtp_blob *const blobs[] = {&row.appsecret, &row.push_token, &row.aes_key};
        wx_err err = {0};
        for (int k = 0; k < 3; k++) {
            assert_int_equal(wx_vault_seal(fx->core, "platform", row.component_appid, "", fields[k], texts[k],
                                           &buf[k], blobs[k], &err),
                             WXTP_OK);
        }
        WX_AUTO_SCOPE scope = {0};
        assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_SYNC, &err), WXTP_OK);
        assert_int_equal(wx_ops(fx->core)->platform_put(scope.tx, &row), WXTP_OK);
        assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
        wx_copy(fx->core->settings.component, sizeof fx->core->settings.component, row.component_appid);
        snprintf(query, sizeof query, "timestamp=%s&nonce=%s&msg_signature=%s",
                 wx_json_str(vector, "timestamp"), wx_json_str(vector, "nonce"),
                 wx_json_str(vector, "msg_signature"));
        snprintf(body, sizeof body, "<xml><ToUserName>gh_1</ToUserName><Encrypt>%s</Encrypt></xml>",
                 wx_json_str(vector, "encrypt"));
        wxtp_push *push = NULL;
        if (wx_inbound_receive(fx->op, query, body, strlen(body), &push, &err) != WXTP_OK) {
            fail_msg("%s: %s", wx_json_str(vector, "name"), err.message);
        }
        assert_true(push->applied);
        wx_push_free(push);
        for (int k = 0; k < 3; k++) {
            wx_buf_free(&buf[k]);
        }
        opened++;
    }
    json_object_put(vectors);
    assert_true(opened >= 2);
}

/* ---- Once ---- */

static void I8_a_replay_counts_once_and_has_the_same_id(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    event_xml(xml, "authorized", 1767225700, WITH_CODE("queryauthcode@@@1"));
    wxtp_push *first = receive(fx, xml);
    wxtp_push *second = receive(fx, xml); /* sealed anew: other bytes, the same message */
    assert_true(first->applied);
    assert_false(second->applied);
    assert_non_null(strstr(second->why, "replayed"));
    assert_string_equal(second->reply, "success");
    assert_string_equal(first->id, second->id);
    assert_int_equal(strlen(first->id), 64);
    assert_string_equal(second->code, "queryauthcode@@@1"); /* its exchange can still be told */
    wx_push_free(first);
    wx_push_free(second);
}

static void I9_fields_hide_tickets_and_codes(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    wxtp_push *push = receive(fx, event_xml(xml, "authorized", 1767225700, WITH_CODE("queryauthcode@@@1")));
    assert_null(wx_push_field(push, "AuthorizationCode"));
    assert_string_equal(wx_push_field(push, "AuthorizerAppid"), APPID);
    wx_push_free(push);
    push = receive(fx, event_xml(xml, "component_verify_ticket", 1767225701,
                                 "<ComponentVerifyTicket>ticket@@@5</ComponentVerifyTicket>"));
    assert_null(wx_push_field(push, "ComponentVerifyTicket"));
    assert_null(wx_push_field(push, "Nothing"));
    wx_push_free(push);
}

static void I8_an_unknown_event_is_handed_through(void **state)
{
    fixture *fx = *state;
    assert_true(event(fx, "notify_third_fasteregister", 1767225700, "<appid>wx1</appid><status>0</status>"));
    assert_true(event(fx, "notify_3rd_wxa_auth", 0, ""));
}

/* ---- The ticket ---- */

static void I8_an_older_ticket_changes_nothing(void **state)
{
    fixture *fx = *state;
    WX_AUTO_FREE char *ticket = NULL;
    wx_err err = {0};
    assert_true(event(fx, "component_verify_ticket", 1767226000,
                      "<ComponentVerifyTicket>ticket@@@2</ComponentVerifyTicket>"));
    assert_false(event(fx, "component_verify_ticket", 1767225900,
                       "<ComponentVerifyTicket>ticket@@@1</ComponentVerifyTicket>"));
    assert_false(event(fx, "component_verify_ticket", 1767226100, ""));
    assert_int_equal(wx_ticket_get(fx->core, &ticket, &err), WXTP_OK);
    assert_string_equal(ticket, "ticket@@@2");
}

/* ---- Authorizations ---- */

static void I8_a_code_is_stored_before_the_answer(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    wxtp_push *push = receive(fx, event_xml(xml, "authorized", 1767225700, WITH_CODE("queryauthcode@@@1")));
    assert_true(push->applied);
    assert_string_equal(push->code, "queryauthcode@@@1");
    assert_string_equal(push->authorizer, APPID);
    assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZING);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
    fake_http_on(
        &fx->http, AUTH_PATH, NULL, 1,
        "{\"authorization_info\":{\"authorizer_appid\":\"" APPID
        "\",\"authorizer_access_token\":\"access-token-2\",\"expires_in\":7200,\"authorizer_refresh_token\":"
        "\"refresh-token-1\",\"func_info\":[]}}");
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_authorized);
    wxtp_exchange exchange = WXTP_EXCHANGE_NONE;
    wx_err err = {0};
    assert_int_equal(wx_inbound_finish(fx->op, push, 4000, &exchange, &err), WXTP_OK);
    assert_int_equal(exchange, WXTP_EXCHANGE_DONE);
    assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZED);
    assert_int_equal(wx_inbound_finish(fx->op, push, 4000, &exchange, &err), WXTP_OK);
    assert_int_equal(exchange, WXTP_EXCHANGE_DONE);
    assert_int_equal(fake_http_count(&fx->http, AUTH_PATH), 1);
    wx_push_free(push);
}

static void an_exchange_that_fails_is_pending_or_failed(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    wxtp_exchange exchange = WXTP_EXCHANGE_NONE;
    wx_err err = {0};
    wxtp_push *push = receive(fx, event_xml(xml, "authorized", 1767225700, WITH_CODE("queryauthcode@@@1")));
    fake_http_fail(&fx->http, AUTH_PATH, NULL, -1, WXTP_HTTP_NOT_SENT, 0);
    assert_int_equal(wx_inbound_finish(fx->op, push, 1000, &exchange, &err), WXTP_OK);
    assert_int_equal(exchange, WXTP_EXCHANGE_PENDING);
    fake_http_on(&fx->http, AUTH_PATH, NULL, -1, "{\"errcode\":61009,\"errmsg\":\"code is invalid\"}");
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_gone);
    assert_int_equal(wx_inbound_finish(fx->op, push, 1000, &exchange, &err), WXTP_OK);
    assert_int_equal(exchange, WXTP_EXCHANGE_FAILED);
    wx_push_free(push);
    push = receive(fx, event_xml(xml, "unauthorized", 1767225800, WHO));
    assert_int_equal(wx_inbound_finish(fx->op, push, 1000, &exchange, &err), WXTP_OK);
    assert_int_equal(exchange, WXTP_EXCHANGE_NONE);
    wx_push_free(push);
}

static void I8_statuses_follow_wechats_order(void **state)
{
    fixture *fx = *state;
    put(fx, WXTP_TENANT_AUTHORIZED, 1000);
    assert_true(event(fx, "unauthorized", 2000, WHO));
    assert_int_equal(status_of(fx), WXTP_TENANT_UNAUTHORIZED);
    WX_AUTO_FREE char *refresh = fixture_refresh_token(fx, FIXTURE_COMPONENT, APPID);
    assert_string_equal(refresh, ""); /* WeChat has killed it */
    assert_false(event(fx, "authorized", 1500, WITH_CODE("queryauthcode@@@old")));
    assert_int_equal(status_of(fx), WXTP_TENANT_UNAUTHORIZED);
    assert_true(event(fx, "authorized", 3000, WITH_CODE("queryauthcode@@@new")));
    assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZING);
    assert_false(event(fx, "unauthorized", 2500, WHO));
    assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZING);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void I4_an_authorized_tenant_serves_on_while_its_new_code_waits(void **state)
{
    fixture *fx = *state;
    put(fx, WXTP_TENANT_AUTHORIZED, 1000);
    assert_true(event(fx, "updateauthorized", 2000, WITH_CODE("queryauthcode@@@1")));
    assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZED);
    put(fx, WXTP_TENANT_REAUTHORIZATION_REQUIRED, 1000);
    assert_true(event(fx, "updateauthorized", 3000, WITH_CODE("queryauthcode@@@2")));
    assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZING);
}

static void I8_where_times_tie_or_are_missing_info_decides(void **state)
{
    fixture *fx = *state;
    static const long times[] = {2000, 0};
    for (int i = 0; i < 2; i++) {
        char twist[256];
        put(fx, WXTP_TENANT_AUTHORIZED, 2000);
        fake_http_on(&fx->http, INFO_PATH, NULL, 1, info_authorized);
        snprintf(twist, sizeof twist, WHO "<A>%d</A>", i);
        assert_false(event(fx, "unauthorized", times[i], twist));
        assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZED);
        fake_http_on(&fx->http, INFO_PATH, NULL, 1, info_gone);
        snprintf(twist, sizeof twist, WHO "<B>%d</B>", i);
        assert_true(event(fx, "unauthorized", times[i], twist));
        assert_int_equal(status_of(fx), WXTP_TENANT_UNAUTHORIZED);
    }
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 4);
}

static void I8_an_event_in_doubt_changes_nothing_while_wechat_is_away(void **state)
{
    fixture *fx = *state;
    put(fx, WXTP_TENANT_AUTHORIZED, 2000);
    fake_http_fail(&fx->http, INFO_PATH, NULL, -1, WXTP_HTTP_UNKNOWN, 0);
    assert_false(event(fx, "unauthorized", 2000, WHO));
    assert_int_equal(status_of(fx), WXTP_TENANT_AUTHORIZED);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 1);
}

static void a_removed_tenant_comes_back_by_a_new_authorization_alone(void **state)
{
    fixture *fx = *state;
    wxtp_tenant_row row = fixture_service_account(fx, APPID);
    row.removed = true;
    row.event_time_s = 1000;
    fixture_put_tenant(fx, &row);
    assert_true(event(fx, "unauthorized", 2000, WHO));
    WX_AUTO_TENANT *before = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_true(before->row.removed);
    assert_true(event(fx, "authorized", 3000, WITH_CODE("queryauthcode@@@1")));
    WX_AUTO_TENANT *after = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_false(after->row.removed);
    assert_int_equal(after->row.status, WXTP_TENANT_AUTHORIZING);
}

static void an_unknown_merchant_that_leaves_is_not_made_a_tenant(void **state)
{
    fixture *fx = *state;
    assert_true(event(fx, "unauthorized", 2000, WHO));
    WX_AUTO_TENANT *tenant = NULL;
    wx_err err = {0};
    assert_int_equal(wx_tenant_find(fx->core, APPID, &tenant, &err), WXTP_ERR_REFUSED);
}

static void I6_an_authorization_ends_kept_refusals(void **state)
{
    fixture *fx = *state;
    wx_err err = {0};
    put(fx, WXTP_TENANT_AUTHORIZED, 1000);
    {
        WX_AUTO_SCOPE scope = {0};
        const wxtp_hold_row hold = {.platform = FIXTURE_COMPONENT,
                                    .appid = APPID,
                                    .call = "batchUnblacklist",
                                    .kind = WXTP_HOLD_REFUSED,
                                    .until_ms = INT64_MAX / 2};
        assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_WRITE, &err), WXTP_OK);
        assert_int_equal(wx_ops(fx->core)->hold_put(scope.tx, &hold), WXTP_OK);
        assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    }
    assert_true(event(fx, "updateauthorized", 2000, WITH_CODE("queryauthcode@@@1")));
    WX_AUTO_SCOPE scope = {0};
    wxtp_hold_row hold = {0};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->hold_get(scope.tx, FIXTURE_COMPONENT, APPID, "batchUnblacklist",
                                                WXTP_HOLD_REFUSED, &hold),
                     WXTP_ERR_NOT_FOUND);
}

/* ---- Messages and the release test ---- */

#define TEST_MESSAGE(to, type, rest)                                                                         \
    "<xml><ToUserName><![CDATA[" to                                                                          \
    "]]></ToUserName><FromUserName><![CDATA[oUser]]></FromUserName><CreateTime>"                             \
    "1767225700</CreateTime><MsgType><![CDATA[" type "]]></MsgType>" rest "</xml>"

/* Opens a passive reply as WeChat would, and gives its fields. */
static void open_reply(const char *reply, const char *key_text, wx_xml *inner)
{
    unsigned char key[WX_AES_KEY_LEN];
    WX_AUTO_XML outer = {0};
    WX_AUTO_XML_READER reader = {.salt = 0};
    WX_AUTO_BUF plain;
    wx_buf_init(&plain, NULL, 1 << 20);
    assert_int_equal(wx_xml_parse(&reader, NULL, reply, strlen(reply), &outer), WX_XML_OK);
    const char *encrypt = wx_xml_get(&outer, "Encrypt");
    assert_non_null(encrypt);
    assert_int_equal(wx_push_signature_check(algorithms(), FIXTURE_PUSH_TOKEN,
                                             wx_xml_get(&outer, "TimeStamp"), wx_xml_get(&outer, "Nonce"),
                                             encrypt, strlen(encrypt), wx_xml_get(&outer, "MsgSignature")),
                     WX_ENVELOPE_OK);
    assert_true(wx_encoding_aes_key_decode(key_text, strlen(key_text), key));
    assert_int_equal(wx_envelope_open(algorithms(), key, FIXTURE_COMPONENT, encrypt, strlen(encrypt), &plain),
                     WX_ENVELOPE_OK);
    assert_int_equal(wx_xml_parse(&reader, NULL, wx_buf_str(&plain), plain.len, inner), WX_XML_OK);
}

static void assert_text_reply(fixture *fx, const char *xml, const char *to, const char *content)
{
    WX_AUTO_XML inner = {0};
    wxtp_push *push = receive(fx, xml);
    open_reply(push->reply, FIXTURE_AES_KEY, &inner);
    assert_string_equal(wx_xml_get(&inner, "Content"), content);
    assert_string_equal(wx_xml_get(&inner, "MsgType"), "text");
    assert_string_equal(wx_xml_get(&inner, "ToUserName"), "oUser");
    assert_string_equal(wx_xml_get(&inner, "FromUserName"), to);
    wx_push_free(push);
}

/* Symptom: The network-wide release test fails. */
static void the_release_test_gets_its_replies(void **state)
{
    fixture *fx = *state;
    assert_text_reply(
        fx, TEST_MESSAGE("gh_3c884a361561", "text", "<Content>TESTCOMPONENT_MSG_TYPE_TEXT</Content>"),
        "gh_3c884a361561", "TESTCOMPONENT_MSG_TYPE_TEXT_callback");
    assert_text_reply(
        fx, TEST_MESSAGE("gh_8dad206e9538", "text", "<Content>TESTCOMPONENT_MSG_TYPE_TEXT</Content>"),
        "gh_8dad206e9538", "TESTCOMPONENT_MSG_TYPE_TEXT_callback");
    /* Again, as when the first answer was lost. */
    assert_text_reply(
        fx, TEST_MESSAGE("gh_3c884a361561", "text", "<Content>TESTCOMPONENT_MSG_TYPE_TEXT</Content>"),
        "gh_3c884a361561", "TESTCOMPONENT_MSG_TYPE_TEXT_callback");
    assert_text_reply(fx, TEST_MESSAGE("gh_3c884a361561", "event", "<Event>LOCATION</Event>"),
                      "gh_3c884a361561", "LOCATIONfrom_callback");
}

static void the_release_test_gets_its_message_by_the_api(void **state)
{
    fixture *fx = *state;
    wxtp_exchange exchange = WXTP_EXCHANGE_NONE;
    wx_err err = {0};
    wxtp_push *push = receive(
        fx, TEST_MESSAGE("gh_3c884a361561", "text", "<Content>QUERY_AUTH_CODE:queryauthcode@@@9</Content>"));
    assert_string_equal(push->reply, "");
    fake_http_on(
        &fx->http, AUTH_PATH, "queryauthcode@@@9", 1,
        "{\"authorization_info\":{\"authorizer_appid\":\"" APPID
        "\",\"authorizer_access_token\":\"access-token-9\",\"expires_in\":7200,\"authorizer_refresh_token\":"
        "\"refresh-token-1\",\"func_info\":[]}}");
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_authorized);
    fake_http_on(&fx->http, "message/custom/send", NULL, 1, "{\"errcode\":0,\"errmsg\":\"ok\"}");
    assert_int_equal(wx_inbound_finish(fx->op, push, 4000, &exchange, &err), WXTP_OK);
    assert_int_equal(exchange, WXTP_EXCHANGE_DONE);
    const fake_request *sent = fake_http_request(&fx->http, "message/custom/send", 0);
    assert_non_null(sent);
    assert_non_null(strstr(sent->url, "access_token=access-token-9"));
    assert_string_equal(sent->body, "{\"touser\":\"oUser\",\"msgtype\":\"text\",\"text\":{\"content\":"
                                    "\"queryauthcode@@@9_from_api\"}}");
    wx_push_free(push);
}

static void a_reply_is_sealed_with_the_key_of_the_push(void **state)
{
    fixture *fx = *state;
    WX_AUTO_XML inner = {0};
    wxtp_push *push = NULL;
    wx_err err;
    fixture_put_platform(fx, FIXTURE_PUSH_TOKEN, FIXTURE_AES_KEY, NULL, OLD_KEY);
    sealed self = wechat();
    self.key = OLD_KEY;
    seal(&self, TEST_MESSAGE("gh_3c884a361561", "event", "<Event>CLICK</Event>"));
    assert_int_equal(receive_sealed(fx, &self, &push, &err), WXTP_OK);
    open_reply(push->reply, OLD_KEY, &inner);
    assert_string_equal(wx_xml_get(&inner, "Content"), "CLICKfrom_callback");
    wx_push_free(push);
}

static void other_messages_are_handed_through(void **state)
{
    fixture *fx = *state;
    assert_true(counts(
        fx, TEST_MESSAGE("gh_000000000001", "text", "<Content>TESTCOMPONENT_MSG_TYPE_TEXT</Content>")));
    wxtp_push *push = receive(fx, TEST_MESSAGE("gh_000000000001", "text", "<Content>hello</Content>"));
    assert_string_equal(push->event, "text");
    assert_string_equal(wx_push_field(push, "Content"), "hello");
    assert_int_equal(push->kind, WX_PUSH_MESSAGE);
    wx_push_free(push);
}

static void without_a_platform_nothing_is_taken(void **state)
{
    fixture *fx = *state;
    wxtp_push *push = NULL;
    wx_err err = {0};
    fx->core->settings.component[0] = '\0';
    assert_int_equal(wx_inbound_receive(fx->op, "", "x", 1, &push, &err), WXTP_ERR_CONFIGURATION);
    fx->core->settings.component_ambiguous = true;
    assert_int_equal(wx_inbound_receive(fx->op, "", "x", 1, &push, &err), WXTP_ERR_AMBIGUOUS);
}

/* ---- Events ---- */

static void exchange_its_code(fixture *fx, const char *xml)
{
    wxtp_push *push = receive(fx, xml);
    wxtp_exchange exchange = WXTP_EXCHANGE_NONE;
    wx_err err = {0};
    fixture_patience(&fx->node, 60000);
    assert_int_equal(wx_inbound_finish(fx->op, push, 4000, &exchange, &err), WXTP_OK);
    assert_int_equal(exchange, WXTP_EXCHANGE_DONE);
    wx_push_free(push);
}

/* Each change of standing once, though pushes come again; a new account is no return. */
static void a_merchant_that_leaves_and_returns_is_told(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    fixture_listen(fx);
    fake_http_on(
        &fx->http, AUTH_PATH, NULL, -1,
        "{\"authorization_info\":{\"authorizer_appid\":\"" APPID
        "\",\"authorizer_access_token\":\"access-token-2\",\"expires_in\":7200,\"authorizer_refresh_token\":"
        "\"refresh-token-1\",\"func_info\":[{\"funcscope_category\":{\"id\":2}}]}}");
    fake_http_fail(&fx->http, INFO_PATH, NULL, -1, WXTP_HTTP_NOT_SENT, 0);
    exchange_its_code(fx, event_xml(xml, "authorized", 1767225700, WITH_CODE("queryauthcode@@@1")));
    assert_string_equal(fx->told, "");
    assert_true(event(fx, "unauthorized", 1767225800, WHO));
    assert_string_equal(fx->told, "tenant_unauthorized " APPID "\n");
    assert_false(event(fx, "unauthorized", 1767225800, WHO));
    assert_true(event(fx, "unauthorized", 1767225801, WHO));
    assert_string_equal(fx->told, "tenant_unauthorized " APPID "\n");
    fixture_listen(fx);
    wx_push_free(receive(fx, event_xml(xml, "authorized", 1767225900, WITH_CODE("queryauthcode@@@2"))));
    assert_string_equal(fx->told, ""); /* not yet */
    exchange_its_code(fx, xml);
    assert_string_equal(fx->told, "tenant_back " APPID "\n");
    exchange_its_code(fx, event_xml(xml, "updateauthorized", 1767226000, WITH_CODE("queryauthcode@@@3")));
    assert_string_equal(fx->told, "tenant_back " APPID "\n");
    assert_true(event(fx, "unauthorized", 1767226100, WHO));
    fixture_listen(fx);
    exchange_its_code(fx, event_xml(xml, "authorized", 1767226200, WITH_CODE("queryauthcode@@@4")));
    assert_string_equal(fx->told, "tenant_back " APPID "\n");
}

static void a_new_authorization_ends_a_dead_token(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    put(fx, WXTP_TENANT_REAUTHORIZATION_REQUIRED, 1767225600);
    fixture_listen(fx);
    fake_http_on(
        &fx->http, AUTH_PATH, NULL, -1,
        "{\"authorization_info\":{\"authorizer_appid\":\"" APPID
        "\",\"authorizer_access_token\":\"access-token-2\",\"expires_in\":7200,\"authorizer_refresh_token\":"
        "\"refresh-token-2\",\"func_info\":[]}}");
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_authorized);
    exchange_its_code(fx, event_xml(xml, "updateauthorized", 1767225700, WITH_CODE("queryauthcode@@@1")));
    assert_string_equal(fx->told, "tenant_back " APPID "\n");
}

static wxtp_status refuse_commit(wxtp_tx *tx)
{
    failing.real->rollback(tx);
    return WXTP_ERR_STORE;
}

static void what_is_rolled_back_is_not_told(void **state)
{
    fixture *fx = *state;
    char xml[2048];
    sealed self = wechat();
    wxtp_push *push = NULL;
    wx_err err;
    put(fx, WXTP_TENANT_AUTHORIZED, 1767225600);
    fixture_listen(fx);
    seal(&self, event_xml(xml, "unauthorized", 1767225700, WHO));
    assert_true(explain(fx, &self).applied);
    assert_string_equal(fx->told, "");
    failing_install(fx, -1);
    failing.ops.commit = refuse_commit;
    assert_int_equal(receive_sealed(fx, &self, &push, &err), WXTP_ERR_STORE);
    failing_remove(fx);
    assert_null(push);
    assert_null(strstr(fx->told, "tenant_unauthorized"));
    assert_non_null(strstr(fx->told, "store_failing"));
    assert_true(counts(fx, xml));
    assert_non_null(strstr(fx->told, "tenant_unauthorized " APPID "\n"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup_platform, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(I8_what_is_not_authentic_is_refused_by_name),
        T(I8_what_is_malformed_outside_is_refused),
        T(I8_the_check_that_a_changed_text_fails_is_told),
        T(I8_explaining_takes_nothing),
        T(I8_the_key_and_token_that_served_are_told),
        T(I9_an_explanation_holds_no_secret),
        T(I8_late_pushes_under_the_previous_token_and_key_are_taken),
        T(vectors_of_other_sdks_are_opened),
        T(I8_a_replay_counts_once_and_has_the_same_id),
        T(I9_fields_hide_tickets_and_codes),
        T(I8_an_unknown_event_is_handed_through),
        T(I8_an_older_ticket_changes_nothing),
        T(I8_a_code_is_stored_before_the_answer),
        T(an_exchange_that_fails_is_pending_or_failed),
        T(I8_statuses_follow_wechats_order),
        T(I4_an_authorized_tenant_serves_on_while_its_new_code_waits),
        T(I8_where_times_tie_or_are_missing_info_decides),
        T(I8_an_event_in_doubt_changes_nothing_while_wechat_is_away),
        T(a_removed_tenant_comes_back_by_a_new_authorization_alone),
        T(an_unknown_merchant_that_leaves_is_not_made_a_tenant),
        T(I6_an_authorization_ends_kept_refusals),
        T(the_release_test_gets_its_replies),
        T(the_release_test_gets_its_message_by_the_api),
        T(a_reply_is_sealed_with_the_key_of_the_push),
        T(other_messages_are_handed_through),
        T(without_a_platform_nothing_is_taken),
        T(a_merchant_that_leaves_and_returns_is_told),
        T(a_new_authorization_ends_a_dead_token),
        T(what_is_rolled_back_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
