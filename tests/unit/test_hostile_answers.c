/* A WeChat that means harm: the whole library with its own HTTP port, against a server that says what it
 * likes. What is no answer leaves the outcome unknown, is told in words, costs bounded memory, and nothing of
 * it is believed. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "raw_server.h"

#define APPID "wx00000000000000c9"
#define JSON "{\"errcode\":0,\"errmsg\":\"ok\"}" /* 27 bytes */
/* The server hangs up after each answer, and says so: else the next request might go into the dead
 * connection. */
#define CLOSE "Connection: close\r\n"
#define HEAD "HTTP/1.1 200 OK\r\n" CLOSE
#define LENGTH CLOSE "Content-Length: 27\r\n"
#define GOOD HEAD LENGTH "\r\n" JSON
#define MIB (1 << 20)

/* ---- The stage: an account that is called without a token, one try a call ---- */

typedef struct stage {
    world *w;
    raw_server server;
    const char *bytes; /* what is said */
    size_t len;
    bool stays; /* the connection is left open until the client ends it */
    char last[4096];
} stage;

static bool say_bytes(void *user, int fd, const char *request)
{
    stage *s = user;
    (void)snprintf(s->last, sizeof(s->last), "%s", request);
    if (!raw_say(fd, s->bytes, s->len)) {
        return false;
    }
    if (s->stays) {
        raw_wait_for_end(fd);
    }
    return false;
}

static void stage_open(stage *s, void **state, raw_answer *answer, const char *timeout_ms)
{
    char base[64];
    wxtp_config *config = NULL;
    wxtp_clock clock;
    *s = (stage){.w = *state};
    raw_server_start(&s->server, answer, s);
    (void)snprintf(base, sizeof(base), "http://127.0.0.1:%u", (unsigned)s->server.port);
    fake_clock_port(&s->w->clock, &clock);
    assert_int_equal(wxtp_config_new(NULL, &config), WXTP_OK);
    /* Only what is about time needs the true one. */
    if (!timeout_ms) {
        assert_int_equal(wxtp_config_set_clock(config, &clock), WXTP_OK);
    }
    const char *const settings[][2] = {{"own_threads", "false"},       {"api_base", base},
                                       {"cloud_base", base},           {"max_wait_ms", "0"},
                                       {"component", WORLD_COMPONENT}, {"timeout_ms", timeout_ms},
                                       {"master_key_file", s->w->key}};
    for (size_t at = 0; at < sizeof(settings) / sizeof(settings[0]); at++) {
        assert_int_equal(wxtp_config_set(config, settings[at][0], settings[at][1], NULL), WXTP_OK);
    }
    assert_int_equal(wxtp_config_set_store(config, world_store(s->w, s->w->database)), WXTP_OK);
    assert_int_equal(wxtp_platform_open(config, &s->w->platform, NULL), WXTP_OK);
    wxtp_config_free(config);
    assert_int_equal(wxtp_tenant_add_cloud(s->w->platform, APPID, NULL, false, WXTP_ACCOUNT_SERVICE, 1, NULL),
                     WXTP_OK);
}

static void stage_close(stage *s)
{
    world_close(s->w);
    raw_server_stop(&s->server);
}

/* One call; where it fails the error is whole. */
static wxtp_status call(stage *s, char message[512])
{
    static const char body[] = "{\"openid_list\":[\"o1\"]}";
    wxtp_error *error = NULL;
    char *answer = NULL;
    const int before = atomic_load(&s->server.requests);
    const wxtp_status status =
        wxtp_call(s->w->platform, APPID, "batchUnblacklist", body, sizeof(body) - 1, &answer, &error);
    assert_int_equal(atomic_load(&s->server.requests), before + 1);
    /* Until it has said all it had to say. */
    (void)pthread_mutex_lock(&s->server.lock);
    (void)pthread_mutex_unlock(&s->server.lock);
    assert_int_equal(status == WXTP_OK, answer != NULL);
    message[0] = '\0';
    if (status != WXTP_OK) {
        assert_non_null(error);
        (void)snprintf(message, 512, "%s", wxtp_error_message(error));
        assert_true(message[0] && wxtp_error_hint(error)[0]);
        for (const char *at = message; *at; at++) {
            assert_true((unsigned char)*at >= 0x20);
        }
    }
    wxtp_error_free(error);
    wxtp_free(answer);
    return status;
}

static void say(stage *s, const void *bytes, size_t len)
{
    (void)pthread_mutex_lock(&s->server.lock);
    s->bytes = bytes;
    s->len = len;
    (void)pthread_mutex_unlock(&s->server.lock);
}

static wxtp_status call_with(stage *s, const void *bytes, size_t len, char message[512])
{
    say(s, bytes, len);
    return call(s, message);
}

static void expect(stage *s, const char *bytes, size_t len, wxtp_status wanted, const char *word)
{
    char message[512];
    const wxtp_status status = call_with(s, bytes, len, message);
    if (status != wanted || (word && !strstr(message, word))) {
        fail_msg("%.60s…: %s, %s", bytes, wxtp_status_name(status), message);
    }
}

/* ---- Cuts ---- */

/* Whether the last `spare` bytes are there does not matter. */
static void cut_everywhere(void **state, const char *answer, size_t spare)
{
    stage s;
    char message[512];
    const size_t whole = strlen(answer);
    stage_open(&s, state, say_bytes, NULL);
    for (size_t len = 0; len < whole - spare; len++) {
        if (call_with(&s, answer, len, message) != WXTP_ERR_UNAVAILABLE) {
            fail_msg("believed after %zu of %zu bytes", len, whole);
        }
    }
    assert_int_equal(call_with(&s, answer, whole, message), WXTP_OK);
    stage_close(&s);
}

static void I5_an_answer_that_is_cut_anywhere_is_none(void **state)
{
    cut_everywhere(state, HEAD "Date: now\r\n" LENGTH "Content-Type: text/plain\r\n\r\n" JSON, 0);
}

static void I5_an_answer_without_length_that_is_cut_anywhere_is_none(void **state)
{
    cut_everywhere(state, HEAD "\r\n" JSON, 0);
}

static void I5_an_answer_in_chunks_that_is_cut_anywhere_is_none(void **state)
{
    cut_everywhere(state,
                   HEAD "Transfer-Encoding: chunked\r\n\r\na;x=y\r\n{\"errcode\"\r\n11\r\n"
                        ":0,\"errmsg\":\"ok\"}\r\n0\r\nTrailer: t\r\n\r\n",
                   1);
}

/* ---- What is no HTTP, or too much of it ---- */

typedef struct answer_case {
    const char *bytes;
    wxtp_status wanted;
    const char *word; /* in the message; NULL: any */
} answer_case;

static void nonsense_is_no_answer(void **state)
{
    static const answer_case cases[] = {
        {GOOD, WXTP_OK, NULL},
        /* lengths */
        {HEAD "Content-Length: 26\r\n\r\n" JSON, WXTP_ERR_UNAVAILABLE, "not one of WeChat's"},
        {HEAD "Content-Length: 28\r\n\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {HEAD "Content-Length: 0\r\n\r\n" JSON, WXTP_ERR_UNAVAILABLE, "not one of WeChat's"},
        {HEAD "Content-Length: -27\r\n\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {HEAD "Content-Length: 8388609\r\n\r\n" JSON, WXTP_ERR_UNAVAILABLE, "too large"},
        {HEAD "Content-Length: 99999999999999999999\r\n\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {HEAD "Content-Length: x\r\n\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        /* chunks */
        {HEAD "Transfer-Encoding: chunked\r\n\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n-1\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n7FFFFFFFFFFFFFFF\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n1a\r\n" JSON "\r\n0\r\n\r\n", WXTP_ERR_UNAVAILABLE, NULL},
        {HEAD
         "Transfer-Encoding: chunked, chunked, chunked, chunked, chunked, chunked, chunked\r\n\r\n0\r\n\r\n",
         WXTP_ERR_UNAVAILABLE, NULL},
        {HEAD "Transfer-Encoding: nonsense\r\n\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        /* first lines */
        {"", WXTP_ERR_UNAVAILABLE, NULL},
        {JSON, WXTP_ERR_UNAVAILABLE, NULL}, /* HTTP/0.9 */
        {"SSH-2.0-OpenSSH_9.2\r\n", WXTP_ERR_UNAVAILABLE, NULL},
        {"HTTP/1.1 2000 OK\r\n" LENGTH "\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {"HTTP/1.1 -20 OK\r\n" LENGTH "\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {"HTTP/7.1 200 OK\r\n" LENGTH "\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {"HTTP/1.1 200\r\n" LENGTH "\r\n" JSON, WXTP_OK, NULL},
        {"HTTP/1.1 100 Continue\r\n\r\n" GOOD, WXTP_OK, NULL},
        {"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n" GOOD, WXTP_ERR_UNAVAILABLE, NULL},
        /* statuses that an HTTP client might act on by itself */
        {"HTTP/1.1 204 No Content\r\n" CLOSE "\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {"HTTP/1.1 304 Not Modified\r\n" LENGTH "\r\n" JSON, WXTP_ERR_UNAVAILABLE, NULL},
        {"HTTP/1.1 401 U\r\nWWW-Authenticate: Basic realm=\"x\"\r\n" LENGTH "\r\n" JSON, WXTP_ERR_UNAVAILABLE,
         "HTTP 401"},
        {"HTTP/1.1 407 P\r\nProxy-Authenticate: NTLM\r\n" LENGTH "\r\n" JSON, WXTP_ERR_UNAVAILABLE,
         "HTTP 407"},
        {"HTTP/1.1 503 S\r\nRetry-After: 99999999999\r\n" LENGTH "\r\n" JSON, WXTP_ERR_UNAVAILABLE,
         "HTTP 503"},
    };
    stage s;
    stage_open(&s, state, say_bytes, NULL);
    for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
        expect(&s, cases[at].bytes, strlen(cases[at].bytes), cases[at].wanted, cases[at].word);
    }
    stage_close(&s);
}

static void redirects_lead_nowhere(void **state)
{
    static const char *const targets[] = {
        "/elsewhere",         "http://127.0.0.1:1/",    "http://example.com/",
        "file:///etc/passwd", "gopher://127.0.0.1:1/x",
    };
    static const int statuses[] = {300, 301, 302, 303, 307, 308};
    stage s;
    char bytes[512];
    stage_open(&s, state, say_bytes, NULL);
    for (size_t at = 0; at < sizeof(targets) / sizeof(targets[0]); at++) {
        for (size_t n = 0; n < sizeof(statuses) / sizeof(statuses[0]); n++) {
            char word[32];
            (void)snprintf(word, sizeof(word), "HTTP %d", statuses[n]);
            (void)snprintf(bytes, sizeof(bytes), "HTTP/1.1 %d Go\r\nLocation: %s\r\n" LENGTH "\r\n" JSON,
                           statuses[n], targets[at]);
            expect(&s, bytes, strlen(bytes), WXTP_ERR_UNAVAILABLE, word);
        }
        (void)snprintf(bytes, sizeof(bytes), HEAD "Location: %s\r\nRefresh: 0; url=%s\r\n" LENGTH "\r\n" JSON,
                       targets[at], targets[at]);
        expect(&s, bytes, strlen(bytes), WXTP_OK, NULL);
    }
    stage_close(&s);
}

/* A MiB of `filling`, between two texts. */
static char *bulk(const char *before, const char *filling, const char *after, size_t *len)
{
    const size_t unit = strlen(filling);
    char *bytes = malloc(strlen(before) + MIB + strlen(after) + 1);
    assert_non_null(bytes);
    char *end = stpcpy(bytes, before);
    for (size_t at = 0; at + unit <= MIB; at += unit) {
        end = stpcpy(end, filling);
    }
    end = stpcpy(end, after);
    *len = (size_t)(end - bytes);
    return bytes;
}

static void I11_heads_are_bounded(void **state)
{
    static const struct {
        const char *before, *filling, *after, *word;
    } cases[] = {
        {HEAD "X: ", "x", "\r\n" LENGTH "\r\n" JSON, "too large"},
        {HEAD, "X-Many: many\r\n", LENGTH "\r\n" JSON, "too large"},
        {HEAD "X: y\r\n", " folded\r\n", LENGTH "\r\n" JSON, "too large"},
        {"", "HTTP/1.1 100 Continue\r\n\r\n", GOOD, "too large"},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n1b\r\n" JSON "\r\n0\r\n", "T: t\r\n", "\r\n", "too large"},
        {"HTTP/1.1 200 ", "reason", "\r\n" LENGTH "\r\n" JSON, "too large"},
        {HEAD, "n", ": value\r\n" LENGTH "\r\n" JSON, "too large"},
    };
    stage s;
    stage_open(&s, state, say_bytes, NULL);
    for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
        size_t len = 0;
        char *bytes = bulk(cases[at].before, cases[at].filling, cases[at].after, &len);
        expect(&s, bytes, len, WXTP_ERR_UNAVAILABLE, cases[at].word);
        free(bytes);
    }
    /* The same, but never ending. */
    (void)pthread_mutex_lock(&s.server.lock);
    s.stays = true;
    (void)pthread_mutex_unlock(&s.server.lock);
    for (size_t at = 0; at < 2; at++) {
        size_t len = 0;
        char *bytes = bulk(cases[at].before, cases[at].filling, "", &len);
        expect(&s, bytes, len, WXTP_ERR_UNAVAILABLE, cases[at].word);
        free(bytes);
    }
    stage_close(&s);
}

/* What an answer brings for later is not kept: no cookie, no other service, nothing that came before it was
 * asked for.
 */
static bool say_twice(void *user, int fd, const char *request)
{
    stage *s = user;
    (void)snprintf(s->last, sizeof(s->last), "%s", request);
    static const char first[] =
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nAlt-Svc: h3=\":1\"; persist=1\r\n"
        "Strict-Transport-Security: max-age=99999\r\nContent-Length: 27\r\n\r\n" JSON
        "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"errcode\":40003}";
    return raw_say(fd, first, sizeof(first) - 1);
}

static void nothing_that_came_unasked_is_taken_for_an_answer(void **state)
{
    stage s;
    char message[512];
    stage_open(&s, state, say_twice, NULL);
    for (int at = 0; at < 5; at++) {
        assert_int_equal(call(&s, message), WXTP_OK);
        (void)pthread_mutex_lock(&s.server.lock);
        assert_null(strcasestr(s.last, "Cookie"));
        assert_non_null(strstr(s.last, "HTTP/1.1\r\n"));
        (void)pthread_mutex_unlock(&s.server.lock);
    }
    stage_close(&s);
}

/* ---- JSON ---- */

static void json_that_means_harm(void **state)
{
    static const struct {
        const char *body;
        wxtp_status wanted;
    } cases[] = {
        /* The last of two counts, as in every reader of JSON. */
        {"{\"errcode\":40003,\"errcode\":0}", WXTP_OK},
        {"{\"errcode\":0,\"errcode\":41030}", WXTP_ERR_WECHAT},
        {"{\"errcode\\u0000x\":0}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":0,\"a\":\"\\u0000\"}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":1e400}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":-1e400}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":18446744073709551616}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":0.0000000000000000000000000001}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":0x0}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":NaN}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":0,}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":0,\"errmsg\":\"\\ud800\"}", WXTP_OK},
        {"{\"errcode\":0,\"errmsg\":\"\\udc00\\ud800\\ud800\"}", WXTP_OK},
        {"{\"errcode\":0,\"errmsg\":\"\xed\xa0\x80\"}", WXTP_ERR_UNAVAILABLE}, /* a surrogate as UTF-8 */
        {"{\"errcode\":0,\"errmsg\":\"\xc0\x80\"}", WXTP_ERR_UNAVAILABLE},     /* an overlong NUL */
        {"{\"errcode\":0,\"errmsg\":\"\xff\"}", WXTP_ERR_UNAVAILABLE},
        {"/**/{\"errcode\":0}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":0}\n\n<script>", WXTP_ERR_UNAVAILABLE},
        {"[{\"errcode\":0}]", WXTP_ERR_UNAVAILABLE},
    };
    stage s;
    char bytes[512];
    stage_open(&s, state, say_bytes, NULL);
    for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
        (void)snprintf(bytes, sizeof(bytes), HEAD "Content-Length: %zu\r\n\r\n%s", strlen(cases[at].body),
                       cases[at].body);
        expect(&s, bytes, strlen(bytes), cases[at].wanted, NULL);
    }
    static const char nul[] = HEAD LENGTH "\r\n{\"errcode\":0,\"errmsg\":\"o\0\"}";
    expect(&s, nul, sizeof(nul) - 1, WXTP_ERR_UNAVAILABLE, "not one of WeChat's");
    stage_close(&s);
}

static void I11_json_is_bounded(void **state)
{
    static const struct {
        const char *before, *filling, *after;
        wxtp_status wanted;
    } cases[] = {
        {"[", "[", "", WXTP_ERR_UNAVAILABLE}, /* a million deep */
        {"", "{\"a\":", "", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":0,\"a\":[", "[],", "[]]}", WXTP_OK}, /* wide is allowed within 8 MiB */
        {"{\"errcode\":0,\"a\":", "9", "}", WXTP_OK},
        {"{\"errcode\":", "1", "}", WXTP_ERR_UNAVAILABLE},
        {"{\"errcode\":0,", "\"a\":1,", "\"b\":2}", WXTP_OK},
        {"{\"errcode\":41030,\"errmsg\":\"", "\\ud800", "\"}", WXTP_ERR_WECHAT},
        {"{\"errcode\":0,\"", "k", "\":1}", WXTP_OK},
        {"{\"errcode\":0}", " ", "", WXTP_OK},
    };
    stage s;
    stage_open(&s, state, say_bytes, NULL);
    for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
        size_t len = 0;
        char before[256];
        (void)snprintf(before, sizeof(before), HEAD "\r\n%s", cases[at].before);
        char *bytes = bulk(before, cases[at].filling, cases[at].after, &len);
        expect(&s, bytes, len, cases[at].wanted, NULL);
        free(bytes);
    }
    stage_close(&s);
}

/* ---- Time ---- */

typedef enum drip { DRIP_HEAD, DRIP_BODY, DRIP_CHUNKS, DRIP_PROVISIONAL } drip;

/* A byte, or a provisional answer, as soon as the last was taken: always alive, never done. */
static bool say_slowly(void *user, int fd, const char *request)
{
    static const char *const begins[] = {HEAD "X: ", HEAD "Content-Length: 8000000\r\n\r\n",
                                         HEAD "Transfer-Encoding: chunked\r\n\r\n", ""};
    static const char *const drops[] = {"x", " ", "1\r\n \r\n", "HTTP/1.1 102 P\r\n\r\n"};
    stage *s = user;
    const drip what = (drip)s->len;
    const struct timespec gap = {.tv_nsec = 2000000};
    (void)request;
    bool alive = raw_say_text(fd, begins[what]);
    while (alive) {
        (void)nanosleep(&gap, NULL); /* the drip itself, not a wait for anything */
        alive = raw_say_text(fd, drops[what]);
    }
    return false;
}

static int64_t boot_ms(void)
{
    const wxtp_clock *clock = wxtp_clock_system();
    return clock->boot_ms(clock->user);
}

static void I11_a_drip_ends_at_the_deadline(void **state)
{
    stage s;
    char message[512];
    stage_open(&s, state, say_slowly, "200");
    for (int what = DRIP_HEAD; what <= DRIP_PROVISIONAL; what++) {
        say(&s, NULL, (size_t)what);
        const int64_t began = boot_ms();
        assert_int_equal(call(&s, message), WXTP_ERR_UNAVAILABLE);
        assert_non_null(strstr(message, "no answer in time"));
        assert_true(boot_ms() - began >= 190);
        assert_true(boot_ms() - began < 5000);
    }
    stage_close(&s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(I5_an_answer_that_is_cut_anywhere_is_none),
        TEST(I5_an_answer_without_length_that_is_cut_anywhere_is_none),
        TEST(I5_an_answer_in_chunks_that_is_cut_anywhere_is_none),
        TEST(nonsense_is_no_answer),
        TEST(redirects_lead_nowhere),
        TEST(I11_heads_are_bounded),
        TEST(nothing_that_came_unasked_is_taken_for_an_answer),
        TEST(json_that_means_harm),
        TEST(I11_json_is_bounded),
        TEST(I11_a_drip_ends_at_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
