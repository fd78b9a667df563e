/* A platform with every kind of row, the same at the start of each input: made once, then put back from
 * memory. */
#ifndef WXTP_FUZZ_STAGE_H
#define WXTP_FUZZ_STAGE_H

#include "world.h"

#include "fuzz.h"

#define STAGE_MERCHANT "wxa00000000000000a" /* authorized, with a job that is paused */
#define STAGE_WAITING "wxb00000000000000b"  /* its code waits to be exchanged */
#define STAGE_OWN "wxd00000000000000d"
#define STAGE_CLOUD "wxe00000000000000e"
#define STAGE_ACCESS "access-of-the-merchant-0123456789"
#define STAGE_REFRESH "refresh-of-the-merchant-0123456789"

#define STAGE_UNBLACKLIST "/cgi-bin/tags/members/batchunblacklist"
#define STAGE_BLACKLIST "/cgi-bin/tags/members/getblacklist"

/* The world with its files put back, nothing opened, and sensible answers to every call. */
world *stage_reset(void);
/* Opens the platform; false where that is refused. */
bool stage_open(world *w);
void stage_close(world *w);
/* The id of the paused job. */
const char *stage_job(void);
/* Looks at everything, works on everything; all that may fail may. */
void stage_use(world *w);

#endif
