#include <wxtp/call.h>

#include <errno.h>
#include <string.h>

#include "api/call.h"
#include "api/handle.h"
#include "base/text.h"
#include "flow/listing.h"

enum {
    BODY_MAX = 1024 * 1024,
    ANSWER_MAX = 32 * 1024 * 1024,
};

/* ---- One call ---- */

static wxtp_status check_list(const wx_api *api, struct json_object *body, int64_t *openids, wx_err *err)
{
    *openids = 0;
    if (api->list_max <= 0) {
        return WXTP_OK;
    }
    struct json_object *list = wx_json_get(body, api->list_field);
    if (!list || !json_object_is_type(list, json_type_array)) {
        return wx_fail(err, WXTP_ERR_INVALID, "%s: the body needs a list %s", api->name, api->list_field);
    }
    const size_t count = json_object_array_length(list);
    if (count > (size_t)api->list_max) {
        return wx_fail(err, WXTP_ERR_INVALID, "%s: %s has %zu members, %d are allowed", api->name,
                       api->list_field, count, api->list_max);
    }
    *openids = (int64_t)count;
    return WXTP_OK;
}

static wxtp_status check_body(const wx_api *api, const char *body, size_t len, int64_t *openids, wx_err *err)
{
    if (!body || len == 0) {
        return wx_fail(err, WXTP_ERR_INVALID, "%s: a body is needed", api->name);
    }
    if (len > BODY_MAX) {
        return wx_fail(err, WXTP_ERR_TOO_LARGE, "%s: the body has %zu bytes, %d are allowed", api->name, len,
                       BODY_MAX);
    }
    WX_AUTO_JSON *json = wx_json_parse(body, len);
    if (!json && errno == ENOMEM) {
        return wx_fail_nomem(err);
    }
    if (!json) {
        return wx_fail(err, WXTP_ERR_INVALID, "%s: the body is not valid JSON", api->name);
    }
    return check_list(api, json, openids, err);
}

static wxtp_status copy_answer(wx_core *core, const wx_answer *answer, char **text, wx_err *err)
{
    size_t len = 0;
    const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
    errno = 0; /* json-c leaves out what it has no memory for */
    const char *json = json_object_to_json_string_length(answer->json, flags, &len);
    *text = json && errno != ENOMEM && len <= ANSWER_MAX ? wx_strndup(&core->allocator, json, len) : NULL;
    return *text ? WXTP_OK : wx_fail_nomem(err);
}

static wxtp_status find_api(const wx_core *core, const char *name, const wx_api **api, wx_err *err)
{
    *api = wx_api_find(core, name);
    return *api ? WXTP_OK
                : wx_fail(err, WXTP_ERR_NOT_FOUND, "there is no call %s in the catalog", name ? name : "");
}

static wxtp_status begin_call(const wx_core *core, const wx_call_order *order, wx_call *call, wx_err *err)
{
    *call = (wx_call){.appid = order->appid,
                      .body = order->body,
                      .body_len = order->len,
                      .may_try = order->may_try,
                      .user = order->user};
    if (!order->appid) {
        return wx_fail(err, WXTP_ERR_INVALID, "an appid is needed");
    }
    wxtp_status status = find_api(core, order->name, &call->api, err);
    if (status == WXTP_OK) {
        status = check_body(call->api, order->body, order->len, &call->openids, err);
    }
    return status;
}

wxtp_status wx_call_check(const wx_core *core, const wx_call_order *order, wx_err *err)
{
    wx_call call;
    return begin_call(core, order, &call, err);
}

wxtp_status wx_call_make(wx_op *op, const wx_call_order *order, char **answer_text, wx_err *err)
{
    wx_call call;
    WX_AUTO_ANSWER answer = {.sensible = false};
    wxtp_status status = begin_call(op->core, order, &call, err);
    if (status != WXTP_OK) {
        return status;
    }
    /* What takes no list answers what was asked, and often without an errcode. */
    call.wants = call.api->list_max > 0 ? NULL : "";
    status = wx_dispatch(op, &call, &answer, err);
    return status == WXTP_OK && answer_text ? copy_answer(op->core, &answer, answer_text, err) : status;
}

wxtp_status wxtp_call(wxtp_platform *platform, const char *appid, const char *call, const char *body,
                      size_t len, char **answer, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (answer) {
        *answer = NULL;
    }
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    const wx_call_order order = {.appid = appid, .name = call, .body = body, .len = len};
    const wxtp_status status = wx_call_make(&door.op, &order, answer, &err);
    return wx_leave(&door, status, &err, error);
}

/* ---- The blacklist ---- */

wxtp_status wxtp_blacklist_each(wxtp_platform *platform, const char *appid,
                                bool (*each)(void *user, const char *openid), void *user, int64_t *total,
                                wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wx_listing listing = {.appid = appid, .each = each, .user = user};
    int64_t count = 0;
    wxtp_status status = WXTP_OK;
    if (!appid || !each) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "an appid and a visitor are needed");
    } else {
        status = find_api(door.op.core, "getBlacklist", &listing.api, &err);
    }
    if (status == WXTP_OK) {
        door.op.person = true;
        status = wx_listing_read(&door.op, &listing, &count, &err);
    }
    if (total) {
        *total = count;
    }
    return wx_leave(&door, status, &err, error);
}
