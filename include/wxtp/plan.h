/**
 * @file plan.h
 * What a run of jobs would take, before it is begun: calls, time, quota, renewals of tokens, refused tenants.
 * No business call is made.
 */
#ifndef WXTP_PLAN_H
#define WXTP_PLAN_H

#include <wxtp/job.h>

WXTP_BEGIN_DECLS

/** What one tenant's list takes. Zero it and set `struct_size`. */
typedef struct wxtp_plan_part {
    size_t struct_size;
    bool allowed; /**< by the gate */
    int64_t requested, pending, calls;
    int64_t quota_limit;  /**< calls a day; -1: not known */
    int64_t quota_left;   /**< of them until midnight in Beijing; -1: not known */
    int64_t token_due_ms; /**< when its token is to be renewed; 0: at once; -1: never by us (cloud) */
} wxtp_plan_part;
/**
 * Counts a list as ::wxtp_job_forecast_list does, and unless `offline` asks WeChat what is left of the
 * tenant's quota for the call (openapi/quota/get, which is no business call; it may renew a token). A quota
 * that is remembered as used up counts as WeChat says now.
 *
 * @param forecast as in ::wxtp_job_forecast_list, with what the gate says now. @param part set its
 * struct_size first; what is not known stays -1: offline, refused, or an account in WeChat cloud hosting.
 * @return WXTP_OK whatever the gate says, also where the merchant must authorize again; WXTP_ERR_NOT_FOUND
 * for an unknown call; WXTP_ERR_IO when `reader` failed; the network's and the platform's credentials',
 * unless offline; the store's. Blocking: store, and network unless offline. Since: 0.1.0. Source:
 * openapi/quota/get of developers.weixin.qq.com.
 */
WXTP_API wxtp_status wxtp_plan_list(wxtp_platform *platform, const char *appid, const char *call,
                                    wxtp_openid_reader *reader, void *user, bool offline,
                                    wxtp_job_forecast *forecast, wxtp_plan_part *part, wxtp_error **error);

/** What the length of a run follows from. */
typedef enum wxtp_pace {
    WXTP_PACE_RATE = 0,     /**< the setting `rate`: calls a second and tenant */
    WXTP_PACE_MEASURED = 1, /**< `concurrency`, and how long the last calls took by the record */
    WXTP_PACE_ASSUMED = 2,  /**< `concurrency`, and 200 ms a call: the record has none */
} wxtp_pace;

/** A run of several parts at once. */
typedef struct wxtp_plan {
    size_t struct_size;
    int64_t tenants, refused;          /**< all; those that the gate refuses, whose calls do not count */
    int64_t requested, pending, calls; /**< the least number of calls */
    wxtp_pace pace;
    int64_t call_ms; /**< that a call takes, as far as it is known */
    int64_t begins_ms, finish_ms;
    bool before_midnight; /**< in Beijing, when quotas are renewed */
    int64_t tokens_due;   /**< renewals of tenants' tokens until then */
    int64_t not_fitting;  /**< tenants whose quota does not suffice */
} wxtp_plan;
/**
 * Adds parts up, with the platform's settings `rate` and `concurrency`.
 *
 * @param call the catalog's name, whose calls in the record tell how long one takes.
 * @param plan set its struct_size first; begins now.
 * @return WXTP_OK; WXTP_ERR_INVALID; the store's. Blocking: store. Since: 0.1.0.
 */
WXTP_API wxtp_status wxtp_plan_sum(wxtp_platform *platform, const char *call, const wxtp_plan_part *parts,
                                   size_t count, wxtp_plan *plan, wxtp_error **error);
/**
 * Tells whether a tenant's quota suffices: that of today for its calls until midnight in Beijing, and that of
 * a day for those of each day after. What is not known suffices.
 *
 * @return so; false also for a part that the gate refuses, and for NULL. Threading: any thread. Blocking: no.
 * Since: 0.1.0.
 */
WXTP_API bool wxtp_plan_fits(const wxtp_plan *plan, const wxtp_plan_part *part);

WXTP_END_DECLS
#endif
