#include <wxtp/status.h>

const char *wxtp_status_name(wxtp_status status)
{
    switch (status) {
#define NAME(name)                                                                                           \
    case name:                                                                                               \
        return #name
        NAME(WXTP_OK);
        NAME(WXTP_ERR_INVALID);
        NAME(WXTP_ERR_NOT_FOUND);
        NAME(WXTP_ERR_AMBIGUOUS);
        NAME(WXTP_ERR_STATE);
        NAME(WXTP_ERR_TOO_LARGE);
        NAME(WXTP_ERR_FORKED);
        NAME(WXTP_ERR_EXISTS);
        NAME(WXTP_ERR_FULL);
        NAME(WXTP_ERR_NOMEM);
        NAME(WXTP_ERR_STORE);
        NAME(WXTP_ERR_STORE_NEWER);
        NAME(WXTP_ERR_STORE_BUSY);
        NAME(WXTP_ERR_KEY);
        NAME(WXTP_ERR_CONFLICT);
        NAME(WXTP_ERR_INTERNAL);
        NAME(WXTP_ERR_IO);
        NAME(WXTP_ERR_REFUSED);
        NAME(WXTP_ERR_CREDENTIALS);
        NAME(WXTP_ERR_TICKET);
        NAME(WXTP_ERR_SIGNATURE);
        NAME(WXTP_ERR_CONFIGURATION);
        NAME(WXTP_ERR_REAUTHORIZE);
        NAME(WXTP_ERR_QUOTA);
        NAME(WXTP_ERR_RATE);
        NAME(WXTP_ERR_UNAVAILABLE);
        NAME(WXTP_ERR_WECHAT);
        NAME(WXTP_ERR_INTERRUPTED);
        NAME(WXTP_ERR_SUSPECT_LIST);
        NAME(WXTP_ERR_CANCELLED);
        NAME(WXTP_ERR_DEADLINE);
#undef NAME
    }
    return "WXTP_ERR_UNKNOWN";
}
