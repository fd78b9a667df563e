#include "domain/slots.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

enum { BUCKETS = 1024, TENTH = 10, LOOK_MS = 500, CROWD_MS = 1000 };

typedef struct waiter {
    struct waiter *next;
    wx_bell bell;
    bool granted;
} waiter;

/* A tenant that has calls in flight, or waits for a place. */
typedef struct guest {
    struct guest *next;                  /* in its bucket */
    struct guest *ring_next, *ring_back; /* of those who wait */
    int in_flight;
    waiter *first, **last;
    char appid[WX_APPID_MAX];
} guest;

struct wx_slots {
    const wxtp_allocator *allocator;
    pthread_mutex_t lock;
    int places, free;
    int guests;            /* tenants that are there now */
    int crowd;             /* the most that were there together within the last second or so */
    int64_t crowd_boot_ms; /* when */
    guest *turn;           /* whose turn is next; NULL: nobody waits */
    guest *buckets[BUCKETS];
};

wx_slots *wx_slots_new(const wxtp_allocator *allocator, int places)
{
    wx_slots *slots = wx_alloc(allocator, sizeof(*slots));
    if (slots) {
        slots->allocator = allocator;
        slots->places = slots->free = places;
        pthread_mutex_init(&slots->lock, NULL);
    }
    return slots;
}

void wx_slots_free(wx_slots *slots)
{
    if (slots) {
        assert(slots->free == slots->places && !slots->turn);
        pthread_mutex_destroy(&slots->lock);
        wx_free(slots);
    }
}

/* ---- With the lock held ---- */

static guest *find(wx_slots *slots, const char *appid, bool make)
{
    guest **bucket = &slots->buckets[wx_hash(appid) % BUCKETS];
    for (guest *at = *bucket; at; at = at->next) {
        if (strcmp(at->appid, appid) == 0) {
            return at;
        }
    }
    guest *made = make ? wx_alloc(slots->allocator, sizeof(*made)) : NULL;
    if (made) {
        (void)wx_copy(made->appid, sizeof(made->appid), appid);
        made->last = &made->first;
        made->next = *bucket;
        *bucket = made;
        slots->guests++;
    }
    return made;
}

static void forget_if_idle(wx_slots *slots, guest *g)
{
    if (g->in_flight > 0 || g->first) {
        return;
    }
    guest **link = &slots->buckets[wx_hash(g->appid) % BUCKETS];
    while (*link != g) {
        link = &(*link)->next;
    }
    *link = g->next;
    slots->guests--;
    wx_free(g);
}

static void enter_ring(wx_slots *slots, guest *g)
{
    if (!slots->turn) {
        g->ring_next = g->ring_back = g;
        slots->turn = g;
        return;
    }
    g->ring_next = slots->turn; /* last in turn */
    g->ring_back = slots->turn->ring_back;
    g->ring_back->ring_next = g;
    g->ring_next->ring_back = g;
}

static void leave_ring(wx_slots *slots, guest *g)
{
    if (g->ring_next == g) {
        slots->turn = NULL;
    } else {
        g->ring_back->ring_next = g->ring_next;
        g->ring_next->ring_back = g->ring_back;
        slots->turn = slots->turn == g ? g->ring_next : slots->turn;
    }
    g->ring_next = g->ring_back = NULL;
}

static void count_crowd(wx_slots *slots, int64_t now_boot_ms)
{
    if (slots->guests >= slots->crowd || now_boot_ms - slots->crowd_boot_ms > CROWD_MS) {
        slots->crowd = slots->guests;
        slots->crowd_boot_ms = now_boot_ms;
    }
}

/* An even share, and one left over for who comes next. */
static int even_share(const wx_slots *slots)
{
    return (slots->places + slots->crowd) / (slots->crowd + 1);
}

/* How many calls of one tenant may be in flight. Alone it has all places; with others an even share, and
 * never less than a tenth. Who has just been there counts: a tenant whose
 * answers are slow would else take each place that is free for a moment, and keep it for long. */
static int share_of(const wx_slots *slots)
{
    const int even = even_share(slots);
    const int tenth = slots->places / TENTH;
    return slots->crowd <= 1 ? slots->places : even > tenth ? even : tenth;
}

/* The next in turn that has less than its share; NULL: all have it. */
static guest *next_guest(const wx_slots *slots)
{
    const int share = share_of(slots);
    guest *at = slots->turn;
    do {
        if (at->in_flight < share) {
            return at;
        }
        at = at->ring_next;
    } while (at != slots->turn);
    return NULL;
}

static void grant(wx_slots *slots)
{
    for (guest *g; slots->free > 0 && slots->turn && (g = next_guest(slots)) != NULL;) {
        waiter *w = g->first;
        g->first = w->next;
        slots->turn = g->ring_next;
        if (!g->first) {
            g->last = &g->first;
            leave_ring(slots, g);
        }
        g->in_flight++;
        slots->free--;
        w->granted = true;
        wx_bell_ring(&w->bell);
    }
}

static void give_up(wx_slots *slots, guest *g, waiter *w)
{
    waiter **link = &g->first;
    while (*link != w) {
        link = &(*link)->next;
    }
    *link = w->next;
    if (g->last == &w->next) {
        g->last = link;
    }
    if (!g->first) {
        leave_ring(slots, g);
    }
    forget_if_idle(slots, g);
}

/* ---- Taking and giving ---- */

static void queue_up(wx_slots *slots, guest *g, waiter *w)
{
    if (!g->first) {
        enter_ring(slots, g);
    }
    *g->last = w;
    g->last = &w->next;
}

/* With the lock held, which it gives back meanwhile. */
static wxtp_status wait_in(wx_core *core, guest *g, wxtp_status (*go_on)(void *user, wx_err *err), void *user,
                           wx_err *err)
{
    wx_slots *slots = core->slots;
    waiter mine = {.next = NULL};
    if (wx_bell_init(&mine.bell, core->engine) != WXTP_OK) {
        return wx_fail_nomem(err);
    }
    queue_up(slots, g, &mine);
    wxtp_status status = WXTP_OK;
    while (!mine.granted && status == WXTP_OK) {
        pthread_mutex_unlock(&slots->lock);
        (void)wx_bell_wait(&mine.bell, LOOK_MS);
        if (wx_stopping(core)) {
            status = wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked");
        } else if (go_on) {
            status = go_on(user, err);
        }
        pthread_mutex_lock(&slots->lock);
        count_crowd(slots, wx_boot_ms(core)); /* it may have thinned while nobody moved */
        grant(slots);
    }
    if (!mine.granted) {
        give_up(slots, g, &mine);
    } else if (status != WXTP_OK) { /* granted while it was told to end: what follows sees that again */
        status = WXTP_OK;
    }
    wx_bell_destroy(&mine.bell);
    return status;
}

wxtp_status wx_slot_take(wx_core *core, const char *appid, wxtp_status (*go_on)(void *user, wx_err *err),
                         void *user, bool *waited, wx_err *err)
{
    wx_slots *slots = core->slots;
    wxtp_status status = WXTP_OK;
    *waited = false;
    pthread_mutex_lock(&slots->lock);
    guest *g = find(slots, appid, true);
    if (!g) {
        status = wx_fail_nomem(err);
    } else {
        count_crowd(slots, wx_boot_ms(core));
        if (slots->free > 0 && !g->first && g->in_flight < share_of(slots)) {
            slots->free--;
            g->in_flight++;
        } else {
            *waited = true;
            status = wait_in(core, g, go_on, user, err);
        }
    }
    pthread_mutex_unlock(&slots->lock);
    return status;
}

void wx_slot_give(wx_core *core, const char *appid)
{
    wx_slots *slots = core->slots;
    pthread_mutex_lock(&slots->lock);
    guest *g = find(slots, appid, false);
    assert(g && g->in_flight > 0);
    slots->free++;
    if (g) {
        g->in_flight--;
        count_crowd(slots, wx_boot_ms(core));
        grant(slots);
        forget_if_idle(slots, g);
    }
    pthread_mutex_unlock(&slots->lock);
}

int wx_slot_callers(wx_core *core)
{
    wx_slots *slots = core->slots;
    pthread_mutex_lock(&slots->lock);
    count_crowd(slots, wx_boot_ms(core));
    const int even = slots->crowd <= 1 ? slots->places : even_share(slots);
    pthread_mutex_unlock(&slots->lock);
    return even;
}
