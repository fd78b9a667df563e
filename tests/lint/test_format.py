"""clang-format has nothing to change."""

import re
import subprocess
import sys

import lint

MADE_WITH = 14  # later versions set some lines otherwise

formatter = lint.tool(f"clang-format-{MADE_WITH}", "clang-format")
version = subprocess.run([formatter, "--version"], capture_output=True, text=True, check=True).stdout
major = int(re.search(r"version (\d+)", version).group(1))
if major != MADE_WITH:
    print(f"skipped: clang-format {major} is here, the sources are set by {MADE_WITH}")
    sys.exit(0)

paths = lint.files(*(f"{top}/**/*.[ch]" for top in ("include", "lib", "storage", "examples", "tests")))
done = subprocess.run(
    [formatter, "--dry-run", "--ferror-limit=1", *map(str, paths)], capture_output=True, text=True, check=False
)
for line in done.stderr.splitlines():
    match = re.match(r"(.+?):(\d+):\d+: \w+: (.*)", line)
    if match:
        lint.found(match.group(1), match.group(2), match.group(3))
lint.finish()
