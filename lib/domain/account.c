#include "domain/account.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/point.h"
#include "base/text.h"
#include "domain/held.h"
#include "domain/platform_call.h"
#include "domain/storage.h"

enum { BODY_MAX = 1024, LIST_PAGE = 500, LIST_OVERLAP = 10, LIST_ROWS_MAX = 10 * 1000 * 1000 };

void wx_info_free(wx_info *info)
{
    wx_free(info->refresh_token);
    wx_free(info->nick_name);
    wx_free(info->principal_name);
    wx_free(info->user_name);
    wx_free(info->permission_sets);
    *info = (wx_info){0};
}

/* ---- Reading the answer ---- */

static int compare_ids(const void *a, const void *b)
{
    int left = *(const int *)a;
    int right = *(const int *)b;
    return (left > right) - (left < right);
}

/* {"id": 2}, also where the number stands for the object itself. */
static bool read_id(struct json_object *object, const char *name, int *id)
{
    struct json_object *member = wx_json_get(object, name);
    int64_t value = json_object_is_type(member, json_type_object) ? wx_json_int(member, "id", INT64_MIN)
                                                                  : wx_json_int(object, name, INT64_MIN);
    if (value < INT_MIN || value > INT_MAX) {
        return false;
    }
    *id = (int)value;
    return true;
}

wxtp_status wx_info_sets(wx_core *core, struct json_object *func_info, char **text, wx_err *err)
{
    *text = NULL;
    if (!json_object_is_type(func_info, json_type_array)) {
        return WXTP_OK;
    }
    int ids[WX_PERMISSION_SETS_MAX];
    size_t count = 0;
    size_t rows = json_object_array_length(func_info);
    for (size_t i = 0; i < rows && count < WX_PERMISSION_SETS_MAX; i++) {
        int id = 0;
        if (read_id(json_object_array_get_idx(func_info, i), "funcscope_category", &id) && id > 0) {
            ids[count++] = id;
        }
    }
    if (count > 0) {
        qsort(ids, count, sizeof ids[0], compare_ids);
    }
    WX_AUTO_BUF buf;
    wx_buf_init(&buf, &core->allocator, (size_t)WX_PERMISSION_SETS_MAX * 12);
    bool ok = wx_buf_text(&buf, "");
    for (size_t i = 0; ok && i < count; i++) {
        if (i == 0 || ids[i] != ids[i - 1]) {
            ok = wx_buf_printf(&buf, "%s%d", i ? "," : "", ids[i]);
        }
    }
    *text = ok ? wx_strdup(&core->allocator, wx_buf_str(&buf)) : NULL;
    return *text ? WXTP_OK : wx_fail_nomem(err);
}

static bool copy_member(wx_core *core, struct json_object *object, const char *name, bool empty_counts,
                        char **copy)
{
    const char *text = wx_json_str(object, name);
    if (!text || (!*text && !empty_counts)) {
        return true;
    }
    *copy = wx_strdup(&core->allocator, text);
    return *copy != NULL;
}

static bool has_object(struct json_object *object, const char *name)
{
    return json_object_is_type(wx_json_get(object, name), json_type_object);
}

static wxtp_account read_account(struct json_object *authorizer, const wx_info *info)
{
    static const char *const others[] = {"channels_info", "store_info", "talent_info", "supplier_info"};
    if (has_object(authorizer, "MiniProgramInfo")) {
        return WXTP_ACCOUNT_MINI_PROGRAM;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (has_object(authorizer, others[i])) {
            return WXTP_ACCOUNT_OTHER;
        }
    }
    if (!info->has_service_type) {
        return WXTP_ACCOUNT_UNKNOWN;
    }
    if (info->service_type == 0 || info->service_type == 1) {
        return WXTP_ACCOUNT_SUBSCRIPTION;
    }
    return info->service_type == 2 ? WXTP_ACCOUNT_SERVICE : WXTP_ACCOUNT_UNKNOWN;
}

static wxtp_status read_answer(wx_core *core, struct json_object *json, wx_info *info, wx_err *err)
{
    struct json_object *authorizer = wx_json_get(json, "authorizer_info");
    struct json_object *authorization = wx_json_get(json, "authorization_info");
    info->authorized = true;
    info->has_service_type = read_id(authorizer, "service_type_info", &info->service_type);
    info->has_verify_type = read_id(authorizer, "verify_type_info", &info->verify_type);
    info->has_account_status = read_id(authorizer, "account_status", &info->account_status);
    info->account = read_account(authorizer, info);
    bool ok = copy_member(core, authorizer, "nick_name", true, &info->nick_name) &&
              copy_member(core, authorizer, "principal_name", true, &info->principal_name) &&
              copy_member(core, authorizer, "user_name", true, &info->user_name) &&
              copy_member(core, authorization, "authorizer_refresh_token", false, &info->refresh_token);
    if (!ok) {
        return wx_fail_nomem(err);
    }
    return wx_info_sets(core, wx_json_get(authorization, "func_info"), &info->permission_sets, err);
}

static bool put_pair(wx_buf *body, const char *name, const char *value)
{
    return wx_json_quote(body, name) && wx_buf_text(body, ":") && wx_json_quote(body, value);
}

wxtp_status wx_info_read(wx_op *op, const char *appid, wx_info *info, wx_err *err)
{
    wx_core *core = op->core;
    *info = (wx_info){.service_type = -1, .verify_type = -1};
    wxtp_status status = wx_need_component(core, err);
    if (status != WXTP_OK) {
        return status;
    }
    WX_AUTO_BUF body;
    wx_buf_init(&body, &core->allocator, BODY_MAX);
    if (!wx_buf_text(&body, "{") || !put_pair(&body, "component_appid", core->settings.component) ||
        !wx_buf_text(&body, ",") || !put_pair(&body, "authorizer_appid", appid) || !wx_buf_text(&body, "}")) {
        return wx_fail_nomem(err);
    }
    WX_AUTO_ANSWER answer = {0};
    info->sent_ms = wx_wall_ms(core);
    wx_sent sent = wx_send_platform(op, WX_API_GET_AUTHORIZER_INFO, (wx_about){.appid = appid},
                                    wx_buf_str(&body), "authorizer_info", NULL, 0, true, &answer, err);
    if (sent == WX_SENT_OK) {
        return read_answer(core, answer.json, info, err);
    }
    if (sent == WX_SENT_REFUSED && wx_errcode_find(err->errcode)->class_ == WX_ERRCODE_UNAUTHORIZED) {
        wx_err_settle(err);
        return WXTP_OK;
    }
    wx_err_tenant(err, appid);
    return err->status;
}

/* ---- Entering it ---- */

void wx_info_enter(const wx_info *info, wxtp_tenant_row *row)
{
    if (!info->authorized || row->profile_ms > info->sent_ms) {
        return;
    }
    /* What the answer does not tell stays: silence makes no certified account uncertified. */
    if (info->account != WXTP_ACCOUNT_UNKNOWN || info->has_service_type) {
        row->account = info->account;
    }
    row->service_type = info->has_service_type ? info->service_type : row->service_type;
    row->verify_type = info->has_verify_type ? info->verify_type : row->verify_type;
    row->account_status = info->has_account_status ? info->account_status : row->account_status;
    row->nick_name = info->nick_name ? info->nick_name : row->nick_name;
    row->principal_name = info->principal_name ? info->principal_name : row->principal_name;
    row->user_name = info->user_name ? info->user_name : row->user_name;
    row->permission_sets = info->permission_sets ? info->permission_sets : row->permission_sets;
    row->profile_ms = info->sent_ms;
}

wxtp_status wx_account_look(wx_core *core, const char *appid, wx_account_before *before, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_token_row token = {0};
    wxtp_tenant_row tenant = {0};
    *before = (wx_account_before){0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    const char *component = core->settings.component;
    status = wx_ops(core)->token_get(scope.tx, &(wxtp_token_key){component, appid}, &token);
    if (status == WXTP_OK) {
        before->generation = token.generation;
    } else if (status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, scope.tx, status, "read the token", err);
    }
    status = wx_ops(core)->tenant_get(scope.tx, component, appid, &tenant);
    if (status == WXTP_OK) {
        before->found = true;
        before->event_time_s = tenant.event_time_s;
    } else if (status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, scope.tx, status, "read the tenant", err);
    }
    return WXTP_OK;
}

typedef struct entering {
    wx_core *core;
    wx_scope *scope;
    const wx_account_before *before;
    const wx_info *info;
    wx_account_change *change;
    int64_t now_ms;
    bool open_code; /* one waits to be exchanged */
    bool has_refresh;
} entering;

static bool see_code(void *user, const wxtp_code_row *row)
{
    (void)row;
    *(bool *)user = true;
    return false;
}

/* A push or another reader was there after we had asked. A status time in the future is a clock's doing. */
static bool overtaken(const entering *self, const wxtp_tenant_row *row)
{
    return row->event_time_s != self->before->event_time_s ||
           (row->status_ms > self->info->sent_ms && row->status_ms <= self->now_ms);
}

static wxtp_tenant_status status_when_authorized(const entering *self, wxtp_tenant_status stored)
{
    const wx_info *info = self->info;
    if (stored == WXTP_TENANT_AUTHORIZED || self->change->token_changed) {
        return WXTP_TENANT_AUTHORIZED;
    }
    /* The refresh token shown is the one that is dead. */
    if (stored == WXTP_TENANT_REAUTHORIZATION_REQUIRED) {
        return stored;
    }
    if (self->open_code) {
        return WXTP_TENANT_AUTHORIZING;
    }
    /* With no refresh token anywhere only a new authorization helps. */
    return info->refresh_token || self->has_refresh ? WXTP_TENANT_AUTHORIZED
                                                    : WXTP_TENANT_REAUTHORIZATION_REQUIRED;
}

static void enter_status(entering *self, wxtp_tenant_row *row)
{
    if (overtaken(self, row)) {
        return;
    }
    wxtp_tenant_status stored = row->status;
    if (!self->info->authorized) {
        row->status = WXTP_TENANT_UNAUTHORIZED;
    } else if (row->credential == WXTP_CREDENTIAL_CLOUD) {
        row->status = WXTP_TENANT_AUTHORIZED;
    } else {
        row->status = status_when_authorized(self, stored);
    }
    row->status_ms = self->info->sent_ms;
    row->status_source = wx_catalog_platform(WX_API_GET_AUTHORIZER_INFO)->name;
    if (row->status == WXTP_TENANT_AUTHORIZED && stored != WXTP_TENANT_AUTHORIZED) {
        self->change->repaired = true;
    }
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_profile(const wxtp_tenant_row *a, const wxtp_tenant_row *b)
{
    return a->account == b->account && a->service_type == b->service_type &&
           a->verify_type == b->verify_type && a->account_status == b->account_status &&
           a->status == b->status && a->removed == b->removed &&
           same_text(a->permission_sets, b->permission_sets);
}

static wxtp_status put_row(entering *self, const wxtp_tenant_row *old, wxtp_tenant_row *row, wx_err *err)
{
    const wxtp_store_ops *ops = wx_ops(self->core);
    wxtp_tx *tx = self->scope->tx;
    wxtp_status status = wx_tenant_put(self->scope, old, row, err);
    if (status != WXTP_OK || same_profile(old, row)) {
        return status;
    }
    status = ops->hold_delete(tx, row->platform, row->appid, NULL, WXTP_HOLD_REFUSED);
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND
               ? WXTP_OK
               : wx_store_fail(self->core, tx, status, "end the kept refusals", err);
}

static wxtp_status look_at_credentials(entering *self, const char *appid, wx_err *err)
{
    const wxtp_store_ops *ops = wx_ops(self->core);
    const char *component = self->core->settings.component;
    wxtp_status status = ops->code_open(self->scope->tx, component, appid, see_code, &self->open_code);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(self->core, self->scope->tx, status, "look for codes", err);
    }
    wxtp_token_row token = {0};
    status = ops->token_get(self->scope->tx, &(wxtp_token_key){component, appid}, &token);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(self->core, self->scope->tx, status, "read the token", err);
    }
    self->has_refresh = status == WXTP_OK && token.refresh.len > 0;
    return WXTP_OK;
}

/* The row of the component; made where it may be. */
static wxtp_status enter_authorizer(entering *self, const char *appid, bool may_create, wx_err *err)
{
    WX_AUTO_TENANT *tenant = NULL;
    const char *component = self->core->settings.component;
    wxtp_status status = wx_tenant_load(self->core, self->scope->tx, component, appid, &tenant, err);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return status;
    }
    wxtp_tenant_row row = tenant ? tenant->row : wx_tenant_row_new(component, appid, self->now_ms);
    bool absent = !tenant || row.removed;
    if (absent && (!may_create || !self->info->authorized)) {
        return WXTP_OK;
    }
    wxtp_tenant_row old = row;
    row.removed = false;
    status = look_at_credentials(self, appid, err);
    if (status == WXTP_OK && self->info->refresh_token && !overtaken(self, &row)) {
        status =
            wx_token_adopt_refresh(self->core, self->scope->tx, component, appid, self->before->generation,
                                   self->info->refresh_token, &self->change->token_changed, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    wx_info_enter(self->info, &row);
    enter_status(self, &row);
    self->change->added = absent;
    self->change->repaired = !absent && (self->change->repaired || self->change->token_changed);
    return put_row(self, &old, &row, err);
}

/* A cloud account that uses the platform's token has a profile too. */
static wxtp_status enter_cloud(entering *self, const char *appid, wx_err *err)
{
    WX_AUTO_TENANT *tenant = NULL;
    wxtp_status status = wx_tenant_load(self->core, self->scope->tx, "", appid, &tenant, err);
    if (status == WXTP_ERR_NOT_FOUND) {
        return WXTP_OK;
    }
    if (status != WXTP_OK || tenant->row.removed || wx_tenant_without_profile(&tenant->row)) {
        return status;
    }
    wx_account_before before = {.event_time_s = tenant->row.event_time_s, .found = true};
    entering cloud = *self;
    cloud.before = &before;
    wxtp_tenant_row row = tenant->row;
    wx_info_enter(self->info, &row);
    enter_status(&cloud, &row);
    return put_row(self, &tenant->row, &row, err);
}

static wxtp_status cloud_of_platform(wx_core *core, wxtp_tx *tx, const char *appid, bool *is, wx_err *err)
{
    wxtp_tenant_row row = {0};
    wxtp_status status = wx_ops(core)->tenant_get(tx, "", appid, &row);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, tx, status, "read the tenant", err);
    }
    *is = status == WXTP_OK && !row.removed && !wx_tenant_without_profile(&row);
    return WXTP_OK;
}

wxtp_status wx_account_enter(wx_scope *scope, const char *appid, const wx_account_before *before,
                             const wx_info *info, bool may_create, wx_account_change *change, wx_err *err)
{
    wx_core *core = scope->core;
    *change = (wx_account_change){.authorized = info->authorized};
    entering self = {.core = core,
                     .scope = scope,
                     .before = before,
                     .info = info,
                     .change = change,
                     .now_ms = wx_wall_ms(core)};
    bool cloud = false;
    wxtp_status status = cloud_of_platform(core, scope->tx, appid, &cloud, err);
    if (status == WXTP_OK) {
        /* Two rows of one appid would be ambiguous. */
        status = enter_authorizer(&self, appid, may_create && !cloud, err);
    }
    return status == WXTP_OK && cloud ? enter_cloud(&self, appid, err) : status;
}

wxtp_status wx_account_refresh(wx_op *op, const char *appid, bool may_create, bool *authorized, bool *added,
                               bool *repaired, wx_err *err)
{
    wx_core *core = op->core;
    wx_account_before before = {0};
    WX_AUTO_INFO info = {0};
    wxtp_status status = wx_need_component(core, err);
    if (status == WXTP_OK) {
        status = wx_account_look(core, appid, &before, err);
    }
    if (status == WXTP_OK) {
        status = wx_info_read(op, appid, &info, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    WX_AUTO_SCOPE scope = {0};
    wx_account_change change = {0};
    status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_account_enter(&scope, appid, &before, &info, may_create, &change, err);
    }
    WX_POINT("account.entering");
    if (status == WXTP_OK) {
        status = wx_scope_commit(&scope, err);
    }
    WX_POINT("account.entered");
    if (status != WXTP_OK) {
        return status;
    }
    bool ignored = false;
    *(authorized ? authorized : &ignored) = change.authorized;
    *(added ? added : &ignored) = change.added;
    *(repaired ? repaired : &ignored) = change.repaired;
    return WXTP_OK;
}

/* ---- The list ---- */

typedef struct list_page {
    int64_t rows, total;
    bool stop;
} list_page;

static wxtp_status read_page(wx_op *op, int64_t offset, wx_list_visitor *each, void *user, list_page *page,
                             wx_err *err)
{
    wx_core *core = op->core;
    WX_AUTO_BUF body;
    WX_AUTO_ANSWER answer = {0};
    wx_buf_init(&body, &core->allocator, BODY_MAX);
    if (!wx_buf_text(&body, "{") || !put_pair(&body, "component_appid", core->settings.component) ||
        !wx_buf_printf(&body, ",\"offset\":%lld,\"count\":%d}", (long long)offset, LIST_PAGE)) {
        return wx_fail_nomem(err);
    }
    wx_sent sent = wx_send_platform(op, WX_API_GET_AUTHORIZER_LIST, (wx_about){.appid = ""},
                                    wx_buf_str(&body), "total_count", NULL, 0, true, &answer, err);
    if (sent != WX_SENT_OK) {
        return err->status;
    }
    struct json_object *list = wx_json_get(answer.json, "list");
    page->total = wx_json_int(answer.json, "total_count", 0);
    page->rows = json_object_is_type(list, json_type_array) ? (int64_t)json_object_array_length(list) : 0;
    for (int64_t i = 0; i < page->rows && !page->stop; i++) {
        struct json_object *row = json_object_array_get_idx(list, (size_t)i);
        const char *appid = wx_json_str(row, "authorizer_appid");
        const char *refresh = wx_json_str(row, "refresh_token");
        if (appid && wx_appid_ok(appid)) {
            page->stop = !each(user, appid, refresh && *refresh ? refresh : NULL,
                               wx_json_int(row, "auth_time", 0), page->total);
        }
    }
    return WXTP_OK;
}

wxtp_status wx_list_each(wx_op *op, wx_list_visitor *each, void *user, wx_err *err)
{
    wxtp_status status = wx_need_component(op->core, err);
    int64_t offset = 0;
    while (status == WXTP_OK && offset < LIST_ROWS_MAX) {
        if (wx_stopping(op->core)) {
            return wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped while the list of authorizers was read");
        }
        list_page page = {0};
        status = read_page(op, offset, each, user, &page, err);
        if (status != WXTP_OK || page.stop || page.rows == 0 || offset + page.rows >= page.total) {
            return status;
        }
        /* Pages overlap a little, since an account that leaves moves the rest up. */
        offset += page.rows > (int64_t)2 * LIST_OVERLAP ? page.rows - LIST_OVERLAP : page.rows;
    }
    return status;
}
