/* What every backend of the store contract must do, as tests. */
#ifndef STORE_CONFORMANCE_H
#define STORE_CONFORMANCE_H

#include <stdatomic.h>
#include <wxtp/clock.h>
#include <wxtp/store.h>

/* A clock that tests move. Sleeping really sleeps, and moves it on. */
typedef struct test_clock {
    wxtp_clock port;
    _Atomic int64_t now_ms; /* boot time; wall time is as far from 1970 */
    const char *boot_id;
} test_clock;

void test_clock_init(test_clock *clock, const char *boot_id);

typedef struct store_factory {
    /* Empties the store, of which no handle is open. */
    void (*reset)(void *user);
    /* Another handle of the one store; created where it is empty. */
    wxtp_store *(*open)(void *user, const wxtp_clock *clock);
    void *user;
} store_factory;

/* Runs the suite; the number of failed tests. */
int store_conformance_run(const char *name, store_factory *factory);

#endif
