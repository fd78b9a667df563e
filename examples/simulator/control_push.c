/* Orders that make WeChat push something. */
#include "control.h"
#include "json.h"
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seals and answers the push, and notes where it is to be delivered. */
static void send_push(struct control *control, const struct component *component,
                      const struct push_order *order)
{
    if (!push_make(control->simulator, component, order, &control->push)) {
        control_refuse(control, "the component has no such key");
        return;
    }
    json_put(control->answer, "push", push_show(&control->push));
    if (!json_flag(control->order, "deliver", component->callback_url != NULL))
        return;
    const char *url = json_text_or(control->order, "callback_url", component->callback_url);
    if (url)
        control->deliver_to = sim_copy(url);
    else
        control_refuse(control, "deliver: the component has no callback_url");
}

static struct merchant *named_merchant(struct control *control)
{
    struct merchant *merchant = merchant_find(&control->simulator->world, json_text(control->order, "appid"));
    if (!merchant)
        control_refuse(control, "no such merchant");
    return merchant;
}

static bool read_new_sets(struct control *control, struct merchant *merchant)
{
    struct json_object *list = json_get(control->order, "permission_sets");
    if (!json_object_is_type(list, json_type_array))
        return true;
    size_t count = json_object_array_length(list);
    memset(merchant->sets, 0, sizeof merchant->sets);
    for (size_t i = 0; i < count; i++) {
        int64_t id = json_object_get_int64(json_object_array_get_idx(list, i));
        if (id < 0 || id > LARGEST_SET)
            return control_refuse(control, "permission_sets: 0 to %d", LARGEST_SET);
        set_put(merchant->sets, id);
    }
    return true;
}

/* One pre-authorization code serves one authorization. */
static bool spend_pre_auth_code(struct control *control, struct component *component, char **text)
{
    struct world *world = &control->simulator->world;
    const char *named = json_text(control->order, "pre_auth_code");
    if (!named) {
        struct token *own = token_mint(world, &component->pre_auth_codes, TOKEN_PRE_AUTH_CODE,
                                       world->settings.pre_auth_code_life_s,
                                       (struct token_owner){.component = component}, NULL);
        own->used = true;
        *text = sim_copy(own->text);
        return true;
    }
    struct token *code = token_find(world, named);
    if (!code || code->kind != TOKEN_PRE_AUTH_CODE || code->component != component || code->used ||
        !token_alive(code, world_now_ms(world)))
        return control_refuse(control, "pre_auth_code: unknown, used or expired");
    code->used = true;
    *text = sim_copy(named);
    return true;
}

struct token *control_new_code(struct control *control, struct component *component,
                               struct merchant *merchant)
{
    struct world *world = &control->simulator->world;
    struct authorization *authorization = authorization_find(component, merchant->appid);
    int64_t now = world_now_ms(world);
    if (!authorization)
        authorization = authorization_add(component, merchant->appid);
    bool changed = memcmp(authorization->sets, merchant->sets, sizeof merchant->sets) != 0;
    if (json_flag(control->order, "kills_tokens", authorization->authorized && changed)) {
        credential_retire(&authorization->access, NULL, now);
        credential_retire(&authorization->refresh, NULL, now);
    }
    /* After a withdrawal nothing was exchanged yet. */
    if (!authorization->authorized)
        authorization->exchanged = false;
    authorization->authorized = true;
    authorization->auth_time_ms = now;
    memcpy(authorization->sets, merchant->sets, sizeof merchant->sets);
    struct token_owner owner = {component, merchant, authorization};
    return token_mint(world, &authorization->codes, TOKEN_CODE, world->settings.code_life_s, owner, NULL);
}

void control_authorize(struct control *control)
{
    struct json_object *order = control->order;
    char *pre_auth_code = NULL;
    if (!json_only(
            order,
            "appid component_appid update permission_sets pre_auth_code kills_tokens deliver callback_url",
            control->why, sizeof control->why))
        return;
    struct component *component = control_component(control);
    struct merchant *merchant = component ? named_merchant(control) : NULL;
    if (!merchant || !read_new_sets(control, merchant) ||
        !spend_pre_auth_code(control, component, &pre_auth_code))
        return;
    const struct token *code = control_new_code(control, component, merchant);
    const char *kind = json_flag(order, "update", false) ? "updateauthorized" : "authorized";
    char *xml = authorized_xml(component->appid, code->issued_ms, kind, merchant->appid, code, pre_auth_code);
    json_put_text(control->answer, "authorization_code", code->text);
    json_put_integer(control->answer, "expires_in", control->simulator->world.settings.code_life_s);
    send_push(control, component, &(struct push_order){.xml = xml});
    free(xml);
    free(pre_auth_code);
}

void control_unauthorize(struct control *control)
{
    const struct world *world = &control->simulator->world;
    if (!json_only(control->order, "appid component_appid deliver callback_url", control->why,
                   sizeof control->why))
        return;
    struct component *component = control_component(control);
    struct merchant *merchant = component ? named_merchant(control) : NULL;
    struct authorization *authorization = merchant ? authorization_find(component, merchant->appid) : NULL;
    if (!merchant)
        return;
    if (!authorization || !authorization->authorized) {
        control_refuse(control, "the merchant has not authorized this component");
        return;
    }
    int64_t now = world_now_ms(world);
    authorization->authorized = false;
    credential_retire(&authorization->access, NULL, now);
    credential_retire(&authorization->refresh, NULL, now);
    credential_retire(&authorization->codes, NULL, now);
    char *xml = unauthorized_xml(component->appid, now, merchant->appid);
    send_push(control, component, &(struct push_order){.xml = xml});
    free(xml);
}

void control_ticket(struct control *control)
{
    if (!json_only(control->order, "component_appid ticket deliver callback_url", control->why,
                   sizeof control->why))
        return;
    struct component *component = control_component(control);
    const char *text = json_text(control->order, "ticket");
    if (!component)
        return;
    if (text && token_find(&control->simulator->world, text)) {
        control_refuse(control, "ticket: in use already");
        return;
    }
    struct world *world = &control->simulator->world;
    struct token *ticket = token_mint(world, &component->tickets, TOKEN_TICKET, world->settings.ticket_life_s,
                                      (struct token_owner){.component = component}, text);
    component->last_ticket_ms = ticket->issued_ms;
    component->pushing = true;
    char *xml = ticket_xml(component->appid, ticket->issued_ms, ticket->text);
    json_put_text(control->answer, "ticket", ticket->text);
    send_push(control, component, &(struct push_order){.xml = xml});
    free(xml);
}

void control_push(struct control *control)
{
    struct json_object *order = control->order;
    const char *forge = json_text_or(order, "forge", "nothing");
    const char *key = json_text_or(order, "key", "current");
    struct push_order push = {.xml = json_text(order, "xml"),
                              .to_user_name = json_text(order, "to_user_name"),
                              .random = json_text(order, "random"),
                              .timestamp = json_text(order, "timestamp"),
                              .nonce = json_text(order, "nonce")};
    if (!json_only(order,
                   "component_appid xml to_user_name key forge random timestamp nonce deliver callback_url",
                   control->why, sizeof control->why))
        return;
    struct component *component = control_component(control);
    if (!component)
        return;
    if (!push.xml || (push.random && strlen(push.random) != SEAL_RANDOM))
        control_refuse(control, "xml is needed; random has %d characters", SEAL_RANDOM);
    else if (!forgery_read(forge, &push.forgery))
        control_refuse(control, "forge: %s", forgery_names());
    else if (!words_have("current previous", key))
        control_refuse(control, "key: current or previous");
    else {
        push.previous_key = strcmp(key, "previous") == 0;
        send_push(control, component, &push);
    }
}
