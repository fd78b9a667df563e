/*
 * Cuts the power. Each flow is run once, and what reaches the disk is written down; then, for moments of that
 * run, the disk is made as a power cut at that moment leaves it, and the store is opened on it: by another
 * boot, with WeChat as it was at that moment. What was used or told to others must be there, and all goes on.
 *
 *     cut_power [--flow PART OF A NAME] [--every N] [--step N] [--seed N] [-v]
 *
 * Moments are those before and after each sync and each word to the world outside, and each N-th other one
 * (--every). Then likewise with a sync that failed before (each N-th: --step), and took with it what it was
 * to bring to the disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flows.h"
#include "plan.h"

static const char *const cut_names[DISK_CUTS] = {"lost", "torn", "reordered", "all there"};

enum { FAILURES_SHOWN = 5, TRIES = 3 };

typedef struct options {
    const char *flow;
    size_t every;
    int64_t step; /* each so-many-th sync fails */
    uint64_t seed;
    bool verbose;
} options;

typedef struct tally {
    int64_t cuts, failures, failures_here;
} tally;

static bool worth_it(const options *o, const disk_log *log, size_t count)
{
    const disk_what before = count > 0 ? log->events[count - 1].what : DISK_MARK;
    const disk_what after = count < log->count ? log->events[count].what : DISK_MARK;
    return before == DISK_SYNC || after == DISK_SYNC || before == DISK_MARK || after == DISK_MARK ||
           before == DISK_FOLDER || after == DISK_FOLDER || count % o->every == 0;
}

static scene_outside outside_at(const disk_log *log, size_t count, const scene_kept *kept)
{
    scene_outside outside = {.wechat = kept->wechat, .wall_ms = kept->wall_ms};
    for (size_t at = count; at-- > 0;) {
        if (log->events[at].what == DISK_MARK) {
            memcpy(&outside, log->events[at].data, sizeof(outside));
            break;
        }
    }
    return outside;
}

static void cut_at(const options *o, scene *s, const scene_kept *kept, const flow *f, const disk_log *log,
                   size_t count, disk_cut cut, tally *all)
{
    scene_kept after = *kept;
    wxtp_error *error = NULL;
    const scene_outside outside = outside_at(log, count, kept);
    disk_image_cut(&after.files, &kept->files, log, count, cut, o->seed + count);
    after.wechat = outside.wechat;
    after.wall_ms = outside.wall_ms + 60000;
    after.boot_ms = 30000;
    scene_restore(s, &after);
    (void)snprintf(s->clock.boot_id, sizeof(s->clock.boot_id), "boot-2");
    if (flow_open_after_cut(s, f, &outside, &error) != WXTP_OK) {
        scene_fail(s, "the store does not open: %s", wxtp_error_message(error));
    } else {
        flow_settle_after_cut(s, f, &outside);
    }
    wxtp_error_free(error);
    scene_close(s);
    disk_image_free(&after.files);
    all->cuts++;
    if (s->failure[0]) {
        all->failures++;
        if (all->failures_here++ < FAILURES_SHOWN) {
            (void)printf("FAILED %s, cut after %zu of %zu events, unsynced %s: %s\n", f->name, count,
                         log->count, cut_names[cut], s->failure);
        }
    }
}

static void tell_log(const disk_log *log)
{
    static const char *const words[] = {"make",   "write",  "truncate", "sync", "loss",
                                        "delete", "rename", "folder",   "mark"};
    for (size_t at = 0; at < log->count; at++) {
        const disk_event *event = &log->events[at];
        (void)printf("  %4zu %-8s %-14s %8lld %6zu\n", at, words[event->what],
                     event->file >= 0 ? log->names[event->file] : "", (long long)event->offset, event->size);
    }
}

/* Runs the flow and writes down what reaches the disk; its `sync`-th sync fails, 0: none. Whether that one
 * was met. */
static bool record(scene *s, const scene_kept *kept, const flow *f, int64_t sync, disk_log *log, tally *all)
{
    wxtp_error *error = NULL;
    scene_restore(s, kept);
    s->log = log;
    disk_record(log);
    wxtp_status status = f->on == FLOW_IN_OPEN ? scene_open(s, &error) : WXTP_OK;
    fault_arm(FAULT_SYNC, sync, false);
    if (status == WXTP_OK) {
        status = f->run(s, &error);
    }
    fault_disarm();
    const bool met = fault_hits() > 0;
    /* The other handle on the file is told of it too. */
    for (int tries = 0; met && status != WXTP_OK && tries < TRIES; tries++) {
        wxtp_error_free(error);
        error = NULL;
        status = f->run(s, &error);
    }
    disk_record(NULL);
    s->log = NULL;
    if (status != WXTP_OK || s->failure[0]) {
        (void)printf("FAILED %s: %s %s\n", f->name, s->failure, wxtp_error_message(error));
        all->failures++;
    }
    wxtp_error_free(error);
    return met;
}

static void cut_flow(const options *o, const flow *f, tally *all)
{
    scene s;
    scene_kept kept;
    disk_log log = {.files = 0};
    const int64_t before = all->cuts;
    int64_t syncs = 0;
    all->failures_here = 0;
    scene_begin(&s);
    flow_prepare(f, &s, &kept);
    (void)record(&s, &kept, f, 0, &log, all);
    if (o->verbose) {
        tell_log(&log);
    }
    const size_t events = log.count;
    for (size_t count = 0; count <= log.count; count++) {
        for (disk_cut cut = DISK_CUT_LOST; cut < DISK_CUTS && worth_it(o, &log, count); cut++) {
            cut_at(o, &s, &kept, f, &log, count, cut, all);
        }
    }
    /* A sync fails and takes with it what it was to bring; later the power is cut. */
    disk_log_free(&log);
    for (int64_t at = 1; record(&s, &kept, f, at, &log, all); at += o->step) {
        syncs++;
        for (size_t count = 1; count <= log.count; count++) {
            const bool told = count == log.count || log.events[count - 1].what == DISK_MARK;
            if (told) {
                cut_at(o, &s, &kept, f, &log, count, DISK_CUT_LOST, all);
            }
        }
        disk_log_free(&log);
    }
    (void)printf("%-28s %5zu events, %4lld syncs failed, %6lld cuts\n", f->name, events, (long long)syncs,
                 (long long)(all->cuts - before));
    disk_log_free(&log);
    scene_end(&s);
    scene_kept_free(&kept);
}

static bool read_options(int count, char **words, options *o)
{
    for (int at = 1; at < count; at++) {
        const char *value = at + 1 < count ? words[at + 1] : "";
        if (strcmp(words[at], "-v") == 0) {
            o->verbose = true;
            continue;
        }
        if (strcmp(words[at], "--flow") == 0) {
            o->flow = value;
        } else if (strcmp(words[at], "--every") == 0) {
            o->every = strtoul(value, NULL, 10);
        } else if (strcmp(words[at], "--step") == 0) {
            o->step = strtoll(value, NULL, 10);
        } else if (strcmp(words[at], "--seed") == 0) {
            o->seed = strtoull(value, NULL, 10);
        } else {
            return false;
        }
        at++;
    }
    return o->every > 0 && o->step > 0;
}

int main(int count, char **words)
{
    options o = {.every = 64, .step = 1, .seed = 1};
    tally all = {.cuts = 0};
    struct timespec began;
    struct timespec ended;
    if (!read_options(count, words, &o)) {
        (void)fprintf(stderr, "cut_power [--flow PART OF A NAME] [--every N] [--step N] [--seed N] [-v]\n");
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    disk_install();
    for (size_t at = 0; at < flow_count; at++) {
        if (flows[at].on < FLOW_OVER_HTTP && (!o.flow || strstr(flows[at].name, o.flow))) {
            cut_flow(&o, &flows[at], &all);
        }
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    (void)printf("%lld cuts, %lld failures; %.1f s\n", (long long)all.cuts, (long long)all.failures,
                 (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return all.failures == 0 && all.cuts > 0 ? 0 : 1;
}
