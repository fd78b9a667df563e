/* SIGINT and SIGTERM: the first asks the platform to stop, the second ends the process. */
#ifndef AD_SIGNALS_H
#define AD_SIGNALS_H

#include <stdbool.h>
#include <wxtp/platform.h>

/* `json`: the form of the lines that a second signal writes. */
void ad_signals_install(bool json);
/* The platform that a signal stops; NULL: none. A signal that came earlier stops it at once. */
void ad_signals_attach(wxtp_platform *platform);
bool ad_signal_seen(void);
/* What a second signal starts in this process's place: an argument vector, whose word AD_LAST_WORDS_CODE
 * becomes the exit code. NULL: it ends the process. */
enum { AD_LAST_WORDS_CODE = 2 };
void ad_signals_last_words(char **words);
/* 130 or 143 by the first signal; 130 where there was none. */
int ad_signal_exit_code(void);

#endif
