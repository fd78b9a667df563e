#include "api/handle.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

enum { MAINTAIN_EVERY_MS = 1000 };

static_assert(offsetof(wx_core, ticket_asked_boot_ms) + sizeof(atomic_int_fast64_t) == sizeof(wx_core),
              "`stopping` and what follows it change while calls are inside; what stands before never does");

wx_core *wx_platform_core(wxtp_platform *platform)
{
    return platform->has_later ? &platform->later : &platform->core;
}

/* Leaves alone what other threads and signal handlers may be writing. */
static void copy_settled(wx_core *copy, const wx_core *core)
{
    memcpy(copy, core, offsetof(wx_core, stopping));
}

void wx_core_copy(wx_core *copy, const wx_core *core)
{
    copy_settled(copy, core);
    atomic_init(&copy->stopping, atomic_load(&core->stopping));
    atomic_init(&copy->ticket_asked_boot_ms, 0);
}

bool wx_platform_choose(wxtp_platform *platform, const char *component, bool named)
{
    (void)pthread_mutex_lock(&platform->lock);
    wx_core *core = wx_platform_core(platform);
    if (core->settings.component[0] == '\0' && (named || !core->settings.component_ambiguous)) {
        assert(!platform->has_later);
        copy_settled(&platform->later, core);
        (void)wx_copy(platform->later.settings.component, sizeof(platform->later.settings.component),
                      component);
        platform->later.settings.component_named = named;
        platform->has_later = true;
        core = &platform->later;
    }
    const bool chosen = strcmp(core->settings.component, component) == 0;
    (void)pthread_mutex_unlock(&platform->lock);
    return chosen;
}

static void begin_op(wx_door *door, wx_core *core)
{
    door->op.core = core;
    door->op.patience = &door->patience;
    door->op.job_id = "";
    door->op.person = false;
    door->op.deadline_boot_ms = 0;
    atomic_init(&door->op.refreshes, 0);
}

static wxtp_status enter(wx_door *door, wxtp_platform *platform, bool late, wx_err *err)
{
    if (!platform) {
        return wx_fail(err, WXTP_ERR_INVALID, "no platform was given");
    }
    wxtp_store *store = platform->core.store;
    if (store->ops->forked(store)) {
        return wx_fail(err, WXTP_ERR_FORKED, "the platform was opened before fork");
    }
    (void)pthread_mutex_lock(&platform->lock);
    const bool closed = late ? platform->closed : platform->closing;
    if (!closed) {
        platform->inside++;
    }
    wx_core *core = wx_platform_core(platform);
    (void)pthread_mutex_unlock(&platform->lock);
    if (closed) {
        return wx_fail(err, WXTP_ERR_STATE, "the platform is being closed");
    }
    door->platform = platform;
    wx_patience_init(&door->patience, core->settings.max_wait_ms);
    begin_op(door, core);
    return WXTP_OK;
}

wxtp_status wx_enter(wx_door *door, wxtp_platform *platform, wx_err *err)
{
    return enter(door, platform, false, err);
}

wxtp_status wx_enter_late(wx_door *door, wxtp_platform *platform, wx_err *err)
{
    return enter(door, platform, true, err);
}

/* Gives the store its turn for housekeeping about once a second while there are calls. */
static void maintain(wxtp_platform *platform)
{
    wx_core *core = &platform->core;
    int64_t now = wx_boot_ms(core);
    int_fast64_t last = atomic_load(&platform->maintained_boot_ms);
    if (now - last < MAINTAIN_EVERY_MS ||
        !atomic_compare_exchange_strong(&platform->maintained_boot_ms, &last, now)) {
        return;
    }
    wxtp_status status = core->store->ops->maintain(core->store);
    if (status != WXTP_OK && status != WXTP_ERR_STORE_BUSY) {
        wx_log(&core->log, WXTP_LOG_WARNING, "housekeeping of the store failed: %s",
               wxtp_status_name(status));
    }
}

wxtp_status wx_leave(wx_door *door, wxtp_status status, const wx_err *err, wxtp_error **error)
{
    wxtp_platform *platform = door->platform;
    if (status != WXTP_OK) {
        wx_err told = *err;
        if (told.status != status) {
            (void)wx_fail(&told, status, "the call failed: %s", wxtp_status_name(status));
        }
        (void)wx_err_give(error, &platform->core.allocator, &told);
    }
    maintain(platform);
    wx_leave_quietly(door);
    return status;
}

void wx_leave_quietly(wx_door *door)
{
    wxtp_platform *platform = door->platform;
    wx_patience_destroy(&door->patience);
    (void)pthread_mutex_lock(&platform->lock);
    assert(platform->inside > 0);
    platform->inside--;
    if (platform->inside == 0 && platform->closing) {
        (void)pthread_cond_broadcast(&platform->left);
        wx_engine_nudge(platform->core.engine);
    }
    (void)pthread_mutex_unlock(&platform->lock);
}

void wx_door_move(wx_door *to, wx_door *from)
{
    wx_core *core = from->op.core;
    to->platform = from->platform;
    wx_patience_destroy(&from->patience);
    wx_patience_init(&to->patience, core->settings.max_wait_ms);
    begin_op(to, core);
}

wxtp_status wx_turned_away(wxtp_platform *platform, const wx_err *err, wxtp_error **error)
{
    return wx_err_give(error, platform ? &platform->core.allocator : NULL, err);
}

void wxtp_platform_stop(wxtp_platform *platform)
{
    if (platform) {
        atomic_store(&platform->core.stopping, true);
        atomic_store(&platform->later.stopping, true);
        wx_engine_stop(platform->core.engine);
    }
}

const char *wxtp_platform_component(wxtp_platform *platform)
{
    if (!platform || platform->core.store->ops->forked(platform->core.store)) {
        return "";
    }
    (void)pthread_mutex_lock(&platform->lock);
    const char *component = wx_platform_core(platform)->settings.component;
    (void)pthread_mutex_unlock(&platform->lock);
    return component;
}

const char *wxtp_version(void)
{
    return WXTP_VERSION;
}
