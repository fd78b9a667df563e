/* A server on loopback that speaks no protocol of its own: what it says is in the hands of the test. One
 * connection at a time. */
#ifndef WXTP_TEST_RAW_SERVER_H
#define WXTP_TEST_RAW_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The request that was read whole, ended by NUL. Says what it likes; returns whether another may follow on
 * the same connection. Runs in the server's thread. */
typedef bool raw_answer(void *user, int fd, const char *request);

typedef struct raw_server {
    raw_answer *answer;
    void *user;
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock; /* held while it answers; for who changes what the answer is made of */
    atomic_int connections, requests;
    atomic_bool stop;
} raw_server;

void raw_server_start(raw_server *self, raw_answer *answer, void *user);
void raw_server_stop(raw_server *self);
/* False where the other end has hung up. */
bool raw_say(int fd, const void *bytes, size_t len);
bool raw_say_text(int fd, const char *text);
/* Until the other end hangs up. */
void raw_wait_for_end(int fd);

#endif
