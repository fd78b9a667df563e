/* The release test that WeChat runs over a platform before it may go into the network. */
#include "api.h"
#include "control.h"
#include "json.h"
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char TESTER[] = "ozy4qt1eDxSxzCr0aNT0mXCWfrDE";
static const char TEXT[] = "TESTCOMPONENT_MSG_TYPE_TEXT";

struct test_account {
    const char *name, *appid, *user_name;
    enum account_kind kind;
    int sets[4];
};

static const struct test_account ACCOUNTS[] = {
    {"official", "wx570bc396a51b8ff8", "gh_3c884a361561", KIND_SERVICE, {1, 2, 6, 15}},
    {"mini", "wxd101a85aa106f53e", "gh_8dad206e9538", KIND_MINI_PROGRAM, {17, 18, 19, 25}},
};

static const char *const CASES[] = {"event", "text", "code"};

static struct merchant *account_of(struct world *world, const struct test_account *account)
{
    struct merchant *merchant = merchant_find(world, account->appid);
    if (merchant)
        return merchant;
    merchant = merchant_add(world, account->appid);
    merchant->kind = account->kind;
    merchant->service_type = account->kind == KIND_SERVICE ? 2 : 0;
    sim_replace(&merchant->user_name, account->user_name);
    for (size_t i = 0; i < 4; i++)
        set_put(merchant->sets, account->sets[i]);
    person_know(merchant, TESTER);
    return merchant;
}

#define MESSAGE_HEAD                                                                                         \
    "<xml><ToUserName><![CDATA[%s]]></ToUserName><FromUserName><![CDATA[%s]]></FromUserName>"                \
    "<CreateTime>%lld</CreateTime>"

static char *case_xml(struct control *control, struct component *component,
                      const struct test_account *account, const char *kind)
{
    struct world *world = &control->simulator->world;
    long long seconds = (long long)(world_now_ms(world) / 1000);
    if (strcmp(kind, "event") == 0)
        return sim_format(MESSAGE_HEAD
                          "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[LOCATION]]></Event>"
                          "<Latitude>23.1</Latitude><Longitude>113.3</Longitude></xml>",
                          account->user_name, TESTER, seconds);
    char *content = sim_copy(TEXT);
    if (strcmp(kind, "code") == 0) {
        free(content);
        content = sim_format("QUERY_AUTH_CODE:%s",
                             control_new_code(control, component, account_of(world, account))->text);
    }
    char *xml = sim_format(MESSAGE_HEAD "<MsgType><![CDATA[text]]></MsgType><Content><![CDATA[%s]]></Content>"
                                        "<MsgId>%lld</MsgId></xml>",
                           account->user_name, TESTER, seconds, content, seconds);
    free(content);
    return xml;
}

static void make_cases(struct control *control, struct component *component)
{
    struct json_object *cases = json_object_new_array();
    for (size_t account = 0; account < 2; account++) {
        account_of(&control->simulator->world, &ACCOUNTS[account]);
        for (size_t kind = 0; kind < 3; kind++) {
            struct push push = {0};
            char *xml = case_xml(control, component, &ACCOUNTS[account], CASES[kind]);
            char *name = sim_format("%s-%s", ACCOUNTS[account].name, CASES[kind]);
            struct push_order order = {.xml = xml, .to_user_name = ACCOUNTS[account].user_name};
            if (push_make(control->simulator, component, &order, &push)) {
                struct json_object *one = json_object_new_object();
                json_put_text(one, "name", name);
                json_put_text(one, "appid", ACCOUNTS[account].appid);
                json_put(one, "push", push_show(&push));
                json_object_array_add(cases, one);
            }
            push_free(&push);
            free(name);
            free(xml);
        }
    }
    json_put(control->answer, "cases", cases);
}

/* The text of the first <name>, with or without CDATA; NULL when there is none. */
static char *xml_field(const char *xml, const char *name)
{
    static const char CDATA[] = "<![CDATA[";
    char *open = sim_format("<%s>", name);
    char *close = sim_format("</%s>", name);
    const char *start = strstr(xml, open);
    const char *end = start ? strstr(start, close) : NULL;
    char *text = NULL;
    if (end) {
        start += strlen(open);
        if (strncmp(start, CDATA, sizeof CDATA - 1) == 0 && end - start >= (ptrdiff_t)sizeof CDATA + 2) {
            start += sizeof CDATA - 1;
            end -= 3;
        }
        text = sim_copy_n(start, (size_t)(end - start));
    }
    free(open);
    free(close);
    return text;
}

static bool field_is(const char *xml, const char *name, const char *wanted)
{
    char *text = xml_field(xml, name);
    bool is = text && strcmp(text, wanted) == 0;
    free(text);
    return is;
}

/* NULL when the sealed reply is as it must be, else what is wrong. */
static const char *judge_reply(const struct component *component, const struct test_account *account,
                               const char *body, const char *wanted)
{
    char signature[SIGNATURE_SIZE];
    const char *why = "not a sealed reply";
    char *encrypt = xml_field(body, "Encrypt");
    char *given = xml_field(body, "MsgSignature");
    char *timestamp = xml_field(body, "TimeStamp");
    char *nonce = xml_field(body, "Nonce");
    char *message = NULL;
    if (encrypt && given && timestamp && nonce) {
        seal_sign(component->push_token, timestamp, nonce, encrypt, signature);
        why = "signature";
        if (strcmp(signature, given) == 0)
            message = seal_open(component->aes_key, component->appid, encrypt, &why);
    }
    if (message) {
        why = !field_is(message, "ToUserName", TESTER)                 ? "ToUserName"
              : !field_is(message, "FromUserName", account->user_name) ? "FromUserName"
              : !field_is(message, "MsgType", "text")                  ? "MsgType"
              : !field_is(message, "Content", wanted)                  ? "Content"
                                                                       : NULL;
    }
    free(message);
    free(encrypt);
    free(given);
    free(timestamp);
    free(nonce);
    return why;
}

/* Has the account sent the tester `CODE_from_api` by its own token? */
static bool code_was_sent(const struct simulator *simulator, const struct component *component,
                          const struct test_account *account)
{
    const struct authorization *authorization = authorization_find(component, account->appid);
    const struct token *code =
        authorization && authorization->codes.tokens ? authorization->codes.tokens->prev : NULL;
    if (!code)
        return false;
    char *wanted = sim_format("%s_from_api", code->text);
    bool sent = false;
    for (uint64_t seq = simulator->journal.first; !sent && seq < simulator->journal.next; seq++) {
        const struct journal_entry *entry = journal_entry(&simulator->journal, seq);
        if (!entry->applied || !entry->body ||
            !journal_matches(entry, "/cgi-bin/message/custom/send", account->appid))
            continue;
        struct json_object *body = json_parse_object(entry->body, strlen(entry->body));
        const char *content = json_text(json_get(body, "text"), "content");
        sent =
            content && strcmp(content, wanted) == 0 && strcmp(json_text_or(body, "touser", ""), TESTER) == 0;
        json_object_put(body);
    }
    free(wanted);
    return sent;
}

static const char *judge_case(const struct simulator *simulator, const struct component *component,
                              const char *name, const char *body)
{
    for (size_t i = 0; i < 2; i++) {
        const struct test_account *account = &ACCOUNTS[i];
        size_t size = strlen(account->name);
        if (strncmp(name, account->name, size) != 0 || name[size] != '-')
            continue;
        if (strcmp(name + size, "-event") == 0)
            return judge_reply(component, account, body, "LOCATIONfrom_callback");
        if (strcmp(name + size, "-text") == 0)
            return judge_reply(component, account, body, "TESTCOMPONENT_MSG_TYPE_TEXT_callback");
        if (strcmp(name + size, "-code") == 0 && body[0])
            return "the answer is not empty";
        if (strcmp(name + size, "-code") == 0)
            return code_was_sent(simulator, component, account) ? NULL : "CODE_from_api was not sent";
    }
    return "no such case";
}

static void judge(struct control *control, const struct component *component, struct json_object *answers)
{
    struct json_object *verdicts = json_object_new_array();
    size_t count = json_object_array_length(answers);
    struct json_object *seen = json_object_new_object();
    bool passed = true;
    for (size_t i = 0; i < count; i++) {
        struct json_object *answer = json_object_array_get_idx(answers, i);
        const char *name = json_text_or(answer, "name", "");
        const char *why = judge_case(control->simulator, component, name, json_text_or(answer, "body", ""));
        struct json_object *verdict = json_object_new_object();
        json_put_text(verdict, "name", name);
        json_put_flag(verdict, "ok", why == NULL);
        if (why)
            json_put_text(verdict, "why", why);
        json_object_array_add(verdicts, verdict);
        json_put_flag(seen, name, true);
        passed = passed && !why;
    }
    /* Each of the cases, and each of them well. */
    json_put_flag(control->answer, "passed", passed && json_object_object_length(seen) == 6);
    json_object_put(seen);
    json_put(control->answer, "verdicts", verdicts);
}

void control_release_test(struct control *control)
{
    if (!json_only(control->order, "component_appid answers", control->why, sizeof control->why))
        return;
    struct component *component = control_component(control);
    struct json_object *answers = json_get(control->order, "answers");
    if (!component)
        return;
    if (json_object_is_type(answers, json_type_array))
        judge(control, component, answers);
    else
        make_cases(control, component);
}
