"""docs/PERFORMANCE.md: the table between its marks, and two plots."""

import re
import subprocess
import tempfile
import textwrap

import figures

MARKS = re.compile(r"(<!-- figures: begin -->\n).*?(<!-- figures: end -->)", re.S)


def number(value):
    if value is None:
        return "–"
    if value >= 1000 or (value >= 10 and value == int(value)):
        return f"{value:,.0f}"
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"


def line(name, one):
    met = {True: "met", False: "NOT met", None: "not measured"}[one["met"]]
    return (f"{name:26} {number(one['median']):>9} ({number(one['min'])} to {number(one['max'])}) {one['unit']}"
            f" goal {one['goal']}: {met}" + (f" ({one['note']})" if one.get("note") else ""))


def goal_text(goal):
    sign, limit = re.fullmatch(r"([<>=]+)([\d.]+)", goal).groups()
    limit = f"{int(limit):,}" if limit.isdigit() else limit
    return f"{ {'<': 'under', '<=': 'at most', '>=': 'at least', '==': 'exactly'}[sign]} {limit}"


def table(result):
    about = result["about"]
    where = (f"Machine: {about['machine']}, {about['system']}; {', '.join(about['versions'])}. "
             f"Commit {about['commit']}, {about['date']}. Command: `{about['command']}`.")
    rows = [textwrap.fill(where, 120, break_on_hyphens=False) + "\n", "| figure | what | median | min to max | goal | met |", "|---|---|---|---|---|---|"]
    for name, (_, unit, meaning) in figures.GOALS.items():
        one = result[name]
        met = {True: "yes", False: "**no**", None: "–"}[one["met"]]
        note = f" ({one['note']})" if one.get("note") else ""
        median = f"{number(one['median'])} {unit}".strip()
        between = "–" if one["median"] is None else f"{number(one['min'])} to {number(one['max'])}"
        rows.append(f"| `{name}` | {meaning}{note} | {median} | {between} | {goal_text(one['goal'])} | {met} |")
    return "\n".join(rows) + "\n"


def per_second(result):
    """The rates and costs behind the ratios."""
    loop = result["tls_throughput_ratio"]["details"]["best_loop"]
    rows = ["| | library | bare loop | wrk |", "|---|---|---|---|"]

    def middle(name, key):
        value = result[name]["details"].get(key)
        return number(value["median"]) if value else "–"

    for label, name, keys in (
        ("calls a second, HTTP", "plain_throughput_ratio",
         ("library_calls_per_second", "bare_calls_per_second", "wrk_calls_per_second")),
        (f"calls a second, TLS (bare: {loop})", "tls_throughput_ratio",
         ("library_calls_per_second", "bare_calls_per_second", "wrk_calls_per_second")),
        ("CPU a call, HTTP, µs", "cpu_ratio_plain", ("library_us", "bare_us", "")),
        ("CPU a call, TLS, µs", "cpu_ratio_tls", ("library_us", "bare_us", "")),
        ("instructions a call", "instructions_ratio", ("library_instructions", "bare_instructions", "")),
        ("share of ideal, 50 ms, 1,000 in flight", "far_share_of_ideal", ("", "bare_share_of_ideal", "")),
        ("the same, libcurl over epoll", "far_share_of_ideal", ("-", "bare_epoll_share_of_ideal", "")),
    ):
        cells = [middle(name, key) for key in keys]
        if keys[0] == "" and name == "far_share_of_ideal":
            cells[0] = number(result[name]["median"])
        rows.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


# ---- Plots ----


def measure_series(bench):
    """Points of the plots: (x, y) by size of the job, by tenants at work, by tenants in the database."""
    base = bench.nginx.plain
    series = {"rate_by_openids": [], "bare_by_openids": [], "rate_by_tenants": [], "memory_by_openids": [],
              "memory_by_tenants": [], "memory_at_rest": []}
    for openids in (1000, 10000, 100000, 1000000):
        figures.say(f"plotting {openids:,} openids")
        db, _ = bench.make_jobs(base, openids)
        done = bench.run_jobs(db, base)
        bare = bench.bare(base, openids // figures.BATCH)
        bench.drop(db)
        series["rate_by_openids"].append((openids, figures.rate(done)))
        series["bare_by_openids"].append((openids, figures.rate(bare)))
        series["memory_by_openids"].append((openids, done["peak_kib"] / 1024))
    for tenants in (1, 10, 100, 1000):
        figures.say(f"plotting {tenants:,} tenants at work")
        db, _ = bench.make_jobs(base, 100000 // tenants, tenants=tenants)
        done = bench.run_jobs(db, base)
        bench.drop(db)
        series["rate_by_tenants"].append((tenants, figures.rate(done)))
        series["memory_by_tenants"].append((tenants, done["peak_kib"] / 1024))
    for tenants in (1000, 10000, 100000, 1000000):
        figures.say(f"plotting {tenants:,} tenants at rest")
        db = bench.new_db()
        bench.run("fill", "--db", db, "--tenants", tenants)
        series["memory_at_rest"].append((tenants, bench.run("look", "open", "--db", db)["rss_kib"] / 1024))
        bench.drop(db)
    return series


PLOT = """
set terminal svg size 900,380 font "sans-serif,13" background rgb "white"
set output "{output}"
set multiplot layout 1,2 title "{title}"
set logscale x
set format x "10^{{%L}}"
set yrange [0:*]
set grid
set key below
set ylabel "{unit}"
"""


def plot(output, title, unit, panels):
    """`panels`: (label of x, [(name of the line, points)])."""
    script = [PLOT.format(output=output, title=title, unit=unit)]
    for at, (label, lines) in enumerate(panels):
        for number_, (_, points) in enumerate(lines):
            rows = "\n".join(f"{x} {y:.6g}" for x, y in points)
            script.append(f"$data_{at}_{number_} << EOD\n{rows}\nEOD")
        script.append(f'set xlabel "{label}"')
        script.append("plot " + ", ".join(
            f'$data_{at}_{number_} with linespoints lw 2 pt 7 ps 0.6 title "{name}"'
            for number_, (name, _) in enumerate(lines)))
    with tempfile.NamedTemporaryFile("w", suffix=".gnuplot") as file:
        file.write("\n".join(script) + "\nunset multiplot\n")
        file.flush()
        subprocess.run(["gnuplot", file.name], check=True)


def write_plots(folder, series):
    plot(folder / "throughput.svg", "Throughput over HTTP, 32 in flight", "calls a second", [
        ("openids of a job", [("library", series["rate_by_openids"]), ("bare loop", series["bare_by_openids"])]),
        ("tenants at work, 100,000 openids in all", [("library", series["rate_by_tenants"])]),
    ])
    plot(folder / "memory.svg", "Resident memory", "MiB", [
        ("openids of a job", [("running a job, peak", series["memory_by_openids"])]),
        ("tenants", [("at work, 100,000 openids in all, peak", series["memory_by_tenants"]),
                     ("in the database, at rest", series["memory_at_rest"])]),
    ])


def write(folder, result, series):
    path = folder / "PERFORMANCE.md"
    made = f"{table(result)}\nBehind the ratios, medians:\n\n{per_second(result)}"
    text, count = MARKS.subn(lambda match: match.group(1) + made + match.group(2), path.read_text())
    if count != 1:
        raise RuntimeError("docs/PERFORMANCE.md has no marks of figures")
    path.write_text(text)
    write_plots(folder, series)
