/* The table of callable WeChat APIs. No `if` elsewhere names one. */
#ifndef WX_CODEC_CATALOG_H
#define WX_CODEC_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

enum { WX_API_SETS_MAX = 8 };

typedef struct wx_api {
    const char *name;                     /* "batchUnblacklist" */
    const char *path;                     /* "/cgi-bin/tags/members/batchunblacklist" */
    const char *token_parameter;          /* "access_token" */
    int permission_sets[WX_API_SETS_MAX]; /* any of them will do; ended by 0 */
    bool official_accounts_only;
    bool certified_only;
    bool cloud;             /* can be a cloud call */
    bool repeat_safe;       /* sending it again does no harm */
    int list_max;           /* largest list; 0: it takes none */
    const char *list_field; /* "openid_list" */
    const char *done_word;  /* of jobs: "unblacklisted" */
    const char *listed_by;  /* the call that reads the list which this one changes; NULL: none */
    const char *undone_by;  /* the call that puts back on that list what this one takes off; NULL: none */
} wx_api;

/* The rows that the library brings: batchUnblacklist, batchBlacklist, getBlacklist, in this order. */
const wx_api *wx_catalog_builtin(size_t *count);

/* How much of a call is left to a tenant: no business call, and no row that a host could name. */
const wx_api *wx_catalog_quota(void);

/* Calls of the platform itself. */
typedef struct wx_platform_api {
    const char *name, *path, *token_parameter; /* parameter NULL: none */
} wx_platform_api;

typedef enum wx_platform_call {
    WX_API_COMPONENT_TOKEN = 0,
    WX_API_START_PUSH_TICKET,
    WX_API_CREATE_PREAUTHCODE,
    WX_API_QUERY_AUTH,
    WX_API_AUTHORIZER_TOKEN,
    WX_API_GET_AUTHORIZER_INFO,
    WX_API_GET_AUTHORIZER_LIST,
    WX_API_STABLE_TOKEN,
    WX_API_QUOTA_GET, /* with the token of whom it asks about */
    WX_API_CUSTOM_SEND,
    WX_PLATFORM_CALLS
} wx_platform_call;

const wx_platform_api *wx_catalog_platform(wx_platform_call call);

#endif
