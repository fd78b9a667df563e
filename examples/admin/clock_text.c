#include "clock_text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t ad_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t ad_monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void format(int64_t wall_ms, char text[AD_TIME_SIZE], bool local)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;

    text[0] = '\0';
    if (wall_ms <= 0 || !(local ? localtime_r(&seconds, &parts) : gmtime_r(&seconds, &parts)))
        return;
    if (strftime(text, AD_TIME_SIZE, local ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        text[0] = '\0';
}

void ad_time_utc(int64_t wall_ms, char text[AD_TIME_SIZE])
{
    format(wall_ms, text, false);
}

void ad_time_local(int64_t wall_ms, char text[AD_TIME_SIZE])
{
    format(wall_ms, text, true);
}

void ad_time_age(int64_t wall_ms, int64_t now_ms, char text[AD_TIME_SIZE])
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}};
    int64_t age = now_ms > wall_ms ? now_ms - wall_ms : 0;
    size_t i = 0;

    text[0] = '\0';
    if (wall_ms <= 0)
        return;
    while (i < sizeof units / sizeof units[0] - 1 && age < 2 * units[i].ms)
        i++;
    snprintf(text, AD_TIME_SIZE, "%lld %s ago", (long long)(age / units[i].ms), units[i].unit);
}

static bool parse_age(const char *text, int64_t *ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}, {'w', 604800000}};
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    long long number = strtoll(text, &end, 10);
    if (number > 1000000 || *end == '\0' || end[1] != '\0')
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].unit == *end) {
            *ms = number * units[i].ms;
            return true;
        }
    }
    return false;
}

/* "Z", "+08:00" or nothing, which is UTC after a date alone. */
static bool parse_offset(const char *text, int64_t *ms)
{
    *ms = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6 || text[3] != ':')
        return false;
    for (int i = 1; i < 6; i++) {
        if (i != 3 && (text[i] < '0' || text[i] > '9'))
            return false;
    }
    int64_t minutes = ((text[1] - '0') * 10 + (text[2] - '0')) * 60 + (text[4] - '0') * 10 + (text[5] - '0');
    *ms = (text[0] == '+' ? minutes : -minutes) * 60000;
    return true;
}

bool ad_time_parse(const char *text, int64_t now_ms, int64_t *wall_ms)
{
    struct tm parts;
    int64_t age, offset = 0, fraction = 0;

    if (parse_age(text, &age)) {
        *wall_ms = now_ms - age;
        return true;
    }
    memset(&parts, 0, sizeof parts);
    const char *rest = strptime(text, "%Y-%m-%d", &parts);
    if (!rest)
        return false;
    if (*rest == 'T' || *rest == 't' || *rest == ' ') {
        rest = strptime(rest + 1, "%H:%M:%S", &parts);
        if (!rest)
            return false;
        if (*rest == '.') {
            int64_t unit = 100;
            for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
                fraction += (*rest - '0') * unit;
        }
        if (!parse_offset(rest, &offset))
            return false;
    } else if (*rest != '\0') {
        return false;
    }
    *wall_ms = (int64_t)timegm(&parts) * 1000 + fraction - offset;
    return true;
}
