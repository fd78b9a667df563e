/*
 * What the files of the SQLite backend share. One handle has a writer and a reader connection; the turn of a
 * connection is held from `begin` to the end of its transaction. Gate and turnstile of the lock file are
 * touched by the thread that has the writer's turn alone.
 */
#ifndef WXTP_SQLITE_INTERNAL_H
#define WXTP_SQLITE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <wxtp/allocator.h>
#include <wxtp/clock.h>
#include <wxtp/store.h>
#include <wxtp/store_sqlite.h>

#define SQ_MESSAGE 256
#define SQ_STATEMENTS 256              /* slots of a connection's cache; a power of two */
#define SQ_NONCE 33                    /* 16 random bytes in hex */
#define SQ_VALUE_MAX (16L << 20)       /* bytes of any stored value */
#define SQ_INT_MOST (INT64_C(1) << 53) /* of any number handed out, either way */
#define SQ_BUSY_MS 30000
#define SQ_OPENID_MAX 255
#define SQ_SIFT_KEY_MAX 64
#define SQ_MESSAGES 32 /* threads whose last trouble is kept */

/* Where a test may end or stop the process; nothing but in the build of tests/points. */
#ifdef WXTP_POINTS
void wxtp_point(const char *name);
#define SQ_POINT(name) wxtp_point(name)
#else
#define SQ_POINT(name) ((void)0)
#endif

typedef struct sq_store sq_store;

typedef struct sq_memory {
    wxtp_allocator allocator;
} sq_memory;

/* A buffer that grows and never shrinks before its release. */
typedef struct sq_buffer {
    char *data;
    size_t size, used;
} sq_buffer;

/* Waiting with growing random sleeps until a deadline, with one last try after it. */
typedef struct sq_wait {
    const wxtp_clock *clock;
    int64_t deadline_ms;
    unsigned turns;
    bool late;
} sq_wait;

/* A lock whose wait has an end on monotonic time, which no step of the wall clock moves. */
typedef struct sq_turn {
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    bool taken;
} sq_turn;

typedef struct sq_statement {
    const char *sql; /* a literal: known by its address */
    int slot;
    sqlite3_stmt *stmt;
} sq_statement;

typedef struct sq_conn sq_conn;

struct wxtp_tx {
    sq_conn *conn;
    wxtp_tx_mode mode;
    wxtp_status failed; /* trouble that the transaction cannot go on after */
    sq_buffer rows[2];  /* of this operation and the one before, whose row may be an argument of this */
    unsigned turn;
    char message[SQ_MESSAGE];
};

struct sq_conn {
    sq_store *store;
    sqlite3 *db;
    sq_turn turn;
    wxtp_tx tx;
    sq_wait wait;
    bool full;       /* synchronous=FULL is set */
    bool committed;  /* frames were written by the last commit */
    int wal_pages;   /* in the WAL after the last commit */
    char job_id[64]; /* the job last looked up, and its number */
    int64_t job_number;
    sq_statement statements[SQ_STATEMENTS];
};

typedef struct sq_trouble {
    bool used;
    pthread_t thread;
    char text[SQ_MESSAGE];
} sq_trouble;

/* A file that the handle has open, as it was found at its name. */
typedef struct sq_place {
    char *path;
    dev_t device;
    ino_t inode;
} sq_place;

enum { SQ_PLACE_DATABASE, SQ_PLACE_WAL, SQ_PLACE_LOCK, SQ_PLACES };

struct sq_store {
    wxtp_store base;
    sq_memory memory;
    wxtp_clock clock;
    char *path; /* of the database, symbolic links resolved */
    sq_place places[SQ_PLACES];
    char *boot_id;
    pid_t pid;
    int64_t busy_ms;
    int lock_fd;
    int wal_fd;
    bool read_only;     /* the lock file cannot be written: nor can the database */
    int64_t owner_byte; /* locked when a lease is first written; 0: none yet */
    bool owner_written; /* its row is committed */
    char nonce[SQ_NONCE];
    sq_conn writer, reader;
    atomic_bool unsynced; /* relaxed commits that no sync followed */
    atomic_bool doubtful; /* a sync of the WAL failed: it is written anew before it is relied on */
    int checkpoint_pages; /* look again from this size on; in the writer's turn */
    int64_t checkpoint_boot_ms;
    pthread_mutex_t trouble_mutex;
    unsigned trouble_next;
    sq_trouble trouble[SQ_MESSAGES];
};

/* memory.c */
void *sq_allocate(const sq_memory *memory, size_t size);
void sq_release(const sq_memory *memory, void *data);
char *sq_copy(const sq_memory *memory, const char *text, size_t len);
/* `a` and `b` in one string. */
char *sq_join(const sq_memory *memory, const char *a, const char *b);
wxtp_status sq_buffer_reserve(const sq_memory *memory, sq_buffer *buffer, size_t size);
void sq_buffer_free(const sq_memory *memory, sq_buffer *buffer);

/* wait.c */
void sq_wait_start(sq_wait *wait, const wxtp_clock *clock, int64_t budget_ms);
/* After a try that failed: sleeps and returns true where another is due. */
bool sq_wait_more(sq_wait *wait);
bool sq_nonce(char nonce[SQ_NONCE]);

/* turn.c */
bool sq_turn_init(sq_turn *turn);
void sq_turn_destroy(sq_turn *turn);
bool sq_turn_take(sq_turn *turn, int64_t budget_ms);
void sq_turn_give(sq_turn *turn);

/* status.c */
wxtp_status sq_status(int rc);
void sq_say(char *text, size_t size, const char *format, ...) WXTP_PRINTF(3, 4);
/* Keeps the calling thread's last trouble outside a transaction. */
void sq_trouble_keep(sq_store *store, const char *text);
void sq_message(wxtp_store *base, wxtp_tx *tx, char *text, size_t size);
/* Marks the transaction as broken by `rc`. */
wxtp_status sq_fail(wxtp_tx *tx, int rc);
/* An answer that is no trouble of the store, such as a conflict; the transaction may go on. */
wxtp_status sq_answer(wxtp_tx *tx, wxtp_status status, const char *text);

/* connection.c */
int sq_conn_open(sq_store *store, sq_conn *conn, const char *path, bool read_only);
int sq_conn_configure(sq_conn *conn, bool read_only);
void sq_conn_close(sq_conn *conn);
void sq_conn_forget(sq_conn *conn);
int sq_exec(sqlite3 *db, const char *sql);
int sq_pragma_int(sqlite3 *db, const char *sql, int64_t *value);
/* The cached statement of a literal; several of one literal may be open under different slots. */
int sq_statement_get(sq_conn *conn, const char *sql, int slot, sqlite3_stmt **stmt);

/* transaction.c */
/* Once the schema stands: an older statement would be prepared anew when it is used. */
int sq_transaction_prepare(sq_conn *conn);
wxtp_status sq_begin(wxtp_store *base, wxtp_tx_mode mode, wxtp_tx **tx);
wxtp_status sq_commit(wxtp_tx *tx);
void sq_rollback(wxtp_tx *tx);
wxtp_status sq_savepoint(wxtp_tx *tx);
wxtp_status sq_rollback_to(wxtp_tx *tx);
wxtp_status sq_release_savepoint(wxtp_tx *tx);

/* lockfile.c */
wxtp_status sq_lockfile_open(sq_store *store, char *message, size_t size);
wxtp_status sq_opening_lock(sq_store *store);
void sq_opening_unlock(sq_store *store);
/* Writers pass the turnstile and hold the gate shared during a transaction. */
wxtp_status sq_gate_enter(sq_store *store, sq_wait *wait);
void sq_gate_leave(sq_store *store);
/* The checkpointer holds both alone. */
bool sq_gate_close(sq_store *store, int64_t turnstile_ms, int64_t gate_ms);
void sq_gate_open(sq_store *store);
wxtp_status sq_owner_lock(sq_store *store);
void sq_owner_unlock(sq_store *store);
bool sq_owner_byte_locked(sq_store *store, int64_t byte);

/* checkpoint.c */
int sq_wal_hook(void *user, sqlite3 *db, const char *name, int pages);
/* Before a commit that is to be durable, and before a checkpoint; no other writer is at work. */
wxtp_status sq_wal_mend(sq_store *store);
/* The caller has the writer's turn, outside a transaction. */
wxtp_status sq_checkpoint(sq_store *store, bool urgent);
void sq_checkpoint_if_large(sq_store *store);
wxtp_status sq_maintain(wxtp_store *base);

/* migrate.c */
wxtp_status sq_schema_look(sqlite3 *db, int64_t *version, bool *empty, char *message, size_t size);
wxtp_status sq_migrate(sqlite3 *db, int64_t version, char *message, size_t size);

/* query.c */
typedef struct sq_query {
    wxtp_tx *tx;
    sqlite3_stmt *stmt;
    int rc;
    int bound, column;
    sq_buffer *row;
} sq_query;
/* Begins an operation of the contract; `write` where it changes something. */
wxtp_status sq_operation(wxtp_tx *tx, bool write);
void sq_open_slot(sq_query *q, wxtp_tx *tx, const char *sql, int slot, sq_buffer *row);
void sq_open(sq_query *q, wxtp_tx *tx, const char *sql);
void sq_int(sq_query *q, int64_t value);
void sq_text(sq_query *q, const char *text);
void sq_text_len(sq_query *q, const char *text, size_t len);
void sq_blob(sq_query *q, wxtp_blob blob);
bool sq_next(sq_query *q);
wxtp_status sq_end(sq_query *q);
/* For statements that give no row. */
wxtp_status sq_run(sq_query *q);
/* For at most one row; WXTP_ERR_NOT_FOUND without. The row's values outlive sq_end. */
wxtp_status sq_one(sq_query *q);
int64_t sq_get_int(sq_query *q);
const char *sq_get_text(sq_query *q);
wxtp_blob sq_get_blob(sq_query *q);
wxtp_status sq_one_int(wxtp_tx *tx, const char *sql, const char *text, int64_t *value);
int64_t sq_changes(wxtp_tx *tx);

/* rows: one file a topic */
wxtp_status sq_meta_get(wxtp_tx *tx, const char *name, wxtp_blob *value);
wxtp_status sq_meta_put(wxtp_tx *tx, const char *name, wxtp_blob value);
wxtp_status sq_platform_get(wxtp_tx *tx, const char *component_appid, wxtp_platform_row *row);
wxtp_status sq_platform_put(wxtp_tx *tx, const wxtp_platform_row *row);
wxtp_status sq_platform_list(wxtp_tx *tx, bool (*each)(void *, const wxtp_platform_row *), void *user);
wxtp_status sq_ticket_get(wxtp_tx *tx, const char *component_appid, wxtp_ticket_row *row);
wxtp_status sq_ticket_put(wxtp_tx *tx, const wxtp_ticket_row *row);

wxtp_status sq_tenant_get(wxtp_tx *tx, const char *platform, const char *appid, wxtp_tenant_row *row);
wxtp_status sq_tenant_put(wxtp_tx *tx, const wxtp_tenant_row *row);
wxtp_status sq_tenant_list(wxtp_tx *tx, const wxtp_tenant_filter *filter,
                           bool (*each)(void *, const wxtp_tenant_row *), void *user);
wxtp_status sq_tenant_count(wxtp_tx *tx, const char *platform, int64_t counts[4]);

wxtp_status sq_token_get(wxtp_tx *tx, const wxtp_token_key *key, wxtp_token_row *row);
wxtp_status sq_token_put_if(wxtp_tx *tx, const wxtp_token_row *row, int64_t expected_generation,
                            const wxtp_lease *lease);
wxtp_status sq_token_delete(wxtp_tx *tx, const wxtp_token_key *key);
wxtp_status sq_token_due(wxtp_tx *tx, const char *platform, int64_t now_ms, size_t limit,
                         bool (*each)(void *, const wxtp_token_row *), void *user);
wxtp_status sq_spare_add(wxtp_tx *tx, const wxtp_spare_row *row);
wxtp_status sq_spare_list(wxtp_tx *tx, const wxtp_token_key *key,
                          bool (*each)(void *, const wxtp_spare_row *), void *user);
wxtp_status sq_spare_delete(wxtp_tx *tx, const wxtp_token_key *key, int64_t id);
wxtp_status sq_intent_get(wxtp_tx *tx, const wxtp_token_key *key, wxtp_intent_row *row);
wxtp_status sq_intent_put(wxtp_tx *tx, const wxtp_intent_row *row);
wxtp_status sq_intent_delete(wxtp_tx *tx, const wxtp_token_key *key);

wxtp_status sq_code_get(wxtp_tx *tx, const char *platform, wxtp_blob digest, wxtp_code_row *row);
wxtp_status sq_code_put(wxtp_tx *tx, const wxtp_code_row *row);
wxtp_status sq_code_open(wxtp_tx *tx, const char *platform, const char *appid,
                         bool (*each)(void *, const wxtp_code_row *), void *user);
wxtp_status sq_push_remember(wxtp_tx *tx, const char *platform, wxtp_blob digest, int64_t received_ms);
wxtp_status sq_push_note(wxtp_tx *tx, const wxtp_push_row *row);
wxtp_status sq_push_get(wxtp_tx *tx, const char *platform, wxtp_blob digest, wxtp_push_row *row);
wxtp_status sq_push_list(wxtp_tx *tx, const wxtp_push_filter *filter,
                         bool (*each)(void *, const wxtp_push_row *), void *user);

wxtp_status sq_lease_take(wxtp_tx *tx, wxtp_lease *lease, int64_t duration_ms);
wxtp_status sq_lease_renew(wxtp_tx *tx, wxtp_lease *lease, int64_t duration_ms);
wxtp_status sq_lease_release(wxtp_tx *tx, const wxtp_lease *lease);
wxtp_status sq_lease_check(wxtp_tx *tx, const wxtp_lease *lease);
wxtp_status sq_lease_holder(wxtp_tx *tx, wxtp_lease *lease);
/* Inside an operation. */
wxtp_status sq_lease_fence(wxtp_tx *tx, const char *name, int64_t *fence);
wxtp_status sq_lease_hold(wxtp_tx *tx, wxtp_lease *lease, int64_t duration_ms);
wxtp_status sq_lease_held(wxtp_tx *tx, const char *name, bool *held, bool *ours);
wxtp_status sq_lease_drop(wxtp_tx *tx, const char *name);

/* owners.c */
/* Before a lease is written: the byte that tells others that this handle lives. */
wxtp_status sq_owner_need(wxtp_tx *tx);
/* With the commit of the first lease: the row that belongs to the byte. */
wxtp_status sq_owner_enter(wxtp_tx *tx);
/* After the end of a transaction. */
void sq_owner_settle(sq_store *store, bool committed);
wxtp_status sq_owner_leave(wxtp_tx *tx);
wxtp_status sq_owner_alive(wxtp_tx *tx, int64_t byte, const char *nonce, bool *alive);

wxtp_status sq_job_get(wxtp_tx *tx, const char *id, wxtp_job_row *row);
wxtp_status sq_job_put(wxtp_tx *tx, const wxtp_job_row *row);
wxtp_status sq_job_list(wxtp_tx *tx, const wxtp_job_filter *filter,
                        bool (*each)(void *, const wxtp_job_row *), void *user);
wxtp_status sq_job_delete(wxtp_tx *tx, const char *id);
/* Inside an operation. */
wxtp_status sq_job_number(wxtp_tx *tx, const char *id, int64_t *number);
wxtp_status sq_job_remove(wxtp_tx *tx, const char *id);
/* Deletes jobs whose builder died. */
wxtp_status sq_sweep(wxtp_store *base);

wxtp_status sq_batch_list(wxtp_tx *tx, const char *job_id, int64_t from, size_t limit,
                          bool (*each)(void *, const wxtp_batch_row *), void *user);
wxtp_status sq_batch_get(wxtp_tx *tx, const char *job_id, int64_t number, wxtp_batch_row *row);
wxtp_status sq_batch_put(wxtp_tx *tx, const wxtp_batch_row *row);
wxtp_status sq_batch_mark(wxtp_tx *tx, const char *job_id, int64_t number, const char *marks, bool finished);
/* Inside an operation. */
wxtp_status sq_batch_insert(wxtp_tx *tx, int64_t job, int64_t number, const char *openids, size_t len,
                            int count);

wxtp_status sq_exception_add(wxtp_tx *tx, const wxtp_exception_row *row);
wxtp_status sq_exception_list(wxtp_tx *tx, const char *job_id, int verdict, int64_t after_id, size_t limit,
                              bool (*each)(void *, const wxtp_exception_row *), void *user);
wxtp_status sq_exception_retry(wxtp_tx *tx, const char *job_id, int64_t *count);
wxtp_status sq_exception_insert(wxtp_tx *tx, int64_t job, const char *openid, size_t len,
                                wxtp_verdict verdict, int64_t errcode, const char *errmsg);

/* scratch.c */
int sq_scratch_open(sqlite3 **db, const char *schema); /* in a transaction */
/* Keeps what is wrong with it as the calling thread's last trouble. */
wxtp_status sq_scratch_trouble(sq_store *store, sqlite3 *db, int rc);

wxtp_status sq_build_begin(wxtp_store *store, const char *job_id, void **builder);
wxtp_status sq_build_add(void *builder, const char *openid, size_t len);
wxtp_status sq_build_add_invalid(void *builder, const char *text, size_t len);
wxtp_status sq_build_finish(void *builder, int64_t *distinct, int64_t *invalid, int64_t *duplicates);
void sq_build_free(void *builder);

wxtp_status sq_sift_begin(wxtp_store *store, void **sift);
wxtp_status sq_sift_add(void *sift, const void *key, size_t len, int64_t place);
wxtp_status sq_sift_finish(void *sift, bool (*each)(void *user, int64_t place), void *user);
void sq_sift_free(void *sift);
wxtp_status sq_snapshot_get(wxtp_tx *tx, const char *job_id, wxtp_snapshot_row *row);
wxtp_status sq_snapshot_put(wxtp_tx *tx, const wxtp_snapshot_row *row);
wxtp_status sq_snapshot_part_get(wxtp_tx *tx, const char *job_id, int64_t part, wxtp_blob *marks);
wxtp_status sq_snapshot_part_put(wxtp_tx *tx, const char *job_id, int64_t part, wxtp_blob marks);

wxtp_status sq_hold_get(wxtp_tx *tx, const char *platform, const char *appid, const char *call,
                        wxtp_hold_kind kind, wxtp_hold_row *row);
wxtp_status sq_hold_put(wxtp_tx *tx, const wxtp_hold_row *row);
wxtp_status sq_hold_delete(wxtp_tx *tx, const char *platform, const char *appid, const char *call,
                           wxtp_hold_kind kind);
wxtp_status sq_audit_add(wxtp_tx *tx, const wxtp_audit_row *row);
wxtp_status sq_audit_list(wxtp_tx *tx, const wxtp_audit_filter *filter,
                          bool (*each)(void *, const wxtp_audit_row *), void *user);
wxtp_status sq_audit_after(wxtp_tx *tx, const char *platform, int64_t after_id, size_t limit,
                           bool (*each)(void *, const wxtp_audit_row *), void *user);
wxtp_status sq_audit_by_rid(wxtp_tx *tx, const char *platform, const char *rid, wxtp_audit_row *row);
wxtp_status sq_audit_maker(wxtp_tx *tx, const wxtp_maker_filter *filter, wxtp_audit_row *row);
wxtp_status sq_prune(wxtp_tx *tx, const wxtp_prune *what, int64_t *deleted);

wxtp_status sq_check(wxtp_store *base, void (*problem)(void *, const char *), void *user);
wxtp_status sq_backup(wxtp_store *base, const char *path);
void sq_describe(wxtp_store *base, void (*fact)(void *, const char *, const char *), void *user);

/* files.c */
/* A new empty file of mode 0600; -1 with errno set. */
int sq_file_create(const char *path);
int sq_file_sync(const char *path);
int sq_folder_sync(const sq_memory *memory, const char *path);
/* Gives `from` the name `to` where nothing has it; WXTP_ERR_EXISTS else. */
wxtp_status sq_file_publish(const char *from, const char *to);
/* Remembers which files stand at the names of database, WAL and lock file. */
wxtp_status sq_places_take(sq_store *store);
void sq_places_free(sq_store *store);
/* The first that is not there any more, or is another; NULL: none. What is written to such a file is lost. */
const char *sq_places_lost(const sq_store *store);
/* Deletes a database that was never published, with its side files. */
void sq_file_discard(const sq_memory *memory, const char *path);
/* The name with symbolic links resolved, also where only the folder exists. */
char *sq_file_real(const sq_memory *memory, const char *path, bool *exists);

/* options.c */
typedef struct sq_options {
    const char *path;
    bool create, migrate;
    int64_t busy_ms;
    wxtp_clock clock;
    sq_memory memory;
} sq_options;
wxtp_status sq_options_read(const wxtp_sqlite_options *from, sq_options *to, char *message, size_t size);

#endif
