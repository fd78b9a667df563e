/* Sync: an emptied database is filled again, the list proves nothing by what it lacks (I5). */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/sync.h"
#include "domain/token.h"

#define INFO_PATH "api_get_authorizer_info"
#define LIST_PATH "api_get_authorizer_list"

static const char info_gone[] = "{\"errcode\":61003,\"errmsg\":\"not authorized rid: 1-2-3\"}";
static const char info_without_token[] = "{\"authorizer_info\":{\"service_type_info\":{\"id\":2},\"verify_"
                                         "type_info\":{\"id\":0}},\"authorization_info\":{"
                                         "\"func_info\":[{\"funcscope_category\":{\"id\":2}}]}}";

typedef struct hearer {
    int failures;
    char failed[WX_APPID_MAX], kind[WX_KIND_MAX], rid[WX_RID_MAX];
    int64_t errcode;
    int64_t steps, done, total, stop_at;
} hearer;

static void tell_failure(void *user, const char *appid, const wx_err *error)
{
    hearer *self = user;
    self->failures++;
    wx_copy(self->failed, sizeof self->failed, appid);
    wx_copy(self->kind, sizeof self->kind, error->kind);
    wx_copy(self->rid, sizeof self->rid, error->rid);
    self->errcode = error->errcode;
}

static bool tell_progress(void *user, int64_t done, int64_t total)
{
    hearer *self = user;
    self->steps++;
    assert_true(done > self->done);
    assert_true(total >= done);
    self->done = done;
    self->total = total;
    return self->stop_at == 0 || done < self->stop_at;
}

static wxtp_status sync_all(fixture *fx, hearer *told, wx_sync_counts *counts, wx_err *err)
{
    *err = (wx_err){0};
    fixture_patience(&fx->node, 60000);
    return wx_sync(fx->op, NULL, 0, tell_failure, tell_progress, told, counts, err);
}

static wxtp_status sync_named(fixture *fx, const char *appid, hearer *told, wx_sync_counts *counts,
                              wx_err *err)
{
    *err = (wx_err){0};
    fixture_patience(&fx->node, 60000);
    return wx_sync(fx->op, &appid, 1, tell_failure, tell_progress, told, counts, err);
}

/* Answers info with a refresh token of the account that is asked about. */
static void serve_info(void *user, const fake_request *request, fake_reply *reply)
{
    (void)user;
    char appid[64] = "";
    char *text = malloc(1024);
    const char *at = strstr(request->body, "\"authorizer_appid\":\"");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"authorizer_appid\":\"%63[^\"]", appid), 1);
    snprintf(text, 1024,
             "{\"authorizer_info\":{\"service_type_info\":{\"id\":2},\"verify_type_info\":{\"id\":0}},"
             "\"authorization_info\":{\"authorizer_refresh_token\":\"refresh-of-%s\",\"func_info\":[{"
             "\"funcscope_category\":{\"id\":2}}]}}",
             appid);
    reply->body = text;
    reply->free_body = true;
}

static void list_of(fixture *fx, const char *rows, int total)
{
    char *text = malloc(strlen(rows) + 64);
    sprintf(text, "{\"total_count\":%d,\"list\":[%s]}", total, rows);
    fake_http_on(&fx->http, LIST_PATH, NULL, -1, text);
    free(text);
}

#define ROW(appid) "{\"authorizer_appid\":\"" appid "\",\"auth_time\":1767225000}"
#define ROW_WITH(appid, refresh)                                                                             \
    "{\"authorizer_appid\":\"" appid "\",\"refresh_token\":\"" refresh "\",\"auth_time\":1}"

static void I5_an_emptied_database_is_filled_again(void **state)
{
    fixture *fx = *state;
    hearer told = {0};
    wx_sync_counts counts;
    wx_err err;
    list_of(fx, ROW("wx1") "," ROW("wx2") "," ROW("wx3") "," ROW("wx2"), 4);
    fake_http_handle(&fx->http, INFO_PATH, NULL, -1, serve_info, NULL);
    assert_int_equal(sync_all(fx, &told, &counts, &err), WXTP_OK);
    assert_int_equal(counts.synced, 3);
    assert_int_equal(counts.added, 3);
    assert_int_equal(counts.repaired, 0);
    assert_int_equal(told.failures, 0);
    assert_int_equal(told.done, 3);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 3); /* a row that comes twice counts once */
    WX_AUTO_TENANT *tenant = fixture_tenant(fx, FIXTURE_COMPONENT, "wx2");
    assert_int_equal(tenant->row.status, WXTP_TENANT_AUTHORIZED);
    WX_AUTO_FREE char *refresh = fixture_refresh_token(fx, FIXTURE_COMPONENT, "wx2");
    assert_string_equal(refresh, "refresh-of-wx2");
}

static void I5_absence_from_the_list_proves_nothing(void **state)
{
    fixture *fx = *state;
    hearer told = {0};
    wx_sync_counts counts;
    wx_err err;
    wxtp_tenant_row here = fixture_service_account(fx, "wx1");
    wxtp_tenant_row gone = fixture_service_account(fx, "wx2");
    fixture_put_tenant(fx, &here);
    fixture_put_tenant(fx, &gone);
    fixture_put_token(fx, FIXTURE_COMPONENT, "wx1", "access", "refresh-of-wx1");
    fake_clock_advance(&fx->clock, 1000);
    list_of(fx, "", 0);
    fake_http_handle(&fx->http, INFO_PATH, NULL, -1, serve_info, NULL);
    fake_http_on(&fx->http, INFO_PATH, "wx2", 1, info_gone);
    fixture_listen(fx);
    assert_int_equal(sync_all(fx, &told, &counts, &err), WXTP_OK);
    assert_string_equal(fx->told, "tenant_unauthorized wx2\n");
    assert_int_equal(counts.synced, 2);
    assert_int_equal(counts.unauthorized, 1);
    assert_int_equal(counts.repaired, 0);
    WX_AUTO_TENANT *first = fixture_tenant(fx, FIXTURE_COMPONENT, "wx1");
    WX_AUTO_TENANT *second = fixture_tenant(fx, FIXTURE_COMPONENT, "wx2");
    assert_int_equal(first->row.status, WXTP_TENANT_AUTHORIZED);
    assert_int_equal(second->row.status, WXTP_TENANT_UNAUTHORIZED);
    fake_clock_advance(&fx->clock, 1000);
    fixture_listen(fx);
    told = (hearer){0};
    assert_int_equal(sync_named(fx, "wx2", &told, &counts, &err), WXTP_OK);
    assert_int_equal(counts.repaired, 1);
    assert_string_equal(fx->told, "tenant_back wx2\n");
}

static void I5_the_lists_token_serves_where_info_shows_none(void **state)
{
    fixture *fx = *state;
    hearer told = {0};
    wx_sync_counts counts;
    wx_err err;
    wxtp_tenant_row dead = fixture_service_account(fx, "wx2");
    dead.status = WXTP_TENANT_REAUTHORIZATION_REQUIRED;
    fixture_put_tenant(fx, &dead);
    fixture_put_token(fx, FIXTURE_COMPONENT, "wx2", "access", "dead-refresh");
    list_of(fx, ROW_WITH("wx1", "refresh-1") "," ROW_WITH("wx2", "refresh-2"), 2);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_without_token);
    assert_int_equal(sync_all(fx, &told, &counts, &err), WXTP_OK);
    assert_int_equal(counts.added, 1);
    assert_int_equal(counts.repaired, 1);
    WX_AUTO_TENANT *first = fixture_tenant(fx, FIXTURE_COMPONENT, "wx1");
    WX_AUTO_TENANT *second = fixture_tenant(fx, FIXTURE_COMPONENT, "wx2");
    assert_int_equal(first->row.status, WXTP_TENANT_AUTHORIZED);
    assert_int_equal(second->row.status, WXTP_TENANT_AUTHORIZED);
    WX_AUTO_FREE char *one = fixture_refresh_token(fx, FIXTURE_COMPONENT, "wx1");
    WX_AUTO_FREE char *two = fixture_refresh_token(fx, FIXTURE_COMPONENT, "wx2");
    assert_string_equal(one, "refresh-1");
    assert_string_equal(two, "refresh-2");
}

static void a_removed_tenant_stays_away_unless_named(void **state)
{
    fixture *fx = *state;
    hearer told = {0};
    wx_sync_counts counts;
    wx_err err;
    wxtp_tenant_row row = fixture_service_account(fx, "wx1");
    row.removed = true;
    fixture_put_tenant(fx, &row);
    list_of(fx, ROW("wx1"), 1);
    fake_http_handle(&fx->http, INFO_PATH, NULL, -1, serve_info, NULL);
    assert_int_equal(sync_all(fx, &told, &counts, &err), WXTP_OK);
    assert_int_equal(counts.synced, 0);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 0);
    WX_AUTO_TENANT *before = fixture_tenant(fx, FIXTURE_COMPONENT, "wx1");
    assert_true(before->row.removed);
    told.done = 0;
    assert_int_equal(sync_named(fx, "wx1", &told, &counts, &err), WXTP_OK);
    assert_int_equal(counts.added, 1);
    WX_AUTO_TENANT *after = fixture_tenant(fx, FIXTURE_COMPONENT, "wx1");
    assert_false(after->row.removed);
}

static void a_stranger_that_has_not_authorized_is_a_failure(void **state)
{
    fixture *fx = *state;
    hearer told = {0};
    wx_sync_counts counts;
    wx_err err;
    fake_http_on(&fx->http, INFO_PATH, NULL, -1, info_gone);
    assert_int_equal(sync_named(fx, "wx1", &told, &counts, &err), WXTP_OK);
    assert_int_equal(counts.synced, 0);
    assert_int_equal(told.failures, 1);
    assert_string_equal(told.failed, "wx1");
    assert_string_equal(told.kind, "unauthorized");
    assert_int_equal(told.errcode, 61003);
    assert_string_equal(told.rid, "1-2-3");
    assert_int_equal(sync_named(fx, "no appid!", &told, &counts, &err), WXTP_ERR_INVALID);
}

static void an_own_account_is_synced_without_a_call(void **state)
{
    fixture *fx = *state;
    hearer told = {0};
    wx_sync_counts counts;
    wx_err err;
    wxtp_tenant_row row = wx_tenant_row_new("", "wxown", FAKE_EPOCH_MS);
    row.credential = WXTP_CREDENTIAL_OWN;
    row.status = WXTP_TENANT_AUTHORIZED;
    fixture_put_tenant(fx, &row);
    assert_int_equal(sync_named(fx, "wxown", &told, &counts, &err), WXTP_OK);
    assert_int_equal(counts.synced, 1);
    assert_int_equal(fake_http_count(&fx->http, NULL), 0);
}

static void one_failure_does_not_stop_the_others(void **state)
{
    fixture *fx = *state;
    hearer told = {0};
    wx_sync_counts counts;
    wx_err err;
    list_of(fx, ROW("wx1") "," ROW("wx2") "," ROW("wx3"), 3);
    fake_http_handle(&fx->http, INFO_PATH, NULL, -1, serve_info, NULL);
    fake_http_on(&fx->http, INFO_PATH, "wx2", -1, "{\"errcode\":88888,\"errmsg\":\"odd\"}");
    assert_int_equal(sync_all(fx, &told, &counts, &err), WXTP_OK);
    assert_int_equal(counts.synced, 2);
    assert_int_equal(counts.failed, 1);
    assert_int_equal(told.failures, 1);
    assert_string_equal(told.failed, "wx2");
}

static void what_concerns_all_ends_the_run(void **state)
{
    fixture *fx = *state;
    hearer told = {0};
    wx_sync_counts counts;
    wx_err err;
    list_of(fx, ROW("wx1") "," ROW("wx2"), 2);
    fake_http_on(&fx->http, INFO_PATH, NULL, -1,
                 "{\"errcode\":61004,\"errmsg\":\"ip 1.2.3.4 not in white list\"}");
    assert_int_equal(sync_all(fx, &told, &counts, &err), WXTP_ERR_CONFIGURATION);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 1);
    atomic_store(&fx->core->stopping, true);
    told.done = 0;
    assert_int_equal(sync_all(fx, &told, &counts, &err), WXTP_ERR_INTERRUPTED);
}

static void progress_can_stop_the_run(void **state)
{
    fixture *fx = *state;
    hearer told = {.stop_at = 1};
    wx_sync_counts counts;
    wx_err err;
    list_of(fx, ROW("wx1") "," ROW("wx2"), 2);
    fake_http_handle(&fx->http, INFO_PATH, NULL, -1, serve_info, NULL);
    assert_int_equal(sync_all(fx, &told, &counts, &err), WXTP_OK);
    assert_int_equal(counts.synced, 1);
}

/* 1,200 accounts on three pages, over eight threads. */
static void serve_many(void *user, const fake_request *request, fake_reply *reply)
{
    (void)user;
    char *text = malloc(500 * 64 + 128);
    long offset = 0;
    assert_int_equal(sscanf(strstr(request->body, "\"offset\":"), "\"offset\":%ld", &offset), 1);
    size_t len = (size_t)sprintf(text, "{\"total_count\":1200,\"list\":[");
    for (long i = offset; i < offset + 500 && i < 1200; i++) {
        len += (size_t)sprintf(text + len, "%s{\"authorizer_appid\":\"wx%06ld\",\"auth_time\":17}",
                               i > offset ? "," : "", i);
    }
    sprintf(text + len, "]}");
    reply->body = text;
    reply->free_body = true;
}

static void I5_many_are_synced_over_several_threads_each_once(void **state)
{
    fixture *fx = *state;
    hearer told = {0};
    wx_sync_counts counts;
    wx_err err;
    fx->core->settings.concurrency = 8;
    fake_http_handle(&fx->http, LIST_PATH, NULL, -1, serve_many, NULL);
    fake_http_handle(&fx->http, INFO_PATH, NULL, -1, serve_info, NULL);
    assert_int_equal(sync_all(fx, &told, &counts, &err), WXTP_OK);
    assert_int_equal(counts.synced, 1200);
    assert_int_equal(counts.added, 1200);
    assert_int_equal(fake_http_count(&fx->http, INFO_PATH), 1200);
    assert_int_equal(told.done, 1200);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup_platform, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(I5_an_emptied_database_is_filled_again),
        T(I5_absence_from_the_list_proves_nothing),
        T(I5_the_lists_token_serves_where_info_shows_none),
        T(a_removed_tenant_stays_away_unless_named),
        T(a_stranger_that_has_not_authorized_is_a_failure),
        T(an_own_account_is_synced_without_a_call),
        T(one_failure_does_not_stop_the_others),
        T(what_concerns_all_ends_the_run),
        T(progress_can_stop_the_run),
        T(I5_many_are_synced_over_several_threads_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
