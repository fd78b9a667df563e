#include "commands.h"
#include "output.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BODY_MAX = 1 << 20, EXCHANGE_MS = 3900 };

static int not_authentic(ad_app *app, const char *what)
{
    return ad_fail(&app->failure, AD_EXIT_CREDENTIALS, "signature",
                   "do not answer it; WeChat sends no such push", "%s", what);
}

/* Reads at most one byte more than may be. */
static int read_body(ad_app *app, char *body, size_t *len)
{
    const char *path = ad_text(app, OPT_BODY);
    bool input = !path || strcmp(path, "-") == 0;
    int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int code = AD_EXIT_OK;

    if (fd < 0)
        return ad_fail_file(&app->failure, "--body", path, errno);
    *len = 0;
    while (*len <= BODY_MAX) {
        ssize_t got = read(fd, body + *len, BODY_MAX + 1 - *len);
        if (got <= 0) {
            if (got < 0)
                code = ad_fail_file(&app->failure, "--body", input ? "standard input" : path, errno);
            break;
        }
        *len += (size_t)got;
    }
    if (!input)
        close(fd);
    if (code == AD_EXIT_OK && ad_signal_seen())
        code = ad_fail_interrupted(&app->failure);
    if (code == AD_EXIT_OK && *len > BODY_MAX && !ad_given(app, OPT_EXPLAIN))
        code = not_authentic(app, "the body is larger than 1 MiB");
    return code;
}

static const char *exchange_word(wxtp_exchange exchange)
{
    switch (exchange) {
    case WXTP_EXCHANGE_DONE:
        return "done";
    case WXTP_EXCHANGE_PENDING:
        return "pending";
    case WXTP_EXCHANGE_FAILED:
        return "failed";
    case WXTP_EXCHANGE_NONE:
        break;
    }
    return NULL;
}

static void print_json(ad_app *app, const wxtp_push *push, const char *exchange)
{
    ad_json json;

    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    ad_json_string(&json, "event", wxtp_push_event(push));
    ad_json_string(&json, "component_appid", wxtp_push_component(push));
    if (*wxtp_push_authorizer(push))
        ad_json_string(&json, "authorizer_appid", wxtp_push_authorizer(push));
    ad_json_time(&json, "create_time", wxtp_push_create_time_s(push) * 1000);
    ad_json_bool(&json, "applied", wxtp_push_applied(push));
    if (!wxtp_push_applied(push))
        ad_json_string(&json, "why", wxtp_push_why(push));
    if (exchange)
        ad_json_string(&json, "exchange", exchange);
    ad_json_string(&json, "reply", wxtp_push_reply(push));
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}

static void print_lines(ad_app *app, const wxtp_push *push, const char *exchange)
{
    ad_field(app, "event", wxtp_push_event(push));
    ad_field(app, "platform", wxtp_push_component(push));
    if (*wxtp_push_authorizer(push))
        ad_field(app, "tenant", wxtp_push_authorizer(push));
    ad_field_time(app, "created", wxtp_push_create_time_s(push) * 1000);
    ad_field(app, "applied", wxtp_push_applied(push) ? "yes" : "no");
    if (!wxtp_push_applied(push))
        ad_field(app, "why", wxtp_push_why(push));
    if (exchange)
        ad_field(app, "exchange", exchange);
    ad_field(app, "reply", wxtp_push_reply(push));
}

static int receive(ad_app *app, const char *query, const char *body, size_t len)
{
    wxtp_push *push = NULL;
    wxtp_exchange exchange = WXTP_EXCHANGE_NONE;
    wxtp_error *error = NULL;

    wxtp_status status = wxtp_push_receive(app->platform, query, body, len, &push, &error);
    /* What is out of form is a matter of the signature; this is authentic, and the store does not take it. */
    if (status == WXTP_ERR_INVALID || status == WXTP_ERR_TOO_LARGE) {
        int code = ad_fail(&app->failure, AD_EXIT_INTERNAL, "store", NULL, "%s",
                           error ? wxtp_error_message(error) : "the push could not be stored");
        wxtp_error_free(error);
        return code;
    }
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    /* The push is stored, and answered whatever becomes of what follows. */
    status = wxtp_push_finish(app->platform, push, EXCHANGE_MS, &exchange, &error);
    if (status != WXTP_OK && exchange == WXTP_EXCHANGE_NONE && status == WXTP_ERR_INTERRUPTED)
        exchange = WXTP_EXCHANGE_PENDING;
    if (app->json)
        print_json(app, push, exchange_word(exchange));
    else
        print_lines(app, push, exchange_word(exchange));
    wxtp_push_free(push);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    return AD_EXIT_OK;
}

/* ---- Explaining ---- */

enum { CHECKS = 20 };

typedef struct check {
    char name[32], detail[256], hint[512];
    wxtp_tristate ok;
} check;

typedef struct explanation {
    check checks[CHECKS];
    size_t count;
    bool accepted, would_apply;
} explanation;

static void keep_check(void *user, const wxtp_push_check *from)
{
    explanation *told = user;

    if (told->count == CHECKS)
        return;
    check *to = &told->checks[told->count++];
    ad_copy(to->name, sizeof to->name, from->name);
    ad_copy(to->detail, sizeof to->detail, from->detail);
    ad_copy(to->hint, sizeof to->hint, from->hint);
    to->ok = from->ok;
}

static void print_checks(ad_app *app, const explanation *told)
{
    static const char *const words[] = {"-", "FAIL", "ok"};
    ad_json json;

    if (!app->json) {
        for (size_t i = 0; i < told->count; i++) {
            const check *one = &told->checks[i];
            fprintf(app->out, "%-4s %-13s ", words[one->ok + 1], one->name);
            ad_put_text(app->out, one->detail);
            fputc('\n', app->out);
        }
        fprintf(app->out, "It would %s.\n",
                !told->accepted     ? "be refused"
                : told->would_apply ? "be applied"
                                    : "be answered, and change nothing");
        return;
    }
    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    ad_json_array(&json, "checks");
    for (size_t i = 0; i < told->count; i++) {
        const check *one = &told->checks[i];
        ad_json_object(&json, NULL);
        ad_json_string(&json, "name", one->name);
        if (one->ok < 0)
            ad_json_null(&json, "ok");
        else
            ad_json_bool(&json, "ok", one->ok > 0);
        ad_json_string(&json, "detail", one->detail);
        ad_json_string_or_null(&json, "hint", one->hint);
        ad_json_end_object(&json);
    }
    ad_json_end_array(&json);
    ad_json_bool(&json, "would_apply", told->would_apply);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}

static int explain(ad_app *app, const char *query, const char *body, size_t len)
{
    explanation told = {.count = 0};
    wxtp_error *error = NULL;

    wxtp_status status = wxtp_push_explain(app->platform, query, body, len, &told.accepted, &told.would_apply,
                                           keep_check, &told, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    print_checks(app, &told);
    for (size_t i = 0; !told.accepted && i < told.count; i++) {
        if (told.checks[i].ok == 0)
            return ad_fail(&app->failure, AD_EXIT_CREDENTIALS, "signature", told.checks[i].hint,
                           "the push would be refused: %s: %s", told.checks[i].name, told.checks[i].detail);
    }
    return AD_EXIT_OK;
}

/* WeChat gives up after 5 s and pushes again: better told that it failed than left waiting. */
int ad_check_callback(ad_app *app)
{
    app->busy_ms = 3000;
    return AD_EXIT_OK;
}

int ad_callback(ad_app *app)
{
    const char *query = ad_text(app, OPT_QUERY);
    size_t len = 0;

    char *body = malloc(BODY_MAX + 1);
    if (!body)
        return ad_fail_nomem(&app->failure);
    int code = read_body(app, body, &len);
    query += *query == '?';
    if (code == AD_EXIT_OK)
        code = ad_given(app, OPT_EXPLAIN) ? explain(app, query, body, len) : receive(app, query, body, len);
    explicit_bzero(body, len);
    free(body);
    return code;
}
