"""A merchant's world for integration tests: a simulator, a database of its own, and wxtp-admin as a user runs it."""
import json
import os
import shutil
import signal
import subprocess
import tempfile

from simulator import AES_KEY, COMPONENT, SECRET, TOKEN, Simulator

BUILD = os.environ["WXTP_BUILD"]
ADMIN = os.path.join(BUILD, "examples", "admin", "wxtp-admin")


class Ran:
    """What one run of wxtp-admin left."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self):
        """The error object of --json, from stderr's last line."""
        return json.loads(self.err.splitlines()[-1])["error"]

    def __repr__(self):
        return "exit %s\nstdout: %s\nstderr: %s" % (self.code, shortened(self.out), shortened(self.err))


def shortened(text, most=2000):
    return text if len(text) <= most else text[:most // 2] + " […] " + text[-most // 2:]


def openid(number, letter="o"):
    """An openid of the usual shape: 28 characters."""
    return "%s%027d" % (letter, number)


class Scene:
    """`with Scene() as scene:`; everything it made and started is gone at the end."""

    def __init__(self, simulator=True):
        self.with_simulator = simulator
        self.folder = tempfile.mkdtemp(prefix="wxtp-scene-")
        self.db = os.path.join(self.folder, "wxtp.db")
        self.sim = None
        self.children = []

    def __enter__(self):
        if self.with_simulator:
            self.sim = Simulator().__enter__()
        return self

    def __exit__(self, *_):
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.wait(timeout=20)
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream:
                    stream.close()
        if self.sim:
            self.sim.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name, content=None):
        """A file of the scene, written when there is content."""
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content if isinstance(content, bytes) else content.encode())
        return path

    @property
    def environment(self):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
                                                    "LD_LIBRARY_PATH", "GCOV_PREFIX") if name in os.environ}
        kept.update(WXTP_DB=self.db, NO_COLOR="1", LC_ALL="C.UTF-8")
        if self.sim:
            kept["WXTP_API_BASE"] = self.sim.base
        return kept

    def start(self, *arguments, **options):
        """wxtp-admin (or another `program`) in the background, with pipes."""
        environment = dict(self.environment, **options.pop("env", {}))
        child = subprocess.Popen([options.pop("program", ADMIN)] + [str(argument) for argument in arguments], env=environment,
                                 stdin=options.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, **options)
        self.children.append(child)
        return child

    @staticmethod
    def finish(child, data=None, timeout=120):
        out, err = child.communicate(data, timeout=timeout)
        return Ran(child.returncode, out.decode(), err.decode())

    def admin(self, *arguments, data=None, timeout=120, **options):
        """Runs wxtp-admin to its end."""
        if data is not None:
            options["stdin"] = subprocess.PIPE
            data = data if isinstance(data, bytes) else data.encode()
        return self.finish(self.start(*arguments, **options), data, timeout)

    def must(self, *arguments, **options):
        """As `admin`, but an exit code other than 0 fails the test."""
        ran = self.admin(*arguments, **options)
        if ran.code != 0:
            raise AssertionError("wxtp-admin %s: %r" % (" ".join(map(str, arguments)), ran))
        return ran

    # ---- Set-up ----

    def platform(self, component=COMPONENT):
        """Sets the platform up here and at WeChat."""
        self.sim.component(component)
        return self.must("platform", "set", "--component-appid", component,
                         "--appsecret-file", self.path("appsecret", SECRET + "\n"),
                         "--token-file", self.path("token", TOKEN + "\n"),
                         "--aes-key-file", self.path("aes-key", AES_KEY + "\n"))

    def push(self, push, *more):
        """Hands one sealed push to `callback`."""
        return self.admin("callback", "--query", push["query"], "--json", *more, data=push["body"])

    def ticket(self):
        ran = self.push(self.sim.ticket(deliver=False)["push"])
        assert ran.code == 0, ran
        return ran

    def ready(self, component=COMPONENT):
        """Platform and ticket."""
        self.platform(component)
        self.ticket()
        return self

    def onboard(self, appid, **merchant):
        """Makes a merchant at WeChat, lets it authorize, and hands the push over."""
        merchant.setdefault("permission_sets", [1, 2, 15])
        self.sim.merchant(appid, **merchant)
        ran = self.push(self.sim.authorize(appid, deliver=False)["push"])
        assert ran.code == 0 and ran.json["exchange"] == "done", ran
        return ran

    def business_calls(self, path="/cgi-bin/tags/members/batchunblacklist", **query):
        return self.sim.journal(path=path, **query)
