/* An allocator for tests: counts, fails at the n-th allocation, and checks that what comes back was zeroed.
 */
#ifndef WXTP_TEST_COUNTING_H
#define WXTP_TEST_COUNTING_H

#include <stddef.h>
#include <wxtp/allocator.h>

typedef struct counting {
    wxtp_allocator allocator; /* to be handed in */
    size_t live, calls;
    size_t fail_at;    /* the allocation of this number (from 1) and all after it fail; 0: none */
    size_t not_zeroed; /* blocks that came back with a byte left in them */
} counting;

/* `self` must stay where it is. For one thread. */
void counting_init(counting *self);

#endif
