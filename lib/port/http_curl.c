#include "port/http_curl.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "port/quiet.h"
#include "port/watch.h"

enum {
    HEADERS_MAX = 64 << 10,
    SLICE_MS = 1000,
    LAST_LOOKS = 256,
    QUIET_LOOKS = 3,
    LOOKS_MIN = 8,
    IDLE_MAX = 4096,
    REASON_MAX = 128
};

/* An easy handle, and the transfer that it carries. */
typedef struct transfer {
    struct transfer *next, *previous; /* by deadline */
    wx_http_curl *self;
    CURL *easy;
    CURLU *url;   /* the origin, taken apart */
    char *origin; /* scheme, host and port */
    const wxtp_http_request *request;
    wxtp_http_answer *answer;
    void (*done)(void *user);
    void *done_user;
    wx_buf body;
    size_t header_bytes;
    int64_t deadline_ms;
    curl_socket_t socket; /* the last that libcurl waited for */
    bool may_have_left;   /* once true it stays so */
    bool held_back;
    int lack; /* errno: why it got no socket, or its socket cannot be watched; 0: it has all it needs */
    char trouble[CURL_ERROR_SIZE];
} transfer;

/* One thread at a time starts and polls; any may wake it. */
struct wx_http_curl {
    wxtp_allocator own_allocator;
    const wxtp_allocator *allocator; /* NULL or own_allocator */
    wxtp_clock clock;
    pid_t pid; /* handles are of no use in a forked child */
    struct curl_slist *post_headers;
    char *ca_file, *proxy, *user_agent;
    CURLM *multi; /* NULL: it broke, and there was no memory for another */
    bool broken;  /* it has answered with an error, */
    int lack;     /* because a socket cannot be watched: errno; 0: for another reason */
    wx_watch *watch;
    long timer_ms; /* when libcurl wants to be called though no socket is ready; -1: not */
    int64_t timer_due_ms;
    size_t under_way;
    transfer *first, *last; /* under way, the earliest deadline first */
    transfer **idle;
    size_t idle_count, idle_max;
};

/* libcurl's own set-up is one a process; it is never taken down, since others in the process may use libcurl
 * too. */
static pthread_mutex_t curl_lock = PTHREAD_MUTEX_INITIALIZER;
static bool curl_ready;

/* Tried again where it failed, as it does without memory. */
static bool set_up_curl(void)
{
    (void)pthread_mutex_lock(&curl_lock);
    curl_ready = curl_ready || curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    const bool ready = curl_ready;
    (void)pthread_mutex_unlock(&curl_lock);
    return ready;
}

/* ---- Callbacks ---- */

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    transfer *t = user;
    size_t len = size * count; /* size is 1 */
    return wx_buf_add(&t->body, data, len) ? len : CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    (void)data;
    transfer *t = user;
    size_t len = size * count;
    t->header_bytes += len;
    return t->header_bytes <= HEADERS_MAX ? len : CURL_WRITEFUNC_ERROR;
}

static int64_t now_ms(const wx_http_curl *self)
{
    return self->clock.boot_ms(self->clock.user);
}

static int on_connected(void *user, char *ip, char *local_ip, int port, int local_port)
{
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    transfer *t = user;
    const wxtp_http_request *request = t->request;
    /* libcurl would send again when a kept connection is cut: a retry is the caller's, who counts it.
     * After a pause of the process the deadline may be over before the connection stood. */
    if (t->may_have_left || now_ms(t->self) >= t->deadline_ms ||
        (request->may_send && !request->may_send(request->may_send_user))) {
        t->held_back = true;
        return CURL_PREREQFUNC_ABORT;
    }
    t->may_have_left = true;
    return CURL_PREREQFUNC_OK;
}

/* ---- Sockets ---- */

static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    transfer *t = user;
    (void)purpose;
    const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    const bool good = fd >= 0 && wx_watch_adopt(t->self->watch, fd);
    t->lack = good ? 0 : errno;
    if (fd >= 0 && !good) {
        (void)close(fd);
    }
    return good ? fd : CURL_SOCKET_BAD;
}

static int on_close(void *user, curl_socket_t fd)
{
    wx_http_curl *self = user;
    return wx_watch_close(self->watch, fd);
}

static int on_want(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    wx_http_curl *self = user;
    transfer *t = NULL;
    (void)socket_user;
    if (what != CURL_POLL_REMOVE && curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t) == CURLE_OK && t) {
        t->socket = fd;
    }
    const unsigned wanted = (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? WX_WATCH_IN : 0U) |
                            (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? WX_WATCH_OUT : 0U);
    const bool good = wx_watch_want(self->watch, fd, wanted);
    if (!good) {
        self->lack = errno;
    }
    return good ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
    wx_http_curl *self = user;
    (void)multi;
    self->timer_ms = timeout_ms;
    self->timer_due_ms = timeout_ms > 0 ? now_ms(self) + timeout_ms : 0;
    return 0;
}

/* libcurl looks at this socket. */
static void look(wx_http_curl *self, curl_socket_t fd, unsigned what)
{
    int running = 0;
    const int bits = (what & WX_WATCH_IN ? CURL_CSELECT_IN : 0) |
                     (what & WX_WATCH_OUT ? CURL_CSELECT_OUT : 0) |
                     (what & WX_WATCH_ERR ? CURL_CSELECT_ERR : 0);
    if (!self->broken && curl_multi_socket_action(self->multi, fd, bits, &running) != CURLM_OK) {
        self->broken = true;
    }
}

/* libcurl does what is to be done at this time: begins what was added, too. */
static void look_at_time(wx_http_curl *self)
{
    self->timer_ms = -1; /* it says so when there is more */
    look(self, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- Handles ---- */

static void transfer_free(transfer *t)
{
    if (t) {
        curl_easy_cleanup(t->easy);
        curl_url_cleanup(t->url);
        wx_free(t->origin);
        wx_buf_free(&t->body);
        wx_free(t);
    }
}

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)

/* What is the same for every transfer. */
static bool configure(wx_http_curl *self, transfer *made)
{
    CURL *easy = made->easy;
    bool ok = true;
    SET(CURLOPT_PRIVATE, made);
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
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(CURLOPT_OPENSOCKETDATA, made);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
    SET(CURLOPT_CLOSESOCKETDATA, self);
    if (self->user_agent) {
        SET(CURLOPT_USERAGENT, self->user_agent);
    }
    if (self->ca_file) {
        SET(CURLOPT_CAINFO, self->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* that file alone is trusted */
    }
    return ok;
}

static transfer *transfer_new(wx_http_curl *self)
{
    transfer *made = wx_alloc(self->allocator, sizeof(*made));
    if (!made) {
        return NULL;
    }
    made->self = self;
    made->easy = curl_easy_init();
    if (!made->easy || !configure(self, made)) {
        transfer_free(made);
        return NULL;
    }
    return made;
}

/* Where the path of a URL begins. */
static const char *path_of(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? host + 3 + strcspn(host + 3, "/?#") : url;
}

static bool set_origin(const wx_http_curl *self, transfer *t, const char *url, size_t len)
{
    CURL *easy = t->easy;
    bool ok = true;
    if (t->origin && strncmp(t->origin, url, len) == 0 && t->origin[len] == '\0') {
        return true;
    }
    wx_free(t->origin);
    t->origin = wx_strndup(self->allocator, url, len);
    t->url = t->url ? t->url : curl_url();
    ok = t->origin && t->url && curl_url_set(t->url, CURLUPART_URL, t->origin, 0) == CURLUE_OK;
    SET(CURLOPT_URL, t->origin);
    SET(CURLOPT_CURLU, t->url);
    if (!ok) {
        wx_free(WX_TAKE(t->origin));
    }
    return ok;
}

/* libcurl takes a URL apart and puts it together again for each transfer, a byte at a time; given the origin
 * taken apart and the rest as it goes into the request it does neither. A proxy wants the URL whole. */
static bool set_url(const wx_http_curl *self, transfer *t, const char *url)
{
    CURL *easy = t->easy;
    bool ok = true;
    const char *path = path_of(url);
    if (self->proxy || *path != '/') {
        SET(CURLOPT_URL, url);
        return ok;
    }
    ok = set_origin(self, t, url, (size_t)(path - url));
    SET(CURLOPT_REQUEST_TARGET, path);
    return ok;
}

static bool prepare(const wx_http_curl *self, transfer *made, const wxtp_http_request *request)
{
    CURL *easy = made->easy;
    bool post = strcmp(request->method, "POST") == 0;
    bool ok = true;
    if (request->body_len > LONG_MAX || request->max_answer_bytes > LONG_MAX) {
        return false;
    }
    ok = set_url(self, made, request->url);
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
static bool forget(transfer *used)
{
    CURL *easy = used->easy;
    bool ok = true;
    wx_buf_free(&used->body);
    if (used->origin) {
        SET(CURLOPT_REQUEST_TARGET, NULL);
    } else {
        SET(CURLOPT_URL, NULL);
    }
    SET(CURLOPT_POSTFIELDS, NULL);
    return ok;
}

static transfer *take(wx_http_curl *self)
{
    return self->idle_count > 0 ? self->idle[--self->idle_count] : transfer_new(self);
}

static void give_back(wx_http_curl *self, transfer *used, bool sound)
{
    if (sound && self->idle_count < self->idle_max && forget(used)) {
        self->idle[self->idle_count++] = used;
    } else {
        transfer_free(used);
    }
}

/* ---- The list of those under way ---- */

/* Most have the same time-out, so the place is found at the end. */
static void enlist(wx_http_curl *self, transfer *t)
{
    transfer *before = self->last;
    while (before && before->deadline_ms > t->deadline_ms) {
        before = before->previous;
    }
    t->previous = before;
    t->next = before ? before->next : self->first;
    *(before ? &before->next : &self->first) = t;
    *(t->next ? &t->next->previous : &self->last) = t;
    self->under_way++;
}

static void delist(wx_http_curl *self, transfer *t)
{
    *(t->previous ? &t->previous->next : &self->first) = t->next;
    *(t->next ? &t->next->previous : &self->last) = t->previous;
    self->under_way--;
}

/* How many sockets are looked at before what they brought is worked on: a quarter, so that there is work in
 * every stage. */
static size_t looks_at_once(const wx_http_curl *self)
{
    const size_t quarter = self->under_way / 4;
    return quarter < LOOKS_MIN ? LOOKS_MIN : quarter < WX_WATCH_MAX ? quarter : WX_WATCH_MAX;
}

/* ---- What became of it ---- */

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

static void explain(wxtp_http_answer *answer, const transfer *used, CURLcode code)
{
    char reason[REASON_MAX];
    if (used->lack != 0) {
        tell(answer, "no socket can be had", strerror_r(used->lack, reason, sizeof(reason)));
        return;
    }
    switch (code) {
    case CURLE_OUT_OF_MEMORY: /* also what libcurl 7.88 calls a header line beyond its ceiling */
#if LIBCURL_VERSION_NUM >= 0x080600
    case CURLE_TOO_LARGE:
#endif
    case CURLE_WRITE_ERROR:
    case CURLE_FILESIZE_EXCEEDED:
        tell(answer, "the answer is too large, or there is no memory for it", NULL);
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
        tell(answer, "the other end's certificate cannot be trusted", used->trouble);
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
        tell(answer, curl_easy_strerror(code), used->trouble);
        break;
    default:
        tell(answer, curl_easy_strerror(code), NULL);
        break;
    }
}

/* Reads the outcome; returns whether the handle can serve again. */
static bool conclude(transfer *t, CURLcode code, bool in_time)
{
    wxtp_http_answer *answer = t->answer;
    if (!in_time || code != CURLE_OK) {
        answer->outcome = t->may_have_left ? WXTP_HTTP_UNKNOWN : WXTP_HTTP_NOT_SENT;
        if (t->held_back) {
            tell(answer, t->may_have_left ? "cut, and not sent again" : "held back before it was sent", NULL);
        } else if (in_time) {
            explain(answer, t, code);
        } else {
            tell(answer, "no answer in time", NULL);
        }
        return false;
    }
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    answer->body_len = t->body.len;
    answer->body = wx_buf_take(&t->body);
    if (!answer->body) {
        answer->body_len = 0;
        answer->outcome = WXTP_HTTP_UNKNOWN;
        tell(answer, "out of memory", NULL);
        return true;
    }
    answer->outcome = WXTP_HTTP_ANSWERED;
    return true;
}

static void finish(wx_http_curl *self, transfer *t, CURLcode code, bool in_time)
{
    void (*done)(void *user) = t->done;
    void *user = t->done_user;
    delist(self, t);
    const bool sound = conclude(t, code, in_time);
    (void)curl_multi_remove_handle(self->multi, t->easy);
    give_back(self, t, sound);
    done(user);
}

static void collect(wx_http_curl *self)
{
    CURLMsg *message = NULL;
    int left = 0;
    while ((message = curl_multi_info_read(self->multi, &left))) {
        transfer *t = NULL;
        if (message->msg == CURLMSG_DONE) {
            const CURLcode code = message->data.result;
            (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
            finish(self, t, code, true);
        }
    }
}

/* Whether it is still under way. */
static bool is_first(const wx_http_curl *self, const transfer *t, const wxtp_http_answer *answer)
{
    return self->first == t && t->answer == answer;
}

/* At the deadline of the first: reads what has arrived by now, until nothing more comes; its ceiling bounds
 * it. */
static void last_look(wx_http_curl *self)
{
    transfer *t = self->first;
    const wxtp_http_answer *answer = t->answer;
    for (int looks = 0, quiet = 0; looks < LAST_LOOKS && quiet < QUIET_LOOKS; looks++) {
        const size_t before = t->body.len + t->header_bytes;
        if (t->socket == CURL_SOCKET_BAD) {
            break;
        }
        look(self, t->socket, WX_WATCH_IN);
        collect(self);
        if (!is_first(self, t, answer)) {
            return;
        }
        /* TLS may hold more than the socket shows. */
        quiet = t->body.len + t->header_bytes > before ? 0 : quiet + 1;
    }
    finish(self, t, CURLE_OK, false);
}

static bool make_multi(wx_http_curl *self)
{
    CURLM *multi = curl_multi_init();
    self->timer_ms = -1;
    const bool made = multi && curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_want) == CURLM_OK &&
                      curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, self) == CURLM_OK &&
                      curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
                      curl_multi_setopt(multi, CURLMOPT_TIMERDATA, self) == CURLM_OK &&
                      curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)(self->idle_max + 1)) == CURLM_OK;
    if (!made) {
        (void)curl_multi_cleanup(multi);
        return false;
    }
    self->multi = multi;
    return true;
}

/*
 * A multi handle that has answered with an error serves no more: libcurl refuses all later calls of one whose
 * callback failed, and ends the program (7.88) in one that got no memory for a socket. What it carries ends
 * with it.
 */
static void start_anew(wx_http_curl *self)
{
    wx_quiet quiet;
    while (self->first) {
        self->first->lack = self->lack;
        finish(self, self->first, CURLE_OUT_OF_MEMORY, true);
    }
    wx_quiet_begin(&quiet);
    (void)curl_multi_cleanup(WX_TAKE(self->multi));
    wx_quiet_end(&quiet);
    self->broken = false;
    self->lack = 0;
    (void)make_multi(self); /* else the next request tries */
}

/* ---- The port ---- */

static bool refuse(wxtp_http_answer *answer, const char *why)
{
    tell(answer, why, NULL);
    return true;
}

static bool start(void *user, const wxtp_http_request *request, wxtp_http_answer *answer,
                  void (*done)(void *user), void *done_user)
{
    wx_http_curl *self = user;
    assert(self && request && answer && request->url && request->method);
    *answer = (wxtp_http_answer){.outcome = WXTP_HTTP_NOT_SENT};
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "POST") != 0) {
        return refuse(answer, "neither GET nor POST");
    }
    if (request->timeout_ms <= 0) {
        return refuse(answer, "no time left");
    }
    if (getpid() != self->pid) {
        return refuse(answer, "opened before fork");
    }
    transfer *t = self->multi || make_multi(self) ? take(self) : NULL;
    if (!t) {
        return refuse(answer, "out of memory");
    }
    const int64_t now = now_ms(self);
    t->request = request;
    t->answer = answer;
    t->done = done;
    t->done_user = done_user;
    t->header_bytes = 0;
    t->socket = CURL_SOCKET_BAD;
    t->may_have_left = t->held_back = false;
    t->lack = 0;
    t->trouble[0] = '\0';
    t->deadline_ms = request->timeout_ms > INT64_MAX - now ? INT64_MAX : now + request->timeout_ms;
    wx_buf_init(&t->body, self->allocator,
                request->max_answer_bytes < LONG_MAX ? request->max_answer_bytes : LONG_MAX);
    if (!prepare(self, t, request) || curl_multi_add_handle(self->multi, t->easy) != CURLM_OK) {
        transfer_free(t);
        return refuse(answer, "libcurl does not take the request");
    }
    enlist(self, t);
    return false;
}

static void poll_once(void *user, int64_t wait_ms)
{
    wx_http_curl *self = user;
    if (self->first) {
        const int64_t left = self->first->deadline_ms - now_ms(self);
        wait_ms = wait_ms < left ? wait_ms : left;
    }
    if (self->timer_ms == 0) {
        look_at_time(self);
        collect(self);
    }
    if (self->timer_ms >= 0 && self->timer_ms < wait_ms) {
        wait_ms = self->timer_ms;
    }
    /* In slices, because the clock may be another than the one that libcurl goes by. */
    wait_ms = wait_ms < 0 ? 0 : wait_ms < SLICE_MS ? wait_ms : SLICE_MS;
    wx_watch_event events[WX_WATCH_MAX];
    const size_t count = wx_watch_wait(self->watch, events, looks_at_once(self), (int)wait_ms);
    for (size_t at = 0; at < count; at++) {
        look(self, events[at].fd, events[at].what);
    }
    if (self->timer_ms >= 0 && (count == 0 || self->timer_due_ms <= now_ms(self))) {
        look_at_time(self);
    }
    collect(self);
    while (self->first && self->first->deadline_ms <= now_ms(self)) {
        last_look(self);
    }
    if (self->broken) {
        start_anew(self);
    }
}

static void wake(void *user)
{
    wx_http_curl *self = user;
    wx_watch_wake(self->watch);
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

/* ---- Making it ---- */

/* False with errno. */
static bool copy_options(wx_http_curl *self, const wx_http_curl_options *options)
{
    bool proxy = options->proxy && *options->proxy;
    self->idle_max = options->connections < IDLE_MAX ? options->connections : IDLE_MAX;
    self->ca_file = wx_strdup(self->allocator, options->ca_file);
    self->proxy = proxy ? wx_strdup(self->allocator, options->proxy) : NULL;
    self->user_agent = wx_strdup(self->allocator, options->user_agent);
    self->idle =
        self->idle_max > 0 ? wx_alloc_array(self->allocator, self->idle_max, sizeof(transfer *)) : NULL;
    struct curl_slist *first = curl_slist_append(NULL, "Content-Type: application/json; charset=utf-8");
    self->post_headers = first ? curl_slist_append(first, "Expect:") : NULL;
    if (!self->post_headers) {
        curl_slist_free_all(first);
    }
    self->watch = wx_watch_new(self->allocator);
    if (!self->watch) {
        return false;
    }
    const bool made = make_multi(self) && (!options->ca_file || self->ca_file) && (!proxy || self->proxy) &&
                      (!options->user_agent || self->user_agent) && (self->idle_max == 0 || self->idle) &&
                      self->post_headers;
    errno = made ? errno : ENOMEM;
    return made;
}

wx_http_curl *wx_http_curl_new(const wxtp_allocator *allocator, const wxtp_clock *clock,
                               const wx_http_curl_options *options)
{
    assert(options);
    errno = ENOMEM;
    if (!set_up_curl()) {
        return NULL;
    }
    wx_http_curl *self = wx_alloc(allocator, sizeof(*self));
    if (!self) {
        return NULL;
    }
    if (allocator) {
        self->own_allocator = *allocator;
        self->allocator = &self->own_allocator;
    }
    self->clock = clock ? *clock : *wxtp_clock_system();
    self->pid = getpid();
    if (!copy_options(self, options)) {
        const int why = errno;
        wx_http_curl_free(self);
        errno = why;
        return NULL;
    }
    return self;
}

void wx_http_curl_port(wx_http_curl *self, wxtp_http *port)
{
    assert(self && port);
    *port = (wxtp_http){.struct_size = sizeof(*port),
                        .user = self,
                        .start = start,
                        .poll = poll_once,
                        .wake = wake,
                        .release = release};
}

void wx_http_curl_free(wx_http_curl *self)
{
    if (!self) {
        return;
    }
    assert(!self->first || getpid() != self->pid);
    /* In a forked child the connections are the parent's: closing them by the book would write to them. */
    const bool ours = getpid() == self->pid;
    assert(self->idle_count == 0 || self->idle);
    wx_quiet quiet;
    wx_quiet_begin(&quiet);
    for (size_t at = 0; at < self->idle_count; at++) {
        if (ours) {
            transfer_free(self->idle[at]);
        } else {
            wx_free(self->idle[at]->origin);
            wx_free(self->idle[at]);
        }
    }
    if (ours && self->multi) {
        (void)curl_multi_cleanup(self->multi);
    }
    wx_quiet_end(&quiet);
    wx_watch_free(self->watch);
    curl_slist_free_all(self->post_headers);
    wx_free(self->idle);
    wx_free(self->ca_file);
    wx_free(self->proxy);
    wx_free(self->user_agent);
    wx_free(self);
}
