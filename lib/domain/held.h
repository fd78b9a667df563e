/* Stored tokens: what the store holds, and what others than a refresh write to it. */
#ifndef WX_DOMAIN_HELD_H
#define WX_DOMAIN_HELD_H

#include <wxtp/platform.h>

#include "domain/tenant.h"

enum {
    WX_EXPIRY_MARGIN_MS = 5000, /* a token within it is not sent */
    WX_EARLY_REFUSALS_MAX = 3,  /* more of them within an hour: another program refreshes this account */
    WX_EARLY_TEXT_MAX = 256,
    WX_SPARES_MAX = 8,
};

typedef enum wx_token_kind { WX_TOKEN_COMPONENT, WX_TOKEN_AUTHORIZER, WX_TOKEN_OWN } wx_token_kind;

typedef struct wx_token {
    char *text; /* NULL: the call takes no token parameter */
    int64_t generation;
    int64_t expires_ms;
    const char *parameter; /* that replaces the catalog's, as "cloudbase_access_token"; NULL: the catalog's */
} wx_token;

void wx_token_free(wx_token *token);
#define WX_AUTO_TOKEN __attribute__((cleanup(wx_token_free))) wx_token

/* A stored token, opened: what this process holds in its hand while it works on it. */
typedef struct wx_held {
    bool exists;
    char platform[WX_APPID_MAX], appid[WX_APPID_MAX];
    int64_t generation, issued_ms, expires_ms, due_ms, refused_generation;
    int64_t forced_day, forced_count, forced_ms;
    char early_refusals[WX_EARLY_TEXT_MAX];
    char *access, *refresh; /* NULL: none */
} wx_held;

void wx_held_free(wx_held *held);
#define WX_AUTO_HELD __attribute__((cleanup(wx_held_free))) wx_held

/* Reads and opens; `exists` is false where there is no row. `tx` NULL: in a transaction of its own. */
wxtp_status wx_held_load(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid, wx_held *held,
                         wx_err *err);
/* Seals and writes by compare-and-swap on `expected_generation`, and on the lease where it is not NULL.
 * WXTP_ERR_CONFLICT comes back without filling `err`. */
wxtp_status wx_held_put(wx_core *core, wxtp_tx *tx, const wx_held *held, int64_t expected_generation,
                        const wxtp_lease *lease, wx_err *err);

/* WXTP_ERR_CONFLICT, without filling `err`, when another generation is stored by now. */
wxtp_status wx_held_check(wx_core *core, wxtp_tx *tx, const wx_held *held, wx_err *err);

/* Good to send now: there, not refused, not within 5 s of its expiry. */
bool wx_held_usable(const wx_held *held, int64_t now_ms);
bool wx_held_due(const wx_held *held, int64_t now_ms);
int wx_held_early_refusals(const char *text, int64_t now_ms);

/* Enters an answer: the generation moves only when the text differs. */
wxtp_status wx_held_enter(wx_core *core, wx_held *held, wx_token_kind kind, const char *access,
                          const char *refresh, int64_t sent_wall_ms, int64_t expires_in_s, wx_err *err);

wxtp_status wx_spare_keep(wx_core *core, wxtp_tx *tx, const char *platform, const char *appid,
                          const char *refresh, wx_err *err);

/* Says that WeChat refused a generation; a no-op once a newer one exists. Component: appid "". */
wxtp_status wx_token_refused(wx_core *core, const char *platform, const char *appid, int64_t generation,
                             wx_err *err);

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
