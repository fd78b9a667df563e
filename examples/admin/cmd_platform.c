#include "commands.h"
#include "output.h"
#include "tenant_output.h"
#include <string.h>

enum { TICKET_LATE_MS = 30 * 60 * 1000, TICKET_LIFE_MS = 12 * 60 * 60 * 1000 };

static int read_one(ad_app *app, ad_option_id id, ad_secret *secret)
{
    const char *file = ad_text(app, id);
    char name[64];

    if (!file)
        return AD_EXIT_OK;
    ad_secret_free(secret); /* a file is said later than a variable */
    snprintf(name, sizeof name, "--%s", ad_options[id].name);
    return ad_secret_from_file(secret, file, name, &app->failure);
}

static const ad_option_id ids[] = {OPT_APPSECRET_FILE, OPT_TOKEN_FILE, OPT_AES_KEY_FILE};

int ad_check_platform_set(ad_app *app)
{
    int from_input = 0;

    for (size_t i = 0; i < 3; i++)
        from_input += ad_text(app, ids[i]) && strcmp(ad_text(app, ids[i]), "-") == 0;
    if (from_input > 1)
        return ad_fail_usage(&app->failure, "put the others into files",
                             "only one value can come from standard input");
    return AD_EXIT_OK;
}

static int read_secrets(ad_app *app)
{
    ad_secret *secrets[] = {&app->appsecret, &app->push_token, &app->aes_key};
    int code = AD_EXIT_OK;

    for (size_t i = 0; i < 3 && code == AD_EXIT_OK; i++)
        code = read_one(app, ids[i], secrets[i]);
    return code;
}

static const char *ticket_word(const wxtp_platform_facts *facts)
{
    if (!facts->has_ticket)
        return "none";
    if (facts->ticket_age_ms >= TICKET_LIFE_MS)
        return "expired";
    return facts->ticket_age_ms >= TICKET_LATE_MS ? "late" : "fresh";
}

static void print_json(ad_app *app, const wxtp_platform_facts *facts)
{
    ad_json json;

    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    ad_json_string(&json, "component_appid", facts->component_appid);
    ad_json_object(&json, "ticket");
    ad_json_string(&json, "state", ticket_word(facts));
    ad_json_time(&json, "received_at", facts->has_ticket ? facts->ticket_received_ms : 0);
    ad_json_end_object(&json);
    ad_json_object(&json, "component_token");
    ad_json_string(&json, "state", ad_token_state_word(facts->token_state));
    ad_json_int(&json, "version", facts->token_version);
    ad_json_time(&json, "expires_at", facts->token_expires_ms);
    ad_json_end_object(&json);
    ad_json_object(&json, "tenants");
    for (int i = 0; i < 4; i++)
        ad_json_int(&json, ad_tenant_status_word((wxtp_tenant_status)i), facts->tenants[i]);
    ad_json_end_object(&json);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}

static void print_lines(ad_app *app, const wxtp_platform_facts *facts)
{
    ad_field(app, "platform", facts->component_appid);
    ad_field(app, "ticket", ticket_word(facts));
    ad_field_time(app, "ticket received", facts->has_ticket ? facts->ticket_received_ms : 0);
    ad_field(app, "component token", ad_token_state_word(facts->token_state));
    ad_field_int(app, "token version", facts->token_version);
    ad_field_time(app, "token expires", facts->token_expires_ms);
    for (int i = 0; i < 4; i++)
        ad_field_int(app, ad_tenant_status_word((wxtp_tenant_status)i), facts->tenants[i]);
}

int ad_platform_show(ad_app *app)
{
    wxtp_platform_facts facts = {.struct_size = sizeof facts};
    wxtp_error *error = NULL;
    wxtp_status status = wxtp_platform_info(app->platform, &facts, &error);

    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (app->json)
        print_json(app, &facts);
    else
        print_lines(app, &facts);
    return AD_EXIT_OK;
}

int ad_platform_set(ad_app *app)
{
    const char *appid = ad_text(app, OPT_COMPONENT_APPID);
    wxtp_error *error = NULL;
    int code;

    code = read_secrets(app);
    if (code != AD_EXIT_OK)
        return code;
    wxtp_status status = wxtp_platform_set(app->platform, appid, app->appsecret.text, app->push_token.text,
                                           app->aes_key.text, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (strcmp(wxtp_platform_component(app->platform), appid) == 0)
        return ad_platform_show(app);
    if (app->json)
        fprintf(app->out, "{\"component_appid\":\"%s\"}\n",
                appid); /* the library took it: no character to escape */
    else
        ad_field(app, "platform", appid);
    return AD_EXIT_OK;
}

int ad_check_authorize_url(ad_app *app)
{
    if (ad_given(app, OPT_AUTH_TYPE) && ad_given(app, OPT_BIZ_APPID))
        return ad_fail_usage(&app->failure, "give one of them",
                             "--auth-type and --biz-appid exclude each other");
    return AD_EXIT_OK;
}

int ad_authorize_url(ad_app *app)
{
    const char *uri = ad_text(app, OPT_REDIRECT_URI);
    char *url = NULL;
    int64_t expires_in_s = 0;
    wxtp_error *error = NULL;

    wxtp_status status = wxtp_authorize_url(app->platform, uri, ad_given(app, OPT_MOBILE),
                                            (int)ad_number(app, OPT_AUTH_TYPE, 0),
                                            ad_text(app, OPT_BIZ_APPID), &url, &expires_in_s, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    ad_print_link(app, NULL, url, expires_in_s);
    wxtp_free(url);
    return AD_EXIT_OK;
}
