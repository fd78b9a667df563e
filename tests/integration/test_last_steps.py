"""Every step is a last step: killed at each point in turn, stopped at it, and what is left is made good (I1 to I8)."""
import base64
import glob
import itertools
import os
import signal
import stat
import time
import unittest

import database
from jobs import until
from points import Run, all_points
from scene import Scene, openid

PATH = "/cgi-bin/component/"
REFRESH, CODE, COMPONENT = PATH + "api_authorizer_token", PATH + "api_query_auth", PATH + "api_component_token"
INFO, LIST = PATH + "api_get_authorizer_info", PATH + "api_get_authorizer_list"
UNBLACKLIST, BLACKLIST = "/cgi-bin/tags/members/batchunblacklist", "/cgi-bin/tags/members/batchblacklist"
STABLE = "/cgi-bin/stable_token"
WAITING = "another process is refreshing this token"
MOST = 200  # points of a run

met = set()  # the points at which a run has ended or stopped


def content(path):
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        return file.read()


class Case(unittest.TestCase):
    appids = 0

    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.sim = self.scene.sim

    def appid(self):
        Case.appids += 1
        return "wxpoint%011d" % Case.appids

    def steps(self, prepare, recover):
        """Kills a run at its first point, another at its second, until one comes to its end."""
        for number in itertools.count(1):
            self.assertLess(number, MOST)
            arguments, data = prepare()
            run = Run(self.scene, "*:%d" % number, *arguments, stdin=-1 if data else None)
            ran = run.end(data.encode() if data else None)
            self.assertEqual(len(run.passed), number if ran.killed else number - 1, (run.passed, ran))
            if ran.killed:
                met.add(run.passed[-1])
            with self.subTest(killed_at=run.passed[-1:] if ran.killed else "no point", passed=run.passed):
                recover(run, ran)
            if not ran.killed:
                self.assertEqual(ran.code, 0, ran)
                return

    def stop(self, point, command):
        """A run of a new merchant that is stopped at the point, and the merchant."""
        while True:
            appid, arguments = command()
            run = Run(self.scene, "stop@" + point, *arguments)
            os.waitid(os.P_PID, run.child.pid, os.WSTOPPED)
            passed = run.passed
            self.assertIn(point, passed)
            met.add(point)
            # Who stops while it brings the WAL home keeps all others from writing: that is another test's.
            if passed.count("checkpoint.begun") == passed.count("checkpoint.done"):
                return appid, run
            run.child.kill()
            run.end()

    def rows(self, table, appid):
        return database.rows(self.scene.db, "SELECT count(*) FROM %s WHERE appid = ?" % table, appid)[0][0]

    def version(self, appid):
        return self.scene.must("token", "show", appid, "--json").json["version"]

    def status(self, appid):
        return self.scene.must("tenant", "show", appid, "--json").json["status"]

    def refresh(self, appid, *options):
        return self.scene.must("token", "refresh", appid, "--json", *options).json["tokens"][0]

    def errcodes(self, path, appid):
        return [call["errcode"] for call in self.sim.journal(path=path, appid=appid)]

    def serves(self, appid):
        """What is stored is what WeChat holds good."""
        ran = self.scene.must("unblacklist", appid, openid(7), "--json", "--quiet")
        self.assertEqual((ran.json["unblacklisted"], ran.json["calls"]), (1, 1))


class Refreshes(Case):
    def setUp(self):
        super().setUp()
        self.scene.ready()
        self.sim.settings(rotate_refresh_tokens=True)

    def onboarded(self):
        appid = self.appid()
        self.scene.onboard(appid, any_openid_valid=True)
        return appid

    def prepare(self):
        self.now = self.onboarded()
        return ("token", "refresh", self.now, "--json"), None

    def after_refresh(self, run, ran, repeated):
        """`repeated`: what the next refresh is answered where the first one's answer is lost."""
        appid = self.now
        sent = run.has("refresh.answered")
        stored = run.has("refresh.storing", "store.committed")
        intended = run.has("refresh.lease_taken", "store.committed")
        self.assertEqual(self.errcodes(REFRESH, appid), [0] if sent else [])
        self.assertEqual(self.rows("intents", appid), int(intended and not stored), "I2: the intent says so")
        self.assertEqual(self.version(appid), 2 if stored else 1)
        began = time.monotonic()
        token = self.refresh(appid, "--timeout", "60")
        self.assertLess(time.monotonic() - began, 20, "I13: the dead one's lease of 65 s is not waited for")
        self.assertEqual((token["version"], token["refreshed"]), (3 if stored else 2, True))
        after = repeated if sent and not stored else [0]
        self.assertEqual(self.errcodes(REFRESH, appid), ([0] if sent else []) + after, "I1, I5")
        self.assertEqual(self.rows("intents", appid), 0)
        self.assertEqual(self.status(appid), "authorized")
        self.serves(appid)

    def test_I5_the_repetition_heals(self):
        self.sim.settings(info_has_refresh_tokens=False, list_has_refresh_tokens=False)
        self.steps(self.prepare, lambda run, ran: self.after_refresh(run, ran, [0]))

    def test_I5_info_heals_where_the_old_refresh_token_is_dead(self):
        self.sim.settings(refresh_grace_s=0)

        def recover(run, ran):
            # Asked again as its outcome is unknown, once more as WeChat may not be of one mind yet, then info's.
            self.after_refresh(run, ran, [61023, 61023, 0])

        self.steps(self.prepare, recover)

    def test_I1_the_components_token_too(self):
        def prepare():
            arguments = self.prepare()
            database.write(self.scene.db, "DELETE FROM tokens WHERE appid = ''")
            self.asked = len(self.sim.journal(path=COMPONENT))
            return arguments

        def recover(run, ran):
            self.refresh(self.now)
            answered = run.passed.count("refresh.answered")
            lost = answered == 1 and run.passed.count("refresh.stored") == 0 and \
                not run.has("refresh.storing", "store.committed")
            self.assertEqual(len(self.sim.journal(path=COMPONENT)) - self.asked, 2 if lost else 1)
            self.assertEqual(self.status(self.now), "authorized")
            self.serves(self.now)

        self.steps(prepare, recover)

    def stopped(self, points, *options):
        """A process for each of the points, stopped there; merchants by point."""
        def command():
            appid = self.onboarded()
            return appid, ("-vv", "token", "refresh", appid, "--json", *options)

        return {point: self.stop(point, command) for point in points}

    POINTS = ("refresh.lease_taken", "refresh.intent_written", "refresh.connected", "refresh.answered")

    def test_I1_killed_while_others_wait(self):
        runs = self.stopped(self.POINTS, "--timeout", "60")
        waiters = {}
        for point, (appid, _) in runs.items():
            waiters[point] = [self.scene.start("-vv", "token", "refresh", appid, "--json") for _ in range(2)]
            for waiter in waiters[point]:
                seen = b""
                while WAITING.encode() not in seen:
                    seen = waiter.stderr.readline()
                    self.assertTrue(seen)
        began = time.monotonic()
        for _, run in runs.values():
            run.child.kill()
        for point, (appid, run) in runs.items():
            with self.subTest(point):
                self.assertTrue(run.end().killed)
                for waiter in waiters[point]:
                    ran = self.scene.finish(waiter)
                    self.assertEqual((ran.code, ran.json["tokens"][0]["version"]), (0, 2), ran)
                self.assertEqual(self.errcodes(REFRESH, appid), [0, 0] if point == "refresh.answered" else [0])
                self.assertEqual(self.status(appid), "authorized")
                self.serves(appid)
        self.assertLess(time.monotonic() - began, 40)

    def test_I3_stopped_beyond_the_lease_and_continued(self):
        runs = self.stopped(self.POINTS, "--timeout", "1")
        others = {point: self.scene.start("token", "refresh", appid, "--json") for point, (appid, _) in runs.items()}
        for point, other in others.items():  # they wait until the lease has run out
            ran = self.scene.finish(other)
            self.assertEqual((ran.code, ran.json["tokens"][0]["version"]), (0, 2), (point, ran))
        tokens = {point: self.scene.must("token", "show", appid, "--reveal", "--json").json
                  for point, (appid, _) in runs.items()}
        for _, run in runs.values():
            run.child.send_signal(signal.SIGCONT)
        for point, (appid, run) in runs.items():
            with self.subTest(point):
                ran = run.end()
                self.assertEqual((ran.code, ran.json["tokens"][0]["version"]), (0, 2), ran)
                self.assertEqual(self.scene.must("token", "show", appid, "--reveal", "--json").json, tokens[point],
                                 "what came late overwrites nothing")
                late = point == "refresh.answered"
                self.assertEqual(self.errcodes(REFRESH, appid), [0, 0] if late else [0], "who woke does not send")
                self.assertEqual(self.rows("spares", appid), int(late))
                self.assertEqual(self.rows("intents", appid), 0)
        self.sim.time(1000)
        for appid, _ in runs.values():
            self.assertEqual(self.refresh(appid)["version"], 3)
            self.serves(appid)

    def test_stopped_in_the_midst_of_a_write(self):
        """SQLite has one writer: the others wait for it, and nothing is done twice."""
        appid = self.onboarded()
        run = Run(self.scene, "stop@refresh.storing", "token", "refresh", appid, "--json")
        os.waitid(os.P_PID, run.child.pid, os.WSTOPPED)
        other = self.scene.start("token", "refresh", appid, "--json")
        pending = self.scene.start("tenant", "set", appid, "--certified", "yes")
        for _ in range(3):
            self.assertEqual(self.status(appid), "authorized", "who reads does not wait")
        self.assertEqual((other.poll(), pending.poll()), (None, None))
        run.child.send_signal(signal.SIGCONT)
        for child in (run.child, other):
            ran = self.scene.finish(child)
            self.assertEqual((ran.code, ran.json["tokens"][0]["version"]), (0, 2), ran)
        self.assertEqual(self.scene.finish(pending).code, 0)
        self.assertEqual(self.errcodes(REFRESH, appid), [0])

    def test_I3_killed_when_the_spare_is_kept(self):
        appid = self.onboarded()
        self.sim.fault(REFRESH, hold=True, count=2, apply="on_release")
        run = Run(self.scene, "refresh.spare_kept", "token", "refresh", appid, "--timeout", "2")
        self.sim.wait(REFRESH, held=1)
        run.child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, run.child.pid, os.WSTOPPED)
        other = self.scene.start("token", "refresh", appid, "--json")
        self.sim.wait(REFRESH, held=2)
        first, second = [held["id"] for held in self.sim.held()]
        self.sim.release(second)
        self.assertEqual(self.scene.finish(other).json["tokens"][0]["version"], 2)
        self.sim.release(first)  # WeChat holds this one as the valid one now
        until(lambda: self.errcodes(REFRESH, appid) == [0, 0], "both are answered")
        run.child.send_signal(signal.SIGCONT)
        self.assertTrue(run.end().killed)
        met.add("refresh.spare_kept")
        self.assertEqual(self.rows("spares", appid), 1)
        self.sim.time(1000)
        self.assertEqual(self.refresh(appid)["version"], 3)
        self.assertEqual(self.errcodes(REFRESH, appid), [0, 0, 61023, 0])
        self.assertEqual(self.sim.journal(path=LIST), [])
        self.serves(appid)


class Pushes(Case):
    def setUp(self):
        super().setUp()
        self.scene.ready()

    def test_I8_a_push_that_brings_a_code(self):
        def prepare():
            self.now = self.appid()
            self.sim.merchant(self.now, permission_sets=[2], any_openid_valid=True)
            self.order = self.sim.authorize(self.now, deliver=False)["push"]
            self.asked = len(self.sim.journal(path=CODE))
            return ("callback", "--query", self.order["query"], "--json"), self.order["body"]

        def recover(run, ran):
            taken = run.has("push.applying", "store.committed")
            answered = run.has("code.intent_written", "code.answered")
            installed = run.has("code.storing", "store.committed")
            self.assertEqual(len(self.sim.journal(path=CODE)) - self.asked, int(answered))
            again = self.scene.push(self.order)
            self.assertEqual((again.code, again.json["reply"], again.json["exchange"]), (0, "success", "done"), again)
            self.assertEqual(again.json["applied"], not taken, "it counts once")
            exchanges = [call["errcode"] for call in self.sim.journal(path=CODE)[self.asked:]]
            self.assertEqual(exchanges, [0] if installed or not answered else [0, 61009])
            self.assertEqual(self.status(self.now), "authorized")
            self.serves(self.now)

        self.steps(prepare, recover)

    def test_I8_a_ticket(self):
        def prepare():
            order = self.sim.ticket(deliver=False)
            self.push = order["push"]
            return ("callback", "--query", self.push["query"], "--json"), self.push["body"]

        def recover(run, ran):
            taken = run.has("push.applying", "store.committed")
            again = self.scene.push(self.push)
            self.assertEqual((again.code, again.json["applied"]), (0, not taken), again)
            self.assertEqual(self.scene.must("platform", "show", "--json").json["ticket"]["state"], "fresh")

        self.steps(prepare, recover)


class Own(Case):
    """Accounts of one's own: no component, no refresh token."""

    SECRET = "own-secret"

    def add(self, appid):
        return ("tenant", "add-own", "--appid", appid, "--appsecret-file", self.scene.path("own-secret", self.SECRET),
                "--json")

    def onboarded(self):
        appid = self.appid()
        self.sim.merchant(appid, appsecret=self.SECRET, any_openid_valid=True)
        return appid

    def test_one_that_is_added(self):
        def prepare():
            self.now = self.onboarded()
            return self.add(self.now), None

        def recover(run, ran):
            stored = run.has("tenant.declaring", "store.committed")
            tenants = self.scene.must("tenant", "list", "--json").json["tenants"]
            self.assertEqual(self.now in [row["authorizer_appid"] for row in tenants], stored)
            self.scene.must(*self.add(self.now))
            self.serves(self.now)

        self.steps(prepare, recover)

    def test_I2_its_token(self):
        def prepare():
            self.now = self.onboarded()
            self.scene.must(*self.add(self.now))
            return ("token", "refresh", self.now, "--json"), None

        def recover(run, ran):
            sent = run.has("refresh.answered")
            stored = run.has("refresh.storing", "store.committed")
            intended = run.has("refresh.lease_taken", "store.committed")
            self.assertEqual(self.errcodes(STABLE, self.now), [0] if sent else [])
            self.assertEqual(self.rows("intents", self.now), int(intended and not stored), "I2: the intent says so")
            began = time.monotonic()
            self.serves(self.now)
            self.assertLess(time.monotonic() - began, 20, "I13: the dead one's lease is not waited for")
            self.assertEqual(self.errcodes(STABLE, self.now), ([0] if sent else []) + ([] if stored else [0]))
            self.assertEqual(self.version(self.now), 1)
            self.assertEqual(self.rows("intents", self.now), 0)

        self.steps(prepare, recover)


class Syncs(Case):
    def setUp(self):
        super().setUp()
        self.scene.ready()

    def test_I5_a_merchant_that_the_database_has_forgotten(self):
        def prepare():
            self.now = self.appid()
            self.sim.merchant(self.now, permission_sets=[2], any_openid_valid=True, authorized=True, exchanged=True)
            return ("tenant", "sync", self.now, "--json"), None

        def recover(run, ran):
            entered = run.has("account.entering", "store.committed")
            self.assertEqual((self.rows("tenants", self.now), self.rows("tokens", self.now)),
                             (int(entered), int(entered)), "whole or not at all")
            again = self.scene.must("tenant", "sync", self.now, "--json").json
            self.assertEqual((again["synced"], again["added"], again["failed"]), (1, int(not entered), []))
            self.assertEqual(self.status(self.now), "authorized")
            self.serves(self.now)

        self.steps(prepare, recover)

    def test_I5_one_that_was_given_up_comes_back(self):
        """Its refresh token is dead, and only the list shows the living one."""
        given_up = 3  # WXTP_TENANT_REAUTHORIZATION_REQUIRED
        self.now = self.appid()
        self.scene.onboard(self.now, any_openid_valid=True)
        stored = database.rows(self.scene.db, "SELECT * FROM tokens WHERE appid = ?", self.now)[0]
        self.sim.settings(info_has_refresh_tokens=False, rotate_refresh_tokens=True, refresh_grace_s=0)
        self.refresh(self.now)

        def prepare():
            database.write(self.scene.db, "REPLACE INTO tokens VALUES(%s)" % ",".join("?" * len(stored)), *stored)
            database.write(self.scene.db, "DELETE FROM spares WHERE appid = ?", self.now)
            database.write(self.scene.db, "UPDATE tenants SET status = ? WHERE appid = ?", given_up, self.now)
            return ("tenant", "sync", "--all", "--json"), None

        def recover(run, ran):
            back = run.has("sync.bringing_back", "store.committed")
            self.assertEqual(self.status(self.now), "authorized" if back else "reauthorization_required")
            again = self.scene.must("tenant", "sync", "--all", "--json").json
            self.assertEqual((again["synced"], again["repaired"], again["failed"]), (1, int(not back), []))
            self.assertEqual(self.status(self.now), "authorized")
            self.refresh(self.now)
            self.serves(self.now)
            self.sim.time(60)

        self.steps(prepare, recover)


class Jobs(Case):
    BAD = 23

    def setUp(self):
        super().setUp()
        self.scene.ready()

    def make(self):
        self.now = self.appid()
        self.scene.onboard(self.now, any_openid_valid=True, bad_openids=[openid(self.BAD)])

    def jobs(self):
        return self.scene.must("job", "list", "--tenant", self.now, "--json").json["jobs"]

    def sent(self):
        return [(tuple(call["body"]["openid_list"]), call["applied"])
                for call in self.sim.journal(path=UNBLACKLIST, appid=self.now)]

    def accounted(self, job):
        self.assertEqual(job["requested"], job["unblacklisted"] + len(job["invalid"]) + len(job["failed"]) + job["pending"])

    def test_I7_a_job(self):
        users = ["%s" % openid(number) for number in range(1, 26)]

        def prepare():
            self.make()
            return ("unblacklist", self.now, *users, "--json", "--quiet", "--concurrency", "1"), None

        def recover(run, ran):
            launched = run.has("job.built", "store.committed")
            jobs = self.jobs()
            self.assertEqual(len(jobs), int(launched), "a job that was being built is not there, another is")
            applied = {one for batch, was in self.sent() if was for one in batch}
            answered = run.passed.count("call.answered")
            self.assertIn(len(self.sent()) - answered, (0, 1))
            if not launched:
                self.assertEqual(self.sent(), [])
                self.assertEqual(self.scene.admin(*prepare()[0]).code, 3)
                return
            job = self.scene.must("job", "show", jobs[0]["job"], "--json").json
            self.accounted(job)
            self.assertLessEqual(job["unblacklisted"], len(applied))
            self.assertLessEqual(len(applied) - job["unblacklisted"], 20, "only what was in flight is not counted")
            if job["pending"]:
                self.assertEqual((job["state"], job["paused_by"]), ("paused", "interrupted"))
            before = self.sent()
            last = self.scene.admin("job", "resume", job["job"], "--json", "--concurrency", "1", "--quiet")
            self.assertEqual(last.code, 3, last)
            self.accounted(last.json)
            self.assertEqual((last.json["state"], last.json["unblacklisted"], last.json["invalid"]),
                             ("done", 24, [openid(self.BAD)]))
            sent = self.sent()
            self.assertEqual({one for batch, was in sent if was for one in batch}, set(users) - {openid(self.BAD)})
            self.assertLessEqual(len(sent) - len(set(sent)), 1, "the call in flight is repeated, and no other")
            self.assertEqual(set(before[:-1]) & set(sent[len(before):]), set())

        def until_killed(run, ran):
            if ran.killed:
                recover(run, ran)
            else:
                self.assertEqual((ran.json["unblacklisted"], ran.json["invalid"]), (24, [openid(self.BAD)]))
                ran.code = 0 if ran.code == 3 else ran.code

        self.steps(prepare, until_killed)

    LISTED = [openid(number) for number in range(1, 31, 2)]

    def blacklist(self):
        return self.sim.merchant(self.now)["blacklist"]

    def make_listed(self):
        """A merchant with some of a job's openids on its blacklist, and others."""
        self.now = self.appid()
        self.sim.settings(getblacklist_page=10)
        self.scene.onboard(self.now, any_openid_valid=True, blacklist=self.LISTED + [openid(999)])
        return ("unblacklist", self.now, *[openid(number) for number in range(1, 31)], "--snapshot", "--json", "--quiet",
                "--concurrency", "1")

    def undone(self, job):
        ran = self.scene.admin("job", "undo", job, "--yes", "--json", "--quiet", "--concurrency", "1")
        self.assertEqual((ran.code, ran.json["state"], ran.json["blacklisted"]), (0, "done", len(self.LISTED)), ran)
        self.assertEqual(sorted(self.blacklist()), sorted(self.LISTED + [openid(999)]))
        return ran.json["job"]

    def test_I7_a_snapshot_is_whole_or_there_is_no_job(self):
        def prepare():
            return self.make_listed(), None

        def recover(run, ran):
            launched = run.has("snapshot.kept", "store.committed")
            jobs = self.jobs()
            self.assertEqual(len(jobs), int(launched))
            if not launched:
                self.assertEqual((self.sent(), sorted(self.blacklist())), ([], sorted(self.LISTED + [openid(999)])))
                return
            job = jobs[0]["job"]
            before = self.scene.must("job", "diff", job, "--json").json["before"]
            self.assertEqual(before, len(self.LISTED), "what was on the list, not what is left of it")
            last = self.scene.must("job", "resume", job, "--json", "--quiet", "--concurrency", "1").json
            self.assertEqual((last["state"], last["unblacklisted"]), ("done", 30))
            self.assertEqual(self.blacklist(), [openid(999)])
            if not ran.killed:
                self.undone(job)

        self.steps(prepare, recover)
        self.scene.must("db", "check")
        left = database.rows(self.scene.db, "SELECT count(*) FROM snapshot_parts WHERE job NOT IN (SELECT n FROM jobs)")
        self.assertEqual(left, [(0,)], "nothing is left behind")

    def test_I7_an_undo(self):
        def prepare():
            self.job = self.scene.must(*self.make_listed()).json["job"]
            return ("job", "undo", self.job, "--yes", "--json", "--quiet", "--concurrency", "1"), None

        def recover(run, ran):
            noted = run.has("undo.noted", "store.committed")
            undone_by = self.scene.must("job", "diff", self.job, "--json").json["undone_by"]
            self.assertEqual(undone_by is not None, noted)
            self.assertEqual(len(self.jobs()), 1 + int(noted), "both are stored together, or neither")
            undo = self.undone(self.job)
            self.assertEqual(len(self.jobs()), 2, "it is undone by one job")
            if noted:
                self.assertEqual(undo, undone_by)
            calls = [tuple(call["body"]["openid_list"]) for call in self.sim.journal(path=BLACKLIST, appid=self.now)]
            self.assertEqual(sorted(set(one for batch in calls for one in batch)), self.LISTED)
            self.assertLessEqual(len(calls), 2, "the call in flight is repeated, and no other")

        self.steps(prepare, recover)

    def test_I7_stopped_beyond_the_lease_and_continued(self):
        users = [openid(number) for number in range(101, 161)]

        def command():
            self.make()
            return self.now, ("unblacklist", self.now, *users, "--json", "--quiet", "--concurrency", "1", "--timeout", "1")

        runs = {point: self.stop(point, command)
                for point in ("job.taken", "job.batch_taken", "call.answered", "job.recorded")}
        others = {}
        for point, (appid, run) in runs.items():
            self.now = appid
            others[point] = self.scene.start("job", "resume", self.jobs()[0]["job"], "--json", "--timeout", "1")
        for point, other in others.items():
            ran = self.scene.finish(other)
            self.assertEqual((ran.code, ran.json["state"], ran.json["unblacklisted"]), (0, "done", 60), (point, ran))
        for _, run in runs.values():
            run.child.send_signal(signal.SIGCONT)
        for point, (appid, run) in runs.items():
            with self.subTest(point):
                self.now = appid
                ran = run.end()
                self.assertEqual((ran.code, ran.json["state"], ran.json["unblacklisted"]), (0, "done", 60), ran)
                self.accounted(ran.json)
                sent = self.sent()
                self.assertEqual(sorted({one for batch, _ in sent for one in batch}), users)
                self.assertEqual(len(sent), 4 if point == "call.answered" else 3, "who woke sends nothing again")

    def test_a_signal_just_before_the_first_batch_is_taken(self):
        self.make()
        arguments = ("unblacklist", self.now, openid(1), "--json", "--quiet")
        whole = Run(self.scene, "none", *arguments)
        self.assertEqual(whole.end().code, 0)
        number = whole.passed[:whole.passed.index("job.batch_taken")].count("store.begun")
        run = Run(self.scene, "stop@store.begun:%d" % number, *arguments)
        os.waitid(os.P_PID, run.child.pid, os.WSTOPPED)
        run.child.terminate()
        run.child.send_signal(signal.SIGCONT)
        ran = run.end()
        self.assertEqual((ran.code, ran.error["kind"], ran.json["paused_by"]), (143, "interrupted", "interrupted"), ran)

    def test_I7_killed_at_a_checkpoint(self):
        """The WAL is brought home once a second, while a job of several seconds runs."""
        for point in ("checkpoint.begun", "checkpoint.done"):
            with self.subTest(point):
                self.make()
                self.sim.settings(latency_ms=80)
                users = [openid(number) for number in range(1001, 1601)]
                run = Run(self.scene, point, "unblacklist", self.now, *users, "--json", "--quiet", "--concurrency", "1")
                self.assertTrue(run.end().killed, run.passed)
                met.add(point)
                self.sim.settings(latency_ms=0)
                self.scene.must("db", "check")
                ran = self.scene.admin("job", "resume", self.jobs()[0]["job"], "--json", "--quiet")
                self.assertEqual((ran.code, ran.json["unblacklisted"]), (0, 600), ran)
                sent = self.sent()
                self.assertLessEqual(len(sent), 31)
                self.assertEqual(sorted({one for batch, _ in sent for one in batch}), users)


class Files(Case):
    """What makes or replaces files."""

    def key_file(self, name):
        return self.scene.path(name, base64.b64encode(os.urandom(32)) + b"\n")

    def private(self, pattern):
        for path in glob.glob(pattern):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600, path)

    def test_a_new_database(self):
        folders = itertools.count()

        def prepare():
            self.scene.db = self.scene.path("new-%d/wxtp.db" % next(folders))
            return ("tenant", "list", "--json"), None

        def recover(run, ran):
            key = self.scene.db + ".key"
            before = content(key)
            self.assertEqual(self.scene.must("tenant", "list", "--json").json["tenants"], [])
            self.scene.must("db", "check")
            if before is not None:
                self.assertEqual(content(key), before, "a key that was made is the key")
            self.private(os.path.dirname(self.scene.db) + "/*")
            self.assertEqual(database.rows(self.scene.db, "PRAGMA integrity_check"), [("ok",)])

        self.steps(prepare, recover)

    def test_I9_rekey_leaves_exactly_one_key_that_opens(self):
        self.scene.ready()
        self.scene.onboard(self.appid())
        self.current = self.scene.db + ".key"
        names = itertools.count()

        def opens(key):
            if not os.path.exists(key):
                return False
            ran = self.scene.admin("tenant", "list", "--json", "--master-key-file", key)
            self.assertIn(ran.code, (0, 1), ran)
            if ran.code:
                self.assertEqual(ran.error["kind"], "key")
            return ran.code == 0

        def prepare():
            self.fresh = self.scene.path("key-%d" % next(names))
            return ("db", "rekey", "--new-key-file", self.fresh, "--master-key-file", self.current), None

        def recover(run, ran):
            moved = run.has("rekey.storing", "store.committed")
            self.assertEqual((opens(self.current), opens(self.fresh)), (not moved, moved))
            self.private(self.scene.folder + "/key-*")
            if moved:
                self.current = self.fresh
            self.scene.must("db", "check", "--master-key-file", self.current)

        self.steps(prepare, recover)

    def test_backup_and_restore(self):
        self.scene.ready()
        appid = self.appid()
        self.scene.onboard(appid)
        key = self.scene.db + ".key"
        names = itertools.count()
        whole = self.scene.path("whole.db")
        self.scene.must("db", "backup", whole)

        def usable(path):
            ran = self.scene.admin("tenant", "list", "--json", "--master-key-file", key, env={"WXTP_DB": path})
            self.assertEqual((ran.code, len(ran.json["tenants"])), (0, 1), ran)
            self.scene.must("db", "check", "--master-key-file", key, env={"WXTP_DB": path})

        def prepare_backup():
            self.to = self.scene.path("backup-%d" % next(names))
            return ("db", "backup", self.to), None

        def prepare_restore():
            self.to = self.scene.path("restored-%d" % next(names))
            return ("db", "restore", whole, "--db", self.to, "--master-key-file", key), None

        def recover_backup(run, ran):
            self.private(self.to + "*")
            if not os.path.exists(self.to):
                self.scene.must("db", "backup", self.to)
            again = self.to + ".restored"
            self.scene.must("db", "restore", self.to, "--db", again, "--master-key-file", key)
            usable(again)

        def recover_restore(run, ran):
            self.private(self.to + "*")
            if not os.path.exists(self.to):
                self.scene.must("db", "restore", whole, "--db", self.to, "--master-key-file", key)
            usable(self.to)

        self.steps(prepare_backup, recover_backup)
        self.steps(prepare_restore, recover_restore)


class Whole(unittest.TestCase):
    """Runs last (by its name): no point was left out."""

    def test_every_point_was_a_last_step(self):
        if not met:
            self.skipTest("run alone")
        self.assertEqual(sorted(all_points() - met), [])


if __name__ == "__main__":
    unittest.main()
