/* How far long work has come: a bar on a terminal, a line now and then elsewhere. */
#ifndef AD_PROGRESS_H
#define AD_PROGRESS_H

#include "admin.h"
#include <pthread.h>

typedef struct ad_progress {
    ad_app *app;
    const char *unit; /* "openids" */
    pthread_mutex_t lock;
    bool silent, terminal, drawn;
    int64_t started_ms, shown_ms;
    int64_t done, total, bad, first_done;
    bool begun;
} ad_progress;

void ad_progress_begin(ad_progress *progress, ad_app *app, const char *unit);
/* Any thread. `total` 0: unknown; `bad`: invalid or failed ones among `done`. */
void ad_progress_show(ad_progress *progress, int64_t done, int64_t total, int64_t bad);
/* Adds to the sums, for work that several threads share. */
void ad_progress_add(ad_progress *progress, int64_t done, int64_t total, int64_t bad);
/* Takes the bar away for a line of another kind; NULL does nothing. */
void ad_progress_clear(ad_progress *progress);
void ad_progress_end(ad_progress *progress);

#endif
