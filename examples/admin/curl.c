#include "curl.h"
#include "commands.h"
#include "openid_file.h"
#include "output.h"
#include <stdlib.h>
#include <string.h>

enum { OPENIDS = 20, OPENID = 64 };

typedef int show(ad_app *app);

/* What of the shell is special within double quotes; the token's variable is meant to be. */
static void put_double_quoted(FILE *to, const char *text)
{
    static const char variable[] = "$TOKEN";

    fputc('"', to);
    for (; *text; text++) {
        bool ours = strncmp(text, variable, sizeof variable - 1) == 0;
        if (strchr("\"\\`$", *text) && !ours)
            fputc('\\', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void put_single_quoted(FILE *to, const char *text)
{
    fputc('\'', to);
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", to);
        else
            fputc(*text, to);
    }
    fputc('\'', to);
}

static void put_command(FILE *to, const char *url, const char *body, const char *between)
{
    fputs("curl -sS -X POST ", to);
    put_double_quoted(to, url);
    fprintf(to, "%s-H 'Content-Type: application/json; charset=utf-8'%s--data-raw ", between, between);
    put_single_quoted(to, body);
}

static int print_command(ad_app *app, const char *url, const char *body)
{
    char *text = NULL;
    size_t size;
    ad_json json;

    if (!app->json) {
        put_command(app->out, url, body, " \\\n  ");
        fputc('\n', app->out);
        return AD_EXIT_OK;
    }
    FILE *memory = open_memstream(&text, &size);
    if (!memory)
        return ad_fail_nomem(&app->failure);
    put_command(memory, url, body, " ");
    if (fclose(memory) != 0) {
        free(text);
        return ad_fail_nomem(&app->failure);
    }
    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    ad_json_string(&json, "curl", text);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
    free(text);
    return AD_EXIT_OK;
}

static int finish(ad_app *app, wxtp_status status, char *url, char *body, wxtp_error **error)
{
    int code = status == WXTP_OK ? print_command(app, url, body) : ad_fail_take(&app->failure, status, error);

    wxtp_free(url);
    wxtp_free(body);
    return code;
}

/* ---- Lists ---- */

typedef struct batch {
    char texts[OPENIDS][OPENID + 1];
    const char *openids[OPENIDS];
    size_t count;
} batch;

static bool can_be_openid(const char *text, size_t len)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

    for (size_t i = 0; i < len; i++) {
        if (!text[i] || !strchr(letters, text[i]))
            return false;
    }
    return len > 0 && len <= OPENID;
}

static void add(batch *first, const char *openid, size_t len)
{
    char *text = first->texts[first->count];

    if (!can_be_openid(openid, len))
        return;
    memcpy(text, openid, len);
    text[len] = '\0';
    for (size_t i = 0; i < first->count; i++) {
        if (strcmp(first->openids[i], text) == 0)
            return;
    }
    first->openids[first->count++] = text;
}

/* The first of the calls that the list would make. */
static int read_batch(ad_app *app, ad_openids *openids, batch *first)
{
    const char *openid;
    size_t len;

    while (first->count < OPENIDS && ad_openids_read(openids, &openid, &len) > 0)
        add(first, openid, len);
    if (openids->failed)
        return ad_lines_fail(&openids->lines, &app->failure);
    if (first->count == 0)
        return ad_fail_usage(&app->failure, "name at least one openid", "there is no openid to send");
    return AD_EXIT_OK;
}

static int show_batch(ad_app *app, const char *call, ad_openids *openids, batch *first)
{
    char *url = NULL, *body = NULL;
    wxtp_error *error = NULL;

    int code = ad_openids_open(openids, app->line.args + 1, app->line.arg_count - 1, ad_text(app, OPT_FILE),
                               &app->failure);
    if (code != AD_EXIT_OK)
        return code;
    code = read_batch(app, openids, first);
    ad_openids_close(openids);
    if (code != AD_EXIT_OK)
        return code;
    wxtp_status status = wxtp_call_preview(app->platform, app->line.args[0], call, first->openids,
                                           first->count, NULL, &url, &body, &error);
    return finish(app, status, url, body, &error);
}

static int show_list(ad_app *app, const char *call)
{
    ad_openids *openids = malloc(sizeof *openids);
    batch *first = calloc(1, sizeof *first);

    int code = openids && first ? show_batch(app, call, openids, first) : ad_fail_nomem(&app->failure);
    free(openids);
    free(first);
    return code;
}

static int show_unblacklist(ad_app *app)
{
    return show_list(app, "batchUnblacklist");
}

static int show_blacklist_add(ad_app *app)
{
    return show_list(app, "batchBlacklist");
}

static int show_blacklist(ad_app *app)
{
    char *url = NULL, *body = NULL;
    wxtp_error *error = NULL;

    wxtp_status status = wxtp_call_preview(app->platform, app->line.args[0], "getBlacklist", NULL, 0,
                                           "{\"begin_openid\":\"\"}", &url, &body, &error);
    return finish(app, status, url, body, &error);
}

/* ---- The platform's own ---- */

static int show_platform_call(ad_app *app, const char *call, const char *appid)
{
    char *url = NULL, *body = NULL;
    wxtp_error *error = NULL;

    wxtp_status status = wxtp_platform_preview(app->platform, call, appid, &url, &body, &error);
    return finish(app, status, url, body, &error);
}

static int show_preauthcode(ad_app *app)
{
    return show_platform_call(app, "api_create_preauthcode", NULL);
}

static int show_info(ad_app *app)
{
    return show_platform_call(app, "api_get_authorizer_info", app->line.args[0]);
}

/* ---- Which ---- */

static show *shown_for(const ad_command *command)
{
    static const struct {
        ad_run *run;
        show *show;
    } commands[] = {{ad_unblacklist, show_unblacklist},      {ad_blacklist_add, show_blacklist_add},
                    {ad_blacklist_list, show_blacklist},     {ad_authorize_url, show_preauthcode},
                    {ad_tenant_reconnect, show_preauthcode}, {ad_tenant_sync, show_info}};

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (commands[i].run == command->run)
            return commands[i].show;
    }
    return NULL;
}

int ad_curl_check(ad_app *app)
{
    const ad_command *command = app->line.command;
    const char *hint =
        "it goes with unblacklist, blacklist add, blacklist list, authorize-url, tenant reconnect and "
        "tenant sync APPID";

    if (!shown_for(command))
        return ad_fail_usage(&app->failure, hint, "--output-curl: %s%s%s makes no one call that can be shown",
                             command->group ? command->group : "", command->group ? " " : "", command->name);
    if (ad_given(app, OPT_BATCH) || (command->run == ad_tenant_sync && app->line.arg_count != 1))
        return ad_fail_usage(&app->failure, "name one APPID", "--output-curl shows one call of one tenant");
    return AD_EXIT_OK;
}

int ad_curl_run(ad_app *app)
{
    return shown_for(app->line.command)(app);
}
