/*
 * The lock file beside the database, with open-file-description locks: they belong to a handle, so that they
 * hold between threads too, and go when the handle's last descriptor does, however its process ends.
 */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TURNSTILE = 0,      /* every writer passes it; the checkpointer closes it */
    GATE = 1,           /* shared by write transactions, alone the checkpointer's */
    OPENING = 2,        /* one handle opens at a time */
    OWNERS = 1000,      /* from here on a byte a handle */
    OWNERS_MAX = 65536, /* handles open at once */
};

static bool set(int fd, short type, int64_t byte)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    int result;
    do
        result = fcntl(fd, F_OFD_SETLK, &lock);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

static wxtp_status wait_for(int fd, short type, int64_t byte, sq_wait *wait)
{
    do {
        if (set(fd, type, byte))
            return WXTP_OK;
        if (errno != EAGAIN && errno != EACCES)
            return WXTP_ERR_STORE;
    } while (sq_wait_more(wait));
    return WXTP_ERR_STORE_BUSY;
}

wxtp_status sq_lockfile_open(sq_store *store, char *message, size_t size)
{
    char *path = sq_join(&store->memory, store->path, ".lock");
    if (path == NULL)
        return WXTP_ERR_NOMEM;
    wxtp_status status = WXTP_OK;
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->lock_fd < 0 && errno == EROFS) {
        store->lock_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        store->read_only = store->lock_fd >= 0;
    }
    if (store->lock_fd < 0) {
        sq_say(message, size, "%s: %s", path, strerror(errno));
        status = WXTP_ERR_STORE;
    }
    sq_release(&store->memory, path);
    return status;
}

wxtp_status sq_opening_lock(sq_store *store)
{
    sq_wait wait;
    if (store->read_only)
        return WXTP_OK; /* nobody changes anything here */
    sq_wait_start(&wait, &store->clock, store->busy_ms);
    return wait_for(store->lock_fd, F_WRLCK, OPENING, &wait);
}

void sq_opening_unlock(sq_store *store)
{
    set(store->lock_fd, F_UNLCK, OPENING);
}

wxtp_status sq_gate_enter(sq_store *store, sq_wait *wait)
{
    wxtp_status status = wait_for(store->lock_fd, F_RDLCK, TURNSTILE, wait);
    if (status == WXTP_OK) {
        status = wait_for(store->lock_fd, F_RDLCK, GATE, wait);
        set(store->lock_fd, F_UNLCK, TURNSTILE);
    }
    return status;
}

void sq_gate_leave(sq_store *store)
{
    set(store->lock_fd, F_UNLCK, GATE);
}

bool sq_gate_close(sq_store *store, int64_t turnstile_ms, int64_t gate_ms)
{
    sq_wait wait;
    sq_wait_start(&wait, &store->clock, turnstile_ms);
    if (wait_for(store->lock_fd, F_WRLCK, TURNSTILE, &wait) != WXTP_OK)
        return false;
    sq_wait_start(&wait, &store->clock, gate_ms);
    if (wait_for(store->lock_fd, F_WRLCK, GATE, &wait) == WXTP_OK)
        return true;
    set(store->lock_fd, F_UNLCK, TURNSTILE);
    return false;
}

void sq_gate_open(sq_store *store)
{
    set(store->lock_fd, F_UNLCK, GATE);
    set(store->lock_fd, F_UNLCK, TURNSTILE);
}

wxtp_status sq_owner_lock(sq_store *store)
{
    for (int64_t byte = OWNERS; byte < OWNERS + OWNERS_MAX; byte++) {
        if (set(store->lock_fd, F_WRLCK, byte)) {
            store->owner_byte = byte;
            return WXTP_OK;
        }
        if (errno != EAGAIN && errno != EACCES)
            return WXTP_ERR_STORE;
    }
    return WXTP_ERR_STORE_BUSY;
}

void sq_owner_unlock(sq_store *store)
{
    set(store->lock_fd, F_UNLCK, store->owner_byte);
    store->owner_byte = 0;
}

bool sq_owner_byte_locked(sq_store *store, int64_t byte)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    /* Where the kernel cannot tell, the lease's time decides. */
    return fcntl(store->lock_fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}
