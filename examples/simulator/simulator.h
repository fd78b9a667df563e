/* The whole simulator: one lock over the world, and the two conditions that answers wait on. */
#ifndef SIM_SIMULATOR_H
#define SIM_SIMULATOR_H

#include "faults.h"
#include "journal.h"
#include "world.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* An answer that is held back until it is released. */
struct held {
    uint64_t id; /* the seq of its call */
    const char *path;
    char appid[APPID_SIZE];
    bool released;
    struct held *prev, *next;
};

struct simulator {
    pthread_mutex_t lock;
    pthread_cond_t changed;  /* the journal, the held answers */
    pthread_cond_t released; /* a held answer, or all at the end */
    unsigned watchers;       /* threads that wait for changed */
    bool stopping;
    struct world world;
    struct journal journal;
    struct faults faults;
    struct held *held;
};

bool simulator_open(struct simulator *simulator);
void simulator_close(struct simulator *simulator);

/* Wakes whoever waits; every wait ends at once from here on. */
void simulator_stop(struct simulator *simulator);

/* Under the lock: tells those who watch the journal. */
void simulator_changed(struct simulator *simulator);

/* Under the lock, which others get meanwhile: waits until the deadline on the monotonic clock or the
 * condition; false at the deadline or when stopping. */
bool simulator_wait(struct simulator *simulator, pthread_cond_t *condition, int64_t deadline_ms);

/* Not under the lock. False when stopping. */
bool simulator_sleep(struct simulator *simulator, int64_t ms);

int64_t monotonic_ms(void);

#endif
