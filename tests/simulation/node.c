/* A node: what one process has open. It is closed as it should be, or dies between any two steps. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wxtp/store_sqlite.h>

#include "codec/envelope.h"
#include "domain/account.h"
#include "domain/code.h"
#include "domain/component.h"
#include "domain/flights.h"
#include "domain/pacer.h"
#include "domain/slots.h"
#include "domain/standing.h"
#include "domain/storage.h"
#include "domain/tenant.h"
#include "domain/ticket.h"
#include "domain/token.h"
#include "domain/vault.h"
#include "flow/inbound.h"
#include "flow/job.h"
#include "flow/push_state.h"
#include "internal.h"

enum { MAX_WAIT_MS = 60000, MAX_TRIES = 5, PUSH_WAIT_MS = 20000 };

/* ---- Where it may die ---- */

/* Out of the task that dies here, and out of the engine's turn: neither is gone on with, and what they hold
 * stays held. */
static void may_die(sim_node *node)
{
    if (!node->core.engine || !wx_self(node->core.engine)) {
        return;
    }
    if (node->crash_in > 0 && --node->crash_in == 0) {
        node->dying = true;
    }
    if (node->dying) {
        (void)setcontext(&node->way_out);
        abort();
    }
}

static int64_t wall_ms(void *user)
{
    sim_node *node = user;
    may_die(node);
    return sim_wall(node->world);
}

static int64_t boot_ms(void *user)
{
    sim_node *node = user;
    may_die(node);
    return sim_boot(node->world);
}

static const char *boot_id(void *user)
{
    const sim_node *node = user;
    return node->world->clock.boot_id;
}

static void sleep_ms(void *user, int64_t ms)
{
    const sim_node *node = user;
    fake_clock_advance(&node->world->clock, ms);
}

static wxtp_status begin(wxtp_store *store, wxtp_tx_mode mode, wxtp_tx **tx)
{
    sim_node *node = (sim_node *)(void *)((char *)(uintptr_t)store->ops - offsetof(sim_node, ops));
    may_die(node);
    return node->inner->begin(store, mode, tx);
}

static wxtp_status commit(wxtp_tx *tx)
{
    const wxtp_store *store = &tx->conn->store->base;
    sim_node *node = (sim_node *)(void *)((char *)(uintptr_t)store->ops - offsetof(sim_node, ops));
    may_die(node);
    const wxtp_status status = node->inner->commit(tx);
    may_die(node);
    return status;
}

/* ---- Opening and closing ---- */

static bool open_store(sim_node *node, const char *path, const wxtp_clock *clock)
{
    char message[256] = "";
    /* The store sees time without being a place to die: SQLite may be at work. */
    const wxtp_sqlite_options options = {
        .struct_size = sizeof(options), .path = path, .create = true, .migrate = true, .clock = clock};
    if (wxtp_sqlite_open(&options, &node->core.store, NULL, message, sizeof(message)) != WXTP_OK) {
        (void)fprintf(stderr, "%s\n", message);
        return false;
    }
    node->inner = node->core.store->ops;
    node->ops = *node->inner;
    node->ops.begin = begin;
    node->ops.commit = commit;
    node->core.store->ops = &node->ops;
    return true;
}

static void set_up(sim *world, wx_core *core)
{
    core->log = (wxtp_log){.struct_size = sizeof(core->log)};
    (void)wx_copy(core->settings.component, sizeof(core->settings.component), SIM_COMPONENT);
    (void)wx_copy(core->settings.api_base, sizeof(core->settings.api_base), "https://api.weixin.qq.com");
    core->settings.concurrency = 1 + (int)sim_below(world, 4);
    core->settings.timeout_ms = SIM_TIMEOUT_MS;
    core->settings.max_wait_ms = MAX_WAIT_MS;
    core->settings.max_tries = MAX_TRIES;
    core->settings.own_force_refresh = true;
    core->settings.audit_days = core->settings.pushes_days = core->settings.jobs_days = 90;
    core->catalog = wx_catalog_builtin(&core->catalog_count);
    memset(core->data_key, 7, sizeof(core->data_key));
    atomic_init(&core->stopping, false);
}

static void *allocate(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void give_back(void *user, void *memory)
{
    (void)user;
    free(memory);
}

bool sim_node_open(sim *world, sim_node *node)
{
    const int number = node->number;
    const unsigned life = node->life + 1;
    *node = (sim_node){.world = world, .number = number, .life = life};
    wx_core *core = &node->core;
    core->allocator =
        (wxtp_allocator){.struct_size = sizeof(core->allocator), .allocate = allocate, .release = give_back};
    core->clock = (wxtp_clock){.struct_size = sizeof(core->clock),
                               .user = node,
                               .wall_ms = wall_ms,
                               .boot_ms = boot_ms,
                               .boot_id = boot_id,
                               .sleep_ms = sleep_ms};
    wxtp_clock plain;
    fake_clock_port(&world->clock, &plain);
    sim_network_port(node, &core->http);
    set_up(world, core);
    if (!open_store(node, world->database, &plain)) {
        return false;
    }
    core->engine = wx_engine_new(&(wx_engine_options){
        .allocator = &core->allocator, .clock = &core->clock, .http = &core->http, .store = core->store});
    core->flights = wx_flights_new(&core->allocator);
    core->pacer = wx_pacer_new(&core->allocator);
    core->standings = wx_standings_new(&core->allocator);
    core->opened = wx_opened_new(&core->allocator);
    core->slots = wx_slots_new(&core->allocator, core->settings.concurrency);
    node->alive = wx_crypto_init(&core->crypto) && core->engine && core->flights && core->pacer &&
                  core->standings && core->opened && core->slots;
    sim_note(world, "n%d opens", number);
    return node->alive;
}

void sim_node_turn(sim_node *node)
{
    (void)getcontext(&node->way_out);
    if (!node->dying) {
        wx_engine_turn(node->core.engine, SIM_NEVER);
    }
}

void sim_node_close(sim_node *node)
{
    wx_core *core = &node->core;
    wx_engine_free(core->engine);
    core->engine = NULL;
    core->store->ops = node->inner;
    core->store->ops->close(core->store);
    wx_flights_free(core->flights);
    wx_pacer_free(core->pacer);
    wx_standings_free(core->standings);
    wx_opened_free(core->opened);
    wx_slots_free(core->slots);
    wx_crypto_free(&core->crypto);
    node->alive = false;
}

/* The kernel closes what the process had open: locks go, a transaction under way is undone. Memory and stacks
 * are left behind. */
void sim_node_crash(sim_node *node)
{
    sq_store *store = (sq_store *)node->core.store;
    sim_note(node->world, "n%d dies", node->number);
    sq_conn_close(&store->reader);
    sq_conn_close(&store->writer);
    node->inner->abandon(&store->base);
    node->core.engine = NULL;
    node->alive = node->dying = false;
    node->crash_in = 0;
    for (sim_op *op = node->world->ops; op; op = op->next) {
        if (op->node == node && !op->over) {
            op->over = true;
            op->status = WXTP_ERR_INTERRUPTED;
            if (op->list) {
                op->list->making = false;
            }
            if (op->push) {
                op->push->under_way = false;
            }
        }
    }
    node->busy = 0;
}

/* ---- The store before anything happens ---- */

static bool seal_field(wx_core *core, const char *field, const char *text, wx_buf *sealed, wxtp_blob *blob)
{
    wx_err err;
    return wx_vault_seal(core, "platform", SIM_COMPONENT, "", field, text, sealed, blob, &err) == WXTP_OK;
}

static bool put_platform(wx_core *core)
{
    WX_AUTO_BUF secret = {0};
    WX_AUTO_BUF token = {0};
    WX_AUTO_BUF key = {0};
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    bool applied = false;
    wxtp_platform_row row = {.component_appid = SIM_COMPONENT, .updated_ms = FAKE_EPOCH_MS};
    return seal_field(core, "appsecret", SIM_APPSECRET, &secret, &row.appsecret) &&
           seal_field(core, "push_token", SIM_PUSH_TOKEN, &token, &row.push_token) &&
           seal_field(core, "aes_key", SIM_AES_KEY, &key, &row.aes_key) &&
           wx_scope_begin(&scope, core, WXTP_TX_SYNC, &err) == WXTP_OK &&
           wx_ops(core)->platform_put(scope.tx, &row) == WXTP_OK &&
           wx_ticket_put(core, scope.tx, "ticket@@@0", FAKE_EPOCH_MS / 1000, &applied, &err) == WXTP_OK &&
           wx_scope_commit(&scope, &err) == WXTP_OK;
}

bool sim_template_make(const char *path)
{
    sim *world = calloc(1, sizeof(*world));
    if (!world) {
        return false;
    }
    (void)snprintf(world->database, sizeof(world->database), "%s", path);
    fake_clock_init(&world->clock);
    bool good = sim_node_open(world, &world->nodes[0]) && put_platform(&world->nodes[0].core);
    if (good) {
        good = sq_exec(((sq_store *)world->nodes[0].core.store)->writer.db,
                       "PRAGMA wal_checkpoint(TRUNCATE)") == SQLITE_OK;
        sim_node_close(&world->nodes[0]);
    }
    free(world);
    return good;
}

static wxtp_tenant_row tenant_row(sim *world, const sim_account *of)
{
    const int64_t now = sim_wall(world);
    wxtp_tenant_row row = wx_tenant_row_new(SIM_COMPONENT, of->appid, now);
    row.status = WXTP_TENANT_AUTHORIZED;
    row.account = WXTP_ACCOUNT_SERVICE;
    row.service_type = 2;
    row.verify_type = of->certified ? 0 : -1;
    row.account_status = 1;
    row.permission_sets = of->users_set ? "1,2" : "1";
    row.nick_name = "Shop";
    row.profile_ms = row.status_ms = now;
    row.certified = wx_tenant_certified(&row);
    row.event_time_s = of->auth_time_s;
    return row;
}

/* Tenants that authorized before, with their tokens; those that WeChat does not call authorized are not
 * there.
 */
bool sim_store_fill(sim *world)
{
    wx_core *core = &world->nodes[0].core;
    WX_AUTO_SCOPE scope = {0};
    wx_err err = {0};
    const int64_t now = sim_wall(world);
    bool good = wx_scope_begin(&scope, core, WXTP_TX_SYNC, &err) == WXTP_OK;
    for (size_t at = 0; good && at < world->account_count; at++) {
        sim_account *of = &world->accounts[at];
        if (of->authorized) {
            const wxtp_tenant_row row = tenant_row(world, of);
            const sim_token *access =
                sim_token_make(world, &of->access, "at", (int)at, now + 7200 * INT64_C(1000));
            const sim_token *refresh = sim_token_make(world, &of->refresh, "rt", (int)at, SIM_NEVER);
            good = wx_ops(core)->tenant_put(scope.tx, &row) == WXTP_OK &&
                   wx_token_install(core, scope.tx, SIM_COMPONENT, of->appid, access->text, refresh->text,
                                    now, 7200, &err) == WXTP_OK;
        }
    }
    return good && wx_scope_commit(&scope, &err) == WXTP_OK;
}

/* ---- What it is told to do ---- */

typedef struct reading {
    const sim_op *op;
    int at;
    char text[SIM_TEXT];
} reading;

/* Every seventh comes twice. */
static int next_openid(void *user, const char **openid, size_t *len)
{
    reading *r = user;
    const sim_list *list = r->op->list;
    const int places = list->count + list->count / 7;
    if (r->at >= places) {
        return 0;
    }
    const int index = list->from + (r->at < list->count ? r->at : (r->at - list->count) * 7);
    sim_openid(r->op->world, list->account, index, r->text);
    r->at++;
    *openid = r->text;
    *len = strlen(r->text);
    return 1;
}

static wxtp_status do_job(sim_op *op, wx_err *err)
{
    wxtp_job *job = NULL;
    wxtp_status status = WXTP_OK;
    if (op->list && !op->list->job_id[0]) {
        reading r = {.op = op};
        char id[64];
        const wx_job_order order = {.appid = op->world->accounts[op->account].appid,
                                    .call = "batchUnblacklist",
                                    .reader = next_openid,
                                    .user = &r};
        status = wx_job_create(&op->op, &order, id, err);
        (void)wx_copy(op->list->job_id, sizeof(op->list->job_id), id);
        op->list->making = false;
        if (status != WXTP_OK || !id[0]) {
            return status;
        }
    }
    (void)wx_copy(op->id_text, sizeof(op->id_text), op->list ? op->list->job_id : op->job_id);
    status =
        wx_job_run(&op->op, op->id_text, op->resume ? WXTP_JOB_RESUME : WXTP_JOB_RUN, NULL, NULL, &job, err);
    wx_job_free(job);
    return status;
}

static wxtp_status do_token(sim_op *op, wx_err *err)
{
    WX_AUTO_TENANT *tenant = NULL;
    WX_AUTO_TOKEN token = {0};
    const wxtp_status status =
        wx_tenant_find(op->op.core, op->world->accounts[op->account].appid, &tenant, err);
    return status == WXTP_OK ? wx_token_get(&op->op, tenant, &token, err) : status;
}

static bool write_push(const wx_crypto *crypto, const sim_push *push, char *query, size_t query_size,
                       char *body, size_t body_size)
{
    unsigned char key[WX_AES_KEY_LEN];
    char signature[41];
    char xml[1024];
    char more[512] = "";
    WX_AUTO_BUF text;
    wx_buf_init(&text, NULL, 1 << 16);
    if (push->account < 0) {
        (void)snprintf(more, sizeof(more), "<ComponentVerifyTicket>ticket@@@1</ComponentVerifyTicket>");
    } else {
        (void)snprintf(more, sizeof(more), "<AuthorizerAppid>wxa00000000000000%d</AuthorizerAppid>%s%s%s",
                       push->account, push->code[0] ? "<AuthorizationCode>" : "", push->code,
                       push->code[0] ? "</AuthorizationCode>" : "");
    }
    (void)snprintf(xml, sizeof(xml),
                   "<xml><AppId>%s</AppId><CreateTime>%lld</CreateTime><InfoType>%s</InfoType>%s</xml>",
                   SIM_COMPONENT, (long long)push->create_time_s, push->event, more);
    if (!wx_encoding_aes_key_decode(SIM_AES_KEY, strlen(SIM_AES_KEY), key) ||
        wx_envelope_seal(crypto, key, SIM_COMPONENT, xml, strlen(xml), NULL, &text) != WX_ENVELOPE_OK ||
        !wx_push_signature(crypto, SIM_PUSH_TOKEN, "1767225600", "nonce1", text.data, text.len, signature)) {
        return false;
    }
    (void)snprintf(query, query_size, "signature=x&timestamp=1767225600&nonce=nonce1&msg_signature=%s",
                   signature);
    return snprintf(body, body_size, "<xml><AppId>%s</AppId><Encrypt>%s</Encrypt></xml>", SIM_COMPONENT,
                    wx_buf_str(&text)) < (int)body_size;
}

static wxtp_status do_push(sim_op *op, wx_err *err)
{
    char query[256];
    char body[4096];
    wxtp_push *push = NULL;
    wxtp_exchange exchange = WXTP_EXCHANGE_NONE;
    if (!write_push(&op->op.core->crypto, op->push, query, sizeof(query), body, sizeof(body))) {
        return wx_fail(err, WXTP_ERR_INTERNAL, "the push could not be written");
    }
    wxtp_status status = wx_inbound_receive(&op->op, query, body, strlen(body), &push, err);
    op->push->under_way = false;
    if (status == WXTP_OK) {
        op->push->taken = true;
        sim_note(op->world, "   push %s: %s", op->push->event, push->applied ? "applied" : push->why);
        status = wx_inbound_finish(&op->op, push, PUSH_WAIT_MS, &exchange, err);
    }
    wx_push_free(push);
    return status;
}

static void run_op(void *user)
{
    sim_op *op = user;
    wx_err err = {.status = WXTP_OK};
    switch (op->kind) {
    case SIM_OP_JOB:
        op->status = do_job(op, &err);
        break;
    case SIM_OP_TOKEN:
        op->status = do_token(op, &err);
        break;
    case SIM_OP_PUSH:
        op->status = do_push(op, &err);
        break;
    case SIM_OP_PROFILE:
        op->status = wx_account_refresh(&op->op, op->world->accounts[op->account].appid, false, NULL, NULL,
                                        NULL, &err);
        break;
    case SIM_OP_CODES:
        op->status = wx_code_exchange_open(&op->op, NULL, &err);
        break;
    }
    sim_check_op(op, &err);
    wx_patience_destroy(&op->patience);
    op->over = true;
    op->node->busy--;
    op->node->nudged = true;
    static const char *const names[] = {"job", "token", "push", "profile", "codes"};
    sim_note(op->world, "n%d %s a%d ends: %s %.100s", op->node->number, names[op->kind], op->account,
             wxtp_status_name(op->status),
             op->status != WXTP_OK && !strstr(err.message, "job ") ? err.message : "");
}

sim_op *sim_op_start(sim *world, sim_node *node, const sim_op *what)
{
    sim_op *op = calloc(1, sizeof(*op));
    if (!op) {
        abort();
    }
    *op = *what;
    op->world = world;
    op->node = node;
    op->next = world->ops;
    world->ops = op;
    op->op.core = &node->core;
    op->op.job_id = "";
    op->op.patience = &op->patience;
    wx_patience_init(&op->patience, MAX_WAIT_MS);
    atomic_init(&op->op.refreshes, 0);
    node->busy++;
    node->nudged = true;
    if (wx_spawn(node->core.engine, run_op, op) != WXTP_OK) {
        sim_fail(world, "no task could be made");
        op->over = true;
        node->busy--;
    }
    return op;
}
