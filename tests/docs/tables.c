/* Prints a table of docs/ from the tables of the code, as Markdown: tables
 * errcodes|statuses|reasons|settings. */
#include <stdio.h>
#include <string.h>
#include <wxtp/config.h>

#include "base/err.h"
#include "codec/errcode.h"
#include "domain/gate.h"

/* A cell may hold no bar. */
static void put_cell(const char *text)
{
    fputs("| ", stdout);
    for (; *text; text++) {
        fputs(*text == '|' ? "\\|" : (const char[]){*text, '\0'}, stdout);
    }
    fputs(" ", stdout);
}

static void put_row(const char *const *cells, size_t count)
{
    for (size_t at = 0; at < count; at++) {
        put_cell(cells[at]);
    }
    puts("|");
}

#define ROW(...)                                                                                             \
    put_row((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* ---- Errcodes ---- */

static const char *class_word(wx_errcode_class class_)
{
    static const char *const words[] = {
        [WX_ERRCODE_OK] = "success",
        [WX_ERRCODE_BUSY] = "back off, try again; then pause",
        [WX_ERRCODE_TOKEN] = "once more with a newer token; refused twice, pause",
        [WX_ERRCODE_REFRESH_TOKEN_DEAD] = "recover: again, spares, info, list",
        [WX_ERRCODE_CODE_BAD] = "ask info if an exchange was open; else the code is bad",
        [WX_ERRCODE_BAD_OPENID] = "search the batch by halves",
        [WX_ERRCODE_TOO_MANY] = "search the batch by halves",
        [WX_ERRCODE_CONFIGURATION] = "stop",
        [WX_ERRCODE_OUR_BUG] = "fail the call",
        [WX_ERRCODE_QUOTA] = "pause, remember until when",
        [WX_ERRCODE_RATE] = "wait for the next minute, slow down; then pause",
        [WX_ERRCODE_NO_RIGHT] = "read the profile again; keep the refusal if it still says yes",
        [WX_ERRCODE_RESTRICTED] = "read the profile again",
        [WX_ERRCODE_UNAUTHORIZED] = "ask info; it decides",
        [WX_ERRCODE_TICKET] = "ask WeChat to push tickets; stop",
        [WX_ERRCODE_OPENID_REFUSED] = "search the batch by halves; that openid is failed",
        [WX_ERRCODE_UNKNOWN] = "fail the call; ten batches in a row, pause",
    };
    return words[class_];
}

static void put_errcode(const wx_errcode *row, const char *number)
{
    ROW(number, row->meaning, class_word(row->class_), wxtp_status_name(wx_errcode_status(row->class_)),
        row->hint);
}

static void put_errcodes(void)
{
    int count = 0;
    const wx_errcode *rows = wx_errcode_all(&count);
    puts("| errcode | meaning | what the library does | status if nothing helps | what you can do |");
    puts("|---|---|---|---|---|");
    for (int at = 0; at < count; at++) {
        char number[24];
        snprintf(number, sizeof(number), "%lld", (long long)rows[at].errcode);
        put_errcode(&rows[at], number);
    }
    put_errcode(wx_errcode_find(-123456), "any other");
}

/* ---- Statuses ---- */

static void put_statuses(void)
{
    for (int value = 0; value > -1000; value--) {
        const char *name = wxtp_status_name((wxtp_status)value);
        if (strcmp(name, "WXTP_ERR_UNKNOWN") == 0) {
            continue;
        }
        char number[16];
        wx_err err = {.status = WXTP_OK};
        if (value != 0) {
            wx_fail(&err, (wxtp_status)value, "-");
        }
        snprintf(number, sizeof(number), "%d", value);
        ROW(name, number, err.kind, err.hint);
    }
}

/* ---- Reasons of the gate ---- */

static void put_reason(const wx_tenant *tenant, const wx_api *api, int64_t refused_errcode,
                       int64_t quota_until_ms)
{
    char hint[WX_HINT_MAX];
    const wx_gate_facts facts = {.tenant = tenant,
                                 .api = api,
                                 .now_ms = 1,
                                 .refused_until_ms = refused_errcode ? 2 : 0,
                                 .refused_errcode = refused_errcode,
                                 .quota_until_ms = quota_until_ms};
    const char *reason = wx_gate_judge(&facts, hint);
    char word[64];
    snprintf(word, sizeof(word), "`%s`", reason ? reason : "");
    ROW(word, hint);
}

static void put_reasons(void)
{
    size_t count = 0;
    const wx_api *apis = wx_catalog_builtin(&count);
    int sets[] = {2};
    wx_tenant good = {.row = wx_tenant_row_new("component", "APPID", 1), .sets = sets, .set_count = 1};
    good.row.status = WXTP_TENANT_AUTHORIZED;
    good.row.account = WXTP_ACCOUNT_SERVICE;
    good.row.verify_type = 0;
    good.row.profile_ms = 1;
    wx_tenant bad = good;
    puts("| reason | remedy |\n|---|---|");
    put_reason(NULL, &apis[0], 0, 0);
    bad.row.account = WXTP_ACCOUNT_MINI_PROGRAM;
    put_reason(&bad, &apis[0], 0, 0);
    bad = good;
    bad.row.status = WXTP_TENANT_UNAUTHORIZED;
    put_reason(&bad, &apis[0], 0, 0);
    bad.row.status = WXTP_TENANT_REAUTHORIZATION_REQUIRED;
    put_reason(&bad, &apis[0], 0, 0);
    bad = good;
    bad.row.account_status = 16;
    put_reason(&bad, &apis[0], 0, 0);
    put_reason(&good, &apis[0], 50002, 0);
    bad = good;
    bad.set_count = 0;
    put_reason(&bad, &apis[0], 0, 0);
    bad = good;
    bad.row.override_certified = 0;
    put_reason(&bad, &apis[0], 0, 0);
    put_reason(&good, &apis[0], 48001, 0);
    put_reason(&good, &apis[0], 0, 2);
    bad = good;
    bad.row.credential = WXTP_CREDENTIAL_CLOUD;
    put_reason(&bad, &apis[1], 0, 0);
}

/* ---- Settings ---- */

static void put_setting(void *user, const char *name, const char *type, const char *range,
                        const char *fallback, const char *meaning)
{
    char word[64], value[128] = "";
    (void)user;
    snprintf(word, sizeof(word), "`%s`", name);
    if (*fallback) {
        snprintf(value, sizeof(value), "`%s`", fallback);
    }
    ROW(word, type, range, value, meaning);
}

static void put_settings(void)
{
    puts("| setting | type | range | default | meaning |\n|---|---|---|---|---|");
    wxtp_config_each(put_setting, NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*put)(void);
    } all[] = {{"errcodes", put_errcodes},
               {"statuses", put_statuses},
               {"reasons", put_reasons},
               {"settings", put_settings}};
    for (size_t at = 0; argc == 2 && at < sizeof(all) / sizeof(all[0]); at++) {
        if (strcmp(argv[1], all[at].name) == 0) {
            all[at].put();
            return ferror(stdout) || fflush(stdout) != 0;
        }
    }
    fputs("usage: tables errcodes|statuses|reasons|settings\n", stderr);
    return 2;
}
