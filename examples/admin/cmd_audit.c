#include "commands.h"
#include "output.h"
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 8 };

static void put_json(ad_list *list, const wxtp_audit_row *row)
{
    ad_json *json = ad_list_row_begin(list);

    ad_json_int(json, "id", row->id);
    ad_json_time(json, "time", row->time_ms);
    ad_json_string(json, "tenant", row->appid);
    ad_json_string(json, "call", row->call);
    ad_json_string_or_null(json, "job", row->job_id);
    ad_json_int(json, "openids", row->openids);
    ad_json_int(json, "errcode", row->errcode);
    ad_json_string(json, "errmsg", row->errmsg ? row->errmsg : "");
    ad_json_string(json, "rid", row->rid ? row->rid : "");
    ad_json_int(json, "duration_ms", row->duration_ms);
    ad_json_int(json, "token_version", row->token_generation);
    ad_list_row_end(list);
}

/* The rid has its own column: "invalid openid rid: 1-2-3" without its end. */
static void without_rid(char *to, size_t size, const char *errmsg, const char *rid)
{
    static const char mark[] = "rid:";
    char *at, *after;

    ad_copy(to, size, errmsg);
    at = *rid ? strstr(to, rid) : NULL;
    if (!at)
        return;
    after = at + strlen(rid);
    while (at > to && at[-1] == ' ')
        at--;
    if ((size_t)(at - to) >= sizeof mark - 1 && strncmp(at - (sizeof mark - 1), mark, sizeof mark - 1) == 0)
        at -= sizeof mark - 1;
    while (at > to && strchr(" ,", at[-1]))
        at--;
    memmove(at, after, strlen(after) + 1);
}

typedef struct cells {
    char time[AD_TIME_SIZE], openids[24], errcode[24], duration[24], errmsg[1024];
    const char *texts[COLUMNS];
} cells;

static void write_cells(cells *to, const wxtp_audit_row *row)
{
    const char *rid = row->rid ? row->rid : "";

    ad_time_local(row->time_ms, to->time);
    without_rid(to->errmsg, sizeof to->errmsg, row->errmsg ? row->errmsg : "", rid);
    snprintf(to->openids, sizeof to->openids, "%lld", (long long)row->openids);
    snprintf(to->errcode, sizeof to->errcode, "%lld", (long long)row->errcode);
    snprintf(to->duration, sizeof to->duration, "%lld", (long long)row->duration_ms);
    const char *texts[COLUMNS] = {to->time,    row->appid, row->call, to->openids,
                                  to->errcode, to->errmsg, rid,       to->duration};
    memcpy(to->texts, texts, sizeof texts);
}

static bool on_row(void *user, const wxtp_audit_row *row)
{
    ad_list *list = user;
    cells told;

    if (ad_list_json(list)) {
        put_json(list, row);
        return ad_output_ok(list->app);
    }
    write_cells(&told, row);
    ad_list_row(list, told.texts);
    return ad_output_ok(list->app);
}

static const char *const headings[COLUMNS] = {"TIME",    "TENANT", "CALL", "OPENIDS",
                                              "ERRCODE", "ERRMSG", "RID",  "MS"};

int ad_check_since(ad_app *app)
{
    const char *since = ad_text(app, OPT_SINCE);
    int64_t since_ms;

    if (since && !ad_time_parse(since, ad_now_ms(), &since_ms))
        return ad_fail_usage(&app->failure, "write 2026-01-31T08:00:00Z, or an age as in 90m, 1h, 2d",
                             "--since: \"%.40s\" is no time", since);
    return AD_EXIT_OK;
}

int ad_check_audit(ad_app *app)
{
    if (ad_given(app, OPT_FOLLOW) && app->json && !app->lines)
        return ad_fail_usage(&app->failure, "give --json=lines",
                             "--follow has no end, so it cannot be one JSON document");
    return ad_check_since(app);
}

static int list_rows(ad_app *app, const wxtp_audit_choice *choice)
{
    wxtp_error *error = NULL;
    ad_list list;

    ad_list_init(&list, app, "audit", headings, COLUMNS);
    wxtp_status status = wxtp_audit_select(app->platform, choice, (size_t)ad_number(app, OPT_LIMIT, 100),
                                           on_row, &list, &error);
    int code = status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(&app->failure, status, &error);
    return ad_list_close(&list, code, NULL);
}

/* ---- Following ---- */

enum { WAIT_MS = 1000 };

typedef struct stream {
    ad_list list;
    int64_t position; /* id of the last row that was looked at */
} stream;

static bool keep_end(void *user, const wxtp_audit_row *row)
{
    *(int64_t *)user = row->id;
    return true;
}

/* A table's columns are set by all its rows, which are not here yet. */
static void print_row(ad_app *app, const char *const *texts)
{
    static const int widths[COLUMNS] = {19, 18, 24, 7, 7, 32, 26, 0};

    for (size_t i = 0; i < COLUMNS; i++) {
        int pad = widths[i] - (int)strlen(texts[i]);
        ad_put_text(app->out, texts[i]);
        if (i + 1 < COLUMNS)
            fprintf(app->out, "%*s ", pad > 0 ? pad : 0, "");
    }
    fputc('\n', app->out);
}

/* Each row is written before the next is looked at. */
static bool on_new_row(void *user, const wxtp_audit_row *row)
{
    stream *s = user;
    ad_app *app = s->list.app;
    cells told;

    if (ad_list_json(&s->list)) {
        put_json(&s->list, row);
    } else {
        write_cells(&told, row);
        print_row(app, told.texts);
    }
    if (row->id > s->position)
        s->position = row->id;
    fflush(app->out);
    return ad_output_ok(app);
}

/* Nobody reads any more: a pipe tells it though nothing is written. */
static bool reader_gone(const ad_app *app)
{
    struct pollfd out = {.fd = STDOUT_FILENO};

    return !ad_output_ok(app) || (poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLNVAL)));
}

static int follow(ad_app *app, const wxtp_audit_choice *choice)
{
    stream s = {.position = 0};
    const wxtp_audit_choice all = {.struct_size = sizeof all, .appid = choice->appid};
    wxtp_error *error = NULL;

    ad_list_init(&s.list, app, "audit", headings, COLUMNS);
    /* The end is looked for first: what comes in between is in the list, or behind the end. */
    wxtp_status status = wxtp_audit_select(app->platform, &all, 1, keep_end, &s.position, &error);
    if (status == WXTP_OK && !app->json)
        print_row(app, headings);
    if (status == WXTP_OK)
        status = wxtp_audit_select(app->platform, choice, (size_t)ad_number(app, OPT_LIMIT, 100), on_new_row,
                                   &s, &error);
    fflush(app->out);
    while (status == WXTP_OK && !ad_signal_seen() && !reader_gone(app))
        status = wxtp_audit_follow(app->platform, choice, &s.position, WAIT_MS, on_new_row, &s, &error);
    if (status == WXTP_OK || ad_signal_seen()) {
        wxtp_error_free(error);
        return AD_EXIT_OK; /* nothing is left undone */
    }
    return ad_fail_take(&app->failure, status, &error);
}

int ad_audit(ad_app *app)
{
    const char *since = ad_text(app, OPT_SINCE);
    wxtp_audit_choice choice = {.struct_size = sizeof choice,
                                .appid = ad_text(app, OPT_TENANT),
                                .by_errcode = ad_given(app, OPT_ERRCODE),
                                .errcode = ad_number(app, OPT_ERRCODE, 0)};

    if (since)
        ad_time_parse(since, ad_now_ms(), &choice.since_ms); /* it was checked */
    return ad_given(app, OPT_FOLLOW) ? follow(app, &choice) : list_rows(app, &choice);
}
