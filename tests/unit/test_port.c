#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wxtp/clock.h>

#include "port/keyfile.h"

typedef struct place {
    char folder[64], path[128], link[128];
} place;

static int make_place(void **state)
{
    place *self = calloc(1, sizeof(*self));
    if (!self) {
        return -1;
    }
    strcpy(self->folder, "wxtp-unit-XXXXXX");
    if (!mkdtemp(self->folder)) {
        free(self);
        return -1;
    }
    (void)snprintf(self->path, sizeof(self->path), "%s/key", self->folder);
    (void)snprintf(self->link, sizeof(self->link), "%s/link", self->folder);
    *state = self;
    return 0;
}

static int remove_place(void **state)
{
    place *self = *state;
    (void)unlink(self->path);
    (void)unlink(self->link);
    /* Fails when anything else was left behind. */
    int result = rmdir(self->folder);
    free(self);
    return result;
}

static void write_file(const char *path, const char *text, size_t len, mode_t mode)
{
    (void)unlink(path);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    (void)close(fd);
}

static void key_round_trip(void **state)
{
    place *self = *state;
    unsigned char made[WX_KEY_LEN] = {0};
    unsigned char other[WX_KEY_LEN] = {0};
    unsigned char read_back[WX_KEY_LEN] = {0};
    wx_err err;
    mode_t before = umask(0777);
    assert_int_equal(wx_keyfile_create(self->path, made, &err), WXTP_OK);
    (void)umask(before);
    struct stat info;
    assert_int_equal(stat(self->path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(wx_keyfile_read(self->path, read_back, &err), WXTP_OK);
    assert_memory_equal(made, read_back, WX_KEY_LEN);
    assert_int_equal(wx_keyfile_create(self->path, other, &err), WXTP_ERR_EXISTS);
    assert_memory_not_equal(made, other, WX_KEY_LEN);
    assert_int_equal(wx_keyfile_read(self->path, read_back, &err), WXTP_OK);
    assert_memory_equal(made, read_back, WX_KEY_LEN);
    /* A name that a dangling link has taken is taken. */
    assert_int_equal(symlink("/nonexistent/x", self->link), 0);
    assert_int_equal(wx_keyfile_create(self->link, other, &err), WXTP_ERR_EXISTS);
}

static void key_is_private(void **state)
{
    place *self = *state;
    unsigned char key[WX_KEY_LEN];
    wx_err err;
    const char *text = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    const mode_t bad[] = {0640, 0604, 0660, 0644, 0610, 0601, 0620, 0602};
    for (size_t at = 0; at < sizeof(bad) / sizeof(bad[0]); at++) {
        write_file(self->path, text, strlen(text), bad[at]);
        assert_int_equal(wx_keyfile_read(self->path, key, &err), WXTP_ERR_KEY);
        assert_non_null(strstr(err.hint, "chmod 600"));
        assert_string_equal(err.kind, "key");
    }
    write_file(self->path, text, strlen(text), 0400);
    assert_int_equal(wx_keyfile_read(self->path, key, &err), WXTP_OK);
    assert_int_equal(symlink(self->path, self->link), 0);
    assert_int_equal(wx_keyfile_read(self->link, key, &err), WXTP_ERR_KEY);
    assert_non_null(strstr(err.message, "symbolic link"));
    assert_int_equal(wx_keyfile_read(self->folder, key, &err), WXTP_ERR_KEY);
    (void)unlink(self->link);
    assert_int_equal(mkfifo(self->link, 0600), 0);
    assert_int_equal(wx_keyfile_read(self->link, key, &err), WXTP_ERR_KEY);
    (void)unlink(self->path);
    assert_int_equal(wx_keyfile_read(self->path, key, &err), WXTP_ERR_KEY);
    assert_int_equal(wx_keyfile_create("/nonexistent-folder/key", key, &err), WXTP_ERR_IO);
}

static void key_content(void **state)
{
    place *self = *state;
    unsigned char key[WX_KEY_LEN];
    wx_err err;
    static const struct {
        const char *text;
        wxtp_status status;
    } rows[] = {
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", WXTP_OK},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n", WXTP_OK},
        {"", WXTP_ERR_KEY},
        {"\n", WXTP_ERR_KEY},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n", WXTP_ERR_KEY},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", WXTP_ERR_KEY},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", WXTP_ERR_KEY},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", WXTP_ERR_KEY},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA AA=", WXTP_ERR_KEY},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
         WXTP_ERR_KEY},
    };
    for (size_t at = 0; at < sizeof(rows) / sizeof(rows[0]); at++) {
        write_file(self->path, rows[at].text, strlen(rows[at].text), 0600);
        assert_int_equal(wx_keyfile_read(self->path, key, &err), rows[at].status);
    }
}

/* In a child, where nobody has asked for it before. */
static int ask_without_descriptors(void)
{
    const wxtp_clock *clock = wxtp_clock_system();
    struct rlimit few;
    struct rlimit none;
    if (getrlimit(RLIMIT_NOFILE, &few) != 0) {
        return 1;
    }
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = few.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &none) != 0 || clock->boot_id(clock->user)[0] != '\0') {
        return 2;
    }
    if (setrlimit(RLIMIT_NOFILE, &few) != 0) {
        return 1;
    }
    const char *id = clock->boot_id(clock->user);
    return id[0] == '\0' || strcmp(id, "unknown") == 0 ? 3 : 0;
}

/* Its leases would be free to all others if it called this boot something else than they do. */
static void I1_a_boot_id_that_cannot_be_read_now_is_read_later(void **state)
{
    (void)state;
    int status = 0;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(ask_without_descriptors());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void system_clock(void **state)
{
    (void)state;
    const wxtp_clock *clock = wxtp_clock_system();
    assert_int_equal(clock->struct_size, sizeof(*clock));
    int64_t before = clock->boot_ms(clock->user);
    clock->sleep_ms(clock->user, 5);
    clock->sleep_ms(clock->user, 0);
    clock->sleep_ms(clock->user, -1);
    assert_true(clock->boot_ms(clock->user) >= before + 5);
    assert_true(clock->wall_ms(clock->user) > 1700000000000);
    assert_true(strlen(clock->boot_id(clock->user)) == 36);
    assert_ptr_equal(clock->boot_id(clock->user), clock->boot_id(clock->user));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(key_round_trip, make_place, remove_place),
        cmocka_unit_test_setup_teardown(key_is_private, make_place, remove_place),
        cmocka_unit_test_setup_teardown(key_content, make_place, remove_place),
        cmocka_unit_test(I1_a_boot_id_that_cannot_be_read_now_is_read_later),
        cmocka_unit_test(system_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
