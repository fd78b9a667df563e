/**
 * @file config.h
 * How a platform is opened: settings by name, and the ports. A configuration is copied by
 * ::wxtp_platform_open; the caller frees it whatever that returns. One thread at a time may use a
 * configuration.
 */
#ifndef WXTP_CONFIG_H
#define WXTP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wxtp/allocator.h>
#include <wxtp/clock.h>
#include <wxtp/error.h>
#include <wxtp/http.h>
#include <wxtp/log.h>
#include <wxtp/store.h>

WXTP_BEGIN_DECLS

typedef struct wxtp_config wxtp_config;

/**
 * Makes a configuration in which every setting has its default.
 *
 * @param allocator NULL: malloc and free; copied, and used by everything opened with this configuration.
 * @param config receives it; freed by ::wxtp_config_free.
 * @return WXTP_OK; WXTP_ERR_NOMEM; WXTP_ERR_INVALID for an allocator whose struct_size is too small.
 * Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_config_new(const wxtp_allocator *allocator, wxtp_config **config);

/**
 * Frees a configuration and zeroes its secrets; NULL does nothing. A store that no platform took over
 * stays the caller's.
 * Threading: one thread at a time a configuration. Blocking: no. Since: 0.1.0.
 */
WXTP_API void wxtp_config_free(wxtp_config *config);

/**
 * Sets one setting from text.
 *
 * @param name a row of the table that ::wxtp_config_each lists, as in `"timeout_ms"`.
 * @param value copied; NULL goes back to the default.
 * @param error see error.h.
 * @return WXTP_OK; WXTP_ERR_NOT_FOUND for an unknown name; WXTP_ERR_INVALID for a value out of range;
 * WXTP_ERR_NOMEM. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_config_set(wxtp_config *config, const char *name, const char *value,
                                     wxtp_error **error);

/** One row of the table of settings. All strings are static. */
typedef void wxtp_config_visitor(void *user, const char *name, const char *type, const char *range,
                                 const char *default_value, const char *meaning);
/**
 * Visits every row of the table of settings, in its order.
 *
 * @param visit called once a row. @param user handed to it.
 * Threading: any thread. Blocking: no. Since: 0.1.0.
 */
WXTP_API void wxtp_config_each(wxtp_config_visitor *visit, void *user);

/**
 * Injects a clock.
 *
 * @param clock copied, so `user` must outlive the platform; NULL: the system's.
 * @return WXTP_OK; WXTP_ERR_INVALID for a NULL configuration, a struct_size that is too small, or a
 * missing function.
 * Threading: one thread at a time a configuration. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_config_set_clock(wxtp_config *config, const wxtp_clock *clock);
/**
 * Injects an HTTP port. The settings `proxy`, `ca_file` and `user_agent` then have no effect.
 *
 * @param http copied, so `user` must outlive the platform; NULL: libcurl.
 * @return WXTP_OK; WXTP_ERR_INVALID for a NULL configuration, a struct_size that is too small, or a
 * missing function.
 * Threading: one thread at a time a configuration. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_config_set_http(wxtp_config *config, const wxtp_http *http);
/**
 * Injects a log.
 *
 * @param log copied, so `user` must outlive the platform; NULL: no log.
 * @return WXTP_OK; WXTP_ERR_INVALID for a NULL configuration, a struct_size that is too small, or a
 * missing function.
 * Threading: one thread at a time a configuration. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_config_set_log(wxtp_config *config, const wxtp_log *log);
/**
 * Names the store. A successful ::wxtp_platform_open takes it over and ::wxtp_platform_close closes it;
 * until then it is the caller's.
 *
 * @param store an open store, as of ::wxtp_sqlite_open. It serves one platform: a second one is refused, but
 * one database may be opened several times.
 * @return WXTP_OK; WXTP_ERR_INVALID for NULL, or a store of another contract.
 * Threading: one thread at a time a configuration. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_config_set_store(wxtp_config *config, wxtp_store *store);
/**
 * Gives the master key itself, instead of the setting `master_key_file`.
 *
 * @param key 32 random bytes; copied, zeroed with the configuration.
 * @return WXTP_OK; WXTP_ERR_INVALID for NULL.
 * Threading: one thread at a time a configuration. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_config_set_master_key(wxtp_config *config, const unsigned char key[32]);

/** A host's own row of the catalog. Strings are copied. */
typedef struct wxtp_api_row {
    size_t struct_size;
    const char *name, *path;
    const char *token_parameter; /**< NULL: "access_token" */
    const int *permission_sets;  /**< any of them will do; ended by 0; at most 7; NULL: none is needed */
    bool official_accounts_only, certified_only, cloud, repeat_safe;
    int list_max;           /**< 0: takes no list of openids, and cannot be a job */
    const char *list_field; /**< with list_max: the member of the body */
} wxtp_api_row;
/**
 * Adds a WeChat API to the catalog of platforms opened with this configuration.
 *
 * @param row copied with its strings.
 * @return WXTP_OK; WXTP_ERR_EXISTS for a name that is there; WXTP_ERR_INVALID for a row that is not
 * complete; WXTP_ERR_NOMEM.
 * Threading: one thread at a time a configuration. Blocking: no. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_config_add_api(wxtp_config *config, const wxtp_api_row *row, wxtp_error **error);

WXTP_END_DECLS
#endif
