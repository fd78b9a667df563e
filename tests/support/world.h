/* A folder of its own with a store and a key in it, opened through the public API with a fake clock and HTTP
 * port. */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <wxtp/wxtp.h>

#include "counting.h"
#include "fake_clock.h"
#include "fake_http.h"

#define WORLD_COMPONENT "wxc0000000000000c1"
#define WORLD_APPSECRET "component-secret-0123456789abcdef"
#define WORLD_PUSH_TOKEN "push-token-for-tests"
#define WORLD_AES_KEY "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"

typedef struct world {
    char folder[64], database[96], key[96];
    fake_clock clock;
    fake_http http;
    wxtp_platform *platform; /* NULL: not open; closed at teardown */
} world;

int world_setup(void **state);
/* As above, opened, with WORLD_COMPONENT set up and a ticket. */
int world_setup_platform(void **state);
int world_teardown(void **state);

/* A configuration for this world without a store. */
wxtp_config *world_config(world *w);
wxtp_store *world_store(world *w, const char *database);
/* Opens `database` with the key file `key`; the store is closed when that fails. */
wxtp_status world_open(world *w, const char *database, const char *key, wxtp_platform **platform,
                       wxtp_error **error);
void world_close(world *w);
void world_reopen(world *w);

#endif
