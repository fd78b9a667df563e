/* What WeChat says about an authorizer: api_get_authorizer_info and api_get_authorizer_list. */
#ifndef WX_DOMAIN_ACCOUNT_H
#define WX_DOMAIN_ACCOUNT_H

#include "codec/json.h"
#include "domain/tenant.h"

typedef struct wx_info {
    bool authorized;      /* false: WeChat says it is not authorized (any more) */
    char *refresh_token;  /* NULL where the answer has none */
    wxtp_account account; /* unknown where the answer tells nothing of it */
    int service_type, verify_type, account_status;
    bool has_service_type, has_verify_type, has_account_status;
    /* NULL where the answer has none: then what is stored stays. */
    char *nick_name, *principal_name, *user_name, *permission_sets;
    int64_t sent_ms;
} wx_info;

void wx_info_free(wx_info *info);
#define WX_AUTO_INFO __attribute__((cleanup(wx_info_free))) wx_info

/* Asks. WXTP_OK also for "not authorized" (61003, 50005, 61004 is configuration): then `authorized` is false,
 * and `err` keeps errcode and rid of that answer. */
wxtp_status wx_info_read(wx_op *op, const char *appid, wx_info *info, wx_err *err);
/* Enters a profile into a row (strings are borrowed from `info`); older than the row's own it changes
 * nothing. */
void wx_info_enter(const wx_info *info, wxtp_tenant_row *row);
/* func_info as ascending ids, each once; NULL where it is no list. WXTP_ERR_NOMEM. */
wxtp_status wx_info_sets(wx_core *core, struct json_object *func_info, char **text, wx_err *err);

/* What is stored of an account before WeChat is asked: its word counts only where this has not moved
 * meanwhile. */
typedef struct wx_account_before {
    int64_t generation; /* of its token; 0 none */
    int64_t event_time_s;
    bool found;
} wx_account_before;
wxtp_status wx_account_look(wx_core *core, const char *appid, wx_account_before *before, wx_err *err);

typedef struct wx_account_change {
    bool authorized, added, repaired;
    bool token_changed; /* a refresh token that differs from ours was adopted */
} wx_account_change;
/* Stores what `info` says, inside the caller's WXTP_TX_SYNC transaction. */
wxtp_status wx_account_enter(wx_scope *scope, const char *appid, const wx_account_before *before,
                             const wx_info *info, bool may_create, wx_account_change *change, wx_err *err);

/* Asks, and stores profile, status and (as current, ours becoming a spare) a refresh token that differs.
 * `authorized` tells the outcome; may be NULL. A tenant that is not stored is made when `may_create`.
 * `repaired`, `added`: may be NULL. */
wxtp_status wx_account_refresh(wx_op *op, const char *appid, bool may_create, bool *authorized, bool *added,
                               bool *repaired, wx_err *err);

/* Pages through the list; `each` returns false to stop. `refresh_token` may be NULL. The list moves while it
 * is paged: an account may come twice. */
typedef bool wx_list_visitor(void *user, const char *appid, const char *refresh_token, int64_t auth_time_s,
                             int64_t total);
wxtp_status wx_list_each(wx_op *op, wx_list_visitor *each, void *user, wx_err *err);

#endif
