/* Option structs of a host. Their first member, struct_size, says how far they reach: the host may have been
 * built with older headers. */
#ifndef WX_API_OPTIONS_H
#define WX_API_OPTIONS_H

#include <stddef.h>

#include "base/err.h"

/* Copies as much of them as the host knows; what it does not know is 0, as is everything where `options` is
 * NULL. `whose` is for the message, as in "the job's". WXTP_ERR_INVALID where struct_size was not set. */
wxtp_status wx_options_read(void *copy, size_t size, const void *options, const char *whose, wx_err *err);

#endif
