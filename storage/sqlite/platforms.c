/* The library's own values, platforms and their tickets. */
#include "internal.h"

wxtp_status sq_meta_get(wxtp_tx *tx, const char *name, wxtp_blob *value)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT value FROM meta WHERE name=?");
    sq_text(&q, name);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    *value = sq_get_blob(&q);
    return sq_end(&q);
}

wxtp_status sq_meta_put(wxtp_tx *tx, const char *name, wxtp_blob value)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "INSERT OR REPLACE INTO meta(name,value) VALUES(?,?)");
    sq_text(&q, name);
    sq_blob(&q, value);
    return sq_run(&q);
}

static wxtp_platform_row read_platform(sq_query *q)
{
    wxtp_platform_row row = {.component_appid = sq_get_text(q)};
    row.appsecret = sq_get_blob(q);
    row.push_token = sq_get_blob(q);
    row.aes_key = sq_get_blob(q);
    row.previous_push_token = sq_get_blob(q);
    row.previous_aes_key = sq_get_blob(q);
    row.updated_ms = sq_get_int(q);
    return row;
}

wxtp_status sq_platform_get(wxtp_tx *tx, const char *component_appid, wxtp_platform_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT * FROM platforms WHERE component_appid=?");
    sq_text(&q, component_appid);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    *row = read_platform(&q);
    return sq_end(&q);
}

wxtp_status sq_platform_put(wxtp_tx *tx, const wxtp_platform_row *row)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "INSERT OR REPLACE INTO platforms VALUES(?,?,?,?,?,?,?)");
    sq_text(&q, row->component_appid);
    sq_blob(&q, row->appsecret);
    sq_blob(&q, row->push_token);
    sq_blob(&q, row->aes_key);
    sq_blob(&q, row->previous_push_token);
    sq_blob(&q, row->previous_aes_key);
    sq_int(&q, row->updated_ms);
    return sq_run(&q);
}

wxtp_status sq_platform_list(wxtp_tx *tx, bool (*each)(void *, const wxtp_platform_row *), void *user)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    bool more = true;
    sq_open(&q, tx, "SELECT * FROM platforms ORDER BY component_appid");
    while (more && sq_next(&q)) {
        wxtp_platform_row row = read_platform(&q);
        more = each(user, &row);
    }
    return sq_end(&q);
}

wxtp_status sq_ticket_get(wxtp_tx *tx, const char *component_appid, wxtp_ticket_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT * FROM tickets WHERE component_appid=?");
    sq_text(&q, component_appid);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    row->component_appid = sq_get_text(&q);
    row->ticket = sq_get_blob(&q);
    row->create_time_s = sq_get_int(&q);
    row->received_ms = sq_get_int(&q);
    return sq_end(&q);
}

wxtp_status sq_ticket_put(wxtp_tx *tx, const wxtp_ticket_row *row)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "INSERT OR REPLACE INTO tickets VALUES(?,?,?,?)");
    sq_text(&q, row->component_appid);
    sq_blob(&q, row->ticket);
    sq_int(&q, row->create_time_s);
    sq_int(&q, row->received_ms);
    return sq_run(&q);
}
