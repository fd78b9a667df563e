#include "api/options.h"

#include <string.h>

wxtp_status wx_options_read(void *copy, size_t size, const void *options, const char *whose, wx_err *err)
{
    size_t given = 0;
    memset(copy, 0, size);
    if (!options) {
        return WXTP_OK;
    }
    memcpy(&given, options, sizeof(given));
    /* No struct ends within a member. */
    if (given <= sizeof(given) || given % sizeof(given) != 0) {
        return wx_fail(err, WXTP_ERR_INVALID,
                       "%s options have a struct_size of %zu; set it to the sizeof of their struct", whose,
                       given);
    }
    memcpy(copy, options, given < size ? given : size);
    return WXTP_OK;
}
