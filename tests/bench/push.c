/*
 * Receives ticket pushes, and makes the same OpenSSL and expat calls without the library.
 *
 *     bench-push --db PATH [--pushes N] [--in-memory 1]
 *
 * With --in-memory 1 all pushes are one transaction: nothing is committed in between. Both take turns over
 * the same pushes. Prints one JSON object: CPU of the thread for each push; of the library's also how much of
 * it the store spent: to begin and to commit transactions, and on rows.
 */
#include <expat.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum {
    KEY_LEN = 32,
    IV_LEN = 16,
    RANDOM_LEN = 16,
    BLOCK = 32,
    PLAIN_MAX = 2048,
    BODY_MAX = 4096,
    QUERY_MAX = 512,
    DIGEST_LEN = 20,
    ROUND = 50,
    WARM_UP = 20,
};

static const char component[] = "wxbenchpush0000001";
static const char push_token[] = "benchtoken";
static const char key_text[] = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

typedef struct push {
    char query[QUERY_MAX], body[BODY_MAX];
    char timestamp[24], nonce[24];
} push;

/* ---- Making a push ---- */

static bool decode_key(unsigned char key[KEY_LEN])
{
    char padded[sizeof(key_text) + 1];
    unsigned char bytes[KEY_LEN + 1];
    (void)snprintf(padded, sizeof(padded), "%s=", key_text);
    if (EVP_DecodeBlock(bytes, (const unsigned char *)padded, (int)strlen(padded)) != KEY_LEN + 1) {
        return false;
    }
    memcpy(key, bytes, KEY_LEN);
    return true;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool sign(const push *of, const char *sealed, char hex[2 * DIGEST_LEN + 1])
{
    const char *parts[] = {push_token, of->timestamp, of->nonce, sealed};
    unsigned char digest[DIGEST_LEN];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) == 1;
    qsort(parts, sizeof(parts) / sizeof(parts[0]), sizeof(parts[0]), compare_texts);
    for (size_t at = 0; ok && at < sizeof(parts) / sizeof(parts[0]); at++) {
        ok = EVP_DigestUpdate(ctx, parts[at], strlen(parts[at])) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    for (size_t at = 0; ok && at < DIGEST_LEN; at++) {
        (void)snprintf(hex + 2 * at, 3, "%02x", digest[at]);
    }
    return ok;
}

/* Random bytes, length, text and appid, filled up to the next 32 bytes. */
static size_t frame(const char *text, unsigned char plain[PLAIN_MAX])
{
    const size_t len = strlen(text);
    const size_t appid_len = strlen(component);
    size_t total = RANDOM_LEN + 4 + len + appid_len;
    const size_t padding = BLOCK - total % BLOCK;
    if (total + padding > PLAIN_MAX || RAND_bytes(plain, RANDOM_LEN) != 1) {
        return 0;
    }
    for (size_t at = 0; at < 4; at++) {
        plain[RANDOM_LEN + at] = (unsigned char)(len >> (24 - 8 * at));
    }
    memcpy(plain + RANDOM_LEN + 4, text, len);
    memcpy(plain + RANDOM_LEN + 4 + len, component, appid_len);
    memset(plain + total, (int)padding, padding);
    return total + padding;
}

static bool encrypt(const unsigned char key[KEY_LEN], const char *text, char sealed[BODY_MAX])
{
    unsigned char plain[PLAIN_MAX];
    unsigned char cipher[PLAIN_MAX];
    int written = 0;
    const size_t len = frame(text, plain);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = len > 0 && ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, key) == 1 &&
              EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
              EVP_EncryptUpdate(ctx, cipher, &written, plain, (int)len) == 1 && (size_t)written == len;
    EVP_CIPHER_CTX_free(ctx);
    return ok && EVP_EncodeBlock((unsigned char *)sealed, cipher, (int)len) > 0;
}

static bool make_push(const unsigned char key[KEY_LEN], int64_t number, push *made)
{
    char text[1024];
    char sealed[BODY_MAX];
    char signature[2 * DIGEST_LEN + 1];
    const int64_t time_s = 1700000000 + number;
    (void)snprintf(text, sizeof(text),
                   "<xml><AppId><![CDATA[%s]]></AppId>\n<CreateTime>%" PRId64
                   "</CreateTime>\n<InfoType><![CDATA[component_verify_ticket]]></InfoType>\n"
                   "<ComponentVerifyTicket><![CDATA[ticket@@@%090" PRId64
                   "]]></ComponentVerifyTicket>\n</xml>",
                   component, time_s, number);
    (void)snprintf(made->timestamp, sizeof(made->timestamp), "%" PRId64, time_s);
    (void)snprintf(made->nonce, sizeof(made->nonce), "%" PRId64, 100000 + number);
    if (!encrypt(key, text, sealed) || !sign(made, sealed, signature)) {
        return false;
    }
    (void)snprintf(
        made->query, sizeof(made->query),
        "signature=0123456789abcdef0123456789abcdef01234567&timestamp=%s&nonce=%s&encrypt_type=aes&"
        "msg_signature=%s",
        made->timestamp, made->nonce, signature);
    return snprintf(made->body, sizeof(made->body),
                    "<xml>\n<AppId><![CDATA[%s]]></AppId>\n<Encrypt><![CDATA[%s]]></Encrypt>\n</xml>",
                    component, sealed) < (int)sizeof(made->body);
}

/* ---- The same without the library ---- */

typedef struct field {
    const char *wanted;
    bool inside;
    char text[BODY_MAX];
    size_t len;
} field;

static void on_start(void *user, const char *name, const char **attributes)
{
    field *self = user;
    (void)attributes;
    self->inside = strcmp(name, self->wanted) == 0;
}

static void on_end(void *user, const char *name)
{
    field *self = user;
    (void)name;
    self->inside = false;
}

static void on_text(void *user, const char *text, int len)
{
    field *self = user;
    if (self->inside && self->len + (size_t)len < sizeof(self->text)) {
        memcpy(self->text + self->len, text, (size_t)len);
        self->len += (size_t)len;
    }
}

static bool parse(const char *text, size_t len, field *found)
{
    XML_Parser parser = XML_ParserCreate("UTF-8");
    if (!parser) {
        return false;
    }
    found->len = 0;
    XML_SetUserData(parser, found);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    const bool ok = XML_Parse(parser, text, (int)len, 1) == XML_STATUS_OK && found->len > 0;
    XML_ParserFree(parser);
    found->text[found->len] = '\0';
    return ok;
}

static bool decrypt(const unsigned char key[KEY_LEN], const field *sealed, unsigned char plain[BODY_MAX],
                    size_t *len)
{
    unsigned char cipher[BODY_MAX];
    int written = 0;
    int bytes = EVP_DecodeBlock(cipher, (const unsigned char *)sealed->text, (int)sealed->len);
    for (size_t at = sealed->len; bytes > 0 && at > 0 && sealed->text[at - 1] == '='; at--) {
        bytes--;
    }
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const bool ok = bytes > 0 && ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, key) == 1 &&
                    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                    EVP_DecryptUpdate(ctx, plain, &written, cipher, bytes) == 1 && written == bytes;
    EVP_CIPHER_CTX_free(ctx);
    *len = (size_t)written;
    return ok;
}

/* The ticket is sealed before it is stored. */
static bool seal(const unsigned char key[KEY_LEN], const char *text, size_t len)
{
    unsigned char nonce[12];
    unsigned char sealed[BODY_MAX];
    unsigned char tag[16];
    int written = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const bool ok = ctx && RAND_bytes(nonce, sizeof(nonce)) == 1 &&
                    EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
                    EVP_EncryptUpdate(ctx, NULL, &written, (const unsigned char *)component,
                                      (int)sizeof(component)) == 1 &&
                    EVP_EncryptUpdate(ctx, sealed, &written, (const unsigned char *)text, (int)len) == 1 &&
                    EVP_EncryptFinal_ex(ctx, sealed + written, &written) == 1 &&
                    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, sizeof(tag), tag) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

static bool open_bare(const unsigned char key[KEY_LEN], const push *given)
{
    field sealed = {.wanted = "Encrypt"};
    field ticket = {.wanted = "ComponentVerifyTicket"};
    unsigned char plain[BODY_MAX];
    unsigned char digest[EVP_MAX_MD_SIZE];
    char signature[2 * DIGEST_LEN + 1];
    size_t len = 0;
    if (!parse(given->body, strlen(given->body), &sealed) || !sign(given, sealed.text, signature) ||
        !strstr(given->query, signature) || !decrypt(key, &sealed, plain, &len) || len < RANDOM_LEN + 4) {
        return false;
    }
    const char *text = (const char *)plain + RANDOM_LEN + 4;
    const size_t text_len = (size_t)plain[RANDOM_LEN + 2] << 8 | plain[RANDOM_LEN + 3];
    return text_len <= len - RANDOM_LEN - 4 &&
           EVP_Digest(text, text_len, digest, NULL, EVP_sha256(), NULL) == 1 &&
           parse(text, text_len, &ticket) && seal(key, ticket.text, ticket.len);
}

/* ---- Taking turns ---- */

static bool receive(wxtp_platform *platform, const push *given)
{
    wxtp_push *got = NULL;
    wxtp_error *error = NULL;
    const wxtp_status status =
        wxtp_push_receive(platform, given->query, given->body, strlen(given->body), &got, &error);
    const bool ok = bench_ok(status, "push", error) && wxtp_push_applied(got);
    wxtp_push_free(got);
    return ok;
}

typedef struct sums {
    int64_t ours_ns, bare_ns, begin_ns, commit_ns, rows_ns;
} sums;

static bool take_turns(const bench_platform *on, const unsigned char key[KEY_LEN], const push *pushes,
                       int64_t count, sums *sum)
{
    bool ok = true;
    for (int64_t from = 0; ok && from < count; from += ROUND) {
        const int64_t to = from + ROUND < count ? from + ROUND : count;
        const bench_counts before = bench_store_counts(on->store);
        int64_t cpu = bench_thread_cpu_ns();
        for (int64_t at = from; ok && at < to; at++) {
            ok = receive(on->platform, &pushes[at]);
        }
        sum->ours_ns += bench_thread_cpu_ns() - cpu;
        const bench_counts after = bench_store_counts(on->store);
        sum->begin_ns += after.begin_ns - before.begin_ns;
        sum->rows_ns += after.rows_ns - before.rows_ns;
        sum->commit_ns += after.commit_ns - before.commit_ns;
        cpu = bench_thread_cpu_ns();
        for (int64_t at = from; ok && at < to; at++) {
            ok = open_bare(key, &pushes[at]);
        }
        sum->bare_ns += bench_thread_cpu_ns() - cpu;
    }
    return ok;
}

static bool set_up(const bench_platform *on, unsigned char key[KEY_LEN], push *pushes, int64_t count)
{
    wxtp_error *error = NULL;
    const wxtp_status status = wxtp_platform_set(on->platform, component, "0123456789abcdef0123456789abcdef",
                                                 push_token, key_text, &error);
    bool ok = bench_ok(status, "platform", error) && decode_key(key);
    for (int64_t at = 0; ok && at < count; at++) {
        ok = make_push(key, at, &pushes[at]);
    }
    for (int64_t at = 0; ok && at < WARM_UP; at++) {
        ok = receive(on->platform, &pushes[at]) && open_bare(key, &pushes[at]);
    }
    return ok;
}

int main(int argc, char **argv)
{
    const bench_args args = {argc, argv};
    const int64_t count = bench_number(&args, "--pushes", 1000);
    const bool in_memory = bench_number(&args, "--in-memory", 0) != 0;
    unsigned char key[KEY_LEN];
    sums sum = {0};
    bench_platform on;
    push *pushes = calloc((size_t)count + WARM_UP, sizeof(*pushes));
    if (!pushes || !bench_open(&args, in_memory ? BENCH_TOGETHER : BENCH_COUNTED, &on)) {
        free(pushes);
        return EXIT_FAILURE;
    }
    bool ok =
        set_up(&on, key, pushes, count + WARM_UP) && take_turns(&on, key, pushes + WARM_UP, count, &sum);
    const double per = (double)count * 1e3;
    printf("{\"library_us\": %.3f, \"begin_us\": %.3f, \"commit_us\": %.3f, \"rows_us\": %.3f, "
           "\"bare_us\": %.3f}\n",
           (double)sum.ours_ns / per, (double)sum.begin_ns / per, (double)sum.commit_ns / per,
           (double)sum.rows_ns / per, (double)sum.bare_ns / per);
    ok = bench_close(&on) && ok;
    free(pushes);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
