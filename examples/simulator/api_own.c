/* The tokens of accounts of one's own. */
#include "api.h"
#include "json.h"

#include <string.h>

enum { FORCED_A_DAY = 20, FORCED_APART_MS = 30000, RENEWED_BEFORE_MS = 300000 };

static int prove(struct simulator *simulator, struct call *call, const char *grant, const char *appid,
                 const char *secret)
{
    if (!grant || strcmp(grant, "client_credential") != 0)
        return 40002;
    if (!appid || !appid[0])
        return 41002;
    if (!secret || !secret[0])
        return 41004;
    call->merchant = merchant_find(&simulator->world, appid);
    if (!call->merchant)
        return 40013;
    if (!call->merchant->appsecret || strcmp(call->merchant->appsecret, secret) != 0)
        return 40125;
    if (!call->merchant->ip_allowed)
        return 40164;
    return quota_take(simulator, appid, call->route->path);
}

static struct token *mint(struct simulator *simulator, struct call *call, struct credential *line,
                          enum token_kind kind)
{
    int64_t life =
        call->merchant->token_life_s ? call->merchant->token_life_s : simulator->world.settings.token_life_s;
    return token_mint(&simulator->world, line, kind, life, (struct token_owner){.merchant = call->merchant},
                      NULL);
}

/* Twenty forced ones a day, half a minute apart. */
static int take_forced(struct merchant *merchant, int64_t now)
{
    if (merchant->forced_day != beijing_day(now)) {
        merchant->forced_day = beijing_day(now);
        merchant->forced_today = 0;
    }
    if (merchant->forced_today >= FORCED_A_DAY)
        return 45009;
    if (merchant->forced_ms && now - merchant->forced_ms < FORCED_APART_MS)
        return 45011;
    merchant->forced_ms = now;
    merchant->forced_today++;
    return 0;
}

SIM_CALL(call_stable_token)
{
    struct json_object *body = call->body;
    int errcode = prove(simulator, call, json_text(body, "grant_type"), json_text(body, "appid"),
                        json_text(body, "secret"));
    if (errcode)
        return errcode;
    if (json_has(body, "force_refresh") &&
        !json_object_is_type(json_get(body, "force_refresh"), json_type_boolean))
        return 47001;
    int64_t now = world_now_ms(&simulator->world);
    struct credential *line = &call->merchant->stable;
    struct token *token = credential_newest(line, now);
    if (json_flag(body, "force_refresh", false)) {
        errcode = take_forced(call->merchant, now);
        if (errcode)
            return errcode;
        token = mint(simulator, call, line, TOKEN_STABLE);
        credential_retire(line, token, now);
    } else if (!token || token->expires_ms - now <= RENEWED_BEFORE_MS) {
        /* The one before lives out its last five minutes. */
        token = mint(simulator, call, line, TOKEN_STABLE);
    }
    json_put_text(answer, "access_token", token->text);
    json_put_integer(answer, "expires_in", (token->expires_ms - now) / 1000);
    return 0;
}

SIM_CALL(call_own_token)
{
    const struct request *request = call->request;
    int errcode = prove(simulator, call, request_argument(request, "grant_type"),
                        request_argument(request, "appid"), request_argument(request, "secret"));
    if (errcode)
        return errcode;
    int64_t now = world_now_ms(&simulator->world);
    struct credential *line = &call->merchant->own;
    struct token *token = mint(simulator, call, line, TOKEN_OWN);
    credential_retire(line, token, now + simulator->world.settings.grace_s * 1000);
    json_put_text(answer, "access_token", token->text);
    json_put_integer(answer, "expires_in", (token->expires_ms - now) / 1000);
    return 0;
}
