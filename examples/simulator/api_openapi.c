/* Quotas and the look-up of a call by its rid. */
#include "api.h"
#include "json.h"

#include <string.h>
#include <time.h>

enum { CLEARED_A_MONTH = 10, RID_LIFE_DAYS = 7 };

static int64_t daily_limit(const struct simulator *simulator, const char *appid)
{
    const struct merchant *merchant = merchant_find(&simulator->world, appid);
    return merchant && merchant->daily_quota >= 0 ? merchant->daily_quota
                                                  : simulator->world.settings.daily_quota;
}

int quota_take(struct simulator *simulator, const char *appid, const char *path)
{
    const struct settings *settings = &simulator->world.settings;
    struct counter *counter = counter_of(&simulator->world, appid, path);
    counter_turn(counter, world_now_ms(&simulator->world));
    counter->ever++;
    if (counter->today >= daily_limit(simulator, appid))
        return 45009;
    if (settings->per_minute_limit && counter->this_minute >= settings->per_minute_limit)
        return 45011;
    counter->today++;
    counter->this_minute++;
    return 0;
}

static const char *owner_of(const struct call *call)
{
    return call->merchant ? call->merchant->appid : call->component->appid;
}

static struct json_object *rate(const struct settings *settings, int64_t now)
{
    struct json_object *limit = json_object_new_object();
    json_put_integer(limit, "call_count", settings->per_minute_limit);
    json_put_integer(limit, "refresh_second", 60 - now / 1000 % 60);
    return limit;
}

SIM_CALL(call_quota_get)
{
    const char *path = json_text(call->body, "cgi_path");
    const struct route *route = path ? route_find(path) : NULL;
    if (!route || route->unmetered)
        return 76021;
    int64_t now = world_now_ms(&simulator->world);
    struct counter *counter = counter_of(&simulator->world, owner_of(call), path);
    counter_turn(counter, now);
    int64_t limit = daily_limit(simulator, owner_of(call));
    struct json_object *quota = json_object_new_object();
    json_put_integer(quota, "daily_limit", limit);
    json_put_integer(quota, "used", counter->today);
    json_put_integer(quota, "remain", limit > counter->today ? limit - counter->today : 0);
    json_put(answer, "quota", quota);
    if (simulator->world.settings.per_minute_limit) {
        json_put(answer, "rate_limit", rate(&simulator->world.settings, now));
        if (call->component)
            json_put(answer, "component_rate_limit", rate(&simulator->world.settings, now));
    }
    return 0;
}

SIM_CALL(call_rid_get)
{
    const char *rid = json_text(call->body, "rid");
    const struct journal *journal = &simulator->journal;
    const struct journal_entry *found = NULL;
    for (uint64_t seq = journal->next; rid && rid[0] && !found && seq-- > journal->first;) {
        const struct journal_entry *entry = journal_entry(journal, seq);
        if (strcmp(entry->rid, rid) == 0)
            found = entry;
    }
    int64_t now = world_now_ms(&simulator->world);
    if (!found || now - found->ms > (int64_t)RID_LIFE_DAYS * 86400000)
        return 76001;
    if (strcmp(call->merchant ? found->appid : found->component, owner_of(call)) != 0)
        return 76002;
    struct json_object *request = json_object_new_object();
    json_put_integer(request, "invoke_time", found->ms / 1000);
    json_put_integer(request, "cost_in_ms", 1);
    json_put_text(request, "request_url", found->path);
    json_put_text(request, "request_body", found->body ? found->body : "");
    json_put_text(request, "client_ip", "127.0.0.1");
    json_put(answer, "request", request);
    return 0;
}

static int64_t month_of(int64_t now_ms)
{
    time_t seconds = (time_t)(now_ms / 1000 + BEIJING_AHEAD_S);
    struct tm broken;
    gmtime_r(&seconds, &broken);
    return broken.tm_year * 12 + broken.tm_mon;
}

/* Sets every counter of the account to zero, at most ten times a month. */
static int clear(struct simulator *simulator, const char *appid)
{
    int64_t now = world_now_ms(&simulator->world);
    struct counter *cleared = counter_of(&simulator->world, appid, "(cleared)");
    if (cleared->day != month_of(now)) {
        cleared->day = month_of(now);
        cleared->today = 0;
    }
    if (cleared->today >= CLEARED_A_MONTH)
        return 48006;
    int64_t done = cleared->today;
    size_t length = strlen(appid);
    for (struct counter *at = simulator->world.counters; at; at = at->hh.next)
        if (strncmp(at->name, appid, length) == 0 && at->name[length] == ' ')
            at->today = at->this_minute = 0;
    cleared->today = ++done;
    return 0;
}

SIM_CALL(call_clear_quota)
{
    (void)answer;
    const char *appid = json_text(call->body, "appid");
    if (!appid || !appid[0])
        return 41002;
    return strcmp(appid, owner_of(call)) == 0 ? clear(simulator, appid) : 40013;
}

SIM_CALL(call_clear_quota_v2)
{
    (void)answer;
    const char *appid = json_text(call->body, "appid");
    const char *secret = json_text(call->body, "appsecret");
    if (!appid || !appid[0])
        return 41002;
    if (!secret || !secret[0])
        return 41004;
    call->merchant = merchant_find(&simulator->world, appid);
    if (!call->merchant)
        return 40013;
    if (!call->merchant->appsecret || strcmp(call->merchant->appsecret, secret) != 0)
        return 40125;
    return clear(simulator, appid);
}

SIM_CALL(call_component_clear_quota)
{
    (void)answer;
    const char *component_appid = json_text(call->body, "component_appid");
    const char *appid = json_text(call->body, "appid");
    const char *secret = json_text(call->body, "appsecret");
    if (!component_appid || !component_appid[0])
        return 41018;
    if (!appid || !appid[0])
        return 41002;
    if (!secret || !secret[0])
        return 41004;
    call->component = component_find(&simulator->world, component_appid);
    if (!call->component)
        return 40013;
    if (strcmp(call->component->appsecret, secret) != 0)
        return 40125;
    if (strcmp(appid, component_appid) != 0) {
        call->authorization = authorization_find(call->component, appid);
        if (!call->authorization || !call->authorization->authorized)
            return 61003;
    }
    return clear(simulator, appid);
}
