/* From SQLite's result codes to ours, and troubles in words. */
#include "internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

wxtp_status sq_status(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return WXTP_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return WXTP_ERR_STORE_BUSY;
    case SQLITE_NOMEM:
        return WXTP_ERR_NOMEM;
    case SQLITE_TOOBIG:
        return WXTP_ERR_TOO_LARGE;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_FOREIGNKEY ? WXTP_ERR_NOT_FOUND : WXTP_ERR_INVALID;
    default:
        return rc == SQLITE_IOERR_NOMEM ? WXTP_ERR_NOMEM : WXTP_ERR_STORE;
    }
}

void sq_say(char *text, size_t size, const char *format, ...)
{
    if (text == NULL || size == 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, size, format, arguments);
    va_end(arguments);
}

void sq_trouble_keep(sq_store *store, const char *text)
{
    pthread_t self = pthread_self();
    pthread_mutex_lock(&store->trouble_mutex);
    sq_trouble *entry = NULL;
    for (size_t i = 0; i < SQ_MESSAGES && entry == NULL; i++) {
        if (store->trouble[i].used && pthread_equal(store->trouble[i].thread, self))
            entry = &store->trouble[i];
    }
    if (entry == NULL)
        entry = &store->trouble[store->trouble_next++ % SQ_MESSAGES];
    entry->used = true;
    entry->thread = self;
    sq_say(entry->text, sizeof entry->text, "%s", text);
    pthread_mutex_unlock(&store->trouble_mutex);
}

void sq_message(wxtp_store *base, wxtp_tx *tx, char *text, size_t size)
{
    if (text == NULL || size == 0)
        return;
    text[0] = '\0';
    if (tx != NULL) {
        sq_say(text, size, "%s", tx->message);
        return;
    }
    sq_store *store = (sq_store *)base;
    pthread_t self = pthread_self();
    pthread_mutex_lock(&store->trouble_mutex);
    for (size_t i = 0; i < SQ_MESSAGES; i++) {
        if (store->trouble[i].used && pthread_equal(store->trouble[i].thread, self))
            sq_say(text, size, "%s", store->trouble[i].text);
    }
    pthread_mutex_unlock(&store->trouble_mutex);
}

wxtp_status sq_fail(wxtp_tx *tx, int rc)
{
    tx->failed = sq_status(rc);
    if (tx->failed == WXTP_OK)
        tx->failed = WXTP_ERR_STORE;
    if (sqlite3_extended_errcode(tx->conn->db) == rc)
        sq_say(tx->message, sizeof tx->message, "%s", sqlite3_errmsg(tx->conn->db));
    else
        sq_say(tx->message, sizeof tx->message, "%s", sqlite3_errstr(rc));
    return tx->failed;
}

wxtp_status sq_answer(wxtp_tx *tx, wxtp_status status, const char *text)
{
    sq_say(tx->message, sizeof tx->message, "%s", text);
    return status;
}
