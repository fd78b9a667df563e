/* Allocation that never answers NULL: a test tool that runs out of memory says so and stops. */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stddef.h>

void *sim_alloc(size_t size);
void *sim_realloc(void *old, size_t size);
char *sim_copy(const char *text);
char *sim_copy_n(const char *text, size_t size);
char *sim_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Replaces *slot by a copy of text and frees what was there. */
void sim_replace(char **slot, const char *text);

#endif
