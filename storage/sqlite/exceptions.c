/* Openids that came to nothing. */
#include "internal.h"
#include <string.h>

wxtp_status sq_exception_insert(wxtp_tx *tx, int64_t job, const char *openid, size_t len,
                                wxtp_verdict verdict, int64_t errcode, const char *errmsg)
{
    sq_query q;
    sq_open(&q, tx, "INSERT INTO exceptions(job,openid,verdict,errcode,errmsg) VALUES(?,?,?,?,?)");
    sq_int(&q, job);
    sq_text_len(&q, openid, len);
    sq_int(&q, verdict);
    sq_int(&q, errcode);
    sq_text(&q, errmsg);
    return sq_run(&q);
}

wxtp_status sq_exception_add(wxtp_tx *tx, const wxtp_exception_row *row)
{
    int64_t job;
    wxtp_status status = sq_operation(tx, true);
    if (status == WXTP_OK)
        status = sq_job_number(tx, row->job_id, &job);
    if (status != WXTP_OK)
        return status;
    size_t len = row->openid != NULL ? strlen(row->openid) : 0;
    return sq_exception_insert(tx, job, row->openid, len, row->verdict, row->errcode, row->errmsg);
}

#define PAGE_OF(verdict)                                                                                     \
    "SELECT * FROM(SELECT id,openid,verdict,errcode,errmsg FROM exceptions INDEXED BY exceptions_by_job "    \
    "WHERE "                                                                                                 \
    "job=?1 AND verdict=" verdict " AND ?2 IN(-1," verdict ") AND id>?3 ORDER BY id LIMIT ?4)"

wxtp_status sq_exception_list(wxtp_tx *tx, const char *job_id, int verdict, int64_t after_id, size_t limit,
                              bool (*each)(void *, const wxtp_exception_row *), void *user)
{
    int64_t job;
    wxtp_status status = sq_operation(tx, false);
    if (status == WXTP_OK)
        status = sq_job_number(tx, job_id, &job);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    bool more = true;
    sq_open(&q, tx, PAGE_OF("0") " UNION ALL " PAGE_OF("1") " ORDER BY id LIMIT ?4");
    sq_int(&q, job);
    sq_int(&q, verdict);
    sq_int(&q, after_id);
    sq_int(&q, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
    while (more && sq_next(&q)) {
        wxtp_exception_row row = {.job_id = job_id};
        row.id = sq_get_int(&q);
        row.openid = sq_get_text(&q);
        row.verdict = (wxtp_verdict)sq_get_int(&q);
        row.errcode = sq_get_int(&q);
        row.errmsg = sq_get_text(&q);
        more = each(user, &row);
    }
    return sq_end(&q);
}

typedef struct gather {
    wxtp_tx *tx;
    int64_t job, number;
    size_t len;
    int count;
    char openids[WXTP_BATCH_MAX * (SQ_OPENID_MAX + 1)];
} gather;

static wxtp_status flush(gather *g)
{
    if (g->count == 0)
        return WXTP_OK;
    wxtp_status status = sq_batch_insert(g->tx, g->job, g->number++, g->openids, g->len, g->count);
    g->len = 0;
    g->count = 0;
    return status;
}

static wxtp_status gather_one(gather *g, const char *openid)
{
    size_t len = strlen(openid);
    if (len > SQ_OPENID_MAX)
        return sq_answer(g->tx, WXTP_ERR_TOO_LARGE, "an openid is too long for a batch");
    if (g->count > 0)
        g->openids[g->len++] = '\n';
    memcpy(g->openids + g->len, openid, len);
    g->len += len;
    return ++g->count == WXTP_BATCH_MAX ? flush(g) : WXTP_OK;
}

/* The marks of the old batches stay: they tell what was answered then. */
wxtp_status sq_exception_retry(wxtp_tx *tx, const char *job_id, int64_t *count)
{
    gather g = {.tx = tx};
    *count = 0;
    wxtp_status status = sq_operation(tx, true);
    if (status == WXTP_OK)
        status = sq_job_number(tx, job_id, &g.job);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT coalesce(max(number),-1)+1 FROM batches WHERE job=?");
    sq_int(&q, g.job);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    g.number = sq_get_int(&q);
    status = sq_end(&q);
    if (status != WXTP_OK)
        return status;

    sq_query failed;
    sq_open(
        &failed, tx,
        "SELECT openid FROM exceptions INDEXED BY exceptions_by_job WHERE job=? AND verdict=1 ORDER BY id");
    sq_int(&failed, g.job);
    while (status == WXTP_OK && sq_next(&failed)) {
        status = gather_one(&g, sq_get_text(&failed));
        ++*count;
    }
    wxtp_status ended = sq_end(&failed);
    status = status != WXTP_OK ? status : ended;
    if (status == WXTP_OK)
        status = flush(&g);
    if (status != WXTP_OK)
        return status;
    sq_open(&q, tx, "DELETE FROM exceptions WHERE job=? AND verdict=1");
    sq_int(&q, g.job);
    return sq_run(&q);
}
