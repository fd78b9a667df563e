#include "ask.h"
#include "commands.h"
#include "progress.h"
#include "spool.h"
#include "tenant_output.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -1 where it is "auto" or not given. */
static wxtp_tristate certified(const ad_app *app)
{
    const char *word = ad_text(app, OPT_CERTIFIED);

    return !word || strcmp(word, "auto") == 0 ? -1 : strcmp(word, "yes") == 0;
}

static wxtp_account account(const ad_app *app)
{
    const char *word = ad_text(app, OPT_ACCOUNT);

    if (!word)
        return WXTP_ACCOUNT_UNKNOWN;
    return strcmp(word, "service") == 0 ? WXTP_ACCOUNT_SERVICE : WXTP_ACCOUNT_SUBSCRIPTION;
}

int ad_tenant_add(ad_app *app)
{
    const char *given = ad_text(app, OPT_AUTH_CODE);
    ad_secret read = {NULL, 0};
    wxtp_tenant *tenant = NULL;
    wxtp_error *error = NULL;
    int code;

    if (strcmp(given, "-") == 0) {
        code = ad_secret_from_file(&read, "-", "--auth-code", &app->failure);
        if (code != AD_EXIT_OK)
            return code;
    }
    wxtp_status status = wxtp_tenant_add(app->platform, read.text ? read.text : given, &tenant, &error);
    ad_secret_free(&read);
    code = tenant ? ad_tenant_print(app, tenant) : AD_EXIT_OK;
    if (code == AD_EXIT_OK && status != WXTP_OK)
        code = ad_fail_take(&app->failure, status, &error);
    wxtp_error_free(error);
    wxtp_tenant_free(tenant);
    return code;
}

int ad_check_tenant_kind(ad_app *app)
{
    const char *word = ad_text(app, OPT_CERTIFIED);

    if (word && strcmp(word, "auto") == 0)
        return ad_fail_usage(&app->failure, "give --certified yes or no, or leave it away",
                             "--certified auto is for tenant set");
    if (ad_given(app, OPT_OF_PLATFORM) && !ad_given(app, OPT_TOKEN_FILE))
        return ad_fail_usage(&app->failure, "give --token-file too", "--of-platform needs --token-file");
    return AD_EXIT_OK;
}

int ad_tenant_add_own(ad_app *app)
{
    const char *appid = ad_text(app, OPT_APPID), *file = ad_text(app, OPT_APPSECRET_FILE);
    ad_secret secret = {NULL, 0};
    wxtp_error *error = NULL;
    int code = AD_EXIT_OK;

    if (file)
        code = ad_secret_from_file(&secret, file, "--appsecret-file", &app->failure);
    if (code != AD_EXIT_OK)
        return code;
    wxtp_status status =
        wxtp_tenant_add_own(app->platform, appid, secret.text, account(app), certified(app), &error);
    ad_secret_free(&secret);
    return status == WXTP_OK ? ad_tenant_print_declared(app, appid)
                             : ad_fail_take(&app->failure, status, &error);
}

/* Later commands run in other folders. */
static char *absolute(const char *path)
{
    char *text = NULL, *folder;

    if (*path == '/')
        return strdup(path);
    folder = getcwd(NULL, 0);
    if (folder && asprintf(&text, "%s/%s", folder, path) < 0)
        text = NULL;
    free(folder);
    return text;
}

int ad_tenant_add_cloud(ad_app *app)
{
    const char *appid = ad_text(app, OPT_APPID), *file = ad_text(app, OPT_TOKEN_FILE);
    bool of_platform = ad_given(app, OPT_OF_PLATFORM);
    char *path = NULL;
    wxtp_error *error = NULL;

    if (file) {
        path = absolute(file);
        if (!path)
            return ad_fail_nomem(&app->failure);
    }
    wxtp_status status =
        wxtp_tenant_add_cloud(app->platform, appid, path, of_platform, account(app), certified(app), &error);
    free(path);
    return status == WXTP_OK ? ad_tenant_print_declared(app, appid)
                             : ad_fail_take(&app->failure, status, &error);
}

/* One page: a row more than asked for tells whether there is a next one. */
typedef struct page {
    ad_list list;
    size_t left;
    char last[72];
    bool more;
} page;

static bool on_tenant(void *user, const wxtp_tenant *tenant)
{
    page *p = user;

    if (p->left == 0) {
        p->more = true;
        return false;
    }
    p->left--;
    ad_copy(p->last, sizeof p->last, wxtp_tenant_appid(tenant));
    ad_list_tenant(&p->list, tenant);
    return ad_output_ok(p->list.app);
}

enum { PAGE_MAX = 5000 };

/* Long lists are read in several pages of the library. */
static int read_pages(ad_app *app, page *p)
{
    const char *word = ad_text(app, OPT_CERTIFIED), *after = ad_text(app, OPT_AFTER);
    int status_wanted = ad_tenant_status_of_word(ad_text(app, OPT_STATUS));
    int certified_wanted = word ? strcmp(word, "yes") == 0 : -1;
    char cursor[72];

    for (;;) {
        size_t before = p->left, ask = before < PAGE_MAX ? before + 1 : PAGE_MAX;
        wxtp_error *error = NULL;
        wxtp_status status = wxtp_tenant_list(app->platform, status_wanted, certified_wanted, after, ask,
                                              on_tenant, p, &error);
        if (status != WXTP_OK)
            return ad_fail_take(&app->failure, status, &error);
        if (p->more || before - p->left < ask || !ad_output_ok(app))
            return AD_EXIT_OK;
        memcpy(cursor, p->last, sizeof cursor);
        after = cursor;
    }
}

int ad_tenant_list(ad_app *app)
{
    page p = {.left = (size_t)ad_number(app, OPT_LIMIT, 100)};
    int code;

    ad_list_init(&p.list, app, "tenants", ad_tenant_headings, AD_TENANT_COLUMNS);
    code = read_pages(app, &p);
    return ad_list_close(&p.list, code, p.more ? p.last : NULL);
}

int ad_tenant_show(ad_app *app)
{
    return ad_tenant_print_appid(app, app->line.args[0]);
}

/* Failures are kept in a file until the counts are known. */
typedef struct syncing {
    ad_app *app;
    ad_progress progress;
    FILE *failed;
    ad_json json;
    int64_t failures;
    ad_failure worst;
} syncing;

static void on_failed(void *user, const char *appid, const wxtp_error *error)
{
    syncing *s = user;
    ad_failure failure;
    const char *kind = wxtp_error_kind(error);

    ad_fail(&failure, ad_exit_of(wxtp_error_status(error), kind), kind, wxtp_error_hint(error), "%s",
            wxtp_error_message(error));
    failure.errcode = wxtp_error_errcode(error);
    ad_copy(failure.rid, sizeof failure.rid, wxtp_error_rid(error));
    ad_copy(failure.tenant, sizeof failure.tenant, appid);
    ad_failure_keep_worst(&s->worst, &failure);
    s->failures++;
    if (s->app->json) {
        ad_json_object(&s->json, NULL);
        ad_json_string(&s->json, "tenant", appid);
        ad_failure_json(&s->json, "error", &failure);
        ad_json_end_object(&s->json);
    } else {
        fprintf(s->failed, "failed: %s: %s\n", appid, failure.message);
    }
}

static bool on_synced(void *user, int64_t done, int64_t total)
{
    syncing *s = user;

    ad_progress_show(&s->progress, done, total, s->failures);
    return true; /* a signal stops the platform, which knows whether something is left undone */
}

static void print_sync(syncing *s, const wxtp_sync_result *result)
{
    ad_app *app = s->app;

    if (!app->json) {
        ad_field_int(app, "synced", result->synced);
        ad_field_int(app, "added", result->added);
        ad_field_int(app, "repaired", result->repaired);
        ad_field_int(app, "unauthorized", result->unauthorized);
        ad_field_int(app, "failed", s->failures);
        ad_spool_copy(s->failed, app->out);
        return;
    }
    fprintf(app->out, "{\"synced\":%lld,\"added\":%lld,\"repaired\":%lld,\"unauthorized\":%lld,\"failed\":[",
            (long long)result->synced, (long long)result->added, (long long)result->repaired,
            (long long)result->unauthorized);
    ad_spool_copy(s->failed, app->out);
    fputs("]}\n", app->out);
}

static int sync_tenants(ad_app *app, syncing *s)
{
    wxtp_sync_result result = {.struct_size = sizeof result};
    wxtp_error *error = NULL;
    bool all = ad_given(app, OPT_ALL);

    ad_progress_begin(&s->progress, app, "tenants");
    wxtp_status status =
        wxtp_tenant_sync(app->platform, all ? NULL : (const char *const *)app->line.args,
                         all ? 0 : (size_t)app->line.arg_count, on_failed, on_synced, s, &result, &error);
    ad_progress_end(&s->progress);
    int64_t touched = result.synced + result.added + result.repaired + result.unauthorized + s->failures;
    if (!ad_spool_ok(s->failed)) {
        wxtp_error_free(error);
        return ad_spool_fail(&app->failure);
    }
    if (status == WXTP_OK || touched > 0)
        print_sync(s, &result);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    app->failure = s->worst;
    return s->worst.exit_code;
}

int ad_check_tenant_sync(ad_app *app)
{
    if (ad_given(app, OPT_ALL) == (app->line.arg_count > 0))
        return ad_fail_usage(&app->failure, "wxtp-admin tenant sync --all", "name tenants, or give --all");
    return AD_EXIT_OK;
}

int ad_tenant_sync(ad_app *app)
{
    syncing *s;
    int code;

    s = calloc(1, sizeof *s);
    if (!s)
        return ad_fail_nomem(&app->failure);
    s->app = app;
    s->failed = ad_spool();
    if (s->failed) {
        ad_json_init(&s->json, s->failed);
        code = sync_tenants(app, s);
        fclose(s->failed);
    } else {
        code = ad_spool_fail(&app->failure);
    }
    free(s);
    return code;
}

int ad_tenant_set(ad_app *app)
{
    const char *appid = app->line.args[0];
    wxtp_error *error = NULL;

    wxtp_status status = wxtp_tenant_set_certified(app->platform, appid, certified(app), &error);
    return status == WXTP_OK ? ad_tenant_print_appid(app, appid)
                             : ad_fail_take(&app->failure, status, &error);
}

int ad_tenant_reconnect(ad_app *app)
{
    const char *appid = app->line.args[0];
    wxtp_tenant *tenant = NULL;
    wxtp_error *error = NULL;
    int64_t expires_in_s = 0;
    char *url = NULL;

    wxtp_status status = wxtp_tenant_get(app->platform, appid, &tenant, &error);
    /* A cloud account with the platform's token is the platform's to authorize. */
    bool alone = status == WXTP_OK && wxtp_tenant_credential(tenant) != WXTP_CREDENTIAL_AUTHORIZER &&
                 strcmp(wxtp_tenant_basis(tenant), "profile") != 0 && !wxtp_tenant_has_profile(tenant);
    wxtp_tenant_free(tenant);
    if (alone)
        return ad_fail_usage(&app->failure,
                             "it is called with a credential of its own, and needs no authorization",
                             "%s does not authorize a platform", appid);
    if (status == WXTP_OK)
        status = wxtp_authorize_url(app->platform, ad_text(app, OPT_REDIRECT_URI), ad_given(app, OPT_MOBILE),
                                    0, appid, &url, &expires_in_s, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    ad_print_link(app, appid, url, expires_in_s);
    wxtp_free(url);
    return AD_EXIT_OK;
}

int ad_check_tenant_remove(ad_app *app)
{
    return ad_ask_check(app);
}

int ad_tenant_remove(ad_app *app)
{
    const char *appid = app->line.args[0];
    wxtp_tenant *tenant = NULL;
    wxtp_error *error = NULL;
    ad_json json;
    char question[128];

    wxtp_status status = wxtp_tenant_get(app->platform, appid, &tenant, &error);
    wxtp_tenant_free(tenant);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    snprintf(question, sizeof question, "Forget tenant %.63s and its tokens?", appid);
    int code = ad_ask(app, question, "nothing was removed");
    if (code != AD_EXIT_OK)
        return code;
    status = wxtp_tenant_remove(app->platform, appid, ad_given(app, OPT_FORCE), &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (app->json) {
        ad_json_init(&json, app->out);
        ad_json_object(&json, NULL);
        ad_json_string(&json, "tenant", appid);
        ad_json_bool(&json, "removed", true);
        ad_json_end_object(&json);
        ad_json_line_end(&json);
    } else {
        ad_field(app, "removed", appid);
    }
    return AD_EXIT_OK;
}
