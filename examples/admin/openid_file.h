/* The openids of a command: those on the line first, then those of its file. */
#ifndef AD_OPENID_FILE_H
#define AD_OPENID_FILE_H

#include "lines.h"

typedef struct ad_openids {
    char **args;
    int count, next;
    bool has_file;
    ad_lines lines;
    bool held; /* the first one was looked at and comes again */
    const char *held_text;
    size_t held_len;
    bool failed;
} ad_openids;

/* `file` NULL: none. */
int ad_openids_open(ad_openids *openids, char **args, int count, const char *file, ad_failure *failure);
/* Looks whether there is one. Returns 1, 0 or -1. */
int ad_openids_any(ad_openids *openids);
/* A wxtp_openid_reader. */
int ad_openids_read(void *user, const char **openid, size_t *len);
void ad_openids_close(ad_openids *openids);

#endif
