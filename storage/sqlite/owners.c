/* Open handles, and how another handle knows that one of them died. */
#include "internal.h"
#include <string.h>
#include <unistd.h>

wxtp_status sq_owner_need(wxtp_tx *tx)
{
    sq_store *store = tx->conn->store;
    wxtp_status status = store->owner_byte == 0 ? sq_owner_lock(store) : WXTP_OK;
    return status == WXTP_OK ? status : sq_answer(tx, status, "no byte of the lock file is free");
}

wxtp_status sq_owner_enter(wxtp_tx *tx)
{
    sq_store *store = tx->conn->store;
    if (store->owner_byte == 0 || store->owner_written)
        return WXTP_OK;
    sq_query q;
    sq_open(&q, tx, "INSERT OR REPLACE INTO owners VALUES(?,?,?,?,?)");
    sq_int(&q, store->owner_byte);
    sq_text(&q, store->nonce);
    sq_text(&q, store->boot_id);
    sq_int(&q, getpid());
    sq_int(&q, store->clock.wall_ms(store->clock.user));
    return sq_run(&q);
}

/* Without its row the byte would keep a dead owner's row alive, which it had before. */
void sq_owner_settle(sq_store *store, bool committed)
{
    if (store->owner_byte == 0 || store->owner_written)
        return;
    if (committed)
        store->owner_written = true;
    else
        sq_owner_unlock(store);
}

wxtp_status sq_owner_leave(wxtp_tx *tx)
{
    sq_store *store = tx->conn->store;
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "UPDATE leases SET owner=0,nonce='',until_boot_ms=0 WHERE nonce=?");
    sq_text(&q, store->nonce);
    status = sq_run(&q);
    if (status != WXTP_OK)
        return status;
    sq_open(&q, tx, "DELETE FROM owners WHERE byte=? AND nonce=?");
    sq_int(&q, store->owner_byte);
    sq_text(&q, store->nonce);
    return sq_run(&q);
}

/* A handle's own lock shows to no query of its own, so the own byte is compared first. */
wxtp_status sq_owner_alive(wxtp_tx *tx, int64_t byte, const char *nonce, bool *alive)
{
    sq_store *store = tx->conn->store;
    if (byte == store->owner_byte) {
        *alive = strcmp(nonce, store->nonce) == 0;
        return WXTP_OK;
    }
    *alive = false;
    if (!sq_owner_byte_locked(store, byte))
        return WXTP_OK;
    sq_query q; /* a later handle may have got the byte of a dead one */
    sq_open(&q, tx, "SELECT 1 FROM owners WHERE byte=? AND nonce=?");
    sq_int(&q, byte);
    sq_text(&q, nonce);
    *alive = sq_next(&q);
    return sq_end(&q);
}
