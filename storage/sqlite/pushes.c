/* Pushes: seen before, and what became of them. */
#include "internal.h"

#define COLUMNS "platform,digest,event,appid,create_time_s,received_ms,applied,why"

wxtp_status sq_push_remember(wxtp_tx *tx, const char *platform, wxtp_blob digest, int64_t received_ms)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "INSERT OR IGNORE INTO pushes(platform,digest,received_ms) VALUES(?,?,?)");
    sq_text(&q, platform);
    sq_blob(&q, digest);
    sq_int(&q, received_ms);
    status = sq_run(&q);
    return status == WXTP_OK && sq_changes(tx) == 0 ? WXTP_ERR_EXISTS : status;
}

wxtp_status sq_push_note(wxtp_tx *tx, const wxtp_push_row *row)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(
        &q, tx,
        "UPDATE pushes SET event=?,appid=?,create_time_s=?,applied=?,why=? WHERE platform=? AND digest=?");
    sq_text(&q, row->event);
    sq_text(&q, row->appid);
    sq_int(&q, row->create_time_s);
    sq_int(&q, row->applied);
    sq_text(&q, row->why);
    sq_text(&q, row->platform);
    sq_blob(&q, row->digest);
    status = sq_run(&q);
    return status == WXTP_OK && sq_changes(tx) == 0 ? WXTP_ERR_NOT_FOUND : status;
}

static wxtp_push_row read_push(sq_query *q)
{
    wxtp_push_row row = {.platform = sq_get_text(q)};
    row.digest = sq_get_blob(q);
    row.event = sq_get_text(q);
    row.appid = sq_get_text(q);
    row.create_time_s = sq_get_int(q);
    row.received_ms = sq_get_int(q);
    row.applied = sq_get_int(q) > 0;
    row.why = sq_get_text(q);
    return row;
}

wxtp_status sq_push_get(wxtp_tx *tx, const char *platform, wxtp_blob digest, wxtp_push_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT " COLUMNS " FROM pushes WHERE platform=? AND digest=? AND applied>=0");
    sq_text(&q, platform);
    sq_blob(&q, digest);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    *row = read_push(&q);
    return sq_end(&q);
}

#define LAST(index, of)                                                                                      \
    "SELECT * FROM(SELECT " COLUMNS " FROM pushes INDEXED BY " index " WHERE " of                            \
    " received_ms>=?2 AND applied>=0 ORDER BY received_ms DESC,digest DESC LIMIT ?3) "                       \
    "ORDER BY received_ms,digest"

wxtp_status sq_push_list(wxtp_tx *tx, const wxtp_push_filter *filter,
                         bool (*each)(void *, const wxtp_push_row *), void *user)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    static const char of_all[] = LAST("pushes_by_age", "platform=?1 AND");
    static const char of_account[] = LAST("pushes_by_account", "platform=?1 AND appid=?4 AND appid<>'' AND");
    sq_query q;
    bool more = true;
    sq_open(&q, tx, filter->appid != NULL ? of_account : of_all);
    sq_text(&q, filter->platform);
    sq_int(&q, filter->since_ms);
    sq_int(&q, filter->limit < INT64_MAX ? (int64_t)filter->limit : INT64_MAX);
    if (filter->appid != NULL)
        sq_text(&q, filter->appid);
    while (more && sq_next(&q)) {
        wxtp_push_row row = read_push(&q);
        more = each(user, &row);
    }
    return sq_end(&q);
}
