"""Judges a soak by the simulator's journal: who was asked what, and for which openids."""
import collections
import threading
import time

PATH = "/cgi-bin/component/"
REFRESH, CODE, COMPONENT = PATH + "api_authorizer_token", PATH + "api_query_auth", PATH + "api_component_token"
UNBLACKLIST = "/cgi-bin/tags/members/batchunblacklist"
DEAD = 61023
PATIENCE_S = 30  # for an answer that is held
SLACK_S = 0.5    # between the clocks


class Judge(threading.Thread):
    """Reads the journal as it grows, and keeps what the verdict needs of it."""

    def __init__(self, sim):
        super().__init__(daemon=True)
        self.sim = sim
        self.seen = 0
        self.waiting_since = None
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.trouble = None
        self.calls = collections.Counter()  # by path
        self.applied = collections.defaultdict(collections.Counter)  # appid -> openid -> times
        self.refused_alone = collections.defaultdict(set)
        self.unknown = collections.Counter()  # appid -> batches whose outcome the caller could not know
        self.repeated = collections.Counter()  # appid -> batches sent again
        self.batches = collections.defaultdict(set)  # appid -> hashes of applied batches
        self.refreshes = collections.defaultdict(list)  # appid -> (moment, refresh token used, doubtful, errcode)
        self.disturbances = collections.defaultdict(list)  # appid -> lives of processes that were killed or stopped
        self.behind = float("inf")  # the simulator's clock behind ours

    def disturbed(self, appids, begun, ended):
        """A process that worked for these (None: for any) was killed or stopped some time in between."""
        with self.lock:
            for appid in appids or [None]:
                self.disturbances[appid].append((begun - SLACK_S, ended + SLACK_S))

    def enter(self, call):
        path, appid = call["path"], call["appid"]
        self.calls[path] += 1
        doubtful = call["fault"] is not None or not call["answered"]
        if path == UNBLACKLIST:
            body = call["body"]
            openids = body["openid_list"] if isinstance(body, dict) else []
            if call["applied"]:
                for openid in openids:
                    self.applied[appid][openid] += 1
                batch = hash(tuple(openids))
                if batch in self.batches[appid]:
                    self.repeated[appid] += 1
                self.batches[appid].add(batch)
                self.unknown[appid] += doubtful
            elif call["errcode"] == 40003 and len(openids) == 1:
                self.refused_alone[appid].add(openids[0])
        elif path == REFRESH and (call["applied"] or call["errcode"] == DEAD):
            self.refreshes[appid].append((call["ms"] / 1000, call["refresh_generation"], doubtful, call["errcode"]))

    def read(self, final=False):
        """Enters what is answered, in order; what stays unanswered is waited for, for a while."""
        calls = sorted(self.sim.journal(since=self.seen), key=lambda call: call["seq"])
        if calls:
            self.behind = min(self.behind, time.monotonic() - calls[-1]["ms"] / 1000)
        for call in calls:
            if call["seq"] <= self.seen:
                continue
            if not call["answered"] and not final:
                self.waiting_since = self.waiting_since or time.monotonic()
                if time.monotonic() - self.waiting_since < PATIENCE_S:
                    return
            self.waiting_since = None
            if self.seen and call["seq"] != self.seen + 1:
                raise AssertionError("the journal was not read in time")
            self.seen = call["seq"]
            self.enter(call)

    def run(self):
        while not self.over.wait(1):
            try:
                self.read()
            except Exception as error:  # told at the end: a judge that has gone home acquits nobody
                self.trouble = error
                return

    def end(self):
        self.over.set()
        self.join(60)
        if self.trouble:
            raise self.trouble
        self.read(final=True)

    def made(self, appid):
        """Refreshes that WeChat carried out."""
        return sum(errcode != DEAD for _, _, _, errcode in self.refreshes[appid])

    def excused(self, appid, moment):
        """Whether who refreshed then may have died, or slept, before it could store what it got."""
        moment += self.behind
        return any(begun <= moment <= ended for begun, ended in self.disturbances[appid] + self.disturbances[None])

    def needless_refreshes(self, appids):
        """I1: uses of a refresh token that had been answered; I3: uses of one that is dead. Each with nothing that had
        put the outcome of the use before in doubt."""
        for appid in appids:
            last, doubt = {}, False
            for moment, generation, doubtful, errcode in self.refreshes[appid]:
                open_to_doubt = doubtful or self.excused(appid, moment)
                if errcode == DEAD:
                    if not doubt:
                        yield "I3: %s: the refresh token %s that was used is not the last one" % (appid, generation)
                    continue
                if last.get(generation) is False:
                    yield "I1: %s: the refresh token %s was used again without need" % (appid, generation)
                last[generation] = open_to_doubt
                doubt = doubt or open_to_doubt
