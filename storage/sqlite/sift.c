/*
 * Which of many keys are among many others, both of any number. They go to a temporary database; SQLite's
 * sorter, which merges runs on disk, brings equal ones together and restores the order of the places.
 */
#include "internal.h"

typedef struct sift {
    sq_store *store;
    sqlite3 *db;
    sqlite3_stmt *add;
} sift;

wxtp_status sq_sift_begin(wxtp_store *base, void **out)
{
    sq_store *store = (sq_store *)base;
    *out = NULL;
    sift *s = sq_allocate(&store->memory, sizeof *s);
    if (s == NULL)
        return WXTP_ERR_NOMEM;
    s->store = store;
    int rc = sq_scratch_open(&s->db, "CREATE TABLE keys(key BLOB,place INTEGER)");
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(s->db, "INSERT INTO keys VALUES(?,?)", -1, &s->add, NULL);
    if (rc == SQLITE_OK) {
        *out = s;
        return WXTP_OK;
    }
    wxtp_status status = sq_scratch_trouble(store, s->db, rc);
    sq_sift_free(s);
    return status;
}

wxtp_status sq_sift_add(void *sift_, const void *key, size_t len, int64_t place)
{
    sift *s = sift_;
    if (len == 0 || len > SQ_SIFT_KEY_MAX) {
        sq_trouble_keep(s->store, "a key is empty or too long");
        return WXTP_ERR_INVALID;
    }
    int rc = sqlite3_bind_blob(s->add, 1, key, (int)len, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(s->add, 2, place < 0 ? -1 : place);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(s->add);
        sqlite3_reset(s->add);
    }
    return rc == SQLITE_DONE ? WXTP_OK : sq_scratch_trouble(s->store, s->db, rc);
}

wxtp_status sq_sift_finish(void *sift_, bool (*each)(void *user, int64_t place), void *user)
{
    sift *s = sift_;
    sqlite3_stmt *read = NULL;
    int rc = sqlite3_prepare_v2(s->db,
                                "SELECT first FROM(SELECT min(place) AS least,"
                                "min(CASE WHEN place>=0 THEN place END) AS first FROM keys GROUP BY key) "
                                "WHERE least<0 AND first>=0 ORDER BY first",
                                -1, &read, NULL);
    if (rc == SQLITE_OK) {
        while ((rc = sqlite3_step(read)) == SQLITE_ROW && each(user, sqlite3_column_int64(read, 0)))
            ;
    }
    wxtp_status status =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? WXTP_OK : sq_scratch_trouble(s->store, s->db, rc);
    sqlite3_finalize(read);
    return status;
}

void sq_sift_free(void *sift_)
{
    sift *s = sift_;
    if (s == NULL)
        return;
    sqlite3_finalize(s->add);
    sqlite3_close_v2(s->db);
    sq_release(&s->store->memory, s);
}
