"""What stops a job, and how it goes on: every paused_by with its exit code, signals, cancels, followers."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from jobs import (REFRESH, UNBLACKLIST, JobCase, main, openids, sent_openids, taken_signal,  # noqa: E402
                  until)
from scene import openid  # noqa: E402
from simulator import SECRET  # noqa: E402


class Limits(JobCase):
    def test_quota_pauses_at_once_and_a_resume_probes_once(self):
        """Symptom: 45009 reach max api daily quota limit, in the middle of the night's run."""
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=45009, count=-1)
        ran = self.unblacklist("--file", self.list_file(openids(1, 400)))
        job = self.paused(ran, 6, "quota", "quota", calls=1, pending=400)
        self.assertEqual((ran.error["errcode"], ran.error["tenant"]), (45009, self.appid))
        self.assertRegex(ran.error["rid"], r"^[0-9a-f]{8}-")
        self.assertEqual(len(self.calls()), 1)
        self.paused(self.resume(job), 6, "quota", "quota", calls=2)
        self.assertEqual(len(self.calls()), 2, "a person who asks gets one probe")
        self.assertEqual(self.show(job["job"])["paused_by"], "quota")
        self.sim.clear_faults()
        self.ended(self.resume(job), 0, "done", unblacklisted=400, calls=22)

    def resume(self, job, *arguments):
        return self.scene.admin("job", "resume", job["job"], "--json", *arguments)

    def test_quota_that_ends_in_mid_job(self):
        self.sim.merchant(self.appid, daily_quota=3)
        ran = self.unblacklist("--file", self.list_file(openids(1, 100)), "--concurrency", "1")
        job = self.paused(ran, 6, "quota", "quota", unblacklisted=60, pending=40, calls=4)
        self.sim.merchant(self.appid, daily_quota=1000)
        self.ended(self.resume(job), 0, "done", unblacklisted=100)
        applied = sent_openids(call for call in self.calls() if call["applied"])
        self.assertEqual(sorted(one for batch in applied for one in batch), openids(1, 100))

    def test_rate_pauses_where_nobody_waits(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=45011, count=-1)
        job = self.paused(self.unblacklist("--file", self.list_file(openids(1, 100)), "--max-wait", "0"), 6, "rate",
                          "rate", calls=1, pending=100)
        self.paused(self.resume(job, "--max-wait", "0"), 6, "rate", "rate", calls=2)
        self.sim.clear_faults()
        self.ended(self.resume(job), 0, "done", unblacklisted=100)

    def test_a_wait_for_the_next_minute_ends_with_a_signal(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=45011, count=-1)
        child = self.start(openid(1), "--max-wait", "600")
        self.sim.wait(UNBLACKLIST, appid=self.appid, count=1)
        begun = time.monotonic()
        taken_signal(child, signal.SIGTERM)
        self.paused(self.scene.finish(child), 143, "interrupted", "interrupted", pending=1)
        self.assertLess(time.monotonic() - begun, 20)


class Network(JobCase):
    def outage(self, *arguments, count=20, **fault):
        self.sim.fault(UNBLACKLIST, appid=self.appid, count=-1, **fault)
        ran = self.unblacklist("--file", self.list_file(openids(1, count)), *arguments)
        return self.paused(ran, 7, "network", "unavailable", unblacklisted=0, pending=count)

    def goes_on(self, job):
        self.sim.clear_faults()
        ran = self.scene.admin("job", "resume", job["job"], "--json")
        self.ended(ran, 0, "done", unblacklisted=job["requested"], invalid=[], failed=[])

    def test_no_call_is_tried_more_than_five_times(self):
        begun = time.monotonic()
        job = self.outage(http_status=503)
        self.assertEqual((job["calls"], len(self.calls())), (5, 5))
        self.assertGreater(time.monotonic() - begun, 1, "it backs off")
        self.goes_on(job)

    def test_a_server_that_hangs_is_waited_for_no_longer_than_told(self):
        """Symptom: Calls hang for 60 to 180 seconds after a process has died."""
        begun = time.monotonic()
        job = self.outage("--max-wait", "2", "--timeout", "2", delay_ms=20000)
        self.assertEqual(job["calls"], 1)
        self.assertLess(time.monotonic() - begun, 6)
        self.goes_on(job)

    def test_errcode_minus_1_is_tried_again(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=-1, count=2)
        self.ended(self.unblacklist("--file", self.list_file(openids(1, 20))), 0, "done", unblacklisted=20, calls=3)

    def test_max_wait_0_is_one_try(self):
        for number, fault in enumerate(({"http_status": 502}, {"cut": "before"}, {"cut": "after"}, {"errcode": -1},
                                        {"body": "<html>busy</html>", "content_type": "text/html"}, {"body": ""},
                                        {"truncate_at": 5}, {"http_status": 200, "body": "{}"},
                                        {"http_status": 404, "body": "gone"}, {"body": '["a list"]'},
                                        {"http_status": 500, "body": '{"errcode":0,"errmsg":"ok"}'})):
            with self.subTest(**fault):
                self.appid = self.merchant(any_openid_valid=True)
                job = self.outage("--max-wait", "0", **fault)
                self.assertEqual((job["calls"], len(self.calls())), (1, 1))
                self.goes_on(job)

    def test_a_small_max_wait_is_kept(self):
        begun = time.monotonic()
        job = self.outage("--max-wait", "1", count=400, http_status=503)
        self.assertLess(time.monotonic() - begun, 10)
        self.assertLess(job["calls"], 5)
        self.goes_on(job)

    def test_answers_that_do_not_end(self):
        for fault in ({"endless": True}, {"drip_ms": 300}, {"delay_ms": 60000, "apply": "no"}, {"hold": True}):
            with self.subTest(**fault):
                self.appid = self.merchant(any_openid_valid=True)
                begun = time.monotonic()
                job = self.outage("--timeout", "1", "--max-wait", "0", **fault)
                self.assertLess(time.monotonic() - begun, 15)
                self.assertEqual(job["calls"], 1)
                self.sim.release()
                self.goes_on(job)

    def test_nobody_listens(self):
        ran = self.unblacklist(openid(1), "--api-base", "http://127.0.0.1:1", "--max-wait", "0")
        job = self.paused(ran, 7, "network", "unavailable", pending=1)
        self.goes_on(job)


class Credentials(JobCase):
    own_scene = True

    def resume(self, job):
        return self.scene.admin("job", "resume", job["job"], "--json")

    def test_a_token_refused_once_is_renewed(self):
        self.sim.fault(UNBLACKLIST, errcode=40001, count=1)
        self.ended(self.unblacklist("--file", self.list_file(openids(1, 20))), 0, "done", unblacklisted=20, calls=2,
                   token_refreshes=1)
        self.assertEqual(len(self.calls(path=REFRESH)), 1)

    def test_a_token_refused_twice(self):
        self.sim.fault(UNBLACKLIST, errcode=40001, count=-1)
        job = self.paused(self.unblacklist("--file", self.list_file(openids(1, 400))), 5, "credentials", "credentials",
                          calls=2, token_refreshes=1, pending=400)
        self.assertEqual(len(self.calls()), 2)
        self.sim.clear_faults()
        self.ended(self.resume(job), 0, "done", unblacklisted=400)

    def test_a_wrong_appsecret(self):
        self.sim.component(appsecret="f" * 32)
        self.sim.fault(UNBLACKLIST, errcode=42001, count=-1)
        self.sim.fault(REFRESH, errcode=40001, count=-1)
        ran = self.unblacklist("--file", self.list_file(openids(1, 400)))
        job = self.paused(ran, 5, "credentials", pending=400)
        self.assertIn(ran.error["kind"], ("configuration", "credentials"))
        self.sim.component(appsecret=SECRET)
        self.sim.clear_faults()
        self.ended(self.resume(job), 0, "done", unblacklisted=400)

    def test_our_address_is_not_on_the_white_list(self):
        self.sim.component(ip_allowed=False)
        ran = self.unblacklist("--file", self.list_file(openids(1, 400)))
        job = self.paused(ran, 5, "credentials", "configuration", pending=400, calls=1)
        self.assertIn("127.0.0.1", ran.error["hint"])
        self.sim.component(ip_allowed=True)
        self.ended(self.resume(job), 0, "done", unblacklisted=400)

    def test_reauthorization_required(self):
        self.sim.settings(info_has_refresh_tokens=False, list_has_refresh_tokens=False)
        self.sim.fault(UNBLACKLIST, errcode=42001, count=-1)
        self.sim.fault(REFRESH, errcode=61023, count=-1)
        job = self.paused(self.unblacklist("--file", self.list_file(openids(1, 400))), 5, "credentials",
                          "reauthorization_required", pending=400)
        shown = self.scene.must("tenant", "show", self.appid, "--json").json
        self.assertEqual(shown["status"], "reauthorization_required")
        self.assertEqual(shown["calls"]["batchUnblacklist"]["reason"], "reauthorization_required")
        made = len(self.calls())
        self.refused(self.unblacklist(openid(1)), 5, "reauthorization_required")
        self.assertEqual(self.resume(job).code, 5)
        self.assertEqual(len(self.calls()), made, "I6: no blind call")
        self.sim.clear_faults()
        self.assertEqual(self.scene.push(self.sim.authorize(self.appid, deliver=False)["push"]).json["exchange"],
                         "done")
        self.ended(self.resume(job), 0, "done", unblacklisted=400)

    def test_restored_waits_for_a_decision(self):
        self.sim.fault(UNBLACKLIST, errcode=45009, count=-1)
        job = self.paused(self.unblacklist("--file", self.list_file(openids(1, 40))), 6, "quota")
        self.sim.clear_faults()
        backup, elsewhere = self.scene.path("backup"), self.scene.path("elsewhere.db")
        self.scene.must("db", "backup", backup)
        with open(self.scene.db + ".key", "rb") as key:
            key_file = self.scene.path("elsewhere.db.key", key.read())
        os.chmod(key_file, 0o600)
        self.scene.db = elsewhere
        self.scene.must("db", "restore", backup)
        self.assertEqual(self.show(job["job"])["paused_by"], "restored")
        since = len(self.calls())
        self.scene.must("job", "resume", "--all", "--json")
        self.assertEqual(self.show(job["job"])["paused_by"], "restored", "--all leaves it for a decision")
        self.assertEqual(len(self.calls()), since)
        self.scene.ticket()
        self.ended(self.resume(job), 0, "done", unblacklisted=40)


class Gate(JobCase):
    def test_an_account_that_is_banned_in_mid_job(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, hold=True, count=1)
        child = self.start("--file", self.list_file(openids(1, 100)), "--concurrency", "1")
        self.sim.wait(UNBLACKLIST, appid=self.appid, held=1)
        self.sim.merchant(self.appid, account_status=16)
        self.sim.release()
        job = self.paused(self.scene.finish(child), 4, "gate", "account_not_active", unblacklisted=20, pending=80,
                          calls=2)
        self.assertEqual(self.scene.admin("job", "resume", job["job"], "--json").code, 4)
        self.assertEqual(len(self.calls()), 2)
        self.sim.merchant(self.appid, account_status=1)
        self.scene.must("tenant", "sync", self.appid)
        self.ended(self.scene.admin("job", "resume", job["job"], "--json"), 0, "done", unblacklisted=100)

    def test_I6_a_push_in_another_process_is_honoured_within_a_second(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, delay_ms=50, count=-1)
        child = self.start("--file", self.list_file(openids(1, 20000)), "--concurrency", "2")
        self.sim.wait(UNBLACKLIST, appid=self.appid, count=4)
        # WeChat's own side goes on to say yes: only what the other process stored can stop the job.
        push = self.sim.push("<xml><AppId>wx0123456789abcdef</AppId><CreateTime>%d</CreateTime>"
                             "<InfoType>unauthorized</InfoType><AuthorizerAppid>%s</AuthorizerAppid></xml>"
                             % (int(time.time()) + 2, self.appid), deliver=False)["push"]
        pushed = self.scene.push(push)
        self.assertEqual((pushed.code, pushed.json["applied"]), (0, True), pushed)
        stored = self.clock_ms()
        self.paused(self.scene.finish(child), 4, "gate", "unauthorized")
        late = [call for call in self.calls() if call["ms"] > stored + 1000]
        self.assertEqual(late, [])

    def clock_ms(self):
        """Now, by the clock of the journal."""
        self.sim.call("/cgi-bin/nothing", {})
        return self.sim.journal(path="/cgi-bin/nothing")[-1]["ms"]


class Signals(JobCase):
    def held_job(self, count=400):
        self.sim.fault(UNBLACKLIST, appid=self.appid, hold=True, count=1)
        child = self.start("--file", self.list_file(openids(1, count)), "--concurrency", "1")
        self.sim.wait(UNBLACKLIST, appid=self.appid, held=1)
        return child

    def test_sigint_and_sigterm_finish_what_is_in_flight(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(code=code):
                self.appid = self.merchant(any_openid_valid=True)
                child = self.held_job()
                taken_signal(child, number)
                self.sim.release()
                job = self.paused(self.scene.finish(child), code, "interrupted", "interrupted", unblacklisted=20,
                                  pending=380, calls=1)
                self.assertEqual(len(self.calls()), 1)
                self.ended(self.scene.admin("job", "resume", job["job"], "--json"), 0, "done", unblacklisted=400,
                           calls=20)

    def test_a_signal_at_the_last_call_is_no_interruption(self):
        child = self.held_job(count=20)
        taken_signal(child, signal.SIGINT)
        self.sim.release()
        self.ended(self.scene.finish(child), 0, "done", unblacklisted=20)

    def test_a_second_signal_stops_at_once(self):
        child = self.held_job()
        taken_signal(child, signal.SIGINT)
        child.send_signal(signal.SIGINT)
        self.paused(self.scene.finish(child, timeout=20), 130, "interrupted", "interrupted", pending=400)
        self.sim.release()
        job = self.show(self.job_id())
        self.assertEqual((job["requested"], job["pending"]), (400, 400))
        self.ended(self.scene.admin("job", "resume", job["job"], "--json"), 0, "done", unblacklisted=400)

    def test_a_second_signal_still_prints_the_result(self):
        """Of a resume too; with the openids refused so far, and as a table."""
        bad = openids(1, 1)
        self.sim.merchant(self.appid, bad_openids=bad)
        self.sim.fault(UNBLACKLIST, appid=self.appid, nth=10, errcode=45009, count=1)
        job = self.unblacklist("--file", self.list_file(openids(1, 400)), "--concurrency", "1").json
        self.assertEqual(job["invalid"], bad)
        for more in (["--json"], []):
            self.sim.fault(UNBLACKLIST, appid=self.appid, hold=True, count=1)
            child = self.scene.start("job", "resume", job["job"], *more)
            self.sim.wait(UNBLACKLIST, appid=self.appid, held=1)
            taken_signal(child, signal.SIGTERM)
            child.send_signal(signal.SIGTERM)
            ran = self.scene.finish(child, timeout=20)
            self.sim.release()
            self.assertEqual(ran.code, 143, ran)
            if more:
                now = self.paused(ran, 143, "interrupted", "interrupted", invalid=bad)
                self.assertEqual(now["unblacklisted"], job["unblacklisted"])
            else:
                self.assertRegex(ran.out, r"(?m)^state: +paused$")
                self.assertRegex(ran.out, r"(?m)^paused by: +interrupted$")
                self.assertRegex(ran.err, r"(?m)^hint: .*job resume " + job["job"])

    def test_a_follower_that_is_stopped_leaves_the_job_running(self):
        child = self.held_job()
        follower = self.scene.start("job", "resume", self.job_id(), "--json")
        until(lambda: self.calm(follower), "it follows")
        taken_signal(follower, signal.SIGINT)
        ran = self.scene.finish(follower)
        self.assertEqual((ran.code, ran.json["state"]), (130, "running"), ran)
        self.assertEqual(self.show(self.job_id())["state"], "running")
        self.sim.release()
        self.ended(self.scene.finish(child), 0, "done", unblacklisted=400)

    @staticmethod
    def calm(child):
        """Whether it sleeps, and has opened the database."""
        folder = "/proc/%d/fd" % child.pid
        with open("/proc/%d/stat" % child.pid) as file:
            asleep = file.read().rsplit(")", 1)[1].split()[0] == "S"
        return asleep and any(os.readlink(os.path.join(folder, name)).endswith("-wal") for name in os.listdir(folder))

    def test_a_signal_while_the_list_is_read(self):
        child = self.start("--file", "-", stdin=-1)
        child.stdin.write(b"o123\n")
        child.stdin.flush()
        until(lambda: os.path.exists("/proc/%d/wchan" % child.pid) and self.reads(child), "it reads")
        taken_signal(child, signal.SIGINT)
        ran = self.scene.finish(child)
        self.assertEqual((ran.code, ran.out, ran.error["kind"]), (130, "", "interrupted"), ran)
        self.assertEqual(self.scene.must("job", "list", "--tenant", self.appid, "--json").json["jobs"], [])

    @staticmethod
    def reads(child):
        """Whether it waits for its standard input, whose pipe is empty."""
        try:
            with open("/proc/%d/syscall" % child.pid) as file:
                return file.read().split()[:2] == ["0", "0x0"]
        except OSError:
            return False


class Decisions(JobCase):
    def resume(self, job, *arguments):
        return self.scene.admin("job", "resume", job["job"], "--json", *arguments)

    def test_suspect_list_and_resume_is_the_decision(self):
        self.sim.merchant(self.appid, any_openid_valid=False)
        ran = self.unblacklist("--file", self.list_file(openids(1, 300)), "--concurrency", "1")
        job = self.paused(ran, 8, "suspect_list", "suspect_list", unblacklisted=0, pending=100)
        self.assertEqual(len(job["invalid"]), 200)
        self.assertIn(self.appid, ran.error["hint"])
        self.scene.must("job", "resume", "--all")
        self.assertEqual(self.show(job["job"])["paused_by"], "suspect_list", "--all leaves it for a decision")
        self.assertEqual(len(self.ended(self.resume(job), 3, "done", pending=0)["invalid"]), 300)

    def test_force_goes_on(self):
        self.sim.merchant(self.appid, any_openid_valid=False)
        job = self.ended(self.unblacklist("--file", self.list_file(openids(1, 300)), "--force"), 3, "done")
        self.assertEqual(len(job["invalid"]), 300)

    def test_refused_for_good_is_suspect_too(self):
        self.sim.merchant(self.appid, openid_errcodes={one: 43004 for one in openids(1, 300)})
        ran = self.unblacklist("--file", self.list_file(openids(1, 300)), "--concurrency", "1")
        self.paused(ran, 8, "suspect_list", "suspect_list", unblacklisted=0, pending=100)

    def test_one_that_succeeds_and_those_refused_locally_make_no_suspect(self):
        self.sim.merchant(self.appid, any_openid_valid=False, followers=[openid(10)])
        self.ended(self.unblacklist("--file", self.list_file(openids(1, 300)), "--concurrency", "1"), 3, "done",
                   unblacklisted=1)
        self.appid = self.merchant(any_openid_valid=True)
        wrong = ["no openid %d" % number for number in range(250)]
        self.ended(self.unblacklist("--file", self.list_file(wrong, openids(1, 20))), 3, "done", unblacklisted=20)

    def test_ten_unknown_errcodes_in_a_row(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=99999, count=-1)
        ran = self.unblacklist("--file", self.list_file(openids(1, 300)), "--concurrency", "1")
        job = self.paused(ran, 8, "unknown_errcode", "wechat", pending=100, calls=10)
        self.assertEqual((len(job["failed"]), ran.error["errcode"]), (200, 99999))
        job = self.ended(self.resume(job), 3, "partial", pending=0, calls=15)
        self.assertEqual(len(job["failed"]), 300)
        self.sim.clear_faults()
        self.ended(self.resume(job, "--failed"), 0, "done", unblacklisted=300, failed=[], calls=30)

    def test_what_is_in_flight_when_a_list_comes_in_doubt_waits_for_the_decision(self):
        self.sim.settings(latency_ms=20)
        self.sim.merchant(self.appid, any_openid_valid=False)
        for count in (201, 205, 400):
            ran = self.unblacklist("--file", self.list_file(openids(1, count)), "--concurrency", "16")
            job = self.paused(ran, 8, "suspect_list", "suspect_list", unblacklisted=0, pending=count - 200)
            self.assertEqual(len(job["invalid"]), 200)
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=99999, count=-1)
        ran = self.unblacklist("--file", self.list_file(openids(1, 400)), "--concurrency", "16")
        self.assertEqual(len(self.paused(ran, 8, "unknown_errcode", "wechat", pending=200)["failed"]), 200)

    def test_resume_all(self):
        self.sim.fault(UNBLACKLIST, errcode=45009, count=-1)
        first, second = self.appid, self.merchant(any_openid_valid=True)
        for appid in (first, second):
            self.assertEqual(self.scene.admin("unblacklist", appid, openid(1)).code, 6)
        self.sim.clear_faults()
        ran = self.scene.must("job", "resume", "--all", "--json")
        self.assertEqual(list(ran.json), ["jobs", "next"])
        self.assertLessEqual({first, second}, {job["tenant"] for job in ran.json["jobs"] if job["state"] == "done"})
        self.assertEqual(self.scene.must("job", "list", "--state", "paused", "--tenant", first, "--json").json["jobs"],
                         [])


class Others(JobCase):
    def test_cancelled_from_another_process(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, hold=True, count=1)
        child = self.start("--file", self.list_file(openids(1, 400)), "--concurrency", "1")
        self.sim.wait(UNBLACKLIST, appid=self.appid, held=1)
        job_id = self.job_id()
        self.assertEqual(self.show(job_id)["state"], "running")
        cancelled = self.scene.must("job", "cancel", job_id, "--json").json
        self.assertEqual((cancelled["state"], cancelled["pending"]), ("cancelled", 400))
        self.sim.release()
        self.ended(self.scene.finish(child), 3, "cancelled", unblacklisted=20, pending=380)
        self.assertEqual(len(self.calls()), 1)
        self.refused(self.scene.admin("job", "resume", job_id, "--json"), 2, "usage")
        self.assertEqual(self.show(job_id)["state"], "cancelled")
        self.scene.must("job", "cancel", job_id)

    def test_a_cancel_ends_a_runner_that_waits(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=45011, count=-1)
        child = self.start(openid(1), "--max-wait", "600")
        self.sim.wait(UNBLACKLIST, appid=self.appid, count=1)
        self.scene.must("job", "cancel", self.job_id())
        self.ended(self.scene.finish(child, timeout=30), 3, "cancelled", pending=1)

    def test_a_follower_of_a_living_runner_makes_no_call(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, hold=True, count=1)
        child = self.start("--file", self.list_file(openids(1, 400)), "--concurrency", "1")
        self.sim.wait(UNBLACKLIST, appid=self.appid, held=1)
        job_id = self.job_id()
        follower = self.scene.start("job", "resume", job_id, "--json")
        until(lambda: self.has_open(follower, self.scene.db + "-wal"), "the follower has the database open")
        self.assertIsNone(follower.poll())
        self.assertEqual(len(self.calls()), 1)
        self.sim.release()
        first = self.ended(self.scene.finish(child), 0, "done", unblacklisted=400, calls=20)
        second = self.ended(self.scene.finish(follower), 0, "done", unblacklisted=400, calls=20)
        self.assertEqual(first["job"], second["job"])
        self.assertEqual(len(self.calls()), 20)

    @staticmethod
    def has_open(child, path):
        folder = "/proc/%d/fd" % child.pid
        try:
            return any(os.readlink(os.path.join(folder, name)) == path for name in os.listdir(folder))
        except OSError:
            return False

    def test_resume_of_a_finished_one_prints_it(self):
        job = self.ended(self.unblacklist("--file", self.list_file(openids(1, 40), "no openid")), 3, "done")
        made = len(self.calls())
        for arguments in ([], ["--failed"]):
            ran = self.scene.admin("job", "resume", job["job"], "--json", *arguments)
            self.ended(ran, 3, "done", unblacklisted=40, calls=2)
        self.assertEqual(len(self.calls()), made)
        self.assertEqual(self.scene.admin("job", "show", job["job"]).code, 0)

    def test_a_cancel_of_a_finished_one_changes_nothing(self):
        job = self.ended(self.unblacklist(openid(1)), 0, "done")
        ran = self.scene.admin("job", "cancel", job["job"], "--json")
        self.assertEqual((ran.code, ran.json["state"]), (0, "done"), ran)

    def test_job_list_pages_newest_first(self):
        made = [self.ended(self.unblacklist(openid(number)), 0, "done")["job"] for number in range(5)]
        found, after = [], []
        while True:
            page = self.scene.must("job", "list", "--tenant", self.appid, "--limit", "2", *after, "--json").json
            self.assertEqual(list(page), ["jobs", "next"])
            found += [self.accounted(job)["job"] for job in page["jobs"]]
            if page["next"] is None:
                break
            after = ["--after", page["next"]]
        self.assertEqual(found, made[::-1])
        rows = self.scene.must("job", "list", "--tenant", self.appid, "--json=lines").lines
        self.assertEqual([row["job"] for row in rows], made[::-1])
        self.assertIn(made[0], self.scene.must("job", "list").out)

    def test_tenant_remove_asks_about_unfinished_jobs(self):
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=45009, count=-1)
        job = self.paused(self.unblacklist(openid(1)), 6, "quota")
        self.refused(self.scene.admin("tenant", "remove", self.appid, "--yes", "--json"), 2, "usage")
        self.scene.must("tenant", "remove", self.appid, "--yes", "--force")
        self.assertEqual(self.show(job["job"])["state"], "cancelled")


if __name__ == "__main__":
    main()
