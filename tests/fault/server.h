/* The strict WeChat over HTTP on loopback, in a thread of its own. */
#ifndef WXTP_FAULT_SERVER_H
#define WXTP_FAULT_SERVER_H

#include <pthread.h>

#include "wechat.h"

typedef struct server {
    wechat_door door;
    int listener, port, bell[2];
    pthread_t thread;
} server;

/* Ends the program where there is no socket. */
void server_start(server *self, wechat *of);
/* Waits until it has done all that was sent to it on connections that are closed by now. */
void server_drain(const server *self);
void server_stop(server *self);

#endif
