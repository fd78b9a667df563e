#include "last_words.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char mark[] = "__stopped";

static bool add(ad_last_words *last, const char *before, const char *text)
{
    char *word = NULL;

    if (last->count + 1 >= AD_LAST_WORDS_MAX || asprintf(&word, "%s%s", before, text) < 0)
        return false;
    last->words[last->count++] = word;
    last->words[last->count] = NULL;
    return true;
}

static bool add_all(ad_last_words *last, const ad_app *app, const char *job_id)
{
    const char *component = ad_text(app, OPT_COMPONENT);

    return add(last, "wxtp-admin", "") && add(last, mark, "") && add(last, "", "") && add(last, "job", "") &&
           add(last, "show", "") && add(last, "--db=", app->db_path) &&
           add(last, "--master-key-file=", app->key_path) && add(last, "--api-base=", app->api_base) &&
           add(last, "--cloud-base=", app->cloud_base) &&
           (!component || add(last, "--component=", component)) && (!app->json || add(last, "--json", "")) &&
           add(last, "--", "") && add(last, job_id, "");
}

void ad_last_words_begin(ad_last_words *last, const ad_app *app, const char *job_id)
{
    memset(last, 0, sizeof *last);
    if (add_all(last, app, job_id))
        ad_signals_last_words(last->words);
}

void ad_last_words_end(ad_last_words *last)
{
    ad_signals_last_words(NULL);
    while (last->count > 0)
        free(last->words[--last->count]);
}

bool ad_last_words_take(int *argc, char ***argv, int *exit_code)
{
    if (*argc <= AD_LAST_WORDS_CODE + 1 || strcmp((*argv)[1], mark) != 0)
        return false;
    *exit_code = strcmp((*argv)[AD_LAST_WORDS_CODE], "143") == 0 ? 143 : 130;
    *argc -= AD_LAST_WORDS_CODE;
    *argv += AD_LAST_WORDS_CODE;
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr); /* leaves a progress bar alone */
    return true;
}

int ad_last_words_fail(ad_app *app, int exit_code)
{
    char hint[128];

    snprintf(hint, sizeof hint, "an unfinished job goes on with wxtp-admin job resume %.63s",
             app->line.arg_count > 0 ? app->line.args[0] : "");
    return ad_fail(&app->failure, exit_code, "interrupted", hint, "stopped at once");
}
