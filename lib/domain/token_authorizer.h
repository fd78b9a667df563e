/* Tokens of authorizers, by their refresh token. */
#ifndef WX_DOMAIN_TOKEN_AUTHORIZER_H
#define WX_DOMAIN_TOKEN_AUTHORIZER_H

#include "domain/refresh.h"

const wx_token_source *wx_token_authorizer_source(void);

#endif
