/* The component's own token. */
#ifndef WX_DOMAIN_TOKEN_COMPONENT_H
#define WX_DOMAIN_TOKEN_COMPONENT_H

#include "domain/held.h"

/* A component token good for 5 s more. WXTP_ERR_TICKET without a good ticket; WXTP_ERR_CONFIGURATION. */
wxtp_status wx_token_component(wx_op *op, wx_token *token, wx_err *err);

#endif
