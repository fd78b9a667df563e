/* Reading JSON objects strictly: a wrong type counts as absent, and text with a NUL inside too. */
#ifndef SIM_JSON_H
#define SIM_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL unless the whole text is one JSON object in valid UTF-8. */
struct json_object *json_parse_object(const char *text, size_t size);

bool json_has(struct json_object *object, const char *key);
struct json_object *json_get(struct json_object *object, const char *key);
const char *json_text(struct json_object *object, const char *key);
const char *json_text_or(struct json_object *object, const char *key, const char *otherwise);
const char *json_plain_text(struct json_object *value);
bool json_integer(struct json_object *object, const char *key, int64_t *value);
int64_t json_integer_or(struct json_object *object, const char *key, int64_t otherwise);
bool json_flag(struct json_object *object, const char *key, bool otherwise);

/* Is the word one of the space separated ones? */
bool words_have(const char *words, const char *word);

/* False, naming the key, when the object has a key that is not among the space separated ones. */
bool json_only(struct json_object *object, const char *keys, char *why, size_t why_size);

void json_put_text(struct json_object *object, const char *key, const char *text);
void json_put_integer(struct json_object *object, const char *key, int64_t value);
void json_put_flag(struct json_object *object, const char *key, bool value);
void json_put(struct json_object *object, const char *key, struct json_object *value);

/* Bytes that are not printable ASCII become '?', so that the text may stand in any JSON. */
void json_tame(char *text);

/* The object as compact text, owned by the caller. */
char *json_print(struct json_object *object);

#endif
