#include "spool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

FILE *ad_spool(void)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];

    if (!folder || !*folder)
        folder = "/tmp";
    if (snprintf(path, sizeof path, "%s/wxtp-admin-XXXXXX", folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return NULL;
    unlink(path);
    FILE *file = fdopen(fd, "w+");
    if (!file)
        close(fd);
    return file;
}

bool ad_spool_ok(FILE *spool)
{
    errno = EIO;
    return fflush(spool) == 0 && !ferror(spool);
}

void ad_spool_copy(FILE *spool, FILE *to)
{
    char buffer[4096];
    size_t got;

    rewind(spool);
    while ((got = fread(buffer, 1, sizeof buffer, spool)) > 0)
        fwrite(buffer, 1, got, to);
}

int ad_spool_fail(ad_failure *failure)
{
    return ad_fail(failure, AD_EXIT_INTERNAL, "internal", "make room for temporary files, or set TMPDIR",
                   "temporary file: %s", strerror(errno));
}
