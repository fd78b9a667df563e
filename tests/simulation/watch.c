/* What is committed in the store, seen by a connection of its own after every step (I2, I3, I7). */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "domain/vault.h"

static void must(sim *world, int rc, const char *what)
{
    if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE) {
        sim_fail(world, "watching the store: %s: %s", what, sqlite3_errmsg(world->watch.db));
    }
}

static void prepare(sim *world, sqlite3_stmt **statement, const char *sql)
{
    must(world, sqlite3_prepare_v3(world->watch.db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL),
         sql);
}

bool sim_watch_open(sim *world)
{
    sim_watch *watch = &world->watch;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(world->database, &watch->db, flags, NULL) != SQLITE_OK) {
        return false;
    }
    (void)sqlite3_db_config(watch->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    must(world, sqlite3_exec(watch->db, "PRAGMA wal_autocheckpoint=0;PRAGMA query_only=ON", NULL, NULL, NULL),
         "settings");
    prepare(world, &watch->version, "PRAGMA data_version");
    prepare(world, &watch->tokens,
            "SELECT appid,generation,refused_generation,expires_ms,access,refresh,due_ms FROM tokens");
    prepare(world, &watch->spares, "SELECT id,appid,refresh FROM spares WHERE id>? ORDER BY id");
    prepare(world, &watch->tenants,
            "SELECT appid,status,account,account_status,certified,permission_sets,removed FROM tenants");
    prepare(world, &watch->jobs,
            "SELECT n,state,requested,succeeded,invalid,failed,pending FROM jobs WHERE state<>0");
    prepare(world, &watch->intent, "SELECT generation,fence FROM intents WHERE platform=?1 AND appid=?2");
    prepare(world, &watch->lease, "SELECT fence,until_boot_ms FROM leases WHERE name=?1 AND owner<>0");
    prepare(world, &watch->codes, "SELECT count(*) FROM codes WHERE state=1");
    watch->seen_version = -1;
    watch->vault.allocator = world->nodes[0].core.allocator;
    watch->vault.crypto = world->nodes[0].core.crypto;
    memset(watch->vault.data_key, 7, sizeof(watch->vault.data_key));
    return !world->failed;
}

void sim_watch_close(sim *world)
{
    sim_watch *watch = &world->watch;
    sqlite3_stmt *const all[] = {watch->version, watch->tokens, watch->spares, watch->tenants,
                                 watch->jobs,    watch->intent, watch->lease,  watch->codes};
    for (size_t at = 0; at < sizeof(all) / sizeof(all[0]); at++) {
        (void)sqlite3_finalize(all[at]);
    }
    (void)sqlite3_close_v2(watch->db);
    watch->db = NULL;
}

static bool row(sim *world, sqlite3_stmt *statement)
{
    const int rc = sqlite3_step(statement);
    must(world, rc, sqlite3_sql(statement));
    if (rc != SQLITE_ROW) {
        (void)sqlite3_reset(statement);
    }
    return rc == SQLITE_ROW;
}

static int account_of(const sim *world, sqlite3_stmt *statement, int column)
{
    const char *appid = (const char *)sqlite3_column_text(statement, column);
    for (size_t at = 0; appid && at < world->account_count; at++) {
        if (strcmp(world->accounts[at].appid, appid) == 0) {
            return (int)at;
        }
    }
    return SIM_ACCOUNTS; /* the component's own */
}

static const char *appid_of(const sim *world, int key)
{
    return key == SIM_ACCOUNTS ? "" : world->accounts[key].appid;
}

/* ---- Tokens ---- */

static void unseal(sim *world, sqlite3_stmt *statement, int column, const char *kind, const char *appid,
                   const char *field, char text[SIM_TEXT])
{
    wx_err err = {0};
    char *opened = NULL;
    const wxtp_blob blob = {sqlite3_column_blob(statement, column),
                            (size_t)sqlite3_column_bytes(statement, column)};
    text[0] = '\0';
    if (wx_vault_open(&world->watch.vault, kind, SIM_COMPONENT, appid, field, blob, &opened, &err) !=
        WXTP_OK) {
        sim_fail(world, "I9: a stored %s of %s does not open: %s", kind, appid, err.message);
    } else if (opened) {
        (void)snprintf(text, SIM_TEXT, "%s", opened);
    }
    wx_free(opened);
}

static uint64_t digest(uint64_t hash, const void *bytes, int len)
{
    for (const unsigned char *at = bytes; len-- > 0; at++) {
        hash = (hash ^ *at) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static void commit_token(sim_tokens *tokens, const char *text)
{
    sim_token *token = sim_token_find(tokens, text);
    if (token) {
        token->committed = true;
    }
}

/* Who stores an answer must have been the last to ask: another's request means that its lease was lost. */
static void judge_fence(sim *world, int key, const char *access)
{
    const sim_flight *from = NULL;
    for (const sim_flight *flight = world->flights; flight; flight = flight->next) {
        if (flight->key != key || !flight->left) {
            continue;
        }
        if (strcmp(flight->granted, access) == 0) {
            from = flight;
        } else if (from && flight->fence > from->fence) {
            sim_fail(world, "I3: key %d: #%d's answer was stored after #%d had left under a newer fence", key,
                     from->number, flight->number);
        }
    }
}

static void judge_token(sim *world, int key, const sim_key *before, const sim_key *now)
{
    if (now->generation < before->generation) {
        sim_fail(world, "I3: key %d went back from generation %lld to %lld", key,
                 (long long)before->generation, (long long)now->generation);
    }
    if (now->generation == before->generation && before->access[0] &&
        strcmp(now->access, before->access) != 0) {
        sim_fail(world, "I3: generation %lld of key %d was %s and is now %s", (long long)now->generation, key,
                 before->access, now->access);
    }
    if (strcmp(now->access, before->access) != 0 && now->access[0]) {
        sim_note(world, "   key %d: generation %lld is %s %s", key, (long long)now->generation, now->access,
                 now->refresh);
        judge_fence(world, key, now->access);
    }
}

static void look_at_token(sim *world, sqlite3_stmt *statement)
{
    sim_watch *watch = &world->watch;
    const int key = account_of(world, statement, 0);
    sim_key *known = &watch->keys[key];
    const sim_key before = *known;
    known->generation = sqlite3_column_int64(statement, 1);
    known->refused_generation = sqlite3_column_int64(statement, 2);
    known->expires_ms = sqlite3_column_int64(statement, 3);
    known->due_ms = sqlite3_column_int64(statement, 6);
    uint64_t seal = digest(1, sqlite3_column_blob(statement, 4), sqlite3_column_bytes(statement, 4));
    seal = digest(seal, sqlite3_column_blob(statement, 5), sqlite3_column_bytes(statement, 5));
    if (seal != known->seal) {
        known->seal = seal;
        unseal(world, statement, 4, "token", appid_of(world, key), "access", known->access);
        unseal(world, statement, 5, "token", appid_of(world, key), "refresh", known->refresh);
        if (key == SIM_ACCOUNTS) {
            commit_token(&world->component, known->access);
        } else {
            commit_token(&world->accounts[key].access, known->access);
            commit_token(&world->accounts[key].refresh, known->refresh);
        }
    }
    judge_token(world, key, &before, known);
}

static void look_at_spare(sim *world, sqlite3_stmt *statement)
{
    char text[SIM_TEXT];
    const int key = account_of(world, statement, 1);
    world->watch.last_spare = sqlite3_column_int64(statement, 0);
    unseal(world, statement, 2, "spare", appid_of(world, key), "refresh", text);
    sim_note(world, "   key %d: spare %s", key, text);
    if (key < SIM_ACCOUNTS) {
        commit_token(&world->accounts[key].refresh, text);
    }
}

/* ---- Tenants and jobs ---- */

static bool has_users_set(const char *sets)
{
    for (const char *at = sets; at && *at;) {
        const long set = strtol(at, NULL, 10);
        if (set == 2 || set == 100) {
            return true;
        }
        at = strchr(at, ',');
        at = at ? at + 1 : NULL;
    }
    return false;
}

static void look_at_tenant(sim *world, sqlite3_stmt *statement)
{
    const int account = account_of(world, statement, 0);
    if (account == SIM_ACCOUNTS) {
        return;
    }
    sim_seen *seen = &world->watch.tenants_seen[account];
    const int status = sqlite3_column_int(statement, 1);
    const int kind = sqlite3_column_int(statement, 2);
    const bool callable = status == WXTP_TENANT_AUTHORIZED && sqlite3_column_int(statement, 6) == 0 &&
                          (kind == WXTP_ACCOUNT_SERVICE || kind == WXTP_ACCOUNT_SUBSCRIPTION) &&
                          sqlite3_column_int(statement, 4) == 1 &&
                          has_users_set((const char *)sqlite3_column_text(statement, 5));
    if (!seen->known || (seen->callable && !callable)) {
        seen->not_callable_since_ms = sim_boot(world);
    }
    if (!seen->known || seen->status != status || seen->callable != callable) {
        sim_note(world, "   tenant %d: status %d, %s", account, status,
                 callable ? "callable" : "not callable");
    }
    *seen = (sim_seen){.known = true,
                       .callable = callable,
                       .status = status,
                       .not_callable_since_ms = seen->not_callable_since_ms};
}

static void look_at_job(sim *world, sqlite3_stmt *statement)
{
    const int64_t requested = sqlite3_column_int64(statement, 2);
    int64_t sum = 0;
    for (int column = 3; column <= 6; column++) {
        const int64_t part = sqlite3_column_int64(statement, column);
        sum += part;
        if (part < 0) {
            sim_fail(world, "I7: a job counts %lld", (long long)part);
        }
    }
    if (sum != requested) {
        sim_fail(world, "I7: job %lld requested %lld and accounts for %lld",
                 (long long)sqlite3_column_int64(statement, 0), (long long)requested, (long long)sum);
    }
}

void sim_watch_look(sim *world)
{
    sim_watch *watch = &world->watch;
    static const struct {
        size_t statement;
        void (*look)(sim *world, sqlite3_stmt *statement);
    } looks[] = {
        {offsetof(sim_watch, tokens), look_at_token},
        {offsetof(sim_watch, spares), look_at_spare},
        {offsetof(sim_watch, tenants), look_at_tenant},
        {offsetof(sim_watch, jobs), look_at_job},
    };
    int64_t version = watch->seen_version;
    while (row(world, watch->version)) {
        version = sqlite3_column_int64(watch->version, 0);
    }
    if (version == watch->seen_version) {
        return;
    }
    watch->seen_version = version;
    (void)sqlite3_bind_int64(watch->spares, 1, watch->last_spare);
    for (size_t at = 0; at < sizeof(looks) / sizeof(looks[0]); at++) {
        sqlite3_stmt *statement;
        memcpy(&statement, (const char *)watch + looks[at].statement, sizeof(statement));
        while (row(world, statement)) {
            looks[at].look(world, statement);
        }
    }
}

/* ---- What a request is judged by ---- */

bool sim_watch_intent(sim *world, int key, int64_t *generation, int64_t *fence)
{
    sqlite3_stmt *statement = world->watch.intent;
    (void)sqlite3_bind_text(statement, 1, SIM_COMPONENT, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 2, appid_of(world, key), -1, SQLITE_STATIC);
    const bool found = row(world, statement);
    if (found) {
        *generation = sqlite3_column_int64(statement, 0);
        *fence = sqlite3_column_int64(statement, 1);
    }
    (void)sqlite3_reset(statement);
    return found;
}

bool sim_watch_lease(sim *world, int key, int64_t *fence, int64_t *until_boot_ms)
{
    char name[96];
    sqlite3_stmt *statement = world->watch.lease;
    (void)snprintf(name, sizeof(name), "token:%s:%s", SIM_COMPONENT, appid_of(world, key));
    (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_TRANSIENT);
    const bool found = row(world, statement);
    if (found) {
        *fence = sqlite3_column_int64(statement, 0);
        *until_boot_ms = sqlite3_column_int64(statement, 1);
    }
    (void)sqlite3_reset(statement);
    return found;
}

int sim_watch_sent_codes(sim *world)
{
    int count = 0;
    while (row(world, world->watch.codes)) {
        count = sqlite3_column_int(world->watch.codes, 0);
    }
    return count;
}
