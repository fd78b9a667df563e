/* An external merge sort by appid, stable, in bounded memory: chunks are sorted and spooled, then merged. */
#include "batch_file.h"
#include "lines.h"
#include "spool.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 16 << 20, CHUNK_LINES = 400000, RUNS_MAX = 48, APPID_MAX = 63 };

typedef struct run {
    FILE *from;
    char *line; /* the next one, NULL at its end */
    size_t room;
} run;

typedef struct sorter {
    ad_batch_file *file;
    ad_failure *failure;
    char *text;         /* lines of the chunk, each ended by NUL */
    const char **lines; /* into `text` */
    size_t used, count;
    FILE *runs[RUNS_MAX];
    size_t run_count;
} sorter;

/* By the text before the tab; equal ones by their place. */
static int compare(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    size_t x_len = strcspn(x, "\t"), y_len = strcspn(y, "\t");
    int order = memcmp(x, y, x_len < y_len ? x_len : y_len);

    if (order == 0)
        order = (x_len > y_len) - (x_len < y_len);
    return order != 0 ? order : (x > y) - (x < y);
}

static int compare_appids(const char *x, const char *y)
{
    size_t x_len = strcspn(x, "\t"), y_len = strcspn(y, "\t");
    int order = memcmp(x, y, x_len < y_len ? x_len : y_len);

    return order != 0 ? order : (x_len > y_len) - (x_len < y_len);
}

static bool advance(run *r)
{
    ssize_t length = getline(&r->line, &r->room, r->from);

    if (length <= 0) {
        free(r->line);
        r->line = NULL;
        return !ferror(r->from);
    }
    return true;
}

static ad_batch_tenant *new_tenant(ad_batch_file *file, const char *appid, size_t length, off_t at)
{
    if (!file->tenants || file->count == file->room) {
        size_t room = file->room ? file->room * 2 : 64;
        ad_batch_tenant *tenants = realloc(file->tenants, room * sizeof *tenants);
        if (!tenants)
            return NULL;
        file->tenants = tenants;
        file->room = room;
    }
    ad_batch_tenant *fresh = &file->tenants[file->count];
    fresh->appid = strndup(appid, length);
    fresh->begin = at;
    fresh->lines = 0;
    file->count += fresh->appid ? 1 : 0;
    return fresh->appid ? fresh : NULL;
}

/* Notes where a tenant's lines begin and end in the sorted file. */
static bool index_line(ad_batch_file *file, const char *line, off_t at, size_t length)
{
    ad_batch_tenant *last = file->count > 0 ? &file->tenants[file->count - 1] : NULL;
    size_t appid = strcspn(line, "\t");

    if (!last || strlen(last->appid) != appid || memcmp(last->appid, line, appid) != 0)
        last = new_tenant(file, line, appid, at);
    if (!last)
        return false;
    last->end = at + (off_t)length;
    last->lines++;
    return true;
}

/* Merges all runs into `to`; `indexed`: it is the last merge. */
static int merge_into(sorter *s, FILE *to, bool indexed)
{
    run runs[RUNS_MAX] = {{NULL, NULL, 0}};
    off_t at = 0;
    int code = AD_EXIT_OK;

    for (size_t i = 0; i < s->run_count && code == AD_EXIT_OK; i++) {
        runs[i].from = s->runs[i];
        rewind(runs[i].from);
        if (!advance(&runs[i]))
            code = ad_spool_fail(s->failure);
    }
    while (code == AD_EXIT_OK) {
        run *least = NULL; /* of equals the earliest: the sort is stable */
        for (size_t i = 0; i < s->run_count; i++) {
            if (runs[i].line && (!least || compare_appids(runs[i].line, least->line) < 0))
                least = &runs[i];
        }
        if (!least)
            break;
        size_t length = strlen(least->line);
        if (indexed && !index_line(s->file, least->line, at, length))
            code = ad_fail_nomem(s->failure);
        else if (fwrite(least->line, 1, length, to) != length || !advance(least))
            code = ad_spool_fail(s->failure);
        at += (off_t)length;
    }
    if (code == AD_EXIT_OK && fflush(to) != 0)
        code = ad_spool_fail(s->failure);
    for (size_t i = 0; i < s->run_count; i++)
        free(runs[i].line);
    return code;
}

static void close_runs(sorter *s)
{
    while (s->run_count > 0)
        fclose(s->runs[--s->run_count]);
}

static int merge_runs(sorter *s)
{
    FILE *to = ad_spool();

    if (!to)
        return ad_spool_fail(s->failure);
    int code = merge_into(s, to, false);
    close_runs(s);
    s->runs[s->run_count++] = to;
    return code;
}

static int end_chunk(sorter *s)
{
    if (s->count == 0)
        return AD_EXIT_OK;
    if (s->run_count == RUNS_MAX) {
        int code = merge_runs(s);
        if (code != AD_EXIT_OK)
            return code;
    }
    FILE *to = ad_spool();
    if (!to)
        return ad_spool_fail(s->failure);
    s->runs[s->run_count++] = to;
    qsort(s->lines, s->count, sizeof *s->lines, compare);
    for (size_t i = 0; i < s->count; i++)
        fprintf(to, "%s\n", s->lines[i]);
    s->count = s->used = 0;
    return fflush(to) == 0 && !ferror(to) ? AD_EXIT_OK : ad_spool_fail(s->failure);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Appends "APPID\tOPENID". False for a line that is not of that form. */
static bool take_line(sorter *s, const char *text, size_t len)
{
    const char *tab = memchr(text, '\t', len), *end = text + len;

    if (!tab || memchr(text, '\0', len))
        return false;
    const char *appid_end = tab, *openid = tab + 1;
    while (appid_end > text && is_blank(appid_end[-1]))
        appid_end--;
    while (openid < end && *openid == ' ')
        openid++;
    size_t appid_len = (size_t)(appid_end - text), openid_len = (size_t)(end - openid);
    if (appid_len == 0 || appid_len > APPID_MAX || openid_len == 0 || memchr(openid, '\t', openid_len))
        return false;
    for (size_t i = 0; i < appid_len; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
              c == '-'))
            return false;
    }
    char *to = s->text + s->used;
    s->lines[s->count++] = to;
    memcpy(to, text, appid_len);
    to[appid_len] = '\t';
    memcpy(to + appid_len + 1, openid, openid_len);
    to[appid_len + 1 + openid_len] = '\0';
    s->used += appid_len + openid_len + 2;
    return true;
}

static int read_lines(sorter *s, ad_lines *lines)
{
    const char *text, *name = strcmp(lines->path, "-") == 0 ? "standard input" : lines->path;
    size_t len;
    int got, code = AD_EXIT_OK;

    while (code == AD_EXIT_OK && (got = ad_lines_next(lines, &text, &len)) != 0) {
        if (got < 0)
            return ad_lines_fail(lines, s->failure);
        if (lines->too_long || !take_line(s, text, len))
            return ad_fail_usage(s->failure, "write APPID, a tab, OPENID on each line",
                                 "%s, line %lld: it is not of the form APPID<TAB>OPENID", name,
                                 (long long)lines->number);
        if (s->count == CHUNK_LINES || s->used + AD_LINE_MAX + 2 > CHUNK_BYTES)
            code = end_chunk(s);
    }
    return code == AD_EXIT_OK ? end_chunk(s) : code;
}

static int sort_lines(sorter *s, const char *path)
{
    ad_lines *lines = malloc(sizeof *lines);
    int code;

    s->text = malloc(CHUNK_BYTES);
    s->lines = malloc(CHUNK_LINES * sizeof *s->lines);
    if (lines && s->text && s->lines) {
        code = ad_lines_open(lines, path, s->failure);
        if (code == AD_EXIT_OK) {
            code = read_lines(s, lines);
            ad_lines_close(lines);
        }
    } else {
        code = ad_fail_nomem(s->failure);
    }
    free(lines);
    free(s->text);
    free(s->lines);
    return code;
}

int ad_batch_file_load(ad_batch_file *file, const char *path, ad_failure *failure)
{
    sorter s = {.file = file, .failure = failure};
    FILE *sorted = NULL;

    memset(file, 0, sizeof *file);
    file->fd = -1;
    int code = sort_lines(&s, path);
    if (code == AD_EXIT_OK) {
        sorted = ad_spool();
        code = sorted ? merge_into(&s, sorted, true) : ad_spool_fail(failure);
    }
    if (code == AD_EXIT_OK) {
        file->fd = fcntl(fileno(sorted), F_DUPFD_CLOEXEC, 3);
        if (file->fd < 0)
            code = ad_spool_fail(failure);
    }
    close_runs(&s);
    if (sorted)
        fclose(sorted);
    return code;
}

void ad_batch_file_free(ad_batch_file *file)
{
    for (size_t i = 0; i < file->count; i++)
        free(file->tenants[i].appid);
    free(file->tenants);
    if (file->fd >= 0)
        close(file->fd);
}

void ad_batch_reader_init(ad_batch_reader *reader, const ad_batch_file *file, const ad_batch_tenant *tenant)
{
    reader->fd = file->fd;
    reader->at = tenant->begin;
    reader->end = tenant->end;
    reader->begin = reader->filled = 0;
    reader->failed = false;
}

static bool refill(ad_batch_reader *r)
{
    size_t left = r->filled - r->begin;

    memmove(r->buffer, r->buffer + r->begin, left);
    r->begin = 0;
    r->filled = left;
    size_t room = sizeof r->buffer - left;
    if ((off_t)room > r->end - r->at)
        room = (size_t)(r->end - r->at);
    ssize_t got = pread(r->fd, r->buffer + left, room, r->at);
    if (got <= 0)
        return false;
    r->filled += (size_t)got;
    r->at += got;
    return true;
}

int ad_batch_read(void *user, const char **openid, size_t *len)
{
    ad_batch_reader *r = user;
    char *newline;

    while (!(newline = memchr(r->buffer + r->begin, '\n', r->filled - r->begin))) {
        if (r->at == r->end)
            return 0;
        if (!refill(r)) {
            r->failed = true;
            return -1;
        }
    }
    char *line = r->buffer + r->begin, *tab = memchr(line, '\t', (size_t)(newline - line));
    r->begin = (size_t)(newline + 1 - r->buffer);
    *newline = '\0';
    *openid = tab ? tab + 1 : line;
    *len = (size_t)(newline - *openid);
    return 1;
}
