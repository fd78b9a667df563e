#include "progress.h"
#include <string.h>
#include <unistd.h>

enum { BAR = 24, DRAW_MS = 100, LINE_MS = 3000 };

void ad_progress_begin(ad_progress *progress, ad_app *app, const char *unit)
{
    memset(progress, 0, sizeof *progress);
    progress->app = app;
    progress->unit = unit;
    pthread_mutex_init(&progress->lock, NULL);
    progress->silent = ad_given(app, OPT_QUIET);
    progress->terminal = isatty(STDERR_FILENO);
    progress->started_ms = progress->shown_ms = ad_monotonic_ms();
    app->progress = progress;
}

static void put_left(double seconds)
{
    long long left = (long long)(seconds + 0.5);

    if (left >= 3600)
        fprintf(stderr, ", %lldh%02lldm left", left / 3600, left / 60 % 60);
    else
        fprintf(stderr, ", %lldm%02llds left", left / 60, left % 60);
}

static void draw(ad_progress *p, int64_t now_ms)
{
    double seconds = (double)(now_ms - p->started_ms) / 1000;
    double rate = seconds > 0 ? (double)(p->done - p->first_done) / seconds : 0;

    flockfile(stderr);
    if (p->terminal) {
        int full = p->total > 0 ? (int)(BAR * p->done / p->total) : 0;
        fprintf(stderr, "\r\033[K[");
        for (int i = 0; i < BAR; i++)
            fputc(i < full ? '#' : '.', stderr);
        fprintf(stderr, "] ");
        p->drawn = true;
    }
    fprintf(stderr, "%lld", (long long)p->done);
    if (p->total > 0)
        fprintf(stderr, "/%lld", (long long)p->total);
    fprintf(stderr, " %s", p->unit);
    if (p->bad > 0)
        fprintf(stderr, ", %lld invalid or failed", (long long)p->bad);
    if (rate > 0)
        fprintf(stderr, ", %.1f/s", rate);
    if (p->total > p->done && rate > 0)
        put_left((double)(p->total - p->done) / rate);
    if (!p->terminal)
        fputc('\n', stderr);
    fflush(stderr);
    funlockfile(stderr);
}

static void tell(ad_progress *p)
{
    int64_t now_ms = ad_monotonic_ms();

    if (!p->begun) { /* what an earlier run did says nothing about the rate */
        p->begun = true;
        p->first_done = p->done;
    }
    if (p->silent || now_ms - p->shown_ms < (p->terminal ? DRAW_MS : LINE_MS))
        return;
    p->shown_ms = now_ms;
    draw(p, now_ms);
}

void ad_progress_show(ad_progress *progress, int64_t done, int64_t total, int64_t bad)
{
    pthread_mutex_lock(&progress->lock);
    progress->done = done;
    progress->total = total;
    progress->bad = bad;
    tell(progress);
    pthread_mutex_unlock(&progress->lock);
}

void ad_progress_add(ad_progress *progress, int64_t done, int64_t total, int64_t bad)
{
    pthread_mutex_lock(&progress->lock);
    progress->done += done;
    progress->total += total;
    progress->bad += bad;
    tell(progress);
    pthread_mutex_unlock(&progress->lock);
}

void ad_progress_clear(ad_progress *progress)
{
    if (!progress || !progress->terminal)
        return;
    flockfile(stderr);
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
    funlockfile(stderr);
}

void ad_progress_end(ad_progress *progress)
{
    ad_progress_clear(progress);
    progress->app->progress = NULL;
    pthread_mutex_destroy(&progress->lock);
}
