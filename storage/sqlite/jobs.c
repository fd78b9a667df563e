/* Jobs. A job that is being built is kept alive by the lease "build:ID" of the handle that put it. */
#include "internal.h"
#include <string.h>

#define BUILD_MS ((int64_t)3650 * 24 * 3600 * 1000) /* it ends with its owner, not by its time */
#define COLUMNS                                                                                              \
    "id,platform,appid,call,state,paused_by,cancel_requested,forced,requested,duplicates,succeeded,invalid," \
    "failed,pending,asked,unknown_streak,calls,token_refreshes,created_ms,updated_ms,finished_ms,elapsed_"   \
    "ms,"                                                                                                    \
    "error_kind,error_message,error_hint,error_rid,error_errcode"

static wxtp_job_row read_job(sq_query *q)
{
    wxtp_job_row row = {.id = sq_get_text(q)};
    row.platform = sq_get_text(q);
    row.appid = sq_get_text(q);
    row.call = sq_get_text(q);
    row.state = (wxtp_job_state)sq_get_int(q);
    row.paused_by = (wxtp_paused_by)sq_get_int(q);
    row.cancel_requested = sq_get_int(q) != 0;
    row.forced = sq_get_int(q) != 0;
    row.requested = sq_get_int(q);
    row.duplicates = sq_get_int(q);
    row.succeeded = sq_get_int(q);
    row.invalid = sq_get_int(q);
    row.failed = sq_get_int(q);
    row.pending = sq_get_int(q);
    row.asked = sq_get_int(q);
    row.unknown_streak = sq_get_int(q);
    row.calls = sq_get_int(q);
    row.token_refreshes = sq_get_int(q);
    row.created_ms = sq_get_int(q);
    row.updated_ms = sq_get_int(q);
    row.finished_ms = sq_get_int(q);
    row.elapsed_ms = sq_get_int(q);
    row.error_kind = sq_get_text(q);
    row.error_message = sq_get_text(q);
    row.error_hint = sq_get_text(q);
    row.error_rid = sq_get_text(q);
    row.error_errcode = sq_get_int(q);
    return row;
}

static void bind_job(sq_query *q, const wxtp_job_row *row)
{
    sq_text(q, row->id);
    sq_text(q, row->platform);
    sq_text(q, row->appid);
    sq_text(q, row->call);
    sq_int(q, row->state);
    sq_int(q, row->paused_by);
    sq_int(q, row->cancel_requested);
    sq_int(q, row->forced);
    sq_int(q, row->requested);
    sq_int(q, row->duplicates);
    sq_int(q, row->succeeded);
    sq_int(q, row->invalid);
    sq_int(q, row->failed);
    sq_int(q, row->pending);
    sq_int(q, row->asked);
    sq_int(q, row->unknown_streak);
    sq_int(q, row->calls);
    sq_int(q, row->token_refreshes);
    sq_int(q, row->created_ms);
    sq_int(q, row->updated_ms);
    sq_int(q, row->finished_ms);
    sq_int(q, row->elapsed_ms);
    sq_text(q, row->error_kind);
    sq_text(q, row->error_message);
    sq_text(q, row->error_hint);
    sq_text(q, row->error_rid);
    sq_int(q, row->error_errcode);
}

wxtp_status sq_job_get(wxtp_tx *tx, const char *id, wxtp_job_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT " COLUMNS " FROM jobs WHERE id=?");
    sq_text(&q, id);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    *row = read_job(&q);
    return sq_end(&q);
}

wxtp_status sq_job_number(wxtp_tx *tx, const char *id, int64_t *number)
{
    sq_conn *conn = tx->conn;
    if (id != NULL && conn->job_id[0] != '\0' && strcmp(id, conn->job_id) == 0) {
        *number = conn->job_number;
        return WXTP_OK;
    }
    wxtp_status status = sq_one_int(tx, "SELECT n FROM jobs WHERE id=?", id, number);
    if (status == WXTP_OK && id != NULL && strlen(id) < sizeof conn->job_id) {
        memcpy(conn->job_id, id, strlen(id) + 1);
        conn->job_number = *number;
    }
    return status;
}

static wxtp_status with_build_lease(wxtp_tx *tx, const char *id, wxtp_status (*act)(wxtp_tx *, const char *))
{
    const sq_memory *memory = &tx->conn->store->memory;
    char *name = sq_join(memory, "build:", id != NULL ? id : "");
    if (name == NULL)
        return sq_fail(tx, SQLITE_NOMEM);
    wxtp_status status = act(tx, name);
    sq_release(memory, name);
    return status;
}

static wxtp_status hold(wxtp_tx *tx, const char *name)
{
    wxtp_lease lease = {name, 0, 0};
    wxtp_status status = sq_lease_hold(tx, &lease, BUILD_MS);
    return status == WXTP_ERR_STATE ? WXTP_OK : status;
}

/* The common case: progress alone changed, so that no index but the key's is touched. */
static wxtp_status put_progress(wxtp_tx *tx, const wxtp_job_row *row, bool *done)
{
    sq_query q;
    sq_open(&q, tx,
            "UPDATE jobs SET "
            "paused_by=?6,cancel_requested=?7,forced=?8,requested=?9,duplicates=?10,succeeded=?11,"
            "invalid=?12,failed=?13,pending=?14,asked=?15,unknown_streak=?16,calls=?17,token_refreshes=?18,"
            "updated_ms=?20,elapsed_ms=?22,error_kind=?23,error_message=?24,error_hint=?25,error_rid=?26,"
            "error_errcode=?27 WHERE id=?1 AND platform=?2 AND appid=?3 AND call=?4 AND state=?5 AND "
            "created_ms=?19 "
            "AND finished_ms=?21");
    bind_job(&q, row);
    wxtp_status status = sq_run(&q);
    *done = status == WXTP_OK && sq_changes(tx) > 0;
    return status;
}

wxtp_status sq_job_put(wxtp_tx *tx, const wxtp_job_row *row)
{
    bool done = false;
    wxtp_status status = sq_operation(tx, true);
    if (status == WXTP_OK)
        status = put_progress(tx, row, &done);
    if (status != WXTP_OK || done)
        return status;
    sq_query q;
    sq_open(
        &q, tx,
        "INSERT INTO jobs(" COLUMNS
        ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET "
        "platform=excluded.platform,appid=excluded.appid,call=excluded.call,state=excluded.state,"
        "paused_by=excluded.paused_by,cancel_requested=excluded.cancel_requested,forced=excluded.forced,"
        "requested=excluded.requested,duplicates=excluded.duplicates,succeeded=excluded.succeeded,"
        "invalid=excluded.invalid,failed=excluded.failed,pending=excluded.pending,asked=excluded.asked,"
        "unknown_streak=excluded.unknown_streak,calls=excluded.calls,token_refreshes=excluded.token_"
        "refreshes,"
        "created_ms=excluded.created_ms,updated_ms=excluded.updated_ms,finished_ms=excluded.finished_ms,"
        "elapsed_ms=excluded.elapsed_ms,error_kind=excluded.error_kind,error_message=excluded.error_message,"
        "error_hint=excluded.error_hint,error_rid=excluded.error_rid,error_errcode=excluded.error_errcode");
    bind_job(&q, row);
    status = sq_run(&q);
    if (status == WXTP_OK)
        status = with_build_lease(tx, row->id, row->state == WXTP_JOB_BUILDING ? hold : sq_lease_drop);
    return status;
}

#define ORDER " ORDER BY created_ms DESC,id DESC LIMIT ?7"
#define PAGE_OF(platform, rest)                                                                              \
    "SELECT * FROM(SELECT " COLUMNS " FROM jobs WHERE platform=" platform                                    \
    " AND (created_ms,id)<(?2,?3) AND (?4<0 OR state=?4) AND (?5=0 OR ?6=appid)" rest ORDER ")"
#define PAGE(rest) PAGE_OF("?1", rest) " UNION ALL " PAGE_OF("'' AND ?1<>''", rest) ORDER

/* By the index of ids; char() gives what no id goes beyond. */
#define PAGE_OF_PREFIX                                                                                       \
    "SELECT " COLUMNS " FROM jobs WHERE id>=?8 AND id<?8||char(1114111) AND platform IN(?1,'') AND "         \
    "(created_ms,id)<(?2,?3) AND (?4<0 OR state=?4) AND (?5=0 OR ?6=appid) AND (?9=0 OR state IN(0,1,2)) "   \
    "ORDER BY id DESC LIMIT ?7"

static const char *page_sql(const wxtp_job_filter *filter)
{
    if (filter->id_prefix != NULL)
        return PAGE_OF_PREFIX;
    if (filter->unfinished_only)
        return PAGE(" AND state IN(0,1,2)");
    return filter->appid != NULL ? PAGE(" AND appid=?6") : PAGE("");
}

wxtp_status sq_job_list(wxtp_tx *tx, const wxtp_job_filter *filter,
                        bool (*each)(void *, const wxtp_job_row *), void *user)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    int64_t before_ms = INT64_MAX;
    if (filter->after_id != NULL) {
        status = sq_one_int(tx, "SELECT created_ms FROM jobs WHERE id=?", filter->after_id, &before_ms);
        if (status != WXTP_OK)
            return status;
    }
    sq_query q;
    bool more = true;
    sq_open(&q, tx, page_sql(filter));
    sq_text(&q, filter->platform);
    sq_int(&q, before_ms);
    sq_text(&q, filter->after_id);
    sq_int(&q, filter->state);
    sq_int(&q, filter->appid != NULL);
    sq_text(&q, filter->appid);
    sq_int(&q, filter->limit < INT64_MAX ? (int64_t)filter->limit : INT64_MAX);
    if (filter->id_prefix != NULL) {
        sq_text(&q, filter->id_prefix);
        sq_int(&q, filter->unfinished_only);
    }
    while (more && sq_next(&q)) {
        wxtp_job_row row = read_job(&q);
        more = each(user, &row);
    }
    return sq_end(&q);
}

wxtp_status sq_job_remove(wxtp_tx *tx, const char *id)
{
    sq_query q;
    tx->conn->job_id[0] = '\0';
    wxtp_status status = with_build_lease(tx, id, sq_lease_drop);
    if (status != WXTP_OK)
        return status;
    sq_open(&q, tx, "DELETE FROM leases WHERE name='job:'||?");
    sq_text(&q, id);
    status = sq_run(&q);
    if (status != WXTP_OK)
        return status;
    sq_open(&q, tx, "DELETE FROM jobs WHERE id=?"); /* all that is its cascades */
    sq_text(&q, id);
    status = sq_run(&q);
    return status == WXTP_OK && sq_changes(tx) == 0 ? WXTP_ERR_NOT_FOUND : status;
}

wxtp_status sq_job_delete(wxtp_tx *tx, const char *id)
{
    wxtp_status status = sq_operation(tx, true);
    return status == WXTP_OK ? sq_job_remove(tx, id) : status;
}

static wxtp_status remove_if_dead(wxtp_tx *tx, const char *name)
{
    bool held, ours;
    wxtp_status status = sq_lease_held(tx, name, &held, &ours);
    return status == WXTP_OK && !held ? sq_job_remove(tx, name + strlen("build:")) : status;
}

static wxtp_status sweep_in(wxtp_tx *tx)
{
    const sq_memory *memory = &tx->conn->store->memory;
    wxtp_status status = sq_operation(tx, true);
    int64_t last = 0;
    while (status == WXTP_OK) {
        sq_query q;
        char *id = NULL;
        sq_open(&q, tx, "SELECT n,id FROM jobs WHERE state=0 AND n>? ORDER BY n LIMIT 1");
        sq_int(&q, last);
        bool found = sq_next(&q);
        if (found) {
            last = sq_get_int(&q);
            const char *text = sq_get_text(&q);
            id = sq_copy(memory, text, strlen(text));
        }
        status = sq_end(&q);
        if (status != WXTP_OK || !found)
            break;
        status = id != NULL ? with_build_lease(tx, id, remove_if_dead) : sq_fail(tx, SQLITE_NOMEM);
        sq_release(memory, id);
    }
    return status;
}

static wxtp_status any_building(wxtp_store *base, bool *any)
{
    wxtp_tx *tx;
    int64_t found = 0;
    wxtp_status status = sq_begin(base, WXTP_TX_READ, &tx);
    if (status != WXTP_OK)
        return status;
    status = sq_one_int(tx, "SELECT EXISTS(SELECT 1 FROM jobs WHERE state=0)", NULL, &found);
    sq_rollback(tx);
    *any = found != 0;
    return status;
}

/* Looks before it writes: mostly there is nothing to do. */
wxtp_status sq_sweep(wxtp_store *base)
{
    wxtp_tx *tx;
    bool any = false;
    wxtp_status status = any_building(base, &any);
    if (status != WXTP_OK || !any)
        return status;
    status = sq_begin(base, WXTP_TX_SYNC, &tx);
    if (status != WXTP_OK)
        return status;
    status = sweep_in(tx);
    if (status == WXTP_OK)
        return sq_commit(tx);
    sq_rollback(tx);
    return status;
}
