/* The schema's version, and bringing it up to date. */
#include "internal.h"
#include "schema.h"
#include <stdio.h>

wxtp_status sq_schema_look(sqlite3 *db, int64_t *version, bool *empty, char *message, size_t size)
{
    int64_t application = 0, tables = 0;
    int rc = sq_pragma_int(db, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = sq_pragma_int(db, "PRAGMA user_version", version);
    if (rc == SQLITE_OK)
        rc = sq_pragma_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc != SQLITE_OK) {
        sq_say(message, size, "cannot read the database: %s", sqlite3_errmsg(db));
        return sq_status(rc);
    }
    *empty = application == 0 && *version == 0 && tables == 0;
    if (*empty)
        return WXTP_OK;
    if (application != SQ_APPLICATION_ID || *version < 0) {
        sq_say(message, size, "the file is a database of another program");
        return WXTP_ERR_STORE;
    }
    if (*version > sq_migration_count) {
        sq_say(message, size, "the database has schema %lld, this version knows up to %d",
               (long long)*version, sq_migration_count);
        return WXTP_ERR_STORE_NEWER;
    }
    return WXTP_OK;
}

static int apply(sqlite3 *db, int64_t number)
{
    char done[96];
    snprintf(done, sizeof done, "PRAGMA application_id=%d;PRAGMA user_version=%lld;COMMIT", SQ_APPLICATION_ID,
             (long long)number);
    int rc = sq_exec(db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK)
        rc = sq_exec(db, sq_migrations[number - 1]);
    SQ_POINT("migrate.applied");
    if (rc == SQLITE_OK)
        rc = sq_exec(db, done);
    return rc;
}

wxtp_status sq_migrate(sqlite3 *db, int64_t version, char *message, size_t size)
{
    for (int64_t number = version + 1; number <= sq_migration_count; number++) {
        int rc = apply(db, number);
        if (rc == SQLITE_OK)
            continue;
        sq_say(message, size, "migration %lld: %s", (long long)number, sqlite3_errmsg(db));
        if (!sqlite3_get_autocommit(db))
            (void)sq_exec(db, "ROLLBACK");
        return sq_status(rc);
    }
    return WXTP_OK;
}
