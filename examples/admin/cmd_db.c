#include "commands.h"
#include "database.h"
#include "output.h"
#include "spool.h"
#include <string.h>
#include <unistd.h>

typedef struct problems {
    ad_app *app;
    FILE *found; /* one JSON string or line each, until it is known whether there are any */
    ad_json json;
    size_t count;
} problems;

static void on_problem(void *user, const char *text)
{
    problems *p = user;

    p->count++;
    if (p->app->json) {
        ad_json_string(&p->json, NULL, text);
    } else {
        ad_put_text(p->found, text);
        fputc('\n', p->found);
    }
}

static void print_problems(problems *p)
{
    ad_app *app = p->app;
    if (app->json)
        fprintf(app->out, "{\"ok\":%s,\"problems\":[", p->count == 0 ? "true" : "false");
    else if (p->count == 0)
        fputs("ok\n", app->out);
    ad_spool_copy(p->found, app->out);
    if (app->json)
        fputs("]}\n", app->out);
}

static int examine(problems *p)
{
    ad_app *app = p->app;
    wxtp_error *error = NULL;
    int code = ad_database_open(app, AD_OPEN_AS_IS);

    if (code != AD_EXIT_OK) {
        if (strcmp(app->failure.kind, "store") != 0)
            return code;
        on_problem(p, app->failure.message); /* what cannot even be opened is a problem too */
        print_problems(p);
        return code;
    }
    wxtp_status status = wxtp_platform_check_store(app->platform, on_problem, p, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (!ad_spool_ok(p->found))
        return ad_spool_fail(&app->failure);
    print_problems(p);
    if (p->count == 0)
        return AD_EXIT_OK;
    return ad_fail(&app->failure, AD_EXIT_INTERNAL, "store", "restore a backup: wxtp-admin db restore FILE",
                   "the database has %zu problems", p->count);
}

int ad_db_check(ad_app *app)
{
    problems p = {.app = app};

    if (!ad_database_there(app))
        return ad_fail(&app->failure, AD_EXIT_USAGE, "not_found", "check --db", "database %s does not exist",
                       app->db_path);
    p.found = ad_spool();
    if (!p.found)
        return ad_spool_fail(&app->failure);
    ad_json_init(&p.json, p.found);
    int code = examine(&p);
    fclose(p.found);
    return code;
}

/* A result of one path and perhaps one more. */
static void print_paths(ad_app *app, const char *name, const char *path, const char *other,
                        const char *other_path)
{
    ad_json json;

    if (!app->json) {
        ad_field(app, name, path);
        if (other)
            ad_field(app, other, other_path);
        return;
    }
    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    ad_json_bool(&json, "ok", true);
    ad_json_string(&json, name, path);
    if (other)
        ad_json_string(&json, other, other_path);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}

int ad_db_backup(ad_app *app)
{
    const char *path = app->line.args[0];
    wxtp_error *error = NULL;
    wxtp_status status = wxtp_platform_backup(app->platform, path, &error);

    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    print_paths(app, "backup", path, NULL, NULL);
    fprintf(stderr, "note: the master key is not in it: keep a copy of %s in another place\n", app->key_path);
    return AD_EXIT_OK;
}

int ad_db_restore(ad_app *app)
{
    const char *path = app->line.args[0];
    char message[512] = "";
    int code;

    if (access(path, F_OK) != 0)
        return ad_fail(&app->failure, AD_EXIT_USAGE, "not_found", "check the path",
                       "backup %s does not exist", path);
    if (ad_database_there(app))
        return ad_fail_usage(&app->failure, "name a new database with --db", "database %s exists already",
                             app->db_path);
    code = ad_database_folder(app);
    if (code != AD_EXIT_OK)
        return code;
    wxtp_sqlite_options options = {
        .struct_size = sizeof options, .path = app->db_path, .create = true, .migrate = true};
    wxtp_status status = wxtp_sqlite_restore(&options, path, message, sizeof message);
    if (status != WXTP_OK) {
        code = ad_exit_of(status, "");
        return ad_fail(&app->failure, code, code == AD_EXIT_USAGE ? "usage" : "store", NULL,
                       "%s cannot be restored: %s", path, *message ? message : wxtp_status_name(status));
    }
    print_paths(app, "database", app->db_path, NULL, NULL);
    if (access(app->key_path, F_OK) != 0)
        fprintf(stderr, "note: put its master key at %s\n", app->key_path);
    return AD_EXIT_OK;
}

int ad_db_migrate(ad_app *app)
{
    print_paths(app, "database", app->db_path, NULL, NULL); /* opening it has done the work */
    return AD_EXIT_OK;
}

int ad_db_rekey(ad_app *app)
{
    const char *path = ad_text(app, OPT_NEW_KEY_FILE);
    wxtp_error *error = NULL;

    if (!path)
        return ad_fail_usage(&app->failure, "see --help of the command", "--new-key-file is missing");
    wxtp_status status = wxtp_platform_rekey(app->platform, path, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    print_paths(app, "database", app->db_path, "master_key_file", path);
    fprintf(stderr, "note: from now on give --master-key-file %s, or move it to %s; destroy the old key\n",
            path, app->key_path);
    return AD_EXIT_OK;
}

int ad_db_prune(ad_app *app)
{
    int64_t deleted = 0;
    wxtp_error *error = NULL;
    wxtp_status status = wxtp_platform_prune(app->platform, &deleted, &error);

    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (app->json)
        fprintf(app->out, "{\"deleted\":%lld}\n", (long long)deleted);
    else
        ad_field_int(app, "deleted", deleted);
    return AD_EXIT_OK;
}
