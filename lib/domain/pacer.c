#include "domain/pacer.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

enum {
    BUCKETS = 256,
    ENTRIES_MAX = 4096,
    SLOW_FOR_MS = 10 * 60 * 1000,
    SLOWEST_US = 30 * 1000 * 1000,
    MINUTE_MS = 60000,
    FAST_US = 10 * 1000, /* at such a pace a turn that was missed by a little is made up for */
    LATE_US = 20 * 1000,
};

typedef struct entry {
    struct entry *next;
    int64_t minute, calls;       /* calls made in that minute of wall time */
    int64_t turn_us;             /* boot time of the next turn */
    int64_t slow_us, slow_until; /* interval after a 45011, and till when (boot ms) it holds */
    int64_t slowed_minute;       /* a minute slows once, however many of its calls are refused */
    char platform[WX_APPID_MAX], appid[WX_APPID_MAX];
} entry;

struct wx_pacer {
    const wxtp_allocator *allocator;
    pthread_mutex_t lock;
    entry *buckets[BUCKETS];
    size_t count;
    int64_t renewal_us; /* boot time of the next renewal's turn */
};

wx_pacer *wx_pacer_new(const wxtp_allocator *allocator)
{
    wx_pacer *pacer = wx_alloc(allocator, sizeof(*pacer));
    if (pacer) {
        pacer->allocator = allocator;
        pthread_mutex_init(&pacer->lock, NULL);
    }
    return pacer;
}

/* Forgets entries: all of them, or those that say nothing any more. */
static void sweep(wx_pacer *pacer, bool all, int64_t now_ms)
{
    for (size_t at = 0; at < BUCKETS; at++) {
        for (entry **link = &pacer->buckets[at]; *link;) {
            entry *found = *link;
            if (all || (found->slow_until <= now_ms && found->turn_us <= now_ms * 1000)) {
                *link = found->next;
                wx_free(found);
                pacer->count--;
            } else {
                link = &found->next;
            }
        }
    }
}

void wx_pacer_free(wx_pacer *pacer)
{
    if (!pacer) {
        return;
    }
    sweep(pacer, true, 0);
    pthread_mutex_destroy(&pacer->lock);
    wx_free(pacer);
}

/* NULL when there is no memory, or no room: then the tenant goes unpaced. */
static entry *find(wx_pacer *pacer, const char *platform, const char *appid, int64_t now_ms)
{
    entry **bucket = &pacer->buckets[wx_hash(appid) % BUCKETS];
    for (entry *at = *bucket; at; at = at->next) {
        if (strcmp(at->appid, appid) == 0 && strcmp(at->platform, platform) == 0) {
            return at;
        }
    }
    if (pacer->count >= ENTRIES_MAX) {
        sweep(pacer, false, now_ms);
    }
    entry *made = pacer->count < ENTRIES_MAX ? wx_alloc(pacer->allocator, sizeof(*made)) : NULL;
    if (made) {
        wx_copy(made->platform, sizeof(made->platform), platform);
        wx_copy(made->appid, sizeof(made->appid), appid);
        made->minute = made->slowed_minute = -1;
        made->next = *bucket;
        *bucket = made;
        pacer->count++;
    }
    return made;
}

static int64_t interval_us(const wx_core *core, const entry *of, int64_t now_ms)
{
    const int rate = core->settings.rate_per_second;
    const int64_t usual = rate > 0 ? 1000000 / rate : 0;
    const int64_t slow = of->slow_until > now_ms ? of->slow_us : 0;
    return slow > usual ? slow : usual;
}

static int64_t take(entry *of, int64_t interval, int64_t now_ms, int64_t minute)
{
    const int64_t now_us = now_ms * 1000;
    if (interval > 0) {
        if (of->turn_us > now_us) {
            return (of->turn_us - now_us + 999) / 1000;
        }
        const int64_t late = interval < FAST_US ? LATE_US : 0;
        const int64_t from = of->turn_us > now_us - late ? of->turn_us : now_us;
        of->turn_us = from + interval;
    }
    if (of->minute != minute) {
        of->minute = minute;
        of->calls = 0;
    }
    of->calls++;
    return 0;
}

int64_t wx_pacer_take(wx_core *core, const char *platform, const char *appid)
{
    wx_pacer *pacer = core->pacer;
    if (!pacer) {
        return 0;
    }
    const int64_t now = wx_boot_ms(core);
    const int64_t minute = wx_wall_ms(core) / MINUTE_MS;
    pthread_mutex_lock(&pacer->lock);
    entry *of = find(pacer, platform, appid, now);
    const int64_t wait = of ? take(of, interval_us(core, of, now), now, minute) : 0;
    pthread_mutex_unlock(&pacer->lock);
    return wait;
}

/* No turn is made up for: a host that stood still does not storm afterwards. */
static int64_t take_renewal(wx_core *core)
{
    wx_pacer *pacer = core->pacer;
    const int rate = core->settings.renewals_per_second;
    const int64_t now_us = wx_boot_ms(core) * 1000;
    if (rate <= 0) {
        return 0;
    }
    pthread_mutex_lock(&pacer->lock);
    const int64_t from = pacer->renewal_us > now_us ? pacer->renewal_us : now_us;
    pacer->renewal_us = from + 1000000 / rate;
    pthread_mutex_unlock(&pacer->lock);
    return (from - now_us + 999) / 1000;
}

wxtp_status wx_pacer_renewal(wx_op *op, wx_err *err)
{
    return wx_pause(op->core, take_renewal(op->core), err);
}

/* Three quarters of what was made this minute; where that says little, half of what was allowed till now. */
static int64_t slower_us(const entry *of, int64_t now_ms, int64_t minute)
{
    const bool slowed = of->slow_until > now_ms;
    int64_t interval = slowed ? of->slow_us * 2 : 1000000;
    if (of->minute == minute && of->calls >= 8) {
        interval = (int64_t)MINUTE_MS * 1000 / ((of->calls - 1) * 3 / 4);
        if (slowed && interval < of->slow_us * 3 / 2) {
            interval = of->slow_us * 3 / 2;
        }
    }
    return interval < SLOWEST_US ? interval : SLOWEST_US;
}

void wx_pacer_slow(wx_core *core, const char *platform, const char *appid)
{
    wx_pacer *pacer = core->pacer;
    if (!pacer) {
        return;
    }
    const int64_t now = wx_boot_ms(core);
    const int64_t minute = wx_wall_ms(core) / MINUTE_MS;
    pthread_mutex_lock(&pacer->lock);
    entry *of = find(pacer, platform, appid, now);
    if (of && of->slowed_minute != minute) {
        of->slow_us = slower_us(of, now, minute);
        of->slow_until = now + SLOW_FOR_MS;
        of->slowed_minute = minute;
    }
    pthread_mutex_unlock(&pacer->lock);
}
