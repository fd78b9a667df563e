"""The operator's answers as processes give them: explain, callback --explain, why, audit --follow, push list, reconnect,
--output-curl."""
import json
import os
import re
import select
import shlex
import signal
import time
import unittest
import urllib.parse

import database
from scene import Scene, openid
from simulator import AES_KEY, COMPONENT, SECRET, TOKEN

A, B = "wxa0000000000000a1", "wxa0000000000000b2"
UNBLACKLIST = "/cgi-bin/tags/members/batchunblacklist"
CONDITIONS = ["tenant_known", "authorized", "account_active", "account_type", "permission_set", "certified",
              "not_refused", "quota", "supported", "token"]
CHECKS = ["query", "body_size", "xml", "signature", "base64", "key", "padding", "length", "appid", "inner_xml",
          "event_appid", "age", "already_seen", "effect"]
RFC3339 = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"


class Case(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.sim = self.scene.sim
        self.scene.ready()

    def usage(self, *arguments, code=2, kind="usage"):
        ran = self.scene.admin(*arguments, "--json")
        self.assertEqual((ran.code, ran.out, ran.error["kind"]), (code, "", kind), ran)
        self.assertTrue(ran.error["hint"], ran)
        return ran


class Explain(Case):
    def explain(self, appid=A, *more):
        return self.scene.admin("explain", appid, *more, "--json")

    def condition(self, told, name):
        return next(one for one in told["conditions"] if one["name"] == name)

    def test_the_shape_to_the_letter(self):
        self.scene.onboard(A)
        ran = self.explain()
        told = ran.json
        self.assertEqual((ran.code, ran.err), (0, ""), ran)
        self.assertEqual(list(told), ["tenant", "call", "allowed", "reason", "conditions", "remedy"])
        self.assertEqual((told["tenant"], told["call"], told["allowed"], told["reason"], told["remedy"]),
                         (A, "batchUnblacklist", True, None, None))
        self.assertEqual([one["name"] for one in told["conditions"]], CONDITIONS)
        for one in told["conditions"]:
            self.assertEqual(list(one), ["name", "holds", "value", "source", "read_at"])
            self.assertIs(one["holds"], True)
            if one["read_at"]:
                self.assertRegex(one["read_at"], RFC3339)
        push = self.scene.must("push", "list", "--tenant", A, "--json").json["pushes"][0]
        self.assertEqual(self.condition(told, "tenant_known")["source"], "push authorized " + push["id"])
        self.assertEqual(self.condition(told, "certified")["source"], "api_get_authorizer_info")
        self.assertEqual(self.condition(told, "token")["source"], "api_query_auth")

    def test_I6_it_agrees_with_what_the_call_meets(self):
        """One merchant a row: explain's exit code and reason are those of unblacklist."""
        rows = [dict(kind=kind, verify_type=verify, permission_sets=sets, account_status=status)
                for kind in ("service", "subscription", "mini_program") for verify in (0, -1, 3)
                for sets in ([2], [100], [1]) for status in (1, 16)]
        reasons = set()
        for number, merchant in enumerate(rows):
            appid = "wxrow%013d" % number
            self.scene.onboard(appid, any_openid_valid=True, **merchant)
            with self.subTest(merchant):
                told = self.explain(appid)
                self.assertEqual(self.scene.business_calls(appid=appid), [])
                ran = self.scene.admin("unblacklist", appid, openid(1), "--json", "--quiet")
                self.assertEqual(told.code, ran.code, (told, ran))
                self.assertEqual(told.json["allowed"], ran.code == 0)
                self.assertEqual(told.json["reason"], None if ran.code == 0 else ran.error["kind"])
                self.assertEqual(all(one["holds"] for one in told.json["conditions"]), told.json["allowed"])
                if ran.code:
                    self.assertEqual(told.error["kind"], ran.error["kind"])
                    self.assertEqual(told.json["remedy"], told.error["hint"])
                    reasons.add(told.json["reason"])
        self.assertEqual(reasons, {"wrong_account_type", "not_certified", "permission_set_missing",
                                   "account_not_active"})

    def test_I6_it_agrees_on_unknown_unauthorized_and_dead_authorizations(self):
        self.assertEqual((self.explain().code, self.explain().json["reason"]), (4, "unknown_tenant"))
        self.scene.onboard(A, any_openid_valid=True)
        self.sim.time(60)  # in the second of the authorization info would decide
        self.scene.push(self.sim.unauthorize(A, deliver=False)["push"])
        told = self.explain()
        self.assertEqual((told.code, told.json["reason"]), (4, "unauthorized"), told)
        self.assertIn("tenant reconnect " + A, told.json["remedy"])
        source = self.condition(told.json, "authorized")["source"]
        self.assertRegex(source, "^push unauthorized [0-9a-f]{64}$")
        self.sim.time(60)
        self.scene.push(self.sim.authorize(A, deliver=False)["push"])
        self.assertEqual(self.explain().code, 0)
        # Every refresh token is dead: found out by the attempt to renew, as by the call.
        self.sim.fault("/cgi-bin/component/api_authorizer_token", errcode=61023, errmsg="refresh_token is invalid",
                       count=100)
        database.write(self.scene.db, "UPDATE tokens SET refused_generation=generation WHERE appid='%s'" % A)
        told = self.explain()
        self.assertEqual((told.code, told.json["reason"]), (5, "reauthorization_required"), told)
        self.assertIn("tenant reconnect " + A, told.json["remedy"])
        ran = self.scene.admin("unblacklist", A, openid(1), "--json", "--quiet")
        self.assertEqual((ran.code, ran.error["kind"]), (5, "reauthorization_required"), ran)
        self.assertIn("tenant reconnect " + A, ran.error["hint"])
        shown = self.scene.must("tenant", "show", A, "--json").json
        self.assertIn("tenant reconnect " + A, shown["calls"]["batchUnblacklist"]["hint"])

    def test_I6_it_agrees_on_quota_and_refusals_that_are_kept(self):
        self.scene.onboard(A, any_openid_valid=True)
        self.sim.fault(UNBLACKLIST, errcode=45009, errmsg="reach max api daily quota limit", count=9)
        for _ in range(2):
            ran = self.scene.admin("unblacklist", A, openid(1), "--json", "--quiet")
            told = self.explain()
            self.assertEqual((ran.code, told.code, told.json["reason"]), (6, 6, "quota_exhausted"), (ran, told))
            self.assertIs(self.condition(told.json, "quota")["holds"], False)
        self.scene.onboard(B, any_openid_valid=True)
        self.sim.clear_faults()
        self.sim.fault(UNBLACKLIST, errcode=48001, errmsg="api unauthorized", count=1)
        ran = self.scene.admin("unblacklist", B, openid(1), "--json", "--quiet")
        told = self.explain(B)
        self.assertEqual((ran.code, told.code), (4, 4), (ran, told))
        self.assertEqual((ran.error["kind"], told.json["reason"]), ("refused_by_wechat",) * 2)
        self.assertEqual(self.condition(told.json, "not_refused")["source"], "errcode 48001 of batchUnblacklist")

    def test_the_token_is_a_condition(self):
        self.scene.onboard(A, any_openid_valid=True)
        database.write(self.scene.db, "UPDATE tokens SET refused_generation=generation")
        self.sim.fault("/cgi-bin/component/api_component_token", errcode=40164,
                       errmsg="invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist", count=9)
        told = self.explain()
        ran = self.scene.admin("unblacklist", A, openid(1), "--json", "--quiet")
        self.assertEqual((told.code, told.json["reason"]), (ran.code, ran.error["kind"]), (told, ran))
        self.assertEqual(told.code, 5)
        self.assertIs(self.condition(told.json, "token")["holds"], False)
        self.assertEqual([one["name"] for one in told.json["conditions"] if not one["holds"]], ["token"])
        self.sim.clear_faults()
        self.assertEqual(self.explain().code, 0)
        self.assertEqual(self.scene.business_calls(), [])

    def test_offline_asks_nothing(self):
        self.scene.onboard(A, verify_type=-1)
        database.write(self.scene.db, "UPDATE tenants SET profile_ms=profile_ms-3600000")
        calls = len(self.sim.journal())
        told = self.explain(A, "--offline")
        self.assertEqual((told.code, told.json["reason"]), (4, "not_certified"))
        self.assertEqual(len(self.sim.journal()), calls)
        self.sim.merchant(A, verify_type=0)
        self.assertEqual(self.explain().code, 0)  # the old no was looked at again
        self.assertGreater(len(self.sim.journal()), calls)
        self.assertEqual(self.scene.business_calls(), [])
        # Where WeChat is away, what is stored can be had all the same.
        database.write(self.scene.db, "UPDATE tenants SET verify_type=-1, certified=0, profile_ms=profile_ms-3600000")
        ran = self.scene.admin("explain", A, "--json", "--max-wait", "0", env={"WXTP_API_BASE": "http://127.0.0.1:9"})
        self.assertEqual((ran.code, ran.out, ran.error["kind"]), (7, "", "unavailable"), ran)
        self.assertEqual(self.explain(A, "--offline").code, 4)

    def test_for_the_merchant(self):
        self.scene.onboard(A, nick_name="一家店", permission_sets=[1])
        ran = self.scene.admin("explain", A, "--for-merchant", "zh")
        self.assertEqual(ran.code, 4)
        for word in ("一家店", "公众号授权", "用户管理权限"):
            self.assertIn(word, ran.out)
        self.assertNotIn("wxtp-admin", ran.out)
        english = self.explain(A, "--for-merchant", "en").json
        self.assertEqual(list(english)[-1], "message")
        self.assertIn("User management", english["message"])
        self.assertIn("一家店", english["message"])
        self.usage("explain", A, "--for-merchant", "fr")
        self.usage("explain", A, "--for-merchant")

    def test_wrong_inputs(self):
        self.usage("explain")
        self.usage("explain", A, "batchUnblacklist", "more")
        self.usage("explain", A, "noSuchCall", kind="not_found")
        self.usage("explain", A, "--follow")
        ran = self.scene.admin("explain", A, "--json=lines")
        self.assertEqual(ran.code, 2, ran)
        ran = self.scene.admin("explain", A)
        self.assertEqual(ran.code, 4)
        self.assertRegex(ran.err, r"(?s)error: .*unknown_tenant.*\nhint: .+\n$")

    def test_own_and_cloud_accounts(self):
        self.scene.must("tenant", "add-own", "--appid", A, "--appsecret-file", self.scene.path("s", "s" * 32),
                        "--account", "service", "--certified", "no")
        told = self.explain()
        self.assertEqual((told.code, told.json["reason"]), (4, "not_certified"), told)
        self.assertEqual(self.condition(told.json, "certified")["source"], "operator")
        self.scene.must("tenant", "add-cloud", "--appid", B, "--account", "service", "--certified", "yes")
        self.assertEqual(self.explain(B).code, 0)
        told = self.explain(B, "batchBlacklist")
        self.assertEqual((told.code, told.json["reason"]), (4, "not_supported"), told)


class Callback(Case):
    """The first check that fails, for every forgery; nothing is taken, no secret shown."""

    FORGERIES = {"signature": "signature", "token": "signature", "unsigned": "query", "appid": "appid",
                 "padding": "padding", "pad_zero": "padding", "pad_over": "padding", "length": "length",
                 "negative": "length", "block": "padding", "flip": "length", "key": "key", "base64": "base64",
                 "empty": "xml", "envelope": "xml", "doctype": "xml"}

    def event(self, create=60):
        return ("<xml><AppId>%s</AppId><CreateTime>%d</CreateTime><InfoType>unauthorized</InfoType>"
                "<AuthorizerAppid>%s</AuthorizerAppid></xml>" % (COMPONENT, time.time() + create, A))

    def seal(self, xml=None, **options):
        return self.sim.push(xml or self.event(), deliver=False, **options)["push"]

    def explain(self, push, *more):
        before = database.dump(self.scene.db)
        ran = self.scene.admin("callback", "--explain", "--query", push["query"], "--json", *more, data=push["body"])
        self.assertEqual(database.dump(self.scene.db), before)
        for secret in (TOKEN, AES_KEY, SECRET):
            self.assertNotIn(secret, ran.out + ran.err)
        return ran

    def fails(self, push, name):
        ran = self.explain(push)
        told = ran.json
        self.assertEqual((ran.code, ran.error["kind"], told["would_apply"]), (5, "signature", False), ran)
        self.assertEqual([one["name"] for one in told["checks"]], CHECKS)
        first = next(one for one in told["checks"] if one["ok"] is False)
        self.assertEqual(first["name"], name, ran)
        self.assertTrue(first["detail"] and first["hint"])
        self.assertEqual(ran.error["hint"], first["hint"])
        at = CHECKS.index(name)
        self.assertEqual([one["ok"] for one in told["checks"]], [True] * at + [False] + [None] * (len(CHECKS) - at - 1))
        self.assertEqual(self.scene.push(push).code, 5)  # as callback has it
        return first

    def test_I8_the_first_failing_check_of_each_forgery(self):
        self.scene.onboard(A)
        for forge, name in self.FORGERIES.items():
            for _ in range(2):
                with self.subTest(forge):
                    self.fails(self.seal(forge=forge), name)

    def test_I8_the_setting_to_change_is_named(self):
        self.assertIn("--token-file", self.fails(self.seal(forge="token"), "signature")["hint"])
        self.assertIn("--aes-key-file", self.fails(self.seal(forge="key"), "key")["hint"])
        self.assertIn("another platform", self.fails(self.seal(forge="appid"), "appid")["hint"])
        push = self.seal()
        self.fails({"query": push["query"].replace("msg_signature=", "msg_signature=zz"), "body": push["body"]},
                   "signature")
        self.fails({"query": push["query"], "body": ""}, "body_size")
        self.fails({"query": push["query"], "body": push["body"] + " " * (1 << 20)}, "body_size")
        self.fails({"query": "", "body": push["body"]}, "query")
        self.fails(self.seal("<xml><InfoType>"), "inner_xml")
        self.fails(self.seal(self.event().replace(COMPONENT, "wxffffffffffffffff")), "event_appid")

    def test_I8_it_agrees_with_callback_on_what_is_taken(self):
        self.scene.onboard(A)
        late = self.seal(self.event(-3600))
        ran = self.explain(late)
        self.assertEqual((ran.code, ran.json["would_apply"]), (0, False), ran)
        self.assertEqual([one["name"] for one in ran.json["checks"] if not one["ok"]], ["age", "effect"])
        self.assertEqual(self.scene.push(late).json["applied"], False)
        push = self.seal()
        ran = self.explain(push)
        self.assertEqual((ran.code, ran.json["would_apply"]), (0, True), ran)
        self.assertTrue(all(one["ok"] for one in ran.json["checks"]))
        self.assertEqual(list(ran.json), ["checks", "would_apply"])
        self.assertEqual(list(ran.json["checks"][0]), ["name", "ok", "detail", "hint"])
        self.assertEqual(self.scene.push(push).json["applied"], True)
        ran = self.explain(push)
        self.assertEqual((ran.code, ran.json["would_apply"]), (0, False), ran)
        self.assertEqual([one["name"] for one in ran.json["checks"] if not one["ok"]], ["already_seen", "effect"])

    def test_I9_tickets_and_codes_are_not_shown(self):
        self.sim.merchant(A, permission_sets=[2])
        authorized = self.sim.authorize(A, deliver=False)
        ticket = self.sim.ticket(deliver=False)
        for push, secret in ((authorized["push"], authorized["authorization_code"]), (ticket["push"], ticket["ticket"])):
            ran = self.explain(push)
            self.assertEqual(ran.code, 0, ran)
            self.assertNotIn(secret, ran.out + ran.err)

    def test_the_previous_key_is_named(self):
        self.sim.component(encoding_aes_key="n" * 42 + "E", token="anotherToken2027")
        self.scene.must("platform", "set", "--component-appid", COMPONENT,
                        "--token-file", self.scene.path("t", "anotherToken2027"),
                        "--aes-key-file", self.scene.path("k", "n" * 42 + "E"))
        for key, word in (("current", "current"), ("previous", "previous")):
            told = self.explain(self.seal(key=key)).json["checks"]
            self.assertIn(word, told[CHECKS.index("signature")]["detail"])
            self.assertIn(word, told[CHECKS.index("key")]["detail"])

    def test_one_line_a_check(self):
        push = self.seal(forge="padding")
        ran = self.scene.admin("callback", "--explain", "--query", push["query"], "--body",
                               self.scene.path("body", push["body"]))
        self.assertEqual(ran.code, 5)
        lines = ran.out.splitlines()
        self.assertEqual([line.split()[1] for line in lines[:-1]], CHECKS)
        self.assertEqual([line.split()[0] for line in lines[:-1]], ["ok"] * 6 + ["FAIL"] + ["-"] * 7)
        self.usage("callback", "--explain")
        self.usage("callback", "--explain", "--query", "a=b", "--body", self.scene.path("none"), kind="not_found")


class Why(Case):
    def rid_of_a_refusal(self, number):
        ran = self.scene.admin("unblacklist", A, "x" + openid(number)[1:], "--json", "--quiet")
        self.assertEqual((ran.code, len(ran.json["invalid"])), (3, 1), ran)
        return self.scene.must("audit", "--tenant", A, "--errcode", "40003", "--limit", "1", "--json").json["audit"][0]

    def test_from_a_complaint_to_the_call(self):
        self.scene.onboard(A)
        row = self.rid_of_a_refusal(1)
        self.assertTrue(row["rid"])
        told = self.scene.must("why", row["rid"], "--json").json
        self.assertEqual(list(told), ["rid", "tenant", "time", "call", "job", "openids", "errcode", "errmsg",
                                      "duration_ms", "token", "authorization"])
        for name in ("rid", "tenant", "time", "call", "job", "openids", "errcode", "errmsg", "duration_ms"):
            self.assertEqual(told[name], row[name])
        self.assertEqual((told["token"]["version"], told["token"]["made_by"]), (1, "api_query_auth"))
        push = self.scene.must("push", "list", "--tenant", A, "--json").json["pushes"][0]
        self.assertEqual((told["authorization"]["by"], told["authorization"]["event"], told["authorization"]["push"]),
                         ("push", "authorized", push["id"]))
        self.scene.must("token", "refresh", A)
        row = self.rid_of_a_refusal(2)
        for text in (row["rid"], "rid: " + row["rid"], " %s " % row["rid"]):
            told = self.scene.must("why", text, "--json").json
            self.assertEqual((told["token"]["version"], told["token"]["made_by"]), (2, "api_authorizer_token"))
            self.assertRegex(told["token"]["made_at"], RFC3339)
            self.assertEqual(told["authorization"]["push"], push["id"])
        lines = self.scene.must("why", row["rid"]).out
        self.assertIn("push authorized " + push["id"][:12], lines)
        self.assertIn("api_authorizer_token at ", lines)

    def test_what_an_operator_brought(self):
        self.sim.merchant(A, permission_sets=[2])
        code = self.sim.authorize(A, deliver=False)["authorization_code"]
        self.scene.must("tenant", "add", "--auth-code", code)
        told = self.scene.must("why", self.rid_of_a_refusal(1)["rid"], "--json").json
        self.assertEqual((told["authorization"]["by"], told["authorization"]["push"]), ("operator", None))

    def test_rows_of_before_are_told_as_far_as_they_go(self):
        self.scene.onboard(A)
        row = self.rid_of_a_refusal(1)
        database.write(self.scene.db, "UPDATE audit SET made_generation=0, source=''")
        told = self.scene.must("why", row["rid"], "--json").json
        self.assertEqual(told["token"], {"version": 1, "made_by": None, "made_at": None})
        self.assertIsNone(told["authorization"])
        self.assertIn("not on record", self.scene.must("why", row["rid"]).out)

    def test_wrong_inputs(self):
        self.usage("why")
        self.usage("why", "")
        self.usage("why", "rid: ")
        self.usage("why", "a", "b")
        self.usage("why", "6a-6b-6c", kind="not_found")


class Follow(Case):
    def start(self, *more):
        return self.scene.start("audit", "--follow", *more)

    def read(self, child, count, timeout=20):
        """So many lines as they come."""
        lines, rest = [], b""
        end = time.monotonic() + timeout
        while len(lines) < count and time.monotonic() < end:
            if select.select([child.stdout], [], [], 0.2)[0]:
                data = os.read(child.stdout.fileno(), 65536)
                if not data:
                    break
                *whole, rest = (rest + data).split(b"\n")
                lines += whole
        self.assertEqual(rest, b"")
        return [line.decode() for line in lines]

    def end(self, child, number=signal.SIGINT):
        child.send_signal(number)
        ran = self.scene.finish(child, timeout=20)
        self.assertEqual((ran.code, ran.err), (0, ""), ran)
        return ran

    def test_every_row_of_every_process_once(self):
        for appid in (A, B):
            self.scene.onboard(appid, any_openid_valid=True)
        known = [row["id"] for row in self.scene.must("audit", "--limit", "10000", "--json=lines").lines]
        child = self.start("--json=lines", "--limit", "10000")
        shown = [json.loads(line)["id"] for line in self.read(child, len(known))]
        self.assertEqual(shown, known)
        openids = self.scene.path("openids", "".join(openid(number) + "\n" for number in range(4000)))
        writers = [self.scene.start("unblacklist", appid, "--file", openids, "--quiet") for appid in (A, B)]
        for writer in writers:
            self.assertEqual(self.scene.finish(writer).code, 0)
        wanted = [row["id"] for row in self.scene.must("audit", "--limit", "10000", "--json=lines").lines]
        self.assertEqual(len(wanted), len(known) + 400)
        shown += [json.loads(line)["id"] for line in self.read(child, len(wanted) - len(shown))]
        self.assertEqual(shown, wanted)
        self.assertEqual(self.end(child).out, "")

    def test_only_what_was_chosen(self):
        for appid in (A, B):
            self.scene.onboard(appid, any_openid_valid=True)
        self.sim.fault(UNBLACKLIST, errcode=45009, errmsg="reach max api daily quota limit", count=2)
        chosen = self.start("--json=lines", "--errcode", "45009", "--tenant", A)
        everything = self.start("--json=lines", "--limit", "1")
        self.read(everything, 1)
        for appid in (B, A, A):
            self.scene.admin("unblacklist", appid, openid(1), "--quiet")
        rows = [json.loads(line) for line in self.read(chosen, 1)]
        self.assertEqual([(row["tenant"], row["errcode"]) for row in rows], [(A, 45009)])
        self.read(everything, 3)
        self.end(everything)
        self.assertEqual(self.end(chosen, signal.SIGTERM).out, "")

    def test_lines_for_people(self):
        self.scene.onboard(A, any_openid_valid=True)
        child = self.start("--limit", "1")
        self.assertTrue(self.read(child, 1)[0].startswith("TIME"))
        self.read(child, 1)
        self.scene.must("unblacklist", A, openid(1), "--quiet")
        line = self.read(child, 1)[0]
        self.assertIn("batchUnblacklist", line)
        self.assertIn(A, line)
        self.end(child)

    def test_it_rests_while_nothing_comes(self):
        self.scene.onboard(A)
        child = self.start("--json=lines", "--limit", "1")
        self.read(child, 1)

        def ticks():
            with open("/proc/%d/stat" % child.pid) as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])

        before, began = ticks(), time.monotonic()
        self.assertEqual(self.read(child, 1, timeout=3), [])
        used = (ticks() - before) / os.sysconf("SC_CLK_TCK")
        self.assertLess(used, 0.2 * (time.monotonic() - began))
        self.end(child)

    def test_a_reader_that_leaves_ends_it(self):
        self.scene.onboard(A)
        child = self.start("--json=lines", "--limit", "1")
        self.read(child, 1)
        child.stdout.close()
        self.assertEqual(child.wait(timeout=20), 0)
        self.assertEqual(child.stderr.read(), b"")

    def test_the_list_by_errcode(self):
        self.scene.onboard(A)
        for number in range(3):
            self.scene.admin("unblacklist", A, "x" + openid(number)[1:], "--quiet")
        rows = self.scene.must("audit", "--errcode", "40003", "--json").json["audit"]
        self.assertEqual([row["errcode"] for row in rows], [40003] * 3)
        self.assertEqual(self.scene.must("audit", "--errcode", "-1", "--json").json["audit"], [])

    def test_wrong_inputs(self):
        self.usage("audit", "--follow")  # one document has an end
        self.usage("audit", "--errcode", "many")
        self.usage("audit", "--errcode", "1.5")
        self.usage("audit", "--follow", "--since", "soon")


class PushList(Case):
    def test_what_was_received_and_what_became_of_it(self):
        self.scene.onboard(A)
        late = ("<xml><AppId>%s</AppId><CreateTime>%d</CreateTime><InfoType>unauthorized</InfoType>"
                "<AuthorizerAppid>%s</AuthorizerAppid></xml>" % (COMPONENT, time.time() - 3600, A))
        push = self.sim.push(late, deliver=False)["push"]
        self.scene.push(push)
        self.scene.push(push)  # a replay is no other push
        self.scene.push(self.sim.push(late, deliver=False, forge="key")["push"])  # nor is a forgery
        page = self.scene.must("push", "list", "--json").json
        self.assertEqual(list(page), ["pushes", "next"])
        rows = page["pushes"]
        self.assertEqual(list(rows[0]), ["id", "received_at", "create_time", "event", "tenant", "applied", "why"])
        self.assertEqual([(row["event"], row["tenant"], row["applied"]) for row in rows],
                         [("component_verify_ticket", None, True), ("authorized", A, True), ("unauthorized", A, False)])
        self.assertEqual(rows[2]["why"], "older than what is stored")
        self.assertRegex(rows[0]["id"], "^[0-9a-f]{64}$")
        self.assertRegex(rows[0]["received_at"], RFC3339)
        self.assertEqual(self.scene.must("push", "list", "--tenant", A, "--json=lines").lines, rows[1:])
        self.assertEqual(self.scene.must("push", "list", "--limit", "1", "--json=lines").lines, rows[2:])
        self.assertEqual(self.scene.must("push", "list", "--since", "1h", "--json=lines").lines, rows)
        self.assertEqual(self.scene.must("push", "list", "--since", "2999-01-01", "--json").json["pushes"], [])
        self.assertEqual(self.scene.must("push", "list", "--tenant", B, "--json").json["pushes"], [])
        table = self.scene.must("push", "list").out
        self.assertIn("older than what is stored", table)
        self.assertIn(rows[0]["id"][:12], table)

    def test_wrong_inputs(self):
        self.usage("push", "list", "--since", "soon")
        self.usage("push", "list", "--limit", "0")
        self.usage("push", "list", "more")
        self.usage("push")
        with Scene(simulator=False) as bare:
            ran = bare.admin("push", "list", "--json")
            self.assertEqual((ran.code, ran.error["kind"]), (5, "configuration"), ran)

    def test_a_database_of_before_is_taken_on(self):
        self.scene.onboard(A, any_openid_valid=True)
        row = database.rows(self.scene.db, "PRAGMA user_version")[0][0]
        self.assertGreaterEqual(row, 2)
        database.write(self.scene.db, "UPDATE pushes SET event='', applied=-1, why=''")
        self.assertEqual(self.scene.must("push", "list", "--json").json["pushes"], [])
        self.assertEqual(self.scene.must("db", "check", "--json").json["ok"], True)


class Reconnect(Case):
    def test_the_link_is_bound_to_the_account(self):
        self.scene.onboard(A)
        back = "https://wx.example.com/back?a=b&c=d"
        told = self.scene.must("tenant", "reconnect", A, "--redirect-uri", back, "--json").json
        self.assertEqual(list(told), ["tenant", "url", "expires_in"])
        self.assertEqual(told["tenant"], A)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(told["url"]).query)
        self.assertEqual((query["biz_appid"], query["redirect_uri"]), ([A], [back]))
        self.assertNotIn("auth_type", query)
        line = self.scene.must("tenant", "reconnect", A, "--redirect-uri", back, "--mobile").out
        self.assertIn("action=bindcomponent", line)
        self.assertIn("biz_appid=" + A, line)

    def test_wrong_inputs(self):
        ran = self.scene.admin("tenant", "reconnect", A, "--redirect-uri", "https://a.example/", "--json")
        self.assertEqual((ran.code, ran.out, ran.error["kind"]), (4, "", "unknown_tenant"), ran)
        self.scene.onboard(A)
        self.usage("tenant", "reconnect", A)
        self.usage("tenant", "reconnect", "--redirect-uri", "https://a.example/")
        self.usage("tenant", "reconnect", A, "--redirect-uri", "ftp://a.example/")
        self.scene.must("tenant", "add-own", "--appid", B, "--appsecret-file", self.scene.path("s", "s" * 32))
        self.usage("tenant", "reconnect", B, "--redirect-uri", "https://a.example/")


class OutputCurl(Case):
    def shown(self, *arguments, appid=A):
        calls = len(self.sim.journal())
        line = self.scene.must(*arguments, "--output-curl").out
        self.assertEqual(self.scene.must("--output-curl", *arguments, "--json").json["curl"],
                         line.replace(" \\\n  ", " ").rstrip("\n"))
        self.assertEqual(len(self.sim.journal()), calls)
        words = shlex.split(line.replace("\\\n", ""))
        self.assertEqual(words[:4] + words[5:8], ["curl", "-sS", "-X", "POST", "-H",
                                                  "Content-Type: application/json; charset=utf-8", "--data-raw"])
        return words[4], words[8]

    def test_the_command_does_what_the_call_does(self):
        self.scene.onboard(A, any_openid_valid=True)
        url, body = self.shown("unblacklist", A, openid(1), openid(2), openid(1), "no openid")
        self.assertEqual(url, self.sim.base + UNBLACKLIST + "?access_token=$TOKEN")
        token = self.scene.must("token", "show", A, "--reveal", "--json").json["access_token"]
        path = url.replace("$TOKEN", urllib.parse.quote(token, safe=""))[len(self.sim.base):]
        self.assertEqual(self.sim.request("POST", path, body.encode())[0], 200)
        by_hand = self.scene.business_calls()[-1]
        self.scene.must("unblacklist", A, openid(1), openid(2), "--quiet")
        by_us = self.scene.business_calls()[-1]
        for name in ("path", "body", "errcode", "appid"):
            self.assertEqual(by_hand.get(name), by_us.get(name))

    def test_long_lists_show_their_first_call(self):
        self.scene.onboard(A)
        many = self.scene.path("many", "".join(openid(number) + "\n" for number in range(50)))
        self.assertEqual(json.loads(self.shown("unblacklist", A, "--file", many)[1]),
                         {"openid_list": [openid(number) for number in range(20)]})

    def test_other_calls(self):
        self.scene.onboard(A)
        url, body = self.shown("blacklist", "list", A)
        self.assertTrue(url.endswith("/getblacklist?access_token=$TOKEN"))
        self.assertEqual(body, '{"begin_openid":""}')
        self.assertTrue(self.shown("blacklist", "add", A, openid(1))[0].endswith("/batchblacklist?access_token=$TOKEN"))
        url, body = self.shown("tenant", "sync", A)
        self.assertTrue(url.endswith("api_get_authorizer_info?component_access_token=$TOKEN"))
        self.assertEqual(json.loads(body), {"component_appid": COMPONENT, "authorizer_appid": A})
        for command in (("tenant", "reconnect", A), ("authorize-url",)):
            url, body = self.shown(*command, "--redirect-uri", "https://a.example/")
            self.assertTrue(url.endswith("api_create_preauthcode?component_access_token=$TOKEN"))
            self.assertEqual(json.loads(body), {"component_appid": COMPONENT})

    def test_cloud_accounts(self):
        self.scene.must("tenant", "add-cloud", "--appid", A)
        self.assertTrue(self.shown("unblacklist", A, openid(1))[0].endswith("/batchunblacklist"))
        self.scene.must("tenant", "add-cloud", "--appid", A, "--token-file", self.scene.path("t", "secret-cloud-token"))
        self.assertTrue(self.shown("unblacklist", A, openid(1))[0].endswith("?cloudbase_access_token=$TOKEN"))
        self.sim.merchant(B, permission_sets=[2])
        self.sim.authorize(B, deliver=False)
        self.scene.must("tenant", "add-cloud", "--appid", B, "--token-file", self.scene.path("t"), "--of-platform")
        self.assertTrue(self.shown("unblacklist", B, openid(1))[0].endswith("?cloudbase_access_token=$TOKEN%40" + B))

    def test_wrong_inputs(self):
        self.scene.onboard(A)
        for command in (("token", "show", A), ("doctor",), ("tenant", "sync", "--all"), ("tenant", "sync", A, B),
                        ("unblacklist", "--batch", self.scene.path("b", A + "\t" + openid(1))), ("explain", A)):
            self.usage(*command, "--output-curl")
        self.usage("unblacklist", A, "no openid", "--output-curl")
        self.usage("unblacklist", A, "--file", self.scene.path("none"), "--output-curl", kind="not_found")
        self.usage("unblacklist", B, openid(1), "--output-curl", code=4, kind="unknown_tenant")


class Readme(Case):
    """Its examples are what the program prints, but for times, ids and who made them."""

    MERCHANT = "wxa100000000000001"

    @staticmethod
    def plain(text):
        for pattern, word in ((r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"), (r"\d+ (s|min|h|d) ago", "AGE"),
                              (r"\bj[0-9a-z]{18}\b", "JOB"), (r"\b[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}\b", "RID"),
                              (r"\b[0-9a-f]{12}\b", "PUSH"), (r"(?m)^(duration ms: +)\d+$", r"\1MS"),
                              (r"\d+ (bytes|characters)", r"N \1")):
            text = re.sub(pattern, word, text)
        return text

    def outputs(self):
        """What each command of the examples prints."""
        self.scene.onboard(self.MERCHANT, permission_sets=[1, 2, 15])
        ran = self.scene.admin("unblacklist", self.MERCHANT, "x" + openid(1)[1:], "--json", "--quiet")
        self.assertEqual(ran.code, 3, ran)
        rid = self.scene.must("audit", "--errcode", "40003", "--json").json["audit"][0]["rid"]
        why = self.scene.must("why", rid).out
        self.sim.merchant(self.MERCHANT, verify_type=-1)
        self.scene.must("tenant", "sync", self.MERCHANT)
        explained = self.scene.admin("explain", self.MERCHANT)
        push = self.sim.push("<xml><AppId>%s</AppId></xml>" % COMPONENT, forge="key", deliver=False)["push"]
        checked = self.scene.admin("callback", "--explain", "--query", push["query"], data=push["body"])
        self.assertEqual((explained.code, checked.code), (4, 5))
        return {"explain": explained.out, "why": why, "callback": checked.out}

    def test_the_examples_are_what_is_printed(self):
        outputs = self.outputs()
        for name in ("README.md", "README.zh-CN.md"):
            with open(os.path.join(os.environ["WXTP_SOURCE"], name), encoding="utf-8") as file:
                text = file.read()
            shown = dict(re.findall(r"(?s)```\n\$ wxtp-admin (\w+)[^\n]*\n(.*?)```", text))
            self.assertLessEqual(set(outputs), set(shown), name)
            for command, output in outputs.items():
                self.assertEqual(self.plain(shown[command]), self.plain(output), (name, command))


if __name__ == "__main__":
    unittest.main()
