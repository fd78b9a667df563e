/* What went wrong, in the shape in which it is told to people and scripts; and the exit codes. */
#ifndef AD_FAILURE_H
#define AD_FAILURE_H

#include "json.h"
#include <wxtp/error.h>

enum {
    AD_EXIT_OK = 0,
    AD_EXIT_INTERNAL = 1,
    AD_EXIT_USAGE = 2,
    AD_EXIT_PARTIAL = 3,
    AD_EXIT_REFUSED = 4,
    AD_EXIT_CREDENTIALS = 5,
    AD_EXIT_LIMIT = 6,
    AD_EXIT_NETWORK = 7,
    AD_EXIT_DECIDE = 8,
};

typedef struct ad_failure {
    int exit_code; /* 0: nothing went wrong */
    int64_t errcode;
    char kind[48];
    char tenant[72];
    char rid[96];
    char message[512];
    char hint[512];
} ad_failure;

/* Each sets `failure` and returns its exit code. */
int ad_fail(ad_failure *failure, int exit_code, const char *kind, const char *hint, const char *format, ...)
    WXTP_PRINTF(5, 6);
int ad_fail_usage(ad_failure *failure, const char *hint, const char *format, ...) WXTP_PRINTF(3, 4);
int ad_fail_nomem(ad_failure *failure);
/* From errno: a file that is not there is 2 (not_found), anything else 1. */
int ad_fail_file(ad_failure *failure, const char *what, const char *path, int error);
/* From what the library answered; frees `*error`. */
int ad_fail_take(ad_failure *failure, wxtp_status status, wxtp_error **error);
int ad_fail_interrupted(ad_failure *failure);

/* The one place where a status and a kind become an exit code. */
int ad_exit_of(wxtp_status status, const char *kind);
/* The exit code of a refusal by the gate. */
int ad_exit_of_reason(const char *reason);
/* Of two exit codes, whether `a` is worse: 130/143, 1, 2, 5, 7, 6, 8, 4, 3, 0. */
bool ad_exit_worse(int a, int b);

/* Keeps the worse of the two in `worst`. */
void ad_failure_keep_worst(ad_failure *worst, const ad_failure *other);
/* An object with the fields that apply. */
void ad_failure_json(ad_json *json, const char *key, const ad_failure *failure);
/* The last lines of stderr. */
void ad_failure_print(const ad_failure *failure, bool json);

/* The bytes of a character that moves the cursor or turns text round (control and bidi characters) at the
 * beginning of `text`; 0: there is none. */
size_t ad_unprintable(const char *text);

/* Copies text, cut between characters where it does not fit. */
void ad_copy(char *to, size_t size, const char *text);

#endif
