#include "flow/inbound.h"

#include <string.h>

#include "base/point.h"
#include "base/text.h"
#include "domain/code.h"
#include "domain/send.h"
#include "domain/storage.h"
#include "domain/token.h"
#include "flow/push_apply.h"
#include "flow/push_open.h"

enum { MESSAGE_MAX = 8 * 1024, EVENT_MAX = 64 };

static void push_free_at(wxtp_push **push)
{
    wx_push_free(*push);
}

static wxtp_status note(wx_core *core, wxtp_tx *tx, const wxtp_push *push, wx_err *err)
{
    char event[EVENT_MAX];
    wx_copy(event, sizeof(event), push->event);
    const wxtp_push_row row = {.platform = push->component,
                               .digest = {push->digest, sizeof(push->digest)},
                               .event = event,
                               .appid = push->authorizer,
                               .create_time_s = push->create_time_s,
                               .applied = push->applied,
                               .why = push->why};
    const wxtp_status status = wx_ops(core)->push_note(tx, &row);
    return status == WXTP_OK ? status : wx_store_fail(core, tx, status, "note what became of the push", err);
}

/* Once: the change and the memory of the push are one transaction; `dry`: it is rolled back. */
static wxtp_status apply_once(wx_core *core, wxtp_push *push, const wx_push_doubt *doubt, bool dry,
                              wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->push_remember(scope.tx, push->component,
                                         (wxtp_blob){push->digest, sizeof(push->digest)}, wx_wall_ms(core));
    if (status == WXTP_ERR_EXISTS) {
        push->applied = false;
        push->seen_before = true;
        wx_copy(push->why, sizeof(push->why), "replayed: it was taken before");
        return wx_push_recall_code(core, scope.tx, push, err);
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "remember the push", err);
    }
    status = wx_push_apply(&scope, push, doubt, err);
    if (status == WXTP_OK) {
        status = note(core, scope.tx, push, err);
    }
    if (status != WXTP_OK || dry) {
        return status;
    }
    WX_POINT("push.applying");
    status = wx_scope_commit(&scope, err);
    WX_POINT("push.applied");
    return status;
}

/* `push` is set also where it is not authentic, unless there was no memory. */
static wxtp_status open_it(wx_core *core, const wx_component *component, const char *query, const void *body,
                           size_t len, wx_push_trace *trace, wxtp_push **push, wx_err *err)
{
    *push = wx_alloc(&core->allocator, sizeof(**push));
    if (!*push) {
        return wx_fail_nomem(err);
    }
    (*push)->core = core;
    return wx_push_open(core, component, query, body, len, *push, trace, err);
}

static wxtp_status apply(wx_op *op, const wx_component *component, wxtp_push *push, bool dry, wx_err *err)
{
    __attribute__((cleanup(wx_push_doubt_free))) wx_push_doubt doubt = {0};
    wxtp_status status = wx_push_release_test(op->core, component, push, err);
    if (status == WXTP_OK) {
        status = wx_push_ask(op, push, &doubt, err);
    }
    return status == WXTP_OK ? apply_once(op->core, push, &doubt, dry, err) : status;
}

wxtp_status wx_inbound_receive(wx_op *op, const char *query, const void *body, size_t len, wxtp_push **push,
                               wx_err *err)
{
    wx_core *core = op->core;
    WX_AUTO_COMPONENT component = {0};
    __attribute__((cleanup(push_free_at))) wxtp_push *made = NULL;
    wxtp_status status = wx_component_load(core, &component, err);
    if (status == WXTP_OK) {
        status = open_it(core, &component, query, body, len, NULL, &made, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    made->reply = wx_strdup(&core->allocator, "success");
    if (!made->reply) {
        return wx_fail_nomem(err);
    }
    WX_POINT("push.opened");
    status = apply(op, &component, made, false, err);
    if (status == WXTP_OK) {
        *push = WX_TAKE(made);
    }
    return status;
}

/* ---- Without taking it ---- */

/* A verdict on the push, not trouble of ours. */
static bool is_refusal(wxtp_status status)
{
    return status == WXTP_ERR_SIGNATURE || status == WXTP_ERR_CONFIGURATION;
}

wxtp_status wx_inbound_explain(wx_op *op, const char *query, const void *body, size_t len,
                               wx_push_explanation *told, wx_err *err)
{
    wx_core *core = op->core;
    WX_AUTO_COMPONENT component = {0};
    __attribute__((cleanup(push_free_at))) wxtp_push *made = NULL;
    *told = (wx_push_explanation){.authentic = false};
    wxtp_status status = wx_component_load(core, &component, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = open_it(core, &component, query, body, len, &told->trace, &made, err);
    if (!made) {
        return status;
    }
    if (is_refusal(status)) {
        told->refusal = *err;
        wx_err_clear(err);
        return WXTP_OK;
    }
    if (status == WXTP_OK) {
        status = apply(op, &component, made, true, err);
    }
    told->authentic = status == WXTP_OK;
    told->applied = made->applied;
    told->seen_before = made->seen_before;
    told->older = made->older;
    told->create_time_s = made->create_time_s;
    wx_copy(told->why, sizeof(told->why), made->why);
    return status;
}

/* ---- After the answer ---- */

/* "CODE_from_api" to the user who sent the code: that is what the release test looks for. */
static wxtp_status send_test_message(wx_op *op, const wxtp_push *push, const char *appid, wx_err *err)
{
    wx_core *core = op->core;
    const wx_platform_api *api = wx_catalog_platform(WX_API_CUSTOM_SEND);
    WX_AUTO_TENANT *tenant = NULL;
    WX_AUTO_TOKEN token = {0};
    WX_AUTO_ANSWER answer = {0};
    WX_AUTO_BUF body;
    WX_AUTO_BUF content;
    wx_buf_init(&body, &core->allocator, MESSAGE_MAX);
    wx_buf_init(&content, &core->allocator, MESSAGE_MAX / 4);
    wxtp_status status = wx_tenant_find(core, appid, &tenant, err);
    if (status == WXTP_OK) {
        status = wx_token_get(op, tenant, &token, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    const bool ok = wx_buf_printf(&content, "%s_from_api", push->code) &&
                    wx_buf_text(&body, "{\"touser\":") && wx_json_quote(&body, push->test_user) &&
                    wx_buf_text(&body, ",\"msgtype\":\"text\",\"text\":{\"content\":") &&
                    wx_json_quote(&body, wx_buf_str(&content)) && wx_buf_text(&body, "}}");
    if (!ok) {
        return wx_fail_nomem(err);
    }
    const wx_request request = {.name = api->name,
                                .path = api->path,
                                .token_parameter = api->token_parameter,
                                .token = token.text,
                                .body = wx_buf_str(&body),
                                .body_len = body.len,
                                .timeout_ms = wx_call_time_ms(op),
                                .secrets = {push->code},
                                .secret_count = 1};
    wx_send(core, &request, &answer, NULL, NULL, err);
    return err->status;
}

/* What became of a code whose exchange did not succeed now. */
static wxtp_exchange outcome_of_failure(wx_core *core, const char *code, const wx_err *why)
{
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    wxtp_code_state state = WXTP_CODE_PENDING;
    if (wx_scope_begin(&scope, core, WXTP_TX_READ, &err) != WXTP_OK ||
        wx_code_state_get(core, scope.tx, code, &state, &err) != WXTP_OK) {
        return WXTP_EXCHANGE_PENDING;
    }
    const bool bad = state == WXTP_CODE_BAD || (why->status == WXTP_ERR_CREDENTIALS &&
                                                wx_errcode_find(why->errcode)->class_ == WX_ERRCODE_CODE_BAD);
    return bad ? WXTP_EXCHANGE_FAILED : WXTP_EXCHANGE_PENDING;
}

wxtp_status wx_inbound_finish(wx_op *op, wxtp_push *push, int64_t wait_ms, wxtp_exchange *exchange,
                              wx_err *err)
{
    wx_core *core = op->core;
    char appid[WX_APPID_MAX];
    *exchange = WXTP_EXCHANGE_NONE;
    if (!push->code) {
        return WXTP_OK;
    }
    wx_patience patience;
    wx_patience_init(&patience, wait_ms);
    wx_op quick = {.core = core,
                   .patience = &patience,
                   .job_id = op->job_id,
                   .deadline_boot_ms = wait_ms > 0 ? wx_boot_ms(core) + wait_ms : 0};
    wx_err trouble = {0};
    if (wx_code_exchange(&quick, push->code, appid, &trouble) == WXTP_OK) {
        *exchange = WXTP_EXCHANGE_DONE;
    } else {
        *exchange = outcome_of_failure(core, push->code, &trouble);
    }
    if (*exchange == WXTP_EXCHANGE_DONE && push->test_user &&
        send_test_message(&quick, push, appid, &trouble) != WXTP_OK) {
        wx_log(&core->log, WXTP_LOG_WARNING, "the release test's message was not sent: %s", trouble.message);
    }
    wx_patience_destroy(&patience);
    (void)err;
    return WXTP_OK;
}
