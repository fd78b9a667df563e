/* A store whose operations fail at their n-th use, once. For one thread, and one fixture at a time. */
#ifndef TEST_FAILING_STORE_H
#define TEST_FAILING_STORE_H

#include "fixture.h"

typedef struct failing_store {
    const wxtp_store_ops *real;
    wxtp_store_ops ops;            /* the real ones, until a test puts others in */
    int left;                      /* uses until it fails */
    void (*meanwhile)(void *user); /* what happens at a begin instead of its failing */
    void *user;
    fake_http *http;
    size_t sent; /* calls of jobs to WeChat when it failed */
    wxtp_batch_row damaged;
} failing_store;

extern failing_store failing; /* operations are given no user's pointer */

/* Stands before the fixture's store until it is removed. */
void failing_install(fixture *fx, int left);
void failing_remove(fixture *fx);
/* Counts a use: whether it is the one that fails. */
bool failing_now(void);
/* To be put into `failing.ops`. */
wxtp_status failing_begin_tx(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx);

#endif
