/*
 * A strict WeChat for one platform with one merchant and one own account. Of each token only what it gave
 * last is good (of access tokens the one before too); an answer that got lost has still been given. It is a
 * plain value: a copy is WeChat at that moment.
 */
#ifndef WXTP_FAULT_WECHAT_H
#define WXTP_FAULT_WECHAT_H

#include <stdbool.h>
#include <stdint.h>

#include "fake_http.h"

#define WECHAT_COMPONENT "wxc0000000000000c1"
#define WECHAT_MERCHANT "wxa0000000000000a1"
#define WECHAT_OWN "wxb0000000000000b1"
#define WECHAT_CODE "queryauthcode@@@1"

enum { WECHAT_OPENIDS = 64, WECHAT_TEXT = 64 };

typedef struct wechat {
    int component, access, refresh, own; /* numbers of what was given last; 0: nothing yet */
    bool authorized, code_used;
    bool done[WECHAT_OPENIDS];                               /* taken off the blacklist */
    int component_used, access_used, refresh_used, own_used; /* the highest numbers that came in requests */
    int unblacklist_calls, infos;
    char broken[256]; /* the first promise that was seen broken */
} wechat;

/* Asked about a token that a request uses: is it in the store? */
typedef bool wechat_stored(void *user, const char *appid, const char *field, const char *text);

typedef struct wechat_door {
    wechat *wechat;
    wechat_stored *stored;
    void *user;
} wechat_door; /* `stored` NULL: it is not asked */

/* One answer. */
void wechat_answer(void *door, const fake_request *request, fake_reply *reply);
/* The answers of `door->wechat`, as rules of the port. */
void wechat_serve(wechat_door *door, fake_http *http);

void wechat_access_text(int number, char text[WECHAT_TEXT]);
void wechat_refresh_text(int number, char text[WECHAT_TEXT]);
void wechat_own_text(int number, char text[WECHAT_TEXT]);
/* The n-th openid; every 16th from the 7th on is none of the merchant's. */
void wechat_openid(int n, char text[WECHAT_TEXT]);
bool wechat_bad(int n);
/* Whether it was on the blacklist at first: two of three were. */
bool wechat_was_listed(int n);
bool wechat_listed(const wechat *self, int n);

#endif
