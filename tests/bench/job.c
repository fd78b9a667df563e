/*
 * Makes and runs jobs of own tenants through the public API.
 *
 *     bench-job make --db PATH [--set NAME=VALUE]... [--tenants N] [--first N] [--openids N] [--list FILE]
 *     bench-job run --db PATH [--set NAME=VALUE]... [--list FILE] [--before FILE] [--beside FILE]
 *
 * `make` adds tenants --first to --first + --tenants - 1, gets a token for each, and makes a job of --openids
 * for each; the ids go to --list (PATH.jobs). `run` runs the jobs of the list all at once; only that is
 * timed. Jobs of --before are done by then; those of --beside run too while the others do, and are stopped
 * after them. Each prints one JSON object.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { ID_MAX = 64, JOBS_MAX = 100000, AT_ONCE = 2000, WAIT_MS = 120000 };

/* ---- make ---- */

typedef struct source {
    int64_t tenant, next, count;
    char openid[BENCH_OPENID_LEN + 1];
} source;

static int next_openid(void *user, const char **openid, size_t *len)
{
    source *self = user;
    if (self->next == self->count) {
        return 0;
    }
    bench_openid(self->tenant, self->next++, self->openid);
    *openid = self->openid;
    *len = BENCH_OPENID_LEN;
    return 1;
}

static void name_tenant(const bench_args *args, int64_t number, char appid[ID_MAX])
{
    (void)snprintf(appid, ID_MAX, "wx%s%010" PRId64, bench_text(args, "--name", "bench"), number);
}

static bool add_tenants(const bench_args *args, int64_t first, int64_t count)
{
    bench_platform on;
    bool ok = bench_open(args, BENCH_TOGETHER, &on);
    if (!ok) {
        return false;
    }
    for (int64_t at = first; ok && at < first + count; at++) {
        char appid[ID_MAX];
        wxtp_error *error = NULL;
        name_tenant(args, at, appid);
        ok = bench_ok(wxtp_tenant_add_own(on.platform, appid, "0123456789abcdef0123456789abcdef",
                                          WXTP_ACCOUNT_SERVICE, 1, &error),
                      appid, error);
    }
    return bench_close(&on) && ok;
}

static bool make_one(wxtp_platform *platform, const char *appid, int64_t tenant, int64_t openids, FILE *file)
{
    char id[ID_MAX];
    char *token = NULL;
    int64_t generation = 0;
    wxtp_error *error = NULL;
    source openids_of = {.tenant = tenant, .count = openids};
    if (!bench_ok(wxtp_token_get(platform, appid, &token, &generation, &error), appid, error)) {
        return false;
    }
    wxtp_free(token);
    return bench_ok(wxtp_job_create(platform, appid, "batchUnblacklist", next_openid, &openids_of, NULL, id,
                                    &error),
                    appid, error) &&
           fprintf(file, "%s\n", id) > 0;
}

static bool make_jobs(const bench_args *args, const char *path, int64_t first, int64_t count)
{
    bench_platform on;
    FILE *file = fopen(path, "we");
    if (!file) {
        perror(path);
        return false;
    }
    bool ok = bench_open(args, BENCH_PLAIN, &on);
    if (ok) {
        const int64_t openids = bench_number(args, "--openids", 20000);
        const int64_t cpu = bench_process_cpu_ns();
        const int64_t before = bench_now_ns();
        for (int64_t at = first; ok && at < first + count; at++) {
            char appid[ID_MAX];
            name_tenant(args, at, appid);
            ok = make_one(on.platform, appid, at, openids, file);
        }
        printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"openids\": %" PRId64 ", \"peak_kib\": %" PRId64
               "}\n",
               (double)(bench_now_ns() - before) / 1e9, (double)(bench_process_cpu_ns() - cpu) / 1e9,
               openids * count, bench_memory_kib("VmHWM"));
        ok = bench_close(&on) && ok;
    }
    return fclose(file) == 0 && ok;
}

static bool make(const bench_args *args, const char *list_path)
{
    const int64_t first = bench_number(args, "--first", 0);
    const int64_t count = bench_number(args, "--tenants", 1);
    return add_tenants(args, first, count) && make_jobs(args, list_path, first, count);
}

/* ---- run ---- */

typedef struct jobs {
    char (*ids)[ID_MAX];
    size_t count;
} jobs;

typedef struct runs {
    wxtp_platform *platform;
    const jobs *list;
    atomic_size_t next;
    atomic_bool stop, failed;
    bool beside; /* may be stopped before the end */
    atomic_int_fast64_t calls, openids, seen_calls;
} runs;

static bool read_list(const char *path, jobs *read)
{
    *read = (jobs){.ids = calloc(JOBS_MAX, ID_MAX)};
    FILE *file = fopen(path, "re");
    if (!file || !read->ids) {
        perror(path);
        if (file) {
            (void)fclose(file);
        }
        return false;
    }
    while (read->count < JOBS_MAX && fgets(read->ids[read->count], ID_MAX, file)) {
        char *id = read->ids[read->count++];
        id[strcspn(id, "\n")] = '\0';
    }
    return fclose(file) == 0 && read->count > 0;
}

static bool on_progress(void *user, const wxtp_job *job)
{
    runs *self = user;
    atomic_store(&self->seen_calls, wxtp_job_calls(job));
    return !atomic_load(&self->stop);
}

static bool count_job(runs *self, const char *id, const wxtp_job *job, wxtp_status status, wxtp_error *error)
{
    if (self->beside && status == WXTP_ERR_INTERRUPTED) {
        status = WXTP_OK;
        wxtp_error_free(error);
        error = NULL;
    }
    bool ok = bench_ok(status, id, error);
    if (ok && !self->beside) {
        ok = wxtp_job_state_of(job) == WXTP_JOB_DONE && wxtp_job_succeeded(job) == wxtp_job_requested(job);
        atomic_fetch_add(&self->openids, wxtp_job_succeeded(job));
        if (!ok) {
            fprintf(stderr, "%s: not every openid succeeded\n", id);
        }
    }
    atomic_fetch_add(&self->calls, job ? wxtp_job_calls(job) : 0);
    return ok;
}

static bool run_one(runs *self, const char *id)
{
    wxtp_job *job = NULL;
    wxtp_error *error = NULL;
    const wxtp_status status =
        wxtp_job_run(self->platform, id, WXTP_JOB_RUN, self->beside ? on_progress : NULL, self, &job, &error);
    const bool ok = count_job(self, id, job, status, error);
    wxtp_job_free(job);
    return ok;
}

static void *run_in_thread(void *user)
{
    runs *self = user;
    if (!run_one(self, self->list->ids[atomic_fetch_add(&self->next, 1)])) {
        atomic_store(&self->failed, true);
    }
    return NULL;
}

static bool submit_one(const runs *self, size_t at)
{
    const wxtp_submit_options options = {.struct_size = sizeof(options), .user = self->list->ids[at]};
    wxtp_error *error = NULL;
    return bench_ok(
        wxtp_job_submit(self->platform, self->list->ids[at], WXTP_JOB_RUN, &options, NULL, &error),
        self->list->ids[at], error);
}

/* False: none came, or it failed. Events are passed over. */
static bool take_one(runs *self)
{
    wxtp_completion *taken = wxtp_completion_take(self->platform, WAIT_MS);
    while (taken && wxtp_completion_kind_of(taken) == WXTP_COMPLETION_EVENT) {
        wxtp_completion_free(taken);
        taken = wxtp_completion_take(self->platform, WAIT_MS);
    }
    const bool ok = taken && count_job(self, wxtp_completion_user(taken), wxtp_completion_job(taken),
                                       wxtp_completion_status(taken), wxtp_completion_take_error(taken));
    wxtp_completion_free(taken);
    return ok;
}

/* Has all jobs under way at once. */
static void run_all(runs *self)
{
    size_t submitted = 0;
    size_t taken = 0;
    if (self->list->count == 1) {
        (void)run_in_thread(self);
        return;
    }
    while (taken < self->list->count && !atomic_load(&self->failed)) {
        const bool more = submitted < self->list->count && submitted - taken < AT_ONCE;
        if (more && submit_one(self, submitted)) {
            submitted++;
        } else if (!more && take_one(self)) {
            taken++;
        } else {
            atomic_store(&self->failed, true);
        }
    }
}

/* Waits until the jobs that run beside have calls behind them. */
static bool under_way(runs *beside)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    for (int waited = 0; waited < WAIT_MS / 10; waited++) {
        if (atomic_load(&beside->seen_calls) > 0 || atomic_load(&beside->failed)) {
            break;
        }
        (void)nanosleep(&moment, NULL);
    }
    return atomic_load(&beside->seen_calls) > 0;
}

static void tell(runs *self, int64_t ns, int64_t cpu_ns)
{
    printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"calls\": %" PRId64 ", \"openids\": %" PRId64
           ", \"peak_kib\": %" PRId64 "}\n",
           (double)ns / 1e9, (double)cpu_ns / 1e9, (int64_t)atomic_load(&self->calls),
           (int64_t)atomic_load(&self->openids), bench_memory_kib("VmHWM"));
}

static bool run_before(const bench_args *args, wxtp_platform *platform)
{
    const char *path = bench_text(args, "--before", NULL);
    jobs list = {0};
    runs before = {.platform = platform, .list = &list};
    const bool ok = !path || read_list(path, &list);
    if (path && ok) {
        run_all(&before);
    }
    free(list.ids);
    return ok && !atomic_load(&before.failed);
}

static bool run(const bench_args *args, const char *list_path)
{
    bench_platform on;
    jobs list = {0};
    jobs beside_list = {0};
    const char *beside_path = bench_text(args, "--beside", NULL);
    bool ok = read_list(list_path, &list) && (!beside_path || read_list(beside_path, &beside_list)) &&
              bench_open(args, BENCH_PLAIN, &on);
    if (ok) {
        runs main_runs = {.platform = on.platform, .list = &list};
        runs beside = {.platform = on.platform, .list = &beside_list, .beside = true};
        pthread_t thread;
        bool began = false;
        ok = run_before(args, on.platform);
        if (ok && beside_path) {
            began = beside_list.count == 1 && pthread_create(&thread, NULL, run_in_thread, &beside) == 0;
            ok = began && under_way(&beside);
        }
        const int64_t cpu = bench_process_cpu_ns();
        const int64_t before = bench_now_ns();
        if (ok) {
            run_all(&main_runs);
        }
        tell(&main_runs, bench_now_ns() - before, bench_process_cpu_ns() - cpu);
        atomic_store(&beside.stop, true);
        if (began) {
            (void)pthread_join(thread, NULL);
        }
        ok = bench_close(&on) && ok && !atomic_load(&main_runs.failed) && !atomic_load(&beside.failed);
    }
    free(list.ids);
    free(beside_list.ids);
    return ok;
}

int main(int argc, char **argv)
{
    const bench_args args = {argc, argv};
    char usual[4096];
    const char *what = argc > 1 ? argv[1] : "";
    (void)snprintf(usual, sizeof(usual), "%s.jobs", bench_text(&args, "--db", ""));
    const char *list_path = bench_text(&args, "--list", usual);
    bool ok = false;
    if (strcmp(what, "make") == 0) {
        ok = make(&args, list_path);
    } else if (strcmp(what, "run") == 0) {
        ok = run(&args, list_path);
    } else {
        fprintf(stderr, "usage: bench-job make|run --db PATH ...\n");
        return 2;
    }
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
