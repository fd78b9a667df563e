/* A job on a store that fails, or is damaged; what it asks of one that does not. */
#include "job_stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "counting.h"
#include "failing_store.h"

/* ---- A store that fails ---- */

/* A store that takes no writes from when the first heartbeat is due; well again when it was asked too often.
 */
typedef struct ailing {
    wxtp_store_ops ops;
    const wxtp_store_ops *inner;
    fixture *fx;
    int64_t from_boot_ms;
    int asked;
} ailing;

enum { HEARTBEAT_MS = 6000, ASKED_MAX = 200 };

static ailing *the_ailing;

static wxtp_status begin_reading_only(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx)
{
    const bool ill =
        mode != WXTP_TX_READ && atomic_load(&the_ailing->fx->clock.boot_ms) >= the_ailing->from_boot_ms;
    if (ill && the_ailing->asked < ASKED_MAX) {
        the_ailing->asked++;
        *tx = NULL;
        return WXTP_ERR_STORE;
    }
    return the_ailing->inner->begin(store, mode, tx);
}

static void a_runner_whose_store_fails_still_waits_for_its_call(void **state)
{
    fixture *fx = *state;
    char id[64];
    stage_create_many(fx, "x", 100, id);
    stage_play(fx);
    fake_http_on(&fx->http, STAGE_PATH, NULL, 1, "{\"errcode\":45011,\"errmsg\":\"too often\"}");
    ailing self = {.ops = *fx->core->store->ops,
                   .inner = fx->core->store->ops,
                   .fx = fx,
                   .from_boot_ms = atomic_load(&fx->clock.boot_ms) + HEARTBEAT_MS};
    the_ailing = &self;
    fixture_patience(&fx->node, 120000);
    self.ops.begin = begin_reading_only;
    fx->core->store->ops = &self.ops;
    wx_err err;
    wx_err_clear(&err);
    const wxtp_status status = stage_run_on(&fx->node, id, WXTP_JOB_RUN, &err);
    fx->core->store->ops = self.inner;
    assert_int_equal(status, WXTP_ERR_STORE);
    assert_in_range(self.asked, 1, ASKED_MAX / 2); /* with each beat, not as fast as it can */
    fixture_patience(&fx->node, 60000);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 100, 0, 0, 0);
}

static wxtp_status failing_batch_list(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                                      bool (*each)(void *, const wxtp_batch_row *), void *user)
{
    return failing_now() ? WXTP_ERR_STORE : failing.real->batch_list(tx, job_id, from, limit, each, user);
}

static wxtp_status failing_batch_mark(wxtp_tx *tx, const char *job_id, int64_t number, const char *marks,
                                      bool finished)
{
    return failing_now() ? WXTP_ERR_STORE : failing.real->batch_mark(tx, job_id, number, marks, finished);
}

static wxtp_status failing_batch_get(wxtp_tx *tx, const char *job_id, int64_t number, wxtp_batch_row *row)
{
    return failing_now() ? WXTP_ERR_STORE : failing.real->batch_get(tx, job_id, number, row);
}

static wxtp_status failing_exception_add(wxtp_tx *tx, const wxtp_exception_row *row)
{
    return failing_now() ? WXTP_ERR_STORE : failing.real->exception_add(tx, row);
}

static wxtp_status failing_job_get(wxtp_tx *tx, const char *id, wxtp_job_row *row)
{
    return failing_now() ? WXTP_ERR_STORE : failing.real->job_get(tx, id, row);
}

static wxtp_status failing_job_put(wxtp_tx *tx, const wxtp_job_row *row)
{
    return failing_now() ? WXTP_ERR_STORE : failing.real->job_put(tx, row);
}

static wxtp_status failing_lease_check(wxtp_tx *tx, const wxtp_lease *lease)
{
    return failing_now() ? WXTP_ERR_STORE : failing.real->lease_check(tx, lease);
}

static wxtp_status failing_lease_renew(wxtp_tx *tx, wxtp_lease *lease, int64_t duration_ms)
{
    return failing_now() ? WXTP_ERR_STORE : failing.real->lease_renew(tx, lease, duration_ms);
}

static wxtp_status failing_commit(wxtp_tx *tx)
{
    if (failing_now()) {
        failing.real->rollback(tx);
        return WXTP_ERR_STORE;
    }
    return failing.real->commit(tx);
}

/* A lease that runs out while WeChat answers: who comes back looks at what was done meanwhile. */
static void sleep_and_be_busy(void *user, const fake_request *request, fake_reply *reply)
{
    stage_wechat_late(user, request, reply);
    reply->body = "{\"errcode\":45011,\"errmsg\":\"too often\"}";
}

static void I7_a_store_that_fails_once_loses_no_openid(void **state)
{
    static const struct {
        const char *what; /* what one of the messages says; NULL: it may come at any step */
        wxtp_store_ops ops;
    } cases[] = {
        {"read batches", {.batch_list = failing_batch_list}},
        {"write a batch", {.batch_mark = failing_batch_mark}},
        {"read a batch", {.batch_get = failing_batch_get}},
        {"store a refused openid", {.exception_add = failing_exception_add}},
        {"job", {.job_get = failing_job_get}},
        {"job", {.job_put = failing_job_put}},
        {"the lease", {.lease_check = failing_lease_check}},
        {"the lease", {.lease_renew = failing_lease_renew}},
        {NULL, {.commit = failing_commit}},
        {NULL, {.begin = failing_begin_tx}},
    };
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool said = cases[i].what == NULL;
        wxtp_status status = WXTP_ERR_STORE;
        /* The many looks while it waits are alike. */
        for (int n = 1; status != WXTP_OK; n += 1 + n / 10) {
            static const char *const openids[] = {"ox1", "oREF2", "ox3"};
            char id[64];
            wx_err err;
            stage_list l = {.openids = openids, .count = 3};
            stage_create(fx, &l, false, id);
            stage_play(fx);
            fake_http_handle(&fx->http, STAGE_PATH, "ox1", 1, sleep_and_be_busy, fx);
            fixture_patience(&fx->node, 600000);
            fixture_put_token(fx, FIXTURE_COMPONENT, STAGE_APPID, "access-again", "refresh-1");
            failing_install(fx, n);
#define BREAK(name) failing.ops.name = cases[i].ops.name ? cases[i].ops.name : failing.ops.name
            BREAK(batch_list);
            BREAK(batch_mark);
            BREAK(batch_get);
            BREAK(exception_add);
            BREAK(job_get);
            BREAK(job_put);
            BREAK(lease_check);
            BREAK(lease_renew);
            BREAK(commit);
            BREAK(begin);
#undef BREAK
            wx_err_clear(&err);
            status = stage_run_on(&fx->node, id, WXTP_JOB_RUN, &err);
            const bool failed = failing.left <= 0;
            failing_remove(fx);
            if (status != WXTP_OK) {
                assert_int_equal(status, WXTP_ERR_STORE);
                assert_true(failed);
                said = said || strstr(err.message, cases[i].what) != NULL;
                stage_verify(fx->core, id);
                fixture_patience(&fx->node, 600000);
                assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
            } else if (failed) {
                status = WXTP_ERR_STORE; /* it did no harm: go on */
            }
            stage_expect(fx, id, WXTP_JOB_PARTIAL, 2, 0, 1, 0);
            stage_verify(fx->core, id);
            assert_true(n < 2000);
        }
        if (!said) {
            fail_msg("nothing said: %s", cases[i].what);
        }
    }
}

/* The fifth batch is read when the fourth is done. */
static void I7_a_store_that_fails_between_two_batches_ends_the_run(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    stage_create_many(fx, "x", 100, id);
    stage_play(fx);
    failing_install(fx, 2);
    failing.ops.batch_list = failing_batch_list;
    const wxtp_status status = stage_run_on(&fx->node, id, WXTP_JOB_RUN, &err);
    failing_remove(fx);
    assert_int_equal(status, WXTP_ERR_STORE);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 4);
    stage_verify(fx->core, id);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 100, 0, 0, 0);
}

/* The lease may have been renewed with it. */
static void I7_nothing_is_sent_of_what_was_not_taken_for_good(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    stage_create_many(fx, "x", 60, id);
    stage_play(fx);
    failing_install(fx, 2); /* the first is the job's */
    failing.ops.commit = failing_commit;
    const wxtp_status status = stage_run_on(&fx->node, id, WXTP_JOB_RUN, &err);
    failing_remove(fx);
    assert_int_equal(status, WXTP_ERR_STORE);
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 0);
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 60, 0, 0, 0);
}

/* The caller's own look at a picture takes longer than the lease lasts, while a call waits for its next try:
 * lease, job and batch are looked at before it is sent, and the store fails at one of these steps. */
typedef struct dawdler {
    fixture *fx;
    int fails_at;
    bool done;
} dawdler;

static bool dawdle(void *user, const wxtp_job *job)
{
    dawdler *d = user;
    (void)job;
    if (!d->done && fake_http_count(&d->fx->http, STAGE_PATH) == 1) {
        d->done = true;
        fake_clock_advance(&d->fx->clock, 20000);
        failing.left = d->fails_at;
    }
    return true;
}

static void I7_nothing_is_sent_where_lease_job_and_batch_cannot_be_looked_at(void **state)
{
    static const wxtp_store_ops cases[] = {
        {.begin = failing_begin_tx}, {.job_get = failing_job_get}, {.batch_get = failing_batch_get}};
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        wxtp_status status = WXTP_ERR_STORE;
        for (int n = 1; status != WXTP_OK; n++) {
            char id[64];
            wx_err err;
            wxtp_job *job = NULL;
            dawdler d = {.fx = fx, .fails_at = n};
            stage_create_many(fx, "x", 20, id);
            stage_play(fx);
            fake_http_forget_requests(&fx->http);
            fake_http_on(&fx->http, STAGE_PATH, NULL, 1, "{\"errcode\":45011,\"errmsg\":\"too often\"}");
            fixture_patience(&fx->node, 600000);
            fixture_put_token(fx, FIXTURE_COMPONENT, STAGE_APPID, "access-again", "refresh-1");
            failing_install(fx, 0);
            failing.ops.begin = cases[i].begin ? cases[i].begin : failing.ops.begin;
            failing.ops.job_get = cases[i].job_get ? cases[i].job_get : failing.ops.job_get;
            failing.ops.batch_get = cases[i].batch_get ? cases[i].batch_get : failing.ops.batch_get;
            status = wx_job_run(fx->op, id, WXTP_JOB_RUN, dawdle, &d, &job, &err);
            const bool failed = failing.left <= 0;
            failing_remove(fx);
            wx_job_free(job);
            assert_true(d.done);
            stage_verify(fx->core, id);
            if (failed && n <= 3) {
                assert_int_equal(failing.sent, 1);
                assert_int_equal(status, WXTP_ERR_STORE);
                assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 1);
            }
            assert_true(n > 1 || failed);
            assert_true(n < 300);
        }
    }
}

static void I11_a_job_without_memory_loses_no_openid(void **state)
{
    static counting memory;
    fixture *fx = *state;
    const wxtp_allocator plenty = fx->core->allocator;
    wxtp_status status = WXTP_ERR_NOMEM;
    for (size_t n = 1; status != WXTP_OK; n++) {
        static const char *const openids[] = {"ox1", "oBAD2", "ox3"};
        char id[64];
        wx_err err;
        stage_list l = {.openids = openids, .count = 3};
        stage_create(fx, &l, false, id);
        stage_play(fx);
        counting_init(&memory);
        memory.fail_at = n;
        fx->core->allocator = memory.allocator;
        wx_err_clear(&err);
        status = stage_run_on(&fx->node, id, WXTP_JOB_RUN, &err);
        fx->core->allocator = plenty;
        stage_verify(fx->core, id);
        if (status != WXTP_OK) {
            assert_int_equal(status, WXTP_ERR_NOMEM);
            assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
        }
        stage_expect(fx, id, WXTP_JOB_DONE, 2, 1, 0, 0);
        assert_true(n < 2000);
    }
}

/* ---- What is asked of it ---- */

static size_t asked_for, readings; /* the limit of the first reading; how many there were */

static wxtp_status watched_batch_list(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                                      bool (*each)(void *, const wxtp_batch_row *), void *user)
{
    asked_for = asked_for ? asked_for : limit;
    readings++;
    return failing.real->batch_list(tx, job_id, from, limit, each, user);
}

/* As many as there are callers, within bounds, and no more than there are. */
static void I11_batches_are_read_ahead_within_bounds(void **state)
{
    static const struct {
        int concurrency;
        size_t openids, limit;
    } cases[] = {{1, 60, 3}, {1, 61, 4}, {1, 200, 4}, {5, 200, 5}, {31, 800, 31}, {40, 800, 32}, {40, 1, 1}};
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char id[64];
        fixture_concurrency(fx->core, cases[i].concurrency);
        stage_create_many(fx, "x", cases[i].openids, id);
        stage_play(fx);
        asked_for = readings = 0;
        failing_install(fx, 0);
        failing.ops.batch_list = watched_batch_list;
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_OK);
        failing_remove(fx);
        assert_int_equal(asked_for, cases[i].limit);
        const size_t batches = (cases[i].openids + 19) / 20;
        if (cases[i].concurrency == 1) {
            assert_int_equal(readings, (batches + asked_for - 1) / asked_for);
        }
    }
}

static struct {
    int reads, writes, jobs, batches, lists;
} counts;

static wxtp_status counted_begin(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx)
{
    *(mode == WXTP_TX_READ ? &counts.reads : &counts.writes) += 1;
    return failing.real->begin(store, mode, tx);
}

static wxtp_status counted_batch_get(wxtp_tx *tx, const char *job_id, int64_t number, wxtp_batch_row *row)
{
    counts.batches++;
    return failing.real->batch_get(tx, job_id, number, row);
}

static wxtp_status counted_job_get(wxtp_tx *tx, const char *id, wxtp_job_row *row)
{
    counts.jobs++;
    return failing.real->job_get(tx, id, row);
}

static wxtp_status counted_batch_list(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                                      bool (*each)(void *, const wxtp_batch_row *), void *user)
{
    counts.lists++;
    return failing.real->batch_list(tx, job_id, from, limit, each, user);
}

static void count_the_run(fixture *fx, const char *id)
{
    counts.reads = counts.writes = counts.jobs = counts.batches = counts.lists = 0;
    failing_install(fx, 0);
    failing.ops.begin = counted_begin;
    failing.ops.job_get = counted_job_get;
    failing.ops.batch_get = counted_batch_get;
    failing.ops.batch_list = counted_batch_list;
    wx_err err;
    assert_int_equal(stage_run_on(&fx->node, id, WXTP_JOB_RUN, &err), WXTP_OK);
    failing_remove(fx);
}

static void count_a_run(fixture *fx, size_t openids)
{
    char id[64];
    stage_create_many(fx, "x", openids, id);
    count_the_run(fx, id);
}

/* What was just committed is not read again before the next call, nor a batch that nobody else came to. */
static void I11_a_batch_costs_one_write_transaction_and_hardly_a_read(void **state)
{
    fixture *fx = *state;
    stage_play(fx);
    count_a_run(fx, 20);
    const int writes = counts.writes;
    assert_int_equal(counts.batches, 0);
    count_a_run(fx, 200);
    assert_int_equal(counts.writes, writes + 9); /* one a batch */
    assert_int_equal(counts.batches, 0);
    assert_in_range(counts.reads, 0, 10);
    const int jobs = counts.jobs;
    fake_http_forget_rules(&fx->http);
    fake_http_handle(&fx->http, STAGE_PATH, NULL, -1, stage_wechat_slow, fx);
    count_a_run(fx, 200);
    assert_int_equal(counts.jobs, jobs); /* a record looks at the job too */
}

/* While one searches, the others look once whether there is more to do. */
static void I11_who_finds_no_batch_left_looks_no_more(void **state)
{
    enum { COUNT = 5 * WXTP_BATCH_MAX };
    static char texts[COUNT][16];
    const char *openids[COUNT];
    fixture *fx = *state;
    char id[64];
    for (size_t at = 0; at < COUNT; at++) {
        snprintf(texts[at], sizeof texts[at], "o%s%zu", at / WXTP_BATCH_MAX == 2 ? "BAD" : "good", at);
        openids[at] = texts[at];
    }
    stage_list l = {.openids = openids, .count = COUNT};
    stage_create(fx, &l, false, id);
    stage_play(fx);
    fixture_concurrency(fx->core, 3);
    count_the_run(fx, id);
    assert_int_equal(counts.lists, 1 + 3); /* at first, and each worker at its end */
}

/* ---- A store that is damaged ---- */

/* What a damaged disk may show. */
static void I7_a_job_that_does_not_add_up_is_neither_run_nor_written(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    stage_create_many(fx, "x", 45, id);
    stage_play(fx);
    WX_AUTO_JOB *job = stage_load(fx, id);
    static const int64_t damages[][3] = {
        {45, 0, 0}, {45, 46, -1}, {INT64_MIN, INT64_MAX, 1}, {INT64_MAX, INT64_MAX, INT64_MAX}, {0, 0, 45}};
    for (size_t at = 0; at < sizeof damages / sizeof damages[0]; at++) {
        wxtp_job_row row = job->row;
        row.requested = damages[at][0];
        row.pending = damages[at][1];
        row.succeeded = damages[at][2];
        WX_AUTO_SCOPE scope = {0};
        assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_WRITE, &err), WXTP_OK);
        assert_int_equal(wx_job_write(fx->core, scope.tx, &row, &err), WXTP_ERR_STORE);
        assert_int_equal(wx_ops(fx->core)->job_put(scope.tx, &row), WXTP_OK);
        assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
        assert_int_equal(stage_run_on(&fx->node, id, WXTP_JOB_RESUME, &err), WXTP_ERR_STORE);
        assert_non_null(strstr(err.message, id));
        assert_non_null(strstr(err.hint, "db check"));
    }
    assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 0);
}

/* Marks that are gone would count a batch twice. */
static void I7_a_batch_is_not_counted_twice_when_its_marks_are_lost(void **state)
{
    fixture *fx = *state;
    char id[64];
    wx_err err;
    stage_create_many(fx, "x", 45, id);
    stage_play(fx);
    fake_http_on(&fx->http, STAGE_PATH, "x00020", -1, "{\"errcode\":45009,\"errmsg\":\"quota\"}");
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RUN), WXTP_ERR_QUOTA);
    stage_expect(fx, id, WXTP_JOB_PAUSED, 20, 0, 0, 25);
    WX_AUTO_SCOPE scope = {0};
    wxtp_batch_row batch;
    char openids[WXTP_BATCH_MAX * 66];
    assert_int_equal(wx_scope_begin(&scope, fx->core, WXTP_TX_WRITE, &err), WXTP_OK);
    assert_int_equal(wx_ops(fx->core)->batch_get(scope.tx, id, 0, &batch), WXTP_OK);
    snprintf(openids, sizeof openids, "%s", batch.openids);
    batch = (wxtp_batch_row){id, 0, openids, "....................", false};
    assert_int_equal(wx_ops(fx->core)->batch_put(scope.tx, &batch), WXTP_OK);
    assert_int_equal(wx_scope_commit(&scope, &err), WXTP_OK);
    stage_play(fx);
    assert_int_equal(stage_run_on(&fx->node, id, WXTP_JOB_RESUME, &err), WXTP_ERR_STORE);
    wxtp_job *job = stage_load(fx, id);
    assert_int_equal(job->row.requested,
                     job->row.succeeded + job->row.invalid + job->row.failed + job->row.pending);
    assert_true(job->row.pending >= 0);
    wx_job_free(job);
}

static wxtp_status damaged_batch_list(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                                      bool (*each)(void *, const wxtp_batch_row *), void *user)
{
    (void)tx;
    (void)job_id;
    (void)from;
    (void)limit;
    (void)each(user, &failing.damaged);
    return WXTP_OK;
}

static void I7_a_damaged_batch_is_not_sent(void **state)
{
    static char many[WXTP_BATCH_MAX * WX_OPENID_MAX + 100];
    memset(many, 'o', sizeof(many) - 1);
    static const char twenty_one[] = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq\nr\ns\nt\nu";
    const struct {
        const char *openids, *marks;
    } cases[] = {
        {"oa\nob", "."},                       /* fewer marks */
        {"oa\nob", "..."},                     /* more */
        {"oa", ""},                            /* none */
        {"", ""},                              /* nothing at all */
        {twenty_one, "...................."},  /* 21 openids */
        {twenty_one, "....................."}, /* and as many marks */
        {many, "."},                           /* longer than any batch is */
    };
    fixture *fx = *state;
    char id[64];
    stage_create_many(fx, "x", 45, id);
    stage_play(fx);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char expected[128];
        wx_err err;
        failing_install(fx, 0);
        failing.ops.batch_list = damaged_batch_list;
        failing.damaged =
            (wxtp_batch_row){.job_id = id, .number = 7, .openids = cases[i].openids, .marks = cases[i].marks};
        assert_int_equal(stage_run_on(&fx->node, id, WXTP_JOB_RESUME, &err), WXTP_ERR_STORE);
        failing_remove(fx);
        (void)snprintf(expected, sizeof(expected), "batch 7 of job %s is damaged", id);
        assert_non_null(strstr(err.message, expected));
        assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 0);
        stage_verify(fx->core, id);
    }
    assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
    stage_expect(fx, id, WXTP_JOB_DONE, 45, 0, 0, 0);
}

/* The first reading is the store's, and of one batch; what comes next is damaged. */
static wxtp_status later_damaged_batch_list(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                                            bool (*each)(void *, const wxtp_batch_row *), void *user)
{
    (void)limit;
    return from == 0 ? failing.real->batch_list(tx, job_id, from, 1, each, user)
                     : damaged_batch_list(tx, job_id, from, 1, each, user);
}

/* What was asked before stands, and is not asked again; of the whole batch nothing is left in its place. */
static void I7_a_damaged_batch_costs_no_answer_of_the_one_before(void **state)
{
    static char many[WXTP_BATCH_MAX * WX_OPENID_MAX + 100], last[WXTP_BATCH_MAX * WX_OPENID_MAX + 100];
    memset(many, 'o', sizeof(many) - 1);
    memset(last, 'o', sizeof(last) - 1);
    for (size_t i = 0; i < WXTP_BATCH_MAX - 1; i++) {
        last[2 * i + 1] = '\n';
    }
    const struct {
        const char *openids, *marks;
    } cases[] = {
        {many, "."},                    /* an openid without end */
        {last, "...................."}, /* the last of twenty */
        {"oa\nob", "."},
    };
    fixture *fx = *state;
    stage_play(fx);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char id[64];
        wx_err err;
        stage_create_many(fx, "x", 45, id);
        failing_install(fx, 0);
        failing.ops.batch_list = later_damaged_batch_list;
        failing.damaged =
            (wxtp_batch_row){.job_id = id, .number = 1, .openids = cases[i].openids, .marks = cases[i].marks};
        for (int again = 0; again < 2; again++) {
            assert_int_equal(stage_run_on(&fx->node, id, again ? WXTP_JOB_RESUME : WXTP_JOB_RUN, &err),
                             WXTP_ERR_STORE);
            assert_non_null(strstr(err.message, "batch 1 of job"));
            assert_non_null(strstr(err.message, "is damaged"));
            assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 1);
            failing.ops.batch_list = damaged_batch_list;
        }
        failing_remove(fx);
        stage_verify(fx->core, id);
        stage_expect(fx, id, WXTP_JOB_RUNNING, 20, 0, 0, 25); /* without a runner */
        assert_int_equal(stage_run(fx, id, WXTP_JOB_RESUME), WXTP_OK);
        stage_expect(fx, id, WXTP_JOB_DONE, 45, 0, 0, 0);
        assert_int_equal(fake_http_count(&fx->http, STAGE_PATH), 3);
        fake_http_forget_requests(&fx->http);
        stage_play(fx);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(I7_a_job_that_does_not_add_up_is_neither_run_nor_written),
        TEST(I7_a_batch_is_not_counted_twice_when_its_marks_are_lost),
        TEST(a_runner_whose_store_fails_still_waits_for_its_call),
        TEST(I7_a_store_that_fails_once_loses_no_openid),
        TEST(I7_a_store_that_fails_between_two_batches_ends_the_run),
        TEST(I7_nothing_is_sent_of_what_was_not_taken_for_good),
        TEST(I11_batches_are_read_ahead_within_bounds),
        TEST(I7_a_damaged_batch_is_not_sent),
        TEST(I7_a_damaged_batch_costs_no_answer_of_the_one_before),
        TEST(I11_a_job_without_memory_loses_no_openid),
        TEST(I7_nothing_is_sent_where_lease_job_and_batch_cannot_be_looked_at),
        TEST(I11_a_batch_costs_one_write_transaction_and_hardly_a_read),
        TEST(I11_who_finds_no_batch_left_looks_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
