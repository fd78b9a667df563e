"""A call costs no more instructions than this many times those of a bare libcurl loop. The goal is 1.3."""

LIMIT = 1.3

import json
import pathlib
import subprocess
import sys
import tempfile

run = pathlib.Path(__file__).resolve().parent / "run"
with tempfile.TemporaryDirectory() as folder:
    found = pathlib.Path(folder) / "figures.json"
    subprocess.run([sys.executable, run, "--quick", "--only", "instructions_ratio", "--json", found], check=True)
    ratio = json.loads(found.read_text())["instructions_ratio"]["median"]
if ratio > LIMIT:
    sys.exit(f"instructions_ratio is {ratio:.2f}, more than {LIMIT}")
print(f"instructions_ratio is {ratio:.2f}, at most {LIMIT}")
