"""Taking a job back: who was on the blacklist before it, who is now, and putting those back that it took off."""
import json
import os
import signal
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from jobs import BLACKLIST, UNBLACKLIST, JobCase, lines, main, openids, taken_signal  # noqa: E402
from scene import openid  # noqa: E402

GET = "/cgi-bin/tags/members/getblacklist"


class UndoCase(JobCase):
    def blacklist(self, appid=None):
        """As the simulator holds it."""
        return self.sim.merchant(appid or self.appid)["blacklist"]

    def job_of(self, *arguments, code=0, state="done", **members):
        return self.ended(self.unblacklist(*arguments, "--snapshot"), code, state, **members)["job"]

    def diff(self, job_id):
        return self.scene.must("job", "diff", job_id, "--json").json

    def undo(self, job_id, *arguments, **options):
        return self.scene.admin("job", "undo", job_id, "--yes", "--json", *arguments, **options)


class Undo(UndoCase):
    def test_undo_restores_the_blacklist_to_the_byte_after_a_job_with_bad_openids(self):
        before = openids(1, 45)
        self.sim.merchant(self.appid, bad_openids=openids(901, 903), blacklist=before)
        asked = lines(openids(1, 10), openid(901), openids(11, 30), "no openid!", openids(902, 903), openids(31, 45),
                      openids(500, 520), openid(3))
        job = self.job_of("--file", self.scene.path("list", asked), code=3, duplicates=1)
        self.assertEqual(self.blacklist(), [])
        diff = self.diff(job)
        self.assertEqual((diff["before"], diff["removed"], diff["added"], diff["now"]), (45, 45, 0, 0))
        back = self.ended(self.undo(job, "--concurrency", "1"), 0, "done", done="blacklisted", requested=45,
                          blacklisted=45, call="batchBlacklist", calls=3)
        self.assertEqual(json.dumps(self.blacklist()), json.dumps(before))
        self.assertNotEqual(back["job"], job)
        sent = [call["body"]["openid_list"] for call in self.calls(path=BLACKLIST)]
        self.assertEqual(sent, [before[:20], before[20:40], before[40:]])

    def test_one_that_could_not_be_taken_off_is_not_put_on(self):
        bad = [openid(7), openid(33)]  # on the blacklist, and refused
        self.sim.merchant(self.appid, bad_openids=bad, blacklist=openids(1, 60))
        job = self.job_of("--file", self.list_file(openids(1, 45), openid(901)), code=3)
        self.assertEqual(sorted(self.blacklist()), bad + openids(46, 60))
        self.ended(self.undo(job), 0, "done", done="blacklisted", requested=43, blacklisted=43)
        self.assertEqual(sorted(self.blacklist()), openids(1, 60))

    def test_only_those_that_were_on_it_are_put_back(self):
        self.sim.merchant(self.appid, blacklist=openids(3, 5) + openids(100, 102))
        job = self.job_of("--file", self.list_file(openids(1, 10)))
        self.assertEqual(self.blacklist(), openids(100, 102))
        self.ended(self.undo(job), 0, "done", done="blacklisted", requested=3)
        self.assertEqual(sorted(self.blacklist()), openids(3, 5) + openids(100, 102))

    def test_diff_tells_who_was_on_it_and_who_is(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 3))
        job = self.job_of("--file", self.list_file(openids(1, 6)))
        self.sim.merchant(self.appid, blacklist=[openid(2), openid(5), openid(77)])
        diff = self.diff(job)
        self.assertEqual(list(diff), ["tenant", "job", "call", "snapshot_at", "undone_by", "requested", "before", "now",
                                      "removed", "added", "openids"])
        self.assertRegex(diff["snapshot_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertIsNone(diff["undone_by"])
        self.assertEqual((diff["requested"], diff["before"], diff["now"], diff["removed"], diff["added"]), (6, 3, 2, 2, 1))
        self.assertEqual(diff["openids"], [{"openid": openid(1), "before": True, "now": False},
                                           {"openid": openid(2), "before": True, "now": True},
                                           {"openid": openid(3), "before": True, "now": False},
                                           {"openid": openid(5), "before": False, "now": True}])
        self.assertEqual(self.scene.must("job", "diff", job, "--json=lines").lines, diff["openids"])
        shown = self.scene.must("job", "diff", job).out
        for line in ("- " + openid(1), "  " + openid(2), "+ " + openid(5)):
            self.assertIn(line + "\n", shown)
        self.assertRegex(shown, r"removed \(-\):? +2\n")

    def test_without_a_snapshot_diff_knows_only_now_and_undo_refuses(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 3))
        job = self.ended(self.unblacklist("--file", self.list_file(openids(1, 6))), 0, "done")["job"]
        self.sim.merchant(self.appid, blacklist=[openid(2)])
        diff = self.diff(job)
        self.assertEqual((diff["snapshot_at"], diff["before"], diff["removed"], diff["added"], diff["now"]),
                         (None, None, None, None, 1))
        self.assertEqual(diff["openids"], [{"openid": openid(2), "before": None, "now": True}])
        self.assertIn("not known", self.scene.must("job", "diff", job).out)
        for arguments in ([], ["--dry-run"]):
            error = self.refused(self.undo(job, *arguments), 2, "usage")
            self.assertIn("no snapshot", error["message"])
            self.assertIn("--snapshot", error["hint"])
            self.assertEqual(error["tenant"], self.appid)
        self.assertEqual(self.calls(path=BLACKLIST), [])

    def test_dry_run_counts_and_does_nothing(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 45))
        job = self.job_of("--file", self.list_file(openids(1, 50)))
        document = self.scene.must("job", "undo", job, "--dry-run", "--json").json
        self.assertEqual((document["call"], document["dry_run"], document["allowed"], document["pending"], document["calls"]),
                         ("batchBlacklist", True, True, 45, 3))
        self.assertEqual(self.calls(path=BLACKLIST), [])
        self.assertEqual(len(self.scene.must("job", "list", "--tenant", self.appid, "--json").json["jobs"]), 1)
        self.assertIn("calls needed", self.scene.must("job", "undo", job, "--dry-run").out)

    def test_the_gate_is_asked_before_anything_is_put_back(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 3))
        job = self.job_of("--file", self.list_file(openids(1, 6)))
        self.assertEqual(self.scene.push(self.sim.unauthorize(self.appid, deliver=False)["push"]).code, 0)
        calls = len(self.sim.journal())
        self.refused(self.undo(job), 4, "unauthorized")
        self.refused(self.scene.admin("job", "diff", job, "--json"), 4, "unauthorized")
        dry = self.undo(job, "--dry-run")
        self.assertEqual((dry.code, dry.json["allowed"], dry.json["reason"]), (4, False, "unauthorized"), dry)
        self.assertEqual(len(self.sim.journal()), calls)

    def test_an_account_of_ones_own_is_undone_likewise(self):
        self.appid = "wxown00000000000001"
        self.sim.merchant(self.appid, appsecret="s" * 32, any_openid_valid=True, blacklist=openids(1, 3))
        self.scene.must("tenant", "add-own", "--appid", self.appid, "--appsecret-file", self.scene.path("own", "s" * 32))
        job = self.job_of(openid(1), openid(2), openid(4))
        self.assertEqual(self.blacklist(), [openid(3)])
        self.ended(self.undo(job), 0, "done", done="blacklisted", requested=2)
        self.assertEqual(sorted(self.blacklist()), openids(1, 3))

    def test_what_was_not_on_it_needs_no_undoing(self):
        job = self.job_of("--file", self.list_file(openids(1, 6)))
        ran = self.undo(job)
        self.assertEqual((ran.code, ran.json["requested"], ran.json["call"]), (0, 0, "batchBlacklist"), ran)
        self.assertNotIn("job", ran.json)
        self.assertEqual(self.calls(path=BLACKLIST), [])

    def test_wrong_inputs(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 3))
        job = self.job_of("--file", self.list_file(openids(1, 6)))
        for command in (["diff"], ["undo", "--yes"]):
            error = self.refused(self.scene.admin("job", *command, "j0000nobody", "--json"), 2, "not_found")
            self.assertEqual(error["message"], "there is no job j0000nobody")
            self.assertEqual(self.scene.admin("job", *command).code, 2)
        ran = self.scene.admin("job", "undo", job)
        self.assertEqual(ran.code, 2, ran)
        self.assertIn("--yes", ran.err)
        ran = self.scene.admin("job", "undo", job, "--yse")
        self.assertEqual(ran.code, 2, ran)
        self.assertIn("--yes", ran.err)
        added = self.scene.must("blacklist", "add", self.appid, openid(9), "--json").json["job"]
        self.assertIn("cannot be undone", self.refused(self.undo(added), 2, "usage")["message"])
        self.assertEqual(self.diff(added)["now"], 1)
        self.assertEqual(self.scene.admin("blacklist", "add", self.appid, openid(9), "--snapshot").code, 2)

    def test_undo_waits_for_the_job_to_be_over(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 60))
        self.sim.fault(UNBLACKLIST, appid=self.appid, errcode=45009, nth=2)
        job = self.paused(self.unblacklist("--file", self.list_file(openids(1, 60)), "--snapshot", "--concurrency", "1"),
                          6, "quota")["job"]
        self.sim.clear_faults()
        error = self.refused(self.undo(job), 2, "usage")
        self.assertIn("not over", error["message"])
        self.assertIn("job cancel " + job, error["hint"])
        self.scene.must("job", "cancel", job)
        self.ended(self.undo(job), 0, "done", done="blacklisted")
        self.assertEqual(sorted(self.blacklist()), openids(1, 60))

    def test_undo_is_recorded_with_both_ids_and_done_once(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 3))
        job = self.job_of("--file", self.list_file(openids(1, 6)))
        undo = self.ended(self.undo(job), 0, "done", done="blacklisted")["job"]
        rows = [row for row in self.scene.must("audit", "--tenant", self.appid, "--json").json["audit"]
                if row["call"] == "job.undo"]
        self.assertEqual([(row["job"], row["openids"]) for row in rows], [(undo, 3)])
        self.assertIn(job, rows[0]["errmsg"])
        self.assertEqual(self.diff(job)["undone_by"], undo)
        again = self.ended(self.undo(job), 0, "done", done="blacklisted")
        self.assertEqual(again["job"], undo)
        self.assertEqual(len(self.calls(path=BLACKLIST)), 1)

    def test_the_snapshot_is_read_by_pages_and_before_the_first_call(self):
        self.sim.settings(getblacklist_page=7)
        self.addCleanup(self.sim.settings, getblacklist_page=1000)
        self.sim.merchant(self.appid, blacklist=openids(1, 50))
        self.job_of("--file", self.list_file(openids(10, 30)))
        calls = [call["path"] for call in self.sim.journal(appid=self.appid) if call["path"] in (GET, UNBLACKLIST)]
        self.assertGreaterEqual(calls.count(GET), 8)
        self.assertEqual(calls, [GET] * calls.count(GET) + [UNBLACKLIST] * 2)
        rows = [row for row in self.scene.must("audit", "--tenant", self.appid, "--json").json["audit"]
                if row["call"] == "getBlacklist"]
        self.assertEqual({row["job"] for row in rows}, {self.job_id()})

    def test_a_blacklist_that_cannot_be_read_leaves_no_job(self):
        self.sim.fault(GET, appid=self.appid, errcode=45009)
        self.refused(self.unblacklist("--file", self.list_file(openids(1, 6)), "--snapshot"), 6, "quota")
        self.assertEqual(self.scene.must("job", "list", "--tenant", self.appid, "--json").json["jobs"], [])
        self.assertEqual(self.calls(), [])

    def test_a_batch_takes_a_snapshot_a_tenant(self):
        other = self.merchant(any_openid_valid=True, blacklist=openids(1, 9))
        self.sim.merchant(self.appid, blacklist=openids(1, 9))
        batch = self.scene.path("batch", lines(*("%s\t%s" % (appid, openid(number)) for appid in (self.appid, other)
                                                 for number in range(1, 6))))
        jobs = self.scene.must("unblacklist", "--batch", batch, "--snapshot", "--json").json["jobs"]
        self.ended(self.undo(next(job["job"] for job in jobs if job["tenant"] == other)), 0, "done", done="blacklisted")
        self.assertEqual(sorted(self.blacklist(other)), openids(1, 9))
        self.assertEqual(self.blacklist(), openids(6, 9))

    def test_I9_the_marks_of_a_snapshot_are_sealed(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 3))
        job = self.job_of("--file", self.list_file(openids(1, 6)))

        def stored(sql):
            with sqlite3.connect("file:%s?mode=ro" % self.scene.db, uri=True) as db:
                return db.execute(sql, (job,)).fetchall()

        parts = stored("SELECT marks FROM snapshot_parts WHERE job=(SELECT n FROM jobs WHERE id=?)")
        self.assertEqual(len(parts), 1)
        self.assertNotRegex(parts[0][0], rb"[+.]{12}")
        self.assertEqual(stored("SELECT count(*) FROM snapshots WHERE job=(SELECT n FROM jobs WHERE id=?)"), [(1,)])

    def test_I7_an_undo_that_is_killed_goes_on_where_it_stopped(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 400))
        job = self.job_of("--file", self.list_file(openids(1, 400)))
        self.assertEqual(self.blacklist(), [])
        self.sim.fault(BLACKLIST, appid=self.appid, nth=6, hold=True, apply="yes")
        child = self.scene.start("job", "undo", job, "--yes", "--json", "--concurrency", "2")
        self.sim.wait(held=1)
        child.kill()
        child.wait(timeout=20)
        self.sim.clear_faults()
        self.sim.release()
        again = self.ended(self.undo(job), 0, "done", done="blacklisted", requested=400, blacklisted=400)
        self.assertEqual(sorted(self.blacklist()), openids(1, 400))
        self.assertEqual(self.diff(job)["undone_by"], again["job"])
        self.assertLessEqual(len(self.calls(path=BLACKLIST)), 20 + 2)

    def test_bad_openids_of_the_undo_are_searched_and_accounted(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 40))
        job = self.job_of("--file", self.list_file(openids(1, 40)))
        self.sim.merchant(self.appid, bad_openids=[openid(13)])  # has left since
        back = self.ended(self.undo(job), 3, "done", done="blacklisted", blacklisted=39, invalid=[openid(13)])
        self.assertLessEqual(back["calls"], 1 + 8)

    def test_SIGINT_stops_the_reading_of_the_blacklist(self):
        self.sim.merchant(self.appid, blacklist=openids(1, 40))
        self.sim.fault(GET, appid=self.appid, hold=True)
        child = self.start("--file", self.list_file(openids(1, 40)), "--snapshot")
        self.sim.wait(held=1)
        taken_signal(child, signal.SIGINT)
        self.sim.release()
        ran = self.scene.finish(child)
        self.assertEqual((ran.code, ran.out), (130, ""), ran)
        self.assertEqual(self.calls(), [])
        self.assertEqual(self.scene.must("job", "list", "--tenant", self.appid, "--json").json["jobs"], [])


if __name__ == "__main__":
    main()
