#include "domain/slots.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

enum {
    BUCKETS = 1024,
    LOOK_MS = 500,
    CROWD_MS = 1000,
    QUICK_MS = 100, /* a place that is held no longer comes free soon enough for who comes next */
    QUARTER = 4,
};

typedef struct waiter {
    struct waiter *next;
    wx_bell bell;
    bool granted;
    int64_t granted_boot_ms;
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
    int guests;               /* tenants that are there now */
    int crowd;                /* the most that were there together within the last second or so */
    int64_t crowd_boot_ms;    /* when */
    char first[WX_APPID_MAX]; /* who came first of all */
    bool several;             /* others came since */
    int64_t held_ms;          /* how long places were held of late */
    int64_t since_sum_ms;     /* over the places that are taken: when */
    guest *turn;              /* whose turn is next; NULL: nobody waits */
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

static void note_others(wx_slots *slots, const char *appid)
{
    if (!slots->first[0]) {
        (void)wx_copy(slots->first, sizeof(slots->first), appid);
    }
    slots->several = slots->several || strcmp(slots->first, appid) != 0;
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

/* How long a place is held: as those that were given back, or as those that are not yet. */
static int64_t hold_ms(const wx_slots *slots, int64_t now_boot_ms)
{
    const int taken = slots->places - slots->free;
    const int64_t age_ms = taken > 0 ? now_boot_ms - slots->since_sum_ms / taken : 0;
    return age_ms > slots->held_ms ? age_ms : slots->held_ms;
}

/* Who is alone has all places while they come free quickly, or where nobody else ever came. With slow answers
 * it would keep them for long from who comes next, and leaves some. */
static int share_alone(const wx_slots *slots, int64_t now_boot_ms)
{
    const int64_t hold = hold_ms(slots, now_boot_ms);
    if (!slots->several || hold <= QUICK_MS) {
        return slots->places;
    }
    const int share = (int)((int64_t)slots->places * QUICK_MS / hold);
    const int quarter = (slots->places + QUARTER - 1) / QUARTER;
    return share > quarter ? share : quarter;
}

/* How many calls of one tenant may be in flight. Who has just been there counts: a tenant whose answers are
 * slow would else take each place that is free for a moment, and keep it for long. */
static int share_of(const wx_slots *slots, int64_t now_boot_ms)
{
    return slots->crowd <= 1 ? share_alone(slots, now_boot_ms) : even_share(slots);
}

/* The next in turn that has less than its share; NULL: all have it. */
static guest *next_guest(const wx_slots *slots, int64_t now_boot_ms)
{
    const int share = share_of(slots, now_boot_ms);
    guest *at = slots->turn;
    do {
        if (at->in_flight < share) {
            return at;
        }
        at = at->ring_next;
    } while (at != slots->turn);
    return NULL;
}

static void occupy(wx_slots *slots, guest *g, int64_t now_boot_ms)
{
    g->in_flight++;
    slots->free--;
    slots->since_sum_ms += now_boot_ms;
}

static void vacate(wx_slots *slots, guest *g, const wx_slot *slot, int64_t now_boot_ms)
{
    g->in_flight--;
    slots->free++;
    slots->since_sum_ms -= slot->since_boot_ms;
    slots->held_ms = (slots->held_ms + now_boot_ms - slot->since_boot_ms) / 2; /* soon forgets */
}

static void grant(wx_slots *slots, int64_t now_boot_ms)
{
    for (guest *g; slots->free > 0 && slots->turn && (g = next_guest(slots, now_boot_ms)) != NULL;) {
        waiter *w = g->first;
        g->first = w->next;
        slots->turn = g->ring_next;
        if (!g->first) {
            g->last = &g->first;
            leave_ring(slots, g);
        }
        occupy(slots, g, now_boot_ms);
        w->granted_boot_ms = now_boot_ms;
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
                           wx_slot *slot, wx_err *err)
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
        const int64_t now_boot_ms = wx_boot_ms(core);
        count_crowd(slots, now_boot_ms); /* it may have thinned while nobody moved */
        grant(slots, now_boot_ms);
    }
    if (!mine.granted) {
        give_up(slots, g, &mine);
    } else if (status != WXTP_OK) { /* granted while it was told to end: what follows sees that again */
        status = WXTP_OK;
    }
    slot->since_boot_ms = mine.granted_boot_ms;
    wx_bell_destroy(&mine.bell);
    return status;
}

wxtp_status wx_slot_take(wx_core *core, const char *appid, wxtp_status (*go_on)(void *user, wx_err *err),
                         void *user, wx_slot *slot, wx_err *err)
{
    wx_slots *slots = core->slots;
    wxtp_status status = WXTP_OK;
    pthread_mutex_lock(&slots->lock);
    guest *g = find(slots, appid, true);
    if (!g) {
        status = wx_fail_nomem(err);
    } else {
        note_others(slots, appid);
        *slot = (wx_slot){.appid = appid, .since_boot_ms = wx_boot_ms(core)};
        count_crowd(slots, slot->since_boot_ms);
        if (slots->free > 0 && !g->first && g->in_flight < share_of(slots, slot->since_boot_ms)) {
            occupy(slots, g, slot->since_boot_ms);
        } else {
            status = wait_in(core, g, go_on, user, slot, err);
        }
    }
    pthread_mutex_unlock(&slots->lock);
    return status;
}

void wx_slot_give(wx_core *core, const wx_slot *slot)
{
    wx_slots *slots = core->slots;
    pthread_mutex_lock(&slots->lock);
    guest *g = find(slots, slot->appid, false);
    assert(g && g->in_flight > 0);
    if (g) {
        const int64_t now_boot_ms = wx_boot_ms(core);
        vacate(slots, g, slot, now_boot_ms);
        count_crowd(slots, now_boot_ms);
        grant(slots, now_boot_ms);
        forget_if_idle(slots, g);
    }
    pthread_mutex_unlock(&slots->lock);
}

int wx_slot_callers(wx_core *core)
{
    wx_slots *slots = core->slots;
    pthread_mutex_lock(&slots->lock);
    const int64_t now_boot_ms = wx_boot_ms(core);
    count_crowd(slots, now_boot_ms);
    const int share = share_of(slots, now_boot_ms);
    pthread_mutex_unlock(&slots->lock);
    return share;
}
