/* Looking for damage, and for jobs whose openids do not add up. */
#include "internal.h"
#include <errno.h>
#include <stdio.h>

typedef struct report {
    void (*problem)(void *, const char *);
    void *user;
    sqlite3 *db;
} report;

/*
 * Each row's first column is a problem in words; "ok" alone is none. A page for which there was no memory is
 * told like one that cannot be read, so errno tells whether memory was short.
 */
static int ask(const report *r, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    errno = 0;
    int rc = sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
        if (errno == ENOMEM)
            rc = SQLITE_NOMEM;
        else if (text != NULL && sqlite3_stricmp(text, "ok") != 0)
            r->problem(r->user, text);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

#define MARKS(set) "sum(length(marks)-length(" set "))"
#define WITHOUT(mark) "replace(marks,'" mark "','')"

static const char *const questions[] = {
    "PRAGMA integrity_check(100)",
    "SELECT 'a row of '||\"table\"||' names a row of '||parent||' that is not there' FROM "
    "pragma_foreign_key_check",
    "SELECT 'job '||id||': requested '||requested||' is not succeeded+invalid+failed+pending' FROM jobs "
    "WHERE "
    "state<>0 AND requested<>succeeded+invalid+failed+pending",
    "SELECT 'job '||id||': its batches have '||coalesce(done,0)||' done and '||coalesce(open,0)||' pending, "
    "it counts "
    "'||succeeded||' and '||pending FROM jobs LEFT JOIN(SELECT job," MARKS(WITHOUT("+")) " AS done," MARKS(
        "replace(" WITHOUT(
            ".") ",'?','')") " AS open FROM marked_batches GROUP BY job) ON job=n WHERE state<>0 AND "
                             "(succeeded<>coalesce(done,0) OR pending<>coalesce(open,0))",
    "SELECT 'job '||id||': it has '||coalesce(bad,0)||' invalid and '||coalesce(lost,0)||' failed "
    "exceptions, it counts "
    "'||invalid||' and '||failed FROM jobs LEFT JOIN(SELECT job,sum(verdict=0) AS bad,sum(verdict=1) AS lost "
    "FROM "
    "exceptions GROUP BY job) ON job=n WHERE state<>0 AND (invalid<>coalesce(bad,0) OR "
    "failed<>coalesce(lost,0))",
    "SELECT 'batch '||number||' of job '||id||': its openids and marks differ in number' FROM marked_batches "
    "JOIN "
    "jobs ON "
    "n=job WHERE length(marks)<>length(openids)-length(replace(openids,char(10),''))+1 OR length(marks)>20 "
    "OR "
    "trim(marks,'.?+x!')<>''",
    "SELECT 'batch '||number||' of job '||id||': finished does not tell what its marks do' FROM "
    "marked_batches JOIN "
    "jobs ON "
    "n=job WHERE finished<>(instr(marks,'.')=0 AND instr(marks,'?')=0)",
    "SELECT 'the token of '||platform||' '||appid||' has generation '||generation FROM tokens WHERE "
    "generation<1 OR "
    "generation>=1<<52 OR "
    "refused_generation>generation",
    "SELECT 'the lease '||name||' has fence '||fence FROM leases WHERE fence<0 OR fence>=1<<53",
    "SELECT 'tenant '||appid||' of '||platform||': its credential is not of that platform' FROM tenants "
    "WHERE "
    "(credential=0)<>(platform<>'')",
};

wxtp_status sq_check(wxtp_store *base, void (*problem)(void *, const char *), void *user)
{
    sq_store *store = (sq_store *)base;
    sq_conn *conn = sq_allocate(&store->memory, sizeof *conn);
    if (conn == NULL)
        return WXTP_ERR_NOMEM;
    int rc = sq_conn_open(store, conn, store->path, true);
    if (rc == SQLITE_OK)
        rc = sq_exec(conn->db, "BEGIN");
    report r = {problem, user, conn->db};
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof questions / sizeof questions[0]; i++)
        rc = ask(&r, questions[i]);
    wxtp_status status = sq_status(rc);
    if (status != WXTP_OK)
        sq_trouble_keep(store, sqlite3_errmsg(conn->db));
    sq_conn_close(conn);
    sq_release(&store->memory, conn);
    if ((rc & 0xff) == SQLITE_CORRUPT) { /* damage that stops the reading is an answer too */
        problem(user, "the database file is damaged");
        return WXTP_OK;
    }
    return status;
}
