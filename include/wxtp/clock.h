/**
 * @file clock.h
 * The clock port. Wall time serves stored absolute times, boot time serves schedules and leases.
 */
#ifndef WXTP_CLOCK_H
#define WXTP_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <wxtp/export.h>

WXTP_BEGIN_DECLS

/** Set `struct_size` to `sizeof(wxtp_clock)`. Every function must be callable from any thread. */
typedef struct wxtp_clock {
    size_t struct_size;
    void *user;
    /** Milliseconds since 1970-01-01T00:00:00Z. */
    int64_t (*wall_ms)(void *user);
    /** Milliseconds since boot, counting suspension; never goes back. */
    int64_t (*boot_ms)(void *user);
    /** Names this boot; boot times of another boot cannot be compared. Valid as long as the clock. "" where
     * it cannot be told just now: no store is opened then. */
    const char *(*boot_id)(void *user);
    /** Sleeps at least `ms` milliseconds of boot time; may return early. */
    void (*sleep_ms)(void *user, int64_t ms);
} wxtp_clock;

/**
 * The machine's own clock: CLOCK_REALTIME, CLOCK_BOOTTIME and the kernel's boot id.
 *
 * @return a static clock.
 * Threading: any thread. Blocking: no. Since: 0.1.0.
 */
WXTP_API const wxtp_clock *wxtp_clock_system(void);

WXTP_END_DECLS
#endif
