/* Transactions: the connection's turn, the write gate, then SQLite. */
#include "internal.h"

static const char rollback[] = "ROLLBACK";

/* Before memory is short: a transaction that cannot be rolled back would stay open. */
int sq_transaction_prepare(sq_conn *conn)
{
    sqlite3_stmt *stmt;
    return sq_statement_get(conn, rollback, 0, &stmt);
}

static int step_once(sq_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt;
    int rc = sq_statement_get(conn, sql, 0, &stmt);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* SQLite does not ask the busy handler each time that it is busy, so the wait goes on here. */
static int step_patiently(sq_conn *conn, const char *sql)
{
    int rc;
    do
        rc = step_once(conn, sql);
    while (sq_status(rc) == WXTP_ERR_STORE_BUSY && sq_wait_more(&conn->wait));
    return rc;
}

/* Nobody would find what is written to a file that has lost its name. */
static wxtp_status look_in_place(sq_conn *conn)
{
    const char *lost = sq_places_lost(conn->store);
    if (lost == NULL)
        return WXTP_OK;
    sq_say(conn->tx.message, SQ_MESSAGE, "%s was removed or replaced while it was open: open it again", lost);
    return WXTP_ERR_STORE;
}

static int begin_write(sq_conn *conn, bool sync)
{
    if (conn->full != sync) {
        int rc = sq_exec(conn->db, sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
        if (rc != SQLITE_OK)
            return rc;
        conn->full = sync;
    }
    return step_patiently(conn, "BEGIN IMMEDIATE");
}

wxtp_status sq_begin(wxtp_store *base, wxtp_tx_mode mode, wxtp_tx **tx)
{
    sq_store *store = (sq_store *)base;
    sq_conn *conn = mode == WXTP_TX_READ ? &store->reader : &store->writer;
    *tx = NULL;
    if (!sq_turn_take(&conn->turn, store->busy_ms)) {
        sq_trouble_keep(store, "another thread has kept the connection for too long");
        return WXTP_ERR_STORE_BUSY;
    }
    sq_wait_start(&conn->wait, &store->clock, store->busy_ms);
    int left = sqlite3_get_autocommit(conn->db) ? SQLITE_OK : step_once(conn, rollback);
    wxtp_status status = left == SQLITE_OK ? WXTP_OK : sq_fail(&conn->tx, left);
    if (status != WXTP_OK) {
        /* The last transaction could not be rolled back, and still cannot. */
    } else if (mode == WXTP_TX_READ) {
        int rc = step_patiently(conn, "BEGIN");
        if (rc != SQLITE_OK)
            status = sq_fail(&conn->tx, rc);
    } else {
        status = sq_gate_enter(store, &conn->wait);
        if (status != WXTP_OK) {
            sq_say(conn->tx.message, SQ_MESSAGE, "the write gate of the lock file stayed closed");
        } else {
            status = look_in_place(conn);
            int rc = status == WXTP_OK ? begin_write(conn, mode == WXTP_TX_SYNC) : SQLITE_OK;
            if (rc != SQLITE_OK)
                status = sq_fail(&conn->tx, rc);
            if (status != WXTP_OK)
                sq_gate_leave(store);
        }
    }
    if (status != WXTP_OK) {
        sq_trouble_keep(store, conn->tx.message);
        sq_turn_give(&conn->turn);
        return status;
    }
    conn->tx.mode = mode;
    conn->tx.failed = WXTP_OK;
    conn->tx.message[0] = '\0';
    *tx = &conn->tx;
    if (mode != WXTP_TX_READ)
        SQ_POINT("store.begun");
    return WXTP_OK;
}

static void end(wxtp_tx *tx, bool committed)
{
    sq_store *store = tx->conn->store;
    if (tx->mode == WXTP_TX_READ)
        return;
    sq_owner_settle(store, committed);
    sq_gate_leave(store);
}

static void undo(wxtp_tx *tx)
{
    tx->conn->job_id[0] = '\0';
    if (!sqlite3_get_autocommit(tx->conn->db)) /* some errors have rolled back already */
        (void)step_once(tx->conn, rollback);
}

wxtp_status sq_commit(wxtp_tx *tx)
{
    sq_conn *conn = tx->conn;
    sq_store *store = conn->store;
    wxtp_status status = tx->failed;
    conn->committed = false;
    if (status == WXTP_OK && tx->mode != WXTP_TX_READ)
        status = sq_owner_enter(tx);
    if (status == WXTP_OK && tx->mode == WXTP_TX_SYNC) {
        status = sq_wal_mend(store);
        if (status != WXTP_OK)
            sq_say(tx->message, SQ_MESSAGE, "the WAL, a sync of which failed, cannot be written anew");
    }
    if (status == WXTP_OK) {
        sq_wait_start(&conn->wait, &store->clock, store->busy_ms);
        if (tx->mode != WXTP_TX_READ)
            SQ_POINT("store.committing");
        int rc = step_patiently(conn, "COMMIT");
        if (rc != SQLITE_OK)
            status = sq_fail(tx, rc);
        if (tx->mode != WXTP_TX_READ)
            SQ_POINT("store.committed");
        if (rc == SQLITE_IOERR_FSYNC)
            atomic_store(&store->doubtful, true);
    }
    if (status != WXTP_OK) {
        undo(tx);
        sq_trouble_keep(store, tx->message);
    } else if (conn->committed) {
        atomic_store(&store->unsynced, tx->mode == WXTP_TX_WRITE);
        if (tx->mode == WXTP_TX_SYNC)
            atomic_store(&store->doubtful, false);
    }
    end(tx, status == WXTP_OK);
    if (status == WXTP_OK && conn->committed)
        sq_checkpoint_if_large(store);
    sq_turn_give(&conn->turn);
    return status;
}

void sq_rollback(wxtp_tx *tx)
{
    if (tx == NULL)
        return;
    undo(tx);
    end(tx, false);
    sq_turn_give(&tx->conn->turn);
}

static wxtp_status mark(wxtp_tx *tx, const char *sql)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    int rc = step_once(tx->conn, sql);
    return rc == SQLITE_OK ? WXTP_OK : sq_fail(tx, rc);
}

wxtp_status sq_savepoint(wxtp_tx *tx)
{
    return mark(tx, "SAVEPOINT part");
}

/* What failed since the mark is undone with it, unless SQLite has undone all of the transaction. */
wxtp_status sq_rollback_to(wxtp_tx *tx)
{
    if (sqlite3_get_autocommit(tx->conn->db))
        return tx->failed != WXTP_OK ? tx->failed : sq_fail(tx, SQLITE_ABORT);
    tx->failed = WXTP_OK;
    tx->conn->job_id[0] = '\0';
    wxtp_status status = mark(tx, "ROLLBACK TO part");
    return status == WXTP_OK ? mark(tx, "RELEASE part") : status;
}

wxtp_status sq_release_savepoint(wxtp_tx *tx)
{
    return mark(tx, "RELEASE part");
}
