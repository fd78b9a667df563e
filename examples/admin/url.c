#include "url.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;

    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static const char *take_port(const char *port)
{
    long number = 0;

    if (*port != ':')
        return *port == '\0' || *port == '/' ? NULL
                                             : "has characters after its host that do not belong there";
    for (port++; *port >= '0' && *port <= '9' && number < 100000; port++)
        number = number * 10 + (*port - '0');
    if (number < 1 || number > 65535 || (*port != '\0' && *port != '/'))
        return "has a bad port";
    return NULL;
}

const char *ad_url_parse(ad_url *url, const char *text)
{
    memset(url, 0, sizeof *url);
    url->https = strncasecmp(text, "https://", 8) == 0;
    if (!url->https && strncasecmp(text, "http://", 7) != 0)
        return "is neither https:// nor http://";
    size_t length = strlen(text);
    if (length >= sizeof url->text)
        return "is too long";
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7F)
            return "has characters that no URL has";
    }
    if (strpbrk(text, "?#@\\"))
        return "must have no user name, query or fragment";
    const char *host = text + (url->https ? 8 : 7), *end;
    bool brackets = *host == '[';
    if (brackets)
        host++;
    end = host + strcspn(host, brackets ? "]" : ":/");
    if (end == host || (size_t)(end - host) >= sizeof url->host || (brackets && *end != ']'))
        return "has no host";
    memcpy(url->host, host, (size_t)(end - host));
    url->loopback = is_loopback(url->host);
    memcpy(url->text, text, length + 1);
    while (url->text[length - 1] == '/')
        url->text[--length] = '\0';
    return take_port(end + (brackets ? 1 : 0));
}

/* Whether one entry of no_proxy covers the host: itself, or a domain that it lies in. */
static bool covers(const char *entry, size_t length, const char *host)
{
    size_t host_length = strlen(host);

    if (length == 1 && *entry == '*')
        return true;
    if (length > 0 && *entry == '.') {
        entry++;
        length--;
    }
    if (length == 0 || length > host_length || strncasecmp(host + host_length - length, entry, length) != 0)
        return false;
    return length == host_length || host[host_length - length - 1] == '.';
}

static const char *variable(const char *name, const char *other)
{
    const char *value = getenv(name);

    if ((!value || !*value) && other)
        value = getenv(other);
    return value && *value ? value : NULL;
}

const char *ad_url_proxy(const ad_url *url)
{
    const char *none = variable("no_proxy", "NO_PROXY");

    if (url->loopback)
        return NULL;
    while (none && *none) {
        size_t length = strcspn(none, ", ");
        if (covers(none, length, url->host))
            return NULL;
        none += length;
        none += strspn(none, ", ");
    }
    /* HTTP_PROXY in capitals is left alone, as curl does: a CGI server lets clients set it. */
    const char *proxy = url->https ? variable("https_proxy", "HTTPS_PROXY") : variable("http_proxy", NULL);
    return proxy ? proxy : variable("all_proxy", "ALL_PROXY");
}

const char *ad_url_proxy_problem(const char *text)
{
    static const char *const schemes[] = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
    const char *colon = strstr(text, "://"), *at, *end;
    bool known = !colon;

    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7F)
            return "has characters that no URL has";
    }
    for (size_t i = 0; colon && i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t length = strlen(schemes[i]);
        known = known || ((size_t)(colon - text) == length && strncasecmp(text, schemes[i], length) == 0);
    }
    if (!known)
        return "is of no kind of proxy: http, https, socks4, socks4a, socks5 or socks5h";
    text = colon ? colon + 3 : text;
    at = strrchr(text, '@'); /* behind a user's name and password */
    text = at ? at + 1 : text;
    end = text + strcspn(text, *text == '[' ? "]" : ":/");
    if (end == text || (*text == '[' && *end != ']'))
        return "has no host";
    return take_port(end + (*end == ']' ? 1 : 0));
}
