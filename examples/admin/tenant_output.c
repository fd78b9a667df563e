#include "tenant_output.h"
#include <stdlib.h>
#include <string.h>

const char *const ad_tenant_headings[AD_TENANT_COLUMNS] = {"APPID",     "NAME",       "ACCOUNT", "STATUS",
                                                           "CERTIFIED", "CREDENTIAL", "TOKEN"};

static const char *const status_words[] = {
    [WXTP_TENANT_AUTHORIZING] = "authorizing",
    [WXTP_TENANT_AUTHORIZED] = "authorized",
    [WXTP_TENANT_UNAUTHORIZED] = "unauthorized",
    [WXTP_TENANT_REAUTHORIZATION_REQUIRED] = "reauthorization_required",
};

const char *ad_tenant_status_word(wxtp_tenant_status status)
{
    return (size_t)status < sizeof status_words / sizeof status_words[0] ? status_words[status]
                                                                         : "unauthorized";
}

int ad_tenant_status_of_word(const char *word)
{
    for (int i = 0; word && i < (int)(sizeof status_words / sizeof status_words[0]); i++) {
        if (strcmp(status_words[i], word) == 0)
            return i;
    }
    return -1;
}

const char *ad_token_state_word(wxtp_token_state state)
{
    switch (state) {
    case WXTP_TOKEN_FRESH:
        return "fresh";
    case WXTP_TOKEN_DUE:
        return "due";
    case WXTP_TOKEN_EXPIRED:
        return "expired";
    case WXTP_TOKEN_NONE:
        break;
    }
    return "none";
}

static const char *account_word(wxtp_account account)
{
    switch (account) {
    case WXTP_ACCOUNT_SERVICE:
        return "service_account";
    case WXTP_ACCOUNT_SUBSCRIPTION:
        return "subscription_account";
    case WXTP_ACCOUNT_MINI_PROGRAM:
        return "mini_program";
    case WXTP_ACCOUNT_UNKNOWN:
    case WXTP_ACCOUNT_OTHER:
        break;
    }
    return "unknown";
}

static const char *credential_word(wxtp_credential credential)
{
    switch (credential) {
    case WXTP_CREDENTIAL_OWN:
        return "own";
    case WXTP_CREDENTIAL_CLOUD:
        return "cloud";
    case WXTP_CREDENTIAL_AUTHORIZER:
        break;
    }
    return "authorizer";
}

static void int_or_null(ad_json *json, const char *key, bool known, int value)
{
    if (known)
        ad_json_int(json, key, value);
    else
        ad_json_null(json, key);
}

void ad_tenant_members(ad_json *json, const wxtp_tenant *tenant)
{
    size_t count = 0;
    const int *sets = wxtp_tenant_permission_sets(tenant, &count);
    wxtp_tristate certified = wxtp_tenant_certified(tenant);

    ad_json_string(json, "authorizer_appid", wxtp_tenant_appid(tenant));
    ad_json_string(json, "nick_name", wxtp_tenant_nick_name(tenant));
    ad_json_string(json, "principal_name", wxtp_tenant_principal_name(tenant));
    ad_json_string(json, "user_name", wxtp_tenant_user_name(tenant));
    ad_json_string(json, "account", account_word(wxtp_tenant_account(tenant)));
    int_or_null(json, "service_type", wxtp_tenant_service_type(tenant) >= 0,
                wxtp_tenant_service_type(tenant));
    int_or_null(json, "verify_type", wxtp_tenant_has_profile(tenant), wxtp_tenant_verify_type(tenant));
    if (certified < 0)
        ad_json_null(json, "certified");
    else
        ad_json_bool(json, "certified", certified != 0);
    ad_json_string(json, "basis", wxtp_tenant_basis(tenant));
    ad_json_array(json, "permission_sets");
    for (size_t i = 0; i < count; i++)
        ad_json_int(json, NULL, sets[i]);
    ad_json_end_array(json);
    ad_json_string(json, "status", ad_tenant_status_word(wxtp_tenant_status_of(tenant)));
    ad_json_string(json, "credential", credential_word(wxtp_tenant_credential(tenant)));
    ad_json_object(json, "token");
    ad_json_string(json, "state", ad_token_state_word(wxtp_tenant_token_state(tenant)));
    ad_json_int(json, "version", wxtp_tenant_token_version(tenant));
    ad_json_time(json, "expires_at", wxtp_tenant_token_expires_ms(tenant));
    ad_json_end_object(json);
}

static const char *certified_word(const wxtp_tenant *tenant)
{
    wxtp_tristate certified = wxtp_tenant_certified(tenant);

    return certified < 0 ? "unknown" : certified ? "yes" : "no";
}

static void print_lines(ad_app *app, const wxtp_tenant *tenant)
{
    char text[256] = "";
    size_t count = 0, used = 0;
    const int *sets = wxtp_tenant_permission_sets(tenant, &count);

    ad_field(app, "appid", wxtp_tenant_appid(tenant));
    ad_field(app, "name", wxtp_tenant_nick_name(tenant));
    ad_field(app, "principal", wxtp_tenant_principal_name(tenant));
    ad_field(app, "user name", wxtp_tenant_user_name(tenant));
    ad_field(app, "account", account_word(wxtp_tenant_account(tenant)));
    if (wxtp_tenant_service_type(tenant) >= 0)
        ad_field_int(app, "service type", wxtp_tenant_service_type(tenant));
    if (wxtp_tenant_has_profile(tenant))
        ad_field_int(app, "verify type", wxtp_tenant_verify_type(tenant));
    snprintf(text, sizeof text, "%s (%s)", certified_word(tenant), wxtp_tenant_basis(tenant));
    ad_field(app, "certified", text);
    text[0] = '\0';
    for (size_t i = 0; i < count && used + 16 < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%d", i ? ", " : "", sets[i]);
    ad_field(app, "permission sets", text);
    ad_field(app, "status", ad_tenant_status_word(wxtp_tenant_status_of(tenant)));
    ad_field(app, "credential", credential_word(wxtp_tenant_credential(tenant)));
    ad_field(app, "token", ad_token_state_word(wxtp_tenant_token_state(tenant)));
    ad_field_int(app, "token version", wxtp_tenant_token_version(tenant));
    ad_field_time(app, "token expires", wxtp_tenant_token_expires_ms(tenant));
    ad_field_time(app, "profile read", wxtp_tenant_profile_ms(tenant));
}

/* Names are listed first: the gate is not asked from inside the visit. */
typedef struct names {
    char **rows;
    size_t count;
    bool no_memory;
} names;

static bool add_name(void *user, const char *call)
{
    names *all = user;
    char **rows = realloc(all->rows, (all->count + 1) * sizeof *rows);

    if (rows) {
        all->rows = rows;
        rows[all->count] = strdup(call);
    }
    all->no_memory = !rows || !rows[all->count];
    all->count += all->no_memory ? 0 : 1;
    return !all->no_memory;
}

static void put_verdict(ad_app *app, ad_json *json, const char *call, const wxtp_verdict_on_call *verdict)
{
    char text[512];

    if (!app->json) {
        snprintf(text, sizeof text, "%s%s%s%s%s%s", call, verdict->allowed ? ": allowed" : ": refused, ",
                 verdict->reason, *verdict->hint && !verdict->allowed ? " (" : "",
                 verdict->allowed ? "" : verdict->hint, *verdict->hint && !verdict->allowed ? ")" : "");
        ad_field(app, "call", text);
        return;
    }
    ad_json_object(json, call);
    ad_json_bool(json, "allowed", verdict->allowed);
    if (!verdict->allowed) {
        ad_json_string(json, "reason", verdict->reason);
        ad_json_string(json, "hint", verdict->hint);
    }
    ad_json_end_object(json);
}

static int print_calls(ad_app *app, ad_json *json, const char *appid, const names *all)
{
    for (size_t i = 0; i < all->count; i++) {
        wxtp_verdict_on_call verdict = {.struct_size = sizeof verdict};
        wxtp_error *error = NULL;
        wxtp_status status = wxtp_tenant_check(app->platform, appid, all->rows[i], &verdict, &error);
        if (status != WXTP_OK)
            return ad_fail_take(&app->failure, status, &error);
        put_verdict(app, json, all->rows[i], &verdict);
    }
    return AD_EXIT_OK;
}

int ad_tenant_print(ad_app *app, const wxtp_tenant *tenant)
{
    names all = {0};
    ad_json json;
    int code;

    wxtp_catalog_each(app->platform, add_name, &all);
    ad_json_init(&json, app->out);
    if (app->json) {
        ad_json_object(&json, NULL);
        ad_tenant_members(&json, tenant);
        ad_json_object(&json, "calls");
    } else {
        print_lines(app, tenant);
    }
    code = all.no_memory ? ad_fail_nomem(&app->failure)
                         : print_calls(app, &json, wxtp_tenant_appid(tenant), &all);
    if (app->json) {
        ad_json_end_object(&json);
        ad_json_end_object(&json);
        ad_json_line_end(&json);
    }
    while (all.count > 0)
        free(all.rows[--all.count]);
    free(all.rows);
    return code;
}

int ad_tenant_print_appid(ad_app *app, const char *appid)
{
    wxtp_tenant *tenant = NULL;
    wxtp_error *error = NULL;
    wxtp_status status = wxtp_tenant_get(app->platform, appid, &tenant, &error);
    int code = status == WXTP_OK ? ad_tenant_print(app, tenant) : ad_fail_take(&app->failure, status, &error);

    wxtp_tenant_free(tenant);
    return code;
}

static void print_members(ad_app *app, const wxtp_tenant *tenant)
{
    ad_json json;

    if (!app->json) {
        print_lines(app, tenant);
        return;
    }
    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    ad_tenant_members(&json, tenant);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}

/* Where the platform has a tenant of this appid too, the appid alone does not say which is meant: the gate
 * cannot be asked then. */
int ad_tenant_print_declared(ad_app *app, const char *appid)
{
    wxtp_tenant *own = NULL, *meant = NULL;
    wxtp_error *error = NULL;
    int code = AD_EXIT_OK;

    wxtp_status status = wxtp_tenant_get_own(app->platform, appid, &own, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    status = wxtp_tenant_get(app->platform, appid, &meant, NULL);
    if (status == WXTP_OK && wxtp_tenant_credential(meant) != WXTP_CREDENTIAL_AUTHORIZER)
        code = ad_tenant_print(app, own);
    else
        print_members(app, own);
    wxtp_tenant_free(own);
    wxtp_tenant_free(meant);
    return code;
}

void ad_list_tenant(ad_list *list, const wxtp_tenant *tenant)
{
    if (ad_list_json(list)) {
        ad_tenant_members(ad_list_row_begin(list), tenant);
        ad_list_row_end(list);
        return;
    }
    const char *cells[AD_TENANT_COLUMNS] = {wxtp_tenant_appid(tenant),
                                            wxtp_tenant_nick_name(tenant),
                                            account_word(wxtp_tenant_account(tenant)),
                                            ad_tenant_status_word(wxtp_tenant_status_of(tenant)),
                                            certified_word(tenant),
                                            credential_word(wxtp_tenant_credential(tenant)),
                                            ad_token_state_word(wxtp_tenant_token_state(tenant))};
    ad_list_row(list, cells);
}
