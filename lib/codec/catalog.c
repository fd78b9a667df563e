#include "codec/catalog.h"

#include <assert.h>

/* Sets 2 (users) and 100 (newer, includes user management) grant the blacklist family. */
#define BLACKLIST_SETS                                                                                       \
    {                                                                                                        \
        2, 100                                                                                               \
    }

static const wx_api builtin[] = {
    {
        .name = "batchUnblacklist",
        .path = "/cgi-bin/tags/members/batchunblacklist",
        .token_parameter = "access_token",
        .permission_sets = BLACKLIST_SETS,
        .official_accounts_only = true,
        .certified_only = true,
        .cloud = true,
        .repeat_safe = true,
        .list_max = 20,
        .list_field = "openid_list",
        .done_word = "unblacklisted",
        .listed_by = "getBlacklist",
        .undone_by = "batchBlacklist",
    },
    {
        .name = "batchBlacklist",
        .path = "/cgi-bin/tags/members/batchblacklist",
        .token_parameter = "access_token",
        .permission_sets = BLACKLIST_SETS,
        .official_accounts_only = true,
        .certified_only = true,
        .cloud = false,
        .repeat_safe = true,
        .list_max = 20,
        .list_field = "openid_list",
        .done_word = "blacklisted",
        .listed_by = "getBlacklist",
    },
    {
        .name = "getBlacklist",
        .path = "/cgi-bin/tags/members/getblacklist",
        .token_parameter = "access_token",
        .permission_sets = BLACKLIST_SETS,
        .official_accounts_only = true,
        .certified_only = true,
        .cloud = true,
        .repeat_safe = true,
    },
};

const wx_api *wx_catalog_builtin(size_t *count)
{
    assert(count);
    *count = sizeof(builtin) / sizeof(builtin[0]);
    return builtin;
}

/* Made for a tenant like a business call: gate, token, record. */
static const wx_api quota = {
    .name = "openapi_quota_get",
    .path = "/cgi-bin/openapi/quota/get",
    .token_parameter = "access_token",
    .repeat_safe = true,
};

const wx_api *wx_catalog_quota(void)
{
    return &quota;
}

/* Newer pages name it access_token; both are accepted. */
#define COMPONENT_TOKEN "component_access_token"

static const wx_platform_api platform_apis[WX_PLATFORM_CALLS] = {
    [WX_API_COMPONENT_TOKEN] = {"api_component_token", "/cgi-bin/component/api_component_token", NULL},
    [WX_API_START_PUSH_TICKET] = {"api_start_push_ticket", "/cgi-bin/component/api_start_push_ticket", NULL},
    [WX_API_CREATE_PREAUTHCODE] = {"api_create_preauthcode", "/cgi-bin/component/api_create_preauthcode",
                                   COMPONENT_TOKEN},
    [WX_API_QUERY_AUTH] = {"api_query_auth", "/cgi-bin/component/api_query_auth", COMPONENT_TOKEN},
    [WX_API_AUTHORIZER_TOKEN] = {"api_authorizer_token", "/cgi-bin/component/api_authorizer_token",
                                 COMPONENT_TOKEN},
    [WX_API_GET_AUTHORIZER_INFO] = {"api_get_authorizer_info", "/cgi-bin/component/api_get_authorizer_info",
                                    COMPONENT_TOKEN},
    [WX_API_GET_AUTHORIZER_LIST] = {"api_get_authorizer_list", "/cgi-bin/component/api_get_authorizer_list",
                                    COMPONENT_TOKEN},
    [WX_API_STABLE_TOKEN] = {"stable_token", "/cgi-bin/stable_token", NULL},
    [WX_API_QUOTA_GET] = {"openapi_quota_get", "/cgi-bin/openapi/quota/get", "access_token"},
    [WX_API_CUSTOM_SEND] = {"message_custom_send", "/cgi-bin/message/custom/send", "access_token"},
};

const wx_platform_api *wx_catalog_platform(wx_platform_call call)
{
    assert((int)call >= 0 && call < WX_PLATFORM_CALLS);
    return &platform_apis[call];
}
