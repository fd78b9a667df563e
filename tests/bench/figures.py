"""How each figure is measured: a ratio of one run, the sides taking turns, over several rounds."""

import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

import servers

IN_FLIGHT = 32
BATCH = 20

# name: (goal, unit, what it says)
GOALS = {
    "instructions_ratio": ("<=1.3", "", "instructions a call, library / bare loop, 32 in flight"),
    "plain_throughput_ratio": (">=0.95", "", "calls a second over HTTP, library / bare loop, 32 in flight"),
    "cpu_ratio_plain": ("<=1.35", "", "CPU a call over HTTP, library / bare loop"),
    "tls_throughput_ratio": (">=1.0", "", "calls a second over TLS, library / best bare loop"),
    "cpu_ratio_tls": ("<=1.25", "", "CPU a call over TLS, library / that bare loop"),
    "far_share_of_ideal": (">=0.95", "", "calls a second / (in flight / answer time), 1,000 in flight, 50 ms"),
    "far_connections": ("<=1100", "", "connections opened for that"),
    "many_tenants_cpu_ratio": ("<=1.10", "", "CPU a call, 1,000 tenants with 50 batches each / one tenant"),
    "token_get_ns": ("<1000", "ns", "a cached token, one thread"),
    "token_get_8_threads_ns": ("<1000", "ns", "a cached token, CPU, eight threads"),
    "push_cpu_us": ("<20", "µs", "CPU of a ticket push: verify, decrypt, parse, apply in memory"),
    "push_ratio": ("<=1.3", "", "that / the same OpenSSL and expat calls alone"),
    "open_ms": ("<100", "ms", "open with 100,000 tenants"),
    "open_rss_kib": ("<32768", "KiB", "resident memory after it"),
    "lookup_us": ("<100", "µs", "a tenant that this process has not looked up before, of 100,000"),
    "list_page_ms": ("<5", "ms", "a page of 100 tenants, of 1,000,000"),
    "list_filter_ms": ("<5", "ms", "a page of a filter that 10 of 1,000,000 match; the slowest of three filters"),
    "job_rss_kib": ("<65536", "KiB", "peak memory to make and run a job of 1,000,000 openids"),
    "job_growth": ("<=1.10", "", "time an openid, a job of 1,000,000 / one of 10,000"),
    "storm_calls": ("==100000", "", "calls made to renew 100,000 tokens that are due at once"),
    "storm_peak_ratio": ("<=1.05", "", "most renewals within a second / the rate that is set"),
    "storm_commits": ("<=1", "", "commits for each 50 renewed tokens"),
    "fairness_cost": ("<=1.10", "", "time of 1,000 small jobs beside a large slow one / without it"),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def figure(name, values, note=None, goal=None, **details):
    """`values`: one a round; empty where it cannot be measured. `details`: what else the rounds have shown."""
    goal = goal or GOALS[name][0]
    made = {"median": None, "min": None, "max": None, "goal": goal, "met": None, "unit": GOALS[name][1]}
    if values:
        made.update(spread(values))
        sign, limit = re.fullmatch(r"([<>=]+)([\d.]+)", goal).groups()
        median, limit = made["median"], float(limit)
        made["met"] = {"<": median < limit, "<=": median <= limit, ">=": median >= limit, "==": median == limit}[sign]
    if note:
        made["note"] = note
    if details:
        made["details"] = {key: spread(value) if isinstance(value, list) else value for key, value in details.items()}
    return {name: made}


class Bench:
    """Where the programs and databases are, and how much there is to do."""

    def __init__(self, programs, folder, quick):
        self.programs = pathlib.Path(programs)
        self.folder = pathlib.Path(folder)
        self.quick = quick
        self.rounds = 3 if quick else 5
        self._nginx = None
        self._made = 0

    def scale(self, full, quick):
        return quick if self.quick else full

    @property
    def nginx(self):
        if not self._nginx:
            self._nginx = servers.Nginx(self.folder / "nginx")
        return self._nginx

    def close(self):
        if self._nginx:
            self._nginx.close()

    def new_db(self):
        self._made += 1
        folder = self.folder / f"db{self._made}"
        folder.mkdir()
        return folder / "wxtp.db"

    def copy(self, db):
        """A job runs once: each round runs a copy."""
        to = self.new_db()
        for path in db.parent.iterdir():
            if not path.name.endswith(("-shm", ".lock")):
                shutil.copyfile(path, to.parent / path.name)
                shutil.copymode(path, to.parent / path.name)
        return to

    @staticmethod
    def drop(db):
        shutil.rmtree(db.parent)

    def run(self, program, *words, under=()):
        """Runs a program of the benches and reads the JSON that it prints."""
        command = [*under, self.programs / f"bench-{program}", *words]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr[-1000:]}")
        return json.loads(done.stdout) if done.stdout.strip() else {}

    # ---- Jobs ----

    def make_jobs(self, base, openids, tenants=1, db=None, settings=(), words=()):
        db = db or self.new_db()
        made = self.run("job", "make", "--db", db, "--tenants", tenants, "--openids", openids, *words,
                        *self._settings(base, settings))
        return db, made

    def run_jobs(self, db, base, concurrency=IN_FLIGHT, settings=(), words=(), keep=False, under=()):
        """Runs the jobs of a database, or of a copy of it."""
        used = db if not keep else self.copy(db)
        done = self.run("job", "run", "--db", used, *words,
                        *self._settings(base, (f"concurrency={concurrency}", *settings)), under=under)
        if keep:
            self.drop(used)
        return done

    def _settings(self, base, settings):
        words = ["--set", f"api_base={base}"]
        for setting in settings:
            words += ["--set", setting]
        return words

    def bare(self, base, calls, in_flight=IN_FLIGHT, words=(), under=()):
        return self.run("bare", "--url", servers.call_url(base), "--calls", calls, "--in-flight", in_flight, *words,
                        under=under)

    def in_turns(self, *sides):
        """Calls the sides by turns, every other round backwards; gives the results of each."""
        results = [[] for _ in sides]
        for at in range(self.rounds):
            order = list(range(len(sides)))
            for side in order if at % 2 == 0 else reversed(order):
                results[side].append(sides[side]())
        return results


def rate(done):
    return done["calls"] / done["seconds"]


def cpu_us(done):
    return done["cpu_seconds"] / done["calls"] * 1e6


def ratios(of, above, below):
    return [of(one) / of(other) for one, other in zip(above, below)]


# ---- Calls ----


def callgrind(bench, run):
    """Instructions of one run under callgrind, over all threads."""
    out = bench.folder / "callgrind.out"
    run(("valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={out}"))
    total = int(re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.M).group(1))
    out.unlink()
    return total


def instructions(bench):
    few, many = bench.scale((1000, 6000), (300, 1300))
    base = bench.nginx.plain
    # Each under a name of its own, so that the shorter run does not use up the longer one's job.
    dbs = {calls: bench.make_jobs(base, calls * BATCH)[0] for calls in (few, many)}
    settings = ("timeout_ms=600000",)

    def library():
        counted = [callgrind(bench, lambda under, calls=calls: bench.run_jobs(
            dbs[calls], base, settings=settings, keep=True, under=under)) for calls in (few, many)]
        return (counted[1] - counted[0]) / (many - few)

    def bare():
        counted = [callgrind(bench, lambda under, calls=calls: bench.bare(base, calls, under=under))
                   for calls in (few, many)]
        return (counted[1] - counted[0]) / (many - few)

    rounds, bench.rounds = bench.rounds, bench.scale(3, 1)
    of_library, of_bare = bench.in_turns(library, bare)
    bench.rounds = rounds
    for db in dbs.values():
        bench.drop(db)
    return figure("instructions_ratio", [one / other for one, other in zip(of_library, of_bare)],
                  library_instructions=of_library, bare_instructions=of_bare, calls=many - few)


def wrk_script(bench):
    path = bench.folder / "post.lua"
    path.write_text('wrk.method = "POST"\nwrk.body = string.rep("x", 656)\n'
                    'wrk.headers["Content-Type"] = "application/json; charset=utf-8"\n')
    return path


def plain(bench):
    base, calls = bench.nginx.plain, bench.scale(30000, 6000)
    db, _ = bench.make_jobs(base, calls * BATCH)
    script = wrk_script(bench)
    library, bare, wrk = bench.in_turns(
        lambda: bench.run_jobs(db, base, keep=True), lambda: bench.bare(base, calls),
        lambda: servers.wrk(servers.call_url(base), script, IN_FLIGHT, bench.scale(2, 1)))
    bench.drop(db)
    return {
        **figure("plain_throughput_ratio", ratios(rate, library, bare), wrk_calls_per_second=wrk,
                 library_calls_per_second=list(map(rate, library)), bare_calls_per_second=list(map(rate, bare))),
        **figure("cpu_ratio_plain", ratios(cpu_us, library, bare), library_us=list(map(cpu_us, library)),
                 bare_us=list(map(cpu_us, bare))),
    }


# (calls in flight, options): over TLS the best of these is what counts.
TLS_LOOPS = {
    "HTTP/1.1, 8 connections": (8, ("--http", 1)),
    "HTTP/1.1, 32 connections": (32, ("--http", 1)),
    "HTTP/2, 8 connections": (8, ("--http", 2)),
    "HTTP/2, 32 connections": (32, ("--http", 2)),
    "HTTP/2, 32 in flight on 1 connection": (32, ("--http", 2, "--connections", 1)),
    "HTTP/2, 32 in flight on 8 connections": (32, ("--http", 2, "--connections", 8)),
}


def tls(bench):
    base, calls = bench.nginx.tls, bench.scale(20000, 4000)
    trust = f"ca_file={bench.nginx.ca_file}"
    db, _ = bench.make_jobs(base, calls * BATCH, settings=(trust,))
    script = wrk_script(bench)
    loops = [lambda in_flight=in_flight, words=words: bench.bare(
        base, calls, in_flight, (*words, "--ca-file", bench.nginx.ca_file)) for in_flight, words in TLS_LOOPS.values()]
    library, wrk, *bare = bench.in_turns(
        lambda: bench.run_jobs(db, base, settings=(trust,), keep=True),
        lambda: servers.wrk(servers.call_url(base), script, IN_FLIGHT, bench.scale(2, 1)), *loops)
    bench.drop(db)
    of_loop = dict(zip(TLS_LOOPS, bare))
    best = max(of_loop, key=lambda name: statistics.median(map(rate, of_loop[name])))
    every = {name: round(statistics.median(map(rate, done))) for name, done in of_loop.items()}
    return {
        **figure("tls_throughput_ratio", ratios(rate, library, of_loop[best]), best_loop=best,
                 library_calls_per_second=list(map(rate, library)),
                 bare_calls_per_second=list(map(rate, of_loop[best])), wrk_calls_per_second=wrk, loops=every),
        **figure("cpu_ratio_tls", ratios(cpu_us, library, of_loop[best]), best_loop=best,
                 library_us=list(map(cpu_us, library)), bare_us=list(map(cpu_us, of_loop[best]))),
    }


def far(bench):
    in_flight, delay_ms = 1000, 50
    ideal = in_flight / (delay_ms / 1000)
    calls = bench.scale(100000, 10000)
    server = servers.Delay(bench.programs / "bench-delay", "--delay-ms", delay_ms)
    db, _ = bench.make_jobs(server.url, calls * BATCH)
    connections = []

    def library():
        server.reset()
        done = bench.run_jobs(db, server.url, concurrency=in_flight, keep=True)
        connections.append(server.get("/counts")["connections"])
        return done

    done, bare, epoll = bench.in_turns(library, lambda: bench.bare(server.url, calls, in_flight),
                                       lambda: bench.bare(server.url, calls, in_flight, ("--epoll", 1)))
    server.close()
    bench.drop(db)
    shares = [rate(one) / ideal for one in done]
    return {
        **figure("far_share_of_ideal", shares, library_calls_per_second=list(map(rate, done)),
                 bare_share_of_ideal=[rate(one) / ideal for one in bare],
                 bare_epoll_share_of_ideal=[rate(one) / ideal for one in epoll], library_us=list(map(cpu_us, done)),
                 bare_us=list(map(cpu_us, bare)), bare_epoll_us=list(map(cpu_us, epoll)),
                 peak_kib=[one["peak_kib"] for one in done]),
        **figure("far_connections", connections),
    }


def many_tenants(bench):
    tenants, batches = bench.scale(1000, 200), bench.scale(50, 20)
    base = bench.nginx.plain
    openids = batches * BATCH
    several, _ = bench.make_jobs(base, openids, tenants=tenants)
    one, _ = bench.make_jobs(base, openids * tenants)
    of_several, of_one = bench.in_turns(lambda: bench.run_jobs(several, base, keep=True),
                                        lambda: bench.run_jobs(one, base, keep=True))
    bench.drop(several)
    bench.drop(one)
    return figure("many_tenants_cpu_ratio", ratios(cpu_us, of_several, of_one), tenants=tenants,
                  many_us=list(map(cpu_us, of_several)), one_us=list(map(cpu_us, of_one)),
                  many_calls_per_second=list(map(rate, of_several)), peak_kib=[done["peak_kib"] for done in of_several],
                  note=f"{tenants} tenants" if bench.quick else None)


def token(bench):
    db, _ = bench.make_jobs(bench.nginx.plain, BATCH)
    words = ("token", "--db", db, "--appid", "wxbench0000000000")
    one, eight = bench.in_turns(
        lambda: bench.run("look", *words, "--gets", bench.scale(100000, 20000)),
        lambda: bench.run("look", *words, "--threads", 8, "--gets", bench.scale(20000, 2000)))
    bench.drop(db)
    return {
        **figure("token_get_ns", [done["wall_ns"] for done in one], cpu_ns=[done["cpu_ns"] for done in one]),
        **figure("token_get_8_threads_ns", [done["cpu_ns"] for done in eight],
                 wall_ns=[done["wall_ns"] for done in eight]),
    }


def push(bench):
    def receive(*words):
        db = bench.new_db()
        done = bench.run("push", "--db", db, "--pushes", bench.scale(2000, 500), *words)
        bench.drop(db)
        return done

    done, committed = bench.in_turns(lambda: receive("--in-memory", 1), receive)
    with_rows = [one["library_us"] - one["begin_us"] - one["commit_us"] for one in done]
    own = [us - one["rows_us"] for us, one in zip(with_rows, done)]
    return {
        **figure("push_cpu_us", own, with_rows_us=with_rows, with_commit_us=[one["library_us"] for one in committed],
                 commit_us=[one["commit_us"] for one in committed]),
        **figure("push_ratio", [us / one["bare_us"] for us, one in zip(own, done)],
                 bare_us=[one["bare_us"] for one in done]),
    }


# ---- Large databases ----


def opening(bench):
    tenants = 100000
    db = bench.new_db()
    bench.run("fill", "--db", db, "--tenants", tenants)
    opened, looked = bench.in_turns(lambda: bench.run("look", "open", "--db", db),
                                    lambda: bench.run("look", "tenants", "--db", db, "--tenants", tenants))
    bench.drop(db)
    return {
        **figure("open_ms", [one["open_ms"] for one in opened]),
        **figure("open_rss_kib", [one["rss_kib"] for one in opened], peak_kib=[one["peak_kib"] for one in opened]),
        **figure("lookup_us", [one["lookup_us"] for one in looked],
                 first_of_process_us=[one["first_lookup_us"] for one in looked]),
    }


def listing(bench):
    tenants = 1000000
    db = bench.new_db()
    bench.run("fill", "--db", db, "--tenants", tenants)
    (looked,) = bench.in_turns(lambda: bench.run("look", "tenants", "--db", db, "--tenants", tenants))
    bench.drop(db)
    filters = ("status_ms", "certified_ms", "both_ms")
    return {
        **figure("list_page_ms", [one["page_ms"] for one in looked], peak_kib=[one["peak_kib"] for one in looked]),
        **figure("list_filter_ms", [max(one[name] for name in filters) for one in looked],
                 **{name: [one[name] for one in looked] for name in filters}),
    }


def large_job(bench):
    large, small, times = bench.scale(1000000, 200000), 10000, bench.scale(5, 3)
    base = bench.nginx.plain

    def one_job(openids):
        db, made = bench.make_jobs(base, openids)
        done = bench.run_jobs(db, base)
        bench.drop(db)
        return {"make": made["seconds"] / openids, "run": done["seconds"] / openids,
                "peak_kib": max(made["peak_kib"], done["peak_kib"])}

    def small_jobs():
        done = [one_job(small) for _ in range(times)]
        return {step: sum(one[step] for one in done) / times for step in ("make", "run")}

    def growth(steps):
        return [sum(one[step] for step in steps) / sum(other[step] for step in steps)
                for one, other in zip(of_large, of_small)]

    of_large, of_small = bench.in_turns(lambda: one_job(large), small_jobs)
    note = f"a job of {large:,} openids" if bench.quick else None
    return {
        **figure("job_rss_kib", [one["peak_kib"] for one in of_large], note=note),
        **figure("job_growth", growth(("make", "run")), note=note, make_growth=growth(("make",)),
                 run_growth=growth(("run",)), make_us_per_openid=[one["make"] * 1e6 for one in of_large],
                 run_us_per_openid=[one["run"] * 1e6 for one in of_large]),
    }


# ---- Many at once ----


def storm(bench):
    tenants, pace = bench.scale((100000, 5000), (4000, 2000))
    server = servers.Delay(bench.programs / "bench-delay")

    def renew(at_once, *words):
        db = bench.new_db()
        words = ("--db", db, "--set", f"api_base={server.url}", "--tenants", tenants, *words)
        bench.run("storm", "make", *words)
        server.reset()
        done = bench.run("storm", "run", "--at-once", at_once, *words)
        counts = server.get("/counts")
        bench.drop(db)
        return done, counts

    few, few_counts = renew(32)
    many, many_counts = renew(1000)
    _, paced = renew(1000, "--set", f"renewal_rate={pace}")
    server.close()
    how = f"one run{f', {tenants:,} tokens' if bench.quick else ''}"
    calls = max((few_counts["tokens"], many_counts["tokens"], paced["tokens"]), key=lambda made: abs(made - tenants))
    return {
        **figure("storm_calls", [calls], note=how, goal=f"=={tenants}", seconds_at_32=few["seconds"],
                 seconds_at_1000=many["seconds"]),
        **figure("storm_peak_ratio", [paced["tokens_peak_per_second"] / pace], note=f"{how}; {pace:,} a second are set"),
        **figure("storm_commits", [many["writes"] / many["renewed"] * 50], note=f"{how}; 1,000 at once",
                 at_32=few["writes"] / few["renewed"] * 50, synced_commits=many["syncs"] / many["renewed"] * 50),
    }


def fairness(bench):
    tenants, large = bench.scale((1000, 1000000), (200, 100000))
    server = servers.Delay(bench.programs / "bench-delay", "--delay-ms", 5, "--slow-ms", 500)
    db, _ = bench.make_jobs(server.url, BATCH, tenants=tenants)
    bench.make_jobs(server.url, large, db=db, words=("--name", "slow", "--list", db.parent / "slow.jobs"))
    # A platform that serves many has served some before.
    bench.make_jobs(server.url, BATCH, tenants=10, db=db, words=("--name", "early", "--list", db.parent / "early.jobs"))

    def jobs(*beside):
        used = bench.copy(db)
        words = ["--before", used.parent / "early.jobs"]
        for name in beside:
            words += ["--beside", used.parent / name]
        done = bench.run_jobs(used, server.url, words=words)
        bench.drop(used)
        return done

    beside, alone = bench.in_turns(lambda: jobs("slow.jobs"), jobs)
    server.close()
    bench.drop(db)
    return figure("fairness_cost", [one["seconds"] / other["seconds"] for one, other in zip(beside, alone)],
                  with_seconds=[one["seconds"] for one in beside], without_seconds=[one["seconds"] for one in alone],
                  note=f"{tenants} tenants, {large:,} openids" if bench.quick else None)


GROUPS = [
    (("instructions_ratio",), instructions),
    (("plain_throughput_ratio", "cpu_ratio_plain"), plain),
    (("tls_throughput_ratio", "cpu_ratio_tls"), tls),
    (("far_share_of_ideal", "far_connections"), far),
    (("many_tenants_cpu_ratio",), many_tenants),
    (("token_get_ns", "token_get_8_threads_ns"), token),
    (("push_cpu_us", "push_ratio"), push),
    (("open_ms", "open_rss_kib", "lookup_us"), opening),
    (("list_page_ms", "list_filter_ms"), listing),
    (("job_rss_kib", "job_growth"), large_job),
    (("storm_calls", "storm_peak_ratio", "storm_commits"), storm),
    (("fairness_cost",), fairness),
]
