#include "world.h"
#include "json.h"
#include "memory.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

enum { TOKENS_KEPT = 128, TOKEN_TEXT_MOST = 4096 };

static const char ALPHABET[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static const char *const PREFIX[] = {
    [TOKEN_TICKET] = "ticket@@@",
    [TOKEN_COMPONENT] = "90_",
    [TOKEN_PRE_AUTH_CODE] = "preauthcode@@@",
    [TOKEN_CODE] = "queryauthcode@@@",
    [TOKEN_ACCESS] = "91_",
    [TOKEN_REFRESH] = "refreshtoken@@@",
    [TOKEN_STABLE] = "92_",
    [TOKEN_OWN] = "93_",
    [TOKEN_CLOUD] = "cloud_",
};

static const char *const NAME[] = {
    [TOKEN_TICKET] = "ticket",
    [TOKEN_COMPONENT] = "component",
    [TOKEN_PRE_AUTH_CODE] = "pre_auth_code",
    [TOKEN_CODE] = "code",
    [TOKEN_ACCESS] = "access",
    [TOKEN_REFRESH] = "refresh",
    [TOKEN_STABLE] = "stable",
    [TOKEN_OWN] = "own",
    [TOKEN_CLOUD] = "cloud",
};

static const char *const KINDS[] = {
    [KIND_SERVICE] = "service",
    [KIND_SUBSCRIPTION] = "subscription",
    [KIND_MINI_PROGRAM] = "mini_program",
    [KIND_CHANNELS] = "channels",
};

void world_open(struct world *world)
{
    memset(world, 0, sizeof *world);
    settings_default(&world->settings);
}

static void people_free(struct merchant *merchant)
{
    struct person *person = NULL;
    struct person *next = NULL;
    HASH_ITER(hh, merchant->people, person, next)
    {
        HASH_DEL(merchant->people, person);
        free(person->openid);
        free(person);
    }
}

static void component_free(struct component *component)
{
    struct authorization *authorization = NULL;
    struct authorization *next = NULL;
    HASH_ITER(hh, component->authorizations, authorization, next)
    {
        HASH_DEL(component->authorizations, authorization);
        free(authorization);
    }
    free(component->appsecret);
    free(component->push_token);
    free(component->aes_key);
    free(component->previous_push_token);
    free(component->previous_aes_key);
    free(component->callback_url);
    free(component);
}

static void merchant_free(struct merchant *merchant)
{
    people_free(merchant);
    free(merchant->nick_name);
    free(merchant->principal_name);
    free(merchant->user_name);
    free(merchant->alias);
    free(merchant->appsecret);
    free(merchant);
}

void world_close(struct world *world)
{
    struct token *token = NULL;
    struct token *next_token = NULL;
    HASH_ITER(hh, world->tokens, token, next_token)
    {
        HASH_DEL(world->tokens, token);
        free(token->text);
        free(token);
    }
    struct component *component = NULL;
    struct component *next_component = NULL;
    HASH_ITER(hh, world->components, component, next_component)
    {
        HASH_DEL(world->components, component);
        component_free(component);
    }
    struct merchant *merchant = NULL;
    struct merchant *next_merchant = NULL;
    HASH_ITER(hh, world->merchants, merchant, next_merchant)
    {
        HASH_DEL(world->merchants, merchant);
        merchant_free(merchant);
    }
    struct counter *counter = NULL;
    struct counter *next_counter = NULL;
    HASH_ITER(hh, world->counters, counter, next_counter)
    {
        HASH_DEL(world->counters, counter);
        free(counter->name);
        free(counter);
    }
    json_object_put(world->cloud.paths);
    json_object_put(world->cloud.from_appids);
    memset(world, 0, sizeof *world);
}

int64_t world_now_ms(const struct world *world)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + world->offset_ms;
}

int64_t beijing_day(int64_t now_ms)
{
    return (now_ms / 1000 + BEIJING_AHEAD_S) / 86400;
}

struct component *component_find(const struct world *world, const char *appid)
{
    struct component *found = NULL;
    if (appid)
        HASH_FIND_STR(world->components, appid, found);
    return found;
}

struct component *component_add(struct world *world, const char *appid)
{
    struct component *component = sim_alloc(sizeof *component);
    memcpy(component->appid, appid, strlen(appid) + 1);
    component->ip_allowed = true;
    component->last_ticket_ms = world_now_ms(world);
    HASH_ADD_STR(world->components, appid, component);
    return component;
}

struct merchant *merchant_find(const struct world *world, const char *appid)
{
    struct merchant *found = NULL;
    if (appid)
        HASH_FIND_STR(world->merchants, appid, found);
    return found;
}

struct merchant *merchant_add(struct world *world, const char *appid)
{
    struct merchant *merchant = sim_alloc(sizeof *merchant);
    memcpy(merchant->appid, appid, strlen(appid) + 1);
    merchant->service_type = 2;
    merchant->account_status = 1;
    merchant->organisation = true;
    merchant->ip_allowed = true;
    merchant->api_rights = true;
    merchant->daily_quota = -1;
    merchant->nick_name = sim_format("Merchant %s", appid);
    merchant->principal_name = sim_format("Company of %s", appid);
    merchant->user_name = sim_format("gh_%s", appid);
    merchant->alias = sim_copy("");
    HASH_ADD_STR(world->merchants, appid, merchant);
    return merchant;
}

struct authorization *authorization_find(const struct component *component, const char *appid)
{
    struct authorization *found = NULL;
    if (appid)
        HASH_FIND_STR(component->authorizations, appid, found);
    return found;
}

struct authorization *authorization_add(struct component *component, const char *appid)
{
    struct authorization *authorization = sim_alloc(sizeof *authorization);
    memcpy(authorization->appid, appid, strlen(appid) + 1);
    memcpy(authorization->location_report, "0", 2);
    memcpy(authorization->voice_recognize, "0", 2);
    memcpy(authorization->customer_service, "0", 2);
    HASH_ADD_STR(component->authorizations, appid, authorization);
    return authorization;
}

bool set_has(const uint64_t *sets, int64_t id)
{
    return id >= 0 && id <= LARGEST_SET && (sets[id / 64] >> (id % 64) & 1);
}

void set_put(uint64_t *sets, int64_t id)
{
    sets[id / 64] |= (uint64_t)1 << (id % 64);
}

bool merchant_certified(const struct merchant *merchant)
{
    int64_t type = merchant->verify_type;
    return type == 0 || type == 3 || type == 4 || type == 5;
}

const char *account_kind_name(enum account_kind kind)
{
    return KINDS[kind];
}

bool account_kind_read(const char *name, enum account_kind *kind)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (strcmp(KINDS[i], name) == 0) {
            *kind = (enum account_kind)i;
            return true;
        }
    }
    return false;
}

void random_text(char *text, size_t size)
{
    unsigned char bytes[TOKEN_TEXT_MOST];
    size = size < sizeof bytes ? size : sizeof bytes;
    if (RAND_bytes(bytes, (int)size) != 1)
        abort();
    for (size_t i = 0; i < size; i++)
        text[i] = ALPHABET[bytes[i] & 63];
    text[size] = '\0';
}

static void token_forget(struct world *world, struct token *token)
{
    DL_DELETE(token->line->tokens, token);
    token->line->kept--;
    HASH_DEL(world->tokens, token);
    free(token->text);
    free(token);
}

static char *token_text(const struct world *world, enum token_kind kind)
{
    size_t prefix = strlen(PREFIX[kind]);
    size_t size = (size_t)world->settings.token_length;
    char *text = sim_alloc(size + 1);
    memcpy(text, PREFIX[kind], prefix);
    random_text(text + prefix, size - prefix);
    return text;
}

struct token *token_mint(struct world *world, struct credential *line, enum token_kind kind, int64_t life_s,
                         struct token_owner owner, const char *text)
{
    struct token *token = sim_alloc(sizeof *token);
    token->text = text ? sim_copy(text) : token_text(world, kind);
    token->kind = kind;
    token->generation = ++line->generation;
    token->issued_ms = world_now_ms(world);
    token->expires_ms = life_s ? token->issued_ms + life_s * 1000 : INT64_MAX;
    token->dead_ms = INT64_MAX;
    token->component = owner.component;
    token->merchant = owner.merchant;
    token->authorization = owner.authorization;
    token->line = line;
    DL_APPEND(line->tokens, token);
    HASH_ADD_KEYPTR(hh, world->tokens, token->text, strlen(token->text), token);
    /* The memory of dead tokens is bounded: the oldest of a long line is forgotten. */
    if (++line->kept > TOKENS_KEPT)
        token_forget(world, line->tokens);
    return token;
}

struct token *token_find(const struct world *world, const char *text)
{
    struct token *found = NULL;
    if (text)
        HASH_FIND_STR(world->tokens, text, found);
    return found;
}

const char *token_kind_name(enum token_kind kind)
{
    return NAME[kind];
}

bool token_alive(const struct token *token, int64_t now_ms)
{
    return now_ms < token->expires_ms && now_ms < token->dead_ms;
}

struct token *credential_newest(const struct credential *line, int64_t now_ms)
{
    struct token *last = line->tokens ? line->tokens->prev : NULL;
    return last && token_alive(last, now_ms) ? last : NULL;
}

void credential_retire(struct credential *line, const struct token *keep, int64_t dead_ms)
{
    struct token *token = NULL;
    DL_FOREACH(line->tokens, token)
    {
        if (token != keep && dead_ms < token->dead_ms)
            token->dead_ms = dead_ms;
    }
}

struct person *person_find(const struct merchant *merchant, const char *openid)
{
    struct person *found = NULL;
    HASH_FIND_STR(merchant->people, openid, found);
    return found;
}

struct person *person_know(struct merchant *merchant, const char *openid)
{
    struct person *person = person_find(merchant, openid);
    if (!person) {
        person = sim_alloc(sizeof *person);
        person->openid = sim_copy(openid);
        HASH_ADD_KEYPTR(hh, merchant->people, person->openid, strlen(person->openid), person);
    }
    return person;
}

void person_blacklist(struct merchant *merchant, struct person *person, bool blacklisted)
{
    if (person->blacklisted == blacklisted)
        return;
    person->blacklisted = blacklisted;
    if (blacklisted) {
        person->place = ++merchant->next_place;
        DL_APPEND(merchant->blacklist, person);
        merchant->blacklisted++;
    } else {
        DL_DELETE(merchant->blacklist, person);
        merchant->blacklisted--;
    }
}

struct counter *counter_of(struct world *world, const char *appid, const char *path)
{
    char name[512];
    size_t length = (size_t)snprintf(name, sizeof name, "%s %s", appid, path);
    length = length < sizeof name ? length : sizeof name - 1;
    struct counter *counter = NULL;
    HASH_FIND(hh, world->counters, name, length, counter);
    if (!counter) {
        counter = sim_alloc(sizeof *counter);
        counter->name = sim_copy(name);
        HASH_ADD_KEYPTR(hh, world->counters, counter->name, length, counter);
    }
    return counter;
}

void counter_turn(struct counter *counter, int64_t now_ms)
{
    if (counter->day != beijing_day(now_ms)) {
        counter->day = beijing_day(now_ms);
        counter->today = 0;
    }
    if (counter->minute != now_ms / 60000) {
        counter->minute = now_ms / 60000;
        counter->this_minute = 0;
    }
}
