"""
Everything at once, with faults at random, for as long as told (tests/run soak).

Processes of wxtp-admin and one that stays (tests/soak/resident.c) work on one database against one simulator, while
they are killed at named points and anywhere, stopped beyond their leases and continued, while answers are lost, late,
garbled or refusals, keys are rotated, the database is rekeyed, backed up, pruned. The judge is the simulator's journal.
"""
import argparse
import base64
import collections
import contextlib
import glob
import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from judge import CODE, COMPONENT, REFRESH, UNBLACKLIST, Judge  # noqa: E402
from points import PROGRAM  # noqa: E402
from scene import ADMIN, BUILD, Ran, Scene, openid  # noqa: E402
from simulator import AES_KEY, SECRET, TOKEN  # noqa: E402

RESIDENT = os.path.join(BUILD, "tests", "soak", "soak-resident")
INFO = "/cgi-bin/component/api_get_authorizer_info"
JOBBERS, JOB_MERCHANTS = 3, 4  # merchants of each of them
GIVEN_BACK, PUSHED, RESIDENTS, HERDED = 3, 4, 3, 2
WAITING = "another process is refreshing this token"
CONCURRENCY = 4
BAD = 20000  # openids of each merchant that WeChat refuses
FINISHED = ("done", "partial", "cancelled")
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SHOWN = 20  # broken promises
GROWTH_KIB = 12 * 1024


class Broken(Exception):
    """A promise was not kept."""


class World:
    def __init__(self, scene, seed, seconds):
        self.scene, self.sim, self.seed = scene, scene.sim, seed
        self.end = time.monotonic() + seconds
        self.judge = Judge(scene.sim)
        self.broken = []
        self.counts = collections.Counter()
        self.faults = collections.Counter()
        self.crashes = collections.Counter()
        self.lock = threading.Lock()
        self.starting = threading.Lock()  # held while the master key changes
        self.everyone = threading.Lock()  # held while every merchant's token may be renewed
        self.running = set()
        self.key = scene.db + ".key"
        self.calm = False  # the end: nothing is disturbed any more

    def chance(self, name):
        return random.Random("%d %s" % (self.seed, name))

    def over(self):
        return time.monotonic() >= self.end or bool(self.broken)

    def break_(self, what):
        with self.lock:
            self.broken.append(what)
        if len(self.broken) <= SHOWN:
            print("BROKEN: %s" % what, flush=True)

    def count(self, table, name, by=1):
        with self.lock:
            table[name] += by

    # ---- Processes ----

    def start(self, arguments, data=None, point=None):
        environment = dict(self.scene.environment, WXTP_MASTER_KEY_FILE=self.key)
        if point:
            environment["WXTP_POINT"] = point
        child = subprocess.Popen([PROGRAM if point else ADMIN, *map(str, arguments)], env=environment,
                                 stdin=subprocess.PIPE if data is not None else subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with self.lock:
            self.running.add(child)
        return child

    def disturb(self, child, chance):
        """One of the ways to end badly, or to be late; whether what was in flight is in doubt."""
        moment = chance.random()
        try:
            child.wait(timeout=chance.random() * (0.5 if moment < 0.7 else 0.1))
            return False
        except subprocess.TimeoutExpired:
            pass
        if moment < 0.45:
            child.kill()
            self.count(self.crashes, "killed anywhere")
        elif moment < 0.85:
            self.stop(child, chance)
        else:
            child.terminate()
            self.count(self.faults, "SIGTERM")
            return False
        return True

    def stop(self, child, chance):
        child.send_signal(signal.SIGSTOP)
        self.count(self.faults, "stopped")
        time.sleep(chance.choice((0.1, 0.5, 1, 8)))  # 8 s: beyond the lease of --timeout 2
        child.send_signal(signal.SIGCONT)

    def run(self, chance, *arguments, data=None, risk=0.35, about=()):
        """wxtp-admin, perhaps disturbed; what it left, with `died` where it was killed by us and `doubtful` where it may
        not have stored what it was told. `about`: whose tokens it may renew; None: anybody's."""
        arguments = list(arguments) + ["--timeout", "2", "--max-wait", "5"]
        fate = 1 if self.calm else chance.random() / risk if risk else 1
        point = "*:%d" % chance.randrange(1, 50) if fate < 0.5 else None
        with self.starting:
            key, begun, doubtful = self.key, time.monotonic(), False
            child = self.start(arguments, data, point)
        feeder = None
        if data is not None:
            def feed():
                try:
                    child.stdin.write(data.encode())
                    child.stdin.close()
                except OSError:
                    pass
            feeder = threading.Thread(target=feed)
            feeder.start()
        drained = {}

        def drain(name):
            drained[name] = getattr(child, name).read()
        drains = [threading.Thread(target=drain, args=(name,)) for name in ("stdout", "stderr")]
        for thread in drains:
            thread.start()
        if 0.5 <= fate < 1:
            doubtful = self.disturb(child, chance)
        try:
            child.wait(timeout=150)
        except subprocess.TimeoutExpired:
            child.kill()
            self.break_("%s did not end in 150 s" % arguments)
        for thread in drains + ([feeder] if feeder else []):
            thread.join()
        child.stdout.close()
        child.stderr.close()
        with self.lock:
            self.running.discard(child)
        ran = Ran(child.wait(), drained["stdout"].decode(), drained["stderr"].decode())
        self.count(self.counts, "processes")
        ran.doubtful = doubtful or ran.code == -signal.SIGKILL
        if ran.doubtful and about != ():
            self.judge.disturbed(about, begun, time.monotonic())
        self.look(ran, arguments, point, key)
        return ran

    def look(self, ran, arguments, point, key):
        ran.died = ran.code in (-signal.SIGKILL, -signal.SIGTERM)  # the latter before it has a handler
        if ran.died:
            if point:
                self.count(self.crashes, "killed at a point")
        elif ran.code < 0:
            self.break_("%s ended by signal %d: %r" % (arguments, -ran.code, ran))
        elif ran.code == 1:
            kind = self.kind(ran)
            with self.starting:
                if kind == "key" and key != self.key:
                    return  # it began while the old key was the key
            # Who is stopped in the midst of a write keeps the others waiting; they say so, after 30 s.
            if kind != "store" or "stayed" not in ran.err and "busy" not in ran.err and "locked" not in ran.err:
                self.break_("%s: %r" % (arguments, ran))
            self.count(self.counts, "ended with the store busy")

    @staticmethod
    def kind(ran):
        try:
            return ran.error["kind"]
        except (ValueError, IndexError, KeyError):
            return "?"

    def calmly(self, *arguments, data=None):
        """A run that nothing disturbs, until the faults around let it through."""
        for _ in range(40):
            ran = self.run(None, *arguments, data=data, risk=0)
            if ran.code == 0:
                return ran
            time.sleep(0.2)
        raise Broken("%s: %r" % (arguments, ran))

    def deliver(self, chance, push, *, authentic=True):
        """As WeChat does: again until it is taken."""
        for attempt in range(40):
            ran = self.run(chance, "callback", "--query", push["query"], "--json", data=push["body"],
                           risk=0.35 if attempt < 5 else 0)
            if ran.code == 0 or not authentic and ran.code == 5:
                return ran
            if ran.code == 5:
                break
        raise Broken("an authentic push was not taken: %r" % ran)


# ---- Who does what ----

class Jobber:
    """Jobs of merchants of its own: each openid is asked for once, and never again."""

    def __init__(self, world, number):
        self.world, self.number = world, number
        self.chance = world.chance("jobber %d" % number)
        self.merchants = ["wxsoakj%d%010d" % (number, at) for at in range(JOB_MERCHANTS)]
        self.asked = {appid: set() for appid in self.merchants}
        self.bad = {appid: set() for appid in self.merchants}
        self.jobs = {appid: {} for appid in self.merchants}  # id -> openids
        self.state = {}
        self.next, self.next_bad = collections.Counter(), collections.Counter()
        self.runs_disturbed = collections.Counter()

    def set_up(self):
        for appid in self.merchants:
            self.world.sim.merchant(appid, any_openid_valid=True, permission_sets=[1, 2],
                                    bad_openids=[openid(at, "b") for at in range(BAD)])
            push = self.world.sim.authorize(appid, deliver=False)["push"]
            self.world.deliver(self.chance, push)

    def new_list(self, appid):
        good = self.chance.choice((1, 7, 20, 45, 130, 400))
        bad = self.chance.choice((0, 0, 0, 1, 3)) if good > 1 else 0
        first, first_bad = self.next[appid], self.next_bad[appid]
        self.next[appid] += good
        self.next_bad[appid] += bad
        wanted = [openid(first + at) for at in range(good)] + [openid(first_bad + at, "b") for at in range(bad)]
        self.chance.shuffle(wanted)
        return wanted

    def known(self, appid):
        ran = self.world.calmly("job", "list", "--tenant", appid, "--json")
        return {job["job"] for job in ran.json["jobs"]}

    def create(self, appid):
        wanted = self.new_list(appid)
        self.asked[appid].update(one for one in wanted if one[0] == "o")
        self.bad[appid].update(one for one in wanted if one[0] == "b")
        text = "".join(one + "\n" for one in wanted)
        for _ in range(100):
            ran = self.world.run(self.chance, "unblacklist", appid, "--file", "-", "--json", "--quiet",
                                 "--concurrency", CONCURRENCY, data=text, about=[appid])
            self.runs_disturbed[appid] += ran.doubtful
            fresh = self.known(appid) - set(self.jobs[appid])
            if len(fresh) > 1:
                raise Broken("%s: one run made the jobs %s" % (appid, fresh))
            if fresh:
                job = fresh.pop()
                self.jobs[appid][job] = wanted
                return job
            if ran.code in (0, 3):
                raise Broken("%s: a run without a job: %r" % (appid, ran))
        raise Broken("%s: no job could be made: %r" % (appid, ran))

    def resume(self, appid, job, tries):
        """Runs it on, however often it is cut; whether it is finished."""
        for _ in range(tries):
            shown = self.world.calmly("job", "show", job, "--json").json
            self.check(shown)
            if shown["state"] in FINISHED:
                self.state[job] = shown
                return True
            ran = self.world.run(self.chance, "job", "resume", job, "--json", "--quiet", "--concurrency", CONCURRENCY,
                                 about=[appid])
            self.runs_disturbed[appid] += ran.doubtful
        return False

    def check(self, job):
        """I7, at any moment."""
        total = job["unblacklisted"] + len(job["invalid"]) + len(job["failed"]) + job["pending"]
        if job["requested"] != total:
            raise Broken("I7: %s" % json.dumps(job)[:400])

    def work(self):
        while not self.world.over():
            appid = self.chance.choice(self.merchants)
            self.resume(appid, self.create(appid), 8)

    def finish(self):
        for appid, jobs in self.jobs.items():
            for job in jobs:
                if job not in self.state and not self.resume(appid, job, 40):
                    raise Broken("%s does not end: %s" % (job, self.world.calmly("job", "show", job, "--json").out))

    def verdict(self):
        judge, world = self.world.judge, self.world
        for appid in self.merchants:
            for job, wanted in self.jobs[appid].items():
                told = self.state[job]
                invalid = {one for one in wanted if one[0] == "b"}
                if told["requested"] != len(wanted) or told["pending"] or told["failed"] or set(told["invalid"]) != invalid:
                    yield "I7: %s of %s tells %s" % (job, appid, json.dumps(told)[:400])
            applied = judge.applied[appid]
            if set(applied) != self.asked[appid]:
                yield "I7: %s: %d asked for, %d applied, %d of them not asked for" % (
                    appid, len(self.asked[appid]), len(applied), len(set(applied) - self.asked[appid]))
            if not self.bad[appid] <= judge.refused_alone[appid]:
                yield "I7: %s: a bad openid was never refused alone" % appid
            allowed = judge.unknown[appid] + self.runs_disturbed[appid] * CONCURRENCY
            if judge.repeated[appid] > allowed:
                yield "I7: %s: %d batches sent again, %d could be in doubt" % (appid, judge.repeated[appid], allowed)
            world.count(world.counts, "requested", sum(map(len, self.jobs[appid].values())))
            world.count(world.counts, "accounted", sum(told["unblacklisted"] + len(told["invalid"]) for told in
                                                       (self.state[job] for job in self.jobs[appid])))
            world.count(world.counts, "repeated batches", judge.repeated[appid])


class Refresher:
    def __init__(self, world, merchants):
        self.world, self.merchants = world, merchants
        self.chance = world.chance("refresher")

    def work(self):
        while not self.world.over():
            appids = self.chance.sample(self.merchants, 2)
            what = self.chance.choice((["--due"], appids, appids, appids, appids, ["--all"]))
            with contextlib.nullcontext() if what == appids else self.world.everyone:
                self.world.run(self.chance, "token", "refresh", *what, "--json", about=what if what == appids else None)


class Herd:
    """Processes that want a newer token than the same one, and all know it before the first of them asks: what is needed
    is one renewal. Its merchants are nobody else's, so that each renewal of theirs is one of the herd's."""

    def __init__(self, world):
        self.world = world
        self.chance = world.chance("herd")
        self.merchants = ["wxsoakh%011d" % at for at in range(HERDED)]

    def set_up(self):
        for appid in self.merchants:
            self.world.sim.merchant(appid, permission_sets=[2])
            self.world.deliver(self.chance, self.world.sim.authorize(appid, deliver=False)["push"])

    def start(self, appid, point=None):
        arguments = ["-vv", "token", "refresh", appid, "--json", "--timeout", "20", "--max-wait", "20"]
        with self.world.starting:
            return arguments, self.world.key, point, self.world.start(arguments, point=point)

    @staticmethod
    def stopped(child):
        """Whether it came to its point; else it has ended."""
        return os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT).si_code == os.CLD_STOPPED

    def drain(self, child, appid, waits):
        """Its standard error to the end; `waits` is set once it waits for the first."""
        lines = []

        def read():
            for line in iter(child.stderr.readline, b""):
                lines.append(line.decode())
                if appid in lines[-1] and WAITING in lines[-1]:
                    waits.set()

        thread = threading.Thread(target=read)
        thread.start()
        return thread, lines

    def gather(self, appid):
        """The herd; whether all of the others wait for the first."""
        waits = [threading.Event() for _ in range(self.chance.choice((1, 2, 3)))]
        herd = [self.start(appid, "stop@refresh.connected")]
        drains = [self.drain(herd[0][3], appid, threading.Event())]
        try:
            good = self.stopped(herd[0][3])
            for event in waits:
                herd.append(self.start(appid))
                drains.append(self.drain(herd[-1][3], appid, event))
            good = good and all([event.wait(10) for event in waits])
        finally:
            herd[0][3].send_signal(signal.SIGCONT)
        return herd, drains, good

    def end(self, herd, drains):
        for (arguments, key, point, child), (thread, lines) in zip(herd, drains):
            try:
                out = child.stdout.read()
                child.wait(timeout=150)
            except subprocess.TimeoutExpired:
                child.kill()
                self.world.break_("%s did not end in 150 s" % arguments)
            thread.join()
            child.stdout.close()
            child.stderr.close()
            with self.world.lock:
                self.world.running.discard(child)
            self.world.count(self.world.counts, "processes")
            self.world.look(Ran(child.wait(), out.decode(), lines[-1] if lines else ""), arguments, point, key)

    def renew(self):
        appid, sim = self.chance.choice(self.merchants), self.world.sim
        since = max((call["seq"] for call in sim.journal(path=REFRESH, appid=appid)), default=0)
        herd, drains, good = self.gather(appid)
        self.end(herd, drains)
        calls = sim.journal(path=REFRESH, appid=appid, since=since)
        doubt = any(call["fault"] is not None or not call["answered"] for call in calls)
        if good and not doubt:
            self.world.count(self.world.counts, "herds judged")
            made = sum(call["applied"] for call in calls)  # others were refused: a round before has lost its answer
            if made > 1:
                raise Broken("I1: %s: %d renewals for %d processes that wanted the same: %s" % (
                    appid, made, len(herd), [(call["ms"], call["errcode"], call["refresh_generation"]) for call in calls]))

    def work(self):
        while not self.world.over():
            with self.world.everyone:
                self.renew()
            time.sleep(self.chance.random())


class Pusher:
    """Pushes of every kind, authentic or not, early and late, and the rotation of their keys."""

    def __init__(self, world):
        self.world, self.sim = world, world.sim
        self.chance = world.chance("pusher")
        self.given_back = ["wxsoakg%011d" % at for at in range(GIVEN_BACK)]
        self.changing = ["wxsoakp%011d" % at for at in range(PUSHED)]

    def set_up(self):
        for appid in self.given_back + self.changing:
            self.sim.merchant(appid, any_openid_valid=True, permission_sets=[1, 2])
            self.world.deliver(self.chance, self.sim.authorize(appid, deliver=False)["push"])

    def ticket(self):
        self.world.deliver(self.chance, self.sim.ticket(deliver=False)["push"])

    def replay(self):
        push = self.sim.ticket(deliver=False)["push"]
        self.world.deliver(self.chance, push)
        again = self.world.deliver(self.chance, push)
        if again.json["applied"]:
            raise Broken("I8: a push counted twice: %r" % again)

    def forged(self):
        forge = self.chance.choice(("signature", "token", "unsigned", "appid", "padding", "length", "flip", "key", "doctype"))
        push = self.sim.push("<xml><InfoType>component_verify_ticket</InfoType><AppId>wx0123456789abcdef</AppId>"
                             "<CreateTime>%d</CreateTime><ComponentVerifyTicket>forged</ComponentVerifyTicket></xml>"
                             % time.time(), forge=forge, deliver=False)["push"]
        ran = self.world.deliver(self.chance, push, authentic=False)
        if ran.code == 0:
            raise Broken("I8: a forged push (%s) was taken: %r" % (forge, ran))
        self.world.count(self.world.faults, "forged push")

    def rotate(self):
        """New Token and key at WeChat, late pushes under those before, then the new ones here."""
        token = "token" + "".join(self.chance.choice(BASE64) for _ in range(12))
        key = "".join(self.chance.choice(BASE64) for _ in range(42)) + "A"
        late = self.sim.ticket(deliver=False)["push"]
        self.sim.component(token=token, encoding_aes_key=key)
        early = self.sim.ticket(deliver=False)["push"]
        files = [self.world.scene.path("token", token), self.world.scene.path("aes-key", key)]
        for _ in range(40):
            ran = self.world.run(self.chance, "platform", "set", "--component-appid", "wx0123456789abcdef",
                                 "--token-file", files[0], "--aes-key-file", files[1])
            if ran.code == 0:
                break
        else:
            raise Broken("platform set: %r" % ran)
        pushes = [late, early, self.sim.ticket(deliver=False)["push"]]
        self.chance.shuffle(pushes)
        for push in pushes:
            self.world.deliver(self.chance, push)
        self.world.count(self.world.faults, "Token and key rotated")

    def change(self):
        """The merchant authorizes again: a new code, the old pair is dead."""
        appid = self.chance.choice(self.changing)
        order = self.sim.authorize(appid, update=True, permission_sets=self.chance.choice(([1, 2], [2], [2, 15])),
                                   deliver=False)
        self.world.deliver(self.chance, order["push"])
        self.serves(appid)

    def serves(self, appid):
        for _ in range(60):
            ran = self.world.run(self.chance, "unblacklist", appid, openid(1), "--json", "--quiet")
            if ran.code == 0:
                return
            if ran.code == 5 and self.world.kind(ran) == "reauthorization_required":
                raise Broken("I5: %s was lost: %r" % (appid, ran))
        raise Broken("%s does not serve: %r" % (appid, ran))

    def take_back(self):
        """I6: no call for a merchant that took it back; another authorization brings it back."""
        appid = self.chance.choice(self.given_back)
        time.sleep(1.1)  # WeChat's times are whole seconds, and news of one second are in no order
        taken = self.world.deliver(self.chance, self.sim.unauthorize(appid, deliver=False)["push"])
        before = len(self.sim.journal(path=UNBLACKLIST, appid=appid))
        ran = self.world.run(self.chance, "unblacklist", appid, openid(1), "--json", "--quiet")
        calls = self.sim.journal(path=UNBLACKLIST, appid=appid)[before:]
        if calls or not ran.died and ran.code not in (1, 4, 130, 143):
            raise Broken("I6: a call for a merchant that took it back: %r; the push: %r; the calls: %s; all: %s" % (
                ran, taken, calls, [(c["path"], c["errcode"], c["fault"]) for c in self.sim.journal(appid=appid)[-12:]]))
        time.sleep(1.1)
        self.world.deliver(self.chance, self.sim.authorize(appid, deliver=False)["push"])
        self.serves(appid)

    def work(self):
        while not self.world.over():
            self.chance.choice((self.ticket, self.replay, self.forged, self.rotate, self.change, self.take_back))()


class Keeper:
    """Backups, prune, check, doctor, and another master key."""

    def __init__(self, world):
        self.world = world
        self.chance = world.chance("keeper")
        self.number = 0

    def backup(self):
        self.number += 1
        path = self.world.scene.path("backup-%d.db" % self.number)
        ran = self.world.run(self.chance, "db", "backup", path)
        if not os.path.exists(path):
            if ran.code == 0:
                raise Broken("a backup that is not there: %r" % ran)
            return
        restored = path + ".restored"
        # A copy in another place: by itself, and nothing of it reaches WeChat.
        self.world.calmly("db", "restore", path, "--db", restored)
        ran = self.world.run(None, "db", "check", "--json", "--db", restored, risk=0)
        if ran.code != 0 or not ran.json["ok"]:
            raise Broken("a backup that is damaged: %r" % ran)
        for name in glob.glob(path + "*"):
            os.unlink(name)
        self.world.count(self.world.counts, "backups")

    def prune(self):
        self.world.run(self.chance, "db", "prune")

    def check(self):
        ran = self.world.run(self.chance, "db", "check", "--json")
        if ran.code == 0 and not ran.json["ok"]:
            raise Broken("db check: %r" % ran)

    def doctor(self):
        self.world.run(self.chance, "job", "list", "--json")

    def rekey(self):
        """Killed or not, exactly one key opens; nobody else starts meanwhile, as an operator would have it."""
        world = self.world
        self.number += 1
        fresh = world.scene.path("key-%d" % self.number, base64.b64encode(self.chance.randbytes(32)) + b"\n")
        os.chmod(fresh, 0o600)
        with world.starting:
            child = world.start(["db", "rekey", "--new-key-file", fresh], point="*:%d" % self.chance.randrange(1, 12))
            out, err = child.communicate(timeout=120)
            with world.lock:
                world.running.discard(child)
            opened = [key for key in (world.key, fresh)
                      if subprocess.run([ADMIN, "platform", "show", "--json"], capture_output=True,
                                        env=dict(world.scene.environment, WXTP_MASTER_KEY_FILE=key)).returncode == 0]
            if len(opened) != 1:
                raise Broken("I9: %d keys open after rekey: %s" % (len(opened), err))
            if child.returncode < 0:
                world.count(world.crashes, "killed in rekey")
            world.key = opened[0]
        world.count(world.faults, "rekey")

    def work(self):
        while not self.world.over():
            self.chance.choice((self.backup, self.prune, self.check, self.doctor, self.rekey))()
            time.sleep(self.chance.random() * 0.3)


class Saboteur:
    """WeChat at its worst. What merchants are made to lose for good is not in it: nothing may be lost."""

    def __init__(self, world, merchants):
        self.world, self.sim, self.merchants = world, world.sim, merchants
        self.chance = world.chance("saboteur")
        self.refused = collections.Counter()

    def fault(self):
        chance = self.chance
        kinds = {
            "cut before": {"cut": "before"}, "cut after": {"cut": "after"}, "busy (-1)": {"errcode": -1},
            "HTTP 502": {"http_status": 502}, "HTTP 502 after": {"http_status": 502, "apply": "yes"},
            "HTML": {"http_status": 200, "body": "<html>busy</html>", "apply": "yes"}, "cut short": {"truncate_at": 20},
            "delayed": {"delay_ms": chance.choice((50, 500, 2500))}, "dripping": {"drip_ms": 30},
        }
        name = chance.choice(sorted(kinds))
        fault = dict(kinds[name], path=chance.choice((REFRESH, REFRESH, CODE, COMPONENT, INFO, UNBLACKLIST, UNBLACKLIST, UNBLACKLIST)),
                     nth=chance.randrange(1, 4), count=chance.choice((1, 1, 1, 2)))
        self.sim.fault(**fault)
        self.world.count(self.world.faults, name)

    def held(self):
        """Held for longer than the caller waits, then let go: applied before or after."""
        self.sim.fault(self.chance.choice((REFRESH, UNBLACKLIST)), hold=True, count=1,
                       apply=self.chance.choice(("yes", "no", "on_release")))
        time.sleep(self.chance.choice((0.5, 3)))
        self.sim.release()
        self.world.count(self.world.faults, "held")

    def outage(self):
        """For longer than a command waits."""
        number = self.sim.fault(self.chance.choice((UNBLACKLIST, UNBLACKLIST, "/cgi-bin/*")), count=-1,
                                **self.chance.choice(({"http_status": 503}, {"cut": "before"}, {"errcode": -1})))
        time.sleep(self.chance.choice((1, 7)))
        self.sim.order("faults?id=%d" % number, method="DELETE")
        self.world.count(self.world.faults, "outage")

    def quota(self):
        self.sim.fault(UNBLACKLIST, appid=self.chance.choice(self.merchants), errcode=self.chance.choice((45009, 45011)), count=1)
        self.world.count(self.world.faults, "quota or rate")

    def refuse(self):
        """At most twice a merchant: more look like another program at work, and have renewal slow down."""
        appid = self.chance.choice(self.merchants)
        if self.refused[appid] < 2:
            self.refused[appid] += 1
            self.sim.fault(UNBLACKLIST, appid=appid, errcode=self.chance.choice((40001, 42001)), count=1)
            self.world.count(self.world.faults, "token refused")

    def grace(self):
        self.sim.settings(refresh_grace_s=self.chance.choice((0, 0, 300)), latency_ms=self.chance.choice((0, 2, 10)))

    def work(self):
        while not self.world.over():
            self.chance.choice((self.fault, self.fault, self.fault, self.held, self.quota, self.refuse, self.grace,
                                self.outage))()
            time.sleep(self.chance.random() * 0.4)
            if len(self.sim.faults()) > 20:
                self.sim.clear_faults()


class Resident:
    """The process that stays: its memory, its word against the journal."""

    def __init__(self, world):
        self.world = world
        self.chance = world.chance("resident")
        self.merchants = ["wxsoakr%011d" % at for at in range(RESIDENTS)]
        self.child = None
        self.weights = []

    def set_up(self):
        for appid in self.merchants:
            self.world.sim.merchant(appid, any_openid_valid=True, permission_sets=[2])
            self.world.deliver(self.chance, self.world.sim.authorize(appid, deliver=False)["push"])

    def start(self):
        self.out = open(self.world.scene.path("resident.out"), "w+b")
        self.child = subprocess.Popen([RESIDENT, self.world.scene.db, self.world.key, self.world.sim.base, *self.merchants],
                                      stdin=subprocess.PIPE, stdout=self.out)

    def weight(self):
        with open("/proc/%d/status" % self.child.pid) as file:
            kib = next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
        return kib, len(os.listdir("/proc/%d/fd" % self.child.pid))

    def work(self):
        length = self.world.end - time.monotonic()
        warm = time.monotonic() + min(60, length / 4)
        while not self.world.over():
            if self.child.poll() is not None:
                raise Broken("the process that stays has ended with %d" % self.child.returncode)
            time.sleep(0.5)
            if time.monotonic() > warm:
                self.weights.append(self.weight())
            if self.chance.random() < 0.01:
                begun = time.monotonic()
                self.world.stop(self.child, self.chance)
                self.world.judge.disturbed(self.merchants, begun - 3, time.monotonic() + 3)  # calls may be under way

    def finish(self):
        self.weights.append(self.weight())
        self.child.stdin.close()
        code = self.child.wait(timeout=180)
        if code != 0:
            raise Broken("the process that stays has ended with %d" % code)

    def verdict(self):
        """Each line that it printed is one list: appid, first number, how many, how many are off."""
        self.out.seek(0)
        lists = undone = 0
        for line in self.out.read().decode().splitlines():
            appid, first, count, done, kind = line.split()
            lists += 1
            applied = self.world.judge.applied[appid]
            there = sum(applied[openid(int(first) + at, "r")] > 0 for at in range(int(count)))
            if int(done) > there:
                yield "I7: %s: %s said to be off, %d applied" % (line, done, there)
            undone += done != count
            if done != count and kind == "ok":
                yield "I7: all said to be done: %s" % line
        if not lists:
            yield "the process that stays did nothing"
        self.out.close()
        self.world.counts["lists of the resident"] = lists
        self.world.counts["of them left to be resumed"] = undone
        first, last = self.weights[0], self.weights[-1]
        if last[0] > first[0] + GROWTH_KIB:
            yield "I11: the process that stays grew from %d to %d KiB" % (first[0], last[0])
        if last[1] > first[1] + 16:
            yield "I11: the process that stays holds %d descriptors, %d at first" % (last[1], first[1])


# ---- The end ----

def secrets_of(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "pre_auth_codes":
                continue
            if isinstance(inner, str) and key in ("newest", "ticket", "refresh_token", "access_token") and len(inner) > 12:
                yield inner
            else:
                yield from secrets_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from secrets_of(inner)


def files_verdict(world):
    secrets = [SECRET, TOKEN, AES_KEY, *secrets_of(world.sim.state())]
    for path in glob.glob(world.scene.db + "*"):
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if mode != 0o600:
            yield "I9: %s has mode %o" % (os.path.basename(path), mode)
        with open(path, "rb") as file:
            content = file.read()
        for secret in secrets:
            if secret.encode()[:32] in content:
                yield "I9: a secret lies open in %s" % os.path.basename(path)


def tokens_verdict(world, merchants, once):
    """I3, I5: what is stored is what WeChat holds good, for every merchant; and what the renewals of those that have
    authorized once came to."""
    versions = {}
    for appid in merchants:
        world.calmly("token", "refresh", appid, "--json")
        shown = world.calmly("tenant", "show", appid, "--json").json
        if shown["status"] != "authorized":
            yield "I5: %s is %s" % (appid, shown["status"])
        versions[appid] = shown["token"]["version"]
    world.judge.end()
    for appid in once:
        made, stored = world.judge.made(appid), versions[appid] - 1
        if stored > made:
            yield "I3: %s: %d refreshes were made, %d are stored" % (appid, made, stored)
        world.counts["refreshes made"] += made
        world.counts["refreshes needed"] += stored


def table(world, resident, seconds):
    judge, counts = world.judge, world.counts
    rows = [("seed", world.seed), ("minutes", "%.1f" % (seconds / 60)), ("processes run", counts["processes"]),
            ("calls at WeChat", judge.seen), ("calls a second", "%.0f" % (judge.seen / seconds)),
            ("batches of openids", judge.calls[UNBLACKLIST]), ("lists of the process that stays", counts["lists of the resident"]),
            ("backups restored and checked", counts["backups"])]
    rows += [("fault: " + name, world.faults[name]) for name in sorted(world.faults)]
    rows += [("crash survived: " + name, world.crashes[name]) for name in sorted(world.crashes)]
    rows += [("ended with the store busy", counts["ended with the store busy"]),
             ("openids requested", counts["requested"]), ("openids accounted for", counts["accounted"]),
             ("batches sent again", counts["repeated batches"]),
             ("refreshes made", counts["refreshes made"]), ("refreshes needed", counts["refreshes needed"]),
             ("herds that need one, judged", counts["herds judged"]),
             ("memory at start", "%d KiB" % resident.weights[0][0] if resident.weights else "?"),
             ("memory at end", "%d KiB" % resident.weights[-1][0] if resident.weights else "?"),
             ("promises broken", len(world.broken))]
    width = max(len(name) for name, _ in rows)
    print("\n".join("%-*s  %10s" % (width, name, value) for name, value in rows), flush=True)


def soak(scene, seed, seconds):
    world = World(scene, seed, seconds)
    scene.ready()
    world.sim.settings(rotate_refresh_tokens=True, ticket_interval_s=0)
    jobbers = [Jobber(world, number) for number in range(JOBBERS)]
    pusher, resident, herd = Pusher(world), Resident(world), Herd(world)
    for actor in jobbers + [pusher, resident, herd]:
        actor.set_up()
    once = [appid for jobber in jobbers for appid in jobber.merchants] + resident.merchants + herd.merchants
    merchants = [appid for appid in once if appid not in herd.merchants] + pusher.changing
    world.end = time.monotonic() + seconds
    world.judge.start()
    resident.start()
    actors = jobbers + [pusher, resident, herd, Keeper(world), Refresher(world, merchants), Saboteur(world, merchants)]

    def guarded(actor):
        try:
            actor.work()
        except Exception as error:  # whatever it is, the soak has not passed
            world.break_("%s: %s: %s" % (type(actor).__name__, type(error).__name__, error))

    threads = [threading.Thread(target=guarded, args=(actor,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.calm = True
    world.sim.clear_faults()
    world.sim.release()
    world.sim.settings(latency_ms=0)
    try:
        resident.finish()
        for jobber in jobbers:
            jobber.finish()
        tokens = list(tokens_verdict(world, merchants + herd.merchants + pusher.given_back, once))
        verdicts = [tokens, resident.verdict(), *(jobber.verdict() for jobber in jobbers),
                    world.judge.needless_refreshes(once), files_verdict(world)]
        for verdict in verdicts:
            for what in verdict:
                world.break_(what)
        ran = world.calmly("db", "check", "--json")
        if not ran.json["ok"]:
            world.break_("db check: %r" % ran)
    except Exception as error:
        world.break_("at the end: %s: %s" % (type(error).__name__, error))
    finally:
        if resident.child and resident.child.poll() is None:
            resident.child.kill()
            resident.child.wait()
    table(world, resident, seconds)
    return not world.broken


def main():
    parser = argparse.ArgumentParser(prog="tests/run soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    chosen = parser.parse_args()
    print("seed %d" % chosen.seed, flush=True)
    with Scene() as scene:
        return 0 if soak(scene, chosen.seed, chosen.minutes * 60) else 1


if __name__ == "__main__":
    sys.exit(main())
