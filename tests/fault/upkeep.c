#include "upkeep.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <wxtp/store_sqlite.h>

#include "flows.h"
#include "plan.h"

static void tell_problem(void *user, const char *text)
{
    scene_fail(user, "db check: %s", text);
}

static wxtp_status restore_to(scene *s, const char *path, wxtp_error **error)
{
    wxtp_clock clock;
    char message[256] = "";
    fake_clock_port(&s->clock, &clock);
    const wxtp_sqlite_options options = {
        .struct_size = sizeof(options), .path = path, .clock = &clock, .allocator = &s->memory.allocator};
    const wxtp_status status = wxtp_sqlite_restore(&options, s->copy, message, sizeof(message));
    (void)error; /* a store tells in words of its own */
    if (status != WXTP_OK && status != WXTP_ERR_NOMEM && !message[0]) {
        scene_fail(s, "a restore ends with %s, without a word", wxtp_status_name(status));
    }
    return status;
}

static void remove_database(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    char name[128];
    for (size_t at = 0; at < sizeof(suffixes) / sizeof(suffixes[0]); at++) {
        (void)snprintf(name, sizeof(name), "%s%s", path, suffixes[at]);
        (void)remove(name);
    }
}

/* ---- Copies ---- */

wxtp_status upkeep_backup(scene *s, wxtp_error **error)
{
    const wxtp_status status = wxtp_platform_backup(s->platform, s->copy, error);
    s->copied = s->copied || status == WXTP_OK;
    scene_mark(s);
    return status;
}

void upkeep_copy_is_whole(scene *s)
{
    wxtp_platform *at_work = s->platform;
    char kept[sizeof(s->database)];
    memcpy(kept, s->database, sizeof(kept));
    s->platform = NULL;
    MUST(s, restore_to(s, s->restored_database, &trouble));
    upkeep_move_to_restored(s);
    scene_close(s);
    remove_database(s->restored_database);
    memcpy(s->database, kept, sizeof(kept));
    s->platform = at_work;
}

void upkeep_no_copy(scene *s)
{
    if (access(s->copy, F_OK) == 0) {
        scene_fail(s, "a backup that failed is there under its name");
    }
}

wxtp_status upkeep_restore(scene *s, wxtp_error **error)
{
    const wxtp_status status = restore_to(s, s->restored_database, error);
    s->restored = s->restored || status == WXTP_OK;
    scene_mark(s);
    return status;
}

void upkeep_move_to_restored(scene *s)
{
    scene_close(s);
    memcpy(s->database, s->restored_database, sizeof(s->database));
    MUST(s, scene_open(s, &trouble));
    if (s->platform) {
        wxtp_tenant *tenant = NULL;
        MUST(s, wxtp_platform_check_store(s->platform, tell_problem, s, &trouble));
        MUST(s, wxtp_tenant_get(s->platform, WECHAT_MERCHANT, &tenant, &trouble));
        wxtp_tenant_free(tenant);
    }
}

void upkeep_none_restored(scene *s)
{
    if (access(s->restored_database, F_OK) == 0) {
        scene_fail(s, "a restore that failed has left a database under its name");
    }
}

/* ---- Keys ---- */

wxtp_status upkeep_rekey(scene *s, wxtp_error **error)
{
    const wxtp_status status = wxtp_platform_rekey(s->platform, s->other_key, error);
    s->rekeyed = s->rekeyed || status == WXTP_OK;
    scene_mark(s);
    return status;
}

/* Whether it opens the store, by another handle; then all that is sealed opens too. */
static bool opens(scene *s, const char *key)
{
    wxtp_platform *at_work = s->platform;
    wxtp_error *error = NULL;
    if (access(key, F_OK) != 0) {
        return false;
    }
    s->platform = NULL;
    memcpy(s->key, key, sizeof(s->key));
    const wxtp_status status = scene_open(s, &error);
    if (status == WXTP_OK) {
        MUST(s, wxtp_platform_check_store(s->platform, tell_problem, s, &trouble));
    } else if (status != WXTP_ERR_KEY) {
        scene_fail(s, "a key that may not fit: %s: %s", wxtp_status_name(status), wxtp_error_message(error));
    }
    wxtp_error_free(error);
    scene_close(s);
    s->platform = at_work;
    return status == WXTP_OK;
}

void upkeep_one_key_opens(scene *s)
{
    char first[sizeof(s->key)];
    (void)snprintf(first, sizeof(first), "%s/wxtp.db.key", s->folder);
    const bool by_first = opens(s, first);
    const bool by_other = opens(s, s->other_key);
    if (by_first == by_other) {
        scene_fail(s, "I9: %s of both keys opens the store", by_first ? "each" : "none");
    }
    memcpy(s->key, by_other ? s->other_key : first, sizeof(s->key));
}

void upkeep_other_key_opens(scene *s)
{
    upkeep_one_key_opens(s);
    if (strcmp(s->key, s->other_key) != 0) {
        scene_fail(s, "I9: the key was changed, and the old one opens the store");
    }
}
