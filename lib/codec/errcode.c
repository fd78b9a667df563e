#include "codec/errcode.h"

#include <assert.h>
#include <stddef.h>

#define HINT_RETRY "Try again later; WeChat is busy."
#define HINT_TOKEN                                                                                           \
    "The token is renewed by itself; if it is refused again, look for another program that refreshes this "  \
    "account's "                                                                                             \
    "tokens."
#define HINT_OPENID "Leave it out, or look it up among the followers of this very account."
#define HINT_APPID                                                                                           \
    "Compare the appid and the appsecret with the platform's page on open.weixin.qq.com, and set them anew."
#define HINT_COMPONENT                                                                                       \
    "Compare the component appid with the platform's page, and whether the platform is still active."
#define HINT_ADDRESS "Add the address that the message names to the IP white list on the platform's page."
#define HINT_BUG "This is a defect of the calling program; report it with the rid."
#define HINT_RIGHT                                                                                           \
    "Check that the account is certified, has the function opened, and granted the platform the permission " \
    "set; then "                                                                                             \
    "synchronize it."
#define HINT_UNAUTHORIZED "Have the merchant authorize the platform again, by a new authorization link."
#define HINT_TICKET                                                                                          \
    "WeChat pushes a ticket every 10 minutes: check that the authorization-event URL is reachable, then "    \
    "wait for one."
#define HINT_CODE                                                                                            \
    "Have the merchant open a new authorization link; a code serves once and for a limited time."
#define HINT_USER "Nothing can be done for this user; leave the openid out."

/* Ascending by errcode but for -1 and 0 in front; the search does not rely on it. */
static const wx_errcode rows[] = {
    {-1, WX_ERRCODE_BUSY, "WeChat is busy", HINT_RETRY},
    {0, WX_ERRCODE_OK, "ok", ""},
    {40001, WX_ERRCODE_TOKEN, "the token is wrong or not the latest", HINT_TOKEN},
    {40003, WX_ERRCODE_BAD_OPENID, "an openid is invalid, or not of a follower of this account", HINT_OPENID},
    {40013, WX_ERRCODE_CONFIGURATION, "the appid is invalid", HINT_APPID},
    {40014, WX_ERRCODE_TOKEN, "the token is invalid", HINT_TOKEN},
    {40032, WX_ERRCODE_TOO_MANY, "too many openids in one call", HINT_BUG},
    {40097, WX_ERRCODE_OUR_BUG, "an argument is invalid", HINT_BUG},
    {40125, WX_ERRCODE_CONFIGURATION, "the appsecret is wrong", HINT_APPID},
    {40164, WX_ERRCODE_CONFIGURATION, "our address is not on the IP white list", HINT_ADDRESS},
    {41001, WX_ERRCODE_TOKEN, "the token is missing", HINT_TOKEN},
    {41002, WX_ERRCODE_CONFIGURATION, "the appid is missing", HINT_APPID},
    {41004, WX_ERRCODE_CONFIGURATION, "the appsecret is missing", HINT_APPID},
    {41018, WX_ERRCODE_CONFIGURATION, "the component appid is missing", HINT_COMPONENT},
    {41030, WX_ERRCODE_OPENID_REFUSED, "the openid is refused", HINT_USER},
    {42001, WX_ERRCODE_TOKEN, "the token has expired", HINT_TOKEN},
    {43002, WX_ERRCODE_OUR_BUG, "the call must be a POST", HINT_BUG},
    {43004, WX_ERRCODE_OPENID_REFUSED, "the user does not follow this account", HINT_USER},
    {43005, WX_ERRCODE_OPENID_REFUSED, "the user is no contact of this account", HINT_USER},
    {43019, WX_ERRCODE_OPENID_REFUSED, "the user is on the blacklist",
     "Take the user off the blacklist first."},
    {44002, WX_ERRCODE_OUR_BUG, "the body is empty", HINT_BUG},
    {45009, WX_ERRCODE_QUOTA, "the daily quota is used up",
     "Resume after midnight in Beijing, when the quota is renewed, or clear it on the platform's page."},
    {45011, WX_ERRCODE_RATE, "more calls a minute than allowed", "Resume in a minute, with a lower rate."},
    {45035, WX_ERRCODE_CONFIGURATION, "the appid may not call this interface for lack of a white list entry",
     HINT_ADDRESS},
    {46004, WX_ERRCODE_OPENID_REFUSED, "the user does not exist", HINT_USER},
    {47001, WX_ERRCODE_OUR_BUG, "the body is no valid JSON", HINT_BUG},
    {48001, WX_ERRCODE_NO_RIGHT, "the account has no right to this interface", HINT_RIGHT},
    {48004, WX_ERRCODE_NO_RIGHT, "the interface is banned for this account",
     "Look at the notices on the account's page; when the ban has ended, synchronize the account."},
    {49003, WX_ERRCODE_BAD_OPENID, "an openid does not belong to this account", HINT_OPENID},
    {50002, WX_ERRCODE_RESTRICTED, "the account is restricted",
     "Look at the notices on the account's page; when the restriction has ended, synchronize the account."},
    {50005, WX_ERRCODE_UNAUTHORIZED, "the account is not authorized for this platform", HINT_UNAUTHORIZED},
    {61000, WX_ERRCODE_CONFIGURATION, "the appid is not the component's", HINT_COMPONENT},
    {61003, WX_ERRCODE_UNAUTHORIZED, "the account is not authorized for this platform", HINT_UNAUTHORIZED},
    {61004, WX_ERRCODE_CONFIGURATION, "our address is not on the platform's IP white list", HINT_ADDRESS},
    {61005, WX_ERRCODE_TICKET, "the component ticket has expired", HINT_TICKET},
    {61006, WX_ERRCODE_TICKET, "the component ticket is invalid", HINT_TICKET},
    {61007, WX_ERRCODE_NO_RIGHT, "the interface is not granted to the platform",
     "Have the merchant authorize the platform again with the permission set, then synchronize the account."},
    {61009, WX_ERRCODE_CODE_BAD, "the authorization code is invalid", HINT_CODE},
    {61010, WX_ERRCODE_CODE_BAD, "the authorization code is used up or has expired", HINT_CODE},
    {61011, WX_ERRCODE_CONFIGURATION, "the component is invalid", HINT_COMPONENT},
    {61023, WX_ERRCODE_REFRESH_TOKEN_DEAD, "the refresh token is invalid",
     "Have the merchant authorize the platform again, adding or removing a permission set."},
    {61024, WX_ERRCODE_CONFIGURATION, "the token's owner is not the component of the account",
     HINT_COMPONENT},
};

static const wx_errcode unknown = {
    0, WX_ERRCODE_UNKNOWN, "an errcode that is not in the table",
    "Look the errcode up in WeChat's documentation; give its support the rid."};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

const wx_errcode *wx_errcode_find(int64_t errcode)
{
    for (int at = 0; at < ROWS; at++) {
        if (rows[at].errcode == errcode) {
            return &rows[at];
        }
    }
    return &unknown;
}

wxtp_status wx_errcode_status(wx_errcode_class class_)
{
    switch (class_) {
    case WX_ERRCODE_OK:
        return WXTP_OK;
    case WX_ERRCODE_BUSY:
        return WXTP_ERR_UNAVAILABLE;
    case WX_ERRCODE_TOKEN:
    case WX_ERRCODE_CODE_BAD:
        return WXTP_ERR_CREDENTIALS;
    case WX_ERRCODE_REFRESH_TOKEN_DEAD:
        return WXTP_ERR_REAUTHORIZE;
    case WX_ERRCODE_CONFIGURATION:
        return WXTP_ERR_CONFIGURATION;
    case WX_ERRCODE_QUOTA:
        return WXTP_ERR_QUOTA;
    case WX_ERRCODE_RATE:
        return WXTP_ERR_RATE;
    case WX_ERRCODE_NO_RIGHT:
    case WX_ERRCODE_RESTRICTED:
    case WX_ERRCODE_UNAUTHORIZED:
        return WXTP_ERR_REFUSED;
    case WX_ERRCODE_TICKET:
        return WXTP_ERR_TICKET;
    case WX_ERRCODE_BAD_OPENID:
    case WX_ERRCODE_TOO_MANY:
    case WX_ERRCODE_OUR_BUG:
    case WX_ERRCODE_OPENID_REFUSED:
    case WX_ERRCODE_UNKNOWN:
        break;
    }
    return WXTP_ERR_WECHAT;
}

const wx_errcode *wx_errcode_all(int *count)
{
    assert(count);
    *count = ROWS;
    return rows;
}
