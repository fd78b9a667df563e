/* A push in memory: what the public getters read and what finishing it needs. */
#ifndef WX_FLOW_PUSH_STATE_H
#define WX_FLOW_PUSH_STATE_H

#include <wxtp/push.h>

#include "base/err.h"
#include "codec/xml.h"
#include "domain/tenant.h"

typedef enum wx_push_kind {
    WX_PUSH_EVENT = 0, /* has an InfoType */
    WX_PUSH_MESSAGE,   /* has a MsgType: a follower's message or event */
} wx_push_kind;

struct wxtp_push {
    wx_core *core;
    wx_push_kind kind;
    char *event; /* InfoType or MsgType; "" where there is neither */
    char component[WX_APPID_MAX];
    char authorizer[WX_APPID_MAX]; /* "" where the push names none */
    int64_t create_time_s;         /* 0 where it is missing */
    bool applied;
    char why[160];    /* "" where applied */
    bool seen_before; /* why: a replay */
    bool older;       /* why: older than what is stored */
    char id[65];      /* hex of the digest of the decrypted text */
    unsigned char digest[32];
    char source[WX_SOURCE_MAX]; /* how what it teaches names it: "push EVENT ID" */
    char *reply;                /* never NULL once received */
    wx_xml fields;              /* of the inner XML */
    char *code;                 /* secret; NULL where the push brings none, or none that counts */
    char *test_user;            /* release test: whom CODE_from_api is sent to; else NULL */
    bool ask_info;              /* only WeChat can tell whether this event is news */
    bool previous_key;          /* sealed with the previous AES key: so is the reply */
};

/* NULL does nothing. */
void wx_push_free(wxtp_push *push);
/* A field of the inner XML but secrets; NULL where there is none. */
const char *wx_push_field(const wxtp_push *push, const char *name);

#endif
