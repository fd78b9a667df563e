#include "domain/standing.h"

#include <string.h>

#include "base/text.h"

enum { BUCKETS = 1024, KEPT_MAX = 4096, GOOD_FOR_MS = 500 };

struct wx_standings {
    const wxtp_allocator *allocator;
    pthread_mutex_t lock;
    size_t count;
    wx_standing *buckets[BUCKETS];
};

wx_standings *wx_standings_new(const wxtp_allocator *allocator)
{
    wx_standings *made = wx_alloc(allocator, sizeof(*made));
    if (made) {
        made->allocator = allocator;
        pthread_mutex_init(&made->lock, NULL);
    }
    return made;
}

static wx_standing **bucket_of(wx_standings *standings, const char *appid)
{
    return &standings->buckets[wx_hash(appid) % BUCKETS];
}

/* With the lock held. */
static void let_go(wx_standing *standing)
{
    if (--standing->uses == 0) {
        wx_tenant_free(standing->tenant);
        wx_token_free(&standing->token);
        wx_free(standing);
    }
}

/* With the lock held: forgets those of a bucket that are over, or of `appid`, or all. */
static void thin_out(wx_standings *standings, wx_standing **bucket, const char *appid, int64_t now_boot_ms)
{
    for (wx_standing **link = bucket; *link;) {
        wx_standing *at = *link;
        if (at->until_boot_ms <= now_boot_ms || (appid && strcmp(at->tenant->row.appid, appid) == 0)) {
            *link = at->next;
            standings->count--;
            let_go(at);
        } else {
            link = &at->next;
        }
    }
}

void wx_standings_free(wx_standings *standings)
{
    if (!standings) {
        return;
    }
    for (size_t at = 0; at < BUCKETS; at++) {
        thin_out(standings, &standings->buckets[at], NULL, INT64_MAX);
    }
    pthread_mutex_destroy(&standings->lock);
    wx_free(standings);
}

static bool good(wx_core *core, const wx_standing *standing)
{
    return standing->until_boot_ms > wx_boot_ms(core) &&
           (!standing->token.text || standing->token.expires_ms - WX_EXPIRY_MARGIN_MS > wx_wall_ms(core));
}

wx_standing *wx_standing_find(wx_core *core, const char *appid, const wx_api *api)
{
    wx_standings *standings = core->standings;
    pthread_mutex_lock(&standings->lock);
    wx_standing *found = *bucket_of(standings, appid);
    while (found && (found->api != api || strcmp(found->tenant->row.appid, appid) != 0)) {
        found = found->next;
    }
    if (found && good(core, found)) {
        found->uses++;
    } else {
        found = NULL;
    }
    pthread_mutex_unlock(&standings->lock);
    return found;
}

/* With the lock held. */
static void keep(wx_core *core, wx_standing *made)
{
    wx_standings *standings = core->standings;
    wx_standing **bucket = bucket_of(standings, made->tenant->row.appid);
    const int64_t now = wx_boot_ms(core);
    if (standings->count >= KEPT_MAX) {
        for (size_t at = 0; at < BUCKETS; at++) {
            thin_out(standings, &standings->buckets[at], NULL, now);
        }
    }
    if (standings->count < KEPT_MAX) {
        thin_out(standings, bucket, NULL, now);
        made->until_boot_ms = now + GOOD_FOR_MS;
        made->next = *bucket;
        *bucket = made;
        made->uses++;
        standings->count++;
    }
}

wx_standing *wx_standing_new(wx_core *core, wx_tenant **tenant, wx_token *token, const wx_api *api, bool kept)
{
    wx_standing *made = wx_alloc(&core->allocator, sizeof(*made));
    if (!made) {
        return NULL;
    }
    made->uses = 1;
    made->tenant = WX_TAKE(*tenant);
    made->token = *token;
    *token = (wx_token){.text = NULL};
    made->api = api;
    atomic_init(&made->confirmed, false);
    /* The token file of a cloud account is looked at before each call. */
    if (kept && made->tenant->row.credential != WXTP_CREDENTIAL_CLOUD) {
        pthread_mutex_lock(&core->standings->lock);
        keep(core, made);
        pthread_mutex_unlock(&core->standings->lock);
    }
    return made;
}

void wx_standing_release(wx_core *core, wx_standing *standing)
{
    if (standing) {
        pthread_mutex_lock(&core->standings->lock);
        let_go(standing);
        pthread_mutex_unlock(&core->standings->lock);
    }
}

void wx_standing_drop(wx_core *core, const char *appid)
{
    wx_standings *standings = core->standings;
    pthread_mutex_lock(&standings->lock);
    thin_out(standings, bucket_of(standings, appid), appid, 0);
    pthread_mutex_unlock(&standings->lock);
}
