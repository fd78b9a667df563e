/* Tokens: of the component, of authorizers, of own and cloud accounts. */
#ifndef WX_DOMAIN_TOKEN_H
#define WX_DOMAIN_TOKEN_H

#include "domain/tenant.h"

typedef struct wx_token {
    char *text; /* NULL: the call takes no token parameter */
    int64_t generation;
    int64_t expires_ms;
    const char *parameter; /* that replaces the catalog's, as "cloudbase_access_token"; NULL: the catalog's */
} wx_token;

void wx_token_free(wx_token *token);
#define WX_AUTO_TOKEN __attribute__((cleanup(wx_token_free))) wx_token

/* A token good for 5 s more, refreshed when due or refused. Blocks with the operation's patience. */
wxtp_status wx_token_get(wx_op *op, const wx_tenant *tenant, wx_token *token, wx_err *err);
wxtp_status wx_token_component(wx_op *op, wx_token *token, wx_err *err);

/* Says that WeChat refused a generation; a no-op once a newer one exists. Component: appid "". */
wxtp_status wx_token_refused(wx_core *core, const char *platform, const char *appid, int64_t generation,
                             wx_err *err);

/* Asks for a text newer than `generation`; `moved` tells whether there is one now. */
wxtp_status wx_token_renew(wx_op *op, const wx_tenant *tenant, int64_t generation, bool *moved, wx_err *err);

typedef struct wx_token_view {
    int state; /* wxtp_token_state */
    int64_t generation, expires_ms, due_ms;
    int early_refusals; /* within the last hour */
    bool has_access, has_refresh;
} wx_token_view;
/* From the store alone; all zero where there is no row. */
wxtp_status wx_token_view_get(wx_core *core, const wxtp_token_row *row_or_null, wx_token_view *view);
wxtp_status wx_token_look(wx_core *core, const char *platform, const char *appid, wx_token_view *view,
                          wx_err *err);

/*
 * Stores a pair that WeChat gave for a new authorization, inside the caller's transaction. The generation
 * moves, the old refresh token is dropped with all spares and intents: WeChat has killed them.
 */
wxtp_status wx_token_install(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid,
                             const char *access, const char *refresh, int64_t sent_wall_ms,
                             int64_t expires_in_s, wx_err *err);
/* Makes `refresh` the current refresh token, ours a spare, if it differs and the generation is still
 * `generation`; the access token stays. `changed` tells. */
wxtp_status wx_token_adopt_refresh(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid,
                                   int64_t generation, const char *refresh, bool *changed, wx_err *err);
/* Empties a tenant's token row and drops spares and intent; the generation moves. */
wxtp_status wx_token_forget(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid, wx_err *err);

#endif
