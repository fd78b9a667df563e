/* Leases. A row stays when its lease is given back, because it counts the fences of its name. */
#include "internal.h"
#include <string.h>

typedef struct lease_state {
    bool known, held, ours;
    int64_t fence, until_boot_ms;
} lease_state;

static int64_t now_of(wxtp_tx *tx)
{
    const wxtp_clock *clock = &tx->conn->store->clock;
    return clock->boot_ms(clock->user);
}

static wxtp_status look(wxtp_tx *tx, const char *name, lease_state *lease)
{
    const sq_store *store = tx->conn->store;
    char nonce[SQ_NONCE] = "";
    int64_t owner = 0;
    bool this_boot = false;
    *lease = (lease_state){.known = false};
    sq_query q;
    sq_open(&q, tx, "SELECT fence,owner,nonce,boot,until_boot_ms FROM leases WHERE name=?");
    sq_text(&q, name);
    if (sq_next(&q)) {
        lease->known = true;
        lease->fence = sq_get_int(&q);
        owner = sq_get_int(&q);
        sq_say(nonce, sizeof nonce, "%s", sq_get_text(&q));
        this_boot = strcmp(sq_get_text(&q), store->boot_id) == 0;
        lease->until_boot_ms = sq_get_int(&q);
    }
    wxtp_status status = sq_end(&q);
    /* One that was given back ran out at 0, and so did one that is not there. */
    if (!this_boot || now_of(tx) >= lease->until_boot_ms)
        return status;
    lease->ours = strcmp(nonce, store->nonce) == 0;
    return sq_owner_alive(tx, owner, nonce, &lease->held);
}

wxtp_status sq_lease_fence(wxtp_tx *tx, const char *name, int64_t *fence)
{
    lease_state lease;
    wxtp_status status = look(tx, name, &lease);
    *fence = lease.fence; /* 0 where the name was never taken */
    return status;
}

wxtp_status sq_lease_held(wxtp_tx *tx, const char *name, bool *held, bool *ours)
{
    lease_state lease;
    wxtp_status status = look(tx, name, &lease);
    *held = lease.held;
    *ours = lease.held && lease.ours;
    return status;
}

wxtp_status sq_lease_drop(wxtp_tx *tx, const char *name)
{
    sq_query q;
    sq_open(&q, tx, "DELETE FROM leases WHERE name=?");
    sq_text(&q, name);
    return sq_run(&q);
}

static wxtp_status write_lease(wxtp_tx *tx, const wxtp_lease *lease)
{
    const sq_store *store = tx->conn->store;
    wxtp_status status = sq_owner_need(tx);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "INSERT OR REPLACE INTO leases VALUES(?,?,?,?,?,?,?)");
    sq_text(&q, lease->name);
    sq_int(&q, lease->fence);
    sq_int(&q, store->owner_byte);
    sq_text(&q, store->nonce);
    sq_text(&q, store->boot_id);
    sq_int(&q, lease->until_boot_ms);
    sq_int(&q, store->clock.wall_ms(store->clock.user));
    return sq_run(&q);
}

static int64_t after(int64_t now, int64_t duration_ms)
{
    return duration_ms > INT64_MAX - now ? INT64_MAX : now + duration_ms;
}

wxtp_status sq_lease_hold(wxtp_tx *tx, wxtp_lease *lease, int64_t duration_ms)
{
    lease_state old;
    wxtp_status status = look(tx, lease->name, &old);
    if (status != WXTP_OK)
        return status;
    if (old.held) {
        lease->until_boot_ms = old.until_boot_ms;
        return sq_answer(tx, WXTP_ERR_STATE, "the lease is held");
    }
    int64_t last = old.fence;
    if (!old.known) {
        status = sq_one_int(tx, "SELECT coalesce(max(value),0) FROM counters WHERE name='lease_floor'", NULL,
                            &last);
        if (status != WXTP_OK)
            return status;
    }
    if (last >= SQ_INT_MOST)
        return sq_answer(tx, WXTP_ERR_STORE, "the fence of a lease is damaged");
    wxtp_lease taken = {lease->name, last + 1, after(now_of(tx), duration_ms)};
    status = write_lease(tx, &taken);
    if (status == WXTP_OK)
        *lease = taken;
    return status;
}

wxtp_status sq_lease_take(wxtp_tx *tx, wxtp_lease *lease, int64_t duration_ms)
{
    wxtp_status status = sq_operation(tx, true);
    return status == WXTP_OK ? sq_lease_hold(tx, lease, duration_ms) : status;
}

wxtp_status sq_lease_renew(wxtp_tx *tx, wxtp_lease *lease, int64_t duration_ms)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    lease_state old;
    status = look(tx, lease->name, &old);
    if (status != WXTP_OK)
        return status;
    if (!old.held || !old.ours || old.fence != lease->fence)
        return sq_answer(tx, WXTP_ERR_CONFLICT, "the lease is no longer held");
    wxtp_lease renewed = {lease->name, lease->fence, after(now_of(tx), duration_ms)};
    status = write_lease(tx, &renewed);
    if (status == WXTP_OK)
        *lease = renewed;
    return status;
}

wxtp_status sq_lease_release(wxtp_tx *tx, const wxtp_lease *lease)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK)
        return status;
    sq_query q;
    sq_open(&q, tx, "UPDATE leases SET owner=0,nonce='',until_boot_ms=0 WHERE name=? AND fence=?");
    sq_text(&q, lease->name);
    sq_int(&q, lease->fence);
    return sq_run(&q);
}

wxtp_status sq_lease_check(wxtp_tx *tx, const wxtp_lease *lease)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    lease_state old;
    status = look(tx, lease->name, &old);
    if (status != WXTP_OK)
        return status;
    if (!old.held || old.fence != lease->fence)
        return sq_answer(tx, WXTP_ERR_CONFLICT, "the lease is no longer held");
    return WXTP_OK;
}

wxtp_status sq_lease_holder(wxtp_tx *tx, wxtp_lease *lease)
{
    wxtp_status status = sq_operation(tx, false);
    if (status != WXTP_OK)
        return status;
    lease_state old;
    status = look(tx, lease->name, &old);
    if (status != WXTP_OK)
        return status;
    if (!old.held)
        return WXTP_ERR_NOT_FOUND;
    lease->fence = old.fence;
    lease->until_boot_ms = old.until_boot_ms;
    return WXTP_OK;
}
