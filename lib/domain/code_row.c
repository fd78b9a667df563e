/* The stored rows of authorization codes. */
#include <string.h>

#include "domain/code_work.h"
#include "domain/storage.h"
#include "domain/vault.h"

enum { CODE_MAX = 1024 };

void wx_code_hex(const unsigned char *digest, size_t len, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * len] = '\0';
}

wxtp_status wx_code_work_init(wx_code_work *work, wx_op *op, const char *code, wx_err *err)
{
    *work = (wx_code_work){.op = op, .code = code};
    wxtp_status status = wx_need_component(op->core, err);
    if (status != WXTP_OK) {
        return status;
    }
    if (!*code || strlen(code) > CODE_MAX) {
        return wx_fail(err, WXTP_ERR_INVALID, "an authorization code has 1 to %d bytes", CODE_MAX);
    }
    status = wx_vault_digest(op->core, "code", code, strlen(code), work->digest, err);
    wx_code_hex(work->digest, sizeof(work->digest), work->hex);
    WX_AUTO_BUF name;
    wx_buf_init(&name, &op->core->allocator, sizeof(work->lease_name) - 1);
    if (!wx_buf_printf(&name, "code:%s:%s", op->core->settings.component, work->hex)) {
        return wx_fail_nomem(err);
    }
    wx_copy(work->lease_name, sizeof(work->lease_name), wx_buf_str(&name));
    work->lease.name = work->lease_name;
    return status;
}

wxtp_status wx_code_store(wx_code_work *work, wxtp_tx *tx, wxtp_code_state state, wx_err *err)
{
    wx_core *core = work->op->core;
    WX_AUTO_BUF sealed = {0};
    wxtp_code_row row = {.platform = core->settings.component,
                         .digest = {work->digest, sizeof(work->digest)},
                         .appid = work->appid,
                         .state = state,
                         .create_time_s = work->create_time_s,
                         .received_ms = work->received_ms,
                         .expires_ms = work->expires_ms,
                         .source = work->source};
    const bool open = state == WXTP_CODE_PENDING || state == WXTP_CODE_SENT;
    wxtp_status status = wx_vault_seal(core, "code", row.platform, work->hex, "code",
                                       open ? work->code : NULL, &sealed, &row.code, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->code_put(tx, &row);
    if (status != WXTP_OK) {
        return wx_store_fail(core, tx, status, "store the authorization code", err);
    }
    work->state = state;
    return WXTP_OK;
}

wxtp_status wx_code_read(wx_code_work *work, wxtp_tx *tx, wx_err *err)
{
    wx_core *core = work->op->core;
    wxtp_code_row row = {0};
    wxtp_status status = wx_ops(core)->code_get(tx, core->settings.component,
                                                (wxtp_blob){work->digest, sizeof(work->digest)}, &row);
    if (status == WXTP_ERR_NOT_FOUND) {
        return status;
    }
    if (status != WXTP_OK) {
        return wx_store_fail(core, tx, status, "read the authorization code", err);
    }
    wx_copy(work->appid, sizeof(work->appid), row.appid);
    work->state = row.state;
    work->create_time_s = row.create_time_s;
    work->received_ms = row.received_ms;
    work->expires_ms = row.expires_ms;
    wx_copy(work->source, sizeof(work->source), row.source);
    return WXTP_OK;
}

wxtp_status wx_code_put(wx_core *core, wxtp_tx *tx, const char *code, const char *appid,
                        int64_t create_time_s, int64_t expires_ms, const char *source, wx_err *err)
{
    wx_op op = {.core = core};
    wx_code_work work;
    wxtp_status status = wx_code_work_init(&work, &op, code, err);
    if (status == WXTP_OK) {
        status = wx_code_read(&work, tx, err);
    }
    if (status == WXTP_OK) {
        /* What an operator brought without an appid, a push may name. */
        const bool open = work.state == WXTP_CODE_PENDING || work.state == WXTP_CODE_SENT;
        if (!open || work.appid[0] || !*appid) {
            return WXTP_OK;
        }
        wx_copy(work.appid, sizeof(work.appid), appid);
        work.create_time_s = create_time_s;
        wx_copy(work.source, sizeof(work.source), source);
        return wx_code_store(&work, tx, work.state, err);
    }
    if (status != WXTP_ERR_NOT_FOUND) {
        return status;
    }
    wx_copy(work.appid, sizeof(work.appid), appid);
    work.create_time_s = create_time_s;
    work.received_ms = wx_wall_ms(core);
    work.expires_ms = expires_ms;
    wx_copy(work.source, sizeof(work.source), source);
    return wx_code_store(&work, tx, WXTP_CODE_PENDING, err);
}

wxtp_status wx_code_state_get(wx_core *core, wxtp_tx *tx, const char *code, wxtp_code_state *state,
                              wx_err *err)
{
    wx_op op = {.core = core};
    wx_code_work work;
    wxtp_status status = wx_code_work_init(&work, &op, code, err);
    if (status == WXTP_OK) {
        status = wx_code_read(&work, tx, err);
    }
    *state = work.state;
    return status;
}
