/* Which sockets are ready. */
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port/watch.h"
#include "unit.h"

enum { AT_ONCE = 0, LONG_MS = 10000 };

typedef struct pair {
    wx_watch *watch;
    int here, there;
} pair;

static void pair_open(pair *p)
{
    int fds[2];
    p->watch = wx_watch_new(NULL);
    assert_non_null(p->watch);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    p->here = fds[0];
    p->there = fds[1];
}

static void pair_close(pair *p)
{
    (void)close(p->here);
    (void)close(p->there);
    wx_watch_free(p->watch);
}

/* What is told of `here` now; 0: nothing is. */
static unsigned told(const pair *p)
{
    wx_watch_event events[WX_WATCH_MAX];
    const size_t count = wx_watch_wait(p->watch, events, WX_WATCH_MAX, AT_ONCE);
    assert_true(count <= 1);
    if (count == 1) {
        assert_int_equal(events[0].fd, p->here);
    }
    return count == 1 ? events[0].what : 0;
}

static void what_is_wanted_is_told(void **state)
{
    (void)state;
    pair p;
    pair_open(&p);
    assert_true(wx_watch_adopt(p.watch, p.here));
    assert_int_equal(told(&p), 0);
    assert_true(wx_watch_want(p.watch, p.here, WX_WATCH_OUT));
    assert_int_equal(told(&p), WX_WATCH_OUT);
    assert_true(wx_watch_want(p.watch, p.here, WX_WATCH_IN));
    assert_int_equal(told(&p), 0);
    assert_int_equal(write(p.there, "x", 1), 1);
    assert_int_equal(told(&p), WX_WATCH_IN);
    assert_true(wx_watch_want(p.watch, p.here, WX_WATCH_IN | WX_WATCH_OUT));
    assert_int_equal(told(&p), WX_WATCH_IN | WX_WATCH_OUT);
    pair_close(&p);
}

/* An idle connection stays known to the kernel until something comes that nobody wants. */
static void nothing_is_told_of_the_unwanted(void **state)
{
    (void)state;
    pair p;
    pair_open(&p);
    assert_true(wx_watch_adopt(p.watch, p.here));
    for (int round = 0; round < 3; round++) {
        assert_true(wx_watch_want(p.watch, p.here, WX_WATCH_IN));
        assert_int_equal(told(&p), round == 0 ? 0 : WX_WATCH_IN);
        assert_true(wx_watch_want(p.watch, p.here, 0));
        if (round == 0) {
            assert_int_equal(write(p.there, "x", 1), 1);
        }
        assert_int_equal(told(&p), 0);
    }
    pair_close(&p);
}

static void a_number_used_again_is_another_socket(void **state)
{
    (void)state;
    for (int ours = 0; ours <= 1; ours++) {
        pair p;
        pair_open(&p);
        int fds[2];
        assert_true(!ours || wx_watch_adopt(p.watch, p.here));
        assert_true(wx_watch_want(p.watch, p.here, WX_WATCH_IN));
        assert_true(wx_watch_want(p.watch, p.here, 0));
        assert_int_equal(ours ? wx_watch_close(p.watch, p.here) : close(p.here), 0);
        (void)close(p.there);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(fds[0], p.here);
        p.there = fds[1];
        assert_int_equal(write(p.there, "x", 1), 1);
        assert_true(wx_watch_want(p.watch, p.here, WX_WATCH_IN));
        assert_int_equal(told(&p), WX_WATCH_IN);
        pair_close(&p);
    }
}

/* The kernel would go on telling of a socket that a child has too. */
static void i12_a_child_with_the_socket_does_not_make_it_spin(void **state)
{
    (void)state;
    pair p;
    pair_open(&p);
    wx_watch_event events[WX_WATCH_MAX];
    assert_true(wx_watch_adopt(p.watch, p.here));
    assert_true(wx_watch_want(p.watch, p.here, WX_WATCH_IN));
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(10);
        (void)pause();
        _exit(0);
    }
    assert_int_equal(write(p.there, "x", 1), 1);
    assert_int_equal(wx_watch_close(p.watch, p.here), 0);
    assert_true(wx_watch_adopt(p.watch, p.here)); /* the next one with that number */
    p.here = dup(p.there);
    assert_true(wx_watch_want(p.watch, p.here, WX_WATCH_IN));
    const size_t told_of = wx_watch_wait(p.watch, events, WX_WATCH_MAX, AT_ONCE);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(told_of, 0);
    pair_close(&p);
}

static void a_wake_ends_the_next_wait(void **state)
{
    (void)state;
    pair p;
    wx_watch_event events[WX_WATCH_MAX];
    pair_open(&p);
    for (int round = 0; round < 3; round++) {
        wx_watch_wake(p.watch);
        wx_watch_wake(p.watch);
        assert_int_equal(wx_watch_wait(p.watch, events, WX_WATCH_MAX, LONG_MS), 0);
        assert_int_equal(told(&p), 0);
    }
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wanted_is_told),
        cmocka_unit_test(nothing_is_told_of_the_unwanted),
        cmocka_unit_test(a_number_used_again_is_another_socket),
        cmocka_unit_test(i12_a_child_with_the_socket_does_not_make_it_spin),
        cmocka_unit_test(a_wake_ends_the_next_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
