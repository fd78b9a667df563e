/* A clock that stands still until it is moved; sleeping moves it. */
#ifndef TEST_FAKE_CLOCK_H
#define TEST_FAKE_CLOCK_H

#include <stdatomic.h>
#include <wxtp/clock.h>

/* 2026-01-01T00:00:00Z, 08:00 in Beijing. */
#define FAKE_EPOCH_MS INT64_C(1767225600000)

typedef struct fake_clock {
    atomic_int_fast64_t wall_ms, boot_ms, slept_ms;
    char boot_id[40];
} fake_clock;

void fake_clock_init(fake_clock *clock);
void fake_clock_port(fake_clock *clock, wxtp_clock *port);
void fake_clock_advance(fake_clock *clock, int64_t ms);   /* wall and boot time */
void fake_clock_step_wall(fake_clock *clock, int64_t ms); /* wall time alone, also back */
int64_t fake_clock_wall(fake_clock *clock);

#endif
