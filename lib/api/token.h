/* The renewal of a token, for those who wait for it and those who submit it. */
#ifndef WX_API_TOKEN_H
#define WX_API_TOKEN_H

#include <wxtp/token.h>

#include "domain/core.h"

wxtp_status wx_token_refresh_facts(wx_op *op, const char *appid, int64_t generation, wxtp_token_facts *facts,
                                   wx_err *err);

#endif
