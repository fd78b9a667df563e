#include "domain/storage.h"

#include <assert.h>

static void hint_for(wxtp_status status, wx_err *err)
{
    if (status == WXTP_ERR_STORE_BUSY) {
        wx_err_hint(err,
                    "another process holds the database; try again, or see which with wxtp-admin doctor");
    } else if (status == WXTP_ERR_STORE) {
        wx_err_hint(
            err,
            "see that the disk has room and the database's folder can be written, then wxtp-admin db check");
    }
}

wxtp_status(wx_store_fail)(wx_core *core, wxtp_tx *tx, wxtp_status status, const char *what, wx_err *err)
{
    assert(status != WXTP_OK);
    char text[256] = "";
    if (status == WXTP_ERR_NOMEM) {
        return wx_fail_nomem(err);
    }
    wx_ops(core)->message(core->store, tx, text, sizeof(text));
    wx_fail(err, status, "could not %s: %s", what, text[0] != '\0' ? text : wxtp_status_name(status));
    hint_for(status, err);
    return status;
}

wxtp_status wx_begin(wx_core *core, wxtp_tx_mode mode, wxtp_tx **tx, wx_err *err)
{
    *tx = NULL;
    const wxtp_status status = wx_ops(core)->begin(core->store, mode, tx);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, NULL, status, "begin a transaction", err);
}

wxtp_status wx_end(wx_core *core, wxtp_tx **tx, wxtp_status status, wx_err *err)
{
    if (*tx == NULL) {
        return status;
    }
    wxtp_tx *ending = WX_TAKE(*tx);
    if (status != WXTP_OK) {
        wx_ops(core)->rollback(ending);
        return status;
    }
    const wxtp_status committed = wx_ops(core)->commit(ending);
    return committed == WXTP_OK ? WXTP_OK : wx_store_fail(core, NULL, committed, "commit", err);
}

wxtp_status wx_scope_begin(wx_scope *scope, wx_core *core, wxtp_tx_mode mode, wx_err *err)
{
    scope->core = core;
    return wx_begin(core, mode, &scope->tx, err);
}

wxtp_status wx_scope_commit(wx_scope *scope, wx_err *err)
{
    return wx_end(scope->core, &scope->tx, WXTP_OK, err);
}

void wx_scope_end(wx_scope *scope)
{
    if (scope->tx != NULL) {
        wx_ops(scope->core)->rollback(WX_TAKE(scope->tx));
    }
}
