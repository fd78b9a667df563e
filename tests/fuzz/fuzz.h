/* What the fuzz targets share. A target is one function of bytes: libFuzzer makes them up, or replay.c reads
 * those of tests/fuzz/corpus. It fails by a sanitizer, or by `fuzz_require`. */
#ifndef WXTP_FUZZ_H
#define WXTP_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process where `holds` is false. */
#define fuzz_require(holds) fuzz_require_at((holds), #holds, __FILE__, __LINE__)
void fuzz_require_at(bool holds, const char *what, const char *file, int line);

/* What is left of an input. */
typedef struct fuzz_bytes {
    const uint8_t *data;
    size_t size;
} fuzz_bytes;

/* Copies, ended by NUL; freed by the caller. */
char *fuzz_text(const uint8_t *data, size_t size);
/* Takes what stands before the next newline, or all. */
fuzz_bytes fuzz_take_line(fuzz_bytes *rest);

#endif
