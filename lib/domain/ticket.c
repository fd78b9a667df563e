#include "domain/ticket.h"

#include "domain/component.h"
#include "domain/send.h"
#include "domain/storage.h"
#include "domain/vault.h"

enum { LATE_MS = 30 * 60 * 1000 };

static const char kind[] = "ticket";

wxtp_status wx_ticket_put(wx_core *core, wxtp_tx *tx, const char *ticket, int64_t create_time_s,
                          bool *applied, wx_err *err)
{
    const char *component = core->settings.component;
    wxtp_ticket_row row = {0};
    WX_AUTO_BUF sealed = {0};
    *applied = false;
    wxtp_status status = wx_ops(core)->ticket_get(tx, component, &row);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, tx, status, "read the ticket", err);
    }
    if (status == WXTP_OK && row.create_time_s > create_time_s) {
        return WXTP_OK;
    }
    row = (wxtp_ticket_row){
        .component_appid = component, .create_time_s = create_time_s, .received_ms = wx_wall_ms(core)};
    status = wx_vault_seal(core, kind, component, "", "ticket", ticket, &sealed, &row.ticket, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->ticket_put(tx, &row);
    if (status != WXTP_OK) {
        return wx_store_fail(core, tx, status, "store the ticket", err);
    }
    *applied = true;
    return WXTP_OK;
}

static wxtp_status no_ticket(const char *why, wx_err *err)
{
    wx_fail(err, WXTP_ERR_TICKET, "%s", why);
    wx_err_hint(
        err,
        "WeChat pushes a ticket every 10 minutes to the authorization event URL: see that its pushes reach "
        "this database (wxtp-admin callback, wxtp-admin doctor)");
    return err->status;
}

wxtp_status wx_ticket_get(wx_core *core, char **ticket, wx_err *err)
{
    const char *component = core->settings.component;
    WX_AUTO_SCOPE scope = {0};
    wxtp_ticket_row row;
    *ticket = NULL;
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->ticket_get(scope.tx, component, &row);
    if (status == WXTP_ERR_NOT_FOUND) {
        return no_ticket("no component_verify_ticket has been received yet", err);
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, scope.tx, status, "read the ticket", err);
    }
    if (wx_wall_ms(core) - row.received_ms > LATE_MS) {
        wx_tell(core, "ticket_late", "", "no component_verify_ticket has come for 30 minutes");
    }
    if (wx_wall_ms(core) - row.received_ms > WX_TICKET_LIFE_S * INT64_C(1000)) {
        return no_ticket("the last component_verify_ticket is older than 12 hours", err);
    }
    status = wx_vault_open(core, kind, component, "", "ticket", row.ticket, ticket, err);
    if (status == WXTP_OK && *ticket == NULL) {
        return no_ticket("no component_verify_ticket has been received yet", err);
    }
    return status;
}

void wx_ticket_ask(wx_op *op)
{
    wx_core *core = op->core;
    const int64_t now = wx_boot_ms(core);
    int64_t last = atomic_load(&core->ticket_asked_boot_ms);
    if ((last != 0 && now - last < 60000) ||
        !atomic_compare_exchange_strong(&core->ticket_asked_boot_ms, &last, now)) {
        return;
    }
    wx_err err = {0};
    WX_AUTO_COMPONENT component = {0};
    WX_AUTO_ANSWER answer = {0};
    WX_AUTO_BUF body;
    wx_buf_init(&body, &core->allocator, 4096);
    if (wx_component_load(core, &component, &err) != WXTP_OK) {
        return;
    }
    wx_buf_text(&body, "{\"component_appid\":");
    wx_json_quote(&body, component.appid);
    wx_buf_text(&body, ",\"component_secret\":");
    wx_json_quote(&body, component.appsecret);
    wx_buf_text(&body, "}");
    const wx_platform_api *api = wx_catalog_platform(WX_API_START_PUSH_TICKET);
    const wx_request request = {.name = api->name,
                                .path = api->path,
                                .body = wx_buf_str(&body),
                                .body_len = body.len,
                                .secrets = {component.appsecret},
                                .secret_count = 1};
    if (!body.failed && wx_send(core, &request, &answer, NULL, NULL, &err) != WX_SENT_OK) {
        wx_log(&core->log, WXTP_LOG_WARNING, "asked WeChat to push tickets: %s", err.message);
    }
}
