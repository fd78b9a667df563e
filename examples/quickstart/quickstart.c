/*
 * The main job in a few lines: takes users off a merchant's blacklist.
 *
 *     wxtp-quickstart DATABASE APPID OPENID...
 *
 * The database has been set up before (wxtp-admin platform set, callback); its key file is DATABASE.key.
 * WXTP_API_BASE names another API than WeChat's, as that of wxtp-simulator.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <wxtp/wxtp.h>

typedef struct task {
    const char *database, *key_file, *api_base, *appid;
    const char *const *openids;
    size_t count;
} task;

static wxtp_status take_off(const task *my)
{
    char trouble[256] = "";
    /* quickstart: begin */
    wxtp_config *config = NULL;
    wxtp_store *store = NULL;
    wxtp_platform *platform = NULL;
    wxtp_error *error = NULL;
    wxtp_unblacklist_counts counts = {.struct_size = sizeof(counts)};
    wxtp_sqlite_options file = {.struct_size = sizeof(file), .path = my->database};

    wxtp_status status = wxtp_config_new(NULL, &config);
    status = status ? status : wxtp_config_set(config, "master_key_file", my->key_file, &error);
    status = status ? status : wxtp_config_set(config, "api_base", my->api_base, &error);
    status = status ? status : wxtp_sqlite_open(&file, &store, NULL, trouble, sizeof(trouble));
    status = status ? status : wxtp_config_set_store(config, store);
    status = status ? status : wxtp_platform_open(config, &platform, &error);
    status = status ? status : wxtp_unblacklist(platform, my->appid, my->openids, my->count, &counts, &error);
    printf("%" PRId64 " of %" PRId64 " are off the blacklist\n", counts.unblacklisted, counts.requested);
    wxtp_platform_close(platform, 5000);
    wxtp_config_free(config);
    /* quickstart: end */
    if (!platform && store) {
        store->ops->close(store); /* no platform took it over */
    }
    if (status != WXTP_OK) {
        fprintf(stderr, "error: %s\nhint: %s\n",
                error        ? wxtp_error_message(error)
                : trouble[0] ? trouble
                             : wxtp_status_name(status),
                error ? wxtp_error_hint(error) : "Set the database up first: wxtp-admin platform set.");
    } else if (counts.invalid + counts.failed > 0) {
        fprintf(stderr, "%" PRId64 " openids were refused: wxtp-admin job show %s\n",
                counts.invalid + counts.failed, counts.job_id);
    }
    wxtp_error_free(error);
    return status;
}

int main(int argc, char **argv)
{
    char key_file[4096];
    if (argc < 4) {
        fprintf(stderr, "usage: wxtp-quickstart DATABASE APPID OPENID...\n");
        return 2;
    }
    int length = snprintf(key_file, sizeof(key_file), "%s.key", argv[1]);
    if (length < 0 || (size_t)length >= sizeof(key_file)) {
        fprintf(stderr, "error: the path is too long\n");
        return 2;
    }
    const task my = {.database = argv[1],
                     .key_file = key_file,
                     .api_base = getenv("WXTP_API_BASE"),
                     .appid = argv[2],
                     .openids = (const char *const *)argv + 3,
                     .count = (size_t)argc - 3};
    return take_off(&my) == WXTP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
