#include "commands.h"
#include "output.h"
#include <stdlib.h>
#include <string.h>

enum { DIGEST = 32 };

/* What the trace has shown; texts are copied. */
typedef struct answer {
    bool has_token, has_exchange, has_push;
    struct call {
        int64_t time_ms, openids, errcode, duration_ms, generation;
        char appid[72], call[64], job[72], errmsg[512], rid[96], source[128];
    } call, token, exchange;
    struct push {
        int64_t received_ms, create_time_s;
        char id[2 * DIGEST + 1], event[72];
    } push;
} answer;

static void keep_call(struct call *to, const wxtp_audit_row *row)
{
    to->time_ms = row->time_ms;
    to->openids = row->openids;
    to->errcode = row->errcode;
    to->duration_ms = row->duration_ms;
    to->generation = row->token_generation;
    ad_copy(to->appid, sizeof to->appid, row->appid);
    ad_copy(to->call, sizeof to->call, row->call);
    ad_copy(to->job, sizeof to->job, row->job_id);
    ad_copy(to->errmsg, sizeof to->errmsg, row->errmsg);
    ad_copy(to->rid, sizeof to->rid, row->rid);
    ad_copy(to->source, sizeof to->source, row->source);
}

static void on_step(void *user, wxtp_trace_step step, const wxtp_audit_row *row, const wxtp_push_row *push)
{
    answer *found = user;

    switch (step) {
    case WXTP_TRACE_CALL:
        keep_call(&found->call, row);
        break;
    case WXTP_TRACE_TOKEN:
        keep_call(&found->token, row);
        found->has_token = true;
        break;
    case WXTP_TRACE_EXCHANGE:
        keep_call(&found->exchange, row);
        found->has_exchange = true;
        break;
    case WXTP_TRACE_PUSH:
        found->push.received_ms = push->received_ms;
        found->push.create_time_s = push->create_time_s;
        ad_copy(found->push.event, sizeof found->push.event, push->event);
        if (push->digest.len == DIGEST)
            ad_hex(push->digest.data, DIGEST, found->push.id);
        found->has_push = true;
        break;
    }
}

/* "push authorized 0123…": what is known of a push though its own row is gone. */
static bool of_push(const answer *found, char *event, size_t event_size, char *id, size_t id_size)
{
    const char *source = found->exchange.source, *end = strrchr(source, ' ');

    if (!found->has_exchange || strncmp(source, "push ", 5) != 0 || !end || end < source + 5)
        return false;
    snprintf(event, event_size, "%.*s", (int)(end - source) - 5, source + 5);
    ad_copy(id, id_size, end + 1);
    return true;
}

static void print_json(ad_app *app, const answer *found)
{
    const struct call *call = &found->call;
    char event[72], id[72];
    ad_json json;

    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    ad_json_string(&json, "rid", call->rid);
    ad_json_string(&json, "tenant", call->appid);
    ad_json_time(&json, "time", call->time_ms);
    ad_json_string(&json, "call", call->call);
    ad_json_string_or_null(&json, "job", call->job);
    ad_json_int(&json, "openids", call->openids);
    ad_json_int(&json, "errcode", call->errcode);
    ad_json_string(&json, "errmsg", call->errmsg);
    ad_json_int(&json, "duration_ms", call->duration_ms);
    if (call->generation > 0) {
        ad_json_object(&json, "token");
        ad_json_int(&json, "version", call->generation);
        ad_json_string_or_null(&json, "made_by", found->has_token ? found->token.call : "");
        ad_json_time(&json, "made_at", found->has_token ? found->token.time_ms : 0);
        ad_json_end_object(&json);
    } else {
        ad_json_null(&json, "token");
    }
    if (found->has_exchange) {
        bool by_push = of_push(found, event, sizeof event, id, sizeof id);
        ad_json_object(&json, "authorization");
        ad_json_time(&json, "exchanged_at", found->exchange.time_ms);
        ad_json_string(&json, "by", by_push ? "push" : "operator");
        ad_json_string_or_null(&json, "event", by_push ? event : "");
        ad_json_string_or_null(&json, "push", by_push ? id : "");
        ad_json_time(&json, "received_at", found->push.received_ms);
        ad_json_end_object(&json);
    } else {
        ad_json_null(&json, "authorization");
    }
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}

static void print_token(ad_app *app, const answer *found)
{
    char text[192], time[AD_TIME_SIZE];

    if (found->call.generation <= 0) {
        ad_field(app, "token", "made without one of ours");
        return;
    }
    ad_field_int(app, "token version", found->call.generation);
    ad_time_local(found->token.time_ms, time);
    snprintf(text, sizeof text, "%s at %s", found->token.call, time);
    ad_field(app, "token made by", found->has_token ? text : "not on record");
}

static void print_authorization(ad_app *app, const answer *found)
{
    char text[320], event[72], id[72], time[AD_TIME_SIZE], received[AD_TIME_SIZE];

    if (!found->has_exchange) {
        ad_field(app, "authorized by", "not on record");
        return;
    }
    ad_time_local(found->exchange.time_ms, time);
    ad_time_local(found->push.received_ms, received);
    if (of_push(found, event, sizeof event, id, sizeof id))
        snprintf(text, sizeof text, "push %s %.*s%s%s, its code exchanged at %s", event, AD_PUSH_ID, id,
                 *received ? ", received at " : "", received, time);
    else
        snprintf(text, sizeof text, "a code that an operator brought, exchanged at %s", time);
    ad_field(app, "authorized by", text);
}

static void print_lines(ad_app *app, const answer *found)
{
    const struct call *call = &found->call;

    ad_field(app, "rid", call->rid);
    ad_field(app, "tenant", call->appid);
    ad_field_time(app, "time", call->time_ms);
    ad_field(app, "call", call->call);
    if (*call->job)
        ad_field(app, "job", call->job);
    ad_field_int(app, "openids", call->openids);
    ad_field_int(app, "errcode", call->errcode);
    ad_field(app, "errmsg", call->errmsg);
    ad_field_int(app, "duration ms", call->duration_ms);
    print_token(app, found);
    print_authorization(app, found);
}

/* As it is copied from an errmsg: "rid: 1-2-3". */
static const char *bare_rid(char *text)
{
    size_t length;

    text += strspn(text, " \t");
    if (strncmp(text, "rid:", 4) == 0)
        text += 4 + strspn(text + 4, " \t");
    for (length = strlen(text); length > 0 && strchr(" \t\r\n", text[length - 1]);)
        text[--length] = '\0';
    return text;
}

int ad_why(ad_app *app)
{
    const char *rid = bare_rid(app->line.args[0]);
    wxtp_error *error = NULL;

    if (!*rid)
        return ad_fail_usage(&app->failure, "give the rid at the end of WeChat's errmsg", "the rid is empty");
    answer *found = calloc(1, sizeof *found);
    if (!found)
        return ad_fail_nomem(&app->failure);
    wxtp_status status = wxtp_audit_trace(app->platform, rid, on_step, found, &error);
    int code = status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(&app->failure, status, &error);
    if (code == AD_EXIT_OK && app->json)
        print_json(app, found);
    else if (code == AD_EXIT_OK)
        print_lines(app, found);
    free(found);
    return code;
}
