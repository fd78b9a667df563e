/* A list that WeChat keeps of an account, as the blacklist: read page by page. */
#ifndef WX_FLOW_LISTING_H
#define WX_FLOW_LISTING_H

#include "flow/dispatch.h"

typedef struct wx_listing {
    const char *appid;
    const wx_api *api;                            /* that gives a page */
    bool (*each)(void *user, const char *openid); /* false to stop */
    void *user;
} wx_listing;

/* `total` receives WeChat's own count. */
wxtp_status wx_listing_read(wx_op *op, const wx_listing *listing, int64_t *total, wx_err *err);

#endif
