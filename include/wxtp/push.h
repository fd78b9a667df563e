/**
 * @file push.h
 * What WeChat pushes to the platform: tickets, authorizations, messages.
 */
#ifndef WXTP_PUSH_H
#define WXTP_PUSH_H

#include <wxtp/platform.h>

WXTP_BEGIN_DECLS

typedef struct wxtp_push wxtp_push;

/**
 * Takes one push as it came over HTTP: verifies, decrypts, parses it and applies it to the store, once and in
 * WeChat's order. Only a push for which this returns WXTP_OK may be answered, with ::wxtp_push_reply. A code
 * that it brings is sealed and synced here, and exchanged by ::wxtp_push_finish or by any later call that
 * needs the tenant.
 *
 * @param query the query string, without "?". @param body, len the body's bytes, at most 1 MiB.
 * @param push receives the push; freed by ::wxtp_push_free.
 * @return WXTP_OK; WXTP_ERR_SIGNATURE for whatever is not authentic: signature, key, padding, length, appid,
 * XML, DTD, size (the message says which, nothing was changed); WXTP_ERR_CONFIGURATION or WXTP_ERR_AMBIGUOUS
 * without a component; the store's (then do not answer, WeChat sends it again). Blocking: on the store, and
 * on the network where an event's order can only be told by asking. Since: 0.1.0. Source: WXBizMsgCrypt and
 * the authorization event pages of developers.weixin.qq.com.
 */
WXTP_API wxtp_status wxtp_push_receive(wxtp_platform *platform, const char *query, const void *body,
                                       size_t len, wxtp_push **push, wxtp_error **error);

/** One check of a push. Made by the library; it may grow at its end. */
typedef struct wxtp_push_check {
    const char
        *name; /**< "query", "body_size", "xml", "signature", "base64", "key", "padding", "length", "appid",
                  "inner_xml", "event_appid", "age", "already_seen", "effect", in this order */
    wxtp_tristate ok;   /**< 1, 0, or -1 where an earlier one failed */
    const char *detail; /**< what was seen, or what is wrong; never a secret */
    const char *hint;   /**< the setting to change; "" where all is well */
} wxtp_push_check;
/**
 * Tells check by check whether ::wxtp_push_receive would take a push, without taking it: nothing is stored.
 *
 * @param query the query string, without "?". @param body, len the body's bytes, of any size.
 * @param accepted receives whether it is authentic, and so would be answered; may be NULL.
 * @param would_apply receives whether it would change anything; may be NULL. The checks "age", "already_seen"
 * and "effect" speak of this alone.
 * @param each visited once for each check; borrowed for the visit; may be NULL. @param user handed to it.
 * @return WXTP_OK whatever the push; WXTP_ERR_CONFIGURATION or WXTP_ERR_AMBIGUOUS without a component; the
 * store's. Blocking: on the store, and on the network where an event's order can only be told by asking.
 * Since: 0.1.0. Source: WXBizMsgCrypt.
 */
WXTP_API wxtp_status wxtp_push_explain(wxtp_platform *platform, const char *query, const void *body,
                                       size_t len, bool *accepted, bool *would_apply,
                                       void (*each)(void *user, const wxtp_push_check *check), void *user,
                                       wxtp_error **error);

typedef enum wxtp_exchange {
    WXTP_EXCHANGE_NONE = 0, /**< the push brought no code */
    WXTP_EXCHANGE_DONE = 1,
    WXTP_EXCHANGE_PENDING = 2, /**< later calls try again */
    WXTP_EXCHANGE_FAILED = 3,  /**< WeChat calls the code bad, and the account's info does not help */
} wxtp_exchange;
/**
 * Does what a push asks for after its answer: exchanges its code, or sends the release test's message.
 * Need not be called: later calls exchange a code that waits.
 *
 * @param wait_ms how long it may take in all, an answer that hangs included; 0: one try.
 * @param exchange receives what became of the code; may be NULL.
 * @return WXTP_OK whatever `exchange` receives. Blocking: network. Since: 0.1.0.
 * Source: api_query_auth and the release test of developers.weixin.qq.com.
 */
WXTP_API wxtp_status wxtp_push_finish(wxtp_platform *platform, wxtp_push *push, int64_t wait_ms,
                                      wxtp_exchange *exchange, wxtp_error **error);

/**
 * @return InfoType of an event, or MsgType of a message; never NULL, "" where there is neither. Borrowed
 * from the push. Blocking: no. Since: 0.1.0.
 * Source: InfoType and MsgType of the inner XML.
 */
WXTP_API const char *wxtp_push_event(const wxtp_push *push);
/** @return the component's appid. Borrowed from the push. Blocking: no. Since: 0.1.0. */
WXTP_API const char *wxtp_push_component(const wxtp_push *push);
/**
 * @return the authorizer's appid, "" where the event has none. Borrowed from the push. Blocking: no.
 * Since: 0.1.0.
 * Source: AuthorizerAppid of the inner XML.
 */
WXTP_API const char *wxtp_push_authorizer(const wxtp_push *push);
/**
 * @return WeChat's CreateTime in seconds since 1970, 0 where it is missing. Blocking: no. Since: 0.1.0.
 */
WXTP_API int64_t wxtp_push_create_time_s(const wxtp_push *push);
/** @return whether it counted; false for a replay and for older news. Blocking: no. Since: 0.1.0. */
WXTP_API bool wxtp_push_applied(const wxtp_push *push);
/**
 * @return why it did not count, "" where it did. Borrowed from the push. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_push_why(const wxtp_push *push);
/**
 * @return a stable id of the push, the same when WeChat sends it again: hex of the SHA-256 of the
 * decrypted text. Borrowed from the push. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_push_id(const wxtp_push *push);
/**
 * @return what to answer over HTTP with status 200; never NULL, may be empty. Borrowed from the push.
 * Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_push_reply(const wxtp_push *push);
/**
 * @param name as in "AuthorizerAppid".
 * @return a field of the inner XML but tickets and codes, NULL where there is none. Borrowed from the
 * push. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_push_field(const wxtp_push *push, const char *name);
/**
 * Visits the pushes that were received, oldest first: the last `limit` of those since `since_ms`. Each is on
 * record once, however often WeChat sent it; what was not authentic is not on record. Kept for the setting
 * pushes_days.
 *
 * @param appid NULL: whomever they are about. @param since_ms when they were received: wall time in ms since
 * 1970; 0: all. @param limit 1 to 10,000.
 * @param each returns false to stop; `row` is borrowed for the visit, its digest is ::wxtp_push_id in binary.
 * @param user handed to it.
 * @return WXTP_OK; WXTP_ERR_INVALID; the component's; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_push_list(wxtp_platform *platform, const char *appid, int64_t since_ms,
                                    size_t limit, bool (*each)(void *user, const wxtp_push_row *row),
                                    void *user, wxtp_error **error);
/**
 * Frees a push and zeroes it; NULL does nothing. Before ::wxtp_platform_close.
 * Blocking: no. Since: 0.1.0.
 */
WXTP_API void wxtp_push_free(wxtp_push *push);

WXTP_END_DECLS
#endif
