"""clang-tidy finds nothing in lib/, storage/ and examples/.

What was found clean is remembered in the build folder, by a digest of the file, all headers it reaches, its command and
.clang-tidy, so that only what changed is looked at again.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import time

import lint

SECONDS = int(os.environ.get("WXTP_TIDY_SECONDS", "1700"))
TOPS = ("lib/", "storage/", "examples/")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)

tidy = lint.tool("clang-tidy-14", "clang-tidy")
memory = lint.BUILD / "clang-tidy"
memory.mkdir(exist_ok=True)
base = subprocess.run([tidy, "--version"], capture_output=True, check=True).stdout
base += (lint.SOURCE / ".clang-tidy").read_bytes()


def reached(path, seen):
    """The file and our own headers that it includes, at any remove."""
    if path in seen:
        return
    seen.add(path)
    for header in INCLUDE.findall(path.read_text()):
        for folder in (path.parent, lint.SOURCE / "lib", lint.SOURCE / "include"):
            if (folder / header).is_file():
                reached((folder / header).resolve(), seen)
                break


def digest(path, command):
    seen = set()
    reached(path, seen)
    total = hashlib.sha256(base + command.encode())
    for one in sorted(seen):
        total.update(one.read_bytes())
    return total.hexdigest()


def look(path, stamp):
    """With its assertions on, as they tell the analyzer what holds."""
    if time.monotonic() > deadline:
        return path, None
    done = subprocess.run(
        [tidy, "--quiet", f"-p={memory}", "--extra-arg=-UNDEBUG", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        stamp.touch()
    return path, done


deadline = time.monotonic() + SECONDS
work = []
# Some files are compiled for several programs; they are looked at once. In its second look within one process clang-tidy
# 14 does not know va_start any more.
wanted = {}
for entry in json.loads((lint.BUILD / "compile_commands.json").read_text()):
    path = (lint.BUILD / entry["file"]).resolve()
    if path.is_relative_to(lint.SOURCE) and lint.name(path).startswith(TOPS) and path not in wanted:
        wanted[path] = entry
        stamp = memory / digest(path, entry.get("command", ""))
        if not stamp.exists():
            work.append((path, stamp))
assert wanted, "compile_commands.json names no source"
(memory / "compile_commands.json").write_text(json.dumps(list(wanted.values())))
print(f"{len(work)} of {len(wanted)} files to look at")

with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
    for path, done in pool.map(lambda item: look(*item), work):
        if done is None:
            lint.found(path, 1, f"not looked at within {SECONDS} s; run it again to go on from here")
        elif done.returncode != 0:
            text = re.sub(rf"{re.escape(str(lint.SOURCE))}/", "", done.stdout.rstrip() or done.stderr.rstrip())
            # The way to a finding is long; `clang-tidy -p build/gcc FILE` shows it.
            short = [line for line in text.splitlines() if re.search(r":\d+:\d+: (error|warning):", line)]
            for line in short or [text]:
                lint.say(line)
lint.finish()
