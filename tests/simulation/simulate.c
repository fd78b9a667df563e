/*
 * Runs seeds. Each is a world of its own, which the seed alone decides: replaying one gives the same trace.
 *
 *     simulate [--seed N] [--seeds COUNT] [--from N] [-v]
 *
 * Seeds run in blocks, a child process each: what a crashed node leaves behind goes with the child, and an
 * abort ends one seed only.
 */
#include "sim.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCK = 64,
    TWICE_EVERY = 50, /* seeds that are run twice */
    FAILURES_SHOWN = 10,
    LONGEST_SEED_S = 60, /* of real time: what takes longer hangs */
};

/* What a child tells, also when it dies. */
typedef struct board {
    uint64_t seed; /* under way */
    uint64_t done, failed, twice;
    int64_t turns, flights, ops;
} board;

typedef struct options {
    uint64_t from, count;
    bool verbose;
} options;

/* ---- Chance ---- */

uint64_t sim_random(sim *world)
{
    uint64_t z = world->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int64_t sim_below(sim *world, int64_t end)
{
    return end > 0 ? (int64_t)(sim_random(world) % (uint64_t)end) : 0;
}

bool sim_chance(sim *world, int percent)
{
    return sim_below(world, 100) < percent;
}

/* ---- Time, trace, failure ---- */

int64_t sim_boot(sim *world)
{
    return atomic_load(&world->clock.boot_ms);
}

int64_t sim_wall(sim *world)
{
    return atomic_load(&world->clock.wall_ms);
}

void sim_note(sim *world, const char *format, ...)
{
    char line[320];
    va_list args;
    const int head =
        snprintf(line, sizeof(line), "%10.3f ", (double)(sim_wall(world) - FAKE_EPOCH_MS) / 1000);
    va_start(args, format);
    (void)vsnprintf(line + head, sizeof(line) - (size_t)head, format, args);
    va_end(args);
    for (const char *at = line; *at; at++) {
        world->trace = (world->trace ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    }
    if (world->verbose) {
        (void)puts(line);
    }
}

void sim_fail(sim *world, const char *format, ...)
{
    char text[sizeof(world->failure)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sim_note(world, "FAILED: %s", text);
    if (!world->failed) {
        world->failed = true;
        memcpy(world->failure, text, sizeof(text));
    }
}

/* ---- One seed ---- */

static sim *run_seed(const char *folder, uint64_t seed, bool verbose)
{
    sim *world = calloc(1, sizeof(*world));
    if (!world) {
        abort();
    }
    world->seed = world->random = seed;
    world->trace = UINT64_C(0xcbf29ce484222325);
    world->verbose = verbose;
    (void)snprintf(world->database, sizeof(world->database), "%s/wxtp.db", folder);
    alarm(LONGEST_SEED_S);
    sim_run(world);
    alarm(0);
    return world;
}

static bool report(const sim *world)
{
    if (world->failed) {
        (void)printf("seed %" PRIu64 " failed: %s\n    simulate --seed %" PRIu64 " -v shows it\n",
                     world->seed, world->failure, world->seed);
    }
    return !world->failed;
}

/* Runs a seed, now and then twice. */
static void run_one(const char *folder, uint64_t seed, bool verbose, board *told)
{
    told->seed = seed;
    sim *world = run_seed(folder, seed, verbose);
    bool good = report(world);
    if (!verbose && seed % TWICE_EVERY == 0) {
        sim *again = run_seed(folder, seed, false);
        if (again->trace != world->trace) {
            (void)printf("seed %" PRIu64 " took another way the second time\n", seed);
            good = false;
        }
        told->twice++;
        free(again);
    }
    if (verbose) {
        (void)printf("trace %016" PRIx64 "\n", world->trace);
    }
    told->turns += world->turns;
    told->flights += world->flight_count;
    told->done++;
    told->failed += good ? 0 : 1;
    free(world);
}

/* ---- Blocks ---- */

static void run_block(const char *folder, const options *o, uint64_t from, uint64_t end, board *told)
{
    for (uint64_t seed = from; seed < end && told->failed < FAILURES_SHOWN; seed++) {
        run_one(folder, seed, o->verbose, told);
    }
    (void)fflush(stdout);
}

/* False: a seed has ended its process, and is counted; the block goes on behind it. */
static bool run_in_child(const char *folder, const options *o, uint64_t from, uint64_t end, board *told)
{
    int status = 0;
    (void)fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        run_block(folder, o, from, end, told);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        (void)printf("no child process could be made\n");
        exit(2);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return true;
    }
    (void)printf("seed %" PRIu64 " ended its process (%s %d)\n    simulate --seed %" PRIu64 " -v shows it\n",
                 told->seed, WIFSIGNALED(status) ? "signal" : "exit code",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), told->seed);
    told->done++;
    told->failed++;
    return false;
}

static void run_all(const char *folder, const options *o, board *told)
{
    const uint64_t end = o->from + o->count;
    for (uint64_t from = o->from; from < end && told->failed < FAILURES_SHOWN;) {
        const uint64_t block = from + BLOCK < end ? from + BLOCK : end;
        from = run_in_child(folder, o, from, block, told) ? block : told->seed + 1;
    }
}

/* ---- The folder ---- */

static void empty_folder(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
        if (entry->d_name[0] != '.') {
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    if (folder) {
        (void)closedir(folder);
    }
    (void)rmdir(path);
}

/* In memory where there is such a place: what is simulated is no disk. */
static bool make_folder(char *folder, size_t size)
{
    const char *other = getenv("TMPDIR");
    (void)snprintf(folder, size, "/dev/shm/wxtp-simulate-XXXXXX");
    if (mkdtemp(folder)) {
        return true;
    }
    (void)snprintf(folder, size, "%s/wxtp-simulate-XXXXXX", other ? other : P_tmpdir);
    return mkdtemp(folder) != NULL;
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end = NULL;
    *number = strtoull(text, &end, 10);
    return *text != '\0' && *end == '\0';
}

static bool read_options(int count, char **words, options *o)
{
    for (int at = 1; at < count; at++) {
        const char *word = words[at];
        const char *value = at + 1 < count ? words[at + 1] : "";
        if (strcmp(word, "-v") == 0) {
            o->verbose = true;
            continue;
        }
        bool good = false;
        if (strcmp(word, "--seed") == 0) {
            good = read_number(value, &o->from);
            o->count = 1;
        } else if (strcmp(word, "--seeds") == 0) {
            good = read_number(value, &o->count);
        } else if (strcmp(word, "--from") == 0) {
            good = read_number(value, &o->from);
        }
        if (!good) {
            return false;
        }
        at++;
    }
    return true;
}

int main(int count, char **words)
{
    options o = {.from = 1, .count = 1000};
    char folder[128];
    char template_path[160];
    struct timespec began;
    struct timespec ended;
    if (!read_options(count, words, &o)) {
        (void)fprintf(stderr, "simulate [--seed N] [--seeds COUNT] [--from N] [-v]\n");
        return 2;
    }
    board *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED || !make_folder(folder, sizeof(folder))) {
        perror("simulate");
        return 2;
    }
    (void)snprintf(template_path, sizeof(template_path), "%s/wxtp.db.template", folder);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    if (!sim_template_make(template_path)) {
        empty_folder(folder);
        return 2;
    }
    run_all(folder, &o, told);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    empty_folder(folder);
    (void)printf("%" PRIu64 " seeds from %" PRIu64 ", %" PRIu64 " of them twice: %" PRIu64 " failed; %" PRId64
                 " requests, %" PRId64 " turns; %.1f s\n",
                 told->done, o.from, told->twice, told->failed, told->flights, told->turns,
                 (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return told->failed == 0 && told->done > 0 ? 0 : 1;
}
