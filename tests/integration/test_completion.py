"""Completion: commands and options, and what is in the database, soon enough for a person who waits."""
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from scene import ADMIN, Scene, openid  # noqa: E402

COMPLETION = os.path.join(os.environ["WXTP_SOURCE"], "examples", "admin", "completion")
SANITIZED = any(name in subprocess.run(["ldd", ADMIN], capture_output=True, text=True, check=True).stdout
                for name in ("libasan", "libtsan"))
MOST_MS = 50
MANY = 100000


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene().__enter__().ready()
        for appid in ("wxalpha00000000001", "wxalpha00000000002", "wxbeta000000000001"):
            cls.scene.onboard(appid, any_openid_valid=True)
        cls.jobs = [cls.scene.must("unblacklist", "wxalpha00000000001", openid(number), "--json").json["job"]
                    for number in (1, 2)]

    @classmethod
    def tearDownClass(cls):
        cls.scene.__exit__()

    def words(self, *line, **options):
        ran = self.scene.admin("__complete", *line, **options)
        self.assertEqual((ran.code, ran.err), (0, ""), ran)
        return ran.out.split()

    def names(self, *line, **options):
        return [word for word in self.words(*line, **options) if not word.startswith("-")]

    def test_appids(self):
        alphas = ["wxalpha00000000001", "wxalpha00000000002"]
        for line in (["tenant", "show"], ["unblacklist"], ["token", "refresh"], ["blacklist", "list"], ["job", "list", "--tenant"],
                     ["audit", "--tenant"], ["tenant", "list", "--after"], ["tenant", "sync", "wxbeta000000000001"],
                     ["--json", "tenant", "set", "--certified", "yes"], ["unblacklist", "--rate", "5"]):
            self.assertEqual(self.names(*line, "wxal"), alphas, line)
            self.assertEqual(self.names(*line, "wxalpha00000000002"), alphas[1:], line)
            self.assertEqual(self.names(*line, ""), alphas + ["wxbeta000000000001"], line)
            self.assertEqual(self.names(*line, "wxz"), [], line)

    def test_only_where_an_appid_belongs(self):
        for line in (["tenant", "show", "wxbeta000000000001"], ["unblacklist", "wxbeta000000000001"], ["doctor"],
                     ["tenant", "add", "--auth-code"], ["db", "backup"]):
            self.assertEqual(self.names(*line, "wx"), [], line)

    def test_job_ids_newest_first(self):
        for line in (["job", "show"], ["job", "resume"], ["job", "cancel"], ["job", "diff"], ["job", "undo", "--yes"],
                     ["job", "list", "--after"]):
            self.assertEqual(self.names(*line, "j"), sorted(self.jobs, reverse=True), line)
            self.assertEqual(self.names(*line, self.jobs[0]), self.jobs[:1], line)
        self.assertEqual(self.names("job", "show", self.jobs[0], "j"), [])

    def test_platforms(self):
        self.assertEqual(self.names("--component", "wx0"), ["wx0123456789abcdef"])
        self.assertEqual(self.names("tenant", "show", "--component", "wxnobody", "wx"), [])

    def test_another_database(self):
        self.assertEqual(self.names("--db", self.scene.path("none"), "tenant", "show", ""), [])
        self.assertEqual(self.names("--db=" + self.scene.path("none"), "tenant", "show", ""), [])
        self.assertFalse(os.path.exists(self.scene.path("none")))
        self.assertEqual(len(self.names("tenant", "show", "", "--db", self.scene.db, "")), 0)
        self.assertEqual(len(self.names("tenant", "show", "--db", self.scene.db, "", env={"WXTP_DB": "/nowhere"})), 3)
        self.scene.path("letter", "this is a letter\n" * 100)
        self.assertEqual(self.names("--db", self.scene.path("letter"), "tenant", "show", ""), [])

    def test_needs_no_key(self):
        shutil.move(self.scene.db + ".key", self.scene.path("away"))
        self.addCleanup(shutil.move, self.scene.path("away"), self.scene.db + ".key")
        self.assertEqual(len(self.names("tenant", "show", "wxal")), 2)

    def test_bash(self):
        script = 'source "$0/wxtp-admin.bash"; COMP_WORDS=("$1" tenant show wxal); COMP_CWORD=3; _wxtp_admin; echo "${COMPREPLY[@]}"'
        ran = subprocess.run(["bash", "-c", script, COMPLETION, ADMIN], env=self.scene.environment, capture_output=True,
                             text=True, check=True)
        self.assertIn("wxalpha00000000001 wxalpha00000000002", ran.stdout)

    def test_zsh(self):
        script = ('compadd() { shift 2; print -l -- "${(@P)1}" }; words=("$2" tenant show wxal); CURRENT=4; '
                  'eval "$(cat "$1/wxtp-admin.zsh")"')
        ran = subprocess.run(["zsh", "-f", "-c", script, "zsh", COMPLETION, ADMIN], env=self.scene.environment,
                             capture_output=True, text=True, check=True)
        self.assertIn("wxalpha00000000001\nwxalpha00000000002\n", ran.stdout)


class Speed(unittest.TestCase):
    @unittest.skipIf(SANITIZED, "a sanitizer's own time would be measured")
    def test_of_a_hundred_thousand_tenants(self):
        with Scene() as scene:
            scene.ready().onboard("wxa0000000000000000")
            scene.must("unblacklist", "wxa0000000000000000", openid(1), "--json", "--dry-run")
            with sqlite3.connect(scene.db) as db:
                columns = [row[1] for row in db.execute("PRAGMA table_info(tenants)")]
                kept = ",".join(name if name != "appid" else "printf('wxm%015d',n)" for name in columns)
                db.execute("WITH RECURSIVE m(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM m WHERE n<%d) "
                           "INSERT INTO tenants SELECT %s FROM tenants,m" % (MANY, kept))
            for line, count in ((["tenant", "show", "wxm"], 100), (["tenant", "show", "wxm00000000009999"], 10),
                                (["unblacklist", "wxz"], 0), (["job", "show", "j"], 0)):
                took = []
                for _ in range(9):
                    began = time.monotonic()
                    ran = scene.admin("__complete", *line)
                    took.append((time.monotonic() - began) * 1000)
                    self.assertEqual(len([word for word in ran.out.split() if not word.startswith("-")]), count, line)
                print("%s: %.1f ms (%.1f to %.1f)" % (line, sorted(took)[4], min(took), max(took)), flush=True)
                self.assertLess(min(took), MOST_MS)  # what else the machine does is not counted


if __name__ == "__main__":
    unittest.main(verbosity=2)
