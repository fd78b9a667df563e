#include "codec/narrow.h"

#include <assert.h>

/* So many bad ones in a batch promise more: halving stops to pay. */
enum { SINGLY_FROM = 2 };

static size_t count_of(const char *marks, size_t count, char mark)
{
    size_t found = 0;
    for (size_t at = 0; at < count; at++) {
        found += marks[at] == mark;
    }
    return found;
}

size_t wx_narrow_next(const char *marks, size_t count, bool *chosen)
{
    size_t suspects = count_of(marks, count, WX_MARK_SUSPECT);
    char wanted = suspects > 0 ? WX_MARK_SUSPECT : WX_MARK_UNTESTED;
    size_t most = count;
    if (suspects > 0) {
        bool singly = suspects == 1 || count_of(marks, count, WX_MARK_INVALID) >= SINGLY_FROM;
        most = singly ? 1 : suspects / 2;
    }
    size_t taken = 0;
    for (size_t at = 0; at < count; at++) {
        chosen[at] = marks[at] == wanted && taken < most;
        taken += chosen[at];
    }
    return taken;
}

static void turn(char *marks, size_t count, char from, char to)
{
    for (size_t at = 0; at < count; at++) {
        if (marks[at] == from) {
            marks[at] = to;
        }
    }
}

void wx_narrow_apply(char *marks, size_t count, const bool *chosen, wx_narrow_outcome outcome)
{
    size_t called = 0;
    for (size_t at = 0; at < count; at++) {
        assert(!chosen[at] || marks[at] == WX_MARK_UNTESTED || marks[at] == WX_MARK_SUSPECT);
        called += chosen[at];
    }
    bool singly = count_of(marks, count, WX_MARK_INVALID) >= SINGLY_FROM;
    char mark = WX_MARK_DONE;
    if (outcome == WX_NARROW_FAILED) {
        mark = WX_MARK_FAILED;
    } else if (outcome == WX_NARROW_BAD) {
        mark = called == 1 ? WX_MARK_INVALID : WX_MARK_SUSPECT;
    }
    /* What made the others suspect is explained by those that were called, unless they are gone through one
     * by one. */
    if (outcome == WX_NARROW_FAILED || (outcome == WX_NARROW_BAD && !(called == 1 && singly))) {
        turn(marks, count, WX_MARK_SUSPECT, WX_MARK_UNTESTED);
    }
    for (size_t at = 0; at < count; at++) {
        if (chosen[at]) {
            marks[at] = mark;
        }
    }
}

size_t wx_narrow_pending(const char *marks, size_t count)
{
    return count_of(marks, count, WX_MARK_UNTESTED) + count_of(marks, count, WX_MARK_SUSPECT);
}
