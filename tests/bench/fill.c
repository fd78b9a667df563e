/*
 * Fills a database with authorized tenants of one component, each with a token, through the store contract.
 *
 *     bench-fill --db PATH --tenants N
 *
 * Ten of them, spread evenly, are unauthorized and not certified.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { ID_MAX = 64, TOGETHER = 20000, ODD = 10, SEALED_LEN = 180 };

static const char component[] = "wxbenchcomponent00";

/* The platform makes the keys of the database, and the component in it. */
static bool set_up(const bench_args *args)
{
    bench_platform on;
    wxtp_error *error = NULL;
    return bench_open(args, BENCH_PLAIN, &on) &&
           bench_ok(wxtp_platform_set(on.platform, component, "0123456789abcdef0123456789abcdef", "token",
                                      "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", &error),
                    "platform", error) &&
           bench_close(&on);
}

/* Nothing here opens what is sealed, so that any bytes of the right length will do. */
static wxtp_status put_one(const wxtp_store_ops *ops, wxtp_tx *tx, int64_t at, bool odd)
{
    static const unsigned char sealed[SEALED_LEN] = {1};
    const int64_t now_ms = 1700000000000;
    char appid[ID_MAX];
    char nick_name[ID_MAX];
    (void)snprintf(appid, sizeof(appid), "wx%016" PRIx64, (uint64_t)at);
    (void)snprintf(nick_name, sizeof(nick_name), "Merchant %" PRId64, at);
    const wxtp_tenant_row tenant = {
        .platform = component,
        .appid = appid,
        .credential = WXTP_CREDENTIAL_AUTHORIZER,
        .status = odd ? WXTP_TENANT_UNAUTHORIZED : WXTP_TENANT_AUTHORIZED,
        .account = WXTP_ACCOUNT_SERVICE,
        .service_type = 2,
        .verify_type = odd ? -1 : 0,
        .account_status = 1,
        .permission_sets = "1,2,4,15,100",
        .nick_name = nick_name,
        .principal_name = "A company of some length, limited",
        .user_name = "gh_0123456789ab",
        .certified = !odd,
        .override_certified = -1,
        .declared_certified = -1,
        .observed_certified = -1,
        .profile_ms = now_ms,
        .status_ms = now_ms,
        .event_time_s = now_ms / 1000,
        .created_ms = now_ms,
        .updated_ms = now_ms,
    };
    const wxtp_token_row token = {
        .key = {component, appid},
        .generation = 1,
        .access = {sealed, sizeof(sealed)},
        .refresh = {sealed, sizeof(sealed)},
        .issued_ms = now_ms,
        .expires_ms = now_ms + 7200000,
        .due_ms = now_ms + 6600000 + at % 60000,
    };
    wxtp_status status = ops->tenant_put(tx, &tenant);
    return status == WXTP_OK ? ops->token_put_if(tx, &token, 0, NULL) : status;
}

static wxtp_status put_some(wxtp_store *store, int64_t from, int64_t to, int64_t every)
{
    wxtp_tx *tx = NULL;
    wxtp_status status = store->ops->begin(store, WXTP_TX_WRITE, &tx);
    if (status != WXTP_OK) {
        return status;
    }
    for (int64_t at = from; status == WXTP_OK && at < to; at++) {
        status = put_one(store->ops, tx, at, at % every == every / 2);
    }
    if (status != WXTP_OK) {
        store->ops->rollback(tx);
        return status;
    }
    status = store->ops->commit(tx);
    return status == WXTP_OK ? store->ops->maintain(store) : status;
}

static bool fill(const bench_args *args, int64_t tenants)
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
        const int64_t to = at + TOGETHER < tenants ? at + TOGETHER : tenants;
        status = put_some(store, at, to, tenants >= ODD ? tenants / ODD : 1);
    }
    store->ops->close(store);
    return bench_ok(status, "fill", NULL);
}

int main(int argc, char **argv)
{
    const bench_args args = {argc, argv};
    const int64_t before = bench_now_ns();
    const int64_t tenants = bench_number(&args, "--tenants", 1000);
    if (!set_up(&args) || !fill(&args, tenants)) {
        return EXIT_FAILURE;
    }
    printf("{\"seconds\": %.3f, \"tenants\": %" PRId64 "}\n", (double)(bench_now_ns() - before) / 1e9,
           tenants);
    return EXIT_SUCCESS;
}
