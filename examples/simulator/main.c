#include "options.h"
#include "push.h"
#include "server.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Blocked here and so in every thread: main alone takes them. */
static void block_signals(sigset_t *ends)
{
    sigemptyset(ends);
    sigaddset(ends, SIGINT);
    sigaddset(ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, ends, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static bool say_ready(struct in_addr address, uint16_t port)
{
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address, text, sizeof text);
    return printf("listening on http://%s:%u\n", text, (unsigned)port) > 0 && fflush(stdout) == 0;
}

static int run(struct simulator *simulator, const struct options *options)
{
    sigset_t ends;
    int ended = 0;
    pthread_t pusher;
    block_signals(&ends);
    struct server *server = server_start(simulator, options->address, options->port);
    if (!server) {
        fprintf(
            stderr,
            "error: cannot listen on port %u\nhint: is another program using it? --port 0 picks a free one\n",
            (unsigned)options->port);
        return 1;
    }
    bool pushing = pthread_create(&pusher, NULL, push_tickets, simulator) == 0;
    bool ready = pushing && say_ready(options->address, server_port(server));
    if (ready)
        sigwait(&ends, &ended);
    simulator_stop(simulator);
    server_stop(server);
    if (pushing)
        pthread_join(pusher, NULL);
    return ready ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options;
    struct simulator simulator;
    int code = options_read(argc, argv, &options);
    if (code || options.done)
        return code;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !simulator_open(&simulator))
        return 1;
    code = run(&simulator, &options);
    simulator_close(&simulator);
    curl_global_cleanup();
    return code;
}
