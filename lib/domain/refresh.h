/* Bringing a newer token: one flight a process, one lease over processes, intent first, stored before used.
 */
#ifndef WX_DOMAIN_REFRESH_H
#define WX_DOMAIN_REFRESH_H

#include "domain/ask.h"

typedef enum wx_want {
    WX_WANT_GOOD,  /* one that is good and not due */
    WX_WANT_NEWER, /* another text than that of the generation seen */
} wx_want;

typedef struct wx_renewal {
    wx_op *op;
    wx_token_kind kind;
    const char *platform, *appid;
    const wx_tenant *tenant; /* NULL for the component */
    int64_t seen_generation;
    wx_want want;
    bool patient; /* waits for another's refresh; else WXTP_ERR_STATE when one is under way */

    /* Of the leader. */
    char key[2 * WX_APPID_MAX + 16];
    wx_flight *flight;
    wxtp_lease lease;
    wx_held held;         /* as read under the lease */
    bool outcome_unknown; /* an earlier request of this generation may have been carried out */
} wx_renewal;

/* The name of a token's flight and lease. */
void wx_renewal_key(const char *platform, const char *appid, char *key, size_t size);
/* WXTP_OK when the store now holds what is wanted, or something newer was learnt to be of no use. */
wxtp_status wx_renew(wx_renewal *renewal, wx_err *err);

/* ---- Steps that recovery shares ---- */

/* Renews the lease and writes the intent, synced. WXTP_ERR_CONFLICT when the lease was lost. */
wxtp_status wx_renewal_intend(wx_renewal *renewal, wx_err *err);
/* A definite end without a token: drops the intent (unless the outcome is unknown) and gives the lease back.
 */
void wx_renewal_give_up(wx_renewal *renewal);
/* Stores an answer and gives the lease back. WXTP_ERR_CONFLICT: another was first; its value stands, ours is
 * kept. */
wxtp_status wx_renewal_store(wx_renewal *renewal, wx_unsaved *got, wx_err *err);

/* The refresh tokens to try after the current one was called dead. */
typedef struct wx_recovery {
    char *tried[WX_SPARES_MAX + 4];
    size_t tried_count;
    char *spares[WX_SPARES_MAX];
    size_t spare_count, next_spare;
    bool spares_read, info_asked, list_asked, info_had_token;
} wx_recovery;

void wx_recovery_free(wx_recovery *recovery);
/* `next` receives the next refresh token to ask with, owned by `recovery`. WXTP_ERR_REAUTHORIZE when nothing
 * is left and the tenant was marked, WXTP_ERR_REFUSED when WeChat says that it is not authorized,
 * WXTP_ERR_CONFLICT when the lease was lost, others when WeChat could not be asked. `skip_spares`: the
 * account itself was refused. */
wxtp_status wx_recovery_next(wx_renewal *renewal, wx_recovery *recovery, bool skip_spares, const char **next,
                             wx_err *err);

#endif
