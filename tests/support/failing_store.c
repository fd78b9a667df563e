#include "failing_store.h"

#include "job_stage.h"

failing_store failing;

bool failing_now(void)
{
    if (--failing.left != 0) {
        return false;
    }
    failing.sent = fake_http_count(failing.http, STAGE_PATH);
    return true;
}

wxtp_status failing_begin_tx(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx)
{
    if (failing_now()) {
        if (!failing.meanwhile) {
            return WXTP_ERR_STORE;
        }
        failing.meanwhile(failing.user);
    }
    return failing.real->begin(store, mode, tx);
}

void failing_install(fixture *fx, int left)
{
    failing.real = fx->core->store->ops;
    failing.ops = *failing.real;
    failing.left = left;
    failing.meanwhile = NULL;
    failing.http = &fx->http;
    fx->core->store->ops = &failing.ops;
}

void failing_remove(fixture *fx)
{
    fx->core->store->ops = failing.real;
}
