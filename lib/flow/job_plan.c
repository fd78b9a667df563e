#include "flow/job_plan.h"

#include <string.h>

#include "base/text.h"
#include "domain/storage.h"

enum {
    BODY_MAX = 1024,
    RECORD_ROWS = 1000,
    ASSUMED_MS = 200,
    DAY_MS = 86400000,
    RENEWAL_MS = 6600000, /* a token lives 7,200 s and is renewed 600 s before */
};

/* ---- One tenant ---- */

static wxtp_status ask_quota(wx_op *op, const char *appid, const wx_api *api, wxtp_plan_part *part,
                             wx_err *err)
{
    WX_AUTO_ANSWER answer = {.sensible = false};
    WX_AUTO_BUF body;
    wx_buf_init(&body, &op->core->allocator, BODY_MAX);
    wx_buf_text(&body, "{\"cgi_path\":");
    wx_json_quote(&body, api->path);
    if (!wx_buf_text(&body, "}")) {
        return wx_fail_nomem(err);
    }
    const wx_call call = {.appid = appid,
                          .api = wx_catalog_quota(),
                          .body = wx_buf_str(&body),
                          .body_len = body.len,
                          .wants = "quota"};
    const wxtp_status status = wx_dispatch(op, &call, &answer, err);
    if (status == WXTP_OK) {
        struct json_object *quota = wx_json_get(answer.json, "quota");
        part->quota_limit = wx_json_int(quota, "daily_limit", -1);
        part->quota_left = wx_json_int(quota, "remain", -1);
    }
    return status;
}

/* What the gate does not know from the store alone: it is this tenant's trouble, and not the plan's. */
static bool is_refusal(wxtp_status status)
{
    return status == WXTP_ERR_REFUSED || status == WXTP_ERR_REAUTHORIZE;
}

static void refuse(const wx_err *why, wxtp_job_forecast *forecast)
{
    forecast->allowed = false;
    wx_copy(forecast->reason, sizeof(forecast->reason), why->kind);
    wx_copy(forecast->hint, sizeof(forecast->hint), why->hint);
}

static bool quota_remembered(const wxtp_job_forecast *forecast)
{
    return !forecast->allowed && strcmp(forecast->reason, "quota_exhausted") == 0;
}

static wxtp_status ask(wx_op *op, const wx_tenant *tenant, const wx_api *api, wxtp_job_forecast *forecast,
                       wxtp_plan_part *part, wx_err *err)
{
    if (tenant->row.credential == WXTP_CREDENTIAL_CLOUD ||
        !(forecast->allowed || quota_remembered(forecast))) {
        return WXTP_OK;
    }
    const wxtp_status status = ask_quota(op, tenant->row.appid, api, part, err);
    if (is_refusal(status)) {
        refuse(err, forecast);
        return WXTP_OK;
    }
    if (status == WXTP_OK && quota_remembered(forecast) && part->quota_left > 0) {
        forecast->allowed = true;
        forecast->reason[0] = forecast->hint[0] = '\0';
    }
    return status;
}

static wxtp_status look_at_token(wx_core *core, const wx_tenant *tenant, wxtp_plan_part *part, wx_err *err)
{
    const wxtp_token_key key = {tenant->row.platform, tenant->row.appid};
    wxtp_token_row row;
    WX_AUTO_SCOPE scope = {0};
    if (tenant->row.credential == WXTP_CREDENTIAL_CLOUD) {
        part->token_due_ms = -1;
        return WXTP_OK;
    }
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->token_get(scope.tx, &key, &row);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, scope.tx, status, "read a token", err);
    }
    const bool good = status == WXTP_OK && row.refused_generation < row.generation;
    part->token_due_ms = good ? row.due_ms : 0;
    return WXTP_OK;
}

wxtp_status wx_plan_list(wx_op *op, const wx_job_order *list, bool offline, wxtp_job_forecast *forecast,
                         wxtp_plan_part *part, wx_err *err)
{
    WX_AUTO_TENANT *tenant = NULL;
    wxtp_status status =
        wx_job_forecast(op, list->appid, list->call, list->reader, list->user, NULL, forecast, err);
    if (status != WXTP_OK) {
        return status;
    }
    part->quota_limit = part->quota_left = -1;
    part->token_due_ms = 0;
    status = wx_tenant_find(op->core, list->appid, &tenant, err);
    if (status != WXTP_OK && status != WXTP_ERR_REFUSED) {
        return status;
    }
    if (tenant && !offline) {
        status = ask(op, tenant, wx_api_find(op->core, list->call), forecast, part, err);
        if (status != WXTP_OK) {
            return status;
        }
    }
    if (quota_remembered(forecast)) {
        part->quota_left = 0;
    }
    /* Lack of quota is no refusal: it passes, and the plan says when. */
    part->allowed = forecast->allowed || quota_remembered(forecast);
    part->requested = forecast->requested;
    part->pending = forecast->pending;
    part->calls = forecast->calls;
    return tenant ? look_at_token(op->core, tenant, part, err) : WXTP_OK;
}

/* ---- All of them ---- */

typedef struct measured {
    const char *call;
    int64_t count, sum_ms;
} measured;

static bool measure(void *user, const wxtp_audit_row *row)
{
    measured *m = user;
    if (strcmp(row->call, m->call) == 0 && row->errcode >= 0) {
        m->count++;
        m->sum_ms += row->duration_ms;
    }
    return true;
}

/* How long a call takes, by the last ones that had an answer. */
static wxtp_status measure_calls(wx_core *core, const char *call, wxtp_plan *plan, wx_err *err)
{
    measured m = {.call = call};
    const wxtp_audit_filter filter = {.platform = core->settings.component, .limit = RECORD_ROWS};
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->audit_list(scope.tx, &filter, measure, &m);
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "read the audit record", err);
    }
    plan->pace = m.count > 0 ? WXTP_PACE_MEASURED : WXTP_PACE_ASSUMED;
    plan->call_ms = m.count > 0 ? (m.sum_ms + m.count - 1) / m.count : ASSUMED_MS;
    return WXTP_OK;
}

static void add(wxtp_plan *plan, const wxtp_plan_part *part, int64_t *most_calls)
{
    plan->requested += part->requested;
    if (!part->allowed) {
        plan->refused++;
        return;
    }
    plan->pending += part->pending;
    plan->calls += part->calls;
    if (part->calls > *most_calls) {
        *most_calls = part->calls;
    }
}

/* All places are in use, or a tenant goes at its rate: whichever takes longer. */
static int64_t length_of(const wx_core *core, wxtp_plan *plan, int64_t most_calls)
{
    const int64_t places = core->settings.concurrency;
    int64_t length = (plan->calls * plan->call_ms + places - 1) / places;
    if (plan->calls > 0 && length < plan->call_ms) {
        length = plan->call_ms;
    }
    const int64_t rate = core->settings.rate_per_second;
    const int64_t at_rate = rate > 0 ? (most_calls * 1000 + rate - 1) / rate : 0;
    if (at_rate >= length && rate > 0) {
        plan->pace = WXTP_PACE_RATE;
        length = at_rate;
    }
    return length;
}

static int64_t renewals(const wxtp_plan *plan, const wxtp_plan_part *part)
{
    if (!part->allowed || part->calls == 0 || part->token_due_ms < 0 ||
        part->token_due_ms > plan->finish_ms) {
        return 0;
    }
    const int64_t first = part->token_due_ms > plan->begins_ms ? part->token_due_ms : plan->begins_ms;
    return 1 + (plan->finish_ms - first) / RENEWAL_MS;
}

wxtp_status wx_plan_sum(wx_core *core, const char *call, const wxtp_plan_part *parts, size_t count,
                        wxtp_plan *plan, wx_err *err)
{
    int64_t most_calls = 0;
    *plan = (wxtp_plan){.struct_size = plan->struct_size, .tenants = (int64_t)count};
    const wxtp_status status = measure_calls(core, call, plan, err);
    if (status != WXTP_OK) {
        return status;
    }
    for (size_t at = 0; at < count; at++) {
        add(plan, &parts[at], &most_calls);
    }
    plan->begins_ms = wx_wall_ms(core);
    plan->finish_ms = plan->begins_ms + length_of(core, plan, most_calls);
    plan->before_midnight = plan->finish_ms <= wx_beijing_midnight_ms(plan->begins_ms);
    for (size_t at = 0; at < count; at++) {
        plan->tokens_due += renewals(plan, &parts[at]);
        plan->not_fitting += parts[at].allowed && !wx_plan_fits(plan, &parts[at]);
    }
    return WXTP_OK;
}

/* Its calls are taken to be spread evenly over the run. */
bool wx_plan_fits(const wxtp_plan *plan, const wxtp_plan_part *part)
{
    const int64_t length = plan->finish_ms - plan->begins_ms;
    int64_t today = part->calls, a_day = 0;
    if (!part->allowed) {
        return false;
    }
    if (!plan->before_midnight && length > 0) {
        const int64_t until = wx_beijing_midnight_ms(plan->begins_ms) - plan->begins_ms;
        today = (int64_t)((double)part->calls * (double)until / (double)length + 1);
        a_day = length - until < DAY_MS
                    ? part->calls - today
                    : (int64_t)((double)part->calls * (double)DAY_MS / (double)length + 1);
    }
    return (part->quota_left < 0 || today <= part->quota_left) &&
           (part->quota_limit < 0 || a_day <= part->quota_limit);
}
