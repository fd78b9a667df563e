#include "fake_clock.h"

#include <stdio.h>

static int64_t wall_ms(void *user)
{
    return atomic_load(&((fake_clock *)user)->wall_ms);
}

static int64_t boot_ms(void *user)
{
    return atomic_load(&((fake_clock *)user)->boot_ms);
}

static const char *boot_id(void *user)
{
    return ((fake_clock *)user)->boot_id;
}

static void sleep_ms(void *user, int64_t ms)
{
    fake_clock *clock = user;
    if (ms > 0) {
        fake_clock_advance(clock, ms);
        atomic_fetch_add(&clock->slept_ms, ms);
    }
}

void fake_clock_init(fake_clock *clock)
{
    atomic_init(&clock->wall_ms, FAKE_EPOCH_MS);
    atomic_init(&clock->boot_ms, INT64_C(1000000));
    atomic_init(&clock->slept_ms, 0);
    snprintf(clock->boot_id, sizeof clock->boot_id, "boot-1");
}

void fake_clock_port(fake_clock *clock, wxtp_clock *port)
{
    *port = (wxtp_clock){.struct_size = sizeof *port,
                         .user = clock,
                         .wall_ms = wall_ms,
                         .boot_ms = boot_ms,
                         .boot_id = boot_id,
                         .sleep_ms = sleep_ms};
}

void fake_clock_advance(fake_clock *clock, int64_t ms)
{
    atomic_fetch_add(&clock->wall_ms, ms);
    atomic_fetch_add(&clock->boot_ms, ms);
}

void fake_clock_step_wall(fake_clock *clock, int64_t ms)
{
    atomic_fetch_add(&clock->wall_ms, ms);
}

int64_t fake_clock_wall(fake_clock *clock)
{
    return atomic_load(&clock->wall_ms);
}
