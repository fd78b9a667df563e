#include "json.h"
#include "memory.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { JSON_DEPTH = 32 };

struct json_object *json_parse_object(const char *text, size_t size)
{
    if (size == 0 || size > INT_MAX)
        return NULL;
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
    if (!tokener)
        return NULL;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object = json_tokener_parse_ex(tokener, text, (int)size);
    size_t end = json_tokener_get_parse_end(tokener);
    bool whole = json_tokener_get_error(tokener) == json_tokener_success;
    while (end < size && strchr(" \t\r\n", text[end]) && text[end])
        end++;
    if (object && (!whole || end != size || !json_object_is_type(object, json_type_object))) {
        json_object_put(object);
        object = NULL;
    }
    json_tokener_free(tokener);
    return object;
}

bool json_has(struct json_object *object, const char *key)
{
    return json_object_object_get_ex(object, key, NULL);
}

struct json_object *json_get(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(object, key, &value);
    return value;
}

const char *json_plain_text(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string))
        return NULL;
    const char *text = json_object_get_string(value);
    return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

const char *json_text(struct json_object *object, const char *key)
{
    return json_plain_text(json_get(object, key));
}

const char *json_text_or(struct json_object *object, const char *key, const char *otherwise)
{
    const char *text = json_text(object, key);
    return text ? text : otherwise;
}

bool json_integer(struct json_object *object, const char *key, int64_t *value)
{
    struct json_object *found = json_get(object, key);
    if (!json_object_is_type(found, json_type_int))
        return false;
    *value = json_object_get_int64(found);
    return true;
}

int64_t json_integer_or(struct json_object *object, const char *key, int64_t otherwise)
{
    int64_t value = 0;
    return json_integer(object, key, &value) ? value : otherwise;
}

bool json_flag(struct json_object *object, const char *key, bool otherwise)
{
    struct json_object *found = json_get(object, key);
    return json_object_is_type(found, json_type_boolean) ? json_object_get_boolean(found) : otherwise;
}

bool words_have(const char *keys, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = keys; *at;) {
        size_t word = strcspn(at, " ");
        if (word == length && memcmp(at, key, length) == 0)
            return true;
        at += word;
        at += strspn(at, " ");
    }
    return false;
}

bool json_only(struct json_object *object, const char *keys, char *why, size_t why_size)
{
    if (!json_object_is_type(object, json_type_object)) {
        snprintf(why, why_size, "not an object");
        return false;
    }
    json_object_object_foreach(object, key, value)
    {
        (void)value;
        if (!words_have(keys, key)) {
            snprintf(why, why_size, "unknown key: %s (known: %s)", key, keys);
            return false;
        }
    }
    return true;
}

void json_put(struct json_object *object, const char *key, struct json_object *value)
{
    json_object_object_add(object, key, value);
}

void json_put_text(struct json_object *object, const char *key, const char *text)
{
    json_put(object, key, text ? json_object_new_string(text) : NULL);
}

void json_put_integer(struct json_object *object, const char *key, int64_t value)
{
    json_put(object, key, json_object_new_int64(value));
}

void json_put_flag(struct json_object *object, const char *key, bool value)
{
    json_put(object, key, json_object_new_boolean(value));
}

void json_tame(char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e)
            *text = '?';
}

char *json_print(struct json_object *object)
{
    return sim_copy(
        json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}
