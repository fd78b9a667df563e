#include "port/keyfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/point.h"
#include "codec/base64.h"

enum { TEXT_LEN = 44 /* 32 bytes in base64 */, FILE_MAX = 64, REASON_MAX = 128 };

static void close_at(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

#define AUTO_FD __attribute__((cleanup(close_at))) int

static wxtp_status fail_errno(wx_err *err, wxtp_status status, const char *what, const char *path, int code)
{
    char reason[REASON_MAX];
    return wx_fail(err, status, "cannot %s the master key file %s: %s", what, path,
                   strerror_r(code, reason, sizeof(reason)));
}

/* Up to `size` bytes; -1 on trouble. */
static ssize_t read_all(int fd, char *text, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t got = read(fd, text + len, size - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        len += (size_t)got;
    }
    return (ssize_t)len;
}

/* The 44 characters, and one line end at most. `nomem`: memory was short. */
static bool parse(const char *text, size_t len, unsigned char key[WX_KEY_LEN], bool *nomem)
{
    *nomem = false;
    if (len > 0 && text[len - 1] == '\n') {
        len--;
        if (len > 0 && text[len - 1] == '\r') {
            len--;
        }
    }
    if (len != TEXT_LEN) {
        return false;
    }
    WX_AUTO_BUF bytes;
    wx_buf_init(&bytes, NULL, WX_KEY_LEN + 1);
    if (!wx_base64_decode(&bytes, text, len) || bytes.len != WX_KEY_LEN) {
        *nomem = bytes.nomem;
        return false;
    }
    memcpy(key, bytes.data, WX_KEY_LEN);
    return true;
}

wxtp_status wx_keyfile_read(const char *path, unsigned char key[WX_KEY_LEN], wx_err *err)
{
    assert(path && key && err);
    /* Not blocking, in case it is a pipe. */
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ELOOP) {
        return wx_fail(err, WXTP_ERR_KEY, "the master key file %s is a symbolic link", path);
    }
    if (fd < 0) {
        return fail_errno(err, WXTP_ERR_KEY, "open", path, errno);
    }
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return fail_errno(err, WXTP_ERR_KEY, "examine", path, errno);
    }
    if (!S_ISREG(info.st_mode)) {
        return wx_fail(err, WXTP_ERR_KEY, "the master key file %s is no regular file", path);
    }
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        (void)wx_fail(err, WXTP_ERR_KEY,
                      "the master key file %s is open to others than its owner (mode %04o)", path,
                      (unsigned int)(info.st_mode & 07777));
        wx_err_hint(err, "If nobody else can have read it: chmod 600 %s", path);
        return err->status;
    }
    char text[FILE_MAX];
    ssize_t len = read_all(fd, text, sizeof(text));
    int code = errno;
    bool nomem = false;
    bool ok = len >= 0 && parse(text, (size_t)len, key, &nomem);
    OPENSSL_cleanse(text, sizeof(text));
    if (len < 0) {
        return fail_errno(err, WXTP_ERR_KEY, "read", path, code);
    }
    return ok ? WXTP_OK
           : nomem
               ? wx_fail_nomem(err)
               : wx_fail(err, WXTP_ERR_KEY, "the master key file %s does not hold 32 bytes in base64", path);
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, text, len);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        if (put > 0) {
            text += put;
            len -= (size_t)put;
        }
    }
    return true;
}

static bool sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash) {
        memcpy(folder, ".", sizeof("."));
    } else {
        size_t len = slash == path ? 1 : (size_t)(slash - path);
        if (len >= sizeof(folder)) {
            errno = ENAMETOOLONG;
            return false;
        }
        memcpy(folder, path, len);
        folder[len] = '\0';
    }
    AUTO_FD fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

/* Gives `from` the name `to` unless that is taken. */
static bool move_exclusively(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return true;
    }
    /* Some file systems cannot; a hard link is exclusive too. */
    return (errno == EINVAL || errno == ENOSYS) && link(from, to) == 0 && unlink(from) == 0;
}

/* Fills the file open as `fd` at `temporary` and moves it to `path`; errno tells what failed. */
static bool fill_and_move(int fd, const char *temporary, const char *path, const wx_buf *text)
{
    bool done = fchmod(fd, S_IRUSR | S_IWUSR) == 0 && write_all(fd, text->data, text->len) && fsync(fd) == 0;
    WX_POINT("keyfile.filled");
    done = done && move_exclusively(temporary, path);
    WX_POINT("keyfile.moved");
    return done && sync_folder(path);
}

/* What cannot be written need not be synced. */
static bool synced(int result)
{
    return result == 0 || errno == EROFS || errno == EINVAL;
}

wxtp_status wx_keyfile_sync(const char *path, wx_err *err)
{
    assert(path && err);
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || !synced(fsync(fd)) || !synced(sync_folder(path) ? 0 : -1)) {
        return fail_errno(err, WXTP_ERR_IO, "sync", path, errno);
    }
    return WXTP_OK;
}

wxtp_status wx_keyfile_create(const char *path, unsigned char key[WX_KEY_LEN], wx_err *err)
{
    assert(path && key && err);
    WX_AUTO_BUF text;
    WX_AUTO_BUF temporary;
    wx_buf_init(&text, NULL, FILE_MAX);
    wx_buf_init(&temporary, NULL, PATH_MAX);
    unsigned char fresh[WX_KEY_LEN];
    if (!wx_random(fresh, sizeof(fresh))) {
        return wx_openssl_fail("give random bytes for a master key", err);
    }
    bool ready = wx_base64_encode(&text, fresh, sizeof(fresh)) && wx_buf_text(&text, "\n");
    /* Written aside first: a crash must not leave half a key under the name. */
    ready = ready && wx_buf_printf(&temporary, "%s.XXXXXX", path);
    if (!ready) {
        OPENSSL_cleanse(fresh, sizeof(fresh));
        return temporary.failed && !temporary.nomem
                   ? wx_fail(err, WXTP_ERR_INVALID, "the path of the master key file is too long")
                   : wx_fail_nomem(err);
    }
    AUTO_FD fd = mkostemp(temporary.data, O_CLOEXEC);
    bool done = fd >= 0 && fill_and_move(fd, temporary.data, path, &text);
    int code = errno;
    if (done) {
        memcpy(key, fresh, sizeof(fresh));
    } else if (fd >= 0) {
        (void)unlink(temporary.data);
    }
    OPENSSL_cleanse(fresh, sizeof(fresh));
    if (done) {
        return WXTP_OK;
    }
    return code == EEXIST ? wx_fail(err, WXTP_ERR_EXISTS, "the master key file %s is there already", path)
                          : fail_errno(err, WXTP_ERR_IO, "make", path, code);
}
