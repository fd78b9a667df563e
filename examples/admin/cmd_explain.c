#include "commands.h"
#include "output.h"
#include <string.h>

enum { CONDITIONS = 16 };

/* The library's own are borrowed for the visit alone. */
typedef struct condition {
    char name[32], value[192], source[128];
    wxtp_tristate holds;
    int64_t read_ms;
} condition;

typedef struct explanation {
    const char *appid, *call;
    wxtp_verdict_on_call verdict;
    condition conditions[CONDITIONS];
    size_t count;
    char *message; /* for the merchant; NULL: none is wanted */
} explanation;

static void keep(void *user, const wxtp_condition *from)
{
    explanation *told = user;

    if (told->count == CONDITIONS)
        return;
    condition *to = &told->conditions[told->count++];
    ad_copy(to->name, sizeof to->name, from->name);
    ad_copy(to->value, sizeof to->value, from->value);
    ad_copy(to->source, sizeof to->source, from->source);
    to->holds = from->holds;
    to->read_ms = from->read_ms;
}

static void print_json(ad_app *app, const explanation *told)
{
    ad_json json;

    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    ad_json_string(&json, "tenant", told->appid);
    ad_json_string(&json, "call", told->call);
    ad_json_bool(&json, "allowed", told->verdict.allowed);
    ad_json_string_or_null(&json, "reason", told->verdict.reason);
    ad_json_array(&json, "conditions");
    for (size_t i = 0; i < told->count; i++) {
        const condition *one = &told->conditions[i];
        ad_json_object(&json, NULL);
        ad_json_string(&json, "name", one->name);
        if (one->holds < 0)
            ad_json_null(&json, "holds");
        else
            ad_json_bool(&json, "holds", one->holds > 0);
        ad_json_string_or_null(&json, "value", one->value);
        ad_json_string_or_null(&json, "source", one->source);
        ad_json_time(&json, "read_at", one->read_ms);
        ad_json_end_object(&json);
    }
    ad_json_end_array(&json);
    ad_json_string_or_null(&json, "remedy", told->verdict.hint);
    if (told->message)
        ad_json_string(&json, "message", told->message);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}

/* "push authorized 0123456789ab", as push list shows it. */
static void short_source(const char *source, char *text, size_t size)
{
    const char *id = strrchr(source, ' ');
    bool push = strncmp(source, "push ", 5) == 0 && id && strlen(id) > AD_PUSH_ID;

    snprintf(text, size, "%.*s", push ? (int)(id - source) + 1 + AD_PUSH_ID : (int)strlen(source), source);
}

static void print_condition(ad_app *app, const condition *one, bool last)
{
    static const char *const words[] = {"?", "no", "yes"};
    char age[AD_TIME_SIZE], source[160];

    ad_time_age(one->read_ms, ad_now_ms(), age);
    short_source(one->source, source, sizeof source);
    fprintf(app->out, "%s %-3s %-15s ", last ? "`-" : "|-", words[one->holds + 1], one->name);
    ad_put_text(app->out, *one->value ? one->value : "-");
    if (*source)
        fprintf(app->out, " [%s%s%s]", source, *age ? ", " : "", age);
    fputc('\n', app->out);
}

static void print_lines(ad_app *app, const explanation *told)
{
    if (told->message) {
        fprintf(app->out, "%s\n", told->message);
        return;
    }
    fprintf(app->out, "%s for %s: %s%s\n", told->call, told->appid,
            told->verdict.allowed ? "allowed" : "refused, ", told->verdict.reason);
    for (size_t i = 0; i < told->count; i++)
        print_condition(app, &told->conditions[i], i + 1 == told->count);
    fprintf(app->out, "What to do: %s\n", told->verdict.allowed ? "nothing." : told->verdict.hint);
}

/* Under the name that the merchant knows it by. */
static int write_message(ad_app *app, explanation *told)
{
    wxtp_tenant *tenant = NULL;
    wxtp_error *error = NULL;
    const char *name = told->appid;

    if (wxtp_tenant_get(app->platform, told->appid, &tenant, NULL) == WXTP_OK &&
        *wxtp_tenant_nick_name(tenant))
        name = wxtp_tenant_nick_name(tenant);
    wxtp_status status = wxtp_merchant_message(app->platform, told->call, told->verdict.reason,
                                               ad_text(app, OPT_FOR_MERCHANT), name, &told->message, &error);
    wxtp_tenant_free(tenant);
    return status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(&app->failure, status, &error);
}

int ad_explain(ad_app *app)
{
    explanation told = {.appid = app->line.args[0],
                        .call = app->line.arg_count > 1 ? app->line.args[1] : "batchUnblacklist",
                        .verdict = {.struct_size = sizeof told.verdict}};
    wxtp_error *error = NULL;
    int code = AD_EXIT_OK;

    wxtp_status status = wxtp_tenant_explain(app->platform, told.appid, told.call,
                                             !ad_given(app, OPT_OFFLINE), &told.verdict, keep, &told, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (ad_given(app, OPT_FOR_MERCHANT))
        code = write_message(app, &told);
    if (code != AD_EXIT_OK)
        return code;
    if (app->json)
        print_json(app, &told);
    else
        print_lines(app, &told);
    wxtp_free(told.message);
    if (told.verdict.allowed)
        return AD_EXIT_OK;
    code =
        ad_fail(&app->failure, ad_exit_of_reason(told.verdict.reason), told.verdict.reason, told.verdict.hint,
                "%s is not allowed for %s: %s", told.call, told.appid, told.verdict.reason);
    ad_copy(app->failure.tenant, sizeof app->failure.tenant, told.appid);
    return code;
}
