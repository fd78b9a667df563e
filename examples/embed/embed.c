/*
 * The library in a host that has a loop of its own: many merchants at once, one thread of the host's.
 *
 *     wxtp-embed DATABASE < LINES          each line: APPID OPENID...
 *
 * Standard input and the platform's completions are waited for by one epoll. Prints a line for each list that
 * is done, in the order in which they end. Set-up and WXTP_API_BASE as for wxtp-quickstart.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <wxtp/wxtp.h>

enum { LINE_BYTES = 65536, WORDS = 4096 };

typedef struct host {
    wxtp_platform *platform;
    int epoll;
    size_t under_way;
    bool input_ended, failed;
    char input[LINE_BYTES];
    size_t held; /* bytes of the input that make no line yet */
} host;

static void complain(const char *what, wxtp_error *error)
{
    fprintf(stderr, "error: %s: %s\n", what, error ? wxtp_error_message(error) : "failed");
    if (error) {
        fprintf(stderr, "hint: %s\n", wxtp_error_hint(error));
    }
    wxtp_error_free(error);
}

static bool open_platform(host *my, const char *database)
{
    char key_file[4096];
    char trouble[256] = "";
    wxtp_config *config = NULL;
    wxtp_store *store = NULL;
    wxtp_error *error = NULL;
    const wxtp_sqlite_options file = {.struct_size = sizeof(file), .path = database};
    const int length = snprintf(key_file, sizeof(key_file), "%s.key", database);
    if (length < 0 || (size_t)length >= sizeof(key_file)) {
        complain("the path is too long", NULL);
        return false;
    }
    wxtp_status status = wxtp_config_new(NULL, &config);
    status = status ? status : wxtp_config_set(config, "master_key_file", key_file, &error);
    status = status ? status : wxtp_config_set(config, "api_base", getenv("WXTP_API_BASE"), &error);
    status = status ? status : wxtp_sqlite_open(&file, &store, NULL, trouble, sizeof(trouble));
    status = status ? status : wxtp_config_set_store(config, store);
    status = status ? status : wxtp_platform_open(config, &my->platform, &error);
    wxtp_config_free(config);
    if (status != WXTP_OK) {
        complain(trouble[0] ? trouble : database, error);
        if (store) {
            store->ops->close(store); /* no platform took it over */
        }
    }
    return status == WXTP_OK;
}

/* ---- Lines in ---- */

static void submit_line(host *my, char *line)
{
    const char *words[WORDS];
    size_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " \t\r", &rest); word && count < WORDS;
         word = strtok_r(NULL, " \t\r", &rest)) {
        words[count++] = word;
    }
    if (count == 0) {
        return;
    }
    wxtp_error *error = NULL;
    const wxtp_status status =
        wxtp_unblacklist_submit(my->platform, words[0], words + 1, count - 1, NULL, NULL, &error);
    if (status == WXTP_OK) {
        my->under_way++;
    } else {
        my->failed = true;
        complain(words[0], error);
    }
}

static void on_input(host *my)
{
    const ssize_t got = read(STDIN_FILENO, my->input + my->held, sizeof(my->input) - 1 - my->held);
    if (got > 0) {
        my->held += (size_t)got;
    }
    my->input_ended = got <= 0 || my->held == sizeof(my->input) - 1;
    my->input[my->held] = '\0';
    char *line = my->input;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        submit_line(my, line);
    }
    my->held = strlen(line);
    memmove(my->input, line, my->held + 1);
    if (my->input_ended && my->held > 0) {
        submit_line(my, my->input);
    }
}

/* ---- Completions out ---- */

static void on_completions(host *my)
{
    for (wxtp_completion *done; (done = wxtp_completion_take(my->platform, 0)) != NULL;
         wxtp_completion_free(done)) {
        const char *appid = wxtp_completion_tenant(done);
        const wxtp_job *job = wxtp_completion_job(done);
        if (wxtp_completion_kind_of(done) == WXTP_COMPLETION_EVENT) {
            fprintf(stderr, "event: %s %s: %s\n", wxtp_completion_event(done), appid,
                    wxtp_completion_text(done));
            continue;
        }
        my->under_way--;
        if (wxtp_completion_status(done) != WXTP_OK) {
            my->failed = true;
            complain(appid, wxtp_completion_take_error(done));
        } else if (job) {
            printf("%s: %" PRId64 " of %" PRId64 " are off the blacklist\n", appid, wxtp_job_succeeded(job),
                   wxtp_job_requested(job));
        }
    }
}

static bool wait_for(const host *my, int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    return epoll_ctl(my->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

static bool run(host *my)
{
    my->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (my->epoll < 0 || !wait_for(my, wxtp_completion_fd(my->platform))) {
        return false;
    }
    /* A file is always ready, and no thing for epoll. */
    bool input_is_waited_for = wait_for(my, STDIN_FILENO);
    while (!my->input_ended || my->under_way > 0) {
        struct epoll_event ready;
        const int timeout = input_is_waited_for || my->input_ended ? -1 : 0;
        const int count = epoll_wait(my->epoll, &ready, 1, timeout);
        if (count > 0 && ready.data.fd != STDIN_FILENO) {
            on_completions(my);
        } else if (!my->input_ended) {
            on_input(my);
        }
        if (my->input_ended && input_is_waited_for) {
            (void)epoll_ctl(my->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
            input_is_waited_for = false;
        }
    }
    (void)close(my->epoll);
    return !my->failed;
}

int main(int argc, char **argv)
{
    static host my;
    if (argc != 2) {
        fprintf(stderr, "usage: wxtp-embed DATABASE < LINES\n");
        return 2;
    }
    if (!open_platform(&my, argv[1])) {
        return EXIT_FAILURE;
    }
    const bool ok = run(&my);
    return wxtp_platform_close(my.platform, 30000) == WXTP_OK && ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
