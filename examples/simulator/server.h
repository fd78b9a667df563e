/* HTTP on loopback over libmicrohttpd: a thread for each connection, so that one that waits holds up no
 * other. */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "simulator.h"

#include <netinet/in.h>
#include <stdint.h>

struct server;

/* NULL when the address cannot be had. */
struct server *server_start(struct simulator *simulator, struct in_addr address, uint16_t port);
uint16_t server_port(const struct server *server);

/* To be called after simulator_stop. */
void server_stop(struct server *server);

#endif
