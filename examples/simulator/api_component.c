/* The calls of a third-party platform itself. */
#include "api.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

enum { LIST_COUNT_MOST = 500 };

static struct settings *settings_of(struct simulator *simulator)
{
    return &simulator->world.settings;
}

/* component_appid must be there and be that of the token. */
static int check_component(const struct call *call)
{
    const char *appid = json_text(call->body, "component_appid");
    if (!appid || !appid[0])
        return 41018;
    return strcmp(appid, call->component->appid) == 0 ? 0 : 61011;
}

/* As above, and the authorizer must be one of this platform. */
static int find_authorizer(struct call *call)
{
    int errcode = check_component(call);
    const char *appid = json_text(call->body, "authorizer_appid");
    if (errcode)
        return errcode;
    if (!appid || !appid[0])
        return 41002;
    call->authorization = authorization_find(call->component, appid);
    return call->authorization && call->authorization->authorized ? 0 : 61003;
}

/* appid and secret of a platform, by the names this call has for them. */
static int prove_component(struct simulator *simulator, struct call *call, const char *secret_key)
{
    const char *appid = json_text(call->body, "component_appid");
    const char *secret = json_text(call->body, secret_key);
    if (!appid || !appid[0])
        return 41018;
    if (!secret || !secret[0])
        return 41004;
    call->component = component_find(&simulator->world, appid);
    if (!call->component)
        return 40013;
    if (strcmp(call->component->appsecret, secret) != 0)
        return 40125;
    if (!call->component->ip_allowed)
        return 61004;
    return quota_take(simulator, appid, call->route->path);
}

SIM_CALL(call_component_token)
{
    int errcode = prove_component(simulator, call, "component_appsecret");
    if (errcode)
        return errcode;
    const char *text = json_text(call->body, "component_verify_ticket");
    struct token *ticket = token_find(&simulator->world, text);
    if (!ticket || ticket->kind != TOKEN_TICKET || ticket->component != call->component)
        return 61006;
    int64_t now = world_now_ms(&simulator->world);
    if (!token_alive(ticket, now))
        return 61005;
    struct credential *line = &call->component->tokens;
    int64_t life = settings_of(simulator)->component_token_life_s;
    struct token *token = token_mint(&simulator->world, line, TOKEN_COMPONENT, life,
                                     (struct token_owner){.component = call->component}, NULL);
    credential_retire(line, token, now + settings_of(simulator)->grace_s * 1000);
    json_put_text(answer, "component_access_token", token->text);
    json_put_integer(answer, "expires_in", life);
    return 0;
}

SIM_CALL(call_start_push_ticket)
{
    (void)answer;
    int errcode = prove_component(simulator, call, "component_secret");
    if (errcode)
        return errcode;
    call->component->pushing = true;
    call->component->ticket_due = true;
    return 0;
}

SIM_CALL(call_create_preauthcode)
{
    int errcode = check_component(call);
    if (errcode)
        return errcode;
    int64_t life = settings_of(simulator)->pre_auth_code_life_s;
    struct token *code = token_mint(&simulator->world, &call->component->pre_auth_codes, TOKEN_PRE_AUTH_CODE,
                                    life, (struct token_owner){.component = call->component}, NULL);
    json_put_text(answer, "pre_auth_code", code->text);
    json_put_integer(answer, "expires_in", life);
    return 0;
}

static struct json_object *func_info(const uint64_t *sets)
{
    struct json_object *list = json_object_new_array();
    for (int64_t id = 0; id <= LARGEST_SET; id++) {
        if (!set_has(sets, id))
            continue;
        struct json_object *category = json_object_new_object();
        struct json_object *one = json_object_new_object();
        json_put_integer(category, "id", id);
        json_put(one, "funcscope_category", category);
        json_object_array_add(list, one);
    }
    return list;
}

static int64_t access_life(struct simulator *simulator, const struct merchant *merchant)
{
    return merchant->token_life_s ? merchant->token_life_s : settings_of(simulator)->token_life_s;
}

static struct token *mint_for(struct simulator *simulator, struct call *call, struct credential *line,
                              enum token_kind kind, int64_t life_s)
{
    struct token_owner owner = {call->component, call->merchant, call->authorization};
    return token_mint(&simulator->world, line, kind, life_s, owner, NULL);
}

SIM_CALL(call_query_auth)
{
    int errcode = check_component(call);
    const char *text = json_text(call->body, "authorization_code");
    if (errcode)
        return errcode;
    struct token *code = token_find(&simulator->world, text);
    if (!code || code->kind != TOKEN_CODE || code->component != call->component)
        return 61009;
    if (code->used)
        return (int)settings_of(simulator)->used_code_errcode;
    int64_t now = world_now_ms(&simulator->world);
    if (!token_alive(code, now))
        return 61010;
    call->authorization = code->authorization;
    call->merchant = code->merchant;
    if (!call->authorization->authorized)
        return 61003;
    code->used = true;
    struct json_object *info = json_object_new_object();
    json_put_text(info, "authorizer_appid", call->merchant->appid);
    if (call->merchant->api_rights) {
        int64_t life = access_life(simulator, call->merchant);
        struct token *access = mint_for(simulator, call, &call->authorization->access, TOKEN_ACCESS, life);
        struct token *refresh = mint_for(simulator, call, &call->authorization->refresh, TOKEN_REFRESH, 0);
        /* A new authorization leaves no grace to the tokens of the one before. */
        credential_retire(&call->authorization->access, access, now);
        credential_retire(&call->authorization->refresh, refresh, now);
        call->authorization->exchanged = true;
        json_put_text(info, "authorizer_access_token", access->text);
        json_put_integer(info, "expires_in", life);
        json_put_text(info, "authorizer_refresh_token", refresh->text);
    }
    call->authorization->exchanges++;
    json_put(info, "func_info", func_info(call->authorization->sets));
    json_put(answer, "authorization_info", info);
    return 0;
}

SIM_CALL(call_authorizer_token)
{
    int errcode = find_authorizer(call);
    const char *text = json_text(call->body, "authorizer_refresh_token");
    if (errcode)
        return errcode;
    if (!text || !text[0])
        return 41003;
    struct token *used = token_find(&simulator->world, text);
    int64_t now = world_now_ms(&simulator->world);
    if (!used || used->kind != TOKEN_REFRESH || used->authorization != call->authorization ||
        !token_alive(used, now))
        return 61023;
    const struct settings *settings = settings_of(simulator);
    call->merchant = used->merchant;
    int64_t life = access_life(simulator, call->merchant);
    struct token *access = mint_for(simulator, call, &call->authorization->access, TOKEN_ACCESS, life);
    struct token *refresh = used;
    credential_retire(&call->authorization->access, access, now + settings->grace_s * 1000);
    if (settings->rotate_refresh_tokens) {
        refresh = mint_for(simulator, call, &call->authorization->refresh, TOKEN_REFRESH, 0);
        credential_retire(&call->authorization->refresh, refresh, now + settings->refresh_grace_s * 1000);
    }
    call->authorization->refreshes++;
    call->merchant->refreshes++;
    json_put_text(answer, "authorizer_access_token", access->text);
    json_put_integer(answer, "expires_in", life);
    if (settings->refresh_answer_has_refresh_token)
        json_put_text(answer, "authorizer_refresh_token", refresh->text);
    return 0;
}

static struct json_object *type_info(struct simulator *simulator, int64_t id, const char *name)
{
    struct json_object *type = json_object_new_object();
    json_put_integer(type, "id", id);
    if (settings_of(simulator)->info_has_names)
        json_put_text(type, "name", name);
    return type;
}

static struct json_object *business_info(void)
{
    static const char *const FIELDS[] = {"open_store", "open_scan", "open_pay", "open_card", "open_shake"};
    struct json_object *info = json_object_new_object();
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++)
        json_put_integer(info, FIELDS[i], 0);
    return info;
}

static struct json_object *profile(struct simulator *simulator, const struct merchant *merchant)
{
    struct json_object *info = json_object_new_object();
    json_put_text(info, "nick_name", merchant->nick_name);
    json_put_text(info, "head_img", "http://wx.qlogo.cn/mmopen/0");
    json_put(info, "service_type_info",
             type_info(simulator, merchant->service_type, account_kind_name(merchant->kind)));
    json_put(
        info, "verify_type_info",
        type_info(simulator, merchant->verify_type, merchant_certified(merchant) ? "certified" : "none"));
    json_put_text(info, "user_name", merchant->user_name);
    json_put_text(info, "principal_name", merchant->principal_name);
    json_put_text(info, "alias", merchant->alias);
    json_put(info, "business_info", business_info());
    json_put_text(info, "qrcode_url", "http://mmbiz.qpic.cn/mmbiz_jpg/0");
    json_put_text(info, "signature", "");
    json_put_integer(info, "account_status", merchant->account_status);
    json_put_integer(info, "idc", 1);
    if (merchant->kind == KIND_MINI_PROGRAM) {
        struct json_object *mini = json_object_new_object();
        json_put(mini, "network", json_object_new_object());
        json_put(mini, "categories", json_object_new_array());
        json_put_integer(mini, "visit_status", 0);
        json_put(info, "MiniProgramInfo", mini);
    }
    if (merchant->kind == KIND_CHANNELS)
        json_put(info, "channels_info", json_object_new_object());
    return info;
}

/* The refresh token that the list and the profile show: none before the first exchange. */
static const char *shown_refresh_token(struct simulator *simulator, const struct authorization *authorization)
{
    struct token *token = authorization->exchanged
                              ? credential_newest(&authorization->refresh, world_now_ms(&simulator->world))
                              : NULL;
    return token ? token->text : NULL;
}

SIM_CALL(call_authorizer_info)
{
    int errcode = find_authorizer(call);
    if (errcode)
        return errcode;
    call->merchant = merchant_find(&simulator->world, call->authorization->appid);
    struct json_object *info = json_object_new_object();
    const char *refresh = shown_refresh_token(simulator, call->authorization);
    json_put_text(info, "authorizer_appid", call->authorization->appid);
    if (refresh && settings_of(simulator)->info_has_refresh_tokens)
        json_put_text(info, "authorizer_refresh_token", refresh);
    json_put(info, "func_info", func_info(call->authorization->sets));
    json_put(answer, "authorizer_info", profile(simulator, call->merchant));
    json_put(answer, "authorization_info", info);
    return 0;
}

SIM_CALL(call_authorizer_list)
{
    int errcode = check_component(call);
    int64_t offset = 0;
    int64_t count = 0;
    if (errcode)
        return errcode;
    if (!json_integer(call->body, "offset", &offset) || !json_integer(call->body, "count", &count) ||
        offset < 0 || count < 1 || count > LIST_COUNT_MOST)
        return 40097;
    const struct settings *settings = settings_of(simulator);
    if (count > settings->list_page_max)
        count = settings->list_page_max;
    struct json_object *list = json_object_new_array();
    int64_t total = 0;
    for (struct authorization *at = call->component->authorizations; at; at = at->hh.next) {
        if (!at->authorized)
            continue;
        if (total >= offset && total < offset + count) {
            struct json_object *one = json_object_new_object();
            const char *refresh = shown_refresh_token(simulator, at);
            json_put_text(one, "authorizer_appid", at->appid);
            if (refresh && settings->list_has_refresh_tokens)
                json_put_text(one, "refresh_token", refresh);
            json_put_integer(one, "auth_time", at->auth_time_ms / 1000);
            json_object_array_add(list, one);
        }
        total++;
    }
    json_put_integer(answer, "total_count", total);
    json_put(answer, "list", list);
    return 0;
}

/* Where the named option of the authorization is kept, and the values it may have. */
static char *option_place(struct authorization *authorization, const char *name, const char **values)
{
    *values = "0 1";
    if (name && strcmp(name, "voice_recognize") == 0)
        return authorization->voice_recognize;
    if (name && strcmp(name, "customer_service") == 0)
        return authorization->customer_service;
    *values = "0 1 2";
    if (name && strcmp(name, "location_report") == 0)
        return authorization->location_report;
    return NULL;
}

SIM_CALL(call_get_option)
{
    (void)simulator;
    int errcode = find_authorizer(call);
    const char *values = NULL;
    if (errcode)
        return errcode;
    const char *name = json_text(call->body, "option_name");
    const char *value = option_place(call->authorization, name, &values);
    if (!value)
        return 40097;
    json_put_text(answer, "authorizer_appid", call->authorization->appid);
    json_put_text(answer, "option_name", name);
    json_put_text(answer, "option_value", value);
    return 0;
}

SIM_CALL(call_set_option)
{
    (void)simulator;
    (void)answer;
    int errcode = find_authorizer(call);
    const char *values = NULL;
    if (errcode)
        return errcode;
    char *place = option_place(call->authorization, json_text(call->body, "option_name"), &values);
    const char *value = json_text(call->body, "option_value");
    if (!place || !value || strlen(value) != 1 || !words_have(values, value))
        return 40097;
    memcpy(place, value, 2);
    return 0;
}
