#include "lines.h"
#include "signals.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ad_lines_open(ad_lines *lines, const char *path, ad_failure *failure)
{
    struct stat facts;

    lines->path = path;
    lines->number = 0;
    lines->too_long = lines->eof = lines->past_first = false;
    lines->error = 0;
    lines->at = lines->end = lines->len = 0;
    lines->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (lines->fd < 0)
        return ad_fail_file(failure, "file", path, errno);
    if (fstat(lines->fd, &facts) == 0 && S_ISDIR(facts.st_mode)) {
        ad_lines_close(lines);
        return ad_fail_file(failure, "file", path, EISDIR);
    }
    return AD_EXIT_OK;
}

static bool fill(ad_lines *lines)
{
    ssize_t got = ad_signal_seen() ? -1 : read(lines->fd, lines->buffer, sizeof lines->buffer);

    if (ad_signal_seen()) { /* even where the end has come: what was read may be half a list */
        lines->error = EINTR;
        return false;
    }
    if (got < 0) {
        lines->error = errno;
        return false;
    }
    lines->eof = got == 0;
    lines->at = 0;
    lines->end = (size_t)got;
    return true;
}

/* Reads one whole line; what does not fit is dropped. Returns 1, 0 at the end, -1. */
static int read_line(ad_lines *lines)
{
    bool any = false;

    lines->len = 0;
    lines->too_long = false;
    for (;;) {
        if (lines->at == lines->end && !lines->eof && !fill(lines))
            return -1;
        if (lines->eof)
            return any;
        any = true;
        const char *start = lines->buffer + lines->at;
        size_t left = lines->end - lines->at;
        const char *newline = memchr(start, '\n', left);
        size_t span = newline ? (size_t)(newline - start) : left;
        size_t room = AD_LINE_MAX - lines->len;
        size_t take = span < room ? span : room;
        memcpy(lines->line + lines->len, start, take);
        lines->len += take;
        lines->too_long = lines->too_long || take < span;
        lines->at += span + (newline ? 1 : 0);
        if (newline)
            return 1;
    }
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

int ad_lines_next(ad_lines *lines, const char **text, size_t *len)
{
    for (;;) {
        int got = read_line(lines);
        if (got <= 0)
            return got;
        lines->number++;
        char *start = lines->line, *end = lines->line + lines->len;
        if (!lines->past_first && lines->len >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0)
            start += 3;
        lines->past_first = true;
        if (end > start && end[-1] == '\r')
            end--;
        while (end > start && blank(end[-1]))
            end--;
        while (end > start && blank(*start))
            start++;
        *end = '\0';
        if (start == end || *start == '#')
            continue;
        *text = start;
        *len = (size_t)(end - start);
        return 1;
    }
}

int ad_lines_fail(const ad_lines *lines, ad_failure *failure)
{
    const char *name = strcmp(lines->path, "-") == 0 ? "of standard input" : lines->path;

    return ad_fail_file(failure, "file", name, lines->error);
}

void ad_lines_close(ad_lines *lines)
{
    if (lines->fd > STDIN_FILENO)
        close(lines->fd);
    lines->fd = -1;
}
