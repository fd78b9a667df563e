/* Stands in for libFuzzer where a compiler has none: runs the target once for each file that is named, or
 * that lies in a folder that is named. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_MAX = 4 << 20, PATH_ROOM = 4096 };

static int replayed;

static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = file ? malloc(INPUT_MAX) : NULL;
    const size_t size = bytes ? fread(bytes, 1, INPUT_MAX, file) : 0;
    const bool read = bytes && !ferror(file) && feof(file);
    if (file) {
        (void)fclose(file);
    }
    if (!read) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
        free(bytes);
        return false;
    }
    /* In a block of its own size, so that a sanitizer sees a step beyond it. */
    uint8_t *input = malloc(size > 0 ? size : 1);
    if (input) {
        memcpy(input, bytes, size);
        (void)printf("%s\n", path);
        (void)fflush(stdout);
        (void)LLVMFuzzerTestOneInput(input, size);
        replayed++;
    }
    free(bytes);
    free(input);
    return input != NULL;
}

static bool replay(const char *path)
{
    struct stat facts;
    if (stat(path, &facts) != 0) {
        perror(path);
        return false;
    }
    if (!S_ISDIR(facts.st_mode)) {
        return replay_file(path);
    }
    struct dirent **entries = NULL;
    const int count = scandir(path, &entries, NULL, alphasort);
    bool ok = count >= 0;
    for (int at = 0; at < count; at++) {
        char below[PATH_ROOM];
        const int length = snprintf(below, sizeof(below), "%s/%s", path, entries[at]->d_name);
        if (entries[at]->d_name[0] != '.') {
            ok = ok && length > 0 && (size_t)length < sizeof(below) && replay(below);
        }
        free(entries[at]);
    }
    free(entries);
    return ok;
}

int main(int argc, char **argv)
{
    bool ok = argc > 1;
    for (int at = 1; at < argc; at++) {
        ok = replay(argv[at]) && ok;
    }
    (void)printf("%d inputs\n", replayed);
    return ok && replayed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
