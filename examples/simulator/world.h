/* The virtual WeChat: platforms, merchants, who authorized whom, and every token with its life. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

enum token_kind {
    TOKEN_TICKET,
    TOKEN_COMPONENT,
    TOKEN_PRE_AUTH_CODE,
    TOKEN_CODE,
    TOKEN_ACCESS,
    TOKEN_REFRESH,
    TOKEN_STABLE,
    TOKEN_OWN,
    TOKEN_CLOUD,
};

enum account_kind { KIND_SERVICE, KIND_SUBSCRIPTION, KIND_MINI_PROGRAM, KIND_CHANNELS };

enum { APPID_SIZE = 64, LARGEST_SET = 255, BEIJING_AHEAD_S = 28800, LIFE_MOST_S = 1000000000 };

struct component;
struct merchant;
struct authorization;

/* One line of tokens of one owner; the newest is last and has the highest generation. */
struct credential {
    unsigned generation;
    unsigned kept;
    struct token *tokens;
};

struct token {
    char *text;
    enum token_kind kind;
    unsigned generation;
    int64_t issued_ms, expires_ms, dead_ms;
    bool used;
    struct component *component;
    struct merchant *merchant;
    struct authorization *authorization;
    struct credential *line;
    struct token *prev, *next;
    UT_hash_handle hh;
};

struct authorization {
    char appid[APPID_SIZE];
    bool authorized, exchanged;
    int64_t auth_time_ms;
    uint64_t sets[(LARGEST_SET + 1) / 64];
    char location_report[8], voice_recognize[8], customer_service[8];
    struct credential codes, access, refresh;
    unsigned refreshes, exchanges;
    UT_hash_handle hh;
};

struct component {
    char appid[APPID_SIZE];
    char *appsecret;
    char *push_token, *aes_key;
    char *previous_push_token, *previous_aes_key;
    char *callback_url;
    bool ip_allowed, pushing, ticket_due;
    int64_t last_ticket_ms;
    struct credential tickets, tokens, pre_auth_codes;
    struct authorization *authorizations;
    UT_hash_handle hh;
};

/* A user as one account knows it. errcode is what a call that names it is answered, 0 for none. */
struct person {
    char *openid;
    bool blacklisted;
    int errcode;
    uint64_t place;
    struct person *prev, *next;
    UT_hash_handle hh;
};

struct merchant {
    char appid[APPID_SIZE];
    enum account_kind kind;
    int64_t service_type, verify_type, account_status;
    bool organisation, any_openid_valid, ip_allowed, api_rights;
    char *nick_name, *principal_name, *user_name, *alias, *appsecret;
    int64_t token_life_s; /* 0: as the settings say */
    int64_t daily_quota;  /* -1: as the settings say */
    uint64_t sets[(LARGEST_SET + 1) / 64];
    struct person *people, *blacklist;
    uint64_t blacklisted, next_place;
    struct credential stable, own;
    int64_t forced_ms, forced_day;
    unsigned forced_today;
    uint64_t calls, refreshes;
    UT_hash_handle hh;
};

/* Calls of one account to one path, today and in this minute. */
struct counter {
    char *name;
    int64_t day, minute;
    int64_t today, this_minute, ever;
    UT_hash_handle hh;
};

struct cloud {
    struct credential tokens;
    char owner[APPID_SIZE];
    bool token_less;
    struct json_object *paths;       /* white list, NULL: every path */
    struct json_object *from_appids; /* accounts that share their resources, or NULL */
};

struct world {
    struct settings settings;
    int64_t offset_ms;
    struct component *components;
    struct merchant *merchants;
    struct token *tokens;
    struct counter *counters;
    struct cloud cloud;
};

void world_open(struct world *world);
void world_close(struct world *world);

/* Virtual time: that of the machine plus what /sim/time added. */
int64_t world_now_ms(const struct world *world);

/* The day and minute in Beijing, by which quotas are counted. */
int64_t beijing_day(int64_t now_ms);

struct component *component_find(const struct world *world, const char *appid);
struct component *component_add(struct world *world, const char *appid);
struct merchant *merchant_find(const struct world *world, const char *appid);
struct merchant *merchant_add(struct world *world, const char *appid);
struct authorization *authorization_find(const struct component *component, const char *appid);
struct authorization *authorization_add(struct component *component, const char *appid);

bool set_has(const uint64_t *sets, int64_t id);
void set_put(uint64_t *sets, int64_t id);

bool merchant_certified(const struct merchant *merchant);
const char *account_kind_name(enum account_kind kind);
bool account_kind_read(const char *name, enum account_kind *kind);

struct token_owner {
    struct component *component;
    struct merchant *merchant;
    struct authorization *authorization;
};

/* A new token at the end of the line; text NULL draws one. */
struct token *token_mint(struct world *world, struct credential *line, enum token_kind kind, int64_t life_s,
                         struct token_owner owner, const char *text);
struct token *token_find(const struct world *world, const char *text);
const char *token_kind_name(enum token_kind kind);
bool token_alive(const struct token *token, int64_t now_ms);

/* The newest one alive, or NULL. */
struct token *credential_newest(const struct credential *line, int64_t now_ms);

/* Every token of the line but the one kept dies at the given time, unless it is dead sooner. */
void credential_retire(struct credential *line, const struct token *keep, int64_t dead_ms);

struct person *person_find(const struct merchant *merchant, const char *openid);
struct person *person_know(struct merchant *merchant, const char *openid);
void person_blacklist(struct merchant *merchant, struct person *person, bool blacklisted);

struct counter *counter_of(struct world *world, const char *appid, const char *path);

/* The counter brought to the present day and minute. */
void counter_turn(struct counter *counter, int64_t now_ms);

/* Letters and digits drawn at random, size of them and a NUL. */
void random_text(char *text, size_t size);

#endif
