/* OpenSSL's algorithms for what a test makes itself. */
#ifndef TEST_ALGORITHMS_H
#define TEST_ALGORITHMS_H

#include "codec/crypto.h"

/* Kept until the program ends. */
const wx_crypto *algorithms(void);

#endif
