#include "flow/dispatch.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "base/point.h"
#include "base/text.h"
#include "domain/pacer.h"
#include "domain/record.h"
#include "domain/send.h"
#include "domain/slots.h"
#include "domain/standing.h"
#include "domain/storage.h"
#include "domain/token.h"

enum {
    MINUTE_MS = 60000,
    GATE_OLD_MS = 400,       /* what others write is honoured within a second */
    MINUTE_JITTER_MS = 2000, /* so that the tenants of many processes do not all come back at once */
    SLICE_MS = 1000,         /* of a wait, so that a cancelled job is noticed */
};

/* One call on its way, over all its tries. */
typedef struct trip {
    wx_op *op;
    const wx_call *call;
    wx_standing *standing; /* what let the last try through */
    int64_t gate_boot_ms;  /* when the gate was asked last */
    wx_slot slot;          /* while it is under way */
    int tries;
    wx_standing *refused;    /* whose token WeChat refused; NULL: none yet */
    int64_t refused_errcode; /* what it said of it */
    char refused_rid[WX_RID_MAX];
} trip;

/* What is to be done after a try. */
typedef enum after {
    AFTER_END,
    AFTER_RENEW, /* once more with a newer token */
    AFTER_WAIT,  /* once more later */
} after;

const wx_api *wx_api_find(const wx_core *core, const char *name)
{
    for (size_t at = 0; name && at < core->catalog_count; at++) {
        if (strcmp(core->catalog[at].name, name) == 0) {
            return &core->catalog[at];
        }
    }
    return NULL;
}

const wx_api *wx_api_listing(const wx_core *core, const wx_api *api_or_null)
{
    return api_or_null && api_or_null->listed_by ? wx_api_find(core, api_or_null->listed_by) : NULL;
}

static wxtp_status may_try(const trip *t, wx_err *err)
{
    if (wx_stopping(t->op->core)) {
        return wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked, before %s was called",
                       t->call->api->name);
    }
    return t->call->may_try ? t->call->may_try(t->call->user, err) : WXTP_OK;
}

static const wxtp_tenant_row *row_of(const trip *t)
{
    assert(t->standing);
    return &t->standing->tenant->row;
}

static bool same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* The gate and a token, asked anew. */
static wxtp_status stand(trip *t, wx_err *err)
{
    wx_op *op = t->op;
    WX_AUTO_TENANT *tenant = NULL;
    WX_AUTO_TOKEN token = {.text = NULL};
    wxtp_status status = wx_gate_pass(op, t->call->appid, t->call->api, &tenant, err);
    if (status == WXTP_OK) {
        status = wx_token_get(op, tenant, &token, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    if (t->refused && same_text(t->refused->token.text, token.text)) {
        wx_fail(err, WXTP_ERR_CREDENTIALS, "%s: WeChat refuses the token, and gives no other",
                t->call->api->name);
        err->errcode = t->refused_errcode;
        wx_copy(err->rid, sizeof(err->rid), t->refused_rid);
        return err->status;
    }
    /* For a person the gate lets more through than for those that come after. */
    wx_standing *made = wx_standing_new(op->core, &tenant, &token, t->call->api, !op->person);
    if (!made) {
        return wx_fail_nomem(err);
    }
    wx_standing_release(op->core, t->standing);
    t->standing = made;
    return WXTP_OK;
}

static wxtp_status turn_of(const trip *t, wx_err *err)
{
    const wxtp_tenant_row *row = row_of(t);
    for (;;) {
        const int64_t wait = wx_pacer_take(t->op->core, row->platform, row->appid);
        if (wait == 0) {
            return WXTP_OK;
        }
        wxtp_status status = wx_pause(t->op->core, wait < SLICE_MS ? wait : SLICE_MS, err);
        if (status == WXTP_OK) {
            status = may_try(t, err);
        }
        if (status != WXTP_OK) {
            return status;
        }
    }
}

static wxtp_status ask_gate(trip *t, wx_err *err)
{
    wx_core *core = t->op->core;
    t->gate_boot_ms = wx_boot_ms(core);
    wx_standing *known =
        t->op->person || t->refused ? NULL : wx_standing_find(core, t->call->appid, t->call->api);
    if (!known) {
        return stand(t, err);
    }
    wx_standing_release(core, t->standing);
    t->standing = known;
    return WXTP_OK;
}

static wxtp_status go_on(void *user, wx_err *err)
{
    return may_try(user, err);
}

/* Through the front door: everything that must hold before a request may leave. With WXTP_OK comes a place
 * among the calls in flight. */
static wxtp_status go_in(trip *t, wx_err *err)
{
    wx_core *core = t->op->core;
    wxtp_status status = may_try(t, err);
    if (status == WXTP_OK) {
        status = ask_gate(t, err);
    }
    if (status == WXTP_OK) {
        status = turn_of(t, err);
    }
    if (status == WXTP_OK) {
        status = wx_slot_take(core, t->call->appid, go_on, t, &t->slot, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    /* The token, the turn and the place may have taken their time: what let it through may be old by now. The
     * place is kept meanwhile, or those who wait for long would never get one. */
    if (wx_boot_ms(core) - t->gate_boot_ms > GATE_OLD_MS) {
        status = ask_gate(t, err);
    }
    if (status == WXTP_OK) {
        status = may_try(t, err);
    }
    if (status != WXTP_OK) {
        wx_slot_give(core, &t->slot);
    }
    return status;
}

wx_request wx_dispatch_request(const wx_core *core, const wxtp_tenant_row *row, const wx_call *call,
                               const wx_token *token)
{
    const bool cloud = row->credential == WXTP_CREDENTIAL_CLOUD && core->settings.cloud_base[0];
    const char *parameter = token->parameter ? token->parameter : call->api->token_parameter;
    return (wx_request){
        .name = call->api->name,
        .base = cloud ? core->settings.cloud_base : core->settings.api_base,
        .path = call->api->path,
        .token_parameter = token->text ? parameter : NULL,
        .token = token->text,
        .body = call->body,
        .body_len = call->body_len,
        .wants = call->wants,
    };
}

static wx_sent send_it(trip *t, wx_answer *answer, int64_t *duration_ms, wx_err *err)
{
    const wx_core *core = t->op->core;
    const wx_request request = wx_dispatch_request(core, row_of(t), t->call, &t->standing->token);
    wx_answer_free(answer);
    t->tries++;
    const int64_t began = wx_boot_ms(core);
    const wx_sent sent = wx_send(t->op->core, &request, answer, NULL, duration_ms, err);
    WX_POINT("call.answered");
    if (sent == WX_SENT_NOTHING || sent == WX_SENT_UNKNOWN) {
        wx_patience_spend(t->op, began);
    }
    return sent;
}

/* ---- What follows from an answer ---- */

static wx_errcode_class class_of(wx_sent sent, const wx_answer *answer)
{
    if (sent == WX_SENT_OK) {
        return WX_ERRCODE_OK;
    }
    return sent == WX_SENT_REFUSED ? wx_errcode_find(answer->errcode)->class_ : WX_ERRCODE_BUSY;
}

static int64_t next_minute_ms(const trip *t)
{
    const int64_t jitter = (int64_t)(wx_hash(t->call->appid) % MINUTE_JITTER_MS);
    return MINUTE_MS - wx_wall_ms(t->op->core) % MINUTE_MS + jitter;
}

/* Decides about another try, while `err` tells how this one ended. */
static after judge(const trip *t, wx_sent sent, const wx_answer *answer, const wx_err *err, int64_t *wait_ms)
{
    const wx_errcode_class class_ = class_of(sent, answer);
    const bool tries_left = t->tries < t->op->core->settings.max_tries;
    if (class_ == WX_ERRCODE_TOKEN) {
        return t->refused ? AFTER_END : AFTER_RENEW;
    }
    if (class_ == WX_ERRCODE_RATE) {
        *wait_ms = next_minute_ms(t);
    } else if (class_ == WX_ERRCODE_BUSY) {
        *wait_ms = wx_backoff_ms(t->op->core, t->tries);
        if (sent == WX_SENT_NOTHING ? err->status != WXTP_ERR_UNAVAILABLE : !t->call->api->repeat_safe) {
            return AFTER_END;
        }
    } else {
        return AFTER_END;
    }
    return tries_left && wx_patience_left(t->op, *wait_ms) ? AFTER_WAIT : AFTER_END;
}

/* False when no other try is to be made; `err` is set where the reason is a new one. */
static bool wait_for_next(trip *t, int64_t wait_ms, wx_err *err)
{
    while (wait_ms > 0) {
        const int64_t slice = wait_ms < SLICE_MS ? wait_ms : SLICE_MS;
        wx_err why = {.status = WXTP_OK};
        if (!wx_wait_patiently(t->op, slice, &why) || may_try(t, &why) != WXTP_OK) {
            if (why.status != WXTP_OK) {
                *err = why;
            }
            return false;
        }
        wait_ms -= slice;
    }
    return true;
}

/* ---- The record ---- */

static wx_record record_of(const trip *t, const wx_answer *answer, int64_t duration_ms, const wx_err *error)
{
    const bool answered = answer->json || answer->errcode != 0;
    return (wx_record){
        .platform = row_of(t)->platform,
        .appid = row_of(t)->appid,
        .call = t->call->api->name,
        .job_id = t->op->job_id,
        .openids = t->call->openids,
        .duration_ms = duration_ms,
        .token_generation = t->standing->token.generation,
        .errcode = answered ? answer->errcode : -1,
        .errmsg = answered || !error ? answer->errmsg : error->message,
        .rid = answer->rid,
    };
}

/* A refusal that speaks of the openids shows, as a success does, that a quota remembered as used up is not.
 */
static bool ends_quota(const trip *t, wx_errcode_class class_)
{
    return t->op->person && (class_ == WX_ERRCODE_BAD_OPENID || class_ == WX_ERRCODE_OPENID_REFUSED);
}

static wxtp_status forget_quota(trip *t, wxtp_tx *tx, wx_err *err)
{
    wx_core *core = t->op->core;
    const wxtp_tenant_row *row = row_of(t);
    const wxtp_status status =
        wx_ops(core)->hold_delete(tx, row->platform, row->appid, t->call->api->name, WXTP_HOLD_QUOTA);
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND
               ? WXTP_OK
               : wx_store_fail(core, tx, status, "forget a used-up quota", err);
}

/* One transaction: the audit row, what the answer shows about the tenant, and the caller's progress. */
static wxtp_status record_it(trip *t, wx_sent sent, const wx_answer *answer, int64_t duration_ms,
                             const wx_err *error, bool final, wx_err *err)
{
    wx_core *core = t->op->core;
    const wx_record record = record_of(t, answer, duration_ms, error);
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin_joint(&scope, core, WXTP_TX_WRITE, err);
    if (status == WXTP_OK) {
        status = wx_record_add(core, scope.tx, &record, err);
    }
    const bool confirms = sent == WX_SENT_OK && !atomic_load(&t->standing->confirmed);
    if (status == WXTP_OK && confirms) {
        status = wx_gate_confirm(&scope, t->standing->tenant, t->call->api, err);
    }
    if (status == WXTP_OK && ends_quota(t, class_of(sent, answer))) {
        status = forget_quota(t, scope.tx, err);
    }
    if (status == WXTP_OK && t->call->record) {
        status = t->call->record(t->call->user, scope.tx, error, final, err);
    }
    if (status == WXTP_OK) {
        status = wx_scope_commit(&scope, err);
    }
    if (status == WXTP_OK && confirms) {
        atomic_store(&t->standing->confirmed, true);
    }
    if (status != WXTP_OK) {
        wx_log(&core->log, WXTP_LOG_ERROR, "%s of %s was made, but could not be recorded: %s", record.call,
               record.appid, err->message);
    }
    return status;
}

/* ---- Ends ---- */

static void say_refused_twice(const wx_answer *answer, wx_err *err)
{
    wx_fail_after(err, WXTP_ERR_CREDENTIALS, "the token was refused twice: %s", answer->errmsg);
}

/* The first IP address in a text, as WeChat names the one that it saw. */
static bool find_address(const char *text, char *address, size_t size)
{
    static const char part[] = "0123456789abcdefABCDEF.:";
    unsigned char binary[sizeof(struct in6_addr)];
    while (*text) {
        const size_t skip = strcspn(text, part);
        text += skip;
        const size_t len = strspn(text, part);
        size_t end = len;
        while (end > 0 && strchr(".:", text[end - 1])) {
            end--;
        }
        for (size_t from = 0; from < end; from++) { /* "ip:1.2.3.4" */
            const size_t left = end - from;
            if (left >= size) {
                continue;
            }
            memcpy(address, text + from, left);
            address[left] = '\0';
            if (inet_pton(AF_INET, address, binary) == 1 || inet_pton(AF_INET6, address, binary) == 1) {
                return true;
            }
        }
        text += len;
    }
    return false;
}

static void say_address(const wx_answer *answer, wx_err *err)
{
    char address[64];
    if (find_address(answer->errmsg, address, sizeof(address))) {
        wx_err_hint(err, "WeChat saw us at %s: add this address to the IP white list on the platform's page.",
                    address);
    }
}

/* What a refusal for good has us do, once it is recorded; network calls may be made. */
static void conclude(trip *t, wx_sent sent, const wx_answer *answer, wx_err *err)
{
    wx_err aside = {.status = WXTP_OK};
    switch (class_of(sent, answer)) {
    case WX_ERRCODE_TOKEN:
        say_refused_twice(answer, err);
        break;
    case WX_ERRCODE_QUOTA:
        if (wx_gate_quota(t->op, t->standing->tenant, t->call->api, answer->errcode, &aside) != WXTP_OK) {
            wx_log(&t->op->core->log, WXTP_LOG_WARNING, "%s: a used-up quota is not remembered: %s",
                   t->call->appid, aside.message);
        }
        break;
    case WX_ERRCODE_NO_RIGHT:
    case WX_ERRCODE_RESTRICTED:
    case WX_ERRCODE_UNAUTHORIZED:
        wx_gate_correct(t->op, t->standing->tenant, t->call->api, err);
        break;
    case WX_ERRCODE_CONFIGURATION:
        say_address(answer, err);
        break;
    case WX_ERRCODE_RATE:
        err->retry_after_ms = next_minute_ms(t);
        break;
    default:
        break;
    }
}

/* Sends it and records what came of it. */
static wxtp_status try_and_record(trip *t, wx_answer *answer, wx_sent *sent, after *next, int64_t *wait_ms,
                                  wx_err *err)
{
    int64_t duration_ms = 0;
    *next = AFTER_END;
    *sent = send_it(t, answer, &duration_ms, err);
    if (*sent == WX_SENT_OK) {
        return record_it(t, *sent, answer, duration_ms, NULL, true, err);
    }
    *next = judge(t, *sent, answer, err, wait_ms);
    const wx_err answered = *err;
    return record_it(t, *sent, answer, duration_ms, &answered, *next == AFTER_END, err);
}

/* After a refusal that is recorded. */
static wxtp_status learn(trip *t, wx_sent sent, const wx_answer *answer, after next, wx_err *err)
{
    wx_core *core = t->op->core;
    const wxtp_tenant_row *row = row_of(t);
    const wx_errcode_class class_ = class_of(sent, answer);
    if (class_ == WX_ERRCODE_RATE) {
        wx_pacer_slow(core, row->platform, row->appid);
    } else if (class_ == WX_ERRCODE_TOKEN) {
        const wxtp_status status =
            wx_token_refused(core, row->platform, row->appid, t->standing->token.generation, err);
        if (status != WXTP_OK) {
            return status;
        }
    }
    if (next == AFTER_END) {
        conclude(t, sent, answer, err);
    }
    if (class_ != WX_ERRCODE_BAD_OPENID && class_ != WX_ERRCODE_OPENID_REFUSED && class_ != WX_ERRCODE_BUSY) {
        wx_standing_drop(core, t->call->appid);
    }
    return WXTP_OK;
}

static wxtp_status one_try(trip *t, wx_answer *answer, bool *again, wx_err *err)
{
    int64_t wait_ms = 0;
    wx_sent sent = WX_SENT_OK;
    after next = AFTER_END;
    *again = false;
    wxtp_status status = go_in(t, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = try_and_record(t, answer, &sent, &next, &wait_ms, err);
    wx_slot_give(t->op->core, &t->slot);
    if (status != WXTP_OK || sent == WX_SENT_OK) {
        return status;
    }
    status = learn(t, sent, answer, next, err);
    if (status != WXTP_OK) {
        return status;
    }
    if (next != AFTER_END) {
        if (next == AFTER_RENEW) {
            t->refused = WX_TAKE(t->standing);
            t->refused_errcode = err->errcode;
            wx_copy(t->refused_rid, sizeof(t->refused_rid), err->rid);
        }
        *again = next == AFTER_RENEW || wait_for_next(t, wait_ms, err);
    }
    return err->status;
}

wxtp_status wx_dispatch(wx_op *op, const wx_call *call, wx_answer *answer, wx_err *err)
{
    trip t = {.op = op, .call = call};
    bool again = true;
    wxtp_status status = WXTP_OK;
    *answer = (wx_answer){.sensible = false};
    while (again) {
        wx_err_clear(err);
        status = one_try(&t, answer, &again, err);
    }
    assert(status == WXTP_OK || err->status == status);
    if (status != WXTP_OK && err->tenant[0] == '\0') {
        wx_err_tenant(err, call->appid);
    }
    wx_standing_release(op->core, t.standing);
    wx_standing_release(op->core, t.refused);
    return status;
}
