#include "domain/token.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "domain/refresh.h"

enum { ROUNDS = 3, CLOUD_TOKEN_MAX = 4096 };

void wx_token_free(wx_token *token)
{
    wx_free(token->text);
    *token = (wx_token){0};
}

/* ---- Cloud: the file that WeChat cloud hosting keeps fresh is read for each call ---- */

static wxtp_status bad_token_file(const char *path, const char *why, wx_err *err)
{
    wx_fail(err, WXTP_ERR_CREDENTIALS, "the cloudbase token file %s %s", path, why);
    wx_err_hint(
        err, "run inside WeChat cloud hosting with the open-interface token mounted, or name the file with "
             "wxtp-admin tenant add-cloud --token-file");
    return err->status;
}

static wxtp_status read_token_file(const char *path, char *text, size_t size, wx_err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return bad_token_file(path, errno == ENOENT ? "is not there" : "cannot be opened", err);
    }
    size_t len = 0;
    ssize_t got = 0;
    while (len < size - 1 && (got = read(fd, text + len, size - 1 - len)) != 0) {
        if (got < 0 && errno != EINTR) {
            break;
        }
        len += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    text[len] = '\0';
    if (got != 0) {
        return bad_token_file(path, got < 0 ? "cannot be read" : "is longer than a token can be", err);
    }
    while (len > 0 && strchr(" \r\n\t", text[len - 1]) != NULL) {
        text[--len] = '\0';
    }
    return len > 0 && strlen(text) == len ? WXTP_OK : bad_token_file(path, "holds no token", err);
}

static wxtp_status cloud_token(wx_op *op, const wx_tenant *tenant, wx_token *token, wx_err *err)
{
    if (tenant->row.token_file == NULL || tenant->row.token_file[0] == '\0') {
        return WXTP_OK;
    }
    WX_AUTO_BUF text;
    WX_AUTO_FREE char *content = wx_alloc(&op->core->allocator, CLOUD_TOKEN_MAX + 2);
    wx_buf_init(&text, &op->core->allocator, CLOUD_TOKEN_MAX + WX_APPID_MAX + 2);
    if (content == NULL) {
        return wx_fail_nomem(err);
    }
    const wxtp_status status = read_token_file(tenant->row.token_file, content, CLOUD_TOKEN_MAX + 2, err);
    if (status != WXTP_OK) {
        wx_err_tenant(err, tenant->row.appid);
        return status;
    }
    wx_buf_text(&text, content);
    if (tenant->row.token_of_platform) {
        wx_buf_printf(&text, "@%s", tenant->row.appid);
    }
    token->text = wx_buf_take(&text);
    token->parameter = "cloudbase_access_token";
    return token->text != NULL ? WXTP_OK : wx_fail_nomem(err);
}

/* ---- Stored tokens ---- */

static wxtp_status give(wx_held *held, wx_token *token)
{
    token->text = WX_TAKE(held->access);
    token->generation = held->generation;
    token->expires_ms = held->expires_ms;
    return WXTP_OK;
}

static wxtp_status get_stored(wx_op *op, wx_token_kind kind, const wx_tenant *tenant, const char *platform,
                              const char *appid, wx_token *token, wx_err *err)
{
    wx_core *core = op->core;
    for (int round = 0; round < ROUNDS; round++) {
        WX_AUTO_HELD held = {0};
        wxtp_status status = wx_held_load(core, NULL, platform, appid, &held, err);
        if (status != WXTP_OK) {
            return status;
        }
        const bool usable = wx_held_usable(&held, wx_wall_ms(core));
        wx_renewal renewal = {.op = op,
                              .kind = kind,
                              .tenant = tenant,
                              .platform = platform,
                              .appid = appid,
                              .seen_generation = held.generation,
                              .want = WX_WANT_GOOD,
                              .patient = !usable};
        if (usable && (round > 0 || !wx_held_due(&held, wx_wall_ms(core)))) {
            return give(&held, token);
        }
        char key[2 * WX_APPID_MAX + 16];
        wx_renewal_key(platform, appid, key, sizeof(key));
        if (usable && wx_boot_ms(core) < wx_flight_retry_at_ms(core, key)) {
            return give(&held, token);
        }
        status = wx_renew(&renewal, err);
        if (status != WXTP_OK && !usable) {
            wx_err_tenant(err, appid[0] != '\0' ? appid : err->tenant);
            return status;
        }
        if (status != WXTP_OK && status != WXTP_ERR_STATE) {
            /* The old token serves while its renewal fails. */
            wx_log(&core->log, WXTP_LOG_WARNING, "%s: early renewal failed, the old token serves on: %s",
                   appid[0] != '\0' ? appid : platform, err->message);
        }
    }
    wx_fail(err, WXTP_ERR_CREDENTIALS, "WeChat gives no token that is good for 5 seconds");
    wx_err_tenant(err, appid);
    return err->status;
}

wxtp_status wx_token_component(wx_op *op, wx_token *token, wx_err *err)
{
    *token = (wx_token){0};
    const wxtp_status status = wx_need_component(op->core, err);
    return status == WXTP_OK
               ? get_stored(op, WX_TOKEN_COMPONENT, NULL, op->core->settings.component, "", token, err)
               : status;
}

static wx_token_kind kind_of(const wx_tenant *tenant)
{
    return tenant->row.credential == WXTP_CREDENTIAL_OWN ? WX_TOKEN_OWN : WX_TOKEN_AUTHORIZER;
}

wxtp_status wx_token_get(wx_op *op, const wx_tenant *tenant, wx_token *token, wx_err *err)
{
    *token = (wx_token){0};
    if (tenant->row.credential == WXTP_CREDENTIAL_CLOUD) {
        return cloud_token(op, tenant, token, err);
    }
    return get_stored(op, kind_of(tenant), tenant, tenant->row.platform, tenant->row.appid, token, err);
}

wxtp_status wx_token_renew(wx_op *op, const wx_tenant *tenant, int64_t generation, bool *moved, wx_err *err)
{
    wx_token_view view;
    *moved = false;
    if (tenant->row.credential == WXTP_CREDENTIAL_CLOUD) {
        return WXTP_OK;
    }
    wx_renewal renewal = {.op = op,
                          .kind = kind_of(tenant),
                          .tenant = tenant,
                          .platform = tenant->row.platform,
                          .appid = tenant->row.appid,
                          .seen_generation = generation,
                          .want = WX_WANT_NEWER,
                          .patient = true};
    wxtp_status status = WXTP_OK;
    /* A flight that we joined may have wanted less than we do; stable_token may answer the same text for
     * long. */
    for (int round = 0; round < ROUNDS && status == WXTP_OK && !*moved; round++) {
        status = wx_renew(&renewal, err);
        if (status == WXTP_OK) {
            status = wx_token_look(op->core, tenant->row.platform, tenant->row.appid, &view, err);
        }
        *moved = status == WXTP_OK && view.generation > generation && view.has_access;
        if (renewal.kind == WX_TOKEN_OWN) {
            break;
        }
    }
    if (status != WXTP_OK) {
        wx_err_tenant(err, tenant->row.appid);
    }
    return status;
}
