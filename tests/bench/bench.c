#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* ---- Arguments ---- */

const char *bench_nth(const bench_args *args, const char *name, int n)
{
    for (int at = 1; at + 1 < args->argc; at++) {
        if (strcmp(args->argv[at], name) == 0 && n-- == 0) {
            return args->argv[at + 1];
        }
    }
    return NULL;
}

const char *bench_text(const bench_args *args, const char *name, const char *fallback)
{
    const char *value = bench_nth(args, name, 0);
    return value ? value : fallback;
}

int64_t bench_number(const bench_args *args, const char *name, int64_t fallback)
{
    const char *text = bench_nth(args, name, 0);
    if (!text) {
        return fallback;
    }
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        fprintf(stderr, "%s: not a number: %s\n", name, text);
        exit(2);
    }
    return value;
}

/* ---- Clocks and memory ---- */

static int64_t read_clock(clockid_t which)
{
    struct timespec now = {0};
    if (clock_gettime(which, &now) != 0) {
        perror("clock_gettime");
        exit(1);
    }
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t bench_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t bench_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static int64_t to_ns(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000000000 + (int64_t)time->tv_usec * 1000;
}

int64_t bench_process_cpu_ns(void)
{
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) != 0) {
        perror("getrusage");
        exit(1);
    }
    return to_ns(&used.ru_utime) + to_ns(&used.ru_stime);
}

int64_t bench_memory_kib(const char *field)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    int64_t found = -1;
    const size_t len = strlen(field);
    while (file && found < 0 && fgets(line, sizeof(line), file)) {
        if (strncmp(line, field, len) == 0 && line[len] == ':') {
            found = strtoll(line + len + 1, NULL, 10);
        }
    }
    if (file) {
        (void)fclose(file);
    }
    return found;
}

int bench_compare_int64(const void *a, const void *b)
{
    const int64_t one = *(const int64_t *)a;
    const int64_t two = *(const int64_t *)b;
    return (one > two) - (one < two);
}

int64_t bench_median(int64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), bench_compare_int64);
    return count > 0 ? values[count / 2] : 0;
}

/* ---- Openids ---- */

void bench_openid(int64_t tenant, int64_t number, char text[BENCH_OPENID_LEN + 1])
{
    /* Mixed, so that they do not come in the order in which a store sorts them. */
    uint64_t mixed = (uint64_t)number * UINT64_C(0x9E3779B97F4A7C15);
    (void)snprintf(text, BENCH_OPENID_LEN + 1, "o%07" PRIx64 "%016" PRIx64 "abcd",
                   (uint64_t)tenant & 0xfffffff, mixed);
}

size_t bench_body(char text[BENCH_BODY_MAX])
{
    size_t len = (size_t)snprintf(text, BENCH_BODY_MAX, "{\"openid_list\":[");
    for (int at = 0; at < WXTP_BATCH_MAX; at++) {
        char openid[BENCH_OPENID_LEN + 1];
        bench_openid(1, at, openid);
        len += (size_t)snprintf(text + len, BENCH_BODY_MAX - len, "%s\"%s\"", at > 0 ? "," : "", openid);
    }
    len += (size_t)snprintf(text + len, BENCH_BODY_MAX - len, "]}");
    return len;
}

/* ---- A platform ---- */

bool bench_ok(wxtp_status status, const char *what, wxtp_error *error)
{
    if (status != WXTP_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, wxtp_status_name(status),
                error ? wxtp_error_message(error) : "");
    }
    wxtp_error_free(error);
    return status == WXTP_OK;
}

static bool set_all(const bench_args *args, wxtp_config *config)
{
    for (int n = 0;; n++) {
        const char *given = bench_nth(args, "--set", n);
        if (!given) {
            return true;
        }
        char name[64];
        wxtp_error *error = NULL;
        const char *equals = strchr(given, '=');
        if (!equals || (size_t)(equals - given) >= sizeof(name)) {
            fprintf(stderr, "--set: not NAME=VALUE: %s\n", given);
            return false;
        }
        (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - given), given);
        if (!bench_ok(wxtp_config_set(config, name, equals + 1, &error), given, error)) {
            return false;
        }
    }
}

/* The store is the platform's from a successful open on; until then it is ours to close. */
static bool open_on(bench_way way, const char *path, bench_platform *opened)
{
    char trouble[256] = "";
    wxtp_store *store = NULL;
    wxtp_error *error = NULL;
    const wxtp_sqlite_options file = {
        .struct_size = sizeof(file), .path = path, .create = true, .migrate = true};
    const int64_t before = bench_now_ns();
    wxtp_status status = wxtp_sqlite_open(&file, &store, NULL, trouble, sizeof(trouble));
    if (status != WXTP_OK) {
        fprintf(stderr, "%s: %s\n", path, trouble);
        return false;
    }
    if (way != BENCH_PLAIN) {
        opened->store = bench_store_new(store, way == BENCH_TOGETHER);
        store = bench_store_port(opened->store);
    }
    status = wxtp_config_set_store(opened->config, store);
    if (status == WXTP_OK) {
        status = wxtp_platform_open(opened->config, &opened->platform, &error);
    }
    opened->open_ns = bench_now_ns() - before;
    if (status != WXTP_OK) {
        store->ops->close(store);
    }
    return bench_ok(status, "open", error);
}

bool bench_open(const bench_args *args, bench_way way, bench_platform *opened)
{
    const char *path = bench_text(args, "--db", NULL);
    char key_file[4096];
    wxtp_error *error = NULL;
    *opened = (bench_platform){0};
    if (!path || snprintf(key_file, sizeof(key_file), "%s.key", path) >= (int)sizeof(key_file)) {
        fprintf(stderr, "--db PATH is needed\n");
        return false;
    }
    bool ok = bench_ok(wxtp_config_new(NULL, &opened->config), "configure", NULL) &&
              bench_ok(wxtp_config_set(opened->config, "master_key_file", key_file, &error), "key", error) &&
              set_all(args, opened->config) && open_on(way, path, opened);
    if (!ok) {
        wxtp_config_free(opened->config);
        opened->config = NULL;
    }
    return ok;
}

bool bench_close(bench_platform *opened)
{
    enum { PATIENCE_MS = 60000 };
    wxtp_status status = wxtp_platform_close(opened->platform, PATIENCE_MS);
    wxtp_config_free(opened->config);
    *opened = (bench_platform){0};
    return bench_ok(status, "close", NULL);
}
