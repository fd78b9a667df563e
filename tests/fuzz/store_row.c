/* Rows as they are found on disk, a change a line, before the platform is opened:
 *   TABLE.COLUMN i NUMBER   TABLE.COLUMN t TEXT   TABLE.COLUMN b HEX   TABLE.COLUMN x OFFSET BYTE
 * TABLE.COLUMN n `x` changes one byte of what stands there, `n` makes it NULL. Nothing crashes; a sealed
 * value that was changed never opens; what cannot be is never given out. */
#include "stage.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_ROOM = 48, BLOB_ROOM = 4096 };

static bool name_ok(const char *name)
{
    return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name);
}

static size_t from_hex(const char *text, unsigned char bytes[BLOB_ROOM])
{
    size_t len = 0;
    unsigned int byte = 0;
    while (len < BLOB_ROOM && sscanf(text, "%2x", &byte) == 1) {
        bytes[len++] = (unsigned char)byte;
        text += strnlen(text, 2);
    }
    return len;
}

/* One byte of what stands there. */
static void flip(sqlite3 *db, const char *table, const char *column, const char *value)
{
    char *end = NULL;
    const unsigned long offset = strtoul(value, &end, 10) % 4096;
    const unsigned long byte = strtoul(end, NULL, 10) & 255;
    char *sql =
        sqlite3_mprintf("UPDATE OR IGNORE %s SET %s = CAST(substr(CAST(%s AS BLOB), 1, %lu) || x'%02lx' || "
                        "substr(CAST(%s AS BLOB), %lu) AS BLOB) WHERE length(%s) > %lu",
                        table, column, column, offset, byte, column, offset + 2, column, offset);
    (void)sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
}

static void set(sqlite3 *db, const char *table, const char *column, char type, const char *value)
{
    unsigned char bytes[BLOB_ROOM];
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("UPDATE OR IGNORE %s SET %s = ?", table, column);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
        if (type == 'i') {
            (void)sqlite3_bind_int64(statement, 1, strtoll(value, NULL, 10));
        } else if (type == 't') {
            (void)sqlite3_bind_text(statement, 1, value, -1, SQLITE_TRANSIENT);
        } else if (type == 'b') {
            (void)sqlite3_bind_blob(statement, 1, bytes, (int)from_hex(value, bytes), SQLITE_TRANSIENT);
        }
        (void)sqlite3_step(statement);
    }
    (void)sqlite3_finalize(statement);
    sqlite3_free(sql);
}

static void change(sqlite3 *db, const char *line)
{
    char table[NAME_ROOM];
    char column[NAME_ROOM];
    char type = '\0';
    int used = 0;
    if (sscanf(line, "%47[a-z_].%47[a-z_] %c%n", table, column, &type, &used) < 3 || !name_ok(table) ||
        !name_ok(column)) {
        return;
    }
    const char *value = line + used + (line[used] == ' ');
    if (type == 'x') {
        flip(db, table, column, value);
    } else if (strchr("itbn", type)) {
        set(db, table, column, type, value);
    }
}

static void damage(world *w, fuzz_bytes rest)
{
    sqlite3 *db = NULL;
    fuzz_require(sqlite3_open_v2(w->database, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    /* A disk knows no constraints. */
    (void)sqlite3_exec(
        db,
        "PRAGMA wal_autocheckpoint=0; PRAGMA ignore_check_constraints=1; PRAGMA foreign_keys=0; "
        "PRAGMA synchronous=0",
        NULL, NULL, NULL);
    while (rest.size > 0) {
        const fuzz_bytes line = fuzz_take_line(&rest);
        char *text = fuzz_text(line.data, line.size);
        change(db, text);
        free(text);
    }
    (void)sqlite3_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world *w = stage_reset();
    damage(w, (fuzz_bytes){data, size});
    if (stage_open(w)) {
        stage_use(w);
        stage_close(w);
    }
    return 0;
}
