#include "fake_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char *copy(const char *text, size_t len)
{
    char *result = malloc(len + 1);
    if (!result)
        abort();
    memcpy(result, text, len);
    result[len] = '\0';
    return result;
}

static char *copy_text(const char *text)
{
    return text ? copy(text, strlen(text)) : NULL;
}

static void *grow(void *memory, size_t size)
{
    void *grown = realloc(memory, size);
    if (!grown)
        abort();
    return grown;
}

static void write_down(fake_http *http, const fake_request *request)
{
    if (http->request_count == http->request_capacity) {
        http->request_capacity = http->request_capacity ? http->request_capacity * 2 : 64;
        http->requests = grow(http->requests, http->request_capacity * sizeof *http->requests);
    }
    http->requests[http->request_count++] = *request;
}

/* Copies the rule out, as a handler may add rules. */
static bool pick_rule(fake_http *http, const fake_request *request, fake_rule *picked)
{
    for (size_t i = http->rule_count; i-- > 0;) {
        fake_rule *rule = &http->rules[i];
        if (rule->times == 0 || !strstr(request->url, rule->path))
            continue;
        if (rule->part && !strstr(request->body, rule->part))
            continue;
        if (rule->times > 0)
            rule->times--;
        *picked = *rule;
        picked->body = copy_text(rule->body);
        return true;
    }
    return false;
}

static void perform(fake_http *http, const wxtp_http_request *request, wxtp_http_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    answer->outcome = WXTP_HTTP_NOT_SENT;
    if (request->may_send && !request->may_send(request->may_send_user)) {
        snprintf(answer->detail, sizeof answer->detail, "may_send said no");
        return;
    }
    fake_request copied = {
        .method = copy_text(request->method),
        .url = copy_text(request->url),
        .body = copy(request->body ? request->body : "", request->body ? request->body_len : 0)};
    fake_rule rule;
    pthread_mutex_lock(&http->lock);
    write_down(http, &copied);
    bool found = pick_rule(http, &copied, &rule);
    pthread_mutex_unlock(&http->lock);
    if (!found) {
        snprintf(answer->detail, sizeof answer->detail, "no rule for this request");
        return;
    }
    fake_reply reply = {.outcome = rule.outcome, .status = rule.status, .body = rule.body};
    if (rule.handler)
        rule.handler(rule.user, &copied, &reply);
    answer->outcome = reply.outcome;
    answer->status = reply.status;
    if (reply.outcome == WXTP_HTTP_ANSWERED) {
        answer->body = copy_text(reply.body ? reply.body : "");
        answer->body_len = strlen(answer->body);
    } else {
        snprintf(answer->detail, sizeof answer->detail, "scripted failure");
    }
    if (reply.free_body)
        free((void *)(uintptr_t)reply.body);
    free(rule.body);
}

/* Every request ends at once. */
static bool start(void *user, const wxtp_http_request *request, wxtp_http_answer *answer,
                  void (*done)(void *), void *done_user)
{
    (void)done;
    (void)done_user;
    perform(user, request, answer);
    return true;
}

/* Time passes only where nothing else is to be done; other threads get a moment to do it. */
static void poll_once(void *user, int64_t wait_ms)
{
    fake_http *http = user;
    if (wait_ms <= 0 || !http->clock)
        return;
    nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    pthread_mutex_lock(&http->lock);
    bool woken = http->woken;
    http->woken = false;
    pthread_mutex_unlock(&http->lock);
    if (!woken)
        fake_clock_advance(http->clock, wait_ms);
}

static void wake(void *user)
{
    fake_http *http = user;
    pthread_mutex_lock(&http->lock);
    http->woken = true;
    pthread_mutex_unlock(&http->lock);
}

static void release(void *user, wxtp_http_answer *answer)
{
    (void)user;
    free(answer->body);
    answer->body = NULL;
}

void fake_http_init(fake_http *http)
{
    memset(http, 0, sizeof *http);
    pthread_mutex_init(&http->lock, NULL);
}

void fake_http_forget_rules(fake_http *http)
{
    pthread_mutex_lock(&http->lock);
    for (size_t i = 0; i < http->rule_count; i++) {
        free(http->rules[i].path);
        free(http->rules[i].part);
        free(http->rules[i].body);
    }
    free(http->rules);
    http->rules = NULL;
    http->rule_count = 0;
    pthread_mutex_unlock(&http->lock);
}

void fake_http_forget_requests(fake_http *http)
{
    pthread_mutex_lock(&http->lock);
    for (size_t i = 0; i < http->request_count; i++) {
        free(http->requests[i].method);
        free(http->requests[i].url);
        free(http->requests[i].body);
    }
    free(http->requests);
    http->requests = NULL;
    http->request_count = http->request_capacity = 0;
    pthread_mutex_unlock(&http->lock);
}

void fake_http_free(fake_http *http)
{
    fake_http_forget_rules(http);
    fake_http_forget_requests(http);
    pthread_mutex_destroy(&http->lock);
}

void fake_http_port(fake_http *http, wxtp_http *port)
{
    *port = (wxtp_http){.struct_size = sizeof *port,
                        .user = http,
                        .start = start,
                        .poll = poll_once,
                        .wake = wake,
                        .release = release};
}

static void add_rule(fake_http *http, const fake_rule *rule)
{
    fake_rule copied = *rule;
    copied.path = copy_text(rule->path);
    copied.part = copy_text(rule->part);
    copied.body = copy_text(rule->body);
    pthread_mutex_lock(&http->lock);
    http->rules = grow(http->rules, (http->rule_count + 1) * sizeof *http->rules);
    http->rules[http->rule_count++] = copied;
    pthread_mutex_unlock(&http->lock);
}

/* Rules only copy these texts. */
static char *borrowed(const char *text)
{
    return (char *)(uintptr_t)text;
}

void fake_http_on(fake_http *http, const char *path, const char *part, int times, const char *body)
{
    add_rule(http, &(fake_rule){.path = borrowed(path),
                                .part = borrowed(part),
                                .body = borrowed(body),
                                .outcome = WXTP_HTTP_ANSWERED,
                                .status = 200,
                                .times = times});
}

void fake_http_fail(fake_http *http, const char *path, const char *part, int times, wxtp_http_outcome outcome,
                    long status)
{
    add_rule(http, &(fake_rule){.path = borrowed(path),
                                .part = borrowed(part),
                                .outcome = outcome,
                                .status = status,
                                .times = times});
}

void fake_http_handle(fake_http *http, const char *path, const char *part, int times, fake_handler *handler,
                      void *user)
{
    add_rule(http, &(fake_rule){.path = borrowed(path),
                                .part = borrowed(part),
                                .outcome = WXTP_HTTP_ANSWERED,
                                .status = 200,
                                .times = times,
                                .handler = handler,
                                .user = user});
}

size_t fake_http_count(fake_http *http, const char *path)
{
    size_t count = 0;
    pthread_mutex_lock(&http->lock);
    for (size_t i = 0; i < http->request_count; i++)
        count += !path || strstr(http->requests[i].url, path) ? 1 : 0;
    pthread_mutex_unlock(&http->lock);
    return count;
}

const fake_request *fake_http_request(fake_http *http, const char *path, size_t n)
{
    const fake_request *found = NULL;
    pthread_mutex_lock(&http->lock);
    for (size_t i = 0; i < http->request_count && !found; i++) {
        if (!path || strstr(http->requests[i].url, path)) {
            if (n-- == 0)
                found = &http->requests[i];
        }
    }
    pthread_mutex_unlock(&http->lock);
    return found;
}
