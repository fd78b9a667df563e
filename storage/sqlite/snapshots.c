/* What was on a list before a job ran. */
#include "internal.h"

wxtp_status sq_snapshot_get(wxtp_tx *tx, const char *job_id, wxtp_snapshot_row *row)
{
    sq_query q;
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_open(&q, tx,
            "SELECT taken_ms,batches,listed,total,undo_id FROM snapshots WHERE job=(SELECT n FROM jobs WHERE "
            "id=?)");
    sq_text(&q, job_id);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    *row = (wxtp_snapshot_row){.job_id = job_id, .taken_ms = sq_get_int(&q)};
    row->batches = sq_get_int(&q);
    row->listed = sq_get_int(&q);
    row->total = sq_get_int(&q);
    row->undo_id = sq_get_text(&q);
    return sq_end(&q);
}

wxtp_status sq_snapshot_put(wxtp_tx *tx, const wxtp_snapshot_row *row)
{
    int64_t job;
    sq_query q;
    wxtp_status status = sq_operation(tx, true);
    if (status == WXTP_OK)
        status = sq_job_number(tx, row->job_id, &job);
    if (status != WXTP_OK)
        return status;
    sq_open(&q, tx, "INSERT OR REPLACE INTO snapshots VALUES(?,?,?,?,?,?)");
    sq_int(&q, job);
    sq_int(&q, row->taken_ms);
    sq_int(&q, row->batches);
    sq_int(&q, row->listed);
    sq_int(&q, row->total);
    sq_text(&q, row->undo_id);
    return sq_run(&q);
}

wxtp_status sq_snapshot_part_get(wxtp_tx *tx, const char *job_id, int64_t part, wxtp_blob *marks)
{
    sq_query q;
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_open(&q, tx, "SELECT marks FROM snapshot_parts WHERE job=(SELECT n FROM jobs WHERE id=?) AND part=?");
    sq_text(&q, job_id);
    sq_int(&q, part);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    *marks = sq_get_blob(&q);
    return sq_end(&q);
}

wxtp_status sq_snapshot_part_put(wxtp_tx *tx, const char *job_id, int64_t part, wxtp_blob marks)
{
    int64_t job;
    sq_query q;
    wxtp_status status = sq_operation(tx, true);
    if (status == WXTP_OK)
        status = sq_job_number(tx, job_id, &job);
    if (status != WXTP_OK)
        return status;
    sq_open(&q, tx, "INSERT OR REPLACE INTO snapshot_parts VALUES(?,?,?)");
    sq_int(&q, job);
    sq_int(&q, part);
    sq_blob(&q, marks);
    return sq_run(&q);
}
