/* What a call would send, with a word in the token's place. */
#include <string.h>
#include <wxtp/call.h>

#include "api/handle.h"
#include "base/text.h"
#include "domain/platform_call.h"
#include "domain/token_cloud.h"
#include "flow/dispatch.h"

enum { URL_MAX = 16 * 1024, LIST_BODY_MAX = 64 * 1024, BODY_MAX = 1024 * 1024 };

#define PLACEHOLDER "TOKEN"

/* The token is the last value of the URL: its word becomes "$TOKEN". */
static wxtp_status give_url(const wx_core *core, const wx_request *request, char **url, wx_err *err)
{
    WX_AUTO_BUF plain;
    WX_AUTO_BUF marked;
    wx_buf_init(&plain, &core->allocator, URL_MAX);
    wx_buf_init(&marked, &core->allocator, URL_MAX);
    if (!wx_send_url(core, request, &plain)) {
        return wx_fail_nomem(err);
    }
    const char *text = wx_buf_str(&plain);
    const char *value = request->token ? strrchr(text, '=') : NULL;
    const size_t before = value ? (size_t)(value + 1 - text) : plain.len;
    (void)wx_buf_add(&marked, text, before);
    (void)wx_buf_text(&marked, value ? "$" : "");
    (void)wx_buf_text(&marked, text + before);
    *url = wx_buf_take(&marked);
    return *url ? WXTP_OK : wx_fail_nomem(err);
}

/* ---- Calls of the catalog ---- */

typedef struct wanted {
    const char *appid, *call;
    const char *const *openids;
    size_t count;
    const char *body;
} wanted;

static wxtp_status write_list(const wx_api *api, const wanted *want, wx_buf *body, wx_err *err)
{
    if (want->body || !want->openids || want->count == 0 || want->count > (size_t)api->list_max) {
        return wx_fail(err, WXTP_ERR_INVALID, "%s: 1 to %d openids are needed, and no body", api->name,
                       api->list_max);
    }
    (void)wx_buf_text(body, "{");
    (void)wx_json_quote(body, api->list_field);
    for (size_t at = 0; at < want->count; at++) {
        const char *openid = want->openids[at];
        if (!openid || !wx_openid_ok(openid, strlen(openid))) {
            return wx_fail(err, WXTP_ERR_INVALID, "%s: what cannot be an openid is not sent", api->name);
        }
        (void)wx_buf_text(body, at == 0 ? ":[" : ",");
        (void)wx_json_quote(body, openid);
    }
    return wx_buf_text(body, "]}") ? WXTP_OK : wx_fail_nomem(err);
}

static wxtp_status write_body(const wx_api *api, const wanted *want, wx_buf *body, wx_err *err)
{
    if (api->list_max > 0) {
        return write_list(api, want, body, err);
    }
    if (!want->body || want->count > 0 || strlen(want->body) > BODY_MAX) {
        return wx_fail(err, WXTP_ERR_INVALID, "%s: a body is needed, and no openids", api->name);
    }
    return wx_buf_text(body, want->body) ? WXTP_OK : wx_fail_nomem(err);
}

/* As wx_token_get would fill it. */
static wx_token placeholder_for(const wxtp_tenant_row *row, wx_buf *text)
{
    wx_token token = {.text = NULL};
    if (row->credential == WXTP_CREDENTIAL_CLOUD) {
        token.parameter = WX_CLOUD_TOKEN_PARAMETER;
        if (!row->token_file[0]) {
            return token;
        }
    }
    (void)wx_buf_text(text, PLACEHOLDER);
    if (row->credential == WXTP_CREDENTIAL_CLOUD && row->token_of_platform) {
        (void)wx_buf_printf(text, "@%s", row->appid);
    }
    token.text = text->data; /* borrowed */
    return token;
}

static wxtp_status preview(wx_core *core, const wanted *want, char **url, char **sent, wx_err *err)
{
    WX_AUTO_TENANT *tenant = NULL;
    WX_AUTO_BUF body;
    WX_AUTO_BUF word;
    wx_buf_init(&body, &core->allocator, want->body ? BODY_MAX + 1 : LIST_BODY_MAX);
    wx_buf_init(&word, &core->allocator, (size_t)2 * WX_APPID_MAX);
    const wx_api *api = wx_api_find(core, want->call);
    if (!api) {
        return wx_fail(err, WXTP_ERR_NOT_FOUND, "there is no call %s in the catalog",
                       want->call ? want->call : "");
    }
    wxtp_status status = wx_tenant_find(core, want->appid, &tenant, err);
    if (status == WXTP_OK) {
        status = write_body(api, want, &body, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    const wx_call call = {.appid = want->appid, .api = api};
    const wx_token token = placeholder_for(&tenant->row, &word);
    const wx_request request = wx_dispatch_request(core, &tenant->row, &call, &token);
    if (word.failed) {
        return wx_fail_nomem(err);
    }
    status = give_url(core, &request, url, err);
    if (status == WXTP_OK) {
        *sent = wx_buf_take(&body);
    }
    return status == WXTP_OK && !*sent ? wx_fail_nomem(err) : status;
}

static wxtp_status leave(wx_door *door, wxtp_status status, char **url, const wx_err *err, wxtp_error **error)
{
    if (status != WXTP_OK && url) {
        wx_free(WX_TAKE(*url));
    }
    return wx_leave(door, status, err, error);
}

wxtp_status wxtp_call_preview(wxtp_platform *platform, const char *appid, const char *call,
                              const char *const *openids, size_t count, const char *body, char **url,
                              char **sent, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    const wanted want = {appid, call, openids, count, body};
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    if (!appid || !url || !sent) {
        return leave(&door,
                     wx_fail(&err, WXTP_ERR_INVALID, "an appid and places for URL and body are needed"), NULL,
                     &err, error);
    }
    *url = *sent = NULL;
    return leave(&door, preview(door.op.core, &want, url, sent, &err), url, &err, error);
}

/* ---- Calls of the platform ---- */

static wxtp_status preview_own(wx_core *core, const char *name, const char *appid, char **url, char **sent,
                               wx_err *err)
{
    const wx_platform_api *create = wx_catalog_platform(WX_API_CREATE_PREAUTHCODE);
    const wx_platform_api *info = wx_catalog_platform(WX_API_GET_AUTHORIZER_INFO);
    const wx_platform_api *api = strcmp(name, create->name) == 0 ? create
                                 : strcmp(name, info->name) == 0 ? info
                                                                 : NULL;
    WX_AUTO_BUF body;
    wx_buf_init(&body, &core->allocator, LIST_BODY_MAX);
    if (!api) {
        return wx_fail(err, WXTP_ERR_NOT_FOUND, "%.63s: only %s and %s can be shown", name, create->name,
                       info->name);
    }
    if (api == info ? !appid || !wx_appid_ok(appid) : appid != NULL) {
        return wx_fail(err, WXTP_ERR_INVALID, "%s asks about %s", api->name,
                       api == info ? "an appid" : "no appid");
    }
    if (wx_need_component(core, err) != WXTP_OK) {
        return err->status;
    }
    (void)wx_buf_text(&body, "{\"component_appid\":");
    (void)wx_json_quote(&body, core->settings.component);
    if (appid) {
        (void)wx_buf_text(&body, ",\"authorizer_appid\":");
        (void)wx_json_quote(&body, appid);
    }
    (void)wx_buf_text(&body, "}");
    const wx_request request = {
        .name = api->name, .path = api->path, .token_parameter = api->token_parameter, .token = PLACEHOLDER};
    const wxtp_status status = give_url(core, &request, url, err);
    if (status == WXTP_OK) {
        *sent = wx_buf_take(&body);
    }
    return status == WXTP_OK && !*sent ? wx_fail_nomem(err) : status;
}

wxtp_status wxtp_platform_preview(wxtp_platform *platform, const char *call, const char *appid, char **url,
                                  char **sent, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    if (!call || !url || !sent) {
        return leave(&door, wx_fail(&err, WXTP_ERR_INVALID, "a call and places for URL and body are needed"),
                     NULL, &err, error);
    }
    *url = *sent = NULL;
    return leave(&door, preview_own(door.op.core, call, appid, url, sent, &err), url, &err, error);
}
