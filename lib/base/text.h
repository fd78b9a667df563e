/* Small readings of text. */
#ifndef WX_BASE_TEXT_H
#define WX_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool wx_text_int64(const char *text, size_t len, int64_t *value); /* whole text, decimal, no overflow */
bool wx_appid_ok(const char *appid);                              /* 1 to 63 of A-Za-z0-9_- */
/* Refuses only what cannot be an openid: empty, over 64 bytes, other characters than A-Za-z0-9_- . */
bool wx_openid_ok(const char *openid, size_t len);
bool wx_utf8_ok(const char *text, size_t len);
/* Control characters, and what breaks lines or turns text round (bidi), become spaces, stray bytes "?", a
 * character cut at the end goes; in place, never longer. */
void wx_text_one_line(char *text);
/* FNV-1a; stable jitter and such, nothing that secrets hang on. */
uint64_t wx_hash(const char *text);
/* First moment of the next day in Beijing (UTC+8), in wall ms; and the number of the day that `wall_ms` lies
 * in. */
int64_t wx_beijing_midnight_ms(int64_t wall_ms);
int64_t wx_beijing_day(int64_t wall_ms);

#endif
