#include "store_model.h"
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <string.h>

enum {
    PLATFORMS = 3,
    APPIDS = 5,
    LEASES = 3,
    BATCHES = 4,
    PUSHES = 8,
    PARTS = 3,
    STEPS = 80,
    SIFTED = 20,
    EXCEPTIONS = 128,
    SPARES = 128
};

static const char *const platforms[PLATFORMS] = {"", "p", "q"};
static const char *const appids[APPIDS] = {"a", "b", "c", "d", "e"};
static const char *const leases[LEASES] = {"token:p:a", "token:p:b", "job:1"};

/* Every value is a small array at the indices of its key. */
typedef struct model {
    struct {
        bool there, removed;
        int status, certified;
        int64_t updated_ms;
    } tenants[PLATFORMS][APPIDS];
    struct {
        int64_t generation; /* 0: no row */
        int64_t due_ms;
    } tokens[PLATFORMS][APPIDS];
    int64_t intents[PLATFORMS][APPIDS]; /* attempts; 0: no row */
    struct {
        int64_t fence, until_ms;
    } leases[LEASES];
    struct {
        bool there, noted;
        int appid, applied;
    } pushes[PUSHES]; /* received in the order of their numbers */
    struct {
        bool there, finished;
    } batches[BATCHES];
    struct {
        bool there;
        int verdict;
        int openid;
    } exceptions[EXCEPTIONS]; /* of one job, in the order added */
    int exception_count;
    struct {
        int platform, appid, value;
    } spares[SPARES];
    int spare_count;
    int64_t parts[PARTS]; /* of the snapshot of one job; 0: no row */
    int64_t meta;         /* 0: no row */
} model;

typedef struct run {
    wxtp_store *store;
    const wxtp_store_ops *ops;
    test_clock *clock;
    wxtp_tx *tx;
    uint64_t random;
    unsigned seed;
    int step;
    model model, before;
} run;

static unsigned roll(run *r, unsigned below)
{
    r->random = r->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(r->random >> 33) % below;
}

static void same(run *r, const char *what, int64_t got, int64_t want)
{
    if (got != want)
        fail_msg("seed %u step %d: %s: %lld instead of %lld", r->seed, r->step, what, (long long)got,
                 (long long)want);
}

static void step_meta(run *r)
{
    wxtp_blob value;
    int64_t kept = 0;
    wxtp_status status = r->ops->meta_get(r->tx, "x", &value);
    same(r, "meta_get", status, r->model.meta != 0 ? WXTP_OK : WXTP_ERR_NOT_FOUND);
    if (status == WXTP_OK) {
        same(r, "meta length", (int64_t)value.len, sizeof kept);
        memcpy(&kept, value.data, sizeof kept);
        same(r, "meta value", kept, r->model.meta);
    }
    r->model.meta = 1 + roll(r, 1000);
    same(r, "meta_put", r->ops->meta_put(r->tx, "x", (wxtp_blob){&r->model.meta, sizeof r->model.meta}),
         WXTP_OK);
}

static void step_tenant_put(run *r)
{
    unsigned p = roll(r, PLATFORMS), a = roll(r, APPIDS);
    wxtp_tenant_row row = {.platform = platforms[p],
                           .appid = appids[a],
                           .credential = p == 0 ? WXTP_CREDENTIAL_OWN : WXTP_CREDENTIAL_AUTHORIZER,
                           .status = (wxtp_tenant_status)roll(r, 4),
                           .certified = (int)roll(r, 3) - 1,
                           .removed = roll(r, 4) == 0,
                           .updated_ms = roll(r, 1000)};
    same(r, "tenant_put", r->ops->tenant_put(r->tx, &row), WXTP_OK);
    r->model.tenants[p][a].there = true;
    r->model.tenants[p][a].removed = row.removed;
    r->model.tenants[p][a].status = (int)row.status;
    r->model.tenants[p][a].certified = row.certified;
    r->model.tenants[p][a].updated_ms = row.updated_ms;
}

static void step_tenant_get(run *r)
{
    unsigned p = roll(r, PLATFORMS), a = roll(r, APPIDS);
    wxtp_tenant_row row;
    wxtp_status status = r->ops->tenant_get(r->tx, platforms[p], appids[a], &row);
    same(r, "tenant_get", status, r->model.tenants[p][a].there ? WXTP_OK : WXTP_ERR_NOT_FOUND);
    if (status != WXTP_OK)
        return;
    same(r, "tenant status", (int)row.status, r->model.tenants[p][a].status);
    same(r, "tenant certified", row.certified, r->model.tenants[p][a].certified);
    same(r, "tenant updated", row.updated_ms, r->model.tenants[p][a].updated_ms);
}

typedef struct keys {
    char text[512];
} keys;

static void add_key(keys *k, const char *a, const char *b)
{
    size_t len = strlen(k->text);
    snprintf(k->text + len, sizeof k->text - len, "%s/%s ", a, b);
}

static bool gather_tenant(void *user, const wxtp_tenant_row *row)
{
    add_key(user, row->appid, row->platform);
    return true;
}

static void step_tenant_list(run *r)
{
    unsigned p = roll(r, PLATFORMS), after_p = roll(r, PLATFORMS), after_a = roll(r, APPIDS);
    bool after = roll(r, 2) == 0;
    wxtp_tenant_filter filter = {.platform = platforms[p],
                                 .status = (int)roll(r, 5) - 1,
                                 .certified = (int)roll(r, 3) - 1,
                                 .credential = (int)roll(r, 3) - 1,
                                 .after_appid = after ? appids[after_a] : NULL,
                                 .after_platform = after ? platforms[after_p] : NULL,
                                 .limit = roll(r, 7),
                                 .with_removed = roll(r, 2) == 0};
    keys got = {""}, want = {""};
    size_t count = 0;
    same(r, "tenant_list", r->ops->tenant_list(r->tx, &filter, gather_tenant, &got), WXTP_OK);
    for (unsigned a = 0; a < APPIDS; a++) {
        for (unsigned q = 0; q < PLATFORMS; q++) {
            bool in = r->model.tenants[q][a].there && (q == 0 || q == p) &&
                      (filter.with_removed || !r->model.tenants[q][a].removed) &&
                      (filter.status < 0 || filter.status == r->model.tenants[q][a].status) &&
                      (filter.certified < 0 || filter.certified == r->model.tenants[q][a].certified) &&
                      (filter.credential < 0 || filter.credential == (q == 0 ? 1 : 0)) &&
                      (!after || a > after_a || (a == after_a && q > after_p));
            if (in && count++ < filter.limit)
                add_key(&want, appids[a], platforms[q]);
        }
    }
    assert_string_equal(got.text, want.text);
}

static void step_tenant_count(run *r)
{
    unsigned p = roll(r, PLATFORMS);
    int64_t got[4], want[4] = {0};
    same(r, "tenant_count", r->ops->tenant_count(r->tx, platforms[p], got), WXTP_OK);
    for (unsigned q = 0; q < PLATFORMS; q++) {
        for (unsigned a = 0; a < APPIDS; a++) {
            if ((q == 0 || q == p) && r->model.tenants[q][a].there && !r->model.tenants[q][a].removed)
                want[r->model.tenants[q][a].status]++;
        }
    }
    for (int i = 0; i < 4; i++)
        same(r, "tenants of a status", got[i], want[i]);
}

static bool lease_held(const run *r, unsigned l)
{
    return atomic_load(&r->clock->now_ms) < r->model.leases[l].until_ms;
}

static void step_token_put(run *r)
{
    unsigned p = roll(r, PLATFORMS), a = roll(r, APPIDS), l = roll(r, LEASES);
    int64_t now = r->model.tokens[p][a].generation;
    int64_t expected = roll(r, 3) > 0 ? now : (int64_t)roll(r, 4);
    bool with_lease = roll(r, 2) == 0;
    wxtp_lease lease = {leases[l], r->model.leases[l].fence - (roll(r, 3) == 0 ? 1 : 0), 0};
    wxtp_token_row row = {
        .key = {platforms[p], appids[a]}, .generation = expected + 1, .due_ms = roll(r, 100)};
    bool fits = expected == now &&
                (!with_lease || (r->model.leases[l].fence > 0 && lease.fence == r->model.leases[l].fence));
    wxtp_status status = r->ops->token_put_if(r->tx, &row, expected, with_lease ? &lease : NULL);
    same(r, "token_put_if", status, fits ? WXTP_OK : WXTP_ERR_CONFLICT);
    if (fits) {
        r->model.tokens[p][a].generation = row.generation;
        r->model.tokens[p][a].due_ms = row.due_ms;
    }
}

static void step_token_get(run *r)
{
    unsigned p = roll(r, PLATFORMS), a = roll(r, APPIDS);
    wxtp_token_key key = {platforms[p], appids[a]};
    int64_t want = r->model.tokens[p][a].generation;
    if (roll(r, 6) == 0) {
        same(r, "token_delete", r->ops->token_delete(r->tx, &key), want > 0 ? WXTP_OK : WXTP_ERR_NOT_FOUND);
        r->model.tokens[p][a].generation = 0;
        return;
    }
    wxtp_token_row row;
    wxtp_status status = r->ops->token_get(r->tx, &key, &row);
    same(r, "token_get", status, want > 0 ? WXTP_OK : WXTP_ERR_NOT_FOUND);
    if (status == WXTP_OK)
        same(r, "generation", row.generation, want);
}

typedef struct due {
    int64_t sum, count, last;
    bool ordered;
} due;

static bool gather_due(void *user, const wxtp_token_row *row)
{
    due *d = user;
    d->ordered = d->ordered && row->due_ms >= d->last;
    d->last = row->due_ms;
    d->sum += row->due_ms * 1000 + row->generation;
    d->count++;
    return true;
}

static void step_token_due(run *r)
{
    unsigned p = roll(r, PLATFORMS);
    int64_t now = roll(r, 100);
    due got = {.ordered = true}, want = {.ordered = true};
    same(r, "token_due", r->ops->token_due(r->tx, platforms[p], now, 100, gather_due, &got), WXTP_OK);
    for (unsigned q = 0; q < PLATFORMS; q++) {
        for (unsigned a = 0; a < APPIDS; a++) {
            if ((q == 0 || q == p) && r->model.tokens[q][a].generation > 0 &&
                r->model.tokens[q][a].due_ms <= now) {
                want.sum += r->model.tokens[q][a].due_ms * 1000 + r->model.tokens[q][a].generation;
                want.count++;
            }
        }
    }
    same(r, "tokens due", got.count, want.count);
    same(r, "which tokens are due", got.sum, want.sum);
    same(r, "order of due tokens", got.ordered, true);
}

static void step_intent(run *r)
{
    unsigned p = roll(r, PLATFORMS), a = roll(r, APPIDS);
    wxtp_intent_row row = {.key = {platforms[p], appids[a]}, .attempts = 1 + roll(r, 5)};
    int64_t *kept = &r->model.intents[p][a];
    switch (roll(r, 3)) {
    case 0:
        same(r, "intent_put", r->ops->intent_put(r->tx, &row), WXTP_OK);
        *kept = row.attempts;
        break;
    case 1:
        same(r, "intent_delete", r->ops->intent_delete(r->tx, &row.key),
             *kept ? WXTP_OK : WXTP_ERR_NOT_FOUND);
        *kept = 0;
        break;
    default:
        same(r, "intent_get", r->ops->intent_get(r->tx, &row.key, &row),
             *kept ? WXTP_OK : WXTP_ERR_NOT_FOUND);
        if (*kept)
            same(r, "attempts", row.attempts, *kept);
    }
}

static void step_lease(run *r)
{
    unsigned l = roll(r, LEASES);
    int64_t stale = roll(r, 4) == 0 ? 1 : 0;
    bool held = lease_held(r, l);
    wxtp_lease lease = {leases[l], r->model.leases[l].fence - stale, 0};
    int64_t duration = 1 + roll(r, 100), until = atomic_load(&r->clock->now_ms) + duration;
    switch (roll(r, 5)) {
    case 0:
        same(r, "lease_take", r->ops->lease_take(r->tx, &lease, duration), held ? WXTP_ERR_STATE : WXTP_OK);
        if (!held) {
            same(r, "fence", lease.fence, ++r->model.leases[l].fence);
            r->model.leases[l].until_ms = until;
        }
        same(r, "until", lease.until_boot_ms, r->model.leases[l].until_ms);
        break;
    case 1:
        same(r, "lease_renew", r->ops->lease_renew(r->tx, &lease, duration),
             held && !stale ? WXTP_OK : WXTP_ERR_CONFLICT);
        if (held && !stale)
            r->model.leases[l].until_ms = until;
        break;
    case 2:
        same(r, "lease_release", r->ops->lease_release(r->tx, &lease), WXTP_OK);
        if (!stale)
            r->model.leases[l].until_ms = 0;
        break;
    case 3:
        same(r, "lease_check", r->ops->lease_check(r->tx, &lease),
             held && !stale ? WXTP_OK : WXTP_ERR_CONFLICT);
        break;
    default:
        same(r, "lease_holder", r->ops->lease_holder(r->tx, &lease), held ? WXTP_OK : WXTP_ERR_NOT_FOUND);
        if (held)
            same(r, "holder's fence", lease.fence, r->model.leases[l].fence);
    }
}

static void step_clock(run *r)
{
    atomic_fetch_add(&r->clock->now_ms, roll(r, 60));
}

static void step_push(run *r)
{
    unsigned i = roll(r, PUSHES);
    unsigned char digest = (unsigned char)i;
    wxtp_status status = r->ops->push_remember(r->tx, "p", (wxtp_blob){&digest, 1}, 1 + (int64_t)i);
    same(r, "push_remember", status, r->model.pushes[i].there ? WXTP_ERR_EXISTS : WXTP_OK);
    r->model.pushes[i].there = true;
}

static void step_push_note(run *r)
{
    unsigned i = roll(r, PUSHES), a = roll(r, APPIDS);
    unsigned char digest = (unsigned char)i;
    wxtp_push_row row = {.platform = "p",
                         .digest = {&digest, 1},
                         .event = "e",
                         .appid = appids[a],
                         .applied = roll(r, 2) == 0};
    bool there = r->model.pushes[i].there;
    same(r, "push_note", r->ops->push_note(r->tx, &row), there ? WXTP_OK : WXTP_ERR_NOT_FOUND);
    if (there) {
        r->model.pushes[i].noted = true;
        r->model.pushes[i].appid = (int)a;
        r->model.pushes[i].applied = row.applied;
    }
    wxtp_status status = r->ops->push_get(r->tx, "p", (wxtp_blob){&digest, 1}, &row);
    same(r, "push_get", status, there ? WXTP_OK : WXTP_ERR_NOT_FOUND);
}

static bool gather_push(void *user, const wxtp_push_row *row)
{
    add_key(user, row->appid, row->applied ? "yes" : "no");
    return true;
}

static void step_push_list(run *r)
{
    unsigned a = roll(r, APPIDS), since = roll(r, PUSHES), limit = 1 + roll(r, PUSHES);
    bool of_one = roll(r, 2) == 0;
    const wxtp_push_filter filter = {"p", of_one ? appids[a] : NULL, 1 + (int64_t)since, limit};
    keys got = {""}, want = {""};
    unsigned fit[PUSHES], count = 0;
    same(r, "push_list", r->ops->push_list(r->tx, &filter, gather_push, &got), WXTP_OK);
    for (unsigned i = since; i < PUSHES; i++) {
        if (r->model.pushes[i].noted && (!of_one || r->model.pushes[i].appid == (int)a))
            fit[count++] = i;
    }
    for (unsigned n = count > limit ? count - limit : 0; n < count; n++)
        add_key(&want, appids[r->model.pushes[fit[n]].appid], r->model.pushes[fit[n]].applied ? "yes" : "no");
    assert_string_equal(got.text, want.text);
}

static void step_batch_put(run *r)
{
    unsigned b = roll(r, BATCHES);
    bool finished = roll(r, 2) == 0;
    wxtp_batch_row row = {"1", b, "o", finished ? "+" : ".", finished};
    same(r, "batch_put", r->ops->batch_put(r->tx, &row), WXTP_OK);
    r->model.batches[b].there = true;
    r->model.batches[b].finished = finished;
}

static bool note_number(void *user, const wxtp_batch_row *row)
{
    *(int64_t *)user = row->number;
    return false;
}

static void step_batch_list(run *r)
{
    unsigned from = roll(r, BATCHES), b = from;
    int64_t number = -1;
    while (b < BATCHES && !(r->model.batches[b].there && !r->model.batches[b].finished))
        b++;
    same(r, "batch_list", r->ops->batch_list(r->tx, "1", from, 9, note_number, &number), WXTP_OK);
    same(r, "first batch", number, b < BATCHES ? (int64_t)b : -1);
}

static void step_batch_mark(run *r)
{
    unsigned b = roll(r, BATCHES);
    bool finished = roll(r, 2) == 0, there = r->model.batches[b].there;
    if (!there) /* it would end the transaction */
        return;
    same(r, "batch_mark", r->ops->batch_mark(r->tx, "1", b, finished ? "+" : "?", finished), WXTP_OK);
    r->model.batches[b].finished = finished;
}

static void step_exception_add(run *r)
{
    char openid[16];
    int at = r->model.exception_count++;
    r->model.exceptions[at].there = true;
    r->model.exceptions[at].verdict = (int)roll(r, 2);
    r->model.exceptions[at].openid = at;
    snprintf(openid, sizeof openid, "e%d", at);
    wxtp_exception_row row = {.job_id = "1", .openid = openid};
    row.verdict = (wxtp_verdict)r->model.exceptions[at].verdict;
    same(r, "exception_add", r->ops->exception_add(r->tx, &row), WXTP_OK);
}

static bool gather_exception(void *user, const wxtp_exception_row *row)
{
    add_key(user, row->openid, row->verdict == WXTP_VERDICT_INVALID ? "0" : "1");
    return true;
}

static void step_exception_list(run *r)
{
    int verdict = (int)roll(r, 3) - 1;
    size_t limit = roll(r, 5), count = 0;
    keys got = {""}, want = {""};
    wxtp_status status = r->ops->exception_list(r->tx, "1", verdict, 0, limit, gather_exception, &got);
    same(r, "exception_list", status, WXTP_OK);
    for (int i = 0; i < r->model.exception_count; i++) {
        char openid[16];
        snprintf(openid, sizeof openid, "e%d", r->model.exceptions[i].openid);
        bool in = r->model.exceptions[i].there && (verdict < 0 || verdict == r->model.exceptions[i].verdict);
        if (in && count++ < limit)
            add_key(&want, openid, r->model.exceptions[i].verdict == 0 ? "0" : "1");
    }
    assert_string_equal(got.text, want.text);
}

static bool gather_spare(void *user, const wxtp_spare_row *row)
{
    char value[16];
    snprintf(value, sizeof value, "%d", (int)row->added_ms);
    add_key(user, value, row->key.appid);
    return true;
}

static void step_spare(run *r)
{
    int p = (int)roll(r, PLATFORMS), a = (int)roll(r, APPIDS);
    wxtp_spare_row row = {.key = {platforms[p], appids[a]}, .added_ms = roll(r, 1000)};
    keys got = {""}, want = {""};
    switch (roll(r, 4)) {
    case 0:
        same(r, "spare_delete", r->ops->spare_delete(r->tx, &row.key, 0), WXTP_OK);
        for (int i = 0; i < r->model.spare_count; i++) {
            if (r->model.spares[i].platform == p && r->model.spares[i].appid == a)
                r->model.spares[i].platform = -1;
        }
        break;
    case 1:
        same(r, "spare_list", r->ops->spare_list(r->tx, &row.key, gather_spare, &got), WXTP_OK);
        for (int i = r->model.spare_count - 1; i >= 0; i--) {
            char value[16];
            snprintf(value, sizeof value, "%d", r->model.spares[i].value);
            if (r->model.spares[i].platform == p && r->model.spares[i].appid == a)
                add_key(&want, value, appids[a]);
        }
        assert_string_equal(got.text, want.text);
        break;
    default:
        same(r, "spare_add", r->ops->spare_add(r->tx, &row), WXTP_OK);
        r->model.spares[r->model.spare_count].platform = p;
        r->model.spares[r->model.spare_count].appid = a;
        r->model.spares[r->model.spare_count++].value = (int)row.added_ms;
    }
}

static void step_snapshot_part(run *r)
{
    unsigned part = roll(r, PARTS);
    wxtp_blob marks;
    int64_t kept = 0;
    wxtp_status status = r->ops->snapshot_part_get(r->tx, "1", part, &marks);
    same(r, "snapshot_part_get", status, r->model.parts[part] != 0 ? WXTP_OK : WXTP_ERR_NOT_FOUND);
    if (status == WXTP_OK) {
        same(r, "length of marks", (int64_t)marks.len, sizeof kept);
        memcpy(&kept, marks.data, sizeof kept);
        same(r, "marks", kept, r->model.parts[part]);
    }
    r->model.parts[part] = 1 + roll(r, 1000);
    marks = (wxtp_blob){&r->model.parts[part], sizeof r->model.parts[part]};
    same(r, "snapshot_part_put", r->ops->snapshot_part_put(r->tx, "1", part, marks), WXTP_OK);
}

/* Keys meet as they do in a set held in memory. */
typedef struct places {
    int64_t found[SIFTED];
    int count;
} places;

static bool note_place(void *user, int64_t place)
{
    places *p = user;
    p->found[p->count++] = place;
    return p->count < SIFTED;
}

static void sift_randomly(run *r)
{
    bool wanted[SIFTED] = {false};
    int64_t least[SIFTED], want[SIFTED];
    places got = {.count = 0};
    void *sift;
    int count = 0;
    same(r, "sift_begin", r->ops->sift_begin(r->store, &sift), WXTP_OK);
    for (int key = 0; key < SIFTED; key++)
        least[key] = -1;
    for (int64_t place = 0; place < 2 * SIFTED; place++) {
        unsigned char key = (unsigned char)roll(r, SIFTED);
        bool member = roll(r, 2) == 0;
        if (member)
            wanted[key] = true;
        else if (least[key] < 0)
            least[key] = place;
        same(r, "sift_add", r->ops->sift_add(sift, &key, 1, member ? -1 : place), WXTP_OK);
    }
    for (int64_t place = 0; place < 2 * SIFTED; place++) {
        for (int key = 0; key < SIFTED; key++) {
            if (wanted[key] && least[key] == place)
                want[count++] = place;
        }
    }
    same(r, "sift_finish", r->ops->sift_finish(sift, note_place, &got), WXTP_OK);
    r->ops->sift_free(sift);
    same(r, "keys that meet", got.count, count);
    for (int i = 0; i < count; i++)
        same(r, "place", got.found[i], want[i]);
}

static void begin_step(run *r)
{
    same(r, "begin", r->ops->begin(r->store, roll(r, 8) == 0 ? WXTP_TX_SYNC : WXTP_TX_WRITE, &r->tx),
         WXTP_OK);
    r->before = r->model;
}

static void end_step(run *r)
{
    if (roll(r, 4) == 0) {
        r->ops->rollback(r->tx);
        r->model = r->before;
    } else {
        same(r, "commit", r->ops->commit(r->tx), WXTP_OK);
    }
}

void model_run(wxtp_store *store, test_clock *clock, unsigned seed)
{
    static void (*const steps[])(run *) = {
        step_meta,           step_tenant_put, step_tenant_put,  step_tenant_get,    step_tenant_list,
        step_token_put,      step_token_put,  step_token_get,   step_token_due,     step_tenant_count,
        step_intent,         step_lease,      step_lease,       step_lease,         step_clock,
        step_push,           step_batch_put,  step_batch_list,  step_batch_mark,    step_exception_add,
        step_exception_list, step_spare,      step_tenant_list, step_snapshot_part, step_push_note,
        step_push_note,      step_push_list,
    };
    run r = {.store = store, .ops = store->ops, .clock = clock, .random = seed, .seed = seed};
    same(&r, "begin", r.ops->begin(store, WXTP_TX_WRITE, &r.tx), WXTP_OK);
    wxtp_job_row job = {.id = "1", .platform = "p", .appid = "a", .state = WXTP_JOB_RUNNING};
    same(&r, "job_put", r.ops->job_put(r.tx, &job), WXTP_OK);
    same(&r, "commit", r.ops->commit(r.tx), WXTP_OK);
    begin_step(&r);
    for (r.step = 0; r.step < STEPS; r.step++) {
        steps[roll(&r, sizeof steps / sizeof steps[0])](&r);
        if (roll(&r, 6) == 0) {
            end_step(&r);
            begin_step(&r);
        }
    }
    end_step(&r);
    sift_randomly(&r);
}
