/* Temporary files: private, and gone with the process. */
#ifndef AD_SPOOL_H
#define AD_SPOOL_H

#include "failure.h"

/* In TMPDIR, or /tmp. NULL with errno. */
FILE *ad_spool(void);
/* Whether all of it could be written; else errno says why not. */
bool ad_spool_ok(FILE *spool);
/* Copies all that was written to it. */
void ad_spool_copy(FILE *spool, FILE *to);
/* From errno. Returns the exit code. */
int ad_spool_fail(ad_failure *failure);

#endif
