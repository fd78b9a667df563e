/* Base64 on OpenSSL. */
#ifndef WX_CODEC_BASE64_H
#define WX_CODEC_BASE64_H

#include "base/buf.h"

bool wx_base64_character(char c); /* one of the 64; padding is not */
bool wx_base64_encode(wx_buf *out, const void *data, size_t len);
/* Strict alphabet and padding, white space refused; unused bits of the last character may be anything. */
bool wx_base64_decode(wx_buf *out, const char *text, size_t len);

#endif
