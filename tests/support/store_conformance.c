#include "store_conformance.h"
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include "store_model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_now(void *user)
{
    return atomic_load(&((test_clock *)user)->now_ms);
}

static const char *clock_boot(void *user)
{
    return ((test_clock *)user)->boot_id;
}

static void clock_sleep(void *user, int64_t ms)
{
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
    atomic_fetch_add(&((test_clock *)user)->now_ms, ms);
}

void test_clock_init(test_clock *clock, const char *boot_id)
{
    clock->port = (wxtp_clock){sizeof clock->port, clock, clock_now, clock_now, clock_boot, clock_sleep};
    clock->boot_id = boot_id;
    atomic_store(&clock->now_ms, 1000000);
}

/* One open store a test. */
typedef struct fixture {
    store_factory *factory;
    test_clock clock;
    wxtp_store *store;
    wxtp_tx *tx;
} fixture;

#define OPS(f) ((f)->store->ops)
#define OK(expression) assert_int_equal((expression), WXTP_OK)

static fixture start(void **state)
{
    fixture f = {.factory = *state};
    f.factory->reset(f.factory->user);
    return f;
}

static void open_store(fixture *f)
{
    test_clock_init(&f->clock, "boot-1");
    f->store = f->factory->open(f->factory->user, &f->clock.port);
    assert_non_null(f->store);
}

static void begin(fixture *f, wxtp_tx_mode mode)
{
    OK(OPS(f)->begin(f->store, mode, &f->tx));
}

static void commit(fixture *f)
{
    OK(OPS(f)->commit(f->tx));
}

static void rollback(fixture *f)
{
    OPS(f)->rollback(f->tx);
}

static void finish(fixture *f)
{
    OPS(f)->close(f->store);
}

#define START(f)                                                                                             \
    fixture f = start(state);                                                                                \
    open_store(&f)

static wxtp_blob blob(const char *text)
{
    return (wxtp_blob){text, strlen(text)};
}

static void assert_blob(wxtp_blob got, const char *text)
{
    assert_int_equal(got.len, strlen(text));
    assert_memory_equal(got.data, text, got.len);
}

/* What list callbacks gathered: keys in words, a space after each. */
typedef struct words {
    char text[4096];
    int most; /* stop after so many; 0: never */
    int count;
} words;

static bool note(words *w, const char *text)
{
    size_t len = strlen(w->text);
    snprintf(w->text + len, sizeof w->text - len, "%s ", text);
    return ++w->count != w->most;
}

static void meta_and_platforms_come_back(void **state)
{
    START(f);
    wxtp_blob value;
    wxtp_platform_row platform = {.component_appid = "wx1",
                                  .appsecret = blob("secret"),
                                  .push_token = blob("push"),
                                  .aes_key = blob("key"),
                                  .previous_aes_key = blob("old"),
                                  .updated_ms = 7};
    begin(&f, WXTP_TX_SYNC);
    assert_int_equal(OPS(&f)->meta_get(f.tx, "x", &value), WXTP_ERR_NOT_FOUND);
    OK(OPS(&f)->meta_put(f.tx, "x", (wxtp_blob){"a\0b", 3}));
    OK(OPS(&f)->platform_put(f.tx, &platform));
    commit(&f);
    begin(&f, WXTP_TX_READ);
    OK(OPS(&f)->meta_get(f.tx, "x", &value));
    assert_int_equal(value.len, 3);
    assert_memory_equal(value.data, "a\0b", 3);
    OK(OPS(&f)->platform_get(f.tx, "wx1", &platform));
    assert_string_equal(platform.component_appid, "wx1");
    assert_blob(platform.appsecret, "secret");
    assert_blob(platform.push_token, "push");
    assert_blob(platform.aes_key, "key");
    assert_int_equal(platform.previous_push_token.len, 0);
    assert_blob(platform.previous_aes_key, "old");
    assert_int_equal(platform.updated_ms, 7);
    assert_int_equal(OPS(&f)->platform_get(f.tx, "wx2", &platform), WXTP_ERR_NOT_FOUND);
    rollback(&f);
    finish(&f);
}

static bool note_platform(void *user, const wxtp_platform_row *row)
{
    return note(user, row->component_appid);
}

static void platforms_are_listed_until_the_callback_stops(void **state)
{
    START(f);
    words all = {.most = 0}, one = {.most = 1};
    begin(&f, WXTP_TX_WRITE);
    OK(OPS(&f)->platform_put(f.tx, &(wxtp_platform_row){.component_appid = "wx2"}));
    OK(OPS(&f)->platform_put(f.tx, &(wxtp_platform_row){.component_appid = "wx1"}));
    OK(OPS(&f)->platform_list(f.tx, note_platform, &all));
    OK(OPS(&f)->platform_list(f.tx, note_platform, &one));
    commit(&f);
    assert_string_equal(all.text, "wx1 wx2 ");
    assert_int_equal(one.count, 1);
    finish(&f);
}

static void a_rollback_leaves_nothing(void **state)
{
    START(f);
    wxtp_blob value;
    begin(&f, WXTP_TX_WRITE);
    OK(OPS(&f)->meta_put(f.tx, "x", blob("1")));
    rollback(&f);
    OPS(&f)->rollback(NULL);
    begin(&f, WXTP_TX_READ);
    assert_int_equal(OPS(&f)->meta_get(f.tx, "x", &value), WXTP_ERR_NOT_FOUND);
    rollback(&f);
    finish(&f);
}

static void a_reader_sees_one_state_while_another_handle_writes(void **state)
{
    START(f);
    wxtp_store *other = f.factory->open(f.factory->user, &f.clock.port);
    wxtp_tx *tx;
    wxtp_blob value;
    begin(&f, WXTP_TX_WRITE);
    OK(OPS(&f)->meta_put(f.tx, "x", blob("1")));
    commit(&f);
    begin(&f, WXTP_TX_READ);
    OK(OPS(&f)->meta_get(f.tx, "x", &value));
    OK(other->ops->begin(other, WXTP_TX_SYNC, &tx));
    OK(other->ops->meta_put(tx, "x", blob("2")));
    OK(other->ops->commit(tx));
    OK(OPS(&f)->meta_get(f.tx, "x", &value));
    assert_blob(value, "1");
    commit(&f);
    begin(&f, WXTP_TX_READ);
    OK(OPS(&f)->meta_get(f.tx, "x", &value));
    assert_blob(value, "2");
    commit(&f);
    other->ops->close(other);
    finish(&f);
}

static void a_read_transaction_changes_nothing(void **state)
{
    START(f);
    char text[64] = "";
    begin(&f, WXTP_TX_READ);
    assert_int_not_equal(OPS(&f)->meta_put(f.tx, "x", blob("1")), WXTP_OK);
    OPS(&f)->message(f.store, f.tx, text, sizeof text);
    assert_string_not_equal(text, "");
    rollback(&f);
    finish(&f);
}

static void a_row_read_may_be_put_back(void **state)
{
    START(f);
    wxtp_tenant_row row;
    begin(&f, WXTP_TX_WRITE);
    OK(OPS(&f)->tenant_put(f.tx, &(wxtp_tenant_row){.platform = "p", .appid = "a", .nick_name = "one"}));
    OK(OPS(&f)->tenant_get(f.tx, "p", "a", &row));
    row.appid = "b";
    OK(OPS(&f)->tenant_put(f.tx, &row));
    OK(OPS(&f)->tenant_get(f.tx, "p", "b", &row));
    assert_string_equal(row.nick_name, "one");
    assert_string_equal(row.principal_name, ""); /* NULL means empty */
    assert_int_equal(row.appsecret.len, 0);
    OK(OPS(&f)->tenant_get(f.tx, row.platform, row.appid, &row));
    assert_string_equal(row.appid, "b");
    commit(&f);
    finish(&f);
}

static void tickets_come_back(void **state)
{
    START(f);
    wxtp_ticket_row row;
    begin(&f, WXTP_TX_SYNC);
    assert_int_equal(OPS(&f)->ticket_get(f.tx, "wx", &row), WXTP_ERR_NOT_FOUND);
    OK(OPS(&f)->ticket_put(f.tx, &(wxtp_ticket_row){"wx", blob("t1"), 1, 2}));
    OK(OPS(&f)->ticket_put(f.tx, &(wxtp_ticket_row){"wx", blob("t2"), 3, 4}));
    OK(OPS(&f)->ticket_get(f.tx, "wx", &row));
    assert_blob(row.ticket, "t2");
    assert_int_equal(row.create_time_s, 3);
    assert_int_equal(row.received_ms, 4);
    commit(&f);
    finish(&f);
}

static void a_tenant_keeps_each_field(void **state)
{
    START(f);
    const wxtp_tenant_row in = {.platform = "",
                                .appid = "a",
                                .credential = WXTP_CREDENTIAL_CLOUD,
                                .status = WXTP_TENANT_REAUTHORIZATION_REQUIRED,
                                .account = WXTP_ACCOUNT_OTHER,
                                .service_type = -1,
                                .verify_type = -2,
                                .account_status = 19,
                                .permission_sets = "1,2,15",
                                .nick_name = "n",
                                .principal_name = "p",
                                .user_name = "u",
                                .certified = 1,
                                .override_certified = -1,
                                .declared_certified = 0,
                                .observed_certified = 1,
                                .profile_ms = 21,
                                .status_ms = 22,
                                .status_source = "push authorized 1",
                                .event_time_s = 23,
                                .appsecret = blob("s"),
                                .token_file = "/f",
                                .token_of_platform = true,
                                .removed = true,
                                .used_ms = 24,
                                .created_ms = 25,
                                .updated_ms = 26};
    wxtp_tenant_row out;
    begin(&f, WXTP_TX_WRITE);
    OK(OPS(&f)->tenant_put(f.tx, &in));
    OK(OPS(&f)->tenant_get(f.tx, "", "a", &out));
    assert_int_equal(out.credential, in.credential);
    assert_int_equal(out.status, in.status);
    assert_int_equal(out.account, in.account);
    assert_int_equal(out.service_type, -1);
    assert_int_equal(out.verify_type, -2);
    assert_int_equal(out.account_status, 19);
    assert_string_equal(out.permission_sets, "1,2,15");
    assert_string_equal(out.nick_name, "n");
    assert_string_equal(out.principal_name, "p");
    assert_string_equal(out.user_name, "u");
    assert_string_equal(out.status_source, "push authorized 1");
    assert_int_equal(out.certified, 1);
    assert_int_equal(out.override_certified, -1);
    assert_int_equal(out.declared_certified, 0);
    assert_int_equal(out.observed_certified, 1);
    assert_int_equal(out.profile_ms, 21);
    assert_int_equal(out.status_ms, 22);
    assert_int_equal(out.event_time_s, 23);
    assert_blob(out.appsecret, "s");
    assert_string_equal(out.token_file, "/f");
    assert_true(out.token_of_platform);
    assert_true(out.removed);
    assert_int_equal(out.used_ms, 24);
    assert_int_equal(out.created_ms, 25);
    assert_int_equal(out.updated_ms, 26);
    commit(&f);
    finish(&f);
}

static bool note_tenant(void *user, const wxtp_tenant_row *row)
{
    char key[64];
    snprintf(key, sizeof key, "%s/%s", row->appid, row->platform);
    return note(user, key);
}

static void put_tenant(fixture *f, const char *platform, const char *appid, int status, int certified,
                       bool removed)
{
    wxtp_tenant_row row = {.platform = platform,
                           .appid = appid,
                           .credential =
                               platform[0] != '\0' ? WXTP_CREDENTIAL_AUTHORIZER : WXTP_CREDENTIAL_OWN,
                           .status = (wxtp_tenant_status)status,
                           .certified = certified,
                           .removed = removed};
    OK(OPS(f)->tenant_put(f->tx, &row));
}

static void tenants_are_listed_by_page_and_filter(void **state)
{
    START(f);
    begin(&f, WXTP_TX_WRITE);
    put_tenant(&f, "p", "c", 1, 1, false);
    put_tenant(&f, "p", "a", 1, 0, false);
    put_tenant(&f, "", "a", 2, -1, false);
    put_tenant(&f, "", "b", 1, 1, false);
    put_tenant(&f, "p", "d", 1, 1, true);
    put_tenant(&f, "q", "a", 1, 1, false);
    const struct {
        wxtp_tenant_filter filter;
        const char *want;
    } cases[] = {
        {{"p", -1, -1, -1, NULL, NULL, 9, false}, "a/ a/p b/ c/p "},
        {{"p", -1, -1, -1, NULL, NULL, 9, true}, "a/ a/p b/ c/p d/p "},
        {{"p", -1, -1, -1, NULL, NULL, 2, false}, "a/ a/p "},
        {{"p", -1, -1, -1, "a", "", 9, false}, "a/p b/ c/p "},
        {{"p", -1, -1, -1, "a", "p", 9, false}, "b/ c/p "},
        {{"p", 1, -1, -1, NULL, NULL, 9, false}, "a/p b/ c/p "},
        {{"p", -1, 1, -1, NULL, NULL, 9, false}, "b/ c/p "},
        {{"p", 1, 0, -1, NULL, NULL, 9, false}, "a/p "},
        {{"p", -1, -1, WXTP_CREDENTIAL_OWN, NULL, NULL, 9, false}, "a/ b/ "},
        {{"", -1, -1, -1, NULL, NULL, 9, false}, "a/ b/ "},
        {{"q", 1, 1, -1, NULL, NULL, 9, true}, "a/q b/ "},
        {{"p", -1, -1, -1, NULL, NULL, 0, false}, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        words w = {.most = 0};
        OK(OPS(&f)->tenant_list(f.tx, &cases[i].filter, note_tenant, &w));
        assert_string_equal(w.text, cases[i].want);
    }
    int64_t counts[4];
    OK(OPS(&f)->tenant_count(f.tx, "p", counts));
    assert_int_equal(counts[0], 0);
    assert_int_equal(counts[1], 3);
    assert_int_equal(counts[2], 1);
    assert_int_equal(counts[3], 0);
    commit(&f);
    finish(&f);
}

static wxtp_token_row token(const char *appid, int64_t generation, const char *access)
{
    return (wxtp_token_row){.key = {"p", appid}, .generation = generation, .access = blob(access)};
}

static void I3_a_token_write_compares_the_generation(void **state)
{
    START(f);
    wxtp_token_row one = token("a", 1, "one"), two = token("a", 2, "two"), row;
    begin(&f, WXTP_TX_SYNC);
    assert_int_equal(OPS(&f)->token_put_if(f.tx, &two, 1, NULL), WXTP_ERR_CONFLICT);
    OK(OPS(&f)->token_put_if(f.tx, &one, 0, NULL));
    assert_int_equal(OPS(&f)->token_put_if(f.tx, &one, 0, NULL), WXTP_ERR_CONFLICT);
    OK(OPS(&f)->token_put_if(f.tx, &two, 1, NULL));
    assert_int_equal(OPS(&f)->token_put_if(f.tx, &one, 1, NULL), WXTP_ERR_CONFLICT);
    OK(OPS(&f)->token_get(f.tx, &one.key, &row));
    assert_int_equal(row.generation, 2);
    assert_blob(row.access, "two");
    OK(OPS(&f)->token_delete(f.tx, &one.key));
    assert_int_equal(OPS(&f)->token_get(f.tx, &one.key, &row), WXTP_ERR_NOT_FOUND);
    commit(&f);
    finish(&f);
}

static void a_token_keeps_each_field(void **state)
{
    START(f);
    wxtp_token_row row;
    const wxtp_token_row in = {{"p", ""}, 5, blob("a"), blob("r"), 1, 2, 3, 4, "6,7", 8, 9, 10};
    begin(&f, WXTP_TX_SYNC);
    OK(OPS(&f)->token_put_if(f.tx, &in, 0, NULL));
    OK(OPS(&f)->token_get(f.tx, &in.key, &row));
    assert_string_equal(row.key.platform, "p");
    assert_string_equal(row.key.appid, "");
    assert_blob(row.refresh, "r");
    assert_int_equal(row.issued_ms, 1);
    assert_int_equal(row.expires_ms, 2);
    assert_int_equal(row.due_ms, 3);
    assert_int_equal(row.refused_generation, 4);
    assert_string_equal(row.early_refusals, "6,7");
    assert_int_equal(row.forced_day, 8);
    assert_int_equal(row.forced_count, 9);
    assert_int_equal(row.forced_ms, 10);
    commit(&f);
    finish(&f);
}

static void I3_a_stale_fence_writes_nothing(void **state)
{
    START(f);
    wxtp_lease old = {"token:p:a", 0, 0}, new = {"token:p:a", 0, 0}, never = {"token:p:z", 1, 0};
    wxtp_token_row row = token("a", 1, "one");
    begin(&f, WXTP_TX_SYNC);
    OK(OPS(&f)->lease_take(f.tx, &old, 1000));
    atomic_fetch_add(&f.clock.now_ms, 1000);
    OK(OPS(&f)->lease_take(f.tx, &new, 1000));
    assert_int_equal(OPS(&f)->token_put_if(f.tx, &row, 0, &old), WXTP_ERR_CONFLICT);
    assert_int_equal(OPS(&f)->token_put_if(f.tx, &row, 0, &never), WXTP_ERR_CONFLICT);
    assert_int_equal(OPS(&f)->token_get(f.tx, &row.key, &row), WXTP_ERR_NOT_FOUND);
    row = token("a", 1, "one");
    OK(OPS(&f)->token_put_if(f.tx, &row, 0, &new));
    commit(&f);
    finish(&f);
}

static bool note_token(void *user, const wxtp_token_row *row)
{
    return note(user, row->key.appid);
}

static void due_tokens_come_earliest_first(void **state)
{
    START(f);
    static const struct {
        const char *platform, *appid;
        int64_t due_ms;
    } rows[] = {{"p", "a", 30}, {"p", "b", 10}, {"", "c", 20}, {"p", "d", 99}, {"q", "e", 1}};
    begin(&f, WXTP_TX_WRITE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wxtp_token_row row = {
            .key = {rows[i].platform, rows[i].appid}, .generation = 1, .due_ms = rows[i].due_ms};
        OK(OPS(&f)->token_put_if(f.tx, &row, 0, NULL));
    }
    words all = {.most = 0}, two = {.most = 0};
    OK(OPS(&f)->token_due(f.tx, "p", 30, 9, note_token, &all));
    OK(OPS(&f)->token_due(f.tx, "p", 30, 2, note_token, &two));
    assert_string_equal(all.text, "b c a ");
    assert_string_equal(two.text, "b c ");
    commit(&f);
    finish(&f);
}

static bool note_spare(void *user, const wxtp_spare_row *row)
{
    char text[16];
    snprintf(text, sizeof text, "%.*s", (int)row->refresh.len, (const char *)row->refresh.data);
    return note(user, text);
}

static bool keep_id(void *user, const wxtp_spare_row *row)
{
    *(int64_t *)user = row->id;
    return false;
}

static void spares_come_newest_first(void **state)
{
    START(f);
    wxtp_token_key key = {"p", "a"};
    words three = {.most = 0}, two = {.most = 0}, none = {.most = 0};
    int64_t id = 0;
    begin(&f, WXTP_TX_SYNC);
    OK(OPS(&f)->spare_add(f.tx, &(wxtp_spare_row){.key = key, .refresh = blob("r1"), .added_ms = 1}));
    OK(OPS(&f)->spare_add(f.tx, &(wxtp_spare_row){.key = key, .refresh = blob("r2"), .added_ms = 2}));
    OK(OPS(&f)->spare_add(f.tx, &(wxtp_spare_row){.key = key, .refresh = blob("r3"), .added_ms = 3}));
    OK(OPS(&f)->spare_list(f.tx, &key, note_spare, &three));
    OK(OPS(&f)->spare_list(f.tx, &key, keep_id, &id));
    OK(OPS(&f)->spare_delete(f.tx, &key, id));
    OK(OPS(&f)->spare_list(f.tx, &key, note_spare, &two));
    OK(OPS(&f)->spare_delete(f.tx, &key, 0));
    OK(OPS(&f)->spare_list(f.tx, &key, note_spare, &none));
    commit(&f);
    assert_string_equal(three.text, "r3 r2 r1 ");
    assert_string_equal(two.text, "r2 r1 ");
    assert_string_equal(none.text, "");
    finish(&f);
}

static void I2_there_is_one_intent_a_key(void **state)
{
    START(f);
    wxtp_intent_row row;
    wxtp_token_key key = {"p", "a"};
    begin(&f, WXTP_TX_SYNC);
    assert_int_equal(OPS(&f)->intent_get(f.tx, &key, &row), WXTP_ERR_NOT_FOUND);
    OK(OPS(&f)->intent_put(f.tx, &(wxtp_intent_row){key, 1, 2, 3, 4}));
    OK(OPS(&f)->intent_put(f.tx, &(wxtp_intent_row){key, 5, 6, 7, 8}));
    OK(OPS(&f)->intent_get(f.tx, &key, &row));
    assert_int_equal(row.generation, 5);
    assert_int_equal(row.fence, 6);
    assert_int_equal(row.started_ms, 7);
    assert_int_equal(row.attempts, 8);
    OK(OPS(&f)->intent_delete(f.tx, &key));
    assert_int_equal(OPS(&f)->intent_get(f.tx, &key, &row), WXTP_ERR_NOT_FOUND);
    commit(&f);
    finish(&f);
}

static bool note_code(void *user, const wxtp_code_row *row)
{
    return note(user, row->appid);
}

static void I8_open_codes_come_oldest_first(void **state)
{
    START(f);
    wxtp_code_row row;
    static const struct {
        const char *digest, *appid;
        wxtp_code_state code_state;
        int64_t received_ms;
    } rows[] = {{"1", "late", WXTP_CODE_PENDING, 30},
                {"2", "soon", WXTP_CODE_SENT, 10},
                {"3", "done", WXTP_CODE_DONE, 5},
                {"4", "bad", WXTP_CODE_BAD, 6}};
    words all = {.most = 0}, one = {.most = 0};
    begin(&f, WXTP_TX_SYNC);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        row = (wxtp_code_row){"p",
                              blob(rows[i].digest),
                              rows[i].appid,
                              blob("c"),
                              rows[i].code_state,
                              1,
                              rows[i].received_ms,
                              99,
                              "s"};
        OK(OPS(&f)->code_put(f.tx, &row));
    }
    OK(OPS(&f)->code_open(f.tx, "p", NULL, note_code, &all));
    OK(OPS(&f)->code_open(f.tx, "p", "late", note_code, &one));
    assert_string_equal(all.text, "soon late ");
    assert_string_equal(one.text, "late ");
    OK(OPS(&f)->code_get(f.tx, "p", blob("4"), &row));
    assert_int_equal(row.state, WXTP_CODE_BAD);
    assert_int_equal(row.expires_ms, 99);
    assert_string_equal(row.source, "s");
    assert_int_equal(OPS(&f)->code_get(f.tx, "q", blob("4"), &row), WXTP_ERR_NOT_FOUND);
    commit(&f);
    finish(&f);
}

static void I8_a_push_counts_once(void **state)
{
    START(f);
    begin(&f, WXTP_TX_SYNC);
    OK(OPS(&f)->push_remember(f.tx, "p", blob("d"), 1));
    assert_int_equal(OPS(&f)->push_remember(f.tx, "p", blob("d"), 2), WXTP_ERR_EXISTS);
    OK(OPS(&f)->push_remember(f.tx, "q", blob("d"), 3));
    commit(&f);
    finish(&f);
}

static void I1_a_lease_has_one_holder(void **state)
{
    START(f);
    wxtp_store *other = f.factory->open(f.factory->user, &f.clock.port);
    wxtp_lease mine = {"token:p:a", 0, 0}, theirs = mine, seen = mine;
    wxtp_tx *tx;
    begin(&f, WXTP_TX_SYNC);
    assert_int_equal(OPS(&f)->lease_holder(f.tx, &seen), WXTP_ERR_NOT_FOUND);
    OK(OPS(&f)->lease_take(f.tx, &mine, 1000));
    assert_int_equal(OPS(&f)->lease_take(f.tx, &seen, 1000), WXTP_ERR_STATE); /* nor the same owner */
    OK(OPS(&f)->lease_check(f.tx, &mine));
    commit(&f);

    OK(other->ops->begin(other, WXTP_TX_SYNC, &tx));
    assert_int_equal(other->ops->lease_take(tx, &theirs, 1000), WXTP_ERR_STATE);
    assert_int_equal(theirs.until_boot_ms, mine.until_boot_ms);
    OK(other->ops->lease_holder(tx, &seen));
    assert_int_equal(seen.fence, mine.fence);
    atomic_store(&f.clock.now_ms, mine.until_boot_ms); /* it runs out */
    assert_int_equal(other->ops->lease_holder(tx, &seen), WXTP_ERR_NOT_FOUND);
    assert_int_equal(other->ops->lease_check(tx, &mine), WXTP_ERR_CONFLICT);
    OK(other->ops->lease_take(tx, &theirs, 1000));
    assert_int_equal(theirs.fence, mine.fence + 1);
    OK(other->ops->commit(tx));

    begin(&f, WXTP_TX_SYNC);
    assert_int_equal(OPS(&f)->lease_renew(f.tx, &mine, 1000), WXTP_ERR_CONFLICT);
    OK(OPS(&f)->lease_release(f.tx, &mine)); /* stale: does nothing */
    OK(OPS(&f)->lease_holder(f.tx, &seen));
    assert_int_equal(seen.fence, theirs.fence);
    commit(&f);

    OK(other->ops->begin(other, WXTP_TX_SYNC, &tx));
    OK(other->ops->lease_renew(tx, &theirs, 5000));
    assert_int_equal(theirs.until_boot_ms, atomic_load(&f.clock.now_ms) + 5000);
    OK(other->ops->lease_release(tx, &theirs));
    assert_int_equal(other->ops->lease_renew(tx, &theirs, 1), WXTP_ERR_CONFLICT);
    assert_int_equal(other->ops->lease_check(tx, &theirs), WXTP_ERR_CONFLICT);
    OK(other->ops->lease_take(tx, &theirs, 1000));
    assert_int_equal(theirs.fence, mine.fence + 2);
    OK(other->ops->commit(tx));
    other->ops->close(other);

    begin(&f, WXTP_TX_SYNC); /* closing gave it back */
    OK(OPS(&f)->lease_take(f.tx, &mine, 1000));
    assert_int_equal(mine.fence, theirs.fence + 1);
    commit(&f);
    finish(&f);
}

static void I13_a_lease_of_another_boot_is_free(void **state)
{
    START(f);
    test_clock later;
    wxtp_lease mine = {"token:p:a", 0, 0}, theirs = mine;
    wxtp_tx *tx;
    begin(&f, WXTP_TX_SYNC);
    OK(OPS(&f)->lease_take(f.tx, &mine, 1000));
    commit(&f);
    test_clock_init(&later, "boot-2");
    wxtp_store *other = f.factory->open(f.factory->user, &later.port);
    OK(other->ops->begin(other, WXTP_TX_SYNC, &tx));
    assert_int_equal(other->ops->lease_check(tx, &mine), WXTP_ERR_CONFLICT);
    OK(other->ops->lease_take(tx, &theirs, 1000));
    assert_int_equal(theirs.fence, mine.fence + 1);
    OK(other->ops->commit(tx));
    other->ops->close(other);
    finish(&f);
}

static bool note_job(void *user, const wxtp_job_row *row)
{
    return note(user, row->id);
}

static void jobs_come_newest_first(void **state)
{
    START(f);
    static const struct {
        const char *id, *platform, *appid;
        wxtp_job_state job_state;
        int64_t created_ms;
    } rows[] = {{"j1", "p", "a", WXTP_JOB_DONE, 10},
                {"j2", "", "b", WXTP_JOB_PAUSED, 20},
                {"j3", "p", "a", WXTP_JOB_RUNNING, 30},
                {"j4", "q", "a", WXTP_JOB_RUNNING, 40},
                {"j5", "p", "c", WXTP_JOB_PARTIAL, 30}};
    begin(&f, WXTP_TX_WRITE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wxtp_job_row row = {.id = rows[i].id,
                            .platform = rows[i].platform,
                            .appid = rows[i].appid,
                            .state = rows[i].job_state,
                            .created_ms = rows[i].created_ms};
        OK(OPS(&f)->job_put(f.tx, &row));
    }
    const struct {
        wxtp_job_filter filter;
        const char *want;
    } cases[] = {
        {{"p", NULL, -1, false, NULL, 9, NULL}, "j5 j3 j2 j1 "},
        {{"p", NULL, -1, false, "j3", 9, NULL}, "j2 j1 "},
        {{"p", NULL, -1, false, NULL, 2, NULL}, "j5 j3 "},
        {{"p", "a", -1, false, NULL, 9, NULL}, "j3 j1 "},
        {{"p", NULL, -1, true, NULL, 9, NULL}, "j3 j2 "},
        {{"p", NULL, WXTP_JOB_DONE, false, NULL, 9, NULL}, "j1 "},
        {{"", NULL, -1, false, NULL, 9, NULL}, "j2 "},
        {{"p", "a", -1, true, NULL, 9, NULL}, "j3 "},
        {{"p", NULL, -1, false, NULL, 9, "j"}, "j5 j3 j2 j1 "},
        {{"p", NULL, -1, false, NULL, 2, "j"}, "j5 j3 "},
        {{"p", NULL, -1, false, NULL, 9, "j3"}, "j3 "},
        {{"p", "a", -1, true, NULL, 9, "j"}, "j3 "},
        {{"p", NULL, -1, false, NULL, 9, "j4"}, ""},
        {{"p", NULL, -1, false, NULL, 9, ""}, "j5 j3 j2 j1 "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        words w = {.most = 0};
        OK(OPS(&f)->job_list(f.tx, &cases[i].filter, note_job, &w));
        assert_string_equal(w.text, cases[i].want);
    }
    commit(&f);
    finish(&f);
}

static void a_job_keeps_each_field(void **state)
{
    START(f);
    wxtp_job_row in = {"j",
                       "p",
                       "a",
                       "c",
                       WXTP_JOB_PAUSED,
                       WXTP_PAUSED_BY_GATE,
                       true,
                       true,
                       10,
                       11,
                       1,
                       2,
                       3,
                       4,
                       12,
                       13,
                       14,
                       15,
                       16,
                       17,
                       18,
                       19,
                       "kind",
                       "message",
                       "hint",
                       "rid",
                       20};
    wxtp_job_row out;
    begin(&f, WXTP_TX_WRITE);
    OK(OPS(&f)->job_put(f.tx, &in));
    for (int i = 0; i < 2; i++) {
        in.calls += i; /* once more: progress alone */
        OK(OPS(&f)->job_put(f.tx, &in));
        OK(OPS(&f)->job_get(f.tx, "j", &out));
        assert_string_equal(out.call, "c");
        assert_int_equal(out.state, WXTP_JOB_PAUSED);
        assert_int_equal(out.paused_by, WXTP_PAUSED_BY_GATE);
        assert_true(out.cancel_requested && out.forced);
        assert_int_equal(out.requested, 10);
        assert_int_equal(out.duplicates, 11);
        assert_int_equal(out.succeeded, 1);
        assert_int_equal(out.invalid, 2);
        assert_int_equal(out.failed, 3);
        assert_int_equal(out.pending, 4);
        assert_int_equal(out.asked, 12);
        assert_int_equal(out.unknown_streak, 13);
        assert_int_equal(out.calls, 14 + i);
        assert_int_equal(out.token_refreshes, 15);
        assert_int_equal(out.created_ms, 16);
        assert_int_equal(out.updated_ms, 17);
        assert_int_equal(out.finished_ms, 18);
        assert_int_equal(out.elapsed_ms, 19);
        assert_string_equal(out.error_kind, "kind");
        assert_string_equal(out.error_message, "message");
        assert_string_equal(out.error_hint, "hint");
        assert_string_equal(out.error_rid, "rid");
        assert_int_equal(out.error_errcode, 20);
    }
    commit(&f);
    finish(&f);
}

static void put_job(fixture *f, const char *id, wxtp_job_state job_state)
{
    begin(f, WXTP_TX_SYNC);
    OK(OPS(f)->job_put(f->tx, &(wxtp_job_row){.id = id, .platform = "p", .appid = "a", .state = job_state}));
    commit(f);
}

static void build(fixture *f, const char *id, const char *const *lines, size_t count)
{
    void *builder;
    int64_t distinct, invalid, duplicates;
    put_job(f, id, WXTP_JOB_BUILDING);
    OK(OPS(f)->build_begin(f->store, id, &builder));
    for (size_t i = 0; i < count; i++)
        OK(OPS(f)->build_add(builder, lines[i], strlen(lines[i])));
    OK(OPS(f)->build_finish(builder, &distinct, &invalid, &duplicates));
    OPS(f)->build_free(builder);
    put_job(f, id, WXTP_JOB_RUNNING);
}

static bool note_exception(void *user, const wxtp_exception_row *row)
{
    char text[300];
    snprintf(text, sizeof text, "%s:%d:%d", row->openid, (int)row->verdict, (int)row->errcode);
    return note(user, text);
}

static void I7_building_keeps_each_openid_once_and_in_order(void **state)
{
    START(f);
    void *builder;
    int64_t distinct, invalid, duplicates;
    wxtp_batch_row row;
    char openid[16], first[400] = "";
    char long_text[400];
    memset(long_text, 'x', sizeof long_text);
    put_job(&f, "j", WXTP_JOB_BUILDING);
    OK(OPS(&f)->build_begin(f.store, "j", &builder));
    for (int i = 0; i < 50; i++) {
        int number = i < 25 ? 24 - i : i; /* not in the order of their names */
        snprintf(openid, sizeof openid, "o%02d", number);
        OK(OPS(&f)->build_add(builder, openid, strlen(openid)));
        OK(OPS(&f)->build_add(builder, "o24", 3));
        if (i < 20)
            snprintf(first + strlen(first), sizeof first - strlen(first), "%s%s", i > 0 ? "\n" : "", openid);
    }
    OK(OPS(&f)->build_add_invalid(builder, "two words", 9));
    OK(OPS(&f)->build_add_invalid(builder, "two words", 9));
    OK(OPS(&f)->build_add_invalid(builder, long_text, sizeof long_text));
    OK(OPS(&f)->build_finish(builder, &distinct, &invalid, &duplicates));
    OPS(&f)->build_free(builder);
    OPS(&f)->build_free(NULL);
    put_job(&f, "j", WXTP_JOB_RUNNING);
    assert_int_equal(distinct, 50);
    assert_int_equal(invalid, 2);
    assert_int_equal(duplicates, 51);
    words w = {.most = 1};
    begin(&f, WXTP_TX_READ);
    OK(OPS(&f)->batch_get(f.tx, "j", 0, &row));
    assert_string_equal(row.openids, first);
    assert_string_equal(row.marks, "....................");
    assert_false(row.finished);
    OK(OPS(&f)->batch_get(f.tx, "j", 2, &row));
    assert_string_equal(row.marks, "..........");
    assert_int_equal(OPS(&f)->batch_get(f.tx, "j", 3, &row), WXTP_ERR_NOT_FOUND);
    OK(OPS(&f)->exception_list(f.tx, "j", -1, 0, 9, note_exception, &w));
    assert_string_equal(w.text, "two words:0:0 ");
    rollback(&f);
    finish(&f);
}

static void a_job_is_built_by_one(void **state)
{
    START(f);
    wxtp_store *other = f.factory->open(f.factory->user, &f.clock.port);
    void *builder, *second;
    assert_int_equal(OPS(&f)->build_begin(f.store, "j", &builder), WXTP_ERR_NOT_FOUND);
    put_job(&f, "j", WXTP_JOB_BUILDING);
    OK(OPS(&f)->build_begin(f.store, "j", &builder));
    assert_int_equal(other->ops->build_begin(other, "j", &second), WXTP_ERR_STATE);
    assert_int_equal(OPS(&f)->build_add(builder, "", 0), WXTP_ERR_INVALID);
    assert_int_equal(OPS(&f)->build_add(builder, "a\nb", 3), WXTP_ERR_INVALID);
    OPS(&f)->build_free(builder);
    other->ops->close(other);
    finish(&f);
}

static bool note_batch(void *user, const wxtp_batch_row *row)
{
    words *list = user;
    char text[128];
    snprintf(text, sizeof text, "%d:%s:%s", (int)row->number, row->openids, row->marks);
    for (char *at = text; (at = strchr(at, '\n')) != NULL;)
        *at = ',';
    return note(list, text);
}

static void expect_batches(fixture *f, int64_t from, size_t limit, const char *wanted)
{
    words found = {.most = 0};
    OK(OPS(f)->batch_list(f->tx, "j", from, limit, note_batch, &found));
    assert_string_equal(found.text, wanted);
}

static void I7_unfinished_batches_come_in_order(void **state)
{
    START(f);
    static const char *const lines[] = {"o1", "o2"};
    words stopped = {.most = 1}, none = {.most = 0};
    wxtp_batch_row row;
    build(&f, "j", lines, 2);
    begin(&f, WXTP_TX_WRITE);
    OK(OPS(&f)->batch_put(f.tx, &(wxtp_batch_row){"j", 1, "o3", ".", false}));
    OK(OPS(&f)->batch_put(f.tx, &(wxtp_batch_row){"j", 2, "o4", "+", true}));
    OK(OPS(&f)->batch_put(f.tx, &(wxtp_batch_row){"j", 3, "o5\no6", "..", false}));
    expect_batches(&f, 0, 9, "0:o1,o2:.. 1:o3:. 3:o5,o6:.. ");
    expect_batches(&f, 2, 9, "3:o5,o6:.. ");
    expect_batches(&f, 0, 2, "0:o1,o2:.. 1:o3:. ");
    expect_batches(&f, 4, 9, "");
    OK(OPS(&f)->batch_list(f.tx, "j", 0, 9, note_batch, &stopped));
    assert_string_equal(stopped.text, "0:o1,o2:.. ");
    OK(OPS(&f)->batch_mark(f.tx, "j", 0, "+?", false));
    expect_batches(&f, 0, 1, "0:o1,o2:+? ");
    OK(OPS(&f)->batch_mark(f.tx, "j", 0, "+x", true));
    expect_batches(&f, 0, 1, "1:o3:. ");
    OK(OPS(&f)->batch_get(f.tx, "j", 0, &row));
    assert_true(row.finished);
    assert_string_equal(row.marks, "+x");
    assert_string_equal(row.openids, "o1\no2");
    assert_int_equal(OPS(&f)->batch_mark(f.tx, "none", 0, "+", true), WXTP_ERR_NOT_FOUND);
    assert_int_equal(OPS(&f)->batch_list(f.tx, "none", 0, 9, note_batch, &none), WXTP_ERR_NOT_FOUND);
    commit(&f);
    begin(&f, WXTP_TX_WRITE);
    assert_int_equal(OPS(&f)->batch_mark(f.tx, "j", 9, "+", true), WXTP_ERR_NOT_FOUND);
    rollback(&f);
    finish(&f);
}

/* A part of a transaction that fails is undone alone. */
static void I11_a_part_is_undone_to_its_savepoint(void **state)
{
    START(f);
    wxtp_blob value;
    begin(&f, WXTP_TX_WRITE);
    OK(OPS(&f)->savepoint(f.tx));
    OK(OPS(&f)->meta_put(f.tx, "one", (wxtp_blob){"1", 1}));
    OK(OPS(&f)->release(f.tx));
    OK(OPS(&f)->savepoint(f.tx));
    OK(OPS(&f)->meta_put(f.tx, "two", (wxtp_blob){"2", 1}));
    OK(OPS(&f)->meta_put(f.tx, "one", (wxtp_blob){"changed", 7}));
    OK(OPS(&f)->rollback_to(f.tx));
    OK(OPS(&f)->savepoint(f.tx));
    OK(OPS(&f)->meta_put(f.tx, "three", (wxtp_blob){"3", 1}));
    OK(OPS(&f)->release(f.tx));
    commit(&f);
    begin(&f, WXTP_TX_READ);
    OK(OPS(&f)->meta_get(f.tx, "one", &value));
    assert_int_equal(value.len, 1);
    OK(OPS(&f)->meta_get(f.tx, "three", &value));
    assert_int_equal(OPS(&f)->meta_get(f.tx, "two", &value), WXTP_ERR_NOT_FOUND);
    rollback(&f);
    finish(&f);
}

static void failed_exceptions_are_retried_as_new_batches(void **state)
{
    START(f);
    static const char *const lines[] = {"o1"};
    wxtp_batch_row row;
    words all = {.most = 0}, invalid = {.most = 0}, after = {.most = 0};
    int64_t count;
    build(&f, "j", lines, 1);
    begin(&f, WXTP_TX_WRITE);
    for (int i = 0; i < 25; i++) {
        char openid[16];
        snprintf(openid, sizeof openid, "f%02d", i);
        wxtp_exception_row failed = {
            .job_id = "j", .openid = openid, .verdict = WXTP_VERDICT_FAILED, .errcode = 1};
        OK(OPS(&f)->exception_add(f.tx, &failed));
    }
    OK(OPS(&f)->exception_add(f.tx, &(wxtp_exception_row){.job_id = "j", .openid = "bad", .errcode = 40003}));
    OK(OPS(&f)->exception_list(f.tx, "j", -1, 0, 2, note_exception, &all));
    assert_string_equal(all.text, "f00:1:1 f01:1:1 ");
    OK(OPS(&f)->exception_list(f.tx, "j", WXTP_VERDICT_INVALID, 0, 9, note_exception, &invalid));
    assert_string_equal(invalid.text, "bad:0:40003 ");
    OK(OPS(&f)->exception_retry(f.tx, "j", &count));
    assert_int_equal(count, 25);
    OK(OPS(&f)->exception_list(f.tx, "j", -1, 0, 9, note_exception, &after));
    assert_string_equal(after.text, "bad:0:40003 ");
    OK(OPS(&f)->batch_get(f.tx, "j", 1, &row));
    assert_int_equal(strlen(row.marks), 20);
    assert_memory_equal(row.openids, "f00\nf01\n", 8);
    OK(OPS(&f)->batch_get(f.tx, "j", 2, &row));
    assert_string_equal(row.openids, "f20\nf21\nf22\nf23\nf24");
    assert_false(row.finished);
    OK(OPS(&f)->exception_retry(f.tx, "j", &count));
    assert_int_equal(count, 0);
    OK(OPS(&f)->job_delete(f.tx, "j"));
    assert_int_equal(OPS(&f)->batch_get(f.tx, "j", 0, &row), WXTP_ERR_NOT_FOUND);
    assert_int_equal(OPS(&f)->job_delete(f.tx, "j"), WXTP_ERR_NOT_FOUND);
    commit(&f);
    finish(&f);
}

static void a_snapshot_keeps_each_field_and_goes_with_its_job(void **state)
{
    START(f);
    wxtp_snapshot_row out;
    wxtp_blob marks;
    int64_t deleted;
    put_job(&f, "j", WXTP_JOB_DONE);
    begin(&f, WXTP_TX_WRITE);
    assert_int_equal(OPS(&f)->snapshot_get(f.tx, "j", &out), WXTP_ERR_NOT_FOUND);
    for (int i = 0; i < 2; i++) {
        OK(OPS(&f)->snapshot_put(f.tx, &(wxtp_snapshot_row){"j", 1 + i, 2, 3, 4, i > 0 ? "u" : NULL}));
        OK(OPS(&f)->snapshot_part_put(f.tx, "j", 7, blob(i > 0 ? "sealed" : "old")));
    }
    OK(OPS(&f)->snapshot_get(f.tx, "j", &out));
    assert_int_equal(out.taken_ms, 2);
    assert_int_equal(out.batches, 2);
    assert_int_equal(out.listed, 3);
    assert_int_equal(out.total, 4);
    assert_string_equal(out.undo_id, "u");
    OK(OPS(&f)->snapshot_part_get(f.tx, "j", 7, &marks));
    assert_blob(marks, "sealed");
    assert_int_equal(OPS(&f)->snapshot_part_get(f.tx, "j", 6, &marks), WXTP_ERR_NOT_FOUND);
    commit(&f);
    put_job(&f, "k", WXTP_JOB_BUILDING); /* its id is not that of the job */
    begin(&f, WXTP_TX_WRITE);
    OK(OPS(&f)->job_put(f.tx, &(wxtp_job_row){.id = "j", .state = WXTP_JOB_DONE, .finished_ms = 5}));
    OK(OPS(&f)->prune(f.tx, &(wxtp_prune){.finished_jobs_before_ms = 6}, &deleted));
    assert_int_equal(deleted, 1);
    assert_int_equal(OPS(&f)->snapshot_get(f.tx, "j", &out), WXTP_ERR_NOT_FOUND);
    assert_int_equal(OPS(&f)->snapshot_part_get(f.tx, "j", 7, &marks), WXTP_ERR_NOT_FOUND);
    commit(&f);
    begin(&f, WXTP_TX_WRITE);
    assert_int_equal(OPS(&f)->snapshot_put(f.tx, &(wxtp_snapshot_row){.job_id = "j"}), WXTP_ERR_NOT_FOUND);
    rollback(&f);
    finish(&f);
}

static bool note_place(void *user, int64_t place)
{
    char text[24];
    snprintf(text, sizeof text, "%d", (int)place);
    return note(user, text);
}

static void sifting_finds_the_places_of_keys_that_are_looked_for(void **state)
{
    START(f);
    static const struct {
        const char *key;
        int64_t place;
    } keys[] = {{"a", 5},  {"b", -1}, {"c", 40}, {"a", -1}, {"d", 2},
                {"a", -1}, {"c", 3},  {"c", -1}, {"e", 1}};
    words found = {.most = 0}, stopped = {.most = 1};
    void *sift;
    OK(OPS(&f)->sift_begin(f.store, &sift));
    assert_int_equal(OPS(&f)->sift_add(sift, "", 0, 1), WXTP_ERR_INVALID);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        OK(OPS(&f)->sift_add(sift, keys[i].key, 1, keys[i].place));
    OK(OPS(&f)->sift_finish(sift, note_place, &found));
    assert_string_equal(found.text, "3 5 ");
    OPS(&f)->sift_free(sift);
    OK(OPS(&f)->sift_begin(f.store, &sift));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        OK(OPS(&f)->sift_add(sift, keys[i].key, 1, keys[i].place));
    OK(OPS(&f)->sift_finish(sift, note_place, &stopped));
    assert_string_equal(stopped.text, "3 ");
    OPS(&f)->sift_free(sift);
    OPS(&f)->sift_free(NULL);
    finish(&f);
}

static void holds_are_kept_by_account_call_and_kind(void **state)
{
    START(f);
    wxtp_hold_row row;
    begin(&f, WXTP_TX_WRITE);
    OK(OPS(&f)->hold_put(f.tx, &(wxtp_hold_row){"p", "a", "x", WXTP_HOLD_REFUSED, 1, 2, 3, 4}));
    OK(OPS(&f)->hold_put(f.tx, &(wxtp_hold_row){"p", "a", "y", WXTP_HOLD_REFUSED, 1, 2, 3, 4}));
    OK(OPS(&f)->hold_put(f.tx, &(wxtp_hold_row){"p", "a", "", WXTP_HOLD_QUOTA, 45009, 2, 3, 4}));
    OK(OPS(&f)->hold_get(f.tx, "p", "a", "x", WXTP_HOLD_REFUSED, &row));
    assert_int_equal(row.errcode, 1);
    assert_int_equal(row.since_ms, 2);
    assert_int_equal(row.until_ms, 3);
    assert_int_equal(row.interval_ms, 4);
    assert_int_equal(OPS(&f)->hold_get(f.tx, "p", "a", "x", WXTP_HOLD_QUOTA, &row), WXTP_ERR_NOT_FOUND);
    OK(OPS(&f)->hold_delete(f.tx, "p", "a", "x", WXTP_HOLD_REFUSED));
    assert_int_equal(OPS(&f)->hold_get(f.tx, "p", "a", "x", WXTP_HOLD_REFUSED, &row), WXTP_ERR_NOT_FOUND);
    OK(OPS(&f)->hold_delete(f.tx, "p", "a", NULL, WXTP_HOLD_REFUSED));
    assert_int_equal(OPS(&f)->hold_get(f.tx, "p", "a", "y", WXTP_HOLD_REFUSED, &row), WXTP_ERR_NOT_FOUND);
    OK(OPS(&f)->hold_get(f.tx, "p", "a", "", WXTP_HOLD_QUOTA, &row));
    commit(&f);
    finish(&f);
}

static bool note_audit(void *user, const wxtp_audit_row *row)
{
    return note(user, row->rid);
}

static void the_audit_gives_the_last_oldest_first(void **state)
{
    START(f);
    static const struct {
        const char *platform, *appid, *rid;
    } rows[] = {{"p", "a", "r1"}, {"", "b", "r2"}, {"q", "a", "r3"}, {"p", "c", "r4"}, {"p", "a", "r5"}};
    begin(&f, WXTP_TX_WRITE);
    for (int i = 0; i < 5; i++) {
        wxtp_audit_row row = {.time_ms = 10 * (i + 1), .platform = rows[i].platform, .appid = rows[i].appid};
        row.rid = rows[i].rid;
        row.errcode = i % 2 ? 40003 : 0;
        OK(OPS(&f)->audit_add(f.tx, &row));
    }
    const struct {
        wxtp_audit_filter filter;
        const char *want;
    } cases[] = {{{"p", NULL, 0, 9, false, 0}, "r1 r2 r4 r5 "}, {{"p", NULL, 0, 2, false, 0}, "r4 r5 "},
                 {{"p", "a", 0, 9, false, 0}, "r1 r5 "},        {{"p", NULL, 40, 9, false, 0}, "r4 r5 "},
                 {{"", NULL, 0, 9, false, 0}, "r2 "},           {{"p", NULL, 0, 9, true, 40003}, "r2 r4 "},
                 {{"p", "c", 0, 9, true, 40003}, "r4 "},        {{"p", "a", 0, 9, true, 40003}, ""},
                 {{"p", NULL, 0, 1, true, 40003}, "r4 "}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        words w = {.most = 0};
        OK(OPS(&f)->audit_list(f.tx, &cases[i].filter, note_audit, &w));
        assert_string_equal(w.text, cases[i].want);
    }
    commit(&f);
    finish(&f);
}

static bool keep_last_id(void *user, const wxtp_audit_row *row)
{
    *(int64_t *)user = row->id;
    return true;
}

static void the_audit_goes_on_after_an_id(void **state)
{
    START(f);
    int64_t last = 0;
    begin(&f, WXTP_TX_WRITE);
    for (int i = 1; i <= 3; i++) {
        char rid[16];
        snprintf(rid, sizeof rid, "r%d", i);
        /* The clock goes back: an id never does. */
        OK(OPS(&f)->audit_add(
            f.tx, &(wxtp_audit_row){.time_ms = 100 - i, .platform = i == 2 ? "" : "p", .rid = rid}));
    }
    OK(OPS(&f)->audit_add(f.tx, &(wxtp_audit_row){.time_ms = 100, .platform = "q", .rid = "x"}));
    commit(&f);
    begin(&f, WXTP_TX_READ);
    words all = {.most = 0}, some = {.most = 0}, one = {.most = 1}, none = {.most = 0};
    OK(OPS(&f)->audit_after(f.tx, "p", 0, 9, note_audit, &all));
    assert_string_equal(all.text, "r1 r2 r3 ");
    OK(OPS(&f)->audit_after(f.tx, "p", 0, 1, keep_last_id, &last));
    OK(OPS(&f)->audit_after(f.tx, "p", last, 9, note_audit, &some));
    assert_string_equal(some.text, "r2 r3 ");
    OK(OPS(&f)->audit_after(f.tx, "p", last, 9, note_audit, &one));
    assert_string_equal(one.text, "r2 ");
    OK(OPS(&f)->audit_after(f.tx, "p", INT64_MAX, 9, note_audit, &none));
    assert_string_equal(none.text, "");
    commit(&f);
    finish(&f);
}

static void the_audit_finds_a_rid_and_who_made_a_token(void **state)
{
    START(f);
    wxtp_audit_row row;
    static const wxtp_audit_row rows[] = {
        {.platform = "p", .appid = "a", .call = "exchange", .made_generation = 1, .source = "push x 1"},
        {.platform = "p", .appid = "a", .call = "refresh", .token_generation = 1, .made_generation = 2},
        {.platform = "p", .appid = "a", .call = "call", .token_generation = 2, .rid = "r1", .errcode = 40003},
        {.platform = "", .appid = "b", .call = "call", .rid = "r2"},
        {.platform = "q", .appid = "a", .call = "call", .rid = "r3"},
        {.platform = "p", .appid = "a", .call = "refresh", .token_generation = 2, .made_generation = 3},
        {.platform = "p", .appid = "a", .call = "again", .token_generation = 3, .rid = "r1"},
    };
    begin(&f, WXTP_TX_WRITE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        OK(OPS(&f)->audit_add(f.tx, &rows[i]));
    OK(OPS(&f)->audit_by_rid(f.tx, "p", "r1", &row));
    assert_string_equal(row.call, "again"); /* the newest */
    assert_int_equal(row.token_generation, 3);
    OK(OPS(&f)->audit_by_rid(f.tx, "p", "r2", &row));
    assert_string_equal(row.appid, "b");
    assert_int_equal(OPS(&f)->audit_by_rid(f.tx, "p", "r3", &row), WXTP_ERR_NOT_FOUND);
    assert_int_equal(OPS(&f)->audit_by_rid(f.tx, "p", "", &row), WXTP_ERR_NOT_FOUND);

    wxtp_maker_filter of = {"p", "a", INT64_MAX, 2, NULL};
    OK(OPS(&f)->audit_maker(f.tx, &of, &row));
    assert_string_equal(row.call, "refresh");
    assert_int_equal(row.made_generation, 2);
    of.before_id = row.id;
    assert_int_equal(OPS(&f)->audit_maker(f.tx, &of, &row), WXTP_ERR_NOT_FOUND);
    of = (wxtp_maker_filter){"p", "a", INT64_MAX, 0, "exchange"};
    OK(OPS(&f)->audit_maker(f.tx, &of, &row));
    assert_string_equal(row.source, "push x 1");
    of = (wxtp_maker_filter){"p", "a", INT64_MAX, 0, NULL};
    OK(OPS(&f)->audit_maker(f.tx, &of, &row));
    assert_int_equal(row.made_generation, 3);
    of.appid = "b";
    assert_int_equal(OPS(&f)->audit_maker(f.tx, &of, &row), WXTP_ERR_NOT_FOUND);
    commit(&f);
    finish(&f);
}

static bool note_push(void *user, const wxtp_push_row *row)
{
    return note(user, row->event);
}

static void pushes_tell_what_became_of_them(void **state)
{
    START(f);
    wxtp_push_row row;
    static const struct {
        const char *platform, *digest, *event, *appid;
        int64_t received_ms;
    } rows[] = {{"p", "d3", "three", "a", 30},
                {"p", "d1", "one", "", 10},
                {"q", "d1", "other", "a", 15},
                {"p", "d2", "two", "a", 20},
                {"p", "d4", NULL, "", 40}};
    begin(&f, WXTP_TX_SYNC);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        OK(OPS(&f)->push_remember(f.tx, rows[i].platform, blob(rows[i].digest), rows[i].received_ms));
        row = (wxtp_push_row){.platform = rows[i].platform,
                              .digest = blob(rows[i].digest),
                              .event = rows[i].event,
                              .appid = rows[i].appid,
                              .create_time_s = 5,
                              .received_ms = 999, /* stays as it was */
                              .applied = i != 0,
                              .why = i == 0 ? "older" : ""};
        if (rows[i].event != NULL)
            OK(OPS(&f)->push_note(f.tx, &row));
    }
    row.digest = blob("never");
    assert_int_equal(OPS(&f)->push_note(f.tx, &row), WXTP_ERR_NOT_FOUND);
    OK(OPS(&f)->push_get(f.tx, "p", blob("d3"), &row));
    assert_string_equal(row.event, "three");
    assert_string_equal(row.appid, "a");
    assert_string_equal(row.why, "older");
    assert_false(row.applied);
    assert_int_equal(row.create_time_s, 5);
    assert_int_equal(row.received_ms, 30);
    assert_int_equal(row.digest.len, 2);
    assert_int_equal(OPS(&f)->push_get(f.tx, "p", blob("d4"), &row), WXTP_ERR_NOT_FOUND);
    assert_int_equal(OPS(&f)->push_get(f.tx, "r", blob("d3"), &row), WXTP_ERR_NOT_FOUND);
    const struct {
        wxtp_push_filter filter;
        const char *want;
    } cases[] = {{{"p", NULL, 0, 9}, "one two three "},
                 {{"p", NULL, 0, 2}, "two three "},
                 {{"p", "a", 0, 9}, "two three "},
                 {{"p", NULL, 20, 9}, "two three "},
                 {{"p", "a", 0, 1}, "three "},
                 {{"q", "a", 0, 9}, "other "},
                 {{"p", "", 0, 9}, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        words w = {.most = 0};
        OK(OPS(&f)->push_list(f.tx, &cases[i].filter, note_push, &w));
        assert_string_equal(w.text, cases[i].want);
    }
    commit(&f);
    finish(&f);
}

static void pruning_deletes_what_is_older(void **state)
{
    START(f);
    int64_t deleted;
    wxtp_job_row job;
    begin(&f, WXTP_TX_WRITE);
    for (int i = 1; i <= 3; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        OK(OPS(&f)->audit_add(f.tx,
                              &(wxtp_audit_row){.time_ms = i, .platform = i == 1 ? "" : "p", .rid = text}));
        OK(OPS(&f)->push_remember(f.tx, "p", blob(text), i));
        OK(OPS(&f)->code_put(f.tx, &(wxtp_code_row){.platform = "p",
                                                    .digest = blob(text),
                                                    .state = WXTP_CODE_DONE,
                                                    .received_ms = i,
                                                    .expires_ms = 9}));
        OK(OPS(&f)->job_put(f.tx, &(wxtp_job_row){.id = text,
                                                  .platform = "p",
                                                  .state = i == 2 ? WXTP_JOB_PAUSED : WXTP_JOB_DONE,
                                                  .finished_ms = i}));
    }
    OK(OPS(&f)->prune(f.tx, &(wxtp_prune){0, 0, 0, 0}, &deleted));
    assert_int_equal(deleted, 0);
    OK(OPS(&f)->prune(f.tx, &(wxtp_prune){3, 3, 3, 3}, &deleted));
    assert_int_equal(deleted, 2 + 2 + 2 + 1);
    assert_int_equal(OPS(&f)->job_get(f.tx, "1", &job), WXTP_ERR_NOT_FOUND);
    OK(OPS(&f)->job_get(f.tx, "2", &job)); /* unfinished */
    OK(OPS(&f)->push_remember(f.tx, "p", blob("1"), 4));
    assert_int_equal(OPS(&f)->push_remember(f.tx, "p", blob("3"), 4), WXTP_ERR_EXISTS);
    commit(&f);
    finish(&f);
}

static void I12_after_fork_the_child_abandons_and_the_parent_goes_on(void **state)
{
    START(f);
    wxtp_lease lease = {"token:p:a", 0, 0};
    begin(&f, WXTP_TX_SYNC);
    OK(OPS(&f)->lease_take(f.tx, &lease, 1000));
    commit(&f);
    assert_false(OPS(&f)->forked(f.store));
    pid_t child = fork();
    if (child == 0) {
        bool forked = OPS(&f)->forked(f.store);
        OPS(&f)->abandon(f.store);
        _exit(forked ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    wxtp_store *other = f.factory->open(f.factory->user, &f.clock.port);
    wxtp_tx *tx;
    OK(other->ops->begin(other, WXTP_TX_SYNC, &tx));
    assert_int_equal(other->ops->lease_take(tx, &lease, 1000), WXTP_ERR_STATE); /* still held */
    OK(other->ops->commit(tx));
    other->ops->close(other);
    finish(&f);
}

static void keep_problem(void *user, const char *text)
{
    note(user, text);
}

static void keep_fact(void *user, const char *name, const char *value)
{
    if (name[0] != '\0' && value[0] != '\0')
        ++*(int *)user;
}

static void a_sound_store_has_no_problem(void **state)
{
    START(f);
    words problems = {.most = 0};
    int facts = 0;
    OK(OPS(&f)->check(f.store, keep_problem, &problems));
    assert_string_equal(problems.text, "");
    OK(OPS(&f)->maintain(f.store));
    OPS(&f)->describe(f.store, keep_fact, &facts);
    assert_true(facts > 0);
    assert_true(OPS(&f)->struct_size >= sizeof(wxtp_store_ops));
    finish(&f);
}

/* Random operations, each answer compared with what a model in memory gives. */
static void random_sequences_match_the_model(void **state)
{
    for (unsigned seed = 1; seed <= 200; seed++) {
        START(f);
        model_run(f.store, &f.clock, seed);
        finish(&f);
    }
}

int store_conformance_run(const char *name, store_factory *factory)
{
#define TEST(function)                                                                                       \
    {                                                                                                        \
#function, function, NULL, NULL, factory                                                             \
    }
    const struct CMUnitTest tests[] = {
        TEST(meta_and_platforms_come_back),
        TEST(platforms_are_listed_until_the_callback_stops),
        TEST(a_rollback_leaves_nothing),
        TEST(a_reader_sees_one_state_while_another_handle_writes),
        TEST(a_read_transaction_changes_nothing),
        TEST(a_row_read_may_be_put_back),
        TEST(tickets_come_back),
        TEST(a_tenant_keeps_each_field),
        TEST(tenants_are_listed_by_page_and_filter),
        TEST(I3_a_token_write_compares_the_generation),
        TEST(a_token_keeps_each_field),
        TEST(I3_a_stale_fence_writes_nothing),
        TEST(due_tokens_come_earliest_first),
        TEST(spares_come_newest_first),
        TEST(I2_there_is_one_intent_a_key),
        TEST(I8_open_codes_come_oldest_first),
        TEST(I8_a_push_counts_once),
        TEST(I1_a_lease_has_one_holder),
        TEST(I13_a_lease_of_another_boot_is_free),
        TEST(jobs_come_newest_first),
        TEST(a_job_keeps_each_field),
        TEST(I7_building_keeps_each_openid_once_and_in_order),
        TEST(a_job_is_built_by_one),
        TEST(I7_unfinished_batches_come_in_order),
        TEST(I11_a_part_is_undone_to_its_savepoint),
        TEST(failed_exceptions_are_retried_as_new_batches),
        TEST(a_snapshot_keeps_each_field_and_goes_with_its_job),
        TEST(sifting_finds_the_places_of_keys_that_are_looked_for),
        TEST(holds_are_kept_by_account_call_and_kind),
        TEST(the_audit_gives_the_last_oldest_first),
        TEST(the_audit_goes_on_after_an_id),
        TEST(the_audit_finds_a_rid_and_who_made_a_token),
        TEST(pushes_tell_what_became_of_them),
        TEST(pruning_deletes_what_is_older),
        TEST(I12_after_fork_the_child_abandons_and_the_parent_goes_on),
        TEST(a_sound_store_has_no_problem),
        TEST(random_sequences_match_the_model),
    };
    return _cmocka_run_group_tests(name, tests, sizeof tests / sizeof tests[0], NULL, NULL);
}
