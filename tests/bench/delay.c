/*
 * An HTTP/1.1 server of one thread that answers after a while: WeChat as it is from far.
 *
 *     bench-delay [--delay-ms N] [--slow-ms N] [--token-ms N]
 *
 * Prints its port and serves on 127.0.0.1 until standard input ends. A POST is answered after --delay-ms, or
 * after
 * --slow-ms when its token is one of an appid with "slow" in it; /cgi-bin/stable_token after --token-ms. GET
 * /counts tells what has been seen as JSON; GET /expires/N sets the life of tokens from now on, and starts
 * the counts anew.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench.h"

enum {
    REQUEST_MAX = 4096,
    ANSWER_MAX = 512,
    CONNECTIONS_MAX = 8192,
    EVENTS = 256,
    BACKLOG = 4096,
    SLICES = 10, /* of a second, for the peak */
    SLICE_NS = 100000000,
};

typedef struct waiting {
    int64_t due_ns;
    int fd;
    uint32_t serial;
} waiting;

/* Answers of one delay come due in the order in which they were asked for. */
typedef struct queue {
    int64_t delay_ns;
    waiting *items; /* a ring: a connection waits for one answer at most */
    size_t head, count;
} queue;

typedef struct connection {
    bool open;
    uint32_t serial;
    size_t len;
    char request[REQUEST_MAX + 1];
    char answer[ANSWER_MAX];
    size_t answer_len;
} connection;

typedef struct server {
    int listener, epoll, timer;
    connection *connections;
    queue plain, slow, token;
    int64_t connected, calls, tokens, expires_s;
    int64_t slices[SLICES], slice, peak; /* token requests */
} server;

static void wait_for(server *self, queue *line, int fd)
{
    const waiting item = {
        .due_ns = bench_now_ns() + line->delay_ns, .fd = fd, .serial = self->connections[fd].serial};
    if (line->count < CONNECTIONS_MAX) {
        line->items[(line->head + line->count++) % CONNECTIONS_MAX] = item;
    }
}

static void drop(server *self, int fd)
{
    self->connections[fd].open = false;
    self->connections[fd].serial++;
    (void)close(fd);
}

static void send_answer(server *self, int fd)
{
    connection *to = &self->connections[fd];
    /* An answer is small: a socket that does not take it whole is of no use. */
    if (send(fd, to->answer, to->answer_len, MSG_NOSIGNAL) != (ssize_t)to->answer_len) {
        drop(self, fd);
    }
}

static void write_answer(connection *to, const char *body)
{
    const int len =
        snprintf(to->answer, sizeof(to->answer),
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
    to->answer_len = (size_t)len;
}

static void count_token(server *self)
{
    const int64_t now = bench_now_ns() / SLICE_NS;
    if (self->slice == 0 || now - self->slice >= SLICES) {
        memset(self->slices, 0, sizeof(self->slices));
    } else {
        for (int64_t at = self->slice + 1; at <= now; at++) {
            self->slices[at % SLICES] = 0;
        }
    }
    self->slice = now;
    self->slices[now % SLICES]++;
    int64_t sum = 0;
    for (int at = 0; at < SLICES; at++) {
        sum += self->slices[at];
    }
    self->peak = sum > self->peak ? sum : self->peak;
    self->tokens++;
}

/* The token holds the appid, so that a call shows whose it is, and is as long as WeChat's. */
static void answer_token(server *self, connection *to)
{
    char body[ANSWER_MAX - 128];
    char appid[64] = "";
    const char *found = strstr(to->request, "\"appid\":\"");
    if (found) {
        (void)snprintf(appid, sizeof(appid), "%.*s", (int)strcspn(found + 9, "\""), found + 9);
    }
    count_token(self);
    (void)snprintf(body, sizeof(body), "{\"access_token\":\"%s-%0110" PRId64 "\",\"expires_in\":%" PRId64 "}",
                   appid, self->tokens, self->expires_s);
    write_answer(to, body);
}

static void tell_counts(const server *self, connection *to)
{
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{\"connections\":%" PRId64 ",\"calls\":%" PRId64 ",\"tokens\":%" PRId64
                   ",\"tokens_peak_per_second\":%" PRId64 "}",
                   self->connected, self->calls, self->tokens, self->peak);
    write_answer(to, body);
}

static void on_request(server *self, int fd)
{
    connection *to = &self->connections[fd];
    const char *line_end = strstr(to->request, "\r\n");
    const char *slow = strstr(to->request, "slow");
    if (strncmp(to->request, "POST /cgi-bin/stable_token", 26) == 0) {
        answer_token(self, to);
        wait_for(self, &self->token, fd);
    } else if (strncmp(to->request, "POST ", 5) == 0) {
        self->calls++;
        write_answer(to, "{\"errcode\":0,\"errmsg\":\"ok\"}");
        wait_for(self, slow && slow < line_end ? &self->slow : &self->plain, fd);
    } else if (strncmp(to->request, "GET /expires/", 13) == 0) {
        self->expires_s = strtoll(to->request + 13, NULL, 10);
        self->connected = self->calls = self->tokens = self->peak = 0;
        memset(self->slices, 0, sizeof(self->slices));
        write_answer(to, "{}");
        send_answer(self, fd);
    } else {
        tell_counts(self, to);
        send_answer(self, fd);
    }
}

/* Whether a whole request has arrived. Pipelining is not spoken here. */
static bool whole(const connection *from)
{
    const char *end = strstr(from->request, "\r\n\r\n");
    if (!end) {
        return false;
    }
    const char *length = strcasestr(from->request, "\r\nContent-Length:");
    const size_t body = length && length < end ? (size_t)strtoul(length + 17, NULL, 10) : 0;
    return from->len >= (size_t)(end - from->request) + 4 + body;
}

static void on_readable(server *self, int fd)
{
    connection *from = &self->connections[fd];
    const ssize_t got = recv(fd, from->request + from->len, REQUEST_MAX - from->len, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        drop(self, fd);
        return;
    }
    from->len += (size_t)got;
    from->request[from->len] = '\0';
    if (whole(from)) {
        from->len = 0;
        on_request(self, fd);
    }
}

static void on_connect(server *self)
{
    const int one = 1;
    for (;;) {
        const int fd = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= CONNECTIONS_MAX || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
            epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            (void)close(fd);
            continue;
        }
        self->connections[fd].open = true;
        self->connections[fd].len = 0;
        self->connected++;
    }
}

static void answer_due(server *self, queue *line)
{
    const int64_t now = bench_now_ns();
    while (line->count > 0 && line->items[line->head].due_ns <= now) {
        const waiting item = line->items[line->head];
        line->head = (line->head + 1) % CONNECTIONS_MAX;
        line->count--;
        const connection *to = &self->connections[item.fd];
        if (to->open && to->serial == item.serial) {
            send_answer(self, item.fd);
        }
    }
}

/* Sets the timer to the next answer that comes due. */
static bool arm(server *self)
{
    int64_t next = INT64_MAX;
    const queue *const lines[] = {&self->plain, &self->slow, &self->token};
    for (size_t at = 0; at < sizeof(lines) / sizeof(lines[0]); at++) {
        if (lines[at]->count > 0 && lines[at]->items[lines[at]->head].due_ns < next) {
            next = lines[at]->items[lines[at]->head].due_ns;
        }
    }
    struct itimerspec when = {0};
    if (next != INT64_MAX) {
        when.it_value.tv_sec = next / 1000000000;
        when.it_value.tv_nsec = next % 1000000000;
    }
    return timerfd_settime(self->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0;
}

static bool serve(server *self)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        const int count = epoll_wait(self->epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) {
            return false;
        }
        for (int at = 0; at < count; at++) {
            const int fd = events[at].data.fd;
            uint64_t expired = 0;
            if (fd == STDIN_FILENO) {
                return true;
            }
            if (fd == self->listener) {
                on_connect(self);
            } else if (fd == self->timer) {
                (void)!read(fd, &expired, sizeof(expired));
            } else {
                on_readable(self, fd);
            }
        }
        answer_due(self, &self->plain);
        answer_due(self, &self->slow);
        answer_due(self, &self->token);
        if (!arm(self)) {
            return false;
        }
    }
}

static bool set_queue(queue *line, int64_t delay_ms)
{
    line->delay_ns = delay_ms * 1000000;
    line->items = calloc(CONNECTIONS_MAX, sizeof(*line->items));
    return line->items != NULL;
}

static bool set_up(server *self, const bench_args *args)
{
    const int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    const struct rlimit files = {CONNECTIONS_MAX, CONNECTIONS_MAX};
    (void)setrlimit(RLIMIT_NOFILE, &files); /* else accept will tell */
    self->expires_s = 7200;
    self->connections = calloc(CONNECTIONS_MAX, sizeof(*self->connections));
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    self->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (!self->connections || self->listener < 0 || self->epoll < 0 || self->timer < 0 ||
        !set_queue(&self->plain, bench_number(args, "--delay-ms", 50)) ||
        !set_queue(&self->slow, bench_number(args, "--slow-ms", 500)) ||
        !set_queue(&self->token, bench_number(args, "--token-ms", 0)) ||
        setsockopt(self->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(self->listener, (struct sockaddr *)&address, len) != 0 || listen(self->listener, BACKLOG) != 0 ||
        getsockname(self->listener, (struct sockaddr *)&address, &len) != 0) {
        return false;
    }
    const int watched[] = {self->listener, self->timer, STDIN_FILENO};
    for (size_t at = 0; at < sizeof(watched) / sizeof(watched[0]); at++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = watched[at]};
        if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, watched[at], &event) != 0) {
            return false;
        }
    }
    return printf("%d\n", ntohs(address.sin_port)) > 0 && fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    const bench_args args = {argc, argv};
    server self = {0};
    if (!set_up(&self, &args) || !serve(&self)) {
        perror("bench-delay");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
