#include "database.h"
#include "progress.h"
#include "url.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLOSE_MS = 15000 };

static const char usual_api[] = "https://api.weixin.qq.com";
static const char usual_cloud[] = "http://api.weixin.qq.com";

static char *join(const char *a, const char *b)
{
    char *text = NULL;

    return asprintf(&text, "%s%s", a, b) < 0 ? NULL : text;
}

int ad_database_path(ad_app *app)
{
    const char *given = ad_text(app, OPT_DB), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (given) {
        const char *path = strncmp(given, "sqlite:", 7) == 0 ? given + 7 : given;
        if (path == given && strstr(given, "://"))
            return ad_fail_usage(&app->failure, "write sqlite:PATH or a path",
                                 "--db %s: no such kind of database", given);
        if (!*path || path[0] == ':' || path[strlen(path) - 1] == '/')
            return ad_fail_usage(&app->failure, "write sqlite:PATH or a path", "--db %s names no file",
                                 given);
        app->db_path = strdup(path);
    } else if (data && *data == '/') { /* a relative one is to be ignored, says the XDG specification */
        app->db_path = join(data, "/wxtp/wxtp.db");
    } else if (home && *home) {
        app->db_path = join(home, "/.local/share/wxtp/wxtp.db");
    } else {
        return ad_fail_usage(&app->failure, "give --db PATH, or set HOME",
                             "neither XDG_DATA_HOME nor HOME is set");
    }
    const char *key = ad_text(app, OPT_MASTER_KEY_FILE);
    if (app->db_path)
        app->key_path = key ? strdup(key) : join(app->db_path, ".key");
    return app->key_path ? AD_EXIT_OK : ad_fail_nomem(&app->failure);
}

static int bad_base(ad_app *app, const char *option, const char *text, const char *why)
{
    return ad_fail_usage(&app->failure, "https:// goes anywhere, http:// only to a loopback host", "%s %s %s",
                         option, text, why);
}

/* Cloud calls go to WeChat in the clear, inside WeChat's own network. */
static bool is_wechat(const ad_url *url)
{
    static const char domain[] = ".weixin.qq.com";
    size_t length = strlen(url->host);

    return length >= sizeof domain && strcmp(url->host + length - (sizeof domain - 1), domain) == 0;
}

static int resolve_bases(ad_app *app)
{
    const char *api_text = ad_text(app, OPT_API_BASE), *cloud_text = ad_text(app, OPT_CLOUD_BASE);
    ad_url api, cloud;

    api_text = api_text ? api_text : usual_api;
    const char *problem = ad_url_parse(&api, api_text);
    if (!problem && !api.https && !api.loopback)
        problem = "is http:// to a host that is not loopback";
    if (problem)
        return bad_base(app, "--api-base", api_text, problem);
    cloud_text = cloud_text ? cloud_text : api.loopback ? api.text : usual_cloud;
    problem = ad_url_parse(&cloud, cloud_text);
    if (!problem && !cloud.https && !cloud.loopback && !is_wechat(&cloud))
        problem = "is http:// to a host that is neither loopback nor WeChat's";
    if (problem)
        return bad_base(app, "--cloud-base", cloud_text, problem);
    app->api_base = strdup(api.text);
    app->cloud_base = strdup(cloud.text);
    app->proxy = ad_given(app, OPT_PROXY) ? ad_text(app, OPT_PROXY) : ad_url_proxy(&api);
    problem = app->proxy ? ad_url_proxy_problem(app->proxy) : NULL;
    if (problem) /* it may hold a password: it is not shown */
        return ad_fail_usage(&app->failure, "write SCHEME://HOST:PORT or HOST:PORT", "%s %s",
                             ad_given(app, OPT_PROXY) ? "--proxy" : "the proxy of the environment", problem);
    return app->api_base && app->cloud_base ? AD_EXIT_OK : ad_fail_nomem(&app->failure);
}

int ad_database_resolve(ad_app *app)
{
    const char *ca_file = ad_text(app, OPT_CA_FILE);
    int code = ad_database_path(app);

    if (code == AD_EXIT_OK && ca_file && access(ca_file, R_OK) != 0)
        code = ad_fail_file(&app->failure, "--ca-file", ca_file, errno);
    return code == AD_EXIT_OK ? resolve_bases(app) : code;
}

int ad_database_folder(ad_app *app)
{
    char *path = strdup(app->db_path);

    if (!path)
        return ad_fail_nomem(&app->failure);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST && access(path, F_OK) != 0) {
            int code = ad_fail(&app->failure, AD_EXIT_INTERNAL, "store", "name another place with --db",
                               "folder %s cannot be made: %s", path, strerror(errno));
            free(path);
            return code;
        }
        *slash = '/';
    }
    free(path);
    return AD_EXIT_OK;
}

bool ad_database_there(const ad_app *app)
{
    struct stat facts;

    return stat(app->db_path, &facts) == 0;
}

/* Looked at before anything is opened, so that nothing is touched when the key is not private. */
static int check_key(ad_app *app)
{
    struct stat facts;

    if (lstat(app->key_path, &facts) != 0)
        return AD_EXIT_OK; /* whether it may be missing is the library's to say */
    if (S_ISLNK(facts.st_mode) || !S_ISREG(facts.st_mode))
        return ad_fail(&app->failure, AD_EXIT_INTERNAL, "key", "put the file itself there",
                       "master key %s is a symbolic link or no regular file", app->key_path);
    if (facts.st_mode & 077)
        return ad_fail(&app->failure, AD_EXIT_INTERNAL, "key",
                       "take the rights of group and others away (chmod 600)",
                       "master key %s can be reached by group or others", app->key_path);
    return AD_EXIT_OK;
}

static int store_failure(ad_app *app, wxtp_status status, const char *message)
{
    int code = ad_exit_of(status, "");

    if (status == WXTP_ERR_STATE)
        return ad_fail(&app->failure, AD_EXIT_INTERNAL, "store", "run wxtp-admin db migrate",
                       "database %s: %s", app->db_path,
                       *message ? message : "its schema is older than this version");
    if (status == WXTP_ERR_NOT_FOUND)
        return ad_fail(&app->failure, code, "not_found", "check --db", "database %s does not exist",
                       app->db_path);
    return ad_fail(&app->failure, code == AD_EXIT_USAGE ? code : AD_EXIT_INTERNAL,
                   code == AD_EXIT_USAGE      ? "usage"
                   : status == WXTP_ERR_NOMEM ? "internal"
                                              : "store",
                   status == WXTP_ERR_STORE_NEWER ? "use the newer version of wxtp-admin" : NULL,
                   "database %s: %s", app->db_path, *message ? message : wxtp_status_name(status));
}

static int open_store(ad_app *app, ad_open_mode mode, wxtp_store **store)
{
    char message[512] = "";
    wxtp_sqlite_options options = {.struct_size = sizeof options,
                                   .path = app->db_path,
                                   .create = mode == AD_OPEN_CREATE,
                                   .migrate = mode != AD_OPEN_AS_IS,
                                   .busy_ms = app->busy_ms};

    wxtp_status status = wxtp_sqlite_open(&options, store, NULL, message, sizeof message);
    return status == WXTP_OK ? AD_EXIT_OK : store_failure(app, status, message);
}

static void write_log(void *user, wxtp_log_level level, const char *line)
{
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    ad_app *app = user;

    flockfile(stderr);
    ad_progress_clear(app->progress);
    fprintf(stderr, "%s: %s\n", names[(unsigned)level < 5 ? level : 0], line);
    funlockfile(stderr);
}

typedef struct setting {
    const char *name, *value;
} setting;

static int configure(ad_app *app, wxtp_config *config, wxtp_store *store)
{
    char concurrency[24], rate[24], timeout[24], max_wait[24];
    int64_t verbose = ad_number(app, OPT_VERBOSE, 0);
    wxtp_log log = {sizeof log, app, WXTP_LOG_WARNING, write_log};
    wxtp_error *error = NULL;

    snprintf(concurrency, sizeof concurrency, "%lld", (long long)ad_number(app, OPT_CONCURRENCY, 16));
    snprintf(rate, sizeof rate, "%lld", (long long)ad_number(app, OPT_RATE, 0));
    snprintf(timeout, sizeof timeout, "%lld", (long long)ad_number(app, OPT_TIMEOUT, 10000));
    snprintf(max_wait, sizeof max_wait, "%lld", (long long)ad_number(app, OPT_MAX_WAIT, 60000));
    /* A platform that is being set is chosen by its own option. */
    const char *set = ad_text(app, OPT_COMPONENT_APPID);
    setting settings[] = {
        {"component", set ? NULL : ad_text(app, OPT_COMPONENT)},
        {"api_base", app->api_base},
        {"cloud_base", app->cloud_base},
        {"ca_file", ad_text(app, OPT_CA_FILE)},
        {"proxy", app->proxy},
        {"master_key_file", app->key_path},
        {"concurrency", concurrency},
        {"rate", ad_given(app, OPT_RATE) ? rate : NULL},
        {"timeout_ms", timeout},
        {"max_wait_ms", max_wait},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (!settings[i].value)
            continue;
        wxtp_status status = wxtp_config_set(config, settings[i].name, settings[i].value, &error);
        if (status != WXTP_OK)
            return ad_fail_take(&app->failure, status, &error);
    }
    log.level = verbose > 1 ? WXTP_LOG_DEBUG : verbose > 0 ? WXTP_LOG_INFO : WXTP_LOG_WARNING;
    wxtp_status status = wxtp_config_set_log(config, &log);
    if (status == WXTP_OK)
        status = wxtp_config_set_store(config, store);
    return status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(&app->failure, status, &error);
}

int ad_database_open(ad_app *app, ad_open_mode mode)
{
    wxtp_store *store = NULL;
    wxtp_config *config = NULL;
    wxtp_error *error = NULL;
    wxtp_status status;
    int code = check_key(app);

    if (code == AD_EXIT_OK && mode == AD_OPEN_CREATE)
        code = ad_database_folder(app);
    if (code == AD_EXIT_OK)
        code = open_store(app, mode, &store);
    if (code != AD_EXIT_OK)
        return code;
    status = wxtp_config_new(NULL, &config);
    code = status == WXTP_OK ? configure(app, config, store) : ad_fail_take(&app->failure, status, NULL);
    if (code == AD_EXIT_OK) {
        status = wxtp_platform_open(config, &app->platform, &error);
        if (status != WXTP_OK)
            code = ad_fail_take(&app->failure, status, &error);
    }
    wxtp_config_free(config);
    if (code != AD_EXIT_OK)
        store->ops->close(store);
    else
        ad_signals_attach(app->platform);
    return code;
}

void ad_database_close(ad_app *app)
{
    ad_signals_attach(NULL);
    if (app->platform)
        wxtp_platform_close(app->platform, CLOSE_MS);
    app->platform = NULL;
}

typedef struct components {
    const char *wanted;
    size_t count;
    bool found;
} components;

static bool count_component(void *user, const char *appid)
{
    components *all = user;

    all->count++;
    if (all->wanted && strcmp(appid, all->wanted) == 0)
        all->found = true;
    return true;
}

int ad_need_component(ad_app *app, ad_component_need need)
{
    components all = {ad_text(app, OPT_COMPONENT), 0, false};
    wxtp_error *error = NULL;

    if (need == AD_COMPONENT_NONE || (need == AD_COMPONENT_KNOWN && !all.wanted))
        return AD_EXIT_OK;
    wxtp_status status = wxtp_platform_each(app->platform, count_component, &all, &error);
    if (status != WXTP_OK)
        return ad_fail_take(&app->failure, status, &error);
    if (all.count == 0 && need == AD_COMPONENT_ONE)
        return ad_fail(&app->failure, AD_EXIT_CREDENTIALS, "configuration",
                       "set it up: wxtp-admin platform set", "no third-party platform is set up");
    if (all.wanted && !all.found)
        return ad_fail(&app->failure, AD_EXIT_USAGE, "not_found", "set it up: wxtp-admin platform set",
                       "third-party platform %s is not in the database", all.wanted);
    if (!all.wanted && all.count > 1)
        return ad_fail_usage(&app->failure, "name one with --component",
                             "the database has %zu third-party platforms", all.count);
    return AD_EXIT_OK;
}

int ad_choose_by_job(ad_app *app, const char *job_id)
{
    wxtp_job *job = NULL;
    wxtp_error *error = NULL;

    if (*wxtp_platform_component(app->platform))
        return AD_EXIT_OK;
    wxtp_status status = wxtp_job_get(app->platform, job_id, &job, &error);
    if (status == WXTP_OK && *wxtp_job_platform(job))
        status = wxtp_platform_choose(app->platform, wxtp_job_platform(job), &error);
    wxtp_job_free(job);
    return status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(&app->failure, status, &error);
}
