#include "faults.h"
#include "journal.h"
#include "json.h"
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static const char KEYS[] = "path appid nth count errcode errmsg http_status body content_type delay_ms cut "
                           "truncate_at drip_ms endless hold apply";

static void fault_free(struct fault *fault)
{
    free(fault->path);
    free(fault->appid);
    fault_effect_free(&fault->effect);
    free(fault);
}

void faults_clear(struct faults *faults)
{
    struct fault *fault = NULL;
    struct fault *next = NULL;
    DL_FOREACH_SAFE(faults->list, fault, next)
    {
        DL_DELETE(faults->list, fault);
        fault_free(fault);
    }
}

bool faults_remove(struct faults *faults, uint64_t id)
{
    struct fault *fault = NULL;
    DL_FOREACH(faults->list, fault)
    {
        if (fault->effect.id == id) {
            DL_DELETE(faults->list, fault);
            fault_free(fault);
            return true;
        }
    }
    return false;
}

static char *optional(struct json_object *order, const char *key)
{
    const char *text = json_text(order, key);
    return text ? sim_copy(text) : NULL;
}

static bool integer_in(struct json_object *order, const char *key, int64_t otherwise, int64_t least,
                       int64_t most, int64_t *value, char *why, size_t why_size)
{
    *value = otherwise;
    if (!json_has(order, key) || (json_integer(order, key, value) && *value >= least && *value <= most))
        return true;
    snprintf(why, why_size, "%s: an integer of %lld to %lld", key, (long long)least, (long long)most);
    return false;
}

static bool read_words(struct json_object *order, struct fault_effect *effect, char *why, size_t why_size)
{
    const char *cut = json_text_or(order, "cut", "");
    bool errs = effect->has_errcode || effect->body || effect->http_status;
    const char *apply = json_text_or(order, "apply", errs || strcmp(cut, "before") == 0 ? "no" : "yes");
    if (json_has(order, "cut") && !words_have("before after", cut)) {
        snprintf(why, why_size, "cut: before or after");
        return false;
    }
    if (!words_have("yes no on_release", apply)) {
        snprintf(why, why_size, "apply: yes, no or on_release");
        return false;
    }
    effect->cut = cut[0] ? (strcmp(cut, "before") == 0 ? CUT_BEFORE : CUT_AFTER) : CUT_NOT;
    effect->apply = strcmp(apply, "yes") == 0  ? APPLY_YES
                    : strcmp(apply, "no") == 0 ? APPLY_NO
                                               : APPLY_ON_RELEASE;
    return true;
}

static bool read_order(struct json_object *order, struct fault *fault, char *why, size_t why_size)
{
    struct fault_effect *effect = &fault->effect;
    int64_t nth = 1;
    if (!json_only(order, KEYS, why, why_size) ||
        !integer_in(order, "nth", 1, 1, INT32_MAX, &nth, why, why_size) ||
        !integer_in(order, "count", 1, -1, INT32_MAX, &fault->count, why, why_size) ||
        !integer_in(order, "errcode", 0, INT32_MIN, INT32_MAX, &effect->errcode, why, why_size) ||
        !integer_in(order, "http_status", 0, 200, 599, &effect->http_status, why, why_size) ||
        !integer_in(order, "delay_ms", 0, 0, 600000, &effect->delay_ms, why, why_size) ||
        !integer_in(order, "truncate_at", -1, 0, INT32_MAX, &effect->truncate_at, why, why_size) ||
        !integer_in(order, "drip_ms", 0, 0, 60000, &effect->drip_ms, why, why_size))
        return false;
    fault->wait = nth - 1;
    effect->has_errcode = json_has(order, "errcode");
    effect->endless = json_flag(order, "endless", false);
    effect->hold = json_flag(order, "hold", false);
    fault->path = optional(order, "path");
    fault->appid = optional(order, "appid");
    effect->errmsg = optional(order, "errmsg");
    effect->body = optional(order, "body");
    effect->content_type = optional(order, "content_type");
    return read_words(order, effect, why, why_size);
}

uint64_t faults_add(struct faults *faults, struct json_object *order, char *why, size_t why_size)
{
    struct fault *fault = sim_alloc(sizeof *fault);
    if (!read_order(order, fault, why, why_size)) {
        fault_free(fault);
        return 0;
    }
    fault->effect.id = ++faults->last_id;
    DL_APPEND(faults->list, fault);
    return fault->effect.id;
}

static struct fault_effect effect_copy(const struct fault_effect *effect)
{
    struct fault_effect copy = *effect;
    copy.errmsg = effect->errmsg ? sim_copy(effect->errmsg) : NULL;
    copy.body = effect->body ? sim_copy(effect->body) : NULL;
    copy.content_type = effect->content_type ? sim_copy(effect->content_type) : NULL;
    return copy;
}

void fault_effect_free(struct fault_effect *effect)
{
    free(effect->errmsg);
    free(effect->body);
    free(effect->content_type);
}

struct fault_effect faults_take(struct faults *faults, const char *path, const char *appid,
                                const char *component)
{
    struct fault_effect taken = {.truncate_at = -1};
    struct fault *fault = NULL;
    DL_FOREACH(faults->list, fault)
    {
        if (fault->count == 0 || (fault->path && !path_matches(fault->path, path)) ||
            (fault->appid && strcmp(fault->appid, appid) != 0 && strcmp(fault->appid, component) != 0))
            continue;
        if (fault->wait > 0) {
            fault->wait--;
        } else if (!taken.id) {
            fault->hits++;
            if (fault->count > 0)
                fault->count--;
            taken = effect_copy(&fault->effect);
        }
    }
    return taken;
}

struct json_object *faults_show(const struct faults *faults)
{
    struct json_object *shown = json_object_new_array();
    const struct fault *fault = NULL;
    DL_FOREACH(faults->list, fault)
    {
        struct json_object *one = json_object_new_object();
        json_put_integer(one, "id", (int64_t)fault->effect.id);
        json_put_text(one, "path", fault->path);
        json_put_text(one, "appid", fault->appid);
        json_put_integer(one, "wait", fault->wait);
        json_put_integer(one, "count", fault->count);
        json_put_integer(one, "hits", fault->hits);
        json_object_array_add(shown, one);
    }
    return shown;
}
