#include "wechat.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

#define INFO                                                                                                 \
    "\"func_info\":[{\"funcscope_category\":{\"id\":1}},{\"funcscope_category\":{\"id\":2}},"                \
    "{\"funcscope_category\":{\"id\":15}}]"

void wechat_access_text(int number, char text[WECHAT_TEXT])
{
    (void)snprintf(text, WECHAT_TEXT, "access-token-number-%05d", number);
}

void wechat_refresh_text(int number, char text[WECHAT_TEXT])
{
    (void)snprintf(text, WECHAT_TEXT, "refresh-token-number-%05d", number);
}

void wechat_own_text(int number, char text[WECHAT_TEXT])
{
    (void)snprintf(text, WECHAT_TEXT, "own-token-number-%05d", number);
}

void wechat_openid(int n, char text[WECHAT_TEXT])
{
    (void)snprintf(text, WECHAT_TEXT, "o_openid_number_%05d_of_shop", n);
}

bool wechat_bad(int n)
{
    return n % 16 == 6;
}

bool wechat_was_listed(int n)
{
    return n % 3 != 0;
}

bool wechat_listed(const wechat *self, int n)
{
    return wechat_was_listed(n) && !self->done[n];
}

static void broken(wechat *self, const char *what, const char *more)
{
    if (!self->broken[0]) {
        (void)snprintf(self->broken, sizeof(self->broken), "%s %s", what, more);
    }
}

/* The number behind a name in a text; -1 where it is not there. */
static int number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? (int)strtol(at + strlen(name), NULL, 10) : -1;
}

static void used(const wechat_door *door, const char *appid, const char *field, const char *prefix,
                 int number, int *highest)
{
    char text[WECHAT_TEXT];
    *highest = number > *highest ? number : *highest;
    (void)snprintf(text, sizeof(text), "%s%05d", prefix, number);
    if (door->stored && !door->stored(door->user, appid, field, text)) {
        broken(door->wechat, "I2: used and not stored:", text);
    }
}

static __attribute__((format(printf, 2, 3))) void say(fake_reply *reply, const char *format, ...)
{
    char *body = malloc(4096);
    va_list args;
    if (!body) {
        abort();
    }
    va_start(args, format);
    (void)vsnprintf(body, 4096, format, args);
    va_end(args);
    reply->body = body;
    reply->free_body = true;
}

static void refuse(fake_reply *reply, int errcode)
{
    say(reply, "{\"errcode\":%d,\"errmsg\":\"refused rid: 1-2-3\"}", errcode);
}

static void pair(wechat *self, char access[WECHAT_TEXT], char refresh[WECHAT_TEXT])
{
    wechat_access_text(++self->access, access);
    wechat_refresh_text(++self->refresh, refresh);
}

/* ---- Calls of the platform ---- */

static void component_token(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    if (!strstr(request->body, "ticket@@@")) {
        refuse(reply, 61006);
        return;
    }
    say(reply, "{\"component_access_token\":\"component-token-number-%05d\",\"expires_in\":7200}",
        ++door->wechat->component);
}

/* False: refused. */
static bool component_ok(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    const int number = number_after(request->url, "component-token-number-");
    used(door, "", "access", "component-token-number-", number, &door->wechat->component_used);
    if (number != door->wechat->component) {
        refuse(reply, 40001);
        return false;
    }
    return true;
}

static void authorizer_token(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    wechat *self = door->wechat;
    char access[WECHAT_TEXT];
    char refresh[WECHAT_TEXT];
    if (!component_ok(door, request, reply)) {
        return;
    }
    const int number = number_after(request->body, "refresh-token-number-");
    used(door, WECHAT_MERCHANT, "refresh", "refresh-token-number-", number, &self->refresh_used);
    if (!self->authorized || number != self->refresh) {
        refuse(reply, 61023);
        return;
    }
    pair(self, access, refresh);
    say(reply, "{\"authorizer_access_token\":\"%s\",\"expires_in\":7200,\"authorizer_refresh_token\":\"%s\"}",
        access, refresh);
}

static void query_auth(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    wechat *self = door->wechat;
    char access[WECHAT_TEXT];
    char refresh[WECHAT_TEXT];
    if (!component_ok(door, request, reply)) {
        return;
    }
    if (!strstr(request->body, WECHAT_CODE) || self->code_used) {
        refuse(reply, 61010);
        return;
    }
    self->code_used = self->authorized = true;
    pair(self, access, refresh);
    say(reply,
        "{\"authorization_info\":{\"authorizer_appid\":\"" WECHAT_MERCHANT
        "\",\"authorizer_access_token\":\"%s\",\"expires_in\":7200,\"authorizer_refresh_token\":\"%s\"," INFO
        "}}",
        access, refresh);
}

static void authorizer_info(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    char refresh[WECHAT_TEXT];
    if (!component_ok(door, request, reply)) {
        return;
    }
    door->wechat->infos++;
    if (!door->wechat->authorized) {
        refuse(reply, 61003);
        return;
    }
    wechat_refresh_text(door->wechat->refresh, refresh);
    say(reply,
        "{\"authorizer_info\":{\"nick_name\":\"Shop\",\"service_type_info\":{\"id\":2},"
        "\"verify_type_info\":{\"id\":0},\"account_status\":1},"
        "\"authorization_info\":{\"authorizer_appid\":\"" WECHAT_MERCHANT
        "\",\"authorizer_refresh_token\":\"%s\"," INFO "}}",
        refresh);
}

static void authorizer_list(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    char refresh[WECHAT_TEXT];
    if (!component_ok(door, request, reply)) {
        return;
    }
    wechat_refresh_text(door->wechat->refresh, refresh);
    if (!door->wechat->authorized) {
        say(reply, "{\"total_count\":0,\"list\":[]}");
        return;
    }
    say(reply,
        "{\"total_count\":1,\"list\":[{\"authorizer_appid\":\"" WECHAT_MERCHANT
        "\",\"refresh_token\":\"%s\",\"auth_time\":1767225600}]}",
        refresh);
}

static void stable_token(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    char text[WECHAT_TEXT];
    (void)request;
    wechat_own_text(++door->wechat->own, text);
    say(reply, "{\"access_token\":\"%s\",\"expires_in\":7200}", text);
}

/* ---- Business ---- */

/* False: refused. Of a token the last is good, and the one before. */
static bool token_ok(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    wechat *self = door->wechat;
    const int own = number_after(request->url, "own-token-number-");
    const int number = own > 0 ? own : number_after(request->url, "access-token-number-");
    const int last = own > 0 ? self->own : self->access;
    if (own > 0) {
        used(door, WECHAT_OWN, "access", "own-token-number-", number, &self->own_used);
    } else {
        used(door, WECHAT_MERCHANT, "access", "access-token-number-", number, &self->access_used);
    }
    if (number != last && number != last - 1) {
        refuse(reply, 40001);
        return false;
    }
    return true;
}

/* The openids of a list; whether none of them is bad. */
static bool read_list(wechat *self, const char *body, bool named[WECHAT_OPENIDS])
{
    bool good = true;
    for (const char *at = body; (at = strstr(at, "o_openid_number_")) != NULL; at++) {
        const int n = number_after(at, "o_openid_number_");
        if (n < 0 || n >= WECHAT_OPENIDS) {
            broken(self, "no openid of the list:", at);
            break;
        }
        named[n] = true;
        good = good && !wechat_bad(n);
    }
    return good;
}

static void unblacklist(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    wechat *self = door->wechat;
    bool named[WECHAT_OPENIDS] = {false};
    self->unblacklist_calls++;
    if (!token_ok(door, request, reply)) {
        return;
    }
    const bool good = read_list(self, request->body, named);
    for (int n = 0; n < WECHAT_OPENIDS && good; n++) {
        self->done[n] = self->done[n] || named[n];
    }
    refuse(reply, good ? 0 : 40003);
}

static void blacklist(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    wechat *self = door->wechat;
    bool named[WECHAT_OPENIDS] = {false};
    if (!token_ok(door, request, reply)) {
        return;
    }
    const bool good = read_list(self, request->body, named);
    for (int n = 0; n < WECHAT_OPENIDS && good; n++) {
        if (named[n] && !wechat_was_listed(n)) {
            broken(self, "put on the list, and never was on it:", request->body);
        }
        self->done[n] = self->done[n] && !named[n];
    }
    refuse(reply, good ? 0 : 40003);
}

enum { PAGE = 16 };

static void get_blacklist(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    const wechat *self = door->wechat;
    char openids[PAGE * (WECHAT_TEXT + 3) + 1] = "";
    char last[WECHAT_TEXT] = "";
    size_t len = 0;
    int count = 0;
    int total = 0;
    if (!token_ok(door, request, reply)) {
        return;
    }
    const int after = number_after(request->body, "o_openid_number_");
    for (int n = 0; n < WECHAT_OPENIDS; n++) {
        total += wechat_listed(self, n);
        if (wechat_listed(self, n) && n > after && count < PAGE) {
            wechat_openid(n, last);
            len +=
                (size_t)snprintf(openids + len, sizeof(openids) - len, "%s\"%s\"", count++ ? "," : "", last);
        }
    }
    say(reply, "{\"total\":%d,\"count\":%d,\"data\":{\"openid\":[%s]},\"next_openid\":\"%s\"}", total, count,
        openids, last);
}

typedef void answerer(const wechat_door *door, const fake_request *request, fake_reply *reply);

void wechat_answer(void *user, const fake_request *request, fake_reply *reply)
{
    static const struct {
        const char *path;
        answerer *answer;
    } paths[] = {
        {"api_component_token", component_token},
        {"api_authorizer_token", authorizer_token},
        {"api_query_auth", query_auth},
        {"api_get_authorizer_info", authorizer_info},
        {"api_get_authorizer_list", authorizer_list},
        {"/cgi-bin/stable_token", stable_token},
        {"batchunblacklist", unblacklist},
        {"batchblacklist", blacklist},
        {"getblacklist", get_blacklist},
    };
    reply->outcome = WXTP_HTTP_ANSWERED;
    reply->status = 404;
    for (size_t at = 0; at < sizeof(paths) / sizeof(paths[0]); at++) {
        if (strstr(request->url, paths[at].path)) {
            reply->status = 200;
            paths[at].answer(user, request, reply);
            return;
        }
    }
}

void wechat_serve(wechat_door *door, fake_http *http)
{
    fake_http_handle(http, "/", NULL, -1, wechat_answer, door);
}
