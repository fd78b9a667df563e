/* A temporary database that SQLite keeps on disk and deletes: what is in it needs no memory and no care. */
#include "internal.h"

int sq_scratch_open(sqlite3 **db, const char *schema)
{
    int rc = sqlite3_open_v2("", db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sq_exec(*db, "PRAGMA journal_mode=OFF;PRAGMA synchronous=OFF;PRAGMA temp_store=FILE;"
                          "PRAGMA mmap_size=0;PRAGMA cache_size=-4096;PRAGMA trusted_schema=OFF");
    if (rc == SQLITE_OK)
        rc = sq_exec(*db, schema);
    return rc == SQLITE_OK ? sq_exec(*db, "BEGIN") : rc;
}

wxtp_status sq_scratch_trouble(sq_store *store, sqlite3 *db, int rc)
{
    sq_trouble_keep(store, db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    wxtp_status status = sq_status(rc);
    return status == WXTP_OK ? WXTP_ERR_STORE : status;
}
