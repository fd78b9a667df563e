#include "api/settings.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

enum { PATH_BYTES = 4096, BASE_BYTES = 256, HOST_BYTES = 254, SHOWN_BYTES = 64 };

static bool printable(const char *text, size_t max)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at++) {
        if (text[at] <= ' ' || text[at] > '~') {
            return false;
        }
    }
    return len < max;
}

static bool integer_ok(const wx_setting *setting, const char *text)
{
    int64_t value = 0;
    return wx_text_int64(text, strlen(text), &value) && value >= setting->least && value <= setting->most;
}

/* 1 and 0 for the words of a boolean, -1 for any other. */
static int truth(const char *text)
{
    static const char *const words[2][4] = {{"false", "no", "off", "0"}, {"true", "yes", "on", "1"}};
    assert(text);
    for (int value = 0; value < 2; value++) {
        for (size_t at = 0; at < 4; at++) {
            if (strcmp(text, words[value][at]) == 0) {
                return value;
            }
        }
    }
    return -1;
}

static bool boolean_ok(const wx_setting *setting, const char *text)
{
    (void)setting;
    return truth(text) >= 0;
}

static bool appid_ok(const wx_setting *setting, const char *text)
{
    (void)setting;
    return text[0] == '\0' || wx_appid_ok(text);
}

static bool path_ok(const wx_setting *setting, const char *text)
{
    (void)setting;
    return strlen(text) < PATH_BYTES;
}

static bool user_agent_ok(const wx_setting *setting, const char *text)
{
    (void)setting;
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at++) {
        if (text[at] < ' ' || text[at] > '~') {
            return false;
        }
    }
    return len > 0 && len < BASE_BYTES;
}

static bool proxy_ok(const wx_setting *setting, const char *text)
{
    static const char *const schemes[] = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
    (void)setting;
    const char *colon = strstr(text, "://");
    bool known = !colon;
    for (size_t at = 0; colon && at < sizeof(schemes) / sizeof(schemes[0]); at++) {
        const size_t len = strlen(schemes[at]);
        known = known || ((size_t)(colon - text) == len && strncasecmp(text, schemes[at], len) == 0);
    }
    return known && printable(text, PATH_BYTES);
}

/* What is said of "scheme://host[:port][/path]". */
typedef struct base_url {
    bool https;
    char host[HOST_BYTES];
} base_url;

static bool port_ok(const char *text, size_t len)
{
    int64_t port = 0;
    return wx_text_int64(text, len, &port) && port >= 1 && port <= 65535;
}

/* Users and passwords, queries and fragments are refused: the host is what stands between the scheme and the
 * path. */
static bool base_url_read(const char *text, base_url *url)
{
    if (!printable(text, BASE_BYTES) || strpbrk(text, "@?#\\\"")) {
        return false;
    }
    url->https = strncmp(text, "https://", 8) == 0;
    if (!url->https && strncmp(text, "http://", 7) != 0) {
        return false;
    }
    const char *host = text + (url->https ? 8 : 7);
    size_t whole = strcspn(host, "/");
    size_t len = 0;
    if (host[0] == '[') {
        len = strspn(host + 1, "0123456789abcdefABCDEF:.") + 2;
        if (len > whole || host[len - 1] != ']') {
            return false;
        }
    } else {
        len = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
    }
    if (len == 0 || len >= sizeof(url->host)) {
        return false;
    }
    if (len < whole && (host[len] != ':' || !port_ok(host + len + 1, whole - len - 1))) {
        return false;
    }
    memcpy(url->host, host, len);
    url->host[len] = '\0';
    return true;
}

static bool loopback(const char *host)
{
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1) {
        return (ntohl(address.s_addr) >> 24) == 127;
    }
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

static bool api_base_ok(const wx_setting *setting, const char *text)
{
    (void)setting;
    base_url url;
    return base_url_read(text, &url) && (url.https || loopback(url.host));
}

static bool cloud_base_ok(const wx_setting *setting, const char *text)
{
    (void)setting;
    base_url url;
    return text[0] == '\0' || base_url_read(text, &url);
}

#define INTEGER(name, least, most, fallback, meaning)                                                        \
    {                                                                                                        \
        name, "integer", #least ".." #most, #fallback, false, meaning, integer_ok, least, most               \
    }
#define WORD(name, type, range, fallback, secret, meaning, ok)                                               \
    {                                                                                                        \
        name, type, range, fallback, secret, meaning, ok, 0, 0                                               \
    }

static const wx_setting table[WX_SETTINGS] = {
    [WX_SET_COMPONENT] = WORD("component", "appid", "1..63 of A-Za-z0-9_-", "", false,
                              "the third-party platform; by default the only one in the store", appid_ok),
    [WX_SET_API_BASE] = WORD("api_base", "url", "https://HOST[:PORT][/PATH]; http:// for a loopback host",
                             "https://api.weixin.qq.com", false, "where WeChat's API is", api_base_ok),
    [WX_SET_CLOUD_BASE] = WORD("cloud_base", "url", "http:// or https://HOST[:PORT][/PATH]", "", false,
                               "where cloud accounts call; by default api_base where that is loopback, else "
                               "http://api.weixin.qq.com",
                               cloud_base_ok),
    [WX_SET_CA_FILE] = WORD("ca_file", "path", "fewer than 4096 bytes", "", false,
                            "certificates to trust; by default the system's", path_ok),
    [WX_SET_PROXY] = WORD("proxy", "text", "URL or HOST:PORT", "", true,
                          "the proxy for calls to WeChat; the environment is not read", proxy_ok),
    [WX_SET_MASTER_KEY_FILE] =
        WORD("master_key_file", "path", "fewer than 4096 bytes", "", false,
             "32 random bytes in base64, private to their owner; made together with a new store", path_ok),
    [WX_SET_CONCURRENCY] = INTEGER("concurrency", 1, 1024, 16, "calls in flight at once, over all tenants"),
    [WX_SET_RATE] = INTEGER("rate", 0, 10000, 0, "business calls a second, per tenant; 0: no limit"),
    [WX_SET_TIMEOUT_MS] = INTEGER("timeout_ms", 100, 600000, 10000, "one HTTP call, connection included"),
    [WX_SET_MAX_WAIT_MS] = INTEGER("max_wait_ms", 0, 86400000, 60000,
                                   "how long one call waits in all for trouble to pass; 0: one try"),
    [WX_SET_MAX_TRIES] = INTEGER("max_tries", 1, 20, 5, "how often one call to WeChat is tried"),
    [WX_SET_OWN_FORCE_REFRESH] =
        WORD("own_force_refresh", "boolean", "true or false", "true", false,
             "own accounts: force a new token when WeChat goes on refusing the one it answers", boolean_ok),
    [WX_SET_AUDIT_DAYS] = INTEGER("audit_days", 0, 36500, 400, "how long audit rows are kept; 0: for ever"),
    [WX_SET_PUSHES_DAYS] =
        INTEGER("pushes_days", 0, 36500, 30, "how long pushes and spent codes are remembered; 0: for ever"),
    [WX_SET_JOBS_DAYS] = INTEGER("jobs_days", 0, 36500, 90, "how long finished jobs are kept; 0: for ever"),
    [WX_SET_USER_AGENT] = WORD("user_agent", "text", "1..255 printable characters", "libwxtp/" WXTP_VERSION,
                               false, "what calls to WeChat name themselves", user_agent_ok),
    [WX_SET_OWN_THREADS] = WORD(
        "own_threads", "boolean", "true or false", "true", false,
        "a loop thread and two for the store; false: whoever waits, or wxtp_platform_run_once, does the work",
        boolean_ok),
    [WX_SET_SUBMISSIONS_MAX] =
        INTEGER("submissions_max", 1, 60000, 4096, "submissions at once, until their completions are taken"),
    [WX_SET_RENEWAL_RATE] = INTEGER("renewal_rate", 0, 100000, 0,
                                    "renewals of tokens begun a second, over all tenants; 0: no limit"),
};

const wx_setting *wx_setting_at(wx_setting_id id)
{
    assert(id < WX_SETTINGS);
    return &table[id];
}

wx_setting_id wx_setting_find(const char *name)
{
    unsigned id = 0;
    while (id < WX_SETTINGS && strcmp(table[id].name, name) != 0) {
        id++;
    }
    return (wx_setting_id)id;
}

wxtp_status wx_setting_check(wx_setting_id id, const char *text, wx_err *err)
{
    const wx_setting *setting = wx_setting_at(id);
    if (setting->ok(setting, text)) {
        return WXTP_OK;
    }
    if (setting->secret) {
        (void)wx_fail(err, WXTP_ERR_INVALID, "the value of the setting %s is not valid", setting->name);
    } else {
        (void)wx_fail(err, WXTP_ERR_INVALID, "\"%.*s\" is not valid for the setting %s", SHOWN_BYTES, text,
                      setting->name);
    }
    wx_err_hint(err, "Give %s as %s: %s.", setting->name, setting->type, setting->range);
    return WXTP_ERR_INVALID;
}

const char *wx_setting_text(const char *const values[WX_SETTINGS], wx_setting_id id)
{
    const char *text = values[id] ? values[id] : table[id].fallback;
    return text[0] != '\0' ? text : NULL;
}

static int64_t integer_of(const char *const values[WX_SETTINGS], wx_setting_id id)
{
    const char *text = values[id] ? values[id] : table[id].fallback;
    int64_t value = 0;
    bool read = wx_text_int64(text, strlen(text), &value);
    assert(read && value >= table[id].least && value <= table[id].most);
    (void)read;
    return value;
}

static void base_of(char target[BASE_BYTES], const char *text)
{
    int whole = wx_copy(target, BASE_BYTES, text);
    assert(whole);
    (void)whole;
    /* Paths of the catalog begin with "/". */
    for (size_t len = strlen(target); len > 0 && target[len - 1] == '/'; len--) {
        target[len - 1] = '\0';
    }
}

void wx_settings_read(const char *const values[WX_SETTINGS], wx_settings *settings)
{
    *settings = (wx_settings){
        .concurrency = (int)integer_of(values, WX_SET_CONCURRENCY),
        .rate_per_second = (int)integer_of(values, WX_SET_RATE),
        .timeout_ms = integer_of(values, WX_SET_TIMEOUT_MS),
        .max_wait_ms = integer_of(values, WX_SET_MAX_WAIT_MS),
        .max_tries = (int)integer_of(values, WX_SET_MAX_TRIES),
        .submissions_max = (size_t)integer_of(values, WX_SET_SUBMISSIONS_MAX),
        .renewals_per_second = (int)integer_of(values, WX_SET_RENEWAL_RATE),
        .own_threads = truth(wx_setting_text(values, WX_SET_OWN_THREADS)) == 1,
        .own_force_refresh = truth(wx_setting_text(values, WX_SET_OWN_FORCE_REFRESH)) == 1,
        .audit_days = integer_of(values, WX_SET_AUDIT_DAYS),
        .pushes_days = integer_of(values, WX_SET_PUSHES_DAYS),
        .jobs_days = integer_of(values, WX_SET_JOBS_DAYS),
    };
    (void)wx_copy(settings->component, sizeof(settings->component),
                  wx_setting_text(values, WX_SET_COMPONENT));
    base_of(settings->api_base, wx_setting_text(values, WX_SET_API_BASE));
    const char *cloud = wx_setting_text(values, WX_SET_CLOUD_BASE);
    if (!cloud) {
        base_url url;
        bool here = base_url_read(settings->api_base, &url) && loopback(url.host);
        cloud = here ? settings->api_base : "http://api.weixin.qq.com";
    }
    base_of(settings->cloud_base, cloud);
}
