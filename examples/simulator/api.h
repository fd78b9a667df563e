/* The WeChat calls: what each wants, and what is checked before it is carried out. */
#ifndef SIM_API_H
#define SIM_API_H

#include "http.h"
#include "simulator.h"

#include <json-c/json.h>

/* Whose token a path wants. */
enum route_token { ROUTE_OPEN, ROUTE_COMPONENT, ROUTE_ACCOUNT, ROUTE_EITHER };

struct call;

struct route {
    const char *path;
    const char *method;
    enum route_token token;
    bool official_only;   /* official accounts alone, certified, of an organisation */
    bool literal_escapes; /* \uXXXX in the body is not decoded */
    bool no_cloud;        /* not to be had as a cloud call */
    bool unmetered;       /* costs no quota */
    bool bare;            /* a successful answer has no errcode */
    int sets[4];          /* any one of these, 0 ends; none: no set needed */
    int (*carry_out)(struct simulator *simulator, struct call *call, struct json_object *answer);
};

struct call {
    const struct request *request;
    const struct route *route; /* NULL: no such path */
    struct json_object *body;  /* NULL: no JSON object */
    const char *token_text;    /* the query's, before any @appid is cut off */
    struct token *token;
    struct component *component;
    struct merchant *merchant;
    struct authorization *authorization;
    bool cloud; /* by cloudbase_access_token, or without any token */
    char about[APPID_SIZE], about_component[APPID_SIZE];
    const char *errmsg; /* overrides the usual text of the errcode */
};

const struct route *route_find(const char *path);

/* Finds out who calls, without judging. */
void call_identify(struct simulator *simulator, struct call *call);

/* Every check in WeChat's order, then the call itself; *body is the answer's text. */
int call_carry_out(struct simulator *simulator, struct call *call, const char *rid, char **body,
                   unsigned *http_status);

/* Counts one call of that account to that path: 0, 45009 or 45011. */
int quota_take(struct simulator *simulator, const char *appid, const char *path);

/* An error answer's text. */
char *error_body(const struct simulator *simulator, int64_t errcode, const char *errmsg, const char *rid);

/* One WeChat request from arrival to answer; not under the lock. */
void wechat_answer(struct simulator *simulator, const struct request *request, struct answer *answer);

#define SIM_CALL(name) int name(struct simulator *simulator, struct call *call, struct json_object *answer)
SIM_CALL(call_component_token);
SIM_CALL(call_start_push_ticket);
SIM_CALL(call_create_preauthcode);
SIM_CALL(call_query_auth);
SIM_CALL(call_authorizer_token);
SIM_CALL(call_authorizer_info);
SIM_CALL(call_authorizer_list);
SIM_CALL(call_get_option);
SIM_CALL(call_set_option);
SIM_CALL(call_stable_token);
SIM_CALL(call_own_token);
SIM_CALL(call_batch_unblacklist);
SIM_CALL(call_batch_blacklist);
SIM_CALL(call_get_blacklist);
SIM_CALL(call_custom_send);
SIM_CALL(call_quota_get);
SIM_CALL(call_rid_get);
SIM_CALL(call_clear_quota);
SIM_CALL(call_clear_quota_v2);
SIM_CALL(call_component_clear_quota);

#endif
