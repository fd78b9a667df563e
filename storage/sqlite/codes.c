/* Authorization codes. */
#include "internal.h"

#define COLUMNS "platform,digest,appid,code,state,create_time_s,received_ms,expires_ms,source"

static wxtp_code_row read_code(sq_query *q)
{
    wxtp_code_row row = {.platform = sq_get_text(q)};
    row.digest = sq_get_blob(q);
    row.appid = sq_get_text(q);
    row.code = sq_get_blob(q);
    row.state = (wxtp_code_state)sq_get_int(q);
    row.create_time_s = sq_get_int(q);
    row.received_ms = sq_get_int(q);
    row.expires_ms = sq_get_int(q);
    row.source = sq_get_text(q);
    return row;
}

wxtp_status sq_code_get(wxtp_tx *tx, const char *platform, wxtp_blob digest, wxtp_code_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT " COLUMNS " FROM codes WHERE platform=? AND digest=?");
    sq_text(&q, platform);
    sq_blob(&q, digest);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    *row = read_code(&q);
    return sq_end(&q);
}

wxtp_status sq_code_put(wxtp_tx *tx, const wxtp_code_row *row)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "INSERT OR REPLACE INTO codes(" COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?)");
    sq_text(&q, row->platform);
    sq_blob(&q, row->digest);
    sq_text(&q, row->appid);
    sq_blob(&q, row->code);
    sq_int(&q, row->state);
    sq_int(&q, row->create_time_s);
    sq_int(&q, row->received_ms);
    sq_int(&q, row->expires_ms);
    sq_text(&q, row->source);
    return sq_run(&q);
}

wxtp_status sq_code_open(wxtp_tx *tx, const char *platform, const char *appid,
                         bool (*each)(void *, const wxtp_code_row *), void *user)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    bool more = true;
    sq_open(&q, tx,
            "SELECT " COLUMNS " FROM codes INDEXED BY codes_open WHERE platform=?1 AND state IN(0,1) AND "
            "(?2=0 OR appid=?3) ORDER BY received_ms,digest");
    sq_text(&q, platform);
    sq_int(&q, appid != NULL);
    sq_text(&q, appid);
    while (more && sq_next(&q)) {
        wxtp_code_row row = read_code(&q);
        more = each(user, &row);
    }
    return sq_end(&q);
}
