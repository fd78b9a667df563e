#include "domain/token.h"

#include "domain/refresh.h"
#include "domain/token_authorizer.h"
#include "domain/token_cloud.h"
#include "domain/token_own.h"

enum { ROUNDS = 3 };

static const wx_token_source *source_of(const wx_tenant *tenant)
{
    return tenant->row.credential == WXTP_CREDENTIAL_OWN ? wx_token_own_source()
                                                         : wx_token_authorizer_source();
}

wxtp_status wx_token_get(wx_op *op, const wx_tenant *tenant, wx_token *token, wx_err *err)
{
    *token = (wx_token){0};
    if (tenant->row.credential == WXTP_CREDENTIAL_CLOUD) {
        return wx_token_cloud_get(op, tenant, token, err);
    }
    return wx_stored_token_get(op, source_of(tenant), tenant, tenant->row.platform, tenant->row.appid, token,
                               err);
}

static wxtp_status never_stored(const wx_tenant *tenant, int64_t generation, int64_t stored, wx_err *err)
{
    wx_fail(err, WXTP_ERR_INVALID, "generation %lld of the token is newer than the stored one, %lld",
            (long long)generation, (long long)stored);
    wx_err_hint(err, "Read the token and its generation anew: an older database may have been restored.");
    wx_err_tenant(err, tenant->row.appid);
    return err->status;
}

wxtp_status wx_token_renew(wx_op *op, const wx_tenant *tenant, int64_t generation, bool *moved, wx_err *err)
{
    wx_token_view view;
    *moved = false;
    if (tenant->row.credential == WXTP_CREDENTIAL_CLOUD) {
        return WXTP_OK;
    }
    wx_renewal renewal = {.op = op,
                          .source = source_of(tenant),
                          .tenant = tenant,
                          .platform = tenant->row.platform,
                          .appid = tenant->row.appid,
                          .seen_generation = generation,
                          .want = WX_WANT_NEWER,
                          .patient = true};
    wxtp_status status = wx_token_look(op->core, tenant->row.platform, tenant->row.appid, &view, err);
    if (status == WXTP_OK && generation > view.generation) {
        return never_stored(tenant, generation, view.generation, err);
    }
    /* A flight that we joined may have wanted less than we do; stable_token may answer the same text for
     * long. */
    for (int round = 0; round < ROUNDS && status == WXTP_OK && !*moved; round++) {
        status = wx_renew(&renewal, err);
        if (status == WXTP_OK) {
            status = wx_token_look(op->core, tenant->row.platform, tenant->row.appid, &view, err);
        }
        *moved = status == WXTP_OK && view.generation > generation && view.has_access;
        if (renewal.source->kind == WX_TOKEN_OWN) {
            break;
        }
    }
    if (status != WXTP_OK) {
        wx_err_tenant(err, tenant->row.appid);
    }
    return status;
}
