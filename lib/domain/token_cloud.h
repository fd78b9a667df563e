/* The cloudbase token: a file that WeChat cloud hosting keeps fresh, read for each call. */
#ifndef WX_DOMAIN_TOKEN_CLOUD_H
#define WX_DOMAIN_TOKEN_CLOUD_H

#include "domain/held.h"

#define WX_CLOUD_TOKEN_PARAMETER "cloudbase_access_token"

/* No text where the tenant is called without a token parameter; TOKEN@appid where the file is the platform's.
 */
wxtp_status wx_token_cloud_get(wx_op *op, const wx_tenant *tenant, wx_token *token, wx_err *err);

#endif
