/* Running one cached statement inside an operation of the contract. */
#include "internal.h"
#include <string.h>

wxtp_status sq_operation(wxtp_tx *tx, bool write)
{
    if (tx->failed != WXTP_OK)
        return tx->failed;
    tx->message[0] = '\0';
    tx->turn++;
    if (write && tx->mode == WXTP_TX_READ)
        return sq_answer(tx, WXTP_ERR_STATE, "a read transaction changes nothing");
    return WXTP_OK;
}

void sq_open_slot(sq_query *q, wxtp_tx *tx, const char *sql, int slot, sq_buffer *row)
{
    *q = (sq_query){.tx = tx, .row = row};
    q->rc = sq_statement_get(tx->conn, sql, slot, &q->stmt);
}

void sq_open(sq_query *q, wxtp_tx *tx, const char *sql)
{
    sq_open_slot(q, tx, sql, 0, &tx->rows[tx->turn % 2]);
}

void sq_int(sq_query *q, int64_t value)
{
    if (q->rc == SQLITE_OK)
        q->rc = sqlite3_bind_int64(q->stmt, ++q->bound, value);
}

/* Arguments outlive the operation's statement, so SQLite need not copy them. */
void sq_text_len(sq_query *q, const char *text, size_t len)
{
    if (q->rc == SQLITE_OK)
        q->rc = len > SQ_VALUE_MAX
                    ? SQLITE_TOOBIG
                    : sqlite3_bind_text(q->stmt, ++q->bound, len > 0 ? text : "", (int)len, SQLITE_STATIC);
}

void sq_text(sq_query *q, const char *text)
{
    sq_text_len(q, text, text != NULL ? strlen(text) : 0);
}

void sq_blob(sq_query *q, wxtp_blob blob)
{
    if (q->rc == SQLITE_OK)
        q->rc = blob.len > SQ_VALUE_MAX
                    ? SQLITE_TOOBIG
                    : sqlite3_bind_blob(q->stmt, ++q->bound, blob.len > 0 ? blob.data : "", (int)blob.len,
                                        SQLITE_STATIC);
}

/* Makes room for copies of the row's texts and blobs, which outlive the statement. */
static int load_row(sq_query *q)
{
    size_t size = 0;
    int columns = sqlite3_column_count(q->stmt);
    for (int i = 0; i < columns; i++) {
        int type = sqlite3_column_type(q->stmt, i);
        if (type == SQLITE_TEXT || type == SQLITE_BLOB)
            size += (size_t)sqlite3_column_bytes(q->stmt, i) + 1;
    }
    q->column = 0;
    return sq_buffer_reserve(&q->tx->conn->store->memory, q->row, size) == WXTP_OK ? SQLITE_ROW
                                                                                   : SQLITE_NOMEM;
}

bool sq_next(sq_query *q)
{
    if (q->rc != SQLITE_OK && q->rc != SQLITE_ROW)
        return false;
    q->rc = sqlite3_step(q->stmt);
    if (q->rc == SQLITE_BUSY) {
        sq_wait_start(&q->tx->conn->wait, &q->tx->conn->store->clock, q->tx->conn->store->busy_ms);
        while (q->rc == SQLITE_BUSY && sq_wait_more(&q->tx->conn->wait))
            q->rc = sqlite3_step(q->stmt);
    }
    if (q->rc == SQLITE_ROW)
        q->rc = load_row(q);
    return q->rc == SQLITE_ROW;
}

wxtp_status sq_end(sq_query *q)
{
    wxtp_status status = WXTP_OK;
    if (q->rc != SQLITE_OK && q->rc != SQLITE_ROW && q->rc != SQLITE_DONE)
        status = sq_fail(q->tx, q->rc);
    if (q->stmt != NULL) {
        sqlite3_reset(q->stmt);
        sqlite3_clear_bindings(q->stmt);
    }
    q->stmt = NULL;
    return status;
}

wxtp_status sq_run(sq_query *q)
{
    while (sq_next(q))
        ;
    return sq_end(q);
}

wxtp_status sq_one(sq_query *q)
{
    if (sq_next(q))
        return WXTP_OK;
    wxtp_status status = sq_end(q);
    return status != WXTP_OK ? status : WXTP_ERR_NOT_FOUND;
}

/* A damaged row may hold any number. Of these, some may be added up, or taken for seconds and told in
 * milliseconds. */
int64_t sq_get_int(sq_query *q)
{
    const int64_t number = sqlite3_column_int64(q->stmt, q->column++);
    return number > SQ_INT_MOST ? SQ_INT_MOST : number < -SQ_INT_MOST ? -SQ_INT_MOST : number;
}

wxtp_blob sq_get_blob(sq_query *q)
{
    const void *data = sqlite3_column_blob(q->stmt, q->column);
    size_t len = (size_t)sqlite3_column_bytes(q->stmt, q->column++);
    char *copy = q->row->data + q->row->used;
    if (data == NULL || len + 1 > q->row->size - q->row->used)
        return (wxtp_blob){"", 0};
    memcpy(copy, data, len);
    copy[len] = '\0';
    q->row->used += len + 1;
    return (wxtp_blob){copy, len};
}

const char *sq_get_text(sq_query *q)
{
    return sq_get_blob(q).data;
}

wxtp_status sq_one_int(wxtp_tx *tx, const char *sql, const char *text, int64_t *value)
{
    sq_query q;
    sq_open(&q, tx, sql);
    if (text != NULL)
        sq_text(&q, text);
    wxtp_status status = sq_one(&q);
    if (status != WXTP_OK)
        return status;
    *value = sq_get_int(&q);
    return sq_end(&q);
}

int64_t sq_changes(wxtp_tx *tx)
{
    return sqlite3_changes64(tx->conn->db);
}
