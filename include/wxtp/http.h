/**
 * @file http.h
 * The HTTP port: one request, one answer. The library brings one on libcurl; tests and hosts may bring their
 * own.
 */
#ifndef WXTP_HTTP_H
#define WXTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wxtp/export.h>

WXTP_BEGIN_DECLS

/** What became of a request. */
typedef enum wxtp_http_outcome {
    WXTP_HTTP_ANSWERED = 0, /**< A whole answer was read; its status may be anything. */
    WXTP_HTTP_NOT_SENT = 1, /**< Certainly nothing of the request left: no address, no connection, TLS
                               refused, `may_send` said no. */
    WXTP_HTTP_UNKNOWN =
        2, /**< It may have left, and may have been carried out: time-out, cut, answer too large. */
} wxtp_http_outcome;

typedef struct wxtp_http_request {
    const char *method; /**< "GET" or "POST". */
    const char *url;    /**< May hold a token in its query; must not be logged. */
    const void *body;   /**< Sent as `application/json`; NULL with GET. */
    size_t body_len;
    int64_t timeout_ms; /**< Connection included. At its end, what has arrived is read before the transfer is
                           cut. */
    size_t max_answer_bytes; /**< A longer answer is cut and its outcome is unknown. */
    /** NULL, or asked once after the connection stands and before the first byte leaves; false: do not send.
     */
    bool (*may_send)(void *user);
    void *may_send_user;
} wxtp_http_request;

typedef struct wxtp_http_answer {
    wxtp_http_outcome outcome;
    long status; /**< HTTP status, where answered. */
    char *body;  /**< NUL-terminated beside its length; owned by the port until `release`. */
    size_t body_len;
    char detail[192]; /**< For people: what failed; no secret. */
    void *port_private;
} wxtp_http_answer;

/** Set `struct_size` to `sizeof(wxtp_http)`. Both functions must be callable from any thread at once. */
typedef struct wxtp_http {
    size_t struct_size;
    void *user;
    /** Carries out `request` and fills `answer`; blocks until its end. Redirects are not followed. */
    void (*perform)(void *user, const wxtp_http_request *request, wxtp_http_answer *answer);
    /** Zeroes and frees what `perform` put into `answer`. */
    void (*release)(void *user, wxtp_http_answer *answer);
} wxtp_http;

WXTP_END_DECLS
#endif
