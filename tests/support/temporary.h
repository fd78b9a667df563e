/* Where tests keep their files. */
#ifndef TEST_TEMPORARY_H
#define TEST_TEMPORARY_H

#include <stdbool.h>
#include <stddef.h>

/* Makes a new folder below $TMPDIR, or below /tmp, and writes its name; false where that fails. */
bool temporary_folder(char *name, size_t size);

#endif
