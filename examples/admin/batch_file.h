/* A file of APPID, tab, OPENID lines, checked and brought into an order in which each tenant's lines stand
 * together. */
#ifndef AD_BATCH_FILE_H
#define AD_BATCH_FILE_H

#include "failure.h"
#include <sys/types.h>

typedef struct ad_batch_tenant {
    char *appid;
    off_t begin, end; /* its lines in the sorted file */
    int64_t lines;
} ad_batch_tenant;

typedef struct ad_batch_file {
    int fd; /* sorted, already unlinked */
    ad_batch_tenant *tenants;
    size_t count, room;
} ad_batch_file;

/* Reads all of it before it returns: a malformed line is an exit code, and nothing was done. */
int ad_batch_file_load(ad_batch_file *file, const char *path, ad_failure *failure);
void ad_batch_file_free(ad_batch_file *file);

/* Reads the openids of one tenant; several may read at once. */
typedef struct ad_batch_reader {
    int fd;
    off_t at, end;
    size_t begin, filled;
    bool failed;
    char buffer[16384];
} ad_batch_reader;

void ad_batch_reader_init(ad_batch_reader *reader, const ad_batch_file *file, const ad_batch_tenant *tenant);
/* A wxtp_openid_reader. */
int ad_batch_read(void *user, const char **openid, size_t *len);

#endif
