/* Secrets on their way in: from files, from standard input, from variables. They are zeroed when they are
 * freed. */
#ifndef AD_SECRETS_H
#define AD_SECRETS_H

#include "failure.h"

typedef struct ad_secret {
    char *text; /* NULL: none */
    size_t len;
} ad_secret;

/* Takes a variable over: its text in the environment is overwritten, then the variable is unset. */
int ad_secret_from_environment(ad_secret *secret, const char *name, ad_failure *failure);
/* Reads a file, "-" being standard input; one newline at the end is dropped. `what` names it in errors. */
int ad_secret_from_file(ad_secret *secret, const char *path, const char *what, ad_failure *failure);
void ad_secret_free(ad_secret *secret);

#endif
