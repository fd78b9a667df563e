"""I9: no secret is left in any byte that a run leaves behind."""
import base64
import glob
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import database  # noqa: E402
from scene import ADMIN, BUILD, Scene, openid  # noqa: E402
from simulator import AES_KEY, COMPONENT, SECRET, TOKEN  # noqa: E402

FREED = os.path.join(BUILD, "tests", "preload", "freed.so")
SANITIZED = any(name in subprocess.run(["ldd", ADMIN], capture_output=True, text=True, check=True).stdout
                for name in ("libasan", "libtsan"))

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


def running(child):
    """What others could see of a process: command line, environment, the files that it has open, removed ones too."""
    seen = b""
    folder = "/proc/%d/" % child.pid
    with open(folder + "cmdline", "rb") as file:
        seen += file.read()
    try:
        files = [folder + "environ"] + [folder + "fd/" + name for name in os.listdir(folder + "fd")]
    except PermissionError:
        return seen  # so it is for everybody but root
    for path in files:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                seen += file.read()
    return seen


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene().__enter__()
        cls.addClassCleanup(cls.scene.__exit__)
        cls.sim = cls.scene.sim
        cls.secrets = {"appsecret": SECRET, "push token": TOKEN, "AES key": AES_KEY, "own appsecret": OWN_SECRET}
        cls.said = []  # what each command printed, at its most talkative
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
            # The access token is none of the request's own secrets.
            for sent in (tokens["refresh"]["newest"], component["tokens"]["newest"], tokens["access"]["newest"]):
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
        cls.seen_running = running(child)
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

    def test_I9_nothing_in_arguments_environment_and_open_files(self):
        self.assertIn(b"wxtp-admin", self.seen_running)
        if os.geteuid() == 0:
            self.assertIn(b"SQLite format 3", self.seen_running)
        self.assertEqual(self.leaks(self.seen_running, "what is seen of a process"), [])

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


class Live(unittest.TestCase):
    """What a process keeps in memory while it lives, and what it gives back."""

    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.sim = self.scene.sim
        self.scene.ready()
        self.scene.onboard(A, any_openid_valid=True, permission_sets=[2])
        self.sim.settings(rotate_refresh_tokens=True)

    @unittest.skipIf(SANITIZED, "a sanitizer has an allocator of its own")
    def test_I9_memory_that_is_given_back(self):
        """Whoever frees a block, the markers are not in it any more; but for libcurl's own buffers."""
        state = self.sim.state()
        authorization = state["merchants"][0]["authorizations"][0]
        fresh = {"authorizer_access_token": "fresh-access-" + "aB3" * 30, "expires_in": 7200,
                 "authorizer_refresh_token": "refreshtoken@@@" + "cD4" * 20}
        ticket = self.sim.ticket(deliver=False)
        markers = {"appsecret": SECRET, "push token": TOKEN, "AES key": AES_KEY, "access": authorization["access"]["newest"],
                   "refresh": authorization["refresh"]["newest"], "component": state["components"][0]["tokens"]["newest"],
                   "fresh access": fresh["authorizer_access_token"], "fresh refresh": fresh["authorizer_refresh_token"],
                   "ticket": ticket["ticket"]}
        log = self.scene.path("freed", b"")
        environment = {"LD_PRELOAD": FREED, "WXTP_FREED_LOG": log, "WXTP_MARKERS": self.scene.path("markers")}
        secrets = {"WXTP_COMPONENT_APPSECRET": SECRET, "WXTP_TOKEN": TOKEN, "WXTP_ENCODING_AES_KEY": AES_KEY}

        def run(*arguments, data=None, **more):
            self.scene.path("markers", "".join(text[:64] + "\n" for text in markers.values()))
            ran = self.scene.admin("-vv", *arguments, data=data, env=dict(environment, **more))
            self.assertEqual(ran.code, 0, ran)

        run("unblacklist", A, openid(1))
        self.sim.fault(REFRESH, http_status=200, body=json.dumps(fresh), count=1)
        run("token", "refresh", A)
        run("token", "refresh", A)
        run("platform", "set", "--component-appid", COMPONENT, **secrets)
        run("callback", "--query", ticket["push"]["query"], data=ticket["push"]["body"])
        code = self.sim.authorize(A, update=True, permission_sets=[2, 15], deliver=False)
        markers["code"] = code["authorization_code"]
        run("callback", "--query", code["push"]["query"], data=code["push"]["body"])
        run("tenant", "sync", A)
        run("doctor")
        run("token", "show", A)
        names = list(markers)
        with open(log, encoding="utf-8") as file:
            found = {(names[int(number)], os.path.basename(library)) for number, library in map(str.split, file)}
        self.assertIn(("component", "libcurl.so.4"), found, "the test finds what is there")
        self.assertEqual({one for one in found if one[1] != "libcurl.so.4"}, set())

    def test_I9_no_core_is_dumped(self):
        def limits():
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        def dumps(child):
            child.send_signal(signal.SIGQUIT)
            dumped = os.WCOREDUMP(os.waitpid(child.pid, 0)[1])
            child.returncode = -signal.SIGQUIT
            return dumped

        try:
            other = subprocess.Popen(["sleep", "60"], preexec_fn=limits, cwd=self.scene.folder)
        except OSError as error:
            self.skipTest("no core may be dumped here: %s" % error)
        if not dumps(other):
            self.skipTest("this system dumps no core at all")
        self.sim.fault(REFRESH, hold=True, count=1)
        child = self.scene.start("token", "refresh", A, preexec_fn=limits, cwd=self.scene.folder)
        self.sim.wait(REFRESH, held=1)
        self.assertFalse(dumps(child))

    def test_I9_a_key_file_that_others_reach_is_refused(self):
        key = self.scene.db + ".key"
        with open(key, "rb") as file:
            right = file.read()
        before = database.dump(self.scene.db, without=())

        def refused(path):
            for arguments in (["tenant", "list"], ["unblacklist", A, openid(1)], ["db", "rekey", "--new-key-file", path]):
                chosen = [] if "rekey" in arguments else ["--master-key-file", path]
                ran = self.scene.admin(*arguments, *chosen, "--json")
                self.assertEqual((ran.code, ran.out, ran.error["kind"]), (1, "", "key"), (path, ran))
                self.assertNotIn(right.decode().strip(), ran.err)

        for mode in (0o602, 0o620, 0o640, 0o604, 0o666, 0o777):
            path = self.scene.path("key-%o" % mode, right)
            os.chmod(path, mode)
            refused(path)
        link = self.scene.path("link")
        os.symlink(key, link)
        refused(link)
        dangling = self.scene.path("dangling")
        os.symlink(self.scene.path("nowhere"), dangling)
        refused(dangling)
        self.assertFalse(os.path.exists(self.scene.path("nowhere")), "no key is made through a link")
        fifo = self.scene.path("fifo")
        os.mkfifo(fifo, 0o600)
        refused(fifo)
        folder = self.scene.path("folder")
        os.mkdir(folder, 0o700)
        refused(folder)
        self.assertEqual(database.dump(self.scene.db, without=()), before)

    def test_I8_late_pushes_while_token_and_key_change(self):
        """Those under the pair before are taken before, while and after the new pair is stored; older ones are not."""
        pair = (TOKEN, AES_KEY)
        stale = None
        for turn in range(4):
            late = [self.sim.ticket(deliver=False)["push"] for _ in range(6)]
            pair = ("token-of-turn-%d" % turn, "%042d" % turn + "A")
            self.sim.component(token=pair[0], encoding_aes_key=pair[1])
            early = [self.sim.ticket(deliver=False)["push"] for _ in range(2)]
            results = []
            threads = [threading.Thread(target=lambda push=push: results.append(self.scene.push(push))) for push in late]
            for thread in threads[:3]:
                thread.start()
            setting = self.scene.start("platform", "set", "--component-appid", COMPONENT,
                                       "--token-file", self.scene.path("token-%d" % turn, pair[0]),
                                       "--aes-key-file", self.scene.path("aes-key-%d" % turn, pair[1]))
            for thread in threads[3:]:
                thread.start()
            self.assertEqual(self.scene.finish(setting).code, 0)
            for thread in threads:
                thread.join()
            self.assertEqual([ran.code for ran in results], [0] * len(late), results)
            for push in early:
                ran = self.scene.push(push)
                self.assertEqual(ran.code, 0, ran)
            if stale:
                self.assertEqual(self.scene.push(stale).code, 5, "two changes ago")
            stale = self.sim.push("<xml><AppId>%s</AppId><CreateTime>1</CreateTime><InfoType>late</InfoType></xml>" % COMPONENT,
                                  key="previous", deliver=False)["push"]


if __name__ == "__main__":
    unittest.main()
