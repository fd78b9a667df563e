/* What is still told of a job when a second signal stops its run at once. No handler may write it: the
 * program is started anew in the process's place, with a line that shows the job as it is stored. */
#ifndef AD_LAST_WORDS_H
#define AD_LAST_WORDS_H

#include "admin.h"

enum { AD_LAST_WORDS_MAX = 16 };

typedef struct ad_last_words {
    char *words[AD_LAST_WORDS_MAX]; /* an argument vector */
    size_t count;
} ad_last_words;

/* From here to the end of the run a second signal tells of this job. Without memory it only stops. */
void ad_last_words_begin(ad_last_words *last, const ad_app *app, const char *job_id);
void ad_last_words_end(ad_last_words *last);

/* Whether a line is of that kind; then its first two words are taken off, and `exit_code` is what it ends
 * with. */
bool ad_last_words_take(int *argc, char ***argv, int *exit_code);
/* The failure that it ends with. */
int ad_last_words_fail(ad_app *app, int exit_code);

#endif
