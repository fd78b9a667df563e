/* Own memory: through the allocator port, its size remembered, zeroed when freed. */
#ifndef WX_BASE_MEM_H
#define WX_BASE_MEM_H

#include <stddef.h>
#include <wxtp/allocator.h>

/* NULL stands for malloc and free. An allocation remembers its allocator, so freeing needs none. */
void *wx_alloc(const wxtp_allocator *allocator,
               size_t size); /* zeroed; NULL when out of memory or size is 0 */
void *wx_alloc_unset(const wxtp_allocator *allocator, size_t size);               /* the same, not zeroed */
void *wx_alloc_array(const wxtp_allocator *allocator, size_t count, size_t size); /* NULL on overflow too */
void *wx_resize(const wxtp_allocator *allocator, void *memory,
                size_t size); /* keeps content; zeroes what is left behind */
char *wx_strndup(const wxtp_allocator *allocator, const char *text, size_t len);
char *wx_strdup(const wxtp_allocator *allocator, const char *text); /* NULL text: NULL */
void wx_free(void *memory);                                         /* zeroes all of it; NULL does nothing */

/* For cleanup attributes: `WX_AUTO_FREE char *text = NULL;` */
void wx_free_at(void *pointer_to_pointer);
#define WX_AUTO_FREE __attribute__((cleanup(wx_free_at)))
/* Hands on what a cleanup attribute would free. */
#define WX_TAKE(pointer)                                                                                     \
    __extension__({                                                                                          \
        __typeof__(pointer) wx_taken_ = (pointer);                                                           \
        (pointer) = NULL;                                                                                    \
        wx_taken_;                                                                                           \
    })

/* Copies `text` into an array, cut at its size and always terminated; NULL text: "". Returns whether it was
 * whole. */
int wx_copy(char *target, size_t size, const char *text);

#endif
