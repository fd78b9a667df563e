"""unblacklist --batch: many tenants in one run, one job each."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from scene import Scene, openid  # noqa: E402

UNBLACKLIST = "/cgi-bin/tags/members/batchunblacklist"


class Batches(unittest.TestCase):
    def setUp(self):
        self.scene = Scene().__enter__()
        self.addCleanup(self.scene.__exit__)
        self.sim = self.scene.sim
        self.scene.ready()

    def batch(self, pairs, *more, data=None):
        text = "".join("%s\t%s\n" % pair for pair in pairs)
        if data is not None:
            return self.scene.admin("unblacklist", "--batch", "-", "--json", *more, data=text)
        return self.scene.admin("unblacklist", "--batch", self.scene.path("batch", text), "--json", *more)

    def test_fifty_tenants_at_each_concurrency(self):
        tenants = ["wxbatch%011d" % number for number in range(50)]
        for tenant in tenants:
            self.scene.onboard(tenant, any_openid_valid=True)
        for number, concurrency in enumerate((1, 8)):
            # The lines of the tenants are mixed, and one is there twice.
            pairs = [(tenant, openid(1000 * number + line)) for line in range(23) for tenant in tenants]
            ran = self.batch(pairs + pairs[:1], "--concurrency", concurrency)
            self.assertEqual(ran.code, 0, ran.err)
            jobs = {job["tenant"]: job for job in ran.json["jobs"]}
            self.assertEqual(sorted(jobs), tenants)
            for tenant, job in jobs.items():
                self.assertEqual((job["state"], job["requested"], job["unblacklisted"], job["calls"]),
                                 ("done", 23, 23, 2))
                self.assertEqual(job["duplicates"], 1 if tenant == tenants[0] else 0)
        sent = [call["body"]["openid_list"] for call in self.sim.journal(path=UNBLACKLIST)]
        self.assertEqual(sum(map(len, sent)), 2 * 50 * 23)

    def test_I10_one_whose_answers_do_not_come_keeps_nobody_out(self):
        """The first of the file has the longest list and, after its first call, no answers at all."""
        others = ["wxother%011d" % number for number in range(10)]
        for tenant in ["wxslow", *others]:
            self.scene.onboard(tenant, any_openid_valid=True)
        self.sim.fault(UNBLACKLIST, appid="wxslow", nth=2, count=-1, hold=True)
        pairs = [("wxslow", openid(line)) for line in range(2000)]
        pairs += [(tenant, openid(line)) for tenant in others for line in range(400)]
        text = "".join("%s\t%s\n" % pair for pair in pairs)
        batch = self.scene.start("unblacklist", "--batch", self.scene.path("batch", text), "--json", "--concurrency", 8)
        for tenant in others:
            self.sim.wait(UNBLACKLIST, appid=tenant, count=20)
        self.assertLess(len(self.sim.held()), 8)
        self.sim.clear_faults()
        self.sim.release()
        ran = self.scene.finish(batch)
        self.assertEqual(ran.code, 0, ran.err)
        self.assertEqual({job["tenant"]: job["unblacklisted"] for job in ran.json["jobs"]},
                         {"wxslow": 2000, **{tenant: 400 for tenant in others}})

    def test_a_refused_tenant_has_no_job_and_the_others_go_on(self):
        self.scene.onboard("wxgood", any_openid_valid=True)
        self.scene.onboard("wxplain", any_openid_valid=True, verify_type=-1)
        ran = self.batch([("wxgood", openid(1)), ("wxplain", openid(2)), ("wxplain", openid(3)), ("wxnobody", openid(4))])
        self.assertEqual(ran.code, 4, ran)
        jobs = {job["tenant"]: job for job in ran.json["jobs"]}
        self.assertEqual((jobs["wxgood"]["state"], jobs["wxgood"]["unblacklisted"]), ("done", 1))
        for tenant, count, kind in (("wxplain", 2, "not_certified"), ("wxnobody", 1, "unknown_tenant")):
            job = jobs[tenant]
            self.assertEqual((job["state"], job["requested"], job["pending"]), ("refused", count, count))
            self.assertEqual(job["error"]["kind"], kind)
            self.assertNotIn("job", job)
        self.assertEqual(len(self.scene.must("job", "list", "--json").json["jobs"]), 1)

    def test_the_worst_exit_code_counts(self):
        faults = {"wxnet": dict(http_status=502), "wxquota": dict(errcode=45009), "wxtoken": dict(errcode=40001)}
        for tenant in ("wxbad", *faults):
            self.scene.onboard(tenant, any_openid_valid=True, bad_openids=[openid(9)])
        for tenant, fault in faults.items():
            self.sim.fault(UNBLACKLIST, appid=tenant, count=-1, **fault)
        chosen = []
        for tenant, code in (("wxbad", 3), ("wxplain", 4), ("wxquota", 6), ("wxnet", 7), ("wxtoken", 5)):
            chosen.insert(0, (tenant, openid(9)))
            self.assertEqual(self.batch(chosen, "--max-wait", "0").code, code, tenant)

    def test_a_malformed_line_does_nothing(self):
        self.scene.onboard("wxgood", any_openid_valid=True)
        for line in ("wxgood " + openid(2), "wxgood\t" + openid(2) + "\tmore", "\t" + openid(2), "wx good\t" + openid(2)):
            path = self.scene.path("lines", "wxgood\t%s\n# a comment\n\n%s\n" % (openid(1), line))
            ran = self.scene.admin("unblacklist", "--batch", path, "--json")
            self.assertEqual((ran.code, ran.out), (2, ""), line)
            self.assertIn("4", ran.error["message"], "it names the line")
        self.assertEqual(self.scene.must("job", "list", "--json").json["jobs"], [])
        self.assertEqual(self.sim.journal(path=UNBLACKLIST), [])

    def test_an_empty_file_is_nothing_to_do(self):
        for more in ([], ["--dry-run"]):
            self.assertEqual(self.batch([], *more).json, {"jobs": []})
            ran = self.scene.must("unblacklist", "--batch", self.scene.path("batch", "# none\n"), *more)
            self.assertEqual((ran.out, ran.err), ("the list is empty: nothing to do\n", ""))

    def test_standard_input(self):
        self.scene.onboard("wxgood", any_openid_valid=True)
        ran = self.batch([("wxgood", openid(1))], data=True)
        self.assertEqual((ran.code, ran.json["jobs"][0]["unblacklisted"]), (0, 1), ran)


if __name__ == "__main__":
    unittest.main()
