"""gcc's -fanalyzer finds nothing in lib/ and storage/.

What was found clean is remembered in the build folder, by a digest of the file after the preprocessor and its command, so
that only what changed is looked at again. Needs a build with gcc.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

import lint

# Where gcc 12 is mistaken, and no simple writing helps it.
MISTAKEN = {
    # The table that uthash allocates is held by the list of flights; the analyzer loses it inside the macro.
    "lib/domain/flights.c": ["-Wno-analyzer-malloc-leak"],
}
# With assertions on, and what clang's analyzer is told: that a failure is no success.
MORE = ["-UNDEBUG", "-D__clang_analyzer__", "-Wno-error", "-fdiagnostics-plain-output"]

memory = lint.BUILD / "analyzer"
memory.mkdir(exist_ok=True)


def commands():
    """Each source once: its name, and its command without where the result goes."""
    seen = {}
    for entry in json.loads((lint.BUILD / "compile_commands.json").read_text()):
        if entry["file"].startswith((f"{lint.SOURCE}/lib/", f"{lint.SOURCE}/storage/")):
            words = shlex.split(entry["command"])
            at = words.index("-o")
            depend = {"-MD", "-MT", "-MF", entry["file"]}
            words = [
                word
                for index, word in enumerate(words)
                if index not in (at, at + 1) and word not in depend and words[index - 1] not in ("-MT", "-MF")
            ]
            seen[lint.name(entry["file"])] = [word for word in words if word != "-c"] + MORE
    return seen


def look(name, words):
    path = str(lint.SOURCE / name)
    text = subprocess.run([*words, "-E", "-P", path], capture_output=True, check=True).stdout
    stamp = memory / hashlib.sha256(version + repr((words, MISTAKEN.get(name))).encode() + text).hexdigest()
    if stamp.exists():
        return []
    done = subprocess.run(
        [*words, "-fanalyzer", *MISTAKEN.get(name, ()), "-c", path, "-o", os.devnull],
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line for line in done.stderr.splitlines() if re.search(r"\b(warning|error):", line)]
    if done.returncode != 0 and not found:
        found = [f"{name}:1: gcc ended with {done.returncode}: {done.stderr[-300:]}"]
    if not found:
        stamp.touch()
    return [line.removeprefix(f"{lint.SOURCE}/") for line in found]


work = commands()
assert work, "compile_commands.json names no source"
version = subprocess.run([next(iter(work.values()))[0], "--version"], capture_output=True, check=True).stdout
if b"Free Software Foundation" not in version:
    sys.exit("the analyzer is gcc's: build with gcc")
with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
    for findings in pool.map(lambda item: look(*item), work.items()):
        for finding in findings:
            lint.say(finding)
lint.finish()
