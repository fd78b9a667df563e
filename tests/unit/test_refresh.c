/* Tokens: one refresh, intent first, no step back, service through trouble, nothing lost for good (I1 to I5).
 */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "domain/account.h"
#include "domain/flights.h"
#include "domain/held.h"
#include "domain/refresh.h"
#include "domain/ticket.h"
#include "domain/token.h"
#include "domain/token_authorizer.h"
#include "domain/vault.h"

#define APPID "wxa0000000000000a1"
#define REFRESH_PATH "api_authorizer_token"
#define INFO_PATH "api_get_authorizer_info"
#define LIST_PATH "api_get_authorizer_list"

static const char answer_2[] = "{\"authorizer_access_token\":\"access-token-2\",\"expires_in\":7200,"
                               "\"authorizer_refresh_token\":\"refresh-token-2\"}";
static const char info_with_old_token[] =
    "{\"authorizer_info\":{\"service_type_info\":{\"id\":2},\"verify_type_info\":{\"id\":0}},"
    "\"authorization_info\":{\"authorizer_appid\":\"" APPID
    "\",\"authorizer_refresh_token\":\"refresh-token-1\",\"func_info\":[{\"funcscope_category\":{\"id\":2}}]}"
    "}";
static const char dead[] =
    "{\"errcode\":61023,\"errmsg\":\"refresh_token is invalid rid: 00000000-00000000-00000001\"}";

static fixture *with_tenant(void **state)
{
    fixture *fx = *state;
    const wxtp_tenant_row row = fixture_service_account(fx, APPID);
    fixture_put_tenant(fx, &row);
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-token-1", "refresh-token-1");
    return fx;
}

static wxtp_status get(fixture_node *node, char text[64], wx_err *err)
{
    WX_AUTO_TENANT *tenant = NULL;
    WX_AUTO_TOKEN token = {0};
    assert_int_equal(wx_tenant_find(&node->core, APPID, &tenant, err), WXTP_OK);
    const wxtp_status status = wx_token_get(&node->op, tenant, &token, err);
    snprintf(text, 64, "%s", status == WXTP_OK ? token.text : "");
    return status;
}

static void assert_get(fixture *fx, const char *expected)
{
    wx_err err = {0};
    char text[64];
    if (get(&fx->node, text, &err) != WXTP_OK) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(text, expected);
}

static void assert_stored(fixture *fx, const char *access, const char *refresh)
{
    WX_AUTO_FREE char *stored_access = fixture_access_token(fx, FIXTURE_COMPONENT, APPID);
    WX_AUTO_FREE char *stored_refresh = fixture_refresh_token(fx, FIXTURE_COMPONENT, APPID);
    assert_string_equal(stored_access, access);
    assert_string_equal(stored_refresh, refresh);
}

static void a_generation_that_cannot_be_is_damage(void **state)
{
    fixture *fx = with_tenant(state);
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    char text[64];
    const wxtp_token_row row = {.key = {FIXTURE_COMPONENT, APPID}, .generation = INT64_C(1) << 52};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_SYNC, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->token_put_if(scope.tx, &row, 1, NULL), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    assert_int_equal(get(&fx->node, text, &err), WXTP_ERR_STORE);
    assert_non_null(strstr(err.message, "the token of " APPID " is damaged"));
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static bool has_intent(fixture *fx)
{
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    wxtp_intent_row intent;
    const wxtp_token_key key = {FIXTURE_COMPONENT, APPID};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), WXTP_OK);
    return wx_ops(fx->core)->intent_get(scope.tx, &key, &intent) == WXTP_OK;
}

static bool count_row(void *user, const wxtp_spare_row *row)
{
    (void)row;
    ++*(size_t *)user;
    return true;
}

static size_t spares(fixture *fx)
{
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    size_t count = 0;
    const wxtp_token_key key = {FIXTURE_COMPONENT, APPID};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->spare_list(scope.tx, &key, count_row, &count), WXTP_OK);
    return count;
}

static void to_due(fixture *fx)
{
    fake_clock_advance(&fx->clock, 6700 * 1000);
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
}

static void to_expired(fixture *fx)
{
    fake_clock_advance(&fx->clock, 7300 * 1000);
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
}

/* ---- I4 ---- */

static void I4_fresh_token_is_served_without_a_call(void **state)
{
    fixture *fx = with_tenant(state);
    assert_get(fx, "access-token-1");
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void I4_due_token_is_refreshed_early(void **state)
{
    fixture *fx = with_tenant(state);
    fake_http_on(&fx->http, REFRESH_PATH, "refresh-token-1", 1, answer_2);
    to_due(fx);
    assert_get(fx, "access-token-2");
    assert_stored(fx, "access-token-2", "refresh-token-2");
    assert_false(has_intent(fx));
    assert_int_equal(atomic_load(&fx->op->refreshes), 1);
}

static void I4_due_token_serves_while_refresh_fails_with_backoff(void **state)
{
    fixture *fx = with_tenant(state);
    fixture_patience(&fx->node, 0);
    fake_http_fail(&fx->http, REFRESH_PATH, NULL, -1, WXTP_HTTP_NOT_SENT, 0);
    to_due(fx);
    assert_get(fx, "access-token-1");
    assert_get(fx, "access-token-1");
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 1);
    fake_clock_advance(&fx->clock, 2000);
    assert_get(fx, "access-token-1");
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 2);
}

static void I4_a_token_that_is_not_sent_any_more_is_due(void **state)
{
    fixture *fx = with_tenant(state);
    const int64_t now = fake_clock_wall(&fx->clock);
    for (int64_t life_s = 0; life_s <= 60; life_s++) {
        wx_held held = {.appid = APPID, .platform = FIXTURE_COMPONENT};
        wx_err err = {0};
        assert_int_equal(
            wx_held_enter(fx->core, &held, WX_TOKEN_AUTHORIZER, "access", NULL, now, life_s, &err), WXTP_OK);
        assert_true(held.due_ms <= now + life_s * 1000 - WX_EXPIRY_MARGIN_MS);
        wx_held_free(&held);
    }
}

static void I4_expired_token_is_never_served(void **state)
{
    fixture *fx = with_tenant(state);
    wx_err err = {0};
    char text[64];
    fixture_patience(&fx->node, 0);
    to_expired(fx);
    assert_int_equal(get(&fx->node, text, &err), WXTP_ERR_UNAVAILABLE);
    assert_string_equal(err.tenant, APPID);
}

static void I4_refused_generation_overrides_the_backoff(void **state)
{
    fixture *fx = with_tenant(state);
    wx_err err = {0};
    fixture_patience(&fx->node, 0);
    fake_http_fail(&fx->http, REFRESH_PATH, NULL, 1, WXTP_HTTP_NOT_SENT, 0);
    to_due(fx);
    assert_get(fx, "access-token-1");
    fake_http_on(&fx->http, REFRESH_PATH, NULL, 1, answer_2);
    assert_int_equal(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, 1, &err), WXTP_OK);
    assert_get(fx, "access-token-2");
}

static void newer_token(void *user, const fake_request *request, fake_reply *reply)
{
    int *number = user;
    static char body[192];
    (void)request;
    snprintf(body, sizeof(body),
             "{\"authorizer_access_token\":\"access-token-%d\",\"expires_in\":7200,"
             "\"authorizer_refresh_token\":\"refresh-token-1\"}",
             ++*number);
    *reply = (fake_reply){.outcome = WXTP_HTTP_ANSWERED, .status = 200, .body = body};
}

/* Another program refreshes this account: after three early refusals in an hour, one refresh a minute. */
/* Symptom: 40001 every few minutes, and two environments use the same appid. */
static void a_foreign_refresher_slows_us_to_one_refresh_a_minute(void **state)
{
    fixture *fx = with_tenant(state);
    wx_err err = {0};
    char text[64];
    int number = 1;
    fake_http_handle(&fx->http, REFRESH_PATH, NULL, -1, newer_token, &number);
    for (int64_t generation = 1; generation <= 3; generation++) {
        assert_int_equal(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, generation, &err), WXTP_OK);
        assert_int_equal(get(&fx->node, text, &err), WXTP_OK);
    }
    assert_int_equal(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, 4, &err), WXTP_OK);
    const int64_t before = fake_clock_wall(&fx->clock);
    assert_int_equal(get(&fx->node, text, &err), WXTP_OK);
    assert_in_range(fake_clock_wall(&fx->clock) - before, 59000, 61000);
    /* Without the patience for it, the reason is said instead. */
    assert_int_equal(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, 5, &err), WXTP_OK);
    fixture_patience(&fx->node, 0);
    assert_int_equal(get(&fx->node, text, &err), WXTP_ERR_CREDENTIALS);
    assert_in_range(err.retry_after_ms, 1, 60000);
    assert_int_equal(number, 5);
}

/* ---- I13: the wall clock was wrong, and is put right ---- */

enum { TEN_HOURS_MS = 36000000 };

static void I13_a_step_of_the_clock_asks_for_one_token_at_most(void **state)
{
    fixture *fx = with_tenant(state);
    int number = 1;
    fake_http_handle(&fx->http, REFRESH_PATH, NULL, -1, newer_token, &number);
    fake_clock_step_wall(&fx->clock, -TEN_HOURS_MS);
    assert_get(fx, "access-token-1");
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 0);
    fake_clock_step_wall(&fx->clock, 2 * TEN_HOURS_MS);
    fixture_put_token(fx, FIXTURE_COMPONENT, "", FIXTURE_COMPONENT_TOKEN, NULL);
    assert_get(fx, "access-token-2");
    assert_get(fx, "access-token-2");
    fake_clock_step_wall(&fx->clock, -TEN_HOURS_MS);
    assert_get(fx, "access-token-2");
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 1);
}

static void I13_refusals_of_a_wrong_time_are_not_waited_for(void **state)
{
    fixture *fx = with_tenant(state);
    wx_err err = {0};
    char text[64];
    int number = 1;
    fake_http_handle(&fx->http, REFRESH_PATH, NULL, -1, newer_token, &number);
    fake_clock_step_wall(&fx->clock, TEN_HOURS_MS / 10);
    for (int64_t generation = 1; generation <= 4; generation++) {
        assert_int_equal(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, generation, &err), WXTP_OK);
        assert_int_equal(get(&fx->node, text, &err), WXTP_OK);
    }
    fake_clock_step_wall(&fx->clock, -TEN_HOURS_MS / 10);
    assert_int_equal(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, 5, &err), WXTP_OK);
    fixture_patience(&fx->node, 0);
    assert_int_equal(get(&fx->node, text, &err), WXTP_OK);
    assert_int_equal(number, 6);
}

/* ---- I3 ---- */

/* Symptom: 40001 invalid credential under load, again and again. */
static void I3_refusal_of_an_old_generation_is_a_no_op(void **state)
{
    fixture *fx = with_tenant(state);
    wx_err err = {0};
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "access-token-9", "refresh-token-9");
    assert_int_equal(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, 1, &err), WXTP_OK);
    assert_get(fx, "access-token-9");
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void I3_same_text_moves_no_generation(void **state)
{
    fixture *fx = with_tenant(state);
    wx_token_view view;
    wx_err err = {0};
    fake_http_on(&fx->http, REFRESH_PATH, NULL, 1,
                 "{\"authorizer_access_token\":\"access-token-1\",\"expires_in\":7200}");
    to_due(fx);
    assert_get(fx, "access-token-1");
    assert_int_equal(wx_token_look(fx->core, FIXTURE_COMPONENT, APPID, &view, &err), WXTP_OK);
    assert_int_equal(view.generation, 1);
    assert_int_equal(view.state, WXTP_TOKEN_FRESH);
    assert_stored(fx, "access-token-1", "refresh-token-1");
}

static void other_process_wins(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    (void)request;
    fixture_put_token(fx, FIXTURE_COMPONENT, APPID, "winner-access", "winner-refresh");
    *reply = (fake_reply){.outcome = WXTP_HTTP_ANSWERED, .status = 200, .body = answer_2};
}

static void I3_loser_adopts_the_winner_and_keeps_its_refresh_token_as_spare(void **state)
{
    fixture *fx = with_tenant(state);
    fake_http_handle(&fx->http, REFRESH_PATH, NULL, 1, other_process_wins, fx);
    to_due(fx);
    assert_get(fx, "winner-access");
    assert_stored(fx, "winner-access", "winner-refresh");
    assert_int_equal(spares(fx), 1);
}

typedef struct second_node {
    fixture *fx;
    fixture_node node;
    int64_t pause_ms;
} second_node;

/* The holder stands still beyond its lease after its request was carried out; another process refreshes
 * meanwhile. */
static void stopped_after_sending(void *user, const fake_request *request, fake_reply *reply)
{
    second_node *second = user;
    wx_err err = {0};
    char text[64];
    (void)request;
    fake_clock_advance(&second->fx->clock, second->pause_ms);
    fake_http_on(&second->fx->http, REFRESH_PATH, NULL, 1,
                 "{\"authorizer_access_token\":\"other-access\",\"expires_in\":7200,"
                 "\"authorizer_refresh_token\":\"other-refresh\"}");
    assert_int_equal(get(&second->node, text, &err), WXTP_OK);
    assert_string_equal(text, "other-access");
    *reply = (fake_reply){.outcome = WXTP_HTTP_ANSWERED, .status = 200, .body = answer_2};
}

/* Symptom: 40001 at once after a refresh that succeeded. */
static void I1_I3_stale_fence_overwrites_nothing_and_its_refresh_token_is_kept(void **state)
{
    fixture *fx = with_tenant(state);
    second_node second = {.fx = fx, .pause_ms = 20000};
    fixture_open_node(fx, &second.node);
    fake_http_handle(&fx->http, REFRESH_PATH, NULL, 1, stopped_after_sending, &second);
    to_expired(fx);
    assert_get(fx, "other-access");
    assert_stored(fx, "other-access", "other-refresh");
    assert_int_equal(spares(fx), 1);
    /* WeChat holds the loser's as the valid one: the next refresh recovers by the spare. */
    fake_http_on(&fx->http, REFRESH_PATH, "other-refresh", -1, dead);
    fake_http_on(&fx->http, REFRESH_PATH, "refresh-token-2", 1,
                 "{\"authorizer_access_token\":\"access-token-3\",\"expires_in\":7200,"
                 "\"authorizer_refresh_token\":\"refresh-token-3\"}");
    to_expired(fx);
    assert_get(fx, "access-token-3");
    assert_stored(fx, "access-token-3", "refresh-token-3");
    assert_int_equal(spares(fx), 0);
    fixture_close_node(&second.node);
}

static void says_dead_after_a_pause(void *user, const fake_request *request, fake_reply *reply)
{
    stopped_after_sending(user, request, reply);
    reply->body = dead;
}

static void I3_stale_fence_changes_no_status(void **state)
{
    fixture *fx = with_tenant(state);
    second_node second = {.fx = fx, .pause_ms = 20000};
    fixture_open_node(fx, &second.node);
    fake_http_handle(&fx->http, REFRESH_PATH, NULL, 1, says_dead_after_a_pause, &second);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1,
                 "{\"errcode\":61003,\"errmsg\":\"component is not authorized\"}");
    to_expired(fx);
    assert_get(fx, "other-access");
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_int_equal(tenant->row.status, WXTP_TENANT_AUTHORIZED);
    fixture_close_node(&second.node);
}

/* ---- I1 ---- */

static void *get_in_thread(void *user)
{
    fixture *fx = user;
    wx_err err = {0};
    char text[64];
    return get(&fx->node, text, &err) == WXTP_OK && strcmp(text, "access-token-2") == 0 ? fx : NULL;
}

typedef struct gathering {
    fixture *fx;
    pthread_t threads[7];
} gathering;

static void others_come_meanwhile(void *user, const fake_request *request, fake_reply *reply)
{
    gathering *all = user;
    (void)request;
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(pthread_create(&all->threads[i], NULL, get_in_thread, all->fx), 0);
    }
    *reply = (fake_reply){.outcome = WXTP_HTTP_ANSWERED, .status = 200, .body = answer_2};
}

/* Symptom: The connection pool runs dry, or threads lock each other out, while a token is refreshed. */
static void I1_threads_that_need_one_token_make_one_refresh(void **state)
{
    fixture *fx = with_tenant(state);
    gathering all = {.fx = fx};
    fake_http_handle(&fx->http, REFRESH_PATH, NULL, -1, others_come_meanwhile, &all);
    to_expired(fx);
    assert_get(fx, "access-token-2");
    for (size_t i = 0; i < 7; i++) {
        void *right = NULL;
        pthread_join(all.threads[i], &right);
        assert_non_null(right);
    }
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 1);
}

static void refreshed_by_other_under_lease(void *user, const fake_request *request, fake_reply *reply)
{
    second_node *second = user;
    wx_err err = {0};
    WX_AUTO_TENANT *tenant = NULL;
    bool moved = true;
    (void)request;
    /* While we hold the lease, another process that read the same generation may not ask. */
    wx_renewal renewal = {.op = &second->node.op,
                          .source = wx_token_authorizer_source(),
                          .platform = FIXTURE_COMPONENT,
                          .appid = APPID,
                          .seen_generation = 1,
                          .want = WX_WANT_NEWER};
    assert_int_equal(wx_renew(&renewal, &err), WXTP_ERR_STATE);
    (void)tenant;
    (void)moved;
    *reply = (fake_reply){.outcome = WXTP_HTTP_ANSWERED, .status = 200, .body = answer_2};
}

/* Symptom: As many refreshes in the log as there are waiting threads. */
static void I1_second_process_looks_again_after_the_lease(void **state)
{
    fixture *fx = with_tenant(state);
    second_node second = {.fx = fx};
    WX_AUTO_TENANT *tenant = NULL;
    wx_err err = {0};
    bool moved = false;
    fixture_open_node(fx, &second.node);
    fake_http_handle(&fx->http, REFRESH_PATH, NULL, -1, refreshed_by_other_under_lease, &second);
    assert_int_equal(wx_tenant_find(fx->core, APPID, &tenant, &err), WXTP_OK);
    assert_int_equal(wx_token_renew(fx->op, tenant, 1, &moved, &err), WXTP_OK);
    assert_true(moved);
    moved = false;
    assert_int_equal(wx_token_renew(&second.node.op, tenant, 1, &moved, &err), WXTP_OK);
    assert_true(moved);
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 1);
    fixture_close_node(&second.node);
}

/* Remembered across a restore of the database: no answer of WeChat's would be newer. */
static void a_generation_that_was_never_stored_is_not_asked_about(void **state)
{
    fixture *fx = with_tenant(state);
    WX_AUTO_TENANT *tenant = NULL;
    wx_err err = {0};
    bool moved = true;
    fake_http_on(&fx->http, REFRESH_PATH, NULL, -1, answer_2);
    assert_int_equal(wx_tenant_find(fx->core, APPID, &tenant, &err), WXTP_OK);
    for (int64_t generation = 2; generation < 100; generation += 97) {
        assert_int_equal(wx_token_renew(fx->op, tenant, generation, &moved, &err), WXTP_ERR_INVALID);
        assert_false(moved);
        assert_non_null(strstr(err.message, "newer than the stored one, 1"));
        assert_non_null(strstr(err.hint, "Read the token"));
        assert_string_equal(err.tenant, APPID);
    }
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
    assert_int_equal(wx_token_renew(fx->op, tenant, 1, &moved, &err), WXTP_OK);
    assert_true(moved);
}

typedef struct slow_connect {
    fixture *fx;
    fixture_node other;
    wxtp_http inner;
    int64_t stopped_ms; /* once, before the connection stands */
} slow_connect;

static bool start_after_a_pause(void *user, const wxtp_http_request *request, wxtp_http_answer *answer,
                                void (*done)(void *), void *done_user)
{
    slow_connect *slow = user;
    if (strstr(request->url, REFRESH_PATH) != NULL && slow->stopped_ms > 0) {
        wx_err err = {0};
        char text[64];
        fake_clock_advance(&slow->fx->clock, slow->stopped_ms);
        slow->stopped_ms = 0;
        assert_int_equal(get(&slow->other, text, &err), WXTP_OK);
    }
    return slow->inner.start(slow->inner.user, request, answer, done, done_user);
}

static void poll_inner(void *user, int64_t wait_ms)
{
    slow_connect *slow = user;
    slow->inner.poll(slow->inner.user, wait_ms);
}

static void wake_inner(void *user)
{
    slow_connect *slow = user;
    slow->inner.wake(slow->inner.user);
}

static void release_inner(void *user, wxtp_http_answer *answer)
{
    slow_connect *slow = user;
    slow->inner.release(slow->inner.user, answer);
}

/* The process stands still between taking the lease and sending: it must not send under the old lease. */
static void I1_lease_that_does_not_outlive_the_call_sends_nothing(void **state)
{
    fixture *fx = with_tenant(state);
    slow_connect slow = {.fx = fx, .inner = fx->core->http, .stopped_ms = 20000};
    wx_err err = {0};
    char text[64];
    fixture_open_node(fx, &slow.other);
    fx->core->http = (wxtp_http){.struct_size = sizeof(wxtp_http),
                                 .user = &slow,
                                 .start = start_after_a_pause,
                                 .poll = poll_inner,
                                 .wake = wake_inner,
                                 .release = release_inner};
    fixture_patience(&fx->node, 0);
    fake_http_on(&fx->http, REFRESH_PATH, NULL, -1, answer_2);
    to_expired(fx);
    assert_int_equal(get(&fx->node, text, &err), WXTP_OK);
    assert_string_equal(text, "access-token-2");
    /* The other process took over and asked; we, waking up, did not. */
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 1);
    fixture_close_node(&slow.other);
}

/* ---- I2 ---- */

static void intent_is_there(void *user, const fake_request *request, fake_reply *reply)
{
    fixture *fx = user;
    (void)request;
    assert_true(has_intent(fx));
    *reply = (fake_reply){.outcome = WXTP_HTTP_ANSWERED, .status = 200, .body = answer_2};
}

static void I2_intent_is_stored_before_the_request_leaves(void **state)
{
    fixture *fx = with_tenant(state);
    fake_http_handle(&fx->http, REFRESH_PATH, NULL, 1, intent_is_there, fx);
    to_due(fx);
    assert_get(fx, "access-token-2");
    assert_false(has_intent(fx));
}

/* ---- I5 ---- */

static void I5_lost_answer_is_repeated_at_once_with_the_same_refresh_token(void **state)
{
    fixture *fx = with_tenant(state);
    fake_http_on(&fx->http, REFRESH_PATH, "refresh-token-1", 1, answer_2);
    fake_http_fail(&fx->http, REFRESH_PATH, "refresh-token-1", 1, WXTP_HTTP_UNKNOWN, 0);
    to_expired(fx);
    assert_get(fx, "access-token-2");
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 2);
}

static void I5_open_intent_stays_when_the_outcome_stays_unknown(void **state)
{
    fixture *fx = with_tenant(state);
    wx_err err = {0};
    char text[64];
    fake_http_fail(&fx->http, REFRESH_PATH, NULL, -1, WXTP_HTTP_UNKNOWN, 0);
    to_expired(fx);
    assert_int_equal(get(&fx->node, text, &err), WXTP_ERR_UNAVAILABLE);
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 5);
    assert_true(has_intent(fx));
    assert_stored(fx, "access-token-1", "refresh-token-1");
}

static void I5_dead_after_a_lost_answer_is_recovered_from_info(void **state)
{
    fixture *fx = with_tenant(state);
    fake_http_on(&fx->http, REFRESH_PATH, "refresh-token-1", -1, dead);
    fake_http_fail(&fx->http, REFRESH_PATH, "refresh-token-1", 1, WXTP_HTTP_UNKNOWN, 0);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1,
                 "{\"authorizer_info\":{\"service_type_info\":{\"id\":2},\"verify_type_info\":{\"id\":0}},"
                 "\"authorization_info\":{\"authorizer_appid\":\"" APPID
                 "\",\"authorizer_refresh_token\":\"refresh-info\","
                 "\"func_info\":[{\"funcscope_category\":{\"id\":2}}]}}");
    fake_http_on(&fx->http, REFRESH_PATH, "refresh-info", 1, answer_2);
    to_expired(fx);
    assert_get(fx, "access-token-2");
    assert_stored(fx, "access-token-2", "refresh-token-2");
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 4);
}

static void I5_dead_is_recovered_from_the_list_where_info_has_no_refresh_token(void **state)
{
    fixture *fx = with_tenant(state);
    fake_http_on(&fx->http, REFRESH_PATH, "refresh-token-1", -1, dead);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1,
                 "{\"authorizer_info\":{\"service_type_info\":{\"id\":2},\"verify_type_info\":{\"id\":0}},"
                 "\"authorization_info\":{\"authorizer_appid\":\"" APPID "\",\"func_info\":[]}}");
    fake_http_on(&fx->http, LIST_PATH, NULL, -1,
                 "{\"total_count\":1,\"list\":[{\"authorizer_appid\":\"" APPID
                 "\",\"refresh_token\":\"refresh-list\","
                 "\"auth_time\":1767225600}]}");
    fake_http_on(&fx->http, REFRESH_PATH, "refresh-list", 1, answer_2);
    to_expired(fx);
    assert_get(fx, "access-token-2");
}

/* Info may lag behind, and show the one that is dead. */
static void I5_dead_is_recovered_from_the_list_where_info_shows_the_dead_one(void **state)
{
    fixture *fx = with_tenant(state);
    fake_http_on(&fx->http, REFRESH_PATH, "refresh-token-1", -1, dead);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_with_old_token);
    fake_http_on(&fx->http, LIST_PATH, NULL, -1,
                 "{\"total_count\":1,\"list\":[{\"authorizer_appid\":\"" APPID
                 "\",\"refresh_token\":\"refresh-list\","
                 "\"auth_time\":1767225600}]}");
    fake_http_on(&fx->http, REFRESH_PATH, "refresh-list", 1, answer_2);
    to_expired(fx);
    assert_get(fx, "access-token-2");
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_int_equal(tenant->row.status, WXTP_TENANT_AUTHORIZED);
}

/* Symptom: Both tokens have expired, and nobody has noticed. */
static void I5_dead_for_good_asks_for_authorization_and_says_so(void **state)
{
    fixture *fx = with_tenant(state);
    wx_err err = {0};
    char text[64];
    fake_http_on(&fx->http, REFRESH_PATH, NULL, -1, dead);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_with_old_token);
    fake_http_on(&fx->http, LIST_PATH, NULL, -1,
                 "{\"total_count\":1,\"list\":[{\"authorizer_appid\":\"" APPID
                 "\",\"refresh_token\":\"refresh-token-1\",\"auth_time\":1767225600}]}");
    to_expired(fx);
    assert_int_equal(get(&fx->node, text, &err), WXTP_ERR_REAUTHORIZE);
    assert_string_equal(err.kind, "reauthorization_required");
    assert_int_equal(err.errcode, 61023);
    assert_string_equal(err.rid, "00000000-00000000-00000001");
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_int_equal(tenant->row.status, WXTP_TENANT_REAUTHORIZATION_REQUIRED);
    assert_stored(fx, "access-token-1", "refresh-token-1");
}

static void I5_a_merchant_that_took_it_back_is_unauthorized_after_info_confirms(void **state)
{
    fixture *fx = with_tenant(state);
    wx_err err = {0};
    char text[64];
    fake_http_on(&fx->http, REFRESH_PATH, NULL, -1,
                 "{\"errcode\":61003,\"errmsg\":\"component is not authorized\"}");
    fake_http_on(&fx->http, INFO_PATH, NULL, -1,
                 "{\"errcode\":61003,\"errmsg\":\"component is not authorized rid: 1-2-3\"}");
    to_expired(fx);
    assert_int_equal(get(&fx->node, text, &err), WXTP_ERR_REFUSED);
    assert_string_equal(err.kind, "unauthorized");
    assert_int_equal(err.errcode, 61003);
    assert_string_equal(err.rid, "1-2-3");
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 1);
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_int_equal(tenant->row.status, WXTP_TENANT_UNAUTHORIZED);
}

/* A refusal of the account that info does not confirm says nothing of the refresh token. */
static void I5_a_refusal_that_info_contradicts_changes_no_status(void **state)
{
    fixture *fx = with_tenant(state);
    wx_err err = {0};
    char text[64];
    fake_http_on(&fx->http, REFRESH_PATH, NULL, 1, answer_2);
    fake_http_on(
        &fx->http, REFRESH_PATH, NULL, 1,
        "{\"errcode\":61003,\"errmsg\":\"component is not authorized rid: 00000000-00000000-00000002\"}");
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_with_old_token);
    to_expired(fx);
    assert_int_equal(get(&fx->node, text, &err), WXTP_ERR_UNAVAILABLE);
    assert_int_equal(err.errcode, 61003);
    assert_string_equal(err.rid, "00000000-00000000-00000002");
    assert_string_equal(err.tenant, APPID);
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, APPID);
    assert_int_equal(tenant->row.status, WXTP_TENANT_AUTHORIZED);
    assert_get(fx, "access-token-2");
}

/* Symptom: 61023, and the request shows authorizer_refresh_token: null. */
static void I5_an_empty_refresh_token_is_never_sent(void **state)
{
    fixture *fx = *state;
    const wxtp_tenant_row row = fixture_service_account(fx, APPID);
    fixture_put_tenant(fx, &row);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1,
                 "{\"authorizer_info\":{\"service_type_info\":{\"id\":2},\"verify_type_info\":{\"id\":0}},"
                 "\"authorization_info\":{\"authorizer_appid\":\"" APPID
                 "\",\"authorizer_refresh_token\":\"refresh-info\"}}");
    fake_http_on(&fx->http, REFRESH_PATH, "refresh-info", 1, answer_2);
    assert_get(fx, "access-token-2");
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 1);
}

static void refused_component_token_is_renewed_once_in_mid_refresh(void **state)
{
    fixture *fx = with_tenant(state);
    fake_http_on(&fx->http, REFRESH_PATH, NULL, 1, answer_2);
    fake_http_on(&fx->http, REFRESH_PATH, NULL, 1, "{\"errcode\":42001,\"errmsg\":\"access_token expired\"}");
    fake_http_on(&fx->http, "api_component_token", NULL, 1,
                 "{\"component_access_token\":\"component-access-token-2\",\"expires_in\":7200}");
    to_due(fx);
    assert_get(fx, "access-token-2");
    assert_int_equal(fake_http_count(&fx->http, "api_component_token"), 1);
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 2);
}

static void a_component_token_that_is_refused_twice_is_said_to_be(void **state)
{
    fixture *fx = with_tenant(state);
    wx_err err = {0};
    char text[64];
    fake_http_on(&fx->http, REFRESH_PATH, NULL, -1,
                 "{\"errcode\":40001,\"errmsg\":\"invalid credential rid: 00000000-00000000-00000002\"}");
    fake_http_on(&fx->http, "api_component_token", NULL, 1,
                 "{\"component_access_token\":\"component-access-token-3\",\"expires_in\":7200}");
    fake_http_on(&fx->http, "api_component_token", NULL, 1,
                 "{\"component_access_token\":\"component-access-token-2\",\"expires_in\":7200}");
    to_expired(fx);
    assert_int_equal(get(&fx->node, text, &err), WXTP_ERR_CREDENTIALS);
    assert_int_equal(err.errcode, 40001);
    assert_string_equal(err.rid, "00000000-00000000-00000002");
    assert_non_null(strstr(err.message, "component"));
    assert_int_equal(fake_http_count(&fx->http, REFRESH_PATH), 2);
    assert_true(fake_http_count(&fx->http, "api_component_token") <= 2);
    fake_http_forget_rules(&fx->http);
    fake_http_on(&fx->http, "api_component_token", NULL, -1,
                 "{\"component_access_token\":\"component-access-token-4\",\"expires_in\":7200}");
    fake_http_on(&fx->http, REFRESH_PATH, NULL, 1, answer_2);
    assert_get(fx, "access-token-2");
}

static void I4_component_without_a_ticket_asks_for_pushes_and_says_so(void **state)
{
    fixture *fx = with_tenant(state);
    wx_err err = {0};
    char text[64];
    fake_http_on(&fx->http, "api_start_push_ticket", NULL, -1, "{\"errcode\":0,\"errmsg\":\"ok\"}");
    fake_clock_advance(&fx->clock, INT64_C(13) * 3600 * 1000);
    assert_int_equal(get(&fx->node, text, &err), WXTP_ERR_TICKET);
    assert_int_equal(fake_http_count(&fx->http, "api_start_push_ticket"), 1);
    assert_int_equal(fake_http_count(&fx->http, "api_component_token"), 0);
}

static void I5_a_forgotten_tenant_that_comes_back_is_due_at_once(void **state)
{
    fixture *fx = with_tenant(state);
    wx_token_view view;
    wx_err err = {0};
    bool changed = false;
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_SYNC, &err), WXTP_OK);
    assert_int_equal(wx_token_forget(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, &err), WXTP_OK);
    assert_int_equal(wx_token_adopt_refresh(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, 2, "refresh-info",
                                            &changed, &err),
                     WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    assert_true(changed);
    assert_int_equal(wx_token_look(fx->core, FIXTURE_COMPONENT, APPID, &view, &err), WXTP_OK);
    assert_int_equal(view.due_ms, 0);
    assert_true(view.has_refresh && !view.has_access);
}

/* ---- Own accounts ---- */

#define OWN "wxb0000000000000b1"

static wx_tenant *own_tenant(fixture *fx)
{
    WX_AUTO_BUF sealed = {0};
    wx_err err = {0};
    wxtp_tenant_row row = wx_tenant_row_new("", OWN, fake_clock_wall(&fx->clock));
    row.credential = WXTP_CREDENTIAL_OWN;
    row.status = WXTP_TENANT_AUTHORIZED;
    assert_int_equal(wx_vault_seal(fx->core, "tenant", "", OWN, "appsecret", "own-secret-123456", &sealed,
                                   &row.appsecret, &err),
                     WXTP_OK);
    fixture_put_tenant(fx, &row);
    return fixture_tenant(fx, "", OWN);
}

static const char own_1[] = "{\"access_token\":\"own-access-1\",\"expires_in\":7200}";
static const char own_2[] = "{\"access_token\":\"own-access-2\",\"expires_in\":7200}";

static void own_account_asks_stable_token_by_post(void **state)
{
    fixture *fx = *state;
    WX_AUTO_TENANT *tenant = own_tenant(fx);
    WX_AUTO_TOKEN token = {0};
    wx_err err = {0};
    fake_http_on(&fx->http, "stable_token", "own-secret-123456", 1, own_1);
    assert_int_equal(wx_token_get(fx->op, tenant, &token, &err), WXTP_OK);
    assert_string_equal(token.text, "own-access-1");
    assert_string_equal(fake_http_request(&fx->http, "stable_token", 0)->method, "POST");
    assert_null(strstr(fake_http_request(&fx->http, "stable_token", 0)->body, "force_refresh"));
}

static void own_account_forces_once_when_the_refused_text_comes_again(void **state)
{
    fixture *fx = *state;
    WX_AUTO_TENANT *tenant = own_tenant(fx);
    wx_err err = {0};
    fake_http_on(&fx->http, "stable_token", "force_refresh", -1, own_2);
    fake_http_on(&fx->http, "stable_token", NULL, 2, own_1);
    {
        WX_AUTO_TOKEN token = {0};
        assert_int_equal(wx_token_get(fx->op, tenant, &token, &err), WXTP_OK);
        assert_int_equal(wx_token_refused(fx->core, "", OWN, token.generation, &err), WXTP_OK);
    }
    WX_AUTO_TOKEN token = {0};
    assert_int_equal(wx_token_get(fx->op, tenant, &token, &err), WXTP_OK);
    assert_string_equal(token.text, "own-access-2");
    assert_int_equal(fake_http_count(&fx->http, "stable_token"), 3);
}

static void own_account_is_not_forced_twice_within_thirty_seconds(void **state)
{
    fixture *fx = *state;
    WX_AUTO_TENANT *tenant = own_tenant(fx);
    wx_err err = {0};
    fake_http_on(&fx->http, "stable_token", NULL, -1, own_1);
    for (int round = 0; round < 2; round++) {
        WX_AUTO_TOKEN token = {0};
        const wxtp_status status = wx_token_get(fx->op, tenant, &token, &err);
        if (status == WXTP_OK) {
            assert_int_equal(wx_token_refused(fx->core, "", OWN, token.generation, &err), WXTP_OK);
        }
    }
    WX_AUTO_TOKEN token = {0};
    assert_int_equal(wx_token_get(fx->op, tenant, &token, &err), WXTP_ERR_CREDENTIALS);
    size_t forced = 0;
    for (size_t i = 0; i < fake_http_count(&fx->http, "stable_token"); i++) {
        forced += strstr(fake_http_request(&fx->http, "stable_token", i)->body, "force_refresh") != NULL;
    }
    assert_int_equal(forced, 1);
}

/* As WeChat: another text only where it is forced. */
static void stable_token(void *user, const fake_request *request, fake_reply *reply)
{
    int *number = user;
    static char body[96];
    *number += strstr(request->body, "force_refresh") != NULL;
    snprintf(body, sizeof(body), "{\"access_token\":\"own-text-%d\",\"expires_in\":7200}", *number);
    *reply = (fake_reply){.outcome = WXTP_HTTP_ANSWERED, .status = 200, .body = body};
}

static void I13_a_force_of_a_wrong_time_is_not_waited_for(void **state)
{
    fixture *fx = *state;
    WX_AUTO_TENANT *tenant = own_tenant(fx);
    wx_err err = {0};
    int number = 1;
    fake_http_handle(&fx->http, "stable_token", NULL, -1, stable_token, &number);
    fake_clock_step_wall(&fx->clock, TEN_HOURS_MS);
    for (int64_t generation = 1; generation <= 3; generation++) {
        WX_AUTO_TOKEN token = {0};
        assert_int_equal(wx_token_get(fx->op, tenant, &token, &err), WXTP_OK);
        assert_int_equal(token.generation, generation);
        assert_int_equal(wx_token_refused(fx->core, "", OWN, generation, &err), WXTP_OK);
        if (generation == 2) {
            fake_clock_step_wall(&fx->clock, -TEN_HOURS_MS);
        }
    }
}

/* ---- Thirty days ---- */

typedef struct month {
    fixture *fx;
    int number;
    char valid[64];
    int64_t valid_until, grace_until;
    char previous[64];
    char body[256];
} month;

static void rotate(void *user, const fake_request *request, fake_reply *reply)
{
    month *wechat = user;
    char expected[64];
    snprintf(expected, sizeof(expected), "refresh-token-%d", wechat->number);
    assert_non_null(strstr(request->body, expected));
    snprintf(wechat->previous, sizeof(wechat->previous), "%s", wechat->valid);
    wechat->number++;
    snprintf(wechat->valid, sizeof(wechat->valid), "access-token-%d", wechat->number);
    wechat->valid_until = fake_clock_wall(&wechat->fx->clock) + 7200 * 1000;
    snprintf(wechat->body, sizeof(wechat->body),
             "{\"authorizer_access_token\":\"%s\",\"expires_in\":7200,\"authorizer_refresh_token\":\"refresh-"
             "token-%d\"}",
             wechat->valid, wechat->number);
    *reply = (fake_reply){.outcome = WXTP_HTTP_ANSWERED, .status = 200, .body = wechat->body};
}

static void component(void *user, const fake_request *request, fake_reply *reply)
{
    month *wechat = user;
    (void)request;
    snprintf(wechat->body, sizeof(wechat->body),
             "{\"component_access_token\":\"component-%lld\",\"expires_in\":7200}",
             (long long)fake_clock_wall(&wechat->fx->clock));
    *reply = (fake_reply){.outcome = WXTP_HTTP_ANSWERED, .status = 200, .body = wechat->body};
}

static void renew_ticket(fixture *fx)
{
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    bool applied = false;
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_SYNC, &err), WXTP_OK);
    assert_int_equal(
        wx_ticket_put(fx->core, scope.tx, "ticket@@@n", fake_clock_wall(&fx->clock) / 1000, &applied, &err),
        WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
}

/* A token is used every seven minutes for thirty days, with a failed refresh now and then: it is always
 * valid. */
/* Symptom: 42001 access_token expired, for a merchant that was idle for weeks. */
static void I4_thirty_days_every_token_used_is_valid(void **state)
{
    fixture *fx = with_tenant(state);
    month wechat = {.fx = fx, .number = 1, .valid = "access-token-1"};
    wechat.valid_until = fake_clock_wall(&fx->clock) + 7200 * 1000;
    fake_http_handle(&fx->http, REFRESH_PATH, NULL, -1, rotate, &wechat);
    fake_http_handle(&fx->http, "api_component_token", NULL, -1, component, &wechat);
    const int steps = 30 * 24 * 60 / 7;
    for (int step = 0; step < steps; step++) {
        wx_err err = {0};
        char text[64];
        fake_clock_advance(&fx->clock, 7 * 60 * 1000);
        fixture_patience(&fx->node, 60000);
        if (step % 50 == 0) {
            renew_ticket(fx);
        }
        if (step % 97 == 0) {
            fake_http_fail(&fx->http, REFRESH_PATH, NULL, 1, WXTP_HTTP_NOT_SENT, 0);
        }
        if (get(&fx->node, text, &err) != WXTP_OK) {
            fail_msg("step %d: %s", step, err.message);
        }
        assert_true(strcmp(text, wechat.valid) == 0 && fake_clock_wall(&fx->clock) < wechat.valid_until);
    }
    /* 720 hours at just under two hours each: no storm, none forgotten. */
    assert_in_range(wechat.number, 360, 420);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_platform, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(I4_fresh_token_is_served_without_a_call),
        TEST(a_generation_that_cannot_be_is_damage),
        TEST(I4_due_token_is_refreshed_early),
        TEST(I4_due_token_serves_while_refresh_fails_with_backoff),
        TEST(I4_a_token_that_is_not_sent_any_more_is_due),
        TEST(I4_expired_token_is_never_served),
        TEST(I4_refused_generation_overrides_the_backoff),
        TEST(a_foreign_refresher_slows_us_to_one_refresh_a_minute),
        TEST(I3_refusal_of_an_old_generation_is_a_no_op),
        TEST(I3_same_text_moves_no_generation),
        TEST(I3_loser_adopts_the_winner_and_keeps_its_refresh_token_as_spare),
        TEST(I1_I3_stale_fence_overwrites_nothing_and_its_refresh_token_is_kept),
        TEST(I3_stale_fence_changes_no_status),
        TEST(I1_threads_that_need_one_token_make_one_refresh),
        TEST(I1_second_process_looks_again_after_the_lease),
        TEST(a_generation_that_was_never_stored_is_not_asked_about),
        TEST(I1_lease_that_does_not_outlive_the_call_sends_nothing),
        TEST(I2_intent_is_stored_before_the_request_leaves),
        TEST(I5_lost_answer_is_repeated_at_once_with_the_same_refresh_token),
        TEST(I5_open_intent_stays_when_the_outcome_stays_unknown),
        TEST(I5_dead_after_a_lost_answer_is_recovered_from_info),
        TEST(I5_dead_is_recovered_from_the_list_where_info_has_no_refresh_token),
        TEST(I5_dead_is_recovered_from_the_list_where_info_shows_the_dead_one),
        TEST(I5_dead_for_good_asks_for_authorization_and_says_so),
        TEST(I5_a_refusal_that_info_contradicts_changes_no_status),
        TEST(I5_a_merchant_that_took_it_back_is_unauthorized_after_info_confirms),
        TEST(I5_an_empty_refresh_token_is_never_sent),
        TEST(refused_component_token_is_renewed_once_in_mid_refresh),
        TEST(a_component_token_that_is_refused_twice_is_said_to_be),
        TEST(I4_component_without_a_ticket_asks_for_pushes_and_says_so),
        TEST(I5_a_forgotten_tenant_that_comes_back_is_due_at_once),
        TEST(own_account_asks_stable_token_by_post),
        TEST(own_account_forces_once_when_the_refused_text_comes_again),
        TEST(own_account_is_not_forced_twice_within_thirty_seconds),
        TEST(I13_a_step_of_the_clock_asks_for_one_token_at_most),
        TEST(I13_refusals_of_a_wrong_time_are_not_waited_for),
        TEST(I13_a_force_of_a_wrong_time_is_not_waited_for),
        TEST(I4_thirty_days_every_token_used_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
