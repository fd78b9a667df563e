/* Holds, the audit, and what `prune` deletes. */
#include "internal.h"
#include <string.h>

#define AUDIT                                                                                                \
    "id,time_ms,platform,appid,call,job,openids,errcode,errmsg,rid,duration_ms,token_generation,"            \
    "made_generation,source"

wxtp_status sq_hold_get(wxtp_tx *tx, const char *platform, const char *appid, const char *call,
                        wxtp_hold_kind kind, wxtp_hold_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT * FROM holds WHERE platform=? AND appid=? AND kind=? AND call=?");
    sq_text(&q, platform);
    sq_text(&q, appid);
    sq_int(&q, kind);
    sq_text(&q, call);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    row->platform = sq_get_text(&q);
    row->appid = sq_get_text(&q);
    row->call = sq_get_text(&q);
    row->kind = (wxtp_hold_kind)sq_get_int(&q);
    row->errcode = sq_get_int(&q);
    row->since_ms = sq_get_int(&q);
    row->until_ms = sq_get_int(&q);
    row->interval_ms = sq_get_int(&q);
    return sq_end(&q);
}

wxtp_status sq_hold_put(wxtp_tx *tx, const wxtp_hold_row *row)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "INSERT OR REPLACE INTO holds VALUES(?,?,?,?,?,?,?,?)");
    sq_text(&q, row->platform);
    sq_text(&q, row->appid);
    sq_text(&q, row->call);
    sq_int(&q, row->kind);
    sq_int(&q, row->errcode);
    sq_int(&q, row->since_ms);
    sq_int(&q, row->until_ms);
    sq_int(&q, row->interval_ms);
    return sq_run(&q);
}

wxtp_status sq_hold_delete(wxtp_tx *tx, const char *platform, const char *appid, const char *call,
                           wxtp_hold_kind kind)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "DELETE FROM holds WHERE platform=? AND appid=? AND kind=? AND (?=0 OR call=?)");
    sq_text(&q, platform);
    sq_text(&q, appid);
    sq_int(&q, kind);
    sq_int(&q, call != NULL);
    sq_text(&q, call);
    status = sq_run(&q);
    return status == WXTP_OK && call != NULL && sq_changes(tx) == 0 ? WXTP_ERR_NOT_FOUND : status;
}

wxtp_status sq_audit_add(wxtp_tx *tx, const wxtp_audit_row *row)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx,
            "INSERT INTO audit(" AUDIT
            ") VALUES(max(coalesce((SELECT max(id) FROM audit),0)+1,?1*1000),?1,?,?,?,?,?,?,?,?,?,?,?,?)");
    sq_int(&q, row->time_ms);
    sq_text(&q, row->platform);
    sq_text(&q, row->appid);
    sq_text(&q, row->call);
    sq_text(&q, row->job_id);
    sq_int(&q, row->openids);
    sq_int(&q, row->errcode);
    sq_text(&q, row->errmsg);
    sq_text(&q, row->rid);
    sq_int(&q, row->duration_ms);
    sq_int(&q, row->token_generation);
    sq_int(&q, row->made_generation);
    sq_text(&q, row->source);
    return sq_run(&q);
}

static wxtp_audit_row read_audit(sq_query *q)
{
    wxtp_audit_row row = {.id = sq_get_int(q)};
    row.time_ms = sq_get_int(q);
    row.platform = sq_get_text(q);
    row.appid = sq_get_text(q);
    row.call = sq_get_text(q);
    row.job_id = sq_get_text(q);
    row.openids = sq_get_int(q);
    row.errcode = sq_get_int(q);
    row.errmsg = sq_get_text(q);
    row.rid = sq_get_text(q);
    row.duration_ms = sq_get_int(q);
    row.token_generation = sq_get_int(q);
    row.made_generation = sq_get_int(q);
    row.source = sq_get_text(q);
    return row;
}

static wxtp_status each_audit(sq_query *q, bool (*each)(void *, const wxtp_audit_row *), void *user)
{
    bool more = true;
    while (more && sq_next(q)) {
        wxtp_audit_row row = read_audit(q);
        more = each(user, &row);
    }
    return sq_end(q);
}

/* By id, which is the order of time. */
#define LAST(rest)                                                                                           \
    "SELECT * FROM(SELECT " AUDIT " FROM audit WHERE " rest                                                  \
    " AND id>=?2*1000 AND time_ms>=?2 AND(?5=0 OR errcode=?6) ORDER BY id DESC LIMIT ?3) ORDER BY id"
#define LAST_OF_ACCOUNT(platform)                                                                            \
    "SELECT * FROM(SELECT " AUDIT " FROM audit INDEXED BY audit_by_account WHERE platform=" platform         \
    " AND appid=?4 AND id>=?2*1000 AND time_ms>=?2 AND(?5=0 OR errcode=?6) ORDER BY id DESC LIMIT ?3)"

static const char of_all[] = LAST("+platform IN(?1,'')");
static const char of_account[] = "SELECT * FROM(" LAST_OF_ACCOUNT("?1") " UNION ALL " LAST_OF_ACCOUNT(
    "'' AND ?1<>''") " ORDER BY id DESC LIMIT ?3) ORDER BY id";

wxtp_status sq_audit_list(wxtp_tx *tx, const wxtp_audit_filter *filter,
                          bool (*each)(void *, const wxtp_audit_row *), void *user)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, filter->appid != NULL ? of_account : of_all);
    sq_text(&q, filter->platform);
    sq_int(&q, filter->since_ms);
    sq_int(&q, filter->limit < INT64_MAX ? (int64_t)filter->limit : INT64_MAX);
    sq_text(&q, filter->appid);
    sq_int(&q, filter->by_errcode);
    sq_int(&q, filter->errcode);
    return each_audit(&q, each, user);
}

wxtp_status sq_audit_after(wxtp_tx *tx, const char *platform, int64_t after_id, size_t limit,
                           bool (*each)(void *, const wxtp_audit_row *), void *user)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT " AUDIT " FROM audit WHERE id>? AND +platform IN(?,'') ORDER BY id LIMIT ?");
    sq_int(&q, after_id);
    sq_text(&q, platform);
    sq_int(&q, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
    return each_audit(&q, each, user);
}

static wxtp_status one_audit(sq_query *q, wxtp_audit_row *row)
{
    wxtp_status status = sq_one(q);
    if (status != WXTP_OK)
        return status;
    *row = read_audit(q);
    return sq_end(q);
}

wxtp_status sq_audit_by_rid(wxtp_tx *tx, const char *platform, const char *rid, wxtp_audit_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx,
            "SELECT " AUDIT
            " FROM audit INDEXED BY audit_by_rid WHERE rid=? AND rid<>'' AND platform IN(?,'') "
            "ORDER BY id DESC LIMIT 1");
    sq_text(&q, rid);
    sq_text(&q, platform);
    return one_audit(&q, row);
}

wxtp_status sq_audit_maker(wxtp_tx *tx, const wxtp_maker_filter *filter, wxtp_audit_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx,
            "SELECT " AUDIT " FROM audit INDEXED BY audit_makers WHERE platform=?1 AND appid=?2 AND "
            "made_generation>0 AND id<?3 AND(?4=0 OR made_generation=?4) AND(?5=0 OR call=?6) "
            "ORDER BY id DESC LIMIT 1");
    sq_text(&q, filter->platform);
    sq_text(&q, filter->appid);
    sq_int(&q, filter->before_id);
    sq_int(&q, filter->generation);
    sq_int(&q, filter->call != NULL);
    sq_text(&q, filter->call);
    return one_audit(&q, row);
}

static wxtp_status prune_one(wxtp_tx *tx, const char *sql, int64_t before_ms, int64_t *deleted)
{
    sq_query q;
    sq_open(&q, tx, sql);
    sq_int(&q, before_ms);
    wxtp_status status = sq_run(&q);
    if (status == WXTP_OK)
        *deleted += sq_changes(tx);
    return status;
}

static wxtp_status prune_jobs(wxtp_tx *tx, int64_t before_ms, int64_t *deleted)
{
    for (;;) {
        sq_query q;
        sq_buffer id = {NULL, 0, 0};
        const sq_memory *memory = &tx->conn->store->memory;
        sq_open_slot(&q, tx,
                     "SELECT id FROM jobs INDEXED BY jobs_finished WHERE state IN(3,4,5) AND finished_ms<? "
                     "ORDER BY finished_ms LIMIT 1",
                     0, &id);
        sq_int(&q, before_ms);
        bool found = sq_next(&q);
        const char *name = found ? sq_get_text(&q) : NULL;
        wxtp_status status = sq_end(&q);
        if (status == WXTP_OK && found)
            status = sq_job_remove(tx, name);
        sq_buffer_free(memory, &id);
        if (status != WXTP_OK || !found)
            return status;
        ++*deleted;
    }
}

/* Leases of codes are named by them, so their rows go too; no later lease may reuse their fences. */
static wxtp_status prune_code_leases(wxtp_tx *tx, int64_t before_ms)
{
    int64_t unused = 0;
    wxtp_status status = prune_one(
        tx,
        "INSERT OR REPLACE INTO counters SELECT 'lease_floor',max(coalesce((SELECT value FROM counters "
        "WHERE name='lease_floor'),0),coalesce(max(fence),0)) FROM leases WHERE name>='code:' AND "
        "name<'code;' AND owner=0 AND taken_ms<?",
        before_ms, &unused);
    if (status == WXTP_OK)
        status = prune_one(
            tx, "DELETE FROM leases WHERE name>='code:' AND name<'code;' AND owner=0 AND taken_ms<?",
            before_ms, &unused);
    return status;
}

wxtp_status sq_prune(wxtp_tx *tx, const wxtp_prune *what, int64_t *deleted)
{
    *deleted = 0;
    wxtp_status status = sq_operation(tx, true);
    if (status == WXTP_OK && what->audit_before_ms != 0)
        status = prune_one(tx, "DELETE FROM audit WHERE id<?1*1000 AND time_ms<?1", what->audit_before_ms,
                           deleted);
    if (status == WXTP_OK && what->pushes_before_ms != 0)
        status = prune_one(tx, "DELETE FROM pushes WHERE received_ms<?", what->pushes_before_ms, deleted);
    if (status == WXTP_OK && what->codes_before_ms != 0) {
        status = prune_one(tx, "DELETE FROM codes WHERE received_ms<?1 AND (state IN(2,3) OR expires_ms<?1)",
                           what->codes_before_ms, deleted);
        if (status == WXTP_OK)
            status = prune_code_leases(tx, what->codes_before_ms);
    }
    if (status == WXTP_OK && what->finished_jobs_before_ms != 0)
        status = prune_jobs(tx, what->finished_jobs_before_ms, deleted);
    return status;
}
