#undef _FORTIFY_SOURCE /* what is defined here is inline there */

#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plan.h"

static _Thread_local disk_log *recording;
static _Thread_local int inside; /* SQLite's own files: they have been looked at already */

static void *grown(void *memory, size_t size)
{
    fault_pause();
    void *fresh = realloc(memory, size);
    fault_resume();
    if (!fresh) {
        abort();
    }
    return fresh;
}

/* ---- Writing down ---- */

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int file_of(disk_log *log, const char *path)
{
    const char *name = last_name(path);
    for (int at = 0; at < log->files; at++) {
        if (strcmp(log->names[at], name) == 0) {
            return at;
        }
    }
    if (log->files == DISK_FILES) {
        abort();
    }
    (void)snprintf(log->names[log->files], DISK_NAME, "%s", name);
    return log->files++;
}

static void note(disk_what what, const char *path, int64_t offset, const void *data, size_t size)
{
    disk_log *log = recording;
    if (!log) {
        return;
    }
    if (log->count == log->room) {
        log->room = log->room ? 2 * log->room : 256;
        log->events = grown(log->events, log->room * sizeof(*log->events));
    }
    disk_event *event = &log->events[log->count++];
    *event =
        (disk_event){.what = what, .file = path ? file_of(log, path) : -1, .offset = offset, .size = size};
    log->losses[event->file >= 0 ? event->file : 0] += what == DISK_LOSS;
    if (size > 0) {
        event->data = grown(NULL, size);
        memcpy(event->data, data, size);
    }
}

void disk_record(disk_log *log)
{
    recording = log;
}

void disk_mark(disk_log *log, const void *data, size_t size)
{
    if (recording == log) {
        note(DISK_MARK, NULL, 0, data, size);
    }
}

void disk_log_free(disk_log *log)
{
    for (size_t at = 0; at < log->count; at++) {
        free(log->events[at].data);
    }
    free(log->events);
    *log = (disk_log){.files = 0};
}

/* ---- Under SQLite ---- */

typedef struct shim_file {
    sqlite3_file base;
    char name[DISK_NAME]; /* "": none that outlives it */
    int losses;           /* that it was told of */
    sqlite3_file *real;
} shim_file;

static sqlite3_vfs *below;
static sqlite3_vfs shim;

static sqlite3_file *real(sqlite3_file *file)
{
    return ((shim_file *)file)->real;
}

static int left(int rc)
{
    inside--;
    return rc;
}

#define THROUGH(call) (inside++, left(call))

static void note_of(const shim_file *file, disk_what what, int64_t offset, const void *data, size_t size)
{
    if (file->name[0]) {
        note(what, file->name, offset, data, size);
    }
}

static int losses_of(const shim_file *file)
{
    return recording && file->name[0] ? recording->losses[file_of(recording, file->name)] : 0;
}

static int shim_close(sqlite3_file *file)
{
    return THROUGH(real(file)->pMethods->xClose(real(file)));
}

static int shim_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
    if (fault_strikes(FAULT_READ)) {
        memset(data, 0, (size_t)size);
        return SQLITE_IOERR_READ;
    }
    return THROUGH(real(file)->pMethods->xRead(real(file), data, size, offset));
}

static int shim_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    const bool full = fault_strikes(FAULT_FULL);
    if (fault_strikes(FAULT_WRITE)) {
        return SQLITE_IOERR_WRITE;
    }
    const int written = full ? size / 2 : size;
    const int rc = THROUGH(real(file)->pMethods->xWrite(real(file), data, written, offset));
    if (rc == SQLITE_OK) {
        note_of((shim_file *)file, DISK_WRITE, offset, data, (size_t)written);
    }
    return rc == SQLITE_OK && full ? SQLITE_FULL : rc;
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (fault_strikes(FAULT_TRUNCATE)) {
        return SQLITE_IOERR_TRUNCATE;
    }
    const int rc = THROUGH(real(file)->pMethods->xTruncate(real(file), size));
    if (rc == SQLITE_OK) {
        note_of((shim_file *)file, DISK_TRUNCATE, size, NULL, 0);
    }
    return rc;
}

static int shim_sync(sqlite3_file *file, int flags)
{
    shim_file *self = (shim_file *)file;
    if (fault_strikes(FAULT_SYNC)) {
        note_of(self, DISK_LOSS, 0, NULL, 0);
        self->losses = losses_of(self);
        return SQLITE_IOERR_FSYNC;
    }
    /* The kernel tells a loss to each that has the file open. */
    const bool told = losses_of(self) > self->losses;
    const int rc = THROUGH(real(file)->pMethods->xSync(real(file), flags));
    if (rc == SQLITE_OK) {
        note_of(self, DISK_SYNC, 0, NULL, 0);
    }
    self->losses = losses_of(self);
    return rc == SQLITE_OK && told ? SQLITE_IOERR_FSYNC : rc;
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return fault_strikes(FAULT_READ) ? SQLITE_IOERR_FSTAT
                                     : THROUGH(real(file)->pMethods->xFileSize(real(file), size));
}

static int shim_lock(sqlite3_file *file, int level)
{
    return fault_strikes(FAULT_LOCK) ? SQLITE_IOERR_LOCK
                                     : THROUGH(real(file)->pMethods->xLock(real(file), level));
}

static int shim_unlock(sqlite3_file *file, int level)
{
    return THROUGH(real(file)->pMethods->xUnlock(real(file), level));
}

static int shim_reserved(sqlite3_file *file, int *reserved)
{
    return THROUGH(real(file)->pMethods->xCheckReservedLock(real(file), reserved));
}

static int shim_control(sqlite3_file *file, int what, void *argument)
{
    return THROUGH(real(file)->pMethods->xFileControl(real(file), what, argument));
}

static int shim_sector(sqlite3_file *file)
{
    return real(file)->pMethods->xSectorSize(real(file));
}

/* Nothing is promised of a write that the power cut meets. */
static int shim_device(sqlite3_file *file)
{
    return real(file)->pMethods->xDeviceCharacteristics(real(file)) & ~SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int shim_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **memory)
{
    if (fault_strikes(FAULT_SHARED)) {
        *memory = NULL;
        return SQLITE_IOERR_SHMMAP;
    }
    return THROUGH(real(file)->pMethods->xShmMap(real(file), region, size, extend, memory));
}

static int shim_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    const bool taking = (flags & SQLITE_SHM_LOCK) != 0;
    return taking && fault_strikes(FAULT_LOCK)
               ? SQLITE_IOERR_SHMLOCK
               : THROUGH(real(file)->pMethods->xShmLock(real(file), offset, n, flags));
}

static void shim_shm_barrier(sqlite3_file *file)
{
    real(file)->pMethods->xShmBarrier(real(file));
}

static int shim_shm_unmap(sqlite3_file *file, int delete)
{
    return THROUGH(real(file)->pMethods->xShmUnmap(real(file), delete));
}

static void (*at_checkpoint)(void *user);
static void *at_checkpoint_user;

void disk_at_checkpoint(void (*act)(void *user), void *user)
{
    at_checkpoint = act;
    at_checkpoint_user = user;
}

/* Nothing is mapped. */
static int shim_fetch(sqlite3_file *file, sqlite3_int64 offset, int size, void **memory)
{
    (void)file;
    (void)offset;
    (void)size;
    *memory = NULL;
    return SQLITE_OK;
}

/* SQLite says so of the whole file where the WAL's header has changed since this connection read it. */
static int shim_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *memory)
{
    (void)file;
    (void)offset;
    if (!memory && at_checkpoint) {
        at_checkpoint(at_checkpoint_user);
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 3,
    .xFetch = shim_fetch,
    .xUnfetch = shim_unfetch,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_device,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

static int shim_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    shim_file *self = (shim_file *)file;
    (void)vfs;
    self->base.pMethods = NULL;
    self->real = (sqlite3_file *)(self + 1);
    self->name[0] = '\0';
    if (fault_strikes(FAULT_OPEN)) {
        return SQLITE_CANTOPEN;
    }
    if (path && !(flags & SQLITE_OPEN_DELETEONCLOSE)) {
        (void)snprintf(self->name, sizeof(self->name), "%s", last_name(path));
    }
    self->losses = losses_of(self);
    const bool made = recording && self->name[0] && access(path, F_OK) != 0;
    const int rc = THROUGH(below->xOpen(below, path, self->real, flags, out));
    if (rc == SQLITE_OK) {
        self->base.pMethods = &methods;
        if (made) {
            note(DISK_MAKE, self->name, 0, NULL, 0);
        }
    }
    return rc;
}

static int shim_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    (void)vfs;
    if (fault_strikes(FAULT_TRUNCATE)) {
        return SQLITE_IOERR_DELETE;
    }
    const int rc = THROUGH(below->xDelete(below, path, sync));
    if (rc == SQLITE_OK) {
        note(DISK_DELETE, path, 0, NULL, 0);
        if (sync) {
            note(DISK_FOLDER, NULL, 0, NULL, 0);
        }
    }
    return rc;
}

void disk_install(void)
{
    below = sqlite3_vfs_find(NULL);
    if (!below || below == &shim) {
        return;
    }
    shim = *below; /* what is not said here is done by the one below, which looks at no field of its own */
    shim.zName = "wxtp-fault";
    shim.szOsFile = (int)sizeof(shim_file) + below->szOsFile;
    shim.xOpen = shim_open;
    shim.xDelete = shim_delete;
    if (sqlite3_vfs_register(&shim, 1) != SQLITE_OK) {
        abort();
    }
}

/* ---- Under the library's own files ---- */

#define SEEN FAULT_BARE __attribute__((visibility("default")))

static FAULT_BARE bool strikes(fault_kind kind, int error)
{
    if (inside > 0 || !fault_strikes(kind)) {
        return false;
    }
    fault_told(__builtin_return_address(0));
    errno = error;
    return true;
}

SEEN int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    const unsigned mode = (flags & O_CREAT) ? va_arg(args, unsigned) : 0;
    va_end(args);
    if (strikes(FAULT_OPEN, EIO)) {
        return -1;
    }
    const bool made = recording && (flags & O_CREAT) && access(path, F_OK) != 0;
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && made) {
        note(DISK_MAKE, path, 0, NULL, 0);
    }
    return fd;
}

static bool gate_open;

void disk_no_gate(bool open)
{
    gate_open = open;
}

enum { GATE_BYTES = 2 }; /* turnstile and gate, see storage/sqlite/lockfile.c */

SEEN int fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    const struct flock *lock = command == F_OFD_SETLK ? argument : NULL;
    if (lock && lock->l_type != F_UNLCK && strikes(FAULT_LOCK, ENOLCK)) {
        return -1;
    }
    if (lock && gate_open && lock->l_start < GATE_BYTES) {
        return 0;
    }
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

enum { NOT_A_FILE = 0 };

/* S_IFDIR, S_IFREG, or NOT_A_FILE; the path is not wanted of others. */
static unsigned path_of(int fd, char *path, size_t size)
{
    char link[64];
    struct stat facts;
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    const ssize_t len = readlink(link, path, size - 1);
    if (len <= 0 || fstat(fd, &facts) != 0 || !(S_ISDIR(facts.st_mode) || S_ISREG(facts.st_mode))) {
        return NOT_A_FILE;
    }
    path[len] = '\0';
    return facts.st_mode & S_IFMT;
}

static void note_synced(int fd, disk_what what)
{
    char path[PATH_MAX];
    const unsigned kind = path_of(fd, path, sizeof(path));
    if (kind == S_IFDIR && what == DISK_SYNC) {
        note(DISK_FOLDER, NULL, 0, NULL, 0);
    } else if (kind == S_IFREG) {
        note(what, path, 0, NULL, 0);
    }
}

/* A file that SQLite has no part in: the master key's. */
static void note_written(int fd, const void *data, size_t size, off_t at)
{
    char path[PATH_MAX];
    if (path_of(fd, path, sizeof(path)) == S_IFREG) {
        note(DISK_MAKE, path, 0, NULL, 0);
        note(DISK_WRITE, path, at, data, size);
    }
}

static int sync_fd(long number, int fd)
{
    if (strikes(FAULT_SYNC, EIO)) {
        note_synced(fd, DISK_LOSS);
        return -1;
    }
    const int result = (int)syscall(number, fd);
    if (result == 0 && recording && inside == 0) {
        note_synced(fd, DISK_SYNC);
    }
    return result;
}

SEEN int fsync(int fd)
{
    return sync_fd(SYS_fsync, fd);
}

SEEN int fdatasync(int fd)
{
    return sync_fd(SYS_fdatasync, fd);
}

SEEN ssize_t read(int fd, void *data, size_t size)
{
    return strikes(FAULT_READ, EIO) ? -1 : syscall(SYS_read, fd, data, size);
}

SEEN ssize_t write(int fd, const void *data, size_t size)
{
    if (strikes(FAULT_WRITE, EIO) || strikes(FAULT_FULL, ENOSPC)) {
        return -1;
    }
    const ssize_t written = syscall(SYS_write, fd, data, size);
    if (written > 0 && recording && inside == 0) {
        note_written(fd, data, (size_t)written, lseek(fd, 0, SEEK_CUR) - written);
    }
    return written;
}

SEEN ssize_t pread(int fd, void *data, size_t size, off_t at)
{
    return strikes(FAULT_READ, EIO) ? -1 : syscall(SYS_pread64, fd, data, size, at);
}

SEEN ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    if (strikes(FAULT_WRITE, EIO) || strikes(FAULT_FULL, ENOSPC)) {
        return -1;
    }
    const ssize_t written = syscall(SYS_pwrite64, fd, data, size, at);
    if (written > 0 && recording && inside == 0) {
        note_written(fd, data, (size_t)written, at);
    }
    return written;
}

SEEN int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    if (strikes(FAULT_TRUNCATE, EIO)) {
        return -1;
    }
    const int result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    if (result == 0 && recording) {
        note(DISK_RENAME, from, file_of(recording, to), NULL, 0);
    }
    return result;
}
