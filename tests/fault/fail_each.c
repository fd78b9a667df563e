/*
 * Runs each flow again and again: the first time its first allocation (or read, write, sync, lock …) fails,
 * the next time its second, until the flow passes without having met a fault; then likewise with all that
 * come after failing too. Each time: no crash, a clear status, nothing lost, the store in order, and the next
 * try succeeds.
 *
 *     fail_each memory|io [--flow PART OF A NAME] [--points N] [--at N] [-v]
 *
 * --points: of each kind in each flow at most so many, evenly spread; 0 or none: every one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flows.h"
#include "plan.h"
#include "server.h"

enum { FAILURES_SHOWN = 5 }; /* of a flow */

typedef struct options {
    bool memory, verbose;
    const char *flow;
    int64_t points, at;
} options;

typedef struct tally {
    int64_t faults, failures, failures_here;
} tally;

/* A flow that is walked through. */
typedef struct walk {
    const options *o;
    const flow *f;
    scene s;
    scene_kept kept;
    server wire; /* of a flow over HTTP */
    tally *all;
} walk;

/* Which operation fails. */
typedef struct fault {
    fault_kind kind;
    int64_t at;
    bool for_ever;
} fault;

static bool status_fits(fault_kind kind, wxtp_status status)
{
    if (kind == FAULT_MEMORY) {
        return status == WXTP_ERR_NOMEM;
    }
    if (kind == FAULT_SOCKET) {
        return status == WXTP_ERR_IO || status == WXTP_ERR_UNAVAILABLE;
    }
    return status == WXTP_ERR_STORE || status == WXTP_ERR_STORE_BUSY || status == WXTP_ERR_IO ||
           status == WXTP_ERR_KEY;
}

/* Whoever reads it must not look for the fault in the network. */
static bool names_lack(const char *message)
{
    return strstr(message, strerror(EMFILE)) || strstr(message, strerror(ENOSPC));
}

static void judge_error(scene *s, fault_kind kind, wxtp_status status, const wxtp_error *error)
{
    if (status == WXTP_OK) {
        return;
    }
    if (!status_fits(kind, status)) {
        scene_fail(s, "answered %s: %s", wxtp_status_name(status), wxtp_error_message(error));
    } else if (kind == FAULT_SOCKET && !names_lack(wxtp_error_message(error))) {
        scene_fail(s, "does not say what it lacks: %s", wxtp_error_message(error));
    } else if (error && (!wxtp_error_message(error)[0] || !wxtp_error_hint(error)[0])) {
        scene_fail(s, "answered %s without a word or a remedy: %s", wxtp_status_name(status),
                   wxtp_error_message(error));
    }
}

static void nothing_leaks(scene *s, int64_t sqlite_before)
{
    scene_close(s);
    if (s->memory.live != 0) {
        scene_fail(s, "%zu blocks of the library's leak", s->memory.live);
    }
    if (s->memory.not_zeroed != 0) {
        scene_fail(s, "I9: %zu blocks came back with something left in them", s->memory.not_zeroed);
    }
    if (sqlite3_memory_used() != sqlite_before) {
        scene_fail(s, "%lld bytes of SQLite's leak", (long long)(sqlite3_memory_used() - sqlite_before));
    }
}

static void tell(walk *w, fault which, const void *caller)
{
    Dl_info where = {.dli_fname = "?"};
    if (caller) {
        (void)dladdr(caller, &where);
    }
    const char *slash = strrchr(where.dli_fname ? where.dli_fname : "?", '/');
    w->all->failures++;
    if (w->all->failures_here++ < FAILURES_SHOWN) {
        (void)printf("FAILED %s, %s %lld%s (in %s %s): %s\n", w->f->name, fault_names[which.kind],
                     (long long)which.at, which.for_ever ? " and all after it" : "",
                     slash ? slash + 1 : where.dli_fname, where.dli_sname ? where.dli_sname : "",
                     w->s.failure);
    }
}

/* True: the flow met the fault. `count`: operations of its kind. */
static bool run_one(walk *w, fault which, int64_t *count)
{
    scene *s = &w->s;
    const flow *f = w->f;
    wxtp_error *error = NULL;
    const int64_t sqlite_before = sqlite3_memory_used();
    scene_restore(s, &w->kept);
    const bool in_open = f->on == FLOW_IN_OPEN || f->on == FLOW_OVER_HTTP || f->on == FLOW_WORKERS_OVER_HTTP;
    if (in_open && scene_open(s, &error) != WXTP_OK) {
        scene_fail(s, "cannot begin: %s", wxtp_error_message(error));
    }
    fault_arm(which.kind, which.at, which.for_ever);
    const wxtp_status status = f->run(s, &error);
    fault_disarm();
    const int64_t hits = fault_hits();
    const void *caller = fault_caller();
    *count = fault_count();
    if (hits == 0 && status != WXTP_OK) {
        scene_fail(s, "failed without a fault: %s: %s", wxtp_status_name(status), wxtp_error_message(error));
    }
    judge_error(s, which.kind, status, error);
    wxtp_error_free(error);
    error = NULL;
    if (status != WXTP_OK && f->left) {
        f->left(s);
    }
    if (status != WXTP_OK) {
        const wxtp_status again = f->run(s, &error);
        if (again != WXTP_OK) {
            scene_fail(s, "the next try fails: %s: %s", wxtp_status_name(again), wxtp_error_message(error));
        }
        wxtp_error_free(error);
    }
    if (f->check) {
        f->check(s);
    }
    if (s->platform) {
        flow_settle(s);
    }
    nothing_leaks(s, sqlite_before);
    if (w->wire.port > 0) {
        server_drain(&w->wire);
    }
    if (s->failure[0]) {
        tell(w, which, caller);
    }
    if (w->o->verbose) {
        (void)printf("  %s %lld%s: %s, %lld of %lld\n", fault_names[which.kind], (long long)which.at,
                     which.for_ever ? " and on" : "", wxtp_status_name(status), (long long)hits,
                     (long long)*count);
    }
    w->all->faults += hits > 0;
    return hits > 0;
}

static void walk_kind(walk *w, fault_kind kind)
{
    const options *o = w->o;
    int64_t count = 0;
    if (o->at > 0) {
        (void)run_one(w, (fault){kind, o->at, false}, &count);
        (void)run_one(w, (fault){kind, o->at, true}, &count);
        return;
    }
    const int64_t before = w->all->faults;
    (void)run_one(w, (fault){kind, 0, false}, &count);
    const int64_t step = o->points > 0 && count > o->points ? (count + o->points - 1) / o->points : 1;
    for (int for_ever = 0; for_ever < 2 && count > 0; for_ever++) {
        for (int64_t at = 1; run_one(w, (fault){kind, at, for_ever}, &count); at += step) {
            continue;
        }
    }
    (void)printf("%-28s %-8s %6lld faults\n", w->f->name, fault_names[kind],
                 (long long)(w->all->faults - before));
}

static void walk_flow(const options *o, const flow *f, tally *all)
{
    walk w = {.o = o, .f = f, .all = all};
    all->failures_here = 0;
    scene_begin(&w.s);
    flow_prepare(f, &w.s, &w.kept);
    if (f->on >= FLOW_OVER_HTTP) {
        server_start(&w.wire, &w.s.wechat);
        (void)snprintf(w.s.api_base, sizeof(w.s.api_base), "http://127.0.0.1:%d", w.wire.port);
    }
    if (w.s.failure[0]) {
        (void)printf("FAILED %s: cannot be prepared: %s\n", f->name, w.s.failure);
        all->failures++;
    } else if (o->memory) {
        /* Workers over a wire wait for each other in real time: what memory does to them is seen without one.
         */
        if (f->on != FLOW_WORKERS_OVER_HTTP) {
            walk_kind(&w, FAULT_MEMORY);
        }
    } else {
        /* What the disk does to a flow is seen without a wire, where nobody waits. */
        for (fault_kind kind = w.wire.port > 0 ? FAULT_SOCKET : FAULT_READ; kind < FAULT_KINDS; kind++) {
            walk_kind(&w, kind);
        }
    }
    scene_end(&w.s);
    scene_kept_free(&w.kept);
    if (w.wire.port > 0) {
        server_stop(&w.wire);
    }
}

static bool read_options(int count, char **words, options *o)
{
    if (count < 2) {
        return false;
    }
    o->memory = strcmp(words[1], "memory") == 0;
    bool good = o->memory || strcmp(words[1], "io") == 0;
    for (int at = 2; at < count && good; at++) {
        const char *value = at + 1 < count ? words[at + 1] : "";
        if (strcmp(words[at], "-v") == 0) {
            o->verbose = true;
            continue;
        }
        if (strcmp(words[at], "--flow") == 0) {
            o->flow = value;
        } else if (strcmp(words[at], "--points") == 0) {
            o->points = strtoll(value, NULL, 10);
        } else if (strcmp(words[at], "--at") == 0) {
            o->at = strtoll(value, NULL, 10);
        } else {
            good = false;
        }
        at++;
    }
    return good && o->points >= 0;
}

int main(int count, char **words)
{
    options o = {.points = 0};
    tally all = {.faults = 0};
    struct timespec began;
    struct timespec ended;
    if (!read_options(count, words, &o)) {
        (void)fprintf(stderr, "fail_each memory|io [--flow PART OF A NAME] [--points N] [--at N] [-v]\n");
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    disk_install();
    for (size_t at = 0; at < flow_count; at++) {
        if (!o.flow || strstr(flows[at].name, o.flow)) {
            walk_flow(&o, &flows[at], &all);
        }
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    (void)printf("%lld faults met, %lld failures; %.1f s\n", (long long)all.faults, (long long)all.failures,
                 (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return all.failures == 0 && all.faults > 0 ? 0 : 1;
}
