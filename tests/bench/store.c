/* A store that passes everything on, and counts or gathers transactions on the way. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

enum { TOGETHER = 20000 };

struct bench_store {
    wxtp_store port;
    wxtp_store_ops ops;
    wxtp_store *inner;
    bool together;
    wxtp_tx *shared; /* together: the large transaction */
    wxtp_tx_mode mode;
    int64_t gathered;
    _Atomic int64_t writes, syncs, begin_ns, commit_ns, rows_ns;
};

/* Commit and rollback are given the transaction alone, so that the one store of a bench is kept here. */
static bench_store *the_store;

static wxtp_store *inner_of(wxtp_store *store)
{
    return ((bench_store *)store)->inner;
}

/* Together nothing waits, and to ask for the thread's CPU would cost as much as what is measured. */
static int64_t stamp(const bench_store *self)
{
    return self->together ? bench_now_ns() : bench_thread_cpu_ns();
}

static wxtp_status flush(bench_store *self)
{
    wxtp_tx *tx = self->shared;
    self->shared = NULL;
    self->gathered = 0;
    return tx ? self->inner->ops->commit(tx) : WXTP_OK;
}

static wxtp_status begin(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx)
{
    bench_store *self = (bench_store *)store;
    const int64_t before = stamp(self);
    wxtp_status status = WXTP_OK;
    atomic_fetch_add(&self->writes, mode != WXTP_TX_READ);
    atomic_fetch_add(&self->syncs, mode == WXTP_TX_SYNC);
    if (!self->together) {
        status = self->inner->ops->begin(self->inner, mode, tx);
    } else {
        if (!self->shared) {
            status = self->inner->ops->begin(self->inner, WXTP_TX_WRITE, &self->shared);
        }
        self->mode = mode;
        *tx = self->shared;
    }
    atomic_fetch_add(&self->begin_ns, stamp(self) - before);
    return status;
}

static wxtp_status commit(wxtp_tx *tx)
{
    bench_store *self = the_store;
    const int64_t before = stamp(self);
    wxtp_status status = WXTP_OK;
    if (!self->together) {
        status = self->inner->ops->commit(tx);
    } else if (self->mode != WXTP_TX_READ && ++self->gathered >= TOGETHER) {
        status = flush(self);
    }
    atomic_fetch_add(&self->commit_ns, stamp(self) - before);
    return status;
}

static void rollback(wxtp_tx *tx)
{
    bench_store *self = the_store;
    if (!self->together) {
        const int64_t before = stamp(self);
        self->inner->ops->rollback(tx);
        atomic_fetch_add(&self->commit_ns, stamp(self) - before);
    } else if (tx && self->mode != WXTP_TX_READ && self->gathered > 0) {
        /* What was gathered is lost with it: no bench may go on. */
        fprintf(stderr, "a gathered transaction was rolled back\n");
        exit(1);
    }
}

/* Rows are read and written by the transaction alone, too. */
#define ROW(call)                                                                                            \
    bench_store *self = the_store;                                                                           \
    const int64_t before = stamp(self);                                                                      \
    const wxtp_status status = self->inner->ops->call;                                                       \
    atomic_fetch_add(&self->rows_ns, stamp(self) - before);                                                  \
    return status

static wxtp_status platform_get(wxtp_tx *tx, const char *component_appid, wxtp_platform_row *row)
{
    ROW(platform_get(tx, component_appid, row));
}

static wxtp_status push_remember(wxtp_tx *tx, const char *platform, wxtp_blob digest, int64_t received_ms)
{
    ROW(push_remember(tx, platform, digest, received_ms));
}

static wxtp_status ticket_get(wxtp_tx *tx, const char *component_appid, wxtp_ticket_row *row)
{
    ROW(ticket_get(tx, component_appid, row));
}

static wxtp_status ticket_put(wxtp_tx *tx, const wxtp_ticket_row *row)
{
    ROW(ticket_put(tx, row));
}

static void close_store(wxtp_store *store)
{
    bench_store *self = (bench_store *)store;
    if (flush(self) != WXTP_OK) {
        fprintf(stderr, "the last gathered transaction was not committed\n");
        exit(1);
    }
    self->inner->ops->close(self->inner);
    the_store = NULL;
    free(self);
}

static bool forked(wxtp_store *store)
{
    return inner_of(store)->ops->forked(inner_of(store));
}

static void abandon(wxtp_store *store)
{
    inner_of(store)->ops->abandon(inner_of(store));
}

static void message(wxtp_store *store, wxtp_tx *tx, char *text, size_t size)
{
    inner_of(store)->ops->message(inner_of(store), tx, text, size);
}

static wxtp_status build_begin(wxtp_store *store, const char *job_id, void **builder)
{
    return inner_of(store)->ops->build_begin(inner_of(store), job_id, builder);
}

static wxtp_status check(wxtp_store *store, void (*problem)(void *user, const char *text), void *user)
{
    return inner_of(store)->ops->check(inner_of(store), problem, user);
}

static wxtp_status backup(wxtp_store *store, const char *path)
{
    return inner_of(store)->ops->backup(inner_of(store), path);
}

static wxtp_status maintain(wxtp_store *store)
{
    const bench_store *self = (const bench_store *)store;
    return self->together ? WXTP_OK : self->inner->ops->maintain(self->inner);
}

static wxtp_status sweep(wxtp_store *store)
{
    const bench_store *self = (const bench_store *)store;
    return self->together ? WXTP_OK : self->inner->ops->sweep(self->inner);
}

static void describe(wxtp_store *store, void (*fact)(void *user, const char *name, const char *value),
                     void *user)
{
    inner_of(store)->ops->describe(inner_of(store), fact, user);
}

bench_store *bench_store_new(wxtp_store *inner, bool together)
{
    bench_store *self = calloc(1, sizeof(*self));
    /* A contract that has grown may have further operations that take the store: they must be added here. */
    if (!self || the_store || inner->ops->struct_size != sizeof(wxtp_store_ops)) {
        fprintf(stderr, "no store to count with\n");
        exit(1);
    }
    self->ops = *inner->ops;
    self->ops.close = close_store;
    self->ops.forked = forked;
    self->ops.abandon = abandon;
    self->ops.begin = begin;
    self->ops.commit = commit;
    self->ops.rollback = rollback;
    self->ops.message = message;
    self->ops.platform_get = platform_get;
    self->ops.push_remember = push_remember;
    self->ops.ticket_get = ticket_get;
    self->ops.ticket_put = ticket_put;
    self->ops.build_begin = build_begin;
    self->ops.check = check;
    self->ops.backup = backup;
    self->ops.maintain = maintain;
    self->ops.sweep = sweep;
    self->ops.describe = describe;
    self->port.ops = &self->ops;
    self->inner = inner;
    self->together = together;
    the_store = self;
    return self;
}

wxtp_store *bench_store_port(bench_store *self)
{
    return &self->port;
}

bench_counts bench_store_counts(bench_store *self)
{
    return (bench_counts){.writes = atomic_load(&self->writes),
                          .syncs = atomic_load(&self->syncs),
                          .begin_ns = atomic_load(&self->begin_ns),
                          .commit_ns = atomic_load(&self->commit_ns),
                          .rows_ns = atomic_load(&self->rows_ns)};
}
