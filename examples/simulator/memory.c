#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_stop(void *memory)
{
    if (!memory) {
        fputs("wxtp-simulator: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

void *sim_alloc(size_t size)
{
    return or_stop(calloc(1, size ? size : 1));
}

void *sim_realloc(void *old, size_t size)
{
    return or_stop(realloc(old, size ? size : 1));
}

char *sim_copy_n(const char *text, size_t size)
{
    char *copy = sim_alloc(size + 1);
    if (size)
        memcpy(copy, text, size);
    return copy;
}

char *sim_copy(const char *text)
{
    return sim_copy_n(text, strlen(text));
}

char *sim_format(const char *format, ...)
{
    char *text = NULL;
    va_list list;
    va_start(list, format);
    if (vasprintf(&text, format, list) < 0)
        text = NULL;
    va_end(list);
    return or_stop(text);
}

void sim_replace(char **slot, const char *text)
{
    char *copy = sim_copy(text);
    free(*slot);
    *slot = copy;
}
