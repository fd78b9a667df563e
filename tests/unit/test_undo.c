/* Snapshots, comparing and undoing, against a blacklist held as a set. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/job_undo.h"
#include "flow/snapshot.h"

#define APPID "wx00000000000000a1"
#define CALL "batchUnblacklist"
#define MEMBERS "/cgi-bin/tags/members/"

enum { USERS = 60000, PAGE = 1000 };

/* WeChat: openid number N is "oNNNNNNN". */
typedef struct wechat {
    bool listed[USERS], bad[USERS], refused[USERS];
    int page_fails; /* the page that is not answered; 0: none */
    int pages;
    char body[PAGE * 12 + 200];
} wechat;

static wechat *the_wechat;

static int setup(void **state)
{
    if (fixture_setup_merchant(state, APPID))
        return -1;
    the_wechat = calloc(1, sizeof *the_wechat);
    return the_wechat ? 0 : -1;
}

static int teardown(void **state)
{
    free(the_wechat);
    return fixture_teardown(state);
}

/* The next number of a body, or -1. */
static int next_number(const char **at)
{
    const char *found = strstr(*at, "\"o");
    if (!found || found[2] < '0' || found[2] > '9')
        return found ? (*at = found + 2, next_number(at)) : -1;
    *at = found + 2;
    return atoi(found + 2);
}

/* A batch is applied whole or not at all. */
static const char *change(wechat *w, const char *body, bool listed)
{
    int number;
    for (const char *at = body; (number = next_number(&at)) >= 0;) {
        if (w->bad[number])
            return "{\"errcode\":40003,\"errmsg\":\"invalid openid\"}";
        if (w->refused[number])
            return "{\"errcode\":41030,\"errmsg\":\"refused\"}";
    }
    for (const char *at = body; (number = next_number(&at)) >= 0;)
        w->listed[number] = listed;
    return "{\"errcode\":0,\"errmsg\":\"ok\"}";
}

static const char *page(wechat *w, const char *body)
{
    int from = next_number(&body), count = 0, total = 0, last = 0;
    size_t len = 0;
    if (++w->pages == w->page_fails)
        return "{\"errcode\":45009,\"errmsg\":\"reach max api daily quota limit\"}";
    for (int number = 0; number < USERS; number++)
        total += w->listed[number];
    len += (size_t)sprintf(w->body, "{\"total\":%d,\"data\":{\"openid\":[", total);
    for (int number = from + 1; number < USERS && count < PAGE; number++) {
        if (!w->listed[number])
            continue;
        len += (size_t)sprintf(w->body + len, "%s\"o%07d\"", count++ ? "," : "", number);
        last = number;
    }
    sprintf(w->body + len, "]},\"count\":%d,\"next_openid\":\"o%07d\"}", count, last);
    if (count == 0)
        sprintf(w->body, "{\"total\":%d,\"count\":0,\"next_openid\":\"\"}", total);
    return w->body;
}

static void answer(void *user, const fake_request *request, fake_reply *reply)
{
    wechat *w = user;
    reply->body = strstr(request->url, "getblacklist")       ? page(w, request->body)
                  : strstr(request->url, "batchunblacklist") ? change(w, request->body, false)
                                                             : change(w, request->body, true);
}

static void play(fixture *fx)
{
    fake_http_handle(&fx->http, MEMBERS, NULL, -1, answer, the_wechat);
}

typedef struct list {
    const int *numbers; /* NULL: 0, 1, 2 … */
    int count, at;
    char text[16];
} list;

static int read_list(void *user, const char **openid, size_t *len)
{
    list *l = user;
    if (l->at == l->count)
        return 0;
    *len = (size_t)snprintf(l->text, sizeof l->text, "o%07d", l->numbers ? l->numbers[l->at] : l->at);
    l->at++;
    *openid = l->text;
    return 1;
}

static wxtp_status create(fixture *fx, const int *numbers, int count, char id[64])
{
    wx_err err;
    list l = {.numbers = numbers, .count = count};
    const wx_job_order order = {
        .appid = APPID, .call = CALL, .reader = read_list, .user = &l, .force = true, .snapshot = true};
    fixture_patience(&fx->node, 60000);
    return wx_job_create(fx->op, &order, id, &err);
}

static wxtp_job_state run(fixture *fx, const char *id, wxtp_job_run_mode mode)
{
    wxtp_job *job = NULL;
    wx_err err;
    fixture_patience(&fx->node, 60000);
    (void)wx_job_run(fx->op, id, mode, NULL, NULL, &job, &err);
    assert_non_null(job);
    const wxtp_job_row *row = &job->row;
    assert_int_equal(row->requested, row->succeeded + row->invalid + row->failed + row->pending);
    const wxtp_job_state state = row->state;
    wx_job_free(job);
    return state;
}

static void undo(fixture *fx, const char *id, char undo_id[64])
{
    wx_err err;
    if (wx_job_undo(fx->op, id, undo_id, &err) != WXTP_OK)
        fail_msg("undo: %s", err.message);
}

typedef struct seen {
    int count, last, most;
    bool ordered;
    int gone, came, stay;
} seen;

static bool see(void *user, const char *openid, wxtp_tristate before, bool now)
{
    seen *s = user;
    const int number = atoi(openid + 1);
    assert_int_equal(now, the_wechat->listed[number]);
    s->ordered = s->ordered && number > s->last;
    s->last = number;
    s->gone += before == 1 && !now;
    s->came += before == 0 && now;
    s->stay += before == 1 && now;
    return ++s->count != s->most;
}

static wxtp_status compare(fixture *fx, const char *id, seen *s, wxtp_job_diff *diff)
{
    wx_err err;
    *s = (seen){.ordered = true, .last = -1, .most = s->most};
    *diff = (wxtp_job_diff){.struct_size = sizeof *diff};
    fixture_patience(&fx->node, 60000);
    return wx_job_compare(fx->op, id, see, s, diff, &err);
}

static void I11_a_snapshot_of_several_parts(void **state)
{
    fixture *fx = *state;
    enum { COUNT = 2 * WX_PART_MARKS + 4711 };
    char id[64], undo_id[64];
    seen s = {0};
    wxtp_job_diff diff;
    int on = 0;
    for (int number = 0; number < USERS; number++)
        the_wechat->listed[number] = number % 7 == 3 && number / WX_PART_MARKS != 1; /* none in the second */
    for (int number = 0; number < COUNT; number++)
        on += the_wechat->listed[number];
    play(fx);
    assert_int_equal(create(fx, NULL, COUNT, id), WXTP_OK);
    assert_int_equal(compare(fx, id, &s, &diff), WXTP_OK);
    assert_true(s.ordered);
    assert_int_equal(s.stay, on);
    assert_int_equal(s.count, on);
    assert_int_equal(diff.before, on);
    assert_int_equal(diff.now, on);
    the_wechat->listed[COUNT - 1] = true;
    the_wechat->listed[3] = false;
    assert_int_equal(compare(fx, id, &s, &diff), WXTP_OK);
    assert_int_equal(s.gone, 1);
    assert_int_equal(s.came, 1);
    s.most = 5;
    assert_int_equal(compare(fx, id, &s, &diff), WXTP_OK);
    assert_int_equal(s.count, 5);
    wx_err err;
    wxtp_job *job = NULL;
    assert_int_equal(wx_job_cancel(fx->op, id, &job, &err), WXTP_OK);
    wx_job_free(job);
    undo(fx, id, undo_id);
    assert_int_equal(wx_job_load(fx->core, undo_id, &job, &err), WXTP_OK);
    assert_int_equal(job->row.requested, on);
    wx_job_free(job);
}

static bool count_job(void *user, const wxtp_job_row *row)
{
    (void)row;
    ++*(int *)user;
    return true;
}

static void a_page_that_fails_leaves_no_job(void **state)
{
    fixture *fx = *state;
    char id[64];
    int count = 0;
    wx_err err;
    const wxtp_job_filter all = {.platform = FIXTURE_COMPONENT, .state = -1, .limit = 10};
    WX_AUTO_SCOPE scope = {0};
    for (int number = 0; number < 5000; number++)
        the_wechat->listed[number] = true;
    the_wechat->page_fails = 3;
    play(fx);
    assert_int_equal(create(fx, NULL, 100, id), WXTP_ERR_QUOTA);
    assert_string_equal(id, "");
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_READ, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->job_list(scope.tx, &all, count_job, &count), WXTP_OK);
    assert_int_equal(count, 0);
}

static void note(void *user, const char *text)
{
    char *told = user;
    snprintf(told + strlen(told), 200 - strlen(told), "%s;", text);
}

/* The marks are bound to their job: another's do not open in its place. */
static void I9_marks_do_not_open_in_another_jobs_place(void **state)
{
    fixture *fx = *state;
    const wxtp_store_ops *ops = wx_ops(fx->core);
    static const int numbers[] = {1, 2, 3};
    char one[64], other[64], undo_id[64];
    wxtp_blob marks;
    wx_err err;
    the_wechat->listed[1] = true;
    play(fx);
    assert_int_equal(create(fx, numbers, 3, one), WXTP_OK);
    assert_int_equal(create(fx, numbers, 3, other), WXTP_OK);
    assert_int_equal(run(fx, other, WXTP_JOB_RUN), WXTP_JOB_DONE);
    WX_AUTO_SCOPE scope = {0};
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_WRITE, &err), WXTP_OK);
    assert_int_equal(ops->snapshot_part_get(scope.tx, one, 0, &marks), WXTP_OK);
    assert_int_equal(ops->snapshot_part_put(scope.tx, other, 0, marks), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    assert_int_equal(wx_job_undo(fx->op, other, undo_id, &err), WXTP_ERR_KEY);
    assert_string_equal(undo_id, "");
    seen s = {0};
    wxtp_job_diff diff;
    assert_int_equal(compare(fx, other, &s, &diff), WXTP_ERR_KEY);
    char told[200] = "";
    assert_int_equal(wx_snapshots_check(fx->core, FIXTURE_COMPONENT, false, note, told, &err), WXTP_OK);
    assert_non_null(strstr(told, other));
    assert_null(strstr(told, one));
}

static void an_undo_is_found_again_until_it_is_cancelled(void **state)
{
    fixture *fx = *state;
    static const int numbers[] = {1, 2, 3};
    char id[64], first[64], again[64];
    wx_err err;
    wxtp_job *job = NULL;
    the_wechat->listed[1] = the_wechat->listed[2] = true;
    play(fx);
    assert_int_equal(create(fx, numbers, 3, id), WXTP_OK);
    assert_int_equal(wx_job_undo(fx->op, id, first, &err), WXTP_ERR_STATE); /* not over */
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_JOB_DONE);
    undo(fx, id, first);
    undo(fx, id, again);
    assert_string_equal(first, again);
    assert_int_equal(wx_job_cancel(fx->op, first, &job, &err), WXTP_OK);
    wx_job_free(job);
    undo(fx, id, again);
    assert_string_not_equal(first, again);
    assert_int_equal(run(fx, again, WXTP_JOB_RUN), WXTP_JOB_DONE);
    undo(fx, id, first);
    assert_string_equal(first, again);
    assert_true(the_wechat->listed[1] && the_wechat->listed[2] && !the_wechat->listed[3]);
}

static unsigned roll(uint64_t *random, unsigned below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*random >> 33) % below;
}

/* A call that a host has added says nothing of a list. */
static void a_call_without_a_list_has_no_snapshot(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    wx_api rows[2] = {fx->core->catalog[0], fx->core->catalog[2]};
    rows[0].listed_by = rows[0].undone_by = NULL;
    const wx_api *all = fx->core->catalog;
    const size_t count = fx->core->catalog_count;
    static const int numbers[] = {1};
    seen s = {0};
    wxtp_job_diff diff;
    play(fx);
    assert_int_equal(create(fx, numbers, 1, id), WXTP_OK);
    assert_int_equal(run(fx, id, WXTP_JOB_RUN), WXTP_JOB_DONE);
    fx->core->catalog = rows;
    fx->core->catalog_count = 2;
    char none[64];
    assert_int_equal(create(fx, numbers, 1, none), WXTP_ERR_INVALID);
    assert_string_equal(none, "");
    assert_int_equal(compare(fx, id, &s, &diff), WXTP_ERR_STATE);
    assert_int_equal(wx_job_undo(fx->op, id, none, &err), WXTP_ERR_STATE);
    fx->core->catalog = all;
    fx->core->catalog_count = count;
}

/* Whatever was on the list and whichever openids are bad or refused: after job and undo the list is as it
 * was. */
static void I7_job_and_undo_leave_the_list_as_it_was(void **state)
{
    enum { FEW = 90, SEEDS = 60 };
    fixture *fx = *state;
    bool before[FEW];
    int numbers[FEW * 2];
    play(fx);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t random = seed;
        char id[64], undo_id[64];
        const unsigned worse = roll(&random, 2) * 6;
        int count = 0;
        for (int number = 0; number < FEW; number++) {
            before[number] = the_wechat->listed[number] = roll(&random, 3) == 0;
            the_wechat->bad[number] = roll(&random, 10) < worse / 2;
            the_wechat->refused[number] = roll(&random, 10) < worse / 3;
        }
        for (int at = (int)roll(&random, FEW * 2); at >= 0; at--)
            numbers[count++] = (int)roll(&random, FEW);
        assert_int_equal(create(fx, numbers, count, id), WXTP_OK);
        (void)run(fx, id, WXTP_JOB_RUN);
        for (int number = 0; number < FEW; number++)
            the_wechat->refused[number] = false;
        if (roll(&random, 2) == 0)
            (void)run(fx, id, WXTP_JOB_RETRY_FAILED);
        undo(fx, id, undo_id);
        if (undo_id[0])
            assert_int_equal(run(fx, undo_id, WXTP_JOB_RUN), WXTP_JOB_DONE);
        for (int number = 0; number < FEW; number++) {
            if (the_wechat->listed[number] != before[number])
                fail_msg("seed %d: openid %d", (int)seed, number);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(I11_a_snapshot_of_several_parts),
        TEST(a_page_that_fails_leaves_no_job),
        TEST(I9_marks_do_not_open_in_another_jobs_place),
        TEST(an_undo_is_found_again_until_it_is_cancelled),
        TEST(a_call_without_a_list_has_no_snapshot),
        TEST(I7_job_and_undo_leave_the_list_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
