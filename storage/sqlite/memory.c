/* Own memory, through the allocator port; zeroed before it is given back, so each block knows its size. */
#include "internal.h"
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#define HEADER (alignof(max_align_t) > sizeof(size_t) ? alignof(max_align_t) : sizeof(size_t))

void *sq_allocate(const sq_memory *memory, size_t size)
{
    if (size > SIZE_MAX - HEADER)
        return NULL;
    char *block = memory->allocator.allocate(memory->allocator.user, HEADER + size);
    if (block == NULL)
        return NULL;
    memset(block, 0, HEADER + size);
    memcpy(block, &size, sizeof size);
    return block + HEADER;
}

void sq_release(const sq_memory *memory, void *data)
{
    if (data == NULL)
        return;
    char *block = (char *)data - HEADER;
    size_t size;
    memcpy(&size, block, sizeof size);
    explicit_bzero(block, HEADER + size);
    memory->allocator.release(memory->allocator.user, block);
}

char *sq_copy(const sq_memory *memory, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? sq_allocate(memory, len + 1) : NULL;
    if (copy != NULL)
        memcpy(copy, text, len);
    return copy;
}

char *sq_join(const sq_memory *memory, const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > SIZE_MAX - 1 - b_len)
        return NULL;
    char *text = sq_allocate(memory, a_len + b_len + 1);
    if (text != NULL)
        snprintf(text, a_len + b_len + 1, "%s%s", a, b);
    return text;
}

wxtp_status sq_buffer_reserve(const sq_memory *memory, sq_buffer *buffer, size_t size)
{
    buffer->used = 0;
    if (size <= buffer->size)
        return WXTP_OK;
    size_t room = size < 1024 ? 1024 : size;
    char *data = sq_allocate(memory, room);
    if (data == NULL)
        return WXTP_ERR_NOMEM;
    sq_release(memory, buffer->data);
    buffer->data = data;
    buffer->size = room;
    return WXTP_OK;
}

void sq_buffer_free(const sq_memory *memory, sq_buffer *buffer)
{
    sq_release(memory, buffer->data);
    *buffer = (sq_buffer){NULL, 0, 0};
}
