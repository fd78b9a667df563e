#include "push.h"
#include "json.h"
#include "memory.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TRIES = 3, TRY_SECONDS = 5, ANSWER_MOST = 65536, LOOK_MS = 50 };

static char *escaped(const char *text)
{
    char *curl_text = curl_easy_escape(NULL, text, 0);
    char *copy = sim_copy(curl_text ? curl_text : "");
    curl_free(curl_text);
    return copy;
}

static char *envelope(const struct component *component, const struct push_order *order, const char *encrypt)
{
    const char *field = order->to_user_name ? "ToUserName" : "AppId";
    const char *value = order->to_user_name ? order->to_user_name : component->appid;
    const char *dtd = "";
    const char *end = "</xml>";
    if (order->forgery == FORGE_DOCTYPE) {
        dtd = "<!DOCTYPE xml [<!ENTITY name \"value\">]>\n";
        value = "&name;";
        return sim_format("%s<xml>\n    <%s>%s</%s>\n    <Encrypt><![CDATA[%s]]></Encrypt>\n</xml>\n", dtd,
                          field, value, field, encrypt);
    }
    if (order->forgery == FORGE_ENVELOPE)
        end = "";
    return sim_format("<xml>\n    <%s><![CDATA[%s]]></%s>\n    <Encrypt><![CDATA[%s]]></Encrypt>\n%s\n",
                      field, value, field, encrypt, end);
}

static char *query_of(const struct push_order *order, const char *token, const char *timestamp,
                      const char *nonce, const char *encrypt)
{
    char plain[SIGNATURE_SIZE];
    char message[SIGNATURE_SIZE];
    seal_sign(token, timestamp, nonce, NULL, plain);
    seal_sign(order->forgery == FORGE_TOKEN ? "another" : token, timestamp, nonce, encrypt, message);
    if (order->forgery == FORGE_SIGNATURE)
        message[0] = message[0] == '0' ? '1' : '0';
    char *time_text = escaped(timestamp);
    char *nonce_text = escaped(nonce);
    char *query =
        order->forgery == FORGE_UNSIGNED
            ? sim_format("signature=%s&timestamp=%s&nonce=%s&encrypt_type=aes", plain, time_text, nonce_text)
            : sim_format("signature=%s&timestamp=%s&nonce=%s&encrypt_type=aes&msg_signature=%s", plain,
                         time_text, nonce_text, message);
    free(time_text);
    free(nonce_text);
    return query;
}

bool push_make(const struct simulator *simulator, const struct component *component,
               const struct push_order *order, struct push *push)
{
    char timestamp[24];
    char nonce[16];
    const char *key = order->previous_key ? component->previous_aes_key : component->aes_key;
    const char *token = order->previous_key && component->previous_push_token ? component->previous_push_token
                                                                              : component->push_token;
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)(world_now_ms(&simulator->world) / 1000));
    random_text(nonce, 10);
    for (size_t i = 0; i < 10; i++)
        nonce[i] = (char)('0' + (unsigned char)nonce[i] % 10);
    struct seal seal = {.token = token,
                        .aes_key = key,
                        .appid = component->appid,
                        .timestamp = order->timestamp ? order->timestamp : timestamp,
                        .nonce = order->nonce ? order->nonce : nonce,
                        .message = order->xml,
                        .size = strlen(order->xml),
                        .random = (const unsigned char *)order->random,
                        .forgery = order->forgery};
    char *encrypt = token ? seal_message(&seal) : NULL;
    if (!encrypt)
        return false;
    push->query = query_of(order, token, seal.timestamp, seal.nonce, encrypt);
    push->body = envelope(component, order, encrypt);
    free(encrypt);
    return true;
}

void push_free(struct push *push)
{
    free(push->query);
    free(push->body);
    *push = (struct push){0};
}

struct json_object *push_show(const struct push *push)
{
    struct json_object *shown = json_object_new_object();
    json_put_text(shown, "query", push->query);
    json_put_text(shown, "body", push->body);
    return shown;
}

#define XML_HEAD                                                                                             \
    "<xml><AppId><![CDATA[%s]]></AppId><CreateTime>%lld</CreateTime><InfoType><![CDATA[%s]]></InfoType>"

char *ticket_xml(const char *component, int64_t now_ms, const char *ticket)
{
    return sim_format(XML_HEAD "<ComponentVerifyTicket><![CDATA[%s]]></ComponentVerifyTicket></xml>",
                      component, (long long)(now_ms / 1000), "component_verify_ticket", ticket);
}

char *authorized_xml(const char *component, int64_t now_ms, const char *kind, const char *appid,
                     const struct token *code, const char *pre_auth_code)
{
    return sim_format(XML_HEAD "<AuthorizerAppid><![CDATA[%s]]></AuthorizerAppid>"
                               "<AuthorizationCode><![CDATA[%s]]></AuthorizationCode>"
                               "<AuthorizationCodeExpiredTime>%lld</AuthorizationCodeExpiredTime>"
                               "<PreAuthCode><![CDATA[%s]]></PreAuthCode></xml>",
                      component, (long long)(now_ms / 1000), kind, appid, code->text,
                      (long long)(code->expires_ms / 1000), pre_auth_code);
}

char *unauthorized_xml(const char *component, int64_t now_ms, const char *appid)
{
    return sim_format(XML_HEAD "<AuthorizerAppid><![CDATA[%s]]></AuthorizerAppid></xml>", component,
                      (long long)(now_ms / 1000), "unauthorized", appid);
}

bool push_ticket(struct simulator *simulator, struct component *component, const char *text,
                 struct push *push)
{
    struct world *world = &simulator->world;
    struct token *ticket = token_mint(world, &component->tickets, TOKEN_TICKET, world->settings.ticket_life_s,
                                      (struct token_owner){.component = component}, text);
    component->last_ticket_ms = ticket->issued_ms;
    component->ticket_due = false;
    char *xml = ticket_xml(component->appid, ticket->issued_ms, ticket->text);
    bool made = push_make(simulator, component, &(struct push_order){.xml = xml}, push);
    free(xml);
    return made;
}

struct collected {
    char text[ANSWER_MOST];
    size_t size;
};

static size_t collect(char *data, size_t one, size_t count, void *closure)
{
    struct collected *answer = closure;
    size_t size = one * count;
    if (size >= sizeof answer->text - answer->size)
        return 0;
    memcpy(answer->text + answer->size, data, size);
    answer->size += size;
    answer->text[answer->size] = '\0';
    return size;
}

static int give_up(void *closure, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct simulator *simulator = closure;
    (void)a, (void)b, (void)c, (void)d;
    pthread_mutex_lock(&simulator->lock);
    bool stopping = simulator->stopping;
    pthread_mutex_unlock(&simulator->lock);
    return stopping;
}

static void try_once(struct simulator *simulator, const char *url, const struct push *push,
                     struct collected *answer, struct delivery *delivery)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: text/xml");
    answer->size = 0;
    answer->text[0] = '\0';
    delivery->tries++;
    if (curl && headers) {
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, push->body);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TRY_SECONDS);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, give_up);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, simulator);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
        bool whole = curl_easy_perform(curl) == CURLE_OK;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &delivery->http_status);
        /* A message may be answered by a sealed reply instead. */
        delivery->success = whole && delivery->http_status == 200 &&
                            (strcmp(answer->text, "success") == 0 || strncmp(answer->text, "<xml>", 5) == 0);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
}

void push_deliver(struct simulator *simulator, const char *url, const struct push *push,
                  struct delivery *delivery)
{
    char *target = sim_format("%s%c%s", url, strchr(url, '?') ? '&' : '?', push->query);
    struct collected *answer = sim_alloc(sizeof *answer);
    *delivery = (struct delivery){0};
    while (!delivery->success && delivery->tries < TRIES && simulator_sleep(simulator, 0))
        try_once(simulator, target, push, answer, delivery);
    delivery->body = sim_copy(answer->text);
    free(answer);
    free(target);
}

struct json_object *delivery_show(const struct delivery *delivery)
{
    struct json_object *shown = json_object_new_object();
    json_put_integer(shown, "tries", delivery->tries);
    json_put_integer(shown, "http_status", delivery->http_status);
    json_put_flag(shown, "success", delivery->success);
    json_put_text(shown, "body", delivery->body);
    return shown;
}

void delivery_free(struct delivery *delivery)
{
    free(delivery->body);
    *delivery = (struct delivery){0};
}

static bool due(const struct world *world, const struct component *component)
{
    int64_t interval = world->settings.ticket_interval_s * 1000;
    return component->callback_url && component->aes_key &&
           (component->ticket_due ||
            (component->pushing && interval && world_now_ms(world) - component->last_ticket_ms >= interval));
}

/* The push of one ticket that is due; false when none is. */
static bool take_due(struct simulator *simulator, struct push *push, char **url)
{
    bool taken = false;
    pthread_mutex_lock(&simulator->lock);
    for (struct component *at = simulator->world.components; at && !taken; at = at->hh.next) {
        if (due(&simulator->world, at) && push_ticket(simulator, at, NULL, push)) {
            *url = sim_copy(at->callback_url);
            taken = true;
        }
    }
    pthread_mutex_unlock(&simulator->lock);
    return taken;
}

void *push_tickets(void *closure)
{
    struct simulator *simulator = closure;
    while (simulator_sleep(simulator, LOOK_MS)) {
        struct push push = {0};
        struct delivery delivery = {0};
        char *url = NULL;
        if (!take_due(simulator, &push, &url))
            continue;
        push_deliver(simulator, url, &push, &delivery);
        delivery_free(&delivery);
        push_free(&push);
        free(url);
    }
    return NULL;
}
