/* The search for the bad openids of a batch: a pure function of one mark an openid. */
#ifndef WX_CODEC_NARROW_H
#define WX_CODEC_NARROW_H

#include <stdbool.h>
#include <stddef.h>

enum {
    WX_MARK_UNTESTED = '.', /* pending, nothing known */
    WX_MARK_SUSPECT = '?',  /* pending, in the group that is known to hold a bad one */
    WX_MARK_DONE = '+',
    WX_MARK_INVALID = 'x',
    WX_MARK_FAILED = '!',
};

/*
 * Chooses which openids go into the next call: `chosen[i]` is set for them. Returns how many, 0 when none is
 * pending. Suspects are halved; the untested rest goes back together; after two bad ones the third refusal of
 * a group has its members go singly. For 20 openids: at most 8 calls with one bad, 15 with two, 31 whatever
 * the mix.
 */
size_t wx_narrow_next(const char *marks, size_t count, bool *chosen);

typedef enum wx_narrow_outcome {
    WX_NARROW_DONE,   /* the call succeeded */
    WX_NARROW_BAD,    /* 40003 or 49003: at least one of them is bad */
    WX_NARROW_FAILED, /* refused for good by another errcode */
} wx_narrow_outcome;

/* Enters the outcome of the call for `chosen` into `marks`. */
void wx_narrow_apply(char *marks, size_t count, const bool *chosen, wx_narrow_outcome outcome);
size_t wx_narrow_pending(const char *marks, size_t count);

#endif
