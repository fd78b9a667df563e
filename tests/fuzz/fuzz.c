#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_require_at(bool holds, const char *what, const char *file, int line)
{
    if (!holds) {
        (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
        abort();
    }
}

char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    fuzz_require(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    return text;
}

fuzz_bytes fuzz_take_line(fuzz_bytes *rest)
{
    const uint8_t *newline = rest->size > 0 ? memchr(rest->data, '\n', rest->size) : NULL;
    const fuzz_bytes line = {rest->data, newline ? (size_t)(newline - rest->data) : rest->size};
    const size_t gone = line.size + (newline ? 1 : 0);
    if (gone > 0) {
        rest->data += gone;
        rest->size -= gone;
    }
    return line;
}
