/*
 * Many own tenants whose tokens are all due at once.
 *
 *     bench-storm make --db PATH --set api_base=URL --tenants N    adds them and gets a token for each
 *     bench-storm run --db PATH --set api_base=URL --tenants N [--at-once N]     renews every token that is
 * due
 *
 * `make` also sets the tokens due, as a long outage would have done. `run` prints one JSON object.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { ID_MAX = 64, PAGE = 10000, WAIT_MS = 60000, TOGETHER = 20000, SEALED_MAX = 1024 };

static void name_tenant(int64_t number, char appid[ID_MAX])
{
    (void)snprintf(appid, ID_MAX, "wxstorm%011" PRId64, number);
}

static bool add_tenants(const bench_args *args, int64_t tenants)
{
    bench_platform on;
    bool ok = bench_open(args, BENCH_TOGETHER, &on);
    if (!ok) {
        return false;
    }
    for (int64_t at = 0; ok && at < tenants; at++) {
        char appid[ID_MAX];
        char *token = NULL;
        int64_t generation = 0;
        wxtp_error *error = NULL;
        name_tenant(at, appid);
        ok = bench_ok(wxtp_tenant_add_own(on.platform, appid, "0123456789abcdef0123456789abcdef",
                                          WXTP_ACCOUNT_SERVICE, 1, &error),
                      appid, error) &&
             bench_ok(wxtp_token_get(on.platform, appid, &token, &generation, &error), appid, error);
        wxtp_free(token);
    }
    return bench_close(&on) && ok;
}

static wxtp_status set_due(const wxtp_store_ops *ops, wxtp_tx *tx, int64_t number)
{
    char appid[ID_MAX];
    char access[SEALED_MAX];
    wxtp_token_row row = {0};
    name_tenant(number, appid);
    const wxtp_token_key key = {"", appid};
    const wxtp_status status = ops->token_get(tx, &key, &row);
    if (status != WXTP_OK || row.access.len > sizeof(access)) {
        return status != WXTP_OK ? status : WXTP_ERR_INTERNAL;
    }
    /* What a row points to is the store's until the next operation. */
    memcpy(access, row.access.data, row.access.len);
    row.access.data = access;
    row.key = key;
    row.refresh = (wxtp_blob){0};
    row.early_refusals = "";
    row.due_ms = 1;
    return ops->token_put_if(tx, &row, row.generation, NULL);
}

static wxtp_status set_some_due(wxtp_store *store, int64_t from, int64_t to)
{
    wxtp_tx *tx = NULL;
    wxtp_status status = store->ops->begin(store, WXTP_TX_WRITE, &tx);
    if (status != WXTP_OK) {
        return status;
    }
    for (int64_t at = from; status == WXTP_OK && at < to; at++) {
        status = set_due(store->ops, tx, at);
    }
    if (status != WXTP_OK) {
        store->ops->rollback(tx);
        return status;
    }
    return store->ops->commit(tx);
}

static bool set_all_due(const bench_args *args, int64_t tenants)
{
    char trouble[256] = "";
    wxtp_store *store = NULL;
    const wxtp_sqlite_options file = {.struct_size = sizeof(file), .path = bench_text(args, "--db", "")};
    wxtp_status status = wxtp_sqlite_open(&file, &store, NULL, trouble, sizeof(trouble));
    if (status != WXTP_OK) {
        fprintf(stderr, "%s\n", trouble);
        return false;
    }
    for (int64_t at = 0; status == WXTP_OK && at < tenants; at += TOGETHER) {
        status = set_some_due(store, at, at + TOGETHER < tenants ? at + TOGETHER : tenants);
    }
    store->ops->close(store);
    return bench_ok(status, "set due", NULL);
}

typedef struct page {
    wxtp_platform *platform;
    char appids[PAGE][ID_MAX];
    size_t count, submitted, taken;
} page;

static bool see_due(void *user, const char *appid)
{
    page *self = user;
    (void)snprintf(self->appids[self->count++], ID_MAX, "%s", appid);
    return self->count < PAGE;
}

static bool submit_one(page *self)
{
    wxtp_error *error = NULL;
    wxtp_token_facts facts = {.struct_size = sizeof(facts)};
    const char *appid = self->appids[self->submitted++];
    return bench_ok(wxtp_token_info(self->platform, appid, &facts, &error), appid, error) &&
           bench_ok(wxtp_token_submit(self->platform, appid, facts.version, NULL, NULL, &error), appid,
                    error);
}

static bool take_one(page *self)
{
    wxtp_completion *taken = wxtp_completion_take(self->platform, WAIT_MS);
    bool ok = taken != NULL;
    if (taken && wxtp_completion_kind_of(taken) == WXTP_COMPLETION_TOKEN) {
        ok = bench_ok(wxtp_completion_status(taken), wxtp_completion_tenant(taken),
                      wxtp_completion_take_error(taken));
        self->taken++;
    }
    wxtp_completion_free(taken);
    return ok;
}

/* As `wxtp-admin token refresh --due` does, with so many at once. */
static bool renew_due(wxtp_platform *platform, size_t at_once, int64_t *renewed)
{
    page *self = calloc(1, sizeof(*self));
    bool ok = self != NULL;
    for (bool more = true; ok && more;) {
        wxtp_error *error = NULL;
        *self = (page){.platform = platform};
        ok = bench_ok(wxtp_token_each_due(platform, PAGE, see_due, self, &error), "due", error);
        more = self->count > 0;
        while (ok && self->taken < self->count) {
            const bool room = self->submitted < self->count && self->submitted - self->taken < at_once;
            ok = room ? submit_one(self) : take_one(self);
        }
        *renewed += (int64_t)self->count;
    }
    free(self);
    return ok;
}

static bool run(const bench_args *args, int64_t tenants)
{
    bench_platform on;
    int64_t renewed = 0;
    if (!bench_open(args, BENCH_COUNTED, &on)) {
        return false;
    }
    const bench_counts before = bench_store_counts(on.store);
    const int64_t began = bench_now_ns();
    bool ok = renew_due(on.platform, (size_t)bench_number(args, "--at-once", 32), &renewed);
    const int64_t took = bench_now_ns() - began;
    const bench_counts after = bench_store_counts(on.store);
    if (ok && renewed != tenants) {
        fprintf(stderr, "%" PRId64 " tokens were due, not %" PRId64 "\n", renewed, tenants);
        ok = false;
    }
    printf("{\"seconds\": %.6f, \"renewed\": %" PRId64 ", \"writes\": %" PRId64 ", \"syncs\": %" PRId64 "}\n",
           (double)took / 1e9, renewed, after.writes - before.writes, after.syncs - before.syncs);
    return bench_close(&on) && ok;
}

int main(int argc, char **argv)
{
    const bench_args args = {argc, argv};
    const char *what = argc > 1 ? argv[1] : "";
    const int64_t tenants = bench_number(&args, "--tenants", 1000);
    bool ok = false;
    if (strcmp(what, "make") == 0) {
        ok = add_tenants(&args, tenants) && set_all_due(&args, tenants);
    } else if (strcmp(what, "run") == 0) {
        ok = run(&args, tenants);
    } else {
        fprintf(stderr, "usage: bench-storm make|run --db PATH ...\n");
        return 2;
    }
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
