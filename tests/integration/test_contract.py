"""What the contract promises and only a whole run shows: who is meant, what is recorded, what a full disk does."""
import os
import resource
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from scene import Scene, openid  # noqa: E402
from simulator import COMPONENT, SECRET  # noqa: E402

MERCHANT = "wxa0000000000000a1"


class Contract(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.scene.ready()
        self.scene.onboard(MERCHANT, any_openid_valid=True)

    def test_an_own_account_beside_a_tenant_of_the_platform(self):
        ran = self.scene.must("tenant", "add-own", "--appid", MERCHANT, "--appsecret-file", "-", "--json", data=SECRET)
        self.assertEqual(ran.json["credential"], "own")
        ran = self.scene.admin("tenant", "show", MERCHANT, "--json")
        self.assertEqual((ran.code, ran.error["kind"]), (2, "usage"), "it does not say which is meant")
        ran = self.scene.must("tenant", "show", MERCHANT, "--component", COMPONENT, "--json")
        self.assertEqual(ran.json["credential"], "authorizer")
        self.scene.must("tenant", "remove", MERCHANT, "--component", COMPONENT, "--yes")
        self.assertEqual(self.scene.must("tenant", "show", MERCHANT, "--json").json["credential"], "own")

    def test_the_audit_has_each_call_about_a_tenant(self):
        self.scene.must("token", "refresh", MERCHANT)
        self.scene.must("tenant", "sync", MERCHANT)
        rows = self.scene.must("audit", "--tenant", MERCHANT, "--json").json["audit"]
        self.assertEqual([row["call"] for row in rows], ["api_query_auth", "api_get_authorizer_info",
                                                         "api_authorizer_token", "api_get_authorizer_info"])
        self.assertEqual({row["errcode"] for row in rows}, {0})

    def test_I8_the_exchange_of_a_push_ends_in_time_for_the_answer(self):
        self.sim = self.scene.sim
        self.sim.merchant("wxb0000000000000b2", permission_sets=[2])
        push = self.sim.authorize("wxb0000000000000b2", deliver=False)["push"]
        self.sim.fault("/cgi-bin/component/api_query_auth", delay_ms=20000)
        ran = self.scene.push(push, "--timeout", "60")
        self.assertEqual((ran.code, ran.json["exchange"], ran.json["reply"]), (0, "pending", "success"), ran)

    def test_a_file_at_its_size_limit_is_an_error(self):
        many = self.scene.path("many", "".join(openid(number) + "\n" for number in range(40000)))
        limit = (400 * 1024, 400 * 1024)
        ran = self.scene.admin("unblacklist", MERCHANT, "--file", many, "--json",
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
        self.assertEqual((ran.code, ran.out), (1, ""), ran)
        self.assertEqual(ran.error["kind"], "store", ran)
        self.scene.must("db", "check")


if __name__ == "__main__":
    unittest.main()
