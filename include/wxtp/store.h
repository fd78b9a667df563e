/**
 * @file store.h
 * The store contract: what a backend must do. Hosts that use the SQLite backend need `store_sqlite.h` alone.
 *
 * Rules that hold for every operation:
 * - Operations run inside a transaction, which one thread at a time uses from `begin` to `commit` or
 * `rollback`. Write transactions are serialized over all threads and processes that share the store; a read
 * transaction sees one consistent state.
 * - `commit` of a WXTP_TX_SYNC transaction returns WXTP_OK only when the data would survive a power cut.
 * WXTP_TX_WRITE survives a crash of the process at once, and a power cut from the next sync on, which comes
 * within a second.
 * - When an operation fails in a write transaction, the caller rolls back; a failed `commit` has rolled back.
 * - Pointers in rows that a backend hands out are borrowed: valid until the next operation on the same
 * transaction, or its end. Inside a list callback no other operation on that transaction is made. The backend
 * copies what it is given.
 * - A row pointer that the caller passes may hold NULL strings, which mean the empty string, and empty blobs.
 * - A list callback returns true to go on, false to stop; the operation returns WXTP_OK either way.
 * - Blobs are opaque: secrets arrive sealed. A backend never logs what it stores.
 * - WXTP_ERR_NOT_FOUND where a row does not exist; WXTP_ERR_NOMEM, WXTP_ERR_STORE, WXTP_ERR_STORE_BUSY on
 * trouble. `message` tells the last trouble of a transaction in words.
 * - Numbers handed out lie between -2^53 and 2^53, whatever stands in a damaged row.
 * - Times ending in `_ms` are wall time in milliseconds since 1970 unless they are called boot time.
 */
#ifndef WXTP_STORE_H
#define WXTP_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wxtp/status.h>

WXTP_BEGIN_DECLS

#define WXTP_STORE_CONTRACT_VERSION 1
#define WXTP_BATCH_MAX 20 /**< Openids of one batch. */

typedef struct wxtp_blob {
    const void *data;
    size_t len;
} wxtp_blob;

typedef enum wxtp_tx_mode {
    WXTP_TX_READ = 0,
    WXTP_TX_WRITE = 1, /**< For progress that may be done again. */
    WXTP_TX_SYNC = 2,  /**< For tokens, tickets, codes and intents. */
} wxtp_tx_mode;

typedef struct wxtp_tx wxtp_tx; /**< Defined by each backend. */

/* ---- Rows
 * ---------------------------------------------------------------------------------------------------- */

typedef struct wxtp_platform_row {
    const char *component_appid;
    wxtp_blob appsecret, push_token, aes_key; /* sealed */
    wxtp_blob previous_push_token, previous_aes_key;
    int64_t updated_ms;
} wxtp_platform_row;

typedef struct wxtp_ticket_row {
    const char *component_appid;
    wxtp_blob ticket;      /* sealed */
    int64_t create_time_s; /* WeChat's CreateTime */
    int64_t received_ms;
} wxtp_ticket_row;

typedef enum wxtp_credential {
    WXTP_CREDENTIAL_AUTHORIZER = 0,
    WXTP_CREDENTIAL_OWN = 1,
    WXTP_CREDENTIAL_CLOUD = 2,
} wxtp_credential;

typedef enum wxtp_tenant_status {
    WXTP_TENANT_AUTHORIZING = 0,
    WXTP_TENANT_AUTHORIZED = 1,
    WXTP_TENANT_UNAUTHORIZED = 2,
    WXTP_TENANT_REAUTHORIZATION_REQUIRED = 3,
} wxtp_tenant_status;

typedef enum wxtp_account {
    WXTP_ACCOUNT_UNKNOWN = 0,
    WXTP_ACCOUNT_SERVICE = 1,
    WXTP_ACCOUNT_SUBSCRIPTION = 2,
    WXTP_ACCOUNT_MINI_PROGRAM = 3,
    WXTP_ACCOUNT_OTHER = 4, /* channels, store, talent, supplier: shown as unknown, never callable */
} wxtp_account;

/** Three-valued: -1 unknown, 0 no, 1 yes. */
typedef int wxtp_tristate;

typedef struct wxtp_tenant_row {
    const char *platform; /* the component's appid; "" for own and cloud credentials */
    const char *appid;
    wxtp_credential credential;
    wxtp_tenant_status status;
    wxtp_account account;
    int service_type;            /* -1 unknown */
    int verify_type;             /* meaningful when profile_ms > 0 */
    int account_status;          /* 0 unknown */
    const char *permission_sets; /* ascending ids, as in "1,2,15" */
    const char *nick_name, *principal_name, *user_name;
    wxtp_tristate certified;          /* what counts; also what `list` filters by */
    wxtp_tristate override_certified; /* the operator's word; -1 = auto */
    wxtp_tristate declared_certified; /* own and cloud: what the operator declared */
    wxtp_tristate observed_certified; /* own and cloud: what WeChat's answers showed */
    int64_t profile_ms;               /* when the profile was last read; 0 never */
    int64_t status_ms;                /* when the status was last confirmed by WeChat or a push */
    const char *status_source;        /* by which: "push EVENT ID", the name of a call, "operator" */
    int64_t event_time_s;             /* WeChat's time of the newest event applied; orders pushes */
    wxtp_blob appsecret;              /* own: sealed */
    const char *token_file;           /* cloud: path of the cloudbase token; "" = no token parameter */
    bool token_of_platform;           /* cloud: TOKEN@appid */
    bool removed;    /* forgotten by the operator; kept so that a sync does not bring it back */
    int64_t used_ms; /* last business call */
    int64_t created_ms, updated_ms;
} wxtp_tenant_row;

typedef struct wxtp_tenant_filter {
    const char *platform;    /* this component's tenants, and those of the platform "" */
    int status;              /* a wxtp_tenant_status, or -1 for any */
    int certified;           /* 0 or 1 as in the row's `certified`, or -1 for any */
    int credential;          /* a wxtp_credential, or -1 for any */
    const char *after_appid; /* NULL: from the start */
    const char *after_platform;
    size_t limit;
    bool with_removed;
} wxtp_tenant_filter;

/** What a token belongs to. A component's token has the platform and an empty appid. */
typedef struct wxtp_token_key {
    const char *platform;
    const char *appid;
} wxtp_token_key;

typedef struct wxtp_token_row {
    wxtp_token_key key;
    int64_t generation; /* from 1; one more whenever the access token's text changes */
    wxtp_blob access;   /* sealed; empty: none */
    wxtp_blob refresh;  /* sealed; empty: none */
    int64_t issued_ms;  /* when the request that brought it was sent */
    int64_t expires_ms;
    int64_t due_ms;             /* early-refresh moment, jitter included; indexed */
    int64_t refused_generation; /* highest generation that WeChat refused; 0 none */
    const char
        *early_refusals; /* times in ms, comma separated, of refusals long before expiry, the last hour's */
    int64_t forced_day;  /* own: Beijing day number of forced_count */
    int64_t forced_count;
    int64_t forced_ms; /* last forced refresh */
} wxtp_token_row;

typedef struct wxtp_spare_row {
    wxtp_token_key key;
    int64_t id; /* given by the store */
    wxtp_blob refresh;
    int64_t added_ms;
} wxtp_spare_row;

/** "A request that changes credentials at WeChat is about to leave." One a key. */
typedef struct wxtp_intent_row {
    wxtp_token_key key;
    int64_t generation; /* of the token read before */
    int64_t fence;
    int64_t started_ms;
    int64_t attempts; /* sent with outcome unknown so far */
} wxtp_intent_row;

typedef enum wxtp_code_state {
    WXTP_CODE_PENDING = 0,
    WXTP_CODE_SENT = 1, /* an exchange left; its outcome is unknown until the state moves on */
    WXTP_CODE_DONE = 2,
    WXTP_CODE_BAD = 3,
} wxtp_code_state;

typedef struct wxtp_code_row {
    const char *platform;
    wxtp_blob digest;  /* of the code; with platform the key */
    const char *appid; /* "" until known */
    wxtp_blob code;    /* sealed; emptied when done or bad */
    wxtp_code_state state;
    int64_t create_time_s; /* of the push that brought it; 0 where an operator did */
    int64_t received_ms, expires_ms;
    const char *source; /* "push EVENT ID"; "" where an operator brought it */
} wxtp_code_row;

/** The holder of leases: this open store handle. Backends make it up and know when it died. */
typedef struct wxtp_lease {
    const char *name;      /* "token:PLATFORM:APPID", "code:…", "job:ID" */
    int64_t fence;         /* one more at each take of this name, for ever */
    int64_t until_boot_ms; /* boot time at which it runs out */
} wxtp_lease;

/** A push that was remembered, and what became of it. */
typedef struct wxtp_push_row {
    const char *platform;
    wxtp_blob digest;      /* of the decrypted text; with platform the key */
    const char *event;     /* InfoType or MsgType */
    const char *appid;     /* whom it is about; "" where it names nobody */
    int64_t create_time_s; /* WeChat's CreateTime; 0 where it has none */
    int64_t received_ms;
    bool applied;
    const char *why; /* where it was not applied */
} wxtp_push_row;

typedef struct wxtp_push_filter {
    const char *platform;
    const char *appid; /* NULL: any */
    int64_t since_ms;
    size_t limit; /* the last so many, oldest first */
} wxtp_push_filter;

typedef enum wxtp_job_state {
    WXTP_JOB_BUILDING = 0,
    WXTP_JOB_RUNNING = 1, /* wants to run; whether someone does says its lease */
    WXTP_JOB_PAUSED = 2,
    WXTP_JOB_DONE = 3,
    WXTP_JOB_PARTIAL = 4,
    WXTP_JOB_CANCELLED = 5,
} wxtp_job_state;

typedef enum wxtp_paused_by {
    WXTP_PAUSED_BY_NONE = 0,
    WXTP_PAUSED_BY_QUOTA,
    WXTP_PAUSED_BY_RATE,
    WXTP_PAUSED_BY_NETWORK,
    WXTP_PAUSED_BY_CREDENTIALS,
    WXTP_PAUSED_BY_GATE,
    WXTP_PAUSED_BY_INTERRUPTED,
    WXTP_PAUSED_BY_SUSPECT_LIST,
    WXTP_PAUSED_BY_UNKNOWN_ERRCODE,
    WXTP_PAUSED_BY_RESTORED,
} wxtp_paused_by;

typedef struct wxtp_job_row {
    const char *id;
    const char *platform; /* of the tenant; "" for own and cloud */
    const char *appid;
    const char *call; /* catalog name */
    wxtp_job_state state;
    wxtp_paused_by paused_by;
    bool cancel_requested;
    bool forced;       /* the suspect-list check is off */
    int64_t requested; /* distinct openids = succeeded + invalid + failed + pending */
    int64_t duplicates;
    int64_t succeeded, invalid, failed, pending;
    int64_t asked;          /* openids that WeChat has answered about, refused locally not counted */
    int64_t unknown_streak; /* batches in a row that an unknown errcode failed */
    int64_t calls, token_refreshes;
    int64_t created_ms, updated_ms, finished_ms;
    int64_t elapsed_ms; /* of the last run */
    /* Why it is paused, for `job show`: the error's fields. */
    const char *error_kind, *error_message, *error_hint, *error_rid;
    int64_t error_errcode;
} wxtp_job_row;

typedef struct wxtp_job_filter {
    const char *platform; /* this component's jobs, and those of the platform "" */
    const char *appid;    /* NULL: any */
    int state;            /* a wxtp_job_state, or -1 */
    bool unfinished_only; /* building, running or paused */
    const char *after_id; /* NULL: from the newest; jobs come newest first */
    size_t limit;
    const char *id_prefix; /* NULL: any; else those whose id begins so, by id, the highest first */
} wxtp_job_filter;

/** Up to 20 openids and how far the search among them has come: one mark an openid, see lib/codec/narrow.h.
 */
typedef struct wxtp_batch_row {
    const char *job_id;
    int64_t number;      /* from 0 */
    const char *openids; /* separated by a single '\n', none at the end */
    const char *marks;   /* as many characters as openids */
    bool finished;       /* no openid of it is pending */
} wxtp_batch_row;

typedef enum wxtp_verdict {
    WXTP_VERDICT_INVALID = 0,
    WXTP_VERDICT_FAILED = 1,
} wxtp_verdict;

typedef struct wxtp_exception_row {
    const char *job_id;
    int64_t id; /* ascending, given by the store */
    const char *openid;
    wxtp_verdict verdict;
    int64_t errcode; /* 0: refused locally */
    const char *errmsg;
} wxtp_exception_row;

/** Which of a job's openids were on a list that WeChat keeps, before the job ran. */
typedef struct wxtp_snapshot_row {
    const char *job_id;
    int64_t taken_ms;
    int64_t batches;     /* those numbered below it are covered */
    int64_t listed;      /* how many of the job's openids were on the list */
    int64_t total;       /* how long the whole list was, by WeChat's own count */
    const char *undo_id; /* the job that undoes this one; "" none */
} wxtp_snapshot_row;

typedef enum wxtp_hold_kind {
    WXTP_HOLD_QUOTA = 0,   /* 45009: no call before until_ms, but a person's probe */
    WXTP_HOLD_REFUSED = 1, /* WeChat refused what the profile allows: probe from until_ms on */
} wxtp_hold_kind;

/** Memory of a refusal by WeChat. The platform's own quota has an empty appid; `call` "" means every call. */
typedef struct wxtp_hold_row {
    const char *platform, *appid, *call;
    wxtp_hold_kind kind;
    int64_t errcode;
    int64_t since_ms, until_ms;
    int64_t interval_ms; /* doubles with each probe that is refused */
} wxtp_hold_row;

typedef struct wxtp_audit_row {
    int64_t id; /* ascending, given by the store */
    int64_t time_ms;
    const char *platform, *appid, *call, *job_id;
    int64_t openids;
    int64_t errcode; /* WeChat's; 0 ok; -1 with an errmsg where no answer came */
    const char *errmsg, *rid;
    int64_t duration_ms;
    int64_t token_generation; /* that it was made with */
    int64_t made_generation;  /* that its answer made; 0 none */
    const char *source;       /* what brought it about: of an exchange, what brought the code */
} wxtp_audit_row;

typedef struct wxtp_audit_filter {
    const char *platform; /* this component's, and those of the platform "" */
    const char *appid;    /* NULL: any */
    int64_t since_ms;
    size_t limit; /* the last so many, oldest first */
    bool by_errcode;
    int64_t errcode; /* with `by_errcode`: only rows of this one */
} wxtp_audit_filter;

/** Which call made a token. */
typedef struct wxtp_maker_filter {
    const char *platform, *appid;
    int64_t before_id;  /* only rows with a smaller id */
    int64_t generation; /* that it made; 0: any */
    const char *call;   /* NULL: any */
} wxtp_maker_filter;

/** What `prune` deletes: rows older than these times. 0 keeps all of a kind. */
typedef struct wxtp_prune {
    int64_t audit_before_ms, pushes_before_ms, codes_before_ms, finished_jobs_before_ms;
} wxtp_prune;

/* ---- The contract
 * -------------------------------------------------------------------------------------------- */

typedef struct wxtp_store wxtp_store;

/** A backend. `struct_size` is `sizeof(wxtp_store_ops)`; it only grows at its end. */
typedef struct wxtp_store_ops {
    size_t struct_size;
    const char *name; /* "sqlite", "memory" */

    void (*close)(wxtp_store *store); /* gives back its leases */
    /** True in a process that got the handle by `fork`: only `abandon` may be called then. */
    bool (*forked)(wxtp_store *store);
    /** Frees memory without touching a file. */
    void (*abandon)(wxtp_store *store);

    wxtp_status (*begin)(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx);
    wxtp_status (*commit)(wxtp_tx *tx); /* ends the transaction whatever it returns */
    void (*rollback)(wxtp_tx *tx);      /* NULL does nothing */
    /** Marks a place in a write transaction; one at a time. */
    wxtp_status (*savepoint)(wxtp_tx *tx);
    /** Undoes what was written since; the mark is gone, the transaction goes on. */
    wxtp_status (*rollback_to)(wxtp_tx *tx);
    /** Keeps what was written since; the mark is gone. */
    wxtp_status (*release)(wxtp_tx *tx);
    /** The trouble of the last operation in words, "" where there was none; borrowed until the next
     * operation. With a NULL `tx`, the trouble of the last failed `begin` or `commit` of the calling thread,
     * copied to `text`. */
    void (*message)(wxtp_store *store, wxtp_tx *tx, char *text, size_t size);

    /* Small values of the library itself: sealed data key, instance id. */
    wxtp_status (*meta_get)(wxtp_tx *tx, const char *name, wxtp_blob *value);
    wxtp_status (*meta_put)(wxtp_tx *tx, const char *name, wxtp_blob value);

    wxtp_status (*platform_get)(wxtp_tx *tx, const char *component_appid, wxtp_platform_row *row);
    wxtp_status (*platform_put)(wxtp_tx *tx, const wxtp_platform_row *row);
    wxtp_status (*platform_list)(wxtp_tx *tx, bool (*each)(void *user, const wxtp_platform_row *row),
                                 void *user);

    wxtp_status (*ticket_get)(wxtp_tx *tx, const char *component_appid, wxtp_ticket_row *row);
    wxtp_status (*ticket_put)(wxtp_tx *tx, const wxtp_ticket_row *row);

    wxtp_status (*tenant_get)(wxtp_tx *tx, const char *platform, const char *appid, wxtp_tenant_row *row);
    wxtp_status (*tenant_put)(wxtp_tx *tx, const wxtp_tenant_row *row);
    /** By appid, then platform; strictly after (after_appid, after_platform) in that order. */
    wxtp_status (*tenant_list)(wxtp_tx *tx, const wxtp_tenant_filter *filter,
                               bool (*each)(void *user, const wxtp_tenant_row *row), void *user);
    /** Tenants of `platform` and of "" by status, removed ones left out. */
    wxtp_status (*tenant_count)(wxtp_tx *tx, const char *platform, int64_t counts[4]);

    wxtp_status (*token_get)(wxtp_tx *tx, const wxtp_token_key *key, wxtp_token_row *row);
    /**
     * Writes `row` if the stored generation is `expected_generation` (0: no row), else WXTP_ERR_CONFLICT.
     * With a `lease` the write is also refused (WXTP_ERR_CONFLICT) unless its fence is the newest taken of
     * that name.
     */
    wxtp_status (*token_put_if)(wxtp_tx *tx, const wxtp_token_row *row, int64_t expected_generation,
                                const wxtp_lease *lease);
    wxtp_status (*token_delete)(wxtp_tx *tx, const wxtp_token_key *key);
    /** Keys of tokens with due_ms <= now_ms, of `platform` and of "", earliest first. Only `key`, `due_ms`,
     * `generation` are filled. */
    wxtp_status (*token_due)(wxtp_tx *tx, const char *platform, int64_t now_ms, size_t limit,
                             bool (*each)(void *user, const wxtp_token_row *row), void *user);

    wxtp_status (*spare_add)(wxtp_tx *tx, const wxtp_spare_row *row);
    /** Newest first. */
    wxtp_status (*spare_list)(wxtp_tx *tx, const wxtp_token_key *key,
                              bool (*each)(void *user, const wxtp_spare_row *row), void *user);
    wxtp_status (*spare_delete)(wxtp_tx *tx, const wxtp_token_key *key,
                                int64_t id); /* id 0: all of the key */

    wxtp_status (*intent_get)(wxtp_tx *tx, const wxtp_token_key *key, wxtp_intent_row *row);
    wxtp_status (*intent_put)(wxtp_tx *tx, const wxtp_intent_row *row);
    wxtp_status (*intent_delete)(wxtp_tx *tx, const wxtp_token_key *key);

    wxtp_status (*code_get)(wxtp_tx *tx, const char *platform, wxtp_blob digest, wxtp_code_row *row);
    wxtp_status (*code_put)(wxtp_tx *tx, const wxtp_code_row *row);
    /** Codes of `platform` that are pending or sent; those of `appid` where it is not NULL; oldest first. */
    wxtp_status (*code_open)(wxtp_tx *tx, const char *platform, const char *appid,
                             bool (*each)(void *user, const wxtp_code_row *row), void *user);

    /**
     * Leases. Their time is the clock port's boot time; a lease of another boot, of an owner that died, or
     * past its time is free. Taking gives a fence greater than any before. One owner (store handle) may take
     * different names.
     * - lease_take: WXTP_ERR_STATE while another (or the same) owner holds it; `lease->until_boot_ms` then
     * tells till when.
     * - lease_renew: WXTP_ERR_CONFLICT unless `lease->fence` is the newest and the lease is still held.
     * - lease_release: does nothing when the fence is stale.
     * - lease_check: WXTP_OK when the fence is the newest and the time is not over, else WXTP_ERR_CONFLICT.
     * - lease_holder: WXTP_OK when someone holds it, else WXTP_ERR_NOT_FOUND.
     */
    wxtp_status (*lease_take)(wxtp_tx *tx, wxtp_lease *lease, int64_t duration_ms);
    wxtp_status (*lease_renew)(wxtp_tx *tx, wxtp_lease *lease, int64_t duration_ms);
    wxtp_status (*lease_release)(wxtp_tx *tx, const wxtp_lease *lease);
    wxtp_status (*lease_check)(wxtp_tx *tx, const wxtp_lease *lease);
    wxtp_status (*lease_holder)(wxtp_tx *tx, wxtp_lease *lease);

    /** Remembers a push by the digest of its decrypted text. WXTP_ERR_EXISTS where it was seen before. */
    wxtp_status (*push_remember)(wxtp_tx *tx, const char *platform, wxtp_blob digest, int64_t received_ms);

    wxtp_status (*job_get)(wxtp_tx *tx, const char *id, wxtp_job_row *row);
    wxtp_status (*job_put)(wxtp_tx *tx, const wxtp_job_row *row);
    wxtp_status (*job_list)(wxtp_tx *tx, const wxtp_job_filter *filter,
                            bool (*each)(void *user, const wxtp_job_row *row), void *user);
    wxtp_status (*job_delete)(wxtp_tx *tx, const char *id); /* with all that is its */

    /**
     * Builds a job's batches from a stream of valid openids of any length, each openid once, in the order of
     * their first appearance. The job row exists with state WXTP_JOB_BUILDING. Uses disk, not memory, in
     * proportion to the list. Outside any transaction of the caller.
     * - build_finish writes the batches (in many small transactions) and tells the counts; the caller then
     * moves the job on from BUILDING. build_free ends it either way; NULL does nothing.
     */
    wxtp_status (*build_begin)(wxtp_store *store, const char *job_id, void **builder);
    wxtp_status (*build_add)(void *builder, const char *openid, size_t len);
    /** Adds one that cannot be an openid: it becomes an invalid exception with errcode 0; text over 255 bytes
     * is cut. */
    wxtp_status (*build_add_invalid)(void *builder, const char *text, size_t len);
    /** `distinct`: valid ones in batches; `invalid`: distinct invalid ones; `duplicates`: lines beyond the
     * first. */
    wxtp_status (*build_finish)(void *builder, int64_t *distinct, int64_t *invalid, int64_t *duplicates);
    void (*build_free)(void *builder);

    /** Unfinished batches by number, from `from` on. */
    wxtp_status (*batch_list)(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                              bool (*each)(void *user, const wxtp_batch_row *row), void *user);
    wxtp_status (*batch_get)(wxtp_tx *tx, const char *job_id, int64_t number, wxtp_batch_row *row);
    wxtp_status (*batch_put)(wxtp_tx *tx, const wxtp_batch_row *row);
    /** Writes how far a batch has come, a mark for each of its openids; WXTP_ERR_NOT_FOUND where it does not
     * exist. */
    wxtp_status (*batch_mark)(wxtp_tx *tx, const char *job_id, int64_t number, const char *marks,
                              bool finished);

    wxtp_status (*exception_add)(wxtp_tx *tx, const wxtp_exception_row *row);
    /** In order of id, those with id > after_id; verdict -1: both. */
    wxtp_status (*exception_list)(wxtp_tx *tx, const char *job_id, int verdict, int64_t after_id,
                                  size_t limit, bool (*each)(void *user, const wxtp_exception_row *row),
                                  void *user);
    /** Removes a job's failed exceptions and appends their openids as new batches; `count` tells how many. */
    wxtp_status (*exception_retry)(wxtp_tx *tx, const char *job_id, int64_t *count);

    wxtp_status (*hold_get)(wxtp_tx *tx, const char *platform, const char *appid, const char *call,
                            wxtp_hold_kind kind, wxtp_hold_row *row);
    wxtp_status (*hold_put)(wxtp_tx *tx, const wxtp_hold_row *row);
    /** Of one account; `call` NULL: of every call. */
    wxtp_status (*hold_delete)(wxtp_tx *tx, const char *platform, const char *appid, const char *call,
                               wxtp_hold_kind kind);

    wxtp_status (*audit_add)(wxtp_tx *tx, const wxtp_audit_row *row);
    wxtp_status (*audit_list)(wxtp_tx *tx, const wxtp_audit_filter *filter,
                              bool (*each)(void *user, const wxtp_audit_row *row), void *user);

    wxtp_status (*prune)(wxtp_tx *tx, const wxtp_prune *what, int64_t *deleted);

    /** Each problem found in the store's own structure, in words; none: sound. May take long. */
    wxtp_status (*check)(wxtp_store *store, void (*problem)(void *user, const char *text), void *user);
    /** Copies the store, consistent while others write, to the new file `path` (0600). */
    wxtp_status (*backup)(wxtp_store *store, const char *path);
    /** Housekeeping that the library calls now and then (checkpoint, sync of relaxed commits). Never blocks
     * long. */
    wxtp_status (*maintain)(wxtp_store *store);
    /** Facts for people: "sqlite 3.40.1", path, schema version, notes such as the WAL-reset bug. */
    void (*describe)(wxtp_store *store, void (*fact)(void *user, const char *name, const char *value),
                     void *user);
    /** Removes what handles that died have left half done: jobs that were being built. The library calls it
     * once after opening, when it has the right key; opening a handle itself writes nothing into a store that
     * is there. */
    wxtp_status (*sweep)(wxtp_store *store);

    /**
     * Finds which keys are among others, both of any number. Uses disk, not memory, in proportion to them;
     * what it keeps there goes with it. Outside any transaction of the caller.
     * - sift_add: a key of 1 to 64 bytes that has a place (from 0), or with place -1 one that is looked for.
     * - sift_finish visits, ascending, the least place of each key that was added both ways. Once.
     * - sift_free ends it; NULL does nothing.
     */
    wxtp_status (*sift_begin)(wxtp_store *store, void **sift);
    wxtp_status (*sift_add)(void *sift, const void *key, size_t len, int64_t place);
    wxtp_status (*sift_finish)(void *sift, bool (*each)(void *user, int64_t place), void *user);
    void (*sift_free)(void *sift);

    /* One snapshot a job, with marks in sealed parts numbered from 0; deleted with the job. A put replaces.
     */
    wxtp_status (*snapshot_get)(wxtp_tx *tx, const char *job_id, wxtp_snapshot_row *row);
    wxtp_status (*snapshot_put)(wxtp_tx *tx, const wxtp_snapshot_row *row);
    wxtp_status (*snapshot_part_get)(wxtp_tx *tx, const char *job_id, int64_t part, wxtp_blob *marks);
    wxtp_status (*snapshot_part_put)(wxtp_tx *tx, const char *job_id, int64_t part, wxtp_blob marks);

    /** Writes what became of a push that is remembered, all but `received_ms`; WXTP_ERR_NOT_FOUND else. */
    wxtp_status (*push_note)(wxtp_tx *tx, const wxtp_push_row *row);
    /** WXTP_ERR_NOT_FOUND also for one of which nothing was noted. */
    wxtp_status (*push_get)(wxtp_tx *tx, const char *platform, wxtp_blob digest, wxtp_push_row *row);
    /** In the order of `received_ms`; those of which nothing was noted are left out. */
    wxtp_status (*push_list)(wxtp_tx *tx, const wxtp_push_filter *filter,
                             bool (*each)(void *user, const wxtp_push_row *row), void *user);

    /** Rows of `platform` and of "" with id > after_id, in order of id. */
    wxtp_status (*audit_after)(wxtp_tx *tx, const char *platform, int64_t after_id, size_t limit,
                               bool (*each)(void *user, const wxtp_audit_row *row), void *user);
    /** The newest row of `platform` or of "" with this rid. */
    wxtp_status (*audit_by_rid)(wxtp_tx *tx, const char *platform, const char *rid, wxtp_audit_row *row);
    /** The newest row that made a token and fits the filter. */
    wxtp_status (*audit_maker)(wxtp_tx *tx, const wxtp_maker_filter *filter, wxtp_audit_row *row);
} wxtp_store_ops;

/** Every backend's handle begins with this. */
struct wxtp_store {
    const wxtp_store_ops *ops;
    bool taken; /**< The library's: a platform has it. False when a backend hands it out. */
};

WXTP_END_DECLS
#endif
