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

/**
 * Looks a tenant up in the store; asks WeChat nothing.
 *
 * @param tenant receives a copy; freed by ::wxtp_tenant_free.
 * @return WXTP_OK; WXTP_ERR_REFUSED (kind `unknown_tenant`); WXTP_ERR_AMBIGUOUS; the store's. Blocking:
 * store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_tenant_get(wxtp_platform *platform, const char *appid, wxtp_tenant **tenant,
                                     wxtp_error **error);
/**
 * As ::wxtp_tenant_get, but for the own or cloud account of an appid alone, whichever platform has a tenant
 * of that appid too.
 *
 * @return WXTP_OK; WXTP_ERR_REFUSED (kind `unknown_tenant`); the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_tenant_get_own(wxtp_platform *platform, const char *appid, wxtp_tenant **tenant,
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

/* Getters. Strings are borrowed from the tenant and never NULL. One thread at a time may use a tenant. */
/**
 * @return the component that it authorized; "" for own and cloud accounts. Borrowed. Blocking: no. Since:
 * 0.1.0.
 */
WXTP_API const char *wxtp_tenant_platform(const wxtp_tenant *tenant);
/** @return its appid. Borrowed. Blocking: no. Since: 0.1.0. */
WXTP_API const char *wxtp_tenant_appid(const wxtp_tenant *tenant);
/** @return nick_name of its profile, "" where unknown. Borrowed. Blocking: no. Since: 0.1.0. */
WXTP_API const char *wxtp_tenant_nick_name(const wxtp_tenant *tenant);
/** @return principal_name of its profile, "" where unknown. Borrowed. Blocking: no. Since: 0.1.0. */
WXTP_API const char *wxtp_tenant_principal_name(const wxtp_tenant *tenant);
/** @return user_name of its profile (gh_…), "" where unknown. Borrowed. Blocking: no. Since: 0.1.0. */
WXTP_API const char *wxtp_tenant_user_name(const wxtp_tenant *tenant);
/** @return its kind, from the profile or as declared. Blocking: no. Since: 0.1.0. */
WXTP_API wxtp_account wxtp_tenant_account(const wxtp_tenant *tenant);
/**
 * @return service_type_info.id: 0 and 1 subscription account, 2 service account; -1 unknown. Blocking:
 * no. Since: 0.1.0.
 * Source: api_get_authorizer_info.
 */
WXTP_API int wxtp_tenant_service_type(const wxtp_tenant *tenant);
/**
 * @return verify_type_info.id: -1 not certified, 0 certified, 3 to 5 qualified; -1 too while WeChat has not
 * told it; without a profile it means nothing. Blocking: no. Since: 0.1.0.
 * Source: api_get_authorizer_info.
 */
WXTP_API int wxtp_tenant_verify_type(const wxtp_tenant *tenant);
/** @return whether a profile has been read. Blocking: no. Since: 0.1.0. */
WXTP_API bool wxtp_tenant_has_profile(const wxtp_tenant *tenant);
/** @return what counts as certified: 1, 0, or -1 while unknown. Blocking: no. Since: 0.1.0. */
WXTP_API wxtp_tristate wxtp_tenant_certified(const wxtp_tenant *tenant);
/**
 * @return whose word `certified` is: "profile", "operator", "declared", "observed". Static. Blocking: no.
 * Since: 0.1.0.
 */
WXTP_API const char *wxtp_tenant_basis(const wxtp_tenant *tenant);
/**
 * @param count receives how many. @return granted permission sets, ascending. Borrowed. Blocking: no.
 * Since: 0.1.0.
 * Source: func_info of api_get_authorizer_info.
 */
WXTP_API const int *wxtp_tenant_permission_sets(const wxtp_tenant *tenant, size_t *count);
/** @return its authorization's status. Blocking: no. Since: 0.1.0. */
WXTP_API wxtp_tenant_status wxtp_tenant_status_of(const wxtp_tenant *tenant);
/** @return how it is called: authorizer, own, cloud. Blocking: no. Since: 0.1.0. */
WXTP_API wxtp_credential wxtp_tenant_credential(const wxtp_tenant *tenant);
/** @return its token's state when the copy was made. Blocking: no. Since: 0.1.0. */
WXTP_API wxtp_token_state wxtp_tenant_token_state(const wxtp_tenant *tenant);
/** @return its token's generation; 0 none. Blocking: no. Since: 0.1.0. */
WXTP_API int64_t wxtp_tenant_token_version(const wxtp_tenant *tenant);
/** @return when its token expires, wall time in ms since 1970; 0 none. Blocking: no. Since: 0.1.0. */
WXTP_API int64_t wxtp_tenant_token_expires_ms(const wxtp_tenant *tenant);
/**
 * @return account_status of its profile: 1 normal, 14 deregistered, 16 banned, 18 warned, 19 frozen; 0
 * unknown. Blocking: no. Since: 0.1.0.
 * Source: api_get_authorizer_info.
 */
WXTP_API int64_t wxtp_tenant_account_status(const wxtp_tenant *tenant);
/**
 * @return when its profile was last read, wall time in ms since 1970; 0 never. Blocking: no. Since:
 * 0.1.0.
 */
WXTP_API int64_t wxtp_tenant_profile_ms(const wxtp_tenant *tenant);
/** Frees a tenant and zeroes it; NULL does nothing. Blocking: no. Since: 0.1.0. */
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
 * @param call a name of the catalog.
 * @param verdict receives the gate's word; set its struct_size first.
 * @return WXTP_OK, whatever the verdict; WXTP_ERR_NOT_FOUND for an unknown call; WXTP_ERR_AMBIGUOUS; the
 * store's. An unknown appid is the verdict `unknown_tenant`. Blocking: store. Since: 0.1.0.
 * Source: the pages of the blacklist family: permission set 2 or 100, certified official accounts.
 */
WXTP_API wxtp_status wxtp_tenant_check(wxtp_platform *platform, const char *appid, const char *call,
                                       wxtp_verdict_on_call *verdict, wxtp_error **error);
/** One condition of a call. Made by the library; it may grow at its end. */
typedef struct wxtp_condition {
    const char *name; /**< "tenant_known", "authorized", "account_active", "account_type", "permission_set",
                         "certified", "not_refused", "quota", "supported", "token", in this order */
    wxtp_tristate holds; /**< 1, 0, or -1 where nothing can be said, the tenant being unknown */
    const char *value;   /**< what is known, in words */
    const char *source;  /**< what taught it: "push EVENT ID" (see ::wxtp_push_list), the name of a call,
                            "operator",  "errcode N of CALL"; "" where that is not on record */
    int64_t read_ms;     /**< when: wall time in ms since 1970; 0 where that is not on record */
} wxtp_condition;
/**
 * The gate, dry, with every condition: whether a call would be allowed for a tenant, and why.
 *
 * @param call a name of the catalog.
 * @param ask goes the way of the call up to the request itself, so that the answer is what the call would
 * meet: an authorization code that waits is exchanged, facts that are too old are read again, a token that is
 * due is renewed; no business call is made. Without, the store alone is read.
 * @param verdict receives the word; set its struct_size first. Besides the gate's reasons, where the token
 * stands in the way, `reason` is the kind of that error, as in `credentials` or `ticket`.
 * @param each visited once for each condition; borrowed for the visit; may be NULL. @param user handed to it.
 * @return WXTP_OK, whatever the verdict; WXTP_ERR_NOT_FOUND for an unknown call; WXTP_ERR_AMBIGUOUS; the
 * store's; with `ask` the network's, where no verdict can be given. Blocking: store, with `ask` network.
 * Since: 0.1.0. Source: as of ::wxtp_tenant_check.
 */
WXTP_API wxtp_status wxtp_tenant_explain(wxtp_platform *platform, const char *appid, const char *call,
                                         bool ask, wxtp_verdict_on_call *verdict,
                                         void (*each)(void *user, const wxtp_condition *condition),
                                         void *user, wxtp_error **error);
/**
 * A message for the merchant that can be sent as it is: what is missing, and the page and the box to tick.
 *
 * @param call a name of the catalog.
 * @param reason of a verdict; "" where the call is allowed.
 * @param language "zh" or "en". @param account the account's name or appid, to be named in it;
 * in a name that a merchant chose, control and bidi characters become spaces.
 * @param message receives it, several lines of UTF-8; freed by ::wxtp_free.
 * @return WXTP_OK, also for reasons that the merchant can do nothing about, which the message says;
 * WXTP_ERR_INVALID; WXTP_ERR_NOT_FOUND for an unknown call. Blocking: no. Since: 0.1.0.
 * Source: the authorization page and the pages of mp.weixin.qq.com.
 */
WXTP_API wxtp_status wxtp_merchant_message(wxtp_platform *platform, const char *call, const char *reason,
                                           const char *language, const char *account, char **message,
                                           wxtp_error **error);
/**
 * Visits the names of all calls of the catalog.
 *
 * @param each returns false to stop; `call` lives as long as the platform. @param user handed to it.
 * Blocking: no. Since: 0.1.0.
 */
WXTP_API void wxtp_catalog_each(wxtp_platform *platform, bool (*each)(void *user, const char *call),
                                void *user);

/**
 * Exchanges an authorization code, reads the account's profile and stores the tenant. A code that a push
 * has brought already gives that tenant. An exchange whose answer was lost is recovered.
 *
 * @param authorization_code copied, sealed and synced before it is sent.
 * @param tenant receives it; freed by ::wxtp_tenant_free; may be NULL.
 * @return WXTP_OK; WXTP_ERR_INTERRUPTED, with the tenant where it was stored and its profile is yet to be
 * read; WXTP_ERR_CREDENTIALS for a bad code; the component's; the network's; the store's. Blocking: network.
 * Since: 0.1.0. Source: api_query_auth of developers.weixin.qq.com.
 */
WXTP_API wxtp_status wxtp_tenant_add(wxtp_platform *platform, const char *authorization_code,
                                     wxtp_tenant **tenant, wxtp_error **error);
/**
 * Adds or updates an account called with its own access_token.
 *
 * @param appsecret copied and sealed; NULL keeps the stored one.
 * @param account WXTP_ACCOUNT_UNKNOWN: not declared. @param certified 1, 0, or -1: not declared.
 * @return WXTP_OK; WXTP_ERR_INVALID; the store's. Blocking: store. Since: 0.1.0.
 * Source: stable_token of developers.weixin.qq.com.
 */
WXTP_API wxtp_status wxtp_tenant_add_own(wxtp_platform *platform, const char *appid, const char *appsecret,
                                         wxtp_account account, wxtp_tristate certified, wxtp_error **error);
/**
 * Adds or updates an account called in WeChat cloud hosting.
 *
 * @param token_file path of the cloudbase token, read for each call; NULL: no token parameter.
 * @param of_platform the token is a platform's: TOKEN@appid is sent, with profile and full gate.
 * @param account WXTP_ACCOUNT_UNKNOWN: not declared. @param certified 1, 0, or -1: not declared.
 * @return WXTP_OK; WXTP_ERR_INVALID; the component's with `of_platform`; the store's. Blocking: store.
 * Since: 0.1.0.
 * Source: the guides of WeChat cloud hosting (wxcloudrun) on open-interface calls.
 */
WXTP_API wxtp_status wxtp_tenant_add_cloud(wxtp_platform *platform, const char *appid, const char *token_file,
                                           bool of_platform, wxtp_account account, wxtp_tristate certified,
                                           wxtp_error **error);
/**
 * The operator's word on certification, which counts before WeChat's. Audited.
 *
 * @param certified 1, 0, or -1: believe WeChat again.
 * @return WXTP_OK; WXTP_ERR_REFUSED (kind `unknown_tenant`); WXTP_ERR_AMBIGUOUS; the store's. Blocking:
 * store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_tenant_set_certified(wxtp_platform *platform, const char *appid,
                                               wxtp_tristate certified, wxtp_error **error);
/**
 * Forgets a tenant and its secrets. ::wxtp_tenant_sync of all does not bring it back, a new authorization
 * does.
 *
 * @param cancel_jobs cancel its unfinished jobs.
 * @return WXTP_OK; WXTP_ERR_STATE with unfinished jobs unless `cancel_jobs`; WXTP_ERR_REFUSED (kind
 * `unknown_tenant`); WXTP_ERR_AMBIGUOUS; the store's. Blocking: store. Since: 0.1.0.
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
 * Reads back refresh tokens and profiles from WeChat. Absence from the list proves nothing: info decides.
 *
 * @param appids NULL: all that api_get_authorizer_list shows and all that are stored. @param count of
 * `appids`.
 * @param failed told of each that could not be synced; may be NULL. @param progress may be NULL. @param
 * user handed to both. Both are told one at a time, from several threads.
 * @param result set its struct_size first; may be NULL.
 * @return WXTP_OK also where some failed; else why it could not go on: the component's, the network's,
 * the store's.
 * Blocking: network, for each account. Since: 0.1.0.
 * Source: api_get_authorizer_list and api_get_authorizer_info of developers.weixin.qq.com.
 */
WXTP_API wxtp_status wxtp_tenant_sync(wxtp_platform *platform, const char *const *appids, size_t count,
                                      wxtp_sync_failure *failed, wxtp_sync_progress *progress, void *user,
                                      wxtp_sync_result *result, wxtp_error **error);

WXTP_END_DECLS
#endif
