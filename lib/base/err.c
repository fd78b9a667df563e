#include "base/err.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

enum { SECRET_MIN = 6, RUN_MIN = 32 };

static const char mark[] = "***";

/* What a status usually comes with. */
typedef struct usual {
    wxtp_status status;
    wxtp_advice advice;
    const char *kind;
    const char *hint;
} usual;

static const usual usuals[] = {
    {WXTP_ERR_INVALID, WXTP_ADVICE_FIX_CALL, "usage", "Correct the argument that the message names."},
    {WXTP_ERR_NOT_FOUND, WXTP_ADVICE_FIX_CALL, "not_found", "Check the name; list what there is."},
    {WXTP_ERR_AMBIGUOUS, WXTP_ADVICE_FIX_CALL, "usage",
     "Say which one is meant; name the platform's component appid."},
    {WXTP_ERR_STATE, WXTP_ADVICE_FIX_CALL, "usage",
     "Look at the state that it is in, and bring it into the one needed."},
    {WXTP_ERR_TOO_LARGE, WXTP_ADVICE_FIX_CALL, "usage", "Make it smaller, or split it."},
    {WXTP_ERR_FORKED, WXTP_ADVICE_FIX_CALL, "usage",
     "Fork before the platform is opened, or call exec in the child and open one there."},
    {WXTP_ERR_EXISTS, WXTP_ADVICE_FIX_CALL, "usage", "Choose another name, or use the one that is there."},
    {WXTP_ERR_FULL, WXTP_ADVICE_RETRY, "internal", "Take completions, then submit again."},
    {WXTP_ERR_NOMEM, WXTP_ADVICE_RETRY, "internal",
     "Free some memory on this machine or raise the limit, then try again."},
    {WXTP_ERR_STORE, WXTP_ADVICE_FIX_CONFIGURATION, "store",
     "Check free disk space, and the owner and mode of the database's files; then check the database."},
    {WXTP_ERR_STORE_NEWER, WXTP_ADVICE_FIX_CONFIGURATION, "store",
     "Use the newer version of this program, or name another database."},
    {WXTP_ERR_STORE_BUSY, WXTP_ADVICE_RETRY, "store",
     "Try again; if it stays so, look for a program that keeps the database locked."},
    {WXTP_ERR_KEY, WXTP_ADVICE_FIX_CONFIGURATION, "key",
     "Name the right master key file; it must be a regular file of its owner alone (mode 0600)."},
    {WXTP_ERR_CONFLICT, WXTP_ADVICE_RETRY, "store", "Try again; another process changed it first."},
    {WXTP_ERR_INTERNAL, WXTP_ADVICE_NONE, "internal",
     "This is a defect; report it with this message and the version."},
    {WXTP_ERR_IO, WXTP_ADVICE_FIX_CONFIGURATION, "internal",
     "Check that the file exists, its mode, and free disk space."},
    {WXTP_ERR_REFUSED, WXTP_ADVICE_DECIDE, "refused_by_wechat",
     "See which condition the account does not meet; when it does, synchronize the account and try again."},
    {WXTP_ERR_CREDENTIALS, WXTP_ADVICE_FIX_CONFIGURATION, "credentials",
     "Make sure that no other program refreshes this account's tokens; else have the merchant authorize "
     "again."},
    {WXTP_ERR_TICKET, WXTP_ADVICE_RETRY, "ticket",
     "WeChat pushes a ticket every 10 minutes: check that the authorization-event URL is reachable, then "
     "wait for one."},
    {WXTP_ERR_SIGNATURE, WXTP_ADVICE_FIX_CONFIGURATION, "signature",
     "Compare Token, EncodingAESKey and component appid with those on the platform's page; else ignore the "
     "push."},
    {WXTP_ERR_CONFIGURATION, WXTP_ADVICE_FIX_CONFIGURATION, "configuration",
     "Compare appid, appsecret and the IP white list with the platform's page."},
    {WXTP_ERR_REAUTHORIZE, WXTP_ADVICE_REAUTHORIZE, "reauthorization_required",
     "Have the merchant authorize the platform again, adding or removing a permission set, by a new "
     "authorization link."},
    {WXTP_ERR_QUOTA, WXTP_ADVICE_RETRY, "quota",
     "Resume after midnight in Beijing, when the daily quota is renewed."},
    {WXTP_ERR_RATE, WXTP_ADVICE_RETRY, "rate", "Resume in a minute, with a lower rate."},
    {WXTP_ERR_UNAVAILABLE, WXTP_ADVICE_RETRY, "unavailable",
     "Check the network, the proxy and WeChat's state, then try again."},
    {WXTP_ERR_WECHAT, WXTP_ADVICE_NONE, "wechat",
     "Look the errcode up in WeChat's documentation; give its support the rid."},
    {WXTP_ERR_INTERRUPTED, WXTP_ADVICE_RETRY, "interrupted", "Run the same again to go on."},
    {WXTP_ERR_SUSPECT_LIST, WXTP_ADVICE_DECIDE, "suspect_list",
     "Check that the openids belong to this account; if they do, go on by force."},
    {WXTP_ERR_CANCELLED, WXTP_ADVICE_NONE, "partial",
     "Start a new job for what is pending, if it is still wanted."},
    {WXTP_ERR_DEADLINE, WXTP_ADVICE_NONE, "deadline",
     "Submit it again with a later deadline, if it is still wanted."},
};

static const usual other = {WXTP_ERR_INTERNAL, WXTP_ADVICE_NONE, "internal",
                            "This is a defect; report it with this message and the version."};

static const usual *usual_of(wxtp_status status)
{
    for (size_t at = 0; at < sizeof(usuals) / sizeof(usuals[0]); at++) {
        if (usuals[at].status == status) {
            return &usuals[at];
        }
    }
    return &other;
}

/* Given out when there is no memory for another; never written to. */
static const wx_err out_of_memory = {
    .status = WXTP_ERR_NOMEM,
    .advice = WXTP_ADVICE_RETRY,
    .kind = "internal",
    .message = "out of memory",
    .hint = "Free some memory on this machine or raise the limit, then try again.",
    .is_static = true,
};

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void fill(wx_err *err, wxtp_status status, const char *format, va_list args) WXTP_PRINTF(3, 0);
static void fill(wx_err *err, wxtp_status status, const char *format, va_list args)
{
    assert(err && status != WXTP_OK);
    /* Formatted beside `err`, because the arguments may point into it. */
    char message[sizeof(err->message)] = "";
    (void)vsnprintf(message, sizeof(message), format, args);
    wx_text_one_line(message);
    wx_err_clear(err);
    const usual *what = usual_of(status);
    err->status = status;
    err->advice = what->advice;
    (void)wx_copy(err->kind, sizeof(err->kind), what->kind);
    (void)wx_copy(err->hint, sizeof(err->hint), what->hint);
    (void)wx_copy(err->message, sizeof(err->message), message);
    OPENSSL_cleanse(message, sizeof(message));
}

wxtp_status(wx_fail)(wx_err *err, wxtp_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, format, args);
    va_end(args);
    return status;
}

wxtp_status(wx_fail_after)(wx_err *err, wxtp_status status, const char *format, ...)
{
    const wx_err answered = *err;
    va_list args;
    va_start(args, format);
    fill(err, status, format, args);
    va_end(args);
    err->errcode = answered.errcode;
    (void)wx_copy(err->rid, sizeof(err->rid), answered.rid);
    wx_err_tenant(err, answered.tenant);
    return status;
}

wxtp_status(wx_fail_nomem)(wx_err *err)
{
    return wx_fail(err, WXTP_ERR_NOMEM, "%s", out_of_memory.message);
}

void wx_err_clear(wx_err *err)
{
    *err = (wx_err){.status = WXTP_OK};
}

void wx_err_settle(wx_err *err)
{
    const wx_err answered = *err;
    wx_err_clear(err);
    err->errcode = answered.errcode;
    (void)wx_copy(err->rid, sizeof(err->rid), answered.rid);
}

void wx_err_hint(wx_err *err, const char *format, ...)
{
    char hint[sizeof(err->hint)] = "";
    va_list args;
    va_start(args, format);
    (void)vsnprintf(hint, sizeof(hint), format, args);
    va_end(args);
    wx_text_one_line(hint);
    (void)wx_copy(err->hint, sizeof(err->hint), hint);
    OPENSSL_cleanse(hint, sizeof(hint));
}

void wx_err_kind(wx_err *err, const char *kind)
{
    (void)wx_copy(err->kind, sizeof(err->kind), kind);
}

void wx_err_tenant(wx_err *err, const char *appid)
{
    (void)wx_copy(err->tenant, sizeof(err->tenant), appid);
}

const char *wx_status_kind(wxtp_status status)
{
    return status == WXTP_OK ? "" : usual_of(status)->kind;
}

wxtp_status wx_err_give(wxtp_error **out, const wxtp_allocator *allocator, const wx_err *err)
{
    assert(err);
    if (!out || err->status == WXTP_OK) {
        return err->status;
    }
    wxtp_error *copy = wx_alloc(allocator, sizeof(*copy));
    if (!copy) {
        /* Its readers take it as const, and wxtp_error_free leaves it alone. */
        *out = (wxtp_error *)&out_of_memory;
        return err->status;
    }
    *copy = *err;
    copy->is_static = false;
    *out = copy;
    return err->status;
}

/* How many bytes at `text` are a secret, or what a cut has left of one. */
static size_t secret_at(const char *text, const char *const *secrets, int count)
{
    size_t longest = 0;
    for (int at = 0; at < count; at++) {
        size_t len = secrets[at] ? strlen(secrets[at]) : 0;
        if (len < SECRET_MIN) {
            continue;
        }
        size_t same = 0;
        while (same < len && text[same] == secrets[at][same]) {
            same++;
        }
        bool cut = same >= SECRET_MIN && text[same] == '\0';
        if ((same == len || cut) && same > longest) {
            longest = same;
        }
    }
    return longest;
}

void wx_redact(char *text, const char *const *secrets, int count)
{
    if (!text) {
        return;
    }
    size_t len = strlen(text);
    size_t to = 0;
    size_t hidden_until = 0;
    for (size_t from = 0; from < len; from++) {
        size_t secret = secret_at(text + from, secrets, count);
        if (secret > 0 && from + secret > hidden_until) {
            hidden_until = from + secret;
        }
        if (from >= hidden_until) {
            text[to++] = text[from];
        } else if (from + 1 == hidden_until && secret_at(text + from + 1, secrets, count) == 0) {
            /* Written behind the last byte read, so that secrets which overlap are seen whole. */
            memcpy(text + to, mark, sizeof(mark) - 1);
            to += sizeof(mark) - 1;
        }
    }
    OPENSSL_cleanse(text + to, len - to);
    text[to] = '\0';
}

void wx_redact_runs(char *text, bool cut)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-@=+";
    const size_t len = strlen(text);
    size_t to = 0;
    for (size_t from = 0; from < len;) {
        const size_t run = strspn(text + from, alphabet);
        const bool hidden = run >= RUN_MIN || (cut && from + run == len);
        const size_t taken = run > 0 ? run : 1;
        const size_t put = hidden && taken >= sizeof(mark) ? sizeof(mark) - 1 : taken;
        memmove(text + to, hidden ? mark : text + from, put);
        to += put;
        from += taken;
    }
    OPENSSL_cleanse(text + to, len - to);
    text[to] = '\0';
}

void wx_err_redact(wx_err *err, const char *const *secrets, int count)
{
    wx_redact(err->message, secrets, count);
    wx_redact(err->hint, secrets, count);
}

wxtp_status wxtp_error_status(const wxtp_error *error)
{
    return error ? error->status : WXTP_OK;
}

const char *wxtp_error_kind(const wxtp_error *error)
{
    return or_empty(error ? error->kind : NULL);
}

const char *wxtp_error_message(const wxtp_error *error)
{
    return or_empty(error ? error->message : NULL);
}

const char *wxtp_error_hint(const wxtp_error *error)
{
    return or_empty(error ? error->hint : NULL);
}

wxtp_advice wxtp_error_advice(const wxtp_error *error)
{
    return error ? error->advice : WXTP_ADVICE_NONE;
}

int64_t wxtp_error_errcode(const wxtp_error *error)
{
    return error ? error->errcode : 0;
}

const char *wxtp_error_rid(const wxtp_error *error)
{
    return or_empty(error ? error->rid : NULL);
}

const char *wxtp_error_tenant(const wxtp_error *error)
{
    return or_empty(error ? error->tenant : NULL);
}

int64_t wxtp_error_retry_after_ms(const wxtp_error *error)
{
    return error ? error->retry_after_ms : 0;
}

void wxtp_error_free(wxtp_error *error)
{
    if (error && !error->is_static) {
        wx_free(error);
    }
}
