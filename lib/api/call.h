/* A call of the catalog, for those who wait for it and those who submit it. */
#ifndef WX_API_CALL_H
#define WX_API_CALL_H

#include "domain/core.h"

typedef struct wx_call_order {
    const char *appid, *name, *body;
    size_t len;
    wxtp_status (*may_try)(void *user, wx_err *err); /* see wx_call; NULL: always */
    void *user;
} wx_call_order;

/* Whether it can be made at all; asks nobody. */
wxtp_status wx_call_check(const wx_core *core, const wx_call_order *order, wx_err *err);
/* `answer` (may be NULL) receives WeChat's whole answer, to be freed by wx_free. */
wxtp_status wx_call_make(wx_op *op, const wx_call_order *order, char **answer, wx_err *err);

#endif
