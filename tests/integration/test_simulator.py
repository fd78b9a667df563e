"""The simulator is the judge of the library, so it is judged here: what WeChat rejects it rejects, and
every control does what it says."""
import base64
import faulthandler
import hashlib
import http.client
import http.server
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from simulator import AES_KEY, COMPONENT, SECRET, TOKEN, ControlError, Simulator  # noqa: E402

TAGS = "/cgi-bin/tags/members/"
API = "/cgi-bin/component/"
MERCHANT = "wxmerchant00000001"
OPENIDS = ["o%027d" % number for number in range(60)]
RID = re.compile(r" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$")


def open_envelope(encrypt, aes_key):
    """(random, message, appid) by the openssl command, an implementation of its own."""
    key = base64.b64decode(aes_key + "=")
    result = subprocess.run(["openssl", "enc", "-d", "-aes-256-cbc", "-nopad", "-K", key.hex(), "-iv", key[:16].hex()],
                            input=base64.b64decode(encrypt, validate=True), stdout=subprocess.PIPE, check=True,
                            timeout=30)
    plain = result.stdout
    padding = plain[-1]
    assert 1 <= padding <= 32 and len(plain) % 32 == 0 and plain.endswith(bytes([padding]) * padding), "padding"
    plain = plain[:-padding]
    size = struct.unpack(">I", plain[16:20])[0]
    assert size <= len(plain) - 20, "length"
    return plain[:16], plain[20:20 + size].decode(), plain[20 + size:].decode()


def seal_envelope(message, aes_key, appid):
    key = base64.b64decode(aes_key + "=")
    plain = b"0123456789abcdef" + struct.pack(">I", len(message.encode())) + message.encode() + appid.encode()
    padding = 32 - len(plain) % 32
    plain += bytes([padding]) * padding
    result = subprocess.run(["openssl", "enc", "-aes-256-cbc", "-nopad", "-K", key.hex(), "-iv", key[:16].hex()],
                            input=plain, stdout=subprocess.PIPE, check=True, timeout=30)
    return base64.b64encode(result.stdout).decode()


def sign(*parts):
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()


def field(xml, name):
    found = re.search(r"<%s>(?:<!\[CDATA\[)?(.*?)(?:\]\]>)?</%s>" % (name, name), xml, re.S)
    return found and found.group(1)


class Callback:
    """A platform's callback URL: answers each push by the next of `answers`, the last one for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.pushes = []
        self.arrived = threading.Condition()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                with outer.arrived:
                    outer.pushes.append((urllib.parse.urlsplit(self.path).query, body))
                    text = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                    outer.arrived.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/wechat/event" % self.server.server_address[1]

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def wait(self, count):
        with self.arrived:
            return self.arrived.wait_for(lambda: len(self.pushes) >= count, timeout=20)


class Background:
    """A call on a thread of its own, for answers that are held."""

    def __init__(self, function, *arguments, **named):
        self.result = None
        self.error = None

        def run():
            try:
                self.result = function(*arguments, **named)
            except Exception as error:  # pylint: disable=broad-except
                self.error = error

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def join(self):
        self.thread.join(timeout=30)
        assert not self.thread.is_alive(), "the call is still under way"
        return self.result


class SimulatorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim = Simulator().__enter__()

    @classmethod
    def tearDownClass(cls):
        assert cls.sim.stop() == 0

    def setUp(self):
        self.sim.reset()
        self.sim.component()

    def certified(self, appid=MERCHANT, **fields):
        """A certified service account with user management, authorized and its code exchanged."""
        order = {"kind": "service", "verify_type": 0, "permission_sets": [1, 2, 15], "blacklist": OPENIDS[:30],
                 "followers": OPENIDS[30:]}
        order.update(fields)
        self.sim.merchant(appid, **order)
        self.component_token = self.sim.component_token()
        code = self.sim.authorize(appid, deliver=False)["authorization_code"]
        return self.sim.exchange(code, self.component_token)

    def component_call(self, name, **body):
        body.setdefault("component_appid", COMPONENT)
        return self.sim.call(API + name, body, component_access_token=self.component_token)

    def refresh(self, refresh_token, appid=MERCHANT):
        return self.component_call("api_authorizer_token", authorizer_appid=appid,
                                   authorizer_refresh_token=refresh_token)

    def unblacklist(self, token, openids, name="batchunblacklist"):
        return self.sim.call(TAGS + name, {"openid_list": openids}, access_token=token)

    def refused(self, answer, errcode):
        self.assertEqual(answer.get("errcode"), errcode, answer)
        self.assertRegex(answer["errmsg"], RID)

    def fine(self, answer):
        self.assertEqual(answer, {"errcode": 0, "errmsg": "ok"})


class ProgramTest(unittest.TestCase):
    def setUp(self):
        self.program = Simulator().program

    def run_program(self, *arguments):
        return subprocess.run([self.program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=20, check=False)

    def test_help_names_every_control(self):
        result = self.run_program("--help")
        self.assertEqual(result.returncode, 0)
        for control in ("reset", "time", "component", "merchant", "state", "authorize", "unauthorize", "ticket", "push",
                        "cloud", "faults", "held", "release", "journal", "wait", "settings", "release-test"):
            self.assertIn("/sim/" + control, result.stdout)
        self.assertEqual(result.stderr, "")

    def test_version(self):
        self.assertRegex(self.run_program("--version").stdout, r"^wxtp-simulator \d+\.\d+\.\d+\n$")

    def test_usage_errors_exit_2(self):
        for arguments in (["--host", "0.0.0.0"], ["--host", "192.168.0.1"], ["--host", "localhost"], ["--port", "x"],
                          ["--port", "65536"], ["--port", "-1"], ["--port"], ["--nonsense"], ["word"]):
            result = self.run_program(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertEqual(result.stdout, "")
            self.assertRegex(result.stderr, r"^error: .*\nhint: .*\n$")

    def test_a_port_in_use_exits_1(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            result = self.run_program("--port", str(taken.getsockname()[1]))
            self.assertEqual(result.returncode, 1)
            self.assertTrue(result.stderr.startswith("error: "))

    def test_signals_end_it_at_once_with_0_whatever_is_under_way(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Simulator() as sim:
                sim.fault("/cgi-bin/token", hold=True)
                sim.fault("/cgi-bin/token", delay_ms=60000)
                sim.fault("/cgi-bin/token", endless=True)
                calls = [Background(sim.request, "GET", "/cgi-bin/token") for _ in range(2)]
                sim.wait("/cgi-bin/token", count=2)
                endless = socket.create_connection(("127.0.0.1", int(sim.base.rsplit(":", 1)[1])), timeout=20)
                endless.sendall(b"GET /cgi-bin/token HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertTrue(endless.recv(100).startswith(b"HTTP/1.1 200"))
                os.kill(sim.process.pid, number)
                self.assertEqual(sim.process.wait(timeout=10), 0)
                endless.close()
                for call in calls:
                    call.join()

    def test_it_answers_on_127_0_0_1_alone(self):
        with Simulator() as sim:
            self.assertRegex(sim.base, r"^http://127\.0\.0\.1:\d+$")
            port = int(sim.base.rsplit(":", 1)[1])
            with self.assertRaises(OSError):
                socket.create_connection(("127.0.0.2", port), timeout=5)


class ComponentTokenTest(SimulatorTest):
    PATH = API + "api_component_token"

    def body(self, **changes):
        body = {"component_appid": COMPONENT, "component_appsecret": SECRET,
                "component_verify_ticket": self.sim.ticket(deliver=False)["ticket"]}
        body.update(changes)
        return body

    def test_success_has_no_errcode(self):
        answer = self.sim.call(self.PATH, self.body())
        self.assertEqual(sorted(answer), ["component_access_token", "expires_in"])
        self.assertEqual(answer["expires_in"], 7200)

    def test_rejections(self):
        for errcode, changes in ((40125, {"component_appsecret": "wrong"}), (40013, {"component_appid": "wxother"}),
                                 (41018, {"component_appid": ""}), (41004, {"component_appsecret": None}),
                                 (61006, {"component_verify_ticket": "ticket@@@wrong"}),
                                 (61006, {"component_verify_ticket": None})):
            self.refused(self.sim.call(self.PATH, self.body(**changes)), errcode)

    def test_method_body_and_json(self):
        self.refused(self.sim.call(self.PATH, method="GET"), 43002)
        self.refused(self.sim.call(self.PATH, b""), 44002)
        whole = json.dumps(self.body()).encode()
        for bad in (b"{", b"[]", b'"x"', whole + b"x", whole[:-1], b'{"component_appid":"\xff"}', b"a=b",
                    b'{"a":' * 40 + b"1" + b"}" * 40):
            self.refused(self.sim.call(self.PATH, bad), 47001)

    def test_a_ticket_lives_12_hours_and_older_ones_too(self):
        first = self.body()
        second = self.body()
        self.sim.time(12 * 3600 - 10)
        self.assertIn("component_access_token", self.sim.call(self.PATH, first))
        self.sim.time(20)
        self.refused(self.sim.call(self.PATH, second), 61005)

    def test_another_platforms_ticket(self):
        self.sim.component("wxothercomponent")
        ticket = self.sim.ticket(component_appid="wxothercomponent", deliver=False)["ticket"]
        self.refused(self.sim.call(self.PATH, self.body(component_verify_ticket=ticket)), 61006)

    def test_white_list(self):
        body = self.body()
        self.sim.component(ip_allowed=False)
        answer = self.sim.call(self.PATH, body)
        self.refused(answer, 61004)
        self.assertIn("127.0.0.1", answer["errmsg"])

    def test_the_token_before_lives_5_minutes_more(self):
        self.component_token = self.sim.component_token()
        self.sim.component_token()
        self.sim.time(290)
        self.assertIn("pre_auth_code", self.component_call("api_create_preauthcode"))
        self.sim.time(20)
        self.refused(self.component_call("api_create_preauthcode"), 40001)

    def test_start_push_ticket_wants_component_secret(self):
        path = API + "api_start_push_ticket"
        self.fine(self.sim.call(path, {"component_appid": COMPONENT, "component_secret": SECRET}))
        self.refused(self.sim.call(path, {"component_appid": COMPONENT, "component_appsecret": SECRET}), 41004)
        self.refused(self.sim.call(path, {"component_appid": COMPONENT, "component_secret": "x"}), 40125)


class ComponentCallTest(SimulatorTest):
    NAMES = ("api_create_preauthcode", "api_query_auth", "api_authorizer_token", "api_get_authorizer_info",
             "api_get_authorizer_list", "api_get_authorizer_option", "api_set_authorizer_option")

    def test_token_missing_wrong_or_of_another_kind(self):
        info = self.certified()
        for name in self.NAMES:
            self.refused(self.sim.call(API + name, {"component_appid": COMPONENT}), 41001)
            for token in ("wrong", info["authorizer_access_token"], info["authorizer_refresh_token"]):
                self.refused(self.sim.call(API + name, {"component_appid": COMPONENT}, component_access_token=token), 40001)
            self.refused(self.sim.call(API + name, method="GET", component_access_token=self.component_token), 43002)
            self.refused(self.sim.call(API + name, b"", component_access_token=self.component_token), 44002)
            self.refused(self.sim.call(API + name, b"{", component_access_token=self.component_token), 47001)

    def test_token_expired(self):
        self.component_token = self.sim.component_token()
        self.sim.time(7201)
        for name in self.NAMES:
            self.refused(self.component_call(name), 42001)

    def test_both_names_of_the_token_parameter(self):
        token = self.sim.component_token()
        for name in ("access_token", "component_access_token"):
            answer = self.sim.call(API + "api_create_preauthcode", {"component_appid": COMPONENT}, **{name: token})
            self.assertEqual(answer["expires_in"], 1800)

    def test_component_appid(self):
        self.certified()
        for name in self.NAMES:
            self.refused(self.component_call(name, component_appid="wxother"), 61011)
            self.refused(self.component_call(name, component_appid=None), 41018)

    def test_white_list(self):
        self.certified()
        self.sim.component(ip_allowed=False)
        for name in self.NAMES:
            self.refused(self.component_call(name), 61004)

    def test_authorizer_unknown(self):
        self.certified()
        for name in ("api_authorizer_token", "api_get_authorizer_info", "api_get_authorizer_option"):
            self.refused(self.component_call(name, authorizer_appid="wxnobody", authorizer_refresh_token="x",
                                             option_name="voice_recognize"), 61003)
            self.refused(self.component_call(name), 41002)

    def test_options(self):
        self.certified()
        about = {"authorizer_appid": MERCHANT, "option_name": "location_report"}
        self.assertEqual(self.component_call("api_get_authorizer_option", **about)["option_value"], "0")
        self.fine(self.component_call("api_set_authorizer_option", option_value="2", **about))
        self.assertEqual(self.component_call("api_get_authorizer_option", **about)["option_value"], "2")
        self.refused(self.component_call("api_set_authorizer_option", option_value="3", **about), 40097)
        about["option_name"] = "nonsense"
        self.refused(self.component_call("api_get_authorizer_option", **about), 40097)

    def test_unknown_path(self):
        status, _, body = self.sim.request("POST", "/cgi-bin/nothing", {})
        self.assertEqual(status, 404)
        self.refused(json.loads(body), 40066)

    def test_quota_of_the_platform(self):
        self.certified()
        self.sim.settings(daily_quota=1)
        self.assertIn("pre_auth_code", self.component_call("api_create_preauthcode"))
        self.refused(self.component_call("api_create_preauthcode"), 45009)


class CodeTest(SimulatorTest):
    def setUp(self):
        super().setUp()
        self.sim.merchant(MERCHANT, verify_type=0, permission_sets=[1, 2, 100])
        self.component_token = self.sim.component_token()

    def exchange(self, code):
        return self.component_call("api_query_auth", authorization_code=code)

    def test_answer(self):
        answer = self.exchange(self.sim.authorize(MERCHANT)["authorization_code"])
        info = answer["authorization_info"]
        self.assertEqual(list(answer), ["authorization_info"])
        self.assertEqual(sorted(info), ["authorizer_access_token", "authorizer_appid", "authorizer_refresh_token",
                                        "expires_in", "func_info"])
        self.assertEqual(info["func_info"], [{"funcscope_category": {"id": number}} for number in (1, 2, 100)])

    def test_a_code_serves_once(self):
        code = self.sim.authorize(MERCHANT)["authorization_code"]
        self.assertIn("authorization_info", self.exchange(code))
        self.refused(self.exchange(code), 61009)
        self.sim.settings(used_code_errcode=61010)
        self.refused(self.exchange(code), 61010)

    def test_wrong_expired_or_foreign(self):
        code = self.sim.authorize(MERCHANT)["authorization_code"]
        self.refused(self.exchange("wrong"), 61009)
        self.refused(self.exchange(self.component_token), 61009)
        self.sim.component("wxothercomponent")
        foreign = self.sim.authorize(MERCHANT, component_appid="wxothercomponent")["authorization_code"]
        self.refused(self.exchange(foreign), 61009)
        self.sim.time(3601)
        self.refused(self.exchange(code), 61010)

    def test_without_api_rights_no_tokens(self):
        self.sim.merchant(MERCHANT, api_rights=False)
        info = self.exchange(self.sim.authorize(MERCHANT)["authorization_code"])["authorization_info"]
        self.assertEqual(sorted(info), ["authorizer_appid", "func_info"])

    def test_a_pre_auth_code_serves_one_authorization(self):
        code = self.component_call("api_create_preauthcode")["pre_auth_code"]
        self.sim.authorize(MERCHANT, pre_auth_code=code)
        with self.assertRaises(ControlError):
            self.sim.authorize(MERCHANT, pre_auth_code=code)
        late = self.component_call("api_create_preauthcode")["pre_auth_code"]
        self.sim.time(1801)
        with self.assertRaises(ControlError):
            self.sim.authorize(MERCHANT, pre_auth_code=late)

    def test_list_and_info_have_no_refresh_token_before_the_exchange(self):
        code = self.sim.authorize(MERCHANT)["authorization_code"]
        for exchanged in (False, True):
            listed = self.component_call("api_get_authorizer_list", offset=0, count=10)
            info = self.component_call("api_get_authorizer_info", authorizer_appid=MERCHANT)
            self.assertEqual("refresh_token" in listed["list"][0], exchanged)
            self.assertEqual("authorizer_refresh_token" in info["authorization_info"], exchanged)
            if not exchanged:
                token = self.exchange(code)["authorization_info"]["authorizer_refresh_token"]
        self.assertEqual(listed["list"][0]["refresh_token"], token)
        self.assertEqual(info["authorization_info"]["authorizer_refresh_token"], token)
        self.sim.settings(list_has_refresh_tokens=False, info_has_refresh_tokens=False)
        listed = self.component_call("api_get_authorizer_list", offset=0, count=10)
        info = self.component_call("api_get_authorizer_info", authorizer_appid=MERCHANT)
        self.assertNotIn("refresh_token", listed["list"][0])
        self.assertNotIn("authorizer_refresh_token", info["authorization_info"])


class RefreshTest(SimulatorTest):
    def test_answer_and_grace(self):
        first = self.certified()
        second = self.refresh(first["authorizer_refresh_token"])
        self.assertEqual(sorted(second), ["authorizer_access_token", "authorizer_refresh_token", "expires_in"])
        self.assertEqual(second["authorizer_refresh_token"], first["authorizer_refresh_token"])
        self.sim.time(290)
        self.fine(self.unblacklist(first["authorizer_access_token"], OPENIDS[:1]))
        self.sim.time(20)
        self.refused(self.unblacklist(first["authorizer_access_token"], OPENIDS[:1]), 40001)
        self.fine(self.unblacklist(second["authorizer_access_token"], OPENIDS[:1]))
        seen = self.sim.merchant(MERCHANT)
        self.assertEqual((seen["refreshes"], seen["authorizations"][0]["access"]["generation"]), (1, 2))

    def test_wrong_refresh_tokens(self):
        first = self.certified()
        self.sim.merchant("wxother", verify_type=0, permission_sets=[2])
        other = self.sim.exchange(self.sim.authorize("wxother")["authorization_code"], self.component_token)
        for wrong in ("x", first["authorizer_access_token"], other["authorizer_refresh_token"]):
            self.refused(self.refresh(wrong), 61023)
        self.refused(self.refresh(None), 41003)

    def test_rotation_leaves_the_old_one_5_minutes(self):
        first = self.certified()["authorizer_refresh_token"]
        self.sim.settings(rotate_refresh_tokens=True)
        second = self.refresh(first)["authorizer_refresh_token"]
        self.assertNotEqual(first, second)
        self.sim.time(290)
        third = self.refresh(first)["authorizer_refresh_token"]
        self.assertEqual(len({first, second, third}), 3)
        self.sim.time(20)
        self.refused(self.refresh(first), 61023)
        self.assertIn("authorizer_access_token", self.refresh(second))

    def test_of_two_refreshes_the_last_answered_is_valid(self):
        first = self.certified()["authorizer_refresh_token"]
        self.sim.settings(rotate_refresh_tokens=True)
        self.sim.fault(API + "api_authorizer_token", hold=True, apply="on_release")
        slow = Background(self.refresh, first)
        self.sim.wait(API + "api_authorizer_token", held=1)
        quick = self.refresh(first)
        self.sim.release()
        slow = slow.join()
        self.sim.time(301)
        self.refused(self.refresh(quick["authorizer_refresh_token"]), 61023)
        self.refused(self.unblacklist(quick["authorizer_access_token"], OPENIDS[:1]), 40001)
        self.fine(self.unblacklist(slow["authorizer_access_token"], OPENIDS[:1]))
        info = self.component_call("api_get_authorizer_info", authorizer_appid=MERCHANT)
        self.assertEqual(info["authorization_info"]["authorizer_refresh_token"], slow["authorizer_refresh_token"])

    def test_an_answer_without_a_refresh_token(self):
        first = self.certified()["authorizer_refresh_token"]
        self.sim.settings(refresh_answer_has_refresh_token=False)
        self.assertEqual(sorted(self.refresh(first)), ["authorizer_access_token", "expires_in"])

    def test_lives(self):
        self.certified(token_life_s=100)
        self.sim.settings(token_life_s=50)
        token = self.sim.merchant(MERCHANT)["authorizations"][0]["access"]["newest"]
        self.sim.time(90)
        self.fine(self.unblacklist(token, OPENIDS[:1]))
        self.sim.time(11)
        self.refused(self.unblacklist(token, OPENIDS[:1]), 42001)

    def test_long_tokens(self):
        self.sim.settings(token_length=4096)
        token = self.certified()["authorizer_access_token"]
        self.assertEqual(len(token), 4096)
        self.fine(self.unblacklist(token, OPENIDS[:1]))


class AuthorizationTest(SimulatorTest):
    def test_unauthorized(self):
        info = self.certified()
        self.sim.unauthorize(MERCHANT)
        self.refused(self.unblacklist(info["authorizer_access_token"], OPENIDS[:1]), 61003)
        self.refused(self.refresh(info["authorizer_refresh_token"]), 61003)
        self.refused(self.component_call("api_get_authorizer_info", authorizer_appid=MERCHANT), 61003)
        self.assertEqual(self.component_call("api_get_authorizer_list", offset=0, count=10),
                         {"total_count": 0, "list": []})
        self.assertFalse(self.sim.merchant(MERCHANT)["authorized"])
        with self.assertRaises(ControlError):
            self.sim.unauthorize(MERCHANT)

    def test_authorized_again_after_a_withdrawal(self):
        old = self.certified()
        self.sim.unauthorize(MERCHANT)
        code = self.sim.authorize(MERCHANT)["authorization_code"]
        self.refused(self.unblacklist(old["authorizer_access_token"], OPENIDS[:1]), 40001)
        self.refused(self.refresh(old["authorizer_refresh_token"]), 61023)
        new = self.sim.exchange(code, self.component_token)
        self.fine(self.unblacklist(new["authorizer_access_token"], OPENIDS[:1]))

    def test_changed_sets_kill_the_old_tokens_at_once(self):
        old = self.certified()
        code = self.sim.authorize(MERCHANT, update=True, permission_sets=[1, 2])["authorization_code"]
        self.refused(self.unblacklist(old["authorizer_access_token"], OPENIDS[:1]), 40001)
        self.refused(self.refresh(old["authorizer_refresh_token"]), 61023)
        self.fine(self.unblacklist(self.sim.exchange(code, self.component_token)["authorizer_access_token"], OPENIDS[:1]))

    def test_the_same_sets_leave_the_old_tokens_until_the_exchange(self):
        old = self.certified()
        code = self.sim.authorize(MERCHANT)["authorization_code"]
        self.fine(self.unblacklist(old["authorizer_access_token"], OPENIDS[:1]))
        self.sim.exchange(code, self.component_token)
        self.refused(self.unblacklist(old["authorizer_access_token"], OPENIDS[:1]), 40001)
        self.refused(self.refresh(old["authorizer_refresh_token"]), 61023)

    def test_profiles(self):
        self.component_token = self.sim.component_token()
        for appid, kind, service, verify in (("wxs", "service", 2, 0), ("wxd", "subscription", 0, -1),
                                             ("wxm", "mini_program", 0, 0), ("wxc", "channels", 0, 0)):
            self.sim.merchant(appid, kind=kind, verify_type=verify, permission_sets=[2], nick_name="商户 & <%s>" % appid,
                              authorized=True, account_status=18)
            answer = self.component_call("api_get_authorizer_info", authorizer_appid=appid)
            self.assertNotIn("errcode", answer)
            info = answer["authorizer_info"]
            self.assertEqual(info["nick_name"], "商户 & <%s>" % appid)
            self.assertEqual((info["service_type_info"]["id"], info["verify_type_info"]["id"]), (service, verify))
            self.assertEqual("MiniProgramInfo" in info, kind == "mini_program")
            self.assertEqual("channels_info" in info, kind == "channels")
            self.assertEqual(info["account_status"], 18)
            self.assertEqual(info["user_name"], "gh_" + appid)

    def test_the_list_is_paged(self):
        self.component_token = self.sim.component_token()
        self.sim.merchants([{"appid": "wx%04d" % number, "authorized": True, "exchanged": number % 2 == 0}
                            for number in range(7)])
        self.sim.settings(list_page_max=3)
        seen = []
        while True:
            page = self.component_call("api_get_authorizer_list", offset=len(seen), count=500)
            self.assertEqual(page["total_count"], 7)
            self.assertLessEqual(len(page["list"]), 3)
            if not page["list"]:
                break
            seen += page["list"]
        self.assertEqual([one["authorizer_appid"] for one in seen], ["wx%04d" % number for number in range(7)])
        self.assertEqual(["refresh_token" in one for one in seen], [number % 2 == 0 for number in range(7)])
        for wrong in ({"count": 501}, {"count": 0}, {"offset": -1}, {"count": "10"}, {"offset": None}):
            order = {"offset": 0, "count": 10}
            order.update(wrong)
            self.refused(self.component_call("api_get_authorizer_list", **order), 40097)

    def test_success_with_errcode_when_set(self):
        self.certified()
        self.sim.settings(errcode_in_success=True)
        self.assertEqual(self.component_call("api_create_preauthcode")["errcode"], 0)


class BlacklistTest(SimulatorTest):
    def setUp(self):
        super().setUp()
        self.token = self.certified()["authorizer_access_token"]

    def blacklist(self):
        return self.sim.merchant(MERCHANT)["blacklist"]

    def test_unblacklist(self):
        self.fine(self.unblacklist(self.token, OPENIDS[:20]))
        self.assertEqual(self.blacklist(), OPENIDS[20:30])
        self.fine(self.unblacklist(self.token, OPENIDS[:20]))
        self.fine(self.unblacklist(self.token, OPENIDS[40:41]))

    def test_blacklist(self):
        self.fine(self.unblacklist(self.token, OPENIDS[30:32], "batchblacklist"))
        self.assertEqual(self.blacklist(), OPENIDS[:32])

    def test_tokens(self):
        for name in ("batchunblacklist", "batchblacklist", "getblacklist"):
            self.refused(self.sim.call(TAGS + name, {"openid_list": OPENIDS[:1]}), 41001)
            self.refused(self.unblacklist("", OPENIDS[:1], name), 41001)
            self.refused(self.unblacklist("wrong", OPENIDS[:1], name), 40001)
            self.refused(self.unblacklist(self.component_token, OPENIDS[:1], name), 48001)
            self.refused(self.sim.call(TAGS + name, method="GET", access_token=self.token), 43002)
            self.refused(self.sim.call(TAGS + name, b"", access_token=self.token), 44002)
            self.refused(self.sim.call(TAGS + name, b"{]", access_token=self.token), 47001)
            self.refused(self.sim.call(TAGS + name, {"openid_list": OPENIDS[:1]}, component_access_token=self.token), 41001)
        self.sim.settings(wrong_token_errcode=40014)
        self.refused(self.unblacklist("wrong", OPENIDS[:1]), 40014)
        self.sim.time(7201)
        self.refused(self.unblacklist(self.token, OPENIDS[:1]), 42001)
        self.assertEqual(self.blacklist(), OPENIDS[:30])

    def test_sizes(self):
        self.refused(self.unblacklist(self.token, OPENIDS[:21]), 40032)
        self.refused(self.unblacklist(self.token, []), 40032)
        self.refused(self.sim.call(TAGS + "batchunblacklist", {}, access_token=self.token), 40097)
        self.refused(self.unblacklist(self.token, "o"), 47001)
        self.refused(self.unblacklist(self.token, [1]), 47001)
        self.assertEqual(self.blacklist(), OPENIDS[:30])

    def test_one_bad_openid_and_nothing_is_applied(self):
        for bad in ("ounknown", "", "o" * 65, "o with blanks", "o\u0000", "o微信"):
            for place in (0, 10, 19):
                batch = OPENIDS[:19]
                batch.insert(place, bad)
                self.refused(self.unblacklist(self.token, batch), 40003)
        self.assertEqual(self.blacklist(), OPENIDS[:30])
        self.sim.settings(bad_openid_errcode=49003)
        self.refused(self.unblacklist(self.token, ["ounknown"]), 49003)

    def test_escapes_are_taken_literally(self):
        escaped = '{"openid_list":["\\u006f%s"]}' % OPENIDS[0][1:]
        self.refused(self.sim.call(TAGS + "batchunblacklist", escaped.encode(), access_token=self.token), 40003)
        plain = '{"openid_list":["%s"]}' % OPENIDS[0]
        self.fine(self.sim.call(TAGS + "batchunblacklist", plain.encode(), access_token=self.token))

    def test_another_accounts_openids(self):
        self.sim.merchant("wxother", followers=["oforeign"])
        self.refused(self.unblacklist(self.token, ["oforeign"]), 40003)

    def test_any_openid_valid_but_the_bad_ones(self):
        self.sim.merchant(MERCHANT, any_openid_valid=True, bad_openids=["obad"], openid_errcodes={"oodd": 41030})
        self.fine(self.unblacklist(self.token, ["onever-seen_1"]))
        self.refused(self.unblacklist(self.token, ["onever", "obad"]), 40003)
        self.refused(self.unblacklist(self.token, ["onever", "oodd"]), 41030)
        self.refused(self.unblacklist(self.token, ["no openid"]), 40003)

    def test_permission_sets(self):
        for sets, allowed in (([2], True), ([100], True), ([1, 15], False), ([], False), (list(range(3, 60)), False)):
            code = self.sim.authorize(MERCHANT, permission_sets=sets)["authorization_code"]
            token = self.sim.exchange(code, self.component_token)["authorizer_access_token"]
            for name in ("batchunblacklist", "batchblacklist", "getblacklist"):
                answer = self.unblacklist(token, OPENIDS[:1], name)
                if allowed:
                    self.assertFalse(answer.get("errcode"))
                else:
                    self.refused(answer, 61007)
        self.sim.settings(missing_set_errcode=48001)
        self.refused(self.unblacklist(token, OPENIDS[:1]), 48001)

    def test_certification(self):
        for verify, allowed in ((-1, False), (0, True), (1, False), (2, False), (3, True), (4, True), (5, True)):
            self.sim.merchant(MERCHANT, verify_type=verify)
            answer = self.unblacklist(self.token, OPENIDS[:1])
            self.assertEqual(answer["errcode"], 0 if allowed else 48001, verify)
        self.sim.merchant(MERCHANT, organisation=False)
        self.refused(self.unblacklist(self.token, OPENIDS[:1]), 48001)

    def test_kinds(self):
        for kind, allowed in (("service", True), ("subscription", True), ("mini_program", False), ("channels", False)):
            self.sim.merchant(MERCHANT, kind=kind)
            self.assertEqual(self.unblacklist(self.token, OPENIDS[:1])["errcode"], 0 if allowed else 48001, kind)

    def test_account_status(self):
        for status, allowed in ((1, True), (18, True), (14, False), (16, False), (19, False)):
            self.sim.merchant(MERCHANT, account_status=status)
            self.assertEqual(self.unblacklist(self.token, OPENIDS[:1])["errcode"], 0 if allowed else 50002, status)

    def test_white_list(self):
        self.sim.component(ip_allowed=False)
        self.refused(self.unblacklist(self.token, OPENIDS[:1]), 61004)

    def pages(self):
        begin, seen, pages = "", [], 0
        while True:
            page = self.sim.call(TAGS + "getblacklist", {"begin_openid": begin}, access_token=self.token)
            pages += 1
            self.assertEqual(page["total"], 30)
            self.assertEqual(page["count"], len(page.get("data", {}).get("openid", [])))
            if page["count"] == 0 or not page["next_openid"]:
                return seen + page.get("data", {}).get("openid", []), pages, page
            seen += page["data"]["openid"]
            begin = page["next_openid"]
            self.assertEqual(begin, seen[-1])

    def test_getblacklist_ends_in_three_forms(self):
        self.sim.settings(getblacklist_page=7)
        for end, pages, has_data in (("count0", 6, True), ("no_data", 6, False), ("next_empty", 5, True)):
            self.sim.settings(getblacklist_end=end)
            seen, count, last = self.pages()
            self.assertEqual(seen, OPENIDS[:30])
            self.assertEqual((count, "data" in last), (pages, has_data))

    def test_getblacklist_goes_on_after_one_that_left(self):
        self.sim.settings(getblacklist_page=10)
        self.fine(self.unblacklist(self.token, OPENIDS[9:10]))
        page = self.sim.call(TAGS + "getblacklist", {"begin_openid": OPENIDS[9]}, access_token=self.token)
        self.assertEqual(page["data"]["openid"], OPENIDS[10:20])
        self.refused(self.sim.call(TAGS + "getblacklist", {"begin_openid": "ounknown"}, access_token=self.token), 40003)
        self.refused(self.sim.call(TAGS + "getblacklist", {"begin_openid": 5}, access_token=self.token), 47001)

    def test_custom_send(self):
        path = "/cgi-bin/message/custom/send"
        message = {"touser": OPENIDS[0], "msgtype": "text", "text": {"content": "微信"}}
        self.fine(self.sim.call(path, message, access_token=self.token))
        self.refused(self.sim.call(path, dict(message, touser="ounknown"), access_token=self.token), 40003)
        self.refused(self.sim.call(path, dict(message, msgtype="song"), access_token=self.token), 40008)
        self.refused(self.sim.call(path, dict(message, text={}), access_token=self.token), 44004)
        code = self.sim.authorize(MERCHANT, permission_sets=[2])["authorization_code"]
        token = self.sim.exchange(code, self.component_token)["authorizer_access_token"]
        self.refused(self.sim.call(path, message, access_token=token), 61007)


class QuotaTest(SimulatorTest):
    def setUp(self):
        super().setUp()
        self.token = self.certified()["authorizer_access_token"]

    def quota(self, path=TAGS + "batchunblacklist"):
        return self.sim.call("/cgi-bin/openapi/quota/get", {"cgi_path": path}, access_token=self.token)

    def test_daily_quota_ends_at_beijing_midnight(self):
        self.sim.merchant(MERCHANT, daily_quota=2)
        self.fine(self.unblacklist(self.token, OPENIDS[:1]))
        self.refused(self.unblacklist(self.token, ["ounknown"]), 40003)
        self.refused(self.unblacklist(self.token, OPENIDS[:1]), 45009)
        self.assertEqual(self.quota()["quota"], {"daily_limit": 2, "used": 2, "remain": 0})
        self.fine(self.unblacklist(self.token, OPENIDS[30:31], "batchblacklist"))
        self.sim.settings(token_life_s=1000000)
        self.sim.time(86400)
        self.token = self.sim.exchange(self.sim.authorize(MERCHANT)["authorization_code"],
                                       self.sim.component_token())["authorizer_access_token"]
        self.fine(self.unblacklist(self.token, OPENIDS[:1]))

    def test_a_minute(self):
        self.sim.settings(per_minute_limit=1)
        self.sim.time(60 - self.sim.state()["now_ms"] // 1000 % 60)
        self.fine(self.unblacklist(self.token, OPENIDS[:1]))
        self.refused(self.unblacklist(self.token, OPENIDS[:1]), 45011)
        self.assertEqual(self.quota()["component_rate_limit"]["call_count"], 1)
        self.sim.time(60)
        self.fine(self.unblacklist(self.token, OPENIDS[:1]))

    def test_quota_get(self):
        self.refused(self.quota("/nothing"), 76021)
        self.refused(self.sim.call("/cgi-bin/openapi/quota/get", {"cgi_path": TAGS + "getblacklist"}), 41001)
        answer = self.sim.call("/cgi-bin/openapi/quota/get", {"cgi_path": API + "api_query_auth"},
                               access_token=self.component_token)
        self.assertEqual(answer["quota"]["used"], 1)

    def test_clear_quota_ten_times_a_month(self):
        self.sim.merchant(MERCHANT, daily_quota=1, appsecret="own-secret")
        self.fine(self.unblacklist(self.token, OPENIDS[:1]))
        self.refused(self.sim.call("/cgi-bin/clear_quota", {"appid": "wxother"}, access_token=self.token), 40013)
        for _ in range(8):
            self.fine(self.sim.call("/cgi-bin/clear_quota", {"appid": MERCHANT}, access_token=self.token))
        self.fine(self.unblacklist(self.token, OPENIDS[:1]))
        body = {"component_appid": COMPONENT, "appid": MERCHANT, "appsecret": SECRET}
        self.refused(self.sim.call(API + "clear_quota/v2", dict(body, appsecret="x")), 40125)
        self.refused(self.sim.call(API + "clear_quota/v2", dict(body, appid="wxother")), 61003)
        self.fine(self.sim.call(API + "clear_quota/v2", body))
        own = {"appid": MERCHANT, "appsecret": "own-secret"}
        self.refused(self.sim.call("/cgi-bin/clear_quota/v2", dict(own, appsecret="x")), 40125)
        self.fine(self.sim.call("/cgi-bin/clear_quota/v2", own))
        self.refused(self.sim.call("/cgi-bin/clear_quota/v2", own), 48006)

    def test_rid(self):
        rid = self.unblacklist(self.token, ["ounknown"])["errmsg"].split("rid: ")[1]
        answer = self.sim.call("/cgi-bin/openapi/rid/get", {"rid": rid}, access_token=self.token)
        self.assertEqual(answer["request"]["request_body"], '{"openid_list": ["ounknown"]}')
        self.refused(self.sim.call("/cgi-bin/openapi/rid/get", {"rid": "x"}, access_token=self.token), 76001)
        other = self.certified("wxother")["authorizer_access_token"]
        self.refused(self.sim.call("/cgi-bin/openapi/rid/get", {"rid": rid}, access_token=other), 76002)

    def test_ends_of_errmsg(self):
        self.sim.settings(errmsg_end="hint")
        self.assertRegex(self.unblacklist("x", [])["errmsg"], r" hint: \[.*\]$")
        self.sim.settings(errmsg_end="none")
        self.assertNotRegex(self.unblacklist("x", [])["errmsg"], "hint|rid")


class OwnAccountTest(SimulatorTest):
    def setUp(self):
        super().setUp()
        self.sim.merchant("wxown", verify_type=0, appsecret="own-secret", blacklist=OPENIDS[:3])

    def stable(self, **changes):
        body = {"grant_type": "client_credential", "appid": "wxown", "secret": "own-secret"}
        body.update(changes)
        return self.sim.call("/cgi-bin/stable_token", body)

    def plain(self, **changes):
        query = {"grant_type": "client_credential", "appid": "wxown", "secret": "own-secret"}
        query.update(changes)
        return self.sim.call("/cgi-bin/token", method="GET", **query)

    def test_rejections(self):
        for call in (self.stable, self.plain):
            self.assertEqual(sorted(call()), ["access_token", "expires_in"])
            self.refused(call(grant_type="x"), 40002)
            self.refused(call(appid="wxnobody"), 40013)
            self.refused(call(appid=""), 41002)
            self.refused(call(secret=""), 41004)
            self.refused(call(secret="x"), 40125)
        self.refused(self.stable(force_refresh="true"), 47001)
        self.refused(self.sim.call("/cgi-bin/stable_token", method="GET"), 43002)
        self.refused(self.sim.call("/cgi-bin/token", {}), 43001)
        self.sim.merchant("wxown", ip_allowed=False)
        self.refused(self.stable(), 40164)
        self.refused(self.plain(), 40164)

    def test_the_same_text_until_the_last_5_minutes(self):
        first = self.stable()
        self.assertEqual(first["expires_in"], 7200)
        self.sim.time(6890)
        same = self.stable()
        self.assertEqual(same["access_token"], first["access_token"])
        self.assertLessEqual(same["expires_in"], 310)
        self.sim.time(15)
        second = self.stable()
        self.assertNotEqual(second["access_token"], first["access_token"])
        for token in (first, second):
            self.fine(self.unblacklist(token["access_token"], OPENIDS[:1]))
        self.sim.time(300)
        self.refused(self.unblacklist(first["access_token"], OPENIDS[:1]), 42001)
        self.fine(self.unblacklist(second["access_token"], OPENIDS[:1]))

    def test_forced_ones_kill_and_are_counted(self):
        first = self.stable()["access_token"]
        second = self.stable(force_refresh=True)["access_token"]
        self.assertNotEqual(first, second)
        self.refused(self.unblacklist(first, OPENIDS[:1]), 40001)
        self.refused(self.stable(force_refresh=True), 45011)
        self.assertEqual(self.stable()["access_token"], second)
        to_midnight = 86400 - (self.sim.state()["now_ms"] // 1000 + 8 * 3600) % 86400
        self.sim.time(to_midnight)
        for _ in range(20):
            self.assertIn("access_token", self.stable(force_refresh=True))
            self.sim.time(31)
        self.refused(self.stable(force_refresh=True), 45009)

    def test_token_invalidates_the_one_before_but_no_stable_one(self):
        stable = self.stable()["access_token"]
        first = self.plain()["access_token"]
        second = self.plain()["access_token"]
        self.sim.time(301)
        self.refused(self.unblacklist(first, OPENIDS[:1]), 40001)
        for token in (second, stable):
            self.fine(self.unblacklist(token, OPENIDS[:1]))

    def test_own_calls_need_certification_and_kind_but_no_set(self):
        token = self.stable()["access_token"]
        self.fine(self.unblacklist(token, OPENIDS[:1]))
        self.sim.merchant("wxown", verify_type=-1)
        self.refused(self.unblacklist(token, OPENIDS[:1]), 48001)
        self.sim.merchant("wxown", verify_type=0, kind="mini_program")
        self.refused(self.unblacklist(token, OPENIDS[:1]), 48001)
        self.sim.merchant("wxown", kind="service", account_status=16)
        self.refused(self.unblacklist(token, OPENIDS[:1]), 50002)

    def test_quota(self):
        self.sim.merchant("wxown", daily_quota=1)
        self.plain()
        self.refused(self.plain(), 45009)


class CloudTest(SimulatorTest):
    def unblacklist_by(self, token, name="batchunblacklist", **query):
        if token is not None:
            query["cloudbase_access_token"] = token
        return self.sim.call(TAGS + name, {"openid_list": OPENIDS[:1]}, **query)

    def test_token_of_an_account(self):
        self.certified()
        token = self.sim.cloud(MERCHANT)["token"]
        self.fine(self.unblacklist_by(token))
        self.refused(self.unblacklist(token, OPENIDS[:1]), 40001)
        self.refused(self.unblacklist_by("wrong"), 40001)
        self.refused(self.unblacklist_by(token, "batchblacklist"), 48001)
        own = self.sim.merchant(MERCHANT)["authorizations"][0]["access"]["newest"]
        self.refused(self.unblacklist_by(own), 40001)
        self.sim.time(1801)
        self.refused(self.unblacklist_by(token), 42001)

    def test_token_of_a_platform_at_an_appid(self):
        self.certified()
        token = self.sim.cloud(COMPONENT)["token"]
        self.fine(self.unblacklist_by(token + "@" + MERCHANT))
        self.refused(self.unblacklist_by(token), 48001)
        self.refused(self.unblacklist_by("wrong@" + MERCHANT), 40001)
        self.sim.merchant("wxother", verify_type=0)
        self.refused(self.unblacklist_by(token + "@wxother"), 61003)
        self.sim.unauthorize(MERCHANT)
        self.refused(self.unblacklist_by(token + "@" + MERCHANT), 61003)
        info = self.sim.call(API + "api_get_authorizer_list", {"component_appid": COMPONENT, "offset": 0, "count": 1},
                             cloudbase_access_token=token)
        self.assertEqual(info["total_count"], 0)

    def test_white_list_of_paths(self):
        self.certified()
        token = self.sim.cloud(MERCHANT, paths=[TAGS + "getblacklist"])["token"]
        self.refused(self.unblacklist_by(token), 48001)
        self.assertIn("total", self.unblacklist_by(token, "getblacklist"))

    def test_token_less_only_when_enabled(self):
        self.certified()
        self.refused(self.unblacklist_by(None), 41001)
        self.sim.cloud(MERCHANT, token_less=True)
        status, headers, body = self.sim.request("POST", TAGS + "batchunblacklist", {"openid_list": OPENIDS[:1]})
        self.assertEqual((status, json.loads(body)["errcode"]), (200, 0))
        self.assertTrue(headers["x-openapi-seqid"])
        self.sim.merchant("wxother", verify_type=0, followers=OPENIDS[:1])
        self.refused(self.unblacklist_by(None, from_appid="wxother"), 48001)
        self.sim.cloud(MERCHANT, from_appids=["wxother"])
        self.fine(self.unblacklist_by(None, from_appid="wxother"))

    def test_no_seqid_outside_the_cloud(self):
        token = self.certified()["authorizer_access_token"]
        _, headers, _ = self.sim.request("POST", TAGS + "getblacklist?access_token=" + token, {})
        self.assertIsNone(headers["x-openapi-seqid"])


class PushTest(SimulatorTest):
    def read(self, push, aes_key=AES_KEY, token=TOKEN, appid=COMPONENT):
        """The inner XML of a push, everything about it checked."""
        query = dict(urllib.parse.parse_qsl(push["query"], strict_parsing=True))
        self.assertEqual(list(query), ["signature", "timestamp", "nonce", "encrypt_type", "msg_signature"])
        encrypt = field(push["body"], "Encrypt")
        self.assertEqual(query["signature"], sign(token, query["timestamp"], query["nonce"]))
        self.assertEqual(query["msg_signature"], sign(token, query["timestamp"], query["nonce"], encrypt))
        self.assertEqual(query["encrypt_type"], "aes")
        _, message, inner = open_envelope(encrypt, aes_key)
        self.assertEqual(inner, appid)
        return message

    def test_vectors(self):
        with open(os.path.join(HERE, "..", "data", "crypto-vectors.json"), encoding="utf-8") as file:
            vectors = json.load(file)
        self.assertGreater(len(vectors), 5)
        for vector in vectors:
            appid = vector["appid"]
            self.sim.component(appid, token=vector["token"], encoding_aes_key=vector["encoding_aes_key"])
            push = self.sim.push(vector["plaintext"], component_appid=appid, random=vector["random"],
                                 timestamp=vector["timestamp"], nonce=vector["nonce"])["push"]
            self.assertEqual(field(push["body"], "Encrypt"), vector["encrypt"], vector["name"])
            self.assertIn("msg_signature=" + vector["msg_signature"], push["query"])

    def test_every_length_is_padded_to_32(self):
        for size in range(1, 70):
            self.assertEqual(self.read(self.sim.push("x" * size)["push"]), "x" * size)

    def test_ticket(self):
        order = self.sim.ticket()
        xml = self.read(order["push"])
        self.assertEqual(field(order["push"]["body"], "AppId"), COMPONENT)
        self.assertEqual(field(xml, "InfoType"), "component_verify_ticket")
        self.assertEqual(field(xml, "ComponentVerifyTicket"), order["ticket"])
        self.assertLess(abs(int(field(xml, "CreateTime")) - self.sim.state()["now_ms"] // 1000), 5)

    def test_authorized_and_back(self):
        self.sim.merchant(MERCHANT, verify_type=0)
        for update, kind in ((False, "authorized"), (True, "updateauthorized")):
            order = self.sim.authorize(MERCHANT, update=update)
            xml = self.read(order["push"])
            self.assertEqual(field(xml, "InfoType"), kind)
            self.assertEqual(field(xml, "AppId"), COMPONENT)
            self.assertEqual(field(xml, "AuthorizerAppid"), MERCHANT)
            self.assertEqual(field(xml, "AuthorizationCode"), order["authorization_code"])
            self.assertEqual(int(field(xml, "AuthorizationCodeExpiredTime")) - int(field(xml, "CreateTime")), 3600)
            self.assertTrue(field(xml, "PreAuthCode"))
        xml = self.read(self.sim.unauthorize(MERCHANT)["push"])
        self.assertEqual((field(xml, "InfoType"), field(xml, "AuthorizerAppid")), ("unauthorized", MERCHANT))

    def test_the_previous_key(self):
        new = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
        with self.assertRaises(ControlError):
            self.sim.push("<xml/>", key="previous")
        self.sim.component(encoding_aes_key=new)
        self.assertEqual(self.read(self.sim.push("<xml/>")["push"], new), "<xml/>")
        self.assertEqual(self.read(self.sim.push("<xml/>", key="previous")["push"]), "<xml/>")

    def test_message_envelope(self):
        push = self.sim.push("<xml/>", to_user_name="gh_1")["push"]
        self.assertEqual(field(push["body"], "ToUserName"), "gh_1")
        self.assertIsNone(field(push["body"], "AppId"))
        self.read(push)

    def test_each_forgery_is_wrong_in_its_own_way(self):
        xml = "<xml>" + "x" * 60 + "</xml>"
        for forge in ("signature", "token", "unsigned"):
            with self.assertRaises(AssertionError):
                self.read(self.sim.push(xml, forge=forge)["push"])
        for forge in ("padding", "pad_zero", "pad_over", "length", "negative"):
            push = self.sim.push(xml, forge=forge)["push"]
            query = dict(urllib.parse.parse_qsl(push["query"]))
            encrypt = field(push["body"], "Encrypt")
            self.assertEqual(query["msg_signature"], sign(TOKEN, query["timestamp"], query["nonce"], encrypt))
            with self.assertRaises(AssertionError, msg=forge):
                open_envelope(encrypt, AES_KEY)
        _, _, appid = open_envelope(field(self.sim.push(xml, forge="appid")["push"]["body"], "Encrypt"), AES_KEY)
        self.assertNotEqual(appid, COMPONENT)
        encrypt = field(self.sim.push(xml, forge="block")["push"]["body"], "Encrypt")
        self.assertEqual(len(base64.b64decode(encrypt)) % 32, 16)
        with self.assertRaises(ValueError):
            base64.b64decode(field(self.sim.push(xml, forge="base64")["push"]["body"], "Encrypt"), validate=True)
        self.assertEqual(field(self.sim.push(xml, forge="empty")["push"]["body"], "Encrypt"), "")
        self.assertNotIn("</xml>", self.sim.push(xml, forge="envelope")["push"]["body"])
        self.assertIn("<!DOCTYPE", self.sim.push(xml, forge="doctype")["push"]["body"])
        for forge in ("key", "flip"):
            encrypt = field(self.sim.push(xml, forge=forge)["push"]["body"], "Encrypt")
            try:
                self.assertNotEqual(open_envelope(encrypt, AES_KEY)[1], xml)
            except (AssertionError, UnicodeDecodeError):
                pass
        with self.assertRaises(ControlError):
            self.sim.push(xml, forge="nonsense")

    def test_delivery_and_three_tries(self):
        with Callback("success") as callback:
            self.sim.component(callback_url=callback.url)
            order = self.sim.ticket()
            self.assertEqual((order["delivery"]["success"], order["delivery"]["tries"]), (True, 1))
            self.assertEqual(callback.pushes[0][1], order["push"]["body"])
            self.assertEqual(callback.pushes[0][0], order["push"]["query"])
            self.assertNotIn("delivery", self.sim.ticket(deliver=False))
        with Callback("fail", "fail", "success") as callback:
            delivery = self.sim.ticket(callback_url=callback.url)["delivery"]
            self.assertEqual((delivery["success"], delivery["tries"]), (True, 3))
        with Callback("fail") as callback:
            delivery = self.sim.ticket(callback_url=callback.url)["delivery"]
            self.assertEqual((delivery["success"], delivery["tries"], len(callback.pushes)), (False, 3, 3))

    def test_tickets_by_themselves_every_10_minutes(self):
        with Callback("success") as callback:
            self.sim.component(callback_url=callback.url)
            self.fine(self.sim.call(API + "api_start_push_ticket",
                                    {"component_appid": COMPONENT, "component_secret": SECRET}))
            self.assertTrue(callback.wait(1))
            self.sim.time(601)
            self.assertTrue(callback.wait(2))
            first, second = [self.read({"query": query, "body": body}) for query, body in callback.pushes[:2]]
            self.assertNotEqual(field(first, "ComponentVerifyTicket"), field(second, "ComponentVerifyTicket"))
            self.sim.component(callback_url="")

    def reply(self, name, message, push):
        inner = ("<xml><ToUserName><![CDATA[%s]]></ToUserName><FromUserName><![CDATA[%s]]></FromUserName>"
                 "<CreateTime>1</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[%s]]></Content></xml>"
                 % (field(push, "FromUserName"), field(push, "ToUserName"), message))
        encrypt = seal_envelope(inner, AES_KEY, COMPONENT)
        body = ("<xml><Encrypt><![CDATA[%s]]></Encrypt><MsgSignature><![CDATA[%s]]></MsgSignature>"
                "<TimeStamp>5</TimeStamp><Nonce><![CDATA[n]]></Nonce></xml>"
                % (encrypt, sign(TOKEN, "5", "n", encrypt)))
        return {"name": name, "body": body}

    def test_release_test(self):
        cases = self.sim.order("release-test")["cases"]
        self.assertEqual(len(cases), 6)
        self.assertEqual({case["appid"] for case in cases}, {"wx570bc396a51b8ff8", "wxd101a85aa106f53e"})
        self.component_token = self.sim.component_token()
        answers, late = [], []
        for case in cases:
            xml = self.read(case["push"])
            if field(xml, "MsgType") == "event":
                answers.append(self.reply(case["name"], field(xml, "Event") + "from_callback", xml))
            elif field(xml, "Content").startswith("QUERY_AUTH_CODE:"):
                answers.append({"name": case["name"], "body": ""})
                late.append((field(xml, "Content").split(":", 1)[1], field(xml, "FromUserName")))
            else:
                answers.append(self.reply(case["name"], field(xml, "Content") + "_callback", xml))
        verdict = self.sim.order("release-test", {"answers": answers})
        self.assertFalse(verdict["passed"])
        self.assertEqual([one["ok"] for one in verdict["verdicts"]], [True, True, False] * 2)
        for code, touser in late:
            token = self.sim.exchange(code, self.component_token)["authorizer_access_token"]
            self.fine(self.sim.call("/cgi-bin/message/custom/send",
                                    {"touser": touser, "msgtype": "text", "text": {"content": code + "_from_api"}},
                                    access_token=token))
        self.assertTrue(self.sim.order("release-test", {"answers": answers})["passed"])
        self.assertFalse(self.sim.order("release-test", {"answers": answers[:1] * 6})["passed"])
        wrong = [dict(answers[0], body=answers[1]["body"]), dict(answers[0], body="success"),
                 dict(answers[0], body=answers[0]["body"].replace("<TimeStamp>5", "<TimeStamp>6")),
                 dict(answers[2], body="x"), {"name": "official-none", "body": ""}]
        verdict = self.sim.order("release-test", {"answers": wrong})
        self.assertEqual([one["ok"] for one in verdict["verdicts"]], [False] * 5)


class FaultTest(SimulatorTest):
    PATH = TAGS + "batchunblacklist"

    def setUp(self):
        super().setUp()
        self.token = self.certified()["authorizer_access_token"]

    def call(self):
        return self.unblacklist(self.token, OPENIDS[:1])

    def raw(self):
        """(status line, header text, body) read until the connection closes, however it ends."""
        body = json.dumps({"openid_list": OPENIDS[:1]}).encode()
        address = urllib.parse.urlsplit(self.sim.base)
        with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
            connection.sendall(b"POST %s?access_token=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d"
                               b"\r\n\r\n%s" % (self.PATH.encode(), self.token.encode(), len(body), body))
            data = b""
            try:
                while True:
                    part = connection.recv(65536)
                    if not part:
                        break
                    data += part
            except ConnectionResetError:
                pass
        head, _, rest = data.partition(b"\r\n\r\n")
        return head.decode(), rest

    def applied(self):
        return OPENIDS[0] not in self.sim.merchant(MERCHANT)["blacklist"]

    def test_errcode(self):
        self.sim.fault(self.PATH, errcode=-1)
        self.refused(self.call(), -1)
        self.assertFalse(self.applied())
        self.fine(self.call())
        self.sim.fault(self.PATH, errcode=45009, errmsg="my text")
        self.assertRegex(self.call()["errmsg"], r"^my text rid: ")

    def test_an_errcode_after_it_was_applied(self):
        self.sim.fault(self.PATH, errcode=-1, apply="yes")
        self.refused(self.call(), -1)
        self.assertTrue(self.applied())
        entry = self.sim.journal(self.PATH)[-1]
        self.assertEqual((entry["errcode"], entry["applied"]), (-1, True))

    def test_http_status_and_garbage(self):
        self.sim.fault(self.PATH, http_status=502)
        status, headers, body = self.sim.request("POST", self.PATH + "?access_token=" + self.token, {"openid_list": []})
        self.assertEqual((status, headers["Content-Type"]), (502, "text/html"))
        self.assertTrue(body.startswith(b"<html>"))
        self.sim.fault(self.PATH, body="<html>login</html>", content_type="text/plain")
        status, headers, body = self.sim.request("POST", self.PATH + "?access_token=" + self.token, {"openid_list": []})
        self.assertEqual((status, headers["Content-Type"], body), (200, "text/plain", b"<html>login</html>"))
        self.assertFalse(self.applied())

    def test_cut_before_and_after(self):
        for cut, applied in (("before", False), ("after", True)):
            self.sim.fault(self.PATH, cut=cut)
            self.assertEqual(self.raw(), ("", b""))
            self.assertEqual(self.applied(), applied)
            entry = self.sim.journal(self.PATH)[-1]
            self.assertEqual((entry["applied"], entry["answered"]), (applied, False))

    def test_truncated(self):
        self.sim.fault(self.PATH, truncate_at=5)
        head, body = self.raw()
        self.assertIn("200 OK", head)
        length = int(re.search(r"content-length: (\d+)", head, re.I).group(1))
        self.assertEqual((body, length > 5), (b'{"err', True))
        self.assertTrue(self.applied())

    def test_drip_and_endless(self):
        self.sim.fault(self.PATH, drip_ms=1)
        self.assertEqual(json.loads(self.raw()[1]), {"errcode": 0, "errmsg": "ok"})
        self.sim.fault(self.PATH, endless=True)
        address = urllib.parse.urlsplit(self.sim.base)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
        connection.request("POST", self.PATH + "?access_token=" + self.token, json.dumps({"openid_list": OPENIDS[:1]}))
        self.assertEqual(len(connection.getresponse().read(3000000)), 3000000)
        connection.close()

    def test_delay_blocks_no_other_call(self):
        self.sim.fault(self.PATH, delay_ms=2000)
        slow = Background(self.call)
        self.sim.wait(self.PATH, count=1)
        self.fine(self.call())
        self.assertIsNone(slow.result)
        self.fine(slow.join())

    def test_hold_and_release(self):
        self.sim.fault(self.PATH, hold=True, count=2)
        calls = [Background(self.call) for _ in range(2)]
        self.sim.wait(self.PATH, held=2)
        self.assertTrue(self.applied())
        held = self.sim.held()
        self.assertEqual([(one["path"], one["appid"]) for one in held], [(self.PATH, MERCHANT)] * 2)
        self.sim.release(held[0]["id"])
        with self.assertRaises(ControlError):
            self.sim.release(held[0]["id"])
        self.sim.release()
        for call in calls:
            self.fine(call.join())
        self.assertEqual(self.sim.held(), [])

    def test_applied_on_release_only(self):
        self.sim.fault(self.PATH, hold=True, apply="on_release")
        call = Background(self.call)
        self.sim.wait(self.PATH, held=1)
        self.assertFalse(self.applied())
        self.sim.release()
        self.fine(call.join())
        self.assertTrue(self.applied())

    def test_held_and_then_cut(self):
        self.sim.fault(self.PATH, hold=True, cut="after")
        call = Background(self.raw)
        self.sim.wait(self.PATH, held=1)
        self.sim.release()
        self.assertEqual(call.join(), ("", b""))

    def test_reset_lets_held_answers_go(self):
        self.sim.fault(self.PATH, hold=True, apply="on_release")
        call = Background(self.call)
        self.sim.wait(self.PATH, held=1)
        self.sim.reset()
        self.refused(call.join(), 40001)

    def test_which_calls_are_hit(self):
        self.sim.fault(self.PATH, nth=2, count=2, errcode=-1)
        self.assertEqual([self.call()["errcode"] for _ in range(4)], [0, -1, -1, 0])
        self.sim.fault(TAGS + "*", appid="wxother", errcode=-1, count=-1)
        self.fine(self.call())
        self.sim.merchant("wxother", verify_type=0, permission_sets=[2], followers=OPENIDS)
        code = self.sim.authorize("wxother")["authorization_code"]
        other = self.sim.exchange(code, self.component_token)["authorizer_access_token"]
        for _ in range(3):
            self.refused(self.unblacklist(other, OPENIDS[:1]), -1)
        self.assertEqual([fault["hits"] for fault in self.sim.faults()], [2, 3])
        self.sim.clear_faults()
        self.fine(self.unblacklist(other, OPENIDS[:1]))

    def test_a_fault_of_the_platforms_calls_knows_the_authorizer(self):
        refresh = self.sim.merchant(MERCHANT)["authorizations"][0]["refresh"]["newest"]
        self.sim.fault(API + "api_authorizer_token", appid=MERCHANT, errcode=-1)
        self.refused(self.refresh(refresh), -1)
        code = self.sim.authorize(MERCHANT)["authorization_code"]
        self.sim.fault(API + "api_query_auth", appid=MERCHANT, errcode=-1)
        self.refused(self.component_call("api_query_auth", authorization_code=code), -1)

    def test_removing_one(self):
        first = self.sim.fault(self.PATH, errcode=-1)
        self.sim.fault(self.PATH, errcode=-2)
        self.sim.order("faults?id=%d" % first, method="DELETE")
        self.refused(self.call(), -2)


class ControlTest(SimulatorTest):
    def test_unknown_keys_and_values_are_refused(self):
        self.sim.merchant(MERCHANT, verify_type=0)
        for path, order in (("settings", {"nonsense": 1}), ("settings", {"token_life_s": "7200"}),
                            ("settings", {"getblacklist_end": "x"}), ("settings", {"list_page_max": 501}),
                            ("faults", {"errcod": 1}), ("faults", {"cut": "now"}), ("faults", {"nth": 0}),
                            ("faults", {"apply": "x"}), ("component", {"component_appid": "wxnew"}),
                            ("component", {"component_appid": COMPONENT, "encoding_aes_key": "short"}),
                            ("merchant", {"appid": "wx", "kind": "x"}), ("merchant", {"appid": "wx", "nonsense": 1}),
                            ("merchant", {"appid": "wx", "permission_sets": [256]}), ("merchant", {"appid": "x" * 64}),
                            ("authorize", {"appid": "wxnobody"}), ("authorize", {"appid": MERCHANT, "nonsense": 1}),
                            ("ticket", {"component_appid": "wxnobody"}), ("time", {"advance_s": -1}), ("time", {}),
                            ("push", {}), ("cloud", {"appid": "wxnobody"}), ("release", {}), ("release", {"id": 5}),
                            ("nonsense", {})):
            with self.assertRaises(ControlError, msg=(path, order)):
                self.sim.order(path, order)
        self.assertEqual(self.sim.request("POST", "/sim/settings", b"[]")[0], 400)
        self.assertEqual(self.sim.request("PUT", "/sim/settings", {})[0], 404)
        self.assertEqual(self.sim.request("GET", "/sim/merchant?appid=wxnobody")[0], 404)

    def test_settings_are_all_or_nothing(self):
        before = self.sim.settings()
        with self.assertRaises(ControlError):
            self.sim.settings(grace_s=1, nonsense=1)
        self.assertEqual(self.sim.settings(), before)
        self.assertEqual(self.sim.settings(grace_s=1)["grace_s"], 1)
        self.sim.reset()
        self.assertEqual(self.sim.settings(), before)

    def test_merchants_are_merged(self):
        self.sim.merchant(MERCHANT, kind="subscription", verify_type=3, permission_sets=[1], blacklist=OPENIDS[:2])
        seen = self.sim.merchant(MERCHANT, blacklist=OPENIDS[1:3])
        self.assertEqual((seen["kind"], seen["verify_type"], seen["permission_sets"], seen["blacklist"]),
                         ("subscription", 3, [1], OPENIDS[1:3]))

    def test_journal(self):
        info = self.certified()
        self.unblacklist(info["authorizer_access_token"], OPENIDS[:1])
        self.refresh(info["authorizer_refresh_token"])
        self.unblacklist("wrong", OPENIDS[:1])
        calls = self.sim.journal()
        self.assertEqual([call["path"].rsplit("/", 1)[1] for call in calls],
                         ["api_component_token", "api_query_auth", "batchunblacklist", "api_authorizer_token",
                          "batchunblacklist"])
        business, refresh, wrong = calls[2:]
        self.assertEqual(business["query"], {"access_token": "access#1"})
        self.assertEqual((business["appid"], business["component"]), (MERCHANT, COMPONENT))
        self.assertEqual(business["body"], {"openid_list": OPENIDS[:1]})
        self.assertEqual((business["errcode"], business["applied"]), (0, True))
        self.assertEqual((refresh["appid"], refresh["refresh_generation"]), (MERCHANT, 1))
        self.assertEqual(refresh["query"], {"component_access_token": "component#1"})
        self.assertEqual((wrong["query"], wrong["errcode"], wrong["applied"], wrong["appid"]),
                         ({"access_token": "(unknown)"}, 40001, False, None))
        self.assertEqual(len(self.sim.journal(TAGS + "batchunblacklist")), 2)
        self.assertEqual(len(self.sim.journal(TAGS + "*", appid=MERCHANT)), 1)
        self.assertEqual(self.sim.journal(since=calls[3]["seq"]), [wrong])
        for call in calls:
            self.assertNotIn(info["authorizer_access_token"], json.dumps(call))

    def test_wait(self):
        waiting = Background(self.sim.wait, "/cgi-bin/token", count=2)
        for _ in range(2):
            self.sim.call("/cgi-bin/token", method="GET")
        self.assertEqual(waiting.join()["count"], 2)
        with self.assertRaises(ControlError):
            self.sim.wait("/cgi-bin/token", count=3, timeout_ms=50)

    def test_state(self):
        self.certified()
        state = self.sim.state()
        self.assertEqual(state["components"][0]["component_appid"], COMPONENT)
        self.assertEqual(state["components"][0]["tokens"]["newest"], self.component_token)
        self.assertEqual(state["merchants"][0]["blacklist"], OPENIDS[:30])
        self.assertEqual(state["calls"][COMPONENT + " " + API + "api_query_auth"], 1)

    def test_content_type_and_keep_alive(self):
        _, headers, _ = self.sim.request("GET", "/cgi-bin/token")
        self.assertEqual(headers["Content-Type"], "application/json; encoding=utf-8")
        self.sim.settings(content_type="text/plain", keepalive=False)
        address = urllib.parse.urlsplit(self.sim.base)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
        connection.request("GET", "/cgi-bin/token")
        answer = connection.getresponse()
        answer.read()
        self.assertEqual((answer.headers["Content-Type"], answer.headers["Connection"].lower()), ("text/plain", "close"))
        connection.close()

    def test_a_body_that_is_too_large(self):
        status, _, _ = self.sim.request("POST", "/cgi-bin/stable_token", b"x" * (1 << 20) + b"x")
        self.assertEqual(status, 413)
        self.assertEqual(self.sim.journal(), [])

    def test_many_tokens_of_one_line_are_forgotten_in_order(self):
        info = self.certified()
        for _ in range(200):
            info.update(self.refresh(info["authorizer_refresh_token"]))
        seen = self.sim.merchant(MERCHANT)["authorizations"][0]["access"]
        self.assertEqual(seen["generation"], 201)
        self.assertLessEqual(len(seen["alive"]), 128)
        self.fine(self.unblacklist(info["authorizer_access_token"], OPENIDS[:1]))

    def test_odd_bytes_keep_the_journal_readable(self):
        self.sim.request("GET", "/cgi-bin/%ff%00x?a%ff=%fe&appid=%ff&access_token=%ff%0a", None)
        self.sim.request("POST", "/cgi-bin/stable_token", {"appid": "微" * 30})
        first, second = self.sim.journal()
        self.assertEqual(first["query"], {"a?": "?", "appid": "?", "access_token": "(unknown)"})
        self.assertTrue(second["appid"])

    def test_waiting_since_odd_places(self):
        self.sim.call("/cgi-bin/token", method="GET")
        for since in (-1, 0):
            self.assertEqual(self.sim.wait("/cgi-bin/token", count=1, since=since)["count"], 1)
        with self.assertRaises(ControlError):
            self.sim.wait("/cgi-bin/token", count=1, since=1 << 62, timeout_ms=10)

    def test_random_bodies_leave_it_standing(self):
        info = self.certified()
        tokens = [info["authorizer_access_token"], self.component_token]
        words = ["", "x", MERCHANT, COMPONENT, SECRET, OPENIDS[0], "\u0000", "o" * 300, 0, -1, 1 << 62, 1e300, True, None,
                 [], {}, [[]], [None, 1, "x"], {"x": {}}]
        with open(os.path.join(HERE, "..", "..", "examples", "simulator", "control_world.c"), encoding="utf-8") as file:
            keys = sorted(set(re.findall(r"[a-z]+_?[a-z_]*", " ".join(re.findall(r'"([a-z_ ]+)"', file.read())))))
        keys += ["openid_list", "touser", "text", "authorization_code", "authorizer_appid", "offset", "count",
                 "force_refresh", "grant_type", "secret", "answers", "merchants", "forge", "xml", "rid", "cgi_path"]
        dice = random.Random(20260101)
        paths = [TAGS + "batchunblacklist", TAGS + "getblacklist", API + "api_query_auth", API + "api_authorizer_token",
                 API + "api_get_authorizer_list", API + "api_component_token", "/cgi-bin/stable_token",
                 "/cgi-bin/openapi/rid/get", "/cgi-bin/openapi/quota/get", "/cgi-bin/message/custom/send",
                 "/sim/component", "/sim/merchant", "/sim/cloud", "/sim/authorize", "/sim/unauthorize", "/sim/ticket",
                 "/sim/push", "/sim/release", "/sim/release-test", "/sim/settings", "/sim/time"]
        for _ in range(1500):
            path = dice.choice(paths)
            body = {dice.choice(keys): dice.choice(words) for _ in range(dice.randrange(6))}
            body.pop("callback_url", None)
            body.pop("latency_ms", None)
            status, _, answer = self.sim.request("POST", path + "?access_token=" + dice.choice(tokens), body)
            self.assertIn(status, (200, 400))
            json.loads(answer)
        self.assertIsNone(self.sim.process.poll())
        self.sim.journal()
        self.sim.state()

    def test_many_calls_at_once(self):
        token = self.certified()["authorizer_access_token"]

        def work():
            return [self.unblacklist(token, OPENIDS[:1])["errcode"] for _ in range(20)]

        workers = [Background(work) for _ in range(16)]
        for worker in workers:
            self.assertEqual(worker.join(), [0] * 20)
        self.assertEqual(len(self.sim.journal(TAGS + "batchunblacklist")), 320)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(280, exit=True)
    unittest.main()
