"""cppcheck finds nothing in lib/, storage/ and examples/."""

import subprocess

import lint

CHECKS = "warning,performance,portability"
QUIET = [
    "missingIncludeSystem",
    "unmatchedSuppression",
    "checkersReport",
    "nullPointerArithmeticRedundantCheck",
]

done = subprocess.run(
    [
        lint.tool("cppcheck"),
        f"--enable={CHECKS}",
        "--inline-suppr",
        "--std=c11",
        "--quiet",
        "-j2",
        "--error-exitcode=3",
        "--template={file}:{line}: {severity}: {message} [{id}]",
        '-DWXTP_VERSION="0"',
        "-D__GNUC__=12",
        *(f"--suppress={what}" for what in QUIET),
        "-Iinclude",
        "-Ilib",
        "lib",
        "storage",
        "examples",
    ],
    cwd=lint.SOURCE,
    capture_output=True,
    text=True,
    check=False,
)
for line in done.stderr.splitlines():
    if line.strip():
        lint.say(line)
if done.returncode not in (0, 3):
    lint.say(f"cppcheck ended with {done.returncode}")
lint.finish()
