#include "scene.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <wxtp/store_sqlite.h>

#include "api/handle.h"
#include "domain/vault.h"
#include "plan.h"

void scene_fail(scene *s, const char *format, ...)
{
    va_list args;
    if (!s->failure[0]) {
        va_start(args, format);
        (void)vsnprintf(s->failure, sizeof(s->failure), format, args);
        va_end(args);
    }
}

void scene_mark(scene *s)
{
    if (s->log) {
        scene_outside outside = {.wechat = s->wechat,
                                 .wall_ms = fake_clock_wall(&s->clock),
                                 .access_given = s->access_given,
                                 .own_given = s->own_given,
                                 .push_answered = s->push_answered,
                                 .own_added = s->own_added,
                                 .rekeyed = s->rekeyed,
                                 .copied = s->copied,
                                 .restored = s->restored};
        memcpy(outside.made_job, s->made_job, sizeof(outside.made_job));
        disk_mark(s->log, &outside, sizeof(outside));
    }
}

/* ---- What the store holds ---- */

static bool opens_to(scene *s, sqlite3_stmt *row, const char *kind, const char *platform, const char *appid,
                     const char *field, const char *text)
{
    wx_err err = {0};
    char *opened = NULL;
    const wxtp_blob blob = {sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0)};
    const wxtp_status status =
        wx_vault_open(wx_platform_core(s->platform), kind, platform, appid, field, blob, &opened, &err);
    const bool same = status == WXTP_OK && opened && strcmp(opened, text) == 0;
    wx_free(opened);
    return same;
}

static bool in_rows(scene *s, sqlite3 *db, const char *sql, const char *kind, const char *appid,
                    const char *field, const char *text)
{
    sqlite3_stmt *rows = NULL;
    bool found = false;
    const char *platform = strcmp(appid, WECHAT_OWN) == 0 ? "" : WECHAT_COMPONENT;
    if (sqlite3_prepare_v2(db, sql, -1, &rows, NULL) == SQLITE_OK) {
        (void)sqlite3_bind_text(rows, 1, platform, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(rows, 2, appid, -1, SQLITE_STATIC);
        while (!found && sqlite3_step(rows) == SQLITE_ROW) {
            found = opens_to(s, rows, kind, platform, appid, field, text);
        }
    }
    (void)sqlite3_finalize(rows);
    return found;
}

bool scene_stored(scene *s, const char *appid, const char *field, const char *text)
{
    sqlite3 *db = NULL;
    bool found = false;
    const bool refresh = strcmp(field, "refresh") == 0;
    fault_pause();
    if (sqlite3_open_v2(s->database, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, "unix") == SQLITE_OK &&
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK) {
        found = in_rows(s, db,
                        refresh ? "SELECT refresh FROM tokens WHERE platform=? AND appid=?"
                                : "SELECT access FROM tokens WHERE platform=? AND appid=?",
                        "token", appid, field, text) ||
                (refresh && in_rows(s, db, "SELECT refresh FROM spares WHERE platform=? AND appid=?", "spare",
                                    appid, field, text));
    }
    (void)sqlite3_close_v2(db);
    fault_resume();
    return found;
}

static bool stored(void *user, const char *appid, const char *field, const char *text)
{
    return scene_stored(user, appid, field, text);
}

/* ---- The port: the fake's, with faults held off ---- */

static wxtp_http fake_of(scene *s)
{
    wxtp_http port;
    fake_http_port(&s->http, &port);
    return port;
}

static bool start(void *user, const wxtp_http_request *request, wxtp_http_answer *answer,
                  void (*done)(void *), void *done_user)
{
    scene *s = user;
    const wxtp_http fake = fake_of(s);
    fault_pause();
    const bool ended = fake.start(fake.user, request, answer, done, done_user);
    scene_mark(s);
    fault_resume();
    return ended;
}

static void poll_once(void *user, int64_t wait_ms)
{
    scene *s = user;
    const wxtp_http fake = fake_of(s);
    fake.poll(fake.user, wait_ms);
}

static void wake(void *user)
{
    scene *s = user;
    const wxtp_http fake = fake_of(s);
    fake.wake(fake.user);
}

static void release(void *user, wxtp_http_answer *answer)
{
    scene *s = user;
    const wxtp_http fake = fake_of(s);
    fake.release(fake.user, answer);
}

/* ---- A clock for real connections: so much faster than the real one ---- */

#define HURRIED_TIMEOUT_MS "200000" /* two seconds */
#define HURRIED_PATIENCE_MS "60000"

static int64_t real_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t hurried_wall(void *user)
{
    scene *s = user;
    return fake_clock_wall(&s->clock) + (real_ms() - s->began_ms) * SCENE_FASTER;
}

static int64_t hurried_boot(void *user)
{
    scene *s = user;
    return atomic_load(&s->clock.boot_ms) + (real_ms() - s->began_ms) * SCENE_FASTER;
}

static const char *hurried_id(void *user)
{
    return ((scene *)user)->clock.boot_id;
}

static void hurried_sleep(void *user, int64_t ms)
{
    (void)user;
    (void)usleep((useconds_t)(ms * 1000 / SCENE_FASTER));
}

static wxtp_clock clock_of(scene *s)
{
    wxtp_clock clock = {.struct_size = sizeof(clock),
                        .user = s,
                        .wall_ms = hurried_wall,
                        .boot_ms = hurried_boot,
                        .boot_id = hurried_id,
                        .sleep_ms = hurried_sleep};
    if (!s->api_base[0]) {
        fake_clock_port(&s->clock, &clock);
    }
    return clock;
}

/* ---- Opening and closing ---- */

static wxtp_status configure(scene *s, wxtp_config *config, wxtp_store *store, wxtp_error **error)
{
    const wxtp_clock clock = clock_of(s);
    const wxtp_http http = {.struct_size = sizeof(http),
                            .user = s,
                            .start = start,
                            .poll = poll_once,
                            .wake = wake,
                            .release = release};
    wxtp_status status = wxtp_config_set_clock(config, &clock);
    if (status == WXTP_OK && !s->api_base[0]) {
        status = wxtp_config_set_http(config, &http);
    }
    if (status == WXTP_OK && s->api_base[0]) {
        status = wxtp_config_set(config, "api_base", s->api_base, error);
    }
    if (status == WXTP_OK && s->api_base[0]) {
        status = wxtp_config_set(config, "timeout_ms", HURRIED_TIMEOUT_MS, error);
    }
    if (status == WXTP_OK && s->api_base[0]) {
        status = wxtp_config_set(config, "max_wait_ms", HURRIED_PATIENCE_MS, error);
    }
    if (status == WXTP_OK) {
        status = wxtp_config_set(config, "own_threads", "false", error);
    }
    if (status == WXTP_OK) {
        status = wxtp_config_set(config, "concurrency", "2", error);
    }
    if (status == WXTP_OK) {
        status = wxtp_config_set(config, "master_key_file", s->key, error);
    }
    return status == WXTP_OK ? wxtp_config_set_store(config, store) : status;
}

wxtp_status scene_open(scene *s, wxtp_error **error)
{
    const wxtp_clock clock = clock_of(s);
    wxtp_store *store = NULL;
    wxtp_config *config = NULL;
    char message[256] = "";
    const wxtp_sqlite_options options = {.struct_size = sizeof(options),
                                         .path = s->database,
                                         .create = true,
                                         .migrate = true,
                                         .clock = &clock,
                                         .allocator = &s->memory.allocator};
    wxtp_status status = wxtp_sqlite_open(&options, &store, NULL, message, sizeof(message));
    if (status != WXTP_OK) {
        return status;
    }
    status = wxtp_config_new(&s->memory.allocator, &config);
    if (status == WXTP_OK) {
        status = configure(s, config, store, error);
    }
    if (status == WXTP_OK) {
        status = wxtp_platform_open(config, &s->platform, error);
    }
    wxtp_config_free(config);
    if (status != WXTP_OK) {
        store->ops->close(store);
    }
    return status;
}

void scene_close(scene *s)
{
    if (s->platform && wxtp_platform_close(s->platform, 1000) != WXTP_OK) {
        scene_fail(s, "the platform could not be closed");
    }
    s->platform = NULL;
}

/* ---- Keeping and restoring ---- */

static void furnish(scene *s)
{
    fake_clock_init(&s->clock);
    fake_http_init(&s->http);
    s->http.clock = &s->clock;
    counting_init(&s->memory);
    s->door = (wechat_door){.wechat = &s->wechat, .stored = stored, .user = s};
    wechat_serve(&s->door, &s->http);
    s->platform = NULL;
    s->failure[0] = '\0';
    s->access_given = s->own_given = 0;
    s->own_added = s->push_answered = s->rekeyed = s->copied = s->restored = false;
    s->began_ms = real_ms();
    s->made_job[0] = '\0';
    s->snapshots = false;
    (void)snprintf(s->database, sizeof(s->database), "%s/wxtp.db", s->folder);
    (void)snprintf(s->key, sizeof(s->key), "%s/wxtp.db.key", s->folder);
}

void scene_begin(scene *s)
{
    *s = (scene){.platform = NULL};
    (void)snprintf(s->folder, sizeof(s->folder), "/dev/shm/wxtp-fault-XXXXXX");
    if (!mkdtemp(s->folder)) {
        (void)snprintf(s->folder, sizeof(s->folder), "%s/wxtp-fault-XXXXXX", P_tmpdir);
        if (!mkdtemp(s->folder)) {
            perror(s->folder);
            exit(2);
        }
    }
    (void)snprintf(s->other_key, sizeof(s->other_key), "%s/other.key", s->folder);
    (void)snprintf(s->copy, sizeof(s->copy), "%s/copy.db", s->folder);
    (void)snprintf(s->restored_database, sizeof(s->restored_database), "%s/restored.db", s->folder);
    furnish(s);
}

void scene_end(scene *s)
{
    const disk_image empty = {.count = 0};
    scene_close(s);
    fake_http_free(&s->http);
    disk_image_write(&empty, s->folder);
    (void)rmdir(s->folder);
}

void scene_keep(scene *s, scene_kept *kept)
{
    scene_close(s);
    disk_image_read(&kept->files, s->folder);
    kept->wechat = s->wechat;
    kept->wall_ms = fake_clock_wall(&s->clock);
    kept->boot_ms = atomic_load(&s->clock.boot_ms);
    memcpy(kept->job_id, s->job_id, sizeof(kept->job_id));
    kept->snapshots = s->snapshots;
}

void scene_restore(scene *s, const scene_kept *kept)
{
    scene_close(s);
    fake_http_free(&s->http);
    furnish(s);
    disk_image_write(&kept->files, s->folder);
    s->wechat = kept->wechat;
    atomic_store(&s->clock.wall_ms, kept->wall_ms);
    atomic_store(&s->clock.boot_ms, kept->boot_ms);
    memcpy(s->job_id, kept->job_id, sizeof(s->job_id));
    s->snapshots = kept->snapshots;
}

void scene_kept_free(scene_kept *kept)
{
    disk_image_free(&kept->files);
}
