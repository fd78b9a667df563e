/* The candidates of completion: commands and options from the tables, names from the database. */
#include "database.h"
#include <stdlib.h>
#include <string.h>

enum { CANDIDATES_MAX = 100, PLATFORMS_MAX = 32, NAME_MAX_LEN = 64, BUSY_MS = 50 };

static void candidate(FILE *to, const char *dashes, const char *name, const char *prefix)
{
    char text[64];

    snprintf(text, sizeof text, "%s%s", dashes, name);
    if (strncmp(text, prefix, strlen(prefix)) == 0)
        fprintf(to, "%s\n", text);
}

static void complete_options(const ad_command *command, const char *prefix, FILE *to)
{
    for (size_t i = 0; i < OPT_GLOBALS; i++)
        candidate(to, "--", ad_options[i].name, prefix);
    for (size_t i = 0; command && i < command->use_count; i++)
        candidate(to, "--", ad_options[command->uses[i].id].name, prefix);
}

/* The option whose value the word before the last one waits for. */
static const ad_option *waiting_option(char **words, int count)
{
    if (count < 2 || strncmp(words[count - 2], "--", 2) != 0)
        return NULL;
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if (strcmp(ad_options[i].name, words[count - 2] + 2) == 0)
            return ad_options[i].metavar ? &ad_options[i] : NULL;
    }
    return NULL;
}

static void complete_words(const char *words, const char *prefix, FILE *to)
{
    char word[40];

    for (; words && *words; words += strspn(words, "|")) {
        size_t span = strcspn(words, "|");
        snprintf(word, sizeof word, "%.*s", (int)span, words);
        candidate(to, "", word, prefix);
        words += span;
    }
}

/* ---- What is in the database ---- */

typedef enum names { NAMES_NONE, NAMES_TENANTS, NAMES_JOBS, NAMES_PLATFORMS } names;

static names named_by_option(const ad_option *option, const ad_command *command)
{
    bool job = command && command->group && strcmp(command->group, "job") == 0;

    switch (option->id) {
    case OPT_COMPONENT:
        return NAMES_PLATFORMS;
    case OPT_TENANT:
        return NAMES_TENANTS;
    case OPT_AFTER:
        return job ? NAMES_JOBS : NAMES_TENANTS;
    default:
        return NAMES_NONE;
    }
}

static bool takes_value(const char *word)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if (strcmp(ad_options[i].name, word + 2) == 0)
            return ad_options[i].metavar != NULL;
    }
    return false; /* with its value behind "=", or no option at all */
}

/* The synopsis tells what the argument names that follows these words. */
static names named_by_argument(const ad_command *command, char **words, int count)
{
    const char *synopsis = command->synopsis + (command->synopsis[0] == '[');
    size_t span = strspn(synopsis, "ADIP");
    bool tenants = span == 5 && memcmp(synopsis, "APPID", span) == 0;
    bool jobs = span == 2 && memcmp(synopsis, "ID", span) == 0;
    int before = 0;

    for (int i = 0; i < count; i++) {
        if (strncmp(words[i], "--", 2) != 0)
            before++;
        else if (takes_value(words[i]))
            i++;
    }
    if ((!tenants && !jobs) || (before > 0 && strncmp(synopsis + span, "...", 3) != 0))
        return NAMES_NONE;
    return tenants ? NAMES_TENANTS : NAMES_JOBS;
}

/* Of the line, of the environment, or NULL. */
static const char *setting(ad_option_id id, char **words, int count)
{
    const ad_option *option = &ad_options[id];
    size_t length = strlen(option->name);

    for (int i = 0; i + 1 < count; i++) {
        if (strncmp(words[i], "--", 2) != 0 || strncmp(words[i] + 2, option->name, length) != 0)
            continue;
        if (words[i][2 + length] == '=')
            return words[i] + 3 + length;
        if (words[i][2 + length] == '\0' && i + 2 < count)
            return words[i + 1];
    }
    const char *value = option->environment ? getenv(option->environment) : NULL;
    return value && *value ? value : NULL;
}

typedef struct search {
    FILE *to;
    const char *prefix;
    const char *platform; /* the only one that counts; NULL: all */
    char platforms[PLATFORMS_MAX][NAME_MAX_LEN];
    size_t platform_count;
    bool first; /* tenants of no platform come with those of every platform */
} search;

static bool begins(const search *s, const char *name)
{
    return strncmp(name, s->prefix, strlen(s->prefix)) == 0;
}

static bool see_platform(void *user, const wxtp_platform_row *row)
{
    search *s = user;

    if (s->platform && strcmp(row->component_appid, s->platform) != 0)
        return true;
    ad_copy(s->platforms[s->platform_count++], NAME_MAX_LEN, row->component_appid);
    return s->platform_count < PLATFORMS_MAX;
}

static bool see_tenant(void *user, const wxtp_tenant_row *row)
{
    const search *s = user;

    if (!begins(s, row->appid))
        return false;
    if (s->first || row->platform[0])
        fprintf(s->to, "%s\n", row->appid);
    return true;
}

static bool see_job(void *user, const wxtp_job_row *row)
{
    const search *s = user;

    if (row->state != WXTP_JOB_BUILDING)
        fprintf(s->to, "%s\n", row->id);
    return true;
}

/* The list goes on strictly after this name, which stands right before all that begin with the prefix. */
static const char *right_before(const char *prefix, char before[NAME_MAX_LEN + 2])
{
    size_t length = strlen(prefix);

    if (length == 0 || length >= NAME_MAX_LEN)
        return NULL;
    memcpy(before, prefix, length);
    before[length - 1]--;
    before[length] = 0x7f;
    before[length + 1] = '\0';
    return before;
}

static void search_in(search *s, names what, const wxtp_store_ops *ops, wxtp_tx *tx, const char *platform)
{
    char before[NAME_MAX_LEN + 2];
    const wxtp_tenant_filter tenants = {.platform = platform,
                                        .status = -1,
                                        .certified = -1,
                                        .credential = -1,
                                        .after_appid = right_before(s->prefix, before),
                                        .after_platform = "",
                                        .limit = CANDIDATES_MAX};
    const wxtp_job_filter jobs = {
        .platform = platform, .state = -1, .limit = CANDIDATES_MAX, .id_prefix = s->prefix};

    if (what == NAMES_TENANTS)
        (void)ops->tenant_list(tx, &tenants, see_tenant, s);
    else if (what == NAMES_JOBS)
        (void)ops->job_list(tx, &jobs, see_job, s);
    else if (begins(s, platform))
        fprintf(s->to, "%s\n", platform);
    s->first = false;
}

static void search_store(search *s, names what, wxtp_store *store)
{
    wxtp_tx *tx = NULL;

    if (store->ops->begin(store, WXTP_TX_READ, &tx) != WXTP_OK)
        return;
    if (store->ops->platform_list(tx, see_platform, s) == WXTP_OK) {
        for (size_t i = 0; i < s->platform_count; i++)
            search_in(s, what, store->ops, tx, s->platforms[i]);
        if (s->platform_count == 0 && what != NAMES_PLATFORMS)
            search_in(s, what, store->ops, tx, "");
    }
    store->ops->rollback(tx);
}

/* The store is read and no more: no key is needed, nothing is made, and trouble gives no candidates. */
static void complete_names(names what, char **words, int count, FILE *to)
{
    ad_app app = {0};
    wxtp_store *store = NULL;
    search s = {.to = to, .prefix = words[count - 1], .first = true};
    wxtp_sqlite_options options = {.struct_size = sizeof options, .busy_ms = BUSY_MS};

    if (what == NAMES_NONE)
        return;
    s.platform = what == NAMES_PLATFORMS ? NULL : setting(OPT_COMPONENT, words, count);
    app.line.text[OPT_DB] = setting(OPT_DB, words, count);
    if (ad_database_path(&app) == AD_EXIT_OK) {
        options.path = app.db_path;
        if (wxtp_sqlite_open(&options, &store, NULL, NULL, 0) == WXTP_OK) {
            search_store(&s, what, store);
            store->ops->close(store);
        }
    }
    free(app.db_path);
    free(app.key_path);
}

void ad_complete(char **words, int count, FILE *to)
{
    const char *group = NULL, *last = count > 0 ? words[count - 1] : "";
    const ad_command *command = NULL;
    int after = 0;
    const ad_option *waiting = waiting_option(words, count);

    for (int i = 0; i + 1 < count && !command; i++) {
        for (const ad_command *c = ad_commands; c->name && !command; c++) {
            if (strcmp(c->name, words[i]) == 0 &&
                (c->group ? group && strcmp(c->group, group) == 0 : !group)) {
                command = c;
                after = i + 1;
            }
        }
        for (const ad_group *g = ad_groups; g->name && !group; g++) {
            if (strcmp(g->name, words[i]) == 0)
                group = g->name;
        }
    }
    if (waiting) {
        complete_words(waiting->words, last, to);
        complete_names(named_by_option(waiting, command), words, count, to);
        return;
    }
    if (last[0] != '-' && command)
        complete_names(named_by_argument(command, words + after, count - after - 1), words, count, to);
    if (last[0] == '-' || command) {
        complete_options(command, last, to);
        return;
    }
    for (const ad_group *g = ad_groups; g->name && !group; g++)
        candidate(to, "", g->name, last);
    for (const ad_command *c = ad_commands; c->name; c++) {
        if (group ? c->group && strcmp(c->group, group) == 0 : !c->group)
            candidate(to, "", c->name, last);
    }
}
