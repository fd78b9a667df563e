#include "domain/held.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "domain/storage.h"
#include "domain/vault.h"

enum {
    MARGIN_MOST_MS = 600000,
    OWN_MARGIN_MS = 240000, /* stable_token answers the same text until its last five minutes */
    HOUR_MS = 3600000,
    LIFE_MOST_S = 30 * 24 * 3600,
    EARLY_KEPT = 12, /* times of early refusals */
    NUMBER_MAX = 21, /* an int64_t, with the comma or the NUL behind it */
};
static_assert(EARLY_KEPT * NUMBER_MAX <= WX_EARLY_TEXT_MAX, "the times have room");

/* A token that does not come back by itself is never due. */
#define NEVER_MS (INT64_C(1) << 52)
/* No token lives to have so many. */
#define GENERATION_MAX (INT64_C(1) << 52)

void wx_token_free(wx_token *token)
{
    wx_free(token->text);
    *token = (wx_token){0};
}

void wx_held_free(wx_held *held)
{
    wx_free(held->access);
    wx_free(held->refresh);
    *held = (wx_held){0};
}

static wxtp_token_key key_of(const char *platform, const char *appid)
{
    return (wxtp_token_key){.platform = platform, .appid = appid};
}

static wxtp_status open_row(wx_core *core, const wxtp_token_row *row, wx_held *held, wx_err *err)
{
    if (row->generation < 0 || row->generation >= GENERATION_MAX) {
        return wx_row_damaged("the token of", held->appid[0] != '\0' ? held->appid : held->platform, err);
    }
    held->exists = true;
    held->generation = row->generation;
    held->issued_ms = row->issued_ms;
    held->expires_ms = row->expires_ms;
    held->due_ms = row->due_ms;
    held->refused_generation = row->refused_generation;
    held->forced_day = row->forced_day;
    held->forced_count = row->forced_count;
    held->forced_ms = row->forced_ms;
    wx_copy(held->early_refusals, sizeof(held->early_refusals), row->early_refusals);
    wxtp_status status =
        wx_vault_open(core, "token", held->platform, held->appid, "access", row->access, &held->access, err);
    if (status == WXTP_OK) {
        status = wx_vault_open(core, "token", held->platform, held->appid, "refresh", row->refresh,
                               &held->refresh, err);
    }
    return status;
}

wxtp_status wx_held_load(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid, wx_held *held,
                         wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_token_row row;
    *held = (wx_held){0};
    wx_copy(held->platform, sizeof(held->platform), platform);
    wx_copy(held->appid, sizeof(held->appid), appid);
    if (tx == NULL) {
        const wxtp_status begun = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
        if (begun != WXTP_OK) {
            return begun;
        }
        tx = scope.tx;
    }
    const wxtp_token_key key = key_of(held->platform, held->appid);
    const wxtp_status status = wx_ops(core)->token_get(tx, &key, &row);
    if (status == WXTP_ERR_NOT_FOUND) {
        return WXTP_OK;
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, tx, status, "read the token", err);
    }
    return open_row(core, &row, held, err);
}

wxtp_status wx_held_put(wx_core *core, wxtp_tx *tx, const wx_held *held, int64_t expected_generation,
                        const wxtp_lease *lease, wx_err *err)
{
    WX_AUTO_BUF access = {0};
    WX_AUTO_BUF refresh = {0};
    wxtp_token_row row = {
        .key = key_of(held->platform, held->appid),
        .generation = held->generation,
        .issued_ms = held->issued_ms,
        .expires_ms = held->expires_ms,
        .due_ms = held->due_ms,
        .refused_generation = held->refused_generation,
        .early_refusals = held->early_refusals,
        .forced_day = held->forced_day,
        .forced_count = held->forced_count,
        .forced_ms = held->forced_ms,
    };
    wxtp_status status = wx_vault_seal(core, "token", held->platform, held->appid, "access", held->access,
                                       &access, &row.access, err);
    if (status == WXTP_OK) {
        status = wx_vault_seal(core, "token", held->platform, held->appid, "refresh", held->refresh, &refresh,
                               &row.refresh, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->token_put_if(tx, &row, expected_generation, lease);
    if (status != WXTP_OK && status != WXTP_ERR_CONFLICT) {
        return wx_store_fail(core, tx, status, "store the token", err);
    }
    return status;
}

wxtp_status wx_held_check(wx_core *core, wxtp_tx *tx, const wx_held *held, wx_err *err)
{
    wxtp_token_row row = {.generation = 0};
    const wxtp_token_key key = key_of(held->platform, held->appid);
    const wxtp_status status = wx_ops(core)->token_get(tx, &key, &row);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, tx, status, "read the token", err);
    }
    return row.generation == held->generation ? WXTP_OK : WXTP_ERR_CONFLICT;
}

bool wx_held_usable(const wx_held *held, int64_t now_ms)
{
    return held->exists && held->access != NULL && held->generation > held->refused_generation &&
           now_ms < held->expires_ms - WX_EXPIRY_MARGIN_MS;
}

bool wx_held_due(const wx_held *held, int64_t now_ms)
{
    return now_ms >= held->due_ms || held->generation <= held->refused_generation;
}

/* The early-refresh moment: a margin before expiry, spread by a jitter that is stable for each key. */
static int64_t due_at(const wx_held *held, wx_token_kind kind, int64_t life_ms)
{
    int64_t margin = life_ms / 5 < MARGIN_MOST_MS ? life_ms / 5 : MARGIN_MOST_MS;
    if (kind == WX_TOKEN_OWN && margin > OWN_MARGIN_MS) {
        margin = OWN_MARGIN_MS;
    }
    const uint64_t noise = wx_hash(held->appid[0] != '\0' ? held->appid : held->platform);
    const int64_t jitter = (int64_t)(noise % (uint64_t)(margin / 10 + 1));
    /* Jitter takes away from the margin, so that an own account is never asked before its last five minutes.
     */
    return held->expires_ms - margin + jitter;
}

wxtp_status wx_held_enter(wx_core *core, wx_held *held, wx_token_kind kind, const char *access,
                          const char *refresh, int64_t sent_wall_ms, int64_t expires_in_s, wx_err *err)
{
    const bool differs = held->access == NULL || strcmp(held->access, access) != 0;
    if (expires_in_s < 0) {
        expires_in_s = 0;
    } else if (expires_in_s > LIFE_MOST_S) {
        expires_in_s = LIFE_MOST_S;
    }
    WX_AUTO_FREE char *new_access = wx_strdup(&core->allocator, access);
    WX_AUTO_FREE char *new_refresh = wx_strdup(&core->allocator, refresh);
    if (new_access == NULL || (refresh != NULL && new_refresh == NULL)) {
        return wx_fail_nomem(err);
    }
    wx_free(held->access);
    held->access = WX_TAKE(new_access);
    if (new_refresh != NULL) {
        wx_free(held->refresh);
        held->refresh = WX_TAKE(new_refresh);
    }
    if (differs || held->generation == 0) {
        held->generation++;
        held->issued_ms = sent_wall_ms;
    }
    held->exists = true;
    held->expires_ms = sent_wall_ms + expires_in_s * 1000;
    held->due_ms = due_at(held, kind, expires_in_s * 1000);
    /* From here on it is not sent, so that it cannot wait. */
    if (held->due_ms > held->expires_ms - WX_EXPIRY_MARGIN_MS) {
        held->due_ms = held->expires_ms - WX_EXPIRY_MARGIN_MS;
    }
    return WXTP_OK;
}

/* What lies ahead was written while the clock was wrong. */
static bool within_the_hour(int64_t at, int64_t now_ms)
{
    return at <= now_ms && now_ms - at < HOUR_MS;
}

int wx_held_early_refusals(const char *text, int64_t now_ms)
{
    int count = 0;
    while (text != NULL && *text != '\0') {
        const size_t len = strcspn(text, ",");
        int64_t at = 0;
        if (wx_text_int64(text, len, &at) && within_the_hour(at, now_ms)) {
            count++;
        }
        text += len + (text[len] == ',');
    }
    return count;
}

/* Adds a time; leaves out those older than an hour, and the oldest where there are many. */
static void note_early_refusal(wx_held *held, int64_t now_ms)
{
    char kept[WX_EARLY_TEXT_MAX] = "";
    size_t used = 0;
    int too_many = wx_held_early_refusals(held->early_refusals, now_ms) + 1 - EARLY_KEPT;
    for (const char *text = held->early_refusals; *text != '\0';) {
        const size_t len = strcspn(text, ",");
        int64_t at = 0;
        if (wx_text_int64(text, len, &at) && within_the_hour(at, now_ms) && too_many-- <= 0) {
            used += (size_t)snprintf(kept + used, sizeof(kept) - used, "%lld,", (long long)at);
        }
        text += len + (text[len] == ',');
    }
    snprintf(kept + used, sizeof(kept) - used, "%lld", (long long)now_ms);
    wx_copy(held->early_refusals, sizeof(held->early_refusals), kept);
}

wxtp_status wx_token_refused(wx_core *core, const char *platform, const char *appid, int64_t generation,
                             wx_err *err)
{
    WX_AUTO_HELD held = {0};
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_held_load(core, scope.tx, platform, appid, &held, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    if (!held.exists || held.generation != generation || held.refused_generation >= generation) {
        return WXTP_OK;
    }
    const int64_t now = wx_wall_ms(core);
    if (now < held.due_ms) {
        note_early_refusal(&held, now);
    }
    held.refused_generation = generation;
    held.due_ms = 0;
    status = wx_held_put(core, scope.tx, &held, generation, NULL, err);
    if (status == WXTP_ERR_CONFLICT) {
        return WXTP_OK;
    }
    return status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
}

/* ---- Spares ---- */

typedef struct spare_count {
    int count;
    int64_t oldest;
} spare_count;

static bool count_spare(void *user, const wxtp_spare_row *row)
{
    spare_count *spares = user;
    spares->count++;
    spares->oldest = row->id;
    return true;
}

wxtp_status wx_spare_keep(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid,
                          const char *refresh, wx_err *err)
{
    WX_AUTO_BUF sealed = {0};
    spare_count spares = {0};
    const wxtp_token_key key = key_of(platform, appid);
    wxtp_spare_row row = {.key = key, .added_ms = wx_wall_ms(core)};
    wxtp_status status =
        wx_vault_seal(core, "spare", platform, appid, "refresh", refresh, &sealed, &row.refresh, err);
    if (status != WXTP_OK || row.refresh.len == 0) {
        return status;
    }
    status = wx_ops(core)->spare_add(tx, &row);
    if (status == WXTP_OK) {
        status = wx_ops(core)->spare_list(tx, &key, count_spare, &spares);
    }
    if (status == WXTP_OK && spares.count > WX_SPARES_MAX) {
        status = wx_ops(core)->spare_delete(tx, &key, spares.oldest);
    }
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, tx, status, "keep a spare refresh token", err);
}

/* ---- What others write ---- */

static wxtp_status drop_spares_and_intent(wx_core *core, wxtp_tx *tx, const wxtp_token_key *key, wx_err *err)
{
    wxtp_status status = wx_ops(core)->spare_delete(tx, key, 0);
    if (status == WXTP_OK || status == WXTP_ERR_NOT_FOUND) {
        status = wx_ops(core)->intent_delete(tx, key);
    }
    return status == WXTP_OK || status == WXTP_ERR_NOT_FOUND
               ? WXTP_OK
               : wx_store_fail(core, tx, status, "drop the old refresh tokens", err);
}

wxtp_status wx_token_install(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid,
                             const char *access, const char *refresh, int64_t sent_wall_ms,
                             int64_t expires_in_s, wx_err *err)
{
    WX_AUTO_HELD held = {0};
    const wxtp_token_key key = key_of(platform, appid);
    wxtp_status status = wx_held_load(core, tx, platform, appid, &held, err);
    if (status != WXTP_OK) {
        return status;
    }
    const int64_t expected = held.generation;
    wx_free(WX_TAKE(held.refresh));
    held.early_refusals[0] = '\0';
    status =
        wx_held_enter(core, &held, WX_TOKEN_AUTHORIZER, access, refresh, sent_wall_ms, expires_in_s, err);
    if (status == WXTP_OK && held.generation == expected) {
        held.generation++; /* a new authorization is news, whatever its text */
    }
    if (status == WXTP_OK) {
        status = wx_held_put(core, tx, &held, expected, NULL, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    return drop_spares_and_intent(core, tx, &key, err);
}

wxtp_status wx_token_adopt_refresh(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid,
                                   int64_t generation, const char *refresh, bool *changed, wx_err *err)
{
    WX_AUTO_HELD held = {0};
    *changed = false;
    wxtp_status status = wx_held_load(core, tx, platform, appid, &held, err);
    if (status != WXTP_OK || held.generation != generation ||
        (held.refresh != NULL && strcmp(held.refresh, refresh) == 0)) {
        return status;
    }
    if (held.refresh != NULL) {
        status = wx_spare_keep(core, tx, platform, appid, held.refresh, err);
        if (status != WXTP_OK) {
            return status;
        }
        wx_free(WX_TAKE(held.refresh));
    }
    held.refresh = wx_strdup(&core->allocator, refresh);
    if (held.refresh == NULL) {
        return wx_fail_nomem(err);
    }
    /* A row that has only a refresh token counts as generation 1, and is due at once. */
    held.generation = held.exists ? held.generation : 1;
    held.due_ms = held.access != NULL ? held.due_ms : 0;
    status = wx_held_put(core, tx, &held, generation, NULL, err);
    *changed = status == WXTP_OK;
    return status == WXTP_ERR_CONFLICT ? WXTP_OK : status;
}

wxtp_status wx_token_forget(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid, wx_err *err)
{
    WX_AUTO_HELD held = {0};
    const wxtp_token_key key = key_of(platform, appid);
    wxtp_status status = wx_held_load(core, tx, platform, appid, &held, err);
    if (status != WXTP_OK || !held.exists) {
        return status;
    }
    /* The row stays, a generation further, so that a refresh under way cannot write the dead pair back. */
    const int64_t expected = held.generation;
    wx_free(WX_TAKE(held.access));
    wx_free(WX_TAKE(held.refresh));
    held.generation++;
    held.issued_ms = held.expires_ms = 0;
    held.due_ms = NEVER_MS;
    held.early_refusals[0] = '\0';
    status = wx_held_put(core, tx, &held, expected, NULL, err);
    if (status == WXTP_OK) {
        status = drop_spares_and_intent(core, tx, &key, err);
    }
    return status;
}

/* ---- Views ---- */

wxtp_status wx_token_look(wx_core *core, const char *platform, const char *appid, wx_token_view *view,
                          wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_token_row row;
    const wxtp_token_key key = key_of(platform, appid);
    *view = (wx_token_view){0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->token_get(scope.tx, &key, &row);
    if (status == WXTP_ERR_NOT_FOUND) {
        return WXTP_OK;
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "read the token", err);
    }
    return wx_token_view_get(core, &row, view);
}

wxtp_status wx_token_view_get(wx_core *core, const wxtp_token_row *row, wx_token_view *view)
{
    const int64_t now = wx_wall_ms(core);
    *view = (wx_token_view){0};
    if (row == NULL) {
        return WXTP_OK;
    }
    view->generation = row->generation;
    view->due_ms = row->due_ms;
    view->has_access = row->access.len > 0;
    view->has_refresh = row->refresh.len > 0;
    view->expires_ms = view->has_access ? row->expires_ms : 0;
    view->early_refusals = wx_held_early_refusals(row->early_refusals, now);
    const bool over =
        now >= row->expires_ms - WX_EXPIRY_MARGIN_MS || row->generation <= row->refused_generation;
    view->state = !view->has_access    ? WXTP_TOKEN_NONE
                  : over               ? WXTP_TOKEN_EXPIRED
                  : now >= row->due_ms ? WXTP_TOKEN_DUE
                                       : WXTP_TOKEN_FRESH;
    return WXTP_OK;
}
