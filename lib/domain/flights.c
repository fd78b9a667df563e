#include "domain/flights.h"

#include <assert.h>
#include <string.h>

/* Out of memory is an answer here, not an exit. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum { FAIL_FIRST_MS = 1000, FAIL_MOST_MS = 60000, LOOK_MS = 50 };

/* One that waits for a flight to land. */
typedef struct waiter {
    struct waiter *next;
    wx_bell bell;
} waiter;

struct wx_flight {
    UT_hash_handle hh;
    bool flying;
    int waiting;
    waiter *waiters;
    uint64_t landings; /* how many flights of this key have ended */
    wxtp_status last_status;
    wx_err last_err;
    int failures;
    int64_t retry_at_ms;
    wx_unsaved *unsaved;
    char key[];
};

struct wx_flights {
    pthread_mutex_t lock;
    wx_flight *table;
};

void wx_unsaved_free(wx_unsaved *unsaved)
{
    wx_free(unsaved->access);
    wx_free(unsaved->refresh);
    wx_free(unsaved->asked_with);
    *unsaved = (wx_unsaved){0};
}

wx_flights *wx_flights_new(const wxtp_allocator *allocator)
{
    wx_flights *flights = wx_alloc(allocator, sizeof(*flights));
    if (flights == NULL) {
        return NULL;
    }
    pthread_mutex_init(&flights->lock, NULL);
    return flights;
}

static void flight_free(wx_flight *flight)
{
    wx_flight_drop_unsaved(flight);
    wx_free(flight);
}

void wx_flights_free(wx_flights *flights)
{
    if (flights == NULL) {
        return;
    }
    wx_flight *flight = NULL;
    wx_flight *next = NULL;
    HASH_ITER(hh, flights->table, flight, next)
    {
        assert(!flight->flying);
        HASH_DEL(flights->table, flight);
        flight_free(flight);
    }
    pthread_mutex_destroy(&flights->lock);
    wx_free(flights);
}

/* With the lock held. NULL when out of memory. */
static wx_flight *flight_of(wx_core *core, const char *key, bool make)
{
    wx_flights *flights = core->flights;
    wx_flight *flight = NULL;
    const size_t len = strlen(key);
    HASH_FIND(hh, flights->table, key, len, flight);
    if (flight == NULL && make) {
        flight = wx_alloc(&core->allocator, sizeof(*flight) + len + 1);
        if (flight != NULL) {
            memcpy(flight->key, key, len + 1);
            HASH_ADD_KEYPTR(hh, flights->table, flight->key, len, flight);
            if (flight->hh.tbl == NULL) {
                wx_free(WX_TAKE(flight));
            }
        }
    }
    return flight;
}

/* With the lock held: forgets an entry that nobody needs, so that memory does not grow with the number of
 * tenants. */
static void flight_forget_if_idle(wx_flights *flights, wx_flight *flight)
{
    if (!flight->flying && flight->waiting == 0 && flight->failures == 0 && flight->unsaved == NULL) {
        HASH_DEL(flights->table, flight);
        flight_free(flight);
    }
}

/* With the lock held: whoever waits looks again. */
static void ring_all(wx_flight *flight)
{
    for (waiter *at = WX_TAKE(flight->waiters); at;) {
        waiter *next = at->next; /* once rung it may be gone */
        wx_bell_ring(&at->bell);
        at = next;
    }
}

static void forget_waiter(wx_flight *flight, const waiter *mine)
{
    waiter **link = &flight->waiters;
    while (*link && *link != mine) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = mine->next;
    }
}

/* With the lock held, which it gives back meanwhile. */
static void wait_a_moment(wx_core *core, wx_flight *flight, waiter *mine)
{
    mine->next = flight->waiters;
    flight->waiters = mine;
    pthread_mutex_unlock(&core->flights->lock);
    (void)wx_bell_wait(&mine->bell, LOOK_MS);
    pthread_mutex_lock(&core->flights->lock);
    forget_waiter(flight, mine);
}

/* With the lock held: waits for the flight under way to land. */
static wxtp_status wait_for_landing(wx_core *core, wx_flight *flight, int64_t wait_ms, wx_err *err)
{
    const int64_t end = wx_boot_ms(core) + wait_ms;
    const uint64_t seen = flight->landings;
    waiter mine = {0};
    if (wx_bell_init(&mine.bell, core->engine) != WXTP_OK) {
        return wx_fail_nomem(err);
    }
    wxtp_status status = WXTP_OK;
    flight->waiting++;
    while (flight->landings == seen && status == WXTP_OK) {
        wait_a_moment(core, flight, &mine);
        if (flight->landings != seen) {
            break;
        }
        if (wx_stopping(core)) {
            status = wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked");
        } else if (wx_boot_ms(core) >= end) {
            status =
                wx_fail(err, WXTP_ERR_UNAVAILABLE, "another thread's refresh of this token takes too long");
        }
    }
    if (status == WXTP_OK && flight->last_status != WXTP_OK) {
        *err = flight->last_err;
        status = flight->last_status;
    }
    flight->waiting--;
    wx_bell_destroy(&mine.bell);
    flight_forget_if_idle(core->flights, flight);
    return status;
}

wxtp_status wx_flight_join(wx_core *core, const char *key, int64_t wait_ms, wx_flight **flight, wx_err *err)
{
    wxtp_status status = WXTP_OK;
    *flight = NULL;
    pthread_mutex_lock(&core->flights->lock);
    wx_flight *found = flight_of(core, key, true);
    if (found == NULL) {
        status = wx_fail_nomem(err);
    } else if (found->flying && wait_ms <= 0) {
        status = WXTP_ERR_STATE;
    } else if (found->flying) {
        status = wait_for_landing(core, found, wait_ms, err);
    } else {
        found->flying = true;
        *flight = found;
    }
    pthread_mutex_unlock(&core->flights->lock);
    return status;
}

void wx_flight_land(wx_core *core, wx_flight *flight, wxtp_status status, const wx_err *err)
{
    pthread_mutex_lock(&core->flights->lock);
    assert(flight->flying);
    flight->flying = false;
    flight->landings++;
    flight->last_status = status;
    if (status == WXTP_OK) {
        flight->failures = 0;
        flight->retry_at_ms = 0;
    } else if (status == WXTP_ERR_STATE) {
        wx_err_clear(&flight->last_err); /* another process is at it: no failure */
    } else {
        flight->last_err = *err;
        int64_t ms = FAIL_FIRST_MS;
        for (int i = 0; i < flight->failures && ms < FAIL_MOST_MS; i++) {
            ms *= 2;
        }
        flight->failures++;
        flight->retry_at_ms = wx_boot_ms(core) + (ms < FAIL_MOST_MS ? ms : FAIL_MOST_MS);
    }
    ring_all(flight);
    flight_forget_if_idle(core->flights, flight);
    pthread_mutex_unlock(&core->flights->lock);
}

int64_t wx_flight_retry_at_ms(wx_core *core, const char *key)
{
    pthread_mutex_lock(&core->flights->lock);
    const wx_flight *flight = flight_of(core, key, false);
    const int64_t at = flight != NULL ? flight->retry_at_ms : 0;
    pthread_mutex_unlock(&core->flights->lock);
    return at;
}

/* The leader alone touches these, so they need no lock. */
wx_unsaved *wx_flight_unsaved(wx_flight *flight)
{
    return flight->unsaved;
}

void wx_flight_drop_unsaved(wx_flight *flight)
{
    if (flight->unsaved != NULL) {
        wx_unsaved_free(flight->unsaved);
        wx_free(WX_TAKE(flight->unsaved));
    }
}

bool wx_flight_keep(wx_core *core, wx_flight *flight, wx_unsaved *unsaved)
{
    if (flight->unsaved == NULL) {
        flight->unsaved = wx_alloc(&core->allocator, sizeof(*flight->unsaved));
        if (flight->unsaved == NULL) {
            return false;
        }
    } else {
        wx_unsaved_free(flight->unsaved);
    }
    *flight->unsaved = *unsaved;
    *unsaved = (wx_unsaved){0};
    return true;
}
