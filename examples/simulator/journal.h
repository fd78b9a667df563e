/* Every WeChat call in the order of arrival; the newest JOURNAL_MOST are kept. */
#ifndef SIM_JOURNAL_H
#define SIM_JOURNAL_H

#include "world.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

enum { JOURNAL_MOST = 1 << 17, RID_SIZE = 40 };

struct journal_entry {
    uint64_t seq;
    int64_t ms; /* virtual time */
    char *method, *path, *query, *body;
    char appid[APPID_SIZE], component[APPID_SIZE], rid[RID_SIZE];
    const char *token_kind;
    unsigned generation, refresh_generation;
    uint64_t fault;
    int64_t errcode;
    unsigned http_status;
    bool applied, answered;
};

struct journal {
    struct journal_entry *entries; /* a ring of JOURNAL_MOST, made at the first call */
    uint64_t first, next;          /* seq of the oldest kept, and of the next to come */
};

void journal_open(struct journal *journal);
void journal_close(struct journal *journal);
void journal_clear(struct journal *journal);

/* The next entry, with its seq set and all else empty. */
struct journal_entry *journal_append(struct journal *journal);

/* NULL once it is no longer kept. */
struct journal_entry *journal_entry(const struct journal *journal, uint64_t seq);

/* path and appid NULL match all; a path may end in '*'. */
bool journal_matches(const struct journal_entry *entry, const char *path, const char *appid);
bool path_matches(const char *pattern, const char *path);

struct json_object *journal_show(const struct journal *journal, const char *path, const char *appid,
                                 uint64_t since, uint64_t limit);

#endif
