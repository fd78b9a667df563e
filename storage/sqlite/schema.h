/* The numbered migrations: sq_migrations[n - 1] brings a database from version n - 1 to n. */
#ifndef WXTP_SQLITE_SCHEMA_H
#define WXTP_SQLITE_SCHEMA_H

#define SQ_APPLICATION_ID 0x77787470 /* "wxtp" */

extern const char *const sq_migrations[];
extern const int sq_migration_count;

#endif
