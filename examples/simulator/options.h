/* The command line. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct options {
    struct in_addr address;
    uint16_t port;
    bool done; /* --help or --version was answered */
};

/* 0, or the exit code after an error message. */
int options_read(int argc, char **argv, struct options *options);

#endif
