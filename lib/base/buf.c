#include "base/buf.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { SMALLEST = 64 };

void wx_buf_init(wx_buf *buf, const wxtp_allocator *allocator, size_t max)
{
    /* One byte more than `max` must be countable, for the NUL. */
    assert(max < SIZE_MAX);
    *buf = (wx_buf){.allocator = allocator, .max = max};
}

void wx_buf_free(wx_buf *buf)
{
    wx_free(buf->data);
    buf->data = NULL;
    buf->len = 0;
    buf->capacity = 0;
    buf->failed = buf->nomem = false;
}

void wx_buf_clear(wx_buf *buf)
{
    if (buf->data) {
        OPENSSL_cleanse(buf->data, buf->len);
        buf->data[0] = '\0';
    }
    buf->len = 0;
    buf->failed = buf->nomem = false;
}

/* Room for `more` bytes and the NUL. */
static bool reserve(wx_buf *buf, size_t more)
{
    assert(buf->len <= buf->max);
    if (buf->failed) {
        return false;
    }
    if (more > buf->max - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + more + 1;
    if (need <= buf->capacity) {
        return true;
    }
    size_t capacity = buf->capacity > SIZE_MAX / 2 ? SIZE_MAX : buf->capacity * 2;
    if (capacity < SMALLEST) {
        capacity = SMALLEST;
    }
    if (capacity < need) {
        capacity = need;
    }
    if (capacity > buf->max + 1) {
        capacity = buf->max + 1;
    }
    char *data = wx_resize(buf->allocator, buf->data, capacity);
    if (!data) {
        buf->failed = buf->nomem = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

bool wx_buf_reserve(wx_buf *buf, size_t more)
{
    return reserve(buf, more);
}

bool wx_buf_add(wx_buf *buf, const void *data, size_t len)
{
    if (!reserve(buf, len)) {
        return false;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, data, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
    return true;
}

bool wx_buf_text(wx_buf *buf, const char *text)
{
    return wx_buf_add(buf, text, text ? strlen(text) : 0);
}

bool wx_buf_printf(wx_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0) {
        buf->failed = true;
    }
    if (len < 0 || !reserve(buf, (size_t)len)) {
        return false;
    }
    /* Formatted in place: a copy on the stack could leave a secret there. */
    va_start(args, format);
    int written = vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
    va_end(args);
    assert(written == len);
    (void)written;
    buf->len += (size_t)len;
    return true;
}

bool wx_buf_percent(wx_buf *buf, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    bool ok = reserve(buf, 0);
    const char *from = text ? text : "";
    for (const char *at = from; ok && *from; from = at) {
        at += strspn(at, unreserved);
        ok = wx_buf_add(buf, from, (size_t)(at - from));
        if (ok && *at) {
            const unsigned char c = (unsigned char)*at++;
            const char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
            ok = wx_buf_add(buf, escaped, sizeof(escaped));
        }
    }
    return ok;
}

const char *wx_buf_str(const wx_buf *buf)
{
    return buf->data ? buf->data : "";
}

char *wx_buf_take(wx_buf *buf)
{
    /* An empty text is a text too. */
    if (!wx_buf_add(buf, NULL, 0)) {
        return NULL;
    }
    char *data = buf->data;
    buf->data = NULL;
    buf->len = 0;
    buf->capacity = 0;
    return data;
}
