/* Threads and their waits. */
#include <signal.h>
#include <time.h>

#include "engine/inner.h"

bool wx_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0) {
        return false;
    }
    const bool made = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
                      pthread_cond_init(cond, &monotonic) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    return made;
}

void wx_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms)
{
    struct timespec until;
    if (ms < 0 || clock_gettime(CLOCK_MONOTONIC, &until) != 0) {
        (void)pthread_cond_wait(cond, lock);
        return;
    }
    const int64_t most = INT64_C(1000) * 86400 * 365;
    const int64_t wait = ms < most ? ms : most;
    const int64_t nanoseconds = until.tv_nsec + wait % 1000 * 1000000;
    until.tv_sec += (time_t)(wait / 1000 + nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    (void)pthread_cond_timedwait(cond, lock, &until);
}

bool wx_thread_start(pthread_t *thread, void *(*run)(void *), void *user)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(thread, NULL, run, user) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}
