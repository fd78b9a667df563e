"""unblacklist --plan: what a run would take, told before it is begun."""
import calendar
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from jobs import JobCase, REFRESH, UNBLACKLIST, lines, main, openids  # noqa: E402
from scene import openid  # noqa: E402

QUOTA = "/cgi-bin/openapi/quota/get"
KEYS = ["plan", "call", "fits", "requested", "pending", "calls", "refused", "not_fitting", "tokens_due", "pace", "call_ms",
        "minutes", "begins_at", "finishes_at", "before_midnight", "tenants"]
DAY_S = 86400


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def until_midnight():
    """In Beijing."""
    return DAY_S - (int(time.time()) + 8 * 3600) % DAY_S


class Plan(JobCase):
    own_scene = True  # what a call takes is measured over the whole database

    def plan(self, *arguments, code=0):
        """The document; it leaves no job and makes no business call."""
        before = len(self.sim.journal(path=UNBLACKLIST))
        ran = self.scene.admin("unblacklist", *arguments, "--plan", "--json")
        self.assertEqual(ran.code, code, ran)
        self.assertEqual(list(ran.json), KEYS)
        self.assertEqual(len(self.sim.journal(path=UNBLACKLIST)), before)
        self.assertEqual(self.scene.must("job", "list", "--json").json["jobs"], [])
        if code:
            self.assertTrue(ran.error["hint"], ran)
            self.error = ran.error
        return ran.json

    def batch(self, *pairs):
        return self.scene.path("batch", lines(*("%s\t%s" % pair for pair in pairs)))

    def test_counts_calls_and_quota(self):
        self.sim.merchant(self.appid, daily_quota=1000)
        plan = self.plan(self.appid, "--file", self.list_file(openids(1, 45), openid(3), "no openid!"))
        self.assertEqual((plan["fits"], plan["requested"], plan["pending"], plan["calls"], plan["refused"]),
                         (True, 46, 45, 3, 0))
        self.assertEqual(plan["tenants"], [{"tenant": self.appid, "allowed": True, "requested": 46, "duplicates": 1,
                                            "invalid": 1, "pending": 45, "calls": 3, "quota": 1000, "quota_left": 1000,
                                            "fits": True}])
        self.assertEqual((plan["pace"], plan["call_ms"]), ("assumed", 200))
        asked = self.sim.journal(path=QUOTA, appid=self.appid)
        self.assertEqual([call["body"] for call in asked], [{"cgi_path": UNBLACKLIST}])

    def test_a_quota_that_does_not_suffice(self):
        """Symptom: 45009 reach max api daily quota limit, in the middle of the night's run."""
        self.sim.merchant(self.appid, daily_quota=2)
        plan = self.plan(self.appid, "--file", self.list_file(openids(1, 45)), code=6)
        self.assertEqual((plan["fits"], plan["not_fitting"], plan["tenants"][0]["fits"]), (False, 1, False))
        self.assertEqual((self.error["kind"], self.error["tenant"]), ("quota", self.appid))
        self.assertIn("3 calls", self.error["message"])

    def test_offline_leaves_the_quota_out(self):
        self.sim.merchant(self.appid, daily_quota=2)
        before = len(self.sim.journal())
        plan = self.plan(self.appid, "--file", self.list_file(openids(1, 45)), "--offline")
        self.assertEqual((plan["tenants"][0]["quota"], plan["tenants"][0]["quota_left"]), (None, None))
        self.assertEqual(len(self.sim.journal()), before)

    def test_the_rate_tells_the_time_of_finish(self):
        plan = self.plan(self.appid, "--file", self.list_file(openids(1, 2400)), "--rate", "1", "--offline")
        self.assertEqual((plan["calls"], plan["pace"], plan["minutes"]), (120, "rate", 2))
        self.assertIn(seconds(plan["finishes_at"]) - seconds(plan["begins_at"]), (119, 120, 121))
        self.assertEqual(plan["before_midnight"], until_midnight() > 120)

    def test_how_long_a_call_takes_is_measured(self):
        self.sim.settings(latency_ms=50)
        self.scene.must("unblacklist", self.appid, openid(1), openid(2), "--json")
        ran = self.scene.must("unblacklist", self.appid, "--file", self.list_file(openids(1, 100)), "--plan", "--json")
        self.assertEqual(ran.json["pace"], "measured")
        self.assertGreaterEqual(ran.json["call_ms"], 50)
        self.assertLess(ran.json["call_ms"], 150)

    def test_tokens_that_will_be_due_are_counted(self):
        users = self.list_file(openids(1, 20 * 7000))
        self.assertEqual(self.plan(self.appid, openid(1), "--offline")["tokens_due"], 0)
        self.assertEqual(self.plan(self.appid, "--file", users, "--rate", "1", "--offline")["tokens_due"], 1)
        refreshes = len(self.sim.journal(path=REFRESH))
        self.assertEqual(self.plan(self.appid, "--file", users, "--rate", "1", "--concurrency", "1",
                                   "--offline")["tokens_due"], 1)
        self.assertEqual(len(self.sim.journal(path=REFRESH)), refreshes)

    def test_refused_merchants_are_named(self):
        refused = self.merchant(verify_type=-1)
        plan = self.plan("--batch", self.batch((self.appid, openid(1)), (refused, openid(1)), (refused, openid(2)),
                                               ("wxnobody", openid(1))), code=4)
        self.assertEqual((plan["fits"], plan["refused"], plan["calls"], plan["requested"]), (False, 2, 1, 4))
        by_name = {one["tenant"]: one for one in plan["tenants"]}
        self.assertEqual(by_name[refused]["reason"], "not_certified")
        self.assertTrue(by_name[refused]["hint"])
        self.assertEqual(by_name["wxnobody"]["reason"], "unknown_tenant")
        self.assertTrue(by_name[self.appid]["fits"])
        self.assertIn(self.error["kind"], ("not_certified", "unknown_tenant"))
        self.assertEqual(self.sim.journal(path=QUOTA, appid=refused), [])

    def test_a_quota_that_does_not_suffice_counts_for_more_than_a_refusal(self):
        self.sim.merchant(self.appid, daily_quota=0)
        refused = self.merchant(verify_type=-1)
        self.plan("--batch", self.batch((refused, openid(1)), (self.appid, openid(1))), code=6)
        self.assertEqual(self.error["tenant"], self.appid)

    def test_what_only_wechat_knows_is_a_refusal_too(self):
        self.sim.merchant(self.appid, authorized=False)  # no push told so
        self.sim.time(8000)
        plan = self.plan(self.appid, openid(1), code=4)
        self.assertEqual((plan["refused"], plan["tenants"][0]["reason"]), (1, self.error["kind"]))
        self.assertIn(self.error["kind"], ("unauthorized", "reauthorization_required"))

    def test_a_quota_that_is_remembered_as_used_up(self):
        self.sim.merchant(self.appid, daily_quota=1)
        self.scene.admin("unblacklist", self.appid, "--file", self.list_file(openids(1, 60)), "--concurrency", "1")
        self.scene.must("job", "cancel", self.job_id())
        ran = self.scene.admin("unblacklist", self.appid, openid(1), "--plan", "--offline", "--json")
        self.assertEqual((ran.code, ran.error["kind"], ran.json["tenants"][0]["quota_left"]), (6, "quota", 0), ran)
        self.sim.merchant(self.appid, daily_quota=100)  # somebody had it raised
        ran = self.scene.admin("unblacklist", self.appid, openid(1), "--plan", "--json")
        self.assertEqual((ran.code, ran.json["fits"]), (0, True), ran)

    def test_no_network_is_said_so(self):
        self.sim.fault(QUOTA, http_status=503)
        ran = self.scene.admin("unblacklist", self.appid, openid(1), "--plan", "--json", "--max-wait", "0")
        self.refused(ran, 7, "unavailable")

    def test_text(self):
        self.sim.merchant(self.appid, daily_quota=1000)
        out = self.scene.must("unblacklist", self.appid, "--file", self.list_file(openids(1, 45)), "--plan", "--rate", "5").out
        for line in (r"fits: +yes", r"calls: +3", r"pace: +5 calls a second and tenant", r"minutes: +1",
                     r"quota left: +1000 of 1000 calls"):
            self.assertRegex(out, line)
        refused = self.merchant(verify_type=-1)
        ran = self.scene.admin("unblacklist", "--batch", self.batch((self.appid, openid(1)), (refused, openid(1))), "--plan")
        self.assertEqual(ran.code, 4, ran)
        self.assertRegex(ran.out, r"%s +1 +1 +1000 +yes" % self.appid)
        self.assertRegex(ran.out, r"%s +1 +1 +- +not_certified" % refused)
        self.assertRegex(ran.err, r"error: .*\nhint: ")

    def test_wrong_inputs(self):
        for arguments in (["--plan"], [self.appid, "--plan"], [self.appid, openid(1), "--offline"],
                          [self.appid, openid(1), "--plan", "--dry-run"],
                          [self.appid, openid(1), "--plan", "--rejects", "r"],
                          [self.appid, openid(1), "--paln"], ["--batch", "/nowhere", "--plan"],
                          [self.appid, "--file", "/nowhere", "--plan"]):
            ran = self.scene.admin("unblacklist", *arguments, "--json")
            self.assertEqual((ran.code, ran.out), (2, ""), (arguments, ran))
        self.assertEqual(self.plan(self.appid, "--file", self.list_file())["calls"], 0)


if __name__ == "__main__":
    main()
