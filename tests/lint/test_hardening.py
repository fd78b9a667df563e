"""What is installed is hardened: PIE, no lazy binding, read-only relocations, no executable stack, stack protector,
checked string functions, branch targets where the machine has them."""

import json
import re
import subprocess

import lint

BINARIES = ("lib/libwxtp.so", "examples/admin/wxtp-admin", "examples/simulator/wxtp-simulator")
FLAGS = ("-D_FORTIFY_SOURCE=3", "-fstack-protector-strong", "-fstack-clash-protection")

objdump = lint.tool("objdump")
readelf = lint.tool("readelf")


def read(option, path):
    return subprocess.run(
        [readelf, "-W", option, path], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
    ).stdout


def look(path):
    def want(holds, what):
        if not holds:
            lint.say(f"{path.relative_to(lint.BUILD)}: {what}")

    head, segments, dynamic, symbols = (read(option, path) for option in ("-h", "-l", "-d", "--dyn-syms"))
    want(re.search(r"Type:\s+DYN", head), "is not position-independent")
    if ".so" not in path.name:
        want("(PIE)" in dynamic or re.search(r"FLAGS_1\).*\bPIE\b", dynamic), "is no PIE")
    want("GNU_RELRO" in segments, "has no read-only relocations")
    want(re.search(r"BIND_NOW|FLAGS_1\).*\bNOW\b", dynamic), "binds lazily")
    want(re.search(r"GNU_STACK\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+RW\s", segments), "has an executable stack")
    want(not re.search(r"LOAD\s.*\bRWE\b", segments), "has a segment that is both writable and executable")
    want("(TEXTREL)" not in dynamic, "has relocations in its text")
    want(not re.search(r"\((RPATH|RUNPATH)\).*\[(?!/)", dynamic), "looks for libraries in a relative folder")
    want("__stack_chk_fail" in symbols, "has no stack protector")
    want(re.search(r"\b__\w+_chk\b", symbols.replace("__stack_chk_fail", "")), "calls no checked function")
    if "X86-64" in head:
        # The note of the file tells nothing: the start files of Debian have none, so the linker drops it.
        code = subprocess.run([objdump, "-d", path], capture_output=True, text=True, check=True).stdout
        want(code.count("endbr64") > 100, "does not mark its branch targets")


cache = (lint.BUILD / "CMakeCache.txt").read_text()
assert re.search(r"^WXTP_HARDENING:BOOL=ON$", cache, re.M), "built without WXTP_HARDENING"
for binary in BINARIES:
    look((lint.BUILD / binary).resolve())

# A check that the compiler need not have left a trace of: in each command.
for entry in json.loads((lint.BUILD / "compile_commands.json").read_text()):
    source = entry["file"].removeprefix(str(lint.SOURCE) + "/")
    if source.startswith(("lib/", "storage/", "examples/")):
        for flag in FLAGS:
            if flag not in entry["command"]:
                lint.say(f"{source}:1: is compiled without {flag}")
lint.finish()
