/* Base URLs and proxies. */
#ifndef AD_URL_H
#define AD_URL_H

#include <stdbool.h>

enum { AD_HOST_MAX = 256 };

typedef struct ad_url {
    bool https;
    bool loopback; /* 127.0.0.0/8, localhost, [::1] */
    char host[AD_HOST_MAX];
    char text[1024]; /* without slashes at the end */
} ad_url;

/* NULL, or what is wrong with it. */
const char *ad_url_parse(ad_url *url, const char *text);
/* Of a proxy: NULL, or what is wrong with it. HOST:PORT alone is one too. */
const char *ad_url_proxy_problem(const char *text);
/* What the usual variables say for this host; NULL: go straight. */
const char *ad_url_proxy(const ad_url *url);

#endif
