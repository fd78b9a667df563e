#include "commands.h"
#include "output.h"
#include <string.h>

enum { COLUMNS = 6, DIGEST = 32 };

static bool on_push(void *user, const wxtp_push_row *row)
{
    ad_list *list = user;
    char id[2 * DIGEST + 1] = "", time[AD_TIME_SIZE];

    if (row->digest.len == DIGEST)
        ad_hex(row->digest.data, DIGEST, id);
    if (ad_list_json(list)) {
        ad_json *json = ad_list_row_begin(list);
        ad_json_string(json, "id", id);
        ad_json_time(json, "received_at", row->received_ms);
        ad_json_time(json, "create_time", row->create_time_s * 1000);
        ad_json_string(json, "event", row->event);
        ad_json_string_or_null(json, "tenant", row->appid);
        ad_json_bool(json, "applied", row->applied);
        ad_json_string_or_null(json, "why", row->why);
        ad_list_row_end(list);
        return ad_output_ok(list->app);
    }
    id[AD_PUSH_ID] = '\0';
    ad_time_local(row->received_ms, time);
    const char *cells[COLUMNS] = {time, id, row->event, row->appid, row->applied ? "yes" : "no", row->why};
    ad_list_row(list, cells);
    return ad_output_ok(list->app);
}

int ad_push_list(ad_app *app)
{
    static const char *const headings[COLUMNS] = {"RECEIVED", "ID", "EVENT", "TENANT", "APPLIED", "WHY"};
    const char *since = ad_text(app, OPT_SINCE);
    int64_t since_ms = 0;
    wxtp_error *error = NULL;
    ad_list list;

    if (since)
        ad_time_parse(since, ad_now_ms(), &since_ms); /* it was checked */
    ad_list_init(&list, app, "pushes", headings, COLUMNS);
    wxtp_status status = wxtp_push_list(app->platform, ad_text(app, OPT_TENANT), since_ms,
                                        (size_t)ad_number(app, OPT_LIMIT, 100), on_push, &list, &error);
    int code = status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(&app->failure, status, &error);
    return ad_list_close(&list, code, NULL);
}
