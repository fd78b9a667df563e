"""Whatever stands in WeChat's place and says what it likes: a clear error, the right exit code, bounded memory and time,
and nothing lost (I5, I7, I11). tests/unit/test_hostile_answers.c has what needs no process."""
import itertools
import json
import os
import time
import unittest
import zlib

import meddler
from meddler import Meddler, answer
from scene import Ran, Scene, openid

A = "wxa0000000000000a1"
UNBLACKLIST = "/cgi-bin/tags/members/batchunblacklist"
REFRESH = "/cgi-bin/component/api_authorizer_token"
EXCHANGE = "/cgi-bin/component/api_query_auth"
HEAD = b"HTTP/1.1 200 OK\r\n"
OK = b'{"errcode":0,"errmsg":"ok"}'
MEMORY_MOST_KIB = 96 << 10


def gzip(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


class Case(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.sim = self.scene.sim
        self.scene.ready()
        self.scene.onboard(A, any_openid_valid=True)
        self.said = None
        self.peer = self.enterContext(Meddler(self.sim.base, self.say))

    def say(self, path, whole):
        """What `said` gives for this path; else the truth."""
        parts = self.said(path, whole) if self.said else None
        return [whole()] if parts is None else parts

    def only(self, wanted, parts):
        self.said = lambda path, whole: parts() if path == wanted else None

    def admin(self, *arguments, **options):
        return self.scene.admin(*arguments, "--api-base", self.peer.base, "--json", **options)

    def measured(self, *arguments):
        """The run, its seconds and its peak memory in KiB."""
        began = time.monotonic()
        child = self.scene.start(*arguments, "--api-base", self.peer.base, "--json")
        out, err = child.stdout.read(), child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        return Ran(child.returncode, out.decode(), err.decode()), time.monotonic() - began, usage.ru_maxrss

    def unavailable(self, ran):
        self.assertEqual(ran.code, 7, ran)
        self.assertEqual(ran.error["kind"], "unavailable", ran)
        self.assertTrue(ran.error["message"] and ran.error["hint"], ran)
        self.assertNotIn("Traceback", ran.err)
        return ran.error["message"]

    def paused(self, ran, requested):
        """I7: what WeChat's answer did not confirm is pending, and the job can be resumed."""
        self.unavailable(ran)
        job = ran.json
        self.assertEqual((job["state"], job["paused_by"], job["requested"], job["pending"], job["unblacklisted"]),
                         ("paused", "network", requested, requested, 0), ran)
        return job["job"]


class Answers(Case):
    def test_I7_answers_that_are_none_pause_a_job_and_cost_little(self):
        junk = b"x" * 65536
        bomb = gzip(b" " * (64 << 20))
        blanks = HEAD + b"Content-Length: 999999999999\r\n\r\n"

        def endless(first, more):
            return lambda: itertools.chain([first], itertools.repeat(more))

        cases = {
            "an endless body": endless(HEAD + b"\r\n", junk),
            "an endless body of a promised length": endless(blanks, junk),
            "an endless head": endless(HEAD, b"X-Much: " + junk[:1000] + b"\r\n"),
            "an endless head line": endless(HEAD + b"X: ", junk),
            "endless chunks": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + junk + b"\r\n"),
            "an endless chunk extension": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", junk),
            "endless provisional answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
            "a bomb as content": lambda: [answer(bomb, "Content-Encoding: gzip")],
            "a bomb in a bomb": lambda: [answer(gzip(bomb), "Content-Encoding: gzip, gzip")],
            "a bomb as transfer": lambda: [HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n%x\r\n" % len(bomb) + bomb +
                                           b"\r\n0\r\n\r\n"],
            "a head of a MiB": lambda: [HEAD + b"X: " + b"x" * (1 << 20) + b"\r\n\r\n" + OK],
            "JSON 100,000 deep": lambda: [answer(b'{"errcode":0,"a":' + b"[" * 100000 + b"]" * 100000 + b"}")],
            "a page": lambda: [answer("<html>errcode 0</html>", "Content-Type: text/html")],
            "nothing": lambda: [],
        }
        for name, parts in cases.items():
            with self.subTest(name):
                self.only(UNBLACKLIST, parts)
                ran, seconds, kib = self.measured("unblacklist", A, openid(1), "--max-wait", "0", "--timeout", "5")
                job = self.paused(ran, 1)
                self.assertLess(seconds, 20)
                self.assertLess(kib, MEMORY_MOST_KIB)
                self.said = None
                again = self.admin("job", "resume", job)
                self.assertEqual((again.code, again.json["unblacklisted"]), (0, 1), again)

    def test_I11_a_drip_ends_with_the_timeout(self):
        def drip():
            yield HEAD + b"Content-Length: 1000\r\n\r\n"
            while True:
                time.sleep(0.05)  # the drip itself
                yield b" "

        self.only(UNBLACKLIST, drip)
        ran, seconds, _ = self.measured("unblacklist", A, openid(1), "--max-wait", "0", "--timeout", "1")
        self.paused(ran, 1)
        self.assertLess(seconds, 10)

    def test_redirects_are_not_followed(self):
        secret = self.scene.path("secret", '{"errcode":0,"marker":"of a file"}')
        with Meddler(say=lambda path, whole: [answer(OK)]) as other:
            for status in ("301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"):
                for target in (other.base + "/x", "file://" + secret, "//127.0.0.1:%d/" % other.port, UNBLACKLIST):
                    self.only(UNBLACKLIST, lambda: [answer(b"", "Location: " + target, status=status)])
                    ran = self.admin("unblacklist", A, openid(1), "--max-wait", "0")
                    self.paused(ran, 1)
                    self.assertIn("HTTP " + status[:3], ran.error["message"])
                    self.assertNotIn("marker", ran.out + ran.err)
            self.assertEqual(other.connections, 0)
        self.assertEqual(self.scene.business_calls(), [])

    def test_what_it_says_is_shown_in_one_line_without_tricks(self):
        text = "a\x1b[2J\u202e\n\u0007 rid: 1-2\n"
        self.only(UNBLACKLIST, lambda: [answer(json.dumps({"errcode": 41030, "errmsg": text * 99}))])
        ran = self.admin("unblacklist", A, openid(1))
        self.assertEqual((ran.code, ran.json["failed"][0]["errcode"]), (3, 41030), ran)
        plain = self.scene.admin("unblacklist", A, openid(2), "--api-base", self.peer.base)
        self.assertEqual(plain.code, 3)
        for shown in (plain.out, plain.err):
            for character in "\x1b\u202e\x07":
                self.assertNotIn(character, shown)

    def test_I5_a_business_answer_cut_anywhere_is_asked_for_again(self):
        whole = len(self.true_answer(UNBLACKLIST))
        for at in range(0, whole, 29):
            self.cut(UNBLACKLIST, at)
            ran = self.admin("unblacklist", A, openid(at), "--quiet", "--max-wait", "5")
            self.assertEqual((ran.code, ran.json["unblacklisted"], ran.json["calls"]), (0, 1, 2), (at, ran))

    # ---- What changes credentials ----

    def true_answer(self, path):
        """As long as those that follow."""
        seen = []

        def keep(_, whole):
            seen.append(whole())
            return [seen[-1]]

        self.said = lambda asked, whole: keep(asked, whole) if asked == path else None
        command = ("token", "refresh", A) if path == REFRESH else ("unblacklist", A, openid(99), "--quiet")
        ran = self.admin(*command)
        self.assertEqual(ran.code, 0, ran)
        return seen[0]

    def cut(self, path, at):
        """The next answer to this path is cut there, after WeChat has done what was asked."""
        left = [1]

        def say(asked, whole):
            if asked != path or not left:
                return None
            left.pop()
            return [whole()[:at]]

        self.said = say

    def test_I5_a_refresh_cut_anywhere_loses_no_merchant(self):
        self.sim.settings(rotate_refresh_tokens=True, refresh_grace_s=0)
        whole = len(self.true_answer(REFRESH))
        for at in range(0, whole, 23):
            self.cut(REFRESH, at)
            ran = self.admin("token", "refresh", A)
            self.assertEqual((ran.code, ran.json["tokens"][0]["refreshed"]), (0, True), (at, ran))
        self.said = None
        ran = self.admin("unblacklist", A, openid(1), "--quiet")
        self.assertEqual((ran.code, ran.json["unblacklisted"]), (0, 1), ran)

    def test_I5_an_exchange_cut_anywhere_loses_no_code(self):
        for number, at in enumerate((0, 5, 17, 60, 150, 200, 300, 400)):
            appid = "wxcut%013d" % number
            self.sim.merchant(appid, permission_sets=[2], any_openid_valid=True)
            push = self.sim.authorize(appid, deliver=False)["push"]
            self.cut(EXCHANGE, at)
            ran = self.scene.push(push, "--api-base", self.peer.base)
            self.assertEqual(ran.code, 0, (at, ran))
            self.assertIn(ran.json["exchange"], ("done", "pending"), (at, ran))
            self.said = None
            ran = self.admin("unblacklist", appid, openid(1), "--quiet")
            self.assertEqual((ran.code, ran.json["unblacklisted"]), (0, 1), (at, ran))

    def test_I4_a_refresh_answered_by_nonsense_keeps_what_there_is(self):
        nonsense = ({}, {"authorizer_access_token": ""}, {"authorizer_access_token": None},
                    {"authorizer_access_token": "x" * 4097}, {"authorizer_access_token": ["x"]},
                    {"authorizer_access_token": "a\0b"},
                    {"authorizer_access_token": "x", "authorizer_refresh_token": "y" * 4097})
        for body in nonsense:
            with self.subTest(str(body)[:60]):
                self.only(REFRESH, lambda: [answer(json.dumps(body))])
                ran = self.admin("token", "refresh", A, "--max-wait", "0")
                self.assertEqual((ran.code, ran.error["kind"]), (7, "unavailable"), ran)
                used = self.admin("unblacklist", A, openid(1), "--quiet", "--max-wait", "0")
                self.assertEqual((used.code, used.json["unblacklisted"]), (0, 1), used)
        self.said = None
        ran = self.admin("token", "refresh", A)
        self.assertEqual((ran.code, ran.json["tokens"][0]["refreshed"]), (0, True), ran)

    def test_lives_that_cannot_be_are_bounded(self):
        for number, life in enumerate((0, -1, 2 ** 63, -2 ** 63, 1e300, "x", None, "99999999999999999999")):
            with self.subTest(str(life)):
                self.only(REFRESH, lambda: [answer(json.dumps(
                    {"authorizer_access_token": "token-%d" % number, "expires_in": life}))])
                ran = self.admin("token", "refresh", A)
                self.assertEqual(ran.code, 0, ran)
                shown = self.scene.must("token", "show", A, "--json").json
                if shown["expires_at"]:
                    self.assertLess(shown["expires_at"], "2100", shown)


if __name__ == "__main__":
    unittest.main()
