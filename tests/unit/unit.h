/* What every unit test includes first. */
#ifndef WXTP_UNIT_H
#define WXTP_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "counting.h"

#endif
