/* Leases, tokens and what goes with them in SQLite: where SQLite fails, and at the ends of their ranges. */
#include "unit.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>
#include <wxtp/store_sqlite.h>

#include "store_conformance.h"
#include "temporary.h"

#define OK(expression) assert_int_equal((expression), WXTP_OK)

enum { OWNERS = 1000 /* where the owners' bytes of the lock file begin */ };

/* Numbers beyond this are damage, and read as it. */
#define MOST (INT64_C(1) << 53)

typedef struct stage {
    char folder[64], path[96];
    test_clock clock;
    wxtp_store *store, *other; /* two handles, as two processes have them */
    const wxtp_store_ops *ops;
    wxtp_tx *tx, *other_tx; /* NULL: none is open */
} stage;

static const wxtp_token_key key = {"p", "a"}, absent = {"p", "absent"};

static wxtp_store *open_store(stage *s)
{
    wxtp_store *store = NULL;
    wxtp_sqlite_options options = {.struct_size = sizeof(options),
                                   .path = s->path,
                                   .create = true,
                                   .migrate = true,
                                   .clock = &s->clock.port};
    OK(wxtp_sqlite_open(&options, &store, NULL, NULL, 0));
    return store;
}

static void begin(stage *s, wxtp_tx_mode mode)
{
    OK(s->ops->begin(s->store, mode, &s->tx));
}

static void commit(stage *s)
{
    wxtp_tx *tx = s->tx;
    s->tx = NULL;
    OK(s->ops->commit(tx));
}

static void rollback(stage *s)
{
    s->ops->rollback(s->tx);
    s->tx = NULL;
}

static void begin_other(stage *s, wxtp_tx_mode mode)
{
    OK(s->ops->begin(s->other, mode, &s->other_tx));
}

static void rollback_other(stage *s)
{
    s->ops->rollback(s->other_tx);
    s->other_tx = NULL;
}

static wxtp_blob blob(const char *text)
{
    return (wxtp_blob){text, strlen(text)};
}

static void put(stage *s, wxtp_token_key at, int64_t due_ms)
{
    OK(s->ops->token_put_if(
        s->tx, &(wxtp_token_row){.key = at, .generation = 1, .access = blob("t"), .due_ms = due_ms}, 0,
        NULL));
}

/* One of everything; the lease is the first handle's. */
static int setup(void **state)
{
    stage *s = test_calloc(1, sizeof(*s));
    wxtp_lease lease = {"l", 0, 0};
    assert_true(temporary_folder(s->folder, sizeof(s->folder)));
    (void)snprintf(s->path, sizeof(s->path), "%s/s.db", s->folder);
    test_clock_init(&s->clock, "boot");
    s->store = open_store(s);
    s->other = open_store(s);
    s->ops = s->store->ops;
    begin(s, WXTP_TX_SYNC);
    OK(s->ops->lease_take(s->tx, &lease, 1000));
    put(s, key, 5);
    OK(s->ops->spare_add(s->tx, &(wxtp_spare_row){.key = key, .refresh = blob("r"), .added_ms = 7}));
    OK(s->ops->intent_put(s->tx, &(wxtp_intent_row){key, 1, 1, 8, 0}));
    commit(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    stage *s = *state;
    rollback(s); /* of a test that failed */
    rollback_other(s);
    s->ops->close(s->other);
    s->ops->close(s->store);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
        char name[128];
        (void)snprintf(name, sizeof(name), "%s%s", s->path, suffixes[i]);
        (void)unlink(name);
    }
    const int left = rmdir(s->folder);
    test_free(s);
    return left;
}

/* Behind the back of both handles. */
static void run_sql(const stage *s, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(s->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* ---- Each operation ---- */

static bool any_token(void *user, const wxtp_token_row *row)
{
    (void)user;
    (void)row;
    return true;
}

static bool any_spare(void *user, const wxtp_spare_row *row)
{
    (void)user;
    (void)row;
    return true;
}

static wxtp_status take(stage *s)
{
    wxtp_lease lease = {"new", 70, 80};
    const wxtp_status status = s->ops->lease_take(s->tx, &lease, 1000);
    if (status != WXTP_OK) { /* what the caller has stays as it was */
        assert_int_equal(lease.fence, 70);
        assert_int_equal(lease.until_boot_ms, 80);
    }
    return status;
}

static wxtp_status renew(stage *s)
{
    wxtp_lease lease = {"l", 1, 80};
    const wxtp_status status = s->ops->lease_renew(s->tx, &lease, 1000);
    assert_int_equal(lease.until_boot_ms == 80, status != WXTP_OK);
    return status;
}

static wxtp_status release(stage *s)
{
    return s->ops->lease_release(s->tx, &(wxtp_lease){"l", 1, 0});
}

static wxtp_status check(stage *s)
{
    return s->ops->lease_check(s->tx, &(wxtp_lease){"l", 1, 0});
}

static wxtp_status holder(stage *s)
{
    wxtp_lease lease = {"l", 70, 80};
    const wxtp_status status = s->ops->lease_holder(s->tx, &lease);
    assert_int_equal(lease.fence, status == WXTP_OK ? 1 : 70);
    return status;
}

static wxtp_status token_get(stage *s)
{
    wxtp_token_row row;
    return s->ops->token_get(s->tx, &key, &row);
}

static wxtp_status token_put(stage *s)
{
    return s->ops->token_put_if(s->tx, &(wxtp_token_row){.key = key, .generation = 2}, 1, NULL);
}

static wxtp_status token_put_fenced(stage *s)
{
    return s->ops->token_put_if(s->tx, &(wxtp_token_row){.key = key, .generation = 2}, 1,
                                &(wxtp_lease){"l", 1, 0});
}

static wxtp_status token_delete(stage *s)
{
    return s->ops->token_delete(s->tx, &key);
}

static wxtp_status token_due(stage *s)
{
    return s->ops->token_due(s->tx, "p", 9, 9, any_token, NULL);
}

static wxtp_status spare_add(stage *s)
{
    return s->ops->spare_add(s->tx, &(wxtp_spare_row){.key = key, .refresh = blob("r2")});
}

static wxtp_status spare_list(stage *s)
{
    return s->ops->spare_list(s->tx, &key, any_spare, NULL);
}

static wxtp_status spare_delete(stage *s)
{
    return s->ops->spare_delete(s->tx, &key, 1);
}

static wxtp_status spare_delete_all(stage *s)
{
    return s->ops->spare_delete(s->tx, &key, 0);
}

static wxtp_status intent_get(stage *s)
{
    wxtp_intent_row row;
    return s->ops->intent_get(s->tx, &key, &row);
}

static wxtp_status intent_put(stage *s)
{
    return s->ops->intent_put(s->tx, &(wxtp_intent_row){key, 2, 2, 2, 2});
}

static wxtp_status intent_delete(stage *s)
{
    return s->ops->intent_delete(s->tx, &key);
}

static const struct {
    wxtp_status (*run)(stage *s);
    bool writes;
    const char *tables[2]; /* that it cannot do without */
} operations[] = {
    {take, true, {"leases", "counters"}}, {renew, true, {"leases"}},
    {release, true, {"leases"}},          {check, false, {"leases"}},
    {holder, false, {"leases"}},          {token_get, false, {"tokens"}},
    {token_put, true, {"tokens"}},        {token_put_fenced, true, {"tokens", "leases"}},
    {token_delete, true, {"tokens"}},     {token_due, false, {"tokens"}},
    {spare_add, true, {"spares"}},        {spare_list, false, {"spares"}},
    {spare_delete, true, {"spares"}},     {spare_delete_all, true, {"spares"}},
    {intent_get, false, {"intents"}},     {intent_put, true, {"intents"}},
    {intent_delete, true, {"intents"}},
};

enum { OPERATIONS = sizeof(operations) / sizeof(*operations) };

static void each_operation_works(void **state)
{
    stage *s = *state;
    for (size_t i = 0; i < OPERATIONS; i++) {
        begin(s, operations[i].writes ? WXTP_TX_SYNC : WXTP_TX_READ);
        OK(operations[i].run(s));
        rollback(s);
    }
}

static void a_read_transaction_changes_none_of_it(void **state)
{
    stage *s = *state;
    for (size_t i = 0; i < OPERATIONS; i++) {
        begin(s, WXTP_TX_READ);
        assert_int_equal(operations[i].run(s), operations[i].writes ? WXTP_ERR_STATE : WXTP_OK);
        rollback(s);
    }
    begin(s, WXTP_TX_READ);
    OK(check(s));
    OK(token_get(s));
    OK(intent_get(s));
    rollback(s);
}

/* It says so, and the transaction that met it does nothing any more. */
static void a_table_that_cannot_be_read_is_the_stores_trouble(void **state)
{
    stage *s = *state;
    for (size_t i = 0; i < OPERATIONS; i++) {
        for (size_t j = 0; j < 2 && operations[i].tables[j] != NULL; j++) {
            char sql[64], message[256] = "";
            (void)snprintf(sql, sizeof(sql), "ALTER TABLE %s RENAME TO gone", operations[i].tables[j]);
            run_sql(s, sql);
            begin(s, WXTP_TX_SYNC);
            assert_int_equal(operations[i].run(s), WXTP_ERR_STORE);
            s->ops->message(s->store, s->tx, message, sizeof(message));
            assert_non_null(strstr(message, operations[i].tables[j]));
            for (size_t k = 0; k < OPERATIONS; k++) {
                assert_int_equal(operations[k].run(s), WXTP_ERR_STORE);
            }
            rollback(s);
            (void)snprintf(sql, sizeof(sql), "ALTER TABLE gone RENAME TO %s", operations[i].tables[j]);
            run_sql(s, sql);
        }
    }
    each_operation_works(state);
}

static void a_row_that_cannot_be_written_is_an_answer(void **state)
{
    stage *s = *state;
    for (size_t i = 0; i < OPERATIONS; i++) {
        static const char *const events[] = {"INSERT", "UPDATE", "DELETE"};
        for (size_t j = 0; j < 3; j++) {
            char sql[160];
            (void)snprintf(sql, sizeof(sql),
                           "CREATE TRIGGER t%zu BEFORE %s ON %s BEGIN SELECT RAISE(ABORT,'no more'); END", j,
                           events[j], operations[i].tables[0]);
            run_sql(s, sql);
        }
        char message[256] = "";
        begin(s, WXTP_TX_SYNC);
        assert_int_equal(operations[i].run(s), operations[i].writes ? WXTP_ERR_INVALID : WXTP_OK);
        s->ops->message(s->store, s->tx, message, sizeof(message));
        assert_int_equal(strstr(message, "no more") != NULL, operations[i].writes);
        rollback(s);
        run_sql(s, "DROP TRIGGER t0;DROP TRIGGER t1;DROP TRIGGER t2");
    }
}

/* ---- Leases ---- */

static void a_handle_without_a_byte_of_its_own_takes_no_lease(void **state)
{
    stage *s = *state;
    wxtp_lease lease = {"new", 0, 0};
    char name[128], message[256] = "";
    (void)snprintf(name, sizeof(name), "%s.lock", s->path);
    const int file = open(name, O_RDWR | O_CLOEXEC);
    struct flock rest = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = OWNERS + 1, .l_len = 0};
    assert_int_equal(fcntl(file, F_OFD_SETLK, &rest), 0); /* the first handle has the first byte */
    begin_other(s, WXTP_TX_SYNC);
    assert_int_equal(s->ops->lease_take(s->other_tx, &lease, 1000), WXTP_ERR_STORE_BUSY);
    assert_int_equal(lease.fence, 0);
    s->ops->message(s->other, s->other_tx, message, sizeof(message));
    assert_non_null(strstr(message, "no byte"));
    rollback_other(s);
    assert_int_equal(close(file), 0);
    begin_other(s, WXTP_TX_SYNC);
    OK(s->ops->lease_take(s->other_tx, &lease, 1000));
    rollback_other(s);
}

/* Whether the owner lives cannot be told: its lease is not given away. */
static void I1_a_lease_whose_owner_cannot_be_looked_up_is_not_free(void **state)
{
    stage *s = *state;
    wxtp_lease lease = {"l", 0, 0};
    run_sql(s, "ALTER TABLE owners RENAME TO gone");
    begin_other(s, WXTP_TX_SYNC);
    assert_int_equal(s->ops->lease_take(s->other_tx, &lease, 1000), WXTP_ERR_STORE);
    rollback_other(s);
    begin_other(s, WXTP_TX_READ);
    assert_int_equal(s->ops->lease_holder(s->other_tx, &lease), WXTP_ERR_STORE);
    rollback_other(s);
    run_sql(s, "ALTER TABLE gone RENAME TO owners");
}

static void I1_a_lease_is_held_until_its_last_millisecond(void **state)
{
    stage *s = *state;
    wxtp_lease seen = {"l", 0, 0}, other = {"m", 0, 0};
    begin(s, WXTP_TX_SYNC);
    OK(s->ops->lease_holder(s->tx, &seen));
    assert_int_equal(seen.until_boot_ms, atomic_load(&s->clock.now_ms) + 1000);
    OK(s->ops->lease_take(s->tx, &other, 50)); /* each name has fences of its own */
    assert_int_equal(other.fence, 1);
    assert_string_equal(other.name, "m");
    atomic_store(&s->clock.now_ms, seen.until_boot_ms - 1);
    OK(check(s));
    OK(renew(s));
    OK(s->ops->lease_holder(s->tx, &seen));
    assert_int_equal(seen.until_boot_ms, atomic_load(&s->clock.now_ms) + 1000);
    atomic_store(&s->clock.now_ms, seen.until_boot_ms);
    assert_int_equal(check(s), WXTP_ERR_CONFLICT);
    assert_int_equal(renew(s), WXTP_ERR_CONFLICT);
    rollback(s);
}

/* Nobody but the holder renews, and no fence but the newest is good. */
static void I3_what_is_not_ours_is_not_renewed(void **state)
{
    stage *s = *state;
    wxtp_lease lease = {"l", 1, 0}, never = {"never", 0, 0};
    begin_other(s, WXTP_TX_SYNC);
    OK(s->ops->lease_check(s->other_tx, &lease));
    assert_int_equal(s->ops->lease_renew(s->other_tx, &lease, 1000), WXTP_ERR_CONFLICT);
    rollback_other(s);
    begin(s, WXTP_TX_SYNC);
    for (int64_t fence = 0; fence <= 2; fence++) {
        const wxtp_status expected = fence == 1 ? WXTP_OK : WXTP_ERR_CONFLICT;
        lease.fence = fence;
        assert_int_equal(s->ops->lease_check(s->tx, &lease), expected);
        assert_int_equal(s->ops->lease_renew(s->tx, &lease, 1000), expected);
        assert_int_equal(
            s->ops->token_put_if(s->tx, &(wxtp_token_row){.key = absent, .generation = 1}, 0, &lease),
            expected);
    }
    /* A name that was never taken has no fence, not the fence 0. */
    assert_int_equal(s->ops->lease_check(s->tx, &never), WXTP_ERR_CONFLICT);
    assert_int_equal(s->ops->lease_renew(s->tx, &never, 1000), WXTP_ERR_CONFLICT);
    assert_int_equal(
        s->ops->token_put_if(s->tx, &(wxtp_token_row){.key = absent, .generation = 2}, 1, &never),
        WXTP_ERR_CONFLICT);
    rollback(s);
}

static void a_lease_without_end_does_not_wrap(void **state)
{
    stage *s = *state;
    wxtp_lease lease = {"new", 0, 0};
    begin(s, WXTP_TX_SYNC);
    OK(s->ops->lease_take(s->tx, &lease, INT64_MAX));
    assert_int_equal(lease.until_boot_ms, INT64_MAX);
    OK(s->ops->lease_renew(s->tx, &lease, INT64_MAX - atomic_load(&s->clock.now_ms) - 1));
    assert_int_equal(lease.until_boot_ms, INT64_MAX - 1);
    rollback(s);
}

/* A database that was restored begins above the fences that there were, also for names that it has not seen.
 */
static void I3_fences_begin_above_the_floor(void **state)
{
    stage *s = *state;
    wxtp_lease lease = {"new", 0, 0}, old = {"l", 0, 0};
    run_sql(s, "INSERT INTO counters VALUES('lease_floor',40)");
    begin(s, WXTP_TX_SYNC);
    OK(s->ops->lease_take(s->tx, &lease, 1000));
    assert_int_equal(lease.fence, 41);
    OK(release(s));
    OK(s->ops->lease_take(s->tx, &old, 1000)); /* it has been seen */
    assert_int_equal(old.fence, 2);
    rollback(s);
}

static void the_last_fence_that_there_can_be_is_given(void **state)
{
    stage *s = *state;
    char sql[80];
    wxtp_lease lease = {"l", 0, 0};
    (void)snprintf(sql, sizeof(sql), "UPDATE leases SET owner=0,fence=%lld", (long long)MOST - 1);
    run_sql(s, sql);
    begin(s, WXTP_TX_SYNC);
    OK(s->ops->lease_take(s->tx, &lease, 1000));
    assert_int_equal(lease.fence, MOST);
    OK(s->ops->lease_release(s->tx, &lease));
    assert_int_equal(s->ops->lease_take(s->tx, &lease, 1000), WXTP_ERR_STORE);
    rollback(s);
}

static int64_t number(const stage *s, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(s->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return value;
}

/* For who looks into the file, and for the fences of later. */
static void a_lease_leaves_when_it_was_taken_and_its_fence(void **state)
{
    stage *s = *state;
    const int64_t taken_ms = atomic_load(&s->clock.now_ms);
    assert_int_equal(number(s, "SELECT taken_ms FROM leases WHERE name='l'"), taken_ms);
    begin(s, WXTP_TX_SYNC);
    OK(release(s));
    commit(s);
    assert_int_equal(number(s, "SELECT count(*) FROM leases WHERE name='l' AND fence=1 AND owner=0"), 1);
}

/* A list that is being read has a lease of its own, which goes with the reading. */
static void a_lease_is_dropped_by_its_name(void **state)
{
    static const char names[] = "SELECT count(*) FROM leases";
    stage *s = *state;
    wxtp_job_row job = {.id = "j1", .platform = "p", .appid = "a", .state = WXTP_JOB_BUILDING};
    begin(s, WXTP_TX_SYNC);
    OK(s->ops->job_put(s->tx, &job));
    job.id = "j2";
    OK(s->ops->job_put(s->tx, &job));
    commit(s);
    assert_int_equal(number(s, names), 3);
    begin(s, WXTP_TX_SYNC);
    job.state = WXTP_JOB_PAUSED;
    OK(s->ops->job_put(s->tx, &job));
    commit(s);
    assert_int_equal(number(s, names), 2);
    begin(s, WXTP_TX_SYNC);
    OK(s->ops->job_delete(s->tx, "j1"));
    commit(s);
    assert_int_equal(number(s, names), 1);
    assert_int_equal(number(s, "SELECT count(*) FROM leases WHERE name='l' AND owner<>0"), 1);
}

/* ---- Tokens, spares, intents ---- */

static void a_generation_counts_from_one(void **state)
{
    stage *s = *state;
    char message[256] = "";
    wxtp_token_row row = {.key = absent, .generation = 0};
    begin(s, WXTP_TX_SYNC);
    assert_int_equal(s->ops->token_put_if(s->tx, &row, 0, NULL), WXTP_ERR_INVALID);
    s->ops->message(s->store, s->tx, message, sizeof(message));
    assert_non_null(strstr(message, "counts from 1"));
    assert_int_equal(s->ops->token_get(s->tx, &absent, &row), WXTP_ERR_NOT_FOUND);
    row = (wxtp_token_row){.key = absent, .generation = 1};
    OK(s->ops->token_put_if(s->tx, &row, 0, NULL));
    rollback(s);
}

typedef struct seen_tokens {
    char text[256];
    int most, count;
} seen_tokens;

static bool see_token(void *user, const wxtp_token_row *row)
{
    seen_tokens *seen = user;
    const size_t len = strlen(seen->text);
    (void)snprintf(seen->text + len, sizeof(seen->text) - len, "%s/%s %lld %lld,", row->key.platform,
                   row->key.appid, (long long)row->due_ms, (long long)row->generation);
    assert_string_equal(row->early_refusals, ""); /* not filled, and not NULL */
    return ++seen->count != seen->most;
}

static void due_tokens_come_until_the_callback_stops(void **state)
{
    stage *s = *state;
    seen_tokens all = {.most = 0}, one = {.most = 1}, none = {.most = 0}, own = {.most = 0};
    begin(s, WXTP_TX_SYNC);
    put(s, (wxtp_token_key){"", "own"}, 4);
    put(s, (wxtp_token_key){"p", "b"}, 6);
    put(s, (wxtp_token_key){"q", "c"}, 1);
    OK(s->ops->token_due(s->tx, "p", 6, SIZE_MAX, see_token, &all));
    OK(s->ops->token_due(s->tx, "p", 6, 9, see_token, &one));
    OK(s->ops->token_due(s->tx, "p", 6, 0, see_token, &none));
    OK(s->ops->token_due(s->tx, "", 6, 9, see_token, &own));
    rollback(s);
    assert_string_equal(all.text, "/own 4 1,p/a 5 1,p/b 6 1,");
    assert_string_equal(one.text, "/own 4 1,");
    assert_string_equal(none.text, "");
    assert_string_equal(own.text, "/own 4 1,");
}

typedef struct seen_spares {
    int64_t ids[4];
    int most, count;
} seen_spares;

static bool see_spare(void *user, const wxtp_spare_row *row)
{
    seen_spares *seen = user;
    assert_string_equal(row->key.platform, "p");
    assert_string_equal(row->key.appid, "a");
    assert_int_equal(row->refresh.len, 1);
    assert_memory_equal(row->refresh.data, "r", 1);
    assert_int_equal(row->added_ms, 7);
    seen->ids[seen->count] = row->id;
    return ++seen->count != seen->most;
}

static void a_spare_keeps_each_field(void **state)
{
    stage *s = *state;
    seen_spares all = {.most = 0}, one = {.most = 1};
    const wxtp_spare_row again = {.key = key, .refresh = blob("r"), .added_ms = 7};
    begin(s, WXTP_TX_SYNC);
    OK(s->ops->spare_add(s->tx, &again));
    OK(s->ops->spare_add(s->tx, &(wxtp_spare_row){.key = absent, .refresh = blob("x")}));
    OK(s->ops->spare_list(s->tx, &key, see_spare, &all));
    OK(s->ops->spare_list(s->tx, &key, see_spare, &one));
    assert_int_equal(all.count, 2);
    assert_true(all.ids[0] > all.ids[1]);
    assert_int_equal(one.count, 1);
    /* Of another key, or twice, it is not deleted. */
    assert_int_equal(s->ops->spare_delete(s->tx, &absent, all.ids[0]), WXTP_ERR_NOT_FOUND);
    OK(s->ops->spare_delete(s->tx, &key, all.ids[0]));
    assert_int_equal(s->ops->spare_delete(s->tx, &key, all.ids[0]), WXTP_ERR_NOT_FOUND);
    OK(s->ops->spare_delete(s->tx, &key, 0));
    OK(s->ops->spare_delete(s->tx, &key, 0)); /* none of them is none left */
    all.count = 0;
    OK(s->ops->spare_list(s->tx, &key, see_spare, &all));
    assert_int_equal(all.count, 0);
    rollback(s);
}

static void what_is_not_there_is_not_deleted(void **state)
{
    stage *s = *state;
    wxtp_intent_row intent;
    begin(s, WXTP_TX_SYNC);
    assert_int_equal(s->ops->token_delete(s->tx, &absent), WXTP_ERR_NOT_FOUND);
    assert_int_equal(s->ops->intent_delete(s->tx, &absent), WXTP_ERR_NOT_FOUND);
    OK(token_get(s));
    OK(s->ops->intent_get(s->tx, &key, &intent));
    assert_string_equal(intent.key.platform, "p");
    assert_string_equal(intent.key.appid, "a");
    rollback(s);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_operation_works),
        TEST(a_read_transaction_changes_none_of_it),
        TEST(a_table_that_cannot_be_read_is_the_stores_trouble),
        TEST(a_row_that_cannot_be_written_is_an_answer),
        TEST(a_handle_without_a_byte_of_its_own_takes_no_lease),
        TEST(I1_a_lease_whose_owner_cannot_be_looked_up_is_not_free),
        TEST(I1_a_lease_is_held_until_its_last_millisecond),
        TEST(I3_what_is_not_ours_is_not_renewed),
        TEST(a_lease_without_end_does_not_wrap),
        TEST(I3_fences_begin_above_the_floor),
        TEST(the_last_fence_that_there_can_be_is_given),
        TEST(a_lease_leaves_when_it_was_taken_and_its_fence),
        TEST(a_lease_is_dropped_by_its_name),
        TEST(a_generation_counts_from_one),
        TEST(due_tokens_come_until_the_callback_stops),
        TEST(a_spare_keeps_each_field),
        TEST(what_is_not_there_is_not_deleted),
    };
    return cmocka_run_group_tests_name("leases and tokens", tests, NULL, NULL);
}
