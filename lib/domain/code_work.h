/* What the steps of one code's exchange share. */
#ifndef WX_DOMAIN_CODE_WORK_H
#define WX_DOMAIN_CODE_WORK_H

#include "domain/account.h"
#include "domain/code.h"
#include "domain/platform_call.h"

enum { WX_CODE_HEX = 65, WX_CODE_LIFE_MS = 3600 * 1000 };

typedef struct wx_code_work {
    wx_op *op;
    const char *code; /* secret */
    unsigned char digest[32];
    char hex[WX_CODE_HEX];
    char lease_name[WX_APPID_MAX + WX_CODE_HEX + 8];
    wxtp_lease lease;
    /* As read under the lease. */
    char appid[WX_APPID_MAX]; /* "" unknown */
    wxtp_code_state state;
    int64_t create_time_s, received_ms, expires_ms;
    char source[WX_SOURCE_MAX]; /* of the code */
    int64_t made_generation;    /* of the token that the exchange brought; 0 none yet */
    bool expired;               /* when the lease was taken */
    bool lost;                  /* the lease, before anything could be sent under it */
    bool outcome_unknown;       /* an exchange left and may have been carried out */
} wx_code_work;

/* What api_query_auth answered. */
typedef struct wx_granted {
    char appid[WX_APPID_MAX];
    char *access, *refresh, *permission_sets; /* NULL where the answer has none */
    int64_t sent_ms, expires_in_s;
} wx_granted;

void wx_granted_free(wx_granted *granted);
#define WX_AUTO_GRANTED __attribute__((cleanup(wx_granted_free))) wx_granted

/* Names the code's row and lease; reads nothing. */
wxtp_status wx_code_work_init(wx_code_work *work, wx_op *op, const char *code, wx_err *err);
void wx_code_hex(const unsigned char *digest, size_t len, char *hex);
/* WXTP_ERR_NOT_FOUND without filling `err` where there is no row. */
wxtp_status wx_code_read(wx_code_work *work, wxtp_tx *tx, wx_err *err);
/* Writes the code's row in the caller's transaction; done and bad ones lose their code. */
wxtp_status wx_code_store(wx_code_work *work, wxtp_tx *tx, wxtp_code_state state, wx_err *err);
/*
 * After an exchange whose answer was lost: asks whose it was. WXTP_OK with `work->appid` set when the
 * authorization was found and stored, the code being done; WXTP_ERR_CREDENTIALS when nothing shows that the
 * exchange took place; others when WeChat could not be asked.
 */
wxtp_status wx_code_recover(wx_code_work *work, wx_err *err);

#endif
