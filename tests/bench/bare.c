/*
 * The least that posts the same bytes: libcurl's poll and perform over a fixed number of handles.
 *
 *     bench-bare --url URL --calls N [--in-flight N] [--http 1|2] [--connections N] [--ca-file FILE]
 *                [--epoll 1]
 *
 * With --http 2 all calls share --connections connections (0: as many as are in flight, each with one call at
 * a time). With --epoll 1 it is libcurl's socket_action over epoll instead, whose cost does not grow with the
 * handles. Prints one JSON object.
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"

enum { ANSWER_MAX = 4096, POLL_MS = 1000, EVENTS = 256 };

typedef struct slot {
    CURL *easy;
    char answer[ANSWER_MAX];
    size_t len;
} slot;

typedef struct loop {
    CURLM *multi;
    slot *slots;
    size_t in_flight;
    struct curl_slist *headers;
    char body[BENCH_BODY_MAX];
    int64_t calls, begun, done, connections;
    int epoll;       /* -1 with poll and perform */
    long timeout_ms; /* what libcurl asks for; -1 none */
} loop;

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    slot *self = user;
    const size_t len = size * count;
    if (len > sizeof(self->answer) - self->len) {
        return CURL_WRITEFUNC_ERROR;
    }
    memcpy(self->answer + self->len, data, len);
    self->len += len;
    return len;
}

#define SET(option, value) (ok = ok && curl_easy_setopt(self->easy, option, value) == CURLE_OK)

static bool set_up(slot *self, loop *all, const bench_args *args, size_t body_len)
{
    const char *ca_file = bench_text(args, "--ca-file", NULL);
    const bool two = bench_number(args, "--http", 1) == 2;
    bool ok = (self->easy = curl_easy_init()) != NULL;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_URL, bench_text(args, "--url", ""));
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_HTTP_VERSION, two ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PIPEWAIT, two ? 1L : 0L);
    SET(CURLOPT_USERAGENT, "libwxtp/bench");
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, all->body);
    SET(CURLOPT_POSTFIELDSIZE, (long)body_len);
    SET(CURLOPT_HTTPHEADER, all->headers);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, self);
    SET(CURLOPT_PRIVATE, self);
    if (ca_file) {
        SET(CURLOPT_CAINFO, ca_file);
    }
    return ok;
}

static bool prepare(loop *all, const bench_args *args)
{
    const size_t body_len = bench_body(all->body);
    const long connections = (long)bench_number(args, "--connections", 0);
    all->calls = bench_number(args, "--calls", 1000);
    all->in_flight = (size_t)bench_number(args, "--in-flight", 32);
    all->multi = curl_multi_init();
    all->slots = calloc(all->in_flight, sizeof(*all->slots));
    struct curl_slist *first = curl_slist_append(NULL, "Content-Type: application/json; charset=utf-8");
    all->headers = first ? curl_slist_append(first, "Expect:") : NULL;
    if (!all->multi || !all->slots || !all->headers) {
        return false;
    }
    const bool alone = bench_number(args, "--http", 1) == 2 && connections == 0;
    bool ok = curl_multi_setopt(all->multi, CURLMOPT_PIPELINING,
                                alone ? (long)CURLPIPE_NOTHING : (long)CURLPIPE_MULTIPLEX) == CURLM_OK &&
              curl_multi_setopt(all->multi, CURLMOPT_MAXCONNECTS, (long)all->in_flight) == CURLM_OK &&
              (connections == 0 ||
               curl_multi_setopt(all->multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections) == CURLM_OK);
    for (size_t at = 0; ok && at < all->in_flight; at++) {
        ok = set_up(&all->slots[at], all, args, body_len);
    }
    return ok;
}

static bool begin_call(loop *all, slot *self)
{
    self->len = 0;
    all->begun++;
    return curl_multi_add_handle(all->multi, self->easy) == CURLM_OK;
}

static bool end_call(loop *all, const CURLMsg *message)
{
    slot *self = NULL;
    long code = 0;
    long connects = 0;
    CURL *easy = message->easy_handle;
    const CURLcode result = message->data.result; /* the message ends with the handle's removal */
    if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &self) != CURLE_OK ||
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code) != CURLE_OK ||
        curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects) != CURLE_OK ||
        curl_multi_remove_handle(all->multi, easy) != CURLM_OK) {
        return false;
    }
    if (result != CURLE_OK || code != 200) {
        fprintf(stderr, "a call failed: %s, HTTP %ld\n", curl_easy_strerror(result), code);
        return false;
    }
    all->connections += connects;
    all->done++;
    return all->begun == all->calls || begin_call(all, self);
}

/* Ends what has ended; tells whether something has. */
static bool end_calls(loop *all, bool *any)
{
    int left = 0;
    const CURLMsg *message = NULL;
    *any = false;
    while ((message = curl_multi_info_read(all->multi, &left))) {
        *any = true;
        if (message->msg != CURLMSG_DONE || !end_call(all, message)) {
            return false;
        }
    }
    return true;
}

static bool run_poll(loop *all)
{
    while (all->done < all->calls) {
        int running = 0;
        bool any = false;
        if (curl_multi_perform(all->multi, &running) != CURLM_OK || !end_calls(all, &any)) {
            return false;
        }
        /* What has just been added is to be begun before there is anything to wait for. */
        if (!any && curl_multi_poll(all->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK) {
            return false;
        }
    }
    return true;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    loop *all = user;
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(all->epoll, EPOLL_CTL_DEL, fd, NULL); /* it may be closed already */
        return curl_multi_assign(all->multi, fd, NULL) == CURLM_OK ? 0 : -1;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
    if (epoll_ctl(all->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
        return -1;
    }
    return known || curl_multi_assign(all->multi, fd, all) == CURLM_OK ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
    loop *all = user;
    (void)multi;
    all->timeout_ms = timeout_ms;
    return 0;
}

static bool run_epoll(loop *all)
{
    struct epoll_event events[EVENTS];
    while (all->done < all->calls) {
        int running = 0;
        bool any = false;
        const int wait_ms =
            all->timeout_ms >= 0 && all->timeout_ms < POLL_MS ? (int)all->timeout_ms : POLL_MS;
        const int count = epoll_wait(all->epoll, events, EVENTS, wait_ms);
        bool ok = count >= 0;
        if (ok && (count == 0 || wait_ms == 0)) {
            all->timeout_ms = -1;
            ok = curl_multi_socket_action(all->multi, CURL_SOCKET_TIMEOUT, 0, &running) == CURLM_OK;
        }
        for (int at = 0; ok && at < count; at++) {
            const uint32_t got = events[at].events;
            const int what = (got & EPOLLIN ? CURL_CSELECT_IN : 0) | (got & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                             (got & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
            ok = curl_multi_socket_action(all->multi, events[at].data.fd, what, &running) == CURLM_OK;
        }
        if (!ok || !end_calls(all, &any)) {
            return false;
        }
    }
    return true;
}

static bool set_epoll(loop *all)
{
    all->epoll = epoll_create1(EPOLL_CLOEXEC);
    return all->epoll >= 0 && curl_multi_setopt(all->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(all->multi, CURLMOPT_SOCKETDATA, all) == CURLM_OK &&
           curl_multi_setopt(all->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(all->multi, CURLMOPT_TIMERDATA, all) == CURLM_OK;
}

static bool run(loop *all)
{
    for (size_t at = 0; at < all->in_flight && all->begun < all->calls; at++) {
        if (!begin_call(all, &all->slots[at])) {
            return false;
        }
    }
    return all->epoll >= 0 ? run_epoll(all) : run_poll(all);
}

static void clean_up(loop *all)
{
    for (size_t at = 0; all->slots && at < all->in_flight; at++) {
        curl_easy_cleanup(all->slots[at].easy);
    }
    (void)curl_multi_cleanup(all->multi);
    curl_slist_free_all(all->headers);
    free(all->slots);
    if (all->epoll >= 0) {
        (void)close(all->epoll);
    }
}

int main(int argc, char **argv)
{
    const bench_args args = {argc, argv};
    loop all = {.epoll = -1, .timeout_ms = -1};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return EXIT_FAILURE;
    }
    bool ok = prepare(&all, &args) && (bench_number(&args, "--epoll", 0) == 0 || set_epoll(&all));
    const int64_t cpu = bench_process_cpu_ns();
    const int64_t before = bench_now_ns();
    ok = ok && run(&all);
    printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"calls\": %" PRId64 ", \"connections\": %" PRId64
           ", \"peak_kib\": %" PRId64 "}\n",
           (double)(bench_now_ns() - before) / 1e9, (double)(bench_process_cpu_ns() - cpu) / 1e9, all.done,
           all.connections, bench_memory_kib("VmHWM"));
    clean_up(&all);
    curl_global_cleanup();
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
