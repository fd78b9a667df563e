/* Whose turn it is at a connection, between the threads of this process. */
#include "internal.h"
#include <time.h>

bool sq_turn_init(sq_turn *turn)
{
    pthread_condattr_t attributes;
    turn->taken = false;
    if (pthread_mutex_init(&turn->mutex, NULL) != 0)
        return false;
    bool ok = pthread_condattr_init(&attributes) == 0;
    if (ok) {
        ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
             pthread_cond_init(&turn->freed, &attributes) == 0;
        pthread_condattr_destroy(&attributes);
    }
    if (!ok)
        pthread_mutex_destroy(&turn->mutex);
    return ok;
}

void sq_turn_destroy(sq_turn *turn)
{
    pthread_cond_destroy(&turn->freed);
    pthread_mutex_destroy(&turn->mutex);
}

bool sq_turn_take(sq_turn *turn, int64_t budget_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(budget_ms / 1000);
    until.tv_nsec += (long)(budget_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int result = 0;
    pthread_mutex_lock(&turn->mutex);
    while (turn->taken && budget_ms > 0 && result == 0)
        result = pthread_cond_timedwait(&turn->freed, &turn->mutex, &until);
    bool ours = !turn->taken;
    turn->taken = true;
    pthread_mutex_unlock(&turn->mutex);
    return ours;
}

void sq_turn_give(sq_turn *turn)
{
    pthread_mutex_lock(&turn->mutex);
    turn->taken = false;
    pthread_cond_signal(&turn->freed);
    pthread_mutex_unlock(&turn->mutex);
}
