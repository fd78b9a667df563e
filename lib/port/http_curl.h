/* The HTTP port on libcurl's multi interface; easy handles and connections are kept for reuse. */
#ifndef WX_PORT_HTTP_CURL_H
#define WX_PORT_HTTP_CURL_H

#include <wxtp/allocator.h>
#include <wxtp/clock.h>
#include <wxtp/http.h>

typedef struct wx_http_curl wx_http_curl;

typedef struct wx_http_curl_options {
    const char *ca_file; /* NULL: the system's */
    const char *proxy;   /* NULL: none; "" also none. The environment is not read. */
    const char *user_agent;
    size_t connections; /* how many are kept when idle */
} wx_http_curl_options;

/* NULL with errno: ENOMEM, or why there is no descriptor. */
wx_http_curl *wx_http_curl_new(const wxtp_allocator *allocator, const wxtp_clock *clock,
                               const wx_http_curl_options *options);
void wx_http_curl_port(wx_http_curl *self, wxtp_http *port);
void wx_http_curl_free(wx_http_curl *self); /* no transfer is under way */

#endif
