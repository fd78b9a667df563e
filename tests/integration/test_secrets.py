"""I9: no secret is left in any byte that a run leaves behind."""
import base64
import glob
import os
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from scene import Scene, openid  # noqa: E402
from simulator import AES_KEY, SECRET, TOKEN  # noqa: E402

UNBLACKLIST = "/cgi-bin/tags/members/batchunblacklist"
REFRESH = "/cgi-bin/component/api_authorizer_token"
A, OWN = "wxsecret0000000001", "wxsecret0000000002"
OWN_SECRET = "own-appsecret-that-nobody-may-see"


def forms(secret):
    """The forms that a secret may be left in."""
    raw = secret.encode()
    yield raw[:40]  # a part is too much already
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield urllib.parse.quote(secret, safe="").encode()
    # Base64 at each of the three places that it can begin at, but for the ends that mix with what is around.
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw)
        yield text[4 if before else 0:-4]


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene().__enter__()
        cls.addClassCleanup(cls.scene.__exit__)
        cls.sim = cls.scene.sim
        cls.secrets = {"appsecret": SECRET, "push token": TOKEN, "AES key": AES_KEY, "own appsecret": OWN_SECRET}
        cls.said = []  # what each command printed, at its most talkative
        cls.seen_running = b""
        cls.whole_flow()

    @classmethod
    def admin(cls, *arguments, **options):
        ran = cls.scene.admin("-vv", *arguments, **options)
        cls.said.append((arguments, ran.out.encode() + ran.err.encode()))
        return ran

    @classmethod
    def push(cls, push):
        return cls.admin("callback", "--query", push["query"], data=push["body"])

    @classmethod
    def remember(cls, name):
        """Every token that the simulator has given out so far."""
        for number, text in enumerate(cls.tokens_in(cls.sim.state())):
            cls.secrets["%s token %d" % (name, number)] = text

    @classmethod
    def tokens_in(cls, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "pre_auth_codes":
                    continue  # part of a link that is there to be shown
                if isinstance(inner, str) and key in ("newest", "ticket", "token", "refresh_token", "access_token"):
                    yield inner
                else:
                    yield from cls.tokens_in(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from cls.tokens_in(inner)

    @classmethod
    def whole_flow(cls):
        scene, sim = cls.scene, cls.sim
        sim.settings(rotate_refresh_tokens=True)
        files = [scene.path("appsecret", SECRET), scene.path("token", TOKEN), scene.path("aes-key", AES_KEY)]
        sim.component()
        cls.admin("platform", "set", "--component-appid", "wx0123456789abcdef", "--appsecret-file", files[0],
                  "--token-file", files[1], "--aes-key-file", files[2])
        ticket = sim.ticket(deliver=False)
        cls.secrets["ticket"] = ticket["ticket"]
        cls.push(ticket["push"])
        sim.merchant(A, permission_sets=[1, 2], any_openid_valid=True, bad_openids=[openid(3)])
        authorized = sim.authorize(A, deliver=False)
        cls.secrets["code"] = authorized["authorization_code"]
        cls.push(authorized["push"])
        cls.remember("first")
        # WeChat's words echo what was sent: they reach audit, errors and logs.
        component = sim.state()["components"][0]
        tokens = sim.state()["merchants"][0]["authorizations"][0]
        for before in (0, 180):  # the second is cut in the midst
            sim.fault(UNBLACKLIST, errcode=77777, errmsg="." * before + "you sent " + tokens["access"]["newest"])
            cls.admin("unblacklist", A, openid(10 + before))
            for sent in (tokens["refresh"]["newest"], component["tokens"]["newest"]):
                sim.fault(REFRESH, errcode=77777, errmsg="." * before + "you sent " + sent)
                cls.admin("token", "refresh", A)
        sim.clear_faults()
        cls.admin("unblacklist", A, *(openid(number) for number in range(30)))
        cls.admin("token", "refresh", A)
        cls.remember("second")
        sim.fault(REFRESH, cut="after", count=1)
        cls.admin("token", "refresh", A)
        cls.remember("third")
        sim.merchant(OWN, appsecret=OWN_SECRET, any_openid_valid=True)
        cls.admin("tenant", "add-own", "--appid", OWN, "--appsecret-file", scene.path("own", OWN_SECRET))
        cls.admin("unblacklist", OWN, openid(1))
        cls.remember("own")
        # A process with secrets in its environment, looked at while it waits for WeChat.
        sim.fault(REFRESH, hold=True, count=1)
        child = scene.start("-vv", "token", "refresh", A, env={"WXTP_COMPONENT_APPSECRET": SECRET, "WXTP_TOKEN": TOKEN,
                                                               "WXTP_ENCODING_AES_KEY": AES_KEY})
        sim.wait(REFRESH, held=1)
        for name in ("cmdline", "environ"):
            with open("/proc/%d/%s" % (child.pid, name), "rb") as file:
                cls.seen_running += file.read()
        sim.release()
        ran = scene.finish(child)
        cls.said.append((("token", "refresh"), ran.out.encode() + ran.err.encode()))
        for command in (("tenant", "show", A), ("tenant", "list"), ("audit",), ("platform", "show"), ("doctor",),
                        ("job", "list"), ("token", "show", A), ("db", "check")):
            cls.admin(*command)
            cls.admin(*command, "--json")
        cls.admin("db", "backup", scene.path("backup.db"))
        cls.remember("last")

    def leaks(self, bytes_, where):
        return ["%s in %s" % (name, where) for name, secret in self.secrets.items()
                if any(form in bytes_ for form in forms(secret))]

    def test_I9_the_flow_had_secrets_to_leak(self):
        self.assertGreater(len(self.secrets), 8, sorted(self.secrets))
        self.assertTrue(all(len(secret) > 8 for secret in self.secrets.values()))
        self.assertIn(b"you sent ***", b"".join(text for _, text in self.said), "WeChat's echo came through, redacted")

    def test_I9_nothing_printed(self):
        """Symptom: access_token= and the appsecret stand in the log."""
        found = [leak for arguments, text in self.said for leak in self.leaks(text, " ".join(map(str, arguments))[:80])]
        self.assertEqual(found, [])

    def test_I9_nothing_in_arguments_and_environment(self):
        self.assertIn(b"wxtp-admin", self.seen_running)
        self.assertEqual(self.leaks(self.seen_running, "cmdline or environ"), [])

    def test_I9_nothing_in_files(self):
        own_files = {self.scene.path(name) for name in ("appsecret", "token", "aes-key", "own")}
        files = [path for path in glob.glob(os.path.join(self.scene.folder, "**"), recursive=True)
                 if os.path.isfile(path) and path not in own_files]
        self.assertGreaterEqual(len(files), 3, files)
        found = []
        for path in files:
            with open(path, "rb") as file:
                found += self.leaks(file.read(), os.path.basename(path))
        self.assertEqual(found, [])

    def test_I9_reveal_is_the_one_exception(self):
        ran = self.scene.must("token", "show", A, "--reveal", "--json")
        self.assertGreater(len(ran.json["access_token"]), 30)


if __name__ == "__main__":
    unittest.main()
