#include "api/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { API_TEXT_MAX = 200, HOST_APIS_MAX = 1000 };

static void *plain_allocate(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void plain_release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

wxtp_status wxtp_config_new(const wxtp_allocator *allocator, wxtp_config **config)
{
    if (!config) {
        return WXTP_ERR_INVALID;
    }
    *config = NULL;
    wxtp_allocator chosen = {sizeof(chosen), NULL, plain_allocate, plain_release};
    if (allocator) {
        if (allocator->struct_size < sizeof(chosen) || !allocator->allocate || !allocator->release) {
            return WXTP_ERR_INVALID;
        }
        chosen = *allocator;
    }
    wxtp_config *fresh = wx_alloc(&chosen, sizeof(*fresh));
    if (!fresh) {
        return WXTP_ERR_NOMEM;
    }
    fresh->allocator = chosen;
    *config = fresh;
    return WXTP_OK;
}

static void api_free(const wx_api *api)
{
    wx_free((char *)api->name);
    wx_free((char *)api->path);
    wx_free((char *)api->token_parameter);
    wx_free((char *)api->list_field);
}

void wxtp_config_free(wxtp_config *config)
{
    if (!config) {
        return;
    }
    for (int id = 0; id < WX_SETTINGS; id++) {
        wx_free(config->values[id]);
    }
    for (size_t at = 0; at < config->api_count; at++) {
        api_free(&config->apis[at]);
    }
    wx_free(config->apis);
    wx_free(config); /* zeroes the master key */
}

static wxtp_status set(wxtp_config *config, const char *name, const char *value, wx_err *err)
{
    wx_setting_id id = wx_setting_find(name);
    if (id == WX_SETTINGS) {
        (void)wx_fail(err, WXTP_ERR_NOT_FOUND, "there is no setting \"%.64s\"", name);
        wx_err_hint(err, "See the list of settings.");
        return WXTP_ERR_NOT_FOUND;
    }
    char *copy = NULL;
    if (value) {
        if (wx_setting_check(id, value, err) != WXTP_OK) {
            return err->status;
        }
        copy = wx_strdup(&config->allocator, value);
        if (!copy) {
            return wx_fail_nomem(err);
        }
    }
    wx_free(config->values[id]);
    config->values[id] = copy;
    return WXTP_OK;
}

wxtp_status wxtp_config_set(wxtp_config *config, const char *name, const char *value, wxtp_error **error)
{
    wx_err err = {0};
    if (!config || !name) {
        (void)wx_fail(&err, WXTP_ERR_INVALID, "no configuration or no name was given");
        return wx_err_give(error, config ? &config->allocator : NULL, &err);
    }
    if (set(config, name, value, &err) != WXTP_OK) {
        return wx_err_give(error, &config->allocator, &err);
    }
    return WXTP_OK;
}

void wxtp_config_each(wxtp_config_visitor *visit, void *user)
{
    for (unsigned id = 0; visit && id < WX_SETTINGS; id++) {
        const wx_setting *setting = wx_setting_at((wx_setting_id)id);
        visit(user, setting->name, setting->type, setting->range, setting->fallback, setting->meaning);
    }
}

wxtp_status wxtp_config_set_clock(wxtp_config *config, const wxtp_clock *clock)
{
    if (!config || (clock && (clock->struct_size < sizeof(*clock) || !clock->wall_ms || !clock->boot_ms ||
                              !clock->boot_id || !clock->sleep_ms))) {
        return WXTP_ERR_INVALID;
    }
    config->clock = clock ? *clock : (wxtp_clock){0};
    return WXTP_OK;
}

wxtp_status wxtp_config_set_http(wxtp_config *config, const wxtp_http *http)
{
    if (!config || (http && (http->struct_size < sizeof(*http) || !http->start || !http->poll ||
                             !http->wake || !http->release))) {
        return WXTP_ERR_INVALID;
    }
    config->http = http ? *http : (wxtp_http){0};
    return WXTP_OK;
}

wxtp_status wxtp_config_set_log(wxtp_config *config, const wxtp_log *log)
{
    if (!config || (log && (log->struct_size < sizeof(*log) || !log->write))) {
        return WXTP_ERR_INVALID;
    }
    config->log = log ? *log : (wxtp_log){0};
    return WXTP_OK;
}

wxtp_status wxtp_config_set_store(wxtp_config *config, wxtp_store *store)
{
    if (!config || !store || !store->ops || store->ops->struct_size < sizeof(wxtp_store_ops)) {
        return WXTP_ERR_INVALID;
    }
    config->store = store;
    return WXTP_OK;
}

wxtp_status wxtp_config_set_master_key(wxtp_config *config, const unsigned char key[32])
{
    if (!config || !key) {
        return WXTP_ERR_INVALID;
    }
    memcpy(config->master_key, key, WX_KEY_LEN);
    config->has_master_key = true;
    return WXTP_OK;
}

/* ---- Rows of the catalog that the host brings ---- */

static bool of_characters(const char *text, const char *characters)
{
    size_t len = strlen(text);
    return len > 0 && len <= API_TEXT_MAX && strspn(text, characters) == len;
}

static const char word_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
static const char path_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./~";

/* What is wrong with a row in words, NULL when nothing is. */
static const char *api_fault(const wxtp_api_row *row)
{
    if (row->struct_size < sizeof(*row)) {
        return "its struct_size is too small";
    }
    if (!row->name || !of_characters(row->name, word_characters) || strlen(row->name) > 63) {
        return "its name is not 1 to 63 letters, digits and _";
    }
    if (!row->path || row->path[0] != '/' || !of_characters(row->path, path_characters)) {
        return "its path does not begin with / or holds other characters than those of a path";
    }
    if (row->token_parameter && !of_characters(row->token_parameter, word_characters)) {
        return "its token parameter is no word";
    }
    if (row->list_max < 0 || row->list_max > WXTP_BATCH_MAX) {
        return "its list_max is not 0 to 20";
    }
    if (row->list_max > 0 && (!row->list_field || !of_characters(row->list_field, word_characters))) {
        return "it takes a list and has no list_field";
    }
    for (int at = 0; row->permission_sets && row->permission_sets[at] != 0; at++) {
        if (at >= WX_API_SETS_MAX - 1 || row->permission_sets[at] < 0) {
            return "it has more than 7 permission sets or a negative one";
        }
    }
    return NULL;
}

static bool api_known(const wxtp_config *config, const char *name)
{
    size_t count = 0;
    const wx_api *builtin = wx_catalog_builtin(&count);
    for (size_t at = 0; at < count; at++) {
        if (strcmp(builtin[at].name, name) == 0) {
            return true;
        }
    }
    for (size_t at = 0; at < config->api_count; at++) {
        if (strcmp(config->apis[at].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* False when out of memory; what was copied is then freed. */
static bool api_copy(const wxtp_allocator *allocator, const wxtp_api_row *row, wx_api *api)
{
    *api = (wx_api){
        .name = wx_strdup(allocator, row->name),
        .path = wx_strdup(allocator, row->path),
        .token_parameter = wx_strdup(allocator, row->token_parameter ? row->token_parameter : "access_token"),
        .official_accounts_only = row->official_accounts_only,
        .certified_only = row->certified_only,
        .cloud = row->cloud,
        .repeat_safe = row->repeat_safe,
        .list_max = row->list_max,
        .list_field = row->list_max > 0 ? wx_strdup(allocator, row->list_field) : NULL,
        .done_word = "succeeded",
    };
    for (int at = 0; row->permission_sets && row->permission_sets[at] != 0; at++) {
        api->permission_sets[at] = row->permission_sets[at];
    }
    if (!api->name || !api->path || !api->token_parameter || (row->list_max > 0 && !api->list_field)) {
        api_free(api);
        return false;
    }
    return true;
}

static wxtp_status add_api(wxtp_config *config, const wxtp_api_row *row, wx_err *err)
{
    const char *fault = api_fault(row);
    if (fault) {
        return wx_fail(err, WXTP_ERR_INVALID, "the row of the catalog cannot be added: %s", fault);
    }
    if (api_known(config, row->name)) {
        return wx_fail(err, WXTP_ERR_EXISTS, "the catalog has a row %s already", row->name);
    }
    if (config->api_count >= HOST_APIS_MAX) {
        return wx_fail(err, WXTP_ERR_INVALID, "a host may add %d rows to the catalog", HOST_APIS_MAX);
    }
    wx_api api;
    if (!api_copy(&config->allocator, row, &api)) {
        return wx_fail_nomem(err);
    }
    wx_api *grown = wx_resize(&config->allocator, config->apis, (config->api_count + 1) * sizeof(*grown));
    if (!grown) {
        api_free(&api);
        return wx_fail_nomem(err);
    }
    config->apis = grown;
    config->apis[config->api_count++] = api;
    return WXTP_OK;
}

wxtp_status wxtp_config_add_api(wxtp_config *config, const wxtp_api_row *row, wxtp_error **error)
{
    wx_err err = {0};
    if (!config || !row) {
        (void)wx_fail(&err, WXTP_ERR_INVALID, "no configuration or no row was given");
        return wx_err_give(error, config ? &config->allocator : NULL, &err);
    }
    if (add_api(config, row, &err) != WXTP_OK) {
        return wx_err_give(error, &config->allocator, &err);
    }
    return WXTP_OK;
}
