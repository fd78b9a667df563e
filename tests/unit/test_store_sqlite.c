/* The SQLite backend on a real file. */
#include "store_conformance.h"
#include "temporary.h"
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wxtp/store_sqlite.h>

#define OK(expression) assert_int_equal((expression), WXTP_OK)

typedef struct place {
    char folder[64], path[96];
} place;

static int64_t real_ms(void *user)
{
    struct timespec now;
    (void)user;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *real_boot(void *user)
{
    (void)user;
    return "this boot";
}

static void real_sleep(void *user, int64_t ms)
{
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    (void)user;
    nanosleep(&pause, NULL);
}

/* For tests with several processes, which share no memory. */
static const wxtp_clock real_clock = {sizeof real_clock, NULL, real_ms, real_ms, real_boot, real_sleep};

static void beside(const place *at, const char *suffix, char name[128])
{
    snprintf(name, 128, "%s%s", at->path, suffix);
}

static void empty(void *user)
{
    static const char *const suffixes[] = {"",     "-wal",     "-shm",     ".lock",     ".bak",
                                           ".new", ".new-wal", ".new-shm", ".new.lock", ".other"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char name[128];
        beside(user, suffixes[i], name);
        unlink(name);
    }
}

static wxtp_status open_at(const char *path, const wxtp_clock *clock, bool create, wxtp_store **store,
                           char *message)
{
    wxtp_sqlite_options options = {
        .struct_size = sizeof options, .path = path, .create = create, .migrate = create, .clock = clock};
    return wxtp_sqlite_open(&options, store, NULL, message, message != NULL ? 256 : 0);
}

static wxtp_store *open_file(void *user, const wxtp_clock *clock)
{
    wxtp_store *store = NULL;
    char message[256];
    if (open_at(((place *)user)->path, clock, true, &store, message) != WXTP_OK)
        fprintf(stderr, "open: %s\n", message);
    return store;
}

static int make_place(void **state)
{
    static place at; /* cmocka keeps the pointer */
    if (!temporary_folder(at.folder, sizeof at.folder))
        return -1;
    snprintf(at.path, sizeof at.path, "%s/s.db", at.folder);
    *state = &at;
    return 0;
}

static int remove_place(void **state)
{
    place *at = *state;
    empty(at);
    return rmdir(at->folder);
}

static wxtp_status put_meta(wxtp_store *store, wxtp_tx_mode mode, const char *value)
{
    wxtp_tx *tx;
    wxtp_status status = store->ops->begin(store, mode, &tx);
    if (status != WXTP_OK)
        return status;
    status = store->ops->meta_put(tx, "x", (wxtp_blob){value, strlen(value)});
    if (status == WXTP_OK)
        return store->ops->commit(tx);
    store->ops->rollback(tx);
    return status;
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int schema_version(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const int version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return version;
}

static void I9_files_are_private_whatever_the_umask(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    place *at = *state;
    mode_t old = umask(0);
    wxtp_store *store = open_file(at, &real_clock);
    umask(old);
    OK(put_meta(store, WXTP_TX_SYNC, "1"));
    for (size_t i = 0; i < 4; i++) {
        struct stat facts;
        char name[128];
        beside(at, suffixes[i], name);
        assert_int_equal(stat(name, &facts), 0);
        assert_int_equal(facts.st_mode & 0777, 0600);
    }
    store->ops->close(store);
}

static void opening_tells_what_the_file_is(void **state)
{
    place *at = *state;
    char message[256], lock[128];
    wxtp_store *store;
    assert_int_equal(open_at(at->path, &real_clock, false, &store, message), WXTP_ERR_NOT_FOUND);
    assert_null(store);
    beside(at, ".lock", lock);
    assert_int_equal(access(lock, F_OK), -1); /* nothing was made */

    FILE *file = fopen(at->path, "w");
    for (int i = 0; i < 200; i++)
        fputs("this is a letter, not a database\n", file);
    fclose(file);
    assert_int_equal(open_at(at->path, &real_clock, true, &store, message), WXTP_ERR_STORE);
    assert_string_not_equal(message, "");
    empty(at);

    run_sql(at->path, "PRAGMA application_id=7;CREATE TABLE t(x)");
    assert_int_equal(open_at(at->path, &real_clock, true, &store, message), WXTP_ERR_STORE);
    assert_non_null(strstr(message, "another program"));
    empty(at);

    assert_int_equal(wxtp_sqlite_open(NULL, &store, NULL, NULL, 0), WXTP_ERR_INVALID);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    place *at = *state;
    char message[256];
    wxtp_store *store = open_file(at, &real_clock);
    store->ops->close(store);
    const int version = schema_version(at->path);
    run_sql(at->path, "PRAGMA user_version=999");
    assert_int_equal(open_at(at->path, &real_clock, true, &store, message), WXTP_ERR_STORE_NEWER);
    snprintf(message, sizeof message, "PRAGMA user_version=%d", version);
    run_sql(at->path, message);
    store = open_file(at, &real_clock);
    assert_non_null(store);
    store->ops->close(store);
}

static void an_older_schema_migrates_where_allowed(void **state)
{
    place *at = *state;
    char message[256];
    wxtp_store *store;
    run_sql(at->path, "PRAGMA application_id=2004382832;CREATE TABLE unrelated(x)");
    assert_int_equal(open_at(at->path, &real_clock, false, &store, message), WXTP_ERR_STATE);
    assert_non_null(strstr(message, "migration"));
    assert_int_equal(open_at(at->path, &real_clock, true, &store, message), WXTP_OK);
    OK(put_meta(store, WXTP_TX_SYNC, "1"));
    store->ops->close(store);
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 16) - 1, file) > 0);
    fclose(file);
    return text;
}

static bool count_row(void *user, const wxtp_push_row *row)
{
    (void)row;
    ++*(int *)user;
    return true;
}

static bool keep_audit(void *user, const wxtp_audit_row *row)
{
    *(int64_t *)user = row->id;
    assert_string_equal(row->rid, "r1");
    assert_int_equal(row->made_generation, 0);
    assert_string_equal(row->source, "");
    return true;
}

/* A database of the first version keeps what it holds; what it did not record is told as such. */
static void a_database_of_version_1_is_taken_on(void **state)
{
    place *at = *state;
    char message[256];
    wxtp_store *store;
    wxtp_tx *tx;
    wxtp_tenant_row tenant;
    wxtp_push_row push;
    wxtp_code_row code;
    int pushes = 0;
    int64_t audit = 0;
    char *schema = read_text(WXTP_SCHEMA_DIR "/0001_initial.sql");
    run_sql(at->path, schema);
    free(schema);
    run_sql(
        at->path,
        "PRAGMA application_id=2004382832;PRAGMA user_version=1;"
        "INSERT INTO tenants VALUES('p','a',0,1,1,2,0,1,'1,2','n','p','u',1,-1,-1,-1,1,2,3,x'','',0,0,4,5,6);"
        "INSERT INTO pushes VALUES('p',x'64',10);"
        "INSERT INTO codes VALUES('p',x'63','a',x'00',0,1,2,99);"
        "INSERT INTO audit VALUES(5000,5,'p','a','call','',1,0,'ok','r1',1,7)");
    assert_int_equal(open_at(at->path, &real_clock, false, &store, message), WXTP_ERR_STATE);
    assert_int_equal(open_at(at->path, &real_clock, true, &store, message), WXTP_OK);
    assert_true(schema_version(at->path) >= 3);
    OK(store->ops->begin(store, WXTP_TX_WRITE, &tx));
    OK(store->ops->tenant_get(tx, "p", "a", &tenant));
    assert_string_equal(tenant.permission_sets, "1,2");
    assert_int_equal(tenant.updated_ms, 6);
    assert_string_equal(tenant.status_source, "");
    OK(store->ops->code_get(tx, "p", (wxtp_blob){"c", 1}, &code));
    assert_int_equal(code.expires_ms, 99);
    assert_string_equal(code.source, "");
    /* It is known, so that it does not count again, but nobody knows what it was. */
    assert_int_equal(store->ops->push_remember(tx, "p", (wxtp_blob){"d", 1}, 11), WXTP_ERR_EXISTS);
    assert_int_equal(store->ops->push_get(tx, "p", (wxtp_blob){"d", 1}, &push), WXTP_ERR_NOT_FOUND);
    OK(store->ops->push_list(tx, &(wxtp_push_filter){"p", NULL, 0, 9}, count_row, &pushes));
    assert_int_equal(pushes, 0);
    OK(store->ops->audit_list(tx, &(wxtp_audit_filter){"p", NULL, 0, 9, false, 0}, keep_audit, &audit));
    assert_int_equal(audit, 5000);
    store->ops->rollback(tx);
    store->ops->close(store);
}

/* A database of the first version, with a job in it, is brought up to date and takes what is newer. */
static void a_database_of_the_first_version_keeps_its_jobs(void **state)
{
    enum { SCHEMA_MAX = 1 << 16 };
    place *at = *state;
    char message[256];
    wxtp_store *store;
    wxtp_tx *tx;
    wxtp_job_row job;
    char *schema = calloc(1, SCHEMA_MAX);
    FILE *file = fopen(WXTP_SCHEMA_DIR "/0001_initial.sql", "r");
    assert_true(schema != NULL && file != NULL && fread(schema, 1, SCHEMA_MAX - 1, file) > 0);
    fclose(file);
    run_sql(at->path, schema);
    free(schema);
    run_sql(at->path,
            "PRAGMA application_id=2004382832;PRAGMA user_version=1;"
            "INSERT INTO jobs VALUES(1,'j','p','a','c',3,0,0,0,5,0,5,0,0,0,0,0,0,0,1,1,1,1,'','','','',0)");
    assert_int_equal(open_at(at->path, &real_clock, true, &store, message), WXTP_OK);
    OK(store->ops->begin(store, WXTP_TX_WRITE, &tx));
    OK(store->ops->job_get(tx, "j", &job));
    assert_int_equal(job.succeeded, 5);
    OK(store->ops->snapshot_put(tx, &(wxtp_snapshot_row){.job_id = "j", .listed = 3}));
    OK(store->ops->commit(tx));
    store->ops->close(store);
}

/* ---- Several processes ---- */

enum { PROCESSES = 4, COMMITS = 150 };

/* One more, COMMITS times. */
static int count_up(const place *at, wxtp_tx_mode mode, size_t padding)
{
    wxtp_store *store;
    char message[256];
    if (open_at(at->path, &real_clock, true, &store, message) != WXTP_OK) {
        fprintf(stderr, "child: %s\n", message);
        return 1;
    }
    char *value = calloc(1, sizeof(int64_t) + padding);
    int result = value == NULL;
    for (int i = 0; i < COMMITS && result == 0; i++) {
        wxtp_tx *tx;
        wxtp_blob kept;
        int64_t count = 0;
        if (store->ops->begin(store, mode, &tx) != WXTP_OK) {
            store->ops->message(store, NULL, message, sizeof message);
            fprintf(stderr, "child: begin: %s\n", message);
            result = 2;
            break;
        }
        if (store->ops->meta_get(tx, "count", &kept) == WXTP_OK)
            memcpy(&count, kept.data, sizeof count);
        count++;
        memcpy(value, &count, sizeof count);
        if (store->ops->meta_put(tx, "count", (wxtp_blob){value, sizeof count + padding}) != WXTP_OK)
            result = 3;
        if (store->ops->commit(tx) != WXTP_OK)
            result = 4;
    }
    free(value);
    store->ops->close(store);
    return result;
}

static off_t size_of(const place *at, const char *suffix)
{
    struct stat facts;
    char name[128];
    beside(at, suffix, name);
    return stat(name, &facts) == 0 ? facts.st_size : 0;
}

static int64_t read_count(const place *at)
{
    wxtp_store *store = open_file((void *)(uintptr_t)at, &real_clock);
    wxtp_tx *tx;
    wxtp_blob kept;
    int64_t count = 0;
    OK(store->ops->begin(store, WXTP_TX_READ, &tx));
    OK(store->ops->meta_get(tx, "count", &kept));
    memcpy(&count, kept.data, sizeof count);
    store->ops->rollback(tx);
    store->ops->close(store);
    return count;
}

/* The greatest size that the WAL had while the processes ran. */
static off_t run_processes(const place *at, wxtp_tx_mode mode, size_t padding)
{
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(count_up(at, mode, padding));
    }
    off_t most = 0;
    for (int left = PROCESSES; left > 0;) {
        int status;
        pid_t done = waitpid(-1, &status, WNOHANG);
        if (done > 0) {
            assert_int_equal(status, 0);
            left--;
        }
        off_t size = size_of(at, "-wal");
        most = size > most ? size : most;
        real_sleep(NULL, 1); /* a look at the size now and then */
    }
    return most;
}

static void no_update_of_several_processes_is_lost(void **state)
{
    run_processes(*state, WXTP_TX_SYNC, 0); /* they also race to make the file */
    assert_int_equal(read_count(*state), PROCESSES * COMMITS);
}

static void I11_the_wal_stays_bounded_under_steady_writers(void **state)
{
    /* 4 x 150 commits of 120,000 bytes are 72 MB. */
    off_t most = run_processes(*state, WXTP_TX_WRITE, 120000);
    assert_int_equal(read_count(*state), PROCESSES * COMMITS);
    assert_true(most < 24 << 20);
}

static void two_handles_of_one_process_write_in_turn(void **state)
{
    wxtp_store *one = open_file(*state, &real_clock), *two = open_file(*state, &real_clock);
    for (int i = 0; i < 50; i++) {
        OK(put_meta(one, WXTP_TX_WRITE, "1"));
        OK(put_meta(two, WXTP_TX_SYNC, "2"));
    }
    one->ops->close(one);
    OK(put_meta(two, WXTP_TX_SYNC, "3"));
    two->ops->close(two);
}

static void a_busy_store_is_waited_for_just_as_long(void **state)
{
    place *at = *state;
    wxtp_store *one = open_file(at, &real_clock), *two;
    wxtp_sqlite_options options = {
        .struct_size = sizeof options, .path = at->path, .busy_ms = 200, .clock = &real_clock};
    wxtp_tx *tx;
    char message[256] = "";
    OK(wxtp_sqlite_open(&options, &two, NULL, NULL, 0));
    OK(one->ops->begin(one, WXTP_TX_WRITE, &tx));
    OK(one->ops->meta_put(tx, "x", (wxtp_blob){"1", 1}));
    int64_t start = real_ms(NULL);
    assert_int_equal(put_meta(two, WXTP_TX_WRITE, "2"), WXTP_ERR_STORE_BUSY);
    assert_true(real_ms(NULL) - start >= 200);
    two->ops->message(two, NULL, message, sizeof message);
    assert_string_not_equal(message, "");
    OK(one->ops->commit(tx));
    OK(put_meta(two, WXTP_TX_WRITE, "2"));
    two->ops->close(two);
    one->ops->close(one);
}

/* A process that takes a lease, says so, and waits to be killed. */
static pid_t start_holder(const place *at, int64_t duration_ms)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        wxtp_store *store = open_file((void *)(uintptr_t)at, &real_clock);
        wxtp_lease lease = {"token:p:a", 0, 0};
        wxtp_tx *tx;
        if (store == NULL || store->ops->begin(store, WXTP_TX_SYNC, &tx) != WXTP_OK ||
            store->ops->lease_take(tx, &lease, duration_ms) != WXTP_OK || store->ops->commit(tx) != WXTP_OK ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static wxtp_status take(wxtp_store *store, wxtp_lease *lease)
{
    wxtp_tx *tx;
    OK(store->ops->begin(store, WXTP_TX_SYNC, &tx));
    wxtp_status status = store->ops->lease_take(tx, lease, 1000);
    OK(store->ops->commit(tx));
    return status;
}

static void I13_a_killed_holder_frees_its_lease_at_once(void **state)
{
    int status;
    wxtp_store *store = open_file(*state, &real_clock);
    wxtp_lease lease = {"token:p:a", 0, 0};
    pid_t child = start_holder(*state, 3600000);
    assert_int_equal(take(store, &lease), WXTP_ERR_STATE);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    OK(take(store, &lease));
    assert_int_equal(lease.fence, 2);
    store->ops->close(store);
}

static void I13_a_stopped_holder_keeps_its_lease_until_it_runs_out(void **state)
{
    int status;
    wxtp_store *store = open_file(*state, &real_clock);
    wxtp_lease lease = {"token:p:a", 0, 0};
    pid_t child = start_holder(*state, 500);
    kill(child, SIGSTOP);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_int_equal(take(store, &lease), WXTP_ERR_STATE);
    while (real_ms(NULL) < lease.until_boot_ms)
        real_sleep(NULL, 5);
    OK(take(store, &lease));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    store->ops->close(store);
}

static bool is_held(wxtp_store *store, const char *name)
{
    wxtp_lease lease = {name, 0, 0};
    wxtp_tx *tx;
    OK(store->ops->begin(store, WXTP_TX_READ, &tx));
    const wxtp_status status = store->ops->lease_holder(tx, &lease);
    store->ops->rollback(tx);
    assert_true(status == WXTP_OK || status == WXTP_ERR_NOT_FOUND);
    return status == WXTP_OK;
}

/* A handle becomes an owner with its first lease that is committed, and with no other. */
static void I13_a_first_lease_that_is_undone_revives_no_dead_owner(void **state)
{
    int ready[2], status;
    char byte;
    wxtp_tx *tx;
    wxtp_lease dead = {"dead", 0, 0}, mine = {"mine", 0, 0};
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        wxtp_store *store = open_file(*state, &real_clock);
        if (store == NULL || store->ops->begin(store, WXTP_TX_SYNC, &tx) != WXTP_OK ||
            store->ops->lease_take(tx, &dead, 3600000) != WXTP_OK || store->ops->commit(tx) != WXTP_OK ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    wxtp_store *store = open_file(*state, &real_clock), *other = open_file(*state, &real_clock);
    assert_true(is_held(store, "dead"));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    assert_false(is_held(store, "dead"));
    OK(store->ops->begin(store, WXTP_TX_SYNC, &tx));
    OK(store->ops->lease_take(tx, &mine, 3600000)); /* on the byte that the dead one had */
    store->ops->rollback(tx);
    assert_false(is_held(other, "dead"));
    assert_false(is_held(other, "mine"));
    OK(store->ops->begin(store, WXTP_TX_SYNC, &tx));
    OK(store->ops->savepoint(tx));
    OK(store->ops->lease_take(tx, &mine, 3600000));
    OK(store->ops->rollback_to(tx));
    OK(store->ops->commit(tx));
    assert_false(is_held(other, "dead"));
    OK(store->ops->begin(store, WXTP_TX_SYNC, &tx));
    OK(store->ops->lease_take(tx, &mine, 3600000));
    OK(store->ops->commit(tx));
    assert_true(is_held(other, "mine"));
    assert_false(is_held(other, "dead"));
    store->ops->close(store);
    assert_false(is_held(other, "mine"));
    other->ops->close(other);
}

static void I7_a_job_whose_builder_died_is_swept(void **state)
{
    int ready[2], status;
    char byte;
    wxtp_tx *tx;
    wxtp_job_row job = {.id = "j", .platform = "p", .appid = "a", .state = WXTP_JOB_BUILDING};
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        wxtp_store *store = open_file(*state, &real_clock);
        if (store == NULL || store->ops->begin(store, WXTP_TX_SYNC, &tx) != WXTP_OK ||
            store->ops->job_put(tx, &job) != WXTP_OK || store->ops->commit(tx) != WXTP_OK ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    wxtp_store *store = open_file(*state, &real_clock);
    OK(store->ops->sweep(store));
    OK(store->ops->begin(store, WXTP_TX_READ, &tx));
    OK(store->ops->job_get(tx, "j", &job)); /* it lives: nothing is swept */
    store->ops->rollback(tx);
    store->ops->close(store);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    store = open_file(*state, &real_clock);
    OK(store->ops->sweep(store));
    OK(store->ops->begin(store, WXTP_TX_READ, &tx));
    assert_int_equal(store->ops->job_get(tx, "j", &job), WXTP_ERR_NOT_FOUND);
    store->ops->rollback(tx);
    store->ops->close(store);
}

/* ---- Several threads ---- */

static void *use_store(void *user)
{
    wxtp_store *store = user;
    for (int i = 0; i < 100; i++) {
        wxtp_tx *tx;
        wxtp_blob kept;
        int64_t count = 0;
        if (store->ops->begin(store, i % 10 == 0 ? WXTP_TX_SYNC : WXTP_TX_WRITE, &tx) != WXTP_OK)
            return NULL;
        if (store->ops->meta_get(tx, "count", &kept) == WXTP_OK)
            memcpy(&count, kept.data, sizeof count);
        count++;
        store->ops->meta_put(tx, "count", (wxtp_blob){&count, sizeof count});
        if (store->ops->commit(tx) != WXTP_OK || store->ops->begin(store, WXTP_TX_READ, &tx) != WXTP_OK)
            return NULL;
        store->ops->meta_get(tx, "count", &kept);
        store->ops->rollback(tx);
        if (i % 20 == 0 && store->ops->maintain(store) != WXTP_OK)
            return NULL;
    }
    return user;
}

static void threads_share_a_handle(void **state)
{
    pthread_t threads[4];
    wxtp_store *store = open_file(*state, &real_clock);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_store, store), 0);
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, store);
    }
    store->ops->close(store);
    assert_int_equal(read_count(*state), 400);
}

typedef struct failing {
    int left; /* allocations until the one that fails; then all do where `ever` */
    bool ever;
    int blocks;
} failing;

static void *failing_allocate(void *user, size_t size)
{
    failing *f = user;
    if (f->left == 0) {
        if (!f->ever)
            f->left = -1;
        return NULL;
    }
    if (f->left > 0)
        f->left--;
    void *memory = malloc(size);
    f->blocks += memory != NULL;
    return memory;
}

static void failing_release(void *user, void *memory)
{
    ((failing *)user)->blocks--;
    free(memory);
}

static bool any_tenant(void *user, const wxtp_tenant_row *row)
{
    (void)user;
    (void)row;
    return true;
}

/* A little of all that allocates; the first trouble. */
static wxtp_status use_memory(const place *at, failing *f)
{
    const wxtp_allocator allocator = {sizeof allocator, f, failing_allocate, failing_release};
    wxtp_sqlite_options options = {.struct_size = sizeof options,
                                   .path = at->path,
                                   .create = true,
                                   .migrate = true,
                                   .clock = &real_clock,
                                   .allocator = &allocator};
    wxtp_tenant_filter filter = {"p", -1, -1, -1, NULL, NULL, 10, false};
    wxtp_job_row job = {.id = "j", .platform = "p", .appid = "a", .state = WXTP_JOB_BUILDING};
    wxtp_store *store;
    wxtp_tx *tx;
    void *builder = NULL;
    int64_t distinct, invalid, duplicates;
    wxtp_status status = wxtp_sqlite_open(&options, &store, NULL, NULL, 0);
    if (status != WXTP_OK)
        return status;
    status = store->ops->begin(store, WXTP_TX_WRITE, &tx);
    if (status == WXTP_OK) {
        status = store->ops->tenant_put(tx, &(wxtp_tenant_row){.platform = "p", .appid = "a"});
        if (status == WXTP_OK)
            status = store->ops->tenant_list(tx, &filter, any_tenant, NULL);
        if (status == WXTP_OK)
            status = store->ops->job_put(tx, &job);
        if (status == WXTP_OK)
            status = store->ops->commit(tx);
        else
            store->ops->rollback(tx);
    }
    if (status == WXTP_OK)
        status = store->ops->build_begin(store, "j", &builder);
    if (status == WXTP_OK)
        status = store->ops->build_add(builder, "o1", 2);
    if (status == WXTP_OK)
        status = store->ops->build_finish(builder, &distinct, &invalid, &duplicates);
    store->ops->build_free(builder);
    store->ops->close(store);
    return status;
}

static void I11_running_out_of_memory_is_an_answer(void **state)
{
    for (int ever = 0; ever < 2; ever++) {
        wxtp_status status = WXTP_ERR_NOMEM;
        for (int n = 0; status != WXTP_OK; n++) {
            failing f = {n, ever != 0, 0};
            empty(*state);
            assert_true(n < 1000);
            status = use_memory(*state, &f);
            assert_true(status == WXTP_OK || status == WXTP_ERR_NOMEM);
            assert_int_equal(f.blocks, 0);
            if (status == WXTP_OK && f.left < 0)
                status = WXTP_ERR_NOMEM; /* a failure in the end did no harm: go on */
        }
    }
}

/* ---- Backup and restore ---- */

/* The first rollback of a handle: one that could not be prepared would leave it in its transaction, and keep
 * all others out. */
static void I11_a_transaction_is_rolled_back_also_without_memory(void **state)
{
    wxtp_store *store = open_file(*state, &real_clock);
    wxtp_tx *tx = NULL;
    OK(store->ops->begin(store, WXTP_TX_WRITE, &tx));
    OK(store->ops->meta_put(tx, "given up", (wxtp_blob){"1", 1}));
    sqlite3_hard_heap_limit64(1);
    store->ops->rollback(tx);
    sqlite3_hard_heap_limit64(0);
    wxtp_store *other = open_file(*state, &real_clock);
    OK(other->ops->begin(other, WXTP_TX_WRITE, &tx));
    wxtp_blob value;
    assert_int_equal(other->ops->meta_get(tx, "given up", &value), WXTP_ERR_NOT_FOUND);
    OK(other->ops->commit(tx));
    OK(store->ops->begin(store, WXTP_TX_WRITE, &tx));
    store->ops->rollback(tx);
    other->ops->close(other);
    store->ops->close(store);
}

static void keep_problem(void *user, const char *text)
{
    fprintf(stderr, "problem: %s\n", text);
    ++*(int *)user;
}

static void a_backup_is_consistent_while_others_write(void **state)
{
    place *at = *state;
    char name[128];
    int status, problems = 0;
    wxtp_store *store = open_file(at, &real_clock);
    pid_t child = fork();
    if (child == 0)
        _exit(count_up(at, WXTP_TX_WRITE, 50000));
    beside(at, ".bak", name);
    OK(store->ops->backup(store, name));
    assert_int_equal(store->ops->backup(store, name), WXTP_ERR_EXISTS);
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    store->ops->close(store);
    struct stat facts;
    assert_int_equal(stat(name, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);

    beside(at, ".new", name);
    char backup[128];
    beside(at, ".bak", backup);
    wxtp_sqlite_options options = {.struct_size = sizeof options, .path = name, .clock = &real_clock};
    OK(wxtp_sqlite_restore(&options, backup, NULL, 0));
    OK(wxtp_sqlite_open(&options, &store, NULL, NULL, 0));
    OK(store->ops->check(store, keep_problem, &problems));
    assert_int_equal(problems, 0);
    store->ops->close(store);
}

static void a_restored_backup_is_another_instance(void **state)
{
    place *at = *state;
    char backup[128], name[128], message[256];
    wxtp_store *store = open_file(at, &real_clock);
    wxtp_tx *tx;
    wxtp_blob value;
    wxtp_ticket_row ticket;
    wxtp_token_row token = {.key = {"p", "a"}, .generation = 3, .due_ms = 9, .expires_ms = 9};
    wxtp_intent_row intent = {.key = {"p", "a"}, .generation = 3, .fence = 1};
    wxtp_job_row job = {.id = "run", .platform = "p", .appid = "a", .state = WXTP_JOB_RUNNING};
    wxtp_lease lease = {"job:run", 0, 0}, old;
    OK(store->ops->begin(store, WXTP_TX_SYNC, &tx));
    OK(store->ops->meta_put(tx, "instance", (wxtp_blob){"i", 1}));
    OK(store->ops->meta_put(tx, "key", (wxtp_blob){"k", 1}));
    OK(store->ops->ticket_put(tx, &(wxtp_ticket_row){.component_appid = "p"}));
    OK(store->ops->token_put_if(tx, &token, 0, NULL));
    OK(store->ops->intent_put(tx, &intent));
    OK(store->ops->job_put(tx, &job));
    job.id = "build";
    job.state = WXTP_JOB_BUILDING;
    OK(store->ops->job_put(tx, &job));
    job.id = "done";
    job.state = WXTP_JOB_DONE;
    OK(store->ops->job_put(tx, &job));
    OK(store->ops->lease_take(tx, &lease, 3600000));
    OK(store->ops->commit(tx));
    old = lease;
    beside(at, ".bak", backup);
    beside(at, ".new", name);
    OK(store->ops->backup(store, backup));

    wxtp_sqlite_options options = {.struct_size = sizeof options, .path = at->path, .clock = &real_clock};
    assert_int_equal(wxtp_sqlite_restore(&options, backup, message, sizeof message), WXTP_ERR_EXISTS);
    store->ops->close(store);
    options.path = name;
    assert_int_equal(wxtp_sqlite_restore(&options, at->folder, message, sizeof message), WXTP_ERR_STORE);
    OK(wxtp_sqlite_restore(&options, backup, message, sizeof message));
    assert_int_equal(wxtp_sqlite_restore(&options, "/nowhere/x", message, sizeof message),
                     WXTP_ERR_NOT_FOUND);
    OK(wxtp_sqlite_open(&options, &store, NULL, NULL, 0));
    OK(store->ops->begin(store, WXTP_TX_SYNC, &tx));
    assert_int_equal(store->ops->meta_get(tx, "instance", &value), WXTP_ERR_NOT_FOUND);
    OK(store->ops->meta_get(tx, "key", &value));
    assert_int_equal(store->ops->ticket_get(tx, "p", &ticket), WXTP_ERR_NOT_FOUND);
    OK(store->ops->token_get(tx, &(wxtp_token_key){"p", "a"}, &token));
    assert_int_equal(token.generation, 3);
    assert_int_equal(token.due_ms, 0);
    assert_int_equal(token.expires_ms, 9);
    OK(store->ops->intent_get(tx, &(wxtp_token_key){"p", "a"}, &intent));
    OK(store->ops->job_get(tx, "run", &job));
    assert_int_equal(job.state, WXTP_JOB_PAUSED);
    assert_int_equal(job.paused_by, WXTP_PAUSED_BY_RESTORED);
    assert_int_equal(store->ops->job_get(tx, "build", &job), WXTP_ERR_NOT_FOUND);
    OK(store->ops->job_get(tx, "done", &job));
    assert_int_equal(job.state, WXTP_JOB_DONE);
    OK(store->ops->lease_take(tx, &lease, 1000));
    assert_true(lease.fence > old.fence);
    OK(store->ops->commit(tx));
    store->ops->close(store);
}

static void I7_the_check_finds_jobs_that_do_not_add_up(void **state)
{
    int problems = 0;
    wxtp_tx *tx;
    wxtp_store *store = open_file(*state, &real_clock);
    OK(store->ops->begin(store, WXTP_TX_SYNC, &tx));
    OK(store->ops->job_put(
        tx, &(wxtp_job_row){.id = "j", .state = WXTP_JOB_RUNNING, .requested = 2, .pending = 2}));
    OK(store->ops->batch_put(tx, &(wxtp_batch_row){"j", 0, "a\nb", "..", false}));
    OK(store->ops->commit(tx));
    OK(store->ops->check(store, keep_problem, &problems));
    assert_int_equal(problems, 0);
    OK(store->ops->begin(store, WXTP_TX_SYNC, &tx));
    OK(store->ops->batch_put(tx, &(wxtp_batch_row){"j", 0, "a\nb", "+.", false}));
    OK(store->ops->commit(tx));
    fprintf(stderr, "one problem is wanted here: ");
    OK(store->ops->check(store, keep_problem, &problems));
    assert_int_equal(problems, 1);
    store->ops->close(store);
}

static void I11_a_damaged_row_gives_no_number_beyond_all_sense(void **state)
{
    int problems = 0;
    wxtp_tx *tx;
    wxtp_token_row token = {.key = {"p", "a"}, .generation = 1};
    wxtp_lease lease = {.name = "l"};
    place *at = *state;
    wxtp_store *store = open_file(at, &real_clock);
    OK(store->ops->begin(store, WXTP_TX_SYNC, &tx));
    OK(store->ops->token_put_if(tx, &token, 0, NULL));
    OK(store->ops->lease_take(tx, &lease, 1000));
    OK(store->ops->lease_release(tx, &lease));
    OK(store->ops->commit(tx));
    store->ops->close(store);
    run_sql(at->path, "UPDATE tokens SET expires_ms=9223372036854775807,due_ms=-9223372036854775808,"
                      "generation=1<<52;"
                      "UPDATE leases SET fence=9223372036854775807");
    store = open_file(at, &real_clock);
    OK(store->ops->begin(store, WXTP_TX_SYNC, &tx));
    OK(store->ops->token_get(tx, &(wxtp_token_key){"p", "a"}, &token));
    assert_int_equal(token.expires_ms, INT64_C(1) << 53);
    assert_int_equal(token.due_ms, -(INT64_C(1) << 53));
    /* There is no fence after it. */
    assert_int_equal(store->ops->lease_take(tx, &lease, 1000), WXTP_ERR_STORE);
    store->ops->rollback(tx);
    fprintf(stderr, "two problems are wanted here: ");
    OK(store->ops->check(store, keep_problem, &problems));
    assert_int_equal(problems, 2);
    store->ops->close(store);
}

/* ---- Size ---- */

static long peak_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        (void)sscanf(line, "VmHWM: %ld", &kib);
    if (file != NULL)
        fclose(file);
    return kib;
}

/* In a process of its own, so that the peak is of this alone. */
static int build_many(const place *at, int count)
{
    void *builder;
    int64_t distinct, invalid, duplicates;
    wxtp_tx *tx;
    wxtp_store *store = open_file((void *)(uintptr_t)at, &real_clock);
    wxtp_job_row job = {.id = "j", .platform = "p", .appid = "a", .state = WXTP_JOB_BUILDING};
    if (store == NULL || store->ops->begin(store, WXTP_TX_SYNC, &tx) != WXTP_OK ||
        store->ops->job_put(tx, &job) != WXTP_OK || store->ops->commit(tx) != WXTP_OK)
        return 1;
    long before = peak_kib();
    if (store->ops->build_begin(store, "j", &builder) != WXTP_OK)
        return 2;
    for (int i = 0; i < count; i++) {
        char openid[40];
        int len = snprintf(openid, sizeof openid, "oABCDEFGHIJKLMNOPQR_%08lld", (long long)i * 7919 % count);
        if (store->ops->build_add(builder, openid, (size_t)len) != WXTP_OK)
            return 3;
    }
    if (store->ops->build_finish(builder, &distinct, &invalid, &duplicates) != WXTP_OK || distinct != count)
        return 4;
    store->ops->build_free(builder);
    long grown = peak_kib() - before;
    store->ops->close(store);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    grown = 0; /* a sanitizer's own memory grows */
#endif
    return grown > 24 * 1024 ? 5 : 0;
}

static void I11_building_takes_disk_not_memory(void **state)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(build_many(*state, 200000));
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

static int keep_plan(void *user, int columns, char **values, char **names)
{
    char *text = user;
    (void)names;
    if (columns > 3 && values[3] != NULL)
        snprintf(text + strlen(text), 2048 - strlen(text), "%s;", values[3]);
    return 0;
}

static bool stop(void *user, const wxtp_tenant_row *row)
{
    (void)row;
    ++*(int *)user;
    return true;
}

static void tenant_pages_come_from_an_index(void **state)
{
    static const char *const queries[] = {
        "SELECT appid FROM tenants WHERE platform='p' AND removed=0 AND credential=0 AND appid>='a' ORDER BY "
        "appid",
        "SELECT appid FROM tenants WHERE platform='p' AND removed=0 AND credential=0 AND certified=1 AND "
        "status=1 AND "
        "appid>='a' ORDER BY appid",
        "SELECT appid FROM tokens WHERE platform='p' AND due_ms<=5 ORDER BY due_ms,appid LIMIT 9",
        "SELECT why FROM pushes INDEXED BY pushes_by_account WHERE platform='p' AND appid='a' AND appid<>'' "
        "AND "
        "received_ms>=5 ORDER BY received_ms DESC,digest DESC LIMIT 9",
        "SELECT id FROM audit INDEXED BY audit_makers WHERE platform='p' AND appid='a' AND made_generation>0 "
        "AND id<9 "
        "ORDER BY id DESC LIMIT 1",
        "SELECT id FROM audit INDEXED BY audit_by_rid WHERE rid='r' AND rid<>'' AND platform IN('p','') "
        "ORDER BY id "
        "DESC LIMIT 1",
    };
    place *at = *state;
    wxtp_store *store = open_file(at, &real_clock);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(at->path, &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        char sql[512], plan[2048] = "";
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", queries[i]);
        assert_int_equal(sqlite3_exec(db, sql, keep_plan, plan, NULL), SQLITE_OK);
        assert_non_null(strstr(plan, " INDEX "));
        assert_null(strstr(plan, "SCAN"));
        assert_null(strstr(plan, "TEMP B-TREE"));
    }
    /* 30,000 tenants of which 10 match. */
    static const char fill[] = "WITH RECURSIVE n(i) AS(SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<29999) "
                               "INSERT INTO tenants SELECT "
                               "'p',printf('wx%08d',i),0,1,1,2,0,0,'1,2','n','p','u',i%3000=7,-1,-1,-1,0,0,0,"
                               "x'','',0,0,0,0,0,'' FROM n";
    assert_int_equal(sqlite3_exec(db, fill, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    int found = 0;
    wxtp_tx *tx;
    wxtp_tenant_filter filter = {"p", -1, 1, -1, NULL, NULL, 100, false};
    OK(store->ops->begin(store, WXTP_TX_READ, &tx));
    OK(store->ops->tenant_list(tx, &filter, stop, &found));
    store->ops->rollback(tx);
    assert_int_equal(found, 10);
    store->ops->close(store);
}

static void versions_with_the_wal_bug_are_known(void **state)
{
    (void)state;
    assert_string_equal(wxtp_sqlite_version(), sqlite3_libversion());
    if (sqlite3_libversion_number() == 3040001)
        assert_true(wxtp_sqlite_has_wal_reset_bug());
    if (sqlite3_libversion_number() >= 3051003)
        assert_false(wxtp_sqlite_has_wal_reset_bug());
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        TEST(I9_files_are_private_whatever_the_umask),
        TEST(opening_tells_what_the_file_is),
        TEST(a_newer_schema_is_refused_and_left_alone),
        TEST(an_older_schema_migrates_where_allowed),
        TEST(a_database_of_version_1_is_taken_on),
        TEST(a_database_of_the_first_version_keeps_its_jobs),
        TEST(no_update_of_several_processes_is_lost),
        TEST(I11_the_wal_stays_bounded_under_steady_writers),
        TEST(two_handles_of_one_process_write_in_turn),
        TEST(a_busy_store_is_waited_for_just_as_long),
        TEST(I13_a_killed_holder_frees_its_lease_at_once),
        TEST(I13_a_stopped_holder_keeps_its_lease_until_it_runs_out),
        TEST(I13_a_first_lease_that_is_undone_revives_no_dead_owner),
        TEST(I7_a_job_whose_builder_died_is_swept),
        TEST(threads_share_a_handle),
        TEST(I11_running_out_of_memory_is_an_answer),
        TEST(I11_a_transaction_is_rolled_back_also_without_memory),
        TEST(a_backup_is_consistent_while_others_write),
        TEST(a_restored_backup_is_another_instance),
        TEST(I7_the_check_finds_jobs_that_do_not_add_up),
        TEST(I11_a_damaged_row_gives_no_number_beyond_all_sense),
        TEST(I11_building_takes_disk_not_memory),
        TEST(tenant_pages_come_from_an_index),
        TEST(versions_with_the_wal_bug_are_known),
    };
    void *at = NULL;
    if (make_place(&at) != 0)
        return 1;
    store_factory factory = {empty, open_file, at};
    int failed = store_conformance_run("store contract on sqlite", &factory);
    remove_place(&at);
    return failed + cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
}
