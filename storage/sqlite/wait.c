/* Waiting for other processes, on boot time. */
#include "internal.h"
#include <stdio.h>
#include <sys/random.h>

#define SLEEP_MAX_MS 20

void sq_wait_start(sq_wait *wait, const wxtp_clock *clock, int64_t budget_ms)
{
    int64_t now = clock->boot_ms(clock->user);
    wait->clock = clock;
    wait->deadline_ms = budget_ms > INT64_MAX - now ? INT64_MAX : now + budget_ms;
    wait->turns = 0;
    wait->late = false;
}

bool sq_wait_more(sq_wait *wait)
{
    if (wait->late)
        return false;
    if (wait->clock->boot_ms(wait->clock->user) >= wait->deadline_ms) {
        wait->late = true; /* this process may have been stopped past the deadline: try once more */
        return true;
    }
    unsigned most = wait->turns < SLEEP_MAX_MS - 1 ? ++wait->turns : SLEEP_MAX_MS;
    unsigned random;
    sqlite3_randomness(sizeof random, &random);
    wait->clock->sleep_ms(wait->clock->user, 1 + (int64_t)(random % most));
    return true;
}

bool sq_nonce(char nonce[SQ_NONCE])
{
    unsigned char bytes[(SQ_NONCE - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
    return true;
}
