/* Finds what was probably meant: the smallest edit distance, a swap of neighbours counting as one. */
#include "options.h"
#include <string.h>

enum { WORD_MAX = 48 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t a_len = strnlen(a, WORD_MAX), b_len = strnlen(b, WORD_MAX);
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        before[j] = last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = least(change, least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_len];
}

const char *ad_nearest(const char *word, const char *(*next)(void *user), void *user, bool *near)
{
    const char *best = NULL;
    size_t best_distance = (size_t)-1;

    for (const char *name = next(user); name; name = next(user)) {
        size_t d = distance(word, name);
        /* What was begun right is near. */
        if (d > 1 && strlen(word) > 2 && strncmp(name, word, strlen(word)) == 0)
            d = 1;
        if (d < best_distance) {
            best = name;
            best_distance = d;
        }
    }
    *near = best && best_distance <= 1 + strlen(word) / 3;
    return best;
}
