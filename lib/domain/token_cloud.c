#include "domain/token_cloud.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { CLOUD_TOKEN_MAX = 4096 };

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

wxtp_status wx_token_cloud_get(wx_op *op, const wx_tenant *tenant, wx_token *token, wx_err *err)
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
    token->parameter = WX_CLOUD_TOKEN_PARAMETER;
    return token->text != NULL ? WXTP_OK : wx_fail_nomem(err);
}
