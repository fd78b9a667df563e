#include "failure.h"
#include "signals.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>

void ad_copy(char *to, size_t size, const char *text)
{
    size_t length = strlen(text);

    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--;
    }
    memcpy(to, text, length);
    to[length] = '\0';
}

size_t ad_unprintable(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;

    if (c[0] < 0x20 || c[0] == 0x7F)
        return 1;
    if ((c[0] == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9F) || /* U+0080 to U+009F */
        (c[0] == 0xD8 && c[1] == 0x9C))                   /* U+061C */
        return 2;
    if (c[0] == 0xE2 && c[1] == 0x80 && (c[2] == 0x8E || c[2] == 0x8F || (c[2] >= 0xA8 && c[2] <= 0xAE)))
        return 3; /* U+200E, U+200F; line and paragraph ends, U+202A to U+202E */
    if (c[0] == 0xE2 && c[1] == 0x81 && c[2] >= 0xA6 && c[2] <= 0xA9)
        return 3; /* U+2066 to U+2069 */
    return 0;
}

/* What to do where nothing better is known. */
static const char *usual_hint(const char *kind)
{
    static const struct {
        const char *kind, *hint;
    } hints[] = {
        {"usage", "see wxtp-admin --help"},
        {"not_found", "check the name"},
        {"store", "check the disk, then run wxtp-admin doctor"},
        {"key", "put back the master key file (see --master-key-file), private to its owner"},
        {"credentials", "run wxtp-admin doctor"},
        {"ticket", "wait for the next component_verify_ticket push, and see wxtp-admin doctor"},
        {"signature", "compare the Token and EncodingAESKey with those on the platform's page"},
        {"configuration", "run wxtp-admin doctor"},
        {"quota", "go on after midnight in Beijing, or when the quota has been cleared"},
        {"rate", "go on in a minute, or with a smaller --rate"},
        {"unavailable", "check the network, then try again"},
        {"wechat", "look the errcode up in WeChat's documentation"},
        {"interrupted", "run the command again to go on"},
        {"partial", "see the openids in the result, or write them to a file with --rejects"},
        {"suspect_list", "check that the list belongs to this account"},
        {"unknown_tenant", "wxtp-admin tenant list shows the tenants that are known"},
        {"unauthorized", "let the merchant authorize the platform again: wxtp-admin tenant reconnect"},
        {"reauthorization_required", "let the merchant authorize again: wxtp-admin tenant reconnect"},
    };

    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        if (strcmp(hints[i].kind, kind) == 0)
            return hints[i].hint;
    }
    return "run the command again with -v to see more";
}

static int fill(ad_failure *failure, int exit_code, const char *kind, const char *hint, const char *format,
                va_list list) WXTP_PRINTF(5, 0);
static int fill(ad_failure *failure, int exit_code, const char *kind, const char *hint, const char *format,
                va_list list)
{
    char text[1024];

    memset(failure, 0, sizeof *failure);
    failure->exit_code = exit_code;
    vsnprintf(text, sizeof text, format, list);
    ad_copy(failure->kind, sizeof failure->kind, kind);
    ad_copy(failure->message, sizeof failure->message, text);
    ad_copy(failure->hint, sizeof failure->hint, hint && *hint ? hint : usual_hint(kind));
    return exit_code;
}

int ad_fail(ad_failure *failure, int exit_code, const char *kind, const char *hint, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    fill(failure, exit_code, kind, hint, format, list);
    va_end(list);
    return exit_code;
}

int ad_fail_usage(ad_failure *failure, const char *hint, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    fill(failure, AD_EXIT_USAGE, "usage", hint, format, list);
    va_end(list);
    return AD_EXIT_USAGE;
}

int ad_fail_nomem(ad_failure *failure)
{
    return ad_fail(failure, AD_EXIT_INTERNAL, "internal", "free some memory, then try again",
                   "out of memory");
}

int ad_fail_file(ad_failure *failure, const char *what, const char *path, int error)
{
    if (error == EINTR)
        return ad_fail_interrupted(failure);
    if (error == ENOENT || error == ENOTDIR)
        return ad_fail(failure, AD_EXIT_USAGE, "not_found", "check the path", "%s %s does not exist", what,
                       path);
    if (error == EISDIR)
        return ad_fail(failure, AD_EXIT_USAGE, "usage", "name a file", "%s %s is a folder", what, path);
    return ad_fail(failure, AD_EXIT_INTERNAL, "internal", "check the file's permissions and the disk",
                   "%s %s: %s", what, path, strerror(error));
}

int ad_fail_interrupted(ad_failure *failure)
{
    return ad_fail(failure, ad_signal_exit_code(), "interrupted", NULL, "interrupted");
}

int ad_exit_of_reason(const char *reason)
{
    static const struct {
        const char *reason;
        int code;
    } others[] = {{"reauthorization_required", AD_EXIT_CREDENTIALS},
                  {"credentials", AD_EXIT_CREDENTIALS},
                  {"ticket", AD_EXIT_CREDENTIALS},
                  {"configuration", AD_EXIT_CREDENTIALS},
                  {"quota_exhausted", AD_EXIT_LIMIT},
                  {"quota", AD_EXIT_LIMIT}};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(others[i].reason, reason) == 0)
            return others[i].code;
    }
    return AD_EXIT_REFUSED;
}

int ad_exit_of(wxtp_status status, const char *kind)
{
    switch (status) {
    case WXTP_OK:
        return AD_EXIT_OK;
    case WXTP_ERR_INVALID:
    case WXTP_ERR_NOT_FOUND:
    case WXTP_ERR_AMBIGUOUS:
    case WXTP_ERR_STATE:
    case WXTP_ERR_TOO_LARGE:
    case WXTP_ERR_EXISTS:
    case WXTP_ERR_FULL:
        return AD_EXIT_USAGE;
    case WXTP_ERR_FORKED:
    case WXTP_ERR_NOMEM:
    case WXTP_ERR_STORE:
    case WXTP_ERR_STORE_NEWER:
    case WXTP_ERR_STORE_BUSY:
    case WXTP_ERR_KEY:
    case WXTP_ERR_CONFLICT:
    case WXTP_ERR_INTERNAL:
    case WXTP_ERR_IO:
    case WXTP_ERR_WECHAT:
        return AD_EXIT_INTERNAL;
    case WXTP_ERR_REFUSED:
        return ad_exit_of_reason(kind);
    case WXTP_ERR_CREDENTIALS:
    case WXTP_ERR_TICKET:
    case WXTP_ERR_SIGNATURE:
    case WXTP_ERR_CONFIGURATION:
    case WXTP_ERR_REAUTHORIZE:
        return AD_EXIT_CREDENTIALS;
    case WXTP_ERR_QUOTA:
    case WXTP_ERR_RATE:
        return AD_EXIT_LIMIT;
    case WXTP_ERR_UNAVAILABLE:
        return AD_EXIT_NETWORK;
    case WXTP_ERR_SUSPECT_LIST:
        return AD_EXIT_DECIDE;
    case WXTP_ERR_INTERRUPTED:
        return ad_signal_exit_code();
    case WXTP_ERR_CANCELLED:
    case WXTP_ERR_DEADLINE:
        return AD_EXIT_PARTIAL;
    }
    return AD_EXIT_INTERNAL;
}

/* The kind where the library could not make an error object. */
static const char *kind_of(wxtp_status status)
{
    switch (status) {
    case WXTP_ERR_NOT_FOUND:
        return "not_found";
    case WXTP_ERR_KEY:
        return "key";
    case WXTP_ERR_STORE:
    case WXTP_ERR_STORE_NEWER:
    case WXTP_ERR_STORE_BUSY:
        return "store";
    case WXTP_ERR_TICKET:
        return "ticket";
    case WXTP_ERR_SIGNATURE:
        return "signature";
    case WXTP_ERR_CONFIGURATION:
        return "configuration";
    case WXTP_ERR_CREDENTIALS:
        return "credentials";
    case WXTP_ERR_REAUTHORIZE:
        return "reauthorization_required";
    case WXTP_ERR_QUOTA:
        return "quota";
    case WXTP_ERR_RATE:
        return "rate";
    case WXTP_ERR_UNAVAILABLE:
        return "unavailable";
    case WXTP_ERR_WECHAT:
        return "wechat";
    case WXTP_ERR_INTERRUPTED:
        return "interrupted";
    case WXTP_ERR_SUSPECT_LIST:
        return "suspect_list";
    case WXTP_ERR_CANCELLED:
        return "partial";
    case WXTP_ERR_DEADLINE:
        return "deadline";
    default:
        return ad_exit_of(status, "") == AD_EXIT_USAGE ? "usage" : "internal";
    }
}

int ad_fail_take(ad_failure *failure, wxtp_status status, wxtp_error **error)
{
    wxtp_error *given = error ? *error : NULL;
    const char *kind = given ? wxtp_error_kind(given) : kind_of(status);

    if (given && *wxtp_error_message(given))
        ad_fail(failure, ad_exit_of(status, kind), kind, wxtp_error_hint(given), "%s",
                wxtp_error_message(given));
    else
        ad_fail(failure, ad_exit_of(status, kind), kind, NULL, "%s", wxtp_status_name(status));
    if (given) {
        failure->errcode = wxtp_error_errcode(given);
        ad_copy(failure->rid, sizeof failure->rid, wxtp_error_rid(given));
        ad_copy(failure->tenant, sizeof failure->tenant, wxtp_error_tenant(given));
        wxtp_error_free(given);
        *error = NULL;
    }
    return failure->exit_code;
}

static int badness(int code)
{
    static const int order[] = {AD_EXIT_OK,          AD_EXIT_PARTIAL, AD_EXIT_REFUSED,
                                AD_EXIT_DECIDE,      AD_EXIT_LIMIT,   AD_EXIT_NETWORK,
                                AD_EXIT_CREDENTIALS, AD_EXIT_USAGE,   AD_EXIT_INTERNAL};
    int count = (int)(sizeof order / sizeof order[0]);

    for (int i = 0; i < count; i++) {
        if (order[i] == code)
            return i;
    }
    return count; /* a signal's */
}

bool ad_exit_worse(int a, int b)
{
    return badness(a) > badness(b);
}

void ad_failure_keep_worst(ad_failure *worst, const ad_failure *other)
{
    if (ad_exit_worse(other->exit_code, worst->exit_code))
        *worst = *other;
}

void ad_failure_json(ad_json *json, const char *key, const ad_failure *failure)
{
    ad_json_object(json, key);
    ad_json_string(json, "kind", failure->kind);
    ad_json_string(json, "message", failure->message);
    if (failure->hint[0])
        ad_json_string(json, "hint", failure->hint);
    if (failure->tenant[0])
        ad_json_string(json, "tenant", failure->tenant);
    if (failure->errcode != 0)
        ad_json_int(json, "errcode", failure->errcode);
    if (failure->rid[0])
        ad_json_string(json, "rid", failure->rid);
    ad_json_end_object(json);
}

/* One line: what could break it or move the cursor is left out. */
static void put_line_text(FILE *to, const char *text)
{
    while (*text) {
        size_t bad = ad_unprintable(text);
        fputc(bad ? ' ' : *text, to);
        text += bad ? bad : 1;
    }
}

static void put_detail(const char *name, const char *value, const char **separator)
{
    fprintf(stderr, "%s%s ", *separator, name);
    put_line_text(stderr, value);
    *separator = ", ";
}

void ad_failure_print(const ad_failure *failure, bool as_json)
{
    const char *separator = " (";
    char number[24];

    flockfile(stderr);
    if (as_json) {
        ad_json json;
        ad_json_init(&json, stderr);
        ad_json_object(&json, NULL);
        ad_failure_json(&json, "error", failure);
        ad_json_end_object(&json);
        ad_json_line_end(&json);
        funlockfile(stderr);
        return;
    }
    fputs("error: ", stderr);
    put_line_text(stderr, failure->message);
    if (failure->tenant[0])
        put_detail("tenant", failure->tenant, &separator);
    if (failure->errcode != 0) {
        snprintf(number, sizeof number, "%lld", (long long)failure->errcode);
        put_detail("errcode", number, &separator);
    }
    if (failure->rid[0])
        put_detail("rid", failure->rid, &separator);
    fputs(separator[0] == ',' ? ")\n" : "\n", stderr);
    if (failure->hint[0]) {
        fputs("hint: ", stderr);
        put_line_text(stderr, failure->hint);
        fputc('\n', stderr);
    }
    funlockfile(stderr);
}
