/*
 * An HTTP port that answers from rules and writes down what it was asked. A rule matches where the URL
 * contains `path` and, unless NULL, the body contains `part`. Rules are tried newest first; one with `times`
 * > 0 is used up. What no rule matches is answered NOT_SENT, with the path in the detail.
 */
#ifndef TEST_FAKE_HTTP_H
#define TEST_FAKE_HTTP_H

#include <pthread.h>
#include <wxtp/http.h>

#include "fake_clock.h"

typedef struct fake_request {
    char *method, *url, *body;
} fake_request;

/* What a handler fills in; `body` is freed by the fake when `free_body`. */
typedef struct fake_reply {
    wxtp_http_outcome outcome;
    long status;
    const char *body;
    bool free_body;
} fake_reply;

/* Runs while the request is "at WeChat"; may change the store or the clock. */
typedef void fake_handler(void *user, const fake_request *request, fake_reply *reply);

typedef struct fake_rule {
    char *path, *part, *body;
    wxtp_http_outcome outcome;
    long status;
    int times; /* left; -1 for ever */
    fake_handler *handler;
    void *user;
} fake_rule;

typedef struct fake_http {
    fake_clock *clock; /* moved on where the library waits for something to happen; NULL: none */
    pthread_mutex_t lock;
    bool woken;
    fake_request *requests;
    size_t request_count, request_capacity;
    fake_rule *rules;
    size_t rule_count;
} fake_http;

void fake_http_init(fake_http *http);
void fake_http_free(fake_http *http);
void fake_http_port(fake_http *http, wxtp_http *port);

/* Answered with HTTP 200 and `body`; `times` -1 for ever. */
void fake_http_on(fake_http *http, const char *path, const char *part, int times, const char *body);
/* Another outcome or HTTP status. */
void fake_http_fail(fake_http *http, const char *path, const char *part, int times, wxtp_http_outcome outcome,
                    long status);
void fake_http_handle(fake_http *http, const char *path, const char *part, int times, fake_handler *handler,
                      void *user);
void fake_http_forget_rules(fake_http *http);

/* How many requests had `path` in their URL (NULL: all); and the n-th of them, NULL when there are fewer. */
size_t fake_http_count(fake_http *http, const char *path);
const fake_request *fake_http_request(fake_http *http, const char *path, size_t n);
void fake_http_forget_requests(fake_http *http);

#endif
