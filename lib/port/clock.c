#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wxtp/clock.h>

enum { BOOT_ID_MAX = 64 };

/*
 * The boot id cannot change while the process lives, and must stay valid as long as the static clock that
 * hands it out: so it is read once and kept here.
 */
static pthread_once_t boot_id_once = PTHREAD_ONCE_INIT;
static char boot_id_text[BOOT_ID_MAX];

static void read_boot_id(void)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t len = 0;
    if (fd >= 0) {
        do {
            len = read(fd, boot_id_text, sizeof(boot_id_text) - 1);
        } while (len < 0 && errno == EINTR);
        (void)close(fd);
    }
    boot_id_text[len > 0 ? len : 0] = '\0';
    boot_id_text[strcspn(boot_id_text, "\n")] = '\0';
    if (boot_id_text[0] == '\0') {
        /* All processes must agree on it, more than it must differ from the last boot's. */
        memcpy(boot_id_text, "unknown", sizeof("unknown"));
    }
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
    (void)pthread_once(&boot_id_once, read_boot_id);
    return boot_id_text;
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
