/*
 * SQLite 3.7.0 to 3.51.2 can lose committed pages when two checkpoints and a commit that resets the WAL meet.
 * This shows that the store's guard keeps them apart, and that without it commits are lost:
 *
 * - the meeting itself, step by step, with two handles of one process;
 * - a stress: processes that write and checkpoint as fast as they can, each checkpoint held up at the point
 * where it is in danger.
 *
 *     wal_reset [--seconds N] [--without-guard]
 *
 * --without-guard runs the stress without it, and fails when commits are lost.
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <wxtp/store_sqlite.h>

#include "disk.h"
#include "fake_clock.h"

enum { WRITERS = 3, WRITES = 60, VALUE = 3000, LINGER_US = 1000, TIMES_FASTER = 2000 };

static char folder[64], database[96];

static void must(bool good, const char *what)
{
    if (!good) {
        (void)printf("FAILED: %s\n", what);
        exit(2);
    }
}

static wxtp_store *open_store(const wxtp_clock *clock)
{
    wxtp_store *store = NULL;
    char message[256] = "";
    const wxtp_sqlite_options options = {.struct_size = sizeof(options),
                                         .path = database,
                                         .create = true,
                                         .migrate = true,
                                         .busy_ms = 60000000,
                                         .clock = clock};
    must(wxtp_sqlite_open(&options, &store, NULL, message, sizeof(message)) == WXTP_OK, message);
    return store;
}

/* A value of several pages that begins with its number. */
static wxtp_status put(wxtp_store *store, wxtp_tx *tx, const char *name, int64_t number)
{
    char text[VALUE];
    memset(text, 'x', sizeof(text));
    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    return store->ops->meta_put(tx, name, (wxtp_blob){text, sizeof(text)});
}

/* Lingers so many microseconds between writing and the commit. */
static wxtp_status write_number(wxtp_store *store, const char *name, int64_t number, unsigned linger)
{
    wxtp_tx *tx = NULL;
    wxtp_status status = store->ops->begin(store, WXTP_TX_SYNC, &tx);
    if (status != WXTP_OK) {
        return status;
    }
    status = put(store, tx, name, number);
    if (status != WXTP_OK) {
        store->ops->rollback(tx);
        return status;
    }
    if (linger > 0) {
        (void)usleep(linger);
    }
    return store->ops->commit(tx);
}

/* -1: not there, or not to be read. */
static int64_t read_number(wxtp_store *store, const char *name)
{
    wxtp_tx *tx = NULL;
    wxtp_blob value = {NULL, 0};
    int64_t number = -1;
    if (store->ops->begin(store, WXTP_TX_READ, &tx) == WXTP_OK) {
        if (store->ops->meta_get(tx, name, &value) == WXTP_OK && value.len == VALUE) {
            number = strtoll(value.data, NULL, 10);
        }
        store->ops->rollback(tx);
    }
    return number;
}

static void count_problem(void *user, const char *text)
{
    (void)text;
    ++*(int *)user;
}

static int problems(wxtp_store *store)
{
    int count = 0;
    return store->ops->check(store, count_problem, &count) == WXTP_OK ? count : count + 1;
}

static void empty_folder(void)
{
    const disk_image nothing = {.count = 0};
    disk_image_write(&nothing, folder);
}

/* ---- The meeting ---- */

typedef struct meeting {
    wxtp_store *writer;
    wxtp_tx *tx;
    int commits; /* made while the other's checkpoint was held up */
} meeting;

static void commit_meanwhile(void *user)
{
    meeting *self = user;
    wxtp_tx *tx = self->tx;
    self->tx = NULL;
    if (tx) {
        must(self->writer->ops->commit(tx) == WXTP_OK, "the commit that resets the WAL");
        self->commits++;
    }
}

static void checkpoint(wxtp_store *store, fake_clock *time)
{
    fake_clock_advance(time, 10000);
    must(store->ops->maintain(store) == WXTP_OK, "a checkpoint");
}

/*
 * Whether all that was committed is there in the end. What is lost shows when the WAL is as long again as it
 * was when the second checkpoint read its header: then it counts as copied, and is not.
 */
static bool meet(bool guarded)
{
    fake_clock time;
    wxtp_clock clock;
    int64_t n = 0;
    int64_t found = 0;
    empty_folder();
    fake_clock_init(&time);
    fake_clock_port(&time, &clock);
    disk_no_gate(!guarded);
    meeting self = {.writer = open_store(&clock)};
    wxtp_store *other = open_store(&clock);
    must(write_number(other, "number", 0, 0) == WXTP_OK, "a first write");
    checkpoint(self.writer, &time);
    while (n < WRITES) {
        must(write_number(self.writer, "number", ++n, 0) == WXTP_OK, "a write");
    }
    checkpoint(self.writer, &time); /* of all: the next commit begins the WAL anew */
    must(self.writer->ops->begin(self.writer, WXTP_TX_SYNC, &self.tx) == WXTP_OK &&
             put(self.writer, self.tx, "number", ++n) == WXTP_OK,
         "the transaction under way");
    disk_at_checkpoint(commit_meanwhile, &self);
    checkpoint(other, &time); /* begins before that commit and ends after it, if it is let */
    disk_at_checkpoint(NULL, NULL);
    const bool met = self.commits > 0;
    commit_meanwhile(&self);
    while (n < (int64_t)2 * WRITES && (found = read_number(self.writer, "number")) == n) {
        must(write_number(self.writer, "number", ++n, 0) == WXTP_OK, "a later write");
    }
    found = read_number(self.writer, "number");
    const int damage = problems(self.writer);
    self.writer->ops->close(self.writer);
    other->ops->close(other);
    disk_no_gate(false);
    (void)printf("%s: the commit %s the second checkpoint; %" PRId64 " of %" PRId64
                 " is there, %d problems\n",
                 guarded ? "with the guard" : "without the guard", met ? "fell into" : "stayed out of", found,
                 n, damage);
    return found == n && damage == 0;
}

/* ---- The stress ---- */

/* Time runs faster, so that a checkpoint by age is always due. */
static int64_t fast_ms(void *user)
{
    struct timespec now;
    (void)user;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return ((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000) * TIMES_FASTER / 1000;
}

static const char *boot_id(void *user)
{
    (void)user;
    return "boot-1";
}

static void fast_sleep(void *user, int64_t ms)
{
    (void)user;
    (void)usleep((useconds_t)(ms * 1000 / TIMES_FASTER));
}

static const wxtp_clock fast_clock = {.struct_size = sizeof(wxtp_clock),
                                      .wall_ms = fast_ms,
                                      .boot_ms = fast_ms,
                                      .boot_id = boot_id,
                                      .sleep_ms = fast_sleep};

typedef struct board {
    int64_t commits[WRITERS], checkpoints[WRITERS], lost;
} board;

static void hold_up(void *user)
{
    ++*(int64_t *)user;
    (void)usleep(2000);
}

static void stress_one(int which, int64_t until_ms, board *told)
{
    char name[16];
    wxtp_store *store = open_store(&fast_clock);
    (void)snprintf(name, sizeof(name), "number-%d", which);
    disk_at_checkpoint(hold_up, &told->checkpoints[which]);
    unsigned random = (unsigned)which + 1;
    for (int64_t n = 1; fast_ms(NULL) < until_ms && told->lost == 0; n++) {
        random = random * 1103515245 + 12345;
        if (write_number(store, name, n, (random >> 16) % LINGER_US) != WXTP_OK) {
            n--; /* busy: nothing was committed */
            continue;
        }
        told->commits[which] = n;
        const int64_t found = read_number(store, name);
        told->lost += found >= 0 && found < n;
        (void)usleep((random >> 8) % LINGER_US);
        (void)store->ops->maintain(store); /* after others have written */
    }
    store->ops->close(store);
}

/* Whether nothing was lost. */
static bool stress(bool guarded, int seconds)
{
    board *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t children[WRITERS];
    int broken = 0;
    must(told != MAP_FAILED, "shared memory");
    empty_folder();
    disk_no_gate(!guarded);
    wxtp_store *first = open_store(&fast_clock);
    first->ops->close(first);
    const int64_t until_ms = fast_ms(NULL) + (int64_t)seconds * 1000 * TIMES_FASTER;
    (void)fflush(stdout);
    for (int which = 0; which < WRITERS; which++) {
        children[which] = fork();
        must(children[which] >= 0, "a process");
        if (children[which] == 0) {
            stress_one(which, until_ms, told);
            _exit(0);
        }
    }
    for (int which = 0; which < WRITERS; which++) {
        int status = 0;
        must(waitpid(children[which], &status, 0) == children[which], "a process");
        broken += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    wxtp_store *store = open_store(&fast_clock);
    int64_t commits = 0;
    int64_t checkpoints = 0;
    int64_t missing = told->lost;
    for (int which = 0; which < WRITERS; which++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "number-%d", which);
        commits += told->commits[which];
        checkpoints += told->checkpoints[which];
        missing += read_number(store, name) < told->commits[which];
    }
    const int damage = problems(store);
    store->ops->close(store);
    disk_no_gate(false);
    (void)printf("%s: %d processes, %" PRId64 " commits, %" PRId64 " checkpoints held up, %" PRId64
                 " lost, %d problems, %d processes broken\n",
                 guarded ? "with the guard" : "without the guard", WRITERS, commits, checkpoints, missing,
                 damage, broken);
    (void)munmap(told, sizeof(*told));
    return missing == 0 && damage == 0 && broken == 0 && commits > 0 && checkpoints > 0;
}

int main(int count, char **words)
{
    int seconds = 5;
    bool without = false;
    for (int at = 1; at < count; at++) {
        if (strcmp(words[at], "--without-guard") == 0) {
            without = true;
        } else if (strcmp(words[at], "--seconds") == 0 && at + 1 < count) {
            seconds = (int)strtol(words[++at], NULL, 10);
        } else {
            (void)fprintf(stderr, "wal_reset [--seconds N] [--without-guard]\n");
            return 2;
        }
    }
    (void)snprintf(folder, sizeof(folder), "/dev/shm/wxtp-wal-XXXXXX");
    if (!mkdtemp(folder)) {
        (void)snprintf(folder, sizeof(folder), "%s/wxtp-wal-XXXXXX", P_tmpdir);
        must(mkdtemp(folder) != NULL, folder);
    }
    (void)snprintf(database, sizeof(database), "%s/wxtp.db", folder);
    disk_install();
    (void)printf("SQLite %s, %s the bug\n", sqlite3_libversion(),
                 wxtp_sqlite_has_wal_reset_bug() ? "with" : "without");
    bool good = without || meet(true);
    if (!without && wxtp_sqlite_has_wal_reset_bug() && meet(false)) {
        (void)printf("FAILED: without the guard nothing is lost: the meeting shows nothing\n");
        good = false;
    }
    good = stress(!without, seconds) && good;
    empty_folder();
    (void)rmdir(folder);
    return good ? 0 : 1;
}
