/* The public functions of jobs, single calls and the audit record, on a cloud account that needs no token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wxtp/store_sqlite.h>
#include <wxtp/wxtp.h>

#include "fake_clock.h"
#include "fake_http.h"
#include "temporary.h"

#define APPID "wx00000000000000c9"
#define PATH "/cgi-bin/tags/members/batchunblacklist"
#define PAGE "/cgi-bin/tags/members/getblacklist"
#define OK "{\"errcode\":0,\"errmsg\":\"ok\"}"
#define BAD "{\"errcode\":40003,\"errmsg\":\"invalid openid\"}"

typedef struct stage {
    char folder[64], path[96];
    fake_clock clock;
    fake_http http;
    wxtp_platform *platform;
} stage;

static int setup(void **state)
{
    static const unsigned char key[32] = {7};
    stage *s = calloc(1, sizeof *s);
    wxtp_clock clock;
    wxtp_http http;
    wxtp_store *store = NULL;
    wxtp_config *config = NULL;
    char message[256] = "";
    if (!s)
        return -1;
    if (!temporary_folder(s->folder, sizeof s->folder))
        return -1;
    snprintf(s->path, sizeof s->path, "%s/wxtp.db", s->folder);
    fake_clock_init(&s->clock);
    fake_http_init(&s->http);
    fake_clock_port(&s->clock, &clock);
    fake_http_port(&s->http, &http);
    wxtp_sqlite_options options = {
        .struct_size = sizeof options, .path = s->path, .create = true, .migrate = true, .clock = &clock};
    assert_int_equal(wxtp_sqlite_open(&options, &store, NULL, message, sizeof message), WXTP_OK);
    assert_int_equal(wxtp_config_new(NULL, &config), WXTP_OK);
    assert_int_equal(wxtp_config_set_clock(config, &clock), WXTP_OK);
    assert_int_equal(wxtp_config_set_http(config, &http), WXTP_OK);
    assert_int_equal(wxtp_config_set_store(config, store), WXTP_OK);
    assert_int_equal(wxtp_config_set_master_key(config, key), WXTP_OK);
    assert_int_equal(wxtp_config_set(config, "concurrency", "1", NULL), WXTP_OK);
    assert_int_equal(wxtp_platform_open(config, &s->platform, NULL), WXTP_OK);
    wxtp_config_free(config);
    assert_int_equal(wxtp_tenant_add_cloud(s->platform, APPID, NULL, false, WXTP_ACCOUNT_SERVICE, 1, NULL),
                     WXTP_OK);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    stage *s = *state;
    assert_int_equal(wxtp_platform_close(s->platform, 1000), WXTP_OK);
    fake_http_free(&s->http);
    DIR *folder = opendir(s->folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder)
        closedir(folder);
    rmdir(s->folder);
    free(s);
    return 0;
}

static bool count_text(void *user, const char *openid, int64_t errcode, const char *errmsg)
{
    assert_string_equal(openid, "oBAD");
    assert_int_equal(errcode, 40003);
    assert_string_equal(errmsg, "invalid openid");
    ++*(int *)user;
    return true;
}

static bool count_job(void *user, const wxtp_job *job)
{
    assert_string_equal(wxtp_job_done_word(job), "unblacklisted");
    ++*(int *)user;
    return true;
}

static bool count_audit(void *user, const wxtp_audit_row *row)
{
    assert_string_equal(row->appid, APPID);
    *(int *)user += strcmp(row->call, "batchUnblacklist") == 0;
    return true;
}

static void the_main_job_in_one_call(void **state)
{
    static const char *const openids[] = {"o1", "oBAD", "o1", "not one"};
    stage *s = *state;
    wxtp_unblacklist_counts counts = {.struct_size = sizeof counts};
    int jobs = 0, calls = 0;
    fake_http_on(&s->http, PATH, NULL, -1, OK);
    fake_http_on(&s->http, PATH, "oBAD", -1, BAD);
    assert_int_equal(wxtp_unblacklist(s->platform, APPID, openids, 4, &counts, NULL), WXTP_OK);
    assert_int_equal(counts.requested, 3);
    assert_int_equal(counts.duplicates, 1);
    assert_int_equal(counts.unblacklisted, 1);
    assert_int_equal(counts.invalid, 2);
    assert_int_equal(counts.pending, 0);
    wxtp_job *job = NULL;
    assert_int_equal(wxtp_job_get(s->platform, counts.job_id, &job, NULL), WXTP_OK);
    assert_int_equal(wxtp_job_state_of(job), WXTP_JOB_DONE);
    assert_int_equal(wxtp_job_calls(job), counts.calls);
    assert_null(wxtp_job_pause_error(job));
    wxtp_job_free(job);
    assert_int_equal(wxtp_job_list(s->platform, APPID, WXTP_JOB_DONE, NULL, 10, count_job, &jobs, NULL),
                     WXTP_OK);
    assert_int_equal(jobs, 1);
    assert_int_equal(wxtp_audit_list(s->platform, APPID, 0, 100, count_audit, &calls, NULL), WXTP_OK);
    assert_int_equal(calls, counts.calls);
}

static void invalid_openids_are_told_with_their_errcode(void **state)
{
    static const char *const openids[] = {"oBAD", "o2"};
    stage *s = *state;
    wxtp_unblacklist_counts counts = {.struct_size = sizeof counts};
    int invalid = 0;
    fake_http_on(&s->http, PATH, NULL, -1, OK);
    fake_http_on(&s->http, PATH, "oBAD", -1, BAD);
    assert_int_equal(wxtp_unblacklist(s->platform, APPID, openids, 2, &counts, NULL), WXTP_OK);
    assert_int_equal(
        wxtp_job_exceptions(s->platform, counts.job_id, WXTP_VERDICT_INVALID, count_text, &invalid, NULL),
        WXTP_OK);
    assert_int_equal(invalid, 1);
    assert_int_equal(
        wxtp_job_exceptions(s->platform, "jnone", WXTP_VERDICT_INVALID, count_text, &invalid, NULL),
        WXTP_ERR_NOT_FOUND);
}

static void a_paused_job_tells_why(void **state)
{
    static const char *const openids[] = {"o1"};
    stage *s = *state;
    wxtp_unblacklist_counts counts = {.struct_size = sizeof counts};
    wxtp_error *error = NULL;
    wxtp_job *job = NULL;
    fake_http_on(&s->http, PATH, NULL, -1,
                 "{\"errcode\":45009,\"errmsg\":\"reach max api daily quota limit\"}");
    assert_int_equal(wxtp_unblacklist(s->platform, APPID, openids, 1, &counts, &error), WXTP_ERR_QUOTA);
    assert_string_equal(wxtp_error_kind(error), "quota");
    assert_int_equal(wxtp_error_errcode(error), 45009);
    wxtp_error_free(error);
    assert_int_equal(counts.pending, 1);
    assert_int_equal(wxtp_job_get(s->platform, counts.job_id, &job, NULL), WXTP_OK);
    error = wxtp_job_pause_error(job);
    assert_int_equal(wxtp_error_status(error), WXTP_ERR_QUOTA);
    assert_non_null(strstr(wxtp_error_hint(error), counts.job_id));
    wxtp_error_free(error);
    wxtp_job_free(job);
    assert_int_equal(wxtp_job_cancel(s->platform, counts.job_id, &job, NULL), WXTP_OK);
    assert_int_equal(wxtp_job_state_of(job), WXTP_JOB_CANCELLED);
    wxtp_job_free(job);
}

static void a_call_is_checked_before_it_leaves(void **state)
{
    stage *s = *state;
    char body[1024] = "{\"openid_list\":[\"o\"";
    for (int i = 0; i < 20; i++)
        strcat(body, ",\"o\"");
    strcat(body, "]}");
    assert_int_equal(wxtp_call(s->platform, APPID, "batchUnblacklist", body, strlen(body), NULL, NULL),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_call(s->platform, APPID, "batchUnblacklist", "{", 1, NULL, NULL), WXTP_ERR_INVALID);
    assert_int_equal(wxtp_call(s->platform, APPID, "batchUnblacklist", "{}", 2, NULL, NULL),
                     WXTP_ERR_INVALID);
    assert_int_equal(wxtp_call(s->platform, APPID, "nothing", "{}", 2, NULL, NULL), WXTP_ERR_NOT_FOUND);
    static char large[1024 * 1024 + 2];
    memset(large, ' ', sizeof large - 1);
    memcpy(large, "{}", 2);
    assert_int_equal(wxtp_call(s->platform, APPID, "getBlacklist", large, sizeof large - 1, NULL, NULL),
                     WXTP_ERR_TOO_LARGE);
    assert_int_equal(fake_http_count(&s->http, NULL), 0);
}

static void a_call_gives_the_whole_answer(void **state)
{
    stage *s = *state;
    char *answer = NULL;
    fake_http_on(&s->http, PAGE, NULL, -1, "{\"total\":0,\"count\":0,\"next_openid\":\"\"}");
    assert_int_equal(
        wxtp_call(s->platform, APPID, "getBlacklist", "{\"begin_openid\":\"\"}", 19, &answer, NULL), WXTP_OK);
    assert_string_equal(answer, "{\"total\":0,\"count\":0,\"next_openid\":\"\"}");
    wxtp_free(answer);
    fake_http_on(&s->http, PATH, NULL, -1, "{\"nonsense\":1}");
    assert_int_equal(
        wxtp_call(s->platform, APPID, "batchUnblacklist", "{\"openid_list\":[\"o1\"]}", 22, NULL, NULL),
        WXTP_ERR_UNAVAILABLE);
}

static bool collect(void *user, const char *openid)
{
    strcat(strcat(user, openid), " ");
    return true;
}

static void the_blacklist_is_paged_to_its_end(void **state)
{
    stage *s = *state;
    char seen[256] = "";
    int64_t total = 0;
    fake_http_on(&s->http, PAGE, "\"begin_openid\":\"\"", -1,
                 "{\"total\":3,\"count\":2,\"data\":{\"openid\":[\"o1\",\"o2\"]},\"next_openid\":\"o2\"}");
    fake_http_on(&s->http, PAGE, "\"o2\"", -1,
                 "{\"total\":3,\"count\":1,\"data\":{\"openid\":[\"o3\"]},\"next_openid\":\"o3\"}");
    fake_http_on(&s->http, PAGE, "\"o3\"", -1, "{\"total\":3,\"count\":0,\"next_openid\":\"\"}");
    assert_int_equal(wxtp_blacklist_each(s->platform, APPID, collect, seen, &total, NULL), WXTP_OK);
    assert_string_equal(seen, "o1 o2 o3 ");
    assert_int_equal(total, 3);
}

static bool ignore(void *user, const char *openid)
{
    (void)user;
    (void)openid;
    return true;
}

static void I11_pages_in_a_circle_come_to_an_end(void **state)
{
    stage *s = *state;
    fake_http_on(&s->http, PAGE, NULL, -1,
                 "{\"total\":9,\"count\":1,\"data\":{\"openid\":[\"o1\"]},\"next_openid\":\"o1\"}");
    fake_http_on(&s->http, PAGE, "\"o1\"", -1,
                 "{\"total\":9,\"count\":1,\"data\":{\"openid\":[\"o2\"]},\"next_openid\":\"o2\"}");
    fake_http_on(&s->http, PAGE, "\"o2\"", -1,
                 "{\"total\":9,\"count\":1,\"data\":{\"openid\":[\"o3\"]},\"next_openid\":\"o1\"}");
    assert_int_equal(wxtp_blacklist_each(s->platform, APPID, ignore, NULL, NULL, NULL), WXTP_ERR_UNAVAILABLE);
    assert_true(fake_http_count(&s->http, PAGE) < 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_main_job_in_one_call),
        TEST(invalid_openids_are_told_with_their_errcode),
        TEST(a_paused_job_tells_why),
        TEST(a_call_is_checked_before_it_leaves),
        TEST(a_call_gives_the_whole_answer),
        TEST(the_blacklist_is_paged_to_its_end),
        TEST(I11_pages_in_a_circle_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
