/* The operator's answers through the public API: pushes, the audit as it grows, traces, explanations. */
#include "algorithms.h"
#include "world.h"

#include <stdio.h>

#include "api/handle.h"
#include "codec/envelope.h"
#include "domain/record.h"
#include "domain/storage.h"

#define APPID "wxa0000000000000a1"
#define PATH "/cgi-bin/tags/members/batchunblacklist"
#define RID "6a0b1c2d-00000001-00000002"

/* ---- Pushes ---- */

static void seal(const char *xml, char query[256], char body[8192])
{
    unsigned char key[WX_AES_KEY_LEN];
    char signature[41];
    WX_AUTO_BUF text;
    wx_buf_init(&text, NULL, 1 << 20);
    assert_true(wx_encoding_aes_key_decode(WORLD_AES_KEY, strlen(WORLD_AES_KEY), key));
    assert_int_equal(wx_envelope_seal(algorithms(), key, WORLD_COMPONENT, xml, strlen(xml), NULL, &text),
                     WX_ENVELOPE_OK);
    assert_true(
        wx_push_signature(algorithms(), WORLD_PUSH_TOKEN, "1767225600", "1", text.data, text.len, signature));
    snprintf(query, 256, "timestamp=1767225600&nonce=1&msg_signature=%s", signature);
    snprintf(body, 8192, "<xml><Encrypt><![CDATA[%s]]></Encrypt></xml>", wx_buf_str(&text));
}

static void xml_of(char xml[2048], const char *event, long time, const char *more)
{
    snprintf(xml, 2048,
             "<xml><AppId>" WORLD_COMPONENT
             "</AppId><CreateTime>%ld</CreateTime><InfoType>%s</InfoType>%s</xml>",
             time, event, more);
}

/* Takes it and does what it asks for; the id goes to `id`. */
static bool take(world *w, const char *event, long time, const char *more, char id[65])
{
    char xml[2048];
    char query[256];
    char body[8192];
    wxtp_push *push = NULL;
    wxtp_error *error = NULL;
    xml_of(xml, event, time, more);
    seal(xml, query, body);
    if (wxtp_push_receive(w->platform, query, body, strlen(body), &push, &error) != WXTP_OK) {
        fail_msg("%s", wxtp_error_message(error));
    }
    const bool applied = wxtp_push_applied(push);
    snprintf(id, 65, "%s", wxtp_push_id(push));
    assert_int_equal(wxtp_push_finish(w->platform, push, 4000, NULL, NULL), WXTP_OK);
    wxtp_push_free(push);
    return applied;
}

static const char authorized[] = "<AuthorizerAppid>" APPID "</AuthorizerAppid>"
                                 "<AuthorizationCode>queryauthcode@@@1</AuthorizationCode>"
                                 "<AuthorizationCodeExpiredTime>1767229200</AuthorizationCodeExpiredTime>";
static const char unauthorized[] = "<AuthorizerAppid>" APPID "</AuthorizerAppid>";

static void answer_exchange(world *w)
{
    fake_http_on(&w->http, "api_query_auth", NULL, -1,
                 "{\"authorization_info\":{\"authorizer_appid\":\"" APPID
                 "\",\"authorizer_access_token\":\"access-1\","
                 "\"expires_in\":7200,\"authorizer_refresh_token\":\"refresh-1\",\"func_info\":[{"
                 "\"funcscope_category\":{\"id\":2}}]}}");
    fake_http_on(
        &w->http, "api_get_authorizer_info", NULL, -1,
        "{\"authorizer_info\":{\"nick_name\":\"Shop\",\"service_type_info\":{\"id\":2},"
        "\"verify_type_info\":{\"id\":0},\"account_status\":1},\"authorization_info\":{\"authorizer_appid\":"
        "\"" APPID "\",\"authorizer_refresh_token\":\"refresh-1\",\"func_info\":[{\"funcscope_category\":{"
        "\"id\":2}}]}}");
}

static bool note_push(void *user, const wxtp_push_row *row)
{
    char *text = user;
    const size_t len = strlen(text);
    assert_int_equal(row->digest.len, 32);
    snprintf(text + len, 1024 - len, "%s/%s/%d/%s;", row->event, row->appid, row->applied, row->why);
    return true;
}

static void pushes_are_listed_once_with_what_became_of_them(void **state)
{
    world *w = *state;
    char id[65];
    char text[1024] = "";
    answer_exchange(w);
    assert_true(take(w, "authorized", 1767225700, authorized, id));
    assert_false(take(w, "authorized", 1767225700, authorized, id)); /* a replay leaves no row of its own */
    fake_clock_advance(&w->clock, 1000);
    assert_false(take(w, "unauthorized", 1767225650, unauthorized, id));
    assert_true(take(w, "something_new", 1767225800, "", id));
    assert_int_equal(wxtp_push_list(w->platform, NULL, 0, 10, note_push, text, NULL), WXTP_OK);
    assert_non_null(strstr(text, "authorized/" APPID "/1/;"));
    assert_non_null(strstr(text, "unauthorized/" APPID "/0/older than what is stored;"));
    assert_non_null(strstr(text, "something_new//1/;"));
    text[0] = '\0';
    assert_int_equal(wxtp_push_list(w->platform, APPID, FAKE_EPOCH_MS + 500, 10, note_push, text, NULL),
                     WXTP_OK);
    assert_string_equal(text, "unauthorized/" APPID "/0/older than what is stored;");
    assert_int_equal(wxtp_push_list(w->platform, NULL, 0, 0, note_push, text, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_push_list(w->platform, NULL, 0, 10001, note_push, text, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_push_list(w->platform, NULL, 0, 1, NULL, NULL, NULL), WXTP_ERR_INVALID);
    /* Pruned with the setting pushes_days. */
    fake_clock_advance(&w->clock, INT64_C(31) * 24 * 3600 * 1000);
    assert_int_equal(wxtp_platform_prune(w->platform, NULL, NULL), WXTP_OK);
    text[0] = '\0';
    assert_int_equal(wxtp_push_list(w->platform, NULL, 0, 10, note_push, text, NULL), WXTP_OK);
    assert_string_equal(text, "");
}

typedef struct checks {
    char first[32], hint[512];
    int count, passed;
} checks;

static void note_check(void *user, const wxtp_push_check *check)
{
    checks *seen = user;
    seen->count++;
    seen->passed += check->ok == 1;
    assert_null(strstr(check->detail, "queryauthcode"));
    if (check->ok == 0 && !seen->first[0]) {
        snprintf(seen->first, sizeof seen->first, "%s", check->name);
        snprintf(seen->hint, sizeof seen->hint, "%s", check->hint);
    }
}

static void a_push_is_explained_and_not_taken(void **state)
{
    world *w = *state;
    char xml[2048];
    char query[256];
    char body[8192];
    char text[1024] = "";
    checks seen = {.count = 0};
    bool accepted = false;
    bool would_apply = false;
    xml_of(xml, "authorized", 1767225700, authorized);
    seal(xml, query, body);
    assert_int_equal(wxtp_push_explain(w->platform, query, body, strlen(body), &accepted, &would_apply,
                                       note_check, &seen, NULL),
                     WXTP_OK);
    assert_true(accepted && would_apply);
    assert_int_equal(seen.count, 14);
    assert_int_equal(seen.passed, 14);
    assert_int_equal(wxtp_push_list(w->platform, NULL, 0, 10, note_push, text, NULL), WXTP_OK);
    assert_string_equal(text, "");
    assert_int_equal(fake_http_count(&w->http, NULL), 0);

    seen = (checks){.count = 0};
    query[strlen(query) - 1] = query[strlen(query) - 1] == '0' ? '1' : '0';
    assert_int_equal(wxtp_push_explain(w->platform, query, body, strlen(body), &accepted, &would_apply,
                                       note_check, &seen, NULL),
                     WXTP_OK);
    assert_false(accepted || would_apply);
    assert_int_equal(seen.count, 14);
    assert_int_equal(seen.passed, 3);
    assert_string_equal(seen.first, "signature");
    assert_non_null(strstr(seen.hint, "--token-file"));
    assert_int_equal(wxtp_push_explain(w->platform, query, NULL, 1, NULL, NULL, NULL, NULL, NULL),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_push_explain(w->platform, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL), WXTP_OK);
}

/* ---- The audit as it grows ---- */

static void add_row(world *w, const char *appid, int64_t errcode, const char *rid)
{
    const wx_record record = {.platform = WORLD_COMPONENT,
                              .appid = appid,
                              .call = "call",
                              .errcode = errcode,
                              .errmsg = "text",
                              .rid = rid};
    wx_record_alone(wx_platform_core(w->platform), &record);
}

typedef struct followed {
    world *w;
    char text[4096];
    int most; /* 0: all */
    int count;
    int64_t last_id;
} followed;

static bool note_row(void *user, const wxtp_audit_row *row)
{
    followed *seen = user;
    const size_t len = strlen(seen->text);
    if (seen->count < 100) {
        snprintf(seen->text + len, sizeof seen->text - len, "%s ", row->rid);
    }
    assert_true(row->id > seen->last_id);
    seen->last_id = row->id;
    return ++seen->count != seen->most;
}

static void rows_are_followed_once_each(void **state)
{
    world *w = *state;
    followed seen = {.w = w};
    int64_t position = 0;
    wxtp_audit_choice all = {.struct_size = sizeof all};
    for (int i = 0; i < 150; i++) { /* more than one page */
        add_row(w, "wxa", 0, i == 149 ? "last" : "");
    }
    assert_int_equal(wxtp_audit_follow(w->platform, &all, &position, 0, note_row, &seen, NULL), WXTP_OK);
    assert_int_equal(seen.count, 150);
    assert_int_equal(position, seen.last_id);
    seen.text[0] = '\0';
    seen.count = 0;
    const int64_t before = wx_boot_ms(wx_platform_core(w->platform));
    assert_int_equal(wxtp_audit_follow(w->platform, &all, &position, 1000, note_row, &seen, NULL), WXTP_OK);
    assert_int_equal(seen.count, 0);
    assert_true(wx_boot_ms(wx_platform_core(w->platform)) - before >= 1000);
    add_row(w, "wxa", 0, "1");
    add_row(w, "wxb", 40003, "2");
    fake_clock_step_wall(&w->clock, -3600000); /* the order is that of the ids */
    add_row(w, "wxa", 40003, "3");
    seen.most = 2;
    assert_int_equal(wxtp_audit_follow(w->platform, &all, &position, 0, note_row, &seen, NULL), WXTP_OK);
    assert_string_equal(seen.text, "1 2 ");
    seen.most = 0;
    assert_int_equal(wxtp_audit_follow(w->platform, &all, &position, 0, note_row, &seen, NULL), WXTP_OK);
    assert_string_equal(seen.text, "1 2 3 ");
}

static void what_is_followed_may_be_chosen(void **state)
{
    world *w = *state;
    followed seen = {.w = w};
    int64_t position = 0;
    wxtp_audit_choice choice = {.struct_size = sizeof choice, .by_errcode = true, .errcode = 40003};
    add_row(w, "wxa", 0, "1");
    add_row(w, "wxa", 40003, "2");
    add_row(w, "wxb", 40003, "3");
    add_row(w, "wxa", 0, "4");
    assert_int_equal(wxtp_audit_follow(w->platform, &choice, &position, 0, note_row, &seen, NULL), WXTP_OK);
    assert_string_equal(seen.text, "2 3 ");
    assert_true(position > seen.last_id); /* what was looked at is not looked at again */
    seen = (followed){.w = w};
    position = 0;
    choice.appid = "wxa";
    assert_int_equal(wxtp_audit_follow(w->platform, &choice, &position, 0, note_row, &seen, NULL), WXTP_OK);
    assert_string_equal(seen.text, "2 ");
    seen = (followed){.w = w};
    assert_int_equal(wxtp_audit_select(w->platform, &choice, 10, note_row, &seen, NULL), WXTP_OK);
    assert_string_equal(seen.text, "2 ");
    choice.by_errcode = false;
    seen = (followed){.w = w};
    assert_int_equal(wxtp_audit_select(w->platform, &choice, 2, note_row, &seen, NULL), WXTP_OK);
    assert_string_equal(seen.text, "2 4 ");

    wxtp_audit_choice small = {.struct_size = 1};
    assert_int_equal(wxtp_audit_select(w->platform, &small, 1, note_row, &seen, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_audit_select(w->platform, &choice, 0, note_row, &seen, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_audit_follow(w->platform, &choice, NULL, 0, note_row, &seen, NULL),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_audit_follow(w->platform, &choice, &position, 0, NULL, NULL, NULL),
                     WXTP_ERR_INVALID);
}

static bool use_platform(void *user, const wxtp_audit_row *row)
{
    followed *seen = user;
    char text[1024] = "";
    assert_int_equal(wxtp_push_list(seen->w->platform, NULL, 0, 1, note_push, text, NULL), WXTP_OK);
    assert_string_equal(row->rid, "1"); /* its copy stands */
    return true;
}

static void a_host_that_follows_may_use_the_platform_and_stop(void **state)
{
    world *w = *state;
    followed seen = {.w = w};
    int64_t position = 0;
    const wxtp_audit_choice all = {.struct_size = sizeof all};
    add_row(w, "wxa", 0, "1");
    assert_int_equal(wxtp_audit_follow(w->platform, &all, &position, 0, use_platform, &seen, NULL), WXTP_OK);
    wxtp_platform_stop(w->platform);
    assert_int_equal(wxtp_audit_follow(w->platform, &all, &position, 60000, note_row, &seen, NULL),
                     WXTP_ERR_INTERRUPTED);
}

/* ---- Traces ---- */

typedef struct steps {
    char text[1024];
    char push_id[65];
} steps;

static void note_step(void *user, wxtp_trace_step step, const wxtp_audit_row *row, const wxtp_push_row *push)
{
    steps *seen = user;
    const size_t len = strlen(seen->text);
    if (step == WXTP_TRACE_PUSH) {
        assert_null(row);
        snprintf(seen->text + len, sizeof seen->text - len, "%s;", push->event);
        for (size_t i = 0; i < push->digest.len; i++) {
            snprintf(seen->push_id + 2 * i, 3, "%02x", ((const unsigned char *)push->digest.data)[i]);
        }
        return;
    }
    assert_null(push);
    snprintf(seen->text + len, sizeof seen->text - len, "%s:%lld>%lld;", row->call,
             (long long)row->token_generation, (long long)row->made_generation);
}

static void refused_with_rid(world *w, const char *openid)
{
    wxtp_unblacklist_counts counts = {.struct_size = sizeof counts};
    fake_http_on(&w->http, PATH, NULL, 1, "{\"errcode\":40003,\"errmsg\":\"invalid openid rid: " RID "\"}");
    assert_int_equal(wxtp_unblacklist(w->platform, APPID, &openid, 1, &counts, NULL), WXTP_OK);
    assert_int_equal(counts.invalid, 1);
}

static void a_request_id_leads_to_the_push_that_authorized(void **state)
{
    world *w = *state;
    char id[65];
    steps seen = {.text = ""};
    answer_exchange(w);
    assert_true(take(w, "authorized", 1767225700, authorized, id));
    refused_with_rid(w, "o1");
    assert_int_equal(wxtp_audit_trace(w->platform, RID, note_step, &seen, NULL), WXTP_OK);
    assert_string_equal(seen.text, "batchUnblacklist:1>0;api_query_auth:0>1;api_query_auth:0>1;authorized;");
    assert_string_equal(seen.push_id, id);
    /* After a refresh the token is another, the authorization the same. */
    fake_http_on(&w->http, "api_authorizer_token", NULL, -1,
                 "{\"authorizer_access_token\":\"access-2\",\"expires_in\":7200,\"authorizer_refresh_token\":"
                 "\"refresh-1\"}");
    fake_clock_advance(&w->clock, 7200000);
    refused_with_rid(w, "o2");
    seen = (steps){.text = ""};
    assert_int_equal(wxtp_audit_trace(w->platform, RID, note_step, &seen, NULL), WXTP_OK);
    assert_string_equal(seen.text,
                        "batchUnblacklist:2>0;api_authorizer_token:1>2;api_query_auth:0>1;authorized;");
    /* The push's own row has gone: the exchange still names it. */
    fake_clock_advance(&w->clock, INT64_C(31) * 24 * 3600 * 1000);
    assert_int_equal(wxtp_platform_prune(w->platform, NULL, NULL), WXTP_OK);
    seen = (steps){.text = ""};
    assert_int_equal(wxtp_audit_trace(w->platform, RID, note_step, &seen, NULL), WXTP_OK);
    assert_string_equal(seen.text, "batchUnblacklist:2>0;api_authorizer_token:1>2;api_query_auth:0>1;");
}

static void note_source(void *user, wxtp_trace_step step, const wxtp_audit_row *row,
                        const wxtp_push_row *push)
{
    (void)push;
    if (step == WXTP_TRACE_EXCHANGE) {
        snprintf(user, 64, "%s", row->source);
    }
}

static void a_code_that_an_operator_brought_is_told_as_such(void **state)
{
    world *w = *state;
    char source[64] = "";
    steps seen = {.text = ""};
    answer_exchange(w);
    assert_int_equal(wxtp_tenant_add(w->platform, "queryauthcode@@@9", NULL, NULL), WXTP_OK);
    refused_with_rid(w, "o1");
    assert_int_equal(wxtp_audit_trace(w->platform, RID, note_source, source, NULL), WXTP_OK);
    assert_string_equal(source, "operator");
    wxtp_error *error = NULL;
    assert_int_equal(wxtp_audit_trace(w->platform, "nobody", note_step, &seen, &error), WXTP_ERR_NOT_FOUND);
    assert_string_equal(wxtp_error_kind(error), "not_found");
    wxtp_error_free(error);
    assert_int_equal(wxtp_audit_trace(w->platform, "", note_step, &seen, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_audit_trace(w->platform, NULL, note_step, &seen, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_audit_trace(w->platform, RID, NULL, NULL, NULL), WXTP_ERR_INVALID);
}

/* ---- Explanations ---- */

static void note_condition(void *user, const wxtp_condition *condition)
{
    char *text = user;
    const size_t len = strlen(text);
    snprintf(text + len, 2048 - len, "%s=%d(%s) ", condition->name, condition->holds, condition->source);
}

static void a_verdict_comes_with_its_conditions(void **state)
{
    world *w = *state;
    char id[65];
    char text[2048] = "";
    char wanted[256];
    wxtp_verdict_on_call verdict = {.struct_size = sizeof verdict};
    answer_exchange(w);
    assert_true(take(w, "authorized", 1767225700, authorized, id));
    fake_http_forget_requests(&w->http);
    assert_int_equal(wxtp_tenant_explain(w->platform, APPID, "batchUnblacklist", true, &verdict,
                                         note_condition, text, NULL),
                     WXTP_OK);
    assert_true(verdict.allowed);
    assert_string_equal(verdict.reason, "");
    snprintf(wanted, sizeof wanted, "tenant_known=1(push authorized %s) ", id);
    assert_non_null(strstr(text, wanted));
    assert_non_null(strstr(text, "token=1(api_query_auth) "));
    assert_int_equal(fake_http_count(&w->http, NULL), 0);
    assert_true(take(w, "unauthorized", 1767225900, unauthorized, id));
    text[0] = '\0';
    assert_int_equal(wxtp_tenant_explain(w->platform, APPID, "batchUnblacklist", false, &verdict,
                                         note_condition, text, NULL),
                     WXTP_OK);
    assert_false(verdict.allowed);
    assert_string_equal(verdict.reason, "unauthorized");
    assert_non_null(strstr(verdict.hint, "tenant reconnect " APPID));
    snprintf(wanted, sizeof wanted, "authorized=0(push unauthorized %s) ", id);
    assert_non_null(strstr(text, wanted));
    wxtp_error *error = NULL;
    assert_int_equal(wxtp_tenant_explain(w->platform, APPID, "nothing", false, &verdict, NULL, NULL, &error),
                     WXTP_ERR_NOT_FOUND);
    assert_non_null(strstr(wxtp_error_hint(error), "batchUnblacklist"));
    wxtp_error_free(error);
    assert_int_equal(
        wxtp_tenant_explain(w->platform, NULL, "batchUnblacklist", false, &verdict, NULL, NULL, NULL),
        WXTP_ERR_INVALID);
    verdict.struct_size = 1;
    assert_int_equal(
        wxtp_tenant_explain(w->platform, APPID, "batchUnblacklist", false, &verdict, NULL, NULL, NULL),
        WXTP_ERR_INVALID);
}

static void a_message_names_the_account_the_page_and_the_box(void **state)
{
    world *w = *state;
    static const struct {
        const char *reason, *zh, *en;
    } cases[] = {{"", "无需任何操作", "nothing to do"},
                 {"unknown_tenant", "用户管理权限", "User management"},
                 {"unauthorized", "用户管理权限", "User management"},
                 {"reauthorization_required", "增选或取消", "add or remove"},
                 {"permission_set_missing", "勾选“用户管理权限”", "tick \"User management"},
                 {"not_certified", "微信认证", "mp.weixin.qq.com"},
                 {"account_not_active", "通知中心", "mp.weixin.qq.com"},
                 {"wrong_account_type", "不是公众号", "no official account"},
                 {"refused_by_wechat", "通知中心", "Notifications"},
                 {"quota_exhausted", "北京时间零点", "midnight in Beijing"},
                 {"ticket", "无需任何操作", "on our side"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int chinese = 0; chinese < 2; chinese++) {
            char *message = NULL;
            assert_int_equal(wxtp_merchant_message(w->platform, "batchUnblacklist", cases[i].reason,
                                                   chinese ? "zh" : "en", "100% 小店 %s", &message, NULL),
                             WXTP_OK);
            if (!strstr(message, chinese ? cases[i].zh : cases[i].en) || !strstr(message, "100% 小店 %s")) {
                fail_msg("%s: %s", cases[i].reason, message);
            }
            assert_null(strstr(message, "wxtp-admin"));
            wxtp_free(message);
        }
    }
    char *message = NULL;
    assert_int_equal(wxtp_merchant_message(w->platform, "batchUnblacklist", "", "en",
                                           "a\x1b[31m\n\xE2\x80\xAE\xFFz", &message, NULL),
                     WXTP_OK);
    assert_non_null(strstr(message, "\"a [31m    ?z\""));
    wxtp_free(WX_TAKE(message));
    assert_int_equal(wxtp_merchant_message(w->platform, "batchUnblacklist", "", "fr", "a", &message, NULL),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_merchant_message(w->platform, "nothing", "", "zh", "a", &message, NULL),
                     WXTP_ERR_NOT_FOUND);
    assert_int_equal(wxtp_merchant_message(w->platform, "batchUnblacklist", "", "zh", NULL, &message, NULL),
                     WXTP_ERR_INVALID);
    assert_null(message);
}

/* ---- What would be sent ---- */

static void a_preview_holds_no_token(void **state)
{
    world *w = *state;
    char id[65];
    char *url = NULL;
    char *sent = NULL;
    static const char *const openids[] = {"o1", "o2", "bad openid"};
    const char *many[21];
    answer_exchange(w);
    assert_true(take(w, "authorized", 1767225700, authorized, id));
    fake_http_forget_requests(&w->http);
    assert_int_equal(
        wxtp_call_preview(w->platform, APPID, "batchUnblacklist", openids, 2, NULL, &url, &sent, NULL),
        WXTP_OK);
    assert_non_null(strstr(url, PATH "?access_token=$TOKEN"));
    assert_string_equal(sent, "{\"openid_list\":[\"o1\",\"o2\"]}");
    wxtp_free(url);
    wxtp_free(sent);
    assert_int_equal(wxtp_call_preview(w->platform, APPID, "getBlacklist", NULL, 0, "{}", &url, &sent, NULL),
                     WXTP_OK);
    assert_string_equal(sent, "{}");
    wxtp_free(url);
    wxtp_free(sent);
    assert_int_equal(wxtp_platform_preview(w->platform, "api_get_authorizer_info", APPID, &url, &sent, NULL),
                     WXTP_OK);
    assert_non_null(strstr(url, "?component_access_token=$TOKEN"));
    assert_string_equal(sent,
                        "{\"component_appid\":\"" WORLD_COMPONENT "\",\"authorizer_appid\":\"" APPID "\"}");
    wxtp_free(url);
    wxtp_free(sent);
    for (int i = 0; i < 21; i++) {
        many[i] = "o1";
    }
    const struct {
        const char *appid, *call;
        const char *const *openids;
        size_t count;
        const char *body;
        wxtp_status status;
    } wrong[] = {{APPID, "nothing", openids, 1, NULL, WXTP_ERR_NOT_FOUND},
                 {"wxnobody", "batchUnblacklist", openids, 1, NULL, WXTP_ERR_REFUSED},
                 {APPID, "batchUnblacklist", openids, 3, NULL, WXTP_ERR_INVALID},
                 {APPID, "batchUnblacklist", many, 21, NULL, WXTP_ERR_INVALID},
                 {APPID, "batchUnblacklist", NULL, 0, NULL, WXTP_ERR_INVALID},
                 {APPID, "batchUnblacklist", openids, 1, "{}", WXTP_ERR_INVALID},
                 {APPID, "getBlacklist", openids, 1, "{}", WXTP_ERR_INVALID},
                 {APPID, "getBlacklist", NULL, 0, NULL, WXTP_ERR_INVALID},
                 {NULL, "getBlacklist", NULL, 0, "{}", WXTP_ERR_INVALID}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(wxtp_call_preview(w->platform, wrong[i].appid, wrong[i].call, wrong[i].openids,
                                           wrong[i].count, wrong[i].body, &url, &sent, NULL),
                         wrong[i].status);
        assert_null(url);
        assert_null(sent);
    }
    assert_int_equal(wxtp_platform_preview(w->platform, "api_component_token", NULL, &url, &sent, NULL),
                     WXTP_ERR_NOT_FOUND); /* its body is made of secrets */
    assert_int_equal(wxtp_platform_preview(w->platform, "api_get_authorizer_info", NULL, &url, &sent, NULL),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_platform_preview(w->platform, NULL, NULL, &url, &sent, NULL), WXTP_ERR_INVALID);
    assert_int_equal(fake_http_count(&w->http, NULL), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup_platform, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(pushes_are_listed_once_with_what_became_of_them),
        T(a_push_is_explained_and_not_taken),
        T(rows_are_followed_once_each),
        T(what_is_followed_may_be_chosen),
        T(a_host_that_follows_may_use_the_platform_and_stop),
        T(a_request_id_leads_to_the_push_that_authorized),
        T(a_code_that_an_operator_brought_is_told_as_such),
        T(a_verdict_comes_with_its_conditions),
        T(a_message_names_the_account_the_page_and_the_box),
        T(a_preview_holds_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
