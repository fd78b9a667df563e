#include "raw_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { REQUEST_MAX = 65536 };

bool raw_say(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        const ssize_t put = send(fd, at, len, MSG_NOSIGNAL);
        if (put <= 0) {
            return false;
        }
        at += put;
        len -= (size_t)put;
    }
    return true;
}

bool raw_say_text(int fd, const char *text)
{
    return raw_say(fd, text, strlen(text));
}

void raw_wait_for_end(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0) {
    }
}

static bool read_request(raw_server *self, int fd, char request[REQUEST_MAX])
{
    size_t len = 0;
    request[0] = '\0';
    while (len < REQUEST_MAX - 1) {
        const ssize_t got = recv(fd, request + len, REQUEST_MAX - 1 - len, 0);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        const char *length = strstr(request, "Content-Length: ");
        const size_t body = length && end && length < end ? strtoul(length + 16, NULL, 10) : 0;
        if (end && len >= (size_t)(end + 4 - request) + body) {
            atomic_fetch_add(&self->requests, 1);
            return true;
        }
    }
    return false;
}

static void *run(void *user)
{
    raw_server *self = user;
    static char request[REQUEST_MAX];
    for (;;) {
        const int fd = accept(self->listener, NULL, NULL);
        if (fd < 0 || atomic_load(&self->stop)) {
            if (fd >= 0) {
                (void)close(fd);
            }
            return NULL;
        }
        atomic_fetch_add(&self->connections, 1);
        bool more = true;
        while (more && read_request(self, fd, request)) {
            (void)pthread_mutex_lock(&self->lock);
            more = self->answer(self->user, fd, request);
            (void)pthread_mutex_unlock(&self->lock);
        }
        (void)close(fd);
    }
}

void raw_server_start(raw_server *self, raw_answer *answer, void *user)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    *self = (raw_server){.answer = answer, .user = user};
    assert_int_equal(pthread_mutex_init(&self->lock, NULL), 0);
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(self->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(self->listener, 64), 0);
    assert_int_equal(getsockname(self->listener, (struct sockaddr *)&address, &len), 0);
    self->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&self->thread, NULL, run, self), 0);
}

void raw_server_stop(raw_server *self)
{
    atomic_store(&self->stop, true);
    (void)shutdown(self->listener, SHUT_RDWR);
    (void)pthread_join(self->thread, NULL);
    (void)pthread_mutex_destroy(&self->lock);
    (void)close(self->listener);
}
