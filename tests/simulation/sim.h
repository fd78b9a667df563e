/*
 * One world in one thread: a clock, a network, a WeChat, and nodes on one store. Everything that happens
 * follows from the seed.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "domain/core.h"
#include "fake_clock.h"

#define SIM_COMPONENT "wxc0000000000000c1"
#define SIM_APPSECRET "component-secret-0123456789abcdef"
#define SIM_PUSH_TOKEN "push-token-for-tests"
#define SIM_AES_KEY "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"

enum {
    SIM_NODES = 2,
    SIM_ACCOUNTS = 3,
    SIM_KEYS = SIM_ACCOUNTS + 1, /* the component's is the last */
    SIM_LISTS = 2,               /* an account */
    SIM_LIST_MAX = 64,
    SIM_OPENIDS = SIM_LISTS * SIM_LIST_MAX,
    SIM_TOKENS_MAX = 160,
    SIM_PUSHES_MAX = 160,
    SIM_TEXT = 32,
    SIM_TIMEOUT_MS = 10000,
};

#define SIM_MINUTE INT64_C(60000)
#define SIM_HOUR (60 * SIM_MINUTE)
#define SIM_NEVER INT64_MAX

typedef struct sim sim;
typedef struct sim_node sim_node;

/* ---- What WeChat knows ---- */

typedef struct sim_token {
    char text[SIM_TEXT];
    int64_t until_ms; /* of wall time; WeChat refuses it from then on */
    bool committed;   /* the store has had it */
} sim_token;

typedef struct sim_tokens {
    sim_token all[SIM_TOKENS_MAX];
    size_t count;
} sim_tokens;

typedef struct sim_account {
    char appid[24];
    bool authorized, certified, official, users_set;
    bool rotates; /* each refresh gives another refresh token */
    bool shows;   /* info shows the refresh token */
    bool lists;   /* the list does */
    bool exchanged;
    int64_t auth_time_s;
    sim_tokens access, refresh; /* the refresh token in force is the last */
    char code[SIM_TEXT];        /* "": none that is good */
    int64_t quota_left;
    int codes_made;
    bool bad[SIM_OPENIDS], listed[SIM_OPENIDS], refused_alone[SIM_OPENIDS];
    int applied[SIM_OPENIDS], asked[SIM_OPENIDS];
} sim_account;

/* ---- What the store was seen to hold ---- */

typedef struct sim_key {
    int64_t generation, refused_generation, expires_ms, due_ms;
    uint64_t seal; /* of the bytes that were opened last */
    char access[SIM_TEXT], refresh[SIM_TEXT];
} sim_key;

typedef struct sim_seen {
    bool known, callable;
    int status;
    int64_t not_callable_since_ms; /* boot */
} sim_seen;

typedef struct sim_watch {
    sqlite3 *db;
    sqlite3_stmt *version, *tokens, *spares, *tenants, *jobs, *intent, *lease, *codes;
    int64_t seen_version, last_spare;
    wx_core vault; /* opens what is sealed */
    sim_key keys[SIM_KEYS];
    sim_seen tenants_seen[SIM_ACCOUNTS];
} sim_watch;

/* ---- The network ---- */

typedef enum sim_path {
    SIM_PATH_COMPONENT_TOKEN,
    SIM_PATH_REFRESH,
    SIM_PATH_QUERY_AUTH,
    SIM_PATH_INFO,
    SIM_PATH_LIST,
    SIM_PATH_UNBLACKLIST,
    SIM_PATH_QUOTA,
    SIM_PATH_OTHER,
} sim_path;

typedef enum sim_fault {
    SIM_FAULT_NONE,
    SIM_FAULT_NO_CONNECTION,
    SIM_FAULT_REQUEST_LOST,
    SIM_FAULT_ANSWER_LOST,
    SIM_FAULT_ANSWER_CUT,
    SIM_FAULT_LATE_REQUEST,
    SIM_FAULT_LATE_ANSWER,
    SIM_FAULT_BUSY,
    SIM_FAULT_BUSY_APPLIED,
    SIM_FAULT_HTTP_502,
    SIM_FAULT_HTML,
    SIM_FAULT_TRUNCATED,
    SIM_FAULT_RATE,
    SIM_FAULT_TOKEN,
    SIM_FAULT_NO_RIGHT,
    SIM_FAULTS,
} sim_fault;

/* One request, until WeChat has it and its sender knows. */
typedef struct sim_flight {
    struct sim_flight *next;
    sim_node *node;
    unsigned life; /* of the node */
    const void *task;
    int number;
    sim_path path;
    sim_fault fault;
    char *url, *body;
    char token[SIM_TEXT];
    int key; /* whose token is asked for; -1: none's */
    int account;

    const wxtp_http_request *request;
    wxtp_http_answer *answer;
    void (*done)(void *user);
    void *done_user;

    int64_t connect_at, arrive_at, answer_at, cut_at, deadline; /* boot */
    bool left, arrived, over;
    int64_t over_at;
    wxtp_http_outcome outcome;
    bool good; /* a whole answer that grants what was asked for */
    int errcode;
    long status;
    char *reply;

    int run;                   /* how many jobs had been started */
    int64_t generation, fence; /* of the intent */
    char granted[SIM_TEXT], granted_refresh[SIM_TEXT];
} sim_flight;

/* ---- Nodes, and what they are told to do ---- */

struct sim_node {
    sim *world;
    int number;
    unsigned life; /* one more each time that it is opened */
    bool alive;
    bool dying; /* nothing of it runs any more */
    ucontext_t way_out;
    wx_core core;
    wxtp_store_ops ops; /* the store's, through which it may die */
    const wxtp_store_ops *inner;
    int64_t paused_until, stalled_at; /* boot */
    int64_t wake_at;
    bool nudged;
    int64_t crash_in; /* that many looks at the clock and transactions; 0: never */
    int64_t revive_at;
    int busy; /* tasks that are not over */
};

typedef enum sim_op_kind { SIM_OP_JOB, SIM_OP_TOKEN, SIM_OP_PUSH, SIM_OP_PROFILE, SIM_OP_CODES } sim_op_kind;

typedef struct sim_list {
    int account;
    int from, count;
    bool bad_ones;
    char job_id[64];
    bool making;
} sim_list;

typedef struct sim_push {
    const char *event;
    int account;
    char code[SIM_TEXT];
    int64_t create_time_s;
    int64_t at; /* boot; when it is brought next */
    int copies; /* that are still to be brought though it was taken */
    bool taken, under_way;
} sim_push;

typedef struct sim_op {
    struct sim_op *next;
    sim *world;
    sim_node *node;
    sim_op_kind kind;
    int account;
    sim_list *list;
    sim_push *push;
    const char *job_id; /* NULL: the list's */
    char id_text[64];
    bool resume, over;
    wxtp_status status;
    wx_op op;
    wx_patience patience;
} sim_op;

typedef struct sim_profile {
    int fault_percent;
    bool crashes, pauses, jumps, merchants, two_nodes;
    bool quiet; /* nothing goes wrong at all */
} sim_profile;

struct sim {
    uint64_t seed, random, trace;
    bool verbose, failed;
    char failure[512];
    char database[160];
    fake_clock clock;
    int64_t began_boot_ms, began_wall_ms;
    sim_profile profile;
    bool healing;
    int64_t ticket_at;
    int64_t turns;
    int runs; /* of jobs */

    sim_account accounts[SIM_ACCOUNTS];
    size_t account_count;
    sim_tokens component;
    int made; /* tokens */

    sim_node nodes[SIM_NODES];
    sim_flight *flights, *last_flight, *open_from;
    int flight_count;
    sim_op *ops;
    sim_list lists[SIM_ACCOUNTS * SIM_LISTS];
    size_t list_count;
    sim_push pushes[SIM_PUSHES_MAX];
    size_t push_count;
    sim_watch watch;
};

/* simulate.c */
uint64_t sim_random(sim *world);
int64_t sim_below(sim *world, int64_t end); /* 0 to end - 1 */
bool sim_chance(sim *world, int percent);
int64_t sim_boot(sim *world);
int64_t sim_wall(sim *world);
void sim_note(sim *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first failure of a seed stands. */
void sim_fail(sim *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* wechat.c */
void sim_wechat_init(sim *world);
/* A request has come: carries it out, and fills `reply`, `status`, `good` and what is granted. */
void sim_wechat_serve(sim *world, sim_flight *flight);
sim_token *sim_token_find(sim_tokens *tokens, const char *text);
sim_token *sim_token_make(sim *world, sim_tokens *tokens, const char *kind, int account, int64_t until_ms);
/* The merchant authorizes or takes it back; WeChat pushes that. */
void sim_merchant_authorizes(sim *world, int account);
void sim_merchant_revokes(sim *world, int account);
/* Whether some refresh token that we had, or could see, still serves. */
bool sim_recoverable(const sim_account *account, int64_t now_ms);
void sim_openid(const sim *world, int account, int index, char text[SIM_TEXT]);
/* The place of an openid in its account; -1: it is none of ours. */
int sim_openid_index(const char *text, size_t len, int account);

/* network.c */
void sim_network_port(sim_node *node, wxtp_http *port);
void sim_network_arrivals(sim *world);
/* When something happens next that time alone brings about. */
int64_t sim_network_next(const sim *world);
bool sim_network_deliverable(const sim *world, const sim_node *node);
bool sim_network_idle(const sim *world);
void sim_network_free(sim *world);

/* node.c */
bool sim_node_open(sim *world, sim_node *node);
/* Lets the engine go on with what is due; `dying` afterwards: it died meanwhile. */
void sim_node_turn(sim_node *node);
void sim_node_close(sim_node *node);
/* As if its process were killed: nothing is given back but what the kernel takes. */
void sim_node_crash(sim_node *node);
bool sim_template_make(const char *path);
sim_op *sim_op_start(sim *world, sim_node *node, const sim_op *what);
bool sim_store_fill(sim *world);

/* watch.c */
bool sim_watch_open(sim *world);
void sim_watch_close(sim *world);
/* Looks at what has been committed, if something has, and judges it. */
void sim_watch_look(sim *world);
/* The intent and the lease of a key, as stored now. */
bool sim_watch_intent(sim *world, int key, int64_t *generation, int64_t *fence);
bool sim_watch_lease(sim *world, int key, int64_t *fence, int64_t *until_boot_ms);
int sim_watch_sent_codes(sim *world);

/* check.c */
void sim_check_leaving(sim *world, sim_flight *flight);
void sim_check_starting(sim *world, sim_flight *flight);
/* What an operation comes to. */
void sim_check_op(const sim_op *op, const wx_err *err);
void sim_check_status(sim *world);
void sim_check_end(sim *world);

/* scenario.c */
void sim_run(sim *world);

#endif
