/**
 * @file platform.h
 * A platform: the open handle that everything else takes. Any thread may use it at any time; calls block on
 * the store and, where they say so, on the network. A handle names one component (third-party platform), or
 * none, and reaches that component's tenants and the `own` and `cloud` ones that its store holds.
 *
 * What holds for every function that takes a platform, here and in the other headers:
 * - Threading: any thread, at any time until ::wxtp_platform_close begins. After one that answered
 *   WXTP_ERR_STATE, taking completions, ::wxtp_platform_run_once, ::wxtp_platform_stop and closing again
 *   work until the next begins.
 * - `*error` is set on failure and is then the caller's, see error.h.
 * - Besides the statuses that a function names it may return WXTP_ERR_INVALID for a NULL or malformed
 *   argument, WXTP_ERR_NOMEM, WXTP_ERR_FORKED in a child process, WXTP_ERR_STATE while the platform is
 *   being closed, and WXTP_ERR_INTERNAL for a defect.
 * - A struct with a `struct_size` has it set to its own sizeof by the host, else the answer is
 *   WXTP_ERR_INVALID. Options of a host with older headers count as far as their struct goes; the rest is 0.
 * - Getters take NULL, and give "", 0 or NULL then, unless their comment says otherwise.
 * - "the store's" are WXTP_ERR_STORE, WXTP_ERR_STORE_BUSY and WXTP_ERR_CONFLICT. "the network's" are
 *   WXTP_ERR_UNAVAILABLE, WXTP_ERR_INTERRUPTED, WXTP_ERR_QUOTA, WXTP_ERR_RATE, WXTP_ERR_WECHAT,
 *   WXTP_ERR_CONFIGURATION, WXTP_ERR_CREDENTIALS and WXTP_ERR_TICKET. "the component's" are
 *   WXTP_ERR_AMBIGUOUS with several components and none chosen, WXTP_ERR_CONFIGURATION with none set up.
 * - "Blocking: store" waits for the disk and for other writers, at most the store's busy time a
 *   transaction. "Blocking: network" waits besides for WeChat, in all at most about the setting
 *   max_wait_ms and the call that is then in flight (timeout_ms).
 * - Callbacks run in the calling thread, and must not use the platform, unless their comment says
 *   otherwise.
 */
#ifndef WXTP_PLATFORM_H
#define WXTP_PLATFORM_H

#include <wxtp/config.h>

WXTP_BEGIN_DECLS

typedef struct wxtp_platform wxtp_platform;

/**
 * Opens a platform on the configured store. Unseals the data key with the master key; in a new store it makes
 * both. Without the setting `component` the only one in the store is chosen; with several, calls that need
 * one answer WXTP_ERR_AMBIGUOUS, with none WXTP_ERR_CONFIGURATION.
 *
 * @return WXTP_OK; WXTP_ERR_KEY where the master key is missing, wrong or not private (nothing was touched);
 * WXTP_ERR_INVALID for a bad setting; WXTP_ERR_STATE where another platform has the store; WXTP_ERR_IO where
 * no descriptor for the network is left; WXTP_ERR_STORE and its kin; WXTP_ERR_NOMEM. Blocking: on the store.
 * Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_open(const wxtp_config *config, wxtp_platform **platform,
                                        wxtp_error **error);

/**
 * Ends what is under way as ::wxtp_platform_stop does, waits for calls of other threads to leave, closes
 * the store and frees the handle. With the setting own_threads=false it drives what is under way itself. Who
 * waits for completions is told at once. Completions that nobody has taken are freed and their callbacks not
 * called: a host that needs each of them shuts down as submit.h describes. NULL does nothing.
 *
 * After `fork`, in the child, it frees memory, touches no file and takes no lock; what other threads of the
 * parent were using at that moment is left behind. A child that is to use the library is forked before the
 * parent opens a platform, or calls exec: locks of SQLite and of the allocator that another thread held stay
 * locked in it, and SQLite takes the parent's locks on a database file for the child's own.
 *
 * @param deadline_ms how long to wait.
 * @return WXTP_OK; WXTP_ERR_STATE when calls are still inside after the deadline: nothing was freed, what has
 * completed can be taken, call again.
 * Threading: any thread, one at a time, and none after WXTP_OK; no callback of this platform's. Blocking: at
 * most `deadline_ms`, and on the store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_close(wxtp_platform *platform, int64_t deadline_ms);

/**
 * Asks every blocking call of this handle to end soon: no new call to WeChat starts, calls in flight are
 * finished and recorded, jobs pause (interrupted). Later calls that would ask WeChat, and submissions, answer
 * WXTP_ERR_INTERRUPTED; what store and memory can answer alone is still answered, a token that is fresh and
 * the receipt of a push among it. Completions can be taken; who waits for one returns when none is to come
 * any more. There is no way back but to open another. Threading: any thread, and signal handlers. Blocking:
 * no. Since: 0.1.0.
 */
WXTP_API void wxtp_platform_stop(wxtp_platform *platform);

/**
 * @return the chosen component's appid, "" where none is chosen, for NULL and after `fork`. Borrowed from the
 * handle. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_platform_component(wxtp_platform *platform);

/**
 * Creates or updates a third-party platform in the store. NULL keeps what is stored; a new one needs all
 * three. The previous push token and AES key are kept for pushes that are late. Chooses it when no component
 * was chosen.
 *
 * @param component_appid the platform's appid.
 * @param appsecret, push_token, encoding_aes_key copied and sealed; the key is 43 characters.
 * @return WXTP_OK; WXTP_ERR_INVALID; the store's. Blocking: on the store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_set(wxtp_platform *platform, const char *component_appid,
                                       const char *appsecret, const char *push_token,
                                       const char *encoding_aes_key, wxtp_error **error);

/**
 * Chooses a component where the store has several and none was named. Calls that are under way go on without.
 *
 * @param component_appid as it was given to ::wxtp_platform_set.
 * @return WXTP_OK, also where it was chosen already; WXTP_ERR_NOT_FOUND; WXTP_ERR_STATE when another was
 * chosen; WXTP_ERR_INVALID; the store's. Threads: any. Blocking: on the store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_choose(wxtp_platform *platform, const char *component_appid,
                                          wxtp_error **error);

/**
 * Visits the appids of all components in the store.
 *
 * @param each returns false to stop; `component_appid` is borrowed for the visit. @param user handed to
 * it.
 * @return WXTP_OK; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_each(wxtp_platform *platform,
                                        bool (*each)(void *user, const char *component_appid), void *user,
                                        wxtp_error **error);

/** State of a token: none, fresh, due (from the early-refresh moment on), expired. */
typedef enum wxtp_token_state {
    WXTP_TOKEN_NONE = 0,
    WXTP_TOKEN_FRESH = 1,
    WXTP_TOKEN_DUE = 2, /**< early-refresh moment reached; still good */
    WXTP_TOKEN_EXPIRED = 3,
} wxtp_token_state;

/** What ::wxtp_platform_info tells. Versioned by struct_size; zero it and set that before the call. */
typedef struct wxtp_platform_facts {
    size_t struct_size;
    char component_appid[64];
    bool has_ticket;
    int64_t ticket_received_ms; /**< wall time */
    int64_t ticket_age_ms;
    wxtp_token_state token_state;
    int64_t token_version;
    int64_t token_expires_ms; /**< wall time; 0 none */
    int64_t tenants[4];       /**< by wxtp_tenant_status */
} wxtp_platform_facts;
/**
 * Tells the state of the chosen component, from the store alone.
 *
 * @param facts set its struct_size first.
 * @return WXTP_OK; the component's; the store's. Blocking: store. Since: 0.1.0.
 * Source: component_verify_ticket and api_component_token of developers.weixin.qq.com: lives of 12 hours
 * and 7200 s.
 */
WXTP_API wxtp_status wxtp_platform_info(wxtp_platform *platform, wxtp_platform_facts *facts,
                                        wxtp_error **error);

/**
 * The link by which a merchant authorizes the platform. Asks WeChat for a pre_auth_code, which serves
 * once.
 *
 * @param redirect_uri where WeChat sends the merchant back, on the platform's registered domain; encoded
 * here.
 * @param mobile the form for phones.
 * @param auth_type 1 to 6 (1 official accounts, 2 mini programs, 3 both); 0: not given.
 * @param biz_appid the one account that may be chosen; NULL: not given. Excludes `auth_type`.
 * @param url receives the link; freed by ::wxtp_free.
 * @param expires_in_s receives its life in seconds; may be NULL.
 * @return WXTP_OK; WXTP_ERR_INVALID; the component's; the network's; the store's.
 * Blocking: network. Since: 0.1.0.
 * Source: api_create_preauthcode and the authorization pages of developers.weixin.qq.com.
 */
WXTP_API wxtp_status wxtp_authorize_url(wxtp_platform *platform, const char *redirect_uri, bool mobile,
                                        int auth_type, const char *biz_appid, char **url,
                                        int64_t *expires_in_s, wxtp_error **error);

typedef enum wxtp_check_status {
    WXTP_CHECK_OK = 0,
    WXTP_CHECK_WARN = 1,
    WXTP_CHECK_FAIL = 2
} wxtp_check_status;
typedef void wxtp_check_visitor(void *user, const char *name, wxtp_check_status status, const char *kind,
                                const char *detail, const char *hint);
/**
 * Examines database, SQLite version, key, clock, ticket, component token, reachability of the API, paused
 * jobs, and tenants whose tokens another program refreshes; one visit each.
 *
 * @param visit its strings are borrowed for the visit; `kind` (as of an error) and `hint` are "" where all is
 * well. @param user handed to it.
 * @return WXTP_OK also where checks fail; WXTP_ERR_INVALID. Blocking: network. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_diagnose(wxtp_platform *platform, wxtp_check_visitor *visit, void *user,
                                            wxtp_error **error);

/**
 * Visits each problem of the store and of what is sealed in it. Reads everything.
 *
 * @param problem `text` is borrowed for the visit. @param user handed to it.
 * @return WXTP_OK also where there are problems; the store's where it cannot be read. Blocking: store, as
 * long as it takes. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_check_store(wxtp_platform *platform,
                                               void (*problem)(void *user, const char *text), void *user,
                                               wxtp_error **error);
/**
 * Copies the store to a new file, consistent while others write. The master key is not in it.
 *
 * @param path a file that does not exist; made with mode 0600.
 * @return WXTP_OK; WXTP_ERR_EXISTS; the store's. Blocking: store, as long as it takes. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_backup(wxtp_platform *platform, const char *path, wxtp_error **error);
/**
 * Seals the data key under a new master key, in one row. Other processes go on; they need the new key at
 * their next start.
 *
 * @param new_key_file of 32 bytes in base64, private; made when it does not exist.
 * @return WXTP_OK; WXTP_ERR_KEY; WXTP_ERR_IO where the file cannot be made; the store's. Blocking: on the
 * store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_rekey(wxtp_platform *platform, const char *new_key_file,
                                         wxtp_error **error);
/**
 * Deletes what is older than its retention (settings audit_days, pushes_days, jobs_days).
 *
 * @param deleted receives the number of rows; may be NULL.
 * @return WXTP_OK; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_platform_prune(wxtp_platform *platform, int64_t *deleted, wxtp_error **error);

/**
 * @return the library's version, as in "0.1.0". Static.
 * Threading: any thread. Blocking: no. Since: 0.1.0.
 */
WXTP_API const char *wxtp_version(void);

WXTP_END_DECLS
#endif
