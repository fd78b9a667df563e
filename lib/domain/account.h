/* What WeChat says about an authorizer: api_get_authorizer_info and api_get_authorizer_list. */
#ifndef WX_DOMAIN_ACCOUNT_H
#define WX_DOMAIN_ACCOUNT_H

#include "domain/tenant.h"

typedef struct wx_info {
    bool authorized;     /* false: WeChat says it is not authorized (any more) */
    char *refresh_token; /* NULL where the answer has none */
    wxtp_account account;
    int service_type, verify_type, account_status;
    char *nick_name, *principal_name, *user_name, *permission_sets;
    int64_t sent_ms;
} wx_info;

void wx_info_free(wx_info *info);
#define WX_AUTO_INFO __attribute__((cleanup(wx_info_free))) wx_info

/* Asks. WXTP_OK also for "not authorized" (61003, 50005, 61004 is configuration): then `authorized` is false.
 */
wxtp_status wx_info_read(wx_op *op, const char *appid, wx_info *info, wx_err *err);
/* Enters a profile into a row (strings are borrowed from `info`); clears what it ends. */
void wx_info_enter(const wx_info *info, wxtp_tenant_row *row);
/* Asks, and stores profile, status and (as current, ours becoming a spare) a refresh token that differs.
 * `authorized` tells the outcome; may be NULL. A tenant that is not stored is made when `may_create`.
 * `repaired`, `added`: may be NULL. */
wxtp_status wx_account_refresh(wx_op *op, const char *appid, bool may_create, bool *authorized, bool *added,
                               bool *repaired, wx_err *err);

/* Pages through the list; `each` returns false to stop. `refresh_token` may be NULL. */
typedef bool wx_list_visitor(void *user, const char *appid, const char *refresh_token, int64_t auth_time_s,
                             int64_t total);
wxtp_status wx_list_each(wx_op *op, wx_list_visitor *each, void *user, wx_err *err);

#endif
