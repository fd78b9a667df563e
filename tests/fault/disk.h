/*
 * The disk, under SQLite and under the library's own files: fails as the plan says, and writes down what was
 * written and what was synced, so that a disk as a power cut leaves it can be made of any moment.
 */
#ifndef WXTP_FAULT_DISK_H
#define WXTP_FAULT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Puts the shim under every connection that is opened from now on. */
void disk_install(void);

/*
 * Between reading the WAL's header and looking at how much of it is checkpointed already, a checkpoint comes
 * by here: that is where SQLite's WAL-reset bug strikes. `act` is told for each checkpoint of this process;
 * NULL: none.
 */
void disk_at_checkpoint(void (*act)(void *user), void *user);
/* Takes the library's guard out: gate and turnstile of the lock file always open, for this process. */
void disk_no_gate(bool open);

enum { DISK_FILES = 16, DISK_NAME = 256, DISK_SECTOR = 512 };

typedef enum disk_what {
    DISK_MAKE,
    DISK_WRITE,
    DISK_TRUNCATE,
    DISK_SYNC,
    DISK_LOSS, /* a sync that failed: what it was to bring to the disk is not brought by a later one either */
    DISK_DELETE,
    DISK_RENAME, /* to the file of number `offset` */
    DISK_FOLDER, /* the folder is synced: names come and gone are so for good */
    DISK_MARK,   /* the test's own word */
} disk_what;

typedef struct disk_event {
    disk_what what;
    int file;
    int64_t offset; /* also: the size of DISK_TRUNCATE */
    size_t size;
    void *data;
} disk_event;

typedef struct disk_log {
    char names[DISK_FILES][DISK_NAME];
    int files;
    int losses[DISK_FILES]; /* syncs of each that failed */
    disk_event *events;
    size_t count, room;
} disk_log;

/* Writes down into `log` from now on, by this thread; NULL: no more. */
void disk_record(disk_log *log);
void disk_mark(disk_log *log, const void *data, size_t size);
void disk_log_free(disk_log *log);

/* ---- Files as they are ---- */

typedef struct disk_file {
    char name[DISK_NAME];
    bool there;
    unsigned char *data;
    size_t size, room;
} disk_file;

typedef struct disk_image {
    disk_file files[DISK_FILES];
    int count;
} disk_image;

/* Reads all files of a folder but those that a power cut takes away (-shm). */
void disk_image_read(disk_image *image, const char *folder);
/* Empties the folder and writes the image to it. */
void disk_image_write(const disk_image *image, const char *folder);
void disk_image_free(disk_image *image);

typedef enum disk_cut {
    DISK_CUT_LOST, /* of what was not synced nothing is there */
    DISK_CUT_TORN, /* each sector of it is, or is not */
    DISK_CUT_LAST, /* all but the oldest of it is: writes were reordered */
    DISK_CUT_ALL,  /* all is */
    DISK_CUTS
} disk_cut;

/* `base` and the first `count` events as a power cut leaves them. */
void disk_image_cut(disk_image *image, const disk_image *base, const disk_log *log, size_t count,
                    disk_cut cut, uint64_t seed);

#endif
