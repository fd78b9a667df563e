#include "temporary.h"

#include <stdio.h>
#include <stdlib.h>

bool temporary_folder(char *name, size_t size)
{
    const char *parent = getenv("TMPDIR");
    const int len = snprintf(name, size, "%s/wxtp-test-XXXXXX", parent ? parent : P_tmpdir);
    return len > 0 && (size_t)len < size && mkdtemp(name) != NULL;
}
