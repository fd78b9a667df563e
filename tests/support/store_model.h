/* The store contract in memory, as plainly as it can be said, and random operations held against it. */
#ifndef STORE_MODEL_H
#define STORE_MODEL_H

#include "store_conformance.h"

/* Runs one seeded sequence on an empty store; fails the test where an answer differs. */
void model_run(wxtp_store *store, test_clock *clock, unsigned seed);

#endif
