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

void wechat_openid(int n, char text[WECHAT_TEXT])
{
    (void)snprintf(text, WECHAT_TEXT, "o_openid_number_%05d_of_shop", n);
}

bool wechat_bad(int n)
{
    return n % 16 == 6;
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
    (void)request;
    say(reply, "{\"access_token\":\"own-token-number-%05d\",\"expires_in\":7200}", ++door->wechat->own);
}

/* ---- Business ---- */

static void unblacklist(const wechat_door *door, const fake_request *request, fake_reply *reply)
{
    wechat *self = door->wechat;
    bool named[WECHAT_OPENIDS] = {false};
    bool bad = false;
    const int number = number_after(request->url, "access-token-number-");
    used(door, WECHAT_MERCHANT, "access", "access-token-number-", number, &self->access_used);
    self->unblacklist_calls++;
    if (number != self->access && number != self->access - 1) {
        refuse(reply, 40001);
        return;
    }
    for (const char *at = request->body; (at = strstr(at, "o_openid_number_")) != NULL; at++) {
        const int n = number_after(at, "o_openid_number_");
        if (n < 0 || n >= WECHAT_OPENIDS) {
            broken(self, "no openid of the list:", at);
            break;
        }
        named[n] = true;
        bad = bad || wechat_bad(n);
    }
    for (int n = 0; n < WECHAT_OPENIDS && !bad; n++) {
        self->done[n] = self->done[n] || named[n];
    }
    refuse(reply, bad ? 40003 : 0);
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
