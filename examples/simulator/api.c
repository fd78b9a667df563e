#include "api.h"
#include "json.h"
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT "/cgi-bin/component/"

static const struct route ROUTES[] = {
    {.path = COMPONENT "api_component_token",
     .method = "POST",
     .bare = true,
     .no_cloud = true,
     .carry_out = call_component_token},
    {.path = COMPONENT "api_start_push_ticket",
     .method = "POST",
     .no_cloud = true,
     .carry_out = call_start_push_ticket},
    {.path = COMPONENT "api_create_preauthcode",
     .method = "POST",
     .token = ROUTE_COMPONENT,
     .bare = true,
     .carry_out = call_create_preauthcode},
    {.path = COMPONENT "api_query_auth",
     .method = "POST",
     .token = ROUTE_COMPONENT,
     .bare = true,
     .carry_out = call_query_auth},
    {.path = COMPONENT "api_authorizer_token",
     .method = "POST",
     .token = ROUTE_COMPONENT,
     .bare = true,
     .carry_out = call_authorizer_token},
    {.path = COMPONENT "api_get_authorizer_info",
     .method = "POST",
     .token = ROUTE_COMPONENT,
     .bare = true,
     .carry_out = call_authorizer_info},
    {.path = COMPONENT "api_get_authorizer_list",
     .method = "POST",
     .token = ROUTE_COMPONENT,
     .bare = true,
     .carry_out = call_authorizer_list},
    {.path = COMPONENT "api_get_authorizer_option",
     .method = "POST",
     .token = ROUTE_COMPONENT,
     .bare = true,
     .carry_out = call_get_option},
    {.path = COMPONENT "api_set_authorizer_option",
     .method = "POST",
     .token = ROUTE_COMPONENT,
     .carry_out = call_set_option},
    {.path = COMPONENT "clear_quota/v2",
     .method = "POST",
     .unmetered = true,
     .no_cloud = true,
     .carry_out = call_component_clear_quota},
    {.path = "/cgi-bin/stable_token",
     .method = "POST",
     .bare = true,
     .no_cloud = true,
     .carry_out = call_stable_token},
    {.path = "/cgi-bin/token", .method = "GET", .bare = true, .no_cloud = true, .carry_out = call_own_token},
    {.path = "/cgi-bin/tags/members/batchunblacklist",
     .method = "POST",
     .token = ROUTE_ACCOUNT,
     .official_only = true,
     .literal_escapes = true,
     .sets = {2, 100},
     .carry_out = call_batch_unblacklist},
    {.path = "/cgi-bin/tags/members/batchblacklist",
     .method = "POST",
     .token = ROUTE_ACCOUNT,
     .official_only = true,
     .literal_escapes = true,
     .no_cloud = true,
     .sets = {2, 100},
     .carry_out = call_batch_blacklist},
    {.path = "/cgi-bin/tags/members/getblacklist",
     .method = "POST",
     .token = ROUTE_ACCOUNT,
     .official_only = true,
     .literal_escapes = true,
     .bare = true,
     .sets = {2, 100},
     .carry_out = call_get_blacklist},
    {.path = "/cgi-bin/message/custom/send",
     .method = "POST",
     .token = ROUTE_ACCOUNT,
     .literal_escapes = true,
     .sets = {1, 6, 19},
     .carry_out = call_custom_send},
    {.path = "/cgi-bin/openapi/quota/get",
     .method = "POST",
     .token = ROUTE_EITHER,
     .unmetered = true,
     .carry_out = call_quota_get},
    {.path = "/cgi-bin/openapi/rid/get",
     .method = "POST",
     .token = ROUTE_EITHER,
     .unmetered = true,
     .carry_out = call_rid_get},
    {.path = "/cgi-bin/clear_quota",
     .method = "POST",
     .token = ROUTE_EITHER,
     .unmetered = true,
     .carry_out = call_clear_quota},
    {.path = "/cgi-bin/clear_quota/v2",
     .method = "POST",
     .unmetered = true,
     .no_cloud = true,
     .carry_out = call_clear_quota_v2},
};

static const struct {
    int64_t errcode;
    const char *text;
} TEXTS[] = {
    {-1, "system error"},
    {0, "ok"},
    {40001, "invalid credential, access_token is invalid or not latest"},
    {40002, "invalid grant_type"},
    {40003, "invalid openid"},
    {40008, "invalid message type"},
    {40013, "invalid appid"},
    {40014, "invalid access_token"},
    {40032, "invalid openid list size"},
    {40066, "invalid url"},
    {40097, "invalid args"},
    {40125, "invalid appsecret"},
    {40164, "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist"},
    {41001, "access_token missing"},
    {41002, "appid missing"},
    {41003, "refresh_token missing"},
    {41004, "appsecret missing"},
    {41018, "component_appid missing"},
    {42001, "access_token expired"},
    {43001, "require GET method"},
    {43002, "require POST method"},
    {44002, "empty post data"},
    {44004, "empty content"},
    {45009, "reach max api daily quota limit"},
    {45011, "api minute-quota reach limit, please retry next minute"},
    {47001, "data format error"},
    {48001, "api unauthorized"},
    {48006, "forbid to clear quota because of reaching the limit"},
    {49003, "openid does not match appid"},
    {50002, "user limited"},
    {61003, "component is not authorized by this account"},
    {61004, "access clientip is not registered, requestIP: 127.0.0.1"},
    {61005, "component ticket is expired"},
    {61006, "component ticket is invalid"},
    {61007, "api is unauthorized to component"},
    {61009, "code is invalid"},
    {61010, "code is expired"},
    {61011, "invalid component"},
    {61023, "refresh_token is invalid"},
    {76001, "rid not found"},
    {76002, "rid belongs to another account"},
    {76021, "cgi_path not found"},
};

const struct route *route_find(const char *path)
{
    for (size_t i = 0; i < sizeof ROUTES / sizeof ROUTES[0]; i++)
        if (strcmp(ROUTES[i].path, path) == 0)
            return &ROUTES[i];
    return NULL;
}

/* `TOKEN@appid`, which a platform's cloud token may be. */
static void identify_cloud(struct simulator *simulator, struct call *call)
{
    const char *at = strrchr(call->token_text, '@');
    call->token = token_find(&simulator->world, call->token_text);
    if (call->token || !at)
        return;
    char *bare = sim_copy_n(call->token_text, (size_t)(at - call->token_text));
    struct token *token = token_find(&simulator->world, bare);
    free(bare);
    if (!token || token->kind != TOKEN_CLOUD || !token->component)
        return;
    call->token = token;
    call->merchant = merchant_find(&simulator->world, at + 1);
    call->authorization = authorization_find(token->component, at + 1);
}

/* Whom a call is about, for the journal and for faults; it never says who calls. */
static void identify_subject(const struct simulator *simulator, struct call *call)
{
    const struct token *code = token_find(&simulator->world, json_text(call->body, "authorization_code"));
    const char *component =
        call->component ? call->component->appid : json_text(call->body, "component_appid");
    const char *about = call->merchant ? call->merchant->appid : json_text(call->body, "authorizer_appid");
    if (!about && code && code->merchant)
        about = code->merchant->appid;
    bool open = !call->route || call->route->token == ROUTE_OPEN;
    if (!about && open)
        about = json_text_or(call->body, "appid", request_argument(call->request, "appid"));
    if (!about)
        about = component;
    snprintf(call->about, sizeof call->about, "%s", about ? about : "");
    snprintf(call->about_component, sizeof call->about_component, "%s", component ? component : "");
    json_tame(call->about);
    json_tame(call->about_component);
}

void call_identify(struct simulator *simulator, struct call *call)
{
    struct world *world = &simulator->world;
    const char *plain = request_argument(call->request, "access_token");
    const char *component = request_argument(call->request, "component_access_token");
    const char *cloud = request_argument(call->request, "cloudbase_access_token");
    if (call->route && call->route->token == ROUTE_ACCOUNT)
        component = NULL;
    call->token_text = cloud ? cloud : component ? component : plain;
    call->cloud = cloud || (!call->token_text && world->cloud.token_less);
    if (cloud) {
        identify_cloud(simulator, call);
    } else if (call->token_text) {
        call->token = token_find(world, call->token_text);
    } else if (call->cloud) {
        const char *from = request_argument(call->request, "from_appid");
        call->component = component_find(world, world->cloud.owner);
        call->merchant = merchant_find(world, from ? from : world->cloud.owner);
        if (call->component && from)
            call->authorization = authorization_find(call->component, from);
    }
    if (call->token) {
        call->component = call->token->component;
        if (!call->merchant)
            call->merchant = call->token->merchant;
        if (!call->authorization)
            call->authorization = call->token->authorization;
    }
    identify_subject(simulator, call);
}

static bool listed(struct json_object *list, const char *text)
{
    size_t count = json_object_array_length(list);
    for (size_t i = 0; i < count; i++) {
        const char *one = json_plain_text(json_object_array_get_idx(list, i));
        if (one && path_matches(one, text))
            return true;
    }
    return false;
}

static int check_cloud(struct simulator *simulator, const struct call *call)
{
    const struct cloud *cloud = &simulator->world.cloud;
    const char *from = request_argument(call->request, "from_appid");
    if (call->route->no_cloud || (cloud->paths && !listed(cloud->paths, call->route->path)))
        return 48001;
    if (from && strcmp(from, cloud->owner) != 0 && !component_find(&simulator->world, cloud->owner) &&
        !(cloud->from_appids && listed(cloud->from_appids, from)))
        return 48001;
    return 0;
}

static int check_token(struct simulator *simulator, const struct call *call)
{
    const struct token *token = call->token;
    int wrong = (int)simulator->world.settings.wrong_token_errcode;
    if (call->cloud) {
        int errcode = check_cloud(simulator, call);
        if (errcode)
            return errcode;
    }
    if (!call->token_text)
        return call->cloud ? 0 : 41001;
    if (!call->token_text[0])
        return 41001;
    if (!token || (call->cloud && token->kind != TOKEN_CLOUD) || (!call->cloud && token->kind == TOKEN_CLOUD))
        return wrong;
    if (token->kind != TOKEN_COMPONENT && token->kind != TOKEN_ACCESS && token->kind != TOKEN_STABLE &&
        token->kind != TOKEN_OWN && token->kind != TOKEN_CLOUD)
        return wrong;
    int64_t now = world_now_ms(&simulator->world);
    if (token->dead_ms < token->expires_ms && now >= token->dead_ms)
        return token->authorization && !token->authorization->authorized ? 61003 : wrong;
    return now < token->expires_ms ? 0 : 42001;
}

static int check_address(const struct call *call)
{
    if (call->cloud)
        return 0;
    if (call->component)
        return call->component->ip_allowed ? 0 : 61004;
    return call->merchant && !call->merchant->ip_allowed ? 40164 : 0;
}

/* What the account may do, and what of that it granted. */
static int check_account(struct simulator *simulator, const struct call *call)
{
    const struct route *route = call->route;
    const struct merchant *merchant = call->merchant;
    bool by_platform = call->component != NULL;
    if (by_platform && !call->authorization)
        return merchant ? 61003 : 48001;
    if (!merchant)
        return 48001;
    if (by_platform && !call->authorization->authorized)
        return 61003;
    if (merchant->account_status == 14 || merchant->account_status == 16 || merchant->account_status == 19)
        return 50002;
    bool official = merchant->kind == KIND_SERVICE || merchant->kind == KIND_SUBSCRIPTION;
    if (merchant->kind == KIND_CHANNELS || (route->official_only && !official))
        return 48001;
    if (official && (!merchant_certified(merchant) || !merchant->organisation))
        return 48001;
    if (!by_platform || !route->sets[0])
        return 0;
    for (size_t i = 0; i < 4 && route->sets[i]; i++)
        if (set_has(call->authorization->sets, route->sets[i]))
            return 0;
    return (int)simulator->world.settings.missing_set_errcode;
}

static int check_caller(struct simulator *simulator, struct call *call)
{
    const struct route *route = call->route;
    if (route->token == ROUTE_OPEN)
        return 0;
    int errcode = check_token(simulator, call);
    if (!errcode)
        errcode = check_address(call);
    if (errcode)
        return errcode;
    if (route->token == ROUTE_COMPONENT) {
        if (!call->component || (call->token && call->token->authorization))
            return (int)simulator->world.settings.wrong_token_errcode;
        return quota_take(simulator, call->component->appid, route->path);
    }
    if (route->token == ROUTE_EITHER)
        return call->merchant || call->component ? 0 : (int)simulator->world.settings.wrong_token_errcode;
    errcode = check_account(simulator, call);
    return errcode ? errcode : quota_take(simulator, call->merchant->appid, route->path);
}

static int check_body(const struct call *call)
{
    if (strcmp(call->route->method, "GET") == 0)
        return 0;
    if (call->request->size == 0)
        return 44002;
    return call->body ? 0 : 47001;
}

char *error_body(const struct simulator *simulator, int64_t errcode, const char *errmsg, const char *rid)
{
    const char *end = simulator->world.settings.errmsg_end;
    const char *text = errmsg;
    for (size_t i = 0; !text && i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        if (TEXTS[i].errcode == errcode)
            text = TEXTS[i].text;
    char *full = errcode == 0 || strcmp(end, "none") == 0 ? sim_copy(text ? text : "error")
                 : strcmp(end, "hint") == 0 ? sim_format("%s hint: [%s]", text ? text : "error", rid)
                                            : sim_format("%s rid: %s", text ? text : "error", rid);
    struct json_object *object = json_object_new_object();
    json_put_integer(object, "errcode", errcode);
    json_put_text(object, "errmsg", full);
    char *body = json_print(object);
    json_object_put(object);
    free(full);
    return body;
}

int call_carry_out(struct simulator *simulator, struct call *call, const char *rid, char **body,
                   unsigned *http_status)
{
    struct json_object *answer = NULL;
    int errcode = 0;
    *http_status = 200;
    if (!call->route) {
        *http_status = 404;
        errcode = 40066;
    } else if (strcmp(call->request->method, call->route->method) != 0) {
        errcode = strcmp(call->route->method, "GET") == 0 ? 43001 : 43002;
    } else {
        errcode = check_caller(simulator, call);
    }
    if (!errcode)
        errcode = check_body(call);
    if (!errcode) {
        answer = json_object_new_object();
        bool bare = call->route->bare && !simulator->world.settings.errcode_in_success;
        if (!bare) {
            json_put_integer(answer, "errcode", 0);
            json_put_text(answer, "errmsg", "ok");
        }
        errcode = call->route->carry_out(simulator, call, answer);
    }
    if (call->merchant)
        call->merchant->calls++;
    *body = errcode ? error_body(simulator, errcode, call->errmsg, rid) : json_print(answer);
    json_object_put(answer);
    return errcode;
}
