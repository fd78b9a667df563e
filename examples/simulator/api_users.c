/* The blacklist family and customer-service messages. */
#include "api.h"
#include "json.h"

#include <string.h>

enum { OPENIDS_MOST = 20, OPENID_LENGTH_MOST = 64 };

static bool could_be_openid(const char *openid)
{
    size_t size = strlen(openid);
    return size > 0 && size <= OPENID_LENGTH_MOST &&
           strspn(openid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == size;
}

/* 0, or what a call that names this user is answered. */
static int judge_openid(const struct simulator *simulator, const struct merchant *merchant,
                        const char *openid)
{
    int bad = (int)simulator->world.settings.bad_openid_errcode;
    if (!openid || !could_be_openid(openid))
        return bad;
    const struct person *person = person_find(merchant, openid);
    if (person && person->errcode)
        return person->errcode == 40003 ? bad : person->errcode;
    return person || merchant->any_openid_valid ? 0 : bad;
}

/* All are judged before any is touched: a batch is applied whole or not at all. */
static int change_blacklist(struct simulator *simulator, struct call *call, bool blacklisted)
{
    struct json_object *list = json_get(call->body, "openid_list");
    if (!list)
        return 40097;
    if (!json_object_is_type(list, json_type_array))
        return 47001;
    size_t count = json_object_array_length(list);
    if (count == 0 || count > OPENIDS_MOST)
        return 40032;
    for (size_t i = 0; i < count; i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        if (!json_object_is_type(one, json_type_string))
            return 47001;
        int errcode = judge_openid(simulator, call->merchant, json_plain_text(one));
        if (errcode)
            return errcode;
    }
    for (size_t i = 0; i < count; i++) {
        const char *openid = json_plain_text(json_object_array_get_idx(list, i));
        struct person *person =
            blacklisted ? person_know(call->merchant, openid) : person_find(call->merchant, openid);
        if (person)
            person_blacklist(call->merchant, person, blacklisted);
    }
    return 0;
}

SIM_CALL(call_batch_unblacklist)
{
    (void)answer;
    return change_blacklist(simulator, call, false);
}

SIM_CALL(call_batch_blacklist)
{
    (void)answer;
    return change_blacklist(simulator, call, true);
}

/* The first one of the page after begin_openid, which may have left the blacklist since. */
static bool page_start(const struct merchant *merchant, const char *begin, const struct person **start)
{
    *start = merchant->blacklist;
    if (!begin[0])
        return true;
    const struct person *person = person_find(merchant, begin);
    if (!person || !person->place)
        return false;
    if (person->blacklisted) {
        *start = person->next;
        return true;
    }
    while (*start && (*start)->place <= person->place)
        *start = (*start)->next;
    return true;
}

SIM_CALL(call_get_blacklist)
{
    const struct settings *settings = &simulator->world.settings;
    const struct merchant *merchant = call->merchant;
    const struct person *at = NULL;
    if (json_has(call->body, "begin_openid") && !json_text(call->body, "begin_openid"))
        return 47001;
    if (!page_start(merchant, json_text_or(call->body, "begin_openid", ""), &at))
        return (int)settings->bad_openid_errcode;
    struct json_object *openids = json_object_new_array();
    int64_t count = 0;
    const char *last = "";
    for (; at && count < settings->getblacklist_page; at = at->next, count++) {
        json_object_array_add(openids, json_object_new_string(at->openid));
        last = at->openid;
    }
    if (!at && strcmp(settings->getblacklist_end, "next_empty") == 0)
        last = "";
    struct json_object *data = json_object_new_object();
    json_put(data, "openid", openids);
    json_put_integer(answer, "total", (int64_t)merchant->blacklisted);
    json_put_integer(answer, "count", count);
    if (count == 0 && strcmp(settings->getblacklist_end, "no_data") == 0)
        json_object_put(data);
    else
        json_put(answer, "data", data);
    json_put_text(answer, "next_openid", last);
    return 0;
}

SIM_CALL(call_custom_send)
{
    (void)answer;
    const char *kind = json_text(call->body, "msgtype");
    const char *openid = json_text(call->body, "touser");
    if (!openid || !openid[0])
        return 40003;
    if (!kind || strcmp(kind, "text") != 0)
        return 40008;
    const char *content = json_text(json_get(call->body, "text"), "content");
    if (!content || !content[0])
        return 44004;
    return judge_openid(simulator, call->merchant, openid);
}
