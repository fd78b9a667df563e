#include "domain/record.h"

#include <assert.h>

#include "domain/storage.h"

wxtp_status wx_record_add(wx_core *core, wxtp_tx *tx, const wx_record *record, wx_err *err)
{
    assert(record->appid && record->call);
    const wxtp_audit_row row = {
        .time_ms = wx_wall_ms(core),
        .platform = record->platform,
        .appid = record->appid,
        .call = record->call,
        .job_id = record->job_id,
        .openids = record->openids,
        .errcode = record->errcode,
        .errmsg = record->errmsg,
        .rid = record->rid,
        .duration_ms = record->duration_ms,
        .token_generation = record->token_generation,
        .made_generation = record->made_generation,
        .source = record->source,
    };
    const wxtp_status status = wx_ops(core)->audit_add(tx, &row);
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, tx, status, "add to the audit record", err);
}

void wx_record_alone(wx_core *core, const wx_record *record)
{
    wx_err err = {0};
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_WRITE, &err);
    if (status == WXTP_OK) {
        status = wx_record_add(core, scope.tx, record, &err);
    }
    if (status == WXTP_OK) {
        status = wx_scope_commit(&scope, &err);
    }
    if (status != WXTP_OK) {
        wx_log(&core->log, WXTP_LOG_ERROR, "%s of %s was made, but could not be recorded: %s", record->call,
               record->appid, err.message);
    }
}

void wx_record_about(const wx_op *op, const wx_record *what, int64_t began_boot_ms, const wx_err *error)
{
    if (what->appid[0] == '\0') {
        return;
    }
    wx_record record = *what;
    record.job_id = op->job_id;
    record.duration_ms = wx_boot_ms(op->core) - began_boot_ms;
    record.errcode = error == NULL ? 0 : error->errcode != 0 ? error->errcode : -1;
    record.errmsg = error == NULL ? "ok" : error->message;
    record.rid = error == NULL ? "" : error->rid;
    wx_record_alone(op->core, &record);
}
