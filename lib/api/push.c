/* Pushes: the public face of flow/inbound. */
#include <string.h>

#include "api/handle.h"
#include "domain/storage.h"
#include "flow/inbound.h"
#include "flow/push_state.h"

enum { BODY_MAX = 1024 * 1024, ROWS_MAX = 10000 };

static wxtp_status receive(wx_op *op, const char *query, const void *body, size_t len, wxtp_push **push,
                           wx_err *err)
{
    if (!push || (!body && len > 0)) {
        return wx_fail(err, WXTP_ERR_INVALID, "no body or no place for the push was given");
    }
    if (len > BODY_MAX) {
        return wx_fail(err, WXTP_ERR_SIGNATURE, "the push is larger than 1 MiB");
    }
    return wx_inbound_receive(op, query ? query : "", body ? body : "", len, push, err);
}

wxtp_status wxtp_push_receive(wxtp_platform *platform, const char *query, const void *body, size_t len,
                              wxtp_push **push, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (push) {
        *push = NULL;
    }
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = receive(&door.op, query, body, len, push, &err);
    return wx_leave(&door, status, &err, error);
}

wxtp_status wxtp_push_finish(wxtp_platform *platform, wxtp_push *push, int64_t wait_ms,
                             wxtp_exchange *exchange, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_exchange outcome = WXTP_EXCHANGE_NONE;
    wxtp_status status = push ? wx_inbound_finish(&door.op, push, wait_ms < 0 ? 0 : wait_ms, &outcome, &err)
                              : wx_fail(&err, WXTP_ERR_INVALID, "no push was given");
    if (exchange) {
        *exchange = outcome;
    }
    return wx_leave(&door, status, &err, error);
}

static wxtp_status list(wx_core *core, const wxtp_push_filter *filter,
                        bool (*each)(void *user, const wxtp_push_row *row), void *user, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_need_component(core, err);
    if (status == WXTP_OK) {
        status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->push_list(scope.tx, filter, each, user);
    return status == WXTP_OK ? status : wx_store_fail(core, scope.tx, status, "list the pushes", err);
}

wxtp_status wxtp_push_list(wxtp_platform *platform, const char *appid, int64_t since_ms, size_t limit,
                           bool (*each)(void *user, const wxtp_push_row *row), void *user, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    const wxtp_push_filter filter = {
        .platform = door.op.core->settings.component, .appid = appid, .since_ms = since_ms, .limit = limit};
    wxtp_status status = each && limit > 0 && limit <= ROWS_MAX
                             ? list(door.op.core, &filter, each, user, &err)
                             : wx_fail(&err, WXTP_ERR_INVALID,
                                       "pushes: a visitor and a limit from 1 to %d are needed", ROWS_MAX);
    return wx_leave(&door, status, &err, error);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

const char *wxtp_push_event(const wxtp_push *push)
{
    return or_empty(push ? push->event : NULL);
}

const char *wxtp_push_component(const wxtp_push *push)
{
    return or_empty(push ? push->component : NULL);
}

const char *wxtp_push_authorizer(const wxtp_push *push)
{
    return or_empty(push ? push->authorizer : NULL);
}

int64_t wxtp_push_create_time_s(const wxtp_push *push)
{
    return push ? push->create_time_s : 0;
}

bool wxtp_push_applied(const wxtp_push *push)
{
    return push && push->applied;
}

const char *wxtp_push_why(const wxtp_push *push)
{
    return or_empty(push ? push->why : NULL);
}

const char *wxtp_push_id(const wxtp_push *push)
{
    return or_empty(push ? push->id : NULL);
}

const char *wxtp_push_reply(const wxtp_push *push)
{
    return or_empty(push ? push->reply : NULL);
}

const char *wxtp_push_field(const wxtp_push *push, const char *name)
{
    return push && name ? wx_push_field(push, name) : NULL;
}

void wxtp_push_free(wxtp_push *push)
{
    wx_push_free(push);
}
