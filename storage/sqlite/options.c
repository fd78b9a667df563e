/* Options: copied as far as the caller's struct reaches, defaults filled in. */
#include "internal.h"
#include <stdlib.h>
#include <string.h>

/* What the first version of the struct has; a later one may be longer. */
#define SIZE_V1 (offsetof(wxtp_sqlite_options, allocator) + sizeof(void *))

static void *allocate(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

wxtp_status sq_options_read(const wxtp_sqlite_options *from, sq_options *to, char *message, size_t size)
{
    wxtp_sqlite_options all = {0};
    memset(to, 0, sizeof *to);
    if (from == NULL || from->struct_size < SIZE_V1) {
        sq_say(message, size, "the options' struct_size is not set");
        return WXTP_ERR_INVALID;
    }
    memcpy(&all, from, from->struct_size < sizeof all ? from->struct_size : sizeof all);
    if (all.path == NULL || all.path[0] == '\0' || all.busy_ms < 0) {
        sq_say(message, size, "the path is empty or the busy time-out negative");
        return WXTP_ERR_INVALID;
    }
    if (all.clock != NULL && all.clock->struct_size < sizeof to->clock) {
        sq_say(message, size, "the clock's struct_size is not set");
        return WXTP_ERR_INVALID;
    }
    if (all.allocator != NULL && all.allocator->struct_size < sizeof(wxtp_allocator)) {
        sq_say(message, size, "the allocator's struct_size is not set");
        return WXTP_ERR_INVALID;
    }
    to->path = all.path;
    to->create = all.create;
    to->migrate = all.migrate;
    to->busy_ms = all.busy_ms != 0 ? all.busy_ms : SQ_BUSY_MS;
    to->clock = all.clock != NULL ? *all.clock : *wxtp_clock_system();
    to->memory.allocator = (wxtp_allocator){sizeof(wxtp_allocator), NULL, allocate, release};
    if (all.allocator != NULL)
        to->memory.allocator = *all.allocator;
    return WXTP_OK;
}
