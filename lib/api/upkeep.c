/* Keeping the store sound: check, backup, new master key, retention. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "api/handle.h"
#include "domain/storage.h"
#include "domain/vault.h"
#include "flow/snapshot.h"

/* ---- Does everything that is sealed open? ---- */

enum { PAGE = 64, COMPONENTS_MAX = 64, PROBLEM_MAX = 256 };

typedef struct examination {
    wx_core *core;
    void (*problem)(void *user, const char *text);
    void *user;
    wx_err *err;
} examination;

/* False: there was no memory to look. */
static bool try_open(const examination *e, const char *kind, const char *platform, const char *row,
                     const char *field, wxtp_blob blob)
{
    char *text = NULL;
    wx_err err = {0};
    wxtp_status status = wx_vault_open(e->core, kind, platform, row, field, blob, &text, &err);
    wx_free(text);
    if (status != WXTP_OK && status != WXTP_ERR_NOMEM) {
        char words[PROBLEM_MAX];
        (void)snprintf(words, sizeof(words), "the sealed %s %s of %s%s%s does not open", kind, field,
                       platform, platform[0] != '\0' && row[0] != '\0' ? " " : "", row);
        e->problem(e->user, words);
    }
    return status != WXTP_ERR_NOMEM;
}

/* What a page of the store holds, copied: a problem is told when no transaction is open. */
typedef struct sealed_one {
    const char *kind, *field; /* static */
    char platform[WX_APPID_MAX], row[WX_APPID_MAX];
    char *blob;
    size_t len;
} sealed_one;

typedef struct sealed_page {
    sealed_one all[PAGE * 4];
    size_t count;
    bool failed;
} sealed_page;

static void keep(const examination *e, sealed_page *page, const char *kind, const char *platform,
                 const char *row, const char *field, wxtp_blob blob)
{
    if (blob.len == 0 || page->count == sizeof(page->all) / sizeof(page->all[0])) {
        return;
    }
    sealed_one *one = &page->all[page->count];
    one->blob = wx_strndup(&e->core->allocator, blob.data, blob.len);
    page->failed = page->failed || !one->blob;
    if (one->blob) {
        one->kind = kind;
        one->field = field;
        one->len = blob.len;
        (void)wx_copy(one->platform, sizeof(one->platform), platform);
        (void)wx_copy(one->row, sizeof(one->row), row);
        page->count++;
    }
}

/* Opens what was kept and empties the page. */
static wxtp_status open_kept(const examination *e, sealed_page *page)
{
    for (size_t at = 0; at < page->count; at++) {
        sealed_one *one = &page->all[at];
        const wxtp_blob blob = {one->blob, one->len};
        const bool looked = try_open(e, one->kind, one->platform, one->row, one->field, blob);
        page->failed = page->failed || !looked;
        wx_free(one->blob);
    }
    page->count = 0;
    return page->failed ? wx_fail_nomem(e->err) : WXTP_OK;
}

/* ---- Platforms ---- */

typedef struct component_list {
    char all[COMPONENTS_MAX][WX_APPID_MAX];
    size_t count;
} component_list;

static bool see_component(void *user, const wxtp_platform_row *row)
{
    component_list *list = user;
    (void)wx_copy(list->all[list->count++], WX_APPID_MAX, row->component_appid);
    return list->count < COMPONENTS_MAX;
}

static wxtp_status keep_token(const examination *e, wxtp_tx *tx, sealed_page *page, const char *platform,
                              const char *appid)
{
    const wxtp_token_key key = {platform, appid};
    wxtp_token_row row = {0};
    wxtp_status status = wx_ops(e->core)->token_get(tx, &key, &row);
    if (status == WXTP_OK) {
        keep(e, page, "token", platform, appid, "access", row.access);
        keep(e, page, "token", platform, appid, "refresh", row.refresh);
    }
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND
               ? WXTP_OK
               : wx_store_fail(e->core, tx, status, "read a token", e->err);
}

static wxtp_status keep_platform(const examination *e, wxtp_tx *tx, sealed_page *page, const char *component)
{
    const wxtp_store_ops *ops = wx_ops(e->core);
    wxtp_platform_row row = {0};
    wxtp_ticket_row ticket = {0};
    wxtp_status status = ops->platform_get(tx, component, &row);
    if (status == WXTP_OK) {
        keep(e, page, "platform", component, "", "appsecret", row.appsecret);
        keep(e, page, "platform", component, "", "push_token", row.push_token);
        keep(e, page, "platform", component, "", "aes_key", row.aes_key);
        keep(e, page, "platform", component, "", "previous_push_token", row.previous_push_token);
        keep(e, page, "platform", component, "", "previous_aes_key", row.previous_aes_key);
        status = ops->ticket_get(tx, component, &ticket);
        keep(e, page, "ticket", component, "", "ticket", status == WXTP_OK ? ticket.ticket : (wxtp_blob){0});
    }
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(e->core, tx, status, "read a platform", e->err);
    }
    return keep_token(e, tx, page, component, "");
}

static wxtp_status list_components(const examination *e, component_list *list)
{
    WX_AUTO_SCOPE scope = {0};
    if (wx_scope_begin(&scope, e->core, WXTP_TX_READ, e->err) != WXTP_OK) {
        return e->err->status;
    }
    wxtp_status status = wx_ops(e->core)->platform_list(scope.tx, see_component, list);
    return status == WXTP_OK ? WXTP_OK
                             : wx_store_fail(e->core, scope.tx, status, "list the platforms", e->err);
}

static wxtp_status examine_platform(const examination *e, sealed_page *page, const char *component)
{
    {
        WX_AUTO_SCOPE scope = {0};
        if (wx_scope_begin(&scope, e->core, WXTP_TX_READ, e->err) != WXTP_OK ||
            keep_platform(e, scope.tx, page, component) != WXTP_OK) {
            return e->err->status;
        }
    }
    return open_kept(e, page);
}

/* ---- Tenants ---- */

typedef struct tenant_page {
    const examination *examination;
    sealed_page *sealed;
    struct {
        char platform[WX_APPID_MAX], appid[WX_APPID_MAX];
    } all[PAGE];
    size_t count;
    bool shared_seen; /* own and cloud tenants come with every platform's list, and are examined once */
} tenant_page;

static bool see_tenant(void *user, const wxtp_tenant_row *row)
{
    tenant_page *page = user;
    (void)wx_copy(page->all[page->count].platform, WX_APPID_MAX, row->platform);
    (void)wx_copy(page->all[page->count].appid, WX_APPID_MAX, row->appid);
    page->count++;
    if (row->platform[0] != '\0' || !page->shared_seen) {
        keep(page->examination, page->sealed, "tenant", row->platform, row->appid, "appsecret",
             row->appsecret);
    }
    return page->count < PAGE;
}

static wxtp_status load_tenants(tenant_page *page, const wxtp_tenant_filter *filter)
{
    const examination *e = page->examination;
    WX_AUTO_SCOPE scope = {0};
    if (wx_scope_begin(&scope, e->core, WXTP_TX_READ, e->err) != WXTP_OK) {
        return e->err->status;
    }
    wxtp_status status = wx_ops(e->core)->tenant_list(scope.tx, filter, see_tenant, page);
    if (status != WXTP_OK) {
        return wx_store_fail(e->core, scope.tx, status, "list the tenants", e->err);
    }
    for (size_t at = 0; at < page->count && status == WXTP_OK; at++) {
        if (page->all[at].platform[0] == '\0' && page->shared_seen) {
            continue;
        }
        status = keep_token(e, scope.tx, page->sealed, page->all[at].platform, page->all[at].appid);
    }
    return status;
}

static wxtp_status examine_tenants(const examination *e, sealed_page *sealed, const char *component,
                                   bool shared_seen)
{
    tenant_page page = {.examination = e, .sealed = sealed, .shared_seen = shared_seen};
    wxtp_tenant_filter filter = {
        .platform = component, .status = -1, .certified = -1, .credential = -1, .limit = PAGE};
    char after_platform[WX_APPID_MAX] = "";
    char after_appid[WX_APPID_MAX] = "";
    do {
        if (wx_stopping(e->core)) {
            return wx_fail(e->err, WXTP_ERR_INTERRUPTED, "stopped as asked");
        }
        page.count = 0;
        wxtp_status status = load_tenants(&page, &filter);
        if (status != WXTP_OK || open_kept(e, sealed) != WXTP_OK) {
            return e->err->status;
        }
        if (page.count > 0) {
            (void)wx_copy(after_platform, sizeof(after_platform), page.all[page.count - 1].platform);
            (void)wx_copy(after_appid, sizeof(after_appid), page.all[page.count - 1].appid);
            filter.after_platform = after_platform;
            filter.after_appid = after_appid;
        }
    } while (page.count == PAGE);
    return WXTP_OK;
}

static wxtp_status examine(const examination *e)
{
    component_list *components = wx_alloc(&e->core->allocator, sizeof(*components));
    sealed_page *page = wx_alloc(&e->core->allocator, sizeof(*page));
    wxtp_status status = components && page ? list_components(e, components) : wx_fail_nomem(e->err);
    for (size_t at = 0; status == WXTP_OK && at < components->count; at++) {
        status = examine_platform(e, page, components->all[at]);
        if (status == WXTP_OK) {
            status = examine_tenants(e, page, components->all[at], at > 0);
        }
        if (status == WXTP_OK) {
            status = wx_snapshots_check(e->core, components->all[at], at > 0, e->problem, e->user, e->err);
        }
    }
    if (status == WXTP_OK && components->count == 0) {
        status = examine_tenants(e, page, "", false);
        if (status == WXTP_OK) {
            status = wx_snapshots_check(e->core, "", false, e->problem, e->user, e->err);
        }
    }
    for (size_t at = 0; page && at < page->count; at++) {
        wx_free(page->all[at].blob);
    }
    wx_free(components);
    wx_free(page);
    return status;
}

wxtp_status wxtp_platform_check_store(wxtp_platform *platform, void (*problem)(void *user, const char *text),
                                      void *user, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wx_core *core = door.op.core;
    wxtp_status status = WXTP_OK;
    if (!problem) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "no visitor was given");
    } else {
        status = wx_ops(core)->check(core->store, problem, user);
        if (status != WXTP_OK) {
            (void)wx_store_fail(core, NULL, status, "check the store", &err);
        }
    }
    if (status == WXTP_OK) {
        const examination e = {core, problem, user, &err};
        status = examine(&e);
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- Backup ---- */

wxtp_status wxtp_platform_backup(wxtp_platform *platform, const char *path, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wx_core *core = door.op.core;
    wxtp_status status = WXTP_OK;
    if (!path || path[0] == '\0') {
        status = wx_fail(&err, WXTP_ERR_INVALID, "no path was given");
    } else {
        status = wx_ops(core)->backup(core->store, path);
        if (status == WXTP_ERR_EXISTS) {
            (void)wx_fail(&err, status, "%s is there already", path);
        } else if (status != WXTP_OK) {
            (void)wx_store_fail(core, NULL, status, "write the backup", &err);
        }
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- Another master key ---- */

wxtp_status wxtp_platform_rekey(wxtp_platform *platform, const char *new_key_file, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    unsigned char key[WX_KEY_LEN] = {0};
    wxtp_status status = new_key_file && new_key_file[0] != '\0'
                             ? wx_master_key_make(new_key_file, key, &err)
                             : wx_fail(&err, WXTP_ERR_INVALID, "no key file was given");
    if (status == WXTP_OK) {
        status = wx_vault_rekey(door.op.core, key, &err);
    }
    OPENSSL_cleanse(key, sizeof(key));
    return wx_leave(&door, status, &err, error);
}

/* ---- Retention ---- */

static int64_t before(int64_t now_ms, int64_t days)
{
    const int64_t day_ms = INT64_C(86400) * 1000;
    return days > 0 ? now_ms - days * day_ms : 0;
}

static wxtp_status prune(wx_core *core, int64_t *deleted, wx_err *err)
{
    int64_t now_ms = wx_wall_ms(core);
    const wxtp_prune what = {
        .audit_before_ms = before(now_ms, core->settings.audit_days),
        .pushes_before_ms = before(now_ms, core->settings.pushes_days),
        .codes_before_ms = before(now_ms, core->settings.pushes_days),
        .finished_jobs_before_ms = before(now_ms, core->settings.jobs_days),
    };
    WX_AUTO_SCOPE scope = {0};
    if (wx_scope_begin(&scope, core, WXTP_TX_WRITE, err) != WXTP_OK) {
        return err->status;
    }
    wxtp_status status = wx_ops(core)->prune(scope.tx, &what, deleted);
    return status == WXTP_OK ? wx_scope_commit(&scope, err)
                             : wx_store_fail(core, scope.tx, status, "delete what is past its time", err);
}

wxtp_status wxtp_platform_prune(wxtp_platform *platform, int64_t *deleted, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    int64_t count = 0;
    wxtp_status status = prune(door.op.core, &count, &err);
    if (deleted) {
        *deleted = status == WXTP_OK ? count : 0;
    }
    return wx_leave(&door, status, &err, error);
}
