"""I7: whatever kills or stops a runner, no openid is lost, and only what was in flight is sent again."""
import os
import random
import signal
import sys
import time
from collections import defaultdict

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import database  # noqa: E402
from jobs import UNBLACKLIST, JobCase, main, openids, sent_openids, until  # noqa: E402
from scene import openid  # noqa: E402
from simulator import ControlError  # noqa: E402

KILLS = 20
CONCURRENCY = 4
SEED = int(os.environ.get("WXTP_SEED", random.SystemRandom().randrange(1 << 32)))


class Crashes(JobCase):
    own_scene = True

    def setUp(self):
        super().setUp()
        self.chance = random.Random(SEED)
        print("WXTP_SEED=%d" % SEED, flush=True)
        self.bounds = []  # the journal's length at each kill

    def made(self):
        return len(self.calls())

    def kill_at_random(self, child, most):
        """After some more calls and a moment, so that it strikes anywhere: a call, a commit, a claim."""
        wanted = self.made() + self.chance.randrange(1, most)
        try:
            self.sim.wait(UNBLACKLIST, appid=self.appid, count=wanted, timeout_ms=20000)
        except ControlError:
            self.assertIsNotNone(child.poll(), "the runner neither calls nor ends")
        moment = time.monotonic() + self.chance.random() * 0.015
        while time.monotonic() < moment:
            pass
        child.kill()
        child.wait(timeout=20)
        # What it had sent may not have been read yet: that is its call too, and not the next run's.
        until(lambda: self.sim.open_connections() == 0, "the simulator has taken what the dead one sent")
        self.bounds.append(self.made())

    def resume(self, job_id, *more):
        return self.scene.start("job", "resume", job_id, "--json", "--concurrency", CONCURRENCY, *more)

    def run_and_kill(self, path, kills, most):
        self.sim.settings(latency_ms=5)
        child = self.start("--file", path, "--concurrency", CONCURRENCY)
        self.sim.wait(UNBLACKLIST, appid=self.appid, count=1)
        job_id = self.job_id()
        for number in range(kills):
            self.kill_at_random(child, most)
            job = self.show(job_id)
            self.assertEqual(job["requested"], 2000)
            # What is counted was applied; what was applied and is not counted was in flight.
            applied = {one for batch in sent_openids(call for call in self.calls() if call["applied"])
                       for one in batch}
            self.assertLessEqual(job["unblacklisted"], len(applied))
            self.assertLessEqual(len(applied) - job["unblacklisted"], (number + 1) * CONCURRENCY * 20)
            if job["state"] == "done":
                break
            child = self.resume(job_id)
        ran = self.scene.finish(child)
        return self.scene.admin("job", "resume", job_id, "--json") if ran.code < 0 else ran

    def test_I7_killed_twenty_times(self):
        job = self.ended(self.run_and_kill(self.list_file(openids(1, 2000)), KILLS, 6), 0, "done", requested=2000,
                         unblacklisted=2000, pending=0, invalid=[], failed=[])
        self.assertGreaterEqual(len(self.bounds), KILLS // 2, "the kills struck a job under way")
        calls = self.calls()
        sent = sent_openids(calls)
        self.assertEqual(sorted({one for batch in sent for one in batch}), openids(1, 2000))
        self.assertTrue(all(call["applied"] for call in calls))
        runs_of = defaultdict(list)  # of each batch
        for place, batch in enumerate(sent):
            self.assertEqual(len(batch), 20)
            runs_of[tuple(batch)].append(sum(place >= bound for bound in self.bounds))
        self.assertEqual(len(runs_of), 100, "a batch stays what it is")
        repeated = defaultdict(int)
        for runs in runs_of.values():
            self.assertEqual(len(set(runs)), len(runs), "no run sends a batch twice")
            for run in runs[:-1]:
                repeated[run] += 1
        self.assertLessEqual(max(repeated.values(), default=0), CONCURRENCY, dict(repeated))
        self.assertLessEqual(job["calls"], len(calls))
        self.assertLessEqual(len(calls) - job["calls"], len(self.bounds) * CONCURRENCY)

    def test_I7_killed_while_bad_ones_are_searched(self):
        bad = openids(7, 7) + [openid(number) for number in range(100, 2000, 50)]
        self.sim.merchant(self.appid, bad_openids=bad)
        job = self.ended(self.run_and_kill(self.list_file(openids(1, 2000)), KILLS // 2, 40), 3, "done",
                         requested=2000, unblacklisted=2000 - len(bad), failed=[])
        self.assertEqual(sorted(job["invalid"]), bad)
        applied = {one for batch in sent_openids(call for call in self.calls() if call["applied"]) for one in batch}
        self.assertEqual(sorted(applied), [one for one in openids(1, 2000) if one not in set(bad)])

    def test_I7_a_dead_runner_is_followed_up_at_once(self):
        self.sim.fault(UNBLACKLIST, hold=True, count=1)
        child = self.start("--file", self.list_file(openids(1, 100)), "--timeout", "60")
        self.sim.wait(UNBLACKLIST, held=1)
        job_id = self.job_id()
        child.kill()
        child.wait(timeout=20)
        begun = time.monotonic()
        ran = self.scene.finish(self.resume(job_id, "--timeout", "60"))
        self.ended(ran, 0, "done", unblacklisted=100)
        self.assertLess(time.monotonic() - begun, 20, "the lease of 65 s is not waited for")
        self.assertEqual(len(self.calls()), 6)

    def test_I7_a_job_whose_runner_died_is_told_as_paused(self):
        self.sim.fault(UNBLACKLIST, hold=True, count=1)
        child = self.start("--file", self.list_file(openids(1, 100)), "--timeout", "60")
        self.sim.wait(UNBLACKLIST, held=1)
        job_id = self.job_id()

        def listed(*more):
            return [job["job"] for job in self.scene.must("job", "list", "--json", *more).json["jobs"]]

        self.assertEqual(self.show(job_id)["state"], "running", "somebody works on it")
        self.assertEqual((listed("--state", "running"), listed("--state", "paused")), ([job_id], []))
        child.kill()
        child.wait(timeout=20)
        self.sim.release()
        job = self.show(job_id)
        self.assertEqual((job["state"], job["paused_by"], job["pending"]), ("paused", "interrupted", 100))
        self.assertEqual((listed("--state", "running"), listed("--state", "paused"), listed()),
                         ([], [job_id], [job_id]))
        self.assertIn("paused (interrupted)", self.scene.must("job", "list").out)
        shown = self.scene.must("job", "show", job_id).out
        self.assertRegex(shown, r"(?m)^what to do: .*job resume " + job_id)
        jobs = [check for check in self.scene.admin("doctor", "--json").json["checks"] if check["name"] == "jobs"]
        self.assertEqual(jobs[0]["status"], "warn", jobs)
        self.ended(self.scene.admin("job", "resume", job_id, "--json"), 0, "done", unblacklisted=100)

    def test_I7_killed_while_the_list_is_read_leaves_no_job(self):
        child = self.start("--file", "-", stdin=-1)
        child.stdin.write("".join(one + "\n" for one in openids(1, 50000)).encode())
        child.stdin.flush()
        until(lambda: database.rows(self.scene.db, "SELECT id FROM jobs"), "the job is being built")
        child.kill()
        child.wait(timeout=20)
        self.assertEqual(self.scene.must("job", "list", "--json").json["jobs"], [])
        self.assertEqual(database.rows(self.scene.db, "SELECT id FROM jobs"), [], "it is swept when opened again")
        self.scene.must("job", "resume", "--all")
        self.assertEqual(self.made(), 0)


class Stopped(JobCase):
    own_scene = True

    def stop_one(self):
        """A runner whose lease runs out: it has made two calls, and is stopped at the second."""
        self.sim.fault(UNBLACKLIST, nth=2, hold=True, count=1)
        child = self.start("--file", self.list_file(openids(1, 400)), "--timeout", "1", "--concurrency", "1")
        self.sim.wait(UNBLACKLIST, held=1)
        child.send_signal(signal.SIGSTOP)
        until(lambda: self.state_of(child) == "T", "it is stopped")
        return child, self.job_id()

    @staticmethod
    def state_of(child):
        with open("/proc/%d/stat" % child.pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0]

    def test_I7_who_wakes_beyond_its_lease_counts_nothing_twice(self):
        stopped, job_id = self.stop_one()
        other = self.scene.admin("job", "resume", job_id, "--json", "--timeout", "1")
        self.ended(other, 0, "done", requested=400, unblacklisted=400)
        self.sim.release()
        stopped.send_signal(signal.SIGCONT)
        ran = self.scene.finish(stopped)
        job = self.ended(ran, 0, "done", requested=400, unblacklisted=400, pending=0)
        self.assertEqual(job["job"], job_id)
        sent = sent_openids(self.calls())
        self.assertEqual(len(sent), 21, "the one that was held is sent again, and no other")
        self.assertEqual(sorted({one for batch in sent for one in batch}), openids(1, 400))
        self.show(job_id)

    def test_I7_who_wakes_while_another_runs_follows_it(self):
        stopped, job_id = self.stop_one()
        self.sim.fault(UNBLACKLIST, nth=3, hold=True, count=1)
        other = self.scene.start("job", "resume", job_id, "--json", "--timeout", "30", "--concurrency", "1")
        self.sim.wait(UNBLACKLIST, held=2, timeout_ms=60000)
        made = len(self.calls())
        stopped.send_signal(signal.SIGCONT)
        self.sim.release(self.sim.held()[0]["id"])  # the answer that the stopped one waited for
        until(lambda: self.recorded(job_id) == made - 1, "it has recorded what became of its call")
        self.assertEqual(len(self.calls()), made)
        self.sim.release()
        for child in (other, stopped):
            self.ended(self.scene.finish(child), 0, "done", requested=400, unblacklisted=400, job=job_id)
        self.assertEqual(len(self.calls()), 21)

    def recorded(self, job_id):
        return len(database.rows(self.scene.db, "SELECT id FROM audit WHERE job = ?", job_id))


if __name__ == "__main__":
    main()
