#include "algorithms.h"

#include <pthread.h>
#include <stdlib.h>

static wx_crypto crypto;

static void look_up(void)
{
    if (!wx_crypto_init(&crypto)) {
        abort();
    }
}

const wx_crypto *algorithms(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, look_up);
    return &crypto;
}
