/* The HTTP port against a server thread on loopback. The server says over a pipe how far it has come: nothing
 * sleeps. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "port/http_curl.h"

typedef enum script {
    ANSWER,       /* every request of a connection, until it is closed */
    ANSWER_CLOSE, /* one request, then the connection is closed without a word */
    ANSWER_CUT,   /* one request; closes after having read the next */
    ANSWER_HELD,  /* answers when a byte comes through `go` */
    ANSWER_LAST,  /* one request, and says that the connection ends with it */
    REDIRECT,
    CUT_BEFORE, /* closes after having read the request */
    CUT_MIDST,  /* closes in the midst of the body */
    SILENT,     /* reads the request and never answers */
    ENDLESS,    /* a body without end */
    ENDLESS_HEADERS,
    DRIP,    /* part of the body, and then no more */
    NO_READ, /* accepts and closes at once */
} script;

typedef struct server {
    script script;
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_int connections, requests;
    atomic_bool stop;
    int go[2];
    int answered[2]; /* a byte for each answer that was written whole, or closed after */
    char seen[4096]; /* the last request */
} server;

static bool send_text(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = send(fd, text, len, MSG_NOSIGNAL);
        if (put <= 0) {
            return false;
        }
        text += put;
        len -= (size_t)put;
    }
    return true;
}

static bool read_request(server *self, int fd)
{
    char text[sizeof(self->seen)] = "";
    size_t len = 0;
    while (len < sizeof(text) - 1) {
        ssize_t got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        char *end = strstr(text, "\r\n\r\n");
        char *length = strstr(text, "Content-Length: ");
        size_t body = length && end && length < end ? strtoul(length + 16, NULL, 10) : 0;
        if (end && len >= (size_t)(end + 4 - text) + body) {
            memcpy(self->seen, text, sizeof(text));
            atomic_fetch_add(&self->requests, 1);
            return true;
        }
    }
    return false;
}

static void serve(server *self, int fd)
{
    static const char ok[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n{\"errcode\":0}";
    static const char last[] =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\n{\"errcode\":0}";
    static const char redirect[] = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"err";
    static const char endless[] = "HTTP/1.1 200 OK\r\n\r\n";
    char junk[1024];
    memset(junk, 'x', sizeof(junk));
    if (self->script == NO_READ) {
        return;
    }
    while (read_request(self, fd)) {
        switch (self->script) {
        case ANSWER:
        case ANSWER_CLOSE:
        case ANSWER_CUT:
        case ANSWER_HELD:
            if (self->script == ANSWER_CUT && atomic_load(&self->requests) > 1) {
                return;
            }
            if (self->script == ANSWER_HELD && read(self->go[0], junk, 1) != 1) {
                return;
            }
            if (!send_text(fd, ok, sizeof(ok) - 1)) {
                return;
            }
            if (self->script == ANSWER_CLOSE) {
                return;
            }
            assert_int_equal(write(self->answered[1], "a", 1), 1);
            break;
        case ANSWER_LAST:
            (void)send_text(fd, last, sizeof(last) - 1);
            return;
        case REDIRECT:
            (void)send_text(fd, redirect, sizeof(redirect) - 1);
            break;
        case CUT_MIDST:
            (void)send_text(fd, half, sizeof(half) - 1);
            return;
        case DRIP:
        case SILENT:
            (void)send_text(fd, half, self->script == DRIP ? sizeof(half) - 1 : 0);
            /* Until the client hangs up. */
            (void)recv(fd, junk, 1, 0);
            return;
        case ENDLESS:
        case ENDLESS_HEADERS:
            (void)send_text(fd, endless, self->script == ENDLESS ? sizeof(endless) - 1 : 17);
            memcpy(junk, "X: ", 3);
            memcpy(junk + sizeof(junk) - 2, "\r\n", 2);
            while (send_text(fd, junk, sizeof(junk))) {
            }
            return;
        case CUT_BEFORE:
        case NO_READ:
            return;
        }
    }
}

static void *run_server(void *user)
{
    server *self = user;
    for (;;) {
        int fd = accept(self->listener, NULL, NULL);
        if (fd < 0 || atomic_load(&self->stop)) {
            if (fd >= 0) {
                (void)close(fd);
            }
            return NULL;
        }
        atomic_fetch_add(&self->connections, 1);
        serve(self, fd);
        (void)close(fd);
        if (self->script == ANSWER_CLOSE) {
            assert_int_equal(write(self->answered[1], "c", 1), 1);
        }
    }
}

static void server_start(server *self, script what)
{
    memset(self, 0, sizeof(*self));
    self->script = what;
    assert_int_equal(pipe(self->answered), 0);
    assert_int_equal(pipe(self->go), 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    self->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(self->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(self->listener, 8), 0);
    assert_int_equal(getsockname(self->listener, (struct sockaddr *)&address, &len), 0);
    self->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&self->thread, NULL, run_server, self), 0);
}

static void server_stop(server *self)
{
    atomic_store(&self->stop, true);
    (void)shutdown(self->listener, SHUT_RDWR);
    (void)pthread_join(self->thread, NULL);
    (void)close(self->listener);
    (void)close(self->go[0]);
    (void)close(self->go[1]);
    (void)close(self->answered[0]);
    (void)close(self->answered[1]);
}

/* ---- The client's side ---- */

static void note_done(void *user)
{
    *(bool *)user = true;
}

static void perform(const wxtp_http *http, const wxtp_http_request *request, wxtp_http_answer *answer)
{
    bool done = false;
    if (http->start(http->user, request, answer, note_done, &done)) {
        return;
    }
    while (!done) {
        http->poll(http->user, 1000);
    }
}

typedef struct client {
    counting memory;
    wx_http_curl *port;
    wxtp_http http;
    wxtp_http_answer answer;
    char url[256];
} client;

static void client_open(client *self, const wxtp_clock *clock, const char *ca_file)
{
    memset(self, 0, sizeof(*self));
    counting_init(&self->memory);
    const wx_http_curl_options options = {.user_agent = "wxtp-unit", .connections = 2, .ca_file = ca_file};
    self->port = wx_http_curl_new(&self->memory.allocator, clock, &options);
    assert_non_null(self->port);
    wx_http_curl_port(self->port, &self->http);
}

static void client_close(client *self)
{
    self->http.release(self->http.user, &self->answer);
    wx_http_curl_free(self->port);
    assert_int_equal(self->memory.live, 0);
    assert_int_equal(self->memory.not_zeroed, 0);
}

static wxtp_http_outcome ask(client *self, uint16_t port, int64_t timeout_ms, bool (*may_send)(void *),
                             void *user)
{
    (void)snprintf(self->url, sizeof(self->url), "http://127.0.0.1:%u/path?access_token=SECRET",
                   (unsigned)port);
    const wxtp_http_request request = {
        .method = "POST",
        .url = self->url,
        .body = "{\"a\":1}",
        .body_len = 7,
        .timeout_ms = timeout_ms,
        .max_answer_bytes = 4096,
        .may_send = may_send,
        .may_send_user = user,
    };
    self->http.release(self->http.user, &self->answer);
    perform(&self->http, &request, &self->answer);
    assert_null(strstr(self->answer.detail, "SECRET"));
    assert_int_equal(self->answer.body != NULL, self->answer.outcome == WXTP_HTTP_ANSWERED);
    return self->answer.outcome;
}

static void answered_and_reused(void **state)
{
    (void)state;
    server here;
    client me;
    server_start(&here, ANSWER);
    client_open(&me, NULL, NULL);
    for (int at = 0; at < 5; at++) {
        assert_int_equal(ask(&me, here.port, 10000, NULL, NULL), WXTP_HTTP_ANSWERED);
        assert_int_equal(me.answer.status, 200);
        assert_string_equal(me.answer.body, "{\"errcode\":0}");
        assert_int_equal(me.answer.body_len, 13);
    }
    assert_int_equal(atomic_load(&here.connections), 1);
    assert_int_equal(atomic_load(&here.requests), 5);
    assert_true(strncmp(here.seen, "POST /path?access_token=SECRET HTTP/1.1\r\n", 41) == 0);
    assert_non_null(strstr(here.seen, "\r\nContent-Type: application/json; charset=utf-8\r\n"));
    assert_non_null(strstr(here.seen, "\r\nUser-Agent: wxtp-unit\r\n"));
    assert_non_null(strstr(here.seen, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(here.seen, "Expect"));
    assert_null(strstr(here.seen, "Accept-Encoding"));
    assert_null(strstr(here.seen, "Cookie"));
    /* A GET after POSTs on the same handle. */
    const wxtp_http_request get = {
        .method = "GET", .url = me.url, .timeout_ms = 10000, .max_answer_bytes = 13};
    me.http.release(me.http.user, &me.answer);
    perform(&me.http, &get, &me.answer);
    assert_int_equal(me.answer.outcome, WXTP_HTTP_ANSWERED);
    assert_true(strncmp(here.seen, "GET ", 4) == 0);
    assert_null(strstr(here.seen, "Content-"));
    assert_int_equal(atomic_load(&here.connections), 1);
    client_close(&me);
    server_stop(&here);
}

static void redirects_are_not_followed(void **state)
{
    (void)state;
    server here;
    client me;
    server_start(&here, REDIRECT);
    client_open(&me, NULL, NULL);
    assert_int_equal(ask(&me, here.port, 10000, NULL, NULL), WXTP_HTTP_ANSWERED);
    assert_int_equal(me.answer.status, 302);
    assert_int_equal(me.answer.body_len, 0);
    assert_int_equal(atomic_load(&here.requests), 1);
    client_close(&me);
    server_stop(&here);
}

static void outcome_of(script what, wxtp_http_outcome wanted, int64_t timeout_ms)
{
    server here;
    client me;
    server_start(&here, what);
    client_open(&me, NULL, NULL);
    assert_int_equal(ask(&me, here.port, timeout_ms, NULL, NULL), wanted);
    assert_true(strlen(me.answer.detail) > 0);
    client_close(&me);
    server_stop(&here);
}

/* libcurl's own retry would hide that the first one may have been carried out. */
static void i5_a_cut_of_a_kept_connection_is_not_sent_again(void **state)
{
    (void)state;
    server here;
    client me;
    server_start(&here, ANSWER_CUT);
    client_open(&me, NULL, NULL);
    assert_int_equal(ask(&me, here.port, 10000, NULL, NULL), WXTP_HTTP_ANSWERED);
    assert_int_equal(ask(&me, here.port, 10000, NULL, NULL), WXTP_HTTP_UNKNOWN);
    assert_int_equal(atomic_load(&here.requests), 2);
    client_close(&me);
    server_stop(&here);
}

static void cuts_leave_the_outcome_unknown(void **state)
{
    (void)state;
    outcome_of(CUT_BEFORE, WXTP_HTTP_UNKNOWN, 10000);
    outcome_of(CUT_MIDST, WXTP_HTTP_UNKNOWN, 10000);
    outcome_of(NO_READ, WXTP_HTTP_UNKNOWN, 10000);
    outcome_of(SILENT, WXTP_HTTP_UNKNOWN, 50);
    outcome_of(DRIP, WXTP_HTTP_UNKNOWN, 50);
}

static void i11_answers_are_bounded(void **state)
{
    (void)state;
    outcome_of(ENDLESS, WXTP_HTTP_UNKNOWN, 10000);
    outcome_of(ENDLESS_HEADERS, WXTP_HTTP_UNKNOWN, 10000);
    /* Exactly at the ceiling, and one byte beyond, by Content-Length. */
    server here;
    client me;
    server_start(&here, ANSWER);
    client_open(&me, NULL, NULL);
    (void)ask(&me, here.port, 10000, NULL, NULL);
    wxtp_http_request get = {.method = "GET", .url = me.url, .timeout_ms = 10000, .max_answer_bytes = 12};
    me.http.release(me.http.user, &me.answer);
    perform(&me.http, &get, &me.answer);
    assert_int_equal(me.answer.outcome, WXTP_HTTP_UNKNOWN);
    assert_non_null(strstr(me.answer.detail, "too large"));
    get.max_answer_bytes = 13;
    perform(&me.http, &get, &me.answer);
    assert_int_equal(me.answer.outcome, WXTP_HTTP_ANSWERED);
    client_close(&me);
    server_stop(&here);
}

static void nothing_listens(void **state)
{
    (void)state;
    server here;
    client me;
    server_start(&here, ANSWER);
    server_stop(&here);
    client_open(&me, NULL, NULL);
    assert_int_equal(ask(&me, here.port, 10000, NULL, NULL), WXTP_HTTP_NOT_SENT);
    assert_non_null(strstr(me.answer.detail, "connect"));
    assert_int_equal(ask(&me, here.port, 0, NULL, NULL), WXTP_HTTP_NOT_SENT);
    wxtp_http_request odd = {.method = "PUT", .url = me.url, .timeout_ms = 1000, .max_answer_bytes = 10};
    perform(&me.http, &odd, &me.answer);
    assert_int_equal(me.answer.outcome, WXTP_HTTP_NOT_SENT);
    odd.method = "GET";
    odd.url = "file:///etc/hostname";
    perform(&me.http, &odd, &me.answer);
    assert_int_equal(me.answer.outcome, WXTP_HTTP_NOT_SENT);
    client_close(&me);
}

static bool refuse(void *user)
{
    ++*(int *)user;
    return false;
}

static bool allow(void *user)
{
    ++*(int *)user;
    return true;
}

static void i1_may_send_is_asked_once_connected(void **state)
{
    (void)state;
    server here;
    client me;
    int asked = 0;
    server_start(&here, ANSWER);
    client_open(&me, NULL, NULL);
    assert_int_equal(ask(&me, here.port, 10000, refuse, &asked), WXTP_HTTP_NOT_SENT);
    assert_int_equal(asked, 1);
    assert_int_equal(ask(&me, here.port, 10000, allow, &asked), WXTP_HTTP_ANSWERED);
    assert_int_equal(asked, 2);
    assert_int_equal(atomic_load(&here.requests), 1);
    client_close(&me);
    server_stop(&here);
}

/* The server has hung up while the connection lay idle: libcurl connects anew by itself. */
static void a_dead_connection_is_replaced(void **state)
{
    (void)state;
    server here;
    client me;
    server_start(&here, ANSWER_CLOSE);
    client_open(&me, NULL, NULL);
    for (int at = 0; at < 10; at++) {
        int asked = 0;
        char closed = '\0';
        assert_int_equal(ask(&me, here.port, 10000, allow, &asked), WXTP_HTTP_ANSWERED);
        assert_true(asked >= 1);
        assert_int_equal(read(here.answered[0], &closed, 1), 1);
    }
    client_close(&me);
    server_stop(&here);
}

/* A clock that jumps past the deadline, as after SIGSTOP, once the whole answer lies in the socket's buffer.
 */
typedef struct jumping {
    server *here;
    int64_t now_ms;
    bool sent, jumped;
} jumping;

static int64_t jumping_boot_ms(void *user)
{
    jumping *self = user;
    if (self->sent && !self->jumped) {
        /* Called after the request has left: has the server answer, and waits until it has. */
        char byte;
        assert_int_equal(write(self->here->go[1], "g", 1), 1);
        assert_int_equal(read(self->here->answered[0], &byte, 1), 1);
        self->jumped = true;
        self->now_ms += 3600000;
    }
    return self->now_ms;
}

static bool jumping_may_send(void *user)
{
    ((jumping *)user)->sent = true;
    return true;
}

static void i1_an_answer_that_had_arrived_counts(void **state)
{
    (void)state;
    server here;
    client me;
    server_start(&here, ANSWER_HELD);
    jumping jump = {.here = &here, .now_ms = 1000};
    wxtp_clock clock = *wxtp_clock_system();
    clock.user = &jump;
    clock.boot_ms = jumping_boot_ms;
    client_open(&me, &clock, NULL);
    assert_int_equal(ask(&me, here.port, 10000, jumping_may_send, &jump), WXTP_HTTP_ANSWERED);
    assert_true(jump.jumped);
    assert_string_equal(me.answer.body, "{\"errcode\":0}");
    client_close(&me);
    server_stop(&here);
}

/* Time runs out between the start and the connection: nothing may leave any more. */
static int64_t leaping_boot_ms(void *user)
{
    int *calls = user;
    return (*calls)++ == 0 ? 0 : 3600000;
}

static void nothing_leaves_after_the_deadline(void **state)
{
    (void)state;
    server here;
    client me;
    int calls = 0;
    int asked = 0;
    server_start(&here, ANSWER);
    wxtp_clock clock = *wxtp_clock_system();
    clock.user = &calls;
    clock.boot_ms = leaping_boot_ms;
    client_open(&me, &clock, NULL);
    assert_int_equal(ask(&me, here.port, 10000, allow, &asked), WXTP_HTTP_NOT_SENT);
    assert_int_equal(asked, 0);
    client_close(&me);
    server_stop(&here);
    assert_int_equal(atomic_load(&here.requests), 0);
}

static void i12_the_environment_is_not_read(void **state)
{
    (void)state;
    server here;
    client me;
    server_start(&here, ANSWER);
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
    client_open(&me, NULL, NULL);
    assert_int_equal(ask(&me, here.port, 10000, NULL, NULL), WXTP_HTTP_ANSWERED);
    client_close(&me);
    (void)unsetenv("http_proxy");
    (void)unsetenv("ALL_PROXY");
    server_stop(&here);
}

static void a_proxy_is_used(void **state)
{
    (void)state;
    server here;
    server_start(&here, ANSWER);
    char proxy[64];
    (void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", (unsigned)here.port);
    const wx_http_curl_options options = {.proxy = proxy};
    assert_int_equal(setenv("no_proxy", "*", 1), 0);
    wx_http_curl *port = wx_http_curl_new(NULL, NULL, &options);
    wxtp_http http;
    wx_http_curl_port(port, &http);
    const wxtp_http_request request = {
        .method = "GET", .url = "http://127.0.0.1:1/x", .timeout_ms = 10000, .max_answer_bytes = 100};
    wxtp_http_answer answer;
    perform(&http, &request, &answer);
    assert_int_equal(answer.outcome, WXTP_HTTP_ANSWERED);
    assert_true(strncmp(here.seen, "GET http://127.0.0.1:1/x ", 25) == 0);
    http.release(http.user, &answer);
    wx_http_curl_free(port);
    (void)unsetenv("no_proxy");
    server_stop(&here);
}

static void i12_signals_stay_as_they_were(void **state)
{
    (void)state;
    sigset_t before;
    sigset_t after;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    outcome_of(NO_READ, WXTP_HTTP_UNKNOWN, 10000);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (int number = 1; number < 32; number++) {
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
    }
}

static void i12_a_forked_child_sends_nothing(void **state)
{
    (void)state;
    server here;
    client me;
    server_start(&here, ANSWER);
    client_open(&me, NULL, NULL);
    assert_int_equal(ask(&me, here.port, 10000, NULL, NULL), WXTP_HTTP_ANSWERED);
    pid_t child = fork();
    if (child == 0) {
        wxtp_http_outcome outcome = ask(&me, here.port, 10000, NULL, NULL);
        wx_http_curl_free(me.port);
        _exit(outcome == WXTP_HTTP_NOT_SENT && me.memory.live == 0 && me.memory.not_zeroed == 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(ask(&me, here.port, 10000, NULL, NULL), WXTP_HTTP_ANSWERED);
    assert_int_equal(atomic_load(&here.connections), 1);
    client_close(&me);
    server_stop(&here);
}

static void out_of_memory(void **state)
{
    (void)state;
    server here;
    server_start(&here, ANSWER);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)here.port);
    const wx_http_curl_options options = {.user_agent = "u", .connections = 1, .ca_file = "/x", .proxy = ""};
    bool done = false;
    for (size_t n = 1; !done; n++) {
        counting memory;
        counting_init(&memory);
        memory.fail_at = n;
        wx_http_curl *port = wx_http_curl_new(&memory.allocator, NULL, &options);
        if (port) {
            wxtp_http http;
            wx_http_curl_port(port, &http);
            const wxtp_http_request request = {
                .method = "GET", .url = url, .timeout_ms = 10000, .max_answer_bytes = 100};
            wxtp_http_answer answer;
            perform(&http, &request, &answer);
            done = answer.outcome == WXTP_HTTP_ANSWERED;
            http.release(http.user, &answer);
        }
        wx_http_curl_free(port);
        assert_int_equal(memory.live, 0);
        assert_int_equal(memory.not_zeroed, 0);
        assert_true(n < 50);
    }
    server_stop(&here);
    wx_http_curl_free(NULL);
}

/* Many threads at once share one port by an engine. */
typedef struct asker {
    wx_engine *engine;
    const char *url;
} asker;

static void *ask_often(void *user)
{
    const asker *me = user;
    intptr_t failed = 0;
    for (int at = 0; at < 20; at++) {
        const wxtp_http_request request = {.method = "POST",
                                           .url = me->url,
                                           .body = "{}",
                                           .body_len = 2,
                                           .timeout_ms = 20000,
                                           .max_answer_bytes = 100};
        wxtp_http_answer answer;
        wx_perform(me->engine, &request, &answer);
        failed += answer.outcome != WXTP_HTTP_ANSWERED;
        wx_free(answer.body);
    }
    return (void *)failed;
}

static void threads_share(bool own_threads)
{
    server here;
    /* The server serves one connection at a time, so each is closed after its answer. */
    server_start(&here, ANSWER_LAST);
    const wx_http_curl_options options = {.connections = 2};
    wx_http_curl *port = wx_http_curl_new(NULL, NULL, &options);
    wxtp_http http;
    wx_http_curl_port(port, &http);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)here.port);
    asker me = {.url = url};
    me.engine = wx_engine_new(
        &(wx_engine_options){.clock = wxtp_clock_system(), .http = &http, .own_threads = own_threads});
    assert_non_null(me.engine);
    pthread_t threads[4];
    for (size_t at = 0; at < 4; at++) {
        assert_int_equal(pthread_create(&threads[at], NULL, ask_often, &me), 0);
    }
    for (size_t at = 0; at < 4; at++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[at], &failed), 0);
        assert_null(failed);
    }
    wx_engine_free(me.engine);
    wx_http_curl_free(port);
    server_stop(&here);
}

static void threads_share_a_loop(void **state)
{
    (void)state;
    threads_share(true);
}

static void threads_drive_each_others_requests(void **state)
{
    (void)state;
    threads_share(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answered_and_reused),
        cmocka_unit_test(redirects_are_not_followed),
        cmocka_unit_test(i5_a_cut_of_a_kept_connection_is_not_sent_again),
        cmocka_unit_test(cuts_leave_the_outcome_unknown),
        cmocka_unit_test(i11_answers_are_bounded),
        cmocka_unit_test(nothing_listens),
        cmocka_unit_test(i1_may_send_is_asked_once_connected),
        cmocka_unit_test(a_dead_connection_is_replaced),
        cmocka_unit_test(i1_an_answer_that_had_arrived_counts),
        cmocka_unit_test(nothing_leaves_after_the_deadline),
        cmocka_unit_test(i12_the_environment_is_not_read),
        cmocka_unit_test(a_proxy_is_used),
        cmocka_unit_test(i12_signals_stay_as_they_were),
        cmocka_unit_test(i12_a_forked_child_sends_nothing),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(threads_share_a_loop),
        cmocka_unit_test(threads_drive_each_others_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
