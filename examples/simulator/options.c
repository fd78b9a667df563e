#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, NORMAL_PORT = 8089 };

static const char HELP[] =
    "Usage: wxtp-simulator [--host ADDRESS] [--port PORT]\n"
    "A strict local WeChat to develop and test against: third-party platforms, merchants,\n"
    "tokens, pushes, the blacklist calls, cloud calls, and faults on order.\n"
    "\n"
    "  --host ADDRESS  loopback address to listen on (127.0.0.1)\n"
    "  --port PORT     port to listen on (8089); 0 picks a free one\n"
    "  --help          this text\n"
    "  --version       the version\n"
    "\n"
    "Prints `listening on http://127.0.0.1:PORT` when it is ready. SIGINT and SIGTERM end it.\n"
    "\n"
    "Control, JSON in and out; an unknown key is refused with 400 and {\"error\":\"...\"}:\n"
    "  POST /sim/reset                  an empty world, no journal, no faults; held answers are let go\n"
    "  POST /sim/time {advance_s}       moves the virtual clock on\n"
    "  POST /sim/component {component_appid, appsecret, token, encoding_aes_key, callback_url?,\n"
    "       ticket?, ip_allowed?, ...}  makes or changes a third-party platform\n"
    "  POST /sim/merchant {appid, kind?, verify_type?, permission_sets?, blacklist?, followers?, ...}\n"
    "                                   makes or changes accounts; {merchants:[...]} for many\n"
    "  GET  /sim/merchant?appid=        its blacklist, tokens, counters\n"
    "  GET  /sim/state                  the whole world\n"
    "  POST /sim/authorize {appid, update?, permission_sets?, pre_auth_code?, ...}\n"
    "                                   an authorization code and its sealed push\n"
    "  POST /sim/unauthorize {appid}    the merchant takes it back; the sealed push\n"
    "  POST /sim/ticket {}              a new component_verify_ticket and its sealed push\n"
    "  POST /sim/push {xml, key?, forge?, ...}\n"
    "                                   seals any XML, well or badly\n"
    "  POST /sim/cloud {appid, token?, life_s?, token_less?, paths?, from_appids?}\n"
    "                                   cloud calls\n"
    "  POST /sim/faults {path?, appid?, nth?, count?, errcode?, errmsg?, http_status?, body?,\n"
    "       content_type?, delay_ms?, cut?, truncate_at?, drip_ms?, endless?, hold?, apply?}\n"
    "  GET, DELETE /sim/faults[?id=]\n"
    "  GET  /sim/held                   answers held back by a fault with hold\n"
    "  POST /sim/release {id | all:true}\n"
    "  GET  /sim/journal?path=&appid=&since=&limit=\n"
    "  DELETE /sim/journal\n"
    "  POST /sim/wait {path?, appid?, since?, count?, held?, timeout_ms}\n"
    "                                   until so many calls were made, or answers are held\n"
    "  POST, GET /sim/settings          what is doubtful about WeChat, and limits\n"
    "  POST /sim/release-test {} | {answers:[{name, body}]}\n"
    "                                   WeChat's network-wide release test, and its verdict\n"
    "All keys are explained in examples/simulator/README.md.\n";

static bool loopback(const char *text, struct in_addr *address)
{
    return inet_pton(AF_INET, text, address) == 1 && ntohl(address->s_addr) >> 24 == 127;
}

static bool read_port(const char *text, uint16_t *port)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 0 || value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "error: %s%s\nhint: see wxtp-simulator --help\n", what, value);
    return EXIT_USAGE;
}

static int say(struct options *options, const char *text)
{
    options->done = true;
    return fputs(text, stdout) < 0 || fflush(stdout) != 0;
}

int options_read(int argc, char **argv, struct options *options)
{
    static const struct option KNOWN[] = {{"host", required_argument, NULL, 'h'},
                                          {"port", required_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, '?'},
                                          {"version", no_argument, NULL, 'v'},
                                          {0}};
    *options = (struct options){.port = NORMAL_PORT};
    options->address.s_addr = htonl(INADDR_LOOPBACK);
    opterr = 0;
    for (;;) {
        int index = -1;
        int found = getopt_long(argc, argv, "", KNOWN, &index);
        if (found == -1)
            break;
        if (found == 'h' && !loopback(optarg, &options->address))
            return usage("not a loopback address: ", optarg);
        if (found == 'p' && !read_port(optarg, &options->port))
            return usage("not a port: ", optarg);
        if (found == 'v')
            return say(options, "wxtp-simulator " SIM_VERSION "\n");
        if (found == '?')
            return index >= 0 ? say(options, HELP)
                              : usage("not an option, or without its value: ", argv[optind - 1]);
    }
    return optind < argc ? usage("unexpected argument: ", argv[optind]) : 0;
}
