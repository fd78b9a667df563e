/* The master key's file: 32 random bytes in base64, private to its owner. */
#ifndef WX_PORT_KEYFILE_H
#define WX_PORT_KEYFILE_H

#include "base/err.h"
#include "codec/seal.h"

/* Refuses a symbolic link, anything but a regular file, one that group or others can read, and wrong content.
 */
wxtp_status wx_keyfile_read(const char *path, unsigned char key[WX_KEY_LEN], wx_err *err);
/* Sees to it that a file that is there survives a power cut, whoever made it. */
wxtp_status wx_keyfile_sync(const char *path, wx_err *err);
/* Makes a new one exclusively with mode 0600, synced with its folder. WXTP_ERR_EXISTS where one is. */
wxtp_status wx_keyfile_create(const char *path, unsigned char key[WX_KEY_LEN], wx_err *err);

#endif
