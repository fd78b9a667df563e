#include "counting.h"

#include <stdlib.h>
#include <string.h>

typedef struct head {
    size_t size;
} __attribute__((aligned(_Alignof(max_align_t)))) head;

static void *allocate(void *user, size_t size)
{
    counting *self = user;
    self->calls++;
    if (self->fail_at != 0 && self->calls >= self->fail_at) {
        return NULL;
    }
    head *made = malloc(sizeof(head) + size);
    if (!made) {
        return NULL;
    }
    /* What is handed out is never zero by luck. */
    memset(made + 1, 0xA5, size);
    made->size = size;
    self->live++;
    return made + 1;
}

static void release(void *user, void *memory)
{
    counting *self = user;
    head *made = (head *)memory - 1;
    const unsigned char *bytes = memory;
    for (size_t at = 0; at < made->size; at++) {
        if (bytes[at] != 0) {
            self->not_zeroed++;
            break;
        }
    }
    self->live--;
    free(made);
}

void counting_init(counting *self)
{
    *self = (counting){.allocator = {sizeof(wxtp_allocator), self, allocate, release}};
}
