/**
 * @file allocator.h
 * The allocator port: where libwxtp takes its own memory from. What libcurl, json-c, expat and SQLite
 * allocate goes through their own hooks. The stacks of tasks (one for each submission and worker under way)
 * are mapped with `mmap`: 512 KiB of address space, of which only what is touched takes memory.
 */
#ifndef WXTP_ALLOCATOR_H
#define WXTP_ALLOCATOR_H

#include <stddef.h>
#include <wxtp/export.h>

WXTP_BEGIN_DECLS

/** Set `struct_size` to `sizeof(wxtp_allocator)`. Both functions must be callable from any thread. */
typedef struct wxtp_allocator {
    size_t struct_size;
    void *user;
    /** Returns memory aligned for any object, or NULL. `size` is never 0. */
    void *(*allocate)(void *user, size_t size);
    /** Takes back what `allocate` returned; never NULL. The bytes have been zeroed. */
    void (*release)(void *user, void *memory);
} wxtp_allocator;

/**
 * Frees a string or buffer that a libwxtp function documented as to be freed so. Zeroes it first.
 *
 * @param memory what was received; NULL does nothing.
 * Threading: any thread. Blocking: no. Since: 0.1.0.
 */
WXTP_API void wxtp_free(void *memory);

WXTP_END_DECLS
#endif
