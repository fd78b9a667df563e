/* One refresh of a key at a time in this process; those who come meanwhile wait for its end and share its
 * outcome. */
#ifndef WX_DOMAIN_FLIGHTS_H
#define WX_DOMAIN_FLIGHTS_H

#include "domain/core.h"

/* What a refresh learnt that is not stored yet. */
typedef struct wx_unsaved {
    char *access, *refresh; /* refresh NULL: the answer had none */
    char *asked_with;       /* the refresh token that was sent; NULL where none is used */
    int64_t generation;     /* read before the request */
    int64_t sent_wall_ms, expires_in_s;
} wx_unsaved;

void wx_unsaved_free(wx_unsaved *unsaved);

typedef struct wx_flight wx_flight;

wx_flights *wx_flights_new(const wxtp_allocator *allocator);
void wx_flights_free(wx_flights *flights);

/*
 * Joins the flight of `key`. WXTP_OK with `*flight` set: the caller leads and must land it. WXTP_OK with
 * NULL: another led and succeeded. Else the leader's error, WXTP_ERR_INTERRUPTED, or WXTP_ERR_UNAVAILABLE
 * after `wait_ms`; WXTP_ERR_STATE (without filling `err`) at once when another leads and `wait_ms` is 0.
 */
wxtp_status wx_flight_join(wx_core *core, const char *key, int64_t wait_ms, wx_flight **flight, wx_err *err);
void wx_flight_land(wx_core *core, wx_flight *flight, wxtp_status status, const wx_err *err);

/* Boot time before which a failing refresh is not tried again; 0 none. Set by failures, cleared by a success.
 */
int64_t wx_flight_retry_at_ms(wx_core *core, const char *key);

/* The answer that could not be committed, kept for the next leader. */
wx_unsaved *wx_flight_unsaved(wx_flight *flight); /* NULL: none */
bool wx_flight_keep(wx_core *core, wx_flight *flight,
                    wx_unsaved *unsaved); /* moves content; frees an older one */
void wx_flight_drop_unsaved(wx_flight *flight);

#endif
