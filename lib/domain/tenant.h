/* A tenant in memory: a copy of its row. */
#ifndef WX_DOMAIN_TENANT_H
#define WX_DOMAIN_TENANT_H

#include "domain/storage.h"

enum { WX_PERMISSION_SETS_MAX = 256 };

/* What taught something, where it was neither a push nor an answer of WeChat. */
#define WX_SOURCE_OPERATOR "operator"
enum { WX_SOURCE_MAX = 128 };

typedef struct wxtp_tenant {
    wxtp_tenant_row row; /* strings point into `storage`; blobs too */
    char *storage;
    int *sets; /* parsed permission_sets */
    size_t set_count;
    /* Filled for the public getters alone. */
    int token_state;
    int64_t token_version, token_expires_ms;
} wx_tenant;

/* Copies a row; freed by wx_tenant_free. */
wxtp_status wx_tenant_copy(wx_core *core, const wxtp_tenant_row *row, wx_tenant **tenant, wx_err *err);
void wx_tenant_free(wx_tenant *tenant);
void wx_tenant_free_at(wx_tenant **tenant);
#define WX_AUTO_TENANT __attribute__((cleanup(wx_tenant_free_at))) wx_tenant

/* Finds the tenant that an appid stands for on this handle: of the chosen component, or own or cloud. Removed
 * ones do not count. WXTP_ERR_REFUSED (unknown_tenant), WXTP_ERR_AMBIGUOUS. */
wxtp_status wx_tenant_find(wx_core *core, const char *appid, wx_tenant **tenant, wx_err *err);
/* The own or cloud account of an appid, whoever else has it. WXTP_ERR_REFUSED (unknown_tenant). */
wxtp_status wx_tenant_find_own(wx_core *core, const char *appid, wx_tenant **tenant, wx_err *err);
/* Whether it is clear whose jobs, audit or tenants are meant: WXTP_ERR_AMBIGUOUS with several components and
 * none chosen, unless `appid` (or NULL) stands for an own or cloud account, also for one removed. */
wxtp_status wx_need_view(wx_core *core, const char *appid, wx_err *err);
/* By its exact key; WXTP_ERR_NOT_FOUND without filling `err` when there is no row. Removed ones are found. */
wxtp_status wx_tenant_load(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid,
                           wx_tenant **tenant, wx_err *err);
/* Fresh row with defaults (service_type -1, tristates -1 …) for building on; strings "" and borrowed. */
wxtp_tenant_row wx_tenant_row_new(const char *platform, const char *appid, int64_t now_ms);
/* What counts as certified, from override, declaration, observation and profile. */
wxtp_tristate wx_tenant_certified(const wxtp_tenant_row *row);
/* "operator", "declared", "observed", "profile". */
const char *wx_tenant_basis(const wxtp_tenant_row *row);
/* True for cloud tenants without a profile and own ones: their word is declared or observed. */
bool wx_tenant_without_profile(const wxtp_tenant_row *row);
bool wx_tenant_has_set(const wx_tenant *tenant, int set);

/* Stores a row under a write transaction, `certified` recomputed; all that is stored of tenants goes this
 * way. When the transaction stands, the host is told how the status has changed. `before` NULL: it is new. */
wxtp_status wx_tenant_put(wx_scope *scope, const wxtp_tenant_row *before, wxtp_tenant_row *row, wx_err *err);
/* Changes a row: loads it, has `change` alter it, and puts it. NOT_FOUND as above. `change` returns false to
 * leave it as it is. Strings it sets must live until it is put. */
wxtp_status wx_tenant_change(wx_scope *scope, const char *platform, const char *appid,
                             bool (*change)(void *user, wxtp_tenant_row *row), void *user, wx_err *err);

#endif
