#include "secrets.h"
#include "signals.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECRET_MAX = 8192 };

int ad_secret_from_environment(ad_secret *secret, const char *name, ad_failure *failure)
{
    char *value = getenv(name);

    if (!value)
        return AD_EXIT_OK;
    secret->len = strlen(value);
    if (secret->len > 0) {
        secret->text = malloc(secret->len + 1);
        if (!secret->text) {
            secret->len = 0;
            return ad_fail_nomem(failure);
        }
        memcpy(secret->text, value, secret->len + 1);
        explicit_bzero(value, secret->len);
    }
    unsetenv(name);
    return AD_EXIT_OK;
}

static int read_all(int fd, char *buffer, size_t size, size_t *len)
{
    *len = 0;
    while (*len < size) {
        ssize_t got = read(fd, buffer + *len, size - *len);
        if (got < 0)
            return errno;
        if (got == 0)
            return 0;
        *len += (size_t)got;
    }
    return EFBIG;
}

int ad_secret_from_file(ad_secret *secret, const char *path, const char *what, ad_failure *failure)
{
    bool input = strcmp(path, "-") == 0;
    int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return ad_fail_file(failure, what, path, errno);
    char *buffer = malloc(SECRET_MAX);
    int error = buffer ? read_all(fd, buffer, SECRET_MAX, &secret->len) : ENOMEM;
    if (!input)
        close(fd);
    if (error == 0 && ad_signal_seen())
        error = EINTR;
    if (error == 0) {
        if (secret->len > 0 && buffer[secret->len - 1] == '\n')
            secret->len--;
        if (secret->len > 0 && buffer[secret->len - 1] == '\r')
            secret->len--;
        buffer[secret->len] = '\0';
        if (secret->len > 0 && memchr(buffer, '\0', secret->len) == NULL) {
            secret->text = buffer;
            return AD_EXIT_OK;
        }
    }
    if (buffer) {
        explicit_bzero(buffer, SECRET_MAX);
        free(buffer);
    }
    secret->len = 0;
    if (error == ENOMEM)
        return ad_fail_nomem(failure);
    if (error == EFBIG)
        return ad_fail_usage(failure, "name a file that holds the value alone", "%s %s is too large", what,
                             path);
    if (error != 0)
        return ad_fail_file(failure, what, path, error);
    return ad_fail_usage(failure, "name a file that holds the value alone", "%s %s is empty or is no text",
                         what, path);
}

void ad_secret_free(ad_secret *secret)
{
    if (secret->text) {
        explicit_bzero(secret->text, secret->len);
        free(secret->text);
    }
    secret->text = NULL;
    secret->len = 0;
}
