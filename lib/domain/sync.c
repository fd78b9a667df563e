#include "domain/sync.h"

#include <pthread.h>
#include <string.h>

#include "base/point.h"
#include "base/text.h"
#include "domain/account.h"
#include "domain/held.h"
#include "domain/storage.h"

enum { PAGE_MAX = 500, AWAY_MAX = 10, SEEN_FIRST = 1024 };

typedef struct sync_entry {
    char appid[WX_APPID_MAX];
    char *refresh_token; /* of the list; NULL where it shows none */
} sync_entry;

/* Hashes of the appids that were taken up: 8 bytes a tenant. Two appids of one hash are not expected in
 * practice. */
typedef struct seen {
    uint64_t *slots; /* 0: free */
    size_t capacity, count;
} seen;

typedef struct sync_run {
    wx_op *op;
    wx_core *core;
    wx_sync_failure *failed;
    wx_sync_progress *progress;
    void *user;
    wx_sync_counts *counts;
    bool named; /* each was asked for by name */
    int64_t done, total;
    seen seen;

    sync_entry *page;
    size_t page_count, next;
    wx_bell ended;        /* a worker has */
    pthread_mutex_t lock; /* of what is below, of the counts and of the callbacks */
    size_t alive;         /* workers */
    int away;             /* failures in a row for want of an answer */
    bool stop;
    wx_err end; /* why the run cannot go on; status WXTP_OK while it can */
} sync_run;

/* ---- Who was taken up already ---- */

static void seen_place(seen *self, uint64_t hash)
{
    size_t at = (size_t)hash & (self->capacity - 1);
    while (self->slots[at] && self->slots[at] != hash) {
        at = (at + 1) & (self->capacity - 1);
    }
    self->count += self->slots[at] ? 0 : 1;
    self->slots[at] = hash;
}

static bool seen_grow(wx_core *core, seen *self)
{
    seen grown = {.capacity = self->capacity ? self->capacity * 2 : SEEN_FIRST};
    grown.slots = wx_alloc_array(&core->allocator, grown.capacity, sizeof(*grown.slots));
    if (!grown.slots) {
        return false;
    }
    for (size_t i = 0; i < self->capacity; i++) {
        if (self->slots[i]) {
            seen_place(&grown, self->slots[i]);
        }
    }
    wx_free(self->slots);
    *self = grown;
    return true;
}

/* False when out of memory; `news` tells whether it was not there yet. */
static bool seen_add(wx_core *core, seen *self, const char *appid, bool *news)
{
    const uint64_t hash = wx_hash(appid) | 1;
    if (self->count * 2 >= self->capacity && !seen_grow(core, self)) {
        return false;
    }
    const size_t before = self->count;
    seen_place(self, hash);
    *news = self->count > before;
    return true;
}

/* ---- One tenant ---- */

typedef struct stored_as {
    bool found, removed, without_profile;
} stored_as;

static wxtp_status look_up(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid, stored_as *as,
                           wx_err *err)
{
    wxtp_tenant_row row = {0};
    const wxtp_status status = wx_ops(core)->tenant_get(tx, platform, appid, &row);
    *as = (stored_as){0};
    if (status == WXTP_ERR_NOT_FOUND) {
        return WXTP_OK;
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, tx, status, "read the tenant", err);
    }
    *as = (stored_as){
        .found = true, .removed = row.removed, .without_profile = wx_tenant_without_profile(&row)};
    return WXTP_OK;
}

static bool bring_back(void *user, wxtp_tenant_row *row)
{
    row->status = WXTP_TENANT_AUTHORIZED;
    row->status_ms = *(const int64_t *)user;
    row->status_source = wx_catalog_platform(WX_API_GET_AUTHORIZER_LIST)->name;
    return true;
}

/* Where info showed no refresh token, or the dead one, the list may show the living one. */
static wxtp_status adopt_from_list(sync_run *run, const sync_entry *entry, bool *repaired, wx_err *err)
{
    wx_core *core = run->core;
    const char *component = core->settings.component;
    WX_AUTO_TENANT *tenant = NULL;
    WX_AUTO_SCOPE scope = {0};
    wxtp_token_row token = {0};
    bool changed = false;
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = wx_tenant_load(core, scope.tx, component, entry->appid, &tenant, err);
    }
    if (status != WXTP_OK || tenant->row.removed ||
        tenant->row.status != WXTP_TENANT_REAUTHORIZATION_REQUIRED) {
        return status == WXTP_ERR_NOT_FOUND ? WXTP_OK : status;
    }
    status = wx_ops(core)->token_get(scope.tx, &(wxtp_token_key){component, entry->appid}, &token);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, scope.tx, status, "read the token", err);
    }
    status = wx_token_adopt_refresh(core, scope.tx, component, entry->appid, token.generation,
                                    entry->refresh_token, &changed, err);
    if (status != WXTP_OK || !changed) {
        return status;
    }
    int64_t now = wx_wall_ms(core);
    status = wx_tenant_change(&scope, component, entry->appid, bring_back, &now, err);
    WX_POINT("sync.bringing_back");
    if (status == WXTP_OK) {
        status = wx_scope_commit(&scope, err);
    }
    WX_POINT("sync.brought_back");
    *repaired = *repaired || status == WXTP_OK;
    return status;
}

static wxtp_status not_authorized(const char *appid, wx_err *err)
{
    wx_fail_after(err, WXTP_ERR_REFUSED, "WeChat says that %s has not authorized this platform", appid);
    wx_err_kind(err, "unauthorized");
    wx_err_hint(err, "Have the merchant authorize the platform: wxtp-admin authorize-url.");
    wx_err_tenant(err, appid);
    return err->status;
}

typedef struct outcome {
    bool skipped, authorized, added, repaired;
} outcome;

static wxtp_status sync_one(sync_run *run, const sync_entry *entry, outcome *out, wx_err *err)
{
    wx_core *core = run->core;
    stored_as alone = {0};
    stored_as authorizer = {0};
    WX_AUTO_SCOPE scope = {0};
    *out = (outcome){0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status == WXTP_OK) {
        status = look_up(core, scope.tx, "", entry->appid, &alone, err);
    }
    if (status == WXTP_OK && core->settings.component[0]) {
        status = look_up(core, scope.tx, core->settings.component, entry->appid, &authorizer, err);
    }
    wx_scope_end(&scope);
    if (status != WXTP_OK) {
        return status;
    }
    const bool living = alone.found && !alone.removed;
    if (living && alone.without_profile && (!authorizer.found || authorizer.removed)) {
        out->authorized = true; /* nothing of it can be read back */
        out->skipped = !run->named;
        return WXTP_OK;
    }
    /* A tenant that the operator removed comes back only where it is named. */
    if (authorizer.removed && !run->named && !(living && !alone.without_profile)) {
        out->skipped = true;
        return WXTP_OK;
    }
    const bool may_create = run->named || !authorizer.found;
    status = wx_account_refresh(run->op, entry->appid, may_create, &out->authorized, &out->added,
                                &out->repaired, err);
    if (status != WXTP_OK) {
        return status;
    }
    if (!out->authorized) {
        return authorizer.found || living || !run->named ? WXTP_OK : not_authorized(entry->appid, err);
    }
    return entry->refresh_token ? adopt_from_list(run, entry, &out->repaired, err) : WXTP_OK;
}

/* ---- Counting ---- */

/* What concerns every tenant alike ends the run. */
static bool is_general(wxtp_status status)
{
    switch (status) {
    case WXTP_ERR_INTERRUPTED:
    case WXTP_ERR_CONFIGURATION:
    case WXTP_ERR_AMBIGUOUS:
    case WXTP_ERR_TICKET:
    case WXTP_ERR_QUOTA:
    case WXTP_ERR_NOMEM:
    case WXTP_ERR_STORE:
    case WXTP_ERR_STORE_BUSY:
    case WXTP_ERR_KEY:
        return true;
    default:
        return false;
    }
}

static void stop_run(sync_run *run, const wx_err *err)
{
    run->stop = true;
    if (run->end.status == WXTP_OK) {
        run->end = *err;
    }
}

static void count_one(sync_run *run, const sync_entry *entry, wxtp_status status, const outcome *out,
                      wx_err *err)
{
    pthread_mutex_lock(&run->lock);
    run->done++;
    if (status == WXTP_OK) {
        run->away = 0;
        run->counts->synced += out->skipped ? 0 : 1;
        run->counts->added += out->added ? 1 : 0;
        run->counts->repaired += out->repaired && !out->added ? 1 : 0;
        run->counts->unauthorized += !out->skipped && !out->authorized ? 1 : 0;
    } else {
        wx_err_tenant(err, entry->appid);
        run->away = status == WXTP_ERR_UNAVAILABLE ? run->away + 1 : 0;
        if (is_general(status) || run->away >= AWAY_MAX) {
            stop_run(run, err);
        } else {
            run->counts->failed++;
            if (run->failed) {
                run->failed(run->user, entry->appid, err);
            }
        }
    }
    const int64_t total = run->total > run->done ? run->total : run->done;
    if (run->progress && !run->progress(run->user, run->done, total)) {
        run->stop = true;
    }
    pthread_mutex_unlock(&run->lock);
}

/* ---- A page of tenants, several at a time ---- */

static const sync_entry *take_next(sync_run *run)
{
    pthread_mutex_lock(&run->lock);
    const bool more = !run->stop && run->next < run->page_count;
    const sync_entry *taken = more ? &run->page[run->next++] : NULL;
    pthread_mutex_unlock(&run->lock);
    return taken;
}

static void work_through(sync_run *run)
{
    for (const sync_entry *entry; (entry = take_next(run)) != NULL;) {
        wx_err err = {0};
        outcome out = {0};
        wxtp_status status = WXTP_ERR_INTERRUPTED;
        if (wx_stopping(run->core)) {
            wx_fail(&err, status, "stopped as asked");
        } else {
            status = sync_one(run, entry, &out, &err);
        }
        count_one(run, entry, status, &out, &err);
    }
}

static void work(void *user)
{
    sync_run *run = user;
    work_through(run);
    pthread_mutex_lock(&run->lock);
    run->alive--;
    wx_bell_ring(&run->ended);
    pthread_mutex_unlock(&run->lock);
}

/* By tasks of the engine; where none can be had, it does the work itself. */
static void work_together(sync_run *run)
{
    size_t wanted = (size_t)run->core->settings.concurrency;
    wanted = wanted < run->page_count ? wanted : run->page_count;
    pthread_mutex_lock(&run->lock);
    while (run->alive < wanted && wx_spawn(run->core->engine, work, run) == WXTP_OK) {
        run->alive++;
    }
    bool alive = run->alive > 0;
    pthread_mutex_unlock(&run->lock);
    if (!alive) {
        work_through(run);
    }
    while (alive) {
        (void)wx_bell_wait(&run->ended, -1);
        pthread_mutex_lock(&run->lock);
        alive = run->alive > 0;
        pthread_mutex_unlock(&run->lock);
    }
}

static void clear_page(sync_run *run)
{
    for (size_t i = 0; i < run->page_count; i++) {
        wx_free(run->page[i].refresh_token);
        run->page[i].refresh_token = NULL;
    }
    run->page_count = run->next = 0;
}

static bool run_page(sync_run *run)
{
    work_together(run);
    clear_page(run);
    return !run->stop;
}

/* Takes an account up, once. False to stop. */
static bool take_up(sync_run *run, const char *appid, const char *refresh_token)
{
    bool news = false;
    if (!seen_add(run->core, &run->seen, appid, &news)) {
        wx_fail_nomem(&run->end);
        run->stop = true;
        return false;
    }
    if (!news) {
        return true;
    }
    sync_entry *entry = &run->page[run->page_count];
    wx_copy(entry->appid, sizeof(entry->appid), appid);
    entry->refresh_token = wx_strdup(&run->core->allocator, refresh_token);
    if (refresh_token && !entry->refresh_token) {
        wx_fail_nomem(&run->end);
        run->stop = true;
        return false;
    }
    run->page_count++;
    return true;
}

/* ---- Where the tenants come from ---- */

static bool see_listed(void *user, const char *appid, const char *refresh_token, int64_t auth_time_s,
                       int64_t total)
{
    sync_run *run = user;
    (void)auth_time_s;
    run->total = total;
    /* No transaction is open here, so a full page is worked through at once. */
    return take_up(run, appid, refresh_token) && (run->page_count < PAGE_MAX || run_page(run));
}

static wxtp_status sync_listed(sync_run *run, wx_err *err)
{
    const wxtp_status status = wx_list_each(run->op, see_listed, run, err);
    if (status != WXTP_OK) {
        clear_page(run);
        return status;
    }
    if (!run->stop) {
        run_page(run);
    }
    return WXTP_OK;
}

typedef struct stored_page {
    sync_run *run;
    char after_appid[WX_APPID_MAX], after_platform[WX_APPID_MAX];
    size_t rows;
} stored_page;

static bool see_stored(void *user, const wxtp_tenant_row *row)
{
    stored_page *page = user;
    page->rows++;
    wx_copy(page->after_appid, sizeof(page->after_appid), row->appid);
    wx_copy(page->after_platform, sizeof(page->after_platform), row->platform);
    return wx_tenant_without_profile(row) || take_up(page->run, row->appid, NULL);
}

/* Absence from the list proves nothing: whoever is stored is asked about by name. */
static wxtp_status sync_stored(sync_run *run, wx_err *err)
{
    wx_core *core = run->core;
    stored_page page = {.run = run};
    do {
        const wxtp_tenant_filter filter = {.platform = core->settings.component,
                                           .status = -1,
                                           .certified = -1,
                                           .credential = -1,
                                           .after_appid = page.after_appid[0] ? page.after_appid : NULL,
                                           .after_platform = page.after_platform,
                                           .limit = PAGE_MAX};
        WX_AUTO_SCOPE scope = {0};
        page.rows = 0;
        wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
        if (status != WXTP_OK) {
            return status;
        }
        status = wx_ops(core)->tenant_list(scope.tx, &filter, see_stored, &page);
        if (status != WXTP_OK) {
            return wx_store_fail(core, scope.tx, status, "list the tenants", err);
        }
        wx_scope_end(&scope);
        if (!run->stop) {
            run_page(run);
        }
    } while (page.rows == PAGE_MAX && !run->stop);
    return WXTP_OK;
}

static wxtp_status sync_named(sync_run *run, const char *const *appids, size_t count, wx_err *err)
{
    run->total = (int64_t)count;
    for (size_t i = 0; i < count && !run->stop; i++) {
        if (!wx_appid_ok(appids[i])) {
            return wx_fail(err, WXTP_ERR_INVALID, "no appid: %.63s", appids[i]);
        }
        if (take_up(run, appids[i], NULL) && run->page_count == PAGE_MAX) {
            run_page(run);
        }
    }
    if (!run->stop) {
        run_page(run);
    }
    return WXTP_OK;
}

wxtp_status wx_sync(wx_op *op, const char *const *appids, size_t count, wx_sync_failure *failed,
                    wx_sync_progress *progress, void *user, wx_sync_counts *counts, wx_err *err)
{
    wx_core *core = op->core;
    *counts = (wx_sync_counts){0};
    if (!appids && wx_need_component(core, err) != WXTP_OK) {
        return err->status;
    }
    sync_run run = {.op = op,
                    .core = core,
                    .failed = failed,
                    .progress = progress,
                    .user = user,
                    .counts = counts,
                    .named = appids != NULL};
    run.page = wx_alloc_array(&core->allocator, PAGE_MAX, sizeof(*run.page));
    if (!run.page) {
        return wx_fail_nomem(err);
    }
    if (wx_bell_init(&run.ended, core->engine) != WXTP_OK) {
        wx_free(run.page);
        return wx_fail_nomem(err);
    }
    pthread_mutex_init(&run.lock, NULL);
    wxtp_status status = appids ? sync_named(&run, appids, count, err) : sync_listed(&run, err);
    if (status == WXTP_OK && !appids && !run.stop) {
        status = sync_stored(&run, err);
    }
    clear_page(&run);
    pthread_mutex_destroy(&run.lock);
    wx_bell_destroy(&run.ended);
    wx_free(run.page);
    wx_free(run.seen.slots);
    if (status == WXTP_OK && run.end.status != WXTP_OK) {
        *err = run.end;
        status = err->status;
    }
    return status;
}
