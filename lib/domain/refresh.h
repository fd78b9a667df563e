/* Bringing a newer token: one flight a process, one lease over processes, intent first, stored before used.
 * What is asked, and what is tried after a refusal, a source brings. */
#ifndef WX_DOMAIN_REFRESH_H
#define WX_DOMAIN_REFRESH_H

#include "codec/errcode.h"
#include "domain/flights.h"
#include "domain/held.h"
#include "domain/send.h"

typedef enum wx_want {
    WX_WANT_GOOD,  /* one that is good and not due */
    WX_WANT_NEWER, /* another text than that of the generation seen */
} wx_want;

typedef struct wx_token_source wx_token_source;
typedef struct wx_recovery wx_recovery;

typedef struct wx_renewal {
    wx_op *op;
    const wx_token_source *source;
    const char *platform, *appid;
    const wx_tenant *tenant; /* NULL for the component */
    int64_t seen_generation;
    wx_want want;
    bool patient; /* waits for another's refresh; else WXTP_ERR_STATE when one is under way */

    /* Of the leader. */
    char key[2 * WX_APPID_MAX + 16];
    wx_flight *flight;
    wxtp_lease lease;
    wx_held held;            /* as read under the lease */
    bool outcome_unknown;    /* an earlier request of this generation may have been carried out */
    bool waited;             /* for another process, and said so */
    int64_t made_generation; /* by what was stored last; 0 none */
    bool account_refused;    /* WeChat refused the account itself, not its refresh token */
    bool component_refused;  /* it refused the component's token, once */
    wx_recovery *recovery;   /* the source's memory of what was tried */
} wx_renewal;

/* One request for a token. */
typedef struct wx_question {
    const char *refresh_token; /* authorizers; borrowed */
    bool force;                /* own accounts: force_refresh */
    bool (*may_send)(void *user);
    void *may_send_user;
    int64_t component_generation; /* out: of the component token that it was asked with */
    int64_t deadline_boot_ms;     /* out, set before `may_send` is asked: when the call ends at the latest */
} wx_question;

typedef enum wx_next {
    WX_NEXT_STORED,       /* done */
    WX_NEXT_AGAIN,        /* the same question */
    WX_NEXT_OTHER,        /* what the source's `other` makes of it */
    WX_NEXT_FROM_THE_TOP, /* the lease was lost or given back */
    WX_NEXT_FAILED,
} wx_next;

struct wx_token_source {
    wx_token_kind kind;
    bool needs_refresh_token; /* an empty one is never sent: `other` comes first */
    /* What must be at hand before the lease is taken; NULL: nothing. */
    wxtp_status (*prepare)(wx_op *op, wx_err *err);
    /* One request, tried once. */
    wx_sent (*ask)(wx_renewal *renewal, wx_question *question, wx_unsaved *got, wx_err *err);
    /* After WeChat refused (errcode in `err`). NULL: failed. */
    wx_next (*refused)(wx_renewal *renewal, const wx_question *question, wx_errcode_class class_,
                       wx_err *err);
    /* Whether an answer is of no use; NULL: never. */
    bool (*useless)(const wx_renewal *renewal, const wx_question *question, const wx_unsaved *got);
    /* Makes the next question. WXTP_ERR_CONFLICT: the lease was lost; others: nothing more to ask. NULL:
     * nothing ever. */
    wxtp_status (*other)(wx_renewal *renewal, wx_question *question, wx_err *err);
    /* Frees `recovery`; NULL where there is none. */
    void (*forget)(wx_renewal *renewal);
};

/* WXTP_OK when the store now holds what is wanted, or something newer was learnt to be of no use. */
wxtp_status wx_renew(wx_renewal *renewal, wx_err *err);

/* A stored token good for 5 s more: renewed when due or refused, the old one serving while that fails. */
wxtp_status wx_stored_token_get(wx_op *op, const wx_token_source *source, const wx_tenant *tenant,
                                const char *platform, const char *appid, wx_token *token, wx_err *err);

#endif
