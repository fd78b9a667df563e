#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/handle.h"
#include "domain/held.h"
#include "domain/storage.h"
#include "domain/ticket.h"

#define SETS "\"func_info\":[{\"funcscope_category\":{\"id\":1}},{\"funcscope_category\":{\"id\":2}}]"
#define PROFILE                                                                                              \
    "{\"authorizer_info\":{\"nick_name\":\"Shop\",\"service_type_info\":{\"id\":2},"                         \
    "\"verify_type_info\":{\"id\":0},\"user_name\":\"gh_1\",\"principal_name\":\"Firm\","                    \
    "\"account_status\":1},\"authorization_info\":{\"authorizer_appid\":\"" STAGE_MERCHANT "\","             \
    "\"authorizer_refresh_token\":\"" STAGE_REFRESH "\"," SETS "}}"
#define EXCHANGED(appid, access, refresh)                                                                    \
    "{\"authorization_info\":{\"authorizer_appid\":\"" appid "\",\"authorizer_access_token\":\"" access      \
    "\",\"expires_in\":7200,\"authorizer_refresh_token\":\"" refresh "\"," SETS "}}"
#define OK_ANSWER "{\"errcode\":0,\"errmsg\":\"ok\"}"
#define BAD_OPENID "{\"errcode\":40003,\"errmsg\":\"invalid openid\"}"
#define DAILY_QUOTA "{\"errcode\":45009,\"errmsg\":\"reach max api daily quota limit rid: 5f0c-1\"}"

enum { FILES = 3, PATH_ROOM = 512 };

typedef struct kept_file {
    char path[PATH_ROOM];
    uint8_t *bytes;
    size_t size;
} kept_file;

static world the_world;
static kept_file files[FILES];
static char job[64];

static void must(wxtp_status status, const char *what)
{
    if (status != WXTP_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, wxtp_status_name(status));
        abort();
    }
}

/* What WeChat answers as long as an input brings nothing else. */
static void answer_sensibly(world *w)
{
    static const char *const answers[][2] = {
        {"api_component_token", "{\"component_access_token\":\"component-token-1\",\"expires_in\":7200}"},
        {"api_create_preauthcode", "{\"pre_auth_code\":\"pre-1\",\"expires_in\":1800}"},
        {"api_query_auth", EXCHANGED(STAGE_MERCHANT, STAGE_ACCESS, STAGE_REFRESH)},
        {"api_authorizer_token", "{\"authorizer_access_token\":\"access-2\",\"expires_in\":7200,"
                                 "\"authorizer_refresh_token\":\"refresh-2\"}"},
        {"api_get_authorizer_info", PROFILE},
        {"api_get_authorizer_list",
         "{\"total_count\":1,\"list\":[{\"authorizer_appid\":\"" STAGE_MERCHANT "\","
         "\"refresh_token\":\"" STAGE_REFRESH "\",\"auth_time\":1767225600}]}"},
        {"stable_token", "{\"access_token\":\"own-token-1\",\"expires_in\":7200}"},
        {"api_start_push_ticket", OK_ANSWER},
        {"openapi/quota/get", "{\"errcode\":0,\"quota\":{\"daily_limit\":1000,\"used\":1000,\"remain\":0}}"},
        {STAGE_UNBLACKLIST, OK_ANSWER},
        {STAGE_BLACKLIST, "{\"total\":1,\"count\":1,\"data\":{\"openid\":[\"o1\"]},\"next_openid\":\"o1\"}"},
        {"\"begin_openid\":\"o1\"", "{\"total\":1,\"count\":0,\"next_openid\":\"\"}"},
    };
    fake_http_forget_rules(&w->http);
    fake_http_forget_requests(&w->http);
    for (size_t at = 0; at < sizeof(answers) / sizeof(answers[0]); at++) {
        const bool page = answers[at][0][0] == '"';
        fake_http_on(&w->http, page ? STAGE_BLACKLIST : answers[at][0], page ? answers[at][0] : NULL, -1,
                     answers[at][1]);
    }
}

static int job_reader(void *user, const char **openid, size_t *len)
{
    int *given = user;
    static char text[32];
    if (*given == 45) {
        return 0;
    }
    (void)snprintf(text, sizeof(text), *given == 44 ? "not an openid" : "o%027d", *given);
    ++*given;
    *openid = text;
    *len = strlen(text);
    return 1;
}

/* One openid is refused, then the quota is used up. */
static void make_job(world *w)
{
    int given = 0;
    wxtp_job *made = NULL;
    must(
        wxtp_job_create(w->platform, STAGE_MERCHANT, "batchUnblacklist", job_reader, &given, NULL, job, NULL),
        "create a job");
    fake_http_on(&w->http, STAGE_UNBLACKLIST, NULL, -1, DAILY_QUOTA);
    fake_http_on(&w->http, STAGE_UNBLACKLIST, NULL, 4, OK_ANSWER);
    fake_http_on(&w->http, STAGE_UNBLACKLIST, "o000000000000000000000000007", 4, BAD_OPENID);
    fuzz_require(wxtp_job_run(w->platform, job, WXTP_JOB_RUN, NULL, NULL, &made, NULL) == WXTP_ERR_QUOTA);
    fuzz_require(wxtp_job_paused_by(made) == WXTP_PAUSED_BY_QUOTA && wxtp_job_pending(made) > 0);
    wxtp_job_free(made);
}

/* Rows that only trouble leaves behind. */
static void make_traces(world *w)
{
    wx_core *core = wx_platform_core(w->platform);
    const wxtp_token_key key = {WORLD_COMPONENT, STAGE_MERCHANT};
    const wxtp_intent_row intent = {
        .key = key, .generation = 1, .fence = 1, .started_ms = FAKE_EPOCH_MS, .attempts = 1};
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    bool applied = false;
    must(wx_scope_begin(&scope, core, WXTP_TX_SYNC, &err), "begin");
    must(wx_ticket_put(core, scope.tx, "ticket@@@0", FAKE_EPOCH_MS / 1000, &applied, &err), "ticket");
    must(wx_spare_keep(core, scope.tx, WORLD_COMPONENT, STAGE_MERCHANT, "spare-refresh", &err), "spare");
    must(wx_ops(core)->intent_put(scope.tx, &intent), "intent");
    must(wx_scope_commit(&scope, &err), "commit");
}

static void populate(world *w)
{
    must(wxtp_platform_set(w->platform, WORLD_COMPONENT, WORLD_APPSECRET, WORLD_PUSH_TOKEN, WORLD_AES_KEY,
                           NULL),
         "set the platform");
    make_traces(w);
    must(wxtp_tenant_add(w->platform, "code-of-the-merchant", NULL, NULL), "add the merchant");
    fake_http_fail(&w->http, "api_query_auth", NULL, -1, WXTP_HTTP_NOT_SENT, 0);
    (void)wxtp_tenant_add(w->platform, "code-that-waits", NULL, NULL);
    must(wxtp_tenant_add_own(w->platform, STAGE_OWN, "appsecret-of-own", WXTP_ACCOUNT_SERVICE, 1, NULL),
         "own");
    must(wxtp_tenant_add_cloud(w->platform, STAGE_CLOUD, NULL, false, WXTP_ACCOUNT_SERVICE, 1, NULL),
         "cloud");
    make_traces(w);
    make_job(w);
}

static void keep(kept_file *file, const char *path)
{
    struct stat facts;
    fuzz_require(snprintf(file->path, sizeof(file->path), "%s", path) < (int)sizeof(file->path));
    FILE *from = fopen(path, "rb");
    fuzz_require(from && fstat(fileno(from), &facts) == 0 && facts.st_size > 0);
    file->size = (size_t)facts.st_size;
    file->bytes = malloc(file->size);
    fuzz_require(file->bytes && fread(file->bytes, 1, file->size, from) == file->size);
    (void)fclose(from);
}

static void remove_folder(void)
{
    world *w = &the_world;
    char path[PATH_ROOM];
    static const char *const names[] = {"", "-wal", "-shm", ".lock", ".key"};
    for (size_t at = 0; at < sizeof(names) / sizeof(names[0]); at++) {
        (void)snprintf(path, sizeof(path), "%s%s", w->database, names[at]);
        (void)unlink(path);
    }
    (void)rmdir(w->folder);
    fake_http_free(&w->http);
    for (size_t at = 0; at < FILES; at++) {
        free(files[at].bytes);
    }
}

static void build(void)
{
    world *w = &the_world;
    /* In memory, where there is such a place: each input writes the database anew. */
    (void)snprintf(w->folder, sizeof(w->folder), "%s/wxtp-fuzz-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : P_tmpdir);
    fuzz_require(mkdtemp(w->folder) != NULL);
    fuzz_require(snprintf(w->database, sizeof(w->database), "%s/wxtp.db", w->folder) <
                 (int)sizeof(w->database));
    fuzz_require(snprintf(w->key, sizeof(w->key), "%s.key", w->database) < (int)sizeof(w->key));
    fuzz_require(atexit(remove_folder) == 0);
    fake_clock_init(&w->clock);
    fake_http_init(&w->http);
    w->http.clock = &w->clock;
    answer_sensibly(w);
    must(world_open(w, w->database, w->key, &w->platform, NULL), "open");
    populate(w);
    stage_close(w);
    char wal[PATH_ROOM];
    (void)snprintf(wal, sizeof(wal), "%s-wal", w->database);
    keep(&files[0], w->database);
    keep(&files[1], wal);
    keep(&files[2], w->key);
}

world *stage_reset(void)
{
    world *w = &the_world;
    char path[PATH_ROOM];
    if (!files[0].bytes) {
        build();
    }
    (void)snprintf(path, sizeof(path), "%s-shm", w->database);
    (void)unlink(path);
    for (size_t at = 0; at < FILES; at++) {
        (void)unlink(files[at].path);
        FILE *to = fopen(files[at].path, "wb");
        fuzz_require(to && fchmod(fileno(to), 0600) == 0 &&
                     fwrite(files[at].bytes, 1, files[at].size, to) == files[at].size && fclose(to) == 0);
    }
    fake_clock_init(&w->clock);
    fake_clock_advance(&w->clock, 60000);
    answer_sensibly(w);
    return w;
}

bool stage_open(world *w)
{
    return world_open(w, w->database, w->key, &w->platform, NULL) == WXTP_OK;
}

void stage_close(world *w)
{
    fuzz_require(wxtp_platform_close(w->platform, 1000) == WXTP_OK);
    w->platform = NULL;
}

const char *stage_job(void)
{
    return job;
}

/* ---- Using it ---- */

static void account_for(const wxtp_job *seen)
{
    if (seen) {
        (void)wxtp_job_done_word(seen);
        (void)wxtp_job_elapsed_ms(seen);
        wxtp_error_free(wxtp_job_pause_error(seen));
    }
}

static bool see_job(void *user, const wxtp_job *seen)
{
    (void)user;
    account_for(seen);
    return true;
}

static bool see_exception(void *user, const char *openid, int64_t errcode, const char *errmsg)
{
    *(size_t *)user += strlen(openid) + strlen(errmsg) + (size_t)(errcode & 1);
    return true;
}

static bool see_audit(void *user, const wxtp_audit_row *row)
{
    *(size_t *)user += strlen(row->errmsg) + strlen(row->rid) + strlen(row->call);
    return true;
}

static bool see_tenant(void *user, const wxtp_tenant *tenant)
{
    size_t count = 0;
    const int *sets = wxtp_tenant_permission_sets(tenant, &count);
    for (size_t at = 0; at < count; at++) {
        *(size_t *)user += (size_t)(sets[at] & 1);
    }
    *(size_t *)user += strlen(wxtp_tenant_nick_name(tenant)) + strlen(wxtp_tenant_basis(tenant)) +
                       (size_t)(wxtp_tenant_token_expires_ms(tenant) & 1);
    return true;
}

static bool see_text(void *user, const char *text)
{
    *(size_t *)user += strlen(text);
    return true;
}

static void see_problem(void *user, const char *text)
{
    (void)see_text(user, text);
}

static void see_check(void *user, const char *name, wxtp_check_status status, const char *kind,
                      const char *detail, const char *hint)
{
    *(size_t *)user += strlen(name) + strlen(kind) + strlen(detail) + strlen(hint) + (size_t)status;
}

static void look(world *w, size_t *seen)
{
    wxtp_platform_facts facts = {.struct_size = sizeof(facts)};
    wxtp_job *picture = NULL;
    (void)wxtp_platform_info(w->platform, &facts, NULL);
    (void)wxtp_tenant_list(w->platform, -1, -1, NULL, 100, see_tenant, seen, NULL);
    (void)wxtp_job_list(w->platform, NULL, -1, NULL, 100, see_job, NULL, NULL);
    (void)wxtp_job_get(w->platform, job, &picture, NULL);
    account_for(picture);
    wxtp_job_free(picture);
    (void)wxtp_job_exceptions(w->platform, job, WXTP_VERDICT_INVALID, see_exception, seen, NULL);
    (void)wxtp_audit_list(w->platform, NULL, 0, 100, see_audit, seen, NULL);
    (void)wxtp_token_each_due(w->platform, 100, see_text, seen, NULL);
    (void)wxtp_platform_check_store(w->platform, see_problem, seen, NULL);
}

/* A sealed value opens as it was sealed, or not at all. */
static bool was_sealed(const char *token)
{
    static const char *const known[] = {"", STAGE_ACCESS, "access-2", "own-token-1"};
    for (size_t at = 0; at < sizeof(known) / sizeof(known[0]); at++) {
        if (strcmp(token, known[at]) == 0) {
            return true;
        }
    }
    return false;
}

static void work(world *w, const char *appid)
{
    wxtp_verdict_on_call verdict = {.struct_size = sizeof(verdict)};
    wxtp_token_facts facts = {.struct_size = sizeof(facts)};
    char *token = NULL;
    int64_t generation = 0;
    (void)wxtp_tenant_check(w->platform, appid, "batchUnblacklist", &verdict, NULL);
    (void)wxtp_token_info(w->platform, appid, &facts, NULL);
    if (wxtp_token_get(w->platform, appid, &token, &generation, NULL) == WXTP_OK) {
        fuzz_require(was_sealed(token));
    }
    wxtp_free(token);
    (void)wxtp_token_refused(w->platform, appid, generation, NULL);
    (void)wxtp_token_refresh(w->platform, appid, generation, &facts, NULL);
}

void stage_use(world *w)
{
    static const char *const appids[] = {STAGE_MERCHANT, STAGE_OWN, STAGE_CLOUD};
    size_t seen = 0;
    wxtp_job *picture = NULL;
    look(w, &seen);
    for (size_t at = 0; at < sizeof(appids) / sizeof(appids[0]); at++) {
        work(w, appids[at]);
    }
    if (wxtp_job_run(w->platform, job, WXTP_JOB_RESUME, NULL, NULL, &picture, NULL) == WXTP_OK && picture) {
        /* I7, whatever the rows said before. */
        fuzz_require(wxtp_job_requested(picture) == wxtp_job_succeeded(picture) + wxtp_job_invalid(picture) +
                                                        wxtp_job_failed(picture) + wxtp_job_pending(picture));
    }
    wxtp_job_free(picture);
    (void)wxtp_platform_diagnose(w->platform, see_check, &seen, NULL);
    (void)wxtp_platform_prune(w->platform, NULL, NULL);
    look(w, &seen);
}
