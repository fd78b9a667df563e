/* Orders about platforms, accounts and the cloud, and what they look like now. */
#include "control.h"
#include "json.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

static const char COMPONENT_KEYS[] = "component_appid appsecret token encoding_aes_key previous_token "
                                     "previous_encoding_aes_key callback_url ticket ip_allowed pushing";
static const char MERCHANT_KEYS[] =
    "appid component_appid kind service_type verify_type account_status permission_sets nick_name "
    "principal_name "
    "user_name alias appsecret organisation api_rights ip_allowed authorized exchanged blacklist followers "
    "any_openid_valid bad_openids openid_errcodes token_life_s daily_quota";

static bool good_appid(const char *appid)
{
    return appid && appid[0] && strlen(appid) < APPID_SIZE;
}

static bool life_in_bounds(struct json_object *order, const char *key)
{
    int64_t life = json_integer_or(order, key, 0);
    return life >= 0 && life <= LIFE_MOST_S;
}

static void replace_from(struct json_object *order, const char *key, char **slot)
{
    const char *text = json_text(order, key);
    if (text)
        sim_replace(slot, text);
}

/* A changed Token or key leaves the one before as the previous one. */
static void change_key(struct json_object *order, const char *key, char **now, char **previous)
{
    const char *text = json_text(order, key);
    if (!text || (*now && strcmp(*now, text) == 0))
        return;
    if (*now)
        sim_replace(previous, *now);
    sim_replace(now, text);
}

void control_set_component(struct control *control)
{
    struct world *world = &control->simulator->world;
    struct json_object *order = control->order;
    const char *appid = json_text(order, "component_appid");
    const char *key = json_text(order, "encoding_aes_key");
    unsigned char bytes[32];
    if (!json_only(order, COMPONENT_KEYS, control->why, sizeof control->why))
        return;
    struct component *component = component_find(world, appid);
    if (!good_appid(appid) ||
        (!component && (!json_text(order, "appsecret") || !json_text(order, "token") || !key))) {
        control_refuse(control, "component_appid, appsecret, token and encoding_aes_key are needed");
        return;
    }
    if (key && !aes_key_decode(key, bytes)) {
        control_refuse(control, "encoding_aes_key: 43 characters of base64");
        return;
    }
    if (!component)
        component = component_add(world, appid);
    replace_from(order, "appsecret", &component->appsecret);
    replace_from(order, "callback_url", &component->callback_url);
    if (component->callback_url && !component->callback_url[0]) {
        free(component->callback_url);
        component->callback_url = NULL;
    }
    change_key(order, "token", &component->push_token, &component->previous_push_token);
    change_key(order, "encoding_aes_key", &component->aes_key, &component->previous_aes_key);
    replace_from(order, "previous_token", &component->previous_push_token);
    replace_from(order, "previous_encoding_aes_key", &component->previous_aes_key);
    component->ip_allowed = json_flag(order, "ip_allowed", component->ip_allowed);
    component->pushing = json_flag(order, "pushing", component->pushing);
    const char *ticket = json_text(order, "ticket");
    if (ticket && token_find(world, ticket))
        control_refuse(control, "ticket: in use already");
    else if (ticket)
        token_mint(world, &component->tickets, TOKEN_TICKET, world->settings.ticket_life_s,
                   (struct token_owner){.component = component}, ticket);
}

static bool read_sets(struct control *control, struct json_object *list, uint64_t *sets)
{
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    memset(sets, 0, (LARGEST_SET + 1) / 8);
    for (size_t i = 0; i < count; i++) {
        int64_t id = json_object_get_int64(json_object_array_get_idx(list, i));
        if (id < 0 || id > LARGEST_SET)
            return control_refuse(control, "permission_sets: 0 to %d", LARGEST_SET);
        set_put(sets, id);
    }
    return true;
}

static void read_people(struct merchant *merchant, struct json_object *order)
{
    static const char *const LISTS[] = {"followers", "blacklist", "bad_openids"};
    for (size_t kind = 0; kind < 3; kind++) {
        struct json_object *list = json_get(order, LISTS[kind]);
        if (!json_object_is_type(list, json_type_array))
            continue;
        if (kind == 1) {
            while (merchant->blacklist)
                person_blacklist(merchant, merchant->blacklist, false);
        }
        size_t count = json_object_array_length(list);
        for (size_t i = 0; i < count; i++) {
            const char *openid = json_plain_text(json_object_array_get_idx(list, i));
            if (!openid)
                continue;
            struct person *person = person_know(merchant, openid);
            if (kind == 1)
                person_blacklist(merchant, person, true);
            if (kind == 2)
                person->errcode = 40003;
        }
    }
    struct json_object *errcodes = json_get(order, "openid_errcodes");
    if (!json_object_is_type(errcodes, json_type_object))
        return;
    json_object_object_foreach(errcodes, openid, errcode)
    {
        person_know(merchant, openid)->errcode = json_object_get_int(errcode);
    }
}

static void read_numbers(struct merchant *merchant, struct json_object *order)
{
    merchant->service_type = json_integer_or(order, "service_type", merchant->service_type);
    merchant->verify_type = json_integer_or(order, "verify_type", merchant->verify_type);
    merchant->account_status = json_integer_or(order, "account_status", merchant->account_status);
    merchant->token_life_s = json_integer_or(order, "token_life_s", merchant->token_life_s);
    merchant->daily_quota = json_integer_or(order, "daily_quota", merchant->daily_quota);
    merchant->organisation = json_flag(order, "organisation", merchant->organisation);
    merchant->api_rights = json_flag(order, "api_rights", merchant->api_rights);
    merchant->ip_allowed = json_flag(order, "ip_allowed", merchant->ip_allowed);
    merchant->any_openid_valid = json_flag(order, "any_openid_valid", merchant->any_openid_valid);
}

/* `authorized` and `exchanged`, without a push: as if it had happened long ago. */
static void read_authorization(struct control *control, struct json_object *order, struct merchant *merchant)
{
    struct world *world = &control->simulator->world;
    if (!json_has(order, "authorized") && !json_has(order, "exchanged"))
        return;
    const char *appid = json_text(order, "component_appid");
    struct component *component = appid ? component_find(world, appid) : world->components;
    if (!component) {
        control_refuse(control, "authorized: no such component");
        return;
    }
    struct authorization *authorization = authorization_find(component, merchant->appid);
    int64_t now = world_now_ms(world);
    if (!authorization)
        authorization = authorization_add(component, merchant->appid);
    authorization->authorized = json_flag(order, "authorized", true);
    authorization->auth_time_ms = now;
    memcpy(authorization->sets, merchant->sets, sizeof merchant->sets);
    if (!authorization->authorized) {
        credential_retire(&authorization->access, NULL, now);
        credential_retire(&authorization->refresh, NULL, now);
    } else if (json_flag(order, "exchanged", false)) {
        struct token_owner owner = {component, merchant, authorization};
        token_mint(world, &authorization->access, TOKEN_ACCESS, world->settings.token_life_s, owner, NULL);
        token_mint(world, &authorization->refresh, TOKEN_REFRESH, 0, owner, NULL);
        authorization->exchanged = true;
    }
}

static void set_merchant(struct control *control, struct json_object *order)
{
    struct world *world = &control->simulator->world;
    const char *appid = json_text(order, "appid");
    const char *kind = json_text(order, "kind");
    enum account_kind read = KIND_SERVICE;
    uint64_t sets[(LARGEST_SET + 1) / 64];
    if (!json_only(order, MERCHANT_KEYS, control->why, sizeof control->why))
        return;
    if (!good_appid(appid) || (kind && !account_kind_read(kind, &read))) {
        control_refuse(control, "appid, and kind: service, subscription, mini_program or channels");
        return;
    }
    if (!life_in_bounds(order, "token_life_s")) {
        control_refuse(control, "token_life_s: 0 to %d", LIFE_MOST_S);
        return;
    }
    if (!read_sets(control, json_get(order, "permission_sets"), sets))
        return;
    struct merchant *merchant = merchant_find(world, appid);
    if (!merchant)
        merchant = merchant_add(world, appid);
    if (kind) {
        merchant->kind = read;
        merchant->service_type = read == KIND_SERVICE ? 2 : 0;
    }
    if (json_has(order, "permission_sets"))
        memcpy(merchant->sets, sets, sizeof sets);
    read_numbers(merchant, order);
    replace_from(order, "nick_name", &merchant->nick_name);
    replace_from(order, "principal_name", &merchant->principal_name);
    replace_from(order, "user_name", &merchant->user_name);
    replace_from(order, "alias", &merchant->alias);
    replace_from(order, "appsecret", &merchant->appsecret);
    read_people(merchant, order);
    read_authorization(control, order, merchant);
}

void control_set_merchant(struct control *control)
{
    struct json_object *many = json_get(control->order, "merchants");
    if (!json_object_is_type(many, json_type_array)) {
        set_merchant(control, control->order);
        return;
    }
    size_t count = json_object_array_length(many);
    for (size_t i = 0; i < count && !control->why[0]; i++)
        set_merchant(control, json_object_array_get_idx(many, i));
}

static struct json_object *show_sets(const uint64_t *sets)
{
    struct json_object *list = json_object_new_array();
    for (int64_t id = 0; id <= LARGEST_SET; id++)
        if (set_has(sets, id))
            json_object_array_add(list, json_object_new_int64(id));
    return list;
}

/* Every token of the line that still works, the newest last, and how many there ever were. */
static struct json_object *show_line(const struct world *world, const struct credential *line)
{
    struct json_object *shown = json_object_new_object();
    struct json_object *alive = json_object_new_array();
    int64_t now = world_now_ms(world);
    const struct token *newest = credential_newest(line, now);
    for (const struct token *at = line->tokens; at; at = at->next)
        if (token_alive(at, now))
            json_object_array_add(alive, json_object_new_string(at->text));
    json_put_integer(shown, "generation", line->generation);
    json_put_text(shown, "newest", newest ? newest->text : NULL);
    json_put(shown, "alive", alive);
    return shown;
}

static struct json_object *show_authorization(const struct world *world, const struct component *component,
                                              const struct authorization *authorization)
{
    struct json_object *shown = json_object_new_object();
    json_put_text(shown, "component_appid", component->appid);
    json_put_text(shown, "appid", authorization->appid);
    json_put_flag(shown, "authorized", authorization->authorized);
    json_put_flag(shown, "exchanged", authorization->exchanged);
    json_put_integer(shown, "auth_time", authorization->auth_time_ms / 1000);
    json_put(shown, "permission_sets", show_sets(authorization->sets));
    json_put_integer(shown, "exchanges", authorization->exchanges);
    json_put_integer(shown, "refreshes", authorization->refreshes);
    json_put(shown, "access", show_line(world, &authorization->access));
    json_put(shown, "refresh", show_line(world, &authorization->refresh));
    json_put(shown, "codes", show_line(world, &authorization->codes));
    return shown;
}

static struct json_object *show_merchant(const struct world *world, const struct merchant *merchant)
{
    struct json_object *shown = json_object_new_object();
    struct json_object *blacklist = json_object_new_array();
    struct json_object *authorizations = json_object_new_array();
    bool authorized = false;
    for (const struct person *at = merchant->blacklist; at; at = at->next)
        json_object_array_add(blacklist, json_object_new_string(at->openid));
    for (const struct component *at = world->components; at; at = at->hh.next) {
        const struct authorization *authorization = authorization_find(at, merchant->appid);
        if (!authorization)
            continue;
        authorized = authorized || authorization->authorized;
        json_object_array_add(authorizations, show_authorization(world, at, authorization));
    }
    json_put_text(shown, "appid", merchant->appid);
    json_put_text(shown, "kind", account_kind_name(merchant->kind));
    json_put_integer(shown, "verify_type", merchant->verify_type);
    json_put_integer(shown, "account_status", merchant->account_status);
    json_put(shown, "permission_sets", show_sets(merchant->sets));
    json_put_flag(shown, "authorized", authorized);
    json_put(shown, "authorizations", authorizations);
    json_put(shown, "stable", show_line(world, &merchant->stable));
    json_put(shown, "own", show_line(world, &merchant->own));
    json_put_integer(shown, "calls", (int64_t)merchant->calls);
    json_put_integer(shown, "refreshes", (int64_t)merchant->refreshes);
    json_put(shown, "blacklist", blacklist);
    return shown;
}

void control_show_merchant(struct control *control)
{
    const struct world *world = &control->simulator->world;
    const struct merchant *merchant = merchant_find(world, request_argument(control->request, "appid"));
    if (!merchant) {
        control->status = 404;
        control_refuse(control, "no such merchant");
        return;
    }
    json_object_put(control->answer);
    control->answer = show_merchant(world, merchant);
}

static struct json_object *show_component(const struct world *world, const struct component *component)
{
    struct json_object *shown = json_object_new_object();
    json_put_text(shown, "component_appid", component->appid);
    json_put_text(shown, "callback_url", component->callback_url);
    json_put_flag(shown, "ip_allowed", component->ip_allowed);
    json_put_flag(shown, "pushing", component->pushing);
    json_put(shown, "tickets", show_line(world, &component->tickets));
    json_put(shown, "tokens", show_line(world, &component->tokens));
    json_put(shown, "pre_auth_codes", show_line(world, &component->pre_auth_codes));
    return shown;
}

void control_show_state(struct control *control)
{
    const struct world *world = &control->simulator->world;
    struct json_object *components = json_object_new_array();
    struct json_object *merchants = json_object_new_array();
    struct json_object *counters = json_object_new_object();
    for (const struct component *at = world->components; at; at = at->hh.next)
        json_object_array_add(components, show_component(world, at));
    for (const struct merchant *at = world->merchants; at; at = at->hh.next)
        json_object_array_add(merchants, show_merchant(world, at));
    for (const struct counter *at = world->counters; at; at = at->hh.next)
        json_put_integer(counters, at->name, at->ever);
    json_put_integer(control->answer, "now_ms", world_now_ms(world));
    json_put(control->answer, "components", components);
    json_put(control->answer, "merchants", merchants);
    json_put(control->answer, "cloud", show_line(world, &world->cloud.tokens));
    json_put(control->answer, "calls", counters);
}

static void replace_list(struct json_object *order, const char *key, struct json_object **slot)
{
    if (!json_has(order, key))
        return;
    json_object_put(*slot);
    struct json_object *list = json_get(order, key);
    *slot = json_object_is_type(list, json_type_array) ? json_object_get(list) : NULL;
}

/* The cloud environment belongs to one account or one platform; each order renews its token. */
void control_set_cloud(struct control *control)
{
    enum { LIFE_S = 1800 };
    struct world *world = &control->simulator->world;
    struct json_object *order = control->order;
    const char *owner = json_text(order, "appid");
    const char *text = json_text(order, "token");
    if (!json_only(order, "appid token life_s token_less paths from_appids", control->why,
                   sizeof control->why))
        return;
    struct token_owner owners = {component_find(world, owner), NULL, NULL};
    if (!owners.component)
        owners.merchant = merchant_find(world, owner);
    if (!owners.component && !owners.merchant) {
        control_refuse(control, "appid: of a component or a merchant");
        return;
    }
    if (text && token_find(world, text)) {
        control_refuse(control, "token: in use already");
        return;
    }
    if (!life_in_bounds(order, "life_s")) {
        control_refuse(control, "life_s: 0 to %d", LIFE_MOST_S);
        return;
    }
    memcpy(world->cloud.owner, owner, strlen(owner) + 1);
    world->cloud.token_less = json_flag(order, "token_less", world->cloud.token_less);
    replace_list(order, "paths", &world->cloud.paths);
    replace_list(order, "from_appids", &world->cloud.from_appids);
    struct token *token = token_mint(world, &world->cloud.tokens, TOKEN_CLOUD,
                                     json_integer_or(order, "life_s", LIFE_S), owners, text);
    json_put_text(control->answer, "token", token->text);
}
