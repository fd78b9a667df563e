/* Judges one signature, so that its instructions can be counted: `signature WHAT WHERE`. WHAT is `ours` or
 * `naive` (a comparison that stops at the first difference, to see that the count would tell). WHERE, two
 * digits, is the place of the first wrong character; from 40 on there is none. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms.h"
#include "codec/envelope.h"

#define PUSH_TOKEN "push-token-for-tests"
#define SEALED "c2VhbGVkIGVub3VnaCB0byBiZSBjb21wYXJlZCBvbmx5"

enum { HEX_LEN = 40 };

bool judged(const char *what, const char *right, const char *given);

static bool same(const char *right, const char *given)
{
    while (*right && *right == *given) {
        right++;
        given++;
    }
    return *right == *given;
}

/* What is counted. */
__attribute__((noinline)) bool judged(const char *what, const char *right, const char *given)
{
    return what[0] == 'o' ? wx_push_signature_check(algorithms(), PUSH_TOKEN, "1", "n", SEALED,
                                                    strlen(SEALED), given) == WX_ENVELOPE_OK
                          : same(right, given);
}

int main(int argc, char **argv)
{
    char right[HEX_LEN + 1];
    char given[HEX_LEN + 1];
    if (argc != 3 || !wx_push_signature(algorithms(), PUSH_TOKEN, "1", "n", SEALED, strlen(SEALED), right)) {
        return EXIT_FAILURE;
    }
    const size_t where = strtoul(argv[2], NULL, 10);
    memcpy(given, right, sizeof(given));
    if (where < HEX_LEN) {
        given[where] = given[where] == '0' ? '1' : '0';
    }
    (void)puts(judged(argv[1], right, given) ? "right" : "wrong");
    return EXIT_SUCCESS;
}
