/* What must hold: of each request as it leaves, and of what is there in the end. */
#include "sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec/narrow.h"

enum { HONOURED_MS = 1000, EXPIRY_MARGIN_MS = 4000, BATCH = 20, BATCHES_MAX = 64 };

/* ---- A request begins ---- */

static bool component_call(const sim_flight *flight)
{
    return flight->path == SIM_PATH_REFRESH || flight->path == SIM_PATH_QUERY_AUTH ||
           flight->path == SIM_PATH_INFO || flight->path == SIM_PATH_LIST;
}

static void token_was_committed(sim *world, const sim_flight *flight)
{
    const sim_token *token = NULL;
    if (component_call(flight)) {
        token = sim_token_find(&world->component, flight->token);
    } else if (flight->path == SIM_PATH_UNBLACKLIST || flight->path == SIM_PATH_QUOTA) {
        token = flight->account >= 0 ? sim_token_find(&world->accounts[flight->account].access, flight->token)
                                     : NULL;
    } else {
        return;
    }
    if (!token) {
        sim_fail(world, "I2: #%d uses the token %s, which WeChat never gave", flight->number, flight->token);
    } else if (!token->committed) {
        sim_fail(world, "I2: #%d uses the token %s, which was not stored before", flight->number,
                 flight->token);
    }
}

static void refresh_token_was_committed(sim *world, const sim_flight *flight)
{
    const char *name = "\"authorizer_refresh_token\":\"";
    const char *at = strstr(flight->body, name);
    char text[SIM_TEXT] = "";
    if (flight->account < 0 || !at) {
        sim_fail(world, "I2: #%d asks for a token with no refresh token", flight->number);
        return;
    }
    at += strlen(name);
    const size_t len = strcspn(at, "\"");
    memcpy(text, at, len < sizeof(text) ? len : sizeof(text) - 1);
    const sim_token *token = sim_token_find(&world->accounts[flight->account].refresh, text);
    if (!token || !token->committed) {
        sim_fail(world, "I2: #%d asks with the refresh token %s, which was not stored before", flight->number,
                 text);
    }
}

static void gate_lets_through(sim *world, const sim_flight *flight)
{
    const sim_seen *seen = &world->watch.tenants_seen[flight->account];
    const int64_t now = sim_boot(world);
    if (seen->known && !seen->callable && now - seen->not_callable_since_ms > HONOURED_MS &&
        flight->node->stalled_at < seen->not_callable_since_ms) {
        sim_fail(world, "I6: #%d calls for account %d, which has not been callable for %" PRId64 " ms",
                 flight->number, flight->account, now - seen->not_callable_since_ms);
    }
}

static void token_is_not_ending(sim *world, const sim_flight *flight)
{
    const sim_key *key = &world->watch.keys[flight->account];
    if (strcmp(key->access, flight->token) == 0 && sim_wall(world) >= key->expires_ms - EXPIRY_MARGIN_MS &&
        flight->node->stalled_at != sim_boot(world)) {
        sim_fail(world, "I4: #%d uses a token %" PRId64 " ms before its end", flight->number,
                 key->expires_ms - sim_wall(world));
    }
}

static bool refused_token(const sim_flight *flight)
{
    return flight->over && flight->outcome == WXTP_HTTP_ANSWERED && flight->errcode == 40001;
}

/* A refusal leads to one retry, with another token. */
static void retried_once(sim *world, const sim_flight *flight)
{
    int in_a_row = 0;
    for (const sim_flight *before = world->flights; before != flight; before = before->next) {
        if (before->path != SIM_PATH_UNBLACKLIST || before->node != flight->node ||
            before->life != flight->life || before->account != flight->account) {
            continue;
        }
        if (refused_token(before) && strcmp(before->token, flight->token) == 0 &&
            sim_boot(world) - before->over_at > HONOURED_MS && flight->node->stalled_at < before->over_at) {
            sim_fail(world, "#%d uses the token that was refused to #%d", flight->number, before->number);
        }
        if (before->task == flight->task && before->run == flight->run &&
            strcmp(before->body, flight->body) == 0) {
            in_a_row = refused_token(before) ? in_a_row + 1 : 0;
        }
    }
    if (in_a_row > 1) {
        sim_fail(world, "#%d is the second retry after a refused token", flight->number);
    }
}

static void intent_says_so(sim *world, const sim_flight *flight)
{
    int64_t generation = 0;
    int64_t fence = 0;
    const sim_key *key = &world->watch.keys[flight->key];
    const int64_t stored = key->generation;
    if (!sim_watch_intent(world, flight->key, &generation, &fence)) {
        sim_fail(world, "I2: #%d asks for a token without an intent", flight->number);
    } else if (generation != stored) {
        sim_fail(world, "I1: #%d renews generation %" PRId64 " of key %d, and %" PRId64 " is stored",
                 flight->number, generation, flight->key, stored);
    } else if (key->access[0] && sim_wall(world) < key->due_ms && stored > key->refused_generation) {
        sim_fail(world, "I1: #%d renews generation %" PRId64 " of key %d, which is fresh", flight->number,
                 stored, flight->key);
    }
}

void sim_check_starting(sim *world, sim_flight *flight)
{
    token_was_committed(world, flight);
    if (flight->path == SIM_PATH_UNBLACKLIST && flight->account >= 0) {
        gate_lets_through(world, flight);
        token_is_not_ending(world, flight);
        retried_once(world, flight);
    } else if (flight->path == SIM_PATH_QUERY_AUTH && sim_watch_sent_codes(world) == 0) {
        sim_fail(world, "I2: #%d exchanges a code, and no stored code says so", flight->number);
    } else if (flight->path == SIM_PATH_REFRESH) {
        refresh_token_was_committed(world, flight);
    }
    if (flight->key >= 0) {
        intent_says_so(world, flight);
    }
}

/* ---- What an operation comes to ---- */

/* Who gives up for want of another token than the refused one must not have had one. */
void sim_check_op(const sim_op *op, const wx_err *err)
{
    sim *world = op->world;
    if (op->status != WXTP_ERR_CREDENTIALS || !strstr(err->message, "gives no other")) {
        return;
    }
    sim_watch_look(world);
    const int account = op->list ? op->list->account : op->account;
    const char *stored = world->watch.keys[account].access;
    bool refused = false;
    for (const sim_flight *flight = world->flights; flight && !refused; flight = flight->next) {
        refused = refused_token(flight) && strcmp(flight->token, stored) == 0;
    }
    if (stored[0] && !refused) {
        sim_fail(world, "a refused token of account %d led to no retry, and %s was there", account, stored);
    }
}

/* ---- A refresh leaves ---- */

/* An answer that came in time to one that could store it. */
static bool known_to_be_done(const sim_flight *before)
{
    const sim_node *node = before->node;
    return before->over && before->outcome == WXTP_HTTP_ANSWERED && before->good &&
           before->over_at <= before->deadline && node->alive && node->life == before->life &&
           node->stalled_at < before->over_at && node->paused_until <= before->over_at;
}

static bool under_way(const sim *world, const sim_flight *before)
{
    const sim_node *node = before->node;
    return !before->over && node->alive && node->life == before->life &&
           atomic_load(&world->clock.boot_ms) < before->deadline;
}

void sim_check_leaving(sim *world, sim_flight *flight)
{
    int64_t fence = 0;
    int64_t until = 0;
    if (flight->key < 0 || !sim_watch_intent(world, flight->key, &flight->generation, &flight->fence)) {
        return;
    }
    if (!sim_watch_lease(world, flight->key, &fence, &until)) {
        sim_fail(world, "I1: #%d leaves without a lease", flight->number);
    } else if (until < flight->deadline || fence != flight->fence) {
        sim_fail(world,
                 "I1: #%d leaves with a lease that ends %" PRId64 " ms after its time (fence %" PRId64
                 ", intent %" PRId64 ")",
                 flight->number, until - flight->deadline, fence, flight->fence);
    }
    for (const sim_flight *before = world->flights; before != flight; before = before->next) {
        if (before->key != flight->key || !before->left || before->generation != flight->generation) {
            continue;
        }
        if (under_way(world, before)) {
            sim_fail(world, "I1: #%d and #%d refresh generation %" PRId64 " of key %d at once",
                     before->number, flight->number, flight->generation, flight->key);
        } else if (known_to_be_done(before)) {
            sim_fail(world, "I1: #%d refreshes generation %" PRId64 " of key %d again, and #%d had an answer",
                     flight->number, flight->generation, flight->key, before->number);
        }
    }
}

/* ---- After the trouble ---- */

/* A pair that came to a live node is in the store, as the current one or as a spare. */
static void nothing_thrown_away(sim *world)
{
    for (const sim_flight *flight = world->flights; flight; flight = flight->next) {
        const bool came = flight->over && flight->good && flight->path == SIM_PATH_REFRESH &&
                          flight->node->life == flight->life && flight->outcome == WXTP_HTTP_ANSWERED;
        if (!came) {
            continue;
        }
        const sim_token *token =
            sim_token_find(&world->accounts[flight->account].refresh, flight->granted_refresh);
        if (token && !token->committed) {
            sim_fail(world, "I3: #%d brought the refresh token %s, and it was stored nowhere", flight->number,
                     token->text);
        }
    }
}

void sim_check_status(sim *world)
{
    const int64_t now = sim_wall(world);
    nothing_thrown_away(world);
    for (size_t at = 0; at < world->account_count; at++) {
        const sim_account *of = &world->accounts[at];
        const sim_seen *seen = &world->watch.tenants_seen[at];
        if (!seen->known || !sim_recoverable(of, now)) {
            continue;
        }
        if (seen->status == WXTP_TENANT_REAUTHORIZATION_REQUIRED) {
            sim_fail(world, "I5: account %d has to authorize again, and a refresh token of it serves",
                     (int)at);
        } else if (seen->status != WXTP_TENANT_AUTHORIZED) {
            sim_fail(world, "I5: account %d is authorized, and stored with status %d", (int)at, seen->status);
        }
    }
}

/* ---- The end ---- */

typedef struct batch_seen {
    int index[BATCH];
    int count, bad, calls;
} batch_seen;

static int account_of(const sim *world, const char *appid)
{
    for (size_t at = 0; at < world->account_count; at++) {
        if (strcmp(world->accounts[at].appid, appid) == 0) {
            return (int)at;
        }
    }
    return -1;
}

static void judge_openid(sim *world, int account, int index, char mark)
{
    const sim_account *of = &world->accounts[account];
    if (index < 0 || !of->listed[index]) {
        sim_fail(world, "I7: a job of account %d has an openid of no list", account);
    } else if (mark == WX_MARK_DONE && (of->bad[index] || of->applied[index] == 0)) {
        sim_fail(world, "I7: openid %d of account %d counts as done, and WeChat did not", index, account);
    } else if (mark == WX_MARK_INVALID && !(of->bad[index] && of->refused_alone[index])) {
        sim_fail(world, "I7: openid %d of account %d counts as invalid, and was not refused alone", index,
                 account);
    } else if (mark != WX_MARK_DONE && mark != WX_MARK_INVALID) {
        sim_fail(world, "I7: openid %d of account %d ends as '%c'", index, account, mark);
    }
}

/* What one call may cost: 8 for one bad openid of 20, 15 for two, 31 whatever the mix. */
static void within_budget(sim *world, int account, const batch_seen *batch)
{
    static const int budget[] = {1, 8, 15};
    int calls = 0;
    for (const sim_flight *flight = world->flights; flight; flight = flight->next) {
        char text[SIM_TEXT];
        bool of_it = false;
        for (int at = 0; at < batch->count && !of_it; at++) {
            sim_openid(world, account, batch->index[at], text);
            of_it = flight->path == SIM_PATH_UNBLACKLIST && strstr(flight->body, text);
        }
        calls += of_it;
    }
    const int most = batch->bad < 3 ? budget[batch->bad] : 31;
    if (calls > most) {
        sim_fail(world, "I7: a batch with %d bad openids took %d calls", batch->bad, calls);
    }
}

static void judge_batch(sim *world, int account, const char *openids, const char *marks, int *seen)
{
    batch_seen batch = {.count = 0};
    for (const char *at = openids; *at && batch.count < BATCH;) {
        const size_t len = strcspn(at, "\n");
        const int index = sim_openid_index(at, len, account);
        judge_openid(world, account, index, marks[batch.count]);
        batch.index[batch.count++] = index;
        batch.bad += index >= 0 && world->accounts[account].bad[index];
        at += len + (at[len] == '\n');
    }
    *seen += batch.count;
    if (world->profile.quiet) {
        within_budget(world, account, &batch);
    }
}

static void judge_job(sim *world, sqlite3_int64 job, int account, int requested)
{
    sqlite3_stmt *statement = NULL;
    int seen = 0;
    (void)sqlite3_prepare_v2(world->watch.db, "SELECT openids,marks FROM marked_batches WHERE job=?", -1,
                             &statement, NULL);
    (void)sqlite3_bind_int64(statement, 1, job);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        judge_batch(world, account, (const char *)sqlite3_column_text(statement, 0),
                    (const char *)sqlite3_column_text(statement, 1), &seen);
    }
    (void)sqlite3_finalize(statement);
    if (seen != requested) {
        sim_fail(world, "I7: a job of %d openids has %d in its batches", requested, seen);
    }
}

void sim_check_end(sim *world)
{
    sqlite3_stmt *statement = NULL;
    (void)sqlite3_prepare_v2(world->watch.db,
                             "SELECT j.n,appid,state,requested,invalid,(SELECT count(*) FROM exceptions e "
                             "WHERE e.job=j.n AND verdict=0) FROM jobs j WHERE state<>0",
                             -1, &statement, NULL);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const int account = account_of(world, (const char *)sqlite3_column_text(statement, 1));
        const int state = sqlite3_column_int(statement, 2);
        if (state != WXTP_JOB_DONE && state != WXTP_JOB_PARTIAL) {
            sim_fail(world, "I7: a job of account %d is not done after all trouble has ended", account);
        }
        if (sqlite3_column_int(statement, 4) != sqlite3_column_int(statement, 5)) {
            sim_fail(world, "I7: a job of account %d counts %d invalid and names %d", account,
                     sqlite3_column_int(statement, 4), sqlite3_column_int(statement, 5));
        }
        judge_job(world, sqlite3_column_int64(statement, 0), account, sqlite3_column_int(statement, 3));
    }
    (void)sqlite3_finalize(statement);
}
