/* A tenant's token, whatever its credential. */
#ifndef WX_DOMAIN_TOKEN_H
#define WX_DOMAIN_TOKEN_H

#include "domain/held.h"

/* A token good for 5 s more, refreshed when due or refused. Blocks with the operation's patience. */
wxtp_status wx_token_get(wx_op *op, const wx_tenant *tenant, wx_token *token, wx_err *err);
/* Asks for a text newer than `generation`; `moved` tells whether there is one now. WXTP_ERR_INVALID, without
 * a call, for a generation that was never stored: no answer would be newer. */
wxtp_status wx_token_renew(wx_op *op, const wx_tenant *tenant, int64_t generation, bool *moved, wx_err *err);

#endif
