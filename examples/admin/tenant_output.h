/* How tenants look on standard output. */
#ifndef AD_TENANT_OUTPUT_H
#define AD_TENANT_OUTPUT_H

#include "output.h"

const char *ad_tenant_status_word(wxtp_tenant_status status);
/* -1 for no such word, and for NULL. */
int ad_tenant_status_of_word(const char *word);
const char *ad_token_state_word(wxtp_token_state state);

/* The members of a tenant's object, all but `calls`. */
void ad_tenant_members(ad_json *json, const wxtp_tenant *tenant);
/* The whole object with the gate's word on every call. Returns an exit code. */
int ad_tenant_print(ad_app *app, const wxtp_tenant *tenant);
/* Looks it up and prints it. */
int ad_tenant_print_appid(ad_app *app, const char *appid);
int ad_tenant_print_declared(ad_app *app, const char *appid);

enum { AD_TENANT_COLUMNS = 7 };
extern const char *const ad_tenant_headings[AD_TENANT_COLUMNS];
void ad_list_tenant(ad_list *list, const wxtp_tenant *tenant);

#endif
