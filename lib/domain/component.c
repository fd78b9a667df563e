#include "domain/component.h"

#include "domain/storage.h"
#include "domain/vault.h"

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
    const struct {
        const char *field;
        wxtp_blob sealed;
        char **text;
    } secrets[] = {
        {"appsecret", row.appsecret, &component->appsecret},
        {"push_token", row.push_token, &component->push_token},
        {"previous_push_token", row.previous_push_token, &component->previous_push_token},
        {"aes_key", row.aes_key, &component->aes_key},
        {"previous_aes_key", row.previous_aes_key, &component->previous_aes_key},
    };
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]) && status == WXTP_OK; i++) {
        status = wx_vault_open(core, "platform", appid, "", secrets[i].field, secrets[i].sealed,
                               secrets[i].text, err);
    }
    if (status != WXTP_OK) {
        wx_component_free(component);
    }
    return status;
}
