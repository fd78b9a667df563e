/*
 * Building a job's batches. The lines go to a temporary database that SQLite keeps on disk, in the order they
 * come; its sorter, which merges runs on disk, finds duplicates and restores the order of first appearance.
 */
#include "internal.h"
#include <string.h>

enum { ROWS_A_COMMIT = 1000 };

typedef struct builder {
    sq_store *store;
    char *job_id, *lease;
    sqlite3 *db;
    sqlite3_stmt *add, *read;
    int64_t lines, distinct, invalid;
    bool finished;
    /* While writing. */
    wxtp_tx *tx;
    int64_t job, number;
    int rows, count;
    size_t len;
    char openids[WXTP_BATCH_MAX * (SQ_OPENID_MAX + 1)];
} builder;

static wxtp_status trouble(builder *b, int rc)
{
    return sq_scratch_trouble(b->store, b->db, rc);
}

static wxtp_status refuse(builder *b, wxtp_status status, const char *text)
{
    sq_trouble_keep(b->store, text);
    return status;
}

static wxtp_status open_lines(builder *b)
{
    int rc = sq_scratch_open(&b->db, "CREATE TABLE lines(seq INTEGER PRIMARY KEY,bad INTEGER,openid BLOB)");
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(b->db, "INSERT INTO lines(bad,openid) VALUES(?,?)", -1, &b->add, NULL);
    return rc == SQLITE_OK ? WXTP_OK : trouble(b, rc);
}

/* The job is being built, nobody else builds it, and it has no batches yet. */
static wxtp_status claim_job(builder *b, wxtp_tx *tx)
{
    bool held, ours;
    int64_t state, batches;
    wxtp_status status = sq_operation(tx, true);
    if (status == WXTP_OK)
        status = sq_one_int(tx, "SELECT state FROM jobs WHERE id=?", b->job_id, &state);
    if (status == WXTP_OK)
        status =
            sq_one_int(tx,
                       "SELECT count(*) FROM(SELECT 1 FROM batches WHERE job=(SELECT n FROM jobs WHERE id=?) "
                       "LIMIT 1)",
                       b->job_id, &batches);
    if (status == WXTP_OK)
        status = sq_job_number(tx, b->job_id, &b->job);
    if (status == WXTP_OK)
        status = sq_lease_held(tx, b->lease, &held, &ours);
    if (status != WXTP_OK)
        return status;
    if (state != WXTP_JOB_BUILDING || batches != 0 || (held && !ours))
        return sq_answer(tx, WXTP_ERR_STATE, "the job is not this handle's to build");
    if (held)
        return WXTP_OK;
    wxtp_lease lease = {b->lease, 0, 0};
    return sq_lease_hold(tx, &lease, INT64_MAX);
}

static wxtp_status in_transaction(builder *b, wxtp_status (*act)(builder *, wxtp_tx *))
{
    wxtp_tx *tx;
    wxtp_status status = sq_begin(&b->store->base, WXTP_TX_WRITE, &tx);
    if (status != WXTP_OK)
        return status;
    status = act(b, tx);
    if (status == WXTP_OK)
        return sq_commit(tx);
    sq_trouble_keep(b->store, tx->message);
    sq_rollback(tx);
    return status;
}

wxtp_status sq_build_begin(wxtp_store *base, const char *job_id, void **out)
{
    sq_store *store = (sq_store *)base;
    *out = NULL;
    builder *b = sq_allocate(&store->memory, sizeof *b);
    if (b == NULL)
        return WXTP_ERR_NOMEM;
    b->store = store;
    b->job_id = sq_copy(&store->memory, job_id, strlen(job_id));
    b->lease = sq_join(&store->memory, "build:", job_id);
    wxtp_status status = b->job_id != NULL && b->lease != NULL ? WXTP_OK : WXTP_ERR_NOMEM;
    if (status == WXTP_OK)
        status = in_transaction(b, claim_job);
    if (status == WXTP_OK)
        status = open_lines(b);
    if (status == WXTP_OK)
        *out = b;
    else
        sq_build_free(b);
    return status;
}

static wxtp_status add_line(builder *b, int bad, const char *text, size_t len)
{
    if (b->finished)
        return refuse(b, WXTP_ERR_STATE, "the building has finished");
    int rc = sqlite3_bind_int(b->add, 1, bad);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob(b->add, 2, len > 0 ? text : "", (int)len, SQLITE_STATIC);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(b->add);
        sqlite3_reset(b->add);
    }
    b->lines++;
    return rc == SQLITE_DONE ? WXTP_OK : trouble(b, rc);
}

wxtp_status sq_build_add(void *builder_, const char *openid, size_t len)
{
    builder *b = builder_;
    if (len == 0 || len > SQ_OPENID_MAX || memchr(openid, '\n', len) != NULL ||
        memchr(openid, '\0', len) != NULL)
        return refuse(b, WXTP_ERR_INVALID, "this cannot be an openid");
    return add_line(b, 0, openid, len);
}

wxtp_status sq_build_add_invalid(void *builder_, const char *text, size_t len)
{
    char line[SQ_OPENID_MAX];
    if (len > sizeof line) {
        len = sizeof line;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) /* no half of a UTF-8 character */
            len--;
    }
    for (size_t i = 0; i < len; i++)
        line[i] = (char)(text[i] != '\0' ? text[i] : '?');
    return add_line(builder_, 1, line, len);
}

static wxtp_status flush_batch(builder *b)
{
    if (b->count == 0)
        return WXTP_OK;
    wxtp_status status = sq_batch_insert(b->tx, b->job, b->number++, b->openids, b->len, b->count);
    b->len = 0;
    b->count = 0;
    b->rows++;
    return status;
}

static wxtp_status write_line(builder *b)
{
    const char *text = sqlite3_column_blob(b->read, 1);
    size_t len = (size_t)sqlite3_column_bytes(b->read, 1);
    if (sqlite3_column_int(b->read, 0) != 0) {
        b->invalid++;
        b->rows++;
        return sq_exception_insert(b->tx, b->job, text, len, WXTP_VERDICT_INVALID, 0, "");
    }
    b->distinct++;
    if (text == NULL || len == 0 || len > SQ_OPENID_MAX)
        return sq_answer(b->tx, WXTP_ERR_STORE, "a line of the temporary database is damaged");
    if (b->count > 0)
        b->openids[b->len++] = '\n';
    memcpy(b->openids + b->len, text, len);
    b->len += len;
    return ++b->count == WXTP_BATCH_MAX ? flush_batch(b) : WXTP_OK;
}

/* The job may have been deleted, or cancelled, between two transactions. */
static wxtp_status still_building(builder *b, wxtp_tx *tx)
{
    int64_t state = WXTP_JOB_BUILDING;
    wxtp_status status = sq_operation(tx, true);
    if (status == WXTP_OK)
        status = sq_one_int(tx, "SELECT state FROM jobs WHERE id=?", b->job_id, &state);
    return status == WXTP_OK && state != WXTP_JOB_BUILDING ? WXTP_ERR_STATE : status;
}

/* As many rows as one transaction should hold. */
static wxtp_status write_some(builder *b, wxtp_tx *tx)
{
    b->tx = tx;
    b->rows = 0;
    wxtp_status status = still_building(b, tx);
    while (status == WXTP_OK && b->rows < ROWS_A_COMMIT) {
        int rc = sqlite3_step(b->read);
        if (rc == SQLITE_ROW) {
            status = write_line(b);
        } else if (rc == SQLITE_DONE) {
            b->finished = true;
            return flush_batch(b);
        } else {
            status = sq_answer(tx, sq_status(rc) == WXTP_OK ? WXTP_ERR_STORE : sq_status(rc),
                               sqlite3_errmsg(b->db));
        }
    }
    return status;
}

wxtp_status sq_build_finish(void *builder_, int64_t *distinct, int64_t *invalid, int64_t *duplicates)
{
    builder *b = builder_;
    if (b->finished || b->read != NULL)
        return refuse(b, WXTP_ERR_STATE, "the building has finished");
    int rc = sqlite3_prepare_v2(b->db, "SELECT bad,openid FROM lines GROUP BY bad,openid ORDER BY min(seq)",
                                -1, &b->read, NULL);
    if (rc != SQLITE_OK)
        return trouble(b, rc);
    wxtp_status status = WXTP_OK;
    while (status == WXTP_OK && !b->finished)
        status = in_transaction(b, write_some);
    if (status != WXTP_OK)
        return status;
    *distinct = b->distinct;
    *invalid = b->invalid;
    *duplicates = b->lines - b->distinct - b->invalid;
    return WXTP_OK;
}

static wxtp_status give_back(builder *b, wxtp_tx *tx)
{
    wxtp_status status = sq_operation(tx, true);
    if (status != WXTP_OK || b->finished) /* the caller moves the job on, which drops the lease */
        return status;
    bool held, ours;
    status = sq_lease_held(tx, b->lease, &held, &ours);
    return status == WXTP_OK && ours ? sq_lease_drop(tx, b->lease) : status;
}

void sq_build_free(void *builder_)
{
    builder *b = builder_;
    if (b == NULL)
        return;
    if (b->db != NULL && !b->finished)
        (void)in_transaction(b, give_back);
    sqlite3_finalize(b->add);
    sqlite3_finalize(b->read);
    sqlite3_close_v2(b->db);
    const sq_memory *memory = &b->store->memory;
    sq_release(memory, b->job_id);
    sq_release(memory, b->lease);
    sq_release(memory, b);
}
