#include "simulator.h"

#include <string.h>
#include <time.h>

bool simulator_open(struct simulator *simulator)
{
    pthread_condattr_t monotonic;
    memset(simulator, 0, sizeof *simulator);
    if (pthread_condattr_init(&monotonic) != 0)
        return false;
    bool opened = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
                  pthread_mutex_init(&simulator->lock, NULL) == 0 &&
                  pthread_cond_init(&simulator->changed, &monotonic) == 0 &&
                  pthread_cond_init(&simulator->released, &monotonic) == 0;
    pthread_condattr_destroy(&monotonic);
    world_open(&simulator->world);
    journal_open(&simulator->journal);
    return opened;
}

void simulator_close(struct simulator *simulator)
{
    faults_clear(&simulator->faults);
    journal_close(&simulator->journal);
    world_close(&simulator->world);
    pthread_cond_destroy(&simulator->released);
    pthread_cond_destroy(&simulator->changed);
    pthread_mutex_destroy(&simulator->lock);
}

void simulator_stop(struct simulator *simulator)
{
    pthread_mutex_lock(&simulator->lock);
    simulator->stopping = true;
    pthread_cond_broadcast(&simulator->changed);
    pthread_cond_broadcast(&simulator->released);
    pthread_mutex_unlock(&simulator->lock);
}

void simulator_changed(struct simulator *simulator)
{
    if (simulator->watchers)
        pthread_cond_broadcast(&simulator->changed);
}

bool simulator_wait(struct simulator *simulator, pthread_cond_t *condition, int64_t deadline_ms)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                             .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    if (simulator->stopping || monotonic_ms() >= deadline_ms)
        return false;
    pthread_cond_timedwait(condition, &simulator->lock, &until);
    return !simulator->stopping;
}

bool simulator_sleep(struct simulator *simulator, int64_t ms)
{
    int64_t deadline = monotonic_ms() + ms;
    pthread_mutex_lock(&simulator->lock);
    while (simulator_wait(simulator, &simulator->released, deadline))
        continue;
    bool running = !simulator->stopping;
    pthread_mutex_unlock(&simulator->lock);
    return running;
}

int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
