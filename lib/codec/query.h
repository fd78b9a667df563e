/* Query strings. */
#ifndef WX_CODEC_QUERY_H
#define WX_CODEC_QUERY_H

#include "base/buf.h"

/* Decodes the first value of `name` ("+" is a space) into `value`; false where it is missing or badly
 * encoded, and with `value->nomem` where memory is short. */
bool wx_query_get(const char *query, const char *name, wx_buf *value);

#endif
