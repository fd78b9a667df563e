/* What WeChat does with a request that has come, and what merchants do there. */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIFE_S = 7200,
    REPLY_MAX = 4096,
    OVERLAP_MS = 300000, /* a replaced token serves on so long */
    LIST_MOST = 20,
};

/* ---- Tokens ---- */

sim_token *sim_token_find(sim_tokens *tokens, const char *text)
{
    for (size_t at = tokens->count; at-- > 0;) {
        if (strcmp(tokens->all[at].text, text) == 0) {
            return &tokens->all[at];
        }
    }
    return NULL;
}

sim_token *sim_token_make(sim *world, sim_tokens *tokens, const char *kind, int account, int64_t until_ms)
{
    if (tokens->count == SIM_TOKENS_MAX) {
        sim_fail(world, "WeChat has given %d tokens of one kind: requests without end", SIM_TOKENS_MAX);
        tokens->count--;
    }
    sim_token *made = &tokens->all[tokens->count++];
    *made = (sim_token){.until_ms = until_ms};
    (void)snprintf(made->text, sizeof(made->text), "%s%d-%d", kind, account, ++world->made);
    return made;
}

static void end_all(sim_tokens *tokens, int64_t at_ms)
{
    for (size_t at = 0; at < tokens->count; at++) {
        if (tokens->all[at].until_ms > at_ms) {
            tokens->all[at].until_ms = at_ms;
        }
    }
}

static bool serves(sim *world, sim_tokens *tokens, const char *text)
{
    const sim_token *token = sim_token_find(tokens, text);
    return token && sim_wall(world) < token->until_ms;
}

static const char *refresh_in_force(const sim_account *account)
{
    return account->refresh.count > 0 ? account->refresh.all[account->refresh.count - 1].text : "";
}

bool sim_recoverable(const sim_account *account, int64_t now_ms)
{
    if (!account->authorized || !account->exchanged || account->refresh.count == 0) {
        return false;
    }
    for (size_t at = 0; at < account->refresh.count; at++) {
        if (account->refresh.all[at].committed && account->refresh.all[at].until_ms > now_ms) {
            return true;
        }
    }
    return account->shows || account->lists;
}

/* ---- Openids ---- */

void sim_openid(const sim *world, int account, int index, char text[SIM_TEXT])
{
    const char kind = world->accounts[account].bad[index] ? 'b' : 'g';
    (void)snprintf(text, SIM_TEXT, "o%d%c%04d_simulated_openid", account, kind, index);
}

int sim_openid_index(const char *text, size_t len, int account)
{
    int of = -1;
    int index = -1;
    char kind = 0;
    char copy[SIM_TEXT];
    if (len >= sizeof(copy)) {
        return -1;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    const bool read =
        sscanf(copy, "o%1d%c%4d", &of, &kind, &index) == 3; /* NOLINT: what we wrote ourselves */
    return read && of == account && index >= 0 && index < SIM_OPENIDS ? index : -1;
}

/* ---- Merchants ---- */

static void push(sim *world, const char *event, int account, const char *code)
{
    if (world->push_count == SIM_PUSHES_MAX) {
        return;
    }
    sim_push *made = &world->pushes[world->push_count++];
    *made = (sim_push){.event = event, .account = account, .create_time_s = sim_wall(world) / 1000};
    (void)snprintf(made->code, sizeof(made->code), "%s", code);
    made->at = sim_boot(world) + 50 + sim_below(world, sim_chance(world, 70) ? 500 : 20000);
    made->copies = !world->healing && sim_chance(world, 20) ? 1 : 0;
}

void sim_merchant_authorizes(sim *world, int account)
{
    sim_account *of = &world->accounts[account];
    const bool again = of->authorized;
    const int64_t now = sim_wall(world);
    of->authorized = true;
    of->exchanged = false;
    of->auth_time_s = now / 1000;
    end_all(&of->access, now);
    end_all(&of->refresh, now);
    (void)snprintf(of->code, sizeof(of->code), "code%d-%d", account, ++of->codes_made);
    sim_note(world, "merchant %d authorizes: %s", account, of->code);
    push(world, again ? "updateauthorized" : "authorized", account, of->code);
}

void sim_merchant_revokes(sim *world, int account)
{
    sim_account *of = &world->accounts[account];
    const int64_t now = sim_wall(world);
    if (!of->authorized) {
        return;
    }
    of->authorized = of->exchanged = false;
    of->code[0] = '\0';
    end_all(&of->access, now);
    end_all(&of->refresh, now);
    sim_note(world, "merchant %d revokes", account);
    push(world, "unauthorized", account, "");
}

void sim_wechat_init(sim *world)
{
    for (size_t at = 0; at < world->account_count; at++) {
        sim_account *of = &world->accounts[at];
        (void)snprintf(of->appid, sizeof(of->appid), "wxa00000000000000%d", (int)at);
        of->certified = of->users_set = of->official = true;
        of->rotates = sim_chance(world, 60);
        of->shows = sim_chance(world, 60);
        of->lists = sim_chance(world, 60);
        of->quota_left = 1000000;
    }
}

/* ---- Answers ---- */

static void answer(sim_flight *flight, int errcode, const char *text)
{
    char reply[REPLY_MAX];
    flight->status = 200;
    flight->errcode = errcode;
    if (errcode != 0) {
        (void)snprintf(reply, sizeof(reply), "{\"errcode\":%d,\"errmsg\":\"%s rid: 1-2-3\"}", errcode, text);
        text = reply;
    }
    free(flight->reply);
    flight->reply = strdup(text);
    if (!flight->reply) {
        abort();
    }
}

static bool member(const char *body, const char *name, char *value, size_t size)
{
    char key[48];
    (void)snprintf(key, sizeof(key), "\"%s\":\"", name);
    const char *at = strstr(body, key);
    if (!at) {
        return false;
    }
    at += strlen(key);
    (void)snprintf(value, size, "%.*s", (int)strcspn(at, "\""), at);
    return true;
}

static void component_token(sim *world, sim_flight *flight)
{
    char reply[REPLY_MAX];
    const int64_t now = sim_wall(world);
    if (!strstr(flight->body, "ticket@@@")) {
        answer(flight, 61006, "component ticket is invalid");
        return;
    }
    end_all(&world->component, now + OVERLAP_MS);
    const sim_token *made = sim_token_make(world, &world->component, "ct", 0, now + LIFE_S * 1000);
    (void)snprintf(flight->granted, sizeof(flight->granted), "%s", made->text);
    (void)snprintf(reply, sizeof(reply), "{\"component_access_token\":\"%s\",\"expires_in\":%d}", made->text,
                   LIFE_S);
    answer(flight, 0, reply);
}

/* A pair that takes the place of the one before. */
static void grant(sim *world, sim_flight *flight, sim_account *of, bool new_refresh)
{
    const int64_t now = sim_wall(world);
    const int account = (int)(of - world->accounts);
    end_all(&of->access, now + OVERLAP_MS);
    if (new_refresh) {
        end_all(&of->refresh, now + OVERLAP_MS);
        (void)sim_token_make(world, &of->refresh, "rt", account, SIM_NEVER);
    }
    const sim_token *access = sim_token_make(world, &of->access, "at", account, now + LIFE_S * 1000);
    (void)snprintf(flight->granted, sizeof(flight->granted), "%s", access->text);
    (void)snprintf(flight->granted_refresh, sizeof(flight->granted_refresh), "%s", refresh_in_force(of));
}

static void refresh(sim *world, sim_flight *flight)
{
    char reply[REPLY_MAX];
    char asked[SIM_TEXT] = "";
    sim_account *of = flight->account >= 0 ? &world->accounts[flight->account] : NULL;
    (void)member(flight->body, "authorizer_refresh_token", asked, sizeof(asked));
    if (!of || !of->authorized) {
        answer(flight, 61003, "component is not authorized by this account");
        return;
    }
    const sim_token *token = sim_token_find(&of->refresh, asked);
    if (!token || sim_wall(world) >= token->until_ms) {
        answer(flight, 61023, "refresh_token is invalid");
        return;
    }
    grant(world, flight, of, of->rotates);
    (void)snprintf(
        reply, sizeof(reply),
        "{\"authorizer_access_token\":\"%s\",\"expires_in\":%d,\"authorizer_refresh_token\":\"%s\"}",
        flight->granted, LIFE_S, flight->granted_refresh);
    answer(flight, 0, reply);
}

static const char *sets_of(const sim_account *of)
{
    return of->users_set ? "[{\"funcscope_category\":{\"id\":1}},{\"funcscope_category\":{\"id\":2}}]"
                         : "[{\"funcscope_category\":{\"id\":1}}]";
}

static sim_account *whose_code(sim *world, const char *code)
{
    for (size_t at = 0; *code && at < world->account_count; at++) {
        if (strcmp(world->accounts[at].code, code) == 0) {
            return &world->accounts[at];
        }
    }
    return NULL;
}

static void query_auth(sim *world, sim_flight *flight)
{
    char reply[REPLY_MAX];
    char code[SIM_TEXT] = "";
    (void)member(flight->body, "authorization_code", code, sizeof(code));
    sim_account *of = whose_code(world, code);
    if (!of) {
        answer(flight, 61010, "code is expired");
        return;
    }
    of->code[0] = '\0';
    of->exchanged = true;
    flight->account = (int)(of - world->accounts);
    grant(world, flight, of, true);
    (void)snprintf(reply, sizeof(reply),
                   "{\"authorization_info\":{\"authorizer_appid\":\"%s\",\"authorizer_access_token\":\"%s\","
                   "\"expires_in\":%d,\"authorizer_refresh_token\":\"%s\",\"func_info\":%s}}",
                   of->appid, flight->granted, LIFE_S, flight->granted_refresh, sets_of(of));
    answer(flight, 0, reply);
}

static const char *shown_refresh(const sim_account *of, bool shows, const char *name, char *text, size_t size)
{
    (void)snprintf(text, size, "%s", "");
    if (shows && of->exchanged) {
        (void)snprintf(text, size, ",\"%s\":\"%s\"", name, refresh_in_force(of));
    }
    return text;
}

static void info(sim *world, sim_flight *flight)
{
    char reply[REPLY_MAX];
    char shown[96];
    const sim_account *of = flight->account >= 0 ? &world->accounts[flight->account] : NULL;
    if (!of || !of->authorized) {
        answer(flight, 61003, "component is not authorized by this account");
        return;
    }
    (void)snprintf(reply, sizeof(reply),
                   "{\"authorizer_info\":{\"nick_name\":\"Shop\",\"service_type_info\":{\"id\":2},"
                   "\"verify_type_info\":{\"id\":%d},\"user_name\":\"gh_1\",\"account_status\":1%s},"
                   "\"authorization_info\":{\"authorizer_appid\":\"%s\"%s,\"func_info\":%s}}",
                   of->certified ? 0 : -1, of->official ? "" : ",\"MiniProgramInfo\":{\"network\":{}}",
                   of->appid, shown_refresh(of, of->shows, "authorizer_refresh_token", shown, sizeof(shown)),
                   sets_of(of));
    answer(flight, 0, reply);
}

static void list(sim *world, sim_flight *flight)
{
    char reply[REPLY_MAX] = "";
    char shown[96];
    size_t used = 0;
    int count = 0;
    for (size_t at = 0; at < world->account_count; at++) {
        const sim_account *of = &world->accounts[at];
        if (of->authorized) {
            used += (size_t)snprintf(
                reply + used, sizeof(reply) - used,
                "%s{\"authorizer_appid\":\"%s\"%s,\"auth_time\":%" PRId64 "}", count++ ? "," : "", of->appid,
                shown_refresh(of, of->lists, "refresh_token", shown, sizeof(shown)), of->auth_time_s);
        }
    }
    char whole[REPLY_MAX + 64];
    (void)snprintf(whole, sizeof(whole), "{\"total_count\":%d,\"list\":[%s]}", count, reply);
    answer(flight, 0, whole);
}

/* ---- The blacklist ---- */

typedef struct asked {
    int index[LIST_MOST + 1];
    int count, bad;
} asked;

static bool read_openids(sim *world, const sim_flight *flight, asked *what)
{
    const char *at = strstr(flight->body, "\"openid_list\":[");
    *what = (asked){.count = 0};
    for (at = at ? strchr(at, '[') + 1 : NULL; at && *at == '"' && what->count <= LIST_MOST;) {
        const size_t len = strcspn(at + 1, "\"");
        const int index = sim_openid_index(at + 1, len, flight->account);
        if (index < 0 || !world->accounts[flight->account].listed[index]) {
            sim_fail(world, "I7: %.*s was sent for account %d, and no list has it", (int)len, at + 1,
                     flight->account);
            return false;
        }
        what->index[what->count++] = index;
        what->bad += world->accounts[flight->account].bad[index];
        at += len + 2;
        at += *at == ',';
    }
    return what->count > 0;
}

static void unblacklist(sim *world, sim_flight *flight)
{
    sim_account *of = &world->accounts[flight->account];
    asked what;
    if (!of->authorized || !of->certified || !of->users_set || !of->official) {
        answer(flight, 48001, "api unauthorized");
        return;
    }
    if (of->quota_left-- <= 0) {
        answer(flight, 45009, "reach max api daily quota limit");
        return;
    }
    if (!read_openids(world, flight, &what)) {
        answer(flight, 44002, "empty post data");
        return;
    }
    for (int at = 0; at < what.count; at++) {
        of->asked[what.index[at]]++;
        of->applied[what.index[at]] += what.bad == 0 && what.count <= LIST_MOST;
    }
    if (what.count > LIST_MOST) {
        sim_fail(world, "more than 20 openids in one call");
        answer(flight, 40032, "too many");
    } else if (what.bad > 0) {
        of->refused_alone[what.index[0]] = of->refused_alone[what.index[0]] || what.count == 1;
        answer(flight, 40003, "invalid openid");
    } else {
        answer(flight, 0, "{\"errcode\":0,\"errmsg\":\"ok\"}");
    }
}

static void quota(sim *world, sim_flight *flight)
{
    char reply[REPLY_MAX];
    const int left = flight->account >= 0 ? (int)world->accounts[flight->account].quota_left : 0;
    (void)snprintf(reply, sizeof(reply), "{\"errcode\":0,\"quota\":{\"daily_limit\":1000,\"remain\":%d}}",
                   left > 0 ? left : 0);
    answer(flight, 0, reply);
}

/* ---- One request ---- */

static bool token_serves(sim *world, const sim_flight *flight)
{
    if (flight->path == SIM_PATH_COMPONENT_TOKEN || flight->path == SIM_PATH_OTHER) {
        return true;
    }
    if (flight->path == SIM_PATH_UNBLACKLIST || flight->path == SIM_PATH_QUOTA) {
        return flight->account >= 0 && serves(world, &world->accounts[flight->account].access, flight->token);
    }
    return serves(world, &world->component, flight->token);
}

static void carry_out(sim *world, sim_flight *flight)
{
    static void (*const served[])(sim * world, sim_flight * flight) = {
        component_token, refresh, query_auth, info, list, unblacklist, quota};
    if (!token_serves(world, flight)) {
        answer(flight, 40001, "invalid credential, access_token is invalid or not latest");
    } else if (flight->path == SIM_PATH_OTHER) {
        answer(flight, 0, "{\"errcode\":0,\"errmsg\":\"ok\"}");
    } else {
        served[flight->path](world, flight);
    }
}

/* What stands in front of WeChat's own work. False: that is not done. */
static bool in_front(sim_flight *flight)
{
    switch (flight->fault) {
    case SIM_FAULT_BUSY:
        answer(flight, -1, "system error");
        return false;
    case SIM_FAULT_HTTP_502:
        answer(flight, 0, "<html><body>502 Bad Gateway</body></html>");
        flight->status = 502;
        return false;
    case SIM_FAULT_RATE:
        answer(flight, 45011, "api minute-quota reach limit");
        return false;
    case SIM_FAULT_TOKEN:
        answer(flight, 40001, "invalid credential");
        return false;
    case SIM_FAULT_NO_RIGHT:
        answer(flight, 48001, "api unauthorized");
        return false;
    default:
        return true;
    }
}

void sim_wechat_serve(sim *world, sim_flight *flight)
{
    if (!in_front(flight)) {
        sim_note(world, "   #%d WeChat: %d", flight->number, flight->errcode);
        return;
    }
    carry_out(world, flight);
    sim_note(world, "   #%d WeChat: %d %s %s", flight->number, flight->errcode, flight->granted,
             flight->granted_refresh);
    flight->good = flight->errcode == 0;
    if (flight->fault == SIM_FAULT_BUSY_APPLIED) {
        answer(flight, -1, "system error");
        flight->good = false;
    } else if (flight->fault == SIM_FAULT_HTML) {
        answer(flight, 0, "<html><body>hello</body></html>");
        flight->good = false;
    } else if (flight->fault == SIM_FAULT_TRUNCATED) {
        flight->reply[strlen(flight->reply) / 2] = '\0';
        flight->good = false;
        flight->errcode = 0; /* nobody can read it */
    }
}
