/* The component's own secrets. */
#ifndef WX_DOMAIN_COMPONENT_H
#define WX_DOMAIN_COMPONENT_H

#include "codec/envelope.h"
#include "domain/core.h"

typedef struct wx_component {
    char appid[WX_APPID_MAX];
    char *appsecret;
    char *push_token, *previous_push_token; /* previous: NULL where there is none */
    char *aes_key, *previous_aes_key;       /* EncodingAESKey, 43 characters */
} wx_component;

wx_opened *wx_opened_new(const wxtp_allocator *allocator); /* NULL when out of memory */
void wx_opened_free(wx_opened *opened);

/* Opens the secrets of the chosen component. WXTP_ERR_CONFIGURATION or WXTP_ERR_AMBIGUOUS without one. */
wxtp_status wx_component_load(wx_core *core, wx_component *component, wx_err *err);
void wx_component_free(wx_component *component);
#define WX_AUTO_COMPONENT __attribute__((cleanup(wx_component_free))) wx_component

#endif
