#include "domain/storage.h"

#include <assert.h>
#include <string.h>

enum { TROUBLE_MAX = 256 };

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

static wxtp_status say(wxtp_status status, const char *what, const char *text, wx_err *err)
{
    if (status == WXTP_ERR_NOMEM) {
        return wx_fail_nomem(err);
    }
    wx_fail(err, status, "could not %s: %s", what, text[0] != '\0' ? text : wxtp_status_name(status));
    hint_for(status, err);
    return status;
}

static void tell_failing(const wx_core *core, wxtp_status status, const wx_err *err)
{
    if (status == WXTP_ERR_STORE) {
        wx_tell(core, "store_failing", "", err->message);
    }
}

wxtp_status(wx_store_fail)(wx_core *core, wxtp_tx *tx, wxtp_status status, const char *what, wx_err *err)
{
    assert(status != WXTP_OK);
    char text[TROUBLE_MAX] = "";
    wx_ops(core)->message(core->store, tx, text, sizeof(text));
    return say(status, what, text, err);
}

wxtp_status(wx_row_damaged)(const char *what, const char *key, wx_err *err)
{
    wx_fail(err, WXTP_ERR_STORE, "%s %s is damaged in the database", what, key);
    wx_err_hint(err, "look with wxtp-admin db check, and restore a backup: wxtp-admin db restore FILE");
    return WXTP_ERR_STORE;
}

static wxtp_status begin(wx_core *core, wxtp_tx_mode mode, bool joint, wxtp_tx **tx, wx_err *err)
{
    char text[TROUBLE_MAX] = "";
    const wxtp_status status = wx_engine_begin(core->engine, mode, joint, tx, text, sizeof(text));
    return status == WXTP_OK ? WXTP_OK : say(status, "begin a transaction", text, err);
}

wxtp_status wx_begin(wx_core *core, wxtp_tx_mode mode, wxtp_tx **tx, wx_err *err)
{
    return begin(core, mode, false, tx, err);
}

wxtp_status wx_begin_joint(wx_core *core, wxtp_tx_mode mode, wxtp_tx **tx, wx_err *err)
{
    return begin(core, mode, true, tx, err);
}

wxtp_status wx_end(wx_core *core, wxtp_tx **tx, wxtp_status status, wx_err *err)
{
    char text[TROUBLE_MAX] = "";
    if (*tx == NULL) {
        return status;
    }
    wxtp_tx *ending = WX_TAKE(*tx);
    if (status != WXTP_OK) {
        wx_engine_rollback(core->engine, ending);
        return status;
    }
    const wxtp_status committed = wx_engine_commit(core->engine, ending, text, sizeof(text));
    if (committed != WXTP_OK) {
        say(committed, "commit", text, err);
        tell_failing(core, committed, err);
    }
    return committed;
}

wxtp_status wx_scope_begin(wx_scope *scope, wx_core *core, wxtp_tx_mode mode, wx_err *err)
{
    scope->core = core;
    return wx_begin(core, mode, &scope->tx, err);
}

wxtp_status wx_scope_begin_joint(wx_scope *scope, wx_core *core, wxtp_tx_mode mode, wx_err *err)
{
    scope->core = core;
    return wx_begin_joint(core, mode, &scope->tx, err);
}

void wx_scope_tell(wx_scope *scope, const char *event, const char *tenant, const char *text)
{
    for (size_t at = 0; at < scope->news_count; at++) {
        if (strcmp(scope->news[at].event, event) == 0 && strcmp(scope->news[at].tenant, tenant) == 0) {
            return;
        }
    }
    assert(scope->news_count < WX_NEWS_MAX);
    wx_news *news = &scope->news[scope->news_count++];
    news->event = event;
    news->text = text;
    (void)wx_copy(news->tenant, sizeof(news->tenant), tenant);
}

wxtp_status wx_scope_commit(wx_scope *scope, wx_err *err)
{
    const wxtp_status status = wx_end(scope->core, &scope->tx, WXTP_OK, err);
    for (size_t at = 0; status == WXTP_OK && at < scope->news_count; at++) {
        wx_tell(scope->core, scope->news[at].event, scope->news[at].tenant, scope->news[at].text);
    }
    return status;
}

void wx_scope_end(wx_scope *scope)
{
    if (scope->tx != NULL) {
        wx_engine_rollback(scope->core->engine, WX_TAKE(scope->tx));
    }
}
