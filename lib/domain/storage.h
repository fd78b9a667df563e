/* Transactions on the store port, with its troubles turned into errors that people understand. */
#ifndef WX_DOMAIN_STORAGE_H
#define WX_DOMAIN_STORAGE_H

#include "domain/core.h"

/* `const wxtp_store_ops *ops = wx_ops(core);` */
static inline const wxtp_store_ops *wx_ops(const wx_core *core)
{
    return core->store->ops;
}

wxtp_status wx_begin(wx_core *core, wxtp_tx_mode mode, wxtp_tx **tx, wx_err *err);
/* As wx_begin, for one of many small writes that may fail together, which costs less. */
wxtp_status wx_begin_joint(wx_core *core, wxtp_tx_mode mode, wxtp_tx **tx, wx_err *err);
/* Commits when `status` is WXTP_OK, else rolls back and returns `status`; sets `*tx` to NULL. */
wxtp_status wx_end(wx_core *core, wxtp_tx **tx, wxtp_status status, wx_err *err);
/* Turns a status of a store operation into an error: `return wx_store_fail(core, tx, status, "read the
 * tenant", err)`. */
wxtp_status wx_store_fail(wx_core *core, wxtp_tx *tx, wxtp_status status, const char *what, wx_err *err);
#ifdef __clang_analyzer__
#define wx_store_fail(...) wx_no_success(wx_store_fail(__VA_ARGS__))
#endif

/* A row that says what cannot be: WXTP_ERR_STORE. `what` as in "the job", `key` names it. */
wxtp_status wx_row_damaged(const char *what, const char *key, wx_err *err);
#ifdef __clang_analyzer__
#define wx_row_damaged(...) wx_no_success(wx_row_damaged(__VA_ARGS__))
#endif

/* Something that is told to the host once the transaction that brings it stands. Borrowed till then. */
typedef struct wx_news {
    const char *event, *text;
    char tenant[WX_APPID_MAX];
} wx_news;

enum { WX_NEWS_MAX = 2 }; /* an appid has at most two rows: of its component, and of its own */

/* A transaction that is rolled back when it goes out of scope. */
typedef struct wx_scope {
    wx_core *core;
    wxtp_tx *tx;
    size_t news_count;
    wx_news news[WX_NEWS_MAX];
} wx_scope;
wxtp_status wx_scope_begin(wx_scope *scope, wx_core *core, wxtp_tx_mode mode, wx_err *err);
wxtp_status wx_scope_begin_joint(wx_scope *scope, wx_core *core, wxtp_tx_mode mode, wx_err *err);
/* Tells the host after the commit, as wx_tell; once, however often it is said. */
void wx_scope_tell(wx_scope *scope, const char *event, const char *tenant, const char *text);
wxtp_status wx_scope_commit(wx_scope *scope, wx_err *err);
void wx_scope_end(wx_scope *scope);
#define WX_AUTO_SCOPE __attribute__((cleanup(wx_scope_end))) wx_scope

#endif
