"""Pushes as they come over HTTP, handed to `callback`: what is authentic counts once and in order (I8)."""
import hashlib
import os
import re
import time
import unittest
import urllib.parse

import database
from scene import Scene, openid
from simulator import AES_KEY, COMPONENT, SECRET, TOKEN

A, B = "wxa0000000000000a1", "wxa0000000000000b2"
OTHER = "wxffffffffffffffff"
FORGERIES = ("signature", "token", "unsigned", "appid", "padding", "pad_zero", "pad_over", "length", "negative",
             "block", "flip", "key", "base64", "empty", "envelope", "doctype")
NEW_KEY, NEW_TOKEN = "n" * 42 + "E", "anotherToken2027"


def event(info_type, appid=A, create=None, component=COMPONENT, more=""):
    return ("<xml><AppId><![CDATA[%s]]></AppId><CreateTime>%d</CreateTime><InfoType><![CDATA[%s]]></InfoType>"
            "<AuthorizerAppid><![CDATA[%s]]></AuthorizerAppid>%s</xml>"
            % (component, create or time.time(), info_type, appid, more))


class Pushes(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.sim = self.scene.sim
        self.scene.ready()
        self.scene.onboard(A, any_openid_valid=True)

    def seal(self, xml, **options):
        return self.sim.push(xml, deliver=False, **options)["push"]

    def take(self, xml, **options):
        return self.scene.push(self.seal(xml, **options))

    def status(self, appid=A):
        return self.scene.must("tenant", "show", appid, "--json").json["status"]

    def refused(self, push):
        """Exit 5, kind signature, not a byte of stdout, not a row changed."""
        before = database.dump(self.scene.db)
        ran = self.scene.push(push)
        self.assertEqual((ran.code, ran.out), (5, ""), ran)
        self.assertEqual(ran.error["kind"], "signature", ran)
        self.assertTrue(ran.error["message"] and ran.error["hint"], ran)
        self.assertEqual(database.dump(self.scene.db), before)
        return ran

    def test_I8_no_forgery_changes_a_row(self):
        ticket = ("<xml><AppId>%s</AppId><CreateTime>%d</CreateTime><InfoType>component_verify_ticket</InfoType>"
                  "<ComponentVerifyTicket>ticket@@@forged</ComponentVerifyTicket></xml>" % (COMPONENT, time.time() + 9))
        for forge in FORGERIES:
            for xml in (ticket, event("unauthorized", create=time.time() + 60)):
                with self.subTest(forge):
                    self.refused(self.seal(xml, forge=forge))

    def test_a_push_does_not_wait_for_a_database_that_is_locked_longer_than_wechat_does(self):
        push = self.seal(event("unauthorized", create=time.time() + 60))
        with database.locked(self.scene.db):
            began = time.monotonic()
            ran = self.scene.push(push)
            waited = time.monotonic() - began
        self.assertEqual((ran.code, ran.out), (1, ""), ran)
        self.assertEqual(ran.error["kind"], "store", ran)
        self.assertLess(waited, 20)  # the store itself waits for 30 s
        self.assertEqual(self.scene.push(push).json["applied"], True)
        self.assertEqual(self.status(), "unauthorized")

    def test_I8_a_query_or_a_body_that_is_changed_in_one_place(self):
        push = self.seal(event("unauthorized", create=time.time() + 60))
        fields = dict(field.split("=", 1) for field in push["query"].split("&"))
        for name in ("timestamp", "nonce", "msg_signature"):
            for value in (None, "", "0", fields[name][:-1]):
                changed = dict(fields, **{name: value})
                query = "&".join("%s=%s" % pair for pair in changed.items() if pair[1] is not None)
                with self.subTest(query):
                    self.refused({"query": query, "body": push["body"]})
        body = push["body"]
        for changed in ("", "x", "<xml/>", body[:-9], body.replace("<Encrypt>", "<Encrypted>"), body + body,
                        "<!DOCTYPE xml [<!ENTITY a 'b'>]>" + body):
            with self.subTest(changed[:40]):
                self.refused({"query": push["query"], "body": changed})
        self.refused({"query": "", "body": body})
        self.assertEqual(self.scene.push(push).json["applied"], True)

    def signed(self, timestamp, nonce, sealed, body=None):
        """A push whose msg_signature is right, whatever else it is."""
        text = "".join(sorted([TOKEN, timestamp, nonce, sealed]))
        query = urllib.parse.urlencode({"timestamp": timestamp, "nonce": nonce, "encrypt_type": "aes",
                                        "msg_signature": hashlib.sha1(text.encode()).hexdigest()})
        return {"query": query, "body": body or "<xml><Encrypt>%s</Encrypt></xml>" % sealed}

    def sealed_text(self, xml, **options):
        return re.search(r"<Encrypt><!\[CDATA\[(.*?)\]\]>", self.seal(xml, **options)["body"]).group(1)

    def test_I8_a_boundary_that_is_moved_keeps_the_signature_and_is_refused_all_the_same(self):
        """The signature is of four texts without separators, so their boundaries may be moved: the front or the end of
        the sealed text into the nonce, next to which it is sorted. What is left is still sealed with the true key."""
        moved = 0
        for number in range(40):
            sealed = self.sealed_text(event("unauthorized", create=time.time() + 60 + number))
            for cut in (4, 24, 64, 128, 192):
                for kept, given in ((sealed[cut:], sealed[:cut]), (sealed[:-cut], sealed[-cut:])):
                    front = kept == sealed[cut:]
                    # The nonce that makes the joined text the same, where the order of the texts allows one.
                    nonce = given if front else given + "~"
                    before = sorted([TOKEN, "1", "" if front else "~", sealed])
                    after = sorted([TOKEN, "1", nonce, kept])
                    if "".join(before) != "".join(after):
                        continue
                    moved += 1
                    ran = self.scene.push(self.signed("1", nonce, kept))
                    self.assertEqual((ran.code, ran.error["kind"]), (5, "signature"), ran)
                    self.assertNotIn("msg_signature", ran.error["message"])
            if moved > 20:
                break
        self.assertGreater(moved, 5)
        self.assertEqual(self.status(), "authorized")

    def test_I8_signatures_that_are_almost_right(self):
        push = self.seal(event("unauthorized", create=time.time() + 60))
        fields = dict(urllib.parse.parse_qsl(push["query"]))
        right = fields["msg_signature"]
        for wrong in (right + "0", right + "\0", " " + right, right + " ", right.swapcase() if right.lower() !=
                      right.upper() else "", "0" * 40, right[::-1], right * 2, "x" * 300,
                      hashlib.sha1((TOKEN + fields["timestamp"] + fields["nonce"]).encode()).hexdigest()):
            with self.subTest(wrong):
                self.refused({"query": urllib.parse.urlencode(dict(fields, msg_signature=wrong)), "body": push["body"]})
        # The first of two counts, as it does for the one who reads the log.
        self.refused({"query": "msg_signature=%s&%s" % ("0" * 40, push["query"]), "body": push["body"]})

    def test_I8_two_envelopes_in_one_body(self):
        good = self.sealed_text(event("unauthorized", create=time.time() + 60))
        other = self.sealed_text(event("unauthorized", create=time.time() + 90))
        push = self.signed("1", "n", good)
        body = "<xml><Encrypt>%s</Encrypt><Encrypt>%s</Encrypt></xml>"
        self.refused({"query": push["query"], "body": body % (other, good)})
        ran = self.scene.push({"query": push["query"], "body": body % (good, other)})
        self.assertEqual((ran.code, ran.json["applied"]), (0, True), ran)

    def test_I8_what_is_sealed_well_and_means_harm(self):
        """As whoever has stolen Token and key could: still no entity is expanded, nothing grows."""
        laughs = "".join('<!ENTITY l%d "%s">' % (n, "&l%d;" % (n - 1) * 10) for n in range(1, 10))
        within = event("unauthorized", create=time.time() + 60)[len("<xml>"):]
        cases = {
            "laughs": '<!DOCTYPE x [<!ENTITY l0 "ha">%s]><xml><A>&l9;</A>%s' % (laughs, within),
            "a file": '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml><A>&f;</A>%s' % within,
            "an outer subset": '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><xml>%s' % within,
            "an unknown entity": "<xml><A>&nothing;</A>%s" % within,
            "too deep": "<xml>%s%s%s" % ("<a>" * 9, "</a>" * 9, within),
            "too wide": "<xml>%s%s" % ("<a/>" * 129, within),
            "too much text": "<xml><A>%s</A>%s" % ("x" * 65536, within),
            "not closed": "<xml>" + within[:-6],
            "two roots": "<xml/><xml>" + within,
            "no characters": "<xml><A>&#0;</A>" + within,
            "another encoding": '<?xml version="1.0" encoding="utf-7"?><xml/><xml>' + within,
            "nothing": " ",
        }
        for name, xml in cases.items():
            with self.subTest(name):
                began = time.monotonic()
                self.refused(self.seal(xml))
                self.assertLess(time.monotonic() - began, 10)

    def test_I8_bodies_made_to_be_slow(self):
        push = self.seal(event("unauthorized", create=time.time() + 60))
        most = (1 << 20) - 100
        for name, body in {
                "attributes": "<xml %s/>" % " ".join('a%d=""' % n for n in range(most // 11)),
                "one name": "<%s/>" % ("x" * most),
                "depth": "<a>" * (most // 3),
                "references": "<xml><Encrypt>%s</Encrypt></xml>" % ("&#65;" * (most // 5 - 20)),
                "comments": "<xml>%s</xml>" % ("<!---->" * (most // 7 - 20)),
                "CDATA": "<xml><Encrypt>%s</Encrypt></xml>" % ("<![CDATA[A]]>" * (most // 13 - 20)),
        }.items():
            with self.subTest(name):
                began = time.monotonic()
                self.refused({"query": push["query"], "body": body})
                self.assertLess(time.monotonic() - began, 10)

    def test_I8_an_oversized_body(self):
        push = self.seal(event("unauthorized", create=time.time() + 60))
        for size in ((1 << 20) + 1, 5 << 20):
            padded = push["body"].replace("</xml>", " " * (size - len(push["body"])) + "</xml>")
            self.refused({"query": push["query"], "body": padded})

    def test_I8_anothers_push(self):
        """Symptom: 61006, and two platforms push to one server."""
        self.sim.component(OTHER)
        self.refused(self.seal(event("unauthorized", component=OTHER), component_appid=OTHER))
        # Sealed for us, but it names another platform within.
        self.refused(self.seal(event("unauthorized", component=OTHER)))
        self.assertEqual(self.status(), "authorized")

    def test_I8_two_platforms_keep_apart(self):
        """Symptom: Two platforms in one program: each gets the other's token."""
        self.sim.component(OTHER, token=NEW_TOKEN, encoding_aes_key=NEW_KEY)
        self.scene.must("platform", "set", "--component-appid", OTHER,
                        "--appsecret-file", self.scene.path("s", SECRET), "--token-file", self.scene.path("t", NEW_TOKEN),
                        "--aes-key-file", self.scene.path("k", NEW_KEY))
        push = self.sim.ticket(component_appid=OTHER, deliver=False)["push"]
        ambiguous = self.scene.push(self.seal(event("unauthorized", create=time.time() + 60)))
        self.assertEqual((ambiguous.code, ambiguous.error["kind"]), (2, "usage"), ambiguous)
        self.assertEqual(self.scene.push(push, "--component", COMPONENT).code, 5)
        ran = self.scene.push(push, "--component", OTHER)
        self.assertEqual((ran.code, ran.json["component_appid"]), (0, OTHER), ran)

    def test_I8_a_replay_counts_once(self):
        push = self.seal(event("unauthorized", create=time.time() + 60))
        first = self.scene.push(push)
        self.assertEqual(first.json["applied"], True)
        before = database.dump(self.scene.db)
        again = self.scene.push(push)
        self.assertEqual((again.code, again.json["applied"], again.json["reply"]), (0, False, "success"), again)
        self.assertTrue(again.json["why"])
        self.assertEqual(database.dump(self.scene.db), before)
        # The same text in another envelope is the same news.
        other = self.take(event("unauthorized", create=time.time() + 60))
        self.assertEqual(other.code, 0)

    def test_I8_a_replay_in_many_processes_counts_once(self):
        push = self.seal(event("unauthorized", create=time.time() + 60))
        body = self.scene.path("body", push["body"])
        children = [self.scene.start("callback", "--query", push["query"], "--body", body, "--json") for _ in range(6)]
        ran = [self.scene.finish(child) for child in children]
        self.assertEqual([one.code for one in ran], [0] * 6, ran)
        self.assertEqual(sorted(one.json["applied"] for one in ran), [False] * 5 + [True])

    def test_I8_older_news_change_nothing(self):
        now = int(time.time())
        self.sim.time(600)
        back = self.sim.authorize(A, permission_sets=[2, 15], deliver=False)["push"]
        self.assertTrue(self.scene.push(back).json["applied"])
        for older in (now - 5, now + 1, now + 300):
            ran = self.take(event("unauthorized", create=older))
            self.assertEqual((ran.code, ran.json["applied"]), (0, False), ran)
            self.assertTrue(ran.json["why"])
        self.assertEqual(self.status(), "authorized")
        ticket = ("<xml><AppId>%s</AppId><CreateTime>%d</CreateTime><InfoType>component_verify_ticket</InfoType>"
                  "<ComponentVerifyTicket>ticket@@@old</ComponentVerifyTicket></xml>" % (COMPONENT, now - 3600))
        before = database.rows(self.scene.db, "SELECT * FROM tickets")
        self.assertEqual(self.take(ticket).json["applied"], False)
        self.assertEqual(database.rows(self.scene.db, "SELECT * FROM tickets"), before)

    def test_I8_an_unauthorized_between_two_authorizations_comes_last(self):
        self.sim.time(60)
        gone = self.sim.unauthorize(A, deliver=False)["push"]
        self.sim.time(60)
        back = self.sim.authorize(A, permission_sets=[2], deliver=False)["push"]
        for push, applied in ((back, True), (gone, False)):
            self.assertEqual(self.scene.push(push).json["applied"], applied)
        self.assertEqual(self.status(), "authorized")
        self.scene.must("unblacklist", A, openid(1), "--quiet")

    def test_I8_at_the_same_second_info_decides(self):
        self.sim.unauthorize(A, deliver=False)
        when = database.rows(self.scene.db, "SELECT event_time_s FROM tenants")[0][0]
        self.take(event("unauthorized", create=when))
        self.assertEqual(self.status(), "unauthorized")
        self.assertEqual(len(self.sim.journal(path="/cgi-bin/component/api_get_authorizer_info")), 2)

    def test_the_previous_key_and_token_serve_late_pushes(self):
        late = self.sim.ticket(deliver=False)["push"]
        self.sim.component(encoding_aes_key=NEW_KEY, token=NEW_TOKEN)
        self.scene.must("platform", "set", "--component-appid", COMPONENT,
                        "--token-file", self.scene.path("t", NEW_TOKEN), "--aes-key-file", self.scene.path("k", NEW_KEY))
        self.assertEqual(self.scene.push(late).code, 0)
        self.assertEqual(self.scene.ticket().json["applied"], True)
        ran = self.take(event("unauthorized", create=time.time() + 60), key="previous")
        self.assertEqual((ran.code, ran.json["applied"]), (0, True), ran)
        # Set once more: the first pair is no longer known.
        for name, value in (("t", "third" + TOKEN), ("k", "z" * 42 + "Q")):
            self.scene.path(name, value)
        self.scene.must("platform", "set", "--component-appid", COMPONENT, "--token-file", self.scene.path("t"),
                        "--aes-key-file", self.scene.path("k"))
        self.refused(late)

    def test_setting_the_same_pair_again_keeps_the_previous_one(self):
        late = self.sim.ticket(deliver=False)["push"]
        for _ in range(2):
            self.scene.must("platform", "set", "--component-appid", COMPONENT,
                            "--token-file", self.scene.path("t", NEW_TOKEN),
                            "--aes-key-file", self.scene.path("k", NEW_KEY))
        self.assertEqual(self.scene.push(late).code, 0)

    def test_a_key_whose_last_character_is_not_canonical(self):
        """Symptom: signature always wrong; amount to pad is incorrect."""
        key = AES_KEY[:-1] + ("2" if AES_KEY[-1] != "2" else "3")
        self.sim.component(encoding_aes_key=key)
        self.scene.must("platform", "set", "--component-appid", COMPONENT, "--aes-key-file", self.scene.path("k", key))
        self.assertEqual(self.scene.ticket().json["applied"], True)

    def test_the_release_test(self):
        """Symptom: The network-wide release test fails."""
        cases = self.sim.order("release-test", {})["cases"]
        answers = []
        for case in cases:
            ran = self.scene.push(case["push"])
            self.assertEqual(ran.code, 0, ran)
            answers.append({"name": case["name"], "body": ran.json["reply"]})
        judged = self.sim.order("release-test", {"answers": answers})
        self.assertTrue(judged["passed"], judged)
        self.assertEqual(len(cases), 6)
        # Judged, not waved through.
        for answer in answers:
            answer["body"] = "success"
        self.assertFalse(self.sim.order("release-test", {"answers": answers})["passed"])

    def test_unknown_events_are_passed_on(self):
        for name in ("notify_third_fasteregister", "notify_3rd_wxa_auth", "something_new"):
            ran = self.take(event(name, more="<info><a>1</a></info>"))
            self.assertEqual((ran.code, ran.json["event"], ran.json["applied"]), (0, name, True), ran)
            self.assertEqual(ran.json["reply"], "success")

    def test_I8_changed_sets_replace_the_tokens_for_every_process(self):
        """Symptom: A merchant has authorized again, and the old tokens go on being served."""
        child = self.scene.start("unblacklist", A, "--file", "-", "--json", "--quiet", stdin=-1)
        self.sim.time(10)
        update = self.sim.authorize(A, update=True, permission_sets=[1, 2, 3], deliver=False)
        ran = self.scene.push(update["push"])
        self.assertEqual((ran.json["event"], ran.json["exchange"]), ("updateauthorized", "done"), ran)
        job = self.scene.finish(child, b"%s\n" % openid(1).encode())
        self.assertEqual((job.code, job.json["unblacklisted"]), (0, 1), job)
        used = self.scene.business_calls()
        newest = self.sim.merchant(A)["authorizations"][0]["access"]["generation"]
        self.assertEqual([(call["generation"], call["errcode"]) for call in used], [(newest, 0)])
        told = self.scene.must("tenant", "show", A, "--json").json
        self.assertEqual((told["permission_sets"], told["token"]["version"]), ([1, 2, 3], 2))
        self.sim.time(2000)
        self.scene.must("token", "refresh", A)

    def test_the_shape_to_the_letter(self):
        push = self.sim.ticket(deliver=False)["push"]
        got = self.scene.push(push).json
        self.assertEqual(list(got), ["event", "component_appid", "create_time", "applied", "reply"])
        self.assertEqual((got["event"], got["component_appid"], got["applied"], got["reply"]),
                         ("component_verify_ticket", COMPONENT, True, "success"))
        self.assertRegex(got["create_time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.sim.merchant(B, permission_sets=[2])
        got = self.scene.push(self.sim.authorize(B, deliver=False)["push"]).json
        self.assertEqual(list(got), ["event", "component_appid", "authorizer_appid", "create_time", "applied",
                                     "exchange", "reply"])
        got = self.scene.push(push).json
        self.assertEqual(set(got), {"event", "component_appid", "create_time", "applied", "why", "reply"})
        got = self.take(event("unauthorized", create=time.time() + 60)).json
        self.assertEqual(set(got), {"event", "component_appid", "authorizer_appid", "create_time", "applied", "reply"})

    def test_body_from_stdin_and_from_a_file(self):
        for way in ("stdin", "-", "file", "question mark"):
            push = self.sim.ticket(deliver=False)["push"]
            self.sim.time(1)
            if way == "file":
                more, data = ("--body", self.scene.path("body", push["body"])), None
            else:
                more, data = ("--body", "-") if way == "-" else (), push["body"]
            query = "?" + push["query"] if way == "question mark" else push["query"]
            ran = self.scene.admin("callback", "--query", query, "--json", *more, data=data)
            self.assertEqual((ran.code, ran.json["applied"]), (0, True), ran)
        gone = self.scene.admin("callback", "--query", "a=b", "--body", self.scene.path("none"), "--json")
        self.assertEqual((gone.code, gone.error["kind"]), (2, "not_found"), gone)
        self.assertEqual(self.scene.admin("callback", "--json", data="").code, 2)

    def test_I8_what_cannot_be_stored_has_no_reply(self):
        push = self.sim.ticket(deliver=False)["push"]
        database.write(self.scene.db, "CREATE TRIGGER broken BEFORE INSERT ON pushes BEGIN SELECT raise(ABORT, 'x'); END")
        ran = self.scene.push(push)
        self.assertEqual((ran.code, ran.out), (1, ""), ran)
        self.assertEqual(ran.error["kind"], "store")
        database.write(self.scene.db, "DROP TRIGGER broken")
        self.assertEqual(self.scene.push(push).json["applied"], True)

    def test_without_a_platform(self):
        push = self.sim.ticket(deliver=False)["push"]
        for name in os.listdir(self.scene.folder):
            if name.startswith("wxtp.db"):
                os.unlink(self.scene.path(name))
        ran = self.scene.push(push)
        self.assertNotEqual(ran.code, 0)
        self.assertEqual(ran.out, "")


if __name__ == "__main__":
    unittest.main()
