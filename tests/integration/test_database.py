"""The database under other processes, kills and unfriendly places."""
import base64
import glob
import hashlib
import json
import os
import random
import resource
import stat
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import database  # noqa: E402
from scene import ADMIN, Scene, openid  # noqa: E402

A = "wxdatabase00000001"
UNBLACKLIST = "/cgi-bin/tags/members/batchunblacklist"
SEED = int(os.environ.get("WXTP_SEED", random.SystemRandom().randrange(1 << 32)))


class Databases(unittest.TestCase):
    def setUp(self):
        self.scene = Scene().__enter__()
        self.addCleanup(self.scene.__exit__)
        self.sim = self.scene.sim

    def key_file(self, name):
        path = self.scene.path(name, base64.b64encode(os.urandom(32)) + b"\n")
        os.chmod(path, 0o600)
        return path

    def opens(self, key):
        return self.scene.admin("token", "show", A, "--reveal", "--json", "--master-key-file", key)

    def test_rekey_killed_at_random_points_leaves_exactly_one_key_that_opens(self):
        print("WXTP_SEED=%d" % SEED, flush=True)
        chance = random.Random(SEED)
        self.scene.ready()
        self.scene.onboard(A)
        current = self.scene.db + ".key"
        token = self.opens(current).json["access_token"]
        moved = 0
        for number in range(25):
            fresh = self.key_file("key-%d" % number)
            child = self.scene.start("db", "rekey", "--new-key-file", fresh, "--master-key-file", current)
            try:
                child.wait(timeout=chance.random() * 0.03)
            except subprocess.TimeoutExpired:
                child.kill()
            child.communicate(timeout=20)
            old, new = self.opens(current), self.opens(fresh)
            self.assertEqual(sorted([old.code, new.code]), [0, 1], (old, new))
            for ran in (old, new):
                if ran.code:
                    self.assertEqual(ran.error["kind"], "key")
                else:
                    self.assertEqual(ran.json["access_token"], token)
            if new.code == 0:
                current, moved = fresh, moved + 1
        self.assertGreater(moved, 0)
        self.scene.must("db", "check", "--master-key-file", current)

    def test_a_backup_is_consistent_while_others_write(self):
        self.scene.ready()
        self.scene.onboard(A, any_openid_valid=True)
        self.sim.settings(latency_ms=40)
        users = self.scene.path("users", "".join(openid(number) + "\n" for number in range(4000)))
        job = self.scene.start("unblacklist", A, "--file", users, "--json", "--concurrency", "4")
        self.sim.wait(UNBLACKLIST, count=3)
        for number in range(5):
            path = self.scene.path("backup-%d.db" % number)
            ran = self.scene.must("db", "backup", path)
            self.assertIn("key", ran.out + ran.err, "it says that the key is not in it")
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            self.assertEqual(self.scene.admin("db", "backup", path).code, 2, "an older backup is not overwritten")
        ran = self.scene.finish(job)
        self.assertEqual((ran.code, ran.json["unblacklisted"]), (0, 4000), ran)
        for number in range(5):
            elsewhere = self.scene.path("restored-%d.db" % number)
            environment = {"WXTP_DB": elsewhere, "WXTP_MASTER_KEY_FILE": self.scene.db + ".key"}
            self.scene.must("db", "restore", self.scene.path("backup-%d.db" % number), env=environment)
            self.scene.must("db", "check", env=environment)
            jobs = self.scene.must("job", "list", "--json", env=environment).json["jobs"]
            self.assertEqual([(one["state"], one["requested"]) for one in jobs], [("paused", 4000)])
            self.assertEqual(jobs[0]["paused_by"], "restored")
            shown = self.scene.must("platform", "show", "--json", env=environment).json
            self.assertEqual((shown["ticket"]["state"], shown["component_token"]["state"]), ("none", "due"))
            self.assertEqual(self.scene.admin("db", "restore", self.scene.path("backup-0.db"), env=environment).code, 2)

    def test_modes_whatever_the_umask(self):
        folder = self.scene.path("new/deeper")
        self.scene.db = os.path.join(folder, "wxtp.db")
        code = "import os, sys; os.umask(0); os.execv(sys.argv[1], sys.argv[1:])"
        subprocess.run([sys.executable, "-c", code, ADMIN, "tenant", "list"], env=self.scene.environment, check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        self.sim.fault(UNBLACKLIST, hold=True, count=1)
        self.scene.ready()
        self.scene.onboard(A, any_openid_valid=True)
        child = self.scene.start("unblacklist", A, openid(1), preexec_fn=lambda: os.umask(0))
        self.sim.wait(UNBLACKLIST, held=1)
        files = glob.glob(folder + "/*")
        self.assertTrue({"wxtp.db", "wxtp.db-wal", "wxtp.db.key", "wxtp.db.lock"} <= set(map(os.path.basename, files)), files)
        for path in files:
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600, path)
        for path in (folder, os.path.dirname(folder)):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o700, path)
        self.sim.release()
        self.assertEqual(self.scene.finish(child).code, 0)

    def test_places_with_blanks_and_chinese(self):
        self.scene.db = self.scene.path("我的 数据/商户 名单.db")
        self.scene.ready()
        self.scene.onboard(A, any_openid_valid=True)
        self.assertEqual(self.scene.must("unblacklist", A, openid(1), "--json").json["unblacklisted"], 1)
        self.assertTrue(os.path.exists(self.scene.db))

    def test_a_newer_schema_is_refused_and_not_touched(self):
        self.scene.ready()
        database.write(self.scene.db, "PRAGMA user_version = 999")
        before = database.dump(self.scene.db, without=())
        ran = self.scene.admin("tenant", "list", "--json")
        self.assertEqual((ran.code, ran.error["kind"]), (1, "store"), ran)
        self.assertEqual(database.dump(self.scene.db, without=()), before)

    def test_eight_processes_make_one_database(self):
        children = [self.scene.start("tenant", "list", "--json") for _ in range(8)]
        for child in children:
            ran = self.scene.finish(child)
            self.assertEqual((ran.code, ran.json["tenants"]), (0, []), ran)
        self.scene.must("db", "check")

    def test_writers_in_sixteen_processes_lose_nothing(self):
        self.scene.ready()
        for number in range(16):
            self.sim.merchant("wxmany%012d" % number, any_openid_valid=True, permission_sets=[2])
        pushes = [self.sim.authorize("wxmany%012d" % number, deliver=False)["push"] for number in range(16)]
        codes = []
        threads = [threading.Thread(target=lambda push=push: codes.append(self.scene.push(push).code)) for push in pushes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(codes, [0] * 16)
        shown = self.scene.must("tenant", "list", "--status", "authorized", "--json").json["tenants"]
        self.assertEqual(len(shown), 16)
        self.scene.must("db", "check")


READS = (["tenant", "list"], ["tenant", "show", A], ["token", "show", A], ["job", "list"], ["audit"],
         ["platform", "show"])


class Untouched(unittest.TestCase):
    """Who only looks, and who has not the key, writes nothing."""

    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.scene.ready()
        self.scene.onboard(A, any_openid_valid=True)
        self.job = self.scene.must("unblacklist", A, openid(1), "--json").json["job"]

    def files(self):
        found = {}
        for name in sorted(os.listdir(self.scene.folder)):
            if not name.endswith("-shm"):  # SQLite's memory, made anew by each first opening
                with open(os.path.join(self.scene.folder, name), "rb") as file:
                    found[name] = hashlib.sha256(file.read()).hexdigest()
        return found

    def test_without_the_right_key(self):
        key = self.scene.db + ".key"
        with open(key, "rb") as file:
            right = file.read()
        another = base64.b64encode(os.urandom(32))
        for content, mode in ((None, 0), (another, 0o600), (b"x", 0o600), (right, 0o644)):
            with self.subTest(content=content, mode=mode):
                os.remove(key)
                if content is not None:
                    self.scene.path("wxtp.db.key", content)
                    os.chmod(key, mode)
                before = self.files()
                for arguments in READS + (["unblacklist", A, openid(2)], ["token", "refresh", A], ["db", "prune"],
                                          ["tenant", "set", A, "--certified", "yes"]):
                    ran = self.scene.admin(*arguments, "--json")
                    self.assertEqual((ran.code, ran.out, ran.error["kind"]), (1, "", "key"), (arguments, ran))
                self.assertEqual(self.files(), before)
                self.scene.path("wxtp.db.key", right)
                os.chmod(key, 0o600)
        self.scene.must("tenant", "list")

    def test_who_only_looks(self):
        before = self.files()
        for arguments in READS + (["job", "show", self.job],):
            self.scene.must(*arguments)
        self.assertEqual(self.files(), before)

    def test_who_only_looks_needs_no_room(self):
        """A file's size limit stands for a disk that is full."""
        limit = (64 * 1024, 64 * 1024)
        self.assertGreater(os.path.getsize(self.scene.db + "-wal"), limit[0])

        def full():
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)

        for arguments in READS + (["job", "show", self.job],):
            self.scene.must(*arguments, preexec_fn=full)
        ran = self.scene.admin("token", "refresh", A, "--json", preexec_fn=full)
        self.assertEqual((ran.code, ran.error["kind"]), (1, "store"), ran)

    @unittest.skipUnless(subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0,
                         "mounts need a name space of one's own")
    def test_who_only_looks_may_do_so_on_a_read_only_file_system(self):
        mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'

        def read_only(*arguments):
            return subprocess.run(["unshare", "-rm", "sh", "-c", mount, self.scene.folder, ADMIN, *arguments, "--json"],
                                  env=self.scene.environment, capture_output=True, text=True, timeout=60)

        for arguments in READS + (["job", "show", self.job],):
            ran = read_only(*arguments)
            self.assertEqual(ran.returncode, 0, (arguments, ran))
            self.assertEqual(ran.stderr, "")
        ran = read_only("token", "refresh", A)
        self.assertEqual((ran.returncode, json.loads(ran.stderr)["error"]["kind"]), (1, "store"), ran)


if __name__ == "__main__":
    unittest.main()
