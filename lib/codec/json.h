/* Reading and writing JSON on json-c, bounded and strict. */
#ifndef WX_CODEC_JSON_H
#define WX_CODEC_JSON_H

#include <json-c/json.h>
#include <stdint.h>

#include "base/buf.h"

/* One whole JSON value, depth at most 32, valid UTF-8; else NULL (with errno ENOMEM where memory is short).
 */
struct json_object *wx_json_parse(const char *text, size_t len);
void wx_json_put_at(struct json_object **value);
#define WX_AUTO_JSON __attribute__((cleanup(wx_json_put_at))) struct json_object

struct json_object *wx_json_get(struct json_object *object, const char *name); /* borrowed; NULL */
const char *wx_json_str(struct json_object *object, const char *name); /* borrowed; NULL where no string */
/* Numbers, also those written as strings; `fallback` where there is none or it does not fit. */
int64_t wx_json_int(struct json_object *object, const char *name, int64_t fallback);

/* Appends `text` as a JSON string: raw UTF-8, only what JSON demands is escaped. */
bool wx_json_quote(wx_buf *out, const char *text);

#endif
