/* WeChat's errcodes: what each means and what is done about it. */
#ifndef WX_CODEC_ERRCODE_H
#define WX_CODEC_ERRCODE_H

#include <stdint.h>
#include <wxtp/error.h>

typedef enum wx_errcode_class {
    WX_ERRCODE_OK = 0,
    WX_ERRCODE_BUSY,               /* back off and try again */
    WX_ERRCODE_TOKEN,              /* the token was refused: one retry with a newer one */
    WX_ERRCODE_REFRESH_TOKEN_DEAD, /* 61023 */
    WX_ERRCODE_CODE_BAD,           /* 61009, 61010 */
    WX_ERRCODE_BAD_OPENID,         /* 40003, 49003 */
    WX_ERRCODE_TOO_MANY,           /* 40032 */
    WX_ERRCODE_CONFIGURATION,      /* appid, appsecret, component, address */
    WX_ERRCODE_OUR_BUG,            /* 43002, 44002, 47001, 40097 */
    WX_ERRCODE_QUOTA,              /* 45009 */
    WX_ERRCODE_RATE,               /* 45011 */
    WX_ERRCODE_NO_RIGHT,           /* 48001, 61007, 48004 */
    WX_ERRCODE_RESTRICTED,         /* 50002 */
    WX_ERRCODE_UNAUTHORIZED,       /* 50005, 61003 */
    WX_ERRCODE_TICKET,             /* 61005, 61006 */
    WX_ERRCODE_OPENID_REFUSED,     /* known to be about the openids, for good: 41030 … */
    WX_ERRCODE_UNKNOWN,
} wx_errcode_class;

typedef struct wx_errcode {
    int64_t errcode;
    wx_errcode_class class_;
    const char *meaning; /* for people */
    const char *hint;    /* what to do */
} wx_errcode;

/* The row of `errcode`; a row of class WX_ERRCODE_UNKNOWN for one that is not in the table. Never NULL. */
const wx_errcode *wx_errcode_find(int64_t errcode);
/* The status that a class ends in when nothing more can be done. */
wxtp_status wx_errcode_status(wx_errcode_class class_);
/* For the page of errors: all rows. */
const wx_errcode *wx_errcode_all(int *count);

#endif
