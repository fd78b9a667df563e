#include "domain/component.h"

#include <string.h>

#include "domain/storage.h"
#include "domain/vault.h"

enum { SECRETS = 5 };

static const char *const fields[SECRETS] = {"appsecret", "push_token", "previous_push_token", "aes_key",
                                            "previous_aes_key"};

/* What was opened last, and what it was opened from: an equal row needs no opening. */
struct wx_opened {
    const wxtp_allocator *allocator;
    pthread_mutex_t lock;
    wxtp_blob sealed[SECRETS]; /* data NULL: none */
    char *texts[SECRETS];
};

wx_opened *wx_opened_new(const wxtp_allocator *allocator)
{
    wx_opened *made = wx_alloc(allocator, sizeof(*made));
    if (made) {
        made->allocator = allocator;
        pthread_mutex_init(&made->lock, NULL);
    }
    return made;
}

void wx_opened_free(wx_opened *opened)
{
    if (opened) {
        for (size_t at = 0; at < SECRETS; at++) {
            wx_free(opened->texts[at]);
            wx_free((void *)opened->sealed[at].data);
        }
        pthread_mutex_destroy(&opened->lock);
        wx_free(opened);
    }
}

/* With the lock held. */
static bool same(const wx_opened *opened, size_t at, wxtp_blob sealed)
{
    const wxtp_blob known = opened->sealed[at];
    return known.data && known.len == sealed.len && memcmp(known.data, sealed.data, known.len) == 0;
}

/* With the lock held; without memory it is opened again next time. */
static void remember(wx_opened *opened, size_t at, wxtp_blob sealed, const char *text)
{
    wx_free(opened->texts[at]);
    wx_free((void *)opened->sealed[at].data);
    void *copy = wx_alloc(opened->allocator, sealed.len);
    opened->texts[at] = wx_strdup(opened->allocator, text);
    if (copy && opened->texts[at]) {
        memcpy(copy, sealed.data, sealed.len);
        opened->sealed[at] = (wxtp_blob){copy, sealed.len};
    } else {
        wx_free(copy);
        opened->sealed[at] = (wxtp_blob){NULL, 0};
    }
}

/* With the lock held. */
static wxtp_status open_one(wx_core *core, size_t at, wxtp_blob sealed, char **text, wx_err *err)
{
    wx_opened *opened = core->opened;
    if (sealed.len > 0 && same(opened, at, sealed)) {
        *text = wx_strdup(&core->allocator, opened->texts[at]);
        return *text ? WXTP_OK : wx_fail_nomem(err);
    }
    const wxtp_status status =
        wx_vault_open(core, "platform", core->settings.component, "", fields[at], sealed, text, err);
    if (status == WXTP_OK && *text) {
        remember(opened, at, sealed, *text);
    }
    return status;
}

static wxtp_status open_all(wx_core *core, const wxtp_platform_row *row, wx_component *component, wx_err *err)
{
    const wxtp_blob sealed[SECRETS] = {row->appsecret, row->push_token, row->previous_push_token,
                                       row->aes_key, row->previous_aes_key};
    char **const texts[SECRETS] = {&component->appsecret, &component->push_token,
                                   &component->previous_push_token, &component->aes_key,
                                   &component->previous_aes_key};
    wxtp_status status = WXTP_OK;
    pthread_mutex_lock(&core->opened->lock);
    for (size_t at = 0; at < SECRETS && status == WXTP_OK; at++) {
        status = open_one(core, at, sealed[at], texts[at], err);
    }
    pthread_mutex_unlock(&core->opened->lock);
    return status;
}

void wx_component_free(wx_component *component)
{
    wx_free(component->appsecret);
    wx_free(component->push_token);
    wx_free(component->previous_push_token);
    wx_free(component->aes_key);
    wx_free(component->previous_aes_key);
    *component = (wx_component){0};
}

wxtp_status wx_component_load(wx_core *core, wx_component *component, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_platform_row row = {0};
    *component = (wx_component){0};
    wxtp_status status = wx_need_component(core, err);
    if (status == WXTP_OK) {
        status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    }
    if (status != WXTP_OK) {
        return status;
    }
    const char *appid = core->settings.component;
    wx_copy(component->appid, sizeof(component->appid), appid);
    status = wx_ops(core)->platform_get(scope.tx, appid, &row);
    if (status == WXTP_ERR_NOT_FOUND) {
        wx_fail(err, WXTP_ERR_CONFIGURATION, "the third-party platform %s is not set up in this database",
                appid);
        wx_err_hint(err, "set it up with wxtp-admin platform set, or name another with --component");
        return err->status;
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "read the platform", err);
    }
    status = open_all(core, &row, component, err);
    if (status != WXTP_OK) {
        wx_component_free(component);
    }
    return status;
}
