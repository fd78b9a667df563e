/**
 * @file audit.h
 * The record of every call made about a tenant, and of every overrule.
 */
#ifndef WXTP_AUDIT_H
#define WXTP_AUDIT_H

#include <wxtp/platform.h>

WXTP_BEGIN_DECLS

/** Visits rows oldest first, the last `limit` since `since_ms` (wall time). `appid` NULL: of all tenants.
 * `row` is borrowed. Since: 0.1.0. */
WXTP_API wxtp_status wxtp_audit_list(wxtp_platform *platform, const char *appid, int64_t since_ms,
                                     size_t limit, bool (*each)(void *user, const wxtp_audit_row *row),
                                     void *user, wxtp_error **error);

WXTP_END_DECLS
#endif
