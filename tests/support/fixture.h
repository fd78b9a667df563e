/* A wx_core on a real SQLite file in a folder of its own, with a fake clock and a fake HTTP port. */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/core.h"
#include "domain/storage.h"
#include "domain/tenant.h"
#include "fake_clock.h"
#include "fake_http.h"

#define FIXTURE_COMPONENT "wxc0000000000000c1"
#define FIXTURE_APPSECRET "component-secret-0123456789abcdef"
#define FIXTURE_PUSH_TOKEN "push-token-for-tests"
#define FIXTURE_AES_KEY "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
#define FIXTURE_COMPONENT_TOKEN "component-access-token-1"

/* One open handle on the store: what a process is. */
typedef struct fixture_node {
    wx_core core;
    wx_patience patience;
    wx_op op;
} fixture_node;

typedef struct fixture {
    char folder[64], path[96];
    fake_clock clock;
    fake_http http;
    fixture_node node;
    wx_core *core;  /* node.core */
    wx_op *op;      /* node.op */
    char told[512]; /* events, from fixture_listen on: "EVENT APPID\n" each */
} fixture;

/* For cmocka_unit_test_setup_teardown; `*state` is the fixture. No platform is stored yet. */
int fixture_setup(void **state);
/* As above, with FIXTURE_COMPONENT stored, a ticket, and a fresh component token. */
int fixture_setup_platform(void **state);
/* As above, with a merchant that the gate lets through, and its token. */
int fixture_setup_merchant(void **state, const char *appid);
int fixture_teardown(void **state);

/* Another handle on the same file, as another process would have it. */
void fixture_open_node(fixture *fx, fixture_node *node);
void fixture_close_node(fixture_node *node);
/* Calls in flight, over all tenants. */
void fixture_concurrency(wx_core *core, int calls);
/* Gives the operation of the node that much patience again. */
void fixture_patience(fixture_node *node, int64_t ms);

/* Has events written down. */
void fixture_listen(fixture *fx);

void fixture_put_platform(fixture *fx, const char *push_token, const char *aes_key,
                          const char *previous_push_token, const char *previous_aes_key);
void fixture_put_tenant(fixture *fx, const wxtp_tenant_row *row);
/* A certified service account with sets 1, 2, 15 whose profile was read now, authorized. Change it and put
 * it. */
wxtp_tenant_row fixture_service_account(fixture *fx, const char *appid);
/* Reads a tenant back by its exact key; fails the test where there is none. Freed by wx_tenant_free. */
wx_tenant *fixture_tenant(fixture *fx, const char *platform, const char *appid);
void fixture_put_token(fixture *fx, const char *platform, const char *appid, const char *access,
                       const char *refresh);
/* The stored texts, copied; "" where empty; NULL where there is no row. Freed by wx_free. */
char *fixture_access_token(fixture *fx, const char *platform, const char *appid);
char *fixture_refresh_token(fixture *fx, const char *platform, const char *appid);

#endif
