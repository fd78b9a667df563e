#include "plan.h"

#include <stddef.h>

const char *const fault_names[FAULT_KINDS] = {"memory", "read", "write",    "full",   "sync",
                                              "lock",   "open", "truncate", "shared", "socket"};

typedef struct plan {
    bool armed, for_ever;
    fault_kind kind;
    int64_t at, count, hits;
    int paused;
    const void *caller;
} plan;

static _Thread_local plan mine;

void fault_arm(fault_kind kind, int64_t at, bool for_ever)
{
    mine = (plan){.armed = true, .for_ever = for_ever, .kind = kind, .at = at};
}

void fault_disarm(void)
{
    mine.armed = false;
}

int64_t fault_count(void)
{
    return mine.count;
}

int64_t fault_hits(void)
{
    return mine.hits;
}

void fault_pause(void)
{
    mine.paused++;
}

void fault_resume(void)
{
    mine.paused--;
}

FAULT_BARE bool fault_strikes(fault_kind kind)
{
    if (!mine.armed || mine.paused > 0 || mine.kind != kind) {
        return false;
    }
    mine.count++;
    const bool strikes = mine.at > 0 && (mine.for_ever ? mine.count >= mine.at : mine.count == mine.at);
    mine.hits += strikes ? 1 : 0;
    return strikes;
}

FAULT_BARE void fault_told(const void *caller)
{
    if (mine.hits == 1 && !mine.caller) {
        mine.caller = caller;
    }
}

const void *fault_caller(void)
{
    return mine.caller;
}
