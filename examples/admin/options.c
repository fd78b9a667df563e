/* Takes the command line apart by the tables of commands and options. */
#include "options.h"
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    ad_line *line;
    ad_failure *failure;
    int argc, at;
    char **argv;
} parser;

bool ad_line_wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0 || strncmp(argv[i], "--json=", 7) == 0)
            return true;
    }
    return false;
}

static bool allowed(const ad_command *command, ad_option_id id)
{
    if (id < OPT_GLOBALS)
        return true;
    for (size_t i = 0; command && i < command->use_count; i++) {
        if (command->uses[i].id == id)
            return true;
    }
    return false;
}

/* Walks over the names that may stand at a place. */
typedef struct names {
    const ad_command *command;
    const char *group;
    size_t at, group_at;
} names;

static const char *next_option(void *user)
{
    names *n = user;

    while (n->at < OPT_COUNT) {
        const ad_option *option = &ad_options[n->at++];
        if (allowed(n->command, option->id))
            return option->name;
    }
    return NULL;
}

static const char *next_command(void *user)
{
    names *n = user;

    while (!n->group && ad_groups[n->group_at].name)
        return ad_groups[n->group_at++].name;
    while (ad_commands[n->at].name) {
        const ad_command *command = &ad_commands[n->at++];
        if (n->group ? command->group && strcmp(command->group, n->group) == 0 : !command->group)
            return command->name;
    }
    return NULL;
}

/* `dashes` is what stands before the word. */
static int unknown_option(parser *p, const char *dashes, const char *word, size_t length)
{
    names n = {p->line->command, NULL, 0, 0};
    char name[48];
    bool near;

    for (size_t i = OPT_GLOBALS; i < OPT_COUNT && strcmp(dashes, "--") == 0; i++) {
        if (strlen(ad_options[i].name) == length && strncmp(ad_options[i].name, word, length) == 0)
            return ad_fail_usage(p->failure, "see --help of the command",
                                 p->line->command ? "option --%s does not belong to this command"
                                                  : "option --%s belongs after its command",
                                 ad_options[i].name);
    }
    snprintf(name, sizeof name, "%.*s", (int)(length < 40 ? length : 40), word);
    const char *nearest = ad_nearest(name, next_option, &n, &near);
    return ad_fail_usage(p->failure, "see --help for the options that there are",
                         near ? "unknown option %s%s: did you mean --%s?"
                              : "unknown option %s%s (nearest: --%s)",
                         dashes, name, nearest);
}

static int parse_number(const parser *p, const ad_option *option, const char *from, const char *text)
{
    char *end;
    bool seconds = option->kind == AD_SECONDS;
    double unit = seconds ? 1000 : 1;
    const char *digits = seconds ? "0123456789." : "0123456789";

    const char *unsigned_text = text + (option->least < 0 && *text == '-');

    if (*unsigned_text && unsigned_text[strspn(unsigned_text, digits)] == '\0' && *unsigned_text != '.') {
        double value = strtod(text, &end) * unit; /* exact up to 2^53, and the range is smaller */
        if (*end == '\0' && value >= (double)option->least && value <= (double)option->most) {
            p->line->number[option->id] = (int64_t)(value < 0 ? value - 0.5 : value + 0.5);
            return AD_EXIT_OK;
        }
    }
    if (seconds)
        return ad_fail_usage(p->failure, "give a number of seconds in that range",
                             "%s%s: \"%.40s\" is not %g to %g seconds", from, option->name, text,
                             (double)option->least / unit, (double)option->most / unit);
    return ad_fail_usage(p->failure, "give a number in that range",
                         "%s%s: \"%.40s\" is not a whole number from %lld to %lld", from, option->name, text,
                         (long long)option->least, (long long)option->most);
}

static bool is_one_of(const char *words, const char *text)
{
    size_t length = strlen(text);

    for (const char *word = words; word; word = strchr(word, '|')) {
        word += *word == '|';
        size_t span = strcspn(word, "|");
        if (span == length && strncmp(word, text, span) == 0)
            return true;
    }
    return false;
}

/* `from` is what stands before the name in an error: "--", or "" for a variable. */
static int take_value(const parser *p, const ad_option *option, const char *from, const char *text)
{
    p->line->given[option->id] = true;
    p->line->text[option->id] = text;
    switch (option->kind) {
    case AD_NUMBER:
    case AD_SECONDS:
        return parse_number(p, option, from, text);
    case AD_WORD:
        if (!is_one_of(option->words, text))
            return ad_fail_usage(p->failure, "give one of those words", "%s%s: \"%.40s\" is none of %s", from,
                                 option->name, text, option->words);
        return AD_EXIT_OK;
    case AD_TEXT:
        if (!*text)
            return ad_fail_usage(p->failure, "give a value, or leave the option away",
                                 "%s%s: the value is empty", from, option->name);
        return AD_EXIT_OK;
    case AD_FLAG:
    case AD_RAW:
    case AD_FORMAT:
        break;
    }
    return AD_EXIT_OK;
}

static int take_flag(const parser *p, const ad_option *option)
{
    p->line->given[option->id] = true;
    p->line->number[option->id]++;
    return AD_EXIT_OK;
}

static int take_long(parser *p, const char *word)
{
    size_t length = strcspn(word, "=");
    const ad_option *option = NULL;

    for (size_t i = 0; i < OPT_COUNT && !option; i++) {
        if (strlen(ad_options[i].name) == length && strncmp(ad_options[i].name, word, length) == 0 &&
            allowed(p->line->command, ad_options[i].id))
            option = &ad_options[i];
    }
    if (!option)
        return unknown_option(p, "--", word, length);
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    if (option->kind == AD_FORMAT) {
        if (value && strcmp(value, "lines") != 0)
            return ad_fail_usage(p->failure, "write --json or --json=lines", "--json: \"%.40s\" is not lines",
                                 value);
        p->line->text[option->id] = value ? "lines" : "document";
        return take_flag(p, option);
    }
    if (option->kind == AD_FLAG) {
        if (value)
            return ad_fail_usage(p->failure, "leave the value away", "option --%s takes no value",
                                 option->name);
        return take_flag(p, option);
    }
    if (!value) {
        if (p->at >= p->argc)
            return ad_fail_usage(p->failure, "see --help of the command", "option --%s needs a value: %s",
                                 option->name, option->metavar);
        value = p->argv[p->at++];
    }
    return take_value(p, option, "--", value);
}

static int take_letters(parser *p, const char *letters)
{
    for (; *letters; letters++) {
        const ad_option *option = NULL;
        for (size_t i = 0; i < OPT_GLOBALS && !option; i++) {
            if (ad_options[i].letter == *letters)
                option = &ad_options[i];
        }
        if (!option)
            return unknown_option(p, "-", letters, strlen(letters));
        take_flag(p, option);
    }
    return AD_EXIT_OK;
}

static const ad_command *find_command(const char *group, const char *name)
{
    for (const ad_command *command = ad_commands; command->name; command++) {
        bool same_group = group ? command->group && strcmp(command->group, group) == 0 : !command->group;
        if (same_group && strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

static const char *find_group(const char *name)
{
    for (const ad_group *group = ad_groups; group->name; group++) {
        if (strcmp(group->name, name) == 0)
            return group->name;
    }
    return NULL;
}

static int unknown_command(const parser *p, const char *word)
{
    const char *group = p->line->group, *space = group ? " " : "";
    names n = {NULL, group, 0, 0};
    bool near;

    for (const ad_command *command = ad_commands; !group && command->name; command++) {
        if (command->group && strcmp(command->name, word) == 0)
            return ad_fail_usage(p->failure, "see wxtp-admin --help",
                                 "unknown command %s: did you mean %s %s?", word, command->group,
                                 command->name);
    }
    const char *nearest = ad_nearest(word, next_command, &n, &near);
    return ad_fail_usage(p->failure, group ? "see --help of the group" : "see wxtp-admin --help",
                         near ? "unknown command %s%s%.40s: did you mean %s%s%s?"
                              : "unknown command %s%s%.40s (nearest: %s%s%s)",
                         group ? group : "", space, word, group ? group : "", space, nearest);
}

static int take_word(parser *p, char *word)
{
    ad_line *line = p->line;

    if (line->command) {
        line->args[line->arg_count++] = word;
        return AD_EXIT_OK;
    }
    line->command = find_command(line->group, word);
    if (!line->command && !line->group)
        line->group = find_group(word);
    else if (!line->command)
        return unknown_command(p, word);
    if (!line->command && !line->group)
        return unknown_command(p, word);
    return AD_EXIT_OK;
}

static int take_environment(const parser *p)
{
    for (size_t i = 0; i < OPT_GLOBALS; i++) {
        const ad_option *option = &ad_options[i];
        const char *value = option->environment && !p->line->given[i] ? getenv(option->environment) : NULL;
        if (!value || !*value)
            continue;
        int code = take_value(p, option, "", value);
        if (code != AD_EXIT_OK)
            return code;
    }
    return AD_EXIT_OK;
}

int ad_line_parse(ad_line *line, int argc, char **argv, ad_failure *failure)
{
    parser p = {line, failure, argc, 1, argv};
    bool options = true;
    int code = AD_EXIT_OK;

    memset(line, 0, sizeof *line);
    line->args = argv; /* never overtakes p.at */
    while (p.at < argc && code == AD_EXIT_OK) {
        char *word = argv[p.at++];
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && strncmp(word, "--", 2) == 0)
            code = take_long(&p, word + 2);
        else if (options && word[0] == '-' && word[1] != '\0')
            code = take_letters(&p, word + 1);
        else
            code = take_word(&p, word);
    }
    return code == AD_EXIT_OK ? take_environment(&p) : code;
}

static int check_arguments(const ad_line *line, ad_failure *failure)
{
    const ad_command *command = line->command;
    /* An openid that is none, an empty one too, is counted as invalid. */
    int named = strstr(command->synopsis, "OPENID") && line->arg_count > 1 ? 1 : line->arg_count;
    bool empty = false;

    for (int i = 0; i < named; i++)
        empty = empty || !*line->args[i];
    if (!empty && line->arg_count >= command->least_args &&
        (command->most_args < 0 || line->arg_count <= command->most_args))
        return AD_EXIT_OK;
    return ad_fail_usage(
        failure, "see --help of the command",
        empty                                   ? "an argument is empty: wxtp-admin %s%s%s %s"
        : line->arg_count < command->least_args ? "something is missing: wxtp-admin %s%s%s %s"
                                                : "too many arguments: wxtp-admin %s%s%s %s",
        command->group ? command->group : "", command->group ? " " : "", command->name, command->synopsis);
}

int ad_line_check(const ad_line *line, ad_failure *failure)
{
    if (!line->command && line->group)
        return ad_fail_usage(failure, "see --help of the group", "wxtp-admin %s needs a command",
                             line->group);
    if (!line->command)
        return ad_fail_usage(failure, "see wxtp-admin --help", "no command is given");
    if (line->given[OPT_JSON] && strcmp(line->text[OPT_JSON], "lines") == 0 && !line->command->list)
        return ad_fail_usage(failure, "write --json", "--json=lines is for lists alone");
    for (size_t i = 0; i < line->command->use_count; i++) {
        const ad_use *use = &line->command->uses[i];
        if (use->required && !line->given[use->id])
            return ad_fail_usage(failure, "see --help of the command", "--%s is missing",
                                 ad_options[use->id].name);
    }
    return check_arguments(line, failure);
}

const char *ad_table_problem(void)
{
    bool used[OPT_COUNT] = {false};

    for (size_t i = 0; i < OPT_COUNT; i++) {
        const ad_option *option = &ad_options[i];
        if (option->id != i || !option->name || !option->help)
            return "an option has no row, or a row without name or help";
        bool takes_value = option->kind != AD_FLAG && option->kind != AD_FORMAT;
        if (takes_value != (option->metavar != NULL) || (option->kind == AD_WORD) != (option->words != NULL))
            return option->name;
        if ((option->kind == AD_NUMBER || option->kind == AD_SECONDS) && option->most <= option->least)
            return option->name;
    }
    for (const ad_command *command = ad_commands; command->name; command++) {
        if (!command->summary || !command->synopsis || !command->run)
            return command->name;
        if (command->group && !find_group(command->group))
            return command->group;
        for (size_t i = 0; i < command->use_count; i++) {
            if (command->uses[i].id < OPT_GLOBALS)
                return command->name;
            used[command->uses[i].id] = true;
        }
    }
    for (size_t i = OPT_GLOBALS; i < OPT_COUNT; i++) {
        if (!used[i])
            return ad_options[i].name;
    }
    return NULL;
}
