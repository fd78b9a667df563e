/* Stored tokens: when they are due, what enters them, and what a store or memory that fails leaves of them.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "counting.h"
#include "domain/held.h"
#include "domain/vault.h"

#define APPID "wx00000000000000a1"
#define OK(expression) assert_int_equal((expression), WXTP_OK)

enum { SECOND = 1000, HOUR = 3600 * SECOND, DAY_S = 24 * 3600 };

static const wxtp_token_key key = {FIXTURE_COMPONENT, APPID};

/* ---- A store that fails ---- */

/* What the operation of this name answers instead; for one thread. */
static struct {
    const wxtp_store_ops *real;
    wxtp_store_ops ops;
    wxtp_status status;
    wxtp_token_row row; /* token_get's */
} faulty;

static wxtp_status fail_token_get(wxtp_tx *tx, const wxtp_token_key *of, wxtp_token_row *row)
{
    (void)tx;
    (void)of;
    *row = faulty.row;
    return faulty.status;
}

static wxtp_status fail_token_put(wxtp_tx *tx, const wxtp_token_row *row, int64_t expected,
                                  const wxtp_lease *lease)
{
    (void)tx;
    (void)row;
    (void)expected;
    (void)lease;
    return faulty.status;
}

static wxtp_status fail_spare_add(wxtp_tx *tx, const wxtp_spare_row *row)
{
    (void)tx;
    (void)row;
    return faulty.status;
}

static wxtp_status fail_spare_list(wxtp_tx *tx, const wxtp_token_key *of,
                                   bool (*each)(void *, const wxtp_spare_row *), void *user)
{
    (void)tx;
    (void)of;
    (void)each;
    (void)user;
    return faulty.status;
}

static wxtp_status fail_spare_delete(wxtp_tx *tx, const wxtp_token_key *of, int64_t id)
{
    (void)tx;
    (void)of;
    (void)id;
    return faulty.status;
}

static wxtp_status fail_intent_delete(wxtp_tx *tx, const wxtp_token_key *of)
{
    (void)tx;
    (void)of;
    return faulty.status;
}

static wxtp_status fail_begin(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx)
{
    (void)store;
    (void)mode;
    *tx = NULL;
    return faulty.status;
}

static wxtp_status fail_commit(wxtp_tx *tx)
{
    faulty.real->rollback(tx);
    return faulty.status;
}

/* Begins with operations that work; the test puts its own in their place. */
static void begin_faults(fixture *fx, wxtp_status status)
{
    faulty.real = fx->core->store->ops;
    faulty.ops = *faulty.real;
    faulty.status = status;
    faulty.row = (wxtp_token_row){.generation = 0};
    fx->core->store->ops = &faulty.ops;
}

static void end_faults(fixture *fx)
{
    fx->core->store->ops = faulty.real;
}

static void begin(fixture *fx, wx_scope *scope)
{
    wx_err err;
    OK(wx_scope_begin(scope, fx->core, WXTP_TX_SYNC, &err));
}

static void commit(wx_scope *scope)
{
    wx_err err;
    OK(wx_scope_commit(scope, &err));
}

static void load(fixture *fx, wx_held *held)
{
    wx_err err;
    OK(wx_held_load(fx->core, NULL, FIXTURE_COMPONENT, APPID, held, &err));
}

static int setup(void **state)
{
    if (fixture_setup(state)) {
        return -1;
    }
    fixture_put_token(*state, FIXTURE_COMPONENT, APPID, "access-1", "refresh-1");
    return 0;
}

/* ---- When it is due ---- */

static wx_held entered(fixture *fx, const char *appid, wx_token_kind kind, int64_t life_s)
{
    wx_err err;
    wx_held held = {.exists = false};
    wx_copy(held.platform, sizeof(held.platform), FIXTURE_COMPONENT);
    wx_copy(held.appid, sizeof(held.appid), appid);
    OK(wx_held_enter(fx->core, &held, kind, "text", NULL, FAKE_EPOCH_MS, life_s, &err));
    return held;
}

static void I4_a_token_is_due_a_jittered_margin_before_its_end(void **state)
{
    static const struct {
        wx_token_kind kind;
        int64_t life_s, margin_ms;
    } cases[] = {
        {WX_TOKEN_COMPONENT, 7200, 600 * SECOND}, {WX_TOKEN_AUTHORIZER, 7200, 600 * SECOND},
        {WX_TOKEN_OWN, 7200, 240 * SECOND},       {WX_TOKEN_AUTHORIZER, 3000, 600 * SECOND},
        {WX_TOKEN_AUTHORIZER, 2999, 599800},      {WX_TOKEN_AUTHORIZER, 1000, 200 * SECOND},
        {WX_TOKEN_OWN, 1000, 200 * SECOND},       {WX_TOKEN_OWN, 1205, 240 * SECOND},
        {WX_TOKEN_AUTHORIZER, 100, 20 * SECOND},  {WX_TOKEN_AUTHORIZER, 3300, 600 * SECOND},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        static const char *const appids[] = {APPID, "wx00000000000000a2", "a", ""};
        for (size_t j = 0; j < 4; j++) {
            WX_AUTO_HELD held = entered(*state, appids[j], cases[i].kind, cases[i].life_s);
            /* The same for a key each time, so that a restart moves nothing; up to a tenth later. */
            const uint64_t noise = wx_hash(j < 3 ? appids[j] : FIXTURE_COMPONENT);
            const int64_t margin_ms = cases[i].margin_ms;
            assert_int_equal(held.expires_ms, FAKE_EPOCH_MS + cases[i].life_s * SECOND);
            assert_int_equal(held.due_ms,
                             held.expires_ms - margin_ms + (int64_t)(noise % (uint64_t)(margin_ms / 10 + 1)));
        }
    }
    assert_true(wx_hash(APPID) % 60001 != wx_hash("wx00000000000000a2") % 60001);
}

static void I4_a_short_life_does_not_storm(void **state)
{
    static const struct {
        int64_t life_s, expires_ms, due_ms;
    } cases[] = {
        /* From five seconds before its end on it is not sent, so that it cannot wait. */
        {15, 15 * SECOND, 10 * SECOND},
        {16, 16 * SECOND, 11 * SECOND},
        {14, 14 * SECOND, 9 * SECOND},
        {1, SECOND, -4 * SECOND},
        {0, 0, -5 * SECOND},
        {-1, 0, -5 * SECOND},
        {INT64_MIN, 0, -5 * SECOND},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        WX_AUTO_HELD held = entered(*state, APPID, WX_TOKEN_AUTHORIZER, cases[i].life_s);
        assert_int_equal(held.expires_ms, FAKE_EPOCH_MS + cases[i].expires_ms);
        if (cases[i].life_s != 16) {
            assert_int_equal(held.due_ms, FAKE_EPOCH_MS + cases[i].due_ms);
        }
    }
    static const int64_t long_lives[] = {30 * DAY_S - 1, 30 * DAY_S, 30 * DAY_S + 1, INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        WX_AUTO_HELD held = entered(*state, APPID, WX_TOKEN_AUTHORIZER, long_lives[i]);
        const int64_t life_s = i == 0 ? 30 * DAY_S - 1 : 30 * DAY_S;
        assert_int_equal(held.expires_ms, FAKE_EPOCH_MS + life_s * SECOND);
        assert_true(held.due_ms >= held.expires_ms - 600 * SECOND);
    }
}

static void I4_usable_until_five_seconds_before_its_end_and_not_refused(void **state)
{
    (void)state;
    char text[] = "access";
    wx_held held = {
        .exists = true, .access = text, .generation = 3, .refused_generation = 2, .expires_ms = 10000};
    assert_true(wx_held_usable(&held, 0));
    assert_true(wx_held_usable(&held, 4999));
    assert_false(wx_held_usable(&held, 5000));
    held.refused_generation = 3;
    assert_false(wx_held_usable(&held, 0));
    held.refused_generation = 0;
    held.access = NULL;
    assert_false(wx_held_usable(&held, 0));
    held.access = text;
    held.exists = false;
    assert_false(wx_held_usable(&held, 0));

    held = (wx_held){.generation = 3, .refused_generation = 2, .due_ms = 70};
    assert_false(wx_held_due(&held, 69));
    assert_true(wx_held_due(&held, 70));
    held.refused_generation = 3;
    assert_true(wx_held_due(&held, 69));
    held.refused_generation = 4;
    assert_true(wx_held_due(&held, 69));
}

/* ---- What enters ---- */

static void I3_an_answer_moves_the_generation_when_its_text_differs(void **state)
{
    fixture *fx = *state;
    wx_err err;
    WX_AUTO_HELD held = {.generation = 0};
    load(fx, &held);
    held.issued_ms = 11;
    OK(wx_held_enter(fx->core, &held, WX_TOKEN_AUTHORIZER, "access-1", NULL, FAKE_EPOCH_MS, 7200, &err));
    assert_int_equal(held.generation, 1);
    assert_int_equal(held.issued_ms, 11);
    assert_string_equal(held.refresh, "refresh-1"); /* what the answer does not show stays */
    OK(wx_held_enter(fx->core, &held, WX_TOKEN_AUTHORIZER, "access-2", "refresh-2", FAKE_EPOCH_MS, 7200,
                     &err));
    assert_int_equal(held.generation, 2);
    assert_int_equal(held.issued_ms, FAKE_EPOCH_MS);
    assert_string_equal(held.access, "access-2");
    assert_string_equal(held.refresh, "refresh-2");
    /* The first of a row, whatever its text. */
    held.generation = 0;
    held.exists = false;
    OK(wx_held_enter(fx->core, &held, WX_TOKEN_AUTHORIZER, "access-2", NULL, FAKE_EPOCH_MS, 7200, &err));
    assert_int_equal(held.generation, 1);
    assert_true(held.exists);
}

static void I11_an_answer_for_which_there_is_no_memory_changes_nothing(void **state)
{
    fixture *fx = *state;
    wx_err err;
    counting memory;
    WX_AUTO_HELD held = {.generation = 0};
    load(fx, &held);
    const wxtp_allocator plenty = fx->core->allocator;
    for (size_t n = 1; n <= 2; n++) {
        counting_init(&memory);
        memory.fail_at = n;
        fx->core->allocator = memory.allocator;
        assert_int_equal(wx_held_enter(fx->core, &held, WX_TOKEN_AUTHORIZER, "access-2", "refresh-2",
                                       FAKE_EPOCH_MS, 7200, &err),
                         WXTP_ERR_NOMEM);
        fx->core->allocator = plenty;
        assert_int_equal(memory.live, 0);
        assert_int_equal(memory.not_zeroed, 0);
        assert_int_equal(held.generation, 1);
        assert_string_equal(held.access, "access-1");
        assert_string_equal(held.refresh, "refresh-1");
    }
}

/* ---- Load and put ---- */

static void each_field_comes_back(void **state)
{
    fixture *fx = *state;
    wx_err err;
    WX_AUTO_SCOPE scope = {0};
    WX_AUTO_HELD held = {.generation = 0};
    WX_AUTO_HELD back = {.generation = 0};
    wxtp_lease lease = {"token", 0, 0}, stale = {"token", 9, 0};
    load(fx, &held);
    held.generation = 2;
    held.issued_ms = 3;
    held.expires_ms = 4;
    held.due_ms = 5;
    held.refused_generation = 6;
    held.forced_day = 7;
    held.forced_count = 8;
    held.forced_ms = 9;
    wx_copy(held.early_refusals, sizeof(held.early_refusals), "10,11");
    begin(fx, &scope);
    OK(wx_ops(fx->core)->lease_take(scope.tx, &lease, SECOND));
    /* Another fence, or another generation, is a conflict, of which the caller makes what it wants. */
    wx_err_clear(&err);
    assert_int_equal(wx_held_put(fx->core, scope.tx, &held, 1, &stale, &err), WXTP_ERR_CONFLICT);
    assert_int_equal(wx_held_put(fx->core, scope.tx, &held, 2, &lease, &err), WXTP_ERR_CONFLICT);
    assert_int_equal(wx_held_check(fx->core, scope.tx, &held, &err), WXTP_ERR_CONFLICT);
    assert_int_equal(err.status, WXTP_OK);
    OK(wx_held_put(fx->core, scope.tx, &held, 1, &lease, &err));
    OK(wx_held_check(fx->core, scope.tx, &held, &err));
    assert_string_equal(err.message, "");
    OK(wx_held_load(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, &back, &err));
    assert_true(back.exists);
    assert_string_equal(back.platform, FIXTURE_COMPONENT);
    assert_string_equal(back.appid, APPID);
    assert_int_equal(back.generation, 2);
    assert_int_equal(back.issued_ms, 3);
    assert_int_equal(back.expires_ms, 4);
    assert_int_equal(back.due_ms, 5);
    assert_int_equal(back.refused_generation, 6);
    assert_int_equal(back.forced_day, 7);
    assert_int_equal(back.forced_count, 8);
    assert_int_equal(back.forced_ms, 9);
    assert_string_equal(back.early_refusals, "10,11");
    assert_string_equal(back.access, "access-1");
    assert_string_equal(back.refresh, "refresh-1");
}

static void what_was_never_stored_is_generation_0(void **state)
{
    fixture *fx = *state;
    wx_err err;
    wx_token_view view = {.generation = 5};
    WX_AUTO_SCOPE scope = {0};
    WX_AUTO_HELD held = {.generation = 5};
    OK(wx_held_load(fx->core, NULL, FIXTURE_COMPONENT, "wx0000000000nobody", &held, &err));
    assert_false(held.exists);
    assert_string_equal(held.appid, "wx0000000000nobody");
    assert_int_equal(held.generation, 0);
    OK(wx_token_look(fx->core, FIXTURE_COMPONENT, "wx0000000000nobody", &view, &err));
    assert_int_equal(view.generation, 0);
    begin(fx, &scope);
    OK(wx_held_check(fx->core, scope.tx, &held, &err));
    held.generation = 1;
    assert_int_equal(wx_held_check(fx->core, scope.tx, &held, &err), WXTP_ERR_CONFLICT);
    OK(wx_token_forget(fx->core, scope.tx, FIXTURE_COMPONENT, "wx0000000000nobody", &err));
    commit(&scope);
    OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, "wx0000000000nobody", 0, &err));
    assert_null(fixture_access_token(fx, FIXTURE_COMPONENT, "wx0000000000nobody"));
}

static void a_generation_beyond_all_sense_is_damage(void **state)
{
    static const struct {
        int64_t generation;
        wxtp_status status;
    } cases[] = {{-1, WXTP_ERR_STORE},
                 {0, WXTP_OK},
                 {(INT64_C(1) << 52) - 1, WXTP_OK},
                 {INT64_C(1) << 52, WXTP_ERR_STORE}};
    fixture *fx = *state;
    wx_err err;
    begin_faults(fx, WXTP_OK);
    faulty.ops.token_get = fail_token_get;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        WX_AUTO_HELD held = {.generation = 0};
        faulty.row = (wxtp_token_row){.generation = cases[i].generation, .early_refusals = ""};
        wx_err_clear(&err);
        assert_int_equal(wx_held_load(fx->core, NULL, FIXTURE_COMPONENT, "", &held, &err), cases[i].status);
        assert_int_equal(strstr(err.message, "the token of " FIXTURE_COMPONENT " is damaged") != NULL,
                         cases[i].status != WXTP_OK);
        wx_held_free(&held);
        (void)wx_held_load(fx->core, NULL, FIXTURE_COMPONENT, "a", &held, &err);
        assert_int_equal(strstr(err.message, "the token of a is damaged") != NULL,
                         cases[i].status != WXTP_OK);
    }
    end_faults(fx);
}

static void I9_a_row_of_another_key_does_not_open(void **state)
{
    static const char *const damaged[] = {"access", "refresh"};
    fixture *fx = *state;
    wx_err err;
    for (size_t i = 0; i < 2; i++) {
        WX_AUTO_SCOPE scope = {0};
        WX_AUTO_HELD held = {.generation = 0};
        wxtp_token_row row;
        begin(fx, &scope);
        OK(wx_ops(fx->core)->token_get(scope.tx, &key, &row));
        *(i == 0 ? &row.access : &row.refresh) = (wxtp_blob){"not sealed by anybody who was asked", 35};
        row.generation = 2;
        OK(wx_ops(fx->core)->token_put_if(scope.tx, &row, 1, NULL));
        wx_err_clear(&err);
        assert_int_equal(wx_held_load(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, &held, &err),
                         WXTP_ERR_KEY);
        assert_non_null(strstr(err.message, damaged[i]));
        /* Nothing is written over it by those who cannot read it. */
        bool changed = true;
        assert_int_equal(wx_token_forget(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, &err), WXTP_ERR_KEY);
        assert_int_equal(wx_token_install(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, "a", "r",
                                          FAKE_EPOCH_MS, 7200, &err),
                         WXTP_ERR_KEY);
        assert_int_equal(
            wx_token_adopt_refresh(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, 2, "r", &changed, &err),
            WXTP_ERR_KEY);
        assert_false(changed);
    }
}

/* ---- Early refusals ---- */

static void refusals_count_for_an_hour(void **state)
{
    (void)state;
    char text[64];
    assert_int_equal(wx_held_early_refusals(NULL, 5), 0);
    assert_int_equal(wx_held_early_refusals("", 5), 0);
    assert_int_equal(wx_held_early_refusals("5", 5), 1);
    assert_int_equal(wx_held_early_refusals("6", 5), 0); /* of a clock that was wrong */
    assert_int_equal(wx_held_early_refusals("0,x,,3,4,5,", 5), 4);
    (void)snprintf(text, sizeof(text), "%d,%d", 7, 8);
    assert_int_equal(wx_held_early_refusals(text, HOUR + 6), 2);
    assert_int_equal(wx_held_early_refusals(text, HOUR + 7), 1);
    assert_int_equal(wx_held_early_refusals(text, HOUR + 8), 0);
}

static void store_refusals(fixture *fx, int64_t generation, const char *early_refusals, int64_t due_ms)
{
    wx_err err;
    WX_AUTO_SCOPE scope = {0};
    WX_AUTO_HELD held = {.generation = 0};
    begin(fx, &scope);
    OK(wx_held_load(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, &held, &err));
    const int64_t before = held.generation;
    held.generation = generation;
    held.due_ms = due_ms;
    wx_copy(held.early_refusals, sizeof(held.early_refusals), early_refusals);
    OK(wx_held_put(fx->core, scope.tx, &held, before, NULL, &err));
    commit(&scope);
}

static void a_refusal_before_its_time_is_noted(void **state)
{
    static const struct {
        int64_t due_in_ms; /* from the refusal on */
        const char *before, *after;
    } cases[] = {
        {1, "", "3600100"},
        {0, "", ""}, /* it was due: no surprise */
        {-1, "7", "7"},
        {1, "99,100,101,x,,3600100", "101,3600100,3600100"},
        {1, "3600101,200", "200,3600100"},
    };
    fixture *fx = *state;
    wx_err err;
    const int64_t now = HOUR + 100;
    fake_clock_step_wall(&fx->clock, now - fake_clock_wall(&fx->clock));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const int64_t generation = (int64_t)i + 2;
        WX_AUTO_HELD held = {.generation = 0};
        store_refusals(fx, generation, cases[i].before, now + cases[i].due_in_ms);
        OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, generation, &err));
        load(fx, &held);
        assert_string_equal(held.early_refusals, cases[i].after);
        assert_int_equal(held.refused_generation, generation);
        assert_int_equal(held.due_ms, 0);
        assert_int_equal(held.generation, generation);
        /* Said again, or of another generation, it is nothing new. */
        OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, generation, &err));
        OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, generation - 1, &err));
        OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, generation + 1, &err));
        WX_AUTO_HELD again = {.generation = 0};
        load(fx, &again);
        assert_string_equal(again.early_refusals, cases[i].after);
        assert_int_equal(again.refused_generation, generation);
    }
}

/* What is no news is not even written. */
static void I3_a_refusal_that_is_no_news_writes_nothing(void **state)
{
    fixture *fx = *state;
    wx_err err;
    store_refusals(fx, 2, "", 7);
    OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, 2, &err));
    begin_faults(fx, WXTP_ERR_STORE);
    faulty.ops.token_put_if = fail_token_put;
    OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, 2, &err)); /* said again */
    OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, 1, &err)); /* replaced since */
    OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, 3, &err)); /* never stored */
    OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, "wx0000000000nobody", 0, &err));
    OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, "wx0000000000nobody", 1, &err));
    end_faults(fx);
}

/* However many there are, the newest dozen is kept. */
static void I11_refusals_are_bounded(void **state)
{
    fixture *fx = *state;
    wx_err err;
    int64_t now = fake_clock_wall(&fx->clock);
    for (int64_t generation = 2; generation < 40; generation++) {
        char last[32];
        WX_AUTO_HELD held = {.generation = 0};
        WX_AUTO_HELD after = {.generation = 0};
        load(fx, &held);
        fake_clock_advance(&fx->clock, SECOND);
        now += SECOND;
        store_refusals(fx, generation, held.early_refusals, now + HOUR);
        OK(wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, generation, &err));
        load(fx, &after);
        (void)snprintf(last, sizeof(last), "%lld", (long long)now);
        const size_t len = strlen(after.early_refusals);
        assert_true(len >= strlen(last));
        assert_string_equal(after.early_refusals + len - strlen(last), last);
        const int count = generation - 1 < 12 ? (int)generation - 1 : 12;
        assert_int_equal(wx_held_early_refusals(after.early_refusals, now), count);
        /* They are the newest of them. */
        assert_int_equal(strtoll(after.early_refusals, NULL, 10), now - (count - 1) * SECOND);
    }
}

/* ---- Spares ---- */

typedef struct seen {
    int count;
    char texts[WX_SPARES_MAX + 4][32];
    int64_t added_ms;
    fixture *fx;
} seen;

static bool see_spare(void *user, const wxtp_spare_row *row)
{
    seen *s = user;
    wx_err err;
    WX_AUTO_FREE char *text = NULL;
    OK(wx_vault_open(s->fx->core, "spare", FIXTURE_COMPONENT, APPID, "refresh", row->refresh, &text, &err));
    wx_copy(s->texts[s->count++], sizeof(s->texts[0]), text);
    s->added_ms = row->added_ms;
    return true;
}

static seen spares_of(fixture *fx, wxtp_tx *tx)
{
    seen s = {.fx = fx};
    OK(wx_ops(fx->core)->spare_list(tx, &key, see_spare, &s));
    return s;
}

static void I3_the_newest_eight_spares_are_kept(void **state)
{
    fixture *fx = *state;
    wx_err err;
    WX_AUTO_SCOPE scope = {0};
    begin(fx, &scope);
    OK(wx_spare_keep(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, NULL, &err));
    OK(wx_spare_keep(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, "", &err));
    assert_int_equal(spares_of(fx, scope.tx).count, 0);
    for (int i = 1; i <= 10; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "spare-%d", i);
        OK(wx_spare_keep(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, text, &err));
        const seen s = spares_of(fx, scope.tx);
        assert_int_equal(s.count, i < 8 ? i : 8);
        assert_string_equal(s.texts[0], text);
        assert_int_equal(s.added_ms, fake_clock_wall(&fx->clock));
    }
    assert_string_equal(spares_of(fx, scope.tx).texts[7], "spare-3");
}

static void put_intent(fixture *fx, wxtp_tx *tx)
{
    OK(wx_ops(fx->core)->intent_put(tx, &(wxtp_intent_row){key, 1, 1, 1, 0}));
}

/* ---- What others write ---- */

static void I3_a_new_authorization_is_news_and_drops_what_was(void **state)
{
    fixture *fx = *state;
    wx_err err;
    wxtp_intent_row intent;
    WX_AUTO_SCOPE scope = {0};
    WX_AUTO_HELD held = {.generation = 0};
    store_refusals(fx, 2, "1,2", 7);
    begin(fx, &scope);
    OK(wx_spare_keep(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, "spare", &err));
    OK(wx_spare_keep(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, "another", &err));
    put_intent(fx, scope.tx);
    /* The same text, and no refresh token: a generation further all the same, and the old one is gone. */
    OK(wx_token_install(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, "access-1", NULL, FAKE_EPOCH_MS + 5,
                        7200, &err));
    OK(wx_held_load(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, &held, &err));
    assert_int_equal(held.generation, 3);
    assert_string_equal(held.access, "access-1");
    assert_null(held.refresh);
    assert_string_equal(held.early_refusals, "");
    assert_int_equal(held.expires_ms, FAKE_EPOCH_MS + 5 + 7200 * SECOND);
    assert_in_range(held.expires_ms - held.due_ms, 540 * SECOND, 600 * SECOND); /* an authorizer's margin */
    assert_int_equal(spares_of(fx, scope.tx).count, 0);
    assert_int_equal(wx_ops(fx->core)->intent_get(scope.tx, &key, &intent), WXTP_ERR_NOT_FOUND);
    /* Another text moves it by one, too. */
    OK(wx_token_install(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, "access-2", "refresh-2", FAKE_EPOCH_MS,
                        7200, &err));
    wx_held_free(&held);
    OK(wx_held_load(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, &held, &err));
    assert_int_equal(held.generation, 4);
    assert_string_equal(held.refresh, "refresh-2");
}

static void I5_a_refresh_token_that_is_shown_is_adopted(void **state)
{
    fixture *fx = *state;
    wx_err err;
    bool changed = true;
    WX_AUTO_SCOPE scope = {0};
    WX_AUTO_HELD held = {.generation = 0};
    begin(fx, &scope);
    /* Nothing new, or of another generation. */
    OK(wx_token_adopt_refresh(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, 1, "refresh-1", &changed, &err));
    assert_false(changed);
    OK(wx_token_adopt_refresh(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, 2, "refresh-2", &changed, &err));
    assert_false(changed);
    assert_int_equal(spares_of(fx, scope.tx).count, 0);
    OK(wx_token_adopt_refresh(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, 1, "refresh-2", &changed, &err));
    assert_true(changed);
    OK(wx_held_load(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, &held, &err));
    assert_string_equal(held.refresh, "refresh-2");
    assert_string_equal(held.access, "access-1");
    assert_int_equal(held.generation, 1);
    assert_true(held.due_ms > fake_clock_wall(&fx->clock)); /* the access token is as good as it was */
    const seen s = spares_of(fx, scope.tx);
    assert_int_equal(s.count, 1);
    assert_string_equal(s.texts[0], "refresh-1");
}

static void I5_a_refresh_token_alone_is_generation_1_and_due(void **state)
{
    fixture *fx = *state;
    wx_err err;
    bool changed = false;
    WX_AUTO_SCOPE scope = {0};
    WX_AUTO_HELD held = {.generation = 0};
    begin(fx, &scope);
    OK(wx_token_adopt_refresh(fx->core, scope.tx, FIXTURE_COMPONENT, "wx0000000000nobody", 0, "refresh-x",
                              &changed, &err));
    assert_true(changed);
    OK(wx_held_load(fx->core, scope.tx, FIXTURE_COMPONENT, "wx0000000000nobody", &held, &err));
    assert_true(held.exists);
    assert_int_equal(held.generation, 1);
    assert_int_equal(held.due_ms, 0);
    assert_string_equal(held.refresh, "refresh-x");
    assert_null(held.access);
}

static void I3_a_forgotten_token_leaves_its_generation(void **state)
{
    fixture *fx = *state;
    wx_err err;
    wxtp_intent_row intent;
    WX_AUTO_SCOPE scope = {0};
    WX_AUTO_HELD held = {.generation = 0};
    store_refusals(fx, 2, "1,2", 7);
    begin(fx, &scope);
    OK(wx_spare_keep(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, "spare", &err));
    OK(wx_spare_keep(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, "another", &err));
    put_intent(fx, scope.tx);
    OK(wx_token_forget(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, &err));
    OK(wx_held_load(fx->core, scope.tx, FIXTURE_COMPONENT, APPID, &held, &err));
    assert_true(held.exists);
    assert_int_equal(held.generation, 3);
    assert_null(held.access);
    assert_null(held.refresh);
    assert_int_equal(held.issued_ms, 0);
    assert_int_equal(held.expires_ms, 0);
    assert_int_equal(held.due_ms, INT64_C(1) << 52); /* it does not come back by itself */
    assert_string_equal(held.early_refusals, "");
    assert_int_equal(spares_of(fx, scope.tx).count, 0);
    assert_int_equal(wx_ops(fx->core)->intent_get(scope.tx, &key, &intent), WXTP_ERR_NOT_FOUND);
}

/* ---- Views ---- */

static void a_view_tells_the_state(void **state)
{
    static const struct {
        int64_t expires_in_ms, due_in_ms, refused;
        bool access;
        int want;
    } cases[] = {
        {HOUR, 1, 0, true, WXTP_TOKEN_FRESH},    {HOUR, 0, 0, true, WXTP_TOKEN_DUE},
        {5001, -1, 0, true, WXTP_TOKEN_DUE},     {5000, -1, 0, true, WXTP_TOKEN_EXPIRED},
        {HOUR, 1, 8, true, WXTP_TOKEN_FRESH},    {HOUR, 1, 9, true, WXTP_TOKEN_EXPIRED},
        {HOUR, 1, 10, true, WXTP_TOKEN_EXPIRED}, {HOUR, 1, 0, false, WXTP_TOKEN_NONE},
    };
    fixture *fx = *state;
    const int64_t now = fake_clock_wall(&fx->clock);
    char early[64];
    (void)snprintf(early, sizeof(early), "%lld,1", (long long)now);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        wx_token_view view = {.generation = 5};
        const wxtp_token_row row = {.generation = 9,
                                    .access = {"x", cases[i].access ? 1 : 0},
                                    .refresh = {"y", i % 2},
                                    .expires_ms = now + cases[i].expires_in_ms,
                                    .due_ms = now + cases[i].due_in_ms,
                                    .refused_generation = cases[i].refused,
                                    .early_refusals = early};
        OK(wx_token_view_get(fx->core, &row, &view));
        assert_int_equal(view.state, cases[i].want);
        assert_int_equal(view.generation, 9);
        assert_int_equal(view.due_ms, row.due_ms);
        assert_int_equal(view.expires_ms, cases[i].access ? row.expires_ms : 0);
        assert_int_equal(view.has_access, cases[i].access);
        assert_int_equal(view.has_refresh, i % 2 == 1);
        assert_int_equal(view.early_refusals, 1);
    }
    wx_token_view none = {.generation = 5, .has_access = true};
    OK(wx_token_view_get(fx->core, NULL, &none));
    assert_int_equal(none.generation, 0);
    assert_false(none.has_access);
}

/* ---- Failing ---- */

static wxtp_status try_load(fixture *fx, wxtp_tx *tx, wx_err *err)
{
    WX_AUTO_HELD held = {.generation = 0};
    return wx_held_load(fx->core, tx, FIXTURE_COMPONENT, APPID, &held, err);
}

static wxtp_status try_put(fixture *fx, wxtp_tx *tx, wx_err *err)
{
    char access[] = "access-2", refresh[] = "refresh-2";
    wx_held held = {.generation = 2, .access = access, .refresh = refresh};
    wx_copy(held.platform, sizeof(held.platform), FIXTURE_COMPONENT);
    wx_copy(held.appid, sizeof(held.appid), APPID);
    return wx_held_put(fx->core, tx, &held, 1, NULL, err);
}

static wxtp_status try_check(fixture *fx, wxtp_tx *tx, wx_err *err)
{
    return wx_held_check(fx->core, tx, &(wx_held){.generation = 0}, err);
}

static wxtp_status try_keep(fixture *fx, wxtp_tx *tx, wx_err *err)
{
    return wx_spare_keep(fx->core, tx, FIXTURE_COMPONENT, APPID, "spare", err);
}

static wxtp_status try_install(fixture *fx, wxtp_tx *tx, wx_err *err)
{
    return wx_token_install(fx->core, tx, FIXTURE_COMPONENT, APPID, "access-2", "refresh-2", FAKE_EPOCH_MS,
                            7200, err);
}

static wxtp_status try_adopt(fixture *fx, wxtp_tx *tx, wx_err *err)
{
    bool changed = true;
    const wxtp_status status =
        wx_token_adopt_refresh(fx->core, tx, FIXTURE_COMPONENT, APPID, 1, "refresh-2", &changed, err);
    assert_int_equal(changed, status == WXTP_OK && faulty.status != WXTP_ERR_CONFLICT);
    return status;
}

static wxtp_status try_forget(fixture *fx, wxtp_tx *tx, wx_err *err)
{
    return wx_token_forget(fx->core, tx, FIXTURE_COMPONENT, APPID, err);
}

/* These begin a transaction of their own. */
static wxtp_status try_load_alone(fixture *fx, wxtp_tx *tx, wx_err *err)
{
    (void)tx;
    return try_load(fx, NULL, err);
}

static wxtp_status try_look(fixture *fx, wxtp_tx *tx, wx_err *err)
{
    wx_token_view view;
    (void)tx;
    return wx_token_look(fx->core, FIXTURE_COMPONENT, APPID, &view, err);
}

static wxtp_status try_refused(fixture *fx, wxtp_tx *tx, wx_err *err)
{
    (void)tx;
    return wx_token_refused(fx->core, FIXTURE_COMPONENT, APPID, 1, err);
}

typedef wxtp_status (*attempt)(fixture *fx, wxtp_tx *tx, wx_err *err);

static wxtp_status attempt_with(fixture *fx, attempt try, bool alone, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wx_err_clear(err);
    if (!alone) {
        const wxtp_store_ops broken = faulty.ops;
        faulty.ops = *faulty.real;
        begin(fx, &scope);
        faulty.ops = broken;
    }
    const wxtp_status status = try(fx, scope.tx, err);
    faulty.ops = *faulty.real;
    return status;
}

static void each_failure_of_the_store_is_told(void **state)
{
    static const struct {
        attempt try;
        bool alone;
        const char *what; /* the message says what was being done */
        wxtp_store_ops ops;
    } cases[] = {
        {try_load, false, "read the token", {.token_get = fail_token_get}},
        {try_load_alone, true, "read the token", {.token_get = fail_token_get}},
        {try_load_alone, true, "begin", {.begin = fail_begin}},
        {try_put, false, "store the token", {.token_put_if = fail_token_put}},
        {try_check, false, "read the token", {.token_get = fail_token_get}},
        {try_keep, false, "keep a spare", {.spare_add = fail_spare_add}},
        {try_keep, false, "keep a spare", {.spare_list = fail_spare_list}},
        {try_install, false, "read the token", {.token_get = fail_token_get}},
        {try_install, false, "store the token", {.token_put_if = fail_token_put}},
        {try_install, false, "drop the old", {.spare_delete = fail_spare_delete}},
        {try_install, false, "drop the old", {.intent_delete = fail_intent_delete}},
        {try_adopt, false, "read the token", {.token_get = fail_token_get}},
        {try_adopt, false, "keep a spare", {.spare_add = fail_spare_add}},
        {try_adopt, false, "store the token", {.token_put_if = fail_token_put}},
        {try_forget, false, "read the token", {.token_get = fail_token_get}},
        {try_forget, false, "store the token", {.token_put_if = fail_token_put}},
        {try_forget, false, "drop the old", {.spare_delete = fail_spare_delete}},
        {try_forget, false, "drop the old", {.intent_delete = fail_intent_delete}},
        {try_look, true, "begin", {.begin = fail_begin}},
        {try_look, true, "read the token", {.token_get = fail_token_get}},
        {try_refused, true, "begin", {.begin = fail_begin}},
        {try_refused, true, "read the token", {.token_get = fail_token_get}},
        {try_refused, true, "store the token", {.token_put_if = fail_token_put}},
        {try_refused, true, "commit", {.commit = fail_commit}},
    };
    fixture *fx = *state;
    wx_err err;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const wxtp_store_ops *broken = &cases[i].ops;
        begin_faults(fx, WXTP_ERR_STORE);
#define BREAK(name) faulty.ops.name = broken->name ? broken->name : faulty.ops.name
        BREAK(begin);
        BREAK(commit);
        BREAK(token_get);
        BREAK(token_put_if);
        BREAK(spare_add);
        BREAK(spare_list);
        BREAK(spare_delete);
        BREAK(intent_delete);
#undef BREAK
        assert_int_equal(attempt_with(fx, cases[i].try, cases[i].alone, &err), WXTP_ERR_STORE);
        if (strstr(err.message, cases[i].what) == NULL) {
            fail_msg("%zu: %s", i, err.message);
        }
        end_faults(fx);
    }
    WX_AUTO_HELD held = {.generation = 0};
    load(fx, &held);
    assert_int_equal(held.generation, 1);
    assert_string_equal(held.refresh, "refresh-1");
    assert_int_equal(held.refused_generation, 0);
}

/* The ninth spare needs a place. */
static void a_spare_whose_place_cannot_be_made_is_told(void **state)
{
    fixture *fx = *state;
    wx_err err;
    WX_AUTO_SCOPE scope = {0};
    begin(fx, &scope);
    for (int i = 0; i < WX_SPARES_MAX; i++) {
        OK(try_keep(fx, scope.tx, &err));
    }
    begin_faults(fx, WXTP_ERR_STORE);
    faulty.ops.spare_delete = fail_spare_delete;
    assert_int_equal(try_keep(fx, scope.tx, &err), WXTP_ERR_STORE);
    assert_non_null(strstr(err.message, "keep a spare"));
    end_faults(fx);
}

/* Who loses against another writer has nothing to say any more. */
static void I3_a_conflict_is_no_error_of_who_only_passes_news_on(void **state)
{
    static const struct {
        attempt try;
        bool alone;
        wxtp_status want;
    } cases[] = {{try_refused, true, WXTP_OK},
                 {try_adopt, false, WXTP_OK},
                 {try_put, false, WXTP_ERR_CONFLICT},
                 {try_install, false, WXTP_ERR_CONFLICT},
                 {try_forget, false, WXTP_ERR_CONFLICT}};
    fixture *fx = *state;
    wx_err err;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        begin_faults(fx, WXTP_ERR_CONFLICT);
        faulty.ops.token_put_if = fail_token_put;
        assert_int_equal(attempt_with(fx, cases[i].try, cases[i].alone, &err), cases[i].want);
        assert_string_equal(err.message, "");
        end_faults(fx);
    }
    faulty.status = WXTP_OK;
}

/* A backend may say that there was nothing to delete. */
static void nothing_to_drop_is_no_failure(void **state)
{
    fixture *fx = *state;
    wx_err err;
    wxtp_intent_row intent;
    WX_AUTO_SCOPE scope = {0};
    begin(fx, &scope);
    put_intent(fx, scope.tx);
    begin_faults(fx, WXTP_ERR_NOT_FOUND);
    faulty.ops.spare_delete = fail_spare_delete;
    OK(try_install(fx, scope.tx, &err));
    end_faults(fx);
    assert_int_equal(wx_ops(fx->core)->intent_get(scope.tx, &key, &intent), WXTP_ERR_NOT_FOUND);
}

static void I11_each_lack_of_memory_is_told(void **state)
{
    static const attempt attempts[] = {try_load, try_put, try_keep, try_install, try_adopt, try_forget};
    fixture *fx = *state;
    wx_err err;
    const wxtp_allocator plenty = fx->core->allocator;
    faulty.status = WXTP_OK;
    for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
        wxtp_status status = WXTP_ERR_NOMEM;
        for (size_t n = 1; status != WXTP_OK; n++) {
            counting memory;
            WX_AUTO_SCOPE scope = {0};
            begin(fx, &scope);
            counting_init(&memory);
            memory.fail_at = n;
            fx->core->allocator = memory.allocator;
            wx_err_clear(&err);
            status = attempts[i](fx, scope.tx, &err);
            fx->core->allocator = plenty;
            assert_int_equal(memory.live, 0);
            assert_int_equal(memory.not_zeroed, 0);
            assert_true(n < 20);
            if (status != WXTP_OK) {
                assert_int_equal(status, WXTP_ERR_NOMEM);
                assert_int_equal(err.status, WXTP_ERR_NOMEM);
            } else {
                assert_true(memory.calls < n); /* none that failed was passed over */
            }
        }
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(I4_a_token_is_due_a_jittered_margin_before_its_end),
        TEST(I4_a_short_life_does_not_storm),
        TEST(I4_usable_until_five_seconds_before_its_end_and_not_refused),
        TEST(I3_an_answer_moves_the_generation_when_its_text_differs),
        TEST(I11_an_answer_for_which_there_is_no_memory_changes_nothing),
        TEST(each_field_comes_back),
        TEST(what_was_never_stored_is_generation_0),
        TEST(a_generation_beyond_all_sense_is_damage),
        TEST(I9_a_row_of_another_key_does_not_open),
        TEST(refusals_count_for_an_hour),
        TEST(a_refusal_before_its_time_is_noted),
        TEST(I3_a_refusal_that_is_no_news_writes_nothing),
        TEST(I11_refusals_are_bounded),
        TEST(I3_the_newest_eight_spares_are_kept),
        TEST(I3_a_new_authorization_is_news_and_drops_what_was),
        TEST(I5_a_refresh_token_that_is_shown_is_adopted),
        TEST(I5_a_refresh_token_alone_is_generation_1_and_due),
        TEST(I3_a_forgotten_token_leaves_its_generation),
        TEST(a_view_tells_the_state),
        TEST(each_failure_of_the_store_is_told),
        TEST(a_spare_whose_place_cannot_be_made_is_told),
        TEST(I3_a_conflict_is_no_error_of_who_only_passes_news_on),
        TEST(nothing_to_drop_is_no_failure),
        TEST(I11_each_lack_of_memory_is_told),
    };
    return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}
