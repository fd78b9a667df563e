"""Bad environments: no room, no descriptors, a clock that jumps, files that vanish, many at once (I2, I11, I13)."""
import os
import resource
import shutil
import struct
import subprocess
import threading
import unittest

import database
from scene import ADMIN, BUILD, Scene, openid

A = "wxenviron000000001"
PATH = "/cgi-bin/component/"
REFRESH = PATH + "api_authorizer_token"
UNBLACKLIST = "/cgi-bin/tags/members/batchunblacklist"
HOURS = 3600
SANITIZED = any(name in subprocess.run(["ldd", ADMIN], capture_output=True, text=True, check=True).stdout
                for name in ("libasan", "libtsan"))


class Case(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.sim = self.scene.sim
        self.scene.ready()
        self.scene.onboard(A, any_openid_valid=True, permission_sets=[1, 2])

    def refreshes(self):
        return [call["errcode"] for call in self.sim.journal(path=REFRESH)]

    def fails(self, ran, kind, code=1):
        self.assertEqual((ran.code, ran.error["kind"]), (code, kind), ran)
        self.assertTrue(ran.error["hint"], ran)
        return ran.error["message"]

    def users(self, count):
        return self.scene.path("users", "".join(openid(number) + "\n" for number in range(count)))

    def serves(self, **options):
        ran = self.scene.must("unblacklist", A, openid(1), "--json", "--quiet", **options)
        self.assertEqual(ran.json["unblacklisted"], 1)
        return ran


def mounts():
    return subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"], check=False,
                          capture_output=True).returncode == 0


@unittest.skipUnless(mounts(), "this place lets nobody mount anything")
class Disk(Case):
    """The database lies on a small file system of its own, in a name space of its own."""

    def setUp(self):
        super().setUp()
        self.folder = self.scene.path("small")
        os.mkdir(self.folder, 0o700)
        self.space = subprocess.Popen(["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=4m none "$0" && echo up && read x',
                                       self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.leave)
        self.assertEqual(self.space.stdout.readline(), b"up\n")
        backup = self.scene.path("backup.db")
        self.scene.must("db", "backup", backup)
        key = self.scene.db + ".key"
        self.scene.db = os.path.join(self.folder, "wxtp.db")
        self.inside("cp", "-p", key, self.scene.db + ".key")
        self.assertEqual(self.admin("db", "restore", backup).code, 0)
        push = self.sim.ticket(deliver=False)["push"]
        self.assertEqual(self.admin("callback", "--query", push["query"], data=push["body"]).code, 0)

    def leave(self):
        self.space.communicate(b"\n", timeout=20)

    def enter(self, *command):
        return ["nsenter", "-t", str(self.space.pid), "-m", *map(str, command)]

    def inside(self, *command):
        return subprocess.run(self.enter(*command), check=True, capture_output=True, timeout=60)

    def admin(self, *arguments, data=None):
        command = self.enter(ADMIN, *arguments)
        return self.scene.admin(*command[1:], program=command[0], data=data)

    def fill(self):
        subprocess.run(self.enter("dd", "if=/dev/zero", "of=" + self.folder + "/ballast", "bs=4096"), check=False,
                       capture_output=True, timeout=60)

    def make_room(self):
        self.inside("rm", "-f", self.folder + "/ballast")

    def test_I2_on_a_full_disk_no_refresh_leaves(self):
        self.fill()
        self.fails(self.admin("token", "refresh", A, "--json"), "store")
        self.assertEqual(self.refreshes(), [])
        self.assertEqual(self.admin("tenant", "show", A).code, 0, "who looks needs no room")
        self.make_room()
        self.assertEqual(self.admin("token", "refresh", A, "--json").code, 0)
        self.assertEqual(self.refreshes(), [0])

    def test_I2_a_disk_that_is_full_when_the_answer_comes(self):
        self.sim.settings(rotate_refresh_tokens=True, refresh_grace_s=0)
        self.sim.fault(REFRESH, hold=True, count=1)
        command = self.enter(ADMIN, "token", "refresh", A, "--json", "--timeout", "20")
        child = self.scene.start(*command[1:], program=command[0])
        self.sim.wait(REFRESH, held=1)
        self.fill()
        self.sim.release()
        ran = self.scene.finish(child)
        self.assertEqual((ran.code, ran.json["tokens"][0]["refreshed"]), (1, False), ran)
        self.assertEqual(ran.error["kind"], "store", ran)
        self.make_room()
        ran = self.admin("token", "refresh", A, "--json")
        self.assertEqual((ran.code, ran.json["tokens"][0]["version"]), (0, 2), ran)
        self.assertEqual(self.admin("unblacklist", A, openid(1)).code, 0)

    def test_I8_a_push_that_cannot_be_stored_has_no_reply(self):
        push = self.sim.ticket(deliver=False)["push"]
        self.fill()
        ran = self.admin("callback", "--query", push["query"], "--json", data=push["body"])
        self.fails(ran, "store")
        self.assertEqual(ran.out, "")
        self.make_room()
        ran = self.admin("callback", "--query", push["query"], "--json", data=push["body"])
        self.assertEqual((ran.code, ran.json["applied"], ran.json["reply"]), (0, True, "success"), ran)

    def test_I7_a_job_whose_disk_fills_up_goes_on_later(self):
        self.sim.settings(latency_ms=20)
        command = self.enter(ADMIN, "unblacklist", A, "--file", self.users(2000), "--json", "--quiet", "--concurrency", "2")
        child = self.scene.start(*command[1:], program=command[0])
        self.sim.wait(UNBLACKLIST, count=10)
        self.fill()
        ran = self.scene.finish(child)
        self.fails(ran, "store")
        self.make_room()
        job = self.admin("job", "list", "--json").json["jobs"][0]
        self.assertEqual(job["requested"], job["unblacklisted"] + job["pending"])
        ran = self.admin("job", "resume", job["job"], "--json", "--quiet", "--concurrency", "2")
        self.assertEqual((ran.code, ran.json["unblacklisted"]), (0, 2000), ran)
        calls = self.sim.journal(path=UNBLACKLIST)
        sent = [one for call in calls for one in call["body"]["openid_list"]]
        self.assertEqual(len(set(sent)), 2000)
        self.assertLessEqual(len(sent) - 2000, 2 * 20, "at most the calls in flight are repeated")
        self.assertEqual(self.admin("db", "check").code, 0)

    def test_a_new_database_where_nothing_may_be_written(self):
        self.inside("mount", "-o", "remount,ro", self.folder)
        for arguments in (["tenant", "list", "--db", self.folder + "/new.db"],
                          ["db", "restore", self.scene.path("backup.db"), "--db", self.folder + "/new.db"],
                          ["db", "backup", self.folder + "/new.db"], ["token", "refresh", A]):
            self.assertEqual(self.fails(self.admin(*arguments, "--json"), "store") == "", False)
        self.assertEqual(self.admin("tenant", "show", A).code, 0)
        self.assertEqual(self.refreshes(), [])


class Descriptors(Case):
    def test_I11_with_any_number_of_them(self):
        """It fails and says so, or it works; nothing is lost on the way, and WeChat is asked for nothing in vain."""
        worked = 0
        for limit in range(3, 30):
            before = self.scene.must("token", "show", A, "--json").json["version"]
            ran = self.scene.admin("token", "refresh", A, "--json", "--max-wait", "0",
                                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
            after = self.scene.must("token", "show", A, "--json").json["version"]
            self.assertGreaterEqual(ran.code, 0, (limit, ran))
            if ran.code == 127:
                continue  # the loader itself finds no descriptor for the libraries
            if ran.code == 0:
                worked += 1
            else:
                self.assertIn(ran.error["kind"], ("store", "key", "internal", "unavailable"), (limit, ran))
                self.assertIn(ran.code, (1, 7), (limit, ran))
            self.assertEqual(after - before, int(ran.code == 0), (limit, ran))
        self.assertGreater(worked, 5)
        self.assertEqual(self.refreshes(), [0] * worked)
        self.serves()


@unittest.skipIf(SANITIZED, "a sanitizer's own library has to be the first")
class Clock(Case):
    """The wall clock of one process jumps; boot time does not, nor do the others' clocks."""

    def setUp(self):
        super().setUp()
        self.clock = self.scene.path("clock", struct.pack("=q", 0))
        self.environment = {"LD_PRELOAD": os.path.join(BUILD, "tests", "preload", "clock.so"), "WXTP_CLOCK": self.clock}

    def step(self, hours):
        with open(self.clock, "r+b") as file:
            file.write(struct.pack("=q", hours * HOURS))

    def job_while(self, *steps):
        """A job of 40 calls, the clock stepped on the way; answers the refreshes that it cost."""
        self.sim.settings(latency_ms=20)
        before = len(self.refreshes())
        made = len(self.sim.journal(path=UNBLACKLIST))
        child = self.scene.start("unblacklist", A, "--file", self.users(800), "--json", "--quiet", "--concurrency", "1",
                                 env=self.environment)
        for number, hours in enumerate(steps):
            self.sim.wait(UNBLACKLIST, count=made + 10 * (number + 1))
            self.step(hours)
        ran = self.scene.finish(child, timeout=60)
        self.assertEqual((ran.code, ran.json["unblacklisted"]), (0, 800), ran)
        self.assertLess(ran.json["elapsed_ms"], 20000, "it does not stall")
        self.step(0)
        return len(self.refreshes()) - before

    def test_I13_forward_by_hours(self):
        self.assertEqual(self.job_while(5), 1, "the token looks expired: one renewal, no storm")

    def test_I13_back_by_hours(self):
        self.assertEqual(self.job_while(-5), 0)

    def test_I13_to_and_fro(self):
        self.assertLessEqual(self.job_while(5, -5, 0), 1)
        self.serves()

    def test_I13_processes_of_different_times(self):
        for hours in (-10, -3, 3, 10):
            self.step(hours)
            self.scene.must("token", "refresh", A, "--json", env=self.environment)
            self.serves(env=self.environment)
            self.serves()
        self.assertEqual(self.scene.must("tenant", "show", A, "--json").json["status"], "authorized")
        self.scene.must("db", "check", env=self.environment)

    def test_I13_a_lease_does_not_look_at_the_wall_clock(self):
        self.sim.fault(REFRESH, hold=True, count=1)
        holder = self.scene.start("token", "refresh", A, "--json", "--timeout", "30", env=self.environment)
        self.sim.wait(REFRESH, held=1)
        self.step(1)
        other = self.scene.start("-vv", "token", "refresh", A, "--json", env=self.environment)
        line = b""
        while b"another process is refreshing" not in line:
            line = other.stderr.readline()
            self.assertTrue(line)
        self.sim.release()
        for child in (holder, other):
            ran = self.scene.finish(child)
            self.assertEqual((ran.code, ran.json["tokens"][0]["version"]), (0, 2), ran)
        self.assertEqual(self.refreshes(), [0])


class Surroundings(Case):
    def test_the_turkish_i(self):
        locales = self.scene.path("locales")
        os.mkdir(locales)
        made = shutil.which("localedef") and subprocess.run(
            ["localedef", "-i", "tr_TR", "-f", "UTF-8", locales + "/tr_TR.UTF-8"], capture_output=True).returncode == 0
        if not made:
            self.skipTest("the locale tr_TR cannot be made here")
        turkish = {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "LOCPATH": locales}
        self.serves(env=turkish)
        for arguments in (["tenant", "show", A], ["tenant", "list", "--STATUS", "authorized"], ["tenant", "list", "--limit", "1"],
                          ["platform", "show"], ["audit", "--limit", "5"], ["job", "list"], ["doctor"], ["tenant", "lıst"],
                          ["tenant", "set", A, "--certified", "YES"]):
            usual, other = self.scene.admin(*arguments, "--json"), self.scene.admin(*arguments, "--json", env=turkish)
            self.assertEqual((other.code, len(other.out), other.err), (usual.code, len(usual.out), usual.err), arguments)
        push = self.sim.ticket(deliver=False)["push"]
        ran = self.scene.admin("callback", "--query", push["query"], "--json", data=push["body"], env=turkish)
        self.assertEqual(ran.code, 0, ran)

    def test_no_folder_for_temporary_files(self):
        gone = {"TMPDIR": "/nonexistent", "SQLITE_TMPDIR": "/nonexistent", "TMP": "/nonexistent"}
        ran = self.scene.admin("unblacklist", A, "--file", self.users(60000), "--json", "--dry-run", env=gone)
        self.assertIn("temporary", self.fails(ran, "internal"))
        self.assertIn("TMPDIR", ran.error["hint"])
        self.assertEqual(self.scene.must("job", "list", "--json").json["jobs"], [])
        self.serves(env=gone)
        self.scene.must("db", "backup", self.scene.path("backup.db"), env=gone)

    def test_a_umask_that_allows_nothing(self):
        self.scene.db = self.scene.path("deep/er/wxtp.db")
        self.scene.must("tenant", "list", preexec_fn=lambda: os.umask(0o777))
        self.scene.must("tenant", "list", preexec_fn=lambda: os.umask(0o777))

    def test_no_environment_at_all(self):
        ran = subprocess.run([ADMIN, "--db", self.scene.db, "--api-base", self.sim.base, "tenant", "list"], env={}, cwd="/",
                             capture_output=True, timeout=60)
        self.assertEqual((ran.returncode, ran.stderr), (0, b""))

    def test_paths_that_mean_something_to_others(self):
        for name in ("a b", "名 单", "file:x", "x?mode=ro", "100%25", "#1", "it's", ":memory:x", "-x", "x\ty"):
            with self.subTest(name):
                folder = self.scene.path("places")
                os.makedirs(folder, exist_ok=True)
                self.scene.db = os.path.join(folder, name)
                self.scene.ready()
                self.assertTrue(os.path.exists(self.scene.db))
                self.scene.must("db", "check")
        self.scene.db = "-x"
        self.scene.must("tenant", "list", "--db", "./-x", cwd=folder)


class Vanished(Case):
    """Database files that go away under a process that has them open: nothing is written where nobody will find it."""

    def held(self, path, *arguments):
        self.sim.fault(path, hold=True, count=1)
        child = self.scene.start(*arguments, "--json", "--timeout", "20")
        self.sim.wait(path, held=1)
        return child

    def away(self, *suffixes):
        for suffix in suffixes:
            os.rename(self.scene.db + suffix, self.scene.path("away" + suffix))

    def back(self, *suffixes):
        for suffix in suffixes:
            os.replace(self.scene.path("away" + suffix), self.scene.db + suffix)

    def refused(self, child):
        ran = self.scene.finish(child)
        self.assertEqual((ran.code, ran.error["kind"]), (1, "store"), ran)
        self.assertIn("removed or replaced", ran.err)

    def test_I2_a_database_that_is_moved_away_gets_no_token(self):
        child = self.held(REFRESH, "token", "refresh", A)
        self.away("", "-wal", "-shm", ".lock")
        self.sim.release()
        self.refused(child)
        self.back("", "-wal", "-shm", ".lock")
        self.assertEqual(self.scene.must("token", "show", A, "--json").json["version"], 1)
        self.scene.must("token", "refresh", A)
        self.serves()

    def test_I7_nor_is_anything_written_when_one_of_its_files_is_gone(self):
        for suffix in ("", "-wal", ".lock"):
            with self.subTest(suffix):
                child = self.held(UNBLACKLIST, "unblacklist", A, openid(1), openid(2), "--quiet")
                self.away(suffix)
                self.sim.release()
                self.refused(child)
                self.back(suffix)
                job = self.scene.must("job", "list", "--json").json["jobs"][0]
                self.assertEqual((job["unblacklisted"], job["pending"]), (0, 2))
                self.assertEqual(self.scene.must("job", "resume", job["job"], "--json").json["unblacklisted"], 2)
                self.scene.must("db", "check")

    def test_I7_a_job_stops_when_another_database_takes_the_place(self):
        backup = self.scene.path("backup.db")
        self.scene.must("db", "backup", backup)
        child = self.held(UNBLACKLIST, "unblacklist", A, "--file", self.users(400), "--quiet", "--concurrency", "1")
        self.away("", "-wal", "-shm")
        self.scene.must("db", "restore", backup)
        made = len(self.sim.journal(path=UNBLACKLIST))
        self.sim.release()
        self.refused(child)
        self.assertEqual(len(self.sim.journal(path=UNBLACKLIST)), made, "no further call is made")
        self.assertEqual(self.scene.must("job", "list", "--json").json["jobs"], [])
        self.scene.must("db", "check")
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.scene.db + suffix):
                os.unlink(self.scene.db + suffix)
        self.back("", "-wal", "-shm")
        job = self.scene.must("job", "list", "--json").json["jobs"][0]["job"]
        ran = self.scene.must("job", "resume", job, "--json", "--quiet")
        self.assertEqual(ran.json["unblacklisted"], 400)


class Many(Case):
    def test_I1_thirty_two_processes_make_one_refresh(self):
        database.write(self.scene.db, "UPDATE tokens SET due_ms = 1, expires_ms = 1 WHERE appid = ?", A)
        self.sim.settings(latency_ms=30)
        children = [self.scene.start("unblacklist", A, openid(number), "--json", "--quiet") for number in range(32)]
        for child in children:
            ran = self.scene.finish(child)
            self.assertEqual((ran.code, ran.json["unblacklisted"]), (0, 1), ran)
        self.assertEqual(self.refreshes(), [0])
        self.assertEqual(len(self.sim.journal(path=UNBLACKLIST)), 32)
        self.scene.must("db", "check")

    def test_I8_thirty_two_copies_of_a_push_count_once(self):
        push = self.sim.authorize(A, update=True, permission_sets=[2], deliver=False)["push"]
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.scene.push(push))) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([ran.code for ran in results], [0] * 32, results)
        self.assertEqual(sum(ran.json["applied"] for ran in results), 1)
        self.serves()


if __name__ == "__main__":
    unittest.main()
