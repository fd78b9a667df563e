/* Files in memory: read from a folder, written to one, and made of what a power cut leaves. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        abort();
    }
}

static void reserve(disk_file *file, size_t size)
{
    if (size > file->room) {
        file->room = 2 * size;
        file->data = realloc(file->data, file->room);
        must(file->data != NULL, "memory");
    }
}

static void resize(disk_file *file, size_t size)
{
    reserve(file, size);
    if (size > file->size) {
        memset(file->data + file->size, 0, size - file->size);
    }
    file->size = size;
}

static void put(disk_file *file, int64_t offset, const void *data, size_t size)
{
    const size_t end = (size_t)offset + size;
    if (end > file->size) {
        resize(file, end);
    }
    memcpy(file->data + offset, data, size);
}

static disk_file *named(disk_image *image, const char *name)
{
    for (int at = 0; at < image->count; at++) {
        if (strcmp(image->files[at].name, name) == 0) {
            return &image->files[at];
        }
    }
    must(image->count < DISK_FILES, "files");
    disk_file *file = &image->files[image->count++];
    *file = (disk_file){.there = false};
    (void)snprintf(file->name, sizeof(file->name), "%s", name);
    return file;
}

/* ---- Folders ---- */

static bool ends_with(const char *text, const char *end)
{
    const size_t len = strlen(text);
    return len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

void disk_image_read(disk_image *image, const char *folder)
{
    DIR *open = opendir(folder);
    *image = (disk_image){.count = 0};
    must(open != NULL, folder);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        char path[2 * DISK_NAME + 2];
        struct stat facts;
        if (entry->d_name[0] == '.' || ends_with(entry->d_name, "-shm")) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        FILE *stream = fopen(path, "rb");
        must(stream && fstat(fileno(stream), &facts) == 0, path);
        disk_file *file = named(image, entry->d_name);
        file->there = true;
        resize(file, (size_t)facts.st_size);
        must(file->size == 0 || fread(file->data, 1, file->size, stream) == file->size, path);
        (void)fclose(stream);
    }
    (void)closedir(open);
}

void disk_image_write(const disk_image *image, const char *folder)
{
    DIR *open = opendir(folder);
    must(open != NULL, folder);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (entry->d_name[0] != '.') {
            (void)unlinkat(dirfd(open), entry->d_name, 0);
        }
    }
    (void)closedir(open);
    for (int at = 0; at < image->count; at++) {
        const disk_file *file = &image->files[at];
        char path[2 * DISK_NAME + 2];
        if (!file->there) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", folder, file->name);
        FILE *stream = fopen(path, "wb");
        must(stream && (file->size == 0 || fwrite(file->data, 1, file->size, stream) == file->size), path);
        must(fclose(stream) == 0 && chmod(path, 0600) == 0, path);
    }
}

void disk_image_free(disk_image *image)
{
    for (int at = 0; at < image->count; at++) {
        free(image->files[at].data);
    }
    *image = (disk_image){.count = 0};
}

/* ---- Power cuts ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void copy_of(disk_image *image, const disk_image *base)
{
    *image = (disk_image){.count = 0};
    for (int at = 0; at < base->count; at++) {
        disk_file *file = named(image, base->files[at].name);
        file->there = base->files[at].there;
        resize(file, base->files[at].size);
        if (file->size > 0) {
            memcpy(file->data, base->files[at].data, file->size);
        }
    }
}

/* Whether an event waits for `sync`. Whoever syncs a new WAL or journal syncs its name too: SQLite does so.
 */
static bool waits_for(const disk_event *event, const disk_event *sync)
{
    const bool gone = event->what == DISK_DELETE || event->what == DISK_RENAME;
    const bool of_name = gone || event->what == DISK_MAKE;
    return sync->what == DISK_FOLDER ? of_name : !gone && event->file == sync->file;
}

typedef enum fate { FATE_OPEN, FATE_SYNCED, FATE_LOST } fate;

/* What has become of each of the first `count` events; freed by the caller. */
static fate *fates(const disk_log *log, size_t count)
{
    fate *all = calloc(count + 1, sizeof(*all));
    must(all != NULL, "memory");
    for (size_t at = 0; at < count; at++) {
        const disk_event *sync = &log->events[at];
        if (sync->what != DISK_SYNC && sync->what != DISK_FOLDER && sync->what != DISK_LOSS) {
            continue;
        }
        for (size_t before = 0; before < at; before++) {
            if (all[before] == FATE_OPEN && waits_for(&log->events[before], sync)) {
                all[before] = sync->what == DISK_LOSS ? FATE_LOST : FATE_SYNCED;
            }
        }
    }
    return all;
}

static bool changes_the_disk(disk_what what)
{
    return what != DISK_SYNC && what != DISK_LOSS && what != DISK_FOLDER && what != DISK_MARK;
}

static void apply_torn(disk_file *file, const disk_event *event, uint64_t *random)
{
    const char *data = event->data;
    for (size_t at = 0; at < event->size;) {
        const size_t in_sector = ((size_t)event->offset + at) % DISK_SECTOR;
        const size_t left = event->size - at;
        const size_t len = DISK_SECTOR - in_sector < left ? DISK_SECTOR - in_sector : left;
        if (next_random(random) % 2 == 0) {
            put(file, event->offset + (int64_t)at, data + at, len);
        }
        at += len;
    }
}

static void apply(disk_image *image, const disk_log *log, const disk_event *event, bool torn,
                  uint64_t *random)
{
    disk_file *file = event->file >= 0 ? named(image, log->names[event->file]) : NULL;
    switch (event->what) {
    case DISK_MAKE:
        file->there = true;
        break;
    case DISK_WRITE:
        if (torn) {
            apply_torn(file, event, random);
        } else {
            put(file, event->offset, event->data, event->size);
        }
        break;
    case DISK_TRUNCATE:
        resize(file, (size_t)event->offset);
        break;
    case DISK_DELETE:
        file->there = false;
        file->size = 0;
        break;
    case DISK_RENAME: {
        disk_file *to = named(image, log->names[event->offset]);
        file = named(image, log->names[event->file]);
        resize(to, file->size);
        if (file->size > 0) {
            memcpy(to->data, file->data, file->size);
        }
        to->there = file->there;
        file->there = false;
        break;
    }
    default:
        break;
    }
}

void disk_image_cut(disk_image *image, const disk_image *base, const disk_log *log, size_t count,
                    disk_cut cut, uint64_t seed)
{
    uint64_t random = seed;
    bool first = true;
    fate *all = fates(log, count);
    copy_of(image, base);
    for (size_t at = 0; at < count; at++) {
        const disk_event *event = &log->events[at];
        if (!changes_the_disk(event->what)) {
            continue;
        }
        if (all[at] == FATE_SYNCED) {
            apply(image, log, event, false, &random);
            continue;
        }
        const bool torn = cut == DISK_CUT_TORN && event->what == DISK_WRITE;
        const bool there = torn || (cut == DISK_CUT_TORN && next_random(&random) % 2 == 0) ||
                           (cut == DISK_CUT_LAST && !first && all[at] == FATE_OPEN) ||
                           (cut == DISK_CUT_ALL && all[at] == FATE_OPEN);
        first = false;
        if (there) {
            apply(image, log, event, torn, &random);
        }
    }
    free(all);
}
