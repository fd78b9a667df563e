/* The command line: what may stand there, and what stood there. */
#ifndef AD_OPTIONS_H
#define AD_OPTIONS_H

#include "failure.h"

typedef enum ad_option_id {
    /* of every command */
    OPT_DB,
    OPT_API_BASE,
    OPT_CLOUD_BASE,
    OPT_MASTER_KEY_FILE,
    OPT_COMPONENT,
    OPT_CA_FILE,
    OPT_PROXY,
    OPT_CONCURRENCY,
    OPT_RATE,
    OPT_TIMEOUT,
    OPT_MAX_WAIT,
    OPT_JSON,
    OPT_QUIET,
    OPT_VERBOSE,
    OPT_NO_COLOR,
    OPT_OUTPUT_CURL,
    OPT_HELP,
    OPT_VERSION,
    OPT_GLOBALS, /* how many those are */
    /* of some commands */
    OPT_COMPONENT_APPID = OPT_GLOBALS,
    OPT_APPSECRET_FILE,
    OPT_TOKEN_FILE,
    OPT_AES_KEY_FILE,
    OPT_QUERY,
    OPT_BODY,
    OPT_REDIRECT_URI,
    OPT_MOBILE,
    OPT_AUTH_TYPE,
    OPT_BIZ_APPID,
    OPT_AUTH_CODE,
    OPT_APPID,
    OPT_ACCOUNT,
    OPT_CERTIFIED,
    OPT_OF_PLATFORM,
    OPT_STATUS,
    OPT_AFTER,
    OPT_LIMIT,
    OPT_ALL,
    OPT_YES,
    OPT_FORCE,
    OPT_DUE,
    OPT_REVEAL,
    OPT_FILE,
    OPT_BATCH,
    OPT_DRY_RUN,
    OPT_SNAPSHOT,
    OPT_PLAN,
    OPT_OFFLINE,
    OPT_REJECTS,
    OPT_TENANT,
    OPT_STATE,
    OPT_SINCE,
    OPT_FAILED,
    OPT_NEW_KEY_FILE,
    OPT_FOR_MERCHANT,
    OPT_EXPLAIN,
    OPT_FOLLOW,
    OPT_ERRCODE,
    OPT_CALLBACK_LISTEN,
    OPT_CONSOLE_LISTEN,
    OPT_COUNT
} ad_option_id;

enum { AD_USES_MAX = 8 };

typedef enum ad_value {
    AD_FLAG,    /* may be given again: --verbose counts */
    AD_TEXT,    /* must not be empty */
    AD_RAW,     /* any text */
    AD_NUMBER,  /* a whole number in a range */
    AD_SECONDS, /* a decimal number in a range, kept in milliseconds */
    AD_WORD,    /* one of some words */
    AD_FORMAT,  /* --json or --json=lines */
} ad_value;

typedef struct ad_option {
    ad_option_id id;
    const char *name; /* without the dashes */
    char letter;
    ad_value kind;
    const char *metavar;
    const char *environment;
    const char *words; /* "yes|no|auto" */
    int64_t least, most;
    const char *help;
} ad_option;

typedef struct ad_app ad_app;
typedef int ad_run(ad_app *app);

/* What a command asks of the database. */
typedef enum ad_database_need {
    AD_DB_CREATED,   /* made where it is not there */
    AD_DB_EXISTING,  /* must be there */
    AD_DB_BY_ITSELF, /* the command opens it, or needs none */
} ad_database_need;

/* What a command asks of the third-party platform. */
typedef enum ad_component_need {
    AD_COMPONENT_NONE,  /* nothing, whatever --component says */
    AD_COMPONENT_KNOWN, /* one that is named must be there; the library says where one is needed */
    AD_COMPONENT_ONE,   /* cannot do without */
} ad_component_need;

/* One option of one command. */
typedef struct ad_use {
    ad_option_id id;
    const char *help; /* NULL: the option's own */
    bool required;
} ad_use;

typedef struct ad_command {
    const char *group; /* NULL: a command of one word */
    const char *name;
    const char *synopsis;
    const char *summary;
    ad_run *run;
    ad_run *check; /* what else a line must hold; asked before a database is opened; NULL: nothing */
    int least_args, most_args; /* -1: any number */
    ad_database_need database;
    ad_component_need component;
    bool list; /* --json=lines is allowed */
    ad_use uses[AD_USES_MAX];
    size_t use_count;
} ad_command;

typedef struct ad_group {
    const char *name, *summary;
} ad_group;

extern const ad_option ad_options[OPT_COUNT];
/* Ended by a row without a name. */
extern const ad_command ad_commands[];
extern const ad_group ad_groups[];

typedef struct ad_line {
    const ad_command *command; /* NULL: none was named */
    const char *group;         /* of a command, or named alone */
    const char *text[OPT_COUNT];
    int64_t number[OPT_COUNT]; /* of numbers and seconds; of flags: how often */
    bool given[OPT_COUNT];
    char **args;
    int arg_count;
} ad_line;

/* Whether --json stands anywhere on the line before "--": then even usage errors are JSON. */
bool ad_line_wants_json(int argc, char **argv);
/* Takes the line apart. `line->args` is `argv` itself, reordered. Returns an exit code. */
int ad_line_parse(ad_line *line, int argc, char **argv, ad_failure *failure);
/* Judges what was parsed as a whole; not for --help and --version. */
int ad_line_check(const ad_line *line, ad_failure *failure);

void ad_help(const ad_line *line, FILE *to);
/* The candidates for the last of `words`, one a line. */
void ad_complete(char **words, int count, FILE *to);
/* NULL where the tables of commands and options hold together, else what is wrong. */
const char *ad_table_problem(void);
/* The name nearest to `word` among those that `next` gives until NULL. */
const char *ad_nearest(const char *word, const char *(*next)(void *user), void *user, bool *near);

#endif
