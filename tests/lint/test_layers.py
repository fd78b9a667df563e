"""Layers: a file of lib/ includes headers of its own layer or of a lower one; storage/ and examples/ only public ones."""

import re

import lint

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)

order = re.search(r"set\(layers ([a-z ]+)\)", (lint.SOURCE / "lib/CMakeLists.txt").read_text()).group(1).split()


def includes(path):
    text = path.read_text()
    for match in INCLUDE.finditer(text):
        yield lint.line_of(text, match.start()), match.group(1), match.group(2)


for path in lint.files("lib/**/*.[ch]"):
    layer = path.relative_to(lint.SOURCE / "lib").parts[0]
    if layer not in order:
        lint.found(path, 1, f"{layer} is no layer of lib/CMakeLists.txt")
        continue
    for line, bracket, header in includes(path):
        if bracket == "<":
            if header.startswith("wxtp/") and not (lint.SOURCE / "include" / header).is_file():
                lint.found(path, line, f"<{header}> is no public header")
            continue
        top = header.split("/")[0]
        if "/" not in header or top not in order or not (lint.SOURCE / "lib" / header).is_file():
            lint.found(path, line, f'"{header}" is not written as "LAYER/NAME.h"')
        elif order.index(top) > order.index(layer):
            lint.found(path, line, f"{layer} lies below {top} and must not include {header}")

for path in lint.files("storage/**/*.[ch]", "examples/**/*.[ch]"):
    for line, bracket, header in includes(path):
        if bracket == "<":
            if header.split("/")[0] in order and (lint.SOURCE / "lib" / header).is_file():
                lint.found(path, line, f"<{header}> is an inner header of the library")
        elif ".." in header or not (path.parent / header).is_file():
            lint.found(path, line, f'"{header}" is not beside this file')

for path in lint.files("include/**/*.h"):
    for line, bracket, header in includes(path):
        if bracket == '"' or ("/" in header and not header.startswith(("wxtp/", "sys/"))):
            lint.found(path, line, f"a public header includes standard and public headers alone, not {header}")

lint.finish()
