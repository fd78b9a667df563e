/* Faults that tests order: which calls they hit and what they do to them. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_cut { CUT_NOT, CUT_BEFORE, CUT_AFTER };
enum fault_apply { APPLY_YES, APPLY_NO, APPLY_ON_RELEASE };

/* What is done to one call. */
struct fault_effect {
    uint64_t id; /* 0: no fault */
    bool has_errcode, endless, hold;
    int64_t errcode, http_status, delay_ms, truncate_at, drip_ms; /* truncate_at -1: whole */
    char *errmsg, *body, *content_type;
    enum fault_cut cut;
    enum fault_apply apply;
};

struct fault {
    char *path, *appid; /* NULL: any */
    int64_t wait;       /* matching calls still let pass before the first hit */
    int64_t count;      /* hits left, -1 for ever */
    int64_t hits;
    struct fault_effect effect;
    struct fault *prev, *next;
};

struct faults {
    struct fault *list;
    uint64_t last_id;
};

void faults_clear(struct faults *faults);
bool faults_remove(struct faults *faults, uint64_t id);

/* 0 and *why when the order is not understood. */
uint64_t faults_add(struct faults *faults, struct json_object *order, char *why, size_t why_size);

/* Counts this call against every fault, and answers a copy of the first one that hits. */
struct fault_effect faults_take(struct faults *faults, const char *path, const char *appid,
                                const char *component);
void fault_effect_free(struct fault_effect *effect);

struct json_object *faults_show(const struct faults *faults);

#endif
