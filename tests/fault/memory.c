/*
 * Stands before malloc and its like in the whole program: a definition in the executable is found before
 * those of shared libraries, so that SQLite's, OpenSSL's, libcurl's, json-c's and expat's calls come here
 * too. free is left alone.
 */
#undef _FORTIFY_SOURCE /* what is defined here is inline there */

#include <dlfcn.h>
#include <errno.h>
#include <json_c_version.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plan.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REAL(name) __asm__("__interceptor_" name)
#else
#define REAL(name) __asm__("__libc_" name)
#endif

#define SEEN FAULT_BARE __attribute__((visibility("default")))

void *real_malloc(size_t size) REAL("malloc");
void *real_calloc(size_t count, size_t size) REAL("calloc");
void *real_realloc(void *memory, size_t size) REAL("realloc");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
void *real_aligned(size_t alignment, size_t size) REAL("aligned_alloc");
#else
void *real_aligned(size_t alignment, size_t size) REAL("memalign");
#endif

static FAULT_BARE bool strikes(const void *caller)
{
    if (!fault_strikes(FAULT_MEMORY)) {
        return false;
    }
    fault_told(caller);
    errno = ENOMEM;
    return true;
}

SEEN void *malloc(size_t size)
{
    return strikes(__builtin_return_address(0)) ? NULL : real_malloc(size);
}

/*
 * json-c before 0.17 does not look whether it got a member's name, and ends the program: what the library
 * does about it is in lib/codec/json.c. Its copies of names are spared here.
 */
static FAULT_BARE bool of_old_json_c(const void *caller)
{
    Dl_info where = {.dli_fname = NULL};
    return json_c_version_num() < ((0 << 16) | (17 << 8)) && dladdr(caller, &where) != 0 && where.dli_fname &&
           strstr(where.dli_fname, "libjson-c");
}

SEEN char *strdup(const char *text)
{
    const bool spared = of_old_json_c(__builtin_return_address(0));
    const size_t size = strlen(text) + 1;
    char *copy = !spared && strikes(__builtin_return_address(0)) ? NULL : real_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

SEEN void *calloc(size_t count, size_t size)
{
    return strikes(__builtin_return_address(0)) ? NULL : real_calloc(count, size);
}

SEEN void *realloc(void *memory, size_t size)
{
    return strikes(__builtin_return_address(0)) ? NULL : real_realloc(memory, size);
}

SEEN void *aligned_alloc(size_t alignment, size_t size)
{
    return strikes(__builtin_return_address(0)) ? NULL : real_aligned(alignment, size);
}

SEEN int posix_memalign(void **memory, size_t alignment, size_t size)
{
    if (strikes(__builtin_return_address(0))) {
        return ENOMEM;
    }
    *memory = real_aligned(alignment, size);
    return *memory ? 0 : ENOMEM;
}

/* Stacks of tasks, and SQLite's shared memory. */
SEEN void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (strikes(__builtin_return_address(0))) {
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset); /* NOLINT */
}

SEEN int mprotect(void *address, size_t size, int protection)
{
    return strikes(__builtin_return_address(0)) ? -1 : (int)syscall(SYS_mprotect, address, size, protection);
}
