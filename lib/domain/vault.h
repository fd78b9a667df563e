/* Secrets between the store and memory: sealing lies above the store port. */
#ifndef WX_DOMAIN_VAULT_H
#define WX_DOMAIN_VAULT_H

#include "domain/core.h"

/* Unseals the store's data key with the master key, or makes one in a new store. WXTP_ERR_KEY when it does
 * not open. */
wxtp_status wx_vault_unlock(wx_core *core, const unsigned char master_key[WX_KEY_LEN], wx_err *err);
/* Whether the store has a data key yet. */
wxtp_status wx_vault_exists(wx_core *core, bool *exists, wx_err *err);
/* Seals the data key under another master key, in its one row. */
wxtp_status wx_vault_rekey(wx_core *core, const unsigned char new_master_key[WX_KEY_LEN], wx_err *err);

/* Seals `text`; NULL or "" gives an empty blob. `sealed` owns what `blob` points to. */
wxtp_status wx_vault_seal(wx_core *core, const char *kind, const char *platform, const char *row,
                          const char *field, const char *text, wx_buf *sealed, wxtp_blob *blob, wx_err *err);
/* Opens a blob to NUL-terminated text, freed (and zeroed) by wx_free; an empty blob gives NULL text and
 * WXTP_OK. */
wxtp_status wx_vault_open(wx_core *core, const char *kind, const char *platform, const char *row,
                          const char *field, wxtp_blob blob, char **text, wx_err *err);

/* SHA-256 keyed with the data key, for looking secrets up without storing them. */
wxtp_status wx_vault_digest(wx_core *core, const char *kind, const void *data, size_t len,
                            unsigned char digest[32], wx_err *err);

#endif
