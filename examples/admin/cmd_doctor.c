#include "commands.h"
#include "database.h"
#include "output.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct check {
    char *name, *kind, *detail, *hint;
    wxtp_check_status status;
} check;

typedef struct checks {
    check *rows;
    size_t count, failed;
    bool no_memory;
} checks;

static void add(void *user, const char *name, wxtp_check_status status, const char *kind, const char *detail,
                const char *hint)
{
    checks *all = user;
    check *rows = realloc(all->rows, (all->count + 1) * sizeof *rows);

    if (!rows) {
        all->no_memory = true;
        return;
    }
    all->rows = rows;
    check *row = &rows[all->count++];
    row->name = strdup(name);
    row->kind = strdup(kind && *kind ? kind : "configuration");
    row->detail = strdup(detail ? detail : "");
    row->hint = strdup(hint ? hint : "");
    row->status = status;
    all->no_memory = all->no_memory || !row->name || !row->kind || !row->detail || !row->hint;
    all->failed += status == WXTP_CHECK_FAIL ? 1 : 0;
}

static void add_sqlite(checks *all)
{
    char text[160];
    bool bug = wxtp_sqlite_has_wal_reset_bug();

    snprintf(text, sizeof text, "SQLite %s %s", wxtp_sqlite_version(),
             bug ? "has the WAL-reset bug; the store works around it" : "has no WAL-reset bug");
    add(all, "sqlite", bug ? WXTP_CHECK_WARN : WXTP_CHECK_OK, "", text,
        bug ? "use SQLite 3.51.3, 3.50.7, 3.44.6 or newer" : "");
}

/* What can be said without an open platform; `app->failure` tells why it is not open. */
static void examine_closed(ad_app *app, checks *all)
{
    bool key = strcmp(app->failure.kind, "key") == 0;

    add_sqlite(all);
    if (!ad_database_there(app)) {
        char text[512];
        snprintf(text, sizeof text, "there is none at %s", app->db_path);
        add(all, "database", WXTP_CHECK_FAIL, "store", text,
            "check --db, or make one with wxtp-admin platform set");
        return;
    }
    if (key)
        add(all, "database", WXTP_CHECK_OK, "", app->db_path, "");
    add(all, key ? "key" : "database", WXTP_CHECK_FAIL, app->failure.kind, app->failure.message,
        app->failure.hint);
}

static const char *word(wxtp_check_status status)
{
    return status == WXTP_CHECK_OK ? "ok" : status == WXTP_CHECK_WARN ? "warn" : "fail";
}

static void print_json(ad_app *app, const checks *all)
{
    ad_json json;

    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    ad_json_bool(&json, "ok", all->failed == 0);
    ad_json_array(&json, "checks");
    for (size_t i = 0; i < all->count; i++) {
        ad_json_object(&json, NULL);
        ad_json_string(&json, "name", all->rows[i].name);
        ad_json_string(&json, "status", word(all->rows[i].status));
        ad_json_string(&json, "detail", all->rows[i].detail);
        ad_json_string(&json, "hint", all->rows[i].hint);
        ad_json_end_object(&json);
    }
    ad_json_end_array(&json);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}

static void print_lines(ad_app *app, const checks *all)
{
    static const char *const colors[] = {"\033[32m", "\033[33m", "\033[31m"};

    for (size_t i = 0; i < all->count; i++) {
        const check *row = &all->rows[i];
        fprintf(app->out, "%s%-4s%s %s: ", app->color ? colors[row->status] : "", word(row->status),
                app->color ? "\033[0m" : "", row->name);
        ad_put_text(app->out, row->detail);
        if (*row->hint) {
            fputs(" (", app->out);
            ad_put_text(app->out, row->hint);
            fputc(')', app->out);
        }
        fputc('\n', app->out);
    }
}

static void fail_by_first(ad_app *app, const checks *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const check *row = &all->rows[i];
        if (row->status != WXTP_CHECK_FAIL)
            continue;
        ad_fail(&app->failure, AD_EXIT_INTERNAL, row->kind, row->hint, "%zu of %zu checks failed: %s: %s",
                all->failed, all->count, row->name, row->detail);
        return;
    }
}

static int tell(ad_app *app, const checks *all)
{
    if (all->no_memory)
        return ad_fail_nomem(&app->failure);
    if (app->json)
        print_json(app, all);
    else
        print_lines(app, all);
    if (all->failed == 0)
        return AD_EXIT_OK;
    if (app->failure.exit_code == AD_EXIT_OK) /* else it tells already why nothing could be opened */
        fail_by_first(app, all);
    app->failure.exit_code = AD_EXIT_INTERNAL;
    return AD_EXIT_INTERNAL;
}

int ad_doctor(ad_app *app)
{
    checks all = {0};
    wxtp_error *error = NULL;
    int code = ad_database_open(app, AD_OPEN_AS_IS);

    if (code == AD_EXIT_OK) {
        wxtp_status status = wxtp_platform_diagnose(app->platform, add, &all, &error);
        if (status == WXTP_ERR_INTERRUPTED)
            code = ad_fail_take(&app->failure, status, &error);
        else if (status != WXTP_OK)
            add(&all, "diagnosis", WXTP_CHECK_FAIL, error ? wxtp_error_kind(error) : "internal",
                error ? wxtp_error_message(error) : wxtp_status_name(status),
                error ? wxtp_error_hint(error) : "");
        wxtp_error_free(error);
    } else {
        examine_closed(app, &all);
        code = AD_EXIT_OK;
    }
    int told = tell(app, &all);
    for (size_t i = 0; i < all.count; i++) {
        free(all.rows[i].name);
        free(all.rows[i].kind);
        free(all.rows[i].detail);
        free(all.rows[i].hint);
    }
    free(all.rows);
    return code != AD_EXIT_OK ? code : told;
}
