#include "flow/listing.h"

#include <string.h>

#include "base/text.h"

enum {
    PAGE_BODY_MAX = 1024,
    PAGES_MAX = 1000000, /* however a list moves while it is paged, this ends it */
};

typedef struct pages {
    wx_op *op;
    const wx_listing *listing;
    int64_t total;
    char begin[WX_OPENID_MAX];
    char mark[WX_OPENID_MAX]; /* an earlier `begin`: to come by it again is a circle */
    bool over;
} pages;

static void visit(pages *p, struct json_object *openids)
{
    const size_t count = openids ? json_object_array_length(openids) : 0;
    for (size_t at = 0; at < count && !p->over; at++) {
        struct json_object *openid = json_object_array_get_idx(openids, at);
        if (json_object_is_type(openid, json_type_string) &&
            !p->listing->each(p->listing->user, json_object_get_string(openid))) {
            p->over = true;
        }
    }
    p->over = p->over || count == 0;
}

static wxtp_status enter_page(pages *p, struct json_object *json, wx_err *err)
{
    struct json_object *data = wx_json_get(json, "data");
    struct json_object *openids = data ? wx_json_get(data, "openid") : NULL;
    const char *next = wx_json_str(json, "next_openid");
    p->total = wx_json_int(json, "total", p->total);
    if (openids && !json_object_is_type(openids, json_type_array)) {
        return wx_fail(err, WXTP_ERR_UNAVAILABLE, "%s: a page of the answer has no list",
                       p->listing->api->name);
    }
    visit(p, openids);
    if (p->over || !next || next[0] == '\0' || strcmp(next, p->begin) == 0) {
        p->over = true;
        return WXTP_OK;
    }
    if (!wx_openid_ok(next, strlen(next))) {
        return wx_fail(err, WXTP_ERR_UNAVAILABLE, "%s: next_openid is not an openid", p->listing->api->name);
    }
    wx_copy(p->begin, sizeof(p->begin), next);
    return WXTP_OK;
}

static wxtp_status read_page(pages *p, wx_err *err)
{
    WX_AUTO_ANSWER answer = {.sensible = false};
    WX_AUTO_BUF body;
    wx_buf_init(&body, &p->op->core->allocator, PAGE_BODY_MAX);
    wx_buf_text(&body, "{\"begin_openid\":");
    wx_json_quote(&body, p->begin);
    if (!wx_buf_text(&body, "}")) {
        return wx_fail_nomem(err);
    }
    const wx_call call = {.appid = p->listing->appid,
                          .api = p->listing->api,
                          .body = wx_buf_str(&body),
                          .body_len = body.len,
                          .wants = "total"};
    const wxtp_status status = wx_dispatch(p->op, &call, &answer, err);
    p->op->person = false; /* one probe of a quota */
    return status == WXTP_OK ? enter_page(p, answer.json, err) : status;
}

/* The mark moves to where we are at each power of two, so that every circle comes by it. */
static wxtp_status read_pages(pages *p, wx_err *err)
{
    for (int64_t page = 1; page <= PAGES_MAX; page++) {
        const wxtp_status status = read_page(p, err);
        if (status != WXTP_OK || p->over) {
            return status;
        }
        if (strcmp(p->begin, p->mark) == 0) {
            break;
        }
        if ((page & (page - 1)) == 0) {
            wx_copy(p->mark, sizeof(p->mark), p->begin);
        }
    }
    return wx_fail(err, WXTP_ERR_UNAVAILABLE, "%s: the pages that WeChat gives go round in a circle",
                   p->listing->api->name);
}

wxtp_status wx_listing_read(wx_op *op, const wx_listing *listing, int64_t *total, wx_err *err)
{
    pages p = {.op = op, .listing = listing};
    const wxtp_status status = read_pages(&p, err);
    *total = p.total;
    return status;
}
