/* What an authentic push changes in the store: once, and in WeChat's order. */
#ifndef WX_FLOW_PUSH_APPLY_H
#define WX_FLOW_PUSH_APPLY_H

#include "domain/account.h"
#include "flow/push_state.h"

/* What WeChat said when it was asked about an event whose order its time does not tell. */
typedef struct wx_push_doubt {
    bool asked, answered;
    wx_account_before before;
    wx_info info;
} wx_push_doubt;

/* Asks where need be, before any transaction. Only the store's troubles are errors. */
wxtp_status wx_push_ask(wx_op *op, const wxtp_push *push, wx_push_doubt *doubt, wx_err *err);
void wx_push_doubt_free(wx_push_doubt *doubt);
/* Inside the transaction of the de-duplication row; sets `applied`, `why` and `code`. */
wxtp_status wx_push_apply(wx_scope *scope, wxtp_push *push, const wx_push_doubt *doubt, wx_err *err);
/* Of a push that was seen before: its code, if that was taken then. */
wxtp_status wx_push_recall_code(wx_core *core, wxtp_tx *tx, wxtp_push *push, wx_err *err);

#endif
