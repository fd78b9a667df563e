/* What the programs of the benches share: arguments, clocks, an open platform, a store that counts. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wxtp/wxtp.h>

enum { BENCH_OPENID_LEN = 28, BENCH_BODY_MAX = 1024 };

/* ---- Arguments: --NAME VALUE pairs ---- */

typedef struct bench_args {
    int argc;
    char **argv;
} bench_args;

const char *bench_text(const bench_args *args, const char *name, const char *fallback);
/* Ends the program with 2 where the value is no number. */
int64_t bench_number(const bench_args *args, const char *name, int64_t fallback);
/* The n-th value of an option that may be repeated, NULL behind the last. */
const char *bench_nth(const bench_args *args, const char *name, int n);

/* ---- Clocks and memory ---- */

int64_t bench_now_ns(void);
int64_t bench_thread_cpu_ns(void);
int64_t bench_process_cpu_ns(void);
/* A line of /proc/self/status in KiB, as "VmHWM" or "VmRSS"; -1 where it cannot be read. */
int64_t bench_memory_kib(const char *field);

int bench_compare_int64(const void *a, const void *b);
/* Sorts the values. */
int64_t bench_median(int64_t *values, size_t count);

/* ---- Openids ---- */

/* The n-th openid of a tenant: 28 characters, as WeChat's. */
void bench_openid(int64_t tenant, int64_t number, char text[BENCH_OPENID_LEN + 1]);
/* The body of one call with 20 openids. Returns its length. */
size_t bench_body(char text[BENCH_BODY_MAX]);

/* ---- A store between the library and the real one ---- */

typedef struct bench_store bench_store;
typedef struct bench_counts {
    int64_t writes, syncs;       /* transactions that write, and those of them that wait for the disk */
    int64_t begin_ns, commit_ns; /* CPU of the calling thread; a rollback counts as a commit */
    int64_t rows_ns;             /* of what a ticket push reads and writes */
} bench_counts;

/*
 * Takes `inner` over. `together`: all transactions of the one thread that uses it become large ones of the
 * store, so that filling a database does not wait for the disk at each row.
 */
bench_store *bench_store_new(wxtp_store *inner, bool together);
wxtp_store *bench_store_port(bench_store *self);
bench_counts bench_store_counts(bench_store *self);

/* ---- A platform ---- */

typedef enum bench_way { BENCH_PLAIN, BENCH_COUNTED, BENCH_TOGETHER } bench_way;

typedef struct bench_platform {
    wxtp_config *config;
    wxtp_platform *platform;
    bench_store *store; /* NULL with BENCH_PLAIN */
    int64_t open_ns;    /* of the store and the platform together */
} bench_platform;

/* Opens --db with every --set NAME=VALUE, making what is not there. Says on stderr what went wrong. */
bool bench_open(const bench_args *args, bench_way way, bench_platform *opened);
bool bench_close(bench_platform *opened);
/* True where `status` is WXTP_OK; else says what failed, and frees the error. */
bool bench_ok(wxtp_status status, const char *what, wxtp_error *error);

#endif
