#include "port/quiet.h"

#include <time.h>

static bool is_pending(sigset_t *pipe_set)
{
    sigset_t pending;
    (void)sigemptyset(pipe_set);
    (void)sigaddset(pipe_set, SIGPIPE);
    (void)sigemptyset(&pending);
    (void)sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
}

void wx_quiet_begin(wx_quiet *quiet)
{
    sigset_t pipe_set;
    quiet->was_pending = is_pending(&pipe_set);
    quiet->ok = pthread_sigmask(SIG_BLOCK, &pipe_set, &quiet->before) == 0;
}

void wx_quiet_end(const wx_quiet *quiet)
{
    sigset_t pipe_set;
    if (!quiet->ok) {
        return;
    }
    if (is_pending(&pipe_set) && !quiet->was_pending) {
        const struct timespec at_once = {0};
        (void)sigtimedwait(&pipe_set, NULL, &at_once);
    }
    (void)pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
}
