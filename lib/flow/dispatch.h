/* A business call: gate, token, send, retries, record. */
#ifndef WX_FLOW_DISPATCH_H
#define WX_FLOW_DISPATCH_H

#include "codec/answer.h"
#include "codec/errcode.h"
#include "domain/gate.h"
#include "domain/held.h"
#include "domain/send.h"

typedef struct wx_call {
    const char *appid;
    const wx_api *api;
    const char *body;
    size_t body_len;
    int64_t openids;   /* for the record */
    const char *wants; /* what a success has, see wx_answer_read; NULL: errcode 0 */
    /* Asked before each try, and about every second while waiting for one: not WXTP_OK ends the call with
     * that status. May be NULL. */
    wxtp_status (*may_try)(void *user, wx_err *err);
    /* Called inside the transaction that records each try of the call, so that progress and audit are one
     * commit. `error` is NULL for a success; `final` is false when another try is to follow. NULL: nothing
     * more to write. */
    wxtp_status (*record)(void *user, wxtp_tx *tx, const wx_err *error, bool final, wx_err *err);
    void *user;
} wx_call;

/* `answer` is freed by the caller in every case. */
wxtp_status wx_dispatch(wx_op *op, const wx_call *call, wx_answer *answer, wx_err *err);
/* What a try sends. */
wx_request wx_dispatch_request(const wx_core *core, const wxtp_tenant_row *row, const wx_call *call,
                               const wx_token *token);
/* The catalog's row, or NULL. */
const wx_api *wx_api_find(const wx_core *core, const char *name);
/* The row that reads the list which a call changes; NULL where there is none, or no such call. */
const wx_api *wx_api_listing(const wx_core *core, const wx_api *api_or_null);

#endif
