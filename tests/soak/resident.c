/*
 * The process of a soak that stays: takes users off blacklists by the public API, a thread a merchant, until
 * its standard input ends.
 *
 *     soak-resident DATABASE KEY_FILE API_BASE APPID...
 *
 * Prints a line a list: APPID FIRST COUNT UNBLACKLISTED STATUS. An openid is the letter r and its number.
 */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wxtp/wxtp.h>

enum { LIST_MAX = 60, MERCHANTS_MAX = 16, OPENID_SIZE = 29, REST_MS = 20, CLOSE_MS = 60000, TRIES = 4 };

typedef struct merchant {
    wxtp_platform *platform;
    const char *appid;
    uint64_t chance;
    int64_t next;
    pthread_t thread;
} merchant;

static atomic_bool over;
static atomic_bool broken;

/* xorshift64 */
static uint64_t draw(merchant *my, uint64_t below)
{
    my->chance ^= my->chance << 13;
    my->chance ^= my->chance >> 7;
    my->chance ^= my->chance << 17;
    return my->chance % below;
}

static bool is_defect(wxtp_status status)
{
    return status == WXTP_ERR_INTERNAL || status == WXTP_ERR_INVALID || status == WXTP_ERR_NOMEM;
}

static void look_at(merchant *my, const char *what, wxtp_status status, wxtp_error **error)
{
    if (is_defect(status)) {
        fprintf(stderr, "%s: %s: %s: %s\n", my->appid, what, wxtp_status_name(status),
                *error ? wxtp_error_message(*error) : "");
        atomic_store(&broken, true);
    }
    wxtp_error_free(*error);
    *error = NULL;
}

/* Runs what is left of a list, a few times. */
static wxtp_status run_on(merchant *my, wxtp_unblacklist_counts *counts)
{
    wxtp_status status = WXTP_ERR_UNAVAILABLE;
    wxtp_error *error = NULL;
    for (int tries = 0; tries < TRIES && counts->pending > 0 && !atomic_load(&over); tries++) {
        wxtp_job *job = NULL;
        status = wxtp_job_run(my->platform, counts->job_id, WXTP_JOB_RESUME, NULL, NULL, &job, &error);
        if (job) {
            counts->unblacklisted = wxtp_job_succeeded(job);
            counts->pending = wxtp_job_pending(job);
        }
        wxtp_job_free(job);
        look_at(my, "resume", status, &error);
    }
    return status;
}

static void take_off(merchant *my)
{
    static const char digits[] = "0123456789";
    char text[LIST_MAX][OPENID_SIZE];
    const char *openids[LIST_MAX];
    const size_t count = 1 + (size_t)draw(my, LIST_MAX);
    wxtp_unblacklist_counts counts = {.struct_size = sizeof counts};
    wxtp_error *error = NULL;
    for (size_t at = 0; at < count; at++) {
        int64_t number = my->next + (int64_t)at;
        memset(text[at], '0', OPENID_SIZE);
        text[at][0] = 'r';
        text[at][OPENID_SIZE - 1] = '\0';
        for (size_t place = OPENID_SIZE - 1; number > 0; number /= 10)
            text[at][--place] = digits[number % 10];
        openids[at] = text[at];
    }
    wxtp_status status = wxtp_unblacklist(my->platform, my->appid, openids, count, &counts, &error);
    look_at(my, "unblacklist", status, &error);
    if (counts.pending > 0)
        status = run_on(my, &counts);
    printf("%s %" PRId64 " %zu %" PRId64 " %s\n", my->appid, my->next, count, counts.unblacklisted,
           status == WXTP_OK ? "ok" : wxtp_status_name(status));
    my->next += (int64_t)count;
}

static void take_token(merchant *my)
{
    wxtp_error *error = NULL;
    char *token = NULL;
    int64_t generation = 0;
    look_at(my, "token", wxtp_token_get(my->platform, my->appid, &token, &generation, &error), &error);
    wxtp_free(token);
}

static void *work(void *user)
{
    merchant *my = user;
    while (!atomic_load(&over) && !atomic_load(&broken)) {
        take_off(my);
        take_token(my);
        (void)poll(NULL, 0, REST_MS);
    }
    return NULL;
}

static wxtp_status open_platform(char **argv, wxtp_platform **platform)
{
    const char *const settings[][2] = {
        {"master_key_file", argv[2]}, {"api_base", argv[3]}, {"timeout_ms", "2000"}, {"max_wait_ms", "5000"}};
    char trouble[256] = "";
    wxtp_config *config = NULL;
    wxtp_store *store = NULL;
    wxtp_error *error = NULL;
    const wxtp_sqlite_options file = {.struct_size = sizeof file, .path = argv[1]};
    wxtp_status status = wxtp_config_new(NULL, &config);
    for (size_t at = 0; status == WXTP_OK && at < sizeof settings / sizeof settings[0]; at++)
        status = wxtp_config_set(config, settings[at][0], settings[at][1], &error);
    status = status ? status : wxtp_sqlite_open(&file, &store, NULL, trouble, sizeof trouble);
    status = status ? status : wxtp_config_set_store(config, store);
    status = status ? status : wxtp_platform_open(config, platform, &error);
    if (status != WXTP_OK) {
        fprintf(stderr, "%s %s\n", trouble, error ? wxtp_error_message(error) : "");
        if (store)
            store->ops->close(store);
    }
    wxtp_error_free(error);
    wxtp_config_free(config);
    return status;
}

static void wait_for_end(void)
{
    char byte;
    ssize_t got;
    do
        got = read(STDIN_FILENO, &byte, 1);
    while (got > 0);
    atomic_store(&over, true);
}

int main(int argc, char **argv)
{
    merchant merchants[MERCHANTS_MAX];
    wxtp_platform *platform = NULL;
    const int count = argc - 4;
    int started = 0;
    if (count < 1 || count > MERCHANTS_MAX || open_platform(argv, &platform) != WXTP_OK)
        return EXIT_FAILURE;
    for (; started < count; started++) {
        merchant *my = &merchants[started];
        *my = (merchant){.platform = platform,
                         .appid = argv[4 + started],
                         .chance = 88172645463325252U + (uint64_t)started};
        if (pthread_create(&my->thread, NULL, work, my) != 0) {
            atomic_store(&broken, true);
            break;
        }
    }
    wait_for_end();
    for (int at = 0; at < started; at++)
        (void)pthread_join(merchants[at].thread, NULL);
    const wxtp_status closed = wxtp_platform_close(platform, CLOSE_MS);
    return closed == WXTP_OK && !atomic_load(&broken) && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
