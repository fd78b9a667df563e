/* SIGPIPE kept back for the calling thread: TLS writes to a socket that the peer has closed would raise it.
 */
#ifndef WX_PORT_QUIET_H
#define WX_PORT_QUIET_H

#include <signal.h>
#include <stdbool.h>

typedef struct wx_quiet {
    sigset_t before;
    bool was_pending;
    bool ok;
} wx_quiet;

void wx_quiet_begin(wx_quiet *quiet);
void wx_quiet_end(const wx_quiet *quiet);

#endif
