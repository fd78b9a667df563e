/* The control API under /sim/. */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "http.h"
#include "push.h"
#include "simulator.h"

#include <json-c/json.h>

enum { WHY_SIZE = 512 };

/* One order in hand: its JSON, its answer, and what was wrong with it. */
struct control {
    struct simulator *simulator;
    const struct request *request;
    struct json_object *order;
    struct json_object *answer;
    char why[WHY_SIZE]; /* not empty: the order is refused */
    unsigned status;    /* of a refusal */
    struct push push;   /* to be delivered once the lock is free */
    char *deliver_to;   /* NULL: nowhere */
};

/* Not under the lock. */
void control_answer(struct simulator *simulator, const struct request *request, struct answer *answer);

/* Notes why the order is refused; false. */
bool control_refuse(struct control *control, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The named component, or the only one; NULL after a refusal. */
struct component *control_component(struct control *control);

/* The merchant authorizes the component: a code to be exchanged. */
struct token *control_new_code(struct control *control, struct component *component,
                               struct merchant *merchant);

void control_set_component(struct control *control);
void control_set_merchant(struct control *control);
void control_show_merchant(struct control *control);
void control_show_state(struct control *control);
void control_set_cloud(struct control *control);
void control_authorize(struct control *control);
void control_unauthorize(struct control *control);
void control_ticket(struct control *control);
void control_push(struct control *control);
void control_release_test(struct control *control);

#endif
