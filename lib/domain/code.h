/* Authorization codes: stored before a push is answered, exchanged once, recovered when the answer was lost.
 */
#ifndef WX_DOMAIN_CODE_H
#define WX_DOMAIN_CODE_H

#include "domain/core.h"

/* Stores a code inside the caller's transaction (WXTP_TX_SYNC); one that is known already stays as it is.
 * `appid` "" where it is not known yet. `source`: the push that brought it, "" where an operator did. */
wxtp_status wx_code_put(wx_core *core, wxtp_tx *tx, const char *code, const char *appid,
                        int64_t create_time_s, int64_t expires_ms, const char *source, wx_err *err);
/* WXTP_ERR_NOT_FOUND without filling `err` where the code is not known. */
wxtp_status wx_code_state_get(wx_core *core, wxtp_tx *tx, const char *code, wxtp_code_state *state,
                              wx_err *err);

/* Exchanges a stored code, unless that is done: `appid` receives whose it was. One that is not stored is
 * stored first. Only one process at a time does it (lease). WXTP_ERR_CREDENTIALS: WeChat calls it bad, and
 * info does not help. */
wxtp_status wx_code_exchange(wx_op *op, const char *code, char appid[WX_APPID_MAX], wx_err *err);
/* Exchanges all open codes of the component (those of `appid` where it is not NULL); errors are logged, the
 * last kept. */
wxtp_status wx_code_exchange_open(wx_op *op, const char *appid, wx_err *err);

#endif
