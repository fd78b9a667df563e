/* After a refresh token was called dead: the same once more where an outcome was unknown, spares, info, the
 * list. */
#ifndef WX_DOMAIN_RECOVERY_H
#define WX_DOMAIN_RECOVERY_H

#include "domain/refresh.h"

/* Puts the next refresh token into the question. WXTP_ERR_REAUTHORIZE when nothing is left and the tenant was
 * marked, WXTP_ERR_REFUSED when WeChat says that it is not authorized, WXTP_ERR_CONFLICT when the lease was
 * lost, others when WeChat could not be asked. */
wxtp_status wx_recovery_next(wx_renewal *renewal, wx_question *question, wx_err *err);
void wx_recovery_forget(wx_renewal *renewal);

#endif
