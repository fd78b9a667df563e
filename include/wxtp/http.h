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

/**
 * Set `struct_size` to `sizeof(wxtp_http)`. One thread at a time calls `start` and `poll`, which need no lock
 * of their own; it may be another thread from one call to the next. `wake` and `release` are called from any.
 */
typedef struct wxtp_http {
    size_t struct_size;
    void *user;
    /**
     * Begins `request`; does not block. Redirects are not followed. Both `request` and `answer` are borrowed
     * until the end of the request.
     * @return true when it has ended already and `answer` is filled; else `poll` fills it later, and then
     * calls `done(done_user)` once.
     */
    bool (*start)(void *user, const wxtp_http_request *request, wxtp_http_answer *answer,
                  void (*done)(void *done_user), void *done_user);
    /** Goes on with what was started. Waits at most `wait_ms` for something to happen, or for `wake`. */
    void (*poll)(void *user, int64_t wait_ms);
    /** Ends the wait of the `poll` under way, or of the next. */
    void (*wake)(void *user);
    /** Zeroes and frees what was put into `answer`. */
    void (*release)(void *user, wxtp_http_answer *answer);
} wxtp_http;

WXTP_END_DECLS
#endif
