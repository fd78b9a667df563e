"""Tenants end to end: pushes, codes, the gate and sync, against the simulator (I5, I6, I8)."""
import os
import signal
import unittest

from jobs import taken_signal
from scene import Scene, openid
from simulator import COMPONENT

A, B, C = "wxa0000000000000a1", "wxa0000000000000b2", "wxa0000000000000c3"
FORGERIES = ("signature", "token", "unsigned", "appid", "padding", "pad_zero", "pad_over", "length", "negative",
             "block", "flip", "key", "base64", "empty", "envelope", "doctype")
QUERY_AUTH = "/cgi-bin/component/api_query_auth"
INFO = "/cgi-bin/component/api_get_authorizer_info"


class Tenants(unittest.TestCase):
    def show(self, scene, appid):
        return scene.must("tenant", "show", appid, "--json").json

    def test_I8_forged_pushes_change_nothing(self):
        with Scene() as scene:
            scene.ready()
            scene.onboard(A)
            xml = ("<xml><AppId>%s</AppId><CreateTime>4102444800</CreateTime><InfoType>unauthorized</InfoType>"
                   "<AuthorizerAppid>%s</AuthorizerAppid></xml>" % (COMPONENT, A))
            for forge in FORGERIES:
                with self.subTest(forge):
                    ran = scene.push(scene.sim.push(xml, forge=forge, deliver=False)["push"])
                    self.assertEqual(ran.code, 5, ran)
                    self.assertEqual(ran.error["kind"], "signature")
                    self.assertEqual(ran.out, "")
            self.assertEqual(self.show(scene, A)["status"], "authorized")
            self.assertEqual(scene.push(scene.sim.push(xml, deliver=False)["push"]).json["applied"], True)
            self.assertEqual(self.show(scene, A)["status"], "unauthorized")

    def test_I8_a_replay_and_older_news_count_no_more(self):
        with Scene() as scene:
            scene.ready()
            scene.sim.merchant(A, permission_sets=[2])
            first = scene.sim.authorize(A, deliver=False)["push"]
            self.assertTrue(scene.push(first).json["applied"])
            again = scene.push(first)
            self.assertEqual((again.code, again.json["applied"]), (0, False))
            self.assertIn("why", again.json)
            scene.sim.time(10)
            gone = scene.sim.unauthorize(A, deliver=False)["push"]
            scene.sim.time(10)
            back = scene.sim.authorize(A, deliver=False)["push"]
            self.assertTrue(scene.push(back).json["applied"])
            late = scene.push(gone)
            self.assertEqual((late.code, late.json["applied"]), (0, False))
            self.assertEqual(self.show(scene, A)["status"], "authorized")
            self.assertTrue(self.show(scene, A)["calls"]["batchUnblacklist"]["allowed"])

    def test_a_signal_after_the_exchange_leaves_the_profile_unread(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(code=code), Scene() as scene:
                scene.ready()
                scene.sim.merchant(A, permission_sets=[2])
                authorized = scene.sim.authorize(A, deliver=False)
                scene.sim.fault(QUERY_AUTH, hold=True, count=1)
                child = scene.start("tenant", "add", "--auth-code", authorized["authorization_code"], "--json")
                scene.sim.wait(QUERY_AUTH, held=1)
                taken_signal(child, number)
                scene.sim.release()
                ran = scene.finish(child)
                self.assertEqual((ran.code, ran.error["kind"]), (code, "interrupted"), ran)
                self.assertEqual((ran.json["authorizer_appid"], ran.json["account"]), (A, "unknown"), ran)
                self.assertIn("tenant sync " + A, ran.error["hint"])
                self.assertEqual(ran.error["tenant"], A)
                scene.must("tenant", "sync", A)
                self.assertTrue(self.show(scene, A)["calls"]["batchUnblacklist"]["allowed"])

    def test_a_sync_that_is_stopped_has_no_job_to_resume(self):
        with Scene() as scene:
            scene.ready()
            scene.onboard(A)
            scene.onboard(B)
            scene.sim.fault(INFO, hold=True, count=1)
            child = scene.start("tenant", "sync", A, B, "--json", "--concurrency", "1")
            scene.sim.wait(INFO, held=1)
            taken_signal(child, signal.SIGINT)
            scene.sim.release()
            ran = scene.finish(child)
            self.assertEqual((ran.code, ran.error["kind"]), (130, "interrupted"), ran)
            self.assertNotIn("job", ran.error["hint"], ran)
            self.assertTrue(ran.error["hint"])

    def test_I5_an_exchange_whose_answer_is_lost_is_recovered(self):
        with Scene() as scene:
            scene.ready()
            scene.sim.fault(QUERY_AUTH, cut="after", count=1)
            scene.onboard(A)
            self.assertEqual(self.show(scene, A)["status"], "authorized")
            self.assertEqual(scene.must("token", "refresh", A, "--json").json["tokens"][0]["refreshed"], True)

    def test_I5_an_operators_code_whose_answer_is_lost_is_found_by_the_list(self):
        with Scene() as scene:
            scene.ready()
            scene.onboard(B)
            scene.sim.merchant(A, permission_sets=[2])
            code = scene.sim.authorize(A, deliver=False)["authorization_code"]
            scene.sim.fault(QUERY_AUTH, cut="after", count=1)
            added = scene.must("tenant", "add", "--auth-code", code, "--json").json
            self.assertEqual(added["authorizer_appid"], A)
            self.assertEqual(scene.must("tenant", "add", "--auth-code", code, "--json").json["authorizer_appid"], A)

    def test_a_bad_code_is_named_bad(self):
        with Scene() as scene:
            scene.ready()
            ran = scene.admin("tenant", "add", "--auth-code", "queryauthcode@@@nonsense", "--json")
            self.assertEqual((ran.code, ran.error["kind"]), (5, "credentials"), ran)

    def test_the_release_test_passes(self):
        with Scene() as scene:
            scene.ready()
            cases = scene.sim.order("release-test", {})["cases"]
            self.assertEqual(len(cases), 6)
            answers = []
            for case in cases:
                ran = scene.push(case["push"])
                self.assertEqual(ran.code, 0, ran)
                answers.append({"name": case["name"], "body": ran.json["reply"]})
            judged = scene.sim.order("release-test", {"answers": answers})
            self.assertTrue(all(case.get("passed", case.get("ok")) for case in judged["cases"])
                            if "cases" in judged else judged.get("passed"), judged)

    def test_I6_no_blind_call_whatever_the_merchant(self):
        merchants = [
            ({"kind": "service"}, None),
            ({"kind": "subscription", "verify_type": 3}, None),
            ({"kind": "subscription", "verify_type": 1}, "not_certified"),
            ({"verify_type": -1}, "not_certified"),
            ({"permission_sets": [1, 15]}, "permission_set_missing"),
            ({"permission_sets": [100]}, None),
            ({"permission_sets": [1], "verify_type": -1}, "permission_set_missing"),
            ({"kind": "mini_program", "permission_sets": [17]}, "wrong_account_type"),
            ({"kind": "channels"}, "wrong_account_type"),
            ({"account_status": 16}, "account_not_active"),
            ({"account_status": 18}, None),
            ({"account_status": 14, "verify_type": -1}, "account_not_active"),
        ]
        with Scene() as scene:
            scene.ready()
            for number, (merchant, reason) in enumerate(merchants):
                appid = "wx%016d" % number
                with self.subTest(merchant):
                    scene.onboard(appid, any_openid_valid=True, **merchant)
                    said = self.show(scene, appid)["calls"]["batchUnblacklist"]
                    self.assertEqual(said.get("reason"), reason)
                    ran = scene.admin("unblacklist", appid, openid(number), "--json", "--quiet")
                    self.assertEqual(ran.code, 4 if reason else 0, ran)
                    calls = scene.business_calls(appid=appid)
                    self.assertEqual(len(calls), 0 if reason else 1)
                    self.assertTrue(all(call["errcode"] == 0 for call in calls), calls)
                    if reason:
                        self.assertEqual(ran.error["kind"], reason)

    def test_I5_an_emptied_database_is_filled_again(self):
        for settings in ({}, {"list_has_refresh_tokens": False}, {"info_has_refresh_tokens": False},
                         {"list_page_max": 1}):
            with self.subTest(settings), Scene() as scene:
                scene.ready()
                for appid in (A, B, C):
                    scene.onboard(appid, any_openid_valid=True)
                for name in os.listdir(scene.folder):
                    if name.startswith("wxtp.db"):
                        os.unlink(os.path.join(scene.folder, name))
                scene.sim.settings(**settings)
                scene.ready()
                synced = scene.must("tenant", "sync", "--all", "--json").json
                self.assertEqual((synced["synced"], synced["added"], synced["failed"]), (3, 3, []), synced)
                for appid in (A, B, C):
                    ran = scene.must("unblacklist", appid, openid(1), "--json", "--quiet")
                    self.assertEqual(ran.json["unblacklisted"], 1)

    def test_a_removed_tenant_comes_back_by_a_new_authorization_alone(self):
        with Scene() as scene:
            scene.ready()
            scene.onboard(A)
            scene.must("tenant", "remove", A, "--yes")
            scene.must("tenant", "sync", "--all", "--json")
            ran = scene.admin("unblacklist", A, openid(1), "--json", "--quiet")
            self.assertEqual((ran.code, ran.error["kind"]), (4, "unknown_tenant"), ran)
            scene.sim.time(5)
            scene.push(scene.sim.authorize(A, permission_sets=[2], deliver=False)["push"])
            self.assertEqual(self.show(scene, A)["permission_sets"], [2])

    def test_I6_a_refusal_by_wechat_corrects_the_tenant(self):
        with Scene() as scene:
            scene.ready()
            scene.onboard(A, any_openid_valid=True)
            scene.sim.merchant(A, verify_type=-1)
            ran = scene.admin("unblacklist", A, openid(1), "--json", "--quiet")
            self.assertEqual(ran.code, 4, ran)
            said = self.show(scene, A)
            self.assertEqual((said["certified"], said["calls"]["batchUnblacklist"]["reason"]), (False, "not_certified"))
            scene.sim.merchant(A, verify_type=0)
            scene.must("tenant", "sync", A, "--json")
            self.assertTrue(self.show(scene, A)["calls"]["batchUnblacklist"]["allowed"])


if __name__ == "__main__":
    unittest.main()
