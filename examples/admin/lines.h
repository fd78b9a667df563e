/* Reads a list file line by line, of any length, in bounded memory. */
#ifndef AD_LINES_H
#define AD_LINES_H

#include "failure.h"

enum { AD_LINE_MAX = 4096 };

typedef struct ad_lines {
    int fd;           /* -1: none */
    const char *path; /* "-": standard input */
    int64_t number;   /* of the line given last */
    bool too_long;    /* that line was cut */
    int error;        /* errno of a read that failed */
    size_t at, end;
    size_t len;
    bool eof, past_first;
    char line[AD_LINE_MAX + 1];
    char buffer[65536];
} ad_lines;

int ad_lines_open(ad_lines *lines, const char *path, ad_failure *failure);
/*
 * The next line that is neither blank nor begins with "#", without BOM, trailing CR and blanks around;
 * borrowed until the next call. Returns 1, 0 at the end, -1 on failure.
 */
int ad_lines_next(ad_lines *lines, const char **text, size_t *len);
int ad_lines_fail(const ad_lines *lines, ad_failure *failure);
void ad_lines_close(ad_lines *lines);

#endif
