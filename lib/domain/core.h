/* What every stage works with: the ports, the settings, the data key, and the operation under way. */
#ifndef WX_DOMAIN_CORE_H
#define WX_DOMAIN_CORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <wxtp/clock.h>
#include <wxtp/http.h>
#include <wxtp/store.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/catalog.h"
#include "codec/seal.h"
#include "engine/engine.h"

typedef struct wx_settings {
    char component[WX_APPID_MAX]; /* "" : none chosen */
    bool component_named;         /* by the host, not found as the only one */
    bool component_ambiguous;     /* several in the store and none named */
    char api_base[256], cloud_base[256];
    int concurrency;
    int rate_per_second;     /* business calls per tenant; 0: no limit */
    int64_t timeout_ms;      /* of one HTTP call */
    int64_t max_wait_ms;     /* patience of one public call */
    int max_tries;           /* of one call to WeChat */
    int renewals_per_second; /* over all tenants; 0: no limit */
    size_t submissions_max;
    bool own_threads; /* the engine has some */
    bool own_force_refresh;
    int64_t audit_days, pushes_days, jobs_days; /* retention */
} wx_settings;

typedef struct wx_flights wx_flights;
typedef struct wx_pacer wx_pacer;
typedef struct wx_standings wx_standings;
typedef struct wx_opened wx_opened;
typedef struct wx_slots wx_slots;

typedef struct wx_core {
    wxtp_allocator allocator;
    wxtp_clock clock;
    wxtp_http http;
    wxtp_log log;
    wxtp_store *store;
    wx_engine *engine;
    wx_settings settings;
    const wx_api *catalog;
    size_t catalog_count;
    wx_crypto crypto;
    unsigned char data_key[WX_KEY_LEN];
    unsigned long xml_salt;
    wx_flights *flights;     /* one refresh a key in this process */
    wx_pacer *pacer;         /* rate per tenant */
    wx_standings *standings; /* what let the last calls through */
    wx_opened *opened;       /* the component's secrets */
    wx_slots *slots;         /* calls in flight, over all tenants */
    /* Tells the host of something that happened; NULL: nobody listens. */
    void (*tell)(void *user, const char *event, const char *tenant, const char *text);
    void *tell_user;
    atomic_bool stopping;
    atomic_int_fast64_t ticket_asked_boot_ms; /* when WeChat was last asked to push tickets */
} wx_core;

/* How long the public call under way still waits for trouble to pass, the tries that got no answer included.
 * What overlaps counts once. */
typedef struct wx_patience {
    pthread_mutex_t lock;
    int64_t left_ms;
    int waiting;
    int64_t since_boot_ms;                  /* that is not counted yet */
    int64_t counted_from_ms, counted_to_ms; /* boot time: the last stretch that is */
} wx_patience;

void wx_patience_init(wx_patience *patience, int64_t ms);
void wx_patience_destroy(wx_patience *patience);

/* One public call under way, and what it has cost. */
typedef struct wx_op {
    wx_core *core;
    wx_patience *patience;
    const char *job_id;            /* "" outside a job */
    bool person;                   /* someone asked for this now: a remembered quota is probed once */
    int64_t deadline_boot_ms;      /* no transfer of it lasts longer; 0: none */
    atomic_int_fast64_t refreshes; /* of the tenant's own token, made for this operation */
} wx_op;

void wx_tell(const wx_core *core, const char *event, const char *tenant, const char *text);
int64_t wx_wall_ms(const wx_core *core);
int64_t wx_boot_ms(const wx_core *core);
bool wx_stopping(const wx_core *core);

/* Sleeps; WXTP_ERR_INTERRUPTED as soon as it is stopping. Costs no patience. */
wxtp_status wx_pause(wx_core *core, int64_t ms, wx_err *err);
/* As wx_pause, but takes the time from the operation's patience; false when too little is left (err is set to
 * WXTP_ERR_INTERRUPTED when stopping, else left alone). */
bool wx_wait_patiently(wx_op *op, int64_t ms, wx_err *err);
/* Whether the operation would still wait so long. */
bool wx_patience_left(const wx_op *op, int64_t ms);
/* Takes the time since then, which a try without an answer has cost. */
void wx_patience_spend(wx_op *op, int64_t from_boot_ms);
/* Whether its deadline has passed. */
bool wx_too_late(const wx_op *op);
/* How long one HTTP call of the operation may take: the time-out, or what its deadline leaves. */
int64_t wx_call_time_ms(const wx_op *op);
/* Back-off before try number `tries_made` + 1: 0.3 s, doubled, at most 10 s, with jitter. */
int64_t wx_backoff_ms(const wx_core *core, int tries_made);

/* WXTP_OK with a component chosen, else WXTP_ERR_AMBIGUOUS or WXTP_ERR_CONFIGURATION with the remedy. */
wxtp_status wx_need_component(const wx_core *core, wx_err *err);

#endif
