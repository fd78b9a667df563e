"""Every public header compiles alone and twice, as C11 and as C++11, with warnings as errors."""

import os
import subprocess

import lint

FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", f"-I{lint.SOURCE / 'include'}"]
COMPILERS = [
    [lint.tool("gcc", "cc", "clang"), "-x", "c", "-std=c11"],
    [lint.tool("g++", "c++", "clang++"), "-x", "c++", "-std=c++11"],
]

root = lint.SOURCE / "include"
headers = lint.files("include/wxtp/*.h")
assert headers, "no public headers"
for header in headers:
    include = f"#include <{os.path.relpath(header, root)}>\n"
    for compiler in COMPILERS:
        done = subprocess.run(
            [*compiler, *FLAGS, "-"], input=2 * include + "typedef int not_empty;\n", capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            lint.say(f"{lint.name(header)}:1: does not compile alone with {compiler[-1]}:\n{done.stderr.rstrip()}")

umbrella = (root / "wxtp/wxtp.h").read_text()
reached = set()
queue = ["wxtp/wxtp.h"]
while queue:
    header = queue.pop()
    if header not in reached:
        reached.add(header)
        text = (root / header).read_text()
        queue += [line.split("<")[1].split(">")[0] for line in text.splitlines() if line.startswith("#include <wxtp/")]
for header in headers:
    if os.path.relpath(header, root) not in reached:
        lint.found(header, 1, "is not reached from wxtp/wxtp.h")

lint.finish()
