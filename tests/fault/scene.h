/*
 * A store, a platform on it and a WeChat, in one thread and on a clock that stands still. Ready scenes can be
 * kept and set up again as often as wanted.
 */
#ifndef WXTP_FAULT_SCENE_H
#define WXTP_FAULT_SCENE_H

#include <wxtp/wxtp.h>

#include "counting.h"
#include "disk.h"
#include "fake_clock.h"
#include "fake_http.h"
#include "wechat.h"

#define SCENE_APPSECRET "component-secret-0123456789abcdef"
#define SCENE_PUSH_TOKEN "push-token-for-tests"
#define SCENE_AES_KEY "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"

/* How much faster than the real one the clock of flows over HTTP goes. */
enum { SCENE_FASTER = 100 };

/* What the world outside knows: a power cut takes nothing of it away. */
typedef struct scene_outside {
    wechat wechat;
    int64_t wall_ms;
    int access_given;   /* number of the merchant's last token that the host got */
    int own_given;      /* likewise of the own account */
    bool push_answered; /* WeChat was told that its push is stored */
    char made_job[64];  /* the host was told that this job is stored, */
    bool own_added;     /* and that the own account, the other key, the copy, the database made of it are */
    bool rekeyed, copied, restored;
} scene_outside;

typedef struct scene {
    char folder[64], database[96], key[96];
    char other_key[96], copy[96], restored_database[96]; /* where rekey, backup and restore write */
    fake_clock clock;
    fake_http http;
    wechat wechat;
    wechat_door door;
    counting memory; /* of the platform and its store */
    wxtp_platform *platform;
    disk_log *log; /* where what the world outside knows is marked, or NULL */
    int access_given, own_given;
    bool push_answered;
    char made_job[64];
    bool own_added, rekeyed, copied, restored;
    char api_base[64]; /* "": the fake port; else WeChat over HTTP, on a clock that hurries */
    int64_t began_ms;  /* of that clock */
    char job_id[64];
    bool snapshots;    /* jobs are made with one */
    char failure[512]; /* the first promise that was broken */
} scene;

/* A scene as it was when it was kept. */
typedef struct scene_kept {
    disk_image files;
    wechat wechat;
    int64_t wall_ms, boot_ms;
    char job_id[64];
    bool snapshots;
} scene_kept;

/* Makes the folder, in memory where there is such a place. */
void scene_begin(scene *s);
void scene_end(scene *s);
/* Closes the platform first. */
void scene_keep(scene *s, scene_kept *kept);
void scene_restore(scene *s, const scene_kept *kept);
void scene_kept_free(scene_kept *kept);

/* Opens store and platform; on failure nothing is left open. */
wxtp_status scene_open(scene *s, wxtp_error **error);
void scene_close(scene *s);

/* Writes down what the world outside knows by now. */
void scene_mark(scene *s);
void scene_fail(scene *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Is a token in the store, as another process would read it? Freed from all faults. */
bool scene_stored(scene *s, const char *appid, const char *field, const char *text);

#endif
