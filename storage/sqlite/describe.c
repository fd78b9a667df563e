/* Facts for people. */
#include "internal.h"
#include "schema.h"
#include <stdio.h>

WXTP_API bool wxtp_sqlite_has_wal_reset_bug(void)
{
    int version = sqlite3_libversion_number();
    bool fixed_early = (version >= 3044006 && version < 3045000) || (version >= 3050007 && version < 3051000);
    return version >= 3007000 && version < 3051003 && !fixed_early;
}

WXTP_API const char *wxtp_sqlite_version(void)
{
    return sqlite3_libversion();
}

void sq_describe(wxtp_store *base, void (*fact)(void *, const char *, const char *), void *user)
{
    const sq_store *store = (const sq_store *)base;
    char text[64];
    snprintf(text, sizeof text, "sqlite %s", sqlite3_libversion());
    fact(user, "backend", text);
    fact(user, "path", store->path);
    snprintf(text, sizeof text, "%d", sq_migration_count);
    fact(user, "schema", text);
    fact(user, "wal_reset_bug",
         wxtp_sqlite_has_wal_reset_bug() ? "present, kept away by the lock file's gate" : "fixed");
}
