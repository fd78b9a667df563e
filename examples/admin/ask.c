#include "ask.h"
#include <unistd.h>

int ad_ask_check(ad_app *app)
{
    if (!ad_given(app, OPT_YES) && !isatty(STDIN_FILENO))
        return ad_fail_usage(&app->failure, "give --yes", "there is no terminal to ask on");
    return AD_EXIT_OK;
}

int ad_ask(ad_app *app, const char *question, const char *refusal)
{
    char answer[16] = "";

    if (ad_given(app, OPT_YES))
        return AD_EXIT_OK;
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (!fgets(answer, sizeof answer, stdin))
        fputc('\n', stderr);
    if (answer[0] == 'y' || answer[0] == 'Y')
        return AD_EXIT_OK;
    if (ad_signal_seen())
        return ad_fail_interrupted(&app->failure);
    return ad_fail(&app->failure, AD_EXIT_PARTIAL, "usage", "answer y, or give --yes", "%s", refusal);
}
