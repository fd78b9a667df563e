#include "pool.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { THREADS_MAX = 64 };

typedef struct pool {
    size_t count;
    atomic_size_t next;
    void (*work)(void *user, size_t index);
    void *user;
} pool;

static void *run(void *user)
{
    pool *p = user;

    for (size_t index = atomic_fetch_add(&p->next, 1); index < p->count;
         index = atomic_fetch_add(&p->next, 1))
        p->work(p->user, index);
    return NULL;
}

void ad_pool_run(ad_app *app, size_t count, void (*work)(void *user, size_t index), void *user)
{
    pool p = {.count = count, .work = work, .user = user};
    pthread_t threads[THREADS_MAX];
    size_t wanted = (size_t)ad_number(app, OPT_CONCURRENCY, 16), started = 0;
    sigset_t all, before;

    atomic_init(&p.next, 0);
    if (wanted > THREADS_MAX)
        wanted = THREADS_MAX;
    if (wanted > count)
        wanted = count;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are the first thread's */
    while (started + 1 < wanted && pthread_create(&threads[started], NULL, run, &p) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    run(&p);
    while (started > 0)
        pthread_join(threads[--started], NULL);
}
