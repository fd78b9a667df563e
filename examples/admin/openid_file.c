#include "openid_file.h"
#include <string.h>

int ad_openids_open(ad_openids *openids, char **args, int count, const char *file, ad_failure *failure)
{
    openids->args = args;
    openids->count = count;
    openids->next = 0;
    openids->has_file = file != NULL;
    openids->held = openids->failed = false;
    openids->lines.fd = -1;
    return file ? ad_lines_open(&openids->lines, file, failure) : AD_EXIT_OK;
}

/* Blanks around are dropped on the command line too. */
static void take_arg(const char *arg, const char **openid, size_t *len)
{
    arg += strspn(arg, " \t\r\n");
    *openid = arg;
    *len = strlen(arg);
    while (*len > 0 && strchr(" \t\r\n", arg[*len - 1]))
        --*len;
}

int ad_openids_read(void *user, const char **openid, size_t *len)
{
    ad_openids *openids = user;

    if (openids->held) {
        openids->held = false;
        *openid = openids->held_text;
        *len = openids->held_len;
        return 1;
    }
    if (openids->next < openids->count) {
        take_arg(openids->args[openids->next++], openid, len);
        return 1;
    }
    if (!openids->has_file)
        return 0;
    int got = ad_lines_next(&openids->lines, openid, len);
    openids->failed = got < 0;
    return got;
}

int ad_openids_any(ad_openids *openids)
{
    int got = ad_openids_read(openids, &openids->held_text, &openids->held_len);

    openids->held = got > 0;
    return got;
}

void ad_openids_close(ad_openids *openids)
{
    if (openids->has_file)
        ad_lines_close(&openids->lines);
}
