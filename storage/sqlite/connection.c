/* One connection: its settings and its cache of prepared statements. */
#include "internal.h"
#include <string.h>

/* The cache is never full: the statements of this backend are fewer than its slots. */
#define PRAGMAS                                                                                              \
    "PRAGMA foreign_keys=ON;PRAGMA trusted_schema=OFF;PRAGMA mmap_size=0;PRAGMA cell_size_check=ON;"         \
    "PRAGMA temp_store=FILE;PRAGMA secure_delete=ON;PRAGMA wal_autocheckpoint=0;"                            \
    "PRAGMA journal_size_limit=8388608;PRAGMA cache_size=-4096;PRAGMA synchronous=FULL"

static int busy(void *user, int count)
{
    (void)count;
    return sq_wait_more(user);
}

int sq_exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int sq_pragma_int(sqlite3 *db, const char *sql, int64_t *value)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            *value = sqlite3_column_int64(stmt, 0);
            rc = SQLITE_OK;
        } else if (rc == SQLITE_DONE) {
            rc = SQLITE_ERROR;
        }
    }
    int end = sqlite3_finalize(stmt);
    return rc != SQLITE_OK ? rc : end;
}

int sq_conn_configure(sq_conn *conn, bool read_only)
{
    int rc = sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sq_exec(conn->db, PRAGMAS);
    if (rc == SQLITE_OK && read_only)
        rc = sq_exec(conn->db, "PRAGMA query_only=ON");
    if (rc == SQLITE_OK) {
        sqlite3_wal_hook(conn->db, sq_wal_hook, conn);
        conn->full = true;
    }
    return rc;
}

int sq_conn_open(sq_store *store, sq_conn *conn, const char *path, bool read_only)
{
    conn->store = store;
    conn->tx.conn = conn;
    sq_wait_start(&conn->wait, &store->clock, store->busy_ms);
    int rc = sqlite3_open_v2(path, &conn->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_limit(conn->db, SQLITE_LIMIT_LENGTH, (int)SQ_VALUE_MAX);
    rc = sqlite3_busy_handler(conn->db, busy, &conn->wait);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return rc == SQLITE_OK && read_only ? sq_conn_configure(conn, true) : rc;
}

void sq_conn_close(sq_conn *conn)
{
    for (size_t i = 0; i < SQ_STATEMENTS; i++)
        sqlite3_finalize(conn->statements[i].stmt);
    memset(conn->statements, 0, sizeof conn->statements);
    sqlite3_close_v2(conn->db);
    conn->db = NULL;
    sq_conn_forget(conn);
}

void sq_conn_forget(sq_conn *conn)
{
    for (size_t i = 0; i < 2; i++)
        sq_buffer_free(&conn->store->memory, &conn->tx.rows[i]);
}

int sq_statement_get(sq_conn *conn, const char *sql, int slot, sqlite3_stmt **stmt)
{
    size_t at = ((uintptr_t)sql / 8 * 31 + (size_t)slot) % SQ_STATEMENTS;
    for (size_t tries = 0; tries < SQ_STATEMENTS; tries++, at = (at + 1) % SQ_STATEMENTS) {
        sq_statement *entry = &conn->statements[at];
        if (entry->sql == sql && entry->slot == slot) {
            *stmt = entry->stmt;
            return SQLITE_OK;
        }
        if (entry->sql == NULL) {
            int rc = sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &entry->stmt, NULL);
            if (rc != SQLITE_OK)
                return rc;
            entry->sql = sql;
            entry->slot = slot;
            *stmt = entry->stmt;
            return SQLITE_OK;
        }
    }
    return SQLITE_FULL;
}
