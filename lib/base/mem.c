#include "base/mem.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Stands before every allocation. It keeps the release function itself and not the allocator's address,
 * because errors and results outlive the platform whose copy of the allocator made them.
 */
typedef struct wx_prefix {
    void (*release)(void *user, void *memory); /* NULL: free */
    void *user;
    size_t size; /* of what follows */
} __attribute__((aligned(_Alignof(max_align_t)))) wx_prefix;

static_assert(sizeof(wx_prefix) % alignof(max_align_t) == 0,
              "what follows the prefix is aligned for any object");

static wx_prefix *prefix_of(void *memory)
{
    return (wx_prefix *)memory - 1;
}

void *wx_alloc_unset(const wxtp_allocator *allocator, size_t size)
{
    if (size == 0 || size > (size_t)PTRDIFF_MAX - sizeof(wx_prefix)) {
        return NULL;
    }
    size_t whole = size + sizeof(wx_prefix);
    wx_prefix *prefix = NULL;
    if (allocator) {
        assert(allocator->allocate && allocator->release);
        prefix = allocator->allocate(allocator->user, whole);
    } else {
        prefix = malloc(whole);
    }
    if (!prefix) {
        return NULL;
    }
    *prefix = (wx_prefix){
        .release = allocator ? allocator->release : NULL,
        .user = allocator ? allocator->user : NULL,
        .size = size,
    };
    return prefix + 1;
}

void *wx_alloc(const wxtp_allocator *allocator, size_t size)
{
    void *memory = wx_alloc_unset(allocator, size);
    if (memory) {
        memset(memory, 0, size);
    }
    return memory;
}

void *wx_alloc_array(const wxtp_allocator *allocator, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    return wx_alloc(allocator, count * size);
}

void *wx_resize(const wxtp_allocator *allocator, void *memory, size_t size)
{
    char *fresh = wx_alloc_unset(allocator, size);
    if (fresh) {
        const size_t old = memory ? prefix_of(memory)->size : 0;
        const size_t kept = old < size ? old : size;
        if (kept > 0) {
            memcpy(fresh, memory, kept);
        }
        memset(fresh + kept, 0, size - kept);
        wx_free(memory);
    }
    return fresh;
}

char *wx_strndup(const wxtp_allocator *allocator, const char *text, size_t len)
{
    if (!text || len == SIZE_MAX) {
        return NULL;
    }
    char *copy = wx_alloc(allocator, len + 1);
    if (copy && len > 0) {
        memcpy(copy, text, len);
    }
    return copy;
}

char *wx_strdup(const wxtp_allocator *allocator, const char *text)
{
    return text ? wx_strndup(allocator, text, strlen(text)) : NULL;
}

void wx_free(void *memory)
{
    if (!memory) {
        return;
    }
    wx_prefix *prefix = prefix_of(memory);
    void (*release)(void *user, void *memory) = prefix->release;
    void *user = prefix->user;
    OPENSSL_cleanse(prefix, sizeof(wx_prefix) + prefix->size);
    if (release) {
        release(user, prefix);
    } else {
        free(prefix);
    }
}

void wxtp_free(void *memory)
{
    wx_free(memory);
}

void wx_free_at(void *pointer_to_pointer)
{
    void *memory = NULL;
    memcpy(&memory, pointer_to_pointer, sizeof(memory));
    wx_free(memory);
}

int wx_copy(char *target, size_t size, const char *text)
{
    assert(target && size > 0);
    size_t len = text ? strlen(text) : 0;
    size_t kept = len < size ? len : size - 1;
    if (kept > 0) {
        memmove(target, text, kept);
    }
    target[kept] = '\0';
    return kept == len;
}
