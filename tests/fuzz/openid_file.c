/* Lists of openids, and of APPID, tab, OPENID lines, as wxtp-admin reads them. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "batch_file.h"
#include "openid_file.h"

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static void check_line(const char *text, size_t len)
{
    fuzz_require(len > 0 && len <= AD_LINE_MAX && text[len] == '\0');
    fuzz_require(memchr(text, '\n', len) == NULL && text[0] != '#');
    fuzz_require(!blank(text[0]) && !blank(text[len - 1]));
}

/* How many lines there are. */
static int64_t read_openids(const char *path)
{
    static ad_openids openids; /* large */
    ad_failure failure = {0};
    const char *text = NULL;
    size_t len = 0;
    int64_t count = 0;
    fuzz_require(ad_openids_open(&openids, NULL, 0, path, &failure) == AD_EXIT_OK);
    while (ad_openids_read(&openids, &text, &len) > 0) {
        check_line(text, len);
        count++;
    }
    fuzz_require(!openids.failed);
    ad_openids_close(&openids);
    return count;
}

static void read_batch(const char *path, int64_t lines)
{
    ad_batch_file file = {0};
    ad_failure failure = {0};
    int64_t count = 0;
    const int code = ad_batch_file_load(&file, path, &failure);
    fuzz_require(code == AD_EXIT_OK || (code == AD_EXIT_USAGE && failure.message[0] && file.count == 0));
    for (size_t at = 0; at < file.count; at++) {
        ad_batch_reader reader;
        const char *text = NULL;
        size_t len = 0;
        int64_t own = 0;
        ad_batch_reader_init(&reader, &file, &file.tenants[at]);
        while (ad_batch_read(&reader, &text, &len) > 0) {
            fuzz_require(len > 0 && memchr(text, '\n', len) == NULL);
            own++;
        }
        fuzz_require(!reader.failed && own == file.tenants[at].lines);
        count += own;
    }
    /* None is lost between its reading and its tenant. */
    fuzz_require(code != AD_EXIT_OK || count == lines);
    ad_batch_file_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    const int fd = memfd_create("openids", MFD_CLOEXEC);
    fuzz_require(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    read_batch(path, read_openids(path));
    (void)close(fd);
    return 0;
}
