/* Pushes as WeChat sends them: sealed, signed, and delivered to a callback URL. */
#ifndef SIM_PUSH_H
#define SIM_PUSH_H

#include "seal.h"
#include "simulator.h"

#include <json-c/json.h>
#include <pthread.h>

struct push {
    char *query, *body;
};

struct push_order {
    const char *xml;
    const char *to_user_name; /* a message's envelope has it for AppId; NULL: an event */
    bool previous_key;
    enum forgery forgery;
    const char *random, *timestamp, *nonce; /* NULL: drawn, now, drawn */
};

/* What a callback made of a push. */
struct delivery {
    unsigned tries;
    long http_status;
    bool success;
    char *body;
};

/* False when the component has no usable key. Under the lock. */
bool push_make(const struct simulator *simulator, const struct component *component,
               const struct push_order *order, struct push *push);
void push_free(struct push *push);
struct json_object *push_show(const struct push *push);

/* The inner XML of the events, owned by the caller. */
char *ticket_xml(const char *component, int64_t now_ms, const char *ticket);
char *authorized_xml(const char *component, int64_t now_ms, const char *kind, const char *appid,
                     const struct token *code, const char *pre_auth_code);
char *unauthorized_xml(const char *component, int64_t now_ms, const char *appid);

/* A new ticket, and the push that brings it. Under the lock. */
bool push_ticket(struct simulator *simulator, struct component *component, const char *text,
                 struct push *push);

/* Up to three times, five seconds each, until the answer is `success`. Not under the lock. */
void push_deliver(struct simulator *simulator, const char *url, const struct push *push,
                  struct delivery *delivery);
struct json_object *delivery_show(const struct delivery *delivery);
void delivery_free(struct delivery *delivery);

/* Pushes tickets when they are due, until the simulator stops; a thread's main. */
void *push_tickets(void *simulator);

#endif
