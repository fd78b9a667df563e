/* What a host gives wrong is told at the door: nothing crashes, nothing is silently left out. */
#include "unit.h"

#include <stdio.h>

#include "world.h"

#define APPID "wxa0000000000000e1"
#define PATH "/cgi-bin/tags/members/batchunblacklist"
#define BODY "{\"openid_list\":[\"o1\",\"o2\"]}"

static int setup(void **state)
{
    if (world_setup_platform(state) != 0) {
        return -1;
    }
    world *w = *state;
    assert_int_equal(wxtp_tenant_add_cloud(w->platform, APPID, NULL, false, WXTP_ACCOUNT_SERVICE, 1, NULL),
                     WXTP_OK);
    fake_http_on(&w->http, PATH, NULL, -1, "{\"errcode\":0,\"errmsg\":\"ok\"}");
    return 0;
}

/* Frees the error. */
static void assert_invalid(wxtp_status status, wxtp_error *error, const char *word)
{
    assert_int_equal(status, WXTP_ERR_INVALID);
    if (!strstr(wxtp_error_message(error), word)) {
        fail_msg("'%s' does not say '%s'", wxtp_error_message(error), word);
    }
    wxtp_error_free(error);
}

#define ASSERT_INVALID(word, call)                                                                           \
    do {                                                                                                     \
        wxtp_error *error = NULL;                                                                            \
        const wxtp_status status = (call);                                                                   \
        assert_invalid(status, error, word);                                                                 \
    } while (0)

/* ---- Lists ---- */

typedef struct list {
    const char *text;
    size_t len;
    int left;
} list;

static int read_list(void *user, const char **openid, size_t *len)
{
    list *self = user;
    *openid = self->text;
    *len = self->len;
    return self->left-- > 0;
}

static void create(world *w, char job_id[64])
{
    list two = {"o1", 2, 2};
    assert_int_equal(
        wxtp_job_create(w->platform, APPID, "batchUnblacklist", read_list, &two, NULL, job_id, NULL),
        WXTP_OK);
    assert_true(job_id[0] != '\0');
}

static void a_place_for_an_id_is_needed(void **state)
{
    world *w = *state;
    list one = {"o1", 2, 1};
    char job_id[64];
    ASSERT_INVALID(
        "id", wxtp_job_create(w->platform, APPID, "batchUnblacklist", read_list, &one, NULL, NULL, &error));
    create(w, job_id);
    ASSERT_INVALID("id", wxtp_job_undo(w->platform, job_id, NULL, &error));
    ASSERT_INVALID("id", wxtp_job_undo(w->platform, NULL, job_id, &error));
    ASSERT_INVALID("id", wxtp_job_run(w->platform, NULL, WXTP_JOB_RUN, NULL, NULL, NULL, &error));
    ASSERT_INVALID("id", wxtp_job_submit(w->platform, NULL, WXTP_JOB_RUN, NULL, NULL, &error));
}

static void an_openid_that_is_null_is_no_openid(void **state)
{
    static const char *const openids[] = {"o1", NULL};
    world *w = *state;
    list null = {NULL, 5, 1};
    char job_id[64];
    wxtp_job_forecast forecast = {.struct_size = sizeof(forecast)};
    ASSERT_INVALID("NULL", wxtp_job_create(w->platform, APPID, "batchUnblacklist", read_list, &null, NULL,
                                           job_id, &error));
    assert_string_equal(job_id, "");
    null.left = 1;
    ASSERT_INVALID("NULL", wxtp_job_forecast_list(w->platform, APPID, "batchUnblacklist", read_list, &null,
                                                  NULL, &forecast, &error));
    ASSERT_INVALID("openid 1 is NULL", wxtp_unblacklist(w->platform, APPID, openids, 2, NULL, &error));
    ASSERT_INVALID("openid 1 is NULL",
                   wxtp_unblacklist_submit(w->platform, APPID, openids, 2, NULL, NULL, &error));
    assert_int_equal(fake_http_count(&w->http, PATH), 0);
}

static void only_the_ways_to_run_a_job_are_taken(void **state)
{
    world *w = *state;
    char job_id[64];
    create(w, job_id);
    for (int mode = -1; mode <= 3; mode += 4) {
        ASSERT_INVALID("way",
                       wxtp_job_run(w->platform, job_id, (wxtp_job_run_mode)mode, NULL, NULL, NULL, &error));
        ASSERT_INVALID("way",
                       wxtp_job_submit(w->platform, job_id, (wxtp_job_run_mode)mode, NULL, NULL, &error));
    }
    assert_int_equal(fake_http_count(&w->http, PATH), 0);
}

static void a_generation_is_not_negative(void **state)
{
    world *w = *state;
    wxtp_token_facts facts = {.struct_size = sizeof(facts)};
    ASSERT_INVALID("-1", wxtp_token_refused(w->platform, APPID, -1, &error));
    ASSERT_INVALID("-1", wxtp_token_refresh(w->platform, APPID, -1, &facts, &error));
    assert_int_equal(wxtp_token_refused(w->platform, APPID, 0, NULL), WXTP_OK);
}

/* ---- struct_size ---- */

static bool see_none(void *user, const wxtp_audit_row *row)
{
    (void)user;
    (void)row;
    return false;
}

/* Not set, of nothing but itself, and within a member. */
static const size_t wrong_sizes[] = {0, 1, sizeof(size_t), 3 * sizeof(size_t) + 4};

static void options_without_a_struct_size_are_refused(void **state)
{
    world *w = *state;
    for (size_t at = 0; at < sizeof(wrong_sizes) / sizeof(wrong_sizes[0]); at++) {
        const size_t size = wrong_sizes[at];
        const wxtp_job_options job = {.struct_size = size, .force = true};
        const wxtp_submit_options submission = {.struct_size = size};
        const wxtp_audit_choice choice = {.struct_size = size};
        list one = {"o1", 2, 1};
        char job_id[64];
        ASSERT_INVALID("struct_size", wxtp_job_create(w->platform, APPID, "batchUnblacklist", read_list, &one,
                                                      &job, job_id, &error));
        assert_int_equal(one.left, 1);
        ASSERT_INVALID("struct_size", wxtp_submit(w->platform, APPID, "batchUnblacklist", BODY, strlen(BODY),
                                                  &submission, NULL, &error));
        ASSERT_INVALID("struct_size", wxtp_audit_select(w->platform, &choice, 1, see_none, NULL, &error));
    }
    const wxtp_plan_part part = {.allowed = true};
    wxtp_plan plan = {.struct_size = sizeof(plan)};
    ASSERT_INVALID("struct_size", wxtp_plan_sum(w->platform, "batchUnblacklist", &part, 1, &plan, &error));
    assert_null(wxtp_completion_take(w->platform, 0));
}

static void ring(void *user, const wxtp_completion *completion)
{
    assert_int_equal(wxtp_completion_status(completion), WXTP_OK);
    ++*(int *)user;
}

/* As of a host that was built when the struct ended there. */
static void options_of_an_older_host_count_as_far_as_they_go(void **state)
{
    world *w = *state;
    int rung = 0;
    const wxtp_submit_options older = {.struct_size = offsetof(wxtp_submit_options, deadline_ms),
                                       .user = &rung,
                                       .callback = ring,
                                       .deadline_ms = -1};
    const struct {
        wxtp_submit_options known;
        int64_t unknown;
    } newer = {{.struct_size = sizeof(newer), .user = &rung, .callback = ring}, 7};
    assert_int_equal(
        wxtp_submit(w->platform, APPID, "batchUnblacklist", BODY, strlen(BODY), &older, NULL, NULL), WXTP_OK);
    assert_int_equal(
        wxtp_submit(w->platform, APPID, "batchUnblacklist", BODY, strlen(BODY), &newer.known, NULL, NULL),
        WXTP_OK);
    for (size_t taken = 0; taken < 2;) {
        taken += wxtp_completions_run(w->platform, 60000);
    }
    assert_int_equal(rung, 2);
}

/* ---- Nothing to look at ---- */

static void getters_take_null(void **state)
{
    (void)state;
    const char *(*const job_texts[])(const wxtp_job *) = {wxtp_job_id, wxtp_job_platform, wxtp_job_tenant,
                                                          wxtp_job_call, wxtp_job_done_word};
    int64_t (*const job_numbers[])(const wxtp_job *) = {
        wxtp_job_requested,  wxtp_job_duplicates,     wxtp_job_succeeded, wxtp_job_invalid,
        wxtp_job_failed,     wxtp_job_pending,        wxtp_job_calls,     wxtp_job_created_ms,
        wxtp_job_elapsed_ms, wxtp_job_token_refreshes};
    for (size_t at = 0; at < sizeof(job_texts) / sizeof(job_texts[0]); at++) {
        assert_string_equal(job_texts[at](NULL), "");
    }
    for (size_t at = 0; at < sizeof(job_numbers) / sizeof(job_numbers[0]); at++) {
        assert_int_equal(job_numbers[at](NULL), 0);
    }
    assert_int_equal(wxtp_job_state_of(NULL), WXTP_JOB_BUILDING);
    assert_int_equal(wxtp_job_paused_by(NULL), WXTP_PAUSED_BY_NONE);
    assert_null(wxtp_job_pause_error(NULL));
    assert_int_equal(wxtp_completion_kind_of(NULL), WXTP_COMPLETION_EVENT);
    assert_int_equal(wxtp_completion_id(NULL), 0);
    assert_null(wxtp_completion_user(NULL));
    assert_int_equal(wxtp_completion_status(NULL), WXTP_ERR_INVALID);
    assert_null(wxtp_completion_error(NULL));
    assert_null(wxtp_completion_take_error(NULL));
    assert_null(wxtp_completion_take_job(NULL));
    assert_null(wxtp_completion_answer(NULL));
    assert_null(wxtp_completion_job(NULL));
    assert_null(wxtp_completion_token(NULL));
    assert_string_equal(wxtp_completion_event(NULL), "");
    assert_string_equal(wxtp_completion_tenant(NULL), "");
    assert_string_equal(wxtp_completion_text(NULL), "");
    const wxtp_plan plan = {.struct_size = sizeof(plan)};
    const wxtp_plan_part part = {.struct_size = sizeof(part), .allowed = true};
    assert_false(wxtp_plan_fits(NULL, &part));
    assert_false(wxtp_plan_fits(&plan, NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_place_for_an_id_is_needed),
        TEST(an_openid_that_is_null_is_no_openid),
        TEST(only_the_ways_to_run_a_job_are_taken),
        TEST(a_generation_is_not_negative),
        TEST(options_without_a_struct_size_are_refused),
        TEST(options_of_an_older_host_count_as_far_as_they_go),
        cmocka_unit_test(getters_take_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
