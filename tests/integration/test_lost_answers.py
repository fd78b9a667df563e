"""Whatever answer is lost, the tenant is not (I2, I3, I4, I5), and what a person must mend is said (exit 5)."""
import os
import time
import unittest

import database
from scene import Scene, openid
from simulator import COMPONENT, SECRET

A, B = "wxa0000000000000a1", "wxa0000000000000b2"
PATH = "/cgi-bin/component/"
REFRESH, CODE = PATH + "api_authorizer_token", PATH + "api_query_auth"
INFO, LIST, TOKEN = PATH + "api_get_authorizer_info", PATH + "api_get_authorizer_list", PATH + "api_component_token"
ADDRESS = "127.0.0.1"


class Case(unittest.TestCase):
    onboarded = ()

    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.sim = self.scene.sim
        self.scene.ready()
        for appid in self.onboarded:
            self.scene.onboard(appid, any_openid_valid=True)
        self.sim.order("journal", method="DELETE")

    def refresh(self, appid=A, *options):
        return self.scene.admin("token", "refresh", appid, "--json", *options)

    def refreshed(self, appid=A):
        ran = self.refresh(appid)
        self.assertEqual(ran.code, 0, ran)
        self.assertEqual(ran.json["tokens"][0]["refreshed"], True)
        return ran.json["tokens"][0]

    def show(self, appid=A):
        return self.scene.must("tenant", "show", appid, "--json").json

    def calls(self, path=None):
        """(last part of the path, errcode) of each call since."""
        return [(call["path"].rsplit("/", 1)[1], call["errcode"]) for call in self.sim.journal(path=path)]

    def asked(self, path):
        return len(self.sim.journal(path=path))

    def serves(self, appid=A):
        ran = self.scene.must("unblacklist", appid, openid(7), "--json", "--quiet")
        self.assertEqual(ran.json["unblacklisted"], 1)

    def fails(self, ran, code, kind):
        self.assertEqual(ran.code, code, ran)
        self.assertEqual(ran.error["kind"], kind, ran)
        self.assertTrue(ran.error["hint"], ran)
        return ran.error


class Refresh(Case):
    onboarded = (A,)

    def setUp(self):
        super().setUp()
        self.sim.settings(rotate_refresh_tokens=True, refresh_grace_s=0)

    def test_I5_a_lost_refresh_is_repaired_by_info(self):
        self.sim.fault(REFRESH, cut="after", count=1)
        self.refreshed()
        calls = self.calls()
        self.assertEqual([call for at, call in enumerate(calls) if at < 2 or call != calls[at - 1]],
                         [("api_authorizer_token", None), ("api_authorizer_token", 61023),
                          ("api_get_authorizer_info", 0), ("api_authorizer_token", 0)])
        self.assertEqual(self.asked(LIST), 0)
        self.serves()

    def test_I5_a_lost_refresh_is_repaired_by_the_list(self):
        self.sim.settings(info_has_refresh_tokens=False)
        self.sim.fault(REFRESH, cut="after", count=1)
        self.refreshed()
        self.assertEqual((self.asked(INFO), self.asked(LIST)), (1, 1))
        self.serves()

    def test_I5_within_the_grace_the_same_refresh_token_is_enough(self):
        self.sim.settings(refresh_grace_s=300)
        self.sim.fault(REFRESH, cut="after", count=1)
        self.refreshed()
        self.assertEqual(self.calls()[1:], [("api_authorizer_token", 0)])
        self.sim.time(1000)
        self.refreshed()

    def test_I5_only_where_nothing_helps_the_merchant_is_asked(self):
        """Symptom: Both tokens have expired, and nobody has noticed."""
        self.sim.settings(info_has_refresh_tokens=False, list_has_refresh_tokens=False)
        self.sim.fault(REFRESH, cut="after", count=1)
        error = self.fails(self.refresh(), 5, "reauthorization_required")
        self.assertEqual((error["tenant"], error["errcode"]), (A, 61023))
        self.assertIn("authorize", error["hint"])
        told = self.show()
        self.assertEqual(told["status"], "reauthorization_required")
        # WeChat shows it again: sync repairs it.
        self.sim.settings(info_has_refresh_tokens=True)
        self.assertEqual(self.scene.must("tenant", "sync", A, "--json").json["repaired"], 1)
        self.assertEqual(self.show()["status"], "authorized")
        self.refreshed()
        self.serves()

    def test_I5_a_person_who_starts_a_job_has_it_looked_at(self):
        self.sim.settings(info_has_refresh_tokens=False, list_has_refresh_tokens=False)
        self.sim.fault(REFRESH, cut="after", count=1)
        self.refresh()
        for _ in range(2):
            asked = len(self.sim.journal(path=INFO))
            ran = self.scene.admin("unblacklist", A, openid(7), "--json", "--quiet")
            self.fails(ran, 5, "reauthorization_required")
            self.assertEqual((ran.out, len(self.sim.journal(path=INFO))), ("", asked + 1))
        self.sim.settings(info_has_refresh_tokens=True)
        asked = len(self.sim.journal(path=INFO))
        self.assertEqual(self.show()["calls"]["batchUnblacklist"]["reason"], "reauthorization_required")
        dry = self.scene.admin("unblacklist", A, openid(7), "--json", "--dry-run")
        self.assertEqual((dry.code, dry.json["reason"]), (5, "reauthorization_required"), dry)
        self.assertEqual(len(self.sim.journal(path=INFO)), asked, "these say it from memory")
        self.serves()
        self.assertEqual(len(self.sim.journal(path=INFO)), asked + 1)

    def test_I5_a_job_of_a_lost_tenant_is_refused_by_name_and_a_new_authorization_ends_it(self):
        self.sim.settings(info_has_refresh_tokens=False, list_has_refresh_tokens=False)
        self.sim.fault(REFRESH, cut="after", count=1)
        self.refresh()
        self.sim.time(20000)
        database.write(self.scene.db, "UPDATE tokens SET expires_ms = 1, due_ms = 1 WHERE appid = ?", A)
        ran = self.scene.admin("unblacklist", A, openid(7), "--json", "--quiet")
        self.fails(ran, 5, "reauthorization_required")
        self.assertEqual(ran.out, "")
        self.assertEqual(self.scene.business_calls(), [])
        again = self.scene.push(self.sim.authorize(A, permission_sets=[2], deliver=False)["push"])
        self.assertEqual(again.json["exchange"], "done")
        self.serves()

    def test_I5_the_outcome_is_unknown_after_other_breaks_too(self):
        for fault in ({"http_status": 502, "apply": "yes"}, {"truncate_at": 20}, {"errcode": -1},
                      {"http_status": 200, "body": "<html>busy</html>", "apply": "yes"}, {"cut": "before"}):
            with self.subTest(fault):
                self.sim.fault(REFRESH, count=1, **fault)
                self.refreshed()
                self.sim.clear_faults()
        self.assertEqual(self.show()["status"], "authorized")
        self.serves()

    def test_I5_a_time_out_of_an_applied_refresh_heals(self):
        self.sim.fault(REFRESH, hold=True, count=1)
        ran = self.refresh(A, "--timeout", "1")
        self.assertEqual(ran.code, 0, ran)
        self.sim.release()
        self.serves()

    def test_I4_what_stays_away_is_unavailable_and_the_old_token_serves(self):
        self.sim.fault(REFRESH, cut="before", count=-1)
        self.fails(self.refresh(A, "--max-wait", "0"), 7, "unavailable")
        self.serves()
        self.assertEqual(self.show()["token"]["state"], "fresh")
        self.sim.clear_faults()
        self.refreshed()

    def test_I4_a_due_token_whose_renewal_fails_serves_on(self):
        database.write(self.scene.db, "UPDATE tokens SET due_ms = 1 WHERE appid = ?", A)
        self.sim.fault(REFRESH, cut="before", count=-1)
        ran = self.scene.admin("unblacklist", A, openid(7), "--json", "--quiet", "--max-wait", "0")
        self.assertEqual(ran.code, 0, ran)
        self.assertEqual(ran.json["unblacklisted"], 1)

    def test_I3_an_answer_without_a_refresh_token_leaves_the_old_one(self):
        self.sim.settings(rotate_refresh_tokens=False, refresh_answer_has_refresh_token=False)
        for version in (2, 3):
            self.assertEqual(self.refreshed()["version"], version)

    def test_I5_a_merchant_that_took_it_back_is_unauthorized_not_lost(self):
        self.sim.unauthorize(A, deliver=False)
        self.fails(self.refresh(), 4, "unauthorized")
        self.assertEqual(self.show()["status"], "unauthorized")

    def test_I5_dead_at_wechat_without_any_loss_of_ours(self):
        # Another program used the refresh token up.
        held = self.sim.merchant(A)["authorizations"][0]["refresh"]["newest"]
        token = self.sim.component_token()
        self.sim.call(REFRESH, {"component_appid": COMPONENT, "authorizer_appid": A,
                                "authorizer_refresh_token": held}, component_access_token=token)
        self.refreshed()
        self.serves()


class Codes(Case):
    def merchant(self, appid=A):
        self.sim.merchant(appid, permission_sets=[2], any_openid_valid=True)
        return self.sim.authorize(appid, deliver=False)

    def add(self, code, *options, **more):
        return self.scene.admin("tenant", "add", "--auth-code", code, "--json", *options, **more)

    def test_I5_a_push_whose_exchange_is_cut(self):
        order = self.merchant()
        self.sim.fault(CODE, cut="after", count=1)
        ran = self.scene.push(order["push"])
        self.assertEqual((ran.code, ran.json["exchange"]), (0, "done"), ran)
        self.serves()

    def test_I8_a_push_whose_exchange_hangs_ends_in_time_and_is_finished_later(self):
        order = self.merchant()
        self.sim.fault(CODE, hold=True, count=1)
        began = time.monotonic()
        ran = self.scene.push(order["push"])
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual((ran.code, ran.json["exchange"], ran.json["reply"]), (0, "pending", "success"), ran)
        told = self.show()
        self.assertEqual(told["status"], "authorizing")
        self.assertEqual(told["calls"]["batchUnblacklist"]["reason"], "unauthorized")
        self.serves()
        self.assertEqual(self.show()["status"], "authorized")

    def test_I8_a_push_while_wechat_is_away_keeps_the_code(self):
        order = self.merchant()
        self.sim.fault(CODE, cut="before", count=-1)
        ran = self.scene.push(order["push"])
        self.assertEqual((ran.code, ran.json["exchange"]), (0, "pending"), ran)
        self.sim.clear_faults()
        self.refreshed()
        self.assertEqual(self.show()["status"], "authorized")

    def test_I5_an_operators_code_with_and_without_the_push(self):
        for pushed in (False, True):
            for settings in ({}, {"info_has_refresh_tokens": True, "list_has_refresh_tokens": False}):
                appid = "wxa00000000000%d00%d" % (pushed, bool(settings))
                with self.subTest(appid):
                    self.sim.settings(list_has_refresh_tokens=True)
                    self.sim.settings(**settings)
                    order = self.merchant(appid)
                    self.sim.fault(CODE, cut="after", count=1)
                    ran = self.add(order["authorization_code"])
                    self.assertEqual(ran.code, 0, ran)
                    self.assertEqual(ran.json["authorizer_appid"], appid)
                    if pushed:
                        late = self.scene.push(order["push"])
                        self.assertEqual((late.code, late.json["exchange"]), (0, "done"), late)
                    self.assertEqual(self.show(appid)["status"], "authorized")
                    self.serves(appid)

    def test_I5_a_killed_exchange_is_finished_by_the_next(self):
        order = self.merchant()
        code = order["authorization_code"]
        self.sim.fault(CODE, hold=True, count=1)
        first = self.scene.start("tenant", "add", "--auth-code", code)
        self.sim.wait(CODE, held=1)
        first.kill()
        first.wait(20)
        ran = self.add(code)
        self.assertEqual((ran.code, ran.json["authorizer_appid"]), (0, A), ran)
        self.serves()

    def test_I8_a_code_of_two_processes_is_exchanged_once(self):
        order = self.merchant()
        code = order["authorization_code"]
        self.sim.fault(CODE, hold=True, count=1)
        first = self.scene.start("tenant", "add", "--auth-code", code, "--json")
        self.sim.wait(CODE, held=1)
        second = self.scene.start("tenant", "add", "--auth-code", code, "--json")
        push = self.scene.start("callback", "--query", order["push"]["query"], "--json", stdin=-1)
        push.stdin.write(order["push"]["body"].encode())
        push.stdin.close()
        push.stdin = None
        self.sim.release()
        for child in (first, second, push):
            ran = self.scene.finish(child)
            self.assertEqual((ran.code, ran.json["authorizer_appid"]), (0, A), ran)
        self.assertEqual(self.asked(CODE), 1)

    def test_a_code_from_stdin_and_one_that_is_expired(self):
        code = self.merchant()["authorization_code"]
        ran = self.add("-", data=code + "\n")
        self.assertEqual((ran.code, ran.json["authorizer_appid"]), (0, A), ran)
        late = self.merchant(B)["authorization_code"]
        self.sim.time(4000)
        self.scene.ticket()
        self.fails(self.add(late), 5, "credentials")

    def test_I8_a_bad_code_of_a_push_is_failed(self):
        order = self.merchant()
        self.sim.time(4000)
        ran = self.scene.push(order["push"])
        self.assertEqual((ran.code, ran.json["exchange"], ran.json["reply"]), (0, "failed", "success"), ran)
        self.assertNotEqual(self.show()["status"], "authorized")


class Databases(Case):
    onboarded = (A, B)

    def away(self):
        for name in os.listdir(self.scene.folder):
            if name.startswith("wxtp.db") and not name.endswith(".key"):
                os.unlink(os.path.join(self.scene.folder, name))

    def test_I5_an_emptied_database_is_filled_again_but_for_what_was_removed(self):
        """Symptom: 61023 refresh_token is invalid, for every merchant, after a cache was emptied."""
        self.scene.must("tenant", "remove", B, "--yes")
        synced = self.scene.must("tenant", "sync", "--all", "--json").json
        self.assertEqual((synced["added"], synced["failed"]), (0, []), synced)
        self.assertEqual(self.scene.admin("tenant", "show", B, "--json").error["kind"], "unknown_tenant")
        self.away()
        os.unlink(self.scene.db + ".key")
        self.scene.ready()
        synced = self.scene.must("tenant", "sync", "--all", "--json").json
        self.assertEqual((synced["synced"], synced["added"], synced["failed"]), (2, 2, []), synced)
        for appid in (A, B):
            self.serves(appid)

    def test_I5_absence_from_the_list_proves_nothing(self):
        self.sim.fault(LIST, body='{"total_count":0,"list":[]}', count=-1)
        synced = self.scene.must("tenant", "sync", "--all", "--json").json
        self.assertEqual((synced["unauthorized"], synced["failed"]), (0, []), synced)
        self.assertEqual(self.show()["status"], "authorized")
        self.serves()

    def test_I5_a_restored_database_recovers_what_has_moved_on(self):
        self.sim.settings(rotate_refresh_tokens=True, refresh_grace_s=0)
        backup = self.scene.path("backup.db")
        self.scene.must("db", "backup", backup)
        self.refreshed()
        self.away()
        self.scene.must("db", "restore", backup)
        self.assertEqual(self.scene.must("platform", "show", "--json").json["ticket"]["state"], "none")
        self.assertIn(self.show()["token"]["state"], ("due", "expired", "none"))
        self.sim.time(20000)  # what the backup holds is worth nothing any more
        self.scene.ticket()
        self.refreshed(A)
        synced = self.scene.must("tenant", "sync", "--all", "--json").json
        self.assertEqual((synced["added"], synced["failed"]), (0, []), synced)
        for appid in (A, B):
            self.serves(appid)

    def test_I5_a_restored_database_without_a_ticket_says_so(self):
        backup = self.scene.path("backup.db")
        self.scene.must("db", "backup", backup)
        self.away()
        self.scene.must("db", "restore", backup)
        self.sim.time(20000)
        self.fails(self.refresh(), 5, "ticket")


class Platform(Case):
    onboarded = (A,)

    def without_component_token(self):
        database.write(self.scene.db, "DELETE FROM tokens WHERE appid = ''")

    def test_I3_a_component_token_refused_heals_in_one_refresh(self):
        """Symptom: 40001 on api_authorizer_token, for two hours."""
        self.sim.component_token()  # another took one
        self.sim.time(400)
        self.scene.ticket()
        self.sim.order("journal", method="DELETE")
        self.refreshed()
        self.assertEqual(self.asked(TOKEN), 1)
        self.assertEqual([call[1] for call in self.calls(REFRESH)], [40001, 0])

    def test_I3_a_component_token_refused_to_many_is_renewed_once(self):
        """Symptom: 40001 invalid credential under load, again and again."""
        self.sim.component_token()
        self.sim.time(400)
        self.scene.ticket()
        self.sim.order("journal", method="DELETE")
        self.sim.settings(latency_ms=20)
        children = [self.scene.start("token", "refresh", A, "--json"),
                    self.scene.start("tenant", "sync", A, "--json"),
                    self.scene.start("authorize-url", "--redirect-uri", "https://example.com/x", "--json")]
        for child in children:
            self.assertEqual(self.scene.finish(child).code, 0)
        self.assertEqual(self.asked(TOKEN), 1)

    def test_a_ticket_that_never_came(self):
        """Symptom: 61006 component ticket is invalid, and the request shows component_verify_ticket: null."""
        database.write(self.scene.db, "DELETE FROM tickets")
        self.without_component_token()
        self.assertIn("ticket", self.fails(self.refresh(), 5, "ticket")["message"])
        self.assertEqual(self.asked(TOKEN), 0)
        self.assertEqual(self.asked(PATH + "api_start_push_ticket"), 1)

    def test_a_ticket_that_is_late_serves_and_one_that_is_expired_does_not(self):
        """Symptom: 61005 component ticket is expired, every day until a restart."""
        def age(minutes):
            database.write(self.scene.db, "UPDATE tickets SET received_ms = ?, create_time_s = ?",
                           int((time.time() - 60 * minutes) * 1000), int(time.time() - 60 * minutes))
            return self.scene.must("platform", "show", "--json").json["ticket"]["state"]
        self.assertEqual(age(29), "fresh")
        self.assertEqual(age(31), "late")
        self.without_component_token()
        self.refreshed()
        self.assertEqual(age(12 * 60 - 1), "late")
        self.assertEqual(age(12 * 60 + 1), "expired")
        self.serves()  # what is fresh does not need it
        self.without_component_token()
        self.assertIn("12 hours", self.fails(self.refresh(), 5, "ticket")["message"])

    def test_a_ticket_that_wechat_calls_expired(self):
        self.without_component_token()
        self.sim.time(50000)
        error = self.fails(self.refresh(), 5, "ticket")
        self.assertIn(error["errcode"], (61005, 61006))
        self.scene.ticket()
        self.refreshed()

    def test_a_wrong_appsecret(self):
        self.without_component_token()
        self.scene.must("platform", "set", "--component-appid", COMPONENT,
                        "--appsecret-file", self.scene.path("wrong", "f" * 32))
        ran = self.refresh()
        error = self.fails(ran, 5, "configuration")
        self.assertEqual(error["errcode"], 40125)
        self.assertNotIn("f" * 32, ran.err)
        self.scene.must("platform", "set", "--component-appid", COMPONENT,
                        "--appsecret-file", self.scene.path("right", SECRET))
        self.refreshed()

    def test_an_address_that_is_not_on_the_platforms_white_list(self):
        self.sim.component(ip_allowed=False)
        for _ in range(2):
            error = self.fails(self.refresh(), 5, "configuration")
            self.assertIn(error["errcode"], (61004, 40164))
            self.assertIn(ADDRESS, error["message"])
            self.without_component_token()
        self.sim.component(ip_allowed=True)
        self.refreshed()

    def test_an_address_that_is_not_on_an_accounts_white_list(self):
        """Symptom: 40164 invalid ip, not in whitelist, but my address is listed."""
        self.sim.merchant(B, appsecret="s" * 32, ip_allowed=False)
        self.scene.must("tenant", "add-own", "--appid", B, "--appsecret-file", self.scene.path("own", "s" * 32))
        error = self.fails(self.scene.admin("unblacklist", B, openid(1), "--json", "--quiet"), 5, "configuration")
        self.assertEqual(error["errcode"], 40164)
        self.assertIn(ADDRESS, error["message"])


if __name__ == "__main__":
    unittest.main()
