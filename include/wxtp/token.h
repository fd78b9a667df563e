/**
 * @file token.h
 * Tokens, for hosts that make a call themselves. Everything else uses them by itself.
 */
#ifndef WXTP_TOKEN_H
#define WXTP_TOKEN_H

#include <wxtp/platform.h>

WXTP_BEGIN_DECLS

/**
 * Gives a token that is good for at least 5 seconds, refreshed if need be. The gate is not asked.
 *
 * @param token receives it; a secret; freed by ::wxtp_free. @param generation receives its number; may be
 * NULL.
 * @return WXTP_OK; WXTP_ERR_REFUSED (unknown_tenant, unauthorized); WXTP_ERR_AMBIGUOUS; WXTP_ERR_REAUTHORIZE;
 * WXTP_ERR_CREDENTIALS where WeChat gives no good token, or another program refreshes it too; the network's;
 * the store's. Blocking: network. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_token_get(wxtp_platform *platform, const char *appid, char **token,
                                    int64_t *generation, wxtp_error **error);
/**
 * Says that WeChat refused this generation (40001, 40014, 42001): the next ::wxtp_token_get renews. Does
 * nothing once a newer one exists.
 *
 * @param generation as ::wxtp_token_get gave it.
 * @return WXTP_OK; WXTP_ERR_INVALID for a negative generation; WXTP_ERR_REFUSED (kind `unknown_tenant`);
 * WXTP_ERR_AMBIGUOUS; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_token_refused(wxtp_platform *platform, const char *appid, int64_t generation,
                                        wxtp_error **error);

/** A token's state, without its text. */
typedef struct wxtp_token_facts {
    size_t struct_size;
    wxtp_token_state state;
    int64_t version;    /**< its generation */
    int64_t expires_ms; /**< wall time; 0 none */
    bool refreshed;     /**< by ::wxtp_token_refresh: the text is another one than at `generation` */
} wxtp_token_facts;
/**
 * Tells a token's state from the store.
 *
 * @param facts set its struct_size first.
 * @return WXTP_OK; WXTP_ERR_REFUSED (kind `unknown_tenant`); WXTP_ERR_AMBIGUOUS; the store's. Blocking:
 * store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_token_info(wxtp_platform *platform, const char *appid, wxtp_token_facts *facts,
                                     wxtp_error **error);
/**
 * Asks for a token newer than `generation` without calling that one refused. All that ask with the same
 * generation make one refresh. Own accounts: one unforced stable_token call; cloud accounts: nothing to
 * do.
 *
 * @param generation as ::wxtp_token_get or ::wxtp_token_info told it; 0: any token is newer.
 * @param facts set its struct_size first.
 * @return as ::wxtp_token_get; WXTP_ERR_INVALID, without a call, for a generation that is negative or newer
 * than the stored one (remembered from before a backup was restored: read the token anew). Blocking: network.
 * Since: 0.1.0.
 * Source: api_authorizer_token and stable_token of developers.weixin.qq.com.
 */
WXTP_API wxtp_status wxtp_token_refresh(wxtp_platform *platform, const char *appid, int64_t generation,
                                        wxtp_token_facts *facts, wxtp_error **error);
/**
 * Visits the appids whose tokens are due, earliest first.
 *
 * @param limit 1 to 10,000. @param each returns false to stop; `appid` is borrowed for the visit. @param
 * user handed to it.
 * @return WXTP_OK; WXTP_ERR_INVALID; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_token_each_due(wxtp_platform *platform, size_t limit,
                                         bool (*each)(void *user, const char *appid), void *user,
                                         wxtp_error **error);

WXTP_END_DECLS
#endif
