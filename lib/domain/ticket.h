/* The component_verify_ticket. */
#ifndef WX_DOMAIN_TICKET_H
#define WX_DOMAIN_TICKET_H

#include "domain/core.h"

enum { WX_TICKET_LIFE_S = 12 * 3600, WX_TICKET_LATE_S = 30 * 60 };

/* Puts a ticket inside the caller's transaction unless older than the stored one; `applied` tells. */
wxtp_status wx_ticket_put(wx_core *core, wxtp_tx *tx, const char *ticket, int64_t create_time_s,
                          bool *applied, wx_err *err);
/* The last good ticket; WXTP_ERR_TICKET (with the remedy) where there is none or it is older than 12 h. */
wxtp_status wx_ticket_get(wx_core *core, char **ticket, wx_err *err);
/* Asks WeChat to start pushing tickets; at most once a minute in a process. */
void wx_ticket_ask(wx_op *op);

#endif
