/**
 * @file store_sqlite.h
 * The SQLite backend of the store contract: one file that many threads and processes share.
 */
#ifndef WXTP_STORE_SQLITE_H
#define WXTP_STORE_SQLITE_H

#include <stdbool.h>
#include <stddef.h>
#include <wxtp/allocator.h>
#include <wxtp/clock.h>
#include <wxtp/store.h>

WXTP_BEGIN_DECLS

typedef struct wxtp_sqlite_options {
    size_t struct_size; /**< sizeof(wxtp_sqlite_options) */
    const char *path;   /**< Of the database file; its folder exists. WAL and lock files stand beside it. */
    bool create;        /**< Make it where it does not exist; else WXTP_ERR_NOT_FOUND. */
    bool migrate;       /**< Bring an older schema up to date; else WXTP_ERR_STATE for one that is older. */
    int64_t busy_ms;    /**< How long to wait for another writer before WXTP_ERR_STORE_BUSY; 0: 30,000. */
    const wxtp_clock *clock;         /**< NULL: the system's. Copied. */
    const wxtp_allocator *allocator; /**< NULL: malloc. Copied. */
} wxtp_sqlite_options;

/**
 * Opens a store file.
 *
 * @param options copied.
 * @param store receives the handle on success; closed by `store->ops->close`, or by the platform that it is
 * given to.
 * @param created receives whether the file was made by this call; may be NULL.
 * @param message receives on failure what went wrong in words; may be NULL with size 0.
 * @return WXTP_OK; WXTP_ERR_NOT_FOUND without the file; WXTP_ERR_STATE where a migration is needed and not
 * allowed; WXTP_ERR_STORE_NEWER for a schema newer than this version knows; WXTP_ERR_STORE for a file that is
 * no such database, or I/O trouble; WXTP_ERR_STORE_BUSY; WXTP_ERR_INVALID; WXTP_ERR_NOMEM. Threading: any
 * thread. Blocking: on the disk and other processes, at most `busy_ms`. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_sqlite_open(const wxtp_sqlite_options *options, wxtp_store **store, bool *created,
                                      char *message, size_t message_size);

/**
 * Makes a new database at `options->path` from a backup file: another instance, in which tokens are due, no
 * ticket is kept, leases are free and unfinished jobs are paused (restored).
 *
 * @return WXTP_OK; WXTP_ERR_EXISTS where `options->path` is there; WXTP_ERR_NOT_FOUND without the backup;
 * WXTP_ERR_STORE_NEWER; WXTP_ERR_STORE; WXTP_ERR_INVALID; WXTP_ERR_NOMEM.
 * Threading: any thread. Blocking: on the disk. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_sqlite_restore(const wxtp_sqlite_options *options, const char *backup_path,
                                         char *message, size_t message_size);

/**
 * @return true when the SQLite in use has the WAL-reset bug (3.7.0 to 3.51.2 but 3.50.7 and 3.44.6); the
 * store keeps it away.
 * Threading: any thread. Blocking: no. Since: 0.1.0.
 */
WXTP_API bool wxtp_sqlite_has_wal_reset_bug(void);

/**
 * @return the version of the SQLite in use, as in "3.40.1". Static.
 * Threading: any thread. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_sqlite_version(void);

WXTP_END_DECLS
#endif
