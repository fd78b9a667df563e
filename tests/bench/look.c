/*
 * Looks at a filled database, and gets cached tokens.
 *
 *     bench-look open --db PATH
 *     bench-look tenants --db PATH --tenants N       of bench-fill
 *     bench-look token --db PATH --appid APPID [--gets N] [--threads N]
 *
 * Each prints one JSON object.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { LOOKUPS = 500, PAGES = 100, PAGE = 100, ODD = 10, ID_MAX = 64, THREADS_MAX = 64 };

static bool look_open(const bench_args *args)
{
    bench_platform on;
    if (!bench_open(args, BENCH_PLAIN, &on)) {
        return false;
    }
    printf("{\"open_ms\": %.3f, \"rss_kib\": %" PRId64 ", \"peak_kib\": %" PRId64 "}\n",
           (double)on.open_ns / 1e6, bench_memory_kib("VmRSS"), bench_memory_kib("VmHWM"));
    return bench_close(&on);
}

/* ---- Tenants ---- */

/* Visits every number below `tenants` once, in no order. */
static int64_t scattered(int64_t at, int64_t tenants)
{
    return (int64_t)(((uint64_t)at * 7368787U + 12345U) % (uint64_t)tenants); /* a prime */
}

static void name_tenant(int64_t number, char appid[ID_MAX])
{
    (void)snprintf(appid, ID_MAX, "wx%016" PRIx64, (uint64_t)number);
}

static bool lookups(const bench_platform *on, int64_t tenants, int64_t *first_ns, int64_t *median_ns)
{
    int64_t took[LOOKUPS];
    for (int at = 0; at < LOOKUPS; at++) {
        char appid[ID_MAX];
        wxtp_tenant *tenant = NULL;
        wxtp_error *error = NULL;
        name_tenant(scattered(at, tenants), appid);
        const int64_t before = bench_now_ns();
        const wxtp_status status = wxtp_tenant_get(on->platform, appid, &tenant, &error);
        took[at] = bench_now_ns() - before;
        bool ok = bench_ok(status, appid, error) && strcmp(wxtp_tenant_appid(tenant), appid) == 0;
        wxtp_tenant_free(tenant);
        if (!ok) {
            return false;
        }
    }
    *first_ns = took[0];
    *median_ns = bench_median(took, LOOKUPS);
    return true;
}

static bool count_one(void *user, const wxtp_tenant *tenant)
{
    *(size_t *)user += wxtp_tenant_appid(tenant)[0] != '\0';
    return true;
}

/* Pages that begin anywhere; `expected` tenants in each. */
static bool pages(const bench_platform *on, int64_t tenants, int status_wanted, int certified,
                  size_t expected, int64_t *median_ns)
{
    int64_t took[PAGES];
    for (int at = 0; at < PAGES; at++) {
        char after[ID_MAX];
        size_t count = 0;
        wxtp_error *error = NULL;
        name_tenant(scattered(at + LOOKUPS, tenants) % (tenants > PAGE ? tenants - PAGE : 1), after);
        const int64_t before = bench_now_ns();
        const wxtp_status status =
            wxtp_tenant_list(on->platform, status_wanted, certified, expected == PAGE ? after : NULL, PAGE,
                             count_one, &count, &error);
        took[at] = bench_now_ns() - before;
        if (!bench_ok(status, "list", error)) {
            return false;
        }
        if (count != expected) {
            fprintf(stderr, "a page has %zu tenants, not %zu\n", count, expected);
            return false;
        }
    }
    *median_ns = bench_median(took, PAGES);
    return true;
}

static bool look_tenants(const bench_args *args)
{
    const int64_t tenants = bench_number(args, "--tenants", 1000);
    int64_t first = 0;
    int64_t lookup = 0;
    int64_t page = 0;
    int64_t by_status = 0;
    int64_t by_certified = 0;
    int64_t by_both = 0;
    bench_platform on;
    if (!bench_open(args, BENCH_PLAIN, &on)) {
        return false;
    }
    bool ok = lookups(&on, tenants, &first, &lookup) && pages(&on, tenants, -1, -1, PAGE, &page) &&
              pages(&on, tenants, WXTP_TENANT_UNAUTHORIZED, -1, ODD, &by_status) &&
              pages(&on, tenants, -1, 0, ODD, &by_certified) &&
              pages(&on, tenants, WXTP_TENANT_UNAUTHORIZED, 0, ODD, &by_both);
    printf("{\"first_lookup_us\": %.3f, \"lookup_us\": %.3f, \"page_ms\": %.4f, \"status_ms\": %.4f, "
           "\"certified_ms\": %.4f, \"both_ms\": %.4f, \"peak_kib\": %" PRId64 "}\n",
           (double)first / 1e3, (double)lookup / 1e3, (double)page / 1e6, (double)by_status / 1e6,
           (double)by_certified / 1e6, (double)by_both / 1e6, bench_memory_kib("VmHWM"));
    return bench_close(&on) && ok;
}

/* ---- Tokens ---- */

typedef struct getter {
    wxtp_platform *platform;
    const char *appid;
    int64_t gets;
    atomic_bool failed;
} getter;

static void *get_tokens(void *user)
{
    getter *self = user;
    for (int64_t at = 0; at < self->gets; at++) {
        char *token = NULL;
        int64_t generation = 0;
        wxtp_error *error = NULL;
        if (!bench_ok(wxtp_token_get(self->platform, self->appid, &token, &generation, &error), "token",
                      error)) {
            atomic_store(&self->failed, true);
            return NULL;
        }
        wxtp_free(token);
    }
    return NULL;
}

static bool look_token(const bench_args *args)
{
    pthread_t threads[THREADS_MAX];
    const int64_t count = bench_number(args, "--threads", 1);
    bench_platform on;
    if (count < 1 || count > THREADS_MAX || !bench_open(args, BENCH_PLAIN, &on)) {
        return false;
    }
    getter first = {.platform = on.platform, .appid = bench_text(args, "--appid", ""), .gets = 1};
    (void)get_tokens(&first); /* fills what there is of a cache */
    getter all = {.platform = on.platform, .appid = first.appid, .gets = bench_number(args, "--gets", 10000)};
    const int64_t cpu = bench_process_cpu_ns();
    const int64_t before = bench_now_ns();
    int64_t started = 0;
    while (started < count && pthread_create(&threads[started], NULL, get_tokens, &all) == 0) {
        started++;
    }
    for (int64_t at = 0; at < started; at++) {
        (void)pthread_join(threads[at], NULL);
    }
    const double gets = (double)(all.gets * count);
    printf("{\"wall_ns\": %.1f, \"cpu_ns\": %.1f}\n", (double)(bench_now_ns() - before) / gets,
           (double)(bench_process_cpu_ns() - cpu) / gets);
    const bool ok = started == count && !atomic_load(&first.failed) && !atomic_load(&all.failed);
    return bench_close(&on) && ok;
}

int main(int argc, char **argv)
{
    const bench_args args = {argc, argv};
    const char *what = argc > 1 ? argv[1] : "";
    bool ok = false;
    if (strcmp(what, "open") == 0) {
        ok = look_open(&args);
    } else if (strcmp(what, "tenants") == 0) {
        ok = look_tenants(&args);
    } else if (strcmp(what, "token") == 0) {
        ok = look_token(&args);
    } else {
        fprintf(stderr, "usage: bench-look open|tenants|token --db PATH ...\n");
        return 2;
    }
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
