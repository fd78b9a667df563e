/* Tokens and what goes with a key: spare refresh tokens and intents. */
#include "internal.h"

wxtp_status sq_token_get(wxtp_tx *tx, const wxtp_token_key *key, wxtp_token_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT * FROM tokens WHERE platform=? AND appid=?");
    sq_text(&q, key->platform);
    sq_text(&q, key->appid);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    row->key.platform = sq_get_text(&q);
    row->key.appid = sq_get_text(&q);
    row->generation = sq_get_int(&q);
    row->access = sq_get_blob(&q);
    row->refresh = sq_get_blob(&q);
    row->issued_ms = sq_get_int(&q);
    row->expires_ms = sq_get_int(&q);
    row->due_ms = sq_get_int(&q);
    row->refused_generation = sq_get_int(&q);
    row->early_refusals = sq_get_text(&q);
    row->forced_day = sq_get_int(&q);
    row->forced_count = sq_get_int(&q);
    row->forced_ms = sq_get_int(&q);
    return sq_end(&q);
}

static wxtp_status generation_of(wxtp_tx *tx, const wxtp_token_key *key, int64_t *generation)
{
    sq_query q;
    *generation = 0;
    sq_open(&q, tx, "SELECT generation FROM tokens WHERE platform=? AND appid=?");
    sq_text(&q, key->platform);
    sq_text(&q, key->appid);
    if (sq_next(&q))
        *generation = sq_get_int(&q);
    return sq_end(&q);
}

wxtp_status sq_token_put_if(wxtp_tx *tx, const wxtp_token_row *row, int64_t expected_generation,
                            const wxtp_lease *lease)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    if (row->generation < 1)
        return sq_answer(tx, WXTP_ERR_INVALID, "a token's generation counts from 1");
    if (lease != NULL) {
        int64_t fence;
        status = sq_lease_fence(tx, lease->name, &fence);
        if (status != WXTP_OK)
            return status;
        if (fence < 1 || fence != lease->fence)
            return sq_answer(tx, WXTP_ERR_CONFLICT, "the lease was taken anew since");
    }
    int64_t generation;
    status = generation_of(tx, &row->key, &generation);
    if (status != WXTP_OK)
        return status;
    if (generation != expected_generation)
        return sq_answer(tx, WXTP_ERR_CONFLICT, "the stored token is of another generation");
    sq_query q;
    sq_open(&q, tx, "INSERT OR REPLACE INTO tokens VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)");
    sq_text(&q, row->key.platform);
    sq_text(&q, row->key.appid);
    sq_int(&q, row->generation);
    sq_blob(&q, row->access);
    sq_blob(&q, row->refresh);
    sq_int(&q, row->issued_ms);
    sq_int(&q, row->expires_ms);
    sq_int(&q, row->due_ms);
    sq_int(&q, row->refused_generation);
    sq_text(&q, row->early_refusals);
    sq_int(&q, row->forced_day);
    sq_int(&q, row->forced_count);
    sq_int(&q, row->forced_ms);
    return sq_run(&q);
}

static wxtp_status delete_key(wxtp_tx *tx, const char *sql, const wxtp_token_key *key)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, sql);
    sq_text(&q, key->platform);
    sq_text(&q, key->appid);
    status = sq_run(&q);
    return status == WXTP_OK && sq_changes(tx) == 0 ? WXTP_ERR_NOT_FOUND : status;
}

wxtp_status sq_token_delete(wxtp_tx *tx, const wxtp_token_key *key)
{
    return delete_key(tx, "DELETE FROM tokens WHERE platform=? AND appid=?", key);
}

wxtp_status sq_token_due(wxtp_tx *tx, const char *platform, int64_t now_ms, size_t limit,
                         bool (*each)(void *, const wxtp_token_row *), void *user)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    bool more = true;
    sq_open(&q, tx,
            "SELECT * FROM(SELECT platform,appid,due_ms,generation FROM tokens INDEXED BY tokens_by_due "
            "WHERE platform=?1 AND due_ms<=?2 ORDER BY due_ms,appid LIMIT ?3) UNION ALL "
            "SELECT * FROM(SELECT platform,appid,due_ms,generation FROM tokens INDEXED BY tokens_by_due "
            "WHERE platform='' AND ?1<>'' AND due_ms<=?2 ORDER BY due_ms,appid LIMIT ?3) "
            "ORDER BY due_ms,appid,platform LIMIT ?3");
    sq_text(&q, platform);
    sq_int(&q, now_ms);
    sq_int(&q, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
    while (more && sq_next(&q)) {
        wxtp_token_row row = {.key.platform = sq_get_text(&q), .early_refusals = ""};
        row.key.appid = sq_get_text(&q);
        row.due_ms = sq_get_int(&q);
        row.generation = sq_get_int(&q);
        more = each(user, &row);
    }
    return sq_end(&q);
}

wxtp_status sq_spare_add(wxtp_tx *tx, const wxtp_spare_row *row)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "INSERT INTO spares(platform,appid,refresh,added_ms) VALUES(?,?,?,?)");
    sq_text(&q, row->key.platform);
    sq_text(&q, row->key.appid);
    sq_blob(&q, row->refresh);
    sq_int(&q, row->added_ms);
    return sq_run(&q);
}

wxtp_status sq_spare_list(wxtp_tx *tx, const wxtp_token_key *key,
                          bool (*each)(void *, const wxtp_spare_row *), void *user)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    bool more = true;
    sq_open(&q, tx,
            "SELECT platform,appid,id,refresh,added_ms FROM spares WHERE platform=? AND appid=? ORDER BY id "
            "DESC");
    sq_text(&q, key->platform);
    sq_text(&q, key->appid);
    while (more && sq_next(&q)) {
        wxtp_spare_row row = {.key.platform = sq_get_text(&q)};
        row.key.appid = sq_get_text(&q);
        row.id = sq_get_int(&q);
        row.refresh = sq_get_blob(&q);
        row.added_ms = sq_get_int(&q);
        more = each(user, &row);
    }
    return sq_end(&q);
}

wxtp_status sq_spare_delete(wxtp_tx *tx, const wxtp_token_key *key, int64_t id)
{
    if (id == 0) {
        wxtp_status all = delete_key(tx, "DELETE FROM spares WHERE platform=? AND appid=?", key);
        return all == WXTP_ERR_NOT_FOUND ? WXTP_OK : all;
    }
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "DELETE FROM spares WHERE platform=? AND appid=? AND id=?");
    sq_text(&q, key->platform);
    sq_text(&q, key->appid);
    sq_int(&q, id);
    status = sq_run(&q);
    return status == WXTP_OK && sq_changes(tx) == 0 ? WXTP_ERR_NOT_FOUND : status;
}

wxtp_status sq_intent_get(wxtp_tx *tx, const wxtp_token_key *key, wxtp_intent_row *row)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "SELECT * FROM intents WHERE platform=? AND appid=?");
    sq_text(&q, key->platform);
    sq_text(&q, key->appid);
    status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    row->key.platform = sq_get_text(&q);
    row->key.appid = sq_get_text(&q);
    row->generation = sq_get_int(&q);
    row->fence = sq_get_int(&q);
    row->started_ms = sq_get_int(&q);
    row->attempts = sq_get_int(&q);
    return sq_end(&q);
}

wxtp_status sq_intent_put(wxtp_tx *tx, const wxtp_intent_row *row)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "INSERT OR REPLACE INTO intents VALUES(?,?,?,?,?,?)");
    sq_text(&q, row->key.platform);
    sq_text(&q, row->key.appid);
    sq_int(&q, row->generation);
    sq_int(&q, row->fence);
    sq_int(&q, row->started_ms);
    sq_int(&q, row->attempts);
    return sq_run(&q);
}

wxtp_status sq_intent_delete(wxtp_tx *tx, const wxtp_token_key *key)
{
    return delete_key(tx, "DELETE FROM intents WHERE platform=? AND appid=?", key);
}
