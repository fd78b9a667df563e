/**
 * @file audit.h
 * The record of every call made about a tenant, and of every overrule.
 */
#ifndef WXTP_AUDIT_H
#define WXTP_AUDIT_H

#include <wxtp/platform.h>

WXTP_BEGIN_DECLS

/**
 * Visits rows of the audit, oldest first: the last `limit` of those since `since_ms`.
 *
 * @param appid NULL: of all tenants. @param since_ms wall time in ms since 1970; 0: all. @param limit 1
 * to 10,000.
 * @param each returns false to stop; `row` is borrowed for the visit. @param user handed to it.
 * @return WXTP_OK; WXTP_ERR_INVALID; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_audit_list(wxtp_platform *platform, const char *appid, int64_t since_ms,
                                     size_t limit, bool (*each)(void *user, const wxtp_audit_row *row),
                                     void *user, wxtp_error **error);

WXTP_END_DECLS
#endif
