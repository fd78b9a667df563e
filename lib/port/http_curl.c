#include "port/http_curl.h"

#include <assert.h>
#include <curl/curl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

enum { HEADERS_MAX = 64 << 10, SLICE_MS = 1000, LAST_LOOKS = 256, IDLE_MAX = 4096, CONNECTIONS_KEPT = 2 };

typedef struct transfer transfer;

/* A multi handle keeps the connections of its easy handle, so the two are kept together. */
typedef struct handle {
    CURLM *multi;
    CURL *easy;
    transfer *now; /* the transfer under way */
    char trouble[CURL_ERROR_SIZE];
} handle;

struct wx_http_curl {
    wxtp_allocator own_allocator;
    const wxtp_allocator *allocator; /* NULL or own_allocator */
    wxtp_clock clock;
    pid_t pid; /* handles are of no use in a forked child */
    struct curl_slist *post_headers;
    char *ca_file, *proxy, *user_agent;
    pthread_mutex_t lock; /* guards idle and idle_count */
    handle **idle;
    size_t idle_count, idle_max;
};

struct transfer {
    wx_http_curl *self;
    const wxtp_http_request *request;
    wx_buf body;
    size_t header_bytes;
    int64_t deadline_ms;
    bool may_have_left; /* once true it stays so */
    bool held_back;
};

/* libcurl's own set-up is one a process; it is never taken down, since others in the process may use libcurl
 * too. */
static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready = CURLE_FAILED_INIT;

static void set_up_curl(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- SIGPIPE ---- */

typedef struct quiet {
    sigset_t before;
    bool was_pending;
    bool ok;
} quiet;

/* TLS writes to a socket that the peer has closed would raise SIGPIPE; it is kept back for this thread alone.
 */
static quiet quiet_begin(void)
{
    quiet state = {.ok = false};
    sigset_t pipe_set;
    sigset_t pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigemptyset(&pending);
    (void)sigpending(&pending);
    state.was_pending = sigismember(&pending, SIGPIPE) == 1;
    state.ok = pthread_sigmask(SIG_BLOCK, &pipe_set, &state.before) == 0;
    return state;
}

static void quiet_end(const quiet *state)
{
    if (!state->ok) {
        return;
    }
    sigset_t pipe_set;
    sigset_t pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigemptyset(&pending);
    (void)sigpending(&pending);
    if (!state->was_pending && sigismember(&pending, SIGPIPE) == 1) {
        const struct timespec at_once = {0};
        (void)sigtimedwait(&pipe_set, NULL, &at_once);
    }
    (void)pthread_sigmask(SIG_SETMASK, &state->before, NULL);
}

/* ---- Callbacks ---- */

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    handle *self = user;
    size_t len = size * count; /* size is 1 */
    return wx_buf_add(&self->now->body, data, len) ? len : CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    (void)data;
    handle *self = user;
    size_t len = size * count;
    self->now->header_bytes += len;
    return self->now->header_bytes <= HEADERS_MAX ? len : CURL_WRITEFUNC_ERROR;
}

static int on_connected(void *user, char *ip, char *local_ip, int port, int local_port)
{
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    handle *self = user;
    transfer *now = self->now;
    const wxtp_http_request *request = now->request;
    const wxtp_clock *clock = &now->self->clock;
    /* libcurl would send again when a kept connection is cut: a retry is the caller's, who counts it.
     * After a pause of the process the deadline may be over before the connection stood. */
    if (now->may_have_left || clock->boot_ms(clock->user) >= now->deadline_ms ||
        (request->may_send && !request->may_send(request->may_send_user))) {
        now->held_back = true;
        return CURL_PREREQFUNC_ABORT;
    }
    now->may_have_left = true;
    return CURL_PREREQFUNC_OK;
}

/* ---- Handles ---- */

static void handle_free(handle *self)
{
    if (!self) {
        return;
    }
    curl_easy_cleanup(self->easy);
    (void)curl_multi_cleanup(self->multi);
    wx_free(self);
}

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)

/* What is the same for every transfer. */
static bool configure(const wx_http_curl *self, handle *made)
{
    CURL *easy = made->easy;
    bool ok = curl_multi_setopt(made->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT) == CURLM_OK;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_VERBOSE, 0L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    /* Set even where empty: else libcurl asks the environment. */
    SET(CURLOPT_PROXY, self->proxy ? self->proxy : "");
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    /* Deadlines are ours: libcurl's would drop an answer that waits after a pause of the process. */
    SET(CURLOPT_TIMEOUT_MS, 0L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)INT_MAX);
    /* A resolver that hangs must not hold up the end of a transfer. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_ERRORBUFFER, made->trouble);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, made);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, made);
    SET(CURLOPT_PREREQFUNCTION, on_connected);
    SET(CURLOPT_PREREQDATA, made);
    if (self->user_agent) {
        SET(CURLOPT_USERAGENT, self->user_agent);
    }
    if (self->ca_file) {
        SET(CURLOPT_CAINFO, self->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* that file alone is trusted */
    }
    return ok;
}

static handle *handle_new(const wx_http_curl *self)
{
    handle *made = wx_alloc(self->allocator, sizeof(*made));
    if (!made) {
        return NULL;
    }
    made->multi = curl_multi_init();
    made->easy = curl_easy_init();
    if (!made->multi || !made->easy || !configure(self, made)) {
        handle_free(made);
        return NULL;
    }
    return made;
}

static bool prepare(const wx_http_curl *self, handle *made, const wxtp_http_request *request)
{
    CURL *easy = made->easy;
    bool post = strcmp(request->method, "POST") == 0;
    bool ok = true;
    if (request->body_len > LONG_MAX || request->max_answer_bytes > LONG_MAX) {
        return false;
    }
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->max_answer_bytes);
    if (post) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        SET(CURLOPT_POSTFIELDS, request->body ? request->body : "");
        SET(CURLOPT_HTTPHEADER, self->post_headers);
    } else {
        /* In this order: to set the fields, though to NULL, makes it a POST. */
        SET(CURLOPT_POSTFIELDS, NULL);
        SET(CURLOPT_HTTPGET, 1L);
        SET(CURLOPT_HTTPHEADER, NULL);
    }
    return ok;
}

/* The URL may hold a token: an idle handle forgets it. */
static bool forget(handle *used)
{
    CURL *easy = used->easy;
    bool ok = true;
    used->now = NULL;
    SET(CURLOPT_URL, NULL);
    SET(CURLOPT_POSTFIELDS, NULL);
    return ok;
}

static handle *take(wx_http_curl *self)
{
    handle *taken = NULL;
    (void)pthread_mutex_lock(&self->lock);
    if (self->idle_count > 0) {
        taken = self->idle[--self->idle_count];
    }
    (void)pthread_mutex_unlock(&self->lock);
    return taken ? taken : handle_new(self);
}

static void give_back(wx_http_curl *self, handle *used, bool sound)
{
    bool kept = false;
    if (sound && forget(used)) {
        (void)pthread_mutex_lock(&self->lock);
        kept = self->idle_count < self->idle_max;
        if (kept) {
            self->idle[self->idle_count++] = used;
        }
        (void)pthread_mutex_unlock(&self->lock);
    }
    if (!kept) {
        handle_free(used);
    }
}

/* ---- One transfer ---- */

/* Whether the transfer has ended, and how. */
static bool finished(CURLM *multi, CURLcode *code)
{
    CURLMsg *message = NULL;
    int left = 0;
    while ((message = curl_multi_info_read(multi, &left))) {
        if (message->msg == CURLMSG_DONE) {
            *code = message->data.result;
            return true;
        }
    }
    return false;
}

static size_t received(const handle *used)
{
    return used->now->body.len + used->now->header_bytes;
}

/* Reads what has arrived by now, until nothing is left to be read; the answer's ceiling bounds it. */
static bool last_look(const handle *used, CURLcode *code)
{
    for (int look = 0; look < LAST_LOOKS; look++) {
        size_t before = received(used);
        int running = 0;
        int ready = 0;
        if (curl_multi_perform(used->multi, &running) != CURLM_OK) {
            return false;
        }
        if (finished(used->multi, code)) {
            return true;
        }
        /* TLS may hold more than the socket shows. */
        bool more = received(used) > before;
        if (curl_multi_poll(used->multi, NULL, 0, 0, &ready) != CURLM_OK || (ready == 0 && !more)) {
            return false;
        }
    }
    return false;
}

/* False: it was cut at the deadline, or libcurl failed. */
static bool run(const handle *used, CURLcode *code, bool *in_time)
{
    const transfer *now = used->now;
    CURLM *multi = used->multi;
    const wxtp_clock *clock = &now->self->clock;
    *in_time = true;
    for (;;) {
        int running = 0;
        if (curl_multi_perform(multi, &running) != CURLM_OK) {
            return false;
        }
        if (finished(multi, code)) {
            return true;
        }
        int64_t left_ms = now->deadline_ms - clock->boot_ms(clock->user);
        if (left_ms <= 0) {
            *in_time = false;
            return last_look(used, code);
        }
        /* In slices, because the clock may be another than the one that poll goes by. */
        int wait_ms = left_ms < SLICE_MS ? (int)left_ms : SLICE_MS;
        if (curl_multi_poll(multi, NULL, 0, wait_ms, NULL) != CURLM_OK) {
            return false;
        }
    }
}

static void tell(wxtp_http_answer *answer, const char *what, const char *more)
{
    size_t size = sizeof(answer->detail);
    (void)wx_copy(answer->detail, size, what);
    size_t len = strlen(answer->detail);
    if (more && *more && len + 3 < size) {
        memcpy(answer->detail + len, ": ", 3);
        (void)wx_copy(answer->detail + len + 2, size - len - 2, more);
    }
    wx_text_one_line(answer->detail);
    /* Whatever is a query has no business here. */
    answer->detail[strcspn(answer->detail, "?")] = '\0';
}

static void explain(wxtp_http_answer *answer, const handle *used, CURLcode code)
{
    switch (code) {
    case CURLE_WRITE_ERROR:
    case CURLE_FILESIZE_EXCEEDED:
        tell(answer, "the answer is too large, or there is no memory for it", NULL);
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION:
        tell(answer, curl_easy_strerror(code), used->trouble);
        break;
    default:
        tell(answer, curl_easy_strerror(code), NULL);
        break;
    }
}

/* Returns whether the handle can serve again. */
static bool carry_out(wx_http_curl *self, handle *used, transfer *now, wxtp_http_answer *answer)
{
    used->now = now;
    used->trouble[0] = '\0';
    if (!prepare(self, used, now->request) || curl_multi_add_handle(used->multi, used->easy) != CURLM_OK) {
        tell(answer, "libcurl does not take the request", NULL);
        return false;
    }
    CURLcode code = CURLE_OK;
    bool in_time = true;
    bool ended = run(used, &code, &in_time);
    bool answered = ended && code == CURLE_OK;
    if (answered) {
        (void)curl_easy_getinfo(used->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    }
    (void)curl_multi_remove_handle(used->multi, used->easy);
    if (!answered) {
        answer->outcome = now->may_have_left ? WXTP_HTTP_UNKNOWN : WXTP_HTTP_NOT_SENT;
        if (now->held_back) {
            tell(answer, now->may_have_left ? "cut, and not sent again" : "held back before it was sent",
                 NULL);
        } else if (ended) {
            explain(answer, used, code);
        } else {
            tell(answer, in_time ? "libcurl failed" : "no answer in time", NULL);
        }
        return false;
    }
    answer->body_len = now->body.len;
    answer->body = wx_buf_take(&now->body);
    if (!answer->body) {
        answer->body_len = 0;
        answer->outcome = WXTP_HTTP_UNKNOWN;
        tell(answer, "out of memory", NULL);
        return true;
    }
    answer->outcome = WXTP_HTTP_ANSWERED;
    return true;
}

static void perform(void *user, const wxtp_http_request *request, wxtp_http_answer *answer)
{
    wx_http_curl *self = user;
    assert(self && request && answer && request->url && request->method);
    *answer = (wxtp_http_answer){.outcome = WXTP_HTTP_NOT_SENT};
    bool get = strcmp(request->method, "GET") == 0;
    if (!get && strcmp(request->method, "POST") != 0) {
        tell(answer, "neither GET nor POST", NULL);
        return;
    }
    if (request->timeout_ms <= 0) {
        tell(answer, "no time left", NULL);
        return;
    }
    if (getpid() != self->pid) {
        tell(answer, "opened before fork", NULL);
        return;
    }
    int64_t start_ms = self->clock.boot_ms(self->clock.user);
    transfer now = {.self = self, .request = request};
    now.deadline_ms = request->timeout_ms > INT64_MAX - start_ms ? INT64_MAX : start_ms + request->timeout_ms;
    wx_buf_init(&now.body, self->allocator,
                request->max_answer_bytes < LONG_MAX ? request->max_answer_bytes : LONG_MAX);
    quiet state = quiet_begin();
    handle *used = take(self);
    if (used) {
        bool sound = carry_out(self, used, &now, answer);
        give_back(self, used, sound);
    } else {
        tell(answer, "out of memory", NULL);
    }
    quiet_end(&state);
    wx_buf_free(&now.body);
}

static void release(void *user, wxtp_http_answer *answer)
{
    (void)user;
    if (answer) {
        wx_free(answer->body);
        answer->body = NULL;
        answer->body_len = 0;
    }
}

/* ---- The port ---- */

static bool copy_options(wx_http_curl *self, const wx_http_curl_options *options)
{
    bool proxy = options->proxy && *options->proxy;
    self->idle_max = options->idle_handles < IDLE_MAX ? options->idle_handles : IDLE_MAX;
    self->ca_file = wx_strdup(self->allocator, options->ca_file);
    self->proxy = proxy ? wx_strdup(self->allocator, options->proxy) : NULL;
    self->user_agent = wx_strdup(self->allocator, options->user_agent);
    self->idle =
        self->idle_max > 0 ? wx_alloc_array(self->allocator, self->idle_max, sizeof(handle *)) : NULL;
    struct curl_slist *first = curl_slist_append(NULL, "Content-Type: application/json; charset=utf-8");
    self->post_headers = first ? curl_slist_append(first, "Expect:") : NULL;
    if (!self->post_headers) {
        curl_slist_free_all(first);
    }
    return (!options->ca_file || self->ca_file) && (!proxy || self->proxy) &&
           (!options->user_agent || self->user_agent) && (self->idle_max == 0 || self->idle) &&
           self->post_headers;
}

wx_http_curl *wx_http_curl_new(const wxtp_allocator *allocator, const wxtp_clock *clock,
                               const wx_http_curl_options *options)
{
    assert(options);
    (void)pthread_once(&curl_once, set_up_curl);
    if (curl_ready != CURLE_OK) {
        return NULL;
    }
    wx_http_curl *self = wx_alloc(allocator, sizeof(*self));
    if (!self) {
        return NULL;
    }
    if (pthread_mutex_init(&self->lock, NULL) != 0) {
        wx_free(self);
        return NULL;
    }
    if (allocator) {
        self->own_allocator = *allocator;
        self->allocator = &self->own_allocator;
    }
    self->clock = clock ? *clock : *wxtp_clock_system();
    self->pid = getpid();
    if (!copy_options(self, options)) {
        wx_http_curl_free(self);
        return NULL;
    }
    return self;
}

void wx_http_curl_port(wx_http_curl *self, wxtp_http *port)
{
    assert(self && port);
    *port = (wxtp_http){.struct_size = sizeof(*port), .user = self, .perform = perform, .release = release};
}

void wx_http_curl_free(wx_http_curl *self)
{
    if (!self) {
        return;
    }
    /* In a forked child the connections are the parent's: closing them by the book would write to them. */
    bool ours = getpid() == self->pid;
    assert(self->idle_count == 0 || self->idle);
    quiet state = quiet_begin();
    for (size_t at = 0; at < self->idle_count; at++) {
        if (ours) {
            handle_free(self->idle[at]);
        } else {
            wx_free(self->idle[at]);
        }
    }
    quiet_end(&state);
    curl_slist_free_all(self->post_headers);
    (void)pthread_mutex_destroy(&self->lock);
    wx_free(self->idle);
    wx_free(self->ca_file);
    wx_free(self->proxy);
    wx_free(self->user_agent);
    wx_free(self);
}
