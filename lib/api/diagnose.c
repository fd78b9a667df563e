/* What `doctor` shows: one line a check, each with its remedy. */
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wxtp/store_sqlite.h>

#include "api/handle.h"
#include "base/text.h"
#include "codec/json.h"
#include "domain/component.h"
#include "domain/platform_call.h"
#include "domain/storage.h"
#include "domain/ticket.h"
#include "domain/token.h"
#include "domain/token_component.h"
#include "domain/vault.h"
#include "flow/job.h"
#include "port/keyfile.h"

enum {
    DETAIL_MAX = 512,
    TENANTS_LOOKED_AT = 5000,
    PAGE = 100,
    NAMED = 3,
    JOBS_MAX = 1000,
    ANSWER_MAX = 1024 * 1024,
    EARLY_REFUSALS_MAX = 3
};

typedef struct doctor {
    wx_op *op;
    wx_core *core;
    wxtp_platform *platform;
    wxtp_check_visitor *visit;
    void *user;
    bool has_component; /* set up and its secrets open */
    bool has_token;     /* a component token is to be had */
} doctor;

static void say_kind(const doctor *d, const char *name, wxtp_check_status status, const char *kind,
                     const char *detail, const char *hint)
{
    const bool ok = status == WXTP_CHECK_OK;
    d->visit(d->user, name, status, ok ? "" : kind, detail, ok ? "" : hint);
}

static void say(const doctor *d, const char *name, wxtp_check_status status, const char *detail,
                const char *hint)
{
    say_kind(d, name, status, wx_status_kind(WXTP_ERR_CONFIGURATION), detail, hint);
}

static void say_error(const doctor *d, const char *name, wxtp_check_status status, const wx_err *err)
{
    say_kind(d, name, status, err->kind, err->message, err->hint);
}

/* ---- This machine ---- */

typedef struct facts {
    char text[DETAIL_MAX];
} facts;

static void see_fact(void *user, const char *name, const char *value)
{
    facts *f = user;
    size_t len = strlen(f->text);
    (void)snprintf(f->text + len, sizeof(f->text) - len, "%s%s %s", len > 0 ? ", " : "", name, value);
}

/* Both kinds of transaction begin, so that the file is there, readable, writable and not locked for good. */
static void check_database(const doctor *d)
{
    wx_err err = {0};
    facts f = {0};
    wx_ops(d->core)->describe(d->core->store, see_fact, &f);
    WX_AUTO_SCOPE scope = {0};
    wxtp_blob value = {0};
    wxtp_status status = wx_scope_begin(&scope, d->core, WXTP_TX_WRITE, &err);
    if (status == WXTP_OK) {
        status = wx_ops(d->core)->meta_get(scope.tx, "instance", &value);
        if (status != WXTP_OK) {
            (void)wx_store_fail(d->core, scope.tx, status, "read the instance", &err);
        }
    }
    wx_scope_end(&scope);
    if (status == WXTP_OK) {
        say(d, "database", WXTP_CHECK_OK, f.text, "");
    } else {
        say_error(d, "database", WXTP_CHECK_FAIL, &err);
    }
}

/* The bug is no trouble here, as the backend's lock file keeps checkpoints apart from commits. */
static void check_sqlite(const doctor *d)
{
    if (strcmp(wx_ops(d->core)->name, "sqlite") != 0) {
        return;
    }
    char detail[DETAIL_MAX];
    (void)snprintf(
        detail, sizeof(detail), "SQLite %s%s", wxtp_sqlite_version(),
        wxtp_sqlite_has_wal_reset_bug()
            ? " has the WAL-reset bug (fixed in 3.51.3); the lock file beside the database keeps it away"
            : " has the fix of the WAL-reset bug");
    say(d, "sqlite", WXTP_CHECK_OK, detail, "");
}

/* The file as it stands now: other processes will start with it. */
static wxtp_status key_opens(const doctor *d, wx_err *err)
{
    unsigned char key[WX_KEY_LEN] = {0};
    wx_core *copy = wx_alloc(&d->core->allocator, sizeof(*copy));
    if (!copy) {
        return wx_fail_nomem(err);
    }
    wx_core_copy(copy, d->core);
    wxtp_status status = wx_keyfile_read(d->platform->master_key_file, key, err);
    if (status == WXTP_OK) {
        status = wx_vault_unlock(copy, key, err);
    }
    OPENSSL_cleanse(key, sizeof(key));
    wx_free(copy); /* zeroes its data key */
    return status;
}

static void check_key(const doctor *d)
{
    wx_err err = {0};
    char detail[DETAIL_MAX];
    if (d->platform->raw_key) {
        say(d, "key", WXTP_CHECK_OK, "the program gave the master key, and it opens the data key", "");
    } else if (key_opens(d, &err) == WXTP_OK) {
        (void)snprintf(detail, sizeof(detail), "%.400s is private and opens the data key",
                       d->platform->master_key_file);
        say(d, "key", WXTP_CHECK_OK, detail, "");
    } else {
        say_error(d, "key", WXTP_CHECK_FAIL, &err);
    }
}

/* WeChat's own time is known from the ticket that came last. */
static void check_clock(const doctor *d, const wxtp_ticket_row *ticket)
{
    const int64_t early_ms = INT64_C(1704067200000); /* 2024 */
    const int64_t late_ms = INT64_C(4102444800000);  /* 2100 */
    int64_t now_ms = wx_wall_ms(d->core);
    if (now_ms < early_ms || now_ms > late_ms) {
        say(d, "clock", WXTP_CHECK_FAIL, "this machine's clock is wrong by years", "Set the clock; use NTP.");
        return;
    }
    bool fresh = ticket->create_time_s > 0 && now_ms - ticket->received_ms < INT64_C(1000) * WX_TICKET_LATE_S;
    if (!fresh) {
        say(d, "clock", WXTP_CHECK_OK, "plausible; no fresh ticket to compare it with", "");
        return;
    }
    int64_t ahead_s = ticket->received_ms / 1000 - ticket->create_time_s;
    char detail[DETAIL_MAX];
    (void)snprintf(detail, sizeof(detail), "%" PRId64 " s ahead of WeChat's when the last ticket came",
                   ahead_s);
    /* A push that was tried again comes late, so being behind says more than being ahead. */
    bool off = ahead_s < -60 || ahead_s > 900;
    say(d, "clock", off ? WXTP_CHECK_WARN : WXTP_CHECK_OK, detail, "Set the clock; use NTP.");
}

/* ---- The platform ---- */

static void check_component(doctor *d)
{
    wx_err err = {0};
    WX_AUTO_COMPONENT component = {0};
    wxtp_status status = wx_component_load(d->core, &component, &err);
    d->has_component = status == WXTP_OK;
    if (status == WXTP_OK) {
        say(d, "platform", WXTP_CHECK_OK, component.appid, "");
    } else {
        bool none = status == WXTP_ERR_CONFIGURATION && d->core->settings.component[0] == '\0';
        say_error(d, "platform", none ? WXTP_CHECK_WARN : WXTP_CHECK_FAIL, &err);
    }
}

static wxtp_status read_ticket(const doctor *d, wxtp_ticket_row *ticket, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    if (wx_scope_begin(&scope, d->core, WXTP_TX_READ, err) != WXTP_OK) {
        return err->status;
    }
    wxtp_ticket_row row = {0};
    wxtp_status status = wx_ops(d->core)->ticket_get(scope.tx, d->core->settings.component, &row);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(d->core, scope.tx, status, "read the ticket", err);
    }
    /* Only the times are wanted once the transaction is over. */
    ticket->create_time_s = status == WXTP_OK && row.ticket.len > 0 ? row.create_time_s : 0;
    ticket->received_ms = status == WXTP_OK && row.ticket.len > 0 ? row.received_ms : 0;
    return WXTP_OK;
}

static void check_ticket(const doctor *d, const wxtp_ticket_row *ticket)
{
    static const char hint[] =
        "WeChat pushes one every 10 minutes: check that the authorization-event URL on the "
        "platform's page reaches this store's program, and that Token and EncodingAESKey match.";
    if (ticket->received_ms == 0) {
        say_kind(d, "ticket", WXTP_CHECK_FAIL, wx_status_kind(WXTP_ERR_TICKET),
                 "no component_verify_ticket has come yet", hint);
        return;
    }
    int64_t age_s = (wx_wall_ms(d->core) - ticket->received_ms) / 1000;
    char detail[DETAIL_MAX];
    (void)snprintf(detail, sizeof(detail), "came %" PRId64 " min ago%s", age_s / 60,
                   age_s > WX_TICKET_LIFE_S   ? ", and has expired"
                   : age_s > WX_TICKET_LATE_S ? ": the next one is late, this one serves for 12 h"
                                              : "");
    say_kind(d, "ticket",
             age_s > WX_TICKET_LIFE_S   ? WXTP_CHECK_FAIL
             : age_s > WX_TICKET_LATE_S ? WXTP_CHECK_WARN
                                        : WXTP_CHECK_OK,
             wx_status_kind(WXTP_ERR_TICKET), detail, hint);
}

static void check_component_token(doctor *d)
{
    wx_err err = {0};
    WX_AUTO_TOKEN token = {0};
    char detail[DETAIL_MAX];
    if (wx_token_component(d->op, &token, &err) != WXTP_OK) {
        say_error(d, "component_token", WXTP_CHECK_FAIL, &err);
        return;
    }
    d->has_token = true;
    (void)snprintf(detail, sizeof(detail), "version %" PRId64 ", good for %" PRId64 " min", token.generation,
                   (token.expires_ms - wx_wall_ms(d->core)) / 60000);
    say(d, "component_token", WXTP_CHECK_OK, detail, "");
}

/* ---- WeChat ---- */

/* The first thing in `text` that reads like an address; WeChat's refusals name the one that it saw. */
static bool find_address(const char *text, char *address, size_t size)
{
    for (const char *at = text; *at != '\0';) {
        size_t len = strspn(at, "0123456789abcdefABCDEF.:");
        int dots = 0;
        int colons = 0;
        size_t shown = len;
        while (shown > 0 && at[shown - 1] == '.') {
            shown--;
        }
        for (size_t in = 0; in < shown; in++) {
            dots += at[in] == '.';
            colons += at[in] == ':';
        }
        if (shown < size && (dots == 3 || colons >= 2)) {
            memcpy(address, at, shown);
            address[shown] = '\0';
            return true;
        }
        at += len > 0 ? len : 1;
    }
    return false;
}

static void say_api_error(const doctor *d, const wx_err *err)
{
    char address[64];
    char detail[DETAIL_MAX];
    if ((err->errcode == 40164 || err->errcode == 61004) &&
        find_address(err->message, address, sizeof(address))) {
        (void)snprintf(detail, sizeof(detail),
                       "WeChat saw this machine as %s, which is not on the IP white list (%" PRId64 ")",
                       address, err->errcode);
        say(d, "api", WXTP_CHECK_FAIL, detail,
            "Add this address to the IP white list on the platform's page.");
    } else {
        say_error(d, "api", WXTP_CHECK_FAIL, err);
    }
}

/* Harmless: a code that nobody uses runs out. */
static void check_api_with_token(const doctor *d)
{
    wx_err err = {0};
    WX_AUTO_BUF body;
    WX_AUTO_ANSWER answer = {0};
    wx_buf_init(&body, &d->core->allocator, 1024);
    if (!wx_buf_text(&body, "{\"component_appid\":") || !wx_json_quote(&body, d->core->settings.component) ||
        !wx_buf_text(&body, "}")) {
        (void)wx_fail_nomem(&err);
        say_error(d, "api", WXTP_CHECK_FAIL, &err);
        return;
    }
    if (wx_send_platform(d->op, WX_API_CREATE_PREAUTHCODE, (wx_about){.appid = ""}, wx_buf_str(&body),
                         "pre_auth_code", NULL, 0, true, &answer, &err) == WX_SENT_OK) {
        say(d, "api", WXTP_CHECK_OK, d->core->settings.api_base, "");
    } else {
        say_api_error(d, &err);
    }
}

/* Without a token any answer over HTTP tells that the way is free. */
static void check_api_bare(const doctor *d)
{
    char url[300];
    char detail[DETAIL_MAX];
    const wx_core *core = d->core;
    (void)snprintf(url, sizeof(url), "%s/", core->settings.api_base);
    const wxtp_http_request request = {
        .method = "GET",
        .url = url,
        .timeout_ms = core->settings.timeout_ms,
        .max_answer_bytes = ANSWER_MAX,
    };
    wxtp_http_answer answer = {0};
    wx_perform(core->engine, &request, &answer);
    if (answer.outcome == WXTP_HTTP_ANSWERED) {
        (void)snprintf(detail, sizeof(detail), "%s answers (HTTP %ld)", core->settings.api_base,
                       answer.status);
        say(d, "api", WXTP_CHECK_OK, detail, "");
    } else {
        (void)snprintf(detail, sizeof(detail), "%s cannot be reached: %s", core->settings.api_base,
                       answer.detail);
        say_kind(d, "api", WXTP_CHECK_FAIL, wx_status_kind(WXTP_ERR_UNAVAILABLE), detail,
                 "Check the network, DNS, the proxy and the CA file.");
    }
    core->http.release(core->http.user, &answer);
}

/* ---- Tenants and jobs ---- */

typedef struct contested {
    struct {
        char platform[WX_APPID_MAX], appid[WX_APPID_MAX];
    } page[PAGE];
    size_t count;
    size_t looked_at, found;
    char names[DETAIL_MAX / 2];
} contested;

static bool see_tenant(void *user, const wxtp_tenant_row *row)
{
    contested *c = user;
    (void)wx_copy(c->page[c->count].platform, WX_APPID_MAX, row->platform);
    (void)wx_copy(c->page[c->count].appid, WX_APPID_MAX, row->appid);
    c->count++;
    return c->count < PAGE;
}

static wxtp_status look_at_tokens(const doctor *d, wxtp_tx *tx, contested *c, wx_err *err)
{
    for (size_t at = 0; at < c->count; at++) {
        const wxtp_token_key key = {c->page[at].platform, c->page[at].appid};
        wxtp_token_row row = {0};
        wx_token_view view = {0};
        wxtp_status status = wx_ops(d->core)->token_get(tx, &key, &row);
        if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
            return wx_store_fail(d->core, tx, status, "read a token", err);
        }
        if (status == WXTP_OK && wx_token_view_get(d->core, &row, &view) == WXTP_OK &&
            view.early_refusals > EARLY_REFUSALS_MAX) {
            size_t len = strlen(c->names);
            if (c->found++ < NAMED) {
                (void)snprintf(c->names + len, sizeof(c->names) - len, "%s%s", len > 0 ? ", " : "",
                               key.appid);
            }
        }
    }
    c->looked_at += c->count;
    return WXTP_OK;
}

static wxtp_status look_at_page(const doctor *d, const wxtp_tenant_filter *filter, contested *c, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    c->count = 0;
    if (wx_scope_begin(&scope, d->core, WXTP_TX_READ, err) != WXTP_OK) {
        return err->status;
    }
    wxtp_status status = wx_ops(d->core)->tenant_list(scope.tx, filter, see_tenant, c);
    return status == WXTP_OK ? look_at_tokens(d, scope.tx, c, err)
                             : wx_store_fail(d->core, scope.tx, status, "list the tenants", err);
}

static wxtp_status find_contested(const doctor *d, contested *c, wx_err *err)
{
    char platform[WX_APPID_MAX] = "";
    char appid[WX_APPID_MAX] = "";
    wxtp_tenant_filter filter = {.platform = d->core->settings.component,
                                 .status = WXTP_TENANT_AUTHORIZED,
                                 .certified = -1,
                                 .credential = -1,
                                 .limit = PAGE};
    do {
        wxtp_status status = look_at_page(d, &filter, c, err);
        if (status != WXTP_OK) {
            return status;
        }
        if (c->count > 0) {
            (void)wx_copy(platform, sizeof(platform), c->page[c->count - 1].platform);
            (void)wx_copy(appid, sizeof(appid), c->page[c->count - 1].appid);
            filter.after_platform = platform;
            filter.after_appid = appid;
        }
    } while (c->count == PAGE && c->looked_at < TENANTS_LOOKED_AT && !wx_stopping(d->core));
    return WXTP_OK;
}

static void check_tenants(const doctor *d)
{
    wx_err err = {0};
    char detail[DETAIL_MAX];
    contested *c = wx_alloc(&d->core->allocator, sizeof(*c));
    if (!c || find_contested(d, c, &err) != WXTP_OK) {
        if (!c) {
            (void)wx_fail_nomem(&err);
        }
        say_error(d, "tenants", WXTP_CHECK_FAIL, &err);
    } else if (c->found == 0) {
        (void)snprintf(detail, sizeof(detail), "%zu looked at, none whose tokens another program refreshes",
                       c->looked_at);
        say(d, "tenants", WXTP_CHECK_OK, detail, "");
    } else {
        (void)snprintf(detail, sizeof(detail), "another program refreshes the tokens of %zu of %zu: %s%s",
                       c->found, c->looked_at, c->names, c->found > NAMED ? " …" : "");
        say(d, "tenants", WXTP_CHECK_WARN, detail,
            "Find the other program that uses this platform's or account's appsecret, and have one of the "
            "two refresh.");
    }
    wx_free(c);
}

typedef struct paused {
    size_t count, decisions;
} paused;

static bool see_job(void *user, const wxtp_job *job)
{
    paused *p = user;
    const wxtp_job_row *row = &job->row;
    p->count++;
    p->decisions += row->paused_by == WXTP_PAUSED_BY_SUSPECT_LIST ||
                    row->paused_by == WXTP_PAUSED_BY_UNKNOWN_ERRCODE ||
                    row->paused_by == WXTP_PAUSED_BY_RESTORED;
    return p->count < JOBS_MAX;
}

static void check_jobs(const doctor *d)
{
    wx_err err = {0};
    paused p = {0};
    char detail[DETAIL_MAX];
    if (wx_job_list(d->core, NULL, WXTP_JOB_PAUSED, NULL, JOBS_MAX, see_job, &p, &err) != WXTP_OK) {
        say_error(d, "jobs", WXTP_CHECK_FAIL, &err);
        return;
    }
    if (p.count == 0) {
        say(d, "jobs", WXTP_CHECK_OK, "none is paused", "");
        return;
    }
    (void)snprintf(detail, sizeof(detail), "%zu%s paused, %zu of them for a decision", p.count,
                   p.count == JOBS_MAX ? " or more" : "", p.decisions);
    say(d, "jobs", WXTP_CHECK_WARN, detail,
        "See each job for its reason; resume those whose reason has passed.");
}

/* ---- All of it ---- */

static void examine(doctor *d)
{
    wx_err err = {0};
    wxtp_ticket_row ticket = {0};
    check_database(d);
    check_sqlite(d);
    check_key(d);
    check_component(d);
    if (d->has_component && read_ticket(d, &ticket, &err) != WXTP_OK) {
        say_error(d, "ticket", WXTP_CHECK_FAIL, &err);
    } else if (d->has_component) {
        check_ticket(d, &ticket);
    }
    check_clock(d, &ticket);
    if (d->has_component) {
        check_component_token(d);
    }
    if (d->has_token) {
        check_api_with_token(d);
    } else {
        check_api_bare(d);
    }
    check_tenants(d);
    check_jobs(d);
}

wxtp_status wxtp_platform_diagnose(wxtp_platform *platform, wxtp_check_visitor *visit, void *user,
                                   wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    wxtp_status status = WXTP_OK;
    if (!visit) {
        status = wx_fail(&err, WXTP_ERR_INVALID, "no visitor was given");
    } else {
        doctor d = {.op = &door.op, .core = door.op.core, .platform = platform, .visit = visit, .user = user};
        examine(&d);
    }
    return wx_leave(&door, status, &err, error);
}
