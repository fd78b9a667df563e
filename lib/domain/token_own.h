/* Tokens of own accounts, by stable_token. */
#ifndef WX_DOMAIN_TOKEN_OWN_H
#define WX_DOMAIN_TOKEN_OWN_H

#include "domain/refresh.h"

const wx_token_source *wx_token_own_source(void);

#endif
