/* Why a push is refused, or changes nothing. */
#include <stdio.h>
#include <string.h>
#include <wxtp/push.h>

#include "api/handle.h"
#include "flow/inbound.h"

typedef void check_visitor(void *user, const wxtp_push_check *check);

static const char *const names[WX_PUSH_CHECKS] = {
    [WX_CHECK_QUERY] = "query",         [WX_CHECK_BODY_SIZE] = "body_size",     [WX_CHECK_XML] = "xml",
    [WX_CHECK_SIGNATURE] = "signature", [WX_CHECK_BASE64] = "base64",           [WX_CHECK_KEY] = "key",
    [WX_CHECK_PADDING] = "padding",     [WX_CHECK_LENGTH] = "length",           [WX_CHECK_APPID] = "appid",
    [WX_CHECK_INNER_XML] = "inner_xml", [WX_CHECK_EVENT_APPID] = "event_appid",
};

/* The message without what it has in common with all others. */
static const char *what_is_wrong(const wx_err *refusal)
{
    static const char prefix[] = "the push is not authentic: ";
    return strncmp(refusal->message, prefix, sizeof(prefix) - 1) == 0 ? refusal->message + sizeof(prefix) - 1
                                                                      : refusal->message;
}

static void visit(check_visitor *each, void *user, const char *name, wxtp_tristate ok, const char *detail,
                  const char *hint)
{
    each(user, &(wxtp_push_check){.name = name, .ok = ok, .detail = detail, .hint = ok == 0 ? hint : ""});
}

static void tell_authenticity(const wx_push_explanation *told, check_visitor *each, void *user)
{
    bool failed = false;
    for (int at = 0; at < WX_PUSH_CHECKS; at++) {
        if (told->trace.passed[at]) {
            visit(each, user, names[at], 1, told->trace.details[at], "");
        } else {
            visit(each, user, names[at], failed ? -1 : 0,
                  failed ? "not reached" : what_is_wrong(&told->refusal), told->refusal.hint);
            failed = true;
        }
    }
}

static void tell_effect(const wx_push_explanation *told, int64_t now_ms, check_visitor *each, void *user)
{
    static const char no_harm[] =
        "Nothing: WeChat sends a push again that it had no answer to, and pushes overtake "
        "each other; this one is answered and changes nothing.";
    char age[96] = "it has no CreateTime";
    if (!told->authentic) {
        visit(each, user, "age", -1, "not reached", "");
        visit(each, user, "already_seen", -1, "not reached", "");
        visit(each, user, "effect", -1, "not reached", "");
        return;
    }
    if (told->create_time_s > 0) {
        (void)snprintf(age, sizeof(age), "made %lld s ago", (long long)(now_ms / 1000 - told->create_time_s));
    }
    visit(each, user, "age", !told->older, told->older ? told->why : age, no_harm);
    visit(each, user, "already_seen", !told->seen_before, told->seen_before ? told->why : "it is new",
          no_harm);
    visit(each, user, "effect", told->applied, told->applied ? "it would be applied" : told->why,
          told->older || told->seen_before ? no_harm
                                           : "Nothing here; what it says does not concern this database.");
}

wxtp_status wxtp_push_explain(wxtp_platform *platform, const char *query, const void *body, size_t len,
                              bool *accepted, bool *would_apply, check_visitor *each, void *user,
                              wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    wx_push_explanation told;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = body || len == 0 ? wx_inbound_explain(&door.op, query ? query : "", body ? body : "",
                                                               len, &told, &err)
                                          : wx_fail(&err, WXTP_ERR_INVALID, "no body was given");
    if (status == WXTP_OK) {
        if (accepted) {
            *accepted = told.authentic;
        }
        if (would_apply) {
            *would_apply = told.authentic && told.applied;
        }
        if (each) {
            tell_authenticity(&told, each, user);
            tell_effect(&told, wx_wall_ms(door.op.core), each, user);
        }
    }
    return wx_leave(&door, status, &err, error);
}
