/* --help at every level, from the tables. */
#include "options.h"
#include <string.h>

static void put_option(FILE *to, const ad_option *option, const char *help)
{
    char head[64];

    snprintf(head, sizeof head, "%s%c%s--%s%s%s%s", option->letter ? "-" : "",
             option->letter ? option->letter : ' ', option->letter ? ", " : "   ", option->name,
             option->kind == AD_FORMAT ? "[=lines]" : "", option->metavar ? " " : "",
             option->metavar ? option->metavar : "");
    fprintf(to, "  %-34s %s", head, help ? help : option->help);
    if (option->environment)
        fprintf(to, " [%s]", option->environment);
    fputc('\n', to);
}

static void put_globals(FILE *to)
{
    fputs("\nGlobal options, before or after the command:\n", to);
    for (size_t i = 0; i < OPT_GLOBALS; i++)
        put_option(to, &ad_options[i], NULL);
}

static void put_command(FILE *to, const ad_command *command)
{
    char head[48];

    snprintf(head, sizeof head, "%s%s%s", command->group ? command->group : "", command->group ? " " : "",
             command->name);
    fprintf(to, "  %-22s %s\n", head, command->summary);
}

static void help_of_command(const ad_command *command, FILE *to)
{
    fprintf(to, "%s.\n\nUsage: wxtp-admin [GLOBAL OPTIONS] %s%s%s %s\n", command->summary,
            command->group ? command->group : "", command->group ? " " : "", command->name,
            command->synopsis);
    if (command->use_count > 0)
        fputs("\nOptions:\n", to);
    for (size_t i = 0; i < command->use_count; i++)
        put_option(to, &ad_options[command->uses[i].id], command->uses[i].help);
    put_globals(to);
}

static void help_of_group(const char *name, FILE *to)
{
    for (const ad_group *group = ad_groups; group->name; group++) {
        if (strcmp(group->name, name) == 0)
            fprintf(to, "%s.\n\nUsage: wxtp-admin [GLOBAL OPTIONS] %s COMMAND [ARGS]\n\nCommands:\n",
                    group->summary, group->name);
    }
    for (const ad_command *command = ad_commands; command->name; command++) {
        if (command->group && strcmp(command->group, name) == 0)
            put_command(to, command);
    }
    put_globals(to);
}

static void help_of_all(FILE *to)
{
    fputs("Administers the tenants of a WeChat third-party platform.\n\n"
          "Usage: wxtp-admin [GLOBAL OPTIONS] COMMAND [SUBCOMMAND] [ARGS]\n\nCommands:\n",
          to);
    for (const ad_command *command = ad_commands; command->name; command++)
        put_command(to, command);
    put_globals(to);
    fputs("\nExit codes:\n"
          "  0 done   1 internal or I/O error   2 usage, or no such thing   3 some openids invalid or "
          "failed; cancelled\n"
          "  4 refused by the gate   5 credentials   6 quota or frequency   7 network   8 needs a decision\n"
          "  130, 143 interrupted\n",
          to);
}

void ad_help(const ad_line *line, FILE *to)
{
    if (line->command)
        help_of_command(line->command, to);
    else if (line->group)
        help_of_group(line->group, to);
    else
        help_of_all(to);
}
