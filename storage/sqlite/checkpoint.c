/*
 * SQLite 3.7.0 to 3.51.2 can lose committed pages when two checkpoints and a commit that resets the WAL meet.
 * So one handle checkpoints at a time, with every writer kept out by the lock file's gate.
 */
#include "internal.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    LARGE = 1000, /* pages of a WAL from which on a commit checkpoints */
    URGENT = 4 * LARGE,
    BLOCK = 65536,
    AGE_MS = 5000, /* of the last checkpoint, from which on a WAL in use is checkpointed whatever its size */
};

int sq_wal_hook(void *user, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    sq_conn *conn = user;
    conn->wal_pages = pages;
    conn->committed = true;
    return SQLITE_OK;
}

/*
 * A sync that fails takes with it what it was to bring to the disk: the kernel holds those pages for written,
 * and a later sync passes over them. They can still be read, so the WAL is written over itself.
 */
wxtp_status sq_wal_mend(sq_store *store)
{
    if (!atomic_load(&store->doubtful))
        return WXTP_OK;
    char *block = sq_allocate(&store->memory, BLOCK);
    if (block == NULL)
        return WXTP_ERR_NOMEM;
    off_t at = 0;
    ssize_t got;
    while ((got = pread(store->wal_fd, block, BLOCK, at)) > 0 &&
           pwrite(store->wal_fd, block, (size_t)got, at) == got)
        at += got;
    sq_release(&store->memory, block);
    return got == 0 ? WXTP_OK : WXTP_ERR_STORE;
}

/* Mended and synced, with every writer kept out. */
static wxtp_status settle_wal(sq_store *store)
{
    if (!atomic_load(&store->doubtful))
        return WXTP_OK;
    wxtp_status status = sq_wal_mend(store);
    if (status == WXTP_OK && fdatasync(store->wal_fd) != 0)
        status = WXTP_ERR_STORE;
    if (status == WXTP_OK)
        atomic_store(&store->doubtful, false);
    else
        sq_trouble_keep(store, "the WAL, a sync of which failed, cannot be written anew");
    return status;
}

wxtp_status sq_checkpoint(sq_store *store, bool urgent)
{
    sq_conn *conn = &store->writer;
    if (!sq_gate_close(store, urgent ? 200 : 0, urgent ? 2000 : 200)) {
        store->checkpoint_pages = conn->wal_pages;
        return WXTP_OK;
    }
    wxtp_status settled = settle_wal(store);
    if (settled != WXTP_OK) {
        sq_gate_open(store);
        return settled;
    }
    /* Readers of old pages are waited for only when the WAL has grown far. */
    sq_wait_start(&conn->wait, &store->clock, urgent ? 200 : 0);
    conn->wait.late = !urgent;
    int pages = 0, done = 0;
    SQ_POINT("checkpoint.begun");
    int rc = sqlite3_wal_checkpoint_v2(conn->db, "main", SQLITE_CHECKPOINT_RESTART, &pages, &done);
    SQ_POINT("checkpoint.done");
    sq_gate_open(store);
    store->checkpoint_boot_ms = store->clock.boot_ms(store->clock.user);
    if (rc == SQLITE_IOERR_FSYNC)
        atomic_store(&store->doubtful, true);
    if (rc == SQLITE_OK)
        conn->wal_pages = 0;
    store->checkpoint_pages = rc == SQLITE_OK ? LARGE : conn->wal_pages + LARGE / 4;
    if (rc == SQLITE_OK || sq_status(rc) == WXTP_ERR_STORE_BUSY)
        return WXTP_OK;
    sq_trouble_keep(store, sqlite3_errmsg(conn->db));
    return sq_status(rc);
}

void sq_checkpoint_if_large(sq_store *store)
{
    if (store->writer.wal_pages < store->checkpoint_pages || store->writer.wal_pages < LARGE)
        return;
    /* The commit stands whatever becomes of the checkpoint. */
    (void)sq_checkpoint(store, store->writer.wal_pages >= URGENT);
}

static wxtp_status sync_wal(sq_store *store)
{
    if (atomic_load(&store->doubtful) || !atomic_exchange(&store->unsynced, false))
        return WXTP_OK;
    if (fdatasync(store->wal_fd) == 0)
        return WXTP_OK;
    atomic_store(&store->unsynced, true);
    atomic_store(&store->doubtful, true);
    char text[SQ_MESSAGE];
    sq_say(text, sizeof text, "cannot sync the WAL: %s", strerror(errno));
    sq_trouble_keep(store, text);
    return WXTP_ERR_STORE;
}

wxtp_status sq_maintain(wxtp_store *base)
{
    sq_store *store = (sq_store *)base;
    if (store->read_only)
        return WXTP_OK;
    wxtp_status status = sync_wal(store);
    if (!sq_turn_take(&store->writer.turn, 0))
        return status; /* a writer is at work and looks at the WAL's size itself */
    int pages = store->writer.wal_pages;
    int64_t age = store->clock.boot_ms(store->clock.user) - store->checkpoint_boot_ms;
    if (atomic_load(&store->doubtful) || pages >= LARGE || (pages > 0 && age >= AGE_MS)) {
        wxtp_status checkpointed = sq_checkpoint(store, pages >= URGENT);
        status = status != WXTP_OK ? status : checkpointed;
    }
    sq_turn_give(&store->writer.turn);
    return status;
}
