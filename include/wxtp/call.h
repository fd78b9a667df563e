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
 * Makes one call.
 *
 * @param call a name of the catalog. @param body UTF-8 JSON, sent as it is. @param len its bytes, at most 1
 * MiB.
 * @param answer receives WeChat's whole JSON answer; freed by ::wxtp_free; may be NULL.
 * @return WXTP_OK when WeChat answered errcode 0 (or none); WXTP_ERR_REFUSED by the gate; WXTP_ERR_WECHAT and
 * the others by errcode; WXTP_ERR_UNAVAILABLE. Blocking: network, at most about max_wait_ms. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_call(wxtp_platform *platform, const char *appid, const char *call, const char *body,
                               size_t len, char **answer, wxtp_error **error);

/** One page after another of getBlacklist. `each` returns false to stop; `total` receives WeChat's count.
 * Blocking: network. Since: 0.1.0. */
WXTP_API wxtp_status wxtp_blacklist_each(wxtp_platform *platform, const char *appid,
                                         bool (*each)(void *user, const char *openid), void *user,
                                         int64_t *total, wxtp_error **error);

WXTP_END_DECLS
#endif
