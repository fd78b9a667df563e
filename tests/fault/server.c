#include "server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 16384 };

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(2);
    }
}

/* False: it is to end. */
static bool wait_for(const server *self, int fd)
{
    struct pollfd both[] = {{.fd = fd, .events = POLLIN}, {.fd = self->bell[0], .events = POLLIN}};
    return poll(both, 2, -1) > 0 && both[1].revents == 0;
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
    (void)send(fd, head, (size_t)len, MSG_NOSIGNAL | MSG_MORE);
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
    if (reply.free_body) {
        free((void *)(uintptr_t)reply.body);
    }
}

static void serve(server *self, int fd)
{
    char request[REQUEST_MAX];
    size_t have = 0;
    while (wait_for(self, fd)) {
        const ssize_t got = recv(fd, request + have, sizeof(request) - 1 - have, 0);
        if (got <= 0) {
            return;
        }
        have += (size_t)got;
        request[have] = '\0';
        size_t len = 0;
        const char *body = body_of(request, &len);
        if (body && (size_t)(request + have - body) >= len) {
            answer(self, fd, request, body);
            have = 0;
        }
    }
}

static void *run(void *user)
{
    server *self = user;
    while (wait_for(self, self->listener)) {
        const int fd = accept(self->listener, NULL, NULL);
        if (fd >= 0) {
            serve(self, fd);
            (void)close(fd);
        }
    }
    return NULL;
}

void server_start(server *self, wechat *of)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    *self = (server){.door = {.wechat = of}};
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(self->listener >= 0 && pipe(self->bell) == 0, "a socket");
    must(bind(self->listener, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(self->listener, 16) == 0 &&
             getsockname(self->listener, (struct sockaddr *)&at, &len) == 0,
         "a port");
    self->port = ntohs(at.sin_port);
    must(pthread_create(&self->thread, NULL, run, self) == 0, "a thread");
}

void server_stop(server *self)
{
    (void)close(self->bell[1]);
    (void)pthread_join(self->thread, NULL);
    (void)close(self->bell[0]);
    (void)close(self->listener);
}
