/* Which operation of this thread is to fail. The fakes of a test pause the plan while they work themselves.
 */
#ifndef WXTP_FAULT_PLAN_H
#define WXTP_FAULT_PLAN_H

#include <stdbool.h>
#include <stdint.h>

/* Of what is called before the sanitizers have set themselves up. */
#define FAULT_BARE                                                                                           \
    __attribute__((no_sanitize("address"))) __attribute__((no_sanitize("undefined")))                        \
    __attribute__((no_sanitize("thread")))

typedef enum fault_kind {
    FAULT_MEMORY,   /* malloc and its like, mmap, mprotect: of every library */
    FAULT_READ,     /* EIO */
    FAULT_WRITE,    /* EIO */
    FAULT_FULL,     /* a write for which there is no room: half of it is done */
    FAULT_SYNC,     /* fsync, fdatasync */
    FAULT_LOCK,     /* locks of SQLite and of the lock file */
    FAULT_OPEN,     /* files of SQLite, and the library's own */
    FAULT_TRUNCATE, /* also deleting and renaming */
    FAULT_SHARED,   /* the WAL's shared memory: mapping */
    FAULT_SOCKET,   /* a new socket, epoll or eventfd: EMFILE; epoll_ctl: ENOSPC */
    FAULT_KINDS
} fault_kind;

extern const char *const fault_names[FAULT_KINDS];

/* The `at`-th operation of a kind fails, from 1; 0: none, all are counted. `for_ever`: and all after it. */
void fault_arm(fault_kind kind, int64_t at, bool for_ever);
void fault_disarm(void);
int64_t fault_count(void); /* operations of the kind since it was armed */
int64_t fault_hits(void);  /* of these, failed */

void fault_pause(void);
void fault_resume(void);

/* Asked by what stands in for an operation: whether this one fails. */
bool fault_strikes(fault_kind kind);
/* Where the first one struck, or the armed kind is counted: an address inside the caller. */
void fault_told(const void *caller);
const void *fault_caller(void);

#endif
