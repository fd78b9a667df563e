#include "output.h"
#include <errno.h>
#include <libsmartcols.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TABLE_ROWS = 1000, TERMINAL_WIDTH = 80 };

static ssize_t write_out(void *cookie, const char *data, size_t size)
{
    ad_app *app = cookie;
    size_t done = 0;

    if (app->out_error)
        return 0;
    while (done < size) {
        ssize_t written = write(STDOUT_FILENO, data + done, size - done);
        if (written >= 0) {
            done += (size_t)written;
        } else if (errno == EAGAIN) {
            struct pollfd ready = {STDOUT_FILENO, POLLOUT, 0};
            poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            app->out_error = errno;
            return 0;
        }
    }
    return (ssize_t)size;
}

int ad_output_open(ad_app *app)
{
    cookie_io_functions_t functions = {.write = write_out};

    app->out = fopencookie(app, "w", functions);
    if (!app->out)
        return ad_fail_nomem(&app->failure);
    return AD_EXIT_OK;
}

bool ad_output_ok(const ad_app *app)
{
    return app->out_error == 0;
}

int ad_output_close(ad_app *app, int exit_code)
{
    if (!app->out)
        return exit_code;
    fclose(app->out);
    app->out = NULL;
    if (app->out_error == 0 || app->out_error == EPIPE || exit_code == AD_EXIT_INTERNAL)
        return exit_code;
    return ad_fail(&app->failure, AD_EXIT_INTERNAL, "internal", "make room, or write it elsewhere",
                   "standard output: %s", strerror(app->out_error));
}

bool ad_color_wanted(const ad_app *app, int fd)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    return !ad_given(app, OPT_NO_COLOR) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0) &&
           isatty(fd);
}

void ad_put_text(FILE *to, const char *text)
{
    while (*text) {
        size_t bad = ad_unprintable(text);
        fputc(bad ? '?' : *text, to);
        text += bad ? bad : 1;
    }
}

/* A copy without what must not reach a terminal. */
static char *printable(const char *text)
{
    char *copy = malloc(strlen(text) + 1), *to = copy;

    while (copy && *text) {
        size_t bad = ad_unprintable(text);
        *to = *text;
        if (bad)
            *to = '?';
        to++;
        text += bad ? bad : 1;
    }
    if (copy)
        *to = '\0';
    return copy;
}

void ad_field(const ad_app *app, const char *name, const char *value)
{
    int pad = 25 - (int)strlen(name);

    fprintf(app->out, "%s:%*s", name, pad > 1 ? pad : 1, "");
    ad_put_text(app->out, value);
    fputc('\n', app->out);
}

void ad_field_int(const ad_app *app, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)value);
    ad_field(app, name, text);
}

void ad_field_time(const ad_app *app, const char *name, int64_t wall_ms)
{
    char text[AD_TIME_SIZE];

    ad_time_local(wall_ms, text);
    ad_field(app, name, *text ? text : "-");
}

void ad_hex(const void *bytes, size_t len, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;

    for (size_t i = 0; i < len; i++) {
        *hex++ = digits[from[i] >> 4];
        *hex++ = digits[from[i] & 15];
    }
    *hex = '\0';
}

void ad_list_init(ad_list *list, ad_app *app, const char *name, const char *const *headings, size_t columns)
{
    memset(list, 0, sizeof *list);
    list->app = app;
    list->name = name;
    list->headings = headings;
    list->columns = columns;
    ad_json_init(&list->json, app->out);
}

bool ad_list_json(const ad_list *list)
{
    return list->app->json;
}

static void open_document(ad_list *list)
{
    if (list->opened || list->app->lines)
        return;
    list->opened = true;
    ad_json_object(&list->json, NULL);
    ad_json_array(&list->json, list->name);
}

ad_json *ad_list_row_begin(ad_list *list)
{
    open_document(list);
    ad_json_object(&list->json, NULL);
    return &list->json;
}

void ad_list_row_end(ad_list *list)
{
    ad_json_end_object(&list->json);
    list->rows++;
    if (list->app->lines)
        ad_json_line_end(&list->json);
}

static size_t terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return TERMINAL_WIDTH;
}

static bool make_table(ad_list *list)
{
    list->table = scols_new_table();
    if (!list->table)
        return false;
    scols_table_set_stream(list->table, list->app->out);
    if (isatty(STDOUT_FILENO)) {
        scols_table_set_termforce(list->table, SCOLS_TERMFORCE_ALWAYS);
        scols_table_set_termwidth(list->table, terminal_width());
    } else {
        scols_table_set_termforce(list->table, SCOLS_TERMFORCE_NEVER);
    }
    scols_table_enable_noheadings(list->table, list->printed > 0);
    for (size_t i = 0; i < list->columns; i++) {
        if (!scols_table_new_column(list->table, list->headings[i], 0, 0))
            return false;
    }
    return true;
}

static void flush_table(ad_list *list)
{
    if (!list->table)
        return;
    if (scols_print_table(list->table) != 0 && ad_output_ok(list->app))
        list->no_memory = true;
    list->printed += list->rows;
    list->rows = 0;
    scols_unref_table(list->table);
    list->table = NULL;
}

void ad_list_row(ad_list *list, const char *const *cells)
{
    struct libscols_line *line = NULL;

    if (list->table || make_table(list))
        line = scols_table_new_line(list->table, NULL);
    for (size_t i = 0; line && i < list->columns; i++) {
        char *cell = printable(cells[i]);
        if (!cell || scols_line_set_data(line, i, cell) != 0)
            line = NULL;
        free(cell);
    }
    if (!line)
        list->no_memory = true;
    if (++list->rows >= TABLE_ROWS)
        flush_table(list);
}

int ad_list_end(ad_list *list, const char *next)
{
    if (ad_list_json(list)) {
        if (!list->app->lines) {
            open_document(list);
            ad_json_end_array(&list->json);
            ad_json_string_or_null(&list->json, "next", next);
            ad_json_end_object(&list->json);
            ad_json_line_end(&list->json);
        }
        return AD_EXIT_OK;
    }
    flush_table(list);
    if (list->no_memory)
        return ad_fail_nomem(&list->app->failure);
    if (next && !ad_given(list->app, OPT_QUIET)) {
        fflush(list->app->out);
        fprintf(stderr, "there are more: --after %s\n", next);
    }
    return AD_EXIT_OK;
}

void ad_list_free(ad_list *list)
{
    if (list->table)
        scols_unref_table(list->table);
    list->table = NULL;
}

int ad_list_close(ad_list *list, int code, const char *next)
{
    if (code == AD_EXIT_OK || list->opened) {
        int ended = ad_list_end(list, next);
        code = code != AD_EXIT_OK ? code : ended;
    }
    ad_list_free(list);
    return code;
}

void ad_print_link(ad_app *app, const char *tenant, const char *url, int64_t expires_in_s)
{
    ad_json json;

    if (!app->json) {
        fprintf(app->out, "%s\n", url);
        return;
    }
    ad_json_init(&json, app->out);
    ad_json_object(&json, NULL);
    if (tenant)
        ad_json_string(&json, "tenant", tenant);
    ad_json_string(&json, "url", url);
    ad_json_int(&json, "expires_in", expires_in_s);
    ad_json_end_object(&json);
    ad_json_line_end(&json);
}
