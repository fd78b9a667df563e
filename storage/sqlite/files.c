/* Files, before SQLite has them open or after: closing one that it has open would drop its locks. */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sq_file_create(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && fchmod(fd, 0600) != 0) { /* a umask may have taken our own bits */
        int error = errno;
        close(fd);
        unlink(path);
        errno = error;
        return -1;
    }
    return fd;
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

int sq_file_sync(const char *path)
{
    return sync_path(path, O_RDONLY);
}

/* The folder part of a path: its length, 0 where there is none. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
}

static char *folder_of(const sq_memory *memory, const char *path)
{
    size_t len = folder_length(path);
    return len > 0 ? sq_copy(memory, path, len) : sq_copy(memory, ".", 1);
}

int sq_folder_sync(const sq_memory *memory, const char *path)
{
    char *folder = folder_of(memory, path);
    if (folder == NULL) {
        errno = ENOMEM;
        return -1;
    }
    int result = sync_path(folder, O_RDONLY | O_DIRECTORY);
    sq_release(memory, folder);
    return result;
}

wxtp_status sq_file_publish(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return WXTP_OK;
    if (errno == EEXIST)
        return WXTP_ERR_EXISTS;
    if (errno != EINVAL && errno != ENOSYS)
        return WXTP_ERR_STORE;
    if (link(from, to) != 0) /* a file system that cannot rename so */
        return errno == EEXIST ? WXTP_ERR_EXISTS : WXTP_ERR_STORE;
    unlink(from);
    return WXTP_OK;
}

wxtp_status sq_places_take(sq_store *store)
{
    static const char *const suffixes[SQ_PLACES] = {"", "-wal", ".lock"};
    for (size_t i = 0; i < SQ_PLACES; i++) {
        sq_place *place = &store->places[i];
        struct stat facts;
        char *path = sq_join(&store->memory, store->path, suffixes[i]);
        if (path == NULL)
            return WXTP_ERR_NOMEM;
        if (stat(path, &facts) != 0) {
            sq_release(&store->memory, path);
            return WXTP_ERR_STORE;
        }
        *place = (sq_place){.path = path, .device = facts.st_dev, .inode = facts.st_ino};
    }
    return WXTP_OK;
}

void sq_places_free(sq_store *store)
{
    for (size_t i = 0; i < SQ_PLACES; i++) {
        sq_release(&store->memory, store->places[i].path);
        store->places[i].path = NULL;
    }
}

const char *sq_places_lost(const sq_store *store)
{
    for (size_t i = 0; i < SQ_PLACES; i++) {
        const sq_place *place = &store->places[i];
        struct stat facts;
        if (place->path == NULL)
            continue;
        if (stat(place->path, &facts) != 0 ? errno == ENOENT || errno == ENOTDIR
                                           : facts.st_dev != place->device || facts.st_ino != place->inode)
            return place->path;
    }
    return NULL;
}

void sq_file_discard(const sq_memory *memory, const char *path)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *name = sq_join(memory, path, suffixes[i]);
        if (name != NULL)
            unlink(name);
        sq_release(memory, name);
    }
}

/* Sets errno where it gives NULL. */
char *sq_file_real(const sq_memory *memory, const char *path, bool *exists)
{
    char real[PATH_MAX];
    char *copy = NULL;
    *exists = realpath(path, real) != NULL;
    if (*exists) {
        copy = sq_copy(memory, real, strlen(real));
    } else {
        if (errno != ENOENT)
            return NULL;
        char *folder = folder_of(memory, path);
        bool found = folder != NULL && realpath(folder, real) != NULL;
        sq_release(memory, folder);
        if (folder != NULL && !found)
            return NULL;
        const char *slash = strrchr(path, '/');
        char *start = found ? sq_join(memory, real, strcmp(real, "/") == 0 ? "" : "/") : NULL;
        if (start != NULL)
            copy = sq_join(memory, start, slash != NULL ? slash + 1 : path);
        sq_release(memory, start);
    }
    if (copy == NULL)
        errno = ENOMEM;
    return copy;
}
