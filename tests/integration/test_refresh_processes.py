"""One refresh over many processes, whatever stops or kills the one that makes it (I1, I2, I3, I5, I13)."""
import os
import signal
import socket
import threading
import time
import unittest

import database
from scene import Scene

A = "wxa0000000000000a1"
REFRESH = "/cgi-bin/component/api_authorizer_token"
WAITING = "another process is refreshing this token"


def read_until(child, text):
    """Reads the child's stderr up to a line that has the text; answers what was read."""
    seen = ""
    while text not in seen:
        line = child.stderr.readline().decode()
        if not line:
            raise AssertionError("%r was never said: %s" % (text, seen))
        seen += line
    return seen


def stop(child):
    """Returns when every thread of it has stopped."""
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)


class HangingDoor:
    """A TCP door before the simulator: a connection hangs until `open`, later every byte is counted."""

    def __init__(self, base):
        self.target = ("127.0.0.1", int(base.rsplit(":", 1)[1]))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.base = "http://127.0.0.1:%d" % self.port
        # With the queue of the listener full, the kernel answers no further connection.
        self.filler = socket.create_connection(("127.0.0.1", self.port))
        self.received = b""
        self.connected = threading.Event()
        self.over = threading.Event()
        self.thread = None

    def wait_for_caller(self):
        """Until somebody's connection hangs."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with open("/proc/net/tcp", encoding="ascii") as table:
                for line in table:
                    fields = line.split()
                    if fields[2].endswith(":%04X" % self.port) and fields[3] == "02":
                        return
            os.sched_yield()
        raise AssertionError("nobody connects")

    def open(self):
        self.listener.accept()[0].close()
        self.filler.close()
        self.thread = threading.Thread(target=self.relay)
        self.thread.start()

    def relay(self):
        self.listener.settimeout(20)
        try:
            caller = self.listener.accept()[0]
        except OSError:
            return
        self.connected.set()
        with caller, socket.create_connection(self.target) as onward:
            caller.settimeout(60)
            while data := caller.recv(65536):
                self.received += data
                onward.sendall(data)
                caller.sendall(onward.recv(65536))
        self.over.set()

    def close(self):
        self.listener.close()
        if self.thread:
            self.thread.join(30)


def await_answer(child):
    """Until bytes wait in a socket of a process that is stopped."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root may see which sockets wxtp-admin has")
    inodes = set()
    for name in os.listdir("/proc/%d/fd" % child.pid):
        target = os.readlink("/proc/%d/fd/%s" % (child.pid, name))
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with open("/proc/net/tcp") as table:
            for row in map(str.split, table.readlines()[1:]):
                if row[9] in inodes and int(row[4].split(":")[1], 16) > 0:
                    return
    raise AssertionError("no answer came to the process that is stopped")


class RefreshProcesses(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.scene.ready()
        self.scene.onboard(A)
        self.sim = self.scene.sim

    def refresh(self, *options, **more):
        return self.scene.start("-vv", "token", "refresh", A, "--json", *options, **more)

    def refreshes(self):
        return self.sim.journal(path=REFRESH)

    def ended(self, child):
        ran = self.scene.finish(child)
        self.assertEqual(ran.code, 0, ran)
        return ran.json["tokens"][0]

    def status(self):
        return self.scene.must("tenant", "show", A, "--json").json["status"]

    def many(self, count):
        self.sim.fault(REFRESH, hold=True, count=1)
        first = self.refresh()
        self.sim.wait(REFRESH, held=1)
        others = [self.refresh() for _ in range(count - 1)]
        for other in others:  # each has read its generation before it waits
            read_until(other, WAITING)
        self.sim.release()
        versions = [self.ended(child)["version"] for child in [first] + others]
        self.assertEqual(versions, [2] * count)
        self.assertEqual(len(self.refreshes()), 1)

    def test_I1_two_processes_make_one_refresh(self):
        """Symptom: 40001, and the token in the log is another node's."""
        self.many(2)

    def test_I1_eight_processes_make_one_refresh(self):
        """Symptom: As many refreshes in the log as there are waiting threads."""
        self.many(8)

    def test_I1_each_new_generation_is_one_more_refresh(self):
        for version in (2, 3, 4):
            self.assertEqual(self.ended(self.refresh())["version"], version)
        self.assertEqual([call["errcode"] for call in self.refreshes()], [0] * 3)

    def test_I1_waiters_share_one_component_refresh_too(self):
        component = "/cgi-bin/component/api_component_token"
        self.sim.order("component", {"component_appid": "wx0123456789abcdef"})
        database.write(self.scene.db, "DELETE FROM tokens WHERE appid = ''")
        before = len(self.sim.journal(path=component))
        self.sim.fault(component, hold=True, count=1)
        children = [self.refresh()]
        self.sim.wait(component, held=1)
        children += [self.refresh() for _ in range(3)]
        for other in children[1:]:
            read_until(other, WAITING)
        self.sim.release()
        for child in children:
            self.ended(child)
        self.assertEqual(len(self.sim.journal(path=component)) - before, 1)
        self.assertEqual(len(self.refreshes()), 1)

    def test_I1_a_holder_stopped_before_it_sends_does_not_send_later(self):
        door = HangingDoor(self.sim.base)
        self.addCleanup(door.close)
        late = self.refresh("--timeout", "2", "--api-base", door.base)
        door.wait_for_caller()
        stop(late)
        door.open()
        self.assertTrue(door.connected.wait(20))  # by the kernel: the process stands still
        winner = self.ended(self.refresh("--timeout", "2"))
        self.assertEqual(winner["version"], 2)
        late.send_signal(signal.SIGCONT)
        self.assertEqual(self.ended(late)["version"], 2)
        self.assertTrue(door.over.wait(20))
        self.assertEqual(door.received, b"")
        self.assertEqual(len(self.refreshes()), 1)

    def overtaken(self, apply, stopped_first):
        """The holder stops with its call under way; another refreshes meanwhile."""
        self.sim.settings(rotate_refresh_tokens=True)
        self.sim.fault(REFRESH, hold=True, count=2, apply=apply)
        stopped = self.refresh("--timeout", "2")
        self.sim.wait(REFRESH, held=1)
        stop(stopped)
        other = self.refresh()
        self.sim.wait(REFRESH, held=2)
        ids = [held["id"] for held in self.sim.held()]
        if stopped_first:
            self.sim.release(ids[0])
            await_answer(stopped)
            stopped.send_signal(signal.SIGCONT)
            read_until(stopped, WAITING)  # what came is put away by then
            self.sim.release(ids[1])
            newer = self.ended(other)
        else:
            self.sim.release(ids[1])
            newer = self.ended(other)
            self.sim.release(ids[0])
            await_answer(stopped)
            stopped.send_signal(signal.SIGCONT)
        self.assertEqual(newer["version"], 2)
        self.assertEqual(self.ended(stopped)["version"], 2)
        self.assertEqual(database.rows(self.scene.db, "SELECT count(*) FROM spares"), [(1,)])
        self.assertEqual(len(self.refreshes()), 2)
        # The old refresh token's grace is over: WeChat knows one of the two.
        self.sim.time(1000)
        self.assertEqual(self.ended(self.refresh())["version"], 3)
        self.assertEqual(self.status(), "authorized")
        self.assertEqual(self.sim.journal(path="/cgi-bin/component/api_get_authorizer_list"), [])
        return [call["errcode"] for call in self.refreshes()[2:]]

    def test_I3_the_stopped_ones_answer_comes_first(self):
        self.assertEqual(self.overtaken("yes", True), [0])

    def test_I3_the_stopped_ones_answer_comes_last(self):
        """Symptom: 40001 at once after a refresh that succeeded."""
        self.assertEqual(self.overtaken("yes", False), [0])

    def test_I3_applied_in_the_order_of_the_answers(self):
        self.assertEqual(self.overtaken("on_release", True), [0])

    def test_I3_the_losers_refresh_token_is_the_valid_one(self):
        self.assertEqual(self.overtaken("on_release", False), [61023, 0])

    def killed(self, **fault):
        self.sim.settings(rotate_refresh_tokens=True)
        self.sim.fault(REFRESH, hold=True, count=1, **fault)
        holder = self.refresh("--timeout", "60")
        self.sim.wait(REFRESH, held=1)
        holder.kill()
        holder.wait(20)
        began = time.monotonic()
        self.assertEqual(self.ended(self.refresh())["version"], 2)
        self.assertLess(time.monotonic() - began, 10)  # the dead one's lease would last 65 s
        self.sim.release()
        self.sim.time(1000)
        self.assertEqual(self.ended(self.refresh())["version"], 3)
        self.assertEqual(self.status(), "authorized")

    def test_I13_a_killed_holders_lease_is_free_at_once(self):
        """Symptom: Calls hang for 60 to 180 seconds after a process has died."""
        self.killed(apply="yes")

    def test_I13_a_killed_holders_call_that_is_applied_late(self):
        self.killed(apply="on_release")

    def test_I5_a_holder_killed_before_it_was_heard(self):
        self.killed(apply="no")

    def test_I1_terminated_waiters_hurt_nobody(self):
        self.sim.fault(REFRESH, hold=True, count=1)
        first = self.refresh()
        self.sim.wait(REFRESH, held=1)
        waiter = self.refresh()
        read_until(waiter, WAITING)
        waiter.send_signal(signal.SIGTERM)
        self.assertEqual(self.scene.finish(waiter).code, 143)
        self.sim.release()
        self.assertEqual(self.ended(first)["version"], 2)


if __name__ == "__main__":
    unittest.main()
