/* wxtp-admin: administers the tenants of a WeChat third-party platform. */
#include "commands.h"
#include "curl.h"
#include "database.h"
#include "last_words.h"
#include "output.h"
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

int ad_serve(ad_app *app)
{
    return ad_fail_usage(
        &app->failure,
        "let your web server hand each push to wxtp-admin callback, and run wxtp-admin token refresh "
        "--due from a timer",
        "serve is not in this version");
}

/* Else a database could be opened as number 1, and results be written into it. */
static bool open_standard_files(void)
{
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            return false;
    }
    return true;
}

static void set_locale(void)
{
    /* Only what tells how wide characters are; numbers stay as they are. */
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static int take_secrets(ad_app *app)
{
    int code = ad_secret_from_environment(&app->appsecret, "WXTP_COMPONENT_APPSECRET", &app->failure);

    if (code == AD_EXIT_OK)
        code = ad_secret_from_environment(&app->push_token, "WXTP_TOKEN", &app->failure);
    if (code == AD_EXIT_OK)
        code = ad_secret_from_environment(&app->aes_key, "WXTP_ENCODING_AES_KEY", &app->failure);
    return code;
}

static int print_version(ad_app *app)
{
    bool bug = wxtp_sqlite_has_wal_reset_bug();
    ad_json json;

    if (app->json) {
        ad_json_init(&json, app->out);
        ad_json_object(&json, NULL);
        ad_json_string(&json, "version", wxtp_version());
        ad_json_string(&json, "sqlite", wxtp_sqlite_version());
        ad_json_bool(&json, "sqlite_wal_reset_fixed", !bug);
        ad_json_end_object(&json);
        ad_json_line_end(&json);
        return AD_EXIT_OK;
    }
    fprintf(app->out, "wxtp-admin %s\n", wxtp_version());
    if (ad_given(app, OPT_VERBOSE))
        fprintf(app->out, "SQLite %s, %s\n", wxtp_sqlite_version(),
                bug ? "without the fix of the WAL-reset bug (the store works around it)"
                    : "with the fix of the WAL-reset bug");
    return AD_EXIT_OK;
}

static int open_for(ad_app *app, const ad_command *command)
{
    int code = ad_database_resolve(app);

    if (code != AD_EXIT_OK || command->database == AD_DB_BY_ITSELF)
        return code;
    if (command->database == AD_DB_EXISTING && !ad_database_there(app))
        return ad_fail(&app->failure, AD_EXIT_USAGE, "not_found", "check --db", "database %s does not exist",
                       app->db_path);
    code = ad_database_open(app, command->database == AD_DB_EXISTING ? AD_OPEN_MIGRATE : AD_OPEN_CREATE);
    return code == AD_EXIT_OK ? ad_need_component(app, command->component) : code;
}

static int run_command(ad_app *app)
{
    int code = ad_line_check(&app->line, &app->failure);

    if (code == AD_EXIT_OK && app->line.command->check)
        code = app->line.command->check(app);
    if (code == AD_EXIT_OK && ad_given(app, OPT_OUTPUT_CURL))
        code = ad_curl_check(app);
    if (code != AD_EXIT_OK)
        return code;
    code = open_for(app, app->line.command);
    if (code == AD_EXIT_OK && ad_signal_seen())
        code = ad_fail_interrupted(&app->failure);
    if (code != AD_EXIT_OK)
        return code;
    return ad_given(app, OPT_OUTPUT_CURL) ? ad_curl_run(app) : app->line.command->run(app);
}

static int run_line(ad_app *app, int argc, char **argv)
{
    const char *problem = ad_table_problem();
    int code;

    if (problem)
        return ad_fail(&app->failure, AD_EXIT_INTERNAL, "internal", NULL,
                       "the table of commands is wrong at %s", problem);
    code = ad_line_parse(&app->line, argc, argv, &app->failure);
    if (code != AD_EXIT_OK)
        return code;
    app->json = ad_given(app, OPT_JSON);
    app->lines = ad_given(app, OPT_JSON) && strcmp(ad_text(app, OPT_JSON), "lines") == 0;
    app->color = ad_color_wanted(app, STDOUT_FILENO);
    if (ad_given(app, OPT_HELP)) {
        ad_help(&app->line, app->out);
        return AD_EXIT_OK;
    }
    return ad_given(app, OPT_VERSION) ? print_version(app) : run_command(app);
}

static void free_app(ad_app *app)
{
    ad_secret_free(&app->appsecret);
    ad_secret_free(&app->push_token);
    ad_secret_free(&app->aes_key);
    free(app->db_path);
    free(app->key_path);
    free(app->api_base);
    free(app->cloud_base);
}

int main(int argc, char **argv)
{
    ad_app app = {0};
    int code, stopped_code = 0;

    /* No core file, and no other program of this user looks into our memory. */
    (void)prctl(PR_SET_DUMPABLE, 0);
    bool stopped = ad_last_words_take(&argc, &argv, &stopped_code);
    app.umask = umask(077);
    if (!open_standard_files())
        return AD_EXIT_INTERNAL;
    set_locale();
    app.json = ad_line_wants_json(argc, argv);
    ad_signals_install(app.json);
    if (argc > 1 && strcmp(argv[1], "__complete") == 0) { /* what the shell's completion asks */
        ad_complete(argv + 2, argc - 2, stdout);
        return AD_EXIT_OK;
    }
    code = ad_output_open(&app);
    if (code == AD_EXIT_OK)
        code = take_secrets(&app);
    if (code == AD_EXIT_OK)
        code = run_line(&app, argc, argv);
    ad_database_close(&app);
    code = ad_output_close(&app, code);
    if (stopped)
        code = ad_last_words_fail(&app, stopped_code);
    if (code != AD_EXIT_OK)
        ad_failure_print(&app.failure, app.json);
    free_app(&app);
    return code;
}
