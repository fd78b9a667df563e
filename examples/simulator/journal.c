#include "journal.h"
#include "json.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

void journal_open(struct journal *journal)
{
    *journal = (struct journal){.first = 1, .next = 1};
}

static void entry_clear(struct journal_entry *entry)
{
    free(entry->method);
    free(entry->path);
    free(entry->query);
    free(entry->body);
    memset(entry, 0, sizeof *entry);
}

void journal_clear(struct journal *journal)
{
    for (uint64_t seq = journal->first; seq < journal->next; seq++)
        entry_clear(&journal->entries[seq % JOURNAL_MOST]);
    journal->first = journal->next;
}

void journal_close(struct journal *journal)
{
    journal_clear(journal);
    free(journal->entries);
    journal->entries = NULL;
}

struct journal_entry *journal_append(struct journal *journal)
{
    if (!journal->entries)
        journal->entries = sim_alloc(JOURNAL_MOST * sizeof *journal->entries);
    if (journal->next - journal->first == JOURNAL_MOST)
        entry_clear(&journal->entries[journal->first++ % JOURNAL_MOST]);
    struct journal_entry *entry = &journal->entries[journal->next % JOURNAL_MOST];
    entry->seq = journal->next++;
    return entry;
}

struct journal_entry *journal_entry(const struct journal *journal, uint64_t seq)
{
    return seq >= journal->first && seq < journal->next ? &journal->entries[seq % JOURNAL_MOST] : NULL;
}

bool path_matches(const char *pattern, const char *path)
{
    size_t size = strlen(pattern);
    if (size && pattern[size - 1] == '*')
        return strncmp(pattern, path, size - 1) == 0;
    return strcmp(pattern, path) == 0;
}

bool journal_matches(const struct journal_entry *entry, const char *path, const char *appid)
{
    return entry->path && (!path || path_matches(path, entry->path)) &&
           (!appid || strcmp(appid, entry->appid) == 0);
}

static struct json_object *entry_show(const struct journal_entry *entry)
{
    struct json_object *shown = json_object_new_object();
    json_put_integer(shown, "seq", (int64_t)entry->seq);
    json_put_integer(shown, "ms", entry->ms);
    json_put_text(shown, "method", entry->method);
    json_put_text(shown, "path", entry->path);
    json_put(shown, "query", json_parse_object(entry->query, strlen(entry->query)));
    json_put(shown, "body", entry->body ? json_parse_object(entry->body, strlen(entry->body)) : NULL);
    json_put_text(shown, "appid", entry->appid[0] ? entry->appid : NULL);
    json_put_text(shown, "component", entry->component[0] ? entry->component : NULL);
    json_put_text(shown, "token_kind", entry->token_kind);
    json_put(shown, "generation", entry->generation ? json_object_new_int64(entry->generation) : NULL);
    json_put(shown, "refresh_generation",
             entry->refresh_generation ? json_object_new_int64(entry->refresh_generation) : NULL);
    json_put(shown, "errcode", entry->answered ? json_object_new_int64(entry->errcode) : NULL);
    json_put(shown, "http_status", entry->answered ? json_object_new_int64(entry->http_status) : NULL);
    json_put_flag(shown, "applied", entry->applied);
    json_put_flag(shown, "answered", entry->answered);
    json_put(shown, "fault", entry->fault ? json_object_new_int64((int64_t)entry->fault) : NULL);
    json_put_text(shown, "rid", entry->rid);
    return shown;
}

struct json_object *journal_show(const struct journal *journal, const char *path, const char *appid,
                                 uint64_t since, uint64_t limit)
{
    struct json_object *shown = json_object_new_object();
    struct json_object *calls = json_object_new_array();
    uint64_t total = 0;
    for (uint64_t seq = journal->first; seq < journal->next; seq++) {
        const struct journal_entry *entry = journal_entry(journal, seq);
        if (seq <= since || !journal_matches(entry, path, appid))
            continue;
        if (total++ < limit)
            json_object_array_add(calls, entry_show(entry));
    }
    json_put(shown, "calls", calls);
    json_put_integer(shown, "total", (int64_t)total);
    json_put_integer(shown, "last", (int64_t)journal->next - 1);
    json_put_integer(shown, "dropped", (int64_t)journal->first - 1);
    return shown;
}
