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
 * WXTP_ERR_REFUSED by the gate (the error's kind is the reason); WXTP_ERR_REAUTHORIZE;
 * WXTP_ERR_AMBIGUOUS; WXTP_ERR_WECHAT for an errcode about the call; the network's; the store's.
 * Blocking: network. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_call(wxtp_platform *platform, const char *appid, const char *call, const char *body,
                               size_t len, char **answer, wxtp_error **error);

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
