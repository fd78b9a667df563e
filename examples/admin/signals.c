#include "signals.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* A handler gets no pointer of ours: these are the only variables of the program that outlive a call. */
static _Atomic(wxtp_platform *) stopped_platform;
static atomic_int first_signal;
static atomic_bool lines_in_json;
static _Atomic(char **) last_words;

static void second(int number)
{
    static const char text[] =
        "error: stopped at once\nhint: an unfinished job goes on with wxtp-admin job resume\n";
    static const char json[] =
        "{\"error\":{\"kind\":\"interrupted\",\"message\":\"stopped at once\",\"hint\":\"an "
        "unfinished job goes on with wxtp-admin job resume\"}}\n";
    static char codes[2][4] = {"130", "143"};
    bool as_json = atomic_load(&lines_in_json);
    char **words = atomic_exchange(&last_words, NULL); /* a third signal ends it in any case */

    if (words) {
        words[AD_LAST_WORDS_CODE] = codes[number == SIGTERM];
        execve("/proc/self/exe", words, environ);
    }
    struct iovec parts[2] = {{(void *)"\n", isatty(STDERR_FILENO) ? 1 : 0}, /* leaves a progress bar alone */
                             {(void *)(as_json ? json : text), as_json ? sizeof json - 1 : sizeof text - 1}};

    if (writev(STDERR_FILENO, parts, 2) < 0) {
        /* there is nobody to tell */
    }
    _exit(128 + number);
}

static void on_signal(int number)
{
    int saved = errno, none = 0;

    if (!atomic_compare_exchange_strong(&first_signal, &none, number))
        second(number);
    wxtp_platform *platform = atomic_load(&stopped_platform);
    if (platform)
        wxtp_platform_stop(platform);
    errno = saved;
}

void ad_signals_install(bool json)
{
    struct sigaction action;
    sigset_t set;

    atomic_store(&lines_in_json, json);
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_signal; /* no SA_RESTART: a read from a terminal ends */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* a file at its size limit is an error like a full disk */
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void ad_signals_attach(wxtp_platform *platform)
{
    atomic_store(&stopped_platform, platform);
    if (platform && ad_signal_seen())
        wxtp_platform_stop(platform);
}

void ad_signals_last_words(char **words)
{
    atomic_store(&last_words, words);
}

bool ad_signal_seen(void)
{
    return atomic_load(&first_signal) != 0;
}

int ad_signal_exit_code(void)
{
    int number = atomic_load(&first_signal);

    return 128 + (number ? number : SIGINT);
}
