/* Copies of the whole store: made under another name, synced, and only then given their own. */
#include "internal.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A connection outside any handle's rules: alone with a new file, or reading. */
static int open_plain(sqlite3 **db, const char *path, int flags)
{
    int rc = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(*db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(*db, SQ_BUSY_MS);
    if (rc == SQLITE_OK)
        rc = sq_exec(*db, "PRAGMA mmap_size=0;PRAGMA trusted_schema=OFF;PRAGMA cache_size=-4096;"
                          "PRAGMA wal_autocheckpoint=0;PRAGMA secure_delete=ON;PRAGMA temp_store=FILE");
    return rc;
}

/* In one step, so that the copy is of one moment. */
static int copy_pages(sqlite3 *to, sqlite3 *from)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL)
        return sqlite3_extended_errcode(to);
    int rc = sqlite3_backup_step(backup, -1);
    int end = sqlite3_backup_finish(backup);
    if (rc != SQLITE_DONE)
        return rc != SQLITE_OK ? rc : SQLITE_ERROR;
    return end;
}

/* The new file's full name: SQLite reads "file:..." as more than a name. */
static wxtp_status new_name(const sq_memory *memory, const char *path, char **name, char *message,
                            size_t size)
{
    struct stat facts;
    bool exists = false;
    if (lstat(path, &facts) == 0) {
        sq_say(message, size, "%s exists", path);
        return WXTP_ERR_EXISTS;
    }
    errno = ENOMEM;
    *name = sq_file_real(memory, path, &exists);
    if (*name == NULL)
        sq_say(message, size, "%s: %s", path, strerror(errno));
    return *name != NULL ? WXTP_OK : errno == ENOMEM ? WXTP_ERR_NOMEM : WXTP_ERR_STORE;
}

/* Copies `from` to the new file `path` and lets `change` work on it. */
static wxtp_status copy_to_real(const sq_memory *memory, sqlite3 *from, const char *path,
                                wxtp_status (*change)(sqlite3 *, char *, size_t), char *message, size_t size)
{
    char suffix[SQ_NONCE + 1] = ".";
    sqlite3 *to = NULL;
    if (!sq_nonce(suffix + 1))
        return WXTP_ERR_STORE;
    char *name = sq_join(memory, path, suffix);
    if (name == NULL)
        return WXTP_ERR_NOMEM;
    wxtp_status status = WXTP_ERR_STORE;
    int fd = sq_file_create(name);
    if (fd < 0) {
        sq_say(message, size, "%s: %s", name, strerror(errno));
        sq_release(memory, name);
        return status;
    }
    close(fd);
    int rc = open_plain(&to, name, SQLITE_OPEN_READWRITE);
    if (rc == SQLITE_OK)
        rc = copy_pages(to, from);
    SQ_POINT("backup.copied");
    if (rc == SQLITE_OK) /* one file, without a WAL beside it */
        rc = sq_exec(to, "PRAGMA journal_mode=DELETE");
    status = sq_status(rc);
    if (status != WXTP_OK)
        sq_say(message, size, "cannot copy to %s: %s", path, sqlite3_errmsg(to));
    else if (change != NULL)
        status = change(to, message, size);
    sqlite3_close(to);
    SQ_POINT("backup.written");
    if (status == WXTP_OK && sq_file_sync(name) != 0) {
        sq_say(message, size, "cannot sync %s: %s", name, strerror(errno));
        status = WXTP_ERR_STORE;
    }
    if (status == WXTP_OK) {
        status = sq_file_publish(name, path);
        int error = errno;
        SQ_POINT("backup.published");
        if (status == WXTP_OK && sq_folder_sync(memory, path) != 0) {
            error = errno;
            status = error == ENOMEM ? WXTP_ERR_NOMEM : WXTP_ERR_STORE;
            unlink(path); /* a copy that may not be there tomorrow is none, and the name is free for the next
                             try */
        }
        if (status != WXTP_OK)
            sq_say(message, size, "%s: %s", path, strerror(error));
    }
    sq_file_discard(memory, name);
    sq_release(memory, name);
    return status;
}

static wxtp_status copy_to(const sq_memory *memory, sqlite3 *from, const char *path,
                           wxtp_status (*change)(sqlite3 *, char *, size_t), char *message, size_t size)
{
    char *real = NULL;
    wxtp_status status = new_name(memory, path, &real, message, size);
    if (status == WXTP_OK)
        status = copy_to_real(memory, from, real, change, message, size);
    sq_release(memory, real);
    return status;
}

wxtp_status sq_backup(wxtp_store *base, const char *path)
{
    sq_store *store = (sq_store *)base;
    char message[SQ_MESSAGE] = "";
    sqlite3 *from = NULL;
    wxtp_status status;
    int rc = open_plain(&from, store->path, SQLITE_OPEN_READWRITE);
    if (rc == SQLITE_OK)
        status = copy_to(&store->memory, from, path, NULL, message, sizeof message);
    else {
        status = sq_status(rc);
        sq_say(message, sizeof message, "%s", sqlite3_errmsg(from));
    }
    sqlite3_close(from);
    if (status != WXTP_OK)
        sq_trouble_keep(store, message);
    return status;
}

/* States: 0 building, 1 running, 2 paused; paused by 9: restored. Fences keep growing above the floor. */
static const char another_instance[] =
    "BEGIN IMMEDIATE;"
    "DELETE FROM meta WHERE name='instance';"
    "DELETE FROM tickets;"
    "UPDATE tokens SET due_ms=0;"
    "INSERT OR REPLACE INTO counters SELECT 'lease_floor',max(coalesce((SELECT value FROM counters WHERE "
    "name='lease_floor'),0),coalesce(max(fence),0)) FROM leases;"
    "DELETE FROM leases;"
    "DELETE FROM owners;"
    "DELETE FROM exceptions WHERE job IN(SELECT n FROM jobs WHERE state=0);"
    "DELETE FROM batches WHERE job IN(SELECT n FROM jobs WHERE state=0);"
    "DELETE FROM snapshots WHERE job IN(SELECT n FROM jobs WHERE state=0);"
    "DELETE FROM snapshot_parts WHERE job IN(SELECT n FROM jobs WHERE state=0);"
    "DELETE FROM jobs WHERE state=0;"
    "UPDATE jobs SET state=2,paused_by=9 WHERE state IN(1,2);"
    "COMMIT";
_Static_assert(WXTP_JOB_BUILDING == 0 && WXTP_JOB_RUNNING == 1 && WXTP_JOB_PAUSED == 2, "as in the SQL");
_Static_assert(WXTP_PAUSED_BY_RESTORED == 9, "as in the SQL");

static wxtp_status make_another(sqlite3 *db, char *message, size_t size)
{
    int64_t version;
    bool empty;
    wxtp_status status = sq_schema_look(db, &version, &empty, message, size);
    if (status == WXTP_OK)
        status = sq_migrate(db, version, message, size);
    if (status != WXTP_OK)
        return status;
    int rc = sq_exec(db, another_instance);
    if (rc != SQLITE_OK)
        sq_say(message, size, "%s", sqlite3_errmsg(db));
    return sq_status(rc);
}

/* A WAL of a database that is gone would be replayed onto the new one. */
static wxtp_status no_leftovers(const sq_memory *memory, const char *path, char *message, size_t size)
{
    struct stat facts;
    char *wal = sq_join(memory, path, "-wal");
    if (wal == NULL)
        return WXTP_ERR_NOMEM;
    wxtp_status status = WXTP_OK;
    if (lstat(wal, &facts) == 0) {
        sq_say(message, size, "%s is left of another database: move it away first", wal);
        status = WXTP_ERR_EXISTS;
    }
    sq_release(memory, wal);
    return status;
}

WXTP_API wxtp_status wxtp_sqlite_restore(const wxtp_sqlite_options *from, const char *backup_path,
                                         char *message, size_t message_size)
{
    sq_options options;
    struct stat facts;
    sqlite3 *backup = NULL;
    int64_t version;
    bool empty;
    sq_say(message, message_size, "%s", "");
    wxtp_status status = sq_options_read(from, &options, message, message_size);
    if (status != WXTP_OK)
        return status;
    if (backup_path == NULL || stat(backup_path, &facts) != 0) {
        sq_say(message, message_size, "%s: %s", backup_path != NULL ? backup_path : "backup",
               strerror(errno));
        return backup_path == NULL ? WXTP_ERR_INVALID : errno == ENOENT ? WXTP_ERR_NOT_FOUND : WXTP_ERR_STORE;
    }
    status = no_leftovers(&options.memory, options.path, message, message_size);
    if (status != WXTP_OK)
        return status;
    bool exists;
    char *source = sq_file_real(&options.memory, backup_path, &exists);
    if (source == NULL)
        return WXTP_ERR_NOMEM;
    int rc = open_plain(&backup, source, SQLITE_OPEN_READONLY);
    sq_release(&options.memory, source);
    if (rc != SQLITE_OK) {
        status = sq_status(rc);
        sq_say(message, message_size, "cannot read %s: %s", backup_path, sqlite3_errmsg(backup));
    } else {
        status = sq_schema_look(backup, &version, &empty, message, message_size);
        if (status == WXTP_OK && empty) {
            sq_say(message, message_size, "%s is empty", backup_path);
            status = WXTP_ERR_STORE;
        }
    }
    if (status == WXTP_OK)
        status = copy_to(&options.memory, backup, options.path, make_another, message, message_size);
    sqlite3_close(backup);
    return status;
}
