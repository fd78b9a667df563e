/* The batches of a job. */
#include "internal.h"
#include <string.h>

#define COLUMNS "number,openids,marks,finished"

static void read_batch(sq_query *q, const char *job_id, wxtp_batch_row *row)
{
    row->job_id = job_id;
    row->number = sq_get_int(q);
    row->openids = sq_get_text(q);
    row->marks = sq_get_text(q);
    row->finished = sq_get_int(q) != 0;
}

wxtp_status sq_batch_list(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                          bool (*each)(void *, const wxtp_batch_row *), void *user)
{
    int64_t job;
    bool more = true;
    wxtp_status status = sq_operation(tx, false);
    if (status == WXTP_OK)
        status = sq_job_number(tx, job_id, &job);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx,
            "SELECT " COLUMNS " FROM marked_batches WHERE job=? AND number>=? AND finished=0 ORDER BY number "
            "LIMIT ?");
    sq_int(&q, job);
    sq_int(&q, from);
    sq_int(&q, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
    while (more && sq_next(&q)) {
        wxtp_batch_row row;
        read_batch(&q, job_id, &row);
        more = each(user, &row);
    }
    return sq_end(&q);
}

wxtp_status sq_batch_get(wxtp_tx *tx, const char *job_id, int64_t number, wxtp_batch_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx,
            "SELECT " COLUMNS " FROM marked_batches WHERE job=(SELECT n FROM jobs WHERE id=?) AND number=?");
    sq_text(&q, job_id);
    sq_int(&q, number);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    read_batch(&q, job_id, row);
    return sq_end(&q);
}

static size_t count_openids(const char *openids)
{
    if (openids == NULL || openids[0] == '\0')
        return 0;
    size_t count = 1;
    for (const char *at = openids; (at = strchr(at, '\n')) != NULL; at++)
        count++;
    return count;
}

static wxtp_status mark(wxtp_tx *tx, int64_t job, int64_t number, const char *marks, bool finished)
{
    sq_query q;
    sq_open(&q, tx,
            "INSERT INTO marks VALUES(?,?,?,?) ON CONFLICT(job,number) DO UPDATE SET marks=excluded.marks,"
            "finished=excluded.finished");
    sq_int(&q, job);
    sq_int(&q, number);
    sq_text(&q, marks);
    sq_int(&q, finished);
    return sq_run(&q);
}

static wxtp_status put(wxtp_tx *tx, int64_t job, int64_t number, const char *openids, size_t len,
                       size_t count)
{
    sq_query q;
    sq_open(&q, tx,
            "INSERT INTO batches VALUES(?,?,?,?) ON CONFLICT(job,number) DO UPDATE SET "
            "openids=excluded.openids,count=excluded.count");
    sq_int(&q, job);
    sq_int(&q, number);
    sq_text_len(&q, openids, len);
    sq_int(&q, (int64_t)count);
    return sq_run(&q);
}

wxtp_status sq_batch_put(wxtp_tx *tx, const wxtp_batch_row *row)
{
    int64_t job;
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    size_t count = count_openids(row->openids);
    if (count > WXTP_BATCH_MAX || count != (row->marks != NULL ? strlen(row->marks) : 0))
        return sq_answer(tx, WXTP_ERR_INVALID, "a batch has at most 20 openids and a mark for each");
    status = sq_job_number(tx, row->job_id, &job);
    if (status == WXTP_OK)
        status =
            put(tx, job, row->number, row->openids, row->openids != NULL ? strlen(row->openids) : 0, count);
    return status == WXTP_OK ? mark(tx, job, row->number, row->marks, row->finished) : status;
}

wxtp_status sq_batch_mark(wxtp_tx *tx, const char *job_id, int64_t number, const char *marks, bool finished)
{
    int64_t job;
    wxtp_status status = sq_operation(tx, true);
    if (status == WXTP_OK)
        status = sq_job_number(tx, job_id, &job);
    return status == WXTP_OK ? mark(tx, job, number, marks, finished) : status;
}

wxtp_status sq_batch_insert(wxtp_tx *tx, int64_t job, int64_t number, const char *openids, size_t len,
                            int count)
{
    return put(tx, job, number, openids, len, (size_t)count);
}
