/* Standard output: objects as lines, lists as tables or JSON. */
#ifndef AD_OUTPUT_H
#define AD_OUTPUT_H

#include "admin.h"

/* Opens `app->out` on standard output; remembers how writing failed. */
int ad_output_open(ad_app *app);
/* False when writing failed: there is no point in going on. */
bool ad_output_ok(const ad_app *app);
/* Writes what is left. Turns trouble but a closed pipe into an exit code. */
int ad_output_close(ad_app *app, int exit_code);
bool ad_color_wanted(const ad_app *app, int fd);

/* Text of others: what would move the cursor is shown as "?". */
void ad_put_text(FILE *to, const char *text);
/* "name:      value" */
void ad_field(const ad_app *app, const char *name, const char *value);
void ad_field_int(const ad_app *app, const char *name, int64_t value);
void ad_field_time(const ad_app *app, const char *name, int64_t wall_ms);

enum { AD_PUSH_ID = 12 }; /* digits of a push's id that people are shown */
/* Two digits a byte, and a NUL. */
void ad_hex(const void *bytes, size_t len, char *hex);

/* A list in the form that was asked for. Nothing is written before its first row, or its end. */
typedef struct ad_list {
    ad_app *app;
    const char *name; /* "tenants" */
    ad_json json;
    struct libscols_table *table;
    const char *const *headings; /* of a table */
    size_t columns, rows, printed;
    bool opened, no_memory;
} ad_list;

void ad_list_init(ad_list *list, ad_app *app, const char *name, const char *const *headings, size_t columns);
bool ad_list_json(const ad_list *list); /* rows are to be written as JSON */
/* JSON: the writer, set to take one object. */
ad_json *ad_list_row_begin(ad_list *list);
void ad_list_row_end(ad_list *list);
/* Table: one text a column. */
void ad_list_row(ad_list *list, const char *const *cells);
/* Ends it; `next` NULL: there is no more. Returns an exit code. */
int ad_list_end(ad_list *list, const char *next);
void ad_list_free(ad_list *list);
/* Ends and frees it after `code`; after trouble only where something is printed already. Returns an exit
 * code. */
int ad_list_close(ad_list *list, int code, const char *next);

/* A link to authorize by; `tenant` NULL: of nobody in particular. */
void ad_print_link(ad_app *app, const char *tenant, const char *url, int64_t expires_in_s);

#endif
