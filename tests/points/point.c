/*
 * What the points of lib/ and storage/ do in the program that tests/points builds:
 *
 *     WXTP_POINT=NAME[:N]      the process is killed when it comes to the point NAME for the N-th time (1)
 *     WXTP_POINT=stop@NAME[:N] it is stopped there
 *     WXTP_POINT_LOG=FILE      the points that it comes to, a line each
 *
 * The name * stands for any point.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void wxtp_point(const char *name);

static atomic_long passed;

static void note(const char *name)
{
    const char *path = getenv("WXTP_POINT_LOG");
    char line[128];
    const int len = snprintf(line, sizeof line, "%s\n", name);
    if (path == NULL || len <= 0 || (size_t)len >= sizeof line)
        return;
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)len) != len)
        (void)raise(SIGABRT);
    (void)close(fd);
}

static bool is_it(const char *wanted, const char *name)
{
    const char *colon = strrchr(wanted, ':');
    const size_t len = colon != NULL ? (size_t)(colon - wanted) : strlen(wanted);
    const long number = colon != NULL ? strtol(colon + 1, NULL, 10) : 1;
    const bool matches =
        (len == 1 && wanted[0] == '*') || (strlen(name) == len && memcmp(wanted, name, len) == 0);
    return matches && atomic_fetch_add(&passed, 1) + 1 == number;
}

void wxtp_point(const char *name)
{
    static const char stop[] = "stop@";
    const int kept = errno;
    const char *wanted = getenv("WXTP_POINT");
    note(name);
    if (wanted != NULL) {
        const bool stops = strncmp(wanted, stop, sizeof stop - 1) == 0;
        if (is_it(stops ? wanted + sizeof stop - 1 : wanted, name))
            (void)raise(stops ? SIGSTOP : SIGKILL);
    }
    errno = kept;
}
