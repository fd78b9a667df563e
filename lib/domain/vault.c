#include "domain/vault.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/point.h"
#include "domain/storage.h"

/* The data key's row: format byte, 8 bytes that name the master key, the sealed data key. */
enum { ROW_FORMAT = 1, KEY_ID_LEN = 8, ROW_HEAD = 1 + KEY_ID_LEN, SECRET_MAX = 64 * 1024 };

static const char meta_data_key[] = "data_key";
static const wx_seal_place data_key_place = {.kind = "data_key", .platform = "", .row = "", .field = "key"};

static bool key_id(const wx_core *core, const unsigned char key[WX_KEY_LEN], unsigned char id[KEY_ID_LEN])
{
    unsigned char digest[32];
    if (!wx_digest(&core->crypto, key, WX_KEY_LEN, digest)) {
        return false;
    }
    memcpy(id, digest, KEY_ID_LEN);
    OPENSSL_cleanse(digest, sizeof(digest));
    return true;
}

static wxtp_status seal_failed(wx_seal_result result, wx_err *err)
{
    return result == WX_SEAL_NOMEM ? wx_fail_nomem(err)
                                   : wx_fail(err, WXTP_ERR_INTERNAL, "OpenSSL has no AES-256-GCM that works");
}

static wxtp_status put_data_key(wx_core *core, wxtp_tx *tx, const unsigned char master_key[WX_KEY_LEN],
                                wx_err *err)
{
    unsigned char head[ROW_HEAD] = {ROW_FORMAT};
    WX_AUTO_BUF sealed;
    WX_AUTO_BUF row;
    wx_buf_init(&sealed, &core->allocator, 1024);
    wx_buf_init(&row, &core->allocator, 1024);
    if (!key_id(core, master_key, head + 1)) {
        return wx_openssl_fail("digest", err);
    }
    const wx_seal_result result =
        wx_seal(&core->crypto, master_key, &data_key_place, core->data_key, WX_KEY_LEN, &sealed);
    if (result != WX_SEAL_OK) {
        return seal_failed(result, err);
    }
    if (!wx_buf_add(&row, head, sizeof(head)) || !wx_buf_add(&row, sealed.data, sealed.len)) {
        return wx_fail_nomem(err);
    }
    const wxtp_status status = wx_ops(core)->meta_put(tx, meta_data_key, (wxtp_blob){row.data, row.len});
    return status == WXTP_OK ? WXTP_OK : wx_store_fail(core, tx, status, "store the data key", err);
}

static wxtp_status open_data_key(wx_core *core, wxtp_blob row, const unsigned char master_key[WX_KEY_LEN],
                                 wx_err *err)
{
    const unsigned char *bytes = row.data;
    unsigned char id[KEY_ID_LEN];
    WX_AUTO_BUF plain;
    wx_buf_init(&plain, &core->allocator, 1024);
    if (row.len <= ROW_HEAD || bytes[0] != ROW_FORMAT) {
        return wx_fail(err, WXTP_ERR_KEY, "the sealed data key in the database is damaged");
    }
    if (!key_id(core, master_key, id)) {
        return wx_openssl_fail("digest", err);
    }
    if (memcmp(id, bytes + 1, KEY_ID_LEN) != 0) {
        wx_fail(err, WXTP_ERR_KEY, "the master key is not the one that sealed this database");
        wx_err_hint(err, "name the right key file: --master-key-file PATH, or WXTP_MASTER_KEY_FILE");
        return err->status;
    }
    const wx_seal_result result =
        wx_unseal(&core->crypto, master_key, &data_key_place, bytes + ROW_HEAD, row.len - ROW_HEAD, &plain);
    if (result == WX_SEAL_NOMEM || result == WX_SEAL_FAILED) {
        return seal_failed(result, err);
    }
    if (result != WX_SEAL_OK || plain.len != WX_KEY_LEN) {
        return wx_fail(err, WXTP_ERR_KEY, "the sealed data key in the database is damaged");
    }
    memcpy(core->data_key, plain.data, WX_KEY_LEN);
    return WXTP_OK;
}

wxtp_status wx_vault_exists(wx_core *core, bool *exists, wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_blob row;
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_READ, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->meta_get(scope.tx, meta_data_key, &row);
    if (status != WXTP_OK && status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, scope.tx, status, "read the data key", err);
    }
    *exists = status == WXTP_OK;
    return WXTP_OK;
}

wxtp_status wx_vault_unlock(wx_core *core, const unsigned char master_key[WX_KEY_LEN], wx_err *err)
{
    bool exists = false;
    wxtp_blob row;
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_vault_exists(core, &exists, err);
    if (status != WXTP_OK) {
        return status;
    }
    /* A store that has its key is only read here, so that a wrong key touches nothing. */
    status = wx_scope_begin(&scope, core, exists ? WXTP_TX_READ : WXTP_TX_SYNC, err);
    if (status != WXTP_OK) {
        return status;
    }
    status = wx_ops(core)->meta_get(scope.tx, meta_data_key, &row);
    if (status == WXTP_OK) {
        return open_data_key(core, row, master_key, err);
    }
    if (status != WXTP_ERR_NOT_FOUND) {
        return wx_store_fail(core, scope.tx, status, "read the data key", err);
    }
    if (!wx_random(core->data_key, WX_KEY_LEN)) {
        return wx_openssl_fail("give random bytes", err);
    }
    status = put_data_key(core, scope.tx, master_key, err);
    WX_POINT("vault.storing");
    status = status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
    WX_POINT("vault.stored");
    return status;
}

wxtp_status wx_vault_rekey(wx_core *core, const unsigned char new_master_key[WX_KEY_LEN], wx_err *err)
{
    WX_AUTO_SCOPE scope = {0};
    wxtp_status status = wx_scope_begin(&scope, core, WXTP_TX_SYNC, err);
    if (status == WXTP_OK) {
        status = put_data_key(core, scope.tx, new_master_key, err);
    }
    WX_POINT("rekey.storing");
    status = status == WXTP_OK ? wx_scope_commit(&scope, err) : status;
    WX_POINT("rekey.stored");
    return status;
}

wxtp_status wx_vault_seal(wx_core *core, const char *kind, const char *platform, const char *row,
                          const char *field, const char *text, wx_buf *sealed, wxtp_blob *blob, wx_err *err)
{
    const wx_seal_place place = {.kind = kind, .platform = platform, .row = row, .field = field};
    wx_buf_init(sealed, &core->allocator, SECRET_MAX);
    *blob = (wxtp_blob){0};
    if (text == NULL || text[0] == '\0') {
        return WXTP_OK;
    }
    const wx_seal_result result = wx_seal(&core->crypto, core->data_key, &place, text, strlen(text), sealed);
    if (result != WX_SEAL_OK) {
        return seal_failed(result, err);
    }
    *blob = (wxtp_blob){sealed->data, sealed->len};
    return WXTP_OK;
}

wxtp_status wx_vault_open(wx_core *core, const char *kind, const char *platform, const char *row,
                          const char *field, wxtp_blob blob, char **text, wx_err *err)
{
    const wx_seal_place place = {.kind = kind, .platform = platform, .row = row, .field = field};
    WX_AUTO_BUF plain;
    wx_buf_init(&plain, &core->allocator, SECRET_MAX);
    *text = NULL;
    if (blob.len == 0) {
        return WXTP_OK;
    }
    const wx_seal_result result =
        wx_unseal(&core->crypto, core->data_key, &place, blob.data, blob.len, &plain);
    if (result == WX_SEAL_NOMEM || result == WX_SEAL_FAILED) {
        return seal_failed(result, err);
    }
    if (result != WX_SEAL_OK) {
        wx_fail(err, WXTP_ERR_KEY, "a sealed %s does not open: the row was altered or sealed elsewhere",
                field);
        wx_err_hint(err, "run wxtp-admin db check; restore a backup, or have the tenant synced again");
        return err->status;
    }
    *text = wx_buf_take(&plain);
    return *text != NULL ? WXTP_OK : wx_fail_nomem(err);
}

wxtp_status wx_vault_digest(wx_core *core, const char *kind, const void *data, size_t len,
                            unsigned char digest[32], wx_err *err)
{
    WX_AUTO_BUF text;
    wx_buf_init(&text, &core->allocator, (size_t)2 * SECRET_MAX);
    if (!wx_buf_add(&text, core->data_key, WX_KEY_LEN) || !wx_buf_add(&text, kind, strlen(kind) + 1) ||
        !wx_buf_add(&text, data, len)) {
        return wx_fail_nomem(err);
    }
    return wx_digest(&core->crypto, text.data, text.len, digest) ? WXTP_OK : wx_openssl_fail("digest", err);
}
