/* Opening and closing a handle. Handles of one file open one at a time, under a byte of the lock file. */
#include "internal.h"
#include "schema.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool forked(wxtp_store *base)
{
    return ((sq_store *)base)->pid != getpid();
}

/* All but SQLite's part and the locks. */
static void free_handle(sq_store *store)
{
    sq_memory memory = store->memory;
    if (store->wal_fd >= 0)
        close(store->wal_fd);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    sq_places_free(store);
    sq_release(&memory, store->path);
    sq_release(&memory, store->boot_id);
    sq_release(&memory, store);
}

static void destroy_locks(sq_store *store)
{
    sq_turn_destroy(&store->writer.turn);
    sq_turn_destroy(&store->reader.turn);
    pthread_mutex_destroy(&store->trouble_mutex);
}

/* Whose turn it was at the fork may have been changing them. */
static void abandon_rows(sq_conn *conn)
{
    if (!conn->turn.taken)
        sq_conn_forget(conn);
}

/* The descriptors are shared with the parent, whose locks stay; SQLite's own are left alone. Threads that
 * held our locks, or waited for them, are not here: to destroy one would be to wait for these. */
static void abandon(wxtp_store *base)
{
    sq_store *store = (sq_store *)base;
    if (store == NULL)
        return;
    abandon_rows(&store->writer);
    abandon_rows(&store->reader);
    free_handle(store);
}

static void close_handle(wxtp_store *base)
{
    sq_store *store = (sq_store *)base;
    if (store == NULL)
        return;
    wxtp_tx *tx;
    if (store->owner_written && sq_begin(base, WXTP_TX_SYNC, &tx) == WXTP_OK) {
        if (sq_owner_leave(tx) == WXTP_OK)
            (void)sq_commit(tx);
        else
            sq_rollback(tx);
    }
    sq_conn_close(&store->reader);
    sq_conn_close(&store->writer);
    destroy_locks(store);
    free_handle(store);
}

static const wxtp_store_ops operations = {
    .struct_size = sizeof(wxtp_store_ops),
    .name = "sqlite",
    .close = close_handle,
    .forked = forked,
    .abandon = abandon,
    .begin = sq_begin,
    .commit = sq_commit,
    .rollback = sq_rollback,
    .savepoint = sq_savepoint,
    .rollback_to = sq_rollback_to,
    .release = sq_release_savepoint,
    .message = sq_message,
    .meta_get = sq_meta_get,
    .meta_put = sq_meta_put,
    .platform_get = sq_platform_get,
    .platform_put = sq_platform_put,
    .platform_list = sq_platform_list,
    .ticket_get = sq_ticket_get,
    .ticket_put = sq_ticket_put,
    .tenant_get = sq_tenant_get,
    .tenant_put = sq_tenant_put,
    .tenant_list = sq_tenant_list,
    .tenant_count = sq_tenant_count,
    .token_get = sq_token_get,
    .token_put_if = sq_token_put_if,
    .token_delete = sq_token_delete,
    .token_due = sq_token_due,
    .spare_add = sq_spare_add,
    .spare_list = sq_spare_list,
    .spare_delete = sq_spare_delete,
    .intent_get = sq_intent_get,
    .intent_put = sq_intent_put,
    .intent_delete = sq_intent_delete,
    .code_get = sq_code_get,
    .code_put = sq_code_put,
    .code_open = sq_code_open,
    .lease_take = sq_lease_take,
    .lease_renew = sq_lease_renew,
    .lease_release = sq_lease_release,
    .lease_check = sq_lease_check,
    .lease_holder = sq_lease_holder,
    .push_remember = sq_push_remember,
    .job_get = sq_job_get,
    .job_put = sq_job_put,
    .job_list = sq_job_list,
    .job_delete = sq_job_delete,
    .build_begin = sq_build_begin,
    .build_add = sq_build_add,
    .build_add_invalid = sq_build_add_invalid,
    .build_finish = sq_build_finish,
    .build_free = sq_build_free,
    .batch_list = sq_batch_list,
    .batch_get = sq_batch_get,
    .batch_put = sq_batch_put,
    .batch_mark = sq_batch_mark,
    .exception_add = sq_exception_add,
    .exception_list = sq_exception_list,
    .exception_retry = sq_exception_retry,
    .hold_get = sq_hold_get,
    .hold_put = sq_hold_put,
    .hold_delete = sq_hold_delete,
    .audit_add = sq_audit_add,
    .audit_list = sq_audit_list,
    .prune = sq_prune,
    .check = sq_check,
    .backup = sq_backup,
    .maintain = sq_maintain,
    .describe = sq_describe,
    .sweep = sq_sweep,
    .sift_begin = sq_sift_begin,
    .sift_add = sq_sift_add,
    .sift_finish = sq_sift_finish,
    .sift_free = sq_sift_free,
    .snapshot_get = sq_snapshot_get,
    .snapshot_put = sq_snapshot_put,
    .snapshot_part_get = sq_snapshot_part_get,
    .snapshot_part_put = sq_snapshot_part_put,
    .push_note = sq_push_note,
    .push_get = sq_push_get,
    .push_list = sq_push_list,
    .audit_after = sq_audit_after,
    .audit_by_rid = sq_audit_by_rid,
    .audit_maker = sq_audit_maker,
};

static bool init_locks(sq_store *store)
{
    if (pthread_mutex_init(&store->trouble_mutex, NULL) != 0)
        return false;
    if (sq_turn_init(&store->writer.turn)) {
        if (sq_turn_init(&store->reader.turn))
            return true;
        sq_turn_destroy(&store->writer.turn);
    }
    pthread_mutex_destroy(&store->trouble_mutex);
    return false;
}

static sq_store *new_handle(const sq_options *options)
{
    sq_store *store = sq_allocate(&options->memory, sizeof *store);
    if (store == NULL)
        return NULL;
    store->base.ops = &operations;
    store->memory = options->memory;
    store->clock = options->clock;
    store->busy_ms = options->busy_ms;
    store->pid = getpid();
    store->lock_fd = store->wal_fd = -1;
    store->writer.store = store->reader.store = store;
    store->writer.tx.conn = &store->writer;
    store->reader.tx.conn = &store->reader;
    if (!init_locks(store)) {
        sq_release(&options->memory, store);
        return NULL;
    }
    const char *boot_id = store->clock.boot_id(store->clock.user);
    store->boot_id = sq_copy(&store->memory, boot_id, strlen(boot_id));
    return store;
}

static wxtp_status make_file(sq_store *store, char *message, size_t size)
{
    struct stat facts;
    if (stat(store->path, &facts) == 0)
        return WXTP_OK; /* another handle was first */
    int fd = sq_file_create(store->path);
    if (fd < 0) {
        sq_say(message, size, "%s: %s", store->path, strerror(errno));
        return WXTP_ERR_STORE;
    }
    close(fd);
    SQ_POINT("open.file_made");
    return WXTP_OK;
}

static wxtp_status open_wal(sq_store *store, char *message, size_t size)
{
    char *path = sq_join(&store->memory, store->path, "-wal");
    if (path == NULL)
        return WXTP_ERR_NOMEM;
    store->wal_fd = open(path, (store->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);
    if (store->wal_fd < 0)
        sq_say(message, size, "%s: %s", path, strerror(errno));
    struct stat facts;
    if (store->wal_fd >= 0 && fstat(store->wal_fd, &facts) == 0 && facts.st_size > 0)
        store->writer.wal_pages = 1; /* of handles that are gone: for maintain to checkpoint */
    sq_release(&store->memory, path);
    return store->wal_fd >= 0 ? WXTP_OK : WXTP_ERR_STORE;
}

static wxtp_status prepare_schema(sq_store *store, const sq_options *options, bool *created, char *message,
                                  size_t size)
{
    sqlite3 *db = store->writer.db;
    int64_t version;
    bool empty;
    wxtp_status status = sq_schema_look(db, &version, &empty, message, size);
    if (status != WXTP_OK)
        return status;
    if (empty && !options->create) {
        sq_say(message, size, "%s is empty", store->path);
        return WXTP_ERR_NOT_FOUND;
    }
    if (!empty && version < sq_migration_count && !options->migrate) {
        sq_say(message, size, "the database has schema %lld and needs a migration to %d", (long long)version,
               sq_migration_count);
        return WXTP_ERR_STATE;
    }
    *created = empty;
    int rc = sq_conn_configure(&store->writer, false);
    if (rc == SQLITE_OK)
        rc = sq_exec(db, "PRAGMA journal_mode=WAL");
    if (rc != SQLITE_OK) {
        sq_say(message, size, "cannot set up the database: %s", sqlite3_errmsg(db));
        return sq_status(rc);
    }
    if (version == sq_migration_count)
        return WXTP_OK;
    SQ_POINT("open.configured");
    sq_wait wait;
    sq_wait_start(&wait, &store->clock, store->busy_ms);
    status = sq_gate_enter(store, &wait);
    if (status != WXTP_OK)
        return status;
    status = sq_migrate(db, version, message, size);
    SQ_POINT("open.migrated");
    sq_gate_leave(store);
    return status;
}

/* Under the opening byte. */
static wxtp_status open_database(sq_store *store, const sq_options *options, bool *created, char *message,
                                 size_t size)
{
    wxtp_status status = options->create ? make_file(store, message, size) : WXTP_OK;
    if (status != WXTP_OK)
        return status;
    int rc = sq_conn_open(store, &store->writer, store->path, false);
    if (rc != SQLITE_OK) {
        sq_say(message, size, "cannot open %s: %s", store->path, sqlite3_errmsg(store->writer.db));
        return sq_status(rc);
    }
    status = prepare_schema(store, options, created, message, size);
    if (status != WXTP_OK)
        return status;
    if (*created && sq_folder_sync(&store->memory, store->path) != 0) {
        int error = errno;
        sq_say(message, size, "cannot sync the folder of %s: %s", store->path, strerror(error));
        return error == ENOMEM ? WXTP_ERR_NOMEM : WXTP_ERR_STORE;
    }
    rc = sq_conn_open(store, &store->reader, store->path, true);
    if (rc != SQLITE_OK) {
        sq_say(message, size, "cannot open %s: %s", store->path, sqlite3_errmsg(store->reader.db));
        return sq_status(rc);
    }
    rc = sq_transaction_prepare(&store->writer);
    return sq_status(rc == SQLITE_OK ? sq_transaction_prepare(&store->reader) : rc);
}

WXTP_API wxtp_status wxtp_sqlite_open(const wxtp_sqlite_options *from, wxtp_store **store, bool *created,
                                      char *message, size_t message_size)
{
    sq_options options;
    bool exists = false, made = false;
    sq_say(message, message_size, "%s", "");
    if (store == NULL)
        return WXTP_ERR_INVALID;
    *store = NULL;
    wxtp_status status = sq_options_read(from, &options, message, message_size);
    if (status != WXTP_OK)
        return status;
    sq_store *handle = new_handle(&options);
    if (handle == NULL)
        return WXTP_ERR_NOMEM;
    status = WXTP_ERR_NOMEM;
    if (handle->boot_id == NULL || !sq_nonce(handle->nonce))
        goto out;
    if (handle->boot_id[0] == '\0') {
        sq_say(message, message_size, "the kernel's boot id cannot be read, as where no descriptor is left");
        status = WXTP_ERR_STORE;
        goto out;
    }
    errno = 0;
    handle->path = sq_file_real(&handle->memory, options.path, &exists);
    if (handle->path == NULL || (!exists && !options.create)) {
        int error = errno != 0 && handle->path == NULL ? errno : ENOENT;
        sq_say(message, message_size, "%s: %s", options.path, strerror(error));
        status = error == ENOENT ? WXTP_ERR_NOT_FOUND : error == ENOMEM ? WXTP_ERR_NOMEM : WXTP_ERR_STORE;
        goto out;
    }
    status = sq_lockfile_open(handle, message, message_size);
    if (status != WXTP_OK)
        goto out;
    status = sq_opening_lock(handle);
    if (status != WXTP_OK) {
        sq_say(message, message_size, "%s.lock stayed locked by another process that opens", handle->path);
        goto out;
    }
    status = open_database(handle, &options, &made, message, message_size);
    if (status == WXTP_OK)
        status = open_wal(handle, message, message_size);
    if (status == WXTP_OK) {
        status = sq_places_take(handle);
        if (status == WXTP_ERR_STORE)
            sq_say(message, message_size, "%s was removed while it was opened", handle->path);
    }
    sq_opening_unlock(handle);

out:
    if (status != WXTP_OK) {
        close_handle(&handle->base);
        return status;
    }
    if (created != NULL)
        *created = made;
    *store = &handle->base;
    return WXTP_OK;
}
