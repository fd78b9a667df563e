#include "flow/push_state.h"

#include <string.h>

#include "base/mem.h"

void wx_push_free(wxtp_push *push)
{
    if (push) {
        wx_free(push->event);
        wx_free(push->reply);
        wx_free(push->code);
        wx_free(push->test_user);
        wx_xml_free(&push->fields);
        wx_free(push);
    }
}

const char *wx_push_field(const wxtp_push *push, const char *name)
{
    static const char *const secrets[] = {"ComponentVerifyTicket", "AuthorizationCode", "PreAuthCode"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        if (strcmp(name, secrets[i]) == 0) {
            return NULL;
        }
    }
    return wx_xml_get(&push->fields, name);
}
