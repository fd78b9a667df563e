/* Query strings: the first line is the name that is looked for, the rest the query. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "codec/query.h"

enum { VALUE_MAX = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WX_AUTO_BUF value;
    fuzz_bytes rest = {data, size};
    const fuzz_bytes line = fuzz_take_line(&rest);
    char *name = fuzz_text(line.data, line.size);
    char *query = fuzz_text(rest.data, rest.size);
    wx_buf_init(&value, NULL, VALUE_MAX);
    if (wx_query_get(query, name, &value)) {
        /* No NUL within: who reads it as a text reads all of it. */
        fuzz_require(strlen(wx_buf_str(&value)) == value.len && value.len <= VALUE_MAX);
        fuzz_require(strstr(query, name) != NULL);
    } else {
        fuzz_require(value.len == 0);
    }
    free(name);
    free(query);
    return 0;
}
