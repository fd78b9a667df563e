#include "port/watch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

/* What is known of a descriptor. */
typedef struct sight {
    bool ours;  /* tells us when it is closed */
    bool known; /* to the kernel, with `asked` */
    uint8_t asked;
    uint8_t wanted;
} sight;

struct wx_watch {
    const wxtp_allocator *allocator;
    int epoll;
    int bell;
    sight *sights; /* by descriptor */
    size_t count;
};

static bool add_bell(const wx_watch *watch)
{
    /* By edges: each ring is told once, and nobody has to read it away. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = watch->bell};
    return watch->bell >= 0 && epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->bell, &event) == 0;
}

wx_watch *wx_watch_new(const wxtp_allocator *allocator)
{
    wx_watch *watch = wx_alloc(allocator, sizeof(*watch));
    if (!watch) {
        errno = ENOMEM;
        return NULL;
    }
    watch->allocator = allocator;
    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    watch->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->epoll < 0 || !add_bell(watch)) {
        const int why = errno;
        wx_watch_free(watch);
        errno = why;
        return NULL;
    }
    return watch;
}

void wx_watch_free(wx_watch *watch)
{
    if (!watch) {
        return;
    }
    if (watch->epoll >= 0) {
        (void)close(watch->epoll);
    }
    if (watch->bell >= 0) {
        (void)close(watch->bell);
    }
    wx_free(watch->sights);
    wx_free(watch);
}

static sight *sight_of(const wx_watch *watch, int fd)
{
    return fd >= 0 && (size_t)fd < watch->count ? &watch->sights[fd] : NULL;
}

static bool reserve(wx_watch *watch, int fd)
{
    const size_t needed = (size_t)fd + 1;
    if (needed <= watch->count) {
        return true;
    }
    const size_t count = needed < 64 ? 64 : needed + needed / 2;
    sight *larger = wx_alloc_array(watch->allocator, count, sizeof(*larger));
    if (!larger) {
        errno = ENOMEM;
        return false;
    }
    if (watch->count > 0) {
        memcpy(larger, watch->sights, watch->count * sizeof(*larger));
    }
    wx_free(watch->sights);
    watch->sights = larger;
    watch->count = count;
    return true;
}

static void forget(const wx_watch *watch, int fd, sight *seen)
{
    if (seen->known) {
        (void)epoll_ctl(watch->epoll, EPOLL_CTL_DEL, fd, NULL); /* it may be closed already */
        seen->known = false;
    }
}

bool wx_watch_adopt(wx_watch *watch, int fd)
{
    if (fd < 0 || !reserve(watch, fd)) {
        return false;
    }
    watch->sights[fd] = (sight){.ours = true};
    return true;
}

int wx_watch_close(wx_watch *watch, int fd)
{
    sight *seen = sight_of(watch, fd);
    if (seen) {
        forget(watch, fd, seen); /* by itself the kernel would not while a forked child has the socket too */
        *seen = (sight){.ours = false};
    }
    return close(fd);
}

static bool tell_kernel(const wx_watch *watch, int fd, sight *seen)
{
    struct epoll_event event = {.data.fd = fd};
    event.events = (seen->wanted & WX_WATCH_IN ? (uint32_t)EPOLLIN : 0U) |
                   (seen->wanted & WX_WATCH_OUT ? (uint32_t)EPOLLOUT : 0U);
    if (epoll_ctl(watch->epoll, seen->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
        return false;
    }
    seen->known = true;
    seen->asked = seen->wanted;
    return true;
}

bool wx_watch_want(wx_watch *watch, int fd, unsigned what)
{
    if (fd < 0 || !reserve(watch, fd)) {
        return false;
    }
    sight *seen = &watch->sights[fd];
    seen->wanted = (uint8_t)(what & (WX_WATCH_IN | WX_WATCH_OUT));
    if (seen->wanted == 0) {
        if (!seen->ours) {
            forget(watch, fd, seen);
        }
        return true;
    }
    return (seen->known && seen->asked == seen->wanted) || tell_kernel(watch, fd, seen);
}

static unsigned what_of(uint32_t events)
{
    return (events & EPOLLIN ? WX_WATCH_IN : 0U) | (events & EPOLLOUT ? WX_WATCH_OUT : 0U) |
           (events & (EPOLLERR | EPOLLHUP) ? WX_WATCH_ERR : 0U);
}

size_t wx_watch_wait(wx_watch *watch, wx_watch_event events[WX_WATCH_MAX], size_t most, int wait_ms)
{
    struct epoll_event ready[WX_WATCH_MAX];
    assert(most > 0 && most <= WX_WATCH_MAX);
    const int found = epoll_wait(watch->epoll, ready, (int)most, wait_ms);
    size_t count = 0;
    for (int at = 0; at < found; at++) {
        const int fd = ready[at].data.fd;
        sight *seen = sight_of(watch, fd);
        if (seen && seen->wanted != 0) {
            events[count++] = (wx_watch_event){fd, what_of(ready[at].events)};
        } else if (seen) {
            forget(watch, fd, seen); /* an idle connection that its peer has closed */
        }
    }
    return count;
}

void wx_watch_wake(wx_watch *watch)
{
    (void)eventfd_write(watch->bell, 1);
}
