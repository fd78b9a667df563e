/* The third-party platform itself: its row, its state, its authorization link. */
#include <openssl/crypto.h>
#include <string.h>

#include "api/handle.h"
#include "base/text.h"
#include "codec/envelope.h"
#include "codec/json.h"
#include "domain/component.h"
#include "domain/platform_call.h"
#include "domain/storage.h"
#include "domain/token.h"
#include "domain/vault.h"

enum { APPSECRET_MAX = 256, PUSH_TOKEN_MAX = 64, REDIRECT_MAX = 2048, COMPONENTS_ROOM = 16384 };

/* ---- Setting it up ---- */

enum { APPSECRET, PUSH_TOKEN, AES_KEY, PREVIOUS_PUSH_TOKEN, PREVIOUS_AES_KEY, SECRETS };

static const char *const fields[SECRETS] = {"appsecret", "push_token", "aes_key", "previous_push_token",
                                            "previous_aes_key"};

/* The texts of a platform row; `fresh` are the caller's, `stored` ours. */
typedef struct secrets {
    const char *fresh[SECRETS];
    char *stored[SECRETS];
} secrets;

static void secrets_free(secrets *s)
{
    for (int at = 0; at < SECRETS; at++) {
        wx_free(s->stored[at]);
    }
}
#define AUTO_SECRETS __attribute__((cleanup(secrets_free))) secrets

static bool printable(const char *text, size_t most)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at++) {
        if (text[at] <= ' ' || text[at] > '~') {
            return false;
        }
    }
    return len >= 1 && len <= most;
}

static bool aes_key_ok(const char *text)
{
    unsigned char key[WX_AES_KEY_LEN];
    bool ok = strlen(text) == WX_ENCODING_AES_KEY_LEN && wx_encoding_aes_key_decode(text, strlen(text), key);
    OPENSSL_cleanse(key, sizeof(key));
    return ok;
}

/* Names the argument that is wrong and never shows it. */
static wxtp_status check_set(const char *component, const secrets *s, wx_err *err)
{
    if (!component || !wx_appid_ok(component)) {
        return wx_fail(err, WXTP_ERR_INVALID, "the component appid is not 1 to 63 of A-Za-z0-9_-");
    }
    if (s->fresh[APPSECRET] && !printable(s->fresh[APPSECRET], APPSECRET_MAX)) {
        return wx_fail(err, WXTP_ERR_INVALID,
                       "the appsecret is not 1 to 256 printable characters without blanks");
    }
    if (s->fresh[PUSH_TOKEN] && !printable(s->fresh[PUSH_TOKEN], PUSH_TOKEN_MAX)) {
        return wx_fail(err, WXTP_ERR_INVALID, "the Token is not 1 to 64 printable characters without blanks");
    }
    if (s->fresh[AES_KEY] && !aes_key_ok(s->fresh[AES_KEY])) {
        return wx_fail(err, WXTP_ERR_INVALID, "the EncodingAESKey is not 43 characters of base64");
    }
    return WXTP_OK;
}

static wxtp_blob sealed_in(const wxtp_platform_row *row, int field)
{
    const wxtp_blob blobs[SECRETS] = {row->appsecret, row->push_token, row->aes_key, row->previous_push_token,
                                      row->previous_aes_key};
    return blobs[field];
}

/* What is replaced anyway need not open. */
static wxtp_status open_stored(wx_core *core, wxtp_tx *tx, const char *component, secrets *s, bool *known,
                               wx_err *err)
{
    wxtp_platform_row row = {0};
    wxtp_status status = wx_ops(core)->platform_get(tx, component, &row);
    *known = status == WXTP_OK;
    if (status == WXTP_ERR_NOT_FOUND) {
        return WXTP_OK;
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, tx, status, "read the platform", err);
    }
    for (int at = 0; at < SECRETS; at++) {
        wx_err trouble = {0};
        status = wx_vault_open(core, "platform", component, "", fields[at], sealed_in(&row, at),
                               &s->stored[at], &trouble);
        bool needed = at <= AES_KEY && !s->fresh[at];
        if (status != WXTP_OK && (needed || status != WXTP_ERR_KEY)) {
            *err = trouble;
            return status;
        }
    }
    return WXTP_OK;
}

/* The Token or key that pushes on their way may still be made with. */
static const char *previous_of(const secrets *s, int current, int previous)
{
    bool changes =
        s->fresh[current] && s->stored[current] && strcmp(s->fresh[current], s->stored[current]) != 0;
    return changes ? s->stored[current] : s->stored[previous];
}

static wxtp_status put_platform(wx_core *core, wxtp_tx *tx, const char *component, const secrets *s,
                                wx_err *err)
{
    const char *texts[SECRETS] = {
        [PREVIOUS_PUSH_TOKEN] = previous_of(s, PUSH_TOKEN, PREVIOUS_PUSH_TOKEN),
        [PREVIOUS_AES_KEY] = previous_of(s, AES_KEY, PREVIOUS_AES_KEY),
    };
    for (int at = APPSECRET; at <= AES_KEY; at++) {
        texts[at] = s->fresh[at] ? s->fresh[at] : s->stored[at];
    }
    wx_buf sealed[SECRETS] = {{0}};
    wxtp_blob blobs[SECRETS] = {{0}};
    wxtp_status status = WXTP_OK;
    int made = 0;
    while (made < SECRETS && status == WXTP_OK) {
        status = wx_vault_seal(core, "platform", component, "", fields[made], texts[made], &sealed[made],
                               &blobs[made], err);
        made++;
    }
    if (status == WXTP_OK) {
        const wxtp_platform_row row = {
            .component_appid = component,
            .appsecret = blobs[APPSECRET],
            .push_token = blobs[PUSH_TOKEN],
            .aes_key = blobs[AES_KEY],
            .previous_push_token = blobs[PREVIOUS_PUSH_TOKEN],
            .previous_aes_key = blobs[PREVIOUS_AES_KEY],
            .updated_ms = wx_wall_ms(core),
        };
        status = wx_ops(core)->platform_put(tx, &row);
        if (status != WXTP_OK) {
            (void)wx_store_fail(core, tx, status, "store the platform", err);
        }
    }
    while (made > 0) {
        wx_buf_free(&sealed[--made]);
    }
    return status;
}

static wxtp_status set_platform(wx_core *core, const char *component, secrets *s, wx_err *err)
{
    wxtp_status status = check_set(component, s, err);
    if (status != WXTP_OK) {
        return status;
    }
    WX_AUTO_SCOPE scope = {0};
    bool known = false;
    status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = open_stored(core, scope.tx, component, s, &known, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    for (int at = APPSECRET; at <= AES_KEY; at++) {
        if (!s->fresh[at] && !s->stored[at]) {
            return wx_fail(err, WXTP_ERR_INVALID, "%s needs an appsecret, a Token and an EncodingAESKey",
                           known ? "the platform" : "a new platform");
        }
    }
    status = put_platform(core, scope.tx, component, s, err);
    return status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
}

wxtp_status wxtp_platform_set(wxtp_platform *platform, const char *component_appid, const char *appsecret,
                              const char *push_token, const char *encoding_aes_key, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    AUTO_SECRETS s = {.fresh = {appsecret, push_token, encoding_aes_key}};
    wxtp_status status = set_platform(door.op.core, component_appid, &s, &err);
    if (status == WXTP_OK) {
        (void)wx_platform_choose(platform, component_appid, false);
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- Choosing one ---- */

static wxtp_status is_there(wx_core *core, const char *component, wx_err *err)
{
    wxtp_platform_row row = {0};
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->platform_get(scope.tx, component, &row);
    if (status == WXTP_ERR_NOT_FOUND) {
        return wx_fail(err, status, "third-party platform %.63s is not in the database", component);
    }
    return status == WXTP_OK ? status : wx_store_fail(core, scope.tx, status, "read the platform", err);
}

wxtp_status wxtp_platform_choose(wxtp_platform *platform, const char *component_appid, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = component_appid && wx_appid_ok(component_appid)
                             ? is_there(door.op.core, component_appid, &err)
                             : wx_fail(&err, WXTP_ERR_INVALID, "no appid of a platform was given");
    if (status == WXTP_OK && !wx_platform_choose(platform, component_appid, true)) {
        status = wx_fail(&err, WXTP_ERR_STATE, "another platform was chosen already");
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- Which there are ---- */

typedef struct names {
    const wxtp_allocator *allocator;
    char (*names)[WX_APPID_MAX];
    size_t count, room;
    bool failed;
} names;

static bool add_name(void *user, const wxtp_platform_row *row)
{
    names *all = user;
    if (all->count == all->room) {
        size_t room = all->room == 0 ? 16 : 2 * all->room;
        char(*grown)[WX_APPID_MAX] =
            room <= COMPONENTS_ROOM ? wx_resize(all->allocator, all->names, room * sizeof(*grown)) : NULL;
        if (!grown) {
            all->failed = true;
            return false;
        }
        all->names = grown;
        all->room = room;
    }
    (void)wx_copy(all->names[all->count++], WX_APPID_MAX, row->component_appid);
    return true;
}

static wxtp_status list_names(wx_core *core, names *all, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    if (wx_scope_begin(&scope, core, WXTP_TX_READ, err) != WXTP_OK) {
        return err->status;
    }
    wxtp_status status = wx_ops(core)->platform_list(scope.tx, add_name, all);
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "list the platforms", err);
    }
    return all->failed ? wx_fail_nomem(err) : WXTP_OK;
}

/* Visited after the transaction has ended, so that the host may call us from its visit. */
wxtp_status wxtp_platform_each(wxtp_platform *platform, bool (*each)(void *user, const char *component_appid),
                               void *user, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    names all = {.allocator = &door.op.core->allocator};
    wxtp_status status =
        each ? list_names(door.op.core, &all, &err) : wx_fail(&err, WXTP_ERR_INVALID, "no visitor was given");
    for (size_t at = 0; status == WXTP_OK && at < all.count; at++) {
        if (!each(user, all.names[at])) {
            break;
        }
    }
    wx_free(all.names);
    return wx_leave(&door, status, &err, error);
}

/* ---- Its state ---- */

static wxtp_status tell_ticket(wx_core *core, wxtp_tx *tx, wxtp_platform_facts *facts, wx_err *err)
{
    wxtp_ticket_row ticket = {0};
    wxtp_status status = wx_ops(core)->ticket_get(tx, facts->component_appid, &ticket);
    if (status == WXTP_OK && ticket.ticket.len > 0) {
        int64_t age = wx_wall_ms(core) - ticket.received_ms;
        facts->has_ticket = true;
        facts->ticket_received_ms = ticket.received_ms;
        facts->ticket_age_ms = age > 0 ? age : 0;
    }
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, tx, status, "read the ticket", err);
    }
    return WXTP_OK;
}

static wxtp_status tell_stored(wx_core *core, wxtp_platform_facts *facts, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    if (wx_scope_begin(&scope, core, WXTP_TX_READ, err) != WXTP_OK ||
        tell_ticket(core, scope.tx, facts, err) != WXTP_OK) {
        return err->status;
    }
    wxtp_status status = wx_ops(core)->tenant_count(scope.tx, facts->component_appid, facts->tenants);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, scope.tx, status, "count the tenants", err);
}

static wxtp_status tell(wx_core *core, wxtp_platform_facts *facts, wx_err *err)
{
    WX_AUTO_COMPONENT component = {0};
    wx_token_view view = {0};
    wxtp_status status = wx_component_load(core, &component, err);
    if (status != WXTP_OK) {
        return status;
    }
    (void)wx_copy(facts->component_appid, sizeof(facts->component_appid), component.appid);
    status = tell_stored(core, facts, err);
    if (status == WXTP_OK) {
        status = wx_token_look(core, component.appid, "", &view, err);
    }
    facts->token_state = (wxtp_token_state)view.state;
    facts->token_version = view.generation;
    facts->token_expires_ms = view.expires_ms;
    return status;
}

wxtp_status wxtp_platform_info(wxtp_platform *platform, wxtp_platform_facts *facts, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = WXTP_OK;
    if (!facts || facts->struct_size < sizeof(*facts)) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "no facts were given, or their struct_size is too small");
    } else {
        *facts = (wxtp_platform_facts){.struct_size = facts->struct_size};
        status = tell(door.op.core, facts, &err);
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- The authorization link ---- */

static bool redirect_ok(const char *uri)
{
    size_t len = strlen(uri);
    size_t scheme = strncmp(uri, "https://", 8) == 0 ? 8 : strncmp(uri, "http://", 7) == 0 ? 7 : 0;
    if (scheme == 0 || len > REDIRECT_MAX || uri[scheme] == '\0' || strchr("/?#", uri[scheme]) ||
        !wx_utf8_ok(uri, len)) {
        return false;
    }
    for (size_t at = 0; at < len; at++) {
        if ((unsigned char)uri[at] <= ' ' || uri[at] == 127) {
            return false;
        }
    }
    return true;
}

typedef struct link_wanted {
    const char *redirect_uri;
    bool mobile;
    int auth_type;
    const char *biz_appid;
} link_wanted;

static wxtp_status check_link(const link_wanted *want, wx_err *err)
{
    if (!want->redirect_uri || !redirect_ok(want->redirect_uri)) {
        (void)wx_fail(err, WXTP_ERR_INVALID, "the redirect URI is no http:// or https:// address");
        wx_err_hint(err, "Give an address on the domain that is registered on the platform's page.");
        return err->status;
    }
    if (want->auth_type < 0 || want->auth_type > 6) {
        return wx_fail(err, WXTP_ERR_INVALID, "auth_type %d is not 1 to 6", want->auth_type);
    }
    if (want->biz_appid && !wx_appid_ok(want->biz_appid)) {
        return wx_fail(err, WXTP_ERR_INVALID, "biz_appid is no appid");
    }
    if (want->biz_appid && want->auth_type != 0) {
        return wx_fail(err, WXTP_ERR_INVALID, "auth_type and biz_appid exclude each other");
    }
    return WXTP_OK;
}

static void write_link(wx_buf *url, const link_wanted *want, const char *component, const char *code)
{
    (void)wx_buf_text(url, want->mobile
                               ? "https://open.weixin.qq.com/wxaopen/safe/bindcomponent"
                                 "?action=bindcomponent&no_scan=1&component_appid="
                               : "https://mp.weixin.qq.com/cgi-bin/componentloginpage?component_appid=");
    (void)wx_buf_percent(url, component);
    (void)wx_buf_text(url, "&pre_auth_code=");
    (void)wx_buf_percent(url, code);
    (void)wx_buf_text(url, "&redirect_uri=");
    (void)wx_buf_percent(url, want->redirect_uri);
    if (want->auth_type != 0) {
        (void)wx_buf_printf(url, "&auth_type=%d", want->auth_type);
    }
    if (want->biz_appid) {
        (void)wx_buf_text(url, "&biz_appid=");
        (void)wx_buf_percent(url, want->biz_appid);
    }
    if (want->mobile) {
        (void)wx_buf_text(url, "#wechat_redirect");
    }
}

static wxtp_status make_link(wx_op *op, const link_wanted *want, char **url, int64_t *expires_in_s,
                             wx_err *err)
{
    wx_core *core = op->core;
    wxtp_status status = check_link(want, err);
    if (status == WXTP_OK) {
        status = wx_need_component(core, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    WX_AUTO_BUF body;
    WX_AUTO_BUF text;
    WX_AUTO_ANSWER answer = {0};
    wx_buf_init(&body, &core->allocator, 1024);
    wx_buf_init(&text, &core->allocator, 16384);
    if (!wx_buf_text(&body, "{\"component_appid\":") || !wx_json_quote(&body, core->settings.component) ||
        !wx_buf_text(&body, "}")) {
        return wx_fail_nomem(err);
    }
    if (wx_send_platform(op, WX_API_CREATE_PREAUTHCODE, (wx_about){.appid = ""}, wx_buf_str(&body),
                         "pre_auth_code", NULL, 0, true, &answer, err) != WX_SENT_OK) {
        return err->status;
    }
    const char *code = wx_json_str(answer.json, "pre_auth_code");
    if (!code || code[0] == '\0') {
        return wx_fail(err, WXTP_ERR_UNAVAILABLE, "WeChat answered no pre_auth_code");
    }
    write_link(&text, want, core->settings.component, code);
    *url = wx_buf_take(&text);
    if (!*url) {
        return wx_fail_nomem(err);
    }
    if (expires_in_s) {
        *expires_in_s = wx_json_int(answer.json, "expires_in", 600);
    }
    return WXTP_OK;
}

wxtp_status wxtp_authorize_url(wxtp_platform *platform, const char *redirect_uri, bool mobile, int auth_type,
                               const char *biz_appid, char **url, int64_t *expires_in_s, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (url) {
        *url = NULL;
    }
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    const link_wanted want = {redirect_uri, mobile, auth_type, biz_appid};
    door.op.person = true;
    wxtp_status status = url ? make_link(&door.op, &want, url, expires_in_s, &err)
                             : wx_fail(&err, WXTP_ERR_INVALID, "no place for the link was given");
    return wx_leave(&door, status, &err, error);
}
