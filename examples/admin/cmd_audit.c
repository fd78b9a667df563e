#include "commands.h"
#include "output.h"
#include <string.h>

enum { COLUMNS = 8 };

static void put_json(ad_list *list, const wxtp_audit_row *row)
{
    ad_json *json = ad_list_row_begin(list);

    ad_json_int(json, "id", row->id);
    ad_json_time(json, "time", row->time_ms);
    ad_json_string(json, "tenant", row->appid);
    ad_json_string(json, "call", row->call);
    ad_json_string_or_null(json, "job", row->job_id);
    ad_json_int(json, "openids", row->openids);
    ad_json_int(json, "errcode", row->errcode);
    ad_json_string(json, "errmsg", row->errmsg ? row->errmsg : "");
    ad_json_string(json, "rid", row->rid ? row->rid : "");
    ad_json_int(json, "duration_ms", row->duration_ms);
    ad_json_int(json, "token_version", row->token_generation);
    ad_list_row_end(list);
}

/* The rid has its own column: "invalid openid rid: 1-2-3" without its end. */
static void without_rid(char *to, size_t size, const char *errmsg, const char *rid)
{
    static const char mark[] = "rid:";
    char *at, *after;

    ad_copy(to, size, errmsg);
    at = *rid ? strstr(to, rid) : NULL;
    if (!at)
        return;
    after = at + strlen(rid);
    while (at > to && at[-1] == ' ')
        at--;
    if ((size_t)(at - to) >= sizeof mark - 1 && strncmp(at - (sizeof mark - 1), mark, sizeof mark - 1) == 0)
        at -= sizeof mark - 1;
    while (at > to && strchr(" ,", at[-1]))
        at--;
    memmove(at, after, strlen(after) + 1);
}

static bool on_row(void *user, const wxtp_audit_row *row)
{
    ad_list *list = user;
    char time[AD_TIME_SIZE], openids[24], errcode[24], duration[24], errmsg[1024];
    const char *rid = row->rid ? row->rid : "";

    if (ad_list_json(list)) {
        put_json(list, row);
        return ad_output_ok(list->app);
    }
    ad_time_local(row->time_ms, time);
    without_rid(errmsg, sizeof errmsg, row->errmsg ? row->errmsg : "", rid);
    snprintf(openids, sizeof openids, "%lld", (long long)row->openids);
    snprintf(errcode, sizeof errcode, "%lld", (long long)row->errcode);
    snprintf(duration, sizeof duration, "%lld", (long long)row->duration_ms);
    const char *cells[COLUMNS] = {time, row->appid, row->call, openids, errcode, errmsg, rid, duration};
    ad_list_row(list, cells);
    return ad_output_ok(list->app);
}

int ad_check_audit(ad_app *app)
{
    const char *since = ad_text(app, OPT_SINCE);
    int64_t since_ms;

    if (since && !ad_time_parse(since, ad_now_ms(), &since_ms))
        return ad_fail_usage(&app->failure, "write 2026-01-31T08:00:00Z, or an age as in 90m, 1h, 2d",
                             "--since: \"%.40s\" is no time", since);
    return AD_EXIT_OK;
}

int ad_audit(ad_app *app)
{
    static const char *const headings[COLUMNS] = {"TIME",    "TENANT", "CALL", "OPENIDS",
                                                  "ERRCODE", "ERRMSG", "RID",  "MS"};
    const char *since = ad_text(app, OPT_SINCE);
    int64_t since_ms = 0;
    wxtp_error *error = NULL;
    ad_list list;
    int code;

    if (since)
        ad_time_parse(since, ad_now_ms(), &since_ms); /* it was checked */
    ad_list_init(&list, app, "audit", headings, COLUMNS);
    wxtp_status status = wxtp_audit_list(app->platform, ad_text(app, OPT_TENANT), since_ms,
                                         (size_t)ad_number(app, OPT_LIMIT, 100), on_row, &list, &error);
    code = status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(&app->failure, status, &error);
    if (code == AD_EXIT_OK || list.opened) {
        int ended = ad_list_end(&list, NULL);
        code = code != AD_EXIT_OK ? code : ended;
    }
    ad_list_free(&list);
    return code;
}
