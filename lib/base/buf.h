/* A growing byte buffer that knows its ceiling. A failed append makes it `failed`, and it stays so. */
#ifndef WX_BASE_BUF_H
#define WX_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <wxtp/allocator.h>
#include <wxtp/export.h>

typedef struct wx_buf {
    const wxtp_allocator *allocator;
    char *data; /* NUL-terminated once anything was appended */
    size_t len, capacity, max;
    bool failed; /* out of memory, or over max */
    bool nomem;  /* out of memory */
} wx_buf;

void wx_buf_init(wx_buf *buf, const wxtp_allocator *allocator, size_t max);
void wx_buf_free(wx_buf *buf); /* zeroes; ready for init again */
void wx_buf_clear(wx_buf *buf);
bool wx_buf_reserve(wx_buf *buf, size_t more); /* room for so many bytes, so that it need not grow often */
bool wx_buf_add(wx_buf *buf, const void *data, size_t len);
bool wx_buf_text(wx_buf *buf, const char *text);
bool wx_buf_printf(wx_buf *buf, const char *format, ...) WXTP_PRINTF(2, 3);
bool wx_buf_percent(wx_buf *buf, const char *text); /* percent-encoded but for unreserved characters */
const char *wx_buf_str(const wx_buf *buf);          /* never NULL */
char *wx_buf_take(wx_buf *buf);                     /* the text, to be freed by wx_free; NULL when failed */
#define WX_AUTO_BUF __attribute__((cleanup(wx_buf_free))) wx_buf

#endif
