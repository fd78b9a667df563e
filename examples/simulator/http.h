/* One request as it came and one answer as it shall go, whatever the HTTP library. */
#ifndef SIM_HTTP_H
#define SIM_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARGUMENTS_MOST = 32 };

struct argument {
    char *name, *value;
};

struct request {
    char *method, *path;
    struct argument arguments[ARGUMENTS_MOST];
    size_t argument_count;
    char *body; /* ends in a NUL that size does not count */
    size_t size, room;
    bool too_large;
};

struct answer {
    unsigned status;
    char *body;
    size_t size;
    char content_type[128];
    bool cut;             /* close without a word */
    bool endless;         /* blanks without end after the body */
    bool close;           /* no keep-alive */
    int64_t truncate_at;  /* -1: whole */
    int64_t drip_ms;      /* a byte each so many ms, 0: at once */
    uint64_t cloud_seqid; /* x-openapi-seqid, 0: none */
};

/* The first argument of that name, or NULL. */
const char *request_argument(const struct request *request, const char *name);
void request_free(struct request *request);

#endif
