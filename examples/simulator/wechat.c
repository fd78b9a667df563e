/* One WeChat request from arrival to answer: journal, faults, delays, holding back. */
#include "api.h"
#include "json.h"
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* Old interfaces take \uXXXX literally, so its backslash becomes one of the text. */
static char *escapes_made_literal(const char *body, size_t size, size_t *literal_size)
{
    char *literal = sim_alloc(2 * size + 1);
    size_t at = 0;
    for (size_t i = 0; i < size; i++) {
        literal[at++] = body[i];
        if (body[i] != '\\' || i + 1 == size)
            continue;
        if (body[i + 1] == 'u')
            literal[at++] = '\\';
        else
            literal[at++] = body[++i];
    }
    *literal_size = at;
    return literal;
}

static struct json_object *parse_body(const struct request *request, const struct route *route)
{
    if (!route || !route->literal_escapes || !memchr(request->body, '\\', request->size))
        return json_parse_object(request->body, request->size);
    /* It must be JSON as it stands, too. */
    struct json_object *as_it_is = json_parse_object(request->body, request->size);
    size_t size = 0;
    char *literal = escapes_made_literal(request->body, request->size, &size);
    struct json_object *body = as_it_is ? json_parse_object(literal, size) : NULL;
    json_object_put(as_it_is);
    free(literal);
    return body;
}

static bool secret_argument(const char *name)
{
    size_t size = strlen(name);
    return strcmp(name, "secret") == 0 || (size >= 12 && strcmp(name + size - 12, "access_token") == 0);
}

/* The query for the journal: token values become which token they are. */
static char *shown_query(const struct call *call)
{
    struct json_object *shown = json_object_new_object();
    for (size_t i = 0; i < call->request->argument_count; i++) {
        const struct argument *argument = &call->request->arguments[i];
        char *value = NULL;
        if (!secret_argument(argument->name))
            value = sim_copy(argument->value);
        else if (call->token && argument->value == call->token_text)
            value = sim_format("%s#%u", token_kind_name(call->token->kind), call->token->generation);
        else
            value = sim_copy(strcmp(argument->name, "secret") == 0 ? "(secret)" : "(unknown)");
        char *name = sim_copy(argument->name);
        json_tame(name);
        json_tame(value);
        json_put_text(shown, name, value);
        free(name);
        free(value);
    }
    char *text = json_print(shown);
    json_object_put(shown);
    return text;
}

static struct journal_entry *note_arrival(struct simulator *simulator, const struct call *call)
{
    const struct request *request = call->request;
    struct journal_entry *entry = journal_append(&simulator->journal);
    const struct token *refresh =
        token_find(&simulator->world, json_text(call->body, "authorizer_refresh_token"));
    entry->ms = world_now_ms(&simulator->world);
    entry->method = sim_copy(request->method);
    entry->path = sim_copy(request->path);
    json_tame(entry->method);
    json_tame(entry->path);
    entry->query = shown_query(call);
    if (simulator->world.settings.journal_bodies)
        entry->body = sim_copy_n(request->body, request->size);
    memcpy(entry->appid, call->about, sizeof entry->appid);
    memcpy(entry->component, call->about_component, sizeof entry->component);
    snprintf(entry->rid, sizeof entry->rid, "%08x-%08x-%08x", (unsigned)(entry->ms / 1000),
             (unsigned)(entry->seq * 2654435761U), (unsigned)entry->seq);
    entry->token_kind = call->token ? token_kind_name(call->token->kind) : NULL;
    entry->generation = call->token ? call->token->generation : 0;
    entry->refresh_generation = refresh && refresh->kind == TOKEN_REFRESH ? refresh->generation : 0;
    return entry;
}

/* Holds the answer back until it is released. */
static void hold(struct simulator *simulator, uint64_t seq, const struct call *call)
{
    struct held held = {.id = seq, .path = call->request->path};
    memcpy(held.appid, call->about, sizeof held.appid);
    DL_APPEND(simulator->held, &held);
    simulator_changed(simulator);
    while (!held.released && simulator_wait(simulator, &simulator->released, INT64_MAX / 2000))
        continue;
    DL_DELETE(simulator->held, &held);
    simulator_changed(simulator);
}

static void carry_out(struct simulator *simulator, struct call *call, uint64_t seq, const char *rid,
                      struct answer *answer)
{
    /* What was looked up before a wait may be gone. */
    call->token = NULL;
    call->component = NULL;
    call->merchant = NULL;
    call->authorization = NULL;
    call_identify(simulator, call);
    free(answer->body);
    answer->body = NULL;
    int errcode = call_carry_out(simulator, call, rid, &answer->body, &answer->status);
    struct journal_entry *entry = journal_entry(&simulator->journal, seq);
    if (!entry)
        return;
    if (!entry->appid[0] && call->merchant)
        memcpy(entry->appid, call->merchant->appid, sizeof entry->appid);
    entry->errcode = errcode;
    entry->http_status = answer->status;
    entry->applied = errcode == 0;
    entry->answered = true;
}

/* What a fault puts in the place of the answer. */
static void replace_answer(struct simulator *simulator, const struct fault_effect *fault, uint64_t seq,
                           const char *rid, struct answer *answer)
{
    struct journal_entry *entry = journal_entry(&simulator->journal, seq);
    if (fault->has_errcode || fault->body || (fault->http_status && !answer->body)) {
        free(answer->body);
        answer->body = fault->body          ? sim_copy(fault->body)
                       : fault->has_errcode ? error_body(simulator, fault->errcode, fault->errmsg, rid)
                                            : sim_copy("<html><body>error</body></html>");
        if (!fault->has_errcode)
            snprintf(answer->content_type, sizeof answer->content_type, "text/html");
    }
    if (fault->http_status)
        answer->status = (unsigned)fault->http_status;
    if (fault->content_type)
        snprintf(answer->content_type, sizeof answer->content_type, "%s", fault->content_type);
    answer->cut = fault->cut != CUT_NOT;
    answer->endless = fault->endless;
    answer->truncate_at = fault->truncate_at;
    answer->drip_ms = fault->drip_ms;
    if (entry) {
        entry->fault = fault->id;
        entry->answered = !answer->cut;
        entry->http_status = answer->status;
        if (fault->has_errcode)
            entry->errcode = fault->errcode;
    }
}

static void wait_ms(struct simulator *simulator, int64_t ms)
{
    int64_t deadline = monotonic_ms() + ms;
    while (simulator_wait(simulator, &simulator->released, deadline))
        continue;
}

static void answer_locked(struct simulator *simulator, struct call *call, struct answer *answer)
{
    char rid[RID_SIZE];
    call_identify(simulator, call);
    struct journal_entry *entry = note_arrival(simulator, call);
    uint64_t seq = entry->seq;
    memcpy(rid, entry->rid, sizeof rid);
    struct fault_effect fault =
        faults_take(&simulator->faults, call->request->path, entry->appid, entry->component);
    snprintf(answer->content_type, sizeof answer->content_type, "%s", simulator->world.settings.content_type);
    answer->close = !simulator->world.settings.keepalive;
    if (call->cloud)
        answer->cloud_seqid = seq;
    if (fault.apply == APPLY_YES)
        carry_out(simulator, call, seq, rid, answer);
    entry = journal_entry(&simulator->journal, seq);
    if (fault.id)
        entry->fault = fault.id;
    simulator_changed(simulator);
    if (fault.delay_ms || simulator->world.settings.latency_ms)
        wait_ms(simulator, fault.delay_ms + simulator->world.settings.latency_ms);
    if (fault.hold)
        hold(simulator, seq, call);
    if (fault.apply == APPLY_ON_RELEASE && !simulator->stopping)
        carry_out(simulator, call, seq, rid, answer);
    if (fault.id)
        replace_answer(simulator, &fault, seq, rid, answer);
    fault_effect_free(&fault);
    simulator_changed(simulator);
}

void wechat_answer(struct simulator *simulator, const struct request *request, struct answer *answer)
{
    struct call call = {.request = request, .route = route_find(request->path)};
    call.body = parse_body(request, call.route);
    answer->status = 200;
    pthread_mutex_lock(&simulator->lock);
    answer_locked(simulator, &call, answer);
    pthread_mutex_unlock(&simulator->lock);
    json_object_put(call.body);
    if (!answer->body)
        answer->body = sim_copy("");
    answer->size = strlen(answer->body);
}
