"""libwxtp.so exports the functions of the public headers, all of them, nothing else; each has a doc comment."""

import re
import subprocess

import lint

DECLARATION = re.compile(r"^WXTP_API\b(?P<rest>[^;{]*?\b(?P<name>wxtp_\w+)\s*\()", re.M)


def documented(lines, index):
    """A comment stands right above, or above the group of declarations without an empty line in between."""
    at = index - 1
    while at >= 0 and lines[at].strip():
        if lines[at].rstrip().endswith("*/"):
            return True
        at -= 1
    return False


declared = {}
for header in lint.files("include/wxtp/*.h"):
    text = header.read_text()
    lines = text.split("\n")
    for match in DECLARATION.finditer(text):
        line = lint.line_of(text, match.start())
        declared[match.group("name")] = (header, line)
        if not documented(lines, line - 1):
            lint.found(header, line, f"{match.group('name')} has no doc comment")
assert declared, "no declarations found"

library = lint.BUILD / "lib/libwxtp.so"
output = subprocess.run(
    [lint.tool("nm"), "-D", "--defined-only", library], capture_output=True, text=True, check=True
).stdout
exported = {}
for row in output.splitlines():
    kind, symbol = row.split()[-2:]
    if kind != "A":  # the name of a version
        exported[symbol.split("@")[0]] = kind

for symbol, kind in sorted(exported.items()):
    if symbol not in declared:
        lint.say(f"lib/libwxtp.map:1: exports {symbol}, which no public header declares")
    elif kind != "T":
        lint.found(*declared[symbol], f"{symbol} is exported as data")
for symbol, place in sorted(declared.items()):
    if symbol not in exported:
        lint.found(*place, f"{symbol} is declared and not exported")

lint.finish()
