#include <wxtp/audit.h>

#include <string.h>

#include "api/handle.h"
#include "api/options.h"
#include "domain/storage.h"
#include "domain/tenant.h"

enum {
    ROWS_MAX = 10000,
    PAGE = 64,
    PAGE_TEXT_MAX = 1024 * 1024,
    LOOK_EVERY_MS = 200, /* for what other processes have written */
};

typedef bool row_visitor(void *user, const wxtp_audit_row *row);

static wxtp_status check(wx_core *core, const wxtp_audit_choice *choice, row_visitor *each,
                         wxtp_audit_choice *known, wx_err *err)
{
    if (!choice || !each) {
        return wx_fail(err, WXTP_ERR_INVALID, "audit: no choice or no visitor was given");
    }
    const wxtp_status status = wx_options_read(known, sizeof(*known), choice, "the audit's", err);
    return status == WXTP_OK ? wx_need_view(core, known->appid, err) : status;
}

/* ---- The last rows ---- */

static wxtp_status list(wx_core *core, const wxtp_audit_filter *filter, row_visitor *each, void *user,
                        wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->audit_list(scope.tx, filter, each, user);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, scope.tx, status, "read the audit record", err);
}

wxtp_status wxtp_audit_select(wxtp_platform *platform, const wxtp_audit_choice *choice, size_t limit,
                              row_visitor *each, void *user, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    wxtp_audit_choice known;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wx_core *core = door.op.core;
    wxtp_status status = check(core, choice, each, &known, &err);
    if (status == WXTP_OK && (limit == 0 || limit > ROWS_MAX)) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "audit: a limit from 1 to %d is needed", ROWS_MAX);
    }
    if (status == WXTP_OK) {
        const wxtp_audit_filter filter = {.platform = core->settings.component,
                                          .appid = known.appid,
                                          .since_ms = known.since_ms,
                                          .limit = limit,
                                          .by_errcode = known.by_errcode,
                                          .errcode = known.errcode};
        status = list(core, &filter, each, user, &err);
    }
    return wx_leave(&door, status, &err, error);
}

wxtp_status wxtp_audit_list(wxtp_platform *platform, const char *appid, int64_t since_ms, size_t limit,
                            row_visitor *each, void *user, wxtp_error **error)
{
    const wxtp_audit_choice choice = {.struct_size = sizeof(choice), .appid = appid, .since_ms = since_ms};
    return wxtp_audit_select(platform, &choice, limit, each, user, error);
}

/* ---- What comes ---- */

/* Copies of rows, so that no transaction is open while the host looks at them: it may take its time. */
typedef struct page {
    wxtp_audit_row rows[PAGE];
    size_t count;
    wx_buf texts; /* of all rows, one after the other, each with its NUL */
} page;

enum { TEXTS = 7 };

static void texts_of(wxtp_audit_row *row, const char **texts[TEXTS])
{
    texts[0] = &row->platform;
    texts[1] = &row->appid;
    texts[2] = &row->call;
    texts[3] = &row->job_id;
    texts[4] = &row->errmsg;
    texts[5] = &row->rid;
    texts[6] = &row->source;
}

static bool keep_row(void *user, const wxtp_audit_row *row)
{
    page *p = user;
    const char **texts[TEXTS];
    p->rows[p->count] = *row;
    texts_of(&p->rows[p->count], texts);
    for (int i = 0; i < TEXTS; i++) {
        const char *text = *texts[i] ? *texts[i] : "";
        (void)wx_buf_add(&p->texts, text, strlen(text) + 1);
    }
    p->count += p->texts.failed ? 0 : 1;
    return !p->texts.failed && p->count < PAGE;
}

/* The texts stand still from now on. */
static void point_at_texts(page *p)
{
    const char *at = wx_buf_str(&p->texts);
    for (size_t row = 0; row < p->count; row++) {
        const char **texts[TEXTS];
        texts_of(&p->rows[row], texts);
        for (int i = 0; i < TEXTS; i++) {
            *texts[i] = at;
            at += strlen(at) + 1;
        }
    }
}

static wxtp_status read_page(wx_core *core, int64_t after_id, page *p, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    p->count = 0;
    wx_buf_clear(&p->texts);
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->audit_after(scope.tx, core->settings.component, after_id, PAGE, keep_row, p);
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "read the audit record", err);
    }
    if (p->texts.failed) {
        return wx_fail_nomem(err);
    }
    point_at_texts(p);
    return WXTP_OK;
}

static bool chosen(const wxtp_audit_choice *choice, const wxtp_audit_row *row)
{
    return (!choice->appid || strcmp(row->appid, choice->appid) == 0) && row->time_ms >= choice->since_ms &&
           (!choice->by_errcode || row->errcode == choice->errcode);
}

/* Returns how many rows were visited; `over` tells that the host wants no more. */
static size_t visit_page(const page *p, const wxtp_audit_choice *choice, int64_t *position, row_visitor *each,
                         void *user, bool *over)
{
    size_t visited = 0;
    for (size_t at = 0; at < p->count && !*over; at++) {
        *position = p->rows[at].id;
        if (chosen(choice, &p->rows[at])) {
            visited++;
            *over = !each(user, &p->rows[at]);
        }
    }
    return visited;
}

static wxtp_status follow(wx_core *core, const wxtp_audit_choice *choice, int64_t *position, int64_t wait_ms,
                          row_visitor *each, void *user, page *p, wx_err *err)
{
    const int64_t end = wx_boot_ms(core) + wait_ms;
    size_t visited = 0;
    bool over = false;
    for (;;) {
        wxtp_status status = read_page(core, *position, p, err);
        if (status != WXTP_OK) {
            return status;
        }
        visited += visit_page(p, choice, position, each, user, &over);
        const int64_t left = end - wx_boot_ms(core);
        if (over || (p->count < PAGE && (visited > 0 || left <= 0))) {
            return WXTP_OK;
        }
        const int64_t wait = p->count == PAGE ? 0 : left < LOOK_EVERY_MS ? left : LOOK_EVERY_MS;
        status = wx_pause(core, wait, err);
        if (status != WXTP_OK) {
            return status;
        }
    }
}

wxtp_status wxtp_audit_follow(wxtp_platform *platform, const wxtp_audit_choice *choice, int64_t *position,
                              int64_t wait_ms, row_visitor *each, void *user, wxtp_error **error)
{
    wx_err err = {.status = WXTP_OK};
    wx_door door;
    wxtp_audit_choice known;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wx_core *core = door.op.core;
    wxtp_status status = check(core, choice, each, &known, &err);
    if (status == WXTP_OK && !position) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "audit: no position to go on from was given");
    }
    WX_AUTO_FREE page *p = status == WXTP_OK ? wx_alloc(&core->allocator, sizeof(*p)) : NULL;
    if (status == WXTP_OK && !p) {
        status = wx_fail_nomem(&err);
    }
    if (status == WXTP_OK) {
        wx_buf_init(&p->texts, &core->allocator, PAGE_TEXT_MAX);
        status = follow(core, &known, position, wait_ms, each, user, p, &err);
        wx_buf_free(&p->texts);
    }
    return wx_leave(&door, status, &err, error);
}
