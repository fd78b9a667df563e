"""Several platforms in one database: which one is meant is named, or nothing is done."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from jobs import UNBLACKLIST, main  # noqa: E402
from scene import Scene, openid  # noqa: E402
from simulator import COMPONENT  # noqa: E402

OTHER, NOBODY = "wxfedcba9876543210", "wxnobody000000000"
A, OWN, CLOUD = "wxa0000000000000a1", "wxown000000000001", "wxcloud0000000001"


class Case(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.sim = self.scene.sim

    def own(self, appid=OWN, **options):
        self.sim.merchant(appid, appsecret="s" * 32, kind="service", verify_type=0, any_openid_valid=True)
        return self.scene.admin("tenant", "add-own", "--appid", appid, "--appsecret-file",
                                self.scene.path("own", "s" * 32), "--json", **options)

    def several(self):
        """Platform COMPONENT with tenant A, and a job of each kind; then another platform beside it."""
        self.scene.ready()
        self.scene.onboard(A, any_openid_valid=True)
        self.job = self.scene.must("unblacklist", A, openid(1), "--json").json["job"]
        self.sim.fault(UNBLACKLIST, errcode=45009, count=-1)
        ran = self.scene.admin("unblacklist", A, openid(2), "--json")
        self.assertEqual(ran.code, 6, ran)
        self.paused = ran.json["job"]
        self.sim.clear_faults()
        self.scene.platform(OTHER)

    def refused(self, kind, *arguments, **options):
        """Exit 2: nothing on standard output, an error and a hint."""
        ran = self.scene.admin(*arguments, "--json", **options)
        self.assertEqual((ran.code, ran.out), (2, ""), (arguments, ran))
        self.assertEqual(ran.error["kind"], kind, (arguments, ran))
        self.assertTrue(ran.error["hint"], ran)
        return ran.error

    def made(self):
        return len(self.sim.journal())


class NoneNamed(Case):
    def test_lists_and_all_are_refused(self):
        self.several()
        made = self.made()
        for arguments in (["job", "list"], ["audit"], ["job", "resume", "--all"], ["token", "refresh", "--due"],
                          ["token", "refresh", "--all"], ["tenant", "list"], ["platform", "show"],
                          ["job", "list", "--tenant", A], ["audit", "--tenant", A]):
            self.assertIn("--component", self.refused("usage", *arguments)["hint"])
        self.assertEqual(self.made(), made)

    def test_a_tenant_of_a_platform_is_refused(self):
        self.several()
        made = self.made()
        batch = self.scene.path("batch", "%s\t%s\n" % (A, openid(3)))
        for arguments in (["token", "refresh", A], ["token", "show", A], ["tenant", "show", A],
                          ["unblacklist", A, openid(3)], ["unblacklist", A, openid(3), "--dry-run"],
                          ["unblacklist", "--batch", batch], ["unblacklist", "--batch", batch, "--dry-run"],
                          ["blacklist", "add", A, openid(3)], ["blacklist", "list", A],
                          ["tenant", "set", A, "--certified", "yes"], ["tenant", "remove", A, "--yes"]):
            self.assertIn("--component", self.refused("usage", *arguments)["hint"])
        self.assertEqual(self.made(), made)
        jobs = self.scene.must("job", "list", "--component", COMPONENT, "--json").json["jobs"]
        self.assertEqual([job["job"] for job in jobs], [self.paused, self.job])

    def test_nothing_is_done_where_one_of_many_is_refused(self):
        self.several()
        self.assertEqual(self.own().code, 0)
        made = self.made()
        self.refused("usage", "token", "refresh", OWN, A)
        self.refused("usage", "unblacklist", "--batch",
                     self.scene.path("batch", "%s\t%s\n%s\t%s\n" % (OWN, openid(3), A, openid(3))))
        self.assertEqual(self.made(), made)
        self.assertEqual(self.scene.must("job", "list", "--tenant", OWN, "--json").json["jobs"], [])

    def test_a_job_is_found_by_its_id(self):
        self.several()
        self.assertEqual(self.scene.must("job", "show", self.job, "--json").json["state"], "done")
        self.assertEqual(self.scene.must("job", "resume", self.job, "--json").json["state"], "done")
        self.assertEqual(self.scene.must("job", "resume", self.paused, "--json").json["unblacklisted"], 1)
        self.assertEqual(self.scene.must("job", "cancel", self.paused, "--json").json["state"], "done")
        self.refused("not_found", "job", "show", "nosuchjob")
        self.refused("not_found", "job", "resume", "nosuchjob")

    def test_accounts_of_ones_own_need_none(self):
        self.several()
        self.assertEqual(self.own().json["authorizer_appid"], OWN)
        self.scene.must("tenant", "add-cloud", "--appid", CLOUD)
        job = self.scene.must("unblacklist", OWN, openid(1), "--json").json
        self.assertEqual(job["unblacklisted"], 1)
        self.assertEqual(self.scene.must("job", "show", job["job"], "--json").json, job)
        self.assertEqual(self.scene.must("job", "resume", job["job"], "--json").json["state"], "done")
        self.assertEqual(self.scene.must("job", "cancel", job["job"], "--json").json["state"], "done")
        self.assertEqual(len(self.scene.must("job", "list", "--tenant", OWN, "--json").json["jobs"]), 1)
        self.assertTrue(self.scene.must("audit", "--tenant", OWN, "--json").json["audit"])
        self.assertTrue(self.scene.must("token", "refresh", OWN, "--json").json["tokens"])
        self.scene.must("unblacklist", "--batch", self.scene.path("batch", "%s\t%s\n" % (OWN, openid(2))))
        for arguments in (["tenant", "show", OWN], ["tenant", "show", CLOUD], ["token", "show", OWN],
                          ["blacklist", "list", OWN], ["tenant", "set", OWN, "--certified", "yes"],
                          ["tenant", "remove", OWN, "--yes"]):
            self.scene.must(*arguments)
        self.assertTrue(self.scene.must("audit", "--tenant", OWN, "--json").json["audit"], "also of one removed")

    def test_adding_an_account_prints_it(self):
        """It is stored, so it is no failure, however many platforms there are."""
        self.several()
        for ran in (self.own(), self.own(),
                    self.scene.admin("tenant", "add-cloud", "--appid", CLOUD, "--json")):
            self.assertEqual(ran.code, 0, ran)
            self.assertIn("calls", ran.json)
        self.assertEqual(self.own(A).json["credential"], "own")


class Named(Case):
    def test_one_that_is_not_there(self):
        self.several()
        self.assertEqual(self.own().code, 0)
        for arguments in (["job", "list"], ["audit"], ["job", "resume", "--all"], ["token", "refresh", "--due"],
                          ["token", "refresh", "--all"], ["tenant", "list"], ["platform", "show"],
                          ["job", "show", self.job], ["job", "resume", self.job], ["job", "cancel", self.job],
                          ["token", "refresh", A], ["tenant", "show", A], ["tenant", "show", OWN],
                          ["unblacklist", A, openid(3)]):
            self.assertIn(NOBODY, self.refused("not_found", *arguments, "--component", NOBODY)["message"])
        self.refused("not_found", "job", "list", env={"WXTP_COMPONENT": NOBODY})
        self.scene.must("platform", "set", "--component-appid", COMPONENT, "--component", NOBODY)

    def test_a_job_of_another(self):
        self.several()
        for command in ("show", "resume", "cancel"):
            error = self.refused("not_found", "job", command, self.paused, "--component", OTHER)
            self.assertIn(COMPONENT, error["message"] + error["hint"])
            self.refused("not_found", "job", command, "nosuchjob", "--component", OTHER)
        self.assertEqual(self.scene.must("job", "list", "--component", OTHER, "--json").json["jobs"], [])
        shown = self.scene.must("job", "show", self.paused, "--component", COMPONENT, "--json").json
        self.assertEqual(shown["state"], "paused")


class NoPlatform(Case):
    def test_accounts_of_ones_own_work(self):
        self.assertEqual(self.own().code, 0)
        job = self.scene.must("unblacklist", OWN, openid(1), "--json").json
        self.assertEqual(self.scene.must("job", "list", "--json").json["jobs"], [job])
        self.assertEqual(self.scene.must("job", "show", job["job"], "--json").json, job)
        self.assertTrue(self.scene.must("audit", "--json").json["audit"])
        self.assertEqual(len(self.scene.must("tenant", "list", "--json").json["tenants"]), 1)
        self.assertTrue(self.scene.must("token", "refresh", "--all", "--json").json["tokens"])
        self.scene.must("token", "refresh", "--due")
        self.scene.must("job", "resume", "--all")


if __name__ == "__main__":
    main()
