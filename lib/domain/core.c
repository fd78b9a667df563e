#include "domain/core.h"

enum { BACKOFF_FIRST_MS = 300, BACKOFF_MOST_MS = 10000 };

int64_t wx_wall_ms(const wx_core *core)
{
    return core->clock.wall_ms(core->clock.user);
}

int64_t wx_boot_ms(const wx_core *core)
{
    return core->clock.boot_ms(core->clock.user);
}

void wx_tell(const wx_core *core, const char *event, const char *tenant, const char *text)
{
    if (core->tell) {
        core->tell(core->tell_user, event, tenant, text);
    }
}

bool wx_stopping(const wx_core *core)
{
    return atomic_load(&core->stopping);
}

static wxtp_status interrupted(wx_err *err)
{
    return wx_fail(err, WXTP_ERR_INTERRUPTED, "stopped as asked");
}

wxtp_status wx_pause(wx_core *core, int64_t ms, wx_err *err)
{
    const int64_t end = wx_boot_ms(core) + ms;
    for (;;) {
        if (wx_stopping(core)) {
            return interrupted(err);
        }
        const int64_t left = end - wx_boot_ms(core);
        if (left <= 0) {
            return WXTP_OK;
        }
        wx_rest(core->engine, left);
    }
}

void wx_patience_init(wx_patience *patience, int64_t ms)
{
    *patience = (wx_patience){.left_ms = ms};
    pthread_mutex_init(&patience->lock, NULL);
}

void wx_patience_destroy(wx_patience *patience)
{
    pthread_mutex_destroy(&patience->lock);
}

/* With the lock held. Stretches are counted when they end, so that what overlaps touches the last one
 * counted: to remember that one is enough. */
static void count(wx_patience *patience, int64_t from, int64_t to)
{
    if (from > patience->counted_to_ms) {
        patience->left_ms -= to - from;
        patience->counted_from_ms = from;
        patience->counted_to_ms = to;
        return;
    }
    if (from < patience->counted_from_ms) {
        patience->left_ms -= patience->counted_from_ms - from;
        patience->counted_from_ms = from;
    }
    if (to > patience->counted_to_ms) {
        patience->left_ms -= to - patience->counted_to_ms;
        patience->counted_to_ms = to;
    }
}

/* With the lock held: the wait that is under way, as far as it has come. */
static void count_wait(wx_patience *patience, int64_t now)
{
    if (patience->waiting > 0) {
        count(patience, patience->since_boot_ms, now);
        patience->since_boot_ms = now;
    }
}

bool wx_patience_left(const wx_op *op, int64_t ms)
{
    wx_patience *patience = op->patience;
    pthread_mutex_lock(&patience->lock);
    count_wait(patience, wx_boot_ms(op->core));
    const bool enough = patience->left_ms >= ms;
    pthread_mutex_unlock(&patience->lock);
    return enough;
}

void wx_patience_spend(wx_op *op, int64_t from_boot_ms)
{
    wx_patience *patience = op->patience;
    const int64_t now = wx_boot_ms(op->core);
    if (!patience || from_boot_ms > now) {
        return;
    }
    pthread_mutex_lock(&patience->lock);
    count_wait(patience, now);
    count(patience, from_boot_ms, now);
    pthread_mutex_unlock(&patience->lock);
}

static bool patience_take(wx_op *op, int64_t ms)
{
    wx_patience *patience = op->patience;
    const int64_t now = wx_boot_ms(op->core);
    pthread_mutex_lock(&patience->lock);
    count_wait(patience, now);
    const bool enough = patience->left_ms >= ms;
    if (enough && patience->waiting++ == 0) {
        patience->since_boot_ms = now;
    }
    pthread_mutex_unlock(&patience->lock);
    return enough;
}

static void patience_give(wx_op *op)
{
    wx_patience *patience = op->patience;
    pthread_mutex_lock(&patience->lock);
    count_wait(patience, wx_boot_ms(op->core));
    patience->waiting--;
    pthread_mutex_unlock(&patience->lock);
}

bool wx_wait_patiently(wx_op *op, int64_t ms, wx_err *err)
{
    const bool too_late = op->deadline_boot_ms > 0 && wx_boot_ms(op->core) + ms >= op->deadline_boot_ms;
    if (too_late || !patience_take(op, ms)) {
        return false;
    }
    const wxtp_status status = wx_pause(op->core, ms, err);
    patience_give(op);
    return status == WXTP_OK;
}

bool wx_too_late(const wx_op *op)
{
    return op->deadline_boot_ms > 0 && wx_boot_ms(op->core) >= op->deadline_boot_ms;
}

int64_t wx_call_time_ms(const wx_op *op)
{
    const int64_t timeout = op->core->settings.timeout_ms;
    if (op->deadline_boot_ms == 0) {
        return timeout;
    }
    const int64_t left = op->deadline_boot_ms - wx_boot_ms(op->core);
    return left < 1 ? 1 : left < timeout ? left : timeout;
}

int64_t wx_backoff_ms(const wx_core *core, int tries_made)
{
    int64_t ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < tries_made && ms < BACKOFF_MOST_MS; i++) {
        ms *= 2;
    }
    if (ms > BACKOFF_MOST_MS) {
        ms = BACKOFF_MOST_MS;
    }
    /* Jitter of a fifth, from the clock, so that a fake clock makes it repeatable. */
    const uint64_t noise = (uint64_t)wx_boot_ms(core) * UINT64_C(2654435761) >> 7;
    return ms - (int64_t)(noise % (uint64_t)(ms / 5));
}

wxtp_status wx_need_component(const wx_core *core, wx_err *err)
{
    if (core->settings.component[0] != '\0') {
        return WXTP_OK;
    }
    if (core->settings.component_ambiguous) {
        wx_fail(err, WXTP_ERR_AMBIGUOUS, "the database holds several platforms and none was named");
        wx_err_hint(err, "name one: --component APPID, or WXTP_COMPONENT");
        return err->status;
    }
    wx_fail(err, WXTP_ERR_CONFIGURATION, "no third-party platform is set up");
    wx_err_hint(err,
                "set it up: wxtp-admin platform set --component-appid ID --appsecret-file F --token-file F "
                "--aes-key-file F");
    return err->status;
}
