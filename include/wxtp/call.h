/**
 * @file call.h
 * Any call of the catalog on behalf of a tenant, through the gate, with a fresh token, retried as the errcode
 * table says.
 */
#ifndef WXTP_CALL_H
#define WXTP_CALL_H

#include <wxtp/platform.h>

WXTP_BEGIN_DECLS

/**
 * Makes one call of the catalog for a tenant: gate, token, sending, retries, audit.
 *
 * @param appid the tenant. @param call a name of the catalog.
 * @param body UTF-8 JSON, sent as it is. @param len its bytes, at most 1 MiB.
 * @param answer receives WeChat's whole JSON answer; freed by ::wxtp_free; may be NULL.
 * @return WXTP_OK when WeChat answered errcode 0 (or none); WXTP_ERR_NOT_FOUND for an unknown call;
 * WXTP_ERR_TOO_LARGE for a longer body; WXTP_ERR_INVALID for one that the call does not take;
 * WXTP_ERR_REFUSED by the gate (the error's kind is the reason); WXTP_ERR_REAUTHORIZE;
 * WXTP_ERR_AMBIGUOUS; WXTP_ERR_WECHAT for an errcode about the call; the network's; the store's.
 * Blocking: network. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_call(wxtp_platform *platform, const char *appid, const char *call, const char *body,
                               size_t len, char **answer, wxtp_error **error);

/**
 * What a call of the catalog would send, for who wants to make it by hand: nothing is sent, no token is read.
 *
 * @param appid the tenant. @param call a name of the catalog.
 * @param openids, count for a call that takes a list: what goes into it, 1 to as many as one call takes.
 * @param body for a call that takes none: UTF-8 JSON; else NULL.
 * @param url receives the URL, in which `$TOKEN` stands for the token, where the call takes one. @param sent
 * receives the body, which goes with POST as application/json. Both are freed by ::wxtp_free.
 * @return WXTP_OK; WXTP_ERR_REFUSED (kind `unknown_tenant`), no other condition of the gate is asked;
 * WXTP_ERR_NOT_FOUND for an unknown call; WXTP_ERR_INVALID; WXTP_ERR_AMBIGUOUS; the store's. Blocking: store.
 * Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_call_preview(wxtp_platform *platform, const char *appid, const char *call,
                                       const char *const *openids, size_t count, const char *body, char **url,
                                       char **sent, wxtp_error **error);
/**
 * As ::wxtp_call_preview, for calls of the platform itself that hold no secret but the component's token.
 *
 * @param call `api_create_preauthcode` or `api_get_authorizer_info`. @param appid whom the latter asks about;
 * else NULL.
 * @param url, sent as there.
 * @return WXTP_OK; WXTP_ERR_NOT_FOUND for another call; WXTP_ERR_INVALID; the component's. Blocking: no.
 * Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_preview(wxtp_platform *platform, const char *call, const char *appid,
                                           char **url, char **sent, wxtp_error **error);

/**
 * Visits the merchant's blacklist, one page after another.
 *
 * @param each returns false to stop; `openid` is borrowed for the visit. @param user handed to it.
 * @param total receives WeChat's own count; may be NULL.
 * @return as ::wxtp_call. Blocking: network, for each page. Since: 0.1.0.
 * Source: getBlacklist of developers.weixin.qq.com; a page has 1,000 or 10,000 openids, and ends where it
 * is empty or names no next one.
 */
WXTP_API wxtp_status wxtp_blacklist_each(wxtp_platform *platform, const char *appid,
                                         bool (*each)(void *user, const char *openid), void *user,
                                         int64_t *total, wxtp_error **error);

WXTP_END_DECLS
#endif
