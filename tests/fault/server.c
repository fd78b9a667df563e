#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 16384, CONNECTIONS_MAX = 64 };

typedef struct connection {
    int fd;
    size_t have;
    char request[REQUEST_MAX];
} connection;

typedef struct all_of_them {
    connection *all[CONNECTIONS_MAX];
    size_t count;
} all_of_them;

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(2);
    }
}

static const char *body_of(const char *request, size_t *len)
{
    const char *end = strstr(request, "\r\n\r\n");
    const char *length = end ? strcasestr(request, "content-length:") : NULL;
    *len = length ? strtoul(length + strlen("content-length:"), NULL, 10) : 0;
    return end ? end + 4 : NULL;
}

static void answer(server *self, int fd, char *request, const char *body)
{
    char head[256];
    char *path = strchr(request, ' ');
    char *end = path ? strchr(path + 1, ' ') : NULL;
    fake_reply reply = {.status = 400};
    if (end) {
        *end = '\0';
        fake_request asked = {.url = path + 1, .body = (char *)(uintptr_t)body};
        wechat_answer(&self->door, &asked, &reply);
    }
    const char *text = reply.body ? reply.body : "";
    const int len = snprintf(head, sizeof(head), "HTTP/1.1 %ld X\r\nContent-Length: %zu\r\n\r\n",
                             reply.status, strlen(text));
    (void)send(fd, head, (size_t)len, MSG_NOSIGNAL | (*text ? MSG_MORE : 0));
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
    if (reply.free_body) {
        free((void *)(uintptr_t)reply.body);
    }
}

/* False: it is over. */
static bool serve(server *self, connection *c)
{
    const ssize_t got = recv(c->fd, c->request + c->have, sizeof(c->request) - 1 - c->have, MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    size_t len = 0;
    c->have += (size_t)got;
    c->request[c->have] = '\0';
    const char *body = body_of(c->request, &len);
    if (body && (size_t)(c->request + c->have - body) >= len) {
        answer(self, c->fd, c->request, body);
        c->have = 0;
    }
    return true;
}

static void serve_ready(server *self, all_of_them *them, const struct pollfd ready[])
{
    size_t left = 0;
    for (size_t at = 0; at < them->count; at++) {
        connection *c = them->all[at];
        if (ready[at].revents == 0 || serve(self, c)) {
            them->all[left++] = c; /* in the order in which they came */
        } else {
            (void)close(c->fd);
            free(c);
        }
    }
    them->count = left;
}

static void take_in(const server *self, all_of_them *them)
{
    while (them->count < CONNECTIONS_MAX) {
        const int fd = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        connection *c = calloc(1, sizeof(*c));
        must(c != NULL, "a connection");
        c->fd = fd;
        them->all[them->count++] = c;
    }
}

static void *run(void *user)
{
    server *self = user;
    all_of_them them = {.count = 0};
    struct pollfd ready[CONNECTIONS_MAX + 2];
    bool over = false;
    while (!over) {
        for (size_t at = 0; at < them.count; at++) {
            ready[at] = (struct pollfd){.fd = them.all[at]->fd, .events = POLLIN};
        }
        ready[them.count] = (struct pollfd){.fd = self->listener, .events = POLLIN};
        ready[them.count + 1] = (struct pollfd){.fd = self->bell[0], .events = POLLIN};
        const size_t count = them.count;
        must(poll(ready, (nfds_t)(count + 2), -1) > 0, "poll");
        over = ready[count + 1].revents != 0;
        serve_ready(self, &them, ready);
        take_in(self, &them);
    }
    for (size_t at = 0; at < them.count; at++) {
        (void)close(them.all[at]->fd);
        free(them.all[at]);
    }
    return NULL;
}

void server_start(server *self, wechat *of)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    *self = (server){.door = {.wechat = of}};
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(self->listener >= 0 && pipe(self->bell) == 0, "a socket");
    must(bind(self->listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
             listen(self->listener, CONNECTIONS_MAX) == 0 &&
             getsockname(self->listener, (struct sockaddr *)&at, &len) == 0,
         "a port");
    self->port = ntohs(at.sin_port);
    must(pthread_create(&self->thread, NULL, run, self) == 0, "a thread");
}

/* It is the last that is taken in, and has its answer after all before it. */
void server_drain(const server *self)
{
    static const char request[] = "GET /nothing HTTP/1.1\r\n\r\n";
    char text[256];
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)self->port)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0, "a connection");
    must(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0 && recv(fd, text, sizeof(text), 0) > 0,
         "an answer");
    (void)close(fd);
}

void server_stop(server *self)
{
    (void)close(self->bell[1]);
    (void)pthread_join(self->thread, NULL);
    (void)close(self->bell[0]);
    (void)close(self->listener);
}
