#include "flows.h"
#include "algorithms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "codec/envelope.h"
#include "domain/storage.h"
#include "domain/tenant.h"
#include "domain/token.h"
#include "plan.h"
#include "upkeep.h"

enum {
    OPENIDS = 24,
    TURNS = 8,
    CHECKPOINT_AGE_MS = 6000,
    THREE_HOURS_MS = 3 * 3600 * 1000,
    EARLY_MS = 7000 * 1000,
    LISTED = 16,   /* of the openids of a job, those that were on the list, */
    PUT_BACK = 15, /* and of these, those that were taken off it */
};

/* ---- Pushes ---- */

typedef struct sealed {
    char query[256], body[8192];
} sealed;

static void seal(const char *xml, sealed *self)
{
    unsigned char key[WX_AES_KEY_LEN];
    char signature[41];
    WX_AUTO_BUF text;
    wx_buf_init(&text, NULL, 1 << 20);
    if (!wx_encoding_aes_key_decode(SCENE_AES_KEY, strlen(SCENE_AES_KEY), key) ||
        wx_envelope_seal(algorithms(), key, WECHAT_COMPONENT, xml, strlen(xml), NULL, &text) !=
            WX_ENVELOPE_OK ||
        !wx_push_signature(algorithms(), SCENE_PUSH_TOKEN, "1767225600", "nonce1", text.data, text.len,
                           signature)) {
        abort();
    }
    (void)snprintf(self->query, sizeof(self->query),
                   "signature=x&timestamp=1767225600&nonce=nonce1&encrypt_type=aes&msg_signature=%s",
                   signature);
    (void)snprintf(self->body, sizeof(self->body),
                   "<xml><AppId><![CDATA[" WECHAT_COMPONENT
                   "]]></AppId><Encrypt><![CDATA[%s]]></Encrypt></xml>",
                   wx_buf_str(&text));
}

static wxtp_status push(scene *s, const char *xml, wxtp_error **error)
{
    sealed self;
    wxtp_push *got = NULL;
    wxtp_exchange exchange = WXTP_EXCHANGE_NONE;
    fault_pause();
    seal(xml, &self);
    fault_resume();
    wxtp_status status =
        wxtp_push_receive(s->platform, self.query, self.body, strlen(self.body), &got, error);
    if (status != WXTP_OK) {
        return status;
    }
    if (strcmp(wxtp_push_reply(got), "success") != 0) {
        scene_fail(s, "a push is answered \"%s\"", wxtp_push_reply(got));
    }
    s->push_answered = true;
    scene_mark(s);
    status = wxtp_push_finish(s->platform, got, 5000, &exchange, error);
    wxtp_push_free(got);
    return status;
}

#define EVENT(type, time, more)                                                                              \
    "<xml><AppId><![CDATA[" WECHAT_COMPONENT "]]></AppId><CreateTime>" time                                  \
    "</CreateTime><InfoType><![CDATA[" type "]]></InfoType>" more "</xml>"
#define WHO "<AuthorizerAppid><![CDATA[" WECHAT_MERCHANT "]]></AuthorizerAppid>"
#define WITH_CODE                                                                                            \
    WHO "<AuthorizationCode><![CDATA[" WECHAT_CODE                                                           \
        "]]></AuthorizationCode><AuthorizationCodeExpiredTime>1767229200</AuthorizationCodeExpiredTime>"

static wxtp_status push_first_ticket(scene *s, wxtp_error **error)
{
    return push(s,
                EVENT("component_verify_ticket", "1767225600",
                      "<ComponentVerifyTicket><![CDATA[ticket@@@1]]></ComponentVerifyTicket>"),
                error);
}

static wxtp_status push_ticket(scene *s, wxtp_error **error)
{
    return push(s,
                EVENT("component_verify_ticket", "1767225660",
                      "<ComponentVerifyTicket><![CDATA[ticket@@@2]]></ComponentVerifyTicket>"),
                error);
}

static wxtp_status push_authorized(scene *s, wxtp_error **error)
{
    return push(s, EVENT("authorized", "1767225600", WITH_CODE), error);
}

static wxtp_status push_updated(scene *s, wxtp_error **error)
{
    return push(s, EVENT("updateauthorized", "1767225660", WITH_CODE), error);
}

static wxtp_status push_unauthorized(scene *s, wxtp_error **error)
{
    return push(s, EVENT("unauthorized", "1767225660", WHO), error);
}

static wxtp_status push_message(scene *s, wxtp_error **error)
{
    return push(s,
                "<xml><ToUserName><![CDATA[gh_shop]]></ToUserName><FromUserName><![CDATA[o_user]]>"
                "</FromUserName><CreateTime>1767225600</CreateTime><MsgType><![CDATA[text]]></MsgType>"
                "<Content><![CDATA[hello]]></Content><MsgId>1</MsgId></xml>",
                error);
}

/* ---- Where flows begin ---- */

static void with_ticket(scene *s)
{
    MUST(s, wxtp_platform_set(s->platform, WECHAT_COMPONENT, SCENE_APPSECRET, SCENE_PUSH_TOKEN, SCENE_AES_KEY,
                              &trouble));
    MUST(s, push_first_ticket(s, &trouble));
}

static void with_merchant(scene *s)
{
    MUST(s, wxtp_tenant_add(s->platform, WECHAT_CODE, NULL, &trouble));
}

static void with_unauthorized(scene *s)
{
    with_merchant(s);
    s->wechat.authorized = false;
}

static void with_expired(scene *s)
{
    with_merchant(s);
    fake_clock_advance(&s->clock, THREE_HOURS_MS);
}

/* WeChat has given another pair, and its answer was lost. */
static void with_lost(scene *s)
{
    with_expired(s);
    s->wechat.access++;
    s->wechat.refresh++;
}

static void with_due(scene *s)
{
    with_merchant(s);
    fake_clock_advance(&s->clock, EARLY_MS);
}

static void with_old_profile(scene *s)
{
    with_merchant(s);
    for (int day = 0; day < 8; day++) {
        fake_clock_advance(&s->clock, INT64_C(11) * 3600 * 1000);
    }
    char xml[1024];
    (void)snprintf(xml, sizeof(xml),
                   "<xml><AppId><![CDATA[" WECHAT_COMPONENT "]]></AppId><CreateTime>%lld</CreateTime>"
                   "<InfoType><![CDATA[component_verify_ticket]]></InfoType>"
                   "<ComponentVerifyTicket><![CDATA[ticket@@@2]]></ComponentVerifyTicket></xml>",
                   (long long)(fake_clock_wall(&s->clock) / 1000));
    MUST(s, push(s, xml, &trouble));
}

static wxtp_status add_own(scene *s, wxtp_error **error)
{
    const wxtp_status status = wxtp_tenant_add_own(s->platform, WECHAT_OWN, "own-secret-0123456789abcdef",
                                                   WXTP_ACCOUNT_SERVICE, 1, error);
    s->own_added = s->own_added || status == WXTP_OK;
    scene_mark(s);
    return status;
}

static void with_own(scene *s)
{
    MUST(s, add_own(s, &trouble));
}

/* ---- Flows ---- */

static wxtp_status open_new(scene *s, wxtp_error **error)
{
    wxtp_status status = s->platform ? WXTP_OK : scene_open(s, error);
    return status != WXTP_OK ? status
                             : wxtp_platform_set(s->platform, WECHAT_COMPONENT, SCENE_APPSECRET,
                                                 SCENE_PUSH_TOKEN, SCENE_AES_KEY, error);
}

static wxtp_status open_again(scene *s, wxtp_error **error)
{
    return s->platform ? WXTP_OK : scene_open(s, error);
}

static wxtp_status add_code(scene *s, wxtp_error **error)
{
    wxtp_tenant *tenant = NULL;
    const wxtp_status status = wxtp_tenant_add(s->platform, WECHAT_CODE, &tenant, error);
    wxtp_tenant_free(tenant);
    return status;
}

static wxtp_status get_token(scene *s, const char *appid, wxtp_error **error)
{
    char *text = NULL;
    int64_t generation = 0;
    const wxtp_status status = wxtp_token_get(s->platform, appid, &text, &generation, error);
    if (status == WXTP_OK && !scene_stored(s, appid, "access", text)) {
        scene_fail(s, "I2: %s was given and is not stored", text);
    }
    if (status == WXTP_OK) {
        int *given = strcmp(appid, WECHAT_MERCHANT) == 0 ? &s->access_given : &s->own_given;
        *given = (int)strtol(text + strcspn(text, "0123456789"), NULL, 10);
        scene_mark(s);
    }
    wxtp_free(text);
    return status;
}

static wxtp_status get_merchant_token(scene *s, wxtp_error **error)
{
    return get_token(s, WECHAT_MERCHANT, error);
}

static wxtp_status get_own_token(scene *s, wxtp_error **error)
{
    return get_token(s, WECHAT_OWN, error);
}

static void with_expired_own(scene *s)
{
    with_own(s);
    MUST(s, get_own_token(s, &trouble));
    fake_clock_advance(&s->clock, THREE_HOURS_MS);
}

/* Three hours later it has another token, and what WeChat gave last is in the store. */
static void own_account_serves(scene *s)
{
    char text[WECHAT_TEXT];
    MUST(s, get_own_token(s, &trouble));
    fake_clock_advance(&s->clock, THREE_HOURS_MS);
    MUST(s, get_own_token(s, &trouble));
    wechat_own_text(s->wechat.own, text);
    if (!scene_stored(s, WECHAT_OWN, "access", text)) {
        scene_fail(s, "I5: what WeChat gave last is not in the store: %s", text);
    }
}

static wxtp_status refuse_and_get(scene *s, wxtp_error **error)
{
    wxtp_status status = wxtp_token_refused(s->platform, WECHAT_MERCHANT, 1, error);
    return status == WXTP_OK ? get_merchant_token(s, error) : status;
}

static wxtp_status ask_gate(scene *s, wxtp_error **error)
{
    wxtp_verdict_on_call verdict = {.struct_size = sizeof(verdict)};
    const wxtp_status status =
        wxtp_tenant_check(s->platform, WECHAT_MERCHANT, "batchUnblacklist", &verdict, error);
    if (status == WXTP_OK && !verdict.allowed) {
        scene_fail(s, "the gate says no: %s", verdict.reason);
    }
    return status;
}

#define BODY "{\"openid_list\":[\"o_openid_number_00001_of_shop\"]}"

static wxtp_status call_for(scene *s, const char *appid, wxtp_error **error)
{
    char *answer = NULL;
    const wxtp_status status =
        wxtp_call(s->platform, appid, "batchUnblacklist", BODY, strlen(BODY), &answer, error);
    wxtp_free(answer);
    return status;
}

static wxtp_status call(scene *s, wxtp_error **error)
{
    return call_for(s, WECHAT_MERCHANT, error);
}

static wxtp_status call_for_own(scene *s, wxtp_error **error)
{
    return call_for(s, WECHAT_OWN, error);
}

static void called(scene *s)
{
    if (!s->wechat.done[1]) {
        scene_fail(s, "the call has passed, and WeChat knows nothing of it");
    }
}

static wxtp_status take_completion(scene *s, uint64_t id, wxtp_error **error)
{
    for (int turns = 0; turns < 10000; turns++) {
        wxtp_completion *taken = wxtp_completion_take(s->platform, 100);
        const bool ours = taken && wxtp_completion_id(taken) == id;
        const wxtp_status status = ours ? wxtp_completion_status(taken) : WXTP_OK;
        if (ours) {
            *error = wxtp_completion_take_error(taken);
        }
        wxtp_completion_free(taken);
        if (ours) {
            return status;
        }
    }
    scene_fail(s, "a submission that was accepted does not complete");
    return WXTP_OK;
}

static wxtp_status submit(scene *s, wxtp_error **error)
{
    uint64_t id = 0;
    const wxtp_status status =
        wxtp_submit(s->platform, WECHAT_MERCHANT, "batchUnblacklist", BODY, strlen(BODY), NULL, &id, error);
    return status == WXTP_OK ? take_completion(s, id, error) : status;
}

/* ---- Jobs ---- */

typedef struct list {
    int next;
    char text[WECHAT_TEXT];
} list;

static int next_openid(void *user, const char **openid, size_t *len)
{
    list *self = user;
    if (self->next == OPENIDS) {
        return 0;
    }
    wechat_openid(self->next++, self->text);
    *openid = self->text;
    *len = strlen(self->text);
    return 1;
}

static void all_done(scene *s)
{
    for (int n = 0; n < OPENIDS; n++) {
        if (!s->wechat.done[n] && !wechat_bad(n)) {
            scene_fail(s, "I7: openid %d counts as done, and WeChat knows nothing of it", n);
        }
    }
}

static void judge_done(scene *s, const wxtp_job *job)
{
    const wxtp_job_state state = wxtp_job_state_of(job);
    if ((state != WXTP_JOB_DONE && state != WXTP_JOB_PARTIAL) || wxtp_job_requested(job) != OPENIDS ||
        wxtp_job_succeeded(job) != OPENIDS - 2 || wxtp_job_invalid(job) != 2) {
        scene_fail(s, "I7: of %d openids %lld requested, %lld done, %lld invalid, %lld failed, %lld pending",
                   OPENIDS, (long long)wxtp_job_requested(job), (long long)wxtp_job_succeeded(job),
                   (long long)wxtp_job_invalid(job), (long long)wxtp_job_failed(job),
                   (long long)wxtp_job_pending(job));
    }
}

static wxtp_status unblacklist(scene *s, wxtp_error **error)
{
    static const size_t count = OPENIDS;
    char texts[OPENIDS][WECHAT_TEXT];
    const char *openids[OPENIDS];
    wxtp_unblacklist_counts counts = {.struct_size = sizeof(counts)};
    for (int n = 0; n < OPENIDS; n++) {
        wechat_openid(n, texts[n]);
        openids[n] = texts[n];
    }
    const wxtp_status status = wxtp_unblacklist(s->platform, WECHAT_MERCHANT, openids, count, &counts, error);
    if (counts.requested != counts.unblacklisted + counts.invalid + counts.failed + counts.pending) {
        scene_fail(s, "I7: the counts do not add up");
    }
    if (status == WXTP_OK && (counts.unblacklisted != OPENIDS - 2 || counts.invalid != 2)) {
        scene_fail(s, "I7: %lld unblacklisted, %lld invalid, %lld failed, %lld pending",
                   (long long)counts.unblacklisted, (long long)counts.invalid, (long long)counts.failed,
                   (long long)counts.pending);
    }
    return status;
}

static wxtp_status create_job(scene *s, wxtp_error **error)
{
    list openids = {.next = 0};
    const wxtp_job_options options = {.struct_size = sizeof(options), .snapshot = s->snapshots};
    const wxtp_status status = wxtp_job_create(s->platform, WECHAT_MERCHANT, "batchUnblacklist", next_openid,
                                               &openids, &options, s->job_id, error);
    if (status == WXTP_OK) {
        memcpy(s->made_job, s->job_id, sizeof(s->made_job));
        scene_mark(s);
    }
    return status;
}

static wxtp_status run_job(scene *s, wxtp_error **error)
{
    wxtp_job *job = NULL;
    const wxtp_status status = wxtp_job_run(s->platform, s->job_id, WXTP_JOB_RESUME, NULL, NULL, &job, error);
    if (status == WXTP_OK) {
        judge_done(s, job);
    }
    wxtp_job_free(job);
    return status;
}

static void with_job(scene *s)
{
    wxtp_job *job = NULL;
    with_merchant(s);
    MUST(s, create_job(s, &trouble));
    fake_http_on(&s->http, "batchunblacklist", NULL, 1, "{\"errcode\":45009,\"errmsg\":\"quota\"}");
    (void)wxtp_job_run(s->platform, s->job_id, WXTP_JOB_RUN, NULL, NULL, &job, NULL);
    if (!job || wxtp_job_state_of(job) != WXTP_JOB_PAUSED || wxtp_job_pending(job) == 0) {
        scene_fail(s, "the job is not paused");
    }
    wxtp_job_free(job);
}

/* ---- Snapshots, and taking a job back ---- */

static void with_snapshots(scene *s)
{
    with_merchant(s);
    s->snapshots = true;
}

/* A job that is over, and can be undone. */
static void with_done_job(scene *s)
{
    with_snapshots(s);
    MUST(s, create_job(s, &trouble));
    MUST(s, run_job(s, &trouble));
}

static wxtp_status undo(scene *s, wxtp_error **error)
{
    char undo_id[64];
    const wxtp_status status = wxtp_job_undo(s->platform, s->job_id, undo_id, error);
    if (status == WXTP_OK) {
        memcpy(s->made_job, undo_id, sizeof(s->made_job));
        scene_mark(s);
    }
    return status;
}

static bool count_undo(void *user, const wxtp_job *job)
{
    int *count = user;
    *count +=
        strcmp(wxtp_job_call(job), "batchBlacklist") == 0 && wxtp_job_state_of(job) != WXTP_JOB_BUILDING;
    return true;
}

/* However often it was tried, there is one job that puts back. */
static void undone_once(scene *s)
{
    int count = 0;
    MUST(s, undo(s, &trouble)); /* asked once more, it is given again */
    MUST(s, wxtp_job_list(s->platform, NULL, -1, NULL, 100, count_undo, &count, &trouble));
    if (count != 1) {
        scene_fail(s, "%d jobs undo one", count);
    }
}

static void undone_at_most_once(scene *s)
{
    int count = 0;
    MUST(s, wxtp_job_list(s->platform, NULL, -1, NULL, 100, count_undo, &count, &trouble));
    if (count > 1) {
        scene_fail(s, "%d jobs undo one", count);
    }
}

static void judge_undone(scene *s, const wxtp_job *job)
{
    if (wxtp_job_state_of(job) != WXTP_JOB_DONE || wxtp_job_requested(job) != PUT_BACK ||
        wxtp_job_succeeded(job) != PUT_BACK) {
        scene_fail(s, "I7: %lld openids to be put back, %lld are", (long long)wxtp_job_requested(job),
                   (long long)wxtp_job_succeeded(job));
    }
}

static void all_back(scene *s)
{
    for (int n = 0; n < OPENIDS; n++) {
        if (wechat_listed(&s->wechat, n) != wechat_was_listed(n)) {
            scene_fail(s, "the job is undone, and openid %d is not as before", n);
        }
    }
}

static void with_undo(scene *s)
{
    with_done_job(s);
    MUST(s, undo(s, &trouble));
    memcpy(s->job_id, s->made_job, sizeof(s->job_id));
}

static wxtp_status run_undo(scene *s, wxtp_error **error)
{
    wxtp_job *job = NULL;
    const wxtp_status status = wxtp_job_run(s->platform, s->job_id, WXTP_JOB_RUN, NULL, NULL, &job, error);
    if (status == WXTP_OK) {
        judge_undone(s, job);
    }
    wxtp_job_free(job);
    return status;
}

static wxtp_status plan_undo(scene *s, wxtp_error **error)
{
    wxtp_job_forecast forecast = {.struct_size = sizeof(forecast)};
    const wxtp_status status = wxtp_job_undo_forecast(s->platform, s->job_id, &forecast, error);
    if (status == WXTP_OK && (forecast.requested != PUT_BACK || !forecast.allowed)) {
        scene_fail(s, "%lld openids are said to be put back: %s", (long long)forecast.requested,
                   forecast.reason);
    }
    return status;
}

static wxtp_status plan_job(scene *s, wxtp_error **error)
{
    list openids = {.next = 0};
    wxtp_job_forecast forecast = {.struct_size = sizeof(forecast)};
    wxtp_plan_part part = {.struct_size = sizeof(part)};
    wxtp_plan plan = {.struct_size = sizeof(plan)};
    wxtp_status status = wxtp_plan_list(s->platform, WECHAT_MERCHANT, "batchUnblacklist", next_openid,
                                        &openids, true, &forecast, &part, error);
    if (status == WXTP_OK) {
        status = wxtp_plan_sum(s->platform, "batchUnblacklist", &part, 1, &plan, error);
    }
    if (status == WXTP_OK && forecast.requested != OPENIDS) {
        scene_fail(s, "%lld openids are planned", (long long)forecast.requested);
    }
    return status;
}

static wxtp_status compare_job(scene *s, wxtp_error **error)
{
    wxtp_job_diff diff = {.struct_size = sizeof(diff)};
    const wxtp_status status = wxtp_job_compare(s->platform, s->job_id, NULL, NULL, &diff, error);
    if (status == WXTP_OK && (diff.before != LISTED || diff.removed != PUT_BACK || diff.added != 0)) {
        scene_fail(s, "%lld were on the list, %lld are off it, %lld came", (long long)diff.before,
                   (long long)diff.removed, (long long)diff.added);
    }
    return status;
}

/* ---- Closing, several handles ---- */

static wxtp_status close_and_open(scene *s, wxtp_error **error)
{
    wxtp_status status = s->platform ? wxtp_platform_close(s->platform, 1000) : WXTP_OK;
    if (status == WXTP_OK) {
        s->platform = NULL;
        fault_pause();
        status = scene_open(s, error);
        fault_resume();
    }
    return status;
}

/* Leases and an owner's row to give back. */
static wxtp_status call_and_close(scene *s, wxtp_error **error)
{
    fault_pause();
    wxtp_status status = call(s, error);
    fault_resume();
    return status == WXTP_OK ? close_and_open(s, error) : status;
}

/* One that is refused, so that the next is another. */
static wxtp_status next_token(scene *s, wxtp_error **error)
{
    char *text = NULL;
    int64_t generation = 0;
    wxtp_status status = wxtp_token_get(s->platform, WECHAT_MERCHANT, &text, &generation, error);
    wxtp_free(text);
    if (status == WXTP_OK) {
        status = wxtp_token_refused(s->platform, WECHAT_MERCHANT, generation, error);
    }
    return status == WXTP_OK ? get_merchant_token(s, error) : status;
}

/* Calls, refreshes, and between them checkpoints after which the WAL begins anew. */
static wxtp_status work_by_turns(scene *s, wxtp_platform *const handles[2], wxtp_error **error)
{
    wxtp_status status = WXTP_OK;
    for (int turn = 0; turn < TURNS && status == WXTP_OK; turn++) {
        s->platform = handles[turn % 2];
        fake_clock_advance(&s->clock, CHECKPOINT_AGE_MS);
        status = turn % 3 == 2 ? next_token(s, error) : call(s, error);
    }
    return status;
}

static wxtp_status two_handles(scene *s, wxtp_error **error)
{
    wxtp_platform *handles[2] = {s->platform, NULL};
    s->platform = NULL;
    wxtp_status status = scene_open(s, error);
    handles[1] = s->platform;
    if (status == WXTP_OK) {
        status = work_by_turns(s, handles, error);
    }
    s->platform = handles[1];
    scene_close(s);
    s->platform = handles[0];
    return status;
}

static wxtp_status sync_all(scene *s, wxtp_error **error)
{
    wxtp_sync_result result = {.struct_size = sizeof(result)};
    return wxtp_tenant_sync(s->platform, NULL, 0, NULL, NULL, NULL, &result, error);
}

/* WeChat knows of a merchant that the store has forgotten. */
static void with_forgotten(scene *s)
{
    s->wechat.authorized = s->wechat.code_used = true;
    s->wechat.access = s->wechat.refresh = 1;
}

/* The refresh token is taken for dead, and WeChat shows the living one. */
static void with_given_up(scene *s)
{
    with_lost(s);
    static const char dead[] = "{\"errcode\":61023,\"errmsg\":\"refresh_token is invalid\"}";
    fake_http_on(&s->http, "api_authorizer_token", NULL, -1, dead);
    fake_http_on(&s->http, "api_get_authorizer_info", NULL, -1,
                 "{\"authorizer_info\":{},\"authorization_info\":{}}");
    fake_http_on(&s->http, "api_get_authorizer_list", NULL, -1, "{\"total_count\":0,\"list\":[]}");
    wxtp_error *error = NULL;
    char *text = NULL;
    int64_t generation = 0;
    const wxtp_status status = wxtp_token_get(s->platform, WECHAT_MERCHANT, &text, &generation, &error);
    if (status != WXTP_ERR_REAUTHORIZE) {
        scene_fail(s, "the merchant is not given up: %s", wxtp_status_name(status));
    }
    wxtp_error_free(error);
    wxtp_free(text);
}

static void merchant_is_authorized(scene *s)
{
    wxtp_tenant *tenant = NULL;
    MUST(s, wxtp_tenant_get(s->platform, WECHAT_MERCHANT, &tenant, &trouble));
    if (tenant && wxtp_tenant_status_of(tenant) != WXTP_TENANT_AUTHORIZED) {
        scene_fail(s, "I5: the merchant is authorized, and stored with status %d",
                   (int)wxtp_tenant_status_of(tenant));
    }
    wxtp_tenant_free(tenant);
}

static wxtp_status sync_named(scene *s, wxtp_error **error)
{
    static const char *const appids[] = {WECHAT_MERCHANT};
    wxtp_sync_result result = {.struct_size = sizeof(result)};
    return wxtp_tenant_sync(s->platform, appids, 1, NULL, NULL, NULL, &result, error);
}

/* ---- Copies and keys ---- */

static void with_backup(scene *s)
{
    with_job(s);
    MUST(s, upkeep_backup(s, &trouble));
}

/* The other instance: its tokens are due, it has no ticket, its jobs wait. */
static void restored_serves(scene *s)
{
    upkeep_move_to_restored(s);
    if (s->platform) {
        MUST(s, push_ticket(s, &trouble));
    }
}

static wxtp_status open_and_call(scene *s, wxtp_error **error)
{
    const wxtp_status status = s->platform ? WXTP_OK : scene_open(s, error);
    return status == WXTP_OK ? call(s, error) : status;
}

static wxtp_status check_store(scene *s, wxtp_error **error);

const flow flows[] = {
    {"open a new store", NULL, open_new, NULL, NULL, FLOW_ON_NOTHING},
    {"open a store again", with_merchant, open_again, NULL, NULL, FLOW_ON_CLOSED},
    {"push: ticket", NULL, push_ticket, NULL, NULL, FLOW_IN_OPEN},
    {"push: authorized", NULL, push_authorized, NULL, NULL, FLOW_IN_OPEN},
    {"push: updateauthorized", with_merchant, push_updated, NULL, NULL, FLOW_IN_OPEN},
    {"push: unauthorized", with_unauthorized, push_unauthorized, NULL, NULL, FLOW_IN_OPEN},
    {"push: message", NULL, push_message, NULL, NULL, FLOW_IN_OPEN},
    {"exchange a code", NULL, add_code, NULL, NULL, FLOW_IN_OPEN},
    {"refresh an expired token", with_expired, get_merchant_token, NULL, NULL, FLOW_IN_OPEN},
    {"recover a lost token", with_lost, get_merchant_token, NULL, NULL, FLOW_IN_OPEN},
    {"refresh a token early", with_due, get_merchant_token, NULL, NULL, FLOW_IN_OPEN},
    {"refresh a refused token", with_merchant, refuse_and_get, NULL, NULL, FLOW_IN_OPEN},
    {"add an own account", NULL, add_own, own_account_serves, NULL, FLOW_IN_OPEN},
    {"an own account's token", with_own, get_own_token, own_account_serves, NULL, FLOW_IN_OPEN},
    {"an own account's next token", with_expired_own, get_own_token, own_account_serves, NULL, FLOW_IN_OPEN},
    {"call for an own account", with_expired_own, call_for_own, called, NULL, FLOW_IN_OPEN},
    {"ask the gate", with_merchant, ask_gate, NULL, NULL, FLOW_IN_OPEN},
    {"call", with_merchant, call, called, NULL, FLOW_IN_OPEN},
    {"call on an old profile", with_old_profile, call, called, NULL, FLOW_IN_OPEN},
    {"submit a call", with_merchant, submit, called, NULL, FLOW_IN_OPEN},
    {"unblacklist with halving", with_merchant, unblacklist, all_done, NULL, FLOW_IN_OPEN},
    {"plan a job", with_merchant, plan_job, NULL, NULL, FLOW_IN_OPEN},
    {"create a job", with_merchant, create_job, NULL, NULL, FLOW_IN_OPEN},
    {"create a job with a snapshot", with_snapshots, create_job, NULL, NULL, FLOW_IN_OPEN},
    {"resume a job", with_job, run_job, all_done, NULL, FLOW_IN_OPEN},
    {"compare a job with the list", with_done_job, compare_job, all_done, NULL, FLOW_IN_OPEN},
    {"plan an undo", with_done_job, plan_undo, all_done, NULL, FLOW_IN_OPEN},
    {"undo a job", with_done_job, undo, undone_once, undone_at_most_once, FLOW_IN_OPEN},
    {"run an undo", with_undo, run_undo, all_back, NULL, FLOW_IN_OPEN},
    {"two handles, checkpoints", with_merchant, two_handles, called, NULL, FLOW_IN_OPEN},
    {"sync", with_merchant, sync_all, NULL, NULL, FLOW_IN_OPEN},
    {"sync a forgotten merchant", with_forgotten, sync_all, merchant_is_authorized, NULL, FLOW_IN_OPEN},
    {"sync one that was given up", with_given_up, sync_all, merchant_is_authorized, NULL, FLOW_IN_OPEN},
    {"sync by name", with_lost, sync_named, merchant_is_authorized, NULL, FLOW_IN_OPEN},
    {"back up", with_job, upkeep_backup, upkeep_copy_is_whole, upkeep_no_copy, FLOW_IN_OPEN},
    {"restore a backup", with_backup, upkeep_restore, restored_serves, upkeep_none_restored, FLOW_ON_CLOSED},
    {"rekey", with_merchant, upkeep_rekey, upkeep_other_key_opens, upkeep_one_key_opens, FLOW_IN_OPEN},
    {"check the store", with_merchant, check_store, NULL, NULL, FLOW_IN_OPEN},
    {"open over HTTP", with_due, open_and_call, called, NULL, FLOW_CLOSED_OVER_HTTP},
    {"call over HTTP", with_due, call, called, NULL, FLOW_OVER_HTTP},
    {"job over HTTP", with_due, unblacklist, all_done, NULL, FLOW_WORKERS_OVER_HTTP},
    {"close", with_expired, call_and_close, NULL, NULL, FLOW_IN_OPEN},
};
const size_t flow_count = sizeof(flows) / sizeof(flows[0]);

void flow_prepare(const flow *f, scene *s, scene_kept *kept)
{
    const disk_image nothing = {.count = 0};
    disk_image_write(&nothing, s->folder);
    s->wechat = (wechat){.component = 0};
    if (f->on != FLOW_ON_NOTHING) {
        MUST(s, scene_open(s, &trouble));
        with_ticket(s);
        if (f->prepare) {
            f->prepare(s);
        }
    }
    scene_keep(s, kept);
}

/* ---- Afterwards ---- */

static void tell_problem(void *user, const char *text)
{
    scene_fail(user, "db check: %s", text);
}

/* That a page could not be read is what the check is there to tell. */
static void tell_other_problem(void *user, const char *text)
{
    if (!strstr(text, "error code=266")) {
        tell_problem(user, text);
    }
}

static wxtp_status check_store(scene *s, wxtp_error **error)
{
    return wxtp_platform_check_store(s->platform, tell_other_problem, s, error);
}

enum { JOBS_SEEN = 8 };

typedef struct seen_job {
    scene *s;
    char unfinished[JOBS_SEEN][64], made[JOBS_SEEN][64];
    int count, made_count;
} seen_job;

static bool see_job(void *user, const wxtp_job *job)
{
    seen_job *seen = user;
    const wxtp_job_state state = wxtp_job_state_of(job);
    if (state == WXTP_JOB_BUILDING) {
        return true; /* never run: swept when the store is opened next */
    }
    if (wxtp_job_requested(job) !=
        wxtp_job_succeeded(job) + wxtp_job_invalid(job) + wxtp_job_failed(job) + wxtp_job_pending(job)) {
        scene_fail(seen->s, "I7: the counts of a job do not add up");
    }
    if ((state == WXTP_JOB_RUNNING || state == WXTP_JOB_PAUSED) && seen->count < JOBS_SEEN) {
        (void)snprintf(seen->unfinished[seen->count++], 64, "%s", wxtp_job_id(job));
    }
    if (strcmp(wxtp_job_call(job), "batchUnblacklist") == 0 && seen->made_count < JOBS_SEEN) {
        (void)snprintf(seen->made[seen->made_count++], 64, "%s", wxtp_job_id(job));
    }
    return true;
}

/* A job that is there has its whole snapshot: it is made with it, or not at all. */
static void snapshot_is_whole(scene *s, const char *job_id)
{
    wxtp_job_diff diff = {.struct_size = sizeof(diff)};
    MUST(s, wxtp_job_compare(s->platform, job_id, NULL, NULL, &diff, &trouble));
    if (diff.snapshot_ms == 0 || diff.before != LISTED) {
        scene_fail(s, "a job's snapshot shows %lld of %d openids on the list", (long long)diff.before,
                   LISTED);
    }
}

static void end_jobs(scene *s)
{
    seen_job seen = {.s = s};
    MUST(s, wxtp_job_list(s->platform, NULL, -1, NULL, 100, see_job, &seen, &trouble));
    for (int at = 0; at < seen.count; at++) {
        wxtp_job *job = NULL;
        MUST(s, wxtp_job_run(s->platform, seen.unfinished[at], WXTP_JOB_RESUME, NULL, NULL, &job, &trouble));
        if (job && strcmp(wxtp_job_call(job), "batchBlacklist") == 0) {
            judge_undone(s, job);
            all_back(s);
        } else if (job) {
            judge_done(s, job);
            all_done(s);
        }
        wxtp_job_free(job);
    }
    for (int at = 0; at < seen.made_count && s->snapshots; at++) {
        snapshot_is_whole(s, seen.made[at]);
    }
}

static void last_pair_is_stored(scene *s)
{
    char refresh[WECHAT_TEXT];
    char access[WECHAT_TEXT];
    wechat_refresh_text(s->wechat.refresh, refresh);
    wechat_access_text(s->wechat.access, access);
    if (!scene_stored(s, WECHAT_MERCHANT, "refresh", refresh) ||
        !scene_stored(s, WECHAT_MERCHANT, "access", access)) {
        scene_fail(s, "I5: what WeChat gave last is not in the store: %s", refresh);
    }
}

typedef void token_text(int number, char text[WECHAT_TEXT]);

/* Of the tokens from `used` to `last` one is stored; 0: none was used. */
static void used_is_stored(scene *s, const char *appid, const char *field, token_text *name, int used,
                           int last)
{
    char text[WECHAT_TEXT];
    bool found = used == 0;
    for (int n = used; n <= last && !found; n++) {
        name(n, text);
        found = scene_stored(s, appid, field, text);
    }
    if (!found) {
        name(used, text);
        scene_fail(s, "I2: %s was used, and neither it nor a later one is in the store", text);
    }
}

static int larger(int one, int other)
{
    return one > other ? one : other;
}

/* What was used, or told to others, before the power was cut. */
static void nothing_told_is_missing(scene *s, const scene_outside *outside)
{
    const wechat *at = &outside->wechat;
    used_is_stored(s, WECHAT_MERCHANT, "access", wechat_access_text,
                   larger(at->access_used, outside->access_given), at->access);
    used_is_stored(s, WECHAT_MERCHANT, "refresh", wechat_refresh_text, at->refresh_used, at->refresh);
    used_is_stored(s, WECHAT_OWN, "access", wechat_own_text, larger(at->own_used, outside->own_given),
                   at->own);
    if (outside->own_added) {
        wxtp_tenant *tenant = NULL;
        MUST(s, wxtp_tenant_get_own(s->platform, WECHAT_OWN, &tenant, &trouble));
        wxtp_tenant_free(tenant);
    }
    if (outside->made_job[0]) {
        wxtp_job *job = NULL;
        MUST(s, wxtp_job_get(s->platform, outside->made_job, &job, &trouble));
        wxtp_job_free(job);
    }
}

void flow_settle_after_cut(scene *s, const flow *f, const scene_outside *outside)
{
    nothing_told_is_missing(s, outside);
    /* What was answered is not sent again. */
    if (!outside->push_answered && f->run == push_authorized) {
        MUST(s, push_authorized(s, &trouble));
    }
    if (f->run == add_code) {
        MUST(s, add_code(s, &trouble));
    }
    if (f->run == push_authorized) {
        MUST(s, get_merchant_token(s, &trouble));
    }
    if (f->run == add_own || f->run == undo || f->prepare == with_forgotten || f->prepare == with_given_up) {
        MUST(s, f->run(s, &trouble)); /* it may be done once more */
    }
    if (f->check && (f->run == add_own || f->run == undo || f->run == get_own_token)) {
        f->check(s);
    }
    flow_settle(s);
}

wxtp_status flow_open_after_cut(scene *s, const flow *f, const scene_outside *outside, wxtp_error **error)
{
    if (f->run == upkeep_rekey) {
        upkeep_one_key_opens(s);
        if (outside->rekeyed && strcmp(s->key, s->other_key) != 0) {
            scene_fail(s, "the store is said to be under the other key, and is not");
        }
    } else if (f->run == upkeep_backup && outside->copied) {
        upkeep_copy_is_whole(s);
    } else if (f->run == upkeep_restore && outside->restored) {
        restored_serves(s);
    }
    return s->platform ? WXTP_OK : scene_open(s, error);
}

void flow_settle(scene *s)
{
    end_jobs(s);
    if (s->wechat.authorized) {
        MUST(s, get_merchant_token(s, &trouble)); /* also exchanges a code that waits */
        merchant_is_authorized(s);
        fake_clock_advance(&s->clock, THREE_HOURS_MS);
        MUST(s, get_merchant_token(s, &trouble));
        last_pair_is_stored(s);
    }
    MUST(s, wxtp_platform_check_store(s->platform, tell_problem, s, &trouble));
    if (s->wechat.broken[0]) {
        scene_fail(s, "%s", s->wechat.broken);
    }
}
