/* --output-curl: the request of one call as a curl command, and nothing sent. */
#ifndef AD_CURL_H
#define AD_CURL_H

#include "admin.h"

/* Whether the command makes a call that can be shown. Returns an exit code. */
int ad_curl_check(ad_app *app);
/* Instead of running the command. */
int ad_curl_run(ad_app *app);

#endif
