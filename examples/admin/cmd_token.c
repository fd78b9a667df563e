#include "commands.h"
#include "progress.h"
#include "tenant_output.h"
#include <search.h>
#include <stdlib.h>
#include <string.h>

typedef struct item {
    char *appid;
    wxtp_token_facts facts; /* first those at the start, then the new ones */
    ad_failure *failure;    /* NULL: it went well */
} item;

typedef struct refreshing {
    ad_app *app;
    item *items;
    size_t count, room;
    void *names; /* a search tree of the appids */
    bool no_memory;
    ad_failure worst;
    size_t first;   /* of this round */
    size_t unknown; /* refused as unknown before anything was asked */
    ad_progress progress;
    int64_t failures;
} refreshing;

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void keep_name(void *name)
{
    (void)name; /* the item has it */
}

/* Each appid once. */
static bool add_item(void *user, const char *appid)
{
    refreshing *r = user;

    if (tfind(appid, &r->names, compare_names))
        return true;
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        item *items = realloc(r->items, room * sizeof *items);
        if (!items) {
            r->no_memory = true;
            return false;
        }
        r->items = items;
        r->room = room;
    }
    item *i = &r->items[r->count];
    memset(i, 0, sizeof *i);
    i->facts.struct_size = sizeof i->facts;
    i->appid = strdup(appid);
    if (!i->appid || !tsearch(i->appid, &r->names, compare_names)) {
        free(i->appid);
        r->no_memory = true;
        return false;
    }
    r->count++;
    return true;
}

static bool add_tenant(void *user, const wxtp_tenant *tenant)
{
    return add_item(user, wxtp_tenant_appid(tenant));
}

static int add_all(refreshing *r)
{
    enum { PAGE = 5000 };
    size_t before;

    do {
        wxtp_error *error = NULL;
        const char *after = r->count > 0 ? r->items[r->count - 1].appid : NULL;
        before = r->count;
        wxtp_status status = wxtp_tenant_list(r->app->platform, -1, -1, after, PAGE, add_tenant, r, &error);
        if (status != WXTP_OK)
            return ad_fail_take(&r->app->failure, status, &error);
    } while (r->count - before == PAGE && !r->no_memory);
    return AD_EXIT_OK;
}

/* The first so many of those that are due; a round of refreshes makes room for the next ones. */
enum { DUE_MAX = 10000 };

static int add_due(refreshing *r)
{
    wxtp_error *error = NULL;
    wxtp_status status = wxtp_token_each_due(r->app->platform, DUE_MAX, add_item, r, &error);

    return status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(&r->app->failure, status, &error);
}

static int collect(refreshing *r)
{
    ad_app *app = r->app;
    int code = AD_EXIT_OK;

    if (ad_given(app, OPT_ALL))
        code = add_all(r);
    else if (ad_given(app, OPT_DUE))
        code = add_due(r);
    for (int i = 0; i < app->line.arg_count; i++)
        add_item(r, app->line.args[i]);
    if (code == AD_EXIT_OK && r->no_memory)
        code = ad_fail_nomem(&app->failure);
    return code;
}

static void fail_item(refreshing *r, item *i, wxtp_status status, wxtp_error **error)
{
    ad_failure failure;

    ad_fail_take(&failure, status, error);
    if (!failure.tenant[0])
        ad_copy(failure.tenant, sizeof failure.tenant, i->appid);
    /* Whose token it is was not for the caller to say: it is one that failed among all. */
    if (r->app->line.arg_count == 0 && failure.exit_code == AD_EXIT_USAGE)
        failure.exit_code = AD_EXIT_PARTIAL;
    i->failure = malloc(sizeof *i->failure);
    if (i->failure)
        *i->failure = failure;
    else
        r->no_memory = true;
    r->failures++;
    ad_failure_keep_worst(&r->worst, &failure);
}

/* All that read the same generation at their start make one refresh: so it is read before the first one
 * leaves. */
static void read_generations(refreshing *r, size_t from)
{
    for (size_t n = from; n < r->count; n++) {
        wxtp_error *error = NULL;
        wxtp_status status = wxtp_token_info(r->app->platform, r->items[n].appid, &r->items[n].facts, &error);
        if (status == WXTP_OK)
            continue;
        bool unknown = error && strcmp(wxtp_error_kind(error), "unknown_tenant") == 0;
        r->unknown += unknown ? 1 : 0;
        fail_item(r, &r->items[n], status, &error);
    }
}

/* Whether it is under way now. */
static bool begin_item(refreshing *r, item *i)
{
    const wxtp_submit_options options = {.struct_size = sizeof options, .user = i};
    wxtp_error *error = NULL;

    if (i->failure)
        return false;
    wxtp_status status =
        wxtp_token_submit(r->app->platform, i->appid, i->facts.version, &options, NULL, &error);
    if (status != WXTP_OK) {
        fail_item(r, i, status, &error);
        ad_progress_add(&r->progress, 1, 0, 1);
    }
    return status == WXTP_OK;
}

/* Returns whether one of those under way has ended. */
static bool end_item(refreshing *r)
{
    wxtp_completion *completion = wxtp_completion_take(r->app->platform, 1000);
    bool ended = completion && wxtp_completion_kind_of(completion) == WXTP_COMPLETION_TOKEN;

    if (ended) {
        item *i = wxtp_completion_user(completion);
        wxtp_status status = wxtp_completion_status(completion);
        if (status == WXTP_OK) {
            i->facts = *wxtp_completion_token(completion);
        } else {
            wxtp_error *error = wxtp_completion_take_error(completion);
            fail_item(r, i, status, &error);
        }
        ad_progress_add(&r->progress, 1, 0, status == WXTP_OK ? 0 : 1);
    }
    wxtp_completion_free(completion);
    return ended;
}

static void refresh_from(refreshing *r, size_t first)
{
    size_t under_way = 0, at_once = (size_t)ad_number(r->app, OPT_CONCURRENCY, 16);

    for (size_t n = first; n < r->count || under_way > 0;) {
        if (n < r->count && under_way < at_once)
            under_way += begin_item(r, &r->items[n++]) ? 1 : 0;
        else if (end_item(r))
            under_way--;
    }
}

static void print_json(refreshing *r)
{
    ad_json json;

    ad_json_init(&json, r->app->out);
    ad_json_object(&json, NULL);
    ad_json_array(&json, "tokens");
    for (size_t n = 0; n < r->count && ad_output_ok(r->app); n++) {
        const item *i = &r->items[n];
        ad_json_object(&json, NULL);
        ad_json_string(&json, "tenant", i->appid);
        ad_json_bool(&json, "refreshed", !i->failure && i->facts.refreshed);
        ad_json_int(&json, "version", i->facts.version);
        ad_json_time(&json, "expires_at", i->facts.expires_ms);
        if (i->failure)
            ad_failure_json(&json, "error", i->failure);
        ad_json_end_object(&json);
    }
    ad_json_end_array(&json);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}

static int print_table(refreshing *r)
{
    static const char *const headings[] = {"TENANT", "REFRESHED", "VERSION", "EXPIRES", "ERROR"};
    ad_list list;

    ad_list_init(&list, r->app, "tokens", headings, 5);
    for (size_t n = 0; n < r->count && ad_output_ok(r->app); n++) {
        const item *i = &r->items[n];
        char version[24], expires[AD_TIME_SIZE];
        snprintf(version, sizeof version, "%lld", (long long)i->facts.version);
        ad_time_local(i->facts.expires_ms, expires);
        const char *cells[] = {i->appid, !i->failure && i->facts.refreshed ? "yes" : "no", version, expires,
                               i->failure ? i->failure->message : ""};
        ad_list_row(&list, cells);
    }
    int code = ad_list_end(&list, NULL);
    ad_list_free(&list);
    return code;
}

static int refresh(refreshing *r)
{
    ad_app *app = r->app;
    int code = collect(r);

    if (code != AD_EXIT_OK)
        return code;
    ad_progress_begin(&r->progress, app, "tokens");
    while (r->first < r->count && code == AD_EXIT_OK) {
        size_t count = r->count - r->first;
        read_generations(r, r->first);
        if (r->worst.exit_code == AD_EXIT_USAGE) { /* then nothing is done */
            app->failure = r->worst;
            code = r->worst.exit_code;
            break;
        }
        ad_progress_add(&r->progress, 0, (int64_t)count, 0);
        refresh_from(r, r->first);
        r->first += count;
        if (ad_given(app, OPT_DUE) && count >= DUE_MAX && !ad_signal_seen())
            code = add_due(r);
    }
    ad_progress_end(&r->progress);
    if (code != AD_EXIT_OK)
        return code;
    if (r->no_memory)
        return ad_fail_nomem(&app->failure);
    /* Refused before any call: then there is no result. */
    if (r->count == 0 || r->unknown < r->count) {
        if (app->json)
            print_json(r);
        else
            code = print_table(r);
    }
    if (code == AD_EXIT_OK && r->worst.exit_code != AD_EXIT_OK) {
        app->failure = r->worst;
        code = r->worst.exit_code;
    }
    return code;
}

int ad_check_token_refresh(ad_app *app)
{
    int ways = (app->line.arg_count > 0) + ad_given(app, OPT_DUE) + ad_given(app, OPT_ALL);

    if (ways != 1)
        return ad_fail_usage(&app->failure, "wxtp-admin token refresh --due",
                             "name tenants, or give --due or --all");
    return AD_EXIT_OK;
}

int ad_token_refresh(ad_app *app)
{
    refreshing *r = calloc(1, sizeof *r);
    if (!r)
        return ad_fail_nomem(&app->failure);
    r->app = app;
    int code = refresh(r);
    tdestroy(r->names, keep_name);
    for (size_t n = 0; n < r->count; n++) {
        free(r->items[n].appid);
        free(r->items[n].failure);
    }
    free(r->items);
    free(r);
    return code;
}

static int reveal(ad_app *app, const char *appid, char **token, wxtp_token_facts *facts)
{
    wxtp_error *error = NULL;
    int64_t generation = 0;
    wxtp_status status = wxtp_token_get(app->platform, appid, token, &generation, &error);

    if (status == WXTP_OK) /* it may have been refreshed */
        status = wxtp_token_info(app->platform, appid, facts, &error);
    return status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(&app->failure, status, &error);
}

static void print_token(ad_app *app, const char *appid, const wxtp_token_facts *facts, const char *token)
{
    ad_json json;

    if (!app->json) {
        ad_field(app, "tenant", appid);
        ad_field(app, "state", ad_token_state_word(facts->state));
        ad_field_int(app, "version", facts->version);
        ad_field_time(app, "expires", facts->expires_ms);
        if (token)
            ad_field(app, "access token", token);
        return;
    }
    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    ad_json_string(&json, "tenant", appid);
    ad_json_string(&json, "state", ad_token_state_word(facts->state));
    ad_json_int(&json, "version", facts->version);
    ad_json_time(&json, "expires_at", facts->expires_ms);
    if (token)
        ad_json_string(&json, "access_token", token);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}

int ad_token_show(ad_app *app)
{
    const char *appid = app->line.args[0];
    wxtp_token_facts facts = {.struct_size = sizeof facts};
    wxtp_error *error = NULL;
    char *token = NULL;
    int code = AD_EXIT_OK;

    wxtp_status status = wxtp_token_info(app->platform, appid, &facts, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (ad_given(app, OPT_REVEAL) && (facts.state == WXTP_TOKEN_FRESH || facts.state == WXTP_TOKEN_DUE))
        code = reveal(app, appid, &token, &facts);
    if (code == AD_EXIT_OK)
        print_token(app, appid, &facts, token);
    wxtp_free(token);
    return code;
}
