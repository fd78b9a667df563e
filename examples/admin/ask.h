/* Asking a person before something is done. */
#ifndef AD_ASK_H
#define AD_ASK_H

#include "admin.h"

/* Where there is nobody to ask, --yes must be given. Returns an exit code. */
int ad_ask_check(ad_app *app);
/* With --yes, or the answer yes: AD_EXIT_OK. Else `refusal` is what is said, as in "nothing was removed". */
int ad_ask(ad_app *app, const char *question, const char *refusal);

#endif
