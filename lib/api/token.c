/* Tokens, for hosts that make a call themselves. */
#include "domain/token.h"

#include <string.h>
#include <wxtp/token.h>

#include "api/handle.h"
#include "api/token.h"
#include "domain/code.h"
#include "domain/standing.h"
#include "domain/storage.h"

enum { DUE_MAX = 10000 };

static wxtp_status no_appid(wx_err *err)
{
    return wx_fail(err, WXTP_ERR_INVALID, "no appid was given");
}

static wxtp_status need_generation(int64_t generation, wx_err *err)
{
    return generation >= 0
               ? WXTP_OK
               : wx_fail(err, WXTP_ERR_INVALID, "%lld is no generation of a token", (long long)generation);
}

/* The tenant, if its merchant has not taken the authorization back; a code that waits is exchanged first. */
static wxtp_status find_authorized(wx_op *op, const char *appid, wx_tenant **tenant, wx_err *err)
{
    wxtp_status status = wx_tenant_find(op->core, appid, tenant, err);
    if (status == WXTP_OK && (*tenant)->row.status == WXTP_TENANT_AUTHORIZING) {
        status = wx_code_exchange_open(op, appid, err);
        if (status != WXTP_OK) {
            return status;
        }
        wx_tenant_free(WX_TAKE(*tenant));
        status = wx_tenant_find(op->core, appid, tenant, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    wxtp_tenant_status standing = (*tenant)->row.status;
    if (standing == WXTP_TENANT_UNAUTHORIZED || standing == WXTP_TENANT_AUTHORIZING) {
        (void)wx_fail(err, WXTP_ERR_REFUSED, "the merchant has not authorized this platform (any more)");
        wx_err_kind(err, "unauthorized");
        wx_err_tenant(err, appid);
        wx_err_hint(err, "Have the merchant authorize the platform again, by a new authorization link.");
        return err->status;
    }
    return WXTP_OK;
}

static wxtp_status give_token(wx_core *core, const wx_token *token, char **text, int64_t *generation,
                              wx_err *err)
{
    /* A cloud account that is called without a token has the empty one. */
    *text = wx_strdup(&core->allocator, token->text ? token->text : "");
    if (generation) {
        *generation = token->generation;
    }
    return *text ? WXTP_OK : wx_fail_nomem(err);
}

/* What was given less than half a second ago is given again without asking the store. */
static wxtp_status get_token(wx_op *op, const char *appid, char **text, int64_t *generation, wx_err *err)
{
    wx_core *core = op->core;
    wx_standing *standing = wx_standing_find(core, appid, NULL);
    if (!standing) {
        WX_AUTO_TENANT *tenant = NULL;
        WX_AUTO_TOKEN token = {0};
        wxtp_status status = find_authorized(op, appid, &tenant, err);
        if (status == WXTP_OK) {
            status = wx_token_get(op, tenant, &token, err);
        }
        if (status != WXTP_OK) {
            return status;
        }
        standing = wx_standing_new(core, &tenant, &token, NULL, true);
        if (!standing) {
            return wx_fail_nomem(err);
        }
    }
    const wxtp_status status = give_token(core, &standing->token, text, generation, err);
    wx_standing_release(core, standing);
    return status;
}

wxtp_status wxtp_token_get(wxtp_platform *platform, const char *appid, char **token, int64_t *generation,
                           wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (token) {
        *token = NULL;
    }
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = WXTP_OK;
    if (!appid || !token) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "no appid or no place for the token was given");
    } else {
        status = get_token(&door.op, appid, token, generation, &err);
    }
    return wx_leave(&door, status, &err, error);
}

wxtp_status wxtp_token_refused(wxtp_platform *platform, const char *appid, int64_t generation,
                               wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    WX_AUTO_TENANT *tenant = NULL;
    wx_core *core = door.op.core;
    wxtp_status status = appid ? need_generation(generation, &err) : no_appid(&err);
    if (status == WXTP_OK) {
        status = wx_tenant_find(core, appid, &tenant, &err);
    }
    if (status == WXTP_OK) {
        status = wx_token_refused(core, tenant->row.platform, tenant->row.appid, generation, &err);
        wx_standing_drop(core, appid);
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- State without text ---- */

static wxtp_status tell(wx_core *core, const wx_tenant *tenant, wxtp_token_facts *facts, wx_err *err)
{
    wx_token_view view = {0};
    wxtp_status status = wx_token_look(core, tenant->row.platform, tenant->row.appid, &view, err);
    facts->state = (wxtp_token_state)view.state;
    facts->version = view.generation;
    facts->expires_ms = view.expires_ms;
    return status;
}

/* Checks the arguments of the next two calls and empties `facts`. */
static wxtp_status begin_facts(const char *appid, wxtp_token_facts *facts, wx_err *err)
{
    if (!appid) {
        return no_appid(err);
    }
    if (!facts || facts->struct_size < sizeof(*facts)) {
        return wx_fail(err, WXTP_ERR_INVALID, "no facts were given, or their struct_size is too small");
    }
    *facts = (wxtp_token_facts){.struct_size = facts->struct_size};
    return WXTP_OK;
}

wxtp_status wxtp_token_info(wxtp_platform *platform, const char *appid, wxtp_token_facts *facts,
                            wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    WX_AUTO_TENANT *tenant = NULL;
    wxtp_status status = begin_facts(appid, facts, &err);
    if (status == WXTP_OK) {
        status = wx_tenant_find(door.op.core, appid, &tenant, &err);
    }
    if (status == WXTP_OK) {
        status = tell(door.op.core, tenant, facts, &err);
    }
    return wx_leave(&door, status, &err, error);
}

wxtp_status wx_token_refresh_facts(wx_op *op, const char *appid, int64_t generation, wxtp_token_facts *facts,
                                   wx_err *err)
{
    WX_AUTO_TENANT *tenant = NULL;
    bool moved = false;
    wxtp_status status = need_generation(generation, err);
    if (status == WXTP_OK) {
        status = find_authorized(op, appid, &tenant, err);
    }
    if (status == WXTP_OK) {
        status = wx_token_renew(op, tenant, generation, &moved, err);
    }
    if (status == WXTP_OK) {
        status = tell(op->core, tenant, facts, err);
    }
    wx_standing_drop(op->core, appid);
    facts->refreshed = status == WXTP_OK && moved;
    return status;
}

wxtp_status wxtp_token_refresh(wxtp_platform *platform, const char *appid, int64_t generation,
                               wxtp_token_facts *facts, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    door.op.person = true;
    wxtp_status status = begin_facts(appid, facts, &err);
    if (status == WXTP_OK) {
        status = wx_token_refresh_facts(&door.op, appid, generation, facts, &err);
    }
    return wx_leave(&door, status, &err, error);
}

/* ---- Which are due ---- */

typedef struct due_one {
    char platform[WX_APPID_MAX], appid[WX_APPID_MAX];
} due_one;

typedef struct due_list {
    due_one *all;
    size_t count, room;
} due_list;

static bool see_due(void *user, const wxtp_token_row *row)
{
    due_list *list = user;
    if (row->key.appid[0] != '\0') { /* not the component's own */
        due_one *one = &list->all[list->count++];
        (void)wx_copy(one->platform, sizeof(one->platform), row->key.platform);
        (void)wx_copy(one->appid, sizeof(one->appid), row->key.appid);
    }
    return list->count < list->room;
}

/* Drops those of which a refresh would be refused: nobody is to ask for them. */
static wxtp_status keep_wanted(wx_core *core, wxtp_tx *tx, due_list *list, wx_err *err)
{
    size_t kept = 0;
    for (size_t at = 0; at < list->count; at++) {
        wxtp_tenant_row row = {0};
        wxtp_status status = wx_ops(core)->tenant_get(tx, list->all[at].platform, list->all[at].appid, &row);
        if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
            return wx_store_fail(core, tx, status, "read a tenant", err);
        }
        if (status == WXTP_OK && !row.removed && row.status == WXTP_TENANT_AUTHORIZED) {
            list->all[kept++] = list->all[at];
        }
    }
    list->count = kept;
    return WXTP_OK;
}

static wxtp_status list_due(wx_core *core, size_t limit, due_list *list, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    /* More are asked for than wanted, for some of them will not count. */
    list->room = 2 * limit + 64;
    list->all = wx_alloc_array(&core->allocator, list->room, sizeof(*list->all));
    if (!list->all) {
        return wx_fail_nomem(err);
    }
    if (wx_scope_begin(&scope, core, WXTP_TX_READ, err) != WXTP_OK) {
        return err->status;
    }
    wxtp_status status = wx_ops(core)->token_due(scope.tx, core->settings.component, wx_wall_ms(core),
                                                 list->room + 1, see_due, list);
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "list the tokens that are due", err);
    }
    return keep_wanted(core, scope.tx, list, err);
}

wxtp_status wxtp_token_each_due(wxtp_platform *platform, size_t limit,
                                bool (*each)(void *user, const char *appid), void *user, wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    due_list list = {0};
    wxtp_status status = WXTP_OK;
    if (!each || limit < 1 || limit > DUE_MAX) {
        status =
            wx_fail(&err, WXTP_ERR_INVALID, "no visitor was given, or the limit is not 1 to %d", DUE_MAX);
    } else {
        status = wx_need_view(door.op.core, NULL, &err);
    }
    if (status == WXTP_OK) {
        status = list_due(door.op.core, limit, &list, &err);
    }
    for (size_t at = 0; status == WXTP_OK && at < list.count && at < limit; at++) {
        if (!each(user, list.all[at].appid)) {
            break;
        }
    }
    wx_free(list.all);
    return wx_leave(&door, status, &err, error);
}
