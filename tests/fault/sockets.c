/* Stands before the calls that give descriptors for the network, and before epoll_ctl. */
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plan.h"
#include "scene.h"

#define SEEN FAULT_BARE __attribute__((visibility("default")))

static FAULT_BARE bool strikes(int error, const void *caller)
{
    if (!fault_strikes(FAULT_SOCKET)) {
        return false;
    }
    fault_told(caller);
    errno = error;
    return true;
}

SEEN int socket(int family, int type, int protocol)
{
    return strikes(EMFILE, __builtin_return_address(0)) ? -1
                                                        : (int)syscall(SYS_socket, family, type, protocol);
}

SEEN int socketpair(int family, int type, int protocol, int fds[2])
{
    return strikes(EMFILE, __builtin_return_address(0))
               ? -1
               : (int)syscall(SYS_socketpair, family, type, protocol, fds);
}

SEEN int epoll_create1(int flags)
{
    return strikes(EMFILE, __builtin_return_address(0)) ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

SEEN int eventfd(unsigned count, int flags)
{
    return strikes(EMFILE, __builtin_return_address(0)) ? -1 : (int)syscall(SYS_eventfd2, count, flags);
}

/* Waits are told in the time of the scene's clock. */
SEEN int epoll_wait(int epoll, struct epoll_event *events, int most, int wait_ms)
{
    const int real_ms = wait_ms > 0 ? (wait_ms + SCENE_FASTER - 1) / SCENE_FASTER : wait_ms;
    return (int)syscall(SYS_epoll_wait, epoll, events, most, real_ms);
}

/* The user's share of watches is used up. */
SEEN int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    if (what != EPOLL_CTL_DEL && strikes(ENOSPC, __builtin_return_address(0))) {
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, what, fd, event);
}
