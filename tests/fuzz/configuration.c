/* Settings, a line each: NAME=VALUE. What was taken must be within its range once it is read. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <wxtp/wxtp.h>

#include "api/config.h"
#include "api/settings.h"

static void check_ranges(const wxtp_config *config)
{
    static wx_settings settings;
    wx_settings_read((const char *const *)config->values, &settings);
    for (unsigned id = 0; id < WX_SETTINGS; id++) {
        const wx_setting *setting = wx_setting_at((wx_setting_id)id);
        if (strcmp(setting->type, "integer") == 0) {
            fuzz_require(setting->least <= setting->most);
        }
    }
    const wx_setting *concurrency = wx_setting_at(WX_SET_CONCURRENCY);
    fuzz_require(settings.concurrency >= concurrency->least && settings.concurrency <= concurrency->most);
    fuzz_require(settings.timeout_ms > 0 && settings.max_wait_ms >= 0 && settings.max_tries >= 1);
    fuzz_require(settings.rate_per_second >= 0 && settings.renewals_per_second >= 0);
    fuzz_require(settings.audit_days >= 0 && settings.pushes_days >= 0 && settings.jobs_days >= 0);
    fuzz_require(strlen(settings.api_base) < sizeof(settings.api_base));
    fuzz_require(strncmp(settings.api_base, "http", 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wxtp_config *config = NULL;
    fuzz_bytes rest = {data, size};
    fuzz_require(wxtp_config_new(NULL, &config) == WXTP_OK);
    while (rest.size > 0) {
        const fuzz_bytes line = fuzz_take_line(&rest);
        char *name = fuzz_text(line.data, line.size);
        char *value = strchr(name, '=');
        wxtp_error *error = NULL;
        if (value) {
            *value++ = '\0';
        }
        if (wxtp_config_set(config, name, value, &error) != WXTP_OK) {
            fuzz_require(error && wxtp_error_message(error)[0] && wxtp_error_hint(error)[0]);
        }
        wxtp_error_free(error);
        free(name);
    }
    check_ranges(config);
    wxtp_config_free(config);
    return 0;
}
