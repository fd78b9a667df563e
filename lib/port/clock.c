#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wxtp/clock.h>

enum { BOOT_ID_MAX = 64 };

/*
 * The boot id cannot change while the process lives, and must stay valid as long as the static clock that
 * hands it out: so it is kept here once it is read.
 */
static pthread_mutex_t boot_id_lock = PTHREAD_MUTEX_INITIALIZER;
static char boot_id_text[BOOT_ID_MAX]; /* "": not read yet */

/* All processes must agree on it, so "unknown" is for where none can read it; what has failed for a while, as
 * for want of descriptors, is read again when it is asked for next. */
static void read_boot_id(void)
{
    char text[BOOT_ID_MAX] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t len = 0;
    if (fd < 0) {
        const bool never = errno == ENOENT || errno == ENOTDIR || errno == EACCES;
        (void)snprintf(boot_id_text, sizeof(boot_id_text), "%s", never ? "unknown" : "");
        return;
    }
    do {
        len = read(fd, text, sizeof(text) - 1);
    } while (len < 0 && errno == EINTR);
    (void)close(fd);
    text[len > 0 ? len : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    memcpy(boot_id_text, text, sizeof(boot_id_text));
}

static int64_t now_ms(clockid_t id)
{
    struct timespec now = {0};
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t wall_ms(void *user)
{
    (void)user;
    return now_ms(CLOCK_REALTIME);
}

static int64_t boot_ms(void *user)
{
    (void)user;
    return now_ms(CLOCK_BOOTTIME);
}

static const char *boot_id(void *user)
{
    (void)user;
    (void)pthread_mutex_lock(&boot_id_lock);
    if (boot_id_text[0] == '\0') {
        read_boot_id();
    }
    const bool known = boot_id_text[0] != '\0';
    (void)pthread_mutex_unlock(&boot_id_lock);
    return known ? boot_id_text : "";
}

static void sleep_ms(void *user, int64_t ms)
{
    (void)user;
    if (ms > 0) {
        struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
        (void)clock_nanosleep(CLOCK_BOOTTIME, 0, &time, NULL);
    }
}

const wxtp_clock *wxtp_clock_system(void)
{
    static const wxtp_clock clock = {
        .struct_size = sizeof(wxtp_clock),
        .wall_ms = wall_ms,
        .boot_ms = boot_ms,
        .boot_id = boot_id,
        .sleep_ms = sleep_ms,
    };
    return &clock;
}
