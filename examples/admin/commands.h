/* What each command does. Each returns an exit code; where it is not 0, `app->failure` tells why. */
#ifndef AD_COMMANDS_H
#define AD_COMMANDS_H

#include "options.h"

ad_run ad_platform_set, ad_platform_show;
ad_run ad_callback, ad_check_callback;
ad_run ad_explain, ad_why;
ad_run ad_push_list;
ad_run ad_authorize_url;
ad_run ad_tenant_add, ad_tenant_add_own, ad_tenant_add_cloud, ad_tenant_list, ad_tenant_show, ad_tenant_sync,
    ad_tenant_set, ad_tenant_reconnect, ad_tenant_remove;
ad_run ad_token_refresh, ad_token_show;
ad_run ad_unblacklist, ad_blacklist_add, ad_blacklist_list;
ad_run ad_job_list, ad_job_show, ad_job_resume, ad_job_cancel, ad_job_diff, ad_job_undo;
ad_run ad_audit;
ad_run ad_doctor;
ad_run ad_db_check, ad_db_backup, ad_db_restore, ad_db_migrate, ad_db_rekey, ad_db_prune;
ad_run ad_serve;

/* What else their lines must hold. */
ad_run ad_check_platform_set, ad_check_authorize_url, ad_check_tenant_kind, ad_check_tenant_sync,
    ad_check_tenant_remove, ad_check_token_refresh, ad_check_unblacklist, ad_check_openids,
    ad_check_job_resume, ad_check_job_undo, ad_check_audit, ad_check_since;

#endif
