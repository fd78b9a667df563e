/* What a merchant is told: what is missing, and the page and the box to tick. */
#include <string.h>
#include <wxtp/tenant.h>

#include "api/handle.h"
#include "base/text.h"
#include "flow/dispatch.h"

enum { MESSAGE_MAX = 4096, ACCOUNT_MAX = 256 };

typedef struct words {
    const char *zh, *en;
} words;

/* clang-format off */

/* What a permission set is called on the authorization page. */
static const struct {
    int set;
    words name;
} set_names[] = {
    {1, {"消息管理权限", "Message management (消息管理权限)"}},
    {2, {"用户管理权限", "User management (用户管理权限)"}},
    {3, {"帐号服务权限", "Account services (帐号服务权限)"}},
    {11, {"素材管理权限", "Material management (素材管理权限)"}},
    {15, {"自定义菜单权限", "Custom menu (自定义菜单权限)"}},
};

#define LINK_ZH "请打开我们发给您的授权链接，由公众号管理员微信扫码，"
#define TICK_ZH LINK_ZH "在“公众号授权”页面勾选“%s”，然后点击“授权”。"
#define LINK_EN "Please open the authorization link that we send you, have the account's administrator scan the code, "
#define TICK_EN LINK_EN "tick \"%s\" on the authorization page, and confirm."
#define SIGN_IN_ZH "请由公众号管理员登录 https://mp.weixin.qq.com ，"
#define SIGN_IN_EN "Please have the account's administrator sign in at https://mp.weixin.qq.com, "

/* In each text the first %s is the account, the next ones the box on the authorization page. */
static const struct {
    const char *reason;
    words text;
} messages[] = {
    {"",
     {"您好，您的公众号「%s」的授权与认证状态均正常，无需任何操作。",
      "Hello, your official account \"%s\" is authorized and certified as it should be. There is nothing to do."}},
    {"unknown_tenant",
     {"您好，您的公众号「%s」尚未授权给我们的平台。\n" TICK_ZH,
      "Hello, your official account \"%s\" has not authorized our platform yet.\n" TICK_EN}},
    {"unauthorized",
     {"您好，您的公众号「%s」已取消对我们平台的授权，我们暂时无法为您服务。\n" TICK_ZH,
      "Hello, your official account \"%s\" has taken back its authorization, so we cannot act for it.\n" TICK_EN}},
    {"reauthorization_required",
     {"您好，您的公众号「%s」的授权已失效，需要重新授权。\n" LINK_ZH
      "在“公众号授权”页面保持勾选“%s”，并增选或取消任意一项其他权限（权限没有变化时微信不会通知我们），然后点击“授权”。",
      "Hello, the authorization of your official account \"%s\" is no longer valid and has to be given again.\n" LINK_EN
      "keep \"%s\" ticked on the authorization page, add or remove any other permission (without a change WeChat does "
      "not tell us), and confirm."}},
    {"permission_set_missing",
     {"您好，您的公众号「%s」授权时没有勾选“%s”，因此我们无法为您提供服务。\n" TICK_ZH,
      "Hello, when your official account \"%s\" authorized us, \"%s\" was not ticked, so we cannot act for it.\n"
      TICK_EN}},
    {"not_certified",
     {"您好，您的公众号「%s」尚未通过微信认证，或认证已过期，微信不允许未认证的公众号使用此功能。\n" SIGN_IN_ZH
      "进入“设置与开发”→“微信认证”，点击“开通”或“年审”并完成认证，完成后请告知我们。",
      "Hello, your official account \"%s\" is not certified, or its certification has lapsed; WeChat offers this "
      "function to certified accounts only.\n" SIGN_IN_EN
      "open \"Settings and development\" (设置与开发) > \"WeChat certification\" (微信认证), choose to apply (开通) or "
      "to renew (年审), and tell us when it is done."}},
    {"account_not_active",
     {"您好，您的公众号「%s」目前被微信限制、冻结、封禁或已注销。\n" SIGN_IN_ZH
      "在“通知中心”查看原因并提交申诉，恢复后请告知我们。",
      "Hello, WeChat has restricted, frozen, banned or deregistered your official account \"%s\".\n" SIGN_IN_EN
      "see the reason under \"Notifications\" (通知中心), appeal there, and tell us when it is restored."}},
    {"wrong_account_type",
     {"您好，您授权的帐号「%s」不是公众号（服务号或订阅号），微信只为公众号提供此功能。\n请改用贵公司的公众号。" TICK_ZH,
      "Hello, the account \"%s\" that authorized us is no official account (service or subscription account); WeChat "
      "offers this function to official accounts only.\nPlease use your official account. " TICK_EN}},
    {"refused_by_wechat",
     {"您好，微信暂时拒绝了对您的公众号「%s」的操作，我们会自动重试。\n" SIGN_IN_ZH
      "在“通知中心”查看是否有限制或违规通知，并告知我们。",
      "Hello, WeChat refuses to act on your official account \"%s\" for the time being; we try again by ourselves.\n"
      SIGN_IN_EN "look under \"Notifications\" (通知中心) for a restriction, and tell us."}},
    {"quota_exhausted",
     {"您好，您的公众号「%s」今天的接口调用次数已用完，北京时间零点后会自动继续，您无需操作。",
      "Hello, the number of calls that WeChat allows your official account \"%s\" a day is used up. We go on after "
      "midnight in Beijing; there is nothing to do."}},
};

/* For what is ours to mend. */
static const words ours = {
    "您好，您的公众号「%s」无需任何操作，我们正在处理平台方面的问题。",
    "Hello, there is nothing to do for your official account \"%s\". The trouble is on our side and being dealt with."};

/* clang-format on */

static const char *in_language(words text, bool chinese)
{
    return chinese ? text.zh : text.en;
}

static const char *box_of(const wx_api *api, bool chinese)
{
    for (size_t at = 0; at < sizeof(set_names) / sizeof(set_names[0]); at++) {
        if (set_names[at].set == api->permission_sets[0]) {
            return in_language(set_names[at].name, chinese);
        }
    }
    return chinese ? "所需权限" : "the permission that is needed";
}

static const char *pattern_for(const char *reason, bool chinese)
{
    for (size_t at = 0; at < sizeof(messages) / sizeof(messages[0]); at++) {
        if (strcmp(messages[at].reason, reason) == 0) {
            return in_language(messages[at].text, chinese);
        }
    }
    return in_language(ours, chinese);
}

static void write_message(wx_buf *message, const char *pattern, const char *account, const char *box)
{
    const char *value = account;
    while (*pattern) {
        const char *place = strstr(pattern, "%s");
        const size_t len = place ? (size_t)(place - pattern) : strlen(pattern);
        (void)wx_buf_add(message, pattern, len);
        pattern += len;
        if (place) {
            (void)wx_buf_text(message, value);
            value = box;
            pattern += 2;
        }
    }
}

static wxtp_status make_message(wx_core *core, const char *call, const char *reason, const char *language,
                                const char *account, char **message, wx_err *err)
{
    if (!call || !reason || !language || !account || !message || strlen(account) > ACCOUNT_MAX) {
        return wx_fail(err, WXTP_ERR_INVALID, "a call, a reason, a language, a name and a place are needed");
    }
    const bool chinese = strcmp(language, "zh") == 0;
    if (!chinese && strcmp(language, "en") != 0) {
        return wx_fail(err, WXTP_ERR_INVALID, "messages are written in zh and en, not in %.20s", language);
    }
    const wx_api *api = wx_api_find(core, call);
    if (!api) {
        return wx_fail(err, WXTP_ERR_NOT_FOUND, "the catalog has no call \"%.63s\"", call);
    }
    char name[ACCOUNT_MAX + 1]; /* the merchant's own words */
    WX_AUTO_BUF text;
    wx_copy(name, sizeof(name), account);
    wx_text_one_line(name);
    wx_buf_init(&text, &core->allocator, MESSAGE_MAX);
    write_message(&text, pattern_for(reason, chinese), name, box_of(api, chinese));
    *message = wx_buf_take(&text);
    return *message ? WXTP_OK : wx_fail_nomem(err);
}

wxtp_status wxtp_merchant_message(wxtp_platform *platform, const char *call, const char *reason,
                                  const char *language, const char *account, char **message,
                                  wxtp_error **error)
{
    wx_err err = {0};
    wx_door door;
    if (message) {
        *message = NULL;
    }
    if (wx_enter(&door, platform, &err) != WXTP_OK) {
        return wx_turned_away(platform, &err, error);
    }
    const wxtp_status status = make_message(door.op.core, call, reason, language, account, message, &err);
    return wx_leave(&door, status, &err, error);
}
