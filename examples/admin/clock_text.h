/* Times as text: RFC 3339 UTC for scripts, local time for people. */
#ifndef AD_CLOCK_TEXT_H
#define AD_CLOCK_TEXT_H

#include <stdbool.h>
#include <stdint.h>

enum { AD_TIME_SIZE = 40 };

int64_t ad_now_ms(void); /* wall */
int64_t ad_monotonic_ms(void);
/* Both give "" for 0. */
void ad_time_utc(int64_t wall_ms, char text[AD_TIME_SIZE]);
void ad_time_local(int64_t wall_ms, char text[AD_TIME_SIZE]);
/* "12 s ago"; "" for 0. */
void ad_time_age(int64_t wall_ms, int64_t now_ms, char text[AD_TIME_SIZE]);
/* RFC 3339, a date, or an age as in 30m, 1h, 2d. */
bool ad_time_parse(const char *text, int64_t now_ms, int64_t *wall_ms);

#endif
