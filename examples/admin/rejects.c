/* --rejects: what was not taken, one openid a line. What would break a line is escaped: \n, \t, \\, \xNN. */
#include "job_run.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whatever its name: it would be emptied before it is read. */
static bool is_list(int fd, const char *list)
{
    struct stat here, there;

    if (!list || fstat(fd, &here) != 0 || !S_ISREG(here.st_mode))
        return false;
    if ((strcmp(list, "-") == 0 ? fstat(STDIN_FILENO, &there) : stat(list, &there)) != 0)
        return false;
    return here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

int ad_rejects_open(ad_rejects *rejects, ad_app *app)
{
    memset(rejects, 0, sizeof *rejects);
    rejects->path = ad_text(app, OPT_REJECTS);
    if (!rejects->path)
        return AD_EXIT_OK;
    if (strcmp(rejects->path, "-") == 0)
        return ad_fail_usage(&app->failure, "name a file",
                             "--rejects - is not possible: standard output has the result");
    int fd = open(rejects->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        rejects->made = true;
        fchmod(fd, 0666 & ~(mode_t)app->umask); /* no secret: as any file of the user's */
    } else if (errno == EEXIST) {
        fd = open(rejects->path, O_WRONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return ad_fail_file(&app->failure, "--rejects", rejects->path, errno);
    if (!rejects->made && (is_list(fd, ad_text(app, OPT_FILE)) || is_list(fd, ad_text(app, OPT_BATCH)))) {
        close(fd);
        return ad_fail_usage(&app->failure, "name another file", "--rejects %s is the list itself",
                             rejects->path);
    }
    rejects->to = fdopen(fd, "w");
    if (!rejects->to) {
        close(fd);
        return ad_fail_nomem(&app->failure);
    }
    return AD_EXIT_OK;
}

/* Empties what was there before; nothing to do for what is no regular file. */
static void begin(ad_rejects *rejects)
{
    if (!rejects->used && ftruncate(fileno(rejects->to), 0) != 0)
        errno = 0;
    rejects->used = true;
}

void ad_rejects_keep(ad_rejects *rejects)
{
    if (rejects->to)
        begin(rejects);
}

/* One line and one column, whatever it is. */
static void put_openid(FILE *to, const char *openid)
{
    for (size_t length; *openid; openid += length) {
        size_t bad = ad_unprintable(openid);
        length = bad ? bad : 1;
        if (*openid == '\n' || *openid == '\t' || *openid == '\\') {
            fprintf(to, "\\%c", *openid == '\n' ? 'n' : *openid == '\t' ? 't' : '\\');
            continue;
        }
        for (size_t i = 0; i < bad; i++)
            fprintf(to, "\\x%02X", (unsigned char)openid[i]);
        if (!bad)
            fputc(*openid, to);
    }
}

void ad_rejects_put(ad_rejects *rejects, const char *appid, const char *openid, bool invalid, int64_t errcode)
{
    if (!rejects->to)
        return;
    begin(rejects);
    put_openid(rejects->to, openid);
    fprintf(rejects->to, "\t%s\t%lld%s%s\n", invalid ? "invalid" : "failed", (long long)errcode,
            appid ? "\t" : "", appid ? appid : "");
}

typedef struct writer {
    ad_rejects *rejects;
    const char *appid;
    bool invalid;
} writer;

static bool write_one(void *user, const char *openid, int64_t errcode, const char *errmsg)
{
    writer *w = user;

    (void)errmsg;
    ad_rejects_put(w->rejects, w->appid, openid, w->invalid, errcode);
    return !ferror(w->rejects->to);
}

int ad_rejects_job(ad_rejects *rejects, ad_app *app, const wxtp_job *job, const char *appid,
                   ad_failure *failure)
{
    wxtp_error *error = NULL;
    wxtp_status status = WXTP_OK;

    if (!rejects || !rejects->to)
        return AD_EXIT_OK;
    ad_rejects_keep(rejects);
    for (int verdict = 0; verdict < 2 && status == WXTP_OK; verdict++) {
        writer w = {rejects, appid, verdict == 0};
        status = wxtp_job_exceptions(app->platform, wxtp_job_id(job),
                                     verdict == 0 ? WXTP_VERDICT_INVALID : WXTP_VERDICT_FAILED, write_one, &w,
                                     &error);
    }
    return status == WXTP_OK ? AD_EXIT_OK : ad_fail_take(failure, status, &error);
}

int ad_rejects_close(ad_rejects *rejects, ad_app *app, int code)
{
    if (!rejects->to)
        return code;
    bool failed = ferror(rejects->to);
    failed = fclose(rejects->to) != 0 || failed;
    rejects->to = NULL;
    if (rejects->made && !rejects->used)
        unlink(rejects->path);
    if (failed && code != AD_EXIT_INTERNAL)
        return ad_fail_file(&app->failure, "--rejects", rejects->path, errno ? errno : EIO);
    return code;
}
