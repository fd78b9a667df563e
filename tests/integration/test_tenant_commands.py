"""The tenant commands to the letter of their contract, and the gate as a process gives it (I3, I6)."""
import os
import time
import unittest

import database
from scene import Scene, openid
from simulator import COMPONENT

A, B, C = "wxa0000000000000a1", "wxa0000000000000b2", "wxa0000000000000c3"
SHOW = ["authorizer_appid", "nick_name", "principal_name", "user_name", "account", "service_type", "verify_type",
        "certified", "basis", "permission_sets", "status", "credential", "token", "calls"]
SECRET, UNBLACKLIST = "s" * 32, "/cgi-bin/tags/members/batchunblacklist"
STABLE, INFO = "/cgi-bin/stable_token", "/cgi-bin/component/api_get_authorizer_info"


class Case(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.sim = self.scene.sim
        self.scene.ready()

    def show(self, appid=A):
        return self.scene.must("tenant", "show", appid, "--json").json

    def verdict(self, appid=A, call="batchUnblacklist"):
        return self.show(appid)["calls"][call]

    def unblacklist(self, appid=A, *options):
        return self.scene.admin("unblacklist", appid, openid(1), "--json", "--quiet", *options)

    def serves(self, appid=A, *options):
        ran = self.unblacklist(appid, *options)
        self.assertEqual(ran.code, 0, ran)
        self.assertEqual(ran.json["unblacklisted"], 1)

    def fails(self, ran, code, kind):
        self.assertEqual(ran.code, code, ran)
        self.assertEqual(ran.error["kind"], kind, ran)
        return ran.error

    def listed(self, *options):
        page = self.scene.must("tenant", "list", "--json", *options).json
        self.assertEqual(list(page), ["tenants", "next"])
        return [row["authorizer_appid"] for row in page["tenants"]], page["next"]


class Gate(Case):
    """One process a row: kind, verify type, sets, account status, what is expected."""

    ROWS = [
        ("service", 0, [2], 1, None), ("service", 3, [2], 1, None), ("service", 4, [2], 1, None),
        ("service", 5, [2], 1, None), ("service", 1, [2], 1, "not_certified"), ("service", 2, [2], 1, "not_certified"),
        ("service", -1, [2], 1, "not_certified"), ("service", 0, [100], 1, None),
        ("service", 0, [1, 2, 100], 1, None), ("service", 0, [1], 1, "permission_set_missing"),
        ("service", 0, [], 1, "permission_set_missing"), ("service", -1, [1], 1, "permission_set_missing"),
        ("service", 0, [20, 22, 102], 1, "permission_set_missing"),
        ("service", 0, [2], 14, "account_not_active"), ("service", 0, [2], 16, "account_not_active"),
        ("service", 0, [2], 18, None), ("service", 0, [2], 19, "account_not_active"),
        ("service", -1, [1], 16, "account_not_active"), ("service", -1, [2], 18, "not_certified"),
        ("subscription", 0, [2], 1, None), ("subscription", 3, [2], 1, None), ("subscription", 4, [100], 1, None),
        ("subscription", 5, [2], 1, None), ("subscription", 1, [2], 1, "not_certified"),
        ("subscription", 2, [100], 1, "not_certified"), ("subscription", -1, [2], 1, "not_certified"),
        ("subscription", 0, [1], 1, "permission_set_missing"), ("subscription", 0, [2], 16, "account_not_active"),
        ("subscription", 0, [2], 18, None), ("subscription", -1, [], 19, "account_not_active"),
        ("mini_program", 0, [2], 1, "wrong_account_type"), ("mini_program", -1, [17], 1, "wrong_account_type"),
        ("mini_program", 0, [2], 16, "wrong_account_type"), ("mini_program", 0, [17, 18], 18, "wrong_account_type"),
        ("channels", 0, [2], 1, "wrong_account_type"), ("channels", -1, [], 14, "wrong_account_type"),
    ]

    def ask(self, appid, reason):
        said = self.verdict(appid)
        self.assertEqual(said["allowed"], reason is None)
        self.assertEqual(said.get("reason"), reason)
        self.assertEqual(list(said), ["allowed", "reason", "hint"] if reason else ["allowed"])
        ran = self.unblacklist(appid)
        calls = self.scene.business_calls(appid=appid)
        if reason is None:
            self.assertEqual((ran.code, [call["errcode"] for call in calls]), (0, [0]), ran)
        else:
            self.assertEqual((ran.code, ran.out, calls), (4, "", []), ran)
            error = self.fails(ran, 4, reason)
            self.assertEqual(error["tenant"], appid)
            self.assertTrue(error["hint"])

    def test_I6_every_row(self):
        for number, (kind, verify, sets, account_status, reason) in enumerate(self.ROWS):
            appid = "wx%016d" % number
            with self.subTest(kind=kind, verify=verify, sets=sets, account_status=account_status):
                self.scene.onboard(appid, kind=kind, verify_type=verify, permission_sets=sets,
                                   account_status=account_status, any_openid_valid=True)
                self.ask(appid, reason)

    def test_I6_a_status_comes_before_what_the_account_lacks(self):
        for number, (kind, reason) in enumerate((("service", "unauthorized"), ("mini_program", "wrong_account_type"))):
            appid = "wx%016d" % number
            self.scene.onboard(appid, kind=kind, verify_type=-1, permission_sets=[])
            self.scene.push(self.sim.unauthorize(appid, deliver=False)["push"])
            self.ask(appid, reason)
        self.fails(self.unblacklist("wx_nobody"), 4, "unknown_tenant")

    def test_I6_a_no_that_is_old_is_checked_once(self):
        self.scene.onboard(A, verify_type=-1, any_openid_valid=True)
        self.sim.merchant(A, verify_type=0)
        asked = len(self.sim.journal(path=INFO))
        self.fails(self.unblacklist(), 4, "not_certified")
        self.assertEqual(len(self.sim.journal(path=INFO)), asked)
        database.write(self.scene.db, "UPDATE tenants SET profile_ms = ?", int((time.time() - 700) * 1000))
        self.assertEqual(self.verdict()["reason"], "not_certified")  # show asks WeChat nothing
        self.assertEqual(len(self.sim.journal(path=INFO)), asked)
        self.serves()
        self.assertEqual(len(self.sim.journal(path=INFO)), asked + 1)

    def test_I6_a_yes_that_is_very_old_is_checked_before_the_call(self):
        self.scene.onboard(A, any_openid_valid=True)
        self.sim.merchant(A, verify_type=-1)
        database.write(self.scene.db, "UPDATE tenants SET profile_ms = ?", int((time.time() - 73 * 3600) * 1000))
        self.fails(self.unblacklist(), 4, "not_certified")
        self.assertEqual(self.scene.business_calls(), [])

    def test_I6_what_wechat_refuses_after_a_yes(self):
        self.scene.onboard(A, any_openid_valid=True)
        self.sim.fault(UNBLACKLIST, errcode=48001, errmsg="api unauthorized", count=1)
        ran = self.unblacklist()
        self.fails(ran, 4, "refused_by_wechat")
        self.assertEqual((ran.json["state"], ran.json["paused_by"], ran.json["pending"]), ("paused", "gate", 1))
        self.assertEqual(self.verdict()["reason"], "refused_by_wechat")
        self.fails(self.unblacklist(B), 4, "unknown_tenant")
        # The probe, ten minutes later.
        ((since, until),) = database.rows(self.scene.db, "SELECT since_ms, until_ms FROM holds WHERE kind = 1")
        self.assertAlmostEqual(until - since, 600000, delta=150000)
        database.write(self.scene.db, "UPDATE holds SET until_ms = 1")
        self.serves()
        self.assertTrue(self.verdict()["allowed"])

    def test_I6_a_kept_refusal_doubles_and_ends_by_an_override(self):
        self.scene.onboard(A, any_openid_valid=True)
        self.sim.fault(UNBLACKLIST, errcode=48001, count=-1)
        lasted = []
        for _ in range(3):
            database.write(self.scene.db, "UPDATE holds SET until_ms = 1")
            self.fails(self.unblacklist(), 4, "refused_by_wechat")
            lasted.append(database.rows(self.scene.db, "SELECT interval_ms FROM holds")[0][0])
        self.assertEqual(lasted, [600000, 1200000, 2400000])
        self.sim.clear_faults()
        self.scene.must("tenant", "set", A, "--certified", "yes")
        self.serves()

    def test_I6_a_restricted_account_stays_not_active(self):
        self.scene.onboard(A, any_openid_valid=True)
        self.sim.fault(UNBLACKLIST, errcode=50002, count=1)
        first = self.fails(self.unblacklist(), 4, "account_not_active")
        calls = len(self.scene.business_calls())
        said = self.verdict()
        self.assertEqual((said["allowed"], said["reason"]), (False, "account_not_active"))
        self.assertIn("restrict", said["hint"])
        self.assertIn(said["hint"].rstrip("."), first["hint"])
        dry = self.unblacklist(A, "--dry-run")
        self.assertEqual((dry.code, dry.json["reason"]), (4, "account_not_active"), dry)
        again = self.unblacklist()
        self.assertEqual((again.code, again.out), (4, ""), again)
        self.fails(again, 4, "account_not_active")
        self.assertEqual(len(self.scene.business_calls()), calls)
        database.write(self.scene.db, "UPDATE holds SET until_ms = 1")
        self.serves()

    def test_the_remedies_of_an_account_of_ones_own_read_nothing_at_wechat(self):
        self.sim.merchant(B, appsecret=SECRET, kind="service", verify_type=0, any_openid_valid=True)
        self.scene.must("tenant", "add-own", "--appid", B, "--appsecret-file", self.scene.path("own", SECRET),
                        "--certified", "no")
        self.scene.must("tenant", "add-cloud", "--appid", C, "--certified", "no")
        for appid in (B, C):
            hint = self.verdict(appid)["hint"]
            self.assertEqual(self.verdict(appid)["reason"], "not_certified")
            self.assertNotIn("sync", hint)
            self.assertIn("tenant set %s --certified yes" % appid, hint)
        self.scene.must("tenant", "set", B, "--certified", "yes")
        for errcode, reason in ((48001, "refused_by_wechat"), (50002, "account_not_active")):
            self.sim.fault(UNBLACKLIST, errcode=errcode, count=1)
            error = self.fails(self.unblacklist(B), 4, reason)
            said = self.verdict(B)
            self.assertEqual(said["reason"], reason)
            self.assertNotIn("tenant sync", said["hint"] + error["hint"])
            self.scene.must("tenant", "set", B, "--certified", "yes")  # what the hints say
            self.assertTrue(self.verdict(B)["allowed"])

    def test_quota_exhausted_is_remembered(self):
        self.scene.onboard(A, any_openid_valid=True, daily_quota=0)
        ran = self.unblacklist()
        self.fails(ran, 6, "quota")
        self.assertEqual((ran.json["state"], ran.json["paused_by"]), ("paused", "quota"))
        said = self.verdict()
        self.assertEqual((said["allowed"], said["reason"]), (False, "quota_exhausted"))
        dry = self.unblacklist(A, "--dry-run")
        self.assertEqual((dry.code, dry.json["reason"]), (6, "quota_exhausted"), dry)
        calls = len(self.scene.business_calls())
        self.sim.merchant(A, daily_quota=100)
        self.serves()  # a person who asks gets one probe
        self.assertEqual(len(self.scene.business_calls()), calls + 1)
        self.assertTrue(self.verdict()["allowed"])


class Commands(Case):
    def test_show_to_the_letter(self):
        self.scene.onboard(A, nick_name="名字", principal_name="公司", user_name="gh_1", any_openid_valid=True)
        calls = len(self.sim.journal())
        told = self.show()
        self.assertEqual(list(told), SHOW)
        expires = told["token"].pop("expires_at")
        self.assertRegex(expires, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(told, {
            "authorizer_appid": A, "nick_name": "名字", "principal_name": "公司", "user_name": "gh_1",
            "account": "service_account", "service_type": 2, "verify_type": 0, "certified": True, "basis": "profile",
            "permission_sets": [1, 2, 15], "status": "authorized", "credential": "authorizer",
            "token": {"state": "fresh", "version": 1},
            "calls": {"batchUnblacklist": {"allowed": True}, "batchBlacklist": {"allowed": True},
                      "getBlacklist": {"allowed": True}}})
        self.assertEqual(len(self.sim.journal()), calls)
        self.fails(self.scene.admin("tenant", "show", "wx_nobody", "--json"), 4, "unknown_tenant")
        self.assertEqual(self.scene.admin("tenant", "show").code, 2)

    def test_show_of_every_token_state(self):
        self.scene.onboard(A)
        now = int(time.time() * 1000)
        for due, expires, state in ((now + 9e5, now + 1e6, "fresh"), (now - 1, now + 1e6, "due"),
                                    (now - 9, now - 1, "expired")):
            database.write(self.scene.db, "UPDATE tokens SET due_ms = ?, expires_ms = ? WHERE appid = ?",
                           int(due), int(expires), A)
            self.assertEqual(self.show()["token"]["state"], state)
        self.assertEqual(self.scene.must("token", "show", A, "--json").json["state"], "expired")
        database.write(self.scene.db, "DELETE FROM tokens WHERE appid = ?", A)
        self.assertEqual(self.show()["token"], {"state": "none", "version": 0, "expires_at": None})

    def test_token_show_and_reveal(self):
        self.scene.onboard(A)
        self.assertEqual(list(self.scene.must("token", "show", A, "--json").json),
                         ["tenant", "state", "version", "expires_at"])
        newest = self.sim.merchant(A)["authorizations"][0]["access"]["newest"]
        ran = self.scene.must("-vv", "token", "show", A, "--json", "--reveal")
        self.assertEqual(ran.json["access_token"], newest)
        self.assertNotIn(newest, ran.err)

    def test_list_pages_and_filters(self):
        for appid, verify in ((A, 0), (B, -1), (C, 0)):
            self.scene.onboard(appid, verify_type=verify)
        self.scene.push(self.sim.unauthorize(C, deliver=False)["push"])
        self.assertEqual(self.listed(), ([A, B, C], None))
        self.assertEqual(self.listed("--limit", "2"), ([A, B], B))
        self.assertEqual(self.listed("--limit", "2", "--after", B), ([C], None))
        self.assertEqual(self.listed("--limit", "3"), ([A, B, C], None))
        self.assertEqual(self.listed("--certified", "no"), ([B], None))
        self.assertEqual(self.listed("--certified", "yes", "--status", "authorized"), ([A], None))
        self.assertEqual(self.listed("--status", "unauthorized"), ([C], None))
        self.assertEqual(self.listed("--status", "reauthorization_required"), ([], None))
        lines = self.scene.must("tenant", "list", "--json=lines").lines
        self.assertEqual([row["authorizer_appid"] for row in lines], [A, B, C])
        for options in (("--status", "nonsense"), ("--limit", "-1"), ("--limit", "x"), ("--certified", "maybe")):
            self.assertEqual(self.scene.admin("tenant", "list", "--json", *options).code, 2, options)
        self.assertEqual(self.scene.admin("tenant", "show", A, "--json=lines").code, 2)

    def test_sync_to_the_letter(self):
        self.scene.onboard(A)
        self.scene.onboard(B, verify_type=-1)
        self.sim.merchant(B, verify_type=0)
        self.sim.merchant(C, permission_sets=[2], authorized=True, exchanged=True)
        got = self.scene.must("tenant", "sync", "--all", "--json").json
        self.assertEqual(list(got), ["synced", "added", "repaired", "unauthorized", "failed"])
        self.assertEqual((got["synced"], got["added"], got["unauthorized"], got["failed"]), (3, 1, 0, []), got)
        self.assertTrue(self.show(B)["certified"])
        self.sim.unauthorize(C, deliver=False)
        got = self.scene.must("tenant", "sync", C, "--json").json
        self.assertEqual((got["synced"], got["unauthorized"]), (1, 1), got)
        self.assertEqual(self.show(C)["status"], "unauthorized")
        for arguments in ((), (A, "--all")):
            self.assertEqual(self.scene.admin("tenant", "sync", *arguments).code, 2)
        ran = self.scene.admin("tenant", "sync", A, "wx_nobody", "--json")
        self.assertEqual(ran.code, 4, ran)
        self.assertEqual((ran.json["synced"], [row["tenant"] for row in ran.json["failed"]]), (1, ["wx_nobody"]))

    def test_set_overrules_and_is_audited(self):
        self.scene.onboard(A, verify_type=-1, any_openid_valid=True)
        told = self.scene.must("tenant", "set", A, "--certified", "yes", "--json").json
        self.assertEqual((told["certified"], told["basis"], told["calls"]["batchUnblacklist"]), (True, "operator",
                                                                                                  {"allowed": True}))
        self.scene.must("tenant", "sync", A)
        self.assertEqual(self.show()["basis"], "operator")
        self.scene.must("tenant", "set", A, "--certified", "no")
        self.assertEqual(self.verdict()["reason"], "not_certified")
        told = self.scene.must("tenant", "set", A, "--certified", "auto", "--json").json
        self.assertEqual((told["certified"], told["basis"]), (False, "profile"))
        rows = self.scene.must("audit", "--tenant", A, "--json").json["audit"]
        self.assertEqual([row["call"] for row in rows].count("tenant.set"), 3, rows)
        self.assertEqual(self.scene.admin("tenant", "set", A).code, 2)
        self.assertEqual(self.scene.admin("tenant", "set", A, "--certified", "perhaps").code, 2)
        self.fails(self.scene.admin("tenant", "set", "wx_nobody", "--certified", "no", "--json"), 4, "unknown_tenant")

    def test_remove(self):
        self.scene.onboard(A, any_openid_valid=True)
        self.fails(self.scene.admin("tenant", "remove", A, "--json"), 2, "usage")
        self.sim.fault(UNBLACKLIST, errcode=45009, count=1)
        job = self.unblacklist().json["job"]
        self.assertEqual(self.scene.admin("tenant", "remove", A, "--yes").code, 2)
        self.assertEqual(self.show()["status"], "authorized")
        self.scene.must("tenant", "remove", A, "--yes", "--force")
        self.assertEqual(self.scene.must("job", "show", job, "--json").json["state"], "cancelled")
        self.fails(self.scene.admin("tenant", "show", A, "--json"), 4, "unknown_tenant")
        self.fails(self.unblacklist(), 4, "unknown_tenant")
        self.assertEqual(self.listed(), ([], None))
        self.assertEqual(database.rows(self.scene.db, "SELECT access, refresh FROM tokens WHERE appid = ?", A),
                         [(b"", b"")])
        self.scene.must("tenant", "sync", "--all")
        self.assertEqual(self.listed(), ([], None))
        self.fails(self.scene.admin("tenant", "remove", A, "--yes", "--json"), 4, "unknown_tenant")
        self.sim.time(5)
        self.scene.push(self.sim.authorize(A, permission_sets=[2], deliver=False)["push"])
        self.serves()

    def test_an_appid_of_two_platforms_or_of_two_credentials(self):
        other = "wxffffffffffffffff"
        self.scene.onboard(A, appsecret=SECRET, any_openid_valid=True)
        self.scene.must("tenant", "add-own", "--appid", A, "--appsecret-file", self.scene.path("own", SECRET))
        for arguments in (("tenant", "show", A), ("token", "show", A), ("unblacklist", A, openid(1)),
                          ("tenant", "remove", A, "--yes")):
            ran = self.scene.admin(*arguments, "--json")
            self.fails(ran, 2, "usage")
            self.assertIn("--component " + COMPONENT, ran.error["hint"])
        self.scene.must("platform", "set", "--component-appid", other, "--appsecret-file", self.scene.path("appsecret"),
                        "--token-file", self.scene.path("token"), "--aes-key-file", self.scene.path("aes-key"))
        self.fails(self.scene.admin("authorize-url", "--redirect-uri", "https://example.com/", "--json"), 2, "usage")
        self.assertEqual(self.scene.must("tenant", "show", A, "--component", other, "--json").json["credential"], "own")
        self.scene.must("tenant", "remove", A, "--yes", "--component", other)
        told = self.scene.must("tenant", "show", A, "--component", COMPONENT, "--json").json
        self.assertEqual(told["credential"], "authorizer")

    def test_without_a_platform_an_own_account_works_and_another_is_exit_5(self):
        with Scene() as bare:
            bare.sim.merchant(A, appsecret=SECRET, any_openid_valid=True)
            bare.must("tenant", "add-own", "--appid", A, "--appsecret-file", bare.path("own", SECRET))
            bare.must("unblacklist", A, openid(1), "--quiet")
            ran = bare.admin("authorize-url", "--redirect-uri", "https://example.com/", "--json")
            self.fails(ran, 5, "configuration")


class Own(Case):
    def setUp(self):
        super().setUp()
        self.sim.merchant(A, appsecret=SECRET, any_openid_valid=True)

    def add(self, *options):
        return self.scene.admin("tenant", "add-own", "--appid", A, "--appsecret-file",
                                self.scene.path("own", SECRET), "--json", *options)

    def test_shape(self):
        told = self.add().json
        self.assertEqual(list(told), SHOW)
        self.assertEqual((told["credential"], told["account"], told["certified"], told["verify_type"], told["status"]),
                         ("own", "unknown", None, None, "authorized"))
        self.assertTrue(told["calls"]["batchUnblacklist"]["allowed"])
        told = self.add("--account", "subscription", "--certified", "yes").json
        self.assertEqual((told["account"], told["certified"], told["basis"]), ("subscription_account", True, "declared"))
        told = self.add("--account", "service", "--certified", "no").json
        self.assertEqual((told["calls"]["batchUnblacklist"]["reason"], told["basis"]), ("not_certified", "declared"))
        self.fails(self.unblacklist(), 4, "not_certified")
        self.assertEqual(self.scene.business_calls(), [])

    def test_stable_token_is_a_post_and_unforced(self):
        self.add()
        self.serves()
        (call,) = self.sim.journal(path=STABLE)
        self.assertEqual((call["method"], call["errcode"], call["query"]), ("POST", 0, {}))
        self.assertEqual(set(call["body"]), {"grant_type", "appid", "secret"})
        for _ in range(2):
            token = self.scene.must("token", "refresh", A, "--json").json["tokens"][0]
            self.assertEqual((token["refreshed"], token["version"]), (False, 1))
        self.assertFalse(any(call["body"].get("force_refresh") for call in self.sim.journal(path=STABLE)))
        self.serves()

    def test_the_first_answer_decides_what_was_not_declared(self):
        self.sim.merchant(A, verify_type=-1)
        self.add()
        self.assertEqual(self.unblacklist().code, 4)
        told = self.show()
        self.assertFalse(told["calls"]["batchUnblacklist"]["allowed"])
        self.assertIn(told["calls"]["batchUnblacklist"]["reason"], ("not_certified", "refused_by_wechat"))

    def test_a_refused_token_is_forced_once(self):
        self.add()
        self.serves()
        self.sim.fault(UNBLACKLIST, errcode=40001, count=1)
        self.serves()
        forced = [bool(call["body"].get("force_refresh")) for call in self.sim.journal(path=STABLE)]
        self.assertEqual(forced, [False, False, True])
        audit = self.scene.must("audit", "--tenant", A, "--json").json["audit"]
        self.assertTrue([row for row in audit if "force" in row["call"]], audit)
        # Not within 30 s, and not more than 5 a day.
        self.sim.fault(UNBLACKLIST, errcode=40001, count=1)
        self.fails(self.unblacklist(), 5, "credentials")
        for number in range(2, 6):
            database.write(self.scene.db, "UPDATE tokens SET forced_ms = forced_ms - 40000, early_refusals = '' WHERE appid = ?", A)
            self.sim.clear_faults()
            self.sim.time(40)
            if number > 2:  # the first time the token is refused already
                self.sim.fault(UNBLACKLIST, errcode=40001, count=1)
            self.serves()
            self.assertEqual(database.rows(self.scene.db, "SELECT forced_count FROM tokens WHERE appid = ?", A),
                             [(number,)])
        database.write(self.scene.db, "UPDATE tokens SET forced_ms = forced_ms - 40000, early_refusals = '' WHERE appid = ?", A)
        self.sim.clear_faults()
        self.sim.time(40)
        self.sim.fault(UNBLACKLIST, errcode=40001, count=1)
        self.fails(self.unblacklist(), 5, "credentials")

    def test_a_wrong_appsecret(self):
        self.scene.must("tenant", "add-own", "--appid", A, "--appsecret-file", self.scene.path("bad", "f" * 32))
        self.fails(self.unblacklist(), 5, "configuration")


class Cloud(Case):
    TOKEN = "cloud" * 8

    def cloud(self, appid=A, **options):
        self.sim.merchant(appid, any_openid_valid=True)
        return self.sim.cloud(appid, **options)

    def add(self, *options, appid=A):
        return self.scene.must("tenant", "add-cloud", "--appid", appid, "--json", *options).json

    def test_token_less(self):
        self.cloud(token_less=True, paths=[UNBLACKLIST])
        told = self.add("--account", "service", "--certified", "yes")
        self.assertEqual((told["credential"], told["token"]["state"], told["basis"]), ("cloud", "none", "declared"))
        self.assertEqual(told["calls"]["batchBlacklist"]["reason"], "not_supported")
        self.serves()
        (call,) = self.scene.business_calls()
        self.assertEqual(call["query"], {})
        self.assertEqual(self.scene.must("token", "refresh", A, "--json").json["tokens"][0]["refreshed"], False)
        self.fails(self.scene.admin("blacklist", "add", A, openid(1), "--json"), 4, "not_supported")

    def test_the_token_file_is_read_anew(self):
        self.cloud(token=self.TOKEN)
        path = self.scene.path("cloudtoken", self.TOKEN + "\n")
        self.add("--token-file", path)
        self.serves()
        self.sim.cloud(A, token="second" * 8)
        self.scene.path("cloudtoken", "second" * 8)
        self.serves()
        self.assertEqual([list(call["query"]) for call in self.scene.business_calls()], [["cloudbase_access_token"]] * 2)
        self.scene.path("cloudtoken", "wrong" * 8)
        ran = self.unblacklist()
        self.fails(ran, 5, "credentials")
        self.assertNotIn("wrong" * 8, ran.err + ran.out)
        os.unlink(path)
        self.fails(self.unblacklist(), 5, "credentials")

    def test_the_platforms_token_for_a_merchant(self):
        self.scene.onboard(A, any_openid_valid=True)
        self.scene.must("tenant", "remove", A, "--yes")
        self.sim.cloud(COMPONENT, token=self.TOKEN)
        path = self.scene.path("cloudtoken", self.TOKEN)
        told = self.add("--token-file", path, "--of-platform")
        self.scene.must("tenant", "sync", A)
        told = self.show()
        self.assertEqual((told["credential"], told["certified"], told["basis"], told["permission_sets"]),
                         ("cloud", True, "profile", [1, 2, 15]))
        self.serves()
        (call,) = self.scene.business_calls()
        self.assertEqual((call["token_kind"], call["component"], call["appid"]), ("cloud", COMPONENT, A))
        self.sim.merchant(A, verify_type=-1)
        self.scene.must("tenant", "sync", A)
        self.fails(self.unblacklist(), 4, "not_certified")

    def test_usage(self):
        ran = self.scene.admin("tenant", "add-cloud", "--appid", A, "--of-platform", "--json")
        self.fails(ran, 2, "usage")
        ran = self.scene.admin("tenant", "add-own", "--appid", A, "--appsecret-file", self.scene.path("none"), "--json")
        self.assertEqual(ran.code, 2, ran)


if __name__ == "__main__":
    unittest.main()
