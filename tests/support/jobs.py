"""What the tests of jobs share: a world a class, a merchant a test, and what holds for every job."""
import os
import re
import sys
import time
import unittest

from scene import Scene, openid

UNBLACKLIST = "/cgi-bin/tags/members/batchunblacklist"
BLACKLIST = "/cgi-bin/tags/members/batchblacklist"
REFRESH = "/cgi-bin/component/api_authorizer_token"
INFO = "/cgi-bin/component/api_get_authorizer_info"

JOB_KEYS = ["tenant", "job", "call", "state", "requested", "duplicates", "unblacklisted", "invalid", "failed",
            "pending", "calls", "token_refreshes", "created_at", "elapsed_ms"]


def openids(first, last):
    return [openid(number) for number in range(first, last + 1)]


def lines(*parts):
    return "".join(text + "\n" for part in parts for text in ([part] if isinstance(part, str) else part))


def until(what, describe, seconds=60):
    """Waits for what no control of the simulator tells; `what` is looked at again and again."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError("in %d s not: %s" % (seconds, describe))
        time.sleep(0.01)


def taken_signal(child, number):
    """Sends a signal, and returns when the process has taken it."""
    child.send_signal(number)

    def taken():
        try:
            with open("/proc/%d/status" % child.pid) as status:
                fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
        except (FileNotFoundError, ProcessLookupError):
            return True
        pending = int(fields.get("ShdPnd", "0"), 16) | int(fields.get("SigPnd", "0"), 16)
        return not pending & (1 << (number - 1))

    until(taken, "signal %d is taken" % number)


def sent_openids(calls):
    """The openids of each call."""
    return [call["body"]["openid_list"] for call in calls]


class JobCase(unittest.TestCase):
    """`scene` is ready; `appid` is a merchant of its own that takes every well-formed openid."""
    merchants = 0
    own_scene = False  # a scene a test

    @classmethod
    def setUpClass(cls):
        cls.scene = None if cls.own_scene else Scene().__enter__().ready()

    @classmethod
    def tearDownClass(cls):
        if cls.scene:
            cls.scene.__exit__()

    def setUp(self):
        if self.own_scene:
            self.scene = Scene().__enter__()
            self.addCleanup(self.scene.__exit__)
            self.scene.ready()
        self.sim = self.scene.sim
        self.sim.clear_faults()
        self.appid = self.merchant(any_openid_valid=True)

    def tearDown(self):
        self.sim.clear_faults()
        self.sim.release()

    def merchant(self, **fields):
        JobCase.merchants += 1
        appid = "wxjob%013d" % JobCase.merchants
        self.scene.onboard(appid, **fields)
        return appid

    def list_file(self, *parts, name="list"):
        return self.scene.path(name, lines(*parts))

    def unblacklist(self, *arguments, **options):
        return self.scene.admin("unblacklist", self.appid, *arguments, "--json", **options)

    def start(self, *arguments, **options):
        return self.scene.start("unblacklist", self.appid, *arguments, "--json", **options)

    def calls(self, appid=None, path=UNBLACKLIST):
        return self.sim.journal(path=path, appid=appid or self.appid)

    def job_id(self, appid=None):
        jobs = self.scene.must("job", "list", "--tenant", appid or self.appid, "--json").json["jobs"]
        self.assertEqual(len(jobs), 1, jobs)
        return jobs[0]["job"]

    def accounted(self, job, done="unblacklisted"):
        """I7: every openid is accounted for, and the object is as documented."""
        keys = [done if key == "unblacklisted" else key for key in JOB_KEYS]
        if job["state"] == "paused":
            keys.insert(4, "paused_by")
        self.assertEqual(list(job), keys)
        self.assertEqual(job["requested"], job[done] + len(job["invalid"]) + len(job["failed"]) + job["pending"], job)
        self.assertRegex(job["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        for key in ("requested", "duplicates", done, "pending", "calls", "token_refreshes", "elapsed_ms"):
            self.assertIsInstance(job[key], int, key)
            self.assertGreaterEqual(job[key], 0, key)
        return job

    def show(self, job_id):
        return self.accounted(self.scene.must("job", "show", job_id, "--json").json)

    def ended(self, ran, code, state, done="unblacklisted", warned=False, **members):
        """The run ended so, and printed such a job; answers the job."""
        self.assertEqual(ran.code, code, ran)
        job = self.accounted(ran.json, done)
        self.assertEqual(job["state"], state, ran)
        for key, value in members.items():
            self.assertEqual(job[key], value, (key, ran))
        if code:
            self.assertIn("kind", ran.error, ran)
        elif not warned:
            self.assertEqual(re.sub(r"(?m)^\d+/\d+ openids.*\n", "", ran.err), "", ran)  # but progress
        return job

    def paused(self, ran, code, by, kind=None, **members):
        job = self.ended(ran, code, "paused", paused_by=by, **members)
        if kind:
            self.assertEqual(ran.error["kind"], kind, ran)
        self.assertIn("job resume " + job["job"], ran.error["hint"], ran)
        self.assertGreater(job["pending"], 0)
        return job

    def refused(self, ran, code, kind):
        self.assertEqual(ran.code, code, ran)
        self.assertEqual(ran.out, "", ran)
        self.assertEqual(ran.error["kind"], kind, ran)
        self.assertTrue(ran.error["hint"], ran)
        return ran.error


def main():
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    unittest.main(verbosity=2, argv=sys.argv)
