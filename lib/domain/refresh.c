#include "domain/refresh.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/point.h"
#include "codec/catalog.h"
#include "domain/record.h"
#include "domain/storage.h"

enum {
    LEASE_SLACK_MS = 5000,
    BUSY_POLL_MS = 100,
    ROUNDS = 6,
    EARLY_TRIES = 2,
    COMMIT_TRIES = 5,
    TOKEN_ROUNDS = 3,
    FOREIGN_APART_MS = 60000,
    MINUTE_MS = 60000,
};

static wxtp_token_key key_of(const wx_renewal *renewal)
{
    return (wxtp_token_key){.platform = renewal->platform, .appid = renewal->appid};
}

static int64_t lease_ms(const wx_renewal *renewal)
{
    return renewal->op->core->settings.timeout_ms + LEASE_SLACK_MS;
}

static bool satisfied(const wx_renewal *renewal, const wx_held *held)
{
    const int64_t now = wx_wall_ms(renewal->op->core);
    if (renewal->want == WX_WANT_NEWER) {
        return held->generation > renewal->seen_generation && wx_held_usable(held, now);
    }
    return wx_held_usable(held, now) && !wx_held_due(held, now);
}

/* ---- The lease ---- */

/* Takes the lease and looks a second time. WXTP_ERR_STATE: another has it. `done`: nothing is left to do. */
static wxtp_status take_lease(wx_renewal *renewal, bool *done, wx_err *err)
{
    wx_core *core = renewal->op->core;
    const wxtp_token_key key = key_of(renewal);
    wxtp_intent_row intent = {0};
    WX_AUTO_SCOPE scope = {0};
    *done = false;
    wx_held_free(&renewal->held);
    renewal->lease = (wxtp_lease){.name = renewal->key};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_WRITE, err);
    if (status == WXTP_OK) {
        status = wx_held_load(core, scope.tx, renewal->platform, renewal->appid, &renewal->held, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    if (satisfied(renewal, &renewal->held)) {
        *done = true;
        return WXTP_OK;
    }
    status = wx_ops(core)->lease_take(scope.tx, &renewal->lease, lease_ms(renewal));
    if (status == WXTP_ERR_STATE) {
        return status;
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "take the refresh lease", err);
    }
    renewal->lease.name = renewal->key;
    status = wx_ops(core)->intent_get(scope.tx, &key, &intent);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, scope.tx, status, "read the intent", err);
    }
    renewal->outcome_unknown = status == WXTP_OK;
    status = wx_scope_commit(&scope, err);
    WX_POINT("refresh.lease_taken");
    return status;
}

static void release_lease(wx_renewal *renewal)
{
    wx_core *core = renewal->op->core;
    WX_AUTO_SCOPE scope = {0};
    wx_err ignored = {0};
    if (wx_scope_begin(&scope, core, WXTP_TX_WRITE, &ignored) == WXTP_OK &&
        wx_ops(core)->lease_release(scope.tx, &renewal->lease) == WXTP_OK) {
        wx_scope_commit(&scope, &ignored);
    }
}

static wxtp_status intend(wx_renewal *renewal, wx_err *err)
{
    wx_core *core = renewal->op->core;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status != WXTP_OK) {
        return status;
    }
    /* A new authorization takes no lease: nothing is asked on a generation that has moved. */
    status = wx_held_check(core, scope.tx, &renewal->held, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->lease_renew(scope.tx, &renewal->lease, lease_ms(renewal));
    if (status == WXTP_ERR_CONFLICT) {
        return status;
    }
    const wxtp_intent_row intent = {.key = key_of(renewal),
                                    .generation = renewal->held.generation,
                                    .fence = renewal->lease.fence,
                                    .started_ms = wx_wall_ms(core),
                                    .attempts = 1};
    if (status == WXTP_OK) {
        status = wx_ops(core)->intent_put(scope.tx, &intent);
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "write the intent", err);
    }
    status = wx_scope_commit(&scope, err);
    WX_POINT("refresh.intent_written");
    return status;
}

static void give_up(wx_renewal *renewal)
{
    wx_core *core = renewal->op->core;
    const wxtp_token_key key = key_of(renewal);
    WX_AUTO_SCOPE scope = {0};
    wx_err ignored = {0};
    if (renewal->outcome_unknown || wx_scope_begin(&scope, core, WXTP_TX_WRITE, &ignored) != WXTP_OK) {
        release_lease(renewal);
        return;
    }
    /* The intent may belong to another holder by now. */
    if (wx_ops(core)->lease_check(scope.tx, &renewal->lease) == WXTP_OK) {
        wxtp_status status = wx_ops(core)->intent_delete(scope.tx, &key);
        if (status == WXTP_OK || status == WXTP_ERR_NOT_FOUND) {
            status = wx_ops(core)->lease_release(scope.tx, &renewal->lease);
        }
        if (status == WXTP_OK) {
            wx_scope_commit(&scope, &ignored);
        }
    }
}

/* ---- Storing ---- */

static bool back_from_reauthorization(void *user, wxtp_tenant_row *row)
{
    const wx_core *core = user;
    if (row->status != WXTP_TENANT_REAUTHORIZATION_REQUIRED) {
        return false;
    }
    row->status = WXTP_TENANT_AUTHORIZED;
    row->status_ms = wx_wall_ms(core);
    row->status_source = wx_catalog_platform(WX_API_AUTHORIZER_TOKEN)->name;
    return true;
}

typedef struct old_spares {
    int64_t before_ms;
    int64_t ids[WX_SPARES_MAX + 1];
    size_t count;
} old_spares;

static bool note_old_spare(void *user, const wxtp_spare_row *row)
{
    old_spares *old = user;
    if (row->added_ms < old->before_ms && old->count < sizeof(old->ids) / sizeof(old->ids[0])) {
        old->ids[old->count++] = row->id;
    }
    return true;
}

/* A pair newer than the spares makes them useless; a spare that came meanwhile stays. */
static wxtp_status drop_old_spares(wx_core *core, wxtp_tx *tx, const wxtp_token_key *key,
                                   int64_t sent_wall_ms)
{
    old_spares old = {.before_ms = sent_wall_ms};
    wxtp_status status = wx_ops(core)->spare_list(tx, key, note_old_spare, &old);
    for (size_t i = 0; i < old.count && status == WXTP_OK; i++) {
        status = wx_ops(core)->spare_delete(tx, key, old.ids[i]);
    }
    return status;
}

/* Another was first, or holds the lease by now: its value stands, our refresh token is kept beside it. */
static wxtp_status keep_as_spare(wx_renewal *renewal, const wx_unsaved *got, wx_err *err)
{
    wx_core *core = renewal->op->core;
    WX_AUTO_HELD winner = {0};
    WX_AUTO_SCOPE scope = {0};
    if (got->refresh == NULL) {
        return WXTP_ERR_CONFLICT;
    }
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_held_load(core, scope.tx, renewal->platform, renewal->appid, &winner, err);
    }
    if (status == WXTP_OK && (winner.refresh == NULL || strcmp(winner.refresh, got->refresh) != 0)) {
        status = wx_spare_keep(core, scope.tx, renewal->platform, renewal->appid, got->refresh, err);
    }
    if (status == WXTP_OK) {
        status = wx_scope_commit(&scope, err);
        WX_POINT("refresh.spare_kept");
    }
    return status == WXTP_OK ? WXTP_ERR_CONFLICT : status;
}

static wxtp_status try_store(wx_renewal *renewal, const wx_unsaved *got, const wxtp_lease *lease, wx_err *err)
{
    wx_core *core = renewal->op->core;
    const wxtp_token_key key = key_of(renewal);
    WX_AUTO_HELD held = {0};
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_held_load(core, scope.tx, renewal->platform, renewal->appid, &held, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    if (held.generation != got->generation) {
        return WXTP_ERR_CONFLICT;
    }
    /* An answer without a refresh token leaves the one that was asked with in force. */
    const char *refresh = got->refresh != NULL ? got->refresh : got->asked_with;
    status = wx_held_enter(core, &held, renewal->source->kind, got->access, refresh, got->sent_wall_ms,
                           got->expires_in_s, err);
    if (status == WXTP_OK) {
        status = wx_held_put(core, scope.tx, &held, got->generation, lease, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    status = drop_old_spares(core, scope.tx, &key, got->sent_wall_ms);
    if (status == WXTP_OK) {
        status = wx_ops(core)->intent_delete(scope.tx, &key);
        status = status == WXTP_ERR_NOT_FOUND ? WXTP_OK : status;
    }
    if (status == WXTP_OK && lease != NULL) {
        status = wx_ops(core)->lease_release(scope.tx, lease);
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "store the token", err);
    }
    renewal->made_generation = held.generation > got->generation ? held.generation : 0;
    if (renewal->source->kind == WX_TOKEN_AUTHORIZER) {
        status =
            wx_tenant_change(&scope, renewal->platform, renewal->appid, back_from_reauthorization, core, err);
        if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
            return status;
        }
    }
    WX_POINT("refresh.storing");
    status = wx_scope_commit(&scope, err);
    WX_POINT("refresh.stored");
    return status;
}

static bool store_trouble(wxtp_status status)
{
    return status == WXTP_ERR_STORE || status == WXTP_ERR_STORE_BUSY || status == WXTP_ERR_NOMEM;
}

static wxtp_status store_with_lease(wx_renewal *renewal, wx_unsaved *got, const wxtp_lease *lease,
                                    wx_err *err)
{
    wx_core *core = renewal->op->core;
    wxtp_status status = WXTP_OK;
    for (int tries = 1; tries <= COMMIT_TRIES; tries++) {
        status = try_store(renewal, got, lease, err);
        if (!store_trouble(status)) {
            break;
        }
        wx_log(&core->log, WXTP_LOG_ERROR, "%s: a new token could not be stored yet: %s", renewal->appid,
               err->message);
        wx_rest(core->engine, wx_backoff_ms(core, tries));
    }
    if (status == WXTP_ERR_CONFLICT) {
        status = keep_as_spare(renewal, got, err);
    }
    if (store_trouble(status)) {
        const wx_err kept = *err;
        if (!wx_flight_keep(core, renewal->flight, got)) {
            wx_log(&core->log, WXTP_LOG_ERROR,
                   "%s: a new token is lost for want of memory; the open intent will have "
                   "it recovered",
                   renewal->appid);
        }
        *err = kept;
    }
    return status;
}

static wxtp_status store_answer(wx_renewal *renewal, wx_unsaved *got, wx_err *err)
{
    got->generation = renewal->held.generation;
    const wxtp_status status = store_with_lease(renewal, got, &renewal->lease, err);
    if (status == WXTP_OK && renewal->source->kind != WX_TOKEN_COMPONENT) {
        atomic_fetch_add(&renewal->op->refreshes, 1);
    }
    return status;
}

/* What an earlier flight learnt and could not store comes first: nobody may use it before. */
static wxtp_status store_unsaved(wx_renewal *renewal, wx_err *err)
{
    wx_unsaved *unsaved = wx_flight_unsaved(renewal->flight);
    if (unsaved == NULL) {
        return WXTP_OK;
    }
    wxtp_status status = try_store(renewal, unsaved, NULL, err);
    if (status == WXTP_ERR_CONFLICT) {
        status = keep_as_spare(renewal, unsaved, err);
    }
    if (status == WXTP_OK || status == WXTP_ERR_CONFLICT) {
        wx_flight_drop_unsaved(renewal->flight);
        return WXTP_OK;
    }
    return status;
}

/* ---- Asking ---- */

typedef struct asking {
    const wx_renewal *renewal;
    const wx_question *question;
} asking;

/* The holder sends only while its lease outlives the call. */
static bool lease_outlives_call(void *user)
{
    const asking *under_way = user;
    const int64_t deadline = under_way->question->deadline_boot_ms;
    WX_POINT("refresh.connected");
    return wx_boot_ms(under_way->renewal->op->core) < deadline &&
           deadline <= under_way->renewal->lease.until_boot_ms;
}

static wx_next after_answer(wx_renewal *renewal, const wx_question *question, wx_unsaved *got, wx_err *err)
{
    const wx_token_source *source = renewal->source;
    if (source->useless != NULL && source->useless(renewal, question, got)) {
        return WX_NEXT_OTHER;
    }
    const wxtp_status status = store_answer(renewal, got, err);
    return status == WXTP_OK             ? WX_NEXT_STORED
           : status == WXTP_ERR_CONFLICT ? WX_NEXT_FROM_THE_TOP
                                         : WX_NEXT_FAILED;
}

static wx_next after_refusal(wx_renewal *renewal, const wx_question *question, wx_err *err)
{
    wx_op *op = renewal->op;
    const wx_errcode_class class_ = wx_errcode_find(err->errcode)->class_;
    if (class_ == WX_ERRCODE_RATE) {
        const int64_t to_next_minute = MINUTE_MS - wx_wall_ms(op->core) % MINUTE_MS + 1;
        return wx_wait_patiently(op, to_next_minute, err) ? WX_NEXT_AGAIN : WX_NEXT_FAILED;
    }
    return renewal->source->refused != NULL ? renewal->source->refused(renewal, question, class_, err)
                                            : WX_NEXT_FAILED;
}

static wx_next after_silence(wx_renewal *renewal, wx_sent sent, int tries, wx_err *err)
{
    wx_op *op = renewal->op;
    renewal->outcome_unknown = renewal->outcome_unknown || sent == WX_SENT_UNKNOWN;
    if (sent == WX_SENT_NOTHING && wx_boot_ms(op->core) >= renewal->lease.until_boot_ms) {
        return WX_NEXT_FROM_THE_TOP;
    }
    /* While the old token is good, an outcome that is unknown is asked for once more, and the call goes on.
     */
    const int most = renewal->patient || op->core->settings.max_tries < EARLY_TRIES
                         ? op->core->settings.max_tries
                         : EARLY_TRIES;
    const bool worth_it = err->status == WXTP_ERR_UNAVAILABLE && tries < most;
    return worth_it && wx_wait_patiently(op, wx_backoff_ms(op->core, tries), err) ? WX_NEXT_AGAIN
                                                                                  : WX_NEXT_FAILED;
}

static const char *call_of(const wx_renewal *renewal)
{
    return wx_catalog_platform(renewal->source->kind == WX_TOKEN_OWN ? WX_API_STABLE_TOKEN
                                                                     : WX_API_AUTHORIZER_TOKEN)
        ->name;
}

/* One question under the lease, and what follows from its answer. */
static wx_next ask_once(wx_renewal *renewal, const wx_question *what, int *tries, wx_err *err)
{
    wx_question question = *what;
    asking under_way = {.renewal = renewal, .question = &question};
    wx_unsaved got = {0};
    wx_next next = WX_NEXT_FAILED;
    const wxtp_status status = intend(renewal, err);
    if (status != WXTP_OK) {
        return status == WXTP_ERR_CONFLICT ? WX_NEXT_FROM_THE_TOP : WX_NEXT_FAILED;
    }
    question.may_send = lease_outlives_call;
    question.may_send_user = &under_way;
    const int64_t began = wx_boot_ms(renewal->op->core);
    const int64_t generation = renewal->held.generation;
    const wx_sent sent = renewal->source->ask(renewal, &question, &got, err);
    const wx_err answered = *err;
    WX_POINT("refresh.answered");
    (*tries)++;
    if (sent == WX_SENT_OK) {
        next = after_answer(renewal, &question, &got, err);
    } else if (sent == WX_SENT_REFUSED) {
        next = after_refusal(renewal, &question, err);
    } else {
        next = after_silence(renewal, sent, *tries, err);
    }
    wx_unsaved_free(&got);
    if (sent != WX_SENT_NOTHING) {
        const wx_record made = {.platform = renewal->platform,
                                .appid = renewal->appid,
                                .call = call_of(renewal),
                                .token_generation = generation,
                                .made_generation = next == WX_NEXT_STORED ? renewal->made_generation : 0};
        wx_record_about(renewal->op, &made, began, sent == WX_SENT_OK ? NULL : &answered);
    }
    return next;
}

static wx_next other_question(wx_renewal *renewal, wx_question *question, wx_err *err)
{
    if (renewal->source->other == NULL) {
        return WX_NEXT_FAILED;
    }
    const wxtp_status status = renewal->source->other(renewal, question, err);
    return status == WXTP_OK             ? WX_NEXT_AGAIN
           : status == WXTP_ERR_CONFLICT ? WX_NEXT_FROM_THE_TOP
                                         : WX_NEXT_FAILED;
}

/* Asks until a token is stored or nothing is left to ask. `again`: start over from the lease. */
static wxtp_status ask_under_lease(wx_renewal *renewal, bool *again, wx_err *err)
{
    wx_question question = {.refresh_token = renewal->held.refresh};
    const bool nothing_to_send = renewal->source->needs_refresh_token && question.refresh_token == NULL;
    wx_next next = nothing_to_send ? WX_NEXT_OTHER : WX_NEXT_AGAIN;
    int tries = 0;
    renewal->account_refused = false;
    while (next == WX_NEXT_AGAIN || next == WX_NEXT_OTHER) {
        next = next == WX_NEXT_OTHER ? other_question(renewal, &question, err)
                                     : ask_once(renewal, &question, &tries, err);
    }
    if (renewal->source->forget != NULL) {
        renewal->source->forget(renewal);
    }
    *again = next == WX_NEXT_FROM_THE_TOP;
    if (next != WX_NEXT_STORED) {
        give_up(renewal);
    }
    return next == WX_NEXT_FAILED ? err->status : WXTP_OK;
}

/* A token that is refused time and again, long before its end and not by us, is being refreshed by someone
 * else. */
static wxtp_status foreign_refresher(wx_renewal *renewal, wx_err *err)
{
    wx_core *core = renewal->op->core;
    const wx_held *held = &renewal->held;
    const int64_t now = wx_wall_ms(core);
    if (held->refused_generation < held->generation || now - held->issued_ms >= FOREIGN_APART_MS ||
        wx_held_early_refusals(held->early_refusals, now) <= WX_EARLY_REFUSALS_MAX) {
        return WXTP_OK;
    }
    wx_fail(err, WXTP_ERR_CREDENTIALS,
            "WeChat keeps refusing %s tokens long before their end: another program seems to refresh them",
            renewal->appid[0] != '\0' ? "this account's" : "the component's");
    wx_err_hint(
        err, "stop the other program, or have it share this database; wxtp-admin doctor lists such accounts");
    wx_err_tenant(err, renewal->appid);
    err->retry_after_ms = FOREIGN_APART_MS - (now - held->issued_ms);
    wx_tell(core, "foreign_refresher", renewal->appid, err->message);
    return err->status;
}

static wxtp_status wait_for_other(wx_renewal *renewal, int64_t end_boot, wx_err *err)
{
    wx_core *core = renewal->op->core;
    if (!renewal->patient) {
        return WXTP_ERR_STATE;
    }
    if (!renewal->waited) {
        renewal->waited = true;
        wx_log(&core->log, WXTP_LOG_DEBUG, "%s: another process is refreshing this token",
               renewal->appid[0] != '\0' ? renewal->appid : renewal->platform);
    }
    if (wx_boot_ms(core) >= end_boot) {
        wx_fail(err, WXTP_ERR_UNAVAILABLE, "another process's refresh of this token takes too long");
        wx_err_tenant(err, renewal->appid);
        return err->status;
    }
    return wx_pause(core, BUSY_POLL_MS, err);
}

static wxtp_status lead(wx_renewal *renewal, wx_err *err)
{
    wx_core *core = renewal->op->core;
    const int64_t by_op = renewal->op->deadline_boot_ms;
    const int64_t by_lease = wx_boot_ms(core) + 3 * lease_ms(renewal);
    const int64_t end_boot = by_op > 0 && by_op < by_lease ? by_op : by_lease;
    wxtp_status status = store_unsaved(renewal, err);
    for (int round = 0; round < ROUNDS && status == WXTP_OK;) {
        bool done = false;
        bool again = false;
        if (renewal->source->prepare != NULL) {
            status = renewal->source->prepare(renewal->op, err);
        }
        if (status == WXTP_OK) {
            status = take_lease(renewal, &done, err);
        }
        if (status == WXTP_ERR_STATE) {
            status = wait_for_other(renewal, end_boot, err);
            continue;
        }
        if (status != WXTP_OK || done) {
            return status;
        }
        if (foreign_refresher(renewal, err) != WXTP_OK) {
            give_up(renewal);
            if (!wx_wait_patiently(renewal->op, err->retry_after_ms, err)) {
                return err->status;
            }
            round++;
            continue;
        }
        status = ask_under_lease(renewal, &again, err);
        if (status != WXTP_OK || !again) {
            return status;
        }
        round++;
    }
    if (status == WXTP_OK) {
        status = wx_fail(err, WXTP_ERR_CREDENTIALS,
                         "the token could not be renewed: WeChat or other processes kept "
                         "overtaking us");
        wx_err_tenant(err, renewal->appid);
    }
    return status;
}

static void renewal_key(const char *platform, const char *appid, char *key, size_t size)
{
    snprintf(key, size, "token:%s:%s", platform, appid);
}

wxtp_status wx_renew(wx_renewal *renewal, wx_err *err)
{
    wx_core *core = renewal->op->core;
    renewal_key(renewal->platform, renewal->appid, renewal->key, sizeof(renewal->key));
    int64_t wait_ms = renewal->patient ? 4 * lease_ms(renewal) + core->settings.max_wait_ms : 0;
    const int64_t left_ms = renewal->op->deadline_boot_ms - wx_boot_ms(core);
    if (renewal->op->deadline_boot_ms > 0 && left_ms < wait_ms) {
        wait_ms = left_ms < 1 ? 1 : left_ms;
    }
    wxtp_status status;
    do {
        status = wx_flight_join(core, renewal->key, wait_ms, &renewal->flight, err);
        /* We waited for one that would not wait itself: it is our turn to wait for the other process. */
    } while (status == WXTP_ERR_STATE && renewal->patient && !wx_stopping(core));
    if (status != WXTP_OK || renewal->flight == NULL) {
        return status;
    }
    if (wx_stopping(core)) {
        status = wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked");
    } else {
        status = lead(renewal, err);
    }
    wx_held_free(&renewal->held);
    wx_flight_land(core, renewal->flight, status, err);
    return status;
}

/* ---- Serving ---- */

static wxtp_status give(wx_held *held, wx_token *token)
{
    token->text = WX_TAKE(held->access);
    token->generation = held->generation;
    token->expires_ms = held->expires_ms;
    return WXTP_OK;
}

wxtp_status wx_stored_token_get(wx_op *op, const wx_token_source *source, const wx_tenant *tenant,
                                const char *platform, const char *appid, wx_token *token, wx_err *err)
{
    wx_core *core = op->core;
    for (int round = 0; round < TOKEN_ROUNDS; round++) {
        WX_AUTO_HELD held = {0};
        wxtp_status status = wx_held_load(core, NULL, platform, appid, &held, err);
        if (status != WXTP_OK) {
            return status;
        }
        const bool usable = wx_held_usable(&held, wx_wall_ms(core));
        wx_renewal renewal = {.op = op,
                              .source = source,
                              .tenant = tenant,
                              .platform = platform,
                              .appid = appid,
                              .seen_generation = held.generation,
                              .want = WX_WANT_GOOD,
                              .patient = !usable};
        if (usable && (round > 0 || !wx_held_due(&held, wx_wall_ms(core)))) {
            return give(&held, token);
        }
        char key[2 * WX_APPID_MAX + 16];
        renewal_key(platform, appid, key, sizeof(key));
        if (usable && wx_boot_ms(core) < wx_flight_retry_at_ms(core, key)) {
            return give(&held, token);
        }
        status = wx_renew(&renewal, err);
        if (status != WXTP_OK && !usable) {
            wx_err_tenant(err, appid[0] != '\0' ? appid : err->tenant);
            return status;
        }
        if (status != WXTP_OK && status != WXTP_ERR_STATE) {
            /* The old token serves while its renewal fails. */
            wx_log(&core->log, WXTP_LOG_WARNING, "%s: early renewal failed, the old token serves on: %s",
                   appid[0] != '\0' ? appid : platform, err->message);
        }
    }
    wx_fail(err, WXTP_ERR_CREDENTIALS, "WeChat gives no token that is good for 5 seconds");
    wx_err_tenant(err, appid);
    return err->status;
}
