/* Tenants. A list merges a few index ranges, each in the order of the list, so that a page costs its own
 * rows. */
#include "internal.h"
#include <string.h>

#define COLUMNS                                                                                              \
    "platform,appid,credential,status,account,service_type,verify_type,account_status,permission_sets,"      \
    "nick_name,principal_name,user_name,certified,override_certified,declared_certified,observed_certified," \
    "profile_ms,status_ms,event_time_s,appsecret,token_file,token_of_platform,removed,used_ms,created_ms,"   \
    "updated_ms,status_source"

static wxtp_tenant_row read_tenant(sq_query *q)
{
    wxtp_tenant_row row = {.platform = sq_get_text(q)};
    row.appid = sq_get_text(q);
    row.credential = (wxtp_credential)sq_get_int(q);
    row.status = (wxtp_tenant_status)sq_get_int(q);
    row.account = (wxtp_account)sq_get_int(q);
    row.service_type = (int)sq_get_int(q);
    row.verify_type = (int)sq_get_int(q);
    row.account_status = (int)sq_get_int(q);
    row.permission_sets = sq_get_text(q);
    row.nick_name = sq_get_text(q);
    row.principal_name = sq_get_text(q);
    row.user_name = sq_get_text(q);
    row.certified = (int)sq_get_int(q);
    row.override_certified = (int)sq_get_int(q);
    row.declared_certified = (int)sq_get_int(q);
    row.observed_certified = (int)sq_get_int(q);
    row.profile_ms = sq_get_int(q);
    row.status_ms = sq_get_int(q);
    row.event_time_s = sq_get_int(q);
    row.appsecret = sq_get_blob(q);
    row.token_file = sq_get_text(q);
    row.token_of_platform = sq_get_int(q) != 0;
    row.removed = sq_get_int(q) != 0;
    row.used_ms = sq_get_int(q);
    row.created_ms = sq_get_int(q);
    row.updated_ms = sq_get_int(q);
    row.status_source = sq_get_text(q);
    return row;
}

wxtp_status sq_tenant_get(wxtp_tx *tx, const char *platform, const char *appid, wxtp_tenant_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT " COLUMNS " FROM tenants WHERE platform=? AND appid=?");
    sq_text(&q, platform);
    sq_text(&q, appid);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    *row = read_tenant(&q);
    return sq_end(&q);
}

wxtp_status sq_tenant_put(wxtp_tx *tx, const wxtp_tenant_row *row)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx,
            "INSERT OR REPLACE INTO tenants(" COLUMNS
            ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    sq_text(&q, row->platform);
    sq_text(&q, row->appid);
    sq_int(&q, row->credential);
    sq_int(&q, row->status);
    sq_int(&q, row->account);
    sq_int(&q, row->service_type);
    sq_int(&q, row->verify_type);
    sq_int(&q, row->account_status);
    sq_text(&q, row->permission_sets);
    sq_text(&q, row->nick_name);
    sq_text(&q, row->principal_name);
    sq_text(&q, row->user_name);
    sq_int(&q, row->certified);
    sq_int(&q, row->override_certified);
    sq_int(&q, row->declared_certified);
    sq_int(&q, row->observed_certified);
    sq_int(&q, row->profile_ms);
    sq_int(&q, row->status_ms);
    sq_int(&q, row->event_time_s);
    sq_blob(&q, row->appsecret);
    sq_text(&q, row->token_file);
    sq_int(&q, row->token_of_platform);
    sq_int(&q, row->removed);
    sq_int(&q, row->used_ms);
    sq_int(&q, row->created_ms);
    sq_int(&q, row->updated_ms);
    sq_text(&q, row->status_source);
    return sq_run(&q);
}

/* At most: two platforms, removed or not, three credentials, three certified, four statuses. */
enum { CURSORS = 2 * 2 * 3 * 3 * 4 };

typedef struct cursor {
    sq_query q;
    const char *platform;
    const char *appid; /* at which it stands; NULL at its end */
} cursor;

typedef struct merge {
    wxtp_tx *tx;
    const wxtp_tenant_filter *filter;
    sq_buffer keys[CURSORS];
    cursor cursors[CURSORS];
    int count;
} merge;

static void advance(cursor *c)
{
    c->appid = sq_next(&c->q) ? sq_get_text(&c->q) : NULL;
}

static void start(merge *m, const char *platform, int removed, int credential, int certified, int status)
{
    const wxtp_tenant_filter *filter = m->filter;
    cursor *c = &m->cursors[m->count];
    bool filtered = certified != -2;
    sq_open_slot(
        &c->q, m->tx,
        filtered
            ? "SELECT appid FROM tenants INDEXED BY tenants_by_filter WHERE platform=? AND removed=? AND "
              "credential=? AND appid>=? AND certified=? AND status=? ORDER BY appid"
            : "SELECT appid FROM tenants INDEXED BY tenants_by_appid WHERE platform=? AND removed=? AND "
              "credential=? AND appid>=? ORDER BY appid",
        m->count, &m->keys[m->count]);
    c->platform = platform;
    sq_text(&c->q, platform);
    sq_int(&c->q, removed);
    sq_int(&c->q, credential);
    sq_text(&c->q, filter->after_appid);
    if (filtered) {
        sq_int(&c->q, certified);
        sq_int(&c->q, status);
    }
    m->count++;
    advance(c);
    const char *after_platform = filter->after_platform != NULL ? filter->after_platform : "";
    if (filter->after_appid != NULL && c->appid != NULL && strcmp(c->appid, filter->after_appid) == 0 &&
        strcmp(platform, after_platform) <= 0)
        advance(c);
}

static void start_platform(merge *m, const char *platform)
{
    const wxtp_tenant_filter *filter = m->filter;
    bool filtered = filter->status >= 0 || filter->certified >= 0;
    for (int removed = 0; removed <= (filter->with_removed ? 1 : 0); removed++) {
        for (int credential = 0; credential <= 2; credential++) {
            if (filter->credential >= 0 && filter->credential != credential)
                continue;
            for (int certified = filtered ? -1 : -2; certified <= (filtered ? 1 : -2); certified++) {
                if (filter->certified >= 0 && filter->certified != certified)
                    continue;
                for (int status = 0; status <= (filtered ? 3 : 0); status++) {
                    if (filter->status < 0 || filter->status == status || !filtered)
                        start(m, platform, removed, credential, certified, status);
                }
            }
        }
    }
}

static cursor *smallest(merge *m)
{
    cursor *least = NULL;
    for (int i = 0; i < m->count; i++) {
        cursor *c = &m->cursors[i];
        if (c->appid == NULL)
            continue;
        int order = least != NULL ? strcmp(c->appid, least->appid) : -1;
        if (order < 0 || (order == 0 && strcmp(c->platform, least->platform) < 0))
            least = c;
    }
    return least;
}

static wxtp_status give(wxtp_tx *tx, const cursor *c, bool (*each)(void *, const wxtp_tenant_row *),
                        void *user, bool *more)
{
    sq_query q;
    sq_open(&q, tx, "SELECT " COLUMNS " FROM tenants WHERE platform=? AND appid=?");
    sq_text(&q, c->platform);
    sq_text(&q, c->appid);
    wxtp_status status = sq_one(&q);
    if (status == WXTP_OK) {
        wxtp_tenant_row row = read_tenant(&q);
        *more = each(user, &row);
        status = sq_end(&q);
    }
    return status;
}

wxtp_status sq_tenant_list(wxtp_tx *tx, const wxtp_tenant_filter *filter,
                           bool (*each)(void *, const wxtp_tenant_row *), void *user)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    const sq_memory *memory = &tx->conn->store->memory;
    merge *m = sq_allocate(memory, sizeof *m);
    if (m == NULL)
        return sq_fail(tx, SQLITE_NOMEM);
    m->tx = tx;
    m->filter = filter;
    const char *platform = filter->platform != NULL ? filter->platform : "";
    start_platform(m, platform);
    if (platform[0] != '\0')
        start_platform(m, "");
    bool more = true;
    for (size_t given = 0; more && given < filter->limit && status == WXTP_OK; given++) {
        cursor *next = smallest(m);
        if (next == NULL)
            break;
        status = give(tx, next, each, user, &more);
        advance(next);
    }
    for (int i = 0; i < m->count; i++) {
        wxtp_status ended = sq_end(&m->cursors[i].q);
        status = status != WXTP_OK ? status : ended;
        sq_buffer_free(memory, &m->keys[i]);
    }
    sq_release(memory, m);
    return status;
}

wxtp_status sq_tenant_count(wxtp_tx *tx, const char *platform, int64_t counts[4])
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    for (int i = 0; i < 4; i++)
        counts[i] = 0;
    sq_query q;
    sq_open(&q, tx,
            "SELECT status,count(*) FROM tenants INDEXED BY tenants_by_filter WHERE platform IN(?,'') AND "
            "removed=0 "
            "GROUP BY status");
    sq_text(&q, platform);
    while (sq_next(&q)) {
        int64_t at = sq_get_int(&q);
        if (at >= 0 && at < 4)
            counts[at] = sq_get_int(&q);
    }
    return sq_end(&q);
}
