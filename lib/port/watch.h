/* Which of libcurl's sockets are ready: epoll, and a bell that ends the wait from any thread. */
#ifndef WX_PORT_WATCH_H
#define WX_PORT_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wxtp/allocator.h>

typedef struct wx_watch wx_watch;

enum { WX_WATCH_IN = 1, WX_WATCH_OUT = 2, WX_WATCH_ERR = 4, WX_WATCH_MAX = 256 };

typedef struct wx_watch_event {
    int fd;
    unsigned what; /* of the bits above */
} wx_watch_event;

/* NULL with errno: ENOMEM, or why there is no descriptor. */
wx_watch *wx_watch_new(const wxtp_allocator *allocator);
void wx_watch_free(wx_watch *watch);

/* A socket that is ours until `wx_watch_close` closes it: what is no longer wanted of it stays known to the
 * kernel, since as a rule the same is wanted again soon. False with errno: out of memory. */
bool wx_watch_adopt(wx_watch *watch, int fd);
int wx_watch_close(wx_watch *watch, int fd);

/* `what` from now on; 0: nothing. False with errno when it cannot be watched. */
bool wx_watch_want(wx_watch *watch, int fd, unsigned what);

/* At most `most` (of 1 to WX_WATCH_MAX) of those that are ready, so that what they bring can be worked on
 * while others are looked at. Waits at most `wait_ms`. */
size_t wx_watch_wait(wx_watch *watch, wx_watch_event events[WX_WATCH_MAX], size_t most, int wait_ms);

/* Ends the wait under way, or the next. From any thread. */
void wx_watch_wake(wx_watch *watch);

#endif
