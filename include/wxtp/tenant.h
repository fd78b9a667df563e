/**
 * @file tenant.h
 * Tenants: the accounts that the platform calls on behalf of, and the gate before a call. An appid stands for
 * one tenant of the chosen component or for an own or cloud one; where it could be both, calls answer
 * WXTP_ERR_AMBIGUOUS.
 */
#ifndef WXTP_TENANT_H
#define WXTP_TENANT_H

#include <wxtp/platform.h>

WXTP_BEGIN_DECLS

typedef struct wxtp_tenant wxtp_tenant;

/** Looks one up; asks WeChat nothing. @return WXTP_OK; WXTP_ERR_REFUSED (unknown_tenant); WXTP_ERR_AMBIGUOUS;
 * the store's. Since: 0.1.0. */
WXTP_API wxtp_status wxtp_tenant_get(wxtp_platform *platform, const char *appid, wxtp_tenant **tenant,
                                     wxtp_error **error);

/**
 * Visits tenants by appid. `tenant` is borrowed for the visit; `each` returns false to stop.
 *
 * @param status a wxtp_tenant_status or -1. @param certified 0, 1 or -1. @param after_appid NULL: from the
 * start.
 * @param limit at most 10,000. @return WXTP_OK; WXTP_ERR_INVALID; the store's. Blocking: on the store. Since:
 * 0.1.0.
 */
WXTP_API wxtp_status wxtp_tenant_list(wxtp_platform *platform, int status, int certified,
                                      const char *after_appid, size_t limit,
                                      bool (*each)(void *user, const wxtp_tenant *tenant), void *user,
                                      wxtp_error **error);

/* Getters. Strings are borrowed from the tenant and never NULL. */
WXTP_API const char *wxtp_tenant_platform(const wxtp_tenant *tenant);
WXTP_API const char *wxtp_tenant_appid(const wxtp_tenant *tenant);
WXTP_API const char *wxtp_tenant_nick_name(const wxtp_tenant *tenant);
WXTP_API const char *wxtp_tenant_principal_name(const wxtp_tenant *tenant);
WXTP_API const char *wxtp_tenant_user_name(const wxtp_tenant *tenant);
WXTP_API wxtp_account wxtp_tenant_account(const wxtp_tenant *tenant);
WXTP_API int wxtp_tenant_service_type(const wxtp_tenant *tenant);
WXTP_API int wxtp_tenant_verify_type(const wxtp_tenant *tenant);
WXTP_API bool wxtp_tenant_has_profile(const wxtp_tenant *tenant);
WXTP_API wxtp_tristate wxtp_tenant_certified(const wxtp_tenant *tenant);
/** Whose word `certified` is: "profile", "operator", "declared", "observed". */
WXTP_API const char *wxtp_tenant_basis(const wxtp_tenant *tenant);
/** Ascending ids; `count` receives how many. */
WXTP_API const int *wxtp_tenant_permission_sets(const wxtp_tenant *tenant, size_t *count);
WXTP_API wxtp_tenant_status wxtp_tenant_status_of(const wxtp_tenant *tenant);
WXTP_API wxtp_credential wxtp_tenant_credential(const wxtp_tenant *tenant);
WXTP_API wxtp_token_state wxtp_tenant_token_state(const wxtp_tenant *tenant);
WXTP_API int64_t wxtp_tenant_token_version(const wxtp_tenant *tenant);
WXTP_API int64_t wxtp_tenant_token_expires_ms(const wxtp_tenant *tenant); /**< wall time; 0 none */
WXTP_API int64_t wxtp_tenant_account_status(const wxtp_tenant *tenant);
WXTP_API int64_t wxtp_tenant_profile_ms(const wxtp_tenant *tenant);
/** Frees a tenant; NULL does nothing. */
WXTP_API void wxtp_tenant_free(wxtp_tenant *tenant);

/** The gate's word on one call. */
typedef struct wxtp_verdict_on_call {
    size_t struct_size;
    bool allowed;
    char reason[40]; /**< "" when allowed; else as in `not_certified` */
    char hint[256];
} wxtp_verdict_on_call;

/**
 * Judges whether `call` would be allowed for a tenant, from what the store holds; asks WeChat nothing.
 *
 * @param call a name of the catalog. @return WXTP_OK, whatever the verdict; WXTP_ERR_NOT_FOUND for an unknown
 * call; WXTP_ERR_AMBIGUOUS; the store's. An unknown appid is the verdict `unknown_tenant`. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_tenant_check(wxtp_platform *platform, const char *appid, const char *call,
                                       wxtp_verdict_on_call *verdict, wxtp_error **error);
/** Visits the names of all calls of the catalog. Since: 0.1.0. */
WXTP_API void wxtp_catalog_each(wxtp_platform *platform, bool (*each)(void *user, const char *call),
                                void *user);

/**
 * Exchanges an authorization code, reads the account's profile and stores the tenant. A code that a push has
 * brought already gives that tenant. An exchange whose answer was lost is recovered.
 *
 * @param tenant receives it; freed by ::wxtp_tenant_free; may be NULL.
 * @return WXTP_OK; WXTP_ERR_CREDENTIALS for a bad code; others as they come. Blocking: network. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_tenant_add(wxtp_platform *platform, const char *authorization_code,
                                     wxtp_tenant **tenant, wxtp_error **error);
/** Adds or updates an account called with its own access_token. `account` WXTP_ACCOUNT_UNKNOWN and
 * `certified` -1: not declared. `appsecret` NULL keeps the stored one. Since: 0.1.0. */
WXTP_API wxtp_status wxtp_tenant_add_own(wxtp_platform *platform, const char *appid, const char *appsecret,
                                         wxtp_account account, wxtp_tristate certified, wxtp_error **error);
/** Adds or updates an account called in WeChat cloud hosting. `token_file` NULL: no token parameter.
 * `of_platform`: TOKEN@appid, with profile and full gate. Since: 0.1.0. */
WXTP_API wxtp_status wxtp_tenant_add_cloud(wxtp_platform *platform, const char *appid, const char *token_file,
                                           bool of_platform, wxtp_account account, wxtp_tristate certified,
                                           wxtp_error **error);
/** The operator's word on certification; -1 believes WeChat again. Audited. Since: 0.1.0. */
WXTP_API wxtp_status wxtp_tenant_set_certified(wxtp_platform *platform, const char *appid,
                                               wxtp_tristate certified, wxtp_error **error);
/** Forgets a tenant and its secrets. WXTP_ERR_STATE with unfinished jobs unless `cancel_jobs`. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_tenant_remove(wxtp_platform *platform, const char *appid, bool cancel_jobs,
                                        wxtp_error **error);

/** What a sync did. */
typedef struct wxtp_sync_result {
    size_t struct_size;
    int64_t synced, added, repaired, unauthorized;
} wxtp_sync_result;
/** Told for each tenant that could not be synced; `error` is borrowed. */
typedef void wxtp_sync_failure(void *user, const char *appid, const wxtp_error *error);
/** Told as work goes on; `total` may grow. Returns false to stop. */
typedef bool wxtp_sync_progress(void *user, int64_t done, int64_t total);
/**
 * Reads back refresh tokens and profiles from WeChat.
 *
 * @param appids NULL: all that api_get_authorizer_list shows and all that are stored. @param count of
 * `appids`.
 * @return WXTP_OK also where some failed; else why it could not go on. Blocking: network. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_tenant_sync(wxtp_platform *platform, const char *const *appids, size_t count,
                                      wxtp_sync_failure *failed, wxtp_sync_progress *progress, void *user,
                                      wxtp_sync_result *result, wxtp_error **error);

WXTP_END_DECLS
#endif
