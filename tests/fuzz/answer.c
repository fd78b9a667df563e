/* WeChat's answers. The first line names the call whose answer the rest is; then everything is done that
 * makes such calls. All other calls are answered sensibly. */
#include "stage.h"

#include <stdlib.h>

#include "codec/answer.h"

/* The reading alone, as it is the same for all calls. */
static void read_alone(const char *text, size_t len)
{
    static const char *const wanted[] = {NULL, "", "access_token", "list"};
    for (size_t at = 0; at < sizeof(wanted) / sizeof(wanted[0]); at++) {
        WX_AUTO_ANSWER answer = {0};
        wx_answer_read(&answer, 200, text, len, wanted[at]);
        fuzz_require(answer.sensible == (answer.json != NULL));
        for (const char *c = answer.errmsg; *c; c++) {
            fuzz_require((unsigned char)*c >= 0x20);
        }
        fuzz_require(strlen(answer.errmsg) < sizeof(answer.errmsg) &&
                     strlen(answer.rid) < sizeof(answer.rid));
    }
}

static bool see_openid(void *user, const char *openid)
{
    *(size_t *)user += strlen(openid);
    return true;
}

static void use_token(world *w, const char *appid)
{
    wxtp_token_facts facts = {.struct_size = sizeof(facts)};
    char *token = NULL;
    int64_t generation = 0;
    if (wxtp_token_info(w->platform, appid, &facts, NULL) == WXTP_OK) {
        (void)wxtp_token_refresh(w->platform, appid, facts.version, &facts, NULL);
    }
    if (wxtp_token_get(w->platform, appid, &token, &generation, NULL) == WXTP_OK) {
        fuzz_require(token[0] != '\0' && strlen(token) <= 4096);
    }
    wxtp_free(token);
}

static void use(world *w)
{
    static const char *const openids[] = {"o1", "o2", "o3"};
    wxtp_unblacklist_counts counts = {.struct_size = sizeof(counts)};
    wxtp_sync_result synced = {.struct_size = sizeof(synced)};
    wxtp_tenant *tenant = NULL;
    char *url = NULL;
    int64_t life = 0;
    int64_t total = 0;
    size_t seen = 0;
    use_token(w, STAGE_MERCHANT);
    use_token(w, STAGE_OWN);
    (void)wxtp_tenant_add(w->platform, "a-new-code", &tenant, NULL);
    wxtp_tenant_free(tenant);
    (void)wxtp_authorize_url(w->platform, "https://a.example/", false, 3, NULL, &url, &life, NULL);
    wxtp_free(url);
    (void)wxtp_tenant_sync(w->platform, NULL, 0, NULL, NULL, NULL, &synced, NULL);
    (void)wxtp_unblacklist(w->platform, STAGE_MERCHANT, openids, 3, &counts, NULL);
    fuzz_require(counts.requested == counts.unblacklisted + counts.invalid + counts.failed + counts.pending);
    (void)wxtp_blacklist_each(w->platform, STAGE_MERCHANT, see_openid, &seen, &total, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes rest = {data, size};
    const fuzz_bytes line = fuzz_take_line(&rest);
    char *call = fuzz_text(line.data, line.size);
    char *text = fuzz_text(rest.data, rest.size);
    read_alone(text, rest.size);
    world *w = stage_reset();
    /* The fake's answers are texts, so what stands behind a NUL is for read_alone. */
    fake_http_on(&w->http, call, NULL, -1, text);
    fuzz_require(stage_open(w));
    if (line.size > 3) {
        use(w);
    }
    stage_close(w);
    free(call);
    free(text);
    return 0;
}
